"""``agent watch`` beside a run that another process works on: lines, the picture in a real terminal, its end."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.watch import watch
from agent.store.inbox import Inbox
from agent.store.journal import SqliteJournal
from agent.store.runs import new_run
from graphs import document, events
from graphs.events import Event
from graphs.values import Component, Contract, Limits, Plan, Requirement, Usage, to_json

ROOT = Path(__file__).parent.parent
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e"
PATIENCE_SECONDS = 30.0


def on(kind: str, name: str = "", **body: object) -> Event:
    return Event(kind, name, 1, body)


def plan_of(count: int) -> Plan:
    parts = (
        Component(f"c{i}", "Works.", (f"q/c{i}.py",), Contract({f"q/c{i}.py": "x: int"}, "Works."))
        for i in range(count)
    )
    return Plan("Log query tool", tuple(parts), (Requirement("R1", "It works."),))


def begun(count: int = 3) -> list[Event]:
    limits = to_json(Limits(max_usd=5.0, max_seconds=3600.0))
    settings = {"output": "/out/logq", "parallel": 8, "test_slots": 2}
    return [
        on(events.RUN_STARTED, run="r", title="Log query tool", settings=settings, limits=limits),
        on(events.PLAN_REVISED, plan=document.to_data(plan_of(count)), author="model", why="first cut"),
        on(events.PLAN_APPROVED, by="user"),
        on(events.COMPONENT_STARTED, "c0", key="k"),
    ]


def ended(status: str) -> Event:
    return on(events.RUN_FINISHED, status=status, usage=to_json(Usage(2, 300, 0, 70, 0, 0.5)), seconds=12.0, reason="")


ASKED = on(events.QUESTION_ASKED, "c1", id="Q1", text=f"Tabs? {HOSTILE}", options=[], asked=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Run:
    """A run that this process works on, as far as anybody can tell."""

    def __init__(self, home: Path, *facts: Event) -> None:
        self.id, self.path = new_run(home, "Log query tool")
        self._journal = SqliteJournal.create(self.path)
        self.append(*facts)

    def append(self, *facts: Event) -> None:
        asyncio.run(self._journal.append(*facts))

    def close(self) -> None:
        self._journal.close()


def ended_run(home: Path, *facts: Event) -> str:
    with closing(Run(home, *facts)) as run:
        return run.id


def until(look: Callable[[], str], there: str) -> str:
    """What ``look`` gives once ``there`` is in it; the test fails when it takes too long."""
    end = time.monotonic() + PATIENCE_SECONDS
    while there not in (seen := look()):
        assert time.monotonic() < end, f"{there!r} is not in:\n{seen}"
        time.sleep(0.1)
    return seen


@pytest.mark.parametrize(
    ("facts", "status", "last"),
    [
        ([ended("passed")], 0, "passed: 0 of 3 components proven, the code is in /out/logq"),
        ([ended("failed")], 1, "not passed: 0 of 3 components proven; see why"),
        ([ended("declined")], 1, "stopped: 0 of 3 components proven"),
        ([ended("limit")], 3, "stopped at a ceiling: 0 of 3 components proven; go on with"),
        ([ended("planned")], 0, "planned: 0 of 3"),
        ([ended("cancelled")], 130, "cancelled: 0 of 3"),
        (
            [on(events.RUN_INTERRUPTED, reason="stopped by a signal")],
            130,
            "interrupted: 0 of 3 components proven; stopped",
        ),
        ([], 130, "interrupted: 0 of 3 components proven; go on with"),  # its process was killed
    ],
)
def test_of_a_run_that_has_ended_the_end_is_told_again(home: Path, facts: list[Event], status: int, last: str) -> None:
    run = ended_run(home, *begun(), *facts)
    done = CliRunner().invoke(watch, [run[:20]])
    assert done.exit_code == status, done.output
    assert done.output.splitlines()[-1].startswith(last)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.output)


def test_what_came_too_late_is_told_too(home: Path) -> None:
    run = ended_run(home, *begun(), ended("failed"))
    Inbox(home / "runs" / run).leave("feedback", "Tabs are lost.")
    assert "too late" in CliRunner().invoke(watch, [run]).output


def watching(*words: str) -> subprocess.Popen[str]:
    """The command in a process of its own, without a terminal, and far enough to see what comes."""
    command = [sys.executable, "-m", "agent.cli", "watch", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("watching ")
    return process


def files(run: Run) -> dict[str, bytes]:
    """What makes up the run; the files that SQLite shares between its readers left out."""
    found = (path for path in run.path.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal")))
    return {path.name: path.read_bytes() for path in found}


def test_without_a_name_it_is_the_run_that_goes_on_and_its_news_are_lines(home: Path) -> None:
    running = Run(home, *begun())
    newest = ended_run(home, *begun(1), ended("failed"))
    with closing(running), watching() as process:
        running.append(ASKED, on(events.COMPONENT_FAILED, "c0", reason=f"no way on {HOSTILE}"), ended("limit"))
        running.close()
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    lines = output.splitlines()
    assert process.returncode == 3, errors
    assert re.fullmatch(r" +0:\d\d  c1: question Q1: Tabs\? .*", lines[0]), lines
    assert re.fullmatch(r" +0:\d\d  c0: .*no way on .*", lines[1])
    assert running.id in lines[-1]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", output)
    assert newest in CliRunner().invoke(watch, []).output, "once nothing goes on, the newest is shown"


def test_leaving_does_not_touch_the_run(home: Path) -> None:
    run = Run(home, *begun())
    before = files(run)
    with closing(run), watching(run.id) as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 130
        assert errors.startswith("left; the run goes on")
        assert files(run) == before
        run.append(on(events.COMPONENT_READY, "c1"))  # it can still be worked on


def test_nobody_reading_on_ends_the_watch_and_not_the_run(home: Path) -> None:
    run = Run(home, *begun())
    with closing(run), watching(run.id) as process:
        assert process.stdout is not None
        process.stdout.close()
        run.append(on(events.COMPONENT_FAILED, "c0", reason="no way on"))
        assert process.wait(PATIENCE_SECONDS) == 141


class Terminal:
    """A real one: a window of tmux with a shell in it."""

    def __init__(self, scratch: Path) -> None:
        self._tmux = ["tmux", "-S", str(scratch / "tmux"), "-f", "/dev/null"]
        self._do("new-session", "-d", "-x", "80", "-y", "24", "env PS1='$ ' sh")
        self.type("clear", "Enter")

    def _do(self, *words: str) -> str:
        # Where these are set they are believed before the terminal; pytest-xdist sets them.
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment = {**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [*self._tmux, *words], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
        ).stdout

    def type(self, *keys: str) -> None:
        self._do("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._do("resize-window", "-x", str(width), "-y", str(height))

    def screen(self) -> str:
        return self._do("capture-pane", "-p")

    def above(self) -> str:
        """What was printed before, scrolled out of sight included."""
        return self._do("capture-pane", "-p", "-J", "-S", "-2000")

    def cursor_is_shown(self) -> bool:
        return self._do("display-message", "-p", "#{cursor_flag}").strip() == "1"

    def close(self) -> None:
        self._do("kill-server")


@pytest.fixture
def terminal(home: Path, tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    with closing(Terminal(tmp_path)) as terminal:
        yield terminal


def pictures(screen: str) -> int:
    return screen.count("Log query tool")


@pytest.mark.slow
def test_in_a_terminal_it_is_one_picture_whatever_is_printed_and_however_it_is_resized(
    home: Path, terminal: Terminal
) -> None:
    run = Run(home, *begun(200))
    with closing(run):
        terminal.type(f"{sys.executable} -m agent.cli watch", "Enter")
        until(terminal.screen, "▶ c0")
        for number, (width, height) in enumerate([(60, 15), (40, 30), (120, 12), (50, 40), (80, 24)]):
            terminal.resize(width, height)
            run.append(on(events.NOTE, text=f"news {number} {HOSTILE}"), on(events.COMPONENT_STARTED, f"c{number + 1}"))
            until(terminal.screen, f"c{number + 1} ")
        time.sleep(0.6)  # one more picture
        assert pictures(terminal.screen()) == 1
        news = re.findall(r"note: news (\d)", terminal.above())
        assert news == ["0", "1", "2", "3", "4"]
        run.append(ASKED)
        seen = until(terminal.screen, "agent answer")
        rows = [line for line in seen.splitlines() if line.startswith(("?", "▶", "✗"))]
        assert re.match(r"\? c1  asks you Q1: Tabs\?", rows[0]), seen
        assert "($5.00 left)" in seen
        assert re.search(r"\(59:\d\d left\)", seen)
        run.append(ended("failed"))
        run.close()
        until(terminal.screen, "not passed: 0 of 200")
        until(terminal.screen, "\n$\n")
        assert terminal.cursor_is_shown()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["C-c", "kill", "kill -9"])
def test_the_terminal_is_sane_after_it_was_left(home: Path, terminal: Terminal, how: str) -> None:
    with closing(Run(home, *begun())) as run:
        terminal.type(
            f"{sys.executable} -m agent.cli watch & echo $! > pid; fg".replace(" pid", f" {home}/pid"), "Enter"
        )
        until(terminal.screen, "▶ c0")
        if how == "C-c":
            terminal.type("C-c")
        else:
            subprocess.run([*how.split(), (home / "pid").read_text().strip()], check=True)
        seen = until(terminal.screen, {"C-c": "left; the run goes on", "kill": "Terminated", "kill -9": "Killed"}[how])
        assert pictures(seen) == 1
        terminal.type("echo sane", "Enter")
        until(terminal.screen, "sane\n$\n")
        assert terminal.cursor_is_shown()
        run.append(on(events.COMPONENT_READY, "c1"))
