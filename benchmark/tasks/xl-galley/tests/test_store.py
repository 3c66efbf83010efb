"""Results and records."""

import hashlib

from galley.store import Observation, Store, digest

SEEN = [
    Observation("file", "a", "0"),
    Observation("list", "*", ("a", "b")),
    Observation("setting", "s", None),
    Observation("exists", "b", True),
]


def test_digest():
    assert digest("ä") == hashlib.sha256("ä".encode()).hexdigest()


def test_results(tmp_path):
    store = Store(tmp_path / "s")
    name = store.put("ä\r\n")
    assert name == digest("ä\r\n")
    assert (tmp_path / "s" / "blobs" / name).read_bytes() == "ä\r\n".encode()
    assert (Store(tmp_path / "s").get(name), store.get(digest("other"))) == ("ä\r\n", None)


def test_damaged_results_are_not_there(tmp_path):
    store = Store(tmp_path)
    names = [store.put(text) for text in ("abc", "def", "ghi")]
    (tmp_path / "blobs" / names[0]).write_bytes(b"abd")
    (tmp_path / "blobs" / names[1]).write_bytes(b"\xff")
    (tmp_path / "blobs" / names[2]).unlink()
    assert [store.get(name) for name in names] == [None, None, None]


def test_records_the_last_used_first(tmp_path):
    store = Store(tmp_path)
    first = store.add("x", SEEN, "r1")
    second = store.add("x", SEEN[:2], "r2")
    other = store.add("y", SEEN, "r1")
    assert len({first, second, other}) == 3
    assert [(r.id, r.shape, r.observations, r.result) for r in store.records("x")] == [
        (second, "x", tuple(SEEN[:2]), "r2"),
        (first, "x", tuple(SEEN), "r1"),
    ]
    store.use(first)
    assert [r.id for r in store.records("x")] == [first, second]
    assert store.add("x", tuple(SEEN[:2]), "r2") == second
    assert [r.id for r in store.records("x")] == [second, first]
    assert [r.id for r in store.records("z")] == []


def test_records_are_there_again_after_saving(tmp_path):
    store = Store(tmp_path / "deep" / "s")
    ids = [store.add("x", SEEN, f"r{n}") for n in range(4)]
    store.use(ids[1])
    assert Store(tmp_path / "deep" / "s").records("x") == []
    store.save()
    again = Store(tmp_path / "deep" / "s")
    assert [(r.id, r.observations, r.result) for r in again.records("x")] == [
        (ids[n], tuple(SEEN), f"r{n}") for n in (1, 3, 2, 0)
    ]
    assert again.add("x", SEEN, "r0") == ids[0]


def test_records_that_cannot_be_read(tmp_path):
    store = Store(tmp_path)
    name = store.put("a")
    store.add("x", SEEN, name)
    store.save()
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.parent.name != "blobs":
            path.write_text("{")
    again = Store(tmp_path)
    assert again.records("x") == []
    again.add("x", [], name)
    again.save()
    assert len(Store(tmp_path).records("x")) == 1


def test_a_dry_store_leaves_no_trace(tmp_path):
    store = Store(tmp_path / "s", dry=True)
    name = store.put("a")
    store.add("x", SEEN, name)
    store.save()
    assert (store.get(name), len(store.records("x"))) == ("a", 1)
    assert list(tmp_path.iterdir()) == []
    assert Store(tmp_path / "s").get(name) is None


def test_a_dry_store_sees_what_is_there(tmp_path):
    store = Store(tmp_path)
    ids = [store.add("x", SEEN, store.put(text)) for text in "ab"]
    store.save()
    dry = Store(tmp_path, dry=True)
    dry.use(ids[0])
    dry.save()
    assert ([r.id for r in dry.records("x")], dry.get(digest("b"))) == (ids, "b")
    assert [r.id for r in Store(tmp_path).records("x")] == ids[::-1]


def test_keeping_only_some(tmp_path):
    store = Store(tmp_path)
    a, b = store.put("a"), store.put("b")
    store.put("nobody's")
    ids = [store.add("x", SEEN, a), store.add("y", SEEN, a), store.add("z", SEEN, b), store.add("x", [], b)]
    assert store.keep_only([ids[1], "unknown"]) == (3, 2)
    again = Store(tmp_path)
    assert [len(again.records(shape)) for shape in "xyz"] == [0, 1, 0]
    assert [path.name for path in (tmp_path / "blobs").iterdir()] == [a]
    assert again.keep_only([]) == (1, 1)
    assert Store(tmp_path / "new").keep_only(["x"]) == (0, 0)
