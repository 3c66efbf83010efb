"""Changes of a plan: sound ones make a sound plan and leave alone what they do not touch, all others change nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from graphs import dag, edits, examples
from graphs.edits import Add, Drop, Merge, PlanEdit, Respecify, Revision, Rewire, Split
from graphs.errors import PlanError
from graphs.values import Component, Contract, Example, Plan, Requirement, Spec, Step, from_json, to_json

SPEC = Spec("t", "", "d")
R1, R2, R3 = (Requirement(f"R{n}", f"It does {n}.") for n in (1, 2, 3))
SHELL = Example("", "shell", (Step("true"),))
PYTHON = Example("", "python", (Step("1", "1\n"),))


def component(component_id: str, *depends_on: str, **fields: object) -> Component:
    path = f"{component_id}.py"
    sound = Component(
        component_id, f"Does {component_id}.", (path,), Contract({path: "x: int\n"}, "It does.\n"), depends_on
    )
    return replace(sound, **fields)  # type: ignore[arg-type]


def plan_of(*components: Component, **fields: object) -> Plan:
    plan = Plan("t", components, tuple(r for r in (R1, R2, R3) if any(r.id in c.requirements for c in components)))
    return replace(plan, **fields)  # type: ignore[arg-type]


def numbered(component_id: str, *found: Example) -> tuple[Example, ...]:
    return tuple(replace(e, id=f"{component_id}.C{n}") for n, e in enumerate(found, 1))


BASE = component("base", requirements=("R1",))
BIG = component(
    "big",
    "base",
    files=("big.py", "part.py", "data.txt"),
    contract=Contract({"big.py": "x: int\n"}, "It does much.\n", numbered("big", SHELL)),
    requirements=("R1", "R2"),
    packages=("numpy",),
)
CLI = component(
    "cli", "big", "base", requirements=("R3",), kind="cli", contract=replace(BIG.contract, interface={"cli.py": "y"})
)
PLAN = plan_of(BASE, BIG, CLI, entry="python cli.py", spec_digest="d", feedback=("slow",), revision=4)


def after(*made: PlanEdit, plan: Plan = PLAN, **more: object) -> Plan:
    return edits.apply(plan, Revision(made), **more)  # type: ignore[arg-type]


def test_a_split_makes_the_component_the_assembly_of_its_parts() -> None:
    found = numbered("elsewhere", PYTHON, SHELL)
    one = component("one", "base", files=("part.py", "one.py"), requirements=("R2",))
    two = component("two", "one", contract=Contract({"two.py": "z: int\n"}, "It does.\n", found))

    plan = after(Split("big", (one, two), "too large"))

    assert [c.id for c in plan.components] == ["base", "one", "two", "big", "cli"]
    assert plan.component("big") == replace(
        BIG, files=("big.py", "data.txt"), depends_on=("base", "one", "two"), contract=BIG.contract
    )
    assert plan.component("one") == one
    assert plan.component("two").contract.examples == numbered("two", PYTHON, SHELL)
    assert dag.difference(PLAN, SPEC, plan, SPEC) == dag.Difference(("base", "cli"), ("big",), ("one", "two"), ())


def test_a_merge_makes_one_component_that_keeps_all_promises() -> None:
    over = component("over", "cli", "big", requirements=("R3",))
    before = plan_of(over, *PLAN.components)

    plan = after(Merge(("cli", "big"), "tool", reason="always changed together"), plan=before)

    assert [c.id for c in plan.components] == ["over", "base", "tool"]
    assert plan.component("over").depends_on == ("tool",)
    assert plan.component("tool") == Component(
        "tool",
        "Does big. Does cli.",
        ("big.py", "part.py", "data.txt", "cli.py"),
        Contract(
            {"big.py": "x: int\n", "cli.py": "y"},
            "### big: Does big.\n\nIt does much.\n\n### cli: Does cli.\n\nIt does much.\n",
            numbered("tool", SHELL, SHELL),
        ),
        ("base",),
        ("R1", "R2", "R3"),
        "cli",
        ("numpy",),
    )
    assert dag.difference(before, SPEC, plan, SPEC) == dag.Difference(("base",), ("over",), ("tool",), ("big", "cli"))


def test_a_merge_takes_the_words_it_is_given() -> None:
    contract = Contract({"big.py": "x: str\n"}, "All.\n", numbered("old", PYTHON))

    plan = after(Merge(("base", "big"), "big", "Both.", contract))

    assert [c.id for c in plan.components] == ["big", "cli"]
    merged = plan.component("big")
    assert (merged.purpose, merged.kind, merged.depends_on) == ("Both.", "library", ())
    assert merged.contract == replace(contract, examples=numbered("big", PYTHON))
    assert plan.component("cli").depends_on == ("big",)


def test_the_other_edits_do_what_their_names_say() -> None:
    more = component("more", "big")

    assert after(Add(more)).components == (*PLAN.components, more)
    shown = replace(more, contract=replace(more.contract, examples=(SHELL,)))
    assert after(Add(shown)).component("more").contract.examples == numbered("more", SHELL)
    assert after(Add(more), Drop("more")).components == PLAN.components
    assert after(Rewire("cli", ("big", "big"))).component("cli") == replace(CLI, depends_on=("big",))
    other = component("big", "nowhere", requirements=("R2",), contract=replace(BIG.contract, examples=(PYTHON,)))
    other = replace(other, files=("big.py", "new.py"))
    assert after(Respecify(other)).component("big") == replace(
        other, depends_on=("base",), contract=replace(other.contract, examples=numbered("big", PYTHON))
    )


def test_what_is_not_named_stays() -> None:
    assert after() == replace(PLAN, revision=5)
    said = Revision((), (*PLAN.requirements[1:], R1), "e", ("slow", "wrong"), "")
    assert edits.apply(PLAN, said) == replace(
        PLAN, requirements=(R2, R3, R1), spec_digest="e", feedback=("slow", "wrong"), entry="", revision=5
    )


def test_components_cease_to_cover_what_is_no_longer_asked() -> None:
    plan = edits.apply(PLAN, Revision((), requirements=(R1, R3)))

    assert plan.component("big").requirements == ("R1",)
    assert dag.difference(PLAN, SPEC, plan, SPEC).changed == ("big",)


PART = component("part", files=("part.py",), contract=Contract({"part.py": "x: int\n"}))
REFUSED: dict[str, tuple[tuple[PlanEdit, ...], list[str]]] = {
    "split of nobody": (
        (Split("bgi", (PART,)), Rewire("cli", ("part",))),
        ["the split names component 'bgi', which is not in the plan; did you mean 'big'?"],
    ),
    "split with a taken id": (
        (Split("big", (replace(PART, id="cli"),)),),
        ["the split of 'big' gives the id 'cli' to a part, which another component has; take a new id"],
    ),
    "split with its own id": ((Split("big", (replace(PART, id="big"),)),), ["gives the id 'big' to a part"]),
    "split with one id twice": ((Split("big", (PART, PART)),), ["gives the id 'part' to a part"]),
    "split on itself": (
        (Split("big", (replace(PART, depends_on=("big",)),)),),
        ["the split of 'big': part 'part' depends on 'big', which is made of it; a part cannot"],
    ),
    "split on a dependent": (
        (Split("big", (replace(PART, depends_on=("cli",)),)),),
        ["in a cycle: part -> cli -> big -> part"],
    ),
    "split of what others cover": (
        (Split("big", (replace(PART, requirements=("R2", "R3")),)),),
        ["part 'part' covers requirement 'R3', which 'big' does not; parts may cover only R1, R2 or none"],
    ),
    "split of the interface": (
        (Split("big", (component("one", files=("one.py", "big.py", "part.py", "data.txt")),)),),
        [
            "the split of 'big' gives 'big.py' to a part, but the interface of 'big' names it; the part needs a file of its"
        ],
    ),
    "split of all files": (
        (Respecify(replace(BIG, kind="data", contract=Contract())), Split("big", (replace(PART, files=BIG.files),))),
        ["the split of 'big' leaves it no file; it keeps at least one, which puts the parts together"],
    ),
    "split of a file of others": (
        (Split("big", (replace(PART, files=("part.py", "cli.py")),)),),
        ["file 'cli.py' is owned by both 'part' and 'cli'"],
    ),
    "merge of nobody": (
        (Merge(("big", "clj"), "big"),),
        ["the merge names component 'clj', which is not in the plan; did you mean 'cli'?"],
    ),
    "merge of one": (
        (Merge(("big", "big"), "x"),),
        ["the merge of 'big' names fewer than two components; name all that become one"],
    ),
    "merge with a taken id": (
        (Merge(("big", "cli"), "base"),),
        [
            "the merge of 'big' and 'cli' gives the id 'base', which another component has; take one of theirs or a new one"
        ],
    ),
    "merge round another": (
        (Rewire("cli", ("big",)), Merge(("base", "cli"), "m")),
        ["the components depend on each other in a cycle: m -> big -> m (each depends on the next)"],
    ),
    "add of a taken id": (
        (Add(component("big", files=("new.py",))),),
        ["the add gives the id 'big', which another component has; take a new id, or respecify the one that is there"],
    ),
    "drop of nobody": (
        (Drop("zzz"),),
        ["the drop names component 'zzz', which is not in the plan; known ids are base, big, cli"],
    ),
    "drop of what others need": (
        (Drop("base"),),
        ["component 'big' depends on unknown id 'base'", "component 'cli' depends on unknown id 'base'"],
    ),
    "drop of what covers": ((Drop("cli"),), ["requirement R3 ('It does 3.') is covered by no component"]),
    "drop of all": ((Drop("cli"), Drop("big"), Drop("base")), ["the plan has no component", "R1", "R2", "R3"]),
    "drop twice": ((Add(PART), Drop("part"), Drop("part")), ["the drop names component 'part', which is not in"]),
    "rewire of nobody": ((Rewire("part", ()),), ["the rewire names component 'part', which is not in the plan"]),
    "rewire to nobody": (
        (Rewire("cli", ("bgi",)),),
        ["component 'cli' depends on unknown id 'bgi'; did you mean 'big'?"],
    ),
    "rewire to itself": ((Rewire("cli", ("cli",)),), ["component 'cli' depends on itself"]),
    "rewire into a cycle": ((Rewire("base", ("cli",)),), ["in a cycle: base -> cli -> big -> base"]),
    "respecify of nobody": ((Respecify(PART),), ["the respecify names component 'part', which is not in the plan"]),
    "respecify without coverage": ((Respecify(replace(CLI, requirements=())),), ["requirement R3"]),
    "respecify of another's file": (
        (Respecify(replace(CLI, files=("cli.py", "BIG.py"))),),
        ["file 'BIG.py' is owned by both 'big' and 'cli'"],
    ),
    "several": (
        (Drop("x1"), Split("x2", (PART,)), Rewire("part", ("base",)), Merge(("x3", "x4"), "x5")),
        ["'x1', which", "'x2', which", "'x3', which", "'x4', which"],
    ),
}


@pytest.mark.parametrize(("made", "sentences"), REFUSED.values(), ids=REFUSED)
def test_an_edit_that_cannot_be_is_refused_in_a_sentence(made: tuple[PlanEdit, ...], sentences: list[str]) -> None:
    with pytest.raises(PlanError) as caught:
        after(*made, plan=replace(PLAN, entry=""))

    assert len(caught.value.problems) == len(sentences)
    for problem, sentence in zip(caught.value.problems, sentences, strict=True):
        assert sentence in problem


def test_rules_from_outside_and_examples_of_the_spec_hold_too() -> None:
    with pytest.raises(PlanError, match="component 'more': no"):
        after(Add(component("more")), check_component=lambda c: ["no"] if c.id == "more" else [])

    example = examples.parse_block("$ python -m shop\n", "E1", 1)
    assert example
    spec = replace(SPEC, examples=(example,))
    with pytest.raises(PlanError, match="example E1 of the spec uses 'shop'"):
        after(plan=plan_of(BASE), spec=spec)
    assert after(Add(component("shop")), plan=plan_of(BASE), spec=spec).component("shop")


@pytest.mark.parametrize(
    ("made", "running", "sentence"),
    [
        (Drop("extra"), "extra", "component 'extra' is in work, so it cannot be dropped or merged now"),
        (Merge(("extra", "big"), "m"), "extra", "component 'extra' is in work, so it cannot be dropped or merged now"),
        (Merge(("extra", "big"), "extra"), "extra", "component 'extra' is in work, so neither what it is nor what it"),
        (Rewire("extra", ("base",)), "extra", "component 'extra' is in work"),
        (Split("extra", (component("low"),)), "extra", "component 'extra' is in work"),
        (Respecify(replace(BASE, files=("base.py", "base.txt"))), "extra", None),
        (Respecify(replace(BASE, purpose="Other.")), "big", None),
        (Respecify(replace(BASE, contract=replace(BASE.contract, behaviour="Other.\n"))), "big", "'big' is in work"),
        (Split("base", (component("low"),)), "big", None),
        (Rewire("cli", ("extra", "big")), "extra", None),
    ],
)
def test_what_is_in_work_is_left_alone(made: PlanEdit, running: str, sentence: str | None) -> None:
    plan = plan_of(*PLAN.components[:2], component("extra"), CLI)

    if sentence is None:
        assert after(made, plan=plan, running=[running]) == after(made, plan=plan)
    else:
        assert after(made, plan=plan).revision == 2
        with pytest.raises(PlanError) as caught:
            after(made, plan=plan, running=[running])
        assert len(caught.value.problems) == 1
        assert sentence in caught.value.problems[0]


def test_an_edit_is_plain_data() -> None:
    revision = Revision(tuple(made[-1] for made, _ in REFUSED.values()), (R1,), "d", ("wrong",), "x")

    assert from_json(Revision, json.loads(json.dumps(to_json(revision)))) == revision


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Sound plans of up to 6 components in scrambled order."""
    made: list[Component] = []
    requirements = draw(st.sampled_from([(), (R1,), (R1, R2), (R1, R2, R3)]))
    for number in range(draw(st.integers(1, 6))):
        own = f"c{number}"
        made.append(draw(components(own, [c.id for c in made], [r.id for r in requirements])))
    for number, requirement in enumerate(requirements):  # each is covered somewhere
        covering = made[number % len(made)]
        ids = dict.fromkeys((*covering.requirements, requirement.id))
        made[number % len(made)] = replace(covering, requirements=tuple(ids))
    return Plan("t", tuple(draw(st.permutations(made))), requirements)


