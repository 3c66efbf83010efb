"""The store that callers see."""

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from satchel.log import Log
from satchel.records import check_key, check_value
from satchel.state import State, View

NAME = re.compile(r"[A-Za-z0-9._-]+")


def open_store(folder: str | Path, segment_bytes: int = 65536) -> "Store":
    """Open or create the store of a folder; raises Corrupt when its files are damaged."""
    log = Log(Path(folder), segment_bytes)
    return Store(log, log.recover())


class Store:
    def __init__(self, log: Log, state: State) -> None:
        self._log = log
        self._state: State | None = state

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._state = None

    @property
    def _open(self) -> State:
        if self._state is None:
            raise ValueError("the store is closed")
        return self._state

    @property
    def _present(self) -> View:
        return View(self._open.revision, self._open.changes)

    @property
    def revision(self) -> int:
        return self._open.revision

    def get(self, key: str) -> Any:
        return self._present.get(key)

    def keys(self, prefix: str = "") -> list[str]:
        return self._present.keys(prefix)

    def revision_of(self, key: str) -> int:
        return self._present.revision_of(key)

    def put(self, key: str, value: Any) -> int:
        return self.write([("put", key, value)])

    def delete(self, key: str) -> int:
        return self.write([("delete", key)])

    def write(self, changes: Sequence[tuple[Any, ...]]) -> int:
        """Carry out all changes as one revision, or none of them."""
        state = self._open
        if not changes:
            return state.revision
        live = set(self.keys())
        for change in changes:
            self._check(change, live)
        record = {"rev": state.revision + 1, "ops": [list(copy.deepcopy(change)) for change in changes]}
        self._record(record)
        return state.revision

    def changes(self, since: int) -> list[tuple[int, str, str]]:
        """The latest change of each key that changed after `since`."""
        found = self._open.changes.items()
        return sorted((change.revision, key, change.kind) for key, change in found if change.revision > since)

    def snapshot(self, name: str) -> int:
        state = self._open
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a snapshot")
        if name in state.snapshots:
            raise ValueError(f"there is a snapshot {name!r} already")
        self._record({"rev": state.revision, "snapshot": name})
        return state.revision

    def snapshots(self) -> dict[str, int]:
        return {name: view.revision for name, view in sorted(self._open.snapshots.items())}

    def drop(self, name: str) -> None:
        state = self._open
        if name not in state.snapshots:
            raise KeyError(name)
        self._record({"rev": state.revision, "drop": name})

    def at(self, name: str) -> View:
        return self._open.snapshots[name]

    def compact(self) -> None:
        """Write all that still matters into one segment."""
        self._log.replace(self._open.essence())

    def _record(self, record: dict[str, Any]) -> None:
        # First the file, then the memory: what cannot be written has not happened.
        self._log.append(record)
        self._open.apply(record)

    @staticmethod
    def _check(change: tuple[Any, ...], live: set[str]) -> None:
        """Raise when the change cannot be carried out; `live` follows the changes before it."""
        match change:
            case ("put", key, value):
                check_key(key)
                check_value(value)
                live.add(key)
            case ("delete", key):
                check_key(key)
                if key not in live:
                    raise KeyError(key)
                live.remove(key)
            case _:
                raise ValueError(f"{change!r} is no change")
