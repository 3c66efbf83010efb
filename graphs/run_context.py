"""What a run is given and what it already knows: the values that the phases of ``run_graph`` and the build share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from graphs import document, events
from graphs.component_context import Start
from graphs.events import Event
from graphs.evidence import Tried
from graphs.ports import Checker, Human, Journal, Purse, Repository, Strategy
from graphs.values import Component, Files, Limits, Plan, Proof, Requirement, Spec, Verdict, from_json

Author = Literal["model", "user", "kept", "evidence"]
"""Who made a revision of the plan: a model from words, the user, an earlier run, or this run from what it saw."""


@dataclass(frozen=True)
class Exemplars:
    """The few-shot examples chosen for a spec."""

    names: tuple[str, ...]
    """Which."""
    texts: tuple[str, ...]
    """As shown to the model, in the same order."""
    why: tuple[str, ...]
    """Why each, in the same order."""


@dataclass
class Past:
    """What the journal knows of a run: the fold of its facts, kept up to date while the run goes on.

    So whoever goes on after a kill knows what the process that was killed knew. All empty for a new run. What is not the
    journal's is given from outside: ``former``, ``former_spec``, ``unproven``, ``edited``, and the proofs of earlier runs.
    """

    plan: Plan | None = None
    """The plan in force."""
    former: Plan | None = None
    """The plan of an earlier run's output: taken when this run has no plan yet and is given none."""
    former_spec: Spec | None = None
    """The spec ``former`` was made for, where it is still known."""
    requirements: tuple[Requirement, ...] = ()
    """As read from the spec."""
    approved: bool = False
    """Whether a person, a flag or ``--yes`` let the plan pass."""
    proofs: dict[str, Proof] = field(default_factory=dict)
    """Component key → proof, of this run and of earlier runs that delivered to the same place."""
    passed: set[str] = field(default_factory=set)
    """Component keys of the proofs that this run's journal holds."""
    unproven: set[str] = field(default_factory=set)
    """Ids of components whose files the user edited since they were proven: their tests run again before they count."""
    edited: frozenset[str] = frozenset()
    """Ids of components whose files must not be written anew, because the user edited them."""
    verdict: Verdict | None = None
    """Of the assembled repository as it is; ``None`` when something in it changed since it was tested."""
    failures: int = 0
    """How often the assembled repository did not pass since a person or a model last made the plan."""
    summed: dict[str, Any] = field(default_factory=dict)
    """What was last told of what is proven and what is not."""
    tried: dict[str, Tried] = field(default_factory=dict)
    """Component id → how far the ladder was climbed for it."""
    starts: dict[str, Start] = field(default_factory=dict)
    """Component id → the frozen tests it keeps under its contract, whatever else the plan made of it."""
    granted: set[tuple[str, str]] = field(default_factory=set)
    """Component key and rung: what was taken once is not refused when the same way is gone again after a kill."""
    questions: dict[str, str] = field(default_factory=dict)
    """Component key → id of the question asked about it."""
    answers: dict[str, str] = field(default_factory=dict)
    """Id of a question → the user's answer."""
    feedback: tuple[str, ...] = ()
    """All feedback given in this run; what the plan does not hold yet is still to be worked in."""
    _proven: dict[str, int] = field(default_factory=dict)
    """Component id → when in this run it was last proven or kept, counted in such facts."""
    _built: dict[str, int] = field(default_factory=dict)
    """The same, only where what stands on it was not proven together with it."""
    _clock: int = 0

    def stands(self, component: Component) -> bool:
        """Whether nothing that the component depends on was built anew after it was proven."""
        proven = self._proven.get(component.id, 0)
        return all(self._built.get(d, 0) <= proven for d in component.depends_on)

    def take_in(self, event: Event) -> None:
        """Know one fact more."""
        body: Any = event.body
        match event.kind:
            case events.REQUIREMENTS_READ:
                self.requirements = tuple(from_json(Requirement, r) for r in body["requirements"])
            case events.PLAN_REVISED:
                self._revise(document.from_data(body["plan"]), body)
            case events.PLAN_APPROVED:
                self.approved = True
            case events.COMPONENT_PASSED | events.COMPONENT_KEPT:
                self._prove(event)
            case events.COMMITTED if "proof" in body:
                proof = from_json(Proof, body["proof"])
                self.proofs[proof.key] = proof
            case events.COMPONENT_RETRIED:
                self.tried.pop(event.component, None)
            case events.COMPONENT_DECISION if "rung" in body:
                self.granted.add((body["key"], body["rung"]))
            case events.INTEGRATION_FINISHED:
                self.verdict = from_json(Verdict, body["verdict"])
                self.failures += self.verdict.status != "passed"
            case events.PROOF_SUMMED:
                self.summed = dict(body)
            case events.QUESTION_ASKED:
                self.questions[body["key"]] = body["id"]
            case events.QUESTION_ANSWERED:
                self.answers[body["id"]] = body["answer"]
            case events.FEEDBACK_GIVEN if body["text"].strip():
                self.feedback = (*self.feedback, body["text"])

    def _revise(self, plan: Plan, body: Any) -> None:
        if self.plan is None:
            self.feedback = (*plan.feedback, *self.feedback)
        elif self.starts:
            before, now = _promises(self.plan), _promises(plan)
            self.starts = {i: start for i, start in self.starts.items() if i in now and now[i] == before.get(i)}
        if body["author"] != "evidence":
            self.approved, self.failures = False, 0
        self.verdict = None
        self.starts |= {i: from_json(Start, start) for i, start in body.get("starts", {}).items()}
        self.tried |= {i: from_json(Tried, tried) for i, tried in body.get("tried", {}).items()}
        held = {p.key: p for p in (from_json(Proof, p) for p in body.get("proofs", {}).values())}
        self.proofs |= held
        self.passed |= held.keys()
        self.plan = plan

    def _prove(self, event: Event) -> None:
        proof = from_json(Proof, event.body["proof"])
        self.proofs[proof.key] = proof
        self.passed.add(proof.key)
        self.unproven.discard(proof.component)
        self.verdict = None
        self._clock += 1
        self._proven[proof.component] = self._clock
        if event.kind == events.COMPONENT_PASSED and not event.body.get("whole"):
            self._built[proof.component] = self._clock


