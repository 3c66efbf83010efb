"""The command line."""

import os
import subprocess
import sys

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]), "PYTHONUTF8": "1"}


@pytest.fixture
def run(tmp_path):
    def call(*arguments, stdin=""):
        done = subprocess.run(
            [sys.executable, "-m", "docket", "desk", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return call


def test_a_day_at_the_desk(run):
    assert run("create", stdin='{"b": "é", "a": [1]}') == (0, "d1\n", "")
    assert run("create", stdin='{"a": []}') == (0, "d2\n", "")
    assert run("update", "d1", stdin='{"a": [1, 2]}') == (0, "3\n", "")
    assert run("update", "d1", "--base", "1", stdin='{"b": "é", "a": [1], "c": null}') == (0, "4\n", "")
    assert run("get", "d1") == (0, '{\n  "a": [\n    1,\n    2\n  ],\n  "c": null\n}\n', "")
    assert run("get", "d1", "--at", "2") == (0, '{\n  "a": [\n    1\n  ],\n  "b": "é"\n}\n', "")
    assert run("delete", "d2") == (0, "5\n", "")
    assert run("ids") == (0, "d1\n", "")
    assert run("ids", "--at", "2") == (0, "d1\nd2\n", "")
    assert run("find", "order by a desc", "--at", "3") == (0, "d1\nd2\n", "")
    assert run("find", "b exists") == (0, "", "")
    assert run("log", "d1") == (0, "1 create 2\n3 update 2\n4 update 1\n", "")
    assert run("diff", "d1", "4", "1") == (
        0, '{"op":"remove","path":"/a/1","old":2}\n{"op":"add","path":"/b","new":"é"}\n{"op":"remove","path":"/c","old":null}\n', "",
    )  # fmt: skip
    assert run("revert", "d1", "1") == (0, "6\n", "")


def test_errors(run):
    run("create", stdin='{"a": 1, "o": {"x/y": 1}}')
    run("update", "d1", stdin='{"a": 2, "o": {"x/y": 2}}')
    assert run("update", "d1", "--base", "1", stdin='{"a": 3, "o": {"x/y": 3}}') == (1, "", "conflict: /a /o/x~1y\n")
    assert run("get", "d7") == (1, "", "not found: d7\n")
    status, out, error = run("find", "a = ?")
    assert (status, out, error.startswith("column 5: "), error.count("\n")) == (2, "", True, 1)
    for arguments, stdin in (
        (["create"], "[]"),
        (["create"], "{"),
        (["create"], '{"a": NaN}'),
        (["get", "d1", "--at", "9"], ""),
        (["revert", "d1", "0"], ""),
    ):
        status, out, error = run(*arguments, stdin=stdin)
        assert (status, out, error.count("\n")) == (2, "", 1)


def test_a_damaged_history(run, tmp_path):
    run("create", stdin="{}")
    (tmp_path / "desk" / "history.jsonl").write_text("x\n")
    status, out, error = run("ids")
    assert (status, out, error.count("\n")) == (2, "", 1)
