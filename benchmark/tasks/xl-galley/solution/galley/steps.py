"""What the steps of a target do."""

import re
from collections.abc import Sequence
from typing import Protocol

from galley.book import NAME, Guard, Step
from galley.errors import Failure

_BLANK = re.compile(rf"@(?:({NAME})(?:\|([^@\n]*))?)?@")


class World(Protocol):
    """All that steps can see."""

    def read(self, path: str) -> str:
        """Raises Failure."""

    def exists(self, path: str) -> bool: ...

    def list(self, pattern: str) -> "list[str]": ...

    def setting(self, name: str) -> str | None: ...

    def name(self) -> str:
        """Of the target that is made."""


def shape(steps: Sequence[Step]) -> str:
    """The same text for the same steps only."""
    return "\n".join(
        (f"when {s.guard.setting} {s.guard.operator} {s.guard.value}: " if s.guard else "") + f"{s.verb} {s.argument}"
        for s in steps
    )


def run(steps: Sequence[Step], world: World) -> str:
    """The text that the steps make. Raises Failure."""
    text = ""
    for step in steps:
        if step.guard is None or _holds(step.guard, world):
            text = _run_one(step, text, world)
    return text


def _holds(guard: Guard, world: World) -> bool:
    return (world.setting(guard.setting) == guard.value) == (guard.operator == "=")


def _run_one(step: Step, text: str, world: World) -> str:
    argument = step.argument
    match step.verb:
        case "say":
            return f"{text}{argument}\n"
        case "paste":
            return text + _whole(world.read(argument))
        case "maybe":
            return text + _whole(world.read(argument)) if world.exists(argument) else text
        case "each":
            return text + "".join(_whole(world.read(path)) for path in world.list(argument))
        case "count":
            return f"{text}{len(world.list(argument))}\n"
        case "name":
            return f"{text}{world.name()}\n"
        case "fill":
            return _BLANK.sub(lambda found: _filled(found, world), text)
        case "upper":
            return text.upper()
    return "".join(f"{line}\n" for line in _of_lines(step, text.split("\n")[:-1]))


def _of_lines(step: Step, lines: list[str]) -> list[str]:
    match step.verb:
        case "sort":
            return sorted(lines)
        case "unique":
            return list(dict.fromkeys(lines))
        case "head":
            return lines[: int(step.argument)]
    return [line for line in lines if (step.argument in line) == (step.verb == "keep")]


def _whole(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _filled(found: re.Match[str], world: World) -> str:
    name, instead = found[1], found[2]
    if name is None:
        return "@"
    value = world.setting(name)
    if value is None:
        value = instead
    if value is None:
        raise Failure(f"no setting {name}")
    return value
