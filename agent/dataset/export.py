"""Records as files for others: redacted once more, with an account of what was blanked and a card that says what they are.

Nothing is sent anywhere: who shares the files has read the account before.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.dataset.record import SCHEMA
from agent.dataset.redact import Layer, Marks, redact
from agent.dataset.store import load, load_texts
from graphs.errors import PrerequisiteError, UserError

FORMATS = ("jsonl", "chat", "parquet")
"""``jsonl``: whole records; ``chat``: conversations of passing runs; ``parquet``: a table of calls and one of runs."""
LICENCES = ("private", "CC0-1.0", "CC-BY-4.0")
"""What others may do with an export; ``private``: nothing."""
SCHEMA_FILE = Path(__file__).with_name("run-1.schema.json")
"""What a record holds."""
TERMS = (
    "The terms of some model providers forbid training other models on their outputs: the models that answered are named below, "
    "and whoever uses or shares these files must keep to the terms of each."
)
"""Stands on every card."""

Format = Literal["jsonl", "chat", "parquet"]
Record = dict[str, Any]
Texts = dict[str, str]
_CODE = ("code", "repair")
"""Steps whose answers hold files of the result."""


@dataclass(frozen=True)
class Export:
    """What was written."""

    files: tuple[Path, ...]
    """The data first, then the card and the account."""
    records: int
    """How many runs are in it."""
    rows: int
    """Lines of the data files; rows of calls in ``parquet``."""
    redacted: Mapping[str, int]
    """Kind → how many places were blanked for this export."""


@dataclass(frozen=True)
class Wish:
    """What is to be exported, and as what."""

    format: Format
    """One of ``FORMATS``."""
    licence: str = "private"
    """One of ``LICENCES``."""
    passing: bool = False
    """Only runs that passed; ``chat`` never takes others."""
    since: str = ""
    """Only runs that began on that day (ISO 8601, UTC) or later; empty: all."""

    def takes(self, record: Record) -> bool:
        """Whether a record is meant."""
        if self.since and record["started"] < self.since:
            return False
        return passing(record) or not (self.passing or self.format == "chat")


def passing(record: Record) -> bool:
    """Whether a run passed, and neither the user nor hidden tests said that its result does not work."""
    labels = record["labels"]
    hidden = labels.get("hidden")
    return (
        record["outcome"]["status"] == "passed"
        and labels.get("ran") is not False
        and labels.get("worked") is not False
        and (hidden is None or bool(hidden["passed"]))
    )


def export(home: Path, runs: Sequence[str], target: Path, wish: Wish, layers: Mapping[str, Layer]) -> Export:
    """Write the records of these runs to ``target``: a directory, or a file whose name ends in ``.jsonl``.

    The stored records stay as they are. Files appear whole, and none is written over. ``UserError`` when something is there already,
    when a record cannot be read, or when there is nothing to export.
    """
    place, prefix, data = _place(target, wish.format)
    if wish.format == "parquet":
        _pyarrow()
    found: Counter[str] = Counter()
    taken: list[Record] = []

    def cleaned() -> Iterator[tuple[Record, Texts]]:
        for run_id in runs:
            record = load(home, run_id)
            if wish.takes(record):
                done = redact(record, load_texts(home, run_id), layers, Marks())
                found.update(done.found)
                taken.append({**done.record, "calls": None, "plan": None})  # the card needs the rest
                yield done.record, done.texts

    files = [place / name for name in data]
    card, account = place / f"{prefix}README.md", place / f"{prefix}redaction.json"
    for path in (*files, card, account):
        if path.exists():
            raise UserError(f"{str(path)!r} is there already; name a new directory with -o, or take it away")
    made = not place.exists()
    scratch = [path.with_name(f".{path.name}.{os.getpid()}") for path in files]
    try:
        place.mkdir(parents=True, exist_ok=True)
        rows = _WRITERS[wish.format](cleaned(), scratch)
        if not rows:
            raise UserError(_nothing(len(runs), wish))
        _write_new(
            account, json.dumps({"version": 1, "records": len(taken), "found": dict(sorted(found.items()))}, indent=2)
        )
        _write_new(card, _card(taken, rows, [path.name for path in files], wish, found))
        for written, path in zip(scratch, files, strict=True):
            os.rename(written, path)
    except OSError as error:
        raise UserError(
            f"{str(target)!r} cannot be written: {error.strerror or error}; name another place with -o"
        ) from error
    finally:
        for path in scratch:
            path.unlink(missing_ok=True)
        if made:
            with suppress(OSError):  # something is in it
                place.rmdir()
    return Export((*files, card, account), len(taken), rows, dict(sorted(found.items())))


def conversations(record: Record, texts: Texts) -> Iterator[list[dict[str, str]]]:
    """The questions of a run with answers that were of use. Of code only answers that hold a file as it was delivered, so that no
    attempt is taken whose tests failed."""
    delivered: dict[str, list[str]] = {}
    for file in record["delivered"]:
        if not file["test"]:
            delivered.setdefault(file["component"], []).append(texts[file["sha256"]].strip())
    for call in record["calls"]:
        if call["read"] not in ("at once", "again") or call["answer"] is None:
            continue
        answer = texts[call["answer"]]
        if call["step"] in _CODE and not any(file and file in answer for file in delivered.get(call["component"], ())):
            continue
        asked = [{"role": m["role"], "content": texts[m["sha256"]]} for m in call["messages"]]
        yield [*asked, {"role": "assistant", "content": answer}]


def _jsonl(records: Iterator[tuple[Record, Texts]], files: Sequence[Path]) -> int:
    count = 0
    with files[0].open("w", encoding="utf-8") as out:
        for record, texts in records:
            out.write(f"{json.dumps({**record, 'texts': texts})}\n")
            count += 1
    return count


def _chat(records: Iterator[tuple[Record, Texts]], files: Sequence[Path]) -> int:
    seen: set[str] = set()
    with files[0].open("w", encoding="utf-8") as out:
        for record, texts in records:
            for messages in conversations(record, texts):
                line = json.dumps({"messages": messages})
                if line not in seen:
                    seen.add(line)
                    out.write(f"{line}\n")
    return len(seen)


def _parquet(records: Iterator[tuple[Record, Texts]], files: Sequence[Path]) -> int:
    pyarrow, parquet = _pyarrow()
    calls: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    for record, texts in records:
        calls += (_call_row(record, call, texts) for call in record["calls"])
        runs.append(_run_row(record, texts))
    for rows, path in zip((calls, runs), files, strict=True):
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return len(calls)


def _call_row(record: Record, call: Record, texts: Texts) -> dict[str, Any]:
    usage = call["usage"]
    return {
        "run": record["run"],
        **{
            name: call[name]
            for name in ("key", "component", "step", "attempt", "asked", "served", "state", "read", "strategy")
        },
        "messages": [{"role": m["role"], "content": texts[m["sha256"]]} for m in call["messages"]],
        "answer": None if call["answer"] is None else texts[call["answer"]],
        "error": call["error"],
        "prompt_tokens": int(usage.get("prompt_tokens") or 0),
        "completion_tokens": int(usage.get("completion_tokens") or 0),
        "usd": _number(usage.get("usd")),
        "seconds": float(call["seconds"]),
        "ended": call["ended"],
        "run_passed": passing(record),
    }


def _run_row(record: Record, texts: Texts) -> dict[str, Any]:
    labels, usage = record["labels"], record["outcome"]["usage"]
    hidden = labels.get("hidden") or {}
    return {
        "run": record["run"],
        "started": record["started"],
        "version": record["program"]["version"],
        "title": record["spec"]["title"],
        "spec": texts[record["spec"]["sha256"]],
        "status": record["outcome"]["status"],
        "seconds": float(record["outcome"]["seconds"]),
        "calls": int(usage.get("calls") or 0),
        "prompt_tokens": int(usage.get("prompt_tokens") or 0),
        "completion_tokens": int(usage.get("completion_tokens") or 0),
        "usd": _number(usage.get("usd")),
        "components": len(record["components"]),
        "served": list(record["models"]["served"]),
        **{name: labels.get(name) for name in ("own_tests", "ran", "worked", "perfect")},
        "hidden_suite": hidden.get("suite"),
        "hidden_task": hidden.get("task"),
        "hidden_passed": hidden.get("passed"),
        "hidden_score": _number(hidden.get("score")),
        "record": json.dumps({name: value for name, value in record.items() if name != "calls"}),
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


_WRITERS: Mapping[str, Callable[[Iterator[tuple[Record, Texts]], Sequence[Path]], int]] = {
    "jsonl": _jsonl,
    "chat": _chat,
    "parquet": _parquet,
}
_DATA: Mapping[str, tuple[str, ...]] = {
    "jsonl": ("runs.jsonl",),
    "chat": ("chat.jsonl",),
    "parquet": ("calls.parquet", "runs.parquet"),
}


def _place(target: Path, form: Format) -> tuple[Path, str, tuple[str, ...]]:
    """The directory, what card and account are called before their own names, and the names of the data files."""
    if target.suffix not in (".jsonl", ".parquet") or target.is_dir():
        return target, "", _DATA[form]
    if form == "parquet":
        raise UserError(f"parquet has two tables, and {str(target)!r} is one file; name a directory with -o")
    if target.suffix != ".jsonl":
        raise UserError(
            f"{form} is written as JSON lines, and {str(target)!r} is called otherwise; end its name in .jsonl"
        )
    return target.parent, f"{target.stem}.", (target.name,)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise PrerequisiteError(
            "parquet needs pyarrow, which is not installed; get it with: pip install 'stepgraph[dataset]', or export jsonl"
        ) from error
    return pyarrow, pyarrow.parquet


def _nothing(records: int, wish: Wish) -> str:
    if not records:
        return "there is no record yet; run something with `agent run SPEC.md`, and see `agent dataset status`"
    which = " that passed" * (wish.passing or wish.format == "chat") + f" that began on {wish.since} or later" * bool(
        wish.since
    )
    what = "an answer to export in a run" if wish.format == "chat" else "a run"
    return f"none of the {records} records holds {what}{which}; ask for less, and see `agent dataset status`"


def _write_new(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text.rstrip("\n") + "\n", "utf-8")
    os.rename(scratch, path)


def _card(records: Sequence[Record], rows: int, files: Sequence[str], wish: Wish, found: Mapping[str, int]) -> str:
    from agent import __version__
    from agent.printable import printable

    served = Counter(name for record in records for name in record["models"]["served"])
    hidden = [record["labels"].get("hidden") for record in records]
    started = sorted(record["started"] for record in records)
    said = {
        "runs": len(records),
        "that passed": sum(map(passing, records)),
        "judged by the user": sum(record["labels"].get("worked") is not None for record in records),
        "judged by hidden tests": sum(label is not None for label in hidden),
        "rows": rows,
    }
    licence = "other" if wish.licence == "private" else wish.licence.lower()
    rights = "Private: not to be passed on." if wish.licence == "private" else f"Licence: {wish.licence}."
    models = [f"- {printable(name)} ({count} runs)" for name, count in sorted(served.items())] or [
        "- none said its name"
    ]
    blanked = [f"- {kind}: {count}" for kind, count in sorted(found.items())] or ["- nothing was found"]
    lines = [
        "---",
        f"license: {licence}",
        "tags: [code, agents, stepgraph]",
        "---",
        "# Runs of stepgraph",
        "",
        f"{rights} Written by stepgraph {__version__}; runs from {started[0][:10]} to {started[-1][:10]}.",
        "",
        TERMS,
        "",
        "Specifications and code in here are those of whoever ran the program, under whatever rights they have.",
        "",
        "## What is in it",
        "",
        *(f"- {what}: {count}" for what, count in said.items()),
        f"- files: {', '.join(files)}",
        "",
        _ABOUT[wish.format],
        "",
        "## Models that answered",
        "",
        *models,
        "",
        "## What was blanked for this export",
        "",
        "Exact secrets of the environment, what looks like a secret, and names of the machine and of people were searched for. No search",
        "finds everything: read before you share. Equal placeholders within a run stand for equal values.",
        "",
        *blanked,
        "",
    ]
    return "\n".join(lines)


_ABOUT: Mapping[str, str] = {
    "jsonl": f"""Each line is a run after the schema `{SCHEMA}` (`agent dataset schema` prints it); `texts` holds the texts of messages,
answers and files under their SHA-256, each once.""",
    "chat": """Each line is a conversation (`messages`, the last one the assistant's) of a run that passed, whose answer was of use; of
code only answers that hold a file as it was delivered. Equal ones are there once.""",
    "parquet": """`calls.parquet` has a row for each model call, `runs.parquet` one for each run, with its record as JSON in the
column `record`.""",
}
"""What a card says of the format."""
