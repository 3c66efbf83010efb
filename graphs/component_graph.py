"""The inner loop: one component from contract to proof, as a LangGraph compiled once.

::

    START ─┬─ write_tests ─┬─ red ─┬─ judge ─┬─ END (passed, or no way on)
           │     └─ sent back ─────┤    ├─ repair ────┐
           └─ write_code ──┘       │    ├─ candidate ─┤ judge
                                   │    └─ amend ─────┘
                                   └─ END (no test proves anything)

Tests and code are written at the same time and blind to each other: both see the contract and nothing else. The tests
are frozen before the first verdict; repair sees them but can never change them. When repairs make no progress, a fresh
program is written from the contract, and a test that both programs fail in the same way goes back to the test writer,
who alone may amend it. State is plain JSON; everything from outside arrives by LangGraph's typed context.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypedDict, cast

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from graphs import events
from graphs.errors import AnswerError
from graphs.events import Event
from graphs.evidence import Evidence, Line, doubts, in_doubt
from graphs.ladder import Rung
from graphs.ports import Brief, Checker, Journal, RedReport, Strategy
from graphs.values import Amendment, Files, Limits, Proof, Verdict, from_json, to_json


@dataclass(frozen=True)
class Start:
    """What a component begins with when it does not begin at nothing."""

    tests: Files
    """Tests that were frozen before; they are neither written nor sent back again."""
    test_ids: tuple[str, ...]
    """The declared ones."""
    files: Files | None = None
    """Code to judge first; ``None``: it is written."""


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
    start: Start | None = None
    """What is there already."""
    missing: Callable[[Files], Sequence[str]] = lambda _: ()
    """Ids of components whose modules the given files import though the component does not stand on them."""
    affords: Callable[[Rung], bool] = lambda _: True
    """Whether the component's share of the budget allows that rung of the ladder."""


class State(TypedDict, total=False):
    """What the loop remembers; plain JSON."""

    tests: dict[str, str]
    test_ids: list[str]
    test_attempt: int
    test_problems: list[str]
    frozen: bool
    files: dict[str, str]
    step: str
    """What made ``files``: ``code``, ``repair``, ``candidate`` or ``amend``."""
    attempt: int
    """Verdicts so far, the next one included."""
    lines: list[dict[str, Any]]
    """The independent programs at their best: ``files`` and ``verdict`` of each."""
    current: int
    """Which of the lines is being repaired."""
    repairs: int
    """Repairs asked for, over all lines."""
    line_repairs: int
    """Of the current line."""
    stale_repairs: int
    notes: list[str]
    tried: list[Rung]
    clashes: list[str]
    missing: list[str]
    next: str
    """The node after judge."""
    end: str
    """``passed``, or the sentence that says why there is no way on."""


@dataclass(frozen=True)
class Outcome:
    """How a component's loop ended."""

    proof: Proof
    """Passed or failed."""
    evidence: Evidence | None = None
    """What was learnt, when it failed."""


async def _emit(context: Context, kind: str, **body: Any) -> None:
    await context.journal.append(
        Event(kind, component=context.brief.component.id, revision=context.revision, body=body)
    )


async def _decide(context: Context, decision: str, reason: str, **more: str) -> None:
    await _emit(context, events.COMPONENT_DECISION, decision=decision, reason=reason, **more)


async def write_tests(state: State, runtime: Runtime[Context]) -> State:
    """Ask for tests from the contract; again, with reasons, when the last ones proved nothing."""
    context = runtime.context
    if context.start is not None:
        return {"tests": dict(context.start.tests), "test_attempt": 0}
    attempt = state.get("test_attempt", 0) + 1
    await _emit(context, events.COMPONENT_STEP, step="tests", attempt=attempt, detail="")
    tests = await context.strategy.tests(context.brief, attempt, state.get("tests", {}), state.get("test_problems", []))
    return {"tests": _only(tests, (context.brief.test_path,)), "test_attempt": attempt}


