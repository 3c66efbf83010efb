"""The loop inside a component: the real LangGraph, with ports that follow a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import component_graph, dag, events
from graphs.component_graph import Start
from graphs.errors import AnswerError, LimitReached
from graphs.ladder import Rung
from graphs.ports import Brief, RedReport
from graphs.values import (
    Amendment,
    Component,
    Contract,
    Doubt,
    Example,
    Files,
    Limits,
    Plan,
    Proof,
    Spec,
    Step,
    from_json,
    to_json,
)
from tests.scripted_ports import MemoryJournal, ScriptedChecker, ScriptedStrategy

A = Component("a", "Does it.", ("a.py",), Contract({"a.py": "x: int"}, "It does."))
EXAMPLE = Example("a.C1", "shell", (Step("true"),))


def brief(component: Component = A) -> Brief:
    return dag.Briefing(Plan("t", (component,)), Spec("t", "", "d")).brief(component)


class Run:
    """One component's loop and everything it touched."""

    def __init__(
        self,
        limits: Limits | None = None,
        component: Component = A,
        start: Start | None = None,
        missing: Callable[[Files], Sequence[str]] = lambda _: (),
        affords: Callable[[Rung], bool] = lambda _: True,
        **script: Any,
    ) -> None:
        self.strategy = script.pop("strategy", None) or ScriptedStrategy({f"a:{k}": v for k, v in script.items()})
        self.checker = ScriptedChecker()
        self.journal = MemoryJournal()
        self.context = component_graph.Context(
            brief(component),
            {"base.py": "ancestor"},
            self.strategy,
            self.checker,
            self.journal,
            limits or Limits(rungs=()),
            3,
            start,
            missing,
            affords,
        )
        outcome = asyncio.run(component_graph.prove(self.context))
        self.proof: Proof = outcome.proof
        self.evidence = outcome.evidence

    @property
    def decisions(self) -> list[tuple[object, object]]:
        return [(b["decision"], b["reason"]) for b in self.journal.bodies(events.COMPONENT_DECISION)]


def test_code_that_passes_at_once_is_proven_by_the_frozen_tests() -> None:
    run = Run()

    assert run.proof.status == "passed"
    assert run.proof.files == {"a.py": "t1 t2"}
    assert run.proof.tests == {"tests/test_a.py": "t1 t2"}
    assert run.proof.test_ids == ("t1", "t2")
    assert run.proof.verdict is not None
    assert run.proof.verdict.passed == {"t1", "t2"}
    assert (run.proof.attempts, run.proof.reason, run.proof.key) == (1, "", run.context.brief.key)
    assert from_json(Proof, to_json(run.proof)) == run.proof
    steps = [b["step"] for b in run.journal.bodies(events.COMPONENT_STEP)]
    assert sorted(steps) == ["check", "code", "red", "strength", "tests"]
    assert steps[-2:] == ["check", "strength"]
    assert run.journal.bodies(events.TESTS_FROZEN) == [{"ids": ["t1", "t2"], "dropped": []}]
    assert {e.revision for e in run.journal.events} == {3}
    assert run.checker.proved[0][1] == {"base.py": "ancestor", "a.py": "t1 t2"}


def test_tests_that_prove_nothing_are_sent_back_with_reasons_then_frozen() -> None:
    run = Run(tests=["t1 bad1 bad2", "t1 t2"])

    assert run.proof.status == "passed"
    assert run.strategy.tests_given[1] == (
        {"tests/test_a.py": "t1 bad1 bad2"},
        ["bad1: it passes on the stub", "bad2: it passes on the stub"],
    )
    assert run.decisions == [("send the tests back", "2 tests prove nothing: bad1: it passes on the stub")]
    assert run.strategy.asked.count("a:code:1") == 1


def test_tests_that_stay_bad_are_dropped_with_their_reasons() -> None:
    run = Run(Limits(rungs=(), test_rewrites=1), tests=["bad1", "t1 bad2"])

    assert run.proof.status == "passed"
    assert run.proof.tests == {"tests/test_a.py": "t1"}
    assert run.journal.bodies(events.TESTS_FROZEN) == [
        {"ids": ["t1"], "dropped": [{"id": "bad2", "reason": "it passes on the stub"}]}
    ]


