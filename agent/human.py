"""The person who is asked: whether a plan may be built, what only they can settle, and what they think of the result.

What other processes left in the inbox of the run (``agent approve``, ``agent answer``, ``agent feedback``, the page) counts
as said at the terminal; whichever comes first.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial

import click

from agent.store.inbox import BUILD, LEAVE, Inbox
from agent.threads import in_daemon_thread
from graphs import document, draw
from graphs.errors import PlanError
from graphs.text import plain
from graphs.values import Feedback, Plan, Proof, Question, Verdict

_POLL_SECONDS = 0.2

WRONG = "What is wrong? Write as much as you like; an empty line ends it. Nothing at all: the run is over."
"""Asked last; fenced examples in the answer become examples of the specification, and may hold empty lines."""


Rules = Callable[[Plan], Sequence[str]]
"""What is wrong with a plan, a sentence each."""


class NoHuman:
    """Nobody is at a terminal: plans and questions get only what the inbox holds, and what it is silent about passes."""

    def __init__(
        self,
        inbox: Inbox,
        rules: Rules = lambda plan: (),
        show: Callable[[str], None] = lambda text: None,
        *,
        waits: bool = False,
    ) -> None:
        """
        Args:
            inbox: of the run.
            rules: that an edited plan must meet.
            show: prints text.
            waits: whether a plan waits until somebody elsewhere has said whether it may be built.
        """
        self._inbox = inbox
        self._rules = rules
        self._show = show
        self._waits = waits

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        """The plan as it is, or what somebody elsewhere makes of it."""
        if self._waits:
            self._show(
                f"The plan waits for you: agent approve {self._inbox.path.parent.name}, or on the page of agent ui"
            )
        while True:
            if (said := self._inbox.ruling(plan.revision)) is not None:
                with suppress(PlanError):  # it was checked before it was left: whoever wrote this will try again
                    return ruled(said, plan, self._rules)
            elif not self._waits:
                return plan
            await asyncio.sleep(_POLL_SECONDS)

    def present(self) -> bool:
        """Nobody."""
        return False

    async def ask(self, question: Question) -> str | None:
        """An answer that is there already."""
        return self._inbox.answer(question.id)

    async def judge(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> Feedback | None:
        """Feedback that is there already."""
        return _wrong(self._inbox.feedback())


class Terminal(NoHuman):
    """A :class:`graphs.ports.Human` who answers on standard input. What is not asked here goes as for :class:`NoHuman`."""

    def __init__(
        self,
        inbox: Inbox,
        rules: Rules,
        show: Callable[[str], None],
        paused: Callable[[], AbstractContextManager[None]] = nullcontext,
        *,
        report: Callable[[], str] = lambda: "",
        asks_plan: bool = True,
        asks_questions: bool = True,
        asks_end: bool = True,
    ) -> None:
        """
        Args:
            inbox: of the run.
            rules: that an edited plan must meet.
            show: prints text that may hold hostile characters.
            paused: leaves the terminal to the question while it is open.
            report: what there is to judge and how to try it, shown before the questions at the end.
            asks_plan: whether plans are shown and must be let pass.
            asks_questions: whether questions of components are asked.
            asks_end: whether the result is to be judged.
        """
        super().__init__(inbox, rules, show)
        self._asks_plan = asks_plan
        self._paused = paused
        self._report = report
        self._asks_questions = asks_questions
        self._asks_end = asks_end
        self._turns: list[object] = []
        """One for each question that wants the terminal; the first one has it."""

    async def approve(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        """Ask until the plan is let pass, here or elsewhere, or the person stops; an edited plan is validated like any other."""
        if not self._asks_plan:
            return await super().approve(plan, notes)
        with self._paused():
            return await self._approved(plan, notes)

    def present(self) -> bool:
        """Whether questions of components are asked here."""
        return self._asks_questions

    async def ask(self, question: Question) -> str | None:
        """The answer, from here or from the inbox; ``None`` when the question is left open (Ctrl-D)."""
        if not self._asks_questions:
            return await super().ask(question)
        answered = partial(self._inbox.answer, question.id)
        turn = object()
        self._turns.append(turn)
        try:
            while self._turns[0] is not turn:
                if (answer := answered()) is not None:
                    return answer
                await asyncio.sleep(_POLL_SECONDS)
            with self._paused():
                return await self._answered(question, answered)
        finally:
            self._turns.remove(turn)

    async def judge(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> Feedback | None:
        """Did it run, did it work, is it perfect, and what is wrong? ``None`` when there is nothing to say (Ctrl-D)."""
        if not self._asks_end:
            return await super().judge(plan, proofs, verdict)
        if (said := self._inbox.feedback()) is not None:
            return _wrong(said)
        with self._paused():
            self._show(self._report())
            _forget_typed()
            try:
                return await self._judged()
            except _Elsewhere as elsewhere:
                self._show(f"\nFeedback came from elsewhere: {plain(elsewhere.text, 300)}")
                return _wrong(elsewhere.text)

    async def _answered(self, question: Question, answered: Callable[[], str | None]) -> str | None:
        # On one line each: a question made of model text must not look like something this program says.
        self._show(f"\n{question.id}  {plain(question.text, 2_000)}")
        for number, option in enumerate(question.options, 1):
            self._show(f"  {number}. {plain(option, 500)}")
        choose = "a number, or your own words" if question.options else "your own words"
        _forget_typed()
        try:
            while True:
                line = await _line(f"Your answer ({choose}; Ctrl-D leaves it open): ", answered)
                if line is None:
                    self._show(f"{question.id} stays open.")
                    return None
                if line.strip():
                    return meant(question.options, line)
        except _Elsewhere as elsewhere:
            self._show(f"\n{question.id} was answered elsewhere: {plain(elsewhere.text, 300)}")
            return elsewhere.text

    async def _judged(self) -> Feedback | None:
        held = [False, False, False]
        for number, words in enumerate(("Did it run?", "Did it work, as you had asked?", "Is it perfect?")):
            said = await self._yes(words)
            if said is None:
                return None
            held[number] = said
            if not said:
                break
        ran, worked, perfect = held
        text = "" if perfect else await self._what_is_wrong()
        return Feedback(ran, worked, perfect, text)

    async def _yes(self, question: str) -> bool | None:
        while (line := await _line(f"{question} [y/n] ", self._inbox.feedback)) is not None:
            if line.strip().lower() in ("y", "yes", "n", "no"):
                return line.strip().lower().startswith("y")
        return None

    async def _what_is_wrong(self) -> str:
        self._show(WRONG)
        lines: list[str] = []
        fenced = False
        while (line := await _line("> ")) is not None and (fenced or line.strip()):
            fenced ^= line.lstrip().startswith(("```", "~~~"))
            lines.append(line)
        return "\n".join(lines).strip()

    async def _approved(self, plan: Plan, notes: Sequence[str]) -> Plan | None:
        elsewhere = partial(self._inbox.ruling, plan.revision)
        shown = plan
        while True:
            self._show(draw.tree(shown))
            for note in notes:
                self._show(note)
            _forget_typed()
            try:
                answer = await _typed("Build this plan? [y]es, [e]dit, [n]o: ", elsewhere)
                if answer in ("", "y", "yes"):
                    return shown
                if answer in ("n", "no", "q", "quit"):
                    return None
                if answer in ("e", "edit"):
                    shown = await self._edited(plan, shown, elsewhere)
            except _Elsewhere as said:
                try:
                    decided = ruled(said.text, plan, self._rules)
                except PlanError as error:  # it was checked before it was left, so this is no word of a person
                    self._show(f"\nWhat was left for this plan is of no use: {plain(str(error), 300)}")
                    continue
                what = "declined" if decided is None else "approved" if decided == plan else "edited and approved"
                self._show(f"\nThe plan was {what} elsewhere.")
                return decided

    async def _edited(self, plan: Plan, shown: Plan, elsewhere: Callable[[], str | None]) -> Plan:
        text = document.dump(shown)
        while True:
            changed = await in_daemon_thread(click.edit, text, extension=".yaml")
            if changed is None or changed == text:
                return shown
            try:
                return edited(changed, plan, self._rules)
            except PlanError as error:
                for problem in error.problems:
                    self._show(f"- {problem}")
            again = await _typed("The edited plan cannot be built. Edit again? [Y/n]: ", elsewhere)
            if again not in ("", "y", "yes"):
                return shown
            text = changed


def edited(text: str, plan: Plan, rules: Rules) -> Plan:
    """The edited document of a plan as its next revision, or ``plan`` where nothing was changed.

    ``PlanError`` names everything for which it cannot be built.
    """
    changed = replace(document.parse(text), revision=plan.revision, spec_digest=plan.spec_digest)
    if found := rules(changed):
        raise PlanError(found)
    return plan if changed == plan else replace(changed, revision=plan.revision + 1)


def ruled(said: str, plan: Plan, rules: Rules) -> Plan | None:
    """The plan to build after a word from elsewhere (:meth:`agent.store.inbox.Inbox.ruling`); ``None``: none is.

    ``PlanError`` when it holds a plan that cannot be built.
    """
    return plan if said == BUILD else None if said == LEAVE else edited(said, plan, rules)


def meant(options: Sequence[str], said: str) -> str:
    """The option that ``said`` names by its words or its number (from 1); what was said when it is none of them.

    >>> meant(["Tabs.", "Blanks."], "2"), meant(["8", "2"], "2"), meant(["Tabs."], "neither ")
    ('Blanks.', '2', 'neither')
    """
    said = said.strip()
    words = {option.strip().casefold(): option for option in options}
    numbers = {str(number): option for number, option in enumerate(options, 1)}
    return words.get(said.casefold()) or numbers.get(said) or said


def _wrong(text: str | None) -> Feedback | None:
    """Feedback from elsewhere: who says what is wrong has seen it run."""
    return None if text is None else Feedback(ran=True, worked=False, perfect=False, text=text)


class _Elsewhere(Exception):
    """Another process said it before the person here did."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


