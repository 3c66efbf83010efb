"""Whole runs with a live model, recorded through ``manual:`` and unedited, played again through the real sandbox and git.

The recordings keep prompts and answers in step: when a prompt changes, its recorded answer no longer belongs to it and the test
says so. Repairs are let off the exact wording, since they quote failure texts, which differ between versions of Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.plan import read_plan_file
from agent.cli.story import tell
from agent.config import Settings
from agent.demo import DEMOS
from agent.models.base import Ask, Message
from agent.models.replay import question, read
from agent.run import RunConfig, RunResult, start
from agent.sandbox.base import SandboxLimits
from agent.spec import read_spec
from agent.store.journal import SqliteJournal
from benchmark.arms import SPEC
from graphs import events

PLACES = (Path(__file__).parent / "recordings", SPEC.parent)
RECORDED = {path.parent.name: path.parent for place in PLACES for path in sorted(place.glob("*/recording.jsonl"))}
RECORDED |= {name: demo.spec.parent for name, demo in DEMOS.items()}
QUOTING = ("repair", "amend", "respecify", "split", "strengthen")
"""Steps whose prompts quote what programs said when they failed, or which mutants there was time for."""
pytestmark = pytest.mark.timeout(300)  # a whole run, of which the fixture is the most
MEASURED = "durations"
"""The recording that is played with mutants; for all of them it would take minutes."""


def _ground(name: str) -> str:
    """The recording whose output this one goes on with; empty for none."""
    return DEMOS[name].builds_on if name in DEMOS else ""


IN_ORDER = sorted(RECORDED, key=lambda name: (_ground(name) or name, bool(_ground(name))))
"""What goes on with another one comes right after it."""
_places: dict[str, Path] = {}
"""Recording → where it was played last by this process."""


ENDLESS_SECONDS = 30.0
"""For one test run, half of what runs give it: one of the recorded programs never ends."""


@pytest.fixture(scope="module", params=IN_ORDER)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RunResult, Path]:
    """(name, result, home) of a recorded run."""
    name: str = request.param
    ground = _ground(name)
    directory = _places.pop(ground, None) or tmp_path_factory.mktemp(name)
    if ground and not directory.joinpath("out").exists():
        play(ground, directory)
    _places[name] = directory
    return name, play(name, directory), directory / "home"


def play(name: str, directory: Path) -> RunResult:
    """The recorded run once more, delivered to ``directory/out``."""
    folder = RECORDED[name]
    plan = folder / "plan.yaml"
    config = RunConfig(
        spec=read_spec(str(folder)),
        output=directory / "out",
        settings=Settings(
            model=f"replay-loosely:{folder / 'recording.jsonl'}",
            mutants=Settings.mutants if name == MEASURED else 0,
            sandbox_limits=SandboxLimits(seconds=ENDLESS_SECONDS),
        ),
        home=directory / "home",
        plan=read_plan_file(plan) if plan.exists() else None,
    )
    return start(config)


def test_it_passes_as_it_did(played: tuple[str, RunResult, Path]) -> None:
    _, result, _ = played
    why = {name: (p.reason, p.verdict) for name, p in result.proofs.items() if p.status != "passed"}
    assert (result.status, result.reason, why) == ("passed", "", {})
    assert all(proof.status == "passed" and proof.test_ids for proof in result.proofs.values())


def test_no_prompt_has_changed_since(played: tuple[str, RunResult, Path]) -> None:
    name, result, home = played
    recorded = {call.messages for call in read(RECORDED[name] / "recording.jsonl")}
    with SqliteJournal.read(home / "runs" / result.run_id) as journal:
        calls = [call for call in journal.calls() if call.step not in QUOTING]
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
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=result.output,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # those that are here take longer than the tests
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]


def test_the_demo_is_no_toy(played: tuple[str, RunResult, Path]) -> None:
    """At least six components, built in parallel, and a first attempt that failed and was repaired."""
    name, result, home = played
    if name != "logq":
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


def test_a_plan_that_does_not_hold_is_cut_anew(played: tuple[str, RunResult, Path]) -> None:
    """A contract is written anew and a component is split, and the story says why."""
    name, result, home = played
    if name != "cellkit":
        return
    with SqliteJournal.read(home / "runs" / result.run_id) as journal:
        revised = [e.body for e in journal.events(kind=events.PLAN_REVISED) if e.body["author"] == "evidence"]
        told = [tell(event) for event in journal.events()]
    kinds = [edit["kind"] for body in revised for edit in body["edits"]]
    assert {"respecify", "split"} <= set(kinds)
    assert all(edit["reason"] for body in revised for edit in body["edits"])
    assert any("the contract of clip was written anew" in line for line in told)
    assert any("sheet was split into" in line for line in told)


def test_wrong_tests_are_found_out_and_amended(played: tuple[str, RunResult, Path]) -> None:
    """The repairer's word changes no test: an independent program does, and the test writer."""
    name, result, home = played
    if name != "workdays":
        return
    with SqliteJournal.read(home / "runs" / result.run_id) as journal:
        amended = [e.body for e in journal.events(kind=events.TEST_AMENDED)]
        decided = [e.body["decision"] for e in journal.events(kind=events.COMPONENT_DECISION)]
    assert len({body["id"] for body in amended}) >= 3
    assert all(body["before"] != body["after"] and len(body["evidence"]) >= 2 for body in amended)
    assert decided.index("disputed") < decided.index("fresh candidate") < decided.index("question the test")


def test_a_changed_spec_builds_only_what_it_touches(played: tuple[str, RunResult, Path]) -> None:
    name, result, home = played
    if name != "changed":
        return
    with SqliteJournal.read(home / "runs" / result.run_id) as journal:
        kept = {e.component for e in journal.events(kind=events.COMPONENT_KEPT)}
        asked = {call.component for call in journal.calls()}
    assert {"reading", "query", "times", "output"} <= kept
    assert "figures" in asked
    assert not asked & kept
    assert set(result.proofs) == {"reading", "query", "times", "output", "figures", "cli"}


def _ask(step: str, messages: list[dict[str, str]]) -> Ask:
    return Ask(tuple(Message(m["role"], m["content"]) for m in messages), step)  # type: ignore[arg-type]
