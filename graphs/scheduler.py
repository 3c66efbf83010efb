"""The ready queue: starts each component as soon as what it depends on is proven, longest remaining path first.

No waves, no barrier. One coordinator owns all state: it settles what ended, writes the facts of that moment in one
:data:`Emit`, and only then starts the next components, so nothing acts on a fact that is not yet durable. Work per
component is a few dictionary and heap operations; the plan is walked as a whole O(log N) times, and once for each
revision of it that comes while it runs.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from graphs.errors import (
    AgentError,
    ConfigError,
    JournalError,
    LimitReached,
    ModelRefused,
    PlanError,
    PrerequisiteError,
)
from graphs.events import (
    COMPONENT_BLOCKED,
    COMPONENT_FAILED,
    COMPONENT_PASSED,
    COMPONENT_READY,
    COMPONENT_STARTED,
    Event,
)
from graphs.values import Component, Plan, Proof, to_json

Build = Callable[[Component, float], Awaitable["Proof | Recut"]]
"""Builds one component; the number is its priority, larger is more urgent (see :class:`Scheduler`)."""
Emit = Callable[..., Awaitable[Any]]
"""Takes any number of Events; returns when they are durable. ``Journal.append`` is one."""

ENDS_THE_RUN = (LimitReached, JournalError, ModelRefused, PrerequisiteError, ConfigError)
"""Errors of a build that every other build would meet too: the scheduler stops and raises them."""


@dataclass(frozen=True)
class Blocked:
    """A component that was not built because one it stands on failed."""

    component: str
    """Its id."""
    by: str
    """Id of the component that failed: the culprit, not a component that is itself blocked."""


@dataclass(frozen=True)
class Recut:
    """A build ended in another plan: the component, and whatever the plan says now, goes on from there."""

    plan: Plan
    """The next revision. It holds every component that is in work; none of these has changed in what it builds on."""
    facts: tuple[Event, ...]
    """What became durable with it, the revision itself first."""


@contextmanager
def standing(limit: asyncio.Timeout) -> Iterator[None]:
    """A time limit stands still for the block: a person's time is nobody's fault."""
    when, clock = limit.when(), asyncio.get_running_loop().time
    if when is None:
        yield
        return
    left = when - clock()
    limit.reschedule(None)
    try:
        yield
    finally:
        limit.reschedule(clock() + left)


class Slots:
    """A limit on how many may do something at once; who is more urgent goes first, equals in order of arrival.

    Cancelling one that waits, or one that was just let in, loses no slot.
    """

    def __init__(self, count: int | None) -> None:
        """``count``: how many at once; ``None`` for no limit."""
        if count is not None and count < 1:
            raise ValueError(f"Slots need a count of at least 1, not {count}")
        self._free = count
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()

    @asynccontextmanager
    async def hold(self, priority: float = 0.0) -> AsyncIterator[None]:
        """Wait for a slot and keep it for the ``async with`` block."""
        if self._free is None:
            yield
            return
        await self._enter(priority)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, priority: float) -> None:
        if self._free:  # then nobody waits: a slot that is given back goes to a waiter directly
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-priority, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free = (self._free or 0) + 1


@dataclass(eq=False)
class _Node:
    """What the coordinator knows of one component."""

    component: Component
    position: int
    """Place in the plan: breaks ties."""
    dependents: list[_Node] = field(default_factory=list)
    waits_for: int = 0
    """Dependencies that are not proven yet."""
    priority: float = 0.0
    """Remaining critical path, in typical components."""
    state: Literal["pending", "ready", "running", "done"] = "pending"
    result: Proof | Blocked | None = None
    task: asyncio.Task[None] | None = None
    """Set by the task itself in its first step: a task that is cancelled before that would end without a word."""
    limit: asyncio.Timeout | None = None
    """What its build may take; set when that begins."""
    cancelled: str | None = None
    """Why someone called :meth:`Scheduler.cancel`."""


@dataclass(frozen=True)
class _Ended:
    """A component whose build came to an end."""

    node: _Node
    result: Proof | Recut
    seconds: float
    trace: str = ""
    """The traceback of an unexpected exception."""


class Scheduler:
    """Drives the components of one plan to proof, failure or blockage.

    The priority of a component is its remaining critical path: the longest expected time from its start to the end of
    the plan, counted in typical components (1 each at first; once some have been built, the median time of its kind
    over the median of all), so that numbers given at different times can be compared.
    """

    def __init__(
        self,
        plan: Plan,
        build: Build,
        emit: Emit,
        *,
        key: Callable[[Component], str],
        parallel: int | None = None,
        timeout: float | None = None,
        proven: Mapping[str, Proof] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            plan: acyclic, ids unique and known; ``PlanError`` otherwise.
            build: builds one component.
            emit: makes events durable. The scheduler emits ``component.ready``, ``started``, ``passed``, ``failed`` and
                ``blocked``; each is durable before anything acts on it.
            key: the component key, for events and for the proof of a component whose build raised.
            parallel: how many components at once; ``None``: as many as are ready.
            timeout: seconds one component may take, waiting for slots included but not for the user; it then fails.
            proven: id → proof of components that need no building; no event is emitted for them. Ids that the plan does
                not have are ignored.
            clock: seconds, for durations.
        """
        if parallel is not None and parallel < 1:
            raise ValueError(f"parallel must be at least 1, not {parallel}")
        self._build = build
        self._emit = emit
        self._key = key
        self._parallel = parallel
        self._timeout = timeout
        self._clock = clock
        self._revision = plan.revision
        self._nodes: dict[str, _Node] = {}
        self._order: list[_Node] = []
        """Each node after all it depends on."""
        self._ready: list[tuple[float, int, _Node]] = []
        self._running: set[_Node] = set()
        self._waiting: set[_Node] = set()
        """Of those running, the ones that wait for the user and leave their place to others."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: deque[_Ended] = deque()
        self._halted: BaseException | None = None
        self._stopping = False
        self._wake = asyncio.Event()
        self._observed: dict[str, list[float]] = {}
        """Kind → seconds of each build."""
        self._built = 0
        self._estimate_at = 1
        """Estimates are made anew when this many were built; doubled each time."""
        self._admit(plan, proven or {})

    async def run(self) -> dict[str, Proof | Blocked]:
        """Build everything that can be built; returns the result of each component, in plan order.

        A build that raises fails its component and blocks those that stand on it; all others go on. Only an error of
        :data:`ENDS_THE_RUN`, an error of ``emit``, or cancellation ends the run early: nothing new is started, what
        runs is cancelled and awaited, and the error is raised. At an error of a build, what ended before it is emitted.
        """
        facts = [self._fact(COMPONENT_READY, node) for _, _, node in sorted(self._ready, key=lambda entry: entry[:2])]
        facts += self._settle()
        try:
            while True:
                starting = self._take()
                facts += [self._fact(COMPONENT_STARTED, n, key=self._key(n.component)) for n in starting]
                if facts:
                    await self._emit(*facts)
                for node in starting:
                    task = asyncio.create_task(self._work(node), name=f"build {node.component.id}")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                if not self._running and not self._ended:
                    break
                await self._wake.wait()
                self._wake.clear()
                facts = self._settle()
                if self._halted is not None:
                    if facts and not isinstance(self._halted, JournalError):
                        await self._emit(*facts)
                    raise self._halted
        finally:
            await self._stop()
        return {i: node.result for i, node in self._nodes.items() if node.result is not None}

    def cancel(self, component_id: str, reason: str) -> bool:
        """Fail one component with ``reason``, running or not; ``KeyError`` when the plan has none such.

        Returns ``False`` when it had already ended. The rest of the plan goes on.
        """
        node = self._nodes[component_id]
        if node.state == "done" or node.cancelled is not None:
            return False
        node.cancelled = reason
        if node.task is not None:
            node.task.cancel()
        elif node.state != "running":  # one that is just being started sees the reason in its first step
            self._end(_Ended(node, self._failure(node, reason), 0.0))
        return True

    @asynccontextmanager
    async def waiting(self, component_id: str) -> AsyncIterator[None]:
        """While a component in work waits for the user, another may take its place, and its time does not count."""
        node = self._nodes[component_id]
        self._waiting.add(node)
        self._wake.set()
        try:
            with standing(node.limit) if node.limit else nullcontext():
                yield
        finally:
            self._waiting.discard(node)

    def _adopt(self, recut: Recut, asker: _Node) -> list[Event]:
        """Go on with another plan. What has passed, failed or is in work stays; everything else is counted anew."""
        facts = list(recut.facts)
        self._revision = recut.plan.revision
        former, was_ready = self._nodes, {node for _, _, node in self._ready}
        self._nodes = {}
        for position, component in enumerate(recut.plan.components):
            node = former.get(component.id) or _Node(component, position)
            node.component, node.position, node.dependents, node.waits_for = component, position, [], 0
            if node is asker or isinstance(node.result, Blocked):
                node.state, node.result, node.cancelled, node.task = "pending", None, None, None
            elif node.state == "ready":
                node.state = "pending"
            self._nodes[component.id] = node
        gone = [node.component.id for i, node in former.items() if i not in self._nodes and node.state == "running"]
        if gone:
            raise PlanError([f"component {i!r} is in work and not in the new plan" for i in gone])
        self._link()
        self._ready = []
        self._estimate()
        for node in self._order:
            for dependent in node.dependents:
                if node.state == "done" and isinstance(node.result, Proof) and node.result.status == "passed":
                    dependent.waits_for -= 1
        for node in self._order:
            if node.state == "pending" and not node.waits_for:
                self._make_ready(node)
                if node not in was_ready:
                    facts.append(self._fact(COMPONENT_READY, node))
        for node in self._order:
            if node.state == "done" and isinstance(node.result, Proof) and node.result.status == "failed":
                facts += self._block(node)
        return facts

    def _admit(self, plan: Plan, proven: Mapping[str, Proof]) -> None:
        """Enter the plan's components: edges, counters, order, first estimates, and what is ready at once."""
        for component in plan.components:
            self._nodes.setdefault(component.id, _Node(component, len(self._nodes)))
        if len(self._nodes) != len(plan.components):
            raise PlanError(["the plan uses a component id twice"])
        self._link()
        self._estimate()
        for component_id in proven.keys() & self._nodes.keys():
            node = self._nodes[component_id]
            node.state, node.result = "done", proven[component_id]
            for dependent in node.dependents:
                dependent.waits_for -= 1
        for node in self._order:
            if node.state == "pending" and not node.waits_for:
                self._make_ready(node)

    def _link(self) -> None:
        """Edges, counters and order from what each component says it depends on."""
        for node in self._nodes.values():
            for dependency in dict.fromkeys(node.component.depends_on):
                if dependency not in self._nodes:
                    raise PlanError([f"component {node.component.id!r} depends on unknown id {dependency!r}"])
                self._nodes[dependency].dependents.append(node)
                node.waits_for += 1
        self._order = self._topological()

    def _topological(self) -> list[_Node]:
        missing = {node.component.id: node.waits_for for node in self._nodes.values()}
        order = [node for node in self._nodes.values() if not node.waits_for]
        for node in order:  # grows while it is walked
            for dependent in node.dependents:
                missing[dependent.component.id] -= 1
                if not missing[dependent.component.id]:
                    order.append(dependent)
        if len(order) < len(self._nodes):
            stuck = ", ".join(i for i, count in missing.items() if count)
            raise PlanError([f"components depend on each other in a cycle, or on one: {stuck}"])
        return order

    def _estimate(self) -> None:
        """Work out every remaining path and order the ready ones by it."""
        typical = {kind: median(seconds) for kind, seconds in self._observed.items()}
        overall = median(s for seconds in self._observed.values() for s in seconds) if self._observed else 0.0
        weight = {kind: seconds / overall for kind, seconds in typical.items()} if overall > 0 else {}
        for node in reversed(self._order):
            after = max((d.priority for d in node.dependents), default=0.0)
            node.priority = weight.get(node.component.kind, 1.0) + after
        self._ready = [(-node.priority, node.position, node) for _, _, node in self._ready if node.state == "ready"]
        heapq.heapify(self._ready)

    def _make_ready(self, node: _Node) -> None:
        node.state = "ready"
        heapq.heappush(self._ready, (-node.priority, node.position, node))

    def _take(self) -> list[_Node]:
        """The components to start now, most urgent first."""
        taken: list[_Node] = []
        while self._ready and (self._parallel is None or len(self._running) - len(self._waiting) < self._parallel):
            node = heapq.heappop(self._ready)[2]
            if node.state == "ready":
                node.state = "running"
                self._running.add(node)
                taken.append(node)
        return taken

    async def _work(self, node: _Node) -> None:
        """The task of one component: whatever happens ends in :meth:`_end` or in ``_halted``."""
        node.task = asyncio.current_task()
        began = self._clock()
        trace = ""
        limit = node.limit = asyncio.timeout(self._timeout)
        try:
            if node.cancelled is not None:  # while its start was being written
                raise asyncio.CancelledError
            async with limit:
                result = await self._build(node.component, node.priority)
        except ENDS_THE_RUN as error:
            self._halted = self._halted or error
            self._wake.set()
            return
        except asyncio.CancelledError:
            if self._stopping:
                raise
            result = self._failure(node, node.cancelled or "its build was cancelled from inside")
        except AgentError as error:
            result = self._failure(node, str(error))
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                result = self._failure(node, f"it took longer than the {self._timeout:g} s a component may take")
            else:
                result = self._failure(node, f"internal error: {type(error).__name__}: {error}")
                trace = "".join(traceback.format_exception(error))
        self._end(_Ended(node, result, self._clock() - began, trace))

    def _end(self, ended: _Ended) -> None:
        self._ended.append(ended)
        self._wake.set()

    def _failure(self, node: _Node, reason: str) -> Proof:
        return Proof(node.component.id, self._key(node.component), "failed", reason=reason)

    def _settle(self) -> list[Event]:
        """Enter everything that ended since the last time; returns the facts, causes before consequences."""
        facts: list[Event] = []
        while self._ended:
            ended = self._ended.popleft()
            node, proof = ended.node, ended.result
            if node.state == "done":  # cancelled while pending, and meanwhile blocked
                continue
            was_running = node in self._running
            self._running.discard(node)
            if isinstance(proof, Recut):
                facts += self._adopt(proof, node)
                continue
            node.state, node.result, node.task = "done", proof, None
            if was_running:
                self._observe(node, ended.seconds)
            if proof.status == "passed":
                facts.append(self._fact(COMPONENT_PASSED, node, proof=to_json(proof)))
                facts += self._unlock(node)
            else:
                trace = {"traceback": ended.trace} if ended.trace else {}
                facts.append(self._fact(COMPONENT_FAILED, node, proof=to_json(proof), reason=proof.reason, **trace))
                facts += self._block(node)
        return facts

    def _observe(self, node: _Node, seconds: float) -> None:
        self._observed.setdefault(node.component.kind, []).append(seconds)
        self._built += 1
        if self._built == self._estimate_at:
            self._estimate_at *= 2
            self._estimate()

    def _unlock(self, node: _Node) -> list[Event]:
        facts: list[Event] = []
        for dependent in node.dependents:
            dependent.waits_for -= 1
            if not dependent.waits_for and dependent.state == "pending":
                self._make_ready(dependent)
                facts.append(self._fact(COMPONENT_READY, dependent))
        return facts

    def _block(self, culprit: _Node) -> list[Event]:
        """Everything that stands on a failed component and has not ended is blocked by it."""
        facts: list[Event] = []
        reached = list(culprit.dependents)
        for node in reached:  # grows while it is walked
            if node.state == "done":
                continue
            node.state, node.result = "done", Blocked(node.component.id, culprit.component.id)
            facts.append(self._fact(COMPONENT_BLOCKED, node, by=culprit.component.id))
            reached += node.dependents
        return facts

    async def _stop(self) -> None:
        """Cancel what runs and wait until it is gone."""
        self._stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fact(self, kind: str, node: _Node, **body: Any) -> Event:
        return Event(kind, component=node.component.id, revision=self._revision, body=body)
