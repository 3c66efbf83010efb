"""The output repository, with the real git: what it holds, what is refused, and what hostile files cannot do."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from agent import git as agent_git
from agent.workspace import GitRepository, check_output, sole_writer
from graphs import document, examples
from graphs.errors import PathRefused, PrerequisiteError, UserError
from graphs.values import (
    CaseResult,
    Component,
    Contract,
    Example,
    Mutant,
    Plan,
    Proof,
    Requirement,
    Spec,
    Strength,
    Verdict,
)

SESSION = examples.parse_block("$ python -m pkg\nhi\n", "E1", 1)
assert isinstance(SESSION, Example)
SPEC = Spec("t", "text", "digest", (SESSION,))
A = Component("a", "Reads | words.", ("pkg/a.py",), Contract({"pkg/a.py": "x: int\n"}, "It reads.\n"), (), ("R1",))
B = Component("b", "Shows.", ("pkg/__main__.py",), Contract({}, "It shows.\n"), ("a",), ("R2",), "cli", ("rich>=14",))
PLAN = Plan(
    "Word tool",
    (A, B),
    (Requirement("R1", "It reads."), Requirement("R2", "It shows.")),
    "digest",
    2,
    "python",
    "python -m pkg",
)
PASSED = Verdict("passed", (CaseResult("t1", "passed"), CaseResult("t2", "passed")), sandbox="bubblewrap")


def proof(component: Component, text: str = "x = 1\n") -> Proof:
    files = dict.fromkeys(component.files, text)
    tests = {f"tests/test_{component.id}.py": "def test(): assert 1\n"}
    return Proof(component.id, "k" * 64, "passed", files, tests, ("t1", "t2"), PASSED, 1)


def digest(line: str) -> str:
    """What a commit says of a file that holds this line; anybody can check it with ``sha256sum``."""
    return hashlib.sha256(f"{line}\n".encode()).hexdigest()[:16]


FAILED = Proof("b", "k", "failed", reason="2 of 3 fail |\x1b[31m first t1")


USER = ("-c", "user.name=U", "-c", "user.email=u@x")


def git(root: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return subprocess.run(
        ["git", "-c", "safe.directory=*", *arguments],
        cwd=root,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the output goes; the user has no git configuration of their own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "out"


def commit(root: Path, *proofs: Proof, plan: Plan = PLAN) -> GitRepository:
    repository = GitRepository(root, "run-1")
    for one in proofs:
        asyncio.run(repository.commit(plan, one))
    return repository


def finish(repository: GitRepository, *proofs: Proof, verdict: Verdict | None = None, plan: Plan = PLAN) -> str:
    asyncio.run(repository.finish(plan, SPEC, {p.component: p for p in proofs}, verdict))
    return (repository.root / "README.md").read_text() if (repository.root / "README.md").exists() else ""


def subjects(root: Path) -> list[str]:
    return git(root, "log", "--reverse", "--format=%s").splitlines()


def test_each_proven_component_is_one_commit_with_trailers(root: Path) -> None:
    repository = commit(root, proof(A), proof(B))
    finish(repository, proof(A), proof(B), verdict=PASSED)

    assert subjects(root) == ["Plan of Word tool", "a: Reads / words.", "b: Shows.", "How to run and test it"]
    shown = git(root, "log", "--format=%(trailers:only,unfold)", "-1", "HEAD~1").split("\n")
    assert [line for line in shown if line] == [
        "Run: run-1",
        "Component: b",
        "Revision: 2",
        f"Key: {'k' * 16}",
        "Verdict: 2 checks passed in bubblewrap",
        f"File: {digest('x = 1')} pkg/__main__.py",
        f"File: {digest('def test(): assert 1')} tests/test_b.py",
    ]
    assert git(root, "show", "--format=", "--name-only", "HEAD~2").split() == ["pkg/a.py", "tests/test_a.py"]
    assert set(git(root, "ls-files").split()) == {
        ".agent/plan.yaml",
        ".gitignore",
        "README.md",
        "pkg/__main__.py",
        "pkg/a.py",
        "tests/test_a.py",
        "tests/test_b.py",
    }
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "branch", "--show-current") == "main\n"
    assert document.parse((root / ".agent/plan.yaml").read_text()) == PLAN
    assert (root / "pkg/a.py").read_text() == "x = 1\n"


def test_doing_it_all_once_more_changes_nothing(root: Path) -> None:
    finish(commit(root, proof(A), proof(B)), proof(A), proof(B), verdict=PASSED)
    head = git(root, "rev-parse", "HEAD")

    repository = commit(root, proof(A), proof(B))
    finish(repository, proof(A), proof(B), verdict=PASSED)

    assert git(root, "rev-parse", "HEAD") == head


def test_what_a_killed_process_had_added_is_committed_for_its_own_component(root: Path) -> None:
    finish(GitRepository(root, "run-1"))
    (root / "pkg").mkdir(exist_ok=True)
    (root / "pkg" / "a.py").write_text("x = 1\n")
    git(root, "add", "pkg/a.py")  # and then the process was killed

    commit(root, proof(B), proof(A))

    assert git(root, "show", "--format=%s", "--name-only", "HEAD").split("\n")[0] == "a: Reads / words."
    assert "pkg/a.py" in git(root, "show", "--format=", "--name-only", "HEAD")


def test_commits_that_come_at_once_follow_each_other(root: Path) -> None:
    repository = GitRepository(root, "run-1")
    many = [replace(A, id=f"c{i}", files=(f"c{i}.py",)) for i in range(8)]
    plan = replace(PLAN, components=tuple(many))

    async def all_at_once() -> list[str]:
        tasks = [asyncio.create_task(repository.commit(plan, proof(c))) for c in many]
        await asyncio.sleep(0)
        tasks[0].cancel()  # it goes on in its thread; the others must not meet its lock
        return [r for r in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(r, str)]

    assert len(set(asyncio.run(all_at_once()))) == 7
    assert len(subjects(root)) == 9


def test_the_readme_says_how_to_run_and_test_and_where_what_is(root: Path) -> None:
    text = finish(commit(root, proof(A), proof(B)), proof(A), proof(B), verdict=PASSED)

    for part in (
        "# Word tool\n",
        "```sh\npython -m pkg\n```",
        "$ python -m pkg\nhi\n",
        "python -m pip install pytest 'rich>=14'\npython -m pytest\n",
        "| component | files | checks passed | mutants killed | requirements |\n|---|---|---|---|---|\n",
        "| a: Reads / words. | `pkg/a.py` | 2 | not measured | R1 |",
    ):
        assert part in text
    assert "Not finished" not in text
    assert "The whole" not in text


def test_the_readme_says_what_proves_each_requirement_or_why_nothing_does(root: Path) -> None:
    mutants = (Mutant("M1", "pkg/a.py", 1, "1 → 2", ("t::a",)), Mutant("M2", "pkg/a.py", 1, "x → y"))
    covers = {"R1": ("t::a", "t::b", "E9"), "R3": ("E1",)}
    reader = replace(
        proof(A),
        strength=Strength(mutants),
        covers=covers,
        quarantined={"t::flaky": "it failed\nand | passed \x1b[31m"},
    )
    asked = (*PLAN.requirements, Requirement("R3", "It greets."), Requirement("R4", "It says hi.", "hi", 2))
    plan = replace(
        PLAN,
        components=(replace(A, requirements=("R1", "R3")), replace(B, requirements=("R2", "R4"))),
        requirements=asked,
    )
    whole = Verdict("passed", (CaseResult("E1", "passed"),))

    text = finish(commit(root, reader, proof(B), plan=plan), reader, proof(B), verdict=whole, plan=plan)

    for part in (
        "| a: Reads / words. | `pkg/a.py` | 2 | 1 of 2 | R1, R3 |",
        "- R1: It reads. Proven by a (2 tests, 1 example).\n",
        "- R2: It shows. **Not proven**: no test of b is for it.\n",
        "- R3: It greets. Proven by a (1 example).\n",
        "- R4: It says hi. Proven by the whole (example E1).\n",
        "## Tests that were set aside\n\nWhat they were for is not proven.\n\n",
        "- t::flaky: it failed and / passed \\x1b[31m\n",
    ):
        assert part in text


def test_the_readme_of_a_part_says_what_is_missing_and_why(root: Path) -> None:
    c = replace(A, id="c", files=("c.py",), depends_on=("b",), requirements=())
    plan = replace(PLAN, components=(A, B, c))

    text = finish(commit(root, proof(A), plan=plan), proof(A), FAILED, plan=plan)

    for part in (
        "**Not finished**: 2 of 3 components are missing",
        "| b: Shows. | `pkg/__main__.py` | not proven | – | R2 |",
        "- R2: It shows. **Not proven**: b is not proven.\n",
        "- b: 2 of 3 fail /\\x1b[31m first t1\n",
        "- c: not built, because b failed\n",
        "(see below). Proven: a.\n",
    ):
        assert part in text
    assert "## Run it" not in text
    assert "\x1b" not in text


def test_the_readme_tells_when_the_parts_pass_and_the_whole_does_not(root: Path) -> None:
    failed = Verdict("failed", (), "the entry command ended with status 1")

    text = finish(commit(root, proof(A), proof(B)), proof(A), proof(B), verdict=failed)

    assert "the assembled program does not: the entry command ended with status 1" in text


def test_a_readme_of_a_component_is_left_to_it(root: Path) -> None:
    plan = replace(PLAN, components=(replace(A, files=("readme.md",)),))

    text = finish(commit(root, proof(plan.components[0], "mine\n"), plan=plan), plan=plan)

    assert text == ""
    assert (root / "readme.md").read_text() == "mine\n"


def test_files_of_a_former_plan_go_and_the_users_own_stay(root: Path) -> None:
    finish(commit(root, proof(A), proof(B)), proof(A), proof(B))
    (root / "mine.txt").write_text("mine")
    git(root, "add", "mine.txt")
    git(root, *USER, "commit", "-qm", "mine")
    plan = replace(PLAN, components=(replace(A, requirements=("R1", "R2")),), entry="")

    finish(commit(root, proof(A), plan=plan), proof(A), plan=plan)

    assert set(git(root, "ls-files").split()) == {
        ".agent/plan.yaml",
        ".gitignore",
        "README.md",
        "mine.txt",
        "pkg/a.py",
        "tests/test_a.py",
    }
    assert git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["../x", "/tmp/x", ".git/hooks/pre-commit", "a\\b", "x\x00y", "sitecustomize.py"])
def test_hostile_names_are_refused_and_nothing_is_committed(root: Path, name: str) -> None:
    commit(root, proof(B))
    head = git(root, "rev-parse", "HEAD")

    with pytest.raises(PathRefused):
        commit(root, replace(proof(A), files={"pkg/a.py": "x", name: "evil"}))

    assert git(root, "rev-parse", "HEAD") == head
    assert git(root, "status", "--porcelain") == ""


def test_names_that_git_would_take_for_patterns_are_only_names(root: Path) -> None:
    (plain, odd) = (replace(A, files=("x.txt",)), replace(B, files=("[x].txt", "*.txt")))
    plan = replace(PLAN, components=(plain, odd))
    repository = commit(root, proof(plain), plan=plan)
    (root / "x.txt").write_text("changed meanwhile")

    try:
        asyncio.run(repository.commit(plan, proof(odd)))
    except PathRefused:
        assert git(root, "show", "--format=", "--name-only").split() == ["tests/test_a.py", "x.txt"]
    else:
        assert "x.txt" not in git(root, "show", "--format=", "--name-only").split()


def made(root: Path) -> None:
    finish(commit(root, proof(A), proof(B)), proof(A), proof(B), verdict=PASSED)


def _signed(root: Path) -> None:
    """A last commit that git would have a program check when it shows the log."""
    head, _, message = git(root, "cat-file", "commit", "HEAD").partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    (root / ".git/signed").write_text(f"{head}\n{signature}\n\n{message}")
    git(root, "update-ref", "HEAD", git(root, "hash-object", "-t", "commit", "-w", ".git/signed").strip())
    git(root, "config", "log.showSignature", "true")
    git(root, "config", "gpg.program", str(executable(root / ".git/gpg")))


TRAPS = {
    "hook": lambda root: executable(root / ".git/hooks/pre-commit"),
    "post-commit hook": lambda root: executable(root / ".git/hooks/post-commit"),
    "hooks path": lambda root: git(
        root, "config", "core.hooksPath", str(executable(root / ".git/h/pre-commit").parent)
    ),
    "monitor": lambda root: git(root, "config", "core.fsmonitor", str(executable(root / ".git/monitor"))),
    "signing": lambda root: [
        git(root, "config", "commit.gpgsign", "true"),
        git(root, "config", "gpg.program", str(executable(root / ".git/gpg"))),
    ],
    "editor": lambda root: git(root, "config", "core.editor", str(executable(root / ".git/editor"))),
    "pager": lambda root: git(root, "config", "core.pager", str(executable(root / ".git/pager"))),
    "signature": _signed,
    "alias": lambda root: git(root, "config", "alias.add", f"!{executable(root / '.git/alias')}"),
    "diff": lambda root: git(root, "config", "diff.external", str(executable(root / ".git/diff"))),
}


def executable(path: Path) -> Path:
    """A program that leaves a mark beside the repository when it is started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = path.parents[[p.name for p in path.parents].index(".git") + 2] / "started"
    path.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_nothing_of_a_former_output_is_started(root: Path, trap: object) -> None:
    made(root)
    trap(root)  # type: ignore[operator]

    check_output(root)
    commit(root, proof(A, "x = 2\n"))

    assert not (root.parent / "started").exists()
    assert subjects(root)[-1] == "a: Reads / words."


