"""What the verdicts say together: which tests are in doubt, where a failure belongs, and what to do next. Pure.

The ladder, when repairs make no progress: a fresh candidate → amend a test in doubt → respecify the contract → split the
component → ask the user → failed. A rung is taken only when the evidence points to it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from graphs import syntax
from graphs.ladder import Rung
from graphs.values import CaseResult, Component, Doubt, Files, Limits, Verdict

Fault = Literal["code", "test", "contract", "size", "plan", "chance"]
"""What a failure is put down to: the program, one of its tests, what both were written from, too much at once, an edge that
is missing, or a test that passes and fails on the same program."""
SPLIT_LINES = 120
"""Lines of code from which size is taken for the cause: half of what fits one answer (see DESIGN, right-sized)."""
SPLITTABLE_LINES = 40
"""Lines of code below which there is nothing to cut."""
SLIPS = frozenset(
    [
        "AssertionError",
        "AttributeError",
        "ImportError",
        "IndexError",
        "ModuleNotFoundError",
        "NameError",
        "NotImplementedError",
        "RecursionError",
        "TypeError",
        "UnboundLocalError",
    ]
)
"""Errors that come of slips, and the one that says what was seen: two programs that raise one of them need not have done the
same."""
MOST_DOUBTS = 5
"""Tests asked about at once."""


@dataclass(frozen=True)
class Line:
    """A program written from the contract alone, as good as its repairs have made it."""

    files: Files
    """The component's files."""
    verdict: Verdict
    """On the tests as they stand now."""


@dataclass(frozen=True)
class Evidence:
    """All that is known when a component's loop has come to its end without a proof."""

    component: Component
    """Which, under the contract that failed."""
    lines: tuple[Line, ...]
    """The independent programs, the best one first; empty when nothing was judged."""
    test_ids: tuple[str, ...] = ()
    """The frozen tests: written by a model, so they can be in doubt. Examples cannot."""
    clashes: tuple[str, ...] = ()
    """Why the test writer kept tests that independent programs agree against, one sentence each."""
    disputes: tuple[str, ...] = ()
    """Tests that a repairer held to be wrong, and why, one sentence each."""
    missing: tuple[str, ...] = ()
    """Components whose modules the code imports though it does not stand on them."""
    reason: str = ""
    """Why the loop stopped."""


@dataclass(frozen=True)
class Tried:
    """What was already done for a component in this run, under whatever contract."""

    respecified: int = 0
    """How often its contract was written anew from evidence."""
    depth: int = 0
    """How many splits made it: 0 for a component of the first plan."""
    weight: float = 1.0
    """Its share of the budget against that of others; a split divides it."""


@dataclass(frozen=True)
class Decision:
    """The next rung and why."""

    rung: Rung | None
    """``None``: nothing is left, the component has failed."""
    reason: str
    """One sentence."""
    evidence: tuple[str, ...] = ()
    """What points to it, one sentence each."""

    @property
    def fault(self) -> Fault | None:
        """What the failure is put down to; ``None`` where the evidence does not say."""
        return "contract" if self.rung == "respecify" else "size" if self.rung == "split" else None


def observation(case: CaseResult) -> str:
    """What the program did in a failing test, without what differs between equal runs; empty when it cannot be told.

    >>> observation(CaseResult("t", "failed", "    def test():\\n>  assert f() == 2\\nE  assert 3 == 2\\nt.py:4: AssertionError"))
    'assert 3 == 2'
    """
    if case.outcome != "failed":
        return ""
    lines = [line[1:].strip() for line in case.message.splitlines() if line.startswith("E ")]
    text = "\n".join(lines) if lines else case.message.strip()
    return re.sub(r"0x[0-9a-f]{4,}", "0x…", text)


def _told_alike(seen: str) -> str:
    """What must be equal for two programs to have done the same: of an error that is raised on purpose only its class, since
    every program words it in its own way."""
    raised = re.match(r"([A-Za-z_][\w.]*(?:Error|Exception|Exit))(?::|$)", seen)
    return raised[1] if raised and raised[1] not in SLIPS else seen


