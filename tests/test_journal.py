"""The journal on real files: what was awaited is there, in order, whatever happens to the process or the disk."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.store import journal as journal_module
from agent.store.journal import FILE, LOCK, SqliteJournal, is_live
from graphs.errors import JournalError
from graphs.events import NOTE, Event

any_text = st.text(st.characters())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
bodies = st.dictionaries(any_text, json_values, max_size=3)


def as_read_back(value: Any) -> Any:
    """JSON as it comes back: only two lone surrogates that make a pair become the character they stand for."""
    return json.loads(json.dumps(value))


def note(text: str, component: str = "") -> Event:
    return Event(NOTE, component=component, body={"text": text})


def texts(run_dir: Path) -> list[str]:
    with SqliteJournal.read(run_dir) as reader:
        return [event.body["text"] for event in reader.events()]


def during(run_dir: Path, work: Callable[[SqliteJournal], Coroutine[Any, Any, Any]]) -> Any:
    """Open (or create) the journal, do ``work``, close it; returns what ``work`` returned."""
    journal = SqliteJournal.open(run_dir) if (run_dir / FILE).exists() else SqliteJournal.create(run_dir)
    with journal:
        return asyncio.run(work(journal))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.tuples(any_text, any_text, st.integers(0, 99), bodies), max_size=4), max_size=6))
def test_events_come_back_as_they_were_and_in_order(appends: list[list[tuple[str, str, int, dict[str, Any]]]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run_dir = Path(directory) / "run"
        heard: list[Event] = []
        batches = [[Event(kind, c, revision, body) for kind, c, revision, body in batch] for batch in appends]

        async def work(journal: SqliteJournal) -> list[int]:
            journal.subscribe(heard.append)
            return list(await asyncio.gather(*(journal.append(*batch) for batch in batches)))

        last = during(run_dir, work)

        with SqliteJournal.read(run_dir) as reader:
            found = list(reader.events())
        expected = [event for batch in batches for event in batch]
        assert [e.body for e in found] == [as_read_back(e.body) for e in expected]
        assert [e.revision for e in found] == [e.revision for e in expected]
        for event, meant in zip(found, expected, strict=True):
            for have, want in ((event.kind, meant.kind), (event.component, meant.component)):
                assert have == want.encode("utf-8", "backslashreplace").decode()
        assert [e.seq for e in found] == list(range(1, len(expected) + 1))
        assert [(e.seq, e.body) for e in heard] == [(n + 1, e.body) for n, e in enumerate(expected)]
        ends = [sum(map(len, batches[: n + 1])) for n in range(len(batches))]
        assert last == [end if batch else 0 for end, batch in zip(ends, batches, strict=True)]


def test_events_can_be_asked_for_by_position_and_kind(tmp_path: Path) -> None:
    count = journal_module._PAGE_ROWS + 20

    async def work(journal: SqliteJournal) -> None:
        await journal.append(*(Event(f"k{n % 3}", "c", 1, {"n": n}) for n in range(count)))

    during(tmp_path, work)
    with SqliteJournal.read(tmp_path) as reader:
        numbers = list(range(count))
        assert [e.body["n"] for e in reader.events()] == numbers
        assert [e.body["n"] for e in reader.events(after=10)] == numbers[10:]
        assert [e.body["n"] for e in reader.events(kind="k1")] == numbers[1::3]
        assert [e.body["n"] for e in reader.events(kind={"k0", "k2"})] == [n for n in numbers if n % 3 != 1]
        assert list(reader.events(kind=())) == []
        assert list(reader.events(after=count)) == []
        heads = list(reader.heads(kind=["k2"]))
        assert [(e.seq, e.kind, e.component, e.revision, e.body) for e in heads] == [
            (n + 1, "k2", "c", 1, {}) for n in numbers[2::3]
        ]


def test_a_call_is_known_in_each_of_its_states(tmp_path: Path) -> None:
    said = {"component": "lexer", "step": "code", "attempt": 2, "model": "m"}

    async def work(journal: SqliteJournal) -> None:
        assert journal.call("k") is None
        await journal.start_call("k", **said, request={"messages": ["\ud800"]})
        started = journal.call("k")
        assert started is not None
        assert (started.state, started.request, started.response) == ("started", {"messages": ["\ud800"]}, None)
        assert (started.component, started.step, started.attempt, started.model) == ("lexer", "code", 2, "m")

        await journal.fail_call("k", error="cut", usage={"calls": 3}, seconds=1.5)
        failed = journal.call("k")
        assert failed is not None
        assert (failed.state, failed.response, failed.seconds) == ("failed", {"error": "cut"}, 1.5)

        await journal.start_call("k", **said, request={"messages": ["again"]})
        seq = await journal.append(note("before"))
        await journal.finish_call("k", response={"text": "x"}, usage={"calls": 1}, seconds=2.5, events=[note("done")])
        assert [e.body["text"] for e in journal.events(after=seq)] == ["done"]
        await journal.start_call("k", **said, request={})  # nobody should, but an answer is never forgotten
        await journal.start_call("other", **{**said, "component": ""}, request=None)
        await journal.finish_call("other", response="y", usage={}, seconds=0)

    during(tmp_path, work)
    with SqliteJournal.read(tmp_path) as reader:
        done = reader.call("k")
        assert done is not None
        assert (done.state, done.response, done.usage, done.seconds) == ("done", {"text": "x"}, {"calls": 1}, 2.5)
        assert done.request == {"messages": ["again"]}
        assert (done.component, done.step, done.attempt, done.model) == ("lexer", "code", 2, "m")
        assert reader.starts("k") == 3
        assert [(c.key, c.state) for c in reader.calls()] == [("k", "failed"), ("k", "done"), ("other", "done")]
        assert [c.key for c in reader.calls("lexer")] == ["k", "k"]
        assert [c.key for c in reader.calls("")] == ["other"]
        assert list(reader.usages()) == [("lexer", {"calls": 3}), ("lexer", {"calls": 1}), ("", {})]


def test_calls_that_never_ended_are_known_with_what_they_may_have_cost(tmp_path: Path) -> None:
    async def start(journal: SqliteJournal, key: str, component: str, usd: float | None) -> None:
        reserved = {"calls": 1, "completion_tokens": 9, "usd": usd}
        await journal.start_call(
            key, component=component, step="code", attempt=1, model="m", request={}, reserved=reserved
        )

    async def work(journal: SqliteJournal) -> None:
        await start(journal, "lost", "a", 0.5)
        await start(journal, "answered", "b", 0.5)
        await journal.finish_call("answered", response={}, usage={"calls": 1}, seconds=1)
        await start(journal, "again", "c", 0.1)  # lost, and then asked again
        await start(journal, "again", "c", 0.2)
        await journal.fail_call("again", error="no", usage={"calls": 1}, seconds=1)
        await start(journal, "free", "d", 0.0)
        await journal.start_call("old", component="e", step="code", attempt=1, model="m", request=None)
        await journal.finish_call("unasked", response={}, usage={}, seconds=1)

    during(tmp_path, work)
    with SqliteJournal.read(tmp_path) as reader:
        found = list(reader.open_calls())
        assert len(list(reader.usages())) == 3  # what they may cost is no cost
    assert [(c.key, c.component, c.state, c.usage.get("usd")) for c in found] == [
        ("lost", "a", "started", 0.5),
        ("again", "c", "started", 0.1),
        ("free", "d", "started", 0.0),
        ("old", "e", "started", None),
    ]
    assert [c.lost["usd"] for c in found] == [None, None, 0.0, None]


def test_the_first_result_of_a_check_stays(tmp_path: Path) -> None:
    async def work(journal: SqliteJournal) -> None:
        assert journal.check("t") is None
        await journal.store_check("t", component="c", kind="prove", result={"status": "failed", "seconds": 0.1})
        await journal.store_check("t", component="c", kind="prove", result={"status": "passed"})
        assert journal.check("t") == {"status": "failed", "seconds": 0.1}

    during(tmp_path, work)


def test_a_blob_is_kept_once_and_checked_when_read(tmp_path: Path) -> None:
    data = bytes(range(256)) * 40

    async def work(journal: SqliteJournal) -> str:
        first = await journal.put_blob(data)
        assert await journal.put_blob(data) == first
        assert journal.get_blob(first) == data
        with pytest.raises(KeyError):
            journal.get_blob("0" * 64)
        return first

    digest = during(tmp_path, work)
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT count(*) FROM blobs").fetchone() == (1,)
        connection.execute("UPDATE blobs SET data = x'00'")
    with SqliteJournal.read(tmp_path) as reader, pytest.raises(JournalError, match="is damaged: blob"):
        reader.get_blob(digest)


def test_the_bus_tells_durable_events_after_their_commit_and_transient_ones_at_once(tmp_path: Path) -> None:
    async def work(journal: SqliteJournal) -> None:
        heard: list[tuple[str, int, bool, int]] = []

        def listen(event: Event) -> None:
            with SqliteJournal.read(tmp_path) as reader:
                on_disk = sum(1 for _ in reader.events())
            heard.append((event.body["text"], event.seq, event.ts > 0, on_disk))

        leave = journal.subscribe(listen)
        await journal.append(note("a"), note("b"))
        journal.tell(note("fleeting"))
        await journal.append(note("c"))
        leave()
        leave()
        await journal.append(note("unheard"))
        assert heard == [("a", 1, True, 2), ("b", 2, True, 2), ("fleeting", 0, False, 2), ("c", 3, True, 3)]

    during(tmp_path, work)
    assert texts(tmp_path) == ["a", "b", "c", "unheard"]


def test_a_listener_that_fails_is_dropped_and_the_others_go_on(tmp_path: Path) -> None:
    async def work(journal: SqliteJournal) -> None:
        reported: list[str] = []
        heard: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, said: reported.append(repr(said["exception"])))

        def broken(event: Event) -> None:
            raise ValueError("view")

        journal.subscribe(broken)
        journal.subscribe(lambda event: heard.append(event.body["text"]))
        await journal.append(note("a"), note("b"))
        assert heard == ["a", "b"]
        assert reported == ["ValueError('view')"]

    during(tmp_path, work)


def test_an_append_whose_task_is_cancelled_is_written_nevertheless(tmp_path: Path) -> None:
    async def work(journal: SqliteJournal) -> None:
        task = asyncio.create_task(journal.append(note("paid for")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await journal.append(note("next")) == 2

    during(tmp_path, work)
    assert texts(tmp_path) == ["paid for", "next"]


def test_closing_writes_what_waits_and_ends_writing(tmp_path: Path) -> None:
    async def work() -> None:
        journal = SqliteJournal.create(tmp_path)
        tasks = [asyncio.create_task(journal.append(note(str(n)))) for n in range(50)]
        await asyncio.sleep(0)
        journal.close()
        journal.close()
        assert sorted(await asyncio.gather(*tasks)) == list(range(1, 51))
        with pytest.raises(JournalError, match="is closed"):
            await journal.append(note("late"))
        with pytest.raises(JournalError, match="closed"):
            journal.call("k")

    asyncio.run(work())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([FILE, LOCK]), "one file, readable alone"
    assert texts(tmp_path) == [str(n) for n in range(50)]


def test_a_body_that_is_not_json_fails_its_caller_only(tmp_path: Path) -> None:
    async def work(journal: SqliteJournal) -> None:
        with pytest.raises(TypeError):
            await journal.append(Event(NOTE, body={"x": object()}))
        assert await journal.append(note("fine")) == 1

    during(tmp_path, work)


def test_a_run_is_worked_on_by_one_process_at_a_time(tmp_path: Path) -> None:
    assert not is_live(tmp_path)
    script = (
        "import sys; from pathlib import Path; from agent.store.journal import SqliteJournal\n"
        "journal = SqliteJournal.create(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    run_dir = tmp_path / "20261120-143055-logq-7f3a"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(run_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_live(run_dir)
        for opener in (SqliteJournal.open, SqliteJournal.create):
            with pytest.raises(
                JournalError, match=f"run {run_dir.name} is already being worked on by process {holder.pid}"
            ):
                opener(run_dir)
        SqliteJournal.read(run_dir).close()
        holder.kill()
    assert not is_live(run_dir)
    with SqliteJournal.open(run_dir), pytest.raises(JournalError, match=f"by process {os.getpid()}"):
        SqliteJournal.open(run_dir)
    with pytest.raises(JournalError, match="exists already"):
        SqliteJournal.create(run_dir)
    SqliteJournal.open(run_dir).close()


WRITER = """
import asyncio, os, sys
from pathlib import Path
from agent.store.journal import FILE, SqliteJournal
from graphs.events import NOTE, Event
run_dir, life = Path(sys.argv[1]), sys.argv[2]
async def main():
    journal = SqliteJournal.open(run_dir) if (run_dir / FILE).exists() else SqliteJournal.create(run_dir)
    async def write(name):
        for n in range(10**9):
            tag = f"{life}.{name}.{n}"
            if name < 3:
                said = await journal.append(*(Event(NOTE, body={"text": tag, "pad": "x" * 700}) for _ in range(3)))
            elif name == 3:
                said = tag
                await journal.start_call(tag, component="c", step="s", attempt=1, model="m", request="?")
                await journal.finish_call(tag, response="y" * 300, usage={"calls": 1}, seconds=0)
            else:
                said = await journal.put_blob(tag.encode())
            os.write(1, f"{name} {said} {tag}\\n".encode())
    await asyncio.gather(*(write(name) for name in range(5)))