def _nothing() -> None:
    """Nobody says anything elsewhere."""


async def _line(prompt: str, elsewhere: Callable[[], str | None] = _nothing) -> str | None:
    """The next line typed, ``None`` at its end (Ctrl-D); raises ``_Elsewhere`` with what ``elsewhere`` gives first.

    Nothing is read before there is a line, so that a question can be taken back and no thread stays behind.
    """
    click.echo(prompt, nl=False)
    descriptor = sys.stdin.fileno()
    try:
        while not select.select([descriptor], [], [], 0)[0]:
            if (said := elsewhere()) is not None:
                raise _Elsewhere(said)
            await asyncio.sleep(_POLL_SECONDS)
    except asyncio.CancelledError:
        click.echo()
        raise
    data = b""
    with suppress(OSError):  # the terminal is gone
        data = os.read(descriptor, 65_536)
    if not data:
        click.echo()
        return None
    return data.decode("utf-8", "replace").rstrip("\r\n")


async def _typed(prompt: str, elsewhere: Callable[[], str | None]) -> str:
    """A word typed, as :func:`_line`; ``Abort`` at the end of input, because without it nothing can go on."""
    line = await _line(prompt, elsewhere)
    if line is None:
        raise click.Abort
    return line.strip().lower()


def _forget_typed() -> None:
    """What was typed before a question was there is no answer to it."""
    with suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
