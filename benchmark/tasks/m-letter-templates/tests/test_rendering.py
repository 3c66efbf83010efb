"""What templates become."""

import random

import pytest
from lettering import TemplateError, render


def complaint(template, data=None, parts=None):
    with pytest.raises(TemplateError) as caught:
        render(template, {} if data is None else data, parts)
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "\n", "a", "a\n", "a\n\n", " a\t\n\nb ", "50% off\n%x\n100 %", "[x] ]] [", "a\\b\r\n", "\u2028é"]
)
def test_text_without_marks_stays(text):
    assert render(text, {}) == text


def test_directives_vanish_and_escapes():
    assert render("a\n  % # note [[\n%  #\nb", {}) == "a\nb"
    assert render("% if x\n  %% [[x]]%%\n%%%\n%%x\n  % end", {"x": 1}) == "  % 1%%\n%%\n%x\n"
    assert render("\\[[x]] \\\\[[x]] [[x]]\\", {"x": "[[y]]"}) == "[[x]] \\[[x]] [[y]]\\"


def test_values_as_text():
    data = {"a": "x", "b": 1.50, "c": True, "d": False, "e": None, "f": 0, "g": "", "_1": -3}
    assert render("[[a]],[[b]],[[c]],[[d]],[[e]],[[f]],[[g]],[[ _1 ]]", data) == "x,1.5,yes,no,,0,,-3"


def test_paths():
    data = {"a": {"b": [{"c": 1}, ["x", "y"]], "0": "zero", "None": 2}, "1": "one"}
    assert render("[[a.b.0.c]] [[a.b.1.1]] [[a.0]] [[1]] [[a.None]]", data) == "1 y zero one 2"
    assert render("[[x?]]-[[a.b.2?]]-[[a.x.y.z?]]-[[a.b.c?]]-[[1.a?]]", data) == "----"


@pytest.mark.parametrize(
    ("path", "named"),
    [("x.y", "x"), ("a.x.y", "a.x"), ("a.b.2", "a.b.2"), ("a.b.-1", None), ("a.c.0", "a.c.0"), ("a.n.x", "a.n.x")],
)
def test_paths_that_lead_nowhere(path, named):
    data = {"a": {"b": [1, 2], "c": "text", "n": None}}
    said = complaint(f"\n[[{path}]]\n", data)
    assert said == (f"line 2: '{named}' is not there" if named else f"line 2: bad path '{path}'")


def test_loops():
    template = (
        "% for x in xs\n[[loop.number]]/[[loop.count]] [[x]] [[loop.first]] [[loop.last]]\n%  else\nnone\n% end\n"
    )
    assert render(template, {"xs": ["a", "b"]}) == "1/2 a yes no\n2/2 b no yes\n"
    assert render(template, {"xs": []}) == render(template, {"xs": None}) == "none\n"
    assert render("% for x in no.where?\n[[x]]\n% end\n.", {}) == "."


def test_names_of_inner_loops_hide_and_come_back():
    template = (
        "% for x in xs\n% for x in x\n[[loop.number]][[x]]\n% end\n[[x|join:+]] [[loop.number]]\n% end\n[[x]] [[loop]]"
    )
    data = {"xs": [[1, 2], [3]], "x": "outer", "loop": "mine"}
    assert render(template, data) == "11\n22\n1+2 1\n13\n3 2\nouter mine"


def test_conditions():
    template = "% if a\n1\n% elif b.c?\n2\n% elif not d\n3\n% else\n4\n% end\n"
    for true in (1, -0.5, "0", [0], {"x": 0}, True):
        assert render(template, {"a": true}) == "1\n"
    for false in (0, 0.0, "", [], {}, False, None):
        assert render(template, {"a": false, "b": {"c": 1}}) == "2\n"
        assert render(template, {"a": false, "b": {}, "d": false}) == "3\n"
        assert render(template, {"a": false, "d": [false]}) == "4\n"
    assert complaint(template, {"a": 0}) == "line 5: 'd' is not there"


def test_comparisons():
    template = "% if a is  not  so  sure \n1\n% elif a is not\n2\n% elif a is yes\n3\n% else\n4\n% end\n"
    assert render(template, {"a": "other"}) == "1\n"
    data = {"a": "x"}
    assert render("% if a is x\n1\n% end\n% if a is not x\n2\n% end\n% if a is X\n3\n% end\n", data) == "1\n"
    assert render("% if a is in  two\n1\n% end\n", {"a": "in  two"}) == "1\n"
    assert render("% if a is no\n1\n% end\n% if b is 1.5\n2\n% end\n", {"a": False, "b": 1.5}) == "1\n2\n"
    assert render("% if a? is not x\n1\n% end\n", {}) == "1\n"
    assert complaint("\n% if a.b is x\n% end\n", {"a": {"b": [1]}}) == "line 2: 'a.b' is a list and has no text"


def test_fixed():
    table = [(2.345, 2, "2.35"), (-2.345, 2, "-2.35"), (0.5, 0, "1"), (1.5, 0, "2"), (2.5, 0, "3"), (1.005, 2, "1.01")]
    table += [
        (-0.004, 2, "0.00"),
        (7, 3, "7.000"),
        (1e20, 1, "1" + "0" * 20 + ".0"),
        (10**30 + 1, 2, f"{10**30 + 1}.00"),
    ]
    table += [(1e-7, 9, "0.000000100"), (0.1 + 0.2, 9, "0.300000000")]
    for number, decimals, text in table:
        assert render(f"[[x|fixed:{decimals}]]", {"x": number}) == text


