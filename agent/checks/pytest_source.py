"""Reading and changing the source of tests without running it: which tests it declares, what is wrong with it,
tripwire, poison."""

from __future__ import annotations

import ast
import io
import secrets
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from graphs import syntax
from graphs.errors import AnswerError
from graphs.values import Component, Files

Function = ast.FunctionDef | ast.AsyncFunctionDef
MAX_SLEEP = 1.0
"""Seconds a test may sleep at once; more only makes every proof slow."""
_ASSERTING = ("raises", "warns", "fail", "deprecated_call", "approx")
_HELPERS = ("assert", "check", "expect", "verify", "ensure")
_MARKS = ("skip", "skipif", "xfail")


def is_test_file(path: str) -> bool:
    """Whether pytest takes a file of this name for tests."""
    name = PurePosixPath(path).name
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def parsed(source: str) -> ast.Module:
    """The syntax tree; ``SyntaxError`` when Python would not read it, or would read it as other text than we do."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source.encode("utf-8", "surrogatepass")).readline)
        if encoding not in ("utf-8", "utf-8-sig"):
            raise SyntaxError(f"the file declares the encoding {encoding!r}; only utf-8 is read")
        source.encode("utf-8")
        return syntax.parse(source)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or type(error).__name__) from None


def declared_ids(tests: Files) -> tuple[str, ...]:
    """The ids of the tests these files declare, in order: ``path::test_a``, ``path::TestC::test_a``.

    Read from the source, never from a run. A parametrised test is one id. Files that are no test files, or cannot be
    parsed, declare none.
    """
    found: dict[str, None] = {}
    for path, source in tests.items():
        if is_test_file(path):
            try:
                tree = parsed(source)
            except SyntaxError:
                continue
            found.update((f"{path}::{name}", None) for name, _ in _functions(tree))
    return tuple(found)


def _functions(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Function]]:
    unittest_case = isinstance(tree, ast.ClassDef) and _is_unittest(tree)
    for node in tree.body:
        if isinstance(node, Function) and node.name.startswith("test") and not _is_fixture(node):
            yield prefix + node.name, node
        elif (
            isinstance(node, ast.ClassDef)
            and not unittest_case
            and (node.name.startswith("Test") or _is_unittest(node))
            and not any(isinstance(inner, Function) and inner.name == "__init__" for inner in node.body)
        ):
            yield from _functions(node, f"{prefix}{node.name}::")


def _is_unittest(node: ast.ClassDef) -> bool:
    return any(_last_name(base).endswith("TestCase") for base in node.bases)


def _is_fixture(node: Function) -> bool:
    return any(_last_name(d.func if isinstance(d, ast.Call) else d) == "fixture" for d in node.decorator_list)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def with_tripwire(source: str) -> tuple[str, str]:
    """The source with one more test, at its end, that must be reported failed; and that test's random name."""
    name = f"test_{secrets.token_hex(8)}"
    left, right = secrets.randbelow(9000), 10_000 + secrets.randbelow(9000)
    return f"{source}\n\n\ndef {name}():\n    assert {left} == {right}\n", name


def poisoned(source: str) -> str:
    """The source with a failing assertion where a test that it declares ends or returns; ``SyntaxError`` as in
    :func:`parsed`.

    At the end and not at the start: everything happens as before, so a forger that whitewashes the tests which called
    it, or which end by an exception, whitewashes these too.
    """
    tree = parsed(source)
    for _, function in _functions(tree):
        left, right = secrets.randbelow(9000), 10_000 + secrets.randbelow(9000)
        start = 1 if ast.get_docstring(function, clean=False) is not None else 0
        done = f"done_{secrets.token_hex(4)}"
        frame = f"{done} = True\ntry: ...\nexcept BaseException:\n    {done} = False\n    raise\n"
        wrapped = syntax.parse(f"{frame}finally:\n    if {done}:\n        assert {left} == {right}").body
        assert isinstance(wrapped[1], ast.Try)
        wrapped[1].body = function.body[start:] or [ast.Pass()]
        function.body[start:] = wrapped
    return ast.unparse(ast.fix_missing_locations(tree))


