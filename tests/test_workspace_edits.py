"""A delivered output that people work in, with the real git: what they made is seen, kept when they say so, never lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import hand_edits as module
from agent import paths
from agent.checks.pytest_source import declared_ids
from agent.hand_edits import HandEdit, check_edits, former, hand_edits, with_hand_edits
from agent.workspace import GitRepository, check_output
from graphs import document
from graphs.errors import UserError
from graphs.values import Plan, Proof
from tests import test_workspace as output
from tests.test_workspace import PASSED, PLAN, SPEC, USER, A, B, digest, git, proof, subjects

root = output.root

OURS = {
    ".agent/plan.yaml",
    ".gitignore",
    "README.md",
    "pkg/__main__.py",
    "pkg/a.py",
    "tests/test_a.py",
    "tests/test_b.py",
}


def deliver(
    root: Path, *proofs: Proof, plan: Plan = PLAN, run: str = "run-1", overwrite: bool = False
) -> GitRepository:
    """A whole delivery of what is proven."""
    repository = GitRepository(root, run, overwrite=overwrite)
    for one in proofs:
        asyncio.run(repository.commit(plan, one))
    asyncio.run(repository.finish(plan, SPEC, {p.component: p for p in proofs}, PASSED))
    return repository


@pytest.fixture
def delivered(root: Path) -> Path:
    """An output of both components."""
    deliver(root, proof(A), proof(B))
    return root


def user_commit(root: Path, *more: str) -> None:
    git(root, "add", "--all")
    git(root, *USER, "commit", "-qm", "mine", *more)


def found(root: Path) -> list[tuple[str, str, str]]:
    return [(edit.path, edit.kind, edit.component) for edit in hand_edits(root)]


def tracked(root: Path) -> set[str]:
    return set(git(root, "ls-files").split())


# -- what is seen


def _edit(root: Path) -> None:
    (root / "pkg/a.py").write_text("mine\n")


def _committed(root: Path) -> None:
    _edit(root)
    user_commit(root)


def _amended_component(root: Path) -> None:
    """The commit of ours that wrote the file, with the user's text in it."""
    git(root, "reset", "-q", "--hard", "HEAD~2")
    _edit(root)
    git(root, *USER, "commit", "-qa", "--amend", "--no-edit")
    git(root, *USER, "cherry-pick", "main@{2}", "main@{3}")


def _squashed(root: Path, keep_words: bool) -> None:
    words = git(root, "log", "--reverse", "--format=%B")
    git(root, "reset", "-q", "--soft", git(root, "rev-list", "--max-parents=0", "HEAD").strip())
    git(root, *USER, "commit", "-q", "--amend", "-m", words if keep_words else "all of it\n\nRun: run-1")


def _renamed(root: Path) -> None:
    git(root, "mv", "pkg/a.py", "pkg/better.py")
    user_commit(root)


def _mode(root: Path) -> None:
    (root / "pkg/a.py").chmod(0o755)
    git(root, "config", "core.fileMode", "true")


def _carriage_returns(root: Path, *settings: str) -> None:
    for name in ("pkg/a.py", "tests/test_a.py"):
        (root / name).unlink()
    git(root, *settings, "checkout", "--", ".")
    assert b"\r\n" in (root / "pkg/a.py").read_bytes()


def _attributes(root: Path) -> None:
    (root / ".gitattributes").write_text("* text eol=crlf\n")
    user_commit(root)
    _carriage_returns(root)


def _in_place(root: Path, path: str, make: Callable[[Path], object]) -> None:
    shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()
    make(root / path)


def _merged(root: Path) -> None:
    git(root, "checkout", "-qb", "mine")
    _committed(root)
    git(root, "checkout", "-q", "main")
    git(root, *USER, "merge", "-q", "--no-ff", "--no-edit", "mine")


def _reverted(root: Path) -> None:
    _committed(root)
    git(root, *USER, "revert", "--no-edit", "HEAD")


def _own(root: Path) -> None:
    (root / "mine.txt").write_text("mine")
    (root / "pkg/mine.py").write_text("mine")
    git(root, "add", "pkg/mine.py")


