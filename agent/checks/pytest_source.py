"""Reading and changing the source of tests without running it: which tests it declares, and putting others in their
place."""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from graphs import syntax
from graphs.errors import AnswerError
from graphs.values import Files

Function = ast.FunctionDef | ast.AsyncFunctionDef
MAX_DEPTH = 150
"""How deep code may be nested; what reads and writes trees in Python recurses, and ends at about 200."""

MAX_BITS = 13_000
"""Of a whole number; Python writes none of more than 4300 digits."""


def is_test_file(path: str) -> bool:
    """Whether pytest takes a file of this name for tests."""
    name = PurePosixPath(path).name
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def parsed(source: str) -> ast.Module:
    """The syntax tree; ``SyntaxError`` when Python would not read it, or would read it as other text than we do, or when
    it is too deep for what works on trees, or could not be written out again."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source.encode("utf-8", "surrogatepass")).readline)
        if encoding not in ("utf-8", "utf-8-sig"):
            raise SyntaxError(f"the file declares the encoding {encoding!r}; only utf-8 is read")
        source.encode("utf-8")
        tree = syntax.parse(source)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or type(error).__name__) from None
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if any(
            isinstance(n, ast.Constant) and isinstance(n.value, int) and n.value.bit_length() > MAX_BITS for n in level
        ):
            raise SyntaxError("it holds a number of thousands of digits; write it as a power")
    if level:
        raise SyntaxError("it is nested too deeply; write it more plainly")
    return tree


def declared_ids(tests: Files) -> tuple[str, ...]:
    """The ids of the tests these files declare, in order: ``path::test_a``, ``path::TestC::test_a``.

    Read from the source, never from a run. A parametrised test is one id. Files that are no test files, or cannot be
    parsed, declare none.
    """
    return tuple(dict.fromkeys(f"{path}::{name}" for path, name, _ in _tests(tests)))


def _tests(tests: Files) -> Iterator[tuple[str, str, Function]]:
    for path, source in tests.items():
        if is_test_file(path):
            try:
                tree = parsed(source)
            except SyntaxError:
                continue
            yield from ((path, name, function) for name, function in functions(tree))


def functions(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """The tests that a file declares: ``test_a`` or ``TestC::test_a``, and the function."""
    unittest_case = isinstance(tree, ast.ClassDef) and _is_unittest(tree)
    for node in tree.body:
        if isinstance(node, Function) and node.name.startswith("test") and not is_fixture(node):
            yield prefix + node.name, node
        elif (
            isinstance(node, ast.ClassDef)
            and not unittest_case
            and (node.name.startswith("Test") or _is_unittest(node))
            and not any(isinstance(inner, Function) and inner.name == "__init__" for inner in node.body)
        ):
            yield from functions(node, f"{prefix}{node.name}::")


def _is_unittest(node: ast.ClassDef) -> bool:
    return any(last_name(base).endswith("TestCase") for base in node.bases)


def is_fixture(node: Function) -> bool:
    """Whether pytest takes a function for a fixture."""
    return any((called(d) if isinstance(d, ast.Call) else last_name(d)) == "fixture" for d in node.decorator_list)


def called(call: ast.Call) -> str:
    """The last part of the name of what is called: ``raises`` for ``pytest.raises(…)``."""
    return last_name(call.func)


def last_name(node: ast.expr) -> str:
    """``c`` for ``a.b.c``; empty for what is not a name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


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
    for name, function in functions(tree):
        if name in names:
            where = _place(function)
            indent = _indent(lines, function)
            # A statement stays behind, so that a class may lose all its tests.
            lines[where] = [f"{indent}...\n"] + [""] * (where.stop - where.start - 1)
    return "".join(lines)


