"""``agent plan``: only decompose; show the plan and write ``plan.yaml``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.running import REPO, existing_in, resolve, settings_options

if TYPE_CHECKING:
    from graphs.values import Plan, Spec

PLAN_FILE = Path("plan.yaml")
"""Where a plan goes, and is looked for, when no file is named."""


@click.command()
@click.argument("spec", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the plan goes.  [default: plan.yaml]")
@click.option(
    "--check",
    type=click.Path(path_type=Path),
    metavar="plan.yaml",
    help="Only say what is wrong with this plan (SPEC may be left out).",
)
@click.option(
    "--fewer",
    is_flag=True,
    help="Merge components as was offered; without SPEC, those of the plan that --check names (or plan.yaml).",
)
@click.option("--schema", is_flag=True, help="Print the JSON schema of plan.yaml.")
@click.option(
    "--record", type=click.Path(path_type=Path), metavar="FILE", help="Write the model's answers to a recording."
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@REPO
@settings_options
def plan(
    spec: str | None,
    output: Path | None,
    check: Path | None,
    fewer: bool,
    schema: bool,
    record: Path | None,
    repo: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Split SPEC into components, show them, and write plan.yaml to edit and to give to 'agent run --plan'.

    With --json: {"version": 1, "plan", "figures", "misfits": [what speaks against its size, in sentences], "fewer":
    null or [[ids of components that are offered as one]]}.
    """
    import json

    from graphs import document

    if schema:
        click.echo(json.dumps(document.schema(), indent=2))
        return
    if spec is None and check is None:
        if not fewer:
            raise click.UsageError("name a spec to plan for, or a plan to --check")
        check = PLAN_FILE
    from agent.spec import read_spec

    asked = read_spec(spec, sys.stdin.buffer) if spec is not None else None
    if check is not None:
        made = read_plan_file(check)
        _validate(made, asked, None if fewer else resolve(flags).settings.max_components)
        written = None
    else:
        from agent.cli.examples import user_directory
        from agent.cli.live import LiveView
        from agent.cli.output import make_console
        from agent.run import RunConfig, decompose
        from agent.store.runs import home

        assert asked is not None
        resolved = resolve(flags)
        config = RunConfig(
            spec=asked,
            output=Path.cwd(),
            settings=resolved.settings,
            home=home(),
            record=Path.cwd() / record if record else None,
            exemplar_directory=user_directory(),
            existing=existing_in(repo),
        )
        written = output or PLAN_FILE
        check_place(written)
        with LiveView(make_console(stderr=True), quiet=as_json, transient=True) as view:
            made = decompose(config, [view.on_event])
        write_plan_file(written, made)
    if fewer and (merged := _merged(made, asked)) is not None:
        written = output or check or PLAN_FILE
        write_plan_file(written, merged)
        made = merged
    elif fewer:
        click.echo("nothing to merge: it is not cut too finely, or no two parts fit one", err=True)
    _show(made, as_json)
    if written is not None:
        again = f" --repo {repo}" if repo else ""
        click.echo(
            f"written to {str(written)!r}; edit it, then: agent run {spec or 'SPEC.md'} --plan {written}{again}",
            err=as_json,
        )


def read_plan_file(path: Path) -> Plan:
    """The plan in a file; ``PlanError`` or ``UserError`` in one sentence when it cannot be read."""
    from graphs import document
    from graphs.errors import PlanError, UserError

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(
            f"the plan {str(path)!r} cannot be read: {reason}; make one with 'agent plan SPEC.md'"
        ) from error
    try:
        return document.parse(text)
    except PlanError as error:
        raise PlanError(f"{path}: {problem}" for problem in error.problems) from None


def check_place(path: Path) -> None:
    """``UserError`` when no file can be written there: said before the plan is paid for."""
    from graphs.errors import UserError

    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"no plan can be written to {str(path)!r}; name a file in a writable directory with -o")


def write_plan_file(path: Path, plan: Plan) -> None:
    """Write a plan, whole or not at all."""
    from graphs import document
    from graphs.errors import UserError

    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_text(document.dump(plan), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"the plan cannot be written to {str(path)!r}: {error.strerror}; name another file with -o"
        ) from error


def _validate(plan: Plan, spec: Spec | None, max_components: int | None) -> None:
    from functools import partial

    from agent.run import check_component
    from graphs import dag
    from graphs.errors import PlanError

    if found := dag.problems(plan, spec, partial(check_component, spec=spec), max_components):
        raise PlanError(found)


def _merged(plan: Plan, spec: Spec | None) -> Plan | None:
    """The plan with the merges that are offered for it, if any."""
    from functools import partial

    from agent.run import check_component
    from graphs import dag, edits

    merges = dag.fewer(plan)
    if merges is None:
        return None
    return edits.apply(plan, merges, spec=spec, check_component=partial(check_component, spec=spec))


def _show(plan: Plan, as_json: bool) -> None:
    from agent.printable import printable
    from graphs import dag, draw, run_graph

    if as_json:
        from agent.cli.output import emit_json
        from graphs import document
        from graphs.values import to_json

        merges = dag.fewer(plan)
        emit_json(
            {
                "plan": document.to_data(plan),
                "figures": to_json(dag.figures(plan)),
                "misfits": dag.misfits(plan),
                "fewer": merges and [edit.components for edit in merges.edits if edit.kind == "merge"],
            }
        )
        return
    click.echo(printable(draw.tree(plan)))
    for line in run_graph.describe(plan):
        click.echo(printable(line))
