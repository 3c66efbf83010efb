"""Runs the cells of an experiment: in worker processes, side by side, under a budget, and so that any of them can die.

What ended stands in the ledger (``benchmark.ledger``) and is never done again. A failure of a machine or provider is tried again
and never counts against an arm. Where results are to be looked at before the end, they are looked at after equal shares of the
repeats, and what needs no more runs ends there.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from agent.models.pricing import Prices
from benchmark.experiment import Cell, Experiment
from benchmark.ledger import CELLS, Ledger, Result
from benchmark.statistics import decide, pairs
from benchmark.worker import SCRIPTED, Job
from graphs.errors import UserError
from graphs.values import from_json

TRIES = 3
"""How often a cell is begun at most, when machines or providers fail."""
PAUSES = (2.0, 10.0)
"""Seconds before the second and the third try."""
LOST = 5
"""So many cells in a row lost for good to machines or providers stop an experiment: there is something to mend."""
GRACE_SECONDS = 300.0
"""What a worker may take beyond the ceiling of a run, to test and to grade, before it counts as hung."""
ROUNDING = 1e-9
"""US dollars by which sums of prices may be off."""
LINE_LIMIT = 64 * 2**20
"""Most bytes of a worker's reply."""

Ended = Literal["done", "budget", "settled", "infra"]
"""``settled``: a look left nothing open, so that the remaining repeats were not run; ``infra``: too many cells were lost."""


class Workers(Protocol):
    """What runs cells."""

    async def run(self, cell: Cell) -> Result:
        """What came of a cell. Never raises for what can be tried again: that is a result with ``infra``.

        ``UserError``: what a person has to mend before any cell can go on.
        """
        ...


@dataclass(frozen=True)
class Summary:
    """How a run of the runner ended."""

    ended: Ended
    reason: str
    """One sentence; empty when all is done."""
    ran: int
    """Cells that were run now."""
    missing: int
    """Cells that have no judged result."""


Tell = Callable[[Result, int, int], None]
"""Hears a result, how many cells have one, and how many will."""


def _silent(result: Result, done: int, planned: int) -> None:
    pass


class _Purse:
    """Money: what each cell has cost, over all its tries; what runs, was cut off, or cost an unknown sum is counted with the most
    it may cost."""

    def __init__(self, most: float | None, experiment: Experiment, ledger: Ledger) -> None:
        """``most``: US dollars for all cells of the ledger together; ``None``: no ceiling."""
        self._most = most
        self._ceilings = {arm.name: arm.settings.max_usd or 0.0 for arm in experiment.arms}
        self._charges: dict[str, float] = {}
        self._sum = 0.0
        for cell in experiment.cells:
            known = ledger.results.get(cell.key)
            if cell.key in ledger.open or known:
                self._charge(cell, None if known is None or cell.key in ledger.open else known.usd)

    def take(self, cell: Cell) -> bool:
        """Whether there is enough for a cell; it is set aside then."""
        more = self._ceilings[cell.arm] - self._charges.get(cell.key, 0.0)
        if self._most is not None and self._sum + more > self._most + ROUNDING:
            return False
        self._charge(cell, None)
        return True

    def settle(self, cell: Cell, usd: float | None) -> None:
        """A cell ended, having cost that sum."""
        self._charge(cell, usd)

    def _charge(self, cell: Cell, usd: float | None) -> None:
        now = self._ceilings[cell.arm] if usd is None else usd
        self._sum += now - self._charges.get(cell.key, 0.0)
        self._charges[cell.key] = now


async def run_experiment(
    experiment: Experiment,
    ledger: Ledger,
    workers: Workers,
    *,
    parallel: int = 1,
    max_usd: float | None = None,
    cells: Sequence[Cell] | None = None,
    tell: Tell = _silent,
    pauses: Sequence[float] = PAUSES,
) -> Summary:
    """Run what the ledger does not hold yet.

    Args:
        experiment: what to run.
        ledger: opened for it.
        workers: what runs cells.
        parallel: cells at once.
        max_usd: US dollars that all cells of the ledger may cost together, earlier ones included; a cell is only begun when what
            it may cost at most fits, so that this is never exceeded.
        cells: only these, and results are not looked at before the end; all when not given.
        tell: hears of each cell that ended.
        pauses: seconds before further tries of a cell that a machine or provider failed.

    Raises:
        UserError: in one sentence, before anything is run or when a cell met something that a person has to mend.
    """
    if max_usd is not None:
        _check_prices(experiment, max_usd)
    mine = experiment.cells if cells is None else cells
    done = sum(cell.key in ledger.results for cell in mine)
    purse = _Purse(max_usd, experiment, ledger)
    run = _Run(experiment, ledger, workers, parallel, purse, tell, pauses, len(mine), done)
    looks = experiment.rule.looks if cells is None and len(experiment.arms) > 1 else 1
    share = experiment.repeats // looks
    for look in range(1, looks + 1):
        now = mine if looks == 1 else [cell for cell in mine if (look - 1) * share <= cell.repeat < look * share]
        ended = await run.all(now)
        if ended != "done":
            return run.summary(ended, mine)
        if look < looks and _settled(experiment, ledger, look, look * share):
            return run.summary("settled", mine)
    return run.summary("done", mine)


