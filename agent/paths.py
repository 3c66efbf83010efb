"""File names that a model made up: which are accepted, and how they are written so that none leaves its directory.

Names are data. A name is accepted when every part is made of letters, digits and ``_ . + @ -``, and when nothing that
reads the tree later (git, the interpreter, a test runner, a CI service, an editor) takes it for its own configuration.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from graphs.errors import PathRefused

DEEPEST = 12
"""Parts of a name, the file's own included."""
LONGEST = 240
"""Bytes of a whole name in UTF-8; a part may have as many."""

HIDDEN = frozenset({".gitignore", ".gitkeep", ".dockerignore"})
"""The only names with a leading dot that are accepted: lists that no program executes."""
HOOKS = frozenset(
    (
        *("sitecustomize", "sitecustomize.py", "usercustomize", "usercustomize.py", "__pycache__", "pyvenv.cfg"),
        *("conftest.py", "pytest.ini", "pytest.toml", "tox.ini", "tox.toml", "setup.cfg", "noxfile.py"),
        *("jenkinsfile", "azure-pipelines.yml", "bitbucket-pipelines.yml", "appveyor.yml"),
    )
)
"""Refused at any depth: they configure interpreters, test runners or CI services."""
SUFFIXES = (
    ".pth",
    "._pth",
    ".pyc",
    ".pyo",
    ".pyd",
    ".so",
    ".dll",
    ".dylib",
    ".dist-info",
    ".egg-info",
    ".egg-link",
    ".egg",
)
"""Refused endings of any part: start-up files, compiled code, installed packages."""
RUNNER = frozenset({"pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments", "xdist", "execnet"})
"""The test runner and what it imports."""
IMPORT_ROOTS = ("", "src")
"""Directories that are commonly put on the import path."""
DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))]
)
"""Names that Windows takes for devices, whatever their suffix: the repository could not be checked out there."""
INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5")
"""Letters, as far as Unicode is concerned, that show as nothing."""
_PUNCTUATION = frozenset("_.+@-")


def _shown(name: str) -> str:
    """A hostile name inside a message: quoted, escaped, short."""
    return ascii(name) if len(name) <= 80 else f"{name[:60]!a} (and {len(name) - 60} more characters)"


def _unsafe(name: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in name)


def _lookalike(name: str) -> bool:
    return unicodedata.normalize("NFKC", name) != name or not INVISIBLE.isdisjoint(name)


_FORMS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: not name, "is empty"),
    (lambda name: "\0" in name, "holds a NUL"),
    (_unsafe, "holds control, bidirectional or invisible characters"),
    (lambda name: "\\" in name, "holds a backslash; write '/' between directories"),
    (lambda name: name[0] == "/", "is absolute; give a path relative to the project"),
    (lambda name: name[0] == "~", "starts with '~'; give a path relative to the project"),
    (lambda name: len(name.encode()) > LONGEST, f"is longer than {LONGEST} bytes"),
    (lambda name: ".." in name.split("/"), "holds '..'"),
    (lambda name: not {"", "."}.isdisjoint(name.split("/")), "holds an empty part or '.'"),
    (lambda name: name.count("/") >= DEEPEST, f"is more than {DEEPEST} levels deep"),
    (_lookalike, "holds characters that look like others; write it in normal form (NFKC)"),
)
"""What can be wrong with the characters and the shape of a name: the first that is true."""


def _form(name: str) -> str | None:
    for wrong, problem in _FORMS:
        if wrong(name):
            return problem
    for char in name:
        if not (char.isalnum() or char in _PUNCTUATION or char == "/"):
            return f"holds {char!a}; letters, digits and _ . + @ - are possible"
    return None


def _part(part: str) -> str | None:
    """What is wrong with one part of a well-formed name."""
    folded = part.casefold()
    if part[0] == "-":
        return f"has a part {part!r} that starts with '-'"
    if part[0] == "." and part not in HIDDEN:
        return f"has a hidden part {part!r}"
    if part[-1] == ".":
        return f"has a part {part!r} that ends with '.'"
    if folded in HOOKS:
        return f"has a part {part!r} that configures an interpreter, a test runner or a CI service"
    if part == "HEAD":
        return "has a part 'HEAD', which makes git take its directory for a repository"
    if folded.endswith(SUFFIXES):
        return f"has a part {part!r} that would act as start-up file, compiled code or installed package"
    if folded.split(".")[0] in DEVICES:
        return f"has a part {part!r} that is a device on Windows"
    return None


