"""What does ``kill -9`` cost? Runs of the real command (HTTP endpoint, sandbox, git) are killed at random instants and resumed.

Four components of each run are in trouble: one must be split, one needs a clearer contract, one has a wrong test, and one
an answer of the user, which is left for the run (``agent answer``) when it has ended without. So kills strike while the
plan is cut again, too.

A call is *repeated* when its question is sent again although its answer was in the journal. Calls in flight at a kill are
lost in every design and are counted apart; among them are answers that the server had sent whole but that the killed
process had not yet read and made durable: how long before the kill they were sent says how wide that window is. A result
is *lost* when a run does not end with every component committed and its tests passing, with the same plan and the same files
as a run that nobody disturbed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.perf.endpoint import Log, serve
from benchmark.perf.measure import arguments, report
from benchmark.perf.sums import LONG, MISREAD, OPEN, UNCLEAR, answer, sums_plan
from graphs import document

AGENT = (sys.executable, "-m", "agent.cli")
PLAN = ".agent/plan.yaml"
COMPONENTS, LAYERS = 12, 3
TROUBLES = (LONG, UNCLEAR, MISREAD, OPEN)
KILLS = 50
QUICK_KILLS = 6
SLOWEST_ANSWER_SECONDS = 0.4
EARLY = 0.2
"""Share of kills at any instant since the process began; the rest strike while it works, after its first request."""
AIMED = 0.4
"""Share of kills that strike around the answer to a question by which the plan or a test is changed."""
AIMED_AT = frozenset({"tests in doubt", "a contract made clear", "a smaller cut"})
EARLY_SECONDS, AIMED_SECONDS = 3.0, 0.8
WORKING_SECONDS = 1.5
RUN_SECONDS = 120
"""A process that neither ends nor is killed within this time hangs, which fails the measurement."""


ANSWERS = "Add the number."
"""What the user says to every question."""


@dataclass
class Tally:
    """What happened over all runs."""

    kills: int = 0
    runs: int = 0
    calls: int = 0
    repeated: int = 0
    in_flight: int = 0
    cut_off: Counter[str] = field(default_factory=Counter)
    """Step → calls that a kill found in flight."""
    questions: int = 0
    """Answered after a run had ended without."""
    window_ms: float = 0.0
    """The longest time before a kill that an answer had been sent which was then asked for again."""
    lost: list[str] = field(default_factory=list)


class Run:
    """One directory with a spec, a plan, what is known of the run and what it delivers."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.home, self.output = directory / "home", directory / "out"
        plan = document.dump(sums_plan(COMPONENTS, LAYERS, TROUBLES))
        (directory / "spec.md").write_text("# sums\n\nPlease add numbers.\n", encoding="utf-8")
        (directory / "plan.yaml").write_text(plan, encoding="utf-8")
        self._flags = ["-o", "out", "--plan", "plan.yaml", "--yes", "--model", "simulated", "--base-url", url]
        self._environment = {**os.environ, "AGENT_HOME": str(self.home), "OPENAI_API_KEY": "none"}

    def go_on(self) -> subprocess.Popen[str]:
        """Begin the run, or resume it where it has begun."""
        begun = next(self._rows("SELECT count(*) FROM events"), (0,))[0]
        command = ["resume", "--quiet"] if begun else ["run", "spec.md", *self._flags, "--quiet", "--parallel", "4"]
        return subprocess.Popen(
            [*AGENT, *command],
            cwd=self.directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def answer_questions(self) -> int:
        """Leave an answer for each question that has none; how many."""
        asked = self._said("answer", "--json")
        open_ones = [q["id"] for q in json.loads(asked.stdout)["questions"]] if not asked.returncode else []
        for question in open_ones:
            self._said("answer", self._name(), question, ANSWERS)
        return len(open_ones)

    def _said(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*AGENT, *words], cwd=self.directory, env=self._environment, capture_output=True, text=True, check=False
        )

    def _name(self) -> str:
        return next(self.home.glob("runs/*")).name

    def _rows(self, query: str) -> Iterator[Any]:
        for path in self.home.glob("runs/*/journal.db"):
            with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.OperationalError):
                yield from connection.execute(query)

    def delivered(self) -> dict[str, str]:
        """Path → text of everything under version control; and what was not committed as a component."""
        names = self._git("ls-files").split()
        plan = document.parse((self.output / PLAN).read_text("utf-8")) if PLAN in names else None
        trailers = self._git("log", "--format=%(trailers:key=Component,valueonly,separator=%x2C)").split()
        missing = {c.id for c in plan.components} - set(trailers) if plan else {"the plan"}
        files = {name: (self.output / name).read_text("utf-8") for name in names}
        return {**files, **{f"not committed: {i}": "" for i in missing}}

    def _git(self, *words: str) -> str:
        return subprocess.run(["git", *words], cwd=self.output, capture_output=True, text=True, check=False).stdout

    def calls(self) -> list[tuple[str, str, str]]:
        """Key, step and state of every entry of the calls, in order."""
        return list(self._rows("SELECT key, step, state FROM calls ORDER BY id"))


