import random

from reflow import reflow


def refuses(width):
    try:
        reflow("a", width)
    except ValueError:
        return True
    return False


def test_words_fill_lines_exactly():
    assert reflow("aa bb cc dd", 5) == "aa bb\ncc dd\n"
    assert reflow("aa bb cc dd", 4) == "aa\nbb\ncc\ndd\n"


def test_marks_count_as_characters():
    assert reflow("> aa bb", 7) == "> aa bb\n"
    assert reflow("> aa bb", 6) == "> aa\n> bb\n"
    assert reflow(">>> a b", 6) == ">>> a\n>>> b\n"


def test_a_long_word_is_not_cut():
    assert reflow("a incomprehensible b", 6) == "a\nincomprehensible\nb\n"
    assert reflow("> incomprehensible b", 6) == "> incomprehensible\n> b\n"


def test_marks_may_be_written_in_many_ways():
    assert reflow("> > a\n>>b\n  >  >   c", 20) == ">> a b c\n"


def test_a_mark_after_a_word_is_text():
    assert reflow("a > b\n> c >d", 20) == "a > b\n> c >d\n"


def test_white_space_between_words_becomes_one_space():
    assert reflow("  a \t b\n\tc", 20) == "a b c\n"


def test_depth_changes_without_an_empty_line():
    assert reflow("a\n> b\n>> c\nd", 20) == "a\n> b\n>> c\nd\n"


def test_empty_lines_in_a_row_become_one():
    assert reflow("a\n\n   \n\nb", 20) == "a\n\nb\n"
    assert reflow("> a\n>\n> \n>b", 20) == "> a\n>\n> b\n"


def test_empty_lines_of_different_depth_stay_apart():
    assert reflow("> a\n>\n\n>\nb", 20) == "> a\n>\n\n>\nb\n"
    assert reflow("a\n\n> >\n\nb", 20) == "a\n\n>>\n\nb\n"


def test_empty_lines_around_the_text_are_left_out_unless_they_are_quoted():
    assert reflow("\n \na\n\n\n", 20) == "a\n"
    assert reflow("\n>\na\n>>\n\n", 20) == ">\na\n>>\n"


def test_two_spaces_ask_for_a_break():
    assert reflow("a  \nb\nc   \nd", 20) == "a\nb c\nd\n"
    assert reflow("> a  \n> b", 20) == "> a\n> b\n"


def test_one_space_asks_for_nothing():
    assert reflow("a \nb", 20) == "a b\n"


def test_a_break_at_the_end_of_a_paragraph_adds_nothing():
    assert reflow("a  \n\nb  ", 20) == "a\n\nb\n"


def test_spaces_after_marks_alone_are_no_break():
    assert reflow("a\n>   \nb", 20) == "a\n>\nb\n"


def test_empty_texts():
    assert reflow("", 10) == ""
    assert reflow("\n  \n\n", 10) == ""
    assert reflow(">", 10) == ">\n"


def test_a_width_without_room_is_refused():
    assert refuses(0)
    assert refuses(-3)
    assert reflow("a b", 1) == "a\nb\n"


def test_words_survive_and_a_second_time_changes_nothing():
    dice = random.Random(41)
    for _ in range(300):
        lines = []
        for _ in range(dice.randrange(8)):
            words = " ".join("w" * dice.randrange(1, 9) for _ in range(dice.randrange(5)))
            lines.append(">" * dice.randrange(3) + " " + words)
        text, width = "\n".join(lines), dice.randrange(4, 30)
        made = reflow(text, width)
        assert made.replace(">", " ").split() == text.replace(">", " ").split()
        assert reflow(made, width) == made
        for line in made.splitlines():
            assert line == line.rstrip()
            assert len(line) <= width or len(line.replace(">", " ").split()) == 1
