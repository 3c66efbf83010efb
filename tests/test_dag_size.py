"""The size of a cut: figures as brute force counts them, misfits named where they are and nowhere else, merges that hold."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.demo import DEMOS
from agent.strategies import shapes
from few_shot import exemplar
from graphs import dag, edits
from graphs.values import Component, Contract, Plan, Requirement

SHIPPED = {e.name: e.plan for e in exemplar.load_all([exemplar.BUNDLED])}
RECORDINGS = {path.parent.name: path for path in (Path(__file__).parent / "recordings").glob("*/recording.jsonl")}
RECORDINGS["demo"] = DEMOS["logq"].recording

PROSE = "It does what the words of the specification say, and nothing else.\n"
"""67 characters."""


def recorded(path: Path) -> Plan:
    """The plan that a live model made."""
    said = {row["step"]: row["text"] for row in map(json.loads, path.read_text("utf-8").splitlines())}
    return shapes.read_plan(said["plan"], shapes.read_requirements(said["requirements"]), "d")


def part(name: str, *depends_on: str, covers: str = "R1", lines: int = 12) -> Component:
    """A component with a contract of so many lines."""
    contract = Contract({f"{name}.py": "x: int\n"}, PROSE * (lines - 1))
    return Component(name, f"Does {name}.", (f"{name}.py",), contract, depends_on, tuple(covers.split()))


def plan_of(*parts: Component) -> Plan:
    wanted = sorted({r for p in parts for r in p.requirements})
    plan = Plan("t", parts, tuple(Requirement(r, f"{r} holds.") for r in wanted))
    assert dag.problems(plan) == []
    return plan


def complete(n: int, lines: int = 12) -> Plan:
    """Every component depends on every one before it; each covers a requirement of its own."""
    return plan_of(*(part(f"c{i}", *(f"c{j}" for j in range(i)), covers=f"R{i}", lines=lines) for i in range(n)))


def cut_up(plan: Plan, links: dict[str, tuple[str, ...]]) -> Plan:
    """A plan of one component, its contract dealt out to parts, which are linked as given."""
    (whole,) = plan.components
    lines = [*whole.contract.behaviour.splitlines(), *"".join(whole.contract.interface.values()).splitlines()]
    names = list(links)
    contracts = {name: "".join(f"{line}\n" for line in lines[i :: len(names)]) for i, name in enumerate(names)}
    parts = (
        Component(
            name,
            f"Does {name}.",
            (f"{name}.py",),
            Contract({f"{name}.py": "x: int\n"}, contracts[name]),
            links[name],
            tuple(r.id for r in plan.requirements),
        )
        for name in names
    )
    return replace(plan, components=tuple(parts), entry="")


def put_together(plan: Plan, groups: dict[str, str]) -> Plan:
    """The plan with each group (id → ids in words) made one."""
    merges = tuple(edits.Merge(tuple(ids.split()), name) for name, ids in groups.items() if " " in ids)
    after, problems = edits.draft(plan, edits.Revision(merges))
    assert problems == []
    return after


# What the counter-examples in few_shot/plans say, as far as it can be counted.
WRONG: dict[str, tuple[Plan, list[str]]] = {
    "word-count, cut up": (
        cut_up(
            SHIPPED["word-count"],
            {
                "options": (),
                "reader": (),
                "counter": (),
                "printer": (),
                "main": ("options", "reader", "counter", "printer"),
            },
        ),
        [
            "the plan is cut too finely: the contracts of its 5 components have 1,",
            "cut too finely: coupling",
            "cohesion is 0.20",
        ],
    ),
    "interval-set, cut up": (
        cut_up(
            SHIPPED["interval-set"],
            {"types": (), "merge": ("types",), "query": ("types",), "intervals": ("types", "merge", "query")},
        ),
        ["contracts of its 4 components have 1,", "coupling is 1.00, as 6 of 6 pairs", "cohesion is 0.25"],
    ),
    "fix-paginate, by symptom": (
        cut_up(SHIPPED["fix-paginate"], {"page_count": (), "page_bounds": (), "empty_list": ()}),
        ["contracts of its 3 components have 1,", "cohesion is 0.33"],
    ),
    "link-shortener, in layers": (
        plan_of(
            part("models", covers="R1 R2 R3"),
            part("codes", covers="R1"),
            part("database", covers="R1 R2 R3 R4"),
            part("repository", "models", "database", covers="R1 R2 R3 R4"),
            part("service", "repository", "codes", covers="R1 R2 R3 R4"),
            part("validation", covers="R1 R5"),
            part("api", "service", "validation", covers="R1 R2 R3 R5"),
            part("server", "api", covers="R6"),
        ),
        ["the plan is cut across its requirements: cohesion is 0.40"],
    ),
    "static-site, in three": (
        put_together(
            SHIPPED["static-site"],
            {
                "markdown": "front_matter inline blocks template",
                "site": "config content listings feeds links theme build",
                "command": "preview cli",
            },
        ),
        ["component 'site' is cut too coarsely: its contract has"],
    ),
    "all linked": (complete(5), ["coupling is 1.00, as 10 of 10 pairs of components depend on each other"]),
    "all in one": (
        plan_of(part("a", covers=" ".join(f"R{i}" for i in range(1, 22)), lines=66)),
        ["component 'a' is cut too coarsely: it covers 21 of 21 requirements (right-sized ones at most 20)"],
    ),
    "a long contract": (
        plan_of(part("a", lines=67)),
        ["component 'a' is cut too coarsely: its contract has 67 lines, a page 66"],
    ),
}


@pytest.mark.parametrize(("plan", "sentences"), WRONG.values(), ids=WRONG)
def test_a_wrong_size_is_named_with_its_figures(plan: Plan, sentences: list[str]) -> None:
    found = dag.misfits(plan)

    assert len(found) == len(sentences), found
    for problem, sentence in zip(found, sentences, strict=True):
        assert sentence in problem


RIGHT = {
    **SHIPPED,
    **{name: recorded(path) for name, path in RECORDINGS.items()},
    "three, all linked": complete(3, lines=20),
    "four, all but two linked": plan_of(
        part("a", lines=20), part("b", "a"), part("c", "a", covers="R2"), part("d", "a", "b", "c", covers="R3")
    ),
    "one, however small": plan_of(part("a", lines=2)),
    "a full page": plan_of(part("a", covers=" ".join(f"R{i}" for i in range(1, 21)), lines=66)),
}


@pytest.mark.parametrize("plan", RIGHT.values(), ids=RIGHT)
def test_nothing_is_said_against_a_right_size(plan: Plan) -> None:
    assert dag.misfits(plan) == []
    assert dag.fewer(plan) is None


def test_the_bounds_stand_where_the_docstrings_say_they_come_from() -> None:
    """When an exemplar is added, these figures show whether the bounds still lie between right and wrong."""

    def characters(plan: Plan) -> int:
        return sum(len(c.contract.behaviour) + sum(map(len, c.contract.interface.values())) for c in plan.components)

    sizes = {name: (len(plan.components), characters(plan)) for name, plan in SHIPPED.items()}
    figures = {name: dag.figures(plan) for name, plan in {**SHIPPED, **RIGHT}.items() if name in SHIPPED}
    assert max((c, n) for n, (parts, c) in sizes.items() if parts == 1) == (1703, "interval-set")
    assert min((c, n) for n, (parts, c) in sizes.items() if parts > 1) == (2024, "refactor-invoice")
    assert min((c, n) for n, (parts, c) in sizes.items() if parts > 2) == (2864, "expense-tracker")
    assert max((round(f.coupling, 2), n) for n, f in figures.items() if f.components == 4) == (0.83, "connect-four")
    assert max(round(f.coupling, 2) for f in figures.values() if f.components > 4) == 0.7
    assert min((round(f.cohesion, 2), n) for n, f in figures.items() if f.components > 2) == (0.66, "static-site")
    known = [*SHIPPED.values(), *(recorded(path) for path in RECORDINGS.values())]
    assert max(len(c.requirements) for plan in known for c in plan.components) == 16


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Sound plans of up to 9 components with links, coverage and sizes of all kinds."""
    n = draw(st.integers(1, 9))
    dense = draw(st.booleans())
    parts = []
    for i in range(n):
        before = [f"c{j}" for j in range(i)]
        below = before if dense else draw(st.lists(st.sampled_from(before), unique=True) if before else st.just([]))
        covers = draw(st.sets(st.integers(1, 9), min_size=1))
        parts.append(
            part(f"c{i}", *below, covers=" ".join(f"R{r}" for r in sorted(covers)), lines=draw(st.integers(2, 70)))
        )
    return plan_of(*draw(st.permutations(parts)))


