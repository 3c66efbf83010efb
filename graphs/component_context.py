"""What the nodes of the loop inside a component share: what they are given, what they remember, and how they tell of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from graphs import events
from graphs.events import Event
from graphs.evidence import Fault, Line
from graphs.ladder import Rung
from graphs.ports import Brief, Checker, Journal, Strategy
from graphs.values import Files, Limits, Verdict, from_json, to_json

Dear = Rung | Literal["rewire", "strengthen"]
"""What is done for a component beyond the plain loop, and so must be within its share of the budget."""


@dataclass(frozen=True)
class Start:
    """What a component begins with when it does not begin at nothing."""

    tests: Files
    """Tests that were frozen before; they are neither written nor sent back again."""
    test_ids: tuple[str, ...]
    """The declared ones."""
    files: Files | None = None
    """Code to judge first; ``None``: it is written."""


@dataclass(frozen=True)
class Context:
    """What one component's loop is given."""

    brief: Brief
    """The component and all a strategy may know of it."""
    ancestors: Files
    """The proven files of every component it stands on."""
    strategy: Strategy
    """Asks the model."""
    checker: Checker
    """Runs tests in the sandbox."""
    journal: Journal
    """Where facts go."""
    limits: Limits
    """How often to try."""
    revision: int = 1
    """The plan revision in force."""
    start: Start | None = None
    """What is there already."""
    missing: Callable[[Files], Sequence[str]] = lambda _: ()
    """Ids of components whose modules the given files import though the component does not stand on them."""
    affords: Callable[[Dear], bool] = lambda _: True
    """Whether the component's share of the budget allows it."""
    judged_by: Callable[[Files, Files, Sequence[str]], Awaitable[Verdict]] | None = None
    """What judges a tree by tests of the component and their ids, where that is not the component alone."""

    async def emit(self, kind: str, **body: Any) -> None:
        """A fact about the component."""
        await self.journal.append(
            Event(kind, component=self.brief.component.id, revision=self.revision, body=body),
        )

    async def step(self, step: str, attempt: int = 1) -> None:
        """What is begun now."""
        await self.emit(events.COMPONENT_STEP, step=step, attempt=attempt, detail="")

    async def decide(self, decision: str, reason: str, fault: Fault | None = None, **more: object) -> None:
        """Where the loop goes and why; ``fault``: what is held to be at fault, when the evidence says so."""
        if fault is not None:
            more["fault"] = fault
        await self.emit(events.COMPONENT_DECISION, decision=decision, reason=reason, **more)

    def tree(self, files: Files) -> dict[str, str]:
        """The given files of the component among those it stands on."""
        return {**self.ancestors, **files}

    async def prove(self, files: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """What execution says of the given files of the component."""
        if self.judged_by is not None:
            return await self.judged_by(self.tree(files), tests, ids)
        return await self.checker.prove(self.brief, self.tree(files), tests, ids)

    @property
    def anchors(self) -> frozenset[str]:
        """Ids of the examples: acceptance as data, which no test outranks."""
        return frozenset(e.id for e in (*self.brief.examples, *self.brief.component.contract.examples))


class State(TypedDict, total=False):
    """What the loop remembers; plain JSON."""

    tests: dict[str, str]
    test_ids: list[str]
    test_attempt: int
    test_problems: list[str]
    frozen: bool
    files: dict[str, str]
    queue: list[dict[str, str]]
    """Further programs to be judged before anything is decided."""
    step: str
    """What made ``files``: ``code``, ``repair``, ``candidate``, ``amend`` or ``strengthen``."""
    attempt: int
    """Verdicts so far, the next one included."""
    lines: list[dict[str, Any]]
    """The independent programs at their best: ``files`` and ``verdict`` of each."""
    current: int
    """Which of the lines is being repaired."""
    repairs: int
    """Repairs asked for, over all lines."""
    line_repairs: int
    """Of the current line."""
    stale_repairs: int
    notes: list[str]
    tried: list[Rung]
    disputed: dict[str, str]
    """Test id → why the repairer holds it to be wrong."""
    clashes: list[str]
    missing: list[str]
    added: list[str]
    """Ids of tests that were written for what went unnoticed."""
    late: list[str]
    """Those, and the ids of tests that were replaced with them: all that came when the code had passed everything."""
    asked: bool
    """Whether the test writer was shown what went unnoticed."""
    differ: list[str]
    """What independent programs that pass the same do differently."""
    strength: dict[str, Any] | None
    """Of the tests as they were when it was measured, on the files of ``measured``."""
    measured: dict[str, str]
    quarantined: dict[str, str]
    """Test id → why it was taken out."""
    next: str
    """The node after judge or strengthen."""
    end: str
    """``passed``, or the sentence that says why there is no way on."""


def lines_of(state: State) -> list[Line]:
    """The independent programs, the one in work first."""
    found = [Line(line["files"], from_json(Verdict, line["verdict"])) for line in state["lines"]]
    return [found[state["current"]], *(line for i, line in enumerate(found) if i != state["current"])]


def settling(state: State) -> frozenset[str]:
    """Ids of disputed tests, when the program in work fails nothing else: one that fails much says more of itself."""
    still = {case.id for case in lines_of(state)[0].verdict.failing}
    return frozenset(state["disputed"]) if still <= state["disputed"].keys() else frozenset()


def line_data(files: Files, verdict: Verdict) -> dict[str, Any]:
    """A program and its verdict as the state holds them."""
    return {"files": dict(files), "verdict": to_json(verdict)}


def only(given: Files, asked: Collection[str]) -> dict[str, str]:
    """What a strategy may write: the files or tests it was asked for. The loop holds it, whatever an answer says."""
    return {name: text for name, text in given.items() if name in asked}


def failing(verdict: Verdict) -> str:
    """How many cases fail and why the first one does."""
    cases = verdict.failing
    if not cases:
        return verdict.reason
    why = cases[0].message.strip()[:160] or cases[0].outcome
    return f"{len(cases)} of {len(verdict.cases)} fail, first {cases[0].id}: {why}"


def names(ids: Sequence[str], most: int = 3) -> str:
    """The first ids, as short as they can be."""
    shown = ", ".join(i.rsplit("::", 1)[-1] for i in ids[:most])
    return shown + (f" and {len(ids) - most} more" if len(ids) > most else "")


def count(things: Collection[Any], one: str, many: str) -> str:
    """A number and its noun."""
    return f"{len(things)} {one if len(things) == 1 else many}"
