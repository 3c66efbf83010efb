"""The person at the terminal: shown the plan, asked to let it pass, edit it or stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import click

from agent.threads import in_daemon_thread
from graphs import dag, document, draw
from graphs.errors import PlanError
from graphs.values import Component, Plan, Spec


class Terminal:
    """A :class:`graphs.ports.Human` who answers on standard input."""

    def __init__(
        self,
        spec: Spec,
        check_component: Callable[[Component], Sequence[str]],
        show: Callable[[str], None],
        paused: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """
        Args:
            spec: whose examples an edited plan must still serve.
            check_component: rules an edited plan must still meet.
            show: prints text that may hold hostile characters.
            paused: leaves the terminal to the question while it is open.
        """
        self._spec = spec
        self._check_component = check_component
        self._show = show
        self._paused = paused

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        """Ask until the plan is let pass or the person stops; an edited plan is validated like any other."""
        return await in_daemon_thread(self._approve, plan, notes)

    def _approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        with self._paused():
            return self._ask(plan, notes)

    def _ask(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        while True:
            self._show(draw.tree(plan))
            for note in notes:
                self._show(note)
            answer = (
                click.prompt("Build this plan? [y]es, [e]dit, [n]o", default="y", show_default=False).strip().lower()
            )
            if answer in ("y", "yes"):
                return plan
            if answer in ("n", "no", "q", "quit"):
                return None
            if answer in ("e", "edit"):
                plan = self._edited(plan)

    def _edited(self, plan: Plan) -> Plan:
        text = document.dump(plan)
        while True:
            edited = click.edit(text, extension=".yaml")
            if edited is None or edited == text:
                return plan
            try:
                changed = document.parse(edited)
                if found := dag.problems(changed, self._spec, self._check_component):
                    raise PlanError(found)
            except PlanError as error:
                for problem in error.problems:
                    self._show(f"- {problem}")
                if not click.confirm("The edited plan cannot be built. Edit again?", default=True):
                    return plan
                text = edited
            else:
                return replace(changed, revision=plan.revision + 1, spec_digest=plan.spec_digest)
