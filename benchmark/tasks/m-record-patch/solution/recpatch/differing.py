"""Two lists of records to a patch."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from recpatch.values import Key, Record, checked_keys, same


def diff(old: Sequence[Record], new: Sequence[Record], key: str) -> dict[str, Any]:
    """The patch that makes `new` of `old`. Raises `ValueError` for lists without good keys."""
    before = dict(zip(checked_keys(old, key, "old"), old, strict=True))
    after = dict(zip(checked_keys(new, key, "new"), new, strict=True))
    ops: list[dict[str, Any]] = []
    order: list[Key] = []
    for name, record in before.items():
        if name in after:
            order.append(name)
        else:
            ops.append({"op": "remove", "record": record, "after": order[-1] if order else None})
    for name in order:
        fields = list(_fields(before[name], after[name], ()))
        if fields:
            ops.append({"op": "change", "at": name, "fields": fields})
    staying = _staying(order, after)
    above: Key | None = None
    for name, record in after.items():
        place = 0 if above is None else order.index(above) + 1
        if name not in before:
            ops.append({"op": "add", "record": record, "after": above})
            order.insert(place, name)
        elif name not in staying:
            source = order.index(name)
            ops.append({"op": "move", "at": name, "from": order[source - 1] if source else None, "after": above})
            order.insert(place, name)
            del order[source + (source >= place)]
        above = name
    return {"key": key, "ops": deepcopy(ops)}


def _fields(old: Record, new: Record, above: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """What differs between two dictionaries that stand at the path `above`."""
    for name in [*old, *(name for name in new if name not in old)]:
        path = [*above, name]
        if name not in new:
            yield {"path": path, "old": old[name]}
        elif name not in old:
            yield {"path": path, "new": new[name]}
        elif isinstance(old[name], dict) and isinstance(new[name], dict):
            yield from _fields(old[name], new[name], tuple(path))
        elif not same(old[name], new[name]):
            yield {"path": path, "old": old[name], "new": new[name]}


def _staying(order: Sequence[Key], after: dict[Key, Record]) -> set[Key]:
    """As many keys as possible that stand in the same order in both lists: a longest rising run of their places."""
    place = {name: number for number, name in enumerate(after)}
    ends: list[int] = []  # smallest last place of a run, by its length
    last: list[Key] = []  # the key there
    above: dict[Key, Key | None] = {}
    for name in order:
        length = bisect_left(ends, place[name])
        above[name] = last[length - 1] if length else None
        ends[length:] = [place[name], *ends[length + 1 :]]
        last[length:] = [name, *last[length + 1 :]]
    run: set[Key] = set()
    name = last[-1] if last else None
    while name is not None:
        run.add(name)
        name = above[name]
    return run
