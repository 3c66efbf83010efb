"""Which targets need which."""

import pytest
from galley.book import read_book
from galley.errors import CycleError
from galley.graph import listed, needs, order


def book(**targets):
    return read_book(
        "".join(f"make out/{name}\n" + "".join(f"  {s}\n" for s in steps) for name, steps in targets.items())
    )


def test_listed():
    found = book(c=[], a=[], b=[])
    assert listed(found, "out/*", "out/b") == ["out/a", "out/c"]
    assert listed(found, "out/**", "out/zz") == ["out/a", "out/b", "out/c"]
    assert listed(found, "out/x*", "out/a") == []


def test_needs():
    found = book(
        a=["paste out/z", "paste src/b", "maybe out/gone", "when x = y: maybe out/c", "paste out/b", "paste out/b"],
        b=["count out/*", "say out/a"],
        c=["each out/?", "each b"],
        z=["each **"],
    )
    assert needs(found, "out/a") == ["out/b", "out/c", "out/z"]
    assert needs(found, "out/b") == []
    assert needs(found, "out/c") == ["out/a", "out/b", "out/z"]
    assert needs(found, "out/z") == []


def test_the_first_by_name_of_those_that_could_be_next():
    found = book(a=["paste out/y"], b=["paste out/x"], c=[], x=[], y=["paste out/x"], z=["each out/a"])
    assert order(found, found.targets) == ["out/c", "out/x", "out/b", "out/y", "out/a", "out/z"]
    assert order(found, ["out/a"]) == ["out/x", "out/y", "out/a"]
    assert order(found, ["out/c", "out/b", "out/c"]) == ["out/c", "out/x", "out/b"]
    assert order(found, []) == []


def test_an_unknown_target():
    found = book(a=["paste out/a"])
    with pytest.raises(KeyError):
        order(found, ["out/b"])


@pytest.mark.parametrize(
    ("targets", "cycle"),
    [
        ({"a": ["when n = o: maybe out/a"]}, ["out/a"]),
        ({"d": ["paste out/c"], "c": ["paste out/b"], "b": ["paste out/d"]}, ["out/b", "out/d", "out/c"]),
        ({"x": [], "b": ["each out/c*"], "c1": ["paste out/b"]}, ["out/b", "out/c1"]),
        ({"a": ["paste out/q"], "q": ["paste out/p"], "p": ["paste out/q"]}, ["out/p", "out/q"]),
    ],
)
def test_cycles(targets, cycle):
    with pytest.raises(CycleError) as caught:
        order(book(free=[], **targets), ["out/free"])
    assert caught.value.cycle == cycle
    assert str(caught.value) == " -> ".join([*cycle, cycle[0]])


def test_two_patterns_that_mean_each_other():
    with pytest.raises(CycleError):
        order(book(a=["each out/*"], b=["each out/*"]), [])
    assert order(book(a=["each out/*"], b=["count out/*"]), ["out/a"]) == ["out/b", "out/a"]
