"""What does it bring to cut the plan again from evidence? Simulated models through the real graphs, at equal token budgets.

Everything is real but the model, the sandbox and git: component loop, build, ladder, edits, scheduler, budget shares. The
plans are those of the shipped exemplars. A component promises *behaviours*; one test is written for each, and one program
for all of them. What a simulated model does is stated in :class:`Skill` and in the constants below, each with its source;
what has none is called an assumption. It was fixed before anything was run, and errs against cutting again where it had to
err: repairs lose nothing, each try is independent of those before, parts and clearer contracts make nothing easier.

Arms, all with the same ceiling of tokens and the same luck for the same question:

- ``static``: repairs, and no rung of the ladder: a component that repairs do not mend has failed;
- ``retry``: a fresh program once, and many more repairs;
- ``restart``: like ``static``, but whatever failed is begun again, tests included, until the tokens are spent;
- ``ladder``: fresh program, amended tests, clearer contract, smaller parts; nobody is asked.

A component is *solved* when it is proven and, which no arm sees, right. ``value`` is the share of components that are solved
by the ladder less that by ``static``, in points, in the middle case; every case is printed, also where the ladder loses.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, cast

from benchmark.perf.measure import arguments, report
from benchmark.perf.ports import SPEC, Ports, context
from few_shot import exemplar
from graphs import document, events
from graphs.building import Building
from graphs.errors import LimitReached
from graphs.events import Event
from graphs.ports import Brief, Neighbour, RedReport, Strategy
from graphs.values import (
    Amendment,
    CaseResult,
    Component,
    Contract,
    Doubt,
    Files,
    Limits,
    Plan,
    Proof,
    Repair,
    Requirement,
    Verdict,
    from_json,
)

SEEDS, QUICK_SEEDS = 200, 24
PARALLEL = 4
RESAMPLES = 2_000
"""Of the seeds, for each interval."""
MOST_RESTARTS = 40


@dataclass(frozen=True)
class Skill:
    """What a model can do."""

    slip: float
    """Each behaviour of a program with k of them is right with probability 1 - slip * k."""
    mends: float
    """A repair mends each failing behaviour with probability mends * (1 - slip * k)."""


# Class-level success of five models of 2026: 45.6 % (best) and 27.9 % (weakest) (ClassEval-Pro, 2604.26923), taken with
# the 33.1 tests a class of ClassEval (2308.01861): (1 - 33.1 slip) ** 33.1. Tasks mended at the second try, with the output
# of the tests: GPT-5 high 36 of 48 (aider polyglot), GPT-4 4.2 of 18.3 (MetaGPT, HumanEval), Qwen2.5-Coder-32B 11.5 of 95.1
# (aider polyglot). Which goes with which is an assumption.
SKILLS = {"strong": Skill(0.00071, 0.75), "middle": Skill(0.00114, 0.23), "weak": Skill(0.00200, 0.12)}
"""``weak`` slips by assumption: it solves 10 % of such classes."""

WRONG_TEST = 0.017
"""Of tests written blind from the contract: 87.8 % of problems had none (AgentCoder), at 7.7 tests a problem (HumanEval)."""
JUDGES = 0.878
"""How often the test writer decides rightly on a test in doubt, and a clearer contract says what is meant: the same figure,
since both are one more reading of the same words. An assumption."""
COMMON = 0.21
"""Of wrong answers, those that others give too. GPT-3.5's tests are wrong on 39 % of problems, and on 52 % of those where
its program is wrong (FunCoder): (0.52 - 0.39) / (1 - 0.39)."""
UNCLEAR = 0.005
"""Of behaviours, in any contract when it is written, those that can be read in two ways. Work split by bare signatures
passes 25 %, by full contracts 58 % (Specification Gap): (25 / 58) ** (1 / 33.1) is 2.5 % misread, 5 % unclear. That full
contracts leave a tenth of it is an assumption."""

# Ten components that were built with a live model (the demo and the recordings of the tests): 220 tests; characters / 4.
CONTRACT_TOKENS, TEST_TOKENS, CODE_TOKENS = 36, 103, 67
"""Of one behaviour."""
CODE_LINES = 6
"""Of one behaviour."""
CONTRACT_CHARACTERS = 145
"""Of one behaviour: what the contracts of the exemplars are measured with."""
TASK_TOKENS, PLANNING_TOKENS = 1_100, 1_700
"""Of prompts beside contract, files and tests: the shipped prompts."""
REASONING_TOKENS = 250
"""Of answers that argue before they decide. An assumption."""
PART_BEHAVIOURS, MOST_PARTS = 10, 4
"""What the model aims at when it cuts, and what the prompt allows."""


@dataclass(frozen=True)
class Case:
    """One cell: what is varied."""

    skill: str = "middle"
    size: float = 3.5
    """Behaviours of a component over those of an exemplar. Exemplars have 6.4 on average, components of a live model 22."""
    budget: float = 5.0
    """Ceiling over what writing tests and code of every component once costs. The ceiling that a run
    has when none is given (2,000,000 tokens) is 37 times that for the six components of the demo."""


MIDDLE = Case()
CASES = (
    MIDDLE,
    *(replace(MIDDLE, size=size) for size in (1.0, 7.0)),
    *(replace(MIDDLE, budget=budget) for budget in (2.5, 10.0, 20.0)),
    *(replace(MIDDLE, skill=skill) for skill in ("strong", "weak")),
    Case(size=7.0, budget=20.0),
)
"""The middle one, what changes one thing in it, and a coarse cut with a budget for it."""

STATIC = Limits(rungs=())
ARMS: dict[str, tuple[Limits, int]] = {
    "static": (STATIC, 0),
    "retry": (Limits(rungs=("candidate",), repairs=12, no_progress=6), 0),
    "restart": (STATIC, MOST_RESTARTS),
    "ladder": (Limits(rungs=("candidate", "amend", "respecify", "split")), 0),
}
"""Limits, and how often what failed is begun again."""


# -- what is written, as text: a line for each behaviour


def said(text: str) -> dict[str, str]:
    """Name → value of the lines ``# name value``: what a contract says, a test expects, a program does."""
    words = (line.removeprefix("# ").split() for line in text.splitlines() if line.startswith("# "))
    return {w[0]: w[1] for w in words if len(w) == 2}


