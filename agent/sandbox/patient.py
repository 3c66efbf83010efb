"""The one place where a job is run again because not it but the machine was at fault."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from dataclasses import replace

from agent.sandbox.base import Ended, Job, Sandbox

PAUSES = (0.5, 2.0, 5.0)
"""Seconds to wait before each further try."""
SCARCE = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors that say what this machine lacks at the moment (processes, memory, descriptors, disk), not what was asked of it."""


class Patient:
    """A :class:`~agent.sandbox.base.Sandbox` over another one: runs a job that the machine ended again, a few times.

    Each try is a whole run on a fresh copy and only the last one counts. A program that brings such an ending about (it may
    fill the machine's memory) wins nothing but to be run again, and after the last try it is ended by the machine for good.
    """

    def __init__(self, sandbox: Sandbox, pauses: Sequence[float] = PAUSES) -> None:
        """``pauses``: seconds before each further try; there are so many further tries."""
        self.label = sandbox.label
        self._sandbox = sandbox
        self._pauses = pauses

    def probe(self) -> None:
        """That of the sandbox underneath."""
        self._sandbox.probe()

    def run(self, job: Job) -> Ended:
        """The first run that the machine did not end, or else the last one; its reason says how often it was tried."""
        ended = self._try(job)
        for pause in self._pauses:
            if not ended.by_machine:
                return ended
            time.sleep(pause)
            ended = self._try(job)
        if not ended.by_machine:
            return ended
        return replace(ended, reason=f"{ended.reason} (the last of {len(self._pauses) + 1} tries)")

    def _try(self, job: Job) -> Ended:
        began = time.monotonic()
        try:
            return self._sandbox.run(job)
        except OSError as error:
            if error.errno not in SCARCE:
                raise
            reason = f"the sandbox could not be started: {error.strerror}"
            return Ended("crash", None, b"", b"", 0, b"", time.monotonic() - began, self.label, reason)
