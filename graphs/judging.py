"""The verdict on a program, and what it means: which program to go on with, and whether code, test or contract is at fault.

A failure is routed by evidence (see ``graphs/evidence.py``), never by the word of one model: a repairer who holds a test to be
wrong only brings the vote of an independent program forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langgraph.graph import END
from langgraph.runtime import Runtime

from graphs import events
from graphs.agreement import alike, vote
from graphs.component_context import Context, State, count, failing, line_data, lines_of, names, settling
from graphs.evidence import Fault, Line, in_doubt
from graphs.ladder import Rung
from graphs.testing import quarantine, taken_out
from graphs.values import CaseResult, Files, Verdict, from_json, to_json


async def judge(state: State, runtime: Runtime[Context]) -> State:
    """Run the frozen tests and the examples, and decide what the verdict means."""
    context = runtime.context
    attempt = state["attempt"]
    if state["step"] == "repair" and (learnt := _learnt_by_heart(state, context)):
        return await _refuse(state, context, learnt)
    await context.step("check", attempt)
    found: State = {}
    while True:
        now: State = {**state, **found}
        verdict = await context.prove(state["files"], now["tests"], now["test_ids"])
        out = await quarantine(now, context, verdict)
        if not out:
            break
        found |= out
        if found.get("end"):
            return found
    state = {**state, **found}
    await context.emit(
        events.COMPONENT_ATTEMPT,
        number=attempt,
        step=state["step"],
        verdict=to_json(verdict),
        passed=len(verdict.passed),
        total=len(verdict.cases),
    )
    if state["step"] == "code" and (state["queue"] or state["lines"]):
        return {**found, **await _compare(state, context, verdict)}
    if verdict.status == "passed":
        return {**found, **_accepted(state, verdict)}
    return {**found, **await _route(state, context, verdict)}


def _learnt_by_heart(state: State, context: Context) -> tuple[str, ...]:
    before = state["lines"][state["current"]]["files"]
    return context.checker.memorized(context.brief, before, state["files"], state["tests"])


async def _refuse(state: State, context: Context, learnt: Sequence[str]) -> State:
    """A repair that holds the tests' own answers would pass them and nothing else: it is not even judged."""
    reason = (
        f"repair {state['repairs']} has the tests' answers written into it ({'; '.join(learnt[:3])}); it is thrown away"
    )
    stale = state["stale_repairs"] + 1
    note = "A repair was thrown away because it special-cased inputs of the tests; mend what the contract describes."
    update: State = {"stale_repairs": stale, "notes": [*state["notes"], note]}
    await context.decide("revert", reason, "code")
    if stale < context.limits.no_progress and state["line_repairs"] < context.limits.repairs:
        return {**update, "next": "repair"}
    return await _climb({**state, **update}, update, context, reason)


def after_judge(state: State) -> str:
    """On to what was decided unless there is an end."""
    return END if state.get("end") else state["next"]


def _accepted(state: State, verdict: Verdict) -> State:
    """All pass: what is left to ask is how much that says."""
    lines, current, line = list(state["lines"]), state["current"], line_data(state["files"], verdict)
    if state["step"] in ("code", "candidate"):
        lines.append(line)
        current = len(lines) - 1
    else:
        lines[current] = line
    return {"lines": lines, "current": current, "stale_repairs": 0, "next": "strengthen"}


