"""The command line."""

import argparse
import sys

from colfix.convert import Bad, MissingColumn, to_csv, to_fixed
from colfix.layout import LayoutError, read_layout


class _Unreadable(Exception):
    """A file cannot be used; the text says which and why."""


def main(arguments: list[str]) -> int:
    """The exit status: 0, 1 when records were left out, 2 when nothing could be done."""
    parser = argparse.ArgumentParser(prog="colfix")
    parser.add_argument("direction", choices=["to-csv", "to-fixed"])
    parser.add_argument("layout")
    parser.add_argument("file", nargs="?")
    given = parser.parse_args(arguments)
    sys.stdout.reconfigure(encoding="utf-8", newline="")
    convert = to_csv if given.direction == "to-csv" else to_fixed
    status = 0
    try:
        layout = read_layout(_read(given.layout))
        for item in convert(layout, _read(given.file)):
            if isinstance(item, Bad):
                print(f"line {item.line}: {item.problem}", file=sys.stderr)
                status = 1
            else:
                print(item)
    except (_Unreadable, LayoutError, MissingColumn) as error:
        print(f"colfix: {error}", file=sys.stderr)
        return 2
    return status


def _read(name: str | None) -> str:
    """The text of a file, or of standard input, line ends as they are."""
    try:
        if name is None:
            data = sys.stdin.buffer.read()
        else:
            with open(name, "rb") as file:
                data = file.read()
        return data.decode("utf-8")
    except OSError:
        raise _Unreadable(f"cannot read {name}") from None
    except UnicodeDecodeError:
        raise _Unreadable(f"{name or 'standard input'} is not UTF-8 text") from None
