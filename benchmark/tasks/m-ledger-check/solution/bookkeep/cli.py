"""The command line."""

import argparse
import sys
from decimal import getcontext

from bookkeep.journal import Journal, is_day
from bookkeep.reports import LAST_DAY, balance, register, tree


def main(arguments: list[str]) -> int:
    """The exit status: 0, 1 for a journal with problems, 2 when nothing could be done."""
    getcontext().prec = 1000  # sums are exact for any number that a person writes
    given = _arguments(arguments)
    try:
        with open(given.file, encoding="utf-8") as file:
            journal = Journal(file.read())
    except (OSError, UnicodeDecodeError):
        return _refused(f"cannot read {given.file}")
    if journal.problems:
        for line, text in journal.problems:
            print(f"{given.file}:{line}: {text}", file=sys.stderr)
        return 1
    account = getattr(given, "account", None)
    if account is not None and account not in tree(journal):
        return _refused(f"no account '{account}'")
    if given.command == "check":
        counts = len(journal.entries), len(journal.assertions), len(journal.accounts)
        lines = ["{} entries, {} assertions, {} accounts".format(*counts)]
    elif given.command == "balance":
        lines = balance(journal, given.to, given.depth, account)
    else:
        lines = register(journal, account, given.to)
    for line in lines:
        print(line)
    return 0


def _refused(text: str) -> int:
    print(f"bookkeep: {text}", file=sys.stderr)
    return 2


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bookkeep")
    parser.add_argument("command", choices=["check", "balance", "register"])
    command = parser.parse_args(arguments[:1]).command
    parser.add_argument("file")
    if command != "check":
        parser.add_argument("account", nargs="?" if command == "balance" else None)
        parser.add_argument("--to", type=_day, default=LAST_DAY)
    if command == "balance":
        parser.add_argument("--depth", type=_count)
    # Intermixed: an optional account would otherwise not be found after options.
    return parser.parse_intermixed_args(arguments)


def _day(text: str) -> str:
    if not is_day(text):
        raise ValueError(text)
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ValueError(text)
    return int(text)