@st.composite
def components(draw: st.DrawFn, own: str, below: list[str], requirements: list[str]) -> Component:
    extra = draw(st.integers(0, 2))
    found = draw(st.lists(st.sampled_from([SHELL, PYTHON]), max_size=2))
    contract = Contract({f"{own}.py": "x: int\n"}, draw(st.sampled_from(["A.\n", "B.\n"])), numbered(own, *found))
    return component(
        own,
        *draw(subsets(below)),
        purpose=draw(st.sampled_from(["A.", "B."])),
        files=(f"{own}.py", *(f"{own}_{n}.txt" for n in range(extra))),
        contract=contract,
        requirements=draw(subsets(requirements)),
        kind=draw(st.sampled_from(["library", "cli", "service"])),
        packages=draw(st.sampled_from([(), ("numpy",)])),
    )


def subsets(values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True).map(tuple) if values else st.just(())


def new_id(plan: Plan) -> str:
    """One with which no id and no file begins."""
    taken = [*(c.id for c in plan.components), *dag.file_owners(plan)]
    return next(i for n in range(99) if not any(name.startswith(i := f"n{n}") for name in taken))


def not_above(plan: Plan, component_id: str) -> list[str]:
    """Ids on which a component may stand."""
    return [c.id for c in plan.components if c.id not in (component_id, *dag.descendants(plan, component_id))]


