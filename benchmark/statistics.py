"""What runs of several arms on the same tasks say, from the standard library alone.

The unit of inference is the task: repeats are averaged within it first, and tests and intervals are Student's t over tasks. Where
runs of one task are alike, tests over single runs claim too much; where arms share their tasks, unpaired tests see too little.

All rates and differences are shares (0.05 is five points); levels are two-sided unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import ceil, comb, erfc, exp, fsum, inf, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist
from typing import Literal

from graphs.errors import UserError

NORMAL = NormalDist()


# -- distributions


def t_tail(t: float, df: float) -> float:
    """P(T > t) of Student's t with ``df`` degrees of freedom: half the incomplete beta function I_x(df/2, 1/2) at
    x = df/(df + t²) (Abramowitz and Stegun 26.5.27, 26.7.1)."""
    if t < 0:
        return 1 - t_tail(-t, df)
    if t == inf:
        return 0.0
    return _incomplete_beta(df / (df + t * t), t * t / (df + t * t), df / 2, 0.5) / 2


@lru_cache(4096)
def t_quantile(tail: float, df: float) -> float:
    """The t with P(T > t) = ``tail``, by halving; ``ValueError`` unless 0 < ``tail`` < 1."""
    if not 0 < tail < 1:
        raise ValueError(f"a tail of {tail} has no quantile")
    if tail > 0.5:
        return -t_quantile(1 - tail, df)
    return _falling(lambda t: t_tail(t, df), tail)


def _falling(function: Callable[[float], float], value: float) -> float:
    """Where a function that falls from x = 0 on takes a value."""
    low, high = 0.0, 1.0
    while function(high) > value:
        low, high = high, 2 * high
    while high - low > 1e-14 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if function(middle) > value else (low, middle)
    return (low + high) / 2


def _incomplete_beta(x: float, y: float, a: float, b: float) -> float:
    """I_x(a, b), with ``y`` = 1 - x, by Lentz's continued fraction (Press et al., Numerical Recipes, 6.4)."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(y, x, b, a)
    if x <= 0:
        return 0.0
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    fraction = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = fraction
        for step in (even, odd):
            d, c = 1 / (1 + step * d or tiny), 1 + step / c or tiny
            fraction *= c * d
        if abs(fraction - before) < 1e-15 * fraction:
            break
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * (log1p(-x) if x < 0.5 else log(y))
    return exp(front) * fraction / a


# -- estimates


@dataclass(frozen=True)
class Interval:
    """From where to where a value may be."""

    low: float
    high: float
    level: float
    """How often such an interval holds the true value: 0.95."""


@dataclass(frozen=True)
class Estimate:
    """The mean of one value per task."""

    n: int
    """Tasks; at least two."""
    mean: float
    se: float
    """Standard error of the mean: over tasks, so that repeats are clustered (Miller 2024, Adding error bars to evals)."""

    @property
    def p(self) -> float:
        """Two-sided p-value of Student's t test that the true mean is 0."""
        return 2 * t_tail(self._t(abs(self.mean)), self.n - 1)

    @property
    def probability_positive(self) -> float:
        """P(true mean > 0) under a flat prior: the t distribution around the estimate (Gelman et al., BDA3, 3.2)."""
        return 1 - t_tail(self._t(self.mean), self.n - 1)

    def interval(self, level: float = 0.95) -> Interval:
        """Student's t interval of that level."""
        half = t_quantile((1 - level) / 2, self.n - 1) * self.se
        return Interval(self.mean - half, self.mean + half, level)

    def detectable(self, alpha: float = 0.05, power: float = 0.8) -> float:
        """The true mean that such data would tell from 0 in a share ``power`` of cases: (t_α/2 + t_1-power)·SE
        (Bloom 1995, Minimum detectable effects)."""
        return (t_quantile(alpha / 2, self.n - 1) + t_quantile(1 - power, self.n - 1)) * self.se

    def _t(self, value: float) -> float:
        return value / self.se if self.se else inf * value if value else 0.0


