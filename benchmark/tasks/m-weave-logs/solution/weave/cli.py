"""The command line."""

import argparse
import sys
from datetime import timedelta
from pathlib import Path

from weave.merging import check_order, merged, without_doubles
from weave.records import BadLog, Moment, Record, moment, offset, read_records, written


def main(arguments: list[str]) -> int:
    """The exit status: 0, 1 for a log that cannot be used, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="weave")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--since")
    parser.add_argument("--until")
    parser.add_argument("--zone", default="Z")
    for flag in ("--label", "--utc", "--strict", "--unique", "--summary"):
        parser.add_argument(flag, action="store_true")
    given = parser.parse_args(arguments)
    zone = offset(given.zone)
    if zone is None:
        parser.error(f"no zone: {given.zone!r}")
    bounds: list[Moment | None] = []
    for text in (given.since, given.until):
        bounds.append(None if text is None else moment(text, zone))
        if text is not None and bounds[-1] is None:
            parser.error(f"no stamp: {text!r}")
    try:
        logs = _logs(given.files, zone, given.strict)
    except OSError as error:
        print(f"weave: cannot read {error.filename}", file=sys.stderr)
        return 1
    except BadLog as error:
        print(f"weave: {error}", file=sys.stderr)
        return 1
    since, until = bounds
    logs = [
        [record for record in log if (not since or record.moment >= since) and (not until or record.moment < until)]
        for log in logs
    ]
    if given.unique:
        logs = without_doubles(logs)
    if given.summary:
        _print_summary([Path(name).name for name in given.files], logs)
    else:
        for record in merged(logs):
            print(written(record, given.label, given.utc))
    return 0


def _logs(names: list[str], zone: timedelta, strict: bool) -> list[list[Record]]:
    """The records of each file. Raises `OSError`, and `BadLog` for the first file that cannot be used."""
    logs = []
    for name in names:
        path = Path(name)
        lines = path.read_bytes().decode("utf-8").replace("\r\n", "\n").split("\n")
        if not lines[-1]:
            lines.pop()
        logs.append(read_records(lines, path.name, zone))
        if strict:
            check_order(logs[-1])
    return logs


def _print_summary(names: list[str], logs: list[list[Record]]) -> None:
    counts = [(len(log), sum(1 + len(record.more) for record in log)) for log in logs]
    rows = [*zip(names, counts, strict=True), ("total", (sum(n for n, _ in counts), sum(m for _, m in counts)))]
    for name, (records, lines) in rows:
        print(f"{name}: {records} records, {lines} lines")
