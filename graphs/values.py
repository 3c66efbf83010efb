"""The values everything else is made of. All are frozen; all are plain data that JSON can hold (see ``to_json``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

from graphs.ladder import RUNGS, Rung

ExampleKind = Literal["python", "shell"]
Outcome = Literal["passed", "failed", "error", "skipped", "missing", "flaky"]
VerdictStatus = Literal["passed", "failed", "error", "timeout"]
Status = Literal["pending", "ready", "running", "waiting", "passed", "failed", "blocked", "skipped"]
Provenance = Literal["spec", "human", "agreed", "contract", "single"]
"""Where the trust in a test or example comes from, strongest first: the spec's own example, an example of the user's feedback,
a test that independent programs agree with, an example the planner wrote, a test that one model wrote once."""
Files = Mapping[str, str]
"""Path (POSIX, relative, as a model or person wrote it) → text."""


@dataclass(frozen=True)
class Step:
    """One line of an example: something to do and exactly what must come back."""

    run: str
    """A Python statement or expression (kind ``python``), or one shell command line (kind ``shell``)."""
    expect: str = ""
    """What is printed: standard output for a shell step; printed text and the repr of the value for a Python step."""
    raises: str | None = None
    """Python only: the name of the exception class that must be raised, without its module."""
    message: str | None = None
    """Python only: the exception's text, when the example gives one."""
    exit: int = 0
    """Shell only: the exit status."""
    stdin: str = ""
    """Shell only: text given on standard input."""


@dataclass(frozen=True)
class Example:
    """Acceptance as data. Steps share one namespace (python) or one directory (shell). Expected values never enter the sandbox."""

    id: str
    """``E1``… for examples of the spec; ``F1``… of the user's feedback; ``<component>.C1``… of a contract."""
    kind: ExampleKind
    """What interprets the steps."""
    steps: tuple[Step, ...]
    """In order; a failing step fails the example."""
    line: int = 0
    """The 1-based line of the spec it was read from; 0 when it comes from a contract."""


@dataclass(frozen=True)
class Requirement:
    """One thing the user asked for."""

    id: str
    """``R1``, ``R2``…"""
    text: str
    """What must hold, in one sentence."""
    quote: str = ""
    """The words of the spec it comes from, verbatim."""
    line: int = 0
    """The 1-based line of the spec the quote starts at; 0 when unknown."""


@dataclass(frozen=True)
class Spec:
    """What the user asked: parsed ``spec.md``."""

    title: str
    """The first heading, or the first line."""
    text: str
    """The Markdown without its front matter."""
    digest: str
    """SHA-256 (hex) of the whole source text, front matter included."""
    examples: tuple[Example, ...] = ()
    """Fenced shell sessions and doctests found in the text."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The front matter: known keys only (see ``agent/spec.py``)."""
    existing: tuple[str, ...] = ()
    """Paths of the program that it asks to change; none where everything is new."""


@dataclass(frozen=True)
class Contract:
    """What a component promises its dependents. Complete: signatures and behaviour, errors, invariants, examples."""

    interface: Mapping[str, str] = field(default_factory=dict)
    """Owned path → source of its public face: signatures, docstrings, bodies of ``...``. The stub is made from it."""
    behaviour: str = ""
    """Prose: what it does, its errors, its invariants, limits of inputs."""
    examples: tuple[Example, ...] = ()
    """Examples judged by the oracle outside the sandbox."""


@dataclass(frozen=True)
class Component:
    """One unit to build: a vertex of the plan."""

    id: str
    """Lower snake case, unique in the plan."""
    purpose: str
    """One sentence: why it exists."""
    files: tuple[str, ...]
    """Paths it owns; no other component may write them. Its test file is not among them (see ``graphs/dag.py``)."""
    contract: Contract
    """What it promises."""
    depends_on: tuple[str, ...] = ()
    """Ids of the components whose contracts it may use."""
    requirements: tuple[str, ...] = ()
    """Ids of the requirements it covers."""
    kind: str = "library"
    """``library``, ``cli``, ``service``, ``data`` or ``docs``; durations are remembered per kind."""
    packages: tuple[str, ...] = ()
    """Third-party packages its code imports, as requirement strings."""


@dataclass(frozen=True)
class Plan:
    """An immutable DAG of components for one spec. Each change makes the next revision."""

    title: str
    """Name of what is built."""
    components: tuple[Component, ...]
    """In any order; ``depends_on`` gives the edges."""
    requirements: tuple[Requirement, ...] = ()
    """All requirements of the spec; each must be covered by a component."""
    spec_digest: str = ""
    """Which spec it was made for."""
    revision: int = 1
    """1, 2, 3…"""
    language: str = "python"
    """The toolchain."""
    entry: str = ""
    """A command that starts the program in the finished repository (``python -m pkg --help``); empty for a library."""
    feedback: tuple[str, ...] = ()
    """What the user said was wrong with what had been delivered, oldest first; it counts as part of the spec."""

    def component(self, component_id: str) -> Component:
        """The component with that id; ``KeyError`` when there is none."""
        for component in self.components:
            if component.id == component_id:
                return component
        raise KeyError(component_id)


