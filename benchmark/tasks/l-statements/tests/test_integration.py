"""What must hold between statements, book, rules and reports."""

import os
import random
import subprocess
import sys

import pytest
import tally

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


WORDS = ["bus", "Bus", "tea", 'the "shop", corner', "a|b", "Größe", "x  y"]


def random_rows(dice, days):
    return [
        (
            f"2026-{1 + day // 28:02}-{1 + day % 28:02}",
            dice.choice(WORDS),
            dice.choice([-250, -250, 100, 99, -5, 1234567]),
        )
        for day in days
        for _ in range(dice.randrange(4))
    ]


def plain(rows):
    out = [PLAIN]
    for date, text, cents in rows:
        sign = "-" if cents < 0 else ""
        quoted = text.replace('"', '""')
        out.append(f'{date},"{quoted}","{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02}",\n')
    return "".join(out)


def giro(rows):
    out = ["Buchungstag;Text;Soll;Haben\n"]
    for date, text, cents in rows:
        year, month, day = date.split("-")
        amount = f"{abs(cents) // 100:,}".replace(",", ".") + f",{abs(cents) % 100:02}"
        quoted = text.replace('"', '""')
        out.append(f'{day}.{month}.{year};"{quoted}";' + (f"{amount};\n" if cents < 0 else f";{amount}\n"))
    return "".join(out)


def state(book):
    return [(t.id, t.account, t.date, t.cents) for t in book.transactions()]


def test_overlapping_statements_of_both_kinds_in_any_order_give_the_same_book():
    """Statements hold whole days; however they are cut, written and ordered, nothing counts twice and nothing is lost."""
    dice = random.Random(8)
    for _ in range(20):
        rows = random_rows(dice, range(40))
        whole = tally.Book()
        whole.add(tally.read_statement(plain(rows), "a"))
        assert len(whole.transactions()) == len(rows)
        pieces = []
        for start in range(0, 40, 8):
            first, last = (f"2026-{1 + day // 28:02}-{1 + day % 28:02}" for day in (start, min(39, start + 11)))
            piece = [row for row in rows if first <= row[0] <= last]
            pieces.append(dice.choice([plain, giro])(piece if dice.random() < 0.5 else piece[::-1]))
        dice.shuffle(pieces)
        cut = tally.Book()
        for piece in pieces + pieces[:2]:
            cut.add(tally.read_statement(piece, "a"))
        assert state(cut) == state(whole)


def test_what_is_set_by_hand_survives_imports_saving_and_new_rules(run):
    text = PLAIN + "2026-01-01,bus,-2,\n2026-01-01,Bus,-2,\n"
    run("import", "a", "one", one=text)
    ids = [line.split()[0] for line in run("list")[1].splitlines()]
    run("set", ids[1], "work/travel")
    run(
        "import",
        "a",
        "two",
        two=giro([("2026-01-01", "BUS", -200), ("2026-01-01", "bus", -200), ("2026-01-02", "tea", -100)]),
    )
    lines = run("list", "--rules", "r", r="travel: bus\n")[1].splitlines()
    assert [line.split()[0] for line in lines][:2] == ids
    assert [line.split()[4] for line in lines] == ["travel", "work/travel", "unsorted"]


def test_an_export_imported_again_adds_nothing_and_into_an_empty_book_gives_the_same(run, tmp_path):
    dice = random.Random(9)
    rows = random_rows(dice, range(0, 60, 2))
    run("import", "a", "one", one=plain(rows))
    run("import", "b", "two", two=giro(random_rows(dice, range(20))))
    exported = run("export", "a")[1]
    assert run("import", "a", "again", again=exported) == (0, f"again: 0 new, {len(rows)} known\n", "")
    before = tally.Book()
    before.add(tally.read_statement(exported, "a"))
    assert state(before) == [row for row in state(tally.Book.load(tmp_path / "book")) if row[1] == "a"]


def test_the_totals_are_those_of_the_transactions_that_are_no_transfers(run, tmp_path):
    dice = random.Random(10)
    run("import", "a", "one", one=plain(random_rows(dice, range(50))))
    run("import", "b", "two", two=giro([(date, text, -cents) for date, text, cents in random_rows(dice, range(50))]))
    rules = "travel/bus: bus if < -1\ntravel: bus\nfood: tea\n"
    listed = [line.split(" ", 5) for line in run("list", "--rules", "r", r=rules)[1].splitlines()]
    assert any(fields[4] == "transfer" for fields in listed)
    kept = [(fields[1][:7], fields[4], round(float(fields[3]) * 100)) for fields in listed if fields[4] != "transfer"]
    month, sums, totals = "", {}, {}
    *lines, last = run("report", "--rules", "r")[1].splitlines()
    for line in lines:
        if line[0] != " ":
            month = line
            continue
        name, amount = line.split()
        (totals if name == "total" else sums)[month, name] = round(float(amount) * 100)
    assert sums == {(m, c): sum(cents for m2, c2, cents in kept if (m2, c2) == (m, c)) for m, c, _ in kept}
    assert sum(totals.values()) == sum(cents for *_, cents in kept) == round(float(last.split()[1]) * 100)


def test_a_late_statement_turns_a_payment_into_a_transfer_but_not_one_decided_by_hand(run):
    run("import", "a", "one", one=PLAIN + "2026-01-01,out,-5,\n2026-01-01,gift,-5,\n")
    gift = next(line for line in run("list")[1].splitlines() if line.endswith("gift")).split()[0]
    run("set", gift, "presents")
    run("import", "b", "two", two=PLAIN + "2026-01-02,in,5,\n2026-01-03,in,5,\n")
    assert sorted(line.split(" ", 4)[4] for line in run("list")[1].splitlines()) == [
        "presents gift",
        "transfer in",
        "transfer out",
        "unsorted in",
    ]
    run("clear", gift)
    assert sorted(line.split(" ", 4)[4] for line in run("list")[1].splitlines()) == [
        "transfer gift",
        "transfer in",
        "transfer in",
        "transfer out",
    ]


def test_the_description_stays_as_first_seen(run):
    run("import", "a", "one", one=PLAIN + "2026-01-01,Tea  Room,-5,\n")
    run("import", "a", "two", two=PLAIN + "2026-01-01,TEA ROOM,-5,\n")
    assert run("list")[1].splitlines()[0].endswith(" unsorted Tea Room")
    assert len(run("list")[1].splitlines()) == 1
