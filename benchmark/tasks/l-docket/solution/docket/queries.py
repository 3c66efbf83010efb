"""The query language."""

import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from docket.values import kind_of, same

KEYWORDS = frozenset(["and", "or", "not", "has", "exists", "order", "by", "desc", "limit", "true", "false", "null"])
NAMES = re.compile(r"[\w-]+(?:\.[\w-]+)*")
TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.-]))
      | (?P<name>[\w-]+(?:\.[\w-]+)*)
      | (?P<sign>!=|<=|>=|[=<>(),])""",
    re.VERBOSE,
)
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
RANKS = {"null": 0, "boolean": 1, "number": 2, "text": 3, "list": 4, "object": 4}
MISSING = object()

Test = Callable[[Any], bool]
"""Whether a document matches."""


class QueryError(Exception):
    """A query cannot be understood; the column counts from 1."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column


@dataclass(frozen=True)
class Query:
    test: Test
    order: list[tuple[str, bool]] = field(default_factory=list)
    """Fields, and whether each descends."""
    limit: int | None = None

    def find(self, documents: dict[str, Any]) -> list[str]:
        """The ids of the documents that match."""
        found = [id_ for id_, document in documents.items() if self.test(document)]
        # Sorting is stable: the last criterion first.
        for name, descends in reversed(self.order):
            have = [id_ for id_ in found if value_at(documents[id_], name) is not MISSING]
            lack = [id_ for id_ in found if value_at(documents[id_], name) is MISSING]
            have.sort(key=lambda id_, name=name: _rank(value_at(documents[id_], name)), reverse=descends)  # type: ignore[misc]
            found = have + lack
        return found[: self.limit]


def value_at(document: Any, name: str) -> Any:
    """The value of a field, or MISSING."""
    value = document
    for step in name.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def _rank(value: Any) -> tuple[int, Any]:
    kind = kind_of(value)
    return RANKS[kind], value if kind in ("boolean", "number", "text") else 0


def read_query(text: str) -> Query:
    """Read a query; raises QueryError at the first token that does not fit."""
    return _Parser(text).query()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


def _tokens(text: str) -> list[_Token]:
    found = []
    at = 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        match = TOKEN.match(text, at)
        if not match:
            found.append(_Token("wrong", text[at], at + 1))
            return found
        kind = str(match.lastgroup)
        if kind == "name" and match.group() in KEYWORDS:
            kind = "keyword"
        found.append(_Token(kind, match.group(), at + 1))
        at = match.end()
    found.append(_Token("end", "", len(text) + 1))
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)

    @property
    def next(self) -> _Token:
        return self.tokens[0]

    def fail(self, message: str) -> QueryError:
        return QueryError(self.next.column, message)

    def accept(self, *texts: str) -> str | None:
        if self.next.kind in ("keyword", "sign") and self.next.text in texts:
            return self.tokens.pop(0).text
        return None

    def expect(self, text: str) -> None:
        if self.accept(text) is None:
            raise self.fail(f"expected {text!r}")

    def query(self) -> Query:
        test: Test = lambda document: True  # noqa: E731
        if self.next.kind != "end" and self.next.text not in ("order", "limit"):
            test = self.either()
        order: list[tuple[str, bool]] = []
        if self.accept("order"):
            self.expect("by")
            order.append(self.criterion())
            while self.accept(","):
                order.append(self.criterion())
        limit = None
        if self.accept("limit"):
            if self.next.kind != "number" or not self.next.text.isdigit():
                raise self.fail("expected a number")
            limit = int(self.tokens.pop(0).text)
        if self.next.kind != "end":
            raise self.fail("expected the end")
        return Query(test, order, limit)

    def criterion(self) -> tuple[str, bool]:
        return self.field(), self.accept("desc") is not None

    def field(self) -> str:
        # A field may begin with digits, and then looks like a number.
        looks = self.next.kind in ("name", "number") and NAMES.fullmatch(self.next.text)
        if not looks or self.next.text.split(".")[0] in KEYWORDS:
            raise self.fail("expected a field")
        return self.tokens.pop(0).text

    def either(self) -> Test:
        tests = [self.both()]
        while self.accept("or"):
            tests.append(self.both())
        return tests[0] if len(tests) == 1 else lambda document: any(test(document) for test in tests)

    def both(self) -> Test:
        tests = [self.negated()]
        while self.accept("and"):
            tests.append(self.negated())
        return tests[0] if len(tests) == 1 else lambda document: all(test(document) for test in tests)

    def negated(self) -> Test:
        if self.accept("not"):
            test = self.negated()
            return lambda document: not test(document)
        if self.accept("("):
            test = self.either()
            self.expect(")")
            return test
        return self.comparison()

    def comparison(self) -> Test:
        name = self.field()
        if self.accept("exists"):
            return lambda document: value_at(document, name) is not MISSING
        sign = self.accept("=", "!=", "has", *ORDER)
        if sign is None:
            raise self.fail("expected a comparison")
        wanted = self.value()

        def test(document: Any) -> bool:
            value = value_at(document, name)
            return value is not MISSING and _holds(sign, value, wanted)

        return test

    def value(self) -> Any:
        if self.next.kind in ("text", "number") or self.next.text in ("true", "false", "null"):
            return json.loads(self.tokens.pop(0).text)
        raise self.fail("expected a value")


def _holds(sign: str, value: Any, wanted: Any) -> bool:
    if sign in ("=", "!="):
        return same(value, wanted) == (sign == "=")
    if sign == "has":
        if isinstance(value, list):
            return any(same(item, wanted) for item in value)
        return isinstance(value, str) and isinstance(wanted, str) and wanted in value
    kind = kind_of(value)
    return kind == kind_of(wanted) and kind in ("number", "text") and ORDER[sign](value, wanted)
