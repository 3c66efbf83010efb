"""What a run shows: the live tree on a terminal, plain lines elsewhere, the block at the end."""

from __future__ import annotations

import errno
import io
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from agent.cli.live import LiveView, delivered, last_line, summary
from agent.cli.story import FAULTS, amount, clock, duration, money, tell
from graphs import document, events
from graphs.events import Event
from graphs.evidence import Fault
from graphs.run_state import AWAITS_APPROVAL, fold
from graphs.status import SIGNS, STEPS, State
from graphs.text import cells
from graphs.values import (
    CaseResult,
    Component,
    Contract,
    Limits,
    Mutant,
    Plan,
    Proof,
    Requirement,
    Strength,
    Usage,
    Verdict,
    to_json,
)

HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold red]x[/]\u202e\ud800\nsecond line"
BEGAN = 1_000_000.0


def component(name: str, *needs: str) -> Component:
    return Component(name, f"The {name}.", (f"q/{name}.py",), Contract({f"q/{name}.py": "x: int"}, "Works."), needs)


def plan_of(*components: Component, title: str = "Log query tool", entry: str = "python -m q --help") -> Plan:
    return Plan(title, components, (Requirement("R1", "It works."),), entry=entry)


PLAN = plan_of(
    component("tokenizer"), component("parser", "tokenizer"), component("reader"), component("cli", "parser", "reader")
)


def verdict(passed: int, total: int, message: str = "AssertionError: assert 1 == 2") -> Verdict:
    cases = [CaseResult(f"tests/t.py::test_{i}", "passed" if i < passed else "failed", message) for i in range(total)]
    return Verdict("passed" if passed == total else "failed", tuple(cases), "" if passed == total else "tests fail")


def proof(name: str, message: str = "") -> dict[str, object]:
    status = "failed" if message else "passed"
    found = Proof(name, "k", status, verdict=verdict(2 - bool(message), 2), attempts=3, reason=message)
    return {"proof": to_json(found), **({"reason": message} if message else {})}


def strength(
    change: str = "a < b → a <= b", excuse: str = "", killed: int = 2, total: int = 3, left: int = 0
) -> object:
    """A measurement as plain JSON: the first ``killed`` of ``total`` mutants were noticed."""
    mutants = [Mutant(f"M{i}", "q/a.py", i, change, ("t",) * (i <= killed), excuse=excuse) for i in range(1, total + 1)]
    return to_json(Strength(tuple(mutants), 9, 8, left))


def stream(*facts: tuple[str, str, dict[str, object]]) -> list[Event]:
    return [Event(k, c, 1, b, seq=i, ts=BEGAN + i) for i, (k, c, b) in enumerate(facts, 1)]


def begun(plan: Plan = PLAN) -> list[tuple[str, str, dict[str, object]]]:
    return [
        (events.RUN_STARTED, "", {"run": "20260101-logq-1a2b", "title": plan.title, "settings": {}}),
        (events.PLAN_REVISED, "", {"plan": document.to_data(plan), "author": "model", "why": "first cut"}),
        (events.PLAN_APPROVED, "", {"by": "--yes"}),
    ]


WORK: list[tuple[str, str, dict[str, object]]] = [
    *begun(),
    (events.COMPONENT_STARTED, "tokenizer", {"key": "k"}),
    (events.COMPONENT_STARTED, "reader", {"key": "k"}),
    (events.CALL_STARTED, "tokenizer", {"key": "a", "step": "code", "model": "m"}),
    (events.CALL_STARTED, "reader", {"key": "b", "step": "tests", "model": "m"}),
    (events.CALL_FINISHED, "tokenizer", {"key": "a", "usage": to_json(Usage(1, 900, 0, 100, 0, 0.02)), "error": ""}),
    (events.COMPONENT_STEP, "reader", {"step": "tests", "attempt": 1, "detail": ""}),
    (events.COMPONENT_PASSED, "tokenizer", proof("tokenizer")),
    (events.COMPONENT_STARTED, "parser", {"key": "k"}),
    (events.COMPONENT_STEP, "parser", {"step": "check", "attempt": 1, "detail": ""}),
    (
        events.COMPONENT_ATTEMPT,
        "parser",
        {"number": 1, "step": "code", "verdict": to_json(verdict(3, 5)), "passed": 3, "total": 5},
    ),
    (events.COMPONENT_STEP, "parser", {"step": "repair", "attempt": 1, "detail": ""}),
]


