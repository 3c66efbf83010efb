"""What orchestration costs per component at 100, 1,000 and 10,000 components, journal on.

The real build phase (scheduler, component loop in LangGraph, briefs, hermetic trees) over the real SQLite journal, with
ports that answer at once: what is left is what this program itself costs. Each component makes two model calls and two
test runs, all journalled as in a run, with prompts of 4 kB and answers of 1 kB. Each size has a process of its own, so
that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.store.journal import FILE, SqliteJournal
from benchmark.perf.makespan import work
from benchmark.perf.measure import report
from graphs import document, run_graph
from graphs.ports import Brief, RedReport
from graphs.values import (
    CaseResult,
    Component,
    Contract,
    Files,
    Limits,
    Plan,
    Proof,
    Requirement,
    Spec,
    Usage,
    Verdict,
    to_json,
)

SIZES = (100, 1_000, 10_000)
QUICK_SIZES = (100, 400, 1_600)
PARALLEL = 16
"""Components in work at once: eight model slots and some cores for tests."""
MILLISECONDS, MEGABYTES, GROWTH = 5.0, 400.0, 1.5
"""Most a component may cost; most memory at the largest size; most the cost may grow from the middle size to it."""

PROMPT = "p" * 4_000
ANSWER = "# what a component's code or tests weigh\n" + "x = 1\n" * 160


class InstantPorts:
    """Strategy, checker, human and repository in one: every answer is there at once, and journalled."""

    name = "instant"

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def _call(self, brief: Brief, step: str) -> None:
        key = f"{brief.key}-{step}"
        await self._journal.start_call(
            key, component=brief.component.id, step=step, attempt=1, model="instant", request=PROMPT
        )
        await self._journal.finish_call(key, response=ANSWER, usage=to_json(Usage(calls=1)), seconds=0.0)

    async def _check(self, brief: Brief, kind: str, result: Any) -> None:
        await self._journal.store_check(
            f"{brief.key}-{kind}", component=brief.component.id, kind=kind, result=to_json(result)
        )

    async def tests(self, brief: Brief, attempt: int, previous: Files, problems: Sequence[str]) -> Files:
        """One test file."""
        await self._call(brief, "tests")
        return {brief.test_path: ANSWER}

    async def code(self, brief: Brief, attempt: int) -> Files:
        """The component's one file."""
        await self._call(brief, "code")
        return dict.fromkeys(brief.component.files, ANSWER)

    def stub(self, component: Component) -> Files:
        """The contract's interface, as it is."""
        return component.contract.interface

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        """Four tests, all of which fail on the stub."""
        ids = tuple(f"{brief.test_path}::test_{n}" for n in range(4))
        found = RedReport(ids, (), Verdict("failed", tuple(CaseResult(i, "failed") for i in ids)))
        await self._check(brief, "red", found)
        return found

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """All of them pass."""
        verdict = Verdict("passed", tuple(CaseResult(i, "passed") for i in ids), sandbox="none")
        await self._check(brief, "prove", verdict)
        return verdict

    def without(self, tests: Files, ids: Sequence[str]) -> Files:
        """No test is ever taken out here."""
        raise NotImplementedError

    async def repair(self, *_: Any) -> Files:
        """Nothing fails here."""
        raise NotImplementedError

    async def requirements(self, spec: Spec) -> tuple[Requirement, ...]:
        """The plan is given."""
        raise NotImplementedError

    async def plan(self, spec: Spec, requirements: Sequence[Requirement], exemplars: Sequence[str]) -> Plan:
        """The plan is given."""
        raise NotImplementedError

    async def integrate(self, plan: Plan, spec: Spec, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """Only the build phase is measured."""
        raise NotImplementedError

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        """Every plan is let pass."""
        return plan

    async def commit(self, plan: Plan, proof: Proof) -> str:
        """git is not orchestration."""
        return "0" * 40

    async def finish(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        """git is not orchestration."""
        return "0" * 40


def plan_of(count: int) -> Plan:
    """A layered plan with contracts of a realistic size."""
    plan = work(count, seed=0, mean=1.0).plan
    requirements = tuple(Requirement(f"R{n}", "It does what it should.") for n in range(1, 11))
    components = []
    for n, component in enumerate(plan.components):
        interface = {f"{component.id}.py": f'def run_{n}(x: int) -> int:\n    """Promise."""\n    ...\n'}
        contract = Contract(interface, "It does one thing, completely and without surprise. " * 12)
        covers = (requirements[n % len(requirements)].id,)
        components.append(replace(component, purpose="One of many.", contract=contract, requirements=covers))
    return replace(plan, components=tuple(components), requirements=requirements)


async def build(plan: Plan, journal: SqliteJournal) -> None:
    """The build phase of a run, from plan to proofs."""
    from langgraph.runtime import Runtime

    ports = InstantPorts(journal)
    context = run_graph.Context(
        spec=Spec("scale", "text", "0" * 64),
        given_plan=plan,
        past=run_graph.Past(),
        strategy=ports,
        checker=ports,
        journal=journal,
        human=ports,
        repository=ports,
        choose_exemplars=lambda spec: run_graph.Exemplars((), (), ()),
        check_component=lambda component: (),
        limits=Limits(),
        parallel=PARALLEL,
    )
    result = await run_graph.build({"plan": document.to_data(plan)}, Runtime(context=context))
    passed = [p for p in result["proofs"].values() if p["status"] == "passed"]
    assert len(passed) == len(plan.components), "every component must pass"


def measure(count: int) -> dict[str, Any]:
    """One size, in this process: wall and CPU milliseconds per component, peak megabytes, journal megabytes."""
    plan = plan_of(count)
    with tempfile.TemporaryDirectory() as directory, SqliteJournal.create(Path(directory) / "run") as journal:
        with SqliteJournal.create(Path(directory) / "warm") as warm:
            asyncio.run(build(plan_of(2), warm))  # imports are not orchestration
        wall, cpu = time.perf_counter(), time.process_time()
        asyncio.run(build(plan, journal))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        events = sum(1 for _ in journal.heads())
        megabytes = sum(path.stat().st_size for path in journal.run_dir.glob(f"{FILE}*")) / 1e6
    return {
        "components": count,
        "ms_per_component": round(wall / count * 1000, 3),
        "cpu_ms_per_component": round(cpu / count * 1000, 3),
        "peak_mb": round(_peak_megabytes(), 1),
        "journal_mb": round(megabytes, 1),
        "events": events,
    }


def _peak_megabytes() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # counts this program only; ru_maxrss may begin with what its parent had used
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure every size in a process of its own; print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"sizes {QUICK_SIZES} instead of {SIZES}")
    parser.add_argument("--size", type=int, help="measure this size only and print its figures")
    options = parser.parse_args()
    if options.size:
        print(json.dumps(measure(options.size)))
        return
    cases = []
    for size in QUICK_SIZES if options.quick else SIZES:
        command = [sys.executable, "-m", "benchmark.perf.scale", "--size", str(size)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        cases.append(json.loads(done.stdout))
    largest, middle = cases[-1], cases[-2]
    growth = (
        largest["cpu_ms_per_component"] / middle["cpu_ms_per_component"]
    )  # steadier than wall time on a shared disk
    report(
        "scale",
        largest["ms_per_component"],
        f"ms per component, {largest['components']} components, journal on",
        target=f"<= {MILLISECONDS:g} ms, growth <= {GROWTH:g} per tenfold, <= {MEGABYTES:g} MB",
        holds=largest["ms_per_component"] <= MILLISECONDS and growth <= GROWTH and largest["peak_mb"] <= MEGABYTES,
        baselines={},
        growth=round(growth, 3),
        peak_mb=largest["peak_mb"],
        cases=cases,
        parallel=PARALLEL,
    )


if __name__ == "__main__":
    main()
