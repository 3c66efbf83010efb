"""What a record costs, and where the tariff is wrong when that cannot be said."""

from decimal import Decimal

import pytest
import tariff


def quote(text, record=None):
    return tariff.price(tariff.load(text), record or {})


def value(expression, record=None):
    """The expression's value as the total of a tariff, or as 1 and 0."""
    return str(quote(f'rule "a" {{ add {expression}; }}', record).total)


def truth(expression, record=None):
    return quote(f'rule "a" when {expression} {{ add 1; }}', record).total == 1


def where(text, record=None):
    loaded = tariff.load(text)
    with pytest.raises(tariff.TariffError) as caught:
        tariff.price(loaded, record or {})
    return caught.value.line, caught.value.column


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", "7.00"),
        ("(1 + 2) * 3", "9.00"),
        ("10 - 4 - 3", "3.00"),
        ("100 / 10 / 5", "2.00"),
        ("-2 * -3", "6.00"),
        ("--2", "2.00"),
        ("2 - -3", "5.00"),
        ("10 / 4", "2.50"),
        ("0.1 + 0.2 - 0.3", "0.00"),
        ("1 / 3 * 3", "1.00"),
        ("min(3, 1, 2) + max(7)", "8.00"),
        ('len("größe")', "5.00"),
        ("round(2.5) + round(-2.5)", "0.00"),
        ("round(0.125, 2) * 100", "13.00"),
        ("round(-0.5)", "-1.00"),
        ("round(3, 6)", "3.00"),
    ],
)
def test_arithmetic(expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("not true or true", True),
        ("not (true or true)", False),
        ("not false = false", False),
        ("not 1 = 2", True),
        ("1 + 1 = 2 and 2 * 2 > 3", True),
        ("1.0 = 1", True),
        ('"b" > "a" and "B" < "a"', True),
        ('"10" < "9"', True),
        ("true = false", False),
        ("true != false", True),
        ("3 in (1, 2, 1 + 2)", True),
        ('"a" in ("b")', False),
        ("2 >= 2 and 2 <= 2 and not 2 > 2 and not 2 < 2", True),
    ],
)
def test_conditions(expression, expected):
    assert truth(expression) is expected


def test_rules_are_taken_in_the_order_of_the_file():
    assert str(quote('rule "b" { add 10; } rule "a" { scale 2; } rule "c" { add 1; }').total) == "21.00"


def test_cap_and_floor_hold_the_total_where_they_stand():
    assert str(quote('rule "a" { add 10; cap 7; add 1; floor 3; floor 9; cap 20; }').total) == "9.00"


def test_stop_ends_the_pricing_and_not_only_the_rule():
    found = quote('rule "a" { add 1; stop; add 2; } rule "b" { add 4; }')
    assert (str(found.total), [s.statement for s in found.steps]) == ("1.00", ["add 1", "stop"])


def test_reject_makes_the_total_nothing_and_ends_the_pricing():
    found = quote('rule "a" { add 5; reject "no"; add 7; } rule "b" { add 4; }')
    assert (str(found.total), found.rejected) == ("0.00", "no")
    assert [(s.statement, s.total) for s in found.steps] == [("add 5", 5), ('reject "no"', 0)]


def test_what_is_not_rejected_says_so():
    assert quote("").rejected is None
    assert quote('rule "a" { reject ""; }').rejected == ""


def test_only_the_final_total_is_rounded():
    found = quote('rule "a" { add 0.004; add 0.004; } rule "b" { scale 1.5; }')
    assert [s.total for s in found.steps] == [Decimal("0.004"), Decimal("0.008"), Decimal("0.0120")]
    assert str(found.total) == "0.01"


@pytest.mark.parametrize(
    ("amount", "total"),
    [
        ("0.125", "0.13"),
        ("0.115", "0.12"),
        ("-0.125", "-0.13"),
        ("2.675", "2.68"),
        ("-0.004", "0.00"),
        ("1.005", "1.01"),
    ],
)
def test_halves_go_away_from_zero_and_zero_has_no_sign(amount, total):
    assert value(amount) == total


