"""What is in a journal without problems, as lines."""

from collections import defaultdict
from decimal import Decimal

from bookkeep.journal import Amount, Journal

LAST_DAY = "9999-12-31"


def tree(journal: Journal) -> list[str]:
    """Declared accounts and those above them; what is below an account follows it directly."""
    words = [account.split(":") for account in journal.accounts]
    every = {tuple(parts[:count]) for parts in words for count in range(1, len(parts) + 1)}
    return [":".join(parts) for parts in sorted(every)]


def below(account: str, top: str) -> bool:
    """Whether it is the top itself or one below it."""
    return account == top or account.startswith(f"{top}:")


def balance(journal: Journal, day: str, depth: int | None, top: str | None) -> list[str]:
    totals: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for account in journal.accounts:
        parts = account.split(":")
        for currency, number in journal.held(account, day).items():
            for count in range(1, len(parts) + 1):
                totals[":".join(parts[:count])][currency] += number
    rows = [
        (journal.shown(Amount(number, currency)), account)
        for account in tree(journal)
        if (top is None or below(account, top)) and (depth is None or account.count(":") < depth)
        for currency, number in sorted(totals[account].items())
        if number
    ]
    width = max((len(amount) for amount, _ in rows), default=0)
    return [f"{amount:>{width}}  {account}" for amount, account in rows]


def register(journal: Journal, top: str, day: str) -> list[str]:
    so_far: dict[str, Decimal] = defaultdict(Decimal)
    rows = []
    for entry in sorted(journal.entries, key=lambda entry: entry.day):
        for posting in entry.postings:
            if entry.day > day or not below(posting.account, top):
                continue
            for amount in posting.amounts:
                so_far[amount.currency] += amount.number
                total = Amount(so_far[amount.currency], amount.currency)
                rows.append((entry.day, journal.shown(amount), journal.shown(total), posting.account, entry.text))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (1, 2)]
    return [
        f"{when}  {amount:>{widths[0]}}  {total:>{widths[1]}}  {account}  {text}"
        for when, amount, total, account, text in rows
    ]
