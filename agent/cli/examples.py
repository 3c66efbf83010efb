"""``agent examples``: the library of right-sized plans that the planner is shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.learn import adopt, learn

if TYPE_CHECKING:
    from few_shot.exemplar import Exemplar

DIRECTORY = "plans"
"""Name of the user's own library, below ``$AGENT_HOME`` or the platform's directory for user data."""


@click.group()
def examples() -> None:
    """The library of right-sized plans.

    Plans of the kinds that come closest to a specification are shown to the model before it writes its own. Your own
    examples stand beside those that are shipped.
    """


examples.add_command(learn)
examples.add_command(adopt)


@examples.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def list_(as_json: bool) -> None:
    """List all examples with the figures of their plans.

    With --json: {"version": 1, "examples": [{name, kind, tags, components, depth, width, requirements, wrong_size,
    path}]}; wrong_size says whether it has a counter-example.
    """
    from agent.cli.output import emit_json
    from few_shot.exemplar import library

    rows = [_summary(e) for e in library(user_directory())]
    if as_json:
        emit_json({"examples": rows})
        return
    _table(rows)


@examples.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(name: str, as_json: bool) -> None:
    """Show one example as the model sees it.

    With --json: {"version": 1, the keys of `list`, "task", "plan", "plan_text", "why", "wrong_size_text", "prompt"}.
    """
    from agent.cli.output import emit_json
    from agent.printable import printable
    from few_shot.exemplar import as_prompt
    from graphs import document

    exemplar = _named(name)
    if not as_json:
        click.echo(printable(as_prompt(exemplar)), nl=False)
        return
    emit_json(
        {
            **_summary(exemplar),
            "task": exemplar.task,
            "plan": document.to_data(exemplar.plan),
            "plan_text": exemplar.plan_text,
            "why": exemplar.why,
            "wrong_size_text": exemplar.wrong_size,
            "prompt": as_prompt(exemplar),
        }
    )


@examples.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def add(file: Path, as_json: bool) -> None:
    """Check an example and copy it into your own library.

    It is refused when anything is wrong with it, or when an example of that name is there already.
    With --json: {"version": 1, "added": name, "path"}.
    """
    from agent.cli.output import emit_json
    from few_shot.exemplar import load

    exemplar = load(file)
    target = take_in(exemplar)
    if as_json:
        emit_json({"added": exemplar.name, "path": target})
        return
    click.echo(f"added {exemplar.name} ({target})")


@examples.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Check examples: the given files, or the whole library. Exit status 1 when something is wrong.

    Their plans are held to the same rules as the plans of a run.
    With --json: {"version": 1, "checked": how many, "problems": [sentences]}.
    """
    from agent.cli.output import emit_json
    from agent.printable import printable
    from few_shot.exemplar import BUNDLED, ExemplarError, exemplar_files, load

    found: list[str] = []
    names: dict[str, Path] = {}
    paths = list(files) or [*exemplar_files(BUNDLED), *exemplar_files(user_directory())]
    for path in paths:
        try:
            exemplar = load(path)
        except ExemplarError as error:
            found += error.problems
            continue
        found += exemplar_problems(exemplar)
        first = names.setdefault(exemplar.name, exemplar.path)
        if first != exemplar.path:
            found.append(f"{path}: front matter: the name {exemplar.name!r} is that of {first} too; give it another")
    if as_json:
        emit_json({"checked": len(paths), "problems": found})
    else:
        for problem in found:
            click.echo(printable(problem))
        noun = "example" if len(paths) == 1 else "examples"
        click.echo(f"{len(paths)} {noun} checked, {len(found) or 'no'} {'problem' if len(found) == 1 else 'problems'}")
    if found:
        raise SystemExit(1)


def take_in(exemplar: Exemplar) -> Path:
    """Copy an exemplar into the user's own library; returns where it is now.

    ``ExemplarError`` when anything is wrong with it, ``UserError`` when there is one of that name or it cannot be written.
    """
    from few_shot.exemplar import ExemplarError, library
    from graphs.errors import UserError

    if found := exemplar_problems(exemplar):
        raise ExemplarError(found)
    directory = user_directory()
    for other in library(directory):
        if other.name == exemplar.name:
            raise UserError(
                f"there is an example {exemplar.name!r} already ({other.path}); rename yours or delete that file"
            )
    target = directory / f"{exemplar.name}.md"
    _copy(exemplar.path, target)
    return target


def user_directory() -> Path:
    """Where the user's own examples are: ``plans`` in ``$AGENT_HOME`` or in the platform's directory for user data."""
    chosen = os.environ.get("AGENT_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute() / DIRECTORY
    from platformdirs import user_data_path

    return user_data_path("stepgraph") / DIRECTORY


def exemplar_problems(exemplar: Exemplar) -> list[str]:
    """What is wrong with an exemplar, held to the rules on the plans of a run; a sentence each."""
    from agent.run import check_component
    from few_shot.exemplar import problems

    return problems(exemplar, check_component)


def _named(name: str) -> Exemplar:
    from difflib import get_close_matches

    from few_shot.exemplar import library
    from graphs.errors import UserError

    known = {e.name: e for e in library(user_directory())}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise UserError(f"there is no example {name!r}; {hint}")
    return known[name]


def _summary(exemplar: Exemplar) -> dict[str, Any]:
    from graphs import dag

    figures = dag.figures(exemplar.plan)
    return {
        "name": exemplar.name,
        "kind": exemplar.kind,
        "tags": list(exemplar.tags),
        "components": figures.components,
        "depth": figures.depth,
        "width": figures.width,
        "requirements": len(exemplar.plan.requirements),
        "wrong_size": bool(exemplar.wrong_size),
        "path": str(exemplar.path),
    }


def _table(rows: list[dict[str, Any]]) -> None:
    keys = ("name", "kind", "components", "depth", "width", "requirements")
    cells = [tuple(key.upper() for key in keys), *(tuple(str(row[key]) for key in keys) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(keys))]
    for line in cells:
        padded = (c.rjust(w) if i > 1 else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        click.echo("  ".join(padded).rstrip())


def _copy(source: Path, target: Path) -> None:
    """Copy whole or not at all; never over a file that is there."""
    from graphs.errors import UserError

    try:
        content = source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            try:
                file.write(content)
                file.flush()
            except OSError:
                target.unlink()
                raise
    except FileExistsError:
        raise UserError(f"{target} exists already and holds another example; move or delete it first") from None
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror or error}") from None
