"""What the user made of the output since it was delivered, told from what this program wrote there.

Each commit of ours says in trailers which text it stands for (``File: DIGEST PATH``) and what is no longer ours
(``Gone: PATH``). So an amended, rebased or cherry-picked commit of ours does not pass for our work when its files say
something else, and a text of the user's that was proven counts as known without being committed a second time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from agent.checks.pytest_source import source_of
from agent.git import asked_git, has_commits, refuse_traps, run_git
from agent.paths import check_paths
from agent.printable import printable
from agent.store.runs import began
from graphs import dag, document
from graphs.errors import PathRefused, PlanError, PrerequisiteError, UserError
from graphs.values import Files, Plan, Proof, Provenance

PLAN_FILE = ".agent/plan.yaml"
CUT_OFF_FILE = ".git/stepgraph-writing"
"""While files are written and not yet committed: path → digest of what is written, empty for what is taken away."""
_RUN = re.compile(r"^Run: (\S+)$", re.MULTILINE)
_BASE = re.compile(r"^Base: ([0-9a-f]{40}|[0-9a-f]{64})$", re.MULTILINE)
"""Stands in our first commit on a program that was there already."""
_TRAILER = re.compile(r"^(?:File: ([0-9a-f]{16}) |Gone: )(\S+)$", re.MULTILINE)

Policy = Literal["refuse", "keep", "overwrite"]
"""What becomes of files that were edited by hand: nothing begins, they stay and are proven again, or they are replaced."""
Kind = Literal["edited", "committed", "deleted", "replaced"]


@dataclass(frozen=True)
class HandEdit:
    """A file of ours that the user made something else of."""

    path: str
    """Which."""
    kind: Kind
    """``committed``: the change is in git; ``replaced``: what stands there now is no file, or no text."""
    component: str = ""
    """Id of the component that owns it; empty for the README, and for what the last plan left behind."""
    text: str | None = None
    """What is there now; ``None`` when deleted or replaced."""


class NotAFile(Exception):
    """Something other than an ordinary file stands at a path, or in the way to it."""


def on_disk(root: Path, path: str) -> bytes | None:
    """What stands at ``path`` below ``root``, ``None`` when nothing does. Follows no link; ``NotAFile`` where one is."""
    place = root
    *parents, last = path.split("/")
    for parent in parents:
        place /= parent
        mode = _mode(place)
        if mode is None:
            return None
        if not stat.S_ISDIR(mode):
            raise NotAFile
    place /= last
    mode = _mode(place)
    if mode is None:
        return None
    if not stat.S_ISREG(mode):
        raise NotAFile
    try:
        return place.read_bytes()
    except OSError as error:
        raise PrerequisiteError(f"{str(place)!r} cannot be read: {error.strerror}; make it readable") from error


def _mode(path: Path) -> int | None:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None


def digest_of(text: bytes) -> str:
    """What stands for a text in trailers: the beginning of its SHA-256 (hex)."""
    return hashlib.sha256(text).hexdigest()[:16]


def stands_for(text: bytes, digest: str) -> bool:
    """Whether a text on the disk is the one that a digest stands for; git may have changed how its lines end."""
    return digest in (digest_of(text), digest_of(text.replace(b"\r\n", b"\n")))


def trailers(digests: Mapping[str, str], gone: Collection[str]) -> str:
    """The lines that a commit of ours says of files, each ended."""
    files = (f"File: {digest} {path}\n" for path, digest in digests.items())
    return "".join((*files, *(f"Gone: {path}\n" for path in sorted(gone))))


def written(root: Path) -> dict[str, str] | None:
    """Path → digest of what our last commit that names it wrote there, empty when it is gone.

    ``None`` when no commit of ours leads to what is checked out.
    """
    messages = _messages(root)
    if not any(map(_RUN.search, messages)):
        return None
    found: dict[str, str] = {}
    for message in messages:  # newest first; in one that several were squashed into, the last line counts
        found = {**{path: digest for digest, path in _TRAILER.findall(message)}, **found}
    return {path: digest for path, digest in found.items() if _ordinary(path)}


def _messages(root: Path) -> list[str]:
    """Of the commits that lead to what is checked out, newest first; what a program had before we changed it is not ours."""
    if not has_commits(root):
        return []
    messages = asked_git(root, "log", "-z", "--encoding=UTF-8", "--format=%B", "HEAD").split("\0")
    last = next((place for place, message in enumerate(messages) if _BASE.search(message)), len(messages))
    return messages[: last + 1]


def base_of(root: Path) -> str:
    """The full name of the commit of an existing program that the output began from; empty where it began from nothing."""
    if (root / ".git").is_symlink() or not (root / ".git").is_dir():
        return ""
    refuse_traps(root)
    found = _BASE.search((_messages(root) or [""])[-1])
    return found.group(1) if found else ""


def _lent(root: Path, paths: Collection[str]) -> dict[str, str]:
    """Path → digest of what the existing program had there, of those that it had."""
    base = base_of(root)
    if not base:
        return {}
    found = {path: run_git(root, "cat-file", "blob", f"{base}:{path}") for path in paths}
    return {path: digest_of(blob.stdout.encode()) for path, blob in found.items() if not blob.returncode}


def check_newest(root: Path, run_id: str) -> None:
    """``UserError`` when a run that began later has delivered to ``root``: going on with this one would undo that."""
    if not (root / ".git").is_dir():
        return
    refuse_traps(root)
    last = next((found[-1] for message in _messages(root) if (found := _RUN.findall(message))), run_id)
    if began(last) > began(run_id):
        raise UserError(
            f"run {printable(last)} has delivered to {str(root)!r} since; go on with that one, or build the "
            "specification of this one again with 'agent run'"
        )


def _ordinary(path: str) -> bool:
    """Messages can be written by anybody: a name that we would not have written is nobody's."""
    try:
        check_paths({path: ""}, None)
    except PathRefused:
        return False
    return True


