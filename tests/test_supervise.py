"""Ends of a job that are not its own doing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from agent.sandbox import open_sandbox, supervise
from agent.sandbox.base import Ended, Job, SandboxLimits
from agent.sandbox.watchdog import Breach, Tree


class HeldUp:
    """Watches over nothing, and is held up for a while when it looks or is told, as by a machine that stands still."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def started(self, pid: int) -> None:
        pass

    def told(self, data: bytes) -> None:
        time.sleep(self._seconds)

    def look(self, running_for: float | None) -> Breach | None:
        time.sleep(self._seconds)
        return None

    def kill(self) -> None:
        pass

    def gone(self, seconds: float) -> bool:
        return True

    def close(self) -> None:
        pass


def watched(script: str, tree: Tree, seconds: float) -> Ended:
    job = Job((), limits=SandboxLimits(seconds=seconds))
    wires = supervise.wire(job)
    told = wires.reader("status")
    command = [supervise.bash(), "-c", f"printf + >&{wires.theirs['ready']}; printf + >&{told}; {script}"]
    return supervise.supervise(
        command, job=job, wires=wires, tree=tree, label="x", launcher=False, env=dict(os.environ), cwd="/"
    )


def test_a_job_that_ended_while_we_were_held_up_ended_in_time() -> None:
    ended = watched("sleep 0.3; printf done; exit 3", HeldUp(1.0), seconds=0.7)
    assert (ended.ending, ended.exit, ended.stdout) == ("exit", 3, b"done"), ended


def test_a_job_that_goes_on_is_still_ended() -> None:
    ended = watched("exec sleep 20", HeldUp(0.5), seconds=0.3)
    assert ended.ending == "time", ended
    assert ended.seconds < 10


@pytest.fixture
def a_killing_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process more is killed each time somebody asks."""
    killed: Iterator[int] = iter(range(1000))
    monkeypatch.setattr(supervise, "kernel_kills", lambda: next(killed))


@pytest.mark.usefixtures("a_killing_kernel")
@pytest.mark.parametrize("kind", ["bubblewrap", "none"])
@pytest.mark.parametrize(
    ("script", "ending"), [("kill -9 $$", "starved"), ("kill -11 $$", "exit"), ("exit 1", "exit"), ("true", "exit")]
)
def test_who_is_killed_while_the_kernel_kills_for_memory_is_not_to_blame(
    kind: str, script: str, ending: str, request: pytest.FixtureRequest
) -> None:
    if kind == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    ended = open_sandbox(kind).run(Job(("sh", "-c", script)))
    assert ended.ending == ending, ended


def test_kills_of_the_kernel_are_counted() -> None:
    assert 0 <= supervise.kernel_kills() <= supervise.kernel_kills()


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        (b"cp: error writing './big': No space left on device\n", "disk"),
        (b"bwrap: Creating new namespace failed: No space left on device\n", "crash"),
        (b"bwrap: Creating new namespace failed: Resource temporarily unavailable\n", "crash"),
        (b"", "crash"),
    ],
)
def test_a_job_that_never_began_is_to_blame_only_when_it_is_too_large(said: bytes, ending: str) -> None:
    message = said.decode().replace("'", "'\\''")
    job = Job((), limits=SandboxLimits(seconds=5))
    wires = supervise.wire(job)
    command = [supervise.bash(), "-c", f"printf '%s' '{message}' >&2; exit 1"]
    ended = supervise.supervise(
        command, job=job, wires=wires, tree=HeldUp(0), label="x", launcher=True, env=dict(os.environ), cwd="/"
    )
    assert ended.ending == ending, ended
