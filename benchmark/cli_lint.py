"""``agent bench lint``: hold the tasks of a suite to what makes them worth running."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmark.lint import Report


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--suite", type=click.Path(path_type=Path), metavar="DIR", help="Holds the tasks; the bundled ones when not given."
)
@click.option(
    "--sandbox", default="bubblewrap", show_default=True, metavar="KIND", help="bubblewrap, or none (unsafe)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def lint(ids: tuple[str, ...], suite: Path | None, sandbox: str, as_json: bool) -> None:
    """Check that tasks tell right programs from wrong ones: all of a suite, or those named.

    The solution of a task must pass three times, its starting files and each of its mutants must not; its instruction must
    be readable as a specification whose examples hold, and must not give away a hidden test; its canary must be its own.

    With --json: {"version": 1, "suite", "sound", "tasks": [{id, sound, problems: [{check, text}], infra, size, tests, mutants,
    oracle_seconds, seconds, digest}]}. "infra" says why this machine could not judge a task; it is empty where it could.

    The exit status is 0 when all tasks are sound, 1 when some are not.
    """
    from agent.sandbox import open_sandbox
    from benchmark.datasets import TASKS
    from benchmark.lint import lint as linted

    place = suite or TASKS
    chosen = _chosen(place, ids)
    box = open_sandbox(sandbox)
    box.probe()
    reports: list[Report] = []
    for report in linted(chosen, box):
        reports.append(report)
        if not as_json:
            click.echo(f"{report.id}: {_word(report)} in {report.seconds:.1f} s", err=True)
    sound = all(report.sound for report in reports)
    if as_json:
        from agent.cli.output import emit_json
        from graphs.values import to_json

        tasks = [{**to_json(report), "sound": report.sound} for report in reports]
        emit_json({"suite": str(place), "sound": sound, "tasks": tasks})
    else:
        click.echo("\n".join(_table(reports)))
    sys.exit(0 if sound else 1)


def _chosen(suite: Path, ids: Sequence[str]) -> tuple[Path, ...]:
    """The folders of those names, or all; ``UserError`` for a name that is not there."""
    from benchmark.datasets import folders
    from graphs.errors import UserError

    there = {folder.name: folder for folder in folders(suite)}
    for name in ids:
        if name not in there:
            raise UserError(f"there is no task {name!r} in {str(suite)!r}; there are {', '.join(there)}")
    return tuple(there[name] for name in dict.fromkeys(ids)) or tuple(there.values())


def _word(report: Report) -> str:
    return "sound" if report.sound else "not judged" if report.infra and not report.problems else "not sound"


def _table(reports: Sequence[Report]) -> Iterable[str]:
    """A line for each task, and below it what is wrong with it."""
    from agent.cli.output import wrapped

    width = max(len("TASK"), *(len(report.id) for report in reports))
    yield f"{'TASK':{width}}  SIZE  TESTS  MUTANTS   ORACLE  RESULT"
    for report in reports:
        yield (
            f"{report.id:{width}}  {report.size:4}  {report.tests:5}  {report.mutants:7}  {report.oracle_seconds:5.1f} s  "
            f"{_word(report)}"
        )
        for problem in report.problems:
            yield from wrapped(f"{problem.check}: {problem.text}", 2)
        if report.infra:
            yield from wrapped(f"this machine could not judge it: {report.infra}", 2)
    sound = sum(report.sound for report in reports)
    yield f"{sound} of {len(reports)} sound"
