"""Plans made up for measuring: layered, with contracts of a realistic size, no model needed."""

from __future__ import annotations

import random

from graphs.values import Component, Contract, Plan, Requirement

BEHAVIOUR_LINES = 12
FUNCTIONS = 3


def layered_plan(count: int, seed: int = 1, most_dependencies: int = 3, layers: int | None = None) -> Plan:
    """A plan of ``count`` components in about ``sqrt(count)`` layers.

    Each component depends on one to ``most_dependencies`` of the layer before its own, as components of real plans do, however
    large the plan is.
    """
    rng = random.Random(seed)
    depth = layers or max(2, round(count**0.5))
    rows: list[list[str]] = [[] for _ in range(min(depth, count))]
    for i in range(count):
        rows[i % len(rows)].append(f"part_{i:05d}")
    components = []
    for level, row in enumerate(rows):
        for name in row:
            above = rows[level - 1] if level else []
            depends_on = tuple(sorted(rng.sample(above, min(len(above), rng.randint(1, most_dependencies)))))
            components.append(_component(name, depends_on, rng))
    requirements = tuple(Requirement(f"R{i + 1}", f"Part {i} does what it should.", f"part {i}") for i in range(count))
    return Plan(title="synthetic", components=tuple(components), requirements=requirements, spec_digest="0" * 64)


def _component(name: str, depends_on: tuple[str, ...], rng: random.Random) -> Component:
    words = [f"word{rng.randrange(1000)}" for _ in range(14)]
    behaviour = "".join(f"Rule {i}: {' '.join(rng.sample(words, 12))}.\n" for i in range(BEHAVIOUR_LINES))
    interface = "".join(
        f'def {name}_{i}(value: int, other: str = "") -> list[int]:\n    """Return what rule {i} says."""\n    ...\n\n'
        for i in range(FUNCTIONS)
    )
    path = f"synthetic/{name}.py"
    return Component(
        id=name,
        purpose=f"Does the work of {name}.",
        files=(path,),
        contract=Contract(interface={path: interface}, behaviour=behaviour),
        depends_on=depends_on,
        requirements=(f"R{int(name.rsplit('_', 1)[1]) + 1}",),
    )
