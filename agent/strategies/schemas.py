"""JSON schemas of requirements, plans and what becomes of plans, for endpoints that hold answers to a schema.

In the dialect that OpenAI's ``strict`` takes: every property required and none additional, no keys that are not known
beforehand, no patterns, no bounds; what may be missing is ``null``. The first property is the reasoning, so that it comes
before the structure. Files, tests, repairs and rulings have no schema: code is never put into JSON.

``agent.strategies.shapes`` reads answers of these forms, with the readers that read YAML.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from agent.checks import TOOLCHAINS
from agent.models.base import Schema
from agent.strategies import shapes
from graphs.document import KINDS
from graphs.values import Component, Plan, digest

NEW_REQUIREMENTS = 20
"""Ids that a revision may give to new requirements, from the first that is free."""

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}


def requirements() -> Schema:
    """Of the list of requirements."""
    return _schema("requirements", {"requirements": _list(_REQUIREMENT)})


def plan(requirements: Sequence[str], packages: Sequence[str]) -> Schema:
    """Of a plan.

    Args:
        requirements: ids of the requirements that components may cover.
        packages: requirement strings of the packages that may be used.
    """
    entry = {"title": _TEXT, "language": _one_of(TOOLCHAINS), "entry": _TEXT}
    return _schema("plan", {**entry, "components": _list(_component(requirements, packages))})


def component(component: Component) -> Schema:
    """Of one component whose purpose and contract are written anew; all else is as it is."""
    kept = {
        "id": _one_of([component.id]),
        "kind": _one_of([component.kind]),
        **{name: _some_of(getattr(component, name)) for name in ("files", "depends_on", "requirements", "packages")},
    }
    keys = {**_component((), ())["properties"], **kept, "contract": _contract(component.files)}
    return _schema("respecify", keys)


def parts(component: Component) -> Schema:
    """Of the parts that are cut out of a component."""
    return _schema("split", {"parts": _list(_component(component.requirements, component.packages))})


def revision(plan: Plan, packages: Sequence[str]) -> Schema:
    """Of what changes ``plan``.

    Args:
        plan: the plan in force.
        packages: requirement strings of the packages that may be used.
    """
    known = [r.id for r in plan.requirements]
    first = max((int(i.removeprefix("R")) for i in known if i.removeprefix("R").isdecimal()), default=0) + 1
    ids = [*known, *(f"R{number}" for number in range(first, first + NEW_REQUIREMENTS))]
    there = _one_of(c.id for c in plan.components)
    new = _component(ids, packages)["properties"]
    changes = {name: _or_null(new[name]) for name in _CHANGES}
    why = {"reason": _TEXT}
    edits = [
        {"edit": _one_of(["respecify"]), "component": there, **why, **changes},
        {"edit": _one_of(["add"]), **why, "component": _object(new)},
        {"edit": _one_of(["rewire"]), "component": there, **why, "depends_on": _TEXTS},
        {"edit": _one_of(["drop"]), "component": there, **why},
    ]
    return _schema(
        "revise",
        {
            "requirements": _list(_object({**_REQUIREMENT["properties"], "id": _one_of(ids)})),
            "drop_requirements": _some_of(known),
            "entry": _or_null(_TEXT),
            "edits": _list({"anyOf": [_object(edit) for edit in edits]}),
        },
    )


def twin(name: str, answer: str) -> str:
    """An answer in words and YAML, in the form of the schema of that name: the same to a reader, with its prose as reasoning.

    Raises:
        AnswerError, PlanError: it is no such answer.
    """
    thinking, data = shapes.structure(name, answer)
    return json.dumps({shapes.THINKING: thinking, **_TWINS[name](data)}, ensure_ascii=False)


_CHANGES = ("purpose", "kind", "files", "depends_on", "requirements", "packages", "contract")
"""What a respecification may change."""


def _schema(name: str, properties: Mapping[str, Any]) -> Schema:
    schema = _object({shapes.THINKING: _TEXT, **properties})
    return Schema(name, digest([name, schema]), schema)


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _one_of(words: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _some_of(words: Sequence[str]) -> dict[str, Any]:
    """A list of some of the words; of any where there are none, since a choice of nothing is no schema."""
    return _list(_one_of(dict.fromkeys(words))) if words else _TEXTS


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_REQUIREMENT = _object({"id": _TEXT, "text": _TEXT, "quote": _TEXT})


def _contract(files: Sequence[str] = ()) -> dict[str, Any]:
    file = _one_of(files) if files else _TEXT
    return _object(
        {"behaviour": _TEXT, "interface": _list(_object({"file": file, "source": _TEXT})), "examples": _TEXTS}
    )


def _component(requirements: Sequence[str], packages: Sequence[str]) -> dict[str, Any]:
    return _object(
        {
            "id": _TEXT,
            "purpose": _TEXT,
            "kind": _one_of(KINDS),
            "files": _TEXTS,
            "depends_on": _TEXTS,
            "requirements": _some_of(requirements),
            "packages": _some_of(packages),
            "contract": _contract(),
        }
    )


def _twin_component(entry: Mapping[str, Any]) -> dict[str, Any]:
    absent = {"kind": "library", "depends_on": [], "requirements": [], "packages": []}
    return _ordered(_component((), ()), {**absent, **entry, "contract": _twin_contract(entry["contract"])})


def _twin_contract(contract: Mapping[str, Any]) -> dict[str, Any]:
    interface = [{"file": path, "source": source} for path, source in contract.get("interface", {}).items()]
    return _ordered(_contract(), {"examples": [], **contract, "interface": interface})


def _twin_edit(edit: Mapping[str, Any]) -> dict[str, Any]:
    kind = edit["edit"]
    if kind == "add":
        return {"edit": kind, "reason": edit["reason"], "component": _twin_component(edit["component"])}
    head = {"edit": kind, "component": edit["component"], "reason": edit["reason"]}
    if kind == "rewire":
        return {**head, "depends_on": edit["depends_on"]}
    changes = {key: edit.get(key) for key in _CHANGES} if kind == "respecify" else {}
    contract = {"contract": _twin_contract(edit["contract"])} if edit.get("contract") else {}
    return {**head, **changes, **contract}


def _ordered(schema: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """What the data says of the schema's properties, in their order, which is that in which an endpoint has them written."""
    return {key: data[key] for key in schema["properties"]}


_TWINS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "requirements": lambda data: data,
    "plan": lambda data: {
        "title": data["title"],
        "language": data.get("language", "python"),
        "entry": data.get("entry", ""),
        "components": list(map(_twin_component, data["components"])),
    },
    "respecify": _twin_component,
    "split": lambda data: {"parts": list(map(_twin_component, data["parts"]))},
    "revise": lambda data: {
        "requirements": [_ordered(_REQUIREMENT, entry) for entry in data.get("requirements", [])],
        "drop_requirements": data.get("drop_requirements", []),
        "entry": data.get("entry"),
        "edits": list(map(_twin_edit, data.get("edits", []))),
    },
}
