"""The gate of a change: has the pass rate fallen from what ``baseline.json`` says? Exact, in two stages, per suite and per task.

A fixed threshold ("5 points less") on a dozen tasks fails 22 to 28 % of changes that change nothing. So a short first stage only
decides what is run again, and only all runs together decide. The tests hold for these very tasks and not for tasks in general,
which is the question here. Everything is a pure function of counts but :func:`read_baseline` and :func:`write_baseline`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import comb, fsum
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from benchmark.statistics import Outcome, holm, tally
from graphs.errors import PrerequisiteError, UserError
from graphs.values import from_json, to_json

SCHEMA = 1
"""Of the file; raised when an older program could misread it."""

Status = Literal["pass", "regression", "incomplete", "stale"]
"""``incomplete``: machine, provider or budget kept too many runs from being judged. ``stale``: the baseline is of other things."""
EXITS: dict[Status, int] = {"pass": 0, "regression": 1, "incomplete": 2, "stale": 3}
"""Exit code of the process."""


@dataclass(frozen=True)
class TaskRuns:
    """The judged runs of one task."""

    digest: str
    """Hash of the task's content: spec, hidden tests, starting files."""
    passes: int
    runs: int
    """Those that machines or providers spoiled are not among them."""
    usd: float | None = None
    """Mean cost per run, in US dollars; ``None`` where a price is not known."""
    seconds: float = 0.0
    """Mean wall time per run."""


@dataclass(frozen=True)
class Baseline:
    """What a suite came to at a commit: what is compared with, and what is compared."""

    commit: str
    configuration: str
    """Hash of everything that was set: strategy, limits, prompts."""
    model: str
    """The id of the model that answered, as its server told it."""
    tasks: Mapping[str, TaskRuns]
    """Task id → its runs."""


@dataclass(frozen=True)
class GateRule:
    """The thresholds, all one-sided: only a fall is looked for."""

    first: int = 2
    """Runs of each task in the first stage."""
    second: int = 6
    """Runs of each task that is run again."""
    suspect_all: float = 0.2
    """p of the stratified test below which all tasks are run again."""
    suspect_task: float = 0.1
    """p of a task's own test below which that task is run again."""
    fail: float = 0.005
    """p below which the change fails, after both stages: of the stratified test, or of a task after Holm's correction."""
    most_lost: float = 0.05
    """Share of the runs that may be missing."""
    least_tasks: float = 0.5
    """Share of the baseline's tasks that must be unchanged."""


@dataclass(frozen=True)
class Comparison:
    """The tasks that can be compared, and the exact tests on them."""

    tasks: tuple[str, ...]
    """Unchanged since the baseline and judged at least once."""
    left_out: Mapping[str, str]
    """Task → why it is not compared."""
    p: float
    """Of the stratified test: how likely so few passes are, given all passes of each task, when nothing has changed."""
    p_tasks: Mapping[str, float]
    """Of each task's own test (Fisher's exact test, one-sided), not adjusted."""


@dataclass(frozen=True)
class SecondStage:
    """What is run again."""

    tasks: tuple[str, ...]
    """Each ``GateRule.second`` times; empty when the first stage gives no cause."""
    reason: str
    """One sentence."""
    usd: float | None
    """What that will cost if runs cost what they did in the first stage; ``None`` where a price is not known."""


@dataclass(frozen=True)
class GateVerdict:
    """What the gate says."""

    status: Status
    reason: str
    """One sentence."""
    comparison: Comparison
    """Over the runs of both stages."""
    regressed: tuple[str, ...] = ()
    """Tasks whose own test fails after Holm's correction."""
    p_holm: Mapping[str, float] = field(default_factory=dict)
    """Task → p of its own test, adjusted for the number of tasks."""

    @property
    def exit(self) -> int:
        """0 pass, 1 regression, 2 infrastructure or budget, 3 baseline stale."""
        return EXITS[self.status]


# -- exact tests


@lru_cache(65_536)
def passes_by_chance(passes: int, runs: int, drawn: int) -> tuple[float, ...]:
    """The chances of 0, 1… passes among ``drawn`` of ``runs`` runs of which ``passes`` passed: the hypergeometric distribution."""
    return tuple(comb(passes, x) * comb(runs - passes, drawn - x) / comb(runs, drawn) for x in range(drawn + 1))


