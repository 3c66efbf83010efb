"""The audit trail."""

import hashlib
import json

import pytest
from vitrine.errors import Tampered
from vitrine.facts import Change
from vitrine.journal import Entry, Journal

ONE = (Change("item/i1/note", None, "ä"), Change("place/a/room", 1, 2), Change("item/i1/tags", [], ["x"]))
TWO = (Change("person/bo/role", "visitor", None),)


def written(path):
    journal = Journal(path)
    journal.append("ada", ONE)
    journal.append("bo", TWO, 1)
    return path


def test_entries_are_there_again(tmp_path):
    path = tmp_path / "new" / "j.jsonl"
    assert Journal(path).entries == []
    assert Journal(path).append("ada", ONE) == Entry(1, "ada", ONE)
    assert Journal(path).append("bo", TWO, 1) == Entry(2, "bo", TWO, 1)
    assert Journal(str(path)).entries == [Entry(1, "ada", ONE), Entry(2, "bo", TWO, 1)]
    assert Entry(1, "ada", ONE).things == ["item/i1", "place/a"]


def test_the_lines_of_the_file(tmp_path):
    before = ""
    for line in written(tmp_path / "j").read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        assert set(found) == {"n", "by", "undoes", "changes", "sum"}
        body = json.dumps([before, found["n"], found["by"], found["undoes"], found["changes"]], separators=(",", ":"))
        before = hashlib.sha256(body.encode()).hexdigest()
        assert found["sum"] == before
    assert found["changes"] == [["person/bo/role", "visitor", None]]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("ada", "eve", 1),
        ("visitor", "curator", 2),
        ('"n": 2', '"n": 3', 2),
        ("}\n", "}\n{}\n", 2),
        ("}\n{", "}\n\n{", 2),
        ("person", "[", 2),
    ],
)
def test_tampering(tmp_path, old, new, line):
    path = written(tmp_path / "j")
    text = path.read_text().replace('"n":2', '"n": 2')
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(Tampered) as caught:
        Journal(path)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[0]], 2),
        (lambda lines: [lines[0], "[]", lines[1]], 2),
    ],
)
def test_lines_that_are_gone_or_come_twice(tmp_path, change, line):
    path = written(tmp_path / "j")
    path.write_text("".join(f"{text}\n" for text in change(path.read_text().splitlines())))
    with pytest.raises(Tampered) as caught:
        Journal(path)
    assert caught.value.line == line


def test_what_a_crash_left_behind(tmp_path):
    path = written(tmp_path / "j")
    with path.open("ab") as file:
        file.write(b'{"n": 3, "by": "very long and then \xff')
    journal = Journal(path)
    assert len(journal.entries) == 2
    journal.append("cy", TWO)
    assert [entry.by for entry in Journal(path).entries] == ["ada", "bo", "cy"]
    assert path.read_bytes().count(b"\n") == 3
    assert path.read_bytes().endswith(b"\n")
