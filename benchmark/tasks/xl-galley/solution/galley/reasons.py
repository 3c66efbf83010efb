"""Reports in words."""

from collections import Counter
from collections.abc import Sequence

from galley.journal import Result
from galley.observing import Difference

STATUSES = ("made", "restored", "kept", "failed")


def explain(difference: Difference) -> str:
    kind, subject, then = difference.observation.kind, difference.observation.subject, difference.observation.value
    now = difference.now
    match kind:
        case "file":
            return f"file {subject} is gone" if now is None else f"file {subject} changed"
        case "exists":
            return f"{subject} appeared" if now else f"{subject} is gone"
        case "list":
            assert isinstance(then, tuple)
            assert isinstance(now, tuple)
            came = [f"+{path}" for path in now if path not in then]
            went = [f"-{path}" for path in then if path not in now]
            return " ".join([f"list {subject}:", *came, *went])
    what = f"setting {subject}" if kind == "setting" else "name"
    return f"{what}: {_value(then)} -> {_value(now)}"


def render(results: Sequence[Result]) -> str:
    return "".join(f"{_line(result)}\n" for result in results) + totals(results) + "\n"


def totals(results: Sequence[Result]) -> str:
    counts = Counter(result.status for result in results)
    return ", ".join(f"{counts[status]} {status}" for status in STATUSES)


def _line(result: Result) -> str:
    if result.status == "failed":
        return f"failed {result.name}: {result.reason}"
    return f"{result.status} {result.name}" + (f" ({result.reason})" if result.reason else "")


def _value(value: object) -> str:
    return "(none)" if value is None else str(value)
