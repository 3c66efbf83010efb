"""Reads lists of attributes such as ``width=12 tag+="a b" !debug``."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BARE = re.compile(r"[^ \"=]+")
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n"}

Value = bool | str | list[str]


class AttributeSyntaxError(ValueError):
    """The text breaks the rules at ``column``, counted from 1."""

    def __init__(self, message: str, position: int) -> None:
        self.column = position + 1
        super().__init__(f"{message} (column {self.column})")


def parse(text: str) -> dict[str, Value]:
    """Name → value, in the order of first appearance. ``AttributeSyntaxError`` where the rules are broken."""
    found: dict[str, Value] = {}
    position = 0
    while True:
        while text.startswith(" ", position):
            position += 1
        if position == len(text):
            return found
        negated = text[position] == "!"
        start = position + negated
        match = _NAME.match(text, start)
        if match is None:
            raise AttributeSyntaxError("a name must stand here", start)
        name, position = match[0].lower(), match.end()
        value: Value = not negated
        adds = False
        if not negated and text.startswith("=", position):
            value, position = _value(text, position + 1)
        elif not negated and text.startswith("+", position):
            if not text.startswith("=", position + 1):
                raise AttributeSyntaxError("'=' must follow '+'", position + 1)
            added, position = _value(text, position + 2)
            value, adds = [added], True
        if position < len(text) and text[position] != " ":
            raise AttributeSyntaxError("a space must follow", position)
        before = found.get(name)
        if adds and isinstance(before, list):
            before += value  # type: ignore[arg-type]
        elif name in found:
            raise AttributeSyntaxError(f"{name!r} came before", start)
        else:
            found[name] = value


def _value(text: str, start: int) -> tuple[str, int]:
    """A value, and where it ends."""
    if not text.startswith('"', start):
        match = _BARE.match(text, start)
        if match is None:
            raise AttributeSyntaxError("a value must stand here", start)
        return match[0], match.end()
    characters: list[str] = []
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == '"':
            return "".join(characters), position + 1
        if character == "\\":
            if position + 1 == len(text):
                break
            if text[position + 1] not in _ESCAPES:
                raise AttributeSyntaxError("this backslash stands for nothing", position)
            character = _ESCAPES[text[position + 1]]
            position += 1
        characters.append(character)
        position += 1
    raise AttributeSyntaxError("these quotes are never closed", start)
