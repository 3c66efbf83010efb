"""The outer loop as a LangGraph::

    intake → decompose → approve → build → integrate ─┬─ deliver → listen ─┬─ END
                 ↑                   ↑        ↑ └─ mend ┘                     │
                 │                   └── a contract is at fault               │
                 └────────────────────── the user says what is wrong ────────┘

Nodes are idempotent through the journal: what ``Past`` already holds is not asked, built or committed again, so resume
is simply the same graph once more. The ``build`` node hands the plan to the scheduler, which drives one component graph
per component without LangGraph's superstep barrier.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypedDict, cast

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from graphs import dag, document, edits, events, trust
from graphs.building import Building, revised
from graphs.errors import PlanError, UserError
from graphs.events import Event
from graphs.mending import mended
from graphs.run_context import Author, Context, Exemplars, Past
from graphs.values import Plan, Proof, Requirement, Spec, Verdict, from_json, to_json

__all__ = ["Author", "Context", "Exemplars", "Past", "State", "describe", "run", "run_graph"]


class State(TypedDict, total=False):
    """What passes between the phases; plain JSON."""

    requirements: list[dict[str, Any]]
    plan: dict[str, Any]
    notes: list[str]
    """What the plan changes of the one before it."""
    approved: bool
    proofs: dict[str, dict[str, Any]]
    blocked: dict[str, str]
    verdict: dict[str, Any] | None
    next: str
    """The phase after ``integrate`` and ``mend``."""
    content: bool
    """Whether the user has nothing more to say, or nobody is there."""
    commit: str


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """List the requirements, unless a plan brings them."""
    context = runtime.context
    past = context.past
    plan = past.plan or context.given_plan or past.former
    requirements = plan.requirements if plan is not None else past.requirements
    if plan is None and not requirements:
        requirements = await context.strategy.requirements(context.spec)
        await context.append(Event(events.REQUIREMENTS_READ, body={"requirements": to_json(requirements)}))
    return {"requirements": to_json(requirements)}


async def decompose(state: State, runtime: Runtime[Context]) -> State:
    """Split the task into components, take the user's plan, or cut the plan there is anew for what has changed."""
    context = runtime.context
    there = document.from_data(state["plan"]) if "plan" in state else context.past.plan
    update: State = (
        await _first(context, state) if there is None else {"plan": document.to_data(_sound(context, there))}
    )
    plan = document.from_data(update["plan"])
    said = context.past.feedback
    return update if len(said) <= len(plan.feedback) else await _revise(context, plan, context.spec_of(plan), said)


async def _first(context: Context, state: State) -> State:
    """The first plan of this run."""
    former = context.past.former
    author: Author = "user"
    why = "first cut"
    if context.given_plan is not None:
        plan = _sound(context, replace(context.given_plan, spec_digest=context.spec.digest))
    elif former is not None and former.spec_digest == context.spec.digest:
        plan, author, why = _sound(context, former), "kept", "the output of an earlier run stands on it"
    elif former is not None:
        before = context.past.former_spec
        before = before and context.with_feedback(before, former.feedback)
        return await _revise(context, former, before, former.feedback)
    else:
        requirements = [from_json(Requirement, r) for r in state["requirements"]]
        exemplars = context.choose_exemplars(context.spec)
        await context.append(
            Event(events.EXEMPLARS_CHOSEN, body={"names": list(exemplars.names), "why": list(exemplars.why)})
        )
        plan, author = await context.strategy.plan(context.spec, requirements, exemplars.texts), "model"
    spec = context.spec_of(plan)
    await context.append(revised(None, plan, spec, spec, author, why))
    return {"plan": document.to_data(plan)}


def _sound(context: Context, plan: Plan) -> Plan:
    """``plan``, unless something is wrong with it: files are edited by hand, also those of an earlier run."""
    most = context.limits.max_components
    if found := dag.problems(plan, context.spec_of(plan), context.check_component, most):
        raise PlanError(found)
    return plan


async def _revise(context: Context, plan: Plan, spec_before: Spec | None, feedback: Sequence[str]) -> State:
    """Cut ``plan`` anew for the spec as it is now: its text may have changed, and feedback may have come to it."""
    spec = context.with_feedback(context.spec, feedback) if feedback else context.spec
    change = changes(spec_before, spec, feedback[len(plan.feedback) :])
    revision = await context.strategy.revise(plan, spec, change, plan.revision)
    revision = replace(revision, spec_digest=context.spec.digest, feedback=tuple(feedback))
    most = context.limits.max_components
    after = edits.apply(plan, revision, spec=spec, check_component=context.check_component, max_components=most)
    why = "the user said what is wrong" if len(feedback) > len(plan.feedback) else "the specification has changed"
    before = spec_before or spec
    await context.append(revised(plan, after, before, spec, "model", why, revision.edits))
    notes = _compared(dag.difference(plan, before, after, spec))
    return {"plan": document.to_data(after), "approved": False, "notes": notes}


