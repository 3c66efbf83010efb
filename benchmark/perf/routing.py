"""Does the loop inside a component find what is at fault? Known faults, a simulated model, everything else real.

Each file of ``situations/`` holds a small component that is known to be right (code, tests, held-out tests, examples of the
spec) and situations in which a loop can find itself: a wrong program, wrong tests, both, a contract that can be read in two
ways, chance in a test or in the program. ``tests/test_routing.py`` proves the files. The loop is ``graphs.component_graph``
with the real toolchain and sandbox; only the model is simulated, by :class:`Author`, whose skills are the constants below,
each with its source. They were fixed before anything was run.

Arms, all with the same model, the same luck for the same question and the same ceiling of calls:

- ``ours``: the loop as it is, with all rungs; what it hands on to the plan is where ``graphs.evidence.next_rung`` sends it;
- ``always repair``: the loop without rungs, disputes, second runs and mutants: what fails is the code's fault;
- ``ask whose fault``: at each failure one opinion of the model, and then tests are rewritten or code is repaired.

``value`` is the share of situations that were routed to what is at fault, in per cent, without those where no frozen test
fails (``hidden``), which are counted for themselves. Printed beside it: the whole table of truth and routes, wrong programs
accepted, right programs thrown away, right tests made weaker, calls, and what a proof costs. A program is *right* when it is
the one of the corpus; all that the model can write is in the corpus.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import random
import statistics
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from math import comb, sqrt
from pathlib import Path
from typing import Any, Literal, cast, get_args

from agent.checks import mutants
from agent.checks.pytest_source import source_of
from agent.checks.python import PytestToolchain
from agent.sandbox import open_sandbox
from agent.sandbox.base import Ended, Job, Sandbox
from benchmark.perf.measure import machine, report
from benchmark.perf.ports import Ports
from graphs import component_graph, dag, events, syntax
from graphs.errors import LimitReached
from graphs.events import Event
from graphs.evidence import Tried, next_rung, observation
from graphs.examples import parse_block
from graphs.ports import Brief, Checker, RedReport
from graphs.values import (
    Amendment,
    Component,
    Contract,
    Doubt,
    Example,
    Files,
    Limits,
    Mutant,
    Repair,
    Requirement,
    Strength,
    Strengthening,
    Verdict,
    digest,
)

SITUATIONS = Path(__file__).with_name("situations")

CALLS = 14
"""Answers of the model that a component may cost, in every arm."""
ARMS: dict[str, Limits] = {
    "ours": Limits(mutant_seconds=300.0),  # so that a busy machine leaves no mutant out
    "always repair": Limits(rungs=(), repairs=CALLS, no_progress=CALLS, mutants=0),
    "ask whose fault": Limits(),
}

# What the model can do. Each chance is drawn for itself, from the situation, the kind of question and how often it was asked.
FRESH_RIGHT = 0.7
"""Of programs written from the contract once more. GPT-3.5 and GPT-4 solve 68 and 83 % of HumanEval at the first try (FunCoder)."""
FRESH_SAME = 0.15
"""Of them, those with the mistake that is there already: half of the rest, which is more than the 21 % of wrong answers that
others give too (see ``recut.COMMON``). An assumption, against the vote."""
REPAIRS = 0.6
"""Of repairs, those that make the failing tests pass, right tests as well as wrong ones. Between the 0.75 and 0.23 of second
tries with the output of the tests (see ``recut.SKILLS``); components here are small. An assumption."""
DISPUTES = 0.6
"""Of repairers who see a wrong test fail, those who say so: fewer than would see it when asked. An assumption."""
DISPUTES_UNCLEAR = 0.3
"""The same where the contract can be read in two ways. An assumption."""
DISPUTES_WRONGLY = 0.1
"""Of repairers of wrong code, those who blame the test. An assumption."""
JUDGES = 0.7
"""How often one opinion on whose fault it is is right, and on whether the contract is clear. An assumption; where GPT-3.5's own
tests fail, the test alone is wrong in 48 % and the program alone in 25 % (FunCoder), so the better constant guess has 48 %."""
AMENDS = 0.85
"""Of wrong tests that the test writer is asked about, those that are replaced by a right one; the others are kept. Expected
values that a model writes are right in about 85 % (2501.12793)."""
KEEPS = 0.9
"""Of right tests that the test writer is asked about, those that are kept; the others come back asserting little. An assumption."""
ADDS, ADDS_WRONGLY = 0.8, 0.1
"""Of changes of the code that went unnoticed and could be noticed, those for which a right and a wrong test is written; the
others are excused. 87.8 % of problems had no wrong test when tests were written blind (AgentCoder)."""

Kind = Literal["code", "test", "tests", "both", "ambiguous", "flaky_test", "flaky_code"]
Route = Literal["code", "test", "tests", "both", "contract", "flaky", "size", "user", "nowhere"]
EXPECTED: dict[str, frozenset[str]] = {
    "code": frozenset({"code"}),
    "hidden": frozenset({"code"}),
    "test": frozenset({"test"}),
    "tests": frozenset({"tests"}),
    "both": frozenset({"both"}),
    "ambiguous": frozenset({"contract"}),
    "flaky_test": frozenset({"flaky", "test"}),
    "flaky_code": frozenset({"code"}),
}
"""Truth → where it belongs. A hidden fault is one of the code that no frozen test notices; a flaky test may be set aside or
written anew."""


# -- the corpus


@dataclass(frozen=True)
class Known:
    """A component that is known to be right."""

    component: Component
    """With the contract as it is meant."""
    requirements: tuple[Requirement, ...]
    code: str
    """Of its one file."""
    tests: str
    """Of its one test file, all right."""
    held_out: str
    """Further right tests, to be put at the end of the test file; nobody sees them but who writes one of them."""
    examples: tuple[Example, ...]
    """Of the spec."""

    @property
    def file(self) -> str:
        """The file it owns."""
        return self.component.files[0]

    @property
    def test_path(self) -> str:
        """Its test file."""
        return dag.test_path(self.component.id)

    @property
    def all_tests(self) -> Files:
        """The tests and the held-out ones."""
        return {self.test_path: f"{self.tests}\n\n{self.held_out}"}


@dataclass(frozen=True)
class Situation:
    """What a loop can find itself in, and what is wrong there."""

    known: Known
    id: str
    """Unique in the corpus."""
    kind: Kind
    why: str
    """What is wrong, for readers."""
    behaviour: str
    """Of the contract that everybody sees: that of the component, but for ``ambiguous``."""
    code: str
    """The first program."""
    tests: str
    """The tests that are written."""
    bent: str = ""
    """A wrong program that passes them, where a repairer would write one; empty: it finds none."""
    other_tests: str = ""
    """``ambiguous`` only: the tests in the reading of ``code``."""
    covered: bool = False
    """An example of the spec fails on the wrong program, or on the one that was bent."""
    hidden: bool = False
    """Only the held-out tests notice the wrong program."""

    @property
    def truth(self) -> str:
        """Its row in the table."""
        return "hidden" if self.hidden else self.kind

    @property
    def brief(self) -> Brief:
        """What the model is told."""
        known = self.known
        contract = replace(known.component.contract, behaviour=self.behaviour)
        component = replace(known.component, contract=contract)
        return Brief(component, self.id, known.requirements, (), known.test_path, examples=known.examples)

    @property
    def begins_right(self) -> bool:
        """Whether there is nothing to mend in the first program."""
        return self.code == self.known.code

    @property
    def meant(self) -> str:
        """The right program. Which reading of an unclear contract is meant is drawn by lot: the loop cannot know it."""
        if self.kind == "ambiguous" and random.Random(f"{self.id} meant").random() < 0.5:
            return self.code
        return self.known.code

    def changed(self, text: str) -> frozenset[str]:
        """Names of the tests that are not as in the component's right ones."""
        return frozenset(
            name for name in functions(self.known.tests) if functions(text)[name] != functions(self.known.tests)[name]
        )

    @property
    def wrong_tests(self) -> frozenset[str]:
        """Names of the tests that are wrong, or come out by chance."""
        return self.changed(self.tests)

    @property
    def unclear_tests(self) -> frozenset[str]:
        """Names of the tests on which the two readings of the contract differ."""
        return self.changed(self.other_tests) if self.other_tests else frozenset()