def estimate(values: Iterable[float], least_se: float = 0.0) -> Estimate:
    """Mean and standard error (sample variance over n) of one value per task; ``ValueError`` for fewer than two.

    Of differences between arms this is the paired t test. ``least_se`` is what the standard error is not believed to be below.
    """
    found = list(values)
    if len(found) < 2:
        raise ValueError(f"{len(found)} values have no spread")
    mean = fsum(found) / len(found)
    variance = fsum((value - mean) ** 2 for value in found) / (len(found) - 1)
    return Estimate(len(found), mean, max(sqrt(variance / len(found)), least_se))


def wilson(passed: int, runs: int, level: float = 0.95) -> Interval:
    """Interval of a rate from independent runs (Wilson 1927, without continuity correction); ``ValueError`` without runs."""
    if runs < 1:
        raise ValueError("no runs, no rate")
    z, share = NORMAL.inv_cdf((1 + level) / 2), passed / runs
    centre = (share + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z / (1 + z * z / runs) * sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs))
    return Interval(0.0 if passed == 0 else centre - half, 1.0 if passed == runs else centre + half, level)


def pass_any(passed: int, runs: int, k: int) -> float:
    """pass@k of one task: the chance that at least one of ``k`` runs passes, unbiased, 1 - C(n-c, k)/C(n, k)
    (Chen et al. 2021, Evaluating large language models trained on code). ``ValueError`` for more than the runs made."""
    return 1 - pass_all(runs - passed, runs, k)


def pass_all(passed: int, runs: int, k: int) -> float:
    """pass^k of one task: the chance that all of ``k`` runs pass, unbiased, C(c, k)/C(n, k) (Yao et al. 2024, tau-bench).
    ``ValueError`` for more than the runs made. Over tasks: :func:`estimate` of either."""
    if not 1 <= k <= runs:
        raise ValueError(f"{runs} runs do not tell what {k} runs would do")
    return comb(passed, k) / comb(runs, k)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being so many, in the order given (Holm 1979, A simple sequentially rejective procedure)."""
    adjusted, least, count = [0.0] * len(p_values), 0.0, len(p_values)
    for rank, at in enumerate(sorted(range(count), key=p_values.__getitem__)):
        least = max(least, min(1.0, (count - rank) * p_values[at]))
        adjusted[at] = least
    return adjusted


# -- looks


@lru_cache(256)
def look_levels(looks: int, alpha: float = 0.05) -> tuple[float, ...]:
    """Two-sided p-values to compare with at each of so many equally spaced looks, so that all of them together err in a share
    ``alpha`` of cases.

    Each side spends 2 - 2Φ(z_α/4 / √t) up to the share t of the data, as O'Brien and Fleming's bounds do (Lan and DeMets 1983);
    bounds by numerical integration of the walk that has not crossed yet (Armitage, McPherson and Rowe 1969). That p-values of t
    tests may be looked at in this way: Jennison and Turnbull 2000, Group sequential methods, ch. 3. Repeats of the same tasks
    bring less news from look to look than is assumed here, which errs towards too few claims.
    """
    if looks < 1 or not 0 < alpha < 1:
        raise ValueError(f"{looks} looks at level {alpha} are no plan")
    z, spent, levels = NORMAL.inv_cdf(1 - alpha / 4), 0.0, []
    inside = [(0.0, 1.0)]  # places of the walk and their weights
    for look in range(1, looks + 1):
        to_spend = erfc(z * sqrt(looks / look / 2))  # of one side
        bound = _falling(partial(_beyond, inside), to_spend - spent)
        spent = to_spend
        levels.append(erfc(bound / sqrt(2 * look)))
        inside = list(_after_a_step(inside, bound))
    return tuple(levels)


def _beyond(inside: Sequence[tuple[float, float]], bound: float) -> float:
    """The chance that the walk's next step, of variance 1, ends above a bound."""
    return fsum(weight * erfc((bound - place) / sqrt(2)) for place, weight in inside) / 2


def _after_a_step(inside: Sequence[tuple[float, float]], bound: float) -> Iterator[tuple[float, float]]:
    """The walk one step later, within the bound: Simpson's rule at steps of at most an eighth of a standard deviation."""
    halves = ceil(8 * bound)
    step = bound / halves
    for at in range(-halves, halves + 1):
        place = at * step
        density = fsum(weight * exp(-((place - before) ** 2) / 2) for before, weight in inside) / sqrt(2 * pi)
        simpson = 1 if abs(at) == halves else 4 if (at + halves) % 2 else 2
        yield place, density * simpson * step / 3


