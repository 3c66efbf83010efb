"""``agent answer``: settle what a run has asked, from any terminal, while it is going on or later."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.running import typed
from graphs.errors import UserError

if TYPE_CHECKING:
    from graphs.run_state import Asked, RunState


@click.command()
@click.argument("words", nargs=-1, metavar='[RUN] [Q "TEXT"|-]')
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def answer(words: tuple[str, ...], as_json: bool) -> None:
    """Answer the question Q (Q1, Q2...) of RUN, or list what is open when no answer is given.

    TEXT may be the number of one of the options; - reads it from standard input. Without RUN the newest run with an open
    question is meant. A run that is going on takes the answer up; for any other, agent resume goes on with it.

    With --json: {"version": 1, "run", "live": whether the run is going on, "questions": the open ones, each {id,
    component, text, options, asked, answer: what was left for it and not taken up yet, or null}}.
    """
    from agent.cli.output import emit_json
    from agent.cli.story import load
    from agent.human import meant
    from agent.store.inbox import Inbox
    from agent.store.journal import is_live

    run, number, text = _parted(words)
    path = _find(run)
    state, inbox = load(path), Inbox(path)
    open_questions = state.open_questions()
    question = open_question(state, number, path.name) if number else None
    if question is not None and text is not None:
        said = sys.stdin.buffer.read().decode("utf-8", "replace") if text == "-" else text
        inbox.leave("answer", meant(question.options, said), question.id)
    live = is_live(path)
    shown = [question] if question is not None else open_questions
    left = {q.id: inbox.answer(q.id) for q in shown}
    if as_json:
        emit_json({"run": path.name, "live": live, "questions": [_data(q, left[q.id]) for q in shown]})
    elif question is not None and text is not None:
        click.echo(_next(question, left[question.id], path.name, live))
    else:
        click.echo("\n".join(_lines(shown, left, path.name)))


def _parted(words: tuple[str, ...]) -> tuple[str | None, str, str | None]:
    """Run, question and answer, each as far as given; an answer need not be quoted."""
    first = 1 if words and not _is_number(words[0]) else 0
    run = words[0] if first else None
    if len(words) <= first:
        return run, "", None
    number, rest = words[first], words[first + 1 :]
    if not _is_number(number):
        raise UserError(f'{number!r} is no question; they are called Q1, Q2 and so on: agent answer RUN Q1 "TEXT"')
    return run, number.upper(), " ".join(rest) if rest else None


def _is_number(word: str) -> bool:
    return re.fullmatch(r"[Qq][0-9]{1,9}", word) is not None


def _find(run: str | None) -> Path:
    """The directory of the run named; without a name, of the newest one with an open question."""
    from agent.cli.story import load_from
    from agent.store.journal import SqliteJournal
    from agent.store.runs import find_run, home, list_runs
    from graphs.events import QUESTION_ASKED

    if run is not None:
        return find_run(home(), run).path
    find_run(home())  # says so when there is none at all
    for info in list_runs(home()):
        if info.status == "unreadable":
            continue
        with SqliteJournal.read(info.path) as reader:
            if any(reader.heads(kind=QUESTION_ASKED)) and load_from(reader).open_questions():
                return info.path
    raise UserError("no run has an open question; name one to see what it has asked: agent answer RUN")


def open_question(state: RunState, number: str, run: str) -> Asked:
    """The question of that number; ``UserError`` when the run has not asked it, or it needs no answer any more."""
    from graphs.text import plain

    open_questions = state.open_questions()
    asked = state.questions.get(number)
    there = ", ".join(q.id for q in open_questions)
    open_ones = f"open: {there}" if there else "none is open"
    if asked is None:
        raise UserError(f"run {run} has asked no {number}; {open_ones}")
    if asked.answer is not None:
        raise UserError(f"{number} of run {run} was answered: {plain(asked.answer, 200)}; {open_ones}")
    if asked not in open_questions:
        about = plain(asked.component, 40)
        raise UserError(f"{number} of run {run} needs no answer any more, since {about} is settled; {open_ones}")
    return asked


def _next(question: Asked, left: str | None, run: str, live: bool) -> str:
    from graphs.text import plain

    agent = typed("agent")
    said = f"{question.id}: {plain(left, 200)}" if left is not None else question.id
    if live and question.asked:
        return f"{said}\nrun {run} is going on and takes it up"
    if live:
        return f"{said}\nrun {run} is going on and did not wait for it; when it has ended: {agent} resume {run}"
    return f"{said}\ngo on with: {agent} resume {run}"


def _lines(shown: list[Asked], left: dict[str, str | None], run: str) -> Iterator[str]:
    from graphs.text import plain

    agent = typed("agent")
    if not shown:
        yield f"run {run} has no open question"
    for question in shown:
        about = f" ({plain(question.component, 40)})" if question.component else ""
        yield f"{question.id}{about}: {plain(question.text, 2_000)}"
        yield from (f"  {n}. {plain(option, 500)}" for n, option in enumerate(question.options, 1))
        answer = left[question.id]
        if answer is not None:
            yield f"  left for the run: {plain(answer, 200)}; go on with: {agent} resume {run}"
        else:
            yield f'  answer it: {agent} answer {run} {question.id} "…"'


def _data(question: Asked, left: str | None) -> dict[str, Any]:
    from graphs.values import to_json

    return {**to_json(question), "answer": left}
