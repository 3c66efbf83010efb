"""One small specification built in every arm: strategy × place. Shows what a form costs and forces, not how well a model does.

Without a model the answers come from a recording, through the very ways that models are reached: a loopback server (real
HTTP, the real ``Endpoint``) and the local engine (``local:replay:``). Then once more with a *stated fault* in every first
answer, drawn up in :data:`FAULTS`: a model that is told what was wrong gives the recorded answer. That is a caricature of a
model, and no measurement of one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphs.errors import AnswerError, ConfigError, ModelError, ModelRefused, PlanError

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.models.replay import Call
    from graphs.values import Plan, Spec

SPEC = Path(__file__).parent / "specs" / "durations"
"""What is built when nothing else is named: two functions, four questions."""
RECORDING = "recording.jsonl"
"""Beside ``spec.md`` in the folder of a specification: a live model's answers, unedited."""
FORM_FAULTS = ("form ignored", "form not taken")
"""Faults of a question which say that the model cannot do what an arm needs."""


# -- arms and outcomes


@dataclass(frozen=True)
class Arm:
    """A way of asking, and where the model is."""

    strategy: str
    """Name of the strategy: ``plain``, ``guided`` or ``native``."""
    place: str = ""
    """``server`` or ``local`` where both are tried; empty where a model was named and is where it is."""

    @property
    def name(self) -> str:
        """For tables and ``--arms``."""
        return f"{self.strategy}@{self.place}" if self.place else self.strategy


SCRIPTED_ARMS = (
    Arm("plain", "server"),
    Arm("guided", "server"),
    Arm("native", "server"),
    Arm("plain", "local"),
    Arm("guided", "local"),
)
"""What can be tried with a recording."""


@dataclass(frozen=True)
class Outcome:
    """One run of one arm."""

    status: str
    """``passed``, ``failed``, ``limit``… as of any run; ``cannot``: the model cannot be asked in this way."""
    reason: str
    """One sentence when not passed."""
    questions: int = 0
    """Asked, however often; the answers of each counted by strategy in the journal."""
    first_try: int = 0
    """Questions whose first answer was of use."""
    again: int = 0
    """Answers asked for again because the one before was of no use."""
    given_up: int = 0
    """Questions without an answer of use."""
    calls: int = 0
    """Requests to the model; probes and the later pieces of an answer are requests of their own at a server."""
    prompt_tokens: int = 0
    """Bytes where a recording plays the model."""
    sampled_tokens: int | None = None
    """Completion tokens that were chosen; bytes where a recording plays the model. ``None`` where only all of them are known."""
    forced_tokens: int | None = None
    """Completion tokens that a form left no choice for; ``None`` at a server that does not tell."""
    completion_tokens: int = 0
    """Sampled and forced together."""
    seconds: float = 0.0
    """Wall time of the run, sandbox and tests included."""
    differs: tuple[str, ...] | None = None
    """Where the delivered plan is not the one meant; ``None`` where no plan was meant, or none was made."""
    directory: str = ""
    """The run's directory."""


# -- faults


@dataclass(frozen=True)
class Fault:
    """Something wrong with the first answer to a question."""

    name: str
    """For tables."""
    step: str
    """The question."""
    spoil: Callable[[str], str] = field(repr=False)
    """The recorded answer → the answer with the fault; the same text when there is no place for it in this one."""
    around: bool = False
    """Whether it is put into the text of an answer, whatever form that has, and not into what was recorded before that takes
    another form. An answer in JSON has neither a fence nor a mark before quotes, so that such faults have no place there."""


def _swapped(pattern: str, by: str) -> Callable[[str], str]:
    """Replaces the first match of a pattern, line by line."""
    return lambda text: re.sub(pattern, by, text, count=1, flags=re.MULTILINE)


def _cyclic(text: str) -> str:
    """The first component depends on the last one, which depends on others; with one component, on itself."""
    ids = re.findall(r"^  - id: (\w+)$", text, re.MULTILINE)
    return _swapped(r"^    depends_on: \[.*\]$", f"    depends_on: [{ids[-1]}]")(text) if ids else text


def _owned_twice(text: str) -> str:
    """The last component owns a file of the first one, too."""
    owned = re.findall(r"^    files: \[(.+)\]$", text, re.MULTILINE)
    if len(owned) < 2:
        return text
    first, last = owned[0].split(", ")[0], f"    files: [{owned[-1]}]"
    before, line, after = text.rpartition(last)
    return f"{before}{line[:-1]}, {first}]{after}"


