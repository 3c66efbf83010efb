"""Running the cells of an experiment: what dies is gone on with, what is lost never counts, and money has a ceiling."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import Settings
from benchmark.experiment import Arm, Cell, Experiment, find_tasks
from benchmark.ledger import CELLS, Result, open_ledger, read_ledger
from benchmark.perf.resume import _paid_again
from benchmark.runner import LOST, TRIES, Processes, Summary, run_experiment, shard
from benchmark.statistics import Rule
from benchmark.worker import answer
from graphs.errors import UserError
from tests.conftest import Place, ended
from tests.test_experiment import experiment, task

Says = Callable[[Cell, int], Result]
"""A cell and how often it was run before → what comes of it; what it raises is raised."""


def result(cell: Cell, usd: float | None = 0.01, *, passed: bool = True, infra: bool = False) -> Result:
    return Result(cell.key, cell.task, cell.arm, cell.repeat, passed=passed and not infra, infra=infra, usd=usd)


class Scripted:
    """Workers that do nothing but say what is in the script, in any order."""

    def __init__(self, says: Says = lambda cell, _: result(cell), seed: int = 0) -> None:
        self.says, self.ran, self.at_once, self.most = says, Counter[Cell](), 0, 0
        self._random = random.Random(seed)

    async def run(self, cell: Cell) -> Result:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            for _ in range(self._random.randrange(4)):
                await asyncio.sleep(0)
            self.ran[cell] += 1
            return self.says(cell, self.ran[cell] - 1)
        finally:
            self.at_once -= 1


def play(place: Path, found: Experiment, workers: Any, **how: Any) -> Summary:
    """One call of the runner."""
    with open_ledger(place, found.as_data()) as ledger:
        return asyncio.run(run_experiment(found, ledger, workers, pauses=(0.0,), **how))


# -- what is run


@pytest.mark.parametrize("parallel", [1, 3])
def test_every_cell_is_run_once_and_not_again(tmp_path: Path, parallel: int) -> None:
    found, workers, told = experiment(3, 2, 2), Scripted(), list[tuple[int, int]]()
    summary = play(tmp_path, found, workers, parallel=parallel, tell=lambda _, *counts: told.append(counts))

    assert summary == Summary("done", "", 12, 0)
    assert workers.ran == Counter(found.cells)
    assert workers.most == parallel
    assert told == [(n, 12) for n in range(1, 13)]
    assert play(tmp_path, found, Scripted(says=lambda *_: pytest.fail("again"))) == Summary("done", "", 0, 0)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, asyncio.CancelledError, UserError("a key is missing")])
def test_what_stops_the_runner_leaves_the_rest_to_the_next(tmp_path: Path, stop: Any) -> None:
    found = experiment(3, 2, 2)

    def says(cell: Cell, _: int) -> Result:
        if cell == found.cells[5]:
            raise stop
        return result(cell)

    with pytest.raises((KeyboardInterrupt, asyncio.CancelledError, UserError)):
        play(tmp_path, found, first := Scripted(says), parallel=3)
    had = set(read_ledger(tmp_path).results)
    summary = play(tmp_path, found, second := Scripted(), parallel=3)

    assert summary.ended == "done"
    assert 3 <= len(had) < 12
    assert {cell.key for cell in second.ran} == {cell.key for cell in found.cells} - had
    assert first.at_once == 0  # what ran beside it was stopped, too
    assert read_ledger(tmp_path).results.keys() == {cell.key for cell in found.cells}


def test_misuse_in_two_cells_at_once_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import gc

    def says(cell: Cell, _: int) -> Result:
        raise UserError("a key is missing")

    with pytest.raises(UserError, match="a key is missing"):
        play(tmp_path, experiment(3, 2, 2), Scripted(says, seed=3), parallel=6)
    gc.collect()
    assert caplog.text == ""
    assert not read_ledger(tmp_path).results


def test_shards_run_what_one_machine_would(tmp_path: Path) -> None:
    found, told = experiment(3, 2, 3), list[tuple[int, int]]()
    for index in (1, 2):
        cells = shard(found, index, 2)
        summary = play(tmp_path, found, Scripted(), cells=cells, tell=lambda _, *counts: told.append(counts))
        assert (summary.ran, summary.missing) == (len(cells), 0)
        assert told[-1] == (len(cells), len(cells))
    assert read_ledger(tmp_path).results.keys() == {cell.key for cell in found.cells}


# -- machines and providers


def test_what_a_machine_failed_is_tried_again_and_counts_for_nothing(tmp_path: Path) -> None:
    found = experiment(2, 1, 1)
    first, second = found.cells
    workers = Scripted(lambda cell, before: result(cell, infra=cell == first or before < TRIES - 1))
    summary = play(tmp_path, found, workers)

    assert workers.ran == {first: TRIES, second: TRIES}
    assert (summary.ended, summary.ran, summary.missing) == ("done", 2, 1)
    assert "1 of 2 runs were lost to machines or providers; the same command tries them again" in summary.reason
    results = read_ledger(tmp_path).results
    assert [(results[c.key].infra, results[c.key].tries) for c in found.cells] == [(True, 3), (False, 3)]

    summary = play(tmp_path, found, again := Scripted())
    assert (again.ran, summary.missing) == ({first: 1}, 0)
    assert (results := read_ledger(tmp_path).results)[first.key].tries == TRIES + 1
    assert not results[first.key].infra


@pytest.mark.parametrize("parallel", [1, 4])
def test_too_many_lost_in_a_row_stop_everything(tmp_path: Path, parallel: int) -> None:
    found = experiment(10, 2, 1)
    summary = play(tmp_path, found, workers := Scripted(lambda c, _: result(c, infra=True)), parallel=parallel)

    assert (summary.ended, summary.missing) == ("infra", 20)
    assert LOST <= len(workers.ran) < LOST + parallel
    assert f"{LOST} runs in a row were lost" in summary.reason


def test_losses_between_good_ones_stop_nothing(tmp_path: Path) -> None:
    found = experiment(10, 2, 1)
    bad = set(found.cells[::2])
    summary = play(tmp_path, found, Scripted(lambda cell, _: result(cell, infra=cell in bad)))
    assert (summary.ended, summary.missing) == ("done", 10)


# -- money


def arms_that_may_cost(*ceilings: float, tasks: int = 2, repeats: int = 2) -> Experiment:
    found = experiment(tasks, len(ceilings), repeats)
    arms = zip(found.arms, ceilings, strict=True)
    return replace(found, arms=tuple(replace(arm, settings=replace(arm.settings, max_usd=most)) for arm, most in arms))


SHARES = st.one_of(st.none(), st.floats(0, 1))
"""What a run costs, of what it may cost; ``None``: not known."""


@settings(max_examples=60, deadline=None)
@given(
    ceilings=st.lists(st.floats(0.01, 2), min_size=1, max_size=3),
    shares=st.lists(SHARES, min_size=1, max_size=30),
    lost=st.sets(st.integers(0, 30), max_size=5),
    stopped=st.integers(0, 40),
    parallel=st.integers(1, 5),
    spare=st.floats(1, 8),
    seed=st.integers(0, 5),
)
def test_all_runs_together_never_cost_more_than_they_may(
    ceilings: list[float],
    shares: list[float | None],
    lost: set[int],
    stopped: int,
    parallel: int,
    spare: float,
    seed: int,
) -> None:
    """Each run is stopped once in the middle, by a runner that dies, and gone on with."""
    found, budget = arms_that_may_cost(*ceilings), max(ceilings) * spare
    paid: dict[str, float] = {}  # what a provider would charge for

    def most(cell: Cell) -> float:
        return found.arm(cell.arm).settings.max_usd or 0.0

    def says(cell: Cell, _: int) -> Result:
        number = len(paid)
        share = shares[number % len(shares)]
        paid[cell.key] = max(paid.get(cell.key, 0.0), most(cell) * (1 if share is None else share))
        assert sum(paid.values()) <= budget + 1e-6
        if number == stopped:
            raise KeyboardInterrupt
        return result(cell, None if share is None else paid[cell.key], infra=number in lost)

    with TemporaryDirectory() as directory:
        place = Path(directory)
        with suppress(KeyboardInterrupt):
            play(place, found, Scripted(says, seed), parallel=parallel, max_usd=budget)
        stopped, before = -1, read_ledger(place).results
        summary = play(place, found, workers := Scripted(says, seed + 1), parallel=parallel, max_usd=budget)
        known = read_ledger(place)

    assert summary.ended in ("done", "budget", "infra")
    if summary.ended == "budget":
        judged = {key for key, outcome in before.items() if not outcome.infra}
        first = next(cell for cell in found.cells if cell not in workers.ran and cell.key not in judged)
        taken = 0.0
        for cell in found.cells:
            if cell.key in known.begun and cell != first:
                usd = known.results[cell.key].usd if cell.key not in known.open else None
                taken += most(cell) if usd is None else usd
        assert taken + most(first) > budget


@pytest.mark.parametrize(
    ("usd", "parallel", "ran"),
    [
        (0.10, 1, 3),  # each costs all that it may
        (0.05, 1, 5),  # what was not spent is there for others
        (0.00, 1, 8),
        (None, 1, 3),  # an unknown cost is the most it can be
        (0.05, 8, 5),
    ],
)
def test_what_a_run_did_not_spend_is_there_for_others(
    tmp_path: Path, usd: float | None, parallel: int, ran: int
) -> None:
    found = arms_that_may_cost(0.1, 0.1)
    workers = Scripted(lambda cell, _: result(cell, usd))
    summary = play(tmp_path, found, workers, max_usd=0.3, parallel=parallel)

    assert len(workers.ran) == ran
    assert summary.ended == ("done" if ran == 8 else "budget")
    # The ledger knows it, so that another call of the same command has no more to spend; a larger one goes on.
    again = play(tmp_path, found, nothing := Scripted(), max_usd=0.3)
    assert (again.ended, again.ran, nothing.ran) == (summary.ended, 0, Counter())
    assert play(tmp_path, found, Scripted(), max_usd=1).missing == 0


def test_a_run_that_was_cut_off_is_paid_for_once(tmp_path: Path) -> None:
    """Its journal holds what it cost: the result of the next try says the cost of all tries together."""
    found = arms_that_may_cost(0.1, tasks=4, repeats=1)
    tried = Scripted(lambda cell, before: result(cell, 0.02 * (before + 1), infra=before < TRIES - 1))
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, found, Scripted(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)), max_usd=0.3)
    summary = play(tmp_path, found, tried, max_usd=0.28)
    assert (summary.ended, summary.ran) == ("done", 4)
    assert read_ledger(tmp_path).spent == pytest.approx(0.24)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"max_usd": None}, "a run of the arm 'a0' may cost any sum"),
        ({"max_usd": 2.0}, "a single run of the arm 'a0' may cost 2 USD, and --max-usd is 1"),
        ({"model": "unheard-of"}, "what the model 'unheard-of' costs is not known"),
        ({"models": {"plan": "unheard-of"}}, "what the model 'unheard-of' costs is not known"),
        ({"model": "openai:gpt-4o", "max_usd": 1.0}, ""),
        ({"model": "local:llamacpp:m.gguf", "max_usd": 1.0}, ""),
    ],
)
def test_a_ceiling_that_could_not_hold_is_refused(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    found = experiment(1, 1, 1)
    found = replace(found, arms=(Arm("a0", replace(found.arms[0].settings, **settings)),))
    if not says:
        assert play(tmp_path, found, Scripted(), max_usd=1).ended == "done"
        return
    with pytest.raises(UserError, match=says):
        play(tmp_path, found, workers := Scripted(), max_usd=1)
    assert not workers.ran
    assert not read_ledger(tmp_path).begun


# -- looks


def compared(better: Sequence[str], looks: int = 4) -> tuple[Experiment, Scripted]:
    """Arms of which some always pass, the baseline never does, and others do half of the time."""
    found = experiment(12, 3, looks, Rule(looks=looks))

    def says(cell: Cell, _: int) -> Result:
        half = cell.arm != "a0" and int(cell.task[1:]) % 2 == cell.repeat % 2
        return result(cell, passed=cell.arm in better or half)

    return found, Scripted(says)


def test_a_look_ends_what_needs_no_more_runs(tmp_path: Path) -> None:
    found, workers = compared(["a1", "a2"])
    summary = play(tmp_path, found, workers, parallel=4)
    looks = read_ledger(tmp_path).looks

    assert summary.ended == "settled"
    assert [look["stop"] for look in looks] == [False] * (len(looks) - 1) + [True]
    assert {d["verdict"] for d in looks[-1]["decisions"].values()} == {"better"}
    assert {cell.repeat for cell in workers.ran} == set(range(len(looks)))
    assert summary.missing == (4 - len(looks)) * 36 > 0
    assert play(tmp_path, found, nothing := Scripted()) == replace(summary, ran=0)
    assert (nothing.ran, len(read_ledger(tmp_path).looks)) == (Counter(), len(looks))


def test_one_arm_that_is_open_keeps_all_going(tmp_path: Path) -> None:
    found, workers = compared(["a1"])
    plain = workers.says

    def says(cell: Cell, before: int) -> Result:
        return result(cell, passed=cell.task == "t00") if cell.arm == "a2" else plain(cell, before)

    workers.says = says
    summary = play(tmp_path, found, workers)
    looks = read_ledger(tmp_path).looks

    assert (summary.ended, summary.missing) == ("done", 0)
    assert [(look["look"], look["stop"]) for look in looks] == [(1, False), (2, False), (3, False)]
    assert [looks[-1]["decisions"][arm]["verdict"] for arm in ("a1", "a2")] == ["better", "inconclusive"]


def test_what_was_decided_at_a_look_is_not_decided_anew_with_later_runs(tmp_path: Path) -> None:
    """A runner that dies after a look, in the middle of the next share, goes on where it was."""
    found, workers = compared([], looks=2)  # nobody differs at first …
    plain = workers.says

    def says(cell: Cell, before: int) -> Result:
        if cell == found.cells[-1]:
            raise KeyboardInterrupt
        if cell.repeat == 1:  # … and then the baseline fails everything
            return result(cell, passed=cell.arm != "a0")
        return replace(plain(cell, before), passed=int(cell.task[1:]) % 2 == 0)

    workers.says = says
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, found, workers)
    before = read_ledger(tmp_path)
    assert [look["stop"] for look in before.looks] == [False]

    summary = play(tmp_path, found, Scripted())
    assert (summary.ended, summary.ran) == ("done", 1)
    assert read_ledger(tmp_path).looks == before.looks


def test_shards_do_not_look(tmp_path: Path) -> None:
    found, workers = compared(["a1", "a2"])
    assert play(tmp_path, found, workers, cells=shard(found, 1, 2)).ended == "done"
    assert not read_ledger(tmp_path).looks


# -- worker processes

PERFECT = "scripted:malformed=0,wrong=0,mends=1,tests_kept=1"


def real(repeats: int = 1, **how: Any) -> Experiment:
    """One arm on one small task, answered by the scripted author without a fault."""
    arm = Arm("only", Settings(model=PERFECT, mutants=0, max_usd=1.0, collect=False, **how))
    return Experiment("e", "?", "only", repeats, Rule(), (arm,), find_tasks(Path("ci"), ids=["s-share-out"]))


FILE = f"""\
schema = 1
[tasks]
ids = ["s-share-out"]
[rule]
repeats = 2
[settings]
model = "{PERFECT}"
[settings.limits]
mutants = 0
max_usd = 1.0
[arms.only]
"""


def until(holds: Callable[[], Any], seconds: float = 90.0) -> Any:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def calls(place: Path) -> list[tuple[str, str, str]]:
    """Key, step and state of every entry of the calls of all cells: those of a cell side by side, in order."""
    rows: list[tuple[str, str, str]] = []
    for path in sorted(place.glob(f"{CELLS}/*/home/runs/*/journal.db")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal, suppress(sqlite3.OperationalError):
            rows += [
                (f"{path} {key}", step, state)
                for key, step, state in journal.execute("SELECT key, step, state FROM calls ORDER BY id")
            ]
    return rows


def answered(place: Path) -> int:
    return sum(state == "done" for _, _, state in calls(place))


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    said = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in said.read_text().split()] if said.exists() else []


def gone(pid: int) -> bool:
    """Whether a process is there no more, or only its exit status is."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def workers() -> Callable[[], set[int]]:
    """The processes that a test has running; others of this process, such as the driver of a browser, are not its own."""
    others = set(children(os.getpid()))
    return lambda: {pid for pid in children(os.getpid()) if not gone(pid)} - others


