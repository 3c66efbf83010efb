"""``agent run``: from a spec to a tested repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from agent.cli.running import resolve, see_through, settings_options, view_options


@click.command()
@click.argument("spec")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where the repository goes (default: named after the spec)."
)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    metavar="plan.yaml",
    help="Build this plan instead of asking for one.",
)
@click.option("--yes", is_flag=True, help="Do not ask before building.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the model's answers to a recording for replay:FILE.",
)
@settings_options
@view_options
def run(
    spec: str,
    output: Path | None,
    plan_file: Path | None,
    yes: bool,
    record: Path | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Build what SPEC (a Markdown file, a directory with spec.md, or - for standard input) describes."""
    from agent.cli.examples import user_directory
    from agent.cli.plan import read_plan_file
    from agent.run import RunConfig, start
    from agent.spec import read_spec
    from agent.store.runs import home, slug_of

    resolved = resolve(flags)
    settings = resolved.settings
    asked = read_spec(spec, sys.stdin.buffer)
    target = output or settings.output or Path(str(asked.settings.get("output") or slug_of(asked.title)))
    config = RunConfig(
        spec=asked,
        output=Path(os.path.abspath(target.expanduser())),
        settings=settings,
        home=home(),
        plan=read_plan_file(plan_file) if plan_file else None,
        record=Path.cwd() / record if record else None,
        exemplar_directory=user_directory(),
    )
    see_through(
        lambda human, listeners: start(config, human, listeners),
        spec=asked,
        slots=(settings.parallel, settings.test_slots),
        ask=not yes and spec != "-",
        as_json=as_json,
        quiet=quiet,
    )
