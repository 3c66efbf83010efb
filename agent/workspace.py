"""The output: a git repository with one commit per proven component. Nothing of ours stays in it but ``.agent/plan.yaml``.

Calling a method again for the same thing changes nothing: a resumed run simply goes through all of them once more.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from agent.paths import write_files
from agent.printable import printable
from graphs import dag, document, examples
from graphs.errors import AgentError, PrerequisiteError, UserError
from graphs.values import Component, Plan, Proof, Spec, Verdict

PLAN_FILE = ".agent/plan.yaml"
IDENTITY = ("stepgraph", "stepgraph@localhost")
"""Who commits when git knows no user here."""
# The repository holds hostile files: no hook, monitor, filter or editor of it or of the user's may start.
SAFE_GIT = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.attributesFile=/dev/null",
    "-c", "core.autocrlf=false",
    "-c", "core.bare=false",
    "-c", "commit.gpgsign=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "protocol.allow=never",
    "-c", "safe.directory=*",
)  # fmt: skip
# What else a repository's own configuration can start or redirect has no single switch: such a repository is refused.
_UNSAFE_CONFIG = re.compile(
    r"filter\.|include\.|includeif\.|extensions\.worktreeconfig$|extensions\.partialclone$", re.I
)
GIT_SECONDS = 60
LOCK_SECONDS = 1.0
"""How long a lock of git's may be held by a process that outlived the one killed; an older one was left behind."""
IGNORED = "__pycache__/\n*.pyc\n.pytest_cache/\n.venv/\n"


