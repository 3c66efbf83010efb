"""Nodes of the loop inside a component that write tests, and what makes tests count or not.

Tests are written blind, must fail on the contract's stub for the right reason, and are frozen before the first verdict. After
that a test changes only here: it is amended from evidence, taken out because chance decides it, or added because a change
of the code went unnoticed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langgraph.graph import END
from langgraph.runtime import Runtime

from graphs import events, trust
from graphs.component_context import Context, State, count, failing, line_data, lines_of, names, only, settling
from graphs.errors import AnswerError, LimitReached, ModelError
from graphs.evidence import doubts, in_doubt
from graphs.ports import RedReport
from graphs.values import Amendment, Files, Limits, Strength, Strengthening, Verdict, from_json, to_json


async def write_tests(state: State, runtime: Runtime[Context]) -> State:
    """Ask for tests from the contract; again, with reasons, when the last ones proved nothing."""
    context = runtime.context
    if context.start is not None:
        return {"tests": dict(context.start.tests), "test_attempt": 0}
    attempt = state.get("test_attempt", 0) + 1
    await context.step("tests", attempt)
    tests = await context.strategy.tests(context.brief, attempt, state.get("tests", {}), state.get("test_problems", []))
    return {"tests": only(tests, (context.brief.test_path,)), "test_attempt": attempt}


async def red(state: State, runtime: Runtime[Context]) -> State:
    """Run the tests on the contract's stub: they must fail, each for the right reason, and speak of every requirement."""
    context = runtime.context
    if context.start is not None:
        await context.emit(events.TESTS_FROZEN, ids=list(context.start.test_ids), dropped=[], kept=True)
        return {"test_ids": list(context.start.test_ids), "frozen": True}
    attempt = state["test_attempt"]
    await context.step("red", attempt)
    report = await _on_stub(context, state["tests"])
    problems = [f"{what}: {why}" for what, why in report.bad]
    silent = _silent(context, state["tests"], report)
    # Which requirement a test is for is asked once more only: not every requirement can be tested everywhere.
    if (report.bad and attempt <= context.limits.test_rewrites) or (
        silent and attempt == 1 <= context.limits.test_rewrites
    ):
        reason = count(report.bad, "test proves", "tests prove") + " nothing: " + _first(report.bad)
        await context.decide("send the tests back", reason if report.bad else silent[0])
        return {"test_problems": [*problems, *silent], "frozen": False}
    return {"test_problems": problems, "frozen": True, **await _freeze(state, context, report)}


def after_red(state: State) -> str:
    """Back to the writer while that is allowed, else on with the tests that do prove something."""
    if not state["frozen"]:
        return "write_tests"
    return END if state.get("end") else "judge"


def _silent(context: Context, tests: Files, report: RedReport) -> list[str]:
    """Requirements that no test which counts, and no example, is tied to."""
    tied = context.checker.tied(tests)
    named = {requirement for test_id in report.good for requirement in tied.get(test_id, ())}
    return [
        f"{context.brief.test_path}: no test says in the first line of its docstring that it is for {r.id} ({r.text})"
        for r in context.brief.requirements
        if r.id not in named and not trust.tied_examples(r, context.brief.examples)
    ]


async def _on_stub(context: Context, tests: Files) -> RedReport:
    return await context.checker.red(context.brief, context.tree(context.checker.stub(context.brief.component)), tests)


async def _freeze(state: State, context: Context, report: RedReport) -> State:
    """From here on the tests are a fact. What still proves nothing is taken out, with its reason."""
    spoilt = [what for what, _ in report.bad]
    tests = dict(context.checker.without(state["tests"], spoilt)) if spoilt else state["tests"]
    dropped = [{"id": what, "reason": why} for what, why in report.bad]
    await context.emit(events.TESTS_FROZEN, ids=list(report.good), dropped=dropped)
    update: State = {"tests": tests if report.good else {}, "test_ids": list(report.good)}
    if not report.good and not context.anchors:
        update["end"] = "no test was written that proves anything: " + (_first(report.bad) or "none was declared")
        await context.decide("stop", update["end"])
    return update


# -- chance


