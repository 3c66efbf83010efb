"""The objects of a git repository, and nothing else of it: what its commits hold, read so that it can start or redirect nothing.

The repository lends its objects to a private, empty one, in which everything is looked up: no configuration, hook, attribute,
filter, textconv, mailmap or promise of the lender to fetch what is missing takes part. Only its references and the place of its
objects are asked of it, with every transport forbidden.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from agent.git import GIT_SECONDS, NO_GIT, SAFE_GIT
from agent.printable import printable
from graphs.errors import PrerequisiteError, UserError

LARGEST = 2_000_000
"""Bytes of a file that is read; what is larger was not written by hand."""
WHOLE = 48_000_000
"""Bytes of all files of a tree together."""
MADE_BY_RUNNING = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".git", ".DS_Store"})
"""Names that are no part of a program, whoever left them behind."""
ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""The full name of an object."""
_ORDINARY = frozenset({"100644", "100664", "100755"})
"""Modes of files: neither links nor other repositories."""


class Unreadable(UserError):
    """A commit whose tree cannot be taken: too large, or with objects missing."""


class Objects:
    """The objects and references of a repository, in the place that :func:`borrowed` gives."""

    def __init__(self, repository: Path, place: Path) -> None:
        self.repository = repository
        """What was lent, for messages."""
        self.place = place
        """Where they are looked up; nothing of the repository itself is in it."""
        self._blobs: dict[str, str | None] = {}

    def commit_of(self, revision: str) -> str:
        """The full name of the commit that a revision means. ``UserError`` when it means none."""
        ended = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if ended.returncode:
            raise UserError(
                f"there is no commit {printable(revision)!r} in {str(self.repository)!r}; "
                "name a branch, a tag or a commit (git log --oneline shows them)"
            )
        return ended.stdout.decode().strip()

    def is_empty(self) -> bool:
        """Whether nothing is checked out that was committed."""
        return self.git("rev-parse", "--verify", "--quiet", "HEAD").returncode != 0

    def files(self, commit: str) -> dict[str, str]:
        """Path → text of what a commit holds, in order of paths. Left out: links, submodules, what is no UTF-8 text or larger
        than 2 MB, and names that are no plain relative paths. ``Unreadable`` when it is too much, or not all there."""
        ended = self.git("ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        if ended.returncode:
            raise Unreadable(f"the tree of {commit[:12]} is not all there: {_said(ended)}")
        wanted: dict[str, str] = {}
        total = 0
        for entry in ended.stdout.decode("utf-8", "replace").split("\0")[:-1]:
            about, _, path = entry.partition("\t")
            mode, _, name, size = about.split()
            if mode in _ORDINARY and not size.isdigit():
                raise Unreadable(f"the tree of {commit[:12]} is not all there: {printable(path)!r} is missing")
            if mode in _ORDINARY and int(size) <= LARGEST and is_plain(path):
                wanted[path] = name
                total += int(size)
        if total > WHOLE:
            raise Unreadable(
                f"the tree of {commit[:12]} holds {total // 1_000_000} MB; at most {WHOLE // 1_000_000} are taken"
            )
        self._blobs = self._read({name: self._blobs.get(name) for name in wanted.values()})
        return {path: text for path, name in sorted(wanted.items()) if (text := self._blobs[name]) is not None}

    def _read(self, blobs: dict[str, str | None]) -> dict[str, str | None]:
        """The same with the texts that are not known yet; ``None`` for what is no text."""
        missing = [name for name, text in blobs.items() if text is None]
        found = dict(zip(missing, self.contents(missing), strict=True))
        return {**blobs, **{name: _text(data) for name, data in found.items()}}

    def contents(self, objects: Sequence[str], kind: str = "blob") -> list[bytes | None]:
        """The bytes of objects of a kind, by their names or as ``COMMIT:PATH``; ``None`` for one that is not there or none."""
        if not objects:
            return []
        said = self.git("cat-file", "--batch", given="".join(f"{name}\n" for name in objects).encode()).stdout
        found: list[bytes | None] = []
        at = 0
        for _ in objects:
            end = said.index(b"\n", at)
            head, at = said[at:end].split(b" "), end + 1
            if len(head) != 3 or not head[2].isdigit():  # "NAME missing"
                found.append(None)
                continue
            size = int(head[2])
            found.append(said[at : at + size] if head[1] == kind.encode() else None)
            at += size + 1
        return found

    def asked(self, *arguments: str, given: bytes = b"") -> str:
        """What a git command says of the objects; ``PrerequisiteError`` when it ends in an error."""
        ended = self.git(*arguments, given=given)
        if ended.returncode:
            raise PrerequisiteError(
                f"the git repository {str(self.repository)!r} cannot be read ({_said(ended)}); mend it (git fsck says more), or "
                "name another"
            )
        return ended.stdout.decode("utf-8", "replace")

    def git(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A git command that only reads, with the objects; however it ends."""
        return read_git(self.place, *arguments, given=given)


@contextmanager
def borrowed(repository: Path) -> Iterator[Path]:
    """A place that has the objects and references of a repository (or of the one that a directory lies in), for the block.

    ``UserError`` when there is none, ``PrerequisiteError`` when it cannot be read or there is no git.
    """
    with tempfile.TemporaryDirectory(prefix="history-") as directory:
        place = Path(directory)
        _borrow(repository, place)
        yield place


def _borrow(repository: Path, place: Path) -> None:
    """Make a repository in ``place`` that reads the objects of another, and has its references."""
    if not repository.is_dir():
        raise UserError(f"there is no directory {str(repository)!r}; name a git repository")
    objects, shallow, head, kind = (
        read_git(repository, "rev-parse", "--path-format=absolute", *words)
        for words in (("--git-path", "objects"), ("--git-path", "shallow"), ("HEAD",), ("--show-object-format",))
    )
    if objects.returncode:
        why = _said(objects)
        known = "it is none" if "not a git repository" in why else f"git says: {why}"
        raise UserError(f"{str(repository)!r} is not in a git repository that can be read ({known}); name another")
    made = read_git(place, "init", "--quiet", "--template=", f"--object-format={kind.stdout.decode().strip()}")
    if made.returncode:
        raise PrerequisiteError(f"no repository can be made in {str(place)!r}: {_said(made)}; make room or set TMPDIR")
    own = place / ".git"
    lent = objects.stdout.rstrip(b"\n")
    if b"\n" in lent:
        raise UserError(f"the name of {str(repository)!r} holds a line end, which git cannot follow; move it elsewhere")
    (own / "objects" / "info").mkdir(exist_ok=True)
    (own / "objects" / "info" / "alternates").write_bytes(lent + b"\n")
    grafts = Path(os.fsdecode(shallow.stdout.rstrip(b"\n")))
    if grafts.is_file():
        cut = [line for line in grafts.read_text(errors="replace").split() if ID.fullmatch(line)]
        (own / "shallow").write_text("".join(f"{line}\n" for line in cut))
    listed = read_git(repository, "for-each-ref", "--format=%(objectname) %(refname)").stdout
    (own / "packed-refs").write_bytes(listed)
    at = head.stdout.decode().strip()
    if ID.fullmatch(at):
        (own / "HEAD").write_text(f"{at}\n")


def read_git(root: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A git command that only reads, in a directory; bytes in and out."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "",  # wins over what a repository allows itself: objects that are missing stay missing
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }
    try:
        return subprocess.run(
            ["git", *SAFE_GIT, *arguments],
            cwd=root,
            env=environment,
            input=given,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise PrerequisiteError(NO_GIT) from error
    except subprocess.TimeoutExpired as error:
        raise PrerequisiteError(
            f"git {arguments[0]} took longer than {GIT_SECONDS} s; see what keeps the disk busy"
        ) from error


def is_plain(path: str) -> bool:
    """Whether a path of a tree is one that a file may be laid out at: relative, printable, without tricks."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts)
        and path == "/".join(parts)
        and printable(path) == path
        and "\ufffd" not in path
        and not {"\n", "\t", "\\"} & set(path)
        and not any(part in ("..", "/") or {part, part.casefold()} & MADE_BY_RUNNING for part in parts)
        and not path.endswith(".pyc")
        and all(len(part.encode()) <= 255 for part in parts)
        and len(path.encode()) <= 1000
    )


def _text(data: bytes | None) -> str | None:
    if data is None or b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _said(ended: subprocess.CompletedProcess[bytes]) -> str:
    """What git complained of, on one line."""
    said = printable(ended.stderr.decode("utf-8", "replace")).strip().splitlines() or ["nothing was said"]
    return said[0].removeprefix("fatal: ")[:300]
