"""Which items have which words and tags."""

import re
from collections.abc import Iterable
from typing import Any

from vitrine.facts import Change, Facts

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The runs of letters and digits, case aside, in order."""
    return _WORD.findall(text.casefold())


class Index:
    """For each of ``title``, ``note`` and ``tags``: word to ids of items."""

    def __init__(self, facts: Facts) -> None:
        self._items: dict[str, dict[str, set[str]]] = {"title": {}, "note": {}, "tags": {}}
        self.update(Change(key, None, value) for key, value in facts.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and self._items == other._items

    __hash__ = None  # type: ignore[assignment]

    def update(self, changes: Iterable[Change]) -> None:
        for change in changes:
            kind, id_, field = change.key.split("/")
            if kind != "item" or field not in self._items:
                continue
            table = self._items[field]
            for word in _words(field, change.old):
                table[word].discard(id_)
                if not table[word]:
                    del table[word]
            for word in _words(field, change.new):
                table.setdefault(word, set()).add(id_)

    def find(self, field: str, word: str) -> set[str]:
        return set(self._items[field].get(word, ()))

    def find_prefix(self, field: str, prefix: str) -> set[str]:
        found = (ids for word, ids in self._items[field].items() if word.startswith(prefix))
        return set().union(*found)


def _words(field: str, value: Any) -> set[str]:
    if value is None:
        return set()
    return set(value if field == "tags" else words(value))
