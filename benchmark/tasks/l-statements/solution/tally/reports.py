"""What is printed about a book."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator

from tally.book import Book
from tally.money import write_amount
from tally.rules import Rules
from tally.statements import PLAIN_HEADER


def listing(book: Book, rules: Rules, category: str | None) -> Iterator[str]:
    categories = book.categories(rules)
    for t in book.transactions():
        own = categories[t.id]
        if category is None or own == category or own.startswith(f"{category}/"):
            yield f"{t.id} {t.date} {t.account} {write_amount(t.cents)} {own} {t.description}"


def report(book: Book, rules: Rules, first: str | None, last: str | None) -> Iterator[str]:
    """Sums by month and category; months as 2026-01, both ends included."""
    categories = book.categories(rules)
    months: dict[str, dict[str, int]] = {}
    for t in book.transactions():
        month = t.date.isoformat()[:7]
        if (first is None or first <= month) and (last is None or month <= last):
            sums = months.setdefault(month, defaultdict(int))
            if categories[t.id] != "transfer":
                sums[categories[t.id]] += t.cents
    for month, sums in months.items():
        yield month
        for category, cents in sorted(sums.items()):
            yield f"  {category} {write_amount(cents)}"
        yield f"  total {write_amount(sum(sums.values()))}"
    yield f"all {write_amount(sum(sum(sums.values()) for sums in months.values()))}"


def export(book: Book, account: str) -> str:
    """The account's transactions as a plain statement."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(PLAIN_HEADER)
    for t in sorted(book.transactions(), key=lambda t: (t.date, t.id)):
        if t.account == account:
            writer.writerow([t.date.isoformat(), t.description, write_amount(t.cents), ""])
    return out.getvalue()
