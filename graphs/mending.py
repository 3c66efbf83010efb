"""When every part is proven and the whole does not pass: who is at fault, and what is done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphs import component_graph, dag, edits, events
from graphs.building import revised
from graphs.component_graph import Start
from graphs.edits import Respecify, Revision
from graphs.errors import AnswerError, PlanError
from graphs.events import Event
from graphs.evidence import implicated
from graphs.ports import Brief, Checker, RedReport
from graphs.run_context import Context
from graphs.values import Component, Files, Plan, Proof, Spec, Verdict, to_json


@dataclass(frozen=True)
class Whole:
    """A :class:`~graphs.ports.Checker` that judges a component by the assembled repository."""

    checker: Checker
    """Does the work."""
    plan: Plan
    """What is assembled."""
    spec: Spec
    """Whose examples it must satisfy."""
    tests: Files
    """Of every component."""
    ids: tuple[str, ...]
    """All declared tests."""

    def stub(self, component: Component) -> Files:
        """As the checker has it."""
        return self.checker.stub(component)

    def source(self, tests: Files, test_id: str) -> str:
        """As the checker has it."""
        return self.checker.source(tests, test_id)

    def amended(self, tests: Files, replaced: Files) -> Files:
        """As the checker has it."""
        return self.checker.amended(tests, replaced)

    def without(self, tests: Files, ids: Sequence[str]) -> Files:
        """As the checker has it."""
        return self.checker.without(tests, ids)

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        """As the checker has it."""
        return await self.checker.red(brief, tree, tests)

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """Every test and every example, on all files."""
        return await self.checker.integrate(self.plan, self.spec, tree, self.tests, self.ids)

    async def integrate(self, plan: Plan, spec: Spec, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """As the checker has it."""
        return await self.checker.integrate(plan, spec, tree, tests, ids)


async def mended(
    context: Context, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict, rounds: int
) -> tuple[dict[str, Proof], Plan | None]:
    """Put the components that failing cases lead to back to work, judged by the whole.

    Returns the proofs that are better than before, and, where code alone could not mend it, the next plan, in which the
    contract of the first culprit is written anew.
    """
    spec = context.spec_of(plan)
    culprits = implicated(verdict, _owners(plan), _answering(plan, spec, verdict))
    order = [i for i in dag.topological(plan) if i in culprits and i not in context.past.edited]
    now, best = dict(proofs), verdict
    better: dict[str, Proof] = {}
    for component_id in order:
        reasons = culprits[component_id]
        await _tell(context, plan, component_id, "back to work", "; ".join(reasons[:3]))
        proof = await _reworked(context, plan, spec, component_id, now)
        if proof.verdict is None or not proof.verdict.passed > best.passed:
            continue
        best = proof.verdict
        # The whole passed more with it, so what it was proven by before holds as well: its own tests are among them.
        better[component_id] = now[component_id] = replace(now[component_id], files=proof.files)
        await context.journal.append(
            Event(events.COMPONENT_PASSED, component_id, plan.revision, {"proof": to_json(better[component_id])})
        )
        await context.repository.commit(plan, better[component_id])
        if best.status == "passed":
            break
    if better or not order or "respecify" not in context.limits.rungs:
        return better, None
    return better, await _respecified(context, plan, spec, order[0], now, culprits[order[0]], rounds)


def _owners(plan: Plan) -> dict[str, str]:
    return {**dag.file_owners(plan), **{dag.test_path(c.id): c.id for c in plan.components}}


def _answering(plan: Plan, spec: Spec, verdict: Verdict) -> dict[str, str]:
    """Who answers for an example of the spec, an example of a contract, and the entry command."""
    found = {e.id: i for i, examples in dag.examples_for(plan, spec).items() for e in examples}
    found |= {e.id: c.id for c in plan.components for e in c.contract.examples}
    last = dag.topological(plan)[-1]
    return {**{case.id: last for case in verdict.failing if "::" not in case.id}, **found}


async def _reworked(context: Context, plan: Plan, spec: Spec, component_id: str, proofs: Mapping[str, Proof]) -> Proof:
    component = plan.component(component_id)
    proof = proofs[component_id]
    tests = {path: text for p in proofs.values() for path, text in p.tests.items()}
    ids = tuple(i for p in proofs.values() for i in p.test_ids)
    outcome = await component_graph.prove(
        component_graph.Context(
            brief=dag.Briefing(plan, spec).brief(component),
            ancestors={path: text for i, p in proofs.items() if i != component_id for path, text in p.files.items()},
            strategy=context.strategy,
            checker=Whole(context.checker, plan, spec, tests, ids),
            journal=context.journal,
            limits=replace(context.limits, rungs=()),
            revision=plan.revision,
            start=Start(proof.tests, proof.test_ids, proof.files),
        )
    )
    return outcome.proof


async def _respecified(
    context: Context,
    plan: Plan,
    spec: Spec,
    component_id: str,
    proofs: Mapping[str, Proof],
    evidence: Sequence[str],
    rounds: int,
) -> Plan | None:
    """The next plan, in which the contract of one component settles what the whole showed; ``None`` if there is none."""
    reason = "its code keeps its contract, and the whole does not pass, so the contract is at fault"
    await _tell(context, plan, component_id, "respecify", reason)
    brief = dag.Briefing(plan, spec).brief(plan.component(component_id))
    try:
        clearer = await context.strategy.respecify(brief, rounds + 1, proofs[component_id].files, evidence)
        edit = Respecify(clearer, reason, tuple(evidence))
        after = edits.apply(plan, Revision((edit,)), spec=spec, check_component=context.check_component)
    except (AnswerError, PlanError) as error:
        await _tell(context, plan, component_id, "respecify failed", str(error))
        return None
    await context.journal.append(revised(plan, after, spec, spec, "evidence", reason, (edit,)))
    return after


async def _tell(context: Context, plan: Plan, component_id: str, decision: str, reason: str) -> None:
    body = {"decision": decision, "reason": reason}
    await context.journal.append(Event(events.COMPONENT_DECISION, component_id, plan.revision, body))
