"""Forgetting what is no longer of use."""

from pathlib import Path

from galley.journal import STATE, Journal
from galley.store import Store


def sweep(folder: str | Path, builds: int) -> tuple[int, int]:
    """Keep the records that the last builds added or used; how many records and results went."""
    if builds < 0:
        raise ValueError("the number of builds cannot be negative")
    everything = Journal(Path(folder) / STATE).builds()
    last = everything[max(0, len(everything) - builds) :]
    return Store(Path(folder) / STATE).keep_only({result.record for results in last for result in results})
