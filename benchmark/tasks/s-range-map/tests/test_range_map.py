import random
from itertools import pairwise

from range_map import RangeMap


def made(*assigned):
    found = RangeMap()
    for start, stop, value in assigned:
        found.assign(start, stop, value)
    return found


def refuses(call, *given):
    try:
        call(*given)
    except ValueError:
        return True
    return False


def test_empty():
    found = RangeMap()
    assert found.ranges() == []
    assert len(found) == 0
    assert found.get(0) is None
    assert found.gaps(-2, 3) == [(-2, 3)]


def test_start_is_in_and_stop_is_not():
    found = made((2, 4, "a"))
    assert [found.get(position, "-") for position in range(1, 6)] == ["-", "a", "a", "-", "-"]
    assert len(found) == 2


def test_overwriting_splits():
    assert made((0, 10, "a"), (3, 5, "b")).ranges() == [(0, 3, "a"), (3, 5, "b"), (5, 10, "a")]


def test_overwriting_covers_several():
    assert made((0, 2, "a"), (3, 5, "b"), (6, 9, "c"), (1, 7, "d")).ranges() == [(0, 1, "a"), (1, 7, "d"), (7, 9, "c")]


def test_touching_ranges_of_the_same_value_become_one():
    assert made((0, 2, "a"), (2, 4, "a")).ranges() == [(0, 4, "a")]
    assert made((2, 4, "a"), (0, 2, "a")).ranges() == [(0, 4, "a")]
    assert made((0, 2, "a"), (4, 6, "a"), (2, 4, "a")).ranges() == [(0, 6, "a")]
    assert made((0, 9, "a"), (3, 5, "b"), (3, 5, "a")).ranges() == [(0, 9, "a")]


def test_overlapping_ranges_of_the_same_value_become_one():
    assert made((0, 5, "a"), (3, 8, "a")).ranges() == [(0, 8, "a")]


def test_ranges_that_do_not_touch_stay_apart():
    assert made((0, 2, "a"), (3, 4, "a")).ranges() == [(0, 2, "a"), (3, 4, "a")]


def test_values_of_different_classes_are_different():
    found = made((0, 1, 1), (1, 2, True), (2, 3, 1.0), (3, 4, 1))
    assert [type(value) for _, _, value in found.ranges()] == [int, bool, float, int]


def test_none_is_a_value():
    found = made((0, 2, None))
    assert found.get(1, "-") is None
    assert found.ranges() == [(0, 2, None)]
    assert found.gaps(0, 3) == [(2, 3)]
    assert len(found) == 2


def test_values_that_cannot_be_hashed():
    left, right = [1], [1]
    found = made((5, 9, right), (0, 5, left))
    assert found.ranges() == [(0, 9, [1])]
    assert found.get(7) is left


def test_clear():
    found = made((0, 10, "a"))
    found.clear(3, 5)
    assert found.ranges() == [(0, 3, "a"), (5, 10, "a")]
    found.clear(-5, 3)
    assert found.ranges() == [(5, 10, "a")]
    found.clear(20, 30)
    assert found.ranges() == [(5, 10, "a")]
    found.clear(5, 10)
    assert found.ranges() == []


def test_gaps():
    found = made((0, 2, "a"), (2, 4, "b"), (6, 8, "c"))
    assert found.gaps(-3, 10) == [(-3, 0), (4, 6), (8, 10)]
    assert found.gaps(1, 7) == [(4, 6)]
    assert found.gaps(0, 4) == []
    assert found.gaps(4, 6) == [(4, 6)]
    assert found.gaps(5, 5) == []
    assert found.gaps(8, 9) == [(8, 9)]


def test_empty_ranges_change_nothing():
    found = made((0, 4, "a"))
    found.assign(2, 2, "b")
    found.clear(2, 2)
    found.assign(9, 9, "b")
    assert found.ranges() == [(0, 4, "a")]


def test_start_above_stop_is_refused():
    found = made((0, 4, "a"))
    assert refuses(found.assign, 3, 1, "b")
    assert refuses(found.clear, 3, 1)
    assert refuses(found.gaps, 3, 1)
    assert found.ranges() == [(0, 4, "a")]


def test_the_list_is_a_copy():
    found = made((0, 4, "a"))
    found.ranges().clear()
    assert found.ranges() == [(0, 4, "a")]


def test_far_away():
    found = made((-(10**18), 10**18, "a"), (0, 1, "b"))
    assert len(found) == 2 * 10**18
    assert found.get(10**17) == "a"
    assert found.gaps(10**18 - 1, 10**18 + 5) == [(10**18, 10**18 + 5)]


def test_against_one_value_for_each_position():
    dice = random.Random(17)
    for _ in range(60):
        found, plain = RangeMap(), {}
        for _ in range(25):
            start = dice.randrange(-10, 20)
            stop = start + dice.randrange(8)
            if dice.random() < 0.3:
                found.clear(start, stop)
                for position in range(start, stop):
                    plain.pop(position, None)
            else:
                value = dice.choice("ab")
                found.assign(start, stop, value)
                plain.update(dict.fromkeys(range(start, stop), value))
        assert {at: found.get(at) for at in range(-12, 30) if found.get(at)} == plain
        assert len(found) == len(plain)
        listed = found.ranges()
        assert [(at, value) for start, stop, value in listed for at in range(start, stop)] == sorted(plain.items())
        assert all(one[1] < two[0] or one[2] != two[2] for one, two in pairwise(listed))
        free = [at for start, stop in found.gaps(-12, 30) for at in range(start, stop)]
        assert free == [at for at in range(-12, 30) if at not in plain]
