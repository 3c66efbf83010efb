"""A patch to a list of records."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from recpatch.values import Key, Record, checked_keys, same, shown


class PatchError(Exception):
    """Some operations do not fit the records."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class _Misfit(Exception):
    """An operation does not fit; the text says why."""


def apply(records: Sequence[Record], patch: Mapping[str, Any]) -> list[Record]:
    """The records after all operations. Raises `ValueError` for records without good keys, and `PatchError`."""
    key = patch["key"]
    order = checked_keys(records, key, "records")
    table = dict(zip(order, deepcopy(list(records)), strict=True))
    problems = []
    for number, op in enumerate(deepcopy(patch["ops"]), 1):
        try:
            _carry_out(op, key, order, table)
        except _Misfit as misfit:
            problems.append(f"op {number}: {misfit}")
    if problems:
        raise PatchError(problems)
    return [table[name] for name in order]


def _carry_out(op: dict[str, Any], key: str, order: list[Key], table: dict[Key, Record]) -> None:
    name = op["at"] if "at" in op else op["record"][key]
    kind = op["op"]
    if kind == "add":
        if name in table:
            raise _Misfit(f"record {shown(name)} is already there")
    elif name not in table:
        raise _Misfit(f"no record {shown(name)}")
    if kind == "remove":
        if not same(table[name], op["record"]):
            raise _Misfit(f"record {shown(name)} has changed")
        order.remove(name)
        del table[name]
    elif kind == "change":
        for field in op["fields"]:
            _check_field(name, table[name], field)
        for field in op["fields"]:
            _set_field(table[name], field)
    else:
        above = op["after"]
        if above is not None and (above not in table or above == name):
            raise _Misfit(f"no record {shown(above)} to follow")
        if kind == "add":
            table[name] = op["record"]
        else:
            order.remove(name)
        order.insert(0 if above is None else order.index(above) + 1, name)


def _check_field(name: Key, record: Record, field: Mapping[str, Any]) -> None:
    *way, last = field["path"]
    value: Any = record
    for step in way:
        value = value.get(step) if isinstance(value, dict) else None
    fits = isinstance(value, dict) and (
        last in value and same(value[last], field["old"]) if "old" in field else last not in value
    )
    if not fits:
        raise _Misfit(f"record {shown(name)} has another value at '{'.'.join(field['path'])}'")


def _set_field(record: Record, field: Mapping[str, Any]) -> None:
    *way, last = field["path"]
    for step in way:
        record = record[step]
    if "new" in field:
        record[last] = field["new"]
    else:
        del record[last]
