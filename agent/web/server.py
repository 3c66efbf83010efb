"""The page on this machine: a server on the loopback that only who has the token can talk to.

Every address begins with the token, a random text that a page of another site cannot know; requests under another host name
(DNS rebinding) and writes that another site began are refused. Nothing is loaded from elsewhere, and the browser is told so.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.store.runs import find_run
from agent.web import actions, page, view
from agent.web.follow import Follower
from graphs.errors import AgentError, PrerequisiteError, UserError

HOST = "127.0.0.1"
POLL_SECONDS = 0.15
"""Between two looks at a journal that somebody watches."""
IDLE_SECONDS = 2.0
"""The same where no process works on the run."""
PING_SECONDS = 15
"""Between two signs of life on a stream."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every answer."""
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


@dataclass
class Watched:
    """The runs that somebody looks at, each followed once."""

    home: Path
    """Where runs are kept."""
    followers: dict[str, Follower] = field(default_factory=dict)
    """Run id → what follows it."""

    async def follower(self, run: str) -> Follower:
        """What follows a run, brought up to date. ``UserError`` when there is no such run."""
        info = await asyncio.to_thread(find_run, self.home, run)
        known = self.followers.get(info.id)
        if known is None:
            known = self.followers[info.id] = await asyncio.to_thread(Follower, info.path)
        else:
            await asyncio.to_thread(known.poll)
        return known

    def close(self) -> None:
        """Let go of all journals."""
        for follower in self.followers.values():
            follower.close()


class Guard:
    """Lets through what comes from this machine's own page, and tells the browser what a page may do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI wants it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        name = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        if name not in (HOST, "localhost"):
            await Response("wrong host", 421, HEADERS)(scope, receive, send)
            return
        if request.method not in ("GET", "HEAD") and not _own(request):
            await Response("only this page may do that", 403, HEADERS)(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {key.lower() for key, _ in message["headers"]}
                message["headers"] += [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in there]
            await send(message)

        await self._app(scope, receive, with_headers)


def _own(request: Request) -> bool:
    """Whether a write comes from the page that this server gave: browsers send its origin, and no other site can send JSON
    here without asking first."""
    origin = request.headers.get("origin")
    same_origin = origin in (None, f"http://{request.headers.get('host')}")
    site = request.headers.get("sec-fetch-site", "same-origin")
    return same_origin and site in ("same-origin", "none") and request.headers.get("content-type") == "application/json"


def application(home: Path, token: str) -> Starlette:
    """The whole of it: page, data, stream and actions, below ``/TOKEN/``."""
    watched = Watched(home)

    async def runs(request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(view.runs, home))

    async def snapshot(request: Request) -> Response:
        follower = await watched.follower(request.path_params["run"])
        return JSONResponse(await asyncio.to_thread(view.snapshot, follower))

    async def component(request: Request) -> Response:
        follower = await watched.follower(request.path_params["run"])
        return JSONResponse(await asyncio.to_thread(view.component, follower, request.path_params["name"]))

    async def edge(request: Request) -> Response:
        follower = await watched.follower(request.path_params["run"])
        ends = (request.path_params["source"], request.path_params["target"])
        return JSONResponse(await asyncio.to_thread(view.edge, follower, *ends))

    async def call(request: Request) -> Response:
        follower = await watched.follower(request.path_params["run"])
        return JSONResponse(await asyncio.to_thread(view.call, follower, request.path_params["key"]))

    async def story(request: Request) -> Response:
        follower = await watched.follower(request.path_params["run"])
        return JSONResponse({"story": await asyncio.to_thread(view.story, follower)})

    async def stream(request: Request) -> Response:
        follower = await watched.follower(request.path_params["run"])
        said = request.headers.get("last-event-id") or request.query_params.get("since", "0")
        since = int(said) if said.isdecimal() else 0
        return EventSourceResponse(_changes(follower, since), ping=PING_SECONDS, headers=HEADERS)

    async def act(request: Request) -> Response:
        info = await asyncio.to_thread(find_run, home, request.path_params["run"])
        try:
            body = await request.json()
        except ValueError:
            raise UserError("that is no JSON; reload the page") from None
        return JSONResponse(await asyncio.to_thread(actions.act, info, request.path_params["what"], body))

    async def index(request: Request) -> Response:
        return HTMLResponse(page.live())

    routes = [
        Route("/", index),
        Route("/api/runs", runs),
        Route("/api/runs/{run}", snapshot),
        Route("/api/runs/{run}/stream", stream),
        Route("/api/runs/{run}/story", story),
        Route("/api/runs/{run}/components/{name}", component),
        Route("/api/runs/{run}/edges/{source}/{target}", edge),
        Route("/api/runs/{run}/calls/{key}", call),
        Route("/api/runs/{run}/{what}", act, methods=["POST"]),
        Mount("/static", StaticFiles(directory=page.STATIC)),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        watched.close()

    app = Starlette(
        routes=[Mount(f"/{token}", routes=routes)],
        exception_handlers={AgentError: _refused},
        lifespan=lifespan,
    )
    app.add_middleware(Guard)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    """What a person can mend, in one sentence."""
    return JSONResponse({"error": str(error)}, 400 if isinstance(error, UserError) else 500)


async def _changes(follower: Follower, since: int) -> AsyncIterator[dict[str, str]]:
    """What changes from a version on, as server-sent events whose id is the version: a browser that comes back names it."""
    while True:
        await asyncio.to_thread(follower.poll)
        if follower.version > since:
            found = await asyncio.to_thread(view.changes, follower, since)
            since = found["version"]
            yield {"id": str(since), "event": "changes", "data": json.dumps(found)}
        await asyncio.sleep(POLL_SECONDS if follower.live else IDLE_SECONDS)


def listening(port: int = 0) -> socket.socket:
    """A socket on the loopback; port 0 is any that is free. ``PrerequisiteError`` when the port is taken."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise PrerequisiteError(
            f"the port {port} cannot be used: {error.strerror or error}; choose another with --port, or leave it out"
        ) from error
    return found


def serve(home: Path, port: int, ready: Callable[[str], None], run: str = "") -> None:
    """Serve until Ctrl-C. ``ready`` hears the address, of a run's page where one is named."""
    token = secrets.token_urlsafe(24)
    found = listening(port)
    config = uvicorn.Config(application(home, token), log_level="error", access_log=False, timeout_graceful_shutdown=1)
    address = f"http://{HOST}:{found.getsockname()[1]}/{token}/" + (f"#/{run}" if run else "")
    server = uvicorn.Server(config)
    found.listen()
    ready(address)
    server.run(sockets=[found])
