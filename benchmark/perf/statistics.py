"""How often ``benchmark.statistics`` and ``benchmark.gate`` are right, by simulation where the truth is known; seeded.

- ``cells``: size and power of the paired t test at 5 %, and the share of 95 % intervals that hold the truth, for n tasks with
  k repeats. Difficulties are logit-normal with standard deviation 2, an effect is one shift of all logits worth 9 points on
  average. In *null* arms tasks have the same rates in both; in *uneven* ones each arm has tasks of its own that suit it.
- ``looks``: 40 tasks, a look after each of 5 repeats: share called better or worse, and runs spent until all is decided.
- ``margin``: true difference of minus the margin and no news of costs: share called equivalent, which is wrong there.
- ``gate``: share of changes that fail, and runs, for 12 tasks with rates from .6 to .98 and a baseline drawn anew each time.

``value`` is the worst size of the paired test in ``cells``. The baselines are what is usual instead: a two-proportion z test on
all runs, a test at 5 % at each look, a gate at 5 points less than the baseline.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from math import exp, sqrt
from statistics import NormalDist, mean

from benchmark.gate import Baseline, GateRule, TaskRuns, judge, second_stage, stratified_p
from benchmark.perf.measure import arguments, report
from benchmark.statistics import Pair, Rule, Tally, decide, estimate

TRIALS = (4_000, 200)
"""Experiments per figure; the second with ``--quick``."""
TASKS = (10, 20, 40)
REPEATS = (1, 3, 5)
DIFFICULTY = 2.0
"""Standard deviation of the logits of pass rates over tasks; their mean is 0."""
UNEVEN = 0.7
"""Standard deviation of what an arm adds of its own to the logit of a task, in uneven arms."""
EFFECT = 0.09
LOOKS = 5
MARGIN_TASKS = 200
RATES = tuple(0.6 + 0.38 * at / 11 for at in range(12))
"""Of the tasks of the gate."""
DROPS = {"no change": 0.0, "-10 points": 0.1, "-20 points": 0.2, "-30 points": 0.3}
DEAD = {"1 task dead": 1, "2 tasks dead": 2}
NOMINAL = 5.0
"""Per cent; what size may be, and what intervals may miss."""
LUCK = 3.5
"""How many standard deviations of a simulated share it may be off by: the worst of some fifty is judged."""
MOST_ALARMS, LEAST_DETECTED = 0.5, 95.0
"""Per cent of changes that change nothing, and of those that cost 30 points."""


def rate(logit: float) -> float:
    """The inverse of the logit."""
    return 1 / (1 + exp(-logit))


@cache
def shift(points: float) -> float:
    """What must be added to all logits so that the mean rate over difficulties rises by so much."""
    difficulties = [NormalDist(0, DIFFICULTY).inv_cdf((i + 0.5) / 2_000) for i in range(2_000)]
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(rate(d + middle) for d in difficulties) < 0.5 + points else (low, middle)
    return low


def passes(luck: random.Random, chance: float, runs: int) -> int:
    """How many of so many runs pass."""
    return sum(luck.random() < chance for _ in range(runs))


def rates(luck: random.Random, tasks: int, effect: float, uneven: float) -> list[tuple[float, float]]:
    """Chances to pass in the baseline and in the arm, of tasks drawn anew."""
    more, drawn = shift(effect), [luck.gauss(0, DIFFICULTY) for _ in range(tasks)]
    return [(rate(d + luck.gauss(0, uneven)), rate(d + more + luck.gauss(0, uneven))) for d in drawn]


def per_cent(hits: int, trials: int) -> float:
    """Rounded to a tenth."""
    return round(100 * hits / trials, 1)


def cell(tasks: int, repeats: int, trials: int) -> dict[str, float]:
    """Size, power and coverage of the paired test, and size and power of the naive one."""
    found: dict[str, float] = {}
    for name, effect, uneven in (("null", 0.0, 0.0), ("uneven", 0.0, UNEVEN), ("effect", EFFECT, 0.0)):
        luck = random.Random(f"{name} {tasks} {repeats}")
        called = held = naive = 0
        for _ in range(trials):
            drawn = rates(luck, tasks, effect, uneven)
            counts = [(passes(luck, a, repeats), passes(luck, b, repeats)) for a, b in drawn]
            difference = estimate((b - a) / repeats for a, b in counts)
            around = difference.interval()
            called += difference.p < 0.05
            held += around.low <= effect <= around.high
            naive += naive_p(counts, tasks * repeats) < 0.05
        found |= {name: per_cent(called, trials), f"{name}: held": per_cent(held, trials)}
        found[f"{name}: naive"] = per_cent(naive, trials)
    return found


def naive_p(counts: Sequence[tuple[int, int]], runs: int) -> float:
    """Of the two-proportion z test on all runs, as if each were of a task of its own."""
    low, high = sum(a for a, _ in counts) / runs, sum(b for _, b in counts) / runs
    both = (low + high) / 2
    deviation = sqrt(2 * both * (1 - both) / runs)
    return 2 * (1 - NormalDist().cdf(abs(high - low) / deviation)) if deviation else 1.0


def looked_at(name: str, effect: float, uneven: float, trials: int) -> dict[str, float]:
    """What becomes of experiments that are looked at after each repeat of 40 tasks."""
    luck, tasks, rule = random.Random(f"looks {name}"), 40, Rule(looks=LOOKS)
    called = ended = spent = naive = 0
    for _ in range(trials):
        drawn = rates(luck, tasks, effect, uneven)
        counts, stopped, crossed, peeked = [(0, 0)] * tasks, 0, False, False
        for look in range(1, LOOKS + 1):
            counts = [
                (a + (luck.random() < p), b + (luck.random() < q)) for (a, b), (p, q) in zip(counts, drawn, strict=True)
            ]
            seen = decide({"arm": in_pairs(counts, look)}, rule, look)["arm"]
            peeked = peeked or seen.p < 0.05
            crossed = crossed or seen.verdict in ("better", "worse")
            if not stopped and (seen.stop or look == LOOKS):
                stopped = look
                ended += seen.verdict in ("better", "worse")
        called, naive, spent = called + crossed, naive + peeked, spent + 2 * tasks * stopped
    return {
        "called, no stop for futility": per_cent(called, trials),
        "called": per_cent(ended, trials),
        "runs": round(spent / trials),
        "called at 5 % at each look": per_cent(naive, trials),
    }


def in_pairs(counts: Sequence[tuple[int, int]], repeats: int) -> list[Pair]:
    """Passes in the baseline and in the arm as pairs without costs."""
    return [Pair(f"t{at}", Tally(a, repeats), Tally(b, repeats)) for at, (a, b) in enumerate(counts)]


def at_the_margin(trials: int) -> float:
    """Per cent called equivalent where the arm is worse by just the margin."""
    luck, rule, repeats = random.Random("margin"), Rule(), 5
    called = 0
    for _ in range(trials):
        drawn = rates(luck, MARGIN_TASKS, -rule.margin, 0.0)
        counts = [(passes(luck, a, repeats), passes(luck, b, repeats)) for a, b in drawn]
        called += decide({"arm": in_pairs(counts, repeats)}, rule)["arm"].verdict == "equivalent"
    return per_cent(called, trials)


# -- the gate


def runs_of(luck: random.Random, chances: Sequence[float], runs: int) -> Baseline:
    """So many runs of each task."""
    tasks = {f"t{at}": TaskRuns("d", passes(luck, chance, runs), runs) for at, chance in enumerate(chances)}
    return Baseline("c", "k", "m", tasks)


def two_stages(rule: GateRule, luck: random.Random, chances: Sequence[float], before: Baseline) -> tuple[bool, int]:
    """Whether the gate fails a change, and its runs."""
    first = runs_of(luck, chances, rule.first)
    again = second_stage(before, first, rule).tasks
    second = None
    if again:
        more = runs_of(luck, chances, rule.second)
        second = replace(more, tasks={task: more.tasks[task] for task in again})
    verdict = judge(before, first, second, rule)
    return verdict.status == "regression", rule.first * len(chances) + rule.second * len(again)


def threshold(repeats: int, luck: random.Random, chances: Sequence[float], before: Baseline) -> tuple[bool, int]:
    """The usual gate: 5 points less than the baseline fail."""
    now = runs_of(luck, chances, repeats)
    share = [sum(t.passes for t in b.tasks.values()) / sum(t.runs for t in b.tasks.values()) for b in (before, now)]
    return share[1] < share[0] - 0.05, repeats * len(chances)


def one_stage(repeats: int, luck: random.Random, chances: Sequence[float], before: Baseline) -> tuple[bool, int]:
    """The stratified test at 1 %, once."""
    now = runs_of(luck, chances, repeats)
    return stratified_p([(before.tasks[t], now.tasks[t]) for t in now.tasks]) < 0.01, repeats * len(chances)


GATES: dict[str, tuple[Callable[[random.Random, Sequence[float], Baseline], tuple[bool, int]], int]] = {
    "5 points less, 1 run": (partial(threshold, 1), 20),
    "5 points less, 3 runs": (partial(threshold, 3), 20),
    "stratified p < .01, 3 runs": (partial(one_stage, 3), 20),
    "two-stage 1+4": (partial(two_stages, GateRule(1, 4)), 20),
    "two-stage 2+6": (partial(two_stages, GateRule(2, 6)), 20),
    "two-stage 3+7": (partial(two_stages, GateRule(3, 7)), 30),
}
"""Name → the gate (whether it fails a change, and its runs), and the runs per task of its baseline."""


def gate_row(name: str, trials: int) -> dict[str, float]:
    """Per cent of changes that fail, by what the change does, and the mean runs when it does nothing."""
    (gate, runs), row = GATES[name], {}
    for change in (*DROPS, *DEAD):
        luck = random.Random(f"gate {name} {change}")
        # Alarms are the rarest, and what matters is how rare.
        some = trials if change == "no change" else max(trials // 4, 100)
        failed = spent = 0
        for _ in range(some):
            now = [max(0.0, chance - DROPS.get(change, 0.0)) for chance in RATES]
            for at in luck.sample(range(len(now)), DEAD.get(change, 0)):
                now[at] = 0.0
            fails, cost = gate(luck, now, runs_of(luck, RATES, runs))
            failed, spent = failed + fails, spent + cost
        row[change] = per_cent(failed, some)
        if change == "no change":
            row["runs"] = round(spent / some, 1)
    return row


def main() -> None:
    """Print one JSON object."""
    trials = TRIALS[arguments(__doc__).quick]
    cells = {f"n={n}, k={k}": cell(n, k, trials) for n in TASKS for k in REPEATS}
    looks = {
        name: looked_at(name, effect, uneven, trials // 4)
        for name, effect, uneven in (("null", 0.0, 0.0), ("uneven", 0.0, UNEVEN), ("effect", EFFECT, 0.0))
    }
    table = {name: gate_row(name, trials) for name in GATES}
    margin = at_the_margin(trials // 8)
    size = max(found[name] for found in cells.values() for name in ("null", "uneven"))
    coverage = min(found[f"{name}: held"] for found in cells.values() for name in ("null", "uneven", "effect"))
    sequential = max(looks[name]["called, no stop for futility"] for name in ("null", "uneven"))
    ours = table["two-stage 2+6"]

    def most(count: int) -> float:
        return round(NOMINAL + LUCK * sqrt(NOMINAL * (100 - NOMINAL) / count), 1)

    missed = [
        *([f"size {size} %"] if size > most(trials) else []),
        *([f"coverage {coverage} %"] if coverage < 100 - most(trials) else []),
        *([f"size with looks {sequential} %"] if sequential > most(trials // 4) else []),
        *([f"equivalent at the margin {margin} %"] if margin > most(trials // 8) else []),
        *([f"false alarms of the gate {ours['no change']} %"] if ours["no change"] > MOST_ALARMS else []),
        *([f"gate finds {ours['-30 points']} %"] if ours["-30 points"] < LEAST_DETECTED else []),
    ]
    report(
        name="statistics",
        value=size,
        unit="per cent of experiments without a difference in which one is claimed, worst case",
        target=(
            f"<= {most(trials)} (nominal {NOMINAL:g}, and luck), also with looks and at the margin; coverage accordingly; gate 2+6: "
            f"<= {MOST_ALARMS:g} % false alarms, >= {LEAST_DETECTED:g} % of falls by 30 points found"
        ),
        holds=not missed,
        baselines={
            "z test on all runs": max(found["null: naive"] for found in cells.values()),
            "test at 5 % at each of 5 looks": looks["null"]["called at 5 % at each look"],
            "gate at 5 points less": table["5 points less, 3 runs"]["no change"],
        },
        missed=missed,
        trials=trials,
        coverage=coverage,
        cells=cells,
        looks=looks,
        equivalent_at_the_margin=margin,
        gate=table,
    )


if __name__ == "__main__":
    main()
