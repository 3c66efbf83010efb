"""``agent bench``: what this package adds to the command line, by the entry point group ``agent.commands``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.running import settings_options
from benchmark.cli_bootstrap import bootstrap
from benchmark.cli_held_out import held_out
from benchmark.cli_lint import lint
from benchmark.cli_report import results
from benchmark.cli_run import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.config import Settings
    from benchmark.arms import Arm, Comparison, Outcome

OF_RECORDINGS = ("sandbox", "dialect")
"""Settings that can be chosen without a model of one's own; others would lead away from what was recorded."""

ABOUT = {
    "recorded": "The answers are a recording of a live model. Tokens are bytes.",
    "faulty": "Every first answer has a stated fault; told what was wrong, the model behaves. A caricature. Tokens are bytes.",
}
"""What is said above a table, by where its answers come from."""
NO_EXPERIMENT = (
    "One specification is no experiment: this shows what forms force and cost, not which arm builds better programs."
)


@click.group()
def bench() -> None:
    """Compare ways of asking a model; tasks to measure with."""


bench.add_command(lint)
bench.add_command(run)
bench.add_command(results)
bench.add_command(held_out)
bench.add_command(bootstrap)


@bench.command()
@click.argument("spec", required=False)
@click.option(
    "--arms", "names", metavar="A,B", help="Only these arms: strategies (plain) or single arms (plain@local)."
)
@click.option("--repeats", type=click.IntRange(1), default=1, metavar="K", help="Runs of each arm, interleaved.")
@click.option("--dialect", metavar="NAME", help="How the server takes grammars: auto, vllm, sglang or llama-server.")
@click.option(
    "--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep runs and repositories in DIR, a new directory."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@settings_options
def arms(spec: str | None, names: str | None, repeats: int, keep: Path | None, as_json: bool, **flags: Any) -> None:
    """Build one small specification in every arm, and compare what that took.

    Without --model, a recording beside SPEC (a directory with spec.md and recording.jsonl; a bundled one when not given)
    answers, through a server on this machine and through the local engine; no key, no network. Then it is done once more
    with a stated fault in every first answer.

    With --model NAME that model is asked, plain, guided and native, as far as it can be; the flags are those of agent run.

    The columns: answers of use at the first try of all questions; answers asked for again; calls (at a server, probes and
    later pieces of an answer are calls, too); tokens of prompts, sampled and forced (the form left no choice); whether the
    plan is the one meant.

    With --json: {"version": 1, "spec", "passed", "comparisons": [{"answers": "recorded", "faulty" or the model's name,
    "faults": [{step, fault}], "arms": [{"arm", "strategy", "place", "runs": [{status, reason, questions, first_try, again,
    given_up, calls, prompt_tokens, sampled_tokens, forced_tokens, completion_tokens, seconds, differs, directory}]}]}]}.
    "differs" lists where the plan is not the one meant (null where none was meant), "sampled_tokens" and "forced_tokens" are
    null where a server does not tell them apart, the status "cannot" says that the model cannot be asked in that way.

    The exit status is 0 when all arms ran and passed, 1 when some did not.
    """
    import tempfile

    from agent.spec import read_spec
    from agent.strategies import STRATEGIES
    from benchmark.arms import SCRIPTED_ARMS, SPEC, Arm, Bench, live, recorded
    from graphs.errors import UserError

    given = {name: value for name, value in flags.items() if value is not None}
    if "strategy" in given:
        raise UserError("the arms are the strategies: choose among them with --arms, and leave out --strategy")
    settings = _settings(given)
    possible = SCRIPTED_ARMS if settings.model is None else tuple(Arm(name) for name in STRATEGIES)
    chosen = _chosen(possible, names)
    asked = read_spec(spec or str(SPEC), sys.stdin.buffer)
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UserError(f"{str(keep)!r} is there already; name a new directory with --keep")

    def tell(name: str, outcome: Outcome) -> None:
        if not as_json:
            click.echo(f"{name}: {outcome.status} in {outcome.seconds:.1f} s", err=True)

    with tempfile.TemporaryDirectory(prefix="stepgraph-arms-") as temporary:
        place = (keep or Path(temporary)).absolute()
        place.mkdir(parents=True, exist_ok=True)
        shared = Bench(asked, settings, place, repeats, tell)
        made: Sequence[Comparison] = (
            recorded(shared, _folder(spec), chosen) if settings.model is None else [live(shared, chosen)]
        )
    passed = all(comparison.passed for comparison in made)
    if as_json:
        from agent.cli.output import emit_json

        emit_json({"spec": asked.title, "passed": passed, "comparisons": [_data(c, keep is not None) for c in made]})
    else:
        for comparison in made:
            click.echo("\n".join(["", *_lines(comparison)]))
        click.echo(f"\n{NO_EXPERIMENT}")
    sys.exit(0 if passed else 1)


def _settings(given: dict[str, Any]) -> Settings:
    """Of every run; ``model`` is ``None`` where a recording answers."""
    from agent.cli.running import resolve
    from agent.config import Settings, flag_values
    from graphs.errors import UserError

    if "model" in given:
        return replace(resolve(given).settings, models={}, strategies={})
    if astray := [name for name in given if name not in OF_RECORDINGS]:
        flag = f"--{astray[0].replace('_', '-')}"
        raise UserError(f"{flag} is for a model of your own, and none is named; add --model, or leave {flag} out")
    return Settings(**flag_values(given), mutants=0)  # how strong tests are is no question of the arms


def _chosen(possible: Sequence[Arm], names: str | None) -> tuple[Arm, ...]:
    """The arms of those names; ``UserError`` for a name that fits none."""
    from graphs.errors import UserError

    wanted = [name.strip() for name in names.split(",") if name.strip()] if names else []
    known = [arm.name for arm in possible]
    for name in wanted:
        if not any(name in (arm.name, arm.strategy) for arm in possible):
            raise UserError(f"there is no arm {name!r} here; there are {', '.join(known)}")
    return tuple(arm for arm in possible if not wanted or {arm.name, arm.strategy} & set(wanted))


def _folder(spec: str | None) -> Path:
    """The folder of a specification with a recording; ``UserError`` when it has none."""
    from benchmark.arms import RECORDING, SPEC
    from graphs.errors import UserError

    folder = Path(spec) if spec else SPEC
    folder = folder.parent if folder.is_file() else folder
    if not folder.joinpath(RECORDING).is_file():
        raise UserError(
            f"there is no {RECORDING} beside {spec!r} to answer from; name a model with --model, or make one with: "
            f"agent run {spec} --record {folder / RECORDING}"
        )
    return folder


def _lines(comparison: Comparison) -> Iterator[str]:
    """A comparison in words: what answered, a table, and what went wrong."""
    from agent.cli.output import wrapped
    from agent.printable import printable

    yield from wrapped(
        ABOUT.get(comparison.answers, f"The answers are those of {printable(comparison.answers)}."), 0, 0
    )
    for fault in comparison.faults:
        yield f"  {fault.step}: {fault.name}"
    yield ""
    yield from _table([HEADINGS, *(_row(arm, runs) for arm, runs in comparison.outcomes.items())])
    for arm, runs in comparison.outcomes.items():
        for outcome in runs:
            if outcome.reason:
                yield from wrapped(f"{arm.name}: {outcome.reason}", 2)
            if outcome.differs:
                yield from wrapped(f"{arm.name}: the plan is not the one meant in {', '.join(outcome.differs)}", 2)


HEADINGS = ("ARM", "RESULT", "FIRST TRY", "AGAIN", "CALLS", "PROMPT", "SAMPLED", "FORCED", "TIME", "PLAN")


def _row(arm: Arm, runs: Sequence[Outcome]) -> tuple[str, ...]:
    """The runs of an arm, added up."""
    done = [outcome for outcome in runs if outcome.status != "cannot"]
    if not done:
        return (arm.name, "cannot")
    passed = sum(outcome.status == "passed" for outcome in done)
    result = done[0].status if len(done) == 1 else f"{passed} of {len(done)} passed"
    plans = [outcome.differs for outcome in done if outcome.differs is not None]
    meant = f"{sum(not differs for differs in plans)} of {len(plans)} as meant" if len(plans) > 1 else ""
    return (
        arm.name,
        result,
        f"{sum(o.first_try for o in done)} of {sum(o.questions for o in done)}",
        str(sum(o.again for o in done)),
        str(sum(o.calls for o in done)),
        f"{sum(o.prompt_tokens for o in done):,}",
        _sum([o.sampled_tokens for o in done]),
        _sum([o.forced_tokens for o in done]),
        f"{sum(o.seconds for o in done):.1f} s",
        meant or ("–" if not plans else "differs" if plans[0] else "as meant"),
    )


def _sum(amounts: Sequence[int | None]) -> str:
    known = [amount for amount in amounts if amount is not None]
    return f"{sum(known):,}" if len(known) == len(amounts) else "–"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines, each column as wide as its widest cell."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()


def _data(comparison: Comparison, kept: bool) -> dict[str, Any]:
    """A comparison for ``--json``."""
    from graphs.values import to_json

    def run(outcome: Outcome) -> dict[str, Any]:
        return {**to_json(outcome), "directory": outcome.directory if kept else ""}

    return {
        "answers": comparison.answers,
        "faults": [{"step": fault.step, "fault": fault.name} for fault in comparison.faults],
        "arms": [
            {"arm": arm.name, "strategy": arm.strategy, "place": arm.place, "runs": [run(outcome) for outcome in runs]}
            for arm, runs in comparison.outcomes.items()
        ],
    }
