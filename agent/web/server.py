"""The page on this machine: a server on the loopback that only who has the token can talk to.

Every address begins with the token, a random text that a page of another site cannot know; requests under another host name
(DNS rebinding) and writes that another site began are refused. Nothing is loaded from elsewhere, and the browser is told so.
"""

from __future__ import annotations

import asyncio
import hmac
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
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.steering import awaiting
from agent.store.runs import RunInfo, find_run
from agent.web import actions, page, view
from agent.web.follow import Follower
from graphs import document
from graphs.errors import AgentError, PlanError, PrerequisiteError, UserError

HOST = "127.0.0.1"
POLL_SECONDS = 0.15
"""Between two looks at a journal that somebody watches."""
IDLE_SECONDS = 2.0
"""The same where no process works on the run."""
MOST_BYTES = 4 * 1024 * 1024
"""Of the body of a request; an edited plan is the largest."""
PING_SECONDS = 15
"""Between two signs of life on a stream."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every answer."""
NOTHING = "there is nothing at this address"
"""Said of every address that does not begin with the token, and of those below it where nothing is."""
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
            made = await asyncio.to_thread(Follower, info.path)
            known = self.followers.setdefault(info.id, made)
            if known is not made:  # somebody else asked meanwhile
                made.close()
        else:
            await asyncio.to_thread(known.poll)
        return known

    def close(self) -> None:
        """Let go of all journals."""
        for follower in self.followers.values():
            follower.close()


class Guard:
    """Lets through what comes from this machine's own page, and tells the browser what a page may do."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """``token``: the first part of every address."""
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI wants it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        name = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        if name not in (HOST, "localhost"):
            await _no("this server answers only under the address that agent ui printed", 421)(scope, receive, send)
            return
        first = scope["path"].lstrip("/").partition("/")[0]
        if not hmac.compare_digest(first.encode("utf-8", "surrogateescape"), self._token):
            await _no(NOTHING, 404)(scope, receive, send)
            return
        if request.method not in ("GET", "HEAD") and not _own(request):
            await _no("only the page of agent ui may do that, with JSON", 403)(scope, receive, send)
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


def _no(why: str, status: int) -> Response:
    return JSONResponse({"error": why}, status, HEADERS)


async def _body(request: Request) -> Any:
    """The JSON that a request brings; ``HTTPException`` or ``UserError`` when it is too large, or none."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            raise HTTPException(413, f"that is more than {MOST_BYTES // 1024 // 1024} MiB; write less")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise UserError("that is no JSON; reload the page") from None


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
        info = await asyncio.to_thread(_exactly, home, request.path_params["run"])
        body = await _body(request)
        return JSONResponse(await asyncio.to_thread(actions.act, info, request.path_params["what"], body))

    async def plan(request: Request) -> Response:
        info = await asyncio.to_thread(_exactly, home, request.path_params["run"])
        waiting = await asyncio.to_thread(awaiting, info)
        return JSONResponse({"revision": waiting.revision, "plan": document.dump(waiting)})

    async def index(request: Request) -> Response:
        return HTMLResponse(page.live())

    routes = [
        Route("/", index),
        Route("/api/runs", runs),
        Route("/api/runs/{run}", snapshot),
        Route("/api/runs/{run}/stream", stream),
        Route("/api/runs/{run}/plan", plan),
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
        exception_handlers={AgentError: _refused, HTTPException: _not_so},
        lifespan=lifespan,
    )
    app.add_middleware(Guard, token=token)
    return app


def _exactly(home: Path, run: str) -> RunInfo:
    """The run of that id; ``UserError`` when there is none. What acts on a run is not content with a part of its name."""
    info = find_run(home, run)
    if info.id != run or info.path.is_symlink():
        raise UserError(f"no run is called {run[:80]!r}; open it from the list of runs")
    return info


async def _refused(request: Request, error: Exception) -> Response:
    """What a person can mend, in one sentence; of a plan that cannot be built each problem by itself, too."""
    said: dict[str, Any] = {"error": str(error)}
    if isinstance(error, PlanError):
        said = {"error": "the edited plan cannot be built", "problems": list(error.problems)}
    return JSONResponse(said, 400 if isinstance(error, UserError) else 500)


async def _not_so(request: Request, error: Exception) -> Response:
    """What there is not at an address, or cannot be asked of it in that way."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return JSONResponse({"error": NOTHING}, 404)
    if error.status_code == 405:
        return JSONResponse({"error": f"{request.method} is not for that address"}, 405, error.headers)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


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
