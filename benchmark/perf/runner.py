"""What running an experiment costs beside the runs themselves, and what ``kill -9`` costs it.

- *no work*: cells that are over at once go through the real runner into the real ledger, beside the same facts written to a
  ledger alone, to a file that is not synchronised, and beside what the disk takes for a synchronised line;
- *pipes*: the same through processes: jobs and replies are those of real workers, but a dozen lines of Python answer;
- *real*: cells of a small task, answered by the scripted author without a fault, through a real worker, beside the same runs
  by ``agent.run.start`` in this process, one after the other in turns;
- *killed*: an experiment whose process is killed at random moments. Each process writes down apart from the ledger what it
  begins and what it was told to be over. A cell is *repeated* that was over and is begun again, *lost* when it was over and is
  not in the ledger, or has no result in the end. Cells in flight at a kill are begun again in every design.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.config import Settings
from benchmark.datasets import Task
from benchmark.experiment import Arm, Cell, Experiment, find_tasks
from benchmark.ledger import NAME, Result, open_ledger, read_ledger
from benchmark.perf.measure import arguments, report
from benchmark.runner import Processes, Workers, _Worker, run_experiment
from benchmark.statistics import Rule

CELLS = {"no work": (10_000, 1_000), "pipes": (2_000, 200), "killed": (400, 200), "real": (6, 2)}
"""Cells of each part, and of its short form."""
KILLS, QUICK_KILLS = 20, 4
PARALLEL = 4
TASKS, ARMS = 10, 2
SYNCED = 1_000
"""Lines of which the time that the disk takes is the mean."""
MILLISECONDS, SHARE, MEGABYTES = 1.0, 0.1, 150.0
"""Most CPU time of a cell in the runner and its ledger, what it waits for the disk apart; most share of a real cell that is
neither its run nor its hidden tests; most memory."""
LONGEST_CELL_SECONDS = 0.02
"""Of the cells of the experiment that is killed."""
WORKING_SECONDS = 0.25
"""A kill strikes within so long after a process began its first cell."""
PERFECT = "scripted:malformed=0,wrong=0,mends=1,tests_kept=1"
REAL_TASK = "s-share-out"

ECHO = """
import json, sys
for line in sys.stdin:
    cell = json.loads(line)["cell"]
    result = {key: cell[key] for key in ("task", "arm", "repeat")}
    print(json.dumps({"result": {**result, "cell": cell["key"], "passed": True, "usd": 0.01}}), flush=True)
