"""Trusted, and runs inside the sandbox: runs another Python program and says which lines of the workspace are executed.

Started as ``python … line_tracer.py WORK SECONDS PROGRAM.py ARGUMENT...`` in the place of ``python … PROGRAM.py ARGUMENT...``.
The program runs in a fork, with its arguments, descriptors and input; when it has ended, or after so many seconds, one
more line goes to the channel: path below WORK → executed lines, as JSON. Python programs that it starts join in by a path
file of the toolchain's virtual environment, which calls :func:`join`. Each process adds a line to one file when it first
executes it, so that those which are killed or become another program have told it too.

What is noted can be forged or suppressed by the code under test. That only changes which of its mutants are tried: one
on a line that is never executed survives, and counts against it. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import CodeType, FrameType, ModuleType
from typing import Any

CHANNEL_FD = 3
NAME = ".traced-lines"
"""The file, in the temporary directory. Its first line is the directory whose files are traced."""
BOX_TMP = "/box/tmp"
"""The temporary directory of the sandbox, for programs that were started without variables: where the interpreter lies below
``/tmp`` (a project cloned there), that is not a link to it."""
MOST_BYTES = 8 << 20
"""Read of the file."""
MOST_LINES = 50_000
MOST_FILES = 1000
NAME_CHARS = 200
"""Together they keep what is sent well under what the channel takes (4 MiB)."""


def main(arguments: Sequence[str]) -> int:
    """Run the program and send the lines; returns its exit status, or 124 when it took too long."""
    work, seconds, program, *rest = arguments
    deadline = time.monotonic() + float(seconds)
    place = _place()
    with open(place, "x", encoding="utf-8") as file:
        file.write(os.path.realpath(work) + "\n")
    child = os.fork()
    if child == 0:
        sys.argv = [program, *rest]
        with open(program, encoding="utf-8") as file:
            source = compile(file.read(), program, "exec")
        module = sys.modules["__main__"] = ModuleType("__main__")
        module.__file__ = program
        join()
        exec(source, module.__dict__)
        os._exit(0)
    ended = status = 0
    while not ended and time.monotonic() < deadline:
        time.sleep(0.005)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
    line = json.dumps(_read(place)).encode("ascii") + b"\n"
    while line:
        line = line[os.write(CHANNEL_FD, line) :]
    code = os.waitstatus_to_exitcode(status) if ended else 124
    return code if code >= 0 else 128 - code


def join() -> None:
    """Trace this process, if it belongs to a traced run."""
    for place in (_place(), f"{BOX_TMP}/{NAME}"):
        try:
            with open(place, encoding="utf-8", errors="replace") as file:
                root = file.readline(4096).rstrip("\n")
        except OSError:
            continue
        _trace(root, place)
        return


def _place() -> str:
    return os.path.join(os.environ.get("TMPDIR", "/tmp"), NAME)


def _read(place: str) -> dict[str, list[int]]:
    found: dict[str, set[int]] = {}
    try:
        file = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(file, "rb") as stream:
            data = stream.read(MOST_BYTES)
    except OSError:
        return {}
    count = 0
    for line in data.split(b"\n")[1:]:
        number, _, name = line.decode("utf-8", "replace").partition(" ")
        if not (number.isascii() and number.isdigit() and len(number) < 8 and 0 < len(name) <= NAME_CHARS):
            continue
        if name not in found and len(found) == MOST_FILES:
            continue
        rows = found.setdefault(name, set())
        count += int(number) not in rows
        rows.add(int(number))
        if count == MOST_LINES:
            break
    return {name: sorted(rows) for name, rows in found.items()}


def _trace(root: str, place: str) -> None:
    """From here on, in this thread and in new ones. What is called is bound early: tests may patch ``os``."""
    names: dict[str, str] = {}
    unseen: dict[tuple[str, CodeType], set[int]] = {}
    real, below = os.path.realpath, root.rstrip("/") + "/"
    opened, write, close = os.open, os.write, os.close
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

    def name_of(filename: str) -> str:
        """The path below the root; empty for files elsewhere and for code that comes from none."""
        path = "" if filename.startswith("<") else real(filename)
        return path[len(below) :] if path.startswith(below) else ""

    def note(name: str, line: int) -> None:
        try:
            file = opened(place, flags)
        except OSError:
            return
        try:
            write(file, f"{line} {name}\n".encode("utf-8", "replace"))
        except OSError:
            pass
        finally:
            close(file)

    def called(frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        name = names.get(code.co_filename)
        if name is None:
            name = names[code.co_filename] = name_of(code.co_filename)
        if not name:
            return None
        rest = unseen.get((name, code))
        if rest is None:
            note(name, code.co_firstlineno)
            rest = {line for _, _, line in code.co_lines() if line} - {code.co_firstlineno}
            unseen[name, code] = rest
        if not rest:
            return None

        def executed(frame: FrameType, event: str, argument: object) -> Any:
            if event == "line" and frame.f_lineno in rest:
                rest.discard(frame.f_lineno)
                note(name, frame.f_lineno)
            if not rest:
                frame.f_trace_lines = False  # returning nothing would not end it
            return executed

        return executed

    threading.settrace(called)
    sys.settrace(called)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
