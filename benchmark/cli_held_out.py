"""``agent bench held-out``: tell ``agent examples learn`` which tasks judge."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("held-out")
@click.argument("suite", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where it goes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def held_out(suite: Path | None, output: Path | None, as_json: bool) -> None:
    """Write down which tasks nothing may be learnt from: those in SUITE, or those that come with this program.

    SUITE is anything that tasks are read from. The file holds no text of a task, only what it is recognised by; give it to
    `agent examples learn --held-out FILE`. For the tasks that come with this program it is part of the program, and is
    written anew when they change.

    With --json: {"version": 1, "output", "tasks": [id]}.
    """
    from benchmark.held_out import bundled, of_suite
    from few_shot.held_out import SHIPPED, written
    from graphs.errors import UserError

    if suite is not None and output is None:
        raise UserError("the tasks of a suite of your own need a file of their own; name it with -o FILE")
    tasks = bundled() if suite is None else of_suite(suite)
    target = output or SHIPPED
    try:
        target.write_text(written(tasks), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{str(target)!r} cannot be written: {error.strerror or error}; name another file with -o"
        ) from error
    if as_json:
        from agent.cli.output import emit_json

        emit_json({"output": target, "tasks": [task.id for task in tasks]})
        return
    click.echo(f"{len(tasks)} tasks are kept out of learning ({target})")
