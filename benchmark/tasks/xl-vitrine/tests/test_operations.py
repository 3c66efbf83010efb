"""Operations."""

import pytest
import vitrine
from vitrine.facts import Change
from vitrine.operations import plan


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


NEXT = {"item": 11, "loan": 3}


def planned(role, *operation):
    return [(change.key, change.old, change.new) for change in plan(MUSEUM, role, operation, NEXT)]


def test_adding():
    assert planned("registrar", "add", "item", {"title": "Urn", "place": "hall", "tags": ["b", "a", "b"]}) == [
        ("item/i11/note", None, ""),
        ("item/i11/place", None, "hall"),
        ("item/i11/sealed", None, False),
        ("item/i11/tags", None, ["a", "b"]),
        ("item/i11/title", None, "Urn"),
    ]
    assert planned("registrar", "add", "place/a-1", {"room": 0}) == [
        ("place/a-1/inside", None, ""),
        ("place/a-1/room", None, 0),
        ("place/a-1/sealed", None, False),
    ]
    assert planned("registrar", "add", "loan", {"item": "i1", "to": "Bo", "first": "2030-01-01", "last": "2028-02-29"})[
        0
    ] == ("loan/l3/first", None, "2030-01-01")
    assert planned("curator", "add", "person/cy", {"role": "porter"}) == [("person/cy/role", None, "porter")]


def test_changing():
    assert planned("porter", "change", "item/i1", {"place": "house", "title": "Blue jar"}) == [
        ("item/i1/place", "hall", "house")
    ]
    assert planned("registrar", "change", "item/i1", {"title": "A", "note": "", "tags": ["clay", "blue"]}) == [
        ("item/i1/note", "cracked, found 1910", ""),
        ("item/i1/title", "Blue jar", "A"),
    ]
    assert planned("visitor", "change", "item/i1", {"title": "Blue jar"}) == []
    assert planned("visitor", "change", "item/i1", {}) == []


def test_removing():
    assert planned("registrar", "remove", "loan/l1") == [
        ("loan/l1/first", "2030-01-05", None),
        ("loan/l1/item", "i1", None),
        ("loan/l1/last", "2030-02-01", None),
        ("loan/l1/to", "Bo", None),
    ]
    assert len(planned("registrar", "remove", "item/i1")) == 5
    assert plan(MUSEUM, "curator", ["remove", "person/bo"], NEXT) == (Change("person/bo/role", "visitor", None),)


URN = {"title": "Urn", "place": "hall"}
LOAN = {"item": "i1", "to": "Bo", "first": "2031-01-01", "last": "2031-01-01"}


@pytest.mark.parametrize(
    "operation",
    [
        (),
        ("add",),
        ("add", "item"),
        ("paint", "item/i1", {}),
        ("remove", "item/i1", {}),
        ("change", "item/i1"),
        ("change", 1, {}),
        ("change", "item/i1", []),
        ("change", "item", {}),
        ("change", "item/i01", {}),
        ("change", "item/x", {}),
        ("change", "item/i1/title", {}),
        ("change", "statue/i1", {}),
        ("add", "item/i11", URN),
        ("add", "place", {"room": 1}),
        ("add", "place/A", {"room": 1}),
        ("add", "place/hall", {"room": 1}),
        ("add", "place/vault", {"room": 1}),
        ("add", "place/x", {}),
        ("add", "place/x", {"room": -1}),
        ("add", "place/x", {"room": True}),
        ("add", "place/x", {"room": 1.0}),
        ("add", "place/x", {"room": 1, "inside": None}),
        ("add", "item", {"title": "Urn"}),
        ("add", "item", {**URN, "title": ""}),
        ("add", "item", {**URN, "place": ""}),
        ("add", "item", {**URN, "sealed": 1}),
        ("add", "item", {**URN, "tags": ["A"]}),
        ("add", "item", {**URN, "tags": "a"}),
        ("add", "item", {**URN, "colour": "red"}),
        ("change", "item/i1", {"note": None}),
        ("add", "loan", {**LOAN, "first": "2031-02-29"}),
        ("add", "loan", {**LOAN, "first": "20310101"}),
        ("add", "loan", {**LOAN, "to": ""}),
        ("add", "person/cy", {"role": "king"}),
    ],
)
def test_wrong_forms(operation):
    with pytest.raises(vitrine.BadOperation):
        plan(MUSEUM, "curator", operation, NEXT)


@pytest.mark.parametrize(
    ("role", "operation", "what"),
    [
        ("curator", ("remove", "item/i4"), "item/i4"),
        ("registrar", ("change", "item/i2", {}), "item/i2"),
        ("registrar", ("change", "place/box", {"room": 1}), "place/box"),
        ("porter", ("change", "item/i1", {"place": "vault"}), "place/vault"),
        ("curator", ("change", "item/i1", {"place": "attic"}), "place/attic"),
        ("registrar", ("add", "place/x", {"room": 1, "inside": "box"}), "place/box"),
        ("registrar", ("add", "loan", {**LOAN, "item": "i3"}), "item/i3"),
        ("visitor", ("remove", "loan/l1"), "loan/l1"),
        ("registrar", ("remove", "person/bo"), "person/bo"),
    ],
)
def test_what_cannot_be_seen_cannot_be_found(role, operation, what):
    with pytest.raises(vitrine.NotFound) as caught:
        plan(MUSEUM, role, operation, NEXT)
    assert str(caught.value) == f"not found: {what}"


@pytest.mark.parametrize(
    ("role", "operation"),
    [
        ("visitor", ("change", "item/i1", {"place": "house"})),
        ("porter", ("change", "item/i1", {"place": "house", "note": ""})),
        ("porter", ("add", "item", URN)),
        ("registrar", ("add", "item", {**URN, "sealed": True})),
        ("registrar", ("change", "place/hall", {"sealed": True})),
        ("registrar", ("add", "person/cy", {"role": "visitor"})),
        ("porter", ("remove", "loan/l1")),
    ],
)
def test_what_is_denied(role, operation):
    with pytest.raises(vitrine.Denied):
        plan(MUSEUM, role, operation, NEXT)
    assert plan(MUSEUM, "curator", operation, NEXT)


def test_the_order_of_errors():
    with pytest.raises(vitrine.BadOperation):
        plan(MUSEUM, "visitor", ("change", "item/i2", {"title": ""}), NEXT)
    with pytest.raises(vitrine.NotFound):
        plan(MUSEUM, "visitor", ("change", "item/i1", {"title": "x", "place": "vault"}), NEXT)
