"""Build time over its lower bound: our ready queue beside LangGraph ``Send`` waves and a serial run.

Random layered plans with log-normal model latency (sigma 0.8, a heavy tail, as model calls have), slept for real on a
small scale. Each component makes two model calls, one after the other; a slot is held per call. The lower bound is
max(critical path, work / slots): no schedule can be faster. Components are identical in kind, so the scheduler cannot
foresee which will be slow.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from benchmark.perf.measure import report
from graphs import dag
from graphs.events import Event
from graphs.scheduler import Scheduler, Slots
from graphs.values import Component, Contract, Plan, Proof

SIGMA = 0.8
TARGET = 1.05


@dataclass(frozen=True)
class Work:
    """A plan and how long each of its components takes."""

    plan: Plan
    """Layered: about ``1.1 * sqrt(n)`` layers, one to three dependencies each, one of them in the layer before."""
    seconds: dict[str, float]
    """Component id → seconds of both its calls together."""

    def bound(self, slots: int | None) -> float:
        """Seconds below which no schedule can be."""
        path = max(dag.remaining_path(self.plan, self.seconds).values())
        return max(path, sum(self.seconds.values()) / slots) if slots else path


def work(count: int, seed: int, mean: float) -> Work:
    """A random plan of ``count`` components that take ``mean`` seconds on average."""
    chance = random.Random(seed)
    depth = max(2, round(math.sqrt(count) * 1.1))
    layers: list[list[str]] = [[] for _ in range(depth)]
    for n in range(count):
        layers[n if n < depth else chance.randrange(depth)].append(f"c{n}")
    components: list[Component] = []
    for level, ids in enumerate(layers):
        for i in ids:
            needs = {chance.choice(layers[level - 1])} if level else set()
            for _ in range(chance.randrange(3) if level else 0):
                needs.add(chance.choice(layers[chance.randrange(level)]))
            components.append(Component(i, "", (f"{i}.py",), Contract(), tuple(sorted(needs))))
    location = math.log(mean) - SIGMA**2 / 2
    return Work(
        Plan("makespan", tuple(components)),
        {c.id: chance.lognormvariate(location, SIGMA) for c in components},
    )


async def ours(job: Work, slots: int | None) -> None:
    """The scheduler, with slots by remaining critical path."""
    calls = Slots(slots)

    async def build(component: Component, priority: float) -> Proof:
        for _ in range(2):
            async with calls.hold(priority):
                await asyncio.sleep(job.seconds[component.id] / 2)
        return Proof(component.id, component.id, "passed")

    async def emit(*events: Event) -> None:
        pass

    results = await Scheduler(job.plan, build, emit, key=lambda c: c.id).run()
    assert all(isinstance(r, Proof) for r in results.values())


def _merged(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {**left, **right}


class _Waves(TypedDict):
    done: Annotated[dict[str, int], _merged]


async def send_waves(job: Work, slots: int | None) -> None:
    """LangGraph: every ready component is sent to a worker node; the next superstep begins when all have returned."""
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send

    calls: Any = asyncio.Semaphore(slots or len(job.seconds))

    async def worker(sent: dict[str, str]) -> dict[str, dict[str, int]]:
        for _ in range(2):
            async with calls:
                await asyncio.sleep(job.seconds[sent["id"]] / 2)
        return {"done": {sent["id"]: 1}}

    def route(state: _Waves) -> Any:
        done = state["done"]
        ready = [c.id for c in job.plan.components if c.id not in done and all(d in done for d in c.depends_on)]
        return [Send("worker", {"id": i}) for i in ready] or END

    builder: Any = StateGraph(_Waves)
    builder.add_node("worker", worker)
    builder.add_node("gather", lambda state: {})
    builder.add_edge(START, "gather")
    builder.add_conditional_edges("gather", route, ["worker", END])
    builder.add_edge("worker", "gather")
    state = await builder.compile().ainvoke({"done": {}}, {"recursion_limit": 10_000})
    assert len(state["done"]) == len(job.seconds)


async def _elapsed(run: Callable[[Work, int | None], Awaitable[None]], job: Work, slots: int | None) -> float:
    began = time.perf_counter()
    await run(job, slots)
    return time.perf_counter() - began


async def measure(count: int, slots: int | None, seeds: int, mean: float) -> dict[str, Any]:
    """Mean and worst ratio of build time to bound over ``seeds`` plans, per executor."""
    ratios: dict[str, list[float]] = {"ours": [], "langgraph_send_waves": [], "serial": []}
    for seed in range(seeds):
        job = work(count, seed, mean)
        bound = job.bound(slots)
        ratios["ours"].append(await _elapsed(ours, job, slots) / bound)
        ratios["langgraph_send_waves"].append(await _elapsed(send_waves, job, slots) / bound)
        ratios["serial"].append(sum(job.seconds.values()) / bound)
    figures: dict[str, Any] = {"components": count, "slots": slots, "plans": seeds}
    for name, found in ratios.items():
        figures[name] = round(statistics.mean(found), 3)
        figures[f"{name}_worst"] = round(max(found), 3)
    return figures


def main() -> None:
    """Measure 50 and 200 components, free and with 8 slots; print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer plans, shorter sleeps")
    quick = parser.parse_args().quick
    seeds, mean = (1, 0.1) if quick else (5, 0.2)

    async def all_cases() -> list[dict[str, Any]]:
        await send_waves(work(2, 0, 0.001), None)  # imports are not scheduling
        return [await measure(count, slots, seeds, mean) for count in (50, 200) for slots in (None, 8)]

    cases = asyncio.run(all_cases())
    headline = next(c for c in cases if c["components"] == 200 and c["slots"] is None)
    report(
        "makespan",
        headline["ours"],
        "build time / max(critical path, work / slots); 200 components, free parallelism",
        target=f"<= {TARGET}",
        holds=headline["ours"] <= TARGET,
        baselines={"langgraph_send_waves": headline["langgraph_send_waves"], "serial": headline["serial"]},
        cases=cases,
        latency={"distribution": "lognormal", "sigma": SIGMA, "mean_seconds": mean, "calls_per_component": 2},
        serial_is="computed: the sum of all latencies",
    )


if __name__ == "__main__":
    main()
