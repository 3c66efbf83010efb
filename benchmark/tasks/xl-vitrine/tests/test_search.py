"""Queries."""

import pytest
from vitrine.errors import QueryError
from vitrine.index import Index
from vitrine.search import find, read_query


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


@pytest.mark.parametrize(
    ("query", "curator", "porter", "visitor"),
    [
        ("", "1 2 3 10", "1 10", "1 10"),
        ("jar", "1 10", "1 10", "1"),
        ("JAR*", "1 2 10", "1 10", "1"),
        ("ring -fake", "10", "10", "10"),
        ("-jar", "2 3", "", "10"),
        ("-cracked", "2 3 10", "10", "1 10"),
        ("blue|gold", "1 2 3", "1", "1"),
        ("-blue|gold", "10", "10", "10"),
        ("-crack*|lid", "2 3", "", "1 10"),
        ("tag:blue|tag:gold ring|1910", "1 10", "1 10", "10"),
        ("tag:blu", "", "", ""),
        ("in:house", "1 2 3 10", "1 10", "1 10"),
        ("in:hall", "1 2", "1", "1"),
        ("in:vault", "3", "", ""),
        ("-in:box", "1 2 10", "1 10", "1 10"),
        ("in:nowhere", "", "", ""),
        ("lent:2030-02-01", "1 10", "1 10", ""),
        ("lent:2030-01-05|lent:2030-02-03 -1910", "10", "10", ""),
        ("-lent:2030-01-20", "2 3 10", "10", "1 10"),
        ("lent:2030-01-04", "", "", ""),
        ("ÉMILE s", "10", "10", "10"),
    ],
)
def test_queries(query, curator, porter, visitor):
    index = Index(MUSEUM)
    for role, expected in (("curator", curator), ("registrar", porter), ("porter", porter), ("visitor", visitor)):
        assert find(query, role, MUSEUM, index) == [f"i{number}" for number in expected.split()]


@pytest.mark.parametrize(
    "query",
    [
        "-",
        "a -",
        "|a",
        "a|",
        "a||b",
        "--a",
        "*",
        "a*b",
        "a**",
        "blue-print",
        "émile’s",
        "tag:",
        "tag:A",
        "in:A",
        "in:",
        "lent:2030",
        "lent:2030-13-01",
        "made:x",
        "tag:a*",
        "a|-b",
    ],
)
def test_no_queries(query):
    with pytest.raises(QueryError):
        read_query(query)
    with pytest.raises(QueryError):
        find(query, "visitor", MUSEUM, Index(MUSEUM))


def test_the_past():
    then = scene(
        place("a"),
        place("b", inside="a"),
        place("c"),
        item("i1", "b", "old"),
        item("i2", "c", "old"),
        item("i3", "a", "old"),
        loan("l1", "i3", "2030-01-01", "2030-01-01"),
    )
    now = scene(
        place("a"),
        place("c", sealed=True),
        item("i1", "a", "new"),
        item("i2", "a", "new"),
        item("i3", "a", "new", sealed=True),
    )
    index = Index(then)
    for query, curator, porter in (
        ("old", "1 2 3", "1 2"),
        ("new", "", ""),
        ("in:a", "1 3", "1"),
        ("in:b", "1", ""),
        ("in:c", "2", ""),
        ("lent:2030-01-01", "3", ""),
    ):
        assert find(query, "curator", then, index, now) == [f"i{n}" for n in curator.split()]
        assert find(query, "porter", then, index, now) == [f"i{n}" for n in porter.split()]
