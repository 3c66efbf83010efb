"""Whole runs with a live model, recorded through ``manual:`` and unedited, played again through the real sandbox and git.

The recordings keep prompts and answers in step: when a prompt changes, its recorded answer no longer belongs to it and the test
says so. Repairs are let off the exact wording, since they quote failure texts, which differ between versions of Python.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import Settings
from agent.demo import RECORDING, SPEC
from agent.models.base import Ask, Message
from agent.models.replay import question, read
from agent.run import RunConfig, RunResult, start
from agent.spec import read_spec
from agent.store.journal import SqliteJournal
from graphs import events

HERE = Path(__file__).parent / "recordings"
RECORDED = {path.parent.name: (path.parent / "spec.md", path) for path in sorted(HERE.glob("*/recording.jsonl"))}
RECORDED["demo"] = (SPEC, RECORDING)


@pytest.fixture(scope="module", params=sorted(RECORDED))
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RunResult, Path]:
    """(name, result, home) of a recorded run."""
    spec, recording = RECORDED[request.param]
    directory = tmp_path_factory.mktemp(request.param)
    config = RunConfig(
        spec=read_spec(str(spec)),
        output=directory / "out",
        settings=Settings(model=f"replay-loosely:{recording}"),
        home=directory / "home",
    )
    return request.param, start(config), directory / "home"


def test_it_passes_as_it_did(played: tuple[str, RunResult, Path]) -> None:
    _, result, _ = played
    assert (result.status, result.reason) == ("passed", "")
    assert all(proof.status == "passed" and proof.test_ids for proof in result.proofs.values())


def test_no_prompt_has_changed_since(played: tuple[str, RunResult, Path]) -> None:
    name, result, home = played
    recorded = {call.messages for call in read(RECORDED[name][1])}
    with SqliteJournal.read(home / "runs" / result.run_id) as journal:
        calls = [call for call in journal.calls() if call.step != "repair"]
    changed = [
        f"{call.step} of {call.component or 'the run'}"
        for call in calls
        if question(_ask(call.step, call.request["messages"])) not in recorded
    ]
    assert not changed, "these prompts are not those that were recorded; record again with a live model"
    assert calls


def test_the_repository_passes_its_own_tests(played: tuple[str, RunResult, Path]) -> None:
    _, result, _ = played
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly"],
        cwd=result.output,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]


def test_the_demo_is_no_toy(played: tuple[str, RunResult, Path]) -> None:
    """At least six components, built in parallel, and a first attempt that failed and was repaired."""
    name, result, home = played
    if name != "demo":
        return
    assert result.plan is not None
    assert len(result.plan.components) >= 6
    assert max(proof.attempts for proof in result.proofs.values()) > 1
    running, most = 0, 0
    with SqliteJournal.read(home / "runs" / result.run_id) as journal:
        for event in journal.events():
            running += (event.kind == events.COMPONENT_STARTED) - (event.kind == events.COMPONENT_PASSED)
            most = max(most, running)
    assert most >= 3


def _ask(step: str, messages: list[dict[str, str]]) -> Ask:
    return Ask(tuple(Message(m["role"], m["content"]) for m in messages), step)  # type: ignore[arg-type]
