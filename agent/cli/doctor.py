"""``agent doctor``: what is here, what is missing and how to get it; every setting and where it came from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.models import Model

_WAIT_SECONDS = 5.0
_LEAST_FREE_MB = 200
"""Below this a run would likely fill the disk: the journal of a large run and its output repository."""


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    """What was looked at."""
    ok: bool
    """Whether it is as it should be."""
    detail: str
    """What was found, in one line."""
    remedy: str = ""
    """What to do when it is not; empty when it is."""
    needed: bool = True
    """Whether no run can start without it."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> int:
    """Say what is here, what is missing and how to get it; exit 0 when a run could start, else 2."""
    from agent.cli.output import emit_json
    from agent.config import OPTIONS, load
    from agent.printable import printable

    resolved = load({}, os.environ, Path.cwd())
    checks = [_python(), _git(), _sandbox(resolved.settings), *_model(resolved.settings), *_state()]
    checks = [replace(check, remedy="") if check.ok else check for check in checks]
    ready = all(check.ok for check in checks if check.needed)
    settings = [
        {"key": OPTIONS[key].place, "value": _shown(resolved.value(key)), "origin": origin}
        for key, origin in resolved.origin.items()
    ]
    if as_json:
        emit_json({"ready": ready, "checks": checks, "settings": settings})
        return 0 if ready else 2
    for check in checks:
        mark = "ok" if check.ok else "MISSING" if check.needed else "no"
        click.echo(printable(f"{mark:8}{check.name:12}{check.detail}"))
        if check.remedy:
            click.echo(printable(f"{'':20}→ {check.remedy}"))
    click.echo("\nSettings")
    for row in settings:
        click.echo(printable(f"  {row['key']:26}{_in_words(row['value']):30} {row['origin']}"))
    click.echo("\nA run can start." if ready else "\nNo run can start yet: see MISSING above.")
    return 0 if ready else 2


