"""How well tests and examples hold a component's code: which of its mutants they notice.

Every mutant is one ordinary run of the tests, confined and with a report that can be believed. Only those that survive
the tests are tried on the examples. All are told from the *control*: the same program, written by ``ast.unparse`` as the
mutants are, which must pass everything. One more run of the tests and one of each example say which lines are executed;
what the program makes of being traced does not count for the tests.

What this cannot hold: a program that reads its own source and fails when it is not the one it knows.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, Self, TypeVar

from agent.checks import mutants
from agent.checks.report import shown
from agent.sandbox.base import WORK, Ended, Job, Sandbox
from graphs.errors import NotJudged
from graphs.values import Example, Files, Limits, Mutant, Strength

FACTOR = 5.0
"""A mutant may take this many times the time of the control, before it is held for an endless loop."""
AT_LEAST = 2.0
"""Seconds it may take in any case."""
MOST_AT_ONCE = 4
"""Runs at the same time, where there are as many cores."""
NOTHING_NEW = "no line that could be mutated is new or changed, and code that was only taken away leaves none"
NOTHING_NEW = "no line that could be mutated is new or changed, and code that was only taken away leaves none"
TRACER = "line_tracer.py"

Result = TypeVar("Result")
Rows = dict[str, set[int]]


@dataclass(frozen=True)
class Trial:
    """What ordinary runs of tests and examples said."""

    failed: tuple[str, ...] = ()
    """Ids that did not pass. Where the tests' process came to no end: those that failed before, and the one that was
    running."""
    timed_out: bool = False
    """A run was stopped by the time limit."""
    by_machine: str = ""
    """Why the machine ended a run, so that nothing is said of the code; empty when it did not."""
    seconds: float = 0.0
    """Wall time."""


class Toolchain(Protocol):
    """What is needed of the Python toolchain."""

    tools: str
    """Inside: where its own files are mounted, a virtual environment among them."""

    @property
    def sandbox(self) -> Sandbox:
        """Runs everything."""
        ...

    @property
    def readonly(self) -> Mapping[str, Path]:
        """All its mounts."""
        ...

    def try_tests(self, tree: Files, tests: Files, ids: Sequence[str], seconds: float, first: bool = False) -> Trial:
        """One run of the declared tests, of at most ``seconds``; ``first``: it ends with the first that does not pass."""
        ...

    def try_example(self, tree: Files, example: Example, seconds: float) -> Trial:
        """The same for one example."""
        ...

    def over(self, sandbox: Sandbox) -> Self:
        """The same toolchain, with everything run by another sandbox."""
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """A directory for the block that the sandbox may show."""
        ...


class _Tracing:
    """A sandbox over another one that notes which lines of the source Python executes (see ``line_tracer.py``)."""

    def __init__(self, sandbox: Sandbox, tools: str, traced: Path) -> None:
        """``traced`` is mounted in the place of ``tools``: the same, with the tracer."""
        self.label = sandbox.label
        self.rows: Rows = {}
        """Path → executed lines; grows. As hostile as the program."""
        self._sandbox, self._tools, self._traced = sandbox, tools, traced

    def probe(self) -> None:
        """That of the sandbox underneath."""
        self._sandbox.probe()

    def run(self, job: Job) -> Ended:
        """Run it with the tracer between Python and the program."""
        at = next(place for place, word in enumerate(job.argv) if word.endswith(".py"))
        argv = (*job.argv[:at], f"{self._tools}/{TRACER}", WORK, f"{0.9 * job.limits.seconds:.3f}", *job.argv[at:])
        ended = self._sandbox.run(replace(job, argv=argv, readonly={**job.readonly, self._tools: self._traced}))
        report, _, line = ended.channel.rstrip(b"\n").rpartition(b"\n")
        for path, rows in _rows(line).items():
            self.rows.setdefault(path, set()).update(rows)
        return replace(ended, channel=report + b"\n")


def _rows(line: bytes) -> Rows:
    """What the tracer sent; nothing when it is not of that form."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {p: {row for row in rows if isinstance(row, int)} for p, rows in data.items() if isinstance(rows, list)}


