"""The bundled demonstrations: specs and recordings of live models' answers to them, made through ``manual:``, unedited."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Demo:
    """Something to watch without a key: ``spec.md``, ``recording.jsonl`` and perhaps ``plan.yaml`` in a folder of its name."""

    name: str
    """What to type after ``agent demo``."""
    about: str
    """One sentence."""
    builds_on: str = ""
    """The demonstration whose output must be there; empty: it begins with nothing."""

    @property
    def spec(self) -> Path:
        """The specification."""
        return HERE / self.name / "spec.md"

    @property
    def recording(self) -> Path:
        """The answers."""
        return HERE / self.name / "recording.jsonl"

    @property
    def plan(self) -> Path | None:
        """A plan that a person brought instead of asking for one."""
        path = HERE / self.name / "plan.yaml"
        return path if path.exists() else None


DEMOS = {
    demo.name: demo
    for demo in (
        Demo("logq", "a log-query tool of six components"),
        Demo(
            "changed", "the specification of logq has changed: only what that touches is built again", builds_on="logq"
        ),
        Demo(
            "cellkit",
            "a plan that does not hold: one contract is wrong, one component too large, and the run cuts it anew",
        ),
        Demo(
            "workdays",
            "a hasty test writer: wrong tests are disputed, put to a vote and amended, no program bends to them",
        ),
    )
}
"""Name → demonstration; the first one is what ``agent demo`` shows."""
