"""``--record FILE`` and ``replay:FILE``: recordings of a model, as JSON lines, for CI and demonstrations.

An answer is found by what was asked: the messages, the step and the further parameters, and how many equal questions
were answered before. The name of the model, the component's key, the order and the time play no part.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.models.base import Answer, Ask, Model
from graphs.errors import ConfigError, ModelRefused, PrerequisiteError
from graphs.values import Usage, digest, from_json, to_json


@dataclass(frozen=True)
class Call:
    """One answered call: a line of a recording."""

    key: str
    """SHA-256 of the question and ``repeat``; unique in the file."""
    repeat: int
    """How many equal questions were answered before this one."""
    step: str
    """``plan``, ``code``…"""
    component: str
    """The component it was for; empty for the run as a whole."""
    attempt: int
    """Which try of the step; tells equal questions apart when only some of them are asked again."""
    messages: str
    """SHA-256 of the question: messages, step and further parameters."""
    text: str
    """The answer."""
    usage: Usage
    """What it cost when it was made."""
    model: str
    """The model that answered, as it named itself."""
    seconds: float
    """Wall time when it was made."""


def question(ask: Ask) -> str:
    """SHA-256 of what is asked."""
    asked = [[(m.role, m.content) for m in ask.messages], ask.step, ask.extra]
    return digest(asked if ask.form is None else [*asked, ask.form.digest])


class Recorder:
    """Passes asks on to a model and appends each answer to a file, one line per call, on disk before it is handed on.

    A file that exists is continued. Failed asks are not recorded.
    """

    def __init__(self, model: Model, path: Path) -> None:
        self.name = model.name
        self.forms = model.forms
        self._model = model
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _mend_last_line(path)
            self._file = path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            raise _unwritable(path, error) from error
        self._answered: Counter[str] = Counter(call.messages for call in read(path))

    async def ask(self, ask: Ask) -> Answer:
        """The model's answer, recorded."""
        answer = await self._model.ask(ask)
        await asyncio.to_thread(self._write, ask, answer)
        return answer

    def price(self, usage: Usage) -> float | None:
        """That of the model underneath."""
        return self._model.price(usage)

    async def close(self) -> None:
        """Close the file and the model."""
        with self._lock:
            self._file.close()
        await self._model.close()

    def _write(self, ask: Ask, answer: Answer) -> None:
        messages = question(ask)
        with self._lock:
            repeat = self._answered[messages]
            call = Call(
                key=digest([messages, repeat]),
                repeat=repeat,
                step=ask.step,
                component=ask.component,
                attempt=ask.attempt,
                messages=messages,
                text=answer.text,
                usage=answer.usage,
                model=answer.model,
                seconds=round(answer.seconds, 3),
            )
            try:
                self._file.write(json.dumps(to_json(call)) + "\n")
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise _unwritable(self._path, error) from error
            self._answered[messages] += 1


class Recording:
    """The answers of a recording that were not given yet. Equal questions get theirs in the order they were recorded.

    When only some of several equal questions are asked (after a resume), component and attempt tell which is meant.
    """

    def __init__(self, path: Path, loose: bool = False) -> None:
        """``loose``: a question that was not recorded word for word gets what was recorded for the same step, component and
        attempt."""
        self._path = path
        self._loose = loose
        self._left: dict[str, list[Call]] = {}
        for call in read(path):
            self._left.setdefault(call.messages, []).append(call)

    def take(self, ask: Ask) -> Call:
        """The recorded call for a question, once; ``ModelRefused`` when the recording does not hold one."""
        left = self._left.get(question(ask), []) or self._near(ask)
        if not left:
            raise ModelRefused(
                f"the recording {str(self._path)!r} holds no answer for step {ask.step!r} of "
                f"{f'component {ask.component!r}' if ask.component else 'the run'} (attempt {ask.attempt}): "
                "the spec, the plan or a prompt changed since it was made; record again with --record",
                fault="not recorded",
            )
        same = [call for call in left if (call.component, call.attempt) == (ask.component, ask.attempt)]
        call = (same or left)[0]
        left.remove(call)
        return call

    def _near(self, ask: Ask) -> list[Call]:
        """What is left under another wording of the same step, component and attempt, when that is allowed."""
        if not self._loose:
            return []
        wanted = (ask.step, ask.component, ask.attempt)
        for calls in self._left.values():
            if any((call.step, call.component, call.attempt) == wanted for call in calls):
                return calls
        return []


class Replay:
    """Answers from a recording, word for word."""

    def __init__(self, path: Path, delay: float = 0.0, loose: bool = False) -> None:
        """
        Args:
            path: the recording.
            delay: mean simulated latency in seconds per call, so that a demonstration looks alive.
            loose: answer a question that was not recorded word for word with what was recorded for the same step, component
                and attempt. Failure texts of tests differ between versions of Python, and repairs quote them.
        """
        self.name = f"replay{'-loosely' * loose}:{path}"
        self.forms = frozenset({"grammar", "schema"})  # that of a question is part of what is recorded
        self._delay = delay
        self._recording = Recording(path, loose)

    async def ask(self, ask: Ask) -> Answer:
        """The recorded answer with its recorded usage; ``ModelRefused`` when the recording does not hold one."""
        started = time.monotonic()
        async with ask.gate.lease(ask) as lease:
            if self._delay:
                # Between half and one and a half times the delay, the same for the same question on every machine.
                await asyncio.sleep(self._delay * (0.5 + int(question(ask)[:4], 16) / 0xFFFF))
            call = self._recording.take(ask)
            lease.spent = call.usage
        return Answer(call.text, call.usage, call.model, time.monotonic() - started)

    def price(self, usage: Usage) -> float | None:
        """Nothing: the answers were paid when they were recorded."""
        return 0.0

    async def close(self) -> None:
        """Nothing to let go of."""


def read(path: Path) -> list[Call]:
    """The calls of a recording in file order; ``ConfigError`` with the number of the line that is not a call."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError as error:
        raise ConfigError(f"there is no recording {str(path)!r}; make one with --record {path}") from error
    except OSError as error:
        raise ConfigError(f"cannot read the recording {str(path)!r}: {error.strerror or error}") from error
    calls = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            data: Any = json.loads(line)
            calls.append(from_json(Call, data))
        except (ValueError, ValidationError) as error:
            raise ConfigError(
                f"line {number} of the recording {str(path)!r} is not a recorded call; remove the line or record again"
            ) from error
    return calls


def _mend_last_line(path: Path) -> None:
    """Give the last line its end, or cut it off when it is the half of a record that a killed process left behind."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        data = file.read()
        if not data or data.endswith(b"\n"):
            return
        start = data.rfind(b"\n") + 1
        try:
            json.loads(data[start:])
        except ValueError:
            file.truncate(start)
        else:
            file.write(b"\n")


def _unwritable(path: Path, error: OSError) -> PrerequisiteError:
    return PrerequisiteError(f"cannot write the recording {str(path)!r}: {error.strerror or error}")
