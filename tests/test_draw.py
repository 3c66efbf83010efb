"""Drawings: golden files for a small plan, invariants for any plan, hostile text anywhere."""

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

from graphs import dag, draw
from graphs.layout import Sizes, crossings, layout, spread
from graphs.status import SIGNS, Level, State, describe
from graphs.text import cells
from graphs.values import (
    Component,
    Contract,
    Plan,
    Requirement,
    Status,
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
    "tokenizer": State("passed", passed=5, total=5, attempts=1, strength=Level(18, 20, left=2)),
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
    assert all(cells(line) <= width for line in lines)


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


def test_every_status_can_be_drawn() -> None:
    for status in get_args(Status):
        plan, states = plan_of({"a": ()}), {"a": State(status, asks="Q1: Which?")}
        drawn = {form: FORMATS[form](plan, states) for form in FORMATS}
        assert f"{SIGNS[status]} a" in drawn["tree"]
        assert describe(states["a"])
        assert f"classDef {status} " in drawn["mermaid"]
        assert f'class="box {status} critical"' in drawn["svg"]
    assert len(set(SIGNS.values())) == len(SIGNS) == len(get_args(Status))