@st.composite
def splits(draw: st.DrawFn, plan: Plan) -> Split:
    whole = draw(st.sampled_from(plan.components))
    spare = [path for path in whole.files if path not in whole.contract.interface]
    below, owner = not_above(plan, whole.id), new_id(plan)
    parts: list[Component] = []
    for number in range(draw(st.integers(1, 3))):
        part = draw(components(f"{owner}_{number}", [*below, *(p.id for p in parts)], list(whole.requirements)))
        taken = [path for path in draw(subsets(spare)) if all(path not in p.files for p in parts)]
        parts.append(replace(part, files=(part.files[0], *taken)))
    return Split(whole.id, tuple(parts), "too large")


@st.composite
def merges(draw: st.DrawFn, plan: Plan) -> Merge:
    """Components between which no other stands."""
    assume(len(plan.components) > 1)
    order = dag.topological(plan)
    first = draw(st.integers(0, len(order) - 2))
    ids = draw(st.permutations(order[first : first + draw(st.integers(2, 3))]))
    return Merge(tuple(ids), draw(st.sampled_from([*ids, new_id(plan)])), reason="always changed together")


@st.composite
def drops(draw: st.DrawFn, plan: Plan) -> Drop:
    counts = Counter(r for c in plan.components for r in c.requirements)
    free = [
        c.id
        for c in plan.components
        if len(plan.components) > 1 and not dag.descendants(plan, c.id) and all(counts[r] > 1 for r in c.requirements)
    ]
    assume(free)
    return Drop(draw(st.sampled_from(free)), "not needed")


