"""Starts a command, reads what it says, holds its ceilings and ends it. For the kinds that start processes themselves.

The command is started through a few words of bash, because descriptors can be given their final numbers and resource
limits can be set only from inside: a process limit set outside would count all processes of the user.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.printable import printable_bytes
from agent.sandbox.base import CHANNEL_FD, KEY_FD, WORK, Ended, Job, SandboxLimits
from agent.sandbox.watchdog import PERIOD, Breach, Tree
from graphs.errors import PrerequisiteError

CHANNEL_BYTES = 4 << 20
"""Ceiling of the verdict channel."""
PIPE_BYTES = 1 << 20
"""The most a pipe can hold: one read takes all that is there."""
FLOOD = 8
"""A job that prints this many times what is kept is ended."""
CPU_SHARE = 4
"""CPU seconds per second of wall time."""
GRACE = 3.0
"""Seconds that killed processes get to vanish and close their descriptors."""
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
"""Exit codes of what was killed, directly or below a launcher."""
COPY_FULL = re.compile(rb"^cp: .*No space left on device$", re.MULTILINE)
"""What ``cp`` says, and not ``bwrap`` where the machine has no room for another namespace."""
OPEN_FILES = 1024
LOCKED_KB = 64


def bash() -> str:
    """Path of bash; the same inside and outside. ``PrerequisiteError`` when there is none."""
    found = shutil.which("bash", path="/usr/bin:/bin")
    if found is None:
        raise PrerequisiteError("bash was not found in /usr/bin or /bin; install it: apt-get install -y bash")
    return found


def data_file(data: bytes) -> int:
    """A descriptor to read ``data`` from: in memory, sealed, so that whoever holds it cannot store anything there."""
    fd = os.memfd_create("data", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
    return fd


@dataclass
class Wires:
    """The descriptors of one job. Theirs have numbers from 10 on, so that 3 and 4 are free inside."""

    theirs: dict[str, int] = field(default_factory=dict)
    """Handed to the child, closed here once it runs: by name."""
    ours: dict[str, int] = field(default_factory=dict)
    """Our ends: by name."""

    def hand(self, name: str, fd: int) -> int:
        """Give ``fd`` to the child under a number that is out of the way; returns that number."""
        self.theirs[name] = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
        os.close(fd)
        return self.theirs[name]

    def reader(self, name: str) -> int:
        """A pipe the child writes and we read; returns the child's end."""
        self.ours[name], theirs = os.pipe()
        return self.hand(name, theirs)

    def close_theirs(self) -> None:
        """After the start, and on the way out."""
        while self.theirs:
            os.close(self.theirs.popitem()[1])

    def close(self) -> None:
        """Everything."""
        self.close_theirs()
        while self.ours:
            os.close(self.ours.popitem()[1])


def wire(job: Job) -> Wires:
    """The descriptors every kind needs: ``ready`` (a byte once limits are set), ``channel``, ``key`` if asked for."""
    wires = Wires()
    wires.reader("ready")
    if job.channel:
        wires.reader("channel")
    if job.key:
        wires.hand("key", data_pipe(job.key))
    return wires


def data_pipe(data: bytes) -> int:
    """The read end of a pipe that holds ``data`` (at most 64 KiB) once: what was read is gone."""
    if len(data) > 65536:
        raise ValueError(f"a key of {len(data)} bytes does not fit a pipe")
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return reading


def _ulimits(limits: SandboxLimits, count_processes: bool) -> str:
    """Options of bash's ``ulimit``. A limit is never raised above the one we run under."""
    wanted = [
        ("c", resource.RLIMIT_CORE, 0, 1),
        ("n", resource.RLIMIT_NOFILE, OPEN_FILES, 1),
        ("l", resource.RLIMIT_MEMLOCK, LOCKED_KB, 1024),
        ("d", resource.RLIMIT_DATA, limits.memory_mb * 1024, 1024),
        ("f", resource.RLIMIT_FSIZE, limits.file_mb * 1024, 1024),
        ("t", resource.RLIMIT_CPU, math.ceil(limits.seconds * CPU_SHARE), 1),
    ]
    if count_processes:  # one more for pid 1 of the namespace
        wanted.append(("u", resource.RLIMIT_NPROC, limits.processes + 1, 1))
    words = []
    for option, kind, value, unit in wanted:
        hard = resource.getrlimit(kind)[1]
        words.append(f"-{option} {value if hard == resource.RLIM_INFINITY else min(value, hard // unit)}")
    return " ".join(words)


