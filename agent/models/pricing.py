"""What a call costs: a table of list prices that the user can override. An unknown price is ``None``, never 0."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from graphs.errors import ConfigError
from graphs.values import Usage

_SNAPSHOT = re.compile(r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3})|-latest)$")
"""What providers put behind the name of a model to name one version of it: a date, a build number, ``-latest``."""

_FIELDS = {"input", "cached", "output"}


@dataclass(frozen=True)
class Price:
    """List price of one model, US dollars per million tokens."""

    input: float
    """Prompt tokens."""
    cached: float
    """Prompt tokens served from the endpoint's prompt cache."""
    output: float
    """Completion tokens, reasoning tokens included."""


@dataclass(frozen=True)
class Prices:
    """The price table."""

    table: Mapping[str, Price]
    """Model name in lower case → price."""

    @classmethod
    def load(cls, user_file: Path | None = None) -> Prices:
        """The shipped table, with the user's figures in place of ours; ``ConfigError`` when theirs are wrong."""
        shipped = resources.files("agent.models").joinpath("prices.toml").read_text(encoding="utf-8")
        table = _read(shipped, "prices.toml")
        if user_file is not None:
            try:
                text = user_file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"cannot read the price file {str(user_file)!r}: {error}") from error
            table |= _read(text, str(user_file))
        return cls(table)

    def of(self, model: str) -> Price | None:
        """The price of a model: by its exact name, or by its name without the date behind it; ``None`` when not listed.

        ``gpt-4o-2024-08-06`` is ``gpt-4o``; ``gpt-4o-audio`` is another model and stays unknown.
        """
        name = model.lower()
        return self.table.get(name) or self.table.get(_SNAPSHOT.sub("", name))

    def usd(self, model: str, usage: Usage) -> float | None:
        """US dollars for the tokens of ``usage`` (not looking at its ``usd``); ``None`` when the price is unknown."""
        price = self.of(model)
        if price is None:
            return None
        fresh = max(usage.prompt_tokens - usage.cached_tokens, 0)
        return (
            fresh * price.input + usage.cached_tokens * price.cached + usage.completion_tokens * price.output
        ) / 1_000_000


def _read(text: str, name: str) -> dict[str, Price]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the price file {name!r} is not TOML: {error}") from error
    return {model.lower(): _price(model, entry, name) for model, entry in data.items()}


def _price(model: str, entry: Any, name: str) -> Price:
    if not isinstance(entry, dict) or not {"input", "output"} <= entry.keys() <= _FIELDS:
        raise ConfigError(
            f"the price file {name!r} must give input and output (and may give cached) for {model!r}, "
            f"in US dollars per million tokens; found {entry!r}"
        )
    for field, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ConfigError(
                f"the price file {name!r} has {field} = {value!r} for {model!r}: it must be a number, 0 or more"
            )
    return Price(
        float(entry["input"]), float(entry["cached" if "cached" in entry else "input"]), float(entry["output"])
    )