def measure(
    toolchain: Toolchain,
    own: Sequence[str],
    tree: Files,
    tests: Files,
    ids: Sequence[str],
    examples: Sequence[Example],
    limits: Limits,
    known: Strength | None = None,
    existing: Files = MappingProxyType({}),
) -> Strength:
    """Try the tests and examples on mutants of the files ``own`` of ``tree``. ``NotJudged`` when the machine keeps us from it.

    ``known``: an earlier measurement of the same files. What was noticed then is not tried again. ``existing``: files of the
    program that was there; of those, mutants and lines are of new and changed lines only.
    """
    began = time.monotonic()

    def nothing(reason: str, lines: int = 0) -> Strength:
        return Strength(lines=lines, reason=reason, seconds=time.monotonic() - began)

    if limits.mutants <= 0:
        return Strength(reason="mutants are switched off")
    if not ids and not examples:
        return nothing("there is neither a test nor an example")
    program = mutants.read({path: tree[path] for path in own if path in tree}, existing)
    if not program.candidates:
        there = any(path in existing for path in own)
        return nothing(NOTHING_NEW if there else "there is no Python code of its own that could be changed")
    lines = {(path, line) for path, rows in program.lines.items() for line in rows.values()}
    bench = _Bench(toolchain, {**tree, **program.plain}, tests, ids, examples, began + limits.mutant_seconds)
    control, rows = bench.control()
    if control.timed_out:
        return nothing(f"{limits.mutant_seconds:g} s for all mutants are too short for the unchanged code", len(lines))
    if control.failed:
        again = bench.once_more()
        if flaky := tuple(name for name in control.failed if name in ids and name not in again.failed):
            first = shown(flaky[0], 200)
            why = f"{first} failed and passed on the same code"
            return replace(nothing(why, len(lines)), flaky=flaky)
        first = shown(control.failed[0], 200)
        why = f"the program behaves differently when nothing but its formatting changed ({first} does not pass)"
        return nothing(f"{why}, so its mutants say nothing", len(lines))
    executed = {path: rows.get(path, set()) & known_rows.keys() for path, known_rows in program.lines.items()}
    reached = {(path, program.lines[path][row]) for path, found in executed.items() for row in found}
    if not reached:
        return nothing("no line of its code was seen to be executed by tests or examples", len(lines))
    earlier = {mutant.id: mutant for mutant in known.mutants} if known else {}
    done: list[Mutant] = []
    tasks: list[partial[Mutant | None]] = []
    for mutant, text in mutants.chosen(program, executed, limits.mutants, earlier):
        before = earlier.get(mutant.id, mutant)
        if replace(before, killed_by=(), excuse="") != mutant:
            before = mutant  # of other files
        if before.killed_by:
            done.append(before)
        else:
            tasks.append(partial(bench.attempt, before, text))
    tried = [mutant for mutant in _at_once(tasks) if mutant is not None]
    if bench.broken and not tried:
        raise bench.broken[0]
    done = sorted(done + tried, key=lambda mutant: int(mutant.id[1:]))
    left = len(tasks) - len(tried) - len(bench.broken)
    return Strength(tuple(done), len(lines), len(reached), left, seconds=time.monotonic() - began)


