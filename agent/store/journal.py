"""The journal of one run: append-only SQLite, the only truth. Whoever awaited an append finds it there after any crash.

One file, ``journal.db``, in the run's directory, readable alone. One writer thread commits whatever has gathered since
its last commit in one transaction (WAL, synchronous FULL), so many writers share one flush to the disk. Reads go
through a connection of their own and see what is committed. Everything is JSON text with ASCII escapes, so that any
string a model writes, lone surrogates included, comes back as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from graphs.errors import JournalError
from graphs.events import Event

FILE = "journal.db"
"""Name of the journal inside a run's directory."""
LOCK = "lock"
"""Name of the file whose lock says that a process is working on the run; it holds that process's id."""
FORMAT = 1
"""``PRAGMA user_version`` of the journals this code writes and reads."""

_APPLICATION = 0x73746570  # "step" in ASCII: tells our files from other programs' SQLite files
_BUSY_SECONDS = 5.0
_LOCK_SECONDS = 0.3  # a reader that asks whether a run is live holds a shared lock for an instant
_LARGEST_COMMIT = 2_000  # operations; bounds how long the first of a batch waits for the last
_PAGE_ROWS = 500

_SCHEMA = (
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY, ts REAL NOT NULL, kind TEXT NOT NULL, component TEXT NOT NULL,
        revision INTEGER NOT NULL, body TEXT NOT NULL)""",
    """CREATE TABLE calls (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, component TEXT NOT NULL, step TEXT NOT NULL,
        attempt INTEGER NOT NULL, model TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('started', 'done', 'failed')),
        request TEXT, response TEXT, usage TEXT, seconds REAL NOT NULL, ts REAL NOT NULL)""",
    "CREATE INDEX calls_key ON calls (key)",
    """CREATE TABLE checks (
        key TEXT PRIMARY KEY, component TEXT NOT NULL, kind TEXT NOT NULL, result TEXT NOT NULL, ts REAL NOT NULL)""",
    "CREATE TABLE blobs (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
_ADD_EVENT = "INSERT INTO events (ts, kind, component, revision, body) VALUES (?, ?, ?, ?, ?)"
_START_CALL = (
    "INSERT INTO calls (key, component, step, attempt, model, state, request, usage, seconds, ts)"
    " VALUES (?, ?, ?, ?, ?, 'started', ?, ?, 0, ?)"
)
# The end of a call repeats what its start said of it; by sub-queries, so that an answer is kept even without a start.
_END_CALL = """INSERT INTO calls (key, component, step, attempt, model, state, response, usage, seconds, ts) VALUES (
    :key,
    coalesce((SELECT component FROM calls WHERE key = :key ORDER BY id DESC LIMIT 1), ''),
    coalesce((SELECT step FROM calls WHERE key = :key ORDER BY id DESC LIMIT 1), ''),
    coalesce((SELECT attempt FROM calls WHERE key = :key ORDER BY id DESC LIMIT 1), 1),
    coalesce((SELECT model FROM calls WHERE key = :key ORDER BY id DESC LIMIT 1), ''),
    :state, :response, :usage, :seconds, :ts)"""
_CALL_COLUMNS = """c.id, c.key, c.component, c.step, c.attempt, c.model, c.state, c.response, c.usage, c.seconds, c.ts,
    (SELECT s.request FROM calls s WHERE s.key = c.key AND s.state = 'started' AND s.id <= c.id
     ORDER BY s.id DESC LIMIT 1)"""
_ADD_CHECK = "INSERT INTO checks (key, component, kind, result, ts) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"
_ADD_BLOB = "INSERT INTO blobs (sha256, data) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING"

CallState = Literal["started", "done", "failed"]
Listener = Callable[[Event], None]
_Self = TypeVar("_Self", bound="JournalReader")


@dataclass(frozen=True)
class StoredCall:
    """One model call as the journal knows it."""

    key: str
    """Its content key."""
    component: str
    """The component it was made for; empty for the run as a whole."""
    step: str
    """``plan``, ``tests``, ``code``…"""
    attempt: int
    """Which try of that step."""
    model: str
    """What ``--model`` said."""
    state: CallState
    """``started``: sent, no answer seen (it may have been paid); ``done``: answered; ``failed``: given up."""
    request: Any
    """What was asked, as :meth:`SqliteJournal.start_call` was given it; ``None`` when nothing was recorded."""
    response: Any
    """What came back (``done``), or ``{"error": sentence}`` (``failed``); ``None`` while started."""
    usage: Mapping[str, Any]
    """What it cost, in the fields of ``graphs.values.Usage``; while started the most it may cost, as far as it is known."""
    seconds: float
    """Wall time from start to end; 0 while started."""
    ts: float
    """Seconds since the epoch at which this state was written."""

    @property
    def lost(self) -> dict[str, Any]:
        """The usage of a call that never ended: one of unknown price, unless the most it may cost is nothing."""
        return {"calls": 1, "usd": 0.0 if self.usage.get("usd") == 0.0 else None}


def is_live(run_dir: Path) -> bool:
    """Whether a process is working on the run in ``run_dir`` now."""
    try:
        descriptor = os.open(run_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
    finally:
        os.close(descriptor)
    return False


class JournalReader:
    """What can be asked of a journal. Safe while another process writes, and from several threads.

    Every method raises ``JournalError`` when the file cannot be read.
    """

    def __init__(self, run_dir: Path, connection: sqlite3.Connection) -> None:
        self.run_dir = run_dir
        """The run's directory."""
        self.path = run_dir / FILE
        """The journal itself."""
        self._connection = connection
        self._reading = threading.Lock()

    def events(self, after: int = 0, kind: str | Collection[str] | None = None) -> Iterator[Event]:
        """The events with ``seq > after`` in order, all or only those of the given kind or kinds.

        Read page by page: events that are appended while the iterator runs are seen too.
        """
        for seq, ts, name, component, revision, body in self._event_rows("body", after, kind):
            yield Event(name, component, revision, self._json(body, f"event {seq}"), seq, ts)

    def heads(self, after: int = 0, kind: str | Collection[str] | None = None) -> Iterator[Event]:
        """Like :meth:`events`, with empty bodies: what happened to whom, at a fraction of the cost."""
        for seq, ts, name, component, revision, _ in self._event_rows("''", after, kind):
            yield Event(name, component, revision, {}, seq, ts)

    def _event_rows(self, body: str, after: int, kind: str | Collection[str] | None) -> Iterator[tuple[Any, ...]]:
        kinds = [kind] if isinstance(kind, str) else [] if kind is None else [_text(k) for k in sorted(kind)]
        if kind is not None and not kinds:
            return
        chosen = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        query = (
            f"SELECT seq, ts, kind, component, revision, {body} FROM events WHERE seq > ?{chosen} ORDER BY seq LIMIT ?"
        )
        while rows := self._rows(query, (after, *kinds, _PAGE_ROWS)):
            yield from rows
            after = rows[-1][0]

    def call(self, key: str) -> StoredCall | None:
        """The call with that key: its answer if it was ever answered, else its latest state, else ``None``."""
        query = f"SELECT {_CALL_COLUMNS} FROM calls c WHERE c.key = ? ORDER BY c.state = 'done' DESC, c.id DESC LIMIT 1"
        rows = self._rows(query, (_text(key),))
        return self._stored_call(rows[0]) if rows else None

    def calls(self, component: str | None = None) -> Iterator[StoredCall]:
        """The calls that ended, in that order: all, or those of one component (``""``: of the run as a whole)."""
        chosen = "" if component is None else " AND c.component = ?"
        arguments = () if component is None else (_text(component),)
        query = (
            f"SELECT {_CALL_COLUMNS} FROM calls c WHERE c.id > ? AND c.state != 'started'{chosen} ORDER BY c.id LIMIT ?"
        )
        after = 0
        while rows := self._rows(query, (after, *arguments, _PAGE_ROWS)):
            yield from map(self._stored_call, rows)
            after = rows[-1][0]

    def usages(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Component and cost of each ended call, failed ones included, in the fields of ``graphs.values.Usage``."""
        query = "SELECT component, usage FROM calls WHERE state != 'started' AND usage IS NOT NULL ORDER BY id"
        for component, usage in self._rows(query, ()):
            yield component, self._json(usage, "a call's usage")

    def open_calls(self) -> Iterator[StoredCall]:
        """The calls that were sent and did not end: in flight while a process works on the run, else lost with theirs.

        What of a key was sent last ended first: a call that was lost is asked again under the same key.
        """
        query = "SELECT key FROM calls GROUP BY key HAVING sum(state = 'started') > sum(state != 'started') ORDER BY min(id)"
        for (key,) in self._rows(query, ()):
            waiting: list[StoredCall] = []
            for row in self._rows(f"SELECT {_CALL_COLUMNS} FROM calls c WHERE c.key = ? ORDER BY c.id", (key,)):
                call = self._stored_call(row)
                if call.state == "started":
                    waiting.append(call)
                elif waiting:
                    waiting.pop()
            yield from waiting

    def starts(self, key: str) -> int:
        """How often the call with that key was sent, as far as the journal knows."""
        return int(self._rows("SELECT count(*) FROM calls WHERE key = ? AND state = 'started'", (_text(key),))[0][0])

    def check(self, key: str) -> Any | None:
        """The result stored for a test run under that key; ``None`` when there is none."""
        rows = self._rows("SELECT result FROM checks WHERE key = ?", (_text(key),))
        return self._json(rows[0][0], f"check {key}") if rows else None

    def get_blob(self, sha256: str) -> bytes:
        """The bytes with that digest (hex); ``KeyError`` when the journal has none such."""
        rows = self._rows("SELECT data FROM blobs WHERE sha256 = ?", (_text(sha256),))
        if not rows:
            raise KeyError(sha256)
        data = bytes(rows[0][0])
        if hashlib.sha256(data).hexdigest() != sha256:
            raise JournalError(f"{self.path} is damaged: blob {sha256} does not hold what it held; {_RESTORE}")
        return data

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        with self._reading:
            self._connection.close()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self, query: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._reading:
            try:
                return self._connection.execute(query, arguments).fetchall()
            except sqlite3.Error as error:
                raise _journal_error("read", self.path, error) from error

    def _stored_call(self, row: tuple[Any, ...]) -> StoredCall:
        _, key, component, step, attempt, model, state, response, usage, seconds, ts, request = row
        what = f"call {key}"
        return StoredCall(
            key=key,
            component=component,
            step=step,
            attempt=attempt,
            model=model,
            state=state,
            request=None if request is None else self._json(request, what),
            response=None if response is None else self._json(response, what),
            usage={} if usage is None else self._json(usage, what),
            seconds=seconds,
            ts=ts,
        )

    def _json(self, text: str, what: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise JournalError(f"{self.path} is damaged: {what} is not JSON; {_RESTORE}") from error


@dataclass(slots=True)
class _Write:
    """One operation on its way to the disk: all of it is committed, or none."""

    statements: Sequence[tuple[str, Any]]
    """SQL and its arguments, run before the events."""
    events: Sequence[Event]
    """As they were given; the bus hears them with ``ts`` and ``seq``."""
    ts: float
    """Seconds since the epoch: when the operation was asked for."""
    rows: Sequence[tuple[Any, ...]]
    """The arguments of ``_ADD_EVENT``, one tuple per event; JSON that cannot be written fails in its caller."""
    waiter: asyncio.Future[int]
    """Resolved in its own loop with the last seq once the operation is durable."""
    seqs: list[int] = field(default_factory=list)
    """What the events were numbered."""


class SqliteJournal(JournalReader):
    """The journal of the run this process works on: one process at a time, held by a lock on the directory.

    Writing methods return when what they wrote is on the disk. They keep the order in which they were called. A task
    that is cancelled while it waits does not take its write back. After the first ``JournalError`` nothing more is
    written: every later write fails at once with the same sentence.
    """

    def __init__(self, run_dir: Path, lock: int) -> None:
        """Use :meth:`create`, :meth:`open` or :meth:`read`. ``lock`` is the descriptor that holds the lock."""
        self._lock = lock
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._listeners: list[Listener] = []
        self._broken: str | None = None
        super().__init__(run_dir, _checked(run_dir / FILE, "rw"))
        try:
            self._writing = _connect(self.path, "rw")
            self._writing.execute("PRAGMA journal_mode = WAL")
            self._writing.execute("PRAGMA synchronous = FULL")
            # Writing what is there already: a file that cannot be written is found out now, not after a paid call.
            self._writing.execute(f"PRAGMA user_version = {FORMAT}")
        except sqlite3.Error as error:
            self._connection.close()
            raise _journal_error("open", self.path, error) from error
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def create(cls, run_dir: Path) -> SqliteJournal:
        """Start the journal of a new run in ``run_dir`` (made when missing); ``JournalError`` when there is one."""
        path = run_dir / FILE
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _os_error("make", run_dir, error) from error
        lock = _take_lock(run_dir)
        try:
            if path.exists():
                raise JournalError(f"{path} exists already; a run has one journal, so open it or take a new directory")
            _lay_out(path)
            return cls(run_dir, lock)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def open(cls, run_dir: Path) -> SqliteJournal:
        """Go on with the run in ``run_dir``; ``JournalError`` when another process is at it or the file is unsound."""
        lock = _take_lock(run_dir)
        try:
            return cls(run_dir, lock)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def read(cls, run_dir: Path) -> JournalReader:
        """Look at the run in ``run_dir`` without a lock, also while another process works on it; nothing is written."""
        return JournalReader(run_dir, _checked(run_dir / FILE, "ro"))

    async def append(self, *events: Event) -> int:
        """Write the events in one transaction, then tell the bus; returns the last seq once they are on disk.

        Returns 0 when there are no events.
        """
        return await self._write((), events) if events else 0

    async def start_call(
        self,
        key: str,
        *,
        component: str,
        step: str,
        attempt: int,
        model: str,
        request: Any,
        reserved: Mapping[str, Any] | None = None,
    ) -> None:
        """Note that a call is about to be sent: after a crash this is what may have been paid and lost.

        ``reserved`` is the most it may cost, in the fields of ``graphs.values.Usage``.
        """
        names = (_text(key), _text(component), _text(step), attempt, _text(model))
        most = None if reserved is None else _dump(reserved)
        await self._write([(_START_CALL, (*names, _dump(request), most, time.time()))], ())

    async def finish_call(
        self, key: str, *, response: Any, usage: Mapping[str, Any], seconds: float, events: Sequence[Event] = ()
    ) -> None:
        """Keep an answer, for good: :meth:`call` gives it from now on. ``events`` go into the same transaction."""
        await self._end_call(key, "done", response=response, usage=usage, seconds=seconds, events=events)

    async def fail_call(
        self, key: str, *, error: str, usage: Mapping[str, Any], seconds: float, events: Sequence[Event] = ()
    ) -> None:
        """Note that a call was given up, and what it cost nevertheless; the same key may be started again."""
        await self._end_call(key, "failed", response={"error": error}, usage=usage, seconds=seconds, events=events)

    async def store_check(
        self, key: str, *, component: str, kind: str, result: Any, events: Sequence[Event] = ()
    ) -> None:
        """Keep the result of a test run. The first result under a key stays: a flaky test must not fork a replay."""
        arguments = (_text(key), _text(component), _text(kind), _dump(result), time.time())
        await self._write([(_ADD_CHECK, arguments)], events)

    async def put_blob(self, data: bytes) -> str:
        """Keep bytes once, however often they are put; returns their SHA-256 (hex)."""
        sha256 = hashlib.sha256(data).hexdigest()
        await self._write([(_ADD_BLOB, (sha256, data))], ())
        return sha256

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` every event from now on, in order, in the event loop of whoever appended it.

        Durable events come after their commit, with seq and ts. A listener that raises is reported to the loop's
        exception handler and dropped: a broken view never stops a run. Returns what ends the subscription.
        """
        self._listeners.append(listener)

        def leave() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return leave

    def tell(self, event: Event) -> None:
        """Tell the bus a transient event: it is not written. Call it in the event loop's thread."""
        self._tell([event])

    def close(self) -> None:
        """Write what is waiting, let go of the file and of the lock. May be called twice."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        super().close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def _end_call(
        self,
        key: str,
        state: CallState,
        *,
        response: Any,
        usage: Mapping[str, Any],
        seconds: float,
        events: Sequence[Event],
    ) -> None:
        arguments = {
            "key": _text(key),
            "state": state,
            "response": _dump(response),
            "usage": _dump(usage),
            "seconds": seconds,
            "ts": time.time(),
        }
        await self._write([(_END_CALL, arguments)], events)

    async def _write(self, statements: Sequence[tuple[str, Any]], events: Sequence[Event]) -> int:
        now = time.time()
        rows = [(now, _text(e.kind), _text(e.component), e.revision, _dump(dict(e.body))) for e in events]
        if self._broken is not None:
            raise JournalError(self._broken)
        if self._lock < 0:
            raise JournalError(f"{self.path} is closed; nothing more can be written to it")
        waiter = asyncio.get_running_loop().create_future()
        self._queue.put(_Write(statements, events, now, rows, waiter))
        # Shielded: the write takes place in any case, so a cancelled waiter must not be resolved a second time.
        return await asyncio.shield(waiter)

    def _write_all(self) -> None:
        """The writer thread: take what has gathered, commit it, tell those who wait."""
        closing = False
        while not closing:
            batch: list[_Write] = []
            next_write = self._queue.get()
            while next_write is not None:
                batch.append(next_write)
                if len(batch) == _LARGEST_COMMIT:
                    break
                try:
                    next_write = self._queue.get_nowait()
                except queue.Empty:
                    break
            closing = next_write is None
            if batch:
                self._commit(batch)
        with contextlib.suppress(sqlite3.Error):
            self._writing.close()

    def _commit(self, batch: Sequence[_Write]) -> None:
        if self._broken is None:
            try:
                self._writing.execute("BEGIN IMMEDIATE")
                for write in batch:
                    for sql, arguments in write.statements:
                        self._writing.execute(sql, arguments)
                    for row in write.rows:
                        write.seqs.append(self._writing.execute(_ADD_EVENT, row).lastrowid or 0)
                self._writing.execute("COMMIT")
            except sqlite3.Error as error:
                self._broken = str(_journal_error("write", self.path, error))
                with contextlib.suppress(sqlite3.Error):
                    self._writing.execute("ROLLBACK")
            except Exception as error:  # whatever it was, those who wait must hear of it
                self._broken = f"{self.path} cannot be written: {type(error).__name__}: {error}"
        for loop in dict.fromkeys(write.waiter.get_loop() for write in batch):
            mine = [write for write in batch if write.waiter.get_loop() is loop]
            with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._resolve, mine, self._broken)

    def _resolve(self, batch: Sequence[_Write], broken: str | None) -> None:
        """In the loop of those who wait: tell the bus, then let them go on."""
        for write in batch:
            if broken is not None:
                write.waiter.set_exception(JournalError(broken))
                # A cancelled task no longer asks; reading it here keeps asyncio from reporting it as forgotten.
                write.waiter.exception()
                continue
            if self._listeners:
                numbered = zip(write.events, write.seqs, strict=True)
                self._tell([replace(event, seq=seq, ts=write.ts) for event, seq in numbered])
            write.waiter.set_result(write.seqs[-1] if write.seqs else 0)

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            for listener in tuple(self._listeners):
                try:
                    listener(event)
                except Exception as error:
                    self._listeners.remove(listener)
                    asyncio.get_running_loop().call_exception_handler(
                        {"message": f"a listener of {self.path} failed and hears no more", "exception": error}
                    )


_RESTORE = "restore it from a copy or start a new run"
_FREE_SPACE = "free some space, then resume the run"
_REMEDIES = {
    "SQLITE_FULL": f"the disk is full; {_FREE_SPACE}",
    "SQLITE_READONLY": "it is read-only; make the file and its directory writable, then resume the run",
    "SQLITE_PERM": "permission is missing; make the file and its directory writable, then resume the run",
    "SQLITE_CANTOPEN": "it cannot be opened; check that it exists and that the file and its directory are accessible",
    "SQLITE_CORRUPT": f"it is damaged; {_RESTORE}",
    "SQLITE_NOTADB": f"it is not a journal (damaged, or another program's file); {_RESTORE}",
    "SQLITE_BUSY": "another program keeps it locked; close that program, then resume the run",
    "SQLITE_LOCKED": "another program keeps it locked; close that program, then resume the run",
    "SQLITE_IOERR": "reading or writing the disk failed (disk full, file-size limit, unplugged or broken); "
    "check the disk, then resume the run",
}


def _journal_error(doing: str, path: Path, error: sqlite3.Error) -> JournalError:
    """One sentence: what could not be done, to which file, why, and what to do."""
    name = getattr(error, "sqlite_errorname", "") or ""
    for known, remedy in _REMEDIES.items():
        if name.startswith(known):
            return JournalError(f"cannot {doing} the journal {path}: {remedy} ({name}: {error})")
    return JournalError(f"cannot {doing} the journal {path}: {error} ({name or type(error).__name__}); {_RESTORE}")


def _os_error(doing: str, path: Path, error: OSError) -> JournalError:
    remedies = {
        errno.ENOSPC: _FREE_SPACE,
        errno.EDQUOT: _FREE_SPACE,
        errno.EROFS: "choose a writable place with AGENT_HOME",
        errno.EACCES: "make it accessible or choose another place with AGENT_HOME",
        errno.EPERM: "make it accessible or choose another place with AGENT_HOME",
        errno.ENOENT: "check the name",
    }
    remedy = remedies.get(error.errno or 0, "check the disk")
    return JournalError(f"cannot {doing} {path}: {error.strerror or error}; {remedy}")


def _take_lock(run_dir: Path) -> int:
    """A descriptor that holds the directory's lock until it is closed or the process ends."""
    path = run_dir / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _os_error("open", path, error) from error
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _flock(descriptor, path):
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise JournalError(
                    f"run {run_dir.name} is already being worked on by process {holder}; "
                    "wait for it, or stop it and resume"
                )
            time.sleep(0.02)
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except OSError as error:
            raise _os_error("write", path, error) from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _flock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise _os_error("lock", path, error) from error
    return True


def _connect(path: Path, mode: Literal["ro", "rw", "rwc", "immutable"]) -> sqlite3.Connection:
    query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    uri = f"file:{quote(str(path.absolute()).encode('utf-8', 'surrogateescape'))}?{query}"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _lay_out(path: Path) -> None:
    """Make an empty journal; a crash on the way leaves no file that could be taken for one."""
    try:
        with contextlib.closing(_connect(path, "rwc")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise _journal_error("make", path, error) from error
    for directory in (path.parent, path.parent.parent):  # the names must survive a power cut as the contents do
        with contextlib.suppress(OSError):
            descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _checked(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    """A connection to a file that is a journal of a format we know."""
    if not path.is_file():
        raise JournalError(f"there is no journal at {path}; check the name of the run (`agent runs` lists them)")
    try:
        connection = _connect(path, mode)
    except sqlite3.Error as error:
        raise _journal_error("open", path, error) from error
    try:
        try:
            application, version = _marks(connection)
        except sqlite3.Error:
            # A finished journal where nothing may be written: WAL needs a helper file there, unless SQLite is promised
            # that nobody writes. Without a filled -wal file there is nothing that could be missed.
            wal = path.with_name(f"{FILE}-wal")
            if mode == "rw" or (wal.exists() and wal.stat().st_size):
                raise
            connection.close()
            connection = _connect(path, "immutable")
            application, version = _marks(connection)
    except sqlite3.Error as error:
        connection.close()
        raise _journal_error("read" if mode == "ro" else "open", path, error) from error
    problem = None
    if version > FORMAT and application == _APPLICATION:
        problem = (
            f"was written by a newer version of this program (format {version}, this one knows {FORMAT}); upgrade it"
        )
    elif (application, version) == (0, 0):
        problem = "holds no run: it was interrupted while it was made; start a new run"
    elif application != _APPLICATION or version != FORMAT:
        problem = "is another program's SQLite file, not a journal of a run"
    if problem:
        connection.close()
        raise JournalError(f"{path} {problem}")
    return connection


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(application), int(version)


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _text(value: str) -> str:
    """Names and keys as SQLite can hold them: lone surrogates, which no name of ours has, are written as escapes."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
