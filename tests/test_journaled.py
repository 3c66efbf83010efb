"""Model and checker in front of a real journal: nothing answered is asked twice, nothing judged is judged twice."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.budget import SMALLEST_ANSWER, Budget
from agent.checks.journaled import JournaledChecker
from agent.models.base import Answer, Ask, Message
from agent.models.journaled import JournaledModel, costs
from agent.models.scripted import Scripted
from agent.store.journal import SqliteJournal
from graphs import dag, events
from graphs.errors import LimitReached, ModelError, ModelRefused, NotJudged
from graphs.events import Event
from graphs.ports import Brief, RedReport
from graphs.scheduler import Slots
from graphs.values import (
    CaseResult,
    Component,
    Contract,
    Files,
    Limits,
    Mutant,
    Plan,
    Requirement,
    Spec,
    Strength,
    Usage,
    Verdict,
)
from tests.scripted_ports import ScriptedChecker
from tests.stub_server import StubServer

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

        async def scene() -> Any:
            self.budget = Budget(self._limits, self.model.price, costs(journal))
            model = JournaledModel(self.model, journal, Slots(self._slots), self.budget)
            return await work(model, JournaledChecker(self.checker, journal, Slots(self._slots)))

        try:
            return asyncio.run(scene())
        finally:
            self.states = [c.state for c in journal.calls()]
            self.lost = [c.component for c in journal.open_calls()]
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
        (ModelError("cut"), Usage(calls=1, usd=0.0)),
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
            async with ask.gate.lease(ask):
                sent.set()
                await asyncio.Event().wait()
            raise AssertionError

        sent = asyncio.Event()
        first.model.ask = forever  # type: ignore[method-assign]
        first.model.price = lambda usage: usage.tokens / 1_000  # type: ignore[method-assign]
        task = asyncio.create_task(model.ask(ASK))
        await sent.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    first.run(scene)
    second, third = (Process(run_dir, {"code": "one"}, Limits(max_calls=9)) for _ in range(2))

    assert [e.kind for e in first.told] == [events.CALL_STARTED, events.CALL_FINISHED]
    assert first.lost == ["a"]
    answers = second.ask(ASK) + third.ask(ASK)
    assert [a.text for a in answers] == ["one", "one"]
    # What it may have cost was journalled before it was sent, so that every later process counts it, found or not.
    most = first.budget.spent_by("a")
    assert most.completion_tokens == 25_000 - most.prompt_tokens
    for process, more in ((first, Usage()), (second, answers[0].usage), (third, answers[0].usage)):
        assert process.budget.spent.calls == 1 + more.calls
        assert process.budget.spent_by("a") == most + more
    assert second.states == ["done"]
    assert third.lost == ["a"]


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


def test_an_answer_to_a_smaller_ask_is_found_under_the_question_as_it_was(run_dir: Path) -> None:
    Process(run_dir, {"code": "one"}, Limits(max_tokens=SMALLEST_ANSWER + 100)).ask(ASK)

    assert Process(run_dir, {}).ask(ASK)[0].text == "one"


def test_each_try_is_in_the_journal_before_it_is_sent_and_with_its_own_cost(run_dir: Path) -> None:
    """Two tries fail, the third is under way when the process dies: all three count for the next process."""
    process = Process(run_dir, {}, Limits(max_tokens=100_000))
    known: list[tuple[int, list[str], int]] = []

    async def tries(ask: Ask) -> Answer:
        for number, (spent, came) in enumerate(
            ((Usage(1, 50, 0, 5, 0, 0.0), None), (Usage(calls=1, usd=0.0), 30), (None, None))
        ):
            async with ask.gate.lease(ask, wanted=1_000) as lease:
                with SqliteJournal.read(run_dir) as reader:
                    ended = [str(c.response["error"]) for c in reader.calls()]
                    (under_way,) = (c.usage["completion_tokens"] for c in reader.open_calls())
                    known.append((reader.starts(ask.key("scripted")), ended, under_way))
                if spent is None:
                    raise asyncio.CancelledError
                lease.spent, lease.unreported, lease.fault = spent, came, f"fault {number}"
        raise AssertionError

    async def scene(model: JournaledModel, _: JournaledChecker) -> None:
        process.model.ask = tries  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await model.ask(ASK)

    process.run(scene)
    later = Process(run_dir, {"code": "x"})
    later.ask(replace(ASK, attempt=2))

    assert known == [(1, [], 1_000), (2, ["fault 0"], 1_000), (3, ["fault 0", "fault 1"], 1_000)]
    reported, estimated, lost = 55, 2 + 10, 6 + 2 * 32 + 1_000
    assert process.budget.spent_by("a").tokens == reported + estimated + lost
    assert later.budget.spent_by("a") == process.budget.spent_by("a") + Usage(1, 0, 0, 1)
    assert later.budget.spent == Usage(4, 50, 0, 6)
    assert process.told[-1].body["usage"]["calls"] == 3


KILLED = """
import asyncio, pathlib, sys
from agent.budget import Budget
from agent.models import Ask, Message, Prices, open_model
from agent.models.journaled import JournaledModel
from agent.store.journal import SqliteJournal
from graphs.scheduler import Slots
from graphs.values import Limits

