"""The register: facts, journal and index, kept in step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vitrine import views
from vitrine.errors import BadOperation, Denied, NotFound, Refused, Stale, Tampered
from vitrine.facts import Change, Facts, apply, compose, exists, invert, number
from vitrine.index import Index
from vitrine.journal import Entry, Journal
from vitrine.operations import NAME, plan
from vitrine.permits import may, sees
from vitrine.rules import problems
from vitrine.search import find


class Register:
    def __init__(self, folder: str | Path) -> None:
        """Opens a register. Raises FileNotFoundError or Tampered."""
        path = Path(folder) / "journal.jsonl"
        if not path.exists():
            raise FileNotFoundError(path)
        self._journal = Journal(path)
        self._facts = self._replayed(self._journal.entries)
        self._index = Index(self._facts)

    @classmethod
    def create(cls, folder: str | Path, curator: str) -> "Register":
        """A new register with one person. Raises FileExistsError."""
        path = Path(folder) / "journal.jsonl"
        if path.exists():
            raise FileExistsError(path)
        if not NAME.fullmatch(curator):
            raise BadOperation(f"{curator!r} cannot be a name")
        Journal(path).append(curator, [Change(f"person/{curator}/role", None, "curator")])
        return cls(folder)

    @property
    def facts(self) -> Facts:
        return dict(self._facts)

    @property
    def index(self) -> Index:
        return self._index

    @property
    def entries(self) -> list[Entry]:
        return self._journal.entries

    def at(self, entry: int) -> Facts:
        """The facts after an entry, 0 being before the first. Raises ValueError."""
        if not 0 <= entry <= len(self.entries):
            raise ValueError(f"there is no entry {entry}")
        return self._replayed(self.entries[:entry])

    def do(self, actor: str, *operations: Sequence[Any]) -> Entry | None:
        """Carry out all of the operations or none; None when that changes nothing."""
        role = self._role(actor)
        next_ids = {kind: self._highest(kind) + 1 for kind in ("item", "loan")}
        facts, changes = self._facts, []
        for operation in operations:
            planned = plan(facts, role, operation, next_ids)
            facts = apply(facts, planned)
            changes += planned
            if operation[0] == "add" and operation[1] in next_ids:
                next_ids[operation[1]] += 1
        return self._record(actor, compose(changes))

    def undo(self, actor: str, entry: int) -> Entry | None:
        role = self._role(actor)
        if not 1 <= entry <= len(self.entries):
            raise NotFound(entry)
        undone = self.entries[entry - 1]
        back = invert(undone.changes)
        self._refuse_unseen(role, self._facts, undone)
        if not all(may(role, change) for change in back):
            raise Denied(f"a {role} may not undo this")
        try:
            after = apply(self._facts, back)
        except ValueError as error:
            raise Stale(f"what entry {entry} changed has changed since") from error
        self._refuse_unseen(role, after, undone)
        return self._record(actor, back, entry)

    def show(self, actor: str, thing: str) -> dict[str, Any]:
        return views.show(self._role(actor), self._facts, thing)

    def history(self, actor: str, thing: str) -> list[tuple[int, str, tuple[Change, ...]]]:
        return views.history(self._role(actor), self._facts, self.entries, thing)

    def inventory(self, actor: str) -> str:
        return views.inventory(self._role(actor), self._facts)

    def search(self, actor: str, query: str, at: int | None = None) -> list[str]:
        role = self._role(actor)
        if at is None:
            return find(query, role, self._facts, self._index)
        then = self.at(at)
        return find(query, role, then, Index(then), self._facts)

    def _record(self, actor: str, changes: tuple[Change, ...], undoes: int | None = None) -> Entry | None:
        if not changes:
            return None
        facts = apply(self._facts, changes)
        found = problems(facts)
        if found:
            raise Refused(found)
        entry = self._journal.append(actor, changes, undoes)
        self._facts = facts
        self._index.update(changes)
        return entry

    @staticmethod
    def _refuse_unseen(role: str, facts: Facts, entry: Entry) -> None:
        if any(exists(facts, thing) and not sees(role, facts, thing) for thing in entry.things):
            raise NotFound(entry.number)

    def _role(self, actor: str) -> str:
        role = self._facts.get(f"person/{actor}/role")
        if role is None:
            raise Denied(f"{actor!r} is nobody here")
        return str(role)

    def _highest(self, kind: str) -> int:
        """The highest number that anything of the kind has ever had."""
        things = {change.thing for entry in self.entries for change in entry.changes}
        return max((number(thing.partition("/")[2]) for thing in things if thing.startswith(f"{kind}/")), default=0)

    @staticmethod
    def _replayed(entries: Sequence[Entry]) -> Facts:
        facts: Facts = {}
        for entry in entries:
            try:
                facts = apply(facts, entry.changes)
            except ValueError as error:
                raise Tampered(entry.number) from error
        return facts