def _given_again(text: str) -> str:
    """The first file is given a second time, with something else in it."""
    heading = re.search(r"^### .+\n", text, re.MULTILINE)
    return f"{text.rstrip()}\n\n{heading[0]}```python\nAGAIN = 1\n```\n" if heading else text


PLAN_FAULTS = (
    Fault("dangling dependency", "plan", _swapped(r"^    depends_on: \[.*\]$", "    depends_on: [nowhere]")),
    Fault("cycle", "plan", _cyclic),
    Fault("file owned twice", "plan", _owned_twice),
    Fault("unknown requirement", "plan", _swapped(r"^    requirements: \[", "    requirements: [R99, ")),
    Fault("bad kind", "plan", _swapped(r"^    kind: \w+$", "    kind: module")),
    Fault("missing key", "plan", _swapped(r'^    files: .*\n|"files": \[[^]]*\], ', ""), around=True),
    Fault("prose around", "plan", lambda text: f"Sure! Here is the plan:\n\n{text}\nEnjoy!\n", around=True),
    Fault("truncated", "plan", lambda text: text[: len(text) * 2 // 3], around=True),
    Fault("unclosed fence", "plan", _swapped(r"\n```\s*\Z", "\n"), around=True),
)
"""Nine things that go wrong with plans."""

FAULTS = (
    Fault("quote with a word of its own", "requirements", _swapped(r"^> .*\w.*$", r"\g<0> indeed")),
    PLAN_FAULTS[0],
    Fault("file given twice", "code", _given_again),
    Fault("file of nobody", "tests", lambda text: f"{text.rstrip()}\n\n### more.py\n```python\nMORE = 1\n```\n"),
)
"""One for each question of a small specification. All are of a kind that a grammar makes impossible."""


# -- a recording that answers


class Script:
    """What a model wants to say, by a recording: to a question as it was recorded, or with a fault the first time.

    A question goes on from an earlier one where something was wrong with the answer; then the answer is the recorded one.
    """

    def __init__(self, calls: Sequence[Call], faults: Collection[Fault] = ()) -> None:
        """``ConfigError`` when an answer has no place for a fault, or the recording asks one question twice."""
        from agent.strategies import schemas

        self._calls = {call.messages: call for call in calls}
        self._steps = tuple(dict.fromkeys(call.step for call in calls))
        self._faults = {fault.step: fault for fault in faults}
        self._twin = schemas.twin
        if len(self._calls) != len(calls):
            raise ConfigError(
                "the recording holds two answers to one question, which cannot be told apart here; take another specification"
            )
        for call in calls:
            fault = self._faults.get(call.step)
            if fault and fault.spoil(call.text) == call.text:
                raise ConfigError(
                    f"the recorded answer for step {call.step!r} has no place for the fault {fault.name!r}"
                )

    def wanted(self, body: Mapping[str, Any]) -> str:
        """What to answer a request to a server; ``ValueError`` when nothing like it was recorded."""
        from agent.models.dialects import PROBE

        said = [(message["role"], message["content"]) for message in body["messages"]]
        if said[-1] == ("user", PROBE):
            return "Hello."
        schema = (body.get("response_format") or {}).get("json_schema")
        try:
            return self.answer(said, schema["name"] if schema else "")
        except (AnswerError, PlanError) as error:
            raise ValueError(f"the recorded answer has no form in JSON: {error}") from error

    def answer(self, messages: Sequence[tuple[str, str]], schema: str = "") -> str:
        """What to answer a conversation. ``schema``: the shape whose JSON schema the answer is held to; empty for none.

        ``ValueError`` when nothing like it was recorded.
        """
        from agent.models.base import Ask, Message
        from agent.models.replay import question

        said = tuple(Message(role, content) for role, content in messages)  # type: ignore[arg-type]
        while said and said[-1].role == "assistant":  # pieces of this very answer
            said = said[:-1]
        for length in range(len(said), 0, -1):
            for step in self._steps:
                call = self._calls.get(question(Ask(said[:length], step)))
                if call is not None:
                    fault = self._faults.get(step) if length == len(said) else None
                    return self._said(call.text, schema, fault)
        raise ValueError("the recording holds no answer to this question: the specification or a prompt changed")

    def _said(self, text: str, schema: str, fault: Fault | None) -> str:
        if fault is None or fault.around:
            text = self._twin(schema, text) if schema else text
            return fault.spoil(text) if fault else text
        text = fault.spoil(text)
        return self._twin(schema, text) if schema else text


def meant_plan(spec: Spec, calls: Sequence[Call]) -> Plan:
    """The plan that a recording holds; ``ConfigError`` when it holds none."""
    from agent.spec import locate_quotes
    from agent.strategies import shapes

    last = {call.step: call.text for call in calls if not call.component}
    if not {"requirements", "plan"} <= last.keys():
        raise ConfigError("the recording holds no plan; record a run that begins with the specification")
    requirements, _ = locate_quotes(spec, shapes.read_requirements(last["requirements"]))
    return shapes.read_plan(last["plan"], requirements, spec.digest)


def differences(meant: Plan, made: Plan) -> tuple[str, ...]:
    """Where a plan is not the one meant, in words; empty where it is. White space at the ends of texts does not count."""
    from graphs.values import to_json

    found = [name for name in ("title", "language", "entry") if getattr(meant, name) != getattr(made, name)]
    ours, theirs = ({c.id: c for c in plan.components} for plan in (meant, made))
    found += [f"{name} is missing" for name in ours.keys() - theirs.keys()]
    found += [f"{name} was not meant" for name in theirs.keys() - ours.keys()]
    for name in sorted(ours.keys() & theirs.keys()):
        for part in (f.name for f in fields(ours[name])):
            one, other = (_bare(to_json(getattr(of[name], part))) for of in (ours, theirs))
            found += [f"{part} of {name}"] if one != other else []
    asked = {r.id: (r.text, r.quote) for r in meant.requirements}
    found += ["the requirements"] if asked != {r.id: (r.text, r.quote) for r in made.requirements} else []
    return tuple(found)


def _bare(value: Any) -> Any:
    """A value without what its order or the ends of its texts add."""
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted(map(_bare, value), key=repr)
    return value.strip() if isinstance(value, str) else value


# -- runs


@dataclass(frozen=True)
class Comparison:
    """The same specification in several arms."""

    answers: str
    """Where the answers came from: ``recorded``, ``faulty``, or the name of a model."""
    outcomes: Mapping[Arm, list[Outcome]]
    """Arm → its runs in the order they were made."""
    faults: tuple[Fault, ...] = ()
    """What was wrong with first answers."""

    @property
    def passed(self) -> bool:
        """Whether all arms ran and passed each time."""
        return all(outcome.status == "passed" for runs in self.outcomes.values() for outcome in runs)


@dataclass(frozen=True)
class Bench:
    """What all runs of a comparison share."""

    spec: Spec
    """What is built."""
    settings: Settings
    """Of every run, but for how and where the model is asked."""
    directory: Path
    """Holds a folder for each run, with its home and its output."""
    repeats: int = 1
    """Runs of each arm, interleaved."""
    tell: Callable[[str, Outcome], None] = lambda name, outcome: None
    """Hears of each run when it is over."""

    def run(self, name: str, settings: Settings, meant: Plan | None = None, record: Path | None = None) -> Outcome:
        """One run, in a folder of that name. Failures are outcomes; raised is what a user must mend.

        Args:
            name: of the folder.
            settings: of the run.
            meant: the plan that a recording holds, where one answers: what it does not hold it refuses, which is an outcome, too.
            record: write the answers to this file.

        Raises:
            UserError: of any run.
            ModelRefused: asking again is useless, and not because of a form.
        """
        from agent.run import RunConfig, start

        place = self.directory / name
        config = RunConfig(self.spec, place / "out", settings, place / "home", record=record)
        status, reason = "failed", ""
        plan: Plan | None = None
        try:
            result = start(config)
            status, reason, plan = result.status, result.reason, result.plan
        except (ModelError, AnswerError) as error:
            reason = str(error)
            if isinstance(error, ModelRefused) and error.fault in FORM_FAULTS:
                status = "cannot"
            elif isinstance(error, ModelRefused) and meant is None:
                raise
        outcome = measured(place / "home", Outcome(status, reason))
        differs = differences(meant, plan) if meant and plan else None
        return replace(outcome, differs=differs)


def recorded(bench: Bench, folder: Path, arms: Sequence[Arm]) -> tuple[Comparison, Comparison]:
    """The arms with the recording in ``folder`` in place of a model: as it was recorded, and with a fault in every first answer.

    ``ConfigError`` when the recording is none, or not one that can be played in all arms.
    """
    from agent.models.replay import read

    calls = read(folder / RECORDING)
    steps = {call.step for call in calls}
    faults = tuple(fault for fault in FAULTS if fault.step in steps)
    clean = _play(replace(bench, directory=bench.directory / "recorded"), calls, folder / RECORDING, arms)
    again = replace(bench, directory=bench.directory / "faulty")
    return clean, _play(again, calls, again.directory / RECORDING, arms, faults)


def _play(
    bench: Bench, calls: Sequence[Call], recording: Path, arms: Sequence[Arm], faults: tuple[Fault, ...] = ()
) -> Comparison:
    """The arms with a script. ``recording``: for the local engine; with faults it is made here, of what the server says."""
    from benchmark.stub_endpoint import StubEndpoint

    script, meant = Script(calls, faults), meant_plan(bench.spec, calls)
    outcomes: dict[Arm, list[Outcome]] = {arm: [] for arm in arms}

    def run(arm: Arm, name: str) -> Outcome:
        settings = replace(bench.settings, strategy=arm.strategy)
        if arm.place == "local":
            return bench.run(name, replace(settings, model=f"local:replay:{recording}"), meant)
        with StubEndpoint(script.wanted, model="recorded") as stub:
            at_server = replace(settings, model="recorded", base_url=stub.url)
            outcome = bench.run(name, at_server, meant, record=None if recording.exists() else recording)
        return replace(outcome, sampled_tokens=stub.tally.sampled, forced_tokens=stub.tally.forced)

    if not recording.exists() and SCRIPTED_ARMS[0] not in arms and any(arm.place == "local" for arm in arms):
        run(SCRIPTED_ARMS[0], "script")
    for number in range(1, bench.repeats + 1):
        for arm in arms:
            outcome = run(arm, _folder(arm, number))
            outcomes[arm].append(outcome)
            bench.tell(arm.name, outcome)
    return Comparison("faulty" if faults else "recorded", outcomes, faults)


def live(bench: Bench, arms: Sequence[Arm]) -> Comparison:
    """The arms with the model that the settings name. One that the model cannot be asked in has a single outcome that says so.

    ``UserError`` when the model cannot be asked at all.
    """
    from agent.models import open_model
    from agent.models.pricing import Prices
    from agent.prompts import Prompts
    from agent.strategies import open_strategy

    settings = bench.settings
    assert settings.model is not None
    model = open_model(
        settings.model,
        base_url=settings.base_url,
        api_key=os.environ.get(settings.api_key_env),
        prices=Prices.load(settings.prices),
        dialect=settings.dialect,
    )
    outcomes: dict[Arm, list[Outcome]] = {}
    for arm in arms:
        try:
            open_strategy(arm.strategy, lambda _role: model, Prompts(), lambda _component: ())
            outcomes[arm] = []
        except ConfigError as error:
            outcomes[arm] = [Outcome("cannot", str(error))]
    able = [arm for arm, runs in outcomes.items() if not runs]
    for number in range(1, bench.repeats + 1):
        for arm in able:
            if any(outcome.status == "cannot" for outcome in outcomes[arm]):
                continue
            outcome = bench.run(_folder(arm, number), replace(settings, strategy=arm.strategy))
            if arm.strategy != "plain" and not settings.model.startswith("local:"):
                outcome = replace(outcome, sampled_tokens=None, forced_tokens=None)
            outcomes[arm].append(outcome)
            bench.tell(arm.name, outcome)
    return Comparison(settings.model, outcomes)


def _folder(arm: Arm, number: int) -> str:
    return f"{arm.name}-{number}" if number > 1 else arm.name


def measured(home: Path, outcome: Outcome) -> Outcome:
    """An outcome with the figures of the only run in ``home``, from its journal."""
    from agent.cli.calls import readings
    from agent.store.journal import SqliteJournal
    from agent.store.runs import list_runs
    from graphs.values import Usage, from_json

    (run,) = list_runs(home)
    usage = Usage()
    with SqliteJournal.read(run.path) as journal:
        for _, spent in journal.usages():
            usage += from_json(Usage, dict(spent))
        sums = list(readings(journal).sums.values())
    return replace(
        outcome,
        questions=sum(s.questions for s in sums),
        first_try=sum(s.first_try for s in sums),
        again=sum(s.again for s in sums),
        given_up=sum(s.given_up for s in sums),
        calls=usage.calls,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        sampled_tokens=usage.completion_tokens - usage.forced_tokens,
        forced_tokens=usage.forced_tokens,
        seconds=round(run.seconds, 2),
        directory=str(run.path),
    )
