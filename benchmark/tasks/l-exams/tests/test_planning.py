"""The first timetable, the timetable that changes least, and whom to blame."""

import examplan
import pytest


def plan(text):
    found = examplan.plan(examplan.read_needs(text))
    assert all(isinstance(place, tuple) for place in found.values())
    return {exam: "/".join(place) for exam, place in found.items()}


def replan(text, **old):
    timetable = {exam: tuple(place.split("/")) for exam, place in old.items()}
    found = examplan.replan(examplan.read_needs(text), timetable)
    return {exam: "/".join(place) for exam, place in found.items()}


def blamed(text):
    with pytest.raises(examplan.NoPlan) as caught:
        examplan.plan(examplan.read_needs(text))
    return caught.value.exams


ROOMS = "slots d1-a d1-b d2-a d2-b\nroom big 50\nroom small 10 has piano\n"


def test_slots_come_before_rooms_and_both_in_the_order_of_the_file():
    text = ROOMS + "exam a 5 groups g1\nexam b 5 groups g2\nexam c 5 groups g3\n"
    assert plan(text) == {"a": "d1-a/big", "b": "d1-a/small", "c": "d1-b/big"}


def test_the_result_is_in_the_order_of_the_file():
    assert list(plan(ROOMS + "exam z 5 groups g\nbefore a z\nexam a 5 groups g\n").items()) == [
        ("z", "d1-b/big"),
        ("a", "d1-a/big"),
    ]


def test_seats_and_features():
    text = ROOMS + "exam a 10 groups g1 needs piano\nexam b 11 groups g2\nexam c 10 groups g3 needs piano\n"
    assert plan(text) == {"a": "d1-a/small", "b": "d1-a/big", "c": "d1-b/small"}


def test_an_exam_may_need_several_things_of_one_room():
    text = "slots s t\nroom one 5 has x\nroom two 5 has y\nroom all 5 has y z x\nexam a 5 groups g needs x y\n"
    assert plan(text) == {"a": "s/all"}


def test_groups_sit_one_exam_at_a_time():
    text = ROOMS + "exam a 5 groups g h\nexam b 5 groups h i\nexam c 5 groups i\nexam d 5 groups g\n"
    assert plan(text) == {"a": "d1-a/big", "b": "d1-b/big", "c": "d1-a/small", "d": "d1-b/small"}


def test_closed_rooms():
    assert plan(ROOMS + "closed big d1-a d1-b\nclosed small d1-a\nexam a 5 groups g\n") == {"a": "d1-b/small"}


def test_fixed_places():
    text = (
        ROOMS
        + "exam a 5 groups g1\nexam b 5 groups g2\nexam c 5 groups g3\nfix a at d2-a\nfix b in small\nfix c at d1-b in big\n"
    )
    assert plan(text) == {"a": "d2-a/big", "b": "d1-a/small", "c": "d1-b/big"}
    assert plan(ROOMS + "exam a 5 groups g\nfix a at d2-b\nfix a in small\n") == {"a": "d2-b/small"}


def test_a_later_fixed_exam_keeps_its_place_free():
    assert plan(ROOMS + "exam a 5 groups g1\nexam b 5 groups g2\nfix b at d1-a in big\n") == {
        "a": "d1-a/small",
        "b": "d1-a/big",
    }


def test_before_is_strict_and_holds_across_groups():
    assert plan(ROOMS + "exam a 5 groups g1\nexam b 5 groups g2\nbefore b a\n") == {"a": "d1-b/big", "b": "d1-a/big"}


def test_apart_counts_slots_whatever_the_day_and_the_order():
    text = (
        ROOMS + "exam a 5 groups g1\nexam b 5 groups g2\nexam c 5 groups g3\napart a b 2\napart c b 1\nfix a at d1-b\n"
    )
    assert plan(text) == {"a": "d1-b/big", "b": "d2-b/big", "c": "d1-a/big"}


def test_the_widest_distance_holds_when_there_are_several():
    text = ROOMS + "exam a 5 groups g\nexam b 5 groups g\napart a b 3\napart b a 1\n"
    assert plan(text) == {"a": "d1-a/big", "b": "d2-b/big"}


def test_limits_count_by_day_and_group():
    text = (
        ROOMS + "limit g 1\nlimit h 2\nexam a 5 groups g h\nexam b 5 groups g\nexam c 5 groups h\nexam d 5 groups h\n"
    )
    assert plan(text) == {"a": "d1-a/big", "b": "d2-a/big", "c": "d1-b/big", "d": "d2-a/small"}


