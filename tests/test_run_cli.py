"""``agent run`` and its companions end to end: the real command line, HTTP, sandbox, git and SQLite; only the model is scripted."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.store.journal import SqliteJournal
from graphs import events
from graphs.errors import JournalError
from tests.conftest import SECONDS, Place, Terminal, ended
from tests.scripted_author import CODE, PLAN, SLOW, SPEC, TESTS, Author, fenced
from tests.stub_server import StubServer

pytestmark = pytest.mark.usefixtures("bubblewrap")

ALL_CALLS = 10
"""Requirements, plan, and tests and code of four components, when every first answer is right."""


def prepare(place: Place, mutants: int = 0) -> Place:
    """``mutants``: at most that many are tried for each component."""
    (place.work / "spec.md").write_text(SPEC, encoding="utf-8")
    place.env["AGENT_MUTANTS"] = str(mutants)
    return place


def flags(stub: StubServer, *more: str) -> list[str]:
    return ["-o", "out", "--yes", "--model", "scripted", "--base-url", stub.url, *more]


def only_run(place: Place) -> Path:
    (run,) = place.runs()
    return run


def happened(run: Path, kind: str) -> list[Any]:
    with SqliteJournal.read(run) as journal:
        return [dict(event.body) | {"component": event.component} for event in journal.events(kind=kind)]


def wait_for(process: subprocess.Popen[bytes], place: Place, there: Callable[[Path], bool]) -> Path:
    """Until the newest run's journal says so; the run."""
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(JournalError, IndexError):
            run = place.runs()[-1]
            if there(run):
                return run
        time.sleep(0.005)
    out, err = process.communicate(timeout=1) if process.poll() is not None else (b"", b"it still runs")
    raise AssertionError(f"it never happened: {out.decode()}{err.decode()}")


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of an error: no traceback, nothing else on standard error."""
    assert done.stderr.startswith("error: "), done
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    return done.stderr.removeprefix("error: ").strip()


def test_blocks_that_say_no_command_are_told_of_before_anything_is_asked(place: Place) -> None:
    prepare(place)
    spec = f"{SPEC}\n```input\n1\n```\n\n```output\nsum: 1\n```\n"
    (place.work / "spec.md").write_text(spec, encoding="utf-8")
    (place.work / "empty.jsonl").touch()
    place.agent("run", "spec.md", "-o", "out", "--yes", "--quiet", "--model", "replay:empty.jsonl")

    (note,) = happened(only_run(place), events.NOTE)
    line = spec.splitlines().index("```input") + 1
    assert f"blocks at line {line} of the specification are not checked" in note["text"]


# -- a run that passes


@dataclass(frozen=True)
class Finished:
    """One run with one wrong first answer, seen through."""

    place: Place
    stub: StubServer
    author: Author
    done: subprocess.CompletedProcess[str]

    @property
    def run(self) -> str:
        return str(json.loads(self.done.stdout)["run"])


@pytest.fixture(scope="module")
def finished(bubblewrap: None, shared_place: Place) -> Iterator[Finished]:
    place = prepare(shared_place, mutants=30)
    author = Author(wrong={"total": 1})
    with StubServer(author) as stub:
        done = place.agent("run", "spec.md", *flags(stub, "--json", "--record", "calls.jsonl"))
        yield Finished(place, stub, author, done)


def test_a_spec_becomes_a_tested_repository(finished: Finished) -> None:
    assert finished.done.returncode == 0, finished.done
    assert finished.done.stderr == ""
    said = json.loads(finished.done.stdout)
    assert (said["version"], said["status"], said["integration"], said["output"]) == (
        1,
        "passed",
        "passed",
        str(finished.place.output),
    )
    assert {c["id"]: (c["status"], c["attempts"]) for c in said["components"]} == {
        "numbers": ("passed", 1),
        "label": ("passed", 1),
        "total": ("passed", 2),
        "command": ("passed", 1),
    }
    assert said["usage"]["calls"] == ALL_CALLS + 1
    assert finished.author.asked["repair", "total"] == 1
    assert [p.name for p in finished.place.work.iterdir() if p.name not in ("spec.md", "calls.jsonl")] == ["out"]


def test_each_component_is_a_commit_that_says_where_it_comes_from(finished: Finished) -> None:
    log = finished.place.git("log", "--reverse", "--format=%s%x00%(trailers:only,unfold)%x01")
    commits = [entry.strip().split("\0") for entry in log.split("\1") if entry.strip()]
    assert commits[0][0] == "Plan of tally"
    trailers = [dict(line.split(": ", 1) for line in text.splitlines()) for _, text in commits]
    built = [t["Component"] for t in trailers if "Component" in t]
    assert sorted(built) == sorted(CODE)
    assert built.index("numbers") < built.index("total") < built.index("command")
    assert {t["Run"] for t in trailers} == {finished.run}
    assert all("passed in bubblewrap" in t["Verdict"] for t in trailers if "Component" in t)
    assert finished.place.git("status", "--porcelain", "--ignored") == ""


def test_the_output_works_by_itself(finished: Finished) -> None:
    place = finished.place
    copy = place.root / "copy"
    shutil.copytree(place.output, copy)  # running it leaves caches behind
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert tests.returncode == 0, tests.stdout
    assert "6 passed" in tests.stdout
    program = subprocess.run(
        [sys.executable, "-m", "tally"], cwd=copy, input=b"3\n\n5\n", capture_output=True, check=True
    )
    assert program.stdout == b"sum: 8\n"
    readme = (copy / "README.md").read_text()
    assert "python -m tally < /dev/null" in readme
    assert "python -m pytest" in readme
    assert "R2: The label and the sum are printed." in readme
    assert "missing" not in readme


def test_every_view_says_the_same(finished: Finished) -> None:
    place, run = finished.place, finished.run
    assert [(r["id"], r["status"], r["passed"], r["total"]) for r in place.json("runs")["runs"] if r["id"] == run] == [
        (run, "passed", 4, 4)
    ]
    shown = place.json("show", run)["run"]
    assert (shown["status"], shown["live"], shown["usage"]["calls"]) == ("passed", False, finished.stub.requests)
    assert "repair" in place.agent("show", run, "total").stdout
    log = place.agent("log", run).stdout
    assert "the run ended: passed" in log
    assert "total: proven: 2 tests passed after 2 attempts" in log
    drawn = place.json("graph", run)
    assert {c["id"]: c["state"]["status"] for c in drawn["components"]} == dict.fromkeys(CODE, "passed")
    for form in ("tree", "mermaid", "dot", "svg"):
        done = place.agent("graph", run, "--format", form)
        assert (done.returncode, done.stderr) == (0, "")
        assert all(name in done.stdout for name in CODE)


def test_the_same_spec_again_asks_no_model(finished: Finished) -> None:
    place = finished.place
    before, head = finished.stub.requests, place.git("rev-parse", "HEAD")
    done = place.agent("run", "spec.md", *flags(finished.stub, "--quiet"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"passed: 4 of 4 components proven, the code is in {place.output}\n"
    assert finished.stub.requests == before
    assert place.git("rev-parse", "HEAD") == head
    again = place.runs()[-1]
    drawn = place.json("graph", again.name)
    assert {c["id"]: c["state"]["status"] for c in drawn["components"]} == dict.fromkeys(CODE, "passed")
    assert happened(again, events.PLAN_REVISED)[0]["author"] == "kept"


def test_a_recording_plays_the_run_again_without_the_endpoint(finished: Finished, place: Place) -> None:
    prepare(place, mutants=30)
    recording = finished.place.work / "calls.jsonl"
    done = place.agent("run", "spec.md", "-o", "out", "--yes", "--json", "--model", f"replay:{recording}")
    assert done.returncode == 0, done
    told, original = json.loads(done.stdout), json.loads(finished.done.stdout)
    assert told["components"] == original["components"]
    files = [p.relative_to(place.output) for p in place.output.rglob("*") if p.is_file() and ".git" not in p.parts]
    assert sorted(files) == sorted(
        p.relative_to(finished.place.output)
        for p in finished.place.output.rglob("*")
        if p.is_file() and ".git" not in p.parts
    )
    assert all((place.output / f).read_bytes() == (finished.place.output / f).read_bytes() for f in files)


def test_a_finished_run_can_be_resumed_and_has_nothing_to_do(finished: Finished) -> None:
    before = finished.stub.requests
    done = finished.place.agent("resume", finished.run, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert finished.stub.requests == before


# -- a run that does not pass


def test_one_component_that_never_passes_takes_only_its_dependents_with_it(place: Place) -> None:
    prepare(place)
    author = Author(wrong={"total": 99})
    with StubServer(author) as stub:
        done = place.agent("run", "spec.md", *flags(stub, "--json"), AGENT_RUNGS="none")
        shown = place.json("show")["run"]
        told = place.agent("log").stdout
        resumed = place.agent("resume", "--quiet")
        requests = stub.requests
    assert (done.returncode, done.stderr) == (1, "")
    said = json.loads(done.stdout)
    assert {c["id"]: (c["status"], c["blocked_by"]) for c in said["components"]} == {
        "numbers": ("passed", None),
        "label": ("passed", None),
        "total": ("failed", None),
        "command": ("blocked", "total"),
    }
    assert (said["status"], said["integration"]) == ("failed", None)
    assert shown["status"] == "failed"
    assert "command: cannot be built, because total failed" in told
    # Two repairs that gain nothing end it: requirements, plan, two for each of three components, two repairs.
    assert author.asked["repair", "total"] == 2
    assert ("code", "command") not in author.asked
    assert said["usage"]["calls"] == ALL_CALLS - 2 + 2
    components = place.git("log", "--format=%(trailers:key=Component,valueonly)").split()
    assert sorted(components) == ["label", "numbers"]
    readme = (place.output / "README.md").read_text()
    assert "**Not finished**: 2 of 4 components are missing" in readme
    assert re.search(r"^- total: 2 repairs in a row did not make a further test pass", readme, re.MULTILINE)
    assert "- command: not built" in readme
    assert not (place.output / "tally" / "total.py").exists()
    assert (resumed.returncode, requests) == (1, ALL_CALLS)  # what is known to fail is not paid for again
    assert "not passed: 2 of 4 components proven" in resumed.stdout


# -- tests that can be trusted


def test_a_proof_says_how_well_its_tests_hold_and_what_they_are_for(finished: Finished) -> None:
    place, run = finished.place, finished.run
    said = json.loads(finished.done.stdout)
    for component in said["components"]:
        level = component["strength"]
        assert (level["killed"], level["left"], level["reason"]) == (level["total"], 0, "")
        assert 0 < level["reached"] <= level["lines"]
        trust = {test["id"]: test["provenance"] for test in component["tests"]}
        assert trust.pop("E1", "spec") == "spec"
        assert set(trust.values()) == {"single"}
    assert sorted(said["covered"]) == ["R1", "R2"]
    assert "tests/test_numbers.py::test_in_order" in said["covered"]["R1"]
    assert said["unproven"] == {}
    assert "passed · 2/2 tests · 1/1 mutants" in place.agent("graph", run).stdout
    drawn = place.json("graph", run)
    assert (drawn["unproven"], drawn["covered"]) == ({}, said["covered"])
    assert "killed by test_adds" in " ".join(place.agent("show", run, "total").stdout.split())
    readme = (place.output / "README.md").read_text()
    assert "| total: Add up. | `tally/total.py` | 2 | 1 of 1 | R2 |" in readme
    assert "- R1: Whole numbers are read, one a line. Proven by numbers (2 tests).\n" in readme


COLON = """### M2
TEST: the contract wants a colon and a blank.
```python
def test_colon():
    '''R2: the label is printed.'''
    assert label('sum', 8) == 'sum: 8'
```
"""


def test_weak_tests_are_made_stronger_and_what_nothing_proves_is_said(place: Place) -> None:
    prepare(place, mutants=30)
    weak = TESTS["label"].replace("== 'sum: 8'", ".startswith('sum')")
    silent = TESTS["numbers"].replace("'''R1: ", "'''")
    author = Author(
        tests={**TESTS, "label": weak, "numbers": silent},
        instead=lambda step, component, count: COLON if (step, component) == ("strengthen", "label") else None,
    )
    with StubServer(author) as stub:
        done = place.agent("run", "spec.md", *flags(stub))
    assert done.returncode == 0, done
    assert author.asked["tests", "numbers"] == 2  # sent back once, because no test says that it is for R1
    assert author.asked["strengthen", "label"] == 1
    why = "no test of numbers is for it"
    assert f"  not proven  R1 (Whole numbers are read, one a line.): {why}\n" in done.stdout
    assert "label: 1 test was added: tests/test_label.py::test_colon, which should notice" in done.stdout
    shown = place.agent("show", only_run(place).name, "label").stdout
    assert "test_label\n      written once · for R2 · noticed at least 1 of 2 changes of the code\n" in shown
    assert "      added, because this went unnoticed: M2: f'{name}: {number}' →" in shown
    assert "killed by test_colon" in " ".join(shown.split())
    assert f"Not proven\n  R1 (Whole numbers are read, one a line.): {why}\n" in place.agent("show").stdout
    data = place.json("show")["run"]
    assert (data["unproven"], [t["id"] for t in data["added"]]) == ({"R1": why}, ["tests/test_label.py::test_colon"])
    readme = (place.output / "README.md").read_text()
    assert f"- R1: Whole numbers are read, one a line. **Not proven**: {why}.\n" in readme
    assert "| label: Name the result. | `tally/label.py` | 2 | 2 of 2 | R2 |" in readme
    assert "def test_colon" in (place.output / "tests" / "test_label.py").read_text()


def test_programs_that_agree_make_tests_trusted_and_what_is_not_measured_is_not_shown(place: Place) -> None:
    prepare(place)
    with StubServer(Author()) as stub:
        done = place.agent("run", "spec.md", *flags(stub, "--json", "--candidates", "2"))
    said = json.loads(done.stdout)
    assert (done.returncode, said["status"]) == (0, "passed")
    assert [component["strength"] for component in said["components"]] == [None] * 4
    tests = [test for component in said["components"] for test in component["tests"] if "::" in test["id"]]
    assert {test["provenance"] for test in tests} == {"agreed"}
    (started,) = happened(only_run(place), events.RUN_STARTED)
    assert (started["limits"]["candidates"], started["limits"]["mutants"]) == (2, 0)
    shown = place.agent("show", only_run(place).name, "numbers").stdout
    assert "      agreed by independent programs · for R1\n" in shown
    assert "mutants" not in shown
    assert "Changes of the code" not in shown


# -- ceilings


@pytest.mark.parametrize(
    ("ceiling", "value", "model", "more"),
    [
        ("--max-calls", "5", "scripted", "11"),
        ("--max-tokens", "7000", "scripted", "900000"),
        ("--max-usd", "0.01", "gpt-4.1", "4"),
        ("--max-seconds", "3", "scripted", "90"),
    ],
)
def test_a_ceiling_stops_the_run_and_resume_repays_nothing(
    place: Place, ceiling: str, value: str, model: str, more: str
) -> None:
    prepare(place)
    author = Author(wrong={"total": 1}, seconds=0.7 if ceiling == "--max-seconds" else 0.0)
    with StubServer(author) as stub:
        first = place.agent("run", "spec.md", *flags(stub, "--json", "--model", model, ceiling, value))
        asked = stub.requests
        spent = json.loads(first.stdout)
        with SqliteJournal.read(only_run(place)) as journal:
            in_flight = asked - len(list(journal.calls()))
        again = place.agent("resume", "--quiet") if ceiling != "--max-seconds" else None
        asked_again = stub.requests
        last = place.agent("resume", ceiling, more, "--json")
        questions = [json.dumps(body["messages"]) for body in stub.bodies]
    assert first.returncode == 3, first
    assert spent["status"] == "limit"
    assert {"--max-calls": "calls", "--max-tokens": "tokens", "--max-usd": "USD", "--max-seconds": "seconds"}[
        ceiling
    ] in spent["reason"]
    limit = float(value)
    used = spent["usage"]
    match ceiling:
        case "--max-calls":
            assert asked == limit
        case "--max-tokens":
            assert used["prompt_tokens"] + used["completion_tokens"] <= limit
        case "--max-usd":
            assert 0 <= used["usd"] <= limit
    if again is not None:  # without a higher ceiling there is nowhere to go
        assert (again.returncode, asked_again) == (3, asked)
        assert "agent resume" in again.stdout
    assert last.returncode == 0, last
    assert json.loads(last.stdout)["status"] == "passed"
    # What was in flight when the time was over may have been lost; nothing else is asked twice.
    assert len(questions) - len(set(questions)) <= in_flight
    assert in_flight == 0 or ceiling == "--max-seconds"
    assert len(set(questions)) == ALL_CALLS + 1


def test_a_ceiling_holds_over_tries_that_fail(place: Place) -> None:
    prepare(place)
    with StubServer(Author(), fault="empty", times=3) as stub:
        done = place.agent("run", "spec.md", *flags(stub, "--json", "--max-calls", "4"))
    said = json.loads(done.stdout)
    assert (done.returncode, said["status"]) == (3, "limit")
    assert said["usage"]["calls"] == stub.requests == 4


# -- interruptions


INSTANTS = (
    events.RUN_STARTED,
    events.REQUIREMENTS_READ,
    events.TESTS_FROZEN,
    events.STRENGTH_MEASURED,
    events.COMMITTED,
    events.INTEGRATION_STARTED,
)


@pytest.mark.slow
def test_kill_9_loses_only_what_was_in_flight(place: Place) -> None:
    prepare(place, mutants=30)
    author = Author(wrong={"total": 1}, seconds=0.1)
    answered: set[str] = set()
    with StubServer(author) as stub:
        process = place.start("run", "spec.md", *flags(stub))
        for instant in INSTANTS:
            run = wait_for(process, place, lambda run, kind=instant: bool(happened(run, kind)))  # type: ignore[misc]
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            with SqliteJournal.read(run) as journal:
                answered |= {call.key for call in journal.calls() if call.state == "done"}
            assert place.json("runs")["runs"][0]["status"] == "interrupted"
            process = place.start("resume")
        done = ended(process)
    assert done.returncode == 0, done
    run = only_run(place)
    with SqliteJournal.read(run) as journal:
        assert {journal.starts(key) for key in answered} == {1}
    assert sorted(place.git("log", "--format=%(trailers:key=Component,valueonly)").split()) == sorted(CODE)


def test_a_second_resume_is_refused_while_one_is_at_work(place: Place) -> None:
    prepare(place)
    with StubServer(Author(), fault="hang") as stub:
        process = place.start("run", "spec.md", *flags(stub))
        wait_for(process, place, lambda run: stub.requests > 0)
        second = place.agent("resume")
        assert place.json("runs")["runs"][0]["status"] == "running"
        os.killpg(process.pid, signal.SIGTERM)
        first = ended(process)
    assert second.returncode == 2
    assert f"already being worked on by process {process.pid}" in sentence(second)
    assert first.returncode == 130


def test_two_runs_do_not_deliver_to_one_place_at_once(place: Place) -> None:
    prepare(place)
    with StubServer(Author(), fault="hang", times=1) as stub:
        process = place.start("run", "spec.md", *flags(stub))
        run = wait_for(process, place, lambda run: stub.requests > 0)
        second = place.agent("run", "spec.md", *flags(stub))
        os.killpg(process.pid, signal.SIGTERM)
        ended(process)
    assert second.returncode == 2, second
    assert f"run {run.name} is delivering to" in sentence(second)
    assert place.runs() == [run]


def children(pid: int) -> set[int]:
    """All processes below one."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child, *children(child)}
    return found


