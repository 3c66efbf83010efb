"""The normal form."""

import pytest
import tariff


def expression(text):
    out = tariff.normal(f"let v = {text};")
    assert out.startswith("let v = ")
    assert out.endswith(";\n")
    return out[len("let v = ") : -2]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("((1))", "1"),
        ("1+2*3", "1 + 2 * 3"),
        ("(1+2)*3", "(1 + 2) * 3"),
        ("(1*2)+3", "1 * 2 + 3"),
        ("(1-2)-3", "1 - 2 - 3"),
        ("1-(2-3)", "1 - (2 - 3)"),
        ("1+(2+3)", "1 + (2 + 3)"),
        ("a/(b*c)", "a / (b * c)"),
        ("-(1)", "-1"),
        ("- - a", "--a"),
        ("-(a+b)", "-(a + b)"),
        ("(-a)*b", "-a * b"),
        ("-(a*b)", "-(a * b)"),
        ("a-(-b)", "a - -b"),
        ("not(a)", "not a"),
        ("not(a=b)", "not a = b"),
        ("(not a)=b", "(not a) = b"),
        ("not(not a)", "not not a"),
        ("not(a and b)", "not (a and b)"),
        ("(not a)and b", "not a and b"),
        ("(a and b)or c", "a and b or c"),
        ("a and(b or c)", "a and (b or c)"),
        ("a or(b or c)", "a or (b or c)"),
        ("(a or b)or c", "a or b or c"),
        ("(a=b)=c", "(a = b) = c"),
        ("a=(b=c)", "a = (b = c)"),
        ("(a+b)in((1),2-(1))", "a + b in (1, 2 - 1)"),
        ("(a in(1))in(true)", "(a in (1)) in (true)"),
        ("a in((b or c))", "a in (b or c)"),
        ("min((a),(b+1))", "min(a, b + 1)"),
        ("has( x )", "has(x)"),
    ],
)
def test_blanks_and_parentheses(written, normal):
    assert expression(written) == normal
    assert expression(normal) == normal


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("1_000", "1000"),
        ("007.50", "7.5"),
        ("1.000", "1"),
        ("90%", "0.9"),
        ("100%", "1"),
        ("0.0", "0"),
        ("000", "0"),
        ("1_00.0_10", "100.01"),
        ("0.5%", "0.005"),
        ("1000000", "1000000"),
        ("0.00000001", "0.00000001"),
    ],
)
def test_numbers(written, normal):
    assert expression(written) == normal


def test_text_keeps_its_escapes():
    assert expression(r'"a\"b\\c\nd # é"') == r'"a\"b\\c\nd # é"'


def test_items_and_blank_lines():
    text = """# head
let a=1; let b=2; # two
rule"x"{}
rule "y" when a=b{add a;stop;reject "no";} let c = true;

let d = false;
"""
    assert (
        tariff.normal(text)
        == """let a = 1;
let b = 2;

rule "x" {}

rule "y" when a = b {
    add a;
    stop;
    reject "no";
}

let c = true;
let d = false;
"""
    )


def test_nothing_stays_nothing():
    assert tariff.normal("") == ""
    assert tariff.normal("  # only a comment\n") == ""


def test_what_cannot_be_read_has_no_normal_form():
    with pytest.raises(tariff.TariffError) as caught:
        tariff.normal("let a = 1;\nlet a = 2;")
    assert (caught.value.line, caught.value.column) == (2, 5)