def _shown(value: Any) -> Any:
    """A value as it may be shown: an address without the password in it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str) and "://" in value and "@" in value:
        return f"{value.partition('://')[0]}://…@{value.rpartition('@')[2]}"
    return value


def _in_words(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return "-" if value is None else str(value)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), f"{version}, {sys.executable}", "install Python 3.11 or later")


def _version_of(program: str) -> str | None:
    """The first line of ``program --version``; ``None`` when it is not here or does not run."""
    path = shutil.which(program)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_WAIT_SECONDS, check=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return (done.stdout.splitlines() or [""])[0]


def _git() -> Check:
    version = _version_of("git")
    remedy = "install git (Debian and Ubuntu: sudo apt-get install git)"
    return Check("git", version is not None, version or "not found or does not run", remedy)


def _sandbox(settings: Settings) -> Check:
    from agent.sandbox import open_sandbox
    from graphs.errors import UserError

    version = _version_of("bwrap") if settings.sandbox == "bubblewrap" else None
    try:
        open_sandbox(settings.sandbox).probe()
    except UserError as error:
        return Check("sandbox", False, f"{settings.sandbox}: {version or 'not found'}", str(error))
    return Check("sandbox", True, f"{version or settings.sandbox}, and it holds")


def _model(settings: Settings) -> Iterator[Check]:
    """Each model that is named and whether its endpoint answers; a local Ollama when none is named."""
    from agent.config import ROLES
    from agent.models import find_model
    from graphs.errors import UserError

    if settings.model is None and not settings.models:
        try:
            found = find_model(os.environ)
        except UserError as error:
            yield Check("model", False, "none", str(error))
        else:
            yield Check("model", True, f"{found.name}, found because no model is named")
        return
    nobody = [role for role in ROLES if settings.model_for(role) is None]
    if nobody:
        yield Check("model", False, f"none for {', '.join(nobody)}", "name them under [models], or one with --model")
    named = sorted({settings.model, *settings.models.values()} - {None}, key=str)
    checks = [check for name in named for check in _named(str(name), settings)]
    yield from checks
    if not nobody and all(check.ok for check in checks if check.name == "model"):
        yield _strategy(settings)


def _strategy(settings: Settings) -> Check:
    """Whether the models can be asked as is wanted."""
    from agent.config import ROLES
    from agent.prompts import Prompts
    from agent.strategies import open_strategy
    from graphs.errors import AgentError

    names = {role: settings.strategy_for(role) for role in ROLES}
    said = ", ".join(dict.fromkeys(names.values()))
    try:
        prompts = Prompts(settings.prompts)
        open_strategy(names, lambda role: _opened(str(settings.model_for(role)), settings), prompts, lambda _: [])
    except AgentError as error:
        return Check("strategy", False, said, str(error))
    return Check("strategy", True, said)


def _opened(name: str, settings: Settings) -> Model:
    from agent.models import Prices, open_model

    return open_model(
        name,
        base_url=settings.base_url,
        api_key=os.environ.get(settings.api_key_env),
        prices=Prices.load(settings.prices),
        dialect=settings.dialect,
    )


def _named(name: str, settings: Settings) -> Iterator[Check]:
    from agent.models import OLLAMA_PORT, PROVIDERS
    from agent.models.endpoint import OPENAI, Endpoint
    from graphs.errors import AgentError

    key = os.environ.get(settings.api_key_env)
    try:
        model = _opened(name, settings)
    except AgentError as error:
        yield Check("model", False, name, str(error))
        return
    kind, _, rest = name.partition(":")
    bare = rest if kind in ("openai", "ollama") else name
    ours = f"http://127.0.0.1:{OLLAMA_PORT}/v1" if kind == "ollama" else OPENAI.url
    yield Check("model", True, name)
    if isinstance(model, Endpoint) and not (rest and kind in {*PROVIDERS, "google"}):
        yield _endpoint(settings.base_url or ours, bare, key, settings.api_key_env)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _endpoint(base_url: str, model: str, key: str | None, variable: str) -> Check:
    """Ask an endpoint which models it has: costs nothing, and tells a wrong address from a wrong key."""
    from agent.models.endpoint import Address

    address = Address(base_url)
    parts = urlsplit(base_url)
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/") + "/models"
    # A proxy has no way to this machine's loopback.
    proxies = urllib.request.ProxyHandler({} if address.loopback else None)
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.build_opener(_NoRedirect(), proxies).open(request, timeout=_WAIT_SECONDS) as response:
            listed = json.loads(response.read(4_000_000))
        known = sorted(str(entry["id"]) for entry in listed["data"])
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return Check("endpoint", False, f"{address.place} refuses the key", f"put a valid key into {variable}")
        return Check("endpoint", True, f"{address.place} answers")
    except OSError as error:
        why = getattr(error, "reason", error)
        return Check("endpoint", False, f"{address.place} does not answer ({why})", "start it, or mend --base-url")
    except (ValueError, KeyError, TypeError, HTTPException):
        remedy = "check --base-url: it usually ends in /v1"
        return Check("endpoint", False, f"{address.place} answers, but not as an OpenAI-compatible server", remedy)
    if known and model not in known:
        some = ", ".join(known[:8])
        return Check("endpoint", False, f"{address.place} does not list {model!r}", f"it lists {some}", needed=False)
    return Check("endpoint", True, f"{address.place} answers")


def _state() -> Iterator[Check]:
    from agent.store.runs import home

    place = home()
    choose = "choose a writable place with AGENT_HOME"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"x")
        free = shutil.disk_usage(place).free // 1_000_000
    except OSError as error:
        yield Check("state", False, f"{place}: {error.strerror}", choose)
        return
    yield Check("state", True, f"{place} is writable")
    yield Check("disk", free >= _LEAST_FREE_MB, f"{free:,} MB free", f"free some space, or {choose}")
