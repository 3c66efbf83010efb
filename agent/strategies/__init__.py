"""Named ways of asking the model. A new one is one file and one row of ``STRATEGIES``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from agent.config import ROLES
from agent.models.base import Model
from agent.prompts import Prompts
from agent.strategies.asking import Asking, unheard
from agent.strategies.base import Note, Way
from agent.strategies.guided import Guided
from agent.strategies.native import Native
from agent.strategies.plain import Plain
from graphs.errors import ConfigError
from graphs.ports import Strategy
from graphs.values import Component, Files

STRATEGIES: dict[str, Way] = {way.name: way for way in (Plain(), Guided(), Native())}

_HOLD = {
    "grammar": "a local engine (local:…) or a server that takes grammars (vLLM, SGLang, llama-server with llguidance)",
    "schema": "an OpenAI-compatible endpoint with structured outputs",
}
"""Kind of form → the models that can hold answers to it."""


def open_strategy(
    names: str | Mapping[str, str],
    models: Callable[[str], Model],
    prompts: Prompts,
    check_component: Callable[[Component], Iterable[str]],
    temperature: float | None = None,
    note: Note = unheard,
    max_components: int | None = None,
    existing: Files | None = None,
) -> Strategy:
    """What asks in the ways of those names.

    Args:
        names: role (one of ``agent.config.ROLES``) → name of its strategy; one name is for all of them.
        models, prompts, check_component, temperature, note, max_components, existing: see
            :class:`agent.strategies.asking.Asking`.

    Raises:
        ConfigError: a name that is not known, or a model that cannot do what its strategy needs.
    """
    ways: dict[str, Way] = {}
    for role, name in (dict.fromkeys(ROLES, names) if isinstance(names, str) else names).items():
        if name not in STRATEGIES:
            raise ConfigError(f"unknown strategy {name!r}; known strategies are {', '.join(STRATEGIES)}")
        way = ways[role] = STRATEGIES[name]
        if not way.needs:
            continue
        model = models(role)
        if way.needs not in model.forms:
            others = [n for n, other in STRATEGIES.items() if not other.needs or other.needs in model.forms]
            raise ConfigError(
                f"the strategy {name!r} needs {_HOLD[way.needs]}; the model {model.name!r} is neither: name another "
                f"model, or one of these strategies: {', '.join(others)}"
            )
    return Asking(ways, models, prompts, check_component, temperature, note, max_components, existing)
