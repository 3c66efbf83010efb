"""How well tests and examples hold code: real mutants in the real sandbox, and a scripted toolchain where time matters."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.checks import strength
from agent.checks.python import PytestToolchain, declared_ids
from agent.checks.strength import Trial, measure
from agent.sandbox import open_sandbox
from agent.sandbox.base import Ended, Job, SandboxLimits
from graphs.errors import NotJudged
from graphs.ports import Brief
from graphs.values import Component, Contract, Example, Files, Limits, Mutant, Step, Strength

P = "tests/test_x.py"


@pytest.fixture(scope="module")
def toolchain() -> PytestToolchain:
    return PytestToolchain(open_sandbox("bubblewrap"), SandboxLimits(seconds=30, memory_mb=512))


def measured(
    toolchain: PytestToolchain,
    tree: Files | str,
    tests: str = "",
    examples: Sequence[Example] = (),
    most: int = 6,
    own: Sequence[str] = ("x.py",),
    known: Strength | None = None,
) -> Strength:
    files = {"x.py": tree} if isinstance(tree, str) else tree
    given = {P: tests} if tests else {}
    return measure(
        toolchain, own, files, given, declared_ids(given), examples, Limits(mutants=most, mutant_seconds=60), known
    )


CLAMP = "def clamp(n, low, high):\n    if n < low:\n        return low\n    return high if n > high else n\n"
STRONG = """\
from x import clamp
def test_below():
    assert clamp(0, 2, 5) == 2
def test_above():
    assert clamp(9, 2, 5) == 5
def test_between():
    assert [clamp(n, 2, 5) for n in (2, 3, 4, 5)] == [2, 3, 4, 5]
"""
WEAK = "from x import clamp\ndef test_type():\n    assert isinstance(clamp(9, 2, 5), int)\n"


def test_strong_tests_notice_everything_and_each_change_names_who_did(toolchain: PytestToolchain) -> None:
    found = measured(toolchain, CLAMP, STRONG)
    by_change = {mutant.change: mutant.killed_by for mutant in found.mutants}
    assert (found.reason, found.left, found.lines, found.reached, len(found.mutants)) == ("", 0, 4, 4, 6)
    below, above, between = (f"{P}::test_{name}" for name in ("below", "above", "between"))
    assert by_change["def clamp(n, low, high): ... → def clamp(n, low, high): return None"] == (below, above, between)
    assert by_change["if n < low → if True"] == (above,), "for what is not extreme, the first one is enough"
    assert by_change["return low → return None"] == (below,)
    # what tells n from low at n == low is no change of behaviour, and nobody can notice it
    assert {mutant.change for mutant in found.survivors} <= {"n < low → n <= low", "n > high → n >= high"}
    assert found.seconds > 0


def test_weak_tests_let_much_survive(toolchain: PytestToolchain) -> None:
    found = measured(toolchain, CLAMP, WEAK)
    assert (found.lines, found.reached) == (4, 3)
    assert {mutant.line for mutant in found.mutants} <= {1, 2, 4}  # the line that nothing executes is left alone
    assert found.killed >= 1
    assert len(found.survivors) >= 2


def test_the_port_measures_the_components_own_files_with_all_its_examples(toolchain: PytestToolchain) -> None:
    """Tests and examples of spec and contract take part; files of ancestors are not changed."""
    tree = {"x.py": CLAMP, "y.py": "from x import clamp\n\ndef percent(n):\n    return clamp(n, 0, 100) + 0.5\n"}
    examples = [
        Example(name, "python", (Step("from y import percent"), Step("percent(7)", "7.5"))) for name in ("E1", "c.C1")
    ]
    component = Component("c", "", ("y.py", "data.csv"), Contract({}, examples=(examples[1],)))
    brief = Brief(component, "key", (), (), P, examples=(examples[0],))
    tests = {P: "from y import percent\ndef test_a():\n    assert percent(500)\n"}
    found = asyncio.run(
        toolchain.strength(brief, tree, tests, declared_ids(tests), Limits(mutants=5, mutant_seconds=60))
    )
    assert {mutant.path for mutant in found.mutants} == {"y.py"}
    killed_by = {name for mutant in found.mutants for name in mutant.killed_by}
    assert killed_by == {f"{P}::test_a", "E1", "c.C1"}


def test_examples_notice_what_tests_do_not(toolchain: PytestToolchain) -> None:
    example = Example(
        "E1",
        "python",
        (Step("from x import clamp"), Step("clamp(0, 2, 5), clamp(3, 2, 5), clamp(9, 2, 5)", "(2, 3, 5)")),
    )
    found = measured(toolchain, CLAMP, WEAK, [example])
    assert (found.lines, found.reached) == (4, 4)
    assert {mutant.killed_by for mutant in found.mutants} >= {(f"{P}::test_type",), ("E1",)}
    alone = measured(toolchain, CLAMP, "", [example])
    assert {mutant.killed_by for mutant in alone.mutants} <= {("E1",), ()}
    assert (alone.reached, alone.killed >= 4) == (4, True)


MAIN = """\
import sys

