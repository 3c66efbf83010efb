"""What makes the tests of a component count: disputes, votes, chance, strength. The real LangGraph with scripted ports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import component_graph, dag, events
from graphs.errors import AnswerError, LimitReached, ModelError
from graphs.ladder import Rung
from graphs.ports import Brief
from graphs.values import (
    Amendment,
    Component,
    Contract,
    Files,
    Limits,
    Mutant,
    Plan,
    Proof,
    Requirement,
    Spec,
    Strength,
    Strengthening,
    Verdict,
)
from tests.scripted_ports import MemoryJournal, ScriptedChecker, ScriptedStrategy

A = Component("a", "Does it.", ("a.py",), Contract({"a.py": "x: int"}, "It does."), requirements=("R1", "R2"))
ASKED = (Requirement("R1", "One."), Requirement("R2", "Two."))
TESTS = "tests/test_a.py"
LADDER = Limits(no_progress=1, rungs=("candidate", "amend"))


class FlakyChecker(ScriptedChecker):
    """Tests in ``flaky`` fail, and pass when they are run again, on the programs that hold their name with a ``%``."""

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        verdict = await super().prove(brief, tree, tests, ids)
        words = tree["a.py"].split()
        cases = tuple(replace(c, outcome="flaky") if f"{c.id}%" in words else c for c in verdict.cases)
        return replace(verdict, cases=cases, status=verdict.status if cases == verdict.cases else "failed")


class Loop:
    """One component's loop and everything it touched."""

    def __init__(
        self,
        strategy: ScriptedStrategy,
        limits: Limits = LADDER,
        checker: ScriptedChecker | None = None,
        affords: Callable[[str], bool] = lambda _: True,
        component: Component = A,
    ) -> None:
        self.strategy, self.checker, self.journal = strategy, checker or ScriptedChecker(), MemoryJournal()
        plan = Plan("t", (component,), tuple(r for r in ASKED if r.id in component.requirements))
        context = component_graph.Context(
            dag.Briefing(plan, Spec("t", "", "d")).brief(component),
            {},
            strategy,
            self.checker,
            self.journal,
            limits,
            affords=affords,
        )
        outcome = asyncio.run(component_graph.prove(context))
        self.proof: Proof = outcome.proof
        self.evidence = outcome.evidence

    @property
    def decisions(self) -> list[object]:
        return [b["decision"] for b in self.journal.bodies(events.COMPONENT_DECISION)]

    def said(self, decision: str) -> dict[str, object]:
        return next(b for b in self.journal.bodies(events.COMPONENT_DECISION) if b["decision"] == decision)


def script(tests: str, code: Sequence[str], repair: Sequence[str] = ("",)) -> dict[str, Sequence[Any]]:
    return {"a:tests": [tests], "a:code": code, "a:repair": repair}


# -- disputes


def test_a_dispute_over_all_that_fails_brings_an_independent_program_forward_and_nothing_else() -> None:
    strategy = ScriptedStrategy(script("t1 t2", ["t1 t2=5", "t1 t2"], ["t1 t2=5 t2?"]))
    run = Loop(strategy, replace(LADDER, no_progress=5))

    assert run.decisions == ["repair", "disputed", "fresh candidate"]
    assert run.said("fresh candidate")["reason"] == (
        "the repairer holds what still fails to be wrong (t2: the contract says otherwise); "
        "a fresh program is written from the contract alone, to see whether it fails in the same way"
    )
    assert (run.proof.status, run.proof.files) == ("passed", {"a.py": "t1 t2"}), "the fresh program passes: no vote"
    assert run.proof.tests == {TESTS: "t1 t2"}


def test_a_disputed_test_that_an_independent_program_fails_alike_is_amended() -> None:
    code = "t1 t2=5 t2~"
    strategy = ScriptedStrategy(
        script("t1 t2", [code, code], [f"{code} t2?"]),
        amendments={"a": Amendment({"t2": "t2~"}, reasons={"t2": "it does"})},
    )
    run = Loop(strategy, replace(LADDER, no_progress=5))

    assert run.decisions == ["repair", "disputed", "fresh candidate", "question the test"]
    assert run.said("question the test")["fault"] == "test"
    assert (run.proof.status, run.proof.tests) == ("passed", {TESTS: "t1 t2~"})
    assert sum(":repair:" in a for a in strategy.asked) == 1


