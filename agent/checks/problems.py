"""What is wrong with tests, as far as that can be seen without running them. Each problem is one sentence for their writer."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from agent.checks.names import Names, Uses, constants, modules_of, value_of
from agent.checks.pytest_source import Function, functions, is_test_file, last_name, parsed
from agent.checks.report import shown
from agent.checks.trespass import Program, Traces, own_attributes, program_of, traces, trespasses
from agent.checks.vacuous import Claim, reader
from graphs.values import Component, Files

MAX_SLEEP = 1.0
"""Seconds a test may sleep at once; more only makes every proof slow."""
QUOTED = 80
"""Characters of a test that a problem quotes."""
_SLEEPS = frozenset({"time.sleep", "asyncio.sleep", "trio.sleep", "anyio.sleep"})
_MARKS = ("skip", "skipif", "xfail")


def problems_of_tests(
    tests: Files, component: Component | None = None, paths: Iterable[str] = ()
) -> list[tuple[str, str]]:
    """(test id or file, why it is sent back) for all that can be seen without running.

    Args:
        tests: the files.
        component: when given, the tests must import or start something that it owns.
        paths: of all files that tests may import, those of the component and of what it stands on.
    """
    program = program_of(component, paths)
    problems: list[tuple[str, str]] = []
    for path, source in tests.items():
        if not is_test_file(path):
            continue
        try:
            tree = parsed(source)
        except SyntaxError as error:
            where = f" in line {error.lineno}" if error.lineno else ""
            problems.append((path, f"it cannot be parsed{where}: {error.msg}"))
            continue
        found = list(_problems_of_file(tree))
        if component is not None and component.files and not _touches(tree, component.files):
            found.append(f"it uses nothing that the component owns ({', '.join(component.files)})")
        reading = _Reading(tree, program)
        found += reading.of_import()
        problems += [(path, problem) for problem in dict.fromkeys(found)]
        for name, function in functions(tree):
            found = [*_problems_of_function(function), *reading.of_test(function)]
            problems += [(f"{path}::{name}", problem) for problem in dict.fromkeys(found)]
    if not any(is_test_file(path) for path in tests):
        problems.append((next(iter(tests), "tests"), "there is no test file; its name must start with test_"))
    return problems


class _Reading:
    """What is wrong with the tests of one file in what they assert, do and use. Each part of the file is read once."""

    def __init__(self, tree: ast.Module, program: Program) -> None:
        self._tree = tree
        self._program = program
        self._names = Names(tree)
        self._known = constants(tree)
        self._own = own_attributes(tree)
        self._claims = reader(tree, self._names, program.tops)
        self._uses = Uses(tree)
        self._read: dict[int, tuple[Traces, tuple[str, ...]]] = {}

    def of_import(self) -> Iterator[str]:
        """What the file does wrong when it is imported; what it assigns is looked at where it is used."""
        elsewhere = Function | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign
        yield from self._of([node for node in self._tree.body if not isinstance(node, elsewhere)])

    def of_test(self, function: Function) -> Iterator[str]:
        """What a test does wrong, itself or by what it uses of its file."""
        claims = self._claims.claims(function)
        if not any(not claim.idle for claim in claims):
            yield "it asserts nothing" + (f": {_quoted(claims[0])} {claims[0].idle}" if claims else "")
        yield from self._of(self._uses.of(function))

    def _of(self, parts: Sequence[ast.AST]) -> Iterator[str]:
        for part in parts:
            if id(part) not in self._read:
                names = self._names.inside(part)
                known = constants(part, self._known) if isinstance(part, Function) else self._known
                self._read[id(part)] = (
                    traces(part, names, self._program, self._own),
                    tuple(_sleeps(part, names, known)),
                )
        yield from trespasses(self._read[id(part)][0] for part in parts)
        yield from (problem for part in parts for problem in self._read[id(part)][1])


def _problems_of_file(tree: ast.Module) -> Iterator[str]:
    names = [name for name, _ in functions(tree)]
    if not names:
        yield "it declares no test function"
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"it defines {name!r} more than once; only the last one would run"
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and target.id in ("pytest_plugins", "__test__"):
                yield f"it sets {target.id!r}; tests may not change how they are run"
            if isinstance(target, ast.Name) and target.id == "pytestmark" and _marks(node):
                yield f"it marks all its tests {', '.join(_marks(node))}; a skipped or expected failure proves nothing"


def _problems_of_function(function: Function) -> Iterator[str]:
    if isinstance(function, ast.AsyncFunctionDef):
        yield "it is an async function, which pytest does not run; use asyncio.run inside a plain function"
    marks = _marks(function)
    if marks:
        yield f"it uses {', '.join(marks)}; a skipped or expected failure proves nothing"


def _quoted(claim: Claim) -> str:
    return "`" + shown(ast.unparse(claim.node), QUOTED).replace("\n", " ") + "`"


def _sleeps(part: ast.AST, names: Names, known: Mapping[str, Any]) -> Iterator[str]:
    for node in ast.walk(part):
        if not isinstance(node, ast.Call) or names.of(node.func) not in _SLEEPS:
            continue
        given = [*node.args[:1], *(k.value for k in node.keywords if k.arg in ("secs", "delay", "seconds"))]
        for seconds in given:
            try:
                value = value_of(seconds, _defaults(part) | dict(known))
            except ValueError:
                value = None
            if not isinstance(value, int | float):
                yield f"it sleeps for a time that is not written in it as a number; at most {MAX_SLEEP:g} s is allowed"
            elif value > MAX_SLEEP:
                yield f"it sleeps {value} s; at most {MAX_SLEEP:g} s is allowed"


def _defaults(part: ast.AST) -> dict[str, Any]:
    """Parameters of a function that have a number for a default, which is taken for what they are."""
    found: dict[str, Any] = {}
    for function in ast.walk(part):
        if isinstance(function, Function):
            given = function.args
            positional = [*given.posonlyargs, *given.args]
            pairs = [
                *zip(positional[::-1], given.defaults[::-1], strict=False),
                *zip(given.kwonlyargs, given.kw_defaults, strict=True),
            ]
            for argument, default in pairs:
                if isinstance(default, ast.Constant) and isinstance(default.value, int | float):
                    found[argument.arg] = default.value
    return found


def _marks(node: ast.AST) -> list[str]:
    """Names of the marks and calls inside that keep a test from running or let it fail."""
    found: dict[str, None] = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute):
            owner = last_name(inner.value)
            if (inner.attr in _MARKS and owner in ("mark", "pytest", "unittest")) or inner.attr in (
                "importorskip", "skipIf", "skipUnless", "skipTest", "expectedFailure",
            ):  # fmt: skip
                found[inner.attr] = None
    return list(found)


def _touches(tree: ast.Module, owned: Sequence[str]) -> bool:
    """Whether the tests import, or name in a string, anything of the owned paths."""
    modules = modules_of(owned)
    words = {*modules, *owned, *(PurePosixPath(path).name for path in owned)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name in modules for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module in modules:
                return True
            if any(f"{node.module}.{alias.name}" in modules for alias in node.names):
                return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 1000:
            text = node.value
            if any(text == word or (("." in word or "/" in word) and word in text) for word in words):
                return True
    return False