def descendants(pid: int) -> list[int]:
    return [below for child in children(pid) for below in (child, *descendants(child))]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_runner_that_is_stopped_repeats_nothing_and_leaves_nobody_behind(place: Place, bubblewrap: None) -> None:
    """First by Ctrl-C, then by kill -9, each time in the middle of two cells of four calls each."""
    (place.work / "e.toml").write_text(FILE)
    out, command = place.work / "e-results", ("experiment", "run", "e.toml", "--parallel", "2")

    def stop(how: signal.Signals, after: int) -> str:
        """End a runner once so many calls are answered; what it said."""
        process = place.start(*command)
        until(lambda: answered(out) >= after)
        started = descendants(process.pid)
        os.kill(process.pid, how)
        stopped = ended(process)
        until(lambda: all(gone(pid) for pid in started), 10)
        assert len(started) >= 2
        assert stopped.returncode == (-9 if how == signal.SIGKILL else 130)
        assert "Traceback" not in stopped.stderr
        assert len(read_ledger(out).results) < 2
        return stopped.stderr

    assert "the same command goes on from there" in stop(signal.SIGINT, 2)
    stop(signal.SIGKILL, 5)
    before = answered(out)
    done = place.agent(*command, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    assert (said["ended"], said["missing"]) == ("done", 0)
    made, results = calls(out), read_ledger(out).results.values()
    assert _paid_again(made) == 0
    assert sum(state == "done" for *_, state in made) == len({key for key, *_ in made}) >= before >= 5
    assert all(found.passed for found in results)
    assert max(found.tries for found in results) == 3
    assert said["usd"] == pytest.approx(sum(found.usd or 0 for found in results))
    assert "Traceback" not in (out / "workers.log").read_text()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_that_dies_is_replaced_and_its_cell_goes_on(
    tmp_path: Path, bubblewrap: None, workers: Callable[[], set[int]]
) -> None:
    found = real()

    async def kill_one() -> None:
        await asyncio.to_thread(until, lambda: answered(tmp_path) >= 2)
        (worker,) = workers()
        os.kill(worker, signal.SIGKILL)

    async def both() -> Summary:
        async with Processes(found, tmp_path) as processes:
            killer = asyncio.create_task(kill_one())
            with open_ledger(tmp_path, found.as_data()) as ledger:
                summary = await run_experiment(found, ledger, processes, pauses=(0.0,))
            await killer
            return summary

    assert asyncio.run(both()) == Summary("done", "", 1, 0)
    (outcome,) = read_ledger(tmp_path).results.values()
    assert (outcome.passed, outcome.tries, outcome.calls) == (True, 2, outcome.questions)
    assert _paid_again(calls(tmp_path)) == 0
    assert not workers()


def test_a_worker_is_this_program_wherever_it_was_started_and_serves_one_cell_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: Callable[[], set[int]]
) -> None:
    for name in ("benchmark", "agent", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hostile')")
    monkeypatch.chdir(tmp_path)
    found = real(repeats=3, sandbox="elsewhere")

    async def ask() -> set[int]:
        seen: set[int] = set()
        async with Processes(found, tmp_path / "e") as processes:
            for cell in found.cells:
                with pytest.raises(UserError, match="elsewhere"):
                    await processes.run(cell)
                seen.update(workers())
        return seen

    assert len(asyncio.run(ask())) == 1
    assert not workers()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device"), "refused: the cell in "),
        (OSError(24, "Too many open files"), "infra: the machine broke: OSError: "),
        (MemoryError(), "infra: the machine broke: MemoryError"),
        (UserError("a key is missing"), "refused: a key is missing"),
        (ZeroDivisionError("by \ud800"), "broken: the program broke: ZeroDivisionError: by \\ud800"),
    ],
)
def test_what_goes_wrong_in_a_cell_counts_where_it_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    from benchmark import worker

    def breaks(_: worker.Job) -> Result:
        raise error

    monkeypatch.setattr(worker, "run_cell", breaks)
    job = worker.Job(Cell("t", "a", 0, "k"), task(), Settings(), "", str(tmp_path))
    said = json.loads(json.dumps(answer(job.as_line())))
    if "refused" in said:
        assert f"refused: {said['refused']}".startswith(says)
    else:
        outcome = said["result"]
        assert f"{outcome['status'] or 'infra'}: {outcome['reason']}".startswith(says)
        assert outcome["infra"] is (outcome["status"] == "")
        assert not outcome["passed"]


def test_a_job_is_the_same_at_the_other_end(tmp_path: Path) -> None:
    from benchmark.worker import Job

    (tmp_path / "p.toml").write_text("[m]\ninput = 1\noutput = 2\n")
    (cell,) = (found := real(prices=tmp_path / "p.toml", rungs=("split",), models={"plan": "m"})).cells
    job = Job(cell, found.tasks[0], found.arms[0].settings, "", str(tmp_path))
    assert Job.from_line(job.as_line()) == job
    assert job.as_line().count(b"\n") == 1