def test_a_dispute_over_some_of_what_fails_changes_nothing_for_the_rest() -> None:
    strategy = ScriptedStrategy(script("t1 t2 t3", ["t1 t3=1"], ["t1 t3=1 t3?", "t1 t2 t3=1"]))
    run = Loop(strategy, Limits(rungs=(), no_progress=5))

    assert [d for d in run.decisions if d != "disputed"] == ["repair", "repair", "stop"]
    assert sum(":repair:" in a for a in strategy.asked) == 2, "t3 alone is left, and that is disputed"


def test_what_is_disputed_is_evidence_where_no_program_settles_it() -> None:
    strategy = ScriptedStrategy(script("t1 t2", ["t1"], ["t1 t2? E1?"]))
    run = Loop(strategy, Limits(rungs=()))

    assert run.evidence is not None
    assert run.evidence.disputes == ("the repairer holds t2 to be wrong: the contract says otherwise",)
    assert run.proof.tests == {TESTS: "t1 t2"}


def test_a_repair_that_holds_the_answers_of_the_tests_is_thrown_away_unjudged() -> None:
    strategy = ScriptedStrategy(script("t1 t2", ["t1"], ["t1 t2 heart", "t1 t2"]))
    run = Loop(strategy, Limits(rungs=(), no_progress=2))
    stubborn = Loop(ScriptedStrategy(script("t1 t2", ["t1"], ["t1 t2 heart"])), Limits(rungs=(), no_progress=2))

    assert (run.proof.status, run.proof.files) == ("passed", {"a.py": "t1 t2"})
    assert (
        run.said("revert")["reason"] == "repair 1 has the tests' answers written into it (f(1) is 2); it is thrown away"
    )
    assert "special-cased" in strategy.repairs_given[1][3][-1]
    assert (stubborn.proof.status, stubborn.proof.files) == ("failed", {"a.py": "t1"})


# -- several programs


def test_several_programs_are_written_at_once_judged_alike_and_the_consensus_goes_on() -> None:
    strategy = ScriptedStrategy(script("t1 t2 t3", ["t1", "t1 t2", "t2 t1 t3=5"], ["t1 t2 t3"]))
    run = Loop(strategy, replace(LADDER, candidates=3))

    assert sorted(a for a in strategy.asked if ":code:" in a) == ["a:code:1", "a:code:2", "a:code:3"]
    assert run.decisions[0] == "go on with program 2"
    assert run.said("go on with program 2")["reason"] == "2 of 3 programs pass the same 2 of 3"
    assert strategy.repairs_given[0][0] == {"a.py": "t1 t2"}
    assert (run.proof.status, run.proof.attempts) == ("passed", 4)


def test_a_test_that_all_first_programs_fail_alike_is_questioned_before_anything_is_repaired() -> None:
    code = ["t1 t2=5 t2~", "t1 t2=5 t2~ "]
    strategy = ScriptedStrategy(
        script("t1 t2", code), amendments={"a": Amendment({"t2": "t2~"}, reasons={"t2": "it does"})}
    )
    run = Loop(strategy, replace(LADDER, candidates=2))

    assert run.decisions == ["go on with program 1", "question the test"]
    assert run.proof.status == "passed"
    assert not strategy.repairs_given


def test_tests_that_two_programs_pass_are_agreed_others_are_not() -> None:
    alone = Loop(ScriptedStrategy(script("t1 t2", ["t1 t2"])))
    voted = Loop(ScriptedStrategy(script("t1 t2", ["t1 t2", "t1"])), replace(LADDER, candidates=2))

    assert alone.proof.provenance == {"t1": "single", "t2": "single"}
    assert voted.proof.provenance == {"t1": "agreed", "t2": "single"}


