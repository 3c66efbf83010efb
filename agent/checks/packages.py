"""Third-party packages for generated code: fetched once, before anything generated runs, from the user's own list.

What may be installed is what the front matter of the specification names under ``packages:``, and what those need in
turn. Only wheels are taken: nothing of a package runs while it is installed. Generated code is given the finished
directory read-only (``agent/checks/python.py``) and has no network to fetch anything itself.

The directory lies in the run's own directory, not in a cache that all runs share: every verdict of a run, resumed or
not, then comes from the same versions, and ``rich`` without a version means the newest when the run began and not when
some other run did. Wheels are not downloaded twice all the same: pip keeps its own cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from agent.printable import printable, printable_bytes
from graphs.errors import PrerequisiteError
from graphs.values import digest

SECONDS = 600.0
"""Wall time of one installation: what a large package needs on a slow line."""
LONGEST = 200
"""Characters of one requirement."""
KEPT_VARIABLES = (
    "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    *(name for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (proxy, proxy.upper())),
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST", "PIP_CERT",
    "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_CONFIG_FILE", "PIP_CACHE_DIR", "PIP_NO_CACHE_DIR", "PIP_TIMEOUT",
    "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_CONSTRAINT", "PIP_PRE", "PIP_PREFER_BINARY", "PIP_KEYRING_PROVIDER",
)  # fmt: skip
"""All that pip is told of this process: where packages come from and how they are reached. No key of a model, and none
of pip's own variables that say what to install or where to."""
START_UP_FILES = ("*.pth", "sitecustomize*", "usercustomize*")
"""Taken out of what was installed: files that an interpreter runs or obeys without being asked to."""


def problem_of(requirement: str) -> str:
    """Why a text is no requirement that may be given to pip; empty when it is one: a name, and versions if wished.

    >>> problem_of("rich>=13,<15"), problem_of("rich @ file:///x")
    ('', "'rich @ file:///x' names an address; write a package name and, if wished, versions, such as 'rich>=13'")
    """
    wrong = ""
    try:
        parsed = Requirement(requirement if len(requirement) <= LONGEST else "")
    except InvalidRequirement:
        wrong = "is no package name"
    else:
        if parsed.url:
            wrong = "names an address"
        elif parsed.extras:
            wrong = "asks for extras"
        elif parsed.marker:
            wrong = "has a condition"
        elif any(part.operator == "===" for part in parsed.specifier):
            wrong = "has a version that is compared as mere text"
    if not wrong:
        return ""
    return f"{printable(requirement)!r:.200} {wrong}; write a package name and, if wished, versions, such as 'rich>=13'"


def problems_of_packages(packages: Sequence[str], allowed: Sequence[str] | None) -> list[str]:
    """What is wrong with the packages a component wants, one sentence each.

    Args:
        packages: requirement strings, written by a model.
        allowed: those of the specification, known to be sound; ``None`` when the specification is not at hand.
    """
    found: list[str] = []
    names = None if allowed is None else {canonicalize_name(Requirement(text).name) for text in allowed}
    there = f"allowed are {', '.join(map(repr, allowed))}" if allowed else "it allows none: use the standard library"
    for text in packages:
        if problem := problem_of(text):
            found.append(f"package {problem}")
        elif names is not None and canonicalize_name(Requirement(text).name) not in names:
            found.append(f"wants package {text!r}, which the specification does not allow; {there}")
    return found


