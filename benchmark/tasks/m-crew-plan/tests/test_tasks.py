"""Files of tasks, and what is wrong with them."""

import json
import os
import subprocess
import sys

import pytest

ROOT = os.getcwd()
DETAIL = "expected 'needs NAME, ...', 'alone' or 'not before DURATION'"


@pytest.fixture
def crewplan(tmp_path):
    def run(text, *arguments):
        (tmp_path / "t").write_text(text, encoding="utf-8")
        path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "crewplan", "t", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
        if done.returncode:
            assert (done.returncode, done.stdout) == (2, "")
            return done.stderr
        return {row["task"]: (row["start"], row["end"]) for row in json.loads(done.stdout)}

    return run


def test_all_forms(crewplan):
    text = (
        "# plan\n\na-1  90m\n  # about a\n\tneeds  B_2 + 1h ,c.x,  c.x+0m\n\n"
        "B_2 1h05m\n  not  before   0h10m\nc.x 0h1m\n  alone\n"
    )
    assert crewplan(text, "--format", "json") == {"c.x": (0, 1), "B_2": (10, 75), "a-1": (135, 225)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n", "1: expected 'NAME DURATION'"),
        ("a 1h\nb 0m\n", "2: expected 'NAME DURATION'"),
        ("a 1h 30m\n", "1: expected 'NAME DURATION'"),
        ("a 30m1h\n", "1: expected 'NAME DURATION'"),
        ("a 1.5h\n", "1: expected 'NAME DURATION'"),
        ("ä 1h\n", "1: expected 'NAME DURATION'"),
        ("  alone\na 1h\n", "1: no task above"),
        ("a 1h\n  needs\n", f"2: {DETAIL}"),
        ("a 1h\n  needs b,\n", f"2: {DETAIL}"),
        ("a 1h\n  needs b c\n", f"2: {DETAIL}"),
        ("a 1h\n  alone\n  alone\n", f"3: {DETAIL}"),
        ("a 1h\n  needs b\n  needs c\n", f"3: {DETAIL}"),
        ("a 1h\n  not before -1h\n", f"2: {DETAIL}"),
        ("a 1h\n  needs zzz\nb 1h\na 2h\nc\n", "4: task 'a' is already in line 1"),
        ("a 1h\n  needs b, zz, y*\nb 1h\n  needs x\n", "2: no task 'zz'"),
        ("a 1h\n  needs a\nb 1h\n  needs b*\n", "4: no task begins with 'b'"),
    ],
)
def test_problems_of_lines_and_names(crewplan, text, problem):
    assert crewplan(text) == f"t:{problem}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a 1h\n  needs a\n", "1: 'a' needs itself: a -> a"),
        ("x 1h\nc 1h\n  needs b\nb 1h\n  needs a\na 1h\n  needs c\n", "2: 'c' needs itself: c -> b -> a -> c"),
        (
            "a 1h\n  needs b\nb 1h\n  needs c\nc 1h\n  needs a, d\nd 1h\n  needs c\n",
            "5: 'c' needs itself: c -> d -> c",
        ),
        (
            "a 1h\n  needs c, b\nc 1h\n  needs d\nb 1h\n  needs d\nd 1h\n  needs a\n",
            "1: 'a' needs itself: a -> c -> d -> a",
        ),
        ("a 1h\n  needs d, c\nb 1h\nc 1h\n  needs a\nd 1h\n  needs a\n", "1: 'a' needs itself: a -> c -> a"),
        ("a 1h\n  needs b\nb 1h\n  needs *\n", "1: 'a' needs itself: a -> b -> a"),
    ],
)
def test_rings(crewplan, text, problem):
    assert crewplan(text) == f"t:{problem}\n"


def test_names_and_files_that_do_not_exist(crewplan, tmp_path):
    assert crewplan("a 1h\nb 1h\n", "--for", "a,c,d") == "crewplan: no task 'c'\n"
    assert crewplan("a 1h\nb\n", "--for", "c") == "t:2: expected 'NAME DURATION'\n"
    assert crewplan("a 1h\nb 1h\n  needs b\n", "--for", "a") == "t:2: 'b' needs itself: b -> b\n"
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "crewplan", "gone"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        encoding="utf-8",
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "crewplan: cannot read gone\n")


def test_wrong_usage(crewplan):
    for crew in ("0", "-1", "two", "1.5"):
        assert isinstance(crewplan("a 1h\n", "--crew", crew), str)
    assert isinstance(crewplan("a 1h\n", "--format", "xml"), str)
