"""Lines of a log to records."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_ZONE = r"Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"
_STAMP = rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}})(?:\.([0-9]{{1,9}}))?({_ZONE})?"
_LINE = re.compile(rf"({_STAMP}) (.*)", re.DOTALL)


class BadLog(Exception):
    """A log cannot be used; the text says where and why."""


@dataclass(frozen=True, order=True)
class Moment:
    """A point in time; compares by time."""

    second: datetime
    """In UTC, without a fraction."""
    nanoseconds: int
    """After the second."""


@dataclass
class Record:
    stamp: str
    """As written."""
    moment: Moment
    """What the stamp means."""
    message: str
    """What follows the stamp and a blank, and further lines."""
    source: str
    """The file's name without directories."""
    line: int
    """On which it begins, from 1."""
    more: list[str] = field(default_factory=list)
    """Lines that continue it."""

    def text(self) -> str:
        return "\n".join([self.message, *self.more])


def offset(zone: str) -> timedelta | None:
    """What a zone is ahead of UTC; nothing for a text of another form."""
    if not re.fullmatch(_ZONE, zone):
        return None
    if zone == "Z":
        return timedelta()
    ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
    return ahead if zone[0] == "+" else -ahead


def moment(stamp: str, zone: timedelta) -> Moment | None:
    """What a stamp means, in `zone` if it names none; nothing for a text that is no stamp."""
    found = re.fullmatch(_STAMP, stamp)
    if not found:
        return None
    ahead = offset(found[3]) if found[3] else zone
    try:
        second = datetime.fromisoformat(found[1]) - (ahead or timedelta())
    except (ValueError, OverflowError):
        return None
    return Moment(second, int((found[2] or "").ljust(9, "0")))


def read_records(lines: Iterable[str], source: str, zone: timedelta) -> list[Record]:
    """The records in the order of the file. Raises `BadLog` when the first line has no stamp."""
    records: list[Record] = []
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line)
        meant = moment(found[1], zone) if found else None
        if found and meant:
            records.append(Record(found[1], meant, found[5], source, number))
        elif records:
            records[-1].more.append(line)
        else:
            raise BadLog(f"{source}:{number}: no stamp")
    return records


def written(record: Record, label: bool, utc: bool) -> str:
    """The record as one or more lines."""
    stamp = record.stamp
    if utc:
        fraction = re.search(r"\.[0-9]+", stamp)
        stamp = f"{record.moment.second.isoformat()}{fraction[0] if fraction else ''}Z"
    return f"{stamp} {f'{record.source}: ' if label else ''}{record.text()}"
