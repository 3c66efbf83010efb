"""Journals: what is in order, and what is wrong with a line."""

import os
import subprocess
import sys

ROOT = os.getcwd()
HEAD = "account a\naccount b:c\naccount b:d\n"


def run(where, text, *arguments):
    (where / "j.txt").write_text(text, encoding="utf-8")
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "bookkeep", *(arguments or ["check", "j.txt"])],
        cwd=where,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=20,
        check=False,
    )


def problems(where, text):
    """Of a journal below the head, as pairs of a line (from 1 below the head) and a text."""
    done = run(where, HEAD + text)
    assert done.stdout == ""
    assert done.returncode == 1
    found = []
    for line in done.stderr.splitlines():
        name, number, words = line.split(":", 2)
        assert name == "j.txt"
        found.append((int(number) - 3, words[1:]))
    return found


def test_a_journal_in_order(tmp_path):
    text = (
        "; books\n\n2026-03-02   Two  words ; not me\n a 1'234'567.891 EUR\n\n ; still the entry\n\tb:c -1 EUR;x\n"
        "  b:d\n2026-03-01 = a 0 EUR\n2026-03-02 = a 1234567.891 EUR\naccount z:é\n"
        "2024-02-29 x\n a 1.0 EUR\n a -1 EUR\n a\n"
    )
    done = run(tmp_path, HEAD + text)
    assert (done.stdout, done.stderr, done.returncode) == ("2 entries, 2 assertions, 4 accounts\n", "", 0)
    assert run(tmp_path, "").stdout == "0 entries, 0 assertions, 0 accounts\n"


def test_lines_of_no_journal(tmp_path):
    lines = [
        "account",
        "account x y",
        "accounts x",
        "2026-03-01",
        "2026-3-1 x",
        "2026/03/01 x",
        "2026-03-01x",
        "2026-03-01 = a 1.00",
        "2026-03-01 = a 1.00 EUR x",
        "2026-03-01 =",
        "balance a",
    ]
    assert problems(tmp_path, "\n".join(lines)) == [
        (number, "not a line of a journal") for number, _ in enumerate(lines, 1)
    ]


def test_postings_of_wrong_form_or_place(tmp_path):
    text = " a 1 EUR\n2026-03-01 x\n a 1\n a 1 EUR x\n b:c\naccount q\n a 1 EUR\nnonsense\n a\n a b\n"
    assert problems(tmp_path, text) == [
        (1, "a posting outside of an entry"),
        (3, "not a line of a journal"),
        (4, "not a line of a journal"),
        (7, "a posting outside of an entry"),
        (8, "not a line of a journal"),
        (9, "a posting outside of an entry"),
        (10, "not a line of a journal"),
    ]


def test_days_of_the_calendar(tmp_path):
    text = "2026-02-29 x\n a 1 EUR\n a two EUR\n2026-13-01 = a x EUR\n2026-00-10 x\n2024-02-29 y\n a 1 EUR\n b:c\n"
    assert problems(tmp_path, text) == [
        (1, "no such day '2026-02-29'"),
        (3, "bad amount 'two EUR'"),
        (4, "no such day '2026-13-01'"),
        (5, "no such day '2026-00-10'"),
    ]


def test_bad_amounts(tmp_path):
    wrong = ["1,5 EUR", "+1 EUR", "1. EUR", ".5 EUR", "- EUR", "--1 EUR", "1'00 EUR", "1'0000 EUR", "1200'000 EUR"]
    wrong += ["1'000000 EUR", "1e3 EUR", "١ EUR", "1 eur", "1 EURO", "1 EU", "EUR 1", "1.5.0 EUR", "1.0'000 EUR"]
    text = "".join(f"2026-03-01 x\n a   {words.replace(' ', '   ')}\n" for words in wrong)
    assert problems(tmp_path, text) == [(2 * i, f"bad amount '{words}'") for i, words in enumerate(wrong, 1)]
    assert problems(tmp_path, "2026-03-01 = a  1,5   EUR\n") == [(1, "bad amount '1,5 EUR'")]


def test_accounts_must_be_declared_once(tmp_path):
    text = (
        "account b:c\n2026-03-01 x\n b 1 EUR\n later\n2026-03-01 = A 0 EUR\naccount later\naccount b:c\n"
        "2026-03-01 y\n x 1,0 EUR\n no 1 EUR\n2026-03-01 = gone x EUR\n"
    )
    assert problems(tmp_path, text) == [
        (1, "account 'b:c' is declared twice"),
        (3, "account 'b' is not declared"),
        (5, "account 'A' is not declared"),
        (7, "account 'b:c' is declared twice"),
        (9, "bad amount '1,0 EUR'"),
        (10, "account 'no' is not declared"),
        (11, "bad amount 'x EUR'"),
    ]


