"""``agent bench bootstrap``: how far this program could make itself, or another one, in three numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from agent.sandbox.base import Sandbox
    from benchmark.bootstrap import Authorship, Solved
    from benchmark.datasets import Task
    from benchmark.history import History
    from benchmark.self_tasks import Proof, SelfTask, Unfit

NOT_MEASURED = "not measured: no model was named"
KINDS = {"self": "self-tasks", "rebuild": "rebuilds"}
"""How the ids of such tasks begin → what they are called."""
MOST = 20
"""Qualifying commits that are tried where no number is given."""


class _Measures(click.Group):
    """A group that measures when no command of it is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["measure", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Measures)
def bootstrap() -> None:
    """Measure how far the program could make itself: `bootstrap [REPOSITORY]`.

    Without a command it is `measure`; to measure a directory called mine or measure, write ./mine.
    """


_repository = click.argument("repository", default=".", type=click.Path(path_type=Path))
_most = click.option(
    "--most",
    type=click.IntRange(1),
    default=MOST,
    show_default=True,
    metavar="N",
    help="Try the N newest that qualify.",
)
_since = click.option("--since", default="", metavar="REV", help="Only commits that REV does not have.")
_module = click.option(
    "--rebuild", "module", default="", metavar="PATH", help="A file or directory with tests of its name, to be rebuilt."
)
_sandbox = click.option(
    "--sandbox", default="bubblewrap", show_default=True, metavar="KIND", help="bubblewrap, or none (unsafe)."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")


@bootstrap.command()
@_repository
@_module
@click.option("-o", "output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new directory.")
@_most
@_since
@_sandbox
@_json
def mine(repository: Path, output: Path, module: str, most: int, since: str, sandbox: str, as_json: bool) -> None:
    """Make a suite of tasks from the history of a git repository.

    A commit that changes Python source and tests becomes a task when some of its tests fail before it and pass with it, in the
    sandbox. Its message is what is told, with the names that its tests need; its tests are hidden. Nothing of the repository
    runs outside the sandbox. Packages that it imports are those beside this program. A part of the program that is to be
    rebuilt becomes one task more.

    With --json: {"version": 1, "repository", "qualify", "tried", "tasks": [{id, commit, committed, title, size, fail_to_pass,
    pass_to_pass, left_out, seconds, digest}], "unfit": [{commit, committed, title, kind, detail, seconds}], "rebuild": as of
    `measure`}.

    The exit status is 0 when there is a task, 1 when none could be made.
    """
    from agent.cli.output import emit_json
    from benchmark.history import opened
    from benchmark.self_tasks import SelfTask, about, write_folder
    from graphs.errors import UserError

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{str(output)!r} is there already; name a new directory with -o")
    box = _opened(sandbox)

    def write(one: SelfTask | Unfit) -> None:
        if isinstance(one, SelfTask):
            write_folder(one.proof.task, output, about(one))

    with opened(repository) as history:
        qualify, tried = _mined(history, since, most, box, write, quiet=as_json)
        rebuilt, task = _rebuilt(history, module, box)
    if task is not None:
        write_folder(task, output)
    tasks = [one for one in tried if isinstance(one, SelfTask)]
    if as_json:
        emit_json({"repository": str(repository), **_mined_data(qualify, tried), "rebuild": rebuilt})
    else:
        click.echo("\n".join([*_mined_lines(qualify, tried), *_rebuild_lines(rebuilt)]))
        if tasks or task:
            click.echo(f"Written to {str(output)!r}; check them with: agent bench lint --suite {output}")
    sys.exit(0 if tasks or task else 1)


@bootstrap.command()
@_repository
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Of agent bench run on mined tasks: says how many were solved.",
)
@click.option("--range", "span", default="", metavar="A..B", help="Of authorship; since the last tag when not given.")
@_module
@_most
@_since
@_sandbox
@_json
def measure(
    repository: Path,
    results: Path | None,
    span: str,
    module: str,
    most: int,
    since: str,
    sandbox: str,
    as_json: bool,
) -> None:
    """Measure self-tasks, authorship and a rebuild in a git repository.

    Self-tasks: how many commits qualify (they change Python source and tests), and how many of the newest become tasks.
    Authorship: how many lines the commits of this program added, and how many are still there, for each tag in the range.
    Rebuild: whether one part of the program, taken out, can be a task judged by its own tests.

    Whether tasks are solved takes a model: mine them, run the suite with agent bench run, and name its results.

    With --json: {"version": 1, "repository", "self_tasks": {the keys of `mine`}, "authorship": [{name, since, commits,
    agent_commits, added, agent_added, alive, agent_alive}], "rebuild": {id, module, tests, proven, detail, fail_to_pass,
    pass_to_pass}, "solved": {"self": {tasks, solved, share: [low, high]}, "rebuild": the same}}; "rebuild" is null where there is
    nothing to rebuild, "solved" without --results.
    """
    from agent.cli.output import emit_json
    from benchmark.bootstrap import authorship, releases
    from benchmark.history import opened
    from graphs.values import to_json

    box = _opened(sandbox)
    by_kind = _solved(results) if results else None
    with opened(repository) as history:
        stretches = releases(history, span)
        qualify, tried = _mined(history, since, most, box, lambda _: None, quiet=as_json)
        authors = [authorship(history, *stretch) for stretch in stretches]
        rebuilt, _ = _rebuilt(history, module, box)
    if as_json:
        emit_json(
            {
                "repository": str(repository),
                "self_tasks": _mined_data(qualify, tried),
                "authorship": [to_json(one) for one in authors],
                "rebuild": rebuilt,
                "solved": {kind: _solved_data(found) for kind, found in by_kind.items()} if by_kind else None,
            }
        )
    else:
        click.echo("\n".join([*_mined_lines(qualify, tried), *_author_lines(authors), *_rebuild_lines(rebuilt)]))
        if by_kind is None:
            click.echo(f"Solved: {NOT_MEASURED}; to measure it: {_command(repository)}")
        else:
            click.echo("\n".join(_solved_lines(by_kind)))


