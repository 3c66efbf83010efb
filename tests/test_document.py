"""``plan.yaml`` and revisions: what is written is read again, what is wrong is named, what is hostile is refused."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import document, edits
from graphs.edits import Add, Drop, Merge, PlanEdit, Respecify, Revision, Rewire, Split
from graphs.errors import PlanError
from graphs.values import Component, Contract, Example, Plan, Requirement, Step

SMALL = """\
title: greet
components:
  - id: a
    purpose: Says hello.
    files: [a.py]
    contract:
      behaviour: Greets.
"""

CHARACTERS = st.characters(exclude_categories=["Cs"])
WORDS = "a: b| # c|- x|no|1.10|2026-01-01|null|~|\t|  indented|'|\"|{|*b*|&|!|\\|>|%|@|`|? |---|...|…|日本|\U0001f600"
BREAKS = "|\r\n\u2028\u2029\x85\x07\x7f\ufeff\x0b\x0c\x1c\xa0"
AWKWARD = st.sampled_from(WORDS.split("|")) | st.sampled_from(BREAKS)
TEXT = st.lists(AWKWARD | st.text(CHARACTERS, max_size=5), max_size=4).map("".join)
FILLED = TEXT.filter(str.strip)
IDS = st.lists(TEXT, max_size=3, unique=True).map(tuple)
PROSE = st.lists(TEXT, max_size=6).map("\n".join)
SHELL = Example("", "shell", (Step("echo hi  ", "hi  \n\n\tend\n", exit=3), Step("cat", "x\n", stdin="x\n")))
PYTHON = Example("", "python", (Step("f(1)", "'a'  \n"), Step("f(2)", raises="ValueError", message="no")))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans as a model or a person could write them: any text where text is free."""
    made = [draw(components(f"c{number}")) for number in range(draw(st.integers(1, 2)))]
    said = [draw(requirements(f"R{number}")) for number in range(draw(st.integers(0, 2)))]
    plan = Plan(draw(FILLED), tuple(made), tuple(said), draw(TEXT), draw(st.integers(1, 99)), "x", draw(TEXT))
    return replace(plan, feedback=tuple(draw(st.lists(PROSE, max_size=2))))


def requirements(requirement_id: str) -> st.SearchStrategy[Requirement]:
    return st.builds(Requirement, st.just(requirement_id), FILLED, TEXT, st.integers(0, 99))


@st.composite
def contracts(draw: st.DrawFn, component_id: str) -> Contract:
    parts = draw(st.lists(st.sampled_from([SHELL, PYTHON]), max_size=2))
    return Contract(
        interface=draw(st.dictionaries(TEXT, PROSE, max_size=2)),
        behaviour=draw(PROSE.filter(str.strip)),
        examples=tuple(replace(e, id=f"{component_id}.C{n}") for n, e in enumerate(parts, 1)),
    )


@st.composite
def components(draw: st.DrawFn, component_id: str) -> Component:
    return Component(
        id=component_id,
        purpose=draw(FILLED),
        files=tuple(draw(st.lists(TEXT, min_size=1, max_size=3))),
        contract=draw(contracts(component_id)),
        depends_on=draw(IDS),
        requirements=draw(IDS),
        kind=draw(st.sampled_from(document.KINDS)),
        packages=tuple(draw(st.lists(TEXT, max_size=2))),
    )


@settings(deadline=None, max_examples=30)
@given(plans())
def test_a_plan_once_read_survives_every_further_round_trip(plan: Plan) -> None:
    normal = document.parse(document.dump(plan))

    assert document.parse(document.dump(normal)) == normal
    assert document.dump(document.parse(document.dump(normal))) == document.dump(normal)
    assert document.from_data(document.to_data(normal)) == normal
    jsonschema.validate(yaml.safe_load(document.dump(normal)), document.schema())
    jsonschema.validate(document.to_data(normal), document.schema())
    assert normal.feedback == plan.feedback
    for before, after in zip(plan.components, normal.components, strict=True):
        assert after.purpose == before.purpose.strip()
        assert after.files == before.files
        assert after.contract.examples == before.contract.examples
        assert after.contract.behaviour.split() == before.contract.behaviour.split()
        assert list(after.contract.interface) == list(before.contract.interface)


