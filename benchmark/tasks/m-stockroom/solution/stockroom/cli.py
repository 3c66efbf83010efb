"""The command line."""

import argparse
import sys
from pathlib import Path

from stockroom.commands import carry_out
from stockroom.files import NotAStore, as_text, read, write
from stockroom.store import Refused


def main(arguments: list[str]) -> int:
    """The exit status: 0, 1 when a command was refused, 2 when the file cannot be used."""
    parser = argparse.ArgumentParser(prog="stockroom")
    parser.add_argument("file")
    parser.add_argument("--all-or-nothing", action="store_true")
    given = parser.parse_args(arguments)
    path = Path(given.file)
    try:
        store = read(path)
    except OSError:
        print(f"stockroom: cannot read {given.file}", file=sys.stderr)
        return 2
    except NotAStore:
        print(f"stockroom: {given.file} is not a store", file=sys.stderr)
        return 2
    before = as_text(store)
    status = 0
    for number, line in enumerate(sys.stdin.buffer.read().decode("utf-8", "replace").split("\n"), 1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        try:
            answer = carry_out(store, line)
        except Refused as refusal:
            status = 1
            answer = [f"line {number}: {refusal}"]
            if given.all_or_nothing:
                print(f"{answer[0]}\nnothing done")
                return status
        for text in answer:
            print(text)
    after = as_text(store)
    if after != before:
        write(path, after)
    return status
