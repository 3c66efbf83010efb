"""Where records are kept: ``dataset/<run id>/`` with ``run.json`` and ``messages.jsonl``, whole or not there at all.

A record is written beside its place and renamed into it; one that it replaces waits under another name until then, and whoever
writes next puts in order what a killed process left. One process writes at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.dataset.record import SCHEMA, Hidden, build
from agent.dataset.redact import EXACT, Layer, Marks, exact, of_this_machine, redact
from agent.dataset.scrub import secrets_of
from agent.store.journal import SqliteJournal
from graphs.errors import UserError

DIRECTORY = "dataset"
"""Below the home of the program's state; only its owner can read it."""
RECORD, TEXTS = "run.json", "messages.jsonl"
"""The record, and its texts: ``{sha256, text}`` in each line."""
NOTICE = "README.txt"
"""Its being there says that the user was told."""
_LOCK = ".lock"
_FRESH, _FORMER = ".fresh", ".former"
_SCRUBBED = "scrubbed.json"
"""In the run's directory, beside the journal that holds them anyway: the secrets that were taken out of its record."""

Migration = Callable[[dict[str, Any]], dict[str, Any]]
MIGRATIONS: Mapping[str, Migration] = {}
"""Name of an older schema → what makes the next one of it. There is no older one yet."""


def directory(home: Path) -> Path:
    """Where the records of that home are."""
    return home / DIRECTORY


def first_words(home: Path) -> list[str]:
    """What the user must know before a run is recorded, once: nothing when it was said before."""
    place = directory(home)
    words = [
        f"Runs are recorded for you in {place}: prompts, answers, plans, verdicts, results. Nothing is sent anywhere.",
        "Off: --no-collect, AGENT_COLLECT=0, DO_NOT_TRACK=1, or collect = false in agent.toml; the journals that resuming needs stay.",
    ]
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with place.joinpath(NOTICE).open("x", encoding="utf-8") as file:
            file.write("\n".join((*words, "See: agent dataset --help", "")))
    except OSError:  # said before, or nothing can be kept there
        return []
    return words


def record_run(home: Path, run_dir: Path, env: Mapping[str, str], cwd: Path) -> None:
    """Record the run in ``run_dir``, or record it anew, as its journal has it now.

    Secrets of ``env`` and of ``.env`` in ``cwd`` are taken out, those too that an earlier recording of the run knew. What was set or
    redacted by hand since stays: the label of hidden tests while the delivered files are the same, and the layers of a redaction.
    ``AgentError`` or ``OSError`` when it cannot be kept.
    """
    with SqliteJournal.read(run_dir) as journal:
        record, texts = build(journal)
    known = run_dir / _SCRUBBED
    before = _list_of_texts(known)
    secrets = [*dict.fromkeys([*before, *secrets_of(env, cwd)])]
    marks = Marks()
    former = _read_record(directory(home) / run_dir.name)
    layers: dict[str, Layer] = {EXACT: exact(secrets)}
    if former is not None:
        done = (former.get("redaction") or {}).get("layers") or ()
        layers |= {name: layer for name, layer in of_this_machine(secrets).items() if name in done}
    cleaned = redact(record, texts, layers, marks)
    found = marks.known("secret:env")
    if set(found) - set(before):
        _write_private(known, json.dumps([*dict.fromkeys([*before, *found])]))
    fresh = cleaned.record
    if former is not None and _files(former) == _files(fresh):
        fresh["labels"]["hidden"] = (former.get("labels") or {}).get("hidden")
    write(home, run_dir.name, fresh, cleaned.texts)