def cut_off(root: Path) -> dict[str, str]:
    """What a killed process was writing and may not have committed; see ``CUT_OFF_FILE``."""
    try:
        found: dict[str, str] = dict(json.loads(on_disk(root, CUT_OFF_FILE) or b"{}"))
    except (NotAFile, ValueError, TypeError):  # killed before it had noted everything, it has written nothing
        return {}
    return {path: digest for path, digest in found.items() if path == PLAN_FILE or _ordinary(path)}


def former(root: Path) -> Plan | None:
    """The plan that was delivered to ``root``: as it stands there, or as last committed where it was taken away.

    ``None`` when nothing was delivered; ``UserError`` when there is a plan that cannot be read.
    """
    if (root / ".git").is_symlink() or not (root / ".git").is_dir():
        return None
    try:
        text = on_disk(root, PLAN_FILE)
    except NotAFile:
        text = None
    if text is None:
        refuse_traps(root)
        committed = run_git(root, "cat-file", "blob", f"HEAD:{PLAN_FILE}")
        if committed.returncode:
            return None
        text = committed.stdout.encode()
    try:
        return document.parse(text.decode())
    except (PlanError, UnicodeDecodeError) as error:
        why = error.problems[0] if isinstance(error, PlanError) else "it is not UTF-8 text"
        raise UserError(
            f"the plan in {str(root / PLAN_FILE)!r} cannot be read ({printable(' '.join(why.split()))}); mend it, or "
            f"take back what was changed with: git -C {shlex.quote(str(root))} checkout -- {PLAN_FILE}"
        ) from error


def owners(plan: Plan | None) -> dict[str, str]:
    """Path → component, of all files that the components of a plan and their tests take."""
    if plan is None:
        return {}
    return {**dag.file_owners(plan), **{dag.test_path(c.id): c.id for c in plan.components}}


def hand_edits(root: Path) -> tuple[HandEdit, ...]:
    """The files of a delivered output that are not as our last commit of them wrote them, in order of their paths.

    A file that the plan gives to a component and that is not of our making counts as well. What a killed process had
    not committed does not, nor do line ends that git changed.
    """
    if not (root / ".git").is_dir():
        return ()
    refuse_traps(root)
    ours = written(root)
    if ours is None:
        return ()
    owned, unfinished = owners(former(root)), cut_off(root)
    ours = {**_lent(root, [path for path in owned if path not in ours]), **ours}
    found = []
    for path in sorted({*(path for path, digest in ours.items() if digest), *owned}):
        try:
            now = on_disk(root, path)
        except NotAFile:
            found.append(HandEdit(path, "replaced", owned.get(path, "")))
            continue
        if now is None and (path in unfinished or not ours.get(path)):
            continue
        if now is not None and any(stands_for(now, known.get(path, "")) for known in (ours, unfinished)):
            continue
        found.append(_edit(path, owned.get(path, ""), now))
    return _committed(root, found)