async def red(state: State, runtime: Runtime[Context]) -> State:
    """Run the tests on the contract's stub: they must fail, each for the right reason."""
    context = runtime.context
    if context.start is not None:
        await _emit(context, events.TESTS_FROZEN, ids=list(context.start.test_ids), dropped=[], kept=True)
        return {"test_ids": list(context.start.test_ids), "frozen": True}
    attempt = state["test_attempt"]
    await _emit(context, events.COMPONENT_STEP, step="red", attempt=attempt, detail="")
    report = await _on_stub(context, state["tests"])
    problems = [f"{what}: {why}" for what, why in report.bad]
    if report.bad and attempt <= context.limits.test_rewrites:
        reason = _count(report.bad, "test proves", "tests prove") + " nothing: " + _first(report.bad)
        await _decide(context, "send the tests back", reason)
        return {"test_problems": problems, "frozen": False}
    return {"test_problems": problems, "frozen": True, **await _freeze(state, context, report)}


async def _on_stub(context: Context, tests: Files) -> RedReport:
    tree = {**context.ancestors, **context.checker.stub(context.brief.component)}
    return await context.checker.red(context.brief, tree, tests)


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
        await _decide(context, "stop", update["end"])
    return update


def after_red(state: State) -> str:
    """Back to the writer while that is allowed, else on with the tests that do prove something."""
    if not state["frozen"]:
        return "write_tests"
    return END if state.get("end") else "judge"


async def write_code(state: State, runtime: Runtime[Context]) -> State:
    """Ask for the component's files from the contract, unless there are some to begin with."""
    context = runtime.context
    fresh: State = {"step": "code", "attempt": 1, "lines": [], "current": 0, "repairs": 0, "notes": []}
    fresh |= {"line_repairs": 0, "stale_repairs": 0, "tried": [], "clashes": [], "missing": []}
    if context.start is not None and context.start.files is not None:
        return {**fresh, "files": dict(context.start.files)}
    await _emit(context, events.COMPONENT_STEP, step="code", attempt=1, detail="")
    files = _only(await context.strategy.code(context.brief, 1), context.brief.component.files)
    return {**fresh, "files": files}


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
        step=state["step"],
        verdict=to_json(verdict),
        passed=len(verdict.passed),
        total=len(verdict.cases),
    )
    line = {"files": state["files"], "verdict": to_json(verdict)}
    if verdict.status == "passed":
        return {"lines": [*state["lines"], line], "current": len(state["lines"]), "end": "passed"}
    update, decision, reason, stuck = _weigh(state, context, verdict, line)
    undeclared = context.missing(state["files"])
    if undeclared:
        reason = f"it imports from {_names(undeclared)}, which it does not depend on"
        await _decide(context, "rewire", reason)
        return {**update, "missing": list(undeclared), "end": reason}
    if not stuck:
        await _decide(context, decision, reason)
        return {**update, "next": "repair"}
    if decision == "revert":
        await _decide(context, decision, reason)
    return await _climb({**state, **update}, update, context, stuck)


def _weigh(state: State, context: Context, verdict: Verdict, line: dict[str, Any]) -> tuple[State, str, str, str]:
    """Not passed: keep what this attempt gained, revert what it lost.

    Returns the update, the decision, its reason, and why repairing must end (empty while it need not).
    """
    step, lines, current = state["step"], list(state["lines"]), state["current"]
    update: State = {}
    stale = state["stale_repairs"]
    decision, reason = "repair", _failing(verdict)
    if step in ("code", "candidate"):
        lines.append(line)
        best = from_json(Verdict, lines[current]["verdict"])
        if len(lines) > 1 and len(verdict.passed) <= len(best.passed):
            update["lines"] = lines
            return update, decision, reason, f"a fresh program does no better; {_failing(best)}"
        current, stale = len(lines) - 1, 0
        update["line_repairs"] = 0
    elif step == "amend":
        lines[current] = line
    else:
        before = from_json(Verdict, lines[current]["verdict"])
        lost = sorted(before.passed - verdict.passed)
        gained = sorted(verdict.passed - before.passed)
        if lost:
            stale += 1
            decision = "revert"
            reason = f"repair {state['repairs']} lost {_names(lost)}, which had passed; the files before it are back"
            update["notes"] = [*state["notes"], f"A repair was thrown away because it broke {_names(lost)}."]
        elif gained:
            stale = 0
            reason = f"{_names(gained)} now pass; {_failing(verdict)}"
            lines[current] = line
        else:
            stale += 1
            reason = f"no further test passes; {_failing(verdict)}"
            lines[current] = line
            update["notes"] = [*state["notes"], "A repair changed nothing in what passes; try another cause."]
    update |= {"lines": lines, "current": current, "stale_repairs": stale}
    failing = _failing(from_json(Verdict, lines[current]["verdict"]))
    stuck = ""
    if stale and stale >= context.limits.no_progress:
        repairs = "the last repair" if stale == 1 else f"{stale} repairs in a row"
        stuck = f"{repairs} did not make a further test pass; {failing}"
    elif update.get("line_repairs", state["line_repairs"]) >= context.limits.repairs:
        stuck = f"the {context.limits.repairs} repairs allowed are used up; {failing}"
    return update, decision, reason, stuck


