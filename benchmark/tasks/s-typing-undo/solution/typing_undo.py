"""A text with a cursor, whose changes can be taken back in steps."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = tuple[str, int]


class _Step(NamedTuple):
    """Text and cursor just before its first change, and just after its last."""

    before: State
    after: State


class Buffer:
    """What is typed into it can be taken back, at most ``limit`` steps."""

    def __init__(self, limit: int = 100) -> None:
        if limit < 1:
            raise ValueError(f"a limit of {limit} steps is not possible")
        self.text = ""
        self.cursor = 0
        self._limit = limit
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self._open: Literal["", "word", "space", "gone"] = ""
        """What the last change was, as long as the next one may belong to its step."""

    def type(self, char: str) -> None:
        """Put one character at the cursor."""
        if len(char) != 1:
            raise ValueError(f"{char!r} is not one character")
        space = char.isspace()
        goes_on = self._open == "word" or (self._open == "space" and space)
        self._change(self.text[: self.cursor] + char + self.text[self.cursor :], self.cursor + 1, goes_on)
        self._open = "space" if space else "word"

    def backspace(self) -> None:
        """Take away the character before the cursor."""
        if self.cursor:
            goes_on = self._open == "gone"
            self._change(self.text[: self.cursor - 1] + self.text[self.cursor :], self.cursor - 1, goes_on)
            self._open = "gone"

    def move(self, position: int) -> None:
        """Put the cursor there."""
        if not 0 <= position <= len(self.text):
            raise ValueError(f"there is no position {position} in a text of {len(self.text)} characters")
        if position != self.cursor:
            self.cursor = position
            self._open = ""

    def undo(self) -> bool:
        """Take back the last step; whether there was one."""
        if not self._done:
            return False
        step = self._done.pop()
        self._undone.append(step)
        self.text, self.cursor = step.before
        self._open = ""
        return True

    def redo(self) -> bool:
        """Do again what was taken back last; whether there was anything."""
        if not self._undone:
            return False
        step = self._undone.pop()
        self._done.append(step)
        self.text, self.cursor = step.after
        self._open = ""
        return True

    def _change(self, text: str, cursor: int, goes_on: bool) -> None:
        before = self._done.pop().before if goes_on else (self.text, self.cursor)
        self.text, self.cursor = text, cursor
        self._done.append(_Step(before, (text, cursor)))
        del self._done[: -self._limit]
        self._undone.clear()
