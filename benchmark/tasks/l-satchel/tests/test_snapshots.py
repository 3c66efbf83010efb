"""Named states."""

import pytest
import satchel


@pytest.fixture
def store(tmp_path):
    with satchel.open(tmp_path) as opened:
        opened.write([("put", "a", [1]), ("put", "b", 2)])
        yield opened


def test_a_snapshot_is_no_revision(store):
    assert (store.snapshot("one"), store.revision, store.changes(1)) == (1, 1, [])


def test_a_view_shows_what_was(store):
    store.snapshot("one")
    store.write([("put", "a", "new"), ("delete", "b"), ("put", "c", 3)])
    view = store.at("one")
    assert (view.revision, view.keys(), view.get("a"), view.revision_of("b")) == (1, ["a", "b"], [1], 1)
    assert view.keys("b") == ["b"]
    with pytest.raises(KeyError):
        view.get("c")


def test_two_names_for_one_revision(store):
    store.snapshot("b")
    store.snapshot("A")
    store.put("x", 1)
    store.snapshot("c")
    assert list(store.snapshots().items()) == [("A", 1), ("b", 1), ("c", 2)]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a\n", "é.1"])
def test_names_are_plain(store, name):
    with pytest.raises(ValueError):  # noqa: PT011
        store.snapshot(name)
    assert store.snapshots() == {}


def test_odd_but_allowed_names(store):
    for name in (".", "-", "_x-1.0"):
        store.snapshot(name)
    assert set(store.snapshots()) == {".", "-", "_x-1.0"}


def test_a_name_is_used_once_until_it_is_dropped(store):
    store.snapshot("s")
    store.put("a", 2)
    with pytest.raises(ValueError):  # noqa: PT011
        store.snapshot("s")
    assert store.at("s").revision == 1
    store.drop("s")
    assert store.snapshot("s") == 2
    assert store.at("s").get("a") == 2


def test_unknown_names(store):
    for call in (store.at, store.drop):
        with pytest.raises(KeyError):
            call("nobody")


def test_a_view_outlives_its_snapshot(store):
    store.snapshot("s")
    view = store.at("s")
    store.put("a", 2)
    store.drop("s")
    store.compact()
    store.put("a", 3)
    assert (view.get("a"), view.keys()) == ([1], ["a", "b"])


def test_a_view_cannot_be_changed_through_its_values(store):
    store.snapshot("s")
    store.at("s").get("a").append(2)
    assert store.at("s").get("a") == [1]
    assert store.get("a") == [1]


def test_the_empty_state_can_be_named(tmp_path):
    with satchel.open(tmp_path / "new") as store:
        assert store.snapshot("nothing") == 0
        store.put("a", 1)
        assert store.at("nothing").keys() == []
