"""The command line: a table of commands, imported when called, and the one place where errors become exit statuses.

| exit status | |
|---|---|
| 0 | passed |
| 1 | ran and did not pass, or failed inside |
| 2 | misuse or a missing prerequisite: one sentence says what, and what to do |
| 3 | a ceiling (money, tokens, calls, seconds) was reached |
| 130 | interrupted |
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from agent import __version__
from agent.printable import printable
from graphs.errors import AgentError, JournalError, LimitReached, ModelRefused, UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("agent.cli.run:run", "Build what a specification describes."),
    "plan": ("agent.cli.plan:plan", "Decompose a specification, and stop there."),
    "resume": ("agent.cli.resume:resume", "Go on with a run that was interrupted or answered."),
    "answer": ("agent.cli.answer:answer", "Answer a question of a run."),
    "ui": ("agent.cli.ui:ui", "See runs as a living picture in a browser."),
    "approve": ("agent.cli.approve:approve", "Let the plan of a run pass, edit it, or have it not be built."),
    "watch": ("agent.cli.watch:watch", "Watch a run that another process works on."),
    "stop": ("agent.cli.stop:stop", "Have a run pause, or end it for good."),
    "feedback": ("agent.cli.feedback:feedback", "Say what is wrong with a result, and have it mended."),
    "runs": ("agent.cli.runs:runs", "List the runs."),
    "show": ("agent.cli.show:show", "Show a run, or one component and why it went as it did."),
    "log": ("agent.cli.log:log", "Tell a run's events in order."),
    "graph": ("agent.cli.graph:graph", "Draw a plan or a run."),
    "examples": ("agent.cli.examples:examples", "The library of right-sized plans."),
    "dataset": ("agent.cli.dataset:dataset", "The runs recorded on this machine: look, export, redact, delete."),
    "doctor": ("agent.cli.doctor:doctor", "Say what is here, what is missing and how to get it."),
    "demo": ("agent.cli.demo:demo", "Watch a recorded run build a real program; needs no model."),
    "sandbox": ("agent.cli.sandbox:sandbox", "Run a command, tests or a write as a run would: confined."),
}
"""Name → (module:command, what it does in one line). The module is imported when the command is called."""

PLUGINS = "agent.commands"
"""Group of entry points that add commands: ``benchmark/`` and anyone's package. They cannot replace ours."""

EXIT_FAILED, EXIT_MISUSE, EXIT_LIMIT, EXIT_INTERRUPTED = 1, 2, 3, 130
EXIT_PIPE = 128 + 13
"""As the shell reports a program that SIGPIPE ended: nobody reads on, which is no failure to talk about."""
_STATUS = {EXIT_FAILED: "failed", EXIT_MISUSE: "misuse", EXIT_LIMIT: "limit", EXIT_INTERRUPTED: "interrupted"}
_MENDABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


