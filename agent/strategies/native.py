"""Holds answers to a JSON schema where the endpoint offers that: what every user of a hosted model can have."""

from __future__ import annotations

from typing import Any

from agent.models.base import Schema
from agent.strategies.base import Shape


class Native:
    """Structured answers as JSON. Files, tests, repairs and rulings hold code and are asked for in words only."""

    name = "native"
    needs = "schema"

    def form(self, shape: Shape[Any]) -> Schema | None:
        """The schema of the shape, if it has one."""
        return shape.schema() if shape.schema else None
