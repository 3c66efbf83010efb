"""The history of a git repository as data: what its commits say and change. How it is read: see ``agent/git_objects.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.git_objects import ID, Objects, borrowed


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


class History(Objects):
    """The commits of a repository. Made by :func:`opened`."""

    def log(self, revision: str, since: str = "") -> tuple[str, ...]:
        """Full names of the commits that lead to one along first parents, newest first, merges left out; only those
        that ``since`` does not have."""
        return tuple(self.asked("rev-list", "--first-parent", "--no-merges", revision, *_without(since)).split())

    def all(self, revision: str, since: str = "") -> tuple[str, ...]:
        """The same along all parents."""
        return tuple(self.asked("rev-list", "--no-merges", revision, *_without(since)).split())

    def commit(self, name: str) -> Commit:
        """What a commit says."""
        said = self.asked("show", "--no-patch", "--encoding=UTF-8", "--format=%H%x00%P%x00%cI%x00%B", name, "--")
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
        said = self.asked(
            "diff-tree", "--stdin", "-r", "-z", "--no-renames", "--name-status", "--no-ext-diff", given=listed
        )
        touched: dict[str, dict[str, str]] = {name: {} for name in commits}
        words = iter(said.split("\0"))
        current: dict[str, str] = {}
        for word in words:
            if ID.fullmatch(word.strip()):
                current = touched[word.strip()]
            elif word:
                current[next(words)] = word
        yield from touched.items()

    def tags(self, revision: str) -> dict[str, str]:
        """Tag → full name of its commit, of the tags that lead to a revision, oldest commit first."""
        merged = self.asked("for-each-ref", "--format=%(refname)", f"--merged={revision}", "refs/tags").split("\n")
        commits = {name: self.commit_of(name) for name in filter(None, merged)}
        place = {name: number for number, name in enumerate(self.asked("rev-list", "--topo-order", revision).split())}
        in_order = sorted(commits.items(), key=lambda item: (-place[item[1]], item[0]))
        return {name.removeprefix("refs/tags/"): commit for name, commit in in_order}

    def added(self, commits: Sequence[str]) -> dict[str, dict[str, int]]:
        """Commit → path → lines added to it, of text files; a moved file adds what was changed in it."""
        listed = "".join(f"{name}\n" for name in commits).encode()
        said = self.asked(
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
            if ID.fullmatch(word.strip()):
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
        said = self.asked("blame", "--porcelain", "-M", "--no-textconv", revision, *_without(since), "--", path)
        names: dict[str, str] = {}
        current, bounds = "", set()
        for line in said.split("\n"):
            if line.startswith("\t"):
                if current not in bounds:
                    yield current, names.get(current, path)
            elif ID.fullmatch(line.partition(" ")[0]):
                current = line.partition(" ")[0]
            elif line.startswith("filename "):
                names[current] = line.removeprefix("filename ")
            elif line == "boundary" and since:
                bounds.add(current)


@contextmanager
def opened(repository: Path) -> Iterator[History]:
    """The history of a repository (or of the one that a directory lies in), for the block.

    ``UserError`` when there is none, ``PrerequisiteError`` when it cannot be read or there is no git.
    """
    with borrowed(repository) as place:
        yield History(repository, place)


def _without(since: str) -> tuple[str, ...]:
    return (f"^{since}",) if since else ()
