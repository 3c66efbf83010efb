"""The vote over independent programs: who goes on, and what is told of those that pass the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.agreement import MOST_DIFFERENCES, alike, vote
from graphs.evidence import Line
from graphs.values import CaseResult, Verdict

CASES = "abcdexy"
"""Ids of the tests a to e, and of the examples x and y."""
ANCHORS = frozenset("xy")


def line(passed: str) -> Line:
    cases = tuple(CaseResult(i, "passed" if i in passed else "failed") for i in CASES)
    return Line({"p.py": passed}, Verdict("passed" if set(passed) == set(CASES) else "failed", cases))


# programs, by the cases they pass → positions of those that are alike
VOTES = {
    "one": (["ab"], [0]),
    "one that passes nothing": ([""], [0]),
    "all the same": (["ab", "ba", "ab"], [0, 1, 2]),
    "most cases": (["ab", "abc", "a"], [1]),
    "two outweigh one": (["abc", "ab", "ba"], [0]),  # 3 over √2 × 2
    "two do not outweigh twice as many": (["abcd", "ab", "ab"], [0]),
    "three outweigh one that passes one more": (["abc", "ab", "ab", "ab"], [1, 2, 3]),  # √3 × 2 over 3
    "four weigh as much as one that passes twice as many": (["ab", "a", "a", "a", "a"], [0]),
    "the first of equals": (["ab", "cd"], [0]),
    "the first of equals, the other way round": (["a", "a", "a", "a", "ab"], [0, 1, 2, 3]),
    "an example outranks tests": (["abcde", "x"], [1]),
    "an example outranks consensus": (["abcde", "abcde", "abcde", "x"], [3]),
    "more examples outrank fewer": (["abcdex", "abcdex", "xy"], [2]),
    "the same number of examples": (["ax", "by", "abx"], [2]),
}


@pytest.mark.parametrize("name", VOTES)
def test_who_is_alike(name: str) -> None:
    programs, group = VOTES[name]
    lines = [line(passed) for passed in programs]
    assert alike(lines, ANCHORS) == group
    assert vote(lines, ANCHORS, {}).chosen == group[0]


def test_ids_that_no_program_was_judged_by_outrank_nothing() -> None:
    assert alike([line("a"), line("ab")], ["z"]) == alike([line("a"), line("ab")], []) == [1]


DOUBLE, HALF = {"f(1)": "2", "f(2)": "4"}, {"f(1)": "2", "f(2)": "1"}


def test_behaviour_decides_among_programs_that_pass_the_same() -> None:
    found = vote([line("ab"), line("ab"), line("ab")], ANCHORS, {0: HALF, 1: DOUBLE, 2: DOUBLE})
    assert found.chosen == 1
    assert found.reason == "all programs pass the same 2 of 7, and 2 of them do the same on shared inputs"
    assert found.differ == ("f(2) gives 4 in 2, 1 in 1 of 3 programs",)


def test_behaviour_never_brings_back_a_program_that_passes_less() -> None:
    found = vote([line("a"), line("ab"), line("ab"), line("a")], ANCHORS, {0: DOUBLE, 1: HALF, 2: DOUBLE, 3: DOUBLE})
    assert found.chosen == 1
    assert found.reason == "2 of 4 programs pass the same 2 of 7, and 1 of them do the same on shared inputs"
    assert found.differ == ("f(2) gives 1 in 1, 4 in 1 of 2 programs",)


def test_without_a_difference_the_first_goes_on_and_nothing_is_told() -> None:
    found = vote([line("a"), line("ab"), line("ab")], ANCHORS, {1: DOUBLE, 2: dict(reversed(DOUBLE.items()))})
    assert (found.chosen, found.differ) == (1, ())
    assert found.reason == "2 of 3 programs pass the same 2 of 7"


@pytest.mark.parametrize(
    ("programs", "reason"),
    [
        (["a", "abc"], "program 2 passes most: 3 of 7"),
        (["abc", "x"], "program 2 passes most examples: 1 of 2"),
        (["ab", "abx"], "program 2 passes most: 3 of 7"),
    ],
)
def test_one_that_is_ahead_of_all_is_said_to_be_so(programs: list[str], reason: str) -> None:
    assert vote([line(passed) for passed in programs], ANCHORS, {}).reason == reason


def test_a_call_that_a_program_has_no_result_for_is_a_difference() -> None:
    assert vote([line("a"), line("a")], ANCHORS, {0: {"f(1)": "2"}}).differ == (), "of the other nothing is known"
    both = {0: {"f(1)": "2", "f(2)": "3"}, 1: {"f(2)": "3"}}
    assert vote([line("a"), line("a")], ANCHORS, both).differ == ("f(1) gives 2 in 1, nothing in 1 of 2 programs",)


def test_only_so_many_differences_are_told() -> None:
    one, other = ({f"f({n})": result for n in range(20)} for result in "ab")
    differ = vote([line("a"), line("a")], ANCHORS, {0: one, 1: other}).differ
    assert len(differ) == MOST_DIFFERENCES
    assert differ[0].startswith("f(0) gives")


passing = st.text(alphabet=CASES, max_size=7)
behaviour = st.dictionaries(st.sampled_from(["f(1)", "f(2)"]), st.sampled_from("23"), max_size=2)
programs_with_behaviours = st.lists(st.tuples(passing, behaviour), min_size=1, max_size=6)


def worth(lines: Sequence[Line], passed: frozenset[str]) -> tuple[int, float]:
    """Examples passed, and √(programs that pass the same) × cases passed."""
    return len(passed & ANCHORS), sqrt(sum(one.verdict.passed == passed for one in lines)) * len(passed)


@given(programs_with_behaviours)
def test_the_chosen_one_is_of_the_best_group_and_does_as_most_of_it(programs: list[tuple[str, dict[str, str]]]) -> None:
    lines = [line(passed) for passed, _ in programs]
    behaviours: Mapping[int, dict[str, str]] = {n: did for n, (_, did) in enumerate(programs)}
    group = alike(lines, ANCHORS)
    found = vote(lines, ANCHORS, {n: behaviours[n] for n in group})
    assert found.chosen in group
    (passed,) = {lines[n].verdict.passed for n in group}
    assert group == [n for n, one in enumerate(lines) if one.verdict.passed == passed], "all of them, in order"
    for one in lines:
        examples, score = worth(lines, one.verdict.passed)
        best_examples, best = worth(lines, passed)
        assert examples < best_examples or (examples == best_examples and (score < best or isclose(score, best)))
    seen = [n for n in group if behaviours[n]]  # a program of which nothing was seen agrees with nobody
    agreeing = [sum(behaviours[n] == behaviours[m] for m in seen) for n in seen]
    assert not seen or sum(behaviours[found.chosen] == behaviours[m] for m in seen) == max(agreeing)
    assert bool(found.differ) == (len({tuple(sorted(behaviours[n].items())) for n in seen}) > 1)


@given(programs_with_behaviours.flatmap(lambda programs: st.tuples(st.just(programs), st.permutations(programs))))
def test_the_order_decides_among_equals_only(
    orders: tuple[list[tuple[str, dict[str, str]]], list[tuple[str, dict[str, str]]]],
) -> None:
    outcomes = []
    for programs in orders:
        lines = [line(passed) for passed, _ in programs]
        group = alike(lines, ANCHORS)
        chosen = vote(lines, ANCHORS, {n: programs[n][1] for n in group}).chosen
        passed = lines[chosen].verdict.passed
        best = worth(lines, passed)
        equals = {one.verdict.passed for one in lines if isclose(worth(lines, one.verdict.passed)[1], best[1])}
        agreeing = sum(programs[n][1] == programs[chosen][1] for n in group)
        outcomes.append((best[0], round(best[1], 9), (passed, len(group), agreeing) if len(equals) == 1 else None))
    assert outcomes[0] == outcomes[1]
