"""The command line."""

import argparse
import json
import sys

from crewplan.planning import Done, needed, plan
from crewplan.tasks import PlanError, read_tasks


def main(arguments: list[str]) -> int:
    """The exit status: 0, or 2 when nothing could be planned."""
    parser = argparse.ArgumentParser(prog="crewplan")
    parser.add_argument("file")
    parser.add_argument("--crew", type=_count, default=1)
    parser.add_argument("--for", dest="wanted")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    given = parser.parse_args(arguments)
    try:
        with open(given.file, encoding="utf-8") as file:
            tasks = read_tasks(file.read(), given.file)
        if given.wanted is not None:
            tasks = needed(tasks, [name.strip() for name in given.wanted.split(",")])
    except (OSError, UnicodeDecodeError):
        print(f"crewplan: cannot read {given.file}", file=sys.stderr)
        return 2
    except PlanError as problem:
        print(problem, file=sys.stderr)
        return 2
    done = plan(tasks, given.crew)
    if given.format == "json":
        rows = [{"task": one.task, "start": one.start, "end": one.end, "member": one.member} for one in done]
        print(json.dumps(rows, separators=(",", ":")))
    elif done:
        _print_table(done, given.crew)
    return 0


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ValueError(text)
    return int(text)


def _print_table(done: list[Done], crew: int) -> None:
    end = max(one.end for one in done)
    width = len(_clock(end))
    members = max(len(str(one.member)) for one in done)
    for one in done:
        print(f"{_clock(one.start):>{width}}  {_clock(one.end):>{width}}  {one.member:>{members}}  {one.task}")
    busy = sum(one.end - one.start for one in done)
    percent = (200 * busy + crew * end) // (2 * crew * end)
    print(f"total: {_clock(end)}, busy {percent}%")


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"
