"""What every model promises: endpoint, manual, replay. One file per kind; layers (journal, recorder) have the same face."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from graphs.values import Usage, digest

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Role
    """Who speaks."""
    content: str
    """What is said."""


@dataclass(frozen=True)
class Ask:
    """One question to the model, with what is needed to find its answer again."""

    messages: tuple[Message, ...]
    """The conversation; the last one is the user's."""
    step: str
    """``requirements``, ``plan``, ``tests``, ``code``, ``repair``; also the name of the prompt file."""
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
    """Further parameters, such as ``response_format`` or a grammar; part of the key."""

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


class Model(Protocol):
    """Answers questions."""

    name: str
    """What ``--model`` said; part of every call key."""

    async def ask(self, ask: Ask) -> Answer:
        """The answer; ``ModelError`` when there was none within the retry budget, ``ModelRefused`` when asking again is useless."""
        ...

    def price(self, usage: Usage) -> float | None:
        """US dollars for the tokens of ``usage``; ``None`` when the price is unknown."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...
