"""A run read from its journal, and its events told in words a newcomer understands. Shared by the views."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs import events

if TYPE_CHECKING:
    from agent.store.journal import JournalReader
    from graphs.events import Event
    from graphs.run_state import Edited, Revised, RunState
    from graphs.values import Feedback, Usage

_WORDS = 300
"""Most terminal cells of a text that a model or a program wrote, in one line of the story."""
_EDITS = 6
"""Most changes of a plan told in one line of the story."""
_UNPROVEN = 4
"""Most of what is not proven told in one line of the story."""


def load(run_dir: Path) -> RunState:
    """The state of the run in ``run_dir`` as its journal knows it, also while another process works on it.

    Raises ``JournalError`` when the journal cannot be read.
    """
    from agent.store.journal import SqliteJournal

    with SqliteJournal.read(run_dir) as reader:
        return load_from(reader)


def load_from(reader: JournalReader) -> RunState:
    """Like :func:`load`, from an open journal."""
    from agent.store.journal import is_live
    from graphs.run_state import fold

    live = is_live(reader.run_dir)  # asked first: a run that ends in between is then seen as ended
    state = fold(reader.events())
    finished = state.usage if state.status not in ("running", "interrupted") else None
    for call in () if live else reader.open_calls():
        state.count_call(call.key, call.component, call.lost, failed=True)
    for call in reader.calls():
        state.count_call(call.key, call.component, call.usage, failed=call.state == "failed")
    if finished is not None and finished.calls:
        state.usage = finished  # what the run itself said at its end; the calls add up to the same
    if not live:
        state.halt()
    return state


def once(stream: Iterable[Event]) -> Iterator[Event]:
    """The events without what a resumed run only goes through again: its components start from the beginning, and the
    journal answers at once what an earlier process asked and tested."""
    told: set[str] = set()
    now: set[str] = set()
    for event in stream:
        if event.kind == events.RUN_RESUMED:
            told |= now
        what = json.dumps([event.kind, event.component, event.revision, event.body], sort_keys=True)
        now.add(what)
        if not event.component or what not in told:
            yield event


def concerns(event: Event, component: str) -> bool:
    """Whether the event belongs to the story of a component: it is about it, or changes the plan where it stands."""
    if event.kind != events.PLAN_REVISED:
        return event.component == component
    changed = [i for key in ("stale", "added", "dropped") for i in entries(event.body, key)]
    edits = [edit.get("component") for edit in entries(event.body, "edits") if isinstance(edit, Mapping)]
    return component in (*changed, *edits)


def tell(event: Event) -> str:
    """The event as one line of words, without time and component; empty when there is nothing to tell."""
    body = event.body
    say = _TALES.get(event.kind)
    return say(body) if say else ""


def unproven(state: RunState) -> dict[str, str]:
    """Requirements, with their texts, and tests that are not proven → why, as of the last delivery. Safe to print."""
    asked = {r.id: f"{r.id} ({_text(r.text, 120)})" for r in state.plan.requirements} if state.plan else {}
    found = state.sums.unproven.items() if state.sums else ()
    return {asked.get(i) or _text(i, 120): _text(why) for i, why in found}


def proven_data(state: RunState | None) -> dict[str, Any]:
    """``covered`` and ``unproven`` for ``--json``, as of the last delivery; null where there was none."""
    from graphs.values import to_json

    sums = state.sums if state else None
    return {"covered": to_json(sums and sums.covered), "unproven": to_json(sums and sums.unproven)}


def run_data(reader: JournalReader, state: RunState) -> dict[str, Any]:
    """A run for ``--json`` and the page: the keys under "run" in ``agent show --json``, but for its calls."""
    import time

    from agent.store.journal import is_live
    from graphs.draw import as_json
    from graphs.values import to_json

    return {
        "id": reader.run_dir.name,
        "path": str(reader.run_dir),
        "live": is_live(reader.run_dir),
        "status": state.status,
        "phase": state.phase,
        "reason": state.reason,
        "title": state.title,
        "seconds": state.elapsed(time.time()),
        "usage": to_json(state.usage),
        "settings": dict(state.settings),
        "notes": list(state.notes),
        "integration": to_json(state.integration),
        "plan": as_json(state.plan, state.components) if state.plan else None,
        "revisions": to_json(state.revisions),
        "questions": to_json(list(state.questions.values())),
        "feedback": to_json(state.feedback),
        **proven_data(state),
        "amended": to_json(state.amended),
        "added": to_json(state.added),
        "dropped": to_json(state.dropped),
        "quarantined": to_json(state.quarantined),
    }


def duration(seconds: float) -> str:
    """``8 s``, ``3 min 20 s``, ``2 h 5 min``; ``0 s`` for what is no time."""
    whole = round(max(seconds, 0.0)) if math.isfinite(seconds) else 0
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(seconds: float) -> str:
    """``0:08``, ``3:20``, ``2:05:00``: time since the run began."""
    whole = int(max(seconds, 0.0))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def money(usd: float | None) -> str:
    """``$0.12``; four decimals below a cent; ``price unknown`` for ``None``."""
    if usd is None:
        return "price unknown"
    return f"${usd:.4f}" if 0 < usd < 0.01 else f"${usd:.2f}"


def amount(count: int) -> str:
    """``950``, ``12.3k``, ``4.5M``."""
    if count < 1_000:
        return str(count)
    return f"{count / 1_000:.1f}k" if count < 999_950 else f"{count / 1_000_000:.1f}M"


def spent(usage: Usage) -> str:
    """Calls, tokens and money in one phrase."""
    calls = f"{usage.calls} model call{'s' * (usage.calls != 1)}"
    return f"{calls} · {amount(usage.tokens)} tokens · {money(usage.usd)}"


def _text(value: Any, most: int = _WORDS) -> str:
    from graphs.text import plain

    return plain(str(value or ""), most)


def _many(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _because(body: Mapping[str, Any], key: str = "reason") -> str:
    reason = _text(body.get(key))
    return f": {reason}" if reason else ""


def entries(body: Mapping[str, Any], key: str) -> Sequence[Any]:
    """The list under a key of an event's body; empty when there is none. Never fails."""
    value = body.get(key)
    return value if isinstance(value, (list, tuple)) else ()