EDITED, GIVEN, DELETED, REPLACED = (("pkg/a.py", kind, "a") for kind in ("edited", "committed", "deleted", "replaced"))
SEEN: dict[str, tuple[Callable[[Path], object], list[tuple[str, str, str]]]] = {
    "nothing": (lambda root: None, []),
    "touched": (lambda root: os.utime(root / "pkg/a.py"), []),
    "edited": (_edit, [EDITED]),
    "edited and staged": (lambda root: [_edit(root), git(root, "add", ".")], [EDITED]),
    "committed on top": (_committed, [GIVEN]),
    "amended": (lambda root: [_edit(root), user_commit(root, "--amend")], [GIVEN]),
    "amended where it was written": (_amended_component, [GIVEN]),
    "squashed with our words": (lambda root: _squashed(root, keep_words=True), []),
    "squashed without": (
        lambda root: _squashed(root, keep_words=False),
        [
            ("pkg/__main__.py", "committed", "b"),
            GIVEN,
            ("tests/test_a.py", "committed", "a"),
            ("tests/test_b.py", "committed", "b"),
        ],
    ),
    "reverted": (_reverted, []),
    "merged": (_merged, [GIVEN]),
    "on another branch": (lambda root: [git(root, "checkout", "-qb", "mine"), _committed(root)], [GIVEN]),
    "only on another branch": (
        lambda root: [git(root, "checkout", "-qb", "mine"), _committed(root), git(root, "checkout", "-q", "main")],
        [],
    ),
    "on no branch": (lambda root: [git(root, "checkout", "-q", "--detach"), _committed(root)], [GIVEN]),
    "deleted": (lambda root: (root / "pkg/a.py").unlink(), [DELETED]),
    "deleted and committed": (lambda root: [(root / "pkg/a.py").unlink(), user_commit(root)], [DELETED]),
    "renamed": (_renamed, [DELETED]),
    "made executable": (_mode, []),
    "line ends of git": (lambda root: _carriage_returns(root, "-c", "core.autocrlf=true"), []),
    "line ends of the repository": (
        lambda root: [git(root, "config", "core.autocrlf", "true"), _carriage_returns(root)],
        [],
    ),
    "line ends by attribute": (_attributes, []),
    "a link": (lambda root: _in_place(root, "pkg/a.py", lambda path: path.symlink_to("/etc/hostname")), [REPLACED]),
    "a directory": (lambda root: _in_place(root, "pkg/a.py", Path.mkdir), [REPLACED]),
    "a link on the way": (
        lambda root: _in_place(root, "pkg", lambda path: path.symlink_to(root.parent)),
        [("pkg/__main__.py", "replaced", "b"), REPLACED],
    ),
    "no text": (lambda root: (root / "pkg/a.py").write_bytes(b"\xff\xfe"), [REPLACED]),
    "a test": (lambda root: (root / "tests/test_a.py").write_text(""), [("tests/test_a.py", "edited", "a")]),
    "the README": (lambda root: (root / "README.md").write_text("mine"), [("README.md", "edited", "")]),
    "files of their own": (_own, []),
}


@pytest.mark.parametrize(("change", "seen"), SEEN.values(), ids=SEEN)
def test_what_the_user_did_to_our_files_is_seen(
    delivered: Path, change: Callable[[Path], object], seen: list[tuple[str, str, str]]
) -> None:
    change(delivered)
    status = git(delivered, "status", "--porcelain", "--branch")

    assert found(delivered) == seen
    assert git(delivered, "status", "--porcelain", "--branch") == status


def test_there_are_no_edits_where_nothing_was_delivered(root: Path) -> None:
    assert hand_edits(root) == ()
    root.mkdir()
    (root / "thesis.tex").write_text("x")
    assert hand_edits(root) == ()
    git(root, "init", "-q")
    assert hand_edits(root) == ()
    user_commit(root)
    assert hand_edits(root) == ()


def test_a_file_where_the_plan_wants_one_that_was_never_proven_is_the_users(root: Path) -> None:
    deliver(root, proof(A))
    (root / "pkg/__main__.py").write_text("mine\n")

    assert hand_edits(root) == (HandEdit("pkg/__main__.py", "edited", "b", "mine\n"),)


# -- before anything begins


@pytest.mark.parametrize("policy", ["keep", "overwrite"])
def test_edits_stop_a_run_that_is_not_told_what_becomes_of_them(delivered: Path, policy: module.Policy) -> None:
    _edit(delivered)
    (delivered / "tests/test_b.py").unlink()

    with pytest.raises(UserError) as caught:
        check_edits(delivered, "refuse")

    said = str(caught.value)
    assert "by hand: 'pkg/a.py' (edited), 'tests/test_b.py' (deleted); give --keep-edits" in said
    assert "or --overwrite-edits" in said
    assert "\n" not in said
    check_edits(delivered, policy)
    check_output(delivered)


