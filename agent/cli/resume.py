"""``agent resume``: go on with a run that was interrupted, met a ceiling, or was answered since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agent.cli.running import carry_on, ceiling_options, human_options, typed, view_options

if TYPE_CHECKING:
    from agent.hand_edits import Policy


@click.command()
@click.argument("run", required=False)
@click.option(
    "--retry", multiple=True, metavar="COMPONENT", help="Try one that failed as if it had not; may be repeated."
)
@ceiling_options
@human_options
@view_options
def resume(
    run: str | None,
    retry: tuple[str, ...],
    yes: bool,
    no_feedback: bool,
    edits: Policy | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Go on with RUN (an id or its beginning; the newest when left out). What is in its journal is not paid again.

    Answers and feedback that were left for it (agent answer, agent feedback) are taken up first. A component that failed
    fails again in the same way unless something has changed; --retry has the model asked about it anew.
    """
    from agent.store.runs import find_run, home
    from graphs.errors import UserError

    info = find_run(home(), run, passing_over=("planned", "cancelled"))
    if run is None and info.status == "cancelled":
        raise UserError(f"run {info.id} was cancelled; go on with it all the same: {typed('agent')} resume {info.id}")
    carry_on(info, flags, yes=yes, no_feedback=no_feedback, edits=edits, as_json=as_json, quiet=quiet, retry=retry)
