"""What every sandbox promises. One file per kind; all pass ``tests/conformance/test_sandbox.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Ending = Literal["exit", "time", "memory", "processes", "disk", "output", "starved", "crash"]
"""Why a job ended: by itself, at a ceiling of its own, because the machine as a whole ran out of memory (``starved``), or
because the sandbox itself broke (``crash``)."""

CHANNEL_FD = 3
"""Inside: the write end of the verdict channel, when ``Job.channel`` is set."""
KEY_FD = 4
"""Inside: the read end that holds ``Job.key`` once, when ``Job.key`` is not empty."""
WORK = "/box/work"
"""Inside: the throw-away copy of ``Job.source``; the working directory."""


@dataclass(frozen=True)
class SandboxLimits:
    """Ceilings of one job. Defaults are those of DESIGN §9."""

    seconds: float = 60.0
    """Wall time; at its end everything is killed."""
    memory_mb: int = 2048
    """Of all processes together, MiB."""
    processes: int = 128
    """Processes and threads at once."""
    disk_mb: int = 256
    """All that is writable together, MiB."""
    file_mb: int = 64
    """One file, MiB."""
    output_kb: int = 1024
    """Kept of standard output and of standard error each, KiB: head and tail."""


@dataclass(frozen=True)
class Job:
    """One command to run confined."""

    argv: tuple[str, ...]
    """The command. ``argv[0]`` is found on the PATH inside or is an absolute path inside."""
    source: Path | None = None
    """A directory outside; its throw-away copy becomes the working directory. ``None``: an empty one."""
    readonly: Mapping[str, Path] = field(default_factory=dict)
    """Absolute path inside → file or directory outside, mounted read-only (frozen tests, our own plugin, environments)."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the small environment built from nothing."""
    stdin: bytes = b""
    """Given on standard input."""
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    """Ceilings."""
    channel: bool = False
    """Open a descriptor (``CHANNEL_FD``) whose bytes come back in ``Ended.channel`` (at most 4 MiB)."""
    key: bytes = b""
    """Secret readable once from ``KEY_FD`` inside; never in the environment, the command line or a file."""


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    ending: Ending
    """Why."""
    exit: int | None
    """Exit status when ``ending`` is ``exit`` (128 + signal when killed by one); ``None`` otherwise."""
    stdout: bytes
    """Head and tail, with one line between them that says how much was dropped."""
    stderr: bytes
    """The same of standard error."""
    dropped: int
    """Bytes dropped from both."""
    channel: bytes
    """What came through the verdict channel."""
    seconds: float
    """Wall time."""
    sandbox: str
    """The label of the sandbox that ran it."""
    reason: str = ""
    """One sentence when ``ending`` is not ``exit``."""

    @property
    def by_machine(self) -> bool:
        """Whether the machine ended it and not the job itself, so that nothing is said of the code."""
        return self.ending in ("starved", "crash")


class Sandbox(Protocol):
    """Runs a command on a throw-away copy, confined; nothing it does survives but what :class:`Ended` holds."""

    label: str
    """Goes into every stored verdict."""

    def probe(self) -> None:
        """Run a canary; ``PrerequisiteError`` with the one command or step that mends it when this sandbox does not hold."""
        ...

    def run(self, job: Job) -> Ended:
        """Run and wait, in the calling thread (the child dies with it). Never raises for what the job does."""
        ...