def test_many_edits_are_told_in_one_sentence(root: Path) -> None:
    many = [replace(A, id=f"c{i}", files=(f"c{i}.py",)) for i in range(8)]
    deliver(root, *map(proof, many), plan=replace(PLAN, components=tuple(many)))
    for one in many:
        (root / one.files[0]).write_text("mine\n")

    with pytest.raises(UserError, match=r"'c4.py' \(edited\) and 3 more; give"):
        check_edits(root, "refuse")


@pytest.mark.parametrize("policy", ["refuse", "keep", "overwrite"])
@pytest.mark.parametrize("case", ["a link", "a directory", "a link on the way", "no text"])
def test_what_is_no_text_file_any_more_stops_every_run(delivered: Path, case: str, policy: module.Policy) -> None:
    SEEN[case][0](delivered)

    with pytest.raises(UserError, match="is no longer an ordinary text file; put one in its place or take it away"):
        check_edits(delivered, policy)


@pytest.mark.parametrize("case", ["the README", "files of their own", "nothing"])
def test_what_no_run_would_touch_stops_none(delivered: Path, case: str) -> None:
    SEEN[case][0](delivered)

    check_output(delivered)
    check_edits(delivered, "refuse")


# -- edits that are kept


KEPT = [case for case, (_, seen) in SEEN.items() if {kind for _, kind, _ in seen} & {"edited", "committed", "deleted"}]


@pytest.mark.parametrize("case", [case for case in KEPT if case != "the README"])
def test_kept_edits_are_delivered_as_proven_and_then_known(delivered: Path, case: str) -> None:
    SEEN[case][0](delivered)
    before = {path: (delivered / path).read_text() for path in OURS if (delivered / path).exists()}
    proofs, changed = with_hand_edits({"ka": proof(A), "kb": proof(B)}, hand_edits(delivered), declared_ids)
    if case != "squashed without":  # there the texts are those that were proven
        assert changed == {component for _, _, component in SEEN[case][1]}

    deliver(delivered, *proofs.values(), run="run-2")

    assert hand_edits(delivered) == ()
    assert {path: (delivered / path).read_text() for path in before} == before
    check_output(delivered) if case != "on no branch" else None
    head = git(delivered, "rev-parse", "HEAD")
    deliver(delivered, *proofs.values(), run="run-3")
    assert git(delivered, "rev-parse", "HEAD") == head


def test_a_kept_edit_that_the_user_committed_gets_a_commit_that_vouches_for_it(delivered: Path) -> None:
    _committed(delivered)
    proofs, _ = with_hand_edits({"k": proof(A)}, hand_edits(delivered), declared_ids)

    deliver(delivered, proofs["k"], proof(B), run="run-2")

    assert subjects(delivered)[-2:] == ["mine", "a: Reads / words."]
    said = git(delivered, "log", "-1", "--format=%B")
    assert "Run: run-2\nComponent: a\nRevision: 2\n" in said
    assert f"File: {digest('mine')} pkg/a.py" in said
    assert git(delivered, "show", "--format=", "--name-only", "HEAD") == ""


def test_a_file_that_was_deleted_may_come_back(delivered: Path) -> None:
    (delivered / "pkg/a.py").unlink()
    proofs, _ = with_hand_edits({"k": proof(A)}, hand_edits(delivered), declared_ids)
    assert proofs["k"].files == {}
    deliver(delivered, proofs["k"], proof(B))
    _edit(delivered)

    proofs, changed = with_hand_edits(proofs, hand_edits(delivered), declared_ids)

    assert (proofs["k"].files, changed) == ({"pkg/a.py": "mine\n"}, {"a"})
    deliver(delivered, proofs["k"], proof(B))
    assert hand_edits(delivered) == ()


def test_tests_the_user_wrote_are_declared_and_none_left_are_missing(delivered: Path) -> None:
    path = "tests/test_a.py"
    (delivered / path).write_text("def test_mine(): assert 1\n")
    proofs, _ = with_hand_edits({"k": proof(A)}, hand_edits(delivered), declared_ids)
    assert (proofs["k"].test_ids, proofs["k"].files) == ((f"{path}::test_mine",), proof(A).files)

    (delivered / path).unlink()
    proofs, _ = with_hand_edits({"k": proof(A)}, hand_edits(delivered), declared_ids)
    assert (proofs["k"].test_ids, proofs["k"].tests) == (proof(A).test_ids, {})


