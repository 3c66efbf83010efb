"""Named ways of asking the model. A new one is one file and one row of ``STRATEGIES``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent.models.base import Model
from agent.prompts import Prompts
from agent.strategies.plain import Plain
from graphs.errors import ConfigError
from graphs.ports import Strategy
from graphs.values import Component

STRATEGIES: dict[str, type[Plain]] = {Plain.name: Plain}


def open_strategy(
    name: str,
    models: Callable[[str], Model],
    prompts: Prompts,
    check_component: Callable[[Component], Iterable[str]],
    temperature: float | None = None,
) -> Strategy:
    """The strategy of that name; ``ConfigError`` naming those there are."""
    if name not in STRATEGIES:
        raise ConfigError(f"unknown strategy {name!r}; known strategies are {', '.join(STRATEGIES)}")
    return STRATEGIES[name](models, prompts, check_component, temperature)
