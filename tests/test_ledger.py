"""The ledger of an experiment: whatever dies, what it holds is whole, and what it does not hold did not happen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.ledger import LONGEST_REASON, NAME, Ledger, Result, merge, open_ledger, read_ledger
from graphs.errors import PrerequisiteError, UserError

ROOT = Path(__file__).parents[1]
HEAD: Mapping[str, Any] = {
    "name": "e",
    "program": "p",
    "title": "?",
    "baseline": "a",
    "repeats": 2,
    "rule": {"margin": 0.05},
    "arms": {"a": {"digest": "1", "settings": {}}, "b": {"digest": "2", "settings": {}}},
    "tasks": {"t": {"digest": "3", "size": "S"}},
}


def result(cell: str = "c", **changes: Any) -> Result:
    return Result(**{"cell": cell, "task": "t", "arm": "a", "repeat": 0, "passed": True, "usd": 0.1, **changes})


def known(ledger: Ledger) -> tuple[Any, ...]:
    """Everything that a ledger says."""
    return ledger.head, ledger.results, ledger.begun, ledger.open, ledger.looks


def play(ledger: Ledger, fact: str) -> None:
    kind, _, cell = fact.partition(" ")
    if kind == "began":
        ledger.began(cell)
    elif kind == "look":
        ledger.looked({"look": len(ledger.looks) + 1, "stop": False, "decisions": {}})
    else:
        ledger.ended(result(cell, infra=kind == "lost", reason=f"because {cell}é"))


def test_what_was_written_is_read_and_gone_on_with(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "e", HEAD) as ledger:
        for fact in ("began c", "lost c", "began c", "ended c", "began d", "look"):
            play(ledger, fact)
        written = known(ledger)
    again = known(read_ledger(tmp_path / "e"))
    with open_ledger(tmp_path / "e", HEAD) as ledger:
        assert written == again == known(ledger)
        assert (ledger.begun, ledger.open) == ({"c": 2, "d": 1}, {"d"})
        assert (ledger.results["c"].infra, ledger.spent) == (False, 0.1)
        ledger.ended(result("d", usd=None))
        assert (ledger.open, ledger.spent) == (set(), None)


FACTS = st.lists(st.sampled_from(["began c", "began d", "ended c", "lost c", "ended d", "look"]), max_size=8)


@settings(max_examples=50, deadline=None)
@given(facts=FACTS, share=st.floats(0, 1))
def test_a_ledger_cut_at_any_byte_holds_the_facts_before_and_goes_on(facts: list[str], share: float) -> None:
    with TemporaryDirectory() as place:
        file = Path(place) / NAME
        prefixes = []
        with open_ledger(Path(place), HEAD) as ledger:
            prefixes.append((file.stat().st_size, json.dumps(known(read_ledger(Path(place))), default=repr)))
            for fact in facts:
                play(ledger, fact)
                prefixes.append((file.stat().st_size, json.dumps(known(read_ledger(Path(place))), default=repr)))
        cut = round(share * file.stat().st_size)
        file.write_bytes(file.read_bytes()[:cut])

        whole = [said for size, said in prefixes if size <= cut]
        if whole:
            assert json.dumps(known(read_ledger(Path(place))), default=repr) == whole[-1]
        else:
            with pytest.raises(UserError, match="has not begun"):
                read_ledger(Path(place))
        with open_ledger(Path(place), HEAD) as ledger:
            assert json.dumps(known(ledger), default=repr) == (whole or [prefixes[0][1]])[-1]
            ledger.ended(result("new"))
        assert read_ledger(Path(place)).results["new"] == result("new")


def test_a_second_writer_is_told_and_readers_are_not_kept_out(tmp_path: Path) -> None:
    with open_ledger(tmp_path, HEAD) as ledger:
        with pytest.raises(UserError, match=r"another process runs the experiment in .*; wait for it, or stop it"):
            open_ledger(tmp_path, HEAD)
        ledger.ended(result())
        assert read_ledger(tmp_path).results.keys() == {"c"}
    open_ledger(tmp_path, HEAD).close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"program": "q"}, "the program (code, prompts or exemplars) differs"),
        ({"repeats": 3}, "'repeats' of the rule differs"),
        ({"baseline": "b"}, "'baseline' of the rule differs"),
        ({"rule": {"margin": 0.1}}, "the rule differs"),
        ({"tasks": {"t": {"digest": "4"}}}, "the task 't' differs"),
        ({"tasks": {**HEAD["tasks"], "u": {"digest": "4"}}}, "the task 'u' differs"),
        ({"arms": {"a": {"digest": "1"}, "c": {"digest": "2"}}}, "the arm 'b' differs"),
        ({"arms": {"a": {"digest": "1", "settings": {"output": "x"}}, "b": {"digest": "2"}}}, ""),
        ({"title": "Another?", "name": "f"}, ""),
    ],
)
def test_results_of_another_experiment_are_not_mixed_in(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with open_ledger(tmp_path, HEAD) as ledger:
        ledger.began("c")
    if not says:
        open_ledger(tmp_path, {**HEAD, **change}).close()
        return
    with pytest.raises(UserError, match=re.escape(says)):
        open_ledger(tmp_path, {**HEAD, **change})


def test_where_nothing_was_run_yet_the_experiment_may_still_change(tmp_path: Path) -> None:
    open_ledger(tmp_path, HEAD).close()
    open_ledger(tmp_path, {**HEAD, "repeats": 3}).close()
    assert read_ledger(tmp_path).head["repeats"] == 3


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (b"notes\n", "line 1 of .* is no JSON"),
        (b"[1]\n", "line 1 of .* is no JSON object"),
        (b"{}\n", "line 1 of .* is none of ours"),
        (b'{"kind": "experiment", "schema": 2}\n', "has the schema 2 and this version reads 1"),
        (b'{"kind": "experiment", "schema": 1}\n{}\n', "the program .* differs"),
        (b'{"kind": "experiment", "schema": 1, "program": "p", "baseline": "a"}\n{}\n', "'repeats' of the rule"),
        (b'HEAD\n{"kind": "ended", "result": {"cell": 3}}\n', "line 2 of .* is none of ours"),
        (b'HEAD\n{"kind": "began", "cell": []}\n', "line 2 of .* is none of ours"),
        (b'HEAD\n{"at": 3}\n', "line 2 of .* is none of ours"),
        (b"HEAD\n\xff\n", "line 2 of .* is no JSON"),
        (b'HEAD\n{"kind": "of a newer program"}\n', ""),
    ],
)
def test_what_is_no_ledger_is_told_and_left_alone(tmp_path: Path, lines: bytes, says: str) -> None:
    head = json.dumps({"kind": "experiment", "schema": 1, **HEAD}).encode()
    data = lines.replace(b"HEAD", head)
    (tmp_path / NAME).write_bytes(data)
    if says:
        with pytest.raises(UserError, match=says):
            open_ledger(tmp_path, HEAD)
    else:
        open_ledger(tmp_path, HEAD).close()
    assert (tmp_path / NAME).read_bytes() == data


def test_there_is_nothing_to_read_where_nothing_was_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no experiment in .*; run one with: agent experiment run"):
        read_ledger(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(PrerequisiteError, match=r"the ledger .* cannot be opened: File exists"):
        open_ledger(tmp_path / "file", HEAD)


# -- shards


def test_merged_shards_are_the_ledger_of_one_machine(tmp_path: Path) -> None:
    parts = {"one": [result("c", run="cells/c/run"), result("d", infra=True, usd=None)], "two": [result("e")]}
    for name, results in parts.items():
        with open_ledger(tmp_path / name, HEAD) as ledger:
            for found in results:
                ledger.began(found.cell)
                ledger.ended(found)
    with open_ledger(tmp_path / "late", HEAD) as ledger:
        ledger.ended(result("d", passed=False))  # judged: it counts more than a failure of the machine
        ledger.ended(result("c", passed=False))  # the first one counts
    places = [tmp_path / name for name in ("one", "two", "late")]

    with merge(places, tmp_path / "all") as merged:
        assert merged.results == {
            "c": result("c", run="../one/cells/c/run"),
            "d": result("d", passed=False),
            "e": result("e"),
        }
        assert merged.head == read_ledger(places[0]).head
    assert read_ledger(tmp_path / "all").results == merged.results
    with pytest.raises(UserError, match="holds an experiment already; name a new directory with -o"):
        merge(places, tmp_path / "all")
    with open_ledger(tmp_path / "other", {**HEAD, "repeats": 3}):
        pass
    with pytest.raises(UserError, match=r"is no shard of the experiment in .*: 'repeats' of the rule differs"):
        merge([places[0], tmp_path / "other"], tmp_path / "none")
    assert not (tmp_path / "none").exists()


# -- a disk that is full

FILLS = """\
import resource, signal, sys
from pathlib import Path
from benchmark.ledger import NAME, merge, open_ledger, read_ledger
from graphs.errors import UserError
from tests.test_ledger import HEAD, result

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
place = Path(sys.argv[1])
with open_ledger(place / "e", HEAD) as ledger:
    size = (place / "e" / NAME).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, resource.RLIM_INFINITY))
    try:
        for number in range(10):
            ledger.ended(result(str(number)))
    except UserError as error:
        print(error)
    known = dict(ledger.results)
