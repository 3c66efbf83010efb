"""What an experiment has to say, computed once: everything that a page, a terminal or another program shows of its results.

The report is read off the ledger, whatever that holds: of an experiment that still runs or was stopped, it says what is there
and decides only what the rule, fixed before the first run, allows to be decided then.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import floor, fsum
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from benchmark.experiment import DECIDES_NOTHING
from benchmark.ledger import NAME, Ledger, Result
from benchmark.statistics import (
    Decision,
    Interval,
    Pair,
    Rule,
    Tally,
    decide,
    estimate,
    pairs,
    pass_all,
    pass_any,
    tally,
    wilson,
)
from graphs.errors import UserError
from graphs.text import plain
from graphs.values import from_json, to_json

VERSION = 1
"""Of the JSON form; raised when a key changes its meaning or goes away."""
SIZES = ("S", "M", "L", "XL")
"""In the order of tables."""
MOST_REASONS = 5
"""Kinds of failure that are told of each arm."""
LONGEST_REASON = 400
"""Characters of a reason that are looked at."""

State = Literal["finished", "stopped early", "unfinished"]
RunOutcome = Literal["passed", "failed", "lost"]


@dataclass(frozen=True)
class Rate:
    """How often runs passed."""

    tasks: int
    """Judged at least once."""
    passed: int
    """Runs."""
    runs: int
    """Judged runs."""
    mean: float | None
    """Mean over tasks of their shares of passes, which is pass@1; ``None`` when nothing was judged."""
    interval: Interval | None
    """Around the mean, within 0 and 1."""
    method: Literal["t over tasks", "Wilson over runs", ""]
    """Of the interval: Student's t over tasks; of a single task Wilson's, which does not say what other tasks would do."""


@dataclass(frozen=True)
class Failures:
    """Runs that ended for the same reason."""

    reason: str
    """The sentence, with names replaced by ‹…› and numbers by #; hostile."""
    runs: int
    tasks: tuple[str, ...]
    """Ids of up to three of their tasks."""
    lost: bool
    """A machine or provider failed, so that nothing was judged."""


@dataclass(frozen=True)
class ArmReport:
    """One configuration and how its runs went. Means are over judged runs unless a field says otherwise."""

    digest: str
    """Of the configuration."""
    settings: Mapping[str, Any]
    """In force, without those that decide nothing."""
    differing: Mapping[str, Any]
    """Of the settings, those that are not the same in all arms."""
    exemplars: Mapping[str, str]
    """Name → digest of the exemplars beside the shipped ones."""
    models: Mapping[str, int]
    """Model, as it named itself → runs it answered; hostile."""
    simulated: bool
    """A script or a recording answered: no evidence about any real model."""
    rate: Rate
    k: int
    """Of pass@k and pass^k: repeats."""
    k_tasks: int
    """Tasks that were judged so often, over which both are means."""
    pass_any: float | None
    """pass@k: at least one of k runs passes."""
    pass_all: float | None
    """pass^k: all of k runs pass."""
    ended: int
    """Runs, lost ones included."""
    lost: int
    """Runs that machines or providers failed."""
    usd: float | None
    """US dollars per run, mean over tasks; ``None`` where a price is not known."""
    usd_interval: Interval | None
    """Student's t over tasks; ``None`` for fewer than two tasks."""
    usd_per_solved: float | None
    """US dollars of all judged runs over the number that passed; ``None`` where a price is not known, or none passed."""
    tokens: float | None
    """Prompt and completion tokens per run."""
    seconds_p50: float | None
    """Wall time of a run: half take no longer."""
    seconds_p90: float | None
    """Wall time of a run: nine of ten take no longer."""
    questions: int
    """Asked of models in all judged runs."""
    first_try: int
    """Of them, answered with something of use at once."""
    again: int
    """Answers asked for again."""
    given_up: int
    """Questions without an answer of use."""
    claimed: int
    """Runs that said of themselves that they passed."""
    claimed_wrongly: int
    """Of those, runs that hidden tests fail."""
    missed: int
    """Runs that did not say so, and hidden tests pass."""
    failures: tuple[Failures, ...]
    """Most common first."""

    @property
    def lost_share(self) -> float:
        """Of the runs that ended."""
        return self.lost / self.ended if self.ended else 0.0


