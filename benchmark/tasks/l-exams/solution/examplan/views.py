"""A timetable as a table."""

from examplan.checking import known_places
from examplan.needs import Needs
from examplan.timetable import Timetable


def table(needs: Needs, timetable: Timetable, group: str | None = None) -> str:
    """Slots down, rooms across; with a group only what concerns it."""
    places = known_places(needs, timetable)
    if group is not None:
        places = {exam: place for exam, place in places.items() if group in needs.exams[exam].groups}
    rows = [["slot", *needs.rooms]]
    for slot in needs.slots:
        if group is None or any(place[0] == slot for place in places.values()):
            rows.append([slot, *(_cell(places, (slot, room)) for room in needs.rooms)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


def _cell(places: Timetable, wanted: tuple[str, str]) -> str:
    return "+".join(exam for exam, place in places.items() if place == wanted) or "-"
