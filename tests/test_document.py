"""``plan.yaml``: what is written is read again, what is wrong is named, what is hostile is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import document
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
PROSE = st.lists(TEXT, max_size=6).map("\n".join)
SHELL = Example("", "shell", (Step("echo hi  ", "hi  \n\n\tend\n", exit=3), Step("cat", "x\n", stdin="x\n")))
PYTHON = Example("", "python", (Step("f(1)", "'a'  \n"), Step("f(2)", raises="ValueError", message="no")))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans as a model or a person could write them: any text where text is free."""
    filled = TEXT.filter(str.strip)
    components = []
    for number in range(draw(st.integers(1, 2))):
        component_id = f"c{number}"
        parts = draw(st.lists(st.sampled_from([SHELL, PYTHON]), max_size=2))
        contract = Contract(
            interface=draw(st.dictionaries(TEXT, PROSE, max_size=2)),
            behaviour=draw(PROSE.filter(str.strip)),
            examples=tuple(replace(e, id=f"{component_id}.C{n}") for n, e in enumerate(parts, 1)),
        )
        ids = st.lists(TEXT, max_size=3, unique=True).map(tuple)
        components.append(
            Component(
                id=component_id,
                purpose=draw(filled),
                files=tuple(draw(st.lists(TEXT, min_size=1, max_size=3))),
                contract=contract,
                depends_on=draw(ids),
                requirements=draw(ids),
                kind=draw(st.sampled_from(document.KINDS)),
                packages=tuple(draw(st.lists(TEXT, max_size=2))),
            )
        )
    requirements = [
        Requirement(f"R{n}", draw(filled), draw(TEXT), draw(st.integers(0, 99))) for n in range(draw(st.integers(0, 2)))
    ]
    return Plan(
        draw(filled), tuple(components), tuple(requirements), draw(TEXT), draw(st.integers(1, 99)), "x", draw(TEXT)
    )


@settings(deadline=None, max_examples=60)
@given(plans())
def test_a_plan_once_read_survives_every_further_round_trip(plan: Plan) -> None:
    normal = document.parse(document.dump(plan))

    assert document.parse(document.dump(normal)) == normal
    assert document.dump(document.parse(document.dump(normal))) == document.dump(normal)
    assert document.from_data(document.to_data(normal)) == normal
    jsonschema.validate(yaml.safe_load(document.dump(normal)), document.schema())
    jsonschema.validate(document.to_data(normal), document.schema())
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


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_refused_in_one_short_sentence(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        document.parse(text)

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
