"""JSON schemas of plans and of their changes: a strict endpoint takes them, and answers of their form read as YAML does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from llguidance import LLMatcher, LLTokenizer

from agent.models.base import Schema
from agent.strategies import schemas, shapes
from graphs import document, edits
from graphs.errors import AnswerError, PlanError
from graphs.values import Plan
from tests.test_plan_grammars import ANSWERS, BUILT, OF_B, RECORDINGS, REQUIREMENTS, Recorded, plan_of, recorded

MAKERS: dict[str, Callable[[Plan, str], Schema]] = {
    "requirements": lambda *_: schemas.requirements(),
    "plan": lambda plan, _: schemas.plan([r.id for r in plan.requirements], []),
    "respecify": lambda plan, component: schemas.component(plan.component(component)),
    "split": lambda plan, component: schemas.parts(plan.component(component)),
    "revise": lambda plan, _: schemas.revision(plan, []),
}
READERS: dict[str, Callable[[str, Plan, str], Any]] = {
    "requirements": lambda said, *_: shapes.read_requirements(said),
    "plan": lambda said, plan, _: shapes.read_plan(said, plan.requirements, "digest"),
    "respecify": lambda said, _, component: shapes.read_component(said, component),
    "split": lambda said, *_: shapes.read_parts(said),
    "revise": lambda said, plan, _: shapes.read_revision(said, plan),
}
LISTS = [
    Recorded(path.parent, "requirements", "", call["text"])
    for path in RECORDINGS
    for call in recorded(path, "requirements")
]


@pytest.mark.parametrize(
    "said", [*ANSWERS, *LISTS], ids=lambda said: f"{said.folder.name}-{said.step}-{said.component}"
)
def test_a_twin_is_of_the_form_and_reads_as_the_answer_does(said: Recorded) -> None:
    plan = plan_of(said.folder)
    schema, read = MAKERS[said.step](plan, said.component).schema, READERS[said.step]
    twin = schemas.twin(said.step, said.text)

    jsonschema.validate(json.loads(twin), schema)
    matcher = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    assert matcher.consume_tokens(list(twin.encode()))
    assert matcher.is_accepting()
    value = read(said.text, plan, said.component)
    for answer in (
        twin,
        json.dumps(json.loads(twin), indent=2),
        f"Here:\n\n```json\n{twin}\n```\n",
        f"So:\n{twin}\nDone.",
    ):
        assert read(answer, plan, said.component) == value


def test_the_prose_of_an_answer_is_the_reasoning_of_its_twin() -> None:
    said = next(said for said in ANSWERS if said.step == "split")

    thinking = json.loads(schemas.twin("split", said.text))["thinking"]

    assert said.text.startswith(f"{thinking}\n\n```yaml\n")


ALL = {
    "requirements": schemas.requirements(),
    "plan": schemas.plan(["R1", "R2"], ["rich>=13"]),
    "plan of nothing": schemas.plan([], []),
    "respecify": schemas.component(OF_B),
    "split": schemas.parts(OF_B),
    "revise": schemas.revision(BUILT, []),
}


def nodes(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All schemas within a schema, it included."""
    yield schema
    for inner in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *[schema.get("items")]):
        if inner:
            yield from nodes(inner)


