"""Mistakes of form: found before anything is rendered, with their line."""

import pytest
from lettering import TemplateError, render


def complaint(template, data=None, parts=None):
    with pytest.raises(TemplateError) as caught:
        render(template, {} if data is None else data, parts)
    return caught.value


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("% while x", "unknown directive 'while'"),
        ("%", "unknown directive ''"),
        ("% For x in y", "unknown directive 'For'"),
        ("% for x of y", "expected 'for NAME in PATH'"),
        ("% for x.y in z", "expected 'for NAME in PATH'"),
        ("% for x in y z", "expected 'for NAME in PATH'"),
        ("% if", "expected 'if CONDITION'"),
        ("% if a b", "expected 'if CONDITION'"),
        ("% if a..b", "expected 'if CONDITION'"),
        ("% use", "expected 'use NAME'"),
        ("% use a b", "expected 'use NAME'"),
        ("% end", "'end' without 'for' or 'if'"),
        ("% else", "'else' without 'for' or 'if'"),
        ("% else if x", "nothing may follow 'else'"),
        ("% end for", "nothing may follow 'end'"),
        ("% elif x", "'elif' without 'if'"),
        ("x [[a] ]", "'[[' is not closed"),
        ("[[a]] [[b", "'[[' is not closed"),
        ("[[ a b ]]", "bad path 'a b'"),
        ("[[]]", "bad path ''"),
        ("[[a.?]]", "bad path 'a.?'"),
        ("[[ä]]", "bad path 'ä'"),
        ("[[a|lower]]", "no filter 'lower'"),
        ("[[a|]]", "no filter ''"),
        ("[[a|fixed]]", "filter 'fixed' needs a number"),
        ("[[a|fixed:10]]", "filter 'fixed' needs a number"),
        ("[[a|fixed: 2]]", "filter 'fixed' needs a number"),
        ("[[a|pad:+3]]", "filter 'pad' needs a number"),
        ("[[a|join]]", "filter 'join' needs a text"),
        ("[[a|or]]", "filter 'or' needs a text"),
        ("[[a|upper:x]]", "filter 'upper' takes no argument"),
        ("[[a|count:]]", "filter 'count' takes no argument"),
    ],
)
def test_mistakes_in_one_line(line, problem):
    error = complaint(f"[[gone]]\n\n{line}\n% nonsense\n")
    assert (str(error), error.line) == (f"line 3: {problem}", 3)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("% if a\n% else\n% else\n% end\n", "line 3: 'else' twice"),
        ("% for a in b\n% else\n% else\n", "line 3: 'else' twice"),
        ("% if a\n% else\n% elif b\n% end\n", "line 3: 'elif' without 'if'"),
        ("% if a\n% for b in c\n% elif d\n% end\n% end\n", "line 3: 'elif' without 'if'"),
        ("% if a\n% elif\n% end\n", "line 2: expected 'elif CONDITION'"),
        ("% if a\n% end\n% end\n", "line 3: 'end' without 'for' or 'if'"),
        ("x\n% for a in b\n", "line 2: 'for' has no end"),
        ("% for a in b\n% if c\nx", "line 2: 'if' has no end"),
        ("% for a in b\n% if c\n% end\nx", "line 1: 'for' has no end"),
        ("% if a\nx\n[[\n", "line 3: '[[' is not closed"),
        ("% if a\n[[b|no]]\n% end\n", "line 2: no filter 'no'"),
    ],
)
def test_mistakes_of_blocks(template, problem):
    assert str(complaint(template, {"a": ""})) == problem


def test_parts_are_checked_when_they_are_used():
    parts = {"bad": "x\n% end\n", "good": "y"}
    assert render("% if a\n% use bad\n% end\n% use good\n", {"a": 0}, parts) == "y\n"
    error = complaint("1\n2\n% use bad\n", {}, parts)
    assert (str(error), error.line) == ("part bad, line 2: 'end' without 'for' or 'if'", 2)


def test_nothing_of_the_data_is_looked_at_before():
    assert str(complaint("[[gone]]\n% if gone\n% end\n% end\n")) == "line 4: 'end' without 'for' or 'if'"
