"""What actors are shown."""

from collections.abc import Sequence
from typing import Any

from vitrine.errors import NotFound
from vitrine.facts import Change, Facts, fields, ids, upwards
from vitrine.journal import Entry
from vitrine.permits import sees, sees_field, visible_fields


def show(role: str, facts: Facts, thing: str) -> dict[str, Any]:
    """Field to value, by name. Raises NotFound."""
    if not sees(role, facts, thing):
        raise NotFound(thing)
    return visible_fields(role, fields(facts, thing))


def history(role: str, facts: Facts, entries: Sequence[Entry], thing: str) -> list[tuple[int, str, tuple[Change, ...]]]:
    """Number, actor and changes of the entries about a thing. Raises NotFound."""
    found = [(e.number, e.by, [change for change in e.changes if change.thing == thing]) for e in entries]
    known = any(changes for _, _, changes in found)
    if not (sees(role, facts, thing) or (role == "curator" and known)):
        raise NotFound(thing)
    shown = [
        (number, by, tuple(_veiled(role, facts, change) for change in changes if sees_field(role, change.field)))
        for number, by, changes in found
    ]
    return [entry for entry in shown if entry[2]]


def inventory(role: str, facts: Facts) -> str:
    """The places as a tree, each with the number of items in it at any depth."""
    items = [facts[f"item/{id_}/place"] for id_ in ids(facts, "item") if sees(role, facts, f"item/{id_}")]
    counts: dict[str, int] = {}
    for place in items:
        for above in upwards(facts, place):
            counts[above] = counts.get(above, 0) + 1

    def tree(inside: str, depth: int) -> str:
        return "".join(
            f"{'  ' * depth}{id_}: {counts.get(id_, 0)}\n{tree(id_, depth + 1)}"
            for id_ in ids(facts, "place")
            if facts[f"place/{id_}/inside"] == inside and sees(role, facts, f"place/{id_}")
        )

    return tree("", 0)


def _veiled(role: str, facts: Facts, change: Change) -> Change:
    if change.field not in ("place", "inside"):
        return change
    return Change(change.key, _veil(role, facts, change.old), _veil(role, facts, change.new))


def _veil(role: str, facts: Facts, place: str | None) -> str | None:
    return place if not place or role == "curator" or sees(role, facts, f"place/{place}") else "?"
