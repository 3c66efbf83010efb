"""The ready queue on random plans: order, isolation, limits, urgency, and every way it can end."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import dag
from graphs.errors import (
    AnswerError,
    JournalError,
    LimitReached,
    ModelError,
    ModelRefused,
    PlanError,
    PrerequisiteError,
)
from graphs.events import Event
from graphs.scheduler import Blocked, Recut, Scheduler, Slots
from graphs.values import Component, Contract, Plan, Proof, from_json


def component(component_id: str, *depends_on: str, kind: str = "library") -> Component:
    return Component(component_id, "p", (f"{component_id}.py",), Contract(), depends_on, kind=kind)


def plan_of(**edges: str) -> Plan:
    """``plan_of(a="", b="a")``: ids with the ids they depend on."""
    return Plan("t", tuple(component(i, *needs.split()) for i, needs in edges.items()), revision=7)


def passed(c: Component) -> Proof:
    return Proof(c.id, f"key-{c.id}", "passed")


@dataclass
class Recorder:
    """Collects events; each is durable a few loop turns after it was emitted, as with a real journal."""

    delay: int = 1
    written: list[Event] = field(default_factory=list)

    async def __call__(self, *events: Event) -> None:
        for _ in range(self.delay):
            await asyncio.sleep(0)
        self.written += events

    def kinds(self, component_id: str) -> list[str]:
        return [e.kind.removeprefix("component.") for e in self.written if e.component == component_id]

    def of(self, kind: str) -> dict[str, Any]:
        return {e.component: e.body for e in self.written if e.kind == f"component.{kind}"}


def key(c: Component) -> str:
    return f"key-{c.id}"


def drive(plan: Plan, build: Callable[[Component, float], Awaitable[Proof]], **options: Any) -> Any:
    """Run a scheduler to its end; returns its results and the recorder."""
    recorder = options.pop("emit", None) or Recorder()
    return asyncio.run(Scheduler(plan, build, recorder, key=key, **options).run()), recorder


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Acyclic plans of up to 14 components in scrambled order, dependencies possibly named twice."""
    n = draw(st.integers(0, 14))
    ids = [f"c{i}" for i in range(n)]
    components = []
    for i in range(n):
        needs = draw(st.lists(st.sampled_from(ids[:i]), max_size=4)) if i else []
        components.append(component(ids[i], *needs, kind=draw(st.sampled_from(["library", "cli"]))))
    return Plan("t", tuple(draw(st.permutations(components))))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_every_plan_is_built_in_order_and_failures_block_exactly_what_stands_on_them(data: st.DataObject) -> None:
    plan = data.draw(plans())
    ids = [c.id for c in plan.components]
    failing = data.draw(st.sets(st.sampled_from(ids))) if ids else set()
    turns = {i: data.draw(st.integers(0, 6)) for i in ids}
    proven = {i for i in data.draw(st.sets(st.sampled_from(ids))) if i not in failing} if ids else set()
    parallel = data.draw(st.none() | st.integers(1, 4))
    recorder = Recorder(delay=data.draw(st.integers(0, 3)))
    running: set[str] = set()
    most = 0

    async def build(c: Component, priority: float) -> Proof:
        nonlocal most
        durable = {e.component for e in recorder.written if e.kind == "component.passed"} | proven
        assert set(c.depends_on) <= durable
        assert "started" in recorder.kinds(c.id)
        running.add(c.id)
        most = max(most, len(running))
        for _ in range(turns[c.id]):
            await asyncio.sleep(0)
        running.remove(c.id)
        return Proof(c.id, key(c), "failed", reason="no") if c.id in failing else passed(c)

    results, _ = drive(
        plan, build, emit=recorder, parallel=parallel, proven={i: Proof(i, "old", "passed") for i in proven}
    )

    assert list(results) == ids
    assert parallel is None or most <= parallel
    stopped_by = {i: {f for f in failing if reaches(plan, f, i, proven)} for i in ids}
    for i in ids:
        result = results[i]
        if i in proven:
            assert isinstance(result, Proof)
            assert result.key == "old"
            assert recorder.kinds(i) == []
        elif isinstance(result, Blocked):
            assert result.by in stopped_by[i]
            assert isinstance(results[result.by], Proof)
            assert recorder.kinds(i)[-1] == "blocked"
            assert "started" not in recorder.kinds(i)
            assert recorder.of("blocked")[i] == {"by": result.by}
        else:
            assert not stopped_by[i]
            end = "failed" if i in failing else "passed"
            assert recorder.kinds(i) == ["ready", "started", end]
            assert from_json(Proof, recorder.of(end)[i]["proof"]) == result
            assert recorder.of("started")[i] == {"key": key(plan.component(i))}
    assert {e.revision for e in recorder.written} <= {plan.revision}


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_plan_may_change_at_every_component_and_everything_is_built_as_the_last_one_says(data: st.DataObject) -> None:
    """Components come back with parts of theirs, with an edge more, or without something that still waits."""
    now = data.draw(plans())
    ids = [c.id for c in now.components]
    failing = data.draw(st.sets(st.sampled_from(ids))) if ids else set()
    recuts = {i: data.draw(st.lists(st.sampled_from(["split", "rewire", "drop"]), max_size=2)) for i in ids}
    turns = {i: data.draw(st.integers(0, 4)) for i in ids}
    parallel = data.draw(st.none() | st.integers(1, 3))
    recorder = Recorder(delay=data.draw(st.integers(0, 2)))
    # Hypothesis must not be asked within a build: it may stop there.
    luck = random.Random(data.draw(st.integers(0, 1 << 32)))
    running: set[str] = set()
    proven: set[str] = set()

    def changed(c: Component, how: str) -> Plan:
        others = [o for o in now.components if o.id != c.id]
        if how == "split":
            part = component(f"{c.id}_{now.revision}", *c.depends_on)
            return replace(now, components=(*others, part, replace(c, depends_on=(*c.depends_on, part.id))))
        if how == "rewire":
            free = [o.id for o in others if not reaches(now, c.id, o.id, set())]
            more = luck.choice(free) if free else None
            return replace(now, components=(*others, replace(c, depends_on=(*c.depends_on, *filter(None, [more])))))
        used = {d for o in now.components for d in o.depends_on}
        waits = [o.id for o in others if o.id not in used and not set(o.depends_on) <= proven]
        gone = luck.choice(waits) if waits else None
        return replace(now, components=(*(o for o in others if o.id != gone), c))

    async def build(c: Component, priority: float) -> Proof | Recut:
        nonlocal now
        assert now.component(c.id) == c
        assert set(c.depends_on) <= {e.component for e in recorder.written if e.kind == "component.passed"}
        running.add(c.id)
        assert parallel is None or len(running) <= parallel
        for _ in range(turns.get(c.id, 0)):
            await asyncio.sleep(0)
        running.remove(c.id)
        if recuts.get(c.id):
            now = replace(changed(c, recuts[c.id].pop()), revision=now.revision + 1)
            return Recut(now, (Event("plan.revised", revision=now.revision),))
        if c.id in failing:
            return Proof(c.id, key(c), "failed", reason="no")
        proven.add(c.id)
        return passed(c)

    results, _ = drive(now, build, emit=recorder, parallel=parallel)

    assert list(results) == [c.id for c in now.components]
    for i, result in results.items():
        stopped_by = {f for f in failing & results.keys() if f == i or reaches(now, f, i, set())}
        if isinstance(result, Blocked):
            culprit = results[result.by]
            assert isinstance(culprit, Proof)
            assert culprit.status == "failed"
            assert result.by in stopped_by - {i}
        else:
            assert (result.status == "failed") == (i in failing)
            assert all(results[d].status == "passed" for d in now.component(i).depends_on)
        last = "blocked" if isinstance(result, Blocked) else result.status
        assert recorder.kinds(i)[-1] == last, "whoever watches sees it so"
        assert recorder.kinds(i).count("passed") == (last == "passed")