@st.composite
def others(draw: st.DrawFn, plan: Plan) -> PlanEdit:
    old = draw(st.sampled_from(plan.components))
    requirements = [r.id for r in plan.requirements]
    match draw(st.sampled_from(["add", "rewire", "respecify"])):
        case "add":
            return Add(draw(components(new_id(plan), [c.id for c in plan.components], requirements)), "missing")
        case "rewire":
            return Rewire(old.id, draw(subsets(not_above(plan, old.id))), "as seen")
    new = draw(components(old.id, [], requirements))
    contract = replace(old.contract, behaviour=new.contract.behaviour, examples=new.contract.examples)
    kept = tuple(dict.fromkeys((*old.requirements, *new.requirements)))
    return Respecify(replace(old, purpose=new.purpose, contract=contract, requirements=kept), "clearer")


def valid(plan: Plan) -> st.SearchStrategy[PlanEdit]:
    return st.one_of(splits(plan), merges(plan), drops(plan), others(plan), others(plan), others(plan))


def faults(plan: Plan) -> list[str]:
    """What must never hold of a plan, read off its words."""
    found = []
    ids = [c.id for c in plan.components]
    if len(set(ids)) < len(ids) or not ids:
        found.append("ids")
    owned = Counter(path.casefold() for c in plan.components for path in c.files)
    if any(count > 1 for count in owned.values()) or not all(c.files for c in plan.components):
        found.append("ownership")
    if {r.id for r in plan.requirements} != {r for c in plan.components for r in c.requirements}:
        found.append("coverage")
    left = {c.id: set(c.depends_on) for c in plan.components}
    while ready := [i for i, below in left.items() if not below & left.keys()]:
        left = {i: below for i, below in left.items() if i not in ready}
    if left:
        found.append("a cycle")
    if any(d not in ids for c in plan.components for d in c.depends_on):
        found.append("an edge to nobody")
    for c in plan.components:
        if any(path not in c.files for path in c.contract.interface):
            found.append("an interface without its file")
        if [e.id for e in c.contract.examples] != [f"{c.id}.C{n}" for n, _ in enumerate(c.contract.examples, 1)]:
            found.append("examples without numbers of their own")
    return found