def start_script(wires: Wires, job: Job, copy_from: str | None, count_processes: bool) -> str:
    """The words of bash: copy, limit, say ready, become the command with descriptors 3 and 4 and no other."""
    ready = wires.theirs["ready"]
    copy = f"LC_ALL=C cp -a {copy_from}/. . || exit 1; " if copy_from else ""
    redirect = f"{ready}>&-" if job.stdin else f"{ready}>&- </dev/null"
    for name, fd, sign in (("channel", CHANNEL_FD, ">"), ("key", KEY_FD, "<")):
        if name in wires.theirs:
            redirect += f" {fd}{sign}&{wires.theirs[name]} {wires.theirs[name]}{sign}&-"
    limit = f"ulimit {_ulimits(job.limits, count_processes)} || exit 1; "
    return f'{copy}{limit}printf + >&{ready}; exec -- "$@" {redirect}'


def kernel_kills() -> int:
    """How many processes the kernel of this machine has killed so far because memory ran out; 0 when it does not say.

    Where we run in a container with less memory than the machine, nothing else tells.
    """
    try:
        counters = Path("/proc/vmstat").read_bytes()
    except OSError:
        return 0
    found = re.search(rb"^oom_kill (\d+)$", counters, re.MULTILINE)
    return int(found[1]) if found else 0


