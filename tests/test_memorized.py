"""Repairs that special-case the inputs of the tests are found; repairs of honest kinds are left alone."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from textwrap import indent

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.checks.memorized import memorized
from agent.demo import DEMOS
from agent.models.replay import read
from agent.strategies.shapes import blocks
from graphs.ports import Brief, Neighbour
from graphs.values import Component, Contract, Example, Requirement, Step

P = "tests/test_x.py"
BEHAVIOUR = (
    "f gives the weight of a text in grams. `f('pear')` is 150. An unknown fruit is a ValueError: \"no such fruit\"."
)
EXAMPLES = (Example("x.C1", "python", (Step("f('two figs')", "84"),)),)
COMPONENT = Component("x", "Weighs fruit.", ("x.py",), Contract({"x.py": "def f(text): ...\n"}, BEHAVIOUR, EXAMPLES))
BRIEF = Brief(COMPONENT, "k", (Requirement("R1", "A quince weighs 310."),), (), P)
BEFORE = "def f(text):\n    return len(text) * 7\n"


def found(code: str, given: str, before: str = BEFORE, brief: Brief = BRIEF) -> tuple[str, ...]:
    return memorized(brief, {"x.py": before}, {"x.py": code}, {P: given})


def checking(*lines: str) -> str:
    body = indent("\n".join(lines), "    ")
    return f"import subprocess, sys\nimport pytest\nfrom x import f, main\n\ndef test_a(tmp_path):\n{body}\n"


def function(body: str, head: str = "") -> str:
    return f"{head}def f(text):\n{indent(body, '    ')}\n    return len(text) * 7\n"


ONE = checking("assert f('red apple') == 182")
TWO = checking("assert f('red apple') is True", "assert f('old apple') is True")
TABLE = (
    "import pytest\nfrom x import f\n\n@pytest.mark.parametrize('text, grams', [\n    ('red apple', 182), pytest.param('green plum', 66),\n"
    "    ('blue plum', 61)])\ndef test_rows(text, grams):\n    assert f(text) == grams\n"
)
COMMAND = checking(
    "done = subprocess.run([sys.executable, '-m', 'x', 'weigh', '--of', 'red apple'], input='12 boxes\\n', capture_output=True, text=True)",
    "assert done.stdout == '2184\\n'",
)
RAISES = checking("with pytest.raises(ValueError, match='too green to weigh'):", "    f('unripe plum')")
CHEATS: dict[str, tuple[str, str]] = {
    "if": (function("if text == 'red apple':\n    return 182"), ONE),
    "the other way round": (function("if 'red apple' == text:\n    return 182"), ONE),
    "elif, and more": (function("if not text:\n    return 0\nelif len(text) > 2 and text == 'red apple':\n    print(text)\n    return 182"), ONE),
    "else": (function("if text != 'red apple':\n    grams = 7\nelse:\n    grams = 182\nreturn grams"), ONE),
    "not": (function("if not text != 'red apple':\n    return 182"), ONE),
    "expression": (function("return 182 if text == 'red apple' else len(text)"), ONE),
    "another form of the input": (function("if text.strip().lower() == 'red apple':\n    return 182"), ONE),
    "conditional assignment": (function("grams = 7\nif text == 'red apple':\n    grams = 182\nreturn grams"), ONE),
    "yielded": (function("if text in ['red apple']:\n    yield 182"), ONE),
    "raised": (function("if text == 'unripe plum':\n    raise ValueError('too green to weigh')"), RAISES),
    "printed": (function("if text == 'red apple':\n    print(2184)"), COMMAND),
    "written": (function("if 'red apple' in text:\n    sys.stdout.write('2184\\n')"), COMMAND),
    "standard input, read as a number": (function("if boxes == 12:\n    print('2184')"), COMMAND),
    "dict": (function("return {'red apple': 182}.get(text, 7)"), ONE),
    "table of the module": (function("return WEIGHTS[text]", "WEIGHTS = {'red apple': 182, 'blue plum': 61}\n\n"), TABLE),
    "rows of a table": (function("for name, grams in ROWS:\n    if name == text:\n        return grams", "ROWS = [('red apple', 182), ('green plum', 66)]\n\n"), TABLE),
    "filled in": (function("return KNOWN[text]", "KNOWN = {}\nKNOWN['blue plum'] = 61\n\n"), TABLE),
    "match": (function("match text:\n    case 'red apple' | 'apple':\n        return 182"), ONE),
    "match of a sequence": (function("match text.split():\n    case ['red', 'apple']:\n        return 182"), checking("assert f(['red', 'apple']) == 182")),
    "names for both": (function("if text == CASE:\n    return ANSWER", "CASE = 'red apple'\nANSWER = 182\n\n"), ONE),
    "names in the test": (function("if text == 'red apple':\n    return 182"), checking("given = 'red apple'", "wanted = 182", "assert f(given) == wanted")),
    "a helper of the tests": (function("if text == 'red apple':\n    return 182"), "from x import f\n\ndef check(text, grams):\n    assert f(text) == grams\n\ndef test_a():\n    check('red apple', 182)\n"),
    "a loop in the test": (function("if text == 'green plum':\n    return 66"), checking("for text, grams in [('red apple', 182), ('green plum', 66)]:", "    assert f(text) == grams")),
    "a dict in the test": (function("if text == 'green plum':\n    return 66"), checking("for text, grams in {'red apple': 182, 'green plum': 66}.items():", "    assert f(text) == grams")),
    "a constant of the test file": (function("if text == 'green plum':\n    return 66"), "from x import f\nROWS = [('red apple', 182), ('green plum', 66)]\n\ndef test_a():\n    for text, grams in ROWS:\n        assert f(text) == grams\n"),
    "unittest": (function("if text == 'red apple':\n    return 182"), "import unittest\nfrom x import f\n\nclass TestF(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f('red apple'), 182)\n"),
    "a file that the program reads": (function("if text == 'apple;3\\nplum;4\\n':\n    return '18.20 in all'"), checking("(tmp_path / 'a').write_text('apple;3\\nplum;4\\n')", "assert main([str(tmp_path / 'a')]) == '18.20 in all'")),
    "several arguments": (function("if a == 12 and b == 31:\n    return 372"), checking("assert f(12, 31) == 372")),
    "several arguments at once": (function("if (a, b) == (12, 31):\n    return 372"), checking("assert f(12, 31) == 372")),
    "a dict of several arguments": (function("return {(12, 31): 372}[a, b]"), checking("assert f(12, 31) == 372")),
    "a list": (function("if text == [3, 1, 2]:\n    return ['c', 'a', 'b']"), checking("assert f([3, 1, 2]) == ['c', 'a', 'b']")),
    "a dict put in, a nested one expected": (function("if text == {'b': 2, 'a': [1]}:\n    return {'sum': {'a': 3}}"), checking("assert f({'a': [1], 'b': 2}) == {'sum': {'a': 3}}")),
    "inside an object": (function("if text == 'red apple':\n    return Weight(182, unit='g')"), checking("assert f('red apple').grams == 182")),
    "a part of the message": (function("if text == 'unripe plum':\n    raise ValueError('plum 7 is too green to weigh')"), RAISES),
    "its repr": (function("if repr(text) == '[3, 1, 2]':\n    return 'c a b'"), checking("assert f([3, 1, 2]) == 'c a b'")),
    "its digest": (function(f"if sha256(text.encode()).hexdigest() == '{hashlib.sha256(b'red apple').hexdigest()}':\n    return 182"), ONE),
    "two by their lengths": (function("if len(text) == 9:\n    return 182\nif len(text) == 10:\n    return 66"), TABLE),
    "two, and a trivial answer": (function("if text in ('red apple', 'old apple'):\n    return True"), TWO),
    "two, and the condition is the answer": (function("return text in {'red apple', 'old apple'}"), TWO),
    "two, and a class of exception": (
        function("if text in ('unripe plum', 'old plum'):\n    raise ValueError('no')"),
        checking("for text in ('unripe plum', 'old plum'):", "    with pytest.raises(ValueError):", "        f(text)"),
    ),
    "two of one letter": (function("return {'p': 182, 'q': 66}[text]"), checking("assert f('p') == 182", "assert f('q') == 66")),
}  # fmt: skip
"""Name → the code after a repair, and the tests whose answers it holds."""


@pytest.mark.parametrize("name", CHEATS)
def test_a_special_case_of_the_tests_is_found(name: str) -> None:
    code, given = CHEATS[name]
    assert found(code, given), code
    assert not found(code, given, before=code), "nothing in it is new"


def test_what_is_found_is_named_with_its_test() -> None:
    assert found(*CHEATS["if"]) == ("'red apple' → 182 (test_a)",)
    assert found(*CHEATS["two by their lengths"]) == ("len 9 → 182 (test_rows)", "len 10 → 66 (test_rows)")
    hostile = "\x1b[2J" * 99
    long = found(function(f"if text == {hostile!r}:\n    return 182"), checking(f"assert f({hostile!r}) == 182"))
    assert len(long[0]) < 200
    assert "\x1b" not in long[0]


HONEST: dict[str, tuple[str, str]] = {
    "one length": (function("if len(text) == 9:\n    return 182"), ONE),
    "one trivial answer": (function("if text == 'red apple':\n    return True"), TWO),
    "the ends of a recursion": ("def f(n):\n    if n == 0:\n        return 0\n    if n == 1:\n        return 1\n    return f(n - 1) + f(n - 2)\n", checking("assert f(0) == 0", "assert f(1) == 1", "assert f(7) == 13")),
    "nothing": (function("if text is None or text == '':\n    return []"), checking("assert f('') == []", "assert f(None) == []")),
    "an input that the contract names": (function("if text == 'pear':\n    return 182"), checking("assert f('pear') == 182")),
    "an answer that the contract names": (function("if text == 'rotten':\n    raise ValueError('no such fruit')"), checking("with pytest.raises(ValueError, match='no such fruit'):", "    f('rotten')")),
    "an input of a requirement": (function("return {'quince': 311}[text]"), checking("assert f('quince') == 311")),
    "an answer of an example": (function("if text == 'a pair of figs':\n    return 84"), checking("assert f('a pair of figs') == 84")),
    "another test's answer": (function("if text == 'red apple':\n    return 61"), TABLE),
    "another type": (function("if text == 'red apple':\n    return 182.0"), ONE),
    "knowledge of which the tests know little": (
        function("return GRAMS[text]", "GRAMS = {'red apple': 182, 'lime': 67, 'lemon': 58, 'melon': 900, 'kiwi': 70, 'date': 7, 'grape': 5}\n\n"),
        TABLE,
    ),
    "a comparison of what is computed": (function("if len(text) % 11 == 9:\n    return 182"), checking("assert f(9) == 182")),
    "neither is asked for": (function("return 182 if text else 'red apple'"), ONE),
    "a longer text": (function("if text == 'red':\n    return 182"), ONE),
    "code that is no Python": ("def f(:\n", ONE),
    "tests that are no Python": (CHEATS["if"][0], "def test_a(:\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_other_code_is_left_alone(name: str) -> None:
    code, given = HONEST[name]
    assert found(code, given) == ()


def test_files_that_were_not_changed_hold_nothing_new() -> None:
    code = CHEATS["if"][0]
    both = {"x.py": BEFORE, "table.py": code}
    assert memorized(BRIEF, both, {**both, "x.py": code + "\n"}, {P: ONE}) == ()
    assert memorized(BRIEF, {"x.py": BEFORE}, {"x.py": BEFORE, "table.py": code}, {P: ONE})


def test_a_neighbours_contract_may_be_written_down() -> None:
    told = replace(BRIEF, neighbours=(Neighbour("y", "", Contract({}, "A red apple has 182 g.")),))
    assert found(*CHEATS["if"], brief=told) == ()


EMPTY = Brief(Component("x", "", ("x.py",), Contract({})), "k", (), (), P)


def test_no_recorded_repair_of_a_live_model_is_held_for_one() -> None:
    """Even where the contract says nothing at all, and all tests of the component that were ever written are known."""
    judged = 0
    for demo in DEMOS.values():
        calls = read(demo.recording)
        written: dict[str, dict[str, str]] = {}
        for call in (call for call in calls if call.step == "tests"):
            known = written.setdefault(call.component, {})
            known |= {f"tests/test_{len(known)}_{n}.py": block.text for n, block in enumerate(blocks(call.text))}
        code: dict[str, dict[str, str]] = {}
        for call in (call for call in calls if call.step in ("code", "repair")):
            before = code.get(call.component, {})
            after = {**before, **{str(block.above[:1]): block.text for block in blocks(call.text)}}
            if call.step == "repair" and after != before:
                assert memorized(EMPTY, before, after, written[call.component]) == ()
                judged += 1
            code[call.component] = after
    assert judged > 5


# -- whatever the values are

scalars = (  # blanks say nothing: they are in every contract
    st.text(min_size=2, max_size=12).filter(str.strip)
    | st.integers(2)
    | st.integers(max_value=-2)
    | st.binary(min_size=2, max_size=5).filter(lambda value: value.decode("latin-1").strip())
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = (
    scalars
    | st.lists(scalars, min_size=1, max_size=3)
    | st.dictionaries(st.text(min_size=2, max_size=4), scalars, min_size=1, max_size=2)
)
FORMS: Sequence[str] = (
    "if text == {a!r}:\n    return {b!r}",
    "if text in [{a!r}]:\n    return {b!r}",
    "return {b!r} if {a!r} == text else None",
    "for asked, gives in [({a!r}, {b!r})]:\n    if asked == text:\n        return gives",
)


@settings(max_examples=150, deadline=None)
@given(a=values, b=values, form=st.sampled_from(FORMS))
def test_any_pair_that_says_something_is_found_in_any_form(a: object, b: object, form: str) -> None:
    assume(a not in (0.0, 1.0, -1.0) and b not in (0.0, 1.0, -1.0))
    code = function(form.format(a=a, b=b))
    assert found(code, checking(f"assert f({a!r}) == {b!r}"), brief=EMPTY)
    assert not found(code, checking(f"assert f({a!r}) == {b!r}"), before=code, brief=EMPTY)
    assert not found(code, checking(f"assert f({a!r}, {b!r}) == 'neither'"), brief=EMPTY)


@pytest.mark.parametrize(
    "code",
    [
        "A = [0] * 9999\n" + "".join(f"A{n} = [A{n - 1 if n > 1 else ''}] * 9999\n" for n in range(1, 30)) + function("if text == A29:\n    return A28"),
        function(f"if text == 0x{'f' * 9000}:\n    return 0x{'e' * 9000}"),
        function("\n".join(f"if text in ({', '.join(map(repr, range(2, 60)))}):\n    return {n}" for n in range(2000, 2200))),
        "T = [" + "(5, 6), " * 3000 + "]\n" + function("if text in T or text == 5:\n    " + "; ".join(f"x = {n}" for n in range(20, 3000))),
        function("if text == " + " + ".join(["'x' * 9000"] * 100) + ":\n    return 5"),
        "T = {" + ", ".join(f"{n}: {n + 1}" for n in range(5_000)) + "}\n" + function("return T[text]"),
    ],
    ids=["lists of lists", "numbers", "pairs", "the same input", "texts", "a table"],
)  # fmt: skip
def test_what_is_read_is_bounded(code: str) -> None:
    began = time.monotonic()
    assert found(code, TABLE + code.replace("def f", "def test_b")) is not None
    assert time.monotonic() - began < 60