@dataclass(frozen=True)
class Needed:
    """What it takes to decide what is open."""

    runs: int
    """More, in both arms together."""
    usd: float | None
    """At the mean price of a run in both arms; ``None`` where one is not known."""


@dataclass(frozen=True)
class Group:
    """The tasks of one size or source."""

    by: Literal["size", "source"]
    name: str
    tasks: int
    rates: Mapping[str, Rate]
    """Arm → how often its runs passed."""
    decisions: Mapping[str, Decision]
    """Of a size: arm → the verdict on these tasks alone; p is adjusted for all arms and sizes together."""


@dataclass(frozen=True)
class Run:
    """One run, to be looked at."""

    repeat: int
    """From 0."""
    outcome: RunOutcome
    path: str
    """Its directory, below that of the experiment; empty when there is none. ``AGENT_HOME`` is two directories above it."""


@dataclass(frozen=True)
class TaskInArm:
    """The runs of a task in an arm."""

    passed: int
    judged: int
    lost: int
    runs: tuple[Run, ...]
    """In order of repeats."""

    @property
    def rate(self) -> float | None:
        """Share of the judged runs that passed."""
        return self.passed / self.judged if self.judged else None

    @property
    def words(self) -> str:
        """``2/3``; ``–`` for nothing judged."""
        return f"{self.passed}/{self.judged}" if self.judged else "–"


@dataclass(frozen=True)
class TaskReport:
    """One task in all arms."""

    task: str
    """Its id; hostile."""
    size: str
    source: str
    arms: Mapping[str, TaskInArm]

    @property
    def gap(self) -> float:
        """Between the best and the worst arm."""
        rates = [found.rate for found in self.arms.values() if found.rate is not None]
        return max(rates) - min(rates) if rates else 0.0


@dataclass(frozen=True)
class Flip:
    """A task that passes in some arms and fails in others, each by a majority of its runs."""

    task: str
    passes: tuple[str, ...]
    """Arms."""
    fails: tuple[str, ...]
    """Arms."""


@dataclass(frozen=True)
class Progress:
    """How far an experiment came."""

    state: State
    sentence: str
    """The state in words."""
    began: str
    """When the first run was begun, UTC, ISO 8601; empty when none was."""
    last: str
    """When the last thing happened."""
    ended: int
    """Runs."""
    planned: int
    lost: int
    """Runs that machines or providers failed, of those that ended."""
    void: bool
    """More were lost than the rule allows."""
    usd: float | None
    """Of all runs; ``None`` where a price is not known."""
    look: int
    """At which decisions were made; 0 when the first was not reached."""

    @property
    def lost_share(self) -> float:
        """Of the runs that ended."""
        return self.lost / self.ended if self.ended else 0.0


@dataclass(frozen=True)
class Report:
    """Everything that is said of an experiment."""

    name: str
    title: str
    """The question; hostile."""
    baseline: str
    repeats: int
    rule: Rule
    """As it was fixed before the first run."""
    program: str
    """Digest of the program that ran."""
    tasks: int
    progress: Progress
    arms: Mapping[str, ArmReport]
    """In the order of the experiment."""
    decisions: Mapping[str, Decision]
    """Arm → verdict; without the baseline and what is not decided."""
    undecided: Mapping[str, str]
    """Arm → why nothing is decided of it, in one sentence."""
    needed: Mapping[str, Needed]
    """Arm that came out inconclusive → what it takes."""
    groups: tuple[Group, ...]
    """Sizes first, then sources."""
    matrix: tuple[TaskReport, ...]
    """By size, then name."""
    flips: tuple[Flip, ...] = field(default=())
    """In the order of the matrix."""

    @property
    def simulated(self) -> bool:
        """A script or a recording answered in some arm."""
        return any(arm.simulated for arm in self.arms.values())

    def as_data(self) -> dict[str, Any]:
        """Plain JSON data, ``version`` first."""
        return {"version": VERSION, **to_json(self)}


