"""A report in words and tables, and these as text for a terminal or as Markdown. The page (``report_html``) shows the same tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import floor, log10
from pathlib import PurePosixPath
from shlex import quote
from typing import Any

from agent.cli.output import wrapped
from agent.cli.story import amount, duration
from benchmark.report import ArmReport, Progress, Rate, Report, TaskReport
from benchmark.statistics import Interval
from graphs.text import cells, listed, plain, shortened

WIDTH = 100
"""Most terminal cells of a line."""
LONGEST_NAME = 20
"""Terminal cells of an arm's name in the headings of columns."""
MOST_COLUMNS = 7
"""Of a table in a terminal; further ones follow below, with the first column again."""
MOST_TASKS = 60
"""Rows of the table of tasks; the JSON form has all of them."""

UNKNOWN = "–"
"""Where there is no figure."""
SIMULATED = "A script or a recording answered, and no model: this shows that the machinery works, and is no evidence about real models."
LEGEND = (
    "Pass: mean over tasks of the share of runs whose hidden tests all pass (pass@1), with a 95 % interval over tasks.",
    "Detects: the smallest true difference that such data would show, with the power the rule names. P(better): under a flat prior.",
)


# -- figures


def percent(share: float | None) -> str:
    """``72.7``; figures stand in columns that say %."""
    return UNKNOWN if share is None else f"{100 * share:.1f}"


def points(difference: float) -> str:
    """``+13.6``."""
    return f"{100 * difference:+.1f}"


def between(interval: Interval | None) -> str:
    """``[55.1, 90.3]``."""
    return "" if interval is None else f"[{percent(interval.low)}, {percent(interval.high)}]"


def gap_between(interval: Interval) -> str:
    """``[+2.1, +25.2]``, within what differences can be: with two tasks the interval itself may be wider."""
    return f"[{points(max(interval.low, -1.0))}, {points(min(interval.high, 1.0))}]"


def price(usd: float | None) -> str:
    """``$0.0312``: three digits, because prices of single runs are compared; ``–`` for an unknown one."""
    if usd is None:
        return UNKNOWN
    if usd == 0 or abs(usd) >= 1:
        return f"${usd:,.2f}"
    return f"${usd:.{min(2 - floor(log10(abs(usd))), 9)}f}"


def small(p: float) -> str:
    """A p-value: ``0.034``, ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def rated(rate: Rate) -> str:
    """``72.7 [55.1, 90.3]``; of a single task marked, since its interval is of another kind."""
    mark = "ʷ" if rate.method == "Wilson over runs" else ""
    return f"{percent(rate.mean)} {between(rate.interval)}{mark}".strip()


def _seconds(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _share(count: int, of: int) -> str:
    return f"{count:,} of {of:,}"


def many(count: int, what: str) -> str:
    """``1 task``, ``22 tasks``."""
    return f"{count:,} {what}{'s' * (count != 1)}"


# -- tables


@dataclass(frozen=True)
class Table:
    """Rows of texts that are safe to print and not escaped for any format."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int] = frozenset({0})
    """Columns of words, which begin at the left; figures end at the right."""


@dataclass(frozen=True)
class Section:
    """A part of a report."""

    title: str
    text: tuple[str, ...] = ()
    """Sentences above the table."""
    table: Table | None = None
    notes: tuple[str, ...] = ()
    """Sentences below it."""
    entries: tuple[str, ...] = field(default=())
    """A list."""


def headline(report: Report) -> tuple[str, ...]:
    """What was run and how far it came, in short phrases."""
    progress = report.progress
    lost = f"{percent(progress.lost_share)} % lost to machines or providers"
    return tuple(
        filter(
            None,
            (
                f"{many(report.tasks, 'task')} × {many(report.repeats, 'repeat')} × {many(len(report.arms), 'arm')}",
                f"{progress.ended:,} of {progress.planned:,} runs",
                lost,
                "cost unknown" if progress.usd is None else f"{price(progress.usd)} in all",
                when(progress),
            ),
        )
    )


def when(progress: Progress) -> str:
    """``2026-03-01 10:00 to 12:30 UTC``; empty when nothing was begun."""
    began, last = (at.replace("T", " ")[:16] for at in (progress.began, progress.last))
    if not began:
        return ""
    return f"{began} to {last[11:] if last[:10] == began[:10] else last} UTC"


