import random

from table import table


def lines(rows, **more):
    made = table(rows, **more)
    assert made.endswith("\n")
    return made.split("\n")[:-1]


def column(header, *cells):
    """The lines of a column, with a bar at its left so that its blanks are seen."""
    return [line[2:] for line in lines([["|", header], *(["|", cell] for cell in cells)], gap=1)][2:]


def refuses(rows, gap=2):
    try:
        table(rows, gap)
    except ValueError:
        return True
    return False


def test_no_rows():
    assert table([]) == ""


def test_a_header_alone():
    assert lines([["one", "two"]]) == ["one  two", "---  ---"]


def test_texts_stand_at_the_left():
    assert lines([["a", "bb"], ["long", "x"], ["y", "z"]]) == ["a     bb", "----  --", "long  x", "y     z"]


def test_points_are_in_line():
    assert column("n", "1.5", "22.25", "-3") == [" 1.5", "22.25", "-3"]


def test_whole_numbers_stand_at_the_right():
    assert column("n", "1", "-20", "300") == ["  1", "-20", "300"]


def test_the_widest_parts_may_be_of_different_numbers():
    assert column("n", "100", "1.125", "-7.5") == ["100", "  1.125", " -7.5"]


def test_the_block_stands_at_the_right_of_a_wide_header():
    assert lines([["amount"], ["1.5"], ["22"]]) == ["amount", "------", "   1.5", "  22"]


def test_a_numeric_header_stands_at_the_right():
    assert lines([["n", "t"], ["1234", "a"]]) == ["   n  t", "----  -", "1234  a"]


def test_blocks_keep_their_blanks_inside_a_line():
    assert lines([["n", "t"], ["1", "a"], ["2.25", "b"]]) == ["   n  t", "----  -", "1     a", "2.25  b"]


def test_empty_cells_do_not_make_a_column_text():
    assert column("n", "1.5", "", "20") == [" 1.5", "", "20"]


def test_a_column_of_empty_cells_is_text():
    assert lines([["long", "b"], ["", "x"]]) == ["long  b", "----  -", "      x"]


def test_an_empty_header_over_numbers():
    assert lines([["a", ""], ["x", "10"], ["y", "9"]]) == ["a", "-  --", "x  10", "y   9"]


def test_what_is_no_number_makes_a_column_text():
    for cell in ("+1", "1.", ".5", "1e3", "1,000", "- 1", "--1", "n/a", "1.2.3", "\u0663", "\u00b2"):
        assert column("n", "1234.5", cell) == ["1234.5", cell]


def test_the_header_does_not_make_a_column_text_or_numeric():
    assert lines([["2024"], ["x"]]) == ["2024", "----", "x"]
    assert lines([["2024"], ["7"]]) == ["2024", "----", "   7"]


def test_short_rows_are_filled_up():
    assert lines([["a", "n"], ["x"], [], ["y", "10"]]) == ["a   n", "-  --", "x", "", "y  10"]


def test_long_rows_are_refused():
    assert refuses([["a"], ["x", "y"]])
    assert refuses([["a"], ["x", ""]])
    assert refuses([[], ["x"]])


def test_white_space_around_a_cell_does_not_count():
    assert lines([[" a ", "n  "], ["\tx", " 10 "]]) == ["a   n", "-  --", "x  10"]


def test_gap():
    assert lines([["a", "b"], ["x", "y"]], gap=0) == ["ab", "--", "xy"]
    assert lines([["a", "b"], ["x", "y"]], gap=3) == ["a   b", "-   -", "x   y"]
    assert refuses([["a"]], -1)
    assert refuses([], -1)


def test_rows_are_left_as_they_are():
    rows = [[" a", "b"], ["x"]]
    table(rows)
    assert rows == [[" a", "b"], ["x"]]


def test_points_of_random_numbers_are_in_line():
    dice = random.Random(5)
    for _ in range(200):
        numbers = [f"{dice.randrange(-999, 1000)}.{dice.randrange(1000)}" for _ in range(dice.randrange(1, 6))]
        header, rule, *below = lines([["h" * dice.randrange(1, 9)], *([number] for number in numbers)])
        assert len({line.index(".") for line in below}) == 1
        assert [line.strip() for line in below] == numbers
        assert max(map(len, below)) == len(rule) == len(header)