def test_text_is_written_as_people_write_it() -> None:
    plan = document.parse(
        SMALL.replace("behaviour: Greets.", "behaviour: |\n        Greets.\n\n          Indented: yes # all\n")
    )

    assert document.dump(plan) == (
        "title: greet\nlanguage: python\nentry: ''\nspec_digest: ''\nrevision: 1\nrequirements: []\ncomponents:\n"
        "- id: a\n  purpose: Says hello.\n  kind: library\n  files: [a.py]\n  depends_on: []\n  requirements: []\n"
        "  packages: []\n  contract:\n    behaviour: |\n      Greets.\n\n        Indented: yes # all\n"
        "    interface: {}\n    examples: []\n"
    )


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (("greet", "reads: stuff"), "reads: stuff"),
        (("greet", "reads: stuff # and more"), "reads: stuff # and more"),
        (("greet", '"quoted": then not'), '"quoted": then not'),
        (("greet", "*bold* words"), "*bold* words"),
        (("greet", "@home: x"), "@home: x"),
        (("greet", "`code` first"), "`code` first"),
        (("greet", "no"), "no"),
        (("greet", "1.10"), "1.10"),
        (("greet", "2026-01-01"), "2026-01-01"),
        (("greet", "greet  # a comment"), "greet"),
        (("greet", "'greet'  # it's: one"), "greet"),
        (("title: greet", "plan:\n title: greet"), None),
    ],
)
def test_slips_of_models_and_people_are_read_as_they_are_meant(change: tuple[str, str], title: str | None) -> None:
    text = SMALL.replace(*change)
    if title is None:
        text = "plan:\n" + "".join(f"  {line}\n" for line in SMALL.splitlines())

    assert document.parse(text).title == (title or "greet")


def test_mending_prose_leaves_blocks_and_comments_alone() -> None:
    source = "class A:\n    text: str  # the words: all\n    title: dict[str: int]\n"
    block = "".join(f"          {line}\n" for line in source.splitlines())
    text = SMALL.replace("Says hello.", "Says: hello.").replace("title: greet", "title: greet  # mine: ours")
    text = text.replace("behaviour: Greets.", f"behaviour: Greets: all.\n      interface:\n        a.py: |\n{block}")
    text += "      examples:\n        - |  # one: two\n          $ cat a\n          title: a: b\n"
    text += "        - |\n          $ cat b\n"

    plan = document.parse(text)

    assert plan.title == "greet"
    assert plan.components[0].purpose == "Says: hello."
    assert plan.components[0].contract.behaviour == "Greets: all.\n"
    assert plan.components[0].contract.interface == {"a.py": source}
    assert [e.steps[0].expect for e in plan.components[0].contract.examples] == ["title: a: b\n", ""]


def test_blanks_at_the_end_of_what_an_example_prints_count() -> None:
    plan = document.parse(SMALL + '      examples: ["$ cat table\\na  \\nb \\n"]\n')

    assert plan.components[0].contract.examples[0].steps[0].expect == "a  \nb \n"


def test_a_key_without_a_value_is_a_key_that_is_not_there() -> None:
    plan = document.parse(SMALL.replace("    contract:", "    depends_on:\n    packages: ~\n    contract:"))

    assert plan.components[0].depends_on == ()
    assert plan.components[0].packages == ()


