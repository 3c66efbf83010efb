"""Which assertions of a test can fail, and which hold whatever the code does. Read from the source, nothing runs.

Only what is certain counts as vacuous; a weak assertion is found out by mutants, not here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.checks.names import Names, value_of
from agent.checks.pytest_source import Function, called, last_name

_ASSERTING = frozenset(
    {
        *(f"pytest.{name}" for name in ("raises", "warns", "fail", "deprecated_call", "RaisesGroup")),
        *(f"subprocess.{name}" for name in ("check_call", "check_output")),
    }
)
"""Calls that fail by themselves."""
_HELPERS = ("assert", "check", "expect", "verify", "ensure")
"""How functions begin that are defined elsewhere and assert something."""
_HELPER_DEPTH = 10
"""Through how many functions an assertion is followed."""
_BROAD = frozenset({"builtins.Exception", "builtins.BaseException"})
_SWALLOWING = _BROAD | {"builtins.AssertionError"}
_OPPOSITE = {ast.Eq: ast.NotEq, ast.Is: ast.IsNot, ast.In: ast.NotIn, ast.Lt: ast.GtE, ast.LtE: ast.Gt}
_OPPOSITE |= {b: a for a, b in _OPPOSITE.items()}
_EVEN = (ast.Eq, ast.Is, ast.LtE, ast.GtE)
"""Comparisons that hold between a thing and itself."""
_PURE = frozenset(
    f"builtins.{name}" for name in ("len", "type", "str", "repr", "list", "tuple", "set", "dict", "sorted")
)


@dataclass(frozen=True)
class Claim:
    """Something in a test that is there to fail when the code is wrong."""

    node: ast.AST
    """The statement or call."""
    idle: str = ""
    """Why it cannot fail, as the rest of a sentence; empty when it can."""


@dataclass(frozen=True)
class Reader:
    """Finds the claims of the functions of one file."""

    names: Names
    """What names stand for, inside the function that is read."""
    defined: frozenset[str]
    """Functions of the file: they are judged by what they do and not by their names."""
    helpers: frozenset[str]
    """Those of them that assert something."""
    program: frozenset[str]
    """Top-level modules of the program: what comes from there is under test and asserts nothing."""

    def claims(self, function: Function) -> list[Claim]:
        """All claims of a function, those that cannot fail included."""
        return list(replace(self, names=self.names.inside(function))._block(function.body, function))

    def _block(self, body: Sequence[ast.stmt], function: ast.AST) -> Iterator[Claim]:
        over = ""
        for statement in body:
            for claim in self._statement(statement, function):
                yield replace(claim, idle=claim.idle or over)
            if isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break):
                over = "is never reached"

    def _statement(self, statement: ast.stmt, function: ast.AST) -> Iterator[Claim]:  # noqa: PLR0912
        match statement:
            case ast.Assert(test=test):
                yield from self._calls(test, function)
                yield Claim(statement, "holds whatever the code does" if self._holds(test) else "")
            case ast.Raise(exc=ast.expr() as raised):
                thing = raised.func if isinstance(raised, ast.Call) else raised
                if self.names.of(thing) == "builtins.AssertionError":
                    yield Claim(statement)
            case ast.If(test=test) | ast.While(test=test):
                yield from self._calls(test, function)
                holds, fails = self._holds(test), self._fails(test)
                yield from _idle(self._block(statement.body, function), "is never reached" if fails else "")
                # if f(1) != 2: raise ValueError("no")
                yield from (Claim(s) for s in statement.body if isinstance(s, ast.Raise) and s.exc and not fails)
                dead = holds and isinstance(statement, ast.If)
                yield from _idle(self._block(statement.orelse, function), "is never reached" if dead else "")
            case ast.For(iter=of) | ast.AsyncFor(iter=of):
                yield from self._calls(of, function)
                empty = self._fails(of) or (
                    self.names.of(getattr(of, "func", of)) == "builtins.range" and _no_turns(of)
                )
                yield from _idle(
                    self._block(statement.body, function), "stands in a loop over nothing" if empty else ""
                )
                yield from self._block(statement.orelse, function)
            case ast.With(items=items) | ast.AsyncWith(items=items):
                lost = ""
                for item in items:
                    yield from self._calls(item.context_expr, function)
                    if self._suppresses(item.context_expr):
                        lost = "cannot fail where it stands, its error is suppressed"
                yield from _idle(self._block(statement.body, function), lost)
            case ast.Try() | ast.TryStar():
                yield from self._try(statement, function)
            case ast.Match(subject=subject, cases=cases):
                yield from self._calls(subject, function)
                for case in cases:
                    yield from self._block(case.body, function)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                called_up = statement.decorator_list or _mentions(function, statement.name)
                why = "" if called_up else f"stands in {statement.name!r}, which is never called"
                yield from _idle(self._block(statement.body, statement), why)
            case ast.ClassDef():
                for inner in statement.body:
                    if isinstance(inner, Function):
                        yield from self._block(inner.body, inner)
            case _:
                yield from self._calls(statement, function)

    def _try(self, statement: ast.Try | ast.TryStar, function: ast.AST) -> Iterator[Claim]:
        swallowed = any(self._swallows(handler) for handler in statement.handlers)
        inside = list(self._block(statement.body, function))
        yield from _idle(inside, "cannot fail where it stands, its error is swallowed" if swallowed else "")
        otherwise = list(self._block(statement.orelse, function))
        yield from otherwise
        # What stands in a handler is only asserted when the code may not get past the call without an error.
        ends = any(self._is_failure(claim.node) for claim in (*inside, *otherwise))
        for handler in statement.handlers:
            why = "" if ends else "stands in an except that is skipped when nothing is raised; use pytest.raises"
            yield from _idle(self._block(handler.body, function), why)
        yield from self._block(statement.finalbody, function)

    def _is_failure(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Assert):
            return self._fails(node.test)
        return isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and called(node) == "fail")

    def _swallows(self, handler: ast.ExceptHandler) -> bool:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        return any(kind is None or self.names.of(kind) in _SWALLOWING for kind in kinds) and all(
            isinstance(s, ast.Pass | ast.Continue | ast.Break)
            or (isinstance(s, ast.Return) and (s.value is None or isinstance(s.value, ast.Constant)))
            or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
            or (isinstance(s, ast.Expr) and self.names.of(getattr(s.value, "func", s.value)) == "builtins.print")
            for s in handler.body
        )

    def _suppresses(self, context: ast.expr) -> bool:
        return (
            isinstance(context, ast.Call)
            and self.names.of(context.func) == "contextlib.suppress"
            and any(self.names.of(kind) in _SWALLOWING for kind in context.args)
        )

    def _calls(self, node: ast.AST, function: ast.AST) -> Iterator[Claim]:
        """Calls in an expression that fail by themselves."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and self._asserts(inner):
                yield Claim(inner, "is content with any error" if self._any_error(inner) else "")

    def _asserts(self, call: ast.Call) -> bool:
        name = called(call)
        if name in self.helpers:
            return True
        meant = self.names.of(call.func)
        if meant.partition(".")[0] in self.program:
            return False
        checked = any(
            k.arg == "check" and isinstance(k.value, ast.Constant) and k.value.value is True for k in call.keywords
        )
        if meant in _ASSERTING or name == "check_returncode" or (checked and meant == "subprocess.run"):
            return True
        plain = name.lstrip("_").lower()
        of_test = isinstance(call.func, ast.Attribute) and last_name(call.func.value) in ("self", "cls")
        if isinstance(call.func, ast.Name) or of_test:
            return name not in self.defined and plain.startswith((*_HELPERS, "fail") if of_test else _HELPERS)
        return plain.startswith("assert")

    def _any_error(self, call: ast.Call) -> bool:
        if called(call) not in ("raises", "assertRaises") or not call.args:
            return False
        kinds = call.args[0].elts if isinstance(call.args[0], ast.Tuple) else [call.args[0]]
        narrowed = any(keyword.arg in ("match", "check") for keyword in call.keywords)
        return not narrowed and any(self.names.of(kind) in _BROAD for kind in kinds)

    # -- conditions

    def _holds(self, test: ast.expr) -> bool:
        """Whether a condition is true whatever the code does."""
        match test:
            case ast.Constant(value=value):
                return bool(value)
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items) if not any(
                isinstance(item, ast.Starred) for item in items
            ):
                return bool(items)
            case ast.Dict(keys=keys) if None not in keys:
                return bool(keys)
            case ast.JoinedStr(values=values):
                return any(isinstance(part, ast.Constant) and part.value for part in values)
            case ast.GeneratorExp() | ast.Lambda():
                return True
            case ast.NamedExpr(value=value):
                return self._holds(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._fails(operand)
            case ast.BoolOp(op=ast.And(), values=values):
                return all(map(self._holds, values))
            case ast.BoolOp(op=ast.Or(), values=values):
                said = {ast.dump(value) for value in values}
                return any(map(self._holds, values)) or any(ast.dump(_negated(value)) in said for value in values)
            case ast.Call(func=func, args=[thing, kinds], keywords=[]):
                return self.names.of(func) in ("builtins.isinstance", "builtins.issubclass") and self._any_kind(
                    thing, kinds
                )
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._always(left, op, right)
        return False

    def _fails(self, test: ast.expr) -> bool:
        """Whether a condition is false whatever the code does."""
        match test:
            case ast.Constant(value=value):
                return not value
            case ast.Tuple(elts=[]) | ast.List(elts=[]) | ast.Dict(keys=[]):
                return True
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._holds(operand)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return (
                    type(op) in _OPPOSITE and _literal(left) and _literal(right) and not self._always(left, op, right)
                )
        return False

    def _any_kind(self, thing: ast.expr, kinds: ast.expr) -> bool:
        if self.names.of(kinds) == "builtins.object":
            return True
        if isinstance(kinds, ast.Tuple):
            return any(self._any_kind(thing, kind) for kind in kinds.elts)
        own_type = isinstance(kinds, ast.Call) and self.names.of(kinds.func) == "builtins.type" and len(kinds.args) == 1
        return own_type and isinstance(kinds, ast.Call) and ast.dump(kinds.args[0]) == ast.dump(thing)

    def _always(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool:
        if _literal(left) and _literal(right):
            return _compared(value_of(left, {}), op, value_of(right, {}))
        if isinstance(op, _EVEN) and self._pure(left) and ast.dump(left) == ast.dump(right):
            return True
        bound = (left, op, right) if self._is_length(left) else (right, _turned(op), left)
        if not self._is_length(bound[0]) or not _literal(bound[2]):
            return False
        least = value_of(bound[2], {})
        return isinstance(least, int) and (
            (isinstance(bound[1], ast.GtE) and least <= 0) or (isinstance(bound[1], ast.Gt | ast.NotEq) and least < 0)
        )

    def _is_length(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and self.names.of(node.func) == "builtins.len"

    def _pure(self, node: ast.expr) -> bool:
        """Whether nothing of the program is called when it is worked out, so that twice is the same as once."""
        return all(
            self.names.of(inner.func) in _PURE
            if isinstance(inner, ast.Call)
            else not isinstance(
                inner, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr | ast.ListComp | ast.GeneratorExp
            )
            for inner in ast.walk(node)
        )


def reader(tree: ast.Module, names: Names, program: frozenset[str]) -> Reader:
    """A reader for one file, which knows the functions in it that assert something, directly or through each other."""
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    found = Reader(names, frozenset(function.name for function in functions), frozenset(), program)
    helpers = [function for function in functions if not function.name.startswith("test")]
    for _ in range(_HELPER_DEPTH):
        more = frozenset(f.name for f in helpers if any(not claim.idle for claim in found.claims(f)))
        if more == found.helpers:
            break
        found = replace(found, helpers=more)
    return found


def _idle(claims: Iterator[Claim] | Sequence[Claim], why: str) -> Iterator[Claim]:
    for claim in claims:
        yield replace(claim, idle=claim.idle or why)


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id == name for inner in ast.walk(node))


def _no_turns(call: ast.expr) -> bool:
    return (
        isinstance(call, ast.Call)
        and len(call.args) == 1
        and _literal(call.args[0])
        and value_of(call.args[0], {}) == 0
    )


def _literal(node: ast.expr) -> bool:
    try:
        value_of(node, {})
    except ValueError:
        return False
    return True


def _compared(left: object, op: ast.cmpop, right: object) -> bool:
    try:
        match op:
            case ast.Eq() | ast.Is():
                return left == right
            case ast.NotEq() | ast.IsNot():
                return left != right
            case ast.Lt():
                return left < right  # type: ignore[operator, no-any-return]
            case ast.LtE():
                return left <= right  # type: ignore[operator, no-any-return]
            case ast.Gt():
                return left > right  # type: ignore[operator, no-any-return]
            case ast.GtE():
                return left >= right  # type: ignore[operator, no-any-return]
            case ast.In():
                return left in right  # type: ignore[operator]
            case ast.NotIn():
                return left not in right  # type: ignore[operator]
    except TypeError:
        pass
    return False


def _turned(op: ast.cmpop) -> ast.cmpop:
    """The comparison with its sides exchanged."""
    turned = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}.get(type(op))
    return turned() if turned else op


def _negated(test: ast.expr) -> ast.expr:
    """The condition that is true exactly when this one is not."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
        case ast.Compare(left=left, ops=[op], comparators=comparators) if type(op) in _OPPOSITE:
            return ast.Compare(left, [_OPPOSITE[type(op)]()], comparators)
    return ast.UnaryOp(ast.Not(), test)
