"""The command line and book.txt."""

import os
import subprocess
import sys

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]), "PYTHONUTF8": "1"}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "book").mkdir()

    def call(*arguments, book="a.txt\n", **chapters):
        (tmp_path / "book" / "book.txt").write_text(book, encoding="utf-8")
        for name, text in chapters.items():
            (tmp_path / "book" / f"{name}.txt").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "fascicle", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return call


def test_check_without_problems(run):
    assert run("check", "book", a="= A\n") == (0, "", "")


def test_problems_go_to_standard_output(run, tmp_path):
    expected = "start.txt:3:17: unclosed\n"
    text = "= Start\n\nSee @{more} and *this one.\n\n== More {more}\n"
    assert run("check", "book", book="start.txt\n", start=text) == (1, expected, "")
    assert run("build", "book", "site", book="start.txt\n") == (1, expected, "")
    assert run("contents", "book", book="start.txt\n") == (1, expected, "")
    assert not (tmp_path / "site").exists()


def test_build(run, tmp_path):
    assert run("build", "book", "deep/site", a="= Ä\n") == (0, "", "")
    assert "1 Ä</h1>" in (tmp_path / "deep" / "site" / "a.html").read_text(encoding="utf-8")


def test_contents(run):
    out = "1 A & b\n  1.1 B\n    1.1.1 C\n  1.2 D\n2 E\n"
    assert run("contents", "book", book="a.txt\ne.txt\n", a="= A & b\n== B {x}\n=== C\n== D\n", e="= E\n") == (
        0,
        out,
        "",
    )


def test_comments_and_blanks_in_the_book(run):
    assert run("contents", "book", book="# the book\n\n  a.txt \n\t\n#b.txt\n", a="= A\n") == (0, "1 A\n", "")


def test_files_that_cannot_be_chapters(run):
    book = "gone.txt\na.txt\n\na.txt\nindex.txt\ncontents.txt\nUpper.txt\nsub/a.txt\n../x.txt\nb.md\n"
    status, out, _ = run("check", "book", book=book, a="A\n", index="= I\n", contents="= C\n", Upper="= U\n")
    lines = [f"book.txt:{line}:1: file" for line in (1, 4, 5, 6, 7, 8, 9, 10)]
    assert (status, out.splitlines()) == (1, [*lines, "a.txt:1:1: title"])


def test_chapters_that_are_left_out_take_no_number(run, tmp_path):
    status, out, _ = run("check", "book", book="gone.txt\na.txt\n", a="= A\n\n@{gone} @{a}\n")
    assert (status, out.splitlines()) == (1, ["book.txt:1:1: file", "a.txt:3:1: unknown-ref"])


def test_without_a_book(run):
    status, out, error = run("check", "nowhere")
    assert (status, out) == (2, "")
    assert error.count("\n") == 1
    assert "Traceback" not in error
