"""What the commands that work on a run share: its flags, the view beside it, its end and its exit status."""

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
    from agent.existing import Existing
    from agent.hand_edits import Policy
    from agent.run import Listener, RunResult, Who
    from agent.store.inbox import Inbox
    from agent.store.runs import RunInfo
    from graphs.events import Event
    from graphs.ports import Human
    from graphs.run_state import RunState
    from graphs.values import Spec

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT = {"passed": 0, "failed": 1, "declined": 1, "limit": 3, "interrupted": 130}
"""How a run ended → exit status (DESIGN §10)."""

PROVING = (
    click.option("--candidates", type=int, metavar="K", help="Independent programs to write for each component."),
    click.option("--mutants", type=int, metavar="N", help="Changes of the code to try tests on; 0: none."),
)
"""How much is done so that tests can be trusted."""

SETTINGS = (
    click.option("--model", metavar="NAME", help="Model: a name, ollama:NAME, manual:DIR, replay:FILE, provider:NAME."),
    click.option("--base-url", metavar="URL", help="OpenAI-compatible server, such as http://127.0.0.1:8000/v1."),
    click.option("--strategy", metavar="NAME", help="How the model is asked: plain, guided or native."),
    click.option("--parallel", type=int, metavar="N", help="Calls to the model at once."),
    click.option("--sandbox", metavar="KIND", help="bubblewrap, or none (unsafe)."),
    click.option("--max-usd", type=float, metavar="X", help="Ceiling of money for the run."),
    click.option("--max-tokens", type=int, metavar="N", help="Ceiling of tokens for the run."),
    click.option("--max-seconds", type=float, metavar="S", help="Ceiling of wall time for the run."),
    click.option("--max-calls", type=int, metavar="N", help="Ceiling of model calls for the run."),
    click.option("--max-components", type=int, metavar="N", help="Components a plan may have; 1: all in one."),
    click.option("--exemplar-choice", metavar="HOW", help="Example plans shown to the planner: retrieved or fixed."),
    *PROVING,
)


COLLECTING = click.option(
    "--no-collect", "collect", flag_value=False, type=bool, default=None, help="Do not record this run in the dataset."
)
"""Switches the record of a run off; arrives as ``collect``, ``None`` when not given."""


def settings_options(command: Command) -> Command:
    """Add the flags that override settings; they arrive as keyword arguments, ``None`` when not given."""
    for option in reversed(SETTINGS):
        command = option(command)
    return command


CEILINGS = (
    click.option("--max-usd", type=float, metavar="X", help="A new ceiling of money for the whole run."),
    click.option("--max-tokens", type=int, metavar="N", help="A new ceiling of tokens for the whole run."),
    click.option("--max-seconds", type=float, metavar="S", help="A new ceiling of wall time, from now."),
    click.option("--max-calls", type=int, metavar="N", help="A new ceiling of model calls for the whole run."),
    click.option("--parallel", type=int, metavar="N", help="Calls to the model at once."),
    *PROVING,
    COLLECTING,
)


def ceiling_options(command: Command) -> Command:
    """Add the settings that may change when a run goes on; they arrive as keyword arguments, ``None`` when not given."""
    for option in reversed(CEILINGS):
        command = option(command)
    return command


def human_options(command: Command) -> Command:
    """Add ``--yes``, ``--ask-plan`` as a setting, ``--no-feedback``, and ``--keep-edits`` or ``--overwrite-edits`` as ``edits``."""
    keep, overwrite = "Keep what you edited by hand, and test it.", "Replace what you edited by hand; git keeps yours."
    command = click.option("--overwrite-edits", "edits", flag_value="overwrite", help=overwrite)(command)
    command = click.option("--keep-edits", "edits", flag_value="keep", help=keep)(command)
    command = click.option("--no-feedback", is_flag=True, help="Do not ask at the end what is wrong.")(command)
    waiting = "Where nobody is at a terminal: wait for agent approve, or the page, before building."
    command = click.option("--ask-plan", "ask_plan", flag_value=True, type=bool, default=None, help=waiting)(command)
    return click.option("--yes", is_flag=True, help="Do not ask before building.")(command)


def view_options(command: Command) -> Command:
    """Add ``--json`` and ``--quiet``."""
    command = click.option("--quiet", is_flag=True, help="Print only how it ended.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")(command)


REPO = click.option(
    "--repo",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="SPEC asks for a change to the program in this git repository, as last committed.",
)
"""Names an existing program; arrives as ``repo``, ``None`` when not given."""


