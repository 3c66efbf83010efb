"""How far this program could make itself: three numbers, each measured and none of them estimated.

- *self-tasks* (``benchmark/self_tasks.py``): of the commits that change a program and its tests, how many become tasks, and how
  many of those were solved in an experiment;
- *authorship*: of the lines that were added, how many this program's own commits added, and how many of either are still there;
- *rebuild*: one part of the program, taken out and to be written again from what it promises, judged by its own tests
  (as in Commit0: Zhao et al. 2024, Library Generation from Scratch).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from agent.checks.pytest_source import declared_ids, is_test_file
from agent.hand_edits import digest_of
from agent.interfaces import interface, names_used
from benchmark.datasets import Task
from benchmark.history import History
from benchmark.self_tasks import fenced, lay_tests
from benchmark.statistics import Interval, Outcome, tally, wilson
from graphs.errors import UserError
from graphs.values import Files

REBUILT = "benchmark/statistics.py"
"""The part of this program that is rebuilt where no other is named: pure, of one floor, with tests of its own."""
_RUN = re.compile(r"^Run: \S+$", re.MULTILINE)
_REVISION = re.compile(r"^Revision: \d+$", re.MULTILINE)
_FILE = re.compile(r"^File: ([0-9a-f]{16}) (\S+)$", re.MULTILINE)


# -- self-tasks


@dataclass(frozen=True)
class Solved:
    """What experiments say of some tasks."""

    tasks: int
    """Those that were judged at least once."""
    solved: int
    """Those of them that passed in more than half of the runs that were judged."""
    share: Interval | None
    """Wilson's 95 % interval of the share of tasks that are solved; ``None`` when none was judged."""


def solved(outcomes: Iterable[Outcome], tasks: Iterable[str]) -> Solved:
    """How many of the tasks (by id) were solved in runs of one arm. Tasks are what is counted: repeats of one are alike."""
    wanted = frozenset(tasks)
    runs: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.task in wanted:
            runs[outcome.task].append(outcome)
    judged = [counted for found in runs.values() if (counted := tally(found)).runs]
    passed = sum(counted.rate > 0.5 for counted in judged)
    return Solved(len(judged), passed, wilson(passed, len(judged)) if judged else None)


# -- authorship


@dataclass(frozen=True)
class Authorship:
    """Who wrote the lines of a stretch of history. Lines are those of text files, merges do not count, moved lines neither."""

    name: str
    """The tag at its end, or ``HEAD`` or whatever the range was called."""
    since: str
    """The revision before it; empty for the beginning."""
    commits: int
    """How many there are."""
    agent_commits: int
    """Those of this program."""
    added: int
    """Lines that the commits added."""
    agent_added: int
    """Those of them in files that a commit of this program vouches for."""
    alive: int
    """Lines of these commits that are there at the end of the stretch, by ``git blame``."""
    agent_alive: int
    """Those of them that this program wrote."""


def releases(history: History, span: str = "") -> tuple[tuple[str, str], ...]:
    """Stretches of history as pairs (since, until): ``A..B`` cut at the tags in it, oldest first.

    Without a span, all since the last tag before HEAD, or all there is. ``UserError`` for a span that is none.
    """
    if not span:
        tags = [name for name, commit in history.tags("HEAD").items() if commit != history.commit_of("HEAD")]
        return ((tags[-1] if tags else "", "HEAD"),)
    since, dots, until = span.partition("..")
    if not dots or until.startswith("."):
        raise UserError(
            f"{span!r} is no range; write A..B, two tags, branches or commits (..B for all that leads to B)"
        )
    until = until or "HEAD"
    first = history.commit_of(since) if since else ""
    last = history.commit_of(until)
    inside = set(history.all(last, first))
    cuts = [name for name, commit in history.tags(last).items() if commit in inside and commit != last]
    return tuple(zip([since, *cuts], [*cuts, until], strict=True))