def read_report(path: Path) -> Report:
    """A report that was kept as JSON. ``UserError`` when it is not there or none of ours."""
    try:
        data = json.loads(path.read_bytes())
        version = data.pop("version")
        if version != VERSION:
            raise UserError(f"{str(path)!r} has the version {version!r} and this program reads {VERSION}; make it anew")
        return from_json(Report, data)
    except OSError as error:
        raise UserError(f"the report {str(path)!r} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise UserError(
            f"{str(path)!r} is no report of an experiment; make one with: agent experiment report DIR -o {path.name}"
        ) from error


# -- from a ledger


def report(ledger: Ledger, *, look: int | None = None) -> Report:
    """What the results in a ledger say.

    Decisions are made at the last look that all its runs have been made for, on the runs of that look alone, so that a report
    of an experiment that goes on decides what the runner would.

    Args:
        ledger: opened or read.
        look: the one to decide at, from 1; the last complete one when not given.

    Raises:
        UserError: the head of the ledger is none of ours, or there is no such look.
    """
    try:
        head = ledger.head
        rule = from_json(Rule, head["rule"])
        names, tasks = list(head["arms"]), dict(head["tasks"])
        baseline, repeats, title = str(head["baseline"]), int(head["repeats"]), str(head["title"])
        order = sorted(tasks, key=lambda task: (_size_rank(tasks[task]["size"]), tasks[task]["size"], task))
        settings = {name: _settings(head["arms"][name]) for name in names}
        digests = {name: str(head["arms"][name]["digest"]) for name in names}
        name, program = str(head["name"]), str(head["program"])
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise UserError(
            f"the first line of {str(ledger.directory / NAME)!r} does not say what the experiment is; it was not written by: "
            "agent experiment run"
        ) from error
    if look is not None and not 1 <= look <= rule.looks:
        raise UserError(f"there is no look {look}; the rule has {rule.looks}")
    known = [r for r in ledger.results.values() if r.task in tasks and r.arm in digests and 0 <= r.repeat < repeats]
    by_arm: dict[str, list[Result]] = {arm: [] for arm in names}
    for result in known:
        by_arm[result.arm].append(result)
    at, in_look = _look(known, len(tasks) * len(names), repeats, rule, look)
    others = [arm for arm in names if arm != baseline]
    compared = {arm: pairs([r.outcome for r in in_look], baseline, arm) for arm in others}
    decisions = _decisions(compared, rule, at) if at else {}
    arms = {
        arm: _arm(by_arm[arm], settings, arm, digests[arm], head["arms"][arm]["exemplars"], repeats) for arm in names
    }
    matrix = _matrix(known, order, tasks, names)
    return Report(
        name=name,
        title=title,
        baseline=baseline,
        repeats=repeats,
        rule=rule,
        program=program,
        tasks=len(tasks),
        progress=_progress(ledger, known, len(tasks) * len(names) * repeats, rule, at),
        arms=arms,
        decisions=decisions,
        undecided={arm: _undecided(arm, compared[arm], at, look, rule) for arm in others if arm not in decisions},
        needed={arm: _needed(found, arms[baseline], arms[arm]) for arm, found in decisions.items() if _open(found)},
        groups=(
            *_groups("size", tasks, order, known, names, _by_size(compared, tasks, rule, at)),
            *_groups("source", tasks, order, known, names, {}),
        ),
        matrix=matrix,
        flips=tuple(flip for row in matrix if (flip := _flip(row))),
    )


def _size_rank(size: str) -> int:
    return SIZES.index(size) if size in SIZES else len(SIZES)


def _settings(arm: Mapping[str, Any]) -> dict[str, Any]:
    """What of an arm's settings decides something; of a directory of exemplars the last name, since others have it elsewhere."""
    kept = {key: value for key, value in arm["settings"].items() if key not in DECIDES_NOTHING}
    directory = arm.get("exemplar_directory")
    return {**kept, **({"exemplar_directory": Path(str(directory)).name} if directory else {})}


