import random

from rooms import Request, Room, book

ELM, OAK, HALL = Room("elm", 4), Room("oak", 4), Room("hall", 20)


def refuses(requests, rooms, gap=0):
    try:
        book(requests, rooms, gap)
    except ValueError:
        return True
    return False


def test_nothing_to_do():
    assert book([], [ELM], 5) == []
    assert book([Request("a", 0, 10, 1)], [], 5) == [None]


def test_the_smallest_room_that_fits():
    assert book([Request("a", 0, 10, 5)], [Room("x", 9), Room("y", 5), Room("z", 4)], 0) == ["y"]


def test_seats_are_enough_when_they_are_equal():
    assert book([Request("a", 0, 10, 4), Request("a", 0, 10, 21)], [ELM, HALL], 0) == ["elm", None]


def test_names_decide_between_rooms_of_one_size():
    assert book([Request("a", 0, 10, 1)], [OAK, ELM], 0) == ["elm"]
    assert book([Request("a", 0, 10, 1)], [Room("b", 2), Room("Z", 2), Room("a", 2)], 0) == ["Z"]


def test_the_largest_meeting_is_served_first():
    assert book([Request("a", 0, 10, 2), Request("b", 0, 10, 4)], [ELM], 0) == [None, "elm"]


def test_among_equals_the_first_given_is_served_first():
    assert book([Request("b", 5, 20, 3), Request("a", 0, 10, 3)], [ELM], 0) == ["elm", None]


def test_results_are_in_the_order_given():
    wanted = [Request("a", 0, 10, 1), Request("a", 0, 10, 15), Request("a", 0, 10, 3)]
    assert book(wanted, [HALL, ELM, OAK], 0) == ["oak", "hall", "elm"]


def test_a_large_meeting_takes_a_small_room_when_it_can():
    assert book([Request("a", 0, 10, 4), Request("b", 0, 10, 4), Request("c", 0, 10, 4)], [HALL, OAK, ELM], 0) == [
        "elm",
        "oak",
        "hall",
    ]


def test_one_may_begin_when_the_other_ends():
    assert book([Request("a", 0, 10, 2), Request("b", 10, 20, 2)], [ELM], 0) == ["elm", "elm"]
    assert book([Request("a", 10, 20, 2), Request("b", 0, 10, 2)], [ELM], 0) == ["elm", "elm"]


def test_different_teams_need_the_gap_after():
    assert book([Request("a", 0, 10, 2), Request("b", 14, 20, 2)], [ELM], 5) == ["elm", None]
    assert book([Request("a", 0, 10, 2), Request("b", 15, 20, 2)], [ELM], 5) == ["elm", "elm"]


def test_different_teams_need_the_gap_before():
    assert book([Request("a", 14, 20, 2), Request("b", 0, 10, 2)], [ELM], 5) == ["elm", None]
    assert book([Request("a", 15, 20, 2), Request("b", 0, 10, 2)], [ELM], 5) == ["elm", "elm"]


def test_the_same_team_needs_none():
    assert book([Request("a", 0, 10, 2), Request("a", 10, 20, 2)], [ELM], 30) == ["elm", "elm"]


def test_the_same_team_may_not_meet_twice_at_once():
    assert book([Request("a", 0, 10, 2), Request("a", 9, 20, 2)], [ELM], 30) == ["elm", None]


def test_a_long_meeting_around_a_short_one():
    assert book([Request("a", 40, 50, 3), Request("b", 0, 100, 2)], [ELM], 0) == ["elm", None]
    assert book([Request("a", 0, 100, 3), Request("b", 40, 50, 2)], [ELM], 0) == ["elm", None]


def test_who_gets_none_keeps_nobody_out():
    wanted = [Request("a", 0, 10, 4), Request("b", 5, 20, 3), Request("c", 15, 30, 2)]
    assert book(wanted, [ELM], 0) == ["elm", None, "elm"]


def test_a_gap_may_send_a_meeting_to_a_larger_room():
    assert book([Request("a", 0, 60, 4), Request("b", 65, 90, 2)], [ELM, HALL], 10) == ["elm", "hall"]


def test_what_is_refused():
    assert refuses([Request("a", 10, 10, 2)], [])
    assert refuses([Request("a", 11, 10, 2)], [ELM])
    assert refuses([Request("a", 0, 10, 0)], [ELM])
    assert refuses([Request("a", 0, 10, -1)], [])
    assert refuses([], [], -1)
    assert refuses([], [ELM, Room("elm", 9)])
    assert refuses([Request("a", 0, 10, 99), Request("a", 5, 4, 1)], [ELM])


def test_what_is_given_is_left_as_it_is():
    wanted, rooms = [Request("a", 0, 10, 1), Request("b", 0, 10, 9)], [OAK, HALL, ELM]
    book(wanted, rooms, 5)
    assert wanted == [Request("a", 0, 10, 1), Request("b", 0, 10, 9)]
    assert rooms == [OAK, HALL, ELM]


def test_no_two_meetings_are_in_each_others_way():
    dice = random.Random(31)
    for _ in range(150):
        rooms = [Room(name, dice.randrange(1, 6)) for name in "pqr"]
        gap = dice.randrange(4)
        wanted = []
        for _ in range(dice.randrange(12)):
            start = dice.randrange(40)
            wanted.append(Request(dice.choice("ab"), start, start + dice.randrange(1, 12), dice.randrange(1, 6)))
        found = book(wanted, rooms, gap)
        seats = dict(rooms)
        for at, (one, room) in enumerate(zip(wanted, found, strict=False)):
            assert room is None or seats[room] >= one.people
            for other, same in zip(wanted[:at], found[:at], strict=False):
                if room is not None and room == same:
                    apart = 0 if one.team == other.team else gap
                    assert one.start - other.end >= apart or other.start - one.end >= apart