def test_at_most_one_posting_lacks_its_amount(tmp_path):
    text = "2026-03-01 x\n a\n b:c\n b:d\n no\n a 3 EUR\n"
    assert problems(tmp_path, text) == [
        (3, "a second posting without an amount"),
        (4, "a second posting without an amount"),
        (5, "account 'no' is not declared"),
    ]


def test_entries_need_two_postings(tmp_path):
    text = "2026-03-01 x\n2026-03-01 y\n a\n2026-03-01 z\n a 0 EUR\n2026-03-01 w\n no 1 EUR\n2026-03-01 v\n a 1 EUR x\n"
    assert problems(tmp_path, text) == [
        (1, "an entry needs two postings"),
        (2, "an entry needs two postings"),
        (4, "an entry needs two postings"),
        (7, "account 'no' is not declared"),
        (9, "not a line of a journal"),
    ]


def test_entries_must_balance_in_each_currency(tmp_path):
    text = (
        "2026-03-01 x\n a 10 USD\n b:c -10.005 USD\n b:d 5 EUR\n2026-03-01 ok\n a 0.1 EUR\n a 0.2 EUR\n b:c -0.3 EUR\n"
        "2026-03-01 y\n a 1 CHF\n b:c -1 EUR\n b:d 1 EUR\n2026-03-01 open\n a 1 CHF\n b:c 2 USD\n b:d\n"
    )
    assert problems(tmp_path, text) == [(1, "does not balance: 5.0 EUR, -0.005 USD"), (9, "does not balance: 1 CHF")]


def test_decimals_are_those_of_the_whole_file_also_of_wrong_lines(tmp_path):
    text = "2026-03-01 x\n a 1 EUR\n b:c 1 EUR\n2026-03-02 = no 1.00 EUR\naccount q\n a 1.0000 EUR\n"
    assert problems(tmp_path, text)[0] == (1, "does not balance: 2.0000 EUR")
    text = "2026-03-01 x\n a 1 EUR\n b:c 1 EUR\n2026-02-30 = a 1.000 EUR\n"
    assert problems(tmp_path, text)[0] == (1, "does not balance: 2.000 EUR")


def test_sums_are_exact(tmp_path):
    big = "12345678901234567890.123456789012345"
    text = f"2026-03-01 x\n a {big} EUR\n b:c -12345678901234567890.123456789012344 EUR\n"
    assert problems(tmp_path, text) == [(1, "does not balance: 0.000000000000001 EUR")]
    done = run(tmp_path, f"{HEAD}2026-03-01 x\n a {big} EUR\n a 0.1 EUR\n b:c\n", "balance", "j.txt", "a")
    assert done.stdout == "12345678901234567890.223456789012345 EUR  a\n"


def test_assertions_are_about_the_end_of_the_day_and_the_account_alone(tmp_path):
    books = (
        "2026-03-02 = a 3 EUR\n2026-03-01 = a 1 EUR\n2026-03-01 = a 1 USD\n2026-02-28 = b:c 0.5 EUR\n2026-03-05 = b 0 EUR\n"
        "2026-03-02 x\n a 2 EUR\n b:c\n2026-03-01 y\n a 1 EUR\n b:d\naccount b\n2026-03-02 = b:c -2.00 EUR\n"
        "2026-03-02 = b:c -0 EUR\n"
    )
    assert problems(tmp_path, books) == [
        (3, "a holds 0 USD, not 1 USD"),
        (4, "b:c holds 0.00 EUR, not 0.50 EUR"),
        (14, "b:c holds -2.00 EUR, not 0.00 EUR"),
    ]


def test_assertions_are_checked_only_when_all_else_is_right(tmp_path):
    assert problems(tmp_path, "2026-03-02 = a 3 EUR\n2026-03-02 x\n a 1 EUR\n") == [(2, "an entry needs two postings")]


def test_files_that_cannot_be_read_and_wrong_usage(tmp_path):
    done = run(tmp_path, "", "check", "gone.txt")
    assert (done.stdout, done.stderr, done.returncode) == ("", "bookkeep: cannot read gone.txt\n", 2)
    wrong = [("chek", "j.txt"), ("register", "j.txt"), ("balance", "j.txt", "--depth", "0")]
    wrong += [("balance", "j.txt", "--to", "2026-02-29"), ("register", "j.txt", "a", "--to", "2026-3-1")]
    for arguments in wrong:
        done = run(tmp_path, "", *arguments)
        assert (done.stdout, done.returncode) == ("", 2)
