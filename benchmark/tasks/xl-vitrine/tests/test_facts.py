"""Facts and changes."""

import pytest
from vitrine.facts import Change, apply, compose, invert

FACTS = {"place/a/room": 3, "place/a/inside": "", "item/i1/tags": ["x"]}


def test_parts_of_a_key():
    change = Change("item/i12/place", None, "hall")
    assert (change.thing, change.field, change) == ("item/i12", "place", Change("item/i12/place", None, "hall"))


def test_apply():
    before = dict(FACTS)
    changes = [
        Change("place/a/room", 3, 4),
        Change("item/i1/tags", ["x"], None),
        Change("place/a/room", 4, 0),
        Change("place/b/room", None, 1),
    ]
    assert apply(FACTS, changes) == {"place/a/room": 0, "place/a/inside": "", "place/b/room": 1}
    assert before == FACTS
    assert apply(FACTS, []) == FACTS


@pytest.mark.parametrize(
    "change", [Change("place/a/room", 2, 4), Change("place/a/room", None, 4), Change("place/b/room", 1, None)]
)
def test_what_does_not_fit(change):
    with pytest.raises(ValueError):  # noqa: PT011
        apply(FACTS, [Change("place/a/inside", "", "c"), change])


def test_compose():
    changes = [
        Change("z/1/f", None, 1),
        Change("b/1/f", "x", "y"),
        Change("a/1/f", 1, 2),
        Change("b/1/f", "y", "x"),
        Change("a/1/f", 2, None),
        Change("c/1/f", None, 5),
        Change("c/1/f", 5, None),
    ]
    assert compose(changes) == (Change("a/1/f", 1, None), Change("z/1/f", None, 1))
    assert compose([]) == ()


def test_invert():
    changes = [Change("b/1/f", None, 1), Change("a/1/f", "x", "y"), Change("b/1/f", 1, 2)]
    assert invert(changes) == (Change("a/1/f", "y", "x"), Change("b/1/f", 2, None))
    assert invert(invert(changes)) == compose(changes)