def test_what_equal_programs_do_differently_is_shown_to_the_test_writer() -> None:
    behaviours = {"t1 x": {"f(0)": "1"}, "t1 y": {"f(0)": "2"}, "t1 z": {"f(0)": "2"}}
    strategy = ScriptedStrategy(script("t1", ["t1 x", "t1 y", "t1 z"]))
    run = Loop(strategy, replace(LADDER, candidates=3), ScriptedChecker(behaviours=behaviours))

    assert run.proof.files == {"a.py": "t1 y"}, "the larger group"
    differ = ("f(0) gives 2 in 2, 1 in 1 of 3 programs",)
    assert strategy.told == [("a:strengthen", ((), (), differ))]


def test_a_further_program_that_does_not_come_is_done_without() -> None:
    strategy = ScriptedStrategy(script("t1", ["t1", AnswerError(["no"])]))  # type: ignore[list-item]
    run = Loop(strategy, replace(LADDER, candidates=2))

    assert run.proof.status == "passed"
    assert run.decisions == ["go on without"]


# -- chance


def test_a_test_that_draws_on_chance_is_set_aside_with_its_reason_and_proves_nothing() -> None:
    checker = FlakyChecker(chances={"t2": "the clock"})
    run = Loop(ScriptedStrategy(script("t1 t2", ["t1 t2 t2%"])), checker=checker)

    assert (run.proof.status, run.proof.test_ids, run.proof.tests) == ("passed", ("t1",), {TESTS: "t1"})
    why = "it failed and passed on the same files, and its own source depends on the clock"
    assert run.proof.quarantined == {"t2": why}
    assert run.journal.bodies(events.TEST_QUARANTINED) == [{"id": "t2", "reason": why, "source": "t2"}]
    assert "t2" not in {i for ids in run.proof.covers.values() for i in ids}
    assert len(run.journal.bodies(events.COMPONENT_ATTEMPT)) == 1


def test_chance_in_the_program_is_the_programs_fault() -> None:
    strategy = ScriptedStrategy(script("t1 t2", ["t1 t2 t2%"], ["t1 t2"]))
    run = Loop(strategy, checker=FlakyChecker())

    assert run.decisions == ["repair"]
    assert (run.proof.status, run.proof.test_ids, run.proof.quarantined) == ("passed", ("t1", "t2"), {})


def test_a_test_that_is_flaky_on_independent_programs_is_set_aside() -> None:
    code = "t1 t2 t2%"
    run = Loop(ScriptedStrategy(script("t1 t2", [code, f"{code} x"], [code])), checker=FlakyChecker())

    assert run.proof.status == "passed"
    assert run.proof.quarantined == {
        "t2": "it failed and passed on the same files, with each of two independent programs"
    }


def test_chance_that_shows_only_when_strength_is_measured_is_dealt_with_alike() -> None:
    seen = Strength(reason="t2 failed and passed on the same code", flaky=("t2",))

    def run(chances: Mapping[str, str]) -> Loop:
        strategy = ScriptedStrategy(script("t1 t2", ["t1 t2"], ["t1 t2 x"]))
        return Loop(strategy, checker=ScriptedChecker(chances=chances, strengths={"a": [seen, KILLED]}))

    by_test, by_code = run({"t2": "the clock"}), run({})

    assert (by_test.proof.status, by_test.proof.test_ids) == ("passed", ("t1",))
    assert list(by_test.proof.quarantined) == ["t2"]
    assert (by_code.proof.status, by_code.proof.files) == ("passed", {"a.py": "t1 t2 x"})
    assert by_code.said("repair")["fault"] == "code"
    assert by_code.proof.strength == KILLED


def test_where_chance_leaves_no_test_nothing_is_proven() -> None:
    run = Loop(ScriptedStrategy(script("t1", ["t1 t1%"])), checker=FlakyChecker(chances={"t1": "the clock"}))

    assert run.proof.status == "failed"
    assert run.proof.reason.startswith("no test is left that proves anything: t1 it failed and passed")
    assert run.evidence is not None


# -- strength

SURVIVED = Strength((Mutant("M1", "a.py", 3, "a → b"), Mutant("M2", "a.py", 4, "c → d", ("t1", "t2"))), 9, 8)
KILLED = Strength((Mutant("M1", "a.py", 3, "a → b", ("t3",)), Mutant("M2", "a.py", 4, "c → d", ("t1", "t2"))), 9, 8)


