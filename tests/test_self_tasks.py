"""A git history becomes tasks; nothing of it runs outside the sandbox."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.git_objects import is_plain
from agent.interfaces import changed_names, interface, names_used
from agent.sandbox import open_sandbox
from benchmark.cli_bootstrap import bootstrap
from benchmark.datasets import Task, load, read_folder
from benchmark.grading import grade
from benchmark.history import History, opened
from benchmark.self_tasks import SelfTask, Unfit, candidates, mine, told_message, write_folder
from graphs.errors import UserError

Change = Mapping[str, str | bytes | None]


def git(root: Path, *words: str) -> str:
    environment = {
        **{name: os.environ[name] for name in ("PATH",)},
        **{f"GIT_{who}_{what}": "t@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "HOME": "/nonexistent",
    }
    return subprocess.run(["git", *words], cwd=root, env=environment, capture_output=True, text=True, check=True).stdout


def commit(root: Path, message: str, change: Change) -> str:
    """Write (or, for ``None``, take away) files and commit them; a text that begins with ``->`` is a link."""
    if not (root / ".git").exists():
        root.mkdir(exist_ok=True)
        git(root, "init", "--quiet", "--initial-branch=main")
    for name, text in change.items():
        place = Path(os.fsdecode(os.path.join(os.fsencode(root), name.encode("utf-8", "surrogateescape"))))
        place.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            place.unlink()
        elif isinstance(text, str) and text.startswith("->"):
            place.symlink_to(text[2:])
        else:
            place.write_bytes(text.encode() if isinstance(text, str) else text)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", message)
    return git(root, "rev-parse", "HEAD").strip()


# -- a history, mined for real

CALC = "def add(a, b):\n    return a + b\n"
SUB = f"{CALC}\n\ndef sub(a, b, *, swap=False):\n    return b - a if swap else a - b\n"
TEST = """\
from pathlib import Path

import pytest

import calc
from tests.values import TWO


def test_add():
    assert calc.add(TWO, TWO) == 4
"""
TEST_SUB = f"""{TEST}

@pytest.mark.parametrize(("a", "wanted"), [(3, 1), (4, 2)])
def test_sub(a, wanted):
    assert calc.sub(a, TWO) == wanted


def test_by_table():
    for line in Path(__file__).with_name("table.txt").read_text().splitlines():
        a, b, wanted = map(int, line.split())
        assert calc.sub(a, b, swap=True) == wanted


def test_with_network():
    import urllib.request

    assert urllib.request.urlopen("http://192.0.2.1", timeout=1).status == 200


def test_with_fixture(of_conftest):
    assert calc.sub(of_conftest, TWO) == 3
"""
ONLINE = "import socket\n\n\ndef test_online():\n    assert socket.create_connection(('192.0.2.1', 80), timeout=1)\n"
USES = "from calc import add\n\n\ndef test_{}():\n    assert add({}) == {}\n"
ENDS = "import os\n\nos._exit(0)\n\n\ndef test_never():\n    assert True\n"

HISTORY: tuple[tuple[str, Change], ...] = (
    ("Begin", {"calc.py": CALC, "tests/test_calc.py": TEST, "tests/values.py": "TWO = 2\n", "tests/test_old.py": TEST}),
    (
        "Subtraction\n\nSee test_by_table for how.\n\nReviewed-by: A B <a@b.c>\n",
        {
            "calc.py": SUB,
            "tests/test_calc.py": TEST_SUB,
            "tests/table.txt": "2 3 1\n",
            "tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef of_conftest():\n    return 5\n",
        },
    ),
    ("Tidy", {"calc.py": f"# sums\n{SUB}", "tests/test_calc.py": TEST_SUB.replace("(4, 2)", "(5, 3)")}),
    ("Online", {"net.py": "", "tests/test_net.py": ONLINE}),
    ("Fewer tests", {"calc.py": SUB, "tests/test_old.py": None}),
    ("Words", {"README.md": "# Sums\n"}),
    ("Tests only", {"tests/test_more.py": USES.format("more", "1, 1", 2)}),
    (
        "Other name",
        {
            "calc.py": None,
            "sums.py": SUB.replace("return a + b", "return float(a + b) if isinstance(a, str) else a + b"),
            "tests/test_odd.py": USES.replace("calc", "sums").format("text", "'1', '2'", 12.0),
            "logo.png": b"\x89PNG\0\xff",
            "latin.py": b"# caf\xe9\n",
            "secret": "->/etc/passwd",
            "line\nend.py": "x = 1\n",
            "caf\udce9.py": "x = 1\n",
            "\u202egnp.py": "x = 1\n",
        },
    ),
    (
        "One ends it all",
        {
            "sums.py": SUB.replace("a + b", "a + b + 0"),
            "mul.py": "def mul(a, b):\n    return a * b\n",
            "tests/test_mul.py": "import mul\n\n\ndef test_mul():\n    assert mul.mul(2, 3) == 6\n",
            "tests/test_ends.py": ENDS,
        },
    ),
    ("Broken", {"sums.py": "def (:\n", "tests/test_mul.py": "def test_(:\n"}),
)
MINED = {
    "Subtraction": (("test_by_table", "test_sub", "test_with_fixture"), ("test_add",), ("test_with_network",)),
    "Tidy": "same",
    "Online": "tests",
    "Other name": (("test_text",), (), ()),
    "One ends it all": (("test_mul",), (), ("test_never",)),
    "Broken": "tests",
}
"""Subject of each commit that qualifies → why it is no task, or its tests fail → pass, pass → pass and left out."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("history") / "sums"
    for message, change in HISTORY:
        commit(root, message, change)
    return root


