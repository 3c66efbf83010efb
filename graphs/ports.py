"""What the graphs need from outside, as small Protocols. ``agent/`` supplies them; tests supply scripted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from graphs.events import Event
from graphs.values import (
    Amendment,
    Component,
    Contract,
    Doubt,
    Example,
    Feedback,
    Files,
    Limits,
    Mutant,
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

if TYPE_CHECKING:
    from graphs.edits import Revision  # which is judged by dag, which makes briefs


@dataclass(frozen=True)
class Neighbour:
    """What a component may know of one it depends on: the contract, not the code."""

    id: str
    """Its id."""
    purpose: str
    """One sentence."""
    contract: Contract
    """What it promises."""


@dataclass(frozen=True)
class Brief:
    """Everything a strategy is told about one component. Its size does not grow with the plan."""

    component: Component
    """What is to be built."""
    key: str
    """Its component key: part of the key of every call made for it."""
    requirements: tuple[Requirement, ...]
    """Those it covers, in full."""
    neighbours: tuple[Neighbour, ...]
    """The components it depends on directly, in plan order."""
    test_path: str
    """Where its tests go."""
    language: str = "python"
    """The toolchain."""
    examples: tuple[Example, ...] = ()
    """Examples of the spec that concern this component; those of its contract are in the contract."""
    priority: float = 0.0
    """Remaining critical path in seconds: who goes first when slots are scarce."""


@dataclass(frozen=True)
class RedReport:
    """How the tests fared on the contract's stub. They must all fail, each for the right reason."""

    good: tuple[str, ...]
    """Ids that failed on the stub by assertion or NotImplementedError."""
    bad: tuple[tuple[str, str], ...]
    """(id or file, why it proves nothing): passes on the stub, import error, syntax error, vanishes…"""
    verdict: Verdict
    """The run itself."""


class Strategy(Protocol):
    """A named way of asking the model. Raises ``AnswerError`` when re-asking within budget did not help,
    ``ModelError`` when the endpoint failed, ``LimitReached`` at a ceiling."""

    name: str

    async def requirements(self, spec: Spec) -> tuple[Requirement, ...]:
        """List what the spec asks for, each item quoting its words."""
        ...

    async def plan(self, spec: Spec, requirements: Sequence[Requirement], exemplars: Sequence[str]) -> Plan:
        """Decompose; the plan is valid (``graphs.dag.problems`` finds nothing)."""
        ...

    async def tests(self, brief: Brief, attempt: int, previous: Files, problems: Sequence[str]) -> Files:
        """Write the tests from the contract, never from the code. ``previous`` and ``problems`` say what was sent back."""
        ...

    async def code(self, brief: Brief, attempt: int) -> Files:
        """Write the component's files from the contract, never from the tests."""
        ...

    async def repair(
        self, brief: Brief, attempt: int, files: Files, tests: Files, verdict: Verdict, notes: Sequence[str]
    ) -> Repair:
        """Mend the files given the failing tests and their output, or say which of the tests are wrong, or both.

        ``notes`` tell of earlier repairs that were thrown away, so that they are not tried again.
        """
        ...

    async def amend(self, brief: Brief, attempt: int, tests: Files, doubts: Sequence[Doubt]) -> Amendment:
        """Decide on tests that independent programs agree against: replace or keep each, from the contract alone."""
        ...

    async def strengthen(
        self,
        brief: Brief,
        files: Files,
        tests: Files,
        survivors: Sequence[Mutant],
        idle: Sequence[str],
        differ: Sequence[str],
    ) -> Strengthening:
        """Write tests for what went unnoticed, from the contract, or say why there is nothing to test.

        Args:
            brief: the component.
            files: its code, to show where a change was made.
            tests: as they stand.
            survivors: changes of the code that no test and no example noticed.
            idle: ids of tests that noticed none of the changes that were tried.
            differ: what independent programs that pass everything do differently, one sentence each.
        """
        ...

    async def respecify(self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str]) -> Component:
        """Write the contract anew, so that what the evidence shows to be unclear, contradictory or impossible is settled.

        Returns the component with a new purpose or contract; id, files, dependencies and requirements are unchanged.
        """
        ...

    async def split(
        self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str], room: int | None = None
    ) -> tuple[Component, ...]:
        """Cut a component that failed whole into parts that its remaining files assemble.

        Returns only the new parts, in a form for which ``graphs.edits.Split`` is sound: at most ``room`` of them, where
        the plan may not have more components than that beside those it has.
        """
        ...

    async def revise(self, plan: Plan, spec: Spec, change: Sequence[str], attempt: int) -> Revision:
        """Cut the plan anew for a changed spec.

        Args:
            plan: the plan in force, built and proven for the spec as it was.
            spec: as it is now, feedback included.
            change: what changed, in sentences and excerpts; feedback verbatim.
            attempt: which revision of this run it is.

        Returns:
            A revision that ``graphs.edits.apply`` accepts for ``spec``; empty edits when nothing needs to be built anew.
        """
        ...


