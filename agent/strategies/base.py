"""What a strategy is made of: the shape of an answer, the form it is held to, and what is said of how it read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from agent.models.base import Form, Grammar, Schema

Answered_co = TypeVar("Answered_co", covariant=True)


@dataclass(frozen=True)
class Shape(Generic[Answered_co]):
    """What an answer must look like: the words of a prompt say it, one reader judges it, a strategy may hold it to a form."""

    name: str
    """Of the shape, and of the prompt that has its words."""
    read: Callable[[str], Answered_co]
    """The one reader, in every strategy; raises ``AnswerError``, ``PlanError`` or ``PathRefused`` with what to say again."""
    grammar: Callable[[], Grammar]
    """Makes its grammar: every text of it is one the reader can make sense of."""
    schema: Callable[[], Schema] | None = None
    """Makes its JSON schema; ``None`` where the answer holds code, which never goes into JSON."""


class Way(Protocol):
    """How a strategy asks. Strategies differ in nothing else."""

    name: str
    """What ``--strategy`` says."""
    needs: str
    """The kind of form that its models must hold answers to (``agent.models.base.Model.forms``); empty for none."""

    def form(self, shape: Shape[Any]) -> Form | None:
        """What an answer of this shape is held to."""
        ...


@dataclass(frozen=True)
class Reading:
    """How one answer read."""

    key: str
    """Of the call."""
    step: str
    """Which question it was."""
    component: str
    """The component it was for; empty for the run as a whole."""
    attempt: int
    """Which attempt at the step."""
    number: int
    """1 for the first answer to it, 2 for the first that was asked for again…"""
    strategy: str
    """Name of the way it was asked in."""
    form: str
    """Digest of the form it was held to; empty for none."""
    problems: tuple[str, ...]
    """Why it could not be used; empty when it was."""


Note = Callable[[Reading], Awaitable[None]]
"""Hears how an answer read."""
