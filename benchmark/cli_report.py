"""``agent experiment report`` and ``agent bench results``: what experiments say, for people and for programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchmark.report import Report

FORMATS = {".txt": "text", ".md": "markdown", ".html": "html", ".json": "json"}
"""Ending of a file → the format that it takes."""


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS.values())),
    help="By the ending of FILE, or text, when not given.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE, whole or not at all."
)
def report(directory: Path, form: str | None, output: Path | None) -> None:
    """Say what the results of an experiment in DIR are, while it runs or when it has ended.

    Verdicts follow the rule that was fixed before the first run; a part of the runs decides nothing that the rule does not let
    it decide. The HTML form is one file that needs no other; its links lead to the runs from where it is written.

    The JSON form: {"version": 1, "name", "title", "baseline", "repeats", "rule", "program", "tasks", "progress": {state, sentence,
    ended, planned, lost, void, usd, look…}, "arms": {NAME: {digest, settings, exemplars, models, simulated, rate, usd…}},
    "decisions": {NAME: {verdict, reason, difference, interval, p_holm, detectable…}}, "undecided": {NAME: why}, "needed", "groups",
    "matrix", "flips"}. Shares are from 0 to 1; null is unknown.

    The exit status is 0 whatever the verdicts are.
    """
    from benchmark.ledger import read_ledger
    from benchmark.report import report as computed
    from graphs.errors import UserError

    if form is None and output is not None:
        if output.suffix not in FORMATS:
            raise UserError(
                f"the ending of {str(output)!r} names no format; use one of {', '.join(FORMATS)}, or say --format"
            )
        form = FORMATS[output.suffix]
    text = _written(computed(read_ledger(directory)), form or "text", directory, output)
    if output is None:
        click.echo(text, nl=False)
        return
    from benchmark.results import write

    write(output, text)
    click.echo(f"wrote {output}", err=True)


def _written(found: Report, form: str, directory: Path, output: Path | None) -> str:
    import json
    import os

    from benchmark import report_text

    if form == "json":
        return json.dumps(found.as_data(), indent=1, allow_nan=False) + "\n"
    if form == "markdown":
        return report_text.as_markdown(found)
    if form == "html":
        from benchmark.report_html import as_html

        return as_html(found, os.path.relpath(directory, output.parent if output else Path.cwd()))
    return report_text.as_text(found)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="[DIR]", required=False)
@click.option(
    "--check", "check_only", is_flag=True, help="Write nothing; exit 1 when the file is not what would be written."
)
def results(directory: Path | None, check_only: bool) -> None:
    """Write RESULTS.md from the reports kept in DIR: the best configuration for each model and size of task, with the evidence.

    DIR holds reports in their JSON form, as agent experiment report DIR -o NAME.json writes them; RESULTS.md lies beside it. The
    reports that come with this program are taken when it is not given.

    The exit status is 0; with --check it is 1 when RESULTS.md is not what the reports say.
    """
    from benchmark.results import KEPT, as_markdown, check, place_of, read_kept, write
    from graphs.errors import UserError

    if directory is not None and not directory.is_dir():
        raise UserError(f"{str(directory)!r} is no directory; name one that holds reports in their JSON form")
    kept = directory or KEPT
    if check_only:
        if problem := check(kept):
            click.echo(problem, err=True)
            sys.exit(1)
        return
    write(place_of(kept), as_markdown(read_kept(kept)))
    click.echo(f"wrote {place_of(kept)}", err=True)