@cache
def functions(source: str) -> dict[str, str]:
    """Name → its syntax, of the functions of a module."""
    return {node.name: ast.dump(node) for node in syntax.parse(source).body if isinstance(node, ast.FunctionDef)}


def edited(text: str, edits: Iterable[Sequence[str]]) -> str:
    """``text`` with each first text replaced by the second. ``ValueError`` when it does not stand there exactly once."""
    for was, becomes in edits:
        if text.count(was) != 1:
            raise ValueError(f"{was!r} stands there {text.count(was)} times and not once")
        text = text.replace(was, becomes)
    return text


def load(path: Path) -> tuple[Situation, ...]:
    """The situations of one file. ``ValueError`` and ``KeyError`` when it is not as it should be."""
    data = tomllib.loads(path.read_text("utf-8"))
    requirements = tuple(Requirement(name, text) for name, text in data["requirements"].items())
    examples = [parse_block(text, f"E{number}", 0) for number, text in enumerate(data["examples"], 1)]
    component = Component(
        data["id"],
        data["purpose"],
        (data["file"],),
        Contract({data["file"]: data["interface"]}, data["behaviour"]),
        requirements=tuple(data["requirements"]),
    )
    known = Known(
        component,
        requirements,
        data["code"],
        data["tests"],
        data["held_out"],
        tuple(e for e in examples if e is not None),
    )
    return tuple(_situation(known, found) for found in data["situation"])


