"""How a model is asked, whatever the strategy: a prompt, a shape, one reader; what is wrong is asked again by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

from agent.checks.problems import problems_of_tests
from agent.checks.pytest_source import source_of, tied_requirements, with_added, with_replaced
from agent.existing import overview, surroundings
from agent.models.base import Ask, Message, Model
from agent.prompts import Prompts
from agent.spec import locate_quotes
from agent.strategies import grammars, patches, plan_grammars, rulings, schemas, shapes
from agent.strategies.base import Note, Reading, Shape, Way
from graphs import dag, document, edits
from graphs.edits import FEWEST_PARTS, Revision, Split
from graphs.errors import AnswerError, LimitReached, ModelError, PathRefused, PlanError
from graphs.ports import Brief
from graphs.values import (
    Amendment,
    Component,
    Doubt,
    Files,
    Mutant,
    Plan,
    Repair,
    Requirement,
    Spec,
    Strengthening,
    Verdict,
)

Answered = TypeVar("Answered")

TRIES = 4
"""Answers asked for before an unusable shape is given up: the first and three with what was wrong."""
FAILING_SHOWN = 5
"""Failing tests shown in a repair prompt; one cause usually fails many."""
MESSAGE_CHARS = 2000
"""Of each failing test's message."""
OUTPUT_CHARS = 3000
"""Of what the run printed."""
OBSERVED_CHARS = 800
"""Of what a program did instead of what a test in doubt expects."""
SURVIVORS_SHOWN = 8
"""Changes that went unnoticed shown at once: a test for one of them often notices its neighbours, too."""
IDLE_SHOWN = 5
"""Tests that noticed nothing shown at once."""
CHANGE_CHARS = 400
"""Of each change, and of each thing that programs do differently."""
STRENGTHEN_TRIES = 2
"""As TRIES, for what may also be left undone."""
EVIDENCE_CHARS = 1000
"""Of each sentence of evidence."""
FRESH_TEMPERATURE = 1.0
"""Of code that is written a second time, at least: it is worth something only when it comes out otherwise."""
LINES_AROUND = 4
"""Lines of code shown before and after a change that went unnoticed."""
LINE_CHARS = 160
"""Of each of them."""


async def unheard(reading: Reading) -> None:
    """A reading that nobody keeps."""