def _promises(plan: Plan) -> dict[str, object]:
    """Component id → what tests of it are written from."""
    texts = {r.id: r.text for r in plan.requirements}
    return {c.id: (c.contract, [texts[r] for r in c.requirements]) for c in plan.components}


FOLDED = (
    events.REQUIREMENTS_READ,
    events.PLAN_REVISED,
    events.PLAN_APPROVED,
    events.COMPONENT_PASSED,
    events.COMPONENT_KEPT,
    events.COMMITTED,
    events.COMPONENT_RETRIED,
    events.COMPONENT_DECISION,
    events.INTEGRATION_FINISHED,
    events.PROOF_SUMMED,
    events.QUESTION_ASKED,
    events.QUESTION_ANSWERED,
    events.FEEDBACK_GIVEN,
)
"""The kinds of facts that :class:`Past` learns from."""


@dataclass(frozen=True)
class Context:
    """What a run is given."""

    spec: Spec
    """What the user asked, without feedback."""
    given_plan: Plan | None
    """A plan the user brought (``--plan``)."""
    past: Past
    """What is known of the run, and need not be done again."""
    strategy: Strategy
    """Asks the model."""
    checker: Checker
    """Runs tests in the sandbox."""
    journal: Journal
    """Where facts go; by :meth:`append`."""
    human: Human
    """Approves the plan, answers questions, says what is wrong."""
    purse: Purse
    """What a component may still spend."""
    repository: Repository
    """Where proven files go."""
    choose_exemplars: Callable[[Spec], Exemplars]
    """Few-shot examples for a spec."""
    with_feedback: Callable[[Spec, Sequence[str]], Spec]
    """The spec with feedback as further sections of its text."""
    check_component: Callable[[Component], Sequence[str]]
    """Rules on components from outside (file names, interfaces that parse)."""
    limits: Limits
    """Hard ceilings."""
    parallel: int | None
    """Components in work at once; ``None`` for no bound."""
    existing: Files = field(default_factory=dict)
    """The files of the program that is changed; none where everything is new."""

    async def append(self, *facts: Event) -> int:
        """Make facts durable, and known to ``past``; as :meth:`graphs.ports.Journal.append`."""
        for fact in facts:  # first, because a write whose waiting is cancelled is made all the same
            self.past.take_in(fact)
        return await self.journal.append(*facts)

    def spec_of(self, plan: Plan) -> Spec:
        """The spec that ``plan`` answers: what the user asked and all feedback worked into the plan."""
        return self.with_feedback(self.spec, plan.feedback) if plan.feedback else self.spec