def contract(component_id: str, readings: dict[str, str], note: str = "") -> Contract:
    """Promises the behaviours: ``clear``, ``unclear``, or ``other`` where it says what was not meant."""
    names = max(1, round(len(readings) * 0.15))  # 33 public names for 220 tests in what a live model built
    interface = "".join(f"def {component_id}_{n}(): ...\n" for n in range(names))
    lines = "".join(f"# {name} {reading}\n" for name, reading in readings.items())
    return Contract({f"{component_id}.py": interface}, f"{lines}{note}\n")


def program(brief: Brief, values: dict[str, str]) -> Files:
    """One file that imports what it may use and is as long as such programs are."""
    imports = "".join(f"import {neighbour.id}\n" for neighbour in brief.neighbours)
    body = "".join(f"# {name} {value}\n" + "#\n" * (CODE_LINES - 1) for name, value in values.items())
    return {brief.component.files[0]: f"{imports}\n{body}"}


def does(tree: Files, component_id: str, name: str) -> str:
    """What a component does where ``name`` is asked for: by its own code, or by the part that it wires in."""
    own = said(tree.get(f"{component_id}.py", ""))
    if name in own:
        return own[name]
    for wire, value in own.items():
        if name in promised_by(wire):
            return does(tree, wire.partition("@")[0], name) if value == "right" else value
    return "nothing"


def promised_by(wire: str) -> list[str]:
    """``part@name,name`` → the names of what a part is wired in for; none for anything else."""
    names = wire.partition("@")[2]
    return names.split(",") if names else []


