"""``agent sandbox``: what runs use to confine code and to write files, laid open so that anyone can attack it."""

from __future__ import annotations

import math
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from graphs.errors import ConfigError, PathRefused

if TYPE_CHECKING:
    from agent.sandbox.base import Ended

TIMED_OUT = 124
"""Exit status when the time limit ended the command."""
CEILING = 125
"""Exit status when another ceiling ended it, or the sandbox broke."""
LARGEST = 1 << 30
"""Of any ceiling; in bytes it must still be a number for the kernel."""


class _Group(click.Group):
    """Loads ``test`` only when asked for: it brings the toolchains with it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "test"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "test":
            from agent.cli.sandbox_test import test

            return test
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Group)
def sandbox() -> None:
    """Run, test and write exactly as a run does, to see what holds."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # otherwise temporary directories and half a write would stay behind
        signal.signal(number, lambda number, _: sys.exit(128 + number))


_WORKSPACE = click.option(
    "--ws", required=True, type=click.Path(exists=True, file_okay=False), help="The directory to work on."
)


@sandbox.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_WORKSPACE
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True, help="Seconds."
)
@click.option(
    "--mem-mb", type=click.IntRange(1, LARGEST), default=2048, show_default=True, help="All processes together."
)
@click.option(
    "--procs", type=click.IntRange(1, LARGEST), default=128, show_default=True, help="Processes and threads at once."
)
@click.option("--disk-mb", type=click.IntRange(2, LARGEST), default=256, show_default=True, help="All that is written.")
@click.option("--fsize-mb", type=click.IntRange(1, LARGEST), default=64, show_default=True, help="One file.")
@click.option(
    "--out-kb", type=click.IntRange(1, LARGEST), default=1024, show_default=True, help="Kept of each output stream."
)
@click.option("--sandbox", "kind", default="bubblewrap", show_default=True, help="bubblewrap or none.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(
    *,
    ws: str,
    timeout: float,
    mem_mb: int,
    procs: int,
    disk_mb: int,
    fsize_mb: int,
    out_kb: int,
    kind: str,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND on a throw-away copy of a directory, confined.

    Passes on its output (head and tail, when there is too much) and its exit status; 124 when time ran out, 125 when
    another ceiling ended it, with one line on standard error that says which. Nothing it writes comes back.
    """
    from pathlib import Path

    from agent.sandbox import open_sandbox
    from agent.sandbox.base import Job, SandboxLimits

    if not math.isfinite(timeout):
        raise ConfigError(f"--timeout {timeout} is not a number of seconds")
    chosen = open_sandbox(kind)
    if kind == "none":
        click.echo("warning: --sandbox none: this command runs UNSANDBOXED, with your files and your network", err=True)
    limits = SandboxLimits(timeout, mem_mb, procs, disk_mb, fsize_mb, out_kb)
    ended = chosen.run(Job(command, source=Path(ws), limits=limits))
    if ended.ending == "crash":
        chosen.probe()  # says what to do when the sandbox does not work at all here
    _pass_on(ended)
    if ended.ending == "exit":
        sys.exit(ended.exit)
    click.echo(f"agent sandbox exec: ended ({ended.ending}): {ended.reason}", err=True)
    sys.exit(TIMED_OUT if ended.ending == "time" else CEILING)


def _pass_on(ended: Ended) -> None:
    """Bytes as they are into files and pipes; made safe where a terminal would obey them."""
    from agent.printable import printable_bytes

    for stream, data in ((sys.stdout, ended.stdout), (sys.stderr, ended.stderr)):
        stream.flush()
        stream.buffer.write(printable_bytes(data).encode() if stream.isatty() else data)
        stream.flush()


@sandbox.command()
@_WORKSPACE
def write(ws: str) -> None:
    """Write the files of a model's answer below a directory: all, or none when one name is bad.

    Reads {"files": [{"path": …, "content": …}]} from standard input. Exit status: 0 all written, 1 refused (one line
    per bad name on standard error), 2 misuse.
    """
    from pathlib import Path

    from agent.paths import write_files

    try:
        files = _read_files(sys.stdin.buffer.read())
        write_files(Path(ws), files)
    except PathRefused as refused:
        for problem in refused.problems:
            click.echo(f"refused: {problem}", err=True)
        sys.exit(1)
    except OSError as error:
        raise ConfigError(
            f"nothing was written to {ws!r}: {error.strerror or error}; make room or choose another directory"
        ) from error
    click.echo(f"{len(files)} written")


def _read_files(data: bytes) -> dict[str, str]:
    """The files of the JSON text. ``ConfigError`` when its shape is wrong, ``PathRefused`` when a path comes twice."""
    import json

    shape = 'standard input must be JSON of the shape {"files": [{"path": "…", "content": "…"}]}'
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{shape}; this is not JSON: {error}") from error
    entries = value.get("files") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise ConfigError(f"{shape}; there is no list 'files'")
    files: dict[str, str] = {}
    twice: list[str] = []
    for number, entry in enumerate(entries, 1):
        path, content = (entry.get("path"), entry.get("content")) if isinstance(entry, dict) else (None, None)
        if not isinstance(path, str) or not isinstance(content, str):
            raise ConfigError(f"{shape}; entry {number} of 'files' has no 'path' and 'content' that are strings")
        if path in files:
            twice.append(f"{path!r} is given twice")
        files[path] = content
    if twice:
        raise PathRefused(twice)
    return files
