"""Repairs that have the tests' answers written into them, instead of what the contract describes. Read from the source alone.

Found is a pair of values that one test holds, or one row of its table: what it puts in, and what it expects. The code asks
for the first (``==``, ``is``, ``in``, ``match``, the key of a dict, a row of a table; also its ``len``, ``str``, ``repr`` or
digest) and gives the second as it stands. Both are new in the code, and the brief speaks of neither: whatever the contract
says may be written down.

One such pair is enough, unless a value of it is found everywhere (``0``, ``None``, a single character), or of the input only
the length is asked: then it takes two. A pair of two such values never counts, since that is how recursion ends; nor does a
table of which the tests know less than half, since that is knowledge.

Not found: values that are computed, encoded or put together at run time (f-strings, base64), or that stand in a data file; an
input that is known by its beginning, a pattern, its order or something computed from it (``n % 97 == 3``), or from a constant
of a class; what follows ``if text != "…": …`` without ``else``; pairs that several repairs bring one half at a time; and
what stands in the first program, which is written without knowledge of the tests.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from agent.checks.names import Names, Uses, constants, value_of
from agent.checks.pytest_source import Function, called, functions, is_test_file, last_name, parsed
from agent.checks.report import shown
from graphs.ports import Brief
from graphs.values import Example, Files

SAID_CHARS = 60
"""Of each value that is named."""
_MOST_PAIRS = 2_000
"""Pairs of the code that are looked at."""
_MOST_CASES = 100
"""Tests and rows with the same input that are looked at."""
_MOST_CHARS = 4_000
"""Characters and items of a value; a larger one is not known."""
_LARGE = 10**1000
"""Python does not write much larger numbers as decimals."""
_BOUNDED_WORD = 4
"""A shorter text must stand in the brief as a word of its own; of a longer one, any part of the brief will do."""
_EVERYWHERE: tuple[Any, ...] = (0, 1, -1, "", None, True, False, b"", (), [], {}, set(), 0.0, 1.0, -1.0)
_PROGRAM_CALLS = frozenset({"main", "StringIO", "BytesIO", "Popen"})
"""Calls by whose arguments a program is given words, lines and numbers in one text."""
_TABLE_CALLS = frozenset({"parametrize", "param", "fixture", "enumerate", "zip", "product", "dict", "list"})
"""Calls whose arguments may be a table."""
_MEASURES = frozenset({"len", "str", "repr", "hexdigest"})
_FORMS = _MEASURES | {"int", "float", "bytes", "list", "tuple", "set", "frozenset", "sorted"}
_DIGESTS = ("md5", "sha1", "sha256", "sha512")
_Statement = ast.Return | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr | ast.Yield


@dataclass(frozen=True)
class _Raised:
    """An exception that a test expects, or the code raises; its class alone says little."""

    name: str


def memorized(brief: Brief, before: Files, after: Files, tests: Files) -> tuple[str, ...]:
    """Which answers of the tests a repair has written into the code, one short text each: ``5 → 120 (test_five)``.

    Args:
        brief: what the code and the tests were written from.
        before: the component's files as the repair found them.
        after: the same as it left them.
        tests: the frozen tests.

    Returns:
        Nothing for an honest repair.
    """
    known = {key for source in before.values() for key in _keys(source)}
    told = _Told(brief)

    def is_new(value: Any) -> bool:
        return _key(value) not in known and value not in told

    suspects: list[tuple[_Table, list[tuple[_Asked, _Gives]]]] = []
    left = _MOST_PAIRS
    for table in (table for path, text in after.items() if before.get(path) != text for table in _tables_of(text)):
        new: list[tuple[_Asked, _Gives]] = []
        for asked, gives in islice(table.pairs, left):
            left -= 1
            slight = _is_slight(gives.value)
            if is_new(asked.value) and not (slight and asked.is_slight) and (slight or is_new(gives.value)):
                new.append((asked, gives))
        suspects += [(table, new)] if new else []
    if not suspects:
        return ()
    asking = _Tests(tests, {asked.measure for _, new in suspects for asked, _ in new})
    found: dict[str, str] = {}
    inputs: set[str] = set()
    enough = False
    for table, new in suspects:
        hits = [(asked, gives, case.test) for asked, gives in new for case in asking(asked) if case.expects(gives)]
        known_here = {_key(asked.value) for asked, _, _ in hits}
        if 2 * len(known_here) >= table.size:
            inputs |= known_here
            enough = enough or not all(asked.is_slight or _is_slight(gives.value) for asked, gives, _ in hits)
            for asked, gives, test in hits:
                found.setdefault(f"{_said(asked)} → {shown(_key(gives.value), SAID_CHARS)}", test)
    return tuple(f"{said} ({test})" for said, test in found.items()) if enough or len(inputs) > 1 else ()


# -- values


def _key(value: Any) -> str:
    """Equal values of the same type, equal text."""
    match value:
        case int() if abs(value) >= _LARGE:
            return hex(value)
        case _Raised(name=name):
            return f"raises {name}"
        case list():
            return f"[{', '.join(map(_key, value))}]"
        case tuple():
            return f"({', '.join(map(_key, value))}{',' if len(value) == 1 else ''})"
        case set():
            return f"{{{', '.join(sorted(map(_key, value)))}}}" if value else "set()"
        case dict():
            return f"{{{', '.join(sorted(f'{_key(k)}: {_key(v)}' for k, v in value.items()))}}}"
    return repr(value)


def _is_slight(value: Any) -> bool:
    """Whether a value is found everywhere, so that it says little."""
    if isinstance(value, _Raised) or (isinstance(value, str | bytes) and len(value) < 2):
        return True
    if type(value) is tuple:
        return all(map(_is_slight, value))
    return any(type(value) is type(other) and value == other for other in _EVERYWHERE)


def _values(node: ast.AST, known: Mapping[str, Any], without: Iterable[ast.AST] = ()) -> Iterator[Any]:
    """What is written out in a part of a file, and what that is made of, without docstrings and the nodes ``without``."""
    passed_over = {id(inner) for inner in without}
    queue = deque([node])
    while queue:
        inner = queue.popleft()
        if id(inner) in passed_over or (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant)):
            continue
        queue += ast.iter_child_nodes(inner)
        if isinstance(inner, ast.expr):
            value = _value(inner, known)
            if value is not ...:
                yield value


def _value(node: ast.AST, known: Mapping[str, Any]) -> Any:
    """The value of an expression, ``...`` for none and for one that is too large."""
    try:
        value = value_of(node, known)
    except ValueError:
        return ...
    queue, left = [value], _MOST_CHARS
    while queue and left > 0:
        inner = queue.pop()
        left -= len(inner) if isinstance(inner, str | bytes) else 1
        if isinstance(inner, list | tuple | set | dict):
            queue += islice(inner, left)
            queue += islice(inner.values() if isinstance(inner, dict) else (), left)
    return value if left > 0 else ...


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _key(value)


def _keys(source: str) -> Iterator[str]:
    """All values in a file of the program."""
    try:
        tree = parsed(source)
    except SyntaxError:
        return
    yield from map(_key, _values(tree, {}))


class _Told:
    """What a brief speaks of."""

    def __init__(self, brief: Brief) -> None:
        contracts = [brief.component.contract, *(neighbour.contract for neighbour in brief.neighbours)]
        texts = [brief.component.purpose, *(n.purpose for n in brief.neighbours)]
        texts += [text for r in brief.requirements for text in (r.text, r.quote)]
        for contract in contracts:
            texts += [*contract.interface.values(), contract.behaviour, *_texts(contract.examples)]
        text = "\n".join([*texts, *_texts(brief.examples)])
        self._words = " ".join(text.split()).casefold()
        self._tight = _tight(text)
        self._numbers = set(re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d)[_,](?=\d{3})", "", text)))

    def __contains__(self, value: object) -> bool:
        match value:
            case bool() | None:
                return self._holds(str(value))
            case int() | float():
                whole = {int(value)} if isinstance(value, float) and value.is_integer() else {value}
                return not {_key(abs(number)) for number in (value, *whole)}.isdisjoint(self._numbers)
            case bytes():
                return value.decode("latin-1") in self
            case str():
                return self._holds(value) or self._holds(repr(value)[1:-1])
            case list() | tuple() | dict() | set():
                return not value or _tight(_key(value))[1:-1].rstrip(",") in self._tight
        return False

    def _holds(self, text: str) -> bool:
        words = " ".join(text.split()).casefold()
        if not words or len(words) >= _BOUNDED_WORD:
            return words in self._words
        starts, ends = (r"(?<!\w)" if words[0].isalnum() else "", r"(?!\w)" if words[-1].isalnum() else "")
        return re.search(f"{starts}{re.escape(words)}{ends}", self._words) is not None


def _texts(examples: Sequence[Example]) -> Iterator[str]:
    for step in (step for example in examples for step in example.steps):
        yield from (step.run, step.expect, step.stdin, step.message or "")


def _tight(text: str) -> str:
    return "".join(text.split()).replace("'", '"')


# -- what tests put in and expect


@dataclass(frozen=True)
class _Asked:
    """A value that the code asks for."""

    value: Any
    measure: str = ""
    """What of the input is compared with it: ``len``, ``str``, ``repr``, ``hexdigest``; empty: the input itself."""

    @property
    def is_slight(self) -> bool:
        """Whether it says little that it is the same as in a test."""
        return self.measure == "len" or _is_slight(self.value)


@dataclass(frozen=True)
class _Gives:
    """A value that the code gives where it was asked for another one."""

    value: Any
    printed: bool = False
    """As text and a line end."""

    @cached_property
    def keys(self) -> frozenset[str]:
        """Of the value, in all forms in which it may be met."""
        text = _as_text(self.value)
        return frozenset(map(_key, [self.value, text, f"{text}\n"] if self.printed else [self.value]))


@dataclass(frozen=True)
class _Case:
    """A test, or one row of its table."""

    test: str
    """Its name."""
    inputs: Mapping[str, Any]
    """What it puts in."""
    expected: frozenset[str]
    """What it expects."""
    parts: tuple[str, ...] = ()
    """Texts that it looks for in what it gets."""

    def expects(self, gives: _Gives) -> bool:
        """Whether it expects just that value, or a text with something in it that it looks for."""
        value = gives.value
        part = bool(self.parts) and isinstance(value, str) and any(part in value for part in self.parts)
        return part or not self.expected.isdisjoint(gives.keys)


class _Tests:
    """The cases of test files, by what they put in."""

    def __init__(self, tests: Files, measures: Collection[str]) -> None:
        """``measures``: those by which it is asked."""
        self._by_input: dict[tuple[str, str], list[_Case]] = {}
        cases = [case for path, source in tests.items() if is_test_file(path) for case in _cases_of(source)]
        for case in cases:
            keys = {
                (name, _key(m)) for name in {"", *measures} for v in case.inputs.values() for m in _measured(name, v)
            }
            for key in keys:
                self._by_input.setdefault(key, []).append(case)

    def __call__(self, asked: _Asked) -> Iterator[_Case]:
        """Cases that put in the value, or a tuple of what they put in, or one of which it is a measure."""
        value = asked.value
        several = type(value) is tuple and len(value) > 1 and not asked.measure
        found = self._by_input.get((asked.measure, _key(value)), [])
        if several and not found:
            found = [c for c in self._by_input.get(("", _key(value[0])), ()) if all(_key(v) in c.inputs for v in value)]
        return islice(found, _MOST_CASES)


def _measured(name: str, value: Any) -> Iterable[Any]:
    if name == "len":
        return [len(value)] if isinstance(value, str | bytes | list | tuple | dict | set) else []
    if name == "hexdigest":
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        digests = _DIGESTS if isinstance(data, bytes) else ()
        return [hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() for algorithm in digests]
    return [{"str": _as_text, "repr": _key}[name](value)] if name else [value]


def _cases_of(source: str) -> list[_Case]:
    try:
        tree = parsed(source)
    except SyntaxError:
        return []
    names, uses, module = Names(tree), Uses(tree), constants(tree)
    own = {node.name for node in ast.walk(tree) if isinstance(node, Function)}
    return [
        case
        for name, function in functions(tree)
        for case in _Reading(name.rpartition("::")[2], names, module, own).cases(uses.of(function))
    ]


@dataclass
class _Reading:
    """What one test puts in and expects."""

    test: str
    names: Names
    known: Mapping[str, Any]
    """Constants of the file."""
    own: set[str]
    """Functions of the file: their arguments are a row, of which nobody knows what is put in."""
    inputs: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    rows: list[list[list[Any]]] = field(default_factory=list)
    """Of each row the cells, of each cell its values."""
    in_pieces: bool = False
    """A program is started: one text holds words, lines and numbers."""

    def cases(self, parts: Sequence[ast.AST]) -> Iterator[_Case]:
        """The test as a whole, and each row of its tables."""
        for part in parts:
            names = self.names.inside(part)
            known = constants(part, self.known) if isinstance(part, Function) else self.known
            answers = list(self._answers(part, names, known))
            messages = [node.msg for node in ast.walk(part) if isinstance(node, ast.Assert) and node.msg]
            self.inputs += _values(part, known, [*answers, *messages])
            self.answers += [value for answer in answers for value in _values(answer, known)]
            self.rows += self._rows(part, known)
            for call in (node for node in ast.walk(part) if isinstance(node, ast.Call)):
                top = names.of(call.func).partition(".")[0]
                self.in_pieces |= top == "subprocess" or called(call) in _PROGRAM_CALLS
        yield self._case(self.inputs, self.answers, tuple(self.parts))
        for row in self.rows:
            for place, cell in enumerate(row):
                others = [value for other in (*row[:place], *row[place + 1 :]) for value in other]
                yield self._case(others, cell)

    def _case(self, inputs: Iterable[Any], answers: Iterable[Any], parts: tuple[str, ...] = ()) -> _Case:
        given = [piece for value in inputs for piece in (_pieces(value) if self.in_pieces else [value])]
        return _Case(self.test, {_key(value): value for value in given}, frozenset(map(_key, answers)), parts)

    def _answers(self, part: ast.AST, names: Names, known: Mapping[str, Any]) -> Iterator[ast.AST]:
        """Expressions that hold what is expected."""
        for node in ast.walk(part):
            if isinstance(node, ast.Compare):
                for side in (node.left, *node.comparators):
                    yield from self._expected(side, names, known)
                if isinstance(node.ops[0], ast.In):
                    self._looks_for(_value(node.left, known))
            elif isinstance(node, ast.Call) and called(node).startswith("assert"):
                for argument in node.args:
                    yield from self._expected(argument, names, known)
            elif isinstance(node, ast.Call) and called(node) == "raises":
                kinds = node.args[0].elts if node.args and isinstance(node.args[0], ast.Tuple) else node.args[:1]
                self.answers += [_Raised(last_name(kind)) for kind in kinds]
                for keyword in (keyword for keyword in node.keywords if keyword.arg == "match"):
                    pattern = _value(keyword.value, known)
                    self._looks_for(
                        re.sub(r"\\(\W)", r"\1", pattern).strip("^$") if isinstance(pattern, str) else pattern
                    )
                    yield keyword.value

    def _looks_for(self, part: Any) -> None:
        if isinstance(part, str) and len(part) >= _BOUNDED_WORD:
            self.parts.append(part)

    def _expected(self, node: ast.expr, names: Names, known: Mapping[str, Any]) -> Iterator[ast.AST]:
        """What of one side of a comparison is no input: arguments of the program's functions are."""
        if _value(node, known) is not ...:
            yield node
            return
        inner: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, ast.Call):
            name = called(node)
            made = name[:1].isupper() or name == "approx" or names.of(node.func).startswith("builtins.")
            inner = [*node.args, *(keyword.value for keyword in node.keywords)] if made else []
        for child in inner:
            if isinstance(child, ast.expr):
                yield from self._expected(child, names, known)

    def _rows(self, part: ast.AST, known: Mapping[str, Any]) -> Iterator[list[list[Any]]]:
        """Rows of tables that are written out, pairs of dicts, and arguments of the file's own functions; not what is put in
        or compared, which is a value as a whole."""
        queue = deque([part])
        while queue:
            node = queue.popleft()
            rows: Sequence[Sequence[ast.expr]] = ()
            inner = ast.iter_child_nodes(node)
            match node:
                case ast.Compare():
                    continue
                case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                    rows = [item.elts for item in items if isinstance(item, ast.List | ast.Tuple)]
                    rows += [item.args for item in items if isinstance(item, ast.Call) and called(item) == "param"]
                case ast.Dict(keys=keys, values=values):
                    rows = [(key, value) for key, value in zip(keys, values, strict=True) if key]
                case ast.Call(func=func, args=args, keywords=keywords) if called(node) not in _TABLE_CALLS:
                    inner = ast.iter_child_nodes(func)  # {...}.items()
                    if isinstance(func, ast.Name) and func.id in self.own:
                        rows = [[*args, *(keyword.value for keyword in keywords)]]
            queue += inner
            yield from ([list(_values(cell, known)) for cell in row] for row in rows if len(row) > 1)