async def quarantine(state: State, context: Context, verdict: Verdict) -> State:
    """Take out tests that pass and fail on the same code, where the code is not to blame; empty when there is none.

    The code is not to blame when the test's own source draws on chance or time, or when it is flaky on independent programs.
    Otherwise chance is in the program: the test is the one that found out, and stays.
    """
    reasons: dict[str, str] = {}
    for case in verdict.cases:
        if case.outcome != "flaky" or case.id not in state["test_ids"]:
            continue
        source = context.checker.unsteady(state["tests"], case.id)
        before = [line for line in state["lines"] if dict(line["files"]) != dict(state["files"])]
        if source:
            reasons[case.id] = f"it failed and passed on the same files, and its own source depends on {source}"
        elif any(_flaky(line["verdict"], case.id) for line in before):
            reasons[case.id] = "it failed and passed on the same files, with each of two independent programs"
    if not reasons:
        return {}
    return await taken_out(state, context, reasons, events.TEST_QUARANTINED)


def _flaky(verdict: Mapping[str, object], test_id: str) -> bool:
    return any(c.id == test_id and c.outcome == "flaky" for c in from_json(Verdict, verdict).cases)


async def taken_out(
    state: State, context: Context, reasons: Mapping[str, str], kind: str, left_open: bool = True
) -> State:
    """The tests without those named, each with its reason in the journal.

    ``left_open``: what they were for is not proven, and the user is to know of it.
    """
    for test_id, reason in reasons.items():
        source = context.checker.source(state["tests"], test_id)
        await context.emit(kind, id=test_id, reason=reason, source=source)
    update: State = {
        "tests": dict(context.checker.without(state["tests"], list(reasons))),
        "test_ids": [i for i in state["test_ids"] if i not in reasons],
        "lines": [_forgetting(line, reasons) for line in state["lines"]],
    }
    if left_open:
        update["quarantined"] = {**state.get("quarantined", {}), **reasons}
    if not update["test_ids"] and not context.anchors:
        update["end"] = f"no test is left that proves anything: {names(list(reasons))} {next(iter(reasons.values()))}"
        await context.decide("stop", update["end"], "chance")
    return update


def _forgetting(line: Mapping[str, Any], ids: Collection[str]) -> dict[str, Any]:
    """A program and its verdict as if the tests had never been."""
    verdict = from_json(Verdict, line["verdict"])
    return line_data(line["files"], replace(verdict, cases=tuple(c for c in verdict.cases if c.id not in ids)))


# -- doubt


async def amend(state: State, runtime: Runtime[Context]) -> State:
    """Ask the test writer about tests that the independent programs agree against; the contract decides."""
    context = runtime.context
    await context.step("amend")
    agreed = in_doubt(lines_of(state), state["test_ids"], settling(state))
    asked = doubts(agreed, {i: context.checker.source(state["tests"], i) for i in agreed})
    best = state["lines"][state["current"]]
    again: State = {"files": best["files"], "step": "amend", "attempt": state["attempt"] + 1}
    if not asked:
        return {**again, "stale_repairs": _no_way(context.limits)}
    try:
        answer = await context.strategy.amend(context.brief, 1, state["tests"], asked)
    except AnswerError as error:
        answer = Amendment(kept={doubt.id: f"no usable answer came: {error}" for doubt in asked})
    kept = {
        i: f"{names([i])} was kept though {len(agreed[i])} programs agree against it: {why}"
        for i, why in answer.kept.items()
        if i in agreed
    }
    tests, refused = await _replace(state, context, only(answer.replaced, agreed), answer.reasons, agreed)
    for test_id, sentence in kept.items():
        await context.decide("keep the test", sentence, "contract", tests=[test_id])
    for test_id, sentence in refused.items():
        await context.decide("keep the test", sentence, tests=[test_id])
    clashes = [*kept.values(), *refused.values()]
    stale = _no_way(context.limits) if tests == state["tests"] else 0
    return {**again, "tests": tests, "clashes": clashes, "stale_repairs": stale}


