"""The temporary directory of a toolchain, and those that killed processes left behind."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
import weakref
from pathlib import Path

PREFIX = "stepgraph-"
YOUNG = 60.0
"""Seconds. A directory younger than that may belong to a process that is about to lock it."""
_NAMES = re.compile(re.escape(PREFIX) + "[a-z0-9_]{8}")
"""What ``tempfile`` makes of the prefix."""


class Scratch:
    """A directory that goes when this object goes, and is locked until then, so that :func:`sweep` knows it is in use."""

    def __init__(self) -> None:
        """``OSError`` when it cannot be made."""
        self._directory = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        self.path = Path(self._directory.name)
        lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)


def sweep() -> None:
    """Remove the directories of this user whose processes were killed; the lock of a process ends with it.

    Not by process ids: a container that shares this directory has others.
    """
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _NAMES.fullmatch(place.name) is None:
            continue
        try:
            found = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # no directory, a link, another user's, or gone by now
            continue
        try:
            about = os.fstat(found)
            if about.st_uid == os.geteuid() and time.time() - about.st_mtime > YOUNG:
                fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(place, ignore_errors=True)
        except OSError:  # it is locked
            continue
        finally:
            os.close(found)