WRONG = {
    "unknown key, near": (("purpose", "purpos"), "component 'a': unknown key 'purpos'; did you mean 'purpose'?"),
    "unknown key, far": (
        ("    files", "    xyzzy: 1\n    files"),
        "component 'a': unknown key 'xyzzy'; known keys are id,",
    ),
    "unknown top key": (("title", "tittle"), "the plan: unknown key 'tittle'; did you mean 'title'?"),
    "unknown contract key": (
        ("behaviour", "behavior"),
        "component 'a': unknown key 'behavior'; did you mean 'behaviour'?",
    ),
    "missing": (("    purpose: Says hello.\n", ""), "component 'a': 'purpose' is missing"),
    "missing id": (("id: a", "kind: cli"), "component number 1: 'id' is missing"),
    "empty": (("Says hello.", ""), "component 'a': 'purpose' is missing"),
    "blank": (("Says hello.", "' '"), "component 'a': 'purpose' should have at least 1 character, found ''"),
    "blank behaviour": (("Greets.", "' '"), "component 'a': 'behaviour' should have at least 1 character"),
    "bad id": (("id: a", "id: A-b"), "component 'A-b': 'id' should match pattern"),
    "bad kind": (("    files", "    kind: thing\n    files"), "component 'a': 'kind' should match pattern"),
    "text for list": (("[a.py]", "a.py"), "component 'a': 'files' should be a valid list, found 'a.py'"),
    "list in list": (
        ("[a.py]", "[a.py, [b]]"),
        "component 'a': 'files' number 2 should be a valid string, found ['b']",
    ),
    "mapping for text": (("Greets.", "{a: b}"), "component 'a': 'behaviour' should be a valid string"),
    "bad number": (("title", "revision: two\ntitle"), "the plan: 'revision' should be a valid integer"),
    "revision 0": (("title", "revision: 0\ntitle"), "the plan: 'revision' should be greater than or equal to 1"),
    "no example": (("Greets.", "Greets.\n      examples: [hello]"), "component 'a': example 1 is neither a doctest"),
    "broken example": (
        ("Greets.", "Greets.\n      examples: ['$ echo \"']"),
        "component 'a': example 1 cannot be read: a quote",
    ),
    "a list": ((SMALL, "- a\n"), "a plan is a mapping with 'title', 'requirements' and 'components'; found list"),
    "nothing": ((SMALL, ""), "found NoneType"),
    "prose": ((SMALL, "I cannot do that"), "found str"),
    "twice": (("id: a", "id: a\n    id: b"), "line 4, column 5: 'id' is given twice"),
    "not closed": (("[a.py]", "[a.py"), "the plan is not valid YAML: line "),
    "tab": (("    files", "\tfiles"), "the plan is not valid YAML: line 5, column 1: "),
}


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(change: tuple[str, str], sentence: str) -> None:
    with pytest.raises(PlanError) as caught:
        document.parse(SMALL.replace(*change))

    assert sentence in str(caught.value)


def bomb() -> str:
    levels = "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]\n" for i in range(1, 12))
    return f"b0: &b0 [x]\n{levels}title: *b11\n"


HOSTILE = {
    "python object": SMALL + "evil: !!python/object/apply:os.system [id]\n",
    "unknown tag": SMALL.replace("[a.py]", "!secret [a.py]"),
    "aliases": bomb(),
    "merge": "base: &base {title: x}\n<<: *base\n",
    "deep list": "title: " + "[" * 60_000,
    "deep blocks": "- " * 60_000,
    "control character": SMALL.replace("greet", "gr\x00eet"),
    "lone surrogate": SMALL.replace("greet", '"\\ud800"'),
    "lone surrogate unescaped": SMALL.replace("greet", "\ud800"),
    "two documents": SMALL + "---\n" + SMALL,
    "keys that are lists": "? [a]\n: b\n",
}


@pytest.mark.parametrize("reader", [document.parse, document.parse_parts, document.parse_component])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_refused_in_one_short_sentence(text: str, reader: Callable[[str], object]) -> None:
    with pytest.raises(PlanError) as caught:
        reader(text)

    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


def test_text_beyond_any_plan_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MOST_CHARACTERS", len(SMALL))

    assert document.parse(SMALL).title == "greet"
    with pytest.raises(PlanError, match="at most"):
        document.parse(SMALL + "#")


def large(count: int) -> Plan:
    behaviour = "Reads the file: line by line.\n" * 10
    contract = Contract({"a.py": "def f(text: str) -> list[str]:\n    ...\n"}, behaviour)
    return Plan("large", tuple(Component(f"c{i}", "Does it.", (f"c{i}.py",), contract) for i in range(count)))


def test_a_plan_of_a_thousand_components_is_read() -> None:
    plan = large(1000)

    assert document.parse(document.dump(plan)) == plan


@pytest.mark.parametrize(
    "break_it",
    [
        lambda d: d.pop("title"),
        lambda d: d.update(extra=1),
        lambda d: d.update(components=[]),
        lambda d: d["components"][0].pop("contract"),
        lambda d: d["components"][0].update(id="Not Snake"),
        lambda d: d["components"][0].update(files=[]),
        lambda d: d["components"][0].update(kind="thing"),
        lambda d: d["components"][0]["contract"].update(behaviour=""),
        lambda d: d.update(requirements=[{"id": "X1", "text": "t"}]),
        lambda d: d.update(feedback="wrong"),
    ],
)
def test_the_json_schema_rejects_what_the_reader_rejects(break_it: Any) -> None:
    data = document.to_data(document.parse(SMALL))
    jsonschema.validate(data, document.schema())
    break_it(data)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, document.schema())
    with pytest.raises(PlanError):
        document.from_data(data)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(document).failed == 0
    assert doctest.testmod(document).attempted >= 3


