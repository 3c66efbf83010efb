"""Differences, carrying them out, turning them around, merging."""

import copy

import docket
import pytest


def short(operations):
    signs = {"set": "=", "add": "+", "remove": "-"}
    return [signs[o["op"]] + o["path"] for o in operations]


def lists(old, new):
    return short(docket.diff({"l": old}, {"l": new}))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, []),
        ({"a": 1, "b": [1, {"c": None}]}, {"b": [1.0, {"c": None}], "a": 1}, []),
        ({"b": 1, "a": 1, "c": 3}, {"a": 2, "d": 4, "c": 3}, ["=/a", "-/b", "+/d"]),
        ({"a": {"x": 1, "y": 1}}, {"a": {"x": 2, "z": 1}}, ["=/a/x", "-/a/y", "+/a/z"]),
        ({"a": {"x": 1}}, {"a": [1]}, ["=/a"]),
        ({"a": {}}, {"a": {"b": {}}}, ["+/a/b"]),
        ({"a": None}, {}, ["-/a"]),
        ({"a/b": 1, "~": 1, "~1": 1, "": 1}, {}, ["-/", "-/a~1b", "-/~0", "-/~01"]),
        ({"B": 1, "a": 1, "é": 1}, {}, ["-/B", "-/a", "-/é"]),
    ],
)
def test_objects(old, new, expected):
    assert short(docket.diff(old, new)) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [(1, True), (0, False), (None, False), ("1", 1), ([], {}), ("", None), ([1], [True]), ({"a": 0}, {"a": False})],
)
def test_types_are_told_apart(old, new):
    assert len(docket.diff({"x": old}, {"x": new})) == 1
    assert len(docket.diff({"x": new}, {"x": old})) == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([1, 2, 3], [1, 3], ["-/l/1"]),
        ([1, 3], [1, 2, 3], ["+/l/1"]),
        ([1, 2, 3], [], ["-/l/2", "-/l/1", "-/l/0"]),
        ([], [1, 2, 3], ["+/l/0", "+/l/1", "+/l/2"]),
        ([1, 2, 3, 4], [1, 9, 4], ["=/l/1", "-/l/2"]),
        ([1, 4], [1, 8, 9, 4], ["+/l/1", "+/l/2"]),
        ([5, 6], [7, 8, 9], ["=/l/0", "=/l/1", "+/l/2"]),
        ([1, 1], [1, 1, 1], ["+/l/2"]),
        ([1, 1, 1], [1, 1], ["-/l/2"]),
        ([1, 2], [2, 1], ["=/l/0", "=/l/1"]),
        ([{"a": 1}, 2], [{"a": 2}, 2], ["=/l/0/a"]),
        ([[1], [2]], [[1], [2, 3]], ["+/l/1/1"]),
        ([1, True, 0], [1, 1, False], ["=/l/1", "=/l/2"]),
    ],
)
def test_lists(old, new, expected):
    assert lists(old, new) == expected


def test_the_form_of_operations():
    assert [list(o.items()) for o in docket.diff({"a": 1, "b": 1}, {"a": 2, "c": [3]})] == [
        [("op", "set"), ("path", "/a"), ("old", 1), ("new", 2)],
        [("op", "remove"), ("path", "/b"), ("old", 1)],
        [("op", "add"), ("path", "/c"), ("new", [3])],
    ]


def test_nothing_is_shared_with_the_arguments():
    old, new = {"a": {"x": [1]}}, {"b": {"y": [1]}}
    operations = docket.diff(old, new)
    kept = copy.deepcopy(operations)
    result = docket.apply(old, operations)
    result["b"]["y"].append(2)
    new["b"]["y"].append(3)
    back = docket.invert(operations)
    back[0]["old"]["y"].append(4)
    assert operations == kept
    assert old == {"a": {"x": [1]}}