@pytest.mark.parametrize("key", ["filter.x.clean", "Filter.x.process", "include.path", "includeIf.gitdir:/.path"])
def test_a_repository_that_would_start_programs_is_refused(root: Path, key: str) -> None:
    made(root)
    executable(root / ".git/clean")
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/attributes").write_text("* filter=x\n")
    git(root, "config", key, str(root / (".git/clean" if "ilter" in key else ".git/missing")))

    with pytest.raises(UserError, match=r"which can start programs or read other files; remove it"):
        check_output(root)
    with pytest.raises(PrerequisiteError):
        commit(root, proof(A, "x = 2\n"))

    assert not (root.parent / "started").exists()


def test_a_repository_that_points_elsewhere_is_used_where_it_is(root: Path, tmp_path: Path) -> None:
    made(root)
    (tmp_path / "elsewhere").mkdir()
    git(root, "config", "core.worktree", str(tmp_path / "elsewhere"))

    check_output(root)
    commit(root, proof(A, "x = 2\n"))

    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (root / "pkg/a.py").read_text() == "x = 2\n"


@pytest.mark.parametrize("name", [".git", ".agent"])
def test_directories_of_ours_that_are_links_are_refused(root: Path, tmp_path: Path, name: str) -> None:
    made(root)
    (root / name).rename(tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UserError):
        check_output(root)
    with pytest.raises(PrerequisiteError, match="is a link or a file, not a directory of ours"):
        commit(root, proof(A, "x = 2\n"))


