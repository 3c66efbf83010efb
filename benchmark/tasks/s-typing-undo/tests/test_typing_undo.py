import random

from typing_undo import Buffer


def typed(text, **more):
    buffer = Buffer(**more)
    for char in text:
        buffer.type(char)
    return buffer


def texts(buffer):
    """The text after each undo until there is nothing to take back."""
    found = []
    while buffer.undo():
        found.append(buffer.text)
    return found


def refuses(call, *given):
    try:
        call(*given)
    except ValueError:
        return True
    return False


def test_empty():
    buffer = Buffer()
    assert (buffer.text, buffer.cursor) == ("", 0)
    assert buffer.undo() is False
    assert buffer.redo() is False


def test_typing_at_the_cursor():
    buffer = typed("ac")
    buffer.move(1)
    buffer.type("b")
    assert (buffer.text, buffer.cursor) == ("abc", 2)


def test_backspace():
    buffer = typed("abc")
    buffer.move(2)
    buffer.backspace()
    assert (buffer.text, buffer.cursor) == ("ac", 1)
    buffer.backspace()
    buffer.backspace()
    assert (buffer.text, buffer.cursor) == ("c", 0)


def test_a_word_is_a_step():
    assert texts(typed("word")) == [""]


def test_white_space_belongs_to_the_word_before_it():
    assert texts(typed("one two  three")) == ["one two  ", "one ", ""]
    assert texts(typed("a\tb\nc")) == ["a\tb\n", "a\t", ""]
    assert texts(typed("a ")) == [""]


def test_white_space_at_the_beginning_is_a_step():
    assert texts(typed("  a b")) == ["  a ", "  ", ""]


def test_taking_away_is_one_step():
    buffer = typed("a b c")
    for _ in range(3):
        buffer.backspace()
    assert buffer.text == "a "
    assert texts(buffer) == ["a b c", "a b ", "a ", ""]


def test_typing_and_taking_away_are_different_steps():
    buffer = typed("ab")
    buffer.backspace()
    buffer.type("c")
    assert texts(buffer) == ["a", "ab", ""]


def test_typing_after_taking_away_white_space():
    buffer = typed("a ")
    buffer.backspace()
    buffer.type("b")
    buffer.type("c")
    assert texts(buffer) == ["a", "a ", ""]


def test_a_move_ends_a_step():
    buffer = typed("ab")
    buffer.move(0)
    buffer.move(2)
    buffer.type("c")
    assert texts(buffer) == ["ab", ""]
    buffer = typed("abcd")
    buffer.backspace()
    buffer.move(1)
    buffer.backspace()
    assert texts(buffer) == ["abc", "abcd", ""]


def test_white_space_after_a_move_begins_a_step():
    buffer = typed("ab")
    buffer.move(1)
    buffer.type(" ")
    buffer.type("c")
    assert texts(buffer) == ["a b", "ab", ""]


def test_calls_that_do_nothing_end_no_step():
    buffer = typed("ab")
    buffer.move(2)
    buffer.redo()
    assert refuses(buffer.move, 9)
    assert refuses(buffer.type, "xy")
    buffer.type("c")
    assert texts(buffer) == [""]
    buffer = Buffer()
    buffer.undo()
    buffer.type("a")
    buffer.move(0)
    buffer.type("b")
    buffer.move(0)
    buffer.backspace()
    buffer.type("c")
    assert (buffer.text, texts(buffer)) == ("cba", ["ba", "a", ""])


def test_backspace_at_the_beginning_ends_no_step():
    buffer = typed("xy")
    buffer.move(1)
    buffer.backspace()
    buffer.backspace()
    assert (buffer.text, texts(buffer)) == ("y", ["xy", ""])


def test_undo_puts_the_cursor_where_the_step_began():
    buffer = typed("abcd")
    buffer.move(1)
    buffer.type("x")
    buffer.type("y")
    buffer.move(5)
    assert buffer.undo() is True
    assert (buffer.text, buffer.cursor) == ("abcd", 1)


def test_redo_puts_the_cursor_where_the_step_ended():
    buffer = typed("abcd")
    buffer.move(3)
    buffer.backspace()
    buffer.backspace()
    buffer.undo()
    assert (buffer.text, buffer.cursor) == ("abcd", 3)
    buffer.move(0)
    assert buffer.redo() is True
    assert (buffer.text, buffer.cursor) == ("ad", 1)


def test_redo_goes_on_to_the_newest():
    buffer = typed("a b c")
    assert texts(buffer) == ["a b ", "a ", ""]
    assert [buffer.redo() and buffer.text for _ in range(4)] == ["a ", "a b ", "a b c", False]


def test_typing_after_undo_or_redo_begins_a_step():
    buffer = typed("ab cd")
    buffer.undo()
    buffer.type(" ")
    assert texts(buffer) == ["ab ", ""]
    buffer = typed("ab")
    buffer.undo()
    buffer.redo()
    buffer.type("c")
    assert texts(buffer) == ["ab", ""]


def test_a_change_forgets_what_was_taken_back():
    buffer = typed("a b")
    buffer.undo()
    buffer.type("c")
    assert buffer.redo() is False
    assert buffer.text == "a c"


def test_moves_and_failed_calls_forget_nothing():
    buffer = typed("a b")
    buffer.undo()
    buffer.move(0)
    buffer.backspace()
    assert refuses(buffer.type, "")
    assert buffer.redo() is True
    assert buffer.text == "a b"


def test_limit():
    buffer = typed("a b c d", limit=2)
    assert texts(buffer) == ["a b c ", "a b "]
    assert [buffer.redo(), buffer.redo(), buffer.redo()] == [True, True, False]
    assert buffer.text == "a b c d"
    assert texts(typed("one two", limit=1)) == ["one "]
    assert refuses(Buffer, 0)
    assert len(texts(typed("a " * 150))) == 100


def test_positions_that_are_refused():
    buffer = typed("ab")
    assert refuses(buffer.move, -1)
    assert refuses(buffer.move, 3)
    buffer.move(0)
    assert buffer.cursor == 0


def test_undo_and_redo_are_each_others_opposite():
    dice = random.Random(12)
    for _ in range(100):
        buffer = Buffer()
        for _ in range(60):
            action = dice.randrange(10)
            if action < 5:
                buffer.type(dice.choice("ab "))
            elif action < 8:
                buffer.backspace()
            else:
                buffer.move(dice.randint(0, len(buffer.text)))
        end, back = buffer.text, texts(buffer)
        assert not back or back[-1] == ""
        again = [buffer.text]
        while buffer.redo():
            again.append(buffer.text)
        assert again == [*reversed(back), end] if back else again == [end]
