"""What a run has seen."""

import pytest
from galley.errors import Failure
from galley.observing import Difference, Observer, first_difference
from galley.store import Observation, digest


class World:
    def __init__(self, **files):
        self.files = files
        self.asked = []

    def read(self, path):
        self.asked.append(path)
        if path not in self.files:
            raise Failure(f"no file {path}")
        return self.files[path]

    def exists(self, path):
        return path in self.files

    def list(self, pattern):
        return sorted(self.files)

    def setting(self, name):
        return "1" if name == "one" else None

    def name(self):
        return "out/t"


def test_what_is_noted():
    observer = Observer(World(a="x", b=""))
    assert observer.setting("two") is None
    assert (observer.read("a"), observer.exists("a"), observer.exists("c"), observer.list("*")) == (
        "x",
        True,
        False,
        ["a", "b"],
    )
    assert (observer.setting("one"), observer.name(), observer.read("a"), observer.exists("c")) == (
        "1",
        "out/t",
        "x",
        False,
    )
    assert observer.observations == [
        Observation("setting", "two", None),
        Observation("file", "a", digest("x")),
        Observation("exists", "a", True),
        Observation("exists", "c", False),
        Observation("list", "*", ("a", "b")),
        Observation("setting", "one", "1"),
        Observation("name", "", "out/t"),
    ]


def test_a_read_that_fails_is_not_noted():
    observer = Observer(World())
    with pytest.raises(Failure):
        observer.read("a")
    assert observer.observations == []


def test_no_difference():
    world = World(a="x")
    observer = Observer(world)
    for look in (
        lambda: observer.read("a"),
        lambda: observer.exists("b"),
        lambda: observer.list("*"),
        lambda: observer.setting("one"),
        observer.name,
    ):
        look()
    assert first_difference(observer.observations, World(a="x")) is None
    assert first_difference([], World()) is None


@pytest.mark.parametrize(
    ("observation", "now"),
    [
        (Observation("file", "a", digest("y")), digest("x")),
        (Observation("file", "z", digest("y")), None),
        (Observation("exists", "a", False), True),
        (Observation("exists", "z", True), False),
        (Observation("list", "*", ("a", "b")), ("a",)),
        (Observation("setting", "one", None), "1"),
        (Observation("setting", "two", ""), None),
        (Observation("name", "", "out/u"), "out/t"),
    ],
)
def test_differences(observation, now):
    found = first_difference(
        [Observation("exists", "a", True), observation, Observation("name", "", "?")], World(a="x")
    )
    assert found == Difference(observation, now)
    assert (found.observation, found.now) == (observation, now)


def test_nothing_is_looked_at_behind_the_first_difference():
    world = World(a="x", b="y")
    first_difference([Observation("file", "a", "?"), Observation("file", "b", digest("y"))], world)
    assert world.asked == ["a"]
