"""The three numbers: who wrote the lines, whether a part can be rebuilt, what was solved."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.sandbox import open_sandbox
from agent.workspace import GitRepository
from benchmark.bootstrap import REBUILT, authorship, named_after, rebuild_task, releases, solved
from benchmark.cli_bootstrap import bootstrap
from benchmark.datasets import load
from benchmark.history import opened
from benchmark.self_tasks import proven
from benchmark.statistics import Outcome
from graphs.errors import UserError
from graphs.values import CaseResult, Component, Contract, Plan, Proof, Spec, Verdict
from tests.test_self_tasks import commit, git

ROOT = Path(__file__).parents[1]
PASSED = Verdict("passed", (CaseResult("t", "passed"),), sandbox="bubblewrap")
PART = Component("a", "Adds.", ("a.py",), Contract({}, "It adds.\n"), (), ())
PLAN = Plan("Sums", (PART,), (), "digest", 1)


def deliver(root: Path, code: str, tests: str, *, edited: bool = False) -> None:
    """What a run commits: a component, and a README."""
    repository = GitRepository(root, "20261120-143055-sums-7f3a", overwrite=edited)
    proof = Proof("a", "k" * 64, "passed", {"a.py": code}, {"tests/test_a.py": tests}, ("t",), PASSED, 1)
    asyncio.run(repository.commit(PLAN, proof))
    asyncio.run(repository.finish(PLAN, Spec("Sums", "text", "digest"), {"a": proof}, None))


@pytest.fixture
def delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    root = tmp_path / "sums"
    deliver(root, "x = 1\ny = 2\nz = 3\n", "def test(): assert 1\n")
    return root


def counts(root: Path, since: str = "", until: str = "HEAD") -> tuple[int, int, int, int]:
    with opened(root) as history:
        found = authorship(history, since, until)
    return found.added, found.agent_added, found.alive, found.agent_alive


def lines(root: Path, *paths: str) -> int:
    return sum((root / path).read_text().count("\n") for path in paths)


def test_delivered_lines_are_the_programs_and_hand_written_ones_are_not(delivered: Path) -> None:
    readme = lines(delivered, "README.md")
    plan = lines(delivered, ".agent/plan.yaml", ".gitignore")
    assert counts(delivered) == (4 + readme + plan, 4 + readme, 4 + readme + plan, 4 + readme)
    commit(delivered, "By hand\n\nRun: pytest\n", {"b.py": "1\n2\n", "a.py": "x = 1\ny = 20\nz = 3\n"})
    assert counts(delivered) == (7 + readme + plan, 4 + readme, 6 + readme + plan, 3 + readme)
    assert counts(delivered, "HEAD~1") == (3, 0, 3, 0)


@pytest.mark.parametrize(
    ("made", "agents"),
    [
        (lambda root: git(root, "mv", "a.py", "moved.py"), 3),
        (lambda root: (root / "a.py").write_text("".join(f"{n} = 0\n" for n in "pqr")), 0),
    ],
)
def test_what_a_later_commit_leaves_of_it(made, agents: int, delivered: Path) -> None:
    readme = lines(delivered, "README.md")
    made(delivered)
    commit(delivered, "By hand", {})
    assert counts(delivered)[3] == agents + 1 + readme


def test_an_amended_delivery_does_not_vouch_for_what_was_put_into_it(delivered: Path) -> None:
    git(delivered, "reset", "--quiet", "--hard", "HEAD~1")  # the README; the component's commit is the last one now
    before = counts(delivered)
    (delivered / "a.py").write_text("x = 1\ny = 2\nz = 3\nw = 4\n")
    git(delivered, "-c", "user.name=U", "-c", "user.email=u@x", "commit", "--quiet", "--all", "--amend", "--no-edit")
    assert (before[1], counts(delivered)[1]) == (4, 1), "of the tests alone"


def test_what_a_user_edited_is_not_the_programs_when_it_is_replaced(delivered: Path) -> None:
    (delivered / "a.py").write_text("x = 1\ny = 2\nz = 3\nmine = 4\n")
    readme = lines(delivered, "README.md")
    deliver(delivered, "x = 1\ny = 2\nz = 5\n", "def test(): assert 1\n", edited=True)
    assert "Your edits" in git(delivered, "log", "--format=%s")
    found = counts(delivered)
    assert found[1] == 4 + 1 + readme
    assert found[3] == 4 + lines(delivered, "README.md")


@pytest.mark.parametrize(
    ("span", "cut"),
    [
        ("", (("v2", "HEAD"),)),
        ("..", (("", "v1"), ("v1", "v2"), ("v2", "HEAD"))),
        ("v1..HEAD", (("v1", "v2"), ("v2", "HEAD"))),
        ("v1..v2", (("v1", "v2"),)),
        ("v1", UserError),
        ("v1...v2", UserError),
        ("v9..v2", UserError),
    ],
)
def test_a_range_is_cut_at_its_tags(span: str, cut: object, tmp_path: Path) -> None:
    for number in range(4):
        commit(tmp_path / "tags", f"{number}", {f"{number}.py": "x\n"})
        if number in (1, 2):
            git(tmp_path / "tags", "tag", f"v{number}", *(("-a", "-m", "x") if number == 2 else ()))
    with opened(tmp_path / "tags") as history:
        if cut is UserError:
            with pytest.raises(UserError):
                releases(history, span)
        else:
            assert releases(history, span) == cut
            assert sum(authorship(history, *one).added for one in releases(history, "..")) == 4


# -- rebuild

FILES = {
    "kit/__init__.py": "",
    "kit/words.py": '"""Words."""\n\n\ndef shout(word: str) -> str:\n    """``word`` in capitals."""\n    return _up(word)\n\n\n'
    "def _up(word):\n    return word.upper()\n\n\ndef _secret():\n    return 1\n",
    "kit/other.py": "from kit.words import shout\n",
    "tests/test_words.py": "from kit.words import _up, shout\n\n\ndef test_shout():\n    assert shout('a') == _up('a') == 'A'\n",
    "tests/test_other.py": "import kit.other\n\n\ndef test_other():\n    assert kit.other\n",
}


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("module", ["kit/words.py", "kit"])
def test_a_part_is_told_by_its_words_and_judged_by_its_tests(module: str) -> None:
    task = rebuild_task(FILES, module, ["tests/test_words.py"])
    assert not any(path.startswith(module) for path in task.workspace)
    assert "tests/test_words.py" not in task.workspace
    assert "tests/test_other.py" in task.workspace
    assert "in capitals" in task.instruction
    assert "def _up(word)" in task.instruction, "the tests use it"
    for hidden in ("upper", "_secret", "test_shout"):
        assert hidden not in task.instruction
    proof = proven(task, open_sandbox("bubblewrap"))
    assert (proof.fail_to_pass, proof.pass_to_pass) == (("test_words.py::test_shout",), ())


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("kit/gone.py", "there is no Python file 'kit/gone.py'"),
        ("kit/other", "there is no"),
        ("kit/__init__.py", "no test"),
    ],
)
def test_what_cannot_be_rebuilt_is_one_sentence(module: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        rebuild_task(FILES, module, named_after(FILES, module))


def test_the_part_of_this_program_that_is_rebuilt_has_tests_of_its_name() -> None:
    files = {path: (ROOT / path).read_text() for path in (REBUILT, "tests/test_statistics.py", "tests/test_gate.py")}
    task = rebuild_task(files, REBUILT, named_after(files, REBUILT))
    assert list(task.parts) == ["test_statistics.py"]
    for promise in ("Wilson 1927", "def holm(", "class Decision", "How often such an interval holds"):
        assert promise in task.instruction


# -- what was solved


def test_a_task_is_solved_in_more_than_half_of_its_runs() -> None:
    def runs(task: str, *passed: bool | None) -> list[Outcome]:
        return [Outcome(task, "plain", i, bool(won), infra=won is None) for i, won in enumerate(passed)]

    outcomes = [
        *runs("a", True, True, False), *runs("b", True, False), *runs("c", None, True), *runs("d", None), *runs("x", True),
    ]  # fmt: skip
    found = solved(outcomes, ["a", "b", "c", "d", "e"])
    assert (found.tasks, found.solved) == (3, 2)
    assert found.share is not None
    assert found.share.low < 2 / 3 < found.share.high
    assert asdict(solved([], ["a"])) == {"tasks": 0, "solved": 0, "share": None}


# -- the command


@pytest.mark.usefixtures("bubblewrap")
def test_the_command_measures_and_mines(tmp_path: Path) -> None:
    root = tmp_path / "kit"
    commit(root, "Begin", FILES)
    words = FILES["kit/words.py"]
    commit(
        root,
        "Whisper",
        {
            "kit/words.py": f"{words}\n\ndef whisper(word):\n    return word.lower()\n",
            "tests/test_whisper.py": "from kit.words import whisper\n\n\ndef test_it():\n    assert whisper('A') == 'a'\n",
        },
    )
    done = CliRunner().invoke(bootstrap, [str(root), "--rebuild", "kit/words.py", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["self_tasks"]["qualify"], said["self_tasks"]["tried"], len(said["self_tasks"]["tasks"])) == (1, 1, 1)
    assert [(one["name"], one["agent_added"]) for one in said["authorship"]] == [("HEAD", 0)]
    assert said["rebuild"]["proven"]
    out = tmp_path / "out"
    done = CliRunner().invoke(bootstrap, ["mine", str(root), "--rebuild", "kit/words.py", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "of the newest 1, 1 became tasks" in done.stdout
    assert sorted(task.id[:7] for task in load(out)) == ["rebuild", f"self-{git(root, 'rev-parse', 'HEAD')[:2]}"]
    with pytest.raises(UserError, match="is there already"):
        CliRunner().invoke(bootstrap, ["mine", str(root), "-o", str(out)], catch_exceptions=False)
