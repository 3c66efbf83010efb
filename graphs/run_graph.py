"""The outer loop as a LangGraph: intake → decompose → approve → build → integrate → deliver.

Nodes are idempotent through the journal: what ``Past`` already holds is not asked, built or committed again, so resume
is simply the same graph once more. The ``build`` node hands the plan to the scheduler, which drives one component graph
per component without LangGraph's superstep barrier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, TypedDict, cast

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from graphs import component_graph, dag, document, events
from graphs.errors import PlanError
from graphs.events import Event
from graphs.ports import Brief, Checker, Human, Journal, Repository, Strategy
from graphs.scheduler import Blocked, Scheduler
from graphs.values import Component, Files, Limits, Plan, Proof, Requirement, Spec, Verdict, from_json, to_json

Author = Literal["model", "user", "kept"]
"""Who made a revision of the plan."""


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
    """The plan of an earlier run's output for the same spec: taken when this run has no plan yet and is given none."""
    requirements: tuple[Requirement, ...] = ()
    """As read by an earlier process."""
    approved: bool = False
    """Whether a person, a flag or ``--yes`` let it pass."""
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """Component key → proof, of this run and of earlier runs that delivered to the same place."""
    passed: frozenset[str] = frozenset()
    """Ids of the components whose proof this run's journal already holds."""
    verdict: Verdict | None = None
    """Of the integration, when every component had passed."""


@dataclass(frozen=True)
class Context:
    """What a run is given."""

    spec: Spec
    """What the user asked."""
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
    """Approves the plan."""
    repository: Repository
    """Where proven files go."""
    choose_exemplars: Callable[[Spec], Exemplars]
    """Few-shot examples for a spec."""
    check_component: Callable[[Component], Sequence[str]]
    """Rules on components from outside (file names, interfaces that parse)."""
    limits: Limits
    """Hard ceilings."""
    parallel: int | None
    """Components in work at once; ``None`` for no bound."""


class State(TypedDict, total=False):
    """What passes between the phases; plain JSON."""

    requirements: list[dict[str, Any]]
    plan: dict[str, Any]
    approved: bool
    proofs: dict[str, dict[str, Any]]
    blocked: dict[str, str]
    verdict: dict[str, Any] | None
    commit: str


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """List the requirements, unless a plan brings them."""
    context = runtime.context
    plan = context.past.plan or context.given_plan or context.past.former
    if plan is not None:
        return {"requirements": to_json(plan.requirements)}
    if context.past.requirements:
        return {"requirements": to_json(context.past.requirements)}
    requirements = await context.strategy.requirements(context.spec)
    await context.journal.append(Event(events.REQUIREMENTS_READ, body={"requirements": to_json(requirements)}))
    return {"requirements": to_json(requirements)}


async def decompose(state: State, runtime: Runtime[Context]) -> State:
    """Split the task into components, with examples of right-sized plans in sight; or take the user's plan."""
    context = runtime.context
    if context.past.plan is not None:
        return {"plan": document.to_data(_sound(context, context.past.plan))}
    author: Author = "user"
    why = "first cut"
    if context.given_plan is not None:
        plan = _sound(context, replace(context.given_plan, spec_digest=context.spec.digest))
    elif context.past.former is not None:
        plan, author, why = _sound(context, context.past.former), "kept", "the output of an earlier run stands on it"
    else:
        requirements = [from_json(Requirement, r) for r in state["requirements"]]
        exemplars = context.choose_exemplars(context.spec)
        await context.journal.append(
            Event(events.EXEMPLARS_CHOSEN, body={"names": list(exemplars.names), "why": list(exemplars.why)})
        )
        plan, author = await context.strategy.plan(context.spec, requirements, exemplars.texts), "model"
    await context.journal.append(_revised(plan, author, why))
    return {"plan": document.to_data(plan)}


def _sound(context: Context, plan: Plan) -> Plan:
    """``plan``, unless something is wrong with it: files are edited by hand, also those of an earlier run."""
    if found := dag.problems(plan, context.spec, context.check_component):
        raise PlanError(found)
    return plan


async def approve(state: State, runtime: Runtime[Context]) -> State:
    """Show the plan; go on only when it is let pass."""
    context = runtime.context
    plan = document.from_data(state["plan"])
    if context.past.approved:
        return {"approved": True}
    approved = await context.human.approve(plan, [describe(dag.figures(plan))])
    if approved is None:
        return {"approved": False}
    facts = [Event(events.PLAN_APPROVED, revision=approved.revision)]
    if approved != plan:
        facts.insert(0, _revised(_sound(context, approved), "user", "edited before the build"))
    await context.journal.append(*facts)
    return {"approved": True, "plan": document.to_data(approved)}


def after_approve(state: State) -> str:
    """Nothing is built that was not let pass."""
    return "build" if state["approved"] else END


