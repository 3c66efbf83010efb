"""Drawings and the fold behind them: golden files for a small plan, invariants for any plan, hostile text anywhere."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import dag, document, draw, events
from graphs.draw import Edited, RunState, State, edited, fold, listed
from graphs.events import Event
from graphs.layout import Sizes, crossings, layout, spread
from graphs.values import (
    CaseResult,
    Component,
    Contract,
    Feedback,
    Plan,
    Proof,
    Question,
    Requirement,
    Status,
    Usage,
    Verdict,
    to_json,
)

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "\x1b[2J\x00\x9b<script>&\"'`#;]] --> \\\u202e\ud800%%{init}%% <br/> $$x$$ \\n\n  end"
EDGES = {
    "tokenizer": (),
    "parser": ("tokenizer",),
    "evaluator": ("parser",),
    "json_reader": (),
    "csv_reader": (),
    "formatter": (),
    "cli": ("parser", "evaluator", "json_reader", "csv_reader", "formatter"),
}
STATES = {
    "tokenizer": State("passed", passed=5, total=5, attempts=1),
    "parser": State("running", step="repair", step_attempt=1, passed=3, total=9),
    "evaluator": State("pending", waits_for=("parser",)),
    "json_reader": State("failed", reason="2 repairs in a row did not help", passed=1, total=4),
    "csv_reader": State("ready"),
    "formatter": State("skipped"),
    "cli": State("blocked", blocked_by="json_reader"),
}


def plan_of(edges: dict[str, tuple[str, ...]], purpose: str = "The {} does what its name says.") -> Plan:
    return Plan(
        title="Log query tool",
        requirements=(Requirement("R1", "Logs can be queried."),),
        components=tuple(
            Component(i, purpose.replace("{}", i), (f"q/{i}.py",), Contract({f"q/{i}.py": "x: int"}, "Works."), needs)
            for i, needs in edges.items()
        ),
    )


PLAN = plan_of(EDGES)
FORMATS = {
    "tree": draw.tree,
    "mermaid": draw.mermaid,
    "dot": draw.dot,
    "svg": draw.svg,
    "json": lambda plan, states: json.dumps(draw.as_json(plan, states)),
}


@st.composite
def plans(draw_from: st.DrawFn, most: int = 25) -> Plan:
    """Sound plans of any shape, with any text for purposes and title."""
    text = st.text(st.characters(), min_size=1, max_size=40)
    edges: dict[str, tuple[str, ...]] = {}
    for i in range(draw_from(st.integers(1, most))):
        known = list(edges)
        edges[f"c{i}"] = tuple(draw_from(st.lists(st.sampled_from(known), max_size=4, unique=True))) if known else ()
    return plan_of(edges, draw_from(text))


@pytest.mark.parametrize(
    ("name", "form", "states"),
    [
        ("plan.mmd", "mermaid", {}),
        ("plan.dot", "dot", {}),
        ("plan.txt", "tree", {}),
        ("run.mmd", "mermaid", STATES),
        ("run.dot", "dot", STATES),
        ("run.txt", "tree", STATES),
    ],
)
def test_small_plan_is_drawn_as_in_the_golden_file(name: str, form: str, states: dict[str, State]) -> None:
    assert FORMATS[form](PLAN, states) == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_hostile_text_stays_text(form: str) -> None:
    plan = plan_of({"a": (), "b": ("a",)}, HOSTILE)
    plan = Plan(HOSTILE, plan.components)
    states = {"a": State("failed", reason=HOSTILE), "b": State("blocked", blocked_by=HOSTILE)}
    for known in ({}, states):
        text = FORMATS[form](plan, known)
        text.encode("utf-8")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
        if form not in ("json", "svg"):
            assert text.count("\n") == FORMATS[form](plan_of({"a": (), "b": ("a",)}), known).count("\n")


def test_mermaid_label_holds_nothing_mermaid_would_read() -> None:
    text = draw.mermaid(plan_of({"a": ()}, HOSTILE), {})
    label = re.search(r'^  n0\["(.*)"\]:::planned$', text, re.MULTILINE)
    assert label is not None
    assert not re.search(r'["`<>&$%{}\[\]\\|;]', re.sub(r"#\d+;|<br/>", "", label[1]))


def _dot_strings(text: str) -> list[str]:
    """The quoted strings of DOT text; fails when a quote is left open."""
    rest, found = text, []
    while '"' in rest:
        _, rest = rest.split('"', 1)
        string = re.match(r'(?:[^"\\]|\\.)*"', rest)
        assert string is not None, f"open quote before {rest[:40]!r}"
        found.append(string[0][:-1])
        rest = rest[string.end() :]
    return found


@settings(max_examples=60, deadline=None)
@given(plans())
def test_any_plan_gives_sound_svg_dot_mermaid_and_json(plan: Plan) -> None:
    root = ET.fromstring(draw.svg(plan, {}))
    boxes = root.findall(".//{*}g[@id]")
    lines = [p for p in root.findall(".//{*}path") if p.get("class", "").startswith("line")]
    edges = sum(len(c.depends_on) for c in plan.components)
    assert [b.get("id") for b in boxes] == [f"n{i}" for i in range(len(plan.components))]
    assert len(lines) == edges
    dot = draw.dot(plan, {})
    unquoted = re.sub(r'"(?:[^"\\]|\\.)*"', "", dot)
    assert _dot_strings(dot)
    assert unquoted.count("[") == unquoted.count("]")
    assert unquoted.count("->") == edges
    assert len(re.findall(r"^  n\d+ (?:-->|==>) n\d+$", draw.mermaid(plan, {}), re.MULTILINE)) == edges
    data = json.loads(json.dumps(draw.as_json(plan, {})))
    assert data["version"] == 1
    assert [c["id"] for c in data["components"]] == [c.id for c in plan.components]


@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(40, 120))
def test_tree_shows_each_component_once_below_its_dependencies(plan: Plan, width: int) -> None:
    drawn = [b.id for b in draw.branches(plan)]
    assert sorted(drawn) == sorted(c.id for c in plan.components)
    assert [b.id for b in draw.branches(plan) if b.critical] == dag.critical_path(plan)
    lines = draw.tree(plan, {}, width).splitlines()
    assert all(draw.cells(line) <= width for line in lines)


@settings(max_examples=60, deadline=None)
@given(plans())
def test_boxes_never_overlap_and_lines_go_rightwards(plan: Plan) -> None:
    sizes = Sizes()
    placed = layout(plan, sizes)
    columns: dict[float, list[float]] = {}
    for x, y in placed.boxes.values():
        assert 0 <= x <= placed.width - sizes.width
        assert -1e-6 <= y <= placed.height - sizes.height + 1e-6
        columns.setdefault(x, []).append(y)
    for ys in columns.values():
        assert all(b - a >= sizes.height + sizes.below - 1e-6 for a, b in pairwise(sorted(ys)))
    for (source, target), points in placed.lines.items():
        assert points[0] == (placed.boxes[source][0] + sizes.width, placed.boxes[source][1] + sizes.height / 2)
        assert points[-1] == (placed.boxes[target][0], placed.boxes[target][1] + sizes.height / 2)
        assert all(a[0] < b[0] for a, b in pairwise(points))
        for (x, y), _ in zip(points[1:-1:2], points[2::2], strict=False):
            others = [top for left, top in placed.boxes.values() if left == x]
            assert not any(top < y < top + sizes.height for top in others), "a line passes through a box"


@given(st.lists(st.tuples(st.floats(-1000, 1000), st.floats(0, 100)), min_size=1, max_size=20))
def test_spread_keeps_order_gaps_and_the_mean(pairs: list[tuple[float, float]]) -> None:
    wanted, gaps = [w for w, _ in pairs], [g for _, g in pairs]
    placed = spread(wanted, gaps)
    assert all(b - a >= gap - 1e-6 for (a, b), gap in zip(pairwise(placed), gaps[1:], strict=True))
    assert sum(placed) == pytest.approx(sum(wanted), abs=1e-6)


def test_spread_leaves_what_fits_alone() -> None:
    assert spread([0.0, 50.0, 120.0], [0.0, 20.0, 20.0]) == [0.0, 50.0, 120.0]
    assert spread([10.0, 10.0], [0.0, 20.0]) == [0.0, 20.0]


@pytest.mark.parametrize(
    ("after", "count"), [({0: [2], 1: [3]}, 0), ({0: [3], 1: [2]}, 1), ({0: [2, 3], 1: [2, 3]}, 1)]
)
def test_crossings_are_counted(after: dict[int, list[int]], count: int) -> None:
    assert crossings([[0, 1], [2, 3]], after) == count


def test_two_hundred_in_a_row_stay_on_the_page() -> None:
    names = [f"c{i}" for i in range(200)]
    plan = plan_of({n: (names[i - 1],) if i else () for i, n in enumerate(names)})
    lines = draw.tree(plan, {}, 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert "[needs c198]" in next(line for line in lines if " c199 " in line)
    ET.fromstring(draw.svg(plan, {}))


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 5, "日本…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("a", 0, ""),
    ],
)
def test_texts_are_cut_by_cells(text: str, most: int, shown: str) -> None:
    assert draw.shortened(text, most) == shown


# The fold


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
    assert [draw.describe(s) for s in seen[3:5]] == ["repairing (1)", "repairing (1) · 1/2 tests"]
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
    assert state.counts() == {**dict.fromkeys(draw.SIGNS, 0), "pending": 7}
    assert state.status == "interrupted"


def test_kept_is_told_from_proven_in_this_run() -> None:
    kept = (events.COMPONENT_KEPT, "parser", {"proof": proof("parser")})
    assert draw.describe(fold(told(PLANNED, kept)).components["parser"]) == "kept · 2/2 tests · 2 attempts"
    built = [(events.COMPONENT_STARTED, "parser", {}), (events.COMPONENT_PASSED, "parser", {"proof": proof("parser")})]
    resumed = fold(told(PLANNED, *built, kept)).components["parser"]
    assert (draw.describe(resumed), resumed.seconds) == ("passed · 2/2 tests · 2 attempts", 1.0)


def test_unknown_kinds_and_components_change_nothing() -> None:
    state = fold(told(PLANNED))
    before = dict(state.components)
    for event in told(("future.kind", "parser", {}), (events.COMPONENT_FAILED, "nobody", {"reason": "x"})):
        state.apply(event)
    assert state.components == before


def test_every_status_can_be_drawn() -> None:
    for status in get_args(Status):
        plan, states = plan_of({"a": ()}), {"a": State(status, asks="Q1: Which?")}
        drawn = {form: FORMATS[form](plan, states) for form in FORMATS}
        assert f"{draw.SIGNS[status]} a" in drawn["tree"]
        assert draw.describe(states["a"])
        assert f"classDef {status} " in drawn["mermaid"]
        assert f'class="box {status} critical"' in drawn["svg"]
    assert len(set(draw.SIGNS.values())) == len(draw.SIGNS) == len(get_args(Status))


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
    assert (known.status, draw.describe(known)) == (status, words)
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


def test_a_long_list_is_cut_in_a_sentence() -> None:
    assert listed([f"c{i}" for i in range(9)]) == "c0, c1, c2, c3, c4, c5 and 3 more"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([*SMALL, "Q1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KINDS = sorted(v for k, v in vars(events).items() if k.isupper() and isinstance(v, str))
KEYS = re.findall(
    r"\w+",
    "plan author why edits stale added dropped id text options asked answer ran worked perfect reason evidence before "
    "after proof verdict usage error key step attempt number passed total decision by commit status seconds settings "
    "limits title spec detail kind component parts",
)


@settings(max_examples=200, deadline=None)
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
