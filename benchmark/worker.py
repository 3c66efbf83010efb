"""A process that runs cells, one after the other: ``python -m benchmark.worker`` reads a job as a line of JSON on standard input
and answers with a line of JSON on what was standard output when it began.

A process of its own, because a run wants the main thread, because what a run does to its process must not touch the experiment,
and because it can be killed. When the runner dies, standard input ends and so does the worker at once, in the middle of a run:
the run's journal holds everything, and the cell goes on from there when it is begun again.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from agent.config import Settings
from agent.git import IDENTITY, has_commits
from benchmark.datasets import Task
from benchmark.experiment import Cell
from benchmark.ledger import Result
from graphs.errors import (
    AnswerError,
    EndpointUnreachable,
    JournalError,
    ModelError,
    ModelRefused,
    NotJudged,
    PrerequisiteError,
    UserError,
)
from graphs.values import Files, from_json, to_json

if TYPE_CHECKING:
    from agent.existing import Existing
    from agent.store.runs import RunInfo

ENDED = ("passed", "failed", "limit")
"""What a run says of itself when it is over."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors of the machine that a person has to mend."""
SCARCE = frozenset({errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN})
"""Those that may be over when it is tried again."""
SCRIPTED = "scripted:"
"""How the name of a model begins that is no model, but plays one and makes stated mistakes (``benchmark.scripted_author``)."""


@dataclass(frozen=True)
class Job:
    """Everything a worker must know of a cell."""

    cell: Cell
    """Which."""
    task: Task
    """What is asked, and what judges."""
    settings: Settings
    """Of the arm."""
    exemplars: str
    """A directory of exemplars beside the shipped ones; empty: none."""
    place: str
    """The cell's folder, absolute: the run's home and what it delivers are kept there."""

    def as_line(self) -> bytes:
        """The job as a line of JSON."""
        data = {**to_json(replace(self, settings=Settings())), "settings": to_json(self.settings.as_data())}
        return json.dumps(data).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Job:
        """What :meth:`as_line` wrote."""
        return from_json(cls, json.loads(line))


def program_of(task: Task, place: Path) -> Existing | None:
    """The program that a task starts from, as the only commit of a git repository in ``place``; ``None`` where it starts from
    nothing, or from nothing that the instruction does not show. The same task has the same commit."""
    from agent.existing import read_existing
    from agent.git import run_git

    if all(text.strip() in task.instruction for text in task.workspace.values()):
        return None
    repository = place / "program"
    repository.mkdir(parents=True, exist_ok=True)
    if not has_commits(repository):
        said = run_git(repository, "init", "--quiet", "--initial-branch=main", "--template=")
        if not said.returncode:
            said = run_git(repository, "fast-import", "--quiet", "--force", given=_stream(task.workspace))
        if said.returncode:
            raise PrerequisiteError(
                f"the program that task {task.id!r} starts from cannot be kept in git: {said.stderr.strip()}"
            )
    return read_existing(repository)


def _said(task: Task) -> dict[str, tuple[str, ...]]:
    """What the front matter of the instruction would say: the packages that may be used, and the tests of the program that the
    hidden ones take the place of."""
    places = {path: text for name, text in task.tests.items() for path in (name, f"tests/{name}")}
    newer = tuple(path for path, text in places.items() if task.workspace.get(path, text) != text)
    return {key: value for key, value in (("packages", task.packages), ("superseded", newer)) if value}


def _stream(files: Files) -> str:
    """One commit that holds the files, for ``git fast-import``."""
    said, (name, mail) = "The program as it is.", IDENTITY
    lines = ["commit refs/heads/main", f"committer {name} <{mail}> 0 +0000", f"data {len(said)}\n{said}"]
    for path, text in sorted(files.items()):
        quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines += [f'M 100644 inline "{quoted}"', f"data {len(text.encode())}\n{text}"]
    return "\n".join([*lines, ""])


def run_cell(job: Job) -> Result:
    """Run the agent on the task, or go on with a run that was cut short, and have the hidden tests judge what it delivered.

    What the hidden tests say counts, whatever the run says of itself. A run that met one of its arm's ceilings has had its
    chance. Blocks; wants the main thread.

    Raises:
        UserError: what the user has to mend before any cell can go on: a key that is refused, a missing sandbox, a full disk.
    """
    from agent.dataset.record import Hidden
    from agent.dataset.store import label
    from agent.run import RunConfig, resume, start
    from agent.spec import read_spec
    from benchmark.grading import delivered, grade, installed

    place, cell = Path(job.place), job.cell
    home, output = place / "home", place / "out"
    place.mkdir(parents=True, exist_ok=True)
    bare = Result(cell.key, cell.task, cell.arm, cell.repeat, passed=False)
    spec = read_spec("-", io.BytesIO(job.task.instruction.encode()))
    spec = replace(spec, settings={**spec.settings, **_said(job.task)})
    seconds = job.settings.max_seconds or job.task.agent_seconds
    status = reason = ""
    with _answering(job) as asked:
        settings = replace(asked, max_seconds=seconds, output=output)
        try:
            before = _run_there(home)
            if before is not None and before.status in ENDED:
                status, reason = before.status, before.reason
            else:
                exemplars = Path(job.exemplars) if job.exemplars else None
                config = RunConfig(
                    spec,
                    output,
                    settings,
                    home,
                    exemplar_directory=exemplars,
                    existing=program_of(job.task, place),
                    packages=installed(job.task.packages),
                )
                result = resume(home, change=lambda _: settings) if before else start(config)
                status, reason = result.status, result.reason
        except AnswerError as error:
            status, reason = "failed", str(error)
        except EndpointUnreachable as error:
            return _measured(replace(bare, infra=True, reason=str(error)), home, place)
        except ModelRefused as error:
            raise UserError(f"the model refuses the arm {cell.arm!r}: {error}") from error
        except (ModelError, NotJudged, JournalError) as error:
            return _measured(replace(bare, infra=True, reason=str(error)), home, place)
    if status == "interrupted":
        return _measured(replace(bare, infra=True, reason="the run was stopped by a signal"), home, place)
    made = delivered(output)
    if not made:
        return _measured(replace(bare, status=status, reason=reason or "nothing was delivered"), home, place)
    judged = grade(job.task, {**job.task.workspace, **made}, _sandbox(settings.sandbox), settings.sandbox_limits)
    graded = replace(
        bare,
        passed=judged.passed,
        status=status,
        infra=judged.infra,
        reason="" if judged.passed else judged.reason or reason,
        score=judged.score,
        parts=dict(judged.parts),
        grading=round(judged.seconds, 3),
    )
    if not judged.infra and (run := _run_there(home)):
        with suppress(OSError, UserError):  # a record that cannot be written takes nothing from the result
            label(home, run.id, Hidden(job.task.source, job.task.id, judged.passed, judged.score))
    return _measured(graded, home, place)


