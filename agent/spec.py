"""``spec.md`` → :class:`~graphs.values.Spec`: no model takes part. Also where in it a requirement's quote stands.

Three forms are acceptance examples: fenced or indented shell sessions, doctests, and a fence labelled ``input`` (or
``stdin``) followed by one labelled ``output`` (or ``stdout``), with at most one short line between the two::

    ```input python -m tally --sum
    3
    4
    ```
    gives:
    ```output exit 0
    7
    ```

The command of such a pair is, the first that is there:

- what stands after the label of the input;
- what words with a colon at their end have in back-ticks last ("Running `python -m tally --sum` on:"), between the two
  blocks or before them. The sentence must speak of running, or the command start with ``python`` or like the
  ``entry`` of the front matter. It holds for further pairs, until a heading or a longer paragraph comes;
- the ``entry`` itself, unless it only asks for help.

A pair for which no plain command is named stays mere text, since such blocks also illustrate formats;
:func:`unbound_examples` tells where those are. One whose label names a command that cannot be given input (a pipe, say)
is an error: it was meant to be run.
"""

from __future__ import annotations

import hashlib
import re
import sys
import textwrap
import unicodedata
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO

from agent.checks.packages import problem_of
from graphs import syntax
from graphs.errors import SpecError
from graphs.examples import parse_block, parse_doctest, parse_exchange, takes_input
from graphs.values import Example, Requirement, Spec

MAX_BYTES = 1024 * 1024
"""A specification is read by a model and by people; a larger file is a mistake, refused without reading it all."""

FRONT_MATTER: Mapping[str, str] = {
    "title": "text",
    "language": "text",
    "packages": "a list of package names",
    "entry": "text",
    "output": "text",
    "superseded": "a list of test files, or tests, that the program has and that the change makes wrong",
}
"""Key of the front matter → what its value must be."""

_LISTS = frozenset({"packages", "superseded"})
_LABELS = frozenset({"", "console", "sh", "shell", "bash", "shell-session", "pycon", "python", "py", "doctest"})
_FENCE = re.compile(r"^(?P<margin>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<brace>\{?)\.?(?P<label>[\w+-]*)(?P<rest>.*)$")
_GIVEN = frozenset({"input", "stdin"})
_PRINTED = frozenset({"output", "stdout"})
_SHORT = 60
"""Characters of a line that may stand between input and output, or between pairs of the same command."""
_RUNNING = re.compile(r"\b(?:run|runs|running|execut\w+|invok\w+|start|starts|starting|command)\b", re.IGNORECASE)
_ASKS_HELP = frozenset({"-h", "--help", "--version"})
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(?P<title>.*?)(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r"^ {0,3}(?:=+|-+)[ \t]*$")
_LOOSE_DOCTEST = re.compile(r"^(?P<margin>[ \t]*)>>> ")
_LOOSE_SHELL = re.compile(r"^(?P<margin> {4,}|[ \t]*\t[ \t]*)\$ +\S")


def read_spec(source: str, stdin: BinaryIO | None = None) -> Spec:
    """Read a specification from a file, from ``spec.md`` in a directory, or from standard input (``-``).

    A byte order mark and Windows line ends do not matter. Lines keep their numbers: front matter becomes empty lines in
    ``Spec.text``. Raises ``SpecError`` when it is missing, empty, larger than 1 MiB, not UTF-8 text, or when its front
    matter or an example in it cannot be read.
    """
    name, data = _bytes(source, stdin)
    text = _text(name, data)
    body, front = _split(name, text)
    if not body.strip():
        raise SpecError(f"{name} is empty{' but for its front matter' if front else ''}; write what is to be built")
    blocks = list(_blocks(body))
    settings = _settings(name, front)
    return Spec(
        title=str(settings.get("title") or _title(body, blocks)),
        text=body,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        examples=tuple(_examples(name, blocks, settings.get("entry", ""))),
        settings=settings,
    )


def unbound_examples(spec: Spec) -> tuple[int, ...]:
    """Lines of the input blocks that have an output block and no command, so that the pair is mere text."""
    exchanges = _exchanges(list(_blocks(spec.text)), spec.settings.get("entry", ""))
    return tuple(exchange.line for exchange in exchanges.values() if exchange.command is None)


