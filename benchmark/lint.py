"""Whether a task can tell right programs from wrong ones: its own solution and its own mutants are graded to find out.

Each folder of a suite is held to :data:`CHECKS`. What is found wrong is a sentence for the author of the task.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.checks.pytest_source import declared_ids, is_test_file
from agent.checks.python import PytestToolchain
from agent.git import require_git
from agent.printable import printable
from agent.sandbox.base import Sandbox
from agent.spec import read_spec
from benchmark.datasets import Task, read_files, read_folder
from benchmark.grading import Grade, grade
from graphs.errors import UserError
from graphs.values import Files

CHECKS = ("loads", "spec", "hidden", "parts", "canary", "oracle", "examples", "empty", "mutants", "digest")
"""What a task is held to, in this order:

- loads: the folder can be read as a task;
- spec: the instruction can be read as a specification and has an example that is run;
- hidden: no name of a test and no line of one is in the instruction;
- parts: each test file says which component it judges;
- canary: there is one, and no other task has it;
- oracle: the solution passes every time, each time in less than the time limit;
- examples: what the instruction shows is what the solution does;
- empty: the starting files do not pass;
- mutants: there are two or more, each can be applied to the solution, fails a test and passes another;
- digest: what was read is still there, unchanged, when all is done.
"""
TIMES = 3
"""How often the solution must pass."""
LINE = 30
"""Characters from which a line of a test is one that no instruction would hold by chance."""
FEWEST_MUTANTS = 2
"""Of one task."""
_CANARY = re.compile(
    r"stepgraph-benchmark [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}, never to be trained on"
)


@dataclass(frozen=True)
class Problem:
    """Something wrong with a task."""

    check: str
    """One of :data:`CHECKS`."""
    text: str
    """One sentence, safe to print."""


@dataclass(frozen=True)
class Report:
    """What was found out about one folder."""

    id: str
    """Name of the folder."""
    problems: tuple[Problem, ...] = ()
    """What is wrong; nothing for a sound task."""
    infra: str = ""
    """Why the machine could not judge it, in one sentence; empty when it could."""
    size: str = ""
    """Of the task; empty when it could not be read."""
    tests: int = 0
    """Declared hidden tests."""
    mutants: int = 0
    """Wrong solutions."""
    oracle_seconds: float = 0.0
    """The slowest grading of the solution: two runs of the hidden tests."""
    seconds: float = 0.0
    """Wall time of all checks."""
    digest: str = ""
    """Of the task; empty when it could not be read."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong, as far as this machine could tell."""
        return not self.problems and not self.infra


class _Infra(Exception):
    """The machine failed; the text says how."""


def lint(folders: Sequence[Path], sandbox: Sandbox) -> Iterator[Report]:
    """Hold each folder to all checks, one after the other; a report as soon as it is made.

    A canary is compared with those of all folders beside the given ones. ``UserError`` when git is missing.
    """
    require_git()
    owners = Counter(_canaries(folders))
    for folder in folders:
        began = time.monotonic()
        try:
            task = read_folder(folder)
        except UserError as error:
            yield Report(folder.name, (Problem("loads", printable(str(error))),), seconds=time.monotonic() - began)
            continue
        run = _Run(folder, task, sandbox, owners)
        problems: list[Problem] = []
        infra = ""
        try:
            for check in CHECKS[1:]:
                problems += [Problem(check, printable(text)) for text in getattr(run, check)()]
        except _Infra as error:
            infra = printable(str(error))
        yield Report(
            task.id,
            tuple(problems),
            infra,
            task.size,
            len(declared_ids(task.tests)),
            len(task.mutants),
            run.oracle_seconds,
            time.monotonic() - began,
            task.digest,
        )


def _canaries(folders: Sequence[Path]) -> Iterator[str]:
    """The canaries of all tasks that lie in the directories of the given ones, each as often as it is there."""
    for suite in dict.fromkeys(folder.resolve().parent for folder in folders):
        for file in sorted(suite.glob("*/task.toml")):
            yield from _CANARY.findall(file.read_text(encoding="utf-8", errors="replace"))


