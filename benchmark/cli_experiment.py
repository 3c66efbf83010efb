"""``agent experiment``: compare full configurations on tasks with hidden tests, and say what the results prove."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark.cli_report import report

if TYPE_CHECKING:
    from benchmark.experiment import Experiment
    from benchmark.ledger import Result
    from benchmark.runner import Summary, Tell

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT = {"done": 0, "settled": 0, "infra": 2, "budget": 3}
"""How running ended → exit status."""
SCRIPTED_LABEL = (
    "The answers are a scripted author's, whose rates of error were chosen: this tells how the instrument works, and nothing "
    "of a real model."
)


@click.group()
def experiment() -> None:
    """Compare full configurations on tasks with hidden tests, with statistics fixed beforehand."""


experiment.add_command(report)


def model_options(command: Command) -> Command:
    """Add the flags that say which model is asked and how many runs go on at once."""
    options = (
        click.option("--model", metavar="NAME", help="As for agent run; or scripted:malformed=0.2,wrong=0.3,…"),
        click.option("--base-url", metavar="URL", help="OpenAI-compatible server, such as http://127.0.0.1:8000/v1."),
        click.option("--sandbox", metavar="KIND", help="bubblewrap, or none (unsafe)."),
        click.option("--max-calls", type=int, metavar="N", help="Ceiling of model calls for a single run."),
        click.option("--max-tokens", type=int, metavar="N", help="Ceiling of tokens for a single run."),
        click.option("--max-seconds", type=float, metavar="S", help="Ceiling of wall time for a single run."),
        click.option("--max-usd", "budget", type=float, metavar="X", help="US dollars for all runs; never exceeded."),
        click.option("--task", "ids", multiple=True, metavar="ID", help="Only this task; may be repeated."),
        click.option("--parallel", "at_once", type=click.IntRange(1), default=1, metavar="N", help="Runs at once."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@experiment.command("run")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE|NAME")
@click.option("--repeats", type=click.IntRange(1), metavar="K", help="Runs of each task and arm.")
@click.option("--suite", type=click.Path(path_type=Path), metavar="DIR|NAME", help="Tasks in place of the file's.")
@click.option("--shard", metavar="I/N", help="Only the I-th of N parts; put them together with agent experiment merge.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Where ledger and runs are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@model_options
def run(
    file: Path,
    repeats: int | None,
    suite: Path | None,
    shard: str | None,
    output: Path | None,
    as_json: bool,
    budget: float | None,
    ids: tuple[str, ...],
    at_once: int,
    **flags: Any,
) -> None:
    """Run an experiment, or go on with one: what its ledger holds is not run again.

    FILE says what is compared, on which tasks, and how it will be decided; bundled are guidance, graph-vs-single, exemplars
    and candidates. Ledger, runs and what they delivered are kept in DIR, by default NAME-results here.

    With --json: {"version": 1, "directory", "ended": "done", "settled", "budget" or "infra", "reason", "ran", "missing", "usd"}.

    The exit status is 0 when all is run (or no more is needed), 2 when runs were lost to machines or providers, 3 when the
    money is spent.
    """
    from benchmark.experiment import read_experiment
    from benchmark.ledger import open_ledger
    from benchmark.runner import run_here
    from benchmark.runner import shard as part

    read = read_experiment(file, flags, repeats=repeats, suite=suite, ids=ids)
    index, count = _shard(shard)
    place = output or Path(f"{read.name}-results")
    with open_ledger(place, read.as_data()) as ledger:
        if not as_json:
            click.echo("\n".join(announced(read, place)), err=True)
        cells = part(read, index, count) if shard else None
        with resumable(place):
            summary = run_here(read, ledger, parallel=at_once, max_usd=budget, cells=cells, tell=teller(as_json))
        spent = ledger.spent
    if as_json:
        from agent.cli.output import emit_json
        from graphs.values import to_json

        emit_json({"directory": str(place), **to_json(summary), "usd": spent})
    else:
        click.echo("\n".join(_end(summary, place, spent, sharded=bool(shard))))
    sys.exit(exit_status(summary))


def exit_status(summary: Summary) -> int:
    """The exit status that says how running ended."""
    return EXIT["infra"] if summary.ended == "done" and summary.missing else EXIT[summary.ended]


@contextmanager
def resumable(place: Path) -> Iterator[None]:
    """Says what to do next when somebody presses Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"stopped; what ended is kept in {place}, and the same command goes on from there", err=True)
        raise


@experiment.command("merge")
@click.argument("shards", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A new directory.")
def merge(shards: tuple[Path, ...], output: Path) -> None:
    """Put the ledgers of shards together, for one report. The runs stay where they are."""
    from benchmark.ledger import merge as merged

    with merged(shards, output) as ledger:
        click.echo(
            f"{len(ledger.results)} runs of {len(shards)} shards; see them with: agent experiment report {output}"
        )


def _shard(text: str | None) -> tuple[int, int]:
    from graphs.errors import UserError

    found = re.fullmatch(r"(\d+)/(\d+)", text or "1/1")
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"the shard {text!r} is none; write for example 1/4, 2/4, 3/4 and 4/4")
    return int(found[1]), int(found[2])


def announced(read: Experiment, place: Path) -> list[str]:
    """What is about to be run, and by what it will be decided."""
    from agent.cli.output import wrapped
    from agent.printable import printable
    from benchmark.worker import SCRIPTED

    cells = len(read.tasks) * len(read.arms) * read.repeats
    arms = ", ".join(arm.name for arm in read.arms)
    rule = read.rule
    lines = [
        *wrapped(printable(read.title), 0, 0),
        f"{len(read.tasks)} tasks × {len(read.arms)} arms ({arms}) × {read.repeats} = {cells} runs, in {place}",
    ]
    if len(read.arms) > 1:
        lines.append(
            f"fixed beforehand: against {read.baseline}, margin {100 * rule.margin:g} points, level {100 * rule.alpha:g} %, "
            f"{rule.looks} look{'s' * (rule.looks > 1)}"
        )
    if any((arm.settings.model or "").startswith(SCRIPTED) for arm in read.arms):
        lines += wrapped(SCRIPTED_LABEL, 0, 0)
    return lines


def teller(quiet: bool) -> Tell:
    """Says on standard error how each run ended."""
    from agent.printable import printable

    def tell(result: Result, done: int, planned: int) -> None:
        if quiet:
            return
        word = "lost" if result.infra else "passed" if result.passed else "failed"
        price = "" if result.usd is None else f", {result.usd:.4f} USD"
        why = f": {printable(result.reason)[:160]}" if result.infra else ""
        click.echo(
            f"{done}/{planned}  {result.task}  {result.arm}  {result.repeat + 1}  {word} in {result.seconds:.1f} s{price}{why}",
            err=True,
        )

    return tell


def _end(summary: Summary, place: Path, spent: float | None, *, sharded: bool) -> list[str]:
    from agent.cli.output import wrapped

    cost = "" if spent is None else f", {spent:.4f} USD in all"
    lines = [f"{summary.ran} runs made{cost}"]
    if summary.reason:
        lines += wrapped(summary.reason, 0, 0)
    lines.append(
        f"put the shards together with: agent experiment merge {place} … -o DIR"
        if sharded
        else f"see what they say with: agent experiment report {place}"
    )
    return lines
