"""What does ``kill -9`` cost? Runs of the real command (HTTP endpoint, sandbox, git) are killed at random instants and resumed.

A call is *repeated* when its question is sent again although its answer was in the journal. Calls in flight at a kill are
lost in every design and are counted apart; among them are answers that the server had sent whole but that the killed
process had not yet read and made durable: how long before the kill they were sent says how wide that window is. A result
is *lost* when a run does not end with every component committed and its tests passing.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.perf.endpoint import Log, serve
from benchmark.perf.measure import arguments, report
from graphs import document
from graphs.values import Component, Contract, Plan, Requirement

COMPONENTS = 12
KILLS = 50
QUICK_KILLS = 6
SLOWEST_ANSWER_SECONDS = 0.4
EARLY = 0.2
"""Share of kills at any instant since the process began; the others strike while it works, after its first request."""
EARLY_SECONDS = 3.0
WORKING_SECONDS = 1.5
RUN_SECONDS = 120
"""A process that neither ends nor is killed within this time hangs, which fails the measurement."""


@dataclass
class Tally:
    """What happened over all runs."""

    kills: int = 0
    runs: int = 0
    calls: int = 0
    repeated: int = 0
    in_flight: int = 0
    window_ms: float = 0.0
    """The longest time before a kill that an answer had been sent which was then asked for again."""
    lost: list[str] = field(default_factory=list)


def plan() -> Plan:
    """Components in layers of four, each a function that adds its number; each depends on one of the layer above."""
    components = []
    for i in range(COMPONENTS):
        path = f"sums/part_{i}.py"
        interface = f'def add_{i}(value: int) -> int:\n    """Return value plus {i}."""\n    ...\n'
        components.append(
            Component(
                id=f"part_{i}",
                purpose=f"Add {i}.",
                files=(path,),
                contract=Contract({path: interface}, f"add_{i} returns value + {i}."),
                depends_on=(f"part_{i - 4}",) if i >= 4 else (),
                requirements=("R1",),
            )
        )
    return Plan("sums", tuple(components), (Requirement("R1", "Add numbers.", "add numbers"),))


def answer(prompt: str) -> str:
    """A right answer to a prompt for the tests or the code of a component."""
    found = re.findall(r"^# Component `part_(\d+)`$", prompt, re.MULTILINE)
    number = found[-1]
    if "# Your task now: the tests" in prompt:
        source = f"from sums.part_{number} import add_{number}\n\n\ndef test_adds():\n    assert add_{number}(1) == {int(number) + 1}\n"
        return f"### tests/test_part_{number}.py\n```python\n{source}```\n"
    source = f"def add_{number}(value: int) -> int:\n    return value + {number}\n"
    return f"### sums/part_{number}.py\n```python\n{source}```\n"


def one_run(directory: Path, url: str, log: Log, tally: Tally, most_kills: int, rng: random.Random) -> None:
    """Start a run, kill and resume it until it ends by itself or there were enough kills, then let it end."""
    (directory / "spec.md").write_text("# sums\n\nPlease add numbers.\n", encoding="utf-8")
    (directory / "plan.yaml").write_text(document.dump(plan()), encoding="utf-8")
    agent = [sys.executable, "-m", "agent.cli"]
    flags = ["--quiet", "--parallel", "4", "--max-usd", "1"]
    start = [
        *agent,
        "run",
        "spec.md",
        "-o",
        "out",
        "--plan",
        "plan.yaml",
        "--yes",
        "--model",
        "simulated",
        "--base-url",
        url,
        *flags,
    ]
    resume = [*agent, "resume", "--quiet"]
    environment = {**os.environ, "AGENT_HOME": str(directory / "home"), "OPENAI_API_KEY": "none"}
    began = log.count()
    kills: list[float] = []
    tally.runs += 1
    while True:
        started = (directory / "home").is_dir() and any((directory / "home").glob("runs/*/journal.db"))
        seen = log.count()
        process = subprocess.Popen(
            resume if started else start,
            cwd=directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        if tally.kills < most_kills:
            _wait(process, log, seen, rng)
        if process.poll() is None and tally.kills < most_kills:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills.append(time.monotonic())
            tally.kills += 1
            continue
        try:
            printed, _ = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            tally.lost.append("a process hung")
            break
        if process.returncode:
            tally.lost.append(printed.strip()[-300:])
        elif missing := COMPONENTS - _committed(directory / "out"):
            tally.lost.append(f"{missing} components were not committed")
        break
    tally.repeated += _paid_again(directory / "home")
    _count(log, began, kills, tally)


def _wait(process: subprocess.Popen[str], log: Log, seen: int, rng: random.Random) -> None:
    """Until the instant of the kill, or until the process ends by itself."""
    if rng.random() < EARLY:
        deadline = time.monotonic() + rng.uniform(0, EARLY_SECONDS)
    else:
        while log.count() == seen and process.poll() is None:
            time.sleep(0.005)
        deadline = time.monotonic() + rng.uniform(0, WORKING_SECONDS)
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)


def _committed(output: Path) -> int:
    subjects = subprocess.run(
        ["git", "log", "--format=%(trailers:key=Component,valueonly,separator=%x2C)"],
        cwd=output,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    return len(set(subjects))


def _paid_again(home: Path) -> int:
    """Calls that were started again after their answer was in the journal."""
    again = 0
    for path in home.glob("runs/*/journal.db"):
        with closing(sqlite3.connect(path)) as connection:
            answered: set[str] = set()
            for key, state in connection.execute("SELECT key, state FROM calls ORDER BY id"):
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
    tally = Tally()
    with serve(answer, lambda: rng.uniform(0.05, SLOWEST_ANSWER_SECONDS)) as (url, log):
        while tally.kills < most and not tally.lost:
            with tempfile.TemporaryDirectory(prefix="stepgraph-resume-") as directory:
                one_run(Path(directory), url, log, tally, most, rng)
    report(
        name="resume",
        value=tally.repeated,
        unit=f"answered calls paid again over {tally.kills} kill -9",
        target="0 repeated, 0 lost results",
        holds=tally.repeated == 0 and not tally.lost,
        baselines={"gpt-engineer, one kill": "all calls again", "aider, one kill": "all calls again"},
        kills=tally.kills,
        runs=tally.runs,
        calls=tally.calls,
        in_flight_at_a_kill=tally.in_flight,
        widest_window_ms=round(tally.window_ms, 1),
        lost=tally.lost,
    )


if __name__ == "__main__":
    main()
