"""The tables of `show`."""

import os
import subprocess
import sys

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]), "PYTHONUTF8": "1"}

NEEDS = """slots mon-am mon-afternoon tue-am
room r 120
room laboratory 24
exam maths 80 groups 9a 9b
exam music 12 groups 9b
exam chem 20 groups 9a
"""


@pytest.fixture
def show(tmp_path):
    def call(plan, *arguments, needs=NEEDS):
        (tmp_path / "needs").write_text(needs)
        (tmp_path / "plan").write_text(plan)
        done = subprocess.run(
            [sys.executable, "-m", "examplan", "show", "needs", "plan", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return call


def test_all(show):
    assert show("maths mon-am r\nmusic tue-am r\nchem tue-am laboratory\n") == [
        "slot           r      laboratory",
        "mon-am         maths  -",
        "mon-afternoon  -      -",
        "tue-am         music  chem",
    ]


def test_several_exams_in_one_place_in_the_order_of_the_file(show):
    assert show("chem mon-am r\nmusic mon-am r\nmaths mon-am r\n")[1] == "mon-am         maths+music+chem  -"


def test_a_group(show):
    plan = "maths mon-am r\nmusic tue-am laboratory\nchem mon-afternoon r\n"
    assert show(plan, "--group", "9b") == ["slot    r      laboratory", "mon-am  maths  -", "tue-am  -      music"]
    assert show("music tue-am r\n", "--group", "9a") == ["slot  r  laboratory"]


def test_what_is_unknown_does_not_appear(show):
    assert show("maths mon-am attic\nzoo mon-am r\nmusic sunday r\n") == [
        "slot           r  laboratory", "mon-am         -  -", "mon-afternoon  -  -", "tue-am         -  -",
    ]  # fmt: skip


def test_no_slots_and_no_rooms(show):
    assert show("", needs="") == ["slot"]
    assert show("", needs="slots a") == ["slot", "a"]
