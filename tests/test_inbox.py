"""The inbox of a run: whole messages or none, each counts once, and nothing lying around there does any harm."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.store.inbox import BUILD, DIRECTORY, LEAVE, MOST_CHARACTERS, Inbox, _parsed
from agent.store.journal import SqliteJournal
from graphs.errors import UserError
from graphs.events import FEEDBACK_GIVEN, NOTE, QUESTION_ANSWERED, QUESTION_ASKED, Event

ASKED = [
    Event(
        QUESTION_ASKED, "parser", 2, {"id": "Q1", "text": "Tabs?", "options": ["yes", "no"], "key": "k", "asked": True}
    ),
    Event(QUESTION_ASKED, "cli", 3, {"id": "Q2", "text": "Colour?", "options": [], "key": "l", "asked": False}),
]


def journal_of(run_dir: Path, *events: Event) -> SqliteJournal:
    journal = SqliteJournal.create(run_dir)
    asyncio.run(journal.append(*events))
    return journal


def facts(journal: SqliteJournal, *kinds: str) -> list[tuple[str, str, int, dict[str, Any]]]:
    return [(e.kind, e.component, e.revision, dict(e.body)) for e in journal.events(kind=kinds)]


def notes(journal: SqliteJournal) -> list[str]:
    return [str(e.body["text"]) for e in journal.events(kind=NOTE)]


def names(inbox: Inbox) -> list[str]:
    return sorted(os.listdir(inbox.path)) if inbox.path.exists() else []


def test_an_inbox_nobody_wrote_to_is_empty_and_leaves_no_trace(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "run")
    with journal_of(tmp_path / "run", *ASKED) as journal:
        asyncio.run(inbox.take_up(journal))
        assert (inbox.waiting(), inbox.answer("Q1"), inbox.feedback()) == ([], None, None)
        assert facts(journal, NOTE, QUESTION_ANSWERED, FEEDBACK_GIVEN) == []
    assert not inbox.path.exists()


REVISED, PASSED_ON = Event("plan.revised", revision=1), Event("plan.approved", revision=1)


def test_a_word_on_a_plan_waits_until_that_plan_asks_for_it(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with journal_of(tmp_path, REVISED) as journal:
        inbox.leave("plan", BUILD, "2")
        inbox.leave("plan", LEAVE, "1")
        inbox.leave("plan", BUILD, "1")
        asyncio.run(inbox.take_up(journal))
        assert [m.question for m in inbox.waiting()] == ["1"], "the last word on a plan counts"
        assert "revision 2 of the plan is dropped" in " ".join(notes(journal))
        assert [inbox.ruling(1), inbox.ruling(1), Inbox(tmp_path).ruling(1)] == [BUILD, None, BUILD]
        asyncio.run(journal.append(PASSED_ON))
        asyncio.run(inbox.take_up(journal))
        assert names(inbox) == []
        inbox.leave("plan", LEAVE, "1")
        asyncio.run(inbox.take_up(journal))
        assert names(inbox) == []
        assert [note for note in notes(journal) if "let pass before" in note]


def test_that_a_plan_is_not_to_be_built_is_said_once(tmp_path: Path) -> None:
    Inbox(tmp_path).leave("plan", BUILD, "1")
    Inbox(tmp_path).leave("plan", LEAVE, "1")
    assert [Inbox(tmp_path).ruling(1), Inbox(tmp_path).ruling(1)] == [LEAVE, None], "a resumed run asks anew"


def test_messages_are_private_and_read_back_in_order(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.leave("answer", "  tabs\r\nand blanks \n", "Q1")
    inbox.leave("feedback", "Umlauts: ü \ud800 \u202e")
    inbox.leave("answer", "no, blanks", "Q1")
    assert [(m.kind, m.text, m.question) for m in inbox.waiting()] == [
        ("answer", "tabs\nand blanks", "Q1"),
        ("feedback", "Umlauts: ü ? \u202e", ""),
        ("answer", "no, blanks", "Q1"),
    ]
    assert abs(inbox.waiting()[0].ts - time.time()) < 60
    assert stat.S_IMODE(inbox.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE((inbox.path / name).stat().st_mode) for name in names(inbox)} == {0o600}
    assert inbox.answer("Q1") == "no, blanks", "the last word counts"
    assert inbox.answer("Q2") is None
    assert [inbox.feedback(), inbox.feedback()] == ["Umlauts: ü ? \u202e", None], "handed out once"
    assert len(names(inbox)) == 3, "handing out deletes nothing: the journal does not know it yet"


@pytest.mark.parametrize(("text", "said"), [(" \n ", "is empty"), ("x" * (MOST_CHARACTERS + 1), "is the most")])
def test_what_is_no_message_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Inbox(tmp_path).leave("feedback", text)
    assert names(Inbox(tmp_path)) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / DIRECTORY).write_text("a file")
    with pytest.raises(UserError, match=r"nothing can be left for the run in .*inbox"):
        Inbox(tmp_path).leave("feedback", "x")


def test_the_longest_message_of_the_widest_characters_is_read_back(tmp_path: Path) -> None:
    text = "\U0001f600" * MOST_CHARACTERS
    Inbox(tmp_path).leave("feedback", text)
    assert Inbox(tmp_path).feedback() == text


def test_what_waits_is_journalled_and_then_deleted(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with journal_of(tmp_path, *ASKED) as journal:
        inbox.leave("answer", "yes", "Q1")
        inbox.leave("answer", "no", "Q1")
        inbox.leave("feedback", "It is slow.")
        inbox.leave("feedback", "It is ugly.")
        inbox.leave("answer", "green", "Q2")
        asyncio.run(inbox.take_up(journal))
        expected = [
            (QUESTION_ANSWERED, "parser", 2, {"id": "Q1", "answer": "no"}),
            (FEEDBACK_GIVEN, "", 0, {"ran": True, "worked": False, "perfect": False, "text": "It is slow."}),
            (FEEDBACK_GIVEN, "", 0, {"ran": True, "worked": False, "perfect": False, "text": "It is ugly."}),
            (QUESTION_ANSWERED, "cli", 3, {"id": "Q2", "answer": "green"}),
        ]
        assert facts(journal, QUESTION_ANSWERED, FEEDBACK_GIVEN) == expected
        assert notes(journal) == ["of several answers to Q1 the latest counts"]
        assert names(inbox) == []
        asyncio.run(inbox.take_up(journal))
        assert facts(journal, QUESTION_ANSWERED, FEEDBACK_GIVEN) == expected


def test_what_can_no_longer_count_is_dropped_with_a_note(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    answered = Event(QUESTION_ANSWERED, "parser", 2, {"id": "Q1", "answer": "yes"})
    with journal_of(tmp_path, *ASKED, answered) as journal:
        inbox.leave("answer", "no", "Q1")
        inbox.leave("answer", "yes", "Q1")
        inbox.leave("answer", "what?", "Q9")
        assert asyncio.run(inbox.settle(journal)) == []
        assert notes(journal) == [
            "a further answer to Q1 is dropped, because it was answered before",
            "an answer to 'Q9' is dropped, because that was never asked",
        ]
        assert names(inbox) == []
        assert len(facts(journal, QUESTION_ANSWERED)) == 1


def test_settling_leaves_what_still_waits(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with journal_of(tmp_path, *ASKED) as journal:
        inbox.leave("answer", "yes", "Q1")
        inbox.leave("feedback", "Q1")  # the text of one is the question of the other
        assert [m.kind for m in asyncio.run(inbox.settle(journal))] == ["answer", "feedback"]
        assert len(names(inbox)) == 2
        assert facts(journal, QUESTION_ANSWERED, FEEDBACK_GIVEN, NOTE) == []


def test_the_same_words_left_twice_are_handed_out_once(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for text in ("It is slow.", "It crashes.", "It is slow."):
        inbox.leave("feedback", text)
    assert [inbox.feedback() for _ in range(3)] == ["It is slow.", "It crashes.", None]


def test_the_same_words_later_are_said_again(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with journal_of(tmp_path) as journal:
        for _ in range(2):
            inbox.leave("feedback", "Still wrong.")
            inbox.leave("feedback", "Still wrong.")
            asyncio.run(inbox.take_up(journal))
        assert len(facts(journal, FEEDBACK_GIVEN)) == 2


KILLED = """
import asyncio, os, pathlib, signal, sys
from agent.store.inbox import Inbox
from agent.store.journal import SqliteJournal
run_dir = pathlib.Path(sys.argv[1])
journal = SqliteJournal.open(run_dir)
journal.subscribe(lambda event: os.kill(os.getpid(), signal.SIGKILL))
asyncio.run(Inbox(run_dir).take_up(journal))
"""


@pytest.mark.parametrize(("kind", "question"), [("answer", "Q1"), ("feedback", "")])
def test_a_kill_between_journal_and_delete_repeats_nothing(tmp_path: Path, kind: Any, question: str) -> None:
    inbox = Inbox(tmp_path)
    journal_of(tmp_path, *ASKED).close()
    inbox.leave(kind, "Blanks.", question)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    with SqliteJournal.open(tmp_path) as journal:
        before = facts(journal, QUESTION_ANSWERED, FEEDBACK_GIVEN)
        assert len(before) == 1, "it was durable"
        assert len(names(inbox)) == 1, "and not deleted"
        asyncio.run(inbox.take_up(journal))
        assert facts(journal, QUESTION_ANSWERED, FEEDBACK_GIVEN) == before
        assert notes(journal) == []
        assert names(inbox) == []


def test_feedback_that_the_run_itself_journalled_is_not_taken_up_again(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with journal_of(tmp_path) as journal:
        inbox.leave("feedback", "It is slow.")
        said = inbox.feedback()
        body = {"ran": True, "worked": False, "perfect": False, "text": said}
        asyncio.run(journal.append(Event(FEEDBACK_GIVEN, revision=1, body=body)))
        assert asyncio.run(inbox.settle(journal)) == []
        assert names(inbox) == []


def _leave_many(run_dir: Path, who: str) -> None:
    inbox = Inbox(run_dir)
    for number in range(20):
        inbox.leave("feedback", f"{who} {number} " + "x" * 5_000)


def test_two_writers_and_a_reader_see_whole_messages_only(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        writers = [pool.submit(_leave_many, tmp_path, who) for who in "ab"]
        while not all(w.done() for w in writers):
            messages, broken = inbox._read()
            assert broken == []
            assert all(len(m.text) > 5_000 for m in messages)
        for writer in writers:
            writer.result()
    found = [m.text.rstrip("x").strip() for m in inbox.waiting()]
    assert sorted(found) == sorted(f"{who} {number}" for who in "ab" for number in range(20))
    for who in "ab":
        assert [f for f in found if f[0] == who] == [f"{who} {number}" for number in range(20)]
    assert not [name for name in os.listdir(inbox.path) if name.startswith(".")]


WHOLE = {"kind": "answer", "text": "x", "question": "Q1", "ts": 1.0}
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "text": b"hello",
    "cut": json.dumps(WHOLE).encode()[:-5],
    "not UTF-8": b"\xff\xfe\x00",
    "list": b"[]",
    "deep": b"[" * 500_000,
    "digits": b'{"ts": ' + b"9" * 100_000 + b"}",
    "huge": b" " * 2_000_000,
    **{f"without {key}": json.dumps({k: v for k, v in WHOLE.items() if k != key}).encode() for key in WHOLE},
    **{
        f"{key} {value!r:.20}": json.dumps({**WHOLE, key: value}).encode()
        for key, values in {
            "kind": ["order", 1, None],
            "text": ["", " ", 1, None, ["x"], "x" * (MOST_CHARACTERS + 1)],
            "question": ["", 1, None, "Q" * 200],
            "ts": ["1", None, 10**400, float("inf"), float("nan"), True],
            "more": [1],
        }.items()
        for value in values
    },
    "feedback with a question": json.dumps({**WHOLE, "kind": "feedback"}).encode(),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_ignored_with_a_note(tmp_path: Path, what: str) -> None:
    inbox = Inbox(tmp_path)
    inbox.leave("answer", "yes", "Q1")
    (inbox.path / "00-broken\n.json").write_bytes(BROKEN[what])
    with journal_of(tmp_path, *ASKED) as journal:
        assert inbox.answer("Q1") == "yes"
        for _ in range(2):
            asyncio.run(inbox.take_up(journal))
        assert [body["answer"] for _, _, _, body in facts(journal, QUESTION_ANSWERED)] == ["yes"]
        (note,) = notes(journal)
        assert "00-broken" in note
        assert "is ignored: it" in note
        assert "\n" not in note
    assert names(inbox) == ["00-broken\n.json"]


def test_what_is_no_file_is_ignored_too(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.leave("feedback", "x")
    (tmp_path / "elsewhere.json").write_bytes((inbox.path / names(inbox)[0]).read_bytes())
    os.mkfifo(inbox.path / "a-fifo")
    (inbox.path / "a-directory").mkdir()
    (inbox.path / "a-link").symlink_to(tmp_path / "elsewhere.json")
    (inbox.path / "a-loop").symlink_to("a-loop")
    (inbox.path / ".being-written").write_bytes(b"{")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert [m.text for m in inbox.waiting()] == ["x"]
    assert len(os.listdir("/proc/self/fd")) == before
    with journal_of(tmp_path) as journal:
        asyncio.run(inbox.take_up(journal))
        assert len(notes(journal)) == 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.binary(max_size=200)
    | st.fixed_dictionaries(dict.fromkeys(WHOLE, json_values)).map(lambda v: json.dumps(v).encode())
)
def test_any_content_is_a_message_or_refused_in_words(data: bytes) -> None:
    try:
        message = _parsed("n", data)
    except ValueError as error:
        said = str(error)
    else:
        message.text.encode("utf-8")
        said = "it" if message.text.strip() and bool(message.question) == (message.kind == "answer") else ""
    assert said.startswith("it")
