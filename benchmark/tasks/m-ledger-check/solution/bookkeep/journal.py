"""The text of a journal to entries and assertions, or to what is wrong with it."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ENTRY = re.compile(rf"({_DAY.pattern}) +(.+)")
_NUMBER = re.compile(r"-?(?:[0-9]+|[0-9]{1,3}(?:'[0-9]{3})+)(?:\.[0-9]+)?")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Amount:
    number: Decimal
    currency: str


@dataclass
class Posting:
    line: int
    account: str
    amounts: list[Amount]
    """One; none or several for a posting that takes what is missing."""


@dataclass
class Entry:
    line: int
    day: str
    text: str
    postings: list[Posting] = field(default_factory=list)
    open: Posting | None = None
    """The posting without an amount."""
    sound: bool = True
    """Whether no line of it has a problem."""


@dataclass(frozen=True)
class Assertion:
    line: int
    day: str
    account: str
    amount: Amount


class Journal:
    """What a file says; `problems` are pairs of a line and a text, in the order of lines."""

    def __init__(self, text: str) -> None:
        self.accounts: set[str] = set()
        self.entries: list[Entry] = []
        self.assertions: list[Assertion] = []
        self.decimals: dict[str, int] = defaultdict(int)
        self.problems: list[tuple[int, str]] = []
        self._uses: list[tuple[int, str, Entry | None]] = []
        self._entry: Entry | None = None
        for number, line in enumerate(text.split("\n"), 1):
            stripped = line.partition(";")[0].rstrip()
            if stripped:
                self._read(number, stripped)
        self._check()

    def shown(self, amount: Amount) -> str:
        return f"{amount.number:.{self.decimals[amount.currency]}f} {amount.currency}"

    def _read(self, number: int, line: str) -> None:
        words = line.split()
        if line[0].isspace():
            self._posting(number, words)
            return
        self._entry = None
        found = _ENTRY.fullmatch(line)
        if words[0] == "account" and len(words) == 2:
            if words[1] in self.accounts:
                self._problem(number, f"account '{words[1]}' is declared twice")
            self.accounts.add(words[1])
        elif not found:
            self._problem(number, "not a line of a journal")
        elif words[1] == "=":
            self._assertion(number, words)
        else:
            self._entry = Entry(number, found[1], found[2])
            self.entries.append(self._entry)
            if not _exists(found[1]):
                self._problem(number, f"no such day '{found[1]}'")

    def _posting(self, number: int, words: list[str]) -> None:
        entry = self._entry
        if len(words) not in (1, 3):
            self._problem(number, "not a line of a journal")
        elif entry is None:
            self._amount(number, words[1:], silent=True)
            self._problem(number, "a posting outside of an entry")
        elif len(words) == 3:
            amount = self._amount(number, words[1:])
            if amount:
                entry.postings.append(Posting(number, words[0], [amount]))
                self._uses.append((number, words[0], entry))
        else:
            posting = Posting(number, words[0], [])
            self._uses.append((number, words[0], entry))
            if entry.open:
                self._problem(number, "a second posting without an amount")
            entry.open = entry.open or posting
            entry.postings.append(posting)

    def _assertion(self, number: int, words: list[str]) -> None:
        if len(words) != 5:
            self._problem(number, "not a line of a journal")
            return
        day, _, account = words[:3]
        amount = self._amount(number, words[3:], silent=not _exists(day))
        if not _exists(day):
            self._problem(number, f"no such day '{day}'")
        elif amount:
            self.assertions.append(Assertion(number, day, account, amount))
            self._uses.append((number, account, None))

    def _amount(self, number: int, words: list[str], silent: bool = False) -> Amount | None:
        """The amount of two words; its decimals count for its currency. `silent` where another problem comes first."""
        if not (len(words) == 2 and _NUMBER.fullmatch(words[0]) and _CURRENCY.fullmatch(words[1])):
            if not silent:
                self._problem(number, f"bad amount '{words[0]} {words[1]}'")
            return None
        self.decimals[words[1]] = max(self.decimals[words[1]], len(words[0].partition(".")[2]))
        value = Decimal(words[0].replace("'", ""))
        return Amount(value or abs(value), words[1])  # no negative zero

    def _problem(self, number: int, text: str) -> None:
        self.problems.append((number, text))
        if self._entry:
            self._entry.sound = False

    def _check(self) -> None:
        """What can be said only when the whole file has been read."""
        for line, account, entry in self._uses:
            if account not in self.accounts:
                # This comes before a second posting without an amount.
                self.problems = [problem for problem in self.problems if problem[0] != line]
                self.problems.append((line, f"account '{account}' is not declared"))
                if entry:
                    entry.sound = False
        for entry in self.entries:
            if entry.sound:
                self._balance(entry)
        if not self.problems:
            for assertion in self.assertions:
                held = self.held(assertion.account, assertion.day).get(assertion.amount.currency, Decimal(0))
                if held != assertion.amount.number:
                    real = self.shown(Amount(held, assertion.amount.currency))
                    text = f"{assertion.account} holds {real}, not {self.shown(assertion.amount)}"
                    self.problems.append((assertion.line, text))
        self.problems.sort(key=lambda problem: problem[0])

    def _balance(self, entry: Entry) -> None:
        if len(entry.postings) < 2:
            self.problems.append((entry.line, "an entry needs two postings"))
            return
        sums = _sums(amount for posting in entry.postings for amount in posting.amounts)
        off = [Amount(number, currency) for currency, number in sorted(sums.items()) if number]
        if entry.open:
            entry.open.amounts = [Amount(-amount.number, amount.currency) for amount in off]
        elif off:
            self.problems.append((entry.line, f"does not balance: {', '.join(map(self.shown, off))}"))

    def held(self, account: str, day: str) -> dict[str, Decimal]:
        """Currency → what the account itself holds at the end of the day."""
        return _sums(
            amount
            for entry in self.entries
            if entry.day <= day
            for posting in entry.postings
            if posting.account == account
            for amount in posting.amounts
        )


def _sums(amounts) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for amount in amounts:
        sums[amount.currency] += amount.number
    return sums


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def is_day(text: str) -> bool:
    """Whether it has the form of a day and is in the calendar."""
    return bool(_DAY.fullmatch(text)) and _exists(text)
