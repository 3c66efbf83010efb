"""What was there before, records of several lines, and order."""

import os
import random
import subprocess
import sys

import pytest

ROOT = os.getcwd()
DAY = "2026-03-01T"


@pytest.fixture
def weave(tmp_path):
    def run(*arguments, **logs):
        for name, text in logs.items():
            (tmp_path / f"{name}.log").write_bytes(text.encode())
        path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "weave", *arguments, *(f"{name}.log" for name in logs)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
            capture_output=True,
            timeout=20,
            check=False,
        )
        return done.stdout.decode(), done.stderr.decode(), done.returncode

    return run


def test_plain_logs_are_merged_as_before(weave):
    a = f"{DAY}10:00:00 one\n{DAY}10:00:02 three \n{DAY}10:00:02 four\n"
    b = f"{DAY}10:00:01 two\n{DAY}10:00:02 five\n{DAY}10:00:03 \n"
    out, err, status = weave(a=a, b=b)
    assert (err, status) == ("", 0)
    assert out == "".join(f"{DAY}10:00:0{line}\n" for line in ("0 one", "1 two", "2 three ", "2 four", "2 five", "3 "))
    out, _, _ = weave("--label", "--since", f"{DAY}10:00:02", b=b, a=a)
    lines = ("2 b.log: five", "2 a.log: three ", "2 a.log: four", "3 b.log: ")
    assert out == "".join(f"{DAY}10:00:0{line}\n" for line in lines)


def test_the_name_in_a_label_has_no_directories(weave, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x.log").write_text(f"{DAY}10:00:00 one\n")
    assert weave("--label", "d/x.log")[0] == f"{DAY}10:00:00 x.log: one\n"
    assert weave("--summary", str(tmp_path / "d" / "x.log"))[0].startswith("x.log: 1 records, 1 lines\n")


def test_records_of_several_lines_move_as_a_whole(weave):
    a = f"{DAY}10:00:05 failed\n  at step 3\n\n{DAY}x not a stamp\n{DAY}10:00:06 done\n\n"
    b = f"{DAY}10:00:04 before\n more\n{DAY}10:00:05 same\n"
    out, err, status = weave("--label", a=a, b=b)
    assert (err, status) == ("", 0)
    assert out == (
        f"{DAY}10:00:04 b.log: before\n more\n{DAY}10:00:05 a.log: failed\n  at step 3\n\n{DAY}x not a stamp\n"
        f"{DAY}10:00:05 b.log: same\n{DAY}10:00:06 a.log: done\n\n"
    )


def test_lines_end_only_at_line_ends(weave):
    a = f"{DAY}10:00:01 one\r\n two\x0b{DAY}10:00:09 x\u2028y\r z\n{DAY}10:00:02 last"
    assert weave(a=a)[0] == f"{DAY}10:00:01 one\n two\x0b{DAY}10:00:09 x\u2028y\r z\n{DAY}10:00:02 last\n"


def test_a_file_that_does_not_begin_with_a_stamp(weave):
    good = f"{DAY}10:00:00 one\n"
    assert weave(a=good, b=f"\n{good}") == ("", "weave: b.log:1: no stamp\n", 1)
    assert weave(a=good, b="", c=good)[0] == good * 2
    assert weave("--summary", b="")[0] == "b.log: 0 records, 0 lines\ntotal: 0 records, 0 lines\n"


def test_files_that_cannot_be_read(weave):
    assert weave("gone.log", a=f"{DAY}10:00:00 one\n") == ("", "weave: cannot read gone.log\n", 1)
    assert weave()[2] == 2


def test_disorder_is_put_in_order(weave):
    a = f"{DAY}10:00:05 e\n {DAY}\n{DAY}10:00:01 a\n{DAY}10:00:05 f\n{DAY}10:00:01 b\n"
    b = f"{DAY}10:00:09 z\n{DAY}10:00:01 c\n"
    out, _, _ = weave(a=a, b=b)
    assert out == (
        f"{DAY}10:00:01 a\n{DAY}10:00:01 b\n{DAY}10:00:01 c\n{DAY}10:00:05 e\n {DAY}\n{DAY}10:00:05 f\n{DAY}10:00:09 z\n"
    )


def test_strict(weave):
    good = f"{DAY}10:00:01 a\n{DAY}10:00:01 b\n more\n"
    bad = f"{good}{DAY}10:00:03 c\n more\n{DAY}10:00:02.999 d\n{DAY}10:00:00 e\n"
    assert weave("--strict", a=good, b=good)[2] == 0
    assert weave("--strict", a=good, b=bad) == ("", "weave: b.log:6: earlier than the record above\n", 1)
    assert weave("--strict", a=bad, b="junk\n") == ("", "weave: a.log:6: earlier than the record above\n", 1)
    mixed = f"{DAY}10:00:00Z a\n{DAY}09:00:00-02:00 b\n{DAY}12:00:00+01:00 c\n"
    assert weave("--strict", "--summary", a=mixed)[2] == 0


def test_many_records(weave):
    rng = random.Random(3)
    logs, every = {}, []
    for name in "abcd":
        lines = []
        for number in range(200):
            stamp = f"{DAY}10:{rng.randrange(60):02}:{rng.randrange(60):02}"
            lines.append(f"{stamp} {name}{number}\n" + "  more\n" * rng.randrange(3))
            every.append((stamp, name, number, lines[-1]))
        logs[name] = "".join(lines)
    assert weave(**logs)[0] == "".join(line for *_, line in sorted(every))