def _situation(known: Known, found: Mapping[str, Any]) -> Situation:
    unknown = found.keys() - {
        "id",
        "kind",
        "why",
        "covered",
        "hidden",
        "behaviour",
        "code",
        "tests",
        "bent",
        "other_tests",
    }
    if unknown or found["kind"] not in get_args(Kind):
        raise ValueError(f"{found['id']}: {', '.join(unknown) or found['kind']} is not known")
    return Situation(
        known,
        f"{known.component.id}.{found['id']}",
        found["kind"],
        found["why"],
        edited(known.component.contract.behaviour, found.get("behaviour", ())),
        edited(known.code, found.get("code", ())),
        edited(known.tests, found.get("tests", ())),
        edited(known.code, found["bent"]) if "bent" in found else "",
        edited(known.tests, found["other_tests"]) if "other_tests" in found else "",
        found.get("covered", False),
        found.get("hidden", False),
    )


@cache
def corpus() -> tuple[Situation, ...]:
    """All situations, in the order of files."""
    return tuple(situation for path in sorted(SITUATIONS.glob("*.toml")) for situation in load(path))


def few(situations: Sequence[Situation], count: int) -> list[Situation]:
    """So many of them, as evenly over the truths as can be."""
    luck = random.Random("few")
    rows = {truth: [s for s in situations if s.truth == truth] for truth in EXPECTED}
    for row in rows.values():
        luck.shuffle(row)
    turns = [s for turn in range(len(situations)) for row in rows.values() for s in row[turn : turn + 1]]
    return turns[:count]


# -- the model