@settings(deadline=None, max_examples=150)
@given(plans())
def test_cohesion_and_coupling_are_what_brute_force_says(plan: Plan) -> None:
    shares = [1 / sum(r.id in c.requirements for c in plan.components) for r in plan.requirements]
    pairs = list(combinations(plan.components, 2))
    linked = [
        (a, b)
        for a, b in pairs
        if a.id in b.depends_on or b.id in a.depends_on or set(a.requirements) & set(b.requirements)
    ]

    figures = dag.figures(plan)

    assert figures.cohesion == pytest.approx(sum(shares) / len(shares))
    assert figures.coupling == pytest.approx(len(linked) / len(pairs) if pairs else 0)


def test_a_plan_without_requirements_is_whole() -> None:
    assert dag.figures(Plan("t", (replace(part("a"), requirements=()),))).cohesion == 1


@settings(deadline=None, max_examples=150)
@given(plans())
def test_what_is_offered_can_be_done_has_fewer_components_and_each_under_a_page(plan: Plan) -> None:
    offered = dag.fewer(plan)

    if offered is None:
        return
    after = edits.apply(plan, offered)
    before = {c.id: dag.figures(replace(plan, components=(c,))).largest_contract for c in plan.components}
    assert dag.misfits(plan)
    assert len(after.components) < len(plan.components)
    assert sorted(p for c in after.components for p in c.files) == sorted(p for c in plan.components for p in c.files)
    for component in after.components:
        lines = dag.figures(replace(after, components=(component,))).largest_contract
        assert lines <= max(dag.PAGE_LINES, before.get(component.id, 0))


def test_parts_that_one_component_can_hold_are_offered_as_one_called_after_the_top() -> None:
    plan = plan_of(part("a", lines=4), part("top", "a", "b", lines=4), part("b", lines=4))

    offered = dag.fewer(plan)

    assert offered is not None
    (merge,) = offered.edits
    assert isinstance(merge, edits.Merge)
    assert (merge.components, merge.id, list(merge.evidence)) == (("a", "b", "top"), "top", dag.misfits(plan))


def test_a_cut_that_separates_little_is_offered_with_pages_as_full_as_they_get() -> None:
    offered = dag.fewer(complete(5, lines=19))

    assert offered is not None
    assert [e.components for e in offered.edits if isinstance(e, edits.Merge)] == [("c0", "c1", "c2"), ("c3", "c4")]


def test_what_one_component_cannot_hold_is_not_offered() -> None:
    half, other = " ".join(f"R{i}" for i in range(1, 12)), " ".join(f"R{i}" for i in range(12, 23))
    of_lines, of_requirements = complete(5, lines=40), plan_of(part("a", covers=half), part("b", covers=other))

    assert dag.misfits(of_lines)
    assert dag.misfits(of_requirements)
    assert dag.fewer(of_lines) is None
    assert dag.fewer(of_requirements) is None
