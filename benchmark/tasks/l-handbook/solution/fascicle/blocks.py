"""From the text of a chapter to its blocks, which know where they stand."""

import re
from dataclasses import dataclass

ID = r"[a-z][a-z0-9-]*"
HEADING = re.compile(r"(={1,3})\s+(\S.*?)(?:\s+\{(" + ID + r")\})?\s*")
FIGURE = re.compile(r"!figure\s+(" + ID + r"):\s+(\S.*?)\s*")
NOTE = re.compile(r"\^(" + ID + r"):\s+(\S.*?)\s*")
ITEM = re.compile(r"-\s+(\S.*?)\s*")
FENCE = "```"

Place = tuple[int, int]
"""Line and column, from 1."""


@dataclass(frozen=True)
class Problem:
    file: str
    line: int
    column: int
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code}"


@dataclass(frozen=True)
class Text:
    """Lines with inline markup, and where the first character of each stands in the file."""

    lines: tuple[str, ...]
    places: tuple[Place, ...]

    @property
    def joined(self) -> str:
        return "\n".join(self.lines)

    def place(self, offset: int) -> Place:
        """Where the character of `joined` at `offset` stands in the file."""
        before = self.joined[:offset]
        line, column = self.places[before.count("\n")]
        return line, column + offset - (before.rfind("\n") + 1)


@dataclass(frozen=True)
class Heading:
    line: int
    level: int
    title: str
    id: str | None


@dataclass(frozen=True)
class Figure:
    line: int
    id: str
    caption: str


@dataclass(frozen=True)
class Note:
    line: int
    id: str
    text: Text


@dataclass(frozen=True)
class Paragraph:
    line: int
    text: Text


@dataclass(frozen=True)
class Items:
    line: int
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Code:
    line: int
    text: str
    closed: bool


Block = Heading | Figure | Note | Paragraph | Items | Code


def blocks_of(source: str) -> list[Block]:
    """All blocks of a chapter in order."""
    lines = source.split("\n")
    blocks: list[Block] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
        elif lines[at].rstrip() == FENCE:
            block, at = _code(lines, at)
            blocks.append(block)
        elif ITEM.fullmatch(lines[at]):
            items, at = _items(lines, at)
            blocks.append(items)
        elif own := _own_line(lines[at], at + 1):
            blocks.append(own)
            at += 1
        else:
            end = at + 1
            while end < len(lines) and lines[end].strip() and not _begins_block(lines[end]):
                end += 1
            blocks.append(Paragraph(at + 1, _text(lines, range(at, end))))
            at = end
    return blocks


def _begins_block(line: str) -> bool:
    return line.rstrip() == FENCE or bool(ITEM.fullmatch(line)) or _own_line(line, 1) is not None


def _own_line(line: str, number: int) -> Heading | Figure | Note | None:
    if match := HEADING.fullmatch(line):
        return Heading(number, len(match[1]), match[2], match[3])
    if match := FIGURE.fullmatch(line):
        return Figure(number, match[1], match[2])
    if match := NOTE.fullmatch(line):
        return Note(number, match[1], Text((match[2],), ((number, match.start(2) + 1),)))
    return None


def _code(lines: list[str], at: int) -> tuple[Code, int]:
    for end in range(at + 1, len(lines)):
        if lines[end].rstrip() == FENCE:
            return Code(at + 1, "\n".join(lines[at + 1 : end]), closed=True), end + 1
    return Code(at + 1, "", closed=False), len(lines)


def _items(lines: list[str], at: int) -> tuple[Items, int]:
    first = at
    texts = []
    while at < len(lines) and (item := ITEM.fullmatch(lines[at])):
        end = at + 1
        while end < len(lines) and lines[end].startswith("  ") and lines[end].strip():
            end += 1
        rest = _text(lines, range(at + 1, end))
        texts.append(Text((item[1], *rest.lines), ((at + 1, item.start(1) + 1), *rest.places)))
        at = end
    return Items(first + 1, tuple(texts)), at


def _text(lines: list[str], numbers: range) -> Text:
    stripped = [lines[n].strip() for n in numbers]
    places = [(n + 1, len(lines[n]) - len(lines[n].lstrip()) + 1) for n in numbers]
    return Text(tuple(stripped), tuple(places))