class Author(Ports):
    """The simulated model in one situation. Whatever it writes is from the corpus."""

    def __init__(self, situation: Situation, bench: Bench, may_dispute: bool) -> None:
        """
        Args:
            situation: what is to be written.
            bench: tells which held-out tests have to do with a change of the code.
            may_dispute: whether a repairer may say that a test is wrong; who may not, repairs.
        """
        self.calls: Counter[str] = Counter()
        self._situation = situation
        self._known = situation.known
        self._bench = bench
        self._may_dispute = may_dispute

    def _luck(self, step: str) -> random.Random:
        if self.calls.total() >= CALLS:
            raise LimitReached("calls", "all calls are made")
        self.calls[step] += 1
        return random.Random(f"{self._situation.id} {step} {self.calls[step]}")

    def _file(self, code: str) -> dict[str, str]:
        return {self._known.file: code}

    async def tests(self, brief: Brief, attempt: int, previous: Files, problems: Sequence[str]) -> Files:
        """Those of the situation, however often they are sent back."""
        self._luck("tests")
        return {brief.test_path: self._situation.tests}

    async def code(self, brief: Brief, attempt: int) -> Files:
        """The program of the situation; later an independent one."""
        situation = self._situation
        luck = self._luck("code")
        if attempt == 1:
            return self._file(situation.code)
        drawn = luck.random()
        if drawn < FRESH_RIGHT:
            return self._file(
                luck.choice([self._known.code, situation.code]) if situation.other_tests else self._known.code
            )
        same = situation.bent if situation.begins_right else situation.code
        if drawn < FRESH_RIGHT + FRESH_SAME and same:
            return self._file(same)
        others = [
            s.code
            for s in corpus()
            if s.known.component.id == self._known.component.id and s.truth == "code" and s.code != situation.code
        ]
        return self._file(luck.choice(others or [situation.code]))

    async def repair(
        self, brief: Brief, attempt: int, files: Files, tests: Files, verdict: Verdict, notes: Sequence[str]
    ) -> Repair:
        """Makes what fails pass, or says that a test is wrong; often neither."""
        luck = self._luck("repair")
        disputes, works = luck.random(), luck.random() < REPAIRS
        failing = {case.id: name_of(case.id) for case in verdict.failing if "::" in case.id}
        wrong = self._wrong(tests, failing)
        unclear = {i: n for i, n in failing.items() if n in self._situation.unclear_tests}
        code = files[self._known.file]
        if unclear:
            chance, blamed, mended = DISPUTES_UNCLEAR, unclear, self._situation.code if wrong else self._known.code
        elif code == self._known.code:
            chance, blamed, mended = DISPUTES, wrong, self._situation.bent or code
        elif wrong:
            chance, blamed, mended = DISPUTES, wrong, self._known.code
        else:
            chance, blamed, mended = DISPUTES_WRONGLY, failing, self._known.code
        disputed = (
            dict.fromkeys(blamed, "the contract says otherwise") if disputes < chance and self._may_dispute else {}
        )
        at_both = wrong and not unclear and code != self._known.code
        return Repair(self._file(mended if works and (at_both or not disputed) else code), disputed)

    def _wrong(self, tests: Files, failing: Mapping[str, str]) -> dict[str, str]:
        """Those of the failing tests that are wrong as they stand."""
        return {i: n for i, n in failing.items() if source_of(tests, i) != self._right(i)}

    def _right(self, test_id: str) -> str:
        """The right test of that name."""
        right = source_of(self._known.all_tests, test_id.removesuffix(TURNED))
        return right.replace(f"def {name_of(test_id).removesuffix(TURNED)}(", f"def {name_of(test_id)}(")

    async def amend(self, brief: Brief, attempt: int, tests: Files, doubts: Sequence[Doubt]) -> Amendment:
        """Replaces most of the wrong tests, keeps most of the right ones, and finds most of what is unclear."""
        luck = self._luck("amend")
        replaced: dict[str, str] = {}
        kept: dict[str, str] = {}
        for doubt in doubts:
            drawn, right = luck.random(), self._right(doubt.id)
            if name_of(doubt.id) in self._situation.unclear_tests:
                if drawn < JUDGES:
                    kept[doubt.id] = "unclear: it can be read in two ways"
                elif drawn < (1 + JUDGES) / 2:
                    kept[doubt.id] = "the contract says so"
                else:
                    replaced[doubt.id] = source_of({brief.test_path: self._situation.other_tests}, doubt.id)
            elif doubt.source != right:
                if drawn < AMENDS:
                    replaced[doubt.id] = right
            elif drawn >= KEEPS:
                replaced[doubt.id] = weakened(doubt.source)
            if doubt.id not in replaced:
                kept.setdefault(doubt.id, "the contract says so")
        return Amendment(replaced, kept, dict.fromkeys(replaced, "the contract says otherwise"))

    async def strengthen(
        self,
        brief: Brief,
        files: Files,
        tests: Files,
        survivors: Sequence[Mutant],
        idle: Sequence[str],
        differ: Sequence[str],
    ) -> Strengthening:
        """Held-out tests, for those of the changes that have to do with one of them; idle tests stay as they are."""
        luck = self._luck("strengthen")
        added: dict[str, str] = {}
        excused: dict[str, str] = {}
        concerned = await self._bench.concerned(self._situation, survivors)
        for mutant in survivors:
            drawn, near = luck.random(), concerned.get(mutant.id, "")
            source = source_of(self._known.all_tests, near)
            wrong = turned(source)
            if near and drawn < ADDS:
                added[mutant.id] = source
            elif near and wrong and drawn < ADDS + ADDS_WRONGLY:
                added[mutant.id] = wrong
            else:
                excused[mutant.id] = "equivalent: nobody could notice it"
        return Strengthening(added, excused)

    def blames_tests(self, files: Files, tests: Files, verdict: Verdict) -> bool:
        """One opinion: whether the tests are at fault and not the code."""
        luck = self._luck("judge")
        failing = {case.id: name_of(case.id) for case in verdict.failing if "::" in case.id}
        tests_fault = bool(self._wrong(tests, failing)) or bool(set(failing.values()) & self._situation.unclear_tests)
        code_fault = files[self._known.file] != self._known.code
        right = luck.random() < JUDGES
        return luck.random() < 0.5 if tests_fault == code_fault else tests_fault == right


TURNED = "_the_other_way_round"


def name_of(test_id: str) -> str:
    """The name of a test without its file."""
    return test_id.rpartition("::")[2]