def reaches(plan: Plan, source: str, target: str, proven: set[str]) -> bool:
    """Whether ``target`` stands on ``source`` by a path on which nothing is proven already."""
    if target in proven:
        return False
    needs = plan.component(target).depends_on
    return source in needs or any(reaches(plan, source, n, proven) for n in needs)


def test_the_first_component_to_fail_is_the_culprit_of_all_it_blocks() -> None:
    plan = plan_of(early="", late="", both="early late", far="both", free="")
    turn = asyncio.Event()

    async def build(c: Component, priority: float) -> Proof:
        if c.id == "late":
            await turn.wait()
        if c.id == "early":
            asyncio.get_running_loop().call_later(0.01, turn.set)
        return passed(c) if c.id == "free" else Proof(c.id, key(c), "failed", reason="no")

    results, _ = drive(plan, build)
    assert {i: r.by for i, r in results.items() if isinstance(r, Blocked)} == {"both": "early", "far": "early"}
    assert {i: r.status for i, r in results.items() if isinstance(r, Proof)} == {
        "early": "failed",
        "late": "failed",
        "free": "passed",
    }


@settings(deadline=None, max_examples=100)
@given(plans(), st.integers(1, 3))
def test_the_ready_component_with_the_longest_remaining_path_goes_first(plan: Plan, parallel: int) -> None:
    started: list[str] = []
    priorities: dict[str, float] = {}

    async def build(c: Component, priority: float) -> Proof:
        started.append(c.id)
        priorities[c.id] = priority
        return passed(c)

    drive(plan, build, parallel=parallel, clock=lambda: 0.0)

    longest = dag.remaining_path(plan)
    assert priorities == longest
    waits = {c.id: set(c.depends_on) for c in plan.components}
    position = {c.id: n for n, c in enumerate(plan.components)}
    ready = [(-longest[i], position[i], i) for i, needs in waits.items() if not needs]
    heapq.heapify(ready)
    expected: list[str] = []
    while ready:  # the same queue, played through in rounds: each build ends before the next round starts
        batch = [heapq.heappop(ready)[2] for _ in range(min(parallel, len(ready)))]
        expected += batch
        for done in batch:
            for i, needs in waits.items():
                if done in needs:
                    needs.discard(done)
                    if not needs:
                        heapq.heappush(ready, (-longest[i], position[i], i))
    assert started == expected