def changes(before: Spec | None, after: Spec, feedback: Sequence[str]) -> list[str]:
    """What is different in the spec, for whoever cuts the plan anew: feedback verbatim, and the lines that changed."""
    if feedback:
        return [f"The user tried what was delivered and says:\n\n{text.strip()}" for text in feedback]
    if before is None:
        return ["The specification was changed; how it read before is not known."]
    lines = difflib.unified_diff(before.text.splitlines(), after.text.splitlines(), "before", "now", lineterm="", n=1)
    return ["The specification was changed:\n\n```diff\n" + "\n".join(lines) + "\n```"]


async def approve(state: State, runtime: Runtime[Context]) -> State:
    """Show the plan, and what it changes; go on only when it is let pass."""
    context = runtime.context
    plan = document.from_data(state["plan"])
    if context.past.approved and context.past.plan is not None and plan.revision == context.past.plan.revision:
        return {"approved": True}
    _spare_edits(context, plan)
    approved = await context.human.approve(plan, [*describe(plan), *state.get("notes", [])])
    if approved is None:
        return {"approved": False}
    facts = [Event(events.PLAN_APPROVED, revision=approved.revision)]
    if approved != plan:
        _spare_edits(context, _sound(context, approved))
        spec = context.spec_of(approved)
        facts.insert(0, revised(plan, approved, spec, spec, "user", "edited before the build"))
    await context.append(*facts)
    return {"approved": True, "plan": document.to_data(approved)}


def _compared(change: dag.Difference) -> list[str]:
    """What of an earlier plan is kept, changed, added and dropped, in sentences."""
    parts = (("kept", change.kept), ("changed", change.changed), ("added", change.added), ("dropped", change.dropped))
    return [f"{word}: {', '.join(ids)}" for word, ids in parts if ids]


def _spare_edits(context: Context, plan: Plan) -> None:
    """``UserError`` when a component would be written anew whose files the user edited by hand."""
    known, past = dag.keys(plan, context.spec_of(plan)), context.past
    lost = [i for i in past.edited if i in known and known[i] not in past.proofs]
    if lost:
        raise UserError(
            f"you edited files of {', '.join(sorted(lost))} by hand, and the plan asks for other ones now; take your edits "
            "back, or let them be replaced (git keeps them) with --overwrite-edits"
        )


def after_approve(state: State) -> str:
    """Nothing is built that was not let pass."""
    return "build" if state["approved"] else END


async def build(state: State, runtime: Runtime[Context]) -> State:
    """Prove every component, as parallel as the plan allows, and commit each one as it is proven."""
    context = runtime.context
    building = Building(context, document.from_data(state["plan"]))
    proofs, blocked = await building.run()
    return {"plan": document.to_data(building.plan), "proofs": to_json(proofs), "blocked": blocked}


async def integrate(state: State, runtime: Runtime[Context]) -> State:
    """Run every test and the spec's own examples on the assembled repository, and start its entry command."""
    context = runtime.context
    plan = document.from_data(state["plan"])
    if any(state["proofs"].get(c.id, {}).get("status") != "passed" for c in plan.components):
        return {"verdict": None, "next": "deliver"}
    verdict = context.past.verdict
    if verdict is None:
        verdict = await _tested(context, plan, [from_json(Proof, p) for p in state["proofs"].values()])
    again = verdict.status != "passed" and context.past.failures <= context.limits.integration_rounds
    return {"verdict": to_json(verdict), "next": "mend" if again else "deliver"}


async def _tested(context: Context, plan: Plan, proofs: Sequence[Proof]) -> Verdict:
    await context.append(Event(events.INTEGRATION_STARTED, revision=plan.revision))
    verdict = await context.checker.integrate(
        plan,
        context.spec_of(plan),
        {path: text for p in proofs for path, text in p.files.items()},
        {path: text for p in proofs for path, text in p.tests.items()},
        [i for p in proofs for i in p.test_ids],
    )
    await context.append(Event(events.INTEGRATION_FINISHED, revision=plan.revision, body={"verdict": to_json(verdict)}))
    return verdict


