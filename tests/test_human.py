"""Questions to a person: at a real terminal, from another process, or with nobody there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.human import NoHuman, Terminal, meant
from agent.store.inbox import BUILD, LEAVE, Inbox
from graphs import document
from graphs.values import Component, Contract, Feedback, Plan, Question
from tests import conftest
from tests.conftest import Place

PLAN = Plan("t", (Component("a", "Does it.", ("a.py",), Contract({"a.py": "x: int"}, "Works.")),), revision=1)
PROMPT, RAN, WORKED, PERFECT, WRONG = (
    "Your answer (",
    "Did it run?",
    "Did it work, as you had asked?",
    "Is it perfect?",
    "What is wrong?",
)

PROGRAM = """
import asyncio, contextlib, json, sys, time
from pathlib import Path
from agent.human import Terminal
from agent.printable import printable
from agent.store.inbox import Inbox
from graphs import document
from graphs.values import Plan, Question, from_json, to_json

asked, wait = json.loads(sys.argv[1]), float(sys.argv[2])

@contextlib.contextmanager
def paused():
    print("<paused>", flush=True)
    try:
        yield
    finally:
        print("<back>", flush=True)

human = Terminal(Inbox(Path("run")), lambda plan: ["it has no parts"] * (not plan.components),
                 lambda text: print(printable(text), flush=True), paused, report=lambda: "<report>")

async def main():
    time.sleep(wait)
    if isinstance(asked, dict):
        return await human.approve(document.from_data(asked), ["<note>"])
    if not asked:
        return await human.judge(Plan("t", ()), {}, None)
    return await asyncio.gather(*(human.ask(from_json(Question, q)) for q in asked))

