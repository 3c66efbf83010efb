"""Whose fault it is: the job's own memory, the machine's, or nobody's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent.sandbox import open_sandbox, watchdog
from agent.sandbox.base import Job, SandboxLimits
from agent.sandbox.watchdog import BLIND_AFTER, NamespaceTree, measure


@pytest.fixture
def exhausted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without memory. The real thing would end whoever runs these tests."""
    monkeypatch.setattr(watchdog, "exhausted", lambda meminfo: True)


@pytest.mark.usefixtures("exhausted")
@pytest.mark.parametrize(
    ("limits", "ending"),
    [
        (SandboxLimits(memory_mb=1), "memory"),
        (SandboxLimits(processes=0), "processes"),
        (SandboxLimits(memory_mb=1_000_000), "starved"),
    ],
)
def test_a_job_above_its_own_limit_is_to_blame_and_any_other_is_not(limits: SandboxLimits, ending: str) -> None:
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = measure(proc, [str(os.getpid())], limits)
    finally:
        os.close(proc)
    assert found is not None
    assert found.ending == ending, found


@pytest.mark.usefixtures("bubblewrap", "exhausted")
def test_a_job_on_a_machine_without_memory_is_ended_and_not_blamed() -> None:
    ended = open_sandbox("bubblewrap").run(Job(("sleep", "20"), limits=SandboxLimits(seconds=20)))
    assert (ended.ending, ended.by_machine) == ("starved", True), ended
    assert ended.seconds < 10


@pytest.fixture
def tree() -> Iterator[NamespaceTree]:
    tree = NamespaceTree(SandboxLimits(), writable=())
    yield tree
    tree.close()


@pytest.mark.parametrize("reaped", [False, True])
def test_a_job_that_was_over_before_anyone_looked_did_not_hide(tree: NamespaceTree, reaped: bool) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        if reaped:
            process.wait()
        tree.told(b'{"child-pid": %d}' % process.pid)
        assert tree.look(BLIND_AFTER + 1) is None


def test_a_job_that_runs_and_cannot_be_seen_is_ended(tree: NamespaceTree) -> None:
    """A process of our own namespace: its /proc is ours, so nothing of it can be told apart."""
    with subprocess.Popen(["sleep", "20"]) as process:
        try:
            tree.told(b'{"child-pid": %d}' % process.pid)
            assert tree.look(None) is None
            assert tree.look(BLIND_AFTER / 2) is None
            found = tree.look(BLIND_AFTER + 1)
            assert found is not None
            assert found.ending == "crash"
        finally:
            process.kill()


def test_a_job_of_which_nothing_was_told_is_ended(tree: NamespaceTree) -> None:
    found = tree.look(BLIND_AFTER + 1)
    assert found is not None
    assert found.ending == "crash"
