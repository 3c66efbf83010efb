"""What tests of the whole program share: a place of its own for each, with no key, no model and no state of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from agent.sandbox import open_sandbox
from graphs.errors import PrerequisiteError
from tests.warm import Warm, fits

ROOT = Path(__file__).parents[1]
SECONDS = 100
"""A command that takes longer hangs."""
hypothesis.settings.register_profile("patient", deadline=None)  # that the machine is busy is no fault of what is tested
hypothesis.settings.load_profile("patient")


@dataclass
class Place:
    """A working directory with its own home and state, in which the real command line is run."""

    root: Path
    """Holds everything."""
    env: dict[str, str] = field(default_factory=dict)
    """Added to the environment of each command."""
    collects: bool = False
    """Whether runs are recorded in the dataset, as they are by default; takes time, and is what few tests are about."""

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True)
        self.user.mkdir()

    @property
    def work(self) -> Path:
        """Where commands are run."""
        return self.root / "work"

    @property
    def user(self) -> Path:
        """The home of the user."""
        return self.root / "user"

    @property
    def state(self) -> Path:
        """``AGENT_HOME``."""
        return self.root / "state"

    @property
    def output(self) -> Path:
        """Where runs deliver to with ``-o out``."""
        return self.work / "out"

    def environment(self, **more: str) -> dict[str, str]:
        """Everything a command sees: no variable of this machine but those it needs to start."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.user),
            "AGENT_HOME": str(self.state),
            "XDG_CONFIG_HOME": str(self.user / "config"),
            "PYTHONPATH": str(ROOT),
            "OLLAMA_HOST": "127.0.0.1:9",  # the port where nothing listens
            "AGENT_MUTANTS": "0",  # seconds for each component: tests of strength switch them on
            **({} if self.collects else {"AGENT_COLLECT": "0"}),
            **self.env,
            **more,
        }

    def start(self, *words: str, stdin: Any = subprocess.DEVNULL, **env: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own; most are forked from one that has imported what they need."""
        how: dict[str, Any] = {"cwd": self.work, "env": self.environment(**env), "stdin": stdin}
        how |= dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        if fits(how["env"]):
            return Warm(words, **how)
        return subprocess.Popen([sys.executable, "-m", "agent.cli", *words], start_new_session=True, **how)

    def agent(self, *words: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*words, stdin=subprocess.PIPE, **env)
        return ended(process, stdin)

    def json(self, *words: str, **env: str) -> Any:
        """What a command prints with ``--json``."""
        done = self.agent(*words, "--json", **env)
        return json.loads(done.stdout)

    def runs(self) -> list[Path]:
        """Directories of runs, oldest first."""
        found = self.state / "runs"
        return sorted(found.iterdir()) if found.is_dir() else []

    def git(self, *words: str) -> str:
        """What git says in the output."""
        return subprocess.run(["git", *words], cwd=self.output, capture_output=True, text=True, check=True).stdout


def ended(process: subprocess.Popen[bytes], stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Wait for a command; one that hangs is killed and fails the test."""
    try:
        out, err = process.communicate(stdin or None, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"hangs: {process.args}\n{out.decode()}\n{err.decode()}")
    return subprocess.CompletedProcess(process.args, process.returncode, out.decode(), err.decode())


class Terminal:
    """A command at a pseudo-terminal."""

    def __init__(self, place: Place, *words: str, program: Sequence[str] = (), **env: str) -> None:
        """``program``: what Python is to run with those words in place of the command line."""
        self.master, slave = pty.openpty()
        self.seen = b""
        self.echoes = False
        """Whether, at the end, what is typed can be seen and edited as before."""
        environment = place.environment(TERM="xterm", COLUMNS="120", LINES="40", **env)
        how: dict[str, Any] = {
            "cwd": place.work,
            "env": environment,
            **dict.fromkeys(("stdin", "stdout", "stderr"), slave),
        }
        if fits(environment) and not program:
            self.process: subprocess.Popen[bytes] = Warm(words, tty=True, **how)
        else:
            self.process = subprocess.Popen(
                [sys.executable, *(program or ("-m", "agent.cli")), *words],
                preexec_fn=lambda: os.login_tty(0),  # noqa: PLW1509 - no other thread runs here
                **how,
            )
        os.close(slave)

    def read_until(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + SECONDS
        while self.seen.count(text.encode()) < times:
            assert time.monotonic() < deadline, self.seen.decode(errors="replace")
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    raise AssertionError(f"it ended without {text!r}: {self.seen.decode(errors='replace')}") from None

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        deadline = time.monotonic() + SECONDS
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 65536):
                self.seen += data
                if time.monotonic() > deadline:
                    break
        try:
            status = self.process.wait(timeout=20)
            modes = termios.tcgetattr(self.master)[3]
            self.echoes = bool(modes & termios.ECHO and modes & termios.ICANON)
            return status
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"hangs at the terminal: {self.seen.decode(errors='replace')}")
        finally:
            os.close(self.master)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place of its own for one test."""
    return Place(tmp_path / "place")


@pytest.fixture(scope="session")
def bubblewrap() -> None:
    """Skips what needs the sandbox where this machine does not let it hold."""
    try:
        open_sandbox("bubblewrap").probe()
    except PrerequisiteError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place that the tests of one module share."""
    return Place(tmp_path_factory.mktemp("shared") / "place")
