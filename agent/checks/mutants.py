"""Python source → its mutants: small changes of the code that some test should notice. Nothing runs here.

The operators are the usual ones: relational, arithmetic, logical and constant replacement (the sufficient set of Offutt
et al., 1996), the removal of a statement, a return value or a raise, forced conditions (as mutmut and cosmic-ray do),
and for each function one *extreme* mutant that does nothing (Niedermayr et al., 2016). Those two tools are not used:
one rewrites the tree on disk and forks a pytest of its own, the other keeps a work database and runner of its own, so
neither lets each mutant be one ordinary run in our sandbox with a report that can be believed.

Not changed is what no test can be asked to notice: docstrings, annotations and types, ``__all__`` and its like, imports,
assertions, logging, ``if __name__ == "__main__"``, functions that are only declared; nor what obviously stays the same
(``return None``), nor what fails wherever it is reached and so tells nothing of a test (a removed first assignment).

Mutants are written by ``ast.unparse``, so they are told from the *plain* form of the program, which is the same code in
that format, and not from the text as it was written.

Of a file that an existing program had already, only what stands on new and changed lines is changed.
"""

from __future__ import annotations

import ast
import io
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Any

from agent.checks.pytest_source import parsed
from agent.printable import printable
from graphs.values import Files, Mutant

MOST = 3000
"""Candidates of one program; of a larger one only the first so many are looked at."""
LARGEST = 100_000
"""Characters; a longer file is left out, because each of its mutants is a whole copy."""
SIDE_CHARS = 76
"""Kept of each side of ``old → new``."""
EXTREME, PLAIN, WORDS = 0, 1, 2
"""Who goes first: a function's whole behaviour; anything; the wording of messages and help, which is seldom specified."""

