"""Tasks that judge and so must not be learnt from: how a specification is recognised as one of them, or as nearly one.

Of each task its digest, its canary and a sketch of its words are kept, not its text. The sketch is a quarter of its *shingles*
(``SHINGLE`` words in a row, in lower case, without punctuation), chosen by their hashes, so that the same quarter is kept of
every text (Broder 1997, On the resemblance and containment of documents). ``held_out.json`` holds those of the tasks that come
with this program; ``agent bench held-out`` makes it, and ``tests/test_held_out.py`` fails while it is not that of the suite.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha256
from pathlib import Path

from graphs.errors import UserError

SHIPPED = Path(__file__).parent / "held_out.json"
"""Those of the tasks that come with this program."""
VERSION = 1
"""Of the file; raised when an older program could misread it."""
SHINGLE = 4
"""Words in a row that are compared."""
KEPT = 4
"""One in so many shingles is kept."""
NEAR = 0.4
"""Containment from which a text counts as a copy. A copy of which each tenth word was changed keeps 0.66 of its shingles; no two
tasks, exemplars or demonstrations of this program share more than 0.10 (``tests/test_held_out.py``)."""

FEWEST = 3
"""Kept shingles that must be shared: fewer are phrases that any two texts may have in common."""

_WORD = re.compile(r"[^\W_]+")
_BYTES = 4
"""Of a kept hash."""
_CANARY = re.compile(r"\bcanary GUID\b", re.IGNORECASE)
"""How the canaries of public benchmarks begin (BIG-bench, Terminal-Bench)."""


@dataclass(frozen=True)
class HeldOut:
    """What a task that judges is recognised by."""

    id: str
    """The task's, for messages."""
    digest: str
    """SHA-256 (hex) of its text, as ``graphs.values.Spec`` has it."""
    canary: str
    """A text found nowhere else; empty when it has none."""
    sketch: frozenset[int]
    """The hashes of its kept shingles."""


def held_out(task_id: str, text: str, canary: str = "") -> HeldOut:
    """What a task of that text is recognised by."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return HeldOut(task_id, sha256(plain.encode()).hexdigest(), canary, sketch(plain))


def sketch(text: str) -> frozenset[int]:
    """The hashes of the kept shingles of a text; a text of fewer words is one shingle."""
    words = _WORD.findall(text.casefold())
    rows = range(max(len(words) - SHINGLE, 0) + 1) if words else ()
    hashes = (_hash(" ".join(words[i : i + SHINGLE])) for i in rows)
    return frozenset(value for value in hashes if value % KEPT == 0)


def _hash(shingle: str) -> int:
    return int.from_bytes(blake2b(shingle.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest())


def containment(one: frozenset[int], other: frozenset[int]) -> float:
    """The share of the smaller sketch that the other has as well, 0 to 1; so a part of a text, or more around it, is a copy."""
    shared = len(one & other)
    return shared / min(len(one), len(other)) if shared >= FEWEST else 0.0


def refusal(text: str, digest: str, tasks: Iterable[HeldOut]) -> str:
    """Why a specification must not be learnt from, as the end of a sentence; empty when it may.

    Args:
        text: of the specification.
        digest: as ``graphs.values.Spec`` has it.
        tasks: that judge.
    """
    mine = sketch(text)
    nearest, most = "", 0.0
    for task in tasks:
        if digest == task.digest:
            return f"it is the benchmark task {task.id!r}, and what judges must not be learnt from"
        if task.canary and task.canary in text:
            return f"its text holds the canary of the benchmark task {task.id!r}"
        if (share := containment(mine, task.sketch)) > most:
            nearest, most = task.id, share
    if _CANARY.search(text):
        return "its text holds the canary of a public benchmark"
    if most >= NEAR:
        return (
            f"its text is nearly that of the benchmark task {nearest!r}: they share {most:.0%} of their sequences of {SHINGLE} "
            f"words, and from {NEAR:.0%} on it counts as a copy"
        )
    return ""


def written(tasks: Sequence[HeldOut]) -> str:
    """The tasks as text of a file, a line for each, in order of their names."""
    rows = [
        json.dumps({"id": t.id, "digest": t.digest, "canary": t.canary, "sketch": _packed(t.sketch)})
        for t in sorted(tasks, key=lambda t: t.id)
    ]
    return "\n".join((f'{{"version": {VERSION}, "tasks": [', ",\n".join(rows), "]}", ""))


def read(path: Path = SHIPPED) -> tuple[HeldOut, ...]:
    """The tasks in a file. ``UserError`` when it cannot be read, so that nothing is learnt while it is not known what judges."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        why = error.strerror or str(error)
    except (ValueError, KeyError, TypeError) as error:
        why = str(error) or type(error).__name__
    raise UserError(
        f"the tasks to keep out, {str(path)!r}, cannot be read ({why}); make the file with: agent bench held-out"
    )


@lru_cache(maxsize=8)
def _read(path: Path, _mtime: int) -> tuple[HeldOut, ...]:
    data = json.loads(path.read_bytes())
    if data["version"] != VERSION:
        raise ValueError(f"it is of version {data['version']!r}, and this program knows {VERSION}")
    return tuple(
        HeldOut(str(t["id"]), str(t["digest"]), str(t["canary"]), _unpacked(t["sketch"])) for t in data["tasks"]
    )


def _packed(hashes: frozenset[int]) -> str:
    return base64.b64encode(b"".join(value.to_bytes(_BYTES) for value in sorted(hashes))).decode()


def _unpacked(text: str) -> frozenset[int]:
    data = base64.b64decode(text, validate=True)
    return frozenset(int.from_bytes(data[i : i + _BYTES]) for i in range(0, len(data), _BYTES))