def weakened(source: str) -> str:
    """The test, satisfied with any value where it wanted a certain one.

    >>> print(weakened("def test_a():\\n    assert f(1) == 2"))
    def test_a():
        assert f(1) is not None
    """
    tree = syntax.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare) and isinstance(node.test.ops[0], ast.Eq):
            node.test = ast.Compare(node.test.left, [ast.IsNot()], [ast.Constant(None)])
    return ast.unparse(ast.fix_missing_locations(tree))


def turned(source: str) -> str:
    """A wrong test: the first assertion turned round, under another name. Empty when it asserts nothing.

    >>> print(turned("def test_a():\\n    assert f(1) == 2"))
    def test_a_the_other_way_round():
        assert not f(1) == 2
    """
    tree = syntax.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.name += TURNED
        if isinstance(node, ast.Assert):
            node.test = ast.UnaryOp(ast.Not(), node.test)
            return ast.unparse(ast.fix_missing_locations(tree))
    return ""


# -- the sandbox


class Bench:
    """The real toolchain for one run of a situation. What was run on the same files before is not run again, unless chance has
    a part in the situation."""

    def __init__(
        self, toolchain: PytestToolchain, situation: Situation, known: dict[str, asyncio.Future[Any]], second_runs: bool
    ) -> None:
        """
        Args:
            toolchain: runs everything.
            situation: whose files are run.
            known: what was run before, over all situations; grows.
            second_runs: whether a test that fails and then passes is flaky, and not just failed.
        """
        self._toolchain = toolchain
        self._steady = situation.kind not in ("flaky_test", "flaky_code")
        self._known = known
        self._second_runs = second_runs
        self._measured: Files = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._toolchain, name)

    async def _once(self, what: str, run: Callable[..., Awaitable[Any]], brief: Brief, *on: object) -> Any:
        key = digest([what, brief.examples, *on])
        if key not in self._known or not self._steady:
            self._known[key] = asyncio.ensure_future(run(brief, *on))
        return await self._known[key]

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        """As the toolchain."""
        return cast(RedReport, await self._once("red", self._toolchain.red, brief, tree, tests))

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """As the toolchain."""
        verdict = cast(Verdict, await self._once("prove", self._toolchain.prove, brief, tree, tests, ids))
        if self._second_runs:
            return verdict
        plain = (replace(case, outcome="failed") if case.outcome == "flaky" else case for case in verdict.cases)
        return replace(verdict, cases=tuple(plain))

    async def strength(
        self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str], limits: Limits, known: Strength | None = None
    ) -> Strength:
        """As the toolchain. What was measured before saves time and changes nothing that counts, so it is no part of the key."""
        self._measured = tree
        run = partial(self._toolchain.strength, known=known)
        return cast(Strength, await self._once("strength", run, brief, tree, tests, ids, limits))

    async def concerned(self, situation: Situation, survivors: Sequence[Mutant]) -> dict[str, str]:
        """Mutant → the id of a held-out test in which something else happens when the program is changed like that.

        Whoever writes a test for a change writes one that tells the change from the contract. Where the program is wrong, so
        that the test fails with and without the change, it fails in another way.
        """
        program = mutants.read({situation.known.file: self._measured[situation.known.file]})
        written = (candidate.written() for candidate in program.candidates)
        texts = {found[0].id: found[1] for found in written if found is not None}
        before = await self._held_out(situation, program.plain)
        concerned: dict[str, str] = {}
        for mutant in survivors:
            after = await self._held_out(situation, {mutant.path: texts[mutant.id]})
            differ = [test_id for test_id in before if before[test_id] != after[test_id]]
            if differ:
                fresh = [test_id for test_id in differ if test_id not in concerned.values()]
                concerned[mutant.id] = (fresh or differ)[0]
        return concerned

    async def _held_out(self, situation: Situation, files: Files) -> dict[str, tuple[str, str]]:
        known = situation.known
        ids = [f"{known.test_path}::{name}" for name in functions(known.held_out)]
        verdict = await self.prove(replace(situation.brief, examples=()), files, known.all_tests, ids)
        return {case.id: (case.outcome, observation(case)) for case in verdict.cases}


# -- runs


