"""``agent feedback``: say what is wrong with the result of a run, and have it mended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.running import carry_on, ceiling_options, human_options, typed, view_options
from graphs.errors import JournalError, UserError

if TYPE_CHECKING:
    from agent.hand_edits import Policy
    from agent.store.runs import RunInfo


@click.command()
@click.argument("run")
@click.argument("text", metavar='"TEXT"|-')
@ceiling_options
@human_options
@view_options
def feedback(
    run: str,
    text: str,
    yes: bool,
    no_feedback: bool,
    edits: Policy | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Say what is wrong with what RUN delivered (TEXT, or - for standard input), and go on with the run.

    What you say becomes part of the specification, fenced examples in it included; the plan is cut anew for it, and
    only what that changes is built again. While the run is still going on, it takes your words up at its end.

    With --json: as agent run, or, for a run that is going on, {"version": 1, "run", "live": true}.
    """
    from agent.cli.output import emit_json
    from agent.config import flag_values
    from agent.store.inbox import Inbox
    from agent.store.journal import is_live
    from agent.store.runs import find_run, home

    info = find_run(home(), run)
    check_feedback(info)
    flag_values(flags)  # a bad one is said before anything is left
    said = sys.stdin.buffer.read().decode("utf-8", "replace") if text == "-" else text
    inbox = Inbox(info.path)
    inbox.leave("feedback", said)
    try:
        if not is_live(info.path):  # asked last: a run that ended while this was left would not take it up
            carry_on(info, flags, yes=yes, no_feedback=no_feedback, edits=edits, as_json=as_json, quiet=quiet)
    except JournalError:
        if not is_live(info.path):  # else another process was quicker to go on with it
            raise
    except UserError as error:
        if not inbox.waiting():
            raise
        raise UserError(f"{error}; what you said is kept for it: {typed('agent')} resume {info.id}") from error
    if as_json:
        emit_json({"run": info.id, "live": True})
    elif not quiet:
        click.echo(f"run {info.id} is going on; it takes that up at its end")


def check_feedback(info: RunInfo) -> None:
    """``UserError`` for a run that has nothing one could say something about."""
    from agent.hand_edits import check_newest

    if info.status == "unreadable":
        raise UserError(f"run {info.id} cannot be read: {info.reason}")
    if info.status == "planned":
        raise UserError(f"run {info.id} only made a plan; build it with: {typed('agent')} run SPEC.md --plan plan.yaml")
    if info.output:
        check_newest(Path(info.output), info.id)
