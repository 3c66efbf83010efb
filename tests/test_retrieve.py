"""Retrieval: the right kind comes first, the choice is diverse by the stated rule, and nothing depends on order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from few_shot.exemplar import Exemplar, library
from few_shot.retrieve import CONTRAST, SMALL, Choice, choose, fixed, within

SHIPPED = library()

QUERIES = {
    "Write a function that converts an integer to its English words and back.": "function",
    "A command line tool that counts lines and words in the files given as arguments.": "cli",
    "Parse arithmetic expressions with operator precedence and evaluate them.": "parser",
    "A REST API for a to-do list, JSON over HTTP, data kept in SQLite.": "service",
    "Read CSV exports, clean the rows, aggregate revenue per month and produce an HTML report.": "pipeline",
    "Tic-tac-toe in the terminal against a computer player that uses minimax.": "game",
    "Generate a static blog from Markdown files with templates and a feed.": "site-generator",
    "An asyncio worker pool with a rate limit, retries and cancellation.": "concurrency",
    "Solve linear systems and ordinary differential equations in floating point.": "numerical",
    "An image exporter whose formats are plug-ins, discovered in a directory and registered.": "plugins",
    "Clean up this legacy script: split the existing code into testable modules, keep its behaviour.": "refactoring",
    "Fix this bug: the function crashes on an empty list and is off by one at the end.": "bug-fix",
    "Port this Go package to Python; the results must stay the same.": "port",
    "Some string utilities for our services: slugify, wrapping, edit distance.": "library",
    "Keep a reading list from the command line, add, list and delete, stored in SQLite.": "cli-with-storage",
    "A class for a priority queue that keeps its heap invariant.": "data-structure",
}


@pytest.mark.parametrize(("spec", "kind"), QUERIES.items(), ids=QUERIES.values())
def test_right_kind_comes_first(spec: str, kind: str) -> None:
    chosen = choose(spec, SHIPPED)
    assert chosen[0].exemplar.kind == kind
    assert chosen[0].score > 0
    assert chosen[0].why.startswith(f"best match, {kind} of ")
    assert len(chosen) == 3


@pytest.mark.parametrize("exemplar", SHIPPED, ids=lambda e: e.name)
def test_its_own_task_finds_an_exemplar(exemplar: Exemplar) -> None:
    assert choose(exemplar.task, SHIPPED)[0].exemplar is exemplar


def test_reason_names_what_is_shared() -> None:
    best, *_ = choose("A REST API in front of SQLite", SHIPPED)
    assert "sqlite" in best.why
    assert "rest" in best.why
    nothing = choose("Qwertz zxcvb", SHIPPED)
    assert [c.score for c in nothing] == [0.0, 0.0, 0.0]
    assert "shares no word" in nothing[0].why


def test_nothing_to_choose_from() -> None:
    assert choose("A parser", []) == []
    assert choose("A parser", SHIPPED, 0) == []


WORDS = sorted({word for text in QUERIES for word in text.split()})
SPECS = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join) | st.text(max_size=80)


def _is_small(e: Exemplar) -> bool:
    return e.size <= SMALL


def _is_contrast(e: Exemplar, first: Exemplar) -> bool:
    return max(e.size, first.size) >= CONTRAST * min(e.size, first.size)


@settings(max_examples=60, deadline=None)
@given(spec=SPECS, k=st.integers(2, 5))
def test_choice_from_the_whole_library_is_diverse(spec: str, k: int) -> None:
    chosen = [c.exemplar for c in choose(spec, SHIPPED, k)]
    assert len(chosen) == k
    assert len({e.kind for e in chosen}) == k
    assert any(map(_is_small, chosen))
    assert any(_is_contrast(e, chosen[0]) for e in chosen[1:])


@settings(max_examples=60, deadline=None)
@given(spec=SPECS, k=st.integers(1, 5), part=st.sets(st.sampled_from(range(len(SHIPPED))), min_size=1), data=st.data())
def test_choice_from_any_library(spec: str, k: int, part: set[int], data: st.DataObject) -> None:
    shelf = [SHIPPED[i] for i in sorted(part)]
    chosen = choose(spec, shelf, k)
    kinds = [c.exemplar.kind for c in chosen]
    assert len(chosen) == min(k, len({e.kind for e in shelf}))
    assert len(set(kinds)) == len(kinds)
    assert all(c.score <= chosen[0].score for c in chosen)
    first = chosen[0].exemplar
    others = [e for e in shelf if e.kind != first.kind]
    if k > 1 and any(_is_small(e) and _is_contrast(e, first) for e in others):
        assert any(_is_small(c.exemplar) for c in chosen)
        assert any(_is_contrast(c.exemplar, first) for c in chosen[1:])
    shuffled = data.draw(st.permutations(shelf))
    assert choose(spec, shuffled, k) == chosen


def test_same_answer_every_time() -> None:
    spec = next(iter(QUERIES))
    answers: list[list[Choice]] = []
    for seed in range(5):
        shelf = list(SHIPPED)
        random.Random(seed).shuffle(shelf)
        answers.append(choose(spec, shelf))
    assert all(answer == answers[0] for answer in answers)


@settings(max_examples=40, deadline=None)
@given(k=st.integers(2, 5), order=st.permutations(SHIPPED))
def test_the_fixed_choice_is_diverse_and_depends_on_nothing_but_the_library(k: int, order: list[Exemplar]) -> None:
    chosen = [c.exemplar for c in fixed(order, k)]
    assert chosen == [c.exemplar for c in fixed(SHIPPED, k)]
    assert len({e.kind for e in chosen}) == len(chosen) == k
    assert any(map(_is_small, chosen))
    assert any(_is_contrast(e, chosen[0]) for e in chosen[1:])


def test_the_fixed_choice_says_what_it_is() -> None:
    first, *_ = fixed(SHIPPED)
    assert (first.exemplar.name, first.score) == (min(e.name for e in SHIPPED), 0.0)
    assert all(c.why.startswith("the same for every specification, ") for c in fixed(SHIPPED))
    assert fixed(SHIPPED, 0) == fixed([]) == []


@given(part=st.sets(st.sampled_from(range(len(SHIPPED)))), most=st.none() | st.integers(1, 14))
def test_only_plans_of_the_size_that_a_plan_may_have_are_shown(part: set[int], most: int | None) -> None:
    shelf = [SHIPPED[i] for i in sorted(part)]
    left = within(shelf, most)
    sizes = {e.size for e in shelf}
    allowed = {size for size in sizes if most is None or size <= most} or {min(sizes, default=0)}
    assert left == [e for e in shelf if e.size in allowed]
