"""Nodes of the loop inside a component that ask for code: from the contract, from failures, and from the contract again."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from graphs.component_context import Context, State, names, only
from graphs.errors import AnswerError
from graphs.values import Repair, Verdict, from_json


async def write_code(state: State, runtime: Runtime[Context]) -> State:
    """Ask for the component's files from the contract, as often as programs are to be compared; or take those there are."""
    context = runtime.context
    fresh: State = {"step": "code", "attempt": 1, "lines": [], "current": 0, "repairs": 0, "notes": [], "queue": []}
    fresh |= {"line_repairs": 0, "stale_repairs": 0, "tried": [], "clashes": [], "missing": [], "disputed": {}}
    if context.start is not None and context.start.files is not None:
        return {**fresh, "files": dict(context.start.files)}
    first, *others = await asyncio.gather(*(_program(context, n + 1) for n in range(max(1, context.limits.candidates))))
    assert first is not None, "only further programs may be missing"
    return {**fresh, "files": first, "queue": [files for files in others if files is not None]}


async def _program(context: Context, number: int) -> dict[str, str] | None:
    """A program written from the contract and nothing else; ``None`` for one beyond the first that did not come."""
    await context.step("code" if number == 1 else "candidate", number)
    try:
        return only(await context.strategy.code(context.brief, number), context.brief.component.files)
    except AnswerError as error:
        if number == 1:
            raise
        await context.decide("go on without", f"program {number} did not come: {error}")
        return None


async def repair(state: State, runtime: Runtime[Context]) -> State:
    """Ask for a repair of the best files so far, with the failing tests and their output."""
    context = runtime.context
    number = state["repairs"] + 1
    await context.step("repair", number)
    best = state["lines"][state["current"]]
    verdict = from_json(Verdict, best["verdict"])
    try:
        answer = await context.strategy.repair(
            context.brief, number, best["files"], state["tests"], verdict, state["notes"]
        )
    except AnswerError as error:  # a repair that changes nothing: the other rungs are still there
        await context.decide("keep the files", f"repair {number} brought no usable answer: {error}")
        answer = Repair({})
    open_ids = {case.id for case in verdict.failing} & set(state["test_ids"])
    disputed = {i: why for i, why in answer.disputed.items() if i in open_ids}
    for test_id, why in disputed.items():
        await context.decide("disputed", f"the repairer holds {names([test_id])} to be wrong: {why}", tests=[test_id])
    return {
        "files": {**best["files"], **only(answer.files, context.brief.component.files)},
        "disputed": {**state["disputed"], **disputed},
        "step": "repair",
        "attempt": state["attempt"] + 1,
        "repairs": number,
        "line_repairs": state["line_repairs"] + 1,
    }


async def candidate(state: State, runtime: Runtime[Context]) -> State:
    """Ask for the code once more, from the contract and nothing else: a second, independent program."""
    context = runtime.context
    number = len(state["lines"]) + 1
    await context.step("candidate", number)
    try:
        written = await context.strategy.code(context.brief, number)
    except AnswerError as error:
        end = f"no fresh program came: {error}"
        await context.decide("stop", end)
        return {"end": end}
    files = only(written, context.brief.component.files)
    return {"files": files, "step": "candidate", "attempt": state["attempt"] + 1, "notes": []}