def _solved(results: Path) -> dict[str, Solved]:
    """Kind of task (``self``, ``rebuild``) → what the runs of the baseline arm in a directory say of it."""
    from benchmark.bootstrap import solved
    from benchmark.ledger import read_ledger

    ledger = read_ledger(results)
    outcomes = [result.outcome for result in ledger.results.values() if result.arm == ledger.head["baseline"]]
    ids = list(ledger.head["tasks"])
    return {kind: solved(outcomes, [name for name in ids if name.startswith(f"{kind}-")]) for kind in KINDS}


def _solved_data(found: Solved) -> dict[str, Any]:
    share = [found.share.low, found.share.high] if found.share else None
    return {"tasks": found.tasks, "solved": found.solved, "share": share}


def _solved_lines(by_kind: Mapping[str, Solved]) -> Iterator[str]:
    for kind, found in by_kind.items():
        name = f"Solved, {KINDS[kind]}"
        if found.share is None:
            yield f"{name}: not measured: no run of one was judged"
        else:
            yield f"{name}: {found.solved} of {found.tasks} (95 %: {found.share.low:.0%} to {found.share.high:.0%})"


def _command(repository: Path) -> str:
    """What would measure how many are solved."""
    from shlex import quote

    return (
        f"agent bench bootstrap mine {quote(str(repository))} -o DIR && "
        "agent bench run --suite DIR -o RESULTS --model NAME"
    )


def _opened(kind: str) -> Sandbox:
    from agent.sandbox import open_sandbox

    box = open_sandbox(kind)
    box.probe()
    return box


def _mined(
    history: History,
    since: str,
    most: int,
    box: Sandbox,
    each: Callable[[SelfTask | Unfit], None],
    quiet: bool,
) -> tuple[int, list[SelfTask | Unfit]]:
    """How many commits qualify, and what came of the newest of them."""
    from agent.printable import printable
    from benchmark.self_tasks import SelfTask, candidates
    from benchmark.self_tasks import mine as mined

    found = candidates(history, "HEAD", since)
    tried = []
    for one in mined(history, found[:most], box):
        each(one)
        tried.append(one)
        if not quiet:
            word = _word(one.proof) if isinstance(one, SelfTask) else one.detail
            commit = one.candidate.commit
            click.echo(f"{commit.id[:12]} {printable(commit.subject)[:50]}: {word} ({one.seconds:.1f} s)", err=True)
    return len(found), tried


