"""The hard ceilings: whatever is asked and answered, in whatever order, they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.budget import SHARE_TOKENS, Budget, Cost
from agent.models.base import ANSWER_TOKENS, SMALLEST_ANSWER, Ask, Lease, Message
from graphs.errors import LimitReached
from graphs.values import Limits, Usage

PROMPT = 32 + 3
"""The most tokens that the prompt of ``ask()`` can be: three bytes, and the template around them."""


def price(usage: Usage) -> float:
    """A dollar for a thousand tokens in, five for a thousand out."""
    return usage.prompt_tokens / 1000 + usage.completion_tokens / 200


def ask(chars: int = 3, max_tokens: int | None = None, component: str = "") -> Ask:
    return Ask((Message("user", "x" * chars),), "code", component, max_tokens=max_tokens)


def usage(prompt: int, completion: int, usd: float | None = -1.0) -> Usage:
    spent = Usage(1, prompt, 0, completion)
    return replace(spent, usd=price(spent) if usd == -1.0 else usd)


def budget(past: Iterable[Cost] = (), **limits: float) -> Budget:
    return Budget(Limits(**limits), price, past)  # type: ignore[arg-type]


async def spend(of: Budget, asked: Ask, cost: Usage | None, **sizes: int) -> Lease:
    async with of.lease(asked, **sizes) as lease:
        lease.spent = cost
    return lease


@dataclass(frozen=True)
class Try:
    """One try of a question of the random runs."""

    prompt: float
    """Of what its prompt can be at most, how much it is."""
    answer: float
    """Of the answer that was let pass, how much is used."""
    turns: int
    """Loop turns it takes."""
    ending: str


@dataclass(frozen=True)
class Question:
    """One question of the random runs."""

    text: str
    component: str
    max_tokens: int | None
    wanted: int
    least: int
    tries: tuple[Try, ...]


SHARES = st.sampled_from([1.0, 1.0, 0.5, 0.0])
TRIES = st.builds(
    Try,
    SHARES,
    SHARES,
    st.integers(0, 5),
    st.sampled_from(["reported", "reported", "unpriced", "free", "unknown", "silent", "lost"]),
)
QUESTIONS = st.builds(
    Question,
    st.text(max_size=3_000),
    st.sampled_from(["", "a", "b"]),
    st.none() | st.integers(1, 40_000),
    st.integers(1, 130_000),
    st.integers(1, 20_000),
    st.lists(TRIES, min_size=1, max_size=4).map(tuple),
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(QUESTIONS, min_size=2, max_size=12),
    st.lists(QUESTIONS, max_size=4),
    st.none() | st.integers(0, 100_000),
    st.none() | st.integers(0, 500),
    st.none() | st.integers(0, 20),
)
def test_no_sequence_of_tries_in_two_processes_exceeds_a_ceiling(
    first: list[Question], second: list[Question], max_tokens: int | None, max_usd: int | None, max_calls: int | None
) -> None:
    """``kill -9`` ends the first process while tries are in flight: of those only what they had set aside is known."""
    limits = Limits(max_tokens=max_tokens, max_usd=max_usd, max_calls=max_calls)
    true: dict[str, Usage] = {}
    journal: list[Cost] = []

    async def one(of: Budget, question: Question) -> None:
        asked = ask(component=question.component, max_tokens=question.max_tokens)
        asked = replace(asked, messages=(Message("user", question.text),))
        for tried in question.tries:
            async with of.lease(asked, question.wanted, question.least) as lease:
                longest = lease.max_tokens or lease.reserved.completion_tokens
                assert lease.max_tokens is None or lease.max_tokens <= min(
                    question.wanted, asked.max_tokens or question.wanted
                )
                assert lease.max_tokens is not None or (max_tokens is None and max_usd is None) or asked.max_tokens
                cost = usage(int(tried.prompt * asked.most_tokens), int(tried.answer * longest))
                if tried.ending == "free":
                    cost = Usage(calls=1, usd=0.0)
                true[question.component] = true.get(question.component, Usage()) + cost
                for _ in range(tried.turns):
                    await asyncio.sleep(0)
                match tried.ending:
                    case "reported" | "free":
                        lease.spent = cost
                    case "unpriced":
                        lease.spent = replace(cost, usd=None)
                    case "unknown":
                        lease.spent, lease.unreported = Usage(calls=1, usd=None), 0
                    case "lost":
                        journal.append(Cost(asked.component, Usage(calls=1, usd=None), lease.reserved))
                        raise asyncio.CancelledError
            journal.append(of.cost(asked, lease))

    async def process(questions: list[Question]) -> Budget:
        of = Budget(limits, price, journal)
        ends = await asyncio.gather(*(one(of, q) for q in questions), return_exceptions=True)
        unexpected = [e for e in ends if not isinstance(e, LimitReached | asyncio.CancelledError | None)]
        assert not unexpected
        return of

    of = asyncio.run(process(first))
    of = asyncio.run(process(second))

    spent = sum(true.values(), Usage())
    assert max_tokens is None or spent.tokens <= max_tokens
    assert max_usd is None or (spent.usd or 0.0) <= max_usd + 1e-6
    assert max_calls is None or spent.calls <= max_calls
    assert of.spent.calls == spent.calls
    for component, cost in true.items():
        assert of.spent_by(component).tokens >= cost.tokens
        assert (of.spent_by(component).usd or 0.0) >= (cost.usd or 0.0) - 1e-6


def test_a_call_waits_while_only_calls_in_flight_stand_in_its_way() -> None:
    of = budget(max_tokens=SHARE_TOKENS + 500)
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
            assert lease.max_tokens == SHARE_TOKENS
            lease.spent = usage(1, 10)

    async def both() -> None:
        await asyncio.gather(first(), second())

    asyncio.run(both())
    assert order == ["first in", "first out", "second in"]


@pytest.mark.parametrize(("max_tokens", "beside"), [(40_000, 3), (100_000, 5), (1_000_000, 8)])
def test_near_a_ceiling_answers_shrink_so_that_several_go_on_at_once(max_tokens: int, beside: int) -> None:
    of = budget(max_tokens=max_tokens)
    sizes: list[int] = []

    async def one(over: asyncio.Event) -> None:
        async with of.lease(ask(1_000)) as lease:
            sizes.append(lease.max_tokens or 0)
            await over.wait()
            lease.spent = usage(300, 900)

    async def all_at_once() -> int:
        over = asyncio.Event()
        tasks = [asyncio.create_task(one(over)) for _ in range(8)]
        for _ in range(10):
            await asyncio.sleep(0)
        at_once = len(sizes)
        over.set()
        await asyncio.gather(*tasks)
        return at_once

    assert asyncio.run(all_at_once()) >= beside
    assert len(sizes) == 8
    assert min(sizes) >= SHARE_TOKENS
    assert sizes[0] == min(ANSWER_TOKENS, (max_tokens // 2) - 1_032)


def test_a_question_that_tries_again_holds_nothing_while_it_waits_for_room() -> None:
    """Each of two needs all of what is left for its second try; neither may keep it from the other for good."""
    of = budget(max_tokens=12_000)

    async def one() -> None:
        for _ in range(2):
            async with of.lease(ask(), wanted=5_000, least=5_000) as lease:
                await asyncio.sleep(0.001)
                lease.spent = usage(1, 10)

    async def both() -> None:
        async with asyncio.timeout(5):
            await asyncio.gather(*(one() for _ in range(8)))

    asyncio.run(both())
    assert of.spent.calls == 16


def test_a_waiting_call_that_is_cancelled_leaves_the_others_alone() -> None:
    of = budget(max_tokens=SHARE_TOKENS + 500)

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
    ("limits", "asked", "least", "sentence"),
    [
        ({"max_tokens": 200}, ask(), 256, r"^the next call does not fit under the ceiling of 200 tokens \(0 used\)"),
        (
            {"max_usd": 0.5},
            ask(),
            256,
            r"^the next call does not fit under the ceiling of 0.5 USD \(0.0000 spent\); raise --max-usd",
        ),
        ({"max_calls": 0}, ask(), 256, r"^the ceiling of 0 model calls is reached; raise --max-calls and resume$"),
        ({"max_tokens": 9000}, ask(30_000), 256, r"the ceiling of 9000 tokens"),
        ({"max_calls": 0, "max_tokens": 0}, ask(), 256, r"model calls is reached"),
        (
            {"max_tokens": 9000},
            ask(),
            16_000,
            r"^an answer of 16000 tokens, which is needed because a shorter one was cut, does not fit under",
        ),
    ],
)
def test_the_ceiling_that_is_met_is_named(limits: dict[str, float], asked: Ask, least: int, sentence: str) -> None:
    with pytest.raises(LimitReached, match=sentence) as caught:
        asyncio.run(spend(budget(**limits), asked, usage(1, 1), least=least))

    assert f"max_{caught.value.limit}" in limits


@pytest.mark.parametrize(
    ("limits", "max_tokens", "sent"),
    [
        ({}, None, None),
        ({"max_calls": 5}, None, None),
        ({"max_calls": 5}, 700, 700),
        ({"max_tokens": 100_000}, None, ANSWER_TOKENS),
        ({"max_tokens": 100_000}, 50_000, ANSWER_TOKENS),
        ({"max_tokens": 20_000 + PROMPT * 2}, None, 10_000),
        ({"max_tokens": 1_000 + PROMPT}, None, 1_000),
        ({"max_tokens": 1_000 + PROMPT}, 5_000, 1_000),
        ({"max_tokens": 1_000 + PROMPT}, 900, 900),
        ({"max_tokens": SMALLEST_ANSWER + PROMPT}, None, SMALLEST_ANSWER),
        ({"max_tokens": 100 + PROMPT}, 100, 100),
        ({"max_usd": 5.0001 + PROMPT / 1000}, None, 1_000),
        ({"max_usd": 5.0, "max_tokens": 400 + PROMPT}, None, 400),
    ],
)
def test_an_answer_is_never_longer_than_what_is_set_aside_for_it(
    limits: dict[str, float], max_tokens: int | None, sent: int | None
) -> None:
    lease = asyncio.run(spend(budget(**limits), ask(3, max_tokens), usage(1, 1)))

    assert lease.max_tokens == sent
    assert sent is None or lease.reserved.completion_tokens == sent or not {"max_tokens", "max_usd"} & limits.keys()


def test_a_ceiling_of_money_leaves_answers_alone_that_cost_nothing() -> None:
    of = Budget(Limits(max_usd=5.0), lambda _: 0.0)

    assert asyncio.run(spend(of, ask(), None)).max_tokens is None
    assert of.spent == Usage(calls=1, usd=0.0)  # lost, but whatever it was, it was free


@pytest.mark.parametrize("text", ["{}()[]<>;:!?" * 100, "漢字仮名交じり文" * 100, "🙂" * 300, "\ud800" * 100])
def test_no_tokenizer_makes_more_of_a_prompt_than_is_set_aside(text: str) -> None:
    """One token for each byte is the most that any makes of any text."""
    lease = asyncio.run(spend(budget(max_tokens=100_000), replace(ask(), messages=(Message("user", text),)), None))

    assert lease.reserved.prompt_tokens >= len(text.encode("utf-8", "surrogatepass"))


def test_a_grammar_counts_with_the_prompt() -> None:
    asked = replace(ask(), extra={"response_format": {"schema": "x" * 500}})

    assert asyncio.run(spend(budget(max_tokens=100_000), asked, None)).reserved.prompt_tokens > 500


@pytest.mark.parametrize(
    ("cost", "came", "left"),
    [
        (usage(1, 500), None, 19_499),
        (Usage(calls=1, usd=0.0), None, 20_000),
        (Usage(calls=1, usd=None), 300, 19_899),
        (Usage(calls=1, usd=0.0), 300, 19_899),
        (Usage(calls=1, usd=None), 0, 20_000 - 8_000 - PROMPT),
        (None, None, 20_000 - 8_000 - PROMPT),
    ],
    ids=["reported", "free", "by its answer", "of a free model", "nothing known", "cancelled"],
)
def test_what_is_not_reported_counts_by_estimate(cost: Usage | None, came: int | None, left: int) -> None:
    of = budget(max_tokens=20_000)

    async def scene() -> Lease:
        async with of.lease(ask(component="a"), wanted=8_000) as lease:
            lease.spent, lease.unreported = cost, came
        return await spend(of, ask(), usage(1, 1), least=left - PROMPT)

    assert asyncio.run(scene()).max_tokens == left - PROMPT
    assert of.spent_by("a").tokens == 20_000 - left


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
    of = budget([Cost("a", Usage(3, 400, 0, 1_900, 0, usd))], max_usd=10.0)

    with pytest.raises(LimitReached, match=r"\(9.9000 spent\)"):
        asyncio.run(spend(of, ask(), usage(1, 1)))
    with pytest.raises(LimitReached, match="calls"):
        asyncio.run(spend(budget([Cost("a", Usage(calls=3))], max_calls=3), ask(), usage(1, 1)))


def test_what_a_lost_call_may_have_cost_counts_and_shows_as_unknown() -> None:
    of = budget([Cost("a", Usage(calls=1, usd=None), Usage(1, 0, 0, 1_980, 0, 9.9))], max_usd=10.0)

    assert of.spent == Usage(calls=1, usd=None)
    assert of.spent_by("a") == Usage(1, 0, 0, 1_980, 0, 9.9)
    with pytest.raises(LimitReached, match=r"\(9.9000 spent\)"):
        asyncio.run(spend(of, ask(), usage(1, 1)))


def test_each_component_has_its_own_account() -> None:
    of = budget([Cost("a", usage(100, 20))])

    async def scene() -> None:
        await spend(of, ask(component="a"), usage(10, 5))
        await spend(of, ask(component="b"), usage(7, 7))
        await spend(of, ask(), usage(1, 1))

    asyncio.run(scene())
    assert of.spent_by("a") == usage(100, 20) + usage(10, 5)
    assert of.spent_by("b") == usage(7, 7)
    assert of.spent_by("nobody") == Usage()
    assert of.spent == usage(100, 20) + usage(10, 5) + usage(7, 7) + usage(1, 1)


@pytest.mark.parametrize(
    ("limits", "share", "left"),
    [
        # The component has spent 4 calls, 1,000 tokens and 1.8 USD; the run 5 calls, 1,500 tokens and 4.3 USD.
        ({}, 0.0, True),
        ({"max_calls": 11}, 0.4, False),
        ({"max_calls": 12}, 0.4, True),
        ({"max_tokens": 3_000}, 0.4, False),
        ({"max_tokens": 3_001}, 0.4, True),
        ({"max_usd": 7.0}, 0.4, False),
        ({"max_usd": 7.1}, 0.4, True),
        ({"max_usd": 99.0, "max_tokens": 3_000}, 0.4, False),
        ({"max_usd": 99.0}, 0.0, False),
        ({"max_usd": 1.0}, 0.9, False),
        ({"max_usd": 1.0}, 1.0, False),
        ({"max_seconds": 1.0}, 0.1, True),
    ],
)
def test_a_component_may_spend_a_share_of_what_is_left(limits: dict[str, float], share: float, left: bool) -> None:
    past = [Cost("a", Usage(4, 800, 0, 200, 0, 1.8)), Cost("b", Usage(1, 0, 0, 500, 0, 2.5))]

    assert budget(past, **limits).share_left("a", share) is left


def test_a_component_that_spent_nothing_has_its_share_until_nothing_is_left() -> None:
    assert budget(max_usd=1.0).share_left("a", 0.1)
    assert not budget([Cost("b", usage(0, 200))], max_usd=1.0).share_left("a", 0.1)