def proof_basis(plan: Plan, component_id: str) -> object:
    """What a proof of a component rests on, as the words of the design have it."""
    c, texts = plan.component(component_id), {r.id: r.text for r in plan.requirements}
    below = {d: plan.component(d).contract for d in c.depends_on}
    return replace(c, requirements=(), depends_on=()), [texts[r] for r in c.requirements], below


@settings(deadline=None, max_examples=80)
@given(plans(), st.data())
def test_any_sequence_of_valid_edits_keeps_the_invariants(plan: Plan, data: st.DataObject) -> None:
    assert dag.problems(plan) == faults(plan) == []
    current, made = plan, []
    for _ in range(data.draw(st.integers(1, 5))):
        edit = data.draw(valid(current))
        before, was = current, to_json(current)

        current = after(edit, plan=before)

        made.append(edit)
        event(edit.kind)
        assert to_json(before) == was
        assert dag.problems(current) == faults(current) == []
        assert current.revision == before.revision + 1
        owners = dag.file_owners(before).keys()
        if not isinstance(edit, (Drop, Respecify)):
            assert owners <= dag.file_owners(current).keys()
        change = dag.difference(before, SPEC, current, SPEC)
        old, new = {c.id for c in before.components}, {c.id for c in current.components}
        same = {i for i in old & new if proof_basis(before, i) == proof_basis(current, i)}
        assert set(change.kept) == same
        assert set(change.changed) == (old & new) - same
        assert (set(change.added), set(change.dropped)) == (new - old, old - new)
        named = {before.component(i).id for i in (*getattr(edit, "components", ()),)}
        named |= {edit.component} if isinstance(getattr(edit, "component", None), str) else set()
        near = {c.id for c in before.components if named & set(c.depends_on)}
        if isinstance(edit, (Split, Merge, Drop, Rewire)):
            assert set(change.changed) <= (named | near if isinstance(edit, Merge) else named)

    assert after(*made, plan=plan) == replace(current, revision=plan.revision + 1)


