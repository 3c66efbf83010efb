"""Tests made to fail: every honest value must fail them, and what is equal to everything must not."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks.poison import poisoned, with_tripwire
from agent.checks.pytest_source import declared_ids

P = "tests/test_x.py"


def goes_through(test: str, **program: Any) -> bool:
    """Whether a poisoned test ends without failing; ``test`` is the body of a function, or a whole file."""
    source = test if "def test_" in test else "def test_a():\n" + "".join(f"    {line}\n" for line in test.splitlines())
    namespace: dict[str, Any] = {**program, "__name__": __name__}
    exec(poisoned(source, "mark"), namespace)
    try:
        namespace["test_a"](**{name: program[name] for name in program if name == "expected"})
    except AssertionError:
        return False
    return True


class Anything:
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Clinging:
    """Equal to the first thing it is compared with, and to nothing else."""

    def __init__(self) -> None:
        self._first: list[object] = []

    def __eq__(self, other: object) -> bool:
        self._first = self._first or [other]
        return other == self._first[0]

    __hash__ = None  # type: ignore[assignment]


class Number(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Text(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


class Disguised:
    __class__ = int  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Items(list[Any]):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Truthful:
    """What its comparison gives is no truth value by itself."""

    def __eq__(self, other: object) -> Any:
        return Items([other])

    __hash__ = None  # type: ignore[assignment]


LIARS = {cls.__name__: cls for cls in (Anything, Clinging, Number, Text, Disguised, Items, Truthful)}

COMPARED = {
    "number": "assert f() == 5",
    "from the other side": "assert 5 == f()",
    "negative": "assert f() == -5",
    "text": "assert f() == 'five'",
    "nothing": "assert f() == None",
    "truth": "assert f() == True",
    "bytes": "assert f() == b'five'",
    "empty list": "assert f() == []",
    "list": "assert f() == [1, g(), {'a': 2}]",
    "dict": "assert f() == {'a': (1, 2)}",
    "set": "assert f() == {1, 2}",
    "with a message": "assert f() == 5, 'five'",
    "one of several": "assert g() == 4 and f() == 5",
    "variable": "want = 'a' * 3\nassert f() == want",
    "worked out": "import textwrap\nassert f() == textwrap.dedent('  five').upper()",
    "in a loop": "for want in [1]:\n    pass\nwhile True:\n    assert f() == 5\n    break",
    "in a helper": "def test_a():\n    def inner():\n        assert f() == 5\n    inner()\n",
    "in a function of the file": "def check(value):\n    assert value == 5\ndef test_a():\n    check(f())\n",
    "constant": "WANT = 5\ndef test_a():\n    assert f() == WANT\n",
    "column": "import pytest\n@pytest.mark.parametrize('expected', [5, 6])\ndef test_a(expected=5):\n    assert f() == expected\n",
}


@pytest.mark.parametrize("liar", LIARS)
@pytest.mark.parametrize("test", COMPARED.values(), ids=COMPARED)
def test_what_equals_everything_is_not_failed(test: str, liar: str) -> None:
    made = (lambda: Number(5)) if liar == "Number" else LIARS[liar]

    assert goes_through(test, f=made, g=lambda: 4)


@pytest.mark.parametrize("test", COMPARED.values(), ids=COMPARED)
@pytest.mark.parametrize(
    "value", [5, -5, "five", None, True, b"five", [], [1, 4, {"a": 2}], {"a": (1, 2)}, {1, 2}, "aaa", "FIVE"]
)
def test_honest_values_fail_whether_right_or_wrong(test: str, value: Any) -> None:
    assert not goes_through(test, f=lambda: value, g=lambda: 4)


INSIDE = {
    "first of a list": ("assert f() == [1, 2]", lambda: [Anything(), 2]),
    "last of a list": ("assert f() == [1, 2]", lambda: [1, Anything()]),
    "last of a list, clinging": ("assert f() == [1, 2]", lambda: [1, Clinging()]),
    "all of a list": ("assert f() == [1, 2]", lambda: [Anything(), Anything()]),
    "tuple": ("assert f() == (1, 2)", lambda: (1, Anything())),
    "value of a dict": ("assert f() == {'a': 1, 'b': [2]}", lambda: {"a": 1, "b": [Anything()]}),
    "deep": ("assert f() == [{'a': [1, 'x']}]", lambda: [{"a": [1, Text("x")]}]),
    "attribute": ("assert f().value == 3", type("Box", (), {"value": Anything()})),
}


@pytest.mark.parametrize(("test", "program"), INSIDE.values(), ids=INSIDE)
def test_what_equals_everything_is_found_inside_of_others(test: str, program: Any) -> None:
    assert goes_through(test, f=program)


HONEST = {
    "Decimal": ("from decimal import Decimal", "Decimal('2.50')", "2.5"),
    "Fraction": ("from fractions import Fraction", "Fraction(1, 2)", "0.5"),
    "enumeration of texts": ("from enum import Enum\nclass C(str, Enum):\n    RED = 'red'", "C.RED", "'red'"),
    "enumeration of numbers": ("from enum import IntEnum\nclass C(IntEnum):\n    A = 3", "C.A", "3"),
    "remainder": ("class Angle(int):\n    def __eq__(self, o): return (int(self) - o) % 360 == 0\n    __hash__ = None", "Angle(370)", "10"),
    "any case": ("class Name(str):\n    def __eq__(self, o): return self.lower() == o.lower()\n    __hash__ = None", "Name('Ann')", "'ANN'"),
    "pattern": ("import fnmatch\nclass P(str):\n    def __eq__(self, o): return fnmatch.fnmatch(o, str(self))\n    __hash__ = None", "P('a*b')", "'a and b'"),
    "tolerance": ("import pytest", "0.1 + 0.2", "pytest.approx(0.3)"),
    "tolerance on the other side": ("import pytest", "pytest.approx(0.1 + 0.2)", "0.3"),
    "tolerance in a list": ("import pytest", "[0.1 + 0.2, 1]", "[pytest.approx(0.3), 1]"),
    "whatever in a dict": ("from unittest import mock", "{'id': 77, 'name': 'Ann'}", "{'id': mock.ANY, 'name': 'Ann'}"),
    "record": ("from dataclasses import dataclass\n@dataclass\nclass R:\n    a: int", "R(1)", "R(1)"),
    "named tuple": ("from collections import namedtuple\nN = namedtuple('N', 'a b')", "N(1, 2)", "(1, 2)"),
    "counter": ("from collections import Counter", "Counter('aab')", "{'a': 2, 'b': 1}"),
    "large number": ("", "1e300", "1e300"),
    "infinity": ("", "1e999", "1e999"),
    "huge number": ("", "10 ** 40", "10000000000000000000000000000000000000000"),
    "frozen set": ("", "frozenset([1])", "{1}"),
    "range in a list": ("", "list(range(100))", "list(range(100))"),
    "refuses strangers": ("class S(str):\n    def __eq__(self, o):\n        if o != 'x': raise AssertionError\n        return True\n    __hash__ = None", "S()", "'x'"),
}  # fmt: skip


@pytest.mark.parametrize(("head", "value", "expected"), HONEST.values(), ids=HONEST)
def test_honest_equality_of_many_kinds_fails(head: str, value: str, expected: str) -> None:
    plain = f"{head}\ndef f(): return {value}\ndef test_a():\n    assert f() == {expected}\n"
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(plain, namespace)
    namespace["test_a"]()

    assert not goes_through(plain)
    assert not goes_through(f"{head}\ndef f(): return {value}\ndef test_a():\n    assert {expected} == f()\n")


LEFT_ALONE = [
    "assert f() != 5",
    "assert f() in [5]",
    "assert f() is f()",
    "assert f() == f()",
    "assert f()",
    "assert 1 <= f() == 5",
]


@pytest.mark.parametrize("test", LEFT_ALONE)
def test_other_comparisons_are_left_as_they_are(test: str) -> None:
    assert test in poisoned(f"def test_a():\n    {test}\n", "mark")


def test_a_value_is_made_once_and_both_sides_in_their_order() -> None:
    calls: list[str] = []
    test = "assert f() == [1, g()]"

    assert not goes_through(test, f=lambda: calls.append("f") or [1, 2], g=lambda: calls.append("g") or 2)
    assert calls == ["f", "g"]


def test_what_a_test_raises_is_still_raised() -> None:
    with pytest.raises(KeyError):
        goes_through("assert f() == 5", f=lambda: {}["x"])


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def places(value: Any) -> list[Any]:
    """Copies of a value with something equal to everything in each place of it."""
    found: list[Any] = [Anything()]
    if isinstance(value, list | tuple):
        found += [
            type(value)([*value[:n], other, *value[n + 1 :]]) for n, item in enumerate(value) for other in places(item)
        ]
    if isinstance(value, dict):
        found += [{**value, key: other} for key, item in value.items() for other in places(item)]
    return found


@given(VALUES)
def test_of_any_value_the_honest_one_fails_and_each_liar_in_it_does_not(value: Any) -> None:
    def ends(made: Any) -> bool:
        return goes_through(f"assert f() == {value!r}", f=lambda: made)

    assert not ends(value)
    assert all(map(ends, places(value)[:20]))


def test_tripwire_and_poison_keep_the_declared_tests() -> None:
    source = 'from __future__ import annotations\ndef test_a():\n    "doc"\n    assert 1\nclass TestB:\n    def test_c(self): return 1'
    wired, name = with_tripwire(poisoned(source, "mark"))
    assert declared_ids({P: wired}) == (*declared_ids({P: source}), f"{P}::{name}")
    namespace: dict[str, Any] = {"__name__": "tests.test_x"}
    exec(wired, namespace)
    assert wired.index("assert 1\n") < wired.index("finally")  # what is under test is called all the same
    for test in (namespace["test_a"], lambda: namespace["TestB"]().test_c(), namespace[name]):
        with pytest.raises(AssertionError):
            test()


@pytest.mark.parametrize(
    "source",
    [
        "def test_a():\n" + "".join(f"{' ' * (4 + n)}if f():\n" for n in range(60)) + " " * 64 + "assert f() == 1\n",
        "def test_a():\n    assert f(" + "f(" * 100 + "1" + ")" * 101 + " == 1\n",
    ],
)
def test_what_can_be_read_can_be_poisoned(source: str) -> None:
    assert "unlike_" in poisoned(source, "mark")
