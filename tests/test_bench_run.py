"""``agent bench run``: rates of one configuration, a baseline from them, and the gate that judges by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmark import cli_run, runner
from benchmark.cli import bench
from benchmark.ledger import Result as CellResult

MODEL = "scripted:malformed=0,wrong=0,mends=1,tests_kept=1"
TASKS = ("s-due-dates", "s-range-map", "s-share-out")

Play = Callable[[str, int], bool | None]
"""Task, repeat → whether the hidden tests pass; ``None``: lost to the machine."""


@pytest.fixture(autouse=True)
def _nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_HOME", str(tmp_path / "home"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], list[tuple[str, int]]]:
    """Plays cells in place of worker processes (those are real in test_runner.py); what was run is listed."""

    def play(says: Play) -> list[tuple[str, int]]:
        ran: list[tuple[str, int]] = []

        def run_here(read: Any, ledger: Any, *, cells: Any, **_: Any) -> runner.Summary:
            for cell in cells:
                if cell.key in ledger.results:
                    continue
                ran.append((cell.task, cell.repeat))
                said = says(cell.task, cell.repeat)
                ledger.began(cell.key)
                ledger.ended(
                    CellResult(
                        cell.key,
                        cell.task,
                        cell.arm,
                        cell.repeat,
                        bool(said),
                        infra=said is None,
                        usd=0.01,
                        model="m-1",
                    )
                )
            return runner.Summary("done", "", len(ran), 0)

        monkeypatch.setattr(runner, "run_here", run_here)
        return ran

    return play


def _agent(*words: str) -> Result:
    tasks = [word for task in TASKS for word in ("--task", task)]
    return CliRunner().invoke(bench, ["run", "--model", MODEL, *tasks, *words])


def _baseline(made: Callable[[Play], list[tuple[str, int]]], says: Play) -> None:
    made(says)
    done = _agent("--write-baseline", "base.json", "-o", "base")
    assert done.exit_code == 0, done.output


def test_a_baseline_holds_what_was_counted(made: Callable[[Play], list[tuple[str, int]]]) -> None:
    _baseline(made, lambda task, repeat: task != "s-due-dates" or repeat >= 5)

    kept = json.loads(Path("base.json").read_text())
    assert {task: (runs["passes"], runs["runs"]) for task, runs in kept["tasks"].items()} == {
        "s-due-dates": (15, 20),
        "s-range-map": (20, 20),
        "s-share-out": (20, 20),
    }
    assert kept["model"] == "m-1"


GATES: Mapping[str, tuple[Play, int, str, int]] = {
    # what the runs do now, exit, first word, cells run
    "all pass": (lambda task, repeat: True, 0, "pass", 6),
    "one fails once and passes then": (lambda task, repeat: task != "s-share-out" or repeat > 0, 0, "pass", 24),
    "one is dead": (lambda task, repeat: task != "s-share-out", 1, "regression", 24),
    "all are dead": (lambda task, repeat: False, 1, "regression", 24),
    "one is lost": (lambda task, repeat: None if task == "s-share-out" else True, 2, "incomplete", 6),
}


@pytest.mark.parametrize("name", GATES)
def test_the_gate_runs_again_what_is_in_doubt_and_exits_as_it_says(
    name: str, made: Callable[[Play], list[tuple[str, int]]]
) -> None:
    says, status, word, cells = GATES[name]
    _baseline(made, lambda task, repeat: True)

    ran = made(says)
    done = _agent("--gate", "base.json", "-o", "gate", "--json")

    assert done.exit_code == status, done.output
    assert json.loads(done.stdout.splitlines()[-1])["gate"]["status"] == word
    assert len(ran) == cells


def test_what_was_run_is_not_run_again(made: Callable[[Play], list[tuple[str, int]]]) -> None:
    _baseline(made, lambda task, repeat: True)
    made(lambda task, repeat: True)
    first = _agent("--gate", "base.json", "-o", "gate")
    ran = made(lambda task, repeat: False)

    again = _agent("--gate", "base.json", "-o", "gate")

    assert (first.exit_code, again.exit_code, ran) == (0, 0, [])


def test_another_configuration_is_told_before_anything_is_spent(made: Callable[[Play], list[tuple[str, int]]]) -> None:
    _baseline(made, lambda task, repeat: True)
    ran = made(lambda task, repeat: True)

    done = _agent("--gate", "base.json", "--strategy", "native", "-o", "gate")

    assert (done.exit_code, ran) == (3, [])
    assert "another configuration" in done.output
    assert done.output.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--gate", "b.json", "--repeats", "3"), "--repeats is for measuring a baseline"),
        (("--gate", "b.json", "--write-baseline", "c.json"), "--write-baseline is for measuring a baseline"),
        (("--gate", "missing.json"), "missing.json"),
        (("--task", "no-such"), "no task 'no-such'"),
        (("--suite", "no-such-suite"), "no-such-suite"),
    ],
)
def test_what_cannot_be_is_one_sentence(words: tuple[str, ...], said: str) -> None:
    done = _agent(*words)

    assert done.exception is not None
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_model_must_be_named() -> None:
    done = CliRunner().invoke(bench, ["run"])

    assert "no model is named" in str(done.exception)


@pytest.mark.slow
def test_a_suite_is_run_for_real() -> None:
    done = CliRunner().invoke(
        bench,
        ["run", "--model", MODEL, "--task", "s-due-dates", "--repeats", "1", "--json", "-o", "real"],
        env={"AGENT_MUTANTS": "0"},
    )

    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["tasks"]["s-due-dates"]["passes"], said["model"]) == (1, "scripted")


def test_the_ci_suite_is_twelve_of_our_tasks() -> None:
    from benchmark.experiment import find_tasks

    tasks = find_tasks(Path("ci"))

    assert len(tasks) == 12
    assert {task.size for task in tasks} == {"S", "M"}
    assert cli_run.BASELINE_REPEATS >= 20
