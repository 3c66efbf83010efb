"""Fenced blocks in the text of an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<ticks>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
_SESSIONS = frozenset({"console", "sh", "bash", "shell", "shell-session", "pycon", "text", "txt", "output", "diff"})


@dataclass(frozen=True)
class Block:
    """One fenced block of an answer."""

    info: str
    """What stood behind the opening fence."""
    text: str
    """What it holds, with a final newline."""
    above: tuple[str, ...]
    """The non-blank lines above the fence back to the last block, nearest first."""
    closed: bool
    """Whether the fence was closed; an open one means that the answer was cut."""

    @property
    def label(self) -> str:
        """The first word behind the opening fence, such as ``python``."""
        return self.info.partition(" ")[0].lower()

    @property
    def shows_use(self) -> bool:
        """Whether it shows how something is used or what it prints, and is no file."""
        return self.label in _SESSIONS


def blocks(text: str) -> list[Block]:
    """The fenced blocks of an answer, outermost first.

    A fence of n marks is closed by a line of at least n marks alone. A fence with a label inside a block opens one
    within it, so that an answer wrapped in a fence as a whole, or a file that holds fences, is not cut at the inner.
    """
    return [part for part in parts(text) if isinstance(part, Block)]


def parts(text: str) -> Iterator[str | Block]:
    """The lines outside fences and the fenced blocks, in order."""
    above: list[str] = []
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        opening = _FENCE.match(line)
        if not opening:
            if line.strip():
                above.insert(0, line.strip())
            yield line
            continue
        mark, width, indent = opening["ticks"][0], len(opening["ticks"]), len(opening["indent"])
        body: list[str] = []
        depth = 1
        for inner in lines:
            fence = _FENCE.match(inner)
            if fence and fence["ticks"][0] == mark and len(fence["ticks"]) >= width:
                depth += 1 if fence["info"].strip() else -1
                if not depth:
                    break
            body.append(inner[indent:] if inner[:indent].isspace() else inner)
        if depth and body and not body[-1]:
            body.pop()  # what follows the last newline is no line
        yield Block(opening["info"].strip(), "".join(f"{b}\n" for b in body), tuple(above), not depth)
        above = []
