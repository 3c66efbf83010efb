"""``agent demo``: bundled specs, answered from recordings of live models. The plan, sandbox, tests and commits are real."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.running import resolve, see_through, view_options

if TYPE_CHECKING:
    from agent.demo import Demo

DELAY_SECONDS = 0.6
"""How long a replayed answer takes, so that the work can be watched; the live model took minutes in all."""


@click.command()
@click.argument("name", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where the repository goes (default: a new directory NAME-demo).",
)
@click.option("--sandbox", metavar="KIND", help="bubblewrap, or none (unsafe).")
@view_options
def demo(name: str | None, output: Path | None, as_json: bool, quiet: bool, **flags: Any) -> None:
    """Build a bundled specification without a key or a network.

    \b
    logq      a log-query tool of six components (when no NAME is given)
    changed   logq's specification has changed: rebuilds what that touches, in the directory that 'agent demo' made
    cellkit   a plan that does not hold, cut anew while it is built
    workdays  a test writer who gets expected values wrong, and how that is found out

    Live models' answers were recorded once, unedited. They are planned, built, tested and committed here as in any run.
    """
    from agent.cli.plan import read_plan_file
    from agent.demo import DEMOS
    from agent.run import RunConfig, start
    from agent.spec import read_spec
    from agent.store.runs import home
    from graphs.errors import UserError

    shown = DEMOS.get(name) if name else next(iter(DEMOS.values()))
    if shown is None:
        raise UserError(f"there is no demonstration {name!r}; there are {', '.join(DEMOS)}")
    # A recording that everybody has is nothing to collect.
    settings = resolve({**flags, "model": f"replay-loosely:{shown.recording}", "collect": False}).settings
    config = RunConfig(
        spec=read_spec(str(shown.spec)),
        output=Path(os.path.abspath(output)) if output else _place(shown),
        settings=settings,
        home=home(),
        plan=read_plan_file(shown.plan) if shown.plan else None,
        replay_delay=DELAY_SECONDS,
    )
    see_through(
        lambda human, listeners: start(config, human, listeners),
        spec=None,
        slots=(settings.parallel, settings.test_slots),
        as_json=as_json,
        quiet=quiet,
    )


def _place(shown: Demo) -> Path:
    """A new directory, or that of the demonstration it builds on; ``UserError`` when that was not run here."""
    from graphs.errors import UserError

    if not shown.builds_on:
        return _fresh(Path.cwd() / f"{shown.name}-demo")
    place = Path.cwd() / f"{shown.builds_on}-demo"
    if not place.is_dir():
        raise UserError(
            f"{shown.name!r} goes on with what 'agent demo {shown.builds_on}' built, and there is no {place.name!r} here; "
            "run that first, or name its output with -o"
        )
    return place


def _fresh(path: Path) -> Path:
    """``path``, or ``path-2``, ``path-3``… when it exists."""
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.name}-{number}"), number + 1
    return candidate
