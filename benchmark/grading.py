"""Whether what an agent delivered does what the task asks: the hidden tests say so, and nothing that was delivered can.

The tests are proven like those of any component (``agent/checks/python.py``): in a fresh sandbox without network, on a
copy of the delivered files, from our own copy of the tests, by our own pytest with our own configuration, which looks for
modules in what was delivered last of all. A report counts when it is authentic, when tests of ours that must fail
were reported failed, and when each test, made to fail, fails. What failed is run once more; one that passes then is
*flaky*, and that is not passed.

What is not held is said there too: a program that looks for the source of the tests while they run in its own process.
"""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agent.checks.python import PytestToolchain, declared_ids
from agent.sandbox.base import Sandbox, SandboxLimits
from benchmark.datasets import Task
from graphs.errors import PathRefused, PrerequisiteError
from graphs.values import CaseResult, Files, Verdict

TESTS = "tests/"
"""Where the hidden tests lie beside the program, as in the task's folder."""
LARGEST = 2_000_000
"""Bytes of a delivered file that is graded; what is larger was not written by a model."""


@dataclass(frozen=True)
class Grade:
    """What the hidden tests say of a delivered program."""

    passed: bool
    """Every hidden test passed."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Component → the share of its tests that passed, 0 to 1; nothing when the machine failed."""
    seconds: float = 0.0
    """Wall time of all sandboxed runs together."""
    reason: str = ""
    """One sentence when not passed."""
    infra: bool = False
    """The machine failed, however often it was tried: nothing is said of the program, and this must not count."""
    cases: tuple[CaseResult, ...] = ()
    """One per declared test. Their messages hold hidden tests: they are not for the agent."""
    sandbox: str = ""
    """The label of the sandbox that ran it."""

    @property
    def score(self) -> float:
        """The share of all hidden tests that passed, 0 to 1; 0 when there are none."""
        return _share([case.outcome == "passed" for case in self.cases])


def grade(task: Task, tree: Files, sandbox: Sandbox, limits: SandboxLimits | None = None) -> Grade:
    """Judge ``tree``, all that was delivered for ``task``. Blocks for up to three runs of the hidden tests.

    Args:
        task: whose time limit holds for each run.
        tree: path → text. A name that cannot be laid out is a failure of the program.
        sandbox: probed already.
        limits: its other ceilings; the sandbox's own when not given.
    """
    ceilings = limits or SandboxLimits()
    tests = {f"{TESTS}{path}": text for path, text in task.tests.items()}
    try:
        toolchain = PytestToolchain(sandbox, replace(ceilings, seconds=task.verifier_seconds), installed(task.packages))
        verdict = toolchain.prove_tree({**tree, **task.given}, tests, declared_ids(tests))
    except PathRefused as error:
        return Grade(False, dict.fromkeys(task.parts.values(), 0.0), reason=str(error), sandbox=sandbox.label)
    except (PrerequisiteError, OSError) as error:
        return Grade(False, reason=str(error), infra=True, sandbox=sandbox.label)
    return _graded(task, verdict)


def installed(packages: Sequence[str]) -> Path | None:
    """Where the packages of the Python that runs this lie, for a task that needs some; ``None`` for one that needs none.

    ``PrerequisiteError`` for one that is not installed.
    """
    for name in packages:
        try:
            version(name)
        except PackageNotFoundError:
            raise PrerequisiteError(
                f"the task needs the package {name!r}, which is not installed beside this program; install it with: "
                f"{sys.executable} -m pip install {shlex.quote(name)}"
            ) from None
    return Path(sysconfig.get_paths()["purelib"]) if packages else None


def delivered(directory: Path) -> dict[str, str]:
    """The text files of a directory that an agent worked in, fit for :func:`grade`.

    Left out: hidden names, links, what is no UTF-8 text, and files above 2 MB.
    """
    found: dict[str, str] = {}
    for root, inside, names in os.walk(directory):
        inside[:] = sorted(name for name in inside if not name.startswith(".") and name != "__pycache__")
        for name in sorted(names):
            path = Path(root, name)
            if name.startswith(".") or path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
                continue
            try:
                found[path.relative_to(directory).as_posix()] = path.read_bytes().decode("utf-8")
            except (OSError, UnicodeDecodeError):
                continue
    return found


def _graded(task: Task, verdict: Verdict) -> Grade:
    if verdict.infrastructure:
        return Grade(False, seconds=verdict.seconds, reason=verdict.reason, infra=True, sandbox=verdict.sandbox)
    of_parts: dict[str, list[bool]] = {part: [] for part in task.parts.values()}
    for case in verdict.cases:
        path = case.id.partition("::")[0].removeprefix(TESTS)
        if path in task.parts:
            of_parts[task.parts[path]].append(case.outcome == "passed")
    return Grade(
        passed=verdict.status == "passed",
        parts={part: _share(passed) for part, passed in of_parts.items()},
        seconds=verdict.seconds,
        reason=verdict.reason,
        cases=verdict.cases,
        sandbox=verdict.sandbox,
    )


def _share(passed: list[bool]) -> float:
    return sum(passed) / len(passed) if passed else 0.0
