import random
from fractions import Fraction

from share_out import share_out


def refuses(pence, weights):
    try:
        share_out(pence, weights)
    except ValueError:
        return True
    return False


def test_what_divides_is_divided():
    assert share_out(12, {"a": 1, "b": 2, "c": 3}) == {"a": 2, "b": 4, "c": 6}


def test_the_order_of_names_is_kept():
    assert list(share_out(10, {"z": 1, "a": 5, "m": 3})) == ["z", "a", "m"]


def test_who_lost_most_comes_first():
    assert share_out(10, {"a": 26, "b": 39, "c": 35}) == {"a": 3, "b": 4, "c": 3}
    assert share_out(101, {"a": 1, "b": 2}) == {"a": 34, "b": 67}


def test_a_larger_weight_does_not_matter_where_less_was_lost():
    assert share_out(11, {"big": 10, "small": 1, "tiny": 1}) == {"big": 9, "small": 1, "tiny": 1}


def test_among_equal_losses_the_larger_weight_comes_first():
    assert share_out(2, {"a": 3, "b": 1}) == {"a": 2, "b": 0}
    assert share_out(2, {"b": 1, "a": 3}) == {"b": 0, "a": 2}


def test_among_equal_weights_the_later_comes_first():
    assert share_out(1, {"a": 1, "b": 1}) == {"a": 0, "b": 1}
    assert share_out(5, {"a": 1, "b": 1, "c": 1}) == {"a": 1, "b": 2, "c": 2}
    assert share_out(1, {"b": 1, "a": 1}) == {"b": 0, "a": 1}


def test_later_means_later_in_the_dict_and_not_in_the_alphabet():
    assert share_out(1, {"y": 2, "z": 2, "x": 2}) == {"y": 0, "z": 0, "x": 1}


def test_all_three_rules_together():
    weights = {"a": 1, "b": 3, "c": 3, "d": 1}
    assert share_out(1, weights) == {"a": 0, "b": 0, "c": 1, "d": 0}
    assert share_out(3, weights) == {"a": 0, "b": 1, "c": 1, "d": 1}
    assert share_out(4, weights) == {"a": 0, "b": 2, "c": 2, "d": 0}


def test_weight_zero_gets_nothing():
    assert share_out(100, {"a": 0, "b": 3, "c": 0, "d": 4}) == {"a": 0, "b": 43, "c": 0, "d": 57}
    assert share_out(7, {"a": 0, "b": 1}) == {"a": 0, "b": 7}


def test_refunds_mirror():
    assert share_out(-100, {"a": 1, "b": 1, "c": 1}) == {"a": -33, "b": -33, "c": -34}
    assert share_out(-1, {"a": 1, "b": 2}) == {"a": 0, "b": -1}


def test_nothing_to_share():
    assert share_out(0, {"a": 1, "b": 2}) == {"a": 0, "b": 0}
    assert share_out(0, {"a": 0}) == {"a": 0}
    assert share_out(0, {}) == {}


def test_nobody_to_share_with():
    assert refuses(5, {})
    assert refuses(5, {"a": 0, "b": 0})
    assert refuses(-5, {"a": 0})


def test_negative_weights_are_refused():
    assert refuses(5, {"a": 2, "b": -1})
    assert refuses(0, {"a": 2, "b": -1})
    assert refuses(0, {"a": 1, "b": -1})


def test_large_numbers_are_exact():
    huge = 10**30
    assert share_out(huge + 1, {"a": 1, "b": 1}) == {"a": huge // 2, "b": huge // 2 + 1}
    assert share_out(3, {"a": huge, "b": huge + 1}) == {"a": 1, "b": 2}
    assert share_out(huge, {"a": 1, "b": 2}) == {"a": huge // 3, "b": 2 * (huge // 3) + 1}


def test_the_weights_are_left_as_they_are():
    weights = {"a": 2, "b": 1}
    share_out(100, weights)
    assert weights == {"a": 2, "b": 1}


def test_sums_and_bounds():
    dice = random.Random(13)
    for _ in range(400):
        weights = {name: dice.randrange(8) for name in "vwxyz"[: dice.randrange(1, 6)]}
        if not any(weights.values()):
            continue
        pence = dice.randrange(-300, 300)
        shares = share_out(pence, weights)
        assert sum(shares.values()) == pence
        for name, share in shares.items():
            exact = Fraction(pence * weights[name], sum(weights.values()))
            assert abs(share - exact) < 1
            assert share == 0 or (share * pence > 0 and weights[name])
        assert share_out(-pence, weights) == {name: -share for name, share in shares.items()}
