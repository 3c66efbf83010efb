"""The command line."""

import os
import subprocess
import sys
from pathlib import Path

import galley
import pytest

ROOT = Path(galley.__file__).resolve().parent.parent


@pytest.fixture
def galley_at(tmp_path):
    def call(*arguments):
        ended = subprocess.run(
            [sys.executable, "-m", "galley", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            check=False,
        )
        return ended.returncode, ended.stdout.decode(), ended.stderr.decode()

    (tmp_path / "Galleyfile").write_text("make out/a\n  say @s|-@\n  fill\nmake out/b\n  paste b.txt\n")
    return call


def test_a_session(galley_at, tmp_path):
    assert galley_at("plan", "out/a") == (0, "made out/a (new)\n1 made, 0 restored, 0 kept, 0 failed\n", "")
    assert galley_at("build") == (
        1,
        "made out/a (new)\nfailed out/b: no file b.txt\n1 made, 0 restored, 0 kept, 1 failed\n",
        "",
    )
    (tmp_path / "b.txt").write_bytes("ä\r\nb".encode())
    assert galley_at("build", "--set", "s=a=b", "--set", "t=", "out/a") == (
        0,
        "made out/a (setting s: (none) -> a=b)\n1 made, 0 restored, 0 kept, 0 failed\n",
        "",
    )
    assert galley_at("build", "out/b", "out/a")[0] == 0
    assert galley_at("log") == (
        0,
        "1: 1 made, 0 restored, 0 kept, 1 failed\n2: 1 made, 0 restored, 0 kept, 0 failed\n3: 1 made, 1 restored, 0 kept, 0 failed\n",
        "",
    )
    assert galley_at("show", "3", "out/b") == (0, "ä\r\nb\n", "")
    assert galley_at("sweep", "1") == (0, "1 records, 1 results\n", "")
    code, out, err = galley_at("show", "2", "out/a")
    assert (code, out, err.count("\n")) == (1, "", 1)


@pytest.mark.parametrize(
    ("book", "arguments", "said"),
    [
        ("make out/a\n  bake\n", ["build"], "galley: Galleyfile: line 2: "),
        (
            "make out/b\n  paste out/a\nmake out/a\n  paste out/b\n",
            ["plan"],
            "galley: cycle: out/a -> out/b -> out/a\n",
        ),
        (None, ["build"], "galley: no Galleyfile\n"),
        ("", ["build", "out/z"], "galley: unknown: out/z\n"),
        ("", ["show", "7", "out/a"], "galley: unknown: 7\n"),
        ("", ["show", "1", "out/a"], "galley: unknown: out/a\n"),
        ("", ["build", "--set", "S=1"], ""),
        ("", ["sweep", "-1"], ""),
        ("", ["bake"], ""),
        ("", [], ""),
    ],
)
def test_misuse(galley_at, tmp_path, book, arguments, said):
    galley.build(tmp_path)
    if book is None:
        (tmp_path / "Galleyfile").unlink()
    else:
        (tmp_path / "Galleyfile").write_text(book)
    if said.endswith("out/a\n") and "cycle" not in said:
        galley.build(tmp_path, [])
        arguments = ["show", "2", "out/a"]
    code, out, err = galley_at(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert said == "" or err.count("\n") == 1
