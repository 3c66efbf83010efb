"""From the text of a statement to transactions with lasting ids."""

import csv
import datetime
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tally.errors import StatementError
from tally.money import GIRO, PLAIN, read_amount

ACCOUNT = re.compile(r"[A-Za-z0-9-]+")
PLAIN_HEADER = ["Date", "Description", "Amount", "Balance"]
GIRO_HEADER = ["Buchungstag", "Text", "Soll", "Haben"]
PLAIN_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
GIRO_DATE = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]{4})")


@dataclass(frozen=True)
class Transaction:
    id: str
    account: str
    date: datetime.date
    cents: int
    """Negative when it was taken from the account."""
    description: str


@dataclass(frozen=True)
class _Row:
    line: int
    date: datetime.date
    description: str
    cents: int
    balance: int | None


def check_account(account: str) -> None:
    if not ACCOUNT.fullmatch(account):
        raise ValueError(f"{account!r} cannot name an account")


def read_statement(text: str, account: str) -> list[Transaction]:
    """All transactions of a statement; raises StatementError at the first line that is wrong."""
    check_account(account)
    text = text.removeprefix("\ufeff")
    first = text.split("\n", 1)[0].strip()
    if first == ",".join(PLAIN_HEADER):
        rows = [_plain(line, fields) for line, fields in _records(text, ",")]
        _check_balances(rows)
    elif first == ";".join(GIRO_HEADER):
        rows = [_giro(line, fields) for line, fields in _records(text, ";")]
    else:
        raise StatementError(1, "unknown header")
    seen: Counter[str] = Counter()
    found = []
    for row in rows:
        key = f"{account}|{row.date.isoformat()}|{row.cents}|{row.description.lower()}"
        seen[key] += 1
        id_ = hashlib.sha256(f"{key}|{seen[key]}".encode()).hexdigest()[:10]
        found.append(Transaction(id_, account, row.date, row.cents, row.description))
    return found


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header with the line on which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    begins = 1
    try:
        for fields in reader:
            if begins > 1 and (len(fields) > 1 or "".join(fields).strip()):
                if len(fields) != 4:
                    raise StatementError(begins, f"a row has 4 fields, not {len(fields)}")
                yield begins, [field.strip() for field in fields]
            begins = reader.line_num + 1
    except csv.Error as error:
        raise StatementError(begins, str(error)) from error


def _plain(line: int, fields: list[str]) -> _Row:
    date, description, amount, balance = fields
    try:
        day = _date(PLAIN_DATE, date, (1, 2, 3))
        cents = read_amount(amount, PLAIN)
        left = read_amount(balance, PLAIN) if balance else None
    except ValueError as error:
        raise StatementError(line, str(error)) from error
    return _Row(line, day, _described(line, description), cents, left)


def _giro(line: int, fields: list[str]) -> _Row:
    date, description, taken, added = fields
    if bool(taken) == bool(added):
        raise StatementError(line, "exactly one of Soll and Haben must be filled")
    try:
        day = _date(GIRO_DATE, date, (3, 2, 1))
        cents = read_amount(added, GIRO) if added else -read_amount(taken, GIRO)
    except ValueError as error:
        raise StatementError(line, str(error)) from error
    return _Row(line, day, _described(line, description), cents, None)


def _date(form: re.Pattern[str], written: str, order: tuple[int, int, int]) -> datetime.date:
    match = form.fullmatch(written)
    if not match:
        raise ValueError(f"{written!r} is not a date")
    year, month, day = (int(match[place]) for place in order)
    return datetime.date(year, month, day)


def _described(line: int, description: str) -> str:
    words = " ".join(description.split())
    if not words:
        raise StatementError(line, "the description is empty")
    return words


def _check_balances(rows: list[_Row]) -> None:
    direction = ""
    for before, row in pairwise(rows):
        if before.balance is None or row.balance is None:
            continue
        forward = row.balance == before.balance + row.cents
        backward = before.balance == row.balance + before.cents
        if (
            not (forward or backward)
            or (direction == "forward" and not forward)
            or (direction == "backward" and not backward)
        ):
            raise StatementError(row.line, "the balance does not fit")
        if not direction and forward != backward:
            direction = "forward" if forward else "backward"
