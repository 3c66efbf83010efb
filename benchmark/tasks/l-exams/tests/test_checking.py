"""Broken rules, and the order in which they are told."""

import examplan
import pytest

NEEDS = """slots d1-a d1-b d2-a
room big 50
room small 10 has piano
exam maths 20 groups g h
exam music 5 groups h needs piano
exam art 10 groups k g
"""


def check(more="", **places):
    timetable = {exam: tuple(place.split("/")) for exam, place in places.items()}
    return list(examplan.check(examplan.read_needs(NEEDS + more), timetable))


GOOD = {"maths": "d1-a/big", "music": "d1-b/small", "art": "d2-a/big"}


def test_nothing_broken():
    assert check(**GOOD) == []


@pytest.mark.parametrize(
    ("changed", "more", "broken"),
    [
        ({"music": "d2-a/small", "art": "d2-a/small"}, "", ["room music art"]),
        ({"maths": "d1-a/small"}, "", ["seats maths"]),
        ({"music": "d1-b/big"}, "", ["needs music"]),
        ({}, "closed big d2-a d1-b", ["closed art"]),
        ({"art": "d1-a/small"}, "", ["group maths art"]),
        ({}, "fix maths at d1-b", ["fix maths"]),
        ({}, "fix maths in small", ["fix maths"]),
        ({}, "fix maths at d1-a in small", ["fix maths"]),
        ({}, "fix maths at d1-a in big", []),
        ({}, "before art maths", ["before art maths"]),
        ({"art": "d1-b/big"}, "before music art", ["before music art"]),
        ({}, "apart art maths 2", []),
        ({}, "apart art maths 3", ["apart art maths"]),
        ({}, "limit h 1", ["limit h d1"]),
        ({}, "limit h 2", []),
        ({}, "limit g 1\nlimit k 1", []),
    ],
)
def test_each_rule(changed, more, broken):
    assert check(more + "\n", **{**GOOD, **changed}) == broken


def test_what_is_unknown_or_missing_comes_first():
    found = check(zoo="d1-a/big", art="d9/attic", music="d1-a/attic", bio="x/y")
    assert found == [
        "unknown zoo",
        "unknown-slot art d9",
        "unknown-room art attic",
        "unknown-room music attic",
        "unknown bio",
        "missing maths",
    ]


def test_an_empty_timetable_misses_all():
    assert check() == ["missing maths", "missing music", "missing art"]


def test_exams_without_a_known_place_break_nothing_else():
    more = "fix music at d1-b\nbefore music maths\nlimit h 1\nclosed big d1-a\n"
    assert check(more, maths="d2-a/big", music="d1-a/attic", art="d1-b/small") == ["unknown-room music attic"]


def test_all_broken_rules_in_the_order_of_the_table_then_of_the_file():
    more = (
        "limit g 1\nlimit h 1\nbefore art maths\napart art music 1\napart music maths 2\n"
        "before music maths\nfix art at d2-a\nfix maths in small\nclosed small d1-a\n"
    )
    found = check(more, art="d1-a/small", music="d1-a/small", maths="d1-a/small")
    assert found == [
        "room maths music", "room maths art", "room music art",
        "seats maths",
        "closed maths", "closed music", "closed art",
        "group maths music", "group maths art",
        "fix art",
        "before art maths", "before music maths",
        "apart art music", "apart music maths",
        "limit g d1", "limit h d1",
    ]  # fmt: skip


def test_the_order_does_not_hang_on_the_order_of_the_timetable():
    places = {"maths": "d1-a/small", "music": "d1-a/big", "art": "d1-a/big"}
    expected = ["room music art", "seats maths", "needs music", "group maths music", "group maths art"]
    assert check(**places) == expected
    assert check(**dict(reversed(places.items()))) == expected


def test_the_same_text_is_not_told_twice():
    more = (
        "fix art at d1-a\nfix art in small\nbefore art maths\nbefore art maths\n"
        "apart maths art 3\napart maths art 4\napart art maths 3\nlimit h 1\nlimit h 1\n"
    )
    assert check(more, **GOOD) == ["fix art", "before art maths", "apart maths art", "apart art maths", "limit h d1"]


def test_a_limit_is_told_for_each_day_in_the_order_of_time():
    needs = (
        "slots b-1 a-1 b-2 a-2\nroom r 9\n"
        + "".join(f"exam e{n} 1 groups x y\n" for n in range(4))
        + "limit y 1\nlimit x 1\n"
    )
    timetable = {f"e{n}": (slot, "r") for n, slot in enumerate(["a-1", "a-2", "b-1", "b-2"])}
    assert examplan.check(examplan.read_needs(needs), timetable) == ["limit x b", "limit x a", "limit y b", "limit y a"]