asyncio.run(main())
"""


def test_every_write_that_returned_survives_kill_9(tmp_path: Path) -> None:
    chance = random.Random(2)
    run_dir = tmp_path / "run"
    acknowledged: list[list[str]] = []
    for life in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(run_dir), str(life)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            threading.Event().wait(chance.uniform(0, 0.12))
            writer.kill()
            # The last line may be cut by the kill: only whole lines were surely written after the write returned.
            whole = (first + writer.stdout.read()).decode().rpartition("\n")[0]
        acknowledged += [line.split() for line in whole.splitlines()]
    assert len(acknowledged) > 8 * 5

    with SqliteJournal.open(run_dir) as reader:
        found = {event.seq: event.body["text"] for event in reader.events()}
        assert sorted(found) == list(range(1, len(found) + 1))
        assert set(Counter(found.values()).values()) == {3}, "an append is written whole or not at all"
        for name, said, tag in acknowledged:
            if int(name) < 3:
                assert found[int(said)] == tag
            elif name == "3":
                call = reader.call(tag)
                assert call is not None
                assert call.state == "done"
            else:
                assert reader.get_blob(said) == tag.encode()


FILLER = """
import asyncio, resource, signal, sys
from pathlib import Path
from agent.store.journal import SqliteJournal
from graphs.errors import JournalError
from graphs.events import NOTE, Event
run_dir, limit = Path(sys.argv[1]), int(sys.argv[2])
async def main():
    journal = SqliteJournal.create(run_dir)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    done = 0
    try:
        for done in range(100_000):
            await journal.append(Event(NOTE, body={"text": str(done), "pad": "x" * 3000}))
        print("never full")
    except JournalError as error:
        print(done, error)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for write in (journal.append(Event(NOTE)), journal.put_blob(b"x")):
        try:
            await write
            print("written after all")
        except JournalError as error:
            print(done, error)
    journal.close()
