"""The inner loop: one component from contract to proof, as a LangGraph compiled once.

::

    START ─┬─ write_tests ─┬─ red ─┬─ judge ─┬─ END (passed, or no way on)
           │     └─ sent back ─────┤    └─ repair ─┘
           └─ write_code ──┘       └─ END (no test proves anything)

Tests and code are written at the same time and blind to each other: both see the contract and nothing else. The tests
are frozen before the first verdict; repair sees them but can never change them. State is plain JSON; everything from
outside arrives by LangGraph's typed context.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from graphs import events
from graphs.events import Event
from graphs.ports import Brief, Checker, Journal, RedReport, Strategy
from graphs.values import Files, Limits, Proof, Verdict, from_json, to_json


@dataclass(frozen=True)
class Context:
    """What one component's loop is given."""

    brief: Brief
    """The component and all a strategy may know of it."""
    ancestors: Files
    """The proven files of every component it stands on."""
    strategy: Strategy
    """Asks the model."""
    checker: Checker
    """Runs tests in the sandbox."""
    journal: Journal
    """Where facts go."""
    limits: Limits
    """How often to try."""
    revision: int = 1
    """The plan revision in force."""


class State(TypedDict, total=False):
    """What the loop remembers; plain JSON."""

    tests: dict[str, str]
    test_ids: list[str]
    test_attempt: int
    test_problems: list[str]
    frozen: bool
    files: dict[str, str]
    attempt: int
    verdict: dict[str, Any]
    best_files: dict[str, str]
    best_verdict: dict[str, Any]
    stale_repairs: int
    notes: list[str]
    end: str
    """``passed``, or the sentence that says why there is no way on."""


async def _emit(context: Context, kind: str, **body: Any) -> None:
    await context.journal.append(
        Event(kind, component=context.brief.component.id, revision=context.revision, body=body)
    )


async def write_tests(state: State, runtime: Runtime[Context]) -> State:
    """Ask for tests from the contract; again, with reasons, when the last ones proved nothing."""
    context = runtime.context
    attempt = state.get("test_attempt", 0) + 1
    await _emit(context, events.COMPONENT_STEP, step="tests", attempt=attempt, detail="")
    tests = await context.strategy.tests(context.brief, attempt, state.get("tests", {}), state.get("test_problems", []))
    return {"tests": _only(tests, (context.brief.test_path,)), "test_attempt": attempt}


async def red(state: State, runtime: Runtime[Context]) -> State:
    """Run the tests on the contract's stub: they must fail, each for the right reason."""
    context = runtime.context
    attempt = state["test_attempt"]
    await _emit(context, events.COMPONENT_STEP, step="red", attempt=attempt, detail="")
    tree = {**context.ancestors, **context.checker.stub(context.brief.component)}
    report = await context.checker.red(context.brief, tree, state["tests"])
    problems = [f"{what}: {why}" for what, why in report.bad]
    if report.bad and attempt <= context.limits.test_rewrites:
        await _emit(
            context,
            events.COMPONENT_DECISION,
            decision="send the tests back",
            reason=_count(report.bad, "test proves", "tests prove") + " nothing: " + _first(report.bad),
        )
        return {"test_problems": problems, "frozen": False}
    return {"test_problems": problems, "frozen": True, **await _freeze(state, context, report)}


async def _freeze(state: State, context: Context, report: RedReport) -> State:
    """From here on the tests are a fact. What still proves nothing is taken out, with its reason."""
    spoilt = [what for what, _ in report.bad]
    tests = dict(context.checker.without(state["tests"], spoilt)) if spoilt else state["tests"]
    await _emit(
        context,
        events.TESTS_FROZEN,
        ids=list(report.good),
        dropped=[{"id": what, "reason": why} for what, why in report.bad],
    )
    update: State = {"tests": tests if report.good else {}, "test_ids": list(report.good)}
    brief = context.brief
    if not report.good and not brief.examples and not brief.component.contract.examples:
        update["end"] = "no test was written that proves anything: " + (_first(report.bad) or "none was declared")
        await _emit(context, events.COMPONENT_DECISION, decision="stop", reason=update["end"])
    return update


def after_red(state: State) -> str:
    """Back to the writer while that is allowed, else on with the tests that do prove something."""
    if not state["frozen"]:
        return "write_tests"
    return END if state.get("end") else "judge"


async def write_code(state: State, runtime: Runtime[Context]) -> State:
    """Ask for the component's files from the contract."""
    context = runtime.context
    await _emit(context, events.COMPONENT_STEP, step="code", attempt=1, detail="")
    files = _only(await context.strategy.code(context.brief, 1), context.brief.component.files)
    return {"files": files, "attempt": 1, "notes": [], "stale_repairs": 0}


async def judge(state: State, runtime: Runtime[Context]) -> State:
    """Run the frozen tests and the examples, and decide what the verdict means."""
    context = runtime.context
    attempt = state["attempt"]
    await _emit(context, events.COMPONENT_STEP, step="check", attempt=attempt, detail="")
    tree = {**context.ancestors, **state["files"]}
    verdict = await context.checker.prove(context.brief, tree, state["tests"], state["test_ids"])
    await _emit(
        context,
        events.COMPONENT_ATTEMPT,
        number=attempt,
        step="code" if attempt == 1 else "repair",
        verdict=to_json(verdict),
        passed=len(verdict.passed),
        total=len(verdict.cases),
    )
    if verdict.status == "passed":
        return {**_best(state["files"], verdict), "end": "passed"}
    return await _weigh(state, context, verdict)


