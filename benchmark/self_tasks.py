"""Tasks from a git history: commits that change a program and its tests, told by their messages, judged by their tests.

A commit *qualifies* when it adds or changes Python source and test files. It becomes a task when the sandbox says so: with the
tree before it some hidden test fails, with the tree of the commit all pass, graded just as any program is. Tests that do not
pass there (they need a network, a hook of a conftest.py, more time) are taken out of their files; of the rest, those that
failed before are the *fail → pass* tests, and the others, *pass → pass*, hold what must go on working.

A history is data: see ``agent/git_objects.py`` for how it is read; nothing of it runs outside the sandbox.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from typing import Any

from agent.checks.names import modules_of
from agent.checks.pytest_source import declared_ids, is_test_file, parsed, without_tests
from agent.checks.python import PytestToolchain
from agent.checks.regression import with_fixtures
from agent.git_objects import Unreadable, is_plain
from agent.interfaces import changed_names, interface, names_used, offered
from agent.printable import printable
from agent.sandbox.base import Sandbox, SandboxLimits
from benchmark.datasets import Size, Task
from benchmark.grading import TESTS, Grade, grade, installed
from benchmark.history import Commit, History
from graphs.errors import PathRefused, PrerequisiteError, UserError
from graphs.values import Files

SECONDS = 30.0
"""Wall time that all hidden tests of a task may take together when they are run once, half of what a grading run has; one
file may take half of what is left of it. A proof is some five such runs."""
ROUNDS = 3
"""How often tests that the grader does not believe are taken out before a commit is given up."""
LINE = 30
"""Characters from which a line of a test would give it away in a message (as in ``benchmark/lint.py``)."""
UNFIT = {
    "tree": "the tree cannot be taken",
    "tests": "no hidden test passes at the commit in the sandbox",
    "same": "every test that passes at the commit passes before it, too",
    "grade": "the grader does not pass the commit's own tree",
    "machine": "this machine could not judge it",
}
"""Why a qualifying commit is no task."""
_ROOTS = frozenset({"test", "tests"})
"""Directories that hold tests and what they lean on."""
_TRAILER = re.compile(r"[A-Z][A-Za-z]*(?:-[A-Za-z]+)* ?: \S.*|[A-Z][A-Za-z-]*-by: .*")


@dataclass(frozen=True)
class Candidate:
    """A commit that qualifies by the paths it touches."""

    commit: Commit
    """What it says."""
    sources: tuple[str, ...]
    """Python files that it adds, changes or takes away, in order; none of them of the tests."""
    tests: tuple[str, ...]
    """Test files that it adds or changes, in order."""


@dataclass(frozen=True)
class Proof:
    """A task that the sandbox has found to tell the change from its absence."""

    task: Task
    """Without the tests that cannot judge here."""
    fail_to_pass: tuple[str, ...]
    """Hidden tests that fail with the workspace and pass with the solution; at least one."""
    pass_to_pass: tuple[str, ...]
    """Hidden tests that pass with both."""
    left_out: Mapping[str, str]
    """Test → why it does not judge."""


@dataclass(frozen=True)
class SelfTask:
    """A commit that became a task."""

    candidate: Candidate
    """The commit."""
    proof: Proof
    """The task, and what judges it."""
    seconds: float
    """Wall time that it took to find out."""


@dataclass(frozen=True)
class Unfit:
    """A qualifying commit that is no task."""

    candidate: Candidate
    """The commit."""
    kind: str
    """One of :data:`UNFIT`."""
    detail: str
    """One sentence, safe to print."""
    seconds: float = 0.0
    """Wall time that it took to find out."""


class NotProven(Exception):
    """A task that does not tell the change from its absence. ``kind`` is one of :data:`UNFIT`, the text one sentence."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        super().__init__(detail or UNFIT[kind])


