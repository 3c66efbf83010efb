"""Strategies differ in the form they hold answers to, and in nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.config import ROLES
from agent.models import Manual, open_model
from agent.models.base import Ask, Grammar, Model, Schema
from agent.models.pricing import Prices
from agent.models.scripted import Scripted
from agent.prompts import Prompts
from agent.strategies import STRATEGIES, open_strategy
from agent.strategies.base import Reading
from graphs.errors import ConfigError
from graphs.ports import Brief
from graphs.values import Component, Contract, Requirement, Spec

SPEC = Spec("Adder", "# Adder\n\nWrite a function that adds two numbers.\n", "digest")
REQUIREMENTS = "R1: It adds two numbers.\n> adds two numbers\n"
PLAN = """
One part.

```yaml
title: adder
language: python
entry: ''
components:
  - id: adder
    purpose: Adds.
    kind: library
    files: [adder.py]
    depends_on: []
    requirements: [R1]
    packages: []
    contract:
      behaviour: |
        add(a, b) gives the sum.
      interface:
        adder.py: |
          def add(a: int, b: int) -> int: ...
      examples: []
```
"""
CODE = "### adder.py\n```python\ndef add(a, b):\n    return a + b\n```\n"
ADDER = Component("adder", "Adds.", ("adder.py",), Contract({"adder.py": "def add(a, b): ...\n"}, "Adds.\n", ()))
BRIEF = Brief(ADDER, "key", (Requirement("R1", "It adds.", "adds two numbers"),), (), "tests/test_adder.py")


async def three_questions(strategy: Any) -> None:
    requirements = await strategy.requirements(SPEC)
    await strategy.plan(SPEC, requirements, [])
    await strategy.code(BRIEF, 1)


def asked(names: Any, answers: Any = None, note: Any = None) -> list[Ask]:
    model = Scripted(answers or {"requirements": REQUIREMENTS, "plan": PLAN, "code": CODE})
    options = {} if note is None else {"note": note}
    asyncio.run(three_questions(open_strategy(names, lambda _: model, Prompts(), lambda _: [], 0.5, **options)))
    return model.asks


def test_all_strategies_send_the_same_words() -> None:
    def words(ask: Ask) -> Any:
        return ask.messages, ask.step, ask.component, ask.attempt, ask.temperature, ask.max_tokens, ask.extra

    of = {name: asked(name) for name in STRATEGIES}
    assert [*STRATEGIES] == ["plain", "guided", "native"]
    assert [*map(words, of["plain"])] == [*map(words, of["guided"])] == [*map(words, of["native"])]
    assert [ask.form for ask in of["plain"]] == [None, None, None]
    assert [type(ask.form) for ask in of["guided"]] == [Grammar, Grammar, Grammar]
    # Code never goes into JSON.
    assert [type(ask.form) for ask in of["native"]] == [Schema, Schema, type(None)]
    keys = [{ask.key("m") for ask in asks} for asks in of.values()]
    assert not keys[0] & keys[1], "a guided answer must not be taken for a plain one"


def test_an_answer_that_is_of_no_use_is_asked_again_in_every_strategy() -> None:
    for name in STRATEGIES:
        answers = {"requirements": ["Nothing.", REQUIREMENTS], "plan": PLAN, "code": CODE}
        asks = asked(name, answers)
        assert [ask.step for ask in asks] == ["requirements", "requirements", "plan", "code"], name
        assert asks[0].form == asks[1].form


def test_each_role_may_have_a_strategy_of_its_own() -> None:
    names = {**dict.fromkeys(ROLES, "plain"), "plan": "guided"}
    assert [type(ask.form) for ask in asked(names)] == [Grammar, Grammar, type(None)]


def test_how_answers_read_is_told() -> None:
    told: list[Reading] = []

    async def note(reading: Reading) -> None:
        told.append(reading)

    asks = asked("guided", {"requirements": ["Nothing.", REQUIREMENTS], "plan": PLAN, "code": CODE}, note)
    assert [(r.step, r.component, r.number, bool(r.problems)) for r in told] == [
        ("requirements", "", 1, True),
        ("requirements", "", 2, False),
        ("plan", "", 1, False),
        ("code", "adder", 1, False),
    ]
    assert [r.key for r in told] == [ask.key("scripted") for ask in asks]
    assert all(ask.form is not None and r.form == ask.form.digest for r, ask in zip(told, asks, strict=True))
    assert {r.strategy for r in told} == {"guided"}


def _openai() -> Model:
    return open_model("gpt-4.1", api_key="k", prices=Prices.load(None))


@pytest.mark.parametrize(
    ("names", "model", "says"),
    [
        ("magic", lambda: Scripted({}), "unknown strategy 'magic'; known strategies are plain, guided, native"),
        ("guided", lambda: Manual(Path("answers")), "needs a local engine .* is neither: .* strategies: plain$"),
        ("native", lambda: Manual(Path("answers")), "needs an OpenAI-compatible endpoint"),
        ("guided", _openai, "needs a local engine .* strategies: plain, native$"),
        ({"plan": "native", "code": "guided"}, _openai, "the strategy 'guided' needs"),
    ],
)
def test_a_strategy_that_cannot_be_is_refused_before_anything_is_asked(
    names: Any, model: Callable[[], Model], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        open_strategy(names, lambda _: model(), Prompts(), lambda _: [])
