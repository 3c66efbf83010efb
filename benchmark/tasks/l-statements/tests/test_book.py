"""The book: what is new, what is decided by hand, what is a transfer."""

import random

import pytest
import tally

HEADER = "Date,Description,Amount,Balance\n"


def statement(account, *rows):
    return tally.read_statement(
        HEADER + "".join(f"2026-{date},{text},{amount},\n" for date, text, amount in rows), account
    )


def book_of(**accounts):
    book = tally.Book()
    for account, rows in accounts.items():
        book.add(statement(account, *rows))
    return book


def categories(book, rules=""):
    found = book.categories(tally.Rules(rules))
    return {f"{t.account}:{t.description}": found[t.id] for t in book.transactions()}


def test_only_what_is_new_is_added():
    book = tally.Book()
    first = statement("a", ("01-01", "x", 1), ("01-02", "y", 2))
    assert (book.add(first), book.add(first)) == (2, 0)
    assert book.add(statement("a", ("01-02", "Y", 2), ("01-03", "z", 3))) == 1
    assert [t.description for t in book.transactions()] == ["x", "y", "z"]


def test_equal_payments_in_overlapping_statements():
    book = tally.Book()
    assert book.add(statement("a", ("01-01", "bus", -2), ("01-01", "bus", -2))) == 2
    assert book.add(statement("a", ("01-01", "bus", -2))) == 0
    assert book.add(statement("a", *[("01-01", "bus", -2)] * 3)) == 1
    assert len(book.transactions()) == 3


def test_transactions_are_sorted_by_date_account_and_id():
    book = book_of(
        b=[("01-02", "x", 1), ("01-01", "y", 1)], a=[("01-02", "u", 1), ("01-02", "v", 1), ("01-02", "w", 1)]
    )
    found = [(t.date, t.account, t.id) for t in book.transactions()]
    assert found == sorted(found)
    assert len(found) == 5


def test_by_hand_goes_before_rules_until_it_is_cleared():
    book = book_of(a=[("01-01", "x", 1), ("01-02", "y", 1)])
    x = book.transactions()[0].id
    book.set(x, "mine/own")
    assert categories(book, "all: *") == {"a:x": "mine/own", "a:y": "all"}
    book.set(x, "other")
    assert categories(book)["a:x"] == "other"
    book.clear(x)
    book.clear(x)
    assert categories(book, "all: *")["a:x"] == "all"


def test_wrong_ids_and_categories():
    book = book_of(a=[("01-01", "x", 1)])
    for call in (lambda: book.set("0000000000", "x"), lambda: book.clear("0000000000")):
        with pytest.raises(KeyError):
            call()
    for category in ("", "X", "a b", "transfer", "unsorted", "a/"):
        with pytest.raises(ValueError):  # noqa: PT011
            book.set(book.transactions()[0].id, category)
    assert categories(book) == {"a:x": "unsorted"}


def test_a_transfer_goes_before_the_rules():
    book = book_of(a=[("01-01", "out", -5)], b=[("01-04", "in", 5)])
    assert categories(book, "all: *") == {"a:out": "transfer", "b:in": "transfer"}


@pytest.mark.parametrize(
    ("date", "amount", "account"),
    [("01-05", 5, "b"), ("12-29", 5, "b"), ("01-01", 5.01, "b"), ("01-01", -5, "b"), ("01-01", 5, "a")],
)
def test_what_is_no_transfer(date, amount, account):
    book = book_of(a=[("01-01", "out", -5)])
    book.add(statement(account, (date, "in", amount)))
    assert set(categories(book).values()) == {"unsorted"}


def test_the_money_may_arrive_before_it_leaves():
    assert categories(book_of(a=[("01-04", "out", -5)], b=[("01-01", "in", 5)])) == {
        "a:out": "transfer",
        "b:in": "transfer",
    }


def test_nothing_is_no_transfer_of_nothing():
    assert set(categories(book_of(a=[("01-01", "x", 0)], b=[("01-01", "y", 0)])).values()) == {"unsorted"}


def test_the_nearest_day_then_the_earlier_date():
    book = book_of(a=[("01-05", "out", -5)], b=[("01-03", "early", 5), ("01-06", "near", 5), ("01-07", "late", 5)])
    assert [name for name, found in categories(book).items() if found == "transfer"] == ["a:out", "b:near"]
    book = book_of(a=[("01-05", "out", -5)], b=[("01-06", "after", 5), ("01-04", "before", 5)])
    assert [name for name, found in categories(book).items() if found == "transfer"] == ["b:before", "a:out"]


def test_the_smaller_id_when_all_else_is_equal():
    book = book_of(a=[("01-05", "out", -5)], b=[("01-05", f"in{n}", 5) for n in range(6)])
    smallest = min(t.id for t in book.transactions() if t.cents > 0)
    found = book.categories(tally.Rules(""))
    assert [t.id for t in book.transactions() if t.cents > 0 and found[t.id] == "transfer"] == [smallest]


def test_earlier_payments_choose_first_and_each_side_belongs_to_one():
    book = book_of(a=[("01-03", "second", -5), ("01-01", "first", -5)], b=[("01-03", "in", 5)])
    assert categories(book) == {"a:first": "transfer", "a:second": "unsorted", "b:in": "transfer"}
    book = book_of(a=[("01-01", "one", -5), ("01-01", "two", -5)], b=[("01-01", "in", 5), ("01-02", "later", 5)])
    assert set(categories(book).values()) == {"transfer"}


def test_what_is_set_by_hand_takes_no_part():
    book = book_of(a=[("01-01", "first", -5), ("01-02", "second", -5)], b=[("01-02", "in", 5)])
    first = next(t.id for t in book.transactions() if t.description == "first")
    book.set(first, "gift")
    assert categories(book) == {"a:first": "gift", "a:second": "transfer", "b:in": "transfer"}
    incoming = next(t.id for t in book.transactions() if t.description == "in")
    book.set(incoming, "gift")
    assert categories(book)["a:second"] == "unsorted"


def test_a_saved_book_can_be_loaded(tmp_path):
    book = book_of(a=[("01-01", "é 😀 | x", -5)], b=[("01-02", '"q"', 5)])
    book.set(book.transactions()[0].id, "x/y")
    book.save(tmp_path / "book")
    loaded = tally.Book.load(tmp_path / "book")
    assert [(t.id, t.account, t.date, t.cents, t.description) for t in loaded.transactions()] == [
        (t.id, t.account, t.date, t.cents, t.description) for t in book.transactions()
    ]
    assert categories(loaded) == categories(book)
    assert [path.name for path in tmp_path.iterdir()] == ["book"]


def test_the_same_book_gives_the_same_bytes(tmp_path):
    rows = [(f"01-{day:02}", f"t{day % 3}", day % 4 - 2) for day in range(1, 20)]
    dice = random.Random(4)
    saved = set()
    for turn in range(4):
        book = tally.Book()
        dice.shuffle(rows)
        for row in rows:
            book.add(statement("a", row))
        ids = [t.id for t in book.transactions()][:4]
        dice.shuffle(ids)
        for id_ in ids:
            book.set(id_, "x")
        book.save(tmp_path / f"book{turn}")
        saved.add((tmp_path / f"book{turn}").read_bytes())
    assert len(saved) == 1
