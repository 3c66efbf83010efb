"""Text of models and programs made fit for one line of a page or terminal. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def plain(text: str, most: int = 0) -> str:
    """``text`` on one line: white space collapsed, control, formatting and unassigned characters shown as ``�``.

    Args:
        text: anything.
        most: terminal cells it may take, 0 for any number; what is cut ends in ``…``.
    """
    line = "".join("\ufffd" if unicodedata.category(c).startswith("C") else c for c in " ".join(text.split()))
    return shortened(line, most) if most else line


def cells(text: str) -> int:
    """Terminal cells that ``text`` takes: wide characters two, combining ones none."""
    return sum(map(_cells, text))


def _cells(char: str) -> int:
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shortened(text: str, most: int) -> str:
    """``text``, or its beginning and ``…`` so that it takes at most ``most`` cells."""
    if cells(text) <= most:
        return text
    kept, room = [], most - 1
    for char in text:
        room -= _cells(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…" if most > 0 else ""


def names(ids: Sequence[str], most: int = 3) -> str:
    """The ids as a list for people: the first few, and how many more."""
    shown = ", ".join(plain(i, 40) for i in ids[:most])
    return shown + (f" and {len(ids) - most} more" if len(ids) > most else "")


def listed(ids: Sequence[str], most: int = 6) -> str:
    """The ids as part of a sentence: ``a, b and c``; ``nothing`` when there are none."""
    shown = [plain(i, 40) for i in ids[:most]] + ([f"{len(ids) - most} more"] if len(ids) > most else [])
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else "nothing"
