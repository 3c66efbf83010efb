"""A git repository as data: what its commits say and hold, and nothing else of it.

The repository lends its objects to a private, empty one, in which everything is looked up: no configuration, hook, attribute,
filter, textconv, mailmap or promise of the lender to fetch what is missing takes part. Only its references and the place of its
objects are asked of it, with every transport forbidden.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.git import GIT_SECONDS, NO_GIT, SAFE_GIT
from agent.printable import printable
from benchmark.datasets import MADE_BY_RUNNING
from graphs.errors import PrerequisiteError, UserError

LARGEST = 2_000_000
"""Bytes of a file that is read; what is larger was not written by hand."""
WHOLE = 48_000_000
"""Bytes of all files of a tree together."""
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ORDINARY = frozenset({"100644", "100664", "100755"})
"""Modes of files: neither links nor other repositories."""


class Unreadable(UserError):
    """A commit whose tree cannot be taken: too large, or with objects missing."""


@dataclass(frozen=True)
class Commit:
    """What a commit says."""

    id: str
    """Its full name."""
    parent: str
    """Of the first parent; empty where there is none, or none that is here."""
    committed: str
    """When, as ISO 8601 with an offset."""
    message: str
    """As text; what is not UTF-8 in it is replaced."""

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.strip().partition("\n")[0].strip()


class History:
    """The objects and references of a repository. Made by :func:`opened`."""

    def __init__(self, repository: Path, place: Path) -> None:
        self.repository = repository
        """What was lent, for messages."""
        self._place = place
        self._blobs: dict[str, str | None] = {}

    def commit_of(self, revision: str) -> str:
        """The full name of the commit that a revision means. ``UserError`` when it means none."""
        ended = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if ended.returncode:
            raise UserError(
                f"there is no commit {printable(revision)!r} in {str(self.repository)!r}; "
                "name a branch, a tag or a commit (git log --oneline shows them)"
            )
        return ended.stdout.decode().strip()

    def is_empty(self) -> bool:
        """Whether nothing is checked out that was committed."""
        return self._git("rev-parse", "--verify", "--quiet", "HEAD").returncode != 0

    def log(self, revision: str, since: str = "") -> tuple[str, ...]:
        """Full names of the commits that lead to one along first parents, newest first, merges left out; only those
        that ``since`` does not have."""
        return tuple(self._asked("rev-list", "--first-parent", "--no-merges", revision, *_without(since)).split())

    def all(self, revision: str, since: str = "") -> tuple[str, ...]:
        """The same along all parents."""
        return tuple(self._asked("rev-list", "--no-merges", revision, *_without(since)).split())

    def commit(self, name: str) -> Commit:
        """What a commit says."""
        said = self._asked("show", "--no-patch", "--encoding=UTF-8", "--format=%H%x00%P%x00%cI%x00%B", name, "--")
        full, parents, committed, message = said.split("\0", 3)
        return Commit(full, parents.partition(" ")[0], committed, message.strip())

    def messages(self, commits: Sequence[str]) -> dict[str, str]:
        """Full name → message of commits."""
        said = self.contents(commits, "commit")
        return {
            name: (data or b"").decode("utf-8", "replace").partition("\n\n")[2]
            for name, data in zip(commits, said, strict=True)
        }

    def changes(self, commits: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Each commit with the paths it touches → ``A`` (added), ``M`` (changed), ``D`` (deleted) or ``T`` (made something
        else of). A renamed file is deleted and added. A commit without a parent touches nothing."""
        listed = "".join(f"{name}\n" for name in commits).encode()
        said = self._asked(
            "diff-tree", "--stdin", "-r", "-z", "--no-renames", "--name-status", "--no-ext-diff", given=listed
        )
        touched: dict[str, dict[str, str]] = {name: {} for name in commits}
        words = iter(said.split("\0"))
        current: dict[str, str] = {}
        for word in words:
            if _ID.fullmatch(word.strip()):
                current = touched[word.strip()]
            elif word:
                current[next(words)] = word
        yield from touched.items()

    def files(self, commit: str) -> dict[str, str]:
        """Path → text of what a commit holds, in order of paths. Left out: links, submodules, what is no UTF-8 text or larger
        than 2 MB, and names that are no plain relative paths. ``Unreadable`` when it is too much, or not all there."""
        ended = self._git("ls-tree", "-r", "-l", "-z", "--full-tree", commit)
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
        said = self._git("cat-file", "--batch", given="".join(f"{name}\n" for name in objects).encode()).stdout
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

    def tags(self, revision: str) -> dict[str, str]:
        """Tag → full name of its commit, of the tags that lead to a revision, oldest commit first."""
        merged = self._asked("for-each-ref", "--format=%(refname)", f"--merged={revision}", "refs/tags").split("\n")
        commits = {name: self.commit_of(name) for name in filter(None, merged)}
        place = {name: number for number, name in enumerate(self._asked("rev-list", "--topo-order", revision).split())}
        in_order = sorted(commits.items(), key=lambda item: (-place[item[1]], item[0]))
        return {name.removeprefix("refs/tags/"): commit for name, commit in in_order}

    def added(self, commits: Sequence[str]) -> dict[str, dict[str, int]]:
        """Commit → path → lines added to it, of text files; a moved file adds what was changed in it."""
        listed = "".join(f"{name}\n" for name in commits).encode()
        said = self._asked(
            "diff-tree",
            "--stdin",
            "--root",
            "-r",
            "-z",
            "-M",
            "--numstat",
            "--no-ext-diff",
            "--no-textconv",
            given=listed,
        )
        found: dict[str, dict[str, int]] = {name: {} for name in commits}
        current: dict[str, int] = {}
        words = iter(said.split("\0"))
        for word in words:
            if _ID.fullmatch(word.strip()):
                current = found[word.strip()]
            elif word:
                lines, _, path = word.split("\t", 2)
                if not path:  # moved: the old name and the new one follow
                    next(words)
                    path = next(words)
                if lines.isdigit():
                    current[path] = int(lines)
        return found

    def blamed(self, revision: str, path: str, since: str = "") -> Iterator[tuple[str, str]]:
        """Each line of a file that a later commit than ``since`` wrote: that commit, and what the file was called there."""
        said = self._asked("blame", "--porcelain", "-M", "--no-textconv", revision, *_without(since), "--", path)
        names: dict[str, str] = {}
        current, bounds = "", set()
        for line in said.split("\n"):
            if line.startswith("\t"):
                if current not in bounds:
                    yield current, names.get(current, path)
            elif _ID.fullmatch(line.partition(" ")[0]):
                current = line.partition(" ")[0]
            elif line.startswith("filename "):
                names[current] = line.removeprefix("filename ")
            elif line == "boundary" and since:
                bounds.add(current)

    def _asked(self, *arguments: str, given: bytes = b"") -> str:
        ended = self._git(*arguments, given=given)
        if ended.returncode:
            raise PrerequisiteError(
                f"the git repository {str(self.repository)!r} cannot be read ({_said(ended)}); mend it (git fsck says more), or "
                "name another"
            )
        return ended.stdout.decode("utf-8", "replace")

    def _git(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return _git(self._place, *arguments, given=given)


@contextmanager
def opened(repository: Path) -> Iterator[History]:
    """The history of a repository (or of the one that a directory lies in), for the block.

    ``UserError`` when there is none, ``PrerequisiteError`` when it cannot be read or there is no git.
    """
    with tempfile.TemporaryDirectory(prefix="history-") as directory:
        place = Path(directory)
        _borrow(repository, place)
        yield History(repository, place)


def _borrow(repository: Path, place: Path) -> None:
    """Make a repository in ``place`` that reads the objects of another, and has its references."""
    if not repository.is_dir():
        raise UserError(f"there is no directory {str(repository)!r}; name a git repository")
    objects, shallow, head, kind = (
        _git(repository, "rev-parse", "--path-format=absolute", *words)
        for words in (("--git-path", "objects"), ("--git-path", "shallow"), ("HEAD",), ("--show-object-format",))
    )
    if objects.returncode:
        why = _said(objects)
        known = "it is none" if "not a git repository" in why else f"git says: {why}"
        raise UserError(f"{str(repository)!r} is not in a git repository that can be read ({known}); name another")
    made = _git(place, "init", "--quiet", "--template=", f"--object-format={kind.stdout.decode().strip()}")
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
        cut = [line for line in grafts.read_text(errors="replace").split() if _ID.fullmatch(line)]
        (own / "shallow").write_text("".join(f"{line}\n" for line in cut))
    listed = _git(repository, "for-each-ref", "--format=%(objectname) %(refname)").stdout
    (own / "packed-refs").write_bytes(listed)
    at = head.stdout.decode().strip()
    if _ID.fullmatch(at):
        (own / "HEAD").write_text(f"{at}\n")


def _git(root: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
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


def _without(since: str) -> tuple[str, ...]:
    return (f"^{since}",) if since else ()


def _said(ended: subprocess.CompletedProcess[bytes]) -> str:
    """What git complained of, on one line."""
    said = printable(ended.stderr.decode("utf-8", "replace")).strip().splitlines() or ["nothing was said"]
    return said[0].removeprefix("fatal: ")[:300]