_PATHS = st.sampled_from(["pkg/a.py", "pkg/__main__.py", "tests/test_a.py", "tests/test_b.py", "README.md"])
_OWNERS = {"pkg/a.py": "a", "tests/test_a.py": "a", "pkg/__main__.py": "b", "tests/test_b.py": "b", "README.md": ""}
_EDITS = st.dictionaries(_PATHS, st.one_of(st.none(), st.text(max_size=5), st.just("x = 1\n")), max_size=5)


@given(_EDITS)
def test_only_proofs_of_edited_components_change(texts: dict[str, str | None]) -> None:
    edits = [HandEdit(path, "edited", _OWNERS[path], text) for path, text in texts.items()]
    before = {"k1": proof(A), "k2": proof(A, "old\n"), "k3": proof(B)}

    after, changed = with_hand_edits(before, edits, declared_ids)

    assert after.keys() == before.keys()
    for key, was in before.items():
        now = {**after[key].files, **after[key].tests}
        mine = {path: text for path, text in texts.items() if _OWNERS[path] == was.component}
        assert now == {p: t for p, t in {**was.files, **was.tests, **mine}.items() if t is not None}
        assert (after[key] is was) == (now == {**was.files, **was.tests})
        assert after[key].test_ids
    assert changed == {before[key].component for key in before if after[key] is not before[key]}


# -- edits that are overwritten


@pytest.mark.parametrize("case", KEPT)
def test_overwritten_edits_are_in_git_first(delivered: Path, case: str) -> None:
    SEEN[case][0](delivered)
    mine = {edit.path: edit.text for edit in hand_edits(delivered)}

    deliver(delivered, proof(A), proof(B, "y = 2\n"), run="run-2", overwrite=True)

    kept = git(delivered, "log", "--format=%H", "--grep", "^Your edits, before they are replaced").split()
    assert len(kept) == 1
    for path, text in mine.items():
        there = subprocess.run(
            ["git", "-c", "safe.directory=*", "show", f"{kept[0]}:{path}"],
            cwd=delivered,
            capture_output=True,
            check=False,
        )
        assert (there.stdout.decode() if there.returncode == 0 else None) == text
    assert (delivered / "pkg/a.py").read_text() == "x = 1\n"
    assert (delivered / "pkg/__main__.py").read_text() == "y = 2\n"
    assert (delivered / "README.md").read_text().startswith("# Word tool\n")
    assert hand_edits(delivered) == ()


def test_edits_are_overwritten_only_when_something_is_delivered(delivered: Path) -> None:
    _edit(delivered)

    GitRepository(delivered, "run-2", overwrite=True)

    assert found(delivered) == [EDITED]


# -- what is edited while the run is at work, and what was there before


@pytest.mark.parametrize("kept", [True, False])
def test_an_edit_made_while_the_run_is_at_work_stops_it(delivered: Path, kept: bool) -> None:
    repository = GitRepository(delivered, "run-2")
    asyncio.run(repository.commit(PLAN, proof(B)))
    _edit(delivered)
    head = git(delivered, "rev-parse", "HEAD")

    with pytest.raises(UserError, match=r"pkg/a.py in .* was edited by hand and .*: agent resume run-2 --keep-edits"):
        asyncio.run(repository.commit(PLAN, proof(A, "x = 1\n" if kept else "x = 2\n")))

    assert (delivered / "pkg/a.py").read_text() == "mine\n"
    assert git(delivered, "rev-parse", "HEAD") == head
    assert found(delivered) == [EDITED]


def test_an_edited_file_that_moves_to_another_component_is_not_written_over(delivered: Path) -> None:
    _edit(delivered)
    other = replace(B, id="c", files=("pkg/a.py", "pkg/__main__.py"), depends_on=())
    plan = replace(PLAN, components=(replace(other, requirements=("R1", "R2")),))

    with pytest.raises(UserError, match=r"pkg/a.py in .* was edited by hand"):
        deliver(delivered, proof(plan.components[0], "x = 2\n"), plan=plan)

    assert (delivered / "pkg/a.py").read_text() == "mine\n"
    assert (delivered / "pkg/__main__.py").read_text() == "x = 1\n"