@pytest.mark.parametrize("tests", ["bad1", ""])
def test_where_nothing_can_be_proven_there_is_no_proof(tests: str) -> None:
    run = Run(Limits(rungs=(), test_rewrites=0), tests=[tests])

    assert run.proof.status == "failed"
    assert run.proof.reason.startswith("no test was written that proves anything: ")
    assert run.decisions == [("stop", run.proof.reason)]
    assert (run.proof.attempts, run.proof.verdict, run.checker.proved) == (0, None, [])


def test_examples_prove_alone_when_no_test_does() -> None:
    component = replace(A, contract=replace(A.contract, examples=(EXAMPLE,)))

    run = Run(Limits(rungs=(), test_rewrites=0), component, tests=["bad1"], code=["a.C1"])

    assert run.proof.status == "passed"
    assert (run.proof.tests, run.proof.test_ids) == ({}, ())


def test_repairs_go_on_while_they_gain() -> None:
    run = Run(tests=["t1 t2 t3"], code=["t1"], repair=["t1 t2", "t1 t2 t3"])

    assert run.proof.status == "passed"
    assert run.proof.attempts == 3
    assert run.strategy.asked[-2:] == ["a:repair:1", "a:repair:2"]
    assert [d for d, _ in run.decisions] == ["repair", "repair"]
    assert run.decisions[0][1] == "2 of 3 fail, first t2: no"
    assert run.decisions[1][1] == "t2 now pass; 1 of 3 fail, first t3: no"
    attempts = [(b["number"], b["step"], b["passed"], b["total"]) for b in run.journal.bodies(events.COMPONENT_ATTEMPT)]
    assert attempts == [(1, "code", 1, 3), (2, "repair", 2, 3), (3, "repair", 3, 3)]


def test_a_repair_that_loses_a_test_is_reverted_and_told_to_the_next() -> None:
    run = Run(tests=["t1 t2 t3"], code=["t1"], repair=["t2 t3", "t1 t2 t3"])

    assert run.proof.status == "passed"
    assert run.decisions[1] == ("revert", "repair 1 lost t1, which had passed; the files before it are back")
    files, _, verdict, notes = run.strategy.repairs_given[1]
    assert files == {"a.py": "t1"}
    assert verdict.passed == {"t1"}
    assert notes == ["A repair was thrown away because it broke t1."]


@pytest.mark.parametrize(
    ("repairs", "files"),
    [(["t1", "t1 "], "t1 "), (["", ""], "t1"), (["t2 t3", "t1  "], "t1  ")],
    ids=["nothing changes", "all is lost", "one is lost"],
)
def test_two_repairs_without_progress_end_repairing(repairs: list[str], files: str) -> None:
    run = Run(tests=["t1 t2 t3"], code=["t1"], repair=repairs)

    assert run.proof.status == "failed"
    assert run.proof.attempts == 3
    assert run.proof.files == {"a.py": files}
    assert run.proof.reason == "2 repairs in a row did not make a further test pass; 2 of 3 fail, first t2: no"
    assert run.decisions[-1] == ("stop", run.proof.reason)


@pytest.mark.parametrize(("repairs", "attempts"), [(0, 1), (1, 2), (2, 3)])
def test_the_number_of_repairs_is_limited(repairs: int, attempts: int) -> None:
    run = Run(
        Limits(rungs=(), repairs=repairs),
        tests=["t1 t2 t3 t4 t5"],
        code=["t1"],
        repair=["t1 t2", "t1 t2 t3", "t1 t2 t3 t4"],
    )

    assert run.proof.status == "failed"
    assert run.proof.attempts == attempts
    assert run.proof.reason.startswith(f"the {repairs} repairs allowed are used up; ")