class Kept:
    """The head and the tail of a stream, and how long it was."""

    def __init__(self, keep: int) -> None:
        self._half = max(512, keep // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self.total += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self._half + 65536:
            del self._tail[: -self._half]

    def result(self) -> tuple[bytes, int]:
        """What was kept, with one line that says how much was dropped between, and that number of bytes."""
        tail = bytes(self._tail[-self._half :])
        dropped = self.total - len(self._head) - len(tail)
        if not dropped:
            return bytes(self._head) + tail, 0
        return bytes(self._head) + b"\n[... %d bytes dropped ...]\n" % dropped + tail, dropped


class _Watcher:
    """One job while it runs."""

    def __init__(self, process: subprocess.Popen[bytes], job: Job, wires: Wires, tree: Tree, began: float) -> None:
        self.process, self.limits, self.tree, self.began = process, job.limits, tree, began
        self.deadline = began + job.limits.seconds
        keep = job.limits.output_kb * 1024
        self.stdout, self.stderr = Kept(keep), Kept(keep)
        self.channel = bytearray()
        self.kernel_kills = kernel_kills()
        self.ready_at: float | None = None
        self.breach: Breach | None = None
        assert process.stdout is not None
        assert process.stderr is not None
        self.readers: dict[int, Callable[[bytes], None]] = {
            process.stdout.fileno(): lambda data: self._output(self.stdout, data),
            process.stderr.fileno(): lambda data: self._output(self.stderr, data),
            wires.ours["ready"]: self._ready,
        }
        if "channel" in wires.ours:
            self.readers[wires.ours["channel"]] = self._channel
        if "status" in wires.ours:
            self.readers[wires.ours["status"]] = tree.told

    def _output(self, kept: Kept, data: bytes) -> None:
        kept.add(data)
        if kept.total > FLOOD * 1024 * self.limits.output_kb:
            self._end(
                Breach("output", f"it printed more than {FLOOD} times the {self.limits.output_kb} KiB that are kept")
            )

    def _channel(self, data: bytes) -> None:
        self.channel += data[: CHANNEL_BYTES - len(self.channel)]
        if len(self.channel) == CHANNEL_BYTES:
            self._end(Breach("output", f"it sent more than {CHANNEL_BYTES >> 20} MiB through the verdict channel"))

    def _ready(self, data: bytes) -> None:
        self.ready_at = time.monotonic()

    def _end(self, breach: Breach) -> None:
        if self.breach is None:
            self.breach = breach
            self._finish()
            self.process.kill()

    def _finish(self) -> None:
        """Whatever is left is killed; what it already wrote can still be read, for a while."""
        self.tree.kill()
        self.deadline = time.monotonic() + GRACE

    def watch(self) -> None:
        """Read and look until the process has ended and every stream is closed."""
        poller = select.poll()
        for fd in self.readers:
            poller.register(fd, select.POLLIN)
        pidfd = os.pidfd_open(self.process.pid)
        try:
            poller.register(pidfd, select.POLLIN)
            self._loop(poller, pidfd)
        finally:
            os.close(pidfd)

    def _loop(self, poller: select.poll, pidfd: int) -> None:
        """The clock is read, then all that has happened is taken in, and only then the job is held to what the clock said:
        on a busy machine we may be kept waiting until long after its deadline, and it may have ended in time."""
        open_fds = set(self.readers)
        next_look = self.began + PERIOD
        running = True
        while open_fds or running:
            now = time.monotonic()
            finishing = not running or self.breach is not None
            wait = (self.deadline if finishing else min(self.deadline, next_look)) - now
            for fd, _ in poller.poll(max(0.0, wait * 1000)):
                if fd == pidfd:
                    poller.unregister(fd)
                    running = False
                    self._finish()
                elif data := os.read(fd, PIPE_BYTES):
                    self.readers[fd](data)
                else:
                    poller.unregister(fd)
                    open_fds.discard(fd)
            if finishing and wait <= 0:
                break  # a process inside a system call that cannot be interrupted still holds a stream
            if not running or self.breach is not None or wait > 0:
                continue
            if now >= self.deadline:
                self._end(Breach("time", f"it ran longer than {self.limits.seconds:g} s"))
            else:
                found = self.tree.look(None if self.ready_at is None else now - self.ready_at)
                if found:
                    self._end(found)
                next_look = time.monotonic() + PERIOD

    def ended(self, label: str, launcher: bool) -> Ended:
        """What became of it. ``launcher``: the process is not the command itself, so that a signal which ended it says
        nothing of the command."""
        code = self.process.wait()
        (stdout, cut_out), (stderr, cut_err) = self.stdout.result(), self.stderr.result()
        breach = self.breach
        if breach is None and self.ready_at is None:
            breach = _unready(stderr)
        elif breach is None and code in KILLED and kernel_kills() > self.kernel_kills:
            breach = Breach("starved", "this machine ran out of memory and its kernel killed processes")
        elif breach is None and launcher and code < 0:
            breach = Breach("crash", f"the sandbox itself was killed by signal {-code}")
        return Ended(
            ending=breach.ending if breach else "exit",
            exit=None if breach else (code if code >= 0 else 128 - code),
            stdout=stdout,
            stderr=stderr,
            dropped=cut_out + cut_err,
            channel=bytes(self.channel),
            seconds=time.monotonic() - self.began,
            sandbox=label,
            reason=breach.reason if breach else "",
        )


def _unready(stderr: bytes) -> Breach:
    said = printable_bytes(stderr[-500:]).strip().replace("\n", "; ")
    if COPY_FULL.search(stderr):
        return Breach("disk", "the source did not fit the disk limit")
    return Breach("crash", f"the sandbox could not be set up: {said or 'it said nothing'}")


def supervise(
    command: Sequence[str],
    *,
    job: Job,
    wires: Wires,
    tree: Tree,
    label: str,
    launcher: bool,
    env: Mapping[str, str],
    cwd: str,
) -> Ended:
    """Run ``command`` to its end, in the calling thread, and clean up whatever happens here meanwhile.

    ``env`` and the descriptors ``wires.theirs`` are all the child gets. ``OSError`` when the command cannot be started.
    """
    began = time.monotonic()
    # Never /dev/null of this machine: through its descriptor, root's program could change its mode.
    stdin = data_file(job.stdin)
    process: subprocess.Popen[bytes] | None = None
    try:
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=cwd,
            close_fds=True,
            pass_fds=tuple(wires.theirs.values()),
            start_new_session=True,  # Ctrl-C at the terminal is ours to handle, and there is no terminal to talk to
        )
        wires.close_theirs()
        tree.started(process.pid)
        watcher = _Watcher(process, job, wires, tree, began)
        watcher.watch()
        return watcher.ended(label, launcher)
    finally:
        os.close(stdin)
        if process is not None:
            tree.kill()
            process.kill()
            process.wait()
            tree.gone(GRACE)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        tree.close()
        wires.close()


def source_of(job: Job) -> Path | None:
    """The directory to copy, absolute. ``ValueError`` when it is no directory or a mount would collide with it."""
    for inside in job.readonly:
        if not inside.startswith("/") or os.path.normpath(inside) != inside or inside == "/":
            raise ValueError(f"{inside!r} is not a plain absolute path inside the sandbox")
    if job.source is None:
        return None
    source = job.source.resolve()
    if not source.is_dir():
        raise ValueError(f"{str(job.source)!r} is not a directory")
    for inside in job.readonly:
        if inside.startswith(WORK + "/") and os.path.lexists(source / inside[len(WORK) + 1 :]):
            raise ValueError(f"{inside!r} is mounted and also in the source; leave it out of the source")
    return source