def see_through(run: Run, log: Log, tally: Tally, most_kills: int, rng: random.Random) -> None:
    """Start a run, kill and resume it until it ends by itself or there were enough kills, then let it end."""
    began = log.count()
    kills: list[float] = []
    tally.runs += 1
    while True:
        seen = log.count()
        process = run.go_on()
        if tally.kills < most_kills:
            _wait(process, log, seen, rng)
        if process.poll() is None and tally.kills < most_kills:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills.append(time.monotonic())
            tally.kills += 1
            tally.cut_off.update(_in_flight(run.calls()))
            continue
        try:
            printed, _ = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            tally.lost.append("a process hung")
            break
        if process.returncode == 1 and (answered := run.answer_questions()):
            tally.questions += answered
            continue
        if process.returncode:
            tally.lost.append(printed.strip()[-300:])
        break
    tally.repeated += _paid_again(run.calls())
    _count(log, began, kills, tally)


def compare(run: Run, undisturbed: dict[str, str], tally: Tally) -> None:
    """What a run delivered must be what one delivers that nobody disturbs."""
    here = run.delivered()
    different = sorted(p for p in here.keys() | undisturbed.keys() if here.get(p) != undisturbed.get(p))
    if different:
        tally.lost.append(f"other than undisturbed: {', '.join(different)}")


def _wait(process: subprocess.Popen[str], log: Log, seen: int, rng: random.Random) -> None:
    """Until the instant of the kill, or until the process ends by itself."""
    which, deadline = rng.random(), time.monotonic()
    if which < EARLY:
        deadline += rng.uniform(0, EARLY_SECONDS)
    else:
        aimed = which < EARLY + AIMED
        while not any(not aimed or task in AIMED_AT for task in log.tasks(seen)) and process.poll() is None:
            time.sleep(0.005)
        deadline = time.monotonic() + rng.uniform(0, AIMED_SECONDS if aimed else WORKING_SECONDS)
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)


def _in_flight(calls: Sequence[tuple[str, str, str]]) -> list[str]:
    """Steps of the calls whose last entry says that they were sent, and no more."""
    last = {key: (step, state) for key, step, state in calls}
    return [step for step, state in last.values() if state == "started"]


def _paid_again(calls: Sequence[tuple[str, str, str]]) -> int:
    """Calls that were started again after their answer was in the journal."""
    again = 0
    answered: set[str] = set()
    for key, _, state in calls:
        again += state == "started" and key in answered
        if state == "done":
            answered.add(key)
    return again


def _count(log: Log, began: int, kills: list[float], tally: Tally) -> None:
    """Enter what the server saw: calls, and those that came again because a kill had cut them off."""
    with log.lock:
        served = log.served[began:]
    tally.calls += len(served)
    for number, call in enumerate(served):
        earlier = [s for s in served[:number] if s.question == call.question]
        if not earlier:
            continue
        tally.in_flight += 1
        last = earlier[-1]
        after = [k for k in kills if last.answered is not None and last.answered <= k <= call.arrived]
        if after and last.answered is not None:
            tally.window_ms = max(tally.window_ms, (after[0] - last.answered) * 1000)


def main() -> None:
    """Print one JSON object."""
    quick = arguments(__doc__).quick
    most = QUICK_KILLS if quick else KILLS
    rng = random.Random(20261120)
    tally, calm = Tally(), Tally()
    with (
        serve(answer, lambda: rng.uniform(0.05, SLOWEST_ANSWER_SECONDS)) as (url, log),
        tempfile.TemporaryDirectory(prefix="stepgraph-resume-") as place,
    ):
        run = Run(_directory(place, "undisturbed"), url)
        see_through(run, log, calm, 0, rng)
        undisturbed = run.delivered()
        while tally.kills < most and not tally.lost + calm.lost:
            run = Run(_directory(place, str(tally.runs)), url)
            see_through(run, log, tally, most, rng)
            if not tally.lost:
                compare(run, undisturbed, tally)
    lost = [*calm.lost, *tally.lost]
    report(
        name="resume",
        value=tally.repeated,
        unit=f"answered calls paid again over {tally.kills} kill -9",
        target="0 repeated, 0 lost results, same plan and files as undisturbed",
        holds=tally.repeated == 0 and not lost,
        baselines={"gpt-engineer, one kill": "all calls again", "aider, one kill": "all calls again"},
        kills=tally.kills,
        runs=tally.runs,
        calls=tally.calls,
        calls_undisturbed=calm.calls,
        in_flight_at_a_kill=tally.in_flight,
        cut_off_by_step=dict(tally.cut_off),
        questions_answered=tally.questions,
        widest_window_ms=round(tally.window_ms, 1),
        lost=lost,
    )


def _directory(place: str, name: str) -> Path:
    made = Path(place) / name
    made.mkdir()
    return made


if __name__ == "__main__":
    main()
