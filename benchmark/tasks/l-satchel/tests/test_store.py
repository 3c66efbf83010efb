"""Putting, getting, batches and the feed of changes, in one sitting."""

import math

import pytest
import satchel


@pytest.fixture
def store(tmp_path):
    with satchel.open(tmp_path / "deep" / "bag") as opened:
        yield opened


def test_a_new_store_is_empty(store):
    assert (store.revision, store.keys(), store.changes(0), store.snapshots()) == (0, [], [], {})


def test_each_call_is_one_revision(store):
    assert [store.put("a", 1), store.put("a", 2), store.delete("a"), store.put("b", None)] == [1, 2, 3, 4]
    assert store.revision == 4
    assert store.get("b") is None


def test_a_batch_is_one_revision(store):
    assert store.write([("put", "a", 1), ("put", "b", 2), ("delete", "a"), ("put", "b", 3)]) == 1
    assert (store.keys(), store.get("b"), store.revision_of("b")) == (["b"], 3, 1)


def test_an_empty_batch_changes_nothing(store):
    store.put("a", 1)
    assert store.write([]) == 1
    assert store.put("a", 2) == 2


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (("delete", "nowhere"), KeyError),
        (("delete", "first"), KeyError),
        (("put", "", 1), ValueError),
        (("put", 5, 1), TypeError),
        (("put", "x", {1, 2}), TypeError),
        (("put", "x", math.nan), ValueError),
        (("put", "x"), ValueError),
        (("rename", "first", "x"), ValueError),
    ],
)
def test_a_batch_is_all_or_nothing(store, bad, error):
    store.put("first", 1)
    with pytest.raises(error):
        store.write([("delete", "first"), ("put", "second", 2), bad])
    assert (store.revision, store.keys(), store.changes(1)) == (1, ["first"], [])
    assert store.put("third", 3) == 2


def test_keys_are_sorted_and_chosen_by_prefix(store):
    store.write([("put", key, 0) for key in ("b/2", "b", "a", "b/10", "é", "B")])
    store.delete("b/2")
    assert store.keys() == ["B", "a", "b", "b/10", "é"]
    assert store.keys("b") == ["b", "b/10"]
    assert store.keys("b/") == ["b/10"]


def test_what_is_not_there_is_a_key_error(store):
    store.put("a", 1)
    store.delete("a")
    for call in (store.get, store.revision_of, store.delete):
        with pytest.raises(KeyError):
            call("a")
    assert store.revision == 2


@pytest.mark.parametrize("value", [(1, 2), [(1,)], {"a": {1}}, {1: "a"}, {"a": [{None: 1}]}, object(), b"x", 1j])
def test_values_must_be_what_json_can_say(store, value):
    with pytest.raises(TypeError):
        store.put("a", value)
    assert store.revision == 0


@pytest.mark.parametrize("value", [math.inf, [-math.inf], {"a": [math.nan]}])
def test_floats_must_be_finite(store, value):
    with pytest.raises(ValueError):  # noqa: PT011
        store.put("a", value)


def test_values_keep_their_types(store):
    for value in (1, 1.0, True, False, None, "", [], {}, "1", 10**30, {"b": 1, "a": [{"c": None}]}):
        store.put("a", value)
        assert (store.get("a"), type(store.get("a"))) == (value, type(value))


def test_the_caller_cannot_reach_into_the_store(store):
    value = {"list": [1]}
    store.put("a", value)
    value["list"].append(2)
    store.get("a")["list"].append(3)
    assert store.get("a") == {"list": [1]}


def test_changes_tell_the_latest_of_each_key_by_revision_then_key(store):
    store.write([("put", "b", 1), ("put", "a", 1), ("put", "c", 1)])
    store.put("b", 2)
    store.delete("c")
    assert store.changes(0) == [(1, "a", "put"), (2, "b", "put"), (3, "c", "delete")]
    assert store.changes(1) == [(2, "b", "put"), (3, "c", "delete")]
    assert store.changes(3) == []
    store.write([("put", "z", 1), ("put", "y", 1), ("delete", "z")])
    assert store.changes(2) == [(3, "c", "delete"), (4, "y", "put"), (4, "z", "delete")]


def test_a_closed_store_answers_nothing(tmp_path):
    store = satchel.open(tmp_path)
    store.put("a", 1)
    store.close()
    for call in (
        lambda: store.get("a"),
        store.keys,
        lambda: store.put("b", 1),
        lambda: store.write([]),
        lambda: store.changes(0),
        store.snapshots,
        store.compact,
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            call()