@pytest.fixture(scope="module")
def mined(bubblewrap: None, repository: Path) -> dict[str, SelfTask | Unfit]:
    with opened(repository) as history:
        found = candidates(history)
        return {one.candidate.commit.subject: one for one in mine(history, found, open_sandbox("bubblewrap"))}


def task_of(mined: Mapping[str, SelfTask | Unfit], subject: str) -> Task:
    found = mined[subject]
    assert isinstance(found, SelfTask), found
    return found.proof.task


def test_every_commit_that_qualifies_is_tried_newest_first(mined: dict[str, SelfTask | Unfit]) -> None:
    assert list(mined) == list(reversed(MINED))


@pytest.mark.parametrize("subject", MINED)
def test_what_becomes_of_a_commit(mined: dict[str, SelfTask | Unfit], subject: str) -> None:
    found, wanted = mined[subject], MINED[subject]
    if isinstance(wanted, str):
        assert isinstance(found, Unfit), found
        assert found.kind == wanted
        return
    assert isinstance(found, SelfTask), found
    kinds = (found.proof.fail_to_pass, found.proof.pass_to_pass, found.proof.left_out)
    assert tuple(tuple(sorted(i.rpartition("::")[2] for i in ids)) for ids in kinds) == wanted


def test_the_task_is_told_what_its_tests_need_and_no_more(mined: dict[str, SelfTask | Unfit]) -> None:
    task = task_of(mined, "Subtraction")
    assert task.title == "Subtraction"
    assert "from sums import add\n" in task_of(mined, "Other name").instruction
    assert "# calc.py\ndef sub(a, b, *, swap=False):\n    ...\n" in task.instruction
    assert "`tests/test_calc.py` (a newer version)" in task.instruction
    for kept_back in ("test_by_table", "def add", "b - a", "Reviewed-by", "a@b.c"):
        assert kept_back not in task.instruction
    assert (task.source, task.size, task.packages) == ("self", "S", ("pytest",))
    assert task.workspace["tests/test_calc.py"] == TEST, "the version that was there is shown"
    assert "test_with_network" not in task.tests["test_calc.py"]
    assert {"tests/values.py", "tests/table.txt"} <= task.given.keys()


def test_what_is_no_plain_text_file_is_left_out(mined: dict[str, SelfTask | Unfit]) -> None:
    kept = task_of(mined, "Other name").solution
    assert set(kept) == {
        "sums.py", "net.py", "README.md", "tests/conftest.py", "tests/table.txt", "tests/test_calc.py", "tests/test_more.py",
        "tests/test_net.py", "tests/test_odd.py", "tests/values.py",
    }  # fmt: skip


def test_a_suite_of_them_is_read_back_and_judges(mined: dict[str, SelfTask | Unfit], tmp_path: Path) -> None:
    tasks = [one.proof.task for one in mined.values() if isinstance(one, SelfTask)]
    for task in tasks:
        write_folder(task, tmp_path, {"commit": task.id, "left_out": ['a"b\\']})
    again = load(tmp_path)
    assert list(again) == sorted(tasks, key=lambda task: task.id)
    assert [task.digest for task in again] == [task.digest for task in sorted(tasks, key=lambda task: task.id)]
    task = next(task for task in again if task.title == "Subtraction")
    box = open_sandbox("bubblewrap")
    assert grade(task, task.solution, box).passed
    lost = {**task.solution, "calc.py": SUB.replace("a + b", "a * b + 1")}
    assert not grade(task, lost, box).passed, "what worked must go on working"


def test_a_package_that_is_not_here_is_no_failure_of_the_program(mined: dict[str, SelfTask | Unfit]) -> None:
    task = replace(task_of(mined, "Subtraction"), packages=("no-such-package-here",))
    judged = grade(task, task.solution, open_sandbox("bubblewrap"))
    assert judged.infra
    assert "'no-such-package-here', which is not installed" in judged.reason