def test_a_float_counts_as_the_decimal_it_is_printed_as():
    assert value("x * 100", {"x": 1.15}) == "115.00"
    assert value("x", {"x": Decimal("0.005")}) == "0.01"
    assert truth("x = 0.1", {"x": 0.1})


def test_booleans_are_no_numbers():
    assert truth("x", {"x": True})
    assert where('rule "a" { add x; }', {"x": True}) == (1, 12)
    assert where('rule "a" when x = 1 {}', {"x": True}) == (1, 17)


def test_has_and_missing_fields():
    assert truth("has(x)", {"x": 0})
    assert not truth("has(x)", {"x": None})
    assert not truth("has(x)")
    assert not truth("has(x) and x > 1")
    assert truth("not has(x) or x > 1")


def test_function_names_can_be_fields():
    assert value("min + max(len, 1) - round", {"min": 1, "len": 5, "round": 2}) == "4.00"
    assert truth("has(has)", {"has": False})


def test_a_let_hides_the_field_only_below_itself():
    text = 'rule "a" { add x; }\nlet x = x * 10;\nrule "b" { add x; }'
    assert [s.total for s in quote(text, {"x": 2}).steps] == [2, 22]


def test_a_let_is_bound_where_it_is_written():
    text = 'let a = b;\nlet b = 100;\nrule "r" { add a; }'
    assert value("1") == "1.00"
    assert str(quote(text, {"b": 3}).total) == "3.00"


def test_has_looks_past_lets():
    assert str(quote('let x = 1; rule "a" when not has(x) { add x; }').total) == "1.00"


def test_a_let_that_fails_does_no_harm_where_it_is_not_used():
    text = 'let a = 1 / 0;\nlet b = missing;\nrule "x" when false { add a; }\nrule "y" { add 1; }\nrule "z" when true or b { stop; }'
    assert str(quote(text).total) == "1.00"


def test_and_or_and_in_look_no_further_than_they_must():
    assert truth("true or 1")
    assert not truth("false and 1")
    assert truth('1 in (1, "a", missing)')


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("1 / (2 - 2)", 15),
        ('1 + "a"', 15),
        ('-"a"', 13),
        ("not 1", 13),
        ("1 and true", 15),
        ("true and 1", 18),
        ("false or 1", 19),
        ('1 = "1"', 15),
        ("true < false", 18),
        ('"a" >= 1', 17),
        ('2 in (1, "2")', 15),
        ('1 + max(1, "2")', 17),
        ("len(1)", 13),
        ("round(1, 7)", 13),
        ("round(1, 0.5)", 13),
        ("round(1, -1)", 13),
        ("1 + gone * 2", 17),
        ("1 + nested", 17),
    ],
)
def test_errors_point_at_what_cannot_use_its_values(expression, column):
    text = f'# one\nlet value = {expression};\nrule "a" when value = 1 {{}}'
    assert where(text, {"nested": [1], "gone": None}) == (2, column)


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ('rule "a" when 1 {}', (1, 10)),
        ('rule "a" { add "x"; }', (1, 12)),
        ('rule "a" {\n scale true; }', (2, 2)),
        ('rule "a" { cap ""; }', (1, 12)),
        ('rule "a" { floor 1 = 1; }', (1, 12)),
    ],
)
def test_errors_point_at_the_keyword_that_cannot_use_its_value(rule, place):
    assert where(rule) == place


def test_the_record_is_not_changed_and_a_tariff_can_be_used_again():
    loaded = tariff.load('rule "a" { add x; }')
    record = {"x": 1.5}
    assert [str(tariff.price(loaded, record).total) for _ in range(2)] == ["1.50", "1.50"]
    assert record == {"x": 1.5}
