"""Lines of a log to records."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LINE = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}) (.*)")


class BadLog(Exception):
    """A log cannot be used; the text says where and why."""


@dataclass(frozen=True)
class Record:
    stamp: str
    """As written."""
    message: str
    """What follows the stamp and a blank."""
    source: str
    """The file's name without directories."""


def read_records(lines: Iterable[str], source: str) -> Iterator[Record]:
    """One record for each line. Raises `BadLog` for a line without a stamp."""
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line.rstrip("\n"))
        if not found:
            raise BadLog(f"{source}:{number}: no stamp")
        yield Record(found[1], found[2], source)


def written(record: Record, label: bool) -> str:
    """The record as a line."""
    message = f"{record.source}: {record.message}" if label else record.message
    return f"{record.stamp} {message}"
