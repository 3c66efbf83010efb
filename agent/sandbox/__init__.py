"""Where untrusted code runs. ``base.py`` says what every kind promises; one file per kind; this is the table."""

from __future__ import annotations

from importlib import import_module

from agent.sandbox.base import Sandbox
from graphs.errors import ConfigError

KINDS = {
    "bubblewrap": ("agent.sandbox.bubblewrap", "Bubblewrap"),
    "none": ("agent.sandbox.unsandboxed", "Unsandboxed"),
}
"""Name on the command line → module and class."""


def open_sandbox(name: str) -> Sandbox:
    """The sandbox of that kind, not probed yet. ``ConfigError`` when there is none; nothing is ever chosen instead."""
    if name not in KINDS:
        known = ", ".join(KINDS)
        raise ConfigError(f"there is no sandbox {name!r}; the kinds are: {known}")
    module, cls = KINDS[name]
    sandbox: Sandbox = getattr(import_module(module), cls)()
    return sandbox