class World(Ports):
    """The simulated model and what would be the sandbox, under one ceiling of tokens."""

    def __init__(self, skill: Skill, seed: int, ceiling: float) -> None:
        self._skill = skill
        self._seed = seed
        self._ceiling = ceiling
        self._asked: Counter[str] = Counter()
        self._by_component: Counter[str] = Counter()
        self.tokens = 0
        self.calls = 0

    async def _call(self, brief: Brief, step: str, prompt: int, answer: int) -> random.Random:
        """Pay for one call; the luck it has, which is the same in every arm that asks the same."""
        cost = prompt + CONTRACT_TOKENS * sum(len(said(n.contract.behaviour)) for n in brief.neighbours) + answer
        if self.tokens + cost > self._ceiling:
            raise LimitReached("tokens", "the ceiling is reached")
        self.tokens += cost
        self.calls += 1
        self._by_component[brief.component.id] += cost
        await asyncio.sleep(0)
        what = f"{self._seed} {brief.component.id} {step} {brief.component.contract.behaviour}"
        self._asked[what] += 1
        return random.Random(f"{what} {self._asked[what]}")

    def share_left(self, component_id: str, share: float) -> bool:
        """As ``agent.budget.Budget`` counts it."""
        mine = self._by_component[component_id]
        return mine < share * (max(self._ceiling - self.tokens, 0) + mine)

    def _right(self, size: int) -> float:
        return max(0.0, 1 - self._skill.slip * size)

    async def tests(self, brief: Brief, attempt: int, previous: Files, problems: Sequence[str]) -> Files:
        """One for each behaviour; some are wrong."""
        promised = said(brief.component.contract.behaviour)
        size = len(promised)
        luck = await self._call(brief, "tests", TASK_TOKENS + CONTRACT_TOKENS * size, TEST_TOKENS * size)
        expected = {
            name: mistake(luck) if luck.random() < WRONG_TEST else taken(reading, luck)
            for name, reading in promised.items()
        }
        return {brief.test_path: "".join(f"# {name} {value}\n" for name, value in expected.items())}

    async def code(self, brief: Brief, attempt: int) -> Files:
        """A program; what parts do is only wired in."""
        promised = said(brief.component.contract.behaviour)
        wired = {f"{p.id}@{','.join(said(p.contract.behaviour))}": "clear" for p in parts_of(brief)}
        left = {} if wired else promised
        size = len(wired) + len(left)
        luck = await self._call(brief, "code", TASK_TOKENS + CONTRACT_TOKENS * len(promised), CODE_TOKENS * size)
        right = self._right(size)
        values = {n: taken(r, luck) if luck.random() < right else mistake(luck) for n, r in {**wired, **left}.items()}
        return program(brief, values)

    async def repair(
        self, brief: Brief, attempt: int, files: Files, tests: Files, verdict: Verdict, notes: Sequence[str]
    ) -> Repair:
        """Makes failing tests pass, right or wrong ones, each with some probability."""
        values = said(next(iter(files.values())))
        expected = said(next(iter(tests.values())))
        size = len(values)
        prompt = TASK_TOKENS + (CONTRACT_TOKENS + TEST_TOKENS) * len(expected) + CODE_TOKENS * size
        luck = await self._call(brief, "repair", prompt, CODE_TOKENS * size)
        mends = self._skill.mends * self._right(size)
        wires = {name: wire for wire in values for name in promised_by(wire) if values[wire] != "right"}
        causes = dict.fromkeys(wires.get(case.id, case.id) for case in verdict.failing)
        for cause in causes:
            if luck.random() < mends:
                values[cause] = "right" if cause in values and promised_by(cause) else expected[cause]
        return Repair(program(brief, values))

    async def amend(self, brief: Brief, attempt: int, tests: Files, doubts: Sequence[Doubt]) -> Amendment:
        """Reads the contract once more for each test in doubt."""
        size = len(said(brief.component.contract.behaviour))
        prompt = TASK_TOKENS + (CONTRACT_TOKENS + TEST_TOKENS) * size + 2 * TEST_TOKENS * len(doubts)
        luck = await self._call(brief, "amend", prompt, (REASONING_TOKENS + TEST_TOKENS) * len(doubts))
        replaced: dict[str, str] = {}
        kept: dict[str, str] = {}
        for doubt in doubts:
            reading = said(brief.component.contract.behaviour)[doubt.id]
            expected, meant = said(doubt.source)[doubt.id], taken(reading, luck)
            if luck.random() < JUDGES:
                if reading == "unclear":
                    kept[doubt.id] = f"unclear: {doubt.id} can be read in two ways"
                elif expected == meant:
                    kept[doubt.id] = "the contract says so"
                else:
                    replaced[doubt.id] = f"# {doubt.id} {meant}\n"
            elif expected == meant:
                replaced[doubt.id] = f"# {doubt.id} {doubt.observed[0]}\n"
            else:
                kept[doubt.id] = "the contract says so"
        return Amendment(replaced, kept, dict.fromkeys(replaced, "the contract says otherwise"))

    async def respecify(self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str]) -> Component:
        """Settles what can be read in two ways and is named by the evidence; nothing becomes easier."""
        promised = said(brief.component.contract.behaviour)
        text = CONTRACT_TOKENS * len(promised)
        code = CODE_TOKENS * len(said("".join(files.values())))
        luck = await self._call(brief, "respecify", PLANNING_TOKENS + text + code, text + REASONING_TOKENS)
        named = {word.strip(",:.") for sentence in evidence for word in sentence.split()}
        for name, reading in promised.items():
            if reading == "unclear" and name in named:
                promised[name] = "clear" if luck.random() < JUDGES else "other"
        component = brief.component
        return replace(component, contract=contract(component.id, promised, f"written anew, {attempt}"))

    async def split(
        self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str], room: int | None = None
    ) -> tuple[Component, ...]:
        """Parts of equal size, in contracts of their own that can be unclear where the whole's was not."""
        component = brief.component
        promised = said(component.contract.behaviour)
        text = CONTRACT_TOKENS * len(promised)
        luck = await self._call(brief, "split", PLANNING_TOKENS + text, text + REASONING_TOKENS)
        count = min(MOST_PARTS, max(2, math.ceil(len(promised) / PART_BEHAVIOURS)))
        names = sorted(promised)
        parts = []
        for number in range(count):
            part_id = f"{component.id}_p{number}"
            readings = {n: rewritten(promised[n], luck) for n in names[number::count]}
            part = Component(part_id, "A part.", (f"{part_id}.py",), contract(part_id, readings), component.depends_on)
            parts.append(part)
        return tuple(parts)

    def stub(self, component: Component) -> Files:
        """An empty file."""
        return dict.fromkeys(component.files, "")

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        """Every test fails on the stub."""
        return RedReport(tuple(said(next(iter(tests.values())))), (), Verdict("failed"))

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """Compares what the program does with what the tests expect."""
        expected = said(next(iter(tests.values())))
        cases = []
        for name in ids:
            value = does(tree, brief.component.id, name)
            passes = value == expected[name]
            cases.append(CaseResult(name, "passed" if passes else "failed", "" if passes else f"E  {value}"))
        good = all(case.outcome == "passed" for case in cases)
        return Verdict("passed" if good else "failed", tuple(cases), "" if good else "tests fail")

    def tied(self, tests: Files) -> Mapping[str, tuple[str, ...]]:
        """Each test is for the one requirement."""
        return dict.fromkeys(said(next(iter(tests.values()))), ("R1",))

    def source(self, tests: Files, test_id: str) -> str:
        """Its line."""
        return f"# {test_id} {said(next(iter(tests.values())))[test_id]}\n"

    def amended(self, tests: Files, replaced: Files) -> Files:
        """Other lines for these."""
        path, text = next(iter(tests.items()))
        expected = said(text) | {name: said(line)[name] for name, line in replaced.items()}
        return {path: "".join(f"# {name} {value}\n" for name, value in expected.items())}


