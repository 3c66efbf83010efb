"""What is seen of rectangles that lie on each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Rect(NamedTuple):
    """Columns from ``left`` to before ``right``, rows from ``top`` to before ``bottom``."""

    left: int
    top: int
    right: int
    bottom: int


def subtract(rect: Rect, cover: Rect) -> list[Rect]:
    """What is left of ``rect``: above, left, right, below."""
    if _empty(rect):
        return []
    left, top = max(rect.left, cover.left), max(rect.top, cover.top)
    right, bottom = min(rect.right, cover.right), min(rect.bottom, cover.bottom)
    if _empty(Rect(left, top, right, bottom)):
        return [rect]
    pieces = (
        Rect(rect.left, rect.top, rect.right, top),
        Rect(rect.left, top, left, bottom),
        Rect(right, top, rect.right, bottom),
        Rect(rect.left, bottom, rect.right, rect.bottom),
    )
    return [piece for piece in pieces if not _empty(piece)]


def visible(window: Rect, covers: Iterable[Rect]) -> list[Rect]:
    """What is left of ``window`` after all covers were taken away in turn."""
    pieces = [] if _empty(window) else [window]
    for cover in covers:
        pieces = [left for piece in pieces for left in subtract(piece, cover)]
    return pieces


def exposed(windows: Sequence[Rect]) -> list[list[Rect]]:
    """What is seen of each window, the lowest first."""
    return [visible(window, windows[place + 1 :]) for place, window in enumerate(windows)]


def _empty(rect: Rect) -> bool:
    return rect.right <= rect.left or rect.bottom <= rect.top
