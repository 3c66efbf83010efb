"""A loopback server that holds answers to grammars and JSON schemas, with a script in place of a model.

It speaks OpenAI's chat completions, streamed and whole, and takes forms in the ways of vLLM, SGLang, llama-server and
``response_format``. The script says what the model *wants* to say. Without a form it is said verbatim; under one, llguidance
has its way wherever the two disagree, and the nearest wanted byte that is allowed is said. This shows what a form forces and
what it papers over; it says nothing of how well a real model writes.

A token is a byte here, in usage and in ``max_tokens`` alike.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ALL = ("vllm", "sglang", "llama-server", "schema")
"""The ways to take a form that a server may know."""

REACH = 60
"""Bytes of the wanted text that may be left out to get on with it; any number before the first of it was said."""
LONGEST = 60_000
"""Bytes after which an answer that finds no end is cut."""
CLOSERS = (b'"', b"]", b"}", b")", b"\n", b"\n```\n")
"""What is tried, besides any byte that is allowed, to come to an end when the form wants more than is wanted."""
CHUNK = 512
"""Bytes of one piece of a stream."""

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """What was said of one answer."""

    text: bytes
    """UTF-8, but for a character that may have been cut at the end."""
    forced: int
    """How many of its bytes were the only ones allowed; the others were chosen."""
    cut: bool
    """Whether it was cut before its end."""


@dataclass
class Tally:
    """What a server has done so far."""

    requests: int = 0
    """Answered, those refused with a status included."""
    sampled: int = 0
    """Bytes that were chosen: by the script where nothing constrained it, or among several that were allowed."""
    forced: int = 0
    """Bytes that were the only ones allowed."""


class StubEndpoint:
    """Answers ``POST /v1/chat/completions`` on a free port of this machine while it is entered as a context."""

    def __init__(
        self,
        wanted: Callable[[Body], str],
        *,
        dialects: Collection[str] = ALL,
        honours: bool = True,
        rejects: bool = False,
        truncates: int | None = None,
        model: str = "stub",
    ) -> None:
        """
        Args:
            wanted: the body of a request → what the model wants to say, from the beginning of its answer on. It is asked for
                every request, probes of forms included, from several threads at once.
            dialects: the ways to take a form that it knows, some of ALL.
            honours: whether it acts on the forms it knows, or answers as if they were not there.
            rejects: whether a form it does not know is refused with status 400, or ignored as unknown fields are.
            truncates: most bytes of an answer, whatever a request allows.
            model: as which it answers.
        """
        self.wanted = wanted
        self.dialects = frozenset(dialects)
        self.honours = honours
        self.rejects = rejects
        self.truncates = truncates
        self.model = model
        self.bodies: list[Body] = []
        """The bodies of requests in order of arrival."""
        self.tally = Tally()
        """Over all answers."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> StubEndpoint:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, body: Body) -> Said:
        """What it says to a request. ``ValueError``: it refuses the request, with these words."""
        with self._lock:
            self.bodies.append(body)
            self.tally.requests += 1
        form = self._form(body)
        most = min(body.get("max_completion_tokens") or body.get("max_tokens") or LONGEST, self.truncates or LONGEST)
        wanted = self.wanted(body).encode("utf-8", "replace")
        start = reached(wanted, _said_before(body))
        wanted = wanted[start:]
        said = Said(wanted[:most], 0, len(wanted) > most) if form is None else steered(form, wanted, most, start == 0)
        with self._lock:
            self.tally.sampled += len(said.text) - said.forced
            self.tally.forced += said.forced
        return said

    def _form(self, body: Body) -> str | None:
        """What llguidance holds the answer to; ``None`` when nothing does."""
        from llguidance import LLMatcher

        ways = {
            "vllm": (body.get("structured_outputs") or {}).get("grammar"),
            "sglang": body.get("ebnf"),
            "llama-server": body.get("grammar"),
            "schema": (body.get("response_format") or {}).get("json_schema", {}).get("schema"),
        }
        given = {name: form for name, form in ways.items() if form is not None}
        if self.rejects and (unknown := sorted(given.keys() - self.dialects)):
            raise ValueError(f"cannot hold an answer to a form in the way of {', '.join(unknown)}")
        known = [form for name, form in given.items() if name in self.dialects]
        if not known or not self.honours:
            return None
        (form,) = known
        return LLMatcher.grammar_from_lark(form) if isinstance(form, str) else LLMatcher.grammar_from_json_schema(form)


