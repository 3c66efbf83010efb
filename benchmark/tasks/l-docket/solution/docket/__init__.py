"""Documents with a past."""

from docket.changes import Conflict, MergeConflict, apply, diff, invert, merge
from docket.queries import QueryError
from docket.store import Damaged, Store

__all__ = ["Conflict", "Damaged", "MergeConflict", "QueryError", "Store", "apply", "diff", "invert", "merge"]