# -- a repository is data


@pytest.mark.parametrize("url", ["ext::sh -c touch% {mark}", "{root}"])
def test_nothing_of_a_repository_starts(url: str, tmp_path: Path) -> None:
    root, mark = tmp_path / "trap", tmp_path / "started"
    commit(root, "Begin", {"a.py": "x = 1\n", ".gitattributes": "* filter=trap diff=trap\n"})
    commit(root, "More", {"a.py": "x = 2\n", "test_a.py": "def test_a():\n    assert True\n"})
    blob = git(root, "rev-parse", "HEAD:a.py").strip()
    trap = f"touch {mark}; cat"
    for key, value in {
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": url.format(mark=mark, root=root),
        "remote.origin.uploadpack": f"touch {mark}; false",
        "protocol.ext.allow": "always",
        "protocol.file.allow": "always",
        "filter.trap.smudge": trap,
        "diff.trap.textconv": trap,
        "diff.external": trap,
        "core.fsmonitor": trap,
        "core.pager": trap,
    }.items():
        git(root, "config", key, value)
    (root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    git(root, "update-ref", "refs/heads/gone", git(root, "rev-parse", "HEAD").strip())
    (root / ".git" / "refs" / "heads" / "gone").write_text(f"{'1' * 40}\n")
    with opened(root) as history:
        assert len(candidates(history)) == 1
        assert set(history.files(history.log(history.commit_of("HEAD"))[1])) == {".gitattributes", "a.py"}
        with pytest.raises(UserError):
            history.files(history.commit_of("HEAD"))
        with pytest.raises(UserError):
            list(history.blamed("HEAD", "a.py"))
    assert not mark.exists()
    subprocess.run(["git", "cat-file", "blob", blob], cwd=root, capture_output=True, check=False)
    assert mark.exists(), "the trap does not work"


def empty(root: Path) -> None:
    root.mkdir()
    git(root, "init", "--quiet")


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (lambda root: root.mkdir(), (), "is not in a git repository that can be read (it is none)"),
        (lambda root: root.write_text(""), (), "there is no directory"),
        (lambda root: None, (), "there is no directory"),
        (empty, (), "nothing was ever committed in"),
        (lambda root: commit(root, "One", {"a.py": ""}), ("--since", "v9"), "there is no commit 'v9' in"),
        (lambda root: commit(root, "One", {"a.py": ""}), ("--since=--all",), "there is no commit '--all' in"),
    ],
)
@pytest.mark.usefixtures("bubblewrap")
def test_what_cannot_be_mined_is_one_sentence(make, options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    root = tmp_path / "place"
    make(root)
    done = CliRunner().invoke(bootstrap, ["mine", str(root), "-o", str(tmp_path / "out"), *options])
    assert isinstance(done.exception, UserError), done.output
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_shallow_clone_a_worktree_and_a_bare_repository(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=4", f"file://{repository}", "shallow")
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare")
    git(repository, "worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"), "HEAD~1")
    found = {}
    for name in ("shallow", "bare", "worktree"):
        with opened(tmp_path / name) as history:
            found[name] = [one.commit.subject for one in candidates(history)]
    newest = list(reversed(MINED))
    assert found == {"shallow": newest[:3], "bare": newest, "worktree": newest[1:]}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "../a",
        "a/../b",
        "a//b",
        "./a",
        "a/.git/x",
        "a/.GIT/x",
        "a\nb",
        "a\\b",
        "a\x1bb",
        "\u202ea",
        "a" * 256,
        "x.pyc",
    ],
)
def test_names_that_are_not_laid_out(path: str) -> None:
    assert not is_plain(path)


def test_a_tree_with_hostile_names(tmp_path: Path) -> None:
    """Names that git itself would not write: a tree object made by hand."""
    root = tmp_path / "trees"
    commit(root, "Begin", {"a.py": "x = 1\n"})
    blob = bytes.fromhex(git(root, "rev-parse", "HEAD:a.py").strip())
    tree = b"".join(b"100644 " + name + b"\0" + blob for name in (b"..", b".git", b"a.py", b"b\nc"))
    (tmp_path / "tree").write_bytes(tree)
    made = git(root, "hash-object", "-w", "-t", "tree", "--literally", str(tmp_path / "tree")).strip()
    with opened(root) as history:
        assert history.files(made) == {"a.py": "x = 1\n"}


