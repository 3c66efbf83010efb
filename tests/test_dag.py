"""Questions about plans: broken ones are named, sound ones are answered as a brute-force reading of the words would."""

from __future__ import annotations

import doctest
import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import dag, examples
from graphs.values import Component, Contract, Example, Plan, Requirement, Spec

R1 = Requirement("R1", "It works.")


def component(component_id: str, *depends_on: str, **fields: object) -> Component:
    path = f"{component_id}.py"
    sound = Component(
        component_id, "Does it.", (path,), Contract({path: "def f(): ...\n"}, "It does."), depends_on, ("R1",)
    )
    return replace(sound, **fields)  # type: ignore[arg-type]


def plan_of(*components: Component, **fields: object) -> Plan:
    return replace(Plan("t", components, (R1,)), **fields)  # type: ignore[arg-type]


def spec_of(*texts: str, **settings: object) -> Spec:
    found = [examples.parse_block(text, f"E{n}", n) for n, text in enumerate(texts, 1)]
    return Spec("t", "text", "d", tuple(e for e in found if e), settings)


NO_INTERFACE = component("a", contract=Contract({}, "It does."))
BROKEN: dict[str, tuple[Plan, list[str]]] = {
    "sound": (plan_of(component("a"), component("b", "a")), []),
    "id twice": (
        plan_of(component("a"), component("a", files=("b.py",), contract=Contract({"b.py": "x: int"}))),
        ["component id 'a' is used twice; ids must be unique"],
    ),
    "itself": (plan_of(component("a", "a")), ["component 'a' depends on itself"]),
    "near id": (
        plan_of(component("parser"), component("b", "parsr")),
        ["component 'b' depends on unknown id 'parsr'; did you mean 'parser'?"],
    ),
    "far id": (plan_of(component("a", "zzzz")), ["component 'a' depends on unknown id 'zzzz'; known ids are a"]),
    "cycle": (
        plan_of(component("a", "b"), component("b", "c"), component("c", "a")),
        ["the components depend on each other in a cycle: a -> b -> c -> a (each depends on the next)"],
    ),
    "two cycles": (
        plan_of(component("d", "c"), component("c", "d"), component("b", "a", "d"), component("a", "b")),
        ["in a cycle: d -> c -> d (each", "in a cycle: b -> a -> b (each"],
    ),
    "no file": (plan_of(component("a", files=(), contract=Contract())), ["component 'a' owns no file"]),
    "file twice": (
        plan_of(component("a"), component("b", files=("b.py", "A.py"))),
        ["file 'A.py' is owned by both 'a' and 'b'; each file belongs to exactly one component"],
    ),
    "listed twice": (plan_of(component("a", files=("a.py", "a.py"))), ["component 'a' lists file 'a.py' twice"]),
    "absolute": (plan_of(component("a", files=("a.py", "/etc/x"))), ["component 'a': file '/etc/x' must be a plain"]),
    "upwards": (plan_of(component("a", files=("a.py", "../x"))), ["component 'a': file '../x' must be a plain"]),
    "back-slash": (plan_of(component("a", files=("a.py", "x\\y"))), ["file 'x\\\\y' must be a plain relative path"]),
    "empty name": (plan_of(component("a", files=("a.py", ""))), ["component 'a': file '' must be a plain"]),
    "the root": (plan_of(component("a", files=("a.py", "."))), ["component 'a': file '.' must be a plain"]),
    "tests": (plan_of(component("a", files=("a.py", "tests/x.py"))), ["file 'tests/x.py' lies in 'tests', kept for"]),
    "Tests": (plan_of(component("a", files=("a.py", "Tests/x.py"))), ["file 'Tests/x.py' lies in 'Tests', kept for"]),
    ".agent": (plan_of(component("a", files=("a.py", ".agent/x"))), ["file '.agent/x' lies in '.agent', kept for"]),
    "file in a file": (
        plan_of(component("a", files=("a.py", "Pkg")), component("b", files=("b.py", "pkg/x.txt"))),
        ["'Pkg' of 'a' is a file, but 'b' puts 'pkg/x.txt' inside it"],
    ),
    "requirement twice": (plan_of(component("a"), requirements=(R1, R1)), ["requirement id 'R1' is used twice"]),
    "requirement unknown": (
        plan_of(component("a", requirements=("R1", "R9"))),
        ["component 'a' covers unknown requirement 'R9'; known are R1"],
    ),
    "no requirements": (
        plan_of(component("a"), requirements=()),
        ["component 'a' covers unknown requirement 'R1'; the plan lists none"],
    ),
    "uncovered": (
        plan_of(component("a"), requirements=(R1, Requirement("R2", "Fast."))),
        ["requirement R2 ('Fast.') is covered by no component"],
    ),
    "interface of others": (
        plan_of(component("a", contract=Contract({"b.py": "x: int"}))),
        ["component 'a': the interface names 'b.py', which it does not own"],
    ),
    "no interface": (plan_of(NO_INTERFACE), ["component 'a': the contract gives no interface; write the signatures"]),
    "data needs no interface": (plan_of(replace(NO_INTERFACE, kind="data")), []),
    "entry of nobody": (
        plan_of(component("a"), entry="python -m prog --help"),
        ["the entry command 'python -m prog --help' starts 'prog', but no component owns prog/__main__.py or prog.py"],
    ),
    "entry": (plan_of(component("a"), entry="python a.py --help"), []),
}


