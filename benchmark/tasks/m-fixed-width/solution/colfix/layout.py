"""The description of a record: which columns, how wide, of which type."""

from dataclasses import dataclass

from colfix.values import TYPES

OPTIONS = {"required": tuple(TYPES), "zeros": ("int",)}
"""Option → the types that know it."""


class LayoutError(Exception):
    """The layout cannot be used; the text says why."""


@dataclass(frozen=True)
class Column:
    name: str
    """Empty for a filler."""
    start: int
    """Places before it."""
    width: int
    """In places."""
    type: str = ""
    """Name of a type of `colfix.values`; empty for a filler."""
    required: bool = False
    """Whether an empty value is an error."""
    zeros: bool = False
    """Whether an int is padded with zeros."""


@dataclass(frozen=True)
class Layout:
    columns: tuple[Column, ...]
    """Without fillers, from left to right."""
    width: int
    """Of a whole record, in places."""


def read_layout(text: str) -> Layout:
    """Raises `LayoutError` for the first mistake."""
    columns: list[Column] = []
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            column = _column(words, start, {column.name for column in columns})
        except LayoutError as error:
            raise LayoutError(f"layout line {number}: {error}") from None
        if column.name:
            columns.append(column)
        start += column.width
    if not columns:
        raise LayoutError("the layout has no columns")
    return Layout(tuple(columns), start)


def _column(words: list[str], start: int, taken: set[str]) -> Column:
    filler = words[0] == "-"
    if len(words) != 2 if filler else len(words) < 3:
        raise LayoutError("expected NAME WIDTH TYPE")
    name, width = words[:2]
    if not (width.isascii() and width.isdigit() and int(width) > 0):
        raise LayoutError(f"bad width '{width}'")
    if filler:
        return Column("", start, int(width))
    kind, options = words[2], words[3:]
    if kind not in TYPES:
        raise LayoutError(f"unknown type '{kind}'")
    if kind == "date" and int(width) != 8:
        raise LayoutError("a date has 8 places")
    for option in options:
        if kind not in OPTIONS.get(option, ()):
            raise LayoutError(f"unknown option '{option}'")
    if name in taken:
        raise LayoutError(f"column '{name}' appears twice")
    return Column(name, start, int(width), kind, "required" in options, "zeros" in options)
