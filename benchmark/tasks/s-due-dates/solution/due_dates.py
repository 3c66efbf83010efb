"""Due dates of a monthly plan."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import date, timedelta

_DAY = timedelta(days=1)


def due_dates(start: date, count: int, holidays: Iterable[date] = ()) -> list[date]:
    """The working days on which ``count`` monthly payments after ``start`` are due."""
    if count < 0:
        raise ValueError(f"there cannot be {count} due dates")
    closed = frozenset(holidays)
    at_end = start.day == _last_day(start.year, start.month)
    return [_moved(_nominal(start, months, at_end), closed) for months in range(1, count + 1)]


def _last_day(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def _nominal(start: date, months: int, at_end: bool) -> date:
    years, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month + 1
    last = _last_day(year, month)
    return date(year, month, last if at_end else min(start.day, last))


def _moved(nominal: date, closed: frozenset[date]) -> date:
    """The next working day in the same month, else the one before."""
    for step in (_DAY, -_DAY):
        day = nominal
        while day.weekday() >= 5 or day in closed:
            day += step
        if step < timedelta(0) or day.month == nominal.month:
            break
    return day
