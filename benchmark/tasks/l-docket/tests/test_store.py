"""The store and its files."""

import json
import math

import docket
import pytest


@pytest.fixture
def store(tmp_path):
    return docket.Store(tmp_path / "deep" / "desk")


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_ids_and_revisions(store):
    assert (store.revision, store.ids(), store.find("")) == (0, [], [])
    assert [
        store.create({}),
        store.create({"a": 1}),
        store.update("d1", {"b": 2}),
        store.delete("d1"),
        store.create({}),
    ] == ["d1", "d2", 3, 4, "d3"]
    assert (store.revision, store.ids()) == (5, ["d2", "d3"])


def test_ids_are_in_the_order_of_their_making(store):
    for _ in range(11):
        store.create({})
    store.delete("d2")
    store.revert("d2", 5)
    assert store.ids() == [f"d{n}" for n in range(1, 12)]
    assert store.find("") == store.ids()


def test_updating_without_a_difference(store):
    store.create({"a": 1, "b": 2})
    store.create({})
    assert store.update("d1", {"b": 2, "a": 1.0}) == 1
    assert store.revision == 2
    assert store.update("d1", {"b": 2, "a": True}) == 3


def test_the_past(store):
    store.create({"a": 1})
    store.create({"b": 1})
    store.update("d1", {"a": 2})
    store.delete("d2")
    assert [store.get("d1", at) for at in (1, 2, 3, 4)] == [{"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}]
    assert [store.ids(at) for at in range(5)] == [[], ["d1"], ["d1", "d2"], ["d1", "d2"], ["d1"]]
    assert store.find("a = 1", at=2) == ["d1"]
    assert store.find("b exists", at=3) == ["d2"]
    assert store.find("a = 1") == []


def test_revert(store):
    store.create({"a": 1})
    store.update("d1", {"a": 2})
    assert store.revert("d1", 1) == 3
    assert store.get("d1") == {"a": 1}
    assert store.revert("d1", 1) == 3
    store.delete("d1")
    assert store.revert("d1", 2) == 5
    assert (store.get("d1"), store.ids()) == ({"a": 2}, ["d1"])


def test_an_empty_document_comes_back_too(store):
    store.create({})
    store.delete("d1")
    assert store.revert("d1", 1) == 3
    assert store.get("d1") == {}


def test_log(store):
    store.create({"a": [1]})
    store.update("d1", {"a": [1, 2]})
    store.delete("d1")
    store.create({})
    store.revert("d1", 1)
    assert [tuple(entry) for entry in store.log("d1")] == [
        (1, "create", [{"op": "add", "path": "/a", "new": [1]}]),
        (2, "update", [{"op": "add", "path": "/a/1", "new": 2}]),
        (3, "delete", [{"op": "remove", "path": "/a", "old": [1, 2]}]),
        (5, "revert", [{"op": "add", "path": "/a", "new": [1]}]),
    ]


def test_what_is_not_there(store):
    store.create({})
    store.delete("d1")
    store.create({})
    calls = [
        lambda: store.get("d1"),
        lambda: store.get("d9"),
        lambda: store.get("d2", 2),
        lambda: store.get("d1", 0),
        lambda: store.update("d1", {}),
        lambda: store.delete("d1"),
        lambda: store.revert("d1", 2),
        lambda: store.revert("d2", 1),
        lambda: store.revert("d9", 1),
        lambda: store.log("d9"),
        lambda: store.update("d2", {"a": 1}, base=1),
    ]
    for call in calls:
        with pytest.raises(KeyError):
            call()
    assert store.revision == 3


def test_revisions_that_are_not(store):
    store.create({})
    calls = [
        lambda: store.get("d1", 2),
        lambda: store.get("d1", -1),
        lambda: store.ids(2),
        lambda: store.find("", 2),
        lambda: store.revert("d1", 0),
        lambda: store.revert("d1", 2),
        lambda: store.update("d1", {"a": 1}, base=0),
        lambda: store.update("d1", {"a": 1}, base=2),
    ]
    for call in calls:
        with pytest.raises(ValueError):  # noqa: PT011
            call()
    assert store.revision == 1


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ([], TypeError),
        ("x", TypeError),
        ({1: 2}, TypeError),
        ({"a": (1,)}, TypeError),
        ({"a": [{"b": {1}}]}, TypeError),
        ({"a": math.nan}, ValueError),
        ({"a": [-math.inf]}, ValueError),
    ],
)
def test_what_is_no_document(store, document, error):
    store.create({})
    for call in (lambda: store.create(document), lambda: store.update("d1", document)):
        with pytest.raises(error):
            call()
    assert (store.revision, store.create({})) == (1, "d2")


