"""The figures an experiment is decided by: against other implementations, published tables, brute force and simulation."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations
from math import exp, inf, log
from statistics import NormalDist, mean
from typing import Any

import pytest

from benchmark.statistics import (
    Estimate,
    Outcome,
    Pair,
    Rule,
    Spread,
    Tally,
    cost_ratio,
    decide,
    estimate,
    holm,
    look_levels,
    pairs,
    pass_all,
    pass_any,
    spread,
    t_quantile,
    t_tail,
    tasks_needed,
    wilson,
)
from graphs.errors import UserError


@pytest.fixture(scope="module")
def scipy() -> Any:
    """The oracle, where it is installed."""
    return pytest.importorskip("scipy.stats")


# -- formulas


@pytest.mark.parametrize("df", [1, 2, 5, 9, 39, 163, 5_000])
def test_tails_and_quantiles_of_t_are_those_of_scipy(scipy: Any, df: int) -> None:
    for t in (0.0, 1e-3, 0.1, 0.7, 1.0, 1.96, 3.0, 10.0, 50.0, 1e4):
        assert t_tail(t, df) == pytest.approx(scipy.t.sf(t, df), rel=1e-10, abs=1e-300)
        assert t_tail(-t, df) == pytest.approx(scipy.t.cdf(t, df), rel=1e-12)
    for tail in (0.9, 0.4, 0.025, 1e-3, 1e-8):
        assert t_quantile(tail, df) == pytest.approx(scipy.t.isf(tail, df), rel=1e-10)


def test_tails_and_quantiles_of_t_have_their_ends() -> None:
    assert (t_tail(inf, 3), t_tail(-inf, 3), t_tail(0, 3), t_quantile(0.5, 3)) == (
        0,
        1,
        0.5,
        pytest.approx(0, abs=1e-9),
    )
    for tail in (0.0, 1.0):
        with pytest.raises(ValueError, match="no quantile"):
            t_quantile(tail, 3)


def test_an_estimate_of_differences_is_the_paired_t_test(scipy: Any) -> None:
    luck = random.Random(1)
    for n in (2, 3, 10, 40):
        a, b = ([luck.gauss(at, 1) for _ in range(n)] for at in (0.0, 0.4))
        found, other = estimate(y - x for x, y in zip(a, b, strict=True)), scipy.ttest_rel(b, a)

        assert found.p == pytest.approx(other.pvalue, rel=1e-9)
        for level in (0.9, 0.95, 0.999):
            around, expected = found.interval(level), other.confidence_interval(level)
            assert (around.low, around.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
        one_sided = scipy.ttest_rel(b, a, alternative="greater").pvalue
        assert found.probability_positive == pytest.approx(1 - one_sided, rel=1e-9)


def test_an_estimate_without_spread_is_sure_and_one_value_is_none() -> None:
    same = estimate([0.25, 0.25, 0.25])

    assert (same.p, same.probability_positive, same.interval().low, same.interval().high) == (0, 1, 0.25, 0.25)
    assert (estimate([0, 0]).p, estimate([0, 0]).probability_positive) == (1, 0.5)
    assert estimate([0, 0], least_se=0.5).se == 0.5
    with pytest.raises(ValueError, match="1 values have no spread"):
        estimate([0.5])


def test_what_is_detectable_is_detected_in_four_of_five_cases(scipy: Any) -> None:
    for n in (5, 10, 40, 164):
        found = Estimate(n, 0.0, 0.03)
        noncentral, bound = found.detectable() / found.se, scipy.t.isf(0.025, n - 1)
        power = scipy.nct.sf(bound, n - 1, noncentral) + scipy.nct.cdf(-bound, n - 1, noncentral)
        assert power == pytest.approx(0.8, abs=0.02), n


def test_wilson_is_that_of_scipy(scipy: Any) -> None:
    for passed, runs in ((0, 7), (7, 7), (3, 7), (1, 200), (150, 200)):
        other = scipy.binomtest(passed, runs).proportion_ci(0.9, method="wilson")
        found = wilson(passed, runs, 0.9)
        assert (found.low, found.high) == pytest.approx((other.low, other.high), rel=1e-9, abs=1e-15)
    with pytest.raises(ValueError, match="no runs"):
        wilson(0, 0)


def test_pass_at_k_counts_the_choices_of_k_runs() -> None:
    for runs in range(1, 7):
        for passed in range(runs + 1):
            made = [True] * passed + [False] * (runs - passed)
            for k in range(1, runs + 1):
                choices = list(combinations(made, k))
                assert pass_any(passed, runs, k) == pytest.approx(mean(map(any, choices)))
                assert pass_all(passed, runs, k) == pytest.approx(mean(map(all, choices)))
    for count in (pass_any, pass_all):
        with pytest.raises(ValueError, match="3 runs do not tell what 4 runs would do"):
            count(1, 3, 4)


def test_holm_adjusts_as_the_steps_reject() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    luck = random.Random(2)
    for _ in range(200):
        p_values = [luck.random() ** 3 for _ in range(luck.randint(1, 8))]
        steps = set()
        for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
            if p_values[at] >= 0.05 / (len(p_values) - rank):
                break
            steps.add(at)
        assert {at for at, p in enumerate(holm(p_values)) if p < 0.05} == steps


PUBLISHED = {
    1: [1.960],
    2: [2.963, 1.969],
    3: [3.710, 2.511, 1.993],
    4: [4.333, 2.963, 2.359, 2.014],
    5: [4.877, 3.357, 2.680, 2.290, 2.031],
}
"""Looks → bounds of z at two-sided 5 %, as published for this way of spending (gsDesign's sfLDOF, ldbounds)."""


@pytest.mark.parametrize("looks", PUBLISHED)
def test_bounds_of_looks_are_the_published_ones(looks: int) -> None:
    bounds = [NormalDist().inv_cdf(1 - level / 2) for level in look_levels(looks)]

    assert bounds == pytest.approx(PUBLISHED[looks], abs=6e-4)


@pytest.mark.parametrize(("looks", "alpha"), [(3, 0.05), (5, 0.1), (4, 0.00625)])
def test_looks_err_as_often_as_they_may_together(scipy: Any, looks: int, alpha: float) -> None:
    bounds = [NormalDist().inv_cdf(1 - level / 2) for level in look_levels(looks, alpha)]
    of_looks = [[(min(i, j) / max(i, j)) ** 0.5 for i in range(1, looks + 1)] for j in range(1, looks + 1)]
    within = scipy.multivariate_normal(cov=of_looks, seed=1).cdf(bounds, lower_limit=[-b for b in bounds])

    assert 1 - within == pytest.approx(alpha, rel=0.01)


def test_no_looks_are_no_plan() -> None:
    for looks, alpha in ((0, 0.05), (3, 0.0), (3, 1.0)):
        with pytest.raises(ValueError, match="no plan"):
            look_levels(looks, alpha)


# -- runs


def cells(arm: str, task: str, *passed: int, usd: float | None = 1.0, infra: int = 0) -> list[Outcome]:
    runs = [Outcome(task, arm, repeat, bool(won), usd, 2.0) for repeat, won in enumerate(passed)]
    return runs + [Outcome(task, arm, len(passed) + n, False, None, 9.0, infra=True) for n in range(infra)]


def test_pairs_count_judged_runs_only() -> None:
    outcomes = [
        *cells("new", "b", 1, 0, 1, infra=1),
        *cells("old", "b", 0, 0, 1, usd=None),
        *cells("old", "a", 1, infra=2),
        *cells("third", "c", 1),
    ]

    first, second = pairs(outcomes, "old", "new")

    assert first == Pair("a", Tally(1, 1, 2, 1.0, 2.0), Tally())
    assert second == Pair("b", Tally(1, 3, 0, None, 2.0), Tally(2, 3, 1, 1.0, 2.0))
    assert (first.judged, second.judged, second.difference) == (False, True, pytest.approx(1 / 3))


def test_the_spread_of_differences_is_told_from_that_of_runs() -> None:
    luck, shifts = random.Random(3), (-0.2, 0.0, 0.3)
    many = []
    for at in range(3_000):
        base = 0.3 + 0.2 * luck.random()
        drawn = [sum(luck.random() < p for _ in range(4)) for p in (base, base + shifts[at % 3])]
        many.append(Pair(f"t{at}", Tally(drawn[0], 4), Tally(drawn[1], 4)))

    found = spread(many)

    assert found.between == pytest.approx(0.0422, abs=0.006)  # the variance of the shifts
    assert found.within == pytest.approx((0.237, 0.2), abs=0.01)  # E[p(1-p)]
    single = spread([Pair(p.task, Tally(p.baseline.passed > 1, 1), Tally(p.arm.passed > 1, 1)) for p in many[:50]])
    assert single.within == (0, 0)
    assert single.between > 0


def test_tasks_needed_follow_the_formula() -> None:
    by_hand = (1.959964 + 0.841621) ** 2 * (0.01 + (0.15 + 0.12) / 3) / 0.05**2

    assert tasks_needed(Spread(0.01, (0.15, 0.12)), 3, 0.05) == int(by_hand) + 1
    assert tasks_needed(Spread(0.0, (0.0, 0.0)), 3, 0.05) == 0


def test_the_cost_ratio_is_a_geometric_mean_and_needs_all_prices() -> None:
    def pair(old: float | None, new: float | None) -> Pair:
        return Pair("t", Tally(1, 1, usd=old), Tally(1, 1, usd=new))

    found = cost_ratio([pair(1, 0.5), pair(2, 2), pair(1, 0.25)])

    assert found is not None
    assert found[0] == pytest.approx(0.5)
    logs = estimate([log(0.5), 0, log(0.25)]).interval()
    assert (found[1].low, found[1].high) == pytest.approx((exp(logs.low), exp(logs.high)))
    for missing in (pair(None, 1), pair(1, None), pair(1, 0), pair(0, 1)):
        assert cost_ratio([pair(1, 0.5), pair(1, 0.5), missing]) is None


# -- the decision


def arm(won: Sequence[int], base: Sequence[int], runs: int = 5, cost: float | None = 1.0, infra: int = 0) -> list[Pair]:
    """One pair per task; prices differ a little from task to task."""
    dear = [0.1 * (1 + at % 3) for at in range(len(won))]
    return [
        Pair(
            f"t{at}",
            Tally(b, runs, infra, usd=dear[at]),
            Tally(w, runs, usd=None if cost is None else dear[at] * cost * (1 + 0.05 * (at % 2))),
        )
        for at, (w, b) in enumerate(zip(won, base, strict=True))
    ]


EVEN = [at % 6 for at in range(120)]
A_LITTLE = [(v + 1 if v < 5 and at % 8 == 0 else v - 1 if v > 0 and at % 8 == 4 else v) for at, v in enumerate(EVEN)]
BETTER = [min(5, v + (at % 2)) for at, v in enumerate(EVEN)]
CASES: dict[str, tuple[list[Pair], str]] = {
    "better": (arm(BETTER, EVEN), "better"),
    "mirrored": (arm(EVEN, BETTER), "worse"),
    "better and cheaper": (arm(BETTER, EVEN, cost=0.5), "better"),
    "the same": (arm(A_LITTLE, EVEN), "equivalent"),
    "the same and cheaper": (arm(A_LITTLE, EVEN, cost=0.5), "adopt cheaper"),
    "the same, price unknown": (arm(A_LITTLE, EVEN, cost=None), "equivalent"),
    "too few": (arm(A_LITTLE[:6], EVEN[:6]), "inconclusive"),
    "too few, but cheaper": (arm(A_LITTLE[:6], EVEN[:6], cost=0.5), "inconclusive"),
    "all alike on few tasks": (arm([1] * 8, [1] * 8, runs=1), "inconclusive"),
    "two tasks won": (arm([1, 1], [0, 0], runs=1), "inconclusive"),
    "all alike on many runs": (arm([5] * 40, [5] * 40), "equivalent"),
    "many lost": (arm(BETTER, EVEN, infra=1), "void"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_rule(case: str) -> None:
    found, verdict = CASES[case]

    decision = decide({"new": found}, Rule())["new"]

    assert decision.verdict == verdict, decision.reason
    assert decision.tasks == len(found)
    assert (decision.more_runs > 0) == (verdict in ("inconclusive", "void"))
    assert decision.stop == (verdict != "inconclusive")
    assert (decision.interval.level, decision.equivalence.level) == (pytest.approx(0.95), pytest.approx(0.9))
    assert decision.difference.mean == pytest.approx(mean(pair.difference for pair in found))


def test_the_figures_of_a_decision_agree_with_each_other() -> None:
    found = decide({"new": arm(BETTER, EVEN, cost=0.5)}, Rule())["new"]

    assert found.p == found.p_holm < found.level == pytest.approx(0.05)
    assert 0 < found.interval.low < found.equivalence.low < found.difference.mean
    assert found.probability_better == pytest.approx(1 - found.p / 2)
    assert found.detectable == pytest.approx(found.difference.detectable())
    assert found.cost is not None
    assert found.cost[0] == pytest.approx(0.5 * 1.05**0.5)
    assert found.runs == 120 * 10
    assert found.reason.startswith("+6.7 points [")


def test_inconclusive_says_how_many_more_runs_it_takes() -> None:
    found = decide({"new": arm(A_LITTLE[:24], EVEN[:24])}, Rule(margin=0.02))["new"]

    wanted = tasks_needed(spread(arm(A_LITTLE[:24], EVEN[:24])), 5, 0.02)
    assert found.more_runs == 10 * wanted - 240 > 0
    assert f"about {found.more_runs} more runs, at 5 of each task and arm" in found.reason


def test_with_more_arms_each_must_show_more() -> None:
    slightly = [min(5, v + (at % 10 == 0)) for at, v in enumerate(EVEN[:60])]
    one = decide({"a": arm(slightly, EVEN[:60])}, Rule())["a"]
    arms = {name: arm(EVEN[:60], EVEN[:60]) for name in "bcdefgh"} | {"a": arm(slightly, EVEN[:60])}
    many = decide(arms, Rule())

    assert one.p == many["a"].p
    assert (one.verdict, many["a"].verdict == "better") == ("better", False)
    assert many["a"].p_holm == pytest.approx(8 * one.p)
    assert many["a"].level == pytest.approx(0.05 / 8)
    assert list(many) == list(arms)


def test_two_arms_are_held_to_half_the_error_until_one_shows_something() -> None:
    slightly = arm([min(5, v + (at % 10 == 0)) for at, v in enumerate(EVEN[:40])], EVEN[:40])
    clearly, void = arm(BETTER, EVEN), arm(BETTER, EVEN, infra=1)

    def verdicts(*found: list[Pair]) -> list[str]:
        return [
            decision.verdict for decision in decide(dict(zip("ab", found, strict=False)), Rule(margin=0.01)).values()
        ]

    assert verdicts(slightly) == ["better"]  # p is between 0.025 and 0.05
    assert verdicts(slightly, slightly) == ["inconclusive", "inconclusive"]
    assert verdicts(slightly, clearly) == ["better", "better"]
    assert verdicts(slightly, void) == ["inconclusive", "void"]


def test_an_early_look_claims_less_and_may_give_up() -> None:
    early = decide({"new": arm(BETTER[:30], EVEN[:30])}, Rule(looks=4), look=1)["new"]
    hopeless = decide({"new": arm([0] * 10 + EVEN[10:40], EVEN[:40])}, Rule(looks=4), look=2)["new"]
    last = decide({"new": arm([0] * 10 + EVEN[10:40], EVEN[:40])}, Rule(looks=4))["new"]

    assert 1e-5 < early.p < 0.05
    assert (early.verdict, early.stop) == ("inconclusive", False)
    assert early.level == pytest.approx(look_levels(4)[0])
    assert (hopeless.verdict, hopeless.futile, hopeless.stop) == ("inconclusive", True, True)
    assert "hardly turn out better" in hopeless.reason
    assert (last.look, last.futile) == (4, False)
    for look in (0, 5):
        with pytest.raises(ValueError, match="no look"):
            decide({"new": arm(EVEN, EVEN)}, Rule(looks=4), look)


def test_lost_runs_are_counted_and_no_failures() -> None:
    whole = arm(BETTER, EVEN)
    lost = [*whole, Pair("gone", Tally(0, 0, infra=5), Tally(5, 5))]

    found = decide({"new": lost}, Rule())["new"]

    assert (found.verdict, found.tasks, found.runs) == ("better", 120, 1_200)
    assert found.difference == decide({"new": whole}, Rule())["new"].difference
    assert found.infra == pytest.approx(5 / 1_210)


def test_one_task_is_no_comparison() -> None:
    with pytest.raises(UserError, match="1 tasks were judged both in arm 'new' and in the baseline"):
        decide({"new": [*arm([1], [0]), Pair("gone", Tally(), Tally(1, 1))]}, Rule())


# -- how often it is right


def drawn(luck: random.Random, tasks: int, runs: int, effect: Callable[[], float]) -> list[Pair]:
    """Pairs of tasks whose difficulty is logit-normal; the effect is added to the arm's logit."""
    found = []
    for at in range(tasks):
        logit = luck.gauss(0, 2)
        chances = [1 / (1 + exp(-(logit + more))) for more in (0, effect())]
        a, b = (sum(luck.random() < chance for _ in range(runs)) for chance in chances)
        found.append(Pair(f"t{at}", Tally(a, runs), Tally(b, runs)))
    return found


@pytest.mark.parametrize(("tasks", "runs"), [(10, 3), (20, 5)])
def test_arms_that_are_the_same_are_told_apart_in_at_most_one_case_of_twenty(tasks: int, runs: int) -> None:
    luck, trials = random.Random(f"size {tasks} {runs}"), 1_200

    p_values = [estimate(p.difference for p in drawn(luck, tasks, runs, lambda: 0.0)).p for _ in range(trials)]

    assert (
        0.02 < sum(p < 0.05 for p in p_values) / trials < 0.068
    )  # few tasks leave few values: less than 0.05 is right


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    luck, trials = random.Random("coverage"), 1_000
    truth = (
        mean(1 / (1 + exp(-(d + 1))) for d in (2 * NormalDist().inv_cdf((at + 0.5) / 4_000) for at in range(4_000)))
        - 0.5
    )

    held = {0.8: 0, 0.95: 0}
    for _ in range(trials):
        found = estimate(p.difference for p in drawn(luck, 30, 3, lambda: 1.0))
        for level in held:
            held[level] += found.interval(level).low <= truth <= found.interval(level).high

    assert {level: count / trials for level, count in held.items()} == pytest.approx({0.8: 0.8, 0.95: 0.95}, abs=0.03)


def test_looking_four_times_errs_no_more_than_looking_once() -> None:
    luck, trials, rule = random.Random("looks"), 500, Rule(looks=4)
    claimed = naive = 0
    for _ in range(trials):
        rounds = [drawn(luck, 10, 1, lambda: 0.0) for _ in range(4)]  # ten new tasks each: the news is all new
        seen: list[Pair] = []
        verdicts, peeks = [], []
        for look, more in enumerate(rounds, 1):
            seen = [*seen, *more]
            decision = decide({"new": seen}, rule, look)["new"]
            verdicts.append(decision.verdict in ("better", "worse"))
            peeks.append(decision.p < 0.05)
        claimed, naive = claimed + any(verdicts), naive + any(peeks)

    assert claimed / trials == pytest.approx(0.05, abs=0.03)
    assert naive / trials > 0.08


def test_fractions_agree_with_a_worked_example() -> None:
    """Four tasks, differences 1/3, 0, 1/3, 2/3: mean 1/3, variance 2/27, so t = (1/3) / sqrt(1/54)."""
    found = estimate(float(Fraction(n, 3)) for n in (1, 0, 1, 2))

    assert (found.mean, found.se**2) == (pytest.approx(1 / 3), pytest.approx(1 / 54))
    assert found.p == pytest.approx(0.0917, abs=5e-4)
