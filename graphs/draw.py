"""What is known of a run, folded from its events, and a plan or run drawn as tree, Mermaid, DOT, SVG or JSON. Pure.

Titles, purposes and reasons are written by models: every format gets them on one line, without control or formatting
characters, and escaped its own way. Component ids are data too: boxes are called n0, n1… in plan order.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from graphs import dag, document, events
from graphs.errors import AgentError
from graphs.events import Event
from graphs.layout import Layout, Sizes, layout
from graphs.values import Feedback, Limits, Plan, Status, Usage, Verdict, from_json, to_json

JSON_VERSION = 1
"""``version`` of :func:`as_json`; it grows when a key changes its meaning or goes away."""

SIGNS: Mapping[Status, str] = {
    "pending": "○",
    "ready": "▷",
    "running": "▶",
    "waiting": "?",
    "passed": "✓",
    "failed": "✗",
    "blocked": "⊘",
    "skipped": "–",
}
"""One sign per status, so that nothing is told by colour alone."""

STEPS: Mapping[str, str] = {
    "tests": "writing tests",
    "red": "trying tests on the stub",
    "code": "writing code",
    "check": "running tests",
    "repair": "repairing",
    "candidate": "writing a fresh program",
    "amend": "questioning a test",
    "respecify": "writing the contract anew",
    "split": "cutting it smaller",
}
"""The steps of ``component.step`` in words."""


@dataclass(frozen=True)
class State:
    """What is known of one component."""

    status: Status = "pending"
    """Where it stands."""
    step: str = ""
    """What is being done while it runs: a key of ``STEPS``; empty otherwise."""
    step_attempt: int = 0
    """Which try of that step."""
    attempts: int = 0
    """Code answers judged so far."""
    passed: int | None = None
    """Tests and examples that passed in the last judged attempt; ``None`` before the first."""
    total: int | None = None
    """Tests and examples declared, as of that attempt."""
    waits_for: tuple[str, ...] = ()
    """Dependencies that are not proven yet, in the component's own order."""
    blocked_by: str = ""
    """The failed component it stands on."""
    usage: Usage = field(default_factory=Usage)
    """What its model calls cost."""
    started: float = 0.0
    """When it last started, in seconds since the epoch; 0 while it has not."""
    seconds: float = 0.0
    """Wall time from that start to its end; 0 while it has not ended."""
    reason: str = ""
    """Why it failed, or the loop's last decision."""
    kept: bool = False
    """Whether it was proven in an earlier run and not built again."""
    commit: str = ""
    """The commit that holds it."""
    asks: str = ""
    """The question to the user that it waits with, its number first; empty while it does not."""


@dataclass(frozen=True)
class Asked:
    """A question to the user, and what became of it."""

    id: str
    """``Q1``, ``Q2``…"""
    component: str
    """Whose work waits for it; empty for the run as a whole."""
    text: str
    """What is asked; hostile."""
    options: tuple[str, ...]
    """Answers to choose from."""
    asked: bool
    """Whether somebody was there to ask."""
    answer: str | None = None
    """``None`` while it is open."""


@dataclass(frozen=True)
class Edited:
    """One change of a plan, in words."""

    kind: str
    """``split``, ``merge``, ``add``, ``drop``, ``rewire`` or ``respecify``."""
    what: str
    """What was changed, as the beginning of a sentence."""
    reason: str
    """Why; empty when nothing was said."""
    evidence: tuple[str, ...]
    """What pointed to it."""


@dataclass(frozen=True)
class Revised:
    """One revision of the plan."""

    revision: int
    """Its number."""
    author: str
    """``model``, ``user``, ``kept`` or ``evidence``."""
    why: str
    """In one sentence."""
    edits: tuple[Edited, ...]
    """What was changed; empty for a first plan."""
    stale: tuple[str, ...]
    """Components that are built or proven again because of it."""
    added: tuple[str, ...]
    """New components."""
    dropped: tuple[str, ...]
    """Components that are gone."""


@dataclass(frozen=True)
class Amended:
    """A frozen test that was replaced, because independent programs agreed against it."""

    component: str
    """Whose test."""
    id: str
    """Which."""
    reason: str
    """Why, from the contract."""