asyncio.run(main())
"""


def check_filled(said: str, run_dir: Path) -> None:
    first, second, third = said.splitlines()
    assert first == second == third, "after an error every later write fails at once with the same sentence"
    written, _, sentence = first.partition(" ")
    assert sentence.startswith(f"cannot write the journal {run_dir / FILE}: ")
    assert "disk" in sentence
    assert "then resume the run" in sentence
    assert int(written) > 10
    assert texts(run_dir)[: int(written)] == [str(n) for n in range(int(written))]


def test_a_file_that_may_not_grow_ends_the_run_with_a_clear_sentence(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", FILLER, str(run_dir), "1000000"], capture_output=True, text=True, check=True
    )
    check_filled(done.stdout, run_dir)
    during(run_dir, lambda journal: journal.append(note("resumed")))
    assert texts(run_dir)[-1] == "resumed"


def test_a_full_disk_ends_the_run_with_a_clear_sentence(tmp_path: Path) -> None:
    small, copy = tmp_path / "small", tmp_path / "copy"
    small.mkdir()
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=1m none '{small}'"
    if not shutil.which("unshare") or subprocess.run([*namespace, mount], capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here: unprivileged user namespaces are not allowed")
    fill = f"{mount} && '{sys.executable}' -c \"$1\" '{small}/run' 0 && cp -r '{small}' '{copy}'"
    done = subprocess.run([*namespace, fill, "sh", FILLER], capture_output=True, text=True, check=True)
    assert "the disk is full; free some space, then resume the run" in done.stdout
    shutil.rmtree(small)
    copy.rename(small)
    check_filled(done.stdout, small / "run")


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A directory, with the rights of an ordinary user for the rest of the test: root may write what is read-only."""
    directory = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(directory, 65534, 65534)
        os.seteuid(65534)
    if not os.access(directory, os.W_OK, effective_ids=True):
        os.seteuid(0)
        pytest.skip("the temporary directory is closed to ordinary users")
    try:
        yield directory
    finally:
        if root:
            os.seteuid(0)
        subprocess.run(["chmod", "-R", "u+rwX", str(directory)], check=True)
        shutil.rmtree(directory)


