"""What the graphs need from outside, as small Protocols. ``agent/`` supplies them; tests supply scripted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from graphs.events import Event
from graphs.values import (
    Component,
    Contract,
    Example,
    Files,
    Plan,
    Proof,
    Requirement,
    Spec,
    Verdict,
)


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
    ) -> Files:
        """Mend the files given the failing tests and their output; returns all of the component's files.

        ``notes`` tell of earlier repairs that were thrown away, so that they are not tried again.
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
        """Run the declared tests and the examples of the brief against the real files."""
        ...

    def without(self, tests: Files, ids: Sequence[str]) -> Files:
        """The same test files with these tests taken out; a file whose tests are all gone is left out."""
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


class Repository(Protocol):
    """The output: one commit per proven component. Calling a method again for the same thing changes nothing."""

    async def commit(self, plan: Plan, proof: Proof) -> str:
        """Write a proven component's files and tests and commit them; returns the commit id."""
        ...

    async def finish(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        """Write README and ``.agent/plan.yaml`` and commit them; returns the commit id."""
        ...