class GitRepository:
    """A :class:`graphs.ports.Repository` in a directory."""

    def __init__(self, root: Path, spec: Spec, run_id: str) -> None:
        """
        Args:
            root: the output directory; made when missing. See :func:`check_output` for what may be there.
            spec: what the user asked; its examples go to the README.
            run_id: goes into the trailers of each commit.
        """
        self.root = root
        self._spec = spec
        self._run_id = run_id
        # One thread: git locks its index, and a commit that nobody waits for any more must still end before the next.
        self._thread = ThreadPoolExecutor(1, "git")
        self._identity: tuple[str, str] | None = None
        self._plan: tuple[Plan, str] | None = None

    async def commit(self, plan: Plan, proof: Proof) -> str:
        """Write a proven component's files and tests, and commit them with trailers; returns the commit id."""
        component = plan.component(proof.component)
        verdict = proof.verdict
        checks = f"{len(verdict.passed) if verdict else 0} checks passed in {verdict.sandbox if verdict else 'nothing'}"
        message = "\n".join(
            (
                f"{component.id}: {_one_line(component.purpose)}",
                "",
                f"Run: {self._run_id}",
                f"Component: {component.id}",
                f"Revision: {plan.revision}",
                f"Key: {proof.key[:16]}",
                f"Verdict: {checks}",
            )
        )
        return await self._committed(plan, {**proof.files, **proof.tests}, message)

    async def finish(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        """Write README (unless a component owns it) and ``.agent/plan.yaml`` and commit them; returns the commit id."""
        files: dict[str, str] = {}
        if "readme.md" not in {path.casefold() for path in dag.file_owners(plan)}:
            files["README.md"] = self._readme(plan, proofs, verdict)
        message = f"How to run and test it\n\nRun: {self._run_id}\nRevision: {plan.revision}"
        return await self._committed(plan, files, message)

    async def _committed(self, plan: Plan, files: Mapping[str, str], message: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._commit_files, plan, files, message)

    def _commit_files(self, plan: Plan, files: Mapping[str, str], message: str) -> str:
        self._begin(plan)
        try:
            write_files(self.root, files)
        except OSError as error:
            raise _unwritable(self.root, error) from error
        self._write_own(PLAN_FILE, self._dumped(plan))
        self._commit_added((*files, PLAN_FILE), message)
        return self._git("rev-parse", "HEAD").strip()

    def _begin(self, plan: Plan) -> None:
        """Make the repository with its first commit, or clear what a former plan left; nothing to do after that."""
        if self._identity is not None:
            return
        identity = _identity()
        _refuse_traps(self.root)
        _drop_stale_locks(self.root)
        former = former_plan(self.root)
        gone = sorted(_paths(former) - _paths(plan)) if former else []
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.root, error) from error
        self._identity = identity
        if not self._git("rev-parse", "--verify", "--quiet", "HEAD", check=False).strip():
            self._git("init", "--quiet", "--initial-branch=main", "--template=")
            self._write_own(".gitignore", IGNORED)
            self._git("add", "--force", "--", ".gitignore")
        else:
            # A process killed between add and commit left files in the index: they belong to a commit of their own.
            self._git("reset", "--quiet")
            if not gone:
                return
            self._git("rm", "--quiet", "--ignore-unmatch", "--", *gone)
        self._write_own(PLAN_FILE, self._dumped(plan))
        self._commit_added((PLAN_FILE,), f"Plan of {_one_line(plan.title)}\n\nRun: {self._run_id}")

    def _commit_added(self, paths: Iterable[str], message: str) -> None:
        self._git("add", "--force", "--", *paths)
        if self._git("diff", "--cached", "--name-only", "--no-ext-diff", "--no-renames"):
            self._git("commit", "--quiet", "--no-verify", "--cleanup=whitespace", "--message", message)

    def _dumped(self, plan: Plan) -> str:
        """The plan as text, worked out once: every commit asks for it."""
        if self._plan is None or self._plan[0] is not plan:
            self._plan = (plan, document.dump(plan))
        return self._plan[1]

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

    def _git(self, *arguments: str, check: bool = True) -> str:
        ended = _run_git(self.root, *arguments, identity=self._identity or IDENTITY)
        if check and ended.returncode:
            why = printable(ended.stderr).strip() or ended.returncode
            raise PrerequisiteError(f"git {arguments[0]} failed in {str(self.root)!r}: {why}")
        return ended.stdout

    def _readme(self, plan: Plan, proofs: Mapping[str, Proof], verdict: Verdict | None) -> str:
        proven = {i for i, proof in proofs.items() if proof.status == "passed"}
        missing = [c for c in plan.components if c.id not in proven]
        parts = [f"# {_one_line(plan.title)}\n"]
        if missing:
            parts.append(
                f"**Not finished**: {len(missing)} of {len(plan.components)} components are missing (see below).\n"
            )
        if plan.entry and not missing:
            parts.append(f"## Run it\n\n```sh\n{plan.entry}\n```\n")
        shell = [e for e in self._spec.examples if e.kind == "shell"][:3]
        if shell and not missing:
            parts.append("Examples from the specification:\n")
            parts += [f"````console\n{examples.render(e).rstrip()}\n````\n" for e in shell]
        packages = sorted({p for c in plan.components for p in c.packages})
        install = shlex.join(("python", "-m", "pip", "install", "pytest", *packages))
        parts.append(f"## Test it\n\n```sh\n{install}\npython -m pytest\n```\n")
        parts.append("## What is where\n\n| component | files | checks passed | requirements |\n|---|---|---|---|")
        parts += [_row(c, proofs.get(c.id)) for c in plan.components]
        parts.append("")
        if plan.requirements:
            parts.append("## What was asked\n")
            parts += [
                f"- {r.id}: {_one_line(r.text)} ({', '.join(_state(c, proven) for c in plan.components if r.id in c.requirements)})"
                for r in plan.requirements
            ]
            parts.append("")
        if missing:
            parts.append("## What is missing\n")
            parts += [f"- {c.id}: {_one_line(_why(c, proofs))}" for c in missing]
            parts.append("")
        if verdict is not None and verdict.status != "passed":
            parts.append(
                f"## The whole\n\nThe components pass, the assembled program does not: {_one_line(verdict.reason)}\n"
            )
        return "\n".join(parts)


def _paths(plan: Plan) -> set[str]:
    """What a plan's components write."""
    return {*dag.file_owners(plan), *(dag.test_path(c.id) for c in plan.components)}


def _row(component: Component, proof: Proof | None) -> str:
    checks = str(len(proof.verdict.passed)) if proof and proof.status == "passed" and proof.verdict else "not proven"
    files = ", ".join(f"`{f}`" for f in component.files)
    return (
        f"| {component.id}: {_one_line(component.purpose)} | {files} | {checks} | {', '.join(component.requirements)} |"
    )


def _state(component: Component, proven: set[str]) -> str:
    return component.id if component.id in proven else f"{component.id}, not proven"


def _why(component: Component, proofs: Mapping[str, Proof]) -> str:
    proof = proofs.get(component.id)
    return proof.reason if proof else "not built, because something it depends on is missing"


def _one_line(text: str) -> str:
    return " ".join(printable(text).replace("|", "/").split())


