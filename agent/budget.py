"""The hard ceilings of a run. A call is let pass only if what it may cost still fits under every one of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from agent.models.base import Ask
from graphs.errors import LimitReached
from graphs.values import Limits, Usage

CHARS_PER_TOKEN = 3.0
"""Characters per token, low so that an estimate errs on the dear side (English prose has about 4, code about 3)."""
ANSWER_TOKENS = 8_000
"""Completion tokens set aside for a call; near the ceiling it is sent with a smaller ``max_tokens`` instead."""
SMALLEST_ANSWER = 256
"""Completion tokens below which asking is pointless."""


@dataclass
class Lease:
    """What one call in flight has set aside, and what it turned out to cost."""

    ask: Ask
    """The ask to send: as given, or with ``max_tokens`` lowered to what is left."""
    cut: bool
    """Whether the budget lowered ``max_tokens``."""
    tokens: int
    """Set aside: prompt and completion."""
    usd: float
    """Set aside: US dollars; 0 when the price is unknown."""
    spent: Usage | None = None
    """Set by whoever made the call before the lease ends; ``None`` when nobody knows, as after a cancelled call."""
    answer: str = ""
    """The answer, if there was one: what an endpoint that reports no usage is estimated by."""


class Budget:
    """What was spent, what is set aside for calls in flight, and what is left."""

    def __init__(self, limits: Limits, price: Callable[[Usage], float | None], spent: Usage) -> None:
        """
        Args:
            limits: the ceilings.
            price: US dollars of a usage; ``None`` when unknown (then ``max_usd`` cannot bind and tokens must).
            spent: by earlier processes of the same run.
        """
        self._limits = limits
        self._price = price
        self.spent = spent
        """As reported. What counts towards the ceilings is more where something was not reported."""
        self._tokens = spent.tokens
        self._usd = self._dollars(spent)
        self._in_flight: list[Lease] = []
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def lease(self, ask: Ask) -> AsyncIterator[Lease]:
        """Set aside what ``ask`` may cost while it is in flight; waits while only calls in flight stand in the way.

        Raises:
            LimitReached: nothing is in flight any more and the call still does not fit.
        """
        while (lease := self._fit(ask)) is None:
            if not self._in_flight:
                raise self._refusal(ask)
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._in_flight.append(lease)
        try:
            yield lease
        finally:  # nothing here waits, so that no second cancellation can come between
            self._in_flight = [other for other in self._in_flight if other is not lease]
            self._book(lease)
            for turn in self._waiting:
                if not turn.done():
                    turn.set_result(None)
            self._waiting.clear()

    def _book(self, lease: Lease) -> None:
        """Count what a call cost. What nobody reported is estimated: the ceiling must hold all the same."""
        known = lease.spent
        self.spent += Usage(calls=1, usd=None) if known is None else known
        if known is None or (known.calls and not known.tokens and known.usd is None):
            completion = math.ceil(len(lease.answer) / CHARS_PER_TOKEN)
            tokens, usd = self._cost(lease.ask, completion) if lease.answer else (lease.tokens, lease.usd)
            self._tokens += tokens
            self._usd += usd
        else:
            self._tokens += known.tokens
            self._usd += self._dollars(known)

    def _dollars(self, usage: Usage) -> float:
        return (self._price(usage) if usage.usd is None else usage.usd) or 0.0

    def _cost(self, ask: Ask, completion: int) -> tuple[int, float]:
        prompt = math.ceil(sum(len(m.content) for m in ask.messages) / CHARS_PER_TOKEN)
        return prompt + completion, self._price(Usage(prompt_tokens=prompt, completion_tokens=completion)) or 0.0

    def _fit(self, ask: Ask) -> Lease | None:
        """A lease for ``ask`` under what is left; with a smaller answer only when nothing is in flight."""
        wanted = ask.max_tokens or ANSWER_TOKENS
        low, high = min(SMALLEST_ANSWER, wanted), wanted
        if self._binding(ask, high) is None:
            return Lease(ask, False, *self._cost(ask, high))
        if self._in_flight or self._binding(ask, low) is not None:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._binding(ask, middle) is None else (low, middle)
        return Lease(replace(ask, max_tokens=low), True, *self._cost(ask, low))

    def _binding(self, ask: Ask, completion: int) -> str | None:
        """Which ceiling a call with such an answer could break: ``calls``, ``tokens``, ``usd`` or none."""
        limits = self._limits
        tokens, usd = self._cost(ask, completion)
        if limits.max_calls is not None and self.spent.calls + len(self._in_flight) >= limits.max_calls:
            return "calls"
        if limits.max_tokens is not None:
            used = self._tokens + sum(lease.tokens for lease in self._in_flight)
            if used + tokens > limits.max_tokens:
                return "tokens"
        if limits.max_usd is not None:
            used_usd = self._usd + sum(lease.usd for lease in self._in_flight)
            if used_usd + usd > limits.max_usd:
                return "usd"
        return None

    def _refusal(self, ask: Ask) -> LimitReached:
        limits = self._limits
        binding = self._binding(ask, min(SMALLEST_ANSWER, ask.max_tokens or SMALLEST_ANSWER))
        if binding == "usd":
            return LimitReached(
                "usd",
                f"the next call does not fit under the ceiling of {limits.max_usd:g} USD ({self._usd:.4f} spent); "
                "raise --max-usd and resume",
            )
        if binding == "tokens":
            return LimitReached(
                "tokens",
                f"the next call does not fit under the ceiling of {limits.max_tokens} tokens ({self._tokens} used); "
                "raise --max-tokens and resume",
            )
        return LimitReached(
            "calls", f"the ceiling of {limits.max_calls} model calls is reached; raise --max-calls and resume"
        )