def _pieces(value: Any) -> Iterator[Any]:
    """A text that a program is given, and what it may read from it."""
    yield value
    if isinstance(value, str):
        for word in (*value.splitlines(), *value.split()):
            yield word
            for kind in (int, float):
                try:
                    yield kind(word)
                except ValueError:
                    continue


# -- what the code asks for and gives


@dataclass(frozen=True)
class _Table:
    """What is asked for in one place."""

    size: int
    """How many values are."""
    pairs: Iterable[tuple[_Asked, _Gives]]
    """Each of them, and what is given for it."""


def _tables_of(source: str) -> Iterator[_Table]:
    try:
        tree = parsed(source)
    except SyntaxError:
        return
    module = constants(tree)
    for scope in (tree, *(node for node in ast.walk(tree) if isinstance(node, Function))):
        known = constants(scope, module) if isinstance(scope, Function) else module
        for node in _inside(scope.body):
            yield from _Special(known).tables(node)


def _inside(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All nodes, without the functions in them."""
    queue = deque(body)
    while queue:
        node = queue.popleft()
        if not isinstance(node, Function):
            yield node
            queue += ast.iter_child_nodes(node)


@dataclass(frozen=True)
class _Special:
    """What a part of the code treats in a special way."""

    known: Mapping[str, Any]
    """Constants that it sees."""

    def tables(self, node: ast.AST) -> Iterator[_Table]:
        """Each place of the node, and of that alone, where values are asked for."""
        match node:
            case ast.If(test=test, body=body, orelse=orelse):
                yield from self._asked_and_given(test, list(self._given(body)), list(self._given(orelse)))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yield from self._asked_and_given(test, list(self._plain(body)), list(self._plain(orelse)))
            case (
                ast.Return(value=ast.Compare() | ast.BoolOp() as test)
                | ast.Assign(value=ast.Compare() | ast.BoolOp() as test)
            ):
                yield from self._asked_and_given(test, [_Gives(True)], [_Gives(False)])
            case ast.Match(cases=cases):
                for case in cases:
                    asked = [*self._patterns(case.pattern), *(self._asks(case.guard)[0] if case.guard else [])]
                    yield from _table(asked, list(self._given(case.body)))
            case ast.Dict(keys=keys, values=values):
                yield self._rows([(key, value) for key, value in zip(keys, values, strict=True) if key])
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                rows = [item.elts for item in items if isinstance(item, ast.List | ast.Tuple) and len(item.elts) > 1]
                if rows:
                    yield self._rows(rows)
            case ast.Assign(targets=[ast.Subscript(slice=key)], value=value):
                yield self._rows([(key, value)])

    def _asked_and_given(self, test: ast.expr, then: Sequence[_Gives], otherwise: Sequence[_Gives]) -> Iterator[_Table]:
        yes, no = self._asks(test)
        yield from _table(yes, then)
        yield from _table(no, otherwise)

    def _rows(self, rows: Sequence[Sequence[ast.expr]]) -> _Table:
        """Whose first cell is asked for, and all but the last one too."""
        pairs = []
        for row in rows:
            asked = [value for cell in row[:-1] if (value := _value(cell, self.known)) is not ...]
            pairs += [(_Asked(value), gives) for value in asked for cell in row[1:] for gives in self._plain(cell)]
        return _Table(len(rows), pairs)

    def _asks(self, test: ast.expr) -> tuple[list[_Asked], list[_Asked]]:
        """What a condition asks for: values for which it holds, and for which it does not."""
        match test:
            case ast.BoolOp(values=tests):
                both = [self._asks(inner) for inner in tests]
                return [a for yes, _ in both for a in yes], [a for _, no in both for a in no]
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._asks(operand)[::-1]
            case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
                return self._compared(left, right), []
            case ast.Compare(left=left, ops=[ast.NotEq() | ast.IsNot()], comparators=[right]):
                return [], self._compared(left, right)
            case ast.Compare(left=left, ops=[ast.In()], comparators=[right]):
                return self._contained(left, right), []
            case ast.Compare(left=left, ops=[ast.NotIn()], comparators=[right]):
                return [], self._contained(left, right)
        return [], []

    def _compared(self, left: ast.expr, right: ast.expr) -> list[_Asked]:
        sides = ((left, _value(right, self.known)), (right, _value(left, self.known)))
        return [_Asked(value, _measure(other)) for other, value in sides if value is not ... and _is_input(other)]

    def _contained(self, left: ast.expr, right: ast.expr) -> list[_Asked]:
        """Members of a container that is written out; or what is looked for in something else."""
        many, one = _value(right, self.known), _value(left, self.known)
        if one is not ...:
            return [_Asked(one)] if _is_input(right) else []
        if not _is_input(left):
            return []
        if isinstance(many, list | tuple | set | dict):
            return [_Asked(value, _measure(left)) for value in many]
        items = right.elts if isinstance(right, ast.List | ast.Tuple | ast.Set) else []
        return [_Asked(v, _measure(left)) for item in items if (v := _value(item, self.known)) is not ...]

    def _patterns(self, pattern: ast.pattern) -> list[_Asked]:
        match pattern:
            case ast.MatchValue(value=node):
                value = _value(node, self.known)
                return [] if value is ... else [_Asked(value)]
            case ast.MatchOr(patterns=patterns):
                return [asked for inner in patterns for asked in self._patterns(inner)]
            case ast.MatchAs(pattern=ast.pattern() as inner):
                return self._patterns(inner)
            case ast.MatchSequence(patterns=patterns):
                inside = [asked for inner in patterns for asked in self._patterns(inner)]
                return [_Asked(tuple(asked.value for asked in inside))] if len(inside) == len(patterns) > 1 else inside
        return []

    def _given(self, body: Sequence[ast.stmt]) -> Iterator[_Gives]:
        """Values that statements return, assign, yield, raise, print or hand on as they stand."""
        for node in _inside(body):
            match node:
                case ast.Raise(exc=ast.expr() as raised):
                    kind = raised.func if isinstance(raised, ast.Call) else raised
                    yield _Gives(_Raised(last_name(kind)))
                    if isinstance(raised, ast.Call):
                        yield from (given for argument in raised.args for given in self._plain(argument))
                case ast.Expr(value=ast.Call() as call):
                    for argument in call.args:
                        yield from (_Gives(g.value, called(call) == "print") for g in self._plain(argument))
                case _ if isinstance(node, _Statement) and node.value is not None:
                    yield from self._plain(node.value)

    def _plain(self, node: ast.expr) -> Iterator[_Gives]:
        """The value of an expression, or those of a tuple or of an object that is made of them."""
        value = _value(node, self.known)
        if value is not ...:
            yield _Gives(value)
        elif isinstance(node, ast.Tuple):
            yield from (given for item in node.elts for given in self._plain(item))
        elif isinstance(node, ast.Call) and called(node)[:1].isupper():
            inside = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield from (given for item in inside for given in self._plain(item))


def _table(asked: Sequence[_Asked], gives: Sequence[_Gives]) -> Iterator[_Table]:
    if asked and gives:
        yield _Table(len({_key(a.value) for a in asked}), ((a, g) for a in asked for g in gives))


def _is_input(node: ast.expr) -> bool:
    """Whether it may be what a function was given, as it is or in another form, and is not computed from that."""
    if isinstance(node, ast.Call):
        return called(node) in _FORMS or (isinstance(node.func, ast.Attribute) and not node.args)
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Tuple | ast.List | ast.NamedExpr)


def _measure(node: ast.expr) -> str:
    name = called(node) if isinstance(node, ast.Call) else ""
    return name if name in _MEASURES else ""


def _said(asked: _Asked) -> str:
    return f"{asked.measure} {shown(_key(asked.value), SAID_CHARS)}".lstrip()
