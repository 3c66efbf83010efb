"""What has happened in an experiment, on the disk before anything builds on it: one line of JSON for each fact, only ever appended.

Whatever dies – a worker, the runner, the machine – what the ledger holds is not done again, and what it does not hold did not
happen. A line that was being written when the power went is no line. Lines:

- ``experiment``: the head, with everything that was fixed before the first cell, and the hash of the program;
- ``began``: a cell was given to a worker, for the how-manyth time;
- ``ended``: what came of it; the last of a cell counts;
- ``look``: what was decided when results were looked at.

A ledger is written by one process at a time, which a lock holds.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.printable import printable
from benchmark.statistics import Outcome
from graphs.errors import PrerequisiteError, UserError
from graphs.values import from_json, to_json

SCHEMA = 1
"""Of the lines; raised when an older program could misread them."""
NAME = "ledger.jsonl"
"""In the directory of an experiment."""
LONGEST_REASON = 2_000
"""Characters that are kept of a reason: it may quote a program."""
CELLS = "cells"
"""Beside it: a folder for each cell, with the run's home, what it delivered, and what a worker said."""


@dataclass(frozen=True)
class Result:
    """What came of one cell."""

    cell: str
    """Its key."""
    task: str
    """The task's id."""
    arm: str
    """The arm's name."""
    repeat: int
    """From 0."""
    passed: bool
    """Every hidden test passed."""
    status: str = ""
    """What the run said of itself: ``passed``, ``failed``, ``limit``; empty when it came to no end."""
    infra: bool = False
    """A machine, a provider or a worker failed, so that nothing is said of the arm."""
    reason: str = ""
    """One sentence when not passed."""
    score: float = 0.0
    """Share of the hidden tests that passed, 0 to 1."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Component that hidden tests judge → the share of them that passed."""
    usd: float | None = None
    """What its model calls cost, in US dollars; ``None`` where a price is not known."""
    calls: int = 0
    """Model calls."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    questions: int = 0
    """Asked, however often."""
    first_try: int = 0
    """Of them, those whose first answer was of use."""
    again: int = 0
    """Answers asked for again."""
    given_up: int = 0
    """Questions without an answer of use."""
    components: int = 0
    """Of the plan in force at the end."""
    revisions: int = 0
    """How often the plan was changed."""
    seconds: float = 0.0
    """Wall time of the run."""
    grading: float = 0.0
    """Wall time of the hidden tests."""
    model: str = ""
    """As the model that answered named itself; empty when none did."""
    tries: int = 1
    """How often the cell was begun."""
    run: str = ""
    """The run's directory, below that of the experiment; empty when there is none."""

    def __post_init__(self) -> None:
        """What a run or a model said of itself is made fit for any file and terminal."""
        for name in ("status", "reason", "model"):
            object.__setattr__(self, name, printable(getattr(self, name)[:LONGEST_REASON]))

    @property
    def outcome(self) -> Outcome:
        """As statistics take it."""
        return Outcome(self.task, self.arm, self.repeat, self.passed, self.usd, self.seconds, self.infra)

    @property
    def claimed(self) -> bool:
        """Whether the run said of itself that it passed."""
        return self.status == "passed"