@pytest.mark.parametrize("part", ["file", "directory", "parent"])
def test_what_is_read_only_can_be_read_but_not_worked_on(ordinary_user: Path, part: str) -> None:
    run_dir = ordinary_user / "run"
    during(run_dir, lambda journal: journal.append(note("kept")))
    {"file": run_dir / FILE, "directory": run_dir, "parent": ordinary_user}[part].chmod(
        0o444 if part == "file" else 0o555
    )
    if part == "parent":
        with pytest.raises(JournalError, match=r"cannot make .*/new: Permission denied; make it accessible"):
            SqliteJournal.create(ordinary_user / "new")
    else:
        with pytest.raises(JournalError, match=r"cannot open the journal .*(read-only|cannot be opened)"):
            SqliteJournal.open(run_dir)
        assert not is_live(run_dir)
    assert texts(run_dir) == ["kept"]


def test_a_journal_that_nobody_may_read_says_so(ordinary_user: Path) -> None:
    during(ordinary_user / "run", lambda journal: journal.append(note("secret")))
    (ordinary_user / "run" / FILE).chmod(0)
    with pytest.raises(JournalError, match=r"cannot open the journal .* cannot be opened"):
        SqliteJournal.read(ordinary_user / "run")


def header_gone(path: Path) -> None:
    path.write_bytes(b"This is not SQLite. " * 500)