def authorship(history: History, since: str, until: str) -> Authorship:
    """Who wrote what in a stretch of history. Takes some 10 ms for each file that it touched.

    A line is this program's when the commit it comes from carries the trailers of a delivery (``Run:``, ``Revision:``) and
    vouches for the file (``File: DIGEST PATH``) as it stands there: what was squashed into it or amended later does not count.
    What a user edited and this program delivered as it was cannot be told from its own work.
    """
    start, end = history.commit_of(since) if since else "", history.commit_of(until)
    commits = history.all(end, start)
    vouched = _vouched(history, commits)
    added = history.added(commits)
    touched = {path for lines in added.values() for path in lines}
    inside = frozenset(commits)
    alive = agent_alive = 0
    for path in sorted(history.files(end).keys() & touched):
        for commit, name in history.blamed(end, path, start):
            alive += commit in inside
            agent_alive += (commit, name) in vouched
    return Authorship(
        name=until,
        since=since,
        commits=len(commits),
        agent_commits=len({commit for commit, _ in vouched}),
        added=sum(sum(lines.values()) for lines in added.values()),
        agent_added=sum(added[commit].get(path, 0) for commit, path in vouched),
        alive=alive,
        agent_alive=agent_alive,
    )


def _vouched(history: History, commits: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Commit and path of the files that this program delivered, each with the text that its commit's trailers stand for."""
    claimed: list[tuple[str, str, str]] = []
    for name, message in history.messages(commits).items():
        if _RUN.search(message) and _REVISION.search(message):
            claimed += [(name, path, digest) for digest, path in _FILE.findall(message)]
    contents = history.contents([f"{commit}:{path}" for commit, path, _ in claimed])
    return frozenset(
        (commit, path)
        for (commit, path, digest), data in zip(claimed, contents, strict=True)
        if data is not None and digest_of(data) == digest
    )


# -- rebuild


def named_after(files: Files, module: str) -> tuple[str, ...]:
    """The test files that are named after a module: ``test_NAME.py`` or ``NAME_test.py``, wherever they lie."""
    stem = PurePosixPath(module).stem
    return tuple(path for path in files if PurePosixPath(path).name in (f"test_{stem}.py", f"{stem}_test.py"))


def rebuild_task(files: Files, module: str, tests: Sequence[str]) -> Task:
    """The task to write a part of a program again: a tree of it (path → text), a file or directory in it, and its test files.

    Told are the docstrings and heads of all that is public in it, and of what else its tests use. The workspace is the tree
    without that part and those tests. To be given to ``self_tasks.proven``. ``UserError`` when there is no such part, or no test.
    """
    place = module.rstrip("/")
    part = {path: text for path, text in files.items() if path == place or path.startswith(f"{place}/")}
    if not any(path.endswith(".py") for path in part):
        raise UserError(f"there is no Python file {module!r} to rebuild; name a file or a directory of the repository")
    judging = {path: files[path] for path in tests if is_test_file(path) and path in files}
    if not declared_ids(judging):
        raise UserError(
            f"no test file is named after {module!r}, and what is rebuilt needs tests; name a part that has some"
        )
    used = frozenset().union(*(names_used(text) for text in judging.values()))

    def shown(name: str) -> bool:
        last = name.rpartition(".")[2]
        return last in used or last == "__init__" or not any(word.startswith("_") for word in name.split("."))

    told = {path: interface(text, shown, docstrings=True) for path, text in part.items() if path.endswith(".py")}
    judged = ", ".join(f"`{path}`" for path in sorted(judging))
    title = f"Write {place} again"
    instruction = [
        f"# {title}",
        f"`{place}` is missing in this repository. Write it, with all that it promises here:",
        *(f"## {path}\n\n{fenced(text or '(nothing public)')}" for path, text in sorted(told.items())),
        f"It is judged by tests that are not shown: {judged}. All else stays as it is.",
    ]
    return Task(
        id=f"rebuild-{re.sub(r'[^a-z0-9]+', '-', PurePosixPath(place).with_suffix('').as_posix().lower()).strip('-')}",
        title=title,
        instruction="\n\n".join(instruction) + "\n",
        workspace={path: text for path, text in files.items() if path not in part and path not in judging},
        solution=files,
        size="M" if len(part) == 1 else "L",
        tags=("rebuild",),
        source="self",
        **lay_tests(judging, files),
    )