def candidates(history: History, revision: str = "HEAD", since: str = "") -> tuple[Candidate, ...]:
    """The commits that qualify, newest first: along first parents, no merges, each with a parent that is here.

    ``since``: a revision whose own commits do not count. ``UserError`` for a revision that is none.
    """
    if history.is_empty():
        raise UserError(f"nothing was ever committed in {str(history.repository)!r}; name a repository with a history")
    names = history.log(history.commit_of(revision), history.commit_of(since) if since else "")
    found = []
    for name, touched in history.changes(names):
        sources = tuple(sorted(path for path in touched if path.endswith(".py") and not _is_of_tests(path)))
        tests = tuple(
            sorted(path for path, how in touched.items() if how in "AM" and is_test_file(path) and is_plain(path))
        )
        if sources and tests:
            commit = history.commit(name)
            if commit.parent:
                found.append(Candidate(commit, sources, tests))
    return tuple(found)


def mine(history: History, found: Sequence[Candidate], sandbox: Sandbox) -> Iterator[SelfTask | Unfit]:
    """Try candidates one after the other; each result as soon as it is there. Blocks for some ten sandboxed runs each.

    Args:
        history: where they come from.
        found: of :func:`candidates`; as many as are to be tried.
        sandbox: probed already.
    """
    for candidate in found:
        began = time.monotonic()
        try:
            proof = proven(drafted(history, candidate), sandbox)
        except NotProven as error:
            yield Unfit(candidate, error.kind, printable(str(error)), time.monotonic() - began)
        else:
            yield SelfTask(candidate, proof, time.monotonic() - began)


# -- from a commit to a task


def drafted(history: History, candidate: Candidate) -> Task:
    """The task that a commit would be, with all its tests. ``NotProven`` when there is none in it."""
    commit = candidate.commit
    try:
        after, before = history.files(commit.id), history.files(commit.parent)
    except Unreadable as error:
        raise NotProven("tree", str(error)) from error
    judging = {path: after[path] for path in candidate.tests if path in after and _is_collected(path, after)}
    judging = {path: text for path, text in judging.items() if declared_ids({path: text})}
    if not judging:
        raise NotProven(
            "tests", "none of the test files that it changes is one of the tests that pytest collects and can read"
        )
    laid = lay_tests(judging, after)
    draft = Task(
        id=f"self-{commit.id[:12]}",
        title=commit.id[:12],
        instruction="",
        workspace=before,
        solution=after,
        size=_size(len(candidate.sources)),
        tags=("self",),
        source="self",
        **laid,
    )
    message = told_message(commit.message, draft.tests)
    title = message.partition("\n")[0].strip() or f"The change of {commit.id[:12]}"
    news, imports = _news(candidate.sources, before, after, judging), _new_imports(before, after, judging)
    return replace(draft, title=title, instruction=_instruction(title, message, news, imports, judging, before))


def lay_tests(judging: Files, tree: Files) -> dict[str, Any]:
    """The fields of a task that say what judges it, for test files of a tree: tests, parts, given and packages.

    Where all of them lie in one directory of tests, it is left out of their names: the grader has one of its own. What lies
    there beside them (data, modules they import) is given to the program's tree and lies beside the hidden tests as well.
    """
    tops = {path.partition("/")[0] for path in judging}
    prefix = f"{next(iter(tops))}/" if len(tops) == 1 and tops <= _ROOTS else ""
    roots = {root for path in judging if (root := _root_of(path))}
    given = {
        path: text
        for path, text in tree.items()
        if any(path.startswith(f"{root}/") for root in roots) and not is_test_file(path)
    }
    given |= _imported_tests({**judging, **given}, tree, judging)
    beside = {path: text for path, text in given.items() if not is_test_file(path) and path.startswith(prefix)}
    lent = {path: with_fixtures(path, text, tree) for path, text in judging.items()}
    tests = {path.removeprefix(prefix): text for path, text in {**beside, **lent}.items()}
    used = {name for path, text in {**tree, **given}.items() if path.endswith(".py") for name in _imports(text)}
    own = {module.partition(".")[0] for module in modules_of([*tree, *given])}
    known = packages_distributions()
    packages = {min(known[name]) for name in used - own - sys.stdlib_module_names if name in known}
    return {
        "tests": dict(sorted(tests.items())),
        "parts": {path.removeprefix(prefix): _part(path) for path in sorted(judging)},
        "given": dict(sorted(given.items())),
        "packages": tuple(sorted(packages)),
    }


