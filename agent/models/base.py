"""What every model promises: endpoint, manual, replay. One file per kind; layers (journal, recorder) have the same face."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from graphs.values import Usage, digest

Role = Literal["system", "user", "assistant"]

ANSWER_TOKENS = 32_000
"""Completion tokens wanted for an answer where nothing better is known: enough for code and the reasoning before it."""
SMALLEST_ANSWER = 256
"""Completion tokens below which asking is pointless."""
CHARS_PER_TOKEN = 3.0
"""Characters per token, low so that an estimate errs on the dear side (English prose has about 4, code about 3)."""

_MESSAGE_TOKENS = 32
"""Tokens that a model's template may put around each message."""


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Role
    """Who speaks."""
    content: str
    """What is said."""


@dataclass(frozen=True)
class Grammar:
    """Holds an answer to a grammar while it is written. It comes in pieces, so that a later one may know what the earlier ones said."""

    kind: ClassVar[Literal["grammar"]] = "grammar"
    name: str
    """Of the shape it is for, such as ``plan``."""
    digest: str
    """SHA-256 of all that fixes it; stands for it in keys and in the journal."""
    following: Callable[[str], str] = field(compare=False, repr=False)
    """The answer so far (``""`` at first) → llguidance Lark text of the next piece; ``""`` when the answer is complete. Only the
    last piece may end where it could also go on: there the model says when it has ended. ``ValueError`` for a text that no
    piece ends with."""


@dataclass(frozen=True)
class Schema:
    """Holds an answer to a JSON schema while it is written."""

    kind: ClassVar[Literal["schema"]] = "schema"
    name: str
    """Of the shape it is for, such as ``plan``."""
    digest: str
    """SHA-256 of the schema; stands for it in keys and in the journal."""
    schema: Mapping[str, Any] = field(compare=False, repr=False)
    """In the dialect that OpenAI's ``strict`` takes: every property required, none additional."""


Form = Grammar | Schema
"""What an answer is held to beyond the words of the question."""


@dataclass
class Lease:
    """What one try has set aside, and what it turned out to cost. Whoever sends the try fills it in before it ends."""

    max_tokens: int | None = None
    """To be sent with the try: most completion tokens; ``None`` leaves it to the endpoint."""
    reserved: Usage = field(default_factory=Usage)
    """Set aside: the most it may cost; ``usd`` is ``None`` when the price is unknown."""
    spent: Usage | None = None
    """As the endpoint reported it; ``None`` when nobody knows, as after a cancelled try: then all of ``reserved`` counts."""
    unreported: int | None = None
    """Characters that came of an answer whose tokens the endpoint did not report, to estimate them by; 0 when even that
    says nothing, so that all of ``reserved`` counts. ``None``: ``spent`` is the whole truth."""
    fault: str = ""
    """What was wrong with what came back; empty for an answer."""


class Gate(Protocol):
    """Lets the tries of a question pass, one by one, and learns what each cost."""

    def lease(
        self, ask: Ask, wanted: int = ANSWER_TOKENS, least: int = SMALLEST_ANSWER
    ) -> AbstractAsyncContextManager[Lease]:
        """Held while one try is under way; waits while only other tries stand in its way.

        Args:
            ask: the question.
            wanted: completion tokens it may take; less may be granted.
            least: completion tokens it needs.

        Raises:
            LimitReached: it does not fit under a ceiling.
        """
        ...


class _Open:
    """The gate of a question that nobody counts."""

    @asynccontextmanager
    async def lease(self, ask: Ask, wanted: int = ANSWER_TOKENS, least: int = SMALLEST_ANSWER) -> AsyncIterator[Lease]:
        yield Lease(None if ask.max_tokens is None else min(ask.max_tokens, wanted))


@dataclass(frozen=True)
class Ask:
    """One question to the model, with what is needed to find its answer again."""

    messages: tuple[Message, ...]
    """The conversation; the last one is the user's."""
    step: str
    """``requirements``, ``plan``, ``tests``, ``code``, ``repair``, ``amend``, ``strengthen``, ``respecify``, ``split``,
    ``revise``; also the name of the prompt file."""
    component: str = ""
    """The component it is for; empty for the run as a whole."""
    component_key: str = ""
    """Its component key."""
    attempt: int = 1
    """Which try of this step; part of the key, so that a retry is never answered with the old answer."""
    temperature: float | None = None
    """``None`` leaves it to the endpoint."""
    max_tokens: int | None = None
    """Ceiling of the answer; ``None`` leaves it to the endpoint."""
    priority: float = 0.0
    """Who goes first when slots are scarce: larger first."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further parameters of the request; part of the key."""
    form: Form | None = None
    """What the answer is held to while it is written; its digest is part of the key."""
    gate: Gate = field(default=_Open(), compare=False, repr=False)
    """What each try of it must pass; no part of the key."""

    @property
    def likely_tokens(self) -> int:
        """Prompt tokens, estimated."""
        return tokens_of(sum(len(message.content) for message in self.messages))

    @property
    def most_tokens(self) -> int:
        """Prompt tokens that can never be exceeded: no tokenizer makes more than one of a byte."""
        sent = [message.content for message in self.messages]
        if self.extra:
            sent.append(json.dumps(self.extra, default=str))
        if isinstance(self.form, Schema):  # which some endpoints count as a part of the prompt
            sent.append(json.dumps(self.form.schema))
        return sum(len(text.encode("utf-8", "surrogatepass")) + _MESSAGE_TOKENS for text in sent)

    def key(self, model: str) -> str:
        """The content key of this call: never depends on order or time."""
        return digest(
            [
                self.component_key,
                self.step,
                self.attempt,
                [(m.role, m.content) for m in self.messages],
                model,
                self.temperature,
                self.max_tokens,
                self.extra,
                *([] if self.form is None else [self.form.digest]),
            ]
        )


@dataclass(frozen=True)
class Answer:
    """What came back, whole."""

    text: str
    """Never empty, never cut: such answers are errors that were asked again."""
    usage: Usage
    """As the endpoint reports it (all tries of this ask together); estimated counts are never made up."""
    model: str
    """The model that answered, as it names itself."""
    seconds: float = 0.0
    """Wall time, tries and waits included."""
    tries: int = 1
    """HTTP requests made."""


def tokens_of(characters: int) -> int:
    """About how many tokens that many characters are, rounded up."""
    return math.ceil(characters / CHARS_PER_TOKEN)


class Model(Protocol):
    """Answers questions. Each try it makes, be it the only one, passes the gate of the question before it is sent."""

    name: str
    """What ``--model`` said; part of every call key."""
    forms: frozenset[str]
    """Kinds of forms that its answers can be held to: ``grammar``, ``schema``, both or none."""

    async def ask(self, ask: Ask) -> Answer:
        """The answer.

        ``ModelError`` when there was none within the retry budget, ``ModelRefused`` when asking again is useless, as when the
        endpoint does not hold answers to forms, ``LimitReached`` when the gate lets no further try pass.
        """
        ...

    def price(self, usage: Usage) -> float | None:
        """US dollars for the tokens of ``usage``; ``None`` when the price is unknown."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...
