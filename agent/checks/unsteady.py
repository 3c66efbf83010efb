"""What in a test's own source can come out differently when it runs again: chance, clocks, threads, orders that nobody set."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from agent.checks.names import Names, Uses
from agent.checks.pytest_source import called, function_of
from graphs.values import Files

_CHANCE = frozenset({"uuid.uuid1", "uuid.uuid4", "os.urandom", "random.SystemRandom"})
_CLOCKS = frozenset(
    {
        *(f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")),
        *(f"time.{name}" for name in ("process_time", "process_time_ns", "thread_time", "sleep")),
        *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
        "datetime.date.today", "asyncio.sleep",
    }
)  # fmt: skip
_NOW_IF_NOT_GIVEN = {"time.localtime": 0, "time.gmtime": 0, "time.ctime": 0, "time.asctime": 0, "time.strftime": 1}
"""Clocks that are read when fewer arguments than these, and one more, are given."""
_WORKERS = frozenset(
    {
        "threading.Thread", "threading.Timer", "multiprocessing.Process", "multiprocessing.Pool", "_thread.start_new_thread",
        "concurrent.futures.ThreadPoolExecutor", "concurrent.futures.ProcessPoolExecutor",
    }
)  # fmt: skip
_AWAITING = frozenset({"result", "wait", "shutdown", "map", "starmap", "as_completed"})
_LISTINGS = frozenset({"os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob"})
_LISTING_METHODS = frozenset({"iterdir", "glob", "rglob"})
_ORDERING = frozenset({"list", "tuple", "str", "repr", "enumerate", "iter", "zip", "map"})
_ORDERLESS = frozenset(
    {"sorted", "set", "frozenset", "len", "sum", "min", "max", "any", "all", "Counter", "assertCountEqual"}
)


def unsteady(tests: Files, test_id: str) -> str:
    """What can differ from run to run in a test and what it uses of its file, in words; empty for nothing.

    >>> unsteady({"tests/test_a.py": "import time\\ndef test_a():\\n    assert f(time.time())\\n"}, "tests/test_a.py::test_a")
    'the clock (time.time)'
    """
    found = function_of(tests, test_id)
    if found is None:
        return ""
    tree, function = found
    parts, names = Uses(tree).of(function), Names(tree)
    said: dict[str, None] = {}
    for part in parts:
        inside = names.inside(part)
        around = {id(child): parent for parent in ast.walk(part) for child in ast.iter_child_nodes(parent)}
        for node in ast.walk(part):
            said.update(dict.fromkeys(_differs(node, inside, around)))
    at_import = [statement for statement in tree.body if isinstance(statement, ast.Expr)]
    if any(_seeds(part, names.inside(part)) for part in (*at_import, *parts)):
        said = {word: None for word in said if not word.startswith("chance (random.")}
    if any(_awaits(n) for p in parts for n in ast.walk(p)):
        said = {word: None for word in said if not word.startswith("threads")}
    return ", ".join(said)


def _seeds(part: ast.AST, names: Names) -> bool:
    calls = (node for node in ast.walk(part) if isinstance(node, ast.Call))
    return any(names.of(call.func) == "random.seed" and bool(call.args or call.keywords) for call in calls)


def _awaits(node: ast.AST) -> bool:
    """Whether it waits for a thread, process or task to end; ``sep.join(parts)`` does not."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    timeout = all(isinstance(a, ast.Constant) and isinstance(a.value, int | float) for a in node.args)
    return called(node) in _AWAITING or (called(node) == "join" and timeout)


def _differs(node: ast.AST, names: Names, around: Mapping[int, ast.AST]) -> Iterator[str]:
    if isinstance(node, ast.Name | ast.Attribute):
        yield from _named(names.of(node), around.get(id(node)))
    elif isinstance(node, ast.Call):
        meant = names.of(node.func)
        if meant in _NOW_IF_NOT_GIVEN and len(node.args) <= _NOW_IF_NOT_GIVEN[meant]:
            yield f"the clock ({meant})"
        if meant in _WORKERS and not isinstance(around.get(id(node)), ast.withitem):
            yield f"threads ({meant})"
        if meant in ("builtins.id", "builtins.hash") and not _twice(node, names, around) and not _stable(node):
            yield f"{meant.removeprefix('builtins.')}()"
        listing = meant in _LISTINGS or (not meant and called(node) in _LISTING_METHODS)
        if listing and not _order_is_lost(node, around):
            yield f"the order of files ({meant or called(node)})"
    if _is_set(node, names) and not _order_is_lost(node, around):
        taken = _order_is_taken(node, around)
        if taken:
            yield f"the order of a set ({taken})"


def _named(meant: str, parent: ast.AST | None) -> Iterator[str]:
    top, _, rest = meant.partition(".")
    if meant in _CLOCKS:
        yield f"the clock ({meant})"
    elif meant in _CHANCE or (top == "secrets" and rest and rest != "compare_digest"):
        yield f"chance ({meant})"
    elif meant == "random.Random":
        if not (isinstance(parent, ast.Call) and parent.args):
            yield "chance (random.Random)"
    elif top == "random" and rest and rest != "seed" and not isinstance(parent, ast.Attribute):
        yield f"chance ({meant})"
    elif meant == "os.environ" and isinstance(parent, ast.Compare):
        yield "the environment (os.environ)"


def _twice(node: ast.Call, names: Names, around: Mapping[int, ast.AST]) -> bool:
    """Whether it is compared with another of its kind, as in ``hash(a) == hash(b)``."""
    parent = around.get(id(node))
    sides: Sequence[ast.expr] = (parent.left, *parent.comparators) if isinstance(parent, ast.Compare) else ()
    own = names.of(node.func)
    return bool(sides) and all(isinstance(side, ast.Call) and names.of(side.func) == own for side in sides)


def _stable(node: ast.Call) -> bool:
    """Whether it is the hash of a number."""
    return called(node) == "hash" and all(
        isinstance(a, ast.Constant) and isinstance(a.value, int | float) for a in node.args
    )


def _is_set(node: ast.AST, names: Names) -> bool:
    if isinstance(node, ast.Set):  # numbers keep their order from run to run
        return not all(isinstance(item, ast.Constant) and isinstance(item.value, int | float) for item in node.elts)
    if isinstance(node, ast.Call):
        return names.of(node.func) in ("builtins.set", "builtins.frozenset") and bool(node.args)
    return isinstance(node, ast.SetComp)


def _order_is_taken(node: ast.AST, around: Mapping[int, ast.AST]) -> str:
    """What makes a sequence of a set, as it might be written; empty when nothing does."""
    parent = around.get(id(node))
    if (
        isinstance(parent, ast.Call)
        and node in parent.args
        and (called(parent) in _ORDERING or called(parent) == "join")
    ):
        return f"{called(parent)}(set)"
    if isinstance(parent, ast.Attribute) and parent.attr == "pop":
        return "pop"
    if isinstance(parent, ast.comprehension) and isinstance(around.get(id(parent)), ast.ListComp | ast.GeneratorExp):
        return "list of a set"
    return "f-string" if isinstance(parent, ast.FormattedValue) else ""


def _order_is_lost(node: ast.AST, around: Mapping[int, ast.AST]) -> bool:
    """Whether something around it does not care for the order."""
    parent = around.get(id(node))
    while isinstance(parent, ast.expr | ast.comprehension | ast.keyword):
        if isinstance(parent, ast.Call) and called(parent) in _ORDERLESS:
            return True
        if isinstance(parent, ast.SetComp | ast.DictComp):
            return True
        parent = around.get(id(parent))
    return False
