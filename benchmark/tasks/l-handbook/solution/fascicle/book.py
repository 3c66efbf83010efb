"""The whole book: numbers, ids, and all problems."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from fascicle.blocks import Block, Code, Figure, Heading, Items, Note, Paragraph, Place, Problem, Text, blocks_of
from fascicle.inline import Mark, Part, Reference, every, parts_of

CHAPTER_FILE = re.compile(r"[a-z0-9-]+\.txt")
TAKEN = {"contents.txt", "index.txt"}


@dataclass(frozen=True)
class Target:
    """Something that can be referred to."""

    page: str
    id: str
    kind: str
    """Chapter, Section or Figure."""
    number: str


@dataclass
class Chapter:
    file: str
    number: int
    blocks: list[Block]
    targets: dict[int, Target] = field(default_factory=dict)
    """Headings and figures by their line."""
    parts: dict[Place, list[Part]] = field(default_factory=dict)
    """The inline parts of each text, by where the text begins."""
    note_numbers: dict[str, int] = field(default_factory=dict)

    @property
    def page(self) -> str:
        return self.file.removesuffix(".txt") + ".html"

    @property
    def headings(self) -> list[Heading]:
        return [block for block in self.blocks if isinstance(block, Heading)]


@dataclass
class Book:
    chapters: list[Chapter]
    targets: dict[str, Target]
    problems: list[Problem]


def read_book(source: Path) -> Book:
    """Read all chapters; raises FileNotFoundError without book.txt."""
    files, problems = _listed(source)
    chapters = [
        Chapter(file, number, blocks_of((source / file).read_text(encoding="utf-8")))
        for number, file in enumerate(files, start=1)
    ]
    for chapter in chapters:
        problems += _structure(chapter)
    targets, duplicates = _number(chapters)
    problems += duplicates
    for chapter in chapters:
        problems += _inline(chapter, targets)
    order = {name: place for place, name in enumerate(["book.txt", *files])}
    problems.sort(key=lambda problem: (order[problem.file], problem.line, problem.column))
    return Book(chapters, targets, problems)


def _listed(source: Path) -> tuple[list[str], list[Problem]]:
    files: list[str] = []
    problems = []
    for number, line in enumerate((source / "book.txt").read_text(encoding="utf-8").split("\n"), start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        allowed = CHAPTER_FILE.fullmatch(name) and name not in TAKEN | {"book.txt"}
        if allowed and name not in files and (source / name).is_file():
            files.append(name)
        else:
            problems.append(Problem("book.txt", number, 1, "file"))
    return files, problems


def _structure(chapter: Chapter) -> list[Problem]:
    found: list[tuple[int, str]] = []
    first = chapter.blocks[0] if chapter.blocks else None
    if not isinstance(first, Heading) or first.level > 1:
        found.append((first.line if first else 1, "title"))
    sections = False
    for block in chapter.blocks:
        if isinstance(block, Code) and not block.closed:
            found.append((block.line, "unclosed"))
        if isinstance(block, Heading):
            if block.level == 1 and block is not first:
                found.append((block.line, "title"))
            if block.level == 3 and not sections:
                found.append((block.line, "level"))
            sections = sections or block.level == 2
    return [Problem(chapter.file, line, 1, code) for line, code in found]


def _number(chapters: list[Chapter]) -> tuple[dict[str, Target], list[Problem]]:
    """Give every heading and figure its number and id."""
    problems = []
    taken: set[str] = set()
    for chapter in chapters:
        for block in chapter.blocks:
            if isinstance(block, Heading | Figure) and block.id:
                if block.id in taken:
                    problems.append(Problem(chapter.file, block.line, 1, "duplicate-id"))
                taken.add(block.id)
    targets: dict[str, Target] = {}
    for chapter in chapters:
        section = subsection = figure = 0
        for block in chapter.blocks:
            if isinstance(block, Figure):
                figure += 1
                target = Target(chapter.page, block.id, "Figure", f"{chapter.number}-{figure}")
            elif isinstance(block, Heading):
                number = str(chapter.number)
                if block.level == 2:
                    section, subsection = section + 1, 0
                    number += f".{section}"
                elif block.level == 3:
                    subsection += 1
                    number += f".{section}.{subsection}"
                id_ = block.id or _free(_slug(block.title), taken)
                taken.add(id_)
                target = Target(chapter.page, id_, "Chapter" if block.level == 1 else "Section", number)
            else:
                continue
            chapter.targets[block.line] = target
            targets.setdefault(target.id, target)
    return targets, problems


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def _free(wanted: str, taken: set[str]) -> str:
    candidate, count = wanted, 1
    while candidate in taken:
        count += 1
        candidate = f"{wanted}-{count}"
    return candidate


def _inline(chapter: Chapter, targets: dict[str, Target]) -> list[Problem]:
    """Read all inline markup of a chapter and number its footnotes."""
    found: list[tuple[Place, str]] = []
    notes: dict[str, Note] = {}
    for block in chapter.blocks:
        if isinstance(block, Note):
            if block.id in notes:
                found.append(((block.line, 1), "duplicate-note"))
            notes.setdefault(block.id, block)
    for block in chapter.blocks:
        for text in texts_of(block):
            parts, unclosed = parts_of(text)
            chapter.parts[text.places[0]] = parts
            found += [(place, "unclosed") for place in unclosed]
            for part in every(parts):
                if isinstance(part, Reference) and part.id not in targets:
                    found.append((part.place, "unknown-ref"))
                if isinstance(part, Mark):
                    if part.id not in notes or isinstance(block, Note):
                        found.append((part.place, "unknown-note"))
                    else:
                        chapter.note_numbers.setdefault(part.id, len(chapter.note_numbers) + 1)
    for note in notes.values():
        if note.id not in chapter.note_numbers:
            found.append(((note.line, 1), "unused-note"))
    return [Problem(chapter.file, line, column, code) for (line, column), code in found]


def texts_of(block: Block) -> tuple[Text, ...]:
    """The texts of a block that have inline markup."""
    if isinstance(block, Paragraph | Note):
        return (block.text,)
    return block.texts if isinstance(block, Items) else ()
