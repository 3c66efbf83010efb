"""Ceilings at a real local HTTP server: each try is leased, no answer is longer than its lease, refusals are learnt from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.budget import Budget
from agent.models import Answer, Ask, Message, Prices, open_model
from agent.models.base import ANSWER_TOKENS, SMALLEST_ANSWER, Lease
from agent.models.endpoint import ROOM_TRIES, Endpoint
from agent.models.room import room_of
from graphs.errors import LimitReached, ModelError, ModelRefused
from graphs.values import Limits, Usage
from tests.stub_server import ANSWER, COMPLETION_TOKENS, PROMPT_TOKENS, STATUS, StubServer

pytestmark = pytest.mark.usefixtures("short_waits")

PLENTY = 2_000_000
"""A ceiling of tokens that is far away."""
TEXT = "Write it. " * 300
LIKELY, MOST = 1_000, 3_000 + 32
"""Tokens of that prompt: estimated, and those set aside for it."""


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.models.endpoint.FIRST_WAIT", 0.01)


def model(stub: StubServer, name: str = "m", seconds: float = 20.0) -> Any:
    return open_model(name, base_url=stub.url, seconds=seconds, prices=Prices.load())


def budget_of(target: Any, **limits: float) -> Budget:
    return Budget(Limits(**limits), target.price)  # type: ignore[arg-type]


def question(gate: Budget, number: int = 1, text: str = TEXT) -> Ask:
    return Ask((Message("user", text),), "code", "parser", attempt=number, gate=gate)


def ask(target: Any, *asks: Ask) -> list[Answer]:
    """One after the other."""

    async def go() -> list[Answer]:
        try:
            return [await target.ask(asked) for asked in asks]
        finally:
            await target.close()

    return asyncio.run(go())


@dataclass(frozen=True)
class Picky:
    """A server that refuses to be asked for more completion tokens than it gives."""

    most: int
    """Completion tokens it gives."""
    says: Callable[[int], str]
    """What it says when it is asked for that many."""
    status: int = 400
    code: str = ""
    settles: int = 0
    """What it is asked for in the end; 0: all it gives."""
    refusals: int = 1
    """How often it refuses the first question."""


def context(length: int, prompt: int, says: str, **more: Any) -> Picky:
    return Picky(
        length - prompt,
        lambda n: says.format(n=n, length=length, prompt=prompt, total=n + prompt),
        settles=length - prompt - 16,
        **more,
    )


def most(tokens: int, says: str, **more: Any) -> Picky:
    return Picky(tokens, lambda n: says.format(n=n, most=tokens, over=tokens + 1), **more)


PICKY = {
    "OpenAI": most(
        16_384,
        "max_tokens is too large: {n}. This model supports at most {most} completion tokens, whereas you provided {n}.",
    ),
    "OpenAI, expected": most(
        4_096, "Invalid 'max_tokens': integer above maximum value. Expected a value <= {most}, but got {n} instead."
    ),
    "OpenAI, context": context(
        4_097,
        900,
        "This model's maximum context length is {length} tokens. However, you requested {total} tokens ({prompt} in the "
        "messages, {n} in the completion). Please reduce the length of the messages or completion.",
        code="context_length_exceeded",
    ),
    "vLLM": context(
        8_192,
        900,
        "'max_tokens' or 'max_completion_tokens' is too large: {n}. This model's maximum context length is {length} "
        "tokens and your request has {prompt} input tokens ({n} > {length} - {prompt}).",
    ),
    "SGLang": context(
        8_192,
        900,
        "Requested token count exceeds the model's maximum context length of {length} tokens. You requested a total of "
        "{total} tokens: {prompt} tokens from the input messages and {n} tokens for the completion. Please reduce it.",
    ),
    "TGI": context(
        8_192,
        900,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= {length}. Given: {prompt} `inputs` tokens "
        "and {n} `max_new_tokens`",
        status=422,
    ),
    "OpenRouter, context": context(
        8_192,
        900,
        "This endpoint's maximum context length is {length} tokens. However, you requested about {total} tokens ({prompt} "
        "of text input, {n} in the output). Please reduce the length of either one.",
    ),
    "Cloudflare": replace(
        context(
            8_192,
            900,
            "3010: AiError: The estimated number of input and maximum output tokens ({total}) exceeded this model context "
            "window limit ({length}).",
            status=413,
        ),
        settles=8_192 - LIKELY - 16,
    ),
    "Anthropic": most(
        8_192,
        "max_tokens: {n} > {most}, which is the maximum allowed number of output tokens for claude-3-5-sonnet-20241022",
    ),
    "Anthropic, context": context(
        12_000,
        900,
        "input length and `max_tokens` exceed context limit: {prompt} + {n} > {length}, decrease input length or "
        "`max_tokens` and try again",
    ),
    "DeepSeek": most(8_192, "Invalid max_tokens value, the valid range of max_tokens is [1, {most}]"),
    "DashScope": most(8_192, "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, {most}]"),
    "Doubao": most(
        12_288,
        "The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum value, "
        "expected a value <= {most}, but got {n} instead. Request id: 0217752964393142fa50af54af66c5cfb9",
    ),
    "Groq": most(
        512,
        "`max_tokens` must be less than or equal to `{most}`, the maximum value for `max_tokens` is less than the "
        "`context_window` for this model",
    ),
    "Gemini": most(
        8_192,
        "Unable to submit request because it has a maxOutputTokens value of {n} but the supported range is from 1 "
        "(inclusive) to {over} (exclusive). Update the value and try again.",
    ),
    "Bedrock": most(
        4_096,
        "The maximum tokens you requested exceeds the model limit of {most}. Try again with a maximum tokens value that "
        "is lower than {most}.",
    ),
    "Ollama": most(4_096, "max_tokens ({n}) exceeds model's maximum output tokens ({most}) for model gpt-oss:20b"),
    "thousands": most(8_192, "max_tokens must be at most 8,192"),
    "OpenRouter, credits": most(
        3_919,
        "This request requires more credits, or fewer max_tokens. You requested up to {n} tokens, but can only afford "
        "{most}. To increase, visit the settings and upgrade to a paid account",
        status=402,
    ),
    "no figure": most(8_000, "max_tokens is too large", settles=8_000, refusals=2),
    "OpenAI, a minute": Picky(
        29_000,
        lambda n: (
            f"Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested {n + 1000}. "
            "The input or output tokens must be reduced in order to run successfully."
        ),
        status=429,
        code="rate_limit_exceeded",
        settles=29_000,
    ),
    "Groq, a minute": Picky(
        5_000,
        lambda n: (
            f"Request too large for model `llama` on tokens per minute (TPM): Limit 6000, Requested {n + 1000}, please "
            "reduce your message size and try again."
        ),
        status=413,
        code="rate_limit_exceeded",
        settles=5_000,
    ),
}


def stub_of(picky: Picky, monkeypatch: pytest.MonkeyPatch, field: str = "max_tokens") -> StubServer:
    def fault(body: dict[str, Any]) -> str:
        asked = body[field]
        monkeypatch.setitem(STATUS, "picky", (picky.status, {"message": picky.says(asked), "code": picky.code}))
        return "picky" if asked > picky.most else ""

    return StubServer(fault=fault)


@pytest.mark.parametrize("picky", PICKY.values(), ids=PICKY)
def test_an_endpoint_that_gives_less_is_asked_for_less_from_then_on(
    picky: Picky, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stub_of(picky, monkeypatch) as stub:
        target = model(stub)
        budget = budget_of(target, max_tokens=PLENTY)
        first, second = ask(target, question(budget), question(budget, 2))
        sent = [body["max_tokens"] for body in stub.bodies]

    assert (first.text, first.tries, second.text, second.tries) == (ANSWER, picky.refusals + 1, ANSWER, 1)
    assert sent[0] == ANSWER_TOKENS
    assert sent[picky.refusals] == picky.settles or sent[picky.refusals] == picky.most
    assert sent == sorted(sent, reverse=True)
    # A refusal is a call, but costs nothing.
    assert budget.spent == Usage(len(sent), 2 * PROMPT_TOKENS, 80, 2 * COMPLETION_TOKENS, 14, 0.0)


def test_a_server_that_does_not_say_how_long_the_prompt_is_gets_by_with_half() -> None:
    """vLLM stops counting where the prompt is one token too long, whatever was asked for: its figure leads nowhere."""
    text = "漢字 " * 9_000  # dense: 27,000 characters that are 12,000 tokens, not 9,000

    def says(asked: int) -> str:
        return (
            f"This model's maximum context length is 40000 tokens. However, you requested {asked} output tokens and your "
            f"prompt contains at least {40_001 - asked} input tokens, for a total of at least 40001 tokens. Please reduce "
            "the length of the input prompt or the number of requested output tokens."
        )

    with pytest.MonkeyPatch.context() as monkeypatch, stub_of(Picky(28_000, says), monkeypatch) as stub:
        target = model(stub)
        (answer,) = ask(target, question(budget_of(target, max_tokens=PLENTY), text=text))
        assert [body["max_tokens"] for body in stub.bodies] == [32_000, 30_984, 30_967, 15_483]

    assert answer.text == ANSWER


def test_words_of_the_provider_behind_a_router_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps({"error": {"message": PICKY["OpenAI"].says(32_000)}})
    error = {"message": "Provider returned error", "metadata": {"raw": raw}}
    monkeypatch.setitem(STATUS, "picky", (400, error))
    with StubServer(fault="picky", times=1) as stub:
        target = model(stub)
        ask(target, question(budget_of(target, max_tokens=PLENTY)))
        assert [body["max_tokens"] for body in stub.bodies] == [32_000, 16_384]


def test_what_one_minute_may_have_is_shared_by_a_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    with stub_of(PICKY["OpenAI, a minute"], monkeypatch) as stub:
        target = model(stub)
        budget = budget_of(target, max_tokens=PLENTY)
        ask(target, question(budget), question(budget, 2))
        assert [body["max_tokens"] for body in stub.bodies] == [32_000, 29_000, 7_500]


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("max_tokens is too large: 9. This model supports at most 7 completion tokens", "rejected"),
        ("max_tokens is too large, always", "too many tokens asked for"),
        ("This model's maximum context length is 8192 tokens, your request has 9000 input tokens", "prompt too long"),
        ("max_tokens: at most 99999999999999999999999999 < 1e400 > -5", "too many tokens asked for"),
    ],
)
def test_a_server_that_is_never_content_is_not_asked_for_ever(
    message: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STATUS, "picky", (400, {"message": message}))
    with StubServer(fault="picky") as stub:
        target = model(stub)
        budget = budget_of(target, max_tokens=PLENTY)
        with pytest.raises(ModelRefused) as caught:
            ask(target, question(budget))
        assert stub.requests <= ROOM_TRIES + 1
        assert budget.spent == Usage(calls=stub.requests)
    assert caught.value.fault in (fault, "rejected")


WORDS = ["max_tokens", "context length", "at most", "9000", "12 + 34 > 56", "tokens: Limit", "Requested", "8,192"]
WORDS += ["at least 7 input tokens", "(exclusive)", "999999999999", "1", "²", "٣", "-5", "0"]


@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(WORDS)).map(" ".join),
    ),
    st.integers(1, 200_000),
    st.integers(0, 200_000),
)
def test_whatever_a_server_says_less_is_asked_for_or_nothing_learnt(text: str, asked: int, prompt: int) -> None:
    room = room_of(text, asked, prompt)

    assert room is None or SMALLEST_ANSWER <= room.answer < asked


@pytest.mark.parametrize(
    "text",
    [
        "prompt is too long: 213462 tokens > 200000 maximum",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048576).",
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
        "the request exceeds the available context size, try increasing it",
        "This model's maximum context length is 32768 tokens. However, you requested 0 output tokens and your prompt "
        "contains at least 32769 input tokens, for a total of at least 32769 tokens.",
        "Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000, Requested 5000. Please try again in 8s.",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ],
)
def test_what_is_no_complaint_of_the_length_of_the_answer_is_left_alone(text: str) -> None:
    assert room_of(text, 32_000, 50_000) is None


@pytest.mark.parametrize(
    "unsupported",
    [
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "Unsupported parameter: 'max_tokens'. The limit of 4096 tokens must be given as 'max_completion_tokens'.",
    ],
)
def test_the_limit_of_tokens_has_two_names_and_a_figure(unsupported: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picky = PICKY["OpenAI"]

    def fault(body: dict[str, Any]) -> str:
        says = unsupported if "max_tokens" in body else picky.says(body["max_completion_tokens"])
        monkeypatch.setitem(STATUS, "picky", (400, {"message": says}))
        return "picky" if "max_tokens" in body or body["max_completion_tokens"] > picky.most else ""

    with StubServer(fault=fault) as stub:
        target = model(stub)
        ask(target, question(budget_of(target, max_tokens=PLENTY)))
        sent = [(body.get("max_tokens"), body.get("max_completion_tokens")) for body in stub.bodies]

    assert sent == [(32_000, None), (None, 32_000), (None, 16_384)]


def test_a_limit_of_tokens_per_minute_is_waited_for_not_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    says = "This request would exceed the rate limit of 8,000 output tokens per minute; try again later."
    monkeypatch.setitem(STATUS, "picky", (429, {"message": says}))
    with StubServer(fault="picky", times=1) as stub:
        target = model(stub)
        ask(target, question(budget_of(target, max_tokens=PLENTY)))
        assert [body["max_tokens"] for body in stub.bodies] == [32_000, 32_000]


def test_what_is_known_of_a_model_is_not_learnt_by_a_refusal() -> None:
    with StubServer() as stub:
        target = model(stub, "gpt-4o")
        ask(target, question(budget_of(target, max_usd=5.0)))
        assert [body["max_tokens"] for body in stub.bodies] == [16_384]


@pytest.mark.parametrize("limits", [{}, {"max_calls": 9}, {"max_usd": 5.0}])
def test_no_limit_is_sent_where_no_ceiling_depends_on_it(limits: dict[str, float]) -> None:
    """A server on this machine bills nobody: money cannot run out."""
    with StubServer() as stub:
        target = model(stub)
        ask(target, question(budget_of(target, **limits)))
        assert not {"max_tokens", "max_completion_tokens"} & stub.bodies[0].keys()


# each try


@pytest.mark.parametrize("fault", ["cut", "empty", "429", "500", "reset"])
def test_every_try_is_a_call_under_the_ceiling(fault: str) -> None:
    with StubServer(fault=fault) as stub:
        target = model(stub)
        budget = budget_of(target, max_calls=2)
        with pytest.raises(LimitReached, match="the ceiling of 2 model calls"):
            ask(target, question(budget))
        assert (stub.requests, budget.spent.calls) == (2, 2)


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        # The request was refused; the endpoint reports; it only shows half of the text; it fell silent; a gateway gave up.
        ("500", 0),
        ("empty", PROMPT_TOKENS + COMPLETION_TOKENS),
        ("cut", LIKELY + 6),
        ("stall", MOST + 1_000),
        ("504", MOST + 1_000),
        ("choices []", PROMPT_TOKENS + COMPLETION_TOKENS),
    ],
)
def test_what_a_failed_try_cost_counts(fault: str, counted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STATUS, "504", (504, {"message": "upstream timed out"}))
    monkeypatch.setattr("agent.models.room.ANSWER_TOKENS", 1_000)
    with StubServer(fault=fault, times=1) as stub:
        target = open_model("m", base_url=stub.url, seconds=20.0, stall_seconds=0.4, prices=Prices.load())
        budget = budget_of(target, max_tokens=PLENTY)
        (answer,) = ask(target, question(budget))

    assert answer.tries == 2
    assert budget.spent_by("parser").tokens == counted + PROMPT_TOKENS + COMPLETION_TOKENS


def test_answers_that_come_without_a_word_on_their_cost_are_estimated() -> None:
    with StubServer(answer="x" * 300, fault="no usage") as stub:
        target = model(stub)
        budget = budget_of(target, max_tokens=PLENTY)
        ask(target, question(budget))

    assert budget.spent_by("parser").tokens == LIKELY + 100
    assert budget.spent == Usage(calls=1, usd=0.0)


def test_usage_that_can_be_none_is_not_believed() -> None:
    """A server that reports nothing as 0, or less, does not make a call free."""
    from langchain_core.messages import AIMessage

    class Chat:
        async def astream(self, messages: Any, **options: Any) -> Any:
            usage = {"input_tokens": -900, "output_tokens": 0, "total_tokens": float("nan")}
            yield AIMessage.model_construct(
                content="whole", response_metadata={"stop_reason": "end_turn"}, usage_metadata=usage
            )

    target = Endpoint("x:y", "y", prices=Prices({}), open_chat=Chat, place="x", seconds=9.0)
    budget = budget_of(target, max_tokens=PLENTY)
    ask(target, question(budget))

    assert budget.spent_by("parser").tokens == LIKELY + 2


@pytest.mark.parametrize(
    ("fields", "name"), [({"max_tokens"}, "max_tokens"), ({"max_output_tokens"}, "max_output_tokens")]
)
def test_the_limit_goes_by_the_name_the_chat_model_has_for_it(fields: set[str], name: str) -> None:
    from langchain_core.messages import AIMessage

    sent: list[dict[str, Any]] = []

    class Chat:
        model_fields = dict.fromkeys(fields)

        def __init__(self) -> None:
            self.profile = {"max_output_tokens": 8_192}

        async def astream(self, messages: Any, **options: Any) -> Any:
            sent.append(options)
            yield AIMessage("whole", response_metadata={"stop_reason": "end_turn"})

    target = Endpoint("x:y", "y", prices=Prices({}), open_chat=Chat, place="x", seconds=9.0)
    ask(target, question(budget_of(target, max_tokens=PLENTY)))

    assert sent == [{name: 8_192}]


# answers that are cut


def test_an_answer_that_the_budget_cut_is_a_ceiling_met() -> None:
    with StubServer(tokens=9_000) as stub:
        target = model(stub)
        budget = budget_of(target, max_tokens=16_000)
        with pytest.raises(LimitReached) as caught:
            ask(target, question(budget))
        (sent,) = (body["max_tokens"] for body in stub.bodies)

    assert sent == 16_000 // 2 - MOST
    assert str(caught.value) == (
        f"an answer of {2 * sent} tokens, which is needed because a shorter one was cut, does not fit under the ceiling "
        f"of 16000 tokens ({PROMPT_TOKENS + sent} used); raise --max-tokens and resume"
    )


def test_an_answer_that_was_cut_gets_more_while_there_is_more() -> None:
    with StubServer(tokens=70_000) as stub:
        target = model(stub)
        budget = budget_of(target, max_tokens=PLENTY)
        (answer,) = ask(target, question(budget))
        assert [body["max_tokens"] for body in stub.bodies] == [32_000, 64_000, 128_000]

    assert answer.usage.completion_tokens == 32_000 + 64_000 + 70_000


def test_answers_that_we_cut_do_not_count_as_answers_that_are_no_use() -> None:
    class Stingy(Budget):
        @asynccontextmanager
        async def lease(self, ask: Ask, wanted: int = 0, least: int = 0) -> AsyncIterator[Lease]:
            yield Lease(least)

    with StubServer(tokens=30_000) as stub:
        target = model(stub)
        (answer,) = ask(target, question(Stingy(Limits(), target.price)))
        assert [body["max_tokens"] for body in stub.bodies] == [SMALLEST_ANSWER * 2**n for n in range(8)]

    assert answer.text == ANSWER


def test_a_share_that_was_too_small_is_made_larger_when_the_others_are_done() -> None:
    """Eight at once under a narrow ceiling: none is lost to it, for all of them fit one after the other."""
    with StubServer(tokens=6_000) as stub:
        target = model(stub)
        budget = budget_of(target, max_tokens=110_000)

        async def go() -> list[Answer]:
            found = await asyncio.gather(*(target.ask(question(budget, n)) for n in range(8)))
            await target.close()
            return list(found)

        answers = asyncio.run(go())
        sizes = [body["max_tokens"] for body in stub.bodies]

    assert [answer.text for answer in answers] == [ANSWER] * 8
    assert min(sizes) < 6_000 < max(sizes)
    assert budget.spent.tokens <= 110_000


def test_time_spent_waiting_for_room_is_not_the_time_of_the_question() -> None:
    with StubServer() as stub:
        target = model(stub, seconds=1.0)
        budget = budget_of(target, max_tokens=MOST + SMALLEST_ANSWER)

        async def go() -> Answer:
            async with budget.lease(question(budget)) as lease:
                waiting = asyncio.create_task(target.ask(question(budget, 2)))
                await asyncio.sleep(1.5)
                lease.spent = Usage()
            answer: Answer = await waiting
            await target.close()
            return answer

        answer = asyncio.run(go())
    assert (answer.text, answer.tries) == (ANSWER, 1)
    assert answer.seconds < 1.0


def test_an_answer_that_the_model_cut_is_the_fault_it_always_was() -> None:
    with StubServer(fault="length") as stub:
        target = model(stub)
        with pytest.raises(ModelError, match="the endpoint's own output limit is too small") as caught:
            ask(target, question(budget_of(target, max_tokens=PLENTY)))
        assert [body["max_tokens"] for body in stub.bodies] == [32_000] * 4

    assert caught.value.fault == "length cut"


def test_an_answer_that_is_as_long_as_the_model_can_is_not_asked_for_longer() -> None:
    with StubServer(tokens=20_000) as stub:
        target = model(stub, "gpt-4o")
        with pytest.raises(ModelError, match="the endpoint's own output limit is too small"):
            ask(target, question(budget_of(target, max_usd=5.0)))
        assert [body["max_tokens"] for body in stub.bodies] == [16_384] * 4


# all together


@pytest.mark.parametrize(
    ("limits", "name"),
    [({"max_tokens": 30_000}, "m"), ({"max_usd": 0.25}, "gpt-4o"), ({"max_calls": 7}, "m")],
    ids=["tokens", "usd", "calls"],
)
def test_a_ceiling_holds_whatever_comes_back(limits: dict[str, float], name: str) -> None:
    faults = ["cut", "", "length", "429 no Retry-After", "", "empty", "no usage", "500", "", "error in stream"]
    with StubServer(tokens=5_000, fault=lambda _: faults[stub.requests % len(faults)]) as stub:
        target = model(stub, name)
        budget = budget_of(target, **limits)

        async def go() -> list[Any]:
            asks = (target.ask(question(budget, n)) for n in range(16))
            found = await asyncio.gather(*asks, return_exceptions=True)
            await target.close()
            return list(found)

        ends = asyncio.run(go())
        # What it would bill at most: the prompt and what it was asked for, or the whole answer, each time.
        billed = sum(PROMPT_TOKENS + min(5_000, body.get("max_tokens", 5_000)) for body in stub.bodies)

    assert {type(end) for end in ends} <= {Answer, LimitReached}
    assert any(isinstance(end, LimitReached) for end in ends)
    assert budget.spent.calls == stub.requests
    counted = budget.spent_by("parser")
    assert counted.tokens <= limits.get("max_tokens", PLENTY)
    assert (counted.usd or 0.0) <= limits.get("max_usd", 99.0)
    assert counted.calls <= limits.get("max_calls", 999)
    assert counted.tokens <= billed