def wild(plan: Plan) -> st.SearchStrategy[PlanEdit]:
    """Any edit at all, of ids that exist and ids that do not."""
    ids = [*(c.id for c in plan.components), "n0", "c99"]
    any_id, several = st.sampled_from(ids), st.lists(st.sampled_from(ids), max_size=3).map(tuple)
    files = st.lists(st.sampled_from([*dag.file_owners(plan), "C0.py", "new.py"]), max_size=3, unique=True).map(tuple)
    requirements = st.lists(st.sampled_from(["R1", "R2", "R9"]), max_size=2, unique=True).map(tuple)
    interfaces = files.map(lambda paths: Contract(dict.fromkeys(paths, "x: int\n"), "B.\n", (SHELL,)))
    one = st.builds(component, any_id, contract=interfaces, files=files, requirements=requirements, depends_on=several)
    near = st.sampled_from(plan.components).flatmap(
        lambda c: st.builds(replace, st.just(c), requirements=requirements) | st.just(c)
    )
    return st.one_of(
        st.builds(Split, any_id, st.lists(one, max_size=2).map(tuple)),
        st.builds(Merge, several, any_id, contract=st.none() | interfaces),
        st.builds(Add, one),
        st.builds(Drop, any_id),
        st.builds(Rewire, any_id, several),
        st.builds(Respecify, one | near),
    )


