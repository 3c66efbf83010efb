"""What programs do with inputs that tests and examples hold, and with inputs near them, for comparing programs with each other.

The calls come from the contract, the tests and the examples alone, never from the code, so that every program for the
same contract is given the same ones. Nothing is expected of them, and nothing here is a verdict.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product, zip_longest
from typing import Any

from agent.checks.names import Names, constants, modules_of, rows, value_of
from agent.checks.oracle import LITERAL_CHARS, Place, Result, carried_out, text_of
from agent.checks.pytest_source import Function, parsed
from agent.checks.report import shown
from graphs import syntax
from graphs.errors import NotJudged
from graphs.values import Component, Example, Files, Step

MOST = 60
"""Calls tried for one component."""
CALL_CHARS = 400
"""A longer call is not tried."""
RESULT_CHARS = 500
"""Kept of one result."""
SECONDS = 3.0
"""Wall time for all calls that follow each other without one that ends the process."""
_NAMELESS = re.compile(r"<(?:[^<>]|<locals>|<lambda>)* at 0x[0-9a-fA-F]+>")
"""The text of a thing that has none of its own: an address, and names that each program is free to choose."""
_ROWS = 50
"""Rows of a test's tables that are read."""
_STARTS = 4
"""How often the calls are begun with, each time after the one that ended the process."""
_TAKEN = """
def _taken(value):
    if not hasattr(value, "__next__"):
        return value
    import itertools
    return list(itertools.islice(value, 100))
"""
"""Iterators are known by what they give; their text is the same for all."""


@dataclass(frozen=True)
class Call:
    """A call of a public function with literal arguments."""

    module: str
    """Where the function is imported from."""
    function: str
    """Its name."""
    args: tuple[Any, ...] = ()
    """Positional arguments."""
    kwargs: tuple[tuple[str, Any], ...] = ()
    """The others."""

    def __str__(self) -> str:
        given = [written(value) for value in self.args] + [f"{name}={written(value)}" for name, value in self.kwargs]
        return f"{self.module}.{self.function}({', '.join(given)})"


def probes(component: Component, tests: Files, examples: Sequence[Example]) -> tuple[Call, ...]:
    """At most :data:`MOST` calls, always the same for the same contract, tests and examples, spread over the functions."""
    offered = _Offered(component)
    found: dict[str, Call] = {}
    for source in (*tests.values(), "\n".join(_statements(examples))):
        try:
            tree = parsed(source)
        except SyntaxError:
            continue
        for call in _calls(tree, offered):
            if len(str(call)) <= CALL_CHARS:
                found.setdefault(str(call), call)
    by_function: dict[tuple[str, str], list[list[Call]]] = {}
    for call in found.values():
        lists = by_function.setdefault((call.module, call.function), [])
        around = list(_near(call))
        start = len(lists) % max(1, len(around))  # other changes for each call, should there be no room for all
        around = [*around[start:], *around[:start]]
        lists.append([*around[:1], call, *around[1:]])
    taken: dict[str, Call] = {}
    for call in _in_turn([list(_in_turn(lists)) for lists in by_function.values()]):
        if len(str(call)) <= CALL_CHARS:
            taken.setdefault(str(call), call)
    return tuple(islice(taken.values(), MOST))


def _in_turn(lists: Sequence[Sequence[Call]]) -> Iterator[Call]:
    """The first of each, then the second of each…"""
    return (call for layer in zip_longest(*lists) for call in layer if call is not None)


class _Offered:
    """The public functions of a component, as far as its contract names them."""

    def __init__(self, component: Component) -> None:
        self._functions: dict[str, frozenset[str] | None] = {}
        for path in component.files:
            name = max(modules_of([path]), key=len, default="").removesuffix(".__init__")
            if name:
                self._functions[name] = self._named(component.contract.interface.get(path, ""))

    @staticmethod
    def _named(interface: str) -> frozenset[str] | None:
        """Functions of an interface; ``None`` when there is none to read."""
        try:
            body = syntax.parse(interface).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef)) if body else None

    def __contains__(self, dotted: str) -> bool:
        module, _, name = dotted.rpartition(".")
        if module not in self._functions or name.startswith("_"):
            return False
        named = self._functions[module]
        return name in named if named is not None else name.islower()


def _statements(examples: Sequence[Example]) -> Iterator[str]:
    for step in (step for example in examples if example.kind == "python" for step in example.steps):
        try:
            parsed(step.run)
        except SyntaxError:
            continue
        yield step.run


