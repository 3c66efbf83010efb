"""What orchestration costs per component at 100, 1,000 and 10,000 components, journal on.

The real build phase (scheduler, component loop in LangGraph, briefs, hermetic trees) over the real SQLite journal, with
ports that answer at once: what is left is what this program itself costs. Each component makes two model calls and two
test runs, all journalled as in a run, with prompts of 4 kB and answers of 1 kB; in the end the edges that are declared
are compared with those of the code. Each size has a process of its own, so that its peak memory is its own.

Told apart from that: what one change of the plan costs (the edit checked, what became stale found, the next revision
journalled whole). It grows with the plan, and is paid once for each component that is cut anew.
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
from benchmark.perf.ports import SPEC, Ports, context
from graphs import building, dag, document, edits, run_graph
from graphs.ports import Brief, RedReport
from graphs.values import CaseResult, Contract, Files, Plan, Requirement, Usage, Verdict, to_json

SIZES = (100, 1_000, 10_000)
QUICK_SIZES = (100, 400, 1_600)
PARALLEL = 16
"""Components in work at once: eight model slots and some cores for tests."""
MILLISECONDS, MEGABYTES, GROWTH = 5.0, 400.0, 1.5
"""Most a component may cost; most memory at the largest size; most the cost may grow from the middle size to it."""
RECUTS = 5
"""Changes of the plan over which the cost of one is averaged."""
TESTS, REQUIREMENTS = 4, 10
"""Of each component, and of the whole plan."""

PROMPT = "p" * 4_000
ANSWER = "".join(
    f'''def longer_{n}(value: int, names: list[str]) -> list[str]:
    """Return the names that are longer than the value, in order."""
    found = [name for name in names if len(name) > value]
    if not found:
        raise ValueError(f"no name is longer than {{value}}")
    return sorted(found)


'''
    for n in range(4)
)
"""What a component's code or tests weigh: they are parsed, to see what they import."""


class InstantPorts(Ports):
    """Every answer is there at once, and journalled."""

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
        return {brief.test_path: f"import {brief.component.id}\n\n{ANSWER}"}

    async def code(self, brief: Brief, attempt: int) -> Files:
        """The component's one file, which imports what it stands on."""
        await self._call(brief, "code")
        imports = "".join(f"import {neighbour.id}\n" for neighbour in brief.neighbours)
        return dict.fromkeys(brief.component.files, f"{imports}\n{ANSWER}")

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        """All tests fail on the stub."""
        ids = tuple(f"{brief.test_path}::test_{n}" for n in range(TESTS))
        found = RedReport(ids, (), Verdict("failed", tuple(CaseResult(i, "failed") for i in ids)))
        await self._check(brief, "red", found)
        return found

    def tied(self, tests: Files) -> Mapping[str, tuple[str, ...]]:
        """Each is for all that there is."""
        every = tuple(f"R{n}" for n in range(1, REQUIREMENTS + 1))
        return {f"{path}::test_{n}": every for path in tests for n in range(TESTS)}

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """All of them pass."""
        verdict = Verdict("passed", tuple(CaseResult(i, "passed") for i in ids), sandbox="none")
        await self._check(brief, "prove", verdict)
        return verdict


def plan_of(count: int) -> Plan:
    """A layered plan with contracts of a realistic size."""
    plan = work(count, seed=0, mean=1.0).plan
    requirements = tuple(Requirement(f"R{n}", "It does what it should.") for n in range(1, REQUIREMENTS + 1))
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

    given = context(InstantPorts(journal), journal, plan, parallel=PARALLEL)
    result = await run_graph.build({"plan": document.to_data(plan)}, Runtime(context=given))
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
        peak = _peak_megabytes()
        change = time.perf_counter()
        written = [asyncio.run(recut(plan, journal)) for _ in range(RECUTS)]
        change = (time.perf_counter() - change) / RECUTS
    return {
        "components": count,
        "ms_per_component": round(wall / count * 1000, 3),
        "cpu_ms_per_component": round(cpu / count * 1000, 3),
        "peak_mb": round(peak, 1),
        "journal_mb": round(megabytes, 1),
        "events": events,
        "recut_ms": round(change * 1000, 1),
        "recut_journal_mb": round(written[0] / 1e6, 3),
    }


async def recut(plan: Plan, journal: SqliteJournal) -> int:
    """One contract of a plan is written anew, and everything is made ready to build on; bytes that were journalled."""
    component = plan.components[len(plan.components) // 2]
    contract = replace(component.contract, behaviour="It does something else. " * 25)
    edit = edits.Respecify(replace(component, contract=contract), "it could not be met")
    after = edits.apply(plan, edits.Revision((edit,)), spec=SPEC)
    fact = building.revised(plan, after, SPEC, SPEC, "evidence", edit.reason, (edit,))
    await journal.append(fact)
    dag.Briefing(after, SPEC)
    dag.Observer(after, dag.Ancestors(after))
    return len(json.dumps(fact.body))


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
        recut_ms=largest["recut_ms"],
        cases=cases,
        parallel=PARALLEL,
    )


if __name__ == "__main__":
    main()
