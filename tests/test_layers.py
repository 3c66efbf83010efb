"""The floors of the house: imports point down, ``graphs/`` knows no vendor, nothing heavy loads with the command line."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

from agent.cli import COMMANDS

ROOT = Path(__file__).parents[1]
FLOORS = {"benchmark": 4, "agent": 3, "few_shot": 2, "graphs": 1}
VENDORS_OF_GRAPHS = {"networkx", "langgraph", "pydantic", "yaml"}
OUTSIDE_WORLD = {
    "os", "io", "shutil", "tempfile", "glob", "fcntl", "mmap", "sqlite3",  # disk
    "subprocess", "multiprocessing", "signal", "threading", "concurrent", "ctypes",  # processes
    "socket", "ssl", "http", "urllib", "selectors",  # network
    "sys", "curses", "tty", "termios", "readline", "getpass", "locale",  # terminal
}  # fmt: skip
HARMLESS = {"sys": {"stdlib_module_names"}, "threading": {"Lock"}}
"""What ``graphs/`` may use of a module that is otherwise the outside world."""
HEAVY = {"langchain_openai", "langchain_core", "langchain", "openai", "langgraph", "networkx", "pydantic", "guidance"}
HEAVY |= {"jinja2", "yaml", "bm25s", "numpy", "rich", "asyncio", "httpx"}
"""Packages that take long to import; modules of ours that import them at their top are found by following imports."""


def files(package: str) -> list[Path]:
    found = [p for p in (ROOT / package).rglob("*.py") if not {"tasks", "plans", "__pycache__"} & set(p.parts)]
    assert found
    return sorted(found)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


OURS = {module_of(path): path for package in FLOORS for path in files(package)}


def statements(tree: ast.Module, top_only: bool) -> Iterator[ast.stmt]:
    """Imports; with ``top_only`` only those that run when the module is imported."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        if top_only and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if top_only and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)


def imports(path: Path, top_only: bool = False) -> set[str]:
    """Full names of the modules a file imports; ``from a import b`` gives ``a.b`` where that is a module of ours."""
    found: set[str] = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8")), top_only):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide the floor"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in below if name in OURS}
            if any(name not in OURS for name in below):
                found.add(str(node.module))
    return found


def root(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("module", sorted(OURS))
def test_arrows_point_down(module: str) -> None:
    upwards = {i for i in imports(OURS[module]) if FLOORS.get(root(i), 0) > FLOORS[root(module)]}

    assert upwards == set()
    assert "tests" not in {root(i) for i in imports(OURS[module])}


@pytest.mark.parametrize("module", sorted(m for m in OURS if root(m) == "graphs"))
def test_the_graphs_know_no_vendor_no_process_no_disk_and_no_terminal(module: str) -> None:
    source = OURS[module].read_text(encoding="utf-8")
    tree = ast.parse(source)
    found = {root(i) for i in imports(OURS[module])} - {"graphs", "__future__"}

    assert found <= set(sys.stdlib_module_names) | VENDORS_OF_GRAPHS
    for outside in found & OUTSIDE_WORLD:
        used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == outside}
        assert used <= HARMLESS.get(outside, set()), f"{module} uses {outside}: {used}"
        assert used, f"{module} imports from {outside}"
    if "pathlib" in found:
        names = {
            a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "pathlib" for a in n.names
        }
        assert names == {"PurePosixPath"}, f"{module}: a pure path touches no disk"
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}


def loaded_by(module: str) -> dict[str, list[str]]:
    """Everything that importing a module imports, each with the way to it."""
    way = {module: [module]}
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current not in OURS:
            continue
        parents = {current.rsplit(".", n)[0] for n in range(1, current.count(".") + 1)}
        for name in imports(OURS[current], top_only=True) | parents:
            if name not in way:
                way[name] = [*way[current], name]
                waiting.append(name)
    return way


def heavy(module: str, but: frozenset[str] = frozenset()) -> list[str]:
    """The ways by which importing a module loads something heavy."""
    return [" -> ".join(way) for name, way in sorted(loaded_by(module).items()) if root(name) in HEAVY - but]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_loads_anything_heavy_before_it_runs(command: str) -> None:
    module = COMMANDS[command][0].partition(":")[0]

    assert heavy(module, but=frozenset({"asyncio"})) == []


def test_the_help_loads_nothing_heavy() -> None:
    assert heavy("agent.cli") == []


@pytest.mark.parametrize("package", FLOORS)
def test_no_package_has_an_import_cycle(package: str) -> None:
    g: nx.DiGraph[str] = nx.DiGraph()
    for module, path in OURS.items():
        if root(module) == package:
            g.add_edges_from((module, i) for i in imports(path, top_only=True) if i in OURS and i != module)

    assert [sorted(knot) for knot in nx.strongly_connected_components(g) if len(knot) > 1] == []


def test_the_reader_of_imports_sees_what_it_should(tmp_path: Path) -> None:
    source = (
        "import os.path\nfrom graphs import dag, nothing\nfrom yaml import load\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import networkx\n"
        "try:\n    import rich\nexcept ImportError: ...\n"
        "class A:\n    import json\n    def f(self):\n        import guidance\n"
    )
    (tmp_path / "m.py").write_text(source)

    top = {"os.path", "graphs.dag", "graphs", "yaml", "typing", "rich", "json"}
    assert imports(tmp_path / "m.py", top_only=True) == top
    assert imports(tmp_path / "m.py") == top | {"networkx", "guidance"}
