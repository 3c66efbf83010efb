"""The gate: exact tests, what is run again, the four ends, the file, and how often it is right."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from itertools import product
from math import comb
from pathlib import Path
from typing import Any

import pytest

from benchmark.gate import (
    Baseline,
    GateRule,
    TaskRuns,
    compare,
    judge,
    measured,
    read_baseline,
    second_stage,
    stratified_p,
    write_baseline,
)
from benchmark.statistics import Outcome
from graphs.errors import PrerequisiteError, UserError

RULE = GateRule()


def suite(passes: Sequence[int] | Mapping[str, int], runs: int = 20, **changed: Any) -> Baseline:
    """Tasks a, b, c… (or as named) with so many passes each."""
    named = passes if isinstance(passes, Mapping) else {chr(ord("a") + at): count for at, count in enumerate(passes)}
    tasks = {task: TaskRuns("same", count, runs, 0.5, 10.0) for task, count in named.items()}
    return Baseline(**{"commit": "c0", "configuration": "k", "model": "m", "tasks": tasks, **changed})


BEFORE = suite([18] * 12)


# -- exact tests


def counts(*tables: tuple[int, int, int, int]) -> list[tuple[TaskRuns, TaskRuns]]:
    """Passes and runs before, passes and runs now."""
    return [(TaskRuns("d", a, n), TaskRuns("d", b, m)) for a, n, b, m in tables]


def test_a_single_task_is_judged_by_fishers_exact_test() -> None:
    scipy = pytest.importorskip("scipy.stats")
    for a, n, b, m in ((19, 20, 0, 2), (19, 20, 5, 8), (12, 20, 8, 8), (20, 20, 2, 2), (0, 5, 0, 3), (29, 30, 4, 10)):
        other = scipy.fisher_exact([[b, m - b], [a, n - a]], alternative="less").pvalue
        assert stratified_p(counts((a, n, b, m))) == pytest.approx(other, rel=1e-9)


def test_several_tasks_are_judged_over_all_ways_to_deal_out_their_passes() -> None:
    tables = ((5, 6, 1, 3), (2, 4, 1, 2), (7, 7, 3, 4))

    def chance(table: tuple[int, int, int, int], x: int) -> float:
        a, n, b, m = table
        return comb(a + b, x) * comb(n + m - a - b, m - x) / comb(n + m, m)

    by_hand = 0.0
    for dealt in product(*(range(m + 1) for _, _, _, m in tables)):
        if sum(dealt) <= sum(b for _, _, b, _ in tables):
            way = 1.0
            for table, x in zip(tables, dealt, strict=True):
                way *= chance(table, x)
            by_hand += way

    assert stratified_p(counts(*tables)) == pytest.approx(by_hand, rel=1e-12)
    assert stratified_p(counts(*tables[::-1])) == pytest.approx(by_hand, rel=1e-12)
    assert stratified_p([]) == 1


def test_tasks_that_cannot_be_compared_are_left_out_with_the_reason() -> None:
    tasks = {
        "a": TaskRuns("same", 2, 2),
        "b": TaskRuns("other", 0, 2),
        "d": TaskRuns("same", 0, 2),
        "e": TaskRuns("same", 0, 0),
    }
    found = compare(suite({"a": 18, "b": 18, "c": 18, "e": 18}), suite([], tasks=tasks))

    assert found.tasks == ("a",)
    assert found.left_out == {
        "b": "it has changed since the baseline",
        "c": "no run of it was judged",
        "d": "it is not in the baseline",
        "e": "no run of it was judged",
    }
    assert found.p == found.p_tasks["a"] == 1


# -- what is run again


def test_nothing_is_run_again_without_cause() -> None:
    found = second_stage(BEFORE, suite([2] * 10 + [1] * 2, 2), RULE)

    assert (found.tasks, found.usd) == ((), 0)
    assert "nothing looks worse" in found.reason


def test_a_task_that_looks_worse_is_run_again_alone() -> None:
    found = second_stage(BEFORE, suite([2] * 11 + [0], 2), RULE)

    assert found.tasks == ("l",)
    assert found.usd == pytest.approx(6 * 0.5)
    assert "1 of 12 tasks" in found.reason


def test_all_are_run_again_when_all_together_look_worse() -> None:
    found = second_stage(BEFORE, suite([1] * 5 + [2] * 7, 2), RULE)  # p = 0.11; of none alone below 0.25

    assert found.tasks == tuple("abcdefghijkl")
    assert found.usd == pytest.approx(12 * 6 * 0.5)
    unpriced = suite([], tasks={t: TaskRuns("same", 0, 2) for t in BEFORE.tasks})
    assert second_stage(BEFORE, unpriced, RULE).usd is None


def test_nothing_is_run_again_when_that_could_not_help() -> None:
    assert second_stage(BEFORE, suite([0] * 12, 2, model="n"), RULE).tasks == ()
    assert second_stage(BEFORE, suite([0] * 12, 0), RULE).tasks == ()


# -- the ends

FINE = suite([2] * 12, 2)
DEAD = suite([2] * 11 + [0], 2)
LOW = suite([1] * 12, 2)
ENDS: dict[str, tuple[Baseline, Baseline | None, int, str]] = {
    "nothing fell": (FINE, None, 0, "no fall in 24 runs of 12 tasks"),
    "a fall by chance": (DEAD, suite({"l": 6}, 6), 0, "no fall in 30 runs"),
    "a dead task": (DEAD, suite({"l": 0}, 6), 1, "has fallen: l"),
    "a task that half fails": (DEAD, suite({"l": 3}, 6), 0, "no fall"),
    "a little of everything": (LOW, suite([3] * 12, 6), 1, "all tasks together (p = "),
    "all by chance": (LOW, suite([6] * 12, 6), 0, "no fall in 96 runs"),
    "no money for the second stage": (DEAD, None, 2, "fewer than half of the runs of l were judged"),
    "a task never judged": (
        suite([], tasks={**FINE.tasks, "c": TaskRuns("same", 0, 0)}),
        None,
        2,
        "half of the runs of c",
    ),
    "one run lost": (suite([], tasks={**FINE.tasks, "c": TaskRuns("same", 1, 1)}), None, 0, "no fall in 23 runs"),
    "two runs lost": (
        suite([], tasks={**FINE.tasks, **{t: TaskRuns("same", 1, 1) for t in "bc"}}),
        None,
        2,
        "2 of 24 runs were not judged",
    ),
    "two runs lost and one too many": (
        suite([], tasks={**FINE.tasks, **{t: TaskRuns("same", 1, 1) for t in "bc"}, "a": TaskRuns("same", 4, 4)}),
        None,
        2,
        "2 of 24 runs were not judged",
    ),
    "another model": (suite([2] * 12, 2, model="n"), None, 3, "of the model 'm' and not of 'n'"),
    "another model in between": (DEAD, suite({"l": 0}, 6, model="n"), 3, "of the model 'm' and not of 'n'"),
    "another configuration": (suite([2] * 12, 2, configuration="o"), None, 3, "another configuration"),
    "most tasks changed": (
        suite([], tasks={**{t: TaskRuns("new", 0, 2) for t in "abcdefg"}, **{t: FINE.tasks[t] for t in "hijkl"}}),
        None,
        3,
        "only 5 of 12 tasks are as they were",
    ),
    "a changed task that fails": (suite([], tasks={**FINE.tasks, "c": TaskRuns("new", 0, 2)}), None, 0, "11 tasks"),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_four_ends(end: str) -> None:
    first, second, code, words = ENDS[end]

    verdict = judge(BEFORE, first, second, RULE)

    assert verdict.exit == code, verdict.reason
    assert words in verdict.reason


def test_a_regression_names_its_tasks_and_the_figures() -> None:
    verdict = judge(BEFORE, DEAD, suite({"l": 0}, 6), RULE)

    assert verdict.regressed == ("l",)
    single = stratified_p(counts((18, 20, 0, 8)))
    assert verdict.comparison.p_tasks["l"] == pytest.approx(single)
    assert verdict.p_holm["l"] == pytest.approx(12 * single)
    assert verdict.p_holm["a"] == 1


# -- the file


def test_a_baseline_is_counted_written_and_read(tmp_path: Path) -> None:
    outcomes = [
        Outcome("a", "x", 0, True, 0.1, 4.0),
        Outcome("a", "x", 1, False, 0.3, 6.0),
        Outcome("a", "x", 2, False, infra=True),
        Outcome("b", "x", 0, True, None, 1.0),
    ]
    made = measured(outcomes, {"b": "h2", "a": "h1"}, commit="abc", configuration="k", model="m")
    path = tmp_path / "baseline.json"

    write_baseline(path, made)

    assert made.tasks == {"a": TaskRuns("h1", 1, 2, pytest.approx(0.2), 5.0), "b": TaskRuns("h2", 1, 1, None, 1.0)}
    assert read_baseline(path) == made
    assert json.loads(path.read_text())["schema"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_only_judged_tasks_become_a_baseline(tmp_path: Path) -> None:
    empty = measured([], {"a": "h1"}, commit="abc", configuration="k", model="m")

    with pytest.raises(UserError, match="no run of a was judged"):
        write_baseline(tmp_path / "baseline.json", empty)
    with pytest.raises(PrerequisiteError, match="cannot be written"):
        write_baseline(tmp_path / "nowhere" / "baseline.json", BEFORE)
    assert list(tmp_path.iterdir()) == []


GOOD = {"schema": 1, "commit": "c", "configuration": "k", "model": "m"}
TASK = {"digest": "d", "passes": 1, "runs": 2, "usd": 0.1, "seconds": 3.0}
BROKEN: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "is not JSON"),
    "not UTF-8": ("\udcff", "is not JSON"),
    "no object": ("[]", "has the schema None"),
    "of a later version": (json.dumps({**GOOD, "schema": 2, "tasks": {}}), "has the schema 2 and this version reads 1"),
    "without tasks": (json.dumps(GOOD), "'tasks' is wrong"),
    "with half a task": (json.dumps({**GOOD, "tasks": {"a": {"digest": "d"}}}), "'tasks.a.passes' is wrong"),
    "with too many passes": (json.dumps({**GOOD, "tasks": {"a": {**TASK, "passes": 3}}}), "'a' has 3 passes in 2 runs"),
    "without runs": (
        json.dumps({**GOOD, "tasks": {"a": {**TASK, "passes": 0, "runs": 0}}}),
        "'a' has 0 passes in 0 runs",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_baseline_is_refused_in_one_sentence(tmp_path: Path, fault: str) -> None:
    text, words = BROKEN[fault]
    path = tmp_path / "baseline.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(UserError) as refused:
        read_baseline(path)

    assert words in str(refused.value)
    assert "baseline.json" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_baseline_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"baseline\.json' cannot be read \(No such file"):
        read_baseline(tmp_path / "baseline.json")


# -- how often it is right


def gated(luck: random.Random, now: Sequence[float], before: Sequence[float]) -> bool:
    """Whether a change fails that makes rates ``now`` of those before; the baseline is drawn anew, 20 runs of each task."""

    def runs(chances: Sequence[float], count: int) -> Baseline:
        return suite([sum(luck.random() < chance for _ in range(count)) for chance in chances], count)

    baseline, first, second = runs(before, 20), runs(now, RULE.first), runs(now, RULE.second)
    again = second_stage(baseline, first, RULE).tasks
    more = suite([], tasks={task: second.tasks[task] for task in again}) if again else None
    return judge(baseline, first, more, RULE).status == "regression"


def test_the_gate_is_quiet_when_nothing_changes_and_loud_when_much_is_lost() -> None:
    luck, rates, trials = random.Random("gate"), [0.6 + 0.38 * at / 11 for at in range(12)], 150

    quiet = sum(gated(luck, rates, rates) for _ in range(4 * trials))
    lost = sum(gated(luck, [rate - 0.3 for rate in rates], rates) for _ in range(trials))
    dead = sum(gated(luck, [0.0, *rates[1:-1], 0.0], rates) for _ in range(trials))

    assert quiet / (4 * trials) <= 0.01
    assert lost / trials >= 0.93
    assert dead / trials >= 0.85
