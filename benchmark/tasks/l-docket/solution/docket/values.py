"""JSON values: what they may be, and when they are the same."""

import math
from typing import Any


def check_document(document: object) -> None:
    """Raise TypeError or ValueError for what is no document."""
    if not isinstance(document, dict):
        raise TypeError(f"a document is a dict, not a {type(document).__name__}")
    _check(document)


def _check(value: object) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"keys must be str, not {type(key).__name__}")
            _check(item)
    elif isinstance(value, list):
        for item in value:
            _check(item)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not finite")
    elif value is not None and not isinstance(value, bool | int | str):
        raise TypeError(f"a document cannot hold a {type(value).__name__}")


def kind_of(value: Any) -> str:
    """The JSON type; true and false are no numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, list) else "object"


def same(one: Any, two: Any) -> bool:
    kind = kind_of(one)
    if kind != kind_of(two):
        return False
    if kind == "list":
        return len(one) == len(two) and all(map(same, one, two))
    if kind == "object":
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return bool(one == two)
