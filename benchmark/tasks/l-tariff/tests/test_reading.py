"""What can be read, and where that is wrong which cannot."""

import pytest
import tariff


def where(text):
    with pytest.raises(tariff.TariffError) as caught:
        tariff.load(text)
    error = caught.value
    assert str(error) == f"{error.line}:{error.column}: {error.message}"
    return error.line, error.column


def total(text, record=None):
    return str(tariff.price(tariff.load(text), record or {}).total)


def test_an_empty_file_and_one_of_comments_are_tariffs_without_rules():
    for text in ("", "\n\n", "# nothing", "# nothing\r\n  # more\n"):
        assert total(text) == "0.00"


def test_white_space_and_comments_mean_nothing():
    assert total('rule"a"{add 1;add 2;}') == "3.00"
    assert total('rule # x\n"a"\t{\r\n add # 5;\r\n 1\n;\n}') == "1.00"


def test_a_hash_inside_text_is_no_comment():
    assert total('rule "a # b" when "#" = "#" { add 1; } # end') == "1.00"


@pytest.mark.parametrize(
    ("written", "value"),
    [("1_000.50", "1000.50"), ("1_2.2_5", "12.25"), ("12%", "0.12"), ("2.5%", "0.03"), ("007", "7.00"), ("0", "0.00")],
)
def test_numbers(written, value):
    assert total(f'rule "a" {{ add {written}; }}') == value


@pytest.mark.parametrize("written", ["1__0", "1_", "2.", "2.x", "1.2.3", "12abc", "1_.5", "5%a", "3e4"])
def test_a_malformed_number_is_reported_at_its_first_digit(written):
    assert where(f'rule "a" {{\n  add  {written};\n}}') == (2, 8)


def test_a_number_needs_digits_before_the_point():
    assert where('rule "a" { add .5; }') == (1, 16)


def test_escapes_in_text():
    rejected = tariff.price(tariff.load(r'rule "a" { reject "say \"no\" \\ twice\n"; }'), {}).rejected
    assert rejected == 'say "no" \\ twice\n'


def test_a_wrong_escape_is_reported_at_its_backslash():
    assert where('rule "a" { reject "ab\\n\\t"; }') == (1, 24)


def test_text_must_be_closed_on_its_line():
    assert where('rule "a" {\n\treject "oh;\n}"; }') == (2, 9)
    assert where('rule "a" { reject "oh') == (1, 19)
    assert where('rule "a" { reject "oh\\') in {(1, 19), (1, 22)}


def test_each_character_is_one_column_and_crlf_one_line():
    assert where('# é€😀\r\n\t\trule "é€😀" { ? }') == (2, 16)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("add 1;", (1, 1)),
        ("rule a { }", (1, 6)),
        ('rule "a" { add 1 }', (1, 18)),
        ('rule "a" { add 1;; }', (1, 18)),
        ('rule "a" { add ; }', (1, 16)),
        ('rule "a" { stop 1; }', (1, 17)),
        ('rule "a" { reject 1; }', (1, 19)),
        ('rule "a" { reject x; }', (1, 19)),
        ('rule "a" when { }', (1, 15)),
        ('rule "a" { add (1; }', (1, 18)),
        ('rule "a" { add 1 2; }', (1, 18)),
        ("let rule = 1;", (1, 5)),
        ("let a 1;", (1, 7)),
        ("let a = 1 in ();", (1, 15)),
        ("let a = 1 in 2;", (1, 14)),
        ("let a = not;", (1, 12)),
        ("let a = 1 = not true;", (1, 13)),
        ("let a = min(1,);", (1, 15)),
        ("let a = has(1);", (1, 13)),
        ("let a = b @ c;", (1, 11)),
        ("let ä = 1;", (1, 5)),
    ],
)
def test_errors_point_at_what_cannot_stand_there(text, place):
    assert where(text) == place


@pytest.mark.parametrize(
    ("text", "place"), [("let a = 1", (1, 10)), ('rule "a" {\n', (2, 1)), ("let", (1, 4)), ("let # x", (1, 8))]
)
def test_an_early_end_is_reported_after_the_last_character(text, place):
    assert where(text) == place


@pytest.mark.parametrize(
    ("expression", "column"),
    [("1 < 2 < 3", 15), ("1 = 1 = true", 15), ("1 in (1) = true", 18), ("1 = 1 in (1)", 15), ("1 <= 2 != 3", 16)],
)
def test_comparisons_are_not_chained(expression, column):
    assert where(f"let a = {expression};") == (1, column)


@pytest.mark.parametrize(
    "call", ["size(1)", "min()", "round()", "round(1, 2, 3)", "len()", "len(a, b)", "has()", "a(1)"]
)
def test_a_wrong_call_is_reported_at_its_name(call):
    assert where(f"let a = 1;\nlet b = 2 + {call};") == (2, 13)


def test_second_definitions_are_reported_where_they_are_named():
    assert where("let a = 1;\nlet  a = 2;") == (2, 6)
    assert where('rule "x" {}\nlet x = 1;\n  rule "x" {}') == (3, 8)
    assert where('rule "a\\\\b" {} rule "a\\\\b" {}') == (1, 21)
