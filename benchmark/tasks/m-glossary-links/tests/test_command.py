"""The command line."""

import os
import subprocess
import sys

import pytest

ROOT = os.getcwd()


@pytest.fixture
def glosslink(tmp_path):
    def run(*arguments, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.md").write_bytes(text.encode())
        path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "glosslink", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
            capture_output=True,
            timeout=20,
            check=False,
        )
        return done.stdout.decode(), done.stderr.decode(), done.returncode

    return run


def test_printing(glosslink, tmp_path):
    out = glosslink("g.md", "a.md", g="## hub\n", a="é hub\r\nno end")
    assert out == ("é [hub](g.md#hub)\r\nno end", "", 0)
    assert (tmp_path / "a.md").read_bytes() == "é hub\r\nno end".encode()


def test_the_target_is_seen_from_the_text(glosslink, tmp_path):
    (tmp_path / "my docs" / "deep").mkdir(parents=True)
    (tmp_path / "my docs" / "g l.md").write_text("## hub\n")
    (tmp_path / "my docs" / "deep" / "a.md").write_text("hub")
    assert glosslink("my docs/g l.md", "my docs/deep/a.md")[0] == "[hub](../g%20l.md#hub)"
    assert glosslink("my docs/g l.md", "a.md", a="hub")[0] == "[hub](my%20docs/g%20l.md#hub)"
    assert glosslink(str(tmp_path / "my docs/g l.md"), "a.md")[0] == "[hub](my%20docs/g%20l.md#hub)"


def test_writing(glosslink, tmp_path):
    files = {"g": "## hub\n## leg\n", "a": "hub leg\n# 2\nhub\n", "b": "nothing\n", "c": "leg hub [x](g.md#leg)\n"}
    out = glosslink("g.md", "a.md", "b.md", "c.md", "--write", **files)
    assert out == ("a.md: 3 links\nc.md: 1 links\n", "", 0)
    assert (tmp_path / "a.md").read_text() == "[hub](g.md#hub) [leg](g.md#leg)\n# 2\n[hub](g.md#hub)\n"
    assert (tmp_path / "b.md").read_text() == "nothing\n"
    assert (tmp_path / "c.md").read_text() == "leg [hub](g.md#hub) [x](g.md#leg)\n"
    assert glosslink("g.md", "--write", "a.md", "b.md", "c.md") == ("", "", 0)


def test_checking(glosslink, tmp_path):
    files = {"g": "## toe\n## hub\n## leg\n## arm\n", "a": "the leg\n", "b": "[x](g.md#arm)\n"}
    assert glosslink("g.md", "b.md", "a.md", "--check", **files) == ("a.md: 1 links\nunused: toe\nunused: hub\n", "", 1)
    assert (tmp_path / "a.md").read_text() == "the leg\n"
    assert glosslink("g.md", "b.md", "--check") == ("unused: toe\nunused: hub\nunused: leg\n", "", 0)


def test_nothing_is_written_when_a_file_cannot_be_read(glosslink, tmp_path):
    (tmp_path / "bad.md").write_bytes(b"\xff")
    assert glosslink("g.md", "a.md", "gone.md", "--write", g="## hub\n", a="hub\n") == (
        "",
        "glosslink: cannot read gone.md\n",
        2,
    )
    assert glosslink("g.md", "a.md", "bad.md", "--write") == ("", "glosslink: cannot read bad.md\n", 2)
    assert (tmp_path / "a.md").read_text() == "hub\n"


def test_bad_glossaries_and_wrong_usage(glosslink):
    assert glosslink("g.md", "a.md", g="## a\n\n## A\n", a="") == (
        "",
        "glosslink: g.md: line 3: 'A' is already in line 1\n",
        2,
    )
    assert glosslink("none.md", "a.md")[1:] == ("glosslink: cannot read none.md\n", 2)
    out, err, status = glosslink("g.md", "a.md", "b.md", g="", b="")
    assert (out, bool(err), status) == ("", True, 2)
    assert glosslink("g.md")[2] == 2
