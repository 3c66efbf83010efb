"""What ``run``, ``resume`` and ``demo`` share: the flags of a run, the view beside it, its end and its exit status."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from agent.config import Resolved
    from agent.human import Terminal
    from agent.run import Listener, RunResult
    from graphs.draw import RunState
    from graphs.ports import Human
    from graphs.values import Spec

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT = {"passed": 0, "failed": 1, "declined": 1, "limit": 3, "interrupted": 130}
"""How a run ended → exit status (DESIGN §10)."""

SETTINGS = (
    click.option("--model", metavar="NAME", help="Model: a name, ollama:NAME, manual:DIR, replay:FILE, provider:NAME."),
    click.option("--base-url", metavar="URL", help="OpenAI-compatible server, such as http://127.0.0.1:8000/v1."),
    click.option("--strategy", metavar="NAME", help="How the model is asked."),
    click.option("--parallel", type=int, metavar="N", help="Calls to the model at once."),
    click.option("--sandbox", metavar="KIND", help="bubblewrap, or none (unsafe)."),
    click.option("--max-usd", type=float, metavar="X", help="Ceiling of money for the run."),
    click.option("--max-tokens", type=int, metavar="N", help="Ceiling of tokens for the run."),
    click.option("--max-seconds", type=float, metavar="S", help="Ceiling of wall time for the run."),
    click.option("--max-calls", type=int, metavar="N", help="Ceiling of model calls for the run."),
)


def settings_options(command: Command) -> Command:
    """Add the flags that override settings; they arrive as keyword arguments, ``None`` when not given."""
    for option in reversed(SETTINGS):
        command = option(command)
    return command


def view_options(command: Command) -> Command:
    """Add ``--json`` and ``--quiet``."""
    command = click.option("--quiet", is_flag=True, help="Print only how it ended.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")(command)


def resolve(flags: dict[str, Any]) -> Resolved:
    """Flags, environment and configuration files as settings; ``ConfigError`` names what is wrong."""
    from agent.config import load

    return load({k: v for k, v in flags.items() if v is not None}, os.environ, Path.cwd())


def see_through(
    go: Callable[[Human | None, Sequence[Listener]], RunResult],
    *,
    spec: Spec | None,
    slots: tuple[int, int],
    ask: bool,
    as_json: bool,
    quiet: bool,
    run_id: str = "",
    state: RunState | None = None,
) -> None:
    """Run ``go`` with a view beside it, print how it ended, and exit with the status that says so.

    Args:
        go: starts or resumes a run, given who approves and who listens.
        spec: for validating an edited plan; ``None`` when nobody can be asked.
        slots: model and test slots shown.
        ask: whether a person may be asked; only ever done at a terminal.
        as_json: print one object instead of words.
        quiet: print only the last line.
        run_id: known when resuming.
        state: what the journal of a resumed run knows already.
    """
    from agent.cli.live import LiveView, last_line, summary
    from agent.cli.output import make_console

    console = make_console(stderr=as_json)
    view = LiveView(
        console,
        run_id=run_id,
        state=state,
        quiet=quiet or as_json,
        model_slots=slots[0],
        test_slots=slots[1],
    )
    human = _terminal(spec, view) if ask and spec is not None and sys.stdin.isatty() and not as_json else None
    interrupted = False
    result = None
    with view:
        try:
            result = go(human, [view.on_event])
        except (KeyboardInterrupt, asyncio.CancelledError, click.Abort):
            interrupted = True
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end is told whole, however often Ctrl-C is pressed
            view.state.halt("stopped by a signal")
    run = result.run_id if result else view.run_id
    output = str(result.output) if result else str(view.state.settings.get("output") or "")
    status = "interrupted" if interrupted or result is None else result.status
    if as_json:
        from agent.cli.output import emit_json

        emit_json({"run": run, "status": status, **(_as_json(result) if result else {})})
    elif quiet:
        click.echo(last_line(view.state, output=output, run_id=run, typed=typed))
    else:
        click.echo()
        click.echo(summary(view.state, output=output, run_id=run, typed=typed), nl=False)
    sys.exit(EXIT[status])


def typed(program: str) -> str:
    """What to type in a shell for a program that is installed beside us: its name where that finds it, else its path."""
    ours = os.path.join(os.path.dirname(sys.executable), program)
    found = shutil.which(program)
    reached = found is not None and ours in (found, os.path.realpath(found))
    return program if reached or not os.access(ours, os.X_OK) else shlex.quote(ours)


def _terminal(spec: Spec, view: Any) -> Terminal:
    from functools import partial

    from agent.human import Terminal
    from agent.printable import printable
    from agent.run import check_component

    return Terminal(spec, partial(check_component, spec=spec), lambda text: click.echo(printable(text)), view.paused)


def _as_json(result: RunResult) -> dict[str, Any]:
    from graphs.values import to_json

    plan = result.plan
    return {
        "output": str(result.output),
        "reason": result.reason,
        "seconds": round(result.seconds, 3),
        "usage": to_json(result.usage),
        "entry": plan.entry if plan else "",
        "components": [
            {
                "id": c.id,
                "status": result.proofs[c.id].status
                if c.id in result.proofs
                else "blocked"
                if c.id in result.blocked
                else "pending",
                "blocked_by": result.blocked.get(c.id),
                "attempts": result.proofs[c.id].attempts if c.id in result.proofs else 0,
                "checks_passed": _passed(result, c.id),
                "reason": result.proofs[c.id].reason if c.id in result.proofs else "",
            }
            for c in (plan.components if plan else ())
        ],
        "integration": result.verdict.status if result.verdict else None,
    }


def _passed(result: RunResult, component_id: str) -> int:
    proof = result.proofs.get(component_id)
    return len(proof.verdict.passed) if proof and proof.verdict else 0
