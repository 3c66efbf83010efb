"""A local OpenAI-compatible server with simulated latency that remembers what it was asked and what it answered."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """One request."""

    question: str
    """SHA-256 (hex) of its messages and temperature: what is asked twice in the same words may be two questions."""
    task: str
    """What is asked for: the last heading ``Your task now``."""
    arrived: float
    """``time.monotonic()`` when it had been read."""
    answered: float | None = None
    """When the last byte of the answer had been handed to the kernel; ``None`` while it is open or was cut."""


@dataclass
class Log:
    """Every request, in order of arrival."""

    served: list[Served] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> int:
        """Requests so far."""
        with self.lock:
            return len(self.served)

    def tasks(self, since: int) -> list[str]:
        """What was asked for from that request on."""
        with self.lock:
            return [served.task for served in self.served[since:]]


_TASK = re.compile(r"^# Your task now: (.+)$", re.MULTILINE)


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that are killed in the middle are what is measured."""


@contextmanager
def serve(answer: Callable[[str, float | None], str], seconds: Callable[[], float]) -> Iterator[tuple[str, Log]]:
    """Serve until the block ends; gives the base URL and the log.

    Args:
        answer: the whole text of a prompt, and the temperature asked for → the text of the answer.
        seconds: latency of the next answer.
    """
    log = Log()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = "\n".join(m["content"] for m in request["messages"])
            temperature = request.get("temperature")
            question = hashlib.sha256(f"{temperature} {prompt}".encode()).hexdigest()
            entry = Served(question, (_TASK.findall(prompt) or [""])[-1], time.monotonic())
            with log.lock:
                log.served.append(entry)
            time.sleep(seconds())
            try:
                self._send(_chunks(answer(prompt, temperature), len(prompt)))
                entry.answered = time.monotonic()
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client was killed: this answer was in flight

        def _send(self, chunks: list[dict[str, Any]]) -> None:
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = _QuietServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", log
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _chunks(text: str, prompt_chars: int) -> list[dict[str, Any]]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "simulated"}
    usage = {"prompt_tokens": prompt_chars // 4, "completion_tokens": len(text) // 4}
    usage["total_tokens"] = sum(usage.values())
    return [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": usage},
    ]
