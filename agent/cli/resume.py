"""``agent resume``: go on with a run that was interrupted, met a ceiling, or was answered since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agent.cli.running import carry_on, ceiling_options, human_options, view_options

if TYPE_CHECKING:
    from agent.hand_edits import Policy


@click.command()
@click.argument("run", required=False)
@ceiling_options
@human_options
@view_options
def resume(
    run: str | None, yes: bool, no_feedback: bool, edits: Policy | None, as_json: bool, quiet: bool, **flags: Any
) -> None:
    """Go on with RUN (an id or its beginning; the newest when left out). What is in its journal is not paid again.

    Answers and feedback that were left for it (agent answer, agent feedback) are taken up first.
    """
    from agent.store.runs import find_run, home

    info = find_run(home(), run, passing_over=("planned",))
    carry_on(info, flags, yes=yes, no_feedback=no_feedback, edits=edits, as_json=as_json, quiet=quiet)
