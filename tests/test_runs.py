"""Run directories: ids that sort, lists that survive anything lying around, and figures folded from real journals."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.store import journal as journal_module
from agent.store import runs
from agent.store.journal import FILE, SqliteJournal
from agent.store.runs import RunInfo, find_run, home, list_runs, new_run, run_info
from graphs.errors import JournalError, UserError
from graphs.events import (
    COMPONENT_BLOCKED,
    COMPONENT_FAILED,
    COMPONENT_KEPT,
    COMPONENT_PASSED,
    COMPONENT_READY,
    COMPONENT_STARTED,
    NOTE,
    PLAN_REVISED,
    RUN_FINISHED,
    RUN_INTERRUPTED,
    RUN_RESUMED,
    RUN_STARTED,
    Event,
)

STARTED = Event(RUN_STARTED, body={"title": "Log query", "spec": {}, "settings": {"output": "/out/logq"}, "limits": {}})


def plan(*ids: str, revision: int = 1) -> Event:
    return Event(PLAN_REVISED, revision=revision, body={"plan": {"components": [{"id": i} for i in ids]}})


def of(kind: str, *ids: str) -> list[Event]:
    return [Event(kind, component=i) for i in ids]


def journalled(run_dir: Path, *events: Event, usages: tuple[dict[str, Any], ...] = ()) -> Path:
    """A run directory whose journal holds these events and calls; nobody works on it any more."""

    async def write(journal: SqliteJournal) -> None:
        for event in events:
            await journal.append(event)
        for n, usage in enumerate(usages):
            await journal.start_call(str(n), component="", step="plan", attempt=1, model="m", request="")
            await journal.finish_call(str(n), response="", usage=usage, seconds=0)

    with SqliteJournal.create(run_dir) as journal:
        asyncio.run(write(journal))
    return run_dir


def finished(status: str, reason: str = "") -> Event:
    return Event(RUN_FINISHED, body={"status": status, "usage": {}, "seconds": 1.0, "reason": reason})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], {"status": "interrupted", "title": "", "passed": 0, "total": 0}),
        ([STARTED], {"status": "interrupted", "title": "Log query", "output": "/out/logq", "total": 0}),
        ([STARTED, plan("a", "b")], {"passed": 0, "total": 2}),
        ([STARTED, plan("a", "b"), *of(COMPONENT_READY, "a"), *of(COMPONENT_PASSED, "a")], {"passed": 1, "total": 2}),
        (
            [STARTED, plan("a", "b"), *of(COMPONENT_KEPT, "a", "b"), finished("passed")],
            {"status": "passed", "passed": 2},
        ),
        (
            [
                STARTED,
                plan("a", "b"),
                *of(COMPONENT_FAILED, "a"),
                *of(COMPONENT_BLOCKED, "b"),
                finished("failed", "a: no"),
            ],
            {"status": "failed", "passed": 0, "total": 2, "reason": "a: no"},
        ),
        # A later revision counts its own components only; what is built again is not proven until it passes again.
        (
            [
                STARTED,
                plan("a", "b"),
                *of(COMPONENT_PASSED, "a", "b"),
                plan("b", "c", "d"),
                *of(COMPONENT_STARTED, "b"),
            ],
            {"passed": 0, "total": 3},
        ),
        (
            [STARTED, Event(RUN_INTERRUPTED, body={"reason": "Ctrl-C"})],
            {"status": "interrupted", "reason": "Ctrl-C"},
        ),
        (
            [STARTED, finished("failed", "x"), Event(RUN_RESUMED, body={"pid": 1}), finished("passed")],
            {"status": "passed", "reason": ""},
        ),
        ([STARTED, finished("limit"), Event(RUN_RESUMED)], {"status": "interrupted"}),
        # Bodies of another shape than ours do not stop the list.
        (
            [Event(RUN_STARTED, body={"title": 3, "settings": []}), Event(PLAN_REVISED, body={"plan": [1]})],
            {"total": 0},
        ),
        (
            [Event(RUN_STARTED), Event(PLAN_REVISED, body={"plan": {"components": ["a"]}}), Event(RUN_FINISHED)],
            {"status": "failed"},
        ),
    ],
)
def test_a_run_is_the_fold_of_its_events(tmp_path: Path, events: list[Event], expected: dict[str, Any]) -> None:
    info = run_info(journalled(tmp_path / "r", *events))
    assert {name: getattr(info, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("usages", "usd"),
    [
        ((), 0.0),
        (({"calls": 1, "usd": 0.25}, {"calls": 1, "usd": 0.5}), 0.75),
        (({"usd": 0.25}, {"usd": None}), None),
        (({},), 0.0),
    ],
)
def test_the_price_of_a_run_is_that_of_its_calls(
    tmp_path: Path, usages: tuple[dict[str, Any], ...], usd: float | None
) -> None:
    assert run_info(journalled(tmp_path / "r", STARTED, usages=usages)).usd == usd


@pytest.mark.parametrize(("reserved", "usd"), [(0.5, None), (0.0, 0.25)])
def test_a_call_that_was_cut_off_makes_the_price_unknown_unless_it_was_free(
    tmp_path: Path, reserved: float, usd: float | None
) -> None:
    async def cut_off(journal: SqliteJournal) -> None:
        await journal.start_call(
            "k", component="a", step="code", attempt=1, model="m", request="", reserved={"usd": reserved}
        )

    path = journalled(tmp_path / "r", STARTED, usages=({"calls": 1, "usd": 0.25},))
    with SqliteJournal.open(path) as journal:
        asyncio.run(cut_off(journal))
        assert run_info(path).usd == 0.25  # in flight: it will say what it costs
    assert run_info(path).usd == usd


def test_time_between_two_processes_is_not_time_in_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 110.0, 500.0, 507.0, 900.0, 903.0, 904.0])
    monkeypatch.setattr(journal_module.time, "time", lambda: next(clock))
    events = [
        STARTED,
        Event(NOTE),
        Event(RUN_RESUMED),
        Event(RUN_INTERRUPTED),
        Event(RUN_RESUMED),
        finished("passed"),
        Event(NOTE),
    ]
    path = journalled(tmp_path / "r", *events)
    monkeypatch.undo()
    info = run_info(path)
    assert (info.started, info.seconds) == (100.0, 10.0 + 7.0 + 3.0)


def test_a_run_under_work_is_running_and_its_time_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteJournal.create(tmp_path / "r") as journal:
        assert run_info(tmp_path / "r").status == "running"
        monkeypatch.setattr(journal_module.time, "time", lambda: 1000.0)
        asyncio.run(journal.append(STARTED, plan("a")))
        monkeypatch.setattr(journal_module.time, "time", lambda: 1042.0)
        info = run_info(tmp_path / "r")
    assert (info.status, info.seconds, info.total) == ("running", 42.0, 1)


def test_the_list_is_newest_first_and_survives_what_lies_around(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    assert list_runs(tmp_path) == []
    made = []
    for title in ("zebra", "apple", "mango"):  # within a second, so that only the fraction tells them apart
        run_id, path = new_run(tmp_path, title)
        made.append(run_id)
        journalled(path, STARTED, finished("passed"))
    (root / "a-file").write_text("x")
    (root / "empty").mkdir()
    (root / "20200101-000000-dangling-0000").symlink_to(tmp_path / "nowhere")
    journalled(root / "20200101-000000-broken-0000", STARTED)
    (root / "20200101-000000-broken-0000" / FILE).write_bytes(b"\0garbage" * 1000)
    journalled(root / "not one of our names", STARTED)

    listed = list_runs(tmp_path)
    assert [info.id for info in listed] == [*reversed(made), "20200101-000000-broken-0000", "not one of our names"]
    assert [info.status for info in listed] == ["passed"] * 3 + ["unreadable", "interrupted"]
    assert "not a journal" in listed[3].reason
    assert listed[3].path == root / "20200101-000000-broken-0000"


def test_a_run_is_found_by_any_telling_part_of_its_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no run under .* yet; start one with"):
        find_run(tmp_path)
    names = ["20261119-120000-logq-0001", "20261120-120000-logq-0002", "20261120-120000-site-0001"]
    for name in names:
        journalled(tmp_path / "runs" / name, STARTED)
    for wanted, name in [
        (None, names[1]),
        ("20261119", names[0]),
        ("20261120-120000-s", names[2]),
        ("site", names[2]),
        ("0002", names[1]),
        (names[0], names[0]),
        (str(tmp_path / "runs" / names[0]) + "/", names[0]),
    ]:
        found = find_run(tmp_path, wanted)
        assert (found.id, found.path, found.status) == (name, tmp_path / "runs" / name, "interrupted")
    with pytest.raises(UserError, match=f"'logq' fits 2 runs: {names[1]}, {names[0]}; give more"):
        find_run(tmp_path, "logq")
    for unknown in ("nope", "", " ", "../..", "%", "\ud800"):
        with pytest.raises(UserError, match="no run is called") as caught:
            find_run(tmp_path, unknown)
        assert all(name in str(caught.value) for name in names)


def test_what_can_be_passed_over_is_found_only_when_there_is_nothing_else(tmp_path: Path) -> None:
    planned = journalled(tmp_path / "runs" / "20261120-120000-logq-0002", STARTED, finished("planned"))
    assert find_run(tmp_path, passing_over=("planned",)).path == planned
    older = journalled(tmp_path / "runs" / "20261119-120000-logq-0001", STARTED)
    assert find_run(tmp_path, passing_over=("planned",)).path == older
    assert find_run(tmp_path).path == planned


@settings(deadline=None, max_examples=40)
@given(title=st.text(st.characters(), max_size=60))
def test_any_title_gives_a_plain_directory_name(title: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("home")
    run_id, path = new_run(place, title)
    assert re.fullmatch(r"\d{8}-\d{6}-[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{4}", run_id)
    assert path == place / "runs" / run_id
    assert path.is_dir()


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("logq", "logq"),
        ("Größe & Co: Ärger!", "grosse-co-arger"),
        ("../../etc/passwd", "etc-passwd"),
        ("日本語", "run"),
        ("a title that is much too long to be read in a list", "a-title-that-is-much-too"),
    ],
)
def test_the_id_shows_the_title(tmp_path: Path, title: str, slug: str) -> None:
    assert new_run(tmp_path, title)[0][16:-5] == slug


def test_many_runs_of_one_moment_get_ids_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr(runs.time, "time", lambda: 1_800_000_000 + (next(ticks) // 7) / 1000)
    ids = [new_run(tmp_path, "same")[0] for _ in range(20)]
    assert len(set(ids)) == 20
    assert ids == sorted(ids)
    monkeypatch.setattr(runs.time, "time", lambda: 1_800_000_000.0)
    with pytest.raises(JournalError, match="no free name"):
        new_run(tmp_path, "same")


def test_a_home_that_cannot_hold_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalError, match=r"no directory for the run can be made under .*/file: .*AGENT_HOME"):
        new_run(tmp_path / "file", "t")
    (tmp_path / "runs").write_text("x")
    with pytest.raises(JournalError, match="cannot be listed"):
        list_runs(tmp_path)


def test_home_is_the_users_choice_or_the_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AGENT_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert home().name == "stepgraph"
    assert tmp_path in home().parents
    monkeypatch.chdir(tmp_path)
    for chosen, expected in [("~/x", tmp_path / "x"), ("y", tmp_path / "y"), ("/z", Path("/z"))]:
        monkeypatch.setenv("AGENT_HOME", chosen)
        assert home() == expected


def test_an_unreadable_run_is_told_and_not_raised(tmp_path: Path) -> None:
    info = run_info(tmp_path / "nothing")
    assert info == RunInfo("nothing", tmp_path / "nothing", "unreadable", reason=info.reason)
    assert "there is no journal" in info.reason
