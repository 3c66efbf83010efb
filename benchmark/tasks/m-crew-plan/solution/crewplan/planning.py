"""Tasks to a plan."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crewplan.tasks import PlanError, Task


@dataclass(frozen=True)
class Done:
    task: str
    start: int
    """Minutes after the start of the plan."""
    end: int
    member: int
    """From 1."""


def needed(tasks: Mapping[str, Task], wanted: Iterable[str]) -> dict[str, Task]:
    """The wanted tasks and all that they need, in the order of the file. Raises `PlanError` for an unknown one."""
    found: set[str] = set()
    waiting = list(wanted)
    for name in waiting:
        if name not in tasks:
            raise PlanError(f"crewplan: no task '{name}'")
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += tasks[name].needs
    return {name: task for name, task in tasks.items() if name in found}


def plan(tasks: Mapping[str, Task], crew: int) -> list[Done]:
    """What is done when and by whom, ordered by start, then by member."""
    ahead = _minutes_ahead(tasks)
    first = sorted(tasks, key=lambda name: -ahead[name])  # stable: of equal ones, the order of the file
    done: dict[str, Done] = {}
    now = 0
    while len(done) < len(tasks):
        running = [one for one in done.values() if one.end > now]
        name = next((name for name in first if name not in done and _ready_at(tasks[name], done, now)), None)
        blocked = any(tasks[one.task].alone for one in running)
        if name is None or blocked or len(running) == crew or (tasks[name].alone and running):
            now = _next_time(tasks, done, now)
            continue
        busy = {one.member for one in running}
        member = next(number for number in range(1, crew + 1) if number not in busy)
        done[name] = Done(name, now, now + tasks[name].minutes, member)
    return sorted(done.values(), key=lambda one: (one.start, one.member))


def _ready_at(task: Task, done: Mapping[str, Done], now: int) -> bool:
    met = all(name in done and done[name].end + minutes <= now for name, minutes in task.needs.items())
    return met and (task.not_before or 0) <= now


def _next_time(tasks: Mapping[str, Task], done: Mapping[str, Done], now: int) -> int:
    """The next moment at which anything may change: a task ends, a time after one has passed, or one is held back no longer."""
    moments = {one.end for one in done.values()}
    moments |= {
        done[name].end + minutes for task in tasks.values() for name, minutes in task.needs.items() if name in done
    }
    moments |= {task.not_before or 0 for task in tasks.values()}
    return min(moment for moment in moments if moment > now)


def _minutes_ahead(tasks: Mapping[str, Task]) -> dict[str, int]:
    """Task → its duration and the longest chain of those that need it."""
    ahead: dict[str, int] = {}
    users: dict[str, list[tuple[str, int]]] = {name: [] for name in tasks}
    for task in tasks.values():
        for name, minutes in task.needs.items():
            users[name].append((task.name, minutes))
    waiting = {name: len(of) for name, of in users.items()}
    free = [name for name, count in waiting.items() if not count]
    while free:
        name = free.pop()
        after = max((minutes + ahead[user] for user, minutes in users[name]), default=0)
        ahead[name] = tasks[name].minutes + after
        for other in tasks[name].needs:
            waiting[other] -= 1
            if not waiting[other]:
                free.append(other)
    return ahead
