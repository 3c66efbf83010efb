"""What a run knows of itself: killed at any instant and gone on with, it comes to the same end, and pays for nothing twice."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.spec import with_feedback
from graphs import events, run_graph, run_state
from graphs.edits import Respecify, Revision
from graphs.errors import AnswerError, JournalError
from graphs.events import Event
from graphs.ports import Brief
from graphs.run_context import Past
from graphs.values import (
    Amendment,
    CaseResult,
    Contract,
    Feedback,
    Files,
    Limits,
    Plan,
    Proof,
    Question,
    Spec,
    Verdict,
    digest,
)
from tests.scripted_ports import DeepPurse, MemoryRepository, ScriptedChecker, ScriptedStrategy
from tests.test_building import CLEARER, LONG, importing
from tests.test_run_graph import CHAIN, SPEC, component, plan_of

STEPS = ("requirements", "plan", "tests", "code", "repair", "amend", "respecify", "split", "revise")
LIMITS = Limits(no_progress=1)


@dataclass
class Disk:
    """What outlives a process: facts, answers of the model, and what was paid for."""

    facts: list[Event] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)

    def past(self) -> Past:
        """What the facts say."""
        past = Past()
        for fact in self.facts:
            past.take_in(fact)
        return past


class Journal:
    """Keeps facts on a disk, until its process is killed."""

    def __init__(self, disk: Disk, most: int) -> None:
        self.disk = disk
        self.most = most
        """Writes until the kill."""
        self.writes = 0

    async def append(self, *facts: Event) -> int:
        await asyncio.sleep(0)
        if self.writes == self.most:
            raise JournalError("killed")
        self.writes += 1
        self.disk.facts += facts
        return len(self.disk.facts)


class Remembering:
    """A strategy whose answers are kept on a disk by what was asked, as the journal does it for the real one."""

    def __init__(self, strategy: ScriptedStrategy, disk: Disk) -> None:
        self.strategy = strategy
        self.disk = disk
        self.name = "remembering"

    def __getattr__(self, step: str) -> Callable[..., Awaitable[Any]]:
        assert step in STEPS
        ask = getattr(self.strategy, step)

        async def once(*told: Any) -> Any:
            key = digest([step, *told])
            if key not in self.disk.answers:
                try:
                    said = await ask(*told)
                except AnswerError as error:
                    said = error
                self.disk.answers[key] = said
                self.disk.paid[key] += 1
            if isinstance(self.disk.answers[key], AnswerError):
                raise self.disk.answers[key]
            return self.disk.answers[key]

        return once


@dataclass(frozen=True)
class Steady:
    """A person who says the same whenever asked."""

    answer: str | None = None
    """To every question."""
    wishes: tuple[str, ...] = ()
    """What is wrong, until the plan holds it."""

    def present(self) -> bool:
        return self.answer is not None

    async def ask(self, question: Question) -> str | None:
        await asyncio.sleep(0)
        return self.answer

    async def judge(self, plan: Plan, proofs: Any, verdict: Verdict | None) -> Feedback | None:
        left = self.wishes[len(plan.feedback) :]
        return Feedback(True, False, False, left[0]) if left else None

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        return plan


@dataclass(frozen=True)
class World:
    """What there is to build, and what the model, the user and the whole say, however often they are asked."""

    plan: Plan = CHAIN
    script: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """As :class:`~tests.scripted_ports.ScriptedStrategy` has it."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """Its further arguments: amendments, contracts, parts."""
    code: Callable[[Brief], str | None] = lambda _: None
    """The code of a component, where the script is not to say it."""
    whole: Callable[[Files], Verdict | None] = lambda _: None
    """What the assembled repository does, where it does not simply pass."""
    revision: Callable[[Plan], Revision] = lambda _: Revision(())
    """What the next wish makes of the plan."""
    human: Steady = Steady()
    limits: Limits = LIMITS


class Run:
    """One run in such a world, in as many processes as it takes."""

    def __init__(self, world: World, disk: Disk | None = None, proofs: Mapping[str, Proof] | None = None) -> None:
        """``proofs``: of an earlier run."""
        self.world = world
        self.disk = disk or Disk()
        self.proofs = proofs or {}
        self.purse = DeepPurse()
        self.checker = ScriptedChecker()
        self.state: Any = None

    def go(self, most: int = -1) -> bool:
        """One process; whether it came to its end before it had written ``most`` times."""
        world, past = self.world, self.disk.past()
        self.journal = Journal(self.disk, most)
        self.checker = ScriptedChecker()
        strategy = ScriptedStrategy(world.script, world.plan, **world.answers)
        scripted, assembled = strategy.code, self.checker.integrate

        async def code(brief: Brief, attempt: int) -> Files:
            said = world.code(brief)
            return await scripted(brief, attempt) if said is None else {brief.component.files[0]: said}

        async def revise(plan: Plan, spec: Spec, change: Sequence[str], attempt: int) -> Revision:
            return world.revision(plan)

        async def integrate(plan: Plan, spec: Spec, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
            return world.whole(tree) or await assembled(plan, spec, tree, tests, ids)

        strategy.code, strategy.revise = code, revise  # type: ignore[method-assign]
        self.checker.integrate = integrate  # type: ignore[method-assign]
        context = run_graph.Context(
            spec=SPEC,
            given_plan=None,
            past=replace(past, proofs={**self.proofs, **past.proofs}),
            strategy=Remembering(strategy, self.disk),  # type: ignore[arg-type]
            checker=self.checker,
            journal=self.journal,
            human=world.human,
            purse=self.purse,
            repository=MemoryRepository(),
            choose_exemplars=lambda _: run_graph.Exemplars((), (), ()),
            with_feedback=with_feedback,
            check_component=lambda _: [],
            limits=world.limits,
            parallel=2,
        )
        try:
            self.state = asyncio.run(run_graph.run(context))
        except JournalError:
            return False
        return True

    def shown(self) -> dict[str, tuple[str, str, bool, str]]:
        """What views show of each component: status, by whom it is blocked, whether it has a commit, what it asks."""
        components = run_state.fold(self.disk.facts).components
        return {i: (s.status, s.blocked_by, bool(s.commit), s.asks) for i, s in components.items()}

    def end(self) -> dict[str, Any]:
        """What is left when all is over: what was delivered, and what is shown of it."""
        shown = run_state.fold(self.disk.facts)
        return {
            "plan": self.state["plan"],
            "proofs": dict(sorted(self.state["proofs"].items())),
            "blocked": self.state["blocked"],
            "verdict": self.state["verdict"],
            "shown": self.shown(),
            "questions": shown.questions,
            "revisions": shown.revisions,
            "amended": shown.amended,
            "feedback": shown.feedback,
        }


BIG = f"t1\n{LONG}"
BLAMED = 'File "/x/{}.py", line 3\nE  assert 1 == 2'
ASSEMBLED = World(
    script={"a:code": [BIG], "a:repair": [BIG]},
    answers={"parts": {"a": (component("p1"), component("p2"))}},
    code=lambda brief: "t1 t2" if brief.component.id == "a" and brief.neighbours else None,
)
UNCLEAR = World(
    plan_of(*CHAIN.components, component("x")),
    {"a:code": ["t1"], "a:repair": ["t1"], "x:code": [BIG], "x:repair": ["t1"]},
    {"respecified": {"a": CLEARER}},
    lambda brief: "t1 t2" if brief.component.contract == CLEARER.contract else None,
)
WRONG_TEST = World(
    script={"a:code": ["t1 t2=5 t2~", "t1 t2=5 t2~"], "a:repair": ["t1 t2=5 t2~"]},
    answers={"amendments": {"a": Amendment({"t2": "t2~"}, reasons={"t2": "the contract says 5"})}},
)
OPEN = World(
    plan_of(*CHAIN.components, component("x")),
    {"a:code": ["t1"], "a:repair": ["t1"], "x:code": ["t1"], "x:repair": ["t1"]},
    code=lambda brief: "t1 t2" if "Answer:" in brief.component.contract.behaviour else None,
    human=Steady("It should be 7."),
    limits=replace(LIMITS, respecifications=0),
)
NEEDLESS = World(
    plan_of(component("a"), component("b", "a"), component("c", "a", "b"), component("x"), component("y", "x")),
    {
        **{f"{i}:tests": ["t1"] for i in "abc"},
        **{"a:code": [importing()], "b:code": [importing()], "c:code": [importing("a")]},
        **{"x:code": ["t1"], "x:repair": ["t1"]},
    },
    limits=Limits(no_progress=1, rungs=()),
)


def better_of(tree: Files) -> Verdict:
    """The whole, in which ``b`` and ``c`` must be better than they are."""
    cases = tuple(
        CaseResult(f"E{i}", "passed")
        if "better" in tree[f"{i}.py"]
        else CaseResult(f"E{i}", "failed", BLAMED.format(i))
        for i in "bc"
    )
    bad = any(case.outcome == "failed" for case in cases)
    return Verdict("failed" if bad else "passed", cases, "it fails" if bad else "")


MENDED = World(script={"b:repair": ["t1 t2 better"], "c:repair": ["t1 t2 better"]}, whole=better_of)
NOT_MENDED = World(
    answers={"respecified": {"a": CLEARER}},
    whole=lambda _: Verdict("failed", (CaseResult("E1", "failed", BLAMED.format("a")),), "it fails"),
)


def wish_for(component_id: str) -> Callable[[Plan], Revision]:
    """The contract of that component says what is wished next."""

    def revision(plan: Plan) -> Revision:
        contract = Contract({f"{component_id}.py": "x: int\n"}, f"Wish {len(plan.feedback)}.\n")
        return Revision((Respecify(replace(plan.component(component_id), contract=contract), "it was wished"),))

    return revision


WISHED = World(
    script={"c:repair": ["t1"]},
    code=lambda brief: "t1" if brief.component.contract.behaviour.endswith(("0.\n", "1.\n")) else None,
    revision=wish_for("c"),
    human=Steady("It should be 7.", ("Louder.", "And faster.")),
    limits=replace(LIMITS, respecifications=0),
)
WORLDS = {
    "split": ASSEMBLED,
    "respecified": UNCLEAR,
    "amended": WRONG_TEST,
    "asked": OPEN,
    "asked in vain": replace(OPEN, human=Steady()),
    "tidied": NEEDLESS,
    "mended": MENDED,
    "not mended": NOT_MENDED,
    "wished": WISHED,
    "split and wished": replace(ASSEMBLED, human=Steady(wishes=("Louder.",)), revision=wish_for("p1")),
}
MOST_KILLS = 25
"""Of one world; the instants lie evenly between its writes."""


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_killed_at_any_instant_a_run_comes_to_the_same_end_and_pays_for_nothing_twice(world: World) -> None:
    calm = Run(world)
    assert calm.go()
    assert set(calm.disk.paid.values()) == {1}

    writes = calm.journal.writes
    for most in range(writes % 2, writes, -(-writes // MOST_KILLS)):
        killed = Run(world)
        if killed.go(most):  # on a busy machine facts share a write now and then: it had come to its end
            assert most >= writes * 0.9
        else:
            assert killed.go()
        assert killed.end() == calm.end(), f"killed after {most} writes"
        assert killed.disk.paid == calm.disk.paid, f"killed after {most} writes"


def test_questions_of_later_rounds_are_numbered_on_and_what_was_proven_here_is_not_told_as_kept() -> None:
    run = Run(WISHED)
    run.go()

    assert list(run.end()["questions"]) == ["Q1", "Q2"]
    assert events.COMPONENT_KEPT not in [fact.kind for fact in run.disk.facts]


def test_the_assembly_of_parts_keeps_its_tests_in_later_rounds() -> None:
    run = Run(WORLDS["split and wished"])
    run.go()

    asked = [fact for fact in run.disk.facts if fact.component == "a" and fact.body.get("step") == "tests"]
    assert len(asked) == 1
    assert run.shown()["a"][0] == "passed"


def test_what_was_blocked_is_shown_so_after_edges_were_tidied() -> None:
    run = Run(NEEDLESS)
    run.go()

    assert [r.author for r in run.end()["revisions"]] == ["model", "evidence"]
    assert run.shown()["y"] == ("blocked", "x", False, "")


def test_a_question_nobody_was_there_for_is_asked_again_whatever_became_of_the_plan_since() -> None:
    """The question is about ``a``; after it, ``x``, which waits for ``w``, is respecified."""
    clearer = replace(component("x", "w"), contract=Contract({"x.py": "x: int\n"}, "It does so.\n"))
    late = World(
        plan_of(component("a"), component("w"), component("x", "w")),
        {"a:code": ["t1"], "a:repair": ["t1"], "x:code": ["t1"], "x:repair": ["t1"]},
        {"respecified": {"x": clearer}},
        lambda brief: "t1 t2" if re.search("so|Answer", brief.component.contract.behaviour) else None,
        limits=replace(LIMITS, rungs=("respecify", "ask")),
    )
    run = Run(late)
    run.go()
    assert run.shown()["a"][0] == "failed"
    kinds = [f.kind for f in run.disk.facts if f.kind in (events.QUESTION_ASKED, events.PLAN_REVISED)]
    assert kinds[1:] == [events.QUESTION_ASKED, events.PLAN_REVISED]

    run.world = replace(late, human=Steady("It should be 7."))
    run.go()

    asked = [fact.body for fact in run.disk.facts if fact.kind == events.QUESTION_ASKED]
    assert [(body["id"], body["asked"]) for body in asked] == [("Q1", False), ("Q1", True)]
    assert run.shown()["a"][0] == "passed"


def cut(run: Run, index: int) -> Disk:
    """The disk as it was after that many facts; all that was asked since had been answered."""
    return Disk(run.disk.facts[:index], run.disk.answers)


def test_what_the_budget_granted_once_is_not_refused_after_a_kill() -> None:
    world = World(script={"a:code": ["t1", "t1 t2"], "a:repair": ["t1"]})
    calm = Run(world)
    calm.go()
    granted = next(n for n, fact in enumerate(calm.disk.facts, 1) if fact.body.get("rung") == "candidate")

    run = Run(world, cut(calm, granted))
    run.purse = DeepPurse(empty_for=frozenset("abc"))
    run.go()

    assert run.shown()["a"][0] == "passed"


def test_what_stands_on_something_built_anew_is_looked_at_again_also_when_a_kill_came_between() -> None:
    earlier = Run(World())
    earlier.go()
    known = earlier.disk.past()
    assert all(known.stands(c) for c in CHAIN.components)
    otherwise = replace(CHAIN.components[0], purpose="Does it otherwise.")
    world = World(plan_of(otherwise, *CHAIN.components[1:]), {"a:code": ["t1 t2 t3"]})
    calm = Run(world, proofs=known.proofs)
    calm.go()
    built = next(n for n, fact in enumerate(calm.disk.facts, 1) if fact.kind == events.COMPONENT_PASSED)

    run = Run(world, cut(calm, built), known.proofs)
    run.go()

    assert [(who, tree["a.py"]) for who, tree, _, _ in run.checker.proved] == [(i, "t1 t2 t3") for i in "bc"]
    assert run.end() == calm.end()
