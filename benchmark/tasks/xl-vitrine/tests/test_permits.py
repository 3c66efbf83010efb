"""Who may see and do what."""

import pytest
from vitrine.facts import Change
from vitrine.permits import hidden, may, sees, sees_field, sees_past


def place(name, room=9, inside="", sealed=False):
    return {f"place/{name}/room": room, f"place/{name}/inside": inside, f"place/{name}/sealed": sealed}


def item(id_, place, title="Jar", note="", tags=(), sealed=False):
    fields = {"title": title, "note": note, "tags": list(tags), "place": place, "sealed": sealed}
    return {f"item/{id_}/{field}": value for field, value in fields.items()}


def loan(id_, item, first, last, to="Bo"):
    return {
        f"loan/{id_}/{field}": value for field, value in {"item": item, "to": to, "first": first, "last": last}.items()
    }


def person(name, role="curator"):
    return {f"person/{name}/role": role}


def scene(*parts):
    return {key: value for part in (person("ada"), *parts) for key, value in part.items()}


MUSEUM = scene(
    place("hall", inside="house"),
    place("house"),
    place("vault", inside="house", sealed=True),
    place("box", inside="vault"),
    person("bo", "visitor"),
    item("i1", "hall", "Blue jar", "cracked, found 1910", ["blue", "clay"]),
    item("i2", "hall", "Jarring blue-print", "Blue!", ["paper"], sealed=True),
    item("i3", "box", "Gold ring", "fake"),
    item("i10", "house", "Émile’s RING", "jar lid", ["gold"]),
    loan("l1", "i1", "2030-01-05", "2030-02-01"),
    loan("l2", "i10", "2030-02-01", "2030-02-03"),
)


ROLES = ["visitor", "porter", "registrar", "curator"]


def test_hidden():
    things = ["place/house", "place/hall", "place/vault", "place/box", "item/i1", "item/i2", "item/i3", "item/i10"]
    assert [thing for thing in things if hidden(MUSEUM, thing)] == ["place/vault", "place/box", "item/i2", "item/i3"]


@pytest.mark.parametrize(
    ("thing", "lowest"),
    [
        ("item/i1", "visitor"),
        ("item/i2", "curator"),
        ("item/i3", "curator"),
        ("item/i4", None),
        ("place/hall", "visitor"),
        ("place/box", "curator"),
        ("place/none", None),
        ("loan/l1", "porter"),
        ("loan/l3", None),
        ("person/bo", "curator"),
        ("person/cy", None),
    ],
)
def test_sees(thing, lowest):
    from_here = ROLES[ROLES.index(lowest) :] if lowest else []
    assert [role for role in ROLES if sees(role, MUSEUM, thing)] == from_here


@pytest.mark.parametrize(
    ("key", "old", "new", "lowest"),
    [
        ("item/i1/place", "a", "b", "porter"),
        ("item/i1/place", None, "b", "porter"),
        ("item/i1/title", "a", "b", "registrar"),
        ("item/i1/note", "a", None, "registrar"),
        ("item/i1/tags", None, [], "registrar"),
        ("item/i1/sealed", None, False, "registrar"),
        ("item/i1/sealed", False, None, "registrar"),
        ("item/i1/sealed", False, True, "curator"),
        ("item/i1/sealed", True, None, "curator"),
        ("place/a/sealed", True, False, "curator"),
        ("place/a/room", None, 1, "registrar"),
        ("place/a/inside", "", "b", "registrar"),
        ("loan/l1/last", "2030-01-01", "2030-01-02", "registrar"),
        ("person/bo/role", "visitor", "porter", "curator"),
        ("person/bo/role", None, "visitor", "curator"),
    ],
)
def test_may(key, old, new, lowest):
    assert [role for role in ROLES if may(role, Change(key, old, new))] == ROLES[ROLES.index(lowest) :]


def test_fields():
    assert [
        f for f in ("title", "note", "tags", "place", "sealed", "room", "inside") if not sees_field("visitor", f)
    ] == ["note", "sealed"]
    assert all(sees_field("porter", field) for field in ("title", "note", "sealed"))


def test_the_past_is_seen_by_those_who_see_the_present():
    then = scene(
        place("a"), place("b"), item("i1", "a"), item("i2", "a"), item("i3", "a", sealed=True), item("i4", "a")
    )
    now = scene(place("a"), item("i1", "a"), item("i2", "a", sealed=True), item("i3", "a"), item("i5", "a"))
    things = ["item/i1", "item/i2", "item/i3", "item/i4", "item/i5", "place/a", "place/b"]
    assert [thing for thing in things if sees_past("registrar", then, now, thing)] == ["item/i1", "place/a"]
    assert [thing for thing in things if sees_past("curator", then, now, thing)] == [
        t for t in things if t != "item/i5"
    ]