@pytest.mark.parametrize(
    ("strikes", "as_json"),
    [
        ([signal.SIGINT], False),
        ([signal.SIGINT, signal.SIGINT], False),
        ([signal.SIGTERM], False),
        ([signal.SIGINT], True),
    ],
    ids=["once", "twice", "terminated", "json"],
)
def test_an_interrupted_run_ends_at_once_while_a_test_runs_for_long(
    place: Place, strikes: list[signal.Signals], as_json: bool
) -> None:
    prepare(place)
    scratch = place.root / "tmp"
    scratch.mkdir()
    place.env["TMPDIR"] = str(scratch)
    slow = {("code", "numbers"): fenced("tally/numbers.py", SLOW)}
    with StubServer(Author(instead=lambda step, component, count: slow.get((step, component)))) as stub:
        process = place.start("run", "spec.md", *flags(stub, *(["--json"] if as_json else [])))

        def checking(run: Path) -> bool:
            steps = [s for s in happened(run, events.COMPONENT_STEP) if s["component"] == "numbers"]
            return steps[-1]["step"] == "check" and len(happened(run, events.COMMITTED)) == 1

        run = wait_for(process, place, lambda run: bool(happened(run, events.COMPONENT_STEP)) and checking(run))
        time.sleep(0.3)  # into the sleep of the test
        below = children(process.pid)
        assert below
        for strike in strikes:
            os.killpg(process.pid, strike)
            time.sleep(0.05)
        try:
            out, err = process.communicate(timeout=25)  # the test would go on for 45 s
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            pytest.fail("it waits for the test that is running")
    assert process.returncode == 130, (out, err)
    assert b"Traceback" not in out + err
    if as_json:
        assert json.loads(out)["status"] == "interrupted"
    elif len(strikes) == 1:
        assert f"agent resume {run.name}" in out.decode()
    if len(strikes) == 1:
        assert happened(run, events.RUN_INTERRUPTED) == [{"reason": "stopped by a signal", "component": ""}]
    assert place.json("runs")["runs"][0]["status"] == "interrupted"
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in below) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]
    assert list(scratch.iterdir()) == []