@pytest.mark.parametrize("schema", ALL.values(), ids=ALL)
def test_a_strict_endpoint_takes_them(schema: Schema) -> None:
    jsonschema.Draft202012Validator.check_schema(schema.schema)
    assert schema.schema["type"] == "object", "no choice at the top"
    assert next(iter(schema.schema["properties"])) == "thinking"
    for node in nodes(schema.schema):
        assert set(node) <= {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf"}
        assert ("anyOf" in node) != (node.get("type") in ("object", "array", "string", "null"))
        assert ("items" in node) == (node.get("type") == "array")
        assert node.get("enum", ["any"]), "a choice of nothing"
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"]) != []
    LLMatcher.grammar_from_json_schema(json.dumps(schema.schema))


def test_a_digest_stands_for_a_schema() -> None:
    assert len({schema.digest for schema in ALL.values()}) == len(ALL)
    assert schemas.requirements().digest == ALL["requirements"].digest


ENTRY: dict[str, Any] = {
    "id": "a",
    "purpose": "Greets: all.",
    "kind": "library",
    "files": ["a.py"],
    "depends_on": [],
    "requirements": ["R1"],
    "packages": [],
    "contract": {
        "behaviour": 'Says "\U0001f600" # and \u2028 no more.\n\n  - indented\n',
        "interface": [{"file": "a.py", "source": "def hi() -> str: ...\n"}],
        "examples": ['>>> from a import hi\n>>> hi()\n"hi"\n'],
    },
}
PLAN = {
    "thinking": "title: x\ncomponents:\n",
    "title": "1.10",
    "language": "python",
    "entry": "",
    "components": [ENTRY],
}


def test_text_that_yaml_would_take_for_something_else() -> None:
    plan = shapes.read_plan(json.dumps(PLAN), REQUIREMENTS, "")

    assert (plan.title, plan.components[0].purpose) == ("1.10", "Greets: all.")
    assert plan.components[0].contract.behaviour == ENTRY["contract"]["behaviour"]
    assert document.parse(document.dump(plan)) == plan


def test_what_is_null_is_left_as_it_was() -> None:
    edit = dict.fromkeys(("purpose", "kind", "files", "depends_on", "requirements", "packages", "contract"))
    said = {"edit": "respecify", "component": "b", "reason": "", **edit, "purpose": "Other."}
    revision = {"thinking": "", "requirements": [], "drop_requirements": [], "entry": None, "edits": [said]}

    after = edits.apply(BUILT, shapes.read_revision(json.dumps(revision), BUILT))

    assert after.component("b") == replace(OF_B, purpose="Other.")
    assert (after.entry, after.requirements) == (BUILT.entry, BUILT.requirements)


def changed(**contract: Any) -> str:
    return json.dumps({**PLAN, "components": [{**ENTRY, "contract": {**ENTRY["contract"], **contract}}]})


DEEP = '{"components": ' + "[" * 5_000
REFUSED = {
    "cut within text": (json.dumps(PLAN)[:-60], "the answer ends in the middle of the plan; give it whole"),
    "cut between": ('{"title": "x", "components": [', "the answer ends in the middle of the plan"),
    "cut in a fence": (f"```json\n{json.dumps(PLAN)[:-9]}", "the answer ends in the middle of the plan"),
    "no comma": ('{"title": "x" "components": []}', "not valid JSON: line 1, column 15: Expecting ',' delimiter"),
    "half a character": (changed(behaviour="\ud800"), "the plan holds half a character (a lone surrogate)"),
    "a file twice": (
        changed(interface=[{"file": "a.py", "source": "x"}, {"file": "a.py", "source": "y"}]),
        "an interface gives 'a.py' twice; give each file once",
    ),
    "an interface that is none": (changed(interface=["a.py"]), "component 'a': 'interface' should be a mapping"),
    "a source that is none": (
        changed(interface=[{"file": "a.py", "source": ["x"]}]),
        "component 'a': 'a.py' should be a valid string",
    ),
    "an unknown key": (changed(tests=[]), "component 'a': unknown key 'tests'"),
    "too deep": (DEEP, "the plan is nested too deeply"),
    "too deep, whole": (changed(examples=json.loads("[" * 300 + "]" * 300)), "nested too deeply"),
    "no plan": ('{"thinking": "", "answer": 42}', "no plan was found; give one fenced yaml block"),
    "a list": ("[1, 2]", "no plan was found"),
}


@pytest.mark.parametrize(("said", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_by_name(said: str, sentence: str) -> None:
    with pytest.raises(PlanError) as caught:
        shapes.read_plan(said, REQUIREMENTS, "")

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([], "no line of the form 'R1: sentence' was found"),
        ([{"id": "R1", "text": " ", "quote": "x"}], "R1 says nothing"),
        ([{"id": "R7", "text": "It runs.", "quote": ""}], "R1 quotes nothing"),
        (["R1: It runs."], "no line of the form 'R1: sentence' was found"),
    ],
)
def test_requirements_are_refused_by_name(entries: list[Any], sentence: str) -> None:
    with pytest.raises(AnswerError, match=sentence):
        shapes.read_requirements(json.dumps({"thinking": "", "requirements": entries}))


YAML_WITH_BRACES = """\
title: x
components:
  - id: a
    purpose: Reads.
    files: [a.py]
    requirements: [R1]
    contract:
      behaviour: |
        It reads this:
{"components": []}
"""


@pytest.mark.parametrize("indent", ["", "        "])
def test_yaml_with_json_in_it_is_yaml(indent: str) -> None:
    said = YAML_WITH_BRACES.replace('{"components', indent + '{"components')
    if indent:
        assert '{"components": []}' in shapes.read_plan(said, REQUIREMENTS, "").components[0].contract.behaviour
    else:
        with pytest.raises(PlanError, match="not valid YAML"):
            shapes.read_plan(said, REQUIREMENTS, "")


def test_a_plan_file_may_be_json() -> None:
    built = replace(BUILT, title="tool \U0001f600")

    assert document.parse(json.dumps(document.to_data(built))) == built
    with pytest.raises(PlanError, match="'title' is given twice"):
        document.parse('{"title": "x", "title": "y"}')
