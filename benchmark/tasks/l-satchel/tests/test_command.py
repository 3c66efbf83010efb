"""The command line."""

import os
import subprocess
import sys

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]), "PYTHONUTF8": "1"}


@pytest.fixture
def run(tmp_path):
    def call(*arguments, stdin=""):
        return subprocess.run(
            [sys.executable, "-m", "satchel", "bag", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return call


def lines(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_put_get_keys_delete(run):
    assert lines(run("put", "colour", '{"r": 1, "é": [1.50]}')) == ["1"]
    assert lines(run("put", "count", "-5")) == ["2"]
    assert lines(run("get", "colour")) == ['{"r":1,"é":[1.5]}']
    assert lines(run("keys")) == ["colour", "count"]
    assert lines(run("keys", "cou")) == ["count"]
    assert lines(run("delete", "count")) == ["3"]
    assert lines(run("changes", "1")) == ["3 delete count"]
    assert lines(run("changes", "0")) == ["1 put colour", "3 delete count"]


def test_snapshots_dump_and_load(run):
    assert lines(run("load", stdin='["b", 2]\n\n["a", [1, 2]]\n')) == ["1"]
    assert lines(run("snapshot", "one")) == ["1"]
    assert lines(run("put", "a", "null")) == ["2"]
    assert lines(run("snapshots")) == ["one 1"]
    assert lines(run("compact")) == []
    assert lines(run("dump")) == ['["a",null]', '["b",2]']
    assert lines(run("dump", "--at", "one")) == ['["a",[1,2]]', '["b",2]']
    assert lines(run("get", "a", "--at", "one")) == ["[1,2]"]
    assert lines(run("keys", "--at", "one")) == ["a", "b"]
    assert lines(run("drop", "one")) == []
    assert lines(run("snapshots")) == []


def test_what_is_not_there(run):
    for arguments in (["get", "x"], ["delete", "x"], ["drop", "x"], ["dump", "--at", "x"]):
        done = run(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "not found: x\n")


@pytest.mark.parametrize("arguments", [["put", "a", "{"], ["put", "", "1"], ["put", "a", "NaN"], ["snapshot", "a b"]])
def test_mistakes_are_one_line(run, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("satchel: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("bad", ["oops", '["b"]', '{"a": 1}', "[1, 2]", '["b", 1, 2]'])
def test_a_load_with_a_bad_line_changes_nothing(run, bad):
    done = run("load", stdin=f'["a", 1]\n{bad}\n')
    assert done.returncode == 2
    assert done.stderr.startswith("satchel: ")
    assert lines(run("keys")) == []


def test_a_damaged_file(run, tmp_path):
    run("put", "a", "1")
    path = tmp_path / "bag" / "000001.log"
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"b"'))
    done = run("keys")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "satchel: 000001.log:1: damaged\n")
