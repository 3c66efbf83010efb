"""Model and checker in front of a real journal: nothing answered is asked twice, nothing judged is judged twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.budget import SMALLEST_ANSWER, Budget
from agent.checks.journaled import JournaledChecker
from agent.models.base import Answer, Ask, Message
from agent.models.journaled import JournaledModel
from agent.models.scripted import Scripted
from agent.store.journal import SqliteJournal
from graphs import dag, events
from graphs.errors import LimitReached, ModelError, ModelRefused
from graphs.events import Event
from graphs.ports import Brief
from graphs.scheduler import Slots
from graphs.values import CaseResult, Component, Contract, Files, Limits, Plan, Requirement, Spec, Usage, Verdict
from tests.scripted_ports import ScriptedChecker

ASK = Ask((Message("system", "s"), Message("user", "write")), "code", "a", "key", 1)


class Process:
    """One process that works on the run in ``path``."""

    def __init__(self, path: Path, answers: Any, limits: Limits | None = None, slots: int | None = None) -> None:
        self.model = Scripted(answers)
        self.checker = ScriptedChecker()
        self.told: list[Event] = []
        self._path = path
        self._limits = limits or Limits()
        self._slots = slots
        self.budget: Budget

    def run(self, work: Callable[[JournaledModel, JournaledChecker], Coroutine[Any, Any, Any]]) -> Any:
        journal = (SqliteJournal.open if self._path.exists() else SqliteJournal.create)(self._path)
        journal.subscribe(self.told.append)
        spent = sum((Usage(**u) for u in journal.usages()), Usage())

        async def scene() -> Any:
            self.budget = Budget(self._limits, self.model.price, spent)
            model = JournaledModel(self.model, journal, Slots(self._slots), self.budget)
            return await work(model, JournaledChecker(self.checker, journal, Slots(self._slots)))

        try:
            return asyncio.run(scene())
        finally:
            self.states = [c.state for c in journal.calls()]
            journal.close()

    def ask(self, *asks: Ask) -> list[Answer]:
        async def scene(model: JournaledModel, _: JournaledChecker) -> list[Answer]:
            return [await model.ask(a) for a in asks]

        answers: list[Answer] = self.run(scene)
        return answers


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_what_is_answered_is_not_asked_again_by_this_process_or_the_next(run_dir: Path) -> None:
    first = Process(run_dir, {"code": ["one", "two"]})
    answers = first.ask(ASK, ASK)
    second = Process(run_dir, {})

    assert [a.text for a in answers] == ["one", "one"]
    assert answers[0] == answers[1] == second.ask(ASK)[0]
    assert (len(first.model.asks), len(second.model.asks)) == (1, 0)
    assert first.budget.spent == second.budget.spent == Usage(calls=1, completion_tokens=3, usd=0.0)
    assert second.told == []


CHANGES: dict[str, dict[str, Any]] = {
    "messages": {"messages": (Message("user", "other"),)},
    "attempt": {"attempt": 2},
    "step": {"step": "repair"},
    "component key": {"component_key": "other"},
    "temperature": {"temperature": 1.0},
    "max_tokens": {"max_tokens": 9},
    "extra": {"extra": {"grammar": "x"}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_question_is_asked(run_dir: Path, change: dict[str, Any]) -> None:
    process = Process(run_dir, {"code": ["one", "two"], "repair": "two"})

    assert [a.text for a in process.ask(ASK, replace(ASK, **change))] == ["one", "two"]


@pytest.mark.parametrize("change", [{"priority": 9.0}, {"component": "renamed"}])
def test_what_does_not_change_the_question_does_not_ask_again(run_dir: Path, change: dict[str, Any]) -> None:
    process = Process(run_dir, lambda _: "one")

    process.ask(ASK, replace(ASK, **change))

    assert len(process.model.asks) == 1


@pytest.mark.parametrize(
    ("error", "spent"),
    [
        (ModelError("cut", fault="cut stream", usage=Usage(2, 30, 0, 4, 0, 0.5)), Usage(2, 30, 0, 4, 0, 0.5)),
        (ModelError("cut"), Usage(calls=1, usd=None)),
        (ModelRefused("no key"), Usage()),
    ],
)
def test_a_call_that_failed_is_paid_for_told_and_asked_again_later(
    run_dir: Path, error: ModelError, spent: Usage
) -> None:
    first = Process(run_dir, {"code": error})
    with pytest.raises(type(error)) as caught:
        first.ask(ASK)
    second = Process(run_dir, {"code": "one"})

    assert caught.value is error
    assert first.budget.spent == spent
    assert first.told[-1].kind == events.CALL_FINISHED
    assert first.told[-1].body["error"] == str(error)
    assert second.ask(ASK)[0].text == "one"
    assert second.states == ["failed", "done"]
    assert second.budget.spent == spent + Usage(1, 0, 0, 3, 0, 0.0)


def test_a_call_that_is_cut_off_is_told_counted_and_asked_again(run_dir: Path) -> None:
    first = Process(run_dir, {"code": "one"}, Limits(max_tokens=50_000))

    async def scene(model: JournaledModel, _: JournaledChecker) -> None:
        async def forever(ask: Ask) -> Answer:
            sent.set()
            await asyncio.Event().wait()
            raise AssertionError

        sent = asyncio.Event()
        first.model.ask = forever  # type: ignore[method-assign]
        task = asyncio.create_task(model.ask(ASK))
        await sent.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    first.run(scene)
    second = Process(run_dir, {"code": "one"})

    assert [e.kind for e in first.told] == [events.CALL_STARTED, events.CALL_FINISHED]
    assert first.budget.spent == Usage(calls=1, usd=None)
    assert second.ask(ASK)[0].text == "one"


def test_whoever_watches_is_told_when_a_call_begins_and_ends(run_dir: Path) -> None:
    process = Process(run_dir, {"code": "one"})

    process.ask(ASK)

    started, finished = process.told
    assert (started.kind, finished.kind) == (events.CALL_STARTED, events.CALL_FINISHED)
    assert started.component == finished.component == "a"
    assert started.body == {"step": "code", "attempt": 1, "key": ASK.key("scripted"), "model": "scripted"}
    assert set(finished.body) == {"step", "attempt", "key", "usage", "seconds", "error"}
    assert started.seq == finished.seq == 0


def test_an_answer_with_half_a_character_is_the_same_text_now_and_later(run_dir: Path) -> None:
    first = Process(run_dir, {"code": "x = '\ud800'"}).ask(ASK)[0]

    assert first.text == "x = '\\ud800'"
    assert Process(run_dir, {}).ask(ASK)[0] == first


def test_a_ceiling_stops_what_would_be_asked_and_nothing_that_is_known(run_dir: Path) -> None:
    Process(run_dir, {"code": "one"}).ask(ASK)
    process = Process(run_dir, {"code": "two"}, Limits(max_calls=1))

    assert process.ask(ASK)[0].text == "one"
    with pytest.raises(LimitReached, match="the ceiling of 1 model calls"):
        process.ask(replace(ASK, attempt=2))
    assert process.model.asks == []


@pytest.mark.parametrize(("fault", "ends"), [("length cut", LimitReached), ("cut stream", ModelError)])
def test_an_answer_that_the_budget_made_too_small_is_a_ceiling_met(
    run_dir: Path, fault: str, ends: type[Exception]
) -> None:
    process = Process(run_dir, {"code": ModelError("no", fault=fault)}, Limits(max_tokens=SMALLEST_ANSWER + 10))

    with pytest.raises(ends):
        process.ask(ASK)

    assert process.model.asks[0].max_tokens is not None


def test_an_answer_to_a_smaller_ask_is_found_under_the_question_as_it_was(run_dir: Path) -> None:
    Process(run_dir, {"code": "one"}, Limits(max_tokens=SMALLEST_ANSWER + 10)).ask(ASK)

    assert Process(run_dir, {}).ask(ASK)[0].text == "one"


def test_model_slots_are_held_while_a_call_is_in_flight(run_dir: Path) -> None:
    process = Process(run_dir, lambda _: "one", slots=2)
    process.model._latency = 0.001

    async def scene(model: JournaledModel, _: JournaledChecker) -> None:
        await asyncio.gather(*(model.ask(replace(ASK, attempt=n)) for n in range(6)))

    process.run(scene)
    assert process.model.most_in_flight == 2


A = Component("a", "Does it.", ("a.py",), Contract({"a.py": "x: int"}, "It does."), (), ("R1",))
PLAN = Plan("t", (A,), (Requirement("R1", "It works."),))
SPEC = Spec("t", "", "d")
BRIEF = dag.Briefing(PLAN, SPEC).brief(A)
TESTS: Files = {"tests/test_a.py": "t1 t2 bad1"}
TREE: Files = {"a.py": "t1"}


def test_verdicts_are_remembered_by_what_they_judged(run_dir: Path) -> None:
    first, second = Process(run_dir, {}), Process(run_dir, {})

    async def scene(_: JournaledModel, checker: JournaledChecker) -> list[Any]:
        return [
            await checker.red(BRIEF, {"a.py": ""}, TESTS),
            await checker.prove(BRIEF, TREE, TESTS, ["t1", "t2"]),
            await checker.prove(BRIEF, TREE, TESTS, ["t1", "t2"]),
            await checker.prove(BRIEF, TREE, TESTS, ("t1", "t2")),
        ]

    results = first.run(scene)

    assert len(first.checker.proved) == 1
    assert results[1] == results[2] == results[3]
    assert results[1].passed == {"t1"}
    assert second.run(scene) == results
    assert second.checker.proved == []


JUDGED: dict[str, tuple[Brief, Files, Files, list[str]]] = {
    "code": (BRIEF, {"a.py": "t1 t2"}, TESTS, ["t1"]),
    "another file": (BRIEF, {**TREE, "b.py": ""}, TESTS, ["t1"]),
    "tests": (BRIEF, TREE, {"tests/test_a.py": "t1"}, ["t1"]),
    "ids": (BRIEF, TREE, TESTS, ["t2"]),
    "key": (replace(BRIEF, key="other"), TREE, TESTS, ["t1"]),
}


@pytest.mark.parametrize("judged", JUDGED.values(), ids=JUDGED)
def test_something_else_is_judged_anew(run_dir: Path, judged: tuple[Brief, Files, Files, list[str]]) -> None:
    process = Process(run_dir, {})

    async def scene(_: JournaledModel, checker: JournaledChecker) -> None:
        await checker.prove(BRIEF, TREE, TESTS, ["t1"])
        await checker.prove(*judged)

    process.run(scene)
    assert len(process.checker.proved) == 2


def test_a_flaky_test_cannot_fork_a_replay(run_dir: Path) -> None:
    class Flaky(ScriptedChecker):
        async def prove(self, *judged: Any) -> Verdict:
            self.integrated += 1
            return Verdict("failed", (CaseResult("t1", "passed" if self.integrated % 2 else "failed"),))

    process = Process(run_dir, {})
    process.checker = Flaky()

    async def scene(_: JournaledModel, checker: JournaledChecker) -> list[Verdict]:
        return [await checker.prove(BRIEF, TREE, TESTS, ["t1"]) for _ in range(3)]

    assert len(set(process.run(scene))) == 1
    assert process.checker.integrated == 1


def test_a_check_that_broke_is_not_remembered(run_dir: Path) -> None:
    class Broken(ScriptedChecker):
        async def prove(self, *judged: Any) -> Verdict:
            raise OSError("no sandbox")

    async def scene(_: JournaledModel, checker: JournaledChecker) -> Verdict:
        return await checker.prove(BRIEF, TREE, TESTS, ["t1"])

    process = Process(run_dir, {})
    process.checker = Broken()
    with pytest.raises(OSError, match="no sandbox"):
        process.run(scene)

    assert Process(run_dir, {}).run(scene).passed == {"t1"}


def test_the_whole_is_judged_each_time_and_the_rest_passes_through(run_dir: Path) -> None:
    process = Process(run_dir, {})

    async def scene(_: JournaledModel, checker: JournaledChecker) -> None:
        assert checker.stub(A) == {"a.py": ""}
        assert checker.without(TESTS, ["bad1"]) == {"tests/test_a.py": "t1 t2"}
        for _n in range(2):
            assert (await checker.integrate(PLAN, SPEC, TREE, TESTS, ["t1"])).status == "passed"

    process.run(scene)
    assert process.checker.integrated == 2