def without_tests(tests: Files, ids: Sequence[str]) -> dict[str, str]:
    """The files without the tests (or whole files) named; a test file whose tests are all gone is left out.

    What stays is kept as it was written. When no test is left, no file is.
    """
    gone = set(ids)
    kept: dict[str, str] = {}
    for path, source in tests.items():
        if path in gone:
            continue
        names = {name.removeprefix(f"{path}::") for name in gone if name.startswith(f"{path}::")}
        if is_test_file(path):
            text = _without(source, names)
            if declared_ids({path: text}):
                kept[path] = text
        else:
            kept[path] = source
    return kept if any(is_test_file(path) for path in kept) else {}


def _without(source: str, names: set[str]) -> str:
    try:
        tree = parsed(source)
    except SyntaxError:
        return source
    lines = _lines(source)
    for name, function in _functions(tree):
        if name in names:
            where = _place(function)
            indent = _indent(lines, function)
            # A statement stays behind, so that a class may lose all its tests.
            lines[where] = [f"{indent}...\n"] + [""] * (where.stop - where.start - 1)
    return "".join(lines)


def source_of(tests: Files, test_id: str) -> str:
    """The source of a test, decorators included, at the margin even when it stands in a class; empty when there is no
    such test.

    Where a name is defined twice, it is the last one, which is the one that runs.
    """
    path, _, name = test_id.partition("::")
    found = _function(tests.get(path, ""), name)
    if found is None:
        return ""
    _, function = found
    lines = _lines(tests[path])
    indent, inside = _indent(lines, function), _inside_text(function)
    taken = list(enumerate(lines))[_place(function)]
    return "".join(
        line if number in inside or not line.strip() else line.removeprefix(indent) for number, line in taken
    )


def with_replaced(tests: Files, replaced: Files) -> dict[str, str]:
    """The files with each test (by id) replaced by the given source; everything else stays byte for byte.

    ``AnswerError`` names each id that is not there, and each source that is not exactly one function of the same name.
    """
    changed = dict(tests)
    problems: list[str] = []
    for test_id, source in replaced.items():
        path, _, name = test_id.partition("::")
        try:
            changed[path] = _with_function(changed.get(path, ""), name, source)
        except SyntaxError as error:
            problems.append(f"{test_id}: {error.msg}")
    if problems:
        raise AnswerError(problems)
    return changed


def _with_function(text: str, name: str, source: str) -> str:
    """``SyntaxError`` says in words why ``source`` cannot stand for the test ``name`` of ``text``."""
    found = _function(text, name)
    if found is None:
        raise SyntaxError("there is no such test")
    tree, old = found
    new = _only_function(source, name.rpartition("::")[2])
    lines = _lines(text)
    indent, inside = _indent(lines, old), _inside_text(new)
    taken = list(enumerate(_lines(source)))[_place(new)]
    given = [line if number in inside or not line.strip() else indent + line for number, line in taken]
    if not given[-1].endswith(("\n", "\r")) and lines[_place(old)][-1].endswith(("\n", "\r")):
        given[-1] += "\n"
    lines[_place(old)] = given
    result = "".join(lines)
    _swap(tree, old, new)
    try:
        if ast.dump(parsed(result)) == ast.dump(tree):
            return result
    except (SyntaxError, RecursionError):
        pass
    raise SyntaxError("the new source cannot be put in the place of the old one; write it more plainly")


def _only_function(source: str, name: str) -> Function:
    try:
        tree = parsed(source)
    except SyntaxError as error:
        raise SyntaxError(f"line {error.lineno or 1} of the new source is not valid Python: {error.msg}") from None
    if len(tree.body) != 1 or not isinstance(tree.body[0], Function) or tree.body[0].name != name:
        there = ", ".join(_said(node) for node in tree.body) or "nothing"
        raise SyntaxError(
            f"the new source must be one function {name!r} and nothing else, with its imports inside; it holds {there}"
        )
    return tree.body[0]


def _said(node: ast.stmt) -> str:
    return f"{type(node).__name__} {getattr(node, 'name', '')}".rstrip()


def _swap(tree: ast.Module, old: Function, new: Function) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef) and old in node.body:
            node.body[node.body.index(old)] = new


def _function(source: str, name: str) -> tuple[ast.Module, Function] | None:
    try:
        tree = parsed(source)
    except SyntaxError:
        return None
    function = dict(_functions(tree)).get(name)
    return None if function is None else (tree, function)


def _lines(source: str) -> list[str]:
    """The lines as Python counts them, ends included; ``str.splitlines`` knows more line ends than Python does."""
    return io.StringIO(source, newline="").readlines()


