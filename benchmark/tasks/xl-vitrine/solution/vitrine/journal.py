"""The audit trail: a file whose lines vouch for those before them."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrine.errors import Tampered
from vitrine.facts import Change


@dataclass(frozen=True)
class Entry:
    number: int
    by: str
    changes: tuple[Change, ...]
    undoes: int | None = None

    @property
    def things(self) -> list[str]:
        return list(dict.fromkeys(change.thing for change in self.changes))


class Journal:
    def __init__(self, path: str | Path) -> None:
        """Reads what there is. Raises Tampered."""
        self._path = Path(path)
        self._entries: list[Entry] = []
        self._sum = ""
        content = self._path.read_bytes() if self._path.exists() else b""
        self._whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[: self._whole].split(b"\n")[:-1], start=1):
            self._take(number, line)

    @property
    def entries(self) -> list[Entry]:
        return list(self._entries)

    def append(self, by: str, changes: Iterable[Change], undoes: int | None = None) -> Entry:
        entry = Entry(len(self._entries) + 1, by, tuple(changes), undoes)
        body = _body(entry)
        total = _sum(self._sum, body)
        line = json.dumps({**body, "sum": total}).encode() + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("r+b" if self._path.exists() else "w+b") as file:
            file.truncate(self._whole)
            file.seek(self._whole)
            file.write(line)
        self._whole += len(line)
        self._entries.append(entry)
        self._sum = total
        return entry

    def _take(self, number: int, line: bytes) -> None:
        try:
            body = json.loads(line)
            total = body.pop("sum")
            entry = Entry(body["n"], body["by"], tuple(Change(*change) for change in body["changes"]), body["undoes"])
            if entry.number != number or total != _sum(self._sum, body):
                raise ValueError("not what was written")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Tampered(number) from error
        self._entries.append(entry)
        self._sum = total


def _body(entry: Entry) -> dict[str, Any]:
    changes = [[change.key, change.old, change.new] for change in entry.changes]
    return {"n": entry.number, "by": entry.by, "undoes": entry.undoes, "changes": changes}


def _sum(before: str, body: dict[str, Any]) -> str:
    text = json.dumps([before, body["n"], body["by"], body["undoes"], body["changes"]], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