@settings(deadline=None, max_examples=150)
@given(plans(), st.data())
def test_whatever_the_edits_are_the_plan_is_sound_or_nothing_has_changed(plan: Plan, data: st.DataObject) -> None:
    made = data.draw(st.lists(valid(plan) | wild(plan), max_size=3))
    requirements = data.draw(st.none() | st.sampled_from([(), (R1,), (R2, R3), (R1, R1)]))
    running = data.draw(st.sets(st.sampled_from([c.id for c in plan.components])))
    revision = Revision(tuple(made), requirements)
    was = to_json([plan, revision])

    new, problems = plan, []
    try:
        new = edits.apply(plan, revision, spec=SPEC, running=running)
    except PlanError as error:
        problems = [*error.problems]
    event("refused" if problems else "applied")
    assert all(0 < len(problem) < 1000 and problem.isprintable() for problem in problems)
    if not problems:
        assert new.revision == plan.revision + 1
        assert dag.problems(new, SPEC) == faults(new) == []
        assert all(dag.keys(new, SPEC)[i] == dag.keys(plan, SPEC)[i] for i in running)
        assert new.requirements == (plan.requirements if requirements is None else requirements)
    assert to_json([plan, revision]) == was


def broken(plan: Plan) -> st.SearchStrategy[PlanEdit]:
    """Edits that no plan can bear."""
    known = st.sampled_from([c.id for c in plan.components])
    some = st.sampled_from(plan.components)
    there = {path: None for c in plan.components for path in c.files}
    return st.one_of(
        known.map(lambda i: Split(i, (component(i, files=("new.py",), contract=Contract({"new.py": "x"})),))),
        known.map(lambda i: Split(i, (component("new", i),))),
        some.map(lambda c: Split(c.id, (component("new", contract=Contract(), kind="data", files=c.files),))),
        some.map(lambda c: Split(c.id, (component("new", requirements=("R99",)),))),
        known.map(lambda i: Merge((i, i), i)),
        known.map(lambda i: Merge((i, "nobody"), i)),
        known.map(lambda i: Add(component(i, files=("new.py",), contract=Contract({"new.py": "x"})))),
        st.sampled_from([*there]).map(lambda path: Add(component("new", files=("new.py", path.upper())))),
        st.sampled_from([Drop("nobody"), Rewire("nobody", ()), Respecify(component("nobody"))]),
        st.just(Add(component("new", "nobody"))),
        known.map(lambda i: Rewire(i, (i,))),
        some.filter(lambda c: c.depends_on).map(lambda c: Rewire(c.depends_on[0], (c.id,))),
        some.filter(lambda c: c.depends_on).map(lambda c: Drop(c.depends_on[0])),
        some.map(lambda c: Respecify(replace(c, requirements=("R99",)))),
        some.map(lambda c: Respecify(replace(c, files=("other.py",)))),
    )


@settings(deadline=None, max_examples=100)
@given(plans(), st.data())
def test_one_bad_edit_among_good_ones_refuses_all(plan: Plan, data: st.DataObject) -> None:
    good = [data.draw(others(plan))] if data.draw(st.booleans()) else []
    bad = data.draw(broken(after(*good, plan=plan)))
    was = to_json(plan)

    with pytest.raises(PlanError) as caught:
        after(*good, bad, plan=plan)

    assert caught.value.problems
    assert to_json(plan) == was


@settings(deadline=None, max_examples=60)
@given(plans(), st.data())
def test_parts_that_are_merged_again_give_back_what_was_split(plan: Plan, data: st.DataObject) -> None:
    split = data.draw(splits(plan))
    whole = plan.component(split.component)
    parts = tuple(replace(p, depends_on=tuple(d for d in p.depends_on if d in whole.depends_on)) for p in split.parts)
    merge = Merge((whole.id, *(p.id for p in parts)), whole.id, whole.purpose, whole.contract)

    again = after(Split(whole.id, parts), merge, plan=plan)

    back = again.component(whole.id)
    assert again.revision == plan.revision + 1
    assert [c.id for c in again.components] == [c.id for c in plan.components]
    assert [c for c in again.components if c.id != whole.id] == [c for c in plan.components if c.id != whole.id]
    assert set(back.files) == {*whole.files, *(p.files[0] for p in parts)}
    assert (back.contract, back.purpose) == (whole.contract, whole.purpose)
    assert set(back.requirements) == set(whole.requirements)
    assert set(back.depends_on) == set(whole.depends_on)