def _is_of_tests(path: str) -> bool:
    """Whether a file belongs to the tests and not to the program."""
    return is_test_file(path) or path.endswith("conftest.py") or bool(_root_of(path))


def _root_of(path: str) -> str:
    """The uppermost directory of tests that a file lies in; empty when it lies in none."""
    parts = PurePosixPath(path).parts[:-1]
    place = next((number for number, part in enumerate(parts, 1) if part in _ROOTS), 0)
    return "/".join(parts[:place])


def _is_collected(path: str, tree: Files) -> bool:
    """Whether pytest would take the file where pyproject.toml says in which directories tests are."""
    try:
        about: Any = tomllib.loads(tree.get("pyproject.toml", ""))
        places = about["tool"]["pytest"]["ini_options"]["testpaths"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, RecursionError):
        return True
    places = places.split() if isinstance(places, str) else places
    if not isinstance(places, list) or not all(isinstance(place, str) and "*" not in place for place in places):
        return True
    return any(path.startswith(f"{place.removeprefix('./').rstrip('/')}/") or path == place for place in places)


def _imported_tests(files: Files, tree: Files, judging: Files) -> dict[str, str]:
    """Test files that others import from, and those that these import from in turn: lent, and not judging."""
    by_module = {path.removesuffix(".py").replace("/", "."): path for path in tree if is_test_file(path)}
    found: dict[str, str] = {}
    waiting = [text for path, text in files.items() if path.endswith(".py")]
    while waiting:
        for name in _modules(waiting.pop()):
            path = by_module.get(name, "")
            if path and path not in found:
                found[path] = tree[path]
                if path not in judging:
                    waiting.append(tree[path])
    return found


@lru_cache(4096)
def _modules(source: str) -> frozenset[str]:
    """The full names of all that a file imports, of the module and of what may be one in it."""
    try:
        tree = parsed(source)
    except SyntaxError:
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _imports(source: str) -> frozenset[str]:
    return frozenset(name.partition(".")[0] for name in _modules(source))


def _part(path: str) -> str:
    return PurePosixPath(path).stem.removeprefix("test_").removesuffix("_test") or "tests"


def _size(sources: int) -> Size:
    """By the number of source files that are to be changed: one, a few, several, many."""
    return "S" if sources == 1 else "M" if sources <= 3 else "L" if sources <= 8 else "XL"


# -- what is told


def told_message(message: str, tests: Files) -> str:
    """What a commit says of itself, fit to be told: without trailers, and without lines that name a hidden test or hold a line
    of one."""
    paragraphs = printable(message).strip().split("\n\n")
    if len(paragraphs) > 1 and all(_TRAILER.fullmatch(line) for line in paragraphs[-1].strip().split("\n")):
        paragraphs.pop()
    names = {name.rpartition("::")[2] for name in declared_ids(tests)}
    hidden = {
        plain for text in tests.values() for line in text.splitlines() if len(plain := " ".join(line.split())) >= LINE
    }

    def gives_away(line: str) -> bool:
        plain = " ".join(line.split())
        return bool(names & set(re.findall(r"\w+", line))) or any(one in plain for one in hidden)

    return "\n".join(line for line in "\n\n".join(paragraphs).split("\n") if not gives_away(line)).strip()


def _news(sources: Sequence[str], before: Files, after: Files, judging: Files) -> dict[str, str]:
    """Source file → what hidden tests use of it that is not there yet, or has another head now."""
    used = frozenset().union(*(names_used(text) for text in judging.values()))
    changed = {path: changed_names(before.get(path, ""), after[path], used) for path in sources if path in after}
    told = {path: interface(after[path], names.__contains__) for path, names in changed.items()}
    return {path: text for path, text in told.items() if text}