def parts_of(brief: Brief) -> list[Neighbour]:
    """The neighbours that a component was split into: they promise what it promises."""
    whole = said(brief.component.contract.behaviour).keys()
    return [n for n in brief.neighbours if said(n.contract.behaviour).keys() <= whole]


def taken(reading: str, luck: random.Random) -> str:
    """What somebody who makes no mistake takes a promise for; ``right`` is what was meant."""
    other = reading == "other" or (reading == "unclear" and luck.random() < 0.5)
    return "other" if other else "right"


def mistake(luck: random.Random) -> str:
    """What is done or expected wrongly: what others also take for right, or something of one's own."""
    return "common" if luck.random() < COMMON else f"wrong{luck.randrange(10**9)}"


def rewritten(reading: str, luck: random.Random) -> str:
    """A promise in other words."""
    return "unclear" if luck.random() < UNCLEAR else reading


# -- runs


@dataclass
class Facts:
    """A journal in memory: the latest proofs and the plan in force."""

    plan: Plan
    proofs: dict[str, Proof] = field(default_factory=dict)
    decisions: Counter[str] = field(default_factory=Counter)

    async def append(self, *facts: Event) -> int:
        """Keep what counts."""
        for fact in facts:
            body: Any = fact.body
            if fact.kind == events.COMPONENT_PASSED:
                self.proofs[fact.component] = from_json(Proof, body["proof"])
            elif fact.kind == events.PLAN_REVISED:
                self.plan = document.from_data(body["plan"])
                self.proofs |= {i: from_json(Proof, p) for i, p in body.get("proofs", {}).items()}
            elif fact.kind == events.COMPONENT_DECISION:
                self.decisions[str(body["decision"])] += 1
                self.decisions["stopped by the budget share"] += "share of the budget" in body["reason"]
        return 0


