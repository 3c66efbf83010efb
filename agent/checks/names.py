"""What the names in a test file stand for, what values its literals have, and what of its own file a test uses."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from agent.checks.pytest_source import Function, called, is_fixture, last_name, names_of_file

MAX_VALUE = 10_000
"""Characters or items of a value that is worked out; longer ones are not known."""
_SET_UP = frozenset(
    {
        "setup", "teardown", "setup_method", "teardown_method", "setup_class", "teardown_class", "setUp", "tearDown",
        "setUpClass", "tearDownClass", "asyncSetUp", "asyncTearDown",
    }
)  # fmt: skip
_SET_UP_OF_FILE = frozenset({"setup_module", "teardown_module", "setup_function", "teardown_function"})
_Fixed = ast.Assign | ast.AnnAssign


class Names:
    """What is imported under which name: ``of`` gives the full path of a thing, however it was imported or renamed."""

    def __init__(self, tree: ast.Module) -> None:
        self._known: dict[str, str] = {}
        self._builtin = frozenset(vars(builtins)) - names_of_file(tree)
        self._inside: dict[int, Names] = {}
        self.assigned = dict(_assigned(tree.body))
        """Module-level variables of the file → what they are assigned; where it is done twice, the last."""
        self._take(list(ast.walk(tree)))

    def _take(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    self._known[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self._known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        for node in nodes:
            # Another name for something imported: nap = time.sleep
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                meant = self.of(node.value) if isinstance(node.value, ast.Name | ast.Attribute) else ""
                if meant and node.targets[0].id not in self._known:
                    self._known[node.targets[0].id] = meant

    def inside(self, node: ast.AST) -> Names:
        """The same inside a function of the file, where parameters and variables hide what was imported."""
        if not isinstance(node, Function):
            return self
        if id(node) not in self._inside:
            nodes = list(ast.walk(node))
            hidden = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
            hidden |= {n.arg for n in nodes if isinstance(n, ast.arg)}
            hidden |= {n.name for n in nodes if isinstance(n, Function | ast.ClassDef) and n is not node}
            inner = object.__new__(Names)
            inner._known = {name: meant for name, meant in self._known.items() if name not in hidden}
            inner._builtin = self._builtin - hidden
            inner._inside = {}
            inner.assigned = {name: value for name, value in self.assigned.items() if name not in hidden}
            inner._take(nodes)
            self._inside[id(node)] = inner
        return self._inside[id(node)]

    def of(self, node: ast.AST) -> str:
        """``time.sleep``, ``builtins.open``, ``pkg.mod.f``; empty for what is not imported and for what is not a name."""
        match node:
            case ast.Name(id=name):
                return self._known.get(name) or (f"builtins.{name}" if name in self._builtin else "")
            case ast.Attribute(value=value, attr=name):
                owner = self.of(value)
                return f"{owner}.{name}" if owner else ""
            case ast.Call(func=func, args=[ast.Constant(value=str(name))]):
                return name if self.of(func) in ("builtins.__import__", "importlib.import_module") else ""
        return ""


def modules_of(paths: Iterable[str]) -> set[str]:
    """Dotted names under which files are imported, and those of the packages they lie in; ``src/`` counts for nothing."""
    found: set[str] = set()
    for path in paths:
        if path.endswith(".py"):
            parts = list(PurePosixPath(path).with_suffix("").parts)
            parts = parts[1:] if parts[:1] == ["src"] and len(parts) > 1 else parts
            found.update(".".join(parts[: depth + 1]) for depth in range(len(parts)))
    return found


# -- values


def value_of(node: ast.AST, known: Mapping[str, Any]) -> Any:
    """The value of an expression made of literals and ``known`` names; ``ValueError`` when it is something else or too
    long, all that it holds together."""
    value = _value(node, known)
    if _is_larger(value):
        raise ValueError("too long")
    return value


def _is_larger(value: Any) -> bool:
    """Whether there is more in a value than :data:`MAX_VALUE`; names can make a small text stand for a vast one."""
    left, queue = MAX_VALUE, [value]
    while queue and left >= 0:
        item = queue.pop()
        if isinstance(item, str | bytes | list | tuple | set | dict):
            left -= len(item)
        if isinstance(item, int):
            left -= item.bit_length() // 8
        if isinstance(item, dict):
            queue += [*item.keys(), *item.values()] if left >= 0 else []
        elif isinstance(item, list | tuple | set):
            queue += item if left >= 0 else []
    return left < 0


def _value(node: ast.AST, known: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value) if value is not ...:
            return value
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.List(elts=items):
            return [value_of(item, known) for item in items]
        case ast.Tuple(elts=items):
            return tuple(value_of(item, known) for item in items)
        case ast.Set(elts=items):
            return _hashed(set, [value_of(item, known) for item in items])
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = [
                (value_of(k, known), value_of(v, known)) for k, v in zip(keys, values, strict=True) if k is not None
            ]
            return _hashed(dict, pairs)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _computed(ast.Sub(), 0, value_of(operand, known))
        case ast.BinOp(left=left, op=op, right=right):
            return _computed(op, value_of(left, known), value_of(right, known))
    raise ValueError("not made of literals")


def _hashed(kind: Any, items: Sequence[Any]) -> Any:
    try:
        return kind(items)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _computed(op: ast.operator, left: Any, right: Any) -> Any:
    both = (left, right)
    try:
        match op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult() if all(isinstance(x, int | float) and abs(x) < 1e15 for x in both) or any(
                isinstance(x, int) and 0 <= x * len(y) <= MAX_VALUE
                for x, y in (both, both[::-1])
                if isinstance(y, str | bytes | list | tuple)
            ):
                return left * right
            case ast.Div():
                return left / right
    except (TypeError, ArithmeticError) as error:
        raise ValueError(str(error)) from None
    raise ValueError("not worked out")


def constants(node: ast.Module | Function, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Name → value, for names that a file or function binds once and to literals; in front of them, ``known``."""
    found = dict(known or {})
    bindings: dict[str, int] = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            bindings[inner.id] = bindings.get(inner.id, 0) + 1
    for name in bindings:
        found.pop(name, None)
    for name, value in _assigned(node.body):
        if bindings.get(name) == 1:
            try:
                found[name] = value_of(value, found)
            except ValueError:
                continue
    return found