def _shadow(name: str) -> str | None:
    """Python only: a module or package that would be imported instead of one of the standard library or of pytest."""
    folded = name.casefold()
    if not folded.endswith((".py", ".pyi")):
        return None
    for root in IMPORT_ROOTS:
        if root and not folded.startswith(root + "/"):
            continue
        first, *rest = folded[len(root) + 1 :].split("/") if root else folded.split("/")
        module = first if rest else first.removesuffix(".pyi").removesuffix(".py")
        if module in RUNNER:
            return f"would be imported instead of {module!r}, which runs the tests; choose another name"
        if module in _STANDARD:
            return f"would be imported instead of the standard library's {module!r}; choose another name"
    return None


_STANDARD = frozenset(name.casefold() for name in sys.stdlib_module_names)


def check_paths(files: Mapping[str, str], owned: Collection[str] | None) -> None:
    """Look at every name (and whether its text can be written as UTF-8). Touches no disk.

    ``owned``: the names that may be written, ``None`` for any. Raises ``PathRefused`` with one sentence per bad name;
    then nothing of the answer may be used.
    """
    problems: list[str] = []
    twins: dict[str, str] = {}
    good: list[str] = []
    for name, text in files.items():
        problem = _form(name)
        if problem is None:
            problem = next(filter(None, map(_part, name.split("/"))), None) or _shadow(name)
        if problem is None and owned is not None and name not in owned:
            listed = ", ".join(map(_shown, sorted(owned)[:20])) or "nothing"
            problem = f"is not a file of this component, which owns {listed}"
        if problem is None and (other := twins.setdefault(name.casefold(), name)) != name:
            problem = f"differs from {_shown(other)} only in capitals"
        if problem is None and not _encodable(text):
            problem = "has a text that cannot be written as UTF-8 (a lone surrogate)"
        if problem is None:
            good.append(name)
        else:
            problems.append(f"{_shown(name)} {problem}")
    problems += _overlaps(good)
    if problems:
        raise PathRefused(problems)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _overlaps(names: list[str]) -> list[str]:
    """Names that are both a file and a directory, and directories that differ only in capitals."""
    files = {name.casefold(): name for name in names}
    directories: dict[str, str] = {}
    problems = []
    for name in names:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            directory = "/".join(parts[:depth])
            if directory.casefold() in files:
                problems.append(
                    f"{_shown(name)} needs a directory where {_shown(files[directory.casefold()])} is a file"
                )
                break
            if directories.setdefault(directory.casefold(), directory) != directory:
                other = directories[directory.casefold()]
                problems.append(
                    f"{_shown(name)} lies in a directory that differs from {_shown(other)} only in capitals"
                )
                break
    return problems


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _OnDisk(Exception):
    """What is on the disk stands in the way of one name."""


def _twin(directory: int, part: str) -> str | None:
    """An entry of the open directory that differs from ``part`` only in capitals or Unicode form."""
    for entry in os.listdir(directory):
        if entry != part and unicodedata.normalize("NFC", entry).casefold() == part.casefold():
            return entry
    return None


