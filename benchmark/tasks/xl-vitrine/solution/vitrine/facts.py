"""The state of the register as single facts, and changes of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Facts = dict[str, Any]
"""``KIND/ID/FIELD`` to a value that JSON has; what is not there is None."""


@dataclass(frozen=True)
class Change:
    key: str
    old: Any
    new: Any

    @property
    def thing(self) -> str:
        return self.key.rpartition("/")[0]

    @property
    def field(self) -> str:
        return self.key.rpartition("/")[2]


def apply(facts: Mapping[str, Any], changes: Iterable[Change]) -> Facts:
    """New facts. Raises ValueError when an old value is not what there is."""
    out = dict(facts)
    for change in changes:
        if out.get(change.key) != change.old:
            raise ValueError(f"{change.key} is not {change.old!r}")
        if change.new is None:
            out.pop(change.key, None)
        else:
            out[change.key] = change.new
    return out


def compose(changes: Iterable[Change]) -> tuple[Change, ...]:
    """One change per key that does the same as all of them in turn, by key; none for what is as it was."""
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for change in changes:
        first.setdefault(change.key, change.old)
        last[change.key] = change.new
    return tuple(Change(key, first[key], last[key]) for key in sorted(first) if first[key] != last[key])


def invert(changes: Iterable[Change]) -> tuple[Change, ...]:
    return compose(Change(change.key, change.new, change.old) for change in reversed(tuple(changes)))


def number(id_: str) -> int:
    """Of an item or loan: 12 for ``i12``."""
    return int(id_[1:])


def ids(facts: Mapping[str, Any], kind: str) -> list[str]:
    """The ids of what there is of a kind: items and loans by number, all else by name."""
    found = {key.split("/")[1] for key in facts if key.startswith(f"{kind}/")}
    return sorted(found, key=number) if kind in ("item", "loan") else sorted(found)


def fields(facts: Mapping[str, Any], thing: str) -> dict[str, Any]:
    """Field to value; empty when there is no such thing."""
    return {key.rpartition("/")[2]: value for key, value in facts.items() if key.rpartition("/")[0] == thing}


def exists(facts: Mapping[str, Any], thing: str) -> bool:
    """Whether there is such a thing: each has one field that it is never without."""
    needed = {"item": "title", "place": "room", "loan": "item", "person": "role"}
    return f"{thing}/{needed.get(thing.partition('/')[0], '')}" in facts


def upwards(facts: Mapping[str, Any], place: str) -> Iterator[str]:
    """A place, the one it is inside, and so on; each only once."""
    seen: set[str] = set()
    while place and place not in seen:
        seen.add(place)
        yield place
        place = facts.get(f"place/{place}/inside", "")
