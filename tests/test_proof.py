"""What ``agent show RUN COMPONENT`` says of tests: why each counts, what became of it, and what it notices."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cli.proof import TRUST, account, cases_section, changes_section, strength_section
from agent.cli.show import show
from graphs import events
from graphs.events import Event
from graphs.text import cells
from graphs.values import CaseResult, Mutant, Proof, Provenance, Strength, Verdict, to_json
from tests.test_views_cli import DECOMPOSED, FINISHED, HOSTILE, STARTED, call, home, on, recorded

__all__ = ["home"]

GOLDEN = Path(__file__).parent / "golden"
FILE = "tests/test_tokenizer.py"
A, B, C, X, Y, Z = (f"{FILE}::test_{name}" for name in ("a", "b", "c", "x", "y", "z"))
STRENGTH = Strength(
    (
        Mutant("M1", "q/tokenizer.py", 3, "a < b → a <= b", (A, X)),
        Mutant("M2", "q/tokenizer.py", 4, "def f(): ... → def f(): return None", (A, B, "E1", "C1"), extreme=True),
        Mutant("M3", "q/tokenizer.py", 9, f"'{HOSTILE}' → ''", excuse=f"equivalent: it is never read {HOSTILE}"),
        Mutant("M4", "q/tokenizer.py", 12, "1 → 2"),
    ),
    lines=12,
    reached=10,
    left=2,
)
PASSED = Verdict("passed", tuple(CaseResult(i, "passed") for i in (A, B, C, X, "E1", "F1", "tokenizer.C1")))
PROOF = Proof(
    "tokenizer",
    "k1",
    "passed",
    verdict=PASSED,
    attempts=3,
    strength=STRENGTH,
    provenance={
        A: "agreed",
        B: "single",
        C: "single",
        X: "single",
        "E1": "spec",
        "F1": "human",
        "tokenizer.C1": "contract",
    },
    covers={"R1": (A, B, "E1")},
    quarantined={Y: "it failed and passed"},
)


def attempt(verdict: Verdict, number: int = 1) -> Event:
    passed = len(verdict.passed)
    body = {"number": number, "step": "code", "verdict": to_json(verdict), "passed": passed, "total": 9}
    return on(events.COMPONENT_ATTEMPT, "tokenizer", **body)


def step(name: str, attempt: int = 1) -> Event:
    return on(events.COMPONENT_STEP, "tokenizer", step=name, attempt=attempt, detail="")


def decided(decision: str, reason: str, **more: object) -> Event:
    return on(events.COMPONENT_DECISION, "tokenizer", decision=decision, reason=reason, **more)


WRITTEN = [
    on(events.COMPONENT_STARTED, "tokenizer", key="k1"),
    step("tests"),
    decided("send the tests back", f"1 test proves nothing: {A}: it passes on the stub {HOSTILE}"),
    step("tests", 2),
    on(
        events.TESTS_FROZEN,
        "tokenizer",
        ids=[A, B, C, Y],
        dropped=[{"id": "test_d", "reason": "it passes on the stub"}],
    ),
]
BEFORE, AFTER = f"def test_b():\n    assert 1 {HOSTILE}", "def test_b():\n    assert 2"
NOT_NOTICED = "it does not notice the change that it was written for"
FIRST = Strength((Mutant("M1", "q/tokenizer.py", 3, "a < b → a <= b"),))
JUDGED = [
    attempt(Verdict("failed", (CaseResult(A, "passed"), CaseResult(B, "failed", f"assert 1 == 2 {HOSTILE}")))),
    on(
        events.TEST_QUARANTINED,
        "tokenizer",
        id=Y,
        reason="it failed and passed on the same files",
        source="def test_y():\n    roll()",
    ),
    decided("repair", "1 of 4 fail", fault="code"),
    decided("disputed", f"the repairer holds test_b to be wrong: {HOSTILE}", tests=[B]),
    decided("question the test", "2 programs agree against test_b", fault="test", tests=[B], evidence=["2 == 2"]),
    on(
        events.TEST_AMENDED,
        "tokenizer",
        id=B,
        before=BEFORE,
        after=AFTER,
        reason="the contract says so",
        evidence=["both give 2"],
    ),
    decided("keep the test", "test_c was kept: it is right", fault="contract", tests=[C]),
    on(events.STRENGTH_MEASURED, "tokenizer", strength=to_json(FIRST)),
    on(events.TESTS_ADDED, "tokenizer", ids=[X, Z], changes={"M1": "a < b → a <= b", "M4": "1 → 2"}, sources={}),
    on(events.TEST_DROPPED, "tokenizer", id=Z, reason=NOT_NOTICED, source="def test_z():\n    pass"),
]
DONE = on(events.COMPONENT_PASSED, "tokenizer", proof=to_json(PROOF))


@pytest.fixture
def run(home: Path) -> str:
    summed = on(events.PROOF_SUMMED, covered={"R1": [A]}, unproven={Y: "it failed and passed", "R1": f"why {HOSTILE}"})
    return recorded(home, STARTED, *DECOMPOSED, *WRITTEN, *JUDGED, DONE, summed, FINISHED)


def section(text: str, first: str, last: str) -> str:
    return text[text.index(first) : text.index(last)]


def test_the_tests_of_a_component_are_shown_as_in_the_golden_file(run: str) -> None:
    text = section(call(show, run, "tokenizer").output, "Requirements\n", "Contract\n")
    text += section(call(show, run, "tokenizer").output, "Tests\n", "What happened\n")
    assert text == (GOLDEN / "proof.txt").read_text(encoding="utf-8")
    assert max(map(cells, text.splitlines())) <= 100


def test_what_happened_names_what_was_held_to_be_at_fault(run: str) -> None:
    text = call(show, run, "tokenizer").output
    assert "decision: repair, put down to the code: 1 of 4 fail" in text
    assert "decision: question the test, put down to the test: 2 programs agree" in text
    assert "           - 2 == 2\n" in text


def test_the_run_says_what_is_not_proven_and_what_became_of_tests(run: str) -> None:
    text = call(show, run).output
    told = section(text, "Not proven\n", "the story:")
    for part in (
        f"  {Y}: it failed and passed\n",
        "  R1 (Logs can be queried.): why ",
        f"Tests that were replaced\n  tokenizer: {B}: the contract says so\n",
        f"  tokenizer: {X}: a < b → a <= b; 1 → 2\n",
        f"taken out again\n  tokenizer: {Z}: it does not notice",
        f"chance decides them\n  tokenizer: {Y}: it failed and passed on the same files\n",
    ):
        assert part in told


def test_json_holds_the_same(run: str) -> None:
    data = json.loads(call(show, run, "tokenizer", "--json").output)
    assert data["state"]["strength"] == {"killed": 2, "total": 4, "left": 2, "lines": 12, "reached": 10, "reason": ""}
    assert data["state"]["tests"][0] == {"id": A, "outcome": "passed", "provenance": "agreed", "requirements": ["R1"]}
    assert data["state"]["quarantined"] == {Y: "it failed and passed"}
    assert [m["id"] for m in data["mutants"]] == ["M3", "M4", "M1", "M2"]
    assert data["mutants"][0]["excuse"].startswith("equivalent: ")
    assert list(data["run"]["unproven"]) == [Y, "R1"]
    assert data["run"]["covered"] == {"R1": [A]}
    whole = {name: [t["id"] for t in data["run"][name]] for name in ("amended", "added", "dropped", "quarantined")}
    assert whole == {"amended": [B], "added": [X, Z], "dropped": [Z], "quarantined": [Y]}


def lines(*story: Event) -> list[str]:
    known = account(story)
    return [*cases_section(known), *strength_section(known), *changes_section(story)]


def test_tests_that_were_not_run_yet_are_only_named() -> None:
    assert lines(*WRITTEN)[:1] == [""]
    assert lines(*WRITTEN)[1] == "Tests, not run yet"
    assert f"  {A}" in lines(*WRITTEN)
    assert lines() == []


SMALL = Mutant("M1", "q/a.py", 3, "a < b → a <= b", (A,))
WHOLE = Mutant("M2", "q/a.py", 3, "def f(): ... → def f(): return None", (A,), extreme=True)


@pytest.mark.parametrize(
    ("strength", "weak"),
    [
        (Strength((SMALL, WHOLE)), True),
        (Strength((SMALL, WHOLE), left=3), True),
        (Strength((WHOLE,), left=3), False),  # another function that does nothing may not have been tried yet
        (Strength((SMALL,)), False),  # another test may have noticed the same, only later
        (Strength((SMALL, replace(WHOLE, killed_by=(A, B)))), False),
    ],
)
def test_a_test_is_called_weak_only_when_it_is_known_to_notice_nothing(strength: Strength, weak: bool) -> None:
    told = lines(*WRITTEN, attempt(PASSED), on(events.STRENGTH_MEASURED, "tokenizer", strength=to_json(strength)))
    after = told[told.index(f"  ✓ {B}") + 1]
    assert after.startswith("      noticed none of the ") == weak


@pytest.mark.parametrize(
    ("strength", "said"),
    [
        (Strength(reason="there is no Python code"), "Strength of the tests not measured: there is no Python code"),
        (Strength(left=5), "Strength of the tests not measured: there was no time for it"),
        (Strength(), "Strength of the tests not measured: there was nothing to change in the code"),
    ],
)
def test_what_was_not_measured_says_why(strength: Strength, said: str) -> None:
    assert lines(on(events.STRENGTH_MEASURED, "a", strength=to_json(strength)))[-1] == said


def test_a_component_that_was_not_measured_says_nothing_of_it() -> None:
    told = lines(*WRITTEN, on(events.COMPONENT_PASSED, "tokenizer", proof=to_json(Proof("a", "k", "passed"))))
    assert not re.search("measured|noticed|change", "\n".join(told))


def test_work_for_the_whole_that_came_to_nothing_leaves_the_proof_as_it_was() -> None:
    other = attempt(Verdict("failed", (CaseResult("tests/test_other.py::test_o", "failed", "no"),)))
    assert lines(*WRITTEN, DONE, step("repair"), other) == lines(*WRITTEN, DONE)
    again = lines(*WRITTEN, DONE, on(events.COMPONENT_STARTED, "tokenizer", key="k2"), other)
    assert "  ✗ tests/test_other.py::test_o  failed: no" in again


def test_tests_under_another_contract_begin_a_story_of_their_own() -> None:
    told = "\n".join(lines(*WRITTEN, *JUDGED[:4], step("tests"), *WRITTEN[-1:]))
    assert "sent back" not in told
    assert "to be wrong" not in told


def test_every_provenance_has_words() -> None:
    assert set(TRUST) == set(get_args(Provenance))


KINDS = sorted(v for k, v in vars(events).items() if k.isupper() and isinstance(v, str))
KEYS = re.findall(
    r"\w+",
    "proof verdict cases strength mutants killed_by covers provenance quarantined ids tests id reason source excuse path "
    "line change changes dropped decision step attempt evidence before after status kept outcome message left reason",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4)), max_size=6
    )
)
def test_whatever_a_journal_holds_is_shown_and_is_safe_to_print(facts: list[tuple[str, dict[str, object]]]) -> None:
    told = lines(*WRITTEN, *JUDGED, *(Event(kind, "tokenizer", 1, body) for kind, body in facts))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", "\n".join(told))