async def _weigh(state: State, context: Context, verdict: Verdict) -> State:
    """Not passed: keep what this attempt gained, revert what it lost, and stop when nothing moves."""
    attempt, stale = state["attempt"], state["stale_repairs"]
    update: State = {}
    if attempt == 1:
        decision, reason = "repair", _failing(verdict)
        update = _best(state["files"], verdict)
    else:
        before = from_json(Verdict, state["best_verdict"])
        lost = sorted(before.passed - verdict.passed)
        gained = sorted(verdict.passed - before.passed)
        if lost:
            stale += 1
            decision = "revert"
            reason = f"repair {attempt - 1} lost {_names(lost)}, which had passed; the files before it are back"
            update["notes"] = [*state["notes"], f"A repair was thrown away because it broke {_names(lost)}."]
        elif gained:
            stale = 0
            decision, reason = "repair", f"{_names(gained)} now pass; {_failing(verdict)}"
            update = _best(state["files"], verdict)
        else:
            stale += 1
            decision, reason = "repair", f"no further test passes; {_failing(verdict)}"
            update = _best(state["files"], verdict)
            update["notes"] = [*state["notes"], "A repair changed nothing in what passes; try another cause."]
    update["stale_repairs"] = stale
    best = from_json(Verdict, update.get("best_verdict") or state["best_verdict"])
    if stale and stale >= context.limits.no_progress:
        decision = "stop"
        repairs = "the last repair" if stale == 1 else f"{stale} repairs in a row"
        reason = f"{repairs} did not make a further test pass; {_failing(best)}"
        update["end"] = reason
    elif attempt > context.limits.repairs:
        decision = "stop"
        reason = f"the {context.limits.repairs} repairs allowed are used up; {_failing(best)}"
        update["end"] = reason
    await _emit(context, events.COMPONENT_DECISION, decision=decision, reason=reason)
    return update


def after_judge(state: State) -> str:
    """On to a repair unless there is an end."""
    return END if state.get("end") else "repair"


async def repair(state: State, runtime: Runtime[Context]) -> State:
    """Ask for a repair of the best files so far, with the failing tests and their output."""
    context = runtime.context
    attempt = state["attempt"] + 1
    await _emit(context, events.COMPONENT_STEP, step="repair", attempt=attempt - 1, detail="")
    files = await context.strategy.repair(
        context.brief,
        attempt - 1,
        state["best_files"],
        state["tests"],
        from_json(Verdict, state["best_verdict"]),
        state["notes"],
    )
    return {"files": {**state["best_files"], **_only(files, context.brief.component.files)}, "attempt": attempt}


def _only(files: Files, paths: Collection[str]) -> dict[str, str]:
    """What a strategy may write. The loop holds it: no answer reaches the tests or the files of another component."""
    return {path: text for path, text in files.items() if path in paths}


def _best(files: Mapping[str, str], verdict: Verdict) -> State:
    return {"best_files": dict(files), "best_verdict": to_json(verdict)}


def _failing(verdict: Verdict) -> str:
    failing = verdict.failing
    if not failing:
        return verdict.reason
    why = failing[0].message.strip()[:160] or failing[0].outcome
    return f"{len(failing)} of {len(verdict.cases)} fail, first {failing[0].id}: {why}"


def _names(ids: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(i.rsplit("::", 1)[-1] for i in ids[:most])
    return shown + (f" and {len(ids) - most} more" if len(ids) > most else "")


def _first(bad: Sequence[tuple[str, str]]) -> str:
    return f"{bad[0][0]}: {bad[0][1]}" if bad else ""


def _count(things: Sequence[Any], one: str, many: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else many}"


@cache
def component_graph() -> CompiledStateGraph[State, Context, State, State]:
    """The compiled loop. Always the same object; it holds no state and no checkpointer."""
    builder: StateGraph[State, Context, State, State] = StateGraph(State, context_schema=Context)
    for node in (write_tests, write_code, red, judge, repair):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "write_tests")
    builder.add_edge(START, "write_code")
    # Both are written in the first superstep, so whatever red decides, the code is there.
    builder.add_edge("write_tests", "red")
    builder.add_edge("write_code", "red")
    builder.add_conditional_edges("red", after_red, ["write_tests", "judge", END])
    builder.add_conditional_edges("judge", after_judge, ["repair", END])
    builder.add_edge("repair", "judge")
    return builder.compile(name="component")


def supersteps(limits: Limits) -> int:
    """The most supersteps the loop can take under ``limits``; LangGraph's own default would be too many or too few."""
    return 2 * (1 + limits.test_rewrites) + 2 * (1 + limits.repairs) + 1


async def prove(context: Context) -> Proof:
    """Build one component and prove it.

    Raises whatever the ports raise: ``AnswerError``, ``ModelError``, ``LimitReached``, ``JournalError``.
    """
    graph = component_graph()
    state = await graph.ainvoke({}, {"recursion_limit": supersteps(context.limits)}, context=context)
    verdict = from_json(Verdict, state["best_verdict"]) if "best_verdict" in state else None
    passed = state["end"] == "passed"
    return Proof(
        component=context.brief.component.id,
        key=context.brief.key,
        status="passed" if passed else "failed",
        files=state.get("best_files", state["files"]),
        tests=state["tests"],
        test_ids=tuple(state["test_ids"]),
        verdict=verdict,
        attempts=state["attempt"] if verdict else 0,
        reason="" if passed else state["end"],
    )
