"""The model calls of a run, for ``agent show``: how each was asked, what it cost, and how its answer read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.cli.output import indented
from graphs import events
from graphs.errors import UserError

if TYPE_CHECKING:
    from agent.store.journal import JournalReader, StoredCall
    from graphs.values import Usage


@dataclass
class Sums:
    """How the answers to the questions of one strategy read."""

    questions: int = 0
    """How many were asked."""
    first_try: int = 0
    """Those whose first answer was of use."""
    again: int = 0
    """Answers that were asked for again because the one before was of no use."""
    given_up: int = 0
    """Questions without an answer of use in the end."""

    def told(self) -> str:
        """In words."""
        used = f"{self.first_try} of {self.questions} answers of use at the first try"
        again = f", {self.again} asked for again" if self.again else ""
        return used + again + (f", {self.given_up} given up" if self.given_up else "")


@dataclass(frozen=True)
class Readings:
    """How the answers of a run read."""

    of: Mapping[str, Mapping[str, Any]]
    """Key of the call → body of its ``answer.read``."""
    sums: Mapping[str, Sums]
    """Strategy → sums."""


def readings(reader: JournalReader) -> Readings:
    """How the answers of the run read so far."""
    of: dict[str, Mapping[str, Any]] = {}
    sums: dict[str, Sums] = {}
    open_questions: dict[tuple[str, str, int], str] = {}
    for event in reader.events(kind=events.ANSWER_READ):
        body = event.body
        of[body["key"]] = body
        way = sums.setdefault(body["strategy"], Sums())
        first, good = body["number"] == 1, not body["problems"]
        way.questions += first
        way.first_try += first and good
        way.again += not first
        place = event.component, body["step"], body["attempt"]
        open_questions.pop(place, None)
        if not good:
            open_questions[place] = body["strategy"]
    for strategy in open_questions.values():
        sums[strategy].given_up += 1
    return Readings(of, sums)


def one_call(reader: JournalReader, key: str) -> tuple[dict[str, Any], list[str]]:
    """The call whose key begins with ``key``, as data and in words; ``UserError`` when none or several do."""
    found = {c.key: c for c in reader.calls() if c.key.startswith(key)}
    if len(found) != 1:
        many = f"fits {len(found)} calls; give more of it" if found else "fits no call"
        raise UserError(f"the key {key!r} {many}; `agent show {reader.run_dir.name} --json` lists the calls")
    call, read = next(iter(found.values())), readings(reader)
    return {"call": call_data(call, read, whole=True)}, list(call_lines([call], read, whole=True))


def call_data(call: StoredCall, read: Readings, whole: bool) -> dict[str, Any]:
    """A call for ``--json``, with its prompt and answer when ``whole``."""
    reading = read.of.get(call.key)
    data: dict[str, Any] = {
        "key": call.key,
        "component": call.component,
        "step": call.step,
        "attempt": call.attempt,
        "model": call.model,
        "state": _state(call),
        "usage": dict(call.usage),
        "seconds": call.seconds,
        "ts": call.ts,
        "form": (call.request or {}).get("form"),
        "reading": reading and {name: reading[name] for name in ("strategy", "number", "problems")},
    }
    return {**data, "request": call.request, "response": call.response} if whole else data


def call_lines(made: Sequence[StoredCall], read: Readings, whole: bool) -> Iterator[str]:
    """Calls in words, each with what became of its answer, and with prompt and answer when ``whole``."""
    from agent.cli.story import duration, money
    from graphs.text import plain
    from graphs.values import Usage, from_json

    if not made:
        return
    yield from ("", "Model calls")
    for call in made:
        usage = from_json(Usage, dict(call.usage))
        about = f"{plain(call.component, 40)} " if call.component else ""
        state = _state(call)
        failed = "" if state == "done" else f"  {state}"
        yield (
            f"  {call.key[:12]}  {about}{plain(call.step, 30)} {call.attempt}  {plain(call.model, 60)}  {_tokens(usage)}  "
            f"{money(usage.usd)}  {duration(call.seconds)}{_held(call)}{failed}"
        )
        for problem in (read.of.get(call.key) or {}).get("problems", ()):
            yield f"    of no use: {plain(problem, 200)}"
        if whole:
            yield from _conversation(call)
        elif state == "failed":
            yield f"    {plain(str((call.response or {}).get('error', '')), 300)}"


def _state(call: StoredCall) -> str:
    """``done``, ``failed``, or ``part`` for a try that was not to bring a whole answer."""
    from agent.models.journaled import PART

    return "part" if (call.response or {}).get("error") == PART else call.state


def _tokens(usage: Usage) -> str:
    """Tokens by kind: of the prompt, and written, with those that a grammar left no choice for."""
    from agent.cli.story import amount

    forced = f" ({amount(usage.forced_tokens)} forced)" if usage.forced_tokens else ""
    return f"{amount(usage.prompt_tokens)} + {amount(usage.completion_tokens)} tokens{forced}"


def _held(call: StoredCall) -> str:
    """What its answer was held to."""
    from graphs.text import plain

    form = (call.request or {}).get("form")
    return f"  held to {plain(form['kind'], 20)} {form['digest'][:8]}" if form else ""


def _conversation(call: StoredCall) -> Iterator[str]:
    from graphs.text import plain

    messages = (call.request or {}).get("messages") or ()
    for message in messages:
        yield f"  --- {plain(str(message.get('role')), 20)}"
        yield indented(str(message.get("content")))
    answer = call.response or {}
    yield "  --- answer" if "text" in answer else "  --- no answer"
    yield indented(str(answer.get("text") or answer.get("error") or ""))
