"""A model that answers from a script: the fake that tests of everything above the model port run against."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from agent.models.base import Answer, Ask
from graphs.errors import ModelRefused
from graphs.values import Usage

Reply = str | Exception
Place = str | tuple[str, str, int]
"""A step, or a component, a step and an attempt."""


class Scripted:
    """Answers by a function, or by a mapping from ``(component, step, attempt)`` or just the step to what comes back.

    A string is the answer each time; an exception is raised each time; a list is used up, one entry per ask, and then
    its last entry stays. An ask without an entry is ``ModelRefused``. Each answer costs one call, one token per
    character of the answer, and nothing in money.
    """

    def __init__(
        self,
        answers: Callable[[Ask], Reply] | Mapping[Place, Reply | list[Reply]],
        latency: float = 0.0,
        name: str = "scripted",
    ) -> None:
        self.name = name
        self.forms = frozenset({"grammar", "schema"})
        self.asks: list[Ask] = []
        """Every ask in the order of arrival."""
        self.in_flight = 0
        """Asks that wait for their answer now."""
        self.most_in_flight = 0
        """The most that ever waited at once."""
        self._answers = answers
        self._latency = latency
        self._used: dict[Place, int] = {}

    async def ask(self, ask: Ask) -> Answer:
        """The scripted answer after ``latency`` seconds."""
        started = time.monotonic()
        async with ask.gate.lease(ask) as lease:
            self.asks.append(ask)
            reply = self._reply(ask)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                await asyncio.sleep(self._latency)
            finally:
                self.in_flight -= 1
            if isinstance(reply, Exception):
                raise reply
            lease.spent = Usage(calls=1, completion_tokens=len(reply), usd=0.0)
            return Answer(reply, lease.spent, self.name, time.monotonic() - started)

    def price(self, usage: Usage) -> float | None:
        """Nothing."""
        return 0.0

    async def close(self) -> None:
        """Nothing to let go of."""

    def _reply(self, ask: Ask) -> Reply:
        if not isinstance(self._answers, Mapping):
            return self._answers(ask)
        place: Place
        for place in ((ask.component, ask.step, ask.attempt), ask.step):
            if place in self._answers:
                reply = self._answers[place]
                if not isinstance(reply, list):
                    return reply
                used = self._used.get(place, 0)
                self._used[place] = used + 1
                return reply[min(used, len(reply) - 1)]
        return ModelRefused(
            f"the script has no answer for step {ask.step!r} of component {ask.component!r}, attempt {ask.attempt}"
        )
