"""``agent answer`` and ``agent feedback`` over journals written by the real store, and what the views say of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agent.cli.answer import answer
from agent.cli.feedback import feedback
from agent.cli.live import summary
from agent.cli.log import log
from agent.cli.show import show
from agent.cli.story import load
from agent.store.inbox import Inbox
from agent.store.journal import SqliteJournal
from agent.store.runs import find_run, new_run
from graphs import document, events
from graphs.errors import ConfigError, UserError
from graphs.events import Event
from graphs.values import CaseResult, Component, Contract, Plan, Proof, Requirement, Verdict, to_json

HOSTILE = "\x1b[2J\x07\u202e"
GOLDEN = Path(__file__).parent / "golden"


def component(name: str, *needs: str) -> Component:
    return Component(name, f"The {name}.", (f"q/{name}.py",), Contract({f"q/{name}.py": "x: int"}, "Works."), needs)


def plan_of(*components: Component, revision: int = 1) -> Plan:
    return Plan("Log query", components, (Requirement("R1", "Logs can be queried."),), revision=revision)


FIRST = plan_of(component("reader"), component("cli", "reader"))
SECOND = plan_of(
    component("lexer"),
    component("parser", "lexer"),
    component("reader", "parser"),
    component("cli", "reader"),
    revision=2,
)
PASSED = Verdict("passed", (CaseResult("tests/test_reader.py::test_a", "passed"),))


def on(kind: str, name: str = "", **body: object) -> Event:
    return Event(kind, name, 1, body)


def passed(name: str) -> Event:
    return on(events.COMPONENT_PASSED, name, proof=to_json(Proof(name, "k", "passed", verdict=PASSED, attempts=1)))


def failed(name: str, reason: str) -> Event:
    proof = to_json(Proof(name, "k", "failed", attempts=3, reason=reason))
    return on(events.COMPONENT_FAILED, name, proof=proof, reason=reason)


def ended(status: str, reason: str = "") -> Event:
    return on(events.RUN_FINISHED, status=status, usage={}, seconds=3.0, reason=reason)


STARTED = on(events.RUN_STARTED, run="r", title="Log query", settings={"output": "/out/logq", "model": "m-1"})
PLANNED = on(events.PLAN_REVISED, plan=document.to_data(FIRST), author="model", why="first cut")
SPLIT = {
    "kind": "split", "component": "reader", "parts": ["lexer", "parser"],
    "reason": "it is too much at once: it has 140 lines and still fails 3 of 9", "evidence": ["it has 140 lines"],
}  # fmt: skip
RECUT = on(
    events.PLAN_REVISED,
    plan=document.to_data(SECOND), author="evidence", why=SPLIT["reason"], edits=[SPLIT],
    stale=["reader"], added=["lexer", "parser"], dropped=[],
)  # fmt: skip
ASKED = on(
    events.QUESTION_ASKED, "reader", id="Q1", text=f"May a key hold blanks? {HOSTILE}", options=["Yes.", "No."],
    key="k", asked=True,
)  # fmt: skip
ALSO = on(events.QUESTION_ASKED, "cli", id="Q2", text="Which name?", options=[], key="l", asked=False)
ANSWERED = on(events.QUESTION_ANSWERED, "reader", id="Q1", answer="No.")
STORY = [
    STARTED,
    PLANNED,
    on(events.PLAN_APPROVED, by="user"),
    on(events.COMPONENT_STARTED, "reader", key="k"),
    on(
        events.COMPONENT_DECISION, "reader", decision="split", reason=SPLIT["reason"], evidence=["it has 140 lines"]
    ),
    RECUT,
    passed("lexer"),
    on(
        events.TEST_AMENDED, "parser", id="tests/test_parser.py::test_empty", before="def test_empty():\n    assert 0\n",
        after=f"def test_empty():\n    assert 1  # {HOSTILE}\n", reason="the contract allows an empty line",
        evidence=["assert 1 == 0", "assert 1 == 0"],
    ),
    passed("parser"),
    ASKED,
    ANSWERED,
    failed("reader", "2 repairs in a row did not help"),
    on(events.COMPONENT_BLOCKED, "cli", by="reader"),
    ALSO,
    ended("failed", "1 component failed (reader), 1 blocked by that"),
    on(events.RUN_RESUMED, pid=1),
    on(events.FEEDBACK_GIVEN, ran=False, worked=False, perfect=False, text=f"It crashes on\nempty logs. {HOSTILE}"),
    ended("failed", "1 component failed (reader), 1 blocked by that"),
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def recorded(home: Path, *facts: Event, title: str = "Log query") -> str:
    """A run whose process has ended, holding these events; returns its id."""
    run_id, run_dir = new_run(home, title)
    with SqliteJournal.create(run_dir) as journal:
        asyncio.run(journal.append(*facts))
    return run_id


@pytest.fixture
def live(home: Path) -> Iterator[SqliteJournal]:
    """A run that is going on: this process holds its journal."""
    _, run_dir = new_run(home, "Live")
    with SqliteJournal.create(run_dir) as journal:
        asyncio.run(journal.append(STARTED, PLANNED, on(events.COMPONENT_STARTED, "reader"), ASKED, ALSO))
        yield journal


def call(command: click.Command, *arguments: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(command, list(arguments), input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", result.output), "hostile text reached the terminal"
    return result


def left(home: Path, run: str) -> list[tuple[str, str, str]]:
    return [(m.kind, m.question, m.text) for m in Inbox(find_run(home, run).path).waiting()]


def test_without_an_answer_the_open_questions_are_listed(home: Path) -> None:
    run = recorded(home, STARTED, PLANNED, ASKED, ALSO, ended("failed"))
    recorded(home, STARTED, PLANNED, ended("failed"), title="A newer one that asked nothing")
    expected = [
        "Q1 (reader): May a key hold blanks? \ufffd[2J\ufffd\ufffd",
        "  1. Yes.",
        "  2. No.",
        f'  answer it: agent answer {run} Q1 "…"',
        "Q2 (cli): Which name?",
        f'  answer it: agent answer {run} Q2 "…"',
    ]
    for words in ([], [run], ["log-query"]):
        lines = call(answer, *words).output.splitlines()
        assert [re.sub(r"it: \S*agent'? ", "it: agent ", line) for line in lines] == expected
    assert len(call(answer, run, "q1").output.splitlines()) == 4
    data = json.loads(call(answer, "--json").output)
    assert (data["version"], data["run"], data["live"]) == (1, run, False)
    assert [(q["id"], q["component"], q["options"], q["asked"], q["answer"]) for q in data["questions"]] == [
        ("Q1", "reader", ["Yes.", "No."], True, None),
        ("Q2", "cli", [], False, None),
    ]


@pytest.mark.parametrize(
    ("words", "stdin", "question", "text"),
    [
        (["Q1", "2"], None, "Q1", "No."),
        (["q1", "yes."], None, "Q1", "Yes."),
        (["Q1", "only", "in", "quotes"], None, "Q1", "only in quotes"),
        (["Q2", "2"], None, "Q2", "2"),
        (["Q2", "-"], "several\nlines\n", "Q2", "several\nlines"),
        (["Q2", "--", "--name"], None, "Q2", "--name"),
    ],
)
def test_an_answer_is_left_and_the_way_on_named(
    home: Path, words: list[str], stdin: str | None, question: str, text: str
) -> None:
    run = recorded(home, STARTED, PLANNED, ASKED, ALSO, ended("failed"))
    for named in ([], [run]):
        shown = call(answer, *named, *words, stdin=stdin).output
        assert re.search(rf"^{question}: .*\ngo on with: \S*agent'? resume {run}\n$", shown)
    assert left(home, run) == [("answer", question, text)] * 2
    assert f"left for the run: {' '.join(text.split())}" in call(answer, run).output
    data = json.loads(call(answer, run, question, "--json").output)
    assert [q["answer"] for q in data["questions"]] == [text]


def test_a_run_that_is_going_on_takes_up_what_it_waits_for(home: Path, live: SqliteJournal) -> None:
    run = live.run_dir.name
    assert f"run {run} is going on and takes it up" in call(answer, "Q1", "1").output
    assert f"did not wait for it; when it has ended: agent resume {run}" in re.sub(
        r"\S*agent'? resume", "agent resume", call(answer, "Q2", "tally").output
    )
    assert json.loads(call(answer, "Q2", "tally", "--json").output)["live"] is True


ANSWER_ERRORS = {
    "no such question": (["Q7", "x"], "has asked no Q7; open: Q2"),
    "answered": (["Q1", "x"], "Q1 of run .* was answered: No[.]; open: Q2"),
    "settled": (["Q3", "x"], "Q3 of run .* needs no answer any more, since lexer is settled; open: Q2"),
    "gone": (["Q4", "x"], "Q4 of run .* needs no answer any more, since tokenizer is settled; open: Q2"),
    "no question at all": (["yes"], "'yes' is no question; they are called Q1"),
    "empty": (["Q2", " "], "the answer is empty"),
    "too long": (["Q2", "x" * 100_000], "64000 is the most"),
}


@pytest.mark.parametrize("case", ANSWER_ERRORS)
def test_an_answer_to_nothing_is_refused_in_a_sentence(home: Path, case: str) -> None:
    words, said = ANSWER_ERRORS[case]
    late = [
        on(events.QUESTION_ASKED, name, id=number, text="?", options=[], key="m", asked=True)
        for name, number in (("lexer", "Q3"), ("tokenizer", "Q4"))
    ]
    run = recorded(home, *STORY[:6], *late, passed("lexer"), ASKED, ANSWERED, ALSO, ended("failed"))
    with pytest.raises(UserError, match=said):
        call(answer, run, *words)
    assert left(home, run) == []


def test_where_nothing_is_open_nothing_can_be_answered(home: Path) -> None:
    with pytest.raises(UserError, match=r"agent run SPEC\.md"):
        call(answer)
    run = recorded(home, STARTED, PLANNED, ASKED, ANSWERED, ended("failed"))
    with pytest.raises(UserError, match="no run has an open question"):
        call(answer)
    assert call(answer, run).output == f"run {run} has no open question\n"
    with pytest.raises(UserError, match=r"was answered: No[.]; none is open"):
        call(answer, run, "Q1", "x")


def test_feedback_on_a_run_that_is_going_on_is_left_for_its_end(home: Path, live: SqliteJournal) -> None:
    run = live.run_dir.name
    assert call(feedback, run, "It is slow.").output == f"run {run} is going on; it takes that up at its end\n"
    assert json.loads(call(feedback, run, "-", "--json", stdin="a\nb\n").output) == {
        "version": 1,
        "run": run,
        "live": True,
    }
    assert left(home, run) == [("feedback", "", "It is slow."), ("feedback", "", "a\nb")]
    assert "Left for the run, not taken up yet\n  feedback: It is slow.\n  feedback: a b\n" in call(show, run).output


@pytest.mark.parametrize(
    ("facts", "words", "error", "said"),
    [
        (
            [STARTED, PLANNED, ended("planned")],
            ["x"],
            UserError,
            r"only made a plan; build it with: .* --plan plan\.yaml",
        ),
        ([STARTED, PLANNED, ended("passed")], [" "], UserError, "the feedback is empty"),
        ([STARTED, PLANNED, ended("passed")], ["x" * 100_000], UserError, "64000 is the most"),
        ([STARTED, PLANNED, ended("passed")], ["x", "--max-calls", "0"], ConfigError, "max-calls"),
    ],
)
def test_feedback_that_cannot_count_is_refused_and_not_left(
    home: Path, facts: list[Event], words: list[str], error: type[Exception], said: str
) -> None:
    run = recorded(home, *facts)
    with pytest.raises(error, match=said):
        call(feedback, run, *words)
    assert left(home, run) == []


# -- the views


def test_the_story_is_told_as_in_the_golden_file(home: Path) -> None:
    run = recorded(home, *STORY)
    told = re.sub(r"^ *\d+:\d\d  ", "", call(log, run).output, flags=re.MULTILINE)
    assert told == (GOLDEN / "recut_log.txt").read_text(encoding="utf-8")


def test_show_tells_of_questions_revisions_feedback_and_replaced_tests(home: Path) -> None:
    run = recorded(home, *STORY)
    shown = re.sub(r"\S*/agent(?= )", "agent", call(show, run).output.replace(run, "RUN"))
    assert shown[shown.index("Revisions of the plan") :] == (GOLDEN / "recut_show.txt").read_text(encoding="utf-8")
    data = json.loads(call(show, run, "--json").output)["run"]
    assert [(q["id"], q["answer"]) for q in data["questions"]] == [("Q1", "No."), ("Q2", None)]
    assert [(r["revision"], r["author"], r["stale"], r["added"]) for r in data["revisions"]] == [
        (1, "model", [], []),
        (2, "evidence", ["reader"], ["lexer", "parser"]),
    ]
    assert data["revisions"][1]["edits"] == [
        {
            "kind": "split",
            "what": "reader was split into lexer and parser",
            "reason": SPLIT["reason"],
            "evidence": SPLIT["evidence"],
        }
    ]
    assert [f["ran"] for f in data["feedback"]] == [False]
    assert [(t["component"], t["id"]) for t in data["amended"]] == [("parser", "tests/test_parser.py::test_empty")]


def test_show_gives_both_versions_of_a_replaced_test(home: Path) -> None:
    run = recorded(home, *STORY)
    assert (
        "Replaced test tests/test_parser.py::test_empty: the contract allows an empty line\n"
        "  - assert 1 == 0\n"
        "  - assert 1 == 0\n"
        "  --- before\n"
        "    def test_empty():\n"
        "        assert 0\n"
        "  --- after\n"
        "    def test_empty():\n"
        "        assert 1  # \\x1b[2J\\x07\\u202e\n"
    ) in call(show, run, "parser").output
    assert "decision: split: it is too much at once" in call(show, run, "reader").output
    assert "           - it has 140 lines\n" in call(show, run, "reader").output


def test_a_component_tells_which_changes_of_the_plan_concern_it(home: Path) -> None:
    run = recorded(home, *STORY)
    change = "the plan was cut anew, revision 2: reader was split into lexer and parser"
    for name in ("reader", "lexer", "parser"):
        assert change in call(log, run, "--component", name).output
        assert change in call(show, run, name).output
    for words in ((log, run, "--component", "cli"), (show, run, "cli")):
        assert "the plan was cut anew" not in call(*words).output


def test_a_plan_that_stays_as_it_was_is_not_told_as_a_new_one(home: Path) -> None:
    body = {"plan": document.to_data(SECOND), "author": "model", "why": "the user said what is wrong"}
    stays = Event(events.PLAN_REVISED, "", 2, {**body, "edits": [], "stale": [], "added": [], "dropped": []})
    run = recorded(home, STARTED, PLANNED, stays, ended("passed"))
    assert "  the user said what is wrong, and the plan stays as it was, revision 2\n" in call(log, run).output
    assert "  2  by the model: the user said what is wrong, and the plan stays as it was\n" in call(show, run).output
    assert "  1  by the model: first cut\n" in call(show, run).output
    state = load(find_run(home, run).path)
    assert "revision 2; last: the user said what is wrong, and the plan stays as it was\n" in summary(state)


def test_what_a_resumed_run_goes_through_again_is_told_once(home: Path) -> None:
    step = on(events.COMPONENT_STEP, "reader", step="code", attempt=1, detail="")
    work = [on(events.COMPONENT_STARTED, "reader", key="k"), step, step, failed("reader", "no progress")]
    gone_on = on(events.RUN_RESUMED, pid=1)
    run = recorded(home, STARTED, PLANNED, *work, ended("failed"), gone_on, *work, passed("reader"), ended("failed"))
    for shown in (call(log, run).output, call(show, run, "reader").output):
        told = [line.split("  ")[-1].removeprefix("reader: ") for line in shown.splitlines()]
        counts = [told.count(w) for w in ("work on it begins", "writing code", "not built: no progress")]
        assert counts == [1, 2, 1]
        assert told.count("proven: 1 test passed") == 1
    assert len(call(log, run, "--json").output.splitlines()) == 2 * len(work) + 6
