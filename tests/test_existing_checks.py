"""A program that exists, under the toolchain: what is red on it, what it lends a proof, what must go on working."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import sys
import types
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks import mutants
from agent.checks.python import PytestToolchain, declared_ids
from agent.checks.regression import BEFORE, Regression, laid_out, nearest
from agent.checks.strength import NOTHING_NEW, measure
from agent.checks.stub import stub_files
from agent.sandbox import open_sandbox
from agent.sandbox.base import SandboxLimits
from graphs.errors import PathRefused
from graphs.values import Component, Contract, Files, Limits

P = "tests/test_new.py"
ROWS = '''\
"""Rows."""
import re


def parse(text):
    return [line.split(",") for line in text.splitlines()]


def width(rows):
    return max(len(row) for row in rows)


EMPTY = parse("")
'''
OLD_TESTS = """\
from app.rows import parse, width
from tests.data import TEXT
def test_parse():
    assert parse(TEXT) == [["a", "b"]]
def test_width():
    assert width([["a"]]) == 1
def test_never_passed():
    assert width([["a"]]) == 2
"""
EXISTING = {
    "app/rows.py": ROWS,
    "app/report.py": "from app.rows import parse, width\nfrom app import rows\nTITLES = parse('x,y')\ndef report(text):\n    return width(parse(text))\n",
    "tests/data.py": "TEXT = 'a,b'\n",
    "tests/conftest.py": "import pytest\n@pytest.fixture\ndef text():\n    return 'a,b'\ndef pytest_runtest_call(item):\n    item.obj = lambda **_: None\n",
    "tests/test_rows.py": OLD_TESTS,
    "tests/test_report.py": "from app.report import TITLES, report\ndef test_report(text):\n    assert report(text) == 2\n    assert TITLES == [['x', 'y']]\n",
    "README.md": "# Rows\n",
}  # fmt: skip
INTERFACE = "def width(rows: list, least: int = 0) -> int: ...\ndef tall(rows: Unknown) -> bool: ...\n"
COMPONENT = Component("new", "", ("app/rows.py",), Contract({"app/rows.py": INTERFACE}))
DONE = ROWS.replace("def width(rows):\n    return max(", "def width(rows, least=0):\n    return max(least, *(").replace(
    "for row in rows)\n\n\nEMPTY",
    "for row in rows))\n\n\ndef tall(rows):\n    return len(rows) > width(rows)\n\n\nEMPTY",
)


def made(existing: Files) -> PytestToolchain:
    return PytestToolchain(open_sandbox("bubblewrap"), SandboxLimits(seconds=30, memory_mb=512), existing=existing)


@pytest.fixture(scope="module")
def toolchain() -> PytestToolchain:
    return made(EXISTING)


# -- stubs


def module(existing: str, interface: str) -> Any:
    """The stub of a file that exists, as a module that really ran."""
    component = Component("x", "", ("x.py",), Contract({"x.py": interface}))
    ran = types.ModuleType("changed_under_test")
    sys.modules[ran.__name__] = ran  # dataclasses look it up
    try:
        exec(
            compile(stub_files(component, {"x.py": existing})["x.py"], "x.py", "exec", dont_inherit=True), ran.__dict__
        )
    finally:
        del sys.modules[ran.__name__]
    return ran


CLASSES = """\
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
@dataclass(frozen=True)
class C:
    a: int
    b: int = 1
    def m(self): return self.a
    def kept(self): return self.a
    @property
    def p(self): return self.a
    @classmethod
    def made(cls): return cls(1)
class Open:
    LIMIT = 3
    _p = 0
    @property
    def p(self): return self._p
    @p.setter
    def p(self, value): self._p = value
    def __hidden(self): return 1
    def seen(self): return self.__hidden()
class Colour(Enum):
    RED = 1