def test_the_plan_is_never_written_through_a_link(root: Path, tmp_path: Path) -> None:
    made(root)
    (tmp_path / "precious").write_text("precious")
    for name in ("plan.yaml", "plan.yaml.new"):
        (root / ".agent" / name).unlink(missing_ok=True)
        (root / ".agent" / name).symlink_to(tmp_path / "precious")

    commit(root, proof(A, "x = 2\n"))

    assert (tmp_path / "precious").read_text() == "precious"
    assert not (root / ".agent/plan.yaml").is_symlink()


def test_what_a_killed_process_left_locked_is_unlocked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_git, "LOCK_SECONDS", 0.0)
    made(root)
    (root / ".git/index.lock").touch()
    (root / ".git/refs/heads/main.lock").touch()

    commit(root, proof(A, "x = 2\n"))

    assert subjects(root)[-1] == "a: Reads / words."


def test_a_repository_that_was_cut_off_before_its_first_commit_is_completed(root: Path) -> None:
    root.mkdir()
    git(root, "init", "-q")

    check_output(root)
    commit(root, proof(A))

    assert subjects(root) == ["Plan of Word tool", "a: Reads / words."]


@pytest.mark.parametrize(
    ("configuration", "author"),
    [
        ("", "stepgraph <stepgraph@localhost>"),
        ("[user]\nname = Ada Löv\nemail = ada@example.org\n", "Ada Löv <ada@example.org>"),
        ("[user]\nname = Ada\n", "Ada <stepgraph@localhost>"),
        ("[core]\nhooksPath = /x\n[commit]\ngpgsign = true\n", "stepgraph <stepgraph@localhost>"),
    ],
)
def test_the_user_commits_where_git_knows_one(root: Path, tmp_path: Path, configuration: str, author: str) -> None:
    (tmp_path / "home/.gitconfig").write_text(configuration)

    commit(root, proof(A))

    assert git(root, "log", "--format=%an <%ae>|%cn <%ce>").splitlines() == [f"{author}|{author}"] * 2


