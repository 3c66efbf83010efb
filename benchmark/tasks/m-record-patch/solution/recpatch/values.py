"""What records and keys are, and when values are the same."""

import json
from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]
Key = str | int


def same(one: Any, other: Any) -> bool:
    """Whether the values are equal and their types agree all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def shown(key: Key) -> str:
    """A key in messages."""
    return json.dumps(key, ensure_ascii=False)


def checked_keys(records: Sequence[Record], key: str, name: str) -> list[Key]:
    """The keys of the records in their order. Raises `ValueError` for the first record without a good one."""
    keys: list[Key] = []
    known: set[Key] = set()
    for place, record in enumerate(records):
        if key not in record:
            raise ValueError(f"{name}[{place}] has no '{key}'")
        value = record[key]
        if type(value) not in (str, int):
            raise ValueError(f"{name}[{place}]: '{key}' must be a text or a whole number")
        if value in known:
            raise ValueError(f"{name}[{place}]: '{key}' {shown(value)} appears twice")
        known.add(value)
        keys.append(value)
    return keys