def test_what_took_long_is_expected_to_take_long() -> None:
    """Two short kinds in a row against one slow one: by count the pair goes first, by observed time the slow one."""
    now = 0.0
    order: list[str] = []

    async def build(c: Component, priority: float) -> Proof:
        nonlocal now
        order.append(c.id)
        now += {"service": 90.0, "data": 1.0}[c.kind]
        return passed(c)

    plan = Plan(
        "t",
        (
            component("slow_seen", kind="service"),
            component("quick_seen", kind="data"),
            component("gate", "slow_seen", "quick_seen", kind="data"),
            component("quick_one", "gate", kind="data"),
            component("quick_two", "quick_one", kind="data"),
            component("slow", "gate", kind="service"),
        ),
    )
    drive(plan, build, parallel=1, clock=lambda: now)
    assert order.index("slow") < order.index("quick_one")


@pytest.mark.parametrize(
    ("error", "reason", "traced"),
    [
        (ModelError("the endpoint gave nothing"), "the endpoint gave nothing", False),
        (AnswerError(["no file", "no fence"]), "no file; no fence", False),
        (KeyError("x"), "internal error: KeyError: 'x'", True),
        (TimeoutError("socket"), "internal error: TimeoutError: socket", True),
        (asyncio.CancelledError(), "its build was cancelled from inside", False),
    ],
)
def test_an_error_fails_its_component_and_nothing_else(error: BaseException, reason: str, traced: bool) -> None:
    async def build(c: Component, priority: float) -> Proof:
        if c.id == "bad":
            raise error
        return passed(c)

    results, recorder = drive(plan_of(bad="", on_bad="bad", other="", on_other="other"), build)
    assert results["bad"] == Proof("bad", "key-bad", "failed", reason=reason)
    assert results["on_bad"] == Blocked("on_bad", "bad")
    assert results["on_other"].status == "passed"
    body = recorder.of("failed")["bad"]
    assert body["reason"] == reason
    assert ("in build" in body.get("traceback", "")) is traced


