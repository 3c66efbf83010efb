"""Which targets need which, as far as the Galleyfile tells."""

import heapq
from collections.abc import Iterable

from galley.book import Book
from galley.errors import CycleError
from galley.paths import is_product, matches


def listed(book: Book, pattern: str, name: str) -> list[str]:
    """The products that a pattern means in the steps of a target: never the target itself."""
    return sorted(other for other in book.targets if other != name and matches(pattern, other))


def needs(book: Book, name: str) -> list[str]:
    """The targets whose text the steps might read, guards or not, by name."""
    found: set[str] = set()
    for step in book.targets[name].steps:
        if step.verb in ("paste", "maybe") and step.argument in book.targets:
            found.add(step.argument)
        elif step.verb == "each" and is_product(step.argument):
            found.update(listed(book, step.argument, name))
    return sorted(found)


def order(book: Book, wanted: Iterable[str]) -> list[str]:
    """The wanted targets and all that they need: of those that could be next, the first by name is.

    Raises KeyError for an unknown target and CycleError for a book with a cycle anywhere.
    """
    wanted = list(wanted)
    for name in wanted:
        if name not in book.targets:
            raise KeyError(name)
    _refuse_cycles(book)
    missing: dict[str, set[str]] = {}
    users: dict[str, list[str]] = {}
    while wanted:
        name = wanted.pop()
        if name not in missing:
            missing[name] = set(needs(book, name))
            for other in missing[name]:
                users.setdefault(other, []).append(name)
            wanted += missing[name]
    ready = [name for name in missing if not missing[name]]
    heapq.heapify(ready)
    done: list[str] = []
    while ready:
        done.append(heapq.heappop(ready))
        for user in users.get(done[-1], ()):
            missing[user].discard(done[-1])
            if not missing[user]:
                heapq.heappush(ready, user)
    return done


def _refuse_cycles(book: Book) -> None:
    finished: set[str] = set()
    trail: list[str] = []

    def visit(name: str) -> None:
        if name in trail:
            cycle = trail[trail.index(name) :]
            first = cycle.index(min(cycle))
            raise CycleError(cycle[first:] + cycle[:first])
        if name in finished:
            return
        trail.append(name)
        for other in needs(book, name):
            visit(other)
        finished.add(trail.pop())

    for name in sorted(book.targets):
        visit(name)