def with_feedback(spec: Spec, feedback: Sequence[str]) -> Spec:
    """``spec`` with what the user said of earlier results, each as a section at the end of its text.

    Examples in the feedback become examples of the spec, F1, F2…; one that cannot be read stays mere text, since it
    was typed in haste and what it means is in the words around it. The digest stays that of the file.
    """
    text, examples = _ended(spec.text), list(spec.examples)
    own = len(examples)
    for number, words in enumerate(feedback, 1):
        head = f"\n# Feedback {number}\n\n"
        above = text.count("\n") + head.count("\n")
        said = _ended(_plain_ends(words))
        try:
            found = list(_examples("the feedback", list(_blocks(said)), spec.settings.get("entry", "")))
        except SpecError:
            found = []
        first = len(examples) - own + 1
        examples += [replace(e, id=f"F{first + i}", line=e.line + above) for i, e in enumerate(found)]
        text += head + said
    return replace(spec, text=text, examples=tuple(examples))


def _ended(text: str) -> str:
    """The text with one line end, its last fence closed: left open, it would swallow what is put after it."""
    text = text.rstrip("\n") + "\n"
    left_open = [block.left_open for block in _blocks(text) if block.left_open]
    return f"{text}{left_open[0]}\n" if left_open else text


def _bytes(source: str, stdin: BinaryIO | None) -> tuple[str, bytes]:
    """What to call the source in messages, and its bytes, at most one more than the limit."""
    if source == "-":
        return "the specification on standard input", (stdin or sys.stdin.buffer).read(MAX_BYTES + 1)
    path = Path(source)
    try:
        if path.is_dir():
            path /= "spec.md"
            if not path.exists():
                raise SpecError(f"{source!r} is a directory without a spec.md; name the file, or write {str(path)!r}")
        if path.is_dir():
            raise SpecError(f"{str(path)!r} is a directory; name the specification file")
        with path.open("rb") as file:
            return repr(str(path)), file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError(f"there is no file {source!r}; name a Markdown file that says what is to be built") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SpecError(f"{source!r} cannot be read ({why}); name a readable file") from error


