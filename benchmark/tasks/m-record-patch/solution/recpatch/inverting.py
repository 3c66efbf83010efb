"""Patches turned round, and in words."""

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

_WORDS = {"add": "added", "remove": "removed", "change": "changed", "move": "moved"}


def invert(patch: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that leads back."""
    return {"key": patch["key"], "ops": [_inverse(op) for op in reversed(deepcopy(patch["ops"]))]}


def _inverse(op: dict[str, Any]) -> dict[str, Any]:
    if op["op"] == "move":
        return {**op, "from": op["after"], "after": op["from"]}
    if op["op"] == "change":
        return {**op, "fields": [_exchanged(field) for field in op["fields"]]}
    return {**op, "op": "remove" if op["op"] == "add" else "add"}


def _exchanged(field: dict[str, Any]) -> dict[str, Any]:
    turned = {"path": field["path"]}
    if "new" in field:
        turned["old"] = field["new"]
    if "old" in field:
        turned["new"] = field["old"]
    return turned


def summary(patch: Mapping[str, Any]) -> str:
    """How many operations of each kind there are."""
    counts = Counter(op["op"] for op in patch["ops"])
    return ", ".join(f"{counts[op]} {word}" for op, word in _WORDS.items() if counts[op]) or "no changes"