async def build(state: State, runtime: Runtime[Context]) -> State:
    """Prove every component, as parallel as the plan allows, and commit each one as it is proven."""
    context = runtime.context
    plan = document.from_data(state["plan"])
    briefing = dag.Briefing(plan, context.spec)
    components = {c.id: c for c in plan.components}
    above = dag.Ancestors(plan)
    position = {c.id: i for i, c in enumerate(plan.components)}
    proven_files: list[Files] = [{} for _ in plan.components]
    done: dict[str, Proof] = {}

    def past_proof(component: Component, key: str) -> Proof | None:
        proof = context.past.proofs.get(key)
        return proof if proof is not None and (proof.component, proof.status) == (component.id, "passed") else None

    async def commit(proof: Proof) -> None:
        commit_id = await context.repository.commit(plan, proof)
        if proof.component not in context.past.passed:
            await context.journal.append(_fact(events.COMMITTED, plan, proof.component, commit=commit_id))

    for component_id in dag.topological(plan):
        component = components[component_id]
        kept = past_proof(component, briefing.brief(component).key)
        # What stands on something that is built anew was proven on other ground: `prove` looks at it again.
        if kept is None or not all(d in done for d in component.depends_on):
            continue
        done[component_id] = kept
        proven_files[position[component_id]] = kept.files
        if component_id not in context.past.passed:
            await context.journal.append(_fact(events.COMPONENT_KEPT, plan, component_id, proof=to_json(kept)))
        await commit(kept)

    async def prove(component: Component, priority: float) -> Proof:
        brief = briefing.brief(component, priority)
        below = above.select(component.id, proven_files)
        tree: dict[str, str] = {}
        for files in below:
            tree.update(files)
        proof = await _proven_again(context, plan, brief, tree, past_proof(component, brief.key))
        if proof is None:
            proof = await component_graph.prove(
                component_graph.Context(
                    brief=brief,
                    ancestors=tree,
                    strategy=context.strategy,
                    checker=context.checker,
                    journal=context.journal,
                    limits=context.limits,
                    revision=plan.revision,
                )
            )
        if proof.status == "passed":
            done[component.id] = proof
            proven_files[position[component.id]] = proof.files
            await commit(proof)
        return proof

    scheduler = Scheduler(
        plan,
        prove,
        context.journal.append,
        key=lambda component: briefing.brief(component).key,
        parallel=context.parallel,
        timeout=context.limits.component_seconds,
        proven=dict(done),
    )
    results = await scheduler.run()
    return {
        "proofs": {i: to_json(r) for i, r in results.items() if isinstance(r, Proof)},
        "blocked": {i: r.by for i, r in results.items() if isinstance(r, Blocked)},
    }


async def _proven_again(context: Context, plan: Plan, brief: Brief, tree: Files, former: Proof | None) -> Proof | None:
    """The former proof of a component with the same key, if its tests pass on the new tree too; no model is asked."""
    if former is None:
        return None
    verdict = await context.checker.prove(brief, {**tree, **former.files}, former.tests, former.test_ids)
    kept = verdict.status == "passed"
    await context.journal.append(
        _fact(
            events.COMPONENT_DECISION,
            plan,
            brief.component.id,
            decision="keep" if kept else "build anew",
            reason="proven in an earlier run, and what it stands on was built anew: its tests "
            + ("still pass" if kept else "no longer pass"),
        )
    )
    return replace(former, verdict=verdict) if kept else None


async def integrate(state: State, runtime: Runtime[Context]) -> State:
    """Run every test and the spec's own examples on the assembled repository, and start its entry command."""
    context = runtime.context
    plan = document.from_data(state["plan"])
    if any(state["proofs"].get(c.id, {}).get("status") != "passed" for c in plan.components):
        return {"verdict": None}
    if context.past.verdict is not None:
        return {"verdict": to_json(context.past.verdict)}
    proofs = [from_json(Proof, p) for p in state["proofs"].values()]
    await context.journal.append(Event(events.INTEGRATION_STARTED, revision=plan.revision))
    verdict = await context.checker.integrate(
        plan,
        context.spec,
        {path: text for p in proofs for path, text in p.files.items()},
        {path: text for p in proofs for path, text in p.tests.items()},
        [i for p in proofs for i in p.test_ids],
    )
    await context.journal.append(
        Event(events.INTEGRATION_FINISHED, revision=plan.revision, body={"verdict": to_json(verdict)})
    )
    return {"verdict": to_json(verdict)}


async def deliver(state: State, runtime: Runtime[Context]) -> State:
    """Write the repository's README and plan, so that what is proven can be used even when not all is."""
    context = runtime.context
    plan = document.from_data(state["plan"])
    proofs = {i: from_json(Proof, p) for i, p in state["proofs"].items()}
    verdict = from_json(Verdict, state["verdict"]) if state["verdict"] else None
    return {"commit": await context.repository.finish(plan, proofs, verdict)}


def _revised(plan: Plan, author: Author, why: str) -> Event:
    body = {"plan": document.to_data(plan), "author": author, "why": why}
    return Event(events.PLAN_REVISED, revision=plan.revision, body=body)


def _fact(kind: str, plan: Plan, component_id: str, **body: Any) -> Event:
    return Event(kind, component=component_id, revision=plan.revision, body=body)


def describe(figures: dag.Figures) -> str:
    """A plan's figures in one sentence."""
    return (
        f"{figures.components} component{'s' * (figures.components != 1)}, "
        f"{figures.edges} dependenc{'y' if figures.edges == 1 else 'ies'}, "
        f"{figures.depth} deep, up to {figures.width} at once, coupling {figures.coupling:.2f}, "
        f"longest contract {figures.largest_contract} lines"
    )


@cache
def run_graph() -> CompiledStateGraph[State, Context, State, State]:
    """The compiled phases. Always the same object; it holds no state and no checkpointer."""
    builder: StateGraph[State, Context, State, State] = StateGraph(State, context_schema=Context)
    for node in (intake, decompose, approve, build, integrate, deliver):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "intake")
    builder.add_edge("intake", "decompose")
    builder.add_edge("decompose", "approve")
    builder.add_conditional_edges("approve", after_approve, ["build", END])
    builder.add_edge("build", "integrate")
    builder.add_edge("integrate", "deliver")
    builder.add_edge("deliver", END)
    return builder.compile(name="run")


PHASES = 6
"""Supersteps of the run graph: one per node."""


async def run(context: Context) -> State:
    """One run from spec to delivered repository; the state after its last phase."""
    state = await run_graph().ainvoke({}, {"recursion_limit": PHASES + 2}, context=context)
    return cast(State, state)