PLAN = document.parse("""\
title: shop
entry: python -m shop
feedback: [too slow]
requirements:
  - {id: R1, text: It sells., quote: sells}
  - {id: R2, text: It counts.}
components:
  - id: stock
    purpose: Counts.
    files: [stock.py, table.csv]
    requirements: [R2]
    contract: {behaviour: It counts., interface: {stock.py: "def count(): ..."}, examples: [$ true]}
  - id: cli
    purpose: Sells.
    kind: cli
    files: [shop.py]
    depends_on: [stock]
    requirements: [R1]
    packages: [rich]
    contract: {behaviour: It sells., interface: {shop.py: "def main(): ..."}}
""")
STOCK, CLI = PLAN.components


@st.composite
def revisions(draw: st.DrawFn, plan: Plan) -> Revision:
    """Revisions as they could be written, of edits that may make no sense; what they respecify is there."""
    nobody = st.sampled_from(["nobody", "no: body"])
    some = nobody | st.sampled_from([c.id for c in plan.components])
    made: list[PlanEdit] = []
    for _ in range(draw(st.integers(0, 3))):
        why = {"reason": draw(TEXT), "evidence": tuple(draw(st.lists(TEXT, max_size=2)))}
        old = draw(st.sampled_from(plan.components))
        new = draw(components(old.id))
        edit = draw(
            st.sampled_from(
                [
                    Split(draw(some), (replace(new, id="p1"), draw(components("p2"))), **why),
                    Merge(draw(st.tuples(nobody, nobody)), "m", draw(TEXT), draw(st.none() | contracts("m")), **why),
                    Add(draw(components("more")), **why),
                    Drop(draw(nobody), **why),
                    Rewire(draw(some), new.depends_on, **why),
                    Respecify(new, **why),
                ]
            )
        )
        made.append(edit)
    said = tuple(draw(st.lists(st.sampled_from(["R1", "R2", "R3"]).flatmap(requirements), unique_by=lambda r: r.id)))
    return Revision(tuple(made), draw(st.none() | st.just(said)), entry=draw(st.none() | TEXT))


@settings(deadline=None, max_examples=40)
@given(revisions(PLAN))
def test_a_revision_once_read_survives_every_further_round_trip(revision: Revision) -> None:
    normal = document.parse_revision(document.dump_revision(revision, PLAN), PLAN)

    again = document.parse_revision(document.dump_revision(normal, PLAN), PLAN)

    assert again == normal
    assert document.dump_revision(again, PLAN) == document.dump_revision(normal, PLAN)
    assert normal.entry == (None if revision.entry is None else revision.entry.strip())
    if revision.requirements is not None:
        kept = PLAN.requirements if normal.requirements is None else normal.requirements
        assert {r.id: r.text for r in kept} == {r.id: r.text.strip() for r in revision.requirements}
    for before, after in zip(revision.edits, normal.edits, strict=True):
        assert (after.kind, after.reason) == (before.kind, before.reason.strip())
        assert after.evidence == tuple(text.strip() for text in before.evidence)
        if isinstance(before, (Add, Respecify)) and isinstance(after, (Add, Respecify)):
            assert after.component.files == before.component.files
            assert after.component.contract.examples == before.component.contract.examples
        if isinstance(before, Rewire):
            assert after == replace(before, reason=after.reason, evidence=after.evidence)


def read(text: str, plan: Plan = PLAN) -> Revision:
    return document.parse_revision(text, plan)