@dataclass(frozen=True)
class Result:
    """One arm under one seed."""

    solved: float
    """Share of the components of the first plan that are proven and right."""
    proven: float
    """Share of those that are proven."""
    whole: float
    """1 when all are solved."""
    tokens: int
    ceiling: float
    """Of tokens; the same for every arm."""
    calls: int
    decisions: dict[str, int]


@cache
def plans() -> tuple[Plan, ...]:
    """Of the shipped exemplars."""
    return tuple(e.plan for e in exemplar.library(None))


def task(seed: int, size: float) -> Plan:
    """One of the exemplars' graphs, with components that promise as much as theirs, times ``size``."""
    library = plans()
    shape = library[seed % len(library)]
    luck = random.Random(f"{seed} task")
    components = []
    for c in shape.components:
        characters = len(c.contract.behaviour) + sum(map(len, c.contract.interface.values()))
        count = max(1, round(size * characters / CONTRACT_CHARACTERS))
        readings = {f"{c.id}.b{n}": rewritten("clear", luck) for n in range(count)}
        components.append(
            Component(c.id, "One of them.", (f"{c.id}.py",), contract(c.id, readings), c.depends_on, ("R1",))
        )
    return Plan(shape.title, tuple(components), (Requirement("R1", "It works."),), SPEC.digest)


def least(plan: Plan) -> int:
    """Tokens of the tests and the code of every component, written once."""
    promised = {c.id: len(said(c.contract.behaviour)) for c in plan.components}
    tokens = 0
    for c in plan.components:
        prompt = TASK_TOKENS + CONTRACT_TOKENS * (promised[c.id] + sum(promised[d] for d in c.depends_on))
        tokens += 2 * prompt + (TEST_TOKENS + CODE_TOKENS) * promised[c.id]
    return tokens