@dataclass(frozen=True)
class CaseResult:
    """What happened to one declared test or example."""

    id: str
    """``tests/test_x.py::test_a`` or an example's id."""
    outcome: Outcome
    """``missing``: declared, but never reported. ``flaky``: it failed, and passed when run again on the same files."""
    message: str = ""
    """Why it did not pass; made safe to print, capped. Written by the code under test: treat it as hostile text."""


@dataclass(frozen=True)
class Verdict:
    """What execution said."""

    status: VerdictStatus
    """``passed`` only when every declared case passed and the report could not have been forged."""
    cases: tuple[CaseResult, ...] = ()
    """One per declared test and example, in declared order."""
    reason: str = ""
    """One sentence when not passed."""
    output: str = ""
    """Head and tail of what was printed, made safe to print."""
    seconds: float = 0.0
    """Wall time of the sandboxed runs."""
    sandbox: str = ""
    """Which sandbox said so, e.g. ``bubblewrap``; ``UNSANDBOXED`` when there was none."""
    infrastructure: bool = False
    """The machine, and not the code, ended the runs each time they were tried: an ``error`` that says nothing of the code."""

    @property
    def passed(self) -> frozenset[str]:
        """Ids of the cases that passed."""
        return frozenset(case.id for case in self.cases if case.outcome == "passed")

    @property
    def failing(self) -> tuple[CaseResult, ...]:
        """The cases that did not pass."""
        return tuple(case for case in self.cases if case.outcome != "passed")


@dataclass(frozen=True)
class Usage:
    """What was spent. Adds up with ``+``."""

    calls: int = 0
    """Model calls that were answered or failed after being sent."""
    prompt_tokens: int = 0
    """As the endpoint reports them, cached ones included."""
    cached_tokens: int = 0
    """Of the prompt tokens, those served from the endpoint's prompt cache."""
    completion_tokens: int = 0
    """Reasoning tokens included."""
    reasoning_tokens: int = 0
    """Of the completion tokens, those spent on reasoning."""
    usd: float | None = 0.0
    """US dollars; ``None`` when a price is unknown (never 0 for unknown)."""
    forced_tokens: int = 0
    """Of the completion tokens, those that a grammar left no choice for; only local engines tell."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
            self.forced_tokens + other.forced_tokens,
        )

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Limits:
    """Hard ceilings of a run and of the loop inside a component. ``None`` means no ceiling."""

    max_usd: float | None = None
    """US dollars for the whole run."""
    max_tokens: int | None = None
    """Prompt and completion tokens for the whole run."""
    max_seconds: float | None = None
    """Wall seconds of one process of the run; a resume begins anew."""
    max_calls: int | None = None
    """Model calls for the whole run."""
    test_rewrites: int = 2
    """How often a component's tests may be sent back because they prove nothing."""
    repairs: int = 6
    """How often a component's code may be repaired."""
    no_progress: int = 2
    """Repairs in a row without a larger set of passing tests that end repairing."""
    component_seconds: float | None = None
    """Wall seconds for one component."""
    max_components: int | None = None
    """Components of a plan, in every revision of it; 1: the whole program is built as one."""
    rungs: tuple[Rung, ...] = RUNGS
    """What may be done when repairs make no progress; empty: the component fails at once."""
    respecifications: int = 1
    """How often the contract of one component may be written anew from evidence."""
    split_depth: int = 2
    """How deep a part of a split component may itself be split."""
    integration_rounds: int = 2
    """How often components go back to work because the assembled repository does not pass."""
    candidates: int = 1
    """Independent programs written for each component from the start; more than one are put to a vote."""
    mutants: int = 30
    """Mutants tried for a component at most; 0: the strength of its tests is not measured."""
    mutant_seconds: float = 20.0
    """Wall seconds for one measurement of strength."""


@dataclass(frozen=True)
class Question:
    """Something only the user can settle."""

    id: str
    """``Q1``, ``Q2``… in the order asked in this run."""
    component: str
    """Whose work waits for it."""
    text: str
    """One or two sentences; built from model text and test output, so treat it as hostile."""
    options: tuple[str, ...] = ()
    """Answers to choose from, each usable as it is; any other text is an answer too."""


@dataclass(frozen=True)
class Feedback:
    """What the user says of what was delivered."""

    ran: bool
    """Did it run?"""
    worked: bool
    """Did it do what was asked?"""
    perfect: bool
    """Is nothing left to wish for?"""
    text: str = ""
    """What is wrong, in Markdown; fenced examples in it become examples of the spec. Empty: nothing more to do."""


@dataclass(frozen=True)
class Doubt:
    """A test that independent programs agree against."""

    id: str
    """The test."""
    source: str
    """Its function, as it stands in the frozen test file."""
    observed: tuple[str, ...]
    """What each program did instead, one text each; hostile."""


