"""The command line."""

import os
import subprocess
import sys

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]), "PYTHONUTF8": "1"}

SCHOOL = """slots mon-am mon-pm tue-am wed-am # days
room hall 110 has stage piano
room lab 24 has sinks
exam maths 80 groups 9a 9b
exam music 11 groups 9b needs piano
exam chem 21 groups 9a needs sinks
closed lab mon-am tue-am
fix music at tue-am
before maths chem
apart maths music 2
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "school.needs").write_text(SCHOOL)

    def call(*arguments, **files):
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "examplan", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return call


PLAN = "maths mon-am hall\nmusic tue-am hall\nchem mon-pm lab\n"


def test_plan(run):
    assert run("plan", "school.needs") == (0, PLAN, "")


def test_a_limit_moves_the_exam(run):
    assert run("plan", "more", more=SCHOOL + "limit 9a 1\n")[1] == PLAN.replace("mon-pm", "wed-am")


def test_keep(run):
    assert run("plan", "school.needs", "--keep", "old", old="chem wed-am lab # stays\ngone mon-am lab\n")[
        1
    ] == PLAN.replace("mon-pm", "wed-am")


def test_no_plan(run):
    assert run("plan", "more", more=SCHOOL + "fix chem at tue-am\n") == (3, "", "no plan: maths, music, chem\n")


def test_check(run):
    assert run("check", "school.needs", "p", p=PLAN) == (0, "", "")
    assert run("check", "school.needs", "p", p="music mon-am hall\nmaths mon-am hall\n") == (
        1, "missing chem\nroom maths music\ngroup maths music\nfix music\napart maths music\n", "",
    )  # fmt: skip


def test_mistakes_in_files(run, tmp_path):
    bad = "slots a\n\nroom r x\n"
    for arguments in (["plan", "bad"], ["check", "bad", "bad"], ["show", "bad", "bad"]):
        status, out, error = run(*arguments, bad=bad)
        assert (status, out) == (2, "")
        assert error.startswith("bad: line 3: ")
        assert error.count("\n") == 1
    for arguments in (["plan", "school.needs", "--keep", "old"], ["check", "school.needs", "old"]):
        status, out, error = run(*arguments, old="a b\n")
        assert (status, out) == (2, "")
        assert error.startswith("old: line 1: ")
    status, out, error = run("plan", "none")
    assert (status, out) == (2, "")
    assert error.startswith("none: ")


def test_an_unknown_group(run):
    status, out, error = run("show", "school.needs", "p", "--group", "8x", p=PLAN)
    assert (status, out, error.count("\n")) == (2, "", 1)