def part(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The same for a mapping."""
    value = body.get(key)
    return value if isinstance(value, Mapping) else {}


def _started(body: Mapping[str, Any]) -> str:
    title = _text(body.get("title")) or "no title"
    return f"the run began: {title}{_ceilings(body.get('limits'))}"


def _ceilings(limits: Any) -> str:
    """What the run may cost at most: every run has a ceiling, and says so at its start."""
    if not isinstance(limits, Mapping):
        return ""
    most = []
    if isinstance(limits.get("max_usd"), (int, float)):
        most.append(money(limits["max_usd"]))
    if isinstance(limits.get("max_tokens"), int):
        most.append(f"{amount(limits['max_tokens'])} tokens")
    if isinstance(limits.get("max_calls"), int):
        most.append(f"{limits['max_calls']} calls")
    if isinstance(limits.get("max_seconds"), (int, float)):
        most.append(duration(limits["max_seconds"]))
    return f" (ceiling: {', '.join(most)})" if most else ""


def _exemplars(body: Mapping[str, Any]) -> str:
    chosen = entries(body, "names")
    if not chosen:
        return "no example plan fits this spec; the model plans without"
    return f"chose {_many(len(chosen), 'example plan')} to show the model: {_text(', '.join(map(str, chosen)))}"


def _plan(body: Mapping[str, Any]) -> str:
    from graphs.run_state import edited, revised
    from graphs.text import listed

    data = part(body, "plan")
    number = _text(data.get("revision", 1), 20)
    edits = [edited(e) for e in entries(body, "edits") if isinstance(e, Mapping)]
    if stays(made := revised(int(number) if number.isdecimal() else 1, body)):
        return f"{cause(made)}, revision {number}"
    if not edits:
        author = AUTHORS.get(str(body.get("author")), "")
        size = _many(len(entries(data, "components")), "component")
        return f"plan, revision {number} {author}".rstrip() + f": {size}" + _because(body, "why")
    why = "" if body.get("why") in [e.reason for e in edits] else f", because {_text(body.get('why'))}"
    stale = [str(i) for i in entries(body, "stale")]
    again = f"{listed(stale)} {'is' if len(stale) == 1 else 'are'} built again" if stale else "nothing is built again"
    changes = "; ".join(map(change, edits[:_EDITS]))
    more = f"; {_many(len(edits) - _EDITS, 'further change')}" if len(edits) > _EDITS else ""
    return f"the plan was cut anew, revision {number}{why}: {changes}{more}; {again}"


def change(edit: Edited) -> str:
    """A change of the plan and its reason: ``reader was split into lexer and parser, because …``. One line."""
    reason = _text(edit.reason).rstrip(".")
    return _text(edit.what) + (f", because {reason}" if reason else "")


def stays(made: Revised) -> bool:
    """Whether the plan was to be cut anew, and the model found nothing to change."""
    changed = made.edits or made.stale or made.added or made.dropped
    return made.author == "model" and made.revision > 1 and not changed


def cause(made: Revised) -> str:
    """Why there is this revision of the plan; and when nothing came of it, that."""
    return _text(made.why) + ", and the plan stays as it was" * stays(made)


def _step(body: Mapping[str, Any]) -> str:
    from graphs.status import State, doing

    attempt = body.get("attempt")
    state = State(step=str(body.get("step", "")), step_attempt=attempt if isinstance(attempt, int) else 0)
    detail = _text(body.get("detail"))
    return doing(state) + (f": {detail}" if detail else "")


def _frozen(body: Mapping[str, Any]) -> str:
    dropped = entries(body, "dropped")
    count = len(entries(body, "ids"))
    words = f"{_many(count, 'test')} {'is' if count == 1 else 'are'} fixed from here on"
    if dropped:
        first = dropped[0] if isinstance(dropped[0], Mapping) else {"id": dropped[0]}
        words += f"; {_many(len(dropped), 'test')} dropped, first {_text(first.get('id'), 80)}{_because(first)}"
    return words


def _added(body: Mapping[str, Any]) -> str:
    from graphs.run_state import changes_of

    ids = [_text(i, 120) for i in entries(body, "ids")]
    changes = [f"`{_text(c, 120)}`" for c in changes_of(body).values()]
    words = f"{_many(len(ids), 'test')} {'was' if len(ids) == 1 else 'were'} added"
    words += f": {', '.join(ids)}" if ids else ""
    return words + (f", which should notice {', '.join(changes)}" if changes else "")


def _measured(body: Mapping[str, Any]) -> str:
    from graphs.run_state import level_of

    data = part(body, "strength")
    level = level_of(data)
    if level is None or not level.total:
        return f"how much its tests notice was not measured{_because({'reason': level and level.reason})}"
    words = f"tried {_many(level.total, 'change')} of the code: {level.killed or 'none'} {'was' if level.killed < 2 else 'were'} noticed"
    words += f"; {level.left} more could not be tried in time" if level.left else ""
    left = [m for m in entries(data, "mutants") if isinstance(m, Mapping) and not m.get("killed_by")]
    excused = sum(bool(m.get("excuse")) for m in left)
    if excused:
        words += f"; {excused} of the {len(left)} unnoticed need not be, the test writer says"
    elif left:
        words += f"; unnoticed first {change_of_code(left[0])}"
    return words


def change_of_code(mutant: Mapping[str, Any]) -> str:
    """A mutant as plain JSON, in words: ``M3 q/cli.py line 12: a < b → a <= b``. One line."""
    place = f"{_text(mutant.get('path'), 60)} line {_text(mutant.get('line'), 10)}"
    return f"{_text(mutant.get('id'), 10)} {place}: {_text(mutant.get('change'), 200)}"


def _summed(body: Mapping[str, Any]) -> str:
    unproven = part(body, "unproven")
    if not unproven:
        return "nothing that was asked is left without a proof"
    told = [f"{_text(i, 120)} ({_text(why)})" for i, why in list(unproven.items())[:_UNPROVEN]]
    more = f"; and {len(unproven) - _UNPROVEN} more" if len(unproven) > _UNPROVEN else ""
    return f"not proven: {'; '.join(told)}{more}"


def _decided(body: Mapping[str, Any]) -> str:
    fault = str(body.get("fault") or "")
    put_down = f", put down to {FAULTS.get(fault) or _text(fault, 40)}" if fault else ""
    return f"decision: {_text(body.get('decision'), 80)}{put_down}{_because(body)}"


def _attempt(body: Mapping[str, Any]) -> str:
    words = f"attempt {body.get('number')}: {body.get('passed')} of {body.get('total')} tests passed"
    verdict = body.get("verdict")
    if isinstance(verdict, Mapping) and verdict.get("status") != "passed":
        failing = [c for c in entries(verdict, "cases") if isinstance(c, Mapping) and c.get("outcome") != "passed"]
        if failing:
            said = _text(failing[0].get("message"), 160) or _text(failing[0].get("outcome"))
            words += f"; first failure {_text(failing[0].get('id'), 80)}: {said}"
        else:
            words += f"; {_text(verdict.get('reason')) or _text(verdict.get('status'))}"
    return words


def _amended(body: Mapping[str, Any]) -> str:
    return f"the test {_text(body.get('id'), 120)} was replaced{_because(body)}"


def _asked(body: Mapping[str, Any]) -> str:
    options = [f"{n}. {_text(o, 80)}" for n, o in enumerate(entries(body, "options"), 1)]
    choice = f" [{'; '.join(options)}]" if options else ""
    nobody = "" if body.get("asked") else " (nobody was there to ask)"
    return f"question {_text(body.get('id'), 20)}{nobody}: {_text(body.get('text'))}{choice}"


def _feedback(body: Mapping[str, Any]) -> str:
    from graphs.values import Feedback

    said = Feedback(bool(body.get("ran")), bool(body.get("worked")), bool(body.get("perfect")), _text(body.get("text")))
    return f"you said: {judgement(said)}" + (f": {said.text}" if said.text else "")


def judgement(said: Feedback) -> str:
    """How the result was found, in a few words."""
    if said.perfect:
        return "it is perfect"
    if said.worked:
        return "it works, and is not perfect"
    return "it does not work as you asked" if said.ran else "it does not run"


def _passed(body: Mapping[str, Any]) -> str:
    from graphs.run_state import level_of

    data = part(body, "proof")
    cases = len(entries(part(data, "verdict"), "cases"))
    attempts = data.get("attempts") or 1
    level = level_of(data.get("strength"))
    noticed = f", {level.killed} of {_many(level.total, 'change')} noticed" if level is not None and level.total else ""
    return f"proven: {_many(cases, 'test')} passed" + (f" after {attempts} attempts" if attempts != 1 else "") + noticed


def _integrated(body: Mapping[str, Any]) -> str:
    data = part(body, "verdict")
    cases = [c for c in entries(data, "cases") if isinstance(c, Mapping)]
    passed = sum(c.get("outcome") == "passed" for c in cases)
    words = f"the whole: {passed} of {_many(len(cases), 'test')} passed"
    return words if data.get("status") == "passed" else words + _because(data)


def _finished(body: Mapping[str, Any]) -> str:
    words = f"the run ended: {ENDS.get(str(body.get('status')), _text(body.get('status'), 40))}"
    seconds = body.get("seconds")
    return words + (f" after {duration(seconds)}" if isinstance(seconds, (int, float)) else "") + _because(body)


def _call(body: Mapping[str, Any]) -> str:
    error = _text(body.get("error"))
    return f"the model call for {_text(body.get('step'), 40)} brought no answer: {error}" if error else ""


def _read(body: Mapping[str, Any]) -> str:
    problems = [_text(problem) for problem in entries(body, "problems")]
    return f"the answer to {_text(body.get('step'), 40)!r} was of no use: {'; '.join(problems[:2])}" if problems else ""


AUTHORS: Mapping[str, str] = {
    "model": "by the model",
    "user": "by the user",
    "kept": "kept",
    "evidence": "from what was seen",
}
"""Who made a revision of a plan, in words."""

FAULTS: Mapping[str, str] = {
    "code": "the code",
    "test": "the test",
    "contract": "the contract",
    "size": "the size of the component",
    "plan": "the plan",
    "chance": "chance",
}
"""What a failure is put down to (``graphs.evidence.Fault``), in words."""

ENDS: Mapping[str, str] = {
    "passed": "passed",
    "failed": "not passed",
    "limit": "stopped at a ceiling",
    "declined": "stopped",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
    "running": "running",
    "unreadable": "unreadable",
}
"""Status of a run → words."""

_TALES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    events.RUN_STARTED: _started,
    events.RUN_RESUMED: lambda body: "the run goes on",
    events.REQUIREMENTS_READ: lambda body: (
        f"found {_many(len(entries(body, 'requirements')), 'requirement')} in the spec"
    ),
    events.EXEMPLARS_CHOSEN: _exemplars,
    events.PLAN_REVISED: _plan,
    events.PLAN_APPROVED: lambda body: (
        "the plan was approved" + (f" by {_text(body['by'], 40)}" if body.get("by") else "")
    ),
    events.COMPONENT_READY: lambda body: "all it needs is proven; it waits for its turn",
    events.COMPONENT_STARTED: lambda body: "work on it begins",
    events.COMPONENT_STEP: _step,
    events.TESTS_FROZEN: _frozen,
    events.COMPONENT_ATTEMPT: _attempt,
    events.COMPONENT_DECISION: _decided,
    events.TEST_AMENDED: _amended,
    events.TESTS_ADDED: _added,
    events.TEST_DROPPED: lambda body: f"the test {_text(body.get('id'), 120)} was taken out again{_because(body)}",
    events.TEST_QUARANTINED: lambda body: f"the test {_text(body.get('id'), 120)} was set aside{_because(body)}",
    events.STRENGTH_MEASURED: _measured,
    events.QUESTION_ASKED: _asked,
    events.QUESTION_ANSWERED: lambda body: f"{_text(body.get('id'), 20)} was answered: {_text(body.get('answer'))}",
    events.FEEDBACK_GIVEN: _feedback,
    events.COMPONENT_PASSED: _passed,
    events.COMPONENT_FAILED: lambda body: f"not built{_because(body)}",
    events.COMPONENT_BLOCKED: lambda body: f"cannot be built, because {_text(body.get('by'), 60)} failed",
    events.COMPONENT_RETRIED: lambda body: "it is tried once more, as if it had not failed",
    events.COMPONENT_KEPT: lambda body: "kept: it was proven before",
    events.COMMITTED: lambda body: f"committed as {_text(body.get('commit'), 13)}",
    events.CALL_FINISHED: _call,
    events.ANSWER_READ: _read,
    events.INTEGRATION_STARTED: lambda body: "every part is proven; testing the whole",
    events.INTEGRATION_FINISHED: _integrated,
    events.PROOF_SUMMED: _summed,
    events.RUN_FINISHED: _finished,
    events.RUN_INTERRUPTED: lambda body: f"interrupted{_because(body)}",
    events.NOTE: lambda body: f"note: {_text(body.get('text'))}",
}
