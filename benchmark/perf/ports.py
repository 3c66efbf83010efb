"""Ports for measuring the graphs alone: nobody is asked, nothing is bought, git does nothing. Programs override what they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphs import run_graph
from graphs.edits import Revision
from graphs.ports import Brief, Journal, RedReport
from graphs.values import (
    Amendment,
    Component,
    Doubt,
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

SPEC = Spec("measured", "text", "0" * 64)


class Ports:
    """Strategy, checker, human, purse and repository in one. A question that the program at hand does not expect raises."""

    name = "simulated"

    async def requirements(self, spec: Spec) -> tuple[Requirement, ...]:
        """The plan is given."""
        raise NotImplementedError

    async def plan(self, spec: Spec, requirements: Sequence[Requirement], exemplars: Sequence[str]) -> Plan:
        """The plan is given."""
        raise NotImplementedError

    async def tests(self, brief: Brief, attempt: int, previous: Files, problems: Sequence[str]) -> Files:
        """Of one component."""
        raise NotImplementedError

    async def code(self, brief: Brief, attempt: int) -> Files:
        """Of one component."""
        raise NotImplementedError

    async def repair(
        self, brief: Brief, attempt: int, files: Files, tests: Files, verdict: Verdict, notes: Sequence[str]
    ) -> Repair:
        """Of one component."""
        raise NotImplementedError

    async def amend(self, brief: Brief, attempt: int, tests: Files, doubts: Sequence[Doubt]) -> Amendment:
        """Of one component."""
        raise NotImplementedError

    async def strengthen(
        self,
        brief: Brief,
        files: Files,
        tests: Files,
        survivors: Sequence[Mutant],
        idle: Sequence[str],
        differ: Sequence[str],
    ) -> Strengthening:
        """Of one component."""
        raise NotImplementedError

    async def respecify(self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str]) -> Component:
        """Of one component."""
        raise NotImplementedError

    async def split(
        self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str], room: int | None = None
    ) -> tuple[Component, ...]:
        """Of one component."""
        raise NotImplementedError

    async def revise(self, plan: Plan, spec: Spec, change: Sequence[str], attempt: int) -> Revision:
        """The spec does not change."""
        raise NotImplementedError

    def stub(self, component: Component) -> Files:
        """The contract's interface, as it is."""
        return component.contract.interface

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        """Of one component."""
        raise NotImplementedError

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """Of one component."""
        raise NotImplementedError

    async def strength(
        self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str], limits: Limits, known: Strength | None = None
    ) -> Strength:
        """There is no code that could be changed."""
        return Strength(reason="nothing is run")

    async def behave(self, brief: Brief, tree: Files, tests: Files) -> Mapping[str, str]:
        """Of one component."""
        raise NotImplementedError

    def memorized(self, brief: Brief, before: Files, after: Files, tests: Files) -> tuple[str, ...]:
        """No repair holds the answers of tests."""
        return ()

    def tied(self, tests: Files) -> Mapping[str, tuple[str, ...]]:
        """Of one component."""
        raise NotImplementedError

    def unsteady(self, tests: Files, test_id: str) -> str:
        """No test is ever flaky here."""
        raise NotImplementedError

    def extended(self, tests: Files, path: str, sources: Sequence[str]) -> tuple[Files, tuple[str, ...]]:
        """No test is ever added here."""
        raise NotImplementedError

    def without(self, tests: Files, ids: Sequence[str]) -> Files:
        """No test is ever taken out here."""
        raise NotImplementedError

    def source(self, tests: Files, test_id: str) -> str:
        """Of one test."""
        raise NotImplementedError

    def amended(self, tests: Files, replaced: Files) -> Files:
        """Of one component."""
        raise NotImplementedError

    async def integrate(self, plan: Plan, spec: Spec, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """The whole passes as soon as every part does."""
        return Verdict("passed")

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        """Every plan is let pass."""
        return plan

    def present(self) -> bool:
        """Nobody is there."""
        return False

    async def ask(self, question: Question) -> str | None:
        """Nobody is there."""
        return None

    async def judge(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> Feedback | None:
        """Nobody is there."""
        return None

    def share_left(self, component_id: str, share: float) -> bool:
        """No ceiling."""
        return True

    async def commit(self, plan: Plan, proof: Proof) -> str:
        """git is not measured."""
        return "0" * 40

    async def finish(self, plan: Plan, spec: Spec, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        """git is not measured."""
        return "0" * 40


def context(
    ports: Ports,
    journal: Journal,
    plan: Plan,
    *,
    limits: Limits | None = None,
    parallel: int | None = None,
) -> run_graph.Context:
    """A new run of ``plan`` over ``ports``."""
    return run_graph.Context(
        spec=SPEC,
        given_plan=plan,
        past=run_graph.Past(),
        strategy=ports,
        checker=ports,
        journal=journal,
        human=ports,
        purse=ports,
        repository=ports,
        choose_exemplars=lambda _: run_graph.Exemplars((), (), ()),
        with_feedback=lambda spec, _: spec,
        check_component=lambda _: (),
        limits=limits or Limits(),
        parallel=parallel,
    )
