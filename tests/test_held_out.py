"""Tasks that judge are recognised, whole, in part or reworded a little; the shipped file is that of the suite."""

from __future__ import annotations

import json
import random
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.demo import DEMOS
from agent.spec import read_spec
from benchmark.cli_held_out import held_out as command
from benchmark.datasets import TASKS, folders, read_folder
from benchmark.held_out import bundled
from few_shot.exemplar import library
from few_shot.held_out import NEAR, SHIPPED, containment, held_out, read, refusal, sketch, written
from graphs.errors import UserError

FOLDERS = folders(TASKS)
TASK = read_folder(TASKS / "m-lending-desk")


def reworded(text: str, share: float) -> str:
    """The text with that share of its words replaced by others."""
    chance = random.Random(7)
    return " ".join("otherwise" if chance.random() < share else word for word in text.split(" "))


def test_the_shipped_file_is_that_of_the_suite() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == written(bundled()), "make it anew with: agent bench held-out"
    assert {task.id for task in read()} == {task.id for task in bundled()} > {folder.name for folder in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_a_task_is_recognised(folder: Path) -> None:
    """As it is, reworded, in other letters, in part, and inside something larger."""
    task = read_folder(folder)
    text, name = task.instruction, f"benchmark task {task.id!r}"
    half = "\n".join(text.splitlines()[: len(text.splitlines()) // 2])
    digest = held_out("x", text).digest
    assert refusal("", digest, read()) == f"it is the {name}, and what judges must not be learnt from"
    for near in (
        reworded(text, 0.1),
        text.upper(),
        half,
        f"# My project\n\n{text}\n\n{DEMOS['workdays'].spec.read_text()}",
    ):
        assert f"nearly that of the {name}" in refusal(near, "", read())


def test_the_digest_is_that_of_the_reader_of_specifications(tmp_path: Path) -> None:
    path = tmp_path / "spec.md"
    path.write_bytes("\ufeff---\ntitle: x\n---\r\n# y\r\n".encode())
    assert read_spec(str(path)).digest == held_out("x", path.read_bytes().decode()).digest


CANARIES = {
    "of a task": (f"Do this. {TASK.canary}", f"the canary of the benchmark task {TASK.id!r}"),
    "of a public benchmark": ("# harbor-canary GUID 26b5c67b\n\nDo this.", "the canary of a public benchmark"),
    "none": ("Do this. It never sings like a canary.", ""),
}


@pytest.mark.parametrize(("text", "why"), CANARIES.values(), ids=CANARIES)
def test_a_canary_is_seen(text: str, why: str) -> None:
    found = refusal(text, "", read())
    assert why in found
    assert bool(found) == bool(why)


def test_nothing_else_is_taken_for_a_task() -> None:
    """Different tasks, exemplars and demonstrations share little; those that share a few phrases are far from the bound."""
    texts = {task.id: task.sketch for task in read()}
    texts |= {e.name: sketch(e.task) for e in library()}
    texts |= {name: sketch(demo.spec.read_text(encoding="utf-8")) for name, demo in DEMOS.items() if not demo.builds_on}
    shared = max(containment(one, other) for one, other in combinations(texts.values(), 2))
    assert shared < 0.1 < NEAR
    assert refusal("Write a function. Use the standard library only.", "", read()) == ""


def test_a_suite_of_ones_own_is_written_and_read(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    done = CliRunner().invoke(command, [str(TASKS / TASK.id), "-o", str(mine), "--json"], catch_exceptions=False)
    assert json.loads(done.output) == {"version": 1, "output": str(mine), "tasks": [TASK.id]}
    assert read(mine) == (held_out(TASK.id, TASK.instruction, TASK.canary),)
    assert isinstance(CliRunner().invoke(command, [str(TASKS)]).exception, UserError)


DAMAGED = {
    "missing": None,
    "no JSON": "{",
    "newer": '{"version": 2, "tasks": []}',
    "no tasks": '{"version": 1}',
    "no sketch": '{"version": 1, "tasks": [{"id": "a", "digest": "", "canary": "", "sketch": "?"}]}',
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_what_cannot_be_read_is_no_empty_list(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "held_out.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match="agent bench held-out"):
        read(path)
