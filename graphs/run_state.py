"""What is known of a run, folded from its events: the terminal, the page and the drawings read the same fold. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from graphs import document, events
from graphs.errors import AgentError
from graphs.events import Event
from graphs.status import SIGNS, Case, Level, State, describe
from graphs.text import listed, plain
from graphs.values import Feedback, Limits, Plan, Status, Usage, Verdict, from_json

AWAITS_APPROVAL = "waiting for approval"
"""Phase of a run whose plan nobody has let pass yet."""


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
class Altered:
    """A test that was changed, added or taken out after the tests were frozen."""

    component: str
    """Whose test."""
    id: str
    """Which."""
    reason: str
    """Why."""


@dataclass(frozen=True)
class Sums:
    """What is proven of what was asked, as of a delivery."""

    covered: Mapping[str, tuple[str, ...]]
    """Requirement id → ids of the proven tests and examples tied to it."""
    unproven: Mapping[str, str]
    """Requirement or test id → why it is not proven; hostile."""


class RunState:
    """A run as the fold of its events, those of resumed runs included."""

    base = ""
    """The commit of the program that is changed; empty where everything is new."""

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
        self.approved = False
        """Whether it was let pass; what evidence makes of a plan needs no new word."""
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
        self.amended: list[Altered] = []
        """Tests that were replaced."""
        self.added: list[Altered] = []
        """Tests that were written for what went unnoticed; which of them stayed is in the components."""
        self.dropped: list[Altered] = []
        """Tests that came late, and were taken out again."""
        self.quarantined: list[Altered] = []
        """Tests that were taken out because chance decides them."""
        self.sums: Sums | None = None
        """What is proven of what was asked; ``None`` before the first delivery of the plan in force."""
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
        self._seconds = self._span = self._last = 0.0
        self._handlers: Mapping[str, Callable[[Event], None]] = {
            events.RUN_STARTED: self._start,
            events.RUN_RESUMED: self._resume,
            events.REQUIREMENTS_READ: lambda _: self._enter("decomposing"),
            events.PLAN_REVISED: self._revise,
            events.PLAN_APPROVED: lambda _: self._approve(),
            events.CALL_STARTED: self._send,
            events.CALL_FINISHED: self._receive,
            events.INTEGRATION_STARTED: lambda _: self._enter("testing the whole"),
            events.INTEGRATION_FINISHED: self._integrate,
            events.RUN_FINISHED: self._finish,
            events.RUN_INTERRUPTED: self._interrupt,
            events.NOTE: self._note,
            events.QUESTION_ASKED: self._ask,
            events.QUESTION_ANSWERED: self._answer,
            events.TEST_AMENDED: lambda event: self._alter(self.amended, event),
            events.TESTS_ADDED: self._add,
            events.TEST_DROPPED: lambda event: self._alter(self.dropped, event),
            events.TEST_QUARANTINED: lambda event: self._alter(self.quarantined, event),
            events.PROOF_SUMMED: self._sum,
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
        existing = event.body.get("existing")
        self.base = str(existing["commit"]) if isinstance(existing, Mapping) else ""
        self._limit(event)

    def _limit(self, event: Event) -> None:
        if isinstance(event.body.get("limits"), Mapping):
            self.limits = from_json(Limits, dict(event.body["limits"]))

    def _note(self, event: Event) -> None:
        _once(self.notes, str(event.body.get("text", "")))

    def _enter(self, phase: str) -> None:
        self.phase = phase

    def _approve(self) -> None:
        self.approved = True
        self._enter("building")

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

    def _alter(self, known: list[Altered], event: Event) -> None:
        _once(known, Altered(event.component, str(event.body.get("id", "")), str(event.body.get("reason", ""))))

    def _add(self, event: Event) -> None:
        for test_id in _texts(event.body, "ids"):
            noticed = "; ".join(changes_of(event.body).values())
            _once(self.added, Altered(event.component, test_id, noticed))

    def _sum(self, event: Event) -> None:
        covered, unproven = event.body["covered"], event.body["unproven"]
        self.sums = Sums({str(i): _texts(covered, i) for i in covered}, {str(i): str(w) for i, w in unproven.items()})

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
        self.phase = ("building" if self.approved else AWAITS_APPROVAL) if self.plan else "reading the spec"
        self._nothing_runs()

    def _revise(self, event: Event) -> None:
        body = event.body
        plan = document.from_data(body.get("plan"))
        self._put_back(*self._proven)
        stale = set(_texts(body, "stale")) if "stale" in body else self._changed(plan)
        known, before = self.components, self.plan
        self.plan, self.title, self.integration, self.sums = plan, plan.title, None, None
        self.revisions.append(revised(plan.revision, body))
        if before is None or body.get("author") != "evidence":
            self.phase, self.approved = AWAITS_APPROVAL, False
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
            case events.STRENGTH_MEASURED:
                self._set(name, strength=level_of(body.get("strength")))
            case events.COMPONENT_DECISION:
                self._set(name, reason=str(body.get("reason", "")), fault=str(body.get("fault") or ""))
                if body.get("decision") == "stop":
                    self._put_back(name)
            case events.COMPONENT_PASSED | events.COMPONENT_KEPT:
                self._prove(name, event)
            case events.COMPONENT_FAILED:
                self._end(name, event, "failed")
                self._set(name, reason=str(body.get("reason", "")) or self.components[name].reason)
            case events.COMPONENT_BLOCKED:
                self._set(name, status="blocked", step="", asks="", blocked_by=str(body.get("by", "")))
            case events.COMPONENT_RETRIED:
                self._forget(name)
            case events.COMMITTED:
                self._set(name, commit=str(body.get("commit", "")))

    def _step(self, name: str, body: Mapping[str, Any]) -> None:
        if self.components[name].status == "passed":  # the whole did not pass, and it goes back to work
            self._proven[name] = self.components[name]
        step, attempt = str(body.get("step", "")), _number(body, "attempt")
        self._set(name, status="running", step=step, step_attempt=attempt, asks="")

    def _forget(self, name: str) -> None:
        """The failure of a component, and that others are blocked by it."""
        self._set(name, status="pending", reason="", fault="")
        for other, state in self.components.items():
            if state.status == "blocked" and state.blocked_by == name:
                self._set(other, status="pending", blocked_by="")

    def _prove(self, name: str, event: Event) -> None:
        if self.components[name].status == "passed":
            return  # a resumed run keeps what it proved itself: nothing new
        self._proven.pop(name, None)
        self._end(name, event, "passed")
        self._set(name, reason="", fault="", kept=event.kind == events.COMPONENT_KEPT)
        for dependent in self._dependents[name]:
            left = tuple(d for d in self.components[dependent].waits_for if d != name)
            self._set(dependent, waits_for=left)

    def _end(self, name: str, event: Event, status: Status) -> None:
        state = self.components[name]
        proof = event.body.get("proof") or {}
        tests = _tests(proof)
        self._set(
            name,
            status=status,
            step="",
            asks="",
            waits_for=(),
            blocked_by="",
            seconds=event.ts - state.started if state.started and event.ts else state.seconds,
            attempts=_number(proof, "attempts") or state.attempts,
            passed=sum(test.outcome == "passed" for test in tests) if tests else state.passed,
            total=len(tests) if tests else state.total,
            tests=tests,
            quarantined={str(i): str(why) for i, why in _mapping(proof, "quarantined").items()},
            strength=level_of(proof.get("strength")),
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


def _once(known: list[Any], fact: Any) -> None:
    """A resumed run goes through much once more: nothing is noted twice."""
    if fact not in known:
        known.append(fact)


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


def _mapping(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key)
    return value if isinstance(value, Mapping) else {}


def _tests(proof: Mapping[str, Any]) -> tuple[Case, ...]:
    """The declared tests and examples of a proof that is plain JSON."""
    provenance, covers = _mapping(proof, "provenance"), _mapping(proof, "covers")
    proves = {requirement: _texts(covers, requirement) for requirement in covers}
    found = []
    for case in (proof.get("verdict") or {}).get("cases") or ():
        name = str(case.get("id"))
        requirements = tuple(requirement for requirement, ids in proves.items() if name in ids)
        found.append(Case(name, str(case.get("outcome")), str(provenance.get(name) or ""), requirements))
    return tuple(found)


def level_of(strength: Any) -> Level | None:
    """The figures of a ``graphs.values.Strength`` that is plain JSON; ``None`` for what is none. Never fails."""
    if not isinstance(strength, Mapping):
        return None
    mutants = strength.get("mutants")
    tried = [m for m in mutants if isinstance(m, Mapping)] if isinstance(mutants, (list, tuple)) else []
    return Level(
        killed=sum(bool(m.get("killed_by")) for m in tried),
        total=len(tried),
        left=_number(strength, "left"),
        lines=_number(strength, "lines"),
        reached=_number(strength, "reached"),
        reason=str(strength.get("reason") or ""),
    )


def changes_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Mutant id → what was changed, of ``tests.added``; hostile. Never fails."""
    return {str(mutant): str(change) for mutant, change in _mapping(body, "changes").items()}


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


def _lack(state: State) -> str:
    """Why a component is not proven."""
    if state.status == "failed":
        return state.reason or "no reason given"
    return describe(state)