def test_the_users_environment_misleads_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "config", "user.name", "Somebody Else")
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / "objects"),
        "GIT_AUTHOR_DATE": "nonsense",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "Mallory",
        "GIT_EXTERNAL_DIFF": "/bin/false",
    }.items():
        monkeypatch.setenv(name, value)

    made(root)
    check_output(root)

    assert len(subjects(root)) == 4
    assert not (other / "index").exists()
    assert set(git(root, "log", "--format=%an").split()) == {"stepgraph"}


def test_an_output_inside_another_repository_is_its_own(tmp_path: Path, root: Path) -> None:
    git(tmp_path, "init", "-q")

    made(root)

    assert len(subjects(root)) == 4
    assert git(tmp_path, "ls-files") == ""


def test_without_git_the_remedy_is_named(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made(root)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PrerequisiteError, match="git is not installed; install it with"):
        commit(root, proof(A))
    with pytest.raises(PrerequisiteError, match="git is not installed"):
        check_output(root)


def test_a_disk_that_refuses_ends_the_run_and_says_so(root: Path) -> None:
    repository = commit(root, proof(A))
    (root / ".agent/plan.yaml.new").mkdir()  # what no unlink removes, for root neither

    with pytest.raises(PrerequisiteError, match=r"plan.yaml' cannot be written: .*; free some space"):
        asyncio.run(repository.commit(replace(PLAN, revision=3), proof(B)))


