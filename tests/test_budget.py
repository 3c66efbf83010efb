"""The hard ceilings: whatever is asked and answered, in whatever order, they hold."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.budget import ANSWER_TOKENS, CHARS_PER_TOKEN, SMALLEST_ANSWER, Budget, Lease
from agent.models.base import Ask, Message
from graphs.errors import LimitReached
from graphs.values import Limits, Usage


def price(usage: Usage) -> float:
    """A dollar for a thousand tokens in, five for a thousand out."""
    return usage.prompt_tokens / 1000 + usage.completion_tokens / 200


def ask(chars: int = 3, max_tokens: int | None = None) -> Ask:
    return Ask((Message("user", "x" * chars),), "code", max_tokens=max_tokens)


def usage(prompt: int, completion: int, usd: float | None = -1.0) -> Usage:
    spent = Usage(1, prompt, 0, completion)
    return Usage(1, prompt, 0, completion, 0, price(spent) if usd == -1.0 else usd)


def budget(spent: Usage | None = None, **limits: float) -> Budget:
    return Budget(Limits(**limits), price, spent or Usage())  # type: ignore[arg-type]


async def spend(of: Budget, asked: Ask, cost: Usage | None) -> Lease:
    async with of.lease(asked) as lease:
        lease.spent = cost
    return lease


@dataclass(frozen=True)
class Call:
    """One call of the random runs."""

    chars: int
    max_tokens: int | None
    share: float
    """Of the answer that was leased, how much is used."""
    turns: int
    """Loop turns it takes."""
    ending: str


CALLS = st.builds(
    Call,
    st.integers(0, 3000),
    st.none() | st.integers(1, 12_000),
    st.floats(0, 1),
    st.integers(0, 5),
    st.sampled_from(["answered", "answered", "unreported", "unpriced", "failed", "cancelled"]),
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(CALLS, max_size=12),
    st.none() | st.integers(0, 60_000),
    st.none() | st.floats(0, 300),
    st.none() | st.integers(0, 10),
)
def test_the_ceilings_hold_whatever_happens(
    calls: list[Call], max_tokens: int | None, max_usd: float | None, max_calls: int | None
) -> None:
    of = Budget(Limits(max_tokens=max_tokens, max_usd=max_usd, max_calls=max_calls), price, Usage())
    true = [0, 0.0, 0]
    in_flight = 0

    async def one(call: Call) -> str:
        nonlocal in_flight
        asked = ask(call.chars, call.max_tokens)
        async with of.lease(asked) as lease:
            in_flight += 1
            assert lease.ask.max_tokens is None or lease.ask.max_tokens <= (call.max_tokens or ANSWER_TOKENS)
            prompt = math.ceil(call.chars / CHARS_PER_TOKEN)
            completion = int(call.share * (lease.ask.max_tokens or ANSWER_TOKENS))
            cost = usage(prompt, completion)
            true[0] += cost.tokens
            true[1] += cost.usd or 0.0
            true[2] += 1
            for _ in range(call.turns):
                await asyncio.sleep(0)
            in_flight -= 1
            if call.ending == "unpriced":
                lease.spent = usage(prompt, completion, None)
            elif call.ending == "unreported":
                lease.spent, lease.answer = Usage(1, usd=None), "x" * (completion * 3)
            elif call.ending == "answered":
                lease.spent = cost
            elif call.ending == "failed":
                raise OSError
            else:
                raise asyncio.CancelledError
        return "done"

    async def everything() -> list[object]:
        return list(await asyncio.gather(*(one(c) for c in calls), return_exceptions=True))

    ends = asyncio.run(everything())

    assert in_flight == 0
    assert max_tokens is None or true[0] <= max_tokens
    assert max_usd is None or true[1] <= max_usd + 1e-6
    assert max_calls is None or true[2] <= max_calls
    refused = [e for e in ends if isinstance(e, LimitReached)]
    assert {e.limit for e in refused} <= {"tokens", "usd", "calls"}
    assert len(ends) - len(refused) == true[2]
    assert of.spent.calls == true[2]


def test_a_call_waits_while_only_calls_in_flight_stand_in_its_way() -> None:
    of = budget(max_tokens=ANSWER_TOKENS + 500)
    order: list[str] = []

    async def first() -> None:
        async with of.lease(ask()) as lease:
            order.append("first in")
            for _ in range(5):
                await asyncio.sleep(0)
            lease.spent = usage(1, 10)
            order.append("first out")

    async def second() -> None:
        await asyncio.sleep(0)
        async with of.lease(ask()) as lease:
            order.append("second in")
            assert (lease.cut, lease.ask.max_tokens) == (False, None)
            lease.spent = usage(1, 10)

    async def both() -> None:
        await asyncio.gather(first(), second())

    asyncio.run(both())
    assert order == ["first in", "first out", "second in"]


def test_calls_that_fit_beside_each_other_do_not_wait() -> None:
    of = budget(max_tokens=2 * ANSWER_TOKENS + 2)

    async def nested() -> None:
        async with of.lease(ask()) as one, of.lease(ask()) as two:
            one.spent = two.spent = usage(1, 1)

    asyncio.run(nested())
    assert of.spent == usage(2, 2, price(usage(2, 2))) + Usage(calls=1)


def test_a_waiting_call_that_is_cancelled_leaves_the_others_alone() -> None:
    of = budget(max_tokens=ANSWER_TOKENS + 500)

    async def scene() -> Lease:
        async with of.lease(ask()) as lease:
            waiting = [asyncio.create_task(spend(of, ask(), usage(1, 1))) for _ in range(2)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            await asyncio.sleep(0)
            lease.spent = usage(1, 1)
        return await waiting[1]

    assert asyncio.run(scene()).spent == usage(1, 1)


@pytest.mark.parametrize(
    ("limits", "asked", "sentence"),
    [
        ({"max_tokens": 200}, ask(), r"^the next call does not fit under the ceiling of 200 tokens \(0 used\)"),
        (
            {"max_usd": 0.5},
            ask(),
            r"^the next call does not fit under the ceiling of 0.5 USD \(0.0000 spent\); raise --max-usd",
        ),
        ({"max_calls": 0}, ask(), r"^the ceiling of 0 model calls is reached; raise --max-calls and resume$"),
        ({"max_tokens": 9000}, ask(30_000), r"the ceiling of 9000 tokens"),
        ({"max_calls": 0, "max_tokens": 0}, ask(), r"model calls is reached"),
    ],
)
def test_the_ceiling_that_is_met_is_named(limits: dict[str, float], asked: Ask, sentence: str) -> None:
    with pytest.raises(LimitReached, match=sentence) as caught:
        asyncio.run(spend(budget(**limits), asked, usage(1, 1)))

    assert f"max_{caught.value.limit}" in limits


@pytest.mark.parametrize(
    ("limits", "max_tokens", "sent", "cut"),
    [
        ({}, None, None, False),
        ({"max_tokens": 10_000}, None, None, False),
        ({"max_tokens": 1_001}, None, 1_000, True),
        ({"max_tokens": 1_001}, 5_000, 1_000, True),
        ({"max_tokens": 1_001}, 900, 900, False),
        ({"max_tokens": SMALLEST_ANSWER + 1}, None, SMALLEST_ANSWER, True),
        ({"max_tokens": 101}, 100, 100, False),
        ({"max_usd": 5.0015}, None, 1_000, True),
    ],
)
def test_near_a_ceiling_the_answer_is_made_smaller_never_larger(
    limits: dict[str, float], max_tokens: int | None, sent: int | None, cut: bool
) -> None:
    lease = asyncio.run(spend(budget(**limits), ask(3, max_tokens), usage(1, 1)))

    assert (lease.ask.max_tokens, lease.cut) == (sent, cut)


@pytest.mark.parametrize(
    ("cost", "answer", "left"),
    [
        (usage(1, 500), "", 9_499),
        (Usage(calls=1, usd=0.0), "", 10_000),
        (Usage(calls=1, usd=None), "x" * 300, 9_899),
        (Usage(calls=1, usd=None), "", 10_000 - ANSWER_TOKENS - 1),
        (None, "", 10_000 - ANSWER_TOKENS - 1),
    ],
    ids=["reported", "free", "by its answer", "nothing known", "cancelled"],
)
def test_what_is_not_reported_counts_by_estimate(cost: Usage | None, answer: str, left: int) -> None:
    of = budget(max_tokens=10_000)

    async def scene() -> Lease:
        async with of.lease(ask()) as lease:
            lease.spent, lease.answer = cost, answer
        return await spend(of, ask(3, 50_000), usage(1, 1))

    assert asyncio.run(scene()).ask.max_tokens == left - 1


def test_one_unknown_price_does_not_forget_the_money_spent_before() -> None:
    of = budget(max_usd=10.0)

    async def scene() -> None:
        await spend(of, ask(), usage(0, 1_000))
        await spend(of, ask(), usage(0, 900, None))

    asyncio.run(scene())
    assert of.spent.usd is None
    with pytest.raises(LimitReached, match=r"\(9.5000 spent\)"):
        asyncio.run(spend(of, ask(), usage(1, 1)))


@pytest.mark.parametrize("usd", [9.9, None])
def test_what_earlier_processes_spent_counts(usd: float | None) -> None:
    of = budget(Usage(3, 400, 0, 1_900, 0, usd), max_usd=10.0)

    with pytest.raises(LimitReached, match=r"\(9.9000 spent\)"):
        asyncio.run(spend(of, ask(), usage(1, 1)))
    with pytest.raises(LimitReached, match="calls"):
        asyncio.run(spend(budget(Usage(calls=3), max_calls=3), ask(), usage(1, 1)))
