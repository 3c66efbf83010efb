"""File names from models: what is refused and why, what is accepted, and that nothing is ever written by halves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import paths
from agent.paths import check_paths, write_files
from agent.printable import printable, printable_bytes
from graphs.errors import PathRefused

ACCEPTED = """
README.md LICENSE Makefile Dockerfile pyproject.toml setup.py requirements.txt package.json main.py app.py
cli.py utils.py config.py parser.py pkg/__init__.py pkg/__main__.py pkg/types.py pkg/json.py app/parser.py
src/pkg/string.py pkg/data/x.json static/style.css templates/base.html templates/_row.html tests/test_a.py
tests/__init__.py test/test_a.py docs/index.md .gitignore .dockerignore data/.gitkeep a+b@2.0-rc.txt
pkg/py.typed données.json src/lib.rs cmd/tool/main.go CMakeLists.txt include/x.hpp site/index.html json/a.json
calendar/2024.csv bin/head scripts/run.sh migrations/0001_init.sql pkg/pytest.py
""".split()  # noqa: SIM905
REFUSED = {
    "": "empty",
    "/etc/passwd": "absolute",
    "//x": "absolute",
    "../x": "'..'",
    "a/../../x": "'..'",
    "a/..": "'..'",
    ".": "empty part or '.'",
    "./a": "empty part or '.'",
    "a//b": "empty part",
    "a/": "empty part",
    "~/x": "'~'",
    "~root/x": "'~'",
    "a\\b": "backslash",
    "..\\x": "backslash",
    "C:/x": "':'",
    "a\0b": "NUL",
    "a\nb": "control",
    "a\x1b[2Jb": "control",
    "a\x7f": "control",
    "a\u202eb": "bidirectional",
    "a\u200bb": "invisible",
    "a\ufeffb": "invisible",
    "\ud800": "control",
    "\u3164": "look like",
    "e\u0301.py": "NFKC",
    "ﬁle.py": "NFKC",
    "ａ.py": "NFKC",
    "a b.py": "' '",
    "a;b": "';'",
    "$HOME": "'$'",
    "a*b": "'*'",
    "-rf": "starts with '-'",
    "a/-rf": "starts with '-'",
    "a.": "ends with '.'",
    "x" * 241: "longer than 240",
    "/".join("a" * 13): "12 levels",
    ".git/config": "hidden",
    ".GIT/hooks/pre-commit": "hidden",
    "a/.git": "hidden",
    ".g\u200dit/config": "invisible",
    "git~1/config": "'~'",
    ".gitattributes": "hidden",
    ".gitmodules": "hidden",
    ".env": "hidden",
    ".github/workflows/ci.yml": "hidden",
    ".vscode/settings.json": "hidden",
    ".GITIGNORE": "hidden",
    "bare/HEAD": "repository",
    "x.pth": "start-up",
    "lib/X.PTH": "start-up",
    "python311._pth": "start-up",
    "sitecustomize.py": "configures",
    "a/SiteCustomize.py": "configures",
    "usercustomize.py": "configures",
    "sitecustomize/__init__.py": "configures",
    "conftest.py": "configures",
    "tests/conftest.py": "configures",
    "pytest.ini": "configures",
    "pytest.toml": "configures",
    "tox.ini": "configures",
    "setup.cfg": "configures",
    "pyvenv.cfg": "configures",
    "Jenkinsfile": "configures",
    "__pycache__/a.py": "configures",
    "a.pyc": "compiled",
    "a.so": "compiled",
    "x.dist-info/METADATA": "installed package",
    "x.egg-info/PKG-INFO": "installed package",
    "pytest.py": "runs the tests",
    "_pytest/__init__.py": "runs the tests",
    "pluggy.py": "runs the tests",
    "types.py": "standard library's 'types'",
    "JSON.py": "standard library's 'json'",
    "json/__init__.py": "standard library's 'json'",
    "json/deep/x.py": "standard library's 'json'",
    "src/random.py": "standard library's 'random'",
    "aux.py": "Windows",
    "a/NUL": "Windows",
    "com1.txt": "Windows",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_ordinary_project_files_are_accepted(name: str, tmp_path: Path) -> None:
    check_paths({name: "x"}, None)
    write_files(tmp_path, {name: "text of it"})
    assert (tmp_path / name).read_text() == "text of it"


@pytest.mark.parametrize(("name", "why"), REFUSED.items(), ids=map(ascii, REFUSED))
def test_bad_names_are_refused_and_nothing_is_written(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(PathRefused) as refused:
        write_files(tmp_path, {"good.py": "x", name: "y", "zgood.py": "x"})
    (problem,) = refused.value.problems
    assert why in problem
    assert problem == printable(problem)
    assert "\n" not in problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["a.py", "A.py"], "only in capitals"),
        (["straße.txt", "strasse.txt"], "only in capitals"),
        (["pkg/a.py", "PKG/b.py"], "only in capitals"),
        (["a", "a/b"], "directory where 'a' is a file"),
        (["a/b/c", "A/B"], "directory where 'A/B' is a file"),
    ],
)
def test_names_that_clash_are_refused(names: list[str], why: str, tmp_path: Path) -> None:
    with pytest.raises(PathRefused, match=why):
        write_files(tmp_path, dict.fromkeys(names, ""))
    assert list(tmp_path.iterdir()) == []


def test_every_bad_name_is_named() -> None:
    with pytest.raises(PathRefused) as refused:
        check_paths({"../a": "", "ok.py": "", "conftest.py": "", "bad.py": "\udc80"}, None)
    assert [problem.split()[0] for problem in refused.value.problems] == ["'../a'", "'conftest.py'", "'bad.py'"]


def test_only_owned_files_are_accepted() -> None:
    check_paths({"pkg/a.py": ""}, owned=["pkg/a.py", "pkg/b.py"])
    with pytest.raises(PathRefused, match=r"'pkg/c\.py' is not a file of this component, which owns 'pkg/a\.py'"):
        check_paths({"pkg/c.py": ""}, owned=["pkg/a.py"])


def snapshot(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return found


@pytest.fixture
def trapped(tmp_path: Path) -> tuple[Path, Path]:
    """A workspace full of what a hostile program may leave there, and a directory outside."""
    root, outside = tmp_path / "ws", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "file").write_text("untouched")
    (root / "dirlink").symlink_to(outside)
    (root / "filelink").symlink_to(outside / "file")
    (root / "dangling").symlink_to(outside / "new")
    os.link(outside / "file", root / "hardlink")
    (root / "folder").mkdir()
    (root / "plain").write_text("old")
    (root / "Mixed").write_text("old")
    (root / "cafe\u0301").write_text("old")
    os.mkfifo(root / "fifo")
    return root, outside


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("dirlink/x", "link or not a directory"),
        ("dirlink", "is a link"),
        ("filelink", "is a link"),
        ("dangling", "is a link"),
        ("hardlink", "hard link"),
        ("folder", "not an ordinary file"),
        ("fifo", "not an ordinary file"),
        ("plain/x", "link or not a directory"),
        ("mixed", "only in capitals or Unicode form"),
        ("café", "only in capitals or Unicode form"),
        ("FOLDER/x", "only in capitals or Unicode form"),
    ],
)
def test_what_lies_on_the_disk_is_not_trusted(trapped: tuple[Path, Path], name: str, why: str) -> None:
    root, outside = trapped
    (root / "fifo").unlink() if name != "fifo" else None
    before = {path.name: path.lstat().st_mtime_ns for path in root.iterdir()}
    with pytest.raises(PathRefused, match=why):
        write_files(root, {"new/good.py": "x", name: "y"})
    assert {path.name: path.lstat().st_mtime_ns for path in root.iterdir()} == before
    assert snapshot(outside) == {"file": b"untouched"}


def test_files_are_replaced_and_keep_their_mode(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("old")
    (tmp_path / "run.sh").chmod(0o755)
    write_files(tmp_path, {"run.sh": "new\r\n", "a/b/c.txt": "ü"})
    assert snapshot(tmp_path) == {"a": None, "a/b": None, "a/b/c.txt": "ü".encode(), "run.sh": b"new\r\n"}
    assert (tmp_path / "run.sh").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("step", ["open", "mkdir", "rename", "chmod"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_midway_leaves_the_tree_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    """The failing system call is the n-th of its kind, for every n until the whole succeeds."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    before = snapshot(tmp_path)
    files = {"old/a.txt": "A", "b.txt": "B", "new/deep/c.txt": "C", "d.txt": "D"}
    real = getattr(os, step)
    failures = 0
    for countdown in range(100):
        left = countdown

        def failing(*args: object, **kwargs: object) -> object:
            nonlocal left
            left -= 1
            if left == -1:
                raise error
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(paths.os, step, failing)
            try:
                write_files(tmp_path, files)
            except (OSError, KeyboardInterrupt):
                failures += 1
            except PathRefused:  # a directory that cannot be opened while it is examined is not trusted
                failures += 1
            else:
                break
        assert snapshot(tmp_path) == before
    assert failures
    assert {name: (tmp_path / name).read_text() for name in files} == files