ACCEPTED = {
    "missing": lambda root: None,
    "missing, with parents": lambda root: None,
    "empty": lambda root: root.mkdir(),
    "a former output": made,
}


@pytest.mark.parametrize("prepare", ACCEPTED.values(), ids=ACCEPTED)
def test_outputs_that_are_ours_to_write_are_accepted(root: Path, prepare: object) -> None:
    prepare(root)  # type: ignore[operator]

    check_output(root)


def _foreign(root: Path) -> None:
    root.mkdir()
    (root / "thesis.tex").write_text("x")


def _fake(root: Path) -> None:
    _foreign(root)
    (root / ".agent").mkdir()
    (root / ".agent/plan.yaml").write_text(document.dump(PLAN))


def _repository(root: Path) -> None:
    _foreign(root)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, *USER, "commit", "-qm", "mine")


def _copied(root: Path) -> None:
    _fake(root)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, *USER, "commit", "-qm", "mine")


def _merge(root: Path) -> None:
    _conflict(root, "merge", "--no-ff", "other")


def _conflict(root: Path, *how: str) -> None:
    """Two texts for one file: from a merge that stopped, or from a stash."""
    made(root)
    git(root, "branch", "other")
    (root / "pkg/a.py").write_text("one\n")
    git(root, *USER, "commit", "-qam", "one")
    git(root, "checkout", "-q", "other")
    (root / "pkg/a.py").write_text("two\n")
    if how:
        git(root, *USER, "commit", "-qam", "two")
        git(root, "checkout", "-q", "main")
        with pytest.raises(subprocess.CalledProcessError):
            git(root, *USER, *how)
    else:
        git(root, *USER, "stash")
        git(root, "checkout", "-q", "main")
        with pytest.raises(subprocess.CalledProcessError):
            git(root, *USER, "stash", "pop")


