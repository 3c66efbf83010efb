"""The command line."""

import argparse
import sys
from pathlib import Path

from weave.merging import merged
from weave.records import BadLog, read_records, written


def main(arguments: list[str]) -> int:
    """The exit status: 0, 1 for a log that cannot be used, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="weave")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--since")
    parser.add_argument("--label", action="store_true")
    given = parser.parse_args(arguments)
    try:
        logs = []
        for name in given.files:
            path = Path(name)
            logs.append(list(read_records(path.read_text(encoding="utf-8").splitlines(), path.name)))
        for record in merged(logs):
            if not given.since or record.stamp >= given.since:
                print(written(record, given.label))
    except OSError as error:
        print(f"weave: cannot read {error.filename}", file=sys.stderr)
        return 1
    except BadLog as error:
        print(f"weave: {error}", file=sys.stderr)
        return 1
    return 0
