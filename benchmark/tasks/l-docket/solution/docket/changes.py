"""Differences between documents: finding, carrying out, turning around, merging."""

import copy
import re
from collections.abc import Sequence
from typing import Any

from docket.values import kind_of, same

Operation = dict[str, Any]
OPERATIONS = ("set", "add", "remove")
INDEX = re.compile(r"0|[1-9][0-9]*")
NOTHING = object()
"""Stands for a key that is not there."""


class Conflict(Exception):
    """An operation does not fit the document."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not as expected")
        self.path = path


class MergeConflict(Exception):
    """Both sides changed the same things in different ways."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(f"both sides changed {', '.join(paths)}")
        self.paths = paths


def diff(old: dict[str, Any], new: dict[str, Any]) -> list[Operation]:
    return copy.deepcopy(_compare("", old, new))


def _compare(path: str, old: Any, new: Any) -> list[Operation]:
    if same(old, new):
        return []
    kinds = kind_of(old), kind_of(new)
    if kinds == ("object", "object"):
        return _compare_objects(path, old, new)
    if kinds == ("list", "list"):
        return _compare_lists(path, old, new)
    return [{"op": "set", "path": path, "old": old, "new": new}]


def _compare_objects(path: str, old: dict[str, Any], new: dict[str, Any]) -> list[Operation]:
    found: list[Operation] = []
    for key in sorted(old.keys() | new.keys()):
        below = f"{path}/{_escaped(key)}"
        if key not in new:
            found.append({"op": "remove", "path": below, "old": old[key]})
        elif key not in old:
            found.append({"op": "add", "path": below, "new": new[key]})
        else:
            found += _compare(below, old[key], new[key])
    return found


def _compare_lists(path: str, old: list[Any], new: list[Any]) -> list[Operation]:
    start = 0
    shorter = min(len(old), len(new))
    while start < shorter and same(old[start], new[start]):
        start += 1
    end = 0
    while end < shorter - start and same(old[-1 - end], new[-1 - end]):
        end += 1
    old_end, new_end = len(old) - end, len(new) - end
    both = min(old_end, new_end)
    found: list[Operation] = []
    for index in range(start, both):
        found += _compare(f"{path}/{index}", old[index], new[index])
    found += [{"op": "remove", "path": f"{path}/{i}", "old": old[i]} for i in reversed(range(both, old_end))]
    found += [{"op": "add", "path": f"{path}/{i}", "new": new[i]} for i in range(both, new_end)]
    return found


def apply(document: dict[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """A new document; raises Conflict when an operation does not fit."""
    result = copy.deepcopy(document)
    for operation in operations:
        _carry_out(result, operation)
    return result


def _carry_out(document: dict[str, Any], operation: Operation) -> None:
    path = operation["path"]
    if operation["op"] not in OPERATIONS:
        raise ValueError(f"unknown operation {operation['op']!r}")
    if not path.startswith("/"):
        raise Conflict(path)
    steps = path.split("/")[1:]
    place: Any = document
    for step in steps[:-1]:
        place = place[_key(place, step, path)]
    adds = operation["op"] == "add"
    key = _key(place, steps[-1], path, adds=adds)
    if not adds and not same(place[key], operation["old"]):
        raise Conflict(path)
    if operation["op"] == "remove":
        del place[key]
    elif adds and isinstance(place, list):
        place.insert(key, copy.deepcopy(operation["new"]))
    else:
        place[key] = copy.deepcopy(operation["new"])


def _key(place: Any, step: str, path: str, adds: bool = False) -> Any:
    """The key or index that a step of a path means; when adding, of what is not there yet."""
    if isinstance(place, dict):
        key = step.replace("~1", "/").replace("~0", "~")
        if (key in place) == adds:
            raise Conflict(path)
        return key
    if isinstance(place, list) and INDEX.fullmatch(step) and int(step) < len(place) + adds:
        return int(step)
    raise Conflict(path)


def invert(operations: Sequence[Operation]) -> list[Operation]:
    """The operations that lead back, last first."""
    back = []
    for operation in reversed(operations):
        path = operation["path"]
        if operation["op"] == "add":
            back.append({"op": "remove", "path": path, "old": operation["new"]})
        elif operation["op"] == "remove":
            back.append({"op": "add", "path": path, "new": operation["old"]})
        else:
            back.append({"op": "set", "path": path, "old": operation["new"], "new": operation["old"]})
    return copy.deepcopy(back)


def merge(base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Both sides' changes together; raises MergeConflict with all paths that both changed differently."""
    conflicts: list[str] = []
    merged = _merge("", base, ours, theirs, conflicts)
    if conflicts:
        raise MergeConflict(sorted(conflicts))
    return copy.deepcopy(merged)


def _merge(
    path: str, base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any], conflicts: list[str]
) -> dict[str, Any]:
    merged = {}
    for key in dict.fromkeys([*ours, *theirs, *base]):
        below = f"{path}/{_escaped(key)}"
        versions = [side.get(key, NOTHING) for side in (base, ours, theirs)]
        before, one, two = versions
        if _alike(before, one) or _alike(one, two):
            chosen = two
        elif _alike(before, two):
            chosen = one
        elif all(isinstance(version, dict) for version in versions):
            chosen = _merge(below, before, one, two, conflicts)
        else:
            conflicts.append(below)
            continue
        if chosen is not NOTHING:
            merged[key] = chosen
    return merged


def _alike(one: Any, two: Any) -> bool:
    if one is NOTHING or two is NOTHING:
        return one is two
    return same(one, two)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
