"""What a person does to a run from outside the process that works on it; the commands and the page do it by these."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.store.inbox import BUILD, LEAVE, Inbox
from agent.store.journal import LOCK, SqliteJournal, is_live
from agent.store.runs import RunInfo
from graphs import events
from graphs.errors import UserError
from graphs.events import Event

if TYPE_CHECKING:
    from graphs.values import Plan

STOP_SECONDS = 10.0
"""How long the process of a run is waited for when it is told to stop."""
BIRTH_SECONDS = 10.0
"""How long a new process is watched before it counts as at work although the journal does not say so yet."""
SAID_BY_PROCESS = "resumed.log"
"""File in a run's directory that takes what a process started from here says."""

_POLL_SECONDS = 0.05


def let_pass(run: RunInfo, revision: int | None = None, document: str | None = None) -> str:
    """Let the plan of a run pass, as it is or as an edited ``document``; says what becomes of that.

    Args:
        run: whose plan.
        revision: of the plan that was looked at; ``None``: whatever is in force.
        document: the edited plan, YAML or JSON; ``None``: as it is.

    Raises:
        PlanError: the edited plan cannot be built; names every problem.
        UserError: no plan waits, or it is another one than was looked at.
    """
    from agent.human import edited
    from agent.run import config_of, rules_of

    plan = awaiting(run, revision)
    said = BUILD
    if document is not None:
        config = config_of(run.path, run.path.parents[1])
        changed = edited(document, plan, rules_of(config.spec, config.settings.max_components))
        said = BUILD if changed is plan else document
    Inbox(run.path).leave("plan", said, str(plan.revision))
    words = "approved" if said == BUILD else "edited and approved"
    return _taken_up(run, f"revision {plan.revision} of the plan is {words}")


def decline(run: RunInfo, revision: int | None = None) -> str:
    """Have the plan of a run not be built, which ends it; ``UserError`` as for :func:`let_pass`."""
    plan = awaiting(run, revision)
    Inbox(run.path).leave("plan", LEAVE, str(plan.revision))
    return _taken_up(run, f"revision {plan.revision} of the plan is declined")


def awaiting(run: RunInfo, revision: int | None = None) -> Plan:
    """The plan that waits to be let pass; ``UserError`` when none does, or when ``revision`` is another."""
    from agent.cli.story import load

    state = load(run.path)
    if state.plan is None:
        raise UserError(f"run {run.id} has no plan yet ({state.status}); wait until it has")
    if state.approved:
        raise UserError(f"the plan of run {run.id} was let pass already; pause or cancel the run to stop its building")
    if state.status not in ("running", "interrupted", "declined", "limit"):
        raise UserError(f"run {run.id} has ended ({state.status}), and its plan waits for nobody")
    if revision is not None and revision != state.plan.revision:
        raise UserError(
            f"that was revision {revision} of the plan, and revision {state.plan.revision} is in force; look at it first"
        )
    return state.plan


def pause(run: RunInfo) -> str:
    """Stop the process of a run in order, as Ctrl-C does: everything is journalled, and a resume goes on.

    ``UserError`` when there is none.
    """
    if not _told_to_stop(run):
        raise UserError(f"no process works on run {run.id} ({run.status}), so there is nothing to stop")
    return f"run {run.id} is stopping; it can be resumed"


def cancel(run: RunInfo) -> str:
    """End a run for good: stop its process, and say so in the journal. Only who names it can resume it.

    Blocks for at most ``STOP_SECONDS``. ``UserError`` when it has ended already, or its process does not stop.
    """
    if not is_live(run.path) and run.status not in ("interrupted", "limit"):
        raise UserError(f"run {run.id} has ended already ({run.status}), so there is nothing to cancel")
    _told_to_stop(run)
    deadline = time.monotonic() + STOP_SECONDS
    while is_live(run.path):
        if time.monotonic() > deadline:
            raise UserError(f"the process of run {run.id} is still stopping; cancel the run again in a while")
        time.sleep(_POLL_SECONDS)
    asyncio.run(_journal_end(run))
    return f"run {run.id} is cancelled"


async def _journal_end(run: RunInfo) -> None:
    from graphs.run_state import fold
    from graphs.values import to_json

    with SqliteJournal.open(run.path) as journal:
        state = fold(journal.events())
        if state.status not in ("running", "interrupted", "limit"):
            raise UserError(f"run {run.id} ended by itself before it could be cancelled ({state.status})")
        body = {"status": "cancelled", "usage": to_json(state.usage), "reason": "cancelled by the user"}
        revision = state.plan.revision if state.plan else 0
        await journal.append(Event(events.RUN_FINISHED, revision=revision, body=body))


def resume(run: RunInfo, retry: Sequence[str] = ()) -> str:
    """Go on with a run in a process of its own, which outlives this one. Plans wait there for somebody to let them pass.

    Args:
        run: which.
        retry: components that failed, and are to be tried as if they had not.

    Raises:
        UserError: a process works on it, or the new one ended at once; the sentence is its last line.
    """
    from agent.run import check_retry

    if is_live(run.path):
        raise UserError(f"a process works on run {run.id} already; pause it first")
    with SqliteJournal.read(run.path) as journal:
        check_retry(journal, retry)
        after = max((head.seq for head in journal.heads()), default=0)
        words = ["resume", run.id, "--ask-plan", "--json", *(word for name in retry for word in ("--retry", name))]
        process, log, before = _started(run, words)
        deadline = time.monotonic() + BIRTH_SECONDS
        while time.monotonic() < deadline and not any(journal.heads(after, events.RUN_RESUMED)):
            if process.poll() is not None and not any(journal.heads(after, events.RUN_RESUMED)):
                raise UserError(f"run {run.id} cannot go on: {_last_line(log, before)}")
            time.sleep(_POLL_SECONDS)
    return f"run {run.id} goes on"


def _started(run: RunInfo, words: Sequence[str]) -> tuple[subprocess.Popen[bytes], Path, int]:
    """A command in a process of its own, the file that takes what it says, and where in that its words begin."""
    log = run.path / SAID_BY_PROCESS
    with open(log, "ab") as said:
        before = said.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "agent.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, "AGENT_HOME": str(run.path.parents[1])},
            start_new_session=True,
        )
        return process, log, before


def _last_line(log: Path, after: int) -> str:
    """The last line that a process wrote."""
    with open(log, "rb") as file:
        file.seek(after)
        lines = file.read(100_000).decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else "its process ended without a word"


def _taken_up(run: RunInfo, said: str) -> str:
    return said if is_live(run.path) else f"{said}; resume the run to have it taken up"


def _told_to_stop(run: RunInfo) -> bool:
    """Whether a process worked on the run; it was sent the signal that ends it in order."""
    if not is_live(run.path):
        return False
    try:
        process = int((run.path / LOCK).read_text("ascii"))
    except (OSError, ValueError):
        raise UserError(f"which process works on run {run.id} is not known; stop it where it was started") from None
    if process > 1 and is_live(run.path):  # asked again: a number may be another's as soon as its process is gone
        try:
            os.kill(process, signal.SIGTERM)
        except ProcessLookupError:
            return False
        except PermissionError:
            raise UserError(
                f"the process {process} of run {run.id} is not yours; stop it where it was started"
            ) from None
    return True