def _text(name: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise SpecError(f"{name} is larger than 1 MiB; a specification is text for people: shorten it or split it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{name} is not UTF-8 text (byte {error.start}); save it as UTF-8 text") from None
    if "\0" in text:
        raise SpecError(f"{name} is binary, not text; name a Markdown file")
    return _plain_ends(text)


def _plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _split(name: str, text: str) -> tuple[str, str]:
    """The Markdown, with empty lines where the front matter was, and the front matter's YAML."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return text, ""
    for end, content in enumerate(lines[1:], 1):
        if content.rstrip() in {"---", "..."}:
            return "\n" * (end + 1) + "\n".join(lines[end + 1 :]), "\n".join(lines[1:end])
    raise SpecError(f"{name}: the front matter that '---' opens in line 1 is never closed; end it with a line '---'")


def _settings(name: str, front: str) -> dict[str, Any]:
    import yaml

    try:
        # BaseLoader builds nothing but text, lists and mappings: a title of 2048 or a version of 1.10 stays as written.
        data = yaml.load(front, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 2}" if mark else ""
        why = getattr(error, "problem", None) or "it is not text that YAML allows"
        raise SpecError(f"{name}: the front matter is not YAML{place} ({why}); mend it or remove it") from None
    if not data:
        return {}
    if not isinstance(data, dict):
        raise SpecError(
            f"{name}: the front matter must be 'key: value' lines; known keys are {', '.join(FRONT_MATTER)}"
        )
    for key, value in data.items():
        if key not in FRONT_MATTER:
            near = get_close_matches(str(key), FRONT_MATTER, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(FRONT_MATTER)}"
            raise SpecError(f"{name}: the front matter has an unknown key {key!r}; {hint}")
        is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if not (is_list if key in _LISTS else isinstance(value, str)):
            raise SpecError(f"{name}: {key!r} in the front matter must be {FRONT_MATTER[key]}, not {value!r:.60}")
    for package in data.get("packages", ()):
        if problem := problem_of(package):
            raise SpecError(f"{name}: 'packages' in the front matter: {problem}")
    return {key: value for key, value in data.items() if value}


@dataclass(frozen=True)
class _Block:
    """A fenced block, or the lines outside fences between two of them."""

    line: int
    """1-based line of its first content line."""
    lines: tuple[str, ...]
    """Its content, a fence's own indentation removed."""
    label: str | None
    """The fence's label in lower case, empty without one; ``None`` for prose."""
    info: str = ""
    """What stands after the label, when that is not in braces."""
    left_open: str = ""
    """The mark that would close a fence which nothing closes."""


def _blocks(text: str) -> Iterator[_Block]:
    lines = text.split("\n")
    prose = at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None or (fence["mark"][0] == "`" and "`" in fence["rest"]):
            at += 1
            continue
        yield _Block(prose + 1, tuple(lines[prose:at]), None)
        closing = re.compile(rf"^[ \t]*{fence['mark'][0]}{{{len(fence['mark'])},}}[ \t]*$")
        end = next((n for n in range(at + 1, len(lines)) if closing.match(lines[n])), len(lines))
        content = (content.removeprefix(fence["margin"]) for content in lines[at + 1 : end])
        info = fence["rest"].strip() if fence["rest"][:1].isspace() and not fence["brace"] else ""
        left_open = fence["mark"] if end == len(lines) else ""
        yield _Block(at + 2, tuple(content), fence["label"].lower(), info, left_open)
        prose = at = end + 1
    yield _Block(prose + 1, tuple(lines[prose:]), None)


def _title(text: str, blocks: Sequence[_Block]) -> str:
    for block in blocks:
        if block.label is not None:
            continue
        for content, below in pairwise((*block.lines, "")):
            if (heading := _HEADING.match(content)) and heading["title"]:
                return heading["title"]
            if content.strip() and not content.lstrip().startswith(("-", "=")) and _UNDERLINE.match(below):
                return content.strip()
    return next(content for content in text.split("\n") if content.strip()).strip()


def _examples(name: str, blocks: Sequence[_Block], entry: str) -> Iterator[Example]:
    number = 1
    for line, read in _readers(blocks, entry):
        try:
            example = read(f"E{number}", line)
        except ValueError as error:
            raise SpecError(f"{name}, line {line}: the example cannot be read: {error}") from None
        if example is not None:
            yield example
            number += 1


def _readers(blocks: Sequence[_Block], entry: str) -> Iterator[tuple[int, Callable[[str, int], Example | None]]]:
    """What may be an example, in order: its 1-based line, and what makes an example of an id and that line."""
    exchanges = _exchanges(blocks, entry)
    for at, block in enumerate(blocks):
        if (exchange := exchanges.get(at)) and exchange.command is not None:
            yield exchange.line, exchange.read
        for line, content in _sessions(block):
            yield line, partial(parse_block, content)


@dataclass(frozen=True)
class _Exchange:
    """A block of input and the block of output that follows it."""

    given: _Block
    """The input."""
    printed: _Block
    """The output."""
    command: str | None
    """What is run; ``None`` when no command is named."""

    @property
    def line(self) -> int:
        """The 1-based line of the input's fence."""
        return self.given.line - 1

    def read(self, example_id: str, line: int) -> Example:
        """The example; ``ValueError`` (one sentence) when it cannot be one."""
        assert self.command is not None
        status = None
        if re.match(r"exit\b", self.printed.info):
            written = re.fullmatch(r"exit +(\d{1,3})", self.printed.info)
            status = int(written[1]) if written else 256
            if status > 255:
                raise ValueError(f"{self.printed.info!r} is no exit status; write 'exit' and a number from 0 to 255")
        return parse_exchange(self.command, self.given.lines, self.printed.lines, status, example_id, line)


def _exchanges(blocks: Sequence[_Block], entry: str) -> dict[int, _Exchange]:
    """Position of an input block → the pair it makes with the output block behind it."""
    found: dict[int, _Exchange] = {}
    named: str | None = None
    for at, block in enumerate(blocks):
        if block.label is None:
            named = _named(block, entry, named)
        elif block.label in _GIVEN and at + 2 < len(blocks) and blocks[at + 2].label in _PRINTED:
            between = [line.strip() for line in blocks[at + 1].lines if line.strip()]
            if len(between) <= 1 and all(len(line) <= _SHORT for line in between):
                command = _last_command(" ".join(between), entry) or named or entry
                found[at] = _Exchange(block, blocks[at + 2], _own_command(block) or _plain_command(command))
    return found


def _own_command(block: _Block) -> str | None:
    """The command after a fence's label; attributes such as ``title="x"`` are none."""
    info = block.info.removeprefix("$ ").strip()
    attributes = info.startswith("{") or all(re.match(r"[\w-]+=", word) for word in info.split())
    return None if attributes else info


def _plain_command(words: str) -> str | None:
    return words if takes_input(words) and not _ASKS_HELP & set(words.split()) else None


def _named(prose: _Block, entry: str, named: str | None) -> str | None:
    """The command that words name last; ``named``, the one from before, as long as headings and long paragraphs let it hold."""
    paragraph: list[str] = []
    for content in (*prose.lines, ""):
        if _HEADING.match(content) or _UNDERLINE.match(content):
            named, paragraph = None, []
        elif content.strip():
            paragraph.append(content.strip())
        else:
            words = " ".join(paragraph)
            named = _last_command(words, entry) or (named if len(words) <= _SHORT else None)
            paragraph = []
    return named


def _last_command(words: str, entry: str) -> str | None:
    """The command in the last back-ticks of words that end with a colon.

    >>> _last_command("It adds. Running `tally --sum` on:", ""), _last_command("The file `names.txt`:", "")
    ('tally --sum', None)
    """
    parts = words.rstrip("*_ ").split("`")
    if len(parts) < 3 or len(parts) % 2 == 0 or not parts[-1].endswith(":"):
        return None
    before, command, after = parts[-3:]
    command = command.strip().removeprefix("$ ").strip()
    if not command:
        return None
    sentence = re.split(r"[.!?;:] ", before)[-1] + after
    programs = {"python", "python3", *entry.split()[:1]}
    return command if _RUNNING.search(sentence) or command.split()[0] in programs else None


def _sessions(block: _Block) -> Iterator[tuple[int, str]]:
    """The parts of a block that may be an example, each with its 1-based line.

    A fence that is Python source is code, not a session: a doctest in one of its docstrings cannot run by itself.
    """
    if block.label is None:
        yield from _loose(block)
    elif block.label in _LABELS:
        content = "\n".join(block.lines)
        first = next((n for n, line in enumerate(block.lines) if re.match(r"[ \t]*(\$ +\S|>>>)", line)), None)
        if first is not None and not _compiles(content):
            yield block.line + first, content


def _loose(block: _Block) -> Iterator[tuple[int, str]]:
    """Doctests and indented shell sessions outside fences. A doctest ends at an empty line that no prompt follows."""
    lines = block.lines
    at = 0
    while at < len(lines):
        doctest, shell = _LOOSE_DOCTEST.match(lines[at]), _LOOSE_SHELL.match(lines[at])
        found = doctest or shell
        if found is None:
            at += 1
            continue
        margin = found["margin"]
        goes_on = f"{margin}>>> " if doctest else margin
        end = at + 1
        for number in range(at + 1, len(lines)):
            if not lines[number].strip():
                continue
            if not lines[number].startswith(margin if number == end else goes_on):
                break
            end = number + 1
        content = "\n".join(lines[at:end])
        # At the margin, '>>> ' is also how Markdown quotes a quotation of a quotation.
        if margin or _is_code(content):
            yield block.line + at, content
        at = end


def _is_code(content: str) -> bool:
    try:
        example = parse_doctest(content, "E", 0)
    except ValueError:
        return False
    return example is not None and all(_compiles(step.run) for step in example.steps)


def _compiles(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes in someone's example are no news for the user
            syntax.parse(textwrap.dedent(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


_MARKER = re.compile(r"^\s*(?:(?:#{1,6}|[-*+]|\d+[.)]|>)\s+)*(?:\[[ xX]\]\s+)?")
_DROPPED = dict.fromkeys(map(ord, "*_`'\"‘’‚‛“”„‟«»‹›\\"))
_ALIKE = {**_DROPPED, **dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"), ord("…"): "...", ord("|"): " "}


def _plain(line: str) -> str:
    """A line as it is compared: no list marker, emphasis or quotation mark; one case, one dash, single spaces."""
    return " ".join(unicodedata.normalize("NFC", _MARKER.sub("", line)).translate(_ALIKE).casefold().split())


def locate_quotes(spec: Spec, requirements: Sequence[Requirement]) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
    """The requirements with the line each quote starts at, and one sentence per quote that is not in the spec.

    White space, line breaks, letter case, Markdown emphasis, list markers, back-ticks and quotation marks may differ.
    A requirement without a quote that was found keeps the line 0.
    """
    plain = [(number, content) for number, line in enumerate(spec.text.split("\n"), 1) if (content := _plain(line))]
    text = " ".join(content for _, content in plain)
    starts = list(accumulate((len(content) + 1 for _, content in plain), initial=0))
    located: list[Requirement] = []
    problems: list[str] = []
    for requirement in requirements:
        quote = " ".join(filter(None, map(_plain, requirement.quote.split("\n")))).strip(" .,;:!?")
        at = text.find(quote) if quote else -1
        line = plain[bisect_right(starts, at) - 1][0] if at >= 0 else 0
        located.append(replace(requirement, line=line))
        if not quote:
            problems.append(f"{requirement.id} quotes nothing; quote the words of the specification it comes from")
        elif at < 0:
            problems.append(
                f"{requirement.id} quotes {requirement.quote!r:.120}, which is not in the specification; "
                "quote its exact words"
            )
    return tuple(located), tuple(problems)
