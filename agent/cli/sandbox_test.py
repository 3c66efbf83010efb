"""``agent sandbox test``: prove declared tests of a directory exactly as a run does, so that anyone can attack the
verdict."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import click

_LARGEST_TEST = 2_000_000
_LARGEST_IDS = 10_000_000


@click.command("test")
@click.option("--ws", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Holds code and tests.")
@click.option("--ids", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Test ids, one per line.")
@click.option("--lang", default="python", show_default=True, help="Toolchain.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds for one run of the tests."
)
@click.option(
    "--sandbox", default="bubblewrap", show_default=True, metavar="KIND", help="bubblewrap, or none (unsafe)."
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as one JSON object.")
def test(*, ws: Path, ids: Path, lang: str, timeout: float | None, sandbox: str, as_json: bool) -> None:
    """Exit 0 only when every test id in FILE is proven, 1 when one is not.

    The test files that the ids name are copied from DIR before anything runs; nothing else in DIR takes part in the
    verdict.
    """
    from dataclasses import replace

    from agent.checks import open_toolchain
    from agent.printable import printable
    from agent.sandbox import open_sandbox
    from agent.sandbox.base import SandboxLimits

    wanted = _read_ids(ids)
    if not ws.is_dir():
        from graphs.errors import UserError

        raise UserError(f"{str(ws)!r} is not a directory; name the one that holds code and tests with --ws")
    if timeout is not None and not math.isfinite(timeout):
        from graphs.errors import ConfigError

        raise ConfigError(f"--timeout {timeout} is not a number of seconds")
    limits = SandboxLimits() if timeout is None else replace(SandboxLimits(), seconds=timeout)
    box = open_sandbox(sandbox)
    toolchain = open_toolchain(lang, box, limits)
    tests = _frozen_tests(ws, wanted)
    box.probe()
    if sandbox == "none":
        click.echo("UNSANDBOXED: the code of this directory runs with your rights", err=True)
    verdict = toolchain.prove_directory(ws, tests, wanted)
    if as_json:
        import json

        from graphs.values import to_json

        click.echo(json.dumps({"version": 1, **to_json(verdict)}))
    else:
        for case in verdict.cases:
            click.echo(f"{case.outcome:8}{printable(case.id)}")
            for line in printable(case.message).splitlines():
                click.echo(f"        | {line}")
        if verdict.output:
            click.echo(printable(verdict.output))
        why = f": {printable(verdict.reason)}" if verdict.reason else ""
        click.echo(f"{verdict.status} ({verdict.sandbox}, {verdict.seconds:.2f} s){why}")
    sys.exit(0 if verdict.status == "passed" else 1)


def _read_ids(path: Path) -> tuple[str, ...]:
    from graphs.errors import UserError

    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_IDS + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"the ids {str(path)!r} cannot be read: {reason}; give one test id per line") from error
    if len(data) > _LARGEST_IDS:  # a part of them must not pass for all
        raise UserError(f"the ids {str(path)!r} are longer than {_LARGEST_IDS // 1_000_000} MB; prove them in parts")
    wanted = tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not wanted:
        raise UserError(f"the file {str(path)!r} holds no test id, so nothing could be proven; give one per line")
    return wanted


def _frozen_tests(ws: Path, ids: tuple[str, ...]) -> dict[str, str]:
    """Our copy of the test files. What is no plain text file inside ``ws`` is left out: its ids are then not proven."""
    root = ws.resolve()
    tests: dict[str, str] = {}
    for name in dict.fromkeys(test_id.partition("::")[0] for test_id in ids):
        try:
            path = root / name
            if path.resolve() == path and path.is_relative_to(root) and path.is_file():
                with path.open("rb") as file:
                    data = file.read(_LARGEST_TEST + 1)
                if len(data) <= _LARGEST_TEST:
                    tests[name] = data.decode("utf-8-sig")
        except (OSError, ValueError):
            continue
    return tests