def _new_imports(before: Files, after: Files, judging: Files) -> tuple[str, ...]:
    """What hidden tests import of the program and could not import of it before, as statements."""
    there = {name: text for path, text in before.items() for name in _module_names(path)}
    coming = {name for path in after for name in _module_names(path)}
    modules: set[str] = set()
    names: dict[str, set[str]] = {}
    for node in (node for text in judging.values() for node in ast.walk(parsed(text))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names if alias.name in coming and alias.name not in there}
        elif isinstance(node, ast.ImportFrom) and node.module in coming and not node.level:
            known = offered(there[node.module]) if node.module in there else frozenset()
            new = {a.name for a in node.names if a.name not in known and f"{node.module}.{a.name}" not in there}
            names.setdefault(node.module, set()).update(new)
    told = [f"from {module} import {', '.join(sorted(new))}" for module, new in sorted(names.items()) if new]
    return (*(f"import {name}" for name in sorted(modules)), *told)


def _module_names(path: str) -> tuple[str, ...]:
    """Under which full name a file of the program is imported; nothing for one of the tests."""
    if not path.endswith(".py") or _is_of_tests(path):
        return ()
    return (path.removesuffix(".py").removesuffix("/__init__").removeprefix("src/").replace("/", "."),)


def _instruction(
    title: str, message: str, news: Mapping[str, str], imports: Sequence[str], judging: Files, before: Files
) -> str:
    parts = [
        f"# {' '.join(title.split())}",
        "Change the program in this repository as its next commit did. What the author wrote of that commit:",
        fenced(message or "(nothing that could be told here)"),
    ]
    if news or imports:
        parts += [
            "Tests use the following, which is not there yet or has another form now:",
            fenced("\n\n".join(["\n".join(imports), *(f"# {path}\n{text}" for path, text in news.items())]).strip()),
        ]
    listed = ", ".join(f"`{path}` ({'a newer version' if path in before else 'new'})" for path in sorted(judging))
    parts.append(f"It is judged by tests that are not shown: {listed}. What works now must go on working.")
    return "\n\n".join(parts) + "\n"


def fenced(text: str) -> str:
    """A text in a fence that nothing in it can close, as mere text: nothing of it is an example that is run."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    mark = "`" * max(3, longest + 1)
    return f"{mark}text\n{text}\n{mark}"


# -- the proof


def proven(task: Task, sandbox: Sandbox) -> Proof:
    """The task without the tests that cannot judge it here, once its solution passes and its workspace does not.

    ``NotProven`` when the sandbox finds it no task.
    """
    left_out: dict[str, str] = {}
    task = _without(task, _passing_nowhere(task, sandbox), left_out)
    for _ in range(ROUNDS):
        start = _graded(task, task.workspace, sandbox)
        failing = [case.id for case in start.cases if case.outcome not in ("passed", "flaky")]
        if not failing:
            raise NotProven("same")
        right = _graded(task, task.solution, sandbox)
        if right.passed:
            passing = tuple(case.id for case in start.cases if case.id not in failing)
            return Proof(task, _own(failing), _own(passing), left_out)
        astray = {case.id: f"graded, it is {case.outcome}" for case in right.cases if case.outcome != "passed"}
        task = _without(task, astray, left_out)
    raise NotProven("grade", f"{UNFIT['grade']}, not even without {len(left_out)} of its tests")


def _passing_nowhere(task: Task, sandbox: Sandbox) -> dict[str, str]:
    """Test → why it does not pass with the solution. Each file is run by itself: what ends the process in one of them says
    nothing of the others."""
    tests = {f"{TESTS}{path}": text for path, text in task.tests.items()}
    found: dict[str, str] = {}
    left = SECONDS
    try:
        toolchain = PytestToolchain(sandbox, SandboxLimits(), installed(task.packages))
        for path in tests:
            ids = [name for name in declared_ids(tests) if name.partition("::")[0] == path]
            if not ids:
                continue
            if left <= 1:
                found |= dict.fromkeys(ids, "the tests before it have taken all the time there is")
                continue
            trial = toolchain.try_tests({**task.solution, **task.given}, tests, ids, left / 2)
            if trial.by_machine:
                raise NotProven("machine", trial.by_machine)
            left -= trial.seconds
            why = "it takes too long" if trial.timed_out else "it does not pass at the commit in the sandbox"
            found |= dict.fromkeys(ids if trial.timed_out else trial.failed, why)
    except PathRefused as error:
        raise NotProven("tree", str(error)) from error
    except (PrerequisiteError, OSError) as error:
        raise NotProven("machine", str(error)) from error
    return found


def _graded(task: Task, tree: Files, sandbox: Sandbox) -> Grade:
    judged = grade(task, tree, sandbox)
    if judged.infra:
        raise NotProven("machine", judged.reason)
    return judged


def _without(task: Task, ids: Mapping[str, str], left_out: dict[str, str]) -> Task:
    """The task without these tests (as the grader names them), noted in ``left_out``. ``NotProven`` when none is left."""
    left_out |= dict(zip(_own(ids), ids.values(), strict=True))
    tests = without_tests(task.tests, _own(ids)) if ids else task.tests
    if not tests:
        reasons = ", ".join(f"{why} ({count})" for why, count in Counter(left_out.values()).most_common())
        raise NotProven("tests", f"{UNFIT['tests']}: {reasons}")
    return replace(task, tests=tests, parts={path: part for path, part in task.parts.items() if path in tests})


def _own(ids: Collection[str]) -> tuple[str, ...]:
    """Ids as the task's own files have them."""
    return tuple(name.removeprefix(TESTS) for name in ids)


