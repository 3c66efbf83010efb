"""Timetables as text."""

from examplan.needs import NAME, NeedsError, statements

Place = tuple[str, str]
"""Slot and room."""
Timetable = dict[str, Place]


def write_plan(timetable: Timetable) -> str:
    return "".join(f"{exam} {slot} {room}\n" for exam, (slot, room) in timetable.items())


def read_plan(text: str) -> Timetable:
    """Read lines of exam, slot and room; raises NeedsError for the first that is wrong."""
    timetable: Timetable = {}
    for line, words in statements(text):
        if len(words) != 3 or not all(map(NAME.fullmatch, words)):
            raise NeedsError(line, "a line needs an exam, a slot and a room")
        exam, slot, room = words
        if exam in timetable:
            raise NeedsError(line, f"{exam!r} has a place already")
        timetable[exam] = (slot, room)
    return timetable
