"""Needs and timetables as text: what is read, and which line is to blame."""

import examplan
import pytest

BASE = "slots mon-am mon-pm\nroom hall 50 has piano\nexam maths 20 groups 9a\nexam art 20 groups 9b\n"


def blamed(text, read=examplan.read_needs):
    with pytest.raises(examplan.NeedsError) as caught:
        read(text)
    error = caught.value
    assert str(error) == f"line {error.line}: {error.message}"
    return error.line


def plan(text):
    return examplan.plan(examplan.read_needs(text))


def test_comments_blank_lines_and_white_space():
    text = "# needs\n\n  slots\ta   b# c\r\n \t \nroom r 1#\nexam x 1 groups g\n"
    assert plan(text) == {"x": ("a", "r")}


def test_nothing_is_needed_nothing_is_planned():
    assert plan("") == {}
    assert plan("slots a\nroom r 1\n") == {}


def test_statements_may_stand_in_any_order():
    text = (
        "before b a\nlimit g 1\nfix a in r\nclosed r d1\nexam a 1 groups g\nexam b 1 groups g needs x\n"
        "room q 1 has x\nroom r 1\nslots d0 d1\nslots d2\n"
    )
    assert plan(text) == {"a": ("d2", "r"), "b": ("d0", "q")}


def test_names_of_different_kinds_may_be_alike():
    assert plan(
        "slots x\nroom x 1 has x\nexam x 1 groups x needs x\nfix x at x in x\nlimit x 1\nclosed x y\nslots y"
    ) == {"x": ("x", "x")}


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "Slots a",
        "slots",
        "slots tue tue",
        "slots mon-am",
        "slots a,b",
        "room lab",
        "room lab many",
        "room lab 0",
        "room lab 10000",
        "room lab -5",
        "room lab 1.5",
        "room lab ٣",
        "room hall 20",
        "room lab 20 sinks",
        "room lab 20 has",
        "room lab 20 has a a",
        "room lab 20 has a, b",
        "exam bio 20",
        "exam bio 20 groups",
        "exam bio 20 groups 9a 9a",
        "exam maths 20 groups 9a",
        "exam bio 20 9a",
        "exam bio 20 groups 9a needs",
        "exam bio 20 groups 9a needs x x",
        "exam bio groups 9a",
        "exam bïo 5 groups 9a",
        "closed hall",
        "closed attic mon-am",
        "closed hall sunday",
        "closed hall mon-am mon-am",
        "fix maths",
        "fix maths mon-am",
        "fix maths at",
        "fix maths at hall",
        "fix maths in mon-am",
        "fix maths in hall at mon-am",
        "fix maths at mon-am hall",
        "fix bio at mon-am",
        "before maths",
        "before maths maths",
        "before maths bio",
        "before maths art bio",
        "apart maths art",
        "apart maths art 0",
        "apart art art 2",
        "apart bio art 2",
        "limit 9a",
        "limit 9c 1",
        "limit 9a 1 2",
        "limit 9a one",
    ],
)
def test_mistakes_are_reported_in_their_line(line):
    assert blamed(f"{BASE}{line}\n") == 5


def test_a_second_definition_is_the_mistake_not_the_first():
    for line in ("slots mon-pm", "room hall 20", "exam art 20 groups 9a"):
        assert blamed(f"{BASE}\n# again\n{line}\n") == 7
        assert blamed(f"{line}\n{BASE}") > 1


def test_the_first_wrong_line_counts_whatever_is_wrong_with_it():
    assert blamed("before a b\nslots x x\n") == 1
    assert blamed("slots x x\nbefore a b\n") == 1
    assert blamed("slots x\nlimit g 1\nwrong\n") == 2


def test_timetables_are_read_and_written():
    text = "b mon r1 # comment\n\n  a\ttue r2\n"
    timetable = examplan.read_plan(text)
    assert list(timetable.items()) == [("b", ("mon", "r1")), ("a", ("tue", "r2"))]
    assert examplan.write_plan(timetable) == "b mon r1\na tue r2\n"
    assert examplan.write_plan({}) == ""
    assert examplan.read_plan("# none\n") == {}


@pytest.mark.parametrize("line", ["a b", "a b c d", "a b c,", "x mon r2"])
def test_mistakes_in_timetables(line):
    assert blamed(f"\nx mon r1\n{line}\n", examplan.read_plan) == 3