class Facts:
    """A journal in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def append(self, *facts: Event) -> int:
        """Keep them."""
        self.events += facts
        return len(self.events)


@dataclass(frozen=True)
class Built:
    """What a component came to."""

    passed: bool
    files: Files
    """Its files at the end."""
    tests: Files
    """Its tests at the end."""
    rung: str = ""
    """What would be done next for one that did not pass, outside of the loop; empty for nothing."""


async def by_the_loop(author: Author, bench: Bench, situation: Situation, facts: Facts, limits: Limits) -> Built:
    """The loop of ``graphs``."""
    checker = cast(Checker, bench)
    outcome = await component_graph.prove(component_graph.Context(situation.brief, {}, author, checker, facts, limits))
    proof = outcome.proof
    decision = next_rung(outcome.evidence, Tried(), limits) if outcome.evidence else None
    rung = decision.rung if decision and decision.rung else ""
    return Built(proof.status == "passed", proof.files, proof.tests, rung)


async def by_asking(author: Author, bench: Bench, situation: Situation, facts: Facts, limits: Limits) -> Built:
    """One opinion at each failure: what is at fault is written anew, and nothing is checked but whether it passes now."""
    brief = situation.brief
    tests = await author.tests(brief, 1, {}, [])
    files = await author.code(brief, 1)
    ids = (await bench.red(brief, bench.stub(brief.component), tests)).good
    while True:
        verdict = await bench.prove(brief, files, tests, ids)
        if verdict.status == "passed":
            return Built(True, files, tests)
        failing = [case for case in verdict.failing if case.id in ids]
        if not (author.blames_tests(files, tests, verdict) and failing):
            files = (await author.repair(brief, 0, files, tests, verdict, [])).files
            continue
        doubts = [Doubt(case.id, source_of(tests, case.id), (case.message,)) for case in failing]
        answer = await author.amend(brief, 0, tests, doubts)
        tests = bench.amended(tests, answer.replaced)
        amended = [{"id": test_id, "evidence": ["one opinion"]} for test_id in answer.replaced]
        await facts.append(*(Event(events.TEST_AMENDED, body=body) for body in amended))


WAYS = {"ours": by_the_loop, "always repair": by_the_loop, "ask whose fault": by_asking}


@dataclass(frozen=True)
class Result:
    """One arm in one situation."""

    situation: str
    truth: str
    arm: str
    route: Route
    passed: bool
    right: bool
    """The program at the end is the right one."""
    began_right: bool
    """The first program was, and nothing in the contract is unclear."""
    covered: bool
    """An example of the spec covers the fault."""
    calls: dict[str, int]
    """Kind of question → how often it was asked."""
    weaker: int
    """Tests that were right and are gone or others now."""
    right_tests: int
    """Tests that were right at the start."""


def routed(facts: Sequence[Event], first: str, built: Built | None) -> Route:
    """Where a failure went, by what was changed for it.

    Passed: ``code`` when another program passed than the first, ``test`` or ``tests`` when tests were amended or set aside,
    ``both`` for both, ``flaky`` when tests were only set aside for chance, ``nowhere`` when nothing was changed. Not passed: the
    contract, the size or the user, when that is the next rung, else ``nowhere``. What happens to tests that were only added for
    strength, or replaced because they noticed nothing, is no answer to a failure and does not count.

    Args:
        facts: the journal.
        first: the first program.
        built: what came out; ``None`` when the calls ran out.
    """
    if built is None or not built.passed:
        beyond: dict[str, Route] = {"respecify": "contract", "split": "size", "ask": "user"}
        return beyond.get(built.rung, "nowhere") if built else "nowhere"
    amended = {fact.body["id"] for fact in facts if fact.kind == events.TEST_AMENDED and fact.body["evidence"]}
    aside = {fact.body["id"] for fact in facts if fact.kind == events.TEST_QUARANTINED}
    repaired = first not in built.files.values()
    tests = amended | aside
    if repaired:
        return "both" if tests else "code"
    if aside and not amended:
        return "flaky"
    return "nowhere" if not tests else "test" if len(tests) == 1 else "tests"


async def run(
    situation: Situation, arm: str, toolchain: PytestToolchain, known: dict[str, asyncio.Future[Any]]
) -> Result:
    """One arm in one situation."""
    ours = arm == "ours"
    bench = Bench(toolchain, situation, known, second_runs=ours)
    author, facts = Author(situation, bench, may_dispute=ours), Facts()
    try:
        built = await WAYS[arm](author, bench, situation, facts, ARMS[arm])
    except LimitReached:
        built = None
    was = {
        name: source_of(situation.known.all_tests, f"{situation.known.test_path}::{name}")
        for name in functions(situation.known.tests)
    }
    right = {
        name: source for name, source in was.items() if name not in situation.wrong_tests | situation.unclear_tests
    }
    now = {
        name: source_of(built.tests, f"{situation.known.test_path}::{name}") if built else source
        for name, source in right.items()
    }
    return Result(
        situation.id,
        situation.truth,
        arm,
        routed(facts.events, situation.code, built),
        built is not None and built.passed,
        built is not None and situation.meant in built.files.values(),
        situation.begins_right,
        situation.covered,
        dict(author.calls),
        sum(now[name] != source for name, source in right.items()),
        len(right),
    )


async def run_all(situations: Sequence[Situation]) -> list[Result]:
    """Every arm in every situation, as many at once as there are cores."""
    sandbox = open_sandbox("bubblewrap")
    sandbox.probe()
    toolchain = PytestToolchain(sandbox)
    known: dict[str, asyncio.Future[Any]] = {}
    free = asyncio.Semaphore(machine()["cores"])

    async def in_turn(situation: Situation, arm: str) -> Result:
        async with free:
            return await run(situation, arm, toolchain, known)

    return await asyncio.gather(*(in_turn(situation, arm) for situation in situations for arm in ARMS))


# -- what a proof costs


class Counted:
    """A sandbox that notes how long each run of tests took."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.label = sandbox.label
        self.seconds: list[float] = []
        self._sandbox = sandbox

    def probe(self) -> None:
        """That of the sandbox underneath."""
        self._sandbox.probe()

    def run(self, job: Job) -> Ended:
        """Run it; only runs of tests have a key."""
        ended = self._sandbox.run(job)
        if job.key:
            self.seconds.append(ended.seconds)
        return ended