def recut(reason: str = "it is too much at once") -> dict[str, object]:
    """The body of a revision in which the parser is split, and everything else stays."""
    parts = (component("grammar", "tokenizer"), component("parser", "grammar"))
    plan = plan_of(*(c for c in PLAN.components if c.id != "parser"), *parts)
    edit = {"kind": "split", "component": "parser", "parts": ["grammar"], "reason": reason, "evidence": ["120 lines"]}
    data = {**document.to_data(plan), "revision": 2}
    return {
        "plan": data,
        "author": "evidence",
        "why": reason,
        "edits": [edit],
        "stale": ["parser"],
        "added": ["grammar"],
    }


ASKED = (events.QUESTION_ASKED, "parser", {"id": "Q1", "text": "May a key hold blanks?", "options": [], "asked": True})


def screen(facts: Iterable[Event], width: int = 80, height: int = 24, **more: object) -> list[str]:
    """What the view draws after ``facts``, as the lines of a terminal."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False
    )
    view = LiveView(console, now=lambda: BEGAN + 75, **more)  # type: ignore[arg-type]
    for event in facts:
        view.on_event(event)
    console.print(view)
    return file.getvalue().splitlines()


def test_the_tree_shows_state_tests_cost_and_what_is_waited_for() -> None:
    (kind, who, body), *rest = WORK
    limits = to_json(Limits(max_usd=5.0, max_tokens=200_000))
    facts = [(kind, who, {**body, "limits": limits}), *rest]
    assert screen(stream(*facts), model_slots=8, test_slots=2) == [
        "Log query tool · 20260101-logq-1a2b",
        "building · 1/4 proven · 1:14 · $0.02 ($4.98 left) · 1.0k tokens (199.0k left)",
        "model 1/8 · tests 0/2",
        "✓ tokenizer *  passed · 2/2 tests · 3 attempts                      $0.02  0:06",
        "└─ ▶ parser *  repairing (1) · 3/5 tests                                   1:04",
        "   └─ ○ cli *  waits for parser, reader",
        "▶ reader  writing tests                                                    1:10",
    ]


def test_the_tree_shows_the_level_of_what_is_proven_and_counts_a_measurement_as_tests() -> None:
    taken = {**proof("reader"), "proof": {**proof("reader")["proof"], "strength": strength()}}  # type: ignore[dict-item]
    lines = screen(stream(*WORK, (events.COMPONENT_PASSED, "reader", taken)))
    assert lines[-1].startswith("✓ reader  passed · 2/2 tests · 2/3 mutants · 3 attempts")
    at_it = (events.COMPONENT_STEP, "parser", {"step": "strength", "attempt": 1, "detail": ""})
    lines = screen(stream(*WORK, at_it), width=100)
    assert lines[1].endswith("tests 1")
    assert lines[3].startswith("└─ ▶ parser *  trying changes of the code · 3/5 tests")


def test_a_row_that_waits_says_what_is_asked_and_the_rest_goes_on() -> None:
    lines = screen(stream(*WORK, ASKED))
    assert lines[1].startswith("building · asking you 1 · 1/4 proven")
    assert lines[4].startswith("└─ ? parser *  asks you Q1: May a key hold blanks?")
    assert lines[6].startswith("▶ reader  writing tests")
    answered = screen(stream(*WORK, ASKED, (events.QUESTION_ANSWERED, "parser", {"id": "Q1", "answer": "no"})))
    assert answered[3].startswith("└─ ▶ parser *")
    assert "asking" not in answered[1]


def test_a_new_cut_is_drawn_at_once() -> None:
    lines = screen(stream(*WORK, (events.PLAN_REVISED, "", recut())))
    assert lines[2:] == [
        "✓ tokenizer *  passed · 2/2 tests · 3 attempts                      $0.02  0:06",
        "└─ ○ grammar *  not started",
        "   └─ ○ parser *  waits for grammar",
        "      └─ ○ cli *  waits for parser, reader",
        "▶ reader  writing tests                                                    1:10",
    ]


@pytest.mark.parametrize("width", [1, 5, 20])
@pytest.mark.parametrize("height", [1, 2, 6])
def test_a_tiny_terminal_is_not_overrun_either(width: int, height: int) -> None:
    many = plan_of(*(component(f"component_with_a_long_name_{i}") for i in range(200)))
    lines = screen(stream(*begun(many), ASKED), width, height, elsewhere=True)
    assert max(map(cells, lines), default=0) < max(width, 2)
    assert len(lines) <= max(height - 1, 1)


TEXTS = st.text(st.sampled_from("ab _-\t\n\x1b[]漢字é\u0301\u202e\u200b🙂👩\u200d💻"), max_size=90)
SPENT = st.none() | st.floats(0, 1e6)
STATES = st.builds(
    State,
    status=st.sampled_from(list(SIGNS)),
    step=st.sampled_from([*STEPS, HOSTILE]) | TEXTS,
    step_attempt=st.integers(0, 99),
    passed=st.integers(0, 999),
    total=st.none() | st.integers(0, 999),
    waits_for=st.lists(TEXTS, max_size=4).map(tuple),
    blocked_by=TEXTS,
    usage=st.builds(Usage, calls=st.integers(0, 9), usd=SPENT),
    started=st.just(BEGAN),
    seconds=st.floats(0, 1e6),
    reason=TEXTS,
    asks=TEXTS,
)
LIMITS = st.builds(
    Limits,
    max_usd=SPENT,
    max_tokens=st.none() | st.integers(0, 10**12),
    max_seconds=st.none() | st.floats(0.1, 1e9) | st.just(float("inf")),
    max_calls=st.none() | st.integers(0, 10**9),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(STATES, min_size=1, max_size=30),
    st.integers(1, 7),
    st.integers(40, 200),
    st.integers(10, 60),
    LIMITS,
    TEXTS,
    st.booleans(),
)
def test_every_component_is_drawn_or_summed_up_and_no_picture_is_larger_than_the_screen(
    states: list[State], times: int, width: int, height: int, limits: Limits, title: str, elsewhere: bool
) -> None:
    states *= times
    ids = [f"{'long_' * (i % 3 * 4)}name_{i}" for i in range(len(states))]
    plan = plan_of(*(component(name, *ids[max(i - i % 3, 0) : i]) for i, name in enumerate(ids)))
    state = fold(stream(*begun(plan)))
    state.components, state.limits, state.title = dict(zip(ids, states, strict=True)), limits, title
    state.phase = AWAITS_APPROVAL if times % 2 else "building"
    lines = screen([], width, height, state=state, run_id="20260101-logq-1a2b", elsewhere=elsewhere)
    assert max(max(cells(line), cell_len(line)) for line in lines) < width
    assert len(lines) < height
    head = next(i for i, line in enumerate(lines) if "model 0" in line or "tests " in line)
    rows = [line for line in lines[head:] if re.match(f"[ │├└─┄]*[{''.join(SIGNS.values())}] ", line)]
    words = "asking you|running|failed|proven|blocked|waiting|skipped"
    sums = re.findall(rf"(?:^|· )(\d+) (?:more )?(?:{words})", "\n".join(lines[head + len(rows) :]), re.MULTILINE)
    assert len(rows) + sum(map(int, sums)) == len(states)
    urgent = [s for s in states if s.status in ("waiting", "running", "failed")]
    assert len(rows) == len(states) or len(rows) <= len(urgent)


def test_of_two_hundred_what_runs_and_what_failed_comes_first() -> None:
    many = plan_of(*(component(f"c{i}") for i in range(200)))
    facts = [
        *begun(many),
        *((events.COMPONENT_PASSED, f"c{i}", proof(f"c{i}")) for i in range(100)),
        (events.COMPONENT_FAILED, "c150", proof("c150", "no way on")),
        *((events.COMPONENT_STARTED, f"c{i}", {}) for i in range(190, 195)),
    ]
    assert [line.split("  ")[0] for line in screen(stream(*facts), 80, 15)[2:]] == [
        *(f"▶ c{i} *"[: None if i == 0 else -2] for i in range(190, 195)),
        "✗ c150",
        "100 proven · 94 waiting",
    ]


@pytest.mark.parametrize(
    ("asking", "running", "failed", "height", "rows", "sums"),
    [
        (2, 5, 3, 24, "??▶▶▶▶▶✗✗✗", "30 proven · 2 blocked by c0 · 38 waiting"),
        (2, 30, 3, 15, "??▶▶▶▶▶▶✗✗", "24 more running · 1 more failed · 5 proven · 2 blocked by c0 · 38 waiting"),
        (0, 2, 60, 15, "▶▶✗✗✗✗✗✗✗✗✗", "51 more failed · 2 blocked by c0 · 16 waiting"),
        (
            20,
            5,
            3,
            15,
            "?????????",
            "11 more asking you · 5 running · 3 failed · 12 proven · 2 blocked by c0 · 38 waiting",
        ),
    ],
)
def test_what_asks_runs_and_failed_does_not_hide_each_other(
    asking: int, running: int, failed: int, height: int, rows: str, sums: str
) -> None:
    many = plan_of(*(component(f"c{i}") for i in range(80)))
    state = fold(stream(*begun(many)))
    left = 80 - asking - running - failed - 2
    waiting = min(left, 38)
    told: list[tuple[int, State]] = [
        (failed, State("failed", reason="no way on")),
        (asking, State("waiting", asks="Q1: Tabs?")),
        (running, State("running", step="code")),
        (2, State("blocked", blocked_by="c0")),
        (waiting, State()),
        (left - waiting, State("passed")),
    ]
    states = [known for count, known in told for _ in range(count)]
    state.components = dict(zip(state.components, states, strict=True))
    lines = screen([], 80, height, state=state)
    drawn = [i for i, line in enumerate(lines) if line[0] in SIGNS.values()]
    assert "".join(lines[i][0] for i in drawn) == rows
    assert " · ".join(lines[drawn[-1] + 1 :]) == sums


def test_hostile_text_reaches_the_terminal_as_text() -> None:
    plan = plan_of(component("a"), title=HOSTILE.replace("\ud800", ""))  # no plan is read with a lone surrogate
    facts = [
        *begun(plan),
        (events.COMPONENT_STEP, "a", {"step": HOSTILE, "attempt": 1, "detail": HOSTILE}),
        (events.QUESTION_ASKED, "a", {"id": HOSTILE, "text": HOSTILE, "options": [HOSTILE], "asked": True}),
        (events.TEST_AMENDED, "a", {"id": HOSTILE, "reason": HOSTILE, "before": HOSTILE, "after": HOSTILE}),
        (events.PLAN_REVISED, "", {**recut(HOSTILE), "plan": document.to_data(plan)}),
        (events.COMPONENT_DECISION, "a", {"decision": HOSTILE, "reason": HOSTILE, "fault": HOSTILE}),
        (events.STRENGTH_MEASURED, "a", {"strength": strength(HOSTILE)}),
        (events.STRENGTH_MEASURED, "a", {"strength": to_json(Strength(reason=HOSTILE))}),
        (events.TESTS_ADDED, "a", {"ids": [HOSTILE], "changes": {HOSTILE: HOSTILE}, "sources": {HOSTILE: HOSTILE}}),
        (events.TEST_DROPPED, "a", {"id": HOSTILE, "reason": HOSTILE, "source": HOSTILE}),
        (events.TEST_QUARANTINED, "a", {"id": HOSTILE, "reason": HOSTILE, "source": HOSTILE}),
        (events.PROOF_SUMMED, "", {"covered": {HOSTILE: [HOSTILE]}, "unproven": {HOSTILE: HOSTILE, "R1": HOSTILE}}),
        (events.COMPONENT_FAILED, "a", proof("a", HOSTILE)),
        (events.QUESTION_ANSWERED, "a", {"id": "Q1", "answer": HOSTILE}),
        (events.FEEDBACK_GIVEN, "", {"text": HOSTILE}),
        (events.NOTE, "", {"text": HOSTILE}),
        (events.RUN_FINISHED, "", {"status": HOSTILE, "reason": HOSTILE, "usage": to_json(Usage()), "seconds": 1.0}),
    ]
    texts = ["\n".join(screen(stream(*facts[:n]))) for n in range(1, len(facts) + 1)]
    state = fold(stream(*facts))
    texts += [summary(state, output=f"/tmp/{HOSTILE}", run_id=HOSTILE), last_line(state, run_id=HOSTILE)]
    texts += [delivered(state, output=f"/tmp/{HOSTILE}")]
    texts += [tell(event) for event in stream(*facts)]
    for text in texts:
        text.encode("utf-8")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "[bold red]x[/]" in texts[0]
    assert all("\n" not in tell(event) for event in stream(*facts))


def test_elsewhere_one_line_is_printed_per_event_that_matters() -> None:
    file = io.StringIO()
    with LiveView(Console(file=file, width=60), now=lambda: BEGAN) as view:
        for event in stream(*WORK):
            view.on_event(event)
    assert file.getvalue().splitlines() == [
        "   0:00  the run began: Log query tool",
        "   0:01  plan, revision 1 by the model: 4 components: first cut",
        "   0:02  the plan was approved by --yes",
        "   0:08  reader: writing tests",
        "   0:09  tokenizer: proven: 2 tests passed after 3 attempts",
        "   0:12  parser: attempt 1: 3 of 5 tests passed; first failure tests/t.py::test_3: "
        "AssertionError: assert 1 == 2",
        "   0:13  parser: repairing (1)",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_prints_nothing(terminal: bool) -> None:
    file = io.StringIO()
    with LiveView(Console(file=file, force_terminal=terminal), quiet=True) as view:
        for event in stream(*WORK):
            view.on_event(event)
    assert file.getvalue() == ""
    assert view.run_id == "20260101-logq-1a2b"


def test_live_redraws_and_leaves_the_terminal_while_paused() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, height=24, force_terminal=True, legacy_windows=False)
    with LiveView(console, now=lambda: BEGAN) as view:
        for event in stream(*WORK):
            view.on_event(event)
        with view.paused():
            before = file.getvalue()
            view.on_event(Event(events.COMPONENT_PASSED, "reader", 1, proof("reader"), 99, BEGAN + 99))
            assert file.getvalue() == before
            assert before.endswith("\x1b[?25h"), "the cursor is shown while someone else asks"
    shown = file.getvalue()[len(before) :]
    assert "✓ reader" in shown
    assert shown.endswith("\x1b[?25h")


def test_a_note_is_said_at_once_also_at_a_terminal_and_once_at_the_end() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, height=24, force_terminal=True, legacy_windows=False)
    note = (events.NOTE, "", {"text": "generated code runs UNSANDBOXED"})
    with LiveView(console, now=lambda: BEGAN) as view:
        for event in stream(*begun(), note):
            view.on_event(event)
        assert "note: generated code runs UNSANDBOXED" in file.getvalue()
    resumed = (events.RUN_RESUMED, "", {"pid": 1})
    assert summary(fold(stream(*begun(), note, resumed, note))).count("UNSANDBOXED") == 1


def test_the_ceilings_shown_are_those_the_run_works_under() -> None:
    lower, higher = to_json(Limits(max_tokens=2_000_000)), to_json(Limits(max_usd=9.0))
    started, *rest = begun()
    facts = [(started[0], started[1], {**started[2], "limits": lower}), *rest]
    assert "0 tokens (2.0M left)" in "\n".join(screen(stream(*facts)))
    resumed = (events.RUN_RESUMED, "", {"pid": 1, "limits": higher})
    shown = "\n".join(screen(stream(*facts, resumed)))
    assert "$0.00 ($9.00 left)" in shown
    assert "2.0M" not in shown


def at(second: float, kind: str, **body: object) -> Event:
    return Event(kind, "", 1, body, int(second) + 1, BEGAN + second)


CEILING = to_json(Limits(max_seconds=600.0))
CUT = document.to_data(PLAN)


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ([at(5, events.RUN_STARTED, limits=CEILING)], "1:10 (8:50 left)"),
        (
            [  # whoever is asked may take their time
                at(0, events.RUN_STARTED, limits=CEILING),
                at(5, events.PLAN_REVISED, plan=CUT, author="model"),
            ],
            "1:15 (9:55 left)",
        ),
        (
            [
                at(0, events.RUN_STARTED, limits=CEILING),
                at(5, events.PLAN_REVISED, plan=CUT, author="model"),
                at(45, events.PLAN_APPROVED),
                at(50, events.PLAN_REVISED, plan={**CUT, "revision": 2}, author="evidence"),
            ],
            "1:15 (9:25 left)",
        ),
        (
            [  # every process begins anew
                at(0, events.RUN_STARTED, limits=CEILING),
                at(30, events.RUN_INTERRUPTED),
                at(60, events.RUN_RESUMED, limits=CEILING),
            ],
            "0:45 (9:45 left)",
        ),
        (
            [at(0, events.RUN_STARTED, limits=CEILING), at(5, events.RUN_FINISHED, status="passed", seconds=5.0)],
            "0:05 ·",
        ),
        ([at(0, events.RUN_STARTED, limits=to_json(Limits(max_seconds=60.0)))], "1:15 (0:00 left)"),
    ],
)
def test_the_time_left_is_that_of_the_process_at_work_and_stands_while_the_plan_waits(
    facts: list[Event], shown: str
) -> None:
    assert shown in "\n".join(screen(facts))


def test_elsewhere_the_picture_says_what_to_type_for_what_the_run_asks() -> None:
    more = {"elsewhere": True, "run_id": "r1"}
    assert "it waits for: agent approve r1" in screen(stream(*begun()[:2]), **more)
    assert 'it waits for: agent answer r1 Q1 "…"' in screen(stream(*WORK, ASKED), **more)
    assert "it waits for" not in "".join(screen(stream(*WORK), **more))


def test_what_goes_to_a_file_stays_off_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, errors = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stderr", errors)
    with LiveView(Console(file=shown, width=80, height=24, force_terminal=True), now=lambda: BEGAN):
        print("a word to the log", file=sys.stderr)
    assert errors.getvalue() == "a word to the log\n"
    assert "a word" not in shown.getvalue()


class Hangup(io.StringIO):
    """A terminal that is closed at some time."""

    closed_now = False

    def write(self, text: str) -> int:
        if self.closed_now:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


def test_a_run_outlives_its_terminal() -> None:
    file = Hangup()
    with LiveView(Console(file=file, width=80, height=24, force_terminal=True), now=lambda: BEGAN) as view:
        for event in stream(*begun()):
            view.on_event(event)
        file.closed_now = True
        view.on_event(Event(events.NOTE, "", 1, {"text": "nobody sees this"}, 9, BEGAN + 9))
    assert view.state.approved


def test_a_terminal_that_can_draw_nothing_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file = io.StringIO()
    with LiveView(Console(file=file, width=80, height=24, force_terminal=True), now=lambda: BEGAN) as view:
        for event in stream(*WORK):
            view.on_event(event)
    assert "0:09  tokenizer: proven: 2 tests passed after 3 attempts" in file.getvalue()


def test_a_call_that_was_cut_off_did_not_fail() -> None:
    (cut,) = stream((events.CALL_FINISHED, "a", {"key": "k", "step": "code", "usage": {}, "error": "cut off"}))
    assert tell(cut) == "the model call for code brought no answer: cut off"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    console = Console(file=file, width=80, height=24, force_terminal=True, color_system="truecolor")
    view = LiveView(console, now=lambda: BEGAN)
    for event in stream(*WORK):
        view.on_event(event)
    console.print(view)
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|38|9[0-7])", file.getvalue())


def finished(status: str, reason: str = "") -> tuple[str, str, dict[str, object]]:
    usage = to_json(Usage(12, 40_000, 0, 5_200, 0, None))
    return (events.RUN_FINISHED, "", {"status": status, "usage": usage, "seconds": 200.0, "reason": reason})


def test_the_end_says_where_the_code_is_and_how_to_run_it() -> None:
    facts = [
        *begun(),
        *((events.COMPONENT_PASSED, c.id, proof(c.id)) for c in PLAN.components),
        (events.INTEGRATION_FINISHED, "", {"verdict": to_json(verdict(9, 9))}),
        finished("passed"),
    ]
    assert summary(fold(stream(*facts)), output="/home/u/my code", run_id="r1").splitlines() == [
        "Log query tool",
        "  components  4 passed",
        "  the whole   9 of 9 tests and examples passed",
        "  code        /home/u/my code",
        "  run it      cd '/home/u/my code' && python -m q --help",
        "  test it     cd '/home/u/my code' && python -m pytest",
        "  spent       12 model calls · 45.2k tokens · price unknown · 8 s",
        "  look closer agent show r1",
        '  not right?  agent feedback r1 "what is wrong"',
        "passed: 4 of 4 components proven, the code is in /home/u/my code",
    ]


def test_the_end_names_commands_as_they_can_be_typed() -> None:
    facts = [
        *begun(),
        *((events.COMPONENT_PASSED, c.id, proof(c.id)) for c in PLAN.components),
        (events.INTEGRATION_FINISHED, "", {"verdict": to_json(verdict(9, 9))}),
        finished("passed"),
    ]
    typed = {"python": "/venv/bin/python", "agent": "'/my venv/bin/agent'"}.__getitem__
    text = summary(fold(stream(*facts)), output="/out", run_id="r1", typed=typed)
    assert "cd /out && /venv/bin/python -m q --help\n" in text
    assert "cd /out && /venv/bin/python -m pytest\n" in text
    assert "look closer '/my venv/bin/agent' show r1\n" in text
    halted = fold(stream(*begun()))
    halted.halt("stopped by a signal")
    assert last_line(halted, run_id="r1", typed=typed).endswith("go on with: '/my venv/bin/agent' resume r1")


def test_the_end_names_what_failed_and_whom_it_blocked() -> None:
    facts = [
        *begun(),
        (events.COMPONENT_PASSED, "tokenizer", proof("tokenizer")),
        (events.COMPONENT_PASSED, "reader", proof("reader")),
        (events.COMPONENT_FAILED, "parser", proof("parser", "2 repairs in a row did not help")),
        (events.COMPONENT_BLOCKED, "cli", {"by": "parser"}),
        finished("failed"),
    ]
    text = summary(fold(stream(*facts)), output="/out", run_id="r1")
    assert "  components  2 passed, 1 failed, 1 blocked\n" in text
    assert "  failed      parser: 2 repairs in a row did not help\n" in text
    assert "  blocked     cli (by parser)\n" in text
    assert "run it" not in text
    assert text.endswith("not passed: 2 of 4 components proven; see why: agent show r1\n")


def test_the_end_says_what_was_asked_how_the_plan_changed_and_what_came_too_late() -> None:
    facts = [*begun(), (events.PLAN_REVISED, "", recut()), ASKED, finished("failed")]
    lines = summary(fold(stream(*facts)), run_id="r1", late=True).splitlines()
    assert "  plan        revision 2; last: parser was split into grammar, because it is too much at once" in lines
    assert lines[lines.index("  question    Q1: May a key hold blanks?") + 1] == '  answer it   agent answer r1 Q1 "…"'
    assert '  not right?  agent feedback r1 "what is wrong"' in lines
    assert "  too late    what came after the last question counts with: agent resume r1" in lines


def test_the_end_says_what_tests_notice_and_what_is_not_proven_and_why() -> None:
    taken = [(events.COMPONENT_PASSED, c.id, proof(c.id)) for c in PLAN.components]
    for _, _, body in taken[:2]:
        body["proof"]["strength"] = strength()  # type: ignore[index]
    unproven = {"R1": "no test of cli is for it", **{f"t::test_{i}": "it passes and fails" for i in range(9)}}
    whole = (events.INTEGRATION_FINISHED, "", {"verdict": to_json(verdict(9, 9))})
    summed = (events.PROOF_SUMMED, "", {"covered": {}, "unproven": unproven})
    state = fold(stream(*begun(), *taken, whole, summed, finished("passed")))
    lines = summary(state, output="/out", run_id="r1").splitlines()
    assert "  tests       4 of 6 changes of the code were noticed" in lines
    at = lines.index("  not proven  R1 (It works.): no test of cli is for it")
    assert lines[at + 1] == "  not proven  t::test_0: it passes and fails"
    assert lines[at + 8] == "              and 2 more, which agent show lists"
    assert lines[-1] == "passed: 4 of 4 components proven, the code is in /out"
    assert "not proven  R1 (It works.)" in delivered(state, output="/out")


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (events.COMPONENT_STEP, {"step": "strength", "attempt": 1}, "trying changes of the code"),
        (events.COMPONENT_STEP, {"step": "strengthen", "attempt": 1}, "writing tests for what went unnoticed"),
        (
            events.STRENGTH_MEASURED,
            {"strength": strength(left=4)},
            "tried 3 changes of the code: 2 were noticed; 4 more could not be tried in time; "
            "unnoticed first M3 q/a.py line 3: a < b → a <= b",
        ),
        (
            events.STRENGTH_MEASURED,
            {"strength": strength(excuse="equivalent: it is never read")},
            "tried 3 changes of the code: 2 were noticed; 1 of the 1 unnoticed need not be, the test writer says",
        ),
        (
            events.STRENGTH_MEASURED,
            {"strength": strength(killed=1, total=1)},
            "tried 1 change of the code: 1 was noticed",
        ),
        (
            events.STRENGTH_MEASURED,
            {"strength": to_json(Strength(reason="nothing to change"))},
            "how much its tests notice was not measured: nothing to change",
        ),
        (
            events.TESTS_ADDED,
            {"ids": ["t::test_x"], "changes": {"M3": "a < b → a <= b"}},
            "1 test was added: t::test_x, which should notice `a < b → a <= b`",
        ),
        (events.TESTS_ADDED, {"ids": ["a", "b"], "changes": {}}, "2 tests were added: a, b"),
        (
            events.TEST_DROPPED,
            {"id": "t::test_y", "reason": "it notices nothing"},
            "the test t::test_y was taken out again: it notices nothing",
        ),
        (
            events.TEST_QUARANTINED,
            {"id": "t::test_y", "reason": "it failed and passed on the same files"},
            "the test t::test_y was set aside: it failed and passed on the same files",
        ),
        (events.PROOF_SUMMED, {"covered": {}, "unproven": {}}, "nothing that was asked is left without a proof"),
        (
            events.PROOF_SUMMED,
            {"covered": {}, "unproven": {f"R{i}": "no test is for it" for i in range(1, 7)}},
            "not proven: R1 (no test is for it); R2 (no test is for it); R3 (no test is for it); "
            "R4 (no test is for it); and 2 more",
        ),
        (
            events.COMPONENT_DECISION,
            {"decision": "repair", "reason": "2 of 3 fail", "fault": "code"},
            "decision: repair, put down to the code: 2 of 3 fail",
        ),
        (events.COMPONENT_DECISION, {"decision": "repair", "reason": "2 of 3 fail"}, "decision: repair: 2 of 3 fail"),
        (
            events.COMPONENT_PASSED,
            {
                "proof": {
                    **to_json(Proof("a", "k", "passed", verdict=verdict(2, 2), attempts=2)),
                    "strength": strength(),
                }
            },
            "proven: 2 tests passed after 2 attempts, 2 of 3 changes noticed",
        ),
    ],
)
def test_what_makes_tests_trusted_is_told_in_words(kind: str, body: dict[str, object], words: str) -> None:
    assert tell(Event(kind, "a", 1, body)) == words


@pytest.mark.parametrize("fault", get_args(Fault))
def test_every_fault_has_words(fault: str) -> None:
    assert FAULTS[fault]


def test_a_replayed_run_invites_no_feedback() -> None:
    facts = [(events.RUN_STARTED, "", {"settings": {"model": "replay-loosely:x"}}), *begun()[1:], finished("passed")]
    assert "feedback" not in summary(fold(stream(*facts)), run_id="r1")


def test_whoever_judges_sees_what_is_proven_what_is_missing_and_how_to_try_it() -> None:
    passed = [(events.COMPONENT_PASSED, c.id, proof(c.id)) for c in PLAN.components]
    whole = (events.INTEGRATION_FINISHED, "", {"verdict": to_json(verdict(9, 9))})
    assert delivered(fold(stream(*begun(), *passed, whole)), output="/out").splitlines() == [
        "Log query tool",
        "  components  4 passed",
        "  the whole   9 of 9 tests and examples passed",
        "  code        /out",
        "  run it      cd /out && python -m q --help",
        "  test it     cd /out && python -m pytest",
    ]
    failed = (events.COMPONENT_FAILED, "parser", proof("parser", "no way on"))
    assert delivered(fold(stream(*begun(), passed[0], failed)), output="/out").splitlines()[1:] == [
        "  components  2 not started, 1 passed, 1 failed",
        "  failed      parser: no way on",
        "  code        /out",
        "  test it     cd /out && python -m pytest",
    ]


@pytest.mark.parametrize(
    ("end", "line"),
    [
        (
            (events.RUN_INTERRUPTED, "", {"reason": ""}),
            "interrupted: 0 of 4 components proven; go on with: agent resume r1",
        ),
        (
            finished("limit", "the ceiling of 5.00 USD is reached"),
            "stopped at a ceiling: 0 of 4 components proven; the ceiling of 5.00 USD is reached; "
            "go on with: agent resume r1",
        ),
        (
            finished("declined", "the plan was not approved"),
            "stopped: 0 of 4 components proven; the plan was not approved; see why: agent show r1",
        ),
    ],
)
def test_the_last_line_tells_each_end_apart(end: tuple[str, str, dict[str, object]], line: str) -> None:
    assert last_line(fold(stream(*begun(), end)), output="/out", run_id="r1") == line


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (duration(7.6), "8 s"),
        (duration(200), "3 min 20 s"),
        (duration(7500), "2 h 5 min"),
        (duration(float("nan")), "0 s"),
        (duration(float("inf")), "0 s"),
        (clock(8), "0:08"),
        (clock(7500), "2:05:00"),
        (money(None), "price unknown"),
        (money(0.0), "$0.00"),
        (money(0.0042), "$0.0042"),
        (money(1.5), "$1.50"),
        (amount(999), "999"),
        (amount(12_345), "12.3k"),
        (amount(999_960), "1.0M"),
    ],
)
def test_figures_are_written_for_people(said: str, words: str) -> None:
    assert said == words


def test_every_kind_of_event_has_words_or_is_known_to_need_none() -> None:
    kinds = {v for k, v in vars(events).items() if k.isupper() and isinstance(v, str)}
    silent = {kind for kind in kinds if not tell(Event(kind, "a", 1, {"step": "code"}))}
    assert silent == {events.CALL_STARTED, events.CALL_FINISHED, events.ANSWER_READ}
    assert tell(Event(events.ANSWER_READ, "a", 1, {"step": "code", "problems": ["no file was given"]}))
    assert tell(Event(events.CALL_FINISHED, "a", 1, {"step": "code", "error": "timed out"}))


KINDS = sorted(v for k, v in vars(events).items() if k.isupper() and isinstance(v, str))
KEYS = re.findall(
    r"\w+",
    "plan author why edits stale id text options asked answer ran worked perfect reason proof verdict names dropped ids "
    "error step attempt number passed total decision by commit status seconds limits title detail requirements fault "
    "strength mutants killed_by left lines reached covered unproven changes sources source",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS), json_values, max_size=5))
def test_whatever_a_journal_holds_is_told_in_one_line(kind: str, body: dict[str, object]) -> None:
    line = tell(Event(kind, "a", 1, body))
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", line)


def test_view_modules_import_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import agent.cli.graph, agent.cli.runs, agent.cli.show, agent.cli.log, sys;"
        "heavy = ('langgraph', 'langchain_core', 'openai', 'networkx', 'pydantic', 'rich');"
        "print([m for m in heavy if m in sys.modules])"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
