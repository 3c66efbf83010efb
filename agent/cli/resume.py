"""``agent resume``: go on with a run that was interrupted or met a ceiling."""

from __future__ import annotations

from typing import Any

import click

from agent.cli.running import see_through, view_options


@click.command()
@click.argument("run", required=False)
@click.option("--max-usd", type=float, metavar="X", help="A new ceiling of money for the whole run.")
@click.option("--max-tokens", type=int, metavar="N", help="A new ceiling of tokens for the whole run.")
@click.option("--max-seconds", type=float, metavar="S", help="A new ceiling of wall time, from now.")
@click.option("--max-calls", type=int, metavar="N", help="A new ceiling of model calls for the whole run.")
@click.option("--parallel", type=int, metavar="N", help="Calls to the model at once.")
@click.option("--yes", is_flag=True, help="Do not ask before building.")
@view_options
def resume(run: str | None, yes: bool, as_json: bool, quiet: bool, **flags: Any) -> None:
    """Go on with RUN (an id or its beginning; the newest when left out). What is in its journal is not paid again."""
    from dataclasses import replace

    from agent.cli.story import load
    from agent.config import flag_values
    from agent.run import config_of
    from agent.run import resume as go_on
    from agent.store.runs import find_run, home

    changes = flag_values(flags)
    info = find_run(home(), run, passing_over=("planned",))
    config = config_of(info.path, home(), lambda old: replace(old, **changes))
    see_through(
        lambda human, listeners: go_on(home(), info.id, lambda old: replace(old, **changes), human, listeners),
        spec=config.spec,
        slots=(config.settings.parallel, config.settings.test_slots),
        ask=not yes,
        as_json=as_json,
        quiet=quiet,
        run_id=info.id,
        state=load(info.path),
    )
