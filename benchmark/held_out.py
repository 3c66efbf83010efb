"""What is kept out of learning: the tasks that judge, as ``few_shot/held_out.py`` recognises them.

``agent/`` learns and must not know ``benchmark/``; so the tasks that come with this program are told to it by a file that is
made here.
"""

from __future__ import annotations

from pathlib import Path

from benchmark.datasets import TASKS, load
from few_shot.held_out import HeldOut, held_out

SPECS = Path(__file__).parent / "specs"
"""Specifications that arms are compared on."""


def of_suite(place: Path) -> tuple[HeldOut, ...]:
    """The tasks of a suite. ``UserError`` when it cannot be read."""
    return tuple(held_out(task.id, task.instruction, task.canary) for task in load(place))


def bundled() -> tuple[HeldOut, ...]:
    """All that comes with this program: the suite, and the specifications that arms are compared on."""
    specs = sorted(SPECS.glob("*/spec.md"))
    return (*of_suite(TASKS), *(held_out(spec.parent.name, spec.read_text(encoding="utf-8")) for spec in specs))
