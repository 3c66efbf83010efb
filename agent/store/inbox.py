"""What other processes leave for a run: answers to its questions, whether its plan may be built, and what the user says of
its result.

One file each in ``inbox/`` of the run's directory, whole or not there at all. The journal is the truth: a message counts
once, when it is journalled, and is deleted only after that. A process that is killed in between leaves a file behind
that the journal already knows; the next one deletes it. Only that a plan is not to be built is deleted when it is handed
out: killed then, the run asks again.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.store.journal import JournalReader, SqliteJournal
from graphs.errors import UserError
from graphs.events import (
    FEEDBACK_GIVEN,
    NOTE,
    PLAN_APPROVED,
    PLAN_REVISED,
    QUESTION_ANSWERED,
    QUESTION_ASKED,
    Event,
)

DIRECTORY = "inbox"
"""Name of the directory inside a run's directory; only its owner can read it."""
MOST_CHARACTERS = 64_000
"""Of an answer or feedback: what is longer belongs into the specification."""
MOST_PLAN_CHARACTERS = 1_000_000
"""Of an edited plan."""
Kind = Literal["answer", "feedback", "plan"]
"""What a message is: an answer to a question, what is wrong with the result, or whether a plan may be built."""
BUILD, LEAVE = "build", "leave"
"""What is said of a plan that is let pass as it is, and of one that is not to be built; else an edited plan."""

_MOST: Mapping[Kind, int] = {"answer": MOST_CHARACTERS, "feedback": MOST_CHARACTERS, "plan": MOST_PLAN_CHARACTERS}
_MOST_BYTES = 12 * MOST_PLAN_CHARACTERS + 4_096  # of a file: every character as two JSON escapes fits
_MOST_FILES = 1_000


@dataclass(frozen=True)
class Message:
    """One answer, one piece of feedback, or one word on a plan."""

    kind: Kind
    """Which of them."""
    text: str
    """What was said, without blanks around it; typed by a person, so safe to hand on and not safe to print."""
    question: str = ""
    """The id of the question it answers, or the number of the plan's revision it is about; empty for feedback."""
    name: str = ""
    """Its file; empty until it is left. Names sort by time."""
    ts: float = 0.0
    """When it was left, in seconds since the epoch."""


@dataclass(frozen=True)
class _Known:
    """What the journal says of questions, feedback and plans."""

    asked: dict[str, Event]
    """Id of a question → how it was asked."""
    answered: dict[str, str]
    """Id of a question → its answer."""
    feedback: list[tuple[str, float]]
    """Each text, and when it was journalled."""
    revision: int
    """Of the plan in force; 0 before there is one."""
    approved: float
    """When a plan was last let pass, in seconds since the epoch; 0 when none was."""
    passes: bool
    """Whether the plan in force was let pass."""