class Environment:
    """Directories of installed packages, one per list of requirements. Only for requirements without a problem."""

    def __init__(self, root: Path, seconds: float = SECONDS) -> None:
        """
        Args:
            root: holds the directories; made when missing.
            seconds: wall time of one installation.
        """
        self.root = root.absolute()
        self._seconds = seconds

    def place(self, packages: Sequence[str]) -> Path:
        """Where these packages are, once they are installed: the same for every order and spelling of the list."""
        python = f"{sys.implementation.cache_tag}-{sys.platform}"  # what was compiled for one does not load in another
        return self.root / digest([python, _requirements(packages)])[:16]

    def log(self, packages: Sequence[str]) -> Path:
        """What pip said when it last tried to install them."""
        return self.place(packages).with_suffix(".log")

    def ensure(self, packages: Sequence[str]) -> Path:
        """The directory that holds these packages and what they need, installed now unless it is there: all or nothing.

        Blocks, with network, for at most ``seconds``. ``PrerequisiteError`` says what could not be installed and why.
        """
        place = self.place(packages)
        if place.is_dir():
            return place
        wanted = _requirements(packages)
        if find_spec("pip") is None:
            raise PrerequisiteError(
                f"{', '.join(wanted)} cannot be installed because this Python has no pip; "
                f"run: {sys.executable} -m ensurepip --upgrade"
            )
        made: str | None = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            made = tempfile.mkdtemp(prefix=f".{place.name}-", dir=self.root)
            fresh = Path(made) / "packages"
            fresh.mkdir()
            self._install(wanted, fresh, self.log(packages))
            _take_out_start_up_files(fresh)
            try:
                fresh.rename(place)
            except OSError:
                if not place.is_dir():  # else another process was faster, and what it made is as good
                    raise
        except OSError as error:
            raise PrerequisiteError(
                f"{', '.join(wanted)} cannot be installed in {str(self.root)!r}: {error.strerror or error}"
            ) from error
        finally:
            if made is not None:
                shutil.rmtree(made, ignore_errors=True)
        return place

    def _install(self, wanted: Sequence[str], target: Path, log: Path) -> None:
        command = [
            sys.executable, "-I", "-m", "pip", "install", "--only-binary", ":all:", "--no-input", "--no-color",
            "--disable-pip-version-check", "--progress-bar", "off", "--root-user-action", "ignore",
            "--target", str(target), "--", *wanted,
        ]  # fmt: skip
        late = ""
        try:
            # In an empty directory: no name of a package can be taken for a file beside it.
            ended = subprocess.run(
                command,
                cwd=target,
                env=_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self._seconds,
                check=False,
            )
            said, status = printable_bytes(ended.stdout), ended.returncode
        except subprocess.TimeoutExpired as error:
            said, status = printable_bytes(error.stdout or b""), -1
            late = f"pip was still busy after {self._seconds:g} seconds"
        log.write_text(f"$ {' '.join(command)}\n{said}{late}\n", encoding="utf-8")
        if status:
            raise PrerequisiteError(
                f"{', '.join(wanted)} cannot be installed: {late or _last_line(said)} "
                f"(all that pip said is in {str(log)!r}); mend 'packages' in the specification or the way to the packages"
            )


def installed(directory: Path) -> tuple[str, ...]:
    """Name and version of everything in a directory of packages, in order of names: ``("pygments 2.19.2", …)``."""
    found = (f"{d.metadata['Name']} {d.version}" for d in distributions(path=[str(directory)]))
    return tuple(printable(text) for text in sorted(found, key=str.casefold))


def _requirements(packages: Sequence[str]) -> list[str]:
    """Sorted, in one spelling, each made anew from what was understood of it. ``ValueError`` for one with a problem."""
    made: set[str] = set()
    for text in packages:
        if problem := problem_of(text):
            raise ValueError(problem)
        parsed = Requirement(text)
        made.add(f"{canonicalize_name(parsed.name)}{parsed.specifier}")
    return sorted(made)


def _environment(outside: Mapping[str, str]) -> dict[str, str]:
    return {name: outside[name] for name in KEPT_VARIABLES if name in outside}


def _take_out_start_up_files(directory: Path) -> None:
    for pattern in START_UP_FILES:
        for path in directory.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _last_line(said: str) -> str:
    """Pip's last word on an error, or simply its last one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["pip said nothing"]
    return next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1])[:500]
