"""Layouts: what is a column, and what is wrong with a line."""

import os
import subprocess
import sys

import pytest

ROOT = os.getcwd()


def run(where, *arguments, stdin=""):
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "colfix", *arguments],
        cwd=where,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        input=stdin.encode(),
        capture_output=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize(
    ("layout", "complaint"),
    [
        ("a 3 text\nb 4\n", "layout line 2: expected NAME WIDTH TYPE"),
        ("# c\n\n- 3 text\n", "layout line 3: expected NAME WIDTH TYPE"),
        ("a 3 text\n-\n", "layout line 2: expected NAME WIDTH TYPE"),
        ("a 0 text\n", "layout line 1: bad width '0'"),
        ("a -3 wrong\n", "layout line 1: bad width '-3'"),
        ("- x\n", "layout line 1: bad width 'x'"),
        ("a 3 float\n", "layout line 1: unknown type 'float'"),
        ("a 10 date odd\n", "layout line 1: a date has 8 places"),
        ("a 3 text zeros\n", "layout line 1: unknown option 'zeros'"),
        ("a 3 int zeros wide\n", "layout line 1: unknown option 'wide'"),
        ("a 3 int\n  # x\na 4 text\n", "layout line 3: column 'a' appears twice"),
        ("a 3 int\na 4 text odd\n", "layout line 2: unknown option 'odd'"),
        ("# only words\n- 4\n", "the layout has no columns"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, layout, complaint):
    (tmp_path / "plan").write_text(layout)
    done = run(tmp_path, "to-csv", "plan", stdin="abc\n")
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", f"colfix: {complaint}\n")


def test_fillers_and_comments_are_no_columns(tmp_path):
    (tmp_path / "plan").write_text("# head\n- 2\na 2 text\n\n   # more\n- 1\nb 1 int\n- 2\n")
    done = run(tmp_path, "to-csv", "plan", stdin="xxABy7zz\n")
    assert done.stdout == b"a,b\nAB,7\n"
    back = run(tmp_path, "to-fixed", "plan", stdin="b,a\n7,AB\n")
    assert back.stdout == b"  AB 7  \n"


def test_a_missing_layout_and_wrong_usage(tmp_path):
    done = run(tmp_path, "to-csv", "nowhere")
    assert (done.returncode, done.stderr.decode()) == (2, "colfix: cannot read nowhere\n")
    assert run(tmp_path, "sideways", "plan").returncode == 2
    assert run(tmp_path).returncode == 2


def test_text_that_is_not_utf8(tmp_path):
    (tmp_path / "plan").write_text("a 3 text\n")
    (tmp_path / "data").write_bytes(b"\xff\xfe\n")
    done = run(tmp_path, "to-csv", "plan", "data")
    assert (done.returncode, done.stderr.decode()) == (2, "colfix: data is not UTF-8 text\n")
