"""Git, run so that neither the user's environment nor the repository it works on can start or redirect anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from agent.printable import printable
from graphs.errors import PrerequisiteError

IDENTITY = ("stepgraph", "stepgraph@localhost")
"""Who commits when git knows no user here."""
# The repository holds hostile files: no hook, monitor, filter or editor of it or of the user's may start.
SAFE_GIT = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.attributesFile=/dev/null",
    "-c", "core.autocrlf=false",
    "-c", "core.bare=false",
    "-c", "core.fileMode=false",  # whether a file may be executed is the user's business
    "-c", "commit.gpgsign=false",
    "-c", "log.showSignature=false",
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
NO_GIT = "git is not installed; install it with 'apt-get install git' (or your system's way)"


def require_git() -> None:
    """``PrerequisiteError`` when there is no git."""
    if shutil.which("git") is None:
        raise PrerequisiteError(NO_GIT)


def run_git(
    root: Path, *arguments: str, identity: tuple[str, str] = IDENTITY, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """One git command on the repository in ``root``, with nothing of the user's environment or configuration.

    ``given``: its standard input.
    """
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
        "GIT_OPTIONAL_LOCKS": "0",
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
            input=given,
            timeout=GIT_SECONDS,
            start_new_session=True,  # Ctrl-C in the terminal is for us: a commit under way is finished
            check=False,
        )
    except FileNotFoundError as error:
        raise PrerequisiteError(NO_GIT) from error
    except subprocess.TimeoutExpired as error:
        why = f"took longer than {GIT_SECONDS} s; see what keeps the disk busy, then resume"
        raise PrerequisiteError(f"git {arguments[0]} in {str(root)!r} {why}") from error


def asked_git(root: Path, *arguments: str) -> str:
    """What a git command that only reads says; ``PrerequisiteError`` when the repository cannot be read."""
    ended = run_git(root, *arguments)
    if ended.returncode:
        raise _unreadable(root, ended.stderr)
    return ended.stdout


def has_commits(root: Path) -> bool:
    """Whether ``root`` is a git repository in which something was committed."""
    return (root / ".git").is_dir() and run_git(root, "rev-parse", "--verify", "--quiet", "HEAD").returncode == 0


def user_identity() -> tuple[str, str]:
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


def refuse_traps(root: Path) -> None:
    """Refuse a repository whose links or configuration would lead git elsewhere or make it start programs."""
    for path in (root / ".git", root / ".agent"):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise PrerequisiteError(
                f"{str(path)!r} is a link or a file, not a directory of ours; name another output with -o"
            )
    if not (root / ".git" / "config").exists():  # where git was killed while it made the repository there is none yet
        return
    listed = asked_git(root, "config", "--local", "--no-includes", "--name-only", "--null", "--list")
    traps = [key for key in listed.split("\0") if _UNSAFE_CONFIG.match(key)]
    if traps:
        raise PrerequisiteError(
            f"the git configuration of {str(root)!r} sets {printable(traps[0])!r}, which can start programs or read other "
            "files; remove it there, or name another output with -o"
        )


def _unreadable(root: Path, why: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"the output directory {str(root)!r} holds a git repository that cannot be read "
        f"({' '.join(printable(why).split())}); mend it, or name another with -o"
    )


def drop_stale_locks(root: Path) -> None:
    """Remove what a git process that was killed with its run left locked; one that still works is given its time."""
    git = root / ".git"
    locks = [git / "index.lock", git / "HEAD.lock", git / "config.lock", *(git / "refs" / "heads").glob("*.lock")]
    until = time.monotonic() + LOCK_SECONDS
    while any(lock.exists() for lock in locks) and time.monotonic() < until:
        time.sleep(0.05)
    for lock in locks:
        lock.unlink(missing_ok=True)