class _Run:
    """The checks of one task: each method gives sentences about what is wrong."""

    def __init__(self, folder: Path, task: Task, sandbox: Sandbox, canaries: Counter[str]) -> None:
        self.oracle_seconds = 0.0
        self._folder = folder
        self._task = task
        self._sandbox = sandbox
        self._canaries = canaries

    def spec(self) -> Iterator[str]:
        try:
            spec = read_spec("-", io.BytesIO(self._task.instruction.encode()))
        except UserError as error:
            yield f"instruction.md cannot be read as a specification: {error}"
            return
        if not spec.examples and self._task.source != "self":
            yield "instruction.md shows no example that can be run; add one in a fence labelled console or pycon"

    def hidden(self) -> Iterator[str]:
        told = " ".join(self._task.instruction.split())
        for test in declared_ids(self._task.tests):
            if re.search(rf"\b{re.escape(test.rpartition('::')[2])}\b", told):
                yield f"instruction.md holds the name of the hidden test {test}"
        for path, text in self._task.tests.items():
            for number, line in enumerate(text.splitlines(), 1):
                plain = " ".join(line.split())
                # How the program is imported is what an instruction has to say.
                if len(plain) >= LINE and plain in told and not plain.startswith(("from ", "import ")):
                    yield f"instruction.md holds line {number} of the hidden file {path!r}"

    def parts(self) -> Iterator[str]:
        for path in self._task.tests:
            if is_test_file(path) and path not in self._task.parts:
                yield f"task.toml does not say in [metadata.parts] which component {path!r} judges"

    def canary(self) -> Iterator[str]:
        if self._task.source == "self":  # a history that others can read has been trained on
            return
        canary = self._task.canary
        if not _CANARY.fullmatch(canary):
            yield (
                "task.toml has no canary of its own; write 'stepgraph-benchmark UUID, never to be trained on' "
                "with a random UUID (version 4)"
            )
        elif self._canaries[canary] > 1:
            yield "another task has the same canary"
        if canary and any(canary in text for text in (self._task.instruction, *self._task.workspace.values())):
            yield "the agent is shown the canary"

    def oracle(self) -> Iterator[str]:
        if not self._task.solution:
            yield "there is no solution/"
            return
        for number in range(1, TIMES + 1):
            judged = self._grade(self._task.solution)
            self.oracle_seconds = max(self.oracle_seconds, judged.seconds)
            if not judged.passed:
                yield f"the solution does not pass (time {number} of {TIMES}): {_why(judged)}"
                return
        if self.oracle_seconds >= self._task.verifier_seconds:
            limit = self._task.verifier_seconds
            yield f"grading the solution takes {self.oracle_seconds:.1f} s of the {limit:g} s that one run may take"

    def examples(self) -> Iterator[str]:
        try:
            examples = read_spec("-", io.BytesIO(self._task.instruction.encode())).examples
        except UserError:  # told above
            return
        if not examples or not self._task.solution:
            return
        verdict = PytestToolchain(self._sandbox).prove_tree(self._task.solution, {}, (), examples)
        if verdict.infrastructure:
            raise _Infra(verdict.reason)
        for case in verdict.failing:
            yield f"the solution does not do what example {case.id} of instruction.md shows: {case.message}"

    def empty(self) -> Iterator[str]:
        if self._grade(self._task.workspace).passed:
            yield "the starting files pass, so there is nothing to do"

    def mutants(self) -> Iterator[str]:
        if len(self._task.mutants) < FEWEST_MUTANTS and self._task.source != "self":
            yield f"there are {len(self._task.mutants)} mutants; write {FEWEST_MUTANTS} or more"
        for name, patch in self._task.mutants.items():
            try:
                wrong = patched(self._task.solution, patch)
            except UserError as error:
                yield f"the mutant {name!r} cannot be applied to the solution: {error}"
                continue
            judged = self._grade(wrong)
            if judged.passed:
                yield f"the mutant {name!r} passes: add a test for what it does wrong, if the instruction asks for it"
            elif not judged.score:
                yield f"the mutant {name!r} passes not one test, which is no plausible mistake: {_why(judged)}"

    def digest(self) -> Iterator[str]:
        try:
            again = read_folder(self._folder)
        except UserError as error:
            yield f"the folder could not be read again: {error}"
            return
        if again.digest != self._task.digest:
            yield "the files of the task have changed while it was checked"

    def _grade(self, tree: Files) -> Grade:
        judged = grade(self._task, tree, self._sandbox)
        if judged.infra:
            raise _Infra(judged.reason)
        return judged


def patched(tree: Files, patch: str) -> dict[str, str]:
    """The files with a unified diff applied (``git apply -p1``). ``UserError`` when it does not fit or changes nothing."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        root = Path(directory)
        for name, text in tree.items():
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8", newline="")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(root.resolve().parent),  # no repository around it takes part
        }
        ended = subprocess.run(
            ["git", "apply", "-p1", "--whitespace=nowarn", "-"],
            cwd=root,
            env=environment,
            input=patch.encode(),
            capture_output=True,
            check=False,
        )
        if ended.returncode:
            said = ended.stderr.decode("utf-8", "replace").strip().splitlines() or ["git says nothing"]
            raise UserError(said[0].removeprefix("error: "))
        made = read_files(root)
    if made == dict(tree):
        raise UserError("it changes nothing")
    return made


def _why(judged: Grade) -> str:
    """Why a program did not pass: the sentence, and what the first test said last."""
    failed = next((case for case in judged.cases if case.outcome != "passed"), None)
    said = failed.message.strip().splitlines() if failed else []
    error = next((line[1:].strip() for line in said if line.startswith("E ")), said[-1] if said else "")
    return f"{judged.reason} ({error[:200]})" if error else judged.reason