def warnings(report: Report) -> tuple[str, ...]:
    """What a reader must know before any figure."""
    progress, found = report.progress, []
    if report.simulated:
        found.append(SIMULATED)
    if progress.state != "finished":
        found.append(progress.sentence)
    if progress.void:
        found.append(
            f"Void: {percent(progress.lost_share)} % of the runs were lost to machines or providers, and the rule allows "
            f"{100 * report.rule.most_infra:g} %."
        )
    return tuple(found)


def rule_words(report: Report) -> str:
    """The rule as it was fixed, in one sentence."""
    rule = report.rule
    looks = (
        "after all runs"
        if rule.looks == 1
        else f"at {rule.looks} looks after equal shares of the runs (O'Brien–Fleming)"
    )
    return (
        f"Fixed before the first run: each arm is compared with {plain(report.baseline, 40)!r} {looks} by a paired t test over tasks, "
        f"two-sided, α = {rule.alpha:g} with Holm's correction over arms; differences within ±{100 * rule.margin:g} points do not "
        f"matter; power {rule.power:g}; void above {100 * rule.most_infra:g} % lost runs."
    )


def verdict(report: Report, arm: str) -> str:
    """One or two words: ``better``, ``baseline``, ``not decided``."""
    if arm in report.decisions:
        return report.decisions[arm].verdict
    return (
        "baseline"
        if arm == report.baseline and len(report.arms) > 1
        else "not decided"
        if arm in report.undecided
        else UNKNOWN
    )


def verdict_reason(report: Report, arm: str) -> str:
    """Why, in one sentence; of an arm that is inconclusive, what it takes to decide."""
    if arm in report.undecided:
        return report.undecided[arm]
    decision = report.decisions[arm]
    needed = report.needed.get(arm)
    if needed is None:
        return decision.reason
    cost = "" if needed.usd is None else f" ≈ {price(needed.usd)}"
    gap = f"{points(decision.difference.mean)} points {gap_between(decision.interval)}"
    return f"{gap}; {many(needed.runs, 'more run')} needed{cost}, to see {100 * report.rule.margin:g} points"


def verdicts(report: Report) -> tuple[str, ...]:
    """A sentence for each arm but the baseline."""
    if len(report.arms) < 2:
        return ("There is one arm, so nothing is compared.",)
    named = [arm for arm in report.arms if arm != report.baseline]
    return tuple(
        f"{plain(arm, 40)}: {verdict_reason(report, arm)}"
        if arm in report.undecided
        else f"{plain(arm, 40)}: {verdict(report, arm)}, {verdict_reason(report, arm)}"
        for arm in named
    )


def pass_table(report: Report) -> Table:
    """How often the runs of each arm passed."""
    headings = ["Arm", "Tasks × runs", "Pass % [95 % CI]", "Passed"]
    k = report.repeats
    if k > 1:
        headings += [f"Pass@{k} %", f"Pass^{k} %"]
    return Table(
        (*headings, "Lost %"),
        tuple(
            (
                plain(name, 40),
                f"{arm.rate.tasks} × {k}",
                rated(arm.rate),
                f"{arm.rate.passed}/{arm.rate.runs}",
                *((percent(arm.pass_any), percent(arm.pass_all)) if k > 1 else ()),
                percent(arm.lost_share) if arm.ended else UNKNOWN,
            )
            for name, arm in report.arms.items()
        ),
    )


def difference_table(report: Report) -> Table | None:
    """Each arm against the baseline; ``None`` where nothing is decided."""
    if not report.decisions:
        return None
    rows = []
    for name, d in report.decisions.items():
        gap = f"{points(d.difference.mean)} {gap_between(d.interval)}"
        cost = UNKNOWN if d.cost is None else f"{d.cost[0]:.2f} [{d.cost[1].low:.2f}, {d.cost[1].high:.2f}]"
        rows.append(
            (
                plain(name, 40), d.verdict, gap, small(d.p_holm), f"{d.probability_better:.3f}",
                f"±{percent(d.detectable)}", cost,
            )
        )  # fmt: skip
    level = 100 * next(iter(report.decisions.values())).interval.level
    headings = ("Arm", "Verdict", f"Difference [{level:.3g} % CI]", "p (Holm)", "P(better)", "Detects", "Cost ratio")
    return Table(headings, tuple(rows), frozenset({0, 1}))


