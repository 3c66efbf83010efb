"""A run as the fold of its events: what each event changes, what a resume repeats, and journals that are not ours."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import document, draw, events
from graphs.events import Event
from graphs.run_state import Altered, Edited, RunState, Sums, edited, fold
from graphs.status import SIGNS, Case, Level, State, describe
from graphs.values import CaseResult, Feedback, Mutant, Proof, Question, Strength, Usage, Verdict, to_json
from tests.test_draw import EDGES, PLAN, plan_of


def proof(name: str, cases: int = 2) -> dict[str, object]:
    verdict = Verdict("passed", tuple(CaseResult(f"t{i}", "passed") for i in range(cases)))
    return to_json(Proof(name, "k", "passed", verdict=verdict, attempts=2))


def told(*facts: tuple[str, str, dict[str, object]], start: float = 1000.0) -> list[Event]:
    """(kind, component, body) as events of a journal, one second apart."""
    return [Event(k, c, 1, b, seq=i, ts=start + i) for i, (k, c, b) in enumerate(facts, 1)]


PLANNED = (events.PLAN_REVISED, "", {"plan": document.to_data(PLAN), "author": "model", "why": ""})


def test_dependents_wait_for_what_is_not_proven_yet() -> None:
    state = fold(told(PLANNED))
    assert state.components["cli"].waits_for == EDGES["cli"]
    for event in told((events.COMPONENT_PASSED, "parser", {"proof": proof("parser")})):
        state.apply(event)
    assert state.components["cli"].waits_for == tuple(d for d in EDGES["cli"] if d != "parser")
    assert state.components["evaluator"].waits_for == ()


def test_a_component_is_followed_from_start_to_proof() -> None:
    facts = [
        PLANNED,
        (events.COMPONENT_READY, "parser", {}),
        (events.COMPONENT_STARTED, "parser", {"key": "k"}),
        (events.COMPONENT_STEP, "parser", {"step": "repair", "attempt": 1, "detail": ""}),
        (events.COMPONENT_ATTEMPT, "parser", {"number": 2, "step": "repair", "passed": 1, "total": 2}),
        (events.CALL_FINISHED, "parser", {"key": "a", "usage": to_json(Usage(1, 10, 0, 5, 0, 0.5)), "error": ""}),
        (events.COMPONENT_PASSED, "parser", {"proof": proof("parser")}),
        (events.COMMITTED, "parser", {"commit": "abc"}),
    ]
    seen = [fold(told(*facts[: i + 1])).components["parser"] for i in range(len(facts))]
    assert [s.status for s in seen] == ["pending", "ready", *["running"] * 4, "passed", "passed"]
    assert [describe(s) for s in seen[3:5]] == ["repairing (1)", "repairing (1) · 1/2 tests"]
    last = seen[-1]
    assert (last.attempts, last.passed, last.total, last.commit, last.seconds) == (2, 2, 2, "abc", 4.0)
    assert last.usage.usd == 0.5


def test_a_call_is_counted_once_but_each_failure_counts() -> None:
    state = RunState()
    cost = to_json(Usage(1, 10, 0, 5, 0, 0.5))
    for key, failed in (("a", False), ("a", False), ("b", True), ("b", True), ("b", False)):
        state.count_call(key, "", cost, failed=failed)
    assert state.usage == Usage(4, 40, 0, 20, 0, 2.0)
    state.count_call("c", "", to_json(Usage(1, 1, usd=None)))
    assert state.usage.usd is None


def test_pauses_between_processes_are_left_out_of_the_time() -> None:
    stream = [
        Event(events.RUN_STARTED, body={"title": "T"}, ts=100.0),
        Event(events.REQUIREMENTS_READ, ts=110.0),
        Event(events.RUN_RESUMED, ts=500.0),  # the first process was killed after its last event
        Event(events.RUN_INTERRUPTED, body={"reason": "Ctrl-C"}, ts=520.0),
        Event(events.RUN_RESUMED, ts=900.0),
    ]
    assert [fold(stream[:n]).elapsed(1000.0) for n in (4, 5)] == [30.0, 130.0]
    state = fold(stream[:2])
    state.halt()
    assert (state.status, state.elapsed(1000.0)) == ("interrupted", 10.0)


def test_a_revision_keeps_what_did_not_change() -> None:
    state = fold(
        told(
            PLANNED,
            *((events.COMPONENT_PASSED, n, {"proof": proof(n)}) for n in ("tokenizer", "parser", "csv_reader")),
        )
    )
    changed = document.to_data(PLAN)
    changed["revision"] = 2
    changed["components"][0]["contract"]["behaviour"] = "Works differently."
    state.apply(Event(events.PLAN_REVISED, body={"plan": changed}))
    found = {name: known.status for name, known in state.components.items()}
    # The parser uses the tokenizer's contract, so its proof no longer stands; the reader is left alone.
    assert (found["tokenizer"], found["parser"], found["csv_reader"]) == ("pending", "pending", "passed")
    assert state.components["parser"].waits_for == ("tokenizer",)


def test_an_interrupted_run_has_nothing_running() -> None:
    state = fold(
        told(
            (events.RUN_STARTED, "", {"title": "T"}),
            PLANNED,
            (events.COMPONENT_STARTED, "parser", {}),
            (events.COMPONENT_READY, "csv_reader", {}),
            (events.RUN_INTERRUPTED, "", {"reason": "Ctrl-C"}),
        )
    )
    assert state.counts() == {**dict.fromkeys(SIGNS, 0), "pending": 7}
    assert state.status == "interrupted"


def test_kept_is_told_from_proven_in_this_run() -> None:
    kept = (events.COMPONENT_KEPT, "parser", {"proof": proof("parser")})
    assert describe(fold(told(PLANNED, kept)).components["parser"]) == "kept · 2/2 tests · 2 attempts"
    built = [(events.COMPONENT_STARTED, "parser", {}), (events.COMPONENT_PASSED, "parser", {"proof": proof("parser")})]
    resumed = fold(told(PLANNED, *built, kept)).components["parser"]
    assert (describe(resumed), resumed.seconds) == ("passed · 2/2 tests · 2 attempts", 1.0)


def test_unknown_kinds_and_components_change_nothing() -> None:
    state = fold(told(PLANNED))
    before = dict(state.components)
    for event in told(("future.kind", "parser", {}), (events.COMPONENT_FAILED, "nobody", {"reason": "x"})):
        state.apply(event)
    assert state.components == before


def recut(
    edges: dict[str, tuple[str, ...]], author: str = "evidence", **body: object
) -> tuple[str, str, dict[str, object]]:
    changed = {**document.to_data(plan_of(edges)), "revision": 2}
    return (events.PLAN_REVISED, "", {"plan": changed, "author": author, "why": "", **body})


SMALL: dict[str, tuple[str, ...]] = {"reader": (), "cli": ("reader",), "extra": ()}
SPLIT: dict[str, tuple[str, ...]] = {"lexer": (), "reader": ("lexer",), "cli": ("reader",), "extra": ()}
FIRST = (events.PLAN_REVISED, "", {"plan": document.to_data(plan_of(SMALL)), "author": "model", "why": ""})
DONE = [(events.COMPONENT_PASSED, name, {"proof": proof(name)}) for name in SMALL]


@pytest.mark.parametrize(
    ("facts", "revision", "expected"),
    [
        # what is stale is pending again, what is new is there, what is not named stays
        ([*DONE], recut(SPLIT, stale=["reader", "cli"], added=["lexer"], dropped=[]),
         {"lexer": "pending", "reader": "pending", "cli": "pending", "extra": "passed"}),
        ([*DONE], recut(SMALL, stale=[], added=[], dropped=[]), dict.fromkeys(SMALL, "passed")),
        ([*DONE], recut({"reader": (), "cli": ("reader",)}, stale=[], added=[], dropped=["extra"]),
         {"reader": "passed", "cli": "passed"}),
        # a revision that says nothing of what is stale: the components say it themselves
        ([*DONE], recut({**SMALL, "extra": ("reader",)}), {"reader": "passed", "cli": "passed", "extra": "pending"}),
        # what was blocked is tried again, what failed is not unless it is stale
        ([(events.COMPONENT_FAILED, "reader", {"reason": "x"}), (events.COMPONENT_BLOCKED, "cli", {"by": "reader"})],
         recut(SMALL, stale=[]), {"reader": "failed", "cli": "pending", "extra": "pending"}),
        ([(events.COMPONENT_FAILED, "reader", {"reason": "x"}), (events.COMPONENT_BLOCKED, "cli", {"by": "reader"})],
         recut(SMALL, stale=["reader"]), dict.fromkeys(SMALL, "pending")),
        # whoever is in work goes on
        ([(events.COMPONENT_STARTED, "extra", {})], recut(SPLIT, stale=["reader", "cli"], added=["lexer"]),
         {"lexer": "pending", "reader": "pending", "cli": "pending", "extra": "running"}),
    ],
)  # fmt: skip
def test_a_revision_leaves_alone_what_it_does_not_name(
    facts: list[tuple[str, str, dict[str, object]]],
    revision: tuple[str, str, dict[str, object]],
    expected: dict[str, str],
) -> None:
    state = fold(told(FIRST, *facts, revision))
    assert {name: known.status for name, known in state.components.items()} == expected
    assert state.plan is not None
    assert state.plan.revision == 2
    assert [r.revision for r in state.revisions] == [1, 2]


def test_after_a_split_the_whole_waits_for_its_part() -> None:
    state = fold(told(FIRST, *DONE, recut(SPLIT, stale=["reader", "cli"], added=["lexer"])))
    assert (state.components["reader"].waits_for, state.components["cli"].waits_for) == (("lexer",), ("reader",))
    state.apply(Event(events.COMPONENT_PASSED, "lexer", 2, {"proof": proof("lexer")}))
    assert state.components["reader"].waits_for == ()


def test_a_revision_keeps_what_it_cost_and_forgets_the_verdict_on_the_whole() -> None:
    cost = {"key": "a", "usage": to_json(Usage(1, 10, 0, 5, 0, 0.5)), "error": ""}
    whole = (events.INTEGRATION_FINISHED, "", {"verdict": to_json(Verdict("failed"))})
    state = fold(told(FIRST, (events.CALL_FINISHED, "reader", cost), *DONE, whole, recut(SPLIT, stale=["reader"])))
    assert state.components["reader"] == State(usage=Usage(1, 10, 0, 5, 0, 0.5), waits_for=("lexer",))
    assert state.integration is None


@pytest.mark.parametrize(
    ("facts", "phase"),
    [
        ([FIRST], "waiting for approval"),
        ([FIRST, (events.PLAN_APPROVED, "", {}), recut(SPLIT)], "building"),
        ([FIRST, (events.PLAN_APPROVED, "", {}), recut(SPLIT, author="model")], "waiting for approval"),
        ([FIRST, (events.FEEDBACK_GIVEN, "", {"text": "slow"})], "taking in what you said"),
        (
            [FIRST, (events.INTEGRATION_STARTED, "", {}), recut(SPLIT), (events.COMPONENT_STARTED, "lexer", {})],
            "building",
        ),
    ],
)
def test_the_phase_follows_the_revisions(facts: list[tuple[str, str, dict[str, object]]], phase: str) -> None:
    assert fold(told(*facts)).phase == phase


ASK = (
    events.QUESTION_ASKED,
    "reader",
    {"id": "Q1", "text": "Which?", "options": ["a", "b"], "key": "k", "asked": True},
)
ANSWER = (events.QUESTION_ANSWERED, "reader", {"id": "Q1", "answer": "b"})
START = (events.COMPONENT_STARTED, "reader", {})


@pytest.mark.parametrize(
    ("facts", "status", "words", "open_ones"),
    [
        ([ASK], "waiting", "asks you Q1: Which?", ["Q1"]),
        ([(*ASK[:2], {**ASK[2], "asked": False})], "running", "starting", ["Q1"]),
        ([ASK, ANSWER], "running", "starting", []),
        ([ASK, ANSWER, recut(SPLIT, stale=["reader"])], "pending", "waits for lexer", []),
        (
            [ASK, (events.COMPONENT_STEP, "reader", {"step": "respecify"})],
            "running",
            "writing the contract anew",
            ["Q1"],
        ),
        ([ASK, (events.COMPONENT_FAILED, "reader", {"reason": "no way on"})], "failed", "failed: no way on", ["Q1"]),
        ([ASK, (events.RUN_INTERRUPTED, "", {})], "pending", "not started", ["Q1"]),
        ([ASK, DONE[0]], "passed", "passed · 2/2 tests · 2 attempts", []),
    ],
)
def test_a_question_is_followed_to_its_answer(
    facts: list[tuple[str, str, dict[str, object]]], status: str, words: str, open_ones: list[str]
) -> None:
    state = fold(told(FIRST, START, *facts))
    known = state.components["reader"]
    assert (known.status, describe(known)) == (status, words)
    assert bool(known.asks) == (status == "waiting")
    assert [q.id for q in state.open_questions()] == open_ones


def test_questions_feedback_and_replaced_tests_are_kept_in_order() -> None:
    amended = (
        events.TEST_AMENDED,
        "reader",
        {"id": "t::a", "before": "x", "after": "y", "reason": "r", "evidence": []},
    )
    said = (events.FEEDBACK_GIVEN, "", {"ran": True, "worked": False, "perfect": False, "text": "slow"})
    state = fold(told(FIRST, START, ASK, ANSWER, amended, said))
    (asked,) = state.questions.values()
    assert (Question(asked.id, asked.component, asked.text, asked.options), asked.asked, asked.answer) == (
        Question("Q1", "reader", "Which?", ("a", "b")),
        True,
        "b",
    )
    assert [(t.component, t.id, t.reason) for t in state.amended] == [("reader", "t::a", "r")]
    assert state.feedback == [Feedback(True, False, False, "slow")]


def test_what_is_missing_is_said_with_its_reason() -> None:
    failed = (events.COMPONENT_FAILED, "reader", {"reason": "no way on"})
    state = fold(told(FIRST, failed, (events.COMPONENT_BLOCKED, "cli", {"by": "reader"}), DONE[2]))
    assert state.missing() == {"reader": "no way on", "cli": "blocked by reader"}


@pytest.mark.parametrize(
    ("after", "status", "attempts"),
    [
        ([], "running", 9),
        ([(events.COMPONENT_DECISION, "reader", {"decision": "stop", "reason": "x"})], "passed", 2),
        ([(events.COMPONENT_DECISION, "reader", {"decision": "repair", "reason": "x"})], "running", 9),
        ([(events.INTEGRATION_FINISHED, "", {"verdict": to_json(Verdict("failed"))})], "passed", 2),
        ([(events.RUN_FINISHED, "", {"status": "failed"})], "passed", 2),
        ([(events.RUN_INTERRUPTED, "", {})], "passed", 2),
        ([recut(SPLIT, stale=[])], "passed", 2),
        ([recut(SPLIT, stale=["reader"])], "pending", 0),
        ([(events.COMPONENT_PASSED, "reader", {"proof": {**proof("reader"), "attempts": 9}})], "passed", 9),
        ([START, (events.RUN_INTERRUPTED, "", {})], "pending", 0),
    ],
)
def test_what_goes_back_to_work_for_the_whole_stays_proven_unless_it_is_made_better(
    after: list[tuple[str, str, dict[str, object]]], status: str, attempts: int
) -> None:
    rework = [
        (events.COMPONENT_STEP, "reader", {"step": "repair", "attempt": 1}),
        (events.COMPONENT_ATTEMPT, "reader", {"number": 9, "passed": 1, "total": 30}),
    ]
    known = fold(told(FIRST, *DONE, *rework, *after)).components["reader"]
    assert (known.status, known.attempts) == (status, attempts)


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        ({"kind": "split", "component": "a", "parts": ["b", "c"]}, "a was split into b and c"),
        ({"kind": "split", "component": "a", "parts": [{"id": "b"}, {"id": "c"}, {"id": "d"}]}, "a was split into b, c and d"),
        ({"kind": "merge", "components": ["a", "b"], "id": "c"}, "a and b became one component, c"),
        ({"kind": "add", "component": {"id": "a"}}, "a was added"),
        ({"kind": "drop", "component": "a"}, "a was dropped"),
        ({"kind": "rewire", "component": "a", "depends_on": ["b"]}, "a now stands on b"),
        ({"kind": "rewire", "component": "a", "depends_on": []}, "a now stands on nothing"),
        ({"kind": "respecify", "component": "a"}, "the contract of a was written anew"),
        ({"kind": "future", "component": "a"}, "a was changed"),
        ({}, "a component was changed"),
    ],
)  # fmt: skip
def test_an_edit_of_the_plan_in_words(edit: dict[str, object], what: str) -> None:
    told_edit = edited({**edit, "reason": "it is so", "evidence": ["seen"]})
    assert told_edit == Edited(str(edit.get("kind", "")), what, "it is so", ("seen",))


# Trust


NOTICED = Mutant("M1", "q/reader.py", 3, "a < b → a <= b", ("t0", "t1"))
MISSED = Mutant("M2", "q/reader.py", 4, "1 → 2", excuse="equivalent: it is never read")
HALF = Strength((NOTICED, MISSED), lines=9, reached=8, left=3)
TRUSTED = Proof(
    "reader",
    "k",
    "passed",
    verdict=Verdict("passed", (CaseResult("t0", "passed"), CaseResult("t1", "passed"), CaseResult("E1", "passed"))),
    strength=HALF,
    provenance={"t0": "agreed", "t1": "single", "E1": "spec"},
    covers={"R1": ("t0", "E1"), "R2": ("t0",)},
    quarantined={"t9": "it passes and fails"},
)
MEASURED = (events.STRENGTH_MEASURED, "reader", {"strength": to_json(HALF)})
TAKEN = (events.COMPONENT_PASSED, "reader", {"proof": to_json(TRUSTED)})


def test_a_proof_says_why_its_tests_count_and_what_they_notice() -> None:
    known = fold(told(FIRST, START, TAKEN)).components["reader"]
    assert known.tests == (
        Case("t0", "passed", "agreed", ("R1", "R2")),
        Case("t1", "passed", "single"),
        Case("E1", "passed", "spec", ("R1",)),
    )
    assert known.strength == Level(killed=1, total=2, left=3, lines=9, reached=8)
    assert known.quarantined == {"t9": "it passes and fails"}
    assert describe(known) == "passed · 3/3 tests · 1/2 mutants"
    kept = fold(told(FIRST, (events.COMPONENT_KEPT, *TAKEN[1:]))).components["reader"]
    assert (kept.strength, kept.tests) == (known.strength, known.tests)


def test_the_level_is_known_once_it_is_measured_and_goes_with_the_work() -> None:
    seen = [fold(told(*facts)).components["reader"].strength for facts in ([FIRST, START], [FIRST, START, MEASURED])]
    assert seen == [None, Level(1, 2, 3, 9, 8)]
    unmeasured = {**to_json(TRUSTED), "strength": to_json(Strength(reason="no time"))}
    without = fold(told(FIRST, START, MEASURED, (events.COMPONENT_PASSED, "reader", {"proof": unmeasured})))
    assert without.components["reader"].strength == Level(reason="no time")
    assert describe(without.components["reader"]) == "passed · 3/3 tests"
    again = fold(told(FIRST, START, TAKEN, recut(SPLIT, stale=["reader"]))).components["reader"]
    assert (again.strength, again.tests) == (None, ())


def test_a_proof_of_an_older_version_has_no_level() -> None:
    old = {k: v for k, v in proof("reader").items() if k not in ("strength", "provenance", "covers", "quarantined")}
    known = fold(told(FIRST, (events.COMPONENT_PASSED, "reader", {"proof": old}))).components["reader"]
    assert (known.status, known.strength, known.tests) == ("passed", None, (Case("t0", "passed"), Case("t1", "passed")))


def test_the_last_fault_is_known_until_there_is_a_proof() -> None:
    blamed = (events.COMPONENT_DECISION, "reader", {"decision": "repair", "reason": "r", "fault": "code"})
    unsure = (events.COMPONENT_DECISION, "reader", {"decision": "fresh candidate", "reason": "s"})
    stages = ([blamed], [blamed, unsure], [blamed, TAKEN])
    assert [fold(told(FIRST, START, *facts)).components["reader"].fault for facts in stages] == ["code", "", ""]
    failed = (events.COMPONENT_FAILED, "reader", {"reason": "no way on"})
    assert fold(told(FIRST, START, blamed, failed)).components["reader"].fault == "code"


def test_what_became_of_tests_is_noted_once_however_often_it_is_gone_through() -> None:
    facts = [
        START,
        (events.TESTS_ADDED, "reader", {"ids": ["t5", "t6"], "changes": {"M1": "a → b", "M2": "c → d"}}),
        (events.TEST_DROPPED, "reader", {"id": "t5", "reason": "it notices nothing", "source": "def t5(): ..."}),
        (events.TEST_QUARANTINED, "reader", {"id": "t1", "reason": "it failed and passed", "source": ""}),
    ]
    state = fold(told(FIRST, *facts, (events.RUN_RESUMED, "", {}), *facts))
    assert state.added == [Altered("reader", "t5", "a → b; c → d"), Altered("reader", "t6", "a → b; c → d")]
    assert state.dropped == [Altered("reader", "t5", "it notices nothing")]
    assert state.quarantined == [Altered("reader", "t1", "it failed and passed")]


def test_what_is_proven_is_known_until_the_plan_changes() -> None:
    summed = (events.PROOF_SUMMED, "", {"covered": {"R1": ["t0", "E1"]}, "unproven": {"R2": "no test is for it"}})
    assert fold(told(FIRST)).sums is None
    assert fold(told(FIRST, summed)).sums == Sums({"R1": ("t0", "E1")}, {"R2": "no test is for it"})
    assert fold(told(FIRST, summed, recut(SPLIT))).sums is None
    assert fold(told(FIRST, summed, (events.PROOF_SUMMED, "", {"covered": {}, "unproven": {}}))).sums == Sums({}, {})


KINDS = sorted(v for k, v in vars(events).items() if k.isupper() and isinstance(v, str))
KEYS = re.findall(
    r"\w+",
    "plan author why edits stale added dropped id text options asked answer ran worked perfect reason evidence before "
    "after proof verdict usage error key step attempt number passed total decision by commit status seconds settings "
    "limits title spec detail kind component parts strength mutants killed_by left lines reached provenance covers "
    "quarantined covered unproven changes ids fault",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([*SMALL, "Q1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.sampled_from([*SMALL, "", "nobody"]),
            st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4),
        ),
        max_size=12,
    )
)
def test_no_journal_makes_the_fold_or_a_drawing_fail(facts: list[tuple[str, str, dict[str, object]]]) -> None:
    state = fold(told(FIRST, START, ASK, *DONE[1:], *facts))
    assert state.seq == len(facts) + 5
    state.halt()
    state.missing()
    state.open_questions()
    assert state.plan is not None
    draw.tree(state.plan, state.components)
    assert set(state.components) == {c.id for c in state.plan.components}
