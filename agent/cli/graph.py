"""``agent graph``: a plan, or a run with what is known of each component, drawn."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graphs.errors import UserError

if TYPE_CHECKING:
    from graphs.run_state import RunState
    from graphs.values import Plan

FORMATS = ("tree", "mermaid", "dot", "svg", "json")
PAGE = "html"
"""A run as one file for a browser, with everything that `agent ui` shows of it."""
_WIDTH = 100


@click.command()
@click.argument("what", metavar="[RUN|PLAN.yaml]", required=False)
@click.option(
    "--format", "form", type=click.Choice((*FORMATS, PAGE)), default="tree", show_default=True, help="How to draw it."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to this file instead of the terminal.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def graph(what: str | None, form: str, output: str | None, as_json: bool) -> None:
    """Draw a plan, or a run with the state of each component.

    A name that ends in .yaml or .yml, or that exists, is a plan file (or a directory that a run delivered to); anything
    else is a run. Without a name: the newest run.

    The html is one file for a browser: the page of `agent ui`, read-only, offline, with prompts, answers and code in it.

    The JSON holds "version", "title", "revision", "entry", "figures", "critical_path", "components" (with "state" null
    for a plan), and of a run "covered" {requirement: [ids of proven tests and examples]} and "unproven" {requirement or
    test: why}, both null before there is a delivery.
    """
    if form == PAGE and not as_json:
        text = _page(what)
    else:
        plan, state = _read(what)
        text = draw_as("json" if as_json else form, plan, state, _width() if output is None else _WIDTH)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(Path(output), text)


def draw_as(form: str, plan: Plan, state: RunState | None, width: int = _WIDTH) -> str:
    """``plan`` in one of ``FORMATS``, with what is known of its run; ends in a newline and is safe to print."""
    from graphs import draw

    states = state.components if state else draw.NOBODY_RUNS_IT
    match form:
        case "mermaid":
            return draw.mermaid(plan, states)
        case "dot":
            return draw.dot(plan, states)
        case "svg":
            return draw.svg(plan, states)
        case "json":
            from agent.cli.story import proven_data

            return json.dumps({**draw.as_json(plan, states), **proven_data(state)}, indent=2) + "\n"
        case _:
            return draw.tree(plan, states, width)


def _page(what: str | None) -> str:
    from agent.store.runs import find_run, home
    from agent.web.page import exported

    if what is not None and (Path(what).is_file() or Path(what, ".agent", "plan.yaml").is_file()):
        raise UserError(f"a page is made of a run, and {what!r} is a plan; name a run, or draw the plan as svg")
    return exported(find_run(home(), what).path)


def _read(what: str | None) -> tuple[Plan, RunState | None]:
    if what is not None:
        path = Path(what)
        delivered = path / ".agent" / "plan.yaml"
        if delivered.is_file():
            return _sound_plan(delivered), None
        if path.suffix.lower() in (".yaml", ".yml") or path.is_file():
            return _sound_plan(path), None
    from agent.cli.story import load
    from agent.store.runs import find_run, home

    found = find_run(home(), what)
    state = load(found.path)
    if state.plan is None:
        raise UserError(f"run {found.id} has no plan yet; `agent log {found.id}` tells how far it came")
    return state.plan, state


def _sound_plan(path: Path) -> Plan:
    """The sound plan in ``path``; ``UserError`` when it cannot be read, ``PlanError`` when it breaks a rule."""
    from agent.cli.plan import read_plan_file
    from graphs import dag
    from graphs.errors import PlanError

    plan = read_plan_file(path)
    if found := dag.problems(plan):
        raise PlanError(found)
    return plan


def _width() -> int:
    return max(shutil.get_terminal_size((_WIDTH, 24)).columns, 40) if sys.stdout.isatty() else _WIDTH


def _write(path: Path, text: str) -> None:
    """All of it or nothing: a viewer that watches the file never sees half a picture."""
    try:
        descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be written: {error.strerror or error}; choose another -o") from error
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(scratch, 0o666 & ~mask)
        os.replace(scratch, path)
    except OSError as error:
        Path(scratch).unlink(missing_ok=True)
        raise UserError(f"{str(path)!r} cannot be written: {error.strerror or error}; choose another -o") from error
