"""How quickly the page of ``agent ui`` shows a run in a browser, and what is new in it.

The real page, served by the real command, in the Chromium of this machine (headless; nothing is downloaded), at 1280 x 800. The
journal is written event by event as a run writes it, by this process, while the page looks on. All times of a page are from
its navigation, by its own clock. Size and time of the page as one file are those of the bundled demo (not with ``--quick``,
where it is the smallest plan).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.store.journal import SqliteJournal
from agent.web import page
from benchmark.perf.measure import arguments, report
from benchmark.perf.synthetic import layered_plan
from graphs import document, events
from graphs.errors import PrerequisiteError
from graphs.events import Event

SIZES, QUICK_SIZES = (20, 200, 2_000), (20, 200)
SMALL_MS, LARGE_MS = 500.0, 3_000.0
"""Most until the picture of the smallest and of the largest plan is there and the page answers."""
DELAY_MS = 400.0
"""Most from an event in the journal to the frame that shows it, half of the times."""
RATE, SECONDS = 50, 5
"""Events a second, and for how long, while frames are counted."""
FRAMES = 20.0
"""Fewest frames a second meanwhile, at 200 components."""
REPEATS = 10
PARALLEL = 16
"""Components in work at once."""

WATCH = """
window.measured = {};
const look = () => {
  const cy = document.getElementById("graph")?._cyreg?.cy;
  if (!cy || !cy.nodes().length) { requestAnimationFrame(look); return; }
  requestAnimationFrame(() => requestAnimationFrame(() => {
    measured.first = performance.now();
    requestIdleCallback(() => { measured.interactive = performance.now(); });
  }));
};
requestAnimationFrame(look);
"""
"""Two frames after the picture is built it is on the screen; once the page is idle it answers."""
SHOWN = """([name, words]) => new Promise(done => {
  const look = () => {
    const row = document.querySelector(`#list [data-component="${name}"]`);
    if (row && row.textContent.includes(words)) requestAnimationFrame(() => done(Date.now() / 1000));
    else requestAnimationFrame(look);
  };
  look();
})"""
COUNT = """seconds => new Promise(done => {
  const gaps = [], began = performance.now();
  let last = began;
  const frame = now => {
    gaps.push(now - last); last = now;
    if (now - began < seconds * 1000) requestAnimationFrame(frame);
    else done({ frames_per_second: (gaps.length - 1) / (now - began) * 1000, longest_ms: Math.max(...gaps.slice(1)) });
  };
  requestAnimationFrame(frame);
})"""


def browser_path() -> str:
    """The browser of this machine. ``PrerequisiteError`` when there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise PrerequisiteError(
            "there is no Chromium to measure the page in; install it, for example: apt-get install chromium"
        )
    return found


class Writer:
    """A run that is written to while a page looks on."""

    def __init__(self, home: Path, count: int) -> None:
        self.plan = layered_plan(count)
        self.id = f"20260101-000000-synthetic-{count}"
        path = home / "runs" / self.id
        path.parent.mkdir(parents=True, exist_ok=True)
        self.journal = SqliteJournal.create(path)
        body = {"plan": document.to_data(self.plan), "author": "model", "why": "made up"}
        self.tell(
            Event(events.RUN_STARTED, body={"spec": "", "settings": {}}),
            Event(events.PLAN_REVISED, revision=self.plan.revision, body=body),
            *(Event(events.COMPONENT_STARTED, c.id, body={"key": "k"}) for c in self.plan.components[:PARALLEL]),
        )

    def tell(self, *told: Event) -> None:
        """Journal them, in a thread with a loop of its own: Playwright has one in this."""
        thread = threading.Thread(target=lambda: asyncio.run(self.journal.append(*told)))
        thread.start()
        thread.join()

    def step(self, number: int, at: int = 0) -> tuple[str, str]:
        """A component goes one step on; its id, and words that its row then has."""
        name = self.plan.components[at].id
        self.tell(Event(events.COMPONENT_STEP, name, body={"step": "repair", "attempt": number}))
        return name, f"({number})"


