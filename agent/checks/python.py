"""The Python toolchain: pytest in the sandbox, and a verdict that the code under test cannot forge (DESIGN §9).

One proof is up to four kinds of runs, each on its own throw-away copy:

1. the *real* run: frozen tests from our copy, read-only, each file with a tripwire test that must be reported failed;
2. the *second* run, only when tests failed: one that passes now, on the same files, is flaky, and that is not passed;
3. the *poisoned* run, once the real one is green: the same tests, each failing where it ends, and each value that a test
   compares with one written in it compared with others first, which it cannot equal; all must be reported failed, and one
   that fails by itself, before its end, is flaky too;
4. the *oracle* (``agent/checks/oracle.py``): examples as data, compared out here. None is tried twice.

A report counts only when every record is authentic and in order, the end record came and every tripwire failed. A test
counts as passed only when setup, call and teardown were each reported passed exactly once.

Not held by runs 1 to 3, and held by run 4 where a contract has examples:

- code that reads the tests' source in the same process and forges with full knowledge;
- values that are equal to everything, where a test does not compare them by ``assert A == B`` with one side written in
  the test (a literal, a column of its table, a constant of its file, or what the standard library makes of those): by
  ``in``, ``is``, ``!=``, ``<``, ``isinstance``, ``unittest``'s methods, with what the program itself makes
  (``== Point(1, 2)``), with a parameter of a helper, or by truth alone (``assert f(x)``, ``all(…)``);
- exceptions of a class made to be any class that ``pytest.raises`` is given.

Of a program that exists, every tree is laid over its files, and its tests hold the whole (``agent/checks/regression.py``).

The price: a program whose contract asks for values equal to everything (a wildcard) can only be shown to work by examples.
"""

from __future__ import annotations

import compileall
import importlib.util
import os
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Self

from agent.checks import oracle, probes
from agent.checks.memorized import memorized
from agent.checks.names import modules_of
from agent.checks.poison import poisoned, with_tripwire
from agent.checks.problems import problems_of_tests
from agent.checks.pytest_source import (
    declared_ids,
    source_of,
    tied_requirements,
    with_added,
    with_replaced,
    without_tests,
)
from agent.checks.regression import BEFORE, Held, Regression
from agent.checks.report import MESSAGE_BYTES, Phase, Report, read_report, shown
from agent.checks.scratch import Scratch, sweep
from agent.checks.strength import Trial, measure
from agent.checks.stub import stub_files
from agent.checks.unsteady import unsteady
from agent.printable import printable_bytes
from agent.sandbox.base import WORK, Ended, Job, Sandbox, SandboxLimits
from agent.sandbox.patient import SCARCE, Patient
from agent.threads import in_daemon_thread
from graphs.errors import PathRefused, PrerequisiteError
from graphs.ports import Brief, RedReport
from graphs.values import (
    CaseResult,
    Component,
    Example,
    Files,
    Limits,
    Outcome,
    Plan,
    Spec,
    Strength,
    Verdict,
    VerdictStatus,
)

__all__ = ["PytestToolchain", "declared_ids", "problems_of_tests"]

FROZEN = "/frozen"
"""Inside: our copy of the tests, read-only; pytest's root. Beside them, links to what lies at the top of the
workspace."""
TOOLS = "/toolchain/python"
"""Inside: the trusted runner, its configuration, and a virtual environment that holds nothing but the interpreter."""
SITE = f"{TOOLS}/site"
"""Inside: links to pytest and what it needs; only the runner looks here."""
PACKAGES = "/toolchain/packages"
"""Inside: the third-party packages of the run, if it has any. The last place where anything is looked for."""
PYTEST_PACKAGES = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
ENTRY = "entry"
"""The id of the case that says whether the entry command starts."""
ENTRY_SECONDS = 10.0
"""An entry command that still runs after this many seconds has started."""
WRONG_REASONS = {
    "ImportError": "it fails to import",
    "SyntaxError": "it meets a syntax error",
    "NameError": "it uses a name that does not exist",
    "AttributeError": "it uses an attribute that the contract does not name",
    "TypeError": "it calls something in a way that the contract does not allow",
    "FixtureLookupError": "it asks for a fixture that does not exist",
}
"""Exceptions that, on the stub, say that the test is wrong and not that the code is missing."""


@dataclass(frozen=True)
class _Run:
    """One run of the tests' process, and what of it can be believed."""

    ended: Ended
    """How the job ended."""
    report: Report
    """What was reported, without the tripwires."""
    distrust: str
    """Why nothing of the report counts, in one sentence; empty when it does."""
    mark: str = ""
    """What the assertions say that tests were poisoned with."""

    def output(self) -> str:
        """What was printed, when the report does not speak for itself."""
        return printable_bytes(self.ended.stdout + self.ended.stderr, MESSAGE_BYTES) if self.distrust else ""


