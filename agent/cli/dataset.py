"""``agent dataset``: the runs recorded on this machine. Nothing here sends anything anywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.output import emit_json

if TYPE_CHECKING:
    from agent.dataset.redact import Layer

RUNS = click.argument("runs", nargs=-1, metavar="[RUN]...")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group()
def dataset() -> None:
    """The runs recorded on this machine: look, export, redact, delete.

    A run that has ended is recorded with its prompts, answers, plan, verdicts, files and labels; secrets of the environment and of .env
    are taken out while it is written. Nothing leaves the machine but what you export and hand on yourself.

    Recording is off with --no-collect, AGENT_COLLECT=0, DO_NOT_TRACK=1, or collect = false in agent.toml. The journals of runs, which
    resuming needs, stay in any case and are no part of this.
    """


@dataset.command()
@JSON
def status(as_json: bool) -> None:
    """Say whether runs are recorded and why, and what there is.

    With --json: {"version": 1, "collect", "origin", "path", "records", "unreadable", "bytes", "since", "status": {how runs ended: how
    many}, "labels": {own_tests, ran, worked, perfect, hidden: {what was said: how many}}}.
    """
    from agent.cli.running import resolve
    from agent.dataset.store import directory, stock
    from agent.printable import printable
    from agent.store.runs import home
    from graphs.values import to_json

    resolved = resolve({})
    collect, origin = resolved.settings.collect, resolved.origin["collect"]
    place, found = directory(home()), stock(home())
    if as_json:
        emit_json({"collect": collect, "origin": origin, "path": place, **to_json(found)})
        return
    lines = [
        f"recording  {'on' if collect else 'off'} ({origin})",
        f"place      {place}",
        f"records    {found.records}, {_size(found.bytes)}" + f", since {found.since[:10]}" * bool(found.since),
    ]
    lines += [f"damaged    {found.unreadable} (or newer than this program)"] * bool(found.unreadable)
    lines += [f"ended      {_counts(found.status)}"] * bool(found.status)
    lines += [f"{_WHO[name]:10} {_counts(counts)}" for name, counts in found.labels.items() if counts]
    click.echo(printable("\n".join(lines)))


@dataset.command()
@RUNS
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR|FILE", help="Where to.")
@click.option("--format", "form", type=click.Choice(("jsonl", "chat", "parquet")), default="jsonl", show_default=True)
@click.option("--passing", is_flag=True, help="Only runs that passed.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Only runs that began on that day or later."
)
@click.option("--licence", type=click.Choice(("private", "CC0-1.0", "CC-BY-4.0")), default="private", show_default=True)
@JSON
def export(
    runs: tuple[str, ...], output: Path, form: Any, passing: bool, since: Any, licence: str, as_json: bool
) -> None:
    """Write records (all, or those of RUN...) as files, redacted, with a card and an account of what was blanked.

    \b
    jsonl    whole records, one in a line, with their texts
    chat     conversations of passing runs for training, in the form OpenAI takes
    parquet  a table of calls and one of runs (needs the extra [dataset])

    The stored records stay as they are. Read what you export before you hand it on.

    With --json: {"version": 1, "files", "records", "rows", "redacted": {kind: how many places}}.
    """
    from agent.dataset.export import Wish
    from agent.dataset.export import export as write
    from agent.dataset.store import chosen
    from agent.store.runs import home

    wish = Wish(form, licence, passing, since.strftime("%Y-%m-%d") if since else "")
    done = write(home(), chosen(home(), runs), output.absolute(), wish, _layers())
    if as_json:
        emit_json(
            {"files": list(map(str, done.files)), "records": done.records, "rows": done.rows, "redacted": done.redacted}
        )
        return
    click.echo(f"{done.records} runs, {done.rows} rows: {', '.join(map(str, done.files))}")
    click.echo(f"blanked: {_counts(done.redacted) or 'nothing'}; no search finds everything, so read before you share")


@dataset.command()
@RUNS
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would be blanked.")
@JSON
def redact(runs: tuple[str, ...], dry: bool, as_json: bool) -> None:
    """Blank in the stored records (all, or those of RUN...) what an export blanks. There is no way back.

    A record that is written again, because its run goes on, is redacted in the same way. With --json: {"version": 1, "records",
    "dry_run", "redacted": {kind: how many places}}.
    """
    from collections import Counter

    from agent.dataset.store import chosen, redact_stored
    from agent.store.runs import home

    layers, found = _layers(), Counter[str]()
    names = chosen(home(), runs)
    for name in names:
        found.update(redact_stored(home(), name, layers, dry))
    if as_json:
        emit_json({"records": len(names), "dry_run": dry, "redacted": dict(sorted(found.items()))})
        return
    would = "would be blanked" if dry else "blanked"
    click.echo(f"{len(names)} records; {would}: {_counts(dict(sorted(found.items()))) or 'nothing'}")


@dataset.command()
@RUNS
@click.option("--all", "everything", is_flag=True, help="All records.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def delete(runs: tuple[str, ...], everything: bool, yes: bool, as_json: bool) -> None:
    """Delete the records of RUN..., or all of them. The runs themselves and their journals stay.

    A run that goes on after that is recorded again, unless recording is off. With --json: {"version": 1, "deleted": how many}.
    """
    from agent.dataset.store import chosen
    from agent.dataset.store import delete as take_away
    from agent.store.runs import home
    from graphs.errors import UserError

    if bool(runs) == everything:
        raise UserError("say which records: name runs, or all of them with --all")
    names = chosen(home(), runs)
    if not yes and names:
        if as_json or not sys.stdin.isatty():
            raise UserError(f"{len(names)} records would be deleted, and nobody is there to ask; say so with --yes")
        click.confirm(f"Delete {len(names)} records?", abort=True)
    count = take_away(home(), names)
    if as_json:
        emit_json({"deleted": count})
    else:
        click.echo(f"{count} records deleted")


@dataset.command()
def schema() -> None:
    """Print the JSON schema of a record."""
    from agent.dataset.export import SCHEMA_FILE

    click.echo(SCHEMA_FILE.read_text("utf-8"), nl=False)


_WHO = {"own_tests": "own tests", "ran": "ran", "worked": "worked", "perfect": "perfect", "hidden": "hidden"}


def _layers() -> dict[str, Layer]:
    from agent.dataset.redact import of_this_machine
    from agent.dataset.scrub import secrets_of

    return of_this_machine(secrets_of(os.environ, Path.cwd()))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _size(count: int) -> str:
    amount, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