def write(home: Path, name: str, record: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Keep a run's record with its texts, instead of the one that was there."""
    with _alone(home) as place:
        fresh = place / f".{name}{_FRESH}"
        fresh.mkdir()
        lines = "".join(f"{json.dumps({'sha256': digest, 'text': text})}\n" for digest, text in texts.items())
        _write(fresh / TEXTS, lines)
        _write(fresh / RECORD, f"{json.dumps(record)}\n")
        _sync(fresh)
        target, former = place / name, place / f".{name}{_FORMER}"
        if target.exists():
            os.rename(target, former)
        os.rename(fresh, target)
        _sync(place)
        shutil.rmtree(former, ignore_errors=True)


def label(home: Path, run_id: str, hidden: Hidden) -> bool:
    """Say in a run's record what hidden tests said of its result; ``False`` when the run has no record."""
    with _alone(home) as place:
        record = _read_record(place / run_id)
        if record is None:
            return False
        record = migrate(record)
        record["labels"] = {**record["labels"], "hidden": asdict(hidden)}
        scratch = place / run_id / f".{RECORD}{_FRESH}"
        _write(scratch, f"{json.dumps(record)}\n")
        os.replace(scratch, place / run_id / RECORD)
        return True


def names(home: Path) -> list[str]:
    """The runs that have a record, oldest first."""
    place = directory(home)
    try:
        found = [entry.name for entry in os.scandir(place) if entry.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(
            f"the records in {place} cannot be listed: {error.strerror or error}; make that directory readable"
        ) from error
    if any(name.endswith(_FORMER) for name in found):  # a process was killed between two renames
        with _alone(home):
            found = [entry.name for entry in os.scandir(place) if entry.is_dir()]
    return sorted(name for name in found if not name.startswith(".") and (place / name / RECORD).is_file())


def chosen(home: Path, wanted: Sequence[str]) -> list[str]:
    """The records of those runs (ids, their beginnings or parts); all when none is named. ``UserError`` names what fits none or several."""
    known = names(home)
    found: list[str] = []
    for word in wanted:
        for fits in (str.__eq__, str.startswith, str.__contains__):
            candidates = [name for name in known if word and fits(name, word)]
            if candidates:
                break
        if len(candidates) != 1:
            there = ", ".join(reversed(candidates[-5:] or known[-5:])) or "none"
            how = (
                f"fits {len(candidates)} records: {there}; give more of it"
                if candidates
                else f"has no record; there are {there}"
            )
            raise UserError(f"the run {word!r} {how}")
        found += candidates
    return [*dict.fromkeys(found)] if wanted else known


def load(home: Path, run_id: str) -> dict[str, Any]:
    """A record, as this version knows it. ``UserError`` when it is damaged or newer."""
    record = _read_record(directory(home) / run_id)
    if record is None:
        raise UserError(
            f"the record of run {run_id} is damaged; take it away with `agent dataset delete {run_id}`, the run itself stays"
        )
    return migrate(record)


def load_texts(home: Path, run_id: str) -> dict[str, str]:
    """The texts of a record: SHA-256 → text. ``UserError`` when they are damaged."""
    path = directory(home) / run_id / TEXTS
    try:
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        return {line["sha256"]: line["text"] for line in lines}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is damaged ({error}); take the record away with `agent dataset delete {run_id}`, the run itself stays"
        ) from error


def migrate(record: dict[str, Any], migrations: Mapping[str, Migration] = MIGRATIONS) -> dict[str, Any]:
    """A record of an older version as one of this version; fields that are not known stay.

    ``UserError`` for one that is newer, or none at all.
    """
    while (schema := str(record.get("schema"))) != SCHEMA:
        if schema not in migrations:
            newer = schema.partition("/")[0] == SCHEMA.partition("/")[0] and schema.partition("/")[2].isdecimal()
            what = "was written by a newer version of this program" if newer else "is none that this program wrote"
            raise UserError(
                f"the record of run {record.get('run')!r} {what} (it is {schema!r}, this one knows {SCHEMA!r}); upgrade it"
            )
        record = migrations[schema](record)
    return record


def redact_stored(home: Path, run_id: str, layers: Mapping[str, Layer], dry: bool = False) -> Mapping[str, int]:
    """Lead a stored record through the layers of an export; returns kind → how many places were blanked.

    ``dry``: only say what would be.
    """
    marks = Marks()
    done = redact(load(home, run_id), load_texts(home, run_id), layers, marks)
    if not dry:
        write(home, run_id, done.record, done.texts)
    return done.found


def delete(home: Path, run_ids: Iterable[str]) -> int:
    """Take these records away, for good; returns how many. The runs and their journals stay."""
    count = 0
    with _alone(home) as place:
        for run_id in run_ids:
            gone = place / f".{run_id}{_FRESH}"
            os.rename(place / run_id, gone)
            shutil.rmtree(gone)
            count += 1
    return count


@dataclass(frozen=True)
class Stock:
    """What there is, without a look at any text."""

    records: int
    """How many."""
    unreadable: int
    """Those of them that are damaged or newer than this program."""
    bytes: int
    """On disk."""
    since: str
    """When the oldest run began, in UTC; empty when there is none."""
    status: Mapping[str, int]
    """How runs ended → how many."""
    labels: Mapping[str, Mapping[str, int]]
    """Label → what was said → how many."""


def stock(home: Path) -> Stock:
    """Count the records of a home."""
    found = names(home)
    status: dict[str, int] = {}
    labels: dict[str, dict[str, int]] = {name: {} for name in ("own_tests", "ran", "worked", "perfect", "hidden")}
    since, size, unreadable = "", 0, 0
    for name in found:
        place = directory(home) / name
        for file in (RECORD, TEXTS):
            with contextlib.suppress(OSError):
                size += (place / file).stat().st_size
        try:
            record = load(home, name)
            said, ended = record["labels"], record["outcome"]["status"]
            since = min(since or record["started"], record["started"])
        except (UserError, KeyError, TypeError):
            unreadable += 1
            continue
        status[ended] = status.get(ended, 0) + 1
        for key, counts in labels.items():
            value = said.get(key)
            if value is not None:
                word = _word(value["passed"] if key == "hidden" else value)
                counts[word] = counts.get(word, 0) + 1
    return Stock(len(found), unreadable, size, since, status, labels)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


def _files(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((file["path"], file["sha256"]) for file in record.get("delivered") or ())


@contextmanager
def _alone(home: Path) -> Iterator[Path]:
    """The directory of the records, in order, while no other process writes there."""
    place = directory(home)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _put_in_order(place)
        yield place
    finally:
        os.close(descriptor)


def _put_in_order(place: Path) -> None:
    for entry in list(os.scandir(place)):
        if entry.name.endswith(_FRESH) and entry.is_dir():
            shutil.rmtree(entry.path)
        elif entry.name.endswith(_FORMER) and entry.is_dir():
            target = place / entry.name[1 : -len(_FORMER)]
            if target.exists():
                shutil.rmtree(entry.path)
            else:
                os.rename(entry.path, target)


def _read_record(place: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((place / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _list_of_texts(path: Path) -> list[str]:
    try:
        return [str(text) for text in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _write_private(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}{_FRESH}")
    with contextlib.suppress(FileNotFoundError):
        scratch.unlink()
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(scratch, path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
