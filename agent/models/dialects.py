"""How servers are told to hold an answer to a form, and how it is found out whether they do.

A JSON schema goes the same way everywhere, as ``response_format``. A grammar goes in a field of its own, which each kind of
server calls something else; one that does not know the field ignores it without a word. So the first thing asked of an
endpoint is a word that no model would say by itself, and no answer is believed to be in its form before it was looked at.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.models.base import Schema
from agent.models.matching import flaw
from graphs.errors import ConfigError

AUTO = "auto"
"""Stands for the dialect that a probe finds."""

PROBE = "Say hello."
"""What a probe asks: nobody answers it with the probe's word by accident."""
PROBE_TOKENS = (64, 8_000)
"""Completion tokens a probe may take: plenty for the word; more when all went into the reasoning before it."""

# llama-server takes it for the sign that a text is for llguidance and not GBNF; and it keeps xgrammar, which vLLM tries
# first, from taking a text for its own and reading it otherwise (xgrammar 0.2.8 rejected 12 of 12 texts that bear it).
_MARK = "%llguidance"


@dataclass(frozen=True)
class Held:
    """What one request is held to: a whole answer, a piece of one, or a probe."""

    fields: Mapping[str, Any]
    """Added to the body of the request."""
    flaw: Callable[[str], str] = field(repr=False)
    """A whole answer → what is wrong with its form, in words that can be shown; empty when nothing is."""
    begins: Callable[[str], bool] = field(default=lambda _: True, repr=False)
    """An answer that was cut → whether it can be the beginning of a whole one, as far as that is known."""
    probes: bool = False
    """Whether it is asked only to find out what the server makes of it."""


@dataclass(frozen=True)
class Dialect:
    """How one kind of server takes a grammar."""

    name: str
    """For the configuration and in messages."""
    fields: Callable[[str], dict[str, Any]] = field(repr=False)
    """Lark text → what is added to the body of a request."""
    continues: Mapping[str, Any]
    """Added where the last message is the assistant's and is to be gone on with, not answered."""

    def held(self, lark: str, *, later: bool = False) -> Held:
        """A piece of an answer, held to a grammar. ``later``: pieces before it stand in the assistant's last message."""
        text = lark if lark.lstrip().startswith(_MARK) else f"{_MARK} {{}}\n{lark}"
        return Held(self.fields(text) | (dict(self.continues) if later else {}), lambda said: flaw(lark, said))

    def probe(self) -> Held:
        """A grammar of one random word."""
        word = _word()
        held = self.held(f"start: {json.dumps(word)}")
        return Held(held.fields, held.flaw, word.startswith, probes=True)


DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        # vLLM's ChatCompletionRequest (vllm/entrypoints/openai/chat_completion/protocol.py): it refuses the two fields when
        # both are true, and the second is true by default.
        Dialect(
            "vllm",
            lambda lark: {"structured_outputs": {"grammar": lark}},
            {"continue_final_message": True, "add_generation_prompt": False},
        ),
        # SGLang's ChatCompletionRequest (python/sglang/srt/entrypoints/openai/protocol.py): it puts the text of the last
        # message behind the prompt that its template makes of those before.
        Dialect("sglang", lambda lark: {"ebnf": lark}, {"continue_final_message": True}),
        # llama.cpp goes on with a last message of the assistant's unless started with --no-prefill-assistant (its pull
        # requests 13174 and 13608). It knows vLLM's two fields only since May 2026 (23012); before that,
        # add_generation_prompt=false took the assistant's header out of the prompt, so that neither is sent.
        Dialect("llama-server", lambda lark: {"grammar": lark}, {}),
    )
}
"""Those there are, in the order in which they are tried. A server ignores the fields of the others, or refuses them."""


def candidates(name: str) -> tuple[Dialect, ...]:
    """The dialects that a server may speak which is configured with ``name``; ``ConfigError`` when there is no such one."""
    if name == AUTO:
        return tuple(DIALECTS.values())
    if name not in DIALECTS:
        raise ConfigError(f"the grammar dialect {name!r} is unknown; possible are {', '.join((AUTO, *DIALECTS))}")
    return (DIALECTS[name],)


def held_to_schema(schema: Schema) -> Held:
    """A whole answer, held to a JSON schema."""
    return Held(_response_format(schema.name, schema.schema), lambda said: flaw_of_json(schema.schema, said))


def schema_probe() -> Held:
    """A schema with one random word."""
    word = _word()
    schema = {
        "type": "object",
        "properties": {"word": {"type": "string", "const": word}},
        "required": ["word"],
        "additionalProperties": False,
    }
    whole = json.dumps({"word": word}, separators=(",", ":"))
    return Held(
        _response_format("probe", schema),
        lambda said: flaw_of_json(schema, said),
        lambda said: whole.startswith(re.sub(r"\s", "", said)),
        probes=True,
    )


def flaw_of_json(schema: Mapping[str, Any], text: str) -> str:
    """What keeps ``text`` from being JSON of the schema, in words that can be shown; empty when nothing does.

    >>> flaw_of_json({"type": "array", "items": {"type": "integer"}}, "[1, 2 ]")
    ''
    >>> flaw_of_json({"type": "array", "items": {"type": "integer"}}, "[1, true]")
    "not allowed here: 'true]'"

    Keywords of the schema that llguidance does not know are left out of account.
    """
    try:
        # llguidance is particular about the order of properties and about how characters are escaped; JSON is not.
        value = json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    lenient = {**schema, "x-guidance": {"lenient": True}}
    return flaw(f"start: %json {json.dumps(lenient, sort_keys=True)}", value)


def _response_format(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """As OpenAI has it, and all that are compatible with it."""
    held = {"name": name, "schema": dict(schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": held}}


def _word() -> str:
    return f"probe-{secrets.token_hex(4)}"
