"""Records of several files in one order."""

import heapq
from collections.abc import Iterable, Iterator

from weave.records import Record


def merged(logs: Iterable[Iterable[Record]]) -> Iterator[Record]:
    """All records by stamp; those of one stamp in the order of the logs. Each log must be in order itself."""
    return heapq.merge(*logs, key=lambda record: record.stamp)
