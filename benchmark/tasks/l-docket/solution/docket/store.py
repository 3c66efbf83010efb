"""The store: a history of differences, and the documents as they are now."""

import copy
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docket.changes import Conflict, Operation, apply, diff, merge
from docket.queries import read_query
from docket.values import check_document

Document = dict[str, Any]
ID = re.compile(r"d[1-9][0-9]*")
KINDS = ("create", "update", "delete", "revert")


class Damaged(Exception):
    """A line of the history cannot be used; lines count from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"history.jsonl: line {line} is damaged")
        self.line = line


@dataclass(frozen=True)
class Entry:
    revision: int
    id: str
    kind: str
    operations: list[Operation]


class Store:
    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._history: list[Entry] = []
        self._now: dict[str, Document] = {}
        """The documents that exist, in the order of their making."""
        (self._folder / "docs").mkdir(parents=True, exist_ok=True)
        self._read_history()
        self._put_docs_right()

    @property
    def revision(self) -> int:
        return len(self._history)

    def create(self, document: Document) -> str:
        check_document(document)
        made = sum(entry.kind == "create" for entry in self._history)
        id_ = f"d{made + 1}"
        self._record(id_, "create", {}, document)
        return id_

    def update(self, id: str, document: Document, base: int | None = None) -> int:
        """Make a document like this; raises MergeConflict when others changed the same since `base`."""
        check_document(document)
        before = self._now[id]
        if base is not None:
            document = merge(self.get(id, self._past(base)), document, before)
        return self._record(id, "update", before, document)

    def delete(self, id: str) -> int:
        return self._record(id, "delete", self._now[id], None)

    def revert(self, id: str, revision: int) -> int:
        return self._record(id, "revert", self._now.get(id), self.get(id, self._past(revision)))

    def get(self, id: str, at: int | None = None) -> Document:
        return copy.deepcopy(self._state(at)[id])

    def ids(self, at: int | None = None) -> list[str]:
        return list(self._state(at))

    def log(self, id: str) -> list[tuple[int, str, list[Operation]]]:
        found = [(e.revision, e.kind, copy.deepcopy(e.operations)) for e in self._history if e.id == id]
        if not found:
            raise KeyError(id)
        return found

    def find(self, query: str, at: int | None = None) -> list[str]:
        return read_query(query).find(self._state(at))

    def _past(self, revision: int) -> int:
        if not 1 <= revision <= self.revision:
            raise ValueError(f"there is no revision {revision}")
        return revision

    def _state(self, at: int | None) -> dict[str, Document]:
        if at is None:
            return self._now
        if at != 0:
            self._past(at)
        state: dict[str, Document] = {}
        for entry in self._history[:at]:
            _advance(state, entry)
        return _in_order(state)

    def _record(self, id_: str, kind: str, before: Document | None, after: Document | None) -> int:
        """Write a change to the history and to the document's file; its revision."""
        operations = diff(before or {}, after or {})
        if kind in ("update", "revert") and not operations and before is not None:
            return next(entry.revision for entry in reversed(self._history) if entry.id == id_)
        entry = Entry(self.revision + 1, id_, kind, operations)
        line = json.dumps(
            {"rev": entry.revision, "id": id_, "kind": kind, "ops": operations},
            separators=(",", ":"),
            ensure_ascii=False,
        )
        with (self._folder / "history.jsonl").open("ab") as file:
            file.write(line.encode() + b"\n")
        self._history.append(entry)
        _advance(self._now, entry)
        self._now = _in_order(self._now)
        path = self._folder / "docs" / f"{id_}.json"
        if after is None:
            path.unlink()
        else:
            path.write_bytes(document_text(self._now[id_]).encode())
        return entry.revision

    def _read_history(self) -> None:
        path = self._folder / "history.jsonl"
        content = path.read_bytes() if path.exists() else b""
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].split(b"\n")[:-1], start=1):
            try:
                entry = _entry(json.loads(line.decode()), number)
                _advance(self._now, entry)
            except (ValueError, KeyError, TypeError, Conflict) as error:
                raise Damaged(number) from error
            self._history.append(entry)
        self._now = _in_order(self._now)
        if whole < len(content):
            os.truncate(path, whole)

    def _put_docs_right(self) -> None:
        docs = self._folder / "docs"
        wanted = {f"{id_}.json": document_text(document).encode() for id_, document in self._now.items()}
        for path in docs.iterdir():
            if path.name not in wanted:
                path.unlink()
        for name, content in wanted.items():
            path = docs / name
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)


def document_text(document: Document) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _entry(line: Any, number: int) -> Entry:
    """Raises ValueError, KeyError or TypeError for what is no entry."""
    entry = Entry(line["rev"], line["id"], line["kind"], line["ops"])
    if len(line) != 4 or entry.revision != number or entry.kind not in KINDS or not ID.fullmatch(entry.id):
        raise ValueError("not an entry")
    return entry


def _advance(state: dict[str, Document], entry: Entry) -> None:
    """Take in a change; raises Conflict when it does not fit."""
    after = apply(state.get(entry.id, {}), entry.operations)
    if entry.kind == "delete":
        del state[entry.id]
    else:
        state[entry.id] = after


def _in_order(state: dict[str, Document]) -> dict[str, Document]:
    return dict(sorted(state.items(), key=lambda item: int(item[0][1:])))
