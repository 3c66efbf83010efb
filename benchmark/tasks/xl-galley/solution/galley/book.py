"""The Galleyfile."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from galley.errors import BookError, PathError
from galley.paths import check_path, check_pattern, is_product

NAME = r"[a-z][a-z0-9-]*"
_SET = re.compile(rf"set\s+({NAME})\s*=(.*)")
_GUARD = re.compile(rf"when\s+({NAME})\s*(!?=)\s*([^\s:]+)\s*:(.*)")
_BARE = frozenset({"name", "fill", "sort", "unique", "upper"})


@dataclass(frozen=True)
class Guard:
    setting: str
    operator: str
    """``=`` or ``!=``"""
    value: str


@dataclass(frozen=True)
class Step:
    verb: str
    argument: str = ""
    guard: Guard | None = None


@dataclass(frozen=True)
class Target:
    name: str
    steps: tuple[Step, ...]
    line: int


@dataclass(frozen=True)
class Book:
    settings: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)


def read_book(text: str) -> Book:
    """Raises BookError at the first line that is wrong."""
    settings: dict[str, str] = {}
    steps: dict[str, list[Step]] = {}
    lines: dict[str, int] = {}
    current = ""
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if raw[0] in " \t":
            if not current:
                raise BookError(number, "a step before the first target")
            steps[current].append(_step(number, line))
        elif found := _SET.fullmatch(line):
            if found[1] in settings:
                raise BookError(number, f"{found[1]} is set twice")
            settings[found[1]] = found[2].strip()
        elif line.split()[0] == "make":
            current = _target(number, line[len("make") :].strip(), steps)
            steps[current], lines[current] = [], number
        else:
            raise BookError(number, "neither set nor make")
    return Book(settings, {name: Target(name, tuple(steps[name]), lines[name]) for name in steps})


def _target(number: int, name: str, others: dict[str, list[Step]]) -> str:
    _checked(number, check_path, name)
    if not is_product(name):
        raise BookError(number, f"{name} is not below out/")
    if name in others:
        raise BookError(number, f"{name} is made twice")
    if any(name.startswith(f"{other}/") or other.startswith(f"{name}/") for other in others):
        raise BookError(number, f"{name} and another target cannot both be files")
    return name


def _step(number: int, line: str) -> Step:
    guard = None
    if found := _GUARD.fullmatch(line):
        guard, line = Guard(found[1], found[2], found[3]), found[4].strip()
    verb, argument = [*line.split(None, 1), "", ""][:2]
    if verb in ("paste", "maybe"):
        _checked(number, check_path, argument)
    elif verb in ("each", "count"):
        _checked(number, check_pattern, argument)
    elif verb == "head":
        if not re.fullmatch(r"[0-9]+", argument):
            raise BookError(number, "head takes a number")
    elif verb in ("keep", "drop"):
        if not argument:
            raise BookError(number, f"{verb} takes a text")
    elif verb in _BARE:
        if argument:
            raise BookError(number, f"{verb} takes nothing")
    elif verb != "say":
        raise BookError(number, f"no step is called {verb!r}")
    return Step(verb, argument, guard)


def _checked(number: int, check: Callable[[str], str], text: str) -> None:
    try:
        check(text)
    except PathError as error:
        raise BookError(number, str(error)) from error