THEIRS: dict[str, Callable[[Path], object]] = {
    "untracked": lambda root: (root / "new.py").write_text("mine\n"),
    "ignored": lambda root: [(root / "new.py").write_text("mine\n"), (root / ".gitignore").write_text("new.py\n")],
    "committed": lambda root: [(root / "new.py").write_text("mine\n"), user_commit(root)],
    "a link": lambda root: (root / "new.py").symlink_to("/etc/hostname"),
    "a broken link": lambda root: (root / "new.py").symlink_to("nowhere"),
}


@pytest.mark.parametrize("theirs", THEIRS.values(), ids=THEIRS)
def test_a_new_component_never_takes_the_place_of_a_file_of_the_users(
    delivered: Path, theirs: Callable[[Path], object]
) -> None:
    new = replace(A, id="c", files=("new.py",), requirements=())
    plan = replace(PLAN, components=(A, B, new), revision=3)
    theirs(delivered)
    status, before = git(delivered, "status", "--porcelain"), os.lstat(delivered / "new.py")
    repository = GitRepository(delivered, "run-2", overwrite=True)

    for one in (proof(A), proof(new)):  # said with the first commit under the plan, whosever it is
        with pytest.raises(UserError, match=r"the plan puts 'new.py' where .* move it away, then: agent resume run-2"):
            asyncio.run(repository.commit(plan, one))

    assert os.lstat(delivered / "new.py") == before
    assert git(delivered, "status", "--porcelain") == status
    (delivered / "new.py").unlink()
    deliver(delivered, proof(A), proof(B), proof(new), plan=plan)
    assert (delivered / "new.py").read_text() == "x = 1\n"


def test_a_directory_of_the_users_is_not_replaced_by_a_file(delivered: Path) -> None:
    new = replace(A, id="c", files=("docs",), requirements=())
    (delivered / "docs").mkdir()
    (delivered / "docs/mine").write_text("mine")

    with pytest.raises(UserError):
        deliver(delivered, proof(A), proof(B), proof(new), plan=replace(PLAN, components=(A, B, new)))

    assert (delivered / "docs/mine").read_text() == "mine"


def test_what_the_user_has_beside_ours_is_neither_touched_nor_committed(delivered: Path) -> None:
    (delivered / "kept.txt").write_text("1")
    user_commit(delivered)
    (delivered / "kept.txt").write_text("2")
    (delivered / "staged.txt").write_text("staged")
    (delivered / "gone.txt").write_text("")
    git(delivered, "add", "staged.txt", "gone.txt")
    (delivered / "staged.txt").write_text("and more")
    (delivered / "gone.txt").unlink()
    (delivered / "loose.txt").write_text("loose")
    status = git(delivered, "status", "--porcelain")
    check_output(delivered)

    deliver(delivered, proof(A, "x = 2\n"), proof(B), run="run-2")

    assert (
        git(delivered, "status", "--porcelain") == status == "AD gone.txt\n M kept.txt\nAM staged.txt\n?? loose.txt\n"
    )
    assert git(delivered, "show", ":staged.txt") == "staged"
    assert git(delivered, "show", "--format=%s", "--name-only").split("\n")[0] == "a: Reads / words."
    assert "pkg/a.py" in git(delivered, "show", "--format=", "--name-only")


def test_modes_are_the_users(delivered: Path) -> None:
    _mode(delivered)

    deliver(delivered, proof(A, "x = 2\n"), proof(B), run="run-2")

    assert (delivered / "pkg/a.py").stat().st_mode & 0o777 == 0o755
    assert git(delivered, "ls-files", "--stage", "pkg/a.py").startswith("100644")
    assert git(delivered, "status", "--porcelain") == " M pkg/a.py\n"


def test_commits_go_to_the_branch_that_is_checked_out(delivered: Path) -> None:
    main = git(delivered, "rev-parse", "main")
    git(delivered, "checkout", "-qb", "mine")
    check_output(delivered)

    deliver(delivered, proof(A, "x = 2\n"), proof(B), run="run-2")

    assert git(delivered, "rev-parse", "main") == main
    assert subjects(delivered)[-1] == "a: Reads / words."
    assert git(delivered, "branch", "--show-current") == "mine\n"


