"""When every part is proven and the whole does not pass: who is at fault, and what is done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphs import component_graph, dag, edits, events
from graphs.building import revised
from graphs.component_context import Start
from graphs.edits import Respecify, Revision
from graphs.errors import AgentError
from graphs.events import Event
from graphs.evidence import Tried, implicated
from graphs.ports import Brief
from graphs.run_context import Context
from graphs.scheduler import ENDS_THE_RUN
from graphs.values import Files, Plan, Proof, Spec, Verdict, to_json


async def mended(
    context: Context, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict
) -> tuple[dict[str, Proof], Plan | None]:
    """Put the components that failing cases lead to back to work, judged by the whole.

    Returns the proofs that are better than before, and, where code alone could not mend it, the next plan, in which the
    contract of a culprit is written anew.
    """
    spec = context.spec_of(plan)
    briefing = dag.Briefing(plan, spec)
    now, best = dict(proofs), verdict
    culprits = _culprits(plan, spec, best)
    blamed = {i: culprits[i] for i in dag.topological(plan) if i in culprits and i not in context.past.edited}
    better: dict[str, Proof] = {}
    for component_id in blamed:
        if component_id not in culprits:  # what led to it passes by now
            continue
        await _tell(context, plan, component_id, "back to work", "; ".join(culprits[component_id][:3]))
        brief = briefing.brief(plan.component(component_id))
        try:
            found = await _improved(context, plan, spec, brief, now, best)
        except ENDS_THE_RUN:
            raise
        except (AgentError, TimeoutError) as error:
            too_long = f"it took longer than the {context.limits.component_seconds} s a component may take"
            await _tell(context, plan, component_id, "stop", str(error) or too_long)
            continue
        if found is None:
            continue
        now[component_id], best = found
        better[component_id] = now[component_id]
        culprits = _culprits(plan, spec, best)
        if best.status == "passed":
            break
    if better or "respecify" not in context.limits.rungs:
        return better, None
    for component_id, reasons in blamed.items():
        if context.past.tried.get(component_id, Tried()).respecified < context.limits.respecifications:
            brief = briefing.brief(plan.component(component_id))
            return better, await _respecified(context, plan, spec, brief, now[component_id], reasons)
    return better, None


def _culprits(plan: Plan, spec: Spec, verdict: Verdict) -> dict[str, list[str]]:
    return implicated(verdict, _owners(plan), _answering(plan, spec, verdict))


def _owners(plan: Plan) -> dict[str, str]:
    return {**dag.file_owners(plan), **{dag.test_path(c.id): c.id for c in plan.components}}


def _answering(plan: Plan, spec: Spec, verdict: Verdict) -> dict[str, str]:
    """Who answers for an example of the spec, an example of a contract, the entry command, and a test of an existing program."""
    found = {e.id: i for i, examples in dag.examples_for(plan, spec).items() for e in examples}
    found |= {e.id: c.id for c in plan.components for e in c.contract.examples}
    last, owners = dag.topological(plan)[-1], _owners(plan)
    nobodys = (case.id for case in verdict.failing if case.id.partition("::")[0] not in owners)
    return {**dict.fromkeys(nobodys, last), **found}


async def _improved(
    context: Context, plan: Plan, spec: Spec, brief: Brief, proofs: Mapping[str, Proof], best: Verdict
) -> tuple[Proof, Verdict] | None:
    """A proof of the component with which the whole passes more than before, committed, and what the whole says then;
    ``None`` when repairs find none."""
    component_id = brief.component.id
    proof = proofs[component_id]
    tests = {path: text for p in proofs.values() for path, text in p.tests.items()}
    ids = tuple(i for p in proofs.values() for i in p.test_ids)
    others = {path: text for i, p in proofs.items() if i != component_id for path, text in p.files.items()}

    async def whole_of(tree: Files, own_tests: Files, own_ids: Sequence[str]) -> Verdict:
        every = (*(i for i in ids if i not in proof.test_ids), *own_ids)
        kept = {path: text for path, text in tests.items() if path not in proof.tests}
        return await context.checker.integrate(plan, spec, tree, {**kept, **own_tests}, every)

    async with asyncio.timeout(context.limits.component_seconds):
        outcome = await component_graph.prove(
            component_graph.Context(
                brief=brief,
                ancestors=others,
                strategy=context.strategy,
                checker=context.checker,
                journal=context,
                limits=replace(context.limits, rungs=(), mutants=0),
                revision=plan.revision,
                start=Start(proof.tests, proof.test_ids, proof.files),
                judged_by=whole_of,
            )
        )
        found, whole = outcome.proof, outcome.proof.verdict
        if whole is None or not (whole.status == "passed" or whole.passed > best.passed):
            return None
        below = {path: text for i in dag.Ancestors(plan).of(component_id) for path, text in proofs[i].files.items()}
        tree = {**below, **found.files}
        verdict = await context.checker.prove(brief, tree, found.tests, found.test_ids)
        strength = None
        if verdict.status == "passed":
            strength = await context.checker.strength(brief, tree, found.tests, found.test_ids, context.limits)
    if verdict.status != "passed":
        reason = (
            f"the whole passes more with the repair, but the component itself does not pass any more: {verdict.reason}"
        )
        await _tell(context, plan, component_id, "stop", reason)
        return None
    proof = replace(
        proof,
        files=found.files,
        tests=found.tests,
        test_ids=found.test_ids,
        covers=found.covers,
        quarantined={**proof.quarantined, **found.quarantined},
        verdict=verdict,
        strength=strength,
    )
    commit_id = await context.repository.commit(plan, proof)
    await context.append(
        Event(events.COMMITTED, component_id, plan.revision, {"commit": commit_id}),
        # What stands on it was tested together with it.
        Event(events.COMPONENT_PASSED, component_id, plan.revision, {"proof": to_json(proof), "whole": True}),
    )
    return proof, whole


async def _respecified(
    context: Context, plan: Plan, spec: Spec, brief: Brief, proof: Proof, evidence: Sequence[str]
) -> Plan | None:
    """The next plan, in which the contract of one component settles what the whole showed; ``None`` if there is none."""
    component_id = brief.component.id
    reason = "its code keeps its contract, and the whole does not pass, so the contract is at fault"
    await _tell(context, plan, component_id, "respecify", reason)
    tried = context.past.tried.get(component_id, Tried())
    tried = replace(tried, respecified=tried.respecified + 1)
    try:
        clearer = await context.strategy.respecify(brief, tried.respecified, proof.files, evidence)
        edit = Respecify(clearer, reason, tuple(evidence))
        after = edits.apply(plan, Revision((edit,)), spec=spec, check_component=context.check_component)
    except ENDS_THE_RUN:
        raise
    except AgentError as error:
        await _tell(context, plan, component_id, "respecify failed", str(error))
        return None
    await context.append(revised(plan, after, spec, spec, "evidence", reason, (edit,), tried={component_id: tried}))
    return after


async def _tell(context: Context, plan: Plan, component_id: str, decision: str, reason: str) -> None:
    body = {"decision": decision, "reason": reason}
    await context.append(Event(events.COMPONENT_DECISION, component_id, plan.revision, body))