_COMPARISONS: dict[type, tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
"""The boundary, then the negation."""
_ARITHMETIC: dict[type, type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mod,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
_NEUTRAL = {
    ast.Add: 0,
    ast.Sub: 0,
    ast.LShift: 0,
    ast.RShift: 0,
    ast.Mult: 1,
    ast.Div: 1,
}
"""Right operands for which an operator and its replacement give the same."""
_LOGGING = {"log", "debug", "info", "warning", "warn", "error", "exception", "critical", "getlogger", "basicconfig"}
_TYPING = {
    "Annotated", "Callable", "ClassVar", "Dict", "Final", "FrozenSet", "Iterable", "Iterator", "List", "Literal",
    "Mapping", "NewType", "Optional", "ParamSpec", "Sequence", "Set", "Tuple", "Type", "TypeVar", "TypeVarTuple", "Union",
    "cast",
}  # fmt: skip
"""Called or subscripted, they say something of types."""
_WORDING = {"help", "description", "epilog", "metavar", "usage"}
"""Arguments that only people read."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SHOWN_WITH = (
    ast.expr | ast.keyword | ast.arguments | ast.Return | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.While
)
"""A change inside one of these is shown with it, where that is short."""


@dataclass(frozen=True)
class _Slot:
    """Where a node, or a list of them, hangs."""

    owner: ast.AST
    name: str
    index: int | None = None

    def get(self) -> Any:
        value = getattr(self.owner, self.name)
        return value if self.index is None else value[self.index]

    def set(self, new: Any) -> None:
        if self.index is None:
            setattr(self.owner, self.name, new)
        else:
            getattr(self.owner, self.name)[self.index] = new


@dataclass(frozen=True)
class _Where:
    """What surrounds a node."""

    function: str = ""
    """Names of the classes and functions around it, with dots."""
    row: int = 0
    """Executed when it is: a line of the plain form."""
    sole: bool = False
    """It stands in the only statement of a function, whose removal is the extreme mutant already."""
    words: bool = False
    """Its texts are read by people only."""


@dataclass(frozen=True)
class Candidate:
    """One possible mutant, not yet written."""

    number: int
    """From 1, the same for the same files."""
    path: str
    """The file."""
    line: int
    """1-based, in the file as it was written."""
    row: int
    """1-based, in its plain form: the line that is executed when the change can matter."""
    operator: str
    """What kind of change."""
    function: str
    """Where: names of classes and functions with dots; empty outside of them."""
    rank: int
    """Those of a smaller rank are chosen first."""
    tree: ast.Module = field(repr=False)
    """The plain form, which is changed for a moment while the mutant is written."""
    slot: _Slot = field(repr=False)
    """What is replaced."""
    new: Any = field(repr=False)
    """By what."""
    shown: ast.AST | None = field(repr=False)
    """What the change is shown with; ``None``: only what is replaced."""

    def written(self) -> tuple[Mutant, str] | None:
        """The mutant and the text of its file; ``None`` when it cannot be written as Python. Not for two threads at once."""
        old = self.slot.get()
        around = self.shown
        try:
            if (
                isinstance(old, ast.expr)
                and isinstance(self.new, ast.expr)
                and around
                and len(_said(around)) > SIDE_CHARS
            ):
                around = None
            before = _said(around or old)
            self.slot.set(self.new)
            after = _said(around or self.new)
            text = ast.unparse(self.tree)
            parsed(text)
        except (SyntaxError, ValueError, RecursionError):
            return None
        finally:
            self.slot.set(old)
        change = f"{_short(before)} → {_short(after)}"
        return Mutant(f"M{self.number}", self.path, self.line, change, extreme=self.rank == EXTREME), text


@dataclass(frozen=True)
class Program:
    """Files in their plain form, and what could be changed in them."""

    plain: Files
    """Path → the same code as ``ast.unparse`` writes it; files of another kind, or that it cannot write, are left out."""
    lines: Mapping[str, Mapping[int, int]]
    """Path → row of the plain form that can be executed → line of the file as it was written; of a file that was there, new
    and changed lines only."""
    candidates: tuple[Candidate, ...]
    """In the order of files and lines."""


def read(files: Files, existing: Files = MappingProxyType({})) -> Program:
    """All that could be changed in these files; nothing raises for what is in them.

    ``existing``: path → text of the program that was there; of a file among them only the lines that differ count.
    """
    plain: dict[str, str] = {}
    lines: dict[str, Mapping[int, int]] = {}
    found: list[Candidate] = []
    for path, source in files.items():
        if not path.endswith(".py") or len(source) > LARGEST:
            continue
        try:
            written = parsed(source)
            text = ast.unparse(written)
            tree = parsed(text)
            if ast.dump(written) != ast.dump(tree):
                continue
            fresh = _fresh_lines(existing[path], source) if path in existing else None
            origin = {
                new: old.lineno
                for old, new in zip(ast.walk(written), ast.walk(tree), strict=True)
                if isinstance(old, ast.stmt | ast.expr | ast.ExceptHandler | ast.pattern)
                and (fresh is None or not fresh.isdisjoint(_own_lines(old)))
            }
            finder = _Finder(path, tree, origin, len(found))
            finder.block(tree, "body", _Where(), set())
        except (SyntaxError, ValueError, RecursionError):
            continue
        plain[path] = text
        lines[path] = {_row(node): origin[node] for node in _executable(tree.body) if node in origin}
        found += finder.found
    return Program(plain, lines, tuple(found[:MOST]))


def _fresh_lines(before: str, after: str) -> set[int]:
    """1-based lines of ``after`` that are new, or were changed."""
    old, new = ([line.rstrip("\r\n") for line in io.StringIO(text, newline="")] for text in (before, after))
    opcodes = SequenceMatcher(None, old, new).get_opcodes()
    return {line + 1 for kind, _, _, start, end in opcodes if kind != "equal" for line in range(start, end)}


def _own_lines(node: ast.stmt | ast.expr | ast.ExceptHandler | ast.pattern) -> range:
    """The lines of a node, without those of the statements inside."""
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    if not isinstance(body, list):
        return range(first, (node.end_lineno or node.lineno) + 1)
    inside = body[0].pattern.lineno if isinstance(body[0], ast.match_case) else body[0].lineno
    return range(first, max(inside, node.lineno + 1))


def chosen(
    program: Program, reached: Mapping[str, Container[int]], most: int, first: Container[str] = ()
) -> tuple[tuple[Mutant, str], ...]:
    """At most ``most`` mutants and the texts of their files, best first, all different; spread over functions, files,
    lines and operators.

    Args:
        reached: path → rows that are executed; candidates elsewhere are no use.
        first: ids to take before all others, executed or not.
    """
    used: Counter[tuple[str, ...]] = Counter()

    def order(candidate: Candidate) -> tuple[int, ...]:
        marks = _marks(candidate)
        return (f"M{candidate.number}" not in first, candidate.rank, *(used[mark] for mark in marks), candidate.number)

    rest = [c for c in program.candidates if f"M{c.number}" in first or c.row in reached.get(c.path, ())]
    seen = set(program.plain.items())
    taken: list[tuple[Mutant, str]] = []
    while rest and len(taken) < most:
        best = min(rest, key=order)
        rest.remove(best)
        written = best.written()
        if written is None or (best.path, written[1]) in seen:
            continue
        seen.add((best.path, written[1]))
        used.update(_marks(best))
        taken.append(written)
    return tuple(taken)


def _marks(candidate: Candidate) -> tuple[tuple[str, ...], ...]:
    """What to spread over, the most important first."""
    path = candidate.path
    return ("function", path, candidate.function), ("file", path), (path, str(candidate.line)), (candidate.operator,)


def _short(text: str) -> str:
    text = " ".join(printable(text).split())
    return text if len(text) <= SIDE_CHARS else text[: SIDE_CHARS - 1] + "…"


def _said(node: ast.AST) -> str:
    """A node as one reads it: of compound statements the head only."""
    match node:
        case ast.If():
            return f"if {ast.unparse(node.test)}"
        case ast.While():
            return f"while {ast.unparse(node.test)}"
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            body = _behaviour(node)
            does = ast.unparse(body[0]) if _does_nothing(body) else "..."
            return f"def {node.name}({', '.join(a.arg for a in _arguments(node))}): {does}"
    return ast.unparse(node).strip()


def _row(node: ast.stmt) -> int:
    """The line at which Python says that it executes the statement."""
    decorators = getattr(node, "decorator_list", ())
    return decorators[0].lineno if decorators else node.lineno


def _executable(nodes: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """Statements that Python reports when it executes them, except where only type checkers look."""
    for node in nodes:
        silent = isinstance(node, ast.Global | ast.Nonlocal) or _is_words(node) or _declares(node)
        if isinstance(node, ast.stmt) and not silent:
            yield node
        if isinstance(node, ast.If) and _is_for_type_checkers(node):
            yield from _executable(node.orelse)
        elif not isinstance(node, ast.expr):
            yield from _executable(ast.iter_child_nodes(node))


def _is_words(node: ast.AST) -> bool:
    """A docstring, or ``...``."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _declares(node: ast.AST) -> bool:
    return isinstance(node, ast.AnnAssign) and node.value is None


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_for_type_checkers(node: ast.If) -> bool:
    return _last_name(node.test) == "TYPE_CHECKING"


def _is_main_guard(node: ast.If) -> bool:
    return isinstance(node.test, ast.Compare) and _last_name(node.test.left) == "__name__"


def _is_logging(node: ast.AST | None) -> bool:
    """``log.debug(…)``, ``logging.getLogger(…)``, ``self._logger.info(…)``."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    owner = _last_name(node.func.value).strip("_").lower()
    return node.func.attr.lower() in _LOGGING and owner in ("log", "logger", "logging")


def _is_not_implemented(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Raise) or node.exc is None:
        return False
    return _last_name(node.exc.func if isinstance(node.exc, ast.Call) else node.exc) == "NotImplementedError"


def _is_left_alone(node: ast.stmt) -> bool:
    """Statements that no test is asked to hold."""
    match node:
        case ast.If():
            return _is_for_type_checkers(node) or _is_main_guard(node)
        case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=value):
            name = _last_name(target)
            alias = isinstance(node, ast.AnnAssign) and _last_name(node.annotation) == "TypeAlias"
            return (name.startswith("__") and name.endswith("__")) or alias or _is_logging(value)
        case ast.Expr(value=value):
            return _is_words(node) or _is_logging(value)
        case ast.Raise():
            return _is_not_implemented(node)
    return type(node).__name__ in ("Import", "ImportFrom", "Assert", "TypeAlias")


def _behaviour(node: Function) -> list[ast.stmt]:
    """The body without its docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _does_nothing(body: Sequence[ast.stmt]) -> bool:
    """Nothing, or one statement that says so."""
    if not body:
        return True
    if len(body) > 1:
        return isinstance(body[0], ast.Return) and body[0].value is None
    only = body[0]
    return (
        isinstance(only, ast.Pass)
        or _is_words(only)
        or _is_not_implemented(only)
        or (isinstance(only, ast.Return) and (only.value is None or _is_none(only.value)))
    )


def _arguments(node: Function) -> list[ast.arg]:
    everyone = [*node.args.posonlyargs, *node.args.args, node.args.vararg, *node.args.kwonlyargs, node.args.kwarg]
    return [argument for argument in everyone if argument is not None]


def _is_declared_only(node: Function) -> bool:
    names = {_last_name(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list}
    return bool(names & {"overload", "abstractmethod"}) or _does_nothing(_behaviour(node))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_generator(node: Function) -> bool:
    places: list[ast.AST] = list(node.body)
    while places:
        inner = places.pop()
        if isinstance(inner, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(inner, Function | ast.Lambda | ast.ClassDef):
            places += ast.iter_child_nodes(inner)
    return False


def _names(nodes: Iterable[ast.AST | None]) -> set[str]:
    return {n.id for node in nodes if node is not None for n in ast.walk(node) if isinstance(n, ast.Name)}


def _bound_by(node: ast.stmt) -> set[str]:
    """Names that have a value once the head of the statement was executed; where they are global, before it."""
    match node:
        case ast.Assign(targets=targets):
            return _names(targets)
        case ast.AnnAssign(target=target) | ast.For(target=target) | ast.AsyncFor(target=target):
            return _names([target])
        case ast.With(items=items) | ast.AsyncWith(items=items):
            return _names([item.optional_vars for item in items])
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return set(names)
    return set()


def _is_text(node: ast.expr) -> bool:
    """A literal of a kind that ``+``, ``*`` and ``%`` join, repeat and fill, and that nothing subtracts."""
    literal = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return literal or isinstance(node, ast.JoinedStr | ast.List | ast.Tuple)


def _other(value: object) -> str | bytes | bool | int | float | None:
    """A constant that is not equal to this one; ``None`` when there is no use in changing it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if value + 1 != value else None
    if isinstance(value, str):
        return f"XX{value}XX"
    return b"XX" + value + b"XX" if isinstance(value, bytes) else None


class _Finder:
    """Walks through one file and collects what could be changed."""

    def __init__(self, path: str, tree: ast.Module, origin: Mapping[ast.AST, int], before: int) -> None:
        self.found: list[Candidate] = []
        self._path, self._tree, self._origin, self._before = path, tree, origin, before

    def _add(
        self,
        operator: str,
        at: ast.AST,
        slot: _Slot,
        new: object,
        where: _Where,
        shown: ast.AST | None = None,
        rank: int = PLAIN,
    ) -> None:
        if at not in self._origin:
            return  # of a line that was there
        number = self._before + len(self.found) + 1
        line = self._origin[at]
        self.found.append(
            Candidate(number, self._path, line, where.row, operator, where.function, rank, self._tree, slot, new, shown)
        )

    def block(self, owner: ast.AST, name: str, where: _Where, bound: set[str]) -> None:
        """A list of statements. ``bound``: names of the scope that surely have a value before it; grows."""
        for index, node in enumerate(getattr(owner, name)):
            if not _is_left_alone(node):
                self._statement(_Slot(owner, name, index), node, replace(where, row=node.lineno), bound)
            bound |= _bound_by(node)

    def _statement(self, slot: _Slot, node: ast.stmt, where: _Where, bound: set[str]) -> None:
        if isinstance(node, Function):
            if not _is_declared_only(node):
                self._function(node, where)
            return
        if isinstance(node, ast.ClassDef):
            self.block(node, "body", _Where(f"{where.function}.{node.name}".lstrip(".")), set())
            return
        where = replace(where, words=isinstance(node, ast.Raise))
        self._changed_statement(slot, node, where, bound)
        if isinstance(node, ast.If | ast.While):
            self._condition(_Slot(node, "test"), where, node, both=isinstance(node, ast.If))
        bound = bound | _bound_by(node)  # a copy: what a branch binds may be without a value after it
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                self.block(node, name, where, set(bound))
            elif name != "annotation":
                self._children(node, name, where, bound)

    def _children(self, owner: ast.AST, name: str, where: _Where, bound: set[str]) -> None:
        value = getattr(owner, name)
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.ExceptHandler):
                self.block(child, "body", where, bound | {child.name or ""})
            elif isinstance(child, ast.match_case):
                inside = replace(where, row=child.pattern.lineno)
                self._expression(_Slot(child, "pattern"), inside, child)
                if child.guard is not None:
                    self._condition(_Slot(child, "guard"), inside, None)
                    self._expression(_Slot(child, "guard"), inside, child)
                self.block(child, "body", where, set(bound))
            elif isinstance(child, ast.AST):
                self._expression(_Slot(owner, name, index), where, owner)

    def _function(self, node: Function, where: _Where) -> None:
        body = _behaviour(node)
        first = next(_executable(body), None)
        if first is None:
            return
        only = len(body) == 1 and not hasattr(first, "body")
        inside = _Where(f"{where.function}.{node.name}".lstrip("."), _row(first), only)
        kept = node.body[: len(node.body) - len(body)]
        nothing: list[ast.stmt] = [ast.Return(ast.Constant(None))]
        if _is_generator(node):
            nothing = [ast.Return(None), ast.Expr(ast.Yield(None))]
        self._add("extreme", node, _Slot(node, "body"), kept + nothing, inside, node, EXTREME)
        for name in ("defaults", "kw_defaults"):
            for index, default in enumerate(getattr(node.args, name)):
                if default is not None:
                    self._expression(_Slot(node.args, name, index), inside, node.args)
        self.block(node, "body", inside, {argument.arg for argument in _arguments(node)})

    def _changed_statement(self, slot: _Slot, node: ast.stmt, where: _Where, bound: set[str]) -> None:
        match node:
            case ast.Break():
                self._add("jump", node, slot, ast.Continue(), where)
            case ast.Continue():
                self._add("jump", node, slot, ast.Break(), where)
            case ast.AugAssign(op=op, value=value) if type(op) in _ARITHMETIC and not _is_text(value):
                self._add("arithmetic", node, _Slot(node, "op"), _ARITHMETIC[type(op)](), where, node)
        if where.sole:
            return
        match node:
            case ast.Return(value=ast.expr() as value) if not _is_none(value):
                self._add("return", node, _Slot(node, "value"), ast.Constant(None), where, node)
            case ast.Raise():
                self._add("raise", node, slot, ast.Pass(), where)
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign():
                self._add("statement", node, slot, ast.Pass(), where)
            case ast.Assign(targets=targets, value=value):
                same = all(ast.unparse(target) == ast.unparse(value) for target in targets)
                fresh = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name) and _stores(n)} - bound
                if not same and not fresh:
                    self._add("statement", node, slot, ast.Pass(), where)
            case ast.AnnAssign(target=target, value=ast.expr()):
                if not isinstance(target, ast.Name) or target.id in bound:
                    self._add("statement", node, slot, ast.Pass(), where)

    def _condition(self, slot: _Slot, where: _Where, shown: ast.AST | None, both: bool = True) -> None:
        test = slot.get()
        if isinstance(test, ast.Constant):
            return
        for value in (True, False) if both else (False,):
            self._add("condition", test, slot, ast.Constant(value), where, shown)

    def _expression(self, slot: _Slot, where: _Where, parent: ast.AST) -> None:
        """An expression, or what stands for one in a pattern, a comprehension or the arguments of a call."""
        node = slot.get()
        if isinstance(node, ast.Call | ast.Subscript):
            if _last_name(node.func if isinstance(node, ast.Call) else node.value) in _TYPING:
                return
            if _is_logging(node):
                return
        if isinstance(node, ast.keyword) and node.arg in _WORDING:
            where = replace(where, words=True)
        self._changed_expression(slot, node, where, parent)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "format_spec", "ctx", "op", "ops"):
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST):
                    self._expression(_Slot(node, name, index), where, node)

    def _changed_expression(self, slot: _Slot, node: ast.AST, where: _Where, parent: ast.AST) -> None:
        match node:
            case ast.Compare(ops=ops):
                for index, op in enumerate(ops):
                    for other in _COMPARISONS[type(op)]:
                        self._add("comparison", node, _Slot(node, "ops", index), other(), where, node)
            case ast.BinOp(left=left, op=op, right=right):
                neutral = isinstance(right, ast.Constant) and right.value == _NEUTRAL.get(type(op), "")
                if type(op) in _ARITHMETIC and not neutral and not _is_text(left) and not _is_text(right):
                    self._add("arithmetic", node, _Slot(node, "op"), _ARITHMETIC[type(op)](), where, node)
            case ast.BoolOp(op=op):
                swapped = ast.Or() if isinstance(op, ast.And) else ast.And()
                self._add("boolean", node, _Slot(node, "op"), swapped, where, node)
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                self._add("negation", node, slot, operand, where)
            case ast.IfExp():
                self._condition(_Slot(node, "test"), where, node)
            case ast.comprehension(ifs=ifs):
                for index in range(len(ifs)):
                    self._condition(_Slot(node, "ifs", index), where, node)
            case ast.Slice():
                self._bounds(node, where, parent)
            case ast.Constant():
                self._constant(slot, node, where, parent)

    def _bounds(self, node: ast.Slice, where: _Where, parent: ast.AST) -> None:
        starts_at_0 = isinstance(node.lower, ast.Constant) and node.lower.value == 0
        for name in ("lower", "upper"):
            if getattr(node, name) is not None and not (name == "lower" and starts_at_0):
                self._add("bound", node, _Slot(node, name), None, where, parent)

    def _constant(self, slot: _Slot, node: ast.Constant, where: _Where, parent: ast.AST) -> None:
        other = _other(node.value)
        if other is None:
            return
        text = isinstance(node.value, str | bytes)
        shown = parent if isinstance(parent, _SHOWN_WITH) else None
        rank = WORDS if text and where.words else PLAIN
        self._add("text" if text else "constant", node, slot, ast.Constant(other), where, shown, rank)


def _stores(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)
