"""What is changed in a program to try its tests, and what is not. Nothing runs here; see ``test_strength.py``."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import ast
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.checks import mutants
from agent.checks.mutants import Program, chosen, read
from graphs.values import Mutant

EVERYWHERE = range(100_000)


def all_of(program: Program, most: int = 100_000) -> list[Mutant]:
    return [mutant for mutant, _ in chosen(program, dict.fromkeys(program.plain, EVERYWHERE), most)]


def changes(source: str) -> list[str]:
    """Each change as ``line: old → new``, in the order of the file, without the extreme ones."""
    found = sorted(all_of(read({"a.py": source})), key=lambda mutant: int(mutant.id[1:]))
    return [f"{m.line}: {m.change}" for m in found if not m.change.startswith("def ")]


def in_function(*lines: str) -> str:
    return "def f(a, b):\n" + "".join(f"    {line}\n" for line in lines)


OPERATORS = {
    "less": ("x(a < b)", ["a < b → a <= b", "a < b → a >= b"]),
    "less or equal": ("x(a <= b)", ["a <= b → a < b", "a <= b → a > b"]),
    "greater": ("x(a > b)", ["a > b → a >= b", "a > b → a <= b"]),
    "greater or equal": ("x(a >= b)", ["a >= b → a > b", "a >= b → a < b"]),
    "equal": ("x(a == b)", ["a == b → a != b"]),
    "not equal": ("x(a != b)", ["a != b → a == b"]),
    "is": ("x(a is b)", ["a is b → a is not b"]),
    "is not": ("x(a is not b)", ["a is not b → a is b"]),
    "in": ("x(a in b)", ["a in b → a not in b"]),
    "not in": ("x(a not in b)", ["a not in b → a in b"]),
    "a chain": ("x(a < b == c)", ["a < b == c → a <= b == c", "a < b == c → a >= b == c", "a < b == c → a < b != c"]),
    "plus": ("x(a + b)", ["a + b → a - b"]),
    "minus": ("x(a - b)", ["a - b → a + b"]),
    "times": ("x(a * b)", ["a * b → a / b"]),
    "divided by": ("x(a / b)", ["a / b → a * b"]),
    "whole part": ("x(a // b)", ["a // b → a % b"]),
    "rest": ("x(a % b)", ["a % b → a // b"]),
    "power": ("x(a ** b)", ["a ** b → a * b"]),
    "bits": ("x(a << b | a >> b)", ["a << b | a >> b → a << b & a >> b", "a << b → a >> b", "a >> b → a << b"]),
    "and": ("x(a and b)", ["a and b → a or b"]),
    "or": ("x(a or b or c)", ["a or b or c → a and b and c"]),
    "not": ("x(not a)", ["not a → a"]),
    "negative": ("x(-a)", ["-a → a"]),
    "whole number": ("x(1)", ["x(1) → x(2)"]),
    "fraction": ("x(0.5)", ["x(0.5) → x(1.5)"]),
    "true": ("x(True)", ["x(True) → x(False)"]),
    "text": ("x('ab')", ["x('ab') → x('XXabXX')"]),
    "empty text": ("x('')", ["x('') → x('XXXX')"]),
    "bytes": ("x(b'ab')", ["x(b'ab') → x(b'XXabXX')"]),
    "text around a value": ("x(f'<{a:>9}')", ["x(f'<{a:>9}') → pass", "f'<{a:>9}' → f'XX<XX{a:>9}'"]),
    "a named argument": ("x(n=1)", ["n=1 → n=2"]),
    "a dict": ("x({'k': 1})", ["{'k': 1} → {'XXkXX': 1}", "{'k': 1} → {'k': 2}"]),
    "bounds": ("x(a[b:c])", ["a[b:c] → a[:c]", "a[b:c] → a[b:]"]),
    "a bound of zero": ("x(a[0:b])", ["a[0:b] → a[0:]", "0:b → 1:b"]),
    "either or": ("x(a if b else c)", ["a if b else c → a if True else c", "a if b else c → a if False else c"]),
    "a filter": ("x([c for c in a if b])", ["for c in a if b → for c in a if True", "for c in a if b → for c in a if False"]),
    "a function without a name": ("x(lambda c: c + 1)", ["c + 1 → c - 1", "c + 1 → c + 2"]),
}  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), OPERATORS.values(), ids=OPERATORS)
def test_an_expression_is_changed(line: str, expected: list[str]) -> None:
    removed = f"{ast.unparse(ast.parse(line))} → pass"
    assert changes(in_function(line, "x()")) == [f"2: {change}" for change in dict.fromkeys([removed, *expected])] + [
        "3: x() → pass"
    ]


STATEMENTS = {
    "a call": ("x()\ny()", ["1: x() → pass", "2: y() → pass"]),
    "a call that is waited for": ("await x()\ny()", ["1: await x() → pass", "2: y() → pass"]),
    "a value given back": ("a.b()\nreturn a", ["1: a.b() → pass", "2: return a → return None"]),
    "an attribute": ("a.b = c\nx()", ["1: a.b = c → pass", "2: x() → pass"]),
    "an item": ("a[b] = c\nx()", ["1: a[b] = c → pass", "2: x() → pass"]),
    "a new value": ("c = b\nc = a\nx()", ["2: c = a → pass", "3: x() → pass"]),
    "of an argument": ("a = b\nx()", ["1: a = b → pass", "2: x() → pass"]),
    "with a type": ("c: C = b\nc: C = a\nx()", ["2: c: C = a → pass", "3: x() → pass"]),
    "of a global": ("global c\nc = b\nx()", ["2: c = b → pass", "3: x() → pass"]),
    "counting": ("a += b\nx()", ["1: a += b → a -= b", "1: a += b → pass", "2: x() → pass"]),
    "adding text": ("a += 'b'\nx()", ["1: a += 'b' → pass", "1: a += 'b' → a += 'XXbXX'", "2: x() → pass"]),
    "first in one branch": ("if a:\n    c = b\nelse:\n    c = a\nx()", ["1: if a → if True", "1: if a → if False", "5: x() → pass"]),
    "a raise": ("x()\nraise E(a)", ["1: x() → pass", "2: raise E(a) → pass"]),
    "a raise again": ("try:\n    x()\nexcept E:\n    raise", ["2: x() → pass", "4: raise → pass"]),
    "a condition": ("if a:\n    x()", ["1: if a → if True", "1: if a → if False", "2: x() → pass"]),
    "another condition": ("if a:\n    x()\nelif b:\n    y()", ["1: if a → if True", "1: if a → if False", "2: x() → pass", "3: if b → if True", "3: if b → if False", "4: y() → pass"]),
    "a loop": ("while a:\n    x()", ["1: while a → while False", "2: x() → pass"]),
    "leaving a loop": ("for c in a:\n    break", ["2: break → continue"]),
    "going on with a loop": ("for c in a:\n    continue", ["2: continue → break"]),
    "a case": ("match a:\n    case 1 if b:\n        x()", ["2: 1 → 2", "2: b → True", "2: b → False", "3: x() → pass"]),
    "a block": ("with a(1) as c:\n    c = b", ["1: a(1) → a(2)", "2: c = b → pass"]),
}  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), STATEMENTS.values(), ids=STATEMENTS)
def test_a_statement_is_changed(body: str, expected: list[str]) -> None:
    lines = [f"{int(number) + 1}: {change}" for number, _, change in (entry.partition(": ") for entry in expected)]
    source = "async " + in_function(*body.splitlines(), "del a")
    assert changes(source) == lines


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("def f(a, b=1, *c, d):\n    '''Says it.'''\n    x()\n    return a\n", "def f(a, b, c, d): ... → def f(a, b, c, d): return None"),
        ("def f(a):\n    return a\n", "def f(a): ... → def f(a): return None"),
        ("def f(a):\n    yield a\n", "def f(a): ... → def f(a): return"),
        ("class C:\n    @property\n    def f(self):\n        return 1\n", "def f(self): ... → def f(self): return None"),
        ("def g():\n    raise NotImplementedError\ndef f():\n    x()\n", "def f(): ... → def f(): return None"),
    ],
)  # fmt: skip
def test_a_function_loses_its_whole_behaviour(source: str, change: str) -> None:
    program = read({"a.py": source})
    ((mutant, text),) = chosen(program, dict.fromkeys(program.plain, EVERYWHERE), 1)
    function = next(node for node in ast.walk(ast.parse(text)) if getattr(node, "name", "") == "f")
    assert mutant.change == change
    assert ("Says it." in text) == ("Says it." in source)
    assert isinstance(function, ast.FunctionDef)
    assert [type(node) for node in function.body[-2:]] in ([ast.Return], [ast.Expr, ast.Return], [ast.Return, ast.Expr])


def test_an_empty_generator_still_is_one() -> None:
    program = read({"a.py": "def f(a):\n    while a:\n        yield a\n"})
    ((_, text),) = chosen(program, {"a.py": EVERYWHERE}, 1)
    namespace: dict[str, object] = {}
    exec(text, namespace)
    assert list(namespace["f"](1)) == []  # type: ignore[operator]


@pytest.mark.parametrize(
    "source",
    [
        '"""Text of the module, 1 < 2."""\n',
        "import os\nfrom sys import path\n",
        "from __future__ import annotations\n",
        "__all__ = ['a', 'b']\n__version__ = '1.0'\n",
        "if __name__ == '__main__':\n    main(1)\n",
        "if TYPE_CHECKING:\n    N = 1\nif typing.TYPE_CHECKING:\n    N = 1\n",
        "T = TypeVar('T', bound=int)\nM = Literal['a', 'b']\nU = typing.Union['A', None]\nI = NewType('I', int)\n",
        "A: TypeAlias = 'dict[str, int]'\n",
        "class C(Base, kind='x'):\n    '''Says it.'''\n    name: 'str'\n    def f(self): ...\n",
        "logger = logging.getLogger('x')\n",
        "def f(a: 'int') -> 'str':\n    '''Says it.'''\n    raise NotImplementedError('later')\n",
        "def f(a):\n    '''Says it.'''\n    global G\n    x: int\n",
        "def f(a):\n    pass\ndef g(a):\n    return None\ndef h(a):\n    return\ndef i():\n    ...\n",
        "@overload\ndef f(a: int) -> int:\n    return 1\n@abc.abstractmethod\ndef g(a):\n    return 2\n",
        "assert len('x') == 1\n",
        "x = None\n",
    ],
)  # fmt: skip
def test_what_no_test_can_be_asked_to_notice_stays(source: str) -> None:
    assert changes(source) == all_of(read({"a.py": source})) == []


@pytest.mark.parametrize(
    "line",
    [
        "logging.info('got %d', 1)",
        "log.debug('x')",
        "self._logger.warning('x')",
        "LOGGER.exception('x')",
        "a: int",
        "c = b",
        "...",
        "assert a < 1, 'no'",
        "import os",
        "global c",
        "return None",
        "raise NotImplementedError('no')",
        "a = a",
        "a.b = a.b",
        "x = cast('A', b)",
    ],
)
def test_what_changes_nothing_or_fails_wherever_it_is_reached_is_left_out(line: str) -> None:
    assert changes(in_function(line, "x()")) == ["3: x() → pass"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return a + 0", []),
        ("return a * 1", ["a * 1 → a * 2"]),
        ("return a[0:]", ["0: → 1:"]),
        ("return 'a' + b", ["'a' + b → 'XXaXX' + b"]),
        ("return '%s' % b", ["'%s' % b → 'XX%sXX' % b"]),
        ("return [a] * b", []),
        ("return math.inf, 1e999", []),
        ("while True: x()", ["while True → while False", "x() → pass"]),
    ],
)
def test_an_operator_that_would_give_the_same_or_only_fail_stays(line: str, expected: list[str]) -> None:
    wanted = ["a + 0 → a + 1"] if line == "return a + 0" else expected
    assert changes(in_function(line)) == [f"2: {change}" for change in wanted]


def test_a_function_of_one_statement_is_not_emptied_twice() -> None:
    for line in ("return a.b", "x(a)", "raise E(a)", "a.b = b"):
        assert changes(in_function(line)) == []


def test_lines_are_those_of_the_file_as_it_was_written() -> None:
    source = "# first\n\n\ndef f(\n    a,\n):\n    # why\n    return (\n        a\n        +\n        2  # two\n    )\n"
    assert changes(source) == ["9: a + 2 → a - 2", "11: a + 2 → a + 3"]


LARGE = "\n\n".join(
    f"def f{n}(a, b):\n    if a < {n}:\n        raise ValueError('small')\n    for c in b:\n        a += c * {n + 1}\n    return a, {n}, 'end'\n"
    for n in range(6)
)


def test_the_same_files_give_the_same_mutants_under_the_same_ids() -> None:
    files = {"a.py": LARGE, "b.py": LARGE}
    first, second = (all_of(read(files), most=20) for _ in range(2))
    assert first == second
    everything = {mutant.id: mutant for mutant in all_of(read(files))}
    assert sorted(everything, key=lambda name: int(name[1:]))[0] == "M1"
    assert all(everything[mutant.id] == mutant for mutant in first)
    # what the tests reach has no say in the ids
    program = read(files)
    some = chosen(program, {"b.py": range(10, 20)}, 9)
    assert some
    assert all(everything[mutant.id] == mutant for mutant, _ in some)


def test_few_are_spread_over_files_functions_lines_and_operators() -> None:
    files = {"a.py": LARGE, "b.py": LARGE}
    program = read(files)
    by_id = {f"M{candidate.number}": candidate for candidate in program.candidates}
    taken = [by_id[mutant.id] for mutant in all_of(program, most=36)]
    assert [candidate.operator for candidate in taken[:12]] == ["extreme"] * 12
    rest = taken[12:]
    assert set(Counter((c.path, c.function) for c in rest).values()) == {2}
    assert len({(c.path, c.line) for c in rest}) == 24
    assert len({c.operator for c in rest}) >= 6
    assert all(c.rank != mutants.WORDS for c in taken)
    assert any(c.rank == mutants.WORDS for c in by_id.values())
    assert by_id[all_of(program)[-1].id].rank == mutants.WORDS


def test_only_what_is_executed_is_changed_but_for_those_that_are_wanted_first() -> None:
    program = read({"a.py": "def f(a):\n    return a + 1\n\ndef g(a):\n    return a + 2\n"})
    row = next(candidate.row for candidate in program.candidates if candidate.function == "g")
    ids = [mutant.id for mutant, _ in chosen(program, {"a.py": {row}}, 9)]
    assert {by.function for by in program.candidates if f"M{by.number}" in ids} == {"g"}
    assert chosen(program, {}, 9) == ()
    first, *others = [mutant.id for mutant, _ in chosen(program, {"a.py": {row}}, 9, {"M2"})]
    assert (first, set(others)) == ("M2", set(ids))
    assert len(chosen(program, {"a.py": {row}}, 2, {"M2"})) == 2


def test_a_change_is_one_short_line_that_is_safe_to_print() -> None:
    source = f"def f(a):\n    x('\\x1b[31m', a + {' + '.join(map(str, range(99)))})\n    return f'\u202e\x85{{a}}\n'\n".replace(
        "\n'\n", "'\n"
    )
    for mutant in all_of(read({"a.py": source})):
        assert len(mutant.change) <= 160
        assert mutant.change.isprintable()


def test_a_change_inside_something_long_shows_what_differs() -> None:
    source = f"TABLE = {{{', '.join(f'{n!r}: {n}' for n in 'abcdefghijklmnopqrst'.upper())}}}\n".replace(
        ": T", ": 7"
    ).replace(": ", ": 1 or ")
    assert any(mutant.change == "'T' → 'XXTXX'" for mutant in all_of(read({"a.py": source})))


@pytest.mark.parametrize(
    "source",
    ["def f(:\n", "\0", "# -*- coding: utf-7 -*-\nx = 1\n", "x = '\ud800'\n", "x = " + "-" * 5000 + "1\n", "x = a" + ".b" * 50_000, "x = 1\n" * 50_000],
    ids=["syntax", "nul", "encoding", "surrogate", "deep", "long chain", "large"],
)  # fmt: skip
def test_a_file_that_cannot_be_written_anew_is_left_out(source: str) -> None:
    program = read({"bad.py": source, "good.py": "x = 1\n", "data.txt": "x = 1\n"})
    assert set(program.plain) == set(program.lines) == {"good.py"}
    assert [candidate.path for candidate in program.candidates] == ["good.py"]


def test_lines_that_can_be_executed() -> None:
    source = '''\
"""Text."""
import os
if TYPE_CHECKING:
    import sys
N: int
class C:
    """Text."""
    @property
    def f(self):
        """Text."""
        global G
        try:
            x = (1,
                 2)
        except E:
            pass
        else:
            ...
        return x; y = 2
'''
    program = read({"a.py": source})
    assert sorted(program.lines["a.py"].values()) == [2, 3, 6, 9, 12, 13, 16, 19, 19]


# -- any program

names = st.sampled_from(["a", "b", "c", "g"])
constants = st.one_of(
    st.integers(-9, 9), st.booleans(), st.none(), st.floats(allow_nan=False), st.text(max_size=4), st.binary(max_size=3)
)
atoms = st.one_of(names, constants.map(repr), names.map(lambda name: f"f'{name}={{{name}!r:>{{b}}}}'"))


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(
        ["+", "-", "*", "//", "%", "**", "<<", "&", "and", "or", "<", "<=", "==", "!=", "in", "is"]
    )
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("not {}".format, inner).map("({})".format),
        st.builds("(-{})".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("g({}, k={})".format, inner, inner),
        st.builds("a[{}:{}]".format, inner, inner),
        st.builds("[c for c in {} if {}]".format, inner, inner),
        st.builds("{{{}: {}}}".format, inner, inner),
        st.builds("(lambda c: {})".format, inner),
    )


expressions = st.recursive(atoms, joined, max_leaves=4)
lines = st.one_of(
    st.builds("{} = {}".format, names, expressions),
    st.builds("{} += {}".format, names, expressions),
    st.builds("g({})".format, expressions),
    st.builds("return {}".format, expressions),
    st.builds("raise E({})".format, expressions),
    st.builds("yield {}".format, expressions),
    st.sampled_from(["pass", "global G", "'words'", "assert a", "import os"]),
)


def nested(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    heads = st.builds(
        lambda head, test: head.format(test),
        st.sampled_from(["if {}:", "while {}:", "for c in {}:", "with {} as c:", "def h(c=b): # {}"]),
        expressions.map(lambda text: text.replace("\n", " ")),
    )
    block = st.lists(inner, min_size=1, max_size=3).map(
        lambda parts: [f"    {line}" for part in parts for line in part]
    )
    return st.builds(lambda head, body: [head, *body], heads, block)


blocks = st.recursive(lines.map(lambda line: [line]), nested, max_leaves=4)
programs = st.lists(blocks, min_size=1, max_size=4).map(
    lambda parts: "def f(a, b):\n" + "".join(f"    {line}\n" for part in parts for line in part)
)


@settings(deadline=None, max_examples=60)
@given(programs)
def test_every_mutant_parses_differs_and_leaves_the_program_as_it_was(source: str) -> None:
    program = read({"a.py": source})
    assert program.plain, source
    plain = ast.dump(ast.parse(program.plain["a.py"]))
    assert plain == ast.dump(ast.parse(source))
    for candidate in program.candidates:
        written = candidate.written()
        assert written is not None
        mutant, text = written
        assert ast.dump(ast.parse(text)) != plain
        assert 1 <= mutant.line <= source.count("\n")
        assert candidate.row in program.lines["a.py"]
        assert ast.dump(candidate.tree) == plain
    texts = [text for _, text in chosen(program, {"a.py": EVERYWHERE}, 20)]
    assert len(set(texts)) == len(texts)