ENTRY = "id: more, purpose: More., files: [more.py], contract: {behaviour: b}"
MORE = Component("more", "More.", ("more.py",), Contract(behaviour="b\n"))
READ: dict[str, tuple[str, tuple[PlanEdit, ...]]] = {
    "nothing": ("edits: []", ()),
    "nothing at all": ("{}", ()),
    "edits alone": ("- {edit: drop, component: cli, reason: why}", (Drop("cli", "why"),)),
    "wrapped": ("revision: {edits: [{edit: drop, component: cli}]}", (Drop("cli"),)),
    "prose": (
        "edits:\n- edit: drop\n  component: cli\n  reason: because: so",
        (Drop("cli", "because: so"),),
    ),
    "respecify a word": (
        "edits: [{edit: respecify, component: cli, purpose: Sells more., packages: [], reason: r, evidence: [seen]}]",
        (Respecify(replace(CLI, purpose="Sells more.", packages=()), "r", ("seen",)),),
    ),
    "respecify lists": (
        "edits: [{edit: respecify, component: cli, kind: service, files: [shop.py, a.py], requirements: []}]",
        (Respecify(replace(CLI, kind="service", files=("shop.py", "a.py"), requirements=())),),
    ),
    "respecify the contract": (
        "edits: [{edit: respecify, component: stock, contract: {behaviour: New., examples: ['>>> 1']}}]",
        (Respecify(replace(STOCK, contract=Contract({}, "New.\n", (Example("stock.C1", "python", (Step("1"),)),)))),),
    ),
    "respecify and rewire": (
        "edits: [{edit: respecify, component: cli, purpose: P., depends_on: [], reason: r}]",
        (Respecify(replace(CLI, purpose="P."), "r"), Rewire("cli", (), "r")),
    ),
    "respecify twice": (
        "edits: [{edit: respecify, component: cli, purpose: P.}, {edit: respecify, component: cli, kind: data}]",
        (Respecify(replace(CLI, purpose="P.")), Respecify(replace(CLI, purpose="P.", kind="data"))),
    ),
    "respecify a part and what is left": (
        f"edits: [{{edit: split, component: stock, parts: [{{{ENTRY.replace('more.py', 'table.csv')}}}]}},"
        "{edit: respecify, component: more, purpose: P.}, {edit: respecify, component: stock, purpose: P.}]",
        (
            Split("stock", (replace(MORE, files=("table.csv",)),)),
            Respecify(replace(MORE, purpose="P.", files=("table.csv",))),
            Respecify(replace(STOCK, purpose="P.", files=("stock.py",), depends_on=("more",))),
        ),
    ),
    "respecify what is merged": (
        "edits: [{edit: merge, components: [cli, stock], id: one, purpose: All., contract: {behaviour: b}, reason: r},"
        "{edit: respecify, component: one, kind: data}]",
        (
            Merge(("cli", "stock"), "one", "All.", Contract(behaviour="b\n"), "r"),
            Respecify(
                Component(
                    "one",
                    "All.",
                    ("stock.py", "table.csv", "shop.py"),
                    Contract(behaviour="b\n"),
                    (),
                    ("R2", "R1"),
                    "data",
                    ("rich",),
                )
            ),
        ),
    ),
    "respecify without a dropped requirement": (
        "drop_requirements: [R1]\nedits: [{edit: respecify, component: cli, purpose: P.}]",
        (Respecify(replace(CLI, purpose="P.", requirements=())),),
    ),
    "merge": ("edits: [{edit: merge, components: [a, b], id: a}]", (Merge(("a", "b"), "a"),)),
    "add": (f"edits: [{{edit: add, component: {{{ENTRY}}}, reason: r}}]", (Add(MORE, "r"),)),
    "add at the top": (f"edits: [{{edit: add, {ENTRY}, reason: r}}]", (Add(MORE, "r"),)),
    "add by name": (f"edits: [{{edit: add, component: more, {ENTRY[10:]}, reason: r}}]", (Add(MORE, "r"),)),
    "rewire": ("edits: [{edit: rewire, component: cli, depends_on: [a, a]}]", (Rewire("cli", ("a",)),)),
}


@pytest.mark.parametrize(("text", "made"), READ.values(), ids=READ)
def test_edits_are_read_as_they_are_meant(text: str, made: tuple[PlanEdit, ...]) -> None:
    assert read(text).edits == made


def test_only_what_is_named_changes() -> None:
    assert read("edits: []") == Revision(())
    assert read("requirements: [{id: R1, text: It sells., quote: sells}]\nentry: ").requirements is None
    revision = read(
        "requirements: [{id: R7, text: New., quote: q, line: 3}, {id: R1, text: It sells well.}]\n"
        "drop_requirements: [R2, R2]\nentry: ' '"
    )
    assert revision.requirements == (Requirement("R1", "It sells well."), Requirement("R7", "New.", "q", 3))
    assert revision.entry == ""
    more = read(
        "requirements: [{id: R3, text: Three.}]\nedits: [{edit: respecify, component: cli, requirements: [R1, R3]}]"
    )
    new = edits.apply(PLAN, more)
    assert (new.requirements[:2], new.feedback, new.component("cli").requirements) == (
        PLAN.requirements,
        ("too slow",),
        ("R1", "R3"),
    )


