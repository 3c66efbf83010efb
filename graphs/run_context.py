"""What a run is given and what it already knows: the values that the phases of ``run_graph`` and the build share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from graphs.component_graph import Start
from graphs.evidence import Tried
from graphs.ports import Checker, Human, Journal, Purse, Repository, Strategy
from graphs.values import Component, Limits, Plan, Proof, Requirement, Spec, Verdict

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


@dataclass(frozen=True)
class Past:
    """What the journal already knows of this run (all empty for a new one)."""

    plan: Plan | None = None
    """The plan in force."""
    former: Plan | None = None
    """The plan of an earlier run's output: taken when this run has no plan yet and is given none."""
    former_spec: Spec | None = None
    """The spec ``former`` was made for, where it is still known."""
    requirements: tuple[Requirement, ...] = ()
    """As read by an earlier process."""
    approved: bool = False
    """Whether a person, a flag or ``--yes`` let it pass."""
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """Component key → proof, of this run and of earlier runs that delivered to the same place."""
    passed: frozenset[str] = frozenset()
    """Component keys of the proofs that this run's journal already holds."""
    unproven: frozenset[str] = frozenset()
    """Ids of components whose files the user edited since they were proven: their tests run again before they count."""
    edited: frozenset[str] = frozenset()
    """Ids of components whose files must not be written anew, because the user edited them."""
    verdict: Verdict | None = None
    """Of the integration, when every component had passed."""
    tried: Mapping[str, Tried] = field(default_factory=dict)
    """Component id → how far the ladder was climbed for it."""
    starts: Mapping[str, Start] = field(default_factory=dict)
    """Component id → the frozen tests that the assembly of a split component keeps."""
    questions: Mapping[str, str] = field(default_factory=dict)
    """Component key → id of the question asked about it."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Id of a question → the user's answer."""
    feedback: tuple[str, ...] = ()
    """All feedback given in this run; what the plan does not hold yet is still to be worked in."""


@dataclass(frozen=True)
class Context:
    """What a run is given."""

    spec: Spec
    """What the user asked, without feedback."""
    given_plan: Plan | None
    """A plan the user brought (``--plan``)."""
    past: Past
    """What need not be done again."""
    strategy: Strategy
    """Asks the model."""
    checker: Checker
    """Runs tests in the sandbox."""
    journal: Journal
    """Where facts go."""
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

    def spec_of(self, plan: Plan) -> Spec:
        """The spec that ``plan`` answers: what the user asked and all feedback worked into the plan."""
        return self.with_feedback(self.spec, plan.feedback) if plan.feedback else self.spec