@pytest.mark.parametrize("committed", [True, False])
def test_an_edited_readme_stays_and_a_deleted_one_is_written_again(delivered: Path, committed: bool) -> None:
    (delivered / "README.md").write_text("mine\n")
    if committed:
        user_commit(delivered)
    failed = replace(proof(B), status="failed", reason="no")

    for run in ("run-2", "run-3"):
        repository = GitRepository(delivered, run)
        asyncio.run(repository.finish(PLAN, SPEC, {"a": proof(A), "b": failed}, None))
        assert (delivered / "README.md").read_text() == "mine\n"
    (delivered / "README.md").unlink()
    asyncio.run(GitRepository(delivered, "run-4").finish(PLAN, SPEC, {"a": proof(A), "b": failed}, None))
    assert "**Not finished**" in (delivered / "README.md").read_text()


def test_the_readme_says_that_old_files_of_what_failed_are_not_proven(delivered: Path) -> None:
    failed = replace(proof(B), status="failed", reason="no test passes")

    asyncio.run(GitRepository(delivered, "run-2").finish(PLAN, SPEC, {"a": proof(A), "b": failed}, None))

    text = (delivered / "README.md").read_text()
    assert "- b: no test passes (what stands in `pkg/__main__.py` is not proven)\n" in text
    assert (delivered / "pkg/__main__.py").exists()


def test_a_plan_edited_by_hand_is_in_git_before_it_is_written_anew(delivered: Path) -> None:
    mine = "# my words\n" + (delivered / ".agent/plan.yaml").read_text().replace("Reads", "Now reads")
    (delivered / ".agent/plan.yaml").write_text(mine)
    plan = former(delivered)
    assert plan is not None
    assert plan.component("a").purpose == "Now reads | words."
    check_output(delivered)
    check_edits(delivered, "refuse")

    deliver(delivered, proof(A), proof(B), plan=replace(plan, revision=3), run="run-2")

    assert subjects(delivered)[4:] == ["The plan as you edited it", "Plan of Word tool", "How to run and test it"]
    assert git(delivered, "show", "HEAD~2:.agent/plan.yaml") == mine
    assert former(delivered) == replace(plan, revision=3)


# -- what no component owns any more


ONLY_A = replace(PLAN, components=(replace(A, requirements=("R1", "R2")),), entry="", revision=3)


def test_dropped_files_go_with_the_last_commit_and_not_before(delivered: Path) -> None:
    (delivered / "pkg/mine.py").write_text("mine")
    repository = GitRepository(delivered, "run-2")

    asyncio.run(repository.commit(ONLY_A, proof(A, "x = 2\n")))
    assert tracked(delivered) == OURS
    asyncio.run(repository.finish(ONLY_A, SPEC, {"a": proof(A, "x = 2\n")}, PASSED))

    assert tracked(delivered) == OURS - {"pkg/__main__.py", "tests/test_b.py"}
    assert not (delivered / "tests/test_b.py").exists()
    assert git(delivered, "status", "--porcelain") == "?? pkg/mine.py\n"
    said = git(delivered, "log", "-1", "--format=%B")
    assert "Revision: 3\nFile: " in said
    assert said.rstrip().endswith("Gone: pkg/__main__.py\nGone: tests/test_b.py")


def test_a_dropped_file_that_the_user_edited_stays_is_named_and_is_then_theirs(delivered: Path) -> None:
    (delivered / "pkg/__main__.py").write_text("mine\n")

    deliver(delivered, proof(A), plan=ONLY_A, run="run-2")

    assert (delivered / "pkg/__main__.py").read_text() == "mine\n"
    assert not (delivered / "tests/test_b.py").exists()
    assert "Left as you edited them: pkg/__main__.py\n" in git(delivered, "log", "-1", "--format=%B")
    assert git(delivered, "status", "--porcelain") == " M pkg/__main__.py\n"
    assert hand_edits(delivered) == ()
    head = git(delivered, "rev-parse", "HEAD")
    deliver(delivered, proof(A), plan=ONLY_A, run="run-3")
    assert git(delivered, "rev-parse", "HEAD") == head
    with pytest.raises(UserError, match=r"the plan puts 'pkg/__main__.py' where"):
        deliver(delivered, proof(A), proof(B), run="run-4")


def test_overwritten_edits_of_a_dropped_file_go(delivered: Path) -> None:
    (delivered / "pkg/__main__.py").write_text("mine\n")

    deliver(delivered, proof(A), plan=ONLY_A, run="run-2", overwrite=True)

    assert not (delivered / "pkg/__main__.py").exists()
    assert git(delivered, "log", "--format=%s", "-S", "mine", "--", "pkg/__main__.py").split("\n")[1] == (
        "Your edits, before they are replaced"
    )