@lru_cache
def cached(n): return n
def plain(n): return n
async def waits(): return 1
DEFAULT = C(plain(1))
TABLE = {"plain": plain}
"""


@pytest.mark.parametrize(
    ("interface", "refuses", "holds"),
    [
        ("def plain(n, m=0): ...", "plain(1, m=2)", "TABLE['plain'](1) == 1 and cached(1) == 1 and DEFAULT.a == 1"),
        ("def cached(n): ...", "cached(2)", "hasattr(cached, 'cache_clear')"),
        ("async def waits(): ...", "waits().send(None)", "iscoroutinefunction(waits)"),
        ("def added(a: Nowhere) -> Nowhere: ...", "added(1)", "plain(1) == 1"),
        ("class C:\n    def m(self) -> int: ...", "C(1).m()", "C(1).kept() == C(1).p == 1"),
        ("class C:\n    @classmethod\n    def made(cls): ...", "C.made()", "C(1).m() == 1"),
        ("class C:\n    def made(cls): ...", "C.made()", "C(1).m() == 1"),
        ("class C:\n    n: Nowhere\n    def more(self): ...", "C(1).more()", "C(2, n=3).n == 3 and C(2) == C(2) and DEFAULT.a == 1"),
        ("class C:\n    b: int = 5\n    @property\n    def p(self): ...", "C(1).p", "C(1).b == 5"),
        ("class C:\n    def __init__(self, a): ...", "C(1)", "DEFAULT is not None"),
        ("class Open:\n    @property\n    def p(self): ...", "Open().p", "setattr(Open(), 'p', 3) is None"),
        ("class Open:\n    @p.setter\n    def p(self, value): ...", "setattr(Open(), 'p', 3)", "Open().p == 0"),
        ("class Open:\n    def __hidden(self): ...", "Open().seen()", "Open.LIMIT == 3"),
        ("class Open:\n    LIMIT = 4\n    MORE: int = 5\n    def m(self): ...", "Open().m()", "(Open.LIMIT, Open.MORE) == (4, 5)"),
        ("class Colour(Enum):\n    RED = 1\n    BLUE = 2\n    def m(self): ...", "Colour.BLUE.m()", "len(Colour) == 2 and Colour(1) is Colour.RED"),
        ("class New:\n    a: Nowhere\n    def m(self): ...", "New()", "plain(1) == 1"),
        ("from no_such import Thing\nLIMIT: int = 4\ndef f(a: Thing): ...", "f(1)", "LIMIT == 4"),
        ("if True:\n    def plain(n): ...", "plain(1)", "cached(1) == 1"),
        ("@no_such.command()\ndef plain(n): ...", "plain(1)", "cached(1) == 1"),
    ],
)  # fmt: skip
def test_what_the_interface_states_refuses_and_all_else_works(interface: str, refuses: str, holds: str) -> None:
    from inspect import iscoroutinefunction

    names = {**vars(module(CLASSES, interface)), "iscoroutinefunction": iscoroutinefunction}
    with pytest.raises(NotImplementedError, match=r"x\.py:"):
        eval(refuses, names)
    assert eval(holds, names)


@pytest.mark.parametrize(
    ("existing", "interface"),
    [
        ("def f(): return 1\n", "def f(:"),
        ("def f(): return 1  # kept\n", ""),
        ("# -*- coding: latin-1 -*-\ndef f(): return 1\n", "def f(): ..."),
    ],
)
def test_what_cannot_be_read_stays_as_it_is(existing: str, interface: str) -> None:
    component = Component("x", "", ("x.py", "data.txt", "y.py"), Contract({"x.py": interface, "data.txt": "x"}))
    found = stub_files(component, {"x.py": existing, "data.txt": "a"})
    assert found["x.py"] == existing
    assert set(found) == {"x.py", "y.py"}
    assert found["y.py"] == stub_files(component)["y.py"]


def test_what_nobody_can_import_has_the_stub_of_a_new_file() -> None:
    component = Component("x", "", ("x.py",), Contract({"x.py": "def f(): ..."}))
    assert stub_files(component, {"x.py": "def f():\n    # to be written\n"}) == stub_files(component)


def test_what_a_program_does_when_it_is_run_comes_after_what_is_added() -> None:
    found = module("import sys\ndef main(): pass\nseen = []\nseen.append(sorted(globals()))\n", "def extra(): ...")
    assert "extra" in found.seen[0]


LINES = st.sampled_from(
    [
        "def f(a=1): ...", "class C:\n    x: int\n    def m(self): ...", "class C:\n    def __init__(self, a): ...", "X = 3",
        "class D(Exception):\n    def __init__(self, a): ...", "@deco\ndef f(b: B) -> C: ...", "from y import Z as X", "@f\nclass C: ...",
        "class E(Enum):\n    A = ...\n    B = 7", "async def f(): ...", "def deco(f): ...", "class C:\n    @x.setter\n    def x(self, v): ...",
        "class T(NamedTuple):\n    b: str", "class T:\n    c = 1\n    class N:\n        def k(self): ...", "__all__ = ['f']", "E = f = C",
        "class M(type):\n    def __new__(cls, *a): ...\n    def __call__(cls, *a): ...", "class P(C, metaclass=M):\n    def __init_subclass__(cls): ...",
    ]
)  # fmt: skip
WHOLE = [
    CLASSES,
    "def deco(g):\n    return g\n@deco\ndef f(a):\n    return a\nX = f(1)\nclass C:\n    x = f(2)\nassert C().x == X + 1\n",
    "from typing import NamedTuple\nclass T(NamedTuple):\n    a: int\n    class N:\n        k = 1\nt = T(1)\nassert t.a == T.N.k\n",
    "class M(type):\n    def __call__(cls, *a):\n        return super().__call__(*a)\nclass C(metaclass=M):\n    __slots__ = ('x',)\nc = C()\nclass P(C):\n    pass\n",
    "try:\n    import no_such\n    def f(): return 1\nexcept ImportError:\n    def f(): return 2\nif f() == 2:\n    class C:\n        def m(self): return 1\nX = C().m()\n",
    "from __future__ import annotations\nimport enum\nclass E(enum.Enum):\n    A = enum.auto()\nclass D(ValueError):\n    def __init__(self, a): super().__init__(a)\ntry:\n    raise D(E.A)\nexcept D:\n    pass\n",
]  # fmt: skip


@given(st.sampled_from(WHOLE), st.lists(LINES, max_size=6))
def test_a_module_that_can_be_imported_still_can(existing: str, stated: list[str]) -> None:
    module(existing, "\n".join(stated))


# -- red


@pytest.mark.parametrize(
    ("head", "body", "problem"),
    [
        ("tall", "tall([['a'], ['b']])", ""),
        ("width", "width([['a']], least=5) == 5", ""),
        ("parse", "parse('a') == [['a']]", "it passes on the program as it was, without what the contract states"),
        ("EMPTY", "EMPTY == []", "it passes on the program as it was"),
        ("nothing", "nothing()", "cannot be imported"),
    ],
)  # fmt: skip
def test_red_on_a_program_that_exists(toolchain: PytestToolchain, head: str, body: str, problem: str) -> None:
    tests = {P: f"import pytest\nfrom app.rows import {head}\ndef test_it():\n    assert {body}\n"}
    report = toolchain.red_tree(toolchain.stub(COMPONENT), tests, COMPONENT)
    assert report.good == (() if problem else (f"{P}::test_it",))
    assert [problem in reason for _, reason in report.bad] == ([True] if problem else [])


def test_what_the_rest_computes_at_its_import_stays(toolchain: PytestToolchain) -> None:
    """``app.report`` calls ``parse`` while it is imported; a test of the new ``parse`` can still import it."""
    component = replace(COMPONENT, contract=Contract({"app/rows.py": "def parse(text: str) -> list: ...\n"}))
    tests = {
        P: "from app.report import TITLES\nfrom app.rows import parse\ndef test_it():\n    assert parse(';') == TITLES\n"
    }
    report = toolchain.red_tree(toolchain.stub(component), tests, component)
    assert (report.good, report.bad) == ((f"{P}::test_it",), ())
    assert "NotImplementedError" in report.verdict.cases[0].message


# -- proof and strength


def test_a_proof_sees_the_rest_of_the_program_and_may_replace_it(toolchain: PytestToolchain) -> None:
    tests = {
        P: "from app.report import report\nfrom pathlib import Path\ndef test_it():\n    assert report('a,b') == 2\n    assert Path('README.md').read_text() == '# Rows\\n'\n"
    }
    ids = declared_ids(tests)
    assert toolchain.prove_tree({}, tests, ids).status == "passed"
    assert toolchain.prove_tree({"README.md": "else"}, tests, ids).status == "failed"
    assert toolchain.prove_tree({}, tests, ids).status == "passed", "nothing of one tree reaches the next"
    for clash in ({"app": "x"}, {"README.md/x": "x"}):
        with pytest.raises(PathRefused):
            toolchain.prove_tree(clash, tests, ids)


@pytest.mark.parametrize(
    ("after", "rows", "mutated"),
    [
        (DONE, {9, 10, 13, 14}, {9, 13, 14}),
        (ROWS.replace("max(len(row) for row in rows)", "max(\n        len(row)\n        for row in rows if row\n    )"), {10}, {12}),
        (ROWS.replace("\n", "\r\n"), set(), set()),
        (ROWS.replace("import re\n", ""), set(), set()),
        (ROWS, set(), set()),
    ],
)  # fmt: skip
def test_only_changed_lines_are_mutated(after: str, rows: set[int], mutated: set[int]) -> None:
    found = mutants.read({"x.py": after}, {"x.py": ROWS})
    assert set(found.lines["x.py"].values()) == rows
    assert {candidate.line for candidate in found.candidates} == mutated
    new, alone = mutants.read({"x.py": after}, {"y.py": ROWS}), mutants.read({"x.py": after})
    assert (new.lines, len(new.candidates)) == (alone.lines, len(alone.candidates))


def test_strength_is_of_changed_lines(toolchain: PytestToolchain) -> None:
    tests = {
        P: "from app.rows import tall, width\ndef test_it():\n    assert tall([['a'], ['b']])\n    assert width([['a']], 3) == 3\n"
    }
    given_ = (tests, declared_ids(tests), (), Limits(mutants=4, mutant_seconds=60), None, EXISTING)
    found = measure(toolchain, COMPONENT.files, {"app/rows.py": DONE}, *given_)
    assert (found.reason, found.lines, found.reached) == ("", 4, 4)
    assert {mutant.line for mutant in found.mutants} <= {9, 10, 13, 14}
    assert found.killed >= 2
    shorter = {"app/rows.py": ROWS.replace("import re\n", "")}
    assert measure(toolchain, COMPONENT.files, shorter, *given_).reason == NOTHING_NEW


# -- what worked goes on working


def test_what_passed_before_must_pass(toolchain: PytestToolchain) -> None:
    """Also with a fixture of a conftest.py, whose hooks take no part, and with what lies beside the tests."""
    tests = {P: "from app.rows import tall\ndef test_it():\n    assert tall([['a'], ['b']])\n"}
    ids = declared_ids(tests)
    held = [f"tests/test_{name}" for name in ("report.py::test_report", "rows.py::test_parse", "rows.py::test_width")]
    good = toolchain.integrate_tree({"app/rows.py": DONE}, tests, ids, (), "")
    assert good.status == "passed", good
    assert good.passed == {*ids, *held}
    worse = DONE.replace('split(",")', 'split(";")')
    bad = toolchain.integrate_tree({"app/rows.py": worse}, tests, ids, (), "")
    assert bad.status == "failed"
    assert bad.passed == {*ids, held[2]}
    assert {case.id for case in bad.failing} == {held[0], held[1]}
    assert all(case.message.startswith(BEFORE) for case in bad.failing)
    assert bad.reason.endswith("passed before the change, and does not any more")
    owned = {"app/rows.py": worse, "tests/test_rows.py": "", "tests/test_report.py": ""}
    assert toolchain.integrate_tree(owned, tests, ids, (), "").passed == set(ids), "what the plan owns is no judge"


def test_hostile_names_take_no_part() -> None:
    loud = "raise SystemExit('taken part')\n"
    names = (
        "conftest.py",
        "sitecustomize.py",
        "usercustomize.py",
        "pytest.py",
        "json.py",
        "_pytest/__init__.py",
        "tests/__init__.py",
    )
    hostile = {
        **EXISTING,
        **dict.fromkeys(names, loud),
        "tests/__init__.py": "",
        "pytest.ini": "[pytest]\naddopts = --collect-only\n",
    }
    existing = made(hostile)
    tests = {
        P: "import json\nimport pytest\nfrom app.rows import tall\ndef test_it():\n    with pytest.raises(TypeError):\n        tall()\n    assert json.loads('1') == 1\n"
    }
    report = existing.red_tree(existing.stub(COMPONENT), tests, COMPONENT)
    assert report.bad == ((f"{P}::test_it", report.bad[0][1]),)
    assert "it passes on the program as it was" in report.bad[0][1]
    tests[P] += "    assert tall([[1], [2]])\n"
    assert existing.red_tree(existing.stub(COMPONENT), tests, COMPONENT).bad == ()
    verdict = existing.integrate_tree({"app/rows.py": DONE}, tests, declared_ids(tests), (), "")
    assert (verdict.status, len(verdict.cases)) == ("passed", 4), verdict


def test_nearest_tests_come_first_and_one_file_is_asked_once() -> None:
    existing = {
        "src/app/__init__.py": "", "src/app/core.py": "", "src/app/mid.py": "from .core import x", "src/app/far.py": "from . import mid",
        "tests/test_d.py": "import json", "tests/test_c.py": "from app.far import y", "tests/test_b.py": "def test_x():\n    import app.mid",
        "tests/test_a.py": "from app import core\ndef test_x(): ...", "tests/sub/help.py": "", "broken.py": "def (",
    }  # fmt: skip
    order = tuple(f"tests/test_{name}.py" for name in "abcd")
    assert nearest(existing, ["src/app/core.py"]) == order
    assert nearest(existing, ["src/app/far.py"])[0] == order[2]
    assert set(laid_out(existing, order[0])) == {*order, "tests/sub/help.py"}
    asked: list[str] = []

    def passing(tests: Files, ids: Any, seconds: float) -> tuple[str, ...] | None:
        asked.append(ids[0])
        return tuple(ids) if seconds > 0 else None

    regression = Regression(existing, passing)
    first = regression.held({"src/app/core.py": "x = 1"}, ())
    assert [held.path for held in first] == [order[0], order[1]]
    assert regression.held({"src/app/core.py": "x = 1"}, (order[0],)) == first[1:]
    assert asked == [f"{order[0]}::test_x", f"{order[1]}::test_x"]
    assert Regression(existing, passing, seconds=0.5).held({"src/app/core.py": "x = 1"}, ()) == ()