@pytest.mark.parametrize(("plan", "sentences"), BROKEN.values(), ids=BROKEN)
def test_each_broken_rule_is_one_sentence(plan: Plan, sentences: list[str]) -> None:
    found = dag.problems(plan)

    assert len(found) == len(sentences)
    for problem, sentence in zip(found, sentences, strict=True):
        assert sentence in problem


def test_rules_from_outside_name_their_component() -> None:
    assert dag.problems(plan_of(component("a")), None, lambda c: [f"{c.kind} is bad"]) == [
        "component 'a': library is bad"
    ]


PACKAGE = plan_of(
    component("core", files=("logq/core.py",), contract=Contract({"logq/core.py": "def f(): ..."})),
    component("cli", "core", files=("logq/__main__.py",), contract=Contract({"logq/__main__.py": "def main(): ..."})),
    component("other", files=("other.py",)),
)
PACKAGE = replace(
    PACKAGE, components=tuple(replace(c, contract=Contract({c.files[0]: "x: int"})) for c in PACKAGE.components)
)


@pytest.mark.parametrize(
    ("example", "settings_", "who", "problem"),
    [
        ("$ python -m logq x\n", {}, "cli", ""),
        ("$ cat x | python3 -u -m logq\n", {}, "cli", ""),
        (">>> from logq.core import f\n", {}, "core", ""),
        (">>> from logq import core\n", {}, "core", ""),
        (">>> import logq.core, json\n", {}, "core", ""),
        (">>> import logq.core, other\n", {}, None, ""),
        ("$ python -m logq\n$ python -c 'import other'\n", {}, "cli", ""),
        ("$ echo hi\nhi\n", {}, None, ""),
        ("$ python -m json.tool x\n", {}, None, ""),
        ("$ echo 'print(1)' > made.py\n$ python made.py\n1\n", {}, None, ""),
        (">>> import numpy\n", {"packages": ["numpy"]}, None, ""),
        (">>> import numpy\n", {}, None, "example E1 of the spec uses 'numpy', but no component owns numpy.py or"),
        (">>> import logq.gone\n", {"packages": ["x"]}, None, "example E1 of the spec uses 'logq.gone'"),
        (
            "$ python -m logqq\n",
            {},
            None,
            "example E1 of the spec uses 'logqq', but no component owns logqq/__main__.py",
        ),
        ("$ python tool.py\n", {}, None, "example E1 of the spec uses 'tool.py'"),
    ],
)
def test_examples_find_the_component_they_concern(
    example: str, settings_: dict[str, object], who: str | None, problem: str
) -> None:
    spec = spec_of(example, **settings_)

    assert dag.examples_for(PACKAGE, spec) == ({who: spec.examples} if who else {})
    found = dag.problems(PACKAGE, spec)
    assert len(found) == bool(problem)
    assert all(problem in sentence for sentence in found)


def test_the_example_of_several_parts_concerns_the_one_that_stands_on_all() -> None:
    plan = plan_of(component("a"), component("b", "a"), component("c", "b"))
    spec = spec_of(">>> import a, b\n", ">>> import a\n>>> import c\n", ">>> import a\n")

    assert {i: [e.id for e in found] for i, found in dag.examples_for(plan, spec).items()} == {
        "b": ["E1"],
        "c": ["E2"],
        "a": ["E3"],
    }


@st.composite
def dags(draw: st.DrawFn) -> Plan:
    """Acyclic plans of up to 7 components in scrambled order."""
    ids = [f"c{i}" for i in range(draw(st.integers(1, 7)))]
    made = [component(i, *draw(st.sets(st.sampled_from(ids[:n])) if n else st.just(set()))) for n, i in enumerate(ids)]
    return plan_of(*draw(st.permutations(made)))


def paths(plan: Plan) -> list[list[str]]:
    """Every path along dependencies, each written first to last."""
    found = [[c.id] for c in plan.components]
    for path in found:  # grows while it is walked
        found += [[*path, c.id] for c in plan.components if path[-1] in c.depends_on]
    return found


