"""All runs of this user: one directory each, told apart by a readable id and known only by their journals."""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.store import journal
from agent.store.journal import JournalReader, SqliteJournal
from graphs.errors import JournalError, UserError
from graphs.events import (
    COMPONENT_BLOCKED,
    COMPONENT_FAILED,
    COMPONENT_KEPT,
    COMPONENT_PASSED,
    COMPONENT_READY,
    COMPONENT_STARTED,
    PLAN_REVISED,
    RUN_FINISHED,
    RUN_INTERRUPTED,
    RUN_RESUMED,
    RUN_STARTED,
)

_LIFE = (RUN_STARTED, RUN_RESUMED, RUN_INTERRUPTED, RUN_FINISHED)
_PROGRESS = (
    COMPONENT_READY,
    COMPONENT_STARTED,
    COMPONENT_PASSED,
    COMPONENT_FAILED,
    COMPONENT_BLOCKED,
    COMPONENT_KEPT,
)
_ID = re.compile(r"(\d{8}-\d{6})-.*-([0-9a-f]{4})")
_TITLE_LENGTH = 24
_TRIES = 200


@dataclass(frozen=True)
class RunInfo:
    """What the journal of one run says of it."""

    id: str
    """The name of its directory."""
    path: Path
    """Its directory."""
    status: str
    """``running``, ``interrupted`` (resumable), ``unreadable``, or what ``run.finished`` said (``passed``…)."""
    title: str = ""
    """Of the spec."""
    started: float = 0.0
    """Seconds since the epoch; 0 when unknown."""
    seconds: float = 0.0
    """Wall time in work, all resumes together, pauses between them left out."""
    passed: int = 0
    """Components of the latest plan that are proven."""
    total: int = 0
    """Components of the latest plan; 0 before there is one."""
    usd: float | None = 0.0
    """What its model calls cost; ``None`` when a price is unknown."""
    output: str = ""
    """The directory the result goes to; empty when unknown."""
    reason: str = ""
    """One sentence: why it ended as it did; empty when there is nothing to say."""