# -- bad input


BAD_PLANS = {
    "YAML": "title: x\ncomponents: [{",
    "cycle": PLAN.replace("files: [tally/numbers.py]", "files: [tally/numbers.py]\n    depends_on: [total]"),
    "unknown id 'nowhere'": PLAN.replace("depends_on: [numbers]", "depends_on: [nowhere]"),
    "owned by both": PLAN.replace("files: [tally/label.py]", "files: [tally/label.py, tally/numbers.py]"),
    "'../x.py'": PLAN.replace("files: [tally/label.py]", "files: [tally/label.py, ../x.py]"),
    "'.git/hooks/x'": PLAN.replace("files: [tally/label.py]", "files: [tally/label.py, .git/hooks/x]"),
    "no-such-plan.yaml": "",
}
REQUIREMENTS_OF_PLAN = """requirements:
  - {id: R1, text: Numbers are read.}
  - {id: R2, text: The sum is printed.}
"""


def bad_specs(work: Path) -> None:
    (work / "empty.md").write_text(" \n")
    (work / "binary.md").write_bytes(bytes(range(256)) * 20)
    (work / "huge.md").write_bytes(b"# x\n" + b"word " * 2_000_000)
    (work / "directory").mkdir()
    (work / "unclosed.md").write_text("---\ntitle: x\n# y\n")
    (work / "cobol.md").write_text("---\nlanguage: cobol\n---\n# x\n\nbuild it\n")
    (work / "file").write_text("mine")
    (work / "foreign").mkdir()
    (work / "foreign" / "notes.txt").write_text("mine")
    (work / "prices.toml").write_text("[m]\ninput = -1\noutput = 1\n")


