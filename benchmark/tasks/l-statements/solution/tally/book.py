"""The book: all transactions, and what was decided by hand."""

import datetime
import json
import os
from collections.abc import Iterable
from pathlib import Path

from tally.rules import Rules, check_category
from tally.statements import Transaction

NEAR = 3
"""How many days the two sides of a transfer may be apart."""


class Book:
    def __init__(self) -> None:
        self._transactions: dict[str, Transaction] = {}
        self._by_hand: dict[str, str] = {}

    def add(self, transactions: Iterable[Transaction]) -> int:
        """Take in what is not known yet; how many that were."""
        before = len(self._transactions)
        for transaction in transactions:
            self._transactions.setdefault(transaction.id, transaction)
        return len(self._transactions) - before

    def transactions(self) -> list[Transaction]:
        return sorted(self._transactions.values(), key=lambda t: (t.date, t.account, t.id))

    def set(self, id: str, category: str) -> None:
        """Decide a category by hand."""
        check_category(category)
        self._known(id)
        self._by_hand[id] = category

    def clear(self, id: str) -> None:
        self._known(id)
        self._by_hand.pop(id, None)

    def _known(self, id: str) -> None:
        if id not in self._transactions:
            raise KeyError(id)

    def categories(self, rules: Rules) -> dict[str, str]:
        """By hand before transfer before the rules."""
        transfers = self._transfers()
        return {
            t.id: self._by_hand.get(t.id)
            or ("transfer" if t.id in transfers else rules.category(t.description, t.cents))
            for t in self.transactions()
        }

    def _transfers(self) -> frozenset[str]:
        free = [t for t in self._transactions.values() if t.id not in self._by_hand]
        outgoing = sorted((t for t in free if t.cents < 0), key=lambda t: (t.date, t.id))
        incoming = {t.id: t for t in free if t.cents > 0}
        paired: list[str] = []
        for out in outgoing:
            fitting = [
                (abs((t.date - out.date).days), t.date, t.id)
                for t in incoming.values()
                if t.cents == -out.cents and t.account != out.account and abs((t.date - out.date).days) <= NEAR
            ]
            if fitting:
                chosen = min(fitting)[2]
                del incoming[chosen]
                paired += [out.id, chosen]
        return frozenset(paired)

    def save(self, path: str | Path) -> None:
        """Replace the file as a whole, unless it says the same already."""
        rows = [[t.id, t.account, t.date.isoformat(), t.cents, t.description] for t in self.transactions()]
        content = json.dumps({"transactions": rows, "by hand": dict(sorted(self._by_hand.items()))}, indent=0)
        if Path(path).exists() and Path(path).read_text(encoding="utf-8") == content + "\n":
            return
        draft = Path(f"{path}.tmp")
        draft.write_text(content + "\n", encoding="utf-8")
        os.replace(draft, path)

    @classmethod
    def load(cls, path: str | Path) -> "Book":
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        book = cls()
        for id_, account, date, cents, description in content["transactions"]:
            book.add([Transaction(id_, account, datetime.date.fromisoformat(date), cents, description)])
        book._by_hand.update(content["by hand"])
        return book
