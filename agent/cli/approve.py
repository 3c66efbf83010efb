"""``agent approve``: let the plan of a run pass that waits for it, edit it, or have it not be built."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from graphs.errors import UserError


@click.command()
@click.argument("run")
@click.option(
    "--plan",
    "plan_file",
    metavar="FILE|-",
    help="Build this edited plan instead; --show gives what to edit.",
)
@click.option("--show", "shown", is_flag=True, help="Print the plan that waits, as YAML, and decide nothing.")
@click.option("--no", "declined", is_flag=True, help="Do not build it; the run ends.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def approve(run: str, plan_file: str | None, shown: bool, declined: bool, as_json: bool) -> None:
    """Let the plan of RUN pass, wherever the run asks for it: at a terminal, on the page, or nowhere (agent run --ask-plan).

    An edited plan is checked by the same rules as any other. A run that is going on takes the word up at once; for any
    other, agent resume goes on with it.

    With --json: {"version": 1, "run", "live": whether the run is going on, "said"}.
    """
    from agent.cli.output import emit_json
    from agent.printable import printable
    from agent.steering import awaiting, decline, let_pass
    from agent.store.journal import is_live
    from agent.store.runs import find_run, home
    from graphs import document

    if sum((declined, shown, plan_file is not None)) > 1:
        raise UserError("of --plan, --show and --no only one can be meant; leave the others out")
    info = find_run(home(), run)
    if shown:
        click.echo(printable(document.dump(awaiting(info))), nl=False)
        return
    said = decline(info) if declined else let_pass(info, document=None if plan_file is None else _read(plan_file))
    if as_json:
        emit_json({"run": info.id, "live": is_live(info.path), "said": said})
    else:
        click.echo(said)


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"the plan {name!r} cannot be read: {reason}; name a YAML file") from error