def test_operations_go_on_where_the_last_left_off():
    operations = [
        {"op": "add", "path": "/l/1", "new": {"k": 1}},
        {"op": "set", "path": "/l/1/k", "old": 1, "new": 2},
        {"op": "remove", "path": "/l/0", "old": "a"},
        {"op": "add", "path": "/l/2", "new": "end"},
        {"op": "add", "path": "/x~1~01", "new": None},
    ]
    assert docket.apply({"l": ["a", "b"]}, operations) == {"l": [{"k": 2}, "b", "end"], "x/~1": None}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "set", "path": "/a", "old": 2, "new": 3},
        {"op": "set", "path": "/a", "old": True, "new": 3},
        {"op": "set", "path": "/b", "old": 1, "new": 3},
        {"op": "remove", "path": "/a", "old": 2},
        {"op": "remove", "path": "/b", "old": None},
        {"op": "add", "path": "/a", "new": 1},
        {"op": "add", "path": "/l/3", "new": 1},
        {"op": "add", "path": "/l/-", "new": 1},
        {"op": "set", "path": "/l/2", "old": 1, "new": 2},
        {"op": "set", "path": "/l/-1", "old": 6, "new": 2},
        {"op": "set", "path": "/l/00", "old": 5, "new": 2},
        {"op": "set", "path": "/l/01", "old": 6, "new": 2},
        {"op": "set", "path": "/a/x", "old": 1, "new": 2},
        {"op": "add", "path": "/b/c", "new": 2},
        {"op": "add", "path": "/t/0", "new": 2},
        {"op": "add", "path": "/l/x", "new": 2},
        {"op": "set", "path": "", "old": {}, "new": {}},
    ],
)
def test_operations_that_do_not_fit(operation):
    document = {"a": 1, "l": [5, 6], "t": "text"}
    before = copy.deepcopy(document)
    with pytest.raises(docket.Conflict) as caught:
        docket.apply(document, [{"op": "add", "path": "/new", "new": 1}, operation])
    assert caught.value.path == operation["path"]
    assert document == before


def test_invert():
    operations = docket.diff({"a": 1, "b": 2}, {"a": 5, "c": 3})
    assert docket.invert(operations) == [
        {"op": "remove", "path": "/c", "old": 3},
        {"op": "add", "path": "/b", "new": 2},
        {"op": "set", "path": "/a", "old": 5, "new": 1},
    ]


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 3}, {"a": 2, "b": 3}),
        ({"a": 1}, {}, {"a": 1, "b": 1}, {"b": 1}),
        ({"a": 1}, {"a": 2}, {"a": 2.0}, {"a": 2}),
        ({"a": 1}, {}, {}, {}),
        ({}, {"a": [1]}, {"a": [1]}, {"a": [1]}),
        ({"o": {"x": 1, "y": 1}}, {"o": {"x": 2, "y": 1}}, {"o": {"x": 1}}, {"o": {"x": 2}}),
        ({"o": {"x": 1}}, {"o": {"x": 1, "l": [1]}}, {"o": {"x": 1, "m": {}}}, {"o": {"x": 1, "l": [1], "m": {}}}),
        ({"a": 1}, {"a": True}, {"a": 1.0}, {"a": True}),
    ],
)
def test_merge(base, ours, theirs, merged):
    for one, two in ((ours, theirs), (theirs, ours)):
        found = docket.merge(base, one, two)
        assert docket.diff(found, merged) == []


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "paths"),
    [
        ({"a": 1}, {"a": 2}, {"a": 3}, ["/a"]),
        ({"a": 1}, {}, {"a": 3}, ["/a"]),
        ({}, {"a": 2}, {"a": 3}, ["/a"]),
        ({}, {"o": {"x": 1}}, {"o": {"y": 1}}, ["/o"]),
        ({"l": [1]}, {"l": [1, 2]}, {"l": [0, 1]}, ["/l"]),
        ({"l": [{"x": 1, "y": 1}]}, {"l": [{"x": 2, "y": 1}]}, {"l": [{"x": 1, "y": 2}]}, ["/l"]),
        (
            {"o": {"a/b": 1, "z": 1}, "b": 0, "k": 1},
            {"o": {"a/b": 2, "z": 1}, "b": 1, "k": 2},
            {"o": {"a/b": 3, "z": 5}, "b": False, "k": 1},
            ["/b", "/o/a~1b"],
        ),
        ({"o": {"x": 1}}, {"o": {"x": 2}}, {"o": 5}, ["/o"]),
        ({"o": {"x": 1}}, {"o": {"x": 2}}, {}, ["/o"]),
        ({"a": 0}, {"a": 1}, {"a": True}, ["/a"]),
    ],
)
def test_merge_conflicts(base, ours, theirs, paths):
    for one, two in ((ours, theirs), (theirs, ours)):
        with pytest.raises(docket.MergeConflict) as caught:
            docket.merge(base, one, two)
        assert caught.value.paths == paths