class PytestToolchain:
    """Implements :class:`graphs.ports.Checker` for Python. May be used from several threads at once."""

    def __init__(
        self,
        sandbox: Sandbox,
        limits: SandboxLimits | None = None,
        packages: Path | None = None,
        existing: Files = MappingProxyType({}),
    ) -> None:
        """
        Args:
            sandbox: runs everything.
            limits: of one job.
            packages: a directory of third-party packages that code, tests and their children may import.
            existing: path → text of the program that is changed; every tree is laid over it.
        """
        self.sandbox: Sandbox = Patient(sandbox)
        self.limits = limits or SandboxLimits()
        sweep()
        self._scratch = Scratch()
        tools = self._scratch.path / "tools"
        tools.mkdir()
        runner = _runner_packages()
        _lay_out_tools(tools, runner, packages)
        # Every sandbox shows the running interpreter and its environment; what lies elsewhere is shown where it lies.
        shown_anyway = tuple(Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix, "/usr"))
        apart = {str(path): path for path in runner.values() if not any(map(path.is_relative_to, shown_anyway))}
        self.tools = TOOLS
        self.readonly: dict[str, Path] = {TOOLS: tools, **apart}
        self.packages = PACKAGES if packages is not None else ""
        if packages is not None:
            self.readonly[PACKAGES] = packages
        self.existing = existing
        self._below = _Below(self._scratch.path / "existing", existing)
        self._regression = Regression(existing, self._passing_before)

    # -- graphs.ports.Checker

    def stub(self, component: Component) -> Files:
        """The contract's stub (see ``agent/checks/stub.py``)."""
        return stub_files(component, self.existing)

    async def red(self, brief: Brief, tree: Files, tests: Files) -> RedReport:
        """Static problems of the tests, and whether each fails on the stub for the right reason."""
        return await in_daemon_thread(self.red_tree, tree, tests, brief.component)

    async def prove(self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """:meth:`prove_tree` in a thread of its own, with the examples of the brief and of the contract."""
        examples = (*brief.examples, *brief.component.contract.examples)
        return await in_daemon_thread(self.prove_tree, tree, tests, ids, examples)

    async def behave(self, brief: Brief, tree: Files, tests: Files) -> Mapping[str, str]:
        """What the program does with inputs of the tests and examples and near them (see ``agent/checks/probes.py``)."""
        examples = (*brief.examples, *brief.component.contract.examples)
        return await in_daemon_thread(self.behave_tree, tree, tests, examples, brief.component)

    async def strength(
        self, brief: Brief, tree: Files, tests: Files, ids: Sequence[str], limits: Limits, known: Strength | None = None
    ) -> Strength:
        """How many mutants of the component's files its tests and examples notice (see ``agent/checks/strength.py``)."""
        examples = (*brief.examples, *brief.component.contract.examples)
        return await in_daemon_thread(
            measure,
            self,
            brief.component.files,
            tree,
            tests,
            tuple(ids),
            examples,
            limits,
            known,
            self.existing,
        )

    def without(self, tests: Files, ids: Sequence[str]) -> Files:
        """The same test files with these tests (or whole files) taken out."""
        return without_tests(tests, ids)

    def source(self, tests: Files, test_id: str) -> str:
        """The source of one test; empty when it is not there."""
        return source_of(tests, test_id)

    def amended(self, tests: Files, replaced: Files) -> Files:
        """The same test files with these tests (by id) written anew."""
        return with_replaced(tests, replaced)

    def extended(self, tests: Files, path: str, sources: Sequence[str]) -> tuple[Files, tuple[str, ...]]:
        """The same test files with more tests at the end of one."""
        return with_added(tests, path, sources)

    def memorized(self, brief: Brief, before: Files, after: Files, tests: Files) -> tuple[str, ...]:
        """Answers of the tests that a repair has written into the code (see ``agent/checks/memorized.py``)."""
        return memorized(brief, before, after, tests)

    def tied(self, tests: Files) -> Mapping[str, tuple[str, ...]]:
        """Which requirements the first line of each test's docstring names."""
        return tied_requirements(tests)

    def unsteady(self, tests: Files, test_id: str) -> str:
        """What chance, clock or order a test's own source depends on (see ``agent/checks/unsteady.py``)."""
        return unsteady(tests, test_id)

    async def integrate(self, plan: Plan, spec: Spec, tree: Files, tests: Files, ids: Sequence[str]) -> Verdict:
        """All tests and the spec's examples on the assembled repository, and its entry command; where a program exists, its
        own tests that passed before, too."""
        return await in_daemon_thread(
            self.integrate_tree, tree, tests, ids, spec.examples, plan.entry, spec.settings.get("superseded", ())
        )

    # -- the synchronous core

    def prove_tree(self, tree: Files, tests: Files, ids: Sequence[str], examples: Sequence[Example] = ()) -> Verdict:
        """Whether ``tree`` passes the declared tests and the examples. ``PathRefused`` for names that leave the
        tree."""
        with self._tree(tree) as source:
            return self.prove_directory(source, tests, ids, examples)

    def prove_directory(
        self,
        source: Path,
        tests: Files,
        ids: Sequence[str],
        examples: Sequence[Example] = (),
        limits: SandboxLimits | None = None,
    ) -> Verdict:
        """The same for a tree that lies in a directory. Tests are taken from ``tests``, never from the directory.

        ``limits``: of each run of the tests; those of the toolchain when not given.
        """
        limits = limits or self.limits
        ids = tuple(dict.fromkeys(ids))
        declared = frozenset(declared_ids(tests))
        runnable = _files_of(ids, declared)
        runs = [self._run(source, tests, runnable, limits)] if runnable else []
        cases = [_case(name, declared, runs[0] if runs else None) for name in ids]
        failed = [case.id for case in cases if runs and _may_be_flaky(case, runs[0])]
        again = self._once_more(source, tests, runnable, limits, failed)
        cases = [_flaky_case(case, run) if case.id in failed else case for run in again for case in cases] or cases
        if any(run.ended.by_machine for run in runs):
            cases += [CaseResult(example.id, "missing", runs[0].distrust) for example in examples]
            return self._verdict(runs, tuple(cases), oracle.Judged())
        place = oracle.Place(self.sandbox, self.limits, self.readonly, self.environment(source), source, self.packages)
        judged = oracle.judge(place, examples)
        cases += judged.cases
        if runs and all(case.outcome == "passed" for case in cases):
            runs.append(self._run(source, tests, runnable, limits, poison=True))
            cases = [_poisoned_case(case, runs[1]) if case.id in ids else case for case in cases]
        verdict = self._verdict(runs, tuple(cases), judged)
        return replace(verdict, seconds=verdict.seconds + sum(run.ended.seconds for run in again))

    def _once_more(
        self, source: Path, tests: Files, files: Sequence[str], limits: SandboxLimits, failed: Collection[str]
    ) -> list[_Run]:
        """A second run for tests that failed, up to the last file that holds one: all that came before them is as it was."""
        holding = {name.partition("::")[0] for name in failed}
        last = max((place for place, file in enumerate(files, 1) if file in holding), default=0)
        return [self._run(source, tests, files[:last], limits)] if last else []

    def integrate_tree(
        self,
        tree: Files,
        tests: Files,
        ids: Sequence[str],
        examples: Sequence[Example],
        entry: str,
        superseded: Collection[str] = (),
    ) -> Verdict:
        """:meth:`prove_tree` with as many times the wall time as there are test files (at most ten), the tests of an existing
        program that passed before, but for those that are superseded, and the entry command."""
        files = len({name.partition("::")[0] for name in ids})
        limits = replace(self.limits, seconds=self.limits.seconds * min(10, max(1, files)))
        with self._tree(tree) as source:
            verdict = self.prove_directory(source, tests, ids, examples, limits) if ids or examples else None
            for held in self._regression.held(tree, tests, superseded) if self.existing else ():
                if verdict is None or not verdict.infrastructure:
                    verdict = _and_held(verdict, held, self.prove_directory(source, held.tests, held.ids))
            if not entry:
                return verdict or self._verdict([], (), oracle.Judged())
            case, ended = self._started(source, entry)
        if verdict is None:
            verdict = Verdict("passed", sandbox=self.sandbox.label)
        verdict = replace(verdict, cases=(*verdict.cases, case), seconds=verdict.seconds + ended.seconds)
        if ended.by_machine and not verdict.infrastructure:
            return replace(verdict, status="error", reason=ended.reason, infrastructure=True)
        if case.outcome != "passed" and verdict.status == "passed":
            return replace(verdict, status="failed", reason=f"the entry command {shown(entry, 200)!r} does not start")
        return verdict

    def _passing_before(self, tests: Files, ids: Sequence[str], seconds: float) -> tuple[str, ...] | None:
        """Which tests pass on the program as it was, and fail there when they are made to; ``None`` for no fault of theirs."""
        runnable = _files_of(ids, frozenset(ids))
        with self._tree({}) as source:
            run = self._run(source, tests, runnable, self._at_most(seconds))
            passing = [name for name in ids if _case(name, frozenset(ids), run).outcome == "passed"]
            left = seconds - run.ended.seconds
            if passing and left > 0 and not run.ended.by_machine:
                run = self._run(source, tests, runnable, self._at_most(left), poison=True)
                cases = [_poisoned_case(CaseResult(name, "passed"), run) for name in passing]
                passing = [case.id for case in cases if case.outcome == "passed"]
            elif left <= 0:
                passing = []
        return None if run.ended.by_machine else tuple(passing)

    def behave_tree(
        self, tree: Files, tests: Files, examples: Sequence[Example], component: Component
    ) -> Mapping[str, str]:
        """What ``tree`` gives for each probe of the component: call → result."""
        with self._tree(tree) as source:
            place = oracle.Place(
                self.sandbox, self.limits, self.readonly, self.environment(source), source, self.packages
            )
            return probes.results_of(place, component, tests, examples)

    def _started(self, source: Path, entry: str) -> tuple[CaseResult, Ended]:
        """Whether the entry command ends well, asks for arguments, or is still running after a while, as a service
        is."""
        job = Job(
            argv=("sh", "-c", entry),
            source=source,
            readonly=self.readonly,
            env=self.environment(source),
            limits=replace(self.limits, seconds=min(ENTRY_SECONDS, self.limits.seconds)),
        )
        ended = self.sandbox.run(job)
        asks = ended.exit == 2 and b"usage" in (ended.stdout + ended.stderr).lower()
        if ended.ending == "time" or ended.exit == 0 or asks:
            return CaseResult(ENTRY, "passed"), ended
        said = printable_bytes(ended.stdout + ended.stderr, MESSAGE_BYTES).strip()
        how = f"ended with exit status {ended.exit}" if ended.ending == "exit" else f"was stopped: {ended.reason}"
        return CaseResult(ENTRY, "failed", f"{shown(entry, 200)!r} {how}\n{said}"), ended

    def red_tree(self, tree: Files, tests: Files, component: Component | None = None) -> RedReport:
        """Static problems of the tests, and what each does on a tree that holds the stub."""
        paths = [*tree, *(path for path in self.existing if not _is_shadowed(path))]
        problems = problems_of_tests(tests, component, paths)
        changed = component is not None and any(path in self.existing for path in component.files)
        spoilt = {name for name, _ in problems}
        ids = declared_ids(tests)
        if not ids:
            return RedReport((), tuple(problems), self._verdict([], (), oracle.Judged()))
        with self._tree(tree) as source:
            run = self._run(source, tests, _files_of(ids, frozenset(ids)), self.limits, brief=True)
        cases = tuple(_case(name, frozenset(ids), run) for name in ids)
        verdict = self._verdict([run], cases, oracle.Judged())
        if run.distrust:
            problems.append((ids[0].partition("::")[0], f"it cannot be judged on the contract's stub: {run.distrust}"))
            return RedReport((), tuple(problems), verdict)
        good: list[str] = []
        for case in cases:
            reason = _wrong_reason(case, run, changed)
            if reason:
                problems.append((case.id, reason))
            elif case.id not in spoilt and case.id.partition("::")[0] not in spoilt:
                good.append(case.id)
        return RedReport(tuple(good), tuple(problems), verdict)

    def try_tests(self, tree: Files, tests: Files, ids: Sequence[str], seconds: float, first: bool = False) -> Trial:
        """One run of the declared tests, of at most ``seconds``: nothing is tried twice or poisoned. ``first``: it ends with
        the first that does not pass."""
        declared = frozenset(declared_ids(tests))
        runnable = _files_of(ids, declared)
        if not runnable:
            return Trial(tuple(ids))
        with self._tree(tree) as source:
            only_these = declared <= set(ids)  # another test that fails must not keep these from being run
            run = self._run(source, tests, runnable, self._at_most(seconds), first=first and only_these, brief=True)
        cases = [_case(name, declared, replace(run, distrust="")) for name in ids]
        failed = [case.id for case in cases if case.outcome != "passed"]
        if run.distrust:
            running = (run.report.running, run.report.running.partition("[")[0])
            began = [case.id for case in cases if case.outcome not in ("passed", "missing") or case.id in running]
            failed = began or failed or list(ids)
        by_machine = run.distrust if run.ended.by_machine else ""
        return Trial(tuple(failed), run.ended.ending == "time", by_machine, run.ended.seconds)

    def try_example(self, tree: Files, example: Example, seconds: float) -> Trial:
        """The same for one example."""
        with self._tree(tree) as source:
            environment, limits = self.environment(source), self._at_most(seconds)
            place = oracle.Place(self.sandbox, limits, self.readonly, environment, source, self.packages)
            judged = oracle.judge(place, (example,))
        failed = tuple(case.id for case in judged.cases if case.outcome != "passed")
        return Trial(failed, judged.timed_out, judged.by_machine, judged.seconds)

    def _at_most(self, seconds: float) -> SandboxLimits:
        return replace(self.limits, seconds=min(seconds, self.limits.seconds))

    def over(self, sandbox: Sandbox) -> Self:
        """The same toolchain, with everything run by another sandbox."""
        other = copy(self)
        other.sandbox = sandbox
        return other

    def scratch(self) -> AbstractContextManager[Path]:
        """A directory for the block that the sandbox may show."""
        return self._laid_out("scratch", {})

    def environment(self, source: Path) -> dict[str, str]:
        """Variables for programs that tests and examples start. The runner itself is isolated and reads none of
        them."""
        roots = [WORK, f"{WORK}/src"] if (source / "src").is_dir() else [WORK]
        return {
            "PATH": f"{TOOLS}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": ":".join(roots),
            "PYTHONUTF8": "1",
            "PYTHONNOUSERSITE": "1",
        }

    def _run(
        self,
        source: Path,
        tests: Files,
        files: Sequence[str],
        limits: SandboxLimits,
        poison: bool = False,
        first: bool = False,
        brief: bool = False,
    ) -> _Run:
        """``brief``: of a failure only what was raised is told. Pytest quotes source at several times the price of a test, which is
        for those who mend it; Python quotes the lines in which the mark of the poison may stand at hardly any."""
        key, mark = secrets.token_bytes(32), f"mark_{secrets.token_hex(4)}"
        frozen_tests = dict(tests)
        tripwires: dict[str, str] = {}
        for name in files:
            text, test = with_tripwire(poisoned(tests[name], mark) if poison else tests[name])
            frozen_tests[name] = text
            tripwires[name] = f"{name}::{test}"
        with self._laid_out("tests", frozen_tests) as frozen:
            _link_workspace(frozen, source)
            python = f"{TOOLS}/bin/python"
            runner = f"{TOOLS}/runner_plugin.py"
            job = Job(
                argv=(
                    python,
                    "-I",
                    "-S",
                    "-B",
                    "-X",
                    "utf8",
                    runner,
                    SITE,
                    FROZEN,
                    WORK,
                    f"{TOOLS}/pytest.ini",
                    self.packages,
                    "1" if first else "0",
                    "native" if poison else "line" if brief else "short",
                    *files,
                ),
                source=source,
                readonly={**self.readonly, FROZEN: frozen},
                env=self.environment(source),
                limits=limits,
                channel=True,
                key=key,
            )
            ended = self.sandbox.run(job)
        report = read_report(ended.channel, key)
        distrust = _distrust(ended, report, tripwires)
        kept = {name: phases for name, phases in report.phases.items() if name not in tripwires.values()}
        return _Run(ended, Report(kept, report.collect, report.running, report.ended, report.forged), distrust, mark)

    @contextmanager
    def _tree(self, tree: Files) -> Iterator[Path]:
        """A directory that holds the tree over the existing program. Nothing may write into it: sandboxes run on copies, and
        files of the program are links to those of all other trees."""
        with self._laid_out("tree", tree) as root:
            self._below.link_into(root, tree)
            try:
                yield root
            finally:
                self._below.unlink_from(root, tree)

    @contextmanager
    def _laid_out(self, kind: str, files: Files) -> Iterator[Path]:
        """A directory that holds ``files`` for the block, readable for whatever user the sandbox runs as.

        ``PathRefused`` for a name that would leave it, ``PrerequisiteError`` when there is no room.
        """
        try:
            fresh = tempfile.TemporaryDirectory(prefix=f"{kind}-", dir=self._scratch.path, ignore_cleanup_errors=True)
        except OSError as error:
            raise _no_room(self._scratch.path, error) from error
        with fresh as directory:
            root = Path(directory)
            root.chmod(0o755)
            _lay_out(root, files)
            yield root

    def _verdict(self, runs: Sequence[_Run], cases: tuple[CaseResult, ...], judged: oracle.Judged) -> Verdict:
        seconds = sum(run.ended.seconds for run in runs) + judged.seconds
        distrusted = next((run for run in runs if run.distrust), None)
        failing = [case for case in cases if case.outcome != "passed"]
        status: VerdictStatus = "failed"
        by_machine = judged.by_machine or next((run.distrust for run in runs if run.ended.by_machine), "")
        if by_machine:
            status = "error"
        elif judged.timed_out or any(run.ended.ending == "time" for run in runs):
            status = "timeout"
        elif not cases or distrusted or all(case.outcome in ("error", "missing") for case in cases):
            status = "error"
        elif not failing:
            status = "passed"
        reason = ""
        if by_machine:
            reason = by_machine
        elif distrusted:
            reason = distrusted.distrust
        elif not cases:
            reason = "no test and no example was declared, so nothing is proven"
        elif failing:
            first = f"{shown(failing[0].id, 200)} ({failing[0].outcome})"
            reason = f"{len(failing)} of {len(cases)} declared cases did not pass, the first is {first}"
        output = distrusted.output() if distrusted else ""
        return Verdict(status, cases, reason, output, seconds, self.sandbox.label, bool(by_machine))


class _Below:
    """The files of the existing program, laid out once. May be used from several threads at once."""

    def __init__(self, place: Path, existing: Files) -> None:
        self._place, self._existing = place, existing
        self._lock = threading.Lock()

    def link_into(self, root: Path, tree: Files) -> None:
        """Put those that ``tree`` does not replace into a directory that holds it. ``PathRefused`` where a file of one is a
        directory of the other, or a name leaves the directory."""
        with self._lock:
            if self._existing and not self._place.exists():
                self._lay_out()
        for directory in {str(PurePosixPath(name).parent) for name in self._existing}:
            try:
                os.makedirs(root / directory, exist_ok=True)
            except OSError as error:
                raise _refused(root, directory, error) from None
        above, here = str(self._place), str(root)
        for name in self._existing:
            if name not in tree:
                try:
                    os.link(f"{above}/{name}", f"{here}/{name}")
                except FileExistsError as error:
                    raise _refused(root, name, error) from None
                except OSError:  # a file system without links, or one that has too many of this file
                    try:
                        shutil.copyfile(f"{above}/{name}", f"{here}/{name}")
                    except OSError as error:
                        raise _refused(root, name, error) from None

    def unlink_from(self, root: Path, tree: Files) -> None:
        """Take them out again: several times as quick as removing a tree whose names are not known."""
        here = str(root)
        for name in self._existing:
            if name not in tree:
                with suppress(OSError):
                    os.unlink(f"{here}/{name}")

    def _lay_out(self) -> None:
        """All or nothing: a directory that is there is whole."""
        fresh = Path(tempfile.mkdtemp(prefix="existing-", dir=self._place.parent))
        _lay_out(fresh, self._existing)
        fresh.rename(self._place)


def _and_held(verdict: Verdict | None, held: Held, found: Verdict) -> Verdict:
    """A verdict with what tests of the program as it was say of it now.

    A flaky one is no judge. Whatever else does not pass fails the whole; the reason is that of the first.
    """
    cases = [case for case in found.cases if case.outcome != "flaky"]
    cases = [c if c.outcome == "passed" else replace(c, message=f"{BEFORE}{c.message}") for c in cases]
    failing = next((case for case in cases if case.outcome != "passed"), None)
    if verdict is None:
        verdict = Verdict("passed", sandbox=found.sandbox)
    verdict = replace(verdict, cases=(*verdict.cases, *cases), seconds=verdict.seconds + found.seconds)
    if found.infrastructure:
        return replace(verdict, status="error", reason=found.reason, infrastructure=True)
    if failing is None or verdict.status != "passed":
        return verdict
    reason = f"{shown(failing.id, 200)} ({failing.outcome}) passed before the change, and does not any more"
    return replace(verdict, status=found.status, reason=reason, output=found.output)


def _is_shadowed(path: str) -> bool:
    """Whether a file has the name of a module that is found before all of the program: no test means it."""
    known = sys.stdlib_module_names | set(PYTEST_PACKAGES)
    return any(name in known for name in modules_of([path]))


def _distrust(ended: Ended, report: Report, tripwires: Mapping[str, str]) -> str:
    """Why nothing of the report counts; empty when it is whole and the tripwires did their work."""
    if ended.ending != "exit":
        running = f" while {shown(report.running, 200)} was running" if report.running else ""
        return f"the tests were stopped{running}: {ended.reason or ended.ending}"
    if report.forged:
        return "the report of the test run was tampered with"
    if not report.ended:
        where = f" during {shown(report.running, 200)}" if report.running else ""
        return (
            f"the test process ended{where} before its report was complete (exit status {ended.exit}); "
            "code under test must not end the process"
        )
    for name, tripwire in tripwires.items():
        if name in report.collect:
            continue  # the file could not be collected: nothing of it passes anyway
        phases = report.phases.get(tripwire, ())
        if not phases:
            at = f" in {shown(report.running, 200)}" if report.running else ""
            return (
                f"the run stopped{at} before all tests of {name} had run; code under test must not end the process "
                "(sys.exit at import, KeyboardInterrupt, pytest.exit)"
            )
        if [(phase.when, phase.outcome, phase.xfail) for phase in phases] != [
            ("setup", "passed", False),
            ("call", "failed", False),
            ("teardown", "passed", False),
        ]:
            return (
                f"a test of ours in {name} that must fail was not reported failed, so the report is not to be believed"
            )
    return ""


def _phases_of(name: str, report: Report) -> dict[str, tuple[Phase, ...]]:
    """Reported ids that belong to a declared one: itself, or its parameter cases."""
    return {found: phases for found, phases in report.phases.items() if found == name or found.startswith(f"{name}[")}


def _case(name: str, declared: frozenset[str], run: _Run | None) -> CaseResult:
    """What a run says of one declared id."""
    if name.partition("[")[0] not in declared:
        return CaseResult(name, "missing", "no such test is declared in the test files")
    if run is None:
        return CaseResult(name, "missing", "nothing ran")
    path = name.partition("::")[0]
    for place, message in run.report.collect.items():
        if name == place or name.startswith(f"{place}::") or place == path:
            return CaseResult(name, "error", shown(message) or "its file could not be collected")
    found = _phases_of(name, run.report)
    worst = CaseResult(name, "passed")
    for phases in found.values():
        outcome, message = _outcome(phases)
        if outcome != "passed":
            worst = CaseResult(name, outcome, shown(message))
            break
    if run.distrust and name == run.report.running:
        return CaseResult(name, "error", run.distrust)
    if not found:
        return CaseResult(name, "missing", run.distrust or "it was declared, but never reported")
    if run.distrust and worst.outcome == "passed":
        return CaseResult(name, "error", f"it was reported passed, but {run.distrust}")
    return worst


def _outcome(phases: Sequence[Phase]) -> tuple[Outcome, str]:
    for phase in phases:
        if phase.outcome == "skipped" or phase.xfail:
            return "skipped", phase.message or "it was expected to fail, so it proves nothing"
        if phase.outcome != "passed":
            return ("failed" if phase.when == "call" else "error"), phase.message
    if [phase.when for phase in phases] != ["setup", "call", "teardown"]:
        return "error", "setup, call and teardown were not each reported exactly once"
    return "passed", ""


def _may_be_flaky(case: CaseResult, run: _Run) -> bool:
    """Whether a test ran and failed, and the report of it can be trusted: a file that cannot be imported stays so."""
    return not run.distrust and case.outcome in ("failed", "error") and bool(_phases_of(case.id, run.report))


def _flaky_case(case: CaseResult, again: _Run) -> CaseResult:
    """A failed case, or a flaky one when it passes in a second run on the same files."""
    found = _phases_of(case.id, again.report)
    if again.distrust or not found or any(_outcome(phases)[0] != "passed" for phases in found.values()):
        return case
    message = f"it failed, and passed when it was run again on the same files; it failed with:\n{case.message}"
    return CaseResult(case.id, "flaky", shown(message))


def _poisoned_case(case: CaseResult, run: _Run) -> CaseResult:
    """A passed case stays passed only when, poisoned, it was reported failed."""
    if run.distrust:
        return CaseResult(case.id, "error", f"it passed, but not when checked again: {run.distrust}")
    found = _phases_of(case.id, run.report)
    if found and all(_outcome(phases)[0] in ("failed", "error") for phases in found.values()):
        said = next(filter(None, (_own_failure(phases, run.mark) for phases in found.values())), "")
        if not said:
            return case
        return CaseResult(
            case.id, "flaky", shown(f"it passed, and failed when it was run again on the same files:\n{said}")
        )
    message = (
        "made to fail, it was still not reported failed: either the report is forged, or what the code gives back is equal "
        "to anything it is compared with; so its pass is not to be believed"
    )
    return CaseResult(case.id, "error", message)


def _own_failure(phases: Sequence[Phase], mark: str) -> str:
    """How a poisoned test failed by itself, before it came to its end; empty when it did not."""
    return next((p.message for p in phases if p.outcome == "failed" and p.message and mark not in p.message), "")


def _wrong_reason(case: CaseResult, run: _Run, changed: bool) -> str:
    """Why a test's result on the stub proves nothing; empty when it failed for the right reason. ``changed``: the stub is of
    files that exist."""
    if case.outcome == "passed" and changed:
        return (
            "it passes on the program as it was, without what the contract states, so it proves nothing of the change"
        )
    if case.outcome == "passed":
        return "it passes on the contract's stub, where nothing works yet, so it proves nothing"
    if case.outcome in ("skipped", "missing"):
        return f"it was {case.outcome} on the contract's stub: {case.message}"
    for phases in _phases_of(case.id, run.report).values():
        for phase in phases:
            names = () if phase.outcome == "passed" or "NotImplementedError" in phase.exception else phase.exception
            if (
                "'NoneType'" in phase.message
            ):  # it takes apart what is not there yet, such as a match in an empty output
                continue
            for name in names:
                if name in WRONG_REASONS:
                    return f"on the contract's stub {WRONG_REASONS[name]}: {_last_line(case.message)}"
    if not _phases_of(case.id, run.report) and "NotImplementedError" not in case.message:
        return f"its file cannot be imported on the contract's stub: {_last_line(case.message)}"
    return ""


def _last_line(message: str) -> str:
    errors = [line[1:].strip() for line in message.splitlines() if line.startswith("E ")]
    return errors[0] if errors else (message.strip().splitlines() or [""])[-1]


def _files_of(ids: Sequence[str], declared: frozenset[str]) -> tuple[str, ...]:
    """The test files that hold at least one of the ids."""
    return tuple(dict.fromkeys(name.partition("::")[0] for name in ids if name.partition("[")[0] in declared))


def _lay_out(root: Path, files: Files) -> None:
    """Write into a fresh, private directory. ``PathRefused`` for a name that would leave it; nothing runs then."""
    for name, text in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in name:
            raise PathRefused([f"{name!r} is not a relative path inside the tree"])
        place = root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(text)
        except OSError as error:
            raise _refused(root, name, error) from None


def _refused(root: Path, name: str, error: OSError) -> PathRefused | PrerequisiteError:
    """Why a file cannot be laid out: there is no room, or there is something in its place."""
    if error.errno in SCARCE:
        return _no_room(root, error)
    return PathRefused([f"{name!r} cannot be laid out: {error.strerror}"])


def _no_room(place: Path, error: OSError) -> PrerequisiteError:
    why = f"{error.strerror or error}; make room or set TMPDIR to another place, then resume the run"
    return PrerequisiteError(f"nothing can be written below {str(place)!r}: {why}")


def _link_workspace(frozen: Path, source: Path) -> None:
    """Tests that look for the program beside themselves (``Path(__file__).parents[1]``) find it."""
    with os.scandir(source) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        if not os.path.lexists(frozen / name):
            (frozen / name).symlink_to(f"{WORK}/{name}")


def _lay_out_tools(tools: Path, runner: Mapping[str, Path], packages: Path | None) -> None:
    here = Path(__file__).parent
    (tools / "site").mkdir()
    for name, path in runner.items():
        (tools / "site" / name).symlink_to(path)
    for name in ("runner_plugin.py", "oracle_driver.py"):
        shutil.copyfile(here / name, tools / name)
    (tools / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    # A virtual environment by hand: children of the tests see the standard library, the workspace and the packages of
    # the run, nothing else that is installed.
    interpreter = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    (tools / "pyvenv.cfg").write_text(
        f"home = {interpreter.parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    (tools / "bin").mkdir()
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        (tools / "bin" / name).symlink_to(interpreter)
    site_packages = tools / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    site_packages.mkdir(parents=True)
    if packages is not None:
        # A path file and not PYTHONPATH, which comes before the standard library; and not this directory itself, whose
        # own path files would be obeyed. Python skips the line that does not exist: outside, where nothing is mounted,
        # the first.
        (site_packages / "packages.pth").write_text(f"{PACKAGES}\n{packages.resolve()}\n", encoding="utf-8")
    tools.chmod(0o755)  # readable for whatever user the sandbox runs as


def _runner_packages() -> dict[str, Path]:
    """File or directory name → where it lies, of pytest and what it imports; compiled, since that halves the time
    of a run."""
    found: dict[str, Path] = {}
    for name in PYTEST_PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            found[name] = Path(spec.submodule_search_locations[0]).resolve()
        elif spec is not None and spec.origin:
            found[f"{name}.py"] = Path(spec.origin).resolve()
    if not Path(importlib.util.cache_from_source(str(found["_pytest"] / "terminal.py"))).exists():
        for path in found.values():
            if path.is_dir():
                compileall.compile_dir(path, quiet=2)
    return found