@contextmanager
def served(home: Path) -> Iterator[str]:
    """``agent ui`` in a process of its own; its address."""
    command = [sys.executable, "-m", "agent.cli", "ui", "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "AGENT_HOME": str(home)})
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def opened(browser: Any, address: str, run: str) -> tuple[Any, dict[str, float]]:
    """A page that looks at a run, and when its picture was there and it answered, in milliseconds."""
    view = browser.new_page(viewport={"width": 1280, "height": 800})
    view.add_init_script(WATCH)
    view.goto(f"{address}#/{run}")
    view.wait_for_function("() => measured.interactive", timeout=60_000)
    found = view.evaluate("measured")
    return view, {"first_picture_ms": round(found["first"]), "interactive_ms": round(found["interactive"])}


def measure(browser: Any, address: str, home: Path, count: int) -> dict[str, Any]:
    """One size."""
    written = Writer(home, count)
    opened(browser, address, written.id)[0].close()  # what the server does once for each run, and its imports
    view, found = opened(browser, address, written.id)
    delays = []
    for number in range(2, REPEATS + 2):
        began = time.time()
        delays.append((view.evaluate(SHOWN, list(written.step(number))) - began) * 1000)
    stop = threading.Event()

    def busy() -> None:
        number = 100
        while not stop.wait(1 / RATE):
            number += 1
            written.step(number, number % PARALLEL)

    idle = view.evaluate(COUNT, 1)
    writer = threading.Thread(target=busy)
    writer.start()
    frames = view.evaluate(COUNT, SECONDS)
    stop.set()
    writer.join()
    view.close()
    written.journal.close()
    return {
        "components": count,
        **found,
        "event_to_pixel_ms": round(statistics.median(delays)),
        "event_to_pixel_worst_ms": round(max(delays)),
        "idle_frames_per_second": round(idle["frames_per_second"], 1),
        "frames_per_second": round(frames["frames_per_second"], 1),
        "longest_frame_ms": round(frames["longest_ms"]),
    }


def exported(home: Path, quick: bool) -> dict[str, Any]:
    """The page as one file: of the demo, or of the smallest plan."""
    if not quick:
        command = [sys.executable, "-m", "agent.cli", "demo", "--quiet", "-o", str(home / "demo")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "AGENT_HOME": str(home)})
    runs = home / "runs"
    run = (
        runs / f"20260101-000000-synthetic-{SIZES[0]}" if quick else next(p for p in runs.iterdir() if "logq" in p.name)
    )
    began = time.perf_counter()
    text = page.exported(run)
    return {
        "run": run.name,
        "kilobytes": round(len(text.encode()) / 1000),
        "seconds": round(time.perf_counter() - began, 2),
    }


def main() -> None:
    """Measure every size; print one JSON object."""
    from playwright.sync_api import sync_playwright

    quick = arguments(__doc__).quick
    with (
        tempfile.TemporaryDirectory() as directory,
        served(Path(directory)) as address,
        sync_playwright() as playwright,
    ):
        home = Path(directory)
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        cases = [measure(browser, address, home, count) for count in (QUICK_SIZES if quick else SIZES)]
        browser.close()
        file = exported(home, quick)
    smallest, medium, largest = cases[0], cases[1], cases[-1]
    report(
        "page",
        smallest["interactive_ms"],
        f"ms until the page of {smallest['components']} components answers",
        target=f"<= {SMALL_MS:g} ms, <= {LARGE_MS:g} ms at {SIZES[-1]}, events shown within {DELAY_MS:g} ms, "
        f">= {FRAMES:g} frames a second at {medium['components']}",
        holds=smallest["interactive_ms"] <= SMALL_MS
        and largest["interactive_ms"] <= LARGE_MS
        and all(case["event_to_pixel_ms"] <= DELAY_MS for case in cases[:2])
        and medium["frames_per_second"] >= FRAMES,
        baselines={},
        cases=cases,
        exported=file,
    )


if __name__ == "__main__":
    main()
