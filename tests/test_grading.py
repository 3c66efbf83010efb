"""Hidden tests judge what was delivered, and nothing that was delivered judges itself; the lint holds tasks to that."""

from __future__ import annotations

import json
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.sandbox import open_sandbox
from agent.sandbox.base import Ended, Job, Sandbox
from benchmark.cli_lint import lint as command
from benchmark.datasets import Task, read_folder
from benchmark.grading import delivered, grade
from benchmark.lint import CHECKS, Report, lint, patched
from graphs.errors import UserError

TESTS = {
    "test_add.py": "from sums import add\n\n\ndef test_positive():\n    assert add(2, 3) == 5\n\n\n"
    "def test_negative():\n    assert add(-2, -3) == -5\n",
    "test_command.py": "import subprocess\nimport sys\n\n\ndef test_command():\n"
    "    done = subprocess.run([sys.executable, '-m', 'sums', '4', '5'], capture_output=True, text=True)\n"
    "    assert done.stdout == '9\\n'\n",
}
RIGHT = """\
import sys


def add(a, b):
    return a + b


if __name__ == "__main__":
    print(add(*map(int, sys.argv[1:])))
"""
WRONG = RIGHT.replace("a + b", "abs(a) + abs(b)")
TASK = Task("sums", "Sums", "# Sums\n", TESTS, {"test_add.py": "add", "test_command.py": "command"}, size="S")
HOOKS = """\
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    report.outcome, report.longrepr = "passed", None
"""
FORGER = """\
import _pytest.reports

made = _pytest.reports.TestReport.from_item_and_call.__func__


def forged(cls, item, call):
    report = made(cls, item, call)
    report.outcome, report.longrepr = "passed", None
    return report


_pytest.reports.TestReport.from_item_and_call = classmethod(forged)
"""
PASSING = "def test_positive(): pass\ndef test_negative(): pass\ndef test_command(): pass\n"


@pytest.fixture(scope="module")
def box(bubblewrap: None) -> Sandbox:
    return open_sandbox("bubblewrap")


# -- grading


def test_a_right_program_passes(box: Sandbox) -> None:
    found = grade(TASK, {"sums.py": RIGHT, "README.md": "", "tests/test_own.py": "def test_own(): assert False\n"}, box)
    assert found.passed, found
    assert (found.parts, found.score, found.reason, found.infra) == ({"add": 1.0, "command": 1.0}, 1.0, "", False)
    assert found.seconds > 0
    assert found.sandbox == "bubblewrap"


def test_a_wrong_program_gets_a_share_of_each_part(box: Sandbox) -> None:
    found = grade(TASK, {"sums.py": WRONG}, box)
    assert not found.passed
    assert found.parts == {"add": 0.5, "command": 1.0}
    assert found.score == pytest.approx(2 / 3)
    assert "test_negative" in found.reason
    assert not found.infra


def test_nothing_delivered(box: Sandbox) -> None:
    found = grade(TASK, {}, box)
    assert not found.passed
    assert found.parts == {"add": 0.0, "command": 0.0}
    assert not found.infra


