"""What is in the folder, and what opening makes of a damaged one."""

import zlib

import pytest
import satchel


def line(record):
    return b"%08x %s\n" % (zlib.crc32(record.encode()), record.encode())


PUT_A = line('{"rev":1,"ops":[["put","a",1]]}')
PUT_B = line('{"rev":2,"ops":[["put","b",2]]}')


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_lines_of_a_segment(tmp_path):
    with satchel.open(tmp_path) as store:
        store.put("é", {"b": [1.5, None, "ü\n"], "a": True})
        store.write([("put", "x", 1), ("delete", "é"), ("put", "x", 2)])
        store.snapshot("now")
        store.put("y", 0)
        store.drop("now")
    assert files(tmp_path) == {
        "000001.log": line('{"rev":1,"ops":[["put","é",{"b":[1.5,null,"ü\\n"],"a":true}]]}')
        + line('{"rev":2,"ops":[["put","x",1],["delete","é"],["put","x",2]]}')
        + line('{"rev":2,"snapshot":"now"}')
        + line('{"rev":3,"ops":[["put","y",0]]}')
        + line('{"rev":3,"drop":"now"}')
    }


def test_records_are_in_the_file_before_the_call_returns(tmp_path):
    store = satchel.open(tmp_path)
    store.put("a", 1)
    assert files(tmp_path) == {"000001.log": PUT_A}
    store.put("b", 2)
    assert files(tmp_path) == {"000001.log": PUT_A + PUT_B}
    store.close()


def test_a_segment_that_is_full_is_followed_by_the_next(tmp_path):
    with satchel.open(tmp_path, segment_bytes=len(PUT_A) + 1) as store:
        store.put("a", 1)
        store.put("b", 2)
        store.put("c", 3)
    assert list(files(tmp_path)) == ["000001.log", "000002.log"]
    assert files(tmp_path)["000001.log"] == PUT_A + PUT_B


def test_exactly_full_is_full(tmp_path):
    with satchel.open(tmp_path, segment_bytes=len(PUT_A)) as store:
        store.put("a", 1)
        store.snapshot("s")
        store.put("b", 2)
    assert files(tmp_path)["000001.log"] == PUT_A
    assert files(tmp_path)["000002.log"].startswith(line('{"rev":1,"snapshot":"s"}'))


def test_what_was_written_is_read_again(tmp_path):
    (tmp_path / "000001.log").write_bytes(PUT_A + PUT_B)
    (tmp_path / "000003.log").write_bytes(line('{"rev":2,"snapshot":"s"}') + line('{"rev":5,"ops":[["delete","a"]]}'))
    with satchel.open(tmp_path) as store:
        assert (store.revision, store.keys(), store.snapshots(), store.at("s").keys()) == (
            5,
            ["b"],
            {"s": 2},
            ["a", "b"],
        )
        assert store.put("c", 1) == 6
    assert files(tmp_path)["000003.log"].endswith(line('{"rev":6,"ops":[["put","c",1]]}'))


@pytest.mark.parametrize("cut", [1, 5, 9, len(PUT_B) - 1])
def test_an_incomplete_last_line_never_happened(tmp_path, cut):
    (tmp_path / "000001.log").write_bytes(PUT_A + PUT_B[:cut])
    with satchel.open(tmp_path) as store:
        assert (store.revision, store.keys()) == (1, ["a"])
        assert (tmp_path / "000001.log").read_bytes() == PUT_A
        store.put("c", 3)
    with satchel.open(tmp_path) as store:
        assert store.keys() == ["a", "c"]


def test_a_last_line_that_only_lacks_its_line_break_never_happened_either(tmp_path):
    (tmp_path / "000001.log").write_bytes(PUT_A[:-1])
    with satchel.open(tmp_path) as store:
        assert store.revision == 0
        store.put("b", 2)
    assert files(tmp_path) == {"000001.log": line('{"rev":1,"ops":[["put","b",2]]}')}


WRONG = [
    PUT_B[:8].upper().translate(bytes.maketrans(b"0123456789", b"1234567890")) + PUT_B[8:],
    PUT_B.replace(b'"b"', b'"c"'),
    b"\n",
    b"hello\n",
    PUT_B[:8] + PUT_B[9:],
    line("[]"),
    line('{"rev":2}'),
    line('{"rev":2,"ops":[["move","a"]]}'),
    line('{"rev":1,"ops":[["put","b",2]]}'),
    line('{"rev":1,"compacted":true}'),
    b"\xff\xfe\n",
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("follows", [b"", PUT_B])
def test_a_damaged_line_is_reported_and_nothing_is_touched(tmp_path, wrong, follows):
    (tmp_path / "000001.log").write_bytes(PUT_A)
    (tmp_path / "000002.log").write_bytes(line('{"rev":1,"snapshot":"s"}') + wrong + follows + b"torn")
    (tmp_path / "000003.tmp").write_bytes(b"")
    before = files(tmp_path)
    with pytest.raises(satchel.Corrupt) as caught:
        satchel.open(tmp_path)
    assert (caught.value.file, caught.value.line) == ("000002.log", 2)
    assert files(tmp_path) == before


def test_only_the_highest_segment_may_end_in_an_incomplete_line(tmp_path):
    (tmp_path / "000001.log").write_bytes(PUT_A + PUT_B[:-1])
    (tmp_path / "000002.log").write_bytes(b"")
    with pytest.raises(satchel.Corrupt) as caught:
        satchel.open(tmp_path)
    assert (caught.value.file, caught.value.line) == ("000001.log", 2)


def test_drafts_are_removed_and_strangers_left_alone(tmp_path):
    strangers = {"README": b"mine", "1.log": b"x", "notes.log": b"y", "000009.log.bak": b"z"}
    for name, content in {**strangers, "000002.tmp": b"draft", "x.tmp": b""}.items():
        (tmp_path / name).write_bytes(content)
    with satchel.open(tmp_path) as store:
        store.put("a", 1)
        store.compact()
    kept = files(tmp_path)
    assert {name: kept[name] for name in strangers} == strangers
    assert set(kept) - set(strangers) == {"000002.log"}
