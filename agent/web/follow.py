"""One run, followed while another process works on it: what is known of it, and since when."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.store.journal import JournalReader, SqliteJournal, is_live
from graphs.run_state import RunState
from graphs.status import State
from graphs.values import Plan, Usage, from_json

COUNT_SECONDS = 1.0
"""Between two looks at what the calls of a run that is worked on have cost: all of them are read for it."""


class Follower:
    """The fold of a journal that may still grow. Safe to ask from several threads."""

    def __init__(self, run_dir: Path) -> None:
        """``JournalError`` when there is no journal that can be read."""
        self.reader: JournalReader = SqliteJournal.read(run_dir)
        self.state = RunState()
        """As of the last :meth:`poll`."""
        self.live = False
        """Whether a process worked on it then."""
        self.version = 0
        """Rises whenever anything that a page shows has changed. Starts at the same number for the same journal."""
        self.plan_version = 0
        """The version at which the plan was last cut anew."""
        self.changed: dict[str, int] = {}
        """Component id → the version at which something about it last changed."""
        self.lock = threading.RLock()
        """Held while something is read that must not change meanwhile: :meth:`poll` waits for it."""
        self.drawn: tuple[Plan, dict[str, Any]] | None = None
        """A plan and its picture as ``view`` last drew it: placing thousands of components takes long."""
        self._counted = float("-inf")
        self._shown: dict[str, State] = {}
        self._told: Any = None
        self.poll()

    def poll(self) -> bool:
        """Take in what was journalled since; whether anything has changed. ``JournalError`` when it cannot be read."""
        with self.lock:
            live = is_live(self.reader.run_dir)  # asked first: a run that ends in between is then seen as ended
            state, before = self.state, self.state.seq
            revision = (state.plan.revision if state.plan else -1, len(state.revisions))
            for event in self.reader.events(after=before):
                state.apply(event)
            if not live:
                state.halt()
            if not live or time.monotonic() - self._counted >= COUNT_SECONDS:
                self._count()
                self._counted = time.monotonic()
            now = (state.plan.revision if state.plan else -1, len(state.revisions))
            differing = [name for name, known in state.components.items() if self._shown.get(name) is not known]
            told = (state.seq, live, state.status, state.phase, state.usage)
            if not differing and now == revision and told == self._told:
                return False
            self.version = max(self.version + 1, state.seq)
            if now != revision:
                self.plan_version = self.version
            self.changed = {name: self.changed.get(name, 0) for name in state.components}
            self.changed.update(dict.fromkeys(differing, self.version))
            self._shown, self._told, self.live = dict(state.components), told, live
            return True

    def _count(self) -> None:
        """Bring what calls cost up to date: those tell nothing in the journal's events."""
        total, of = Usage(), dict[str, Usage]()
        for component, spent in self.reader.usages():
            usage = from_json(Usage, dict(spent))
            total += usage
            of[component] = of.get(component, Usage()) + usage
        self.state.usage = total
        for name, known in self.state.components.items():
            if known.usage != of.get(name, Usage()):
                self.state.components[name] = replace(known, usage=of[name])

    def close(self) -> None:
        """Let go of the journal."""
        self.reader.close()