def after_whole(state: State) -> str:
    """Back to work while the whole does not pass and rounds are left; another plan is built, other code tested again."""
    return state["next"]


async def mend(state: State, runtime: Runtime[Context]) -> State:
    """Trace what fails in the whole to components, and put only those back to work."""
    context = runtime.context
    plan = document.from_data(state["plan"])
    proofs = {i: from_json(Proof, p) for i, p in state["proofs"].items()}
    better, recut = await mended(context, plan, proofs, from_json(Verdict, state["verdict"]))
    if recut is not None:
        return {"plan": document.to_data(recut), "next": "build"}
    return {"proofs": to_json({**proofs, **better}), "next": "integrate" if better else "deliver"}


async def deliver(state: State, runtime: Runtime[Context]) -> State:
    """Write the repository's README and plan, so that what is proven can be used even when not all is."""
    context = runtime.context
    plan = document.from_data(state["plan"])
    proofs = {i: from_json(Proof, p) for i, p in state["proofs"].items()}
    verdict = from_json(Verdict, state["verdict"]) if state["verdict"] else None
    unproven = trust.unproven(plan, context.spec_of(plan), proofs, verdict)
    sums = {"covered": trust.covered(proofs), "unproven": unproven}
    if sums != context.past.summed:
        await context.append(Event(events.PROOF_SUMMED, revision=plan.revision, body=sums))
    return {"commit": await context.repository.finish(plan, context.spec_of(plan), proofs, verdict)}


async def listen(state: State, runtime: Runtime[Context]) -> State:
    """Did it run, did it work, is it perfect? What is wrong is worked in; without a word more the run is over."""
    context = runtime.context
    plan = document.from_data(state["plan"])
    proofs = {i: from_json(Proof, p) for i, p in state["proofs"].items()}
    verdict = from_json(Verdict, state["verdict"]) if state["verdict"] else None
    said = await context.human.judge(plan, proofs, verdict)
    if said is None:
        return {"content": True}
    await context.append(Event(events.FEEDBACK_GIVEN, revision=plan.revision, body=to_json(said)))
    if not said.text.strip():
        return {"content": True}
    return {"content": False}


def after_listen(state: State) -> str:
    """Once more from the plan on when there is something to mend."""
    return END if state["content"] else "decompose"


def describe(plan: Plan) -> list[str]:
    """A plan's figures in one line; then what speaks against its size, a sentence each, and what is offered instead."""
    f = dag.figures(plan)
    contract = f"longest contract {f.largest_contract} line{'s' * (f.largest_contract != 1)}"
    if f.components == 1:
        size = f"one component: built as one, {contract.removeprefix('longest ')}"
    else:
        size = (
            f"{f.components} components, {f.edges} dependenc{'y' if f.edges == 1 else 'ies'}, {f.depth} deep, "
            f"up to {f.width} at once, cohesion {f.cohesion:.2f}, coupling {f.coupling:.2f}, {contract}"
        )
    offer = []
    if merges := dag.fewer(plan):
        left = len(edits.draft(plan, merges)[0].components)
        offer = [f"offered: {left} component{'s' * (left != 1)} instead of {f.components}: agent plan --fewer"]
    return [size, *dag.misfits(plan), *offer]


@cache
def run_graph() -> CompiledStateGraph[State, Context, State, State]:
    """The compiled phases. Always the same object; it holds no state and no checkpointer."""
    builder: StateGraph[State, Context, State, State] = StateGraph(State, context_schema=Context)
    for node in (intake, decompose, approve, build, integrate, mend, deliver, listen):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "intake")
    builder.add_edge("intake", "decompose")
    builder.add_edge("decompose", "approve")
    builder.add_conditional_edges("approve", after_approve, ["build", END])
    builder.add_edge("build", "integrate")
    builder.add_conditional_edges("integrate", after_whole, ["mend", "deliver"])
    builder.add_conditional_edges("mend", after_whole, ["build", "integrate", "deliver"])
    builder.add_edge("deliver", "listen")
    builder.add_conditional_edges("listen", after_listen, ["decompose", END])
    return builder.compile(name="run")


MOST_SUPERSTEPS = 10_000
"""Far more than a person gives feedback; each round takes at most eight and three for each time the whole is mended."""


async def run(context: Context) -> State:
    """One run from spec to delivered repository; the state after its last phase."""
    state = await run_graph().ainvoke({}, {"recursion_limit": MOST_SUPERSTEPS}, context=context)
    return cast(State, state)