def shard(experiment: Experiment, index: int, count: int) -> tuple[Cell, ...]:
    """The cells of one of so many parts, numbered from 1. All arms of a task and repeat are in the same part."""
    numbers = {task.id: number for number, task in enumerate(experiment.tasks)}
    return tuple(
        cell for cell in experiment.cells if (numbers[cell.task] + cell.repeat * len(numbers)) % count == index - 1
    )


def _check_prices(experiment: Experiment, max_usd: float) -> None:
    """``UserError`` where money cannot be a ceiling, or where not even one cell fits."""
    for arm in experiment.arms:
        settings = arm.settings
        names = {name for name in (settings.model, *settings.models.values()) if name is not None}
        prices = Prices.load(settings.prices)
        for name in names:
            kind, _, rest = name.partition(":")
            free = kind in ("manual", "replay", "replay-loosely", "local", "ollama")
            if not (free or name.startswith(SCRIPTED) or prices.of(name) or prices.of(rest)):
                raise UserError(
                    f"what the model {name!r} costs is not known, so --max-usd cannot hold; name a price table with 'prices' in "
                    "agent.toml, or leave out --max-usd and set limits.max_tokens"
                )
        if settings.max_usd is None:
            raise UserError(
                f"a run of the arm {arm.name!r} may cost any sum, so --max-usd cannot hold; set limits.max_usd for a single run"
            )
        if settings.max_usd > max_usd:
            raise UserError(
                f"a single run of the arm {arm.name!r} may cost {settings.max_usd:g} USD, and --max-usd is {max_usd:g}; lower "
                "limits.max_usd in the experiment's [settings], or raise --max-usd"
            )


def _settled(experiment: Experiment, ledger: Ledger, look: int, repeats: int) -> bool:
    """Whether a look at so many repeats leaves nothing open. It is written down, and what was decided once stays so."""
    for before in ledger.looks:
        if before["look"] == look:
            return bool(before["stop"])
    outcomes = [result.outcome for result in ledger.results.values() if result.repeat < repeats]
    others = [arm.name for arm in experiment.arms if arm.name != experiment.baseline]
    compared = {name: pairs(outcomes, experiment.baseline, name) for name in others}
    if any(sum(pair.judged for pair in found) < 2 for found in compared.values()):
        return False
    decisions = decide(compared, experiment.rule, look)
    stop = all(decision.stop for decision in decisions.values())
    known = {name: {"verdict": d.verdict, "reason": d.reason, "futile": d.futile} for name, d in decisions.items()}
    ledger.looked({"look": look, "stop": stop, "decisions": known})
    return stop


@dataclass
class _Run:
    """What the cells of one call of :func:`run_experiment` share."""

    experiment: Experiment
    ledger: Ledger
    workers: Workers
    parallel: int
    purse: _Purse
    tell: Tell
    pauses: Sequence[float]
    planned: int
    done: int
    """Cells of these that have a result, lost ones included."""
    ran: int = 0
    lost: int = 0
    """Cells in a row that machines or providers failed for good."""

    async def all(self, cells: Sequence[Cell]) -> Ended:
        """Run the cells that have no judged result, in order, so many at once. What runs is waited for when money runs out."""
        waiting = [cell for cell in cells if not self._judged(cell)][::-1]
        going: set[asyncio.Task[None]] = set()
        ended: Ended = "done"
        try:
            while waiting or going:
                while waiting and len(going) < self.parallel and ended == "done":
                    if not self.purse.take(waiting[-1]):
                        if not going:
                            ended = "budget"
                        break
                    going.add(asyncio.create_task(self._cell(waiting.pop())))
                if not going:
                    break
                over, going = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
                if error := next(filter(None, [task.exception() for task in over]), None):
                    raise error
                if self.lost >= LOST:
                    ended = "infra"
        finally:
            for task in going:
                task.cancel()
            await asyncio.gather(*going, return_exceptions=True)
        return ended

    def _judged(self, cell: Cell) -> bool:
        known = self.ledger.results.get(cell.key)
        return known is not None and not known.infra

    async def _cell(self, cell: Cell) -> None:
        result = Result(cell.key, cell.task, cell.arm, cell.repeat, passed=False, infra=True)
        for number in range(TRIES):
            if number:
                await asyncio.sleep(self.pauses[min(number, len(self.pauses)) - 1])
            self.ledger.began(cell.key)
            result = await self.workers.run(cell)
            if not result.infra:
                break
        result = replace(result, tries=self.ledger.begun[cell.key])
        if result.run:
            result = replace(result, run=f"{CELLS}/{cell.folder}/{result.run}")
        self.purse.settle(cell, result.usd)
        self.done += cell.key not in self.ledger.results
        self.ledger.ended(result)
        self.ran += 1
        self.lost = self.lost + 1 if result.infra else 0
        self.tell(result, self.done, self.planned)

    def summary(self, ended: Ended, mine: Sequence[Cell]) -> Summary:
        """How it ended, in words."""
        missing = sum(not self._judged(cell) for cell in mine)
        reason = ""
        if ended == "budget":
            reason = f"the next run may cost more than is left of --max-usd; {missing} of {len(mine)} runs are missing"
        elif ended == "settled":
            reason = f"a look at the results leaves nothing open; {missing} of {len(mine)} runs were not needed"
        elif ended == "infra":
            reason = f"{LOST} runs in a row were lost to machines or providers; see why, and run the same command again"
        elif missing:
            reason = (
                f"{missing} of {len(mine)} runs were lost to machines or providers; the same command tries them again"
            )
        return Summary(ended, reason, self.ran, missing)


