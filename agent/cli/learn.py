"""``agent examples learn`` and ``adopt``: plans of proven runs become proposals, and proposals become exemplars on evidence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from agent.store.runs import RunInfo
    from few_shot.held_out import HeldOut
    from few_shot.learn import Proposal, ProvenRun, Refusal

PROPOSALS = "proposals"
"""Name of the directory in the user's own library that no planner is shown."""
COMPARE = "agent experiment run FILE.toml -o DIR; agent experiment report DIR -o REPORT.json"
"""Makes the evidence that a proposal is adopted on."""


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--kind", default="", metavar="KIND", help="Of the task, in place of what the plans say.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Where the proposals go.")
@click.option(
    "--held-out",
    "more",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep out these tasks, too (agent bench held-out SUITE -o FILE).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def learn(runs: tuple[str, ...], kind: str, output: Path | None, more: tuple[Path, ...], as_json: bool) -> None:
    """Propose the cheapest proven plan of each kind of task as an example, from the runs that passed or those named.

    A run counts when every component of its plan was proven in a sandbox in that run, hidden tests that judged it passed, and
    nobody edited its output or found it wrong. Tasks of benchmarks, and texts that are nearly theirs, are never learnt from.

    The kind is service or cli when a component is one, function for a single component of one function, else library. Runs are
    compared by US dollars where all of a kind have a price, else by tokens.

    No planner is shown a proposal: see `agent examples adopt`.

    With --json: {"version": 1, "directory", "proposals": [{name, kind, run, path, measure, usage, among: [runs of the kind,
    cheapest first]}], "refused": [{run, reason}]}.

    The exit status is 1 when there is nothing to propose.
    """
    from agent.cli.output import emit_json
    from agent.store.runs import find_run, home, list_runs, slug_of
    from few_shot import held_out
    from few_shot.learn import propose
    from graphs.errors import UserError
    from graphs.values import to_json

    if kind and kind != slug_of(kind):
        raise UserError(
            f"{kind!r} is no kind; write lower-case words joined by '-', such as 'csv-report', of 24 characters at most"
        )
    place = home()
    tasks = [task for path in (held_out.SHIPPED, *more) for task in held_out.read(path)]
    named = list({info.id: info for info in (find_run(place, name) for name in runs)}.values())
    considered = named or [info for info in list_runs(place) if info.status in ("passed", "unreadable")]
    proven, refused = _examined(considered, tasks)
    proposals, unfit = propose(proven, _check, kind, _scrub())
    refused = [*refused, *unfit]
    directory = (output or proposals_directory()).absolute()
    for proposal in proposals:
        _write(directory / f"{proposal.name}.md", proposal.text)
    if as_json:
        rows = [
            {
                "name": p.name,
                "kind": p.kind,
                "run": p.run,
                "path": directory / f"{p.name}.md",
                "measure": p.measure,
                "usage": to_json(p.usage),
                "among": p.among,
            }
            for p in proposals
        ]
        emit_json({"directory": directory, "proposals": rows, "refused": refused})
    else:
        click.echo("\n".join(_lines(place, directory, len(considered), proposals, refused)))
    if not proposals:
        raise SystemExit(1)


@click.command()
@click.argument("name")
@click.option(
    "--evidence",
    type=click.Path(path_type=Path),
    metavar="REPORT.json",
    help="The result of an experiment that speaks for it.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def adopt(name: str, evidence: Path | None, as_json: bool) -> None:
    """Move a proposal (its name, or a file) into your own library, when an experiment speaks for it.

    The experiment must have found an arm that was shown this very text better, or cheaper and no worse, than one that was not.

    With --json: {"version": 1, "adopted": name, "arm", "path"}.
    """
    from agent.cli.examples import take_in
    from agent.cli.output import emit_json
    from few_shot.exemplar import load, task_spec
    from few_shot.held_out import read, refusal
    from few_shot.learn import supported
    from graphs.errors import UserError

    exemplar = load(_proposal(name))
    if evidence is None:
        raise UserError(
            f"nothing says that {exemplar.name!r} helps; compare an arm with exemplar_directory = {str(exemplar.path.parent)!r} to one "
            f"without ({COMPARE}), then give --evidence REPORT.json"
        )
    if why := refusal(exemplar.task, task_spec(exemplar).digest, read()):
        raise UserError(f"{exemplar.name!r} is not adopted: {why}")
    arm = supported(exemplar, _result(evidence))
    target = take_in(exemplar)
    exemplar.path.unlink()
    if as_json:
        emit_json({"adopted": exemplar.name, "arm": arm, "path": target})
        return
    click.echo(f"adopted {exemplar.name}, as arm {arm} speaks for it ({target})")


def proposals_directory() -> Path:
    """Where proposals are: below the user's own exemplars, where no planner looks."""
    from agent.cli.examples import user_directory

    return user_directory() / PROPOSALS


def _examined(considered: Sequence[RunInfo], tasks: Sequence[HeldOut]) -> tuple[list[ProvenRun], list[Refusal]]:
    from few_shot.learn import Refusal

    proven: list[ProvenRun] = []
    refused: list[Refusal] = []
    for info in considered:
        reason = info.reason if info.status == "unreadable" else _objection(info)
        found = Refusal(info.id, reason) if reason else _read(info, tasks)
        if isinstance(found, Refusal):
            refused.append(found)
        else:
            proven.append(found)
    return proven, refused


def _read(info: RunInfo, tasks: Sequence[HeldOut]) -> ProvenRun | Refusal:
    from agent.cli.story import load_from
    from agent.store.journal import SqliteJournal
    from agent.store.runs import slug_of
    from few_shot.learn import Refusal, examined
    from graphs import events
    from graphs.errors import JournalError

    told = (events.RUN_STARTED, events.COMPONENT_PASSED, events.COMPONENT_KEPT)
    try:
        with SqliteJournal.read(info.path) as reader:
            return examined(info.id, slug_of(info.title), load_from(reader), reader.events(kind=told), tasks)
    except JournalError as error:
        return Refusal(info.id, str(error))


def _objection(info: RunInfo) -> str:
    """What speaks against a run beside its journal; empty when nothing does."""
    from agent.hand_edits import hand_edits, told
    from graphs.errors import UserError

    try:
        if _failed_hidden_tests(info):
            return "the hidden tests of a benchmark judged it, and it did not pass them"
        edits = [edit for edit in hand_edits(Path(info.output)) if edit.component] if info.output else []
    except UserError as error:
        return f"it cannot be told what became of it: {error}"
    return f"files of its output were edited by hand since: {told(edits)}" if edits else ""


def _failed_hidden_tests(info: RunInfo) -> bool:
    """Whether a benchmark judged the run, as its record in the dataset of runs says, and its hidden tests did not pass."""
    from agent.dataset import store

    home = info.path.parents[1]
    if info.id not in store.names(home):
        return False
    hidden = store.load(home, info.id)["labels"].get("hidden")
    return hidden is not None and not hidden["passed"]


def _check(name: str, text: str) -> list[str]:
    """What is wrong with an exemplar of that name and text; it is read from a file, as every one is."""
    from tempfile import TemporaryDirectory

    from agent.cli.examples import exemplar_problems
    from few_shot.exemplar import ExemplarError, load

    with TemporaryDirectory(prefix="stepgraph-learn-") as temporary:
        path = Path(temporary).absolute() / f"{name}.md"
        try:
            path.write_text(text, encoding="utf-8")
            found = exemplar_problems(load(path))
        except UnicodeEncodeError:
            return ["it holds half a character, which is no text"]
        except ExemplarError as error:
            found = list(error.problems)
        return [problem.removeprefix(f"{path}: ") for problem in found]


def _scrub() -> Callable[[str], str]:
    """Takes the values of this environment's secrets out of a text."""
    from agent.dataset.redact import Marks, exact
    from agent.dataset.scrub import secrets_of

    layer = exact(secrets_of(os.environ, Path.cwd()))
    return lambda text: layer(text, Marks())


def _write(path: Path, text: str) -> None:
    """Whole or not at all; an older proposal of that name is replaced."""
    from graphs.errors import UserError

    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}; name another directory with -o"
        ) from None


