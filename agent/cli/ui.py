"""``agent ui``: the page of all runs, and of one run as a living picture, in a browser on this machine."""

from __future__ import annotations

import click


@click.command()
@click.argument("run", required=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Of this machine; any that is free when not given.",
)
@click.option("--open/--no-open", "opens", default=True, help="Open a browser.")
def ui(run: str | None, port: int, opens: bool) -> None:
    """Show runs in a browser: the plan as a living picture, components, tests, calls, and how the plan was cut again.

    The page is for this machine only: it is served on the loopback under an address with a random token, loads nothing from
    elsewhere, and ends with Ctrl-C. What the terminal can do to a run (approve or edit
    its plan, answer, say what is wrong, pause, resume, cancel, try a component again) it can, too.
    """
    import webbrowser

    from agent.store.runs import find_run, home
    from agent.web.server import serve

    chosen = find_run(home(), run).id if run else ""

    def ready(address: str) -> None:
        click.echo(f"{address}\n(Ctrl-C ends it; the address is secret: whoever has it can act on your runs)")
        if opens:
            webbrowser.open(address)

    serve(home(), port, ready, chosen)