def _run_git(root: Path, *arguments: str, identity: tuple[str, str] = IDENTITY) -> subprocess.CompletedProcess[str]:
    """One git command on the repository in ``root``, with nothing of the user's environment or configuration."""
    name, email = identity
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_DIR": str(root / ".git"),
        "GIT_WORK_TREE": str(root),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
    try:
        return subprocess.run(
            ["git", *SAFE_GIT, *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=GIT_SECONDS,
            start_new_session=True,  # Ctrl-C in the terminal is for us: a commit under way is finished
            check=False,
        )
    except FileNotFoundError as error:
        raise PrerequisiteError(NO_GIT) from error
    except subprocess.TimeoutExpired as error:
        why = f"took longer than {GIT_SECONDS} s; see what keeps the disk busy, then resume"
        raise PrerequisiteError(f"git {arguments[0]} in {str(root)!r} {why}") from error


def _unwritable(path: Path, error: OSError) -> PrerequisiteError:
    why = f"{error.strerror or error}; free some space or make it writable, then resume the run"
    return PrerequisiteError(f"{str(path)!r} cannot be written: {why}")


NO_GIT = "git is not installed; install it with 'apt-get install git' (or your system's way)"


def require_git() -> None:
    """``PrerequisiteError`` when there is no git."""
    if shutil.which("git") is None:
        raise PrerequisiteError(NO_GIT)


def _identity() -> tuple[str, str]:
    """The user's name and mail as git knows them, whatever repository the user stands in; ours for what is missing."""
    require_git()
    places = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in places}
    environment["GIT_DIR"] = os.devnull
    values = []
    for key, fallback in zip(("user.name", "user.email"), IDENTITY, strict=True):
        ended = subprocess.run(
            ["git", "config", "--get", key],
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
        values.append(ended.stdout.strip() or fallback)
    return values[0], values[1]


def _refuse_traps(root: Path) -> None:
    """Refuse a repository whose links or configuration would lead git elsewhere or make it start programs."""
    for path in (root / ".git", root / ".agent"):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise PrerequisiteError(
                f"{str(path)!r} is a link or a file, not a directory of ours; name another output with -o"
            )
    if not (root / ".git" / "config").exists():  # where git was killed while it made the repository there is none yet
        return
    listed = _run_git(root, "config", "--local", "--no-includes", "--name-only", "--null", "--list")
    if listed.returncode:
        raise _unreadable(root, listed.stderr)
    traps = [key for key in listed.stdout.split("\0") if _UNSAFE_CONFIG.match(key)]
    if traps:
        raise PrerequisiteError(
            f"the git configuration of {str(root)!r} sets {printable(traps[0])!r}, which can start programs or read other "
            "files; remove it there, or name another output with -o"
        )


def _unreadable(root: Path, why: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"the output directory {str(root)!r} holds a git repository that cannot be read ({_one_line(why)}); "
        "mend it, or name another with -o"
    )


def _drop_stale_locks(root: Path) -> None:
    """Remove what a git process that was killed with its run left locked; one that still works is given its time."""
    git = root / ".git"
    locks = [git / "index.lock", git / "HEAD.lock", git / "config.lock", *(git / "refs" / "heads").glob("*.lock")]
    until = time.monotonic() + LOCK_SECONDS
    while any(lock.exists() for lock in locks) and time.monotonic() < until:
        time.sleep(0.05)
    for lock in locks:
        lock.unlink(missing_ok=True)


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


def check_output(root: Path, spec_digest: str) -> None:
    """Refuse an output directory that is not ours to write: anything but missing, empty, or a former output of this spec.

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
    if not root.is_dir() or not any(root.iterdir()):
        return
    former = former_plan(root)
    if former is None:
        raise UserError(
            f"the output directory {str(root)!r} is not empty and was not made by this program; "
            "name another with -o, or empty it"
        )
    if former.spec_digest != spec_digest:
        raise UserError(
            f"the output directory {str(root)!r} holds the result of another spec ({_one_line(former.title)!r}); "
            "name another with -o"
        )
    _refuse_traps(root)
    status = _run_git(root, "status", "--porcelain", "-z", "--no-renames")
    if status.returncode:
        raise _unreadable(root, status.stderr)
    if status.stdout:
        first = printable(status.stdout.split("\0")[0][3:])
        raise UserError(
            f"the output directory {str(root)!r} has changes that are not committed (first {first!r}); "
            "commit or stash them, then run again"
        )


def former_plan(root: Path) -> Plan | None:
    """The plan of the former output in ``root``; ``None`` when there is none that can be read."""
    path = root / PLAN_FILE
    if path.parent.is_symlink() or path.is_symlink() or not path.is_file() or not (root / ".git").is_dir():
        return None
    try:
        return document.parse(path.read_text(encoding="utf-8"))
    except (AgentError, OSError, UnicodeDecodeError):
        return None
