"""Trusted, and runs inside the sandbox: starts pytest on the frozen tests and reports every phase through the channel.

Started as ``python -I -S -B runner_plugin.py SITE FROZEN WORK INI PACKAGES FAILURES STYLE FILE...`` from a read-only mount;
PACKAGES is empty when there are none, after FAILURES failures it ends (0: after none), STYLE is pytest's of tracebacks. Standard
library and pytest only.

- ``-I -S``: no ``PYTHON*`` variable, start-up hook, ``.pth`` file or user directory takes part. The workspace and,
  behind it, the third-party packages come *last* on ``sys.path``: they can shadow neither the standard library nor
  pytest. Child processes of the tests are no part of the verdict: they get the workspace by ``PYTHONPATH``, which this
  process ignores.
- Each record is one line, ``MAC JSON``, numbered and authenticated with a key that is read from its descriptor before
  any foreign code is loaded, and kept in no global. What it calls to report is bound early, so that a test which
  patches ``json`` or ``os`` does not break the report.
- Whatever runs in this process can still reach the key with full knowledge of this file. That is why the parent adds a
  tripwire and a poisoned rerun (see ``agent/checks/python.py``) and keeps examples outside
  (``agent/checks/oracle.py``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from typing import Any

CHANNEL_FD = 3
KEY_FD = 4
MESSAGE_CHARS = 6000
"""Kept of one message, head and tail."""
ALL_MESSAGES_CHARS = 2_000_000
"""Kept of all messages together, so that the report stays well under what the channel takes (4 MiB)."""
UNUSED_PLUGINS = (
    "cacheprovider", "debugging", "doctest", "faulthandler", "junitxml", "pastebin", "setuponly", "setupplan",
    "stepwise", "unraisableexception",
)  # fmt: skip
"""Each costs start-up time (together 30 of 185 ms, measured) and none can change an outcome."""

Send = Callable[..., None]


def open_channel() -> Send:
    """Take the key and the channel; returns what writes one record."""
    import fcntl
    import hmac
    import json

    key = os.read(KEY_FD, 4096)
    os.close(KEY_FD)
    # High and closed on exec: programs that close or reuse low descriptors must not lose the report.
    channel = fcntl.fcntl(CHANNEL_FD, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(CHANNEL_FD)
    write, digest, getpid, owner = os.write, hmac.digest, os.getpid, os.getpid()
    encode = json.JSONEncoder(separators=(",", ":")).encode
    number = 0
    room = ALL_MESSAGES_CHARS

    def send(kind: str, message: str = "", **fields: object) -> None:
        nonlocal number, room
        if getpid() != owner:  # a fork of the tests' process has nothing to say
            return
        text = str(message)
        if len(text) > MESSAGE_CHARS:
            text = text[: MESSAGE_CHARS // 2] + "\n[...]\n" + text[-MESSAGE_CHARS // 2 :]
        if len(text) > room:
            text = ""
        room -= len(text)
        body = encode({"n": number, "kind": kind, "message": text, **fields}).encode("ascii")
        number += 1
        line = digest(key, body, "sha256").hex().encode("ascii") + b" " + body + b"\n"
        while line:
            line = line[write(channel, line) :]

    return send


def reporter(send: Send) -> Any:
    """The plugin object that turns pytest's hooks into records."""
    import pytest

    class Reporter:
        def pytest_addoption(self, parser: Any) -> None:
            # The unittest plugin asks for these options of the debugging plugin, which we leave out.
            parser.addoption("--pdb", dest="usepdb", action="store_true", default=False)
            parser.addoption("--trace", dest="trace", action="store_true", default=False)

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(self, item: Any, call: Any) -> Generator[None, Any, Any]:
            report = yield
            if call.excinfo is not None:
                report.exception_names = [cls.__name__ for cls in type(call.excinfo.value).__mro__]
            return report

        def pytest_runtest_logstart(self, nodeid: str) -> None:
            send("start", id=nodeid)

        def pytest_runtest_logreport(self, report: Any) -> None:
            if hasattr(report, "context"):  # a subtest: the test that holds it reports too
                return
            text = ""
            if report.outcome != "passed":
                parts = [report.longreprtext]
                parts += [f"--- {name}\n{content}" for name, content in report.sections if content.strip()]
                text = "\n".join(parts)
            send(
                "phase",
                text,
                id=report.nodeid,
                when=report.when,
                outcome=report.outcome,
                xfail=hasattr(report, "wasxfail"),
                exception=getattr(report, "exception_names", []),
            )

        def pytest_collectreport(self, report: Any) -> None:
            if report.outcome != "passed":
                send("collect", report.longreprtext, id=report.nodeid, outcome=report.outcome)

    return Reporter()


def main(arguments: Sequence[str]) -> int:
    """Run pytest; returns its exit status, which nobody trusts."""
    site_directory, frozen, work, ini, packages, failures, style, *files = arguments
    send = open_channel()
    import site

    site.setquit()  # programs may call exit(); -S left it out
    sys.path.append(site_directory)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    plugin = reporter(send)
    sys.path.append(work)
    if os.path.isdir(os.path.join(work, "src")):
        sys.path.append(os.path.join(work, "src"))
    if packages:
        sys.path.append(packages)
    options = [
        "-c", ini, "--rootdir", frozen, "--noconftest", "--import-mode=importlib", "-qq", "--no-header", "--no-summary",
        "--color=no", f"--tb={style}", "-o", "truncation_limit_lines=60", "-o", "truncation_limit_chars=3000",
        "-o", "tmp_path_retention_policy=all", f"--maxfail={failures}",
    ]  # fmt: skip
    for name in UNUSED_PLUGINS:
        options += ["-p", f"no:{name}"]
    status = int(pytest.main([*options, *(os.path.join(frozen, name) for name in files)], plugins=[plugin]))
    send("end", exit=status)
    return status


if __name__ == "__main__":
    # Leaves at once: exit hooks and threads of the code under test have no part in the verdict.
    os._exit(main(sys.argv[1:]))
