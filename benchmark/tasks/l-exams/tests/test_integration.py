"""Plans against all timetables there are, and what the parts say about each other's results."""

import itertools
import os
import random
import subprocess
import sys

import examplan
import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]), "PYTHONUTF8": "1"}
SLOTS = ["d1-a", "d1-b", "d2-a"]


def random_needs(dice, exams):
    lines = ["slots d1-a d1-b", "slots d2-a", "room r1 20 has x", "room r2 10 has x y"]
    for exam in exams:
        needs = dice.choice(["", "", " needs x", " needs y"])
        lines.append(
            f"exam {exam} {dice.choice([5, 10, 15])} groups {' '.join(dice.sample(['g', 'h', 'k'], dice.choice([1, 1, 2])))}{needs}"
        )
    for _ in range(dice.randrange(4)):
        one, two = dice.sample(exams, 2)
        lines.append(
            dice.choice(
                [
                    f"closed r{dice.choice('12')} {dice.choice(SLOTS)}",
                    f"fix {one} at {dice.choice(SLOTS)}",
                    f"fix {one} in r{dice.choice('12')}",
                    f"before {one} {two}",
                    f"apart {one} {two} 2",
                ]
            )
        )
    groups = {word for line in lines if line.startswith("exam") for word in line.split() if word in "ghk"}
    lines += [f"limit {group} {dice.choice([1, 2])}" for group in sorted(groups) if dice.random() < 0.4]
    tail = lines[4 + len(exams) :]
    dice.shuffle(tail)
    return tail[:1] + lines[:4] + lines[4 : 4 + len(exams)] + tail[1:]


def all_timetables(exams, first=None):
    """Every timetable in the order in which they are preferred."""
    places = [(slot, room) for slot in SLOTS for room in ("r1", "r2")]
    choices = [
        sorted(places, key=lambda place, exam=exam: (place != (first or {}).get(exam), places.index(place)))
        for exam in exams
    ]
    for chosen in itertools.product(*choices):
        yield dict(zip(exams, chosen, strict=True))


@pytest.mark.parametrize("seed", range(60))
def test_the_plan_is_the_first_timetable_that_the_check_accepts(seed):
    dice = random.Random(seed)
    exams = dice.sample(["maths", "art", "music", "bio"], dice.choice([3, 3, 4]))
    needs = examplan.read_needs("\n".join(random_needs(dice, exams)))
    old = {exam: (dice.choice(SLOTS), dice.choice(["r1", "r2"])) for exam in exams if dice.random() < 0.6}
    for timetable, find in ((None, lambda: examplan.plan(needs)), (old, lambda: examplan.replan(needs, old))):
        expected = next((t for t in all_timetables(exams, timetable) if not examplan.check(needs, t)), None)
        if expected is None:
            with pytest.raises(examplan.NoPlan) as caught:
                find()
            assert list(caught.value.exams) == exams[: len(caught.value.exams)]
        else:
            found = find()
            assert found == expected
            assert list(found) == exams


@pytest.mark.parametrize("seed", range(100, 140))
def test_a_plan_that_is_kept_stays_as_it_is_and_survives_being_written(seed):
    dice = random.Random(seed)
    exams = [f"e{n}" for n in range(5)]
    needs = examplan.read_needs("\n".join(random_needs(dice, exams)))
    try:
        found = examplan.plan(needs)
    except examplan.NoPlan:
        return
    assert examplan.read_plan(examplan.write_plan(found)) == found
    assert examplan.replan(needs, found) == found
    assert examplan.replan(needs, dict(reversed(found.items()))) == found


def test_the_blamed_exams_cannot_be_planned_alone_and_all_but_the_last_can():
    dice = random.Random(77)
    blamed = 0
    for _ in range(80):
        exams = [f"e{n}" for n in range(5)]
        lines = random_needs(dice, exams)
        needs = examplan.read_needs("\n".join(lines))
        try:
            examplan.plan(needs)
        except examplan.NoPlan as error:
            blamed += 1
            for count, fails in ((len(error.exams), True), (len(error.exams) - 1, False)):
                kept = exams[:count]
                gone = set(exams) - set(kept)
                part = [line for line in lines if not gone & set(line.split())]
                known = {word for line in part if line.startswith("exam") for word in line.split()}
                part = [line for line in part if not line.startswith("limit") or line.split()[1] in known]
                if fails:
                    with pytest.raises(examplan.NoPlan):
                        examplan.plan(examplan.read_needs("\n".join(part)))
                else:
                    assert list(examplan.plan(examplan.read_needs("\n".join(part)))) == kept
    assert blamed > 5


def test_a_new_rule_moves_only_what_it_must():
    lines = ["slots d1 d2 d3 d4", "room r 9", *(f"exam e{n} 5 groups g{n}" for n in range(4))]
    old = examplan.plan(examplan.read_needs("\n".join(lines)))
    changed = examplan.read_needs("\n".join([*lines, "fix e2 at d4"]))
    new = examplan.replan(changed, old)
    assert new == {"e0": ("d1", "r"), "e1": ("d2", "r"), "e2": ("d4", "r"), "e3": ("d3", "r")}
    assert list(examplan.check(changed, old)) == ["fix e2"]


def test_printed_plans_are_accepted_kept_and_shown(tmp_path):
    needs = (
        "slots a-1 a-2 b-1\nroom r1 9\nroom r2 9\n"
        + "".join(f"exam x{n} 5 groups g{n % 2}\n" for n in range(5))
        + "limit g0 2\nbefore x4 x0\n"
    )
    (tmp_path / "needs").write_text(needs)

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "examplan", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    printed = run("plan", "needs")
    (tmp_path / "plan").write_text(printed)
    assert run("check", "needs", "plan") == ""
    assert run("plan", "needs", "--keep", "plan") == printed
    shown = run("show", "needs", "plan").splitlines()
    rooms = shown[0].split()[1:]
    cells = {
        (row.split()[0], room): cell for row in shown[1:] for room, cell in zip(rooms, row.split()[1:], strict=True)
    }
    assert {exam: place for place, exam in cells.items() if exam != "-"} == examplan.read_plan(printed)
