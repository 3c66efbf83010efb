"""Whole files: text in one form to lines in the other, and what is wrong with single records."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from colfix.layout import Layout
from colfix.values import ValueProblem, csv_of_field, field_of_csv


class MissingColumn(Exception):
    """The CSV lacks a column of the layout; the text says which."""


@dataclass(frozen=True)
class Bad:
    line: int
    """On which the record starts, from 1."""
    problem: str
    """What is wrong with it."""


def to_csv(layout: Layout, text: str) -> Iterator[str | Bad]:
    """The lines of the CSV, the heading first, and the bad records where they stand."""
    yield _csv_line([column.name for column in layout.columns])
    for number, line in enumerate(text.split("\n"), 1):
        record = line.removesuffix("\r")
        if not record.strip(" "):
            continue
        beyond = len(record.rstrip(" ")) - layout.width
        if beyond > 0:
            yield Bad(number, f"{beyond} characters too many")
            continue
        record = record.ljust(layout.width)
        values: list[str] = []
        try:
            for column in layout.columns:
                field = record[column.start : column.start + column.width]
                values.append(_checked(column.name, column.required, csv_of_field, column.type, field))
        except ValueProblem as problem:
            yield Bad(number, str(problem))
        else:
            yield _csv_line(values)


def to_fixed(layout: Layout, text: str) -> Iterator[str | Bad]:
    """The records of the fixed-width file, and the bad rows where they stand. Raises `MissingColumn`."""
    rows = csv.reader(io.StringIO(text, newline=""))
    heading = next(rows, [])
    for column in layout.columns:
        if column.name not in heading:
            raise MissingColumn(f"the CSV has no column '{column.name}'")
    place = {name: heading.index(name) for name in heading}
    start = rows.line_num + 1
    for row in rows:
        number, start = start, rows.line_num + 1
        if not row:
            continue
        record = ""
        try:
            for column in layout.columns:
                value = row[place[column.name]] if place[column.name] < len(row) else ""
                if column.required and not value:
                    raise ValueProblem(f"column {column.name}: missing")
                field = _checked(column.name, False, field_of_csv, column.type, value, column.width, column.zeros)
                record = record.ljust(column.start) + field
        except ValueProblem as problem:
            yield Bad(number, str(problem))
        else:
            yield record.ljust(layout.width)


def _checked(name: str, required: bool, convert, *given) -> str:
    """What `convert` makes of what is given; its problems, and an empty result that is required, get the column's name."""
    try:
        value = convert(*given)
    except ValueProblem as problem:
        raise ValueProblem(f"column {name}: {problem}") from None
    if required and not value:
        raise ValueProblem(f"column {name}: missing")
    return value


def _csv_line(values: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue()
