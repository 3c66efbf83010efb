"""One run as a record: what was asked, what was answered, what execution said, and what became of it. Made from its journal alone.

Texts (the specification, messages, answers, delivered files) stand beside the record, once each, under their SHA-256: a prompt
that the next call repeats costs a line of digests.
"""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agent.config import OPTIONS, PATH, PER_ROLE, ROLES, Settings
from agent.dataset.redact import sha256_of
from agent.models.journaled import PART
from agent.store.journal import JournalReader, StoredCall
from graphs import document, events
from graphs.errors import JournalError
from graphs.run_state import RunState, fold
from graphs.status import Level
from graphs.values import from_json, to_json

SCHEMA = "run/1"
"""The name of what is written here; ``run-1.schema.json`` says what it holds."""
_TOLD_ELSEWHERE = ("output", "model", "base_url", "api_key_env", "strategy", "collect", *PER_ROLE)
"""Settings that are told elsewhere in the record, cleaned, or say nothing about a run."""


@dataclass(frozen=True)
class Call:
    """One model call that ended, or was lost."""

    key: str
    """Its content key in the journal."""
    component: str
    """The component it was for; empty for the run as a whole."""
    step: str
    """``plan``, ``tests``, ``code``…"""
    attempt: int
    """Which try of that step."""
    asked: str
    """The model that was named, without the path of a file."""
    served: str
    """The model that answered, as it named itself; empty where nothing came."""
    state: str
    """``done``, ``failed``, ``part`` (a try that was not to bring a whole answer) or ``lost`` (sent, no end known)."""
    read: str
    """``at once``, ``again`` (of use, after one that was not), ``no use`` (asked again), ``given up``; empty: nobody read it."""
    strategy: str
    """The way it was asked in; empty where nobody read it."""
    problems: tuple[str, ...]
    """Why the answer was of no use."""
    messages: tuple[Mapping[str, str], ...]
    """``{role, sha256}`` of each message."""
    answer: str | None
    """SHA-256 of the answer; ``None`` where none came."""
    error: str
    """Why none came; empty where one did."""
    form: Mapping[str, str] | None
    """What the answer was held to: ``{kind, name, digest}``; ``None`` for nothing."""
    temperature: float | None
    """Sampling temperature; ``None`` where it was left to the endpoint."""
    usage: Mapping[str, Any]
    """What it cost, in the fields of ``graphs.values.Usage``."""
    seconds: float
    """Wall time."""
    ended: str
    """When, in UTC (ISO 8601)."""


@dataclass(frozen=True)
class Judged:
    """One verdict."""

    component: str
    """On which component; empty for the assembled repository."""
    number: int
    """Which attempt, from 1; 0 for the assembled repository."""
    revision: int
    """The revision of the plan in force."""
    step: str
    """What had been done before it: ``code``, ``repair``, ``candidate``, ``amend``… or ``integration``."""
    status: str
    """``passed``, ``failed``, ``error`` or ``timeout``."""
    passing: int
    """Tests and examples that passed."""
    failing: int
    """Those that did not."""
    seconds: float
    """Wall time in the sandbox."""


@dataclass(frozen=True)
class Part:
    """What became of one component of the final plan."""

    id: str
    """Its id."""
    status: str
    """``passed``, ``failed``, ``blocked``…"""
    attempts: int
    """Code answers judged."""
    kept: bool
    """Proven in an earlier run, and taken over."""
    strength: Level | None
    """How many changes of its code its tests noticed; ``None`` where that was not measured."""


@dataclass(frozen=True)
class Delivered:
    """One file that was delivered."""

    path: str
    """In the repository."""
    sha256: str
    """Of its text."""
    component: str
    """Whose file it is."""
    test: bool
    """Whether it is one of the frozen tests."""


@dataclass(frozen=True)
class Hidden:
    """What hidden tests said of the result of a run: the strongest label there is."""

    suite: str
    """Which set of tasks."""
    task: str
    """Which task of it."""
    passed: bool
    """All hidden tests passed."""
    score: float
    """The share of them that passed, 0 to 1."""


@dataclass(frozen=True)
class Labels:
    """How good the result was, by who said so. ``None``: nobody said."""

    own_tests: str | None = None
    """The verdict on the assembled repository by the run's own tests, or ``failed`` where components failed."""
    ran: bool | None = None
    """Did it run? The user's answer on what is delivered now; an answer on an earlier delivery is in ``feedback`` only."""
    worked: bool | None = None
    """Did it do what was asked?"""
    perfect: bool | None = None
    """Was nothing left to wish for?"""
    hidden: Hidden | None = None
    """What hidden tests said; set by benchmarks."""