def test_other_filters():
    data = {"t": " Aé\n", "n": -7, "l": ["x", 1.5, True, None], "e": "", "none": None, "f": False}
    assert render("[[t|trim|upper]].[[t|upper|trim|pad:4]].[[n|pad:-4]].[[n|pad:1]]", data) == "AÉ.AÉ  .  -7.-7"
    assert render("[[l|join:, ]].[[l| join :]].[[l|count]].[[e|count]]", data) == "x, 1.5, yes, .x1.5yes.4.0"
    assert render("[[e|or:- ]].[[none|or::]].[[f|or:x]].[[l|or:x|count]].[[e|or:a|or:b]]", data) == "- .:.no.4.a"
    assert render("[[t|count|fixed:1]] [[l|count|pad:-3]]|", data) == "4.0   4|"


@pytest.mark.parametrize(
    ("call", "value", "kind"),
    [
        ("upper", 1, "number"),
        ("trim", None, "nothing"),
        ("fixed:2", "1.5", "text"),
        ("fixed:2", True, "flag"),
        ("pad:3", False, "flag"),
        ("pad:3", None, "nothing"),
        ("join:,", {"a": 1}, "record"),
        ("join:,", "abc", "text"),
        ("count", {}, "record"),
        ("count", 3, "number"),
    ],
)
def test_filters_take_only_their_kinds(call, value, kind):
    name = call.partition(":")[0]
    assert complaint(f"\n[[x|{call}]]", {"x": value}) == f"line 2: filter '{name}' cannot take a {kind}"


def test_what_has_no_text_and_cannot_be_repeated():
    data = {"a": {"l": [[1]], "r": {}}}
    assert complaint("[[a.l]]", data) == "line 1: 'a.l' is a list and has no text"
    assert complaint("[[a.r?]]", data) == "line 1: 'a.r' is a record and has no text"
    assert complaint("[[a.l|join:-]]", data) == "line 1: 'a.l' is a list and has no text"
    assert complaint("% for x in a\n% end", data) == "line 1: cannot repeat 'a', it is a record"
    assert complaint("\n% for x in b?\n% end", {"b": "text"}) == "line 2: cannot repeat 'b', it is a text"


def test_later_lines_of_values_are_indented():
    data = {"x": "a\n\n b\n", "y": "1\n2"}
    assert render("  [[x]]!\n", data) == "  a\n\n   b\n!\n"
    assert render("- [[y]]\n  [[y]] [[y]]\n", data) == "- 1\n2\n  1\n  2 1\n2\n"


def test_parts():
    parts = {"p": "[[x]]\n\n  [[y]]", "list": "% for x in xs\n  % use p\n% end\n", "none": "% if y is z\nz\n% end\n"}
    data = {"x": "X", "y": "1\n2", "xs": ["a", "b"]}
    assert render("% use p\n.", data, parts) == "X\n\n  1\n  2\n."
    assert (
        render(" % use list\n  % use none\nend", data, parts) == "   a\n\n     1\n     2\n   b\n\n     1\n     2\nend"
    )


def test_errors_in_parts_name_the_innermost():
    parts = {"a": "\n% use b\n", "b": "\n\n[[x]]", "c": "% use d\n", "d": "\n% use c\n", "me": "% use me\n"}
    assert complaint("% use a\n", {}, parts) == "part b, line 3: 'x' is not there"
    assert complaint("% use a\n[[y]]", {"x": 1}, parts) == "line 2: 'y' is not there"
    assert complaint("% use c", {}, parts) == "part d, line 2: part 'c' uses itself"
    assert complaint("% use me", {}, parts) == "part me, line 1: part 'me' uses itself"
    assert complaint("\n% use x") == "line 2: no part 'x'"
    assert render("% use b\n% use b", {"x": 1}, parts) == "\n\n1\n\n\n1\n"


def test_nested_blocks_at_random():
    rng = random.Random(11)

    def build(depth):
        lines, expected = [], []
        for _ in range(rng.randrange(1, 4)):
            if depth == 0 or rng.random() < 0.4:
                word = f"w{rng.randrange(100)}"
                lines.append(word)
                expected.append(word)
                continue
            inner, shown = build(depth - 1)
            other, otherwise = build(depth - 1)
            if rng.random() < 0.5:
                size = rng.randrange(3)
                lines += [f"% for i in n{size}", *inner, "% else", *other, "% end"]
                expected += shown * size if size else otherwise
            else:
                true = rng.random() < 0.5
                lines += [f"% if {'yes' if true else 'no'}", *inner, " % else", *other, "% end"]
                expected += shown if true else otherwise
        return lines, expected

    data = {"n0": [], "n1": [1], "n2": [1, 2], "yes": 1, "no": 0}
    for _ in range(60):
        lines, expected = build(4)
        assert render("\n".join(lines) + "\n", data) == "".join(f"{line}\n" for line in expected)
