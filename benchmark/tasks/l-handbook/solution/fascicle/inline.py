"""Inline markup."""

import re
import string
from dataclasses import dataclass, field

from fascicle.blocks import Place, Text

BRACES = re.compile(r"([@!^])\{([^}]*)\}")
STYLES = {"*": "strong", "_": "em"}


@dataclass(frozen=True)
class Plain:
    text: str


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Styled:
    tag: str
    parts: "tuple[Part, ...]"


@dataclass(frozen=True)
class Reference:
    id: str
    text: str | None
    place: Place


@dataclass(frozen=True)
class Term:
    text: str


@dataclass(frozen=True)
class Mark:
    id: str
    place: Place


Part = Plain | Code | Styled | Reference | Term | Mark


@dataclass
class _Open:
    sign: str
    place: Place
    parts: list[Part] = field(default_factory=list)


def parts_of(text: Text) -> tuple[list[Part], list[Place]]:
    """The parts of a text, and where what is not closed was opened."""
    joined = text.joined
    unclosed: list[Place] = []
    stack = [_Open("", (0, 0))]

    def give_up() -> None:
        """The innermost open style is plain text after all."""
        lost = stack.pop()
        unclosed.append(lost.place)
        stack[-1].parts += [Plain(lost.sign), *lost.parts]

    at = 0
    while at < len(joined):
        sign = joined[at]
        parts = stack[-1].parts
        braces = BRACES.match(joined, at)
        if sign == "\\" and at + 1 < len(joined) and joined[at + 1] in string.punctuation:
            parts.append(Plain(joined[at + 1]))
            at += 2
        elif sign == "`" and (end := joined.find("`", at + 1)) > 0:
            parts.append(Code(_on_one_line(joined[at + 1 : end])))
            at = end + 1
        elif braces:
            parts.append(_braced(sign, _on_one_line(braces[2]), text.place(at)))
            at = braces.end()
        elif sign in STYLES:
            if any(open_.sign == sign for open_ in stack):
                while stack[-1].sign != sign:
                    give_up()
                closed = stack.pop()
                stack[-1].parts.append(Styled(STYLES[sign], tuple(closed.parts)))
            else:
                stack.append(_Open(sign, text.place(at)))
            at += 1
        else:
            if sign == "`" or (sign in "@!^" and joined[at + 1 : at + 2] == "{"):
                unclosed.append(text.place(at))
            parts.append(Plain(_on_one_line(sign)))
            at += 1
    while len(stack) > 1:
        give_up()
    return stack[0].parts, unclosed


def every(parts: "list[Part] | tuple[Part, ...]") -> list[Part]:
    """All parts in the order of the text, those inside of others too."""
    found: list[Part] = []
    for part in parts:
        found += every(part.parts) if isinstance(part, Styled) else [part]
    return found


def _braced(sign: str, inside: str, place: Place) -> Part:
    if sign == "@":
        id_, bar, text = inside.partition("|")
        return Reference(id_, text if bar else None, place)
    return Term(" ".join(inside.split())) if sign == "!" else Mark(inside, place)


def _on_one_line(text: str) -> str:
    return text.replace("\n", " ")