def existing_in(repo: Path | None) -> Existing | None:
    """The program in a repository that ``--repo`` names; what is not committed there is said, and does not count."""
    if repo is None:
        return None
    from agent.existing import read_existing, uncommitted

    found = read_existing(repo)
    if changed := uncommitted(repo):
        what = "file is" if changed == 1 else "files are"
        click.echo(f"{changed} changed {what} not committed in {str(repo)!r}, and will not be seen", err=True)
    return found


def resolve(flags: dict[str, Any]) -> Resolved:
    """Flags, environment and configuration files as settings; ``ConfigError`` names what is wrong."""
    from agent.config import load

    return load({k: v for k, v in flags.items() if v is not None}, os.environ, Path.cwd())


def asked_about_edits(output: Path, edits: Policy | None, ask: bool) -> Policy | None:
    """What becomes of files edited by hand: what the flag says, else what a person at the terminal says.

    ``ask``: whether somebody may be asked.
    """
    if edits is not None or not ask or not sys.stdin.isatty():
        return edits
    from agent.hand_edits import hand_edits, told

    found = [edit for edit in hand_edits(output) if edit.component]
    if not found:
        return None
    click.echo(f"You edited files in {str(output)!r} by hand: {told(found)}.")
    words = "[k]eep them and test them again, [o]verwrite them (git keeps yours), [s]top"
    choice = click.Choice(("k", "keep", "o", "overwrite", "s", "stop"), case_sensitive=False)
    answer = click.prompt(words, type=choice, show_choices=False)[0]
    return "keep" if answer == "k" else "overwrite" if answer == "o" else "refuse"


def carry_on(
    info: RunInfo,
    flags: dict[str, Any],
    *,
    yes: bool,
    no_feedback: bool,
    edits: Policy | None,
    as_json: bool,
    quiet: bool,
    retry: Sequence[str] = (),
) -> None:
    """Go on with a run, its settings changed by ``flags``, and exit as :func:`see_through` does.

    ``retry``: components that failed, and are to be tried as if they had not.
    """
    from dataclasses import replace

    from agent.cli.story import load
    from agent.config import Settings, flag_values
    from agent.run import config_of, resume
    from agent.store.runs import home

    changes = flag_values(flags)
    wanted = resolve({}).settings.collect  # who does not want records now has none, whatever held when the run began

    def change(old: Settings) -> Settings:
        return replace(old, **{"collect": old.collect and wanted, **changes})

    config = config_of(info.path, home(), change)
    policy = asked_about_edits(config.output, edits, ask=not (yes or as_json or config.edits == "keep"))
    see_through(
        lambda who, listeners: resume(home(), info.id, change, who, listeners, policy, retry),
        spec=config.spec,
        output=str(config.output),
        slots=(config.settings.parallel, config.settings.test_slots),
        asks_plan=not yes,
        waits=config.settings.ask_plan,
        asks_end=not no_feedback,
        max_components=config.settings.max_components,
        existing=config.existing,
        as_json=as_json,
        quiet=quiet,
        run_id=info.id,
        state=load(info.path),
    )