def cost_table(report: Report) -> Table:
    """What runs took."""
    headings = ("Arm", "$ per run", "$ per solved task", "Tokens per run", "Median time", "90 % within")
    return Table(
        headings,
        tuple(
            (
                plain(name, 40), price(arm.usd),
                "none solved" if arm.usd is not None and not arm.rate.passed else price(arm.usd_per_solved),
                UNKNOWN if arm.tokens is None else amount(round(arm.tokens)),
                _seconds(arm.seconds_p50), _seconds(arm.seconds_p90),
            )
            for name, arm in report.arms.items()
        ),
    )  # fmt: skip


def answer_table(report: Report) -> Table:
    """Whether models answered in a form that could be used."""
    headings = ("Arm", "Questions", "First try", "First try %", "Asked again", "Given up")
    return Table(
        headings,
        tuple(
            (
                plain(name, 40), f"{arm.questions:,}", f"{arm.first_try:,}",
                percent(arm.first_try / arm.questions if arm.questions else None), f"{arm.again:,}", f"{arm.given_up:,}",
            )
            for name, arm in report.arms.items()
        ),
    )  # fmt: skip


def honesty_table(report: Report) -> Table:
    """What runs said of themselves against what the hidden tests said."""
    headings = ("Arm", "Said it passed", "… but hidden tests fail", "Said it did not", "… but hidden tests pass")
    rows = []
    for name, arm in report.arms.items():
        silent = arm.rate.runs - arm.claimed
        wrongly, missed = _share(arm.claimed_wrongly, arm.claimed), _share(arm.missed, silent)
        rows.append((plain(name, 40), f"{arm.claimed:,}", wrongly, f"{silent:,}", missed))
    return Table(headings, tuple(rows))


def group_table(report: Report, by: str) -> Table:
    """Pass rates by size or source of the tasks."""
    found = [group for group in report.groups if group.by == by]
    rows = []
    for group in found:
        for arm, rate in group.rates.items():
            decision = group.decisions.get(arm)
            said = "baseline" if arm == report.baseline and len(report.arms) > 1 else UNKNOWN
            gap = f"{points(decision.difference.mean)} {gap_between(decision.interval)}" if decision else UNKNOWN
            judged = (plain(group.name, 20), plain(arm, 40), f"{rate.tasks}/{group.tasks}", rated(rate))
            rows.append((*judged, gap, decision.verdict if decision else said) if by == "size" else judged)
    more = ("Difference [CI]", "Verdict") if by == "size" else ()
    return Table((by.capitalize(), "Arm", "Tasks", "Pass % [95 % CI]", *more), tuple(rows), frozenset({0, 1, 5}))


def shown_tasks(report: Report) -> tuple[tuple[TaskReport, ...], str]:
    """The tasks of a table, and what is said of those left out: arms differ least in them."""
    rows = report.matrix
    if len(rows) <= MOST_TASKS:
        return rows, ""
    ranked = sorted(range(len(rows)), key=lambda at: (-rows[at].gap, _passes(rows[at]), at))
    kept = sorted(ranked[:MOST_TASKS])
    left = len(rows) - len(kept)
    words = f"The {len(kept)} tasks in which arms differ most; {left:,} others are in the JSON form (--format json)."
    return tuple(rows[at] for at in kept), words


def _passes(row: TaskReport) -> float:
    return sum(found.rate or 0.0 for found in row.arms.values())


def task_table(report: Report) -> Table:
    """Passes of judged runs, by task and arm."""
    rows, _ = shown_tasks(report)
    headings = ("Task", "Size", *(plain(arm, LONGEST_NAME) for arm in report.arms))
    body = tuple((plain(row.task, 60), row.size, *(row.arms[arm].words for arm in report.arms)) for row in rows)
    return Table(headings, body, frozenset({0, 1}))


def flip_words(report: Report) -> tuple[str, ...]:
    """A line for each task that passes in one arm and fails in another."""
    return tuple(
        f"{plain(flip.task, 60)}: passes in {listed(flip.passes)}, fails in {listed(flip.fails)}"
        for flip in report.flips[:MOST_TASKS]
    )