# -- runs


@dataclass(frozen=True)
class Outcome:
    """One run of one arm on one task: a cell of an experiment."""

    task: str
    """The task's id."""
    arm: str
    """The name of what was tried: a strategy, a model, a setting."""
    repeat: int
    """From 0."""
    passed: bool
    """Whether all hidden tests passed."""
    usd: float | None = None
    """What the run cost, in US dollars; ``None`` where the price is not known."""
    seconds: float = 0.0
    """Wall time."""
    infra: bool = False
    """Whether the machine or the provider failed, so that nothing was judged: such a run is neither passed nor failed."""


@dataclass(frozen=True)
class Tally:
    """The runs of one arm on one task."""

    passed: int = 0
    runs: int = 0
    """Judged ones."""
    infra: int = 0
    """Those that came to no judgement, beside ``runs``."""
    usd: float | None = None
    """Mean of the judged runs; ``None`` when the price of one is not known, or there are none."""
    seconds: float = 0.0
    """Mean wall time of the judged runs."""

    @property
    def rate(self) -> float:
        """Share of the judged runs that passed."""
        return self.passed / self.runs


@dataclass(frozen=True)
class Pair:
    """One task in two arms."""

    task: str
    baseline: Tally
    """What is compared with."""
    arm: Tally
    """What is compared."""

    @property
    def judged(self) -> bool:
        """Whether there is something to compare."""
        return self.baseline.runs > 0 and self.arm.runs > 0

    @property
    def difference(self) -> float:
        """Of the rates; positive where the arm is better."""
        return self.arm.rate - self.baseline.rate


def tally(outcomes: Iterable[Outcome]) -> Tally:
    """The runs of one arm on one task, counted."""
    found = list(outcomes)
    judged = [outcome for outcome in found if not outcome.infra]
    prices = [outcome.usd for outcome in judged if outcome.usd is not None]
    return Tally(
        passed=sum(outcome.passed for outcome in judged),
        runs=len(judged),
        infra=len(found) - len(judged),
        usd=fsum(prices) / len(prices) if prices and len(prices) == len(judged) else None,
        seconds=fsum(outcome.seconds for outcome in judged) / max(len(judged), 1),
    )


def pairs(outcomes: Sequence[Outcome], baseline: str, arm: str) -> tuple[Pair, ...]:
    """The tasks that were run in either arm, in the order of their names."""
    cells: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        cells.setdefault((outcome.task, outcome.arm), []).append(outcome)
    tasks = sorted({task for task, name in cells if name in (baseline, arm)})
    return tuple(Pair(task, *(tally(cells.get((task, name), ())) for name in (baseline, arm))) for task in tasks)


@dataclass(frozen=True)
class Spread:
    """Where the variance of the differences comes from."""

    between: float
    """Variance of the true differences over tasks, ω²; with one repeat, of all of it."""
    within: tuple[float, float]
    """Mean variance of a single run of a task in the baseline and in the arm, σ²; 0 with one repeat, which does not tell."""


def spread(compared: Sequence[Pair]) -> Spread:
    """By moments: unbiased variances within tasks, and what they leave of the variance of differences (Miller 2024)."""
    total = estimate(pair.difference for pair in compared).se ** 2 * len(compared)
    repeated = [p for p in compared if min(p.baseline.runs, p.arm.runs) > 1]
    if not repeated:
        return Spread(total, (0.0, 0.0))
    within = [
        fsum(t.rate * (1 - t.rate) * t.runs / (t.runs - 1) for t in side) / len(side)
        for side in ([p.baseline for p in repeated], [p.arm for p in repeated])
    ]
    noise = fsum(within[0] / p.baseline.runs + within[1] / p.arm.runs for p in compared) / len(compared)
    return Spread(max(0.0, total - noise), (within[0], within[1]))


