"""The Python toolchain: what it reads from tests without running them, and what its verdicts say."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import asyncio
import hmac
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agent.checks import open_toolchain
from agent.checks.pytest_source import declared_ids, without_tests
from agent.checks.python import PytestToolchain
from agent.checks.report import read_report
from agent.cli.sandbox_test import test as sandbox_test
from agent.sandbox import open_sandbox
from agent.sandbox.base import Ended, Job, SandboxLimits
from graphs.errors import ConfigError, PathRefused, UserError
from graphs.ports import Brief
from graphs.values import Component, Contract, Example, Plan, Spec, Step, Verdict

P = "tests/test_x.py"


@pytest.fixture(scope="module")
def toolchain() -> PytestToolchain:
    return PytestToolchain(open_sandbox("bubblewrap"), SandboxLimits(seconds=20, memory_mb=512))


# -- reading tests


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def test_a(): pass\ndef helper(): pass\nasync def test_b(): pass\n", ["test_a", "test_b"]),
        ("class TestC:\n    def test_a(self): pass\n    class TestD:\n        def test_b(self): pass\n", ["TestC::test_a", "TestC::TestD::test_b"]),
        ("class TestC:\n    def __init__(self): pass\n    def test_a(self): pass\n", []),
        ("class Helper:\n    def test_a(self): pass\n", []),
        ("class Case(unittest.TestCase):\n    def test_a(self): pass\n", ["Case::test_a"]),
        ("@pytest.mark.parametrize('a', [1, 2])\ndef test_a(a): pass\n", ["test_a"]),
        ("@pytest.fixture\ndef test_data(): pass\n", []),
        ("def test_a(): pass\ndef test_a(): pass\n", ["test_a"]),
        ("def broken(:\n", []),
        ("# -*- coding: utf-7 -*-\ndef test_a(): pass\n", []),
        ("def test_a(): pass\n\0", []),
    ],
)  # fmt: skip
def test_declared_ids(source: str, names: list[str]) -> None:
    assert declared_ids({P: source}) == tuple(f"{P}::{name}" for name in names)
    assert declared_ids({"tests/helper.py": source}) == ()


COMPONENT = Component("x", "", ("pkg/x.py",), Contract({"pkg/x.py": "def f(a: int) -> int: ...\nclass C: ...\n"}))
HEAD = "from pkg.x import f\n"


def test_without_tests_keeps_the_rest_as_written() -> None:
    source = "X = 1  # kept\n\n@mark\ndef test_a():\n    assert 1\n\nclass TestB:\n    def test_c(self): assert 1\n    def test_d(self):\n        assert 2\n"
    tests = {P: source, "tests/helper.py": "Y = 2\n"}
    left = without_tests(tests, [f"{P}::test_a", f"{P}::TestB::test_c"])
    assert declared_ids(left) == (f"{P}::TestB::test_d",)
    assert "# kept" in left[P]
    assert "mark" not in left[P]
    assert without_tests(tests, []) == tests
    assert without_tests(tests, declared_ids(tests)) == {}
    assert without_tests(tests, [P]) == {}


# -- the report

KEY = b"k" * 32


def _channel(*records: dict[str, object]) -> bytes:
    lines = []
    for number, record in enumerate(records):
        body = json.dumps({"n": number, "message": "", **record}).encode()
        lines.append(hmac.digest(KEY, body, "sha256").hex().encode() + b" " + body + b"\n")
    return b"".join(lines)


PHASES = [
    {"kind": "phase", "id": "a", "when": when, "outcome": "passed", "xfail": False, "exception": []}
    for when in ("setup", "call", "teardown")
]
WHOLE = _channel({"kind": "start", "id": "a"}, *PHASES, {"kind": "end", "exit": 1})


def test_whole_report_is_read() -> None:
    report = read_report(WHOLE, KEY)
    assert (report.ended, report.forged, report.running) == (True, False, "")
    assert [phase.when for phase in report.phases["a"]] == ["setup", "call", "teardown"]


@given(st.data())
def test_changed_report_is_never_whole(data: st.DataObject) -> None:
    lines = WHOLE.splitlines(keepends=True)
    kind = data.draw(st.sampled_from(["byte", "drop", "repeat", "swap", "append"]))
    at = data.draw(st.integers(0, len(lines) - 1))
    if kind == "byte":
        position = data.draw(st.integers(0, len(WHOLE) - 1))
        other = data.draw(st.integers(0, 255).filter(lambda value: value != WHOLE[position]))
        channel = WHOLE[:position] + bytes([other]) + WHOLE[position + 1 :]
    elif kind == "drop":
        channel = b"".join(lines[:at] + lines[at + 1 :])
    elif kind == "repeat":
        channel = b"".join(lines[: at + 1] + lines[at:])
    elif kind == "swap":
        other_at = data.draw(st.integers(0, len(lines) - 1).filter(lambda value: value != at))
        lines[at], lines[other_at] = lines[other_at], lines[at]
        channel = b"".join(lines)
    else:
        channel = WHOLE + data.draw(st.binary(min_size=1))
    report = read_report(channel, KEY)
    assert report.forged or not report.ended


# -- verdicts

TREE = {"pkg/x.py": "def f(a):\n    return a + 1\n"}


@pytest.mark.parametrize(
    ("body", "outcome", "status", "words"),
    [
        ("assert f(1) == 2", "passed", "passed", ""),
        ("assert f(1) == 3", "failed", "failed", "where 2 = f(1)"),
        ("print('seen'); assert f(1) == 3", "failed", "failed", "seen"),
        ("raise KeyError('\\x1b[31m\\u202e')", "failed", "failed", r"\x1b[31m"),
        ("import pytest; pytest.skip('no')", "skipped", "failed", "no"),
        ("import pytest; pytest.xfail('no')", "skipped", "failed", "no"),
        ("import sys; sys.exit(0)", "failed", "failed", "SystemExit"),
        ("assert missing_fixture", "failed", "failed", "NameError"),
    ],
)
def test_outcome_of_a_test(body: str, outcome: str, status: str, words: str, toolchain: PytestToolchain) -> None:
    tests = {P: f"from pkg.x import f\ndef test_good():\n    assert f(0) == 1\ndef test_a():\n    {body}\n"}
    verdict = toolchain.prove_tree(TREE, tests, declared_ids(tests))
    assert (verdict.cases[0].outcome, verdict.cases[1].outcome, verdict.status) == ("passed", outcome, status), verdict
    assert words in verdict.cases[1].message


@pytest.mark.parametrize(
    ("source", "outcome", "words"),
    [
        ("from pkg.x import g\ndef test_a():\n    assert g\n", "error", "cannot import name 'g'"),
        ("from pkg.x import f\ndef test_a(missing):\n    assert f\n", "error", "fixture 'missing' not found"),
        ("import pytest\n@pytest.fixture\ndef a():\n    yield 1\n    assert 0\ndef test_a(a):\n    assert a\n", "error", "assert 0"),
        ("import pytest\n@pytest.mark.xfail\ndef test_a():\n    assert 1\n", "skipped", "expected to fail"),
        ("import pytest\n@pytest.mark.parametrize('a', [])\ndef test_a(a):\n    assert a\n", "skipped", ""),
        ("import pytest\n@pytest.mark.parametrize('a', [1, 0])\ndef test_a(a):\n    assert a\n", "failed", "assert 0"),
        ("__test__ = False\ndef test_a():\n    assert 1\n", "missing", "before all tests"),
        ("def test_a():\n    assert 1\ndel test_a\n", "missing", "never reported"),
        ("import os\ndef test_a():\n    os._exit(0)\n", "error", "exit status 0"),
        ("import sys\nsys.exit()\ndef test_a():\n    assert 1\n", "missing", "sys.exit at import"),
    ],
)  # fmt: skip
def test_outcome_of_a_lone_test(source: str, outcome: str, words: str, toolchain: PytestToolchain) -> None:
    verdict = toolchain.prove_tree(TREE, {P: source}, [f"{P}::test_a"])
    assert verdict.cases[0].outcome == outcome, verdict
    assert words in verdict.cases[0].message
    assert verdict.status in ("failed", "error")


def test_ids_are_proven_only_as_declared(toolchain: PytestToolchain) -> None:
    tests = {P: "import pytest\n@pytest.mark.parametrize('a', [1, 2])\ndef test_a(a):\n    assert a\n"}
    outcomes = {
        f"{P}::test_a": "passed",
        f"{P}::test_a[1]": "passed",
        f"{P}::test_a[3]": "missing",
        f"{P}::test_b": "missing",
        P: "missing",
        "../x.py::test_a": "missing",
    }
    verdict = toolchain.prove_tree({}, tests, list(outcomes))
    assert {case.id: case.outcome for case in verdict.cases} == outcomes, verdict
    assert toolchain.prove_tree({}, tests, [f"{P}::test_a[1]"]).status == "passed"


def test_nothing_declared_is_not_proven(toolchain: PytestToolchain) -> None:
    assert toolchain.prove_tree(TREE, {P: "def test_a(): pass\n"}, ()).status == "error"


@pytest.mark.parametrize("name", ["../x.py", "/etc/x", "a/../../x", "a\0b", ""])
def test_names_that_leave_the_tree_are_refused(name: str, toolchain: PytestToolchain) -> None:
    with pytest.raises(PathRefused):
        toolchain.prove_tree({name: ""}, {P: "def test_a(): assert 1\n"}, [f"{P}::test_a"])


# -- red


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("assert f(1) == 2", ""),
        ("with pytest.raises(ValueError):\n        f(1)", ""),
        ("made = C()\n    assert made.x == 1", ""),
        (
            "out = subprocess.run([sys.executable, '-m', 'pkg.x'], capture_output=True)\n    assert out.returncode == 0",
            "",
        ),
        (
            "out = subprocess.run([sys.executable, '-m', 'pkg.x'], capture_output=True)\n    assert json.loads(out.stdout)",
            "",
        ),
        ("assert f", "passes on the contract's stub"),
        ("with pytest.raises(Exception):\n        f(1)", "passes on the contract's stub"),
        ("assert f(1, 2) == 2", "in a way that the contract does not allow"),
        ("import pkg.x\n    assert pkg.x.g(1) == 2", "an attribute that the contract does not name"),
        ("from pkg.x import g\n    assert g(1) == 2", "fails to import"),
        ("assert undefined(1) == f(1)", "a name that does not exist"),
        ("f(1)", "asserts nothing"),
    ],
)
def test_red(test: str, why: str, toolchain: PytestToolchain) -> None:
    source = f"import json, subprocess, sys\nimport pytest\nfrom pkg.x import C, f\n\ndef test_a():\n    {test}\n"
    brief = Brief(COMPONENT, "key", (), (), P)
    report = asyncio.run(toolchain.red(brief, toolchain.stub(COMPONENT), {P: source}))
    assert report.good == (() if why else (f"{P}::test_a",))
    assert any(why in reason for _, reason in report.bad) is bool(why)
    assert all(what == f"{P}::test_a" for what, _ in report.bad)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def test_a(:\n", "cannot be parsed"),
        (
            "import missing\nfrom pkg.x import f\ndef test_a():\n    assert f(1)\n",
            "cannot be imported on the contract's stub",
        ),
        ("import sys\nfrom pkg.x import f\nsys.exit(0)\ndef test_a():\n    assert f(1)\n", "cannot be judged"),
    ],
)
def test_red_of_a_whole_file(source: str, why: str, toolchain: PytestToolchain) -> None:
    report = toolchain.red_tree(toolchain.stub(COMPONENT), {P: source}, COMPONENT)
    assert report.good == ()
    assert any(why in reason for _, reason in report.bad)


def test_red_knows_the_files_that_the_component_stands_on(toolchain: PytestToolchain) -> None:
    tree = {**toolchain.stub(COMPONENT), "other.py": "LIMIT = 3\n"}
    tests = {
        P: f"{HEAD}import other\ndef test_a(monkeypatch):\n    monkeypatch.setattr(other, 'LIMIT', 4)\n    assert f(1) == 4\n"
    }
    report = toolchain.red_tree(tree, tests, COMPONENT)
    assert report.good == ()
    assert [why for _, why in report.bad] == [
        "it replaces 'other.LIMIT', a part of the program; give the program other inputs instead"
    ]


# -- flaky


class Turns:
    """A sandbox that tells what runs in it which run it is, from 1."""

    def __init__(self) -> None:
        self._sandbox = open_sandbox("bubblewrap")
        self.label = self._sandbox.label
        self.jobs: list[Job] = []

    def probe(self) -> None: ...

    def run(self, job: Job) -> Ended:
        self.jobs.append(job)
        return self._sandbox.run(replace(job, env={**job.env, "TURN": str(len(self.jobs))}))

    @property
    def files(self) -> list[list[str]]:
        """The test files of each run of tests."""
        return [[word for word in job.argv if word.startswith("tests/")] for job in self.jobs if job.key]


TURN = "import os\nTURN = int(os.environ['TURN'])\n"
FAILS_ONCE = f"{TURN}def test_good():\n    assert 1\ndef test_a():\n    assert TURN > 1, 'the first time'\n"


@pytest.fixture
def turns() -> Turns:
    return Turns()


def proven_in_turns(turns: Turns, tests: str, *examples: Example, seconds: float = 20) -> Verdict:
    toolchain = PytestToolchain(turns, SandboxLimits(seconds=seconds, memory_mb=512))
    return toolchain.prove_tree(TREE, {P: tests}, declared_ids({P: tests}), examples)


@pytest.mark.parametrize(
    ("tests", "outcomes"),
    [
        (FAILS_ONCE, ["passed", "flaky"]),
        (f"{TURN}def test_a():\n    assert TURN > 2\n", ["failed"]),
        (f"{TURN}def test_a():\n    assert TURN > 1\ndef test_b():\n    assert TURN < 1\n", ["flaky", "failed"]),
        (f"{TURN}def test_a():\n    assert TURN > 1\ndef test_b():\n    assert TURN < 2\n", ["flaky", "passed"]),
        (
            f"{TURN}import pytest\n@pytest.fixture\ndef a():\n    assert TURN > 1\ndef test_a(a):\n    assert 1\n",
            ["flaky"],
        ),
        (
            f"{TURN}import pytest\n@pytest.mark.parametrize('a', [1, 2, 3])\ndef test_a(a):\n    assert TURN != a\n",
            ["failed"],
        ),
        (
            f"{TURN}import pytest\n@pytest.mark.parametrize('a', [0, 1])\ndef test_a(a):\n    assert TURN != a\n",
            ["flaky"],
        ),
        (f"{TURN}import pytest\ndef test_a():\n    if TURN == 2: pytest.skip('x')\n    assert TURN > 2\n", ["failed"]),
        (f"{TURN}import pytest\ndef test_a():\n    if TURN == 2: os._exit(0)\n    assert TURN > 2\n", ["failed"]),
    ],
)
def test_what_fails_and_passes_on_the_same_files_is_flaky(tests: str, outcomes: list[str], turns: Turns) -> None:
    verdict = proven_in_turns(turns, tests)
    assert [case.outcome for case in verdict.cases] == outcomes, verdict
    assert verdict.status == "failed"
    assert len(turns.jobs) == 2
    assert verdict.seconds > 0.1


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        ("assert TURN < 2, 'the second time'", "flaky"),
        ("if TURN == 2: raise KeyError('the second time')", "flaky"),
        ("assert TURN < 3", "passed"),
    ],
)
def test_what_passes_and_fails_by_itself_when_it_is_poisoned_is_flaky(second: str, outcome: str, turns: Turns) -> None:
    verdict = proven_in_turns(turns, f"{TURN}def test_good():\n    assert 1\ndef test_a():\n    {second}\n")
    assert [case.outcome for case in verdict.cases] == ["passed", outcome], verdict
    assert ("the second time" in verdict.cases[1].message) == (outcome == "flaky")
    assert verdict.status == ("failed" if outcome == "flaky" else "passed")
    assert len(turns.jobs) == 2, "it costs no further run"


def test_a_flaky_test_is_told_with_how_it_failed(turns: Turns) -> None:
    verdict = proven_in_turns(turns, FAILS_ONCE)
    assert verdict.cases[1].message.startswith(
        "it failed, and passed when it was run again on the same files; it failed with:\n"
    )
    assert "the first time" in verdict.cases[1].message
    assert verdict.reason == f"1 of 2 declared cases did not pass, the first is {P}::test_a (flaky)"


@pytest.mark.parametrize(
    ("tests", "runs"),
    [
        ("def test_a():\n    assert 1\n", 2),
        ("import nothing\ndef test_a():\n    assert 1\n", 1),
        ("import os\ndef test_a():\n    os._exit(1)\n", 1),
        ("import pytest\ndef test_a():\n    pytest.skip('x')\n", 1),
    ],
)
def test_nothing_is_run_again_that_did_not_run_and_fail(tests: str, runs: int, turns: Turns) -> None:
    proven_in_turns(turns, tests)
    assert len(turns.jobs) == runs  # the second one of what passes is poisoned


def test_a_second_run_that_takes_too_long_changes_nothing(turns: Turns) -> None:
    tests = f"{TURN}import time\ndef test_a():\n    if TURN == 2: time.sleep(30)\n    assert TURN > 1\n"
    verdict = proven_in_turns(turns, tests, seconds=1.5)
    assert (verdict.cases[0].outcome, verdict.status) == ("failed", "failed")
    assert verdict.seconds > 1.5


def test_an_example_is_never_flaky(turns: Turns) -> None:
    steps = (Step("import os"), Step("int(os.environ['TURN']) > 1", "True\n"))
    verdict = proven_in_turns(turns, "", Example("E1", "python", steps))
    assert [case.outcome for case in verdict.cases] == ["failed"]
    assert len(turns.jobs) == 1


def test_what_ran_before_a_failure_runs_before_it_again(turns: Turns) -> None:
    """A test that fails because of one in another file always fails; files behind it make no difference."""
    toolchain = PytestToolchain(turns, SandboxLimits(seconds=20, memory_mb=512))
    tests = {
        "tests/test_a.py": "import pkg.x\ndef test_a():\n    pkg.x.spoilt = True\n    assert pkg.x\n",
        "tests/test_b.py": "import pkg.x\ndef test_b():\n    assert not hasattr(pkg.x, 'spoilt')\n",
        "tests/test_c.py": "def test_c():\n    assert 1\n",
    }
    verdict = asyncio.run(toolchain.integrate(Plan("t", ()), Spec("t", "", ""), TREE, tests, declared_ids(tests)))
    assert [case.outcome for case in verdict.cases] == ["passed", "failed", "passed"]
    assert turns.files == [
        ["tests/test_a.py", "tests/test_b.py", "tests/test_c.py"],
        ["tests/test_a.py", "tests/test_b.py"],
    ]


# -- prove with examples, integrate, command line


def test_prove_takes_the_examples_of_brief_and_contract(toolchain: PytestToolchain) -> None:
    good = Example("E1", "python", (Step("from pkg.x import f"), Step("f(1)", "2\n")))
    bad = Example("x.C1", "python", (Step("from pkg.x import f"), Step("f(1)", "3\n")))
    component = Component("x", "", ("pkg/x.py",), Contract(examples=(bad,)))
    tests = {P: HEAD + "def test_a():\n    assert f(1) == 2\n"}
    verdict = asyncio.run(
        toolchain.prove(Brief(component, "key", (), (), P, examples=(good,)), TREE, tests, [f"{P}::test_a"])
    )
    assert [(case.id, case.outcome) for case in verdict.cases] == [
        (f"{P}::test_a", "passed"),
        ("E1", "passed"),
        ("x.C1", "failed"),
    ]
    assert verdict.status == "failed", verdict
    assert verdict.seconds > 0


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        ("python -m app", "passed"),
        ("python -m app usage", "passed"),
        ("python -m app serve", "passed"),
        ("python -m app crash", "failed"),
        ("python -m nothing", "failed"),
    ],
)
def test_integrate_starts_the_entry(entry: str, outcome: str) -> None:
    quick = PytestToolchain(open_sandbox("bubblewrap"), SandboxLimits(seconds=1.5, memory_mb=512))
    app = (
        "import sys, time\nwhat = sys.argv[1:]\nif what == ['serve']:\n    time.sleep(60)\nif what == ['crash']:\n    1 / 0\n"
        "if what == ['usage']:\n    sys.exit('usage: app' if 0 else print('usage: app') or 2)\n"
    )
    spec = Spec("t", "", "", examples=(Example("E1", "shell", (Step("echo hi", "hi\n"),)),))
    verdict = asyncio.run(quick.integrate(Plan("t", (), entry=entry), spec, {"app.py": app}, {}, ()))
    assert [(case.id, case.outcome) for case in verdict.cases] == [("E1", "passed"), ("entry", outcome)]
    assert verdict.status == outcome, verdict


def test_unknown_language_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"'cobol'.*python"):
        open_toolchain("cobol", open_sandbox("none"))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    files = {
        **TREE,
        P: HEAD + "def test_a():\n    assert f(1) == 2\ndef test_b():\n    assert f(1) == 3\n",
        "conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 0\n",
    }
    for name, text in files.items():
        path = tmp_path / "ws" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "ws" / "tests" / "test_link.py").symlink_to(tmp_path / "ws" / P)
    return tmp_path / "ws"


@pytest.mark.parametrize(
    ("ids", "status", "words"),
    [
        (["test_x.py::test_a"], 0, "passed  tests/test_x.py::test_a"),
        (["test_x.py::test_a", "test_x.py::test_b"], 1, "failed  tests/test_x.py::test_b"),
        (["test_x.py::test_c"], 1, "missing"),
        (["test_y.py::test_a"], 1, "missing"),
        (["test_link.py::test_a"], 1, "missing"),
        (["../../../etc/passwd::test_a"], 1, "missing"),
        (["test_x.py::test_\x1b[31m\u202e"], 1, r"test_\x1b[31m\u202e"),
    ],
)
def test_command_line(ids: list[str], status: int, words: str, workspace: Path) -> None:
    listed = workspace.parent / "ids"
    listed.write_text("".join(f"tests/{name}\n" for name in ids))
    result = CliRunner().invoke(sandbox_test, ["--ws", str(workspace), "--ids", str(listed), "--timeout", "20"])
    assert result.exit_code == status, result.output
    assert words in result.output
    assert "\x1b" not in result.output


def test_command_line_json(workspace: Path) -> None:
    listed = workspace.parent / "ids"
    listed.write_text("tests/test_x.py::test_a\n")
    arguments = ["--ws", str(workspace), "--ids", str(listed), "--json", "--sandbox", "none"]
    result = CliRunner().invoke(sandbox_test, arguments)
    verdict = json.loads(result.stdout)
    assert (verdict["status"], verdict["sandbox"]) == ("passed", "UNSANDBOXED")
    assert "UNSANDBOXED" in result.stderr


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"--ids": "nothing"}, "cannot be read"),
        ({"--ids": "empty"}, "holds no test id"),
        ({"--ws": "nothing"}, "is not a directory"),
        ({"--lang": "cobol"}, "no toolchain"),
        ({"--sandbox": "glass"}, "no sandbox"),
    ],
)
def test_command_line_misuse(changed: dict[str, str], words: str, workspace: Path) -> None:
    (workspace.parent / "ids").write_text("tests/test_x.py::test_a\n")
    (workspace.parent / "empty").write_text("\n\n")
    here = {"--ws": "ws", "--ids": "ids", **changed}
    arguments = [
        word
        for name, value in here.items()
        for word in (name, str(workspace.parent / value) if name in ("--ws", "--ids") else value)
    ]
    result = CliRunner().invoke(sandbox_test, arguments)
    assert isinstance(result.exception, UserError)
    assert words in str(result.exception)
