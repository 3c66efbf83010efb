"""``plan.yaml``: a plan as text that a person, a model and this program can all write and read; revisions of it too.

The same reader serves answers of models, files edited by hand and the exemplars of ``few_shot/``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from graphs import dag, edits, examples
from graphs.edits import Add, Drop, Merge, PlanEdit, Respecify, Revision, Rewire, Split
from graphs.errors import PlanError
from graphs.values import Component, Contract, Plan, Requirement

if TYPE_CHECKING:
    from yaml import SafeLoader as _BaseLoader
else:  # libyaml's is ten times as fast; PyYAML is not always built with it
    _BaseLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"
KINDS = ("library", "cli", "service", "data", "docs")
_ID = r"^[a-z][a-z0-9_]*$"
_KIND = f"^({'|'.join(KINDS)})$"
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

    id: str = Field(pattern=_ID, description="Lower snake case, unique.")
    purpose: Line = Field(min_length=1, description="One sentence: why it exists.")
    kind: str = Field("library", description="library, cli, service, data or docs.", pattern=_KIND)
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
    feedback: list[str] = Field(default_factory=list, description="What the user said was wrong, oldest first.")
    requirements: list[RequirementEntry] = Field(default_factory=list)
    components: list[ComponentEntry] = Field(min_length=1)


class _EditEntry(_Strict):
    reason: Line = ""
    evidence: list[Line] = Field(default_factory=list)


class _SplitEntry(_EditEntry):
    edit: Literal["split"]
    component: str
    parts: list[ComponentEntry] = Field(min_length=1)


class _MergeEntry(_EditEntry):
    edit: Literal["merge"]
    components: list[str] = Field(min_length=2)
    id: str = Field(pattern=_ID)
    purpose: Line = ""
    contract: ContractEntry | None = None


class _AddEntry(_EditEntry):
    edit: Literal["add"]
    component: ComponentEntry


class _DropEntry(_EditEntry):
    edit: Literal["drop"]
    component: str


class _RewireEntry(_EditEntry):
    edit: Literal["rewire"]
    component: str
    depends_on: list[str]


class _RespecifyEntry(_EditEntry):
    edit: Literal["respecify"]
    component: str
    purpose: Annotated[str, Field(min_length=1), BeforeValidator(_line)] | None = None
    kind: Annotated[str, Field(pattern=_KIND)] | None = None
    files: Annotated[list[str], Field(min_length=1)] | None = None
    depends_on: list[str] | None = None
    requirements: list[str] | None = None
    packages: list[str] | None = None
    contract: ContractEntry | None = None


_AnyEditEntry = _SplitEntry | _MergeEntry | _AddEntry | _DropEntry | _RewireEntry | _RespecifyEntry
_EDITS: dict[str, type[BaseModel]] = {
    "split": _SplitEntry,
    "merge": _MergeEntry,
    "add": _AddEntry,
    "drop": _DropEntry,
    "rewire": _RewireEntry,
    "respecify": _RespecifyEntry,
}


class _RevisionEntry(_Strict):
    requirements: list[RequirementEntry] = Field(default_factory=list)
    drop_requirements: list[str] = Field(default_factory=list)
    entry: Line | None = None
    edits: list[Annotated[_AnyEditEntry, Field(discriminator="edit")]] = Field(default_factory=list)


class _PartsEntry(BaseModel):
    """Keys beside ``parts`` repeat what was asked: they are let pass."""

    parts: list[ComponentEntry] = Field(min_length=1)


Entry = TypeVar("Entry", bound=BaseModel)
_WHOLES: dict[type[BaseModel], tuple[str, str]] = {
    PlanEntry: ("plan", "'title', 'requirements' and 'components'"),
    _RevisionEntry: ("revision", "'edits'"),
    _PartsEntry: ("split", "'parts'"),
    ComponentEntry: ("component", "'id', 'purpose', 'files' and 'contract'"),
}
"""What a text as a whole can be: its name and its main keys."""
_ENTRIES: dict[str, type[BaseModel]] = {
    "components": ComponentEntry,
    "parts": ComponentEntry,
    "component": ComponentEntry,
    "requirements": RequirementEntry,
    "contract": ContractEntry,
    **_EDITS,
}
"""Key, or kind of an edit → what stands under it."""
_NOUNS = {
    "components": "component",
    "parts": "part",
    "component": "component",
    "requirements": "requirement",
    "edits": "edit",
}
_PROSE = re.compile(r"^(?P<head>\s*(?:- +)*(?:purpose|text|quote|title|behaviour|entry|reason): +)(?P<value>\S.*)$")
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
    return _to_plan(_plan_entry(load(text, "plan")))


def dump(plan: Plan) -> str:
    """``plan`` as YAML; ``parse(dump(plan)) == plan`` for every plan that was read by this module.

    The normal form: no blanks at either end of a title, purpose, requirement, quote or entry command; behaviour and
    interfaces without blanks at the ends of lines and without empty lines around, ending with one newline; no id twice
    in a list of ids; examples numbered ``<component>.C1`` on. Text that YAML cannot hold (a lone surrogate) is no text.
    """
    return _written(_from_plan(plan))


def to_data(plan: Plan) -> dict[str, Any]:
    """``plan`` as the plain data of ``plan.yaml`` (for JSON and the journal)."""
    return _from_plan(plan)


def from_data(data: Any) -> Plan:
    """The inverse of :func:`to_data`; ``PlanError`` when it does not fit."""
    return _to_plan(_plan_entry(data))


def parse_revision(text: str, plan: Plan) -> Revision:
    """The revision of ``plan`` that ``text`` describes; what it does not name stays as it is.

    Only the form is read here; :func:`graphs.edits.apply` says what is wrong with the content. Spec digest and feedback
    are no part of the form: they are facts of the run, and whoever writes a revision cannot change them.

    >>> plan = parse("{title: t, components: [{id: a, purpose: Old., files: [a.py], contract: {behaviour: b}}]}")
    >>> revision = parse_revision("edits: [{edit: respecify, component: a, purpose: New., reason: clearer}]", plan)
    >>> [(edit.kind, edit.reason, edit.component.purpose, edit.component.files) for edit in revision.edits]
    [('respecify', 'clearer', 'New.', ('a.py',))]

    Raises:
        PlanError: with one sentence per problem, each naming the edit or the key.
    """
    data = _unwrapped(load(text, "revision"), "revision")
    if isinstance(data, list):
        data = {"edits": data}
    if isinstance(data, dict) and isinstance(data.get("edits"), list):
        data = {**data, "edits": [_spelled_out(edit) for edit in data["edits"]]}
    entry = _validated(_RevisionEntry, data)
    problems: list[str] = []
    requirements = _to_requirements(entry, plan, problems)
    done: list[PlanEdit] = []
    current, _ = edits.draft(plan, Revision((), requirements))
    for each in entry.edits:
        read = _to_edits(each, current, problems)
        current, _ = edits.draft(current, Revision(tuple(read)))
        done += read
    if problems:
        raise PlanError(problems)
    return Revision(tuple(done), requirements, entry=entry.entry)


def dump_revision(revision: Revision, plan: Plan) -> str:
    """A revision of ``plan`` as YAML; ``parse_revision(dump_revision(r, plan), plan) == r`` for every ``r`` that was read."""
    data: dict[str, Any] = {}
    if revision.requirements is not None:
        known = {r.id: r for r in plan.requirements}
        data["requirements"] = [_from_requirement(r) for r in revision.requirements if known.pop(r.id, None) != r]
        data["drop_requirements"] = list(known)
    if revision.entry is not None:
        data["entry"] = revision.entry
    data["edits"] = [_from_edit(edit) for edit in revision.edits]
    return _written({key: value for key, value in data.items() if value != []})


def parse_parts(text: str) -> tuple[Component, ...]:
    """The parts of a split: component entries, listed alone or under ``parts:``. Raises ``PlanError`` as :func:`parse`."""
    data = _unwrapped(_unwrapped(load(text, "split"), "split"), "components")
    entry = _validated(_PartsEntry, {"parts": data} if isinstance(data, list) else data)
    problems: list[str] = []
    parts = tuple(_to_component(part, problems) for part in entry.parts)
    if problems:
        raise PlanError(problems)
    return parts


def parse_component(text: str) -> Component:
    """The component that ``text`` describes, an entry as in a plan. Raises ``PlanError`` as :func:`parse`."""
    data = _unwrapped(_unwrapped(load(text, "component"), "components"), "component")
    if isinstance(data, list) and len(data) == 1:
        (data,) = data
    problems: list[str] = []
    component = _to_component(_validated(ComponentEntry, data), problems)
    if problems:
        raise PlanError(problems)
    return component


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


def load(text: str, what: str) -> Any:
    """The plain data of a text, be it YAML or JSON: mappings, lists and text; numbers and words stay as they are written.

    Args:
        text: anything.
        what: what it should be, for messages.

    Raises:
        PlanError: it is neither, or nothing that a plan could be.
    """
    if len(text) > MOST_CHARACTERS:
        raise PlanError([f"the {what} has {len(text)} characters; at most {MOST_CHARACTERS} are read"])
    if _HALVES.search(text):
        raise PlanError([f"the {what} holds half a character (a lone surrogate), which is no text; write it again"])
    if text.lstrip().startswith("{") and (data := _read_json(text)) is not None:
        return data
    try:
        return _read(text)
    except yaml.YAMLError as first:
        # The commonest slip of models and people: prose with ": " in it that nobody quoted.
        try:
            return _read(_quote_prose(text))
        except yaml.YAMLError:
            mark = getattr(first, "problem_mark", None)
            where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
            fault = getattr(first, "problem", None) or str(first).splitlines()[0]
            raise PlanError(
                [f"the {what} is not valid YAML: {where}{fault}; quote text that holds ': ' or use a block ('|')"]
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


def _read_json(text: str) -> Any:
    """What the JSON says; ``None`` when it is none, or none that can be used, for the reader of YAML to say what is wrong.

    YAML reads most of JSON, but takes the two escapes of a character beyond U+FFFF for two halves.
    """
    try:
        data = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once, strict=False
        )
        whole = not _HALVES.search(json.dumps(data, ensure_ascii=False))
    except (ValueError, RecursionError):
        return None
    level = [data]
    for _ in range(DEEPEST + 1):
        level = [child for node in level for child in _children(node)]
    return data if whole and not level else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _children(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


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


def _plan_entry(data: Any) -> PlanEntry:
    if isinstance(data, dict) and isinstance(data.get("plan"), dict) and "components" not in data:
        data = data["plan"]
    return _validated(PlanEntry, data)


def _unwrapped(data: Any, key: str) -> Any:
    """What stands under ``key``, where that is all there is."""
    return data[key] if isinstance(data, dict) and list(data) == [key] else data


def _spelled_out(edit: Any) -> Any:
    """An edit as its entry has it: the keys of an added component may stand in the edit itself."""
    if not isinstance(edit, dict) or edit.get("edit") != "add" or isinstance(edit.get("component"), dict):
        return edit
    outer = {key: value for key, value in edit.items() if key in ("edit", "reason", "evidence")}
    inner = {key: value for key, value in edit.items() if key not in outer and key != "component"}
    named = {"id": edit["component"]} if isinstance(edit.get("component"), str) else {}
    return {**outer, "component": {**named, **inner}}


def _validated(model: type[Entry], data: Any) -> Entry:
    what, keys = _WHOLES[model]
    if not isinstance(data, dict):
        raise PlanError([f"a {what} is a mapping with {keys}; found {type(data).__name__}"])
    data = _without_nulls(data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise PlanError(_sentence(e, model, data) for e in error.errors()) from None


def _without_nulls(data: Any) -> Any:
    """A key without a value is a key that is not there."""
    if isinstance(data, dict):
        return {key: _without_nulls(value) for key, value in data.items() if value is not None}
    return [_without_nulls(item) for item in data] if isinstance(data, list) else data


def _sentence(error: Any, model: type[BaseModel], data: Any) -> str:
    place, kind = list(error["loc"]), error["type"]
    if kind.startswith("union_tag"):
        where = _where([*place, kind, "edit"], model, data)
        found = f"is {error['ctx']['tag']!r:.80}" if kind == "union_tag_invalid" else "is missing"
        return f"{where}: 'edit' {found}; {dag.nearest(error['ctx'].get('tag', ''), _EDITS, 'edits')}"
    where = _where([*place], model, data)
    if kind == "extra_forbidden":
        names = [p for p in place[:-1] if isinstance(p, str)]
        entry = _ENTRIES[names[-1]] if names else model
        return f"{where}: unknown key {str(place[-1])!r}; {dag.nearest(str(place[-1]), entry.model_fields, 'keys')}"
    if kind == "missing":
        return f"{where}: {place[-1]!r} is missing"
    message = re.sub("^(String|Input|List) should", "should", error["msg"])
    message = re.sub(r" after validation, not \d+$", "", message)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        message = "should be a mapping"
    name = f"{place[-2]!r} number {place[-1] + 1}" if isinstance(place[-1], int) and len(place) > 1 else repr(place[-1])
    return f"{where}: {name} {message[0].lower()}{message[1:]}, found {error['input']!r:.80}"


def _where(place: list[Any], model: type[BaseModel], data: Any) -> str:
    """The entries that the value at ``place`` stands in, outermost first."""
    what, _ = _WHOLES[model]
    names = [_label(what, 0, data)] if model is ComponentEntry else []
    if place[0] == "edits":
        del place[2:3]  # the kind of the edit, which pydantic names beside its number
    for before, key in pairwise(["", *place[:-1]]):
        data = data[key]
        if isinstance(data, dict) and (noun := _NOUNS.get(before if isinstance(key, int) else key)):
            names.append(_label(noun, key + 1 if isinstance(key, int) else 0, data))
    return ", ".join(names) or f"the {what}"


def _label(noun: str, number: int, entry: dict[Any, Any]) -> str:
    if noun == "edit":
        kind, target = entry.get("edit"), entry.get("component")
        named = f" {target!r:.80}" if isinstance(target, str) else ""
        return f"edit {number} ({kind}{named})" if isinstance(kind, str) and kind in _EDITS else f"edit {number}"
    if "id" in entry:
        return f"{noun} {entry['id']!r:.80}"
    return f"{noun} number {number}" if number else f"the {noun}"


def _to_plan(entry: PlanEntry) -> Plan:
    problems: list[str] = []
    components = tuple(_to_component(c, problems) for c in entry.components)
    if problems:
        raise PlanError(problems)
    return Plan(
        title=entry.title,
        components=components,
        requirements=tuple(map(_to_requirement, entry.requirements)),
        spec_digest=entry.spec_digest,
        revision=entry.revision,
        language=entry.language,
        entry=entry.entry,
        feedback=tuple(entry.feedback),
    )


def _to_requirement(entry: RequirementEntry) -> Requirement:
    return Requirement(entry.id, entry.text, entry.quote, entry.line)


def _to_requirements(entry: _RevisionEntry, plan: Plan, problems: list[str]) -> tuple[Requirement, ...] | None:
    """All requirements from now on: reworded ones in their place, new ones at the end; ``None`` when none changes."""
    known = {r.id: r for r in plan.requirements}
    for requirement_id in dict.fromkeys(entry.drop_requirements):
        if known.pop(requirement_id, None) is None:
            hint = dag.nearest(requirement_id, known)
            problems.append(f"'drop_requirements' names {requirement_id!r}, which the plan does not have; {hint}")
    dropped = {r.id for r in plan.requirements} - known.keys()
    given: set[str] = set()
    for requirement in map(_to_requirement, entry.requirements):
        if requirement.id in given:
            problems.append(f"requirement {requirement.id!r} is given twice; give each id once")
        elif requirement.id in dropped:
            problems.append(f"requirement {requirement.id!r} is given and dropped; a new one takes a new id")
        given.add(requirement.id)
        known[requirement.id] = requirement
    after = tuple(known.values())
    return None if after == plan.requirements else after


def _to_edits(entry: _AnyEditEntry, plan: Plan, problems: list[str]) -> list[PlanEdit]:
    """The edit an entry stands for; ``plan`` is the one it changes, with what stood before it done."""
    why: dict[str, Any] = {"reason": entry.reason, "evidence": tuple(entry.evidence)}
    match entry:
        case _SplitEntry():
            return [Split(entry.component, tuple(_to_component(part, problems) for part in entry.parts), **why)]
        case _MergeEntry():
            contract = _to_contract(entry.id, entry.contract, problems) if entry.contract else None
            return [Merge(tuple(entry.components), entry.id, entry.purpose, contract, **why)]
        case _AddEntry():
            return [Add(_to_component(entry.component, problems), **why)]
        case _DropEntry():
            return [Drop(entry.component, **why)]
        case _RewireEntry():
            return [Rewire(entry.component, tuple(dict.fromkeys(entry.depends_on)), **why)]
    component = next((c for c in plan.components if c.id == entry.component), None)
    if component is None:
        problems.append(edits.unknown("respecify", entry.component, [c.id for c in plan.components]))
        return []
    changed = replace(
        component,
        purpose=component.purpose if entry.purpose is None else entry.purpose,
        kind=component.kind if entry.kind is None else entry.kind,
        files=component.files if entry.files is None else tuple(entry.files),
        requirements=(
            component.requirements if entry.requirements is None else tuple(dict.fromkeys(entry.requirements))
        ),
        packages=component.packages if entry.packages is None else tuple(entry.packages),
        contract=(
            component.contract if entry.contract is None else _to_contract(component.id, entry.contract, problems)
        ),
    )
    found: list[PlanEdit] = [Respecify(changed, **why)]
    if entry.depends_on is not None:
        found.append(Rewire(component.id, tuple(dict.fromkeys(entry.depends_on)), **why))
    return found


def _to_component(entry: ComponentEntry, problems: list[str]) -> Component:
    return Component(
        id=entry.id,
        purpose=entry.purpose,
        files=tuple(entry.files),
        contract=_to_contract(entry.id, entry.contract, problems),
        depends_on=tuple(dict.fromkeys(entry.depends_on)),
        requirements=tuple(dict.fromkeys(entry.requirements)),
        kind=entry.kind,
        packages=tuple(entry.packages),
    )


def _to_contract(component_id: str, entry: ContractEntry, problems: list[str]) -> Contract:
    found = []
    for number, text in enumerate(entry.examples, 1):
        try:
            example = examples.parse_block(text, f"{component_id}.C{number}", 0)
        except ValueError as error:
            problems.append(f"component {component_id!r}: example {number} cannot be read: {error}")
            continue
        if example is None:
            problems.append(
                f"component {component_id!r}: example {number} is neither a doctest ('>>> ') nor a shell session ('$ ')"
            )
        else:
            found.append(example)
    return Contract(dict(entry.interface), entry.behaviour, tuple(found))


def _from_plan(plan: Plan) -> dict[str, Any]:
    head: dict[str, Any] = {
        "title": plan.title,
        "language": plan.language,
        "entry": plan.entry,
        "spec_digest": plan.spec_digest,
        "revision": plan.revision,
    }
    if plan.feedback:
        head["feedback"] = list(plan.feedback)
    head["requirements"] = list(map(_from_requirement, plan.requirements))
    head["components"] = [_from_component(c) for c in plan.components]
    return head


def _from_requirement(requirement: Requirement) -> dict[str, Any]:
    return {
        "id": requirement.id,
        "text": requirement.text,
        "quote": requirement.quote,
        "line": requirement.line,
    }


def _from_component(component: Component) -> dict[str, Any]:
    return {
        "id": component.id,
        "purpose": component.purpose,
        "kind": component.kind,
        "files": list(component.files),
        "depends_on": list(component.depends_on),
        "requirements": list(component.requirements),
        "packages": list(component.packages),
        "contract": _from_contract(component.contract),
    }


def _from_contract(contract: Contract) -> dict[str, Any]:
    return {
        "behaviour": contract.behaviour,
        "interface": dict(contract.interface),
        "examples": [examples.render(e) for e in contract.examples],
    }


def _from_edit(edit: PlanEdit) -> dict[str, Any]:
    data: dict[str, Any] = {"edit": edit.kind}
    match edit:
        case Split():
            data |= {"component": edit.component, "parts": list(map(_from_component, edit.parts))}
        case Merge():
            data |= {"components": list(edit.components), "id": edit.id, "purpose": edit.purpose}
            data |= {"contract": _from_contract(edit.contract)} if edit.contract else {}
        case Add():
            data["component"] = _from_component(edit.component)
        case Drop():
            data["component"] = edit.component
        case Rewire():
            data |= {"component": edit.component, "depends_on": list(edit.depends_on)}
        case Respecify():
            entry = _from_component(edit.component)
            data["component"] = entry.pop("id")
            data |= {key: value for key, value in entry.items() if key != "depends_on"}
    return {**data, "reason": edit.reason, "evidence": list(edit.evidence)}


def _written(data: dict[str, Any]) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


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
