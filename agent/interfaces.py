"""What a Python file offers, read from its source: names, heads and, if wished, docstrings, without how it is done."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from copy import copy
from functools import lru_cache
from typing import TypeVar

from agent.checks.pytest_source import Function, names_of_file, parsed

LONGEST = 200
"""Characters of a value that is shown; of a longer one only the name is."""
Definition = TypeVar("Definition", bound=ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


@lru_cache(4096)
def names_used(source: str) -> frozenset[str]:
    """All names that a file mentions, attributes and keywords included, wherever they lead; nothing when it is no Python."""
    try:
        tree = parsed(source)
    except SyntaxError:
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                found |= {alias.name.rpartition(".")[2] for alias in aliases}
    return frozenset(found)


def changed_names(before: str, after: str, used: Collection[str]) -> frozenset[str]:
    """Definitions of a file (``f``, ``C``, ``C.m``), of those whose name is among the used ones, that it did not have before or
    had with another head. A constructor goes with its class."""
    old, new = _definitions(before), _definitions(after)
    found: set[str] = set()
    for name, head in new.items():
        owner, _, last = name.rpartition(".")
        if old.get(name) != head and (owner if last == "__init__" else last) in used:
            found.add(name)
    return frozenset(found)


def interface(source: str, shown: Callable[[str], bool], *, docstrings: bool = False) -> str:
    """The definitions of a file for whose name (``f``, ``C``, ``C.m``) ``shown`` holds, in their order, as Python with ``...``
    for what is done. Of a class that is not shown itself, its methods are. Empty when nothing is shown, or it is no Python.

    ``docstrings``: those of the file and of what is shown are kept, also of variables.
    """
    try:
        tree = parsed(source)
    except SyntaxError:
        return ""
    about = tree.body[:1] if docstrings and tree.body and _is_text(tree.body[0]) else []
    parts = [*about, *_kept(tree.body, "", shown, docstrings)]
    return "\n\n".join(ast.unparse(ast.Module([node], [])) for node in parts)  # a text alone is written as a docstring


def offered(source: str) -> frozenset[str]:
    """All names that can be imported from a file: what it defines at its top, and what it imports."""
    try:
        return frozenset(names_of_file(parsed(source)))
    except SyntaxError:
        return frozenset()


def _definitions(source: str) -> dict[str, str]:
    """Name of each definition → its head."""
    try:
        return dict(_heads(parsed(source).body, ""))
    except SyntaxError:
        return {}


def _heads(body: Sequence[ast.stmt], owner: str) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, Function):
            yield owner + node.name, ast.dump(_head(node, docstrings=False))
        elif isinstance(node, ast.ClassDef):
            fields = [inner for inner in node.body if _target(inner)]
            yield owner + node.name, ast.dump(_with_body(node, fields))
            # Fields belong to the head of their class.
            yield from _heads([inner for inner in node.body if inner not in fields], f"{owner}{node.name}.")
        elif name := _target(node):
            yield owner + name, ""


def _kept(
    body: Sequence[ast.stmt], owner: str, shown: Callable[[str], bool], docstrings: bool, fields: bool = False
) -> Iterator[ast.stmt]:
    """What is shown of a body. ``fields``: all its variables are."""
    told = False
    for node in body:
        if docstrings and told and _is_text(node):  # what stands below a variable is said of it
            yield node
        told = False
        if isinstance(node, Function) and shown(owner + node.name):
            yield _head(node, docstrings)
        elif isinstance(node, ast.ClassDef):
            whole = shown(owner + node.name)
            about = node.body[:1] if docstrings and whole and _is_text(node.body[0]) else []
            inside = list(_kept(node.body, f"{owner}{node.name}.", shown, docstrings, whole))
            if whole or inside:
                yield _with_body(node, [*about, *inside])
        elif (name := _target(node)) and (fields or shown(owner + name)):
            told = True
            yield _shortened(node)


def _target(node: ast.stmt) -> str:
    """The variable that a statement sets; empty when it sets none, or several."""
    if isinstance(node, ast.AnnAssign):
        target: ast.expr | None = node.target
    else:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    return target.id if isinstance(target, ast.Name) else ""


def _shortened(node: ast.stmt) -> ast.stmt:
    """The same, with ``...`` for a value that is long."""
    shorter = copy(node)
    if isinstance(shorter, ast.Assign | ast.AnnAssign) and shorter.value and len(ast.unparse(shorter.value)) > LONGEST:
        shorter.value = ast.Constant(...)
    return shorter


def _head(node: Function, docstrings: bool) -> Function:
    about = node.body[:1] if docstrings and _is_text(node.body[0]) else []
    return _with_body(node, about)


def _with_body(node: Definition, body: Sequence[ast.stmt]) -> Definition:
    """A function or class with another body; ``...`` for an empty one."""
    other = copy(node)
    other.body = [*body] or [ast.Expr(ast.Constant(...))]
    if isinstance(node, Function) and body:
        other.body = [*body, ast.Expr(ast.Constant(...))]
    return other


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
