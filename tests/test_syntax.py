"""Parsing from several threads at once."""

from __future__ import annotations

import ast
import gc
import threading
import time
from pathlib import Path

import pytest

from graphs import syntax

ROOT = Path(__file__).parents[1]
SOURCE = "\n".join(
    f"def f{n}(a, b={{1: [2, (3, 4)]}}):\n    return [a + b * (c - {n}) for c in range(9)]" for n in range(60)
)
INSIDE = "agent/checks/oracle_driver.py"
"""Runs inside the sandbox, alone, and can import nothing of ours."""


def test_threads_that_parse_at_the_same_time_do_not_disturb_each_other() -> None:
    """A garbage collector that gives other threads a chance, as it does wherever something has registered with it."""
    failures: list[BaseException] = []

    def work(depth: int) -> None:
        if depth:  # the interpreter compares depths, so the threads must differ in theirs
            work(depth - 1)
            return
        try:
            for _ in range(10):
                assert len(syntax.parse(SOURCE).body) == 60
                assert syntax.literal(f"[{'(1, [2]), ' * 400}]")[-1] == (1, [2])
        except BaseException as error:
            failures.append(error)

    def pause(phase: str, info: dict[str, int]) -> None:
        time.sleep(0.0001)

    threads = [threading.Thread(target=work, args=(3 * n,)) for n in range(4)]
    gc.callbacks.append(pause)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.callbacks.remove(pause)
    assert failures == []


@pytest.mark.parametrize("package", ["graphs", "few_shot", "agent", "benchmark"])
def test_everything_else_parses_through_it(package: str) -> None:
    """One caller that does not would disturb all others."""
    forbidden = {"parse", "literal_eval"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / package).rglob("*.py"))
        if not {"tasks", "plans"} & set(path.relative_to(ROOT).parts)
        if str(path.relative_to(ROOT)) not in (INSIDE, "graphs/syntax.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ast" and node.attr in forbidden
    ]
    assert found == []