@settings(deadline=None, max_examples=150)
@given(dags(), st.data())
def test_order_and_length_are_what_brute_force_says(plan: Plan, data: st.DataObject) -> None:
    ids = [c.id for c in plan.components]
    every = paths(plan)
    seconds = {i: data.draw(st.integers(1, 9)) for i in data.draw(st.sets(st.sampled_from(ids)))}

    def length(path: list[str]) -> float:
        return sum(seconds.get(i, 1.0) for i in path)

    order = dag.topological(plan)
    assert sorted(order) == sorted(ids)
    assert all(order.index(d) < order.index(c.id) for c in plan.components for d in c.depends_on)
    if len(ids) <= 5:
        legal = [
            list(p)
            for p in permutations(ids)
            if all(p.index(d) < p.index(c.id) for c in plan.components for d in c.depends_on)
        ]
        assert order == min(legal, key=lambda p: [ids.index(i) for i in p])
    assert dag.remaining_path(plan, seconds) == {i: max(length(p) for p in every if p[0] == i) for i in ids}
    critical = dag.critical_path(plan, seconds)
    assert critical in every
    assert length(critical) == max(map(length, every))
    depth = {i: max(len(p) for p in every if p[-1] == i) for i in ids}
    levels = dag.levels(plan)
    assert {i: n for n, level in enumerate(levels, 1) for i in level} == depth
    for i in ids:
        assert dag.descendants(plan, i) == [j for j in ids if any(p[0] == i and p[-1] == j and i != j for p in every)]
        assert dag.Ancestors(plan).of(i) == [j for j in ids if i in dag.descendants(plan, j)]
    figures = dag.figures(plan)
    assert (figures.components, figures.depth) == (len(ids), max(depth.values()))
    assert figures.width == max(map(len, levels))
    assert figures.edges == sum(len(c.depends_on) for c in plan.components)
    assert 0 <= figures.coupling <= 1
    assert figures.largest_contract == 2
    assert dag.problems(plan) == []


@settings(deadline=None, max_examples=60)
@given(dags(), st.randoms(use_true_random=False))
def test_a_key_changes_when_and_only_when_its_own_part_changes(plan: Plan, rng: random.Random) -> None:
    spec = spec_of(f">>> import {plan.components[0].id}\n")

    def keys(changed: Plan, spec: Spec = spec) -> dict[str, str]:
        briefing = dag.Briefing(changed, spec)
        return {c.id: briefing.brief(c).key for c in changed.components}

    before = keys(plan)
    assert len(set(before.values())) == len(before)
    shuffled = list(plan.components)
    rng.shuffle(shuffled)
    assert keys(replace(plan, components=tuple(shuffled), title="other", revision=9, spec_digest="x")) == before

    victim = rng.choice(plan.components)
    dependents = {c.id for c in plan.components if victim.id in c.depends_on}

    def changed_by(**fields: object) -> set[str]:
        other = replace(victim, **fields)  # type: ignore[arg-type]
        after = keys(replace(plan, components=tuple(other if c is victim else c for c in plan.components)))
        return {i for i in before if after[i] != before[i]}

    assert changed_by(purpose="Other.") == {victim.id}
    assert changed_by(packages=("numpy",)) == {victim.id}
    assert changed_by(contract=replace(victim.contract, behaviour="It does not.")) == {victim.id, *dependents}
    assert changed_by(depends_on=tuple(reversed(victim.depends_on))) == set()
    assert set(keys(replace(plan, language="rust")).values()).isdisjoint(before.values())
    renumbered = tuple(replace(c, requirements=("R7",)) for c in plan.components)
    assert keys(replace(plan, components=renumbered, requirements=(replace(R1, id="R7", quote="q", line=3),))) == before
    reworded = keys(replace(plan, requirements=(replace(R1, text="It works well."),)))
    assert set(reworded.values()).isdisjoint(before.values())
    mine = plan.components[0].id
    assert {i for i, k in keys(plan, spec_of()).items() if k != before[i]} == {mine}


def test_a_brief_holds_what_concerns_the_component_and_no_more() -> None:
    far, near, top = component("far"), component("near", "far"), component("top", "near")
    spec = Spec("t", "", "d", (Example("E1", "python", ()),))

    brief = dag.Briefing(plan_of(top, near, far), spec).brief(top, 2.5)

    assert [n.id for n in brief.neighbours] == ["near"]
    assert brief.neighbours[0].contract == near.contract
    assert brief.requirements == (R1,)
    assert (brief.test_path, brief.priority, brief.examples) == ("tests/test_top.py", 2.5, ())


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(dag).failed == 0
    assert doctest.testmod(dag).attempted >= 3