CHEATS = {
    "conftest.py": {"conftest.py": HOOKS, "tests/conftest.py": HOOKS},
    "pytest.ini": {"pytest.ini": "[pytest]\naddopts = -p forge --collect-only\n", "forge.py": HOOKS},
    "pyproject.toml": {"pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-p forge"\n', "forge.py": HOOKS},
    "sitecustomize": {"sitecustomize.py": "import os\nos._exit(0)\n", "usercustomize.py": "import os\nos._exit(0)\n"},
    "a module called pytest": {"pytest.py": "import os\nos._exit(0)\n", "_pytest/__init__.py": ""},
    "edited tests": {"tests/test_add.py": PASSING, "tests/test_command.py": PASSING, "test_add.py": PASSING},
    "a file called tests": {"tests": PASSING},
    "leaves in the call": {"sums.py": "import os\ndef add(a, b):\n    os._exit(0)\n"},
    "leaves at import": {"sums.py": f"import os\nos._exit(0)\n{WRONG}"},
    "equal to everything": {
        "sums.py": "class Any:\n    def __eq__(self, other):\n        return True\n    __hash__ = None\n"
        "def add(a, b):\n    return Any()\nif __name__ == '__main__':\n    print(9)\n"
    },
    "reports forged": {"sums.py": FORGER + WRONG},
    "a path that leaves": {"../tests/test_add.py": PASSING},
}  # fmt: skip
"""What is delivered beside, or instead of, a program that does not work."""


@pytest.mark.parametrize("name", CHEATS)
def test_nothing_delivered_configures_the_grader(name: str, box: Sandbox) -> None:
    found = grade(TASK, {"sums.py": WRONG, **CHEATS[name]}, box)
    assert not found.passed
    assert found.reason
    assert not found.infra
    assert found.parts["add"] < 1


@pytest.mark.parametrize("name", ["conftest.py", "pytest.ini", "edited tests", "a module called pytest"])
def test_the_same_files_do_not_harm_a_right_program(name: str, box: Sandbox) -> None:
    assert grade(TASK, {"sums.py": RIGHT, **CHEATS[name]}, box).passed


def test_given_files_are_as_they_were(box: Sandbox) -> None:
    tests = {
        "test_add.py": "from known import FIVE\nfrom sums import add\n\n\ndef test_add():\n    assert add(2, 3) == FIVE\n"
    }
    task = replace(TASK, tests=tests, parts={"test_add.py": "add"}, given={"known.py": "FIVE = 5\n"})
    cheat = {"sums.py": "def add(a, b):\n    return 0\n", "known.py": "FIVE = 0\n"}
    assert not grade(task, cheat, box).passed
    assert grade(task, {"sums.py": RIGHT}, box).passed


def test_a_program_that_hangs_fails_at_the_time_limit_of_the_task(box: Sandbox) -> None:
    hanging = {"sums.py": "import time\ndef add(a, b):\n    time.sleep(60)\n"}
    found = grade(replace(TASK, verifier_seconds=1.5), hanging, box)
    assert not found.passed
    assert not found.infra
    assert "longer than 1.5 s" in found.reason
    assert found.seconds < 20


class Broken:
    """A sandbox that the machine lets down."""

    label = "broken"

    def __init__(self, error: OSError | None = None) -> None:
        self._error = error

    def probe(self) -> None: ...

    def run(self, job: Job) -> Ended:
        if self._error:
            raise self._error
        return Ended("crash", None, b"", b"", 0, b"", 0.1, self.label, "the sandbox broke")


@pytest.mark.parametrize("sandbox", [Broken(), Broken(PermissionError(13, "Permission denied"))])
def test_where_the_machine_fails_nothing_is_said_of_the_program(
    sandbox: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.sandbox.patient.time.sleep", lambda _: None)
    found = grade(TASK, {"sums.py": RIGHT}, sandbox)
    assert found.infra
    assert not found.passed
    assert found.parts == {}
    assert found.reason


def test_of_a_directory_only_plain_text_is_delivered(tmp_path: Path) -> None:
    for name in ("a.py", "pkg/b.txt", ".git/config", ".env", "pkg/__pycache__/a.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\r\n", newline="")
    (tmp_path / "picture").write_bytes(b"\xff\xfe")
    (tmp_path / "large.txt").write_bytes(b"x" * 2_000_001)
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "secret").symlink_to("/etc/passwd")
    assert delivered(tmp_path) == {"a.py": "x\r\n", "pkg/b.txt": "x\r\n"}


# -- mutants


def test_a_patch_is_applied_to_a_copy() -> None:
    tree = {"a/b.py": "one\ntwo\n", "c.py": "three\n"}
    patch = "--- a/a/b.py\n+++ b/a/b.py\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
    assert patched(tree, patch) == {"a/b.py": "one\n2\n", "c.py": "three\n"}
    assert tree["a/b.py"] == "one\ntwo\n"
    for wrong in ("", "no patch", patch.replace("-two", "-ten"), patch.replace("a/b.py", "../x.py")):
        with pytest.raises(UserError):
            patched(tree, wrong)


# -- lint


def diff(wrong: str) -> str:
    return "".join(unified_diff(RIGHT.splitlines(True), wrong.splitlines(True), "a/sums.py", "b/sums.py"))


CANARY = "stepgraph-benchmark 6f1e0e0c-3b52-4c0e-9d54-0d5d0f0a4e01, never to be trained on"
SOUND = {
    "task.toml": f'[metadata]\nsize = "S"\ncanary = "{CANARY}"\n[metadata.parts]\n"test_add.py" = "add"\n',
    "instruction.md": "# Sums\n\nWrite `sums.py` with `add(a, b)`.\n\n```pycon\n>>> from sums import add\n>>> add(1, 1)\n2\n```\n",
    "tests/test_add.py": TESTS["test_add.py"],
    "solution/sums.py": RIGHT,
    "mutants/no-sign.patch": diff(WRONG),
    "mutants/zero.patch": diff(RIGHT.replace("a + b", "max(a + b, 0)")),
}
LONG = "    expected_of_a_long_hidden_line = [2, 3, 5]\n"
SPOILT = {
    **SOUND,
    "task.toml": f'[metadata]\ncanary = "{CANARY}"\n[metadata.parts]\n"test_add.py" = "add"\n',
    "instruction.md": SOUND["instruction.md"].replace(">>> add(1, 1)\n2", ">>> add(1, 1)\n3")
    + f"\nAs in test_negative:\n\n{LONG}",
    "tests/test_add.py": TESTS["test_add.py"].replace("():\n", f"():\n{LONG}", 1),
    "tests/test_more.py": TESTS["test_add.py"],
    "workspace/sums.py": RIGHT,
    "mutants/no-sign.patch": diff(WRONG).replace("-    return a", "-    return of a"),
    "mutants/zero.patch": diff(RIGHT.replace("a + b", "b + a")),
    "mutants/none.patch": diff(RIGHT.replace("a + b", "None")),
}
"""Almost everything is wrong with it, but for its solution."""


def laid(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def told(report: Report) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in report.problems:
        found.setdefault(problem.check, []).append(problem.text)
    return found


def test_a_sound_task(box: Sandbox, tmp_path: Path) -> None:
    folder = laid(tmp_path / "sums", SOUND)
    (report,) = lint([folder], box)
    assert report.sound, report
    assert (report.id, report.size, report.tests, report.mutants) == ("sums", "S", 2, 2)
    assert report.digest == read_folder(folder).digest
    assert 0 < report.oracle_seconds < report.seconds


def test_everything_that_is_wrong_is_told(box: Sandbox, tmp_path: Path) -> None:
    (report,) = lint(
        [laid(tmp_path / "spoilt", SPOILT), laid(tmp_path / "sums", {"task.toml": SOUND["task.toml"]})][:1], box
    )
    found = told(report)
    assert set(found) == {"hidden", "parts", "canary", "examples", "empty", "mutants"}
    assert any("test_negative" in text for text in found["hidden"])
    assert any("holds line 5 of the hidden file 'test_add.py'" in text for text in found["hidden"])
    assert "'test_more.py'" in found["parts"][0]
    assert found["canary"] == ["another task has the same canary"]
    assert "example" in found["examples"][0]
    said = "\n".join(found["mutants"])
    assert "'no-sign' cannot be applied" in said
    assert "'zero' passes" in said
    assert "'none' passes not one test" in said


def test_a_solution_that_fails_and_a_folder_that_cannot_be_read(box: Sandbox, tmp_path: Path) -> None:
    wrong = {
        **SOUND,
        "solution/sums.py": WRONG,
        "instruction.md": " \n",
        "task.toml": '[metadata]\ncanary = "mine"\n',
    }
    del wrong["mutants/no-sign.patch"], wrong["mutants/zero.patch"]
    one, other = lint([laid(tmp_path / "a", wrong), laid(tmp_path / "b", {"task.toml": "x"})], box)
    found = told(one)
    assert set(found) == {"spec", "canary", "oracle", "mutants"}
    assert "time 1 of 3" in found["oracle"][0]
    assert "test_negative" in found["oracle"][0]
    assert [problem.check for problem in other.problems] == ["loads"]
    assert not set(found) - set(CHECKS)


def test_where_the_machine_fails_a_task_is_not_judged(tmp_path: Path) -> None:
    (report,) = lint([laid(tmp_path / "sums", SOUND)], Broken(PermissionError(13, "Permission denied")))
    assert report.infra
    assert report.problems == ()
    assert not report.sound


def test_the_command(box: Sandbox, tmp_path: Path) -> None:
    laid(tmp_path / "sums", SOUND)
    laid(tmp_path / "other", {"task.toml": "x"})
    done = CliRunner().invoke(command, ["sums", "--suite", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    body = json.loads(done.stdout)
    assert (body["version"], body["sound"], [task["id"] for task in body["tasks"]]) == (1, True, ["sums"])
    done = CliRunner().invoke(command, ["other", "--suite", str(tmp_path)])
    assert done.exit_code == 1
    assert "0 of 1 sound" in done.stdout
    assert "loads: " in done.stdout
    done = CliRunner().invoke(command, ["none", "--suite", str(tmp_path)])
    assert isinstance(done.exception, UserError)
    assert "there is no task 'none'" in str(done.exception)
