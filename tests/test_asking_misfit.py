"""A plan whose figures speak against its size is asked for once more, in the same conversation; then what is sound counts."""

from __future__ import annotations

import asyncio

import pytest

from agent.models.scripted import Scripted
from agent.prompts import Prompts
from agent.strategies import open_strategy
from agent.strategies.asking import TRIES
from graphs.errors import LimitReached, ModelError
from graphs.values import Plan, Requirement, Spec

SPEC = Spec("t", "# t\n\nIt shows.\n", "d")
REQUIREMENTS = (Requirement("R1", "It shows.", "It shows.", 3),)


def answer(*ids: str, why: str = "Thinking.", behaviour: str = "Does it.") -> str:
    """A plan of these components."""
    parts = "".join(
        f"""  - id: {i}
    purpose: Part of it.
    files: [{i}.py]
    requirements: [R1]
    contract:
      behaviour: {behaviour}
      interface: {{{i}.py: "def f(): ..."}}
"""
        for i in ids
    )
    return f"{why}\n\n```yaml\ntitle: t\ncomponents:\n{parts}```\n"


TWO, THREE, ONE = answer("a", "b"), answer("a", "b", "c"), answer("a", why="One is enough.")
UNSOUND = answer("a").replace("[R1]", "[]")
LARGE = answer("a", "b", behaviour="word " * 400)


def planned(*answers: str | Exception) -> tuple[Plan, Scripted]:
    model = Scripted({"plan": list(answers)})
    strategy = open_strategy("plain", lambda _: model, Prompts(None), lambda _: [])
    return asyncio.run(strategy.plan(SPEC, REQUIREMENTS, [])), model


def ids(plan: Plan) -> list[str]:
    return [c.id for c in plan.components]


@pytest.mark.parametrize(
    ("answers", "built", "asked"),
    [
        ([ONE], "a", 1),
        ([LARGE], "a b", 1),
        ([TWO, ONE], "a", 2),
        ([TWO, TWO], "a b", 2),
        ([TWO, answer("a", "b", why="It is right, because it is."), ONE], "a b", 2),
        ([TWO, THREE, ONE], "a b c", 2),
        ([TWO, UNSOUND, ONE], "a b", 2),
        ([TWO, "I keep it: the parts have two reasons to change.", ONE], "a b", 2),
        ([UNSOUND, "No.", TWO, ONE], "a", 4),
        ([UNSOUND] * (TRIES - 1) + [TWO, "No."], "a b", TRIES + 1),
    ],
    ids=[
        "right",
        "right, in two",
        "better",
        "the same",
        "kept with a reason",
        "worse",
        "unsound",
        "words only",
        "after mending",
        "at the last try",
    ],
)
def test_the_second_sound_plan_counts_else_the_first(answers: list[str | Exception], built: str, asked: int) -> None:
    plan, model = planned(*answers)

    assert ids(plan) == built.split()
    assert len(model.asks) == asked


def test_it_is_told_with_its_figures_in_the_same_conversation() -> None:
    _, model = planned(UNSOUND, TWO, ONE)
    first, again, misfit = model.asks

    assert again.messages[: len(first.messages)] == first.messages
    assert misfit.messages[: len(again.messages)] == again.messages
    assert [m.role for m in misfit.messages[4:]] == ["assistant", "user"]
    assert misfit.messages[4].content == TWO
    told = misfit.messages[5].content
    assert "the contracts of its 2 components have 44 characters together" in told
    assert "say why" in told
    assert "cannot be used" not in told
    assert (misfit.step, misfit.priority) == ("plan", first.priority)


def test_each_misfit_is_told() -> None:
    plan, model = planned(answer("a", "b", "c", "d"), ONE)

    assert ids(plan) == ["a"]
    told = model.asks[1].messages[-1].content
    for words in ("88 characters together", "coupling is 1.00", "cohesion is 0.25"):
        assert words in told
    assert told.count("\n- ") == 3


@pytest.mark.parametrize("error", [ModelError("gone"), LimitReached("calls", "2 calls are spent")])
def test_a_sound_plan_is_not_lost_when_nobody_answers(error: Exception) -> None:
    plan, model = planned(TWO, error)

    assert ids(plan) == ["a", "b"]
    assert len(model.asks) == 2
    with pytest.raises(type(error)):
        planned(error)
