"""Taking one test out of a file and putting another in its place, without touching a byte beside it."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import ast
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.checks.journaled import JournaledChecker
from agent.checks.pytest_source import (
    declared_ids,
    source_of,
    tied_requirements,
    with_added,
    with_replaced,
    without_tests,
)
from agent.checks.python import PytestToolchain
from agent.sandbox import open_sandbox
from agent.store.journal import SqliteJournal
from graphs.errors import AnswerError
from graphs.scheduler import Slots

P = "tests/test_x.py"
FILE = '''\
"""Tests."""
import pytest
from x import f

TEXT = "\x0c\u2028 no line ends here"


@pytest.mark.parametrize(
    "a", [1, 2]
)
def test_a(a):
    assert f(a) == 1  # as it says


class TestB:
    """Of a class."""

    @pytest.mark.parametrize("a", [1])
    # why
    def test_b(self, a):
        """First.

        Second."""
        text = """
    one
two"""
        assert f(text) == ("p"
                           "q")

    def test_c(self): assert f(3) == 4
    class TestD:
    \tdef test_d(self):
    \t\tassert f(4)
async def test_e():
    assert await f()'''
A, B, C, D, E = (
    f"{P}::{name}" for name in ("test_a", "TestB::test_b", "TestB::test_c", "TestB::TestD::test_d", "test_e")
)
OTHER = {P: FILE, "tests/data.txt": "def test_a(): pass\n"}


def test_the_file_is_what_the_other_tests_take_it_for() -> None:
    assert declared_ids(OTHER) == (A, B, C, D, E)


@pytest.mark.parametrize(
    ("test_id", "first", "last"),
    [
        (A, "@pytest.mark.parametrize(\n", "    assert f(a) == 1  # as it says\n"),
        (B, '@pytest.mark.parametrize("a", [1])\n# why\n', '                           "q")\n'),
        (C, "def test_c(self): assert f(3) == 4\n", ""),
        (D, "def test_d(self):\n\tassert f(4)\n", ""),
        (E, "async def test_e():\n    assert await f()", ""),
    ],
)
def test_the_source_of_a_test_stands_at_the_margin(test_id: str, first: str, last: str) -> None:
    source = source_of(OTHER, test_id)

    assert source.startswith(first)
    assert source.endswith(last or first)
    assert len(ast.parse(source).body) == 1


@pytest.mark.parametrize("test_id", [f"{P}::test_z", f"{P}::TestB", P, "tests/data.txt::test_b", "test_a", ""])
def test_a_test_that_is_not_there_has_no_source_and_cannot_be_replaced(test_id: str) -> None:
    assert source_of(OTHER, test_id) == ""
    with pytest.raises(AnswerError, match="there is no such test"):
        with_replaced(OTHER, {test_id: "def test_z(): pass\n"})


def test_the_last_of_two_tests_of_a_name_is_the_one_that_runs() -> None:
    tests = {P: "def test_a():\n    assert 1\n\ndef test_a():\n    assert 2\n"}

    assert source_of(tests, A) == "def test_a():\n    assert 2\n"
    assert with_replaced(tests, {A: "def test_a(): assert 3"}) == {
        P: "def test_a():\n    assert 1\n\ndef test_a(): assert 3\n"
    }


NEW = {
    A: "def test_a():\n    from x import g\n\n    assert g() == 2\n",
    B: '@pytest.mark.parametrize("a", [1])\n@other\ndef test_b(self, a):\n    text = f"""\n{a}\n  """\n    assert f(text)\n',
    C: "\n\ndef test_c(self):\n    assert f(3) == '''\n'''\n\n    # the end\n\n",
    D: "def test_d(self): assert f(5)",
    E: "def test_e():\r\n    assert asyncio.run(f())\r\n",
}


@pytest.mark.parametrize("test_id", NEW)
def test_a_test_is_replaced_and_nothing_else(test_id: str) -> None:
    changed = with_replaced(OTHER, {test_id: NEW[test_id]})

    assert declared_ids(changed) == declared_ids(OTHER)
    assert ast.dump(ast.parse(source_of(changed, test_id))) == ast.dump(ast.parse(NEW[test_id]))
    assert {i: source_of(changed, i) for i in (A, B, C, D, E) if i != test_id} == {
        i: source_of(OTHER, i) for i in (A, B, C, D, E) if i != test_id
    }
    before, after = (tests[P].split("\n") for tests in (OTHER, changed))
    old, new = (source_of(tests, test_id).rstrip("\n").count("\n") + 1 for tests in (OTHER, changed))
    start = next(n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
    assert len(after) - len(before) in (new - old, new - old + (test_id == E))
    assert before[:start] == after[:start]
    if test_id != E:
        end = len(before) - (start + old)
        assert before[-end:] == after[-end:]


def test_several_tests_are_replaced_at_once() -> None:
    changed = with_replaced(OTHER, NEW)

    assert declared_ids(changed) == declared_ids(OTHER)
    assert changed["tests/data.txt"] == OTHER["tests/data.txt"]
    for test_id, source in NEW.items():
        assert ast.dump(ast.parse(source_of(changed, test_id))) == ast.dump(ast.parse(source))
    assert with_replaced(OTHER, {i: source_of(OTHER, i) for i in NEW}) == OTHER
    assert with_replaced(changed, {i: source_of(OTHER, i) for i in NEW})[P].rstrip("\n") == FILE
    assert OTHER[P] == FILE


REFUSED = {
    "nothing": ("", "it holds nothing"),
    "another name": ("def test_b(): pass\n", "it holds FunctionDef test_b"),
    "an import beside it": ("import x\ndef test_a(): pass\n", "with its imports inside; it holds Import, FunctionDef test_a"),
    "a test beside it": ("def test_a(): pass\ndef test_z(): pass\n", "it holds FunctionDef test_a, FunctionDef test_z"),
    "twice": ("def test_a(): pass\ndef test_a(): pass\n", "it holds FunctionDef test_a, FunctionDef test_a"),
    "a class": ("class test_a: pass\n", "it holds ClassDef test_a"),
    "in a class": ("class TestB:\n    def test_a(self): pass\n", "it holds ClassDef TestB"),
    "an assignment": ("test_a = None\n", "it holds Assign"),
    "not Python": ("def test_a(:\n", "line 1 of the new source is not valid Python"),
    "indented": ("    def test_a(): pass\n", "line 1 of the new source is not valid Python"),
    "half a character": ("def test_a(): '\ud800'\n", "not valid Python"),
    "another encoding": ("# coding: utf-7\ndef test_a(): pass\n", "not valid Python"),
    "nested too deeply": (f"def test_a(): assert {'-' * 1500}1\n", "write it more plainly"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_one_function_of_the_same_name_is_refused_by_name(source: str, sentence: str) -> None:
    with pytest.raises(AnswerError) as caught:
        with_replaced(OTHER, {A: source, C: NEW[C]})

    (problem,) = caught.value.problems
    assert problem.startswith(f"{A}: ")
    assert sentence in problem


def test_tests_of_a_file_that_cannot_be_parsed_are_not_there() -> None:
    broken = {P: "def test_a(): pass\nx = (\n"}

    assert source_of(broken, A) == ""
    with pytest.raises(AnswerError, match="there is no such test"):
        with_replaced(broken, {A: "def test_a(): pass\n"})


def test_lines_are_counted_as_python_counts_them() -> None:
    odd = "X = '\x0c\x1c\u2028\x85'\r\ndef test_a():\r    assert X\ndef test_b():\n    assert 1\n"

    assert source_of({P: odd}, A) == "def test_a():\r    assert X\n"
    assert without_tests({P: odd}, [A])[P].endswith("\r\n...\ndef test_b():\n    assert 1\n")


def test_tests_of_a_class_indented_with_tabs_can_be_taken_out() -> None:
    tests = {P: "class TestB:\n\tdef test_b(self):\n\t\tassert f()\n\tdef test_c(self):\n\t\tassert f()\n"}

    assert declared_ids(without_tests(tests, [B])) == (C,)


def test_checkers_read_and_amend_tests_in_this_way(tmp_path: Path) -> None:
    toolchain = PytestToolchain(open_sandbox("bubblewrap"))
    with closing(SqliteJournal.create(tmp_path / "run")) as journal:
        for checker in (toolchain, JournaledChecker(toolchain, journal, Slots(1))):
            assert checker.source(OTHER, A) == source_of(OTHER, A)
            assert checker.amended(OTHER, NEW) == with_replaced(OTHER, NEW)
            assert checker.extended(OTHER, P, [ADDED]) == with_added(OTHER, P, [ADDED])
            assert checker.tied({P: TIED}) == tied_requirements({P: TIED})
            assert checker.unsteady({P: UNSTEADY}, A) == "the clock (time.time)"


# -- more tests

ADDED = "def test_new():\n    from x import g\n\n    assert g() == 2\n"
UNSTEADY = "import time\ndef test_a():\n    assert f(time.time())\n"


@pytest.mark.parametrize(
    ("before", "between"),
    [
        ("import x\n", "\n\n"),
        ("import x", "\n\n\n"),
        ("import x\n\n", "\n"),
        ("import x\n\n\n", ""),
        ("import x\n\n\n\n\n", ""),
        ("x = '''\n'''\n", "\n\n"),
        ("class TestB:\n    def test_b(self): assert f()", "\n\n\n"),
        ("import x  # the end", "\n\n\n"),
        ("if x:\n    pass\n    # the end\n", "\n\n"),
        ("", ""),
    ],
)
def test_a_test_is_added_at_the_end_and_nothing_else_changes(before: str, between: str) -> None:
    changed, ids = with_added({P: before, "tests/data.txt": "a"}, P, [ADDED])

    assert changed == {P: before + between + ADDED, "tests/data.txt": "a"}
    assert ids == (f"{P}::test_new",)
    assert source_of(changed, ids[0]) == ADDED


def test_several_tests_are_added_in_order_and_the_same_one_once() -> None:
    other = "\n\n@pytest.mark.parametrize('a', [x for x in [1]], ids=lambda v: str(v))\n# why\ndef test_other(a: int, b=abs):\n    assert f('''\n''')\n\n    # the end\n\n"
    changed, ids = with_added({P: "import pytest\r\n"}, P, [ADDED, other, ADDED])

    assert ids == (f"{P}::test_new", f"{P}::test_other") == declared_ids(changed)
    assert changed[P].startswith(f"import pytest\r\n\n\n{ADDED}\n\n@pytest.mark")
    assert with_added(changed, P, []) == (changed, ())


def test_a_file_that_is_not_there_is_begun() -> None:
    assert with_added({}, P, [ADDED]) == ({P: ADDED}, (f"{P}::test_new",))


NOT_ADDED = {
    "nothing": ("", "must be one test function and nothing else, with its imports inside; it holds nothing"),
    "an import beside it": (f"import x\n{ADDED}", "it holds Import, FunctionDef test_new"),
    "two": (f"{ADDED}def test_z(): assert f()\n", "it holds FunctionDef test_new, FunctionDef test_z"),
    "no test": ("def check(): assert f()\n", "whose name starts with test; it holds FunctionDef check"),
    "async": ("async def test_z(): assert f()\n", "it holds AsyncFunctionDef test_z"),
    "a fixture": ("@pytest.fixture\ndef test_z(): pass\n", "it holds FunctionDef test_z"),
    "a class": ("class TestZ:\n    def test_z(self): pass\n", "it holds ClassDef TestZ"),
    "not Python": ("def test_z(:\n", "line 1 of the new source is not valid Python"),
    "a name that is taken": ("def test_a(): assert f()\n", "the name 'test_a' is taken"),
    "a name that is imported": ("def test_b(): assert f()\n", "the name 'test_b' is taken"),
    "an unknown decorator": ("@mock.patch('x')\ndef test_z(): assert f()\n", "the head of 'test_z' uses 'mock', which the file does not import"),
    "an unknown default": ("def test_z(a=LIMIT): assert f()\n", "the head of 'test_z' uses 'LIMIT', which the file does not import"),
    "an unknown annotation": ("def test_z(a: Path): assert f()\n", "the head of 'test_z' uses 'Path', which the file does not import"),
    "half a character": ("def test_z(): '\ud800'\n", "not valid Python"),
}  # fmt: skip
TAKEN = "import pytest\nfrom x import test_b\ndef test_a():\n    assert f()\n"


@pytest.mark.parametrize(("source", "sentence"), NOT_ADDED.values(), ids=NOT_ADDED)
def test_what_is_not_one_new_test_is_refused(source: str, sentence: str) -> None:
    with pytest.raises(AnswerError) as caught:
        with_added({P: TAKEN}, P, [ADDED, source])

    (problem,) = caught.value.problems
    assert problem.startswith(f"{P}: ")
    assert sentence in problem


def test_all_that_is_refused_is_named_at_once() -> None:
    with pytest.raises(AnswerError) as caught:
        with_added({P: TAKEN}, P, [source for source, _ in NOT_ADDED.values()])
    assert len(caught.value.problems) == len(NOT_ADDED)


def test_a_name_given_twice_is_taken_the_second_time() -> None:
    with pytest.raises(AnswerError, match="the name 'test_new' is taken"):
        with_added({P: TAKEN}, P, [ADDED, "def test_new():\n    assert f(2)\n"])


@pytest.mark.parametrize(
    ("tests", "path", "sentence"),
    [
        ({"tests/data.txt": ""}, "tests/data.txt", "is not the name of a test file"),
        ({P: "def test_a(:\n"}, P, "the file itself cannot be parsed: invalid syntax"),
        ({P: "x = 1\n\\\n"}, P, "the file itself cannot be parsed: unexpected EOF"),
    ],
)
def test_where_nothing_can_be_added(tests: dict[str, str], path: str, sentence: str) -> None:
    with pytest.raises(AnswerError, match=sentence):
        with_added(tests, path, [ADDED])


TIED = '''
def test_a():
    """R3: it adds.

    R9 is another matter."""

@mark
def test_b():
    """
    Covers R1, R4 and R1.
    """

class TestC:
    """R5: of the class."""

    def test_c(self):
        "R12"

def test_d():
    """Nothing of R2D2 or ER6."""

def test_e(): ...
def helper():
    """R8: no test."""
def test_f():
    """R1: hidden by the next."""
def test_f(): ...
'''


def test_requirements_are_read_from_the_first_line_of_docstrings() -> None:
    assert tied_requirements({P: TIED, "tests/helper.py": TIED, "tests/test_y.py": "def broken(:"}) == {
        f"{P}::test_a": ("R3",),
        f"{P}::test_b": ("R1", "R4"),
        f"{P}::TestC::test_c": ("R12",),
    }


NAMES = st.sampled_from(["test_a", "test_b", "test_c"])
BODIES = st.lists(
    st.sampled_from([
        "assert f() == 1", "x = '''\n two\n'''", 'y = f"""{f()}\n\n  z"""', "# a remark", "with g():\n        pass", "",
        "def inner():\n        return '''\n'''", "z = [\n1,\n  2]", "t = ('a'\n 'b\\\nc')",
    ]), max_size=4,
)  # fmt: skip


@st.composite
def functions(draw: st.DrawFn) -> str:
    decorator = draw(st.sampled_from(["", "@mark\n", "@mark(\n  1\n)\n# why\n"]))
    body = draw(BODIES)
    return f"{decorator}def {draw(NAMES)}(self=None):\n    pass\n" + "".join(f"    {line}\n" for line in body)


@st.composite
def files(draw: st.DrawFn) -> str:
    parts = []
    for function in draw(st.lists(functions(), min_size=1, max_size=3)):
        where = draw(st.integers(0, 2))
        indented = "\n".join(f"{'    ' * where}{line}" if line else line for line in function.split("\n"))
        head = "".join(f"{'    ' * level}class Test{level}:\n" for level in range(where))
        parts.append(f"{head}{indented}\n")
    text = "\n".join([draw(st.sampled_from(["", "import x\r\n", "X = '\x0c'\n"])), *parts])
    return text.rstrip("\n") if draw(st.booleans()) else text


@settings(deadline=None)
@given(files(), files(), functions())
def test_taking_out_and_putting_back_changes_no_byte(text: str, other: str, function: str) -> None:
    tests = {P: text, "tests/test_y.py": other}
    ids = declared_ids(tests)

    for test_id in ids:
        source = source_of(tests, test_id)
        assert len(ast.parse(source).body) == 1
        assert with_replaced(tests, {test_id: source}) == tests
        name = ast.parse(function).body[0].name  # type: ignore[attr-defined]
        if test_id.endswith(f"::{name}"):
            changed = with_replaced(tests, {test_id: function})
            assert ast.dump(ast.parse(source_of(changed, test_id))) == ast.dump(ast.parse(function))
            back = with_replaced(changed, {test_id: source})
            assert {p: t.rstrip("\n") for p, t in back.items()} == {p: t.rstrip("\n") for p, t in tests.items()}


@settings(deadline=None)
@given(files(), functions())
def test_what_is_added_stands_at_the_end_and_can_be_taken_out_again(text: str, function: str) -> None:
    name = ast.parse(function).body[0].name  # type: ignore[attr-defined]
    function = function.replace(f"def {name}(", "def test_new(", 1).replace("@mark", "@repr")
    changed, (added,) = with_added({P: text}, P, [function])

    assert changed[P].startswith(text)
    assert declared_ids(changed) == (*declared_ids({P: text}), added)
    assert ast.dump(ast.parse(source_of(changed, added))) == ast.dump(ast.parse(function))
    if declared_ids({P: text}):
        assert declared_ids(without_tests(changed, [added])) == declared_ids({P: text})


@settings(deadline=None)
@given(st.text(st.sampled_from("def test_a():\n pass@'\"\\#;x=1\x0c\r\t"), max_size=40))
def test_any_source_is_put_in_whole_or_refused(source: str) -> None:
    try:
        changed = with_replaced(OTHER, {A: source})
    except AnswerError:
        return
    assert declared_ids(changed) == declared_ids(OTHER)
    assume(source.strip())
    assert FILE[FILE.index("class TestB") :] in changed[P]
