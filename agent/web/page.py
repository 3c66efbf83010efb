"""The page itself: for the server, and as one file with the data in it, which needs no server and no network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from agent.dataset.record import without_path
from agent.dataset.redact import Marks, of_this_machine
from agent.dataset.scrub import secrets_of
from agent.printable import printable
from agent.store.journal import JournalReader
from agent.web import view
from agent.web.follow import Follower

STATIC = Path(__file__).with_name("static")
"""What runs in the browser."""
SCRIPTS = ("cytoscape.min.js", "app.js")
"""In the order they are loaded."""
STYLE = "app.css"
LARGEST_TEXT = 20_000
"""Characters of a prompt or an answer in a file; what is longer is cut there, and says so."""

_HEAD = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)
_BODY = '<body>\n<div id="app"></div>\n<noscript>This page draws with JavaScript, all of which is in it.</noscript>'


def live() -> str:
    """The page that asks its server."""
    scripts = "\n".join(f'<script src="static/{name}" defer></script>' for name in SCRIPTS)
    return (
        f'{_HEAD}\n<title>stepgraph</title>\n<link rel="icon" href="data:,">\n<link rel="stylesheet" href="static/{STYLE}">\n{scripts}\n'
        f"</head>\n{_BODY}\n</body>\n</html>\n"
    )


def exported(run_dir: Path) -> str:
    """One run as one file: read-only, offline, with everything that the page can show of it, fit to be passed on: secrets, and
    what says who and where the user is, are taken out as for an export of the dataset. ``JournalError`` when its journal cannot be
    read."""
    follower = Follower(run_dir)
    try:
        data = _all(follower)
    finally:
        follower.close()
    del data["snapshot"]["run"]["settings"]
    layers = of_this_machine(secrets_of(os.environ)).values()
    marks = Marks()

    here = str(Path(__file__).parents[2])  # where this program is installed, which messages name

    def cleaned(text: str) -> str:
        for layer in layers:
            text = layer(text, marks)
        return text.replace(here, "‹stepgraph›")

    data = _fit(data, cleaned)
    style = STATIC.joinpath(STYLE).read_text("utf-8")
    scripts = [STATIC.joinpath(name).read_text("utf-8") for name in SCRIPTS]
    policy = (
        f"default-src 'none'; style-src '{_sum(style)}'; script-src {' '.join(repr(_sum(script)) for script in scripts)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    # A "<" could end the element, whatever a model wrote.
    text = json.dumps(data).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return (
        f"{_HEAD}\n"
        f'<meta http-equiv="content-security-policy" content="{escape(policy)}">\n'
        f"<title>{escape(printable(str(data['snapshot']['run']['title'] or data['snapshot']['run']['id'])))}</title>\n"
        f'<link rel="icon" href="data:,">\n<style>{style}</style>\n</head>\n{_BODY}\n'
        f'<script type="application/json" id="data">{text}</script>\n'
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def _all(follower: Follower) -> dict[str, Any]:
    """Every answer that the server could give of a run, by its address."""
    names = list(follower.state.components)
    plan = follower.state.plan
    edges = [(need, c.id) for c in plan.components for need in c.depends_on] if plan else []
    return {
        "snapshot": view.snapshot(follower),
        "story": view.story(follower),
        "components": {name: view.component(follower, name) for name in names},
        "edges": {f"{source}/{target}": view.edge(follower, source, target) for source, target in edges},
        "calls": {call.key: view.call(follower, call.key) for call in _calls(follower.reader)},
    }


def _calls(reader: JournalReader) -> list[Any]:
    return list({call.key: call for call in reader.calls()}.values())


def _fit(value: Any, cleaned: Callable[[str], str], key: str = "") -> Any:
    """The same with texts cleaned, those that are too long cut, and models named without the directories of files."""
    if isinstance(value, str):
        text = cleaned(without_path(value) if key == "model" else value)
        more = len(text) - LARGEST_TEXT
        return text if more <= 0 else f"{text[:LARGEST_TEXT]}\n… {more:,} more characters"
    if isinstance(value, dict):
        return {name: _fit(inner, cleaned, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fit(inner, cleaned, key) for inner in value]
    return value


def _sum(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
