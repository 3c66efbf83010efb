"""The output: a git repository with one commit per proven component. Nothing of ours stays in it but ``.agent/plan.yaml``.

Calling a method again for the same thing changes nothing: a resumed run simply goes through all of them once more.
What the user wrote there is never lost; ``agent/hand_edits.py`` tells it from what we wrote.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from agent.existing import BRANCH, Existing
from agent.git import IDENTITY, asked_git, drop_stale_locks, has_commits, refuse_traps, run_git, user_identity
from agent.hand_edits import (
    CUT_OFF_FILE,
    PLAN_FILE,
    NotAFile,
    cut_off,
    digest_of,
    former,
    hand_edits,
    on_disk,
    owners,
    stands_for,
    trailers,
    written,
)
from agent.paths import check_paths, write_files
from agent.printable import printable
from graphs import dag, document, examples, trust
from graphs.errors import PathRefused, PrerequisiteError, UserError
from graphs.values import Component, Files, Plan, Proof, Requirement, Spec, Verdict

README = "README.md"
BEGUN_FILE = ".git/stepgraph-base"
"""The commit that an existing program is taken over from, until there is a commit of ours on it."""
IGNORED = "__pycache__/\n*.pyc\n.pytest_cache/\n.venv/\n"
_TEMPORARY = re.compile(r"\.(?:new|old)-[0-9a-f]{16}")
"""What ``agent.paths.write_files`` leaves behind where it is killed."""


class GitRepository:
    """A :class:`graphs.ports.Repository` in a directory."""

    def __init__(self, root: Path, run_id: str, *, overwrite: bool = False, existing: Existing | None = None) -> None:
        """
        Args:
            root: the output directory; made when missing. See :func:`check_output` for what may be there.
            run_id: goes into the trailers of each commit.
            overwrite: files of ours that the user edited may be replaced; they are committed as they are first.
            existing: the program that is changed: the output is a clone of its repository, with a branch of ours.
        """
        self.root = root
        self._run_id = run_id
        self._overwrite = overwrite
        self._existing = existing
        self._lent: Files = existing.files if existing else {}
        """What the files of the existing program were."""
        # One thread: git locks its index, and a commit that nobody waits for any more must still end before the next.
        self._thread = ThreadPoolExecutor(1, "git")
        self._identity = IDENTITY
        self._begun = False
        self._plan: Plan | None = None
        """The one that the output holds."""
        self._written: dict[str, str] = {}
        """As :func:`agent.hand_edits.written` gives it, kept up with each commit."""
        self._stale: set[str] = set()
        """Paths of ours that the plan has no owner for."""
        self._edited: frozenset[str] = frozenset()
        """Paths that the user had edited when the run began."""

    async def commit(self, plan: Plan, proof: Proof) -> str:
        """Write a proven component's files and tests, and commit them with trailers; returns the commit id.

        ``UserError`` when that would lose something the user wrote; then nothing is written.
        """
        return await self._in_turn(lambda: self._commit(plan, proof))

    async def finish(self, plan: Plan, spec: Spec, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        """Write README and ``.agent/plan.yaml``, take away what no component owns any more, and commit; returns the
        commit id.

        The README is left alone where a component owns it or the user edited it, and so is what the user edited of
        files that no component owns any more.
        """
        return await self._in_turn(lambda: self._finish(plan, spec, proofs, verdict))

    async def _in_turn(self, work: Callable[[], str]) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _commit(self, plan: Plan, proof: Proof) -> str:
        self._turn_to(plan)
        component, verdict = plan.component(proof.component), proof.verdict
        checks = f"{len(verdict.passed) if verdict else 0} checks passed in {verdict.sandbox if verdict else 'nothing'}"
        message = (
            f"{component.id}: {_one_line(component.purpose)}\n\nRun: {self._run_id}\nComponent: {component.id}\n"
            f"Revision: {plan.revision}\nKey: {proof.key[:16]}\nVerdict: {checks}\n"
        )
        files = {**proof.files, **proof.tests}
        own = (*component.files, dag.test_path(component.id))
        gone = [p for p in own if p not in files and self._written.get(p) and self._is_free(p)]
        return self._deliver(files, message, gone)

    def _finish(self, plan: Plan, spec: Spec, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        self._turn_to(plan)
        files = {}
        if self._own_readme(plan) and self._is_free(README):
            files[README] = self._readme(plan, spec, proofs, verdict)
        left = sorted(path for path in self._stale if not self._is_free(path))
        edited = f"Left as you edited them: {', '.join(left)}\n\n" if left else ""
        message = f"How to run and test it\n\n{edited}Run: {self._run_id}\nRevision: {plan.revision}\n"
        return self._deliver(files, message, self._stale.difference(left), left)

    def _deliver(self, files: Files, message: str, gone: Collection[str], left: Collection[str] = ()) -> str:
        """Make the output hold ``files`` and not ``gone``, and commit that; what is ``left`` is no longer ours."""
        files = {**files, **{path: self._lent[path] for path in gone if path in self._lent}}  # as it was before us
        gone = [path for path in gone if path not in self._lent]
        check_paths(files, None)
        in_the_way = {p for p in self._stale if any(_clash(p, file) for file in files) and self._is_free(p)}
        self._spare({p: text for p, text in files.items() if not any(_clash(p, other) for other in in_the_way)})
        gone = {*gone, *in_the_way}
        digests = {path: digest_of(text.encode()) for path, text in files.items()}
        self._write_own(CUT_OFF_FILE, json.dumps({**digests, **dict.fromkeys(gone, "")}))
        for path in gone:
            _take_away(self.root, path)
        try:
            write_files(self.root, {p: text for p, text in files.items() if on_disk(self.root, p) != text.encode()})
        except PathRefused:
            self._take_back()
            raise
        except OSError as error:
            raise _unwritable(self.root, error) from error
        self._record(tuple(files), message, digests, gone, left)
        (self.root / CUT_OFF_FILE).unlink()
        return self._git("rev-parse", "HEAD").strip()

    def _record(
        self,
        paths: Sequence[str],
        message: str,
        digests: Mapping[str, str],
        gone: Collection[str] = (),
        left: Collection[str] = (),
        must: bool = False,
    ) -> None:
        """Commit these paths and nothing else, when there is something to say of them, or it must be."""
        if paths:
            self._git("add", "--force", "--", *paths)
        news = gone or left or any(self._written.get(path) != digest for path, digest in digests.items())
        if not (news or must) and not (
            paths and self._git("diff", "--cached", "--name-only", "--no-ext-diff", "--", *paths)
        ):
            return
        # What a directory has taken the place of goes by itself.
        away = [path for path in gone if not (self.root / path).is_dir()]
        tracked = self._git("ls-files", "-z", "--with-tree=HEAD", "--", *away).split("\0") if away else []
        said = message + trailers(digests, (*gone, *left))
        options = ("--quiet", "--no-verify", "--allow-empty", "--cleanup=whitespace", "--only", "--message", said)
        self._git("commit", *options, "--", *paths, *filter(None, tracked))
        self._written |= {**digests, **dict.fromkeys((*gone, *left), "")}
        self._stale -= {*gone, *left}

    def _turn_to(self, plan: Plan) -> None:
        """Begin, and let the output hold the plan; nothing to do after that."""
        if plan is self._plan:
            return
        text = document.dump(plan)
        if not self._begun:
            self._begin(plan, text)
        owned = owners(plan)
        lent = {path: digest_of(self._lent[path].encode()) for path in owned if path in self._lent}
        self._written = {**lent, **self._written}
        for path in sorted(owned.keys() - self._edited):
            place = self.root / path  # a directory may go with the files that are in it
            if not self._written.get(path) and os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
                raise UserError(
                    f"the plan puts {printable(path)!r} where something stands that this program has not written, in "
                    f"{str(self.root)!r}; move it away, then: agent resume {self._run_id}"
                )
        self._write_plan(plan, text)
        taken = owned.keys() | ({README} if self._own_readme(plan) else set())
        as_it_was = {path: digest_of(self._lent[path].encode()) for path in self._written if path in self._lent}
        self._stale = {
            path
            for path, digest in self._written.items()
            if digest and path not in taken and digest != as_it_was.get(path)
        }
        self._plan = plan

    def _begin(self, plan: Plan, text: str) -> None:
        """Make the repository with its first commit, or find out how things stand."""
        identity = user_identity()
        refuse_traps(self.root)
        drop_stale_locks(self.root)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.root, error) from error
        self._identity = identity
        if has_commits(self.root) and not (self.root / BEGUN_FILE).exists():
            self._take_back()
            self._written = written(self.root) or {}
            if self._overwrite:
                self._keep_in_git()
            self._edited = frozenset(edit.path for edit in hand_edits(self.root))
        else:
            self._git("init", "--quiet", "--initial-branch=main", "--template=")
            first = {PLAN_FILE: text}
            base = ""
            if self._existing is not None:
                self._take_over(self._existing)
                base = f"Base: {self._existing.commit}\n"
            elif self._is_free(".gitignore", IGNORED):
                first[".gitignore"] = IGNORED
            for path, content in first.items():
                self._write_own(path, content)
            said = f"{_plan_of(plan)}\n\nRun: {self._run_id}\nRevision: {plan.revision}\n{base}"
            self._record(tuple(first), said, {}, must=bool(base))
            (self.root / BEGUN_FILE).unlink(missing_ok=True)
        self._begun = True

    def _take_over(self, existing: Existing) -> None:
        """Fetch the history of an existing program and check out its commit on a branch of ours. May be cut off and done again."""
        self._write_own(BEGUN_FILE, f"{existing.commit}\n")
        source = ("-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", "--update-shallow")
        self._git(*source, "--no-write-fetch-head", str(existing.repo), existing.commit)
        self._git("checkout", "--quiet", "-B", BRANCH, existing.commit)
        refuse_traps(self.root)  # `.agent` may be anything there

    def _take_back(self) -> None:
        """What a killed process had not committed goes: the output is as its last commit has it."""
        unfinished = cut_off(self.root)
        if not unfinished:
            return
        known = asked_git(self.root, "ls-tree", "-r", "-z", "--name-only", "HEAD", "--", *unfinished).split("\0")
        for path in sorted(unfinished, key=lambda p: p in known):  # a new file may lie where an old one is wanted back
            try:
                now = on_disk(self.root, path)
            except NotAFile:
                continue
            _sweep((self.root / path).parent)
            if now is not None and not stands_for(now, unfinished[path]):
                continue  # somebody has written it since
            if path in known:
                self._git("checkout", "--quiet", "HEAD", "--", path)
            else:
                self._git("rm", "--quiet", "--cached", "--force", "--ignore-unmatch", "--", path)
                _take_away(self.root, path)
        (self.root / CUT_OFF_FILE).unlink(missing_ok=True)

    def _keep_in_git(self) -> None:
        """Commit what the user edited, as it is: from then on it may be replaced."""
        edits = [edit for edit in hand_edits(self.root) if edit.kind != "replaced"]
        if edits:
            digests = {edit.path: digest_of(edit.text.encode()) for edit in edits if edit.text is not None}
            message = f"Your edits, before they are replaced\n\nRun: {self._run_id}\n"
            self._record(tuple(digests), message, digests, [edit.path for edit in edits if edit.text is None])

    def _write_plan(self, plan: Plan, text: str) -> None:
        trailer = f"Run: {self._run_id}\n"
        if asked_git(self.root, "status", "--porcelain", "--", PLAN_FILE):
            with suppress(NotAFile):
                if on_disk(self.root, PLAN_FILE) is not None:
                    self._record((PLAN_FILE,), f"The plan as you edited it\n\n{trailer}", {})
        self._write_own(CUT_OFF_FILE, json.dumps({PLAN_FILE: digest_of(text.encode())}))
        self._write_own(PLAN_FILE, text)
        self._record((PLAN_FILE,), f"{_plan_of(plan)}\n\n{trailer}Revision: {plan.revision}\n", {})
        (self.root / CUT_OFF_FILE).unlink()

    def _spare(self, files: Files) -> None:
        """``UserError`` when writing the files would lose something the user wrote."""
        lost = [path for path, text in files.items() if not self._is_free(path, text)]
        if lost:
            raise UserError(
                f"{', '.join(printable(path) for path in lost)} in {str(self.root)!r} was edited by hand and would be "
                f"written anew; say what becomes of it: agent resume {self._run_id} --keep-edits, or --overwrite-edits "
                "(git keeps yours)"
            )

    def _is_free(self, path: str, text: str | None = None) -> bool:
        """Whether nothing of the user's stands there: nothing at all, what we wrote, or ``text`` itself."""
        try:
            now = on_disk(self.root, path)
        except NotAFile:
            return False
        if now is None or (text is not None and now == text.encode()):
            return True
        return stands_for(now, self._written.get(path, ""))

    def _write_own(self, path: str, text: str) -> None:
        target = self.root / path
        temporary = target.with_name(target.name + ".new")
        try:
            target.parent.mkdir(exist_ok=True)
            temporary.unlink(missing_ok=True)
            with temporary.open("x", encoding="utf-8", newline="\n") as file:  # "x" follows no link
                file.write(text)
            temporary.replace(target)
        except OSError as error:
            raise _unwritable(target, error) from error

    def _git(self, *arguments: str) -> str:
        ended = run_git(self.root, *arguments, identity=self._identity)
        if ended.returncode:
            why = printable(ended.stderr).strip() or ended.returncode
            raise PrerequisiteError(f"git {arguments[0]} failed in {str(self.root)!r}: {why}")
        return ended.stdout

    def _readme(self, plan: Plan, spec: Spec, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        proven = {i for i, proof in proofs.items() if proof.status == "passed"}
        missing = [c for c in plan.components if c.id not in proven]
        parts = [f"# {_one_line(plan.title)}\n"]
        if missing:
            there = ", ".join(c.id for c in plan.components if c.id in proven) or "nothing"
            parts.append(
                f"**Not finished**: {len(missing)} of {len(plan.components)} components are missing (see below). "
                f"Proven: {there}.\n"
            )
        if plan.entry and not missing:
            parts.append(f"## Run it\n\n```sh\n{plan.entry}\n```\n")
        shell = [e for e in spec.examples if e.kind == "shell"][:3]
        if shell and not missing:
            parts.append("Examples from the specification:\n")
            parts += [f"````console\n{examples.render(e).rstrip()}\n````\n" for e in shell]
        packages = sorted({p for c in plan.components for p in c.packages})
        install = shlex.join(("python", "-m", "pip", "install", "pytest", *packages))
        parts.append(f"## Test it\n\n```sh\n{install}\npython -m pytest\n```\n")
        columns = ("component", "files", "checks passed", "mutants killed", "requirements")
        parts.append(f"## What is where\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
        parts += [_row(c, proofs.get(c.id)) for c in plan.components]
        parts.append(
            "\nChecks are tests and examples. A mutant is a small change of the code; it is killed when a check notices it.\n"
        )
        unproven = trust.unproven(plan, spec, proofs, verdict)
        if plan.requirements:
            parts.append("## What was asked\n")
            parts += [
                f"- {r.id}: {_one_line(r.text)} {_proof_of(r, spec, proofs, unproven.pop(r.id, ''))}"
                for r in plan.requirements
            ]
            parts.append("")
        if unproven:
            parts.append("## Tests that were set aside\n\nWhat they were for is not proven.\n")
            parts += [f"- {_one_line(test)}: {_one_line(why)}" for test, why in unproven.items()]
            parts.append("")
        if missing:
            above = dag.Ancestors(plan)
            parts.append("## What is missing\n")
            parts += [f"- {c.id}: {_why(c, proofs, above.of(c.id))}{self._remains(c)}" for c in missing]
            parts.append("")
        if verdict is not None and verdict.status != "passed":
            parts.append(
                f"## The whole\n\nThe components pass, the assembled program does not: {_one_line(verdict.reason)}\n"
            )
        return "\n".join(parts)

    def _own_readme(self, plan: Plan) -> bool:
        """Whether the README is ours to write: an existing program has its own, or none."""
        return self._existing is None and README.casefold() not in {path.casefold() for path in dag.file_owners(plan)}

    def _remains(self, component: Component) -> str:
        """What must be known of files of a component that is not proven."""
        there = [f"`{path}`" for path in component.files if os.path.lexists(self.root / path)]
        return f" (what stands in {', '.join(there)} is not proven)" if there else ""


def _plan_of(plan: Plan) -> str:
    return f"Plan of {_one_line(plan.title)}"


def _clash(one: str, other: str) -> bool:
    """Whether two paths cannot both be there: one is a directory of the other, or capitals alone tell them apart."""
    a, b = one.split("/"), other.split("/")
    for x, y in zip(a, b, strict=False):
        if x != y:
            return x.casefold() == y.casefold()
    return len(a) != len(b)


def _take_away(root: Path, path: str) -> None:
    """Remove a file, if it is there, and the directories that it leaves empty."""
    with suppress(FileNotFoundError):
        (root / path).unlink()
    for parent in PurePosixPath(path).parents[:-1]:
        with suppress(OSError):
            (root / parent).rmdir()


def _sweep(directory: Path) -> None:
    """Remove temporary files of a process that was killed."""
    with suppress(FileNotFoundError):
        for left in directory.iterdir():
            if _TEMPORARY.fullmatch(left.name):
                left.unlink()


def _row(component: Component, proof: Proof | None) -> str:
    files = ", ".join(f"`{f}`" for f in component.files)
    checks, killed = "not proven", "–"
    if proof and proof.status == "passed" and proof.verdict:
        strength = proof.strength
        checks = str(len(proof.verdict.passed))
        killed = f"{strength.killed} of {len(strength.mutants)}" if strength and strength.mutants else "not measured"
    cells = (
        f"{component.id}: {_one_line(component.purpose)}",
        files,
        checks,
        killed,
        ", ".join(component.requirements),
    )
    return f"| {' | '.join(cells)} |"


def _proof_of(requirement: Requirement, spec: Spec, proofs: Mapping[str, Proof], why_not: str) -> str:
    """A sentence: what proves a requirement, or why nothing does."""
    if why_not:
        return f"**Not proven**: {_one_line(why_not)}."
    by = [
        f"{proof.component} ({_counted(ids)})"
        for proof in proofs.values()
        if proof.status == "passed" and (ids := proof.covers.get(requirement.id))
    ]
    whole = ", ".join(trust.tied_examples(requirement, spec.examples))
    return f"Proven by {', '.join(by) or f'the whole (example {whole})'}."


def _counted(ids: Sequence[str]) -> str:
    """How many tests and examples these are."""
    tests = sum("::" in i for i in ids)
    examples = len(ids) - tests
    counts = ((tests, "test"), (examples, "example"))
    return ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count)


def _why(component: Component, proofs: Mapping[str, Proof], below: Sequence[str]) -> str:
    proof = proofs.get(component.id)
    if proof is not None:
        return _one_line(proof.reason)
    failed = [i for i in below if i in proofs and proofs[i].status == "failed"]
    return f"not built, because {' and '.join(failed)} failed" if failed else "not built"


def _one_line(text: str) -> str:
    return " ".join(printable(text).replace("|", "/").split())


def _unwritable(path: Path, error: OSError) -> PrerequisiteError:
    why = f"{error.strerror or error}; free some space or make it writable, then resume the run"
    return PrerequisiteError(f"{str(path)!r} cannot be written: {why}")


@contextmanager
def sole_writer(root: Path, home: Path) -> Iterator[None]:
    """Be the only run that writes to ``root`` for the block; ``UserError`` when another one does.

    The lock lies under ``home``, not in the output, which holds nothing of ours but the plan. It ends with the process.
    """
    locks = home / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]
        descriptor = os.open(locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PrerequisiteError(
            f"no lock can be made in {str(locks)!r}: {error.strerror}; set AGENT_HOME to a place that can be written"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(
            f"another run is writing to {str(root)!r}; wait for it, or name another output with -o"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def check_output(root: Path) -> None:
    """Refuse an output directory that is not ours to write: anything but missing, empty, or what a run delivered to.

    What the user has there beside our files is no obstacle: it is neither touched nor committed.

    Raises:
        UserError: one sentence that says what was found and what to do.
    """
    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise UserError(f"the output {str(root)!r} is not a directory; name another with -o")
    parent = next(p for p in (root, *root.parents) if p.exists())
    if not parent.is_dir():
        raise UserError(f"the output {str(root)!r} cannot be made: {str(parent)!r} is a file; name another with -o")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(
            f"the output {str(root)!r} cannot be written: no permission in {str(parent)!r}; name another with -o"
        )
    there = {path.name for path in root.iterdir()} if root.is_dir() else set()
    if not there:
        return
    if ".git" in there:
        refuse_traps(root)
        if (there <= _FIRST and not has_commits(root)) or (root / BEGUN_FILE).is_file():
            return
    ours = written(root)
    plan = former(root) if ours is not None else None
    if ours is None or plan is None:
        raise UserError(
            f"the output directory {str(root)!r} is not empty and was not made by this program; "
            "name another with -o, or empty it"
        )
    _refuse_halfway(root, {*(path for path, digest in ours.items() if digest), *owners(plan), PLAN_FILE})


_FIRST = {".git", ".agent", ".gitignore", ".gitignore.new"}
"""What there may be before the first commit."""
_HALFWAY = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
}
"""What git keeps in its directory while it waits for the user → what the user is at."""


def _refuse_halfway(root: Path, ours: Collection[str]) -> None:
    """Refuse a repository in which a commit would go astray, or take along or lose what the user is about to commit."""
    for name, what in _HALFWAY.items():
        if (root / ".git" / name).exists():
            raise UserError(f"a {what} is under way in {str(root)!r}; finish or abort it, then run again")
    if run_git(root, "symbolic-ref", "--quiet", "HEAD").returncode:
        raise UserError(
            f"no branch is checked out in {str(root)!r}, so commits could get lost; check one out "
            f"(git -C {shlex.quote(str(root))} switch main), then run again"
        )
    said = asked_git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--ignore-submodules")
    for entry in filter(None, said.split("\0")):
        state, path = entry[:2], entry[3:]
        if "U" in state or state in ("AA", "DD"):
            raise UserError(f"{printable(path)!r} in {str(root)!r} has a conflict; settle it, then run again")
        if " " not in state and path in ours:
            raise UserError(
                f"{printable(path)!r} in {str(root)!r} is staged with another text than the file has; commit or unstage "
                "it, then run again"
            )
