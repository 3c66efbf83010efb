"""Runs written event by event, and the page of ``agent ui`` served from this process: for tests of the page and its figures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvicorn

from agent.store.journal import SqliteJournal
from agent.web.server import HOST, application, listening
from graphs import document, events
from graphs.events import Event
from graphs.values import CaseResult, Component, Contract, Plan, Proof, Requirement, Usage, Verdict, to_json

TOKEN = "t" * 32
SECONDS = 30


def part(
    name: str,
    *needs: str,
    purpose: str = "Does its part.",
    behaviour: str = "It does what it should.",
    folder: str = "kit",
) -> Component:
    """A component with one file."""
    path = f"{folder}/{name}.py"
    interface = {path: f'def {name}(value: int) -> int:\n    """Promise."""\n    ...\n'}
    return Component(name, purpose, (path,), Contract(interface, behaviour), needs, requirements=("R1",))


def plan_of(*parts: Component, title: str = "kit", revision: int = 1) -> Plan:
    """A plan of them."""
    requirement = Requirement("R1", "It does what it should.")
    return Plan(title=title, components=parts, requirements=(requirement,), spec_digest="0" * 64, revision=revision)


class Written:
    """A run whose journal is written as a run writes it; live until it is closed."""

    def __init__(self, home: Path, run: str = "20260101-000000-kit-aaaa") -> None:
        self.id = run
        self.path = home / "runs" / run
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.journal = SqliteJournal.create(self.path)

    def _do(self, work: Coroutine[Any, Any, Any]) -> None:
        """In a thread of its own: Playwright has a loop in that of the test."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, work).result(SECONDS)

    def tell(self, kind: str, component: str = "", revision: int = 0, **body: Any) -> None:
        """Journal one event."""
        self._do(self.journal.append(Event(kind, component, revision, body)))

    def begin(self, plan: Plan, why: str = "first cut", **more: Any) -> None:
        """It has started, and has this plan."""
        self.tell(events.RUN_STARTED, spec="# kit", settings={})
        self.revise(plan, why, **more)

    def revise(self, plan: Plan, why: str, **more: Any) -> None:
        """This is the plan now."""
        data = {"plan": document.to_data(plan), "author": "model", "why": why, **more}
        self.tell(events.PLAN_REVISED, revision=plan.revision, **data)

    def call(self, component: str, step: str, answer: str, prompt: str = "Write it.", attempt: int = 1) -> str:
        """A model call that was answered; its key."""
        key = f"{component}-{step}-{attempt}"

        async def both() -> None:
            request = {"messages": [{"role": "user", "content": prompt}]}
            await self.journal.start_call(
                key, component=component, step=step, attempt=attempt, model="m", request=request
            )
            used = to_json(Usage(calls=1, prompt_tokens=10, completion_tokens=5, usd=0.01))
            await self.journal.finish_call(key, response={"text": answer, "model": "m"}, usage=used, seconds=1.0)

        self._do(both())
        return key

    def prove(self, component: str, files: dict[str, str] | None = None, test: str = "") -> None:
        """It is built and proven by one test."""
        case = test or f"tests/test_{component}.py::test_it"
        proof = Proof(
            component, "k", "passed", files or {f"kit/{component}.py": "x = 1\n"}, test_ids=(case,), attempts=1,
            verdict=Verdict("passed", (CaseResult(case, "passed"),)), provenance={case: "agreed"}, covers={"R1": (case,)},
        )  # fmt: skip
        self.tell(events.COMPONENT_PASSED, component, proof=to_json(proof))

    def end(self, status: str = "passed") -> None:
        """It ends so, and its process with it."""
        self.tell(events.RUN_FINISHED, status=status, usage={}, seconds=1.0, reason="")
        self.journal.close()


@contextlib.contextmanager
def hosted(home: Path) -> Iterator[str]:
    """The page of the runs of ``home``, served while the context lasts; its address."""
    found = listening()
    config = uvicorn.Config(
        application(home, TOKEN), log_level="critical", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    found.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [found]}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{found.getsockname()[1]}/{TOKEN}/"
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        found.close()


def got(address: str) -> Any:
    """The JSON at an address."""
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:
        return json.load(answer)


def changes(address: str, run: str, since: int, *, again: bool = False, most: float = 5.0) -> Iterator[dict[str, Any]]:
    """What the stream of a run says since a version; ``again``: asked as a browser that comes back does."""
    request = urllib.request.Request(f"{address}api/runs/{run}/stream" + ("" if again else f"?since={since}"))
    if again:
        request.add_header("last-event-id", str(since))
    until = time.monotonic() + most
    with urllib.request.urlopen(request, timeout=most) as answer:
        for line in answer:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])
            if time.monotonic() > until:
                return
