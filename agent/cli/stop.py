"""``agent stop``: have a run pause, from any terminal, or end it for good."""

from __future__ import annotations

import click


@click.command()
@click.argument("run")
@click.option(
    "--cancel", "cancelled", is_flag=True, help="End it for good; agent resume without its name passes it over."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def stop(run: str, cancelled: bool, as_json: bool) -> None:
    """Stop the process that works on RUN in order, as Ctrl-C does: all is in the journal, and agent resume goes on.

    With --json: {"version": 1, "run", "said"}.
    """
    from agent.cli.output import emit_json
    from agent.steering import cancel, pause
    from agent.store.runs import find_run, home

    info = find_run(home(), run)
    said = cancel(info) if cancelled else pause(info)
    if as_json:
        emit_json({"run": info.id, "said": said})
    else:
        click.echo(said)
