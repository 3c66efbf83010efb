"""The checker as a run uses it: verdicts in the journal come from there; others wait for a test slot, then are kept.

A verdict is kept under what it judged (files, tests, examples, ids), so a flaky test cannot fork a replay and a resumed
run does not pay for the same tests again. Where the machine kept the tests from being run there is no verdict to keep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from agent.store.journal import SqliteJournal
from graphs.errors import NotJudged
from graphs.ports import Brief, Checker, RedReport
from graphs.scheduler import Slots
from graphs.values import Component, Files, Limits, Plan, Spec, Strength, Verdict, digest, from_json, to_json

Result = TypeVar("Result", RedReport, Verdict, Strength, dict[str, str])


class JournaledChecker:
    """A :class:`graphs.ports.Checker` over another one."""

    def __init__(self, checker: Checker, journal: SqliteJournal, slots: Slots) -> None:
        self._checker = checker
        self._journal = journal
        self._slots = slots

    def stub(self, component: Component) -> Files:
        """As the checker underneath."""
        return self._checker.stub(component)

    def without(self, tests: Files, ids: Sequence[str]) -> Files:
        """As the checker underneath."""
        return self._checker.without(tests, ids)

    def source(self, tests: Files, test_id: str) -> str:
        """As the checker underneath."""
        return self._checker.source(tests, test_id)

    def amended(self, tests: Files, replaced: Files) -> Files:
        """As the checker underneath."""
        return self._checker.amended(tests, replaced)

    def extended(self, tests: Files, path: str, sources: Sequence[str]) -> tuple[Files, tuple[str, ...]]:
        """As the checker underneath."""
        return self._checker.extended(tests, path, sources)

    def memorized(self, brief: Brief, before: Files, after: Files, tests: Files) -> tuple[str, ...]:
        """As the checker underneath."""
        return self._checker.memorized(brief, before, after, tests)

    def tied(self, tests: Files) -> Mapping[str, tuple[str, ...]]:
        """As the checker underneath."""
        return self._checker.tied(tests)

    def unsteady(self, tests: Files, test_id: str) -> str:
        """As the checker underneath."""
        return self._checker.unsteady(tests, test_id)

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        """The journalled report, or a new one."""
        return await self._once("red", RedReport, brief, (tree, tests), lambda: self._checker.red(brief, tree, tests))

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """The journalled verdict, or a new one."""
        examples = (*brief.examples, *brief.component.contract.examples)
        return await self._once(
            "prove", Verdict, brief, (tree, tests, ids, examples), lambda: self._checker.prove(brief, tree, tests, ids)
        )

    async def behave(self, brief: Brief, tree: Files, tests: Files) -> Mapping[str, str]:
        """The journalled results, or new ones."""
        examples = (*brief.examples, *brief.component.contract.examples)

        async def run() -> dict[str, str]:
            return dict(await self._checker.behave(brief, tree, tests))

        return await self._once("behave", dict[str, str], brief, (tree, tests, examples), run)

    async def strength(
        self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str], limits: Limits, known: Strength | None = None
    ) -> Strength:
        """The journalled measurement, or a new one."""
        examples = (*brief.examples, *brief.component.contract.examples)
        judged = (tree, tests, ids, examples, limits.mutants, limits.mutant_seconds, known)
        measure = partial(self._checker.strength, brief, tree, tests, ids, limits, known)
        return await self._once("strength", Strength, brief, judged, measure)

    async def integrate(self, plan: Plan, spec: Spec, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """The journalled verdict, or a new one."""
        key = digest(["integrate", plan.language, plan.entry, spec.examples, tree, tests, ids])
        stored = self._journal.check(key)
        if stored is not None:
            return from_json(Verdict, stored)
        async with self._slots.hold(float("inf")):
            verdict = _judged(await self._checker.integrate(plan, spec, tree, tests, ids))
        await self._journal.store_check(key, component="", kind="integrate", result=to_json(verdict))
        return verdict

    async def _once(
        self, kind: str, cls: type[Result], brief: Brief, judged: object, run: Callable[[], Awaitable[Result]]
    ) -> Result:
        key = digest([kind, brief.key, brief.language, judged])
        stored = self._journal.check(key)
        if stored is not None:
            return from_json(cls, stored)
        async with self._slots.hold(brief.priority):
            result = _judged(await run())
        await self._journal.store_check(key, component=brief.component.id, kind=kind, result=to_json(result))
        return result


def _judged(result: Result) -> Result:
    """``result``, unless it says nothing of the code: then no repair is to be asked for, and ``NotJudged`` is raised."""
    verdict = result.verdict if isinstance(result, RedReport) else result
    if isinstance(verdict, Verdict) and verdict.infrastructure:
        raise NotJudged(f"{verdict.reason}; that says nothing of the code, so resume the run to try again")
    return result