class Commands(click.Group):
    """The table of commands as a click group whose every end has an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table, then those of plug-ins."""
        return [*COMMANDS, *sorted(_plugins())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; ``UserError`` when it belongs to a plug-in that cannot be loaded."""
        from importlib import import_module

        if cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name][0].partition(":")
            command = getattr(import_module(module), name)
        elif cmd_name in (plugins := _plugins()):
            command = _load(plugins[cmd_name])
        else:
            return None
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; an unknown name gets the nearest known one."""
        from difflib import get_close_matches

        if not args[0].startswith("-") and args[0] not in COMMANDS and args[0] not in _plugins():
            near = get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table alone: nothing is imported to print help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        if plugins := _plugins():
            with formatter.section("Commands of installed packages"):
                formatter.write_dl([(name, f"From {_package(point)}.") for name, point in sorted(plugins.items())])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line and exit with the status that tells how it ended."""
        line = list(sys.argv[1:] if args is None else args)
        _open_closed_streams()
        try:
            status = super().main(line, prog_name or "agent", complete_var, standalone_mode=False, **extra)
            status = status if isinstance(status, int) else 0
            sys.stdout.flush()
        except SystemExit:
            raise
        except BaseException as error:
            status = _end(error, as_json="--json" in line[: line.index("--") if "--" in line else None])
        finally:
            _give_up_unwritten_output()
        sys.exit(status)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click does, but a closed pipe (here of ``--help``) is not click's to judge."""
        with _pipe_kept_from_click():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but a closed pipe is not click's to judge."""
        with _pipe_kept_from_click():
            return super().invoke(ctx)


class _BrokenPipe(Exception):
    """Carries a broken pipe past click, which would end it with status 1: that is for what did not pass."""

    def __init__(self, pipe: BrokenPipeError) -> None:
        self.pipe = pipe
        super().__init__(str(pipe))


def _nobody_reads() -> bool:
    """Whether our output was closed by whoever read it; another broken pipe is an error like any other."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


@contextlib.contextmanager
def _pipe_kept_from_click() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _BrokenPipe(error) from error


def _end(error: BaseException, as_json: bool) -> int:
    """Say how it ended, once and in one sentence; returns the exit status."""
    error = _cause(error)
    if isinstance(error, _BrokenPipe):
        error = error.pipe
    if isinstance(error, BrokenPipeError) and _nobody_reads():
        return EXIT_PIPE
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return EXIT_MISUSE
    status, sentence = _judge(error)
    with contextlib.suppress(OSError):  # where nothing can be written the exit status still tells
        click.echo(sentence if status == EXIT_INTERRUPTED else f"error: {sentence}", err=True)
        if as_json:
            from agent.cli.output import emit_json

            emit_json({"status": _STATUS[status], "error": sentence})
    return status


def _open_closed_streams() -> None:
    """Where a standard stream was closed by whoever started us, the next file opened would take its number."""
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None and os.open(os.devnull, os.O_RDWR) == descriptor:
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def _give_up_unwritten_output() -> None:
    """Python writes what is left at exit, and would complain a second time of a closed pipe or a full disk."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _cause(error: BaseException) -> BaseException:
    """What went wrong inside a group of errors: an end or misuse before anything else."""
    if isinstance(error, BaseExceptionGroup):
        inner = [_cause(e) for e in error.exceptions]
        return next((e for e in inner if isinstance(e, (AgentError, KeyboardInterrupt))), inner[0])
    return error


def _judge(error: BaseException) -> tuple[int, str]:
    """Exit status and sentence."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return EXIT_INTERRUPTED, "interrupted"
    if isinstance(error, click.ClickException):
        return EXIT_MISUSE, _usage(error)
    if isinstance(error, LimitReached):
        return EXIT_LIMIT, _one_line(str(error))
    if isinstance(error, (UserError, ModelRefused, JournalError)):
        return EXIT_MISUSE, _one_line(str(error))
    if isinstance(error, AgentError):
        return EXIT_FAILED, _one_line(str(error))
    if isinstance(error, OSError) and error.errno in _MENDABLE:
        where = f": {error.filename!r}" if error.filename else ""
        return EXIT_MISUSE, _one_line(f"{error.strerror}{where}; free space or permit it, then try again")
    what = _one_line(f"{type(error).__name__}: {error}")[:300]
    return EXIT_FAILED, f"internal error ({what}); {_written(error)}"


def _usage(error: click.ClickException) -> str:
    sentence = _one_line(error.format_message())
    if isinstance(error, click.NoSuchOption):
        near = f" Did you mean {error.possibilities[0]!r}?" if error.possibilities else ""
        sentence = f"No such option {printable(error.option_name)!r}.{near}"
    context = getattr(error, "ctx", None)
    return f"{sentence} Try '{context.command_path} --help'." if context is not None else sentence


def _one_line(text: str) -> str:
    """Errors may hold text from a model or a program: one line, and nothing a terminal would obey."""
    return printable(" ".join(text.split()))


def _written(error: BaseException) -> str:
    """Write the traceback to a file and return where that is; the traceback itself when it cannot be written."""
    import time
    import traceback

    text = "".join(traceback.format_exception(error))
    try:
        from agent.store.runs import home

        directory = home() / "errors"
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path.write_text(f"agent {__version__}, python {sys.version}\n{text}", "utf-8", "backslashreplace")
    except Exception:
        return f"its traceback could not be written to a file:\n{text}"
    return f"please report it with {str(path)!r}, which holds the traceback"


def _plugins() -> dict[str, EntryPoint]:
    """Name → entry point of the commands that installed packages add."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=PLUGINS) if point.name not in COMMANDS}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(":")[0]


def _load(point: EntryPoint) -> click.Command:
    try:
        command = point.load()
    except Exception as error:
        raise UserError(
            f"the command {point.name!r} of {_package(point)} cannot be loaded ({type(error).__name__}: {error}); "
            "update or remove that package"
        ) from error
    if not isinstance(command, click.Command):
        raise UserError(f"the command {point.name!r} of {_package(point)} is not a click command; update that package")
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="agent", message="%(prog)s (stepgraph) %(version)s")
def main() -> None:
    """Turn a written specification into a working, tested git repository."""