def stratified_p(counts: Sequence[tuple[TaskRuns, TaskRuns]]) -> float:
    """How likely at most so many passes are in the second of each pair, given all passes of each task, when the rate of each
    task is the same in both; 1 without counts.

    The exact test for a common odds ratio of 1 over 2 × 2 tables (Agresti 2013, Categorical data analysis, 7.3.5): the sum's
    distribution is the convolution of one hypergeometric distribution per task. For one task it is Fisher's exact test.
    """
    chances = [1.0]
    for before, now in counts:
        task = passes_by_chance(before.passes + now.passes, before.runs + now.runs, now.runs)
        longer = [0.0] * (len(chances) + len(task) - 1)
        for at, chance in enumerate(chances):
            for more, other in enumerate(task):
                longer[at + more] += chance * other
        chances = longer
    return min(1.0, fsum(chances[: sum(now.passes for _, now in counts) + 1]))


def compare(baseline: Baseline, now: Baseline) -> Comparison:
    """The tests over the tasks that are the same in both. A task that is new, changed, gone or not judged is left out."""
    left_out = {}
    for task in sorted(baseline.tasks.keys() | now.tasks.keys()):
        if task not in baseline.tasks:
            left_out[task] = "it is not in the baseline"
        elif task not in now.tasks or now.tasks[task].runs == 0:
            left_out[task] = "no run of it was judged"
        elif now.tasks[task].digest != baseline.tasks[task].digest:
            left_out[task] = "it has changed since the baseline"
    tasks = tuple(task for task in sorted(baseline.tasks) if task not in left_out)
    counts = {task: (baseline.tasks[task], now.tasks[task]) for task in tasks}
    return Comparison(
        tasks,
        left_out,
        stratified_p(list(counts.values())),
        {task: stratified_p([both]) for task, both in counts.items()},
    )


# -- the two stages


def second_stage(baseline: Baseline, first: Baseline, rule: GateRule) -> SecondStage:
    """What to run again after the first stage: everything, single tasks, or nothing; nothing, too, where :func:`judge` refuses
    whatever a second stage would say. ``first`` names every task of the suite, those without a judged run with 0 runs."""
    found = compare(baseline, first)
    _, refused = _refused(baseline, first, rule)
    suspects = tuple(task for task, p in found.p_tasks.items() if p < rule.suspect_task)
    tasks: tuple[str, ...] = ()
    if refused:
        reason = refused
    elif found.p < rule.suspect_all:
        tasks, reason = found.tasks, f"all tasks together may have fallen (p = {found.p:.2g})"
    elif suspects:
        tasks, reason = suspects, f"{len(suspects)} of {len(found.tasks)} tasks may have fallen"
    else:
        reason = f"nothing looks worse (p = {found.p:.2g})"
    prices = [first.tasks[task].usd for task in tasks]
    known = [price for price in prices if price is not None]
    return SecondStage(tasks, reason, rule.second * fsum(known) if len(known) == len(prices) else None)


def judge(baseline: Baseline, first: Baseline, second: Baseline | None, rule: GateRule) -> GateVerdict:
    """The verdict on the runs of both stages. ``second`` holds those that :func:`second_stage` asked for; ``None`` when it asked
    for none, or when there was no money left for them.

    A change fails by all runs together and never by the first stage alone: what looks bad by chance is only run again.
    """
    status, refused = _refused(baseline, first, rule)
    if second and not refused:
        status, refused = "stale", _another(baseline, second)
    together = _pooled(first, second) if second else first
    found = compare(baseline, together)
    if not refused:
        again = second_stage(baseline, first, rule).tasks
        planned = {task: rule.first + rule.second * (task in again) for task in found.tasks}
        status, refused = "incomplete", _lost(together, planned, rule)
    if refused:
        return GateVerdict(status, refused, found)
    p_holm = dict(zip(found.p_tasks, holm(list(found.p_tasks.values())), strict=True))
    regressed = tuple(task for task, p in p_holm.items() if p < rule.fail)
    fallen = [*([f"all tasks together (p = {found.p:.2g})"] if found.p < rule.fail else []), *regressed]
    if fallen:
        return GateVerdict("regression", f"the pass rate has fallen: {', '.join(fallen)}", found, regressed, p_holm)
    runs = sum(together.tasks[task].runs for task in found.tasks)
    return GateVerdict(
        "pass", f"no fall in {runs} runs of {len(found.tasks)} tasks (p = {found.p:.2g})", found, (), p_holm
    )