class Checker(Protocol):
    """Runs tests in the sandbox and says what execution said. ``tree`` holds the component's files and its ancestors'."""

    def stub(self, component: Component) -> Files:
        """The contract's stub: the interface, every body raising NotImplementedError."""
        ...

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        """Run the tests on a tree that holds the component's stub."""
        ...

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """Run the declared tests and the examples of the brief against the real files.

        What failed is run once more on a fresh copy; a test that passes then has the outcome ``flaky``.
        """
        ...

    async def strength(
        self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str], limits: Limits, known: Strength | None = None
    ) -> Strength:
        """Try the declared tests and the examples on mutants of the component's own files, which pass them all.

        ``known``: an earlier measurement on the same files with fewer tests; what was killed then need not be tried again.
        """
        ...

    async def behave(self, brief: Brief, tree: Files, tests: Files) -> Mapping[str, str]:
        """What the component's public functions give for inputs that the tests and examples hold, and for inputs near them:
        call → result. No expectation takes part; it is for comparing programs."""
        ...

    def memorized(self, brief: Brief, before: Files, after: Files, tests: Files) -> tuple[str, ...]:
        """Which answers of the tests a repair has written into the code instead of mending it: an input of a test and what that
        test expects for it, both new in the code and neither from the contract; one short text each."""
        ...

    def tied(self, tests: Files) -> Mapping[str, tuple[str, ...]]:
        """Test id → the requirements its author says it is for."""
        ...

    def unsteady(self, tests: Files, test_id: str) -> str:
        """What in a test's own source can differ from run to run (chance, clocks, threads), in words; empty for nothing."""
        ...

    def extended(self, tests: Files, path: str, sources: Sequence[str]) -> tuple[Files, tuple[str, ...]]:
        """The same test files with test functions added at the end of one, and the ids of those. ``AnswerError`` when a source
        is not exactly one test function, or its name is taken."""
        ...

    def without(self, tests: Files, ids: Sequence[str]) -> Files:
        """The same test files with these tests taken out; a file whose tests are all gone is left out."""
        ...

    def source(self, tests: Files, test_id: str) -> str:
        """The source of one test function, decorators included; empty when it is not there."""
        ...

    def amended(self, tests: Files, replaced: Files) -> Files:
        """The same test files with each test function (by id) replaced by the given source; everything else stays
        byte for byte. ``AnswerError`` when a source is not exactly one test function of the same name."""
        ...

    async def integrate(self, plan: Plan, spec: Spec, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """Run every test and every example of the spec on the assembled repository and start its entry command."""
        ...


class Journal(Protocol):
    """Where facts become durable. Raises ``JournalError`` when they cannot."""

    async def append(self, *events: Event) -> int:
        """Write the events in one transaction and tell the bus; returns the last seq once they are on disk."""
        ...


class Human(Protocol):
    """The person at the terminal, if there is one."""

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        """The plan to build (perhaps edited), or ``None`` to stop. ``notes`` are the figures worth knowing."""
        ...

    def present(self) -> bool:
        """Whether somebody can be asked now."""
        ...

    async def ask(self, question: Question) -> str | None:
        """The answer; ``None`` when nobody is there to give one. Other components go on meanwhile."""
        ...

    async def judge(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> Feedback | None:
        """Did it run, did it work, is it perfect, and what is wrong? ``None`` when nobody is there to say."""
        ...


class Purse(Protocol):
    """What a component may still spend on escalation: the ceilings of the run, shared out over the graph."""

    def share_left(self, component_id: str, share: float) -> bool:
        """Whether the component has spent less than ``share`` (0 to 1) of what is left of the run and its own spending."""
        ...


class Repository(Protocol):
    """The output: one commit per proven component. Calling a method again for the same thing changes nothing."""

    async def commit(self, plan: Plan, proof: Proof) -> str:
        """Write a proven component's files and tests and commit them; returns the commit id."""
        ...

    async def finish(self, plan: Plan, spec: Spec, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        """Write README and ``.agent/plan.yaml``, take away what no component owns any more, and commit; returns the
        commit id. ``spec`` is the one in force, feedback included."""
        ...
