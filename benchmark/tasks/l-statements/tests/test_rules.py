"""Rules."""

import pytest
import tally


def category(rules, description="Corner Shop", cents=-1250):
    return tally.Rules(rules).category(description, cents)


def test_without_a_match_it_is_unsorted():
    assert category("") == "unsorted"
    assert category("food: market") == "unsorted"


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("Corner Shop", True),
        ("corner shop", True),
        ("corner", False),
        ("corner*", True),
        ("*shop", True),
        ("*n*r*s*", True),
        ("*", True),
        ("corner shop*", True),
        ("c*r shop x*", False),
        ("corner.shop", False),
        ("(.*)", False),
        ("co?ner*", False),
    ],
)
def test_patterns_match_the_whole_description(pattern, matches):
    assert category(f"food: {pattern}") == ("food" if matches else "unsorted")


def test_what_is_special_elsewhere_is_plain_here():
    assert category("x: a+b (c) [d]: e.*", "A+B (C) [D]: E. f") == "x"


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ("< -12.49", True),
        ("< -12.50", False),
        ("<= -12.5", True),
        ("> -12.5", False),
        (">= -12.50", True),
        ("= -12.5", True),
        ("= 12.50", False),
        ("> 0", False),
        ("<0", True),
        (">   -1,000.00", True),
    ],
)
def test_conditions_look_at_the_signed_amount(condition, matches):
    assert category(f"food: * if {condition}") == ("food" if matches else "unsorted")


def test_the_first_rule_that_matches_decides():
    rules = "# mine\n\nfood/snacks: *shop if > -5\nfood: *shop\n   \nother: *\n"
    assert [category(rules, "A shop", cents) for cents in (-499, -500)] == ["food/snacks", "food"]
    assert category(rules, "x") == "other"


def test_the_last_if_begins_the_condition():
    assert category("food: what if * if < 0", "What if we eat") == "food"
    assert category("food: *if*", "What if we eat") == "food"


@pytest.mark.parametrize(
    "line",
    [
        "food",
        "food:",
        "food:  ",
        ": x",
        "Food: x",
        "fo od: x",
        "food/: x",
        "/food: x",
        "a//b: x",
        "transfer: x",
        "unsorted: x",
        "é: x",
        "food: if < 5",
        "food: x if 5",
        "food: x if < five",
        "food: x if <> 5",
        "food: what if we eat",
        "food: x if < 1.234",
    ],
)
def test_wrong_lines(line):
    with pytest.raises(tally.RulesError) as caught:
        tally.Rules(f"# one\n\nok: x\n{line}\nalso wrong\n")
    assert caught.value.line == 4
    assert str(caught.value) == f"line 4: {caught.value.message}"


def test_taken_names_are_fine_below_others():
    assert category("my/transfer: *") == "my/transfer"
