"""Values as text, and what filters make of them."""

import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

ACCEPTS = {
    "upper": {"text"},
    "trim": {"text"},
    "fixed": {"number"},
    "pad": {"text", "number"},
    "join": {"list"},
    "count": {"text", "list"},
    "or": {"text", "number", "flag", "list", "record", "nothing"},
}
"""Filter → kinds of values it can take."""

_NUMBERS = {"fixed": re.compile("[0-9]"), "pad": re.compile("-?[0-9]+")}


class NoText(Exception):
    """A list or record was asked for its text; the argument is its kind."""


def kind(value: Any) -> str:
    if value is None:
        return "nothing"
    for types, name in ((bool, "flag"), ((int, float, Decimal), "number"), (str, "text"), (dict, "record")):
        if isinstance(value, types):
            return name
    return "list"


def as_text(value: Any) -> str:
    """Raises `NoText`."""
    what = kind(value)
    if what in ("list", "record"):
        raise NoText(what)
    if what == "nothing":
        return ""
    if what == "flag":
        return "yes" if value else "no"
    return str(value)


def check(name: str, argument: str | None) -> str:
    """What is wrong with the call of a filter; empty when nothing is."""
    if name not in ACCEPTS:
        return f"no filter '{name}'"
    if name in _NUMBERS:
        return "" if _NUMBERS[name].fullmatch(argument or "") else f"filter '{name}' needs a number"
    if name in ("join", "or"):
        return f"filter '{name}' needs a text" if argument is None else ""
    return "" if argument is None else f"filter '{name}' takes no argument"


def apply(name: str, argument: str, value: Any) -> Any:
    """What the filter makes of a value that it accepts. Raises `NoText`."""
    if name == "upper":
        return value.upper()
    if name == "trim":
        return value.strip()
    if name == "fixed":
        return _fixed(value, int(argument))
    if name == "pad":
        width = int(argument)
        return as_text(value).ljust(width) if width >= 0 else as_text(value).rjust(-width)
    if name == "join":
        return argument.join(as_text(item) for item in value)
    if name == "count":
        return len(value)
    return argument if value is None or value == "" else value


def _fixed(value: Any, decimals: int) -> str:
    with localcontext() as context:
        context.prec = 400
        rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return f"{rounded if rounded else abs(rounded):f}"