def home() -> Path:
    """Where this program keeps its state: ``$AGENT_HOME``, or the platform's directory for user state."""
    chosen = os.environ.get("AGENT_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_state_dir

    return Path(user_state_dir("stepgraph"))


def new_run(home: Path, title: str) -> tuple[str, Path]:
    """Make the directory of a new run; returns its id and path.

    The id sorts by time (UTC), shows the title, and is not used twice: ``20261120-143055-logq-7f3a``. Its last part is
    the fraction of the second. ``JournalError`` when the directory cannot be made.
    """
    slug = slug_of(title)
    try:
        _runs(home).mkdir(parents=True, exist_ok=True)
        for _ in range(_TRIES):
            now = time.time()
            stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
            path = _runs(home) / f"{stamp}-{slug}-{int(now % 1 * 0x10000):04x}"
            try:
                path.mkdir()
            except FileExistsError:
                time.sleep(0.001)
                continue
            return path.name, path
    except OSError as error:
        raise JournalError(
            f"no directory for the run can be made under {home}: {error.strerror or error}; "
            "free some space or choose a writable place with AGENT_HOME"
        ) from error
    raise JournalError(f"no free name for a run was found under {home} in {_TRIES} tries; set the clock right")


def list_runs(home: Path) -> list[RunInfo]:
    """All runs, newest first. Directories without a journal are none of ours; damaged ones are ``unreadable``."""
    return [run_info(path) for path in reversed(_run_dirs(home))]


def find_run(home: Path, name: str | None = None, passing_over: Container[str] = ()) -> RunInfo:
    """One run: the newest when ``name`` is ``None``, else the one whose id is, begins with or holds ``name``.

    ``passing_over``: statuses of which the newest run is taken only when there is no other.

    ``UserError`` when there is none or more than one; it names the candidates.
    """
    found = _run_dirs(home)
    if not found:
        raise UserError(f"there is no run under {home} yet; start one with `agent run SPEC.md`")
    if name is None:
        newest = map(run_info, reversed(found))
        return next((info for info in newest if info.status not in passing_over), None) or run_info(found[-1])
    wanted = name.strip().rstrip("/").rpartition("/")[2]
    for fits in (str.__eq__, str.startswith, str.__contains__):
        candidates = [path for path in found if wanted and fits(path.name, wanted)]
        if len(candidates) == 1:
            return run_info(candidates[0])
        if candidates:
            raise UserError(f"{name!r} fits {len(candidates)} runs: {_names(candidates)}; give more of the name")
    raise UserError(f"no run is called {name!r}; there are {_names(found)}")


def run_info(path: Path) -> RunInfo:
    """What the journal in ``path`` says; status ``unreadable``, with the reason, when it cannot be read."""
    try:
        with SqliteJournal.read(path) as reader:
            return _fold(path, reader)
    except JournalError as error:
        return RunInfo(path.name, path, "unreadable", reason=str(error))


def _fold(path: Path, reader: JournalReader) -> RunInfo:
    live = journal.is_live(path)  # asked first: a run that ends between this and the reading is then seen as ended
    life = _life(reader)
    components, latest = _plan(reader), _latest(reader)
    seconds, open_since, last = _time_in_work(reader)
    if open_since is not None and live:
        seconds += time.time() - last
    status, reason = life.status, life.reason
    if status == "running" and not live:
        status, reason = "interrupted", "its process ended without a word"
    return RunInfo(
        id=path.name,
        path=path,
        status=status,
        title=life.title,
        started=life.started,
        seconds=max(seconds, 0.0),
        passed=sum(latest.get(c) in (COMPONENT_PASSED, COMPONENT_KEPT) for c in components),
        total=len(components),
        usd=_usd(reader, live),
        output=life.output,
        reason=reason,
    )


@dataclass
class _Life:
    status: str = "running"
    """Until a process says otherwise; a journal without a word is one that was just made."""
    reason: str = ""
    title: str = ""
    output: str = ""
    started: float = 0.0


def _life(reader: JournalReader) -> _Life:
    life = _Life()
    for event in reader.events(kind=_LIFE):
        body = event.body
        if event.kind == RUN_STARTED:
            settings = body.get("settings")
            life.title = _string(body.get("title"))
            life.output = _string(settings.get("output")) if isinstance(settings, Mapping) else ""
            life.started = event.ts
        if event.kind in (RUN_STARTED, RUN_RESUMED):
            life.status, life.reason = "running", ""
        else:
            said = _string(body.get("status")) or "failed"
            life.status = said if event.kind == RUN_FINISHED else "interrupted"
            life.reason = _string(body.get("reason"))
    return life


def _plan(reader: JournalReader) -> list[str]:
    """Ids of the components of the latest revision."""
    revisions = [head.seq for head in reader.heads(kind=PLAN_REVISED)]
    if not revisions:
        return []
    event = next(reader.events(after=revisions[-1] - 1, kind=PLAN_REVISED))
    plan = event.body.get("plan")
    components = plan.get("components") if isinstance(plan, Mapping) else None
    return [_string(c.get("id")) for c in components or () if isinstance(c, Mapping)]


def _latest(reader: JournalReader) -> dict[str, str]:
    """Component → kind of the last thing that was said of its state."""
    return {head.component: head.kind for head in reader.heads(kind=_PROGRESS)}


def _time_in_work(reader: JournalReader) -> tuple[float, float | None, float]:
    """Seconds in work, when the process that has not ended its work began, and the time of the last event.

    A process that was killed worked until its last event.
    """
    seconds, since, last = 0.0, None, 0.0
    for head in reader.heads():
        if since is not None:
            seconds += head.ts - last
        if head.kind in (RUN_STARTED, RUN_RESUMED):
            if since is not None:
                seconds -= head.ts - last
            since = head.ts
        elif head.kind in (RUN_FINISHED, RUN_INTERRUPTED):
            since = None
        last = head.ts
    return seconds, since, last


def _usd(reader: JournalReader, live: bool) -> float | None:
    total = 0.0
    lost = () if live else (call.lost for call in reader.open_calls())
    for usage in (*(usage for _, usage in reader.usages()), *lost):
        usd = usage.get("usd", 0.0)
        if not isinstance(usd, (int, float)):
            return None
        total += usd
    return total


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _runs(home: Path) -> Path:
    return home / "runs"


def _run_dirs(home: Path) -> list[Path]:
    """Directories that hold a journal, oldest first."""
    try:
        found = [path for path in _runs(home).iterdir() if (path / journal.FILE).is_file()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(
            f"the runs under {home} cannot be listed: {error.strerror or error}; make that directory readable or "
            "choose another with AGENT_HOME"
        ) from error
    return sorted(found, key=lambda path: began(path.name))


def began(run_id: str) -> tuple[str, str, str]:
    """Sorts by the time in the id: its second, then the fraction that follows the title. What is no id comes first."""
    parts = _ID.fullmatch(run_id)
    return (parts[1], parts[2], run_id) if parts else ("", "", run_id)


def _names(paths: list[Path]) -> str:
    """The newest of them, as candidates in a message."""
    names = [path.name for path in reversed(paths)]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def slug_of(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode("ascii")
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return words[:_TITLE_LENGTH].strip("-") or "run"