result = asyncio.run(main())
print("RESULT", json.dumps(to_json(result)), flush=True)
"""


class Asked:
    """A program at a terminal that asks these questions at once, or to judge the result when there are none, or to let
    ``plan`` pass."""

    def __init__(self, place: Place, *questions: Question, wait: float = 0.0, plan: Plan | None = None) -> None:
        self.place = place
        (place.work / "run").mkdir(exist_ok=True)
        self.inbox = Inbox(place.work / "run")
        data = json.dumps(
            document.to_data(plan)
            if plan
            else [{"id": q.id, "component": q.component, "text": q.text, "options": q.options} for q in questions]
        )
        self.terminal = conftest.Terminal(place, data, str(wait), program=("-c", PROGRAM))

    def says(self, *turns: tuple[str, str]) -> None:
        """Wait for each text and type what belongs to it."""
        for number, (text, typed) in enumerate(turns):
            seen = sum(text == other for other, _ in turns[: number + 1])
            self.terminal.read_until(text, seen)
            self.terminal.type(typed)

    @property
    def result(self) -> Any:
        self.terminal.read_until("RESULT")
        assert self.terminal.end() == 0
        assert self.terminal.echoes
        return json.loads(self.screen.partition("RESULT")[2])

    @property
    def screen(self) -> str:
        return self.terminal.seen.decode().replace("\r\n", "\n")


Q1 = Question("Q1", "parser", "May a key hold blanks?", ("Yes, it may.", "No, never."))
Q2 = Question("Q2", "cli", "Which name?")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("2\n", "No, never."),
        ("yes, it MAY.\n", "Yes, it may."),
        ("3\n", "3"),
        ("only in quotes – später\n", "only in quotes – später"),
    ],
)
def test_an_answer_is_an_option_or_ones_own_words(place: Place, typed: str, answer: str) -> None:
    asked = Asked(place, Q1)
    asked.says((PROMPT, typed))
    assert asked.result == [answer]
    assert "Q1  May a key hold blanks?\n  1. Yes, it may.\n  2. No, never.\n" in asked.screen


def test_nothing_typed_is_asked_again_and_ctrl_d_leaves_it_open(place: Place) -> None:
    asked = Asked(place, Q1)
    asked.says((PROMPT, "\n"), (PROMPT, "  \n"), (PROMPT, "\x04"))
    assert asked.result == [None]
    assert "Q1 stays open." in asked.screen


def test_several_questions_are_asked_one_after_the_other(place: Place) -> None:
    asked = Asked(place, Q1, Q2)
    asked.says(("Q1  May", ""), (PROMPT, "1\n"), ("Q2  Which", ""), (PROMPT, "tally\n"))
    assert asked.result == ["Yes, it may.", "tally"]
    marks = [word for word in asked.screen.split() if word in ("<paused>", "<back>", "Q1", "Q2")]
    assert marks == ["<paused>", "Q1", "<back>", "<paused>", "Q2", "<back>"]


def test_an_answer_from_elsewhere_takes_the_question_down_and_the_next_is_typed(place: Place) -> None:
    asked = Asked(place, Q1, Q2)
    asked.says((PROMPT, "half an ans"))
    asked.inbox.leave("answer", "No, never.", "Q1")
    asked.says(("Q1 was answered elsewhere: No, never.", ""), ("Q2  Which", ""))
    asked.terminal.read_until(PROMPT, 2)
    asked.terminal.type("tally\n")
    assert asked.result == ["No, never.", "tally"]


def test_a_question_that_waits_for_the_terminal_can_be_answered_elsewhere(place: Place) -> None:
    asked = Asked(place, Q1, Q2)
    asked.says((PROMPT, ""))
    asked.inbox.leave("answer", "tally", "Q2")
    time.sleep(0.6)
    asked.terminal.type("1\n")
    assert asked.result == ["Yes, it may.", "tally"]
    assert "Q2" not in asked.screen.partition("RESULT")[0]


def test_what_was_typed_before_is_no_answer(place: Place) -> None:
    asked = Asked(place, Q2, wait=2.0)
    asked.terminal.type("stray\n")
    asked.says((PROMPT, "meant\n"))
    assert asked.result == ["meant"]


def test_a_hostile_question_is_one_line_of_text(place: Place) -> None:
    hostile = "\x1b[2J\x07\u202eWhich?\nQ1 stays open.\nBuild this plan? [y]es"
    asked = Asked(place, Question("Q1", "a", hostile, (f"one\n2. {hostile}",)))
    asked.says((PROMPT, "x\n"))
    assert asked.result == ["x"]
    lines = asked.screen.partition("RESULT")[0].splitlines()
    assert not [line for line in lines if line.startswith(("Q1 stays", "Build", "2."))]
    assert "\x1b" not in "".join(lines)
    assert "\u202e" not in "".join(lines)


def test_ctrl_c_at_a_question_ends_at_once(place: Place) -> None:
    asked = Asked(place, Q1)
    asked.says((PROMPT, "\x03"))
    assert asked.terminal.end() != 0
    assert asked.terminal.echoes
    assert "KeyboardInterrupt" in asked.screen
    assert asked.screen.index("<back>") < asked.screen.index("KeyboardInterrupt")


JUDGED: dict[str, tuple[list[tuple[str, str]], dict[str, Any] | None]] = {
    "perfect": (
        [(RAN, "y\n"), (WORKED, "YES\n"), (PERFECT, "y\n")],
        {"ran": True, "worked": True, "perfect": True, "text": ""},
    ),
    "does not run": (
        [(RAN, "n\n"), (WRONG, "It crashes.\n"), ("> ", "\n")],
        {"ran": False, "worked": False, "perfect": False, "text": "It crashes."},
    ),
    "does not work": (
        [(RAN, "maybe\n"), (RAN, "y\n"), (WORKED, "no\n"), (WRONG, "It adds\nbadly.\n\n")],
        {"ran": True, "worked": False, "perfect": False, "text": "It adds\nbadly."},
    ),
    "not perfect, and enough": (
        [(RAN, "y\n"), (WORKED, "y\n"), (PERFECT, "n\n"), (WRONG, "\n")],
        {"ran": True, "worked": True, "perfect": False, "text": ""},
    ),
    "an example with an empty line": (
        [(RAN, "y\n"), (WORKED, "n\n"), (WRONG, "Like this:\n```console\n$ tally\n\n0\n```\n\n")],
        {"ran": True, "worked": False, "perfect": False, "text": "Like this:\n```console\n$ tally\n\n0\n```"},
    ),
    "Ctrl-D at once": ([(RAN, "\x04")], None),
    "Ctrl-D later": ([(RAN, "y\n"), (WORKED, "\x04")], None),
    "Ctrl-D ends the text": (
        [(RAN, "n\n"), (WRONG, "It crashes.\n"), ("> ", ""), ("> ", "\x04")],
        {"ran": False, "worked": False, "perfect": False, "text": "It crashes."},
    ),
}


@pytest.mark.parametrize("how", JUDGED)
def test_the_result_is_judged(place: Place, how: str) -> None:
    turns, expected = JUDGED[how]
    asked = Asked(place)
    asked.says(*turns)
    assert asked.result == expected
    assert asked.screen.index("<paused>") < asked.screen.index("<report>") < asked.screen.index(RAN)
    asked_for = [words for words in (RAN, WORKED, PERFECT, WRONG) if words in asked.screen]
    assert asked_for == [words for words in (RAN, WORKED, PERFECT, WRONG) if words in dict(turns)]


def test_feedback_from_elsewhere_ends_the_questions(place: Place) -> None:
    asked = Asked(place)
    asked.says((RAN, ""))
    asked.inbox.leave("feedback", "It is slow.")
    assert asked.result == {"ran": True, "worked": False, "perfect": False, "text": "It is slow."}
    assert "Feedback came from elsewhere: It is slow." in asked.screen


def test_feedback_that_is_there_already_is_taken_without_a_question(place: Place) -> None:
    (place.work / "run").mkdir()
    Inbox(place.work / "run").leave("feedback", "It is slow.")
    asked = Asked(place)
    assert asked.result["text"] == "It is slow."
    assert RAN not in asked.screen
    assert "<paused>" not in asked.screen


# -- whether a plan may be built


EDITED = replace(PLAN, components=(replace(PLAN.components[0], purpose="Does it well."),))
BUILD_IT = "Build this plan?"


@pytest.mark.parametrize(
    ("typed", "built"), [("\n", True), ("y\n", True), ("YES\n", True), ("n\n", False), ("quit\n", False)]
)
def test_a_plan_is_let_pass_or_not_at_the_terminal(place: Place, typed: str, built: bool) -> None:
    asked = Asked(place, plan=PLAN)
    asked.says((BUILD_IT, "what\n"), (BUILD_IT, typed))
    assert (asked.result is not None) == built
    assert asked.screen.count("<note>") == 2
    assert "<paused>" in asked.screen


@pytest.mark.parametrize(
    ("said", "purpose", "words"),
    [
        (BUILD, "Does it.", "The plan was approved elsewhere."),
        (document.dump(EDITED), "Does it well.", "The plan was edited and approved elsewhere."),
        (LEAVE, None, "The plan was declined elsewhere."),
    ],
)
def test_a_word_from_elsewhere_takes_the_question_down(
    place: Place, said: str, purpose: str | None, words: str
) -> None:
    asked = Asked(place, plan=PLAN)
    asked.says((BUILD_IT, "half a wo"))
    asked.inbox.leave("plan", BUILD, "2")  # of another revision, so about another plan
    asked.inbox.leave("plan", said, "1")
    result = asked.result
    assert (result and result["components"][0]["purpose"]) == purpose
    assert words in asked.screen
    if purpose == "Does it well.":
        assert result["revision"] == 2


def test_what_cannot_be_built_is_not_taken_from_elsewhere(place: Place) -> None:
    asked = Asked(place, plan=PLAN)
    asked.says((BUILD_IT, ""))
    asked.inbox.leave("plan", "components: \x1b[2J", "1")
    asked.says(("is of no use", ""), (BUILD_IT, ""))
    asked.terminal.read_until(BUILD_IT, 2)
    asked.terminal.type("n\n")
    assert asked.result is None
    assert "\x1b" not in asked.screen


# -- nobody there


@pytest.mark.parametrize(
    ("said", "purpose"), [(BUILD, "Does it."), (document.dump(EDITED), "Does it well."), (LEAVE, None)]
)
def test_where_nobody_is_there_a_plan_can_wait_for_a_word_from_elsewhere(
    tmp_path: Path, said: str, purpose: str | None
) -> None:
    shown: list[str] = []
    human = NoHuman(Inbox(tmp_path), lambda plan: [], shown.append, waits=True)

    async def wait() -> Plan | None:
        waiting = asyncio.create_task(human.approve(PLAN, []))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        Inbox(tmp_path).leave("plan", "no: [plan", "1")
        await asyncio.sleep(0.5)
        assert not waiting.done()
        Inbox(tmp_path).leave("plan", said, "1")
        return await waiting

    built = asyncio.run(wait())
    assert (built and built.components[0].purpose) == purpose
    assert [f"agent approve {tmp_path.name}" in text for text in shown] == [True]


def silent(run_dir: Path) -> NoHuman:
    return NoHuman(Inbox(run_dir))


def quiet(run_dir: Path) -> NoHuman:
    def refuse(*_: Any) -> Any:
        raise AssertionError("nothing is shown, nothing paused")

    return Terminal(Inbox(run_dir), refuse, refuse, refuse, asks_plan=False, asks_questions=False, asks_end=False)


@pytest.mark.parametrize("who", [silent, quiet])
def test_where_nobody_is_asked_only_what_is_there_counts(tmp_path: Path, who: Callable[[Path], NoHuman]) -> None:
    human, inbox = who(tmp_path), Inbox(tmp_path)
    assert asyncio.run(human.approve(PLAN, [])) is PLAN
    inbox.leave("plan", LEAVE, "1")
    assert [asyncio.run(human.approve(PLAN, [])) for _ in range(2)] == [None, PLAN]
    assert not human.present()
    assert asyncio.run(human.ask(Q1)) is None
    assert asyncio.run(human.judge(PLAN, {}, None)) is None
    inbox.leave("answer", "blue", "Q2")
    inbox.leave("answer", "Yes, it may.", "Q1")
    inbox.leave("feedback", "It is slow.")
    assert asyncio.run(human.ask(Q1)) == "Yes, it may."
    assert asyncio.run(human.judge(PLAN, {}, None)) == Feedback(True, False, False, "It is slow.")
    assert asyncio.run(human.judge(PLAN, {}, None)) is None, "the same words are not said twice"


@pytest.mark.parametrize(
    ("options", "said", "answer"),
    [
        ((), " blue ", "blue"),
        ((), "1", "1"),
        (("a", "b"), "2", "b"),
        (("a", "b"), "0", "0"),
        (("a", "b"), "-1", "-1"),
        (("a", "b"), "²", "²"),
        (("8", "2"), "2", "2"),
        (("Tabs.",), "tabs.", "Tabs."),
        (("a",), "9" * 5_000, "9" * 5_000),
    ],
)
def test_what_an_answer_means(options: tuple[str, ...], said: str, answer: str) -> None:
    assert meant(options, said) == answer
