"""Which calls programs are compared by, and what they are seen to do."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import ast
import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks import probes as module
from agent.checks.journaled import JournaledChecker
from agent.checks.probes import MOST, near, probes, written
from agent.checks.python import PytestToolchain
from agent.sandbox import open_sandbox
from agent.sandbox.base import Ended, Job, SandboxLimits
from agent.store.journal import SqliteJournal
from graphs.errors import NotJudged
from graphs.ports import Brief
from graphs.scheduler import Slots
from graphs.values import Component, Contract, Example, Files, Step

P = "tests/test_x.py"
INTERFACE = "def f(a, b=0): ...\ndef g(text: str) -> str: ...\ndef _h(): ...\nclass C: ...\nasync def later(): ...\n"
COMPONENT = Component("x", "", ("pkg/x.py",), Contract({"pkg/x.py": INTERFACE}))
HEAD = "import pytest\nimport pkg.x\nfrom pkg.x import C, _h, f, g, later\n"


def asked(tests: str, *examples: Example, component: Component = COMPONENT) -> list[str]:
    return [str(call) for call in probes(component, {P: HEAD + tests}, examples)]


FOUND = {
    "literal": ("def test_a():\n    assert f(1, 'a') == 2\n", ["pkg.x.f(1, 'a')"]),
    "by its module": ("def test_a():\n    assert pkg.x.f(1) == 2\n", ["pkg.x.f(1)"]),
    "keyword": ("def test_a():\n    assert f(1, b=[2]) == 2\n", ["pkg.x.f(1, b=[2])"]),
    "constant and sum": ("N = 3\ndef test_a():\n    text = 'k='\n    assert f(N, text + 'v') == 2\n", ["pkg.x.f(3, 'k=v')"]),
    "column": ("@pytest.mark.parametrize('a', [1, 2])\ndef test_a(a):\n    assert f(a) == 2\n", ["pkg.x.f(1)", "pkg.x.f(2)"]),
    "columns": ("@pytest.mark.parametrize('a, want', [(1, 2), pytest.param(3, 4, id='x')])\ndef test_a(a, want):\n    assert f(a) == want\n", ["pkg.x.f(1)", "pkg.x.f(3)"]),
    "two tables": ("@pytest.mark.parametrize('a', [1, 2])\n@pytest.mark.parametrize('b', [3])\ndef test_a(a, b):\n    assert f(a, b) == 2\n", ["pkg.x.f(1, 3)", "pkg.x.f(2, 3)"]),
    "in a helper": ("def last(x):\n    return f(7)\ndef test_a():\n    assert last(1) == 2\n", ["pkg.x.f(7)"]),
    "set in order": ("def test_a():\n    assert f({'b', 'a'}) == 2\n", ["pkg.x.f({'a', 'b'})"]),
}  # fmt: skip


@pytest.mark.parametrize(("tests", "calls"), FOUND.values(), ids=FOUND)
def test_calls_are_found_in_tests(tests: str, calls: list[str]) -> None:
    assert set(calls) <= set(asked(tests))


@pytest.mark.parametrize(
    "tests",
    [
        "def test_a(x):\n    assert f(x) == 2\n",
        "def test_a():\n    assert f(*[1]) == f(**{'a': 1}) == f(len('a')) == 2\n",
        "def test_a():\n    assert _h() == C(1) == later() == print(1)\n",
        "def test_a():\n    assert f(1e999) == f(1j) == 2\n",
        "def test_a():\n    assert f('a' * 1000) == 2\n",
        "@pytest.mark.parametrize('a', range(3))\ndef test_a(a):\n    assert f(a) == 2\n",
        "def test_a(:\n",
    ],
)
def test_other_calls_are_not_made(tests: str) -> None:
    assert asked(tests) == []


def test_calls_are_found_in_examples_of_python() -> None:
    good = Example(
        "E1", "python", (Step("from pkg.x import f as h"), Step("h(4)", "5\n"), Step("1 +", raises="SyntaxError"))
    )
    shell = Example("E2", "shell", (Step("f(9)"),))
    calls = asked("", good, shell)

    assert "pkg.x.f(4)" in calls
    assert not any("9" in call for call in calls)


def test_without_an_interface_any_function_may_be_meant() -> None:
    component = Component("x", "", ("src/pkg/x.py", "pkg/table.json"), Contract())
    assert "pkg.x.f(1)" in asked("def test_a():\n    assert f(1) == C(1) == _h(1)\n", component=component)
    assert not any(
        "C(" in call or "_h(" in call
        for call in asked("def test_a():\n    assert C(1) == _h(1)\n", component=component)
    )


def test_calls_are_near_spread_and_bounded() -> None:
    many = "".join(f"    assert f({n}) == 0\n" for n in range(100, 200)) + "    assert g('ab') == ''\n"
    calls = asked(f"def test_a():\n{many}")

    assert len(calls) == MOST == len(set(calls))
    assert sum(call.startswith("pkg.x.g(") for call in calls) == 6
    assert {"pkg.x.f(100)", "pkg.x.f(101)"} <= set(calls)
    assert {"pkg.x.g('')", "pkg.x.g('AB')"} <= set(calls)
    assert calls == asked(f"def test_a():\n{many}")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(VALUES | st.sets(st.text()))
def test_values_come_back_from_their_text(value: object) -> None:
    assert ast.literal_eval(written(value)) == value if value != set() else written(value) == "set()"


@given(VALUES)
def test_near_values_are_of_the_same_kind_and_others(value: object) -> None:
    for other in near(value):
        assert type(other) is type(value)
        assert other != value
        assert written(other)


# -- carried out


@pytest.fixture(scope="module")
def toolchain() -> PytestToolchain:
    return PytestToolchain(open_sandbox("bubblewrap"), SandboxLimits(seconds=20, memory_mb=512))


def behaves(toolchain: PytestToolchain, code: str, tests: str) -> dict[str, str]:
    brief = Brief(COMPONENT, "key", (), (), P)
    return dict(asyncio.run(toolchain.behave(brief, {"pkg/x.py": code}, {P: HEAD + tests})))


F1 = "def test_a():\n    assert f(1) == 2\n"
SEEN = {
    "value": ("def f(a):\n    return a + 1\n", {"pkg.x.f(1)": "2", "pkg.x.f(2)": "3", "pkg.x.f(0)": "1", "pkg.x.f(-1)": "0"}),
    "printed": ("def f(a):\n    print('got', a)\n", {"pkg.x.f(1)": "got 1"}),
    "nothing": ("def f(a):\n    pass\n", {"pkg.x.f(1)": "None"}),
    "error": ("def f(a):\n    return 1 // a\n", {"pkg.x.f(0)": "raises ZeroDivisionError", "pkg.x.f(1)": "1"}),
    "exit status": ("import sys\ndef f(a):\n    print('x')\n    sys.exit(a)\n", {"pkg.x.f(2)": "x\nraises SystemExit: 2"}),
    "iterator": ("def f(a):\n    yield a\n    yield 'b'\n", {"pkg.x.f(1)": "[1, 'b']"}),
    "endless iterator": ("import itertools\ndef f(a):\n    return itertools.repeat('')\n", {"pkg.x.f(1)": str([""] * 100)}),
    "address": ("class C:\n    pass\ndef f(a):\n    return C()\n", {"pkg.x.f(1)": "<an object>"}),
    "functions": ("def f(a):\n    def _own(): ...\n    return [_own, lambda: 1, (f, 1)]\n", {"pkg.x.f(1)": "[<an object>, <an object>, (<an object>, 1)]"}),
    "set": ("def f(a):\n    return {'q', 'w', 'e', str(a)}\n", {"pkg.x.f(1)": "{'1', 'e', 'q', 'w'}"}),
    "hostile": ("def f(a):\n    return '\\x1b[31m' + 'x' * 10000 if a else print('\\x1b[0m')\n", {"pkg.x.f(0)": r"\x1b[0m"}),
    "ends the process": ("import os\ndef f(a):\n    if a == 0:\n        os._exit(0)\n    return a\n", {"pkg.x.f(1)": "1", "pkg.x.f(2)": "2", "pkg.x.f(0)": "ends the process", "pkg.x.f(-1)": "-1"}),
}  # fmt: skip


@pytest.mark.parametrize(("code", "results"), SEEN.values(), ids=SEEN)
def test_what_a_program_does_is_seen(code: str, results: dict[str, str], toolchain: PytestToolchain) -> None:
    seen = behaves(toolchain, code, F1)
    assert {call: seen.get(call, "").rstrip("\n") for call in results} == results
    assert all(len(result) < 2 * module.RESULT_CHARS and "\x1b" not in result for result in seen.values())


UNSEEN = {
    "chance": "import random\ndef f(a):\n    return random.random()\n",
    "order of a set": "def f(a):\n    return ' '.join({str(n) for n in range(99)})\n",
    "not importable": "import nothing\ndef f(a):\n    return a\n",
    "not there": "",
    "ends at import": "import os\nos._exit(0)\n",
}


@pytest.mark.parametrize("code", UNSEEN.values(), ids=UNSEEN)
def test_what_tells_nothing_of_a_program_is_left_out(code: str, toolchain: PytestToolchain) -> None:
    seen = behaves(toolchain, code, F1)
    assert seen == (dict.fromkeys(seen, "raises AttributeError") if code == "" else {})


def test_a_call_that_takes_too_long_loses_no_other(toolchain: PytestToolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 1.0)
    seen = behaves(toolchain, "def f(a):\n    while a == 0:\n        pass\n    return a\n", F1)
    assert set(seen) == {"pkg.x.f(1)", "pkg.x.f(2)", "pkg.x.f(-1)"}


def test_arguments_are_fresh_and_calls_do_not_share_a_name(toolchain: PytestToolchain) -> None:
    code = "def f(a):\n    a.append(1)\n    return a\ndef g(text):\n    return f\n"
    seen = behaves(toolchain, code, "def test_a():\n    assert f([5]) == f([5])\n")
    assert seen["pkg.x.f([5])"] == "[5, 1]"


class BadMachine:
    label = "bad"

    def probe(self) -> None: ...

    def run(self, job: Job) -> Ended:
        return Ended("starved", None, b"", b"", 0, b"", 0.0, "bad", "no memory left")


def test_what_the_machine_did_is_told_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.sandbox.patient.time.sleep", lambda seconds: None)
    with pytest.raises(NotJudged, match="no memory left"):
        behaves(PytestToolchain(BadMachine()), "def f(a): ...\n", F1)


def test_nothing_is_run_when_there_is_nothing_to_try(tmp_path: Path) -> None:
    assert behaves(PytestToolchain(BadMachine()), "def f(a): ...\n", "def test_a():\n    assert f\n") == {}


def test_behaviour_is_journalled_by_what_it_came_from(toolchain: PytestToolchain, tmp_path: Path) -> None:
    class Counting:
        calls = 0

        async def behave(self, brief: Brief, tree: Files, tests: Files) -> dict[str, str]:
            self.calls += 1
            return {"f(1)": str(self.calls)}

    counting = Counting()
    brief = Brief(COMPONENT, "key", (), (), P)

    async def scene(checker: JournaledChecker) -> list[object]:
        trees = ({"pkg/x.py": "1"}, {"pkg/x.py": "1"}, {"pkg/x.py": "2"})
        return [await checker.behave(brief, tree, {P: F1}) for tree in trees]

    with closing(SqliteJournal.create(tmp_path / "run")) as journal:
        first = asyncio.run(scene(JournaledChecker(counting, journal, Slots(1))))  # type: ignore[arg-type]
        second = asyncio.run(scene(JournaledChecker(counting, journal, Slots(1))))  # type: ignore[arg-type]
    assert first == second == [{"f(1)": "1"}, {"f(1)": "1"}, {"f(1)": "2"}]
    assert counting.calls == 2