class Ledger:
    """The ledger of one experiment, opened by :func:`open_ledger` for writing or :func:`read_ledger` for reading."""

    def __init__(self, directory: Path, head: Mapping[str, Any], descriptor: int | None) -> None:
        """What :func:`open_ledger` and :func:`read_ledger` found; ``descriptor``: to append to, ``None`` to read only."""
        self.directory = directory
        self.head = head
        """The experiment, as :meth:`benchmark.experiment.Experiment.as_data` says it."""
        self.results: dict[str, Result] = {}
        """Cell key → what came of it, infrastructure failures included."""
        self.begun: dict[str, int] = {}
        """Cell key → how often it was given to a worker."""
        self.open: set[str] = set()
        """Keys of cells that were given to a worker and did not end since: they run now, or were cut off."""
        self.looks: list[Mapping[str, Any]] = []
        """What was decided at looks, in order."""
        self._descriptor = descriptor

    @property
    def spent(self) -> float | None:
        """US dollars of all cells that ended; ``None`` when one's price is not known."""
        prices = [result.usd for result in self.results.values()]
        return None if None in prices else sum(price for price in prices if price is not None)

    def began(self, cell: str) -> None:
        """A cell is given to a worker. That survives the death of this process, and of the machine with the next result."""
        self._append({"kind": "began", "cell": cell, "at": round(time.time(), 3)}, sync=False)

    def ended(self, result: Result) -> None:
        """What came of a cell; on the disk when this returns."""
        self._append({"kind": "ended", "at": round(time.time(), 3), "result": to_json(result)})

    def looked(self, look: Mapping[str, Any]) -> None:
        """Results were looked at; on the disk when this returns."""
        self._append({"kind": "look", "at": round(time.time(), 3), **look})

    def close(self) -> None:
        """Give up the lock. Nothing is lost without it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, line: Mapping[str, Any]) -> None:
        """Add what a line says to what is known. Kinds of lines that are unknown are left alone: a newer program wrote them."""
        if line["kind"] == "began":
            self.begun[line["cell"]] = self.begun.get(line["cell"], 0) + 1
            self.open.add(line["cell"])
        elif line["kind"] == "ended":
            result = from_json(Result, line["result"])
            self.results[result.cell] = result
            self.open.discard(result.cell)
        elif line["kind"] == "look":
            self.looks.append({key: value for key, value in line.items() if key not in ("kind", "at")})

    def _append(self, line: Mapping[str, Any], *, sync: bool = True) -> None:
        assert self._descriptor is not None
        _write(self._descriptor, line, self.directory, sync=sync)
        self.take(line)  # what could not be written did not happen


def open_ledger(directory: Path, head: Mapping[str, Any]) -> Ledger:
    """The ledger in a directory, made when it is not there, for this process alone.

    Args:
        directory: of the experiment.
        head: the experiment as data; one that is there already must be the same.

    Raises:
        UserError: another process writes it, it is of another experiment, or it is damaged.
        PrerequisiteError: the disk refuses.
    """
    path = directory / NAME
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise PrerequisiteError(f"the ledger {str(path)!r} cannot be opened: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"another process runs the experiment in {str(directory)!r}; wait for it, or stop it"
            ) from error
        whole = _cut_torn_line(descriptor)
        if whole and _bare(path):  # nothing has been run by what it fixes
            os.ftruncate(descriptor, 0)
            whole = 0
        if not whole:
            _write(descriptor, {"kind": "experiment", "schema": SCHEMA, **head}, directory)
            _sync(directory)
        ledger = Ledger(directory, head, descriptor)
        _fill(ledger, path, compare=True)
    except BaseException:
        os.close(descriptor)
        raise
    return ledger


def read_ledger(directory: Path) -> Ledger:
    """The ledger in a directory, while others may write it. ``UserError`` when there is none, or it is damaged."""
    path = directory / NAME
    if not path.is_file():
        raise UserError(
            f"there is no experiment in {str(directory)!r}: it holds no {NAME}; run one with: agent experiment run"
        )
    ledger = Ledger(directory, {}, None)
    _fill(ledger, path)
    if not ledger.head:
        raise UserError(f"the experiment in {str(directory)!r} has not begun; go on with: agent experiment run")
    return ledger


def merge(directories: Sequence[Path], target: Path) -> Ledger:
    """One ledger from those of shards, in a new directory. Where two hold the same cell, a judged result counts more than a
    failure of the machine, and the first more than later ones.

    ``UserError`` when the shards are not of the same experiment, or the target holds a ledger.
    """
    if target.joinpath(NAME).exists():
        raise UserError(f"{str(target)!r} holds an experiment already; name a new directory with -o")
    shards = [read_ledger(directory) for directory in directories]
    for shard in shards[1:]:
        if differing := _differing(shards[0].head, shard.head):
            raise UserError(
                f"{str(shard.directory)!r} is no shard of the experiment in {str(shards[0].directory)!r}: {differing} differs"
            )
    found: dict[str, Result] = {}
    for shard in shards:
        for key, result in shard.results.items():
            if key not in found or (found[key].infra and not result.infra):
                place = os.path.relpath(shard.directory / result.run, target) if result.run else ""
                found[key] = from_json(Result, {**to_json(result), "run": place})
    merged = open_ledger(target, shards[0].head)
    try:
        for result in found.values():
            merged.ended(result)
    except BaseException:
        target.joinpath(NAME).unlink()
        merged.close()
        raise
    return merged


def _fill(ledger: Ledger, path: Path, *, compare: bool = False) -> None:
    for number, line in _lines(path):
        try:
            if number > 1:
                ledger.take(line)
                continue
            if line["kind"] != "experiment" or line["schema"] != SCHEMA:
                raise UserError(
                    f"{str(path)!r} has the schema {line.get('schema')!r} and this version reads {SCHEMA}; start in a new directory"
                )
            head = {key: value for key, value in line.items() if key not in ("kind", "schema")}
            differing = _differing(head, ledger.head) if compare else ""
        except (KeyError, TypeError, AttributeError, ValidationError) as error:
            raise UserError(
                f"line {number} of {str(path)!r} is none of ours; start in a new directory with -o"
            ) from error
        if differing:
            raise UserError(
                f"the experiment in {str(path.parent)!r} is another one: {differing} differs, and results would be mixed; "
                "start in a new directory with -o"
            )
        ledger.head = head


def _bare(path: Path) -> bool:
    """Whether a ledger is but a head of this version."""
    lines = list(islice(_lines(path), 2))
    return len(lines) == 1 and lines[0][1].get("kind") == "experiment" and lines[0][1].get("schema") == SCHEMA


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What of two heads is not the same, in a few words; where prices and outputs lie may differ."""
    if one.get("program") != other.get("program"):
        return "the program (code, prompts or exemplars)"
    for key in ("baseline", "repeats", "rule"):
        if one.get(key) != other.get(key):
            return f"the {key}" if key == "rule" else f"{key!r} of the rule"
    for key in ("tasks", "arms"):
        ours, theirs = ({name: value["digest"] for name, value in head[key].items()} for head in (one, other))
        names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        if names:
            return f"the {key[:-1]} {names[0]!r}"
    return ""


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole lines of a ledger, numbered from 1."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"the ledger {str(path)!r} cannot be read: {error.strerror or error}") from error
    for number, text in enumerate(data.split(b"\n")[:-1], 1):
        try:
            line = json.loads(text)
        except ValueError as error:
            raise UserError(f"line {number} of {str(path)!r} is no JSON; start in a new directory with -o") from error
        if not isinstance(line, dict):
            raise UserError(f"line {number} of {str(path)!r} is no JSON object; start in a new directory with -o")
        yield number, line


def _cut_torn_line(descriptor: int) -> int:
    """Drop what follows the last line end: it was being written when the process died. Returns the bytes that are left."""
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, size, 0) if size else b""
    whole = data.rfind(b"\n") + 1
    if whole < size:
        os.ftruncate(descriptor, whole)
    return whole


def _sync(directory: Path) -> None:
    """Have a new file's name on the disk, too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, line: Mapping[str, Any], directory: Path, *, sync: bool = True) -> None:
    data = json.dumps(line, allow_nan=False).encode() + b"\n"
    before = os.fstat(descriptor).st_size
    try:
        written = os.write(descriptor, data)
        if written < len(data):  # a disk that fills up takes a part
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if sync:
            os.fdatasync(descriptor)
    except OSError as error:
        os.ftruncate(descriptor, before)
        raise PrerequisiteError(
            f"the ledger in {str(directory)!r} cannot be written ({error.strerror}); make room, and run the same command again"
        ) from error