def _lines(
    place: Path, directory: Path, looked_at: int, proposals: Sequence[Proposal], refused: Sequence[Refusal]
) -> Iterator[str]:
    from agent.cli.output import wrapped
    from agent.cli.story import spent
    from agent.printable import printable

    if not looked_at:
        yield f"no run under {place} has passed yet; learn from runs after: agent run SPEC.md"
        return
    for p in proposals:
        chosen = f"the cheapest of {len(p.among)} by {p.measure}" if len(p.among) > 1 else "the only one of its kind"
        yield f"{p.name}  {p.kind}, from run {p.run}, {chosen} ({spent(p.usage)})"
    if refused:
        yield "not learnt from:"
        for one in refused:
            yield from wrapped(printable(f"{one.run}: {one.reason}"), 2, 4)
    if proposals:
        yield f"proposed in {directory}; no planner is shown them until: agent examples adopt NAME --evidence REPORT.json"
    else:
        many = "the run" if looked_at == 1 else f"any of the {looked_at} runs"
        yield f"nothing to propose: not learnt from {many}"


def _proposal(name: str) -> Path:
    """The file of a proposal; ``UserError`` when there is none."""
    from few_shot.exemplar import exemplar_files
    from graphs.errors import UserError

    if name.endswith(".md"):
        return Path(name)
    known = {path.stem: path for path in exemplar_files(proposals_directory())}
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there are none yet; make some with: agent examples learn"
        raise UserError(f"there is no proposal {name!r}; {there}")
    return known[name]


def _result(path: Path) -> Any:
    from graphs.errors import UserError

    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"the evidence {str(path)!r} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UserError(f"the evidence {str(path)!r} is no JSON ({error}); make it with: {COMPARE}") from None
