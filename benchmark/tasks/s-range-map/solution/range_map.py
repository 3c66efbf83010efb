"""One value for each of many positions, remembered as ranges."""

from __future__ import annotations

from typing import Any

Range = tuple[int, int, Any]


class RangeMap:
    """Positions → values. Ranges hold their start and not their stop."""

    def __init__(self) -> None:
        self._ranges: list[Range] = []

    def __len__(self) -> int:
        return sum(stop - start for start, stop, _ in self._ranges)

    def assign(self, start: int, stop: int, value: Any) -> None:
        """Give all positions of the range this value."""
        _check(start, stop)
        if start < stop:
            self._replace(start, stop, [(start, stop, value)])

    def clear(self, start: int, stop: int) -> None:
        """Take away what these positions had."""
        _check(start, stop)
        if start < stop:
            self._replace(start, stop, [])

    def get(self, position: int, default: Any = None) -> Any:
        """The value at a position, or ``default``."""
        for start, stop, value in self._ranges:
            if start <= position < stop:
                return value
        return default

    def ranges(self) -> list[Range]:
        """All that is there, in order."""
        return list(self._ranges)

    def gaps(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The longest ranges between the two in which nothing has a value."""
        _check(start, stop)
        found: list[tuple[int, int]] = []
        reached = start
        for left, right, _ in self._ranges:
            if right <= reached:
                continue
            if left >= stop:
                break
            if left > reached:
                found.append((reached, left))
            reached = right
        if reached < stop:
            found.append((reached, stop))
        return found

    def _replace(self, start: int, stop: int, fresh: list[Range]) -> None:
        before = [(left, min(right, start), value) for left, right, value in self._ranges if left < start]
        after = [(max(left, stop), right, value) for left, right, value in self._ranges if right > stop]
        joined: list[Range] = []
        for left, right, value in [*before, *fresh, *after]:
            if joined and joined[-1][1] == left and _same(joined[-1][2], value):
                joined[-1] = (joined[-1][0], right, joined[-1][2])
            else:
                joined.append((left, right, value))
        self._ranges = joined


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _check(start: int, stop: int) -> None:
    if start > stop:
        raise ValueError(f"a range cannot go from {start} to {stop}")
