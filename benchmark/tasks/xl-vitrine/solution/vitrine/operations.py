"""Operations: their form, and which changes they mean."""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vitrine.errors import BadOperation, Denied, NotFound
from vitrine.facts import Change, Facts, exists
from vitrine.permits import ROLES, may, sees

NAME = re.compile(r"[a-z][a-z0-9-]*")
_NUMBERED = {"item": "i", "loan": "l"}
_WORD = re.compile(r"[a-z0-9-]+")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _full_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _name(value: Any) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _tags(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) and _WORD.fullmatch(word) for word in value)


def is_date(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        return False
    return True


_FIELDS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "item": {
        "title": _full_text,
        "note": _text,
        "tags": _tags,
        "place": _name,
        "sealed": lambda value: isinstance(value, bool),
    },
    "place": {
        "inside": lambda value: value == "" or _name(value),
        "room": lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "sealed": lambda value: isinstance(value, bool),
    },
    "loan": {"item": _full_text, "to": _full_text, "first": is_date, "last": is_date},
    "person": {"role": lambda value: value in ROLES},
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "item": {"note": "", "tags": [], "sealed": False},
    "place": {"inside": "", "sealed": False},
}


def plan(facts: Facts, role: str, operation: Sequence[Any], next_ids: Mapping[str, int]) -> tuple[Change, ...]:
    """The changes that one operation means for an actor; ``next_ids`` has a number for ``item`` and for ``loan``.

    Raises BadOperation, then NotFound, then Denied.
    """
    verb, thing, given = _form(operation)
    kind = thing.partition("/")[0]
    if verb == "add":
        if kind in _NUMBERED:
            thing = f"{kind}/{_NUMBERED[kind]}{next_ids[kind]}"
        elif exists(facts, thing):
            raise BadOperation(f"{thing} exists")
        old: dict[str, Any] = {}
        new = {**_DEFAULTS.get(kind, {}), **given}
    else:
        if not sees(role, facts, thing):
            raise NotFound(thing)
        old = {field: facts[f"{thing}/{field}"] for field in _FIELDS[kind]}
        new = {**old, **given} if verb == "change" else {}
    for other in _named(kind, given):
        if not sees(role, facts, other):
            raise NotFound(other)
    changes = tuple(
        Change(f"{thing}/{field}", old.get(field), new.get(field))
        for field in sorted(_FIELDS[kind])
        if old.get(field) != new.get(field)
    )
    if not all(may(role, change) for change in changes):
        raise Denied(f"a {role} may not {verb} this")
    return changes


def _form(operation: Sequence[Any]) -> tuple[str, str, dict[str, Any]]:
    if not isinstance(operation, list | tuple) or not all(isinstance(part, str) for part in operation[:2]):
        raise BadOperation("an operation is a list")
    wanted = {"add": 3, "change": 3, "remove": 2}.get(operation[0] if operation else "", -1)
    if len(operation) != wanted:
        raise BadOperation("an operation is add, change or remove")
    verb, thing = operation[:2]
    kind, slash, id_ = thing.partition("/")
    if kind not in _FIELDS:
        raise BadOperation(f"there is nothing of the kind {kind!r}")
    if verb == "add" and kind in _NUMBERED:
        if slash:
            raise BadOperation("its id cannot be chosen")
    elif not (re.fullmatch(rf"{_NUMBERED[kind]}[1-9][0-9]*", id_) if kind in _NUMBERED else NAME.fullmatch(id_)):
        raise BadOperation(f"{thing!r} cannot be the name of anything")
    return verb, thing, {} if verb == "remove" else _given(verb, kind, operation[2])


def _given(verb: str, kind: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadOperation("fields are an object")
    for field, value in given.items():
        if field not in _FIELDS[kind] or not _FIELDS[kind][field](value):
            raise BadOperation(f"the {field} of a {kind} cannot be {value!r}")
    missing = set(_FIELDS[kind]) - set(_DEFAULTS.get(kind, {})) - set(given)
    if verb == "add" and missing:
        raise BadOperation(f"a {kind} needs {', '.join(sorted(missing))}")
    return {field: sorted(set(value)) if field == "tags" else value for field, value in given.items()}


def _named(kind: str, given: Mapping[str, Any]) -> list[str]:
    """The things that fields refer to."""
    if kind == "loan":
        return [f"item/{given['item']}"] if "item" in given else []
    return [f"place/{given[field]}" for field in ("place", "inside") if given.get(field)]
