"""``agent bench arms``: real runs over real HTTP and through the real local engine, with a recording in place of a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.demo import DEMOS
from agent.models.replay import read
from agent.spec import read_spec
from agent.strategies import shapes
from benchmark.arms import FAULTS, PLAN_FAULTS, RECORDING, SPEC, Script, differences, meant_plan
from benchmark.stub_endpoint import StubEndpoint
from graphs.errors import AnswerError, ConfigError, PathRefused, PlanError
from tests.conftest import Place

pytestmark = pytest.mark.timeout(240)  # a fixture makes half a dozen whole runs
CALLS = read(SPEC / RECORDING)
QUESTIONS = 4
SERVER, LOCAL = ("plain@server", "guided@server", "native@server"), ("plain@local", "guided@local")


@pytest.fixture(scope="module", params=[SERVER, LOCAL], ids=["server", "local"])
def compared(request: pytest.FixtureRequest, shared_place: Place, bubblewrap: None) -> tuple[Sequence[str], Any]:
    """(arms, what the command printed with ``--json``)."""
    arms: Sequence[str] = request.param
    done = shared_place.agent("bench", "arms", "--arms", ",".join(arms), "--json")
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
    return arms, json.loads(done.stdout)


def runs(said: Any, answers: str) -> dict[str, dict[str, Any]]:
    """Arm → its one run."""
    (comparison,) = (c for c in said["comparisons"] if c["answers"] == answers)
    return {arm["arm"]: arm["runs"][0] for arm in comparison["arms"]}


def test_recorded_answers_are_of_use_in_every_arm_and_make_the_plan_that_is_meant(
    compared: tuple[Sequence[str], Any],
) -> None:
    arms, said = compared
    found = runs(said, "recorded")
    keys = ("status", "questions", "first_try", "again", "given_up", "differs")
    good = ("passed", QUESTIONS, QUESTIONS, 0, 0, [])
    assert said["passed"] is True
    assert {name: tuple(run[key] for key in keys) for name, run in found.items()} == dict.fromkeys(arms, good)


def test_a_grammar_keeps_the_faults_out_that_are_asked_again_elsewhere(compared: tuple[Sequence[str], Any]) -> None:
    arms, said = compared
    found = runs(said, "faulty")
    assert [fault["step"] for fault in said["comparisons"][1]["faults"]] == ["requirements", "plan", "code", "tests"]
    again = {name: 0 if name.startswith("guided") else len(FAULTS) for name in arms}
    assert {name: run["again"] for name, run in found.items()} == again
    assert {name: run["first_try"] for name, run in found.items()} == {n: QUESTIONS - a for n, a in again.items()}
    assert {name: (run["status"], run["differs"]) for name, run in found.items()} == dict.fromkeys(arms, ("passed", []))


def test_the_figures_add_up(compared: tuple[Sequence[str], Any]) -> None:
    _, said = compared
    for answers in ("recorded", "faulty"):
        for name, run in runs(said, answers).items():
            assert run["sampled_tokens"] + run["forced_tokens"] == run["completion_tokens"], name
            assert bool(run["forced_tokens"]) is not name.startswith("plain"), name
            # At a server the probe of the form, and each further piece of an answer, is a call.
            asked = run["questions"] + run["again"]
            assert run["calls"] == asked + {"guided@server": 2, "native@server": 1}.get(name, 0), name
    assert runs(said, "recorded").keys() == runs(said, "faulty").keys()


def test_a_model_is_asked_in_the_arms_that_it_can_be_asked_in(place: Place, bubblewrap: None) -> None:
    with StubEndpoint(Script(CALLS).wanted, dialects=["schema"], model="own") as stub:
        done = place.agent(
            *("bench", "arms", str(SPEC), "--model", "own", "--base-url", stub.url, "--arms", "guided,plain", "--json")
        )
    assert done.returncode == 1, done.stderr
    (comparison,) = json.loads(done.stdout)["comparisons"]
    plain, guided = (arm["runs"] for arm in comparison["arms"])
    assert comparison["answers"] == "own"
    assert [(run["status"], run["first_try"], run["forced_tokens"]) for run in plain] == [("passed", QUESTIONS, 0)]
    assert [run["status"] for run in guided] == ["cannot"]
    assert "does not hold answers" in guided[0]["reason"]


def test_a_table_says_what_was_wrong(place: Place) -> None:
    done = place.agent("bench", "arms", "--model", f"local:replay:{SPEC / RECORDING}", "--arms", "native")
    assert done.returncode == 1
    assert "native  cannot" in done.stdout
    assert "needs an OpenAI-compatible endpoint" in " ".join(done.stdout.split())
    assert "One specification is no experiment" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--arms", "clever"], "there is no arm 'clever' here; there are plain@server, guided@server"),
        (["--strategy", "plain"], "the arms are the strategies: choose among them with --arms"),
        (["--max-usd", "1"], "--max-usd is for a model of your own, and none is named; add --model"),
        (["--dialect", "latin"], "--dialect is 'latin', but must be one of"),
        (["--keep", "."], "'.' is there already; name a new directory with --keep"),
        (["--model", "manual:"], "the model name 'manual:' is incomplete"),
        (["--model", "replay:empty.jsonl"], "the recording"),
        (["spec"], "there is no recording.jsonl beside 'spec' to answer from; name a model with --model"),
    ],
)
def test_misuse_is_one_sentence(place: Place, words: list[str], says: str) -> None:
    (place.work / "spec").mkdir()
    (place.work / "spec/spec.md").write_text("# Nothing\n\nPlease.\n")
    (place.work / "empty.jsonl").touch()
    done = place.agent("bench", "arms", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {says}")
    assert not place.runs()  # runs of this command are kept elsewhere, or not at all


# -- the script


def conversation(step: str, *further: tuple[str, str]) -> list[tuple[str, str]]:
    """A conversation whose question was recorded."""
    return [("user", f"the question of {step}"), *further]


def script(*faults: str) -> Script:
    """A recording of two questions, one of them a plan."""
    from agent.models.base import Ask, Message
    from agent.models.replay import question

    def call(step: str, text: str) -> Any:
        messages = tuple(Message(role, content) for role, content in conversation(step))  # type: ignore[arg-type]
        return replace(CALLS[0], step=step, text=text, messages=question(Ask(messages, step)))

    plan = next(c.text for c in CALLS if c.step == "plan")
    return Script([call("plan", plan), call("code", "code")], [f for f in PLAN_FAULTS if f.name in faults])


def test_only_the_first_answer_has_the_fault() -> None:
    faulty, clean = script("bad kind"), script()
    first = faulty.answer(conversation("plan"))
    assert "kind: module" in first
    # A piece of an answer that was said already is part of it and no answer.
    assert faulty.answer(conversation("plan", ("assistant", "There"))) == first
    told = conversation("plan", ("assistant", first), ("user", "That was wrong."))
    assert faulty.answer(told) == clean.answer(told) == clean.answer(conversation("plan"))
    assert faulty.answer(conversation("code")) == "code"
    with pytest.raises(ValueError, match="holds no answer"):
        faulty.answer([("user", "something else")])


def test_a_request_with_a_schema_gets_the_answer_in_json() -> None:
    body = {"messages": [{"role": "user", "content": "the question of plan"}]}
    held = {**body, "response_format": {"json_schema": {"name": "plan"}}}
    assert script().wanted(body) == script().answer(conversation("plan"))
    assert json.loads(script().wanted(held))["components"][0]["id"] == "durations"
    assert "files" not in json.loads(script("missing key").wanted(held))["components"][0]


def test_a_recording_that_cannot_be_played_is_refused() -> None:
    with pytest.raises(ConfigError, match="two answers to one question"):
        Script([CALLS[0], CALLS[0]])
    with pytest.raises(ConfigError, match="no place for the fault 'file owned twice'"):
        script("file owned twice")


TOLERATED = ("prose around",)
"""What readers pass over."""


@pytest.mark.parametrize("fault", PLAN_FAULTS, ids=lambda fault: fault.name)
def test_each_fault_of_a_plan_is_one_that_the_reader_finds(fault: Any) -> None:
    from agent.run import check_component
    from graphs import dag

    logq = DEMOS["logq"]
    calls, spec = read(logq.recording), read_spec(str(logq.spec))
    meant = meant_plan(spec, calls)
    (answer,) = (call.text for call in calls if call.step == "plan")

    def problems(text: str) -> Sequence[str]:
        try:
            plan = shapes.read_plan(text, meant.requirements, spec.digest)
        except (AnswerError, PlanError, PathRefused) as error:
            return error.problems
        return dag.problems(plan, spec, check_component)

    assert problems(answer) == []
    assert bool(problems(fault.spoil(answer))) is (fault.name not in TOLERATED)


def test_where_a_plan_is_not_the_one_meant() -> None:
    meant = meant_plan(read_spec(str(SPEC)), CALLS)
    (only,) = meant.components

    def made(**changes: Any) -> Any:
        return replace(meant, components=(replace(only, **changes),))

    assert differences(meant, made(requirements=only.requirements[::-1], purpose=f"{only.purpose} ")) == ()
    assert differences(meant, made(kind="cli", files=("other.py",))) == ("files of durations", "kind of durations")
    assert differences(meant, made(id="other")) == ("durations is missing", "other was not meant")
    assert differences(meant, replace(meant, entry="python -m x", requirements=())) == ("entry", "the requirements")


def test_the_specification_is_shipped() -> None:
    assert Path(SPEC, "spec.md").is_file()
    assert {call.step for call in CALLS} == {fault.step for fault in FAULTS}