def _indent(lines: Sequence[str], function: Function) -> str:
    return lines[function.lineno - 1][: function.col_offset]


def _place(function: Function) -> slice:
    """Which lines (from 0) a function takes, decorators included."""
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    return slice(first - 1, function.end_lineno)


def _inside_text(function: Function) -> set[int]:
    """Lines (from 0) that begin inside a text literal, where white space counts."""
    texts = [node for node in ast.walk(function) if isinstance(node, ast.JoinedStr | ast.Constant)]
    return {number for node in texts for number in range(node.lineno, node.end_lineno or node.lineno)}


def problems_of_tests(tests: Files, component: Component | None = None) -> list[tuple[str, str]]:
    """(test id or file, why it is sent back) for all that can be seen without running.

    ``component``: when given, the tests must import or start something that it owns.
    """
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
        problems += [(path, problem) for problem in _problems_of_file(tree)]
        helpers = _asserting_helpers(tree)
        for name, function in _functions(tree):
            problems += [(f"{path}::{name}", problem) for problem in _problems_of_function(function, helpers)]
        if component is not None and component.files and not _touches(tree, component.files):
            owned = ", ".join(component.files)
            problems.append((path, f"it uses nothing that the component owns ({owned})"))
    if not any(is_test_file(path) for path in tests):
        problems.append((next(iter(tests), "tests"), "there is no test file; its name must start with test_"))
    return problems


def _problems_of_file(tree: ast.Module) -> Iterator[str]:
    names = [name for name, _ in _functions(tree)]
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


def _problems_of_function(function: Function, helpers: frozenset[str]) -> Iterator[str]:
    if isinstance(function, ast.AsyncFunctionDef):
        yield "it is an async function, which pytest does not run; use asyncio.run inside a plain function"
    marks = _marks(function)
    if marks:
        yield f"it uses {', '.join(marks)}; a skipped or expected failure proves nothing"
    if not _asserts(function, helpers):
        yield "it asserts nothing"
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _last_name(node.func) == "sleep" and node.args:
            seconds = node.args[0]
            if (
                isinstance(seconds, ast.Constant)
                and isinstance(seconds.value, int | float)
                and seconds.value > MAX_SLEEP
            ):
                yield f"it sleeps {seconds.value} s; at most {MAX_SLEEP:g} s is allowed"


def _marks(node: ast.AST) -> list[str]:
    """Names of the marks and calls inside that keep a test from running or let it fail."""
    found: dict[str, None] = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute):
            owner = _last_name(inner.value)
            if (inner.attr in _MARKS and owner in ("mark", "pytest", "unittest")) or inner.attr in (
                "importorskip", "skipIf", "skipUnless", "skipTest", "expectedFailure",
            ):  # fmt: skip
                found[inner.attr] = None
    return list(found)


def _asserts(node: ast.AST, helpers: frozenset[str]) -> bool:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert) and not isinstance(inner.test, ast.Constant):
            return True
        if isinstance(inner, ast.Call):
            name = _last_name(inner.func)
            if name in helpers or name in _ASSERTING or name.lstrip("_").lower().startswith(_HELPERS):
                return True
    return False


def _asserting_helpers(tree: ast.Module) -> frozenset[str]:
    """Functions of the file, tests aside, that assert something themselves or through each other."""
    functions = [node for node in ast.walk(tree) if isinstance(node, Function) and not node.name.startswith("test")]
    helpers: frozenset[str] = frozenset()
    while True:
        more = frozenset(function.name for function in functions if _asserts(function, helpers))
        if more == helpers:
            return helpers
        helpers = more


def _touches(tree: ast.Module, owned: Sequence[str]) -> bool:
    """Whether the tests import, or name in a string, anything of the owned paths."""
    modules: set[str] = set()
    for path in owned:
        parts = list(PurePosixPath(path).with_suffix("").parts)
        parts = parts[1:] if parts[:1] == ["src"] and len(parts) > 1 else parts
        if path.endswith(".py"):
            modules.add(".".join(parts))  # tests of a command import pkg.__main__ by its name
            parts = parts[:-1] if parts[-1] in ("__init__", "__main__") and len(parts) > 1 else parts
            modules.update(".".join(parts[: depth + 1]) for depth in range(len(parts)))
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