@given(st.dictionaries(st.text(max_size=30) | st.sampled_from(sorted(REFUSED)) | st.sampled_from(ACCEPTED), st.text()))
def test_whatever_is_accepted_stays_inside(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]) -> None:
    root = tmp_path_factory.mktemp("any") / "ws"
    root.mkdir()
    try:
        write_files(root, files)
    except PathRefused:
        assert list(root.iterdir()) == []
    else:
        written = {name: data for name, data in snapshot(root).items() if data is not None}
        assert written == {name: text.encode() for name, text in files.items()}
    assert os.listdir(root.parent) == ["ws"]


@given(st.text(alphabet=st.characters(), max_size=200))
def test_printable_text_holds_nothing_that_acts(text: str) -> None:
    import unicodedata

    safe = printable(text)
    safe.encode()
    assert {unicodedata.category(char) for char in safe if char not in "\n\t"} & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()
    assert printable(safe) == safe


@given(st.binary(max_size=300), st.integers(2, 100))
def test_printable_bytes_keeps_head_and_tail(data: bytes, keep: int) -> None:
    printable_bytes(data).encode()
    if len(data) > keep:
        assert f"[... {len(data) - 2 * (keep // 2)} bytes dropped ...]" in printable_bytes(data, keep)
    else:
        assert printable_bytes(data, keep) == printable_bytes(data)
