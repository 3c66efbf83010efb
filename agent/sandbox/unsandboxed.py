"""No sandbox. Only for ``--sandbox none``, typed by someone who trusts the code or throws the machine away.

What is kept is what costs nothing to keep: a clean environment, a throw-away copy, limits, a time limit. Network, home
and every file of the user are open to the code; a program that wants to can leave processes behind.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import replace

from agent.sandbox.base import WORK, Ended, Job
from agent.sandbox.supervise import bash, source_of, start_script, supervise, wire
from agent.sandbox.toolchain import environment
from agent.sandbox.watchdog import DescendantTree


class Unsandboxed:
    """Runs in a throw-away directory. Paths inside (``/box/work``, mounts) become real ones in words and variables."""

    label = "UNSANDBOXED"

    def probe(self) -> None:
        """There is nothing to hold; only bash is needed."""
        bash()

    def run(self, job: Job) -> Ended:
        """See :class:`~agent.sandbox.base.Sandbox`. ``ValueError`` for a job that cannot be meant."""
        source = source_of(job)
        with tempfile.TemporaryDirectory(prefix="box-", ignore_cleanup_errors=True) as box:
            work, tmp, copied = (os.path.join(box, name) for name in ("work", "tmp", "mounts"))
            for directory in (work, tmp, copied):
                os.mkdir(directory)
            places: dict[str, str] = {}
            for number, (inside, outside) in enumerate(sorted(job.readonly.items())):
                places[inside] = os.path.join(copied, str(number))
                os.symlink(outside.resolve(), places[inside])
                if inside.startswith(WORK + "/"):
                    link = os.path.join(work, inside[len(WORK) + 1 :])
                    os.makedirs(os.path.dirname(link), exist_ok=True)
                    os.symlink(outside.resolve(), link)
            places[WORK] = work
            mark = f"STEPGRAPH_BOX={secrets.token_hex(8)}"
            moved = replace(
                job,
                argv=tuple(_moved(word, places) for word in job.argv),
                env={name: _moved(value, places) for name, value in job.env.items()},
            )
            wires = wire(moved)
            script = start_script(wires, job, '"$0"' if source else None, count_processes=False)
            command = [bash(), "-p", "-c", script, str(source or "box"), *moved.argv]
            return supervise(
                command,
                job=moved,
                wires=wires,
                tree=DescendantTree(job.limits, mark.encode()),
                label=self.label,
                launcher=False,
                env={**environment(box, tmp), **moved.env, **dict([mark.split("=")])},
                cwd=work,
            )


def _moved(text: str, places: Mapping[str, str]) -> str:
    """``text`` with every path inside replaced by the real one, longest first."""
    for inside in sorted(places, key=len, reverse=True):
        text = text.replace(inside, places[inside])
    return text