def cost(situation: Situation, toolchain: PytestToolchain) -> dict[str, float]:
    """Seconds that the proof of one component takes, one thing after the other; the situation's program fails its tests.

    ``red``: the tests on the stub. ``proof``: the right program, examples and poisoned run included. ``second run``: what is added
    when tests fail. ``mutants``: the strength of the tests. ``total``: red, proof and mutants, without a failure.
    """
    known, brief = situation.known, situation.brief
    tests = {known.test_path: known.tests}
    ids = [f"{known.test_path}::{name}" for name in functions(known.tests)]
    right, wrong = {known.file: known.code}, {known.file: situation.code}
    counted = Counted(toolchain.sandbox)
    parts: dict[str, Callable[[], Any]] = {
        "red": lambda: toolchain.red_tree(toolchain.stub(brief.component), tests, brief.component),
        "proof": lambda: toolchain.prove_tree(right, tests, ids, known.examples),
        "second run": lambda: toolchain.over(counted).prove_tree(wrong, tests, ids, known.examples),
        "mutants": lambda: asyncio.run(toolchain.strength(brief, right, tests, ids, ARMS["ours"])),
    }
    seconds: dict[str, float] = {}
    for name, work in parts.items():
        began = time.perf_counter()
        work()
        seconds[name] = time.perf_counter() - began
    seconds["total"] = seconds["red"] + seconds["proof"] + seconds["mutants"]
    return {**seconds, "second run": counted.seconds[1]}


def costs(situations: Sequence[Situation]) -> dict[str, float]:
    """Medians over the components of these situations, in seconds."""
    toolchain = PytestToolchain(open_sandbox("bubblewrap"))
    one_each = {s.known.component.id: s for s in situations if s.truth == "code"}
    found = [cost(situation, toolchain) for situation in one_each.values()]
    return {name: round(statistics.median(c[name] for c in found), 2) for name in found[0]}


# -- what came out


