"""Stubs of contracts: always importable, and whatever is called or constructed raises NotImplementedError."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import asyncio
import sys
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks.stub import problems_of_interface, stub_files
from graphs.values import Component, Contract


def stubbed(source: str, path: str = "pkg/x.py") -> str:
    return stub_files(Component("x", "", (path,), Contract({path: source})))[path]


def imported(source: str, path: str = "pkg/x.py") -> Any:
    """The stub as a module that really ran."""
    module = types.ModuleType("stub_under_test")
    sys.modules[module.__name__] = module  # dataclasses look it up
    try:
        exec(compile(stubbed(source, path), path, "exec", dont_inherit=True), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module


async def _first(items: Any) -> Any:
    async for item in items:
        return item


async def _inside(manager: Any) -> None:
    async with manager:
        pass


PRELUDE = """\
import asyncio
import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Generic, NamedTuple, Protocol, TypedDict, TypeVar, overload
T = TypeVar("T")
"""


@pytest.mark.parametrize(
    ("interface", "use"),
    [
        ("def f(a: int, b: str = 'x', *c: int, d: int, **e: int) -> int: ...", "f(1, d=2)"),
        ("def f(a):\n    return a", "f(1)"),
        ("def f(a):\n    pass", "f(1)"),
        ("def f(a):\n    '''Says so.'''", "f(1)"),
        ("def f(a=unknown.name(3), *, b=[]): ...", "f()"),
        ("def f(a: Unknown) -> Other | None: ...", "f(1)"),
        ("def f() -> Iterator[int]:\n    yield 1", "f()"),
        ("async def f(a): ...", "asyncio.run(f(1))"),
        ("async def f() -> AsyncIterator[int]: ...", "asyncio.run(first(f()))"),
        ("async def f():\n    yield 1", "asyncio.run(first(f()))"),
        ("@asynccontextmanager\nasync def f(): ...", "asyncio.run(inside(f()))"),
        ("@contextmanager\ndef f(): ...", "f().__enter__()"),
        ("@click.command()\n@unknown\ndef f(): ...", "f()"),
        ("@overload\ndef f(a: int) -> int: ...\n@overload\ndef f(a: str) -> str: ...\ndef f(a): ...", "f(1)"),
        ("f = lambda a: a", "f(1)"),
        ("class C: ...", "C()"),
        ("class C:\n    def m(self): ...", "C()"),
        ("class C:\n    def __init__(self, a): ...", "C(1)"),
        ("class C:\n    def __new__(cls, a): ...", "C(1)"),
        ("class C:\n    @classmethod\n    def make(cls): ...", "C.make()"),
        ("class C:\n    @staticmethod\n    def make(): ...", "C.make()"),
        ("class C:\n    @property\n    def p(self): ...\n    @p.setter\n    def p(self, v): ...", "C.p.fget(None)"),
        ("class C:\n    @p.setter\n    def p(self, v): ...", "C()"),
        ("class C:\n    @cached_property\n    def p(self): ...", "C.p.fget(None)"),
        ("class C:\n    class D:\n        def m(self): ...", "C.D()"),
        ("class C:\n    D = Unknown(3)", "C.D.x"),
        ("class C(Unknown, metaclass=Other, flag=True):\n    def m(self): ...", "C()"),
        ("class C(Generic[T]):\n    def m(self) -> T: ...\nclass D(C[int]): ...", "D()"),
        ("class C(ABC):\n    @abstractmethod\n    def m(self): ...", "C()"),
        ("class C(ABC):\n    @abstractmethod\n    def m(self): ...\nclass D(C): ...", "D()"),
        ("class C:\n    def __init_subclass__(cls): ...\nclass D(C): ...", "D()"),
        ("@dataclass\nclass C:\n    a: int\n    b: list = field(default_factory=list)", "C(1)"),
        ("@dataclass(frozen=True, slots=True, order=True)\nclass C:\n    b: int = 1\n    a: int\n    c: list = []", "C(1, 2)"),
        ("@dataclass\nclass C:\n    a: int = 1\n    LIMIT: ClassVar[int] = 3\n    def m(self): ...", "C()"),
        ("class C(NamedTuple):\n    a: int = 1\n    b: int\n    def m(self): ...", "C(1, 2)"),
        ("class C(TypedDict, total=False):\n    a: int\nclass D(C, total=True):\n    b: int", "D(a=1, b=2)"),
        ("C = namedtuple('C', 'a b')", "C(1, 2)"),
        ("class C(int):\n    def m(self): ...", "C(3)"),
        ("class C(enum.Enum):\n    A = 1\n    def m(self): ...", "C.A.m()"),
        ("class E(Exception):\n    def __init__(self, a): ...", "E(1)"),
        ("class P(Protocol):\n    def m(self): ...\nclass C(P):\n    def m(self): ...", "C()"),
        ("import no_such_package\nfrom no_such import thing, other as o", "thing.x(o)"),
        ("from no_such import Base\nclass C(Base): ...", "C()"),
        ("DEFAULT = Config()\nclass Config: ...", "DEFAULT.x"),
        ("class Config: ...\nDEFAULT = Config()\nOTHER: Config", "DEFAULT + 1"),
        ("LIMIT: int = ...", "LIMIT > 1"),
        ("LIMIT: int", "LIMIT == 1"),
        ("table = {k: v for k, v in unknown}", "table['a']"),
        ("if TYPE_CHECKING:\n    from no_such import T\ndef f(a: T): ...", "f(1)"),
        ("try:\n    import no_such\nexcept ImportError:\n    no_such = None\ndef f(): ...", "f()"),
        ("if __name__ == '__main__':\n    1 / 0\nmain()\nfor a in b:\n    print(a)\ndef f(): ...", "f()"),
        ("", "anything(1)"),
        ("", "Anything.made(1)"),
        ("def broken(:", "broken(1)"),
    ],
)  # fmt: skip
def test_use_raises_not_implemented(interface: str, use: str) -> None:
    source = PRELUDE + interface if interface and "broken" not in interface else interface
    module = imported(source)
    names = {"asyncio": asyncio, "first": _first, "inside": _inside}

    class Names(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return getattr(module, name)

    with pytest.raises(NotImplementedError, match=r"pkg/x\.py:"):
        eval(use, {}, Names(names))


@pytest.mark.parametrize(
    ("interface", "holds"),
    [
        ("A = 3\nB: int = 4\nC = {'a': [1]}\n__all__ = ['A']", "(A, B, C, __all__) == (3, 4, {'a': [1]}, ['A'])"),
        ("from enum import Enum\nclass C(Enum):\n    A = 1\n    B = ...\n    D = ...\n    E = f(1)", "len(C) == 4 and C(1) is C.A"),
        ("from enum import *\nclass C(IntEnum):\n    A = auto()\n    B = ...", "len(C) == 2"),
        ("class C(str, Enum):\n    A = 'a'\n    def __init__(self, v): ...", "C('a') is C.A"),
        ("class C(StrEnum):\n    A: str = 'a'\n    B = ...", "len(C) == 2"),
        ("class E(Exception): ...\nclass F(E, ValueError):\n    '''Doc.'''", "caught(E, F('x')) and str(F('x')) == 'x'"),
        ("class E(OSError):\n    @property\n    def code(self): ...", "caught(E, E())"),
        ("from no_such import AppError\nclass E(AppError): ...", "caught(E, E())"),
        ("import os.path as p\nHERE = p.join('a', 'b')", "HERE == 'a/b'"),
        ("@dataclass\nclass C:\n    a: int = 1", "C.a == 1 and list(C.__dataclass_fields__) == ['a'] and not isinstance(3, C)"),
        ("class P(Protocol):\n    def m(self): ...\n", "isinstance(P, type)"),
        ("def f(a: int, *, b=2) -> int:\n    'Doc.'\n", "f.__doc__ == 'Doc.' and signature(f) == '(a: int, *, b=2) -> int'"),
        ("'''Module doc.'''\nfrom __future__ import annotations\ndef f(): ...", "__doc__ == 'Module doc.'"),
    ],
)  # fmt: skip
def test_what_tests_need_stays(interface: str, holds: str) -> None:
    import inspect

    def caught(cls: type[Exception], error: Exception) -> bool:
        try:
            raise error
        except cls:
            return True

    def signature(function: Any) -> str:
        return str(inspect.signature(function)).replace("'", "")

    module = imported(interface)
    assert eval(holds, {**vars(module), "caught": caught, "signature": signature})


@pytest.mark.parametrize("source", ["", "def main(): ..."])
def test_running_a_stub_raises(source: str) -> None:
    with pytest.raises(NotImplementedError):
        exec(stubbed(source, "pkg/__main__.py"), {"__name__": "__main__"})


def test_open_stub_of_a_package_leaves_its_modules_alone(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    component = Component("x", "", ("stub_pkg/__init__.py", "stub_pkg/core.py", "stub_pkg/data.json"), Contract())
    files = stub_files(component)
    assert set(files) == {"stub_pkg/__init__.py", "stub_pkg/core.py"}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found: dict[str, Any] = {}
    exec("from stub_pkg import core, run, OwnError\nfrom stub_pkg.core import Thing", found)
    assert isinstance(found["core"], types.ModuleType)
    assert issubclass(found["OwnError"], Exception)
    for name in ("run", "Thing"):
        with pytest.raises(NotImplementedError):
            found[name]()


LINES = st.sampled_from(
    [
        "import os", "from no_such import *", "from typing import *", "X = X + 1", "class A(B): x: int = y", "class B(A, C): ...",
        "@dataclass\nclass D(A):\n    a: int = 1\n    b: 'B'", "class E(Enum):\n    A = ...\n    def __init__(self): ...",
        "class M(type):\n    def __new__(cls, *a): ...\n    def __call__(cls): ...", "class N(metaclass=M): ...",
        "def f(a=A(), *b, c: X = E.A): return a", "async def g(): await f()", "F = f(1)", "G: list[A] = [A()]", "x, (y, *z) = f()",
        "class T(NamedTuple):\n    a: A\n    b: int = f()", "class TD(TypedDict):\n    a: A", "del os", "print('at import')",
        "class Err(KeyError, MyBase):\n    code = 1 / 0", "type_ = TypeVar('type_', bound=A)", "raise SystemExit", "assert False",
        "with open('x') as h: Y = h.read()", "while True: pass", "class Deep:\n    class Er(Exception):\n        class Est(Enum):\n            Q = f",
        "X += 1", "a.b = 3", "a[0]: int = 3", "class S:\n    __slots__ = ('q',)\n    q: int = 3", "global_ = __file__", "try:\n    1 / 0\nfinally:\n    pass",
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=8))
def test_stub_of_any_interface_that_parses_can_be_imported(lines: list[str]) -> None:
    imported("\n".join(lines))


@pytest.mark.parametrize(
    ("interface", "words"),
    [
        ({"pkg/x.py": "def f(): ..."}, None),
        ({"pkg/data.json": "{"}, None),
        ({}, None),
        ({"pkg/x.py": "def f(:"}, "not valid Python (line 1)"),
        ({"pkg/x.py": "return 3"}, "not valid Python"),
        ({"pkg/x.py": "a\0b"}, "not valid Python"),
    ],
)
def test_problems_of_interface(interface: dict[str, str], words: str | None) -> None:
    problems = problems_of_interface(Component("x", "", ("pkg/x.py", "pkg/data.json"), Contract(interface)))
    assert [words in problem for problem in problems if words] == ([True] if words else [])