def steered(form: str, wanted: bytes, most: int = LONGEST, at_start: bool = True) -> Said:
    """What a model that wants to say ``wanted`` says when llguidance holds it to ``form``, a serialised grammar.

    ``at_start``: none of the wanted text was said yet, so that any of it may be left out to find what is allowed, such as
    prose before the answer. The same arguments give the same bytes. ``ValueError``: it is no grammar.
    """
    from llguidance import LLMatcher

    matcher = LLMatcher(_bytes(), form)
    if error := matcher.get_error():
        raise ValueError(f"not a grammar: {error}")
    chance = random.Random(0)
    said, position, forced = bytearray(), 0, 0
    closing = b""
    while not matcher.is_stopped():
        allowed = _allowed(matcher.compute_bitmask())
        if position >= len(wanted) and matcher.is_accepting():
            break
        if len(said) >= most:
            return Said(bytes(said), forced, cut=True)
        found = _nearest(wanted, position, allowed, REACH if position or not at_start else len(wanted))
        if found is not None:
            byte, position, closing = wanted[found], found + 1, b""
        elif matcher.is_accepting():
            break
        else:
            if not closing or closing[0] not in allowed:
                others = sorted(allowed - set(b" \t\r\n")) or sorted(allowed)
                closing = chance.choice(
                    [*(text for text in CLOSERS if text[0] in allowed), bytes([chance.choice(others)])]
                )
            byte, closing = closing[0], closing[1:]
        forced += len(allowed) == 1 and not matcher.is_accepting()
        if not matcher.consume_token(byte):
            raise ValueError(f"llguidance does not take what it allowed: {matcher.get_error()}")
        said.append(byte)
    return Said(bytes(said), forced, cut=False)


def reached(wanted: bytes, said: bytes) -> int:
    """How far a model that wanted to say ``wanted`` has come when it has said ``said``, as :func:`steered` moves on."""
    position = 0
    for byte in said:
        end = position + REACH if position else len(wanted)
        if (found := wanted.find(byte, position, end)) >= 0:
            position = found + 1
    return position


def _nearest(wanted: bytes, position: int, allowed: Collection[int], reach: int) -> int | None:
    """Where in the wanted text the next byte is that is allowed."""
    end = min(position + reach, len(wanted))
    return next((place for place in range(position, end) if wanted[place] in allowed), None)


def _allowed(mask: bytes) -> frozenset[int]:
    """The bytes in a mask of llguidance: bit n of it stands for the token, and so the byte, n."""
    bits = int.from_bytes(mask[:32], "little")
    if bits.bit_count() == 1:  # most often
        return frozenset((bits.bit_length() - 1,))
    return frozenset(byte for byte in range(256) if bits >> byte & 1)


def _said_before(body: Body) -> bytes:
    """What of the answer is said already: a last message of the assistant's, where the request wants it continued.

    vLLM and SGLang continue it when they are told to; vLLM takes it for a contradiction to be told so and to begin a new
    message. llama-server needs no telling.
    """
    continues = body.get("continue_final_message", False)
    if "structured_outputs" in body and continues and body.get("add_generation_prompt", True):
        raise ValueError("Cannot set both add_generation_prompt and continue_final_message to True.")
    last = body["messages"][-1]
    if last["role"] != "assistant" or not (continues or "grammar" in body):
        return b""
    return str(last["content"]).encode("utf-8", "replace")


@cache
def _bytes() -> Any:
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


def _handler(stub: StubEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                try:
                    said = stub.answer(body)
                except ValueError as error:
                    self._send(400, {"error": {"message": str(error), "type": "invalid_request_error", "code": 400}})
                    return
                if body.get("stream"):
                    self._stream(body, said)
                else:
                    self._whole(body, said)

        def _send(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _whole(self, body: Body, said: Said) -> None:
            message = {"role": "assistant", "content": said.text.decode("utf-8", "ignore")}
            choices = [{"index": 0, "message": message, "finish_reason": _finish(said)}]
            head = {"id": "stub", "object": "chat.completion", "created": 0, "model": stub.model}
            self._send(200, {**head, "choices": choices, "usage": _usage(body, said)})

        def _stream(self, body: Body, said: Said) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            head = {"id": "stub", "object": "chat.completion.chunk", "created": 0, "model": stub.model}
            for chunk in self._chunks(body, said):
                self.wfile.write(f"data: {json.dumps({**head, **chunk})}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def _chunks(self, body: Body, said: Said) -> Iterator[Body]:
            def chunk(delta: Body, finish: str | None = None) -> Body:
                return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

            text = said.text.decode("utf-8", "ignore")
            yield chunk({"role": "assistant", "content": ""})
            for start in range(0, len(text), CHUNK):
                yield chunk({"content": text[start : start + CHUNK]})
            yield chunk({}, _finish(said))
            if (body.get("stream_options") or {}).get("include_usage"):
                yield {"choices": [], "usage": _usage(body, said)}

    return Handler


def _finish(said: Said) -> str:
    return "length" if said.cut else "stop"


def _usage(body: Body, said: Said) -> dict[str, int]:
    prompt = sum(len(str(message["content"]).encode("utf-8", "replace")) for message in body["messages"])
    return {"prompt_tokens": prompt, "completion_tokens": len(said.text), "total_tokens": prompt + len(said.text)}
