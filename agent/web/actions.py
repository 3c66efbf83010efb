"""What a person can do to a run on the page: the same that the terminal's commands do, by the same functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent import steering
from agent.store.inbox import Inbox
from agent.store.journal import is_live
from agent.store.runs import RunInfo
from graphs.errors import UserError

Body = Mapping[str, Any]


def act(run: RunInfo, what: str, body: Any) -> dict[str, Any]:
    """Do it; returns what to tell the page. ``UserError`` for what cannot be done, in one sentence."""
    action = ACTIONS.get(what)
    if action is None:
        raise UserError(f"there is no action {what[:40]!r}; there are {', '.join(ACTIONS)}")
    if not isinstance(body, Mapping):
        raise UserError("that is no JSON object; reload the page")
    return {"said": action(run, body)}


def _approve(run: RunInfo, body: Body) -> str:
    return steering.let_pass(run, _revision(body), _text(body, "plan") if "plan" in body else None)


def _decline(run: RunInfo, body: Body) -> str:
    return steering.decline(run, _revision(body))


def _answer(run: RunInfo, body: Body) -> str:
    from agent.cli.answer import open_question
    from agent.cli.story import load
    from agent.human import meant

    question = open_question(load(run.path), _text(body, "question"), run.id)
    Inbox(run.path).leave("answer", meant(question.options, _text(body, "text")), question.id)
    return _next(run, f"{question.id} is answered")


def _feedback(run: RunInfo, body: Body) -> str:
    from agent.cli.feedback import check_feedback

    check_feedback(run)
    Inbox(run.path).leave("feedback", _text(body, "text"))
    return _next(run, "said")


def _next(run: RunInfo, said: str) -> str:
    return said if is_live(run.path) else f"{said}; resume the run to have it taken up"


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{key!r} is missing; write something")
    return value


def _revision(body: Body) -> int:
    value = body.get("revision")
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError("'revision' must be the number of the plan that was looked at; reload the page")
    return value


ACTIONS: Mapping[str, Callable[[RunInfo, Body], str]] = {
    "approve": _approve,
    "decline": _decline,
    "answer": _answer,
    "feedback": _feedback,
    "pause": lambda run, body: steering.pause(run),
    "resume": lambda run, body: steering.resume(run),
    "cancel": lambda run, body: steering.cancel(run),
    "retry": lambda run, body: steering.resume(run, [_text(body, "component")]),
}
"""Name in the address → what does it."""
