"""Packs whole numbers into bytes, bit by bit."""

from __future__ import annotations

import re
from typing import NamedTuple

_FIELD = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*):(?P<sign>s?)(?P<width>[1-9][0-9]?)")
_WIDEST = 64


class _Field(NamedTuple):
    """One field; the name of a reserved one is empty."""

    name: str
    signed: bool
    width: int

    @property
    def smallest(self) -> int:
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def largest(self) -> int:
        if not self.name:
            return 0
        return (1 << (self.width - self.signed)) - 1


class Layout:
    """Fields in the order of their bits, the most significant first."""

    def __init__(self, text: str) -> None:
        self._fields = [_field(word) for word in text.split()]
        if not self._fields:
            raise ValueError("a layout needs at least one field")
        self.names = tuple(field.name for field in self._fields if field.name)
        if len(set(self.names)) < len(self.names):
            raise ValueError("a layout has each name only once")
        self.size = (sum(field.width for field in self._fields) + 7) // 8

    def pack(self, /, **values: int) -> bytes:
        """The bytes for these values; those that are not given are 0."""
        for name in values:
            if name not in self.names:
                raise ValueError(f"there is no field {name!r}")
        bits = 0
        for field in self._fields:
            value = values.get(field.name, 0)
            if not field.smallest <= value <= field.largest:
                raise ValueError(f"{value} does not fit into {field.name!r}")
            bits = bits << field.width | value & ((1 << field.width) - 1)
        return bits.to_bytes(self.size, "big")

    def unpack(self, data: bytes) -> dict[str, int]:
        """Name → value."""
        if len(data) != self.size:
            raise ValueError(f"{len(data)} bytes are given where there must be {self.size}")
        bits = int.from_bytes(data, "big")
        found: dict[str, int] = {}
        for field in reversed(self._fields):
            value = bits & ((1 << field.width) - 1)
            bits >>= field.width
            if not field.name and value:
                raise ValueError("a reserved bit is set")
            if field.signed and value > field.largest:
                value -= 1 << field.width
            found[field.name] = value
        if bits:
            raise ValueError("a bit before the first field is set")
        return {name: found[name] for name in self.names}


def _field(word: str) -> _Field:
    match = _FIELD.fullmatch(word)
    if match is None:
        raise ValueError(f"{word!r} is no field")
    name = "" if match["name"] == "_" else match["name"]
    signed, width = bool(match["sign"]), int(match["width"])
    if width > _WIDEST or (signed and (width < 2 or not name)):
        raise ValueError(f"{word!r} has an impossible width")
    return _Field(name, signed, width)
