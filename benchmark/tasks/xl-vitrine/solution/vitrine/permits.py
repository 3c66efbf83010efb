"""Who may see and do what."""

from typing import Any

from vitrine.facts import Change, Facts, exists, upwards

ROLES = ("visitor", "porter", "registrar", "curator")
_NEEDED = {"item/place": "porter", "person/role": "curator"}
"""The lowest role that may change a field, where it is not the registrar."""


def may(role: str, change: Change) -> bool:
    kind = change.key.partition("/")[0]
    needed = _NEEDED.get(f"{kind}/{change.field}", "registrar")
    if change.field == "sealed" and True in (change.old, change.new):
        needed = "curator"
    return ROLES.index(role) >= ROLES.index(needed)


def hidden(facts: Facts, thing: str) -> bool:
    """Whether an item or place is sealed, or lies in a place that is."""
    kind, _, id_ = thing.partition("/")
    places = upwards(facts, id_ if kind == "place" else facts.get(f"{thing}/place", ""))
    return bool(facts.get(f"{thing}/sealed")) or any(facts.get(f"place/{place}/sealed") for place in places)


def sees(role: str, facts: Facts, thing: str) -> bool:
    """Whether there is such a thing and the role may know of it."""
    if not exists(facts, thing) or role == "curator":
        return exists(facts, thing)
    kind = thing.partition("/")[0]
    if kind == "loan":
        return role != "visitor" and sees(role, facts, f"item/{facts[f'{thing}/item']}")
    return kind != "person" and not hidden(facts, thing)


def sees_past(role: str, then: Facts, now: Facts, thing: str) -> bool:
    """Whether the role may know that there was such a thing."""
    return sees(role, then, thing) and (role == "curator" or sees(role, now, thing))


def sees_field(role: str, field: str) -> bool:
    return role != "visitor" or field not in ("note", "sealed")


def visible_fields(role: str, values: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in sorted(values.items()) if sees_field(role, field)}