def greet(name):
    if not name:
        return 'nobody'
    return 'hello ' + name

def main():
    for line in sys.stdin:
        print(greet(line.strip()))

if __name__ == '__main__':
    main()
"""
IN_A_CHILD = """\
import subprocess, sys
def test_greets():
    done = subprocess.run([sys.executable, %s, "-m", "pkg"], input="ann\\n\\n", capture_output=True, text=True, %s)
    assert done.stdout == "hello ann\\nnobody\\n"
"""


@pytest.mark.parametrize(
    ("option", "extra"),
    [("'-B'", ""), ("'-E'", "cwd='/box/work'"), ("'-B'", "env={'PYTHONPATH': '/box/work'}")],
    ids=["as it is", "isolated", "without variables"],
)
def test_lines_that_only_a_child_executes_count(option: str, extra: str, toolchain: PytestToolchain) -> None:
    files = {"pkg/__main__.py": MAIN}
    found = measured(toolchain, files, IN_A_CHILD % (option, extra), own=["pkg/__main__.py"], most=3)
    assert (found.reason, found.lines, found.reached) == ("", 10, 10)
    assert (found.killed, len(found.mutants)) == (3, 3)


def test_lines_that_only_a_command_of_an_example_executes_count(toolchain: PytestToolchain) -> None:
    example = Example("E1", "shell", (Step("python -m pkg", "hello ann\n", stdin="ann\n"),))
    found = measured(toolchain, {"pkg/__main__.py": MAIN}, "", [example], own=["pkg/__main__.py"])
    assert (found.lines, found.reached) == (10, 9)
    assert found.killed >= 4
    assert {mutant.killed_by for mutant in found.mutants} <= {("E1",), ()}


EVERY_KIND = '''\
"""Text."""
from __future__ import annotations
import asyncio
import threading
import typing
if typing.TYPE_CHECKING:
    import os
N = 1; M = 2
class C:
    """Text."""
    n: int
    x = 1
    @property
    def two(self):
        """Text."""
        return (self.x +
                1)
def deco(f):
    return f
@deco
def every(a, b=1, *c, **d):
    global N
    N = [x for x in (1, 2) if x]
    n = lambda y: y
    try:
        n(1)
        raise ValueError
    except KeyError:
        pass
    except ValueError:
        n = 2
    else:
        pass
    finally:
        n = 3
    with open('/dev/null') as file:
        pass
    while True:
        break
    for x in a:
        continue
    else:
        n = 4
    match a:
        case [1]:
            n = 5
        case _:
            n = 6
    del n
    assert a
    if a:
        pass
    elif b:
        n = 7
    return list(given(a))
def given(a):
    yield from a
    yield 1
async def later():
    await asyncio.sleep(0)
    return 3
def in_thread():
    done = []
    thread = threading.Thread(target=done.append, args=(1,))
    other = threading.Thread(target=work, args=(done,))
    thread.start(); other.start()
    thread.join(); other.join()
    return done
def work(done):
    done.append(2)
'''


def traced(place: Path, main: str, *arguments: str, seconds: float = 60.0) -> tuple[int, dict[str, list[int]]]:
    """What the tracer alone gives and sends of ``main.py`` and its arguments."""
    (place / "work").mkdir(exist_ok=True)
    (place / "work" / "main.py").write_text(main)
    tracer = Path(strength.__file__).with_name(strength.TRACER)
    command = ["bash", "-c", 'exec 3>"$0"; exec "$@"', place / "sent", sys.executable, "-I", "-S", "-B", tracer]
    command += [place / "work", str(seconds), place / "work" / "main.py", *arguments]
    done = subprocess.run(command, env={"TMPDIR": str(place)}, check=False)
    return done.returncode, json.loads((place / "sent").read_text())


def test_every_line_that_is_executed_is_seen(tmp_path: Path) -> None:
    program = strength.mutants.read({"x.py": EVERY_KIND})
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "x.py").write_text(program.plain["x.py"])
    code, rows = traced(
        tmp_path,
        "import asyncio, sys\nsys.path.append(sys.argv[1])\nimport x\n"
        "assert x.every([1]) == [1, 1] and x.C().two == 2 and asyncio.run(x.later()) == 3\n"
        "assert sorted(x.in_thread()) == [1, 2]\nassert x.every([2])\nsys.exit(7)\n",
        str(tmp_path / "work"),
    )
    never = {line for row, line in program.lines["x.py"].items() if row not in rows["x.py"]}
    assert {EVERY_KIND.splitlines()[line - 1].strip() for line in never} == {"pass", "elif b:", "n = 7"}
    assert (len(never), rows["main.py"], code) == (4, [1, 2, 3, 4, 5, 6, 7], 7)


@pytest.mark.parametrize(
    ("end", "code", "last"),
    [
        ("time.sleep(60)", 124, 4),
        ("os._exit(3)", 3, 4),
        ("os.kill(os.getpid(), 9)", 137, 4),
        ("os.execv('/bin/true', ['true'])", 0, 4),
        ("os.fork() or os._exit(0)", 0, 5),
    ],
)
def test_what_was_executed_is_sent_however_the_program_ends(end: str, code: int, last: int, tmp_path: Path) -> None:
    assert traced(tmp_path, f"import os, time\nx = 1\n\n{end}\ny = 2\n", seconds=1.0 if code == 124 else 60.0) == (
        code,
        {"main.py": [line for line in (1, 2, 4, 5) if line <= last]},
    )


def test_a_program_that_notices_its_format_has_no_mutants(toolchain: PytestToolchain) -> None:
    source = "import pathlib\n\n\ndef size():\n    # how long this file is\n    return len(pathlib.Path(__file__).read_bytes())\n"
    found = measured(toolchain, source, f"from x import size\ndef test_a():\n    assert size() == {len(source)}\n")
    assert found.mutants == ()
    assert found.rate is None
    assert found.reason == (
        f"the program behaves differently when nothing but its formatting changed ({P}::test_a does not pass), "
        "so its mutants say nothing"
    )


def test_an_endless_loop_is_noticed_by_the_test_that_was_running(toolchain: PytestToolchain) -> None:
    source = "def count(n):\n    while n > 0:\n        n -= 1\n    return n\n"
    tests = "from x import count\ndef test_zero():\n    assert count(0) == 0\ndef test_two():\n    assert count(2) == 0\ndef test_last():\n    assert count\n"
    began = time.monotonic()
    found = measured(toolchain, source, tests, most=20)
    by_change = {mutant.change: mutant.killed_by for mutant in found.mutants}
    assert by_change["n -= 1 → pass"] == (f"{P}::test_two",)
    assert by_change["n -= 1 → n += 1"] == (f"{P}::test_two",)
    assert time.monotonic() - began < 55
    assert found.left == 0


@pytest.mark.parametrize(
    ("ending", "killed_by"),
    [
        ("os._exit(0)", ["test_two"]),
        ("raise SystemExit", ["test_two"]),
        ("raise KeyboardInterrupt", ["test_two"]),
    ],
)
def test_a_process_that_ends_is_noticed_by_the_test_that_was_running(
    ending: str, killed_by: list[str], toolchain: PytestToolchain
) -> None:
    source = f"import os\n\ndef f(n):\n    if n < 0:\n        {ending}\n    return n\n"
    tests = "from x import f\ndef test_one():\n    assert f\ndef test_two():\n    assert f(1) == 1\ndef test_three():\n    assert f(2) == 2\n"
    found = measured(toolchain, source, tests, most=20)
    (mutant,) = (mutant for mutant in found.mutants if mutant.change == "if n < 0 → if True")
    assert mutant.killed_by == tuple(f"{P}::{name}" for name in killed_by)


def test_of_a_test_with_parameters_the_whole_is_named(toolchain: PytestToolchain) -> None:
    tests = (
        "import pytest, time\nfrom x import f\n@pytest.fixture(params=[0, 1])\ndef n(request):\n"
        "    while request.param and f(1) != 1:\n        pass\n    return request.param\n"
        "def test_one(n):\n    assert n in (0, 1)\ndef test_two():\n    assert f\n"
    )
    assert (
        toolchain.try_tests({"x.py": "def f(n):\n    return n\n"}, {P: tests}, declared_ids({P: tests}), 20).failed
        == ()
    )
    trial = toolchain.try_tests({"x.py": "def f(n):\n    return None\n"}, {P: tests}, declared_ids({P: tests}), 2)
    assert (trial.failed, trial.timed_out) == ((f"{P}::test_one",), True)


def test_a_change_that_breaks_the_import_is_noticed_by_all_tests(toolchain: PytestToolchain) -> None:
    source = "import os\nNAMES = {'a': 1}\nONE = NAMES['a']\n"
    tests = "from x import ONE\ndef test_a():\n    assert ONE == 1\ndef test_b():\n    assert ONE\n"
    found = measured(toolchain, source, tests, most=20)
    (mutant,) = (mutant for mutant in found.mutants if mutant.change.startswith("NAMES['a']"))
    assert mutant.killed_by == (f"{P}::test_a", f"{P}::test_b")


def test_an_id_that_no_test_has_is_never_passed(toolchain: PytestToolchain) -> None:
    tests = {P: "from x import clamp\ndef test_a():\n    assert clamp\n"}
    assert toolchain.try_tests({"x.py": CLAMP}, tests, [f"{P}::test_b"], 20).failed == (f"{P}::test_b",)
    assert toolchain.try_tests({"x.py": CLAMP}, tests, [f"{P}::test_a", f"{P}::test_b"], 20).failed == (f"{P}::test_b",)


TAMPERING = {
    "ends it": "sys.settrace(None); threading.settrace(None)",
    "deletes the file": "os.unlink(FILE)",
    "puts a pipe there": "os.unlink(FILE); os.mkfifo(FILE)",
    "puts a link there": "os.unlink(FILE); os.symlink('/dev/zero', FILE)",
    "puts a directory there": "os.unlink(FILE); os.mkdir(FILE)",
    "fills it with lies": "open(FILE, 'w').write('/box/work\\n' + ''.join(f'{n} x.py\\n{n} {n}.py\\n' for n in range(200_000)))",
    "fills it with rubbish": "open(FILE, 'wb').write(bytes(range(256)) * 40_000)",
    "answers in its place": 'os.write(3, b\'{"x.py": [1, true, -5, 1e99, "4", null, [], {}], "y.py": 5, "": [[]]}\\n\')',
    "floods the answer": "os.write(3, b'[' * 100_000)",
    "ends the tracer": "os.kill(os.getppid(), 9)",
    "traces in its place": "sys.settrace(lambda *_: None)",
    "breaks what it calls": "os.open = os.write = os.close = os.path.realpath = None",
}


@pytest.mark.parametrize("deed", TAMPERING.values(), ids=TAMPERING)
def test_tampering_with_the_trace_gains_nothing(deed: str, toolchain: PytestToolchain) -> None:
    """Mutants are lost, or lines that are never executed get mutants that survive; nothing breaks or hangs."""
    head = "import os, sys, threading\nFILE = os.environ['TMPDIR'] + '/.traced-lines'\nif os.path.exists(FILE):\n    try:\n        "
    source = f"{head}{deed}\n    except OSError:\n        pass\n\ndef f(a):\n    return a + 1\n\ndef never(a):\n    return a\n"
    found = measured(toolchain, source, "from x import f\ndef test_a():\n    assert f(1) == 2\n", most=2)
    assert len(found.mutants) == (0 if found.reason else 2)
    assert found.reached <= found.lines
    for mutant in found.mutants:
        assert mutant.line <= 13
        assert bool(mutant.killed_by) or mutant.line not in (9, 10)


# -- a toolchain that follows a script: what time, the machine and earlier measurements have to do with it

PROGRAM = "".join(f"def f{n}(a):\n    return a + {n + 1}\n\n" for n in range(4))
IDS = (f"{P}::test_a", f"{P}::test_b")


class Idle:
    """A sandbox in which nothing is run."""

    label = "idle"

    def probe(self) -> None: ...

    def run(self, job: Job) -> Ended:
        raise AssertionError("nothing is run here")


class Scripted:
    """Says of a tree what ``says`` does; the unchanged one passes, and all of it is executed."""

    tools = "/tools"
    sandbox = Idle()

    def __init__(self, place: Path, says: Callable[[str, float], Trial]) -> None:
        (place / "own" / "lib" / "python" / "site-packages").mkdir(parents=True)
        self.readonly = {self.tools: place / "own"}
        self.tried: list[str] = []
        """The text of each tree that was given to the tests."""
        self._place, self._says = place, says
        self._tracing: Any = None

    def over(self, sandbox: Any) -> Any:
        other = copy(self)
        other._tracing = sandbox
        return other

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        yield self._place

    def try_tests(self, tree: Files, tests: Files, ids: Sequence[str], seconds: float, first: bool = False) -> Trial:
        if self._tracing is not None:
            self._tracing.rows["x.py"] = set(range(1, 99))
            return Trial(("traced tests may fail",))
        self.tried.append(tree["x.py"])
        return self._says(tree["x.py"], seconds)

    def try_example(self, tree: Files, example: Example, seconds: float) -> Trial:
        return Trial()

    def measure(self, known: Strength | None = None, examples: int = 0, **limits: Any) -> Strength:
        given = [Example(f"E{n}", "python", ()) for n in range(examples)]
        return measure(
            self, ["x.py"], {"x.py": PROGRAM}, {P: ""}, IDS, given, Limits(**{"mutants": 8, **limits}), known
        )


PLAIN = strength.mutants.read({"x.py": PROGRAM}).plain["x.py"]


def passes_unchanged(otherwise: Trial) -> Callable[[str, float], Trial]:
    return lambda text, seconds: Trial() if text == PLAIN else otherwise


@pytest.mark.parametrize(
    ("then", "flaky", "words"),
    [
        (Trial(), IDS[:1], "failed and passed on the same code"),
        (Trial(IDS[:1]), (), "nothing but its formatting changed"),
        (Trial(IDS[1:]), IDS[:1], "failed and passed on the same code"),
    ],
)
def test_what_fails_on_the_unchanged_code_is_tried_once_more(
    then: Trial, flaky: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    turns = iter([Trial(IDS[:1]), then])
    found = Scripted(tmp_path, lambda *_: next(turns)).measure()
    assert (found.flaky, found.mutants) == (flaky, ())
    assert words in found.reason


def test_switched_off_nothing_runs(tmp_path: Path) -> None:
    toolchain = Scripted(tmp_path, lambda *_: Trial())
    assert toolchain.measure(mutants=0) == Strength(reason="mutants are switched off")
    assert toolchain.tried == []


@pytest.mark.parametrize(
    ("own", "ids", "words"),
    [
        (["x.py"], [], "neither a test nor an example"),
        (["notes.md"], IDS, "no Python code of its own"),
        (["missing.py"], IDS, "no Python code of its own"),
        (["bad.py"], IDS, "no Python code of its own"),
        (["empty.py"], IDS, "no Python code of its own"),
    ],
)
def test_where_there_is_nothing_to_measure_nothing_runs(
    own: list[str], ids: Sequence[str], words: str, tmp_path: Path
) -> None:
    toolchain = Scripted(tmp_path, lambda *_: Trial())
    tree = {"x.py": PROGRAM, "notes.md": "a < b", "bad.py": "def", "empty.py": "import os\n"}
    found = measure(toolchain, own, tree, {}, ids, (), Limits())
    assert words in found.reason
    assert found.mutants == ()
    assert toolchain.tried == []


def test_what_was_noticed_before_is_not_tried_again_and_what_was_not_is(tmp_path: Path) -> None:
    first = Scripted(tmp_path / "1", lambda text, _: Trial(("old",)) if "return None" in text else Trial())
    known = first.measure()
    assert (known.killed, len(known.survivors)) == (4, 4)
    excused = replace(
        known, mutants=tuple(m if m.killed_by else replace(m, excuse=f"equivalent: {m.id}") for m in known.mutants)
    )
    more = Scripted(
        tmp_path / "2", lambda text, _: Trial(("new",)) if "-" in text or "return None" in text else Trial()
    )
    found = more.measure(excused)
    assert len(more.tried) == 1 + 4
    assert [mutant.id for mutant in found.mutants] == [mutant.id for mutant in known.mutants]
    for before, now in zip(excused.mutants, found.mutants, strict=True):
        if before.killed_by:
            assert now == before
        else:
            assert now == replace(before, killed_by=("new",) if "-" in before.change else ())
            assert now.excuse == f"equivalent: {now.id}"


def test_there_is_room_for_others_beside_those_known(tmp_path: Path) -> None:
    few = Scripted(tmp_path / "1", passes_unchanged(Trial())).measure(mutants=3)
    more = Scripted(tmp_path / "2", passes_unchanged(Trial(("new",)))).measure(few, mutants=5)
    assert {mutant.id for mutant in few.mutants} < {mutant.id for mutant in more.mutants}
    assert (len(few.mutants), len(more.mutants)) == (3, 5)


def test_known_mutants_of_other_files_are_forgotten(tmp_path: Path) -> None:
    other = Strength((Mutant("M1", "y.py", 1, "other", ("gone",)), Mutant("M999", "x.py", 1, "gone", ("gone",))))
    found = Scripted(tmp_path, passes_unchanged(Trial())).measure(other)
    assert found.killed == 0
    assert len(found.mutants) == 8


def test_when_time_is_up_the_rest_is_counted_and_said_nothing_of(tmp_path: Path) -> None:
    def slow(text: str, seconds: float) -> Trial:
        time.sleep(min(seconds, 0.05 if text == PLAIN else 0.4))
        return Trial(timed_out=seconds < 0.4 and text != PLAIN)

    began = time.monotonic()
    found = Scripted(tmp_path, slow).measure(mutant_seconds=1.0)
    assert time.monotonic() - began < 1.6
    assert 2 <= len(found.mutants) <= 6
    assert len(found.mutants) + found.left == 8
    assert found.killed == 0  # a run that our own deadline cut off says nothing


def test_a_run_that_is_too_long_for_its_own_limit_is_noticed(tmp_path: Path) -> None:
    given: list[float] = []

    def endless(text: str, seconds: float) -> Trial:
        given.append(seconds)
        return Trial(seconds=0.9) if text == PLAIN else Trial(("slow",), timed_out=True)

    found = Scripted(tmp_path, endless).measure(mutant_seconds=100)
    assert {mutant.killed_by for mutant in found.mutants} == {("slow",)}
    assert set(given[1:]) == {0.9 * strength.FACTOR}


def test_code_that_takes_all_the_time_unchanged_is_not_measured(tmp_path: Path) -> None:
    found = Scripted(tmp_path, lambda text, seconds: Trial(IDS, timed_out=True)).measure(mutant_seconds=3)
    assert found.reason == "3 s for all mutants are too short for the unchanged code"


def test_a_mutant_that_the_machine_ended_does_not_count(tmp_path: Path) -> None:
    def says(text: str, _: float) -> Trial:
        return Trial(("t",), by_machine="no memory left") if "return None" in text else Trial()

    found = Scripted(tmp_path, says).measure()
    assert (len(found.mutants), found.killed, found.left) == (4, 0, 0)


@pytest.mark.parametrize("unchanged", [True, False])
def test_where_the_machine_ends_everything_nothing_is_measured(unchanged: bool, tmp_path: Path) -> None:
    broken = Trial(by_machine="no memory left")
    toolchain = Scripted(tmp_path, (lambda *_: broken) if unchanged else passes_unchanged(broken))
    with pytest.raises(NotJudged, match="no memory left; that says nothing of the code, so resume the run"):
        toolchain.measure()


def test_an_error_in_one_of_the_threads_is_raised(tmp_path: Path) -> None:
    def says(text: str, _: float) -> Trial:
        if text != PLAIN:
            raise OSError("no sandbox")
        return Trial()

    toolchain = Scripted(tmp_path, says)
    with pytest.raises(OSError, match="no sandbox"):
        toolchain.measure()
    assert len(toolchain.tried) < 8


def test_examples_are_only_tried_on_what_the_tests_let_through(tmp_path: Path) -> None:
    tried: list[str] = []

    class WithExamples(Scripted):
        def try_example(self, tree: Files, example: Example, seconds: float) -> Trial:
            if tree["x.py"] == PLAIN:
                return Trial()
            tried.append(tree["x.py"])
            return Trial((example.id,))

    found = WithExamples(tmp_path, lambda text, _: Trial(IDS[:1]) if "return None" in text else Trial()).measure(
        examples=2
    )
    assert sorted(mutant.killed_by for mutant in found.mutants) == [("E0", "E1")] * 4 + [IDS[:1]] * 4
    assert len(tried) == 8
    assert not any("return None" in text for text in tried)
