"""``agent demo``: the bundled spec, answered from a recording of a live model. The plan, sandbox, tests and commits are real."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from agent.cli.running import resolve, see_through, view_options

DELAY_SECONDS = 0.6
"""How long a replayed answer takes, so that the work can be watched; the live model took minutes in all."""


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where the repository goes (default: a new directory logq-demo).",
)
@click.option("--sandbox", metavar="KIND", help="bubblewrap, or none (unsafe).")
@view_options
def demo(output: Path | None, as_json: bool, quiet: bool, **flags: Any) -> None:
    """Build the bundled specification (a log-query tool of several components) without a key or a network.

    A live model's answers were recorded once, unedited. They are planned, built, tested and committed here as in any run.
    """
    from agent.demo import RECORDING, SPEC
    from agent.run import RunConfig, start
    from agent.spec import read_spec
    from agent.store.runs import home

    settings = resolve({**flags, "model": f"replay-loosely:{RECORDING}"}).settings
    config = RunConfig(
        spec=read_spec(str(SPEC)),
        output=Path(os.path.abspath(output)) if output else _fresh(Path.cwd() / "logq-demo"),
        settings=settings,
        home=home(),
        replay_delay=DELAY_SECONDS,
    )
    see_through(
        lambda human, listeners: start(config, human, listeners),
        spec=None,
        slots=(settings.parallel, settings.test_slots),
        ask=False,
        as_json=as_json,
        quiet=quiet,
    )


def _fresh(path: Path) -> Path:
    """``path``, or ``path-2``, ``path-3``… when it exists."""
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.name}-{number}"), number + 1
    return candidate