# -- worker processes


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def begin(cls, log: Path) -> _Worker:
        """A new one. What it says besides replies is appended to ``log``."""
        with log.open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # what lies where the experiment was started is not this program
                "-m",
                "benchmark.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
                start_new_session=True,  # a Ctrl-C is the runner's: workers end with it, their runs resumable
                limit=LINE_LIMIT,
            )
        return cls(process)

    async def ask(self, job: Job, seconds: float) -> Mapping[str, Any]:
        """The reply to a job. ``EOFError`` when the process died, ``TimeoutError`` when it took too long."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(job.as_line())
            await self.process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise EOFError from error
        line = await asyncio.wait_for(self.process.stdout.readline(), seconds)
        if not line.endswith(b"\n"):
            raise EOFError
        reply: Mapping[str, Any] = json.loads(line)
        return reply

    async def end(self) -> None:
        """Kill it. The journal of a run in it holds what is needed to go on."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class Processes:
    """Worker processes of this machine, begun when there is work; one that dies is replaced, and its cell tried again."""

    def __init__(self, experiment: Experiment, directory: Path) -> None:
        """
        Args:
            experiment: whose cells are run.
            directory: of the experiment; each cell gets a folder in it.
        """
        self._experiment = experiment
        self._directory = directory.absolute()
        self._tasks = {task.id: task for task in experiment.tasks}
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    async def run(self, cell: Cell) -> Result:
        """As :class:`Workers` promises."""
        arm, task = self._experiment.arm(cell.arm), self._tasks[cell.task]
        job = Job(cell, task, arm.settings, str(arm.exemplars or ""), str(self._directory / CELLS / cell.folder))
        worker = self._idle.pop() if self._idle else await self._begin()
        seconds = (arm.settings.max_seconds or task.agent_seconds) + 3 * task.verifier_seconds + GRACE_SECONDS
        try:
            reply = await worker.ask(job, seconds)
        except (EOFError, ValueError):
            return self._failed(cell, "the process that ran it died")
        except TimeoutError:
            return self._failed(cell, f"the process that ran it did not end within {seconds:.0f} s")
        else:
            self._idle.append(worker)
        finally:
            if worker not in self._idle:
                self._all.discard(worker)
                await worker.end()
        if "refused" in reply:
            raise UserError(reply["refused"])
        return from_json(Result, reply["result"])

    def _failed(self, cell: Cell, reason: str) -> Result:
        return Result(cell.key, cell.task, cell.arm, cell.repeat, passed=False, infra=True, reason=reason)

    async def _begin(self) -> _Worker:
        self._directory.joinpath(CELLS).mkdir(parents=True, exist_ok=True)
        worker = await _Worker.begin(self._directory / "workers.log")
        self._all.add(worker)
        return worker

    async def __aenter__(self) -> Processes:
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._all:
            await worker.end()
        self._all.clear()
        self._idle.clear()


def run_here(
    experiment: Experiment,
    ledger: Ledger,
    *,
    parallel: int,
    max_usd: float | None = None,
    cells: Sequence[Cell] | None = None,
    tell: Tell = _silent,
) -> Summary:
    """:func:`run_experiment` in worker processes of this machine. Blocking; ``KeyboardInterrupt`` ends it at once, and the same
    call goes on later."""

    async def run() -> Summary:
        async with Processes(experiment, ledger.directory) as workers:
            return await run_experiment(
                experiment, ledger, workers, parallel=parallel, max_usd=max_usd, cells=cells, tell=tell
            )

    return asyncio.run(run())