@dataclass(frozen=True)
class Record:
    """One run. Written once and completed by labels; a program that knows more may add fields to it."""

    schema: str
    """``run/1``."""
    run: str
    """The run's id."""
    program: Mapping[str, str]
    """``{name, version, python}``: the program that began it, the Python that wrote the record."""
    started: str
    """When, in UTC (ISO 8601)."""
    written: str
    """When the record was."""
    labels: Labels
    """How good the result was."""
    outcome: Mapping[str, Any]
    """``{status, reason, usage, seconds}``; seconds in work, pauses left out."""
    spec: Mapping[str, Any]
    """``{title, digest, characters, sha256}``: digest of the source, length and digest of the text without its front matter."""
    settings: Mapping[str, Any]
    """What was configured, without paths and addresses' passwords; never a key."""
    models: Mapping[str, Any]
    """``{asked: {role: name}, served: [names]}``."""
    strategies: Mapping[str, str]
    """Role → how the model was asked."""
    prompts: Mapping[str, str]
    """Prompt → digest of its file."""
    exemplars: tuple[str, ...]
    """The plans that were shown to the planner."""
    plan: Mapping[str, Any]
    """``{final, revisions}``: the plan as in plan.yaml (``None`` before there was one), and how it came to be that."""
    components: tuple[Part, ...]
    """What became of the parts of the final plan."""
    verdicts: tuple[Judged, ...]
    """What execution said, in order."""
    calls: tuple[Call, ...]
    """The model calls, in the order in which they ended."""
    delivered: tuple[Delivered, ...]
    """The files of a run that passed; of another one nothing."""
    feedback: tuple[Mapping[str, Any], ...]
    """All that the user said of results, oldest first: ``{revision, ran, worked, perfect, text}``."""
    redaction: Mapping[str, Any] = field(default_factory=lambda: {"layers": [], "found": {}})
    """``{layers, found}``: what was looked for in the record, and in how many places it was found."""


class _Texts(dict[str, str]):
    """SHA-256 → text."""

    def put(self, text: str) -> str:
        digest = sha256_of(text)
        self[digest] = text
        return digest


def build(journal: JournalReader) -> tuple[dict[str, Any], dict[str, str]]:
    """The record of a run as plain JSON, and its texts; nothing is taken out of either yet.

    ``JournalError`` when the journal cannot be read or holds no run.
    """
    began = next(journal.events(kind=events.RUN_STARTED), None)
    if began is None:
        raise JournalError(f"the run in {str(journal.run_dir)!r} ended before it began: there is nothing to record")
    body = began.body
    settings = from_json(Settings, body["settings"])
    state, texts = fold(journal.events()), _Texts()
    calls = _calls(journal, texts)
    spec = body["spec"]
    said = _feedback(journal)
    record = Record(
        schema=SCHEMA,
        run=journal.run_dir.name,
        program={"name": "stepgraph", "version": str(body["version"]), "python": platform.python_version()},
        started=_iso(began.ts),
        written=_iso(time.time()),
        labels=_labels(state, said),
        outcome={
            "status": state.status,
            "reason": state.reason,
            "usage": to_json(state.usage),
            "seconds": round(state.elapsed(time.time()), 3),
        },
        spec={
            "title": spec["title"],
            "digest": spec["digest"],
            "characters": len(spec["text"]),
            "sha256": texts.put(spec["text"]),
        },
        settings=_settings(body["settings"]),
        models={
            "asked": {role: without_path(settings.model_for(role) or "") for role in ROLES},
            "served": sorted({call.served for call in calls if call.served}),
        },
        strategies={role: settings.strategy_for(role) for role in ROLES},
        prompts=dict(body.get("prompts") or {}),
        exemplars=_exemplars(journal),
        plan={
            "final": document.to_data(state.plan) if state.plan else None,
            "revisions": to_json(state.revisions),
        },
        components=tuple(
            Part(name, known.status, known.attempts, known.kept, known.strength)
            for name, known in state.components.items()
        ),
        verdicts=_verdicts(journal),
        calls=calls,
        delivered=_delivered(journal, state, texts) if state.status == "passed" else (),
        feedback=tuple(said),
    )
    return to_json(record), dict(texts)


def without_path(model: str) -> str:
    """The name of a model without the directory of a file in it: ``replay:recording.jsonl``."""
    return re.sub(r"(^|:)/(?!/)(?:.*/)?", r"\1", model)


def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
    paths = {key for key, option in OPTIONS.items() if option.kind is PATH}
    kept = {key: value for key, value in data.items() if key not in paths and key not in _TOLD_ELSEWHERE}
    url = re.sub(r"(?<=://)[^/@]*@", "", str(data.get("base_url") or "")).partition("?")[0]
    return {**kept, "base_url": url or None}


