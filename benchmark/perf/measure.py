"""What every program of this folder shares: which machine it ran on, and the one JSON object it prints."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """The machine a figure belongs to: ``cpu`` (model), ``cores`` (usable here), ``python``, ``platform``."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu_model(),
        "cores": cores,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            label, _, value = line.partition(":")
            if label.strip().lower() in {"model name", "hardware", "cpu model"} and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def arguments(description: str | None) -> argparse.Namespace:
    """The command line every program here takes: ``--quick`` for a short look."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short look: fewer or smaller repetitions")
    return parser.parse_args()


def report(
    name: str,
    value: float,
    unit: str,
    *,
    target: str,
    holds: bool,
    baselines: Mapping[str, Any],
    **extra: Any,
) -> None:
    """Print one figure as exactly one JSON object on one line of standard output.

    ``value`` is in ``unit``; ``target`` is the promise in words (``"<= 1.05"``) and ``holds`` whether this run kept it;
    ``baselines`` says what the same job costs done otherwise (name → figure in the same unit); ``extra`` are details.
    """
    figure = {
        "name": name,
        "value": value,
        "unit": unit,
        "target": target,
        "holds": holds,
        "baselines": dict(baselines),
        "machine": machine(),
        **extra,
    }
    sys.stdout.write(json.dumps(figure, allow_nan=False) + "\n")
    sys.stdout.flush()
