"""Balances and registers."""

import os
import random
import subprocess
import sys

import pytest

ROOT = os.getcwd()
BOOKS = """\
account assets:bank
account assets:bank:savings
account assets-old
account costs:food
account costs:rent
account open
account pass:through
2026-03-05 Savings
  assets:bank:savings 1'000 EUR
  assets:bank
2026-03-01 Rent  for March ; late
  costs:rent 900.00 EUR
  assets:bank
2026-03-05 Trip
  costs:food 12.5 USD
  costs:food 7 EUR
  assets-old
2026-02-28 Opening
  assets:bank 5000 EUR
  assets-old 100 USD
  open
2026-03-06 Through
  pass:through 5 EUR
  pass:through -5 EUR
  open
"""


@pytest.fixture
def report(tmp_path):
    def run(*arguments, text=BOOKS):
        (tmp_path / "j").write_text(text, encoding="utf-8")
        path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "bookkeep", arguments[0], "j", *arguments[1:]],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
        return done.stdout if done.returncode == 0 else (done.stdout, done.stderr, done.returncode)

    return run


def test_balance(report):
    assert report("balance") == (
        " 4100.00 EUR  assets\n"
        " 4100.00 EUR  assets:bank\n"
        " 1000.00 EUR  assets:bank:savings\n"
        "   -7.00 EUR  assets-old\n"
        "    87.5 USD  assets-old\n"
        "  907.00 EUR  costs\n"
        "    12.5 USD  costs\n"
        "    7.00 EUR  costs:food\n"
        "    12.5 USD  costs:food\n"
        "  900.00 EUR  costs:rent\n"
        "-5000.00 EUR  open\n"
        "  -100.0 USD  open\n"
    )


def test_balance_to_a_day_and_to_a_depth(report):
    assert report("balance", "--to", "2026-02-28") == (
        " 5000.00 EUR  assets\n 5000.00 EUR  assets:bank\n   100.0 USD  assets-old\n"
        "-5000.00 EUR  open\n  -100.0 USD  open\n"
    )
    assert report("balance", "--depth", "1", "--to", "2026-03-01") == (
        " 4100.00 EUR  assets\n   100.0 USD  assets-old\n  900.00 EUR  costs\n-5000.00 EUR  open\n  -100.0 USD  open\n"
    )
    assert report("balance", "--to", "2026-02-27") == ""


def test_balance_of_one_account(report):
    assert report("balance", "assets:bank") == "4100.00 EUR  assets:bank\n1000.00 EUR  assets:bank:savings\n"
    assert report("balance", "--depth", "2", "assets") == "4100.00 EUR  assets\n4100.00 EUR  assets:bank\n"
    assert report("balance", "costs", "--depth", "1") == "907.00 EUR  costs\n  12.5 USD  costs\n"
    assert report("balance", "pass") == ""


def test_an_account_whose_parts_cancel_out_is_left_out_but_they_are_not(report):
    text = "account x:a\naccount x:b\n2026-01-01 t\n x:a 3 EUR\n x:b\n"
    assert report("balance", text=text) == " 3 EUR  x:a\n-3 EUR  x:b\n"


def test_register(report):
    assert report("register", "assets:bank") == (
        "2026-02-28   5000.00 EUR  5000.00 EUR  assets:bank  Opening\n"
        "2026-03-01   -900.00 EUR  4100.00 EUR  assets:bank  Rent  for March\n"
        "2026-03-05   1000.00 EUR  5100.00 EUR  assets:bank:savings  Savings\n"
        "2026-03-05  -1000.00 EUR  4100.00 EUR  assets:bank  Savings\n"
    )


def test_register_of_several_currencies(report):
    assert report("register", "assets-old") == (
        "2026-02-28  100.0 USD  100.0 USD  assets-old  Opening\n"
        "2026-03-05  -7.00 EUR  -7.00 EUR  assets-old  Trip\n"
        "2026-03-05  -12.5 USD   87.5 USD  assets-old  Trip\n"
    )
    assert report("register", "--to", "2026-03-05", "open") == (
        "2026-02-28  -5000.00 EUR  -5000.00 EUR  open  Opening\n2026-02-28    -100.0 USD    -100.0 USD  open  Opening\n"
    )


def test_a_posting_that_takes_nothing_is_not_listed(report):
    assert report("register", "open").count("\n") == 2
    assert report("register", "pass", "--to", "2026-03-06") == (
        "2026-03-06   5.00 EUR  5.00 EUR  pass:through  Through\n2026-03-06  -5.00 EUR  0.00 EUR  pass:through  Through\n"
    )


def test_accounts_that_do_not_exist(report):
    for command in ("balance", "register"):
        assert report(command, "asset") == ("", "bookkeep: no account 'asset'\n", 2)
        assert report(command, "assets:bank:") == ("", "bookkeep: no account 'assets:bank:'\n", 2)


def test_reports_of_a_journal_with_problems_print_only_these(report):
    text = "account a\n2026-01-01 x\n a 1 EUR\n"
    for arguments in (("balance",), ("register", "nowhere")):
        assert report(*arguments, text=text) == ("", "j:2: an entry needs two postings\n", 1)


def test_large_books_add_up(report):
    rng = random.Random(7)
    names = [f"{top}:{low}" for top in "abc" for low in "xyz"]
    cents, lines = dict.fromkeys(names, 0), [f"account {name}" for name in names]
    for _ in range(300):
        lines.append(f"2026-0{rng.randrange(1, 10)}-1{rng.randrange(10)} entry")
        last, *others = rng.sample(names, rng.randrange(2, 5))
        for name in others:
            amount = rng.randrange(-99999, 99999)
            cents[name] += amount
            cents[last] -= amount
            lines.append(f" {name} {'-' * (amount < 0)}{abs(amount) // 100}.{abs(amount) % 100:02} EUR")
        lines.append(f" {last}")
    printed = {}
    for line in report("balance", text="\n".join(lines)).splitlines():
        amount, _, account = line.split()
        printed[account] = round(float(amount) * 100)
    assert {name: printed.get(name, 0) for name in names} == cents
    assert {top: printed.get(top, 0) for top in "abc"} == {
        top: sum(cents[f"{top}:{low}"] for low in "xyz") for top in "abc"
    }