WRONG_REVISIONS = {
    "prose": ("I would rather not", ["a revision is a mapping with 'edits'; found str"]),
    "broken": ("edits: [", ["the revision is not valid YAML: line "]),
    "a plan": (
        "components: []",
        ["the revision: unknown key 'components'; known keys are requirements, drop_requirem"],
    ),
    "feedback": ("feedback: [fine]\nspec_digest: x", ["unknown key 'feedback'", "unknown key 'spec_digest'"]),
    "no list": ("edits: {edit: drop}", ["the revision: 'edits' should be a valid list, found {'edit': 'drop'}"]),
    "no edit": ("edits: [drop]", ["the revision: 'edits' number 1 should be a mapping, found 'drop'"]),
    "near kind": ("edits: [{edit: spilt, component: a}]", ["edit 1: 'edit' is 'spilt'; did you mean 'split'?"]),
    "no kind": (
        "edits: [{edit: drop, component: a}, {component: a}]",
        ["edit 2: 'edit' is missing; known edits are split, merge, add, drop, rewire, respecify"],
    ),
    "odd kind": ("edits: [{edit: {a: b}}]", ["edit 1: 'edit' is "]),
    "no component": ("edits: [{edit: drop}]", ["edit 1 (drop): 'component' is missing"]),
    "list for component": ("edits: [{edit: drop, component: [a]}]", ["edit 1 (drop): 'component' should be a valid"]),
    "unknown key": (
        "edits: [{edit: rewire, component: cli, depend_on: []}]",
        ["edit 1 (rewire 'cli'): 'depends_on' is missing", "unknown key 'depend_on'; did you mean 'depends_on'?"],
    ),
    "a key like a kind": (
        "edits: [{edit: split, split: x, component: cli, parts: [{id: p, split: y}]}]",
        [
            "edit 1 (split 'cli'), part 'p': 'purpose' is missing",
            "edit 1 (split 'cli'), part 'p': 'files' is missing",
            "edit 1 (split 'cli'), part 'p': 'contract' is missing",
            "edit 1 (split 'cli'), part 'p': unknown key 'split'; known keys are id, purpose, kind,",
            "edit 1 (split 'cli'): unknown key 'split'; known keys are reason, evidence, edit, component, parts",
        ],
    ),
    "part": (
        "edits: [{edit: split, component: cli, parts: [1, {id: p, purpose: ' ', files: [p], contract: {behavior: b}}]}]",
        [
            "edit 1 (split 'cli'): 'parts' number 1 should be a mapping, found '1'",
            "edit 1 (split 'cli'), part 'p': 'purpose' should have at least 1 character, found ''",
            "edit 1 (split 'cli'), part 'p': 'behaviour' is missing",
            "edit 1 (split 'cli'), part 'p': unknown key 'behavior'; did you mean 'behaviour'?",
        ],
    ),
    "no part": ("edits: [{edit: split, component: cli, parts: []}]", ["(split 'cli'): 'parts' should have at least 1"]),
    "added": (
        "edits: [{edit: add, component: {id: p, purpose: P., files: [p], contract: c, x: y}}]",
        [
            "edit 1 (add), component 'p': 'contract' should be a mapping, found 'c'",
            "edit 1 (add), component 'p': unknown key 'x'; known keys are id, purpose,",
        ],
    ),
    "added without id": (
        "edits: [{edit: add, purpose: P., files: [p], contract: {behaviour: b}}]",
        ["edit 1 (add), the component: 'id' is missing"],
    ),
    "merge of one": ("edits: [{edit: merge, components: [a], id: a}]", ["'components' should have at least 2 items"]),
    "merge into a bad id": ("edits: [{edit: merge, components: [a, b], id: A}]", ["edit 1 (merge): 'id' should match"]),
    "respecify": (
        "edits: [{edit: respecify, component: cli, purpose: ' ', kind: x, files: []}]",
        [
            "edit 1 (respecify 'cli'): 'purpose' should have at least 1 character, found ''",
            "edit 1 (respecify 'cli'): 'kind' should match pattern",
            "edit 1 (respecify 'cli'): 'files' should have at least 1 item, found []",
        ],
    ),
    "respecify nobody": (
        "edits: [{edit: respecify, component: cil, purpose: P.}, {edit: respecify, component: x, purpose: P.}]",
        [
            "the respecify names component 'cil', which is not in the plan; did you mean 'cli'?",
            "the respecify names component 'x', which is not in the plan; known ids are stock, cli",
        ],
    ),
    "respecify what is dropped": (
        "edits: [{edit: drop, component: cli}, {edit: respecify, component: cli, purpose: P.}]",
        ["the respecify names component 'cli', which is not in the plan; known ids are stock"],
    ),
    "example": (
        "edits: [{edit: respecify, component: cli, contract: {behaviour: b, examples: [hello, '$ echo \"']}}]",
        ["component 'cli': example 1 is neither a doctest", "component 'cli': example 2 cannot be read: a quote"],
    ),
    "requirement": (
        "requirements: [{id: R3, txt: t}]",
        ["requirement 'R3': 'text' is", "requirement 'R3': unknown key"],
    ),
    "requirement twice": (
        "requirements: [{id: R3, text: a}, {id: R3, text: b}]",
        ["requirement 'R3' is given twice; give each id once"],
    ),
    "requirement dropped": (
        "requirements: [{id: R2, text: a}]\ndrop_requirements: [R2]",
        ["requirement 'R2' is given and dropped; a new one takes a new id"],
    ),
    "requirement near": (
        "drop_requirements: [R22]",
        ["'drop_requirements' names 'R22', which the plan does not have; did you mean 'R2'?"],
    ),
    "requirement unknown": (
        "drop_requirements: [R1, R2, R10]",
        ["'drop_requirements' names 'R10', which the plan does not have; there are no ids"],
    ),
}