def _calls(tree: ast.Module, offered: _Offered) -> Iterator[Call]:
    """Calls of offered functions whose arguments are written out, also where they come from the table of a test."""
    names, known = Names(tree), constants(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    for part in (*functions, *(statement for statement in tree.body if not isinstance(statement, Function))):
        inside = names.inside(part)
        here = constants(part, known) if isinstance(part, Function) else known
        calls = [node for node in ast.walk(part) if isinstance(node, ast.Call) and inside.of(node.func) in offered]
        tables = rows(part) if calls and isinstance(part, Function) else []
        for row in islice(product(*tables), _ROWS) if calls else ():
            values = dict(here)
            for name, cell in (pair for cells in row for pair in cells.items()):
                try:
                    values[name] = value_of(cell, known)
                except ValueError:
                    values.pop(name, None)
            for node in calls:
                module, _, function = inside.of(node.func).rpartition(".")
                try:
                    args = tuple(value_of(arg, values) for arg in node.args)
                    kwargs = tuple((k.arg or "", value_of(k.value, values)) for k in node.keywords)
                except ValueError:
                    continue
                if all(name for name, _ in kwargs) and _finite((args, kwargs)):
                    yield Call(module, function, args, kwargs)


def _finite(value: Any) -> bool:
    """Whether a value comes back from its text: infinity and what is no number do not."""
    if isinstance(value, list | tuple | set):
        return all(map(_finite, value))
    if isinstance(value, dict):
        return all(_finite(item) for pair in value.items() for item in pair)
    return math.isfinite(value) if isinstance(value, float) else not isinstance(value, complex)


def _near(call: Call) -> Iterator[Call]:
    """The same call with one argument changed a little."""
    for place, value in enumerate(call.args):
        for other in near(value):
            yield replace(call, args=(*call.args[:place], other, *call.args[place + 1 :]))
    for place, (name, value) in enumerate(call.kwargs):
        for other in near(value):
            yield replace(call, kwargs=(*call.kwargs[:place], (name, other), *call.kwargs[place + 1 :]))


def near(value: Any) -> list[Any]:
    """Values of the same kind that are not far from it: the borders of its neighbourhood, and nothing.

    >>> near(3), near("ab"), near([1, 2])
    ([4, 2, 0, -3], ['', 'a', 'abb', 'AB', ' ab '], [[], [1], [1, 2, 2], [2, 1], [2, 2], [0, 2]])
    """
    others: list[Any] = []
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int | float):
        others = [value + 1, value - 1, type(value)(0), -value]
    elif isinstance(value, str):
        others = ["", value[:-1], value + value[-1:], value.swapcase(), f" {value} "]
    elif isinstance(value, bytes):
        others = [b"", value[:-1], value + value[-1:]]
    elif isinstance(value, list | tuple):
        kind = type(value)
        others = [kind(), value[:-1], kind([*value, *value[-1:]]), value[::-1]]
        others += [kind([other, *value[1:]]) for other in near(value[0])[:2]] if value else []
    elif isinstance(value, dict):
        pairs = list(value.items())
        others = [{}, dict(pairs[:-1])]
        others += [{**value, pairs[0][0]: other} for other in near(pairs[0][1])[:2]] if pairs else []
    return [other for place, other in enumerate(others) if other != value and other not in others[:place]]


def written(value: Any) -> str:
    """A value as Python source; equal values, equal text."""
    if isinstance(value, set) and value:
        return "{" + ", ".join(sorted(map(written, value))) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(written, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(item)}" for key, item in value.items()) + "}"
    return repr(value)


def behaviour(place: Place, calls: Sequence[Call]) -> dict[str, str]:
    """What the program in ``place`` gives for each call: call → printed text and value, or ``raises X``.

    A call is left out when its module cannot be imported, when it takes too long, or when its result is not the same
    each time. ``NotJudged`` when the machine, and not the program, kept them from being made.
    """
    first = _made(place, calls)
    again = _made(place, [call for call in calls if str(call) in first])
    return {call: result for call, result in first.items() if again.get(call) == result}


def _made(place: Place, calls: Sequence[Call]) -> dict[str, str]:
    place = replace(place, limits=replace(place.limits, seconds=min(SECONDS, place.limits.seconds)))
    results: dict[str, str] = {}
    rest = list(calls)
    for _ in range(_STARTS if calls else 0):
        modules = sorted({call.module for call in rest})
        before = [Step(_TAKEN), *(Step(f"import {module}") for module in modules)]
        ended, came = carried_out(place, "python", [*before, *(Step(f"_taken({call})") for call in rest)])
        if ended.by_machine:
            raise NotJudged(f"{ended.reason}; that says nothing of the code, so resume the run to try again")
        missing = {module for module, result in zip(modules, came[1:], strict=False) if result.get("raised")}
        if len(came) < len(before) or missing == set(modules):
            break
        came = came[len(before) :]
        results |= {str(c): _said(result) for c, result in zip(rest, came, strict=False) if c.module not in missing}
        if len(came) < len(rest) and ended.ending == "exit":
            results[str(rest[len(came)])] = "ends the process"
        rest = rest[len(came) + 1 :]
        if not rest:
            break
    return results


def _said(result: Result) -> str:
    raised = text_of(result, "raised")
    if raised:
        code = f": {text_of(result, 'message')}" if raised == "SystemExit" else ""
        text = f"{text_of(result, 'out')}raises {raised}{code}"
    else:
        text = text_of(result, "out") + _ordered(text_of(result, "value")) or "None"
    return shown(_NAMELESS.sub("<an object>", text[: 4 * RESULT_CHARS]), RESULT_CHARS)


def _ordered(value: str) -> str:
    """The repr of a value, its sets in order."""
    if "{" not in value or len(value) > LITERAL_CHARS:
        return value
    try:
        return written(syntax.literal(value))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return value


def results_of(place: Place, component: Component, tests: Files, examples: Sequence[Example]) -> Mapping[str, str]:
    """:func:`behaviour` with the :func:`probes` of a component."""
    calls = probes(component, tests, examples)
    return behaviour(place, calls) if calls else {}