class Asking:
    """Asks for everything that ``graphs.ports.Strategy`` promises.

    Messages, readers, tries and temperature are the same for every strategy: one differs from another only in the form that it
    holds answers to.
    """

    def __init__(
        self,
        ways: Mapping[str, Way],
        models: Callable[[str], Model],
        prompts: Prompts,
        check_component: Callable[[Component], Iterable[str]],
        temperature: float | None = None,
        note: Note = unheard,
        max_components: int | None = None,
        existing: Files | None = None,
    ) -> None:
        """
        Args:
            ways: role (one of ``agent.config.ROLES``) → what its answers are held to.
            models: role → the model that answers it.
            prompts: where the words come from.
            check_component: rules on components beyond those of ``graphs.dag``.
            temperature: given to the model; ``None`` leaves it to the endpoint.
            note: hears how each answer read.
            max_components: how many components a plan may have; ``None``: any number.
            existing: the files of the program that is to be changed; ``None`` where everything is new.
        """
        self.name = "+".join(dict.fromkeys(way.name for way in ways.values()))
        self._ways = ways
        self._models = models
        self._note = note
        self._prompts = prompts
        self._check_component = check_component
        self._temperature = temperature
        self._max_components = max_components
        self._existing = existing

    async def requirements(self, spec: Spec) -> tuple[Requirement, ...]:
        """What the spec asks for, each item with the line its quote stands on."""

        def read(answer: str) -> tuple[Requirement, ...]:
            located, problems = locate_quotes(spec, shapes.read_requirements(answer))
            if problems:
                raise AnswerError(problems)
            return tuple(located)

        prompt = self._prompts.render("requirements", spec=spec)
        grammar = partial(grammars.requirements, spec.text)
        shape = Shape("requirements", read, grammar, schemas.requirements)
        return await self._ask("plan", self._planning("requirements", prompt, None), shape)

    async def plan(self, spec: Spec, requirements: Sequence[Requirement], exemplars: Sequence[str]) -> Plan:
        """A valid plan for the spec. What speaks against the size of its components is told once; the next valid plan counts,
        or the one at hand where there is none."""

        def read(answer: str) -> Plan:
            plan = shapes.read_plan(answer, requirements, spec.digest)
            if found := dag.problems(plan, spec, self._check_component, self._max_components):
                raise PlanError(found)
            return plan

        packages = list(spec.settings.get("packages", ()))
        prompt = self._prompts.render(
            "plan",
            spec=spec,
            requirements=requirements,
            exemplars=exemplars,
            packages=packages,
            existing=self._overview(spec),
        )
        ids = [r.id for r in requirements]
        most = min(self._max_components or plan_grammars.MOST_COMPONENTS, plan_grammars.MOST_COMPONENTS)
        grammar = partial(plan_grammars.plan, ids, packages, most)
        shape = Shape("plan", read, grammar, partial(schemas.plan, ids, packages))
        plan, said = await self._settled("plan", self._planning("plan", prompt, self._max_components), shape)
        if found := dag.misfits(plan, self._max_components):
            with suppress(AnswerError, LimitReached, ModelError):  # the plan at hand is sound and paid for
                plan, _ = await self._settled("plan", self._told(said, "misfit", found), shape, tries=1)
        return plan

    async def tests(self, brief: Brief, attempt: int, previous: Files, problems: Sequence[str]) -> Files:
        """The component's test file, written from its contract."""

        def read(answer: str) -> Files:
            return shapes.read_files(answer, [brief.test_path], [brief.test_path])

        prompt = self._prompts.render(
            "tests",
            brief=self._brief(brief),
            component=brief.component,
            test_path=brief.test_path,
            previous=previous,
            problems=problems,
        )
        shape = Shape("tests", read, partial(grammars.tests, brief.test_path))
        return await self._ask("test", self._building(brief, "tests", attempt, prompt), shape)

    async def code(self, brief: Brief, attempt: int) -> Files:
        """All files of the component, written from its contract; those that are there already may be changed by edits.

        From the second attempt on it is a fresh program, for the model of role ``candidate``: asked for in the same
        words, since whoever is told of the first one is no independent witness.
        """

        own = brief.component.files
        there = {path: self._existing[path] for path in own if path in self._existing} if self._existing else {}

        def read(answer: str) -> Files:
            return _parsed(shapes.read_changed(answer, own, there) if there else shapes.read_files(answer, own, own))

        prompt = self._prompts.render(
            "code", brief=self._brief(brief), component=brief.component, existing=there, long=_long(there)
        )
        ask = self._building(brief, "code", attempt, prompt)
        grammar = partial(grammars.repair, own, there, ()) if there else partial(grammars.files, own)
        shape = Shape("code", read, grammar)
        if attempt == 1:
            return await self._ask("code", ask, shape)
        fresh = replace(ask, temperature=max(self._temperature or 0.0, FRESH_TEMPERATURE))
        return await self._ask("candidate", fresh, shape)

    async def repair(
        self, brief: Brief, attempt: int, files: Files, tests: Files, verdict: Verdict, notes: Sequence[str]
    ) -> Repair:
        """The files that a repair changes, whole or by edits, over those it leaves, and the tests it holds to be wrong."""
        failing = verdict.failing
        shown = failing[:FAILING_SHOWN]
        examples = {e.id for e in (*brief.examples, *brief.component.contract.examples)}
        disputable = [case.id for case in shown if case.id not in examples]

        def read(answer: str) -> Repair:
            given = shapes.read_repair(answer, brief.component.files, files, disputable, examples)
            return replace(given, files={**files, **_parsed(given.files)})

        prompt = self._prompts.render(
            "repair",
            brief=self._brief(brief),
            component=brief.component,
            files=files,
            long=_long(files),
            tests=tests,
            verdict=verdict,
            failing=shown,
            disputable=disputable,
            more=len(failing) - len(shown),
            passed=sorted(verdict.passed),
            output=verdict.output if not failing else "",
            notes=notes,
            message_chars=MESSAGE_CHARS,
            output_chars=OUTPUT_CHARS,
        )
        shape = Shape("repair", read, partial(grammars.repair, brief.component.files, files, disputable))
        return await self._ask("code", self._building(brief, "repair", attempt, prompt), shape)

    async def amend(self, brief: Brief, attempt: int, tests: Files, doubts: Sequence[Doubt]) -> Amendment:
        """What the test writer decides on tests in doubt. Tests on which the contract is silent are kept, their reason
        begins with ``unclear:``."""

        def read(answer: str) -> Amendment:
            amendment = rulings.read_amendment(answer, [doubt.id for doubt in doubts])
            changed = with_replaced(tests, amendment.replaced)
            found = [f"{i}: {why}" for i, why in problems_of_tests(changed, brief.component) if i in amendment.replaced]
            found += _untied(tests, changed, amendment.replaced)
            found += (
                f"{doubt.id}: the new test is the old one; answer KEEP or UNCLEAR, or write another"
                for doubt in doubts
                if amendment.replaced.get(doubt.id, "").strip() == doubt.source.strip()
            )
            if found:
                raise AnswerError(found)
            return amendment

        prompt = self._prompts.render(
            "amend",
            brief=self._brief(brief),
            component=brief.component,
            tests=tests,
            doubts=doubts,
            observed_chars=OBSERVED_CHARS,
        )
        shape = Shape("amend", read, partial(grammars.amend, [doubt.id for doubt in doubts]))
        return await self._ask("test", self._building(brief, "amend", attempt, prompt), shape)

    async def strengthen(
        self,
        brief: Brief,
        files: Files,
        tests: Files,
        survivors: Sequence[Mutant],
        idle: Sequence[str],
        differ: Sequence[str],
    ) -> Strengthening:
        """New tests for what went unnoticed, or why there is none, and tests instead of those that notice nothing.

        Of many survivors and idle tests only some are asked about. A test for what ``differ`` says stands under ``D1``,
        ``D2``… in its order.
        """
        shown, asked_idle = _spread(survivors, SURVIVORS_SHOWN), idle[:IDLE_SHOWN]
        asked = [m.id for m in shown], asked_idle, [f"D{n + 1}" for n in range(len(differ))]

        def read(answer: str) -> Strengthening:
            given = rulings.read_strengthening(answer, *asked)
            if found := _unfit(tests, brief, given):
                raise AnswerError(found)
            return given

        prompt = self._prompts.render(
            "strengthen",
            brief=self._brief(brief),
            component=brief.component,
            tests=tests,
            survivors=[(mutant, _around(files, mutant)) for mutant in shown],
            more=len(survivors) - len(shown),
            idle=asked_idle,
            differ=differ,
            change_chars=CHANGE_CHARS,
        )
        shape = Shape("strengthen", read, partial(grammars.strengthen, *asked))
        answered, _ = await self._settled(
            "test", self._building(brief, "strengthen", 1, prompt), shape, STRENGTHEN_TRIES
        )
        return answered

    async def respecify(self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str]) -> Component:
        """The component with a purpose and a contract that settle what the evidence shows."""
        component = brief.component

        def read(answer: str) -> Component:
            given = shapes.read_component(answer, component.id)
            changed = replace(component, purpose=given.purpose, contract=given.contract)
            if found := dag.problems(_surroundings(brief, changed), None, self._check_component):
                raise PlanError(found)
            if changed.contract == component.contract:
                raise PlanError(
                    [f"component {component.id!r}: the contract has not changed; settle in it what was seen"]
                )
            return changed

        prompt = self._prompts.render(
            "respecify",
            brief=self._brief(brief),
            component=component,
            files=files,
            evidence=evidence,
            evidence_chars=EVIDENCE_CHARS,
        )
        grammar, schema = partial(plan_grammars.component, component), partial(schemas.component, component)
        shape = Shape("respecify", read, grammar, schema)
        return await self._ask("plan", self._cutting(brief, "respecify", attempt, prompt), shape)

    async def split(
        self, brief: Brief, attempt: int, files: Files, evidence: Sequence[str], room: int | None = None
    ) -> tuple[Component, ...]:
        """The parts that are cut out of the component. Their ids and new files are named after it: what else the plan
        holds is not known here, and a name that is taken would be found too late."""
        component = brief.component
        most = min(plan_grammars.MOST_PARTS, plan_grammars.MOST_PARTS if room is None else room)
        plan = _surroundings(brief, component)
        prefix = f"{component.id}_"

        def read(answer: str) -> tuple[Component, ...]:
            parts = shapes.read_parts(answer)
            found = [f"part {p.id!r}: its id must begin with {prefix!r}" for p in parts if not p.id.startswith(prefix)]
            found += (
                f"part {part.id!r}: {path!r} may belong to another component; name it after the part"
                for part in parts
                for path in part.files
                if path not in component.files and not any(n.startswith(prefix) for n in PurePosixPath(path).parts)
            )
            if not FEWEST_PARTS <= len(parts) <= most:
                wanted = FEWEST_PARTS if most == FEWEST_PARTS else f"{FEWEST_PARTS} to {most}"
                found.append(f"{len(parts)} parts are given; give {wanted}")
            if found:
                raise PlanError(found)
            revision = Revision((Split(component.id, parts),))
            edits.apply(plan, revision, check_component=self._check_component)
            return parts

        kept = [path for path in component.files if path in component.contract.interface]
        prompt = self._prompts.render(
            "split",
            brief=self._brief(brief),
            component=component,
            lines={path: len(text.splitlines()) for path, text in files.items()},
            kept=kept,
            free=[path for path in component.files if path not in kept],
            new_file=str(PurePosixPath(component.files[0]).with_name(f"{prefix}name.py")),
            most_parts=most,
            evidence=evidence,
            evidence_chars=EVIDENCE_CHARS,
        )
        grammar = partial(plan_grammars.parts, component, max_parts=most)
        shape = Shape("split", read, grammar, partial(schemas.parts, component))
        return await self._ask("plan", self._cutting(brief, "split", attempt, prompt), shape)

    async def revise(self, plan: Plan, spec: Spec, change: Sequence[str], attempt: int) -> Revision:
        """The smallest revision that makes ``plan`` one for ``spec``; its requirements know the lines of their quotes."""

        def read(answer: str) -> Revision:
            revision = shapes.read_revision(answer, plan)
            requirements = _quoting(spec, plan, revision)
            revision = replace(revision, requirements=requirements if requirements != plan.requirements else None)
            most = self._max_components
            edits.apply(plan, revision, spec=spec, check_component=self._check_component, max_components=most)
            return revision

        packages = list(spec.settings.get("packages", ()))
        numbers = [int(r.id.removeprefix("R")) for r in plan.requirements if r.id.removeprefix("R").isdecimal()]
        prompt = self._prompts.render(
            "revise",
            spec=spec,
            plan=document.dump(replace(plan, spec_digest="", feedback=())),
            change=change,
            next_requirement=max(numbers, default=0) + 1,
            packages=packages,
            existing=self._overview(spec),
        )
        grammar = partial(plan_grammars.revision, plan, packages, max_components=self._max_components)
        schema = partial(schemas.revision, plan, packages)
        shape = Shape("revise", read, grammar, schema)
        return await self._ask("plan", self._planning("revise", prompt, self._max_components, attempt), shape)

    async def _ask(self, role: str, ask: Ask, shape: Shape[Answered]) -> Answered:
        value, _ = await self._settled(role, ask, shape)
        return value

    async def _settled(self, role: str, ask: Ask, shape: Shape[Answered], tries: int = TRIES) -> tuple[Answered, Ask]:
        """What the shape's reader accepted, and the conversation up to that answer; each refusal goes back by name, in it."""
        model, way = self._models(role), self._ways[role]
        ask = replace(ask, form=way.form(shape))
        for number in range(1, tries + 1):
            answer = await model.ask(ask)
            said = replace(ask, messages=(*ask.messages, Message("assistant", answer.text)))
            read = partial(self._read, ask, model, way, number)
            try:
                value = shape.read(answer.text)
            except (AnswerError, PlanError, PathRefused) as error:
                await read(tuple(error.problems))
                if number == tries:
                    raise AnswerError(
                        [f"the model gave no usable answer for step {ask.step!r} in {tries} tries: {error}"]
                    ) from error
                ask = self._told(said, "again", error.problems)
            else:
                await read(())
                return value, said
        raise AssertionError("unreachable: the last try returns or raises")

    async def _read(self, ask: Ask, model: Model, way: Way, number: int, problems: tuple[str, ...]) -> None:
        """Tell how an answer read."""
        await self._note(
            Reading(
                key=ask.key(model.name),
                step=ask.step,
                component=ask.component,
                attempt=ask.attempt,
                number=number,
                strategy=way.name,
                form="" if ask.form is None else ask.form.digest,
                problems=problems,
            )
        )

    def _told(self, said: Ask, prompt: str, problems: Sequence[str]) -> Ask:
        """The conversation with what is to be changed as its next message."""
        return replace(
            said, messages=(*said.messages, Message("user", self._prompts.render(prompt, problems=problems)))
        )

    def _brief(self, brief: Brief) -> str:
        return self._prompts.render(
            "brief",
            component=brief.component,
            requirements=brief.requirements,
            neighbours=brief.neighbours,
            examples=brief.examples,
            surroundings=self._surroundings(brief.component),
        ).rstrip("\n")

    def _overview(self, spec: Spec) -> str:
        """What a planner sees of the program that is there; empty for none."""
        return overview(self._existing, spec.text) if self._existing else ""

    def _surroundings(self, component: Component) -> str:
        """What whoever builds a component sees of the program that is there; empty for none."""
        if not self._existing:
            return ""
        contract = component.contract
        about = "\n".join((component.purpose, contract.behaviour, *contract.interface.values()))
        return surroundings(self._existing, component.files, about)

    def _planning(self, step: str, prompt: str, most: int | None, attempt: int = 1) -> Ask:
        """``most``: how many components the answer may lead to, where it says anything of them."""
        messages = (
            Message("system", self._prompts.render("planner", max_components=most, existing=bool(self._existing))),
            Message("user", prompt),
        )
        return Ask(messages, step, attempt=attempt, temperature=self._temperature, priority=float("inf"))

    def _building(self, brief: Brief, step: str, attempt: int, prompt: str) -> Ask:
        # A component that had to be the whole program is not one of a few tests.
        system = self._prompts.render(
            "builder",
            packages=brief.component.packages,
            whole=self._max_components == 1,
            existing=bool(self._existing),
        )
        return self._concerning(brief, step, attempt, system, prompt)

    def _cutting(self, brief: Brief, step: str, attempt: int, prompt: str) -> Ask:
        system = self._prompts.render("planner", max_components=None, existing=bool(self._existing))
        return self._concerning(brief, step, attempt, system, prompt)

    def _concerning(self, brief: Brief, step: str, attempt: int, system: str, prompt: str) -> Ask:
        return Ask(
            messages=(Message("system", system), Message("user", prompt)),
            step=step,
            component=brief.component.id,
            component_key=brief.key,
            attempt=attempt,
            temperature=self._temperature,
            priority=brief.priority,
        )


