"""What ``agent run`` shows: a live tree on a terminal, plain lines elsewhere, and the block at the end."""

from __future__ import annotations

import math
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.control import Control
from rich.live import Live
from rich.live_render import LiveRender
from rich.segment import Segment
from rich.text import Text

from agent.cli.story import ENDS, amount, cause, change, clock, duration, money, spent, tell, unproven
from agent.existing import BRANCH
from graphs import dag, events
from graphs.draw import Branch, branches
from graphs.run_state import AWAITS_APPROVAL, RunState
from graphs.status import SIGNS, State, describe
from graphs.text import cells, names, plain, shortened
from graphs.values import Status

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult

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

_WORDS: dict[Status, str] = {"pending": "not started", "waiting": "asking you"}
_SUMMED: Mapping[Status, str] = {
    "waiting": "asking you",
    "running": "running",
    "failed": "failed",
    "passed": "proven",
    "blocked": "blocked",
    "ready": "waiting for a slot",
    "pending": "waiting",
    "skipped": "skipped",
}
"""Status → the word for those that have no row of their own, the most urgent first."""
_UNTOLD = {events.COMPONENT_READY, events.COMMITTED, events.COMPONENT_STARTED}
_TESTING = ("red", "check", "strength")
"""Steps that run tests; what comes of them is told, and not that they begin."""
_REFRESHES_PER_SECOND = 4
_MOST_UNPROVEN = 8
"""Rows of the summary for what is not proven; ``agent show`` has all."""
_MOST_FIGURES = 4
"""Lines of the head for what was used and what is left: that must stay in sight on a narrow terminal, too."""


class _Anchored(LiveRender):
    """A picture that finds its beginning again on a terminal that was resized since it was drawn.

    Terminals wrap lines anew when they become narrower, push the uppermost out of sight when they become lower, and some fetch them
    back when they become higher.
    """

    def __init__(self, console: Console) -> None:
        super().__init__("")
        self._console = console
        self._size = console.size
        self._widths: list[int] = []
        self._hidden = 0
        """Rows of earlier pictures that were pushed out of sight, right above the first line on the screen."""

    def position_cursor(self) -> Control:
        """What leads from the end of the last picture to its beginning, and wipes it out."""
        now, before = self._console.size, self._size
        if now != before and self._shape is not None:
            rows = sum(max(math.ceil(width / max(now.width, 1)), 1) for width in self._widths)
            back = min(self._hidden, max(now.height - before.height, 0))
            self._hidden += max(rows - now.height, 0) - back
            self._shape = (now.width, rows + back)
        return super().position_cursor()

    def printed(self) -> None:
        """Say that something else was printed above: nothing of an earlier picture is right there any more."""
        self._hidden = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawn = [part for part in super().__rich_console__(console, options) if isinstance(part, Segment)]
        self._widths = [Segment.get_line_length(line) for line in Segment.split_lines(drawn)]
        self._size = options.size
        yield from drawn


