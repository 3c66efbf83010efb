"""Prompts are files. Rendering fails on a missing variable; a user's directory may replace any of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2

from graphs import examples
from graphs.errors import ConfigError
from graphs.values import Contract

HERE = Path(__file__).parent
SUFFIX = ".md"


def names() -> list[str]:
    """Names of the prompts that are shipped."""
    return sorted(path.stem for path in HERE.glob(f"*{SUFFIX}"))


class Prompts:
    """Renders prompts, from ``directory`` where it holds one of that name, else from those shipped."""

    def __init__(self, directory: Path | None = None) -> None:
        if directory is not None:
            if not directory.is_dir():
                raise ConfigError(
                    f"the prompts directory {str(directory)!r} does not exist; create it or leave 'prompts' unset"
                )
            for path in directory.glob(f"*{SUFFIX}"):
                _check(path)
        self._directories = [d for d in (directory, HERE) if d is not None]
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([str(d) for d in self._directories]),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            autoescape=False,  # prompts are plain text
        )
        self._environment.filters["clip"] = clip
        self._environment.filters["fenced"] = fenced
        self._environment.globals["contract"] = self._contract
        self._environment.globals["render"] = lambda example: examples.render(example).rstrip("\n")

    def render(self, name: str, **values: Any) -> str:
        """The text of prompt ``name``; a missing variable or a broken template of the user's is a ``ConfigError``."""
        try:
            return self._environment.get_template(name + SUFFIX).render(**values).strip() + "\n"
        except ConfigError:  # of a prompt within this one
            raise
        except Exception as error:  # a template is a program: whatever it does wrong is for its author to mend
            why = str(error) or type(error).__name__
            raise ConfigError(
                f"the prompt {name!r} cannot be rendered: {why}; mend or remove your copy of it"
            ) from error

    def _contract(self, contract: Contract) -> str:
        stripped = {path: source.rstrip("\n") for path, source in contract.interface.items()}
        return self.render(
            "contract",
            contract={"behaviour": contract.behaviour.strip(), "interface": stripped, "examples": contract.examples},
        ).rstrip("\n")

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """Prompt name → SHA-256 (hex) of its source, for the journal."""
        return {name: hashlib.sha256(self._source(name).encode()).hexdigest() for name in names()}

    def _source(self, name: str) -> str:
        path = next(d / (name + SUFFIX) for d in self._directories if (d / (name + SUFFIX)).is_file())
        return path.read_text(encoding="utf-8")


def _check(path: Path) -> None:
    """Whatever can be found wrong with a user's prompt before it is needed."""
    if path.stem not in names():
        raise ConfigError(f"{str(path)!r} replaces no prompt; known prompts are {', '.join(names())}")
    try:
        jinja2.Environment().parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, jinja2.TemplateSyntaxError) as error:
        raise ConfigError(f"the prompt {str(path)!r} cannot be read: {error}; mend or remove it") from error


def fenced(text: str, language: str) -> str:
    """``text`` as a block of Markdown, in a fence longer than any in it, and than those of most answers."""
    fence = "````"
    while fence in text:
        fence += "`"
    end = "" if text.endswith("\n") or not text else "\n"
    return f"{fence}{language}\n{text}{end}{fence}"


def clip(text: str, most: int) -> str:
    """``text`` with at most ``most`` characters: its head and its tail, and how much was left out between them."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[len(text) - half :]}"