async def _climb(state: State, update: State, context: Context, stuck: str) -> State:
    """Repairs are at their end: a fresh program, then tests in doubt, then up to whoever can change the plan."""
    tried, rungs = state["tried"], context.limits.rungs
    agreed = in_doubt(_lines(state), state["test_ids"])
    following: Rung | None = None
    reason = stuck
    if "candidate" in rungs and "candidate" not in tried:
        following = "candidate"
        reason = f"{stuck}; a fresh program is written from the contract alone, to see whether it fails in the same way"
    elif agreed and "amend" in rungs and "amend" not in tried:
        following = "amend"
        reason = f"{len(_lines(state))} independent programs agree against {_names(list(agreed))}; {stuck}"
    if following is not None and not context.affords(following):
        following, reason = None, f"its share of the budget is used up; {stuck}"
    if following is None:
        await _decide(context, "stop", reason)
        return {**update, "end": reason}
    await _decide(context, _SAID[following], reason, key=context.brief.key, rung=following)
    return {**update, "tried": [*tried, following], "next": following}


_SAID = {"candidate": "fresh candidate", "amend": "question the test"}


def after_judge(state: State) -> str:
    """On to what was decided unless there is an end."""
    return END if state.get("end") else state["next"]


async def repair(state: State, runtime: Runtime[Context]) -> State:
    """Ask for a repair of the best files so far, with the failing tests and their output."""
    context = runtime.context
    number = state["repairs"] + 1
    await _emit(context, events.COMPONENT_STEP, step="repair", attempt=number, detail="")
    best = state["lines"][state["current"]]
    try:
        files = await context.strategy.repair(
            context.brief, number, best["files"], state["tests"], from_json(Verdict, best["verdict"]), state["notes"]
        )
    except AnswerError as error:  # a repair that changes nothing: the other rungs are still there
        await _decide(context, "keep the files", f"repair {number} brought no usable answer: {error}")
        files = {}
    return {
        "files": {**best["files"], **_only(files, context.brief.component.files)},
        "step": "repair",
        "attempt": state["attempt"] + 1,
        "repairs": number,
        "line_repairs": state["line_repairs"] + 1,
    }


async def candidate(state: State, runtime: Runtime[Context]) -> State:
    """Ask for the code once more, from the contract and nothing else: a second, independent program."""
    context = runtime.context
    number = len(state["lines"]) + 1
    await _emit(context, events.COMPONENT_STEP, step="candidate", attempt=number, detail="")
    try:
        written = await context.strategy.code(context.brief, number)
    except AnswerError as error:
        end = f"no fresh program came: {error}"
        await _decide(context, "stop", end)
        return {"end": end}
    files = _only(written, context.brief.component.files)
    return {"files": files, "step": "candidate", "attempt": state["attempt"] + 1, "notes": []}


def after_candidate(state: State) -> str:
    """On to its verdict, if there is a program."""
    return END if state.get("end") else "judge"