def _refused(baseline: Baseline, first: Baseline, rule: GateRule) -> tuple[Status, str]:
    """Why the first stage cannot be judged, and what that makes of the gate; an empty reason when it can."""
    if another := _another(baseline, first):
        return "stale", another
    unchanged = [
        t for t, runs in first.tasks.items() if t in baseline.tasks and baseline.tasks[t].digest == runs.digest
    ]
    if len(unchanged) < max(1, rule.least_tasks * len(baseline.tasks)):
        return "stale", f"only {len(unchanged)} of {len(baseline.tasks)} tasks are as they were; measure a new baseline"
    return "incomplete", _lost(first, dict.fromkeys(unchanged, rule.first), rule)


def _another(baseline: Baseline, now: Baseline) -> str:
    if now.model != baseline.model:
        return f"the baseline is of the model {baseline.model!r} and not of {now.model!r}; measure a new one"
    if now.configuration != baseline.configuration:
        return "the baseline was measured with another configuration; measure a new one"
    return ""


def _lost(now: Baseline, planned: Mapping[str, int], rule: GateRule) -> str:
    """Why too few runs were judged; empty when there are enough."""
    judged = {task: min(now.tasks[task].runs, count) for task, count in planned.items()}
    few = [task for task, count in planned.items() if 2 * judged[task] < count]
    if few:
        return f"fewer than half of the runs of {', '.join(few)} were judged; see why, and run the gate again"
    all_runs = sum(planned.values())
    missing = all_runs - sum(judged.values())
    if missing > rule.most_lost * all_runs:
        return f"{missing} of {all_runs} runs were not judged; see why, and run the gate again"
    return ""


def _pooled(first: Baseline, second: Baseline) -> Baseline:
    tasks = dict(first.tasks)
    for task, more in second.tasks.items():
        tasks[task] = replace(tasks[task], passes=tasks[task].passes + more.passes, runs=tasks[task].runs + more.runs)
    return replace(first, tasks=tasks)


# -- baselines


def measured(
    outcomes: Iterable[Outcome], digests: Mapping[str, str], *, commit: str, configuration: str, model: str
) -> Baseline:
    """The runs of one arm, counted per task: a stage of the gate, or a new baseline. ``digests`` names every task of the suite
    with its content's hash; runs of other tasks are a ``KeyError``. A baseline takes some 20 runs of each: with few, nothing that
    comes later is unlikely enough to fail."""
    cells: dict[str, list[Outcome]] = {task: [] for task in digests}
    for outcome in outcomes:
        cells[outcome.task].append(outcome)
    tasks = {}
    for task, found in sorted(cells.items()):
        counted = tally(found)
        tasks[task] = TaskRuns(digests[task], counted.passed, counted.runs, counted.usd, counted.seconds)
    return Baseline(commit, configuration, model, tasks)


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write it as JSON, whole or not at all, so that it reads well in a diff. ``PrerequisiteError`` when the disk refuses,
    ``UserError`` for a task without a judged run, which nothing could be compared with."""
    if unjudged := [task for task, runs in baseline.tasks.items() if runs.runs == 0]:
        raise UserError(f"no run of {', '.join(unjudged)} was judged; a baseline takes at least one of every task")
    text = json.dumps({"schema": SCHEMA, **to_json(baseline)}, indent=1, sort_keys=True, allow_nan=False) + "\n"
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    except OSError as error:
        raise PrerequisiteError(f"the baseline {str(path)!r} cannot be written ({error.strerror})") from error


def read_baseline(path: Path) -> Baseline:
    """What :func:`write_baseline` wrote. ``PrerequisiteError`` when there is no such file, or it cannot be read; ``UserError``
    when it is no baseline, of another schema, or counts what cannot be."""
    try:
        data: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise PrerequisiteError(
            f"the baseline {str(path)!r} cannot be read ({error.strerror}); measure one on the commit to compare with"
        ) from error
    except ValueError as error:
        raise UserError(
            f"the baseline {str(path)!r} is not JSON; take it from git again, or measure a new one"
        ) from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise UserError(
            f"the baseline {str(path)!r} has the schema {schema!r} and this version reads {SCHEMA}; measure a new one"
        )
    try:
        baseline = from_json(Baseline, {key: value for key, value in data.items() if key != "schema"})
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise UserError(
            f"in the baseline {str(path)!r}, {place!r} is wrong: {problem['msg']}; measure a new one"
        ) from error
    for task, runs in baseline.tasks.items():
        if not 0 <= runs.passes <= runs.runs or runs.runs == 0:
            raise UserError(
                f"in the baseline {str(path)!r}, {task!r} has {runs.passes} passes in {runs.runs} runs; measure a new one"
            )
    return baseline
