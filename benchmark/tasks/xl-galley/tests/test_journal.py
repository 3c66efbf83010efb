"""Which builds there were."""

import pytest
from galley.errors import Gone
from galley.journal import Journal, Result, show
from galley.store import Store

BUILDS = [
    [Result("out/a", "made", "new", "d1", "r1"), Result("out/b", "failed", "no file ä\n")],
    [],
    [Result("out/a", "kept", "", "d1", "r1")],
]


def test_builds_are_there_again(tmp_path):
    folder = tmp_path / "new"
    assert Journal(folder).builds() == []
    assert [Journal(folder).append(results) for results in BUILDS] == [1, 2, 3]
    assert Journal(str(folder)).builds() == BUILDS
    assert (folder / "builds.jsonl").read_bytes().count(b"\n") == 3


def test_a_result_of_which_little_is_known():
    assert Result("out/a", "failed") == Result("out/a", "failed", "", "", "")


@pytest.mark.parametrize("left", [b'[{"na', b"[]", b"\xff"])
def test_what_a_crash_left_behind(tmp_path, left):
    Journal(tmp_path).append(BUILDS[0])
    with (tmp_path / "builds.jsonl").open("ab") as file:
        file.write(left)
    assert Journal(tmp_path).builds() == BUILDS[:1]
    assert Journal(tmp_path).append(BUILDS[2]) == 2
    assert Journal(tmp_path).builds() == [BUILDS[0], BUILDS[2]]
    assert left not in (tmp_path / "builds.jsonl").read_bytes().splitlines()


def test_show(tmp_path):
    store = Store(tmp_path / ".galley")
    journal = Journal(tmp_path / ".galley")
    for text in ("one\r\n", "", "three"):
        journal.append([Result("out/a", "made", "new", store.put(text), "r"), Result("out/b", "failed", "x")])
    assert [show(tmp_path, number, "out/a") for number in (1, 2, 3)] == ["one\r\n", "", "three"]
    for number, target in ((0, "out/a"), (4, "out/a"), (-1, "out/a"), (1, "out/b"), (1, "out/c")):
        with pytest.raises(KeyError):
            show(tmp_path, number, target)
    (tmp_path / ".galley" / "blobs" / store.put("three")).unlink()
    with pytest.raises(Gone):
        show(tmp_path, 3, "out/a")