def _look(
    known: Sequence[Result], cells: int, repeats: int, rule: Rule, wanted: int | None
) -> tuple[int, list[Result]]:
    """The look to decide at, 0 when its runs are not all there, and its results."""
    share = max(repeats // rule.looks, 1)
    ended = Counter(result.repeat for result in known)
    complete = 0
    for look in range(1, rule.looks + 1):
        until = repeats if look == rule.looks else look * share
        if all(ended[repeat] >= cells for repeat in range(until)):
            complete = look
    at = complete if wanted is None else wanted if wanted <= complete else 0
    until = repeats if at == rule.looks else at * share
    return at, [result for result in known if result.repeat < until]


_NO_NEWS = tuple(Pair(name, Tally(1, 1), Tally(1, 1)) for name in "ab")
"""In place of an arm that cannot be decided yet: its p is 1, and Holm's correction still counts it."""


def _decisions(compared: Mapping[str, Sequence[Pair]], rule: Rule, look: int) -> dict[str, Decision]:
    """Those arms' that were judged on two tasks or more, corrected for all arms."""
    enough = {arm: sum(pair.judged for pair in found) >= 2 for arm, found in compared.items()}
    made = decide({arm: found if enough[arm] else _NO_NEWS for arm, found in compared.items()}, rule, look)
    return {arm: decision for arm, decision in made.items() if enough[arm]}


def _by_size(
    compared: Mapping[str, Sequence[Pair]], tasks: Mapping[str, Any], rule: Rule, look: int
) -> dict[str, dict[str, Decision]]:
    """Size → arm → the verdict on its tasks alone, corrected for all arms and sizes together."""
    if not look:
        return {}
    keys = {
        f"{size} {arm}": (size, arm) for size in sorted({task["size"] for task in tasks.values()}) for arm in compared
    }
    made = _decisions(
        {
            key: [pair for pair in compared[arm] if tasks[pair.task]["size"] == size]
            for key, (size, arm) in keys.items()
        },
        rule,
        look,
    )
    found: dict[str, dict[str, Decision]] = {}
    for key, decision in made.items():
        size, arm = keys[key]
        found.setdefault(size, {})[arm] = from_json(Decision, {**to_json(decision), "arm": arm})
    return found


def _undecided(arm: str, compared: Sequence[Pair], at: int, wanted: int | None, rule: Rule) -> str:
    if not at:
        which = "all runs" if rule.looks == 1 else f"all runs of look {wanted or 1} of {rule.looks}"
        return f"not decided: the rule decides when {which} have ended, and some are missing"
    judged = sum(pair.judged for pair in compared)
    were = "task was" if judged == 1 else "tasks were"
    return f"not decided: {judged} {were} judged both in {arm!r} and in the baseline, and a comparison takes 2"


def _open(decision: Decision) -> bool:
    return decision.verdict == "inconclusive" and not decision.futile


def _needed(decision: Decision, baseline: ArmReport, arm: ArmReport) -> Needed:
    if baseline.usd is None or arm.usd is None:
        return Needed(decision.more_runs, None)
    return Needed(decision.more_runs, decision.more_runs * (baseline.usd + arm.usd) / 2)


# -- arms


def rate(tallies: Iterable[Tally]) -> Rate:
    """How often runs passed, from the runs of each task.

    The standard error is taken to be at least what it were had one run of one task come out otherwise, as for decisions.
    """
    judged = [found for found in tallies if found.runs]
    passed, runs = sum(found.passed for found in judged), sum(found.runs for found in judged)
    if not judged:
        return Rate(0, 0, 0, None, None, "")
    if len(judged) == 1:
        return Rate(1, passed, runs, passed / runs, wilson(passed, runs), "Wilson over runs")
    least = 1 / (len(judged) * min(found.runs for found in judged))
    found = estimate((one.rate for one in judged), least_se=least)
    around = found.interval()
    within = Interval(max(around.low, 0.0), min(around.high, 1.0), around.level)
    return Rate(len(judged), passed, runs, found.mean, within, "t over tasks")


def _by_task(results: Iterable[Result]) -> dict[str, Tally]:
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.task, []).append(result)
    return {task: tally(result.outcome for result in runs) for task, runs in found.items()}


