"""The inner loop: one component from contract to proof, as a LangGraph compiled once.

::

    START ─┬─ write_tests ─┬─ red ─┬─ judge ─┬─ END (no way on)
           │     └─ sent back ─────┤    ├─ repair ────┐
           └─ write_code ──┘       │    ├─ candidate ─┤
                                   │    ├─ amend ─────┤ judge
                                   │    └─ strengthen ┤
                                   │         └─ END (passed)
                                   └─ END (no test proves anything)

Tests and code are written at the same time and blind to each other: both see the contract and nothing else. The tests
are frozen before the first verdict; repair sees them but can never change them. When repairs make no progress, or the
repairer holds a test to be wrong, a fresh program is written from the contract, and a test that both programs fail in the
same way goes back to the test writer, who alone may amend it. When everything passes, mutants of the code say how much
that proves, and what goes unnoticed is shown to the test writer once. State is plain JSON; everything from outside arrives
by LangGraph's typed context.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import cast

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs import trust
from graphs.coding import candidate, repair, write_code
from graphs.component_context import Context, Start, State, lines_of, names
from graphs.evidence import Evidence
from graphs.judging import after_judge, judge
from graphs.testing import after_red, after_strengthen, amend, red, strengthen, write_tests
from graphs.values import Limits, Proof, Strength, from_json

__all__ = ["Context", "Outcome", "Start", "component_graph", "prove", "supersteps"]


@dataclass(frozen=True)
class Outcome:
    """How a component's loop ended."""

    proof: Proof
    """Passed or failed."""
    evidence: Evidence | None = None
    """What was learnt, when it failed."""


def after_candidate(state: State) -> str:
    """On to its verdict, if there is a program."""
    return END if state.get("end") else "judge"


@cache
def component_graph() -> CompiledStateGraph[State, Context, State, State]:
    """The compiled loop. Always the same object; it holds no state and no checkpointer."""
    builder: StateGraph[State, Context, State, State] = StateGraph(State, context_schema=Context)
    for node in (write_tests, write_code, red, judge, repair, candidate, amend, strengthen):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "write_tests")
    builder.add_edge(START, "write_code")
    # Both are written in the first superstep, so whatever red decides, the code is there.
    builder.add_edge("write_tests", "red")
    builder.add_edge("write_code", "red")
    builder.add_conditional_edges("red", after_red, ["write_tests", "judge", END])
    builder.add_conditional_edges("judge", after_judge, ["judge", "repair", "candidate", "amend", "strengthen", END])
    builder.add_edge("repair", "judge")
    builder.add_conditional_edges("candidate", after_candidate, ["judge", END])
    builder.add_edge("amend", "judge")
    builder.add_conditional_edges("strengthen", after_strengthen, ["judge", "repair", END])
    return builder.compile(name="component")


ADDED_SUPERSTEPS = 50
"""Far more than strengthening can take: two measurements, and a verdict each time added tests are taken out again."""


def supersteps(limits: Limits) -> int:
    """The most supersteps the loop can take under ``limits``; LangGraph's own default would be too many or too few."""
    lines = max(1, limits.candidates) + 1  # the first programs and the fresh one, and the winner once more
    written = 2 * (1 + limits.test_rewrites) + max(1, limits.candidates)
    return written + 2 * (lines + 1) * (1 + limits.repairs) + ADDED_SUPERSTEPS


async def prove(context: Context) -> Outcome:
    """Build one component and prove it.

    Raises whatever the ports raise: ``AnswerError``, ``ModelError``, ``LimitReached``, ``JournalError``.
    """
    graph = component_graph()
    ended = await graph.ainvoke({}, {"recursion_limit": supersteps(context.limits)}, context=context)
    state = cast(State, ended)
    brief = context.brief
    lines = lines_of(state) if state["lines"] else []
    passed = state["end"] == "passed"
    best = lines[0] if lines else None
    strength = state.get("strength") if best and state.get("measured") == dict(best.files) else None
    proven = best.verdict.passed if best else frozenset()
    open_ids = {case.id for case in best.verdict.failing} if best else set()
    proof = Proof(
        component=brief.component.id,
        key=brief.key,
        status="passed" if passed else "failed",
        files=best.files if best else state["files"],
        tests=state["tests"],
        test_ids=tuple(state["test_ids"]),
        verdict=best.verdict if best else None,
        attempts=state["attempt"] if lines else 0,
        reason="" if passed else state["end"],
        strength=from_json(Strength, strength) if strength else None,
        provenance=trust.provenance(brief, state["test_ids"], lines),
        covers=trust.covers(brief, state["test_ids"], context.checker.tied(state["tests"]), proven),
        quarantined=state.get("quarantined", {}),
    )
    if passed:
        return Outcome(proof)
    return Outcome(
        proof,
        Evidence(
            component=brief.component,
            lines=tuple(lines),
            test_ids=proof.test_ids,
            clashes=tuple(state["clashes"]),
            disputes=tuple(
                f"the repairer holds {names([i])} to be wrong: {why}"
                for i, why in state["disputed"].items()
                if i in open_ids
            ),
            missing=tuple(state["missing"]),
            reason=state["end"],
        ),
    )