def test_the_tightest_limit_holds():
    assert plan(ROOMS + "limit g 3\nlimit g 1\nlimit g 2\nexam a 5 groups g\nexam b 5 groups g\n")["b"] == "d2-a/big"


def test_a_slot_without_a_part_is_a_day_and_days_need_not_be_together():
    text = "slots mon tue-am mon-late\nroom r 5\nlimit g 1\nexam a 5 groups g\nexam b 5 groups g\n"
    assert plan(text) == {"a": "mon/r", "b": "tue-am/r"}
    assert blamed(text + "exam c 5 groups g\n") == ["a", "b", "c"]


def test_earlier_exams_give_way_only_as_far_as_they_must():
    text = (
        "slots s1 s2 s3\nroom r 5\nexam a 5 groups x\nexam b 5 groups y\nexam c 5 groups z\nfix c at s1\nbefore b a\n"
    )
    assert plan(text) == {"a": "s3/r", "b": "s2/r", "c": "s1/r"}


def test_old_places_come_first():
    text = ROOMS + "exam a 5 groups g1\nexam b 5 groups g2\nexam c 5 groups g3\n"
    assert replan(text, b="d2-b/small") == {"a": "d1-a/big", "b": "d2-b/small", "c": "d1-a/small"}


def test_earlier_exams_decide_before_old_places_of_later_ones():
    """What comes first in the file chooses first; a later exam's old place may be gone then."""
    text = ROOMS + "exam a 5 groups g1\nexam b 5 groups g2\n"
    assert replan(text, b="d1-a/big") == {"a": "d1-a/big", "b": "d1-a/small"}
    assert replan(text, a="d2-a/big", b="d1-a/big") == {"a": "d2-a/big", "b": "d1-a/big"}


def test_old_places_that_are_not_allowed_or_unknown_are_passed_over():
    text = ROOMS + "exam a 20 groups g1\nexam b 5 groups g1\nclosed big d1-a\n"
    assert replan(text, a="d1-a/big", b="d9/big", x="d1-a/big") == {"a": "d1-b/big", "b": "d1-a/small"}
    assert replan(text, a="d1-b/small", b="d1-b/big") == {"a": "d1-b/big", "b": "d1-a/small"}


def test_an_old_place_is_left_when_later_exams_need_it():
    text = ROOMS + "exam a 5 groups g1\nexam b 50 groups g2\nfix b at d1-b\n"
    assert replan(text, a="d1-b/big") == {"a": "d1-a/big", "b": "d1-b/big"}


def test_the_shortest_beginning_is_to_blame():
    text = "slots s1 s2\nroom r 5\nexam a 5 groups x\nexam b 5 groups x\nexam c 6 groups y\nexam d 9 groups y\n"
    assert blamed(text) == ["a", "b", "c"]
    assert blamed("exam a 5 groups x\n") == ["a"]
    assert blamed("slots s\nroom r 5\nexam a 5 groups x\nexam b 5 groups x\nexam c 1 groups y\n") == ["a", "b"]


def test_what_is_said_about_later_exams_does_not_count_against_a_beginning():
    text = "slots s1 s2 s3\nroom r 5\nexam a 5 groups x\nexam b 5 groups y\nexam c 5 groups z\nbefore a c\nbefore c b\nbefore b a\n"
    assert blamed(text) == ["a", "b", "c"]
    text = (
        "slots s1 s2\nroom r 5\nroom q 5\nexam a 5 groups x\nexam b 5 groups y\n"
        "exam c 5 groups x\nexam d 5 groups x y\nfix d at s1\nfix c at s2\n"
    )
    assert blamed(text) == ["a", "b", "c", "d"]


def test_forty_exams_with_plenty_of_room():
    slots = " ".join(f"d{day}-{part}" for day in range(12) for part in "ab")
    text = f"slots {slots}\nroom r1 30\nroom r2 30\nroom r3 30\n"
    text += "".join(f"exam e{n} 20 groups g{n % 4} h{n % 3}\n" for n in range(40)) + "".join(
        f"before e{n} e{n + 20}\n" for n in range(20)
    )
    found = plan(text)
    assert len(found) == 40
    assert (
        examplan.check(examplan.read_needs(text), {exam: tuple(place.split("/")) for exam, place in found.items()})
        == []
    )


def test_a_dozen_exams_that_fill_every_place():
    text = "slots s1 s2 s3 s4 s5 s6\nroom r1 30\nroom r2 10\n"
    text += "".join(f"exam e{n} {30 if n % 2 else 10} groups g{n // 4}\n" for n in range(12)) + "before e9 e0\n"
    found = plan(text)
    assert len(set(found.values())) == 12
    assert (found["e9"], found["e0"]) == ("s1/r1", "s2/r2")
