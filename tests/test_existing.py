"""A program that is there: read safely from git, and shown within a room so that what matters is seen."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.existing import MOST_TEXT, OUTLINES, WHOLE, overview, read_existing, surroundings, uncommitted
from agent.git_objects import LARGEST
from agent.printable import printable
from graphs.errors import UserError
from tests.test_self_tasks import commit, git

ROWS = '''\
"""Rows of a table."""


def parse_rows(text):
    """Cut a text.

    Second paragraph.
    """
    return text.split()
'''
PROGRAM = {
    "README.md": "# Sums\n",
    "sums/__init__.py": "",
    "sums/rows.py": ROWS,
    "sums/cli/run.py": "from sums.rows import parse_rows\n\n\ndef main() -> int:\n    body = 1\n    return body\n",
    "sums/total.py": "LIMIT = 3\n\n\ndef total(rows: list[int]) -> int:\n    return sum(rows)\n\n\ndef _hidden(a):\n    return a\n",
    "tests/test_rows.py": "from sums.rows import parse_rows\n\n\ndef test_parse_rows():\n    assert parse_rows('a') == ['a']\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    commit(tmp_path / "sums", "Begin", PROGRAM)
    return tmp_path / "sums"


# -- reading


def test_the_text_files_of_a_commit_are_read_from_anywhere_in_the_repository(repository: Path, tmp_path: Path) -> None:
    first = git(repository, "rev-parse", "HEAD").strip()
    head = commit(repository, "More", {"logo.png": b"\x89PNG\0\xff", "link": "->/etc/passwd", "sums/total.py": None})
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare")
    git(repository, "worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"))
    (repository / "sums" / "rows.py").write_text("not committed")
    now = {path: text for path, text in PROGRAM.items() if path != "sums/total.py"}
    for place, top in (("sums/sums/cli", "sums"), ("sums", "sums"), ("bare", "bare"), ("worktree/sums", "worktree")):
        found = read_existing(tmp_path / place)
        assert (found.repo, found.commit, found.files) == (tmp_path / top, head, now)
    assert read_existing(repository, first).files == PROGRAM
    assert list(read_existing(repository).files) == sorted(now)


def empty(root: Path) -> None:
    root.mkdir()
    git(root, "init", "--quiet")


def large(root: Path) -> None:
    most = LARGEST - 1
    commit(
        root, "Large", {f"{number}.txt": f"{number:02}" + "x" * (most - 2) for number in range(MOST_TEXT // most + 1)}
    )


@pytest.mark.parametrize(
    ("make", "revision", "said"),
    [
        (lambda root: None, "HEAD", "there is no directory"),
        (lambda root: root.mkdir(), "HEAD", "is not in a git repository that can be read (it is none)"),
        (empty, "HEAD", "nothing was committed yet"),
        (lambda root: commit(root, "One", PROGRAM), "v9", "there is no commit 'v9'"),
        (large, "HEAD", "has 22.0 MB of text; at most 20 MB are possible"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(make, revision: str, said: str, tmp_path: Path) -> None:
    make(tmp_path / "place")
    with pytest.raises(UserError, match=re.escape(said)) as raised:
        read_existing(tmp_path / "place", revision)
    assert "\n" not in str(raised.value)


def test_what_is_not_committed_is_counted_and_starts_nothing(repository: Path, tmp_path: Path) -> None:
    commit(repository, "Attributes", {".gitattributes": "*.py filter=trap diff=trap\n"})
    assert uncommitted(repository) == 0
    mark = tmp_path / "mark"
    trap = f"touch {mark}; cat"
    for key in (
        "filter.trap.clean",
        "filter.trap.process",
        "diff.trap.command",
        "diff.trap.textconv",
        "core.fsmonitor",
    ):
        git(repository, "config", key, trap)
    (repository / "sums" / "rows.py").write_text("changed\n")
    (repository / "sums" / "total.py").unlink()
    (repository / "new.py").write_text("not tracked\n")
    (repository / "README.md").touch()  # the same text at another time
    index = (repository / ".git" / "index").read_bytes()

    assert uncommitted(repository / "sums") == 2
    assert not mark.exists()
    assert (repository / ".git" / "index").read_bytes() == index
    git(repository, "clone", "--quiet", "--bare", str(repository), str(tmp_path / "bare"))
    empty(tmp_path / "empty")
    assert [uncommitted(tmp_path / name) for name in ("bare", "empty")] == [0, 0]


# -- what is shown


def shown(text: str, part: str) -> list[str]:
    """Paths of the files in a part of an overview, in order."""
    return re.findall(r"^### (.*)$", text.partition(part)[2].partition("\n## ")[0], re.MULTILINE)


def test_a_small_program_is_shown_whole_tests_last() -> None:
    text = overview(PROGRAM, "More")
    assert OUTLINES not in text
    assert shown(text, WHOLE) == [*sorted(PROGRAM)[:-1], "tests/test_rows.py"]
    assert "sums/cli/: run.py 6" in text
    assert all(source in text for source in PROGRAM.values())


def many(number: int = 60) -> dict[str, str]:
    """A program that has no room."""
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "kappa"]
    rng = random.Random(1)
    found = {
        f"pkg/m{n:02}.py": f'"""{rng.choice(words)} {rng.choice(words)}."""\n\n\ndef f_{n}(a):\n    """Does.\n\n    Not shown.\n    """\n'
        + "".join(f"    {rng.choice(words)} = {n}\n" for _ in range(150))
        for n in range(number)
    }
    return {
        **found,
        **{f"tests/test_m{n:02}.py": "def test_a():\n    assert 1\n" * 50 for n in range(number)},
        **PROGRAM,
    }


@pytest.mark.parametrize(
    ("about", "first"),
    [
        ("Mend alpha beta gamma; see `pkg/m07.py`", "pkg/m07.py"),
        ("alpha beta in pkg/m07.py.", "pkg/m07.py"),
        ("alpha beta in m31.py", "pkg/m31.py"),
        ("alpha beta: pkg.m31 is slow", "pkg/m31.py"),
        ("alpha beta of cli.run", "sums/cli/run.py"),
        ("alpha beta of cli/run.py", "sums/cli/run.py"),
        ("alpha beta by parse_rows", "sums/rows.py"),
        ("alpha beta by `total`", "sums/total.py"),
        ("alpha beta by total(rows)", "sums/total.py"),
        ("alpha beta of rows.parse_rows", "sums/rows.py"),
    ],
)
def test_what_is_named_outranks_all_else(about: str, first: str) -> None:
    assert shown(overview(many(), about, 20_000), WHOLE)[0] == first


def test_words_decide_where_nothing_is_named() -> None:
    files = {**many(), "pkg/m60.py": "def readTimeTable(a):\n    return a\n", "notes.txt": "gamma\n" * 3000}
    assert shown(overview(files, "A time table can be read", 20_000), WHOLE)[0] == "pkg/m60.py"


def test_heads_are_shown_without_what_is_done_and_tests_after_all_sources() -> None:
    files = many()
    text = overview(files, "alpha in test_m03", 20_000)
    heads = text.partition(OUTLINES)[2].partition(WHOLE)[0]
    assert heads.count("\ndef f_") >= 5
    assert "Does." in heads
    assert not re.search("Not shown|= |test_m", heads)
    assert shown(text, WHOLE)
    assert not {path for path in shown(text, WHOLE) if path.startswith("tests/")}
    assert set(shown(text, OUTLINES)).isdisjoint(shown(text, WHOLE))
    assert "tests/: test_m00.py 100" in text
    few = overview(
        {path: text for path, text in files.items() if path in PROGRAM or path.startswith("tests/")}, "", 20_000
    )
    assert shown(few, WHOLE)[:5] == [*sorted(PROGRAM)[:-1]], "where all sources are shown, tests follow"
    assert shown(few, WHOLE)[5].startswith("tests/")
    listing = overview({f"d{n}/{n:050}.py": "x = 1\n" * 100 for n in range(200)}, "", 4000).partition("\n## ")[0]
    assert re.search(r"^and \d+ files in \d+ directories more$", listing, re.MULTILINE)


hostile = st.text(st.sampled_from("`#\n ab\x1b\u202e\ud800"), max_size=60)
names = st.from_regex(r"([ab`\n ]{1,3}/){0,2}(test_)?[a-d_`]{1,4}(\.py|\.md|)", fullmatch=True)
python = st.lists(
    st.sampled_from(
        [
            "def a_b(c):\n    'D'\n    return 1\n",
            "class C:\n    '''`````'''\n    x: int = 1\n    'y'\n",
            "import a\n",
            "V = 1\n",
            "(\n",
        ]
    )
)
trees = st.dictionaries(names, st.one_of(hostile, python.map("".join), st.text(max_size=300)), max_size=25)


@settings(max_examples=120, deadline=None)
@given(
    files=trees,
    about=st.one_of(hostile, st.sampled_from(["a_b of C", "`V`"])),
    room=st.integers(0, 6000),
    rng=st.randoms(),
)
def test_room_and_order_whatever_the_files(files: dict[str, str], about: str, room: int, rng: random.Random) -> None:
    own = sorted(files)[:2]
    mixed = list(files.items())
    rng.shuffle(mixed)
    for make in (overview, lambda files, about, room: surroundings(files, own, about, room)):
        text = make(files, about, room)
        assert len(text) <= room
        assert text == make(dict(mixed), about, room)
        assert printable(text) == text


@settings(max_examples=80, deadline=None)
@given(files=trees)
def test_nothing_in_a_file_closes_its_fence(files: dict[str, str]) -> None:
    """Read as CommonMark does: a fence is closed by a line of as many back-ticks or more and nothing else."""
    outside, fence = [], ""
    for line in overview(files, "").split("\n"):
        if not fence and (opened := re.match(r"(`{3,})(python|text)$", line)):
            fence = opened[1]
        elif fence and re.fullmatch(rf" {{0,3}}`{{{len(fence)},}}\s*", line):
            fence = ""
        elif not fence:
            outside.append(line)
    assert not fence
    assert sum(line.startswith("### ") for line in outside) == len(files)


def test_surroundings_are_heads_of_what_is_near() -> None:
    files = {**PROGRAM, "sums/other.py": "def other():\n    return parse_rows\n", "conftest.py": "def fixture(): ...\n"}
    near = surroundings(files, ["sums/rows.py"], "Cut rows in total and `_hidden`")
    assert shown(f"x\n{near}", "x") == ["sums/cli/run.py", "sums/total.py", "sums/other.py"]
    assert "def _hidden(a):" in near
    assert "LIMIT = 3" in near
    assert "body" not in near
    assert "return" not in near
    assert "_hidden" not in surroundings(files, ["sums/rows.py"], "Cut rows")
    importing = surroundings(files, ["sums/cli/run.py"], "Nothing")
    assert shown(f"x\n{importing}", "x")[0] == "sums/rows.py"
    assert "Cut a text." in importing
    assert "Second paragraph" not in importing
    assert surroundings({"a.py": "x = 1\n", "tests/test_a.py": "", "b.md": "b"}, ["a.py"], "a") == ""


def test_of_a_large_module_the_functions_stand_without_docstrings() -> None:
    source = '"""Much.\n\nMore."""\n' + "".join(
        f'class C{n}:\n    """Does."""\n    x: int = {n}\n    """Said."""\n' for n in range(90)
    )
    near = surroundings({"a.py": "import b\n", "b.py": source}, ["a.py"], "", 8000)
    assert '"""Much."""' in near
    assert near.count("class C") == near.count("x: int") == 90
    assert not re.search("Does|Said|More", near)


def test_a_large_program_takes_a_second_or_two() -> None:
    files = {f"p{n % 20}/m{n}.py": text for n, text in enumerate(list(many(250).values()) * 2)}
    assert len(files) >= 500
    begun = time.process_time()
    overview(files, "alpha beta")
    assert time.process_time() - begun < 5