async def _compare(state: State, context: Context, verdict: Verdict) -> State:
    """One of several first programs: the next one is judged, and after the last they are put to the vote."""
    lines = [*state["lines"], line_data(state["files"], verdict)]
    if state["queue"]:
        first, *rest = state["queue"]
        return {"lines": lines, "files": first, "queue": rest, "attempt": state["attempt"] + 1, "next": "judge"}
    programs = [Line(line["files"], from_json(Verdict, line["verdict"])) for line in lines]
    group = alike(programs, context.anchors)
    behaviours = {}
    if len(group) > 1:
        for number in group:
            tree = context.tree(programs[number].files)
            behaviours[number] = await context.checker.behave(context.brief, tree, state["tests"])
    voted = vote(programs, context.anchors, behaviours)
    await context.decide(f"go on with program {voted.chosen + 1}", voted.reason, evidence=list(voted.differ))
    best = programs[voted.chosen]
    update: State = {
        "lines": lines,
        "current": voted.chosen,
        "files": dict(best.files),
        "differ": list(voted.differ),
        "tried": [*state["tried"], "candidate"],
    }
    if best.verdict.status == "passed":
        return {**update, "next": "strengthen"}
    if not best.verdict.failing:  # what it failed was set aside while another was judged
        return {**update, **_again(state, best.files)}
    undeclared = await _undeclared(context, best.files)
    if undeclared:
        return {**update, **undeclared}
    # What every program does alike is settled before anything is repaired.
    agreed = in_doubt(programs, state["test_ids"])
    if agreed and "amend" in context.limits.rungs and {case.id for case in best.verdict.failing} <= agreed.keys():
        return await _climb({**state, **update}, update, context, failing(best.verdict))
    await context.decide("repair", failing(best.verdict), "code")
    return {**update, "next": "repair"}


async def _route(state: State, context: Context, verdict: Verdict) -> State:
    weighed = _weigh(state, context, verdict)
    undeclared = await _undeclared(context, state["files"])
    if undeclared:
        return {**weighed.update, **undeclared}
    if not weighed.stuck:
        await context.decide(weighed.decision, weighed.reason, "code")
        return {**weighed.update, "next": "repair"}
    if weighed.decision == "revert":
        await context.decide(weighed.decision, weighed.reason, "code")
    return await _climb({**state, **weighed.update}, weighed.update, context, weighed.stuck)


async def _undeclared(context: Context, files: Files) -> State:
    """The end, when the code uses what the component does not stand on: no repair makes an edge of the plan."""
    undeclared = context.missing(files)
    if not undeclared:
        return {}
    reason = f"it imports from {names(undeclared)}, which it does not depend on"
    await context.decide("rewire", reason, "plan")
    return {"missing": list(undeclared), "end": reason}


@dataclass(frozen=True)
class _Weighed:
    """What an attempt that did not pass is worth."""

    update: State
    """What is kept of it."""
    decision: str
    """``repair`` or ``revert``."""
    reason: str
    """One sentence."""
    stuck: str = ""
    """Why repairing must end; empty while it need not."""


def _weigh(state: State, context: Context, verdict: Verdict) -> _Weighed:
    """Keep what an attempt gained, revert what it lost."""
    step, lines, current = state["step"], list(state["lines"]), state["current"]
    line = line_data(state["files"], verdict)
    update: State = {}
    stale = state["stale_repairs"]
    decision, reason = "repair", _first_cause(context, verdict)
    if step in ("code", "candidate"):
        lines.append(line)
        best = from_json(Verdict, lines[current]["verdict"])
        if len(lines) > 1 and len(verdict.passed) <= len(best.passed):
            update["lines"] = lines
            return _Weighed(update, decision, reason, f"a fresh program does no better; {failing(best)}")
        current, stale = len(lines) - 1, 0
        update["line_repairs"] = 0
    elif step in ("amend", "strengthen"):
        lines[current] = line
    else:
        before = from_json(Verdict, lines[current]["verdict"])
        lost = sorted(before.passed - verdict.passed)
        gained = sorted(verdict.passed - before.passed)
        if lost:
            stale += 1
            decision = "revert"
            reason = f"repair {state['repairs']} lost {names(lost)}, which had passed; the files before it are back"
            update["notes"] = [*state["notes"], f"A repair was thrown away because it broke {names(lost)}."]
        elif gained:
            stale = 0
            reason = f"{names(gained)} now pass; {failing(verdict)}"
            lines[current] = line
        else:
            stale += 1
            reason = f"no further test passes; {failing(verdict)}"
            lines[current] = line
            update["notes"] = [*state["notes"], "A repair changed nothing in what passes; try another cause."]
    update |= {"lines": lines, "current": current, "stale_repairs": stale}
    best = from_json(Verdict, lines[current]["verdict"])
    stuck = ""
    if best.failing and all(case.id in state["disputed"] for case in best.failing):
        first = best.failing[0].id
        stuck = f"the repairer holds what still fails to be wrong ({names([first])}: {state['disputed'][first]})"
    elif stale and stale >= context.limits.no_progress:
        repairs = "the last repair" if stale == 1 else f"{stale} repairs in a row"
        stuck = f"{repairs} did not make a further test pass; {failing(best)}"
    elif update.get("line_repairs", state["line_repairs"]) >= context.limits.repairs:
        stuck = f"the {context.limits.repairs} repairs allowed are used up; {failing(best)}"
    return _Weighed(update, decision, reason, stuck)