def _assigned(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for statement in body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target: ast.expr = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target = statement.target
        else:
            continue
        if isinstance(target, ast.Name) and statement.value is not None:
            yield target.id, statement.value


def rows(function: Function) -> list[list[dict[str, ast.expr]]]:
    """For each ``parametrize`` over a test whose table is written out: its rows, parameter name → expression."""
    tables = []
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(args=[names, ast.List(elts=cases) | ast.Tuple(elts=cases), *_]) if (
                last_name(decorator.func) == "parametrize"
            ):
                columns = _columns(names)
                table = [
                    dict(zip(columns, cells, strict=True))
                    for c in cases
                    if len(cells := _cells(c, columns)) == len(columns)
                ]
                if columns:
                    tables.append(table)
    return tables


def _columns(names: ast.expr) -> list[str]:
    match names:
        case ast.Constant(value=str(text)):
            return [name.strip() for name in text.split(",") if name.strip()]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return []


def _cells(case: ast.expr, columns: Sequence[str]) -> list[ast.expr]:
    if isinstance(case, ast.Call) and called(case) == "param":
        return case.args
    if len(columns) == 1:
        return [case]
    return case.elts if isinstance(case, ast.List | ast.Tuple) else []


# -- what a test uses


class Uses:
    """What each test of a file uses of that file."""

    def __init__(self, tree: ast.Module) -> None:
        self._body: dict[str, list[ast.AST]] = {}
        for node in tree.body:
            for name in _offers(node):
                self._body.setdefault(name, []).append(node)
        always = [n for n in tree.body if isinstance(n, Function) and (n.name in _SET_UP_OF_FILE or _autouse(n))]
        self._always = frozenset(function.name for function in always)
        self._owners: dict[int, list[ast.ClassDef]] = {}
        for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            for inner in owner.body:
                self._owners.setdefault(id(inner), []).append(owner)
        self._asked: dict[int, frozenset[str]] = {}

    def of(self, test: Function) -> list[ast.AST]:
        """The test, and what of its file it uses, in any depth: functions, fixtures, assignments, and what is in
        classes."""
        owners = self._owners.get(id(test), [])
        own = [inner for owner in owners for inner in owner.body if isinstance(inner, Function)]
        offered = dict(self._body)
        for function in own:
            for name in _offers(function):
                offered[name] = [*offered.get(name, ()), function]
        found: list[ast.AST] = [test, *(decorator for owner in owners for decorator in owner.decorator_list)]
        queue, seen = list(found), {id(test)}
        asked = self._always | {function.name for function in own if function.name in _SET_UP or _autouse(function)}
        while queue or asked:
            for node in (node for name in asked for node in offered.get(name, ())):
                if id(node) not in seen:
                    seen.add(id(node))
                    found += _pieces(node)
                    queue.append(node)
            asked = self._asks(queue.pop()) if queue else frozenset()
        return found

    def _asks(self, node: ast.AST) -> frozenset[str]:
        if id(node) not in self._asked:
            self._asked[id(node)] = frozenset(_asks(node))
        return self._asked[id(node)]


def _pieces(node: ast.AST) -> list[ast.AST]:
    """A function or assignment as it is; of a class, what it holds, so that each function is read with its own variables."""
    return [piece for inner in node.body for piece in _pieces(inner)] if isinstance(node, ast.ClassDef) else [node]


def _offers(node: ast.AST) -> list[str]:
    if isinstance(node, Function | ast.ClassDef):
        if node.name.startswith("test") and isinstance(node, Function) and not is_fixture(node):
            return []
        named = [
            keyword.value.value
            for decorator in node.decorator_list
            if isinstance(decorator, ast.Call)
            for keyword in decorator.keywords
            if keyword.arg == "name"
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
        ]
        return [node.name, *named]
    if isinstance(node, _Fixed):
        return [name for name, _ in _assigned([node])]
    return []


def _autouse(function: Function) -> bool:
    return any(
        keyword.arg == "autouse" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and called(decorator) == "fixture"
        for keyword in decorator.keywords
    )


def _asks(node: ast.AST) -> set[str]:
    """Names of its file that a part of it may use: loaded, asked for as fixtures, or reached through ``self``."""
    found = set()
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name, ctx=ast.Load()):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                found.add(name)
            case ast.arg(arg=name):
                found.add(name)
            case ast.Call(args=args) if called(inner) == "usefixtures":
                found |= {a.value for a in args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return found
