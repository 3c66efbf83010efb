import random

from windows import Rect, exposed, subtract, visible

WHOLE = Rect(0, 0, 10, 8)


def cells(rect):
    return {(x, y) for x in range(rect.left, rect.right) for y in range(rect.top, rect.bottom)}


def test_a_hole_leaves_four_pieces_in_order():
    assert subtract(WHOLE, Rect(3, 2, 7, 5)) == [(0, 0, 10, 2), (0, 2, 3, 5), (7, 2, 10, 5), (0, 5, 10, 8)]


def test_pieces_are_rects():
    assert all(type(piece) is Rect for piece in subtract(WHOLE, Rect(3, 2, 7, 5)))
    assert Rect(1, 2, 3, 4).bottom == 4


def test_corners():
    assert subtract(WHOLE, Rect(-5, -5, 4, 3)) == [(4, 0, 10, 3), (0, 3, 10, 8)]
    assert subtract(WHOLE, Rect(6, 5, 20, 20)) == [(0, 0, 10, 5), (0, 5, 6, 8)]


def test_bars():
    assert subtract(WHOLE, Rect(-1, 3, 11, 4)) == [(0, 0, 10, 3), (0, 4, 10, 8)]
    assert subtract(WHOLE, Rect(3, -1, 4, 9)) == [(0, 0, 3, 8), (4, 0, 10, 8)]


def test_all_covered():
    assert subtract(WHOLE, WHOLE) == []
    assert subtract(WHOLE, Rect(-1, -1, 11, 9)) == []


def test_touching_is_not_covering():
    assert subtract(WHOLE, Rect(10, 0, 12, 8)) == [WHOLE]
    assert subtract(WHOLE, Rect(0, -3, 10, 0)) == [WHOLE]
    assert subtract(WHOLE, Rect(3, 8, 4, 9)) == [WHOLE]


def test_beside_in_one_direction_only():
    assert subtract(WHOLE, Rect(3, 20, 5, 30)) == [WHOLE]
    assert subtract(WHOLE, Rect(20, 3, 30, 5)) == [WHOLE]


def test_empty_covers_cut_nothing():
    assert subtract(WHOLE, Rect(3, 3, 3, 6)) == [WHOLE]
    assert subtract(WHOLE, Rect(6, 3, 4, 6)) == [WHOLE]
    assert subtract(WHOLE, Rect(3, 6, 5, 4)) == [WHOLE]


def test_nothing_is_left_of_an_empty_one():
    assert subtract(Rect(3, 3, 3, 9), Rect(50, 50, 60, 60)) == []
    assert subtract(Rect(5, 3, 4, 9), WHOLE) == []
    assert visible(Rect(5, 3, 4, 9), []) == []


def test_no_covers():
    assert visible(WHOLE, []) == [WHOLE]
    assert visible(WHOLE, iter([WHOLE])) == []


def test_pieces_are_replaced_in_their_place():
    found = visible(WHOLE, [Rect(0, 2, 10, 4), Rect(4, 0, 5, 8)])
    assert found == [(0, 0, 4, 2), (5, 0, 10, 2), (0, 4, 4, 8), (5, 4, 10, 8)]


def test_the_order_of_covers_shows_in_the_cuts():
    across, down = Rect(-1, 3, 11, 4), Rect(3, -1, 4, 9)
    assert visible(WHOLE, [across, down]) == [(0, 0, 3, 3), (4, 0, 10, 3), (0, 4, 3, 8), (4, 4, 10, 8)]
    assert visible(WHOLE, [down, across]) == [(0, 0, 3, 3), (0, 4, 3, 8), (4, 0, 10, 3), (4, 4, 10, 8)]


def test_exposed_is_covered_by_later_windows_only():
    low, high = Rect(0, 0, 4, 4), Rect(2, 0, 6, 4)
    assert exposed([low, high]) == [[(0, 0, 2, 4)], [high]]
    assert exposed([high, low]) == [[(4, 0, 6, 4)], [low]]


def test_exposed_takes_the_lowest_cover_first():
    across, down = Rect(-1, 3, 11, 4), Rect(3, -1, 4, 9)
    assert exposed([WHOLE, down, across])[0] == [(0, 0, 3, 3), (0, 4, 3, 8), (4, 0, 10, 3), (4, 4, 10, 8)]


def test_exposed_of_none_and_of_empty_ones():
    assert exposed([]) == []
    assert exposed([WHOLE, Rect(0, 0, 0, 5)]) == [[WHOLE], []]


def test_pieces_cover_what_they_must_and_never_overlap():
    dice = random.Random(23)

    def some():
        left, top = dice.randrange(8), dice.randrange(8)
        return Rect(left, top, left + dice.randrange(-1, 8), top + dice.randrange(-1, 8))

    for _ in range(300):
        windows = [some() for _ in range(dice.randrange(1, 6))]
        found = exposed(windows)
        assert len(found) == len(windows)
        for place, pieces in enumerate(found):
            wanted = cells(windows[place]).difference(*map(cells, windows[place + 1 :]))
            assert set().union(*map(cells, pieces)) == wanted
            assert sum(len(cells(piece)) for piece in pieces) == len(wanted)