def strengthened(
    answer: Strengthening | Exception,
    strengths: Sequence[Strength] = (SURVIVED, KILLED),
    code: Sequence[str] = ("t1 t2 t3",),
    repair: Sequence[str] = ("",),
    limits: Limits = LADDER,
    **more: Any,
) -> Loop:
    strategy = ScriptedStrategy(script("t1 t2", code, repair), strengthened={"a": answer})
    return Loop(strategy, limits, ScriptedChecker(strengths={"a": strengths}), **more)


def test_what_went_unnoticed_is_shown_once_and_becomes_a_test() -> None:
    run = strengthened(Strengthening({"M1": "t3"}))

    assert run.strategy.told == [("a:strengthen", (SURVIVED.survivors, (), ()))]
    assert (run.proof.status, run.proof.test_ids, run.proof.tests) == (
        "passed",
        ("t1", "t2", "t3"),
        {TESTS: "t1 t2 t3"},
    )
    assert run.proof.strength == KILLED
    assert run.journal.bodies(events.TESTS_ADDED) == [
        {"ids": ["t3"], "changes": {"M1": "a → b"}, "sources": {"t3": "t3"}}
    ]
    known = [known for _, _, _, known in run.checker.measured]
    assert known[0] is None
    assert known[1] is not None
    assert known[1].killed == 1, "what was killed before need not be tried again"
    assert run.proof.verdict is not None
    assert run.proof.verdict.passed == {"t1", "t2", "t3"}


def test_a_survivor_that_no_test_should_notice_stays_one_with_the_writers_excuse() -> None:
    run = strengthened(Strengthening(excused={"M1": "equivalent: nobody can see it"}))

    assert run.proof.status == "passed"
    assert run.proof.strength is not None
    assert run.proof.strength.survivors == (replace(SURVIVED.survivors[0], excuse="equivalent: nobody can see it"),)
    assert run.proof.strength.rate == 0.5
    assert len(run.checker.measured) == 1, "nothing changed, nothing is measured again"


def test_an_added_test_that_notices_nothing_new_is_taken_out_again() -> None:
    run = strengthened(Strengthening({"M1": "t3"}), [SURVIVED, SURVIVED])

    assert (run.proof.status, run.proof.test_ids, run.proof.tests) == ("passed", ("t1", "t2"), {TESTS: "t1 t2"})
    assert [b["id"] for b in run.journal.bodies(events.TEST_DROPPED)] == ["t3"]
    assert run.proof.quarantined == {}, "it was never counted on"
    assert run.proof.verdict is not None
    assert run.proof.verdict.passed == {"t1", "t2"}


def test_an_added_test_that_proves_nothing_on_the_stub_is_not_added() -> None:
    run = strengthened(Strengthening({"M1": "bad3"}))

    assert run.proof.test_ids == ("t1", "t2")
    assert run.said("leave the tests")["reason"] == "bad3 was not added: it passes on the stub"
    assert not run.journal.bodies(events.TESTS_ADDED)


def test_an_added_test_that_the_program_fails_has_it_repaired_and_stays() -> None:
    run = strengthened(Strengthening({"M1": "t3"}), [SURVIVED, SURVIVED], code=["t1 t2"], repair=["t1 t2 t3"])

    assert (run.proof.status, run.proof.files) == ("passed", {"a.py": "t1 t2 t3"})
    assert run.proof.test_ids == ("t1", "t2", "t3"), "it found a fault, whatever it kills"
    assert run.checker.measured[1][3] is None, "other files are measured anew"


def test_an_added_test_that_independent_programs_agree_against_is_dropped_and_no_repair_bends_to_it() -> None:
    run = strengthened(Strengthening({"M1": "t3"}), code=["t1 t2 t3=5", "t1 t2 t3=5"], repair=["t1 t2 t3=5"])

    assert (run.proof.status, run.proof.test_ids, run.proof.quarantined) == ("passed", ("t1", "t2"), {})
    (dropped,) = run.journal.bodies(events.TEST_DROPPED)
    assert dropped["reason"] == "2 independent programs agree against it: 5"
    assert "a:amend:1" not in run.strategy.asked


