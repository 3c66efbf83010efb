"""One value of each type: between its form in a record, its form in a CSV, and (number or day) what it means."""

import re
from datetime import date

TYPES = {"text": "", "int": "an int", "money": "an amount", "date": "a date"}
"""Type → what a value that cannot be read is not."""

_INT = re.compile(r"[+-]?[0-9]+")
_HUNDREDTHS = re.compile(r" *([0-9]+)([ -])")
_AMOUNT = re.compile(r"(-?)([0-9]+)(?:\.([0-9]{1,2}))?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class ValueProblem(Exception):
    """A value cannot be converted; the text says why, without its place."""


def _unreadable(kind: str, text: str) -> ValueProblem:
    return ValueProblem(f"not {TYPES[kind]}: '{text}'")


def csv_of_field(kind: str, field: str) -> str:
    """The CSV form of a column of a record, empty when it is empty. Raises `ValueProblem`."""
    stripped = field.strip(" ")
    if kind == "text":
        return field.rstrip(" ")
    if not stripped:
        return ""
    if kind == "int":
        if not _INT.fullmatch(stripped):
            raise _unreadable(kind, stripped)
        return str(int(stripped))
    if kind == "money":
        found = _HUNDREDTHS.fullmatch(field)
        if not found:
            raise _unreadable(kind, stripped)
        hundredths = int(found[1])
        sign = "-" if found[2] == "-" and hundredths else ""
        return f"{sign}{hundredths // 100}.{hundredths % 100:02}"
    if field == "00000000":
        return ""
    return _day(f"{field[:4]}-{field[4:6]}-{field[6:]}", stripped).isoformat()


def field_of_csv(kind: str, text: str, width: int, zeros: bool) -> str:
    """The form in a record of a CSV value, exactly `width` places. Raises `ValueProblem`."""
    if kind == "text":
        if "\n" in text or "\r" in text:
            raise ValueProblem("line breaks cannot be written")
        return _fitting(text, len(text), width).ljust(width)
    if not text:
        return " " * width
    if kind == "int":
        if not _INT.fullmatch(text):
            raise _unreadable(kind, text)
        number = str(int(text))
        _fitting(number, len(number), width)
        return number.zfill(width) if zeros else number.rjust(width)
    if kind == "money":
        found = _AMOUNT.fullmatch(text)
        if not found:
            raise _unreadable(kind, text)
        hundredths = int(found[2]) * 100 + int((found[3] or "").ljust(2, "0"))
        digits = _fitting(str(hundredths), len(str(hundredths)) + 1, width)
        return digits.zfill(width - 1) + ("-" if found[1] and hundredths else " ")
    return _day(text, text).isoformat().replace("-", "")


def _fitting(text: str, places: int, width: int) -> str:
    if places > width:
        raise ValueProblem(f"needs {places} places, has {width}")
    return text


def _day(iso: str, shown: str) -> date:
    if not _DAY.fullmatch(iso):
        raise _unreadable("date", shown)
    try:
        return date.fromisoformat(iso)
    except ValueError:
        raise _unreadable("date", shown) from None
