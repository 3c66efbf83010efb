"""What ``agent run`` shows: a live tree on a terminal, plain lines elsewhere, and the block at the end."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from agent.cli.story import ENDS, amount, cause, change, clock, duration, money, spent, tell, unproven
from graphs import events
from graphs.draw import Branch, branches
from graphs.run_state import RunState
from graphs.status import SIGNS, State, describe
from graphs.text import cells, names, plain, shortened
from graphs.values import Status

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, ConsoleOptions, RenderResult

    from graphs.events import Event

STYLES: dict[Status, str] = {
    "pending": "dim",
    "ready": "",
    "running": "bold cyan",
    "waiting": "bold magenta",
    "passed": "green",
    "failed": "bold red",
    "blocked": "yellow",
    "skipped": "dim",
}
"""Status → rich style; the sign says the same without colour."""

_FIRST: tuple[Status, ...] = ("waiting", "running", "failed", "ready", "blocked", "pending", "passed", "skipped")
_WORDS: dict[Status, str] = {"pending": "not started", "waiting": "asking you"}
_UNTOLD = {events.COMPONENT_READY, events.COMMITTED, events.COMPONENT_STARTED}
_TESTING = ("red", "check", "strength")
"""Steps that run tests; what comes of them is told, and not that they begin."""
_REFRESHES_PER_SECOND = 4
_MOST_UNPROVEN = 8
"""Rows of the summary for what is not proven; ``agent show`` has all."""
_DIRECT_ROWS = 5
"""Rows of the terminal that the tree leaves alone: head, foot and the line the cursor is on."""


class LiveView:
    """Shows a run. Give :meth:`on_event` to the run as a listener; it may be called from any thread.

    On a terminal the tree is redrawn in place; elsewhere one line is printed per event that matters; with ``quiet``
    nothing is printed.
    """

    def __init__(
        self,
        console: Console,
        *,
        run_id: str = "",
        state: RunState | None = None,
        quiet: bool = False,
        transient: bool = False,
        model_slots: int = 0,
        test_slots: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            console: where to print.
            run_id: shown in the head; taken from ``run.started`` when not given.
            state: what happened before (a resumed run); grows with each event.
            quiet: print nothing.
            transient: leave no picture behind on a terminal.
            model_slots: calls to the model at once, at most; 0 when unknown.
            test_slots: test runs at once, at most; 0 when unknown.
            now: seconds since the epoch.
        """
        self.state = state or RunState()
        """What was seen so far."""
        self._console = console
        self.run_id = run_id
        """Names the run; empty until it is known."""
        self._quiet = quiet
        self._transient = transient
        self._slots = (model_slots, test_slots)
        self._now = now
        self._guard = threading.RLock()
        self._live: Live | None = None
        self._drawn: tuple[object, Sequence[Branch]] = (None, ())

    def __enter__(self) -> LiveView:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(
                self, console=self._console, refresh_per_second=_REFRESHES_PER_SECOND, transient=self._transient
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to someone else, such as a question to the user, for as long as the block lasts."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        try:
            yield
        finally:
            if live is not None:
                self.__enter__()

    def on_event(self, event: Event) -> None:
        """Take in one event and show what it changes."""
        with self._guard:
            self.state.apply(event)
            if not self.run_id and event.kind == events.RUN_STARTED:
                self.run_id = str(event.body.get("run", ""))
            seen = self._console.is_terminal and event.kind != events.NOTE  # the tree shows all but notes
            line = "" if self._quiet or seen or _untold(event) else tell(event)
        if line:
            who = f"{plain(event.component, 40)}: " if event.component else ""
            at = clock(self.state.elapsed(event.ts or self._now()))
            try:
                self._console.print(Text(f"{at:>7}  {who}{line}"), soft_wrap=True)
            except OSError:  # nobody reads on, or a full disk: no reason to end a run that is paid for
                self._quiet = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._guard:
            width = min(options.max_width, console.width)
            yield from self._head(width)
            yield from self._rows(width, max(console.height - _DIRECT_ROWS, 3))

    def _head(self, width: int) -> Iterator[Text]:
        state, (model_slots, test_slots) = self.state, self._slots
        title = plain(state.title, max(width - cells(self.run_id) - 3, 10)) or "…"
        yield _line(f"{title}" + (f" · {plain(self.run_id, 60)}" if self.run_id else ""), "bold", width)
        counts = state.counts()
        parts = [state.phase or ENDS.get(state.status, plain(state.status, 40))]
        if counts["waiting"]:
            parts.append(f"asking you {counts['waiting']}")
        if state.components:
            parts.append(f"{counts['passed']}/{len(state.components)} proven")
        parts.append(clock(state.elapsed(self._now())))
        parts += self._used()
        if state.status == "running":
            testing = sum(s.status == "running" and s.step in _TESTING for s in state.components.values())
            parts.append(f"model {len(state.in_flight)}" + (f"/{model_slots}" if model_slots else ""))
            parts.append(f"tests {testing}" + (f"/{test_slots}" if test_slots else ""))
        # Two lines when one is too narrow: what is used must stay in sight.
        lines = _wrapped(parts, width)
        for line in lines:
            yield _line(line, "", width)

    def _used(self) -> list[str]:
        usage, limits = self.state.usage, self.state.limits
        used = money(usage.usd) + (f" of ${limits.max_usd:.2f}" if limits.max_usd is not None else "")
        tokens = amount(usage.tokens) + (f" of {amount(limits.max_tokens)}" if limits.max_tokens is not None else "")
        return [used, f"{tokens} tokens"]

    def _rows(self, width: int, most: int) -> Iterator[Text]:
        states = self.state.components
        if self.state.plan is None:
            return
        if self._drawn[0] is not self.state.plan:
            self._drawn = (self.state.plan, branches(self.state.plan))
        drawn = self._drawn[1]
        if len(drawn) <= most:
            for branch in drawn:
                yield self._row(branch, branch.lead, states[branch.id], width)
            return
        urgent = sorted(drawn, key=lambda b: _FIRST.index(states[b.id].status))
        for branch in urgent[: most - 1]:
            yield self._row(branch, "", states[branch.id], width)
        rest = [states[b.id].status for b in urgent[most - 1 :]]
        told = ", ".join(f"{rest.count(s)} {_WORDS.get(s, s)}" for s in _FIRST if s in rest)
        yield _line(f"… {len(rest)} more: {told}", "dim", width)

    def _row(self, branch: Branch, lead: str, state: State, width: int) -> Text:
        lead = shortened(lead, width // 4)
        name = plain(branch.id, max(width // 3 - cells(lead), 12)) + " *" * branch.critical
        right = _right(state, self._now())
        room = width - cells(lead) - cells(name) - cells(right) - 5
        words = shortened(describe(state), max(room, 8))
        left = f"{SIGNS[state.status]} {name}  {words}"
        gap = " " * max(width - cells(lead) - cells(left) - cells(right) - 1, 1) if right else ""
        text = Text(no_wrap=True, overflow="ellipsis", end="\n")
        text.append(lead, "dim")
        text.append(left, STYLES[state.status])
        text.append(gap + right, "dim")
        text.truncate(width - 1, overflow="ellipsis")
        return text


def _right(state: State, now: float) -> str:
    """Cost and time of a component, for the right margin."""
    seconds = now - state.started if state.status == "running" and state.started else state.seconds
    cost = "" if not state.usage.calls else "$?" if state.usage.usd is None else money(state.usage.usd)
    return "  ".join(filter(None, (cost, clock(seconds) if seconds else "")))


def _line(words: str, style: str, width: int) -> Text:
    return Text(shortened(words, width - 1), style, no_wrap=True)


def _wrapped(parts: Sequence[str], width: int) -> list[str]:
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if cells(longer) < width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines[:2]


def _untold(event: Event) -> bool:
    return event.kind in _UNTOLD or (event.kind == events.COMPONENT_STEP and event.body.get("step") in _TESTING)


def summary(
    state: RunState, *, output: str = "", run_id: str = "", late: bool = False, typed: Callable[[str], str] = str
) -> str:
    """The block printed when a run ends: what is proven, where the code is, how to run and test it, what it cost.

    Its last line is :func:`last_line`. Safe to print.

    Args:
        state: after the last event.
        output: the directory of the repository; empty when nothing was written.
        run_id: for the commands named; empty leaves them out.
        late: whether the inbox holds what the run did not take up.
        typed: what to type for ``python`` (one that has pytest) and ``agent``.
    """
    agent, run = typed("agent"), plain(run_id, 60)
    rows = [*_result_rows(state), *_question_rows(state, f"{agent} answer {run}".rstrip())]
    rows += _delivery_rows(state, output, typed)
    rows.append(("spent", f"{spent(state.usage)} · {duration(state.elapsed(0.0))}"))
    rows += (("note", plain(note, 300)) for note in state.notes)
    if run_id and state.status == "passed":
        rows.append(("look closer", f"{agent} show {run}"))
    replayed = str(state.settings.get("model") or "").startswith("replay")  # a recording has no answer to that
    if run_id and state.status in ("passed", "failed") and not replayed:
        rows.append(("not right?", f'{agent} feedback {run} "what is wrong"'))
    if run_id and late:
        rows.append(("too late", f"what came after the last question counts with: {agent} resume {run}"))
    end = last_line(state, output=output, run_id=run_id, typed=typed)
    return "\n".join([plain(state.title, 100), *_lines(rows), end]) + "\n"


def delivered(state: RunState, *, output: str = "", typed: Callable[[str], str] = str) -> str:
    """What a person is shown who is to judge the result: what is proven, what is missing and why, and how to try it.

    Safe to print. ``output`` and ``typed`` as in :func:`summary`.
    """
    rows = [*_result_rows(state), *_delivery_rows(state, output, typed)]
    return "\n".join([plain(state.title, 100), *_lines(rows)])


def _lines(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {name:<11} {words}" for name, words in rows]


def _result_rows(state: RunState) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    counts = state.counts()
    told = [f"{counts[s]} {_WORDS.get(s, s)}" for s in SIGNS if counts[s]]
    if state.components:
        rows.append(("components", ", ".join(told)))
    if len(state.revisions) > 1:
        rows.append(("plan", f"revision {state.revisions[-1].revision}; last: {_last_change(state)}"))
    if state.integration is not None:
        cases = state.integration.cases
        passed = sum(case.outcome == "passed" for case in cases)
        words = f"{passed} of {len(cases)} tests and examples passed"
        rows.append(
            ("the whole", words if state.integration.status == "passed" else f"{words}: {_first_failure(state)}")
        )
    levels = [c.strength for c in state.components.values() if c.status == "passed" and c.strength is not None]
    if total := sum(level.total for level in levels):
        killed = sum(level.killed for level in levels)
        rows.append(("tests", f"{killed} of {total} changes of the code were noticed"))
    for name, component in state.components.items():
        if component.status == "failed":
            rows.append(("failed", f"{plain(name, 40)}: {plain(component.reason, 300) or 'no reason given'}"))
    blocked = [name for name, component in state.components.items() if component.status == "blocked"]
    if blocked:
        by = dict.fromkeys(state.components[name].blocked_by for name in blocked)
        rows.append(("blocked", f"{names(blocked, 6)} (by {names(list(by), 6)})"))
    return [*rows, *_unproven_rows(state)]


def _unproven_rows(state: RunState) -> list[tuple[str, str]]:
    """What was asked, or tested, and is not proven, and why."""
    found = list(unproven(state).items())
    rows = [("not proven", f"{what}: {why}") for what, why in found[:_MOST_UNPROVEN]]
    if len(found) > _MOST_UNPROVEN:
        rows.append(("", f"and {len(found) - _MOST_UNPROVEN} more, which agent show lists"))
    return rows


def _last_change(state: RunState) -> str:
    last = state.revisions[-1]
    return "; ".join(map(change, last.edits[:2])) or cause(last) or "no reason given"


def _question_rows(state: RunState, command: str) -> list[tuple[str, str]]:
    """What only the user can settle, and how."""
    rows = []
    for question in state.open_questions():
        number = plain(question.id, 20)
        rows += [("question", f"{number}: {plain(question.text, 300)}"), ("answer it", f'{command} {number} "…"')]
    return rows


def _delivery_rows(state: RunState, output: str, typed: Callable[[str], str]) -> list[tuple[str, str]]:
    if not output or not state.counts()["passed"]:
        return []
    place = shlex.quote(plain(output))
    rows = [("code", plain(output))]
    whole = state.integration is not None and state.integration.status == "passed"
    if whole and state.plan and state.plan.entry:
        first, blank, rest = plain(state.plan.entry, 200).partition(" ")
        entry = f"{typed(first) if first == 'python' else first}{blank}{rest}"
        rows.append(("run it", f"cd {place} && {entry}"))
    return [*rows, ("test it", f"cd {place} && {typed('python')} -m pytest")]


def _first_failure(state: RunState) -> str:
    verdict = state.integration
    if verdict is None or not verdict.failing:
        return plain(verdict.reason, 200) if verdict else ""
    first = verdict.failing[0]
    return f"first {plain(first.id, 80)}: {plain(first.message, 160) or first.outcome}"


def last_line(state: RunState, *, output: str = "", run_id: str = "", typed: Callable[[str], str] = str) -> str:
    """How the run ended, in one line: it says the same as the exit status. Safe to print. ``typed`` as in :func:`summary`."""
    counts = state.counts()
    words = ENDS.get(state.status, plain(state.status, 40))
    if state.components:
        words += f": {counts['passed']} of {len(state.components)} components proven"
    if state.status == "passed":
        return f"{words}, the code is in {plain(output)}" if output else words
    if state.reason:
        words += f"; {plain(state.reason, 300)}"
    if run_id and state.status in ("interrupted", "limit", "running"):
        return f"{words}; go on with: {typed('agent')} resume {plain(run_id, 60)}"
    return f"{words}; see why: {typed('agent')} show {plain(run_id, 60)}" if run_id else words
