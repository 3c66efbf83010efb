"""What a store holds at one moment, and how records change it."""

import copy
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Change:
    """The latest thing that happened to a key."""

    revision: int
    kind: str
    """"put" or "delete"."""
    value: Any = None


class View:
    """A read-only look at a state that does not change any more."""

    def __init__(self, revision: int, changes: dict[str, Change]) -> None:
        self.revision = revision
        self._changes = changes

    def get(self, key: str) -> Any:
        """A copy of the value; raises KeyError when the key is not there."""
        return copy.deepcopy(self._live(key).value)

    def revision_of(self, key: str) -> int:
        return self._live(key).revision

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(key for key, change in self._changes.items() if change.kind == "put" and key.startswith(prefix))

    def _live(self, key: str) -> Change:
        change = self._changes.get(key)
        if change is None or change.kind != "put":
            raise KeyError(key)
        return change


@dataclass
class State:
    """All that the records say so far."""

    revision: int = 0
    changes: dict[str, Change] = field(default_factory=dict)
    """The latest change of each key, deletions included."""
    snapshots: dict[str, View] = field(default_factory=dict)

    def apply(self, record: dict[str, Any]) -> None:
        """Take in a record; raises ValueError when its revision cannot come here."""
        revision = record["rev"]
        if "ops" in record:
            if revision <= self.revision:
                raise ValueError("revisions must grow")
            self.revision = revision
            for kind, key, *value in record["ops"]:
                self.changes[key] = Change(revision, kind, *value)
        elif "snapshot" in record:
            self.snapshots[record["snapshot"]] = View(revision, dict(self.changes))
        elif "drop" in record:
            self.snapshots.pop(record["drop"], None)

    def essence(self) -> list[dict[str, Any]]:
        """The records that give this state again: the latest changes, and for each snapshot those that it sees."""
        needed: dict[int, dict[str, Change]] = {}
        for seen in [self.changes, *(view._changes for view in self.snapshots.values())]:
            for key, change in seen.items():
                needed.setdefault(change.revision, {})[key] = change
        # A snapshot stands after the revisions up to its own and before all later ones.
        moments = [(revision, 0, "", ops) for revision, ops in needed.items()]
        moments += [(view.revision, 1, name, {}) for name, view in self.snapshots.items()]
        records: list[dict[str, Any]] = [{"rev": self.revision, "compacted": True}]
        for revision, is_snapshot, name, changes in sorted(moments, key=lambda moment: moment[:3]):
            if is_snapshot:
                records.append({"rev": revision, "snapshot": name})
            else:
                ops = [[c.kind, key] + ([c.value] if c.kind == "put" else []) for key, c in sorted(changes.items())]
                records.append({"rev": revision, "ops": ops})
        return records
