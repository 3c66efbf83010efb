"""What a compaction writes and leaves."""

import json
import zlib

import satchel


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def records(path):
    found = []
    for line in path.read_bytes().splitlines():
        assert line[:8] == b"%08x" % zlib.crc32(line[9:])
        found.append(json.loads(line[9:]))
    return found


def test_one_segment_remains_and_says_that_it_is_compacted(tmp_path):
    with satchel.open(tmp_path, segment_bytes=1) as store:
        for index in range(5):
            store.put("a", index)
        store.compact()
    assert names(tmp_path) == ["000006.log"]
    assert records(tmp_path / "000006.log") == [{"rev": 5, "compacted": True}, {"rev": 5, "ops": [["put", "a", 4]]}]


def test_writing_goes_on_behind_it(tmp_path):
    with satchel.open(tmp_path) as store:
        store.put("a", 0)
        store.compact()
        assert store.put("b", 1) == 2
    assert names(tmp_path) == ["000002.log"]
    assert records(tmp_path / "000002.log")[-1] == {"rev": 2, "ops": [["put", "b", 1]]}


def test_a_full_compacted_segment_is_followed_by_a_new_one(tmp_path):
    with satchel.open(tmp_path, segment_bytes=10) as store:
        store.put("a", 0)
        store.compact()
        store.put("b", 1)
    assert names(tmp_path) == ["000002.log", "000003.log"]


def test_what_no_one_can_see_is_gone(tmp_path):
    with satchel.open(tmp_path) as store:
        store.put("a", "first secret")
        store.snapshot("s")
        store.put("a", "second secret")
        store.put("a", "third")
        store.compact()
        text = (tmp_path / "000002.log").read_text()
        assert "first secret" in text
        assert "second secret" not in text
        store.drop("s")
        store.compact()
        text = (tmp_path / "000003.log").read_text()
        assert "first secret" not in text
        assert '"drop"' not in text


def test_revisions_do_not_go_down_in_the_segment(tmp_path):
    with satchel.open(tmp_path) as store:
        store.write([("put", "z", 0), ("put", "a", 0)])
        store.put("b", 0)
        store.snapshot("s")
        store.put("a", 1)
        store.snapshot("t")
        store.put("z", 1)
        store.compact()
    revisions = [record["rev"] for record in records(tmp_path / "000002.log")]
    assert revisions[0] == 4
    assert revisions[1:] == sorted(revisions[1:])


def test_a_second_compaction_does_not_grow(tmp_path):
    with satchel.open(tmp_path) as store:
        store.write([("put", "a", 1), ("put", "b", 3)])
        store.snapshot("s")
        store.write([("put", "a", 2), ("delete", "b")])
        store.compact()
        size = (tmp_path / "000002.log").stat().st_size
        store.compact()
        assert (tmp_path / "000003.log").stat().st_size <= size
    assert names(tmp_path) == ["000003.log"]


def test_an_empty_store_can_be_compacted(tmp_path):
    with satchel.open(tmp_path) as store:
        store.compact()
        assert store.put("a", 1) == 1
    with satchel.open(tmp_path) as store:
        assert store.keys() == ["a"]


def test_old_segments_left_by_a_crash_do_not_count_and_are_removed(tmp_path):
    with satchel.open(tmp_path, segment_bytes=1) as store:
        store.put("a", 1)
        store.put("b", 1)
        old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        store.delete("a")
        store.compact()
        store.put("c", 1)
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "000003.log").write_bytes(b"even when it is damaged\n")
    with satchel.open(tmp_path) as store:
        assert (store.keys(), store.revision) == (["b", "c"], 4)
    assert names(tmp_path) == ["000004.log", "000005.log"]


def test_a_draft_left_by_a_crash_does_not_count(tmp_path):
    with satchel.open(tmp_path) as store:
        store.put("a", 1)
    (tmp_path / "000002.tmp").write_bytes((tmp_path / "000001.log").read_bytes()[:20])
    with satchel.open(tmp_path) as store:
        assert store.keys() == ["a"]
        store.compact()
    assert names(tmp_path) == ["000002.log"]