def _long(files: Files) -> list[str]:
    """The files that are worth giving by edits."""
    return [path for path, text in files.items() if text.count("\n") > patches.LONG]


def _around(files: Files, mutant: Mutant) -> str:
    """The lines of the code about a change, the changed one marked."""
    lines = files.get(mutant.path, "").splitlines()
    first = max(0, mutant.line - 1 - LINES_AROUND)
    shown = lines[first : mutant.line + LINES_AROUND]
    return "\n".join(
        f"{'>' if first + n + 1 == mutant.line else ' '} {line}"[:LINE_CHARS] for n, line in enumerate(shown)
    )


def _surroundings(brief: Brief, component: Component) -> Plan:
    """A plan of ``component`` and what is known of its neighbours: enough to see what a change of it would break."""
    neighbours = (
        Component(n.id, n.purpose, tuple(n.contract.interface) or (f"{n.id}.txt",), n.contract, kind="data")
        for n in brief.neighbours
    )
    return Plan(component.id, (*neighbours, component), brief.requirements, language=brief.language)


def _quoting(spec: Spec, plan: Plan, revision: Revision) -> tuple[Requirement, ...]:
    """All requirements from now on, with the lines of their quotes; ``AnswerError`` for each quote that is not in the
    spec, or no longer. One that had no place in the spec before need have none now."""
    requirements = plan.requirements if revision.requirements is None else revision.requirements
    located, _ = locate_quotes(spec, requirements)
    lost = [before for before, now in zip(requirements, located, strict=True) if not now.line]
    _, problems = locate_quotes(spec, [r for r in lost if r not in plan.requirements])
    problems += tuple(
        f"{r.id} quotes {r.quote!r:.120}, which is no longer in the specification; "
        "give it again with words that ask for it, or name it under 'drop_requirements'"
        for r in lost
        if r in plan.requirements and r.line
    )
    if problems:
        raise AnswerError(problems)
    return located


