"""Which builds there were."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from galley.errors import Gone
from galley.store import Store

STATE = ".galley"


@dataclass(frozen=True)
class Result:
    name: str
    status: str
    """made, restored, kept or failed"""
    reason: str = ""
    result: str = ""
    """Digest of the text; empty when it failed."""
    record: str = ""
    """Id of the record that was added or used; empty when it failed."""


class Journal:
    def __init__(self, folder: str | Path) -> None:
        self._path = Path(folder) / "builds.jsonl"

    def builds(self) -> list[list[Result]]:
        """The results of each build; what a crash left unfinished does not count."""
        return [[Result(**result) for result in json.loads(line)] for line in self._whole().splitlines()]

    def append(self, results: Sequence[Result]) -> int:
        """The number of the build, from 1."""
        whole = self._whole() + json.dumps([asdict(result) for result in results]) + "\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(whole, encoding="utf-8")
        return whole.count("\n")

    def _whole(self) -> str:
        content = self._path.read_bytes() if self._path.exists() else b""
        return content[: content.rfind(b"\n") + 1].decode()


def show(folder: str | Path, number: int, target: str) -> str:
    """The text that a target had after a build. Raises KeyError or Gone."""
    builds = Journal(Path(folder) / STATE).builds()
    if not 1 <= number <= len(builds):
        raise KeyError(number)
    results = {result.name: result.result for result in builds[number - 1]}
    if not results.get(target):
        raise KeyError(target)
    text = Store(Path(folder) / STATE).get(results[target])
    if text is None:
        raise Gone(f"{target} of build {number} is gone")
    return text