async def _replace(
    state: State, context: Context, replaced: Files, reasons: Files, evidence: Mapping[str, Sequence[str]]
) -> tuple[dict[str, str], dict[str, str]]:
    """The tests with those replaced that count, and test id → why the others do not: a test that takes the place of another
    must fail on the stub, and where the program passes it, it must notice a change of the program."""
    refused: dict[str, str] = {}
    good: dict[str, str] = {}
    for test_id, source in replaced.items():
        try:
            report = await _on_stub(context, context.checker.amended(state["tests"], {test_id: source}))
        except AnswerError as error:
            refused[test_id] = str(error)
            continue
        if test_id in report.good:
            good[test_id] = source
        else:
            why = dict(report.bad).get(test_id, "it proves nothing")
            refused[test_id] = f"the new test does not count, because {why}"
    for test_id, why in (await _weak(state, context, good)).items():
        refused[test_id] = f"the new test does not count, because {why}"
        del good[test_id]
    tests = dict(context.checker.amended(state["tests"], good)) if good else dict(state["tests"])
    for test_id, source in good.items():
        before = context.checker.source(state["tests"], test_id)
        body = {"before": before, "after": source, "reason": reasons.get(test_id, "")}
        await context.emit(events.TEST_AMENDED, id=test_id, **body, evidence=list(evidence.get(test_id, ())))
    return tests, {i: f"{names([i])} could not be amended: {why}" for i, why in refused.items()}


async def _weak(state: State, context: Context, replaced: Files) -> dict[str, str]:
    """Which of the new tests would make the proof weaker, and why; not those that the program does not pass yet.

    The tests before them failed, so they killed no mutant: what the others kill stays killed, and each new one must kill some
    of its own. So no amendment lowers the kill rate.
    """
    if not context.limits.mutants or not replaced:
        return {}
    tree = context.tree(state["lines"][state["current"]]["files"])
    tests = context.checker.amended(state["tests"], replaced)
    verdict = await context.checker.prove(context.brief, tree, tests, list(replaced))
    passed = [i for i in replaced if i in verdict.passed]
    if not passed:
        return {}
    strength = await context.checker.strength(context.brief, tree, tests, passed, context.limits)
    return dict.fromkeys(
        trust.idle(passed, strength), f"it notices none of {len(strength.mutants)} changes of the code"
    )


def _no_way(limits: Limits) -> int:
    """As many repairs without progress as end repairing: more of the same against the same tests is of no use."""
    return max(1, limits.no_progress)


# -- strength


async def strengthen(state: State, runtime: Runtime[Context]) -> State:
    """Everything passes: measure how much that says, and show the test writer once what went unnoticed."""
    context = runtime.context
    if not context.limits.mutants:
        return {"end": "passed"}
    files = state["lines"][state["current"]]["files"]
    await context.step("strength")
    known = state.get("strength") if state.get("measured") == files else None
    strength = await context.checker.strength(
        context.brief,
        context.tree(files),
        state["tests"],
        state["test_ids"],
        context.limits,
        from_json(Strength, known) if known else None,
    )
    await context.emit(events.STRENGTH_MEASURED, strength=to_json(strength))
    update: State = {"strength": to_json(strength), "measured": files}
    if strength.flaky:
        return {**update, **await _by_chance(state, context, strength.flaky)}
    useless = _useless(state, strength)
    if useless:
        why = "it does not notice the change of the code that it was written for"
        update |= await taken_out(state, context, dict.fromkeys(useless, why), events.TEST_DROPPED, left_open=False)
        kept = (replace(m, killed_by=tuple(i for i in m.killed_by if i not in useless)) for m in strength.mutants)
        strength = replace(strength, mutants=tuple(kept))
        update["strength"] = to_json(strength)
    idle = trust.idle(state["test_ids"], strength)
    if state.get("asked") or not (strength.survivors or idle or state.get("differ")):
        return {**update, "end": "passed"}
    return {**update, "asked": True, **await _asked({**state, **update}, context, strength, idle)}


def after_strengthen(state: State) -> str:
    """To the verdict on new tests, if there are any, or back to work on a program that chance has a part in."""
    return END if state.get("end") else state["next"]


async def _by_chance(state: State, context: Context, flaky: Sequence[str]) -> State:
    """What passed does so by chance: the tests are set aside where they are to blame, else the program goes back to work."""
    lines, current = list(state["lines"]), state["current"]
    files, verdict = lines[current]["files"], from_json(Verdict, lines[current]["verdict"])
    why = "it passed, and failed when the same code was run again"
    cases = (replace(c, outcome="flaky", message=why) if c.id in flaky else c for c in verdict.cases)
    verdict = replace(verdict, status="failed", cases=tuple(cases), reason=f"{names(list(flaky))}: {why}")
    lines[current] = line_data(files, verdict)
    out = await quarantine({**state, "files": files, "lines": lines}, context, verdict)
    if out:
        return {**out, "files": files, "step": "amend", "attempt": state["attempt"] + 1, "next": "judge"}
    await context.decide("repair", failing(verdict), "code")
    return {"lines": lines, "next": "repair"}


