"""Records of several files in one order."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from weave.records import BadLog, Record


def check_order(log: Sequence[Record]) -> None:
    """Raises `BadLog` for the first record that is earlier than the one above it."""
    for above, record in pairwise(log):
        if record.moment < above.moment:
            raise BadLog(f"{record.source}:{record.line}: earlier than the record above")


def without_doubles(logs: Sequence[Sequence[Record]]) -> list[list[Record]]:
    """Of each moment and text only the records of the log that has most of them, the first of several."""
    counts = [Counter((record.moment, record.text()) for record in log) for log in logs]
    best: dict[object, int] = defaultdict(int)
    for number, count in enumerate(counts):
        for key, times in count.items():
            if key not in best or times > counts[best[key]][key]:
                best[key] = number
    return [
        [record for record in log if best[record.moment, record.text()] == number] for number, log in enumerate(logs)
    ]


def merged(logs: Sequence[Sequence[Record]]) -> Iterator[Record]:
    """All records by moment; those of one moment in the order of the logs, and of a log in its order."""
    ordered = [sorted(log, key=lambda record: record.moment) for log in logs]
    return heapq.merge(*ordered, key=lambda record: record.moment)