class Inbox:
    """The messages to one run. The process that works on it reads them; any other may leave one."""

    def __init__(self, run_dir: Path) -> None:
        """``run_dir``: the run's directory. The inbox is made with the first message."""
        self.path = run_dir / DIRECTORY
        self._handed_out: set[str] = set()

    def leave(self, kind: Kind, text: str, question: str = "") -> None:
        """Leave a message; it is on the disk when this returns. ``UserError`` when it is empty, too long or cannot be kept."""
        text = _clean(text)
        if not text:
            raise UserError(f"the {kind} is empty; say something")
        if len(text) > (most := _MOST[kind]):
            raise UserError(
                f"the {kind} has {len(text)} characters, and {most} is the most; put the rest into the specification"
            )
        now = time.time_ns()
        name = f"{now:020d}-{os.getpid()}-{secrets.token_hex(4)}.json"
        body = {"kind": kind, "text": text, "question": question, "ts": now / 1e9}
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            self._write(name, json.dumps(body).encode("ascii"))
        except OSError as error:
            raise UserError(
                f"nothing can be left for the run in {str(self.path)!r}: {error.strerror or error}; make room there, and "
                "make it writable"
            ) from error

    def _write(self, name: str, data: bytes) -> None:
        scratch, target = self.path / f".{name}", self.path / name
        with open(scratch, "xb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW, 0o600)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(scratch, target)
        directory = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def waiting(self) -> list[Message]:
        """All messages that are there, oldest first. Files that are no messages are passed over."""
        return self._read()[0]

    def answer(self, question: str) -> str | None:
        """The latest answer to that question that is there."""
        found = [m.text for m in self.waiting() if m.kind == "answer" and m.question == question]
        return found[-1] if found else None

    def feedback(self) -> str | None:
        """The oldest feedback that is there and that this object has not handed out yet; the same words count once."""
        left = [m for m in self.waiting() if m.kind == "feedback" and m.name not in self._handed_out]
        if not left:
            return None
        self._handed_out |= {m.name for m in left if m.text == left[0].text}
        return left[0].text

    def ruling(self, revision: int) -> str | None:
        """What was said last of that revision of the plan and this object has not handed out yet: ``BUILD``, ``LEAVE`` or an
        edited plan (a document that is still to be read and checked)."""
        about = [m for m in self.waiting() if m.kind == "plan" and m.question == str(revision)]
        left = [m for m in about if m.name not in self._handed_out]
        if not left:
            return None
        self._handed_out |= {m.name for m in left}
        if left[-1].text == LEAVE:
            self._delete(about)
        return left[-1].text

    async def take_up(self, journal: SqliteJournal) -> None:
        """Journal all that waits, as if it had been said to this process, and delete it.

        The latest of several answers to a question counts. What is said of a plan waits on until the run asks for it.
        """
        if waiting := [m for m in await self.settle(journal) if m.kind != "plan"]:
            known = _known(journal)
            await journal.append(*(_fact(message, known) for message in waiting))
            self._delete(waiting)

    async def settle(self, journal: SqliteJournal) -> list[Message]:
        """Delete what is journalled already; returns what still waits.

        What can no longer count is deleted too, and files that are no messages stay where they are; notes say so.
        """
        messages, broken = self._read()
        if not messages and not broken:
            return []
        known = _known(journal)
        waiting: dict[tuple[str, str], Message] = {}
        done: list[Message] = []
        notes = [f"{str(self.path / name)!r} is ignored: {why}" for name, why in broken]
        for message in messages:
            settled, note = _settled(message, known)
            if note:
                notes.append(note)
            if settled:
                done.append(message)
                continue
            about = message.kind, message.question or message.text
            if about in waiting:
                done.append(waiting[about])
                if message.kind == "answer":
                    notes.append(f"of several answers to {message.question} the latest counts")
            waiting[about] = message
        said = {event.body.get("text") for event in journal.events(kind=NOTE)}
        await journal.append(*(Event(NOTE, body={"text": n}) for n in dict.fromkeys(notes) if n not in said))
        self._delete(done)
        return list(waiting.values())

    def _delete(self, messages: Sequence[Message]) -> None:
        for message in messages:
            with suppress(OSError):  # it is journalled, so it does no harm where it is
                os.unlink(self.path / message.name)

    def _read(self) -> tuple[list[Message], list[tuple[str, str]]]:
        """The messages, and (file, why it is none)."""
        try:
            names = sorted(name for name in os.listdir(self.path) if not name.startswith("."))
        except OSError:
            return [], []
        messages: list[Message] = []
        broken: list[tuple[str, str]] = []
        for name in names[:_MOST_FILES]:
            try:
                messages.append(_parsed(name, _content(self.path / name)))
            except FileNotFoundError:  # another process has just taken it up
                continue
            except (OSError, ValueError, RecursionError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                broken.append((name, why or type(error).__name__))
        return messages, broken


def _content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a file")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(_MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MOST_BYTES:
        raise ValueError("it is too large for a message")
    return data


def _parsed(name: str, data: bytes) -> Message:
    """``ValueError`` says why it is no message."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(body, dict) or set(body) != {"kind", "text", "question", "ts"}:
        raise ValueError("it has not the keys of a message")
    kind = next((known for known in _MOST if known == body["kind"]), None)
    text, question, ts = body["text"], body["question"], body["ts"]
    if kind is None or not isinstance(text, str) or not isinstance(question, str):
        raise ValueError("it has not the values of a message")
    if not isinstance(ts, float) or not math.isfinite(ts) or bool(question) != (kind != "feedback"):
        raise ValueError("it has not the values of a message")
    text = _clean(text)
    if not text or len(text) > _MOST[kind] or len(question) > 100:
        raise ValueError("its text is empty or too long")
    return Message(kind, text, _clean(question), name, ts)


def _clean(text: str) -> str:
    """Without blanks around it, line ends as everywhere, and nothing that UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").strip()


def _known(journal: JournalReader) -> _Known:
    asked: dict[str, Event] = {}
    answered: dict[str, str] = {}
    feedback: list[tuple[str, float]] = []
    for event in journal.events(kind=(QUESTION_ASKED, QUESTION_ANSWERED, FEEDBACK_GIVEN)):
        body: Any = event.body
        if event.kind == QUESTION_ASKED:
            asked[str(body.get("id"))] = event
        elif event.kind == QUESTION_ANSWERED:
            answered[str(body.get("id"))] = str(body.get("answer", ""))
        else:
            feedback.append((str(body.get("text", "")), event.ts))
    revision, approved, passes = 0, 0.0, False
    for head in journal.heads(kind=(PLAN_REVISED, PLAN_APPROVED)):
        if head.kind == PLAN_REVISED:
            revision, passes = head.revision, False
        else:
            approved, passes = head.ts, True
    return _Known(asked, answered, feedback, revision, approved, passes)


def _settled(message: Message, known: _Known) -> tuple[bool, str]:
    """Whether a message has nothing more to do, and what is to be said of that."""
    if message.kind == "feedback":
        # The same words a second time, before anything came of them, say nothing more.
        return any(text == message.text and ts >= message.ts for text, ts in known.feedback), ""
    question = message.question
    if message.kind == "plan":
        if known.approved >= message.ts:
            return True, ""  # that was it, or somebody else was quicker
        if question != str(known.revision):
            return True, f"what was said of revision {question} of the plan is dropped, because the plan is another now"
        late = f"what was said of revision {question} of the plan is dropped, because it was let pass before"
        return (True, late) if known.passes else (False, "")
    if question not in known.asked:
        return True, f"an answer to {question!r} is dropped, because that was never asked"
    if question not in known.answered:
        return False, ""
    same = known.answered[question].strip() == message.text
    return True, "" if same else f"a further answer to {question} is dropped, because it was answered before"


def _fact(message: Message, known: _Known) -> Event:
    if message.kind == "feedback":
        # Somebody who says what is wrong has seen it run.
        body = {"ran": True, "worked": False, "perfect": False, "text": message.text}
        return Event(FEEDBACK_GIVEN, body=body)
    asked = known.asked[message.question]
    body = {"id": message.question, "answer": message.text}
    return Event(QUESTION_ANSWERED, asked.component, asked.revision, body)