def _edit(path: str, component: str, now: bytes | None) -> HandEdit:
    if now is None:
        return HandEdit(path, "deleted", component)
    try:
        return HandEdit(path, "edited", component, now.decode())
    except UnicodeDecodeError:
        return HandEdit(path, "replaced", component)


def _committed(root: Path, found: Sequence[HandEdit]) -> tuple[HandEdit, ...]:
    """The same, with those that git already has told from those it does not have."""
    changed = [edit.path for edit in found if edit.kind == "edited"]
    if not changed:
        return tuple(found)
    said = asked_git(root, "status", "--porcelain", "-z", "--no-renames", "--ignored", "--", *changed)
    loose = {entry[3:] for entry in said.split("\0")}
    return tuple(
        replace(edit, kind="committed") if edit.kind == "edited" and edit.path not in loose else edit for edit in found
    )


def told(edits: Sequence[HandEdit]) -> str:
    """Which files, in a sentence."""
    names = [f"{printable(edit.path)!r} ({edit.kind})" for edit in edits]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def check_edits(root: Path, policy: Policy) -> None:
    """``UserError`` in one sentence where nothing may begin because files of components were edited by hand.

    The README of ours does not count: once edited, it is left as it is.
    """
    edits = [edit for edit in hand_edits(root) if edit.component]
    odd = next((edit for edit in edits if edit.kind == "replaced"), None)
    if odd is not None:
        raise UserError(
            f"{printable(odd.path)!r} in {str(root)!r} is no longer an ordinary text file; put one in its place or take "
            "it away, then run again"
        )
    if edits and policy == "refuse":
        raise UserError(
            f"you edited files in {str(root)!r} by hand: {told(edits)}; give --keep-edits to keep them, their tests run "
            "again, or --overwrite-edits to have them replaced, git keeps yours"
        )


def with_hand_edits(
    proofs: Mapping[str, Proof], edits: Sequence[HandEdit], declared: Callable[[Files], tuple[str, ...]]
) -> tuple[dict[str, Proof], frozenset[str]]:
    """Proofs with the user's texts in place of ours, and the ids of the components they change: those are unproven.

    Args:
        proofs: by component key.
        edits: of an output that the proofs were delivered to.
        declared: the ids of the tests that test files declare.
    """
    by_component: dict[str, dict[str, str | None]] = {}
    for edit in edits:
        by_component.setdefault(edit.component, {})[edit.path] = edit.text
    now = {key: _edited(proof, by_component.get(proof.component, {}), declared) for key, proof in proofs.items()}
    return now, frozenset(proof.component for key, proof in proofs.items() if now[key] is not proof)


def _edited(proof: Proof, texts: Mapping[str, str | None], declared: Callable[[Files], tuple[str, ...]]) -> Proof:
    test_path = dag.test_path(proof.component)
    files = _with(proof.files, {path: text for path, text in texts.items() if path != test_path})
    tests = _with(proof.tests, {path: text for path, text in texts.items() if path == test_path})
    if (files, tests) == (dict(proof.files), dict(proof.tests)):
        return proof
    # Where no test is left, those there were are missing: that does not pass.
    ids = proof.test_ids if tests == dict(proof.tests) else declared(tests) or proof.test_ids
    rewritten: dict[str, Provenance] = {i: "human" for i in ids if source_of(tests, i) != source_of(proof.tests, i)}
    # What its tests notice in this code was never tried.
    return replace(
        proof, files=files, tests=tests, test_ids=ids, strength=None, provenance={**proof.provenance, **rewritten}
    )


def _with(files: Files, texts: Mapping[str, str | None]) -> dict[str, str]:
    return {path: text for path, text in {**files, **texts}.items() if text is not None}