# -- what is told


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Add it", "Add it"),
        ("Add it\n\nWhy: so that it is.\nIt is.", "Add it\n\nWhy: so that it is.\nIt is."),
        ("Add it\n\nRun: 1\nFile: ab c.py", "Add it"),
        ("Add it\n\nCo-authored-by: A <a@b>", "Add it"),
        ("Make test_it pass\n\nIt did not.", "It did not."),
        ("Add it\n\nassert it(1, 2, 3) == 'a long answer' is how", "Add it"),
        ("\x1b[31mRed", "\\x1b[31mRed"),
        ("", ""),
    ],
)
def test_a_message_gives_no_test_away(message: str, told: str) -> None:
    assert told_message(message, {"test_a.py": "def test_it():\n    assert it(1, 2, 3) == 'a long answer'\n"}) == told


FILE = '''\
"""About."""
LIMIT: int = 3
"""Of all."""
_own = 1


@dataclass
class Point(Base):
    """Where."""

    x: int = 0
    """Across."""

    def move(self, by: int) -> None:
        """Further."""
        self.x += by

    def _hidden(self): return 1


async def ask(*words: str, loud=False) -> str:
    """An answer."""
    return secret
'''


def test_an_interface_shows_heads_and_words_and_nothing_of_how() -> None:
    shown = interface(FILE, lambda name: "_" not in name, docstrings=True)
    for word in (
        '"""About."""',
        "LIMIT: int = 3",
        "Of all.",
        "Where.",
        "x: int = 0",
        "Across.",
        "Further.",
        "loud=False) -> str:",
    ):
        assert word in shown
    for word in ("_own", "_hidden", "secret", "+="):
        assert word not in shown
    assert interface(FILE, {"Point.move"}.__contains__) == (
        "@dataclass\nclass Point(Base):\n\n    def move(self, by: int) -> None:\n        ..."
    )
    assert interface("def (", lambda name: True) == ""


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("loud=False", "quiet=False", {"ask"}),
        ("return secret", "return other", set()),
        ("x: int = 0", "x: float = 0", {"Point"}),
        ("by: int", "by: float", {"Point.move"}),
        ("def _hidden(self)", "def __init__(self, x)", {"Point.__init__"}),
        ("LIMIT: int = 3", "LIMIT: int = 4", set()),
        ("async def ask", "async def tell", set()),
    ],
)
def test_names_are_new_when_their_heads_are(old: str, new: str, names: set[str]) -> None:
    used = names_used("from m import Point, ask, LIMIT\n\nPoint().move(1)\n")
    assert changed_names(FILE, FILE.replace(old, new), used) == names


# -- folders

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
paths = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6), min_size=1, max_size=3
).map("/".join)
trees = st.dictionaries(paths.filter(is_plain), texts, max_size=3).filter(
    lambda tree: not any(other != path and other.startswith(f"{path}/") for path in tree for other in tree)
)
tasks = st.builds(
    Task,
    id=st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
    title=texts.filter(bool),
    instruction=texts,
    tests=trees.map(lambda tree: {**tree, "test_a.py": "def test_a(): pass\n"}),
    parts=texts.map(lambda part: {"test_a.py": part}),
    workspace=trees,
    given=trees,
    solution=trees,
    mutants=st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), texts, max_size=2),
    size=st.sampled_from(["S", "XL"]),
    tags=st.lists(texts, max_size=2).map(tuple),
    licence=texts,
    canary=texts,
    source=texts.filter(bool),
    packages=st.lists(texts, max_size=2).map(tuple),
    agent_seconds=st.floats(0.001, 1e9),
    verifier_seconds=st.floats(0.001, 1e9),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(task=tasks)
def test_a_written_folder_is_read_as_the_same_task(task: Task, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = write_folder(task, tmp_path_factory.mktemp("folder"), {"note": task.title, "tests": [task.title]})
    again = read_folder(folder)
    assert again == replace(task, tests=dict(sorted(task.tests.items())))
    assert again.digest == task.digest


@pytest.mark.parametrize("path", ["../a", "a/.git/config", "/a", "a\nb"])
def test_a_task_is_not_written_outside_its_folder(path: str, tmp_path: Path) -> None:
    task = Task("t", "T", "", {"test_a.py": "def test_a(): pass\n"}, {"test_a.py": "a"}, workspace={path: ""})
    with pytest.raises(UserError, match="no name that a file can have"):
        write_folder(task, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_is_not_written_twice(tmp_path: Path) -> None:
    task = Task("t", "T", "", {"test_a.py": "def test_a(): pass\n"}, {"test_a.py": "a"})
    write_folder(task, tmp_path)
    with pytest.raises(UserError, match="cannot be written"):
        write_folder(task, tmp_path)


def test_history_is_of_the_commit_that_is_asked_for(repository: Path) -> None:
    with opened(repository) as history:
        assert isinstance(history, History)
        before = candidates(history, "HEAD~1", "HEAD~3")
    assert [one.commit.subject for one in before] == ["One ends it all", "Other name"]
