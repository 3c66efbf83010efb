"""The command line."""

import argparse
import re
import sys
from pathlib import Path

from tally import Book, Rules, RulesError, StatementError, read_statement
from tally.reports import export, listing, report
from tally.statements import check_account

MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


class _Failed(Exception):
    """The one line that is printed on standard error."""


def main() -> int:
    options = _arguments().parse_args()
    try:
        _carry_out(options)
    except (_Failed, ValueError) as error:
        print(f"{error}", file=sys.stderr)
        return 2
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tally")
    parser.add_argument("book")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("import", "export"):
        commands.add_parser(name).add_argument("account")
    commands.choices["import"].add_argument("files", nargs="+")
    for name in ("set", "clear"):
        commands.add_parser(name).add_argument("id")
    commands.choices["set"].add_argument("category")
    for name in ("list", "report"):
        commands.add_parser(name).add_argument("--rules")
    commands.choices["list"].add_argument("--category")
    commands.choices["report"].add_argument("--from", dest="first")
    commands.choices["report"].add_argument("--to", dest="last")
    return parser


def _carry_out(options: argparse.Namespace) -> None:
    book = Book.load(options.book) if Path(options.book).exists() else Book()
    match options.command:
        case "import":
            _import(book, options)
        case "export":
            check_account(options.account)
            print(export(book, options.account), end="")
        case "set":
            book.set(_full_id(book, options.id), options.category)
            book.save(options.book)
        case "clear":
            book.clear(_full_id(book, options.id))
            book.save(options.book)
        case "list":
            for line in listing(book, _rules(options.rules), options.category):
                print(line)
        case "report":
            for month in (options.first, options.last):
                if month is not None and not MONTH.fullmatch(month):
                    raise _Failed(f"{month!r} is not a month")
            for line in report(book, _rules(options.rules), options.first, options.last):
                print(line)


def _import(book: Book, options: argparse.Namespace) -> None:
    check_account(options.account)
    lines = []
    total = 0
    for file in options.files:
        try:
            transactions = read_statement(_text(file), options.account)
        except StatementError as error:
            raise _Failed(f"{file}: {error}") from error
        new = book.add(transactions)
        total += new
        lines.append(f"{file}: {new} new, {len(transactions) - new} known")
    if total:
        book.save(options.book)
    print("\n".join(lines))


def _rules(file: str | None) -> Rules:
    if file is None:
        return Rules("")
    try:
        return Rules(_text(file))
    except RulesError as error:
        raise _Failed(f"{file}: {error}") from error


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8", newline="") as opened:
            return opened.read()
    except (OSError, UnicodeDecodeError) as error:
        raise _Failed(f"{file}: {error}") from error


def _full_id(book: Book, beginning: str) -> str:
    found = [t.id for t in book.transactions() if t.id.startswith(beginning)]
    if len(found) != 1:
        raise _Failed(f"{beginning!r} is the beginning of {len(found)} ids")
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