def in_doubt(
    lines: Sequence[Line], test_ids: Collection[str], disputed: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Tests that every one of at least two independent programs fails → what each did: in the same way, or in whatever way
    where a repairer has ``disputed`` the test."""
    if len(lines) < 2:
        return {}
    seen = [{case.id: observation(case) for case in line.verdict.failing} for line in lines]
    agreed: dict[str, tuple[str, ...]] = {}
    for test_id, first in seen[0].items():
        all_fail = first and test_id in test_ids and all(other.get(test_id) for other in seen)
        if all_fail and (test_id in disputed or len({_told_alike(other[test_id]) for other in seen}) == 1):
            agreed[test_id] = tuple(other[test_id] for other in seen)
    return dict(list(agreed.items())[:MOST_DOUBTS])


def doubts(agreed: dict[str, tuple[str, ...]], sources: Files) -> tuple[Doubt, ...]:
    """What the test writer is asked about."""
    return tuple(Doubt(i, sources.get(i, ""), observed) for i, observed in agreed.items() if sources.get(i))


def code_lines(files: Files) -> int:
    """Lines that are not blank."""
    return sum(1 for text in files.values() for line in text.splitlines() if line.strip())


def public_names(component: Component) -> int:
    """Functions, methods and classes of the interface."""
    count = 0
    for source in component.contract.interface.values():
        try:
            tree = syntax.parse(source)
        except (SyntaxError, ValueError):
            continue
        count += sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for n in ast.walk(tree))
    return count


def contract_reasons(evidence: Evidence) -> list[str]:
    """What points at the contract: nobody can meet it, or it can be read in two ways."""
    found = list(evidence.clashes)
    lines = evidence.lines
    # Programs that fail most of everything say more of themselves than of the contract.
    if len(lines) >= 2 and 2 * len(lines[0].verdict.passed) >= len(lines[0].verdict.cases):
        own = [e.id for e in evidence.component.contract.examples]
        failed = [i for i in own if all(i not in line.verdict.passed for line in lines)]
        if failed:
            found.append(f"{len(lines)} independent programs all fail the contract's own example {', '.join(failed)}")
        best, other = lines[0].verdict.passed, lines[1].verdict.passed
        if best - other and other - best:
            found.append(
                f"one program passes {_names(best - other)}, which another fails, and fails {_names(other - best)}, "
                "which the other passes: the contract can be read in two ways"
            )
    return found


def size_reasons(evidence: Evidence) -> list[str]:
    """What points at the cut: too much for one answer."""
    if not evidence.lines:
        return []
    best = evidence.lines[0]
    size = code_lines(best.files)
    failing, total = len(best.verdict.failing), len(best.verdict.cases)
    found = []
    if size >= SPLIT_LINES:
        found.append(f"it has {size} lines and still fails {failing} of {total}")
    elif size >= SPLITTABLE_LINES and 2 * failing > total and public_names(evidence.component) > 2:
        found.append(f"more than half of its tests fail ({failing} of {total}), spread over several public names")
    return found


def splittable(evidence: Evidence) -> bool:
    """Whether there is anything to cut: enough code, and more than one thing to do."""
    return bool(evidence.lines) and code_lines(evidence.lines[0].files) >= SPLITTABLE_LINES


def next_rung(evidence: Evidence, tried: Tried, limits: Limits, in_vain: Collection[Rung] = ()) -> Decision:
    """Where a component goes that its own loop could not prove: ``respecify``, ``split``, ``ask`` or nowhere.

    ``in_vain``: rungs that were taken on this evidence and led to nothing.
    """
    contract, size = contract_reasons(evidence), size_reasons(evidence)
    rungs = [rung for rung in limits.rungs if rung not in in_vain]
    may_respecify = "respecify" in rungs and tried.respecified < limits.respecifications
    may_split = "split" in rungs and tried.depth < limits.split_depth and splittable(evidence)
    facts = (*contract, *size, *evidence.disputes, *([evidence.reason] if evidence.reason else []))
    if may_respecify and contract:
        return Decision("respecify", f"the contract is at fault: {contract[0]}", facts)
    if may_split and size:
        return Decision("split", f"it is too much at once: {size[0]}", facts)
    if may_respecify:
        return Decision(
            "respecify", "neither repairs nor a fresh program helped, so the contract is made clearer", facts
        )
    if may_split:
        return Decision("split", "a clearer contract did not help either, so it is cut smaller", facts)
    if "ask" in rungs:
        return Decision("ask", "nothing that could be tried without the user is left", facts)
    return Decision(None, "nothing is left to try", facts)


def implicated(verdict: Verdict, owners: Files, examples: Files) -> dict[str, list[str]]:
    """Component id → what points at it, for each component that failing cases of the whole lead to.

    Args:
        verdict: of the assembled repository.
        owners: path → component, test files included.
        examples: id of an example of the spec, or of the entry → the component that stands on all it uses.

    The innermost file of the traceback that a component owns decides; a test file points at its component only when no
    code is named, and an example without a traceback at the component that answers for it.
    """
    found: dict[str, list[str]] = {}
    for case in verdict.failing:
        places = [_owned(path, owners) for path in re.findall(r"[\w./-]+\.py", case.message)]
        code = [place for place in places if place and not place.startswith("tests/")]
        test = _owned(case.id.partition("::")[0], owners)
        culprit = owners[code[-1]] if code else examples.get(case.id) or owners.get(test)
        if culprit:
            where = f"the traceback ends in {code[-1]}" if code else "it answers for it"
            found.setdefault(culprit, []).append(f"{case.id} fails in the assembled repository, and {where}")
    return found


def _owned(path: str, owners: Files) -> str:
    """A path of a traceback, where directories may come before it, as the plan has it; empty when nobody owns it."""
    parts = path.split("/")
    return next((p for i in range(len(parts)) if (p := "/".join(parts[i:])) in owners), "")


def _names(ids: Collection[str], most: int = 2) -> str:
    shown = ", ".join(sorted(i.rsplit("::", 1)[-1] for i in ids)[:most])
    return shown + (f" and {len(ids) - most} more" if len(ids) > most else "")