def _arm(
    results: Sequence[Result],
    settings: Mapping[str, Mapping[str, Any]],
    name: str,
    digest: str,
    exemplars: Mapping[str, str],
    repeats: int,
) -> ArmReport:
    judged = [result for result in results if not result.infra]
    tallies = _by_task(results)
    often = [found for found in tallies.values() if found.runs >= repeats]
    costs = [found.usd for found in tallies.values() if found.runs]
    priced = [usd for usd in costs if usd is not None]
    known = bool(costs) and len(priced) == len(costs)
    passed = sum(result.passed for result in judged)
    seconds = sorted(result.seconds for result in judged)
    own = settings[name]
    models = Counter(result.model for result in results if result.model)
    alike = {
        key
        for key in own
        if all(key in other and to_json(other[key]) == to_json(own[key]) for other in settings.values())
    }
    return ArmReport(
        digest=digest,
        settings=own,
        differing={key: value for key, value in own.items() if key not in alike},
        exemplars=exemplars,
        models=dict(models.most_common()),
        simulated=any(map(is_simulated, (*models, own.get("model"), *dict(own.get("models") or {}).values()))),
        rate=rate(tallies.values()),
        k=repeats,
        k_tasks=len(often),
        pass_any=_mean(pass_any(found.passed, found.runs, repeats) for found in often),
        pass_all=_mean(pass_all(found.passed, found.runs, repeats) for found in often),
        ended=len(results),
        lost=len(results) - len(judged),
        usd=_mean(priced) if known else None,
        usd_interval=estimate(priced).interval() if known and len(priced) > 1 else None,
        usd_per_solved=fsum(result.usd or 0.0 for result in judged) / passed if known and passed else None,
        tokens=_mean(result.prompt_tokens + result.completion_tokens for result in judged),
        seconds_p50=_quantile(seconds, 0.5),
        seconds_p90=_quantile(seconds, 0.9),
        questions=sum(result.questions for result in judged),
        first_try=sum(result.first_try for result in judged),
        again=sum(result.again for result in judged),
        given_up=sum(result.given_up for result in judged),
        claimed=sum(result.claimed for result in judged),
        claimed_wrongly=sum(result.claimed and not result.passed for result in judged),
        missed=sum(result.passed and not result.claimed for result in judged),
        failures=_failures(results),
    )


_SIMULATED = re.compile(r"(local:)?(scripted|replay)", re.IGNORECASE)


def is_simulated(model: str | None) -> bool:
    """Whether a model of that name is a script or a recording."""
    return bool(model and _SIMULATED.match(model))


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return fsum(found) / len(found) if found else None


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Linear between the two nearest (Hyndman and Fan 1996, type 7)."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


_NAMES = re.compile(
    r"(?<!\w)'[^'\n]{0,200}'(?!\w)|\"[^\"\n]{0,200}\"|`[^`\n]{0,200}`"  # quoted
    r"|\w*[/\\]\S*"  # paths, tests
    r"|\b[^\W\d]\w*(?:\.\w+|::\w+)+\b|\b[^\W\d_]+_\w+\b"  # code
)


def kind_of(reason: str) -> str:
    """A reason without what makes it the reason of one run: names become ‹…›, numbers #.

    >>> kind_of("the component 'due_dates' took 4 repairs in 12.5 s")
    'the component ‹…› took # repairs in # s'
    """
    words = _NAMES.sub("‹…›", plain(reason[:LONGEST_REASON]))
    return re.sub(r"\d+(?:[.,:]\d+)*", "#", words) or "no reason was given"