def _useless(state: State, strength: Strength) -> list[str]:
    """Added tests that the same program passes and that kill nothing which the others do not kill."""
    if not strength.mutants or state.get("measured") != state["lines"][state["current"]]["files"]:
        return []  # a test that made the program another one has shown its worth
    added = set(state.get("added", ())) & set(state["test_ids"])
    needed = {i for m in strength.mutants if m.killed_by and set(m.killed_by) <= added for i in m.killed_by}
    return sorted(added - needed)


async def _asked(state: State, context: Context, strength: Strength, idle: Sequence[str]) -> State:
    """Ask once; what cannot be had now is no reason to give up what is proven."""
    reason = f"{strength.killed} of {len(strength.mutants)} changes of the code are noticed"
    if idle:
        reason += f", {len(idle)} test{'s notice' if len(idle) > 1 else ' notices'} none of them"
    if not context.affords("strengthen"):
        await context.decide("leave the tests", f"{reason}; its share of the budget is used up")
        return {"end": "passed"}
    await context.decide("show what went unnoticed", reason, key=context.brief.key, rung="strengthen")
    await context.step("strengthen")
    try:
        answer = await context.strategy.strengthen(
            context.brief, state["measured"], state["tests"], strength.survivors, idle, state.get("differ", [])
        )
    except (AnswerError, LimitReached, ModelError) as error:
        await context.decide("leave the tests", f"no usable answer came: {error}")
        return {"end": "passed"}
    excused = {m.id: answer.excused.get(m.id, "") for m in strength.survivors}
    noted = [{**to_json(m), "excuse": excused.get(m.id, m.excuse)} for m in strength.mutants]
    update: State = {"strength": {**to_json(strength), "mutants": noted}}
    if any(excused.values()):
        await context.emit(events.STRENGTH_MEASURED, strength=update["strength"])
    source = context.checker.source
    replaced = only(answer.replaced, idle)
    tests, _ = await _replace(state, context, replaced, dict.fromkeys(replaced, "it noticed no change of the code"), {})
    extended, ids = await _extended({**state, "tests": tests}, context, answer, strength)
    if not ids and tests == state["tests"]:
        return {**update, "end": "passed"}
    return {
        **update,
        "tests": extended,
        "test_ids": [*state["test_ids"], *ids],
        "added": ids,
        "late": [*ids, *(i for i in replaced if source(tests, i) != source(state["tests"], i))],
        "files": state["lines"][state["current"]]["files"],
        "step": "strengthen",
        "attempt": state["attempt"] + 1,
        "next": "judge",
    }


async def _extended(
    state: State, context: Context, answer: Strengthening, strength: Strength
) -> tuple[dict[str, str], list[str]]:
    """The tests with those added that fail on the stub for the right reason, and the ids of these."""
    sources = list(dict.fromkeys(answer.added.values()))
    if not sources:
        return dict(state["tests"]), []
    try:
        tests, ids = context.checker.extended(state["tests"], context.brief.test_path, sources)
    except AnswerError as error:
        await context.decide("leave the tests", str(error))
        return dict(state["tests"]), []
    report = await _on_stub(context, tests)
    spoilt = {i: dict(report.bad).get(i, "it proves nothing") for i in ids if i not in report.good}
    for test_id, why in spoilt.items():
        await context.decide("leave the tests", f"{names([test_id])} was not added: {why}")
    if spoilt:
        tests = context.checker.without(tests, list(spoilt))
    added = [i for i in ids if i not in spoilt]
    changes = {m.id: m.change for m in strength.mutants if m.id in answer.added}
    if added:
        sources_of = {i: context.checker.source(tests, i) for i in added}
        await context.emit(events.TESTS_ADDED, ids=added, changes=changes, sources=sources_of)
    return dict(tests), added


def _first(bad: Sequence[tuple[str, str]]) -> str:
    return f"{bad[0][0]}: {bad[0][1]}" if bad else ""
