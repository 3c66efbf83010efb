"""The text of a file to tasks, and which rings there are among them."""

import re
from collections import deque
from dataclasses import dataclass, field

_NAME = r"[A-Za-z0-9._-]+"
_DURATION = r"(?:[0-9]+h(?:[0-9]+m)?|[0-9]+m)"
_TASK = re.compile(rf"({_NAME})\s+({_DURATION})")
_NEED = re.compile(rf"({_NAME}\*?|\*)(?:\s*\+\s*({_DURATION}))?")
_NOT_BEFORE = re.compile(rf"not\s+before\s+({_DURATION})")


class PlanError(Exception):
    """The file or a name cannot be used; the text says where and why."""


@dataclass(frozen=True)
class Need:
    pattern: str
    """A name, or the beginning of names and a star."""
    minutes: int
    """That must pass after the task's end."""


@dataclass
class Task:
    name: str
    minutes: int
    line: int
    """On which it begins, from 1."""
    needs_line: int = 0
    """Of its `needs`; 0 without."""
    written: list[Need] = field(default_factory=list)
    """Needs as in the file."""
    alone: bool = False
    not_before: int | None = None
    """Minutes after the start of the plan."""
    needs: dict[str, int] = field(default_factory=dict)
    """Name of a task → minutes that must pass after its end."""


def read_tasks(text: str, file: str) -> dict[str, Task]:
    """Tasks by name, in the order of the file. Raises `PlanError`."""
    tasks: dict[str, Task] = {}
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        try:
            if line[0].isspace():
                if not tasks:
                    raise PlanError("no task above")
                _detail(next(reversed(tasks.values())), words, number)
            else:
                task = _task(words, number)
                if task.name in tasks:
                    raise PlanError(f"task '{task.name}' is already in line {tasks[task.name].line}")
                tasks[task.name] = task
        except PlanError as problem:
            raise PlanError(f"{file}:{number}: {problem}") from None
    for task in tasks.values():
        _resolve(task, tasks, file)
    ring = _shortest_ring(tasks)
    if ring:
        raise PlanError(f"{file}:{tasks[ring[0]].line}: '{ring[0]}' needs itself: {' -> '.join([*ring, ring[0]])}")
    return tasks


def _task(words: str, number: int) -> Task:
    found = _TASK.fullmatch(words)
    if not found or not _minutes(found[2]):
        raise PlanError("expected 'NAME DURATION'")
    return Task(found[1], _minutes(found[2]), number)


def _detail(task: Task, words: str, number: int) -> None:
    not_before = _NOT_BEFORE.fullmatch(words)
    keyword, _, rest = words.replace("\t", " ").partition(" ")
    if words == "alone" and not task.alone:
        task.alone = True
    elif not_before and task.not_before is None:
        task.not_before = _minutes(not_before[1])
    elif keyword == "needs" and not task.needs_line:
        task.needs_line = number
        for item in rest.split(","):
            found = _NEED.fullmatch(item.strip())
            if not found:
                raise _unexpected()
            task.written.append(Need(found[1], _minutes(found[2] or "0m")))
    else:
        raise _unexpected()


def _unexpected() -> PlanError:
    return PlanError("expected 'needs NAME, ...', 'alone' or 'not before DURATION'")


def _minutes(duration: str) -> int:
    hours, _, rest = duration.rpartition("h")
    return 60 * int(hours or 0) + int(rest.removesuffix("m") or 0)


def _resolve(task: Task, tasks: dict[str, Task], file: str) -> None:
    """Fill in `task.needs`."""
    for need in task.written:
        prefix = need.pattern.removesuffix("*")
        if need.pattern.endswith("*"):
            names = [name for name in tasks if name.startswith(prefix) and name != task.name]
            if not names:
                raise PlanError(f"{file}:{task.needs_line}: no task begins with '{prefix}'")
        elif need.pattern in tasks:
            names = [need.pattern]
        else:
            raise PlanError(f"{file}:{task.needs_line}: no task '{need.pattern}'")
        for name in names:
            task.needs[name] = max(need.minutes, task.needs.get(name, 0))


def _shortest_ring(tasks: dict[str, Task]) -> list[str]:
    """Of all rings a shortest, of these the one that stands first; nothing without rings.

    Searching from each task in the order of the file, by breadth and always through the earliest task first, finds of the
    shortest rings through it the one with the smallest lines; and of shortest rings, the smallest begins with its first task.
    """
    order = {name: place for place, name in enumerate(tasks)}
    best: list[str] = []
    for start in tasks:
        paths = deque([[start]])
        seen: set[str] = set()
        while paths:
            path = paths.popleft()
            if best and len(path) >= len(best):
                break
            if start in tasks[path[-1]].needs:
                best = path
                break
            for name in sorted(tasks[path[-1]].needs, key=order.__getitem__):
                if name not in seen and order[name] > order[start]:
                    seen.add(name)
                    paths.append([*path, name])
    return best