def _calls(journal: JournalReader, texts: _Texts) -> tuple[Call, ...]:
    read: dict[str, Mapping[str, Any]] = {}
    last: dict[tuple[Any, ...], str] = {}
    """Question → key of the latest answer to it: when that was of no use either, the question was given up."""
    for event in journal.events(kind=events.ANSWER_READ):
        read[event.body["key"]] = event.body
        last[event.component, event.body["step"], event.body["attempt"]] = event.body["key"]
    ends = set(last.values())
    made = [_call(call, read.get(call.key), call.key in ends, texts) for call in journal.calls()]
    return (*made, *(_call(call, None, False, texts) for call in journal.open_calls()))


def _call(call: StoredCall, read: Mapping[str, Any] | None, last: bool, texts: _Texts) -> Call:
    request, response = call.request or {}, call.response or {}
    error = str(response.get("error") or "")
    lost = call.state == "started"
    use = ""
    if read is not None and call.state == "done":
        good = "at once" if read["number"] == 1 else "again"
        use = good if not read["problems"] else "given up" if last else "no use"
    form = request.get("form")
    return Call(
        key=call.key,
        component=call.component,
        step=call.step,
        attempt=call.attempt,
        asked=without_path(call.model),
        served=without_path(str(response.get("model") or "")),
        state="lost" if lost else "part" if error == PART else call.state,
        read=use,
        strategy=str(read["strategy"]) if read is not None and use else "",
        problems=tuple(map(str, read["problems"])) if read is not None and use else (),
        messages=tuple({"role": m["role"], "sha256": texts.put(m["content"])} for m in request.get("messages") or ()),
        answer=texts.put(response["text"]) if "text" in response else None,
        error=error,
        form=form and {name: str(form[name]) for name in ("kind", "name", "digest")},
        temperature=request.get("temperature"),
        usage={} if lost else dict(call.usage),
        seconds=round(call.seconds, 3),
        ended=_iso(call.ts),
    )


def _verdicts(journal: JournalReader) -> tuple[Judged, ...]:
    """Each once: a resumed run goes through its attempts again."""
    found: dict[tuple[Any, ...], Judged] = {}
    for event in journal.events(kind=(events.COMPONENT_ATTEMPT, events.INTEGRATION_FINISHED)):
        verdict = event.body["verdict"]
        cases = verdict.get("cases") or ()
        passing = sum(case["outcome"] == "passed" for case in cases)
        judged = Judged(
            component=event.component,
            number=int(event.body.get("number") or 0),
            revision=event.revision,
            step=str(event.body.get("step") or "integration"),
            status=str(verdict["status"]),
            passing=passing,
            failing=len(cases) - passing,
            seconds=round(float(verdict.get("seconds") or 0.0), 3),
        )
        found.setdefault((judged.component, judged.revision, judged.number, judged.step, judged.seconds), judged)
    return tuple(found.values())


def _delivered(journal: JournalReader, state: RunState, texts: _Texts) -> tuple[Delivered, ...]:
    proofs: dict[str, Mapping[str, Any]] = {}
    for event in journal.events(kind=(events.COMPONENT_PASSED, events.COMPONENT_KEPT)):
        if event.component in state.components:
            proofs[event.component] = event.body.get("proof") or {}
    return tuple(
        Delivered(path, texts.put(text), name, test)
        for name, proof in proofs.items()
        for test, files in ((False, proof.get("files")), (True, proof.get("tests")))
        for path, text in sorted((files or {}).items())
    )


def _exemplars(journal: JournalReader) -> tuple[str, ...]:
    chosen = list(journal.events(kind=events.EXEMPLARS_CHOSEN))
    return tuple(map(str, chosen[-1].body.get("names") or ())) if chosen else ()


def _feedback(journal: JournalReader) -> list[dict[str, Any]]:
    """What was said, with the revision of the plan it was said of."""
    said: list[dict[str, Any]] = []
    revision = 0
    for event in journal.events(kind=(events.PLAN_REVISED, events.FEEDBACK_GIVEN)):
        if event.kind == events.PLAN_REVISED:
            revision = max(revision, event.revision)
        else:
            words = {name: event.body[name] for name in ("ran", "worked", "perfect", "text")}
            said.append({"revision": revision, **words})
    return said


def _labels(state: RunState, said: list[dict[str, Any]]) -> Labels:
    own = state.integration.status if state.integration else None
    own = "failed" if own is None and state.status == "failed" else own
    now = said[-1] if said and state.plan is not None and said[-1]["revision"] == state.plan.revision else {}
    return Labels(own, now.get("ran"), now.get("worked"), now.get("perfect"))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