def tied_requirements(tests: Files) -> dict[str, tuple[str, ...]]:
    """Test id → the requirements that the first line of its docstring names (``R3: …``, ``Covers R1, R4.``); tests that
    name none are left out.

    >>> tied_requirements({"test_a.py": "def test_a():\\n    'R1, R4: both.'\\n"})
    {'test_a.py::test_a': ('R1', 'R4')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for path, name, function in _tests(tests):
        first = (ast.get_docstring(function) or "").partition("\n")[0]
        named = dict.fromkeys(re.findall(r"\bR\d+\b", first))
        found.pop(f"{path}::{name}", None)  # of two tests of a name, the last one runs
        if named:
            found[f"{path}::{name}"] = tuple(named)
    return found


def source_of(tests: Files, test_id: str) -> str:
    """The source of a test, decorators included, at the margin even when it stands in a class; empty when there is no
    such test.

    Where a name is defined twice, it is the last one, which is the one that runs.
    """
    found = function_of(tests, test_id)
    if found is None:
        return ""
    _, function = found
    lines = _lines(tests[test_id.partition("::")[0]])
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
        path = test_id.partition("::")[0]
        try:
            changed[path] = _with_function(changed, test_id, source)
        except SyntaxError as error:
            problems.append(f"{test_id}: {error.msg}")
    if problems:
        raise AnswerError(problems)
    return changed


def _with_function(tests: Files, test_id: str, source: str) -> str:
    """The text of its file; ``SyntaxError`` says in words why ``source`` cannot stand for the test."""
    found = function_of(tests, test_id)
    if found is None:
        raise SyntaxError("there is no such test")
    tree, old = found
    new = _only_function(source, f"one function {old.name!r}")
    if new.name != old.name:
        raise SyntaxError(f"the new source must be one function {old.name!r}; it holds {_said(new)}")
    lines = _lines(tests[test_id.partition("::")[0]])
    indent, inside = _indent(lines, old), _inside_text(new)
    taken = list(enumerate(_lines(source)))[_place(new)]
    given = [line if number in inside or not line.strip() else indent + line for number, line in taken]
    if not given[-1].endswith(("\n", "\r")) and lines[_place(old)][-1].endswith(("\n", "\r")):
        given[-1] += "\n"
    lines[_place(old)] = given
    _swap(tree, old, new)
    return _as_meant("".join(lines), tree, "the new source cannot be put in the place of the old one")


def _as_meant(text: str, tree: ast.Module, problem: str) -> str:
    """``text``, when Python reads it as ``tree``."""
    try:
        if ast.dump(parsed(text)) == ast.dump(tree):
            return text
    except (SyntaxError, RecursionError):
        pass
    raise SyntaxError(f"{problem}; write it more plainly")


def _only_function(source: str, wanted: str) -> Function:
    try:
        tree = parsed(source)
    except SyntaxError as error:
        raise SyntaxError(f"line {error.lineno or 1} of the new source is not valid Python: {error.msg}") from None
    if len(tree.body) != 1 or not isinstance(tree.body[0], Function):
        there = ", ".join(_said(node) for node in tree.body) or "nothing"
        raise SyntaxError(
            f"the new source must be {wanted} and nothing else, with its imports inside; it holds {there}"
        )
    return tree.body[0]


def with_added(tests: Files, path: str, sources: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The files with test functions added at the end of one, and the ids of those; every byte before them stays.

    A source that is given twice is added once; a test file that is not there yet is begun. ``AnswerError`` names each
    source that is not exactly one plain test function, that has a name which is taken, or whose decorators use names
    that the file does not know.
    """
    text, problems, added = tests.get(path, ""), [], []
    if not is_test_file(path):
        raise AnswerError([f"{path!r} is not the name of a test file"])
    for source in dict.fromkeys(sources):
        try:
            text, name = _with_another(text, source)
            added.append(f"{path}::{name}")
        except SyntaxError as error:
            problems.append(f"{path}: {error.msg}")
    if problems:
        raise AnswerError(problems)
    return {**tests, path: text} if added else dict(tests), tuple(added)


def _with_another(text: str, source: str) -> tuple[str, str]:
    """The text with one more test, and its name; ``SyntaxError`` says in words why it cannot be added."""
    new = _only_function(source, "one test function")
    if not isinstance(new, ast.FunctionDef) or not new.name.startswith("test") or is_fixture(new):
        raise SyntaxError(
            f"the new source must be one plain function whose name starts with test; it holds {_said(new)}"
        )
    try:
        tree = parsed(text)
    except SyntaxError as error:
        raise SyntaxError(f"the file itself cannot be parsed: {error.msg}") from None
    known = names_of_file(tree)
    if new.name in known:
        raise SyntaxError(f"the name {new.name!r} is taken; give the new test another")
    if unknown := sorted(_used_by_definition(new) - known - set(vars(builtins))):
        raise SyntaxError(f"the head of {new.name!r} uses {unknown[0]!r}, which the file does not import")
    lines = _lines(source)[_place(new)]
    begun = text if not text or text.endswith(("\n", "\r")) else f"{text}\n"
    blank = begun[len(begun.rstrip()) :].count("\n") - 1
    between = "\n" * max(0, 2 - blank) if begun.strip() else ""
    tree.body.append(new)
    result = begun + between + "".join(lines).rstrip("\r\n") + "\n"
    return _as_meant(result, tree, f"the test {new.name!r} cannot be put at the end of the file"), new.name


def _used_by_definition(function: ast.FunctionDef) -> set[str]:
    """Names that must be there when a function is defined: those of its decorators, defaults and annotations."""
    head = [*function.decorator_list, function.args, *([function.returns] if function.returns else [])]
    nodes = [node for part in head for node in ast.walk(part)]
    names = [node for node in nodes if isinstance(node, ast.Name)]
    own = {node.arg for part in function.decorator_list for node in ast.walk(part) if isinstance(node, ast.arg)}
    own |= {name.id for name in names if not isinstance(name.ctx, ast.Load)}
    return {name.id for name in names} - own


def names_of_file(tree: ast.Module) -> set[str]:
    """Names that a file binds outside its functions and classes."""
    found: set[str] = set()
    queue: list[ast.AST] = [*tree.body]
    while queue:
        node = queue.pop()
        if isinstance(node, Function | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        queue += ast.iter_child_nodes(node)
    return found


def _said(node: ast.stmt) -> str:
    return f"{type(node).__name__} {getattr(node, 'name', '')}".rstrip()


def _swap(tree: ast.Module, old: Function, new: Function) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef) and old in node.body:
            node.body[node.body.index(old)] = new


def function_of(tests: Files, test_id: str) -> tuple[ast.Module, Function] | None:
    """The tree of a test's file and its function in it; ``None`` when there is no such test."""
    path, _, name = test_id.partition("::")
    try:
        tree = parsed(tests.get(path, ""))
    except SyntaxError:
        return None
    function = dict(functions(tree)).get(name)
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