@pytest.mark.parametrize(
    "error",
    [
        LimitReached("usd", "5 USD are spent"),
        JournalError("disk full"),
        ModelRefused("wrong key"),
        PrerequisiteError("no sandbox"),
    ],
)
def test_an_error_that_every_build_would_meet_ends_the_run(error: Exception) -> None:
    started: list[str] = []
    ended: list[str] = []

    async def build(c: Component, priority: float) -> Proof:
        started.append(c.id)
        try:
            if c.id == "bad":
                await asyncio.sleep(0)
                raise error
            if c.id == "quick":
                return passed(c)
            await asyncio.sleep(3600)
        finally:
            ended.append(c.id)
        return passed(c)

    recorder = Recorder()

    async def main() -> None:
        scheduler = Scheduler(plan_of(bad="", quick="", slow="", after="quick", never="slow"), build, recorder, key=key)
        with pytest.raises(type(error), match=str(error)):
            await scheduler.run()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert sorted(ended) == sorted(started)
    assert "never" not in started
    assert recorder.kinds("slow") == ["ready", "started"]
    assert recorder.kinds("bad") == ["ready", "started"]


@settings(deadline=None, max_examples=60)
@given(plans(), st.integers(0, 30), st.booleans())
def test_cancellation_leaves_nothing_running(plan: Plan, turns: int, stubborn: bool) -> None:
    begun: list[str] = []
    ended: list[str] = []

    async def build(c: Component, priority: float) -> Proof:
        begun.append(c.id)
        try:
            for _ in range(4):
                await asyncio.sleep(0)
        finally:
            try:
                if stubborn:  # cleaning up takes a while
                    await asyncio.sleep(0)
            finally:
                ended.append(c.id)
        return passed(c)

    async def main() -> None:
        run = asyncio.create_task(Scheduler(plan, build, Recorder(), key=key).run())
        for _ in range(turns):
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert sorted(begun) == sorted(ended)


def test_a_journal_that_cannot_write_ends_the_run_and_what_runs() -> None:
    ended: list[str] = []

    async def build(c: Component, priority: float) -> Proof:
        try:
            await asyncio.sleep(0 if c.id == "a" else 3600)
        finally:
            ended.append(c.id)
        return passed(c)

    async def emit(*events: Event) -> None:
        if any(e.kind == "component.passed" for e in events):
            raise JournalError("disk full")

    with pytest.raises(JournalError, match="disk full"):
        drive(plan_of(a="", b="", c="a"), build, emit=emit)
    assert sorted(ended) == ["a", "b"]


def test_a_component_may_take_only_so_long() -> None:
    async def build(c: Component, priority: float) -> Proof:
        await asyncio.sleep(3600 if c.id == "slow" else 0)
        return passed(c)

    results, _ = drive(plan_of(slow="", after="slow", other=""), build, timeout=0.05)
    assert results["slow"].reason == "it took longer than the 0.05 s a component may take"
    assert results["after"] == Blocked("after", "slow")
    assert results["other"].status == "passed"


def test_time_spent_waiting_for_the_user_does_not_count() -> None:
    async def main() -> dict[str, Any]:
        async def build(c: Component, priority: float) -> Proof:
            async with scheduler.waiting(c.id):
                await asyncio.sleep(0.2)
            await asyncio.sleep(3600 if c.id == "slow" else 0)
            return passed(c)

        scheduler = Scheduler(plan_of(quick="", slow=""), build, Recorder(), key=key, timeout=0.1)
        return dict(await scheduler.run())

    results = asyncio.run(main())
    assert results["quick"].status == "passed"
    assert results["slow"].reason == "it took longer than the 0.1 s a component may take", "the rest of its time does"


