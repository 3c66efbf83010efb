"""Strategy, checker, journal, human and repository that follow a script: what the two graphs are tested against.

The code of a component is the list of the tests it passes: ``"t1 t2"`` passes ``t1`` and ``t2``. Tests are written the
same way; one whose name starts with ``bad`` proves nothing on the stub. In code, ``t2=5`` says what the program does
instead when it fails ``t2`` (otherwise ``no``), and ``t2~`` passes ``t2`` only once that test was amended to ``t2~``. In a
repair, ``t2?`` holds the test ``t2`` to be wrong; a repair of nothing else leaves the code as it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from graphs.edits import Revision
from graphs.errors import AnswerError
from graphs.events import Event
from graphs.ports import Brief, RedReport
from graphs.values import (
    Amendment,
    CaseResult,
    Component,
    Doubt,
    Feedback,
    Files,
    Limits,
    Mutant,
    Outcome,
    Plan,
    Proof,
    Question,
    Repair,
    Requirement,
    Spec,
    Strength,
    Strengthening,
    Verdict,
)

Said = str | Exception
T = TypeVar("T")
DISPUTED = "the contract says otherwise"
"""Why a scripted repair holds a test to be wrong."""


@dataclass
class ScriptedStrategy:
    """Says the next entry of the list under ``component`` or ``component:step``; the last entry stays."""

    script: Mapping[str, Sequence[Said]] = field(default_factory=dict)
    made_plan: Plan | None = None
    asked: list[str] = field(default_factory=list)
    """``a:repair:2`` for the second repair of ``a``; ``plan`` and ``requirements`` for the run."""
    tests_given: list[tuple[Files, Sequence[str]]] = field(default_factory=list)
    """What each ask for tests was told of those before."""
    repairs_given: list[tuple[Files, Files, Verdict, Sequence[str]]] = field(default_factory=list)
    """Files, tests, verdict and notes of each repair."""
    amendments: Mapping[str, Amendment | Exception] = field(default_factory=dict)
    """Component → what its test writer says of tests in doubt."""
    strengthened: Mapping[str, Strengthening | Exception] = field(default_factory=dict)
    """Component → what its test writer says of what went unnoticed."""
    respecified: Mapping[str, Component | Exception] = field(default_factory=dict)
    """Component → the same with another contract."""
    parts: Mapping[str, tuple[Component, ...] | Exception] = field(default_factory=dict)
    """Component → what it is cut into."""
    revisions: deque[Revision] = field(default_factory=deque)
    """What each change of the spec makes of the plan."""
    told: list[tuple[str, Sequence[object]]] = field(default_factory=list)
    """What each question beyond tests, code and repair was given: doubts, evidence, changes; survivors, idle tests and differences."""
    name: str = "scripted"
    extra: Mapping[str, str] = field(default_factory=dict)
    """Files that every answer holds besides those asked for."""

    async def _say(self, brief: Brief, step: str, attempt: int) -> str:
        self.asked.append(f"{brief.component.id}:{step}:{attempt}")
        await asyncio.sleep(0)
        said = self.script.get(f"{brief.component.id}:{step}", ["t1 t2"])
        entry = said[min(attempt, len(said)) - 1]
        if isinstance(entry, Exception):
            raise entry
        return entry

    async def requirements(self, spec: Spec) -> tuple[Requirement, ...]:
        self.asked.append("requirements")
        return (Requirement("R1", "It works."),)

    async def plan(self, spec: Spec, requirements: Sequence[Requirement], exemplars: Sequence[str]) -> Plan:
        self.asked.append("plan")
        assert self.made_plan is not None
        return self.made_plan

    async def tests(self, brief: Brief, attempt: int, previous: Files, problems: Sequence[str]) -> Files:
        self.tests_given.append((previous, problems))
        return {brief.test_path: await self._say(brief, "tests", attempt), **self.extra}

    async def code(self, brief: Brief, attempt: int) -> Files:
        return {brief.component.files[0]: await self._say(brief, "code", attempt), **self.extra}

    async def repair(
        self, brief: Brief, attempt: int, files: Files, tests: Files, verdict: Verdict, notes: Sequence[str]
    ) -> Repair:
        self.repairs_given.append((files, tests, verdict, notes))
        said = await self._say(brief, "repair", attempt)
        disputed = {word.removesuffix("?"): DISPUTED for word in said.split() if word.endswith("?")}
        if disputed:
            said = " ".join(word for word in said.split() if not word.endswith("?"))
        return Repair({**({} if disputed and not said else {brief.component.files[0]: said}), **self.extra}, disputed)

    async def amend(self, brief: Brief, attempt: int, tests: Files, doubts: Sequence[Doubt]) -> Amendment:
        return await self._decide(brief, "amend", attempt, doubts, self.amendments, Amendment())

    async def strengthen(
        self,
        brief: Brief,
        files: Files,
        tests: Files,
        survivors: Sequence[Mutant],
        idle: Sequence[str],
        differ: Sequence[str],
    ) -> Strengthening:
        told = (tuple(survivors), tuple(idle), tuple(differ))
        return await self._decide(brief, "strengthen", 1, told, self.strengthened, Strengthening())

    async def respecify(self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str]) -> Component:
        refusal = AnswerError(["no better contract is known"])
        return await self._decide(brief, "respecify", attempt, evidence, self.respecified, refusal)

    async def split(
        self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str], room: int | None = None
    ) -> tuple[Component, ...]:
        refusal = AnswerError(["no cut is known"])
        return await self._decide(brief, "split", attempt, evidence, self.parts, refusal)

    async def revise(self, plan: Plan, spec: Spec, change: Sequence[str], attempt: int) -> Revision:
        self.asked.append(f"revise:{attempt}")
        self.told.append(("revise", change))
        return self.revisions.popleft()

    async def _decide(
        self,
        brief: Brief,
        step: str,
        attempt: int,
        told: Sequence[object],
        script: Mapping[str, T | Exception],
        otherwise: T | Exception,
    ) -> T:
        self.asked.append(f"{brief.component.id}:{step}:{attempt}")
        self.told.append((f"{brief.component.id}:{step}", told))
        await asyncio.sleep(0)
        said = script.get(brief.component.id, otherwise)
        if isinstance(said, Exception):
            raise said
        return said


@dataclass
class ScriptedChecker:
    """Reads the lists in code and tests; keeps what it was given."""

    proved: list[tuple[str, Files, Files, Sequence[str]]] = field(default_factory=list)
    integrated: int = 0
    whole: Outcome = "passed"
    """How the assembled repository fares."""
    wholes: deque[Verdict] = field(default_factory=deque)
    """What it says of the assembled repository first, before ``whole`` holds."""
    strengths: Mapping[str, Sequence[Strength | Exception]] = field(default_factory=dict)
    """Component → what each measurement says in turn; the last entry stays."""
    measured: list[tuple[str, Files, Sequence[str], Strength | None]] = field(default_factory=list)
    """Component, tests, ids and what was known, of each measurement of strength."""
    behaviours: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Code → what its functions give, call → result."""
    ties: Mapping[str, tuple[str, ...]] | None = None
    """Test → the requirements it is for; ``None``: every test is for R1 to R9."""
    chances: Mapping[str, str] = field(default_factory=dict)
    """Test → what in it can differ from run to run."""

    def stub(self, component: Component) -> Files:
        return dict.fromkeys(component.files, "")

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        words = [w.removesuffix("~") for text in tests.values() for w in text.split()]
        assert tree[brief.component.files[0]] == "", "red runs on the stub"
        return RedReport(
            tuple(w for w in words if not w.startswith("bad")),
            tuple((w, "it passes on the stub") for w in words if w.startswith("bad")),
            Verdict("failed"),
        )

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        self.proved.append((brief.component.id, tree, tests, ids))
        await asyncio.sleep(0)
        passing = tree[brief.component.files[0]].split()
        amended = {w.removesuffix("~") for text in tests.values() for w in text.split() if w.endswith("~")}
        passing += [w.removesuffix("~") for w in passing if w.endswith("~") and w.removesuffix("~") in amended]
        instead = dict(w.split("=", 1) for w in passing if "=" in w)
        every = [*ids, *(e.id for e in (*brief.examples, *brief.component.contract.examples))]
        cases = tuple(
            CaseResult(i, "passed" if i in passing else "failed", "" if i in passing else instead.get(i, "no"))
            for i in every
        )
        good = all(c.outcome == "passed" for c in cases)
        return Verdict("passed" if good else "failed", cases, "" if good else "tests fail", sandbox="script")

    async def strength(
        self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str], limits: Limits, known: Strength | None = None
    ) -> Strength:
        of = brief.component.id
        self.measured.append((of, tests, ids, known))
        await asyncio.sleep(0)
        script = self.strengths.get(of, [Strength(reason="it was not measured")])
        said = script[min(sum(name == of for name, *_ in self.measured), len(script)) - 1]
        if isinstance(said, Exception):
            raise said
        return said

    async def behave(self, brief: Brief, tree: Files, tests: Files) -> Mapping[str, str]:
        await asyncio.sleep(0)
        return self.behaviours.get(tree[brief.component.files[0]], {})

    def memorized(self, brief: Brief, before: Files, after: Files, tests: Files) -> tuple[str, ...]:
        return ("f(1) is 2",) if "heart" in after[brief.component.files[0]].split() else ()

    def tied(self, tests: Files) -> Mapping[str, tuple[str, ...]]:
        if self.ties is not None:
            return self.ties
        words = (w.removesuffix("~") for text in tests.values() for w in text.split())
        return dict.fromkeys(words, tuple(f"R{n}" for n in range(1, 10)))

    def unsteady(self, tests: Files, test_id: str) -> str:
        return self.chances.get(test_id, "")

    def extended(self, tests: Files, path: str, sources: Sequence[str]) -> tuple[Files, tuple[str, ...]]:
        taken = [w.removesuffix("~") for text in tests.values() for w in text.split()]
        ids = tuple(source.removesuffix("~") for source in sources)
        problems = [f"{i!r} is no test with a name of its own" for i in ids if i in taken or len(i.split()) != 1]
        if problems:
            raise AnswerError(problems)
        return {**tests, path: " ".join([*tests.get(path, "").split(), *sources])}, ids

    def without(self, tests: Files, ids: Sequence[str]) -> Files:
        kept = {
            path: " ".join(w for w in text.split() if w.removesuffix("~") not in ids) for path, text in tests.items()
        }
        return {path: text for path, text in kept.items() if text}

    def source(self, tests: Files, test_id: str) -> str:
        words = [w for text in tests.values() for w in text.split()]
        return next((w for w in words if w.removesuffix("~") == test_id), "")

    def amended(self, tests: Files, replaced: Files) -> Files:
        return {p: " ".join(replaced.get(w.removesuffix("~"), w) for w in text.split()) for p, text in tests.items()}

    async def integrate(self, plan: Plan, spec: Spec, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        self.integrated += 1
        await asyncio.sleep(0)
        if self.wholes:
            return self.wholes.popleft()
        return Verdict("passed" if self.whole == "passed" else "failed", tuple(CaseResult(i, self.whole) for i in ids))


@dataclass
class MemoryJournal:
    """Keeps events in a list."""

    events: list[Event] = field(default_factory=list)

    async def append(self, *events: Event) -> int:
        await asyncio.sleep(0)
        self.events += events
        return len(self.events)

    def kinds(self, component: str | None = None) -> list[str]:
        """Kinds in order, of everything or of one component."""
        return [e.kind for e in self.events if component is None or e.component == component]

    def bodies(self, kind: str) -> list[dict[str, object]]:
        """Bodies of the events of one kind."""
        return [dict(e.body) for e in self.events if e.kind == kind]


@dataclass
class ScriptedHuman:
    """Answers with the entries of ``answers`` in turn; ``True`` stands for the plan as it was shown."""

    answers: deque[Plan | bool | None] = field(default_factory=lambda: deque([True]))
    shown: list[tuple[Plan, Sequence[str]]] = field(default_factory=list)
    replies: deque[str | None] = field(default_factory=deque)
    """To questions of components, in turn; empty: nobody is there."""
    feedback: deque[Feedback | None] = field(default_factory=deque)
    """At the end of each round, in turn; empty: nobody is there."""
    questions: list[Question] = field(default_factory=list)

    def present(self) -> bool:
        return bool(self.replies)

    async def ask(self, question: Question) -> str | None:
        self.questions.append(question)
        await asyncio.sleep(0)
        return self.replies.popleft() if self.replies else None

    async def judge(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> Feedback | None:
        return self.feedback.popleft() if self.feedback else None

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        self.shown.append((plan, notes))
        answer = self.answers.popleft()
        return plan if isinstance(answer, bool) else answer


@dataclass
class MemoryRepository:
    """Keeps proofs in the order of their commits."""

    commits: list[str] = field(default_factory=list)
    finished: list[tuple[dict[str, Proof], Verdict | None]] = field(default_factory=list)

    async def commit(self, plan: Plan, proof: Proof) -> str:
        assert proof.status == "passed"
        self.commits.append(proof.component)
        return f"commit {len(self.commits)}"

    async def finish(self, plan: Plan, spec: Spec, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        self.finished.append((dict(proofs), verdict))
        return "commit of the end"


@dataclass
class DeepPurse:
    """Always has enough, unless told whom it is empty for."""

    empty_for: frozenset[str] = frozenset()
    least: float = 0.0
    """A smaller share than this is used up."""
    shares: dict[str, float] = field(default_factory=dict)
    """Component → the share it was last asked about with."""

    def share_left(self, component_id: str, share: float) -> bool:
        self.shares[component_id] = share
        return component_id not in self.empty_for and share >= self.least
