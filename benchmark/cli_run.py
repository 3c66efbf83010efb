"""``agent bench run``: run a suite with one configuration, measure a baseline, and judge a change by one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli_experiment import announced, exit_status, model_options, resumable, teller

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.experiment import Arm, Cell, Experiment
    from benchmark.gate import Baseline, GateVerdict, SecondStage
    from benchmark.ledger import Ledger
    from benchmark.runner import Summary

ARM = "now"
"""Name of the only arm."""
BASELINE_REPEATS = 20
"""Runs of each task from which a baseline is measured where ``--repeats`` does not say: with few, nothing that comes later is
unlikely enough to fail (``benchmark/perf/statistics.py`` has the rates)."""


@click.command("run")
@click.option("--suite", default="ci", show_default=True, metavar="NAME|DIR", help="The tasks.")
@click.option("--strategy", metavar="NAME", help="How the model is asked: plain, guided or native.")
@click.option(
    "--gate", type=click.Path(path_type=Path), metavar="FILE", help="Judge by this baseline, in two stages; see below."
)
@click.option(
    "--write-baseline", "kept", type=click.Path(path_type=Path), metavar="FILE", help="Write a baseline: a JSON file."
)
@click.option("--repeats", type=click.IntRange(1), metavar="K", help="Runs of each task, without --gate.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Where ledger and runs are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@model_options
def run(
    suite: str,
    gate: Path | None,
    kept: Path | None,
    repeats: int | None,
    output: Path | None,
    as_json: bool,
    budget: float | None,
    ids: tuple[str, ...],
    at_once: int,
    **flags: Any,
) -> None:
    """Run the tasks of a suite with one configuration: that of agent run, flags over environment over agent.toml.

    With --gate FILE the change is judged by a baseline: two runs of each task; where they look worse, six more of those in
    doubt; it fails only when all runs together are too few passes to be chance (exact tests, p < 0.005). A task that has
    changed is left out. Without --gate the pass rates are told; with --write-baseline they are written, from 20 runs of
    each task unless --repeats says otherwise.

    With --json: {"version": 1, "directory", "tasks": {id: {digest, passes, runs, usd, seconds}}, "model", "configuration",
    "gate": null or {"status", "reason", "regressed", "p", "left_out"}}.

    The exit status is 0 when nothing is worse, 1 for a regression, 2 when too little could be judged (machine, provider or
    money), 3 when the baseline is of another configuration, model or suite. Without --gate it is 0, 2 or 3 (money) as for
    agent experiment run.
    """
    from benchmark.experiment import Experiment, find_tasks
    from benchmark.gate import EXITS, GateRule, write_baseline
    from benchmark.ledger import open_ledger
    from benchmark.statistics import Rule
    from graphs.errors import UserError

    if gate and (kept or repeats):
        flag = "--write-baseline" if kept else "--repeats"
        raise UserError(f"{flag} is for measuring a baseline, and --gate judges by one; leave out one of them")
    rule = GateRule()
    arm = _arm(flags)
    count = rule.first + rule.second if gate else repeats or (BASELINE_REPEATS if kept else 1)
    tasks = find_tasks(Path(suite), ids=ids)
    read = Experiment(f"bench-{Path(suite).name}", f"The suite {Path(suite).name}", ARM, count, Rule(), (arm,), tasks)
    before = _baseline(gate, read) if gate else None
    place = output or Path(f"{read.name}-results")
    with open_ledger(place, read.as_data()) as ledger:
        if not as_json and not gate:
            click.echo("\n".join(announced(read, place)), err=True)
        if before is None:
            verdict = None
            summary = _run(read, ledger, read.cells, at_once, budget, as_json)
        else:
            summary, verdict = _gated(read, ledger, before, rule, at_once, budget, as_json)
        now = _counted(read, ledger)
    if kept:
        write_baseline(kept, now)
    if as_json:
        from agent.cli.output import emit_json

        emit_json({"directory": str(place), **_data(now), "gate": _verdict_data(verdict)})
    else:
        click.echo("\n".join(_lines(now, before, verdict, summary)))
    sys.exit(EXITS[verdict.status] if verdict else exit_status(summary))


def _arm(flags: Mapping[str, Any]) -> Arm:
    """What a run would be configured with now."""
    from agent.cli.running import resolve
    from benchmark.experiment import Arm
    from graphs.errors import UserError

    settings = replace(resolve({key: value for key, value in flags.items() if value is not None}).settings, output=None)
    if settings.model is None:
        raise UserError(
            "no model is named; name one with --model, or rehearse without one with --model "
            "scripted:malformed=0.2,wrong=0.3,mends=0.6,tests_kept=0.5"
        )
    return Arm(ARM, settings)


def _baseline(file: Path, read: Experiment) -> Baseline:
    """The baseline in a file. Exits with 3, before anything is spent, where it is of another configuration."""
    from benchmark.gate import EXITS, read_baseline

    found = read_baseline(file)
    if found.configuration != read.arm(ARM).digest:
        click.echo(
            f"error: the baseline {str(file)!r} was measured with another configuration; measure a new one with: "
            f"agent bench run --write-baseline {file}",
            err=True,
        )
        sys.exit(EXITS["stale"])
    return found


def _run(
    read: Experiment, ledger: Ledger, cells: Sequence[Cell], at_once: int, budget: float | None, quiet: bool
) -> Summary:
    from benchmark.runner import run_here

    with resumable(ledger.directory):
        return run_here(read, ledger, parallel=at_once, max_usd=budget, cells=cells, tell=teller(quiet))


def _gated(
    read: Experiment,
    ledger: Ledger,
    before: Baseline,
    rule: Any,
    at_once: int,
    budget: float | None,
    quiet: bool,
) -> tuple[Summary, GateVerdict]:
    """Both stages and what they say."""
    from benchmark.gate import judge, second_stage

    cells = [cell for cell in read.cells if cell.repeat < rule.first]
    summary = _run(read, ledger, cells, at_once, budget, quiet)
    first = _counted(read, ledger, cells)
    again: SecondStage = second_stage(before, first, rule)
    if not quiet:
        price = f", about {again.usd:.2f} USD" if again.usd else ""
        more = f"{len(again.tasks)} tasks are run {rule.second} times more{price}" if again.tasks else "no second stage"
        click.echo(f"first stage: {again.reason}; {more}", err=True)
    second: Baseline | None = None
    if again.tasks:
        more_cells = [cell for cell in read.cells if cell.repeat >= rule.first and cell.task in again.tasks]
        summary = _run(read, ledger, more_cells, at_once, budget, quiet)
        second = _counted(read, ledger, more_cells, again.tasks)
    return summary, judge(before, first, second, rule)


def _counted(
    read: Experiment, ledger: Ledger, cells: Sequence[Cell] | None = None, tasks: Sequence[str] | None = None
) -> Baseline:
    """The judged runs of those cells (all when not given), counted per task."""
    from benchmark.gate import measured

    keys = {cell.key for cell in (read.cells if cells is None else cells)}
    results = [result for key, result in ledger.results.items() if key in keys]
    digests = {task.id: task.digest for task in read.tasks if tasks is None or task.id in tasks}
    models = sorted({result.model for result in ledger.results.values() if result.model})
    return measured(
        [result.outcome for result in results],
        digests,
        commit=_commit(),
        configuration=read.arm(ARM).digest,
        model=", ".join(models),
    )


def _commit() -> str:
    """Of the repository around the working directory; empty where there is none."""
    import subprocess

    try:
        asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _data(now: Baseline) -> dict[str, Any]:
    from graphs.values import to_json

    return {"tasks": to_json(dict(now.tasks)), "model": now.model, "configuration": now.configuration}


def _verdict_data(verdict: GateVerdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "status": verdict.status,
        "reason": verdict.reason,
        "regressed": list(verdict.regressed),
        "p": verdict.comparison.p,
        "left_out": dict(verdict.comparison.left_out),
    }


def _lines(now: Baseline, before: Baseline | None, verdict: GateVerdict | None, summary: Summary) -> list[str]:
    """A line for each task, and what they come to."""
    from agent.cli.output import wrapped

    width = max(len(task) for task in now.tasks)
    lines = []
    for task, runs in now.tasks.items():
        then = before.tasks.get(task) if before else None
        was = f"   before: {then.passes}/{then.runs}" if then else ""
        p = verdict.comparison.p_tasks.get(task) if verdict else None
        lines.append(f"{task:{width}}  {runs.passes}/{runs.runs}{was}" + ("" if p is None else f"   p = {p:.2g}"))
    if verdict:
        for task, why in verdict.comparison.left_out.items():
            lines += wrapped(f"{task} is left out: {why}", 0)
        return [*lines, *wrapped(f"{verdict.status}: {verdict.reason}", 0)]
    passes, runs = (sum(getattr(t, name) for t in now.tasks.values()) for name in ("passes", "runs"))
    lines.append(f"{passes} of {runs} runs passed")
    return lines + (wrapped(summary.reason, 0, 0) if summary.reason else [])