def test_zero_repairs_without_progress_still_let_the_first_one_try() -> None:
    run = Run(Limits(rungs=(), no_progress=0), tests=["t1 t2 t3"], code=["t1"], repair=["t1 t2", "t1 t2 "])

    assert run.proof.attempts == 3
    assert run.proof.reason.startswith("the last repair did not make a further test pass")


def test_tests_and_code_are_asked_at_the_same_time() -> None:
    class Both(ScriptedStrategy):
        async def _say(self, brief: Brief, step: str, attempt: int) -> str:
            if step in ("tests", "code"):  # neither ends before both have begun; the test's timeout is the alarm
                started[step].set()
                await asyncio.gather(*(event.wait() for event in started.values()))
            return await super()._say(brief, step, attempt)

    started = {"tests": asyncio.Event(), "code": asyncio.Event()}
    assert Run(strategy=Both()).proof.status == "passed"


def test_no_answer_reaches_the_tests_or_the_files_of_others() -> None:
    foreign: Files = {"tests/test_a.py": "t1", "base.py": "mine now", "tests/conftest.py": "evil"}

    run = Run(
        strategy=ScriptedStrategy({"a:tests": ["t1 t2"], "a:code": [""], "a:repair": ["t1", "t1 t2"]}, extra=foreign)
    )

    assert run.proof.status == "passed"
    assert set(run.proof.files) == {"a.py"}
    assert set(run.proof.tests) == {"tests/test_a.py"}
    for _, tree, tests, ids in run.checker.proved:
        assert set(tree) == {"base.py", "a.py"}
        assert tree["base.py"] == "ancestor"
        assert set(tests) == {"tests/test_a.py"}
        assert ids == run.checker.proved[0][3]


NO_ANSWER, NO_MONEY = AnswerError(["no"]), LimitReached("usd", "no money")


@pytest.mark.parametrize(
    ("error", "step"),
    [(NO_ANSWER, "tests"), (NO_ANSWER, "code"), (NO_MONEY, "tests"), (NO_MONEY, "code"), (NO_MONEY, "repair")],
)
def test_errors_of_the_ports_come_out_as_they_are(error: Exception, step: str) -> None:
    with pytest.raises(type(error)) as caught:
        Run(**{"tests": ["t1"], "code": [""], step: [error]})

    assert caught.value is error


def test_a_repair_that_cannot_be_read_changes_nothing_and_the_next_one_may_help() -> None:
    run = Run(Limits(rungs=(), no_progress=2), code=["t1"], repair=[NO_ANSWER, "t1 t2"])

    assert run.proof.status == "passed"
    assert ("keep the files", "repair 1 brought no usable answer: no") in run.decisions


def test_a_fresh_program_that_cannot_be_read_ends_the_loop_with_the_evidence_so_far() -> None:
    run = Run(LADDER, code=["t1", NO_ANSWER], repair=["t1"])

    assert (run.proof.status, run.proof.files, run.proof.reason) == (
        "failed",
        {"a.py": "t1"},
        "no fresh program came: no",
    )
    assert run.evidence is not None
    assert len(run.evidence.lines) == 1
    assert run.decisions[-1] == ("stop", run.proof.reason)


def test_where_the_test_writer_gives_no_usable_answer_the_test_is_kept() -> None:
    strategy = ScriptedStrategy({"a:code": ["t1", "t1"], "a:repair": ["t1"]}, amendments={"a": NO_ANSWER})
    run = Run(LADDER, strategy=strategy)

    assert (run.proof.status, run.proof.tests) == ("failed", {"tests/test_a.py": "t1 t2"})
    assert run.evidence is not None
    assert run.evidence.clashes == ("t2 was kept though 2 programs agree against it: no usable answer came: no",)


CASES = ["t1", "t2", "t3"]
WORDS = st.sets(st.sampled_from([*CASES, "bad1", "bad2"])).map(lambda words: " ".join(sorted(words)))


