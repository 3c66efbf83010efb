"""Finding the first timetable that keeps all rules, by backtracking with looking ahead."""

from collections import Counter
from itertools import permutations

from examplan.needs import Exam, Needs, day_of
from examplan.timetable import Place, Timetable


class NoPlan(Exception):
    """There is no timetable; `exams` is the shortest beginning of the exams that cannot be planned by itself."""

    def __init__(self, exams: list[str]) -> None:
        super().__init__(f"no plan: {', '.join(exams)}")
        self.exams = exams


def plan(needs: Needs) -> Timetable:
    return replan(needs, {})


def replan(needs: Needs, old: Timetable) -> Timetable:
    """The first timetable when each exam's old place comes before all others."""
    found = _Search(needs, old).first()
    if found is not None:
        return found
    names = list(needs.exams)
    for count in range(1, len(names)):
        # Which places are preferred does not matter for whether there is a timetable.
        if _Search(needs.only(set(names[:count])), {}).first() is None:
            raise NoPlan(names[:count])
    raise NoPlan(names)


def suits(needs: Needs, exam: Exam, place: Place) -> list[str]:
    """The codes of the rules about one exam that it breaks at a place."""
    slot, name = place
    room = needs.rooms[name]
    fixes = [fix for fix in needs.fixes if fix.exam == exam.name]
    broken = []
    if room.seats < exam.pupils:
        broken.append("seats")
    if not exam.needs <= room.has:
        broken.append("needs")
    if place in needs.closed:
        broken.append("closed")
    if any(fix.slot not in (None, slot) or fix.room not in (None, name) for fix in fixes):
        broken.append("fix")
    return broken


class _Search:
    def __init__(self, needs: Needs, old: Timetable) -> None:
        self.needs = needs
        self.exams = list(needs.exams.values())
        self.time = needs.slots
        self.after: dict[tuple[str, str], int] = {}
        """How many slots later the second exam must be than the first."""
        self.gap: dict[tuple[str, str], int] = {}
        """By how many slots two exams must differ, in both orders."""
        for one, two in needs.before:
            self.after[one, two] = 1
        for one, two, least in needs.apart:
            for pair in ((one, two), (two, one)):
                self.gap[pair] = max(self.gap.get(pair, 0), least)
        for exam, other in permutations(self.exams, 2):
            if set(exam.groups) & set(other.groups):
                pair = (exam.name, other.name)
                self.gap[pair] = max(self.gap.get(pair, 0), 1)
        self.limits: dict[str, int] = {}
        for group, most in needs.limits:
            self.limits[group] = min(most, self.limits.get(group, most))
        self.loads: Counter[tuple[str, str]] = Counter()
        """How many exams a group has on a day so far."""
        places = [(slot, room) for slot in needs.slots for room in needs.rooms]
        self.start = {exam.name: self._own_places(exam, places, old.get(exam.name)) for exam in self.exams}

    def first(self) -> Timetable | None:
        return self._place(0, self.start, {})

    def _own_places(self, exam: Exam, places: list[Place], old: Place | None) -> list[Place]:
        fitting = [place for place in places if not suits(self.needs, exam, place)]
        if old in fitting:
            fitting.remove(old)
            fitting.insert(0, old)
        return fitting

    def _place(self, index: int, open_places: dict[str, list[Place]], placed: Timetable) -> Timetable | None:
        if index == len(self.exams):
            return placed
        exam = self.exams[index]
        for place in open_places[exam.name]:
            loads = [(group, day_of(place[0])) for group in exam.groups if group in self.limits]
            self.loads.update(loads)
            left = self._left(index, place, open_places)
            if left is not None:
                found = self._place(index + 1, left, {**placed, exam.name: place})
                if found is not None:
                    return found
            self.loads.subtract(loads)
        return None

    def _left(self, index: int, place: Place, open_places: dict[str, list[Place]]) -> dict[str, list[Place]] | None:
        """What stays open for the exams that follow, None when one of them has nothing left."""
        name = self.exams[index].name
        left: dict[str, list[Place]] = {}
        for other in self.exams[index + 1 :]:
            kept = [there for there in open_places[other.name] if self._go_together(name, place, other, there)]
            if not kept:
                return None
            left[other.name] = kept
        return left

    def _go_together(self, name: str, place: Place, other: Exam, there: Place) -> bool:
        if place == there:
            return False
        later = self.time[there[0]] - self.time[place[0]]
        if (name, other.name) in self.after and later < 1:
            return False
        if (other.name, name) in self.after and later > -1:
            return False
        if abs(later) < self.gap.get((name, other.name), 0):
            return False
        day = day_of(there[0])
        return all(self.loads[group, day] < self.limits[group] for group in other.groups if group in self.limits)