"""


def experiment(cells: int) -> Experiment:
    """So many cells of tasks that are never run."""
    test = {"test_t.py": "def test_t():\n    assert True\n"}
    tasks = tuple(
        Task(id=f"t{n:02}", title="t", instruction="# T\n" * 500, tests=test, parts={"test_t.py": "t"})
        for n in range(TASKS)
    )
    arms = tuple(Arm(f"a{n}", Settings(model="none", exemplars=n)) for n in range(ARMS))
    return Experiment("perf", "?", "a0", cells // TASKS // ARMS, Rule(), arms, tasks)


def over(cell: Cell) -> Result:
    """A result of usual size."""
    run = f"home/runs/20261121-000000-{cell.task}"
    return Result(cell.key, cell.task, cell.arm, cell.repeat, passed=True, status="passed", usd=0.01, run=run)


class Instant:
    """Workers that are done at once."""

    async def run(self, cell: Cell) -> Result:
        """The result."""
        await asyncio.sleep(0)
        return over(cell)


class Echoing(Processes):
    """Real pipes, jobs and replies; the process at the other end does nothing."""

    async def _begin(self) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ECHO, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        worker = _Worker(process)
        self._all.add(worker)
        return worker


async def _seen_through(found: Experiment, place: Path, workers: Workers) -> None:
    with open_ledger(place, found.as_data()) as ledger:
        summary = await run_experiment(found, ledger, workers, parallel=PARALLEL)
        assert summary.missing == 0


def timed(work: Callable[[], object]) -> float:
    """Wall seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory on the disk where temporary files are kept, until its end."""
    with tempfile.TemporaryDirectory(prefix="stepgraph-runner-") as place:
        yield Path(place)


# -- no work, pipes


def no_work(count: int) -> dict[str, float]:
    """Milliseconds per cell of the runner and of what is compared with it, wall time but for ``cpu_ms``; megabytes."""
    found = experiment(count)
    known = [over(cell) for cell in found.cells]
    with scratch() as place:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu = time.process_time()
        whole = timed(lambda: asyncio.run(_seen_through(found, place / "run", Instant())))
        cpu = time.process_time() - cpu
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def ledger_alone() -> None:
            with open_ledger(place / "alone", found.as_data()) as ledger:
                for result in known:
                    ledger.began(result.cell)
                    ledger.ended(result)

        alone = timed(ledger_alone)
        lines = (place / "run" / NAME).read_bytes().splitlines(keepends=True)
        again = timed(lambda: read_ledger(place / "run"))

        def plain() -> None:
            with (place / "plain").open("wb", buffering=0) as file:
                for line in lines:
                    file.write(line)

        unsynced = timed(plain)

        def synced() -> None:
            with (place / "synced").open("wb", buffering=0) as file:
                for line in lines[:SYNCED]:
                    file.write(line)
                    os.fdatasync(file.fileno())

        disk = timed(synced) / min(SYNCED, len(lines))
    return {
        "cpu_ms": round(cpu / count * 1000, 3),
        "runner_ms": round(whole / count * 1000, 3),
        "ledger_alone_ms": round(alone / count * 1000, 3),
        "file_without_sync_ms": round(unsynced / count * 1000, 3),
        "one_synchronised_line_ms": round(disk * 1000, 3),
        "read_again_ms": round(again / count * 1000, 3),
        "megabytes": round(after / 1024, 1),
        "megabytes_before": round(before / 1024, 1),
    }


def pipes(count: int) -> float:
    """Milliseconds per cell through processes that do nothing; starting them is counted."""
    found = experiment(count)

    async def run(place: Path) -> None:
        async with Echoing(found, place) as workers:
            await _seen_through(found, place, workers)

    with scratch() as place:
        return round(timed(lambda: asyncio.run(run(place))) / count * 1000, 3)


# -- real cells


def real(count: int) -> dict[str, float]:
    """Seconds of a cell through a real worker, and of the same run by itself, both as medians after a first one."""
    from agent.run import RunConfig, start
    from agent.spec import read_spec
    from benchmark.scripted_author import PRICES, read_rates, scripted_endpoint

    settings = Settings(model=PERFECT, mutants=0, max_usd=1.0, collect=False)
    tasks = find_tasks(Path("ci"), ids=[REAL_TASK])
    found = Experiment("real", "?", "only", count + 1, Rule(), (Arm("only", settings),), tasks)
    beside, alone, first = [], [], 0.0
    cells: list[float] = []

    def directly(place: Path) -> None:
        file = place / "spec.md"
        place.mkdir()
        file.write_text(tasks[0].instruction, "utf-8")
        with scripted_endpoint(tasks[0], read_rates(PERFECT), f"{place.name}") as stub:
            asked = Settings(
                **{
                    **vars(settings),
                    "model": "scripted",
                    "base_url": stub.url,
                    "prices": PRICES,
                    "output": place / "out",
                }
            )
            start(RunConfig(read_spec(str(file)), place / "out", asked, place / "home"))

    with scratch() as place, asyncio.Runner() as loop:
        workers = Processes(found, place / "cells")
        try:
            for cell in found.cells:
                began = time.perf_counter()
                result = loop.run(workers.run(cell))
                took = time.perf_counter() - began
                assert result.passed, result
                run = timed(lambda at=place / f"alone-{cell.repeat}": directly(at))  # type: ignore[misc]
                if cell.repeat:
                    cells.append(took)
                    beside.append(took - result.seconds - result.grading)
                    alone.append(run + result.grading)
                else:
                    first = took
        finally:
            loop.run(workers.__aexit__())
    return {
        "cell_s": round(statistics.median(cells), 3),
        "beside_run_and_tests_s": round(statistics.median(beside), 3),
        "share_beside": round(statistics.median(beside) / statistics.median(cells), 3),
        "run_by_itself_and_tests_s": round(statistics.median(alone), 3),
        "ratio": round(statistics.median(cells) / statistics.median(alone), 3),
        "first_cell_s": round(first, 3),
    }


# -- killed


class Witnessed:
    """Cells that take a moment; that one begins is written down apart from the ledger."""

    def __init__(self, witness: int) -> None:
        self._witness = witness
        self._random = random.Random()

    async def run(self, cell: Cell) -> Result:
        """The result, after a moment."""
        os.write(self._witness, f"began {cell.key} {os.getpid()}\n".encode())
        await asyncio.sleep(self._random.uniform(0, LONGEST_CELL_SECONDS))
        return over(cell)


def to_be_killed(place: Path, count: int) -> None:
    """What a process does that will be killed."""
    found = experiment(count)
    witness = os.open(place / "witness", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(result: Result, *_: int) -> None:
        os.write(witness, f"over {result.cell} {os.getpid()}\n".encode())

    with open_ledger(place, found.as_data()) as ledger:
        asyncio.run(run_experiment(found, ledger, Witnessed(witness), parallel=PARALLEL, tell=tell))


def killed(count: int, most: int, rng: random.Random) -> dict[str, int]:
    """How many cells were begun again and why, and how many were lost."""
    with scratch() as place:
        place.joinpath("witness").touch()
        kills = 0
        while True:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmark.perf.runner", "--cells", str(count), str(place)]
            )
            if kills == most:
                assert process.wait() == 0
                break
            mine = f" {process.pid}\n"
            while mine not in place.joinpath("witness").read_text() and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, WORKING_SECONDS))
            if process.poll() is not None:
                break  # it was through before as many kills
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        lines = [line.split() for line in place.joinpath("witness").read_text().splitlines()]
        results = read_ledger(place).results
        ended = Counter(
            line["result"]["cell"]
            for line in map(json.loads, place.joinpath(NAME).read_text().splitlines())
            if line["kind"] == "ended"
        )
    told: set[str] = set()
    repeated = 0
    for kind, cell, _ in lines:
        repeated += kind == "began" and cell in told
        if kind == "over":
            told.add(cell)
    begun = sum(kind == "began" for kind, *_ in lines)
    return {
        "kills": kills,
        "cells": count,
        "repeated": repeated + sum(times - 1 for times in ended.values()),
        "lost": len(told - results.keys()) + count - len(results),
        "in_flight_at_a_kill": begun - count,
    }


def main() -> None:
    """Print one JSON object."""
    if sys.argv[1:2] == ["--cells"]:
        to_be_killed(Path(sys.argv[3]), int(sys.argv[2]))
        return
    quick = arguments(__doc__).quick
    counts = {name: both[quick] for name, both in CELLS.items()}
    idle = no_work(counts["no work"])
    through = pipes(counts["pipes"])
    deaths = killed(counts["killed"], QUICK_KILLS if quick else KILLS, random.Random(20261121))
    cells = real(counts["real"]) if shutil.which("bwrap") else {}
    missed = [
        *([f"{idle['cpu_ms']} ms per cell"] if idle["cpu_ms"] > MILLISECONDS else []),
        *([f"{idle['megabytes']} MB"] if idle["megabytes"] > MEGABYTES else []),
        *([f"{deaths['repeated']} cells repeated"] if deaths["repeated"] else []),
        *([f"{deaths['lost']} cells lost"] if deaths["lost"] else []),
        *(
            ["more cells begun again than were in flight"]
            if deaths["in_flight_at_a_kill"] > PARALLEL * deaths["kills"]
            else []
        ),
        *(["real cells"] if not cells or cells["share_beside"] > SHARE else []),
    ]
    report(
        name="runner",
        value=idle["cpu_ms"],
        unit=f"ms of CPU per cell that does no work, {counts['no work']} cells, each on the disk before it counts",
        target=(
            f"<= {MILLISECONDS:g} ms, <= {MEGABYTES:g} MB; <= {SHARE:.0%} of a real cell beside its run and its hidden tests; "
            "kill -9: 0 cells repeated that were over, 0 lost"
        ),
        holds=not missed,
        baselines={
            "wall time, the disk's included": idle["runner_ms"],
            "wall time of the same ledger alone": idle["ledger_alone_ms"],
            "wall time of one synchronised line on this disk": idle["one_synchronised_line_ms"],
            "wall time of a file that is not synchronised": idle["file_without_sync_ms"],
        },
        missed=missed,
        no_work=idle,
        through_pipes_ms=through,
        real=cells,
        killed=deaths,
    )


if __name__ == "__main__":
    main()
