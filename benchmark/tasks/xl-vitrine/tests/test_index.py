"""The index."""

import pytest
from vitrine.facts import Change
from vitrine.index import Index, words


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
    ("text", "found"),
    [
        ("", []),
        (" Blue-print, no. 12b!", ["blue", "print", "no", "12b"]),
        ("Émile’s STRASSE_Straße", ["émile", "s", "strasse", "strasse"]),
        ("a_b", ["a", "b"]),
    ],
)
def test_words(text, found):
    assert words(text) == found


def test_finding():
    index = Index(MUSEUM)
    assert index.find("title", "jar") == {"i1"}
    assert index.find_prefix("title", "jar") == {"i1", "i2"}
    assert index.find("note", "jar") == {"i10"}
    assert index.find("tags", "gold") == {"i10"}
    assert index.find_prefix("tags", "") == {"i1", "i2", "i10"}
    assert index.find("title", "hall") == index.find_prefix("note", "zz") == set()


def test_updates():
    index = Index(scene(place("a"), item("i1", "a", "red red pot", "x", ["t"])))
    index.update(
        [
            Change("item/i1/title", "red red pot", "pot lid"),
            Change("item/i1/tags", ["t"], ["u", "v"]),
            Change("item/i1/place", "a", "b"),
            Change("place/pot/room", None, 1),
        ]
    )
    assert index == Index(scene(item("i1", "b", "Pot: lid!", "x", ["u", "v"])))
    assert index != Index(scene(item("i1", "b", "pot", "x", ["u", "v"])))
    assert (index.find("title", "red"), index.find("title", "lid"), index.find("tags", "t")) == (set(), {"i1"}, set())
    index.update(
        [
            Change("item/i1/title", "pot lid", None),
            Change("item/i1/note", "x", None),
            Change("item/i1/tags", ["u", "v"], None),
        ]
    )
    assert index == Index({})


def test_what_was_found_belongs_to_the_finder():
    index = Index(MUSEUM)
    index.find("title", "jar").clear()
    index.find_prefix("title", "gol").clear()
    assert index == Index(MUSEUM)