def see_through(
    go: Callable[[Who, Sequence[Listener]], RunResult],
    *,
    spec: Spec | None,
    slots: tuple[int, int],
    output: str = "",
    asks_plan: bool = True,
    waits: bool = False,
    asks_end: bool = True,
    max_components: int | None = None,
    existing: Existing | None = None,
    as_json: bool,
    quiet: bool,
    run_id: str = "",
    state: RunState | None = None,
) -> None:
    """Run ``go`` with a view beside it, print how it ended, and exit with the status that says so.

    Args:
        go: starts or resumes a run, given who is asked and who listens.
        spec: for validating an edited plan; ``None`` when nobody can be asked.
        slots: model and test slots shown.
        output: where the repository goes.
        asks_plan: whether a person must let the plan pass, if one is at a terminal.
        waits: whether, where nobody is, the plan waits for one elsewhere to let it pass.
        asks_end: whether a person at a terminal is asked what is wrong with the result; never with ``quiet``.
        max_components: how many components an edited plan may have; ``None``: any number.
        existing: the program that the plan changes, if it changes one.
        as_json: print one object instead of words; nothing is asked.
        quiet: print only the last line; questions of components stay open.
        run_id: known when resuming.
        state: what the journal of a resumed run knows already.
    """
    from agent.cli.live import LiveView, delivered, last_line, summary
    from agent.cli.output import make_console
    from agent.human import NoHuman, Terminal
    from agent.printable import printable
    from agent.run import rules_of
    from graphs.events import RUN_STARTED

    console = make_console(stderr=as_json)
    view = LiveView(
        console,
        run_id=run_id,
        state=state,
        quiet=quiet or as_json,
        model_slots=slots[0],
        test_slots=slots[1],
    )
    inbox: Inbox | None = None

    def who(found: Inbox) -> Human:
        nonlocal inbox
        inbox = found
        if spec is None:
            return NoHuman(inbox)
        rules = rules_of(spec, max_components, existing)
        if as_json or not sys.stdin.isatty():
            return NoHuman(inbox, rules, lambda text: click.echo(text, err=True), waits=waits and asks_plan)
        return Terminal(
            inbox,
            rules,
            lambda text: click.echo(printable(text)),
            view.paused,
            report=lambda: delivered(view.state, output=output, typed=typed),
            asks_plan=asks_plan,
            asks_questions=not quiet,
            asks_end=asks_end and not quiet,
        )

    def say_what_is_kept(event: Event) -> None:
        """Before the first run that is recorded does anything: what of it stays on this machine, and how not to have that."""
        if event.kind != RUN_STARTED or not event.body["settings"].get("collect") or event.body["plan_only"]:
            return
        from agent.dataset.store import first_words
        from agent.store.runs import home

        if said := first_words(home()):
            with view.paused():
                click.echo(printable("\n".join(said)), err=True)

    interrupted = False
    result = None
    with view:
        try:
            result = go(who, [view.on_event, *((say_what_is_kept,) if not (quiet or as_json) else ())])
        except (KeyboardInterrupt, asyncio.CancelledError, click.Abort):
            interrupted = True
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end is told whole, however often Ctrl-C is pressed
            view.state.halt("stopped by a signal")
    run = result.run_id if result else view.run_id
    place = str(result.output) if result else str(view.state.settings.get("output") or "")
    status = "interrupted" if interrupted or result is None else result.status
    if as_json:
        from agent.cli.output import emit_json

        emit_json(
            {
                "run": run,
                "status": status,
                **(_result_data(result, view.state) if result else {}),
                **_story_data(view.state),
            }
        )
    elif quiet:
        click.echo(last_line(view.state, output=place, run_id=run, typed=typed))
    else:
        late = not interrupted and inbox is not None and bool(inbox.waiting())
        click.echo()
        click.echo(summary(view.state, output=place, run_id=run, late=late, typed=typed), nl=False)
    sys.exit(EXIT[status])


def typed(program: str) -> str:
    """What to type in a shell for a program that is installed beside us: its name where that finds it, else its path."""
    ours = os.path.join(os.path.dirname(sys.executable), program)
    found = shutil.which(program)
    reached = found is not None and ours in (found, os.path.realpath(found))
    return program if reached or not os.access(ours, os.X_OK) else shlex.quote(ours)


def _result_data(result: RunResult, state: RunState) -> dict[str, Any]:
    from graphs.status import State
    from graphs.values import to_json

    plan = result.plan
    known = {c.id: state.components.get(c.id, State()) for c in (plan.components if plan else ())}
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
                "strength": to_json(known[c.id].strength),
                "tests": to_json(known[c.id].tests),
                "quarantined": dict(known[c.id].quarantined),
            }
            for c in (plan.components if plan else ())
        ],
        "integration": result.verdict.status if result.verdict else None,
    }


END_QUESTION = "Did it run? Did it work? Is it perfect? What is wrong?"
"""Asked at the end of a run, or with ``--json`` listed as what would have been."""


def _story_data(state: RunState) -> dict[str, Any]:
    """What the result does not hold: questions, changes of the plan, what is missing or not proven and why."""
    from agent.cli.story import proven_data
    from graphs.values import to_json

    ended = state.status in ("passed", "failed")
    end = {"id": "end", "component": "", "text": END_QUESTION, "options": [], "asked": False, "answer": None}
    return {
        "missing": [
            {"id": name, "status": state.components[name].status, "reason": why}
            for name, why in state.missing().items()
        ],
        "questions": [*to_json(list(state.questions.values())), *([end] if ended else [])],
        **proven_data(state),
        "feedback": to_json(state.feedback),
        "revisions": to_json(state.revisions),
    }


def _passed(result: RunResult, component_id: str) -> int:
    proof = result.proofs.get(component_id)
    return len(proof.verdict.passed) if proof and proof.verdict else 0
