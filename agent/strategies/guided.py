"""Holds each answer to the grammar of its shape, in a local engine of guidance or on a server that takes grammars."""

from __future__ import annotations

from typing import Any

from agent.models.base import Grammar
from agent.strategies.base import Shape


class Guided:
    """Structure by construction; code, prose and diagnosis stay free, and reasoning comes first."""

    name = "guided"
    needs = "grammar"

    def form(self, shape: Shape[Any]) -> Grammar:
        """The grammar of the shape."""
        return shape.grammar()