@settings(deadline=None, max_examples=150)
@given(
    tests=st.lists(WORDS, min_size=1, max_size=5),
    code=WORDS,
    repairs=st.lists(WORDS, min_size=1, max_size=9),
    limits=st.builds(
        Limits,
        test_rewrites=st.integers(0, 60),
        repairs=st.integers(0, 60),
        no_progress=st.integers(0, 60),
        rungs=st.sampled_from([(), ("candidate",), ("candidate", "amend")]),
    ),
    fresh=WORDS,
)
def test_whatever_the_answers_what_passed_stays_and_the_loop_ends(
    tests: list[str], code: str, repairs: list[str], limits: Limits, fresh: str
) -> None:
    run = Run(limits, tests=tests, code=[code, fresh], repair=repairs)

    assert sum(":repair:" in a for a in run.strategy.asked) <= limits.repairs * (1 + bool(limits.rungs))
    assert sum(":code:" in a for a in run.strategy.asked) <= 1 + bool(limits.rungs)
    assert sum(":tests:" in a for a in run.strategy.asked) <= limits.test_rewrites + 1
    best: set[str] = set()
    frozen = run.proof.tests
    for files, seen_tests, verdict, _ in run.strategy.repairs_given:
        assert best <= verdict.passed or len(best) < len(verdict.passed), "only a better program takes its place"
        best = set(verdict.passed)
        assert seen_tests == frozen
        assert verdict.passed == set(files["a.py"].split()) & set(run.proof.test_ids)
    for _, _, judged_tests, ids in run.checker.proved:
        assert judged_tests == frozen
        assert tuple(ids) == run.proof.test_ids
    assert not any(i.startswith("bad") for i in run.proof.test_ids)
    if run.proof.verdict is not None:
        assert len(best) <= len(run.proof.verdict.passed)
        assert run.proof.attempts == len(run.checker.proved)
    assert (run.proof.status == "passed") == (
        bool(run.proof.test_ids) and set(run.proof.test_ids) <= set(run.proof.files["a.py"].split())
    )
    assert bool(run.proof.reason) == (run.proof.status == "failed")


LADDER = Limits(no_progress=1, rungs=("candidate", "amend"))


def test_a_fresh_program_that_passes_ends_the_loop() -> None:
    run = Run(LADDER, tests=["t1 t2"], code=["t1", "t1 t2"], repair=["t1"])

    assert (run.proof.status, run.proof.files) == ("passed", {"a.py": "t1 t2"})
    assert run.strategy.asked[-1] == "a:code:2"
    assert [d for d, _ in run.decisions] == ["repair", "fresh candidate"]
    assert run.evidence is None


def test_a_better_fresh_program_is_repaired_instead() -> None:
    run = Run(LADDER, tests=["t1 t2 t3"], code=["t1", "t1 t2"], repair=["t1", "t1 t2 t3"])

    assert run.proof.status == "passed"
    assert [f["a.py"] for f, _, _, _ in run.strategy.repairs_given] == ["t1", "t1 t2"]


def test_a_worse_fresh_program_changes_nothing_and_is_kept_as_evidence() -> None:
    run = Run(LADDER, tests=["t1 t2"], code=["t1 t2=5", "t1 t2=6"], repair=["t1 t2=5"])

    assert (run.proof.status, run.proof.files) == ("failed", {"a.py": "t1 t2=5"})
    assert run.evidence is not None
    assert [line.files["a.py"] for line in run.evidence.lines] == ["t1 t2=5", "t1 t2=6"]
    assert "a fresh program does no better" in run.evidence.reason


def doubted(amendment: Amendment, code: Sequence[str] = ("t1 t2=5", "t1 t2=5"), limits: Limits = LADDER) -> Run:
    script = {"a:tests": ["t1 t2"], "a:code": code, "a:repair": [code[0]]}
    return Run(limits, strategy=ScriptedStrategy(script, amendments={"a": amendment}))


