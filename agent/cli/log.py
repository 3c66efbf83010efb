"""``agent log``: the story of a run, one line per event."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from graphs.errors import UserError

if TYPE_CHECKING:
    from agent.store.journal import JournalReader
    from graphs.events import Event

_POLL_SECONDS = 0.5


@click.command()
@click.argument("run", required=False)
@click.option("--component", metavar="ID", help="Only what concerns this component.")
@click.option("--follow", is_flag=True, help="Wait for more until the run ends; Ctrl-C to leave.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: one event each.")
def log(run: str | None, component: str | None, follow: bool, as_json: bool) -> None:
    """Tell the story of a run (the newest when none is named). What a resumed run goes through again is told once.

    With --json each line is {"seq", "ts" (seconds since the epoch), "kind", "component", "revision", "body"}; the
    kinds and the keys of their bodies are listed in graphs/events.py.
    """
    from agent.cli.story import concerns, once
    from agent.store.journal import SqliteJournal
    from agent.store.runs import find_run, home

    with SqliteJournal.read(find_run(home(), run).path) as reader:
        if component is not None and not follow:
            _check(reader, component)
        began = 0.0
        stream = _stream(reader, follow)
        for event in stream if as_json else once(stream):
            began = began or event.ts
            if component is not None and not concerns(event, component):
                continue
            line = _json(event) if as_json else _words(event, began)
            if line:
                click.echo(line)


def _stream(reader: JournalReader, follow: bool) -> Iterator[Event]:
    from agent.store.journal import is_live

    seen = 0
    while True:
        live = is_live(reader.run_dir)  # asked first, so that the last events of a run that ends now are still read
        for event in reader.events(after=seen):
            seen = event.seq
            yield event
        if not (follow and live):
            return
        time.sleep(_POLL_SECONDS)


def _check(reader: JournalReader, component: str) -> None:
    known = dict.fromkeys(event.component for event in reader.heads() if event.component)
    if component not in known:
        from graphs.text import names

        there = f"there are {names(list(known), 20)}" if known else "no component was worked on yet"
        raise UserError(f"the log of run {reader.run_dir.name} tells nothing of a component {component!r}; {there}")


def _json(event: Event) -> str:
    return json.dumps(
        {
            "seq": event.seq,
            "ts": event.ts,
            "kind": event.kind,
            "component": event.component,
            "revision": event.revision,
            "body": event.body,
        }
    )


def _words(event: Event, began: float) -> str:
    from agent.cli.story import clock, tell
    from graphs.text import plain

    words = tell(event)
    who = f"{plain(event.component, 40)}: " if event.component else ""
    return f"{clock(event.ts - began):>8}  {who}{words}" if words else ""
