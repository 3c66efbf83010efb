"""Where a failure belongs: tables of evidence and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.evidence import (
    SPLIT_LINES,
    Evidence,
    Line,
    Tried,
    contract_reasons,
    implicated,
    in_doubt,
    next_rung,
    observation,
    size_reasons,
)
from graphs.values import CaseResult, Component, Contract, Example, Limits, Step, Verdict

A = Component("a", "Does it.", ("a.py",), Contract({"a.py": "def f(): ...\n"}, "It does."))
OWN = replace(A, contract=replace(A.contract, examples=(Example("a.C1", "shell", (Step("true"),)),)))


def line(size: int = 10, **cases: str) -> Line:
    """A program of ``size`` lines; test id → what it did instead, empty when it passed."""
    results = tuple(CaseResult(i.replace("_", "."), "failed" if m else "passed", m) for i, m in cases.items())
    return Line({"a.py": "x = 1\n" * size}, Verdict("failed", results, "no"))


@pytest.mark.parametrize(
    ("message", "seen"),
    [
        ("", ""),
        ("no", "no"),
        (
            "  def test():\n>   assert f() == 2\nE   assert 3 == 2\nE    +  where 3 = f()\nt.py:4: AssertionError",
            "assert 3 == 2\n+  where 3 = f()",
        ),
        ("E   assert <a.B object at 0x7f12aa> == 2", "assert <a.B object at 0x…> == 2"),
    ],
)
def test_what_a_program_did_is_read_without_what_differs_between_equal_runs(message: str, seen: str) -> None:
    assert observation(CaseResult("t", "failed", message)) == seen
    assert observation(CaseResult("t", "error", message)) == ""


@pytest.mark.parametrize(
    ("lines", "doubted"),
    [
        ([line(t1="5")], set()),
        ([line(t1="5", t2=""), line(t1="5", t2="")], {"t1"}),
        ([line(t1="5"), line(t1="6")], set()),
        ([line(t1="5"), line(t1="")], set()),
        ([line(t1="5"), line(t1="5"), line(t1="6")], set()),
        ([line(t9="5"), line(t9="5")], set()),
        ([line(E1="5", t1="5"), line(E1="5", t1="5")], {"t1"}),
    ],
    ids=["one program", "alike", "differently", "one passes", "two of three", "not a test", "an example"],
)
def test_a_test_is_in_doubt_only_when_all_of_several_programs_fail_it_alike(
    lines: list[Line], doubted: set[str]
) -> None:
    assert set(in_doubt(lines, ("t1", "t2"))) == doubted


def test_a_disputed_test_is_in_doubt_when_all_programs_fail_it_in_whatever_way() -> None:
    lines = [line(t1="5", t2="5"), line(t1="6", t2="")]
    assert set(in_doubt(lines, ("t1", "t2"), ("t1", "t2"))) == {"t1"}
    assert in_doubt(lines[:1], ("t1", "t2"), ("t1",)) == {}, "one program and its repairer are one voice"
    assert in_doubt(lines, ("t2",), ("t1",)) == {}, "an example is not"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("E   ValueError: line 3: no date", "E   ValueError: not a date (line 3)", True),
        ("E   ValueError: x", "E   KeyError: x", False),
        ("E   TypeError: f() takes 1", "E   TypeError: g() takes 2", False),
        ("E   assert 3 == 2", "E   assert 4 == 2", False),
        ("E   AssertionError: assert X(3) == 2", "E   AssertionError: assert X(4) == 2", False),
    ],
)
def test_errors_raised_on_purpose_agree_by_their_class(one: str, other: str, alike: bool) -> None:
    assert bool(in_doubt([line(t1=one), line(t1=other)], ("t1",))) == alike


BIG, SMALL = SPLIT_LINES + 1, 10


@pytest.mark.parametrize(
    ("evidence", "tried", "rung"),
    [
        (Evidence(A, (line(SMALL, t1="5"),), ("t1",)), Tried(), "respecify"),
        (Evidence(A, (line(SMALL, t1="5"),), ("t1",)), Tried(respecified=1), "ask"),
        (Evidence(A, (line(BIG, t1="5"),), ("t1",)), Tried(), "split"),
        (Evidence(A, (line(BIG, t1="5"),), ("t1",)), Tried(depth=2), "respecify"),
        (Evidence(A, (line(60, t1="5"),), ("t1",)), Tried(respecified=1), "split"),
        (Evidence(A, (line(BIG, t1="5"),), ("t1",), clashes=("t1 was kept",)), Tried(), "respecify"),
        (Evidence(A, (line(BIG, t1="5"),), ("t1",), clashes=("t1 was kept",)), Tried(respecified=1), "split"),
        (Evidence(A, ()), Tried(), "respecify"),
        (Evidence(A, ()), Tried(respecified=1), "ask"),
    ],
)
def test_the_rung_follows_from_the_evidence(evidence: Evidence, tried: Tried, rung: str | None) -> None:
    assert next_rung(evidence, tried, Limits()).rung == rung
    assert next_rung(evidence, tried, Limits(rungs=())).rung is None
    assert next_rung(evidence, tried, Limits(), ("respecify", "split", "ask")).rung is None


def test_what_points_at_the_contract() -> None:
    torn = Evidence(A, (line(t1="5", t2=""), line(t1="", t2="5")), ("t1", "t2"))
    impossible = Evidence(OWN, (line(a_C1="5", t1=""), line(a_C1="6", t1="")))
    possible = Evidence(OWN, (line(a_C1="5", t1=""), line(a_C1="", t1="")))
    hopeless = Evidence(OWN, (line(a_C1="5", t1="", t2="5"), line(a_C1="6", t1="", t2="5")))

    assert "read in two ways" in contract_reasons(torn)[0]
    assert "own example a.C1" in contract_reasons(impossible)[0]
    assert contract_reasons(possible) == []
    assert contract_reasons(hopeless) == [], "programs that fail most of everything say nothing of the contract"


def test_what_points_at_the_size() -> None:
    assert size_reasons(Evidence(A, ())) == []
    assert size_reasons(Evidence(A, (line(SMALL, t1="5"),))) == []
    assert "121 lines" in size_reasons(Evidence(A, (line(BIG, t1="5"),)))[0]
    several = replace(A, contract=Contract({"a.py": "def f(): ...\ndef g(): ...\ndef h(): ...\n"}))
    assert "spread" in size_reasons(Evidence(several, (line(60, t1="5", t2="6"),)))[0]


@given(
    st.lists(st.dictionaries(st.sampled_from(["t1", "t2", "E1", "a_C1"]), st.sampled_from(["", "5", "6"])), max_size=3),
    st.integers(0, 300),
    st.builds(Tried, respecified=st.integers(0, 2), depth=st.integers(0, 3)),
    st.sets(st.sampled_from(["candidate", "amend", "respecify", "split", "ask"])),
)
def test_no_rung_is_taken_that_is_not_allowed_and_climbing_ends(
    verdicts: list[dict[str, str]], size: int, tried: Tried, rungs: set[Any]
) -> None:
    evidence = Evidence(OWN, tuple(line(size, **cases) for cases in verdicts), ("t1", "t2"))
    limits = Limits(rungs=tuple(rungs))
    in_vain: set[Any] = set()
    for _ in range(10):
        decision = next_rung(evidence, tried, limits, in_vain)
        if decision.rung is None:
            return
        assert decision.rung in rungs - in_vain
        assert decision.reason
        if decision.rung == "respecify":
            tried = replace(tried, respecified=tried.respecified + 1)
        elif decision.rung == "split":
            tried = replace(tried, depth=tried.depth + 1)
        else:
            in_vain.add("ask")
    raise AssertionError("it climbs for ever")


OWNERS = {"pkg/a.py": "a", "pkg/b.py": "b", "tests/test_a.py": "a", "tests/test_b.py": "b"}


@pytest.mark.parametrize(
    ("case", "culprit"),
    [
        (
            CaseResult(
                "tests/test_b.py::test_x",
                "failed",
                "tests/test_b.py:3: in test_x\npkg/b.py:9: in f\npkg/a.py:7: TypeError",
            ),
            "a",
        ),
        (CaseResult("tests/test_b.py::test_x", "failed", "tests/test_b.py:3: AssertionError"), "b"),
        (CaseResult("E1", "failed", 'Traceback:\n  File "/work/pkg/a.py", line 3\nValueError'), "a"),
        (CaseResult("E1", "failed", "expected 1, got 2"), "b"),
        (CaseResult("E2", "failed", "expected 1, got 2"), None),
        (CaseResult("E1", "failed", "/usr/lib/python3/json/decoder.py:7: error"), "b"),
        (
            CaseResult(
                "tests/test_b.py::test_x", "failed", "/w/pkg/a.py:9: in f\n/w/tests/test_b.py:3: AssertionError"
            ),
            "a",
        ),
        (CaseResult("E1", "failed", 'File "/w/tests/test_a.py", line 3'), "b"),
    ],
)
def test_a_failure_of_the_whole_is_traced_to_a_component(case: CaseResult, culprit: str | None) -> None:
    assert list(implicated(Verdict("failed", (case,)), OWNERS, {"E1": "b"})) == ([culprit] if culprit else [])
