"""``agent run``: from a spec to a tested repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.running import (
    COLLECTING,
    REPO,
    asked_about_edits,
    existing_in,
    human_options,
    resolve,
    see_through,
    settings_options,
    view_options,
)

if TYPE_CHECKING:
    from agent.hand_edits import Policy


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
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the model's answers to a recording for replay:FILE.",
)
@REPO
@settings_options
@COLLECTING
@human_options
@view_options
def run(
    spec: str,
    output: Path | None,
    plan_file: Path | None,
    record: Path | None,
    repo: Path | None,
    yes: bool,
    no_feedback: bool,
    edits: Policy | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Build what SPEC (a Markdown file, a directory with spec.md, or - for standard input) describes.

    With --repo, SPEC describes a change to the program in a git repository: the output is a clone of it, with what was
    built and proven on the branch stepgraph. The repository itself is only read.

    At a terminal you are asked to let the plan pass, what components cannot settle without you, and at the end what is
    wrong with the result. Elsewhere nothing is asked, unless --ask-plan has the plan wait for agent approve; agent answer
    and agent feedback say the rest later.

    With --json: {"version": 1, "run", "status", "output", "reason", "seconds", "usage", "entry", "components",
    "integration", "missing": [{id, status, reason}], "covered": {requirement: [ids of proven tests and examples]},
    "unproven": {requirement or test: why} (both null where nothing was delivered), "questions": [{id, component, text,
    options, asked, answer}], "feedback": [{ran, worked, perfect, text}], "revisions": [{revision, author, why, edits,
    stale, added, dropped}]}.
    Each component has "strength" (null, or {killed, total, left, lines, reached, reason}: how many changes of its code
    were noticed), "tests": [{id, outcome, provenance, requirements}] and "quarantined": {test: why}.
    Questions with asked false are those that would have been asked at a terminal; the one called "end" is for agent
    feedback, the others for agent answer.
    """
    from agent.cli.examples import user_directory
    from agent.cli.plan import read_plan_file
    from agent.run import RunConfig, start
    from agent.spec import read_spec
    from agent.store.runs import home, slug_of

    resolved = resolve(flags)
    settings = resolved.settings
    asked = read_spec(spec, sys.stdin.buffer)
    target = output or settings.output or Path(str(asked.settings.get("output") or slug_of(asked.title)))
    place = Path(os.path.abspath(target.expanduser()))
    existing = existing_in(repo)
    policy = asked_about_edits(place, edits, ask=not (yes or as_json or spec == "-"))
    config = RunConfig(
        spec=asked,
        output=place,
        settings=settings,
        home=home(),
        plan=read_plan_file(plan_file) if plan_file else None,
        record=Path.cwd() / record if record else None,
        exemplar_directory=user_directory(),
        edits=policy or "refuse",
        existing=existing,
    )
    see_through(
        lambda who, listeners: start(config, who, listeners),
        spec=asked if spec != "-" or not sys.stdin.isatty() else None,
        output=str(config.output),
        slots=(settings.parallel, settings.test_slots),
        asks_plan=not yes,
        waits=settings.ask_plan,
        asks_end=not no_feedback,
        max_components=settings.max_components,
        existing=existing,
        as_json=as_json,
        quiet=quiet,
    )
