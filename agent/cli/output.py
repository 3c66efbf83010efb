"""Habits of everything that prints: one JSON form, one kind of console, nothing obeyed by accident."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

JSON_VERSION = 1
"""Of everything ``--json`` prints; raised when a key changes its meaning or goes away, not when one is added."""


WIDTH = 98
"""Most characters of a line of prose that is printed as a block."""


def emit_json(body: Mapping[str, Any]) -> None:
    """Print one JSON object on one line of standard output, ``version`` first.

    Values may be dataclasses of ours, paths and sets. Only ASCII is written, so that any terminal and pipe can take it.
    """
    text = json.dumps({"version": JSON_VERSION, **body}, default=_plain)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def indented(text: str) -> str:
    """Code or prose of a stranger below a heading, safe to print."""
    from agent.printable import printable

    return "\n".join(f"    {line}" for line in printable(text).rstrip().splitlines())


def wrapped(words: str, indent: int, further: int | None = None) -> list[str]:
    """Words, safe to print, as lines that begin with ``indent`` blanks, and with ``further`` after the first (two more)."""
    import textwrap

    first, rest = " " * indent, " " * (indent + 2 if further is None else further)
    return textwrap.wrap(words, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def make_console(*, stderr: bool = False) -> Console:
    """A console that takes text as it is: no markup, no emoji codes, no guessed highlighting, no wrapping in a pipe.

    ``NO_COLOR`` is honoured, and there is no colour where there is no terminal. Text from models and programs still
    goes through ``agent.printable``.
    """
    from rich.console import Console

    class Plain(Console):
        """rich would end the program where nobody reads on, in the middle of a paid run."""

        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 - rich calls this while it handles the error

    console = Plain(stderr=stderr, markup=False, emoji=False, highlight=False)
    console.soft_wrap = not console.is_terminal
    return console
