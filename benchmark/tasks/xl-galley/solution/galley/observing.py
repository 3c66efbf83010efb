"""What a run of steps has seen of the world, and whether it would see the same again."""

from collections.abc import Sequence
from dataclasses import dataclass

from galley.errors import Failure
from galley.steps import World
from galley.store import Observation, digest


@dataclass(frozen=True)
class Difference:
    observation: Observation
    now: object
    """What would be seen instead."""


class Observer:
    """A world that notes what is asked of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._noted: dict[tuple[str, str], Observation] = {}

    @property
    def observations(self) -> "list[Observation]":
        return list(self._noted.values())

    def read(self, path: str) -> str:
        text = self._world.read(path)
        self._note("file", path, digest(text))
        return text

    def exists(self, path: str) -> bool:
        return bool(self._note("exists", path, self._world.exists(path)))

    def list(self, pattern: str) -> "list[str]":
        found = self._world.list(pattern)
        self._note("list", pattern, tuple(found))
        return found

    def setting(self, name: str) -> str | None:
        value = self._world.setting(name)
        self._note("setting", name, value)
        return value

    def name(self) -> str:
        name = self._world.name()
        self._note("name", "", name)
        return name

    def _note(self, kind: str, subject: str, value: object) -> object:
        self._noted.setdefault((kind, subject), Observation(kind, subject, value))
        return value


def look(world: World, kind: str, subject: str) -> object:
    """What there is to be seen now; None for a file that cannot be read."""
    match kind:
        case "file":
            try:
                return digest(world.read(subject))
            except Failure:
                return None
        case "exists":
            return world.exists(subject)
        case "list":
            return tuple(world.list(subject))
        case "setting":
            return world.setting(subject)
    return world.name()


def first_difference(observations: Sequence[Observation], world: World) -> Difference | None:
    for observation in observations:
        now = look(world, observation.kind, observation.subject)
        if now != observation.value:
            return Difference(observation, now)
    return None
