"""Changes of a plan: split, merge, add, drop, rewire, respecify, each a typed value with its reason and its evidence.

A :class:`Revision` is a sequence of them. It is applied to a copy; either the whole next plan is sound, or nothing has
changed and every problem is named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Annotated, Literal

from pydantic import Field

from graphs import dag
from graphs.errors import PlanError
from graphs.values import Component, Contract, Plan, Requirement, Spec


@dataclass(frozen=True)
class Split:
    """A component becomes the assembly of new parts. It keeps its id, contract, requirements and tests."""

    component: str
    """Which."""
    parts: tuple[Component, ...]
    """The new components, with ids of their own. They may take over files that the contract's interface does not name, and
    cover some of its requirements; none may depend on it."""
    reason: str = ""
    """Why, in one sentence."""
    evidence: tuple[str, ...] = ()
    """What was seen, one sentence each."""
    kind: Literal["split"] = "split"


@dataclass(frozen=True)
class Merge:
    """Several components become one, which owns all their files and promises all they promised."""

    components: tuple[str, ...]
    """Which, two or more."""
    id: str
    """Of the merged one: one of theirs, or a new one. Whatever depended on one of them depends on it."""
    purpose: str = ""
    """One sentence; made from theirs when empty."""
    contract: Contract | None = None
    """Its contract; ``None``: theirs put together."""
    reason: str = ""
    """Why, in one sentence."""
    evidence: tuple[str, ...] = ()
    """What was seen, one sentence each."""
    kind: Literal["merge"] = "merge"


@dataclass(frozen=True)
class Add:
    """A component more."""

    component: Component
    """The new one."""
    reason: str = ""
    """Why, in one sentence."""
    evidence: tuple[str, ...] = ()
    """What was seen, one sentence each."""
    kind: Literal["add"] = "add"


@dataclass(frozen=True)
class Drop:
    """A component less. What depended on it must be rewired in the same revision."""

    component: str
    """Which."""
    reason: str = ""
    """Why, in one sentence."""
    evidence: tuple[str, ...] = ()
    """What was seen, one sentence each."""
    kind: Literal["drop"] = "drop"


@dataclass(frozen=True)
class Rewire:
    """A component depends on others than before."""

    component: str
    """Which."""
    depends_on: tuple[str, ...]
    """All its dependencies from now on."""
    reason: str = ""
    """Why, in one sentence."""
    evidence: tuple[str, ...] = ()
    """What was seen, one sentence each."""
    kind: Literal["rewire"] = "rewire"


@dataclass(frozen=True)
class Respecify:
    """A component promises something else from now on."""

    component: Component
    """As it is from now on: the id of one that is there; its ``depends_on`` is left as it was."""
    reason: str = ""
    """Why, in one sentence."""
    evidence: tuple[str, ...] = ()
    """What was seen, one sentence each."""
    kind: Literal["respecify"] = "respecify"


FEWEST_PARTS = 2
"""Parts that make it a split: with one, the component would only have moved."""

PlanEdit = Annotated[Split | Merge | Add | Drop | Rewire | Respecify, Field(discriminator="kind")]
"""One reasoned change."""


@dataclass(frozen=True)
class Revision:
    """What turns one plan into the next."""

    edits: tuple[PlanEdit, ...]
    """In order; a later one sees what an earlier one did."""
    requirements: tuple[Requirement, ...] | None = None
    """All requirements from now on; ``None``: as they were. Components cease to cover one that is left out."""
    spec_digest: str | None = None
    """The spec it is for from now on; ``None``: the same."""
    feedback: tuple[str, ...] | None = None
    """All feedback from now on; ``None``: as it was."""
    entry: str | None = None
    """The entry command from now on; ``None``: as it was."""


Components = dict[str, Component]
"""Id → component, in plan order."""


def apply(
    plan: Plan,
    revision: Revision,
    *,
    spec: Spec | None = None,
    running: Collection[str] = (),
    check_component: Callable[[Component], Iterable[str]] = lambda _: (),
    max_components: int | None = None,
) -> Plan:
    """The next revision of ``plan``; ``plan`` itself is never changed.

    Args:
        plan: a sound plan.
        revision: what to change.
        spec: the spec in force from now on, feedback included; its examples count for soundness and for component keys.
        running: ids of components in work: their component key must not change, nor may they be dropped.
        check_component: further rules on components from outside.
        max_components: how many components the next plan may have; ``None``: any number.

    Raises:
        PlanError: names each thing that is wrong, first with the edits themselves, else with the plan they would make,
            else with what is in work.
    """
    after, problems = draft(plan, revision)
    problems = problems or dag.problems(after, spec, check_component, max_components)
    problems = problems or _disturbed(plan, after, running, spec or Spec("", "", ""))
    if problems:
        raise PlanError(problems)
    return after


def draft(plan: Plan, revision: Revision) -> tuple[Plan, list[str]]:
    """The next plan, sound or not, and what is wrong with the edits themselves, one sentence each.

    What can be done of a wrong edit is done, so that one mistake is not told again of every later edit. Components lose
    the requirements that are no longer there.
    """
    requirements = plan.requirements if revision.requirements is None else revision.requirements
    gone = {r.id for r in plan.requirements} - {r.id for r in requirements}
    components: Components = {}
    for component in plan.components:
        left = tuple(r for r in component.requirements if r not in gone)
        components[component.id] = replace(component, requirements=left) if gone else component
    problems: list[str] = []
    for edit in revision.edits:
        components = _edited(components, edit, problems)
    after = replace(
        plan,
        components=tuple(components.values()),
        requirements=requirements,
        revision=plan.revision + 1,
        spec_digest=plan.spec_digest if revision.spec_digest is None else revision.spec_digest,
        entry=plan.entry if revision.entry is None else revision.entry,
        feedback=plan.feedback if revision.feedback is None else revision.feedback,
    )
    return after, problems


def unknown(kind: str, component_id: str, known: Iterable[str]) -> str:
    """The sentence about an edit that names a component which is not there."""
    return (
        f"the {kind} names component {component_id!r:.80}, which is not in the plan; {dag.nearest(component_id, known)}"
    )


def _disturbed(before: Plan, after: Plan, running: Collection[str], spec: Spec) -> list[str]:
    """Which components in work the next plan would change, a sentence each."""
    problems = []
    next_components = {c.id: c for c in after.components}
    old, new = dag.Briefing(before, spec), dag.Briefing(after, spec)
    for component in before.components:
        if component.id not in running:
            continue
        following = next_components.get(component.id)
        if following is None:
            what = "it cannot be dropped or merged now"
        elif old.brief(component).key != new.brief(following).key:
            what = "neither what it is nor what it depends on can change now"
        else:
            continue
        problems.append(f"component {component.id!r} is in work, so {what}; leave it as it is")
    return problems


def _edited(components: Components, edit: PlanEdit, problems: list[str]) -> Components:
    """The components after one edit, perhaps changed in place; what is wrong with it is added to ``problems``."""
    match edit:
        case Split():
            return _split(components, edit, problems)
        case Merge():
            return _merged(components, edit, problems)
        case Add():
            if edit.component.id in components:
                problems.append(
                    f"the add gives the id {edit.component.id!r}, which another component has; "
                    "take a new id, or respecify the one that is there"
                )
            else:
                components[edit.component.id] = _numbered(edit.component)
            return components
    named = edit.component.id if isinstance(edit, Respecify) else edit.component
    old = components.get(named)
    if old is None:
        problems.append(unknown(edit.kind, named, components))
    elif isinstance(edit, Drop):
        del components[named]
    elif isinstance(edit, Rewire):
        components[named] = replace(old, depends_on=_union([edit.depends_on]))
    else:
        components[named] = replace(_numbered(edit.component), depends_on=old.depends_on)
    return components


def _split(components: Components, edit: Split, problems: list[str]) -> Components:
    whole, name = components.get(edit.component), f"the split of {edit.component!r}"
    parts: Components = {}
    for part in edit.parts:
        if part.id in components or part.id in parts:
            problems.append(f"{name} gives the id {part.id!r} to a part, which another component has; take a new id")
        else:
            parts[part.id] = _numbered(part)
    if whole is None:
        problems.append(unknown("split", edit.component, components))
        return {**components, **parts}
    for part in parts.values():
        if whole.id in part.depends_on:
            problems.append(f"{name}: part {part.id!r} depends on {whole.id!r}, which is made of it; a part cannot")
        for requirement in part.requirements:
            if requirement not in whole.requirements:
                may = f"only {', '.join(whole.requirements)} or none" if whole.requirements else "none"
                problems.append(
                    f"{name}: part {part.id!r} covers requirement {requirement!r}, which {whole.id!r} does not; "
                    f"parts may cover {may}"
                )
    taken = {path for part in parts.values() for path in part.files}
    left = tuple(path for path in whole.files if path not in taken)
    public = [path for path in whole.contract.interface if path in taken]
    problems += (
        f"{name} gives {path!r} to a part, but the interface of {whole.id!r} names it; the part needs a file of its own"
        for path in public
    )
    if not left and not public:
        problems.append(f"{name} leaves it no file; it keeps at least one, which puts the parts together")
    place = {component_id: number for number, component_id in enumerate(components)}
    below = sorted(whole.depends_on, key=lambda i: place.get(i, len(place)))
    assembly = replace(whole, files=left, depends_on=_union([below, parts]))
    result: Components = {}
    for component in components.values():
        result |= {component.id: component} if component is not whole else {**parts, whole.id: assembly}
    return result


def _merged(components: Components, edit: Merge, problems: list[str]) -> Components:
    ids = set(edit.components)
    name = f"the merge of {' and '.join(map(repr, _union([edit.components])))}"
    problems += (unknown("merge", i, components) for i in _union([edit.components]) if i not in components)
    if len(ids) < 2:
        problems.append(f"{name} names fewer than two components; name all that become one")
        return components
    if edit.id in components and edit.id not in ids:
        problems.append(
            f"{name} gives the id {edit.id!r}, which another component has; take one of theirs or a new one"
        )
        return components
    old = [component for component in components.values() if component.id in ids]
    if not old:
        return components
    one = _numbered(
        Component(
            id=edit.id,
            purpose=edit.purpose or " ".join(c.purpose for c in old),
            files=_union(c.files for c in old),
            contract=_together(old) if edit.contract is None else edit.contract,
            depends_on=tuple(i for i in _union(c.depends_on for c in old) if i not in ids),
            requirements=_union(c.requirements for c in old),
            kind=next((c.kind for c in old if c.kind in ("cli", "service")), old[0].kind),
            packages=_union(c.packages for c in old),
        )
    )
    result: Components = {}
    for component in components.values():
        if component.id == old[0].id:
            result[one.id] = one
        elif component.id not in ids:
            result[component.id] = _renamed(component, ids, one.id)
    return result


def _renamed(component: Component, ids: set[str], new: str) -> Component:
    """``component`` with ``new`` in the place of those of ``ids`` that it depends on."""
    if ids.isdisjoint(component.depends_on):
        return component
    return replace(component, depends_on=_union([[new if i in ids else i for i in component.depends_on]]))


def _together(components: Sequence[Component]) -> Contract:
    """One contract that promises all that theirs do."""
    return Contract(
        interface={path: text for c in components for path, text in c.contract.interface.items()},
        behaviour="\n".join(
            f"### {c.id}: {' '.join(c.purpose.split())}\n\n{c.contract.behaviour.strip(chr(10))}\n" for c in components
        ),
        examples=tuple(chain.from_iterable(c.contract.examples for c in components)),
    )


def _numbered(component: Component) -> Component:
    """Examples of a contract are numbered within the component, whichever they came from."""
    examples = enumerate(component.contract.examples, 1)
    numbered = tuple(replace(example, id=f"{component.id}.C{number}") for number, example in examples)
    return replace(component, contract=replace(component.contract, examples=numbered))


def _union(several: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(chain.from_iterable(several)))
