"""Reading what the trusted plugin reported, and believing none of it that is not whole, in order and authentic."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.printable import printable_bytes

MESSAGE_BYTES = 4000
"""Kept of one message in a verdict, head and tail: it goes into the journal and into the next prompt."""


def shown(text: str, keep: int = MESSAGE_BYTES) -> str:
    """Hostile text made safe to print, its head and tail."""
    return printable_bytes(text.encode("utf-8", "backslashreplace"), keep)


@dataclass(frozen=True)
class Phase:
    """One phase of one test, as reported."""

    when: str
    """``setup``, ``call`` or ``teardown``."""
    outcome: str
    """``passed``, ``failed`` or ``skipped``."""
    xfail: bool
    """Marked as expected to fail: never a pass, whichever way it went."""
    exception: tuple[str, ...]
    """Class names of what was raised, most derived first; empty when nothing was."""
    message: str
    """Traceback and captured output. Hostile text."""


@dataclass(frozen=True)
class Report:
    """What one run of the tests' process said."""

    phases: Mapping[str, tuple[Phase, ...]] = field(default_factory=dict)
    """Reported test id → its phases in the order they came."""
    collect: Mapping[str, str] = field(default_factory=dict)
    """File or class that could not be collected → why. Hostile text."""
    running: str = ""
    """The test that had started and not ended; empty when there was none."""
    ended: bool = False
    """The end record came, and nothing after it."""
    forged: bool = False
    """A record was missing, out of order, malformed or not authentic."""


def read_report(channel: bytes, key: bytes) -> Report:
    """The records of one run. Reading stops at the first that is wrong; nothing raises for what the channel holds."""
    phases: dict[str, list[Phase]] = {}
    collect: dict[str, str] = {}
    running = ""
    ended = False
    forged = bool(channel) and not channel.endswith(b"\n")
    for number, line in enumerate(channel.splitlines()):
        mac, _, body = line.partition(b" ")
        expected = hmac.digest(key, body, "sha256").hex().encode("ascii")
        if ended or not hmac.compare_digest(mac, expected):
            forged = True
            break
        try:  # even an authentic record may have been signed by a forger that found the key
            record = json.loads(body)
            if record["n"] != number:
                raise ValueError("out of order")
            match record["kind"]:
                case "start":
                    running = str(record["id"])
                case "phase":
                    exception = tuple(str(name) for name in record["exception"])
                    outcome, xfail = str(record["outcome"]), record["xfail"] is not False
                    phase = Phase(str(record["when"]), outcome, xfail, exception, str(record["message"]))
                    phases.setdefault(str(record["id"]), []).append(phase)
                    running = "" if phase.when == "teardown" else running
                case "collect":
                    collect[str(record["id"])] = str(record["message"])
                case "end":
                    ended = True
        except (ValueError, KeyError, TypeError, RecursionError):
            forged = True
            break
    return Report({name: tuple(found) for name, found in phases.items()}, collect, running, ended, forged)