def _run_there(home: Path) -> RunInfo | None:
    """The run of an earlier try of the cell. One that never began is cleared away."""
    from agent.store.journal import SqliteJournal
    from agent.store.runs import list_runs
    from graphs import events

    runs = list_runs(home)
    if runs:
        with suppress(UserError, JournalError), SqliteJournal.read(runs[0].path) as journal:
            if next(journal.heads(kind=events.RUN_STARTED), None) is not None:
                return runs[0]
        shutil.rmtree(home)
    return None


@contextmanager
def _answering(job: Job) -> Iterator[Settings]:
    """The settings with which the run asks its model, while that can be asked.

    People who answer by files get a folder for each cell: the same question in two cells is two questions. A scripted author
    draws the same lots for all arms of a repeat.
    """
    name = job.settings.model or ""
    if name.startswith("manual:"):
        yield replace(job.settings, model=f"{name}/{job.cell.folder}")
    elif name.startswith(SCRIPTED):
        from benchmark.scripted_author import PRICES, read_rates, scripted_endpoint

        seed = f"{job.task.id}/{job.cell.repeat}"
        with scripted_endpoint(job.task, read_rates(name), seed) as stub:
            yield replace(job.settings, model="scripted", base_url=stub.url, prices=job.settings.prices or PRICES)
    else:
        yield job.settings


def _measured(result: Result, home: Path, place: Path) -> Result:
    """A result with the figures of the cell's run, from its journal."""
    from agent.cli.calls import readings
    from agent.store.journal import SqliteJournal
    from agent.store.runs import list_runs
    from graphs import events
    from graphs.values import Usage

    runs = list_runs(home)
    if not runs:
        return result
    run = runs[0]
    usage = Usage()
    with SqliteJournal.read(run.path) as journal:
        for _, spent in journal.usages():
            usage += from_json(Usage, dict(spent))
        sums = list(readings(journal).sums.values())
        models = [str(call.response["model"]) for call in journal.calls() if call.state == "done"]
        plans = sum(1 for _ in journal.heads(kind=events.PLAN_REVISED))
    return replace(
        result,
        usd=usage.usd,
        calls=usage.calls,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        questions=sum(s.questions for s in sums),
        first_try=sum(s.first_try for s in sums),
        again=sum(s.again for s in sums),
        given_up=sum(s.given_up for s in sums),
        components=run.total,
        revisions=max(0, plans - 1),
        seconds=round(run.seconds, 3),
        model=models[-1] if models else "",
        run=str(run.path.relative_to(place)),
    )


_sandboxes: dict[str, Any] = {}


def _sandbox(kind: str) -> Any:
    """Opened and probed once in this process."""
    from agent.sandbox import open_sandbox

    if kind not in _sandboxes:
        _sandboxes[kind] = open_sandbox(kind)
        _sandboxes[kind].probe()
    return _sandboxes[kind]


def answer(line: bytes) -> Mapping[str, Any]:
    """What to answer a job with: ``{"result": …}``, or ``{"refused": sentence}`` for what the user has to mend first.

    A fault of this program is a failure of the arm that brought it about, with the fault's name as the reason: it would meet
    a user in the same way. A machine that has too little of something is none.
    """
    job = Job.from_line(line)
    try:
        return {"result": to_json(run_cell(job))}
    except UserError as error:
        return {"refused": str(error)}
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in FULL:
            return {
                "refused": f"the cell in {job.place!r} cannot be written ({os.strerror(number)}); make room, and try again"
            }
        cell, scarce = job.cell, number in SCARCE or isinstance(error, MemoryError)
        reason = f"the {'machine' if scarce else 'program'} broke: {type(error).__name__}: {error}"
        broken = Result(
            cell.key,
            cell.task,
            cell.arm,
            cell.repeat,
            passed=False,
            status="" if scarce else "broken",
            infra=scarce,
            reason=reason,
        )
        place = Path(job.place)
        return {"result": to_json(_measured(broken, place / "home", place))}


def main() -> None:
    """Answer jobs until standard input ends."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries and programs print is no reply
    jobs: SimpleQueue[bytes | None] = SimpleQueue()
    busy = threading.Event()

    def read() -> None:
        for line in sys.stdin.buffer:
            busy.set()
            jobs.put(line)
        if busy.is_set():
            os.kill(os.getpid(), signal.SIGKILL)
        jobs.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (line := jobs.get()) is not None:
        reply = answer(line)
        busy.clear()
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    main()
