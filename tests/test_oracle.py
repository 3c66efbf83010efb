"""The oracle outside: examples as data are carried out in the sandbox and judged here."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks.oracle import same_literal, same_text
from agent.checks.python import PytestToolchain
from agent.sandbox import open_sandbox
from agent.sandbox.base import Ended, Job, SandboxLimits
from agent.spec import read_spec
from graphs.values import Example, Step, Verdict

TREE = {
    "app/__init__.py": "",
    "app/__main__.py": "import sys\nfrom app.core import Oops, double\nif sys.argv[1:] == ['bad']:\n"
    "    print('working')\n    print('app: bad input', file=sys.stderr)\n    sys.exit(3)\n"
    "print(double(int(sys.stdin.read() or 4)))\n",
    "app/core.py": "class Oops(ValueError):\n    pass\n\n\ndef double(n):\n    if n < 0:\n        raise Oops(f'negative: {n}')\n    return 2 * n\n",
    "notes.txt": "one\ntwo  \n\nthree\n",
}
CORE = Step("from app.core import *")


@pytest.fixture(scope="module")
def toolchain() -> PytestToolchain:
    return PytestToolchain(open_sandbox("bubblewrap"), SandboxLimits(seconds=20, memory_mb=512))


def judged(toolchain: PytestToolchain, kind: str, *steps: Step) -> Verdict:
    example = Example("E1", "python" if kind == "python" else "shell", steps)
    verdict = toolchain.prove_tree(TREE, {}, (), [example])
    assert [case.id for case in verdict.cases] == ["E1"]
    assert (verdict.status == "passed") is bool(verdict.passed), verdict
    return verdict


@pytest.mark.parametrize(
    "steps",
    [
        [CORE, Step("double(4)", "8\n")],
        [CORE, Step("x = double(4)"), Step("x", "8\n"), Step("print(x)", "8\n"), Step("_", "8\n")],
        [Step("print('a'); 3", "a\n3\n")],
        [Step("{'b': 1, 'a': (2, [3.0])}", "{'a': (2, [3.0]), 'b': 1}\n")],
        [Step("{3, 1}", "{1,\n 3}\n")],
        [Step("'it\\'s'", "'it\\'s'\n")],
        [Step("def f(a):\n    return a\n"), Step("f(2)", "2\n")],
        [Step("for i in range(2):\n    print(i)\n", "0\n1\n")],
        [CORE, Step("double(-1)", raises="Oops", message="negative: -1")],
        [CORE, Step("double(-1)", raises="Oops")],
        [Step("print('first'); 1 / 0", "first\n", raises="ZeroDivisionError", message="division ...")],
        [Step("exit(3)", raises="SystemExit", message="3")],
        [Step("1 +", raises="SyntaxError")],
        [Step("input() + '!'", "'hi!'\n", stdin="hi\n")],
        [Step("print('a\\n\\nb  ')", "a\n<BLANKLINE>\nb\n")],
        [Step("object()", "<object object at ...>\n")],
        [Step("import subprocess, sys"), Step("subprocess.run([sys.executable, '-m', 'app'], input=b'5', capture_output=True).stdout", "b'10\\n'\n")],
    ],
)  # fmt: skip
def test_python_example_passes(steps: list[Step], toolchain: PytestToolchain) -> None:
    verdict = judged(toolchain, "python", *steps)
    assert verdict.status == "passed", verdict


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step("1", "True\n"), "expected:\nTrue\ngot:\n1"),
        (Step("1.0", "1\n"), "got:\n1.0"),
        (Step("print('1_000')", "1000\n"), "got:\n1_000"),
        (Step("'3'", "3\n"), "got:\n'3'"),
        (Step("3", ""), "got:\n3"),
        (Step("None", "None\n"), "expected:\nNone"),
        (Step("1 / 0", "3\n"), "should give '3' but raised ZeroDivisionError: division by zero"),
        (Step("3", raises="ValueError"), "should raise ValueError but raised nothing"),
        (Step("int('x')", raises="TypeError"), "but raised ValueError"),
        (Step("int('x')", raises="ValueError", message="other"), "with the message 'other'"),
        (Step("print('\\x1b[31m')", "red\n"), r"\x1b[31m"),
        (Step("import os; os._exit(0)"), "the process ended with exit status 0"),
        (Step("'a' * 10_000_000", "'aaa...aaa'\n"), "bytes dropped"),
        (Step("type('T', (), {'__repr__': lambda self: 1 / 0})()", "T\n"), "ZeroDivisionError"),
    ],
)
def test_python_example_fails(step: Step, words: str, toolchain: PytestToolchain) -> None:
    verdict = judged(toolchain, "python", Step("1", "1\n"), step)
    assert words in verdict.cases[0].message
    assert len(verdict.cases[0].message) < 10_000


@pytest.mark.parametrize(
    "steps",
    [
        [
            Step("python -m app", "8\n"),
            Step("echo 5 | python3 -m app", "10\n"),
            Step("python -m app", "14\n", stdin="7\n"),
        ],
        [Step("python -m app bad", "working\n", exit=3)],
        [Step("python -m app bad", "...app: bad input\n...", exit=3)],
        [Step("echo out; echo err >&2; echo out", "out\nerr\nout\n")],
        [Step("mkdir made && cd made && export WHO='the user'"), Step("pwd; echo $WHO", "/.../made\nthe user\n")],
        [Step("touch made"), Step("ls made notes.txt", "made\nnotes.txt\n")],
        [Step("cat notes.txt", "one\ntwo\n\nthree\n")],
        [Step("cat <<'END' | sort\nb\na\nEND", "a\nb\n")],
        [Step("exit 4", exit=4), Step("kill -9 $$", exit=137), Step("no-such-command", "", exit=127)],
        [Step("false", exit=1), Step("if then", exit=2)],
        [Step("sleep 60 & echo started", "started\n")],
        [Step("printf '\\377'", "\\xff\n")],
    ],
)
def test_shell_example_passes(steps: list[Step], toolchain: PytestToolchain) -> None:
    verdict = judged(toolchain, "shell", *steps)
    assert verdict.status == "passed", verdict


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step("echo 16", "0x10\n"), "got:\n16"),
        (Step("python -m app", "9\n"), "got:\n8"),
        (Step("python -m app bad", "working\n"), "should exit with status 0 but exited with 3"),
        (Step("python -m app bad", "other\n", exit=3), "standard error:\napp: bad input"),
        (Step("echo out >&2; exit 1", "", exit=2), "exited with 1"),
        (Step("cat /etc/shadow", "root...\n"), "should exit with status 0"),
    ],
)
def test_shell_example_fails(step: Step, words: str, toolchain: PytestToolchain) -> None:
    assert words in judged(toolchain, "shell", step).cases[0].message


PAIRS = b"""\
---
entry: python -m app
---
```input
7
```
```output
14
```
```input python -m app bad
```
prints:
```output exit 3
working
```
```input
7
```
```output
15
```
```input
7
```
```output exit 1
14
```
The last program of a pipe reads the here-document:

```console
$ echo 7 | python -m app <<'STDIN'
8
STDIN
16
```
"""


def test_input_and_output_of_a_spec_are_judged(toolchain: PytestToolchain) -> None:
    spec = read_spec("-", io.BytesIO(PAIRS))
    cases = toolchain.prove_tree(TREE, {}, (), spec.examples).cases
    assert [(case.id, case.outcome) for case in cases] == [
        ("E1", "passed"),
        ("E2", "passed"),
        ("E3", "failed"),
        ("E4", "failed"),
        ("E5", "passed"),
    ]
    assert "expected:\n15\ngot:\n14" in cases[2].message
    assert "should exit with status 1 but exited with 0" in cases[3].message


def test_examples_share_nothing_and_keep_their_order(toolchain: PytestToolchain) -> None:
    examples = [
        Example("E1", "shell", (Step("echo x > notes.txt && rm -r app"),)),
        Example("E2", "shell", (Step("head -n 1 notes.txt", "one\n"),)),
        Example("E3", "python", (CORE, Step("double(1)", "2\n"))),
        Example("E4", "python", ()),
    ]
    verdict = toolchain.prove_tree(TREE, {}, (), examples)
    assert [(case.id, case.outcome) for case in verdict.cases] == [
        ("E1", "passed"),
        ("E2", "passed"),
        ("E3", "passed"),
        ("E4", "error"),
    ]
    assert verdict.status == "failed", verdict


def test_hanging_example_is_a_timeout() -> None:
    quick = PytestToolchain(open_sandbox("bubblewrap"), SandboxLimits(seconds=1, memory_mb=512))
    verdict = judged(quick, "python", Step("while True: pass"))
    assert verdict.status == "timeout", verdict
    assert "step 1" in verdict.cases[0].message


def test_expected_values_never_enter_the_sandbox() -> None:
    class Recorder:
        label = "recorder"

        def __init__(self) -> None:
            self.jobs: list[Job] = []

        def probe(self) -> None:
            raise AssertionError("not asked for")

        def run(self, job: Job) -> Ended:
            assert job.source is not None
            self.sources = [path.read_text() for path in Path(job.source).rglob("*") if path.is_file()]
            self.jobs.append(job)
            line = json.dumps({"out": "", "err": "x", "exit": 7}).encode() + b"\n"
            return Ended("exit", 0, b"", b"", 0, line, 0.0, self.label)

    recorder = Recorder()
    secret = Step("echo", "SECRET-text", raises="SECRET-class", message="SECRET-message", exit=7, stdin="told")
    PytestToolchain(recorder).prove_tree({}, {}, (), [Example("SECRET-id", "shell", (secret,))])
    assert len(recorder.jobs) == 2, "both the plain and the merged run must be looked at"
    for job in recorder.jobs:
        assert b"told" in job.stdin
        assert "SECRET" not in repr((job.argv, job.env, job.stdin, job.key)) + "".join(recorder.sources)


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a\nb\n", "a  \nb\n\n\n", True),
        ("a\n", " a\n", False),
        ("a...d", "abcd", True),
        ("a...d", "ad", True),
        ("a...a", "a", False),
        ("...", "", True),
        ("...b...", "abc", True),
        ("a...b...a", "aa", False),
        ("a\n<BLANKLINE>\nb", "a\n\nb", True),
        ("a", "...", False),
        ("a\r\nb", "a\nb", True),
    ],
)
def test_same_text(expected: str, actual: str, same: bool) -> None:
    assert same_text(expected, actual) is same


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.integers() | st.booleans() | st.text(), inner)
    ),
    max_leaves=8,
)


@given(LITERALS)
def test_same_literal_holds_for_any_spelling_of_a_value(value: object) -> None:
    assert same_literal(ast.unparse(ast.Constant(value)) if isinstance(value, str) else f" {value!r}\n", repr(value))


@given(LITERALS, LITERALS)
def test_same_literal_only_for_equal_values_of_equal_types(one: object, other: object) -> None:
    if same_literal(repr(one), repr(other)):
        assert one == other
        assert type(one) is type(other)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [("1", "True"), ("1", "1.0"), ("0.0", "-0.0"), ("[1]", "(1,)"), ("{1: 2}", "{True: 2}"), ("'1'", "1"), ("b'a'", "'a'"), ("(" * 5000, "1")],
)  # fmt: skip
def test_same_literal_is_strict(expected: str, actual: str) -> None:
    assert not same_literal(expected, actual)
    assert not same_literal(actual, expected)