def _first_cause(context: Context, verdict: Verdict) -> str:
    """Why it is the code that is looked at first."""
    anchored = [case.id for case in verdict.failing if case.id in context.anchors]
    outranked = f"; {names(anchored)} is an example, which no test outranks" if anchored else ""
    return failing(verdict) + outranked


async def _climb(state: State, update: State, context: Context, stuck: str) -> State:
    """Repairs are at their end: a fresh program, then tests in doubt, then up to whoever can change the plan."""
    tried, rungs = state["tried"], context.limits.rungs
    best = lines_of(state)[0]
    if not best.verdict.failing and state["step"] != "amend":  # what it failed was set aside while another was judged
        return {**update, **_again(state, best.files)}
    agreed = in_doubt(lines_of(state), state["test_ids"], settling(state))
    following: Rung | None = None
    reason = stuck
    if "candidate" in rungs and "candidate" not in tried:
        following = "candidate"
        reason = f"{stuck}; a fresh program is written from the contract alone, to see whether it fails in the same way"
    elif late := [i for i in agreed if i in state.get("late", ())]:
        why = f"{count(state['lines'], 'program', 'independent programs')} agree against it"
        return await _without_late(state, update, context, late, why, settled=True)
    elif agreed and "amend" in rungs and "amend" not in tried:
        following = "amend"
        reason = f"{len(state['lines'])} independent programs agree against {names(list(agreed))}; {stuck}"
    if following is not None and not context.affords(following):
        following, reason = None, f"its share of the budget is used up; {stuck}"
    if following is None:
        open_ids = [case.id for case in lines_of(state)[0].verdict.failing]
        if open_ids and set(open_ids) <= set(state.get("late", ())):
            why = "the program fails it and passes all others, and nothing settles which of the two is wrong"
            return await _without_late(state, update, context, open_ids, why, settled=False)
        await context.decide("stop", reason)
        return {**update, "end": reason}
    fault: Fault | None = "test" if following == "amend" else None
    tests = list(agreed) if following == "amend" else []
    await context.decide(_SAID[following], reason, fault, key=context.brief.key, rung=following, tests=tests)
    return {**update, "tried": [*tried, following], "next": following}


_SAID = {"candidate": "fresh candidate", "amend": "question the test"}


async def _without_late(
    state: State, update: State, context: Context, ids: list[str], why: str, settled: bool
) -> State:
    """Take out tests that were only added for strength, and judge the best files without them.

    ``settled``: it is known that they are wrong, so that nothing is left open.
    """
    best = state["lines"][state["current"]]
    verdict = from_json(Verdict, best["verdict"])
    cases = [case for case in verdict.cases if case.id in ids]
    reasons = {case.id: f"{why}: {_said(case)}" for case in cases}
    out = await taken_out(state, context, reasons, events.TEST_DROPPED, left_open=not settled)
    return {**update, **out, **_again(state, best["files"])}


def _again(state: State, files: Files) -> State:
    """The same program once more, since its tests are others now."""
    return {"files": dict(files), "step": "amend", "attempt": state["attempt"] + 1, "next": "judge"}


def _said(case: CaseResult) -> str:
    return " ".join(case.message.split())[:200] or case.outcome
