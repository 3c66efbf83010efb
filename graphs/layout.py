"""Where the boxes and lines of a drawn plan go: columns by generation, few crossings, short lines. Pure geometry.

The method is the layered one of Sugiyama, Tagawa and Toda (1981): a column per topological generation, waypoints where
a line passes a column, orders improved by barycentres, positions by least squares under minimum distances.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from graphs import dag
from graphs.values import Plan

SWEEPS = 12
"""Passes of reordering; the best order seen is kept. More gained nothing on random plans of 200 components."""


@dataclass(frozen=True)
class Sizes:
    """The measures of a drawing, in pixels."""

    width: float = 230.0
    """Of a box."""
    height: float = 74.0
    """Of a box."""
    beside: float = 70.0
    """Between two columns."""
    below: float = 16.0
    """Between two boxes of a column."""
    lane: float = 12.0
    """Room for a line that passes a column."""


@dataclass(frozen=True)
class Layout:
    """Where things are. The origin is the top left corner; y grows downwards."""

    boxes: Mapping[str, tuple[float, float]]
    """Component id → the top left corner of its box."""
    lines: Mapping[tuple[str, str], Sequence[tuple[float, float]]]
    """(dependency, dependent) → points from box to box: start, then entry and exit of each column passed, end."""
    width: float
    """Of the whole."""
    height: float
    """Of the whole."""


@dataclass
class _Layers:
    """Nodes are numbers: first the components in plan order, then the waypoints."""

    columns: list[list[int]]
    components: int
    before: dict[int, list[int]] = field(default_factory=dict)
    after: dict[int, list[int]] = field(default_factory=dict)
    paths: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    def join(self, left: int, right: int) -> None:
        if right not in self.after.setdefault(left, []):
            self.after[left].append(right)
            self.before.setdefault(right, []).append(left)


def layout(plan: Plan, sizes: Sizes | None = None) -> Layout:
    """Place the components of a sound plan, dependencies to the left of what needs them."""
    sizes = sizes or Sizes()
    layers = _layers(plan)
    layers.columns = _ordered(layers)
    centres = _centres(layers, sizes)
    column_of = {n: i for i, column in enumerate(layers.columns) for n in column}
    left = {n: column * (sizes.width + sizes.beside) for n, column in column_of.items()}
    ids = [c.id for c in plan.components]
    lines = {}
    for (source, target), way in layers.paths.items():
        points = [(left[source] + sizes.width, centres[source])]
        for node in way:
            points += [(left[node], centres[node]), (left[node] + sizes.width, centres[node])]
        lines[ids[source], ids[target]] = [*points, (left[target], centres[target])]
    return Layout(
        boxes={ids[n]: (left[n], centres[n] - sizes.height / 2) for n in range(layers.components)},
        lines=lines,
        width=len(layers.columns) * (sizes.width + sizes.beside) - sizes.beside,
        height=max(c + (sizes.height / 2 if n < layers.components else 0) for n, c in centres.items()),
    )


def _layers(plan: Plan) -> _Layers:
    number = {c.id: i for i, c in enumerate(plan.components)}
    columns = [sorted(map(number.__getitem__, generation)) for generation in dag.levels(plan)]
    column_of = {n: i for i, column in enumerate(columns) for n in column}
    layers = _Layers(columns, len(number))
    waypoints: dict[tuple[int, int], int] = {}
    for source_id, target_id in dag.graph(plan).edges:
        source, target = number[source_id], number[target_id]
        way = []
        # All lines of one component share its waypoints: a bundle is easier to follow than a fan of parallels.
        for column in range(column_of[source] + 1, column_of[target]):
            if (source, column) not in waypoints:
                waypoints[source, column] = len(number) + len(waypoints)
                columns[column].append(waypoints[source, column])
            way.append(waypoints[source, column])
        layers.paths[source, target] = way
        chain = [source, *way, target]
        for left, right in pairwise(chain):
            layers.join(left, right)
    return layers


def _ordered(layers: _Layers) -> list[list[int]]:
    columns = [list(column) for column in layers.columns]
    best, fewest = [list(c) for c in columns], crossings(columns, layers.after)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        rightwards = sweep % 2 == 0
        neighbours = layers.before if rightwards else layers.after
        order = range(1, len(columns)) if rightwards else range(len(columns) - 2, -1, -1)
        for i in order:
            fixed = {n: k for k, n in enumerate(columns[i - 1 if rightwards else i + 1])}
            pull = {n: (_mean(neighbours.get(n, ()), fixed, k), k) for k, n in enumerate(columns[i])}
            columns[i].sort(key=pull.__getitem__)
        found = crossings(columns, layers.after)
        if found < fewest:
            best, fewest = [list(c) for c in columns], found
    return best


def _mean(nodes: Sequence[int], place: Mapping[int, float], otherwise: float) -> float:
    known = [place[n] for n in nodes if n in place]
    return sum(known) / len(known) if known else otherwise


def crossings(columns: Sequence[Sequence[int]], after: Mapping[int, Sequence[int]]) -> int:
    """How many pairs of lines between neighbouring columns cross."""
    total = 0
    for left, right in pairwise(columns):
        place = {n: k for k, n in enumerate(right)}
        seen: list[int] = []
        for node in left:
            ends = sorted(place[n] for n in after.get(node, ()))
            total += sum(len(seen) - bisect.bisect_right(seen, end) for end in ends)
            for end in ends:
                bisect.insort(seen, end)
    return total


def _centres(layers: _Layers, sizes: Sizes) -> dict[int, float]:
    centre: dict[int, float] = {}
    for column in layers.columns:
        y = 0.0
        for node in column:
            room = _room(node, layers, sizes)
            centre[node] = y + room / 2
            y += room
    for sweep in range(8):
        rightwards = sweep % 2 == 0
        neighbours = layers.before if rightwards else layers.after
        for column in layers.columns if rightwards else reversed(layers.columns):
            wanted = [_mean(neighbours.get(n, ()), centre, centre[n]) for n in column]
            rooms = [_room(n, layers, sizes) for n in column]
            gaps = [0.0, *((a + b) / 2 for a, b in pairwise(rooms))]
            centre.update(zip(column, spread(wanted, gaps), strict=True))
    top = min(centre[n] for n in range(layers.components)) - sizes.height / 2
    waypoints = min((centre[n] for n in centre if n >= layers.components), default=top)
    return {n: y - min(top, waypoints) for n, y in centre.items()}


def _room(node: int, layers: _Layers, sizes: Sizes) -> float:
    return sizes.height + sizes.below if node < layers.components else sizes.lane


def spread(wanted: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The positions nearest to ``wanted`` (least squares) that keep the order and the gaps.

    Args:
        wanted: one position each, in the order to be kept.
        gaps: least distance of each from the one before; the first is not used.

    Pools adjacent violators: subtracting the summed gaps turns it into isotonic regression.
    """
    offset, offsets = 0.0, []
    for i, gap in enumerate(gaps):
        offset += gap if i else 0.0
        offsets.append(offset)
    pools: list[tuple[float, int]] = []
    for want, shift in zip(wanted, offsets, strict=True):
        total, count = want - shift, 1
        while pools and pools[-1][0] * count >= total * pools[-1][1]:
            before, members = pools.pop()
            total, count = total + before, count + members
        pools.append((total, count))
    level = [total / count for total, count in pools for _ in range(count)]
    return [y + shift for y, shift in zip(level, offsets, strict=True)]
