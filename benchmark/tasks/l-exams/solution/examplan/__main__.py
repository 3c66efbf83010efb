"""The command line: plan, check and show."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from examplan import NeedsError, NoPlan, check, read_needs, read_plan, replan, write_plan
from examplan.views import table

Read = TypeVar("Read")


def main() -> int:
    parser = argparse.ArgumentParser(prog="examplan")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("plan", "check", "show"):
        command = commands.add_parser(name)
        command.add_argument("needs")
        if name == "plan":
            command.add_argument("--keep")
        else:
            command.add_argument("plan")
    commands.choices["show"].add_argument("--group")
    options = parser.parse_args()
    needs = _read(options.needs, read_needs)
    if options.command == "plan":
        try:
            print(write_plan(replan(needs, _read(options.keep, read_plan) if options.keep else {})), end="")
        except NoPlan as error:
            print(error, file=sys.stderr)
            return 3
        return 0
    timetable = _read(options.plan, read_plan)
    if options.command == "check":
        broken = check(needs, timetable)
        print("".join(f"{rule}\n" for rule in broken), end="")
        return 1 if broken else 0
    if options.group is not None and options.group not in needs.groups:
        print(f"examplan: there is no group {options.group!r}", file=sys.stderr)
        return 2
    print(table(needs, timetable, options.group), end="")
    return 0


def _read(file: str, how: Callable[[str], Read]) -> Read:
    try:
        return how(Path(file).read_text(encoding="utf-8"))
    except (NeedsError, OSError, UnicodeDecodeError) as error:
        print(f"{file}: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
