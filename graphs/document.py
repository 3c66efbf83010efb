"""``plan.yaml``: a plan as text that a person, a model and this program can all write and read.

The same reader serves answers of models, files edited by hand and the exemplars of ``few_shot/``.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from graphs import examples
from graphs.errors import PlanError
from graphs.values import Component, Contract, Example, Plan, Requirement

if TYPE_CHECKING:
    from yaml import SafeLoader as _BaseLoader
else:  # libyaml's is ten times as fast; PyYAML is not always built with it
    _BaseLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"
KINDS = ("library", "cli", "service", "data", "docs")
MOST_CHARACTERS = 64_000_000
"""Of a plan's text: room for 20,000 components of a page each; anything longer is no plan."""
DEEPEST = 50
"""Nested lists and mappings; a plan has six levels. libyaml would overrun its stack."""


def _line(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _prose(value: Any) -> Any:
    """No blanks at the ends of lines, no empty lines around, one newline at the end: what YAML writes as a block."""
    if not isinstance(value, str):
        return value
    text = "\n".join(line.rstrip() for line in value.split("\n")).strip("\n")
    return f"{text}\n" if text else ""


Line = Annotated[str, BeforeValidator(_line)]
Prose = Annotated[str, BeforeValidator(_prose)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class RequirementEntry(_Strict):
    """One thing the user asked for."""

    id: str = Field(pattern=r"^R[0-9]+$", description="R1, R2, ...")
    text: Line = Field(min_length=1, description="What must hold, in one sentence.")
    quote: Line = Field("", description="The words of the spec it comes from, verbatim.")
    line: int = Field(0, ge=0, description="Line of the spec the quote starts at; 0 when unknown.")


class ContractEntry(_Strict):
    """What a component promises those that depend on it."""

    behaviour: Prose = Field(min_length=1, description="What it does, its errors, its invariants, in prose.")
    interface: dict[str, Prose] = Field(
        default_factory=dict,
        description="Owned file -> source of its public face: signatures and docstrings, bodies are '...'.",
    )
    examples: list[str] = Field(
        default_factory=list,
        description="Doctests ('>>> ') or shell sessions ('$ '), each one block of text that runs by itself.",
    )


class ComponentEntry(_Strict):
    """One unit to build."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Lower snake case, unique.")
    purpose: Line = Field(min_length=1, description="One sentence: why it exists.")
    kind: str = Field("library", description="library, cli, service, data or docs.", pattern=f"^({'|'.join(KINDS)})$")
    files: list[str] = Field(min_length=1, description="Paths it owns; no other component may write them.")
    depends_on: list[str] = Field(default_factory=list, description="Ids of the components whose contracts it uses.")
    requirements: list[str] = Field(default_factory=list, description="Ids of the requirements it covers.")
    packages: list[str] = Field(default_factory=list, description="Third-party packages it imports.")
    contract: ContractEntry


class PlanEntry(_Strict):
    """A plan: which components, what each promises, who needs whom."""

    title: Line = Field(min_length=1, description="Name of what is built.")
    language: str = Field("python", description="The toolchain.")
    entry: Line = Field("", description="A command that starts the finished program; empty for a library.")
    spec_digest: str = Field("", description="SHA-256 of the spec it was made for.")
    revision: int = Field(1, ge=1, description="1, 2, 3...")
    requirements: list[RequirementEntry] = Field(default_factory=list)
    components: list[ComponentEntry] = Field(min_length=1)


_PROSE = re.compile(r"^(?P<head>\s*(?:- +)*(?:purpose|text|quote|title|behaviour|entry): +)(?P<value>\S.*)$")
_BLOCK = re.compile(r"^(?P<indent>\s*(?:- +)*)(?P<key>[^\s#|>-][^:]*:)?\s*[|>][0-9+-]*\s*(?:#.*)?$")
_WHOLE = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(?:\#.*)?$|["'][^"']*$|[|>][0-9+-]*\s*(?:\#.*)?$""")
"""A value that YAML reads as it is meant: quoted text, the start of quoted text over several lines, a block's mark."""
_HALVES = re.compile("[\ud800-\udfff]")
_ODD_BREAKS = re.compile("[\r\x85\u2028\u2029]")
_UNSAFE = re.compile(r":(?: |$)|^[&*!%@`\[\]{},?\-|>\"'#]")


def schema() -> dict[str, Any]:
    """The JSON schema of ``plan.yaml``, for editors and for servers that take one."""
    return {"$schema": SCHEMA_ID, **PlanEntry.model_json_schema()}


def parse(text: str) -> Plan:
    """The plan that ``text`` describes.

    Only the form is read here; ``graphs.dag.problems`` says what is wrong with the content.

    Raises:
        PlanError: with one sentence per problem, each naming the line or the key.
    """
    return _to_plan(_validated(_load(text)))


def dump(plan: Plan) -> str:
    """``plan`` as YAML; ``parse(dump(plan)) == plan`` for every plan that was read by this module.

    The normal form: no blanks at either end of a title, purpose, requirement, quote or entry command; behaviour and
    interfaces without blanks at the ends of lines and without empty lines around, ending with one newline; no id twice
    in a list of ids; examples numbered ``<component>.C1`` on. Text that YAML cannot hold (a lone surrogate) is no text.
    """
    return yaml.dump(_from_plan(plan), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def to_data(plan: Plan) -> dict[str, Any]:
    """``plan`` as the plain data of ``plan.yaml`` (for JSON and the journal)."""
    return _from_plan(plan)


def from_data(data: Any) -> Plan:
    """The inverse of :func:`to_data`; ``PlanError`` when it does not fit."""
    return _to_plan(_validated(data))


class _Loader(_BaseLoader):
    """Reads text, lists and mappings, nothing else: ``no``, ``1.10`` and ``2026-01-01`` stay as they are written."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _refused(f"{key.value!r} is given twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _load(text: str) -> Any:
    if len(text) > MOST_CHARACTERS:
        raise PlanError([f"the plan has {len(text)} characters; at most {MOST_CHARACTERS} are read"])
    if _HALVES.search(text):
        raise PlanError(["the plan holds half a character (a lone surrogate), which is no text; write it again"])
    try:
        return _read(text)
    except yaml.YAMLError as first:
        # The commonest slip of models and people: prose with ": " in it that nobody quoted.
        try:
            return _read(_quote_prose(text))
        except yaml.YAMLError:
            mark = getattr(first, "problem_mark", None)
            where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
            what = getattr(first, "problem", None) or str(first).splitlines()[0]
            raise PlanError(
                [f"the plan is not valid YAML: {where}{what}; quote text that holds ': ' or use a block ('|')"]
            ) from None


def _read(text: str) -> Any:
    """What the YAML says. Aliases and deep nesting are refused: no plan needs them, and they can fill the memory."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise _refused("aliases ('*name') are not read", event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _refused("it is nested too deeply", event.start_mark)
    return yaml.load(text, Loader=_Loader)


def _refused(what: str, mark: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, what, mark)


def _quote_prose(text: str) -> str:
    """The text with quotes round prose that YAML would take for something else; what stands in blocks is left alone."""
    lines = text.split("\n")
    inside: int | None = None  # columns of the key whose block the line may belong to
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip(" "))
        if inside is not None and (indent > inside or not line.strip()):
            continue
        block = _BLOCK.match(line)
        inside = None
        if block:  # the block belongs to a key, whose column counts, or to the list item whose dash stands before it
            inside = len(block["indent"]) if block["key"] else block["indent"].rindex("-") if "-" in line else indent
        match = _PROSE.match(line.rstrip())
        if match and not _WHOLE.match(match["value"]) and _UNSAFE.search(match["value"].split(" #")[0]):
            lines[number] = match["head"] + json.dumps(match["value"], ensure_ascii=False)
    return "\n".join(lines)


def _validated(data: Any) -> PlanEntry:
    if not isinstance(data, dict):
        raise PlanError(
            [f"a plan is a mapping with 'title', 'requirements' and 'components'; found {type(data).__name__}"]
        )
    if isinstance(data.get("plan"), dict) and "components" not in data:
        data = data["plan"]
    try:
        return PlanEntry.model_validate(_without_nulls(data))
    except ValidationError as error:
        raise PlanError(_sentence(e, data) for e in error.errors()) from None


def _without_nulls(data: Any) -> Any:
    """A key without a value is a key that is not there."""
    if isinstance(data, dict):
        return {key: _without_nulls(value) for key, value in data.items() if value is not None}
    return [_without_nulls(item) for item in data] if isinstance(data, list) else data


def _sentence(error: Any, data: Any) -> str:
    place = list(error["loc"])
    where = _where(place, data)
    if error["type"] == "extra_forbidden":
        key = str(place[-1])
        known = _known_keys(place[:-1])
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
        return f"{where}: unknown key {key!r}; {hint}"
    if error["type"] == "missing":
        return f"{where}: {place[-1]!r} is missing"
    message = error["msg"].replace("String should", "should").replace("Input should", "should")
    name = f"{place[-2]!r} number {place[-1] + 1}" if isinstance(place[-1], int) and len(place) > 2 else repr(place[-1])
    return f"{where}: {name} {message[0].lower()}{message[1:]}, found {error['input']!r:.80}"


def _where(place: list[Any], data: Any) -> str:
    if len(place) >= 2 and place[0] in ("components", "requirements") and isinstance(place[1], int):
        noun = str(place[0])[:-1]
        try:
            return f"{noun} {data[place[0]][place[1]]['id']!r}"
        except (KeyError, IndexError, TypeError):
            return f"{noun} number {place[1] + 1}"
    return "the plan"


def _known_keys(place: list[Any]) -> list[str]:
    names = [p for p in place if isinstance(p, str)]
    known: dict[str, type[BaseModel]] = {"components": ComponentEntry, "requirements": RequirementEntry}
    entry = known.get(names[-1], ContractEntry) if names else PlanEntry
    return list(entry.model_fields)


def _to_plan(entry: PlanEntry) -> Plan:
    problems: list[str] = []
    components = tuple(_to_component(c, problems) for c in entry.components)
    if problems:
        raise PlanError(problems)
    return Plan(
        title=entry.title,
        components=components,
        requirements=tuple(Requirement(r.id, r.text, r.quote, r.line) for r in entry.requirements),
        spec_digest=entry.spec_digest,
        revision=entry.revision,
        language=entry.language,
        entry=entry.entry,
    )


def _to_component(entry: ComponentEntry, problems: list[str]) -> Component:
    return Component(
        id=entry.id,
        purpose=entry.purpose,
        files=tuple(entry.files),
        contract=Contract(
            interface=dict(entry.contract.interface),
            behaviour=entry.contract.behaviour,
            examples=tuple(_examples(entry, problems)),
        ),
        depends_on=tuple(dict.fromkeys(entry.depends_on)),
        requirements=tuple(dict.fromkeys(entry.requirements)),
        kind=entry.kind,
        packages=tuple(entry.packages),
    )


def _examples(entry: ComponentEntry, problems: list[str]) -> list[Example]:
    found = []
    for number, text in enumerate(entry.contract.examples, 1):
        try:
            example = examples.parse_block(text, f"{entry.id}.C{number}", 0)
        except ValueError as error:
            problems.append(f"component {entry.id!r}: example {number} cannot be read: {error}")
            continue
        if example is None:
            problems.append(
                f"component {entry.id!r}: example {number} is neither a doctest ('>>> ') nor a shell session ('$ ')"
            )
        else:
            found.append(example)
    return found


def _from_plan(plan: Plan) -> dict[str, Any]:
    head: dict[str, Any] = {
        "title": plan.title,
        "language": plan.language,
        "entry": plan.entry,
        "spec_digest": plan.spec_digest,
        "revision": plan.revision,
    }
    head["requirements"] = [{"id": r.id, "text": r.text, "quote": r.quote, "line": r.line} for r in plan.requirements]
    head["components"] = [_from_component(c) for c in plan.components]
    return head


def _from_component(component: Component) -> dict[str, Any]:
    return {
        "id": component.id,
        "purpose": component.purpose,
        "kind": component.kind,
        "files": list(component.files),
        "depends_on": list(component.depends_on),
        "requirements": list(component.requirements),
        "packages": list(component.packages),
        "contract": {
            "behaviour": component.contract.behaviour,
            "interface": dict(component.contract.interface),
            "examples": [examples.render(e) for e in component.contract.examples],
        },
    }


class _Dumper(yaml.SafeDumper):
    """Text of several lines is written as a block, which is how people and models write it."""

    def represent_text(self, text: str) -> yaml.Node:
        # Escapes are the only style in which YAML keeps the line breaks of other alphabets.
        style = '"' if _ODD_BREAKS.search(text) else "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def represent_list_inline(self, items: list[Any]) -> yaml.Node:
        plain = all(isinstance(i, str) and "\n" not in i for i in items) and len(str(items)) < 90
        return self.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=plain)


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(list, _Dumper.represent_list_inline)
