"""Gives rooms to meetings, the largest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Room(NamedTuple):
    """A place for ``seats`` people."""

    name: str
    seats: int


class Request(NamedTuple):
    """A meeting that needs a room from ``start`` to ``end``, in minutes."""

    team: str
    start: int
    end: int
    people: int


def book(requests: Sequence[Request], rooms: Sequence[Room], gap: int) -> list[str | None]:
    """The name of a room for each request, in their order; ``None`` where none is left."""
    _check(requests, rooms, gap)
    by_size = sorted(rooms, key=lambda room: (room.seats, room.name))
    booked: dict[str, list[Request]] = {room.name: [] for room in rooms}
    found: list[str | None] = [None] * len(requests)
    for place in sorted(range(len(requests)), key=lambda place: -requests[place].people):
        wanted = requests[place]
        for room in by_size:
            if room.seats >= wanted.people and not any(_clash(wanted, other, gap) for other in booked[room.name]):
                booked[room.name].append(wanted)
                found[place] = room.name
                break
    return found


def _clash(one: Request, other: Request, gap: int) -> bool:
    between = 0 if one.team == other.team else gap
    return one.start < other.end + between and other.start < one.end + between


def _check(requests: Sequence[Request], rooms: Sequence[Room], gap: int) -> None:
    if gap < 0:
        raise ValueError(f"a gap of {gap} minutes is not possible")
    if len({room.name for room in rooms}) < len(rooms):
        raise ValueError("two rooms have the same name")
    for request in requests:
        if request.end <= request.start:
            raise ValueError(f"{request} does not end after its start")
        if request.people < 1:
            raise ValueError(f"{request} has nobody in it")