def _spread(survivors: Sequence[Mutant], most: int) -> list[Mutant]:
    """At most so many of them, on as many lines as can be, spread over all."""
    ranked: list[tuple[int, Mutant]] = []
    on_line: Counter[tuple[str, int]] = Counter()
    for mutant in sorted(survivors, key=lambda m: (m.path, m.line)):
        ranked.append((on_line[mutant.path, mutant.line], mutant))
        on_line[mutant.path, mutant.line] += 1
    by_rank = [mutant for _, mutant in sorted(ranked, key=lambda pair: pair[0])]
    pool = by_rank[: max(most, len(on_line))]
    count = min(most, len(pool))
    chosen = {pool[i * len(pool) // count].id for i in range(count)}
    return [mutant for mutant in survivors if mutant.id in chosen]


def _unfit(tests: Files, brief: Brief, given: Strengthening) -> list[str]:
    """Why new tests and those in the place of others cannot be used, by what they were given for."""
    changed: Files = with_replaced(tests, given.replaced)
    found = [
        f"{test_id}: the new test is the old one; answer KEEP, or write another"
        for test_id, source in given.replaced.items()
        if source.strip() == source_of(tests, test_id).strip()
    ]
    found += _untied(tests, changed, given.replaced)
    meant = {test_id: test_id for test_id in given.replaced}
    first: dict[str, str] = {}
    for name, source in given.added.items():
        if first.setdefault(source, name) != name:
            continue
        try:
            changed, (test_id,) = with_added(changed, brief.test_path, [source])
            meant[test_id] = name
        except AnswerError as error:
            found += (f"{name}: {problem.removeprefix(f'{brief.test_path}: ')}" for problem in error.problems)
    found += (f"{meant[i]}: {why}" for i, why in problems_of_tests(changed, brief.component) if i in meant)
    return found


def _untied(before: Files, after: Files, replaced: Iterable[str]) -> list[str]:
    """Requirements that a test was for, and the one in its place no longer says it is."""
    was, now = tied_requirements(before), tied_requirements(after)
    lost = {i: [r for r in was.get(i, ()) if r not in now.get(i, ())] for i in replaced}
    return [f"{i}: begin its docstring with {', '.join(r)}, as before" for i, r in lost.items() if r]


def _parsed(files: Files) -> Files:
    if found := shapes.python_problems(files):
        raise AnswerError(found)
    return files
