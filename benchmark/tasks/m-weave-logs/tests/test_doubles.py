"""Doubles and the summary."""

import os
import subprocess
import sys

import pytest

ROOT = os.getcwd()
AT = "2026-03-01T10:00:0"


@pytest.fixture
def weave(tmp_path):
    def run(*arguments, **logs):
        for name, lines in logs.items():
            (tmp_path / name).write_text("".join(f"{AT}{line}\n" for line in lines), encoding="utf-8")
        path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "weave", *arguments, *logs],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.replace(AT, "").splitlines()

    return run


def test_the_same_text_from_another_file_is_left_out(weave):
    out = weave("--unique", "--label", a=["1Z x", "2Z y"], b=["1.0Z x", "1Z X", "2Z x"], c=["1Z x", "2Z y", "3Z z"])
    assert out == ["1Z a: x", "1Z b: X", "2Z a: y", "2Z b: x", "3Z c: z"]


def test_doubles_within_a_file_are_events(weave):
    assert weave("--unique", a=["1Z x", "1Z x", "2Z x"]) == ["1Z x", "1Z x", "2Z x"]
    out = weave("--unique", "--label", a=["1Z x"], b=["1Z w", "1Z x", "1Z x"], c=["1Z x", "1Z x"], d=["1Z v"])
    assert out == ["1Z b: w", "1Z b: x", "1Z b: x", "1Z d: v"]


def test_a_text_is_all_lines(weave):
    out = weave("--unique", "--label", a=["1Z x\n  1", "2Z y\n\n"], b=["1Z x\n  2", "1Z x", "2Z y\n"])
    assert out == ["1Z a: x", "  1", "1Z b: x", "  2", "1Z b: x", "2Z a: y", "", "", "2Z b: y", ""]


def test_the_moment_counts_and_not_how_it_is_written(weave):
    out = weave("--unique", "--label", "--zone=-01:00", a=["1 x"], b=["1Z x", "2-01:00 y"], c=["1.000-01:00 x", "2 y"])
    assert out == ["1Z b: x", "1 a: x", "2-01:00 b: y"]


def test_a_file_named_twice_counts_twice(weave):
    assert weave("--unique", "a", a=["1Z x"]) == ["1Z x"]
    assert weave("--summary", "--unique", "a", a=["1Z x"]) == [
        "a: 1 records, 1 lines",
        "a: 0 records, 0 lines",
        "total: 1 records, 1 lines",
    ]


def test_summary_counts_what_would_be_printed(weave):
    logs = {"a": ["1Z x", "2Z y\n more"], "b": ["1Z x\n more\n", "1Z x", "3Z w"], "c": ["5Z w"]}
    assert weave("--summary", **logs) == [
        "a: 2 records, 3 lines",
        "b: 3 records, 5 lines",
        "c: 1 records, 1 lines",
        "total: 6 records, 9 lines",
    ]
    assert weave("--summary", "--unique", "--label", "--until", f"{AT}3", **logs) == [
        "a: 2 records, 3 lines",
        "b: 1 records, 3 lines",
        "c: 0 records, 0 lines",
        "total: 3 records, 6 lines",
    ]


def test_without_unique_all_are_printed(weave):
    assert weave("--label", a=["1Z x"], b=["1Z x"]) == ["1Z a: x", "1Z b: x"]
