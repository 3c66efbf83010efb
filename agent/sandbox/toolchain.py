"""Which directories the running Python needs, so that they and nothing else of a home are shown inside."""

from __future__ import annotations

import os
import sys
from functools import cache

SYSTEM = "/usr"
"""Always shown, read-only."""


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


@cache
def python_mounts() -> tuple[tuple[str, str], ...]:
    """Pairs (path inside, directory outside) for the interpreter, its standard library and its virtual environment.

    They keep their paths: scripts and links name them. Links between them are followed one by one, because an
    interpreter may be reached through an alias (``cpython-3.11`` → ``cpython-3.11.7``) that must exist inside too.
    """
    wanted = [sys.base_prefix, sys.prefix]
    hop = sys.executable
    for _ in range(20):
        wanted.append(os.path.dirname(os.path.dirname(hop)))
        if not os.path.islink(hop):
            break
        hop = os.path.normpath(os.path.join(os.path.dirname(hop), os.readlink(hop)))
    mounts: dict[str, str] = {}
    for path in sorted({os.path.abspath(path) for path in wanted}):
        outside = os.path.realpath(path)
        known = any(_is_below(path, inside) for inside in (SYSTEM, *mounts))
        if (
            not known
            and path != "/"
            and os.path.isfile(os.path.join(outside, "pyvenv.cfg")) | os.path.isdir(os.path.join(outside, "lib"))
        ):
            mounts[path] = outside
    return tuple(mounts.items())


def search_path() -> str:
    """``PATH`` inside: the virtual environment first, then its interpreter, then the system."""
    places = [os.path.join(sys.prefix, "bin"), os.path.join(sys.base_prefix, "bin")]
    return ":".join(dict.fromkeys([*places, "/usr/local/bin", "/usr/bin", "/bin"]))


def environment(home: str, tmp: str) -> dict[str, str]:
    """The small environment every job starts from; nothing of ours is in it."""
    return {"PATH": search_path(), "HOME": home, "TMPDIR": tmp, "LANG": "C.UTF-8", "USER": "box", "LOGNAME": "box"}
