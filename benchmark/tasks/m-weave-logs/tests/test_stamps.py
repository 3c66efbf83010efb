"""What stamps mean, and bounds in time."""

import os
import subprocess
import sys

import pytest

ROOT = os.getcwd()


@pytest.fixture
def weave(tmp_path):
    def run(*arguments, lines):
        (tmp_path / "a.log").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "weave", *arguments, "a.log"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
        return done.stdout.splitlines() if done.returncode == 0 else done.returncode

    return run


def test_order_is_that_of_moments(weave):
    lines = [
        "2026-03-01T10:00:00.5Z 1",
        "2026-03-01T11:00:00.50+01:00 2",
        "2026-03-01T05:30:00.500-04:30 3",
        "2026-03-01T10:00:00.499999999 0",
        "2026-02-28T23:00:00-11:00 -1",
        "2026-03-01T10:00:00.500000001Z 4",
        "2026-03-02T09:59:00+23:59 1b",
    ]
    assert [line.split()[1] for line in weave(lines=lines)] == ["-1", "1b", "0", "1", "2", "3", "4"]


def test_what_is_no_stamp_continues_the_record_above(weave):
    good = "2026-03-01T12:00:00 x"
    lines = [
        "2026-02-29T10:00:00 x",
        "2026-03-01T24:00:00 x",
        "2026-03-01T10:60:00 x",
        "2026-03-01T10:00:60 x",
        "2026-03-01T10:00:00. x",
        "2026-03-01T10:00:00.1234567890 x",
        "2026-03-01T10:00:00,5 x",
        "2026-03-01T10:00:00z x",
        "2026-03-01T10:00:00+1:00 x",
        "2026-03-01T10:00:00+0100 x",
        "2026-03-01T10:00:00+24:00 x",
        "2026-03-01T10:00:00-01:60 x",
        "2026-03-01T10:00:00",
        "2026-03-01T10:00:00\tx",
        " 2026-03-01T10:00:00 x",
        "2026-03-01 10:00:00 x",
        "٢٠٢٦-03-01T10:00:00 x",
        "0001-01-01T00:30:00+01:00 x",
        "9999-12-31T23:30:00-01:00 x",
        "0000-01-01T00:00:00 x",
    ]
    assert weave("--summary", lines=[good, *lines])[0] == f"a.log: 1 records, {len(lines) + 1} lines"
    assert weave(lines=[good, *lines]) == [good, *lines]


def test_the_ends_of_the_calendar(weave):
    lines = ["9999-12-31T23:59:59.999999999Z b", "0001-01-01T00:00:00Z a"]
    assert weave("--utc", lines=lines) == lines[::-1]


def test_zone_of_stamps_that_name_none(weave):
    lines = ["2026-03-01T10:00:00Z b", "2026-03-01T11:30:00 c", "2026-03-01T10:59:59 a"]
    assert [line[-1] for line in weave("--zone", "+01:00", lines=lines)] == ["a", "b", "c"]
    assert [line[-1] for line in weave("--zone=-23:59", lines=lines)] == ["b", "a", "c"]
    assert [line[-1] for line in weave("--zone", "Z", lines=lines)] == ["b", "a", "c"]


def test_utc(weave):
    lines = [
        "2026-03-01T00:30:00.50+01:00 a",
        "2026-02-28T23:45:00 b",
        " 2026-02-28T23:45:00+09:00 more",
        "2026-02-28T19:00:00.000000000-05:00 c 2026-01-01T00:00:00.7",
    ]
    assert weave("--utc", lines=lines) == [
        "2026-02-28T23:30:00.50Z a",
        "2026-02-28T23:45:00Z b",
        " 2026-02-28T23:45:00+09:00 more",
        "2026-03-01T00:00:00.000000000Z c 2026-01-01T00:00:00.7",
    ]
    assert weave("--utc", "--zone", "+00:30", lines=lines)[0] == "2026-02-28T23:15:00Z b"


def test_since_and_until_are_moments(weave):
    lines = [f"2026-03-01T10:00:0{second}Z {second}" for second in ("0", "1", "1.000000001", "2", "3")]
    lines.insert(2, "  more")

    def kept(*arguments):
        return " ".join(line.split()[-1] for line in weave(*arguments, lines=lines))

    assert kept("--since", "2026-03-01T11:00:01+01:00") == "1 more 1.000000001 2 3"
    assert kept("--until", "2026-03-01T10:00:02") == "0 1 more 1.000000001"
    assert kept("--since", "2026-03-01T12:00:01.000000001", "--until", "2026-03-01T12:00:03", "--zone", "+02:00") == (
        "1.000000001 2"
    )
    assert kept("--since", "2026-03-01T10:00:03", "--until", "2026-03-01T10:00:03") == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "2026-03-01"),
        ("--since", ""),
        ("--until", "2026-02-29T10:00:00"),
        ("--until", "2026-03-01T10:00:00 "),
        ("--since", "2026-03-01T10:00:01.0000000005Z"),
        ("--zone", "CET"),
        ("--zone", "+25:00"),
        ("--zone", ""),
    ],
)
def test_bounds_and_zones_that_are_none(weave, arguments):
    assert weave(*arguments, lines=["2026-03-01T10:00:00 x"]) == 2
