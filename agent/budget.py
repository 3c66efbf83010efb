"""The hard ceilings of a run. A try is let pass only if the most it may cost still fits under every one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from agent.models.base import ANSWER_TOKENS, SMALLEST_ANSWER, Ask, Lease, tokens_of
from graphs.errors import LimitReached
from graphs.values import Limits, Usage

SHARE_TOKENS = 4_000
"""Completion tokens with which a try is let go while others are in flight; with fewer it waits for them instead."""


@dataclass(frozen=True)
class Cost:
    """What one try cost."""

    component: str
    """The component it was for; empty for the run as a whole."""
    reported: Usage
    """What is known; its ``usd`` is ``None`` when the price is not."""
    estimate: Usage | None = None
    """What counts towards the ceilings in its place, because the endpoint did not say."""


class Budget:
    """What was spent, what is set aside for tries in flight, and what is left. The gate of everything a run asks."""

    def __init__(self, limits: Limits, price: Callable[[Usage], float | None], past: Iterable[Cost] = ()) -> None:
        """
        Args:
            limits: the ceilings.
            price: US dollars of a usage; ``None`` when unknown (then ``max_usd`` cannot bind and tokens must).
            past: what earlier processes of the same run spent.
        """
        self._limits = limits
        self._price = price
        self.spent = Usage()
        """As reported. What counts towards the ceilings is more where something was not reported."""
        self._counted = Usage()
        self._by_component: dict[str, Usage] = {}
        self._in_flight: list[Lease] = []
        self._waiting: list[asyncio.Future[None]] = []
        for cost in past:
            self._book(cost)

    @asynccontextmanager
    async def lease(self, ask: Ask, wanted: int = ANSWER_TOKENS, least: int = SMALLEST_ANSWER) -> AsyncIterator[Lease]:
        """Set aside what a try of ``ask`` may cost while it is in flight; see :meth:`agent.models.base.Gate.lease`.

        Near a ceiling it is half of what is left, so that the next to come find room beside it, but a useful size.
        """
        while (lease := self._grant(ask, wanted, least)) is None:
            if not self._in_flight:
                raise self._refusal(ask, min(least, wanted, ask.max_tokens or wanted))
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._in_flight.append(lease)
        try:
            yield lease
        finally:  # nothing here waits, so that no second cancellation can come between
            self._in_flight = [other for other in self._in_flight if other is not lease]
            self._book(self.cost(ask, lease))
            for turn in self._waiting:
                if not turn.done():
                    turn.set_result(None)
            self._waiting.clear()

    def cost(self, ask: Ask, lease: Lease) -> Cost:
        """What a try that ended cost. What nobody reported is estimated: the ceiling must hold all the same."""
        if lease.spent is None:
            return Cost(ask.component, Usage(calls=1, usd=_free(lease.reserved)), lease.reserved)
        if lease.unreported is None:
            return Cost(ask.component, lease.spent)
        if not lease.unreported:
            return Cost(ask.component, lease.spent, lease.reserved)
        tokens = Usage(1, ask.likely_tokens, 0, tokens_of(lease.unreported))
        return Cost(ask.component, lease.spent, replace(tokens, usd=self._price(tokens)))

    def spent_by(self, component_id: str) -> Usage:
        """What the calls for one component cost, with estimates where nothing was reported; unknown prices count 0."""
        return self._by_component.get(component_id, Usage())

    def share_left(self, component_id: str, share: float) -> bool:
        """Whether the component has spent less than ``share`` (0 to 1) of what is left of the run and its own spending.

        It must have so under each ceiling there is; without any ceiling it always has.
        """
        limits, run, own = self._limits, self._counted, self.spent_by(component_id)
        return all(
            ceiling is None or mine < share * (max(ceiling - spent, 0) + mine)
            for ceiling, spent, mine in (
                (limits.max_calls, run.calls, own.calls),
                (limits.max_tokens, run.tokens, own.tokens),
                (limits.max_usd, run.usd or 0.0, own.usd or 0.0),
            )
        )

    def _book(self, cost: Cost) -> None:
        counted = cost.estimate or cost.reported
        if counted.usd is None:
            counted = replace(counted, usd=self._price(counted) or 0.0)
        self.spent += cost.reported
        self._counted += counted
        self._by_component[cost.component] = self.spent_by(cost.component) + counted

    def _reserve(self, prompt: int, completion: int) -> Usage:
        """The most a try may cost whose prompt and answer have so many tokens at most."""
        usage = Usage(1, prompt, 0, completion)
        return replace(usage, usd=self._price(usage))

    def _grant(self, ask: Ask, wanted: int, least: int) -> Lease | None:
        """A lease under what is left: of what is wanted, or of less."""
        wanted = min(wanted, ask.max_tokens or wanted)
        least = min(least, wanted)
        prompt = ask.most_tokens
        if self._binding(self._reserve(prompt, least)) is not None:
            return None
        if not self._binds_tokens():
            return Lease(None if ask.max_tokens is None else wanted, self._reserve(prompt, wanted))
        size = self._largest(prompt, wanted, share=0.5)
        if size < wanted:
            size, fits = max(size, min(wanted, max(least, SHARE_TOKENS))), self._largest(prompt, wanted)
            if size > fits and self._in_flight:  # what they leave is worth waiting for
                return None
            size = min(size, fits)
        return Lease(size, self._reserve(prompt, size))

    def _largest(self, prompt: int, wanted: int, share: float = 1.0) -> int:
        """The largest answer, up to ``wanted``, whose try fits into that share of what is left; 0 when none does."""
        if self._binding(self._reserve(prompt, wanted), share) is None:
            return wanted
        low, high = 0, wanted
        while high - low > 1:
            middle = (low + high) // 2
            fits = self._binding(self._reserve(prompt, middle), share) is None
            low, high = (middle, high) if fits else (low, middle)
        return low

    def _binds_tokens(self) -> bool:
        """Whether a ceiling depends on how long an answer is."""
        if self._limits.max_tokens is not None:
            return True
        return self._limits.max_usd is not None and bool(self._price(Usage(1, 10**6, 0, 10**6)))

    def _binding(self, reserve: Usage, share: float = 1.0) -> str | None:
        """Which ceiling a try could break, within a share of what is left: ``calls``, ``tokens``, ``usd`` or none."""
        limits, taken = self._limits, self._counted
        if limits.max_calls is not None and taken.calls + len(self._in_flight) >= limits.max_calls:
            return "calls"
        if limits.max_tokens is not None:
            left = limits.max_tokens - taken.tokens - sum(lease.reserved.tokens for lease in self._in_flight)
            if reserve.tokens > share * left:
                return "tokens"
        if limits.max_usd is not None:
            left_usd = limits.max_usd - (taken.usd or 0.0) - sum(lease.reserved.usd or 0.0 for lease in self._in_flight)
            if (reserve.usd or 0.0) > share * left_usd:
                return "usd"
        return None

    def _refusal(self, ask: Ask, least: int) -> LimitReached:
        limits, taken = self._limits, self._counted
        what = "the next call"
        if least > SMALLEST_ANSWER:
            what = f"an answer of {least} tokens, which is needed because a shorter one was cut,"
        binding = self._binding(self._reserve(ask.most_tokens, least))
        if binding == "usd":
            return LimitReached(
                "usd",
                f"{what} does not fit under the ceiling of {limits.max_usd:g} USD ({taken.usd or 0.0:.4f} spent); "
                "raise --max-usd and resume",
            )
        if binding == "tokens":
            return LimitReached(
                "tokens",
                f"{what} does not fit under the ceiling of {limits.max_tokens} tokens ({taken.tokens} used); "
                "raise --max-tokens and resume",
            )
        return LimitReached(
            "calls", f"the ceiling of {limits.max_calls} model calls is reached; raise --max-calls and resume"
        )


def _free(reserved: Usage) -> float | None:
    """The price of something unknown: nothing when even the most it may cost is nothing."""
    return 0.0 if reserved.usd == 0.0 else None
