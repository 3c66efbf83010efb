"""What must hold between reading, pricing and the normal form."""

import random
from decimal import Decimal

import pytest
import tariff

COMPARISONS = ["=", "!=", "<", "<=", ">", ">="]


def number(dice, depth):
    if depth == 0 or dice.random() < 0.2:
        return dice.choice(["x", "y", "1", "2_0", "0.50", "25%", "rate"])
    kind = dice.randrange(4)
    if kind == 0:
        return f"-{number(dice, 0)}" if dice.random() < 0.5 else f"-({number(dice, depth - 1)})"
    if kind == 1:
        return f"{dice.choice(['min', 'max'])}({number(dice, depth - 1)}, ({number(dice, depth - 1)}))"
    left, right = number(dice, depth - 1), number(dice, depth - 1)
    return f"{wrapped(dice, left)}{dice.choice([' + ', '-', '*', ' - '])}{wrapped(dice, right)}"


def condition(dice, depth):
    if depth == 0 or dice.random() < 0.3:
        return f"{number(dice, 1)} {dice.choice(COMPARISONS)} {number(dice, 1)}"
    kind = dice.randrange(4)
    if kind == 0:
        return f"not ({condition(dice, depth - 1)})"
    if kind == 1:
        return f"({number(dice, 1)}) in ({number(dice, 1)},{number(dice, 1)})"
    return f"({condition(dice, depth - 1)}) {dice.choice(['and', 'or'])} ({condition(dice, depth - 1)})"


def wrapped(dice, text):
    return f"( {text} )" if dice.random() < 0.6 else text


def random_tariff(dice):
    rules = []
    for index in range(dice.randrange(1, 5)):
        verbs = [
            f"{dice.choice(['add', 'cap', 'floor', 'scale'])}\t{number(dice, 3)};" for _ in range(dice.randrange(3))
        ]
        when = f" when {condition(dice, 2)}" if dice.random() < 0.7 else ""
        rules.append(f'rule "r{index}"{when} {{ {" ".join(verbs)} }} # rule {index}\n')
    rules.insert(dice.randrange(len(rules)), f"let rate = {number(dice, 2).replace('rate', 'x')};")
    return "\n".join(rules)


def test_the_normal_form_prices_alike_and_is_its_own_normal_form():
    dice = random.Random(20)
    for _ in range(150):
        text = random_tariff(dice)
        normal = tariff.normal(text)
        assert tariff.normal(normal) == normal
        for _ in range(3):
            record = {"x": dice.randrange(-3, 30), "y": Decimal(dice.randrange(-50, 50)) / 8, "rate": 3}
            assert tariff.price(tariff.load(text), record) == tariff.price(tariff.load(normal), record) or (
                [(s.rule, s.statement, s.total) for s in tariff.price(tariff.load(text), record).steps]
                == [(s.rule, s.statement, s.total) for s in tariff.price(tariff.load(normal), record).steps]
            )


def test_parentheses_of_the_normal_form_are_all_needed():
    """Taking away any pair of parentheses that is not a call's or a list's changes the form or breaks it."""
    dice = random.Random(7)
    for _ in range(60):
        normal = tariff.normal(f"let v = {number(dice, 3)} < {number(dice, 2)};")
        for start, end in pairs(normal):
            if normal[start - 1].isalpha():
                continue
            bare = normal[:start] + normal[start + 1 : end] + normal[end + 1 :]
            assert tariff.normal(bare) != normal


def pairs(text):
    opened = []
    for at, character in enumerate(text):
        if character == "(":
            opened.append(at)
        elif character == ")":
            yield opened.pop(), at


def test_errors_while_pricing_count_in_the_text_as_given():
    """Comments, tabs, CRLF, wide characters and text with escapes stand before the place."""
    text = '# prix: 5 €\r\n\r\nrule "é\\n\\"" {\r\n\tadd len("\\\\\\n😀") / (x - 1_0); # here\r\n}\r\n'
    with pytest.raises(tariff.TariffError) as caught:
        tariff.price(tariff.load(text), {"x": 10})
    assert (caught.value.line, caught.value.column) == (4, text.splitlines()[3].index("/") + 1)


def test_an_error_of_a_let_is_reported_inside_the_let_wherever_it_is_used():
    text = 'let base = 10;\nlet each = base / people;\nlet twice = each * 2;\nrule "a" when has(people) {\n    add twice;\n}\n'
    with pytest.raises(tariff.TariffError) as caught:
        tariff.price(tariff.load(text), {"people": 0})
    assert (caught.value.line, caught.value.column) == (2, 17)


def test_errors_move_with_the_text_when_it_is_brought_into_normal_form():
    text = '\n\nlet a=1;\n rule"r"{add((1+gone));}'
    for form, place in ((text, (4, 17)), (tariff.normal(text), (4, 13))):
        with pytest.raises(tariff.TariffError) as caught:
            tariff.price(tariff.load(form), {})
        assert (caught.value.line, caught.value.column) == place


def test_steps_carry_statements_in_normal_form_that_can_be_read_again():
    text = 'let f=2;rule "a"{add((1_0)+x)*(f);reject"a\\"b\\\\";}'
    steps = tariff.price(tariff.load(text), {"x": 1}).steps
    assert [step.statement for step in steps] == ["add (10 + x) * f", 'reject "a\\"b\\\\"']
    body = " ".join(f"{step.statement};" for step in steps)
    assert tariff.price(tariff.load(f'let f = 2; rule "a" {{ {body} }}'), {"x": 1}).rejected == 'a"b\\'


def test_the_example_of_the_ferry():
    text = (
        'let free = 2;\nrule "vehicle" when kind in ("car", "van") {\n    add 42;\n    add 1.75 * max(0, passengers - free);\n}\n'
        'rule "night" when hour >= 22 or hour < 6 { scale 90%; }'
    )
    found = tariff.price(tariff.load(text), {"kind": "van", "passengers": 3, "hour": 5})
    assert str(found.total) == "39.38"
    assert [str(step.total) for step in found.steps][:2] == ["42", "43.75"]