# -- folders


def about(found: SelfTask) -> dict[str, Any]:
    """Where a task comes from and what proves it, for ``task.toml``."""
    commit = found.candidate.commit
    return {
        "commit": commit.id,
        "committed": commit.committed,
        "fail_to_pass": list(found.proof.fail_to_pass),
        "pass_to_pass": list(found.proof.pass_to_pass),
        "left_out": [f"{test}: {why}" for test, why in found.proof.left_out.items()],
    }


def write_folder(task: Task, directory: Path, more: Mapping[str, Any] | None = None) -> Path:
    """Write a task as the folder ``directory/<id>``, which ``datasets.read_folder`` reads as the same task; gives that folder.

    ``more`` (texts, numbers and lists of texts) goes into the table ``[metadata.origin]``, which no loader reads. ``UserError``
    when the folder is there already, or a name or text cannot be written.
    """
    folder = directory / task.id
    own = {
        "title": task.title,
        "size": task.size,
        "kind": task.kind,
        "tags": list(task.tags),
        "licence": task.licence,
        "canary": task.canary,
        "source": task.source,
        "packages": list(task.packages),
    }
    tables: dict[str, Mapping[str, Any]] = {
        "": {"version": "1.0"},
        "[metadata]": own,
        "[metadata.parts]": task.parts,
        "[metadata.origin]": more or {},
        "[agent]": {"timeout_sec": task.agent_seconds},
        "[verifier]": {"timeout_sec": task.verifier_seconds},
    }
    written: dict[str, str] = {"task.toml": _toml(tables), "instruction.md": task.instruction}
    for place, files in (
        ("workspace", task.workspace),
        ("tests", task.tests),
        ("given", task.given),
        ("solution", task.solution),
        ("mutants", {f"{name}.patch": text for name, text in task.mutants.items()}),
    ):
        written |= {f"{place}/{path}": text for path, text in files.items()}
    if not is_plain(task.id) or "/" in task.id:
        raise UserError(f"the task {printable(task.id)!r} has no name that a folder can have")
    if odd := [path for path in written if not is_plain(path)]:
        raise UserError(f"the task {task.id!r} has a file {printable(odd[0])!r}, which is no name that a file can have")
    try:
        folder.mkdir(parents=True)
        for path, text in written.items():
            folder.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
            folder.joinpath(path).write_bytes(text.encode())
    except (OSError, UnicodeEncodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds text that is no Unicode"
        raise UserError(f"the task {task.id!r} cannot be written to {str(folder)!r}: {why}") from error
    return folder


def _toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables of texts, numbers and lists of texts as TOML."""
    lines: list[str] = []
    for name, table in tables.items():
        lines += [name] if name and table else []
        lines += [f"{_quoted(key)} = {_value(value)}" for key, value in table.items()]
    return "".join(f"{line}\n" for line in lines)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    """A basic string of TOML: as JSON has it, but for DEL, which has to be escaped, and for pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
