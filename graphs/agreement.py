"""A vote over independent programs: which of them to go on with, and where they differ although they pass the same. Pure.

The vote is the consensus over passing sets of CodeT (Chen et al. 2022): programs that pass the same cases form a set, whose
score is √(programs) × cases passed. Examples outrank it: no consensus makes up for one that fails. Where programs pass the
same, what they do on shared inputs decides (the consensus of FunCoder, Chen et al. 2024): the largest group that agrees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from graphs.evidence import Line

MOST_DIFFERENCES = 5
"""Told of at once; one cause usually shows on many inputs."""


@dataclass(frozen=True)
class Vote:
    """How the programs fared against each other."""

    chosen: int
    """Position of the program to go on with."""
    reason: str
    """One sentence."""
    differ: tuple[str, ...] = ()
    """What programs that pass the same do differently, one sentence each; built from what they print, so hostile."""


def alike(lines: Sequence[Line], anchors: Collection[str]) -> list[int]:
    """Positions of the programs that pass the same cases and have the highest score; there is at least one."""
    sets: dict[frozenset[str], list[int]] = {}
    for number, line in enumerate(lines):
        sets.setdefault(line.verdict.passed, []).append(number)

    def score(passed: frozenset[str]) -> tuple[int, int, int]:
        # The square of the score, which orders alike and is exact.
        return len(passed & frozenset(anchors)), len(sets[passed]) * len(passed) ** 2, -sets[passed][0]

    return sets[max(sets, key=score)]


def vote(lines: Sequence[Line], anchors: Collection[str], behaviours: Mapping[int, Mapping[str, str]]) -> Vote:
    """Which program to go on with.

    Args:
        lines: the programs, in the order in which they were written; at least one.
        anchors: ids of the examples.
        behaviours: position → call → what came of it, for the programs of :func:`alike`; empty where there is nothing to
            compare.
    """
    group = alike(lines, anchors)
    size = "all" if len(group) == len(lines) else f"{len(group)} of {len(lines)}"
    passed = len(lines[group[0]].verdict.passed)
    reason = f"{size} programs pass the same {passed} of {len(lines[group[0]].verdict.cases)}"
    if len(group) == 1:
        ahead = f"most: {passed} of {len(lines[group[0]].verdict.cases)}"
        if any(len(line.verdict.passed) > passed for line in lines):
            ahead = f"most examples: {len(lines[group[0]].verdict.passed & frozenset(anchors))} of {len(anchors)}"
        return Vote(group[0], f"program {group[0] + 1} passes {ahead}")
    # A program of which nothing was seen agrees with nobody.
    told = {n: tuple(sorted(behaviours[n].items())) for n in group if behaviours.get(n)}
    if not told:
        return Vote(group[0], reason)
    most, often = Counter(told.values()).most_common(1)[0]
    chosen = next(n for n in told if told[n] == most)
    differ = _differences([behaviours[n] for n in told])
    if differ:
        reason += f", and {often} of them do the same on shared inputs"
    return Vote(chosen, reason, differ)


def _differences(behaviours: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    found = []
    for call in dict.fromkeys(c for behaviour in behaviours for c in behaviour):
        results = Counter(behaviour.get(call, "nothing") for behaviour in behaviours)
        if len(results) > 1:
            said = ", ".join(f"{result} in {n}" for result, n in results.most_common())
            found.append(f"{call} gives {said} of {len(behaviours)} programs")
    return tuple(found[:MOST_DIFFERENCES])