def failure_table(report: Report) -> Table | None:
    """Why runs did not pass; ``None`` when all did."""
    rows = [
        (
            plain(name, 40), f"{found.runs:,}", ("lost: " if found.lost else "") + plain(found.reason, 110),
            listed(found.tasks, 3),
        )
        for name, arm in report.arms.items()
        for found in arm.failures
    ]  # fmt: skip
    return Table(("Arm", "Runs", "Reason", "Such as"), tuple(rows), frozenset({0, 2, 3})) if rows else None


def differing_words(arm: ArmReport) -> str:
    """The settings by which an arm differs from others: ``strategy = guided``."""
    pairs = (f"{plain(key, 40)} = {plain(_value(value), 60)}" for key, value in arm.differing.items())
    return ", ".join(pairs) or UNKNOWN


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_value(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value)) or "none"
    return "none" if value is None else str(value)


def arm_table(report: Report) -> Table:
    """What each arm is."""
    rows = tuple(
        (
            plain(name, 40), differing_words(arm), listed(tuple(arm.models), 3) if arm.models else UNKNOWN,
            plain(arm.digest, 16),
        )
        for name, arm in report.arms.items()
    )  # fmt: skip
    headings = ("Arm", "What differs", "Model, as it named itself", "Configuration")
    return Table(headings, rows, frozenset({0, 1, 2, 3}))


def run_words(report: Report) -> str:
    """How a run can be looked at; empty when the report has none."""
    runs = (run.path for row in report.matrix for found in row.arms.values() for run in found.runs if run.path)
    first = next(runs, "")
    return f"Look at a run from the experiment's directory, for example with: {show_command(first)}" if first else ""


def show_command(path: str) -> str:
    """What shows the run in a directory: its home is two levels above it."""
    place = PurePosixPath(plain(path))
    return f"AGENT_HOME={quote(str(place.parent.parent))} agent show {quote(place.name)}"


def sections(report: Report) -> Iterator[Section]:
    """The parts of a report, in order."""
    yield Section("Verdict", text=(rule_words(report),), entries=verdicts(report))
    wilson = "ʷ of a single task: Wilson's interval over runs, which says nothing of other tasks."
    rates = [arm.rate for arm in report.arms.values()] + [r for group in report.groups for r in group.rates.values()]
    marked = any(rate.method == "Wilson over runs" for rate in rates)
    few = [arm for arm in report.arms.values() if arm.k_tasks < arm.rate.tasks]
    k = report.repeats
    partly = f"Pass@{k} and pass^{k} are over tasks with {k} judged runs: at least {min((a.k_tasks for a in few), default=0)}."
    notes = (LEGEND[0], *([wilson] if marked else []), *([partly] if few and k > 1 else []))
    yield Section("Pass rates", table=pass_table(report), notes=notes)
    if table := difference_table(report):
        yield Section(f"Against {plain(report.baseline, 40)}", table=table, notes=(LEGEND[1],))
    yield Section("Cost and time", table=cost_table(report))
    yield Section(
        "Answers",
        ("Questions to models in judged runs, and how many answers were of use at once.",),
        answer_table(report),
    )
    yield Section("Honesty", ("What runs said of themselves, against the hidden tests.",), honesty_table(report))
    size = "p is adjusted for all arms and sizes together." if any(group.decisions for group in report.groups) else ""
    yield Section("By size", table=group_table(report, "size"), notes=tuple(filter(None, [size])))
    if sum(group.by == "source" for group in report.groups) > 1:
        yield Section("By source", table=group_table(report, "source"))
    _, left = shown_tasks(report)
    text = ("Runs that passed, of those that were judged.", *([left] if left else []))
    yield Section("Tasks", text, task_table(report), tuple(filter(None, [run_words(report)])))
    if len(report.arms) > 1:
        none = () if report.flips else ("No task passes in one arm and fails in another, by majority of its runs.",)
        count = len(report.flips)
        some = (
            f"{many(count, 'task')} pass{'es' * (count == 1)} in one arm and fail{'s' * (count == 1)} in another, by majority of runs.",
        )
        yield Section("Flips", none or some, entries=flip_words(report))
    if failures := failure_table(report):
        yield Section("Failures", ("The most common reasons, names as ‹…› and numbers as #.",), failures)
    yield Section("Arms", (f"The program that ran: {plain(report.program, 16)}.",), arm_table(report))


