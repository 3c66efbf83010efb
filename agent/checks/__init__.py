"""How a language is laid out, run and judged. One file per toolchain; this is the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from agent.sandbox.base import Sandbox, SandboxLimits
from graphs.errors import ConfigError
from graphs.ports import Checker
from graphs.values import Example, Files, Verdict

TOOLCHAINS = {"python": ("agent.checks.python", "PytestToolchain")}
"""Language → module and class."""


class Toolchain(Checker, Protocol):
    """A checker, and its synchronous core."""

    def prove_tree(self, tree: Files, tests: Files, ids: Sequence[str], examples: Sequence[Example] = ()) -> Verdict:
        """Whether the tree passes the declared tests and the examples."""
        ...

    def prove_directory(
        self, source: Path, tests: Files, ids: Sequence[str], examples: Sequence[Example] = ()
    ) -> Verdict:
        """The same for a tree that lies in a directory; tests are taken from ``tests``, never from there."""
        ...


def check_language(language: str) -> None:
    """``ConfigError`` when there is no toolchain for that language."""
    if language not in TOOLCHAINS:
        known = ", ".join(TOOLCHAINS)
        raise ConfigError(f"there is no toolchain for the language {language!r}; there is one for: {known}")


def open_toolchain(
    language: str,
    sandbox: Sandbox,
    limits: SandboxLimits | None = None,
    packages: Path | None = None,
    existing: Files | None = None,
) -> Toolchain:
    """The toolchain for that language, running everything in ``sandbox``. ``ConfigError`` when there is none.

    ``packages``: a directory of third-party packages that all code may import (see ``agent/checks/packages.py``);
    ``existing``: the files of the program that is changed, which every tree is laid over.
    """
    check_language(language)
    module, cls = TOOLCHAINS[language]
    toolchain: Toolchain = getattr(import_module(module), cls)(sandbox, limits, packages, existing or {})
    return toolchain