assert known == read_ledger(place / "e").results and 0 < len(known) < 10, len(known)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
try:
    merge([place / "e"], place / "all")
except UserError as error:
    print(error)
assert not (place / "all" / NAME).exists()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with open_ledger(place / "e", HEAD) as ledger:
    ledger.ended(result("after"))
assert read_ledger(place / "e").results == {**known, "after": result("after")}
"""


def test_a_full_disk_is_one_sentence_and_the_ledger_is_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLS, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert all("make room, and run the same command again" in line for line in said)


# -- hostile text


@pytest.mark.parametrize(
    "text",
    ["two\nlines\r\n", "nul \0", "half \ud800 of a pair", "\x1b[31mred \u202e", '"}\n{"kind": "look"}\n', "x" * 10**7],
    ids=["lines", "nul", "surrogate", "escape", "forged", "10 MB"],
)
def test_what_a_run_says_of_itself_can_be_written_read_and_printed(tmp_path: Path, text: str) -> None:
    hostile = result(reason=text, status=text, model=text)
    with open_ledger(tmp_path, HEAD) as ledger:
        ledger.ended(hostile)
        ledger.ended(result("next"))
    (found, _) = (again := read_ledger(tmp_path)).results.values()

    assert (found, again.looks) == (hostile, [])
    assert (tmp_path / NAME).stat().st_size < 10 * LONGEST_REASON * len("\\u202e")
    assert not re.search("[\x00\x1b\u202e\ud800]", found.reason)


def test_facts_are_on_the_disk_when_they_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    synced: list[int] = []
    sync = os.fdatasync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fdatasync", noted)
    with open_ledger(tmp_path, HEAD) as ledger:
        for fact in ("began c", "ended c", "began d", "look"):
            play(ledger, fact)
            if not fact.startswith("began"):
                assert synced[-1] == (tmp_path / NAME).stat().st_size
    assert len(synced) == 3
