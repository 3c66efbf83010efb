"""What is printed about a book."""

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


MAIN = (
    PLAIN
    + "2026-01-30,Landlord  Ltd,-800,200.00\n2026-02-02,To savings,-150.00,50.00\n2026-02-27,Landlord,-800,\n2026-04-01,Tea,-2.5,\n"
)
SAVINGS = "Buchungstag;Text;Soll;Haben\n03.02.2026;From giro;;150,00\n04.02.2026;Interest;;0,5\n"
RULES = "home/rent: landlord*  if < -500\nhome: *ltd\nfood: tea\n"


@pytest.fixture
def filled(run):
    assert run("import", "main", "m", m=MAIN)[0] == 0
    assert run("import", "savings", "s", s=SAVINGS)[0] == 0
    return run


def test_report(filled):
    assert filled("report", "--rules", "r", r=RULES) == (
        0,
        "2026-01\n  home/rent -800.00\n  total -800.00\n"
        "2026-02\n  home/rent -800.00\n  unsorted 0.50\n  total -799.50\n"
        "2026-04\n  food -2.50\n  total -2.50\nall -1602.00\n",
        "",
    )


def test_report_of_a_span(filled):
    assert (
        filled("report", "--from", "2026-02", "--to", "2026-02")[1]
        == "2026-02\n  unsorted -799.50\n  total -799.50\nall -799.50\n"
    )
    assert filled("report", "--from", "2026-04")[1] == "2026-04\n  unsorted -2.50\n  total -2.50\nall -2.50\n"
    assert filled("report", "--to", "2025-12")[1] == "all 0.00\n"


def test_sums_below_one_keep_their_sign(run):
    run("import", "a", "m", m=PLAIN + "2026-01-01,x,-0.05,\n2026-01-02,y,-0.5,\n2025-12-31,z,0.10,\n")
    assert (
        run("report")[1]
        == "2025-12\n  unsorted 0.10\n  total 0.10\n2026-01\n  unsorted -0.55\n  total -0.55\nall -0.45\n"
    )


def test_a_month_of_transfers_has_just_its_total(run):
    run("import", "a", "m", m=PLAIN + "2026-01-31,x,-5,\n")
    run("import", "b", "m", m=PLAIN + "2026-02-01,y,5,\n2026-02-01,z,1,\n")
    assert run("report")[1] == "2026-01\n  total 0.00\n2026-02\n  unsorted 1.00\n  total 1.00\nall 1.00\n"


def test_categories_that_cancel_out_stay(run):
    run("import", "a", "m", m=PLAIN + "2026-01-31,x,-5,\n2026-01-30,x,5,\n")
    assert run("report")[1] == "2026-01\n  unsorted 0.00\n  total 0.00\nall 0.00\n"


def test_list(filled):
    lines = filled("list", "--rules", "r", r=RULES)[1].splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "2026-01-30 main -800.00 home/rent Landlord Ltd",
        "2026-02-02 main -150.00 transfer To savings",
        "2026-02-03 savings 150.00 transfer From giro",
        "2026-02-04 savings 0.50 unsorted Interest",
        "2026-02-27 main -800.00 home/rent Landlord",
        "2026-04-01 main -2.50 food Tea",
    ]


def test_list_of_a_category_and_those_below_it(run):
    run("import", "a", "m", m=PLAIN + "2026-01-01,x,1,\n2026-01-02,y,1,\n2026-01-03,z,1,\n")
    rules = "home: x\nhome/rent: y\nhomework: z\n"
    assert [line[-1] for line in run("list", "--rules", "r", "--category", "home", r=rules)[1].splitlines()] == [
        "x",
        "y",
    ]
    assert [line[-1] for line in run("list", "--rules", "r", "--category", "home/rent")[1].splitlines()] == ["y"]
    assert run("list", "--category", "home")[1] == ""


def test_export(run):
    run("import", "a", "m", m=PLAIN + '2026-01-02,"He said ""x"", twice","-1,234.5",\n2026-01-01,y,5,5\n')
    run("import", "b", "m2", m2=PLAIN + "2026-01-01,other,5,\n")
    assert run("export", "a")[1] == PLAIN + '2026-01-01,y,5.00,\n2026-01-02,"He said ""x"", twice",-1234.50,\n'
    assert run("export", "c")[1] == PLAIN


def test_an_empty_book(run):
    assert run("report") == (0, "all 0.00\n", "")
    assert run("list") == (0, "", "")
