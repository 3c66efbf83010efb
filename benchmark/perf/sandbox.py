"""What the sandbox costs: a bare process and a small pytest run, each beside the same thing confined, in turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.sandbox import open_sandbox
from agent.sandbox.base import Job, Sandbox
from benchmark.perf.measure import arguments, report

LARGEST_OVERHEAD_MS = 12.0
LARGEST_RATIO = 1.12
PROCESS = ("python", "-I", "-c", "pass")
PYTEST = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_small.py")
FILES = {
    "small.py": "def add(a, b):\n    return a + b\n",
    "test_small.py": "from small import add\n\n"
    + "".join(f"def test_{n}():\n    assert add({n}, 1) == {n + 1}\n\n" for n in range(3)),
    **{f"module_{n}.py": "VALUE = 1\n" * 50 for n in range(10)},
}
ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}


def milliseconds(run: Callable[[], None]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1000


def bare(argv: tuple[str, ...], directory: Path) -> None:
    """The same command as a plain process, its output read; with ``python`` the one that runs this program."""
    env = {"PATH": os.path.dirname(sys.executable) + ":/usr/bin:/bin", **ENVIRONMENT}
    subprocess.run(
        [sys.executable, *argv[1:]], cwd=directory, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )


def confined(sandbox: Sandbox, argv: tuple[str, ...], directory: Path) -> None:
    """The command on a throw-away copy of the directory."""
    ended = sandbox.run(Job(argv, source=directory, env=ENVIRONMENT))
    if (ended.ending, ended.exit) != ("exit", 0):
        raise SystemExit(f"the confined run failed: {ended}")


def main() -> None:
    """Print one JSON object."""
    quick = arguments(__doc__).quick
    sandbox = open_sandbox("bubblewrap")
    sandbox.probe()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        for name, text in FILES.items():
            (directory / name).write_text(text)
        medians: dict[str, float] = {}
        for name, argv, rounds in (("process", PROCESS, 20 if quick else 80), ("pytest", PYTEST, 6 if quick else 25)):
            times: dict[str, list[float]] = {"bare": [], "confined": []}
            for _ in range(rounds):
                times["bare"].append(milliseconds(partial(bare, argv, directory)))
                times["confined"].append(milliseconds(partial(confined, sandbox, argv, directory)))
            medians |= {f"{kind} {name}": round(statistics.median(values), 2) for kind, values in times.items()}
    overhead = medians["confined process"] - medians["bare process"]
    ratio = medians["confined pytest"] / medians["bare pytest"]
    report(
        name="sandbox",
        value=round(ratio, 3),
        unit="median time of a confined pytest run over a bare one",
        target=f"<= {LARGEST_RATIO}; <= {LARGEST_OVERHEAD_MS:g} ms over a bare process",
        holds=ratio <= LARGEST_RATIO and overhead <= LARGEST_OVERHEAD_MS,
        baselines={"bare process, ms": medians["bare process"], "bare pytest, ms": medians["bare pytest"]},
        overhead_ms=round(overhead, 2),
        confined_ms={"process": medians["confined process"], "pytest": medians["confined pytest"]},
        as_root=os.geteuid() == 0,
    )


if __name__ == "__main__":
    main()
