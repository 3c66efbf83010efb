"""A local OpenAI-compatible server for tests: real HTTP, scripted answers, and every fault an endpoint can have."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "Here is the file.\n\n```python\nprint('sorry, I cannot help')\n```\n"
HTML = "<!doctype html><html><head><title>Welcome</title></head><body>Sign in</body></html>"
PROMPT_TOKENS, CACHED_TOKENS, COMPLETION_TOKENS = 100, 40, 20

STATUS: dict[str, tuple[int, dict[str, Any]]] = {
    "429": (429, {"message": "Rate limit reached", "code": "rate_limit_exceeded"}),
    "429 no Retry-After": (429, {"message": "Rate limit reached", "code": "rate_limit_exceeded"}),
    "429 date": (429, {"message": "Rate limit reached", "code": "rate_limit_exceeded"}),
    "429 long": (429, {"message": "Rate limit reached", "code": "rate_limit_exceeded"}),
    "500": (500, {"message": "The server had an error"}),
    "503": (503, {"message": "Overloaded"}),
    "401": (401, {"message": "Incorrect API key provided: {key}", "code": "invalid_api_key"}),
    "403": (403, {"message": "Country not supported", "code": "unsupported_country"}),
    "404 model": (404, {"message": "The model `m` does not exist", "code": "model_not_found"}),
    "404 path": (404, {"message": "Not Found"}),
    "insufficient_quota": (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}),
    "context_length": (
        400,
        {"message": "This model's maximum context length is 8192 tokens", "code": "context_length_exceeded"},
    ),
    "bad request": (400, {"message": "messages: field required", "code": "invalid_request_error"}),
}
"""Faults that are an HTTP status with an error object."""

BODY = (
    "hang",
    "stall",
    "reset",
    "reset at once",
    "cut",
    "cut at once",
    "bad JSON",
    "HTML 200",
    "empty",
    "blank",
    "choices []",
    "content_filter",
    "length",
    "refusal",
    "refusal prose",
    "error in stream",
    "no stream",
)
"""Faults with status 200, or none at all."""

ODD = ("no usage", "wrong content type", "slow dribble", "usage in every chunk", "no [DONE]", "keep-alive comments")
"""Whole answers that come in an unusual way."""


class StubServer:
    """Answers ``POST /v1/chat/completions``. ``fault`` strikes the first ``times`` requests, or all when ``None``;
    as a function it looks at the request's body first."""

    def __init__(
        self,
        answer: str | Callable[[dict[str, Any]], str] = ANSWER,
        fault: str | Callable[[dict[str, Any]], str] = "",
        times: int | None = None,
        model: str = "",
        tokens: int | None = None,
    ) -> None:
        self.answer = answer
        self.fault = fault
        self.times = times
        self.model = model
        self.tokens = tokens
        """How many a whole answer has, reported as its usage; it is cut at the ceiling a request gives."""
        self.bodies: list[dict[str, Any]] = []
        """The request bodies in order of arrival."""
        self.keys: list[str] = []
        """The Authorization headers."""
        self.at: list[float] = []
        """When each request came (monotonic)."""
        self.pages: dict[str, Any] = {}
        """What GET answers, by path."""
        self.asked = threading.Event()
        """Set by the first request."""
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> int:
        return len(self.bodies)

    def __enter__(self) -> StubServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def arrived(self, body: dict[str, Any], key: str) -> str:
        """Count a request; the fault that strikes it."""
        with self._lock:
            self.bodies.append(body)
            self.keys.append(key)
            self.at.append(time.monotonic())
            self.asked.set()
            if self.times is not None and len(self.bodies) > self.times:
                return ""
            return self.fault if isinstance(self.fault, str) else self.fault(body)


