"""How long an answer to ask an endpoint for, so that the most it can cost is known before it is sent.

Endpoints give fewer completion tokens than a question could use, or refuse outright to be asked for more than they
give, each in its own words. What a refusal says is learnt for the rest of the process; nothing else is known of most models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.models.base import ANSWER_TOKENS, SMALLEST_ANSWER, Ask

LARGEST_ANSWER = 128_000
"""Completion tokens up to which more and more are asked for when answers are cut."""
SPARE_TOKENS = 16
"""Left free of a context: some servers want less than the limit, and templates add a few tokens."""
EXACT_REFUSALS = 2
"""Refusals of one question that are taken at their word; after that the figures were no good, and half is asked for."""

_WORDS_READ = 2_000
_FIGURE = "([0-9][0-9,]{0,11})"
_ASKED = re.compile(
    r"max_?(?:completion_|new_|output_)?tokens|maxOutputTokens|max(?:imum)? tokens|(?:output|completion) tokens", re.I
)
_TOO_MANY = re.compile(
    r"too (?:large|big|high|many|long)|exceed|at most|(?:less|greater|larger|lower) than|above|fewer|afford|"
    r"\b(?:maximum|range|limit)\b|<=|>",
    re.I,
)
_NUMBER = re.compile(rf"(?<![\w.-]){_FIGURE}(?![\w-]|\.[0-9])( \(exclusive\))?")
_WHOLE = re.compile(
    rf"(?:context[ _](?:length|window|size|limit)|`max_new_tokens` must be <=)[^0-9]{{0,40}}{_FIGURE}", re.I
)
_SUM = re.compile(rf"{_FIGURE} \+ {_FIGURE} > {_FIGURE}")
_PROMPT = re.compile(
    rf"(at least )?\b{_FIGURE} (?:(?:input|prompt) tokens|tokens from the input|`inputs` tokens|"
    r"in (?:the messages|the prompt|your prompt)|of text input)",
    re.I,
)
_RATE = re.compile(rf"\btokens\b.{{0,60}}?\bLimit:? {_FIGURE}\b.{{0,60}}?\bRequested:? {_FIGURE}", re.I)


@dataclass(frozen=True)
class Room:
    """How much an endpoint gives, as read from its refusal to give more."""

    answer: int
    """Completion tokens this question may ask for."""
    whole: int | None = None
    """Tokens that prompt and answer may have together; ``None`` when the answer alone is limited."""
    rate: bool = False
    """Whether ``whole`` is what one minute may have, which several questions share."""


def room_of(text: str, asked: int, prompt: int) -> Room | None:
    """What an endpoint that refuses to give ``asked`` completion tokens has room for, by its own (hostile) words.

    ``None`` when that is not what it complains of, or when what is left is no use. ``prompt``: its tokens, estimated.

    >>> room_of("max_tokens is too large: 32000. This model supports at most 16384 completion tokens", 32000, 90)
    Room(answer=16384, whole=None, rate=False)
    """
    text = text[:_WORDS_READ]
    if rate := _RATE.search(text):
        limit, requested = _integer(rate[1]), _integer(rate[2])
        room = Room(asked - (requested - limit), limit, rate=True)
    elif addition := _SUM.search(text):
        used, _, length = map(_integer, addition.groups())
        room = Room(length - used - SPARE_TOKENS, length)
    elif whole := _WHOLE.search(text):
        length, used = _integer(whole[1]), prompt
        if said := _PROMPT.search(text):
            used = max(_integer(said[2]), prompt) if said[1] else _integer(said[2])
        room = Room(length - used - SPARE_TOKENS, length)
    elif _ASKED.search(text) and _TOO_MANY.search(text):
        figures = (_integer(found[1]) - bool(found[2]) for found in _NUMBER.finditer(text))
        room = Room(max((n for n in figures if SMALLEST_ANSWER <= n < asked), default=asked // 2))
    else:
        return None
    return room if SMALLEST_ANSWER <= room.answer < asked else None


@dataclass
class Size:
    """How long an answer one question asks for next."""

    wanted: int
    """Completion tokens it may use."""
    least: int
    """With fewer it is useless to ask."""
    top: int
    """More are not to be had, as far as is known."""
    refusals: int = 0
    """How often the endpoint had no room for what was asked for."""

    def shrink(self, asked: int, room: Room) -> None:
        """The endpoint has room for fewer than were asked for."""
        self.refusals += 1
        self.top = room.answer if self.refusals <= EXACT_REFUSALS else min(room.answer, asked // 2)
        self.wanted, self.least = min(self.wanted, self.top), min(self.least, self.top)

    def grow(self, asked: int) -> None:
        """An answer was cut where we had asked it to be."""
        self.least = min(2 * asked, self.top)
        self.wanted = max(self.wanted, self.least)


class Sizes:
    """What is known of how long the answers of one model may be."""

    def __init__(self) -> None:
        self._first = ANSWER_TOKENS
        self._most = LARGEST_ANSWER
        self._whole: int | None = None

    def of(self, ask: Ask, profile: Any) -> Size:
        """How long an answer to ask for at first. ``profile``: what LangChain knows of the model, if anything."""
        top = min(self._most, ask.max_tokens or self._most)
        known = profile.get("max_output_tokens") if isinstance(profile, Mapping) else None
        if isinstance(known, int) and known > 0:
            top = min(top, known)
        if self._whole is not None:  # the prompt is estimated, so that it is the endpoint's to say that nothing is left
            top = min(top, max(self._whole - ask.likely_tokens - SPARE_TOKENS, SMALLEST_ANSWER))
        return Size(min(self._first, top), min(SMALLEST_ANSWER, top), top)

    def learn(self, room: Room) -> None:
        """From now on, ask no question for more than the endpoint gives."""
        if room.whole is None:
            self._most = min(self._most, room.answer)
            return
        self._whole = room.whole if self._whole is None else min(self._whole, room.whole)
        if room.rate:  # a few questions shall fit into one minute
            self._first = min(self._first, max(room.whole // 4, SMALLEST_ANSWER))


def _integer(figure: str) -> int:
    return int(figure.replace(",", ""))
