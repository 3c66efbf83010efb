"""Asks in words only."""

from __future__ import annotations

from typing import Any

from agent.strategies.base import Shape


class Plain:
    """The baseline: what the prompt says is all that shapes an answer."""

    name = "plain"
    needs = ""

    def form(self, shape: Shape[Any]) -> None:
        """None."""
        return