def share(count: int, of: int) -> dict[str, float]:
    """A share in per cent and its 95 % interval after Wilson (1927).

    >>> share(8, 10)
    {'count': 8, 'of': 10, 'percent': 80.0, 'low': 49.0, 'high': 94.3}
    """
    if not of:
        return {"count": 0, "of": 0, "percent": 0.0, "low": 0.0, "high": 100.0}
    z, p = 1.96, count / of
    middle, half = p + z * z / (2 * of), z * sqrt(p * (1 - p) / of + (z / (2 * of)) ** 2)
    low, high = ((middle + sign * half) / (1 + z * z / of) for sign in (-1, 1))
    return {
        "count": count,
        "of": of,
        **{n: round(100 * v, 1) for n, v in (("percent", p), ("low", low), ("high", high))},
    }


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """Of one arm."""

    def of(those: Collection[Result], good: Callable[[Result], bool]) -> dict[str, float]:
        return share(sum(map(good, those)), len(those))

    clear = [r for r in results if r.truth != "ambiguous"]
    shown = [r for r in results if r.truth != "hidden"]
    rows = {
        "covered": [r for r in clear if r.covered],
        "uncovered": [r for r in clear if not r.covered and r.truth != "hidden"],
        "hidden": [r for r in clear if r.truth == "hidden"],
    }
    began_right = [r for r in clear if r.began_right]
    kinds = sorted({kind for r in results for kind in r.calls})
    return {
        "routed_rightly": of(shown, lambda r: r.route in EXPECTED[r.truth]),
        "hidden_faults_found": of(rows["hidden"], lambda r: r.route == "code" and r.right),
        "solved": of(clear, lambda r: r.passed and r.right),
        "wrong_programs_accepted": {name: of(row, lambda r: r.passed and not r.right) for name, row in rows.items()},
        "unclear_contracts_guessed": of([r for r in results if r.truth == "ambiguous"], lambda r: r.passed),
        "right_programs_thrown_away": of(began_right, lambda r: not (r.passed and r.right)),
        "right_tests_weakened": share(sum(r.weaker for r in results), sum(r.right_tests for r in results)),
        "calls": round(statistics.fmean(sum(r.calls.values()) for r in results), 2),
        "calls_by_kind": {kind: round(statistics.fmean(r.calls.get(kind, 0) for r in results), 2) for kind in kinds},
        "routes": {
            truth: dict(Counter(r.route for r in results if r.truth == truth).most_common()) for truth in EXPECTED
        },
    }


def against(results: Sequence[Result], arm: str) -> dict[str, float]:
    """Failures that only ``ours`` or only ``arm`` routed rightly, and the two-sided exact p of so uneven a split (McNemar)."""
    rightly = {(r.arm, r.situation) for r in results if r.truth != "hidden" and r.route in EXPECTED[r.truth]}
    ours, other = ({situation for who, situation in rightly if who == name} for name in ("ours", arm))
    most, least = sorted((len(ours - other), len(other - ours)), reverse=True)
    tail = sum(comb(most + least, n) for n in range(least + 1)) / 2 ** (most + least)
    return {"only_ours": len(ours - other), "only_the_other": len(other - ours), "p": round(min(1.0, 2 * tail), 4)}


def table(arms: Mapping[str, Mapping[str, Any]]) -> str:
    """Truths and routes of each arm, for people."""
    lines = []
    routes = get_args(Route)
    for arm, found in arms.items():
        good = found["routed_rightly"]
        lines += ["", f"{arm}: {good['percent']} % routed rightly ({good['low']} to {good['high']})"]
        lines.append(f"{'truth':<12}" + "".join(f"{route:>10}" for route in routes))
        for truth, row in found["routes"].items():
            lines.append(f"{truth:<12}" + "".join(f"{row.get(route, 0) or '.':>10}" for route in routes))
    return "\n".join(lines) + "\n"


QUICK = 8
"""Situations of a short look."""
QUICK_COSTS = 1
"""Components of which a short look takes the cost."""


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} situations instead of all")
    parser.add_argument("--table", action="store_true", help="the table of truths and routes too, on standard error")
    given = parser.parse_args()
    situations = few(corpus(), QUICK) if given.quick else list(corpus())
    results = asyncio.run(run_all(situations))
    arms = {arm: figures([r for r in results if r.arm == arm]) for arm in ARMS}
    good = arms["ours"]["routed_rightly"]
    covered = arms["ours"]["wrong_programs_accepted"]["covered"]
    baselines = {arm: found["routed_rightly"]["percent"] for arm, found in arms.items() if arm != "ours"}
    if given.table:
        sys.stderr.write(table(arms))
    report(
        "routing",
        good["percent"],
        "% of failures routed to what is at fault, simulated model",
        target="no wrong program accepted where an example of the spec covers the fault; no other arm routes more rightly",
        holds=not covered["count"] and good["percent"] >= max(baselines.values()),
        baselines=baselines,
        against={arm: against(results, arm) for arm in baselines},
        interval=[good["low"], good["high"]],
        situations=dict(Counter(s.truth for s in situations)),
        components=len({s.known.component.id for s in situations}),
        calls_allowed=CALLS,
        arms=arms,
        seconds_per_component=costs(
            few([s for s in corpus() if s.truth == "code"], QUICK_COSTS) if given.quick else corpus()
        ),
    )


if __name__ == "__main__":
    main()
