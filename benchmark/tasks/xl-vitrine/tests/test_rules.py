"""What must be so."""

import pytest
from vitrine.rules import problems


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


DAY, NEXT, LATER = "2030-01-31", "2030-02-01", "2030-10-01"


def test_a_register_in_order():
    assert (
        problems(
            scene(
                place("a", 1),
                place("b", 0, "a"),
                item("i1", "a"),
                loan("l1", "i1", DAY, DAY),
                loan("l2", "i1", NEXT, LATER),
            )
        )
        == []
    )


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([item("i1", "hall")], ["item/i1: no place/hall"]),
        ([place("a", inside="b")], ["place/a: no place/b"]),
        ([place("a", inside="a")], ["place/a: inside itself"]),
        (
            [place("a", inside="b"), place("b", inside="c"), place("c", inside="b")],
            ["place/b: inside itself", "place/c: inside itself"],
        ),
        ([place("a", 1), place("b", 1, "a"), item("i1", "a"), item("i2", "b")], []),
        ([place("a", 1), item("i1", "a"), item("i2", "a"), item("i3", "a")], ["place/a: 3 items, room for 1"]),
        (
            [place("a", 1), item("i1", "a"), item("i2", "a"), loan("l1", "i1", DAY, NEXT)],
            ["place/a: 2 items, room for 1"],
        ),
        ([loan("l1", "i1", DAY, NEXT)], ["loan/l1: no item/i1"]),
        ([place("a"), item("i1", "a", sealed=True), loan("l1", "i1", DAY, NEXT)], ["loan/l1: item/i1 is hidden"]),
        (
            [place("b", sealed=True), place("a", inside="b"), item("i1", "a"), loan("l1", "i1", DAY, NEXT)],
            ["loan/l1: item/i1 is hidden"],
        ),
        ([place("a"), item("i1", "a"), loan("l1", "i1", NEXT, DAY)], ["loan/l1: ends before it begins"]),
        (
            [place("a"), item("i1", "a"), loan("l10", "i1", DAY, NEXT), loan("l9", "i1", NEXT, LATER)],
            ["loan/l9: overlaps loan/l10"],
        ),
        (
            [place("a"), item("i1", "a"), loan("l1", "i1", DAY, LATER), loan("l2", "i1", NEXT, NEXT)],
            ["loan/l1: overlaps loan/l2"],
        ),
        ([place("a"), item("i1", "a"), item("i2", "a"), loan("l1", "i1", DAY, NEXT), loan("l2", "i2", DAY, NEXT)], []),
        ([person("ada", "registrar"), person("bo", "visitor")], ["no curator"]),
        (
            [person("ada", "visitor"), item("i2", "x"), item("i1", "x")],
            ["item/i1: no place/x", "item/i2: no place/x", "no curator"],
        ),
    ],
)
def test_problems(parts, found):
    assert problems(scene(*parts)) == found
