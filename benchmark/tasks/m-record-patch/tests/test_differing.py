"""What a patch says."""

import json

import pytest
from recpatch import apply, diff, summary


def ops(old, new, key="id"):
    patch = diff(old, new, key)
    assert patch["key"] == key
    assert set(patch) == {"key", "ops"}
    return patch["ops"]


def rows(*keys):
    return [{"id": key} for key in keys]


def moves(old, new):
    return sum(op["op"] == "move" for op in ops(rows(*old), rows(*new)))


def test_the_same_lists():
    old = [{"id": 1, "a": {"x": 1, "y": [2]}}, {"id": "1"}]
    assert ops(old, [{"a": {"y": [2], "x": 1}, "id": 1}, {"id": "1"}]) == []
    assert ops([], []) == []


def test_removals_name_the_record_above_at_their_time():
    assert ops(rows(1, 2, 3, 4, 5), rows(2, 5)) == [
        {"op": "remove", "record": {"id": 1}, "after": None},
        {"op": "remove", "record": {"id": 3}, "after": 2},
        {"op": "remove", "record": {"id": 4}, "after": 2},
    ]
    assert ops(rows("a", "b"), []) == [
        {"op": "remove", "record": {"id": "a"}, "after": None},
        {"op": "remove", "record": {"id": "b"}, "after": None},
    ]


def test_additions_name_the_record_above():
    assert ops(rows(2), rows(0, 1, 2, 3)) == [
        {"op": "add", "record": {"id": 0}, "after": None},
        {"op": "add", "record": {"id": 1}, "after": 0},
        {"op": "add", "record": {"id": 3}, "after": 2},
    ]


def test_changed_fields():
    old = [{"id": 1, "z": 1, "gone": None, "in": {"b": 1, "c": {"d": 1}, "e": []}, "a": 0}]
    new = [{"new": 5, "in": {"f": 6, "c": {"d": 2, "g": {}}, "b": 1, "e": [1]}, "a": 0, "z": 2, "id": 1}]
    assert ops(old, new) == [
        {
            "op": "change",
            "at": 1,
            "fields": [
                {"path": ["z"], "old": 1, "new": 2},
                {"path": ["gone"], "old": None},
                {"path": ["in", "c", "d"], "old": 1, "new": 2},
                {"path": ["in", "c", "g"], "new": {}},
                {"path": ["in", "e"], "old": [], "new": [1]},
                {"path": ["in", "f"], "new": 6},
                {"path": ["new"], "new": 5},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [(1, 1.0), (1, True), (0, False), (0.0, False), (None, False), ([1], [True]), ([{"a": 1}], [{"a": 1.0}]), ("1", 1)],
)
def test_values_of_different_types_differ(old, new):
    assert ops([{"id": 1, "v": old}], [{"id": 1, "v": new}])[0]["fields"] == [{"path": ["v"], "old": old, "new": new}]
    assert json.dumps(ops([{"id": 1, "v": old}], [{"id": 1, "v": new}])[0]["fields"][0]["new"]) == json.dumps(new)


def test_a_dictionary_and_something_else_are_compared_as_a_whole():
    fields = ops([{"id": 1, "v": {"a": 1}, "w": None}], [{"id": 1, "v": [], "w": {"a": 1}}])[0]["fields"]
    assert fields == [{"path": ["v"], "old": {"a": 1}, "new": []}, {"path": ["w"], "old": None, "new": {"a": 1}}]
    assert ops([{"id": 1, "v": {}}], [{"id": 1, "v": {"a": 1}}])[0]["fields"] == [{"path": ["v", "a"], "new": 1}]


def test_keys_of_different_types_are_different_keys():
    found = ops(rows(1, "2"), rows("1", "2"))
    assert [op["op"] for op in found] == ["remove", "add"]
    assert found[1] == {"op": "add", "record": {"id": "1"}, "after": None}


def test_a_move():
    assert ops(rows(1, 2, 3, 4), rows(1, 3, 4, 2)) == [{"op": "move", "at": 2, "from": 1, "after": 4}]
    assert ops(rows(1, 2, 3, 4), rows(4, 1, 2, 3)) == [{"op": "move", "at": 4, "from": 3, "after": None}]


def test_there_are_as_few_moves_as_possible():
    assert moves("abcdef", "bcdefa") == 1
    assert moves("abcdef", "fabcde") == 1
    assert moves("abcdef", "fedcba") == 5
    assert moves("abcdefgh", "efghabcd") == 4
    assert moves("abcdef", "badcfe") == 3
    assert moves("abcxdef", "dyaebcf") == 2


def test_removals_changes_then_additions_and_moves():
    old = [{"id": 1, "v": 1}, {"id": 2}, {"id": 3, "v": 1}, {"id": 4}]
    new = [{"id": 4}, {"id": 5}, {"id": 3, "v": 2}, {"id": 1, "v": 2}]
    found = ops(old, new)
    assert [op["op"] for op in found][:3] == ["remove", "change", "change"]
    assert [op["at"] for op in found[1:3]] == [1, 3]
    assert sorted(op["op"] for op in found[3:]) == ["add", "move", "move"]
    assert apply(old, {"key": "id", "ops": found}) == new
    assert summary({"key": "id", "ops": found}) == "1 added, 1 removed, 2 changed, 2 moved"


def test_summaries():
    assert summary(diff([], [], "id")) == "no changes"
    assert summary(diff(rows(1, 2), rows(2, 1), "id")) == "1 moved"
    assert summary(diff(rows(1), rows(2, 3), "id")) == "2 added, 1 removed"


def test_nothing_is_shared_or_changed():
    old = [{"id": 1, "v": [1]}, {"id": 2, "v": {"w": [1]}}]
    new = [{"id": 2, "v": {"w": [2]}}, {"id": 3, "v": [3]}]
    before = json.dumps([old, new])
    patch = diff(old, new, "id")
    assert json.dumps([old, new]) == before
    text = json.dumps(patch)
    old[0]["v"].append(9)
    new[0]["v"]["w"].append(9)
    new[1]["v"].append(9)
    assert json.dumps(patch) == text


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([{"id": 1}, {"x": 1}], "[1] has no 'id'"),
        ([{"id": None}], "[0]: 'id' must be a text or a whole number"),
        ([{"id": 1}, {"id": True}], "[1]: 'id' must be a text or a whole number"),
        ([{"id": 1.0}], "[0]: 'id' must be a text or a whole number"),
        ([{"id": [1]}], "[0]: 'id' must be a text or a whole number"),
        ([{"id": "é"}, {"id": 7}, {"id": 7}, {}], "[2]: 'id' 7 appears twice"),
        ([{"id": "x"}, {"id": "x"}], "[1]: 'id' \"x\" appears twice"),
    ],
)
def test_lists_without_good_keys(records, problem):
    for name, call in (
        ("old", lambda: diff(records, [{}], "id")),
        ("new", lambda: diff([], records, "id")),
        ("records", lambda: apply(records, {"key": "id", "ops": []})),
    ):
        with pytest.raises(ValueError, match="id") as caught:
            call()
        assert str(caught.value) == name + problem
