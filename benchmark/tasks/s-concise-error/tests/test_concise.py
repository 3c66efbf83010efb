import random
from decimal import Decimal

from concise import concise


def refuses(value, error):
    try:
        concise(value, error)
    except ValueError:
        return True
    return False


def test_one_digit_of_the_error_is_kept():
    assert concise("9.8765", "0.03") == "9.88(3)"
    assert concise("9.8765", "0.002") == "9.876(2)"


def test_two_digits_are_kept_when_the_first_is_1():
    assert concise("9.8765", "0.012") == "9.876(12)"
    assert concise("12.34", "1.23") == "12.3(13)"
    assert concise("5", "1") == "5.0(10)"


def test_the_error_is_rounded_up():
    assert concise("1.000", "0.021") == "1.00(3)"
    assert concise("1.000", "0.0200001") == "1.00(3)"
    assert concise("1.000", "0.02") == "1.00(2)"
    assert concise("1.0000", "0.0191") == "1.000(20)"


def test_the_error_may_gain_a_digit_and_the_place_stays():
    assert concise("3.14159", "0.95") == "3.1(10)"
    assert concise("3.14159", "0.0096") == "3.142(10)"
    assert concise("3.14159", "0.199") == "3.14(20)"
    assert concise("4321", "950") == "4300(1000)"


def test_the_value_is_rounded_to_the_even_digit_from_the_middle():
    assert concise("0.125", "0.02") == "0.12(2)"
    assert concise("0.135", "0.02") == "0.14(2)"
    assert concise("-0.125", "0.02") == "-0.12(2)"
    assert concise("-0.135", "0.02") == "-0.14(2)"
    assert concise("250", "300") == "200(300)"
    assert concise("350", "300") == "400(300)"


def test_a_hair_above_the_middle_is_rounded_away():
    assert concise("0.1250000000000000000000000000000001", "0.02") == "0.13(2)"
    assert concise("-0.1250000000000000000000000000000001", "0.02") == "-0.13(2)"


def test_decimals_are_filled_with_zeros():
    assert concise("2", "0.003") == "2.000(3)"
    assert concise("2.5", "0.0014") == "2.5000(14)"


def test_place_of_the_units():
    assert concise("41.7", "3") == "42(3)"
    assert concise("41.7", "13.2") == "42(14)"


def test_places_above_the_units_keep_their_zeros():
    assert concise("12345", "312") == "12300(400)"
    assert concise("12355", "130") == "12360(130)"
    assert concise("-98765.4", "2000") == "-99000(2000)"
    assert concise("3", "500") == "0(500)"


def test_no_sign_on_zero_and_no_plus():
    assert concise("-0.004", "0.2") == "0.0(2)"
    assert concise("-30", "400") == "0(400)"
    assert concise("+1.26", "0.3") == "1.3(3)"
    assert concise("-0", "2") == "0(2)"


def test_zeros_at_the_front_do_not_count():
    assert concise("007.26", "00.3") == "7.3(3)"
    assert concise("-000.26", "0.3") == "-0.3(3)"


def test_nothing_is_lost_with_many_digits():
    long = "123456789" * 12
    assert concise(long + ".25", "0.3") == long + ".2(3)"
    assert concise("0." + "0" * 60 + "256", "0." + "0" * 60 + "03") == "0." + "0" * 60 + "26(3)"


def test_forms_that_are_refused():
    for text in ("", "1.", ".5", "1e3", " 1", "1\n", "1,5", "--1", "nan", "inf", "0x1", "1_0", "\u0661", "1.2.3", "+"):
        assert refuses(text, "0.1")
        assert refuses("1", text)


def test_errors_that_are_refused():
    for text in ("0", "0.000", "-0.1", "+0.1"):
        assert refuses("1", text)


def test_against_decimal_arithmetic():
    dice = random.Random(99)
    for _ in range(400):
        value = f"{dice.choice(['', '-'])}{dice.randrange(10**6)}.{dice.randrange(10**4):04}"
        error = f"{dice.randrange(1, 1000) / 1000}"
        shown, _, units = concise(value, error).rstrip(")").partition("(")
        place = Decimal(1).scaleb(Decimal(shown).as_tuple().exponent)
        assert Decimal(shown) == Decimal(value).quantize(place)
        assert 0 <= int(units) * place - Decimal(error) < place