def _descend(directory: int, part: str) -> int | None:
    """Open a directory below an open one; ``None`` when it does not exist."""
    if twin := _twin(directory, part):
        raise _OnDisk(f"differs from {_shown(twin)}, which exists, only in capitals or Unicode form")
    try:
        return os.open(part, _DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError:
        raise _OnDisk(f"goes through {part!r}, which is a link or not a directory") from None


def _examine(root: int, name: str) -> None:
    """Raise ``_OnDisk`` when ``name`` cannot be written below ``root`` as things are; changes nothing."""
    *parents, last = name.split("/")
    with ExitStack() as opened:
        directory = root
        for part in parents:
            below = _descend(directory, part)
            if below is None:
                return
            opened.callback(os.close, below)
            directory = below
        if twin := _twin(directory, last):
            raise _OnDisk(f"differs from {_shown(twin)}, which exists, only in capitals or Unicode form")
        try:
            found = os.stat(last, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISLNK(found.st_mode):
            raise _OnDisk("is a link")
        if not stat.S_ISREG(found.st_mode):
            raise _OnDisk("is not an ordinary file")
        if found.st_nlink > 1:
            raise _OnDisk("is one file with another name elsewhere (a hard link)")


@dataclass(frozen=True)
class _Place:
    """Where one file goes, with what is needed to take it back."""

    directory: int
    """Its open directory."""
    name: str
    """Its name there."""
    fresh: str
    """The new text, under a temporary name."""
    kept: str
    """The temporary name of what was there before, while it may be wanted back."""


@contextmanager
def _undone_on_error() -> Iterator[Callable[..., object]]:
    """Yields a function that notes how to undo a step; the steps are undone in reverse when the block fails."""
    undo = ExitStack()
    try:
        yield lambda step, *args, **kwargs: undo.callback(_quietly, step, args, kwargs)
    except BaseException:
        undo.close()
        raise
    undo.pop_all()


def _quietly(step: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    with suppress(OSError):
        step(*args, **kwargs)


def write_files(root: Path, files: Mapping[str, str]) -> None:
    """Write all of ``files`` below ``root``, which must exist, or none.

    Names are checked (:func:`check_paths`) and compared with what is on the disk first: nothing is written through a
    link, over a file that has a second name, or beside a twin. New texts are written under temporary names and renamed
    at the end; when a step fails (disk full, interrupted), what was renamed is put back and what was made is removed.

    Raises ``PathRefused`` with one sentence per bad name, ``OSError`` when the disk refuses; in both cases the tree is
    as before.
    """
    check_paths(files, None)
    with ExitStack() as opened:
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, top)
        problems = []
        for name in files:
            try:
                _examine(top, name)
            except _OnDisk as error:
                problems.append(f"{_shown(name)} {error}")
        if problems:
            raise PathRefused(problems)
        with _undone_on_error() as undo:
            directories = {"": top}
            places = [_prepare(directories, name, text, opened, undo) for name, text in files.items()]
            replaced = [place for place in places if _put(place, undo)]
        for place in replaced:
            os.unlink(place.kept, dir_fd=place.directory)


def _prepare(
    directories: dict[str, int], name: str, text: str, opened: ExitStack, undo: Callable[..., object]
) -> _Place:
    """Make the directories, kept open in ``directories``, and the temporary file."""
    *parents, last = name.split("/")
    directory = directories[""]
    for depth, part in enumerate(parents, 1):
        path = "/".join(parents[:depth])
        if path not in directories:
            try:
                os.mkdir(part, 0o755, dir_fd=directory)
                undo(os.rmdir, part, dir_fd=directory)
            except FileExistsError:
                pass
            directories[path] = os.open(part, _DIRECTORY, dir_fd=directory)
            opened.callback(os.close, directories[path])
        directory = directories[path]
    mark = secrets.token_hex(8)
    place = _Place(directory, last, fresh=f".new-{mark}", kept=f".old-{mark}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(place.fresh, flags, 0o644, dir_fd=directory)
    undo(os.unlink, place.fresh, dir_fd=directory)
    with open(fd, "wb") as file:
        file.write(text.encode())
    return place


def _put(place: _Place, undo: Callable[..., object]) -> bool:
    """Rename the new text into its place; whether something was there, which is kept aside."""
    where = {"src_dir_fd": place.directory, "dst_dir_fd": place.directory}
    try:
        before = os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
    except FileNotFoundError:
        undo(os.unlink, place.name, dir_fd=place.directory)
        os.rename(place.fresh, place.name, **where)
        return False
    os.chmod(place.fresh, stat.S_IMODE(before.st_mode) & 0o777, dir_fd=place.directory)
    undo(os.unlink, place.kept, dir_fd=place.directory)  # last: renaming a link onto its own file does nothing
    undo(os.rename, place.kept, place.name, **where)
    try:
        os.link(place.name, place.kept, **where, follow_symlinks=False)
    except OSError:  # a file system without hard links
        os.rename(place.name, place.kept, **where)
    os.rename(place.fresh, place.name, **where)
    return True