def test_an_added_test_that_nothing_settles_is_dropped_but_told_as_not_proven() -> None:
    run = strengthened(
        Strengthening({"M1": "t3"}), code=["t1 t2 t3=5", "t1 t2 t3=6"], repair=["t1 t2 t3=5"], limits=LADDER
    )

    assert (run.proof.status, run.proof.test_ids) == ("passed", ("t1", "t2"))
    assert list(run.proof.quarantined) == ["t3"]
    assert "nothing settles which of the two is wrong" in run.proof.quarantined["t3"]


@pytest.mark.parametrize(
    "error", [AnswerError(["no"]), LimitReached("usd", "no money"), ModelError("it is down")], ids=type
)
def test_what_cannot_be_had_is_no_reason_to_give_up_what_is_proven(error: Exception) -> None:
    run = strengthened(error)

    assert (run.proof.status, run.proof.test_ids) == ("passed", ("t1", "t2"))
    assert run.proof.strength == SURVIVED
    assert run.decisions[-1] == "leave the tests"


def test_without_money_nobody_is_asked() -> None:
    def affords(rung: Rung | str) -> bool:
        return rung != "strengthen"

    run = strengthened(Strengthening({"M1": "t3"}), affords=affords)

    assert run.proof.status == "passed"
    assert "a:strengthen:1" not in run.strategy.asked


def test_mutants_can_be_switched_off() -> None:
    run = strengthened(Strengthening({"M1": "t3"}), limits=replace(LADDER, mutants=0))

    assert (run.proof.status, run.proof.strength) == ("passed", None)
    assert not run.checker.measured


def test_a_test_that_notices_nothing_is_replaced_when_the_new_one_does() -> None:
    idle = Strength((Mutant("M1", "a.py", 3, "a → b", ("t1",), extreme=True),), 9, 8)
    better = Strength((Mutant("M1", "a.py", 3, "a → b", ("t1", "t2"), extreme=True),), 9, 8)
    code = "t1 t2 t2~"
    run = strengthened(Strengthening(replaced={"t2": "t2~"}), [idle, better, better], code=[code])
    worse = strengthened(Strengthening(replaced={"t2": "t2~"}), [idle, idle, idle], code=[code])

    assert run.strategy.told == [("a:strengthen", ((), ("t2",), ()))]
    assert run.proof.tests == {TESTS: "t1 t2~"}
    assert worse.proof.tests == {TESTS: "t1 t2"}


@pytest.mark.parametrize(
    ("mutants", "left"),
    [
        ([Mutant("M1", "a.py", 3, "a → b", ("t1",))], 0),
        ([Mutant("M1", "a.py", 3, "a → b", ("t1",), extreme=True)], 5),
        ([], 0),
    ],
    ids=["nothing extreme was tried", "not all that is extreme was tried", "nothing was tried"],
)
def test_no_test_is_called_idle_before_it_could_have_noticed_anything(mutants: list[Mutant], left: int) -> None:
    run = strengthened(Strengthening(), [Strength(tuple(mutants), 9, 8, left)])

    assert run.proof.status == "passed"
    assert not run.strategy.told


# -- amendments may not weaken


def test_an_amendment_that_notices_nothing_is_refused() -> None:
    code = "t1 t2=5 t2~"
    strategy = ScriptedStrategy(
        script("t1 t2", [code, code], [code]), amendments={"a": Amendment({"t2": "t2~"}, reasons={"t2": "it does"})}
    )
    weak = Strength((Mutant("M1", "a.py", 3, "a → b", extreme=True), Mutant("M2", "a.py", 4, "c → d", ("t1",))), 9, 8)
    run = Loop(strategy, checker=ScriptedChecker(strengths={"a": [weak]}))

    assert (run.proof.status, run.proof.tests) == ("failed", {TESTS: "t1 t2"})
    assert run.evidence is not None
    assert run.evidence.clashes == (
        "t2 could not be amended: the new test does not count, because it notices none of 2 changes of the code",
    )
    assert [tuple(ids) for _, _, ids, _ in run.checker.measured] == [("t2",)], "it alone is measured"


# -- requirements