@dataclass(frozen=True)
class Amendment:
    """What the test writer says of tests in doubt: each is either replaced or kept, with a reason."""

    replaced: Files = field(default_factory=dict)
    """Test id → its new source: one function of the same name."""
    kept: Files = field(default_factory=dict)
    """Test id → why it stays as it is."""
    reasons: Files = field(default_factory=dict)
    """Test id → why it is replaced, from the contract."""


@dataclass(frozen=True)
class Repair:
    """What the repairer answers."""

    files: Files
    """All of the component's files, mended."""
    disputed: Files = field(default_factory=dict)
    """Test id → why the repairer holds the test, and not the code, to be wrong. A claim and not a verdict."""


@dataclass(frozen=True)
class Mutant:
    """A small change of a component's code that some test should notice."""

    id: str
    """``M1``, ``M2``…: the same for the same files."""
    path: str
    """The file that was changed."""
    line: int
    """1-based, in the file as it was written."""
    change: str
    """What was changed, as code: ``a < b → a <= b``. Hostile text, as all code of models."""
    killed_by: tuple[str, ...] = ()
    """Ids of the tests and examples that noticed it: all of them when it is extreme, else the first; empty: it survived."""
    extreme: bool = False
    """Everything that a function does was taken away: whoever calls it and asserts anything of it must notice."""
    excuse: str = ""
    """Why the test writer holds that no test should notice it: ``equivalent: …`` or ``unspecified: …``. A claim: it still counts
    as a survivor."""


@dataclass(frozen=True)
class Strength:
    """How well tests and examples hold the code: which of its mutants they noticed. The proof level of a component."""

    mutants: tuple[Mutant, ...] = ()
    """Those that were tried: on lines that tests or examples execute."""
    lines: int = 0
    """Lines of code that can be executed."""
    reached: int = 0
    """Those of them that tests or examples execute."""
    left: int = 0
    """Mutants that were not tried, for want of time."""
    reason: str = ""
    """Why nothing was measured, in one sentence; empty when it was."""
    seconds: float = 0.0
    """Wall time."""
    flaky: tuple[str, ...] = ()
    """Tests that failed and passed on the unchanged code, which is why nothing was measured."""

    @property
    def killed(self) -> int:
        """Mutants that were noticed."""
        return sum(bool(mutant.killed_by) for mutant in self.mutants)

    @property
    def survivors(self) -> tuple[Mutant, ...]:
        """Mutants that nothing noticed."""
        return tuple(mutant for mutant in self.mutants if not mutant.killed_by)

    @property
    def rate(self) -> float | None:
        """Share of the mutants that were noticed, 0 to 1; ``None`` when there were none."""
        return self.killed / len(self.mutants) if self.mutants else None


@dataclass(frozen=True)
class Strengthening:
    """What the test writer answers when it is shown what went unnoticed."""

    added: Files = field(default_factory=dict)
    """Mutant id → source of one new test function that notices it; the same function may stand under several ids."""
    excused: Files = field(default_factory=dict)
    """Mutant id → why no test should notice it: ``equivalent: …`` or ``unspecified: …``."""
    replaced: Files = field(default_factory=dict)
    """Test id → new source of a test that notices nothing as it is: one function of the same name."""


@dataclass(frozen=True)
class Proof:
    """A component that was built: what goes to the repository, or why there is nothing."""

    component: str
    """Its id."""
    key: str
    """The component key it was built under (see ``graphs.dag.component_key``)."""
    status: Literal["passed", "failed"]
    """Passed: every frozen test and example passed in the sandbox."""
    files: Files = field(default_factory=dict)
    """Its own files."""
    tests: Files = field(default_factory=dict)
    """Its frozen test files."""
    test_ids: tuple[str, ...] = ()
    """The declared tests, all of them proven when passed."""
    verdict: Verdict | None = None
    """The last verdict."""
    attempts: int = 0
    """Code answers judged, the first one included."""
    reason: str = ""
    """One sentence when it failed."""
    strength: Strength | None = None
    """How well its tests hold it; ``None`` when that was not measured."""
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    """Test or example id → where the trust in it comes from."""
    covers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Requirement id → ids of the proven tests and examples that are tied to it, each of which fails without the behaviour."""
    quarantined: Mapping[str, str] = field(default_factory=dict)
    """Test id → why it was taken out: it passes and fails on the same code, and so proves nothing."""


_PLAIN = (str, int, float, bool, type(None))


@cache
def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls))


def to_json(value: Any) -> Any:
    """A value of this module as plain JSON data (dicts, lists, strings, numbers)."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:
        return [to_json(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if is_dataclass(kind):
        return {name: to_json(getattr(value, name)) for name in _field_names(kind)}
    return value


Value = TypeVar("Value")


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def from_json(cls: type[Value], data: Any) -> Value:
    """The inverse of :func:`to_json` for a class of this module; ``pydantic.ValidationError`` when the data does not fit."""
    key: Any = cls  # a class is hashable, which mypy does not see of a generic one
    value: Value = _adapter(key).validate_python(data)
    return value


def digest(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON: equal values, equal digest, on every machine."""
    text = json.dumps(to_json(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