def test_a_test_that_independent_programs_fail_alike_is_amended_and_the_whole_story_is_told() -> None:
    run = doubted(Amendment({"t2": "t2~"}, reasons={"t2": "the contract says so"}), ["t1 t2=5 t2~", "t1 t2=5 t2~"])

    assert run.proof.status == "passed"
    assert run.proof.tests == {"tests/test_a.py": "t1 t2~"}
    assert run.strategy.told == [("a:amend", (Doubt("t2", "t2", ("5", "5")),))]
    assert run.journal.bodies(events.TEST_AMENDED) == [
        {"id": "t2", "before": "t2", "after": "t2~", "reason": "the contract says so", "evidence": ["5", "5"]}
    ]
    assert [d for d, _ in run.decisions] == ["repair", "fresh candidate", "question the test"]


def test_programs_that_fail_differently_put_no_test_in_doubt() -> None:
    run = doubted(Amendment({"t2": "t2~"}), ["t1 t2=5 t2~", "t1 t2=6 t2~"])

    assert run.proof.status == "failed"
    assert not run.strategy.told


def test_an_example_is_never_in_doubt() -> None:
    component = replace(A, contract=replace(A.contract, examples=(EXAMPLE,)))
    run = Run(LADDER, component, tests=["t1"], code=["t1"], repair=["t1"])

    assert run.proof.status == "failed"
    assert not run.strategy.told


def test_a_test_that_is_kept_becomes_evidence_and_ends_the_loop() -> None:
    run = doubted(Amendment(kept={"t2": "the contract demands 7"}))

    assert run.proof.tests == {"tests/test_a.py": "t1 t2"}
    assert run.evidence is not None
    assert run.evidence.clashes == ("t2 was kept though 2 programs agree against it: the contract demands 7",)
    assert ("keep the test", run.evidence.clashes[0]) in run.decisions
    assert sum(":repair:" in a for a in run.strategy.asked) == 1, "more of the same is not tried"


def test_an_amended_test_that_proves_nothing_does_not_count() -> None:
    class Lenient(ScriptedChecker):
        async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
            report = await super().red(brief, tree, tests)
            if "~" not in str(tests):
                return report
            return RedReport(
                tuple(i for i in report.good if i != "t2"), (("t2", "it passes on the stub"),), report.verdict
            )

    run = doubted(Amendment({"t2": "t2~"}), ["t1 t2=5 t2~", "t1 t2=5 t2~"])
    assert run.proof.status == "passed", "without the check it would pass"
    run.context = replace(run.context, checker=Lenient())
    outcome = asyncio.run(component_graph.prove(run.context))

    assert outcome.proof.status == "failed"
    assert outcome.proof.tests == {"tests/test_a.py": "t1 t2"}
    assert outcome.evidence is not None
    assert "the new test does not count, because it passes on the stub" in outcome.evidence.clashes[0]


def test_an_empty_purse_ends_the_loop_before_the_ladder() -> None:
    run = Run(LADDER, affords=lambda _: False, tests=["t1 t2"], code=["t1"], repair=["t1"])

    assert run.strategy.asked.count("a:code:2") == 0
    assert run.proof.reason.startswith("its share of the budget is used up")


def test_undeclared_imports_end_the_loop_at_once() -> None:
    run = Run(missing=lambda files: ("other",) if "o" in files["a.py"] else (), tests=["t1"], code=["o"])

    assert run.evidence is not None
    assert run.evidence.missing == ("other",)
    assert run.decisions == [("rewire", "it imports from other, which it does not depend on")]
    assert not run.strategy.repairs_given


def test_frozen_tests_and_code_that_are_there_already_are_not_asked_for() -> None:
    run = Run(start=Start({"tests/test_a.py": "t1 t2"}, ("t1", "t2"), {"a.py": "t1"}), repair=["t1 t2"])

    assert run.proof.status == "passed"
    assert run.strategy.asked == ["a:repair:1"]
    run = Run(start=Start({"tests/test_a.py": "t1"}, ("t1",)), code=["t1"])
    assert run.strategy.asked == ["a:code:1"]


def test_the_compiled_loop_is_one_and_keeps_nothing() -> None:
    assert component_graph.component_graph() is component_graph.component_graph()
    assert component_graph.component_graph().checkpointer is None
