"""Commands that tests fork are as those that a user starts."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Place, ended
from tests.warm import ROOT, Warm, fits


@pytest.mark.parametrize(
    "line", ["--help", "nonesuch", "runs --json", "show nonesuch --json", "sandbox exec --ws . -- false"]
)
def test_a_forked_command_does_as_one_that_is_started(place: Place, line: str) -> None:
    process = place.start(*line.split())
    forked = ended(process)
    command = [sys.executable, "-m", "agent.cli", *line.split()]
    started = subprocess.run(
        command,
        cwd=place.work,
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert isinstance(process, Warm)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_it_is_waited_for_and_killed_as_a_child_is(place: Place) -> None:
    process = place.start("sandbox", "exec", "--ws", ".", "--", "sleep", "60")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    assert process.poll() is None
    process.kill()
    process.communicate()
    assert process.returncode == process.poll() == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while Path(f"/proc/{process.pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("env", "may"),
    [
        ({"PYTHONPATH": str(ROOT), "TERM": "xterm"}, True),
        ({"PYTHONPATH": f"{ROOT}:elsewhere"}, False),
        ({"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}, False),
        ({"PYTHONPATH": str(ROOT), "LC_ALL": "C"}, False),
        ({}, False),
    ],
)
def test_what_python_reads_when_it_starts_needs_a_start(env: dict[str, str], may: bool) -> None:
    assert fits(env) is may
