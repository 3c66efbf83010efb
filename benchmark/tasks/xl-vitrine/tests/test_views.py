"""What actors are shown."""

import pytest
from vitrine.errors import NotFound
from vitrine.facts import Change
from vitrine.journal import Entry
from vitrine.views import history, inventory, show


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


def test_show():
    assert show("visitor", MUSEUM, "item/i1") == {"place": "hall", "tags": ["blue", "clay"], "title": "Blue jar"}
    assert list(show("porter", MUSEUM, "item/i1")) == ["note", "place", "sealed", "tags", "title"]
    assert show("visitor", MUSEUM, "place/hall") == {"inside": "house", "room": 9}
    assert show("curator", MUSEUM, "item/i3")["note"] == "fake"
    assert show("porter", MUSEUM, "loan/l1")["to"] == "Bo"


@pytest.mark.parametrize(
    ("role", "thing"),
    [
        ("registrar", "item/i2"),
        ("porter", "item/i3"),
        ("visitor", "loan/l1"),
        ("curator", "item/i4"),
        ("visitor", "person/bo"),
        ("visitor", "hall"),
    ],
)
def test_what_is_not_shown(role, thing):
    with pytest.raises(NotFound) as caught:
        show(role, MUSEUM, thing)
    assert str(caught.value) == f"not found: {thing}"


ADDED = (
    Change("item/i1/note", None, ""),
    Change("item/i1/place", None, "hall"),
    Change("item/i1/title", None, "Jar"),
    Change("item/i2/title", None, "Urn"),
)
ENTRIES = [
    Entry(1, "ada", ADDED),
    Entry(2, "bo", (Change("item/i1/note", "", "cracked"),)),
    Entry(3, "bo", (Change("item/i2/title", "Urn", None),)),
    Entry(4, "cy", (Change("item/i1/place", "hall", "house"), Change("place/house/room", 1, 2))),
]


def test_history():
    assert history("porter", MUSEUM, ENTRIES, "item/i1") == [
        (1, "ada", ADDED[:3]),
        (2, "bo", ENTRIES[1].changes),
        (4, "cy", ENTRIES[3].changes[:1]),
    ]
    assert history("visitor", MUSEUM, ENTRIES, "item/i1") == [(1, "ada", ADDED[1:3]), (4, "cy", ENTRIES[3].changes[:1])]
    assert history("visitor", MUSEUM, ENTRIES, "place/house") == [(4, "cy", ENTRIES[3].changes[1:])]


def test_histories_that_are_not_shown():
    facts = {key: value for key, value in MUSEUM.items() if not key.startswith("item/i2/")}
    assert [number for number, _, _ in history("curator", facts, ENTRIES, "item/i2")] == [1, 3]
    for role, thing in (("registrar", "item/i2"), ("curator", "item/i4"), ("porter", "item/i3")):
        with pytest.raises(NotFound):
            history(role, facts, ENTRIES, thing)


def test_inventory():
    assert inventory("curator", MUSEUM) == "house: 4\n  hall: 2\n  vault: 1\n    box: 1\n"
    assert inventory("registrar", MUSEUM) == inventory("visitor", MUSEUM) == "house: 2\n  hall: 1\n"
    assert (
        inventory("visitor", scene(place("b"), place("a"), place("c", inside="b"), item("i1", "c")))
        == "a: 0\nb: 1\n  c: 1\n"
    )
    assert inventory("curator", scene()) == ""