def tasks_needed(found: Spread, repeats: int, effect: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """How many tasks tell a difference of ``effect`` from none: (z_α/2 + z_1-power)²·(ω² + σ_A²/k + σ_B²/k)/δ²
    (Miller 2024, on power)."""
    z = NORMAL.inv_cdf(1 - alpha / 2) + NORMAL.inv_cdf(power)
    return ceil(z * z * (found.between + sum(found.within) / repeats) / effect**2)


def cost_ratio(compared: Sequence[Pair], level: float = 0.95) -> tuple[float, Interval] | None:
    """How many times as dear as the baseline the arm is: geometric mean over tasks of the ratio of mean costs per run, with the
    t interval of the logarithms (Keene 1995, The log transformation is special). ``None`` where a cost is not known or is 0.
    """
    logarithms = [log(p.arm.usd / p.baseline.usd) for p in compared if p.arm.usd and p.baseline.usd]
    if len(logarithms) < max(len(compared), 2):
        return None
    found = estimate(logarithms)
    around = found.interval(level)
    return exp(found.mean), Interval(exp(around.low), exp(around.high), level)


# -- the decision

Verdict = Literal["better", "worse", "adopt cheaper", "equivalent", "inconclusive", "void"]


@dataclass(frozen=True)
class Rule:
    """What is decided by; fixed before an experiment begins."""

    margin: float = 0.05
    """A difference of the pass rates that is too small to matter."""
    alpha: float = 0.05
    """How often, over all arms and looks together, an arm that is the same may be called better or worse."""
    looks: int = 1
    """How often the results are looked at, the last time included, after equal shares of the runs."""
    power: float = 0.8
    """How often what is needed should be enough, when runs needed and detectable differences are told."""
    most_infra: float = 0.05
    """Share of the runs that may be lost to machines and providers; more void a comparison."""


@dataclass(frozen=True)
class Decision:
    """What the runs of an arm say, and everything it was decided by."""

    arm: str
    verdict: Verdict
    reason: str
    """One sentence with the figures that decided."""
    look: int
    """From 1."""
    tasks: int
    """Compared: judged at least once in both arms."""
    runs: int
    """Judged ones of those tasks, in both arms."""
    infra: float
    """Share of the runs that came to no judgement."""
    difference: Estimate
    """Of the pass rates, arm less baseline, over tasks."""
    interval: Interval
    """Of the difference; its level is 1 less what this look may err by, 0.95 at a single look. Not adjusted for other arms."""
    equivalence: Interval
    """The same at twice that error, 0.90 at a single look: within the margin both one-sided tests reject (Schuirmann 1987)."""
    p: float
    """Two-sided, of this arm and look alone."""
    p_holm: float
    """Adjusted for the number of arms."""
    level: float
    """What ``p`` had to be below, after Holm's correction and at this look."""
    probability_better: float
    """Under a flat prior."""
    detectable: float
    """The smallest true difference that such data would show at this look with the rule's power."""
    cost: tuple[float, Interval] | None
    """How many times as dear the arm is, with the interval at the level of ``interval``; ``None`` where prices lack."""
    futile: bool
    """Whether, before the last look, the arm is not better by the margin at the upper end of a 90 % interval."""
    more_runs: int
    """In both arms together, to see a difference of the margin with the rule's power, at as many repeats of more tasks; an
    estimate, and at least one more of each task and arm. 0 where nothing is left open."""

    @property
    def stop(self) -> bool:
        """Whether an experiment with looks left can end for this arm."""
        return self.futile or self.verdict != "inconclusive"


def decide(arms: Mapping[str, Sequence[Pair]], rule: Rule, look: int | None = None) -> dict[str, Decision]:
    """The verdict on each arm (name → its pairs with the baseline) at a look, the last when none is named.

    In this order:

    - *void*: more runs than the rule allows were lost to machines or providers;
    - *better*, *worse*: the paired t test rejects at the level of this look after Holm's correction over arms. At looks, Holm's
      steps go to the levels of α over the arms that are left (Maurer and Bretz 2013);
    - *adopt cheaper*: the interval is above minus the margin and that of the cost ratio below 1;
    - *equivalent*: the interval at twice the error is within the margin;
    - *inconclusive*, with the number of runs needed.

    The standard error is taken to be at least what it were had one run of one task come out otherwise: tasks that all come out
    alike are no proof that all tasks would. ``UserError`` for fewer than two tasks that were judged in both arms.
    """
    look = rule.looks if look is None else look
    if not 1 <= look <= rule.looks:
        raise ValueError(f"there is no look {look} of {rule.looks}")
    compared = {name: [pair for pair in found if pair.judged] for name, found in arms.items()}
    for name, found in compared.items():
        if len(found) < 2:
            raise UserError(
                f"{len(found)} tasks were judged both in arm {name!r} and in the baseline, and a comparison takes 2; "
                "add tasks, or run those again that were lost"
            )
    lost = {name: _lost(found) for name, found in arms.items()}
    differences = {name: _difference(found) for name, found in compared.items()}
    p_values = {name: 1.0 if lost[name] > rule.most_infra else d.p for name, d in differences.items()}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    decisions, open_still = {}, True
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        level = look_levels(rule.looks, rule.alpha / (len(arms) - rank))[look - 1]
        open_still = open_still and p_values[name] < level
        decisions[name] = _decision(
            name, compared[name], rule, look, differences[name], lost[name], adjusted[name], level, open_still
        )
    return {name: decisions[name] for name in arms}


def _lost(found: Sequence[Pair]) -> float:
    sides = [side for pair in found for side in (pair.baseline, pair.arm)]
    return sum(side.infra for side in sides) / max(sum(side.infra + side.runs for side in sides), 1)


def _difference(found: Sequence[Pair]) -> Estimate:
    fewest = min(min(pair.baseline.runs, pair.arm.runs) for pair in found)
    return estimate((pair.difference for pair in found), least_se=1 / (len(found) * fewest))


def _decision(
    name: str,
    found: Sequence[Pair],
    rule: Rule,
    look: int,
    difference: Estimate,
    lost: float,
    p_holm: float,
    level: float,
    differs: bool,
) -> Decision:
    interval = difference.interval(1 - look_levels(rule.looks, rule.alpha)[look - 1])
    equivalence = difference.interval(1 - look_levels(rule.looks, 2 * rule.alpha)[look - 1])
    cost = cost_ratio(found, interval.level)
    futile = look < rule.looks and difference.interval(0.9).high < rule.margin
    runs = sum(pair.baseline.runs + pair.arm.runs for pair in found)
    repeats = max(1, round(runs / len(found) / 2))
    tasks = tasks_needed(spread(found), repeats, rule.margin, rule.alpha, rule.power)
    more = max(2 * repeats * tasks - runs, 2 * len(found))
    gap = f"{100 * difference.mean:+.1f} points [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    margin = f"{100 * rule.margin:g} points"
    verdict: Verdict
    if lost > rule.most_infra:
        verdict, reason = (
            "void",
            f"{lost:.0%} of the runs were lost to machines or providers; {rule.most_infra:.0%} may be",
        )
    elif differs:
        verdict = "better" if difference.mean > 0 else "worse"
        reason = f"{gap}, p = {difference.p:.2g} (needed: below {level:.2g})"
    elif cost and cost[1].high < 1 and interval.low > -rule.margin:
        verdict = "adopt cheaper"
        reason = (
            f"{gap} is not worse by {margin}, at {cost[0]:.2f} [{cost[1].low:.2f}, {cost[1].high:.2f}] times the cost"
        )
    elif -rule.margin < equivalence.low and equivalence.high < rule.margin:
        within = f"[{100 * equivalence.low:+.1f}, {100 * equivalence.high:+.1f}]"
        verdict, reason = "equivalent", f"{100 * difference.mean:+.1f} points {within} is within {margin}"
    else:
        verdict = "inconclusive"
        reason = f"{gap}: " + (
            f"it will hardly turn out better by {margin}"
            if futile
            else f"to see {margin} takes about {more} more runs, at {repeats} of each task and arm"
        )
    return Decision(
        arm=name,
        verdict=verdict,
        reason=reason,
        look=look,
        tasks=len(found),
        runs=runs,
        infra=lost,
        difference=difference,
        interval=interval,
        equivalence=equivalence,
        p=difference.p,
        p_holm=p_holm,
        level=level,
        probability_better=difference.probability_positive,
        detectable=difference.detectable(1 - interval.level, rule.power),
        cost=cost,
        futile=futile,
        more_runs=more if verdict in ("inconclusive", "void") else 0,
    )
