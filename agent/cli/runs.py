"""``agent runs``: all runs of this user, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent.store.runs import RunInfo


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many to show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def runs(limit: int, as_json: bool) -> None:
    """List the runs, newest first.

    With --json: {"version": 1, "total": number of all runs, "runs": [{id, path, status, title, started, seconds,
    passed, total, usd, output, reason}]}; started is in seconds since the epoch, usd is null when a price is unknown.
    """
    from agent.cli.output import emit_json
    from agent.store.runs import home, list_runs

    place = home()
    found = list_runs(place)
    shown = found[:limit]
    if as_json:
        emit_json({"total": len(found), "runs": shown})
        return
    if not found:
        click.echo(f"no runs yet under {place}; start one with: agent run SPEC.md")
        return
    _table(shown)
    if len(shown) < len(found):
        click.echo(f"… {len(found) - len(shown)} older; show more with --limit")


def _table(shown: list[RunInfo]) -> None:
    from agent.cli.story import duration, money
    from graphs.text import cells, plain

    rows = [("RUN", "STATUS", "PROVEN", "TIME", "COST", "TITLE")]
    for info in shown:
        rows.append(
            (
                plain(info.id, 60),
                plain(info.status, 20),
                f"{info.passed}/{info.total}" if info.total else "–",
                duration(info.seconds),
                money(info.usd),
                plain(info.reason if info.status == "unreadable" else info.title, 60),
            )
        )
    widths = [max(cells(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        padded = (text + " " * (width - cells(text)) for text, width in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())