def test_a_file_that_a_component_no_longer_owns_or_writes_goes(root: Path) -> None:
    two = replace(A, files=("pkg/a.py", "pkg/data.txt"))
    deliver(root, proof(two), proof(B), plan=replace(PLAN, components=(two, B)))
    assert (root / "pkg/data.txt").exists()
    deliver(root, replace(proof(two), files={"pkg/a.py": "x = 1\n"}), proof(B), plan=replace(PLAN, components=(two, B)))
    assert not (root / "pkg/data.txt").exists()
    deliver(root, proof(two), proof(B), plan=replace(PLAN, components=(two, B)))
    assert (root / "pkg/data.txt").exists()

    deliver(root, proof(A), proof(B))

    assert tracked(root) == OURS
    assert not (root / "pkg/data.txt").exists()
    assert hand_edits(root) == ()


SWAPS = {
    "a file becomes a directory": (("tool",), ("tool/main.py",)),
    "a directory becomes a file": (("tool/main.py", "tool/x/y.py"), ("tool",)),
    "capitals of a file": (("Tool.py",), ("tool.py",)),
    "capitals of a directory": (("Tool/a.py",), ("tool/b.py",)),
    "a README of a component": (("README.md",), ("lib.py",)),
    "a readme in small letters": (("readme.md",), ("lib.py",)),
    "a README becomes a component's": (("lib.py",), ("readme.md",)),
}