BAD_LINES: dict[str, tuple[list[str], dict[str, str], str]] = {
    # what: the command line after "run", environment, a part of the sentence
    "no spec": (["missing.md"], {}, "there is no file 'missing.md'"),
    "empty": (["empty.md"], {}, "is empty"),
    "binary": (["binary.md"], {}, "not UTF-8 text"),
    "10 MB": (["huge.md"], {}, "larger than 1 MiB"),
    "directory": (["directory"], {}, "without a spec.md"),
    "front matter": (["unclosed.md"], {}, "never closed"),
    "language": (["cobol.md", "--model", "m"], {}, "'cobol'"),
    "unknown flag": (["spec.md", "--modle", "x"], {}, "--model"),
    "no argument": ([], {}, "SPEC"),
    "two specs": (["spec.md", "other.md"], {}, "other.md"),
    "variable": (["spec.md"], {"AGENT_PARALEL": "3"}, "AGENT_PARALLEL"),
    "no model": (["spec.md"], {"OPENAI_API_KEY": ""}, "agent demo"),
    "no key": (["spec.md", "--model", "gpt-4.1"], {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY"),
    "base URL": (["spec.md", "--model", "m", "--base-url", "nonsense"], {}, "'nonsense'"),
    "no recording": (["spec.md", "--model", "replay:none.jsonl"], {}, "none.jsonl"),
    "sandbox": (["spec.md", "--model", "m", "--sandbox", "nonsense"], {}, "bubblewrap"),
    "strategy": (["spec.md", "--model", "m", "--strategy", "nonsense"], {}, "plain"),
    "no calls": (["spec.md", "--model", "m", "--max-calls", "0"], {}, "--max-calls"),
    "no number": (["spec.md", "--model", "m", "--max-tokens", "many"], {}, "--max-tokens"),
    "not a number": (["spec.md", "--model", "m", "--max-usd", "nan"], {}, "--max-usd"),
    "negative": (["spec.md", "--model", "m", "--max-seconds=-1"], {}, "--max-seconds"),
    "no slots": (["spec.md", "--model", "m", "--parallel", "0"], {}, "--parallel"),
    "prompts": (["spec.md", "--model", "m"], {"AGENT_PROMPTS": "nowhere"}, "prompts"),
    "prices": (["spec.md", "--model", "m"], {"AGENT_PRICES": "prices.toml"}, "prices.toml"),
    "output a file": (["spec.md", "--model", "m", "-o", "file"], {}, "'-o'|-o"),
    "output foreign": (["spec.md", "--model", "m", "-o", "foreign"], {}, "foreign"),
    "output in a file": (["spec.md", "--model", "m", "-o", "file/out"], {}, "file"),
    "record": (["spec.md", "--model", "m", "--record", "file/x.jsonl"], {}, "x.jsonl"),
    "state": (["spec.md", "--model", "m"], {"AGENT_HOME": "file"}, "file"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_gets_one_sentence_and_leaves_nothing_behind(place: Place, case: str) -> None:
    words, env, part = BAD_LINES[case]
    prepare(place)
    bad_specs(place.work)
    if env.get("AGENT_HOME"):
        env = {"AGENT_HOME": str(place.work / env["AGENT_HOME"])}
    before = sorted(place.work.rglob("*"))
    done = place.agent("run", *words, "--yes", **{"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"} | (
        {"OPENAI_BASE_URL": ""} if "OPENAI_API_KEY" in env else {}
    ) | env)  # fmt: skip
    assert done.returncode == 2, done
    assert re.search(part, sentence(done)), done.stderr
    assert done.stdout == ""
    assert sorted(place.work.rglob("*")) == before
    assert place.runs() == []


@pytest.mark.parametrize(("command", "part"), [*(("run", part) for part in BAD_PLANS), ("plan", "cycle")])
def test_a_bad_plan_is_refused(place: Place, command: str, part: str) -> None:
    prepare(place)
    text = BAD_PLANS[part]
    name = "plan.yaml" if text else "no-such-plan.yaml"
    if text:
        (place.work / name).write_text(text if part == "YAML" else REQUIREMENTS_OF_PLAN + text)
    words = (
        ["--plan", name, "--model", "m", "--base-url", "http://127.0.0.1:9/v1"]
        if command == "run"
        else ["--check", name]
    )
    done = place.agent(command, "spec.md", *words)
    assert done.returncode == 2, done
    assert part.lower() in sentence(done).lower()
    assert place.runs() == []
    assert not (place.work / "tally").exists()


@pytest.mark.parametrize(
    ("text", "near"), [("modell = 'x'", "'model'"), ("[limits]\nmax_usdd = 3", "'limits.max_usd'")]
)
def test_an_unknown_key_is_answered_with_the_nearest(place: Place, text: str, near: str) -> None:
    prepare(place)
    (place.work / "agent.toml").write_text(text)
    done = place.agent("run", "spec.md", "--model", "m")
    assert done.returncode == 2
    assert near in sentence(done)
    assert place.runs() == []


@pytest.mark.parametrize("missing", ["bwrap", "git"])
def test_a_missing_program_is_named_with_the_way_to_get_it(place: Place, missing: str) -> None:
    prepare(place)
    programs = place.root / "bin"
    programs.mkdir()
    for name in {"git", "bwrap"} - {missing}:
        (programs / name).symlink_to(str(shutil.which(name)))
    done = place.agent(
        "run", "spec.md", "--yes", "--model", "m", "--base-url", "http://127.0.0.1:9/v1", PATH=str(programs)
    )
    assert done.returncode == 2, done
    assert re.search(r"apt-get install (-y )?(bubblewrap|git)", sentence(done))
    assert place.runs() == []


FAULTS = {"401": "does not accept the key", "insufficient_quota": "quota", "404 model": "does not know the model"}


@pytest.mark.parametrize("fault", [*FAULTS, pytest.param("unreachable", marks=pytest.mark.slow)])
def test_a_refusing_endpoint_ends_the_run_at_once_and_it_can_be_resumed(place: Place, fault: str) -> None:
    prepare(place)
    with StubServer(Author(), fault="" if fault == "unreachable" else fault, times=1) as stub:
        words = flags(stub, "--base-url", "http://127.0.0.1:9/v1") if fault == "unreachable" else flags(stub)
        done = place.agent("run", "spec.md", *words, OPENAI_API_KEY="sk-secret-secret")
        assert done.returncode == 2, done
        assert FAULTS.get(fault, "nothing answers at 127.0.0.1:9") in sentence(done)
        assert "sk-secret" not in done.stdout + done.stderr
        assert place.json("runs")["runs"][0]["status"] == "interrupted"
        assert not place.output.exists()
        if fault != "unreachable":
            assert stub.requests == 1
            assert place.agent("resume", "--quiet").returncode == 0
    assert "sk-secret" not in (only_run(place) / "journal.db").read_bytes().decode("latin-1")


def test_files_edited_by_hand_are_not_written_over_unasked(finished: Finished) -> None:
    place = finished.place
    runs, head = place.runs(), place.git("rev-parse", "HEAD")
    (place.output / "tally" / "label.py").write_text("mine\n")
    refused = place.agent("run", "spec.md", *flags(finished.stub))
    place.git("checkout", "--", ".")
    assert refused.returncode == 2
    assert "'tally/label.py' (edited); give --keep-edits" in sentence(refused)
    assert (place.runs(), place.git("rev-parse", "HEAD")) == (runs, head)


@pytest.mark.parametrize("command", ["resume", "show", "log", "graph"])
def test_an_unknown_run_is_named_with_those_there_are(finished: Finished, place: Place, command: str) -> None:
    done = finished.place.agent(command, "nonsense")
    assert done.returncode == 2
    assert finished.run in sentence(done) or "no run is called 'nonsense'" in sentence(done)
    none = place.agent(command)
    assert none.returncode == 2
    assert "there is no run" in sentence(none)


@pytest.mark.parametrize(
    "words",
    [["--max-calls", "0"], ["--max-usd", "nan"], ["--max-seconds", "-3"], ["--parallel", "0"], ["--max-tokens", "x"]],
)
def test_resume_checks_its_numbers(finished: Finished, words: list[str]) -> None:
    run = finished.place.state / "runs" / finished.run
    with SqliteJournal.read(run) as journal:
        before = len(list(journal.heads()))
    done = finished.place.agent("resume", finished.run, *words)
    assert done.returncode == 2, done
    assert words[0] in sentence(done)
    with SqliteJournal.read(run) as journal:
        assert len(list(journal.heads())) == before


@pytest.mark.parametrize("where", ["closed", "broken", "full"])
def test_a_run_whose_words_nobody_can_take_goes_on(finished: Finished, where: str) -> None:
    place = finished.place
    runs = len(place.runs())
    line = {"closed": ">&-", "broken": "| true", "full": "> /dev/full"}[where]
    command = f"{sys.executable} -m agent.cli run spec.md -o out --yes --model m --base-url {finished.stub.url} {line}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=place.work,
        env=place.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == {"closed": 0, "broken": 141, "full": 2}[where], done
    assert len(place.runs()) == runs + 1
    assert place.json("runs")["runs"][0]["status"] == "passed"


# -- disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB, as only root can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("only root can make a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("what", ["state", "output"])
def test_a_full_disk_stops_the_run_and_it_goes_on_after_there_is_space(
    place: Place, small_disk: Path, what: str
) -> None:
    prepare(place)
    ballast = small_disk / "ballast"
    if what == "state":
        place.env["AGENT_HOME"] = str(small_disk / "state")
    output = small_disk / "out" if what == "output" else place.output

    def fill(step: str, component: str, count: int) -> None:
        if step == "code":
            with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)

    with StubServer(Author(instead=fill)) as stub:
        words = ["--yes", "--model", "m", "--base-url", stub.url]
        done = place.agent("run", "spec.md", "-o", str(output), *words)
        assert done.returncode == 2, done
        assert re.search("disk|space", sentence(done))
        ballast.unlink()
        stub.answer = Author()
        resumed = place.agent("resume", "--quiet")
        questions = [json.dumps(body["messages"]) for body in stub.bodies]
    assert resumed.returncode == 0, resumed
    assert resumed.stdout.startswith("passed: 4 of 4")
    if what == "output":
        assert len(questions) == len(set(questions))


def test_a_journal_that_cannot_be_written_is_refused_before_anything_is_paid(place: Place, small_disk: Path) -> None:
    prepare(place)
    place.env["AGENT_HOME"] = str(small_disk / "state")
    with StubServer(Author(), fault="401", times=1) as stub:
        place.agent("run", "spec.md", *flags(stub))
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        refused = place.agent("resume")
        fresh = place.agent("run", "spec.md", *flags(stub))
        asked = stub.requests
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        resumed = place.agent("resume", "--quiet")
    for done in (refused, fresh):
        assert done.returncode == 2, done
        assert "ead-only" in sentence(done)
    assert asked == 1
    assert resumed.returncode == 0, resumed


# -- plans


def test_a_spec_from_standard_input(place: Place) -> None:
    with StubServer(Author()) as stub:
        done = place_run(place, ["run", "-", *flags(stub, "--quiet")], SPEC.encode())
        empty = place_run(place, ["run", "-", *flags(stub)], b"")
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, "passed")
    assert (empty.returncode, "standard input is empty" in sentence(empty)) == (2, True)


def place_run(place: Place, words: list[str], stdin: bytes) -> subprocess.CompletedProcess[str]:
    return place.agent(*words, stdin=stdin)


def test_a_plan_is_made_edited_checked_and_built(place: Place) -> None:
    prepare(place)
    author = Author()
    with StubServer(author) as stub:
        model = ["--model", "scripted", "--base-url", stub.url]
        unwritable = place.agent("plan", "spec.md", "-o", "nowhere/plan.yaml", *model)
        assert (unwritable.returncode, stub.requests) == (2, 0)
        assert "nowhere" in sentence(unwritable)
        made = place.agent("plan", "spec.md", *model)
        assert made.returncode == 0, made
        assert "4 components" in made.stdout
        assert "found 2 requirements" in made.stderr  # a person sees that something happens
        plan = place.work / "plan.yaml"
        assert place.json("graph", "plan.yaml")["components"][0]["id"] == "numbers"
        plan.write_text(plan.read_text().replace("purpose: Add up.", "purpose: Add them all up."))
        checked = place.agent("plan", "--check", "plan.yaml")
        assert (checked.returncode, checked.stderr) == (0, "")
        asked = stub.requests
        done = place.agent("run", "spec.md", "--plan", "plan.yaml", *flags(stub, "--json"))
    assert done.returncode == 0, done
    assert stub.requests == asked + ALL_CALLS - 2  # the plan is given, so neither requirements nor plan are asked
    assert "Add them all up." in (place.output / ".agent" / "plan.yaml").read_text()
    assert "total: Add them all up." in place.git("log", "--format=%s")
    schema = json.loads(place.agent("plan", "--schema").stdout)
    assert schema["type"] == "object"
    assert place.json("plan", "spec.md", "--check", "plan.yaml")["figures"]["components"] == 4


ASKS = "Build this plan?"


def at_a_terminal(place: Place, stub: StubServer, **env: str) -> Terminal:
    prepare(place)
    words = [word for word in flags(stub, "--no-feedback") if word != "--yes"]
    return Terminal(place, "run", "spec.md", *words, **env)


def editor(place: Place, *edits: str) -> dict[str, str]:
    """An EDITOR that applies one sed script after the other, one each time it is started."""
    script = place.root / "editor"
    lines = "\n".join(f"{i}) sed -i '{edit}' \"$1\" ;;" for i, edit in enumerate(edits))
    script.write_text(
        f"#!/bin/sh\nn=$(cat {place.root}/edits 2>/dev/null || echo 0)\necho $((n + 1)) > {place.root}/edits\n"
        f"sleep 1.1\ncase $n in\n{lines}\nesac\n"
    )
    script.chmod(0o755)
    return {"EDITOR": str(script), "VISUAL": str(script)}


def test_a_plan_is_approved_at_the_terminal(place: Place) -> None:
    with StubServer(Author()) as stub:
        terminal = at_a_terminal(place, stub)
        terminal.read_until(ASKS)
        terminal.type("what\n")
        terminal.read_until(ASKS, 2)
        assert not place.output.exists()
        terminal.type("y\n")
        assert terminal.end() == 0, terminal.seen
    assert b"passed: 4 of 4 components proven" in terminal.seen


def test_a_plan_is_declined_at_the_terminal(place: Place) -> None:
    with StubServer(Author()) as stub:
        terminal = at_a_terminal(place, stub)
        terminal.read_until(ASKS)
        terminal.type("n\n")
        assert terminal.end() == 1, terminal.seen
    assert b"not approved" in terminal.seen
    assert place.json("runs")["runs"][0]["status"] == "declined"
    assert not place.output.exists()
    assert stub.requests == 2


def test_a_plan_is_edited_at_the_terminal_until_it_is_sound(place: Place) -> None:
    env = editor(
        place, "s/- numbers$/- nowhere/; s/\\[numbers\\]/[nowhere]/", "s/nowhere/numbers/; s/Add up\\./Add it all up./"
    )
    with StubServer(Author()) as stub:
        terminal = at_a_terminal(place, stub, **env)
        terminal.read_until(ASKS)
        terminal.type("e\n")
        terminal.read_until("Edit again?")
        assert b"unknown id 'nowhere'" in terminal.seen
        terminal.type("y\n")
        terminal.read_until(ASKS, 2)
        assert b"Add it all up." in terminal.seen
        terminal.type("y\n")
        assert terminal.end() == 0, terminal.seen
    revisions = happened(only_run(place), events.PLAN_REVISED)
    assert [(r["author"], r["plan"]["revision"]) for r in revisions] == [("model", 1), ("user", 2)]
    assert "Add it all up." in (place.output / ".agent" / "plan.yaml").read_text()


@pytest.mark.parametrize("how", ["Ctrl-C", "end of input"])
def test_a_question_can_be_left_at_the_terminal(place: Place, how: str) -> None:
    with StubServer(Author()) as stub:
        terminal = at_a_terminal(place, stub)
        terminal.read_until(ASKS)
        terminal.type("\x03" if how == "Ctrl-C" else "\x04")
        assert terminal.end() == 130, terminal.seen
        assert b"agent resume" in terminal.seen
        assert b"Traceback" not in terminal.seen
        assert terminal.echoes
        assert place.json("runs")["runs"][0]["status"] == "interrupted"
        assert place.agent("resume", "--quiet").returncode == 0


def test_resume_asks_the_question_that_was_left(place: Place) -> None:
    with StubServer(Author()) as stub:
        for _ in range(2):
            terminal = at_a_terminal(place, stub) if not place.runs() else Terminal(place, "resume")
            terminal.read_until(ASKS)
            terminal.type("\x03")
            assert terminal.end() == 130, terminal.seen
            assert not place.output.exists()
        terminal = Terminal(place, "resume", "--yes", "--no-feedback")
        assert terminal.end() == 0, terminal.seen
        assert ASKS.encode() not in terminal.seen


# -- a person as the model


def test_manual_says_where_its_questions_are_and_resume_finds_them_from_anywhere(place: Place) -> None:
    prepare(place)
    (place.work / "elsewhere").mkdir()
    process = place.start("run", "spec.md", "-o", "elsewhere/../out", "--yes", "--model", "manual:answers")
    wait_for(process, place, lambda run: bool(list(place.work.glob("answers/*.prompt.md"))))
    os.killpg(process.pid, signal.SIGTERM)
    out, _ = process.communicate()
    assert f"each question to the model is a file in '{place.work / 'answers'}'" in out.decode()
    assert place.json("runs")["runs"][0]["output"] == str(place.output)
    (question,) = place.work.glob("answers/*.prompt.md")
    answer = question.with_name(question.name.replace(".prompt.", ".answer."))
    answer.write_text("R1: Numbers are read.\n> Read whole numbers\n")
    resumed = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "resume"],
        cwd=place.work / "elsewhere",
        env=place.environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(resumed, place, lambda run: bool(list(place.work.glob("answers/*-plan-1.prompt.md"))))
    finally:
        os.killpg(resumed.pid, signal.SIGTERM)
        resumed.wait()
    assert not list((place.work / "elsewhere").iterdir())


# -- a hostile model


ESCAPES = "\x1b[31mred\x1b]0;title\x07\u202e"
HOSTILE_PATHS = ["../evil.py", "/etc/stepgraph-evil.py", ".git/hooks/post-commit", "tally/../../evil.py"]


def test_a_hostile_model_writes_nothing_outside_and_prints_no_escape(place: Place) -> None:
    prepare(place)

    def hostile(step: str, component: str, count: int) -> str | None:
        if step == "requirements":
            return f"R1: Numbers {ESCAPES} are read.\n> Read whole numbers\n\nR2: Sum {ESCAPES}.\n> Print the label\n"
        if step == "plan" and count == 0:
            return f"```yaml\n{PLAN.replace('[tally/label.py]', '[../evil.py]')}```\n"
        if step == "plan":
            return "```yaml\n" + PLAN.replace("purpose: Add up.", 'purpose: "Add \\e[31mup\\a\\u202e."') + "```\n"
        if (step, component) == ("code", "numbers") and count < 3:
            return fenced(HOSTILE_PATHS[count], "evil = 1\n") + fenced("tally/numbers.py", CODE["numbers"])
        if (step, component) == ("code", "label") and count == 0:
            return fenced("tally/total.py", "evil = 1\n") + fenced("tally/label.py", CODE["label"])
        if (step, component) == ("tests", "label") and count == 0:
            return fenced("tests/test_total.py", "evil = 1\n") + fenced("tests/test_label.py", TESTS["label"])
        if (step, component) == ("code", "total"):
            return fenced("tally/total.py", f"def total(text: str) -> int:\n    raise ValueError({ESCAPES!r})\n")
        if (step, component) == ("code", "command") and count == 0:
            return fenced(HOSTILE_PATHS[3], "evil = 1\n") + fenced("tally/__main__.py", CODE["command"])
        return None

    with StubServer(Author(instead=hostile)) as stub:
        done = place.agent("run", "spec.md", *flags(stub))
        refusals = [body["messages"][-1]["content"] for body in stub.bodies if len(body["messages"]) > 2]
        said = [done.stdout, done.stderr]
        run = only_run(place).name
        for words in (["runs"], ["show"], ["show", run, "total"], ["log"], ["graph"], ["graph", "--format", "svg"]):
            viewed = place.agent(*words)
            assert viewed.returncode == 0, viewed
            said += [viewed.stdout, viewed.stderr]
    assert done.returncode == 0, done
    for text in said:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), text
    for name in ("../evil.py", *HOSTILE_PATHS, "tally/total.py", "tests/test_total.py"):
        assert any(name in refusal for refusal in refusals), name
    assert sorted(p.name for p in place.work.iterdir()) == ["out", "spec.md"]
    assert not Path("/etc/stepgraph-evil.py").exists()
    assert not (place.output / ".git" / "hooks" / "post-commit").exists()
    assert not list(place.root.rglob("evil.py"))
    assert "evil" not in "".join(p.read_text() for p in place.output.rglob("*.py"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", (place.output / "README.md").read_text())
    assert "\x1b" not in place.git("log")


# -- companions


def test_doctor_and_sandbox_speak_of_what_a_run_would_use(finished: Finished) -> None:
    place, url = finished.place, finished.stub.url
    env = {"AGENT_MODEL": "scripted", "OPENAI_BASE_URL": url}
    finished.stub.pages["/v1/models"] = {"data": [{"id": "scripted"}]}
    doctor = place.json("doctor", **env)
    assert all(check["ok"] for check in doctor["checks"] if check["needed"]), doctor
    confined = place.agent("sandbox", "exec", "--ws", "out", "--", "python3", "-c", "import os; print(os.listdir())")
    assert "tally" in confined.stdout
    ids = place.root / "ids"
    ids.write_text("tests/test_total.py::test_adds\n")
    proven = place.agent("sandbox", "test", "--ws", "out", "--ids", str(ids), "--lang", "python")
    assert proven.returncode == 0, proven
