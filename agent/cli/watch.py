"""``agent watch``: the live tree of a run that another process works on."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from agent.cli.running import EXIT, typed

if TYPE_CHECKING:
    from agent.cli.live import LiveView
    from agent.web.follow import Follower

_POLL_SECONDS = 0.5
_ENDED = (*EXIT, "planned", "cancelled", "unreadable")


@click.command()
@click.argument("run", required=False)
def watch(run: str | None) -> None:
    """Watch RUN until it ends, as the terminal that it was started in does, then say how it ended and exit as it did.

    Without a name: the newest run that is going on, else the newest of all. Ctrl-C leaves, and the run goes on. Where no terminal
    is, each event from now on is a line. For programs there are agent log --follow --json and agent show --json.
    """
    from agent.cli.live import summary
    from agent.store.inbox import Inbox
    from agent.store.runs import find_run, home
    from agent.web.follow import Follower

    info = find_run(home(), run, passing_over=_ENDED)
    follower = Follower(info.path)
    try:
        if follower.live:
            try:
                _follow(follower)
            except KeyboardInterrupt:
                click.echo(f"left; the run goes on, and to come back: {typed('agent')} watch {info.id}", err=True)
                sys.exit(EXIT["interrupted"])
            click.echo()
        state = follower.state
        output, late = str(state.settings.get("output") or ""), bool(Inbox(info.path).waiting())
        click.echo(summary(state, output=output, run_id=info.id, late=late, typed=typed), nl=False)
    finally:
        follower.close()
    sys.exit({**EXIT, "planned": EXIT["passed"], "cancelled": EXIT["interrupted"]}.get(state.status, EXIT["failed"]))


def _follow(follower: Follower) -> None:
    """Show the run until no process works on it any more."""
    from agent.cli.live import LiveView
    from agent.cli.output import make_console
    from graphs.text import plain

    state, settings = follower.state, follower.state.settings
    console = make_console()
    if not console.is_terminal:
        click.echo(f"watching {follower.reader.run_dir.name}: {plain(state.title, 100)}")
    view = LiveView(
        console,
        run_id=follower.reader.run_dir.name,
        state=state,
        elsewhere=True,
        model_slots=_count(settings.get("parallel")),
        test_slots=_count(settings.get("test_slots")),
    )
    _show(view, follower, 0, told=False)
    with view:
        while follower.live:
            time.sleep(_POLL_SECONDS)
            seen = state.seq
            with view.still():
                follower.poll()
                state.in_flight = {call.key for call in follower.reader.open_calls()} if follower.live else set()
            _show(view, follower, seen)


def _show(view: LiveView, follower: Follower, seen: int, told: bool = True) -> None:
    """Show what came after the event numbered ``seen``, as far as the follower has taken it in."""
    until = follower.state.seq
    for event in follower.reader.events(after=seen) if seen < until else ():
        if event.seq <= until:
            view.show(event, told)


def _count(setting: object) -> int:
    return setting if isinstance(setting, int) else 0