@pytest.mark.parametrize("when", ["before the run", "while its start is written", "before its first step", "running"])
@pytest.mark.parametrize("target", ["a", "b"])
def test_one_component_can_be_cancelled_at_any_time(when: str, target: str) -> None:
    async def main() -> None:
        begun: list[str] = []

        async def build(c: Component, priority: float) -> Proof:
            begun.append(c.id)
            if when == "running":
                asyncio.get_running_loop().call_soon(cancel)
            await asyncio.sleep(0.01)
            return passed(c)

        async def emit(*events: Event) -> None:
            if when == "while its start is written":
                cancel()
            await recorder(*events)
            if when == "before its first step":
                asyncio.get_running_loop().call_soon(cancel)

        def cancel() -> None:
            answers.append(scheduler.cancel(target, "not wanted"))

        recorder = Recorder()
        answers: list[bool] = []
        scheduler = Scheduler(plan_of(a="", b="a", c="b", other=""), build, emit, key=key)
        if when == "before the run":
            cancel()
        results = await scheduler.run()

        assert results[target] == Proof(target, f"key-{target}", "failed", reason="not wanted")
        assert results["c"] == Blocked("c", target)
        assert results["other"].status == "passed"
        assert recorder.kinds(target)[-1] == "failed"
        assert recorder.kinds(target).count("failed") == 1
        assert answers[0] is True
        assert not any(answers[1:])
        with pytest.raises(KeyError):
            scheduler.cancel("nobody", "x")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (plan_of(a="b", b="a", c="b"), "in a cycle"),
        (plan_of(a="a"), "in a cycle"),
        (plan_of(a="nobody"), "unknown id 'nobody'"),
        (Plan("t", (component("a"), component("a"))), "twice"),
    ],
)
def test_an_unsound_plan_is_refused_before_anything_starts(plan: Plan, problem: str) -> None:
    async def build(c: Component, priority: float) -> Proof:
        raise AssertionError("nothing may start")

    with pytest.raises(PlanError, match=problem):
        Scheduler(plan, build, Recorder(), key=key)


def test_limits_below_one_are_refused() -> None:
    async def build(c: Component, priority: float) -> Proof:
        return passed(c)

    with pytest.raises(ValueError, match="at least 1"):
        Scheduler(plan_of(a=""), build, Recorder(), key=key, parallel=0)
    with pytest.raises(ValueError, match="at least 1"):
        Slots(0)


@settings(deadline=None, max_examples=150)
@given(
    count=st.none() | st.integers(1, 3),
    jobs=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4), st.none() | st.integers(0, 6)), min_size=1, max_size=12
    ),
)
def test_slots_are_never_exceeded_nor_lost(count: int | None, jobs: list[tuple[int, int, int | None]]) -> None:
    """Each job: its priority, how many turns it holds its slot, and after how many turns it is cancelled."""

    async def main() -> None:
        slots = Slots(count)
        inside = 0
        entered: list[int] = []

        async def job(number: int) -> None:
            nonlocal inside
            priority, turns, _ = jobs[number]
            async with slots.hold(priority):
                inside += 1
                entered.append(number)
                assert count is None or inside <= count
                try:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                finally:
                    inside -= 1

        tasks = [asyncio.create_task(job(n)) for n in range(len(jobs))]
        for turn in range(7):
            for task, (_, _, cancel_at) in zip(tasks, jobs, strict=True):
                if cancel_at == turn:
                    task.cancel()
            await asyncio.sleep(0)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome, (_, _, cancel_at) in zip(outcomes, jobs, strict=True):
            assert outcome is None or (cancel_at is not None and isinstance(outcome, asyncio.CancelledError))
        assert inside == 0
        # All slots are free again: as many as there are can be held at once, without waiting.
        async with asyncio.timeout(5):
            held = [slots.hold() for _ in range(count or 5)]
            for one in held:
                await one.__aenter__()

    asyncio.run(main())


def test_the_most_urgent_gets_the_next_slot_and_equals_keep_their_order() -> None:
    async def main() -> list[str]:
        slots = Slots(1)
        order: list[str] = []

        async def job(name: str, priority: float) -> None:
            async with slots.hold(priority):
                order.append(name)

        async with slots.hold():
            tasks = [
                asyncio.create_task(job(name, priority))
                for name, priority in [("low", 1.0), ("high", 9.5), ("gone", 20.0), ("mid", 5.0), ("mid too", 5.0)]
            ]
            await asyncio.sleep(0)
            tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return order

    assert asyncio.run(main()) == ["high", "mid", "mid too", "low"]