@pytest.mark.parametrize(("text", "sentences"), WRONG_REVISIONS.values(), ids=WRONG_REVISIONS)
def test_what_is_wrong_with_a_revision_is_named(text: str, sentences: list[str]) -> None:
    with pytest.raises(PlanError) as caught:
        read(text)

    assert len(caught.value.problems) == len(sentences)
    for problem, sentence in zip(caught.value.problems, sentences, strict=True):
        assert sentence in problem


PARTS = f"- {{{ENTRY}}}\n- {{{ENTRY.replace('more', 'less')}}}\n"
LESS = replace(MORE, id="less", files=("less.py",))


@pytest.mark.parametrize("before", ["", "parts:\n", "components:\n", "reason: too large\ncomponent: stock\nparts:\n"])
def test_parts_are_read_alone(before: str) -> None:
    assert document.parse_parts(before + PARTS) == (MORE, LESS)


@pytest.mark.parametrize(
    "text", [f"{{{ENTRY}}}", f"component: {{{ENTRY}}}", f"- {{{ENTRY}}}", f"components: [{{{ENTRY}}}]"]
)
def test_a_component_is_read_alone(text: str) -> None:
    assert document.parse_component(text) == MORE


@pytest.mark.parametrize(
    ("reader", "text", "sentence"),
    [
        (document.parse_parts, "no", "a split is a mapping with 'parts'; found str"),
        (document.parse_parts, "[]", "the split: 'parts' should have at least 1 item, found []"),
        (document.parse_parts, "part: []", "the split: 'parts' is missing"),
        (document.parse_parts, f"- {{{ENTRY}, x: y}}", "part 'more': unknown key 'x'"),
        (document.parse_parts, f"- {{{ENTRY[:-1]}, examples: [hi]}}}}", "component 'more': example 1 is neither"),
        (
            document.parse_component,
            "no",
            "a component is a mapping with 'id', 'purpose', 'files' and 'contract'; found",
        ),
        (document.parse_component, f"[{{{ENTRY}}}, {{{ENTRY}}}]", "found list"),
        (document.parse_component, ENTRY.replace(", ", "\n").replace("More.", "''"), "component 'more': 'purpose'"),
        (
            document.parse_component,
            "purpose: P.\nfiles: [p]\ncontract: {behaviour: b}",
            "the component: 'id' is missing",
        ),
        (document.parse_component, f"{{{ENTRY[:-1]}, examples: [hi]}}}}", "component 'more': example 1 is neither"),
    ],
)
def test_what_is_wrong_with_an_answer_is_named(reader: Callable[[str], object], text: str, sentence: str) -> None:
    with pytest.raises(PlanError) as caught:
        reader(text)

    assert len(caught.value.problems) == 1
    assert sentence in str(caught.value)