class Remembered:
    """What the journal does for a run: a question that was answered is not paid for, or answered otherwise, again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answers: dict[tuple[str, str, str], Any] = {}

    def __getattr__(self, step: str) -> Callable[..., Awaitable[Any]]:
        ask = getattr(self._world, step)

        async def once(brief: Brief, *told: object) -> Any:
            key = (step, brief.key, repr(told))
            if key not in self._answers:
                self._answers[key] = await ask(brief, *told)
            return self._answers[key]

        return once


async def built(case: Case, arm: str, seed: int) -> Result:
    """One plan under one arm."""
    plan = task(seed, case.size)
    limits, restarts = ARMS[arm]
    ceiling = case.budget * least(plan)
    world, facts = World(SKILLS[case.skill], seed, ceiling), Facts(plan)
    given = context(world, facts, plan, limits=limits, parallel=PARALLEL)
    try:
        for _ in range(1 + restarts):
            given = replace(given, strategy=cast(Strategy, Remembered(world)))
            proofs, _ = await Building(given, facts.plan).run()
            if sum(p.status == "passed" for p in proofs.values()) == len(plan.components):
                break
    except LimitReached:
        pass
    here = {c.id for c in facts.plan.components}
    tree = {path: text for i, p in facts.proofs.items() if i in here for path, text in p.files.items()}
    solved = [c.id for c in plan.components if c.id in facts.proofs and _right(tree, c)]
    proven = [c.id for c in plan.components if c.id in facts.proofs]
    count = len(plan.components)
    return Result(
        len(solved) / count,
        len(proven) / count,
        float(len(solved) == count),
        world.tokens,
        ceiling,
        world.calls,
        dict(+facts.decisions),
    )


def _right(tree: Files, component: Component) -> bool:
    return all(does(tree, component.id, name) == "right" for name in said(component.contract.behaviour))


def run_all(case: Case, seed: int) -> dict[str, Result]:
    """Every arm under one seed."""
    return {arm: asyncio.run(built(case, arm, seed)) for arm in ARMS}


# -- what came out


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean and its 95 % interval, by resampling the seeds."""
    chance = random.Random(1)
    means = sorted(statistics.fmean(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    low, high = means[round(0.025 * RESAMPLES)], means[round(0.975 * RESAMPLES) - 1]
    return {"mean": round(statistics.fmean(values), 3), "low": round(low, 3), "high": round(high, 3)}


MEASURES: dict[str, Callable[[Result], float]] = {
    "solved": lambda r: 100 * r.solved,
    "proven": lambda r: 100 * r.proven,
    "whole": lambda r: 100 * r.whole,
    "kilotokens": lambda r: r.tokens / 1000,
    "calls": lambda r: r.calls,
}
"""The first three in per cent."""


def table(case: Case, results: Sequence[dict[str, Result]]) -> dict[str, Any]:
    """Figures of one case: of each arm, and of the ladder against each other arm under the same seeds."""
    arms = {
        arm: {name: interval([measure(r[arm]) for r in results]) for name, measure in MEASURES.items()} for arm in ARMS
    }
    against = {
        arm: {
            name: interval([measure(r["ladder"]) - measure(r[arm]) for r in results])
            for name, measure in MEASURES.items()
        }
        for arm in ARMS
        if arm != "ladder"
    }
    rungs: Counter[str] = Counter()
    for r in results:
        rungs.update(r["ladder"].decisions)
    return {
        "skill": case.skill,
        "size": case.size,
        "budget": case.budget,
        "ceiling_kilotokens": round(statistics.fmean(r["ladder"].ceiling for r in results) / 1000, 1),
        "arms": arms,
        "ladder_less": against,
        "decisions": dict(rungs),
    }


def verdicts(cases: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Where the ladder is not better, in words."""
    for case in cases:
        where = f"{case['skill']} model, size {case['size']:g}, budget {case['budget']:g}"
        for arm, figures in case["ladder_less"].items():
            solved = figures["solved"]
            if solved["low"] <= 0:
                word = "worse than" if solved["high"] < 0 else "not told apart from"
                yield f"{where}: {word} {arm} ({solved['mean']:+.1f} points, {solved['low']:+.1f} to {solved['high']:+.1f})"


def main() -> None:
    """Run every case; print one JSON object."""
    seeds = range(QUICK_SEEDS if arguments(__doc__).quick else SEEDS)
    cases = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for case in CASES:
            cases.append(table(case, list(pool.map(partial(run_all, case), seeds, chunksize=4))))
    middle = cases[0]
    gain = middle["ladder_less"]["static"]["solved"]
    report(
        "recut",
        gain["mean"],
        "points of solved components, ladder less static plan, simulated model, equal tokens",
        target="lower end of the 95 % interval above 0 against static, retry and restart in the middle case",
        holds=all(figures["solved"]["low"] > 0 for figures in middle["ladder_less"].values()),
        baselines={arm: middle["arms"][arm]["solved"]["mean"] for arm in ARMS},
        interval=[gain["low"], gain["high"]],
        seeds=len(seeds),
        not_better=list(verdicts(cases)),
        cases=cases,
    )


if __name__ == "__main__":
    main()