class RunState:
    """A run as the fold of its events, those of resumed runs included."""

    def __init__(self) -> None:
        self.title = ""
        """Of the plan, else of the spec."""
        self.status = "running"
        """``running``, ``interrupted``, or what ``run.finished`` says."""
        self.phase = "reading the spec"
        """What the run as a whole does, in words; empty once it has ended."""
        self.reason = ""
        """Why it ended so."""
        self.plan: Plan | None = None
        """The revision in force."""
        self.components: dict[str, State] = {}
        """Component id → what is known of it, in plan order."""
        self.settings: Mapping[str, Any] = {}
        """As ``run.started`` has them."""
        self.limits = Limits()
        """The ceilings it works under; a resume may have raised them."""
        self.usage = Usage()
        """All calls together."""
        self.integration: Verdict | None = None
        """What the assembled repository did."""
        self.notes: list[str] = []
        """What the user should read, each once."""
        self.questions: dict[str, Asked] = {}
        """Id → what was asked of the user, in order."""
        self.revisions: list[Revised] = []
        """How the plan came to be what it is, the first one included."""
        self.amended: list[Amended] = []
        """Tests that were replaced."""
        self.feedback: list[Feedback] = []
        """What the user said of what was delivered, oldest first."""
        self.in_flight: set[str] = set()
        """Keys of the model calls that were sent and not answered yet; known only while listening to a live run."""
        self.seq = 0
        """The last durable event seen."""
        self._dependents: dict[str, tuple[str, ...]] = {}
        self._proven: dict[str, State] = {}
        """Those that were proven and are worked on once more, as they were before."""
        self._counted: set[str] = set()
        self._seconds = 0.0
        self._span = 0.0
        self._last = 0.0
        self._handlers: Mapping[str, Callable[[Event], None]] = {
            events.RUN_STARTED: self._start,
            events.RUN_RESUMED: self._resume,
            events.REQUIREMENTS_READ: lambda _: self._enter("decomposing"),
            events.PLAN_REVISED: self._revise,
            events.PLAN_APPROVED: lambda _: self._enter("building"),
            events.CALL_STARTED: self._send,
            events.CALL_FINISHED: self._receive,
            events.INTEGRATION_STARTED: lambda _: self._enter("testing the whole"),
            events.INTEGRATION_FINISHED: self._integrate,
            events.RUN_FINISHED: self._finish,
            events.RUN_INTERRUPTED: self._interrupt,
            events.NOTE: self._note,
            events.QUESTION_ASKED: self._ask,
            events.QUESTION_ANSWERED: self._answer,
            events.TEST_AMENDED: self._amend,
            events.FEEDBACK_GIVEN: self._listen,
        }

    def apply(self, event: Event) -> None:
        """Take in one event. Unknown kinds, components that are not in the plan, and bodies that are not what their
        kind says (a damaged journal, or one of another version) change nothing or little, and never fail."""
        with suppress(AgentError, AttributeError, LookupError, TypeError, ValueError):
            if event.kind in self._handlers:
                self._handlers[event.kind](event)
            elif event.component in self.components:
                self._apply_to(event.component, event)
        self.seq = max(self.seq, event.seq)
        self._last = max(self._last, event.ts)

    def count_call(self, key: str, component: str, usage: Mapping[str, Any], *, failed: bool = False) -> None:
        """Add what a model call cost. An answered call is counted once per key; each failed try counts."""
        if key in self._counted or not usage:
            return
        if not failed:
            self._counted.add(key)
        cost = from_json(Usage, dict(usage))
        self.usage += cost
        if component in self.components:
            self._set(component, usage=self.components[component].usage + cost)

    def elapsed(self, now: float) -> float:
        """Seconds the run was worked on until ``now`` (seconds since the epoch); pauses between processes left out."""
        return self._seconds + (max(now - self._span, 0.0) if self._span else 0.0)

    def halt(self, reason: str = "") -> None:
        """Say that no process works on the run any more, whatever its last event was; an end it had stays."""
        if self.status == "running":
            self._stop_clock(self._last)
            self.status, self.phase, self.reason = "interrupted", "", reason
            self._nothing_runs()

    def counts(self) -> dict[Status, int]:
        """How many components there are of each status; every status has an entry."""
        found: dict[Status, int] = dict.fromkeys(SIGNS, 0)
        for state in self.components.values():
            found[state.status] += 1
        return found

    def open_questions(self) -> list[Asked]:
        """What is not answered and still matters: its component is not proven."""
        return [q for q in self.questions.values() if q.answer is None and self.matters(q)]

    def matters(self, question: Asked) -> bool:
        """Whether an answer can still be of use."""
        known = self.components.get(question.component)
        return not question.component or (known is not None and known.status != "passed")

    def missing(self) -> dict[str, str]:
        """Component id → why it is not proven, for each that is not."""
        return {name: _lack(state) for name, state in self.components.items() if state.status != "passed"}

    def _start(self, event: Event) -> None:
        self._span = event.ts
        self.title = str(event.body.get("title") or "")
        settings = event.body.get("settings")
        self.settings = settings if isinstance(settings, Mapping) else {}
        self._limit(event)

    def _limit(self, event: Event) -> None:
        if isinstance(event.body.get("limits"), Mapping):
            self.limits = from_json(Limits, dict(event.body["limits"]))

    def _note(self, event: Event) -> None:
        text = str(event.body.get("text", ""))
        if text not in self.notes:  # each process of a run says it
            self.notes.append(text)

    def _enter(self, phase: str) -> None:
        self.phase = phase

    def _ask(self, event: Event) -> None:
        body = event.body
        number, text = str(body.get("id", "")), str(body.get("text", ""))
        question = Asked(number, event.component, text, _texts(body, "options"), bool(body.get("asked")))
        self.questions[number] = question
        if question.asked and event.component in self.components:
            self._set(event.component, status="waiting", step="", asks=f"{number}: {text}")

    def _answer(self, event: Event) -> None:
        number = str(event.body.get("id", ""))
        question = replace(self.questions[number], answer=str(event.body.get("answer", "")))
        self.questions[number] = question
        known = self.components.get(question.component)
        if known is not None and known.status == "waiting":
            self._set(question.component, status="running", asks="")

    def _amend(self, event: Event) -> None:
        body = event.body
        amended = Amended(event.component, str(body.get("id", "")), str(body.get("reason", "")))
        if amended not in self.amended:  # a resumed run goes through it once more
            self.amended.append(amended)

    def _listen(self, event: Event) -> None:
        body = event.body
        text = str(body.get("text") or "")
        self.feedback.append(Feedback(bool(body.get("ran")), bool(body.get("worked")), bool(body.get("perfect")), text))
        if text:
            self._enter("taking in what you said")

    def _send(self, event: Event) -> None:
        self.in_flight.add(str(event.body.get("key", "")))

    def _receive(self, event: Event) -> None:
        body = event.body
        self.in_flight.discard(str(body.get("key", "")))
        failed = bool(body.get("error"))
        self.count_call(str(body.get("key", "")), event.component, body.get("usage") or {}, failed=failed)

    def _integrate(self, event: Event) -> None:
        verdict = event.body.get("verdict")
        self.integration = from_json(Verdict, verdict) if verdict else None
        self._put_back(*self._proven)
        self._enter("finishing")

    def _resume(self, event: Event) -> None:
        self._stop_clock(self._last)
        self._span = event.ts
        self._limit(event)
        self.status, self.reason = "running", ""
        self.phase = "building" if self.plan else "reading the spec"
        self._nothing_runs()

    def _revise(self, event: Event) -> None:
        body = event.body
        plan = document.from_data(body.get("plan"))
        self._put_back(*self._proven)
        stale = set(_texts(body, "stale")) if "stale" in body else self._changed(plan)
        known, before = self.components, self.plan
        self.plan, self.title, self.integration = plan, plan.title, None
        self.revisions.append(revised(plan.revision, body))
        if before is None or body.get("author") != "evidence":
            self.phase = "waiting for approval"
        now = {c.id: c for c in plan.components}
        self._dependents = dict.fromkeys(now, ())
        self.components = {}
        for component in plan.components:
            old = known.get(component.id, State())
            # One that was blocked is tried again: what it stands on is another now, or is blocked anew right after.
            same = component.id not in stale and old.status != "blocked"
            self.components[component.id] = old if same else State(usage=old.usage)
            for dependency in component.depends_on:
                self._dependents[dependency] = (*self._dependents.get(dependency, ()), component.id)
        for component in plan.components:
            proven = self.components[component.id].status == "passed"
            unproven = tuple(
                d for d in component.depends_on if d in now and self.components[d].status != "passed" and not proven
            )
            self._set(component.id, waits_for=unproven)

    def _changed(self, plan: Plan) -> set[str]:
        """What a revision makes stale that does not say so itself: a proof stands for the component and the contracts
        it uses (``dag.component_key``)."""
        before = {c.id: c for c in self.plan.components} if self.plan else {}
        now = {c.id: c for c in plan.components}

        def same(name: str) -> bool:
            return before.get(name) == now[name] and all(
                d in before and d in now and before[d].contract == now[d].contract for d in now[name].depends_on
            )

        return {name for name in now if not same(name)}

    def _apply_to(self, name: str, event: Event) -> None:
        body = event.body
        match event.kind:
            case events.COMPONENT_READY:
                self._set(name, status="ready", blocked_by="", waits_for=())
            case events.COMPONENT_STARTED:
                fresh = State(status="running", usage=self.components[name].usage, started=event.ts)
                self.components[name] = fresh
                self._proven.pop(name, None)
                self._enter("building")
            case events.COMPONENT_STEP:
                self._step(name, body)
            case events.COMPONENT_ATTEMPT:
                self._set(
                    name,
                    attempts=_number(body, "number"),
                    passed=_number(body, "passed"),
                    total=_number(body, "total"),
                )
            case events.COMPONENT_DECISION:
                self._set(name, reason=str(body.get("reason", "")))
                if body.get("decision") == "stop":
                    self._put_back(name)
            case events.COMPONENT_PASSED | events.COMPONENT_KEPT:
                if self.components[name].status == "passed":
                    return  # a resumed run keeps what it proved itself: nothing new
                self._proven.pop(name, None)
                self._end(name, event, "passed")
                self._set(name, reason="", kept=event.kind == events.COMPONENT_KEPT)
                for dependent in self._dependents[name]:
                    left = tuple(d for d in self.components[dependent].waits_for if d != name)
                    self._set(dependent, waits_for=left)
            case events.COMPONENT_FAILED:
                self._end(name, event, "failed")
                self._set(name, reason=str(body.get("reason", "")) or self.components[name].reason)
            case events.COMPONENT_BLOCKED:
                self._set(name, status="blocked", step="", asks="", blocked_by=str(body.get("by", "")))
            case events.COMMITTED:
                self._set(name, commit=str(body.get("commit", "")))

    def _step(self, name: str, body: Mapping[str, Any]) -> None:
        if self.components[name].status == "passed":  # the whole did not pass, and it goes back to work
            self._proven[name] = self.components[name]
        step, attempt = str(body.get("step", "")), _number(body, "attempt")
        self._set(name, status="running", step=step, step_attempt=attempt, asks="")

    def _end(self, name: str, event: Event, status: Status) -> None:
        state = self.components[name]
        proof = event.body.get("proof") or {}
        cases = (proof.get("verdict") or {}).get("cases") or ()
        self._set(
            name,
            status=status,
            step="",
            asks="",
            waits_for=(),
            blocked_by="",
            seconds=event.ts - state.started if state.started and event.ts else state.seconds,
            attempts=_number(proof, "attempts") or state.attempts,
            passed=sum(c.get("outcome") == "passed" for c in cases) if cases else state.passed,
            total=len(cases) if cases else state.total,
        )

    def _finish(self, event: Event) -> None:
        self._stop_clock(event.ts)
        self.status = str(event.body.get("status", "")) or "finished"
        self.reason = str(event.body.get("reason") or "")
        self.phase = ""
        self._nothing_runs()
        if event.body.get("usage"):
            self.usage = from_json(Usage, dict(event.body["usage"]))

    def _interrupt(self, event: Event) -> None:
        self._stop_clock(event.ts)
        self.status, self.phase = "interrupted", ""
        self.reason = str(event.body.get("reason") or "")
        self._nothing_runs()

    def _nothing_runs(self) -> None:
        self.in_flight.clear()
        self._put_back(*self._proven)
        for name, state in self.components.items():
            if state.status in ("running", "ready", "waiting"):
                self._set(name, status="pending", step="", asks="")

    def _put_back(self, *names: str) -> None:
        """What was proven and could not be made better is what it was; what the attempt cost stays."""
        for name in names:
            if name in self._proven:
                self.components[name] = replace(self._proven.pop(name), usage=self.components[name].usage)

    def _stop_clock(self, ts: float) -> None:
        if self._span:
            self._seconds += max(ts - self._span, 0.0)
        self._span = 0.0

    def _set(self, name: str, **changes: Any) -> None:
        self.components[name] = replace(self.components[name], **changes)


