"""What is known of one component of a run, and that in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphs.text import names, plain
from graphs.values import Status, Usage

SIGNS: Mapping[Status, str] = {
    "pending": "○",
    "ready": "▷",
    "running": "▶",
    "waiting": "?",
    "passed": "✓",
    "failed": "✗",
    "blocked": "⊘",
    "skipped": "–",
}
"""One sign per status, so that nothing is told by colour alone."""

STEPS: Mapping[str, str] = {
    "tests": "writing tests",
    "red": "trying tests on the stub",
    "code": "writing code",
    "check": "running tests",
    "repair": "repairing",
    "candidate": "writing a fresh program",
    "amend": "questioning a test",
    "strength": "trying changes of the code",
    "strengthen": "writing tests for what went unnoticed",
    "respecify": "writing the contract anew",
    "split": "cutting it smaller",
}
"""The steps of ``component.step`` in words."""


@dataclass(frozen=True)
class Case:
    """A declared test or example of a component, and what it counts for."""

    id: str
    """``tests/test_x.py::test_a`` or an example's id."""
    outcome: str
    """A ``graphs.values.Outcome``, of the last verdict."""
    provenance: str = ""
    """A ``graphs.values.Provenance``; empty where that was not worked out."""
    requirements: tuple[str, ...] = ()
    """Ids of the requirements it proves."""


@dataclass(frozen=True)
class Level:
    """How well its tests and examples hold the code of a component: ``graphs.values.Strength`` in figures."""

    killed: int = 0
    """Mutants that were noticed."""
    total: int = 0
    """Mutants that were tried."""
    left: int = 0
    """Mutants that were not tried, for want of time."""
    lines: int = 0
    """Lines of code that can be executed."""
    reached: int = 0
    """Those of them that tests or examples execute."""
    reason: str = ""
    """Why nothing was measured; empty when it was."""


@dataclass(frozen=True)
class State:
    """What is known of one component."""

    status: Status = "pending"
    """Where it stands."""
    step: str = ""
    """What is being done while it runs: a key of ``STEPS``; empty otherwise."""
    step_attempt: int = 0
    """Which try of that step."""
    attempts: int = 0
    """Code answers judged so far."""
    passed: int | None = None
    """Tests and examples that passed in the last judged attempt; ``None`` before the first."""
    total: int | None = None
    """Tests and examples declared, as of that attempt."""
    waits_for: tuple[str, ...] = ()
    """Dependencies that are not proven yet, in the component's own order."""
    blocked_by: str = ""
    """The failed component it stands on."""
    usage: Usage = field(default_factory=Usage)
    """What its model calls cost."""
    started: float = 0.0
    """When it last started, in seconds since the epoch; 0 while it has not."""
    seconds: float = 0.0
    """Wall time from that start to its end; 0 while it has not ended."""
    reason: str = ""
    """Why it failed, or the loop's last decision."""
    fault: str = ""
    """What that is put down to (``graphs.evidence.Fault``); empty where the evidence does not say."""
    tests: tuple[Case, ...] = ()
    """Its declared tests and examples as of its end; empty before."""
    quarantined: Mapping[str, str] = field(default_factory=dict)
    """Test id → why it was taken out: what it was for is not proven."""
    strength: Level | None = None
    """Its proof level; ``None`` before it is measured."""
    kept: bool = False
    """Whether it was proven in an earlier run and not built again."""
    commit: str = ""
    """The commit that holds it."""
    asks: str = ""
    """The question to the user that it waits with, its number first; empty while it does not."""


def doing(state: State) -> str:
    """What is being done to a running component, with the number of the try where it says something."""
    words = STEPS.get(state.step, plain(state.step, 30)) or "starting"
    return f"{words} ({state.step_attempt})" if state.step_attempt > 1 or state.step == "repair" else words


def tests_of(state: State) -> str:
    """``3/5 tests``, or nothing before the first verdict."""
    return "" if state.total is None else f"{state.passed}/{state.total} tests"


def mutants_of(state: State) -> str:
    """``18/20 mutants``, or nothing where none was tried."""
    level = state.strength
    return f"{level.killed}/{level.total} mutants" if level is not None and level.total else ""


def describe(state: State) -> str:
    """Where a component stands, in a few words."""
    match state.status:
        case "pending":
            return f"waits for {names(state.waits_for)}" if state.waits_for else "not started"
        case "ready":
            return "waits for a slot"
        case "running":
            return " · ".join(filter(None, (doing(state), tests_of(state))))
        case "waiting":
            return f"asks you {plain(state.asks)}"
        case "passed":
            how = "kept" if state.kept else "passed"
            tries = f"{state.attempts} attempts" if state.attempts > 1 else ""
            return " · ".join(filter(None, (how, tests_of(state), mutants_of(state), tries)))
        case "failed":
            return " · ".join(filter(None, (f"failed: {plain(state.reason) or 'no reason given'}", tests_of(state))))
        case "blocked":
            return f"blocked by {plain(state.blocked_by, 40) or 'a failed component'}"
        case "skipped":
            return "skipped"