def pages_gone(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def cut(path: Path) -> None:
    os.truncate(path, 3000)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
        connection.execute("PRAGMA user_version = 3")


def newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")


def removed(path: Path) -> None:
    path.unlink()


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def bad_json(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE events SET body = '{' WHERE seq = 2")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (header_gone, "it is not a journal"),
        (pages_gone, "it is damaged; restore it from a copy or start a new run"),
        (cut, "damaged"),
        (emptied, "holds no run: it was interrupted while it was made"),
        (another_program, "is another program's SQLite file"),
        (newer, r"written by a newer version of this program \(format 99, this one knows 1\); upgrade it"),
        (removed, "there is no journal at"),
        (a_directory, "there is no journal at"),
        (bad_json, "is damaged: event 2 is not JSON"),
    ],
)
def test_a_damaged_or_foreign_file_is_named_for_what_it_is(
    tmp_path: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    async def work(journal: SqliteJournal) -> None:
        await journal.append(*(note("x" * 500) for _ in range(40)))

    during(tmp_path, work)
    damage(tmp_path / FILE)
    for opener in (SqliteJournal.read, SqliteJournal.open):
        with pytest.raises(JournalError, match=sentence) as caught, opener(tmp_path) as reader:
            list(reader.events())
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not is_live(tmp_path)


def test_a_lock_of_another_program_is_waited_for_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_BUSY_SECONDS", 0.2)

    async def work(journal: SqliteJournal) -> None:
        await journal.append(note("a"))
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(journal.append(note("b")))
        await asyncio.sleep(0.02)
        other.execute("ROLLBACK")
        assert await waiting == 2
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another program keeps it locked"):
            await journal.append(note("c"))
        other.close()
        with pytest.raises(JournalError, match="another program keeps it locked"):
            await journal.append(note("d"))

    during(tmp_path, work)
    assert texts(tmp_path) == ["a", "b"]


def test_a_live_journal_is_read_from_elsewhere_while_it_grows(tmp_path: Path) -> None:
    async def work(journal: SqliteJournal) -> None:
        with SqliteJournal.read(tmp_path) as reader:
            for n in range(5):
                await journal.append(note(str(n)))
                assert [e.body["text"] for e in reader.events(after=n)] == [str(n)]

    during(tmp_path, work)


def test_names_of_directories_may_hold_what_a_uri_may_not(tmp_path: Path) -> None:
    run_dir = tmp_path / "100% sure? #1 ü \udcff"
    during(run_dir, lambda journal: journal.append(note("x")))
    assert texts(run_dir) == ["x"]


def test_opening_a_journal_imports_nothing_heavy() -> None:
    script = "import sys, agent.store.journal, agent.store.runs; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "langgraph", "networkx", "langchain_core", "yaml"} & set(loaded)
