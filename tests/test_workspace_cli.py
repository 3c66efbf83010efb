"""A person works in the output between runs: the real command line, HTTP, sandbox, git and SQLite; only the model is scripted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.store.journal import SqliteJournal
from graphs import events
from graphs.errors import JournalError
from tests.conftest import SECONDS, Place, Terminal, ended
from tests.scripted_author import CODE, SPEC, Author
from tests.stub_server import StubServer

pytestmark = pytest.mark.usefixtures("bubblewrap")

LABEL = "tally/label.py"
BETTER = "def label(name: str, number: int) -> str:\n    # mine\n    return ': '.join((name, str(number)))\n"
WORSE = "def label(name: str, number: int) -> str:\n    return 'mine'\n"


def flags(stub: StubServer, *more: str) -> list[str]:
    return ["-o", "out", "--model", "scripted", "--base-url", stub.url, *more]


def built(place: Place, stub: StubServer) -> None:
    (place.work / "spec.md").write_text(SPEC, encoding="utf-8")
    done = place.agent("run", "spec.md", *flags(stub, "--yes", "--quiet"))
    assert done.returncode == 0, done


def notes(place: Place) -> list[str]:
    with SqliteJournal.read(place.runs()[-1]) as journal:
        return [str(event.body["text"]) for event in journal.events(kind=events.NOTE)]


def test_edits_are_kept_tested_and_overwritten_as_the_user_says(place: Place) -> None:
    with StubServer(Author()) as stub:
        built(place, stub)
        paid = stub.requests
        file = place.output / LABEL

        def again(*words: str) -> tuple[int, dict[str, Any]]:
            done = place.agent("run", "spec.md", *flags(stub, "--yes", "--json", *words))
            assert "Traceback" not in done.stderr
            return done.returncode, json.loads(done.stdout)

        # A change that breaks it, kept: it is told, and stays.
        file.write_text(WORSE)
        status, said = again("--keep-edits")
        states = {c["id"]: c["status"] for c in said["components"]}
        assert (status, states) == (
            1,
            {"numbers": "passed", "label": "failed", "total": "passed", "command": "blocked"},
        )
        assert "edited by hand" in next(c["reason"] for c in said["components"] if c["id"] == "label")
        assert f"you edited files by hand: '{LABEL}' (edited); they stay as they are" in notes(place)
        assert file.read_text() == WORSE
        assert "- label: its files were edited by hand" in (place.output / "README.md").read_text()
        # Nothing said: nothing begins.
        runs = place.runs()
        status, said = again()
        assert (status, place.runs()) == (2, runs)
        assert LABEL in said["error"]
        assert "--keep-edits" in said["error"]
        assert "--overwrite-edits" in said["error"]
        # Overwritten: it is in git.
        place.git("-c", "user.name=U", "-c", "user.email=u@x", "commit", "-qam", "mine")
        file.write_text(WORSE + "# and more\n")
        assert again("--overwrite-edits")[0] == 0
        assert file.read_text() == CODE["label"]
        kept = place.git("log", "--format=%H", "--grep", "^Your edits").strip()
        assert place.git("show", f"{kept}:{LABEL}") == WORSE + "# and more\n"
        # A change that passes, kept: from then on it is what is proven.
        file.write_text(BETTER)
        status, said = again("--keep-edits")
        assert status == 0, said
        assert file.read_text() == BETTER
        assert place.git("log", "-1", "--format=%(trailers:key=Component,valueonly)", "--", LABEL).strip() == "label"
        assert place.git("status", "--porcelain") == ""
        assert "Not finished" not in (place.output / "README.md").read_text()
        head = place.git("rev-parse", "HEAD")
        assert again()[0] == 0
        assert (file.read_text(), place.git("rev-parse", "HEAD")) == (BETTER, head)
        assert stub.requests == paid


def test_edits_are_asked_about_at_a_terminal(place: Place) -> None:
    with StubServer(Author()) as stub:
        built(place, stub)
        (place.output / LABEL).write_text(BETTER)
        for answer, status in (("what\ns", 2), ("k", 0)):
            terminal = Terminal(place, "run", "spec.md", *flags(stub, "--no-feedback"))
            terminal.read_until("[s]top")
            assert f"'{LABEL}' (edited)".encode() in terminal.seen
            terminal.type(f"{answer}\n")
            if answer == "k":
                terminal.read_until("Build this plan?")
                terminal.type("y\n")
            assert terminal.end() == status, terminal.seen
            assert (place.output / LABEL).read_text() == BETTER
    assert place.git("status", "--porcelain") == ""


def test_an_edited_component_is_not_written_anew_unless_the_user_says_so(place: Place) -> None:
    with StubServer(Author()) as stub:
        built(place, stub)
        (place.output / LABEL).write_text(BETTER)
        plan = (place.output / ".agent" / "plan.yaml").read_text()
        (place.work / "plan.yaml").write_text(plan.replace("with a colon and a blank", "with colon and blank"))
        paid = stub.requests
        words = ("run", "spec.md", *flags(stub, "--yes", "--quiet", "--plan", "plan.yaml"))
        refused = place.agent(*words, "--keep-edits")
        assert (refused.returncode, stub.requests) == (2, paid)
        assert "--overwrite-edits" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert (place.output / LABEL).read_text() == BETTER
        assert place.agent(*words, "--overwrite-edits").returncode == 0
        assert stub.requests > paid
    assert (place.output / LABEL).read_text() == CODE["label"]
    kept = place.git("log", "--format=%H", "--grep", "^Your edits").strip()
    assert place.git("show", f"{kept}:{LABEL}") == BETTER


def test_what_is_edited_while_a_run_lies_still_is_not_lost_when_it_goes_on(place: Place) -> None:
    """Killed when the first component is delivered; the user edits that one before the run is resumed."""
    (place.work / "spec.md").write_text(SPEC, encoding="utf-8")
    with StubServer(Author(seconds=0.3)) as stub:
        process = place.start("run", "spec.md", *flags(stub, "--yes", "--quiet"))
        delivered = _wait_for(process, place, lambda run: next(_committed(run), None) is not None)
        os.killpg(process.pid, signal.SIGKILL)
        ended(process)
        component = next(_committed(delivered))
        file = place.output / {"numbers": "tally/numbers.py", "label": LABEL}[component]
        file.write_text(file.read_text() + "# mine\n")
        refused = place.agent("resume", "--quiet")
        assert refused.returncode == 2
        assert "give --keep-edits to keep them" in refused.stderr
        done = place.agent("resume", "--quiet", "--keep-edits")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert file.read_text().endswith("# mine\n")
    assert place.git("status", "--porcelain") == ""


def _committed(run: Path) -> Any:
    with SqliteJournal.read(run) as journal:
        yield from [event.component for event in journal.events(kind=events.COMMITTED)]


def _wait_for(process: subprocess.Popen[bytes], place: Place, there: Callable[[Path], bool]) -> Path:
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(JournalError, IndexError):
            run = place.runs()[-1]
            if there(run):
                return run
        time.sleep(0.02)
    raise AssertionError("it never happened")