@pytest.mark.parametrize(("before", "after"), SWAPS.values(), ids=SWAPS)
def test_what_was_there_makes_way(root: Path, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    def one(files: tuple[str, ...]) -> Plan:
        return replace(PLAN, components=(replace(A, files=files),), requirements=(), entry="")

    deliver(root, proof(one(before).components[0]), plan=one(before))

    deliver(root, proof(one(after).components[0], "y = 2\n"), plan=one(after), run="run-2")

    readme = {"README.md"} if "readme.md" not in after else set()
    assert tracked(root) == {".agent/plan.yaml", ".gitignore", "tests/test_a.py", *after, *readme}
    assert git(root, "status", "--porcelain") == ""
    assert hand_edits(root) == ()


HOSTILE = ("../precious", "/precious", ".git/config", ".git/hooks/x", "pkg/../../precious", "-x")


def test_names_that_somebody_put_into_a_message_are_not_believed(delivered: Path) -> None:
    """A commit can say anything; only names that a run would write are ours to remove."""
    precious = delivered.parent / "precious"
    precious.write_text("mine\n")
    lines = "".join(f"File: {digest('mine')} {name}\n" for name in (*HOSTILE, str(precious)))
    git(delivered, *USER, "commit", "-q", "--allow-empty", "-m", f"evil\n\nRun: evil\n{lines}")
    config = (delivered / ".git/config").read_text()

    deliver(delivered, proof(A), plan=ONLY_A, run="run-2", overwrite=True)

    assert precious.read_text() == "mine\n"
    assert (delivered / ".git/config").read_text() == config
    assert hand_edits(delivered) == ()


# -- killed at any instant


NEXT = replace(PLAN, components=(A, replace(A, id="c", files=("new/c.py", "tool"), requirements=("R2",))), entry="")
STEPS = ("rename", "replace", "link", "unlink", "mkdir", "rmdir")


def _next(root: Path) -> None:
    """Another delivery: a file changes, two come, two go."""
    deliver(root, proof(A, "x = 2\n"), proof(NEXT.components[1]), plan=replace(NEXT, revision=3), run="run-2")


def _killed(root: Path, step: int) -> bool:
    """Whether a process that delivers was killed before it did the given step: a change on the disk or a git command."""
    child = os.fork()
    if child == 0:
        left = step

        def counted(call: Callable[..., object]) -> Callable[..., object]:
            def instead(*args: object, **kwargs: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    os._exit(9)
                return call(*args, **kwargs)

            return instead

        try:
            for name in STEPS:
                setattr(os, name, counted(getattr(os, name)))
            subprocess.run = counted(subprocess.run)  # type: ignore[assignment]
            _next(root)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("again", [False, True])
def test_a_delivery_killed_at_any_step_leaves_no_edits_and_is_done_again(
    tmp_path: Path, root: Path, again: bool
) -> None:
    before, wanted, step = tmp_path / "before", tmp_path / "wanted", 0
    before.mkdir()
    if again:
        deliver(before, proof(A), proof(B))
    shutil.copytree(before, wanted)
    _next(wanted)
    while True:
        shutil.copytree(before, root)
        if not _killed(root, step):
            break
        check_output(root)
        assert hand_edits(root) == (), step
        check_edits(root, "refuse")

        _next(root)

        assert _files(root) == _files(wanted), step
        assert git(root, "status", "--porcelain", "--ignored") == "", step
        assert hand_edits(root) == (), step
        shutil.rmtree(root)
        step += 3
    assert step > 40


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(root).parts[:1]
    }


def test_what_the_user_writes_after_a_kill_is_theirs(delivered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = GitRepository._record

    def killed(repository: GitRepository, files: tuple[str, ...], *rest: Any) -> None:
        if "pkg/a.py" in files:
            raise KeyboardInterrupt
        record(repository, files, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(GitRepository, "_record", killed)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(GitRepository(delivered, "run-2").commit(PLAN, proof(A, "x = 2\n")))
    assert (delivered / "pkg/a.py").read_text() == "x = 2\n"
    assert hand_edits(delivered) == ()
    _edit(delivered)

    assert found(delivered) == [EDITED]
    with pytest.raises(UserError, match="edited by hand"):
        deliver(delivered, proof(A, "x = 2\n"), proof(B))
    assert (delivered / "pkg/a.py").read_text() == "mine\n"


def test_a_note_of_what_was_being_written_that_is_nonsense_is_passed_over(delivered: Path) -> None:
    for text in ("", "{", "[1]", '{"../../precious": "x", "pkg/a.py": 5}'):
        (delivered / module.CUT_OFF_FILE).write_text(text)
        assert hand_edits(delivered) == ()
        deliver(delivered, proof(A), proof(B))


def test_a_name_that_the_disk_refuses_leaves_all_files_as_they_were(delivered: Path) -> None:
    one = replace(PLAN, components=(replace(A, files=("Pkg/b.py",)),), requirements=(), entry="")
    (delivered / "pkg/mine").write_text("keeps the directory")  # whose name differs in capitals only
    files = _files(delivered)

    with pytest.raises(paths.PathRefused):
        deliver(delivered, proof(one.components[0]), plan=one)

    assert {**_files(delivered), ".agent/plan.yaml": files[".agent/plan.yaml"]} == files
    assert git(delivered, "status", "--porcelain") == "?? pkg/mine\n"
    assert hand_edits(delivered) == ()


# -- the plan of a former output


FORMER: dict[str, tuple[Callable[[Path], object], Plan | str | None]] = {
    "there": (lambda root: None, PLAN),
    "edited": (
        lambda root: (root / ".agent/plan.yaml").write_text(document.dump(replace(PLAN, title="Mine"))),
        replace(PLAN, title="Mine"),
    ),
    "missing": (lambda root: (root / ".agent/plan.yaml").unlink(), PLAN),
    "missing with its directory": (lambda root: shutil.rmtree(root / ".agent"), PLAN),
    "a link": (
        lambda root: _in_place(root, ".agent/plan.yaml", lambda path: path.symlink_to("/etc/hostname")),
        PLAN,
    ),
    "deleted and committed": (lambda root: [(root / ".agent/plan.yaml").unlink(), user_commit(root)], None),
    "broken": (lambda root: (root / ".agent/plan.yaml").write_text("title: x\nzzz: [\n"), "is not valid YAML"),
    "no plan": (lambda root: (root / ".agent/plan.yaml").write_text("title: x\n"), "'components' is missing"),
    "not text": (lambda root: (root / ".agent/plan.yaml").write_bytes(b"\xff"), "it is not UTF-8 text"),
    "no repository": (lambda root: shutil.rmtree(root / ".git"), None),
}


@pytest.mark.parametrize(("change", "plan"), FORMER.values(), ids=FORMER)
def test_the_plan_of_a_former_output(
    delivered: Path, change: Callable[[Path], object], plan: Plan | str | None
) -> None:
    change(delivered)

    if isinstance(plan, str):
        with pytest.raises(UserError) as caught:
            former(delivered)
        assert plan in str(caught.value)
        assert "checkout -- .agent/plan.yaml" in str(caught.value)
        assert "\n" not in str(caught.value)
    else:
        assert former(delivered) == plan