def _word(proof: Proof) -> str:
    left = f", {len(proof.left_out)} left out" if proof.left_out else ""
    return f"{len(proof.fail_to_pass)} tests fail before it, {len(proof.pass_to_pass)} pass{left}"


def _rebuilt(history: History, module: str, box: Sandbox) -> tuple[dict[str, Any] | None, Task | None]:
    """What came of the part that is rebuilt, and the task where it is one; ``None`` where none was named and ours is not
    there."""
    from benchmark.bootstrap import REBUILT, named_after, rebuild_task
    from benchmark.self_tasks import NotProven, proven

    files = history.files(history.commit_of("HEAD"))
    if not module and REBUILT not in files:
        return None, None
    place = module or REBUILT
    tests = named_after(files, place)
    task = rebuild_task(files, place, tests)
    told: dict[str, Any] = {"id": task.id, "module": place, "tests": list(tests)}
    try:
        proof = proven(task, box)
    except NotProven as error:
        return {**told, "proven": False, "detail": str(error), "fail_to_pass": 0, "pass_to_pass": 0}, None
    passing = {"fail_to_pass": len(proof.fail_to_pass), "pass_to_pass": len(proof.pass_to_pass)}
    return {**told, "proven": True, "detail": _word(proof), **passing}, proof.task


def _mined_data(qualify: int, tried: Sequence[SelfTask | Unfit]) -> dict[str, Any]:
    from benchmark.self_tasks import SelfTask, about

    def commit(one: SelfTask | Unfit) -> dict[str, Any]:
        said = one.candidate.commit
        return {"commit": said.id, "committed": said.committed, "title": said.subject, "seconds": round(one.seconds, 1)}

    def task(one: SelfTask) -> dict[str, Any]:
        made = one.proof.task
        return {"id": made.id, **commit(one), **about(one), "size": made.size, "digest": made.digest}

    return {
        "qualify": qualify,
        "tried": len(tried),
        "tasks": [task(one) for one in tried if isinstance(one, SelfTask)],
        "unfit": [
            {**commit(one), "kind": one.kind, "detail": one.detail} for one in tried if not isinstance(one, SelfTask)
        ],
    }


def _mined_lines(qualify: int, tried: Sequence[SelfTask | Unfit]) -> Iterator[str]:
    from collections import Counter

    from benchmark.self_tasks import UNFIT, SelfTask

    proven = sum(isinstance(one, SelfTask) for one in tried)
    seconds = sum(one.seconds for one in tried)
    yield (
        f"Self-tasks: {qualify} commits change source and tests; of the newest {len(tried)}, {proven} became tasks "
        f"({seconds:.0f} s)"
    )
    for kind, count in Counter(one.kind for one in tried if not isinstance(one, SelfTask)).most_common():
        yield f"  {count}: {UNFIT[kind]}"


def _author_lines(found: Sequence[Authorship]) -> Iterator[str]:
    from agent.printable import printable

    for one in found:
        where = printable(f"{one.since}..{one.name}" if one.since else f"up to {one.name}")
        yield (
            f"Authorship, {where}: {one.agent_added:,} of {one.added:,} lines added by this program "
            f"({_share(one.agent_added, one.added)}), {one.agent_alive:,} of {one.alive:,} still there "
            f"({_share(one.agent_alive, one.alive)}); {one.agent_commits} of {one.commits} commits"
        )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _rebuild_lines(rebuilt: dict[str, Any] | None) -> Iterator[str]:
    if rebuilt is None:
        yield "Rebuild: not measured: no part was named; name a file that has tests of its name with --rebuild PATH"
    else:
        yield f"Rebuild: {rebuilt['module']} {'is' if rebuilt['proven'] else 'is not'} a task: {rebuilt['detail']}"