def _handler(stub: StubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path in stub.pages:
                self._send(200, json.dumps(stub.pages[self.path]).encode())
            else:
                self._send(404, b"{}")

        def do_POST(self) -> None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                key = self.headers.get("authorization", "")
                fault = stub.arrived(body, key)
                if fault in STATUS:
                    self._status(fault, key)
                elif fault in {"hang", "reset at once"}:
                    if fault == "hang":
                        stub.over.wait(30)
                    self._abort()
                elif fault == "HTML 200":
                    self._send(200, HTML.encode(), "text/html; charset=utf-8")
                elif fault == "no stream" or not body.get("stream"):
                    self._whole(body, fault)
                else:
                    self._stream(body, fault)

        def _status(self, fault: str, key: str) -> None:
            status, error = STATUS[fault]
            headers = {
                "429": {"Retry-After": "1"},
                "429 date": {"Retry-After": formatdate(time.time() + 2, usegmt=True)},
                "429 long": {"Retry-After": "3600"},
            }.get(fault, {})
            error = {**error, "message": error["message"].replace("{key}", key.removeprefix("Bearer "))}
            self._send(status, json.dumps({"error": {"type": "stub", "param": None, **error}}).encode(), **headers)

        def _send(self, status: int, data: bytes, kind: str = "application/json", **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def _abort(self) -> None:
            """Reset the connection."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.connection.close()
            self.close_connection = True

        def _answer(self, body: dict[str, Any], fault: str) -> tuple[str, str, str]:
            """Text, refusal and finish reason."""
            text = stub.answer if isinstance(stub.answer, str) else stub.answer(body)
            match fault:
                case "empty":
                    return "", "", "stop"
                case "blank":
                    return " \n\n ", "", "stop"
                case "content_filter":
                    return text[:5], "", "content_filter"
                case "length":
                    return text[: len(text) // 2], "", "length"
                case "refusal":
                    return "", "I can't do that.", "stop"
                case "refusal prose":
                    return "I\u2019m sorry, but I can\u2019t assist with that request.", "", "stop"
            if stub.tokens is not None and self._completion(body) < stub.tokens:
                return text[: len(text) // 2], "", "length"
            return text, "", "stop"

        def _base(self, body: dict[str, Any]) -> dict[str, Any]:
            return {"id": "c1", "created": 1, "model": stub.model or body["model"]}

        def _completion(self, body: dict[str, Any]) -> int:
            ceiling = body.get("max_completion_tokens", body.get("max_tokens"))
            tokens = COMPLETION_TOKENS if stub.tokens is None else stub.tokens
            return tokens if stub.tokens is None or ceiling is None else min(tokens, ceiling)

        def _usage(self, body: dict[str, Any]) -> dict[str, Any]:
            completion = self._completion(body)
            return {
                "prompt_tokens": PROMPT_TOKENS,
                "completion_tokens": completion,
                "total_tokens": PROMPT_TOKENS + completion,
                "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
                "completion_tokens_details": {"reasoning_tokens": 7},
            }

        def _whole(self, body: dict[str, Any], fault: str) -> None:
            text, refusal, finish = self._answer(body, fault)
            message = {"role": "assistant", "content": text, "refusal": refusal or None}
            choices = [{"index": 0, "message": message, "finish_reason": finish}]
            data = {**self._base(body), "object": "chat.completion", "choices": choices, "usage": self._usage(body)}
            match fault:
                case "choices []":
                    data["choices"] = []
                case "no usage":
                    del data["usage"]
                case "cut":
                    choices[0]["finish_reason"] = None
            raw = json.dumps(data).encode()
            self._send(200, raw[: len(raw) // 2] if fault == "bad JSON" else raw)

        def _chunks(self, body: dict[str, Any], fault: str) -> Iterator[dict[str, Any]]:
            text, refusal, finish = self._answer(body, fault)
            base = {**self._base(body), "object": "chat.completion.chunk"}

            def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
                usage = {"usage": self._usage(body)} if fault == "usage in every chunk" else {}
                choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
                return {**base, "choices": [] if fault == "choices []" else choices, **usage}

            yield chunk({"role": "assistant", "content": ""})
            for start in range(0, len(text), 8):
                yield chunk({"content": text[start : start + 8]})
            if refusal:
                yield chunk({"refusal": refusal})
            yield chunk({}, finish)
            if fault != "no usage" and (body.get("stream_options") or {}).get("include_usage"):
                yield {**base, "choices": [], "usage": self._usage(body)}

        def _stream(self, body: dict[str, Any], fault: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain" if fault == "wrong content type" else "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if fault == "cut at once":
                return
            for number, chunk in enumerate(self._chunks(body, fault)):
                if number == 3 and self._strike(fault):
                    return
                line = f"data: {json.dumps(chunk)}\n\n".encode()
                if fault == "slow dribble":
                    for piece in (line[:7], line[7:40], line[40:]):
                        self.wfile.write(piece)
                        self.wfile.flush()
                        time.sleep(0.005)
                    continue
                if fault == "keep-alive comments":
                    self.wfile.write(b": still working\n\n")
                self.wfile.write(line)
            if fault != "no [DONE]":
                self.wfile.write(b"data: [DONE]\n\n")

        def _strike(self, fault: str) -> bool:
            """In the middle of a stream; whether it is over."""
            match fault:
                case "stall":
                    stub.over.wait(30)
                case "comments for ever":
                    # Bytes that never become a chunk: only a limit on chunks or on the whole ask ends this.
                    while not stub.over.wait(0.05):
                        self.wfile.write(b": wait\n\n")
                case "text for ever":
                    base = {"id": "c1", "created": 1, "model": "m", "object": "chat.completion.chunk"}
                    choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
                    while not stub.over.wait(0.05):
                        self.wfile.write(f"data: {json.dumps({**base, 'choices': [choice]})}\n\n".encode())
                case "reset":
                    self.wfile.flush()
                    time.sleep(0.02)
                    self._abort()
                case "cut":
                    pass
                case "bad JSON":
                    self.wfile.write(b'data: {"id": "c1", "choices": [{"delta": {"content": \n\n')
                    return False
                case "error in stream":
                    self.wfile.write(b'data: {"error": {"message": "upstream overloaded", "code": 502}}\n\n')
                case _:
                    return False
            return True

    return Handler
