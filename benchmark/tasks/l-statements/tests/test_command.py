"""The command line: importing, deciding by hand, mistakes."""

import os
import subprocess
import sys

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]), "PYTHONUTF8": "1"}
PLAIN = "Date,Description,Amount,Balance\n"


@pytest.fixture
def run(tmp_path):
    def call(*arguments, **files):
        for name, text in files.items():
            (tmp_path / name).write_bytes(text.encode())
        done = subprocess.run(
            [sys.executable, "-m", "tally", "book", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return call


def test_import_counts_by_file(run):
    one, two = PLAIN + "2026-01-01,x,1,\n2026-01-01,x,1,\n", PLAIN + "2026-01-01,X,1,\n2026-01-02,y,1,\n"
    assert run("import", "a", "one", "two", one=one, two=two) == (
        0, "one: 2 new, 0 known\ntwo: 1 new, 1 known\n", "",
    )  # fmt: skip
    assert run("import", "a", "two")[1] == "two: 0 new, 2 known\n"
    assert run("import", "b", "two")[1] == "two: 2 new, 0 known\n"


def test_when_one_file_is_wrong_nothing_is_imported(run, tmp_path):
    status, out, error = run(
        "import", "a", "one", "two", one=PLAIN + "2026-01-01,x,1,\n", two=PLAIN + "2026-01-01,x,1,\n2026-01-32,y,1,\n"
    )
    assert (status, out) == (2, "")
    assert error.startswith("two: line 3: ")
    assert not (tmp_path / "book").exists()
    run("import", "a", "one")
    before = (tmp_path / "book").read_bytes()
    assert run("import", "a", "three", "two", three=PLAIN + "2026-01-05,z,1,\n")[0] == 2
    assert (tmp_path / "book").read_bytes() == before


def test_the_book_is_not_touched_when_nothing_changes(run, tmp_path):
    run("import", "a", "one", one=PLAIN + "2026-01-01,x,1,\n")
    book = tmp_path / "book"
    os.utime(book, ns=(10**18, 10**18))
    run("import", "a", "one")
    run("list")
    run("report")
    run("export", "a")
    assert book.stat().st_mtime_ns == 10**18
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book", "one"]


def test_set_and_clear(run):
    run("import", "a", "one", one=PLAIN + "2026-01-01,x,1,\n")
    id_ = run("list")[1].split()[0]
    assert run("set", id_, "my/own") == (0, "", "")
    assert run("list")[1].split()[4] == "my/own"
    assert run("clear", id_[:3]) == (0, "", "")
    assert run("list")[1].split()[4] == "unsorted"


def test_ids_may_be_shortened_while_they_are_unique(run):
    run("import", "a", "one", one=PLAIN + "".join(f"2026-01-01,x{n},1,\n" for n in range(30)))
    ids = [line.split()[0] for line in run("list")[1].splitlines()]
    shared = next(id_[0] for id_ in ids if sum(other[0] == id_[0] for other in ids) > 1)
    for wrong in (shared, "zz", ids[0] + "0"):
        status, out, error = run("set", wrong, "x")
        assert (status, out, error.count("\n")) == (2, "", 1)
    assert "x0" not in run("list", "--category", "x")[1]


def mistake(done):
    status, out, error = done
    assert (status, out, error.count("\n")) == (2, "", 1)
    return error


def test_mistakes(run):
    run("import", "a", "one", one=PLAIN + "2026-01-01,x,1,\n")
    id_ = run("list")[1].split()[0]
    mistake(run("set", id_, "transfer"))
    mistake(run("set", id_, "Bad"))
    mistake(run("import", "no good", "one"))
    mistake(run("export", "no good"))
    for month in ("2026-13", "2026", "2026-1", "jan"):
        mistake(run("report", "--from", month))
    assert mistake(run("import", "a", "none")).startswith("none: ")
    assert mistake(run("list", "--rules", "none")).startswith("none: ")
    assert mistake(run("report", "--rules", "r", r="ok: x\n\nbad\n")).startswith("r: line 3: ")
    assert run("list")[1].split()[4] == "unsorted"
