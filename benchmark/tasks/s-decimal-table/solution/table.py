"""Tables as text, with the decimal points of numbers in line."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"(?P<whole>-?[0-9]+)(?P<rest>(?:\.[0-9]+)?)")


def table(rows: Sequence[Sequence[str]], gap: int = 2) -> str:
    """The rows as text, the first one as header. ``ValueError`` for a row longer than that, or a gap below 0."""
    if gap < 0:
        raise ValueError(f"there cannot be {gap} spaces between columns")
    if not rows:
        return ""
    size = len(rows[0])
    for row in rows:
        if len(row) > size:
            raise ValueError(f"a row has {len(row)} cells where the header has {size}")
    filled = [[*(cell.strip() for cell in row), *[""] * (size - len(row))] for row in rows]
    columns = [_column(list(cells)) for cells in zip(*filled, strict=True)]
    lines = [(" " * gap).join(cells).rstrip() for cells in zip(*columns, strict=True)] or [""] * (len(rows) + 1)
    return "".join(f"{line}\n" for line in lines)


def _column(cells: list[str]) -> list[str]:
    """The cells of a column, all equally wide, with a line below the first."""
    header, *below = cells
    numbers = [_NUMBER.fullmatch(cell) for cell in below if cell]
    if numbers and all(numbers):
        found = [number for number in numbers if number]
        whole = max(len(number["whole"]) for number in found)
        rest = max(len(number["rest"]) for number in found)
        below = [_aligned(cell, whole, rest) for cell in below]
        width = max(len(header), whole + rest)
        written = [text.rjust(width) for text in (header, *below)]
    else:
        width = max(map(len, cells))
        written = [text.ljust(width) for text in cells]
    return [written[0], "-" * width, *written[1:]]


def _aligned(cell: str, whole: int, rest: int) -> str:
    before, point, after = cell.partition(".")
    return before.rjust(whole) + (point + after).ljust(rest)
