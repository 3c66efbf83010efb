"""The endpoint against a real local HTTP server with every fault: recovered when it strikes once, named when not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from agent.models import Answer, Ask, Message, Prices, open_model
from agent.models.endpoint import Endpoint, is_refusal
from graphs.errors import EndpointUnreachable, ModelError, ModelRefused
from graphs.values import Usage
from tests.stub_server import ANSWER, BODY, CACHED_TOKENS, COMPLETION_TOKENS, ODD, PROMPT_TOKENS, STATUS, StubServer

KEY = "sk-very-secret-0123456789"
ONE = Usage(1, PROMPT_TOKENS, CACHED_TOKENS, COMPLETION_TOKENS, 7, 0.0)
FINAL = {"401", "403", "404 model", "404 path", "insufficient_quota", "context_length", "bad request", "429 long"}
"""Faults after which not even one more request is made."""

NAMES = {
    "429": "rate limit",
    "429 no Retry-After": "rate limit",
    "429 date": "rate limit",
    "429 long": "rate limit",
    "500": "status 500",
    "503": "status 503",
    "401": "wrong key",
    "403": "forbidden",
    "404 model": "unknown model",
    "404 path": "wrong address",
    "insufficient_quota": "no quota",
    "context_length": "prompt too long",
    "bad request": "rejected",
    "hang": "hung",
    "stall": "stalled",
    "comments for ever": "stalled",
    "text for ever": "stalled",
    "reset": "connection lost",
    "reset at once": "connection lost",
    "cut": "cut stream",
    "cut at once": "empty stream",
    "bad JSON": "bad JSON",
    "HTML 200": "HTML page",
    "empty": "empty answer",
    "blank": "empty answer",
    "choices []": "no choices",
    "content_filter": "content filter",
    "length": "length cut",
    "refusal": "refusal",
    "refusal prose": "refusal",
    "error in stream": "error in the stream",
}
"""What each fault of the server must be called."""
SILENT = {"hang": 0.5, "stall": 0.5, "comments for ever": 0.5}
"""Faults that only the limit on silence finds, and the seconds it is set to."""


def model(stub: StubServer, seconds: float = 20.0, stall: float = 15.0, name: str = "m", key: str | None = KEY) -> Any:
    return open_model(name, base_url=stub.url, api_key=key, seconds=seconds, stall_seconds=stall, prices=Prices.load())


def question(**more: Any) -> Ask:
    return Ask((Message("system", "You write code."), Message("user", "Write it.")), "code", "parser", **more)


def ask(target: Any, asked: Ask | None = None) -> Answer:
    async def go() -> Answer:
        try:
            answer: Answer = await target.ask(asked or question())
            return answer
        finally:
            await target.close()

    return asyncio.run(go())


def test_table_names_every_fault() -> None:
    assert set(NAMES) >= {*STATUS, *BODY} - {"no stream"}


@pytest.mark.parametrize("fault", [f for f in (*NAMES, "no stream") if f not in FINAL | {"text for ever"}])
def test_once_is_recovered(fault: str) -> None:
    with StubServer(fault=fault, times=1) as stub:
        answer = ask(model(stub, stall=SILENT.get(fault, 15.0)))
        assert (answer.text, answer.tries, stub.requests) == (ANSWER, 2, 2)
        assert answer.usage.calls == 2
        reported = (
            2
            if fault in {"empty", "blank", "choices []", "content_filter", "length", "refusal", "refusal prose"}
            else 1
        )
        assert answer.usage.prompt_tokens == reported * PROMPT_TOKENS


@pytest.mark.parametrize("fault", [f for f in NAMES if f not in FINAL])
def test_always_ends_in_a_named_error_within_the_budget(fault: str) -> None:
    with StubServer(fault=fault) as stub:
        with pytest.raises(ModelError) as caught:
            ask(model(stub, seconds=1.3, stall=SILENT.get(fault, 30.0) / 2))
        error = caught.value
        assert error.fault == NAMES[fault]
        assert NAMES[fault] in str(error)
        assert f"127.0.0.1:{stub.port}" in str(error)
        assert (error.tries, error.usage and error.usage.calls) == (stub.requests, stub.requests)
        assert stub.requests >= (1 if fault in {"text for ever", "429", "429 date"} else 2)


@pytest.mark.parametrize("fault", sorted(FINAL))
def test_useless_to_ask_again(fault: str) -> None:
    with StubServer(fault=fault) as stub:
        with pytest.raises(ModelError) as caught:
            ask(model(stub))
        assert stub.requests == 1
        assert caught.value.fault == NAMES[fault]
        assert isinstance(caught.value, ModelRefused) == (fault != "429 long")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("401", "OPENAI_API_KEY"),
        ("403", "OPENAI_API_KEY"),
        ("404 model", "--model"),
        ("404 path", "/v1"),
        ("insufficient_quota", "top it up"),
        ("context_length", "longer context"),
        ("429 long", "3600 s"),
    ],
)
def test_says_what_to_do(fault: str, words: str) -> None:
    with StubServer(fault=fault) as stub, pytest.raises(ModelError, match=words):
        ask(model(stub))


@pytest.mark.parametrize("fault", ODD)
def test_odd_but_whole_answers_are_taken(fault: str) -> None:
    with StubServer(fault=fault) as stub:
        answer = ask(model(stub))
        assert (answer.text, answer.tries) == (ANSWER, 1)
        assert answer.usage == (Usage(calls=1, usd=0.0) if fault == "no usage" else ONE)


@pytest.mark.parametrize("fault", ["", "cut", "choices []", "bad JSON", "length", "refusal", "empty"])
def test_server_without_streams(fault: str) -> None:
    """The second request asks for the whole answer; the faults are found there too."""

    with StubServer(fault="no stream") as stub:
        target = model(stub)

        async def go() -> None:
            assert (await target.ask(question())).tries == 2
            stub.fault, stub.times = fault if fault else "no stream", stub.requests + 1
            answer = await target.ask(question())
            assert (answer.text, answer.tries) == (ANSWER, 2 if fault else 1)
            await target.close()

        asyncio.run(go())
        assert [bool(body.get("stream")) for body in stub.bodies][:2] == [True, False]
        assert not any(body.get("stream") for body in stub.bodies[1:])


def test_retry_after_is_honoured() -> None:
    for fault in ("429", "429 date"):
        with StubServer(fault=fault, times=1) as stub:
            ask(model(stub))
            assert stub.at[1] - stub.at[0] >= 0.99


def test_answers_that_cost_money_are_asked_for_only_a_few_times() -> None:
    with StubServer(fault="empty") as stub:
        with pytest.raises(ModelError):
            ask(model(stub, seconds=60.0))
        assert stub.requests == 4


def test_a_ceiling_of_tokens_is_kept() -> None:
    with StubServer(fault="length") as stub:
        with pytest.raises(ModelError, match="64 tokens were allowed"):
            ask(model(stub), question(max_tokens=64))
        assert [body["max_tokens"] for body in stub.bodies] == [64]


def test_request_says_what_was_asked() -> None:
    grammar = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    extra = {"response_format": grammar, "extra_body": {"guided_grammar": "root ::= x"}}
    with StubServer() as stub:
        ask(model(stub), question(temperature=0.5, max_tokens=9, extra=extra))
        (body,) = stub.bodies
        assert [(m["role"], m["content"]) for m in body["messages"]] == [
            ("system", "You write code."),
            ("user", "Write it."),
        ]
        assert (body["temperature"], body["max_tokens"], body["response_format"]) == (0.5, 9, grammar)
        assert (body["guided_grammar"], body["stream_options"]) == ("root ::= x", {"include_usage": True})
        assert stub.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("message", "gone", "instead"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens'.",
            "max_tokens",
            "max_completion_tokens",
        ),
        ("Unsupported value: 'temperature' does not support 0.5 with this model.", "temperature", "max_tokens"),
        ("Unrecognized request argument supplied: stream_options", "stream_options", "max_tokens"),
    ],
)
def test_parameters_a_server_does_not_know_are_left_out(
    message: str, gone: str, instead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STATUS, "unknown parameter", (400, {"message": message}))
    with StubServer(fault=lambda body: "unknown parameter" if gone in body else "") as stub:
        target = model(stub)

        async def go() -> None:
            # Two at once: the second complaint may come when the first has been heeded already.
            asks = (target.ask(question(temperature=0.5, max_tokens=9)) for _ in range(2))
            assert [answer.text for answer in await asyncio.gather(*asks)] == [ANSWER, ANSWER]
            known = stub.requests
            await target.ask(question(temperature=0.5, max_tokens=9))
            assert stub.requests == known + 1, "the server has to say it only once"
            await target.close()

        asyncio.run(go())
        assert gone in stub.bodies[0]
        assert gone not in stub.bodies[-1]
        assert instead in stub.bodies[-1]


def test_a_ceiling_of_tokens_is_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "Unsupported parameters: max_tokens, max_completion_tokens"
    monkeypatch.setitem(STATUS, "unknown parameter", (400, {"message": message}))
    with StubServer(fault="unknown parameter") as stub:
        with pytest.raises(ModelRefused, match="rejects the request"):
            ask(model(stub), question(max_tokens=9))
        assert [("max_tokens" in body, "max_completion_tokens" in body) for body in stub.bodies] == [
            (True, False),
            (False, True),
        ]


def test_key_is_in_no_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with StubServer(fault="401") as stub:
        with pytest.raises(ModelRefused) as caught:
            ask(model(stub))
        assert stub.keys == [f"Bearer {KEY}"], "the server did see the key and sends it back"
        seen, error = "", caught.value
        while error is not None:
            seen += repr(error) + str(error)
            error = error.__cause__ or error.__context__
        assert KEY not in seen + caplog.text


def test_no_key_was_given() -> None:
    with StubServer(fault="401") as stub, pytest.raises(ModelRefused, match="none was given; set OPENAI_API_KEY"):
        ask(model(stub, key=None))


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    target = open_model("m", base_url=f"http://127.0.0.1:{port}/v1", seconds=1.5, prices=Prices.load())
    with pytest.raises(EndpointUnreachable, match=rf"127\.0\.0\.1:{port}.*check that the server runs") as caught:
        ask(target)
    assert caught.value.tries > 1
    assert caught.value.usage == Usage()  # nothing was sent


def test_a_server_that_is_just_starting_is_waited_for() -> None:
    stub = StubServer()
    address = stub._server.server_address
    stub._server.server_close()
    target = open_model("m", base_url=f"http://127.0.0.1:{address[1]}/v1", seconds=20.0, prices=Prices.load())

    def start() -> None:
        from http.server import ThreadingHTTPServer

        stub._server = ThreadingHTTPServer(("127.0.0.1", address[1]), stub._server.RequestHandlerClass)
        stub._server.serve_forever(0.02)

    async def go() -> Answer:
        threading.Timer(0.6, start).start()
        answer: Answer = await target.ask(question())
        await target.close()
        return answer

    answer = asyncio.run(go())
    stub._server.shutdown()
    stub._server.server_close()
    assert answer.text == ANSWER


@pytest.mark.parametrize(
    ("asked", "answers", "fault", "usd"),
    [
        # On this machine nobody is billed, unless the name is one that the price table knows.
        ("m", "", "", 0.0),
        ("gpt-4o", "gpt-4o-2024-08-06", "", (60 * 2.5 + 40 * 1.25 + 20 * 10) / 1e6),
        ("gpt-4o", "", "no usage", None),
        ("gpt-4o", "", "cut", None),
        ("gpt-4o", "", "500", (60 * 2.5 + 40 * 1.25 + 20 * 10) / 1e6),
        ("gpt-4o", "", "empty", 2 * (60 * 2.5 + 40 * 1.25 + 20 * 10) / 1e6),
    ],
)
def test_money(asked: str, answers: str, fault: str, usd: float | None) -> None:
    """What an error status costs is nothing; what a cut stream cost nobody knows."""
    with StubServer(fault=fault, times=1, model=answers) as stub:
        answer = ask(model(stub, name=asked))
        assert answer.usage.usd == (pytest.approx(usd) if usd is not None else None)
        assert answer.model == (answers or asked)


def test_many_at_once_do_not_mix() -> None:
    with StubServer(answer=lambda body: f"answer to {body['messages'][-1]['content']}") as stub:
        target = model(stub, seconds=20.0)

        async def go() -> list[str]:
            asks = (Ask((Message("user", str(n)),), "code") for n in range(40))
            answers = await asyncio.gather(*(target.ask(a) for a in asks))
            await target.close()
            return [a.text for a in answers]

        assert asyncio.run(go()) == [f"answer to {n}" for n in range(40)]


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with StubServer() as stub:
        assert ask(model(stub)).text == ANSWER


def test_cancelled_call_leaves_the_model_usable() -> None:
    with StubServer(fault="stall", times=1) as stub:
        target = model(stub, seconds=20.0)

        async def go() -> Answer:
            task = asyncio.create_task(target.ask(question()))
            await asyncio.to_thread(stub.asked.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            answer: Answer = await target.ask(question())
            await target.close()
            return answer

        assert asyncio.run(go()).text == ANSWER


def test_one_model_in_two_event_loops() -> None:
    with StubServer() as stub:
        target = model(stub)
        assert [asyncio.run(target.ask(question())).text for _ in range(2)] == [ANSWER, ANSWER]


def test_any_langchain_chat_model() -> None:
    """Models of other providers stand behind the same checks."""
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    def reply(text: str, reason: str, cost: int = 3) -> AIMessage:
        usage = {"input_tokens": cost, "output_tokens": cost, "total_tokens": 2 * cost}
        return AIMessage(text, response_metadata={"stop_reason": reason}, usage_metadata=usage)  # type: ignore[arg-type]

    replies = [reply("half", "max_tokens"), reply("", "refusal"), reply("whole", "end_turn")]

    class Chat:
        def __init__(self) -> None:
            self.inner = GenericFakeChatModel(messages=iter(replies))

        async def astream(self, messages: Any, **options: Any) -> Any:
            yield await self.inner.ainvoke(messages)

    target = Endpoint("x:y", "y", prices=Prices({}), open_chat=Chat, place="x", seconds=9.0)
    answer = ask(target)
    assert (answer.text, answer.tries, answer.usage) == ("whole", 3, Usage(3, 9, 0, 9, 0, None))


def test_prompts_go_to_no_tracing_service() -> None:
    """LangSmith's variables in the environment would send every prompt there."""
    with socket.create_server(("127.0.0.1", 0)) as spy, StubServer() as stub:
        spy.settimeout(0.2)
        program = (
            "import asyncio\nfrom agent.models import *\n"
            f"m = open_model('m', base_url={stub.url!r}, prices=Prices.load())\n"
            "a = asyncio.run(m.ask(Ask((Message('user', 'hi'),), 'code')))\nprint(a.tries)\n"
        )
        env = os.environ | {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_API_KEY": "k",
            "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{spy.getsockname()[1]}",
        }
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout == "1\n", done.stderr
        with contextlib.suppress(TimeoutError):
            spy.accept()
            pytest.fail("something connected to the tracing service")


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I\u2019m sorry, but I cannot assist with this request.", True),
        ("Sorry, I am unable to provide that code.", True),
        ("I cannot fulfill this request.", True),
        ("I'm not able to help with that.", True),
        ("As an AI language model, I can't create that.", True),
        ("I'm sorry, but I can't do it that way, so:\n```python\nx = 1\n```", False),
        ("Sorry for the wait. Everything passes now.", False),
        ("I can't help but notice:\n- one\n- two", False),
        ('{"reason": "I can\'t help"}', False),
        ("The function raises ValueError because it cannot create the file.", False),
        ("I'm sorry, but I can't help. " + "But then this goes on. " * 40, False),
    ],
)
def test_refusals_in_prose(text: str, refused: bool) -> None:
    assert is_refusal(text) == refused


def test_waits_end_with_the_budget() -> None:
    """The server would write for as long as the test lasts."""
    with StubServer(fault="text for ever") as stub, pytest.raises(ModelError, match=r"limit 0\.4 s.*still no end"):
        ask(model(stub, seconds=0.4))