class _Bench:
    """The runs of one measurement."""

    def __init__(
        self,
        toolchain: Toolchain,
        tree: Files,
        tests: Files,
        ids: Sequence[str],
        examples: Sequence[Example],
        deadline: float,
    ) -> None:
        self.broken: list[NotJudged] = []
        """Why the machine ended the runs of mutants; those do not count."""
        self._toolchain, self._tree, self._tests, self._ids = toolchain, tree, tests, ids
        self._examples, self._deadline = examples, deadline
        self._test_seconds = self._example_seconds = AT_LEAST

    def control(self) -> tuple[Trial, Rows]:
        """Everything on the unchanged code, and which lines that executes."""
        left = max(0.1, self._deadline - time.monotonic())
        with self._toolchain.scratch() as place:
            tracing = self._tracing(place / "tools")
            traced = self._toolchain.over(tracing)
            runs = [partial(traced.try_example, self._tree, example, left) for example in self._examples]
            if self._ids:
                plain = partial(self._toolchain.try_tests, self._tree, self._tests, self._ids, left)
                # They may notice that they are traced, and it may slow them down too much.
                in_vain = partial(traced.try_tests, self._tree, self._tests, self._ids)
                runs = [plain, *runs, partial(in_vain, left / 2)]
            trials = [_believed(trial) for trial in _at_once(runs)]
            if self._ids and not tracing.rows:  # a busy machine may have cut the traced run short
                _believed(in_vain(max(0.1, self._deadline - time.monotonic())))
        tests, examples = (trials[:1], trials[1:-1]) if self._ids else ([], trials)
        self._test_seconds = max([AT_LEAST, *(FACTOR * trial.seconds for trial in tests)])
        self._example_seconds = max([AT_LEAST, *(FACTOR * trial.seconds for trial in examples)])
        failed = tuple(name for trial in tests + examples for name in trial.failed)
        return Trial(failed, any(trial.timed_out for trial in tests + examples)), tracing.rows

    def once_more(self) -> Trial:
        """The tests on the unchanged code again."""
        left = max(0.1, self._deadline - time.monotonic())
        return _believed(self._toolchain.try_tests(self._tree, self._tests, self._ids, left))

    def _tracing(self, tools: Path) -> _Tracing:
        shutil.copytree(self._toolchain.readonly[self._toolchain.tools], tools, symlinks=True)
        shutil.copyfile(Path(__file__).with_name(TRACER), tools / TRACER)
        (packages,) = tools.glob("lib/*/site-packages")
        # The path inside, and the one outside where nothing is mounted; Python skips what does not exist.
        joining = f"{self._toolchain.tools}\n{tools.resolve()}\nimport line_tracer; line_tracer.join()\n"
        (packages / "line_tracer.pth").write_text(joining, encoding="utf-8")
        return _Tracing(self._toolchain.sandbox, self._toolchain.tools, tools)

    def attempt(self, mutant: Mutant, text: str) -> Mutant | None:
        """The mutant and what noticed it; ``None`` when time was up before all had been tried, or the machine is to blame."""
        tree = {**self._tree, mutant.path: text}
        # Which tests notice nothing is told from the extreme ones; for all others it is enough that one does.
        tests = partial(self._toolchain.try_tests, tree, self._tests, self._ids, first=not mutant.extreme)
        examples = [partial(self._toolchain.try_example, tree, example) for example in self._examples]
        try:
            killed_by = self._failed(self._test_seconds, [tests] if self._ids else [])
            if killed_by == ():  # and not None
                killed_by = self._failed(self._example_seconds, examples)
        except NotJudged as error:
            self.broken.append(error)
            return None
        return None if killed_by is None else replace(mutant, killed_by=killed_by)

    def _failed(self, seconds: float, runs: Sequence[Callable[[float], Trial]]) -> tuple[str, ...] | None:
        """What does not pass; ``None`` when there was not enough time left to say. ``NotJudged`` for what the machine did."""
        failed: list[str] = []
        for run in runs:
            granted = min(seconds, self._deadline - time.monotonic())
            trial = _believed(run(granted)) if granted > 0 else None
            if trial is None or (trial.timed_out and granted < seconds):
                return tuple(failed) or None
            failed += trial.failed
        return tuple(failed)


def _believed(trial: Trial) -> Trial:
    if trial.by_machine:
        raise NotJudged(f"{trial.by_machine}; that says nothing of the code, so resume the run to try again")
    return trial


def _at_once(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
    """What each task returns, in order; as many at a time as there are cores. The first error ends it, and is raised.

    Not a pool of ``concurrent.futures``, whose waiting tasks the interpreter would all carry out before it exits: after
    Ctrl-C these threads die with the process, and the sandboxes with them.
    """
    waiting = deque(enumerate(tasks))
    done: dict[int, Result] = {}
    errors: list[BaseException] = []

    def work() -> None:
        while not errors:
            try:
                number, task = waiting.popleft()
            except IndexError:
                return
            try:
                done[number] = task()
            except BaseException as error:
                errors.append(error)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(len(tasks), MOST_AT_ONCE, cores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [done[number] for number in range(len(tasks))]