journal = SqliteJournal.create(pathlib.Path(sys.argv[1]))
model = open_model("gpt-4o", base_url=sys.argv[2], prices=Prices.load())
asked = JournaledModel(model, journal, Slots(None), Budget(Limits(max_usd=5.0), model.price))
asyncio.run(asked.ask(Ask((Message("user", "write"),), "code", "a", "key")))
"""


def test_what_kill_9_cut_off_counts_at_the_most_it_may_have_cost(run_dir: Path) -> None:
    with StubServer(fault=lambda body: "cut" if stub.requests == 1 else "hang") as stub:
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(run_dir), stub.url])
        try:
            deadline = time.monotonic() + 60
            while stub.requests < 2 and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            process.kill()
            process.wait()
    sent = [body["max_tokens"] for body in stub.bodies]
    with SqliteJournal.read(run_dir) as journal:
        found = list(costs(journal))

    assert sent == [16_384, 16_384]
    cut, lost = found
    assert (cut.reported, lost.reported) == (Usage(calls=1, usd=None), Usage(calls=1, usd=None))
    assert lost.estimate is not None
    assert lost.estimate.completion_tokens == 16_384
    spent = Budget(Limits(), lambda _: None, found).spent_by("a")
    assert spent.calls == 2
    assert spent.usd is not None
    assert spent.usd >= 16_384 * 10 / 1e6


def test_a_model_that_passes_no_gate_is_found_out(run_dir: Path) -> None:
    process = Process(run_dir, {})

    async def unseen(ask: Ask) -> Answer:
        return Answer("one", Usage(calls=1), "m")

    async def scene(model: JournaledModel, _: JournaledChecker) -> None:
        process.model.ask = unseen  # type: ignore[method-assign]
        await model.ask(ASK)

    with pytest.raises(RuntimeError, match="must pass the gate"):
        process.run(scene)


def test_a_ceiling_met_between_two_tries_ends_the_question(run_dir: Path) -> None:
    process = Process(run_dir, {}, Limits(max_calls=2))

    async def tries(ask: Ask) -> Answer:
        while True:
            async with ask.gate.lease(ask) as lease:
                lease.spent, lease.fault = Usage(1, 5, 0, 1, 0, 0.0), "cut stream"

    async def scene(model: JournaledModel, _: JournaledChecker) -> None:
        process.model.ask = tries  # type: ignore[method-assign]
        with pytest.raises(LimitReached, match="2 model calls"):
            await model.ask(ASK)

    process.run(scene)
    assert process.budget.spent == Usage(2, 10, 0, 2, 0, 0.0)
    assert process.states == ["failed", "failed"]
    assert [e.kind for e in process.told] == [events.CALL_STARTED, events.CALL_FINISHED]
    assert "raise --max-calls" in process.told[-1].body["error"]


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


STRENGTH = Strength((Mutant("M1", "a.py", 1, "a → b", ("t1",)), Mutant("M2", "a.py", 2, "b → c")), 9, 8, 1, "", 0.5)
MEASURED: dict[str, tuple[Limits, Strength | None]] = {
    "nothing known": (Limits(), None),
    "fewer mutants": (Limits(mutants=5), None),
    "less time": (Limits(mutant_seconds=1.0), None),
    "something known": (Limits(), STRENGTH),
}


def test_a_measurement_of_strength_is_remembered_by_what_was_measured_and_known(run_dir: Path) -> None:
    async def scene(_: JournaledModel, checker: JournaledChecker) -> list[Strength]:
        asked = [each for each in MEASURED.values() for _ in range(2)]
        return [await checker.strength(BRIEF, TREE, TESTS, ["t1"], limits, known) for limits, known in asked]

    first, second = Process(run_dir, {}), Process(run_dir, {})
    first.checker.strengths = second.checker.strengths = {"a": [replace(STRENGTH, left=n) for n in range(9)]}

    assert [strength.left for strength in first.run(scene)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [known for *_, known in first.checker.measured] == [known for _, known in MEASURED.values()]
    assert [strength.left for strength in second.run(scene)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert second.checker.measured == []


def test_a_measurement_that_the_machine_kept_from_being_made_is_not_remembered(run_dir: Path) -> None:
    async def scene(_: JournaledModel, checker: JournaledChecker) -> Strength:
        return await checker.strength(BRIEF, TREE, TESTS, ["t1"], Limits())

    process = Process(run_dir, {})
    process.checker.strengths = {"a": [NotJudged("no memory left"), STRENGTH]}
    with pytest.raises(NotJudged, match="no memory left"):
        process.run(scene)

    assert process.run(scene) == STRENGTH


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


@pytest.mark.parametrize("kind", ["red", "prove", "integrate"])
def test_what_the_machine_did_is_neither_told_nor_remembered(run_dir: Path, kind: str) -> None:
    class OnABadMachine(ScriptedChecker):
        async def red(self, *judged: Any) -> RedReport:
            return RedReport((), (("t1", "it cannot be judged"),), await self.prove())

        async def prove(self, *judged: Any) -> Verdict:
            return Verdict("error", (CaseResult("t1", "missing"),), "no memory left", infrastructure=True)

        async def integrate(self, *judged: Any) -> Verdict:
            return await self.prove()

    async def scene(_: JournaledModel, checker: JournaledChecker) -> Any:
        if kind == "red":
            return await checker.red(BRIEF, {"a.py": ""}, TESTS)
        if kind == "prove":
            return await checker.prove(BRIEF, TREE, TESTS, ["t1"])
        return await checker.integrate(PLAN, SPEC, TREE, TESTS, ["t1"])

    process = Process(run_dir, {})
    process.checker = OnABadMachine()
    with pytest.raises(NotJudged, match="no memory left; that says nothing of the code, so resume the run"):
        process.run(scene)

    result = Process(run_dir, {}).run(scene)
    assert "t1" in (result.good if kind == "red" else result.passed)


def test_the_whole_is_judged_once_for_the_same_files_and_the_rest_passes_through(run_dir: Path) -> None:
    process = Process(run_dir, {})

    async def scene(_: JournaledModel, checker: JournaledChecker) -> None:
        assert checker.stub(A) == {"a.py": ""}
        assert checker.without(TESTS, ["bad1"]) == {"tests/test_a.py": "t1 t2"}
        for tree in (TREE, TREE, {**TREE, "more.py": ""}):
            assert (await checker.integrate(PLAN, SPEC, tree, TESTS, ["t1"])).status == "passed"

    process.run(scene)
    assert process.checker.integrated == 2
