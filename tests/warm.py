"""Commands without their start: a process that has imported the command line forks for each of them.

Most of a short command's time goes into importing what it needs. Here that is done once for each worker of the tests, and every
command is a process of its own all the same: with its own session, directory, environment and standard streams. What is not as
after a start of its own: ``sys.flags``, ``sys.orig_argv``, what ``/proc`` shows as its command line, and the process that is its
parent. Tests of the start itself start Python.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import io
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]
IMPORTED = (
    "agent.cli.running",
    "agent.cli.story",
    "agent.cli.live",
    "agent.checks.python",
    "agent.dataset.export",
    "agent.human",
    "agent.models.endpoint",
    "agent.models.manual",
    "agent.models.replay",
    "agent.run",
    "benchmark.cli",
    "benchmark.cli_experiment",
    "few_shot.learn",
    "langchain_openai",
)
"""What most commands import, among them all that is slow to import."""
_TOLD: set[int] = set()
"""Processes of which it was told that they have ended."""
_COLD = ("PYTHON", "LC_", "COVERAGE")
"""Variables that begin so are read when Python starts."""


class Warm(subprocess.Popen[bytes]):
    """As ``Popen([sys.executable, "-m", "agent.cli", *words], start_new_session=True, …)``, forked from a process that has
    imported it.

    Only three steps of ``Popen`` are others than its own: how the process begins, and the two that ask whether it has ended,
    since it is no child of this process. Pipes, time limits, signals and the rest are those of ``Popen``.
    """

    def __init__(
        self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], tty: bool = False, **streams: Any
    ) -> None:
        """
        Args:
            words: of the command line, without ``agent``.
            cwd: where it runs.
            env: all its variables; none for which :func:`fits` says no.
            tty: standard input is a terminal, which is to control it.
            streams: as for ``Popen``; one that is not given is empty.
        """
        self._job = {"words": list(words), "cwd": str(cwd), "env": dict(env), "tty": tty}
        super().__init__([sys.executable, "-m", "agent.cli", *words], **streams)

    def _execute_child(self, *given: Any) -> None:
        # Our end and its end of each stream, in this place in Python 3.11 to 3.14; -1: there is none.
        reading, _, _, writing, _, complaining = given[10:16]
        child = (reading, writing, complaining)
        told, telling = os.pipe()
        nothing = os.open(os.devnull, os.O_RDWR)
        fds = [nothing if fd == -1 else fd for fd in child]
        try:
            socket.send_fds(_server(), [json.dumps(self._job).encode()], [*fds, telling])
        finally:
            os.close(telling)
            os.close(nothing)
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(_line(told))
        self._close_pipe_fds(*given[10:16])  # those that are the child's

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        self._end(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if not self._end(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def _end(self, timeout: float | None) -> bool:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._told, selectors.EVENT_READ)
                if selector.select(timeout):
                    self.returncode = int(_line(self._told.fileno()) or -signal.SIGKILL)
                    self._told.close()
        return self.returncode is not None


def fits(env: Mapping[str, str]) -> bool:
    """Whether a command with these variables may be forked: none of them says how Python is to start, or what it is to find."""
    others = (name for name in env if name != "PYTHONPATH")
    return env.get("PYTHONPATH") == str(ROOT) and not any(name.startswith(_COLD) for name in others)


def _line(fd: int) -> bytes:
    """The next line, without what comes after it."""
    said = b""
    while not said.endswith(b"\n") and (byte := os.read(fd, 1)):
        said += byte
    return said.strip()


@cache
def _server() -> socket.socket:
    """The way to the process that forks; it ends with this one."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    command = [sys.executable, "-P", str(Path(__file__)), str(its.fileno())]
    process = subprocess.Popen(
        command,
        env={**kept, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        pass_fds=[its.fileno()],
        start_new_session=True,
    )
    its.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


# -- the process that forks


def _serve(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for each job that is asked for. Returns in the child, with its job and its standard streams; ``None`` when nobody is
    left to ask."""
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    telling: dict[int, int] = {}
    """Process → where its end is to be told."""
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == woken:
                    os.read(woken, 4096)
                    for pid in _told_of_the_dead(telling):
                        selector.register(telling[pid], selectors.EVENT_READ, pid)
                    continue
                if key.data is not None:  # whoever asked for it knows how it ended, or is gone
                    selector.unregister(key.fd)
                    os.waitpid(key.data, 0)
                    _TOLD.discard(key.data)
                    os.close(telling.pop(key.data))
                    continue
                data, fds, _, _ = socket.recv_fds(channel, 1 << 20, 4)
                if not data:
                    return None
                pid = os.fork()
                if not pid:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for fd in (woken, waking, *telling.values(), fds.pop()):
                        os.close(fd)
                    return json.loads(data), fds
                os.write(fds[3], f"{pid}\n".encode())
                telling[pid] = fds[3]
                for fd in fds[:3]:
                    os.close(fd)


def _told_of_the_dead(telling: Mapping[int, int]) -> Iterator[int]:
    """Tell of those that have ended since. They stay, as children do that nobody has waited for: they can still be sent signals."""
    for pid, fd in telling.items():
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None and pid not in _TOLD:
            _TOLD.add(pid)
            status = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            with suppress(BrokenPipeError):  # nobody waits for it any more
                os.write(fd, f"{status}\n".encode())
            yield pid


def _become(job: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Be the process that the job asks for."""
    os.setsid()
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    if job["tty"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    time.tzset()
    sys.path.insert(0, job["cwd"])
    sys.argv = ["agent", *job["words"]]
    sys.stdin = sys.__stdin__ = _stream(sys.stdin)
    sys.stdout = sys.__stdout__ = _stream(sys.stdout)
    sys.stderr = sys.__stderr__ = _stream(sys.stderr)


def _stream(before: Any) -> io.TextIOWrapper:
    """A standard stream as Python makes it when it starts, for what its descriptor is now."""
    fd = before.fileno()
    raw = open(fd, before.buffer.mode, closefd=False)  # noqa: SIM115 - as long as the process
    lines = raw.writable() and (fd == 2 or os.isatty(fd))
    return io.TextIOWrapper(raw, encoding=before.encoding, errors=before.errors, line_buffering=lines)


def _run() -> NoReturn:
    """The command, and its end as Python ends, except that what was imported is not taken apart: that takes longer than most
    commands."""
    from agent.cli import main

    try:
        main(prog_name="agent")
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        status = end.code
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    os._exit(status)


def _main() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is there is shared with the children, and is not looked at again
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        asked = _serve(channel)
    if asked is not None:
        _become(*asked)
        _run()


if __name__ == "__main__":
    _main()