# -- terminal


def as_text(report: Report) -> str:
    """For a terminal: at most 100 columns."""
    lines = [*wrapped(plain(report.title, 300), 0, 0), *_phrases(headline(report))]
    for warning in warnings(report):
        lines += wrapped(f"! {warning}", 0)
    for section in sections(report):
        lines += ["", section.title.upper()]
        for sentence in section.text:
            lines += wrapped(sentence, 2, 2)
        if section.table:
            lines += _aligned(section.table)
        for entry in section.entries:
            lines += wrapped(entry, 2, 4)
        for note in section.notes:
            lines += wrapped(note, 2, 2)
    return "\n".join(lines) + "\n"


def _phrases(phrases: Sequence[str]) -> Iterator[str]:
    """Lines of phrases, none of which is broken unless it is longer than a line."""
    whole = " · ".join(phrase.replace(" ", "\u00a0") for phrase in phrases).replace(" ·", "\u00a0·")
    yield from (line.replace("\u00a0", " ") for line in wrapped(whole, 0, 0))


def _aligned(table: Table) -> Iterator[str]:
    """A table in columns, indented by two; wide columns are cut, and what has too many is continued below."""
    fixed = 2 if table.headings[:2] == ("Task", "Size") else 1
    others = range(fixed, len(table.headings))
    for start in range(0, max(len(others), 1), MOST_COLUMNS):
        columns = [*range(fixed), *others[start : start + MOST_COLUMNS]]
        rows = [[row[at] for at in columns] for row in (tuple(map(str.upper, table.headings)), *table.rows)]
        widths = [max(cells(row[at]) for row in rows) for at in range(len(columns))]
        while 2 + sum(widths) + 2 * (len(widths) - 1) > WIDTH:
            widest = max(range(len(widths)), key=widths.__getitem__)
            widths[widest] -= 1
        if start:
            yield ""
        for row in rows:
            cut = [shortened(text, width) for text, width in zip(row, widths, strict=True)]
            padded = [
                cell + " " * (width - cells(cell)) if at in table.words else " " * (width - cells(cell)) + cell
                for at, cell, width in zip(columns, cut, widths, strict=True)
            ]
            yield f"  {'  '.join(padded)}".rstrip()


# -- Markdown


def as_markdown(report: Report) -> str:
    """For a pull request, a job's summary or a README: tables as GitHub reads them."""
    lines = [f"# {escaped(report.title)}", "", escaped(" · ".join(headline(report))), ""]
    for warning in warnings(report):
        lines += [f"> {escaped(warning)}", ""]
    for section in sections(report):
        lines += [f"## {escaped(section.title)}", ""]
        for sentence in section.text:
            lines += [escaped(sentence), ""]
        if section.table:
            lines += [*markdown_table(section.table), ""]
        if section.entries:
            lines += [*(f"- {escaped(entry)}" for entry in section.entries), ""]
        for note in section.notes:
            lines += [escaped(note), ""]
    return "\n".join(lines).rstrip() + "\n"


def markdown_table(table: Table) -> Iterator[str]:
    """A table as GitHub reads it."""
    yield _row(table.headings)
    yield _row([":--" if at in table.words else "--:" for at in range(len(table.headings))], raw=True)
    yield from map(_row, table.rows)


def _row(texts: Sequence[str], raw: bool = False) -> str:
    return f"| {' | '.join(text if raw else escaped(text) for text in texts)} |"


_MEANS_SOMETHING = re.compile(r"[\\`*_\[\]<>|~#&$@]")


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: nothing in it is a link, a mention, code or emphasis."""
    safe = _MEANS_SOMETHING.sub(
        lambda found: f"&#{ord(found[0])};" if found[0] in "@<>&" else f"\\{found[0]}", plain(text)
    )
    return re.sub(r"(?i)(://|www\.)", lambda found: found[0].replace(":", "&#58;").replace(".", "&#46;"), safe)
