"""Turns a folder of chapters into a numbered handbook."""

from pathlib import Path

from fascicle.blocks import Problem
from fascicle.book import read_book
from fascicle.pages import pages_of

LIST = "fascicle.list"


def check(source: str | Path) -> list[Problem]:
    """All problems of a book; raises FileNotFoundError when there is none."""
    return read_book(Path(source)).problems


def build(source: str | Path, target: str | Path) -> list[Problem]:
    """Write the pages, or, when there are problems, only return them."""
    book = read_book(Path(source))
    if book.problems:
        return book.problems
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    pages = pages_of(book)
    listed = folder / LIST
    before = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    for name in before:
        if name not in pages and "/" not in name:
            (folder / name).unlink(missing_ok=True)
    for name, content in {**pages, LIST: "".join(f"{name}\n" for name in sorted(pages))}.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content.encode():
            path.write_bytes(content.encode())
    return []


__all__ = ["Problem", "build", "check"]