def _half_staged(root: Path) -> None:
    made(root)
    (root / "pkg/a.py").write_text("staged\n")
    git(root, "add", ".")
    (root / "pkg/a.py").write_text("x = 1\n")


def _broken(root: Path) -> None:
    made(root)
    (root / ".git/HEAD").write_text("nonsense\n")


def _hostile_plan(root: Path) -> None:
    made(root)
    (root / ".agent/plan.yaml").write_text("&a [*a]")


def _link(root: Path) -> None:
    (root.parent / "real").mkdir()
    root.symlink_to(root.parent / "real")


REFUSED = {
    "a file": (lambda root: root.write_text("x"), "is not a directory; name another with -o"),
    "a link": (_link, "is not a directory; name another with -o"),
    "somebody's files": (_foreign, "is not empty and was not made by this program"),
    "a plan without a repository": (_fake, "is not empty and was not made by this program"),
    "somebody's repository": (_repository, "is not empty and was not made by this program"),
    "somebody's repository with a plan": (_copied, "is not empty and was not made by this program"),
    "a hostile plan": (_hostile_plan, "cannot be read (the plan is not valid YAML"),
    "a broken repository": (_broken, "holds a git repository that cannot be read"),
    "a merge": (_merge, "a merge is under way in"),
    "a conflict": (_conflict, "'pkg/a.py' in"),
    "no branch": (lambda root: [made(root), git(root, "checkout", "-q", "--detach")], "no branch is checked out in"),
    "half staged": (_half_staged, "is staged with another text than the file has; commit or unstage it"),
}


@pytest.mark.parametrize(("prepare", "sentence"), REFUSED.values(), ids=REFUSED)
def test_outputs_that_are_not_ours_are_refused(root: Path, prepare: object, sentence: str) -> None:
    prepare(root)  # type: ignore[operator]

    with pytest.raises(UserError) as caught:
        check_output(root)

    assert sentence in str(caught.value)


def test_an_output_below_a_file_is_refused(root: Path) -> None:
    root.write_text("x")

    with pytest.raises(UserError, match="cannot be made"):
        check_output(root / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_may_not_be_written_is_refused(root: Path) -> None:
    root.mkdir(mode=0o500)

    with pytest.raises(UserError, match="no permission in"):
        check_output(root)


def test_only_one_run_at_a_time_writes_to_an_output(tmp_path: Path) -> None:
    home, output = tmp_path / "home", tmp_path / "out"
    with sole_writer(output, home):
        with pytest.raises(UserError, match="another run is writing"), sole_writer(output, home):
            pass
        with sole_writer(tmp_path / "other", home):
            pass
    with sole_writer(output, home):
        pass
