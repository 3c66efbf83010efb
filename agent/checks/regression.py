"""Which tests of an existing program hold a change of it: those that passed before must pass after it.

A test judges when it passed on the program as it was, in a run that can be believed, and failed there when it was made to
fail. Each file is run by itself, before and after: what one of them does to its process says nothing of the others. Files
that import a changed module, by the fewest steps, come first; the time for all is limited.

No conftest.py is obeyed, and so tests that need more of one than its fixtures are no judges.
"""

from __future__ import annotations

import ast
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from agent.checks.pytest_source import Function, declared_ids, is_fixture, is_test_file, parsed
from graphs import syntax
from graphs.values import Files

REGRESSION_SECONDS = 120.0
"""Wall time of all runs on the program as it was, in one run of this program; those after a change take about as long."""
LEAST_SECONDS = 1.0
"""What must be left for one more file."""
BEFORE = "passed before the change: "
"""How the message of a case begins that does not pass any more."""
_ROOTS = frozenset({"test", "tests"})
"""Directories that hold tests and what they lean on."""

Passing = Callable[[Files, Sequence[str], float], tuple[str, ...] | None]
"""(test files, declared ids, seconds) → the ids that pass on the program as it was; ``None`` when the machine kept it from
being said."""


@dataclass(frozen=True)
class Held:
    """One test file that holds a change."""

    path: str
    """Where it lies."""
    tests: Files
    """It, and what lies beside it in its directories of tests."""
    ids: tuple[str, ...]
    """Its tests that passed before; at least one."""


class Regression:
    """What passes on the program as it was, found out once per file. May be used from several threads at once."""

    def __init__(self, existing: Files, passing: Passing, seconds: float = REGRESSION_SECONDS) -> None:
        self._existing, self._passing, self._left = existing, passing, seconds
        self._known: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def held(self, tree: Files, taken: Collection[str], superseded: Collection[str] = ()) -> tuple[Held, ...]:
        """What holds ``tree``, the files that a plan owns, nearest first; all that is known already, and more while there
        is time.

        Args:
            tree: what the plan makes.
            taken: paths of tests that are run anyway.
            superseded: paths and ids of tests that are to be wrong from now on.
        """
        changed = [path for path, text in tree.items() if self._existing.get(path, text) != text]
        found: list[Held] = []
        for path in nearest(self._existing, changed):
            if path in tree or path in taken or path in superseded:
                continue
            ids = tuple(i for i in self._passing_ids(path) if i not in superseded)
            if ids:
                found.append(Held(path, laid_out(self._existing, path), ids))
        return tuple(found)

    def _passing_ids(self, path: str) -> tuple[str, ...]:
        with self._lock:
            if path not in self._known and self._left >= LEAST_SECONDS:
                began = time.monotonic()
                ids = declared_ids({path: self._existing[path]})
                passing = self._passing(laid_out(self._existing, path), ids, self._left) if ids else ()
                self._left -= time.monotonic() - began
                if passing is not None:
                    self._known[path] = passing
            return self._known.get(path, ())


def nearest(existing: Files, changed: Iterable[str]) -> tuple[str, ...]:
    """The test files of a program, those that reach a changed file by the fewest imports first, then the rest by name."""
    importers: dict[str, set[str]] = {}
    modules = {name: path for path in existing for name in _names(path)}
    for path, text in existing.items():
        for name in _imported(path, text) if path.endswith(".py") else ():
            if name in modules:
                importers.setdefault(modules[name], set()).add(path)
    steps = dict.fromkeys(changed, 0)
    waiting = deque(steps)
    while waiting:
        path = waiting.popleft()
        for importer in importers.get(path, ()):
            if importer not in steps:
                steps[importer] = steps[path] + 1
                waiting.append(importer)
    tests = [path for path in existing if is_test_file(path)]
    return tuple(sorted(tests, key=lambda path: (steps.get(path, len(existing)), path)))


def laid_out(existing: Files, path: str) -> Files:
    """A test file with what lies in its directories of tests, and the fixtures that it has from each conftest.py above."""
    parts = PurePosixPath(path).parts[:-1]
    depth = next((number for number, part in enumerate(parts, 1) if part in _ROOTS), 0)
    root = "".join(f"{part}/" for part in parts[:depth])
    beside = {other: text for other, text in existing.items() if root and other.startswith(root)}
    return {**beside, path: with_fixtures(path, existing[path], existing)}


def with_fixtures(path: str, source: str, tree: Files) -> str:
    """A test file that imports, at its end, the fixtures that it has from each conftest.py above it: no conftest.py is
    obeyed, and so none of the hooks in one either."""
    lines = []
    for place in reversed(PurePosixPath(path).parents):
        above = (place / "conftest.py").as_posix()
        fixtures = _fixtures(tree.get(above, ""))
        if any(automatic or re.search(rf"\b{name}\b", source) for name, automatic in fixtures.items()):
            module = above.removesuffix(".py").replace("/", ".")
            lines.append(f"from {module} import {', '.join(fixtures)}  # noqa: E402, F401\n")
    return "".join([f"{source.rstrip()}\n\n\n", *lines]) if lines else source


@lru_cache(4096)
def _fixtures(source: str) -> Mapping[str, bool]:
    """Name of each fixture that a file defines → whether tests have it without asking for it."""
    try:
        body = parsed(source).body
    except SyntaxError:
        return {}
    found = [node for node in body if isinstance(node, Function) and is_fixture(node)]
    return {node.name: any("autouse" in ast.unparse(one) for one in node.decorator_list) for node in found}


def _names(path: str) -> tuple[str, ...]:
    """Under which full name a file is imported: at most one."""
    if not path.endswith(".py"):
        return ()
    return (path.removesuffix(".py").removesuffix("/__init__").removeprefix("src/").replace("/", "."),)


@lru_cache(4096)
def _imported(path: str, source: str) -> frozenset[str]:
    """Full names of all that a file imports: modules, the packages they lie in, and what may be a module in one."""
    try:
        tree = syntax.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    (own,) = _names(path)
    package = own.split(".") if path.endswith("__init__.py") else own.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            near = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*near, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}".lstrip(".") for alias in node.names)}
    return frozenset(".".join(name.split(".")[:depth]) for name in found for depth in range(1, name.count(".") + 2))