def _failures(results: Sequence[Result]) -> tuple[Failures, ...]:
    found: dict[tuple[bool, str], list[str]] = {}
    for result in results:
        if not result.passed:
            found.setdefault((result.infra, kind_of(result.reason)), []).append(result.task)
    common = sorted(found.items(), key=lambda entry: (-len(entry[1]), entry[0]))[:MOST_REASONS]
    return tuple(Failures(reason, len(tasks), tuple(sorted(set(tasks))[:3]), lost) for (lost, reason), tasks in common)


# -- tasks


def _groups(
    by: Literal["size", "source"],
    tasks: Mapping[str, Mapping[str, Any]],
    order: Sequence[str],
    known: Sequence[Result],
    names: Sequence[str],
    decisions: Mapping[str, Mapping[str, Decision]],
) -> Iterable[Group]:
    for value in dict.fromkeys(str(tasks[task][by]) for task in order):
        members = {task for task in order if tasks[task][by] == value}
        rates = {arm: rate(_by_task(r for r in known if r.arm == arm and r.task in members).values()) for arm in names}
        yield Group(by, value, len(members), rates, decisions.get(value, {}))


def _matrix(
    known: Sequence[Result], order: Sequence[str], tasks: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> tuple[TaskReport, ...]:
    cells: dict[tuple[str, str], list[Result]] = {}
    for result in sorted(known, key=lambda result: result.repeat):
        cells.setdefault((result.task, result.arm), []).append(result)
    return tuple(
        TaskReport(
            task,
            str(tasks[task]["size"]),
            str(tasks[task]["source"]),
            {arm: _task_in_arm(cells.get((task, arm), ())) for arm in names},
        )
        for task in order
    )


def _task_in_arm(results: Sequence[Result]) -> TaskInArm:
    counts = tally(result.outcome for result in results)
    runs = tuple(Run(r.repeat, "lost" if r.infra else "passed" if r.passed else "failed", r.run) for r in results)
    return TaskInArm(counts.passed, counts.runs, counts.infra, runs)


def _flip(row: TaskReport) -> Flip | None:
    passes = tuple(arm for arm, found in row.arms.items() if 2 * found.passed > found.judged)
    fails = tuple(arm for arm, found in row.arms.items() if 2 * found.passed < found.judged)
    return Flip(row.task, passes, fails) if passes and fails else None


# -- how far it came


def _progress(ledger: Ledger, known: Sequence[Result], planned: int, rule: Rule, at: int) -> Progress:
    ended, lost = len(known), sum(result.infra for result in known)
    stopped = next((entry for entry in ledger.looks if entry.get("stop")), None)
    going = len(ledger.begun.keys() - ledger.results.keys())
    state: State
    if ended >= planned:
        state, sentence = "finished", f"All {planned:,} runs have ended."
    elif stopped and at == stopped.get("look"):
        state = "stopped early"
        sentence = (
            f"Look {at} of {rule.looks} left nothing open, so it was stopped: {planned - ended:,} of {planned:,} runs were not "
            "needed."
        )
    else:
        state = "unfinished"
        begun = f" {going:,} {'is' if going == 1 else 'are'} begun." if going else ""
        sentence = f"Unfinished: {ended:,} of {planned:,} runs have ended.{begun} This is what they say so far."
    began, last = _when(ledger.directory / NAME)
    prices = [result.usd for result in known]
    priced = [usd for usd in prices if usd is not None]
    return Progress(
        state=state,
        sentence=sentence,
        began=began,
        last=last,
        ended=ended,
        planned=planned,
        lost=lost,
        void=lost > rule.most_infra * ended,
        usd=fsum(priced) if priced and len(priced) == len(prices) else None,
        look=at,
    )


def _when(path: Path) -> tuple[str, str]:
    """When the first and the last thing in a ledger happened; empty for one in which nothing has."""
    lines = path.read_bytes().split(b"\n")[1:-1] if path.is_file() else []
    times = [json.loads(line).get("at") for line in (lines[0], lines[-1])] if lines else []
    said = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in times if type(at) in (int, float)]
    return (said[0], said[-1]) if said else ("", "")
