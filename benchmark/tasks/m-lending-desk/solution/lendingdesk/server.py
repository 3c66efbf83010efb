"""HTTP on the loopback interface."""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from lendingdesk.desk import Desk, Refused
from lendingdesk.pages import WrongMethod, answer, find_page

MOST_BYTES = 10_000


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, desk: Desk) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.desk = desk
        self.lock = Lock()
        """Held while one request is carried out."""
        self.remembered: dict[str, tuple[tuple[str, bytes], tuple[int, Any]]] = {}
        """Idempotency key → request and answer."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece, or its second one would wait until the first is acknowledged
    server: Service

    def handle_any(self) -> None:
        allowed = ""
        try:
            status, content = self._answered()
        except WrongMethod as problem:
            allowed = problem.allowed
            status, content = problem.status, {"error": str(problem)}
        except Refused as problem:
            status, content = problem.status, {"error": str(problem)}
        data = b"" if status == 204 else json.dumps(content).encode()
        self.send_response(status)
        if allowed:
            self.send_header("Allow", allowed)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = handle_any

    def _answered(self) -> tuple[int, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)  # also of requests that are refused, for the next one on this connection
        find_page(self.command, self.path)
        if length > MOST_BYTES:
            raise Refused(413, "the body is too large")
        key = self.headers.get("Idempotency-Key") if self.command == "POST" else None
        with self.server.lock:
            if key is None:
                return self._carried_out(body)
            request = (self.path, body)
            if key not in self.server.remembered:
                self.server.remembered[key] = (request, self._carried_out(body))
            before, result = self.server.remembered[key]
        if before != request:
            raise Refused(422, "the key was used for another request")
        return result

    def _carried_out(self, body: bytes) -> tuple[int, Any]:
        try:
            return answer(self.server.desk, self.command, self.path, body)
        except Refused as problem:
            return problem.status, {"error": str(problem)}

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="lendingdesk")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--days", type=_count, default=14)
    parser.add_argument("--limit", type=_count, default=3)
    given = parser.parse_args()
    service = Service(given.port, Desk(given.days, given.limit))
    print(f"listening on 127.0.0.1:{service.server_port}", flush=True)
    service.serve_forever()


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)
