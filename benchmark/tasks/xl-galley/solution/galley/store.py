"""Results, and the records of how they came about."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Observation:
    kind: str
    subject: str
    value: object


@dataclass(frozen=True)
class Record:
    id: str
    shape: str
    observations: tuple[Observation, ...]
    result: str


class Store:
    """When ``dry``, all that is put in stays in memory."""

    def __init__(self, folder: str | Path, dry: bool = False) -> None:
        self._folder = Path(folder)
        self._dry = dry
        self._memory: dict[str, str] = {}
        self._records: dict[str, Record] = {}
        """By id, the one used last at the end."""
        self._load()

    def put(self, text: str) -> str:
        name = digest(text)
        if self.get(name) is None:
            if self._dry:
                self._memory[name] = text
            else:
                self._blobs.mkdir(parents=True, exist_ok=True)
                (self._blobs / name).write_bytes(text.encode())
        return name

    def get(self, name: str) -> str | None:
        """None for what is not there or is damaged."""
        if name in self._memory:
            return self._memory[name]
        try:
            text = (self._blobs / name).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            return None
        return text if digest(text) == name else None

    def add(self, shape: str, observations: Sequence[Observation], result: str) -> str:
        body = json.dumps([shape, [[o.kind, o.subject, o.value] for o in observations], result])
        record = Record(digest(body), shape, tuple(observations), result)
        self._records.pop(record.id, None)
        self._records[record.id] = record
        return record.id

    def use(self, id_: str) -> None:
        self._records[id_] = self._records.pop(id_)

    def records(self, shape: str) -> list[Record]:
        """The one added or used last comes first."""
        return [record for record in reversed(self._records.values()) if record.shape == shape]

    def save(self) -> None:
        if self._dry:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        content = [
            [r.id, r.shape, [[o.kind, o.subject, o.value] for o in r.observations], r.result]
            for r in self._records.values()
        ]
        (self._folder / "records.json").write_text(json.dumps(content), encoding="utf-8")

    def keep_only(self, ids: Iterable[str]) -> tuple[int, int]:
        """Forget all other records, and results that none of the kept ones has; how many of each."""
        kept = set(ids)
        before = len(self._records)
        self._records = {id_: record for id_, record in self._records.items() if id_ in kept}
        self.save()
        wanted = {record.result for record in self._records.values()}
        removed = [path for path in self._blobs.glob("*") if path.name not in wanted]
        for path in removed:
            path.unlink()
        return before - len(self._records), len(removed)

    @property
    def _blobs(self) -> Path:
        return self._folder / "blobs"

    def _load(self) -> None:
        try:
            content = json.loads((self._folder / "records.json").read_text(encoding="utf-8"))
            for id_, shape, observations, result in content:
                seen = tuple(
                    Observation(kind, subject, tuple(value) if isinstance(value, list) else value)
                    for kind, subject, value in observations
                )
                self._records[id_] = Record(id_, shape, seen, result)
        except (OSError, ValueError, TypeError):
            self._records = {}