def fold(stream: Iterable[Event]) -> RunState:
    """The :class:`RunState` after all of ``stream``, in order."""
    state = RunState()
    for event in stream:
        state.apply(event)
    return state


def _number(body: Mapping[str, Any], key: str) -> int:
    value = body.get(key)
    return value if isinstance(value, int) else 0


def _texts(body: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The texts in a list, or the ids of the components in it."""
    value = body.get(key)
    found = (
        (v.get("id", "") if isinstance(v, Mapping) else v for v in value) if isinstance(value, (list, tuple)) else ()
    )
    return tuple(str(v) for v in found)


def revised(revision: int, body: Mapping[str, Any]) -> Revised:
    """What a ``plan.revised`` says beside the plan."""
    edits = body.get("edits")
    return Revised(
        revision=revision,
        author=str(body.get("author") or ""),
        why=str(body.get("why") or ""),
        edits=tuple(edited(e) for e in edits if isinstance(e, Mapping)) if isinstance(edits, (list, tuple)) else (),
        stale=_texts(body, "stale"),
        added=_texts(body, "added"),
        dropped=_texts(body, "dropped"),
    )


# Words


def plain(text: str, most: int = 0) -> str:
    """``text`` on one line: white space collapsed, control, formatting and unassigned characters shown as ``�``.

    Args:
        text: anything.
        most: terminal cells it may take, 0 for any number; what is cut ends in ``…``.
    """
    line = "".join("\ufffd" if unicodedata.category(c).startswith("C") else c for c in " ".join(text.split()))
    return shortened(line, most) if most else line


def cells(text: str) -> int:
    """Terminal cells that ``text`` takes: wide characters two, combining ones none."""
    return sum(map(_cells, text))


def _cells(char: str) -> int:
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shortened(text: str, most: int) -> str:
    """``text``, or its beginning and ``…`` so that it takes at most ``most`` cells."""
    if cells(text) <= most:
        return text
    kept, room = [], most - 1
    for char in text:
        room -= _cells(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…" if most > 0 else ""


def doing(state: State) -> str:
    """What is being done to a running component, with the number of the try where it says something."""
    words = STEPS.get(state.step, plain(state.step, 30)) or "starting"
    return f"{words} ({state.step_attempt})" if state.step_attempt > 1 or state.step == "repair" else words


def tests_of(state: State) -> str:
    """``3/5 tests``, or nothing before the first verdict."""
    return "" if state.total is None else f"{state.passed}/{state.total} tests"


def names(ids: Sequence[str], most: int = 3) -> str:
    """The ids as a list for people: the first few, and how many more."""
    shown = ", ".join(plain(i, 40) for i in ids[:most])
    return shown + (f" and {len(ids) - most} more" if len(ids) > most else "")


def _lack(state: State) -> str:
    """Why a component is not proven."""
    if state.status == "failed":
        return state.reason or "no reason given"
    return describe(state)


def listed(ids: Sequence[str], most: int = 6) -> str:
    """The ids as part of a sentence: ``a, b and c``; ``nothing`` when there are none."""
    shown = [plain(i, 40) for i in ids[:most]] + ([f"{len(ids) - most} more"] if len(ids) > most else [])
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else "nothing"


def edited(edit: Mapping[str, Any]) -> Edited:
    """An edit of a plan as ``plan.revised`` has it (see ``graphs.edits``), in words. Never fails."""
    kind = str(edit.get("kind") or "")
    about = edit.get("component")
    name = plain(str(about.get("id", "") if isinstance(about, Mapping) else about or ""), 40) or "a component"
    match kind:
        case "split":
            what = f"{name} was split into {listed(_texts(edit, 'parts'))}"
        case "merge":
            merged = plain(str(edit.get("id") or ""), 40)
            what = f"{listed(_texts(edit, 'components'))} became one component, {merged}"
        case "add":
            what = f"{name} was added"
        case "drop":
            what = f"{name} was dropped"
        case "rewire":
            what = f"{name} now stands on {listed(_texts(edit, 'depends_on'))}"
        case "respecify":
            what = f"the contract of {name} was written anew"
        case _:
            what = f"{name} was changed"
    return Edited(kind, what, str(edit.get("reason") or ""), _texts(edit, "evidence"))


def describe(state: State) -> str:
    """Where a component stands, in a few words."""
    match state.status:
        case "pending":
            return f"waits for {names(state.waits_for)}" if state.waits_for else "not started"
        case "ready":
            return "waits for a slot"
        case "running":
            return " · ".join(filter(None, (doing(state), tests_of(state))))
        case "waiting":
            return f"asks you {plain(state.asks)}"
        case "passed":
            how = "kept" if state.kept else "passed"
            tries = f"{state.attempts} attempts" if state.attempts > 1 else ""
            return " · ".join(filter(None, (how, tests_of(state), tries)))
        case "failed":
            return " · ".join(filter(None, (f"failed: {plain(state.reason) or 'no reason given'}", tests_of(state))))
        case "blocked":
            return f"blocked by {plain(state.blocked_by, 40) or 'a failed component'}"
        case "skipped":
            return "skipped"


# Formats

States = Mapping[str, State]
"""Component id → what is known of it; empty when a plan is drawn that nobody runs."""
NOBODY_RUNS_IT: States = MappingProxyType({})

_DEEPEST = 10
"""From this depth on the tree indents no further, so that a chain of hundreds stays on the page."""


_MANY = 80
"""With more components Mermaid and DOT show ids only: Mermaid refuses texts of more than 50,000 characters."""


def _at(states: States, component_id: str) -> State | None:
    return states.get(component_id, State()) if states else None


def _figures(plan: Plan) -> str:
    f = dag.figures(plan)
    parts = [
        f"revision {plan.revision}",
        f"{f.components} component{'s' * (f.components != 1)}",
        f"{f.edges} dependenc{'ies' if f.edges != 1 else 'y'}",
        f"{f.depth} deep",
        f"up to {f.width} at once",
    ]
    return " · ".join(parts)


def _progress(plan: Plan, states: States) -> str:
    """How many components there are of each status that occurs; empty for a plan that nobody runs."""
    found = [states.get(c.id, State()).status for c in plan.components] if states else []
    return " · ".join(f"{SIGNS[status]} {found.count(status)} {status}" for status in SIGNS if status in found)


@dataclass(frozen=True)
class Branch:
    """One line of a plan drawn as a tree."""

    id: str
    """The component; it stands below the dependency it waits for longest."""
    lead: str
    """The connectors in front of it."""
    needs: str
    """The dependencies that the lines above do not show, in words; empty when there are none."""
    critical: bool
    """Whether it is on the critical path."""


def branches(plan: Plan) -> list[Branch]:
    """The lines of a sound plan as a tree, each component once, below what it stands on."""
    order = {c.id: i for i, c in enumerate(plan.components)}
    depth = {name: i for i, generation in enumerate(dag.levels(plan)) for name in generation}
    on_path = set(dag.critical_path(plan))
    needs = {c.id: [d for d in c.depends_on if d in order] for c in plan.components}
    parent = {
        name: max(above, key=lambda d: (depth[d], d in on_path, -order[d]), default="") for name, above in needs.items()
    }
    children: dict[str, list[str]] = {}
    for name in sorted(order, key=lambda n: (n not in on_path, order[n])):
        children.setdefault(parent[name], []).append(name)
    lines: list[Branch] = []
    todo = [(name, "", "", 0) for name in reversed(children.get("", []))]
    while todo:
        name, lead, below, level = todo.pop()
        deep = level > _DEEPEST
        others = [d for d in needs[name] if deep or d != parent[name]]
        words = f"[{'' if deep else 'also '}needs {names(others)}]" if others else ""
        lines.append(Branch(name, lead, words, name in on_path))
        mine = children.get(name, [])
        for i, child in reversed(list(enumerate(mine))):
            last = i == len(mine) - 1
            if level >= _DEEPEST:
                todo.append((child, f"{below}└┄ ", below, level + 1))
            else:
                todo.append((child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "), level + 1))
    return lines


def tree(plan: Plan, states: States = NOBODY_RUNS_IT, width: int = 100) -> str:
    """The plan as text, one line per component, each below the dependency it stands on most deeply.

    Further dependencies are named in brackets; ``*`` marks the critical path.

    Args:
        plan: a sound plan.
        states: what is known of each component; empty to see purposes instead.
        width: most terminal cells per line, at least 40.
    """
    purposes = {c.id: c.purpose for c in plan.components}
    top = (plain(plan.title), _figures(plan), _progress(plan, states))
    lines = [*(shortened(line, width) for line in top if line), ""]
    drawn = branches(plan)
    for branch in drawn:
        state = _at(states, branch.id)
        sign = f"{SIGNS[state.status]} " if state else ""
        head = f"{branch.lead}{sign}{plain(branch.id, 40)}{' *' * branch.critical}  "
        needs = f" {branch.needs}" * bool(branch.needs)
        words = describe(state) if state else plain(purposes[branch.id])
        room = max(width - cells(head) - cells(needs), 20)
        lines.append(shortened(f"{head}{shortened(words, room)}{needs}", width))
    lines += ["", f"* critical path: {sum(b.critical for b in drawn)} of {len(drawn)} in a row"]
    return "\n".join(lines) + "\n"


def _edges(plan: Plan) -> list[tuple[int, int, bool]]:
    """(number of the dependency, number of the dependent, on the critical path), by dependent in plan order."""
    number = {c.id: i for i, c in enumerate(plan.components)}
    path = dag.critical_path(plan)
    critical = set(pairwise(path))
    return [
        (number[d], number[c.id], (d, c.id) in critical) for c in plan.components for d in c.depends_on if d in number
    ]


def _label(plan: Plan, states: States, number: int, most: int) -> list[str]:
    component = plan.components[number]
    state = _at(states, component.id)
    sign = f"{SIGNS[state.status]} " if state else ""
    lines = [f"{sign}{plain(component.id, 40)}"]
    if len(plan.components) > _MANY:
        return lines
    lines.append(plain(component.purpose, most))
    return [*lines, plain(describe(state), most)] if state else lines


def mermaid(plan: Plan, states: States = NOBODY_RUNS_IT) -> str:
    """The plan as a Mermaid flowchart; thick arrows are the critical path."""
    critical = set(dag.critical_path(plan))
    lines = ["---", f"title: {_yaml(plan.title)}", "---", "flowchart LR"]
    for i, component in enumerate(plan.components):
        label = "<br/>".join(map(_entities, _label(plan, states, i, 60)))
        state = _at(states, component.id)
        lines.append(f'  n{i}["{label}"]:::{state.status if state else "planned"}')
    lines += [f"  n{a} {'==>' if thick else '-->'} n{b}" for a, b, thick in _edges(plan)]
    used = {state.status if (state := _at(states, c.id)) else "planned" for c in plan.components}
    for name, paint in ((name, _PAINT[name]) for name in _PAINT if name in used):
        lines.append(f"  classDef {name} fill:{paint.fill},stroke:{paint.line},color:#111111;")
    if thick_boxes := [f"n{i}" for i, c in enumerate(plan.components) if c.id in critical]:
        lines += ["  classDef critical stroke-width:3px;", f"  class {','.join(thick_boxes)} critical;"]
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """Text inside a quoted Mermaid label: everything that could mean something is a numbered entity."""
    return "".join(c if c.isalnum() or c in " .,:_/()+=·-…✓✗▶▷○⊘–" else f"#{ord(c)};" for c in text)


def _yaml(text: str) -> str:
    return '"' + plain(text, 100).replace("\\", "\\\\").replace('"', '\\"') + '"'


def dot(plan: Plan, states: States = NOBODY_RUNS_IT) -> str:
    """The plan for Graphviz; thick arrows are the critical path."""
    critical = set(dag.critical_path(plan))
    lines = [
        "digraph plan {",
        f"  label={_quoted([plain(plan.title, 100)])};",
        "  labelloc=t;",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
    ]
    for i, component in enumerate(plan.components):
        state = _at(states, component.id)
        paint = _PAINT[state.status if state else "planned"]
        width = 3 if component.id in critical else 1
        lines.append(
            f"  n{i} [label={_quoted(_label(plan, states, i, 60))}, "
            f'fillcolor="{paint.fill}", color="{paint.line}", penwidth={width}];'
        )
    lines += [f"  n{a} -> n{b}{' [penwidth=3]' * thick};" for a, b, thick in _edges(plan)]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(lines: Iterable[str]) -> str:
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'


def as_json(plan: Plan, states: States = NOBODY_RUNS_IT) -> dict[str, Any]:
    """The plan and what is known of it as plain data.

    Returns:
        ``version`` (1), ``title``, ``revision``, ``entry``, ``figures`` (fields of ``dag.Figures``), ``critical_path``
        (ids, first to last) and ``components``: for each ``id``, ``purpose``, ``kind``, ``files``, ``depends_on``,
        ``requirements``, ``level`` (0 for those without dependencies), ``critical`` and ``state`` (the fields of
        :class:`State`, or null when nobody runs the plan).
    """
    critical = dag.critical_path(plan)
    level = {name: i for i, generation in enumerate(dag.levels(plan)) for name in generation}
    return {
        "version": JSON_VERSION,
        "title": plan.title,
        "revision": plan.revision,
        "entry": plan.entry,
        "figures": to_json(dag.figures(plan)),
        "critical_path": critical,
        "components": [
            {
                "id": c.id,
                "purpose": c.purpose,
                "kind": c.kind,
                "files": list(c.files),
                "depends_on": list(c.depends_on),
                "requirements": list(c.requirements),
                "level": level[c.id],
                "critical": c.id in critical,
                "state": to_json(_at(states, c.id)),
            }
            for c in plan.components
        ],
    }


@dataclass(frozen=True)
class _Paint:
    """Colours of a box; contrast of text on ``fill`` is at least 7 to 1 in both themes."""

    fill: str
    line: str
    dark_fill: str
    dark_line: str


_PAINT: Mapping[str, _Paint] = {
    "planned": _Paint("#f3f4f6", "#6b7280", "#23272e", "#9aa3af"),
    "pending": _Paint("#f3f4f6", "#6b7280", "#23272e", "#9aa3af"),
    "ready": _Paint("#e8ecf7", "#4b5f9e", "#222a40", "#8fa5e8"),
    "running": _Paint("#dbeafe", "#1d4ed8", "#172c4f", "#7fb0ff"),
    "waiting": _Paint("#ede4fb", "#6b3fa0", "#2c1f40", "#b794f6"),
    "passed": _Paint("#dcf3e2", "#1f7a37", "#14331d", "#5fc47b"),
    "failed": _Paint("#fde0dd", "#b3261e", "#421815", "#ff8a80"),
    "blocked": _Paint("#fbeccb", "#8a5a00", "#3a2d0c", "#e3b341"),
    "skipped": _Paint("#f3f4f6", "#6b7280", "#23272e", "#9aa3af"),
}
_MARGIN, _TOP = 24.0, 72.0


def svg(plan: Plan, states: States = NOBODY_RUNS_IT) -> str:
    """The plan as a stand-alone SVG: columns of what could be built at once, lines from left to right.

    Status is told by sign and colour, the critical path by thick lines; it follows the reader's light or dark theme.
    """
    sizes = Sizes()
    placed = layout(plan, sizes)
    critical = set(dag.critical_path(plan))
    width = max(placed.width, 520.0) + 2 * _MARGIN
    height = placed.height + _TOP + _MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-labelledby="title headline">',
        f"<style>{_style()}</style>",
        f"<defs>{_tip('thin', 8)}{_tip('thick', 12)}</defs>",
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
        f'<text id="title" class="title" x="{_MARGIN:.0f}" y="32">{_xml(plan.title, int(width / 10))}</text>',
        f'<text id="headline" class="small" x="{_MARGIN:.0f}" y="52">'
        f"{_xml(_progress(plan, states) or _figures(plan), int(width / 6))} · thick: critical path</text>",
        f'<g transform="translate({_MARGIN:.0f} {_TOP:.0f})">',
    ]
    out += _lines(plan, placed)
    for i, component in enumerate(plan.components):
        state = _at(states, component.id)
        kind = state.status if state else "planned"
        x, y = placed.boxes[component.id]
        name = _xml(component.id, 26)
        if state and state.status == "pending":
            name = f'<tspan dx="14">{name}</tspan>'
        elif state:
            name = f"{SIGNS[state.status]} {name}"
        texts = [("name", 20, name), *_purpose(component.purpose, rows=1 if state else 2)]
        if state:
            texts.append(("small", 62, _xml(describe(state), 36)))
        about = f"{component.id}: {component.purpose}" + (f" ({describe(state)})" if state else "")
        out.append(f'<g class="box {kind}{" critical" * (component.id in critical)}" id="n{i}">')
        out.append(f"<title>{_xml(about, 600)}</title>")
        out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{sizes.width:.0f}" height="{sizes.height:.0f}" rx="8"/>')
        if state and state.status == "pending":  # few fonts have an hourglass
            out.append(f'<path class="sign" d="M{x + 12:.1f} {y + 10:.1f}h8l-8 11h8z"/>')
        out += (f'<text class="{c}" x="{x + 12:.1f}" y="{y + dy:.1f}">{text}</text>' for c, dy, text in texts)
        out.append("</g>")
    return "\n".join([*out, "</g>", "</svg>"]) + "\n"


def _tip(name: str, size: int) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="{size}" markerHeight="{size}" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" class="tip {name}"/></marker>'
    )


def _lines(plan: Plan, placed: Layout) -> list[str]:
    path = dag.critical_path(plan)
    critical = set(pairwise(path))
    drawn = []
    for ends in sorted(placed.lines, key=lambda ends: ends in critical):
        points = placed.lines[ends]
        steps = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
        for i in range(0, len(points), 2):
            (x, y), (next_x, next_y) = points[i], points[i + 1]
            middle = (x + next_x) / 2
            steps.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {next_y:.1f} {next_x:.1f} {next_y:.1f}")
            if i + 2 < len(points):
                steps.append(f"H{points[i + 2][0]:.1f}")
        thick = " critical" * (ends in critical)
        tip = "thick" if thick else "thin"
        drawn.append(f'<path class="line{thick}" marker-end="url(#{tip})" d="{" ".join(steps)}"/>')
    return drawn


def _purpose(text: str, rows: int) -> list[tuple[str, int, str]]:
    """The purpose in at most ``rows`` lines of a box: (class, offset from its top, escaped text)."""
    room, lines, rest = 36, [], plain(text)
    for row in range(rows):
        cut = shortened(rest, room)
        if row < rows - 1 and cut != rest:
            whole = cut.removesuffix("…").rpartition(" ")[0] or cut.removesuffix("…")
            cut, rest = whole, rest[len(whole) :].lstrip()
        else:
            rest = ""
        lines.append(("small", 40 + 17 * row, _xml(cut)))
        if not rest:
            break
    return lines


def _xml(text: str, most: int = 0) -> str:
    return html.escape(plain(text, most), quote=True)


def _style() -> str:
    light = "".join(f".{k} rect{{fill:{p.fill};stroke:{p.line}}}" for k, p in _PAINT.items())
    dark = "".join(f".{k} rect{{fill:{p.dark_fill};stroke:{p.dark_line}}}" for k, p in _PAINT.items())
    return (
        ".page{fill:#ffffff}text{fill:#111827;font-family:system-ui,sans-serif}.title{font-size:18px;font-weight:600}"
        ".name{font:600 13px ui-monospace,monospace}.small{font-size:11px}.box rect{stroke-width:1.2}"
        ".box.critical rect{stroke-width:3}.skipped rect,.blocked rect{stroke-dasharray:5 3}"
        ".line{fill:none;stroke:#6b7280;stroke-width:1.2}.line.critical{stroke:#111827;stroke-width:3}"
        f".tip{{fill:#6b7280}}.tip.thick{{fill:#111827}}.sign{{fill:#111827}}{light}"
        "@media (prefers-color-scheme:dark){.page{fill:#0f1216}text{fill:#f3f4f6}.line{stroke:#9aa3af}"
        f".line.critical{{stroke:#f3f4f6}}.tip{{fill:#9aa3af}}.tip.thick,.sign{{fill:#f3f4f6}}{dark}}}"
    )