def test_callers_cannot_reach_into_the_store(store):
    document = {"a": [1]}
    store.create(document)
    document["a"].append(2)
    store.get("d1")["a"].append(3)
    store.log("d1")[0][2][0]["new"].append(4)
    assert store.get("d1") == store.get("d1", 1) == {"a": [1]}


def test_concurrent_edits_are_merged(store):
    store.create({"title": "a", "meta": {"x": 1, "y": 1}})
    store.update("d1", {"title": "b", "meta": {"x": 1, "y": 1}})
    assert store.update("d1", {"title": "a", "meta": {"x": 1, "y": 2}}, base=1) == 3
    assert store.get("d1") == {"title": "b", "meta": {"x": 1, "y": 2}}
    assert store.update("d1", {"title": "b", "meta": {"x": 1, "y": 1}}, base=2) == 3


def test_concurrent_edits_that_do_not_go_together(store, tmp_path):
    store.create({"title": "a", "n": 1})
    store.update("d1", {"title": "b", "n": 2})
    before = files(tmp_path)
    with pytest.raises(docket.MergeConflict) as caught:
        store.update("d1", {"title": "c"}, base=1)
    assert caught.value.paths == ["/n", "/title"]
    assert (store.revision, store.get("d1"), files(tmp_path)) == (2, {"title": "b", "n": 2}, before)


def test_the_files(store, tmp_path):
    store.create({"é": 1, "a": [1, {}]})
    store.create({})
    store.update("d1", {"a": ["ü\n"]})
    store.delete("d2")
    assert files(tmp_path / "deep" / "desk") == {
        "docs/d1.json": '{\n  "a": [\n    "ü\\n"\n  ]\n}\n'.encode(),
        "history.jsonl": (
            '{"rev":1,"id":"d1","kind":"create","ops":[{"op":"add","path":"/a","new":[1,{}]},{"op":"add","path":"/é","new":1}]}\n'
            '{"rev":2,"id":"d2","kind":"create","ops":[]}\n'
            '{"rev":3,"id":"d1","kind":"update","ops":[{"op":"set","path":"/a/0","old":1,"new":"ü\\n"},{"op":"remove","path":"/a/1","old":{}},{"op":"remove","path":"/é","old":1}]}\n'
            '{"rev":4,"id":"d2","kind":"delete","ops":[]}\n'
        ).encode(),
    }


def test_files_of_documents_are_put_right(store, tmp_path):
    for n in range(3):
        store.create({"n": n})
    store.delete("d2")
    before = files(tmp_path)
    docs = tmp_path / "deep" / "desk" / "docs"
    (docs / "d1.json").write_text('{"n": 99}')
    (docs / "d2.json").write_text("{}")
    (docs / "d3.json").unlink()
    again = docket.Store(tmp_path / "deep" / "desk")
    assert (again.get("d1"), again.ids()) == ({"n": 0}, ["d1", "d3"])
    assert files(tmp_path) == before


def test_a_line_cut_short_is_cut_off(store, tmp_path):
    store.create({"a": 1})
    path = tmp_path / "deep" / "desk" / "history.jsonl"
    whole = path.read_bytes()
    store.update("d1", {"a": 2})
    full = path.read_bytes()
    for cut in (len(whole) + 1, len(whole) + 20, len(full) - 1):
        path.write_bytes(full[:cut])
        again = docket.Store(tmp_path / "deep" / "desk")
        assert (again.revision, again.get("d1"), path.read_bytes()) == (1, {"a": 1}, whole)
    assert json.loads((tmp_path / "deep" / "desk" / "docs" / "d1.json").read_text()) == {"a": 1}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "oops",
        "[]",
        '{"rev":2,"id":"d1","kind":"update"}',
        '{"rev":3,"id":"d1","kind":"update","ops":[]}',
        '{"rev":2,"id":"d1","kind":"rename","ops":[]}',
        '{"rev":2,"id":"d1","kind":"update","ops":[{"op":"set","path":"/a","old":2,"new":3}]}',
        '{"rev":2,"id":"d1","kind":"update","ops":[{"op":"add","path":"/a","new":3}]}',
        '{"rev":2,"id":"d1","kind":"update","ops":[{"op":"move","path":"/a","old":1,"new":3}]}',
    ],
)
def test_damaged_lines(store, tmp_path, line):
    store.create({"a": 1})
    path = tmp_path / "deep" / "desk" / "history.jsonl"
    with path.open("a") as file:
        file.write(line + "\n" + '{"rev":2,"id":"d2","kind":"create","ops":[]}\n')
    with pytest.raises(docket.Damaged) as caught:
        docket.Store(tmp_path / "deep" / "desk")
    assert caught.value.line == 2