class _Picture(Live):
    """rich's live display, but sane on a terminal that is resized, is lost, or is left by a killed process."""

    def __init__(self, view: LiveView, console: Console, transient: bool) -> None:
        super().__init__(
            view,
            console=console,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=transient,
            # What is sent to a file goes there, and not onto the terminal.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )
        self._anchored = self._live_render = _Anchored(console)

    def start(self, refresh: bool = False) -> None:
        super().start(refresh)
        self.console.show_cursor(True)  # nobody would show it again after a kill

    def refresh(self) -> None:
        with suppress(OSError):  # the terminal is gone: no reason to end a run that is paid for
            super().refresh()

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        made = super().process_renderables(renderables)
        if not all(isinstance(one, Control) for one in renderables):
            self._anchored.printed()
        return made


class _Ceiling:
    """How long the process at work has worked, as its ceiling of seconds counts: waiting for the plan to be let pass does not.

    Every process of a run begins anew (``Limits.max_seconds``).
    """

    def __init__(self, awaits: bool) -> None:
        self._since = 0.0
        self._stood = 0.0
        self._standing = 0.0
        self._awaits = awaits

    def apply(self, event: Event) -> None:
        """Take in one event."""
        if event.kind in (events.RUN_STARTED, events.RUN_RESUMED):
            self._since, self._stood = event.ts, 0.0
            self._standing = event.ts if self._awaits else 0.0
        elif event.kind == events.PLAN_REVISED and event.body.get("author") != "evidence":
            self._awaits = True
            self._standing = self._standing or event.ts
        elif event.kind == events.PLAN_APPROVED:
            self._stood += event.ts - self._standing if self._standing else 0.0
            self._awaits, self._standing = False, 0.0

    def seconds(self, now: float) -> float:
        """Until ``now``, in seconds since the epoch; 0 before the process has begun."""
        return max((self._standing or now) - self._since - self._stood, 0.0) if self._since else 0.0


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
        elsewhere: bool = False,
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
            elsewhere: what the run asks is answered elsewhere, and the picture says how.
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
        self._elsewhere = elsewhere
        self._slots = (model_slots, test_slots)
        self._now = now
        self._guard = threading.RLock()
        self._draws = console.is_terminal and not console.is_dumb_terminal
        self._live: Live | None = None
        self._drawn: tuple[object, Sequence[Branch]] = (None, ())
        self._ceiling = _Ceiling(self.state.plan is not None and not self.state.approved)

    def __enter__(self) -> LiveView:
        if self._draws and not self._quiet:
            self._live = _Picture(self, self._console, self._transient)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        live, self._live = self._live, None
        if live is not None:
            with suppress(OSError):
                live.stop()

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

    @contextmanager
    def still(self) -> Iterator[None]:
        """Draw nothing for as long as the block lasts: it changes ``state``. Nothing is to be printed in it."""
        with self._guard:
            yield

    def on_event(self, event: Event) -> None:
        """Take in one event and show what it changes."""
        with self._guard:
            self.state.apply(event)
        try:
            self.show(event)
        except OSError:  # nobody reads on, or a full disk: no reason to end a run that is paid for
            self._quiet = True

    def show(self, event: Event, told: bool = True) -> None:
        """Show an event that ``state`` knows already. ``OSError`` where nothing can be printed.

        ``told``: whether it is told in words where that is due, and not only counted.
        """
        with self._guard:
            self._ceiling.apply(event)
            if not self.run_id and event.kind == events.RUN_STARTED:
                self.run_id = str(event.body.get("run", ""))
            seen = self._draws and event.kind != events.NOTE  # the tree shows all but notes
            line = "" if not told or self._quiet or seen or _untold(event) else tell(event)
            at = clock(self.state.elapsed(event.ts or self._now()))
        if line:
            who = f"{plain(event.component, 40)}: " if event.component else ""
            self._console.print(Text(f"{at:>7}  {who}{line}"), soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._guard:
            width = min(options.max_width, console.width)
            room = max(console.height - 1, 1)  # the cursor has a line of its own
            head = [_line(words, style, width) for words, style in self._head(width, max(room // 3, 1))][:room]
            yield from head
            yield from self._rows(width, room - len(head))
            if self._live is not None:
                yield Text()  # what is typed, or printed after a kill, does not run into the picture

    def _head(self, width: int, most: int) -> Iterator[tuple[str, str]]:
        """Lines and their styles; at most ``most`` of them for figures."""
        state, (model_slots, test_slots) = self.state, self._slots
        title = plain(state.title, max(width - cells(self.run_id) - 4, 10)) or "…"
        yield f"{title}" + (f" · {plain(self.run_id, 60)}" if self.run_id else ""), "bold"
        counts = state.counts()
        parts = [state.phase or ENDS.get(state.status, plain(state.status, 40))]
        if counts["waiting"]:
            parts.append(f"asking you {counts['waiting']}")
        if state.components:
            parts.append(f"{counts['passed']}/{len(state.components)} proven")
        parts += self._used()
        if state.status == "running":
            testing = sum(s.status == "running" and s.step in _TESTING for s in state.components.values())
            parts.append(f"model {len(state.in_flight)}" + (f"/{model_slots}" if model_slots else ""))
            parts.append(f"tests {testing}" + (f"/{test_slots}" if test_slots else ""))
        for line in _wrapped(parts, width)[: min(_MOST_FIGURES, most)]:
            yield line, ""
        if self._elsewhere and state.status == "running" and (command := self._command()):
            yield command, STYLES["waiting"]

    def _used(self) -> list[str]:
        """What was spent of time, money and tokens, and what is left of the ceilings."""
        usage, limits, now = self.state.usage, self.state.limits, self._now()
        left = ""
        if self.state.status == "running" and limits.max_seconds is not None and math.isfinite(limits.max_seconds):
            left = clock(limits.max_seconds - self._ceiling.seconds(now))
        parts = [_of(clock(self.state.elapsed(now)), left)]
        known = usage.usd is not None and limits.max_usd is not None
        parts.append(_of(money(usage.usd), money(max((limits.max_usd or 0.0) - (usage.usd or 0.0), 0.0)) * known))
        for what, spent_so_far, most in (
            ("tokens", usage.tokens, limits.max_tokens),
            ("calls", usage.calls, limits.max_calls),
        ):
            if most is not None or what == "tokens":
                rest = "" if most is None else amount(max(most - spent_so_far, 0))
                parts.append(_of(f"{amount(spent_so_far)} {what}", rest))
        return parts

    def _command(self) -> str:
        """What to type, in another terminal, for the first thing that the run asks; empty when it asks nothing."""
        if self.state.phase == AWAITS_APPROVAL:
            return f"it waits for: agent approve {plain(self.run_id, 60)}"
        asked = (q for q in self.state.open_questions() if q.asked)
        question = next(asked, None)
        return f'it waits for: agent answer {plain(self.run_id, 60)} {plain(question.id, 20)} "…"' if question else ""

    def _rows(self, width: int, most: int) -> Iterator[Text]:
        if self.state.plan is None or most < 1:
            return
        if self._drawn[0] is not self.state.plan:
            self._drawn = (self.state.plan, branches(self.state.plan))
        drawn = [(branch, self.state.components[branch.id]) for branch in self._drawn[1]]
        if len(drawn) <= most:
            for branch, state in drawn:
                yield self._row(branch, branch.lead, state, width)
            return
        of: dict[Status, list[tuple[Branch, State]]] = {status: [] for status in _SUMMED}
        for one in drawn:
            of[one[1].status].append(one)
        for reserved in range(1, most + 1):  # rows for the sums: few, as long as they fit
            shown, sums = _chosen(of, most - reserved)
            lines = _wrapped(sums, width)
            if len(lines) <= reserved:
                break
        for branch, state in shown:
            yield self._row(branch, "", state, width)
        for line in lines[: most - len(shown)]:
            yield _line(line, "dim", width)

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


def _of(used: str, left: str) -> str:
    return f"{used} ({left} left)" if left else used


def _chosen(of: Mapping[Status, list[tuple[Branch, State]]], most: int) -> tuple[list[tuple[Branch, State]], list[str]]:
    """What has a row of its own where not all have one: what asks, runs and failed; and the rest summed up."""
    asking = of["waiting"][:most]
    room = most - len(asking)
    failed = of["failed"][: max(room - len(of["running"]), room // 3)]  # neither hides the other
    running = of["running"][: room - len(failed)]
    by = names(list(dict.fromkeys(state.blocked_by for _, state in of["blocked"])), 2)
    sums = []
    for status, count in {status: len(found) for status, found in of.items()}.items():
        shown = len({"waiting": asking, "running": running, "failed": failed}.get(status, ()))
        if count > shown:
            more = "more " if shown else ""
            sums.append(f"{count - shown} {more}{_SUMMED[status]}{f' by {by}' if status == 'blocked' else ''}")
    return [*asking, *running, *failed], sums


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
    return lines


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
        words = f"{passed} of {len(cases)} tests and examples passed" + _held(state)
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


def _held(state: RunState) -> str:
    """How many tests of the program that was there judged the change."""
    if not state.base or state.plan is None or state.integration is None:
        return ""
    ours = {dag.test_path(component.id) for component in state.plan.components}
    own = sum("::" in c.id and c.id.partition("::")[0] not in ours for c in state.integration.cases)
    return f", {own} of them tests that the program had" if own else "; no test that the program had could be held"


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
    if state.base:
        rows.append(("changed", f"git -C {place} diff {state.base[:12]}"))
        rows.append(("take it", f"in your repository: git fetch {place} {BRANCH}, then merge FETCH_HEAD"))
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