def test_a_requirement_that_no_test_is_for_is_asked_for_once_and_then_left_uncovered() -> None:
    strategy = ScriptedStrategy({"a:tests": ["t1 t2", "t1 t2 "], "a:code": ["t1 t2"]})
    run = Loop(strategy, checker=ScriptedChecker(ties={"t1": ("R1",), "t2": ("R1", "R9")}))

    assert strategy.tests_given[1][1] == [
        f"{TESTS}: no test says in the first line of its docstring that it is for R2 (Two.)"
    ]
    assert [a for a in strategy.asked if ":tests:" in a] == ["a:tests:1", "a:tests:2"]
    assert run.proof.covers == {"R1": ("t1", "t2")}
    assert run.proof.status == "passed"


# -- whatever happens

WORDS = ["t1", "t2", "t3", "t2=5", "t3=5", "t3=6", "t2%", "t2~"]
CODE = st.lists(st.sampled_from(WORDS), max_size=5).map(lambda words: " ".join(sorted(set(words))))
STRENGTHS = st.lists(
    st.builds(
        lambda first, second: Strength(
            (Mutant("M1", "a.py", 1, "a → b", tuple(first)), Mutant("M2", "a.py", 2, "c → d", tuple(second))), 2, 2
        ),
        st.sets(st.sampled_from(["t1", "t2", "t3"])),
        st.sets(st.sampled_from(["t1", "t2"])),
    ),
    min_size=1,
    max_size=3,
)
RULINGS: Mapping[str, Any] = {
    "amendments": st.sampled_from(
        [Amendment({"t2": "t2~"}, reasons={"t2": "r"}), Amendment(kept={"t2": "k"}), Amendment()]
    ),
    "strengthened": st.sampled_from(
        [
            Strengthening(),
            Strengthening({"M1": "t3"}, {"M2": "equivalent: e"}),
            Strengthening({"M1": "t3", "M2": "t4~"}, {}, {"t1": "t1~"}),
            AnswerError(["no"]),
        ]
    ),
}


@settings(deadline=None, max_examples=60)
@given(
    code=st.lists(CODE, min_size=1, max_size=4),
    repairs=st.lists(CODE, min_size=1, max_size=4),
    strengths=STRENGTHS,
    chances=st.dictionaries(st.sampled_from(["t1", "t2", "t3"]), st.just("the clock")),
    limits=st.builds(
        Limits,
        repairs=st.integers(0, 4),
        no_progress=st.integers(0, 3),
        candidates=st.integers(1, 4),
        mutants=st.sampled_from([0, 30]),
        rungs=st.sampled_from([(), ("candidate",), ("candidate", "amend")]),
    ),
    **RULINGS,
)
def test_whatever_is_answered_the_loop_ends_and_a_pass_is_one_of_what_is_frozen_then(
    code: list[str],
    repairs: list[str],
    strengths: list[Strength],
    chances: dict[str, str],
    limits: Limits,
    amendments: Amendment,
    strengthened: Strengthening | Exception,
) -> None:
    strategy = ScriptedStrategy(
        script("t1 t2", code, repairs),
        amendments={"a": amendments},
        strengthened={"a": strengthened},
    )
    run = Loop(strategy, limits, FlakyChecker(strengths={"a": strengths}, chances=chances))

    proof, words = run.proof, {w.removesuffix("~") for text in run.proof.tests.values() for w in text.split()}
    assert set(proof.test_ids) == words, "what counts is what is in the files"
    assert not set(proof.quarantined) & set(proof.test_ids)
    if proof.status == "passed":
        assert proof.test_ids
        assert proof.verdict is not None
        assert {c.id for c in proof.verdict.cases} == set(proof.test_ids)
        assert proof.verdict.passed == set(proof.test_ids)
        assert {i for ids in proof.covers.values() for i in ids} <= set(proof.test_ids)
    assert sum(":amend:" in a for a in strategy.asked) <= 1
    assert sum(":strengthen:" in a for a in strategy.asked) <= 1
    assert sum(":code:" in a for a in strategy.asked) <= limits.candidates + bool(limits.rungs)
    assert run.proof.provenance.keys() >= set(proof.test_ids)
