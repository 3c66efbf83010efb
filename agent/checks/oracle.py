"""The oracle outside: inputs go into the sandbox, results come out, and only this process knows what they should be.

No code in the sandbox can forge what it does not know, so this holds even a program that reads the tests. There is no
key and no order to authenticate: the code under test may send back whatever it likes, and must send back the right
values.

How results are compared
    *Python*: printed text followed by the repr of the value. When nothing was printed, and both the repr and what is
    expected are Python literals, they are compared by value and exact type (``True`` is not ``1``, ``1`` is not
    ``1.0``, order of dict and set is free). Otherwise as text.
    *Shell*: exit status and standard output. The directory and the exported variables of a step last for the next ones.
    An example is copied from a terminal, which shows both streams: when standard output differs and something was
    written to standard error, the example is run once more on a fresh copy with both streams into one pipe, and that
    text may match instead.
    *Text* is equal up to white space at the end of lines and of the whole; ``...`` stands for any text and
    ``<BLANKLINE>`` for an empty line, as in doctest.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.checks.report import shown
from agent.printable import printable_bytes
from agent.sandbox.base import WORK, Ended, Job, Sandbox, SandboxLimits
from graphs import syntax
from graphs.values import CaseResult, Example, ExampleKind, Step

DRIVER = "/toolchain/python/oracle_driver.py"
PYTHON = "/toolchain/python/bin/python"
ALL_EXAMPLES_FACTOR = 5.0
"""All examples of one proof together may take this many times the wall time of one job."""
LITERAL_CHARS = 100_000
"""Longer texts are not parsed as literals; they are compared as text."""

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """What the oracle found."""

    cases: tuple[CaseResult, ...] = ()
    """One per example, in order."""
    seconds: float = 0.0
    """Wall time of the sandboxed runs."""
    timed_out: bool = False
    """An example was stopped by the time limit."""
    by_machine: str = ""
    """Why the machine kept an example from being carried out; empty when it did not. No further one was tried then."""


@dataclass(frozen=True)
class Place:
    """Where examples are carried out."""

    sandbox: Sandbox
    """Runs the driver."""
    limits: SandboxLimits
    """Of one example."""
    readonly: Mapping[str, Path]
    """Mounts: the toolchain that holds the driver."""
    env: Mapping[str, str]
    """Variables that make the program importable and ``python`` found."""
    source: Path
    """The program."""
    packages: str = ""
    """Directory inside that holds third-party packages; empty for none."""


def judge(place: Place, examples: Sequence[Example]) -> Judged:
    """Carry out each example on its own throw-away copy of the program and compare out here."""
    cases: list[CaseResult] = []
    timed_out = False
    by_machine = ""
    started = time.monotonic()
    for example in examples:
        if by_machine:
            cases.append(CaseResult(example.id, "missing", by_machine))
            continue
        if time.monotonic() - started > ALL_EXAMPLES_FACTOR * place.limits.seconds:
            cases.append(CaseResult(example.id, "missing", "the examples before it used up the time for all examples"))
            continue
        case, ended = _Runner(place, example).judge()
        cases.append(case)
        timed_out = timed_out or (ended is not None and ended.ending == "time")
        by_machine = ended.reason if ended is not None and ended.by_machine else ""
    return Judged(tuple(cases), time.monotonic() - started if examples else 0.0, timed_out, by_machine)


@dataclass(frozen=True)
class _Runner:
    place: Place
    example: Example

    def judge(self) -> tuple[CaseResult, Ended | None]:
        """The verdict on the example, and the run that kept it from being carried out, if one did."""
        example = self.example
        if not example.steps:
            return CaseResult(example.id, "error", "the example has no steps, so it proves nothing"), None
        ended, results = carried_out(self.place, example.kind, example.steps)
        merged: list[Result] | None = None
        for number, step in enumerate(example.steps):
            if number >= len(results):
                message = f"step {number + 1} ({_quoted(step.run)}) gave no result: {_why_ended(ended)}"
                return CaseResult(example.id, "error", message), ended
            problem = _problem(example.kind, step, results[number])
            if problem and example.kind == "shell" and results[number].get("err"):
                if merged is None:
                    again, merged = carried_out(self.place, example.kind, example.steps, merged=True)
                    ended = again if again.by_machine else ended
                if number < len(merged) and not _problem("shell", step, merged[number]):
                    problem = ""
            if problem:
                message = shown(f"step {number + 1} ({_quoted(step.run)}) {problem}")
                return CaseResult(example.id, "failed", message), ended if ended.by_machine else None
        return CaseResult(example.id, "passed"), None


def carried_out(
    place: Place, kind: ExampleKind, steps: Sequence[Step], merged: bool = False
) -> tuple[Ended, list[Result]]:
    """Carry out steps on a throw-away copy of the program and say what came of each, in order; expecting nothing.

    There are fewer results than steps when one ended the process or took too long. ``merged``: shell only, both streams
    into one pipe.
    """
    given = [{"run": step.run, "stdin": step.stdin} for step in steps]  # never what is expected
    roots = [WORK, f"{WORK}/src"] + [place.packages] * bool(place.packages)
    job = Job(
        argv=(PYTHON, "-I", "-S", "-B", "-X", "utf8", DRIVER, *roots),
        source=place.source,
        readonly=place.readonly,
        env=place.env,
        stdin=json.dumps({"kind": kind, "merged": merged, "steps": given}).encode("ascii"),
        limits=place.limits,
        channel=True,
    )
    ended = place.sandbox.run(job)
    results: list[Result] = []
    for line in ended.channel.split(b"\n")[: len(given)]:
        try:
            result = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(result, dict):
            break
        results.append(result)
    return ended, results


def _why_ended(ended: Ended) -> str:
    if ended.ending != "exit":
        return ended.reason or f"it was stopped ({ended.ending})"
    said = printable_bytes(ended.stderr, 1000).strip()
    return f"the process ended with exit status {ended.exit}" + (f"\n{said}" if said else "")


def _quoted(text: str) -> str:
    return "`" + shown(text, 200).replace("\n", " ") + "`"


def _problem(kind: str, step: Step, result: Result) -> str:
    """What is wrong with the result of one step; empty when it is as expected."""
    return _problem_python(step, result) if kind == "python" else _problem_shell(step, result)


def _problem_python(step: Step, result: Result) -> str:
    out, value = text_of(result, "out"), text_of(result, "value")
    raised, message = text_of(result, "raised"), text_of(result, "message")
    if step.raises is not None:
        if raised != step.raises:
            came = f"raised {raised}: {message}" if raised else f"raised nothing and gave {out + value!r}"
            return f"should raise {step.raises} but {came}"
        if step.message is not None and not same_text(step.message, message):
            return f"should raise {step.raises} with the message {step.message!r} but the message is {message!r}"
        return "" if same_text(step.expect, out) else _differs("printed text", step.expect, out)
    if raised:
        return f"should give {step.expect.strip()!r} but raised {raised}: {message}"
    if value and not out and same_literal(step.expect, value):
        return ""
    return "" if same_text(step.expect, out + value) else _differs("result", step.expect, out + value)


def _problem_shell(step: Step, result: Result) -> str:
    out, err = text_of(result, "out"), text_of(result, "err")
    also = f"\nstandard error:\n{err}" if err.strip() else ""
    if result.get("exit") != step.exit or isinstance(result.get("exit"), bool):
        return (
            f"should exit with status {step.exit} but exited with {result.get('exit')!r}\nstandard output:\n{out}{also}"
        )
    return "" if same_text(step.expect, out) else _differs("standard output", step.expect, out) + also


def text_of(result: Result, name: str) -> str:
    """A text in a result, which may hold anything; empty when it is no text."""
    value = result.get(name)
    return value if isinstance(value, str) else ""


def _differs(what: str, expected: str, actual: str) -> str:
    return f"gave another {what}\nexpected:\n{expected.rstrip()}\ngot:\n{actual.rstrip()}"


def same_text(expected: str, actual: str) -> bool:
    """Equal up to trailing white space; ``...`` and ``<BLANKLINE>`` in ``expected`` as in doctest.

    >>> same_text("a ... c", "a b c"), same_text("a", "a  "), same_text("a", "b")
    (True, True, False)
    """
    actual = _trimmed(actual)
    expected = _trimmed(re.sub(r"(?m)^\s*<BLANKLINE>\s*?$", "", expected))
    if expected == actual:
        return True
    if "..." not in expected:
        return False
    return _matches(expected.split("..."), actual)


def _matches(parts: Sequence[str], text: str) -> bool:
    """Whether the parts occur in order, the first at the start and the last at the end. Linear, unlike a pattern of
    ``.*``."""
    first, *middle, last = parts
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        position = text.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").split("\n")).rstrip()


def same_literal(expected: str, actual: str) -> bool:
    """Whether both are Python literals of equal value and exactly equal types.

    >>> same_literal("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"), same_literal("1", "True"), same_literal("1", "1.0")
    (True, False, False)
    """
    if len(expected) > LITERAL_CHARS or len(actual) > LITERAL_CHARS:
        return False
    try:
        return _canonical(syntax.literal(expected.strip())) == _canonical(syntax.literal(actual.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False


def _canonical(value: object) -> str:
    """A text that is equal exactly for literals of equal value and types."""
    name = type(value).__name__
    if isinstance(value, list | tuple):
        return f"{name}[{','.join(_canonical(item) for item in value)}]"
    if isinstance(value, set):
        return f"{name}[{','.join(sorted(_canonical(item) for item in value))}]"
    if isinstance(value, dict):
        return f"{name}[{','.join(sorted(_canonical(k) + ':' + _canonical(v) for k, v in value.items()))}]"
    return f"{name}({value!r})"
