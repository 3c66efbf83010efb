"""The text of a template to a tree of blocks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from lettering.errors import TemplateError
from lettering.filters import check

_PATH = re.compile(r"\w+(?:\.\w+)*\??", re.ASCII)
_NAME = re.compile(r"\w+", re.ASCII)
_DIRECTIVE = re.compile(r"( *)%(?: +(.*))?")
_FOR = re.compile(r"for +(\w+) +in +(\S+)", re.ASCII)
_CONDITION = re.compile(r"(not +)?(\S+)|(\S+) +is( +not)? +(\S.*)")


@dataclass(frozen=True)
class Placeholder:
    path: str
    filters: tuple[tuple[str, str | None], ...]
    """Name and argument of each; no argument and an empty one are two things."""
    indent: str
    """What later lines of its value get in front."""


@dataclass(frozen=True)
class Line:
    number: int
    pieces: tuple[str | Placeholder, ...]


@dataclass(frozen=True)
class Condition:
    number: int
    path: str
    negated: bool
    words: str | None
    """What the text is compared with; `None` for a question of truth."""


@dataclass(frozen=True)
class Use:
    number: int
    name: str
    indent: str


@dataclass
class Loop:
    number: int
    name: str
    path: str
    body: list["Block"] = field(default_factory=list)
    otherwise: list["Block"] | None = None


@dataclass
class Choice:
    number: int
    branches: list[tuple[Condition, list["Block"]]]
    otherwise: list["Block"] | None = None


Block = Line | Use | Loop | Choice


class _Parser:
    """Reads line by line; `open` are the blocks that have no end yet, with the list that lines go into."""

    def __init__(self) -> None:
        self.top: list[Block] = []
        self.open: list[Loop | Choice] = []
        self.into: list[list[Block]] = [self.top]

    def read(self, number: int, text: str) -> None:
        found = _DIRECTIVE.fullmatch(text.removesuffix("\n"))
        if not found:
            self.into[-1].append(Line(number, _pieces(number, text)))
            return
        words = (found[2] or "").strip(" ")
        verb, _, rest = words.partition(" ")
        if verb.startswith("#"):
            return
        rest = rest.strip(" ")
        if verb == "for":
            named = _FOR.fullmatch(words)
            if not (named and _PATH.fullmatch(named[2])):
                raise TemplateError(number, "expected 'for NAME in PATH'")
            loop = Loop(number, named[1], named[2])
            self._begin(loop, loop.body)
        elif verb == "if":
            branch: list[Block] = []
            self._begin(Choice(number, [(_condition(number, verb, rest), branch)]), branch)
        elif verb == "elif":
            choice = self.open[-1] if self.open else None
            if not isinstance(choice, Choice) or choice.otherwise is not None:
                raise TemplateError(number, "'elif' without 'if'")
            self.into[-1] = []
            choice.branches.append((_condition(number, verb, rest), self.into[-1]))
        elif verb == "use":
            if not _NAME.fullmatch(rest):
                raise TemplateError(number, "expected 'use NAME'")
            self.into[-1].append(Use(number, rest, found[1]))
        elif verb in ("else", "end"):
            self._close(number, verb, rest)
        else:
            raise TemplateError(number, f"unknown directive '{verb}'")

    def _begin(self, block: Loop | Choice, lines: list[Block]) -> None:
        self.into[-1].append(block)
        self.open.append(block)
        self.into.append(lines)

    def _close(self, number: int, verb: str, rest: str) -> None:
        if rest:
            raise TemplateError(number, f"nothing may follow '{verb}'")
        if not self.open:
            raise TemplateError(number, f"'{verb}' without 'for' or 'if'")
        if verb == "end":
            self.open.pop()
            self.into.pop()
        elif self.open[-1].otherwise is not None:
            raise TemplateError(number, "'else' twice")
        else:
            self.into[-1] = self.open[-1].otherwise = []


def parse(template: str) -> Sequence[Block]:
    """Raises `TemplateError` for the first mistake of form."""
    parser = _Parser()
    for number, text in enumerate(re.findall(r"[^\n]*\n|[^\n]+", template), 1):
        parser.read(number, text)
    if parser.open:
        block = parser.open[-1]
        raise TemplateError(block.number, f"'{'for' if isinstance(block, Loop) else 'if'}' has no end")
    return parser.top


def _condition(number: int, verb: str, text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    path = found and (found[2] or found[3])
    if not found or not path or not _PATH.fullmatch(path):
        raise TemplateError(number, f"expected '{verb} CONDITION'")
    return Condition(number, path, bool(found[1] or found[4]), found[5])


def _pieces(number: int, text: str) -> tuple[str | Placeholder, ...]:
    if text.lstrip(" ").startswith("%%"):
        text = text.replace("%%", "%", 1)
    pieces: list[str | Placeholder] = []
    plain, place = "", 0
    while (start := text.find("[[", place)) >= 0:
        if start > place and text[start - 1] == "\\":
            plain += text[place : start - 1] + "[["
            place = start + 2
            continue
        end = text.find("]]", start)
        if end < 0:
            raise TemplateError(number, "'[[' is not closed")
        before = text[:start]
        plain += text[place:start]
        pieces += [plain, _placeholder(number, text[start + 2 : end], "" if before.strip(" ") else before)]
        plain, place = "", end + 2
    return (*pieces, plain + text[place:])


def _placeholder(number: int, text: str, indent: str) -> Placeholder:
    path, *calls = text.split("|")
    path = path.strip(" ")
    if not _PATH.fullmatch(path):
        raise TemplateError(number, f"bad path '{path}'")
    filters = []
    for call in calls:
        name, colon, argument = call.partition(":")
        filters.append((name.strip(" "), argument if colon else None))
        problem = check(*filters[-1])
        if problem:
            raise TemplateError(number, problem)
    return Placeholder(path, tuple(filters), indent)
