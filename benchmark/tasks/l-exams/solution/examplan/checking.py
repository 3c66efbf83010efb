"""Which rules a timetable breaks."""

from collections import Counter
from itertools import combinations

from examplan.needs import Needs, day_of
from examplan.planning import suits
from examplan.timetable import Timetable


def check(needs: Needs, timetable: Timetable) -> list[str]:
    """The broken rules as texts, in the order of the specification."""
    found = []
    for exam, (slot, room) in timetable.items():
        if exam not in needs.exams:
            found.append(f"unknown {exam}")
            continue
        if slot not in needs.slots:
            found.append(f"unknown-slot {exam} {slot}")
        if room not in needs.rooms:
            found.append(f"unknown-room {exam} {room}")
    found += [f"missing {exam}" for exam in needs.exams if exam not in timetable]
    places = known_places(needs, timetable)
    time = {exam: needs.slots[slot] for exam, (slot, _) in places.items()}
    pairs = list(combinations(places, 2))
    broken = {exam: suits(needs, needs.exams[exam], place) for exam, place in places.items()}

    found += [f"room {one} {two}" for one, two in pairs if places[one] == places[two]]
    for code in ("seats", "needs", "closed"):
        found += [f"{code} {exam}" for exam in places if code in broken[exam]]
    for one, two in pairs:
        if time[one] == time[two] and set(needs.exams[one].groups) & set(needs.exams[two].groups):
            found.append(f"group {one} {two}")
    found += [f"fix {exam}" for exam in places if "fix" in broken[exam]]
    found += [
        f"before {one} {two}" for one, two in needs.before if {one, two} <= set(places) and time[one] >= time[two]
    ]
    for one, two, least in needs.apart:
        if {one, two} <= set(places) and abs(time[one] - time[two]) < least:
            found.append(f"apart {one} {two}")
    found += _limits(needs, places)
    return list(dict.fromkeys(found))


def known_places(needs: Needs, timetable: Timetable) -> Timetable:
    """The part of a timetable that means something, in the order of the file."""
    return {
        exam: timetable[exam]
        for exam in needs.exams
        if exam in timetable and timetable[exam][0] in needs.slots and timetable[exam][1] in needs.rooms
    }


def _limits(needs: Needs, places: Timetable) -> list[str]:
    loads = Counter((group, day_of(slot)) for exam, (slot, _) in places.items() for group in needs.exams[exam].groups)
    most = {group: min(n for name, n in needs.limits if name == group) for group, _ in needs.limits}
    days = list(dict.fromkeys(map(day_of, needs.slots)))
    return [
        f"limit {group} {day}"
        for group in needs.groups
        for day in days
        if group in most and loads[group, day] > most[group]
    ]
