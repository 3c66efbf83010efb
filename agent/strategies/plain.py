"""The plain strategy: the prompt asks, a tolerant reader reads, what is wrong is asked again by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from agent.models.base import Ask, Message, Model
from agent.prompts import Prompts
from agent.spec import locate_quotes
from agent.strategies import shapes
from graphs import dag
from graphs.errors import AnswerError, PathRefused, PlanError
from graphs.ports import Brief
from graphs.values import Component, Files, Plan, Requirement, Spec, Verdict

Answered = TypeVar("Answered")

TRIES = 4
"""Answers asked for before an unusable shape is given up: the first and three with what was wrong."""
FAILING_SHOWN = 5
"""Failing tests shown in a repair prompt; one cause usually fails many."""
MESSAGE_CHARS = 2000
"""Of each failing test's message."""
OUTPUT_CHARS = 3000
"""Of what the run printed."""


class Plain:
    """Asks in words only."""

    name = "plain"

    def __init__(
        self,
        models: Callable[[str], Model],
        prompts: Prompts,
        check_component: Callable[[Component], Iterable[str]],
        temperature: float | None = None,
    ) -> None:
        """
        Args:
            models: role (``plan``, ``test``, ``code``) → the model that answers it.
            prompts: where the words come from.
            check_component: rules on components beyond those of ``graphs.dag``.
            temperature: given to the model; ``None`` leaves it to the endpoint.
        """
        self._models = models
        self._prompts = prompts
        self._check_component = check_component
        self._temperature = temperature

    async def requirements(self, spec: Spec) -> tuple[Requirement, ...]:
        """What the spec asks for, each item with the line its quote stands on."""

        def read(answer: str) -> tuple[Requirement, ...]:
            located, problems = locate_quotes(spec, shapes.read_requirements(answer))
            if problems:
                raise AnswerError(problems)
            return tuple(located)

        prompt = self._prompts.render("requirements", spec=spec)
        return await self._ask("plan", self._planning("requirements", prompt), read)

    async def plan(self, spec: Spec, requirements: Sequence[Requirement], exemplars: Sequence[str]) -> Plan:
        """A valid plan for the spec."""

        def read(answer: str) -> Plan:
            plan = shapes.read_plan(answer, requirements, spec.digest)
            if found := dag.problems(plan, spec, self._check_component):
                raise PlanError(found)
            return plan

        prompt = self._prompts.render(
            "plan",
            spec=spec,
            requirements=requirements,
            exemplars=exemplars,
            packages=list(spec.settings.get("packages", ())),
        )
        return await self._ask("plan", self._planning("plan", prompt), read)

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
        return await self._ask("test", self._building(brief, "tests", attempt, prompt), read)

    async def code(self, brief: Brief, attempt: int) -> Files:
        """All files of the component, written from its contract."""

        def read(answer: str) -> Files:
            return _parsed(shapes.read_files(answer, brief.component.files, brief.component.files))

        prompt = self._prompts.render("code", brief=self._brief(brief), component=brief.component)
        return await self._ask("code", self._building(brief, "code", attempt, prompt), read)

    async def repair(
        self, brief: Brief, attempt: int, files: Files, tests: Files, verdict: Verdict, notes: Sequence[str]
    ) -> Files:
        """The files that a repair changes, whole, over those it leaves."""

        def read(answer: str) -> Files:
            changed = shapes.read_files(answer, brief.component.files, [])
            if not changed:
                first = brief.component.files[0]
                raise AnswerError([f"no file was given; give each file you change whole under a heading '### {first}'"])
            return {**files, **_parsed(changed)}

        failing = verdict.failing
        prompt = self._prompts.render(
            "repair",
            brief=self._brief(brief),
            component=brief.component,
            files=files,
            tests=tests,
            verdict=verdict,
            failing=failing[:FAILING_SHOWN],
            more=len(failing) - FAILING_SHOWN if len(failing) > FAILING_SHOWN else 0,
            passed=sorted(verdict.passed),
            output=verdict.output if not failing else "",
            notes=notes,
            message_chars=MESSAGE_CHARS,
            output_chars=OUTPUT_CHARS,
        )
        return await self._ask("code", self._building(brief, "repair", attempt, prompt), read)

    async def _ask(self, role: str, ask: Ask, read: Callable[[str], Answered]) -> Answered:
        """Ask until ``read`` accepts the answer; each refusal goes back by name, in the same conversation."""
        model = self._models(role)
        for tries_left in reversed(range(TRIES)):
            answer = await model.ask(ask)
            try:
                return read(answer.text)
            except (AnswerError, PlanError, PathRefused) as error:
                if not tries_left:
                    raise AnswerError(
                        [f"the model gave no usable answer for step {ask.step!r} in {TRIES} tries: {error}"]
                    ) from error
                again = self._prompts.render("again", problems=error.problems)
                messages = (*ask.messages, Message("assistant", answer.text), Message("user", again))
                ask = replace(ask, messages=messages)
        raise AssertionError("unreachable: the last try returns or raises")

    def _brief(self, brief: Brief) -> str:
        return self._prompts.render(
            "brief",
            component=brief.component,
            requirements=brief.requirements,
            neighbours=brief.neighbours,
            examples=brief.examples,
        ).rstrip("\n")

    def _planning(self, step: str, prompt: str) -> Ask:
        messages = (Message("system", self._prompts.render("planner")), Message("user", prompt))
        return Ask(messages=messages, step=step, temperature=self._temperature, priority=float("inf"))

    def _building(self, brief: Brief, step: str, attempt: int, prompt: str) -> Ask:
        system = self._prompts.render("builder", packages=brief.component.packages)
        return Ask(
            messages=(Message("system", system), Message("user", prompt)),
            step=step,
            component=brief.component.id,
            component_key=brief.key,
            attempt=attempt,
            temperature=self._temperature,
            priority=brief.priority,
        )


def _parsed(files: dict[str, str]) -> dict[str, str]:
    if found := shapes.python_problems(files):
        raise AnswerError(found)
    return files
