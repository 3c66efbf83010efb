"""What a person can do to a run from outside the process that works on it: the same that the terminal's commands do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from agent.store.inbox import Inbox
from agent.store.journal import LOCK, is_live
from agent.store.runs import RunInfo
from graphs.errors import UserError

Body = Mapping[str, Any]


def act(run: RunInfo, what: str, body: Body) -> dict[str, Any]:
    """Do it; returns what to tell the page. ``UserError`` for what cannot be done, in one sentence."""
    action = ACTIONS.get(what)
    if action is None:
        raise UserError(f"there is no action {what!r}; there are {', '.join(ACTIONS)}")
    return {"said": action(run, body)}


def _answer(run: RunInfo, body: Body) -> str:
    Inbox(run.path).leave("answer", _text(body, "text"), _text(body, "question"))
    return f"{_text(body, 'question')} is answered" + (
        "" if is_live(run.path) else "; resume the run to have it taken up"
    )


def _feedback(run: RunInfo, body: Body) -> str:
    Inbox(run.path).leave("feedback", _text(body, "text"))
    return "said" if is_live(run.path) else "said; resume the run to have it taken up"


def _pause(run: RunInfo, body: Body) -> str:
    """In order, as Ctrl-C does: everything is journalled, and a resume goes on."""
    process = _process(run)
    if process is None:
        raise UserError(f"no process works on run {run.id}, so there is nothing to pause")
    os.kill(process, signal.SIGTERM)
    return "pausing: what is in flight is journalled, and the run can be resumed"


def _resume(run: RunInfo, body: Body) -> str:
    if is_live(run.path):
        raise UserError(f"a process works on run {run.id} already")
    with open(run.path / "resumed.log", "ab") as said:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "agent.cli", "resume", run.id, "--yes", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, "AGENT_HOME": str(run.path.parents[1])},
            start_new_session=True,  # it outlives this server
        )
    return "resuming"


def _process(run: RunInfo) -> int | None:
    """The process that works on a run; ``None`` when there is none."""
    if not is_live(run.path):
        return None
    try:
        return int((run.path / LOCK).read_text("ascii"))
    except (OSError, ValueError):
        return None


def _text(body: Body, key: str) -> str:
    value = body.get(key) if isinstance(body, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{key!r} is missing; write something")
    return value


ACTIONS: Mapping[str, Callable[[RunInfo, Body], str]] = {
    "answer": _answer,
    "feedback": _feedback,
    "pause": _pause,
    "resume": _resume,
}
"""Name in the address → what does it."""