async def amend(state: State, runtime: Runtime[Context]) -> State:
    """Ask the test writer about tests that the independent programs agree against; the contract decides."""
    context = runtime.context
    await _emit(context, events.COMPONENT_STEP, step="amend", attempt=1, detail="")
    agreed = in_doubt(_lines(state), state["test_ids"])
    sources = {i: context.checker.source(state["tests"], i) for i in agreed}
    asked = doubts(agreed, sources)
    again: State = {
        "files": state["lines"][state["current"]]["files"],
        "step": "amend",
        "attempt": state["attempt"] + 1,
    }
    if not asked:
        return {**again, "stale_repairs": _no_way(context.limits)}
    try:
        answer = await context.strategy.amend(context.brief, 1, state["tests"], asked)
    except AnswerError as error:
        answer = Amendment(kept={doubt.id: f"no usable answer came: {error}" for doubt in asked})
    clashes = [
        f"{_names([i])} was kept though {len(agreed[i])} programs agree against it: {why}"
        for i, why in answer.kept.items()
    ]
    tests = state["tests"]
    for test_id, source in answer.replaced.items():
        try:
            changed = dict(context.checker.amended(tests, {test_id: source}))
        except AnswerError as error:
            clashes.append(f"{_names([test_id])} could not be amended: {error}")
            continue
        report = await _on_stub(context, changed)
        if test_id not in report.good:
            why = dict(report.bad).get(test_id, "it proves nothing")
            clashes.append(f"{_names([test_id])} could not be amended: the new test does not count, because {why}")
            continue
        tests = changed
        await _emit(
            context,
            events.TEST_AMENDED,
            id=test_id,
            before=sources[test_id],
            after=source,
            reason=answer.reason,
            evidence=list(agreed[test_id]),
        )
    for sentence in clashes:
        await _decide(context, "keep the test", sentence)
    stale = _no_way(context.limits) if tests == state["tests"] else 0
    return {**again, "tests": tests, "clashes": clashes, "stale_repairs": stale}


def _no_way(limits: Limits) -> int:
    """As many repairs without progress as end repairing: more of the same against the same tests is of no use."""
    return max(1, limits.no_progress)


def _lines(state: State) -> list[Line]:
    """The independent programs, the one in work first."""
    found = [Line(line["files"], from_json(Verdict, line["verdict"])) for line in state["lines"]]
    return [found[state["current"]], *(line for i, line in enumerate(found) if i != state["current"])]


def _only(files: Files, paths: Collection[str]) -> dict[str, str]:
    """What a strategy may write. The loop holds it: no answer reaches the tests or the files of another component."""
    return {path: text for path, text in files.items() if path in paths}


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
    for node in (write_tests, write_code, red, judge, repair, candidate, amend):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "write_tests")
    builder.add_edge(START, "write_code")
    # Both are written in the first superstep, so whatever red decides, the code is there.
    builder.add_edge("write_tests", "red")
    builder.add_edge("write_code", "red")
    builder.add_conditional_edges("red", after_red, ["write_tests", "judge", END])
    builder.add_conditional_edges("judge", after_judge, ["repair", "candidate", "amend", END])
    builder.add_edge("repair", "judge")
    builder.add_conditional_edges("candidate", after_candidate, ["judge", END])
    builder.add_edge("amend", "judge")
    return builder.compile(name="component")


def supersteps(limits: Limits) -> int:
    """The most supersteps the loop can take under ``limits``; LangGraph's own default would be too many or too few."""
    lines = 2  # the first program and the fresh one, and the winner once more after tests were amended
    return 2 * (1 + limits.test_rewrites) + 2 * (lines + 1) * (1 + limits.repairs) + 1


async def prove(context: Context) -> Outcome:
    """Build one component and prove it.

    Raises whatever the ports raise: ``AnswerError``, ``ModelError``, ``LimitReached``, ``JournalError``.
    """
    graph = component_graph()
    ended = await graph.ainvoke({}, {"recursion_limit": supersteps(context.limits)}, context=context)
    state = cast(State, ended)
    lines = _lines(state) if state["lines"] else []
    passed = state["end"] == "passed"
    proof = Proof(
        component=context.brief.component.id,
        key=context.brief.key,
        status="passed" if passed else "failed",
        files=lines[0].files if lines else state["files"],
        tests=state["tests"],
        test_ids=tuple(state["test_ids"]),
        verdict=lines[0].verdict if lines else None,
        attempts=state["attempt"] if lines else 0,
        reason="" if passed else state["end"],
    )
    if passed:
        return Outcome(proof)
    return Outcome(
        proof,
        Evidence(
            component=context.brief.component,
            lines=tuple(lines),
            test_ids=proof.test_ids,
            clashes=tuple(state["clashes"]),
            missing=tuple(state["missing"]),
            reason=state["end"],
        ),
    )
