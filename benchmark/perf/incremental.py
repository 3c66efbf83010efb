"""What is built again when something changes? Real runs of the real command into one output, one change after the other.

A plan is built once. Then, each as a run of its own on what is there: a component's code is edited by hand; the proof of
another is lost; a contract changes; a requirement is added to the specification. For each change: components built anew,
components proven again (their tests run, no model is asked), calls to the model, and the fewest calls there can be: those
of the components that must change, and one to revise the plan where the specification did. Beside it: the first build,
which is what a rebuild of everything costs.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.store.journal import SqliteJournal
from benchmark.perf import sums
from benchmark.perf.endpoint import Log, serve
from benchmark.perf.measure import arguments, report
from graphs import dag, document, events
from graphs.edits import Respecify, Revision
from graphs.values import Plan, Requirement

COMPONENTS, QUICK_COMPONENTS = 60, 12
LAYERS = 6
CALLS_OF_ONE = 2
"""Tests and code, when the first answers are right."""
SPEC = "# sums\n\nPlease add numbers.\n"
WISH = "Also say who asked"
RUN_SECONDS = 900


class Output:
    """One output directory and everything that is known of the runs into it."""

    def __init__(self, directory: Path, url: str, log: Log) -> None:
        self._directory = directory
        self._home = directory / "home"
        self.output = directory / "out"
        self._flags = ["-o", "out", "--yes", "--model", "simulated", "--base-url", url, "--quiet", "--keep-edits"]
        self._log = log

    def run(self, spec: str, plan: Plan | None = None) -> dict[str, Any]:
        """One run; what it cost."""
        (self._directory / "spec.md").write_text(spec, encoding="utf-8")
        given = []
        if plan is not None:
            (self._directory / "plan.yaml").write_text(document.dump(plan), encoding="utf-8")
            given = ["--plan", "plan.yaml"]
        before, asked, began = set(self._runs()), self._log.count(), time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "agent.cli", "run", "spec.md", *given, *self._flags],
            cwd=self._directory,
            env={**os.environ, "AGENT_HOME": str(self._home), "OPENAI_API_KEY": "none"},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        seconds = time.monotonic() - began
        if done.returncode:
            raise SystemExit(f"a run did not pass: {done.stdout[-500:]}{done.stderr[-500:]}")
        (run,) = set(self._runs()) - before
        with SqliteJournal.read(run) as journal:
            built = {e.component for e in journal.events(kind=events.TESTS_FROZEN)}
            kept = {e.component for e in journal.events(kind=events.COMPONENT_KEPT)}
            passed = {e.component for e in journal.events(kind=events.COMPONENT_PASSED)}
        return {
            "built": len(built),
            "proven_again": len(passed - built),
            "untouched": len(kept),
            "calls": self._log.count() - asked,
            "seconds": round(seconds, 1),
        }

    def _runs(self) -> list[Path]:
        return [path.parent for path in self._home.glob("runs/*/journal.db")]

    def lose_proof(self, component_id: str) -> None:
        """Take the proof of a component out of every journal."""
        for run in self._runs():
            with closing(sqlite3.connect(run / "journal.db")) as connection, connection:
                connection.execute(
                    "DELETE FROM events WHERE component = ? AND kind IN (?, ?)",
                    (component_id, events.COMPONENT_PASSED, events.COMPONENT_KEPT),
                )

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """As the user might."""
        place = self.output / path
        place.write_text(change(place.read_text("utf-8")), encoding="utf-8")


def direct(plan: Plan, component_id: str) -> list[str]:
    """Ids of the components that use its contract."""
    return [c.id for c in plan.components if component_id in c.depends_on]


def chosen(plan: Plan, count: int) -> list[str]:
    """Components to change: each is used directly, and by others through these; those used by most are left out."""
    fit = [
        c.id
        for c in plan.components
        if direct(plan, c.id) and len(dag.descendants(plan, c.id)) > len(direct(plan, c.id))
    ]
    by_use = sorted(fit, key=lambda i: len(direct(plan, i)))
    middle = (len(by_use) - count) // 2
    return by_use[middle : middle + count]


def changed_spec(plan: Plan, component_id: str) -> Revision:
    """One requirement more, which an existing component covers with a promise more."""
    component = plan.component(component_id)
    behaviour = component.contract.behaviour + "It says who asked, too.\n"
    wider = replace(
        component,
        requirements=(*component.requirements, "R2"),
        contract=replace(component.contract, behaviour=behaviour),
    )
    wanted = Requirement("R2", "Say who asked.", WISH)
    return Revision((Respecify(wider, "a new wish"),), (*plan.requirements, wanted))


def measure(directory: Path, url: str, log: Log, plan: Plan, revisions: list[str]) -> list[dict[str, Any]]:
    """The first build and every change after it. ``revisions`` takes what the model says when the plan is to be revised."""
    out = Output(directory, url, log)
    edited, lost, contract, wider = chosen(plan, 4)
    cases: list[dict[str, Any]] = []

    def case(name: str, result: dict[str, Any], fewest: int, must: Sequence[str] = ()) -> None:
        cases.append({"change": name, **result, "fewest_calls": fewest, "must_be_built": len(must)})

    everything = [c.id for c in plan.components]
    case("first build", out.run(SPEC, plan), CALLS_OF_ONE * len(everything), everything)
    out.edit(f"{sums.PACKAGE}/{edited}.py", lambda text: f"{text}\n# edited by hand\n")
    case("a component's code edited by hand", out.run(SPEC, plan), 0)
    out.lose_proof(lost)
    case("a component's proof lost", out.run(SPEC, plan), CALLS_OF_ONE, [lost])
    after = sums.adding(plan, contract, 1_000_000)
    must = [contract, *direct(plan, contract)]
    case("a component's contract changed", out.run(SPEC, after), CALLS_OF_ONE * len(must), must)
    revisions.append(document.dump_revision(changed_spec(after, wider), after))
    must = [wider, *direct(plan, wider)]
    case("a requirement added", out.run(f"{SPEC}\n{WISH}.\n"), 1 + CALLS_OF_ONE * len(must), must)
    return cases


def main() -> None:
    """Print one JSON object."""
    count = QUICK_COMPONENTS if arguments(__doc__).quick else COMPONENTS
    plan = sums.sums_plan(count, LAYERS)
    revisions: list[str] = []

    def answer(prompt: str, temperature: float | None) -> str:
        if "# Your task now: the revision" in prompt:
            return f"```yaml\n{revisions[-1]}```\n"
        return sums.answer(prompt, temperature)

    with (
        serve(answer, lambda: 0.02) as (url, log),
        tempfile.TemporaryDirectory(prefix="stepgraph-incremental-") as directory,
    ):
        cases = measure(Path(directory), url, log, plan, revisions)
    first, *changes = cases
    last = changes[-1]
    report(
        "incremental",
        last["calls"],
        f"calls to the model after one requirement was added to a plan of {count} components",
        target="for every change, no call beyond those of the components that must change, and one to revise the plan",
        holds=all(c["calls"] <= c["fewest_calls"] for c in changes),
        baselines={"everything again": first["calls"]},
        components=count,
        cases=cases,
    )


if __name__ == "__main__":
    main()
