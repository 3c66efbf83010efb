"""``local:replay:FILE``: recorded answers, said again through guidance's real grammar engine. No weights, no key.

What answers is an engine whose vocabulary is the 256 bytes. It wants to say what was recorded; a grammar that does not let it
say so decides, as it does with any model. So the whole of the guided way can be run, tested and shown anywhere.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.models.base import Ask
from agent.models.local import CHATML, Loaded, Local
from agent.models.replay import Recording
from agent.models.room import LARGEST_ANSWER

UPCOMING = 64
"""Bytes of the recorded answer among which the engine looks for one that is allowed, nearest first."""
SURE = 8
"""Bytes in a row that show where in the recorded answer the engine is again, after a grammar led it off."""
LONGEST_MATCH = 24
"""Bytes that are compared at most to find that place."""


class LocalReplay(Local):
    """Answers from a recording, as far as the grammar of a question lets it. Its tokens are bytes.

    An answer is found by the question without its form: recordings are made with plain prompts as well.
    """

    longest = LARGEST_ANSWER

    def __init__(self, path: Path) -> None:
        super().__init__(f"local:replay:{path}", load)
        self._recording = Recording(path)

    def _begin(self, ask: Ask, engine: Any, start: int) -> None:
        engine.say(self._recording.take(replace(ask, form=None)).text, start)


class Cursor:
    """Where in a wanted text one is who is not always let say it."""

    def __init__(self, wanted: bytes) -> None:
        self.wanted = wanted
        self.at = 0
        """Of the wanted text, the byte to be said next."""
        self._left = 0
        self._astray = b""

    def said(self, byte: int) -> None:
        """A byte was said, wanted or not."""
        if not self._astray and self.wanted[self.at : self.at + 1] == bytes([byte]):
            self.at += 1
            return
        if not self._astray:
            self._left = self.at
        # What was said since may be in place of something, before it, or a part of it that comes later. The more of its end is
        # found, the further away it may be.
        self._astray = (self._astray + bytes([byte]))[-LONGEST_MATCH:]
        self.at = self._left
        for length in range(len(self._astray), 0, -1):
            place = self.wanted.find(self._astray[-length:], self._left, self._left + min(8 << length, 1 << 20))
            if place >= 0:
                self.at = place + length
                if length >= SURE:
                    self._astray = b""
                return


def load() -> Loaded:
    """The engine. It is told what to say by ``say(text, start)``, where the answer begins after ``start`` tokens."""
    import numpy as np
    from guidance.models._engine import Engine, LogitsOutput
    from guidance.models._engine._tokenizer import Tokenizer
    from llguidance import LLTokenizer

    bytes_ = LLTokenizer("byte")
    end: int = bytes_.eos_token
    fading = np.arange(3000.0, 3000.0 - 20.0 * UPCOMING, -20.0)[::-1]
    # Where nothing that is wanted is allowed, what ends a line or a quotation gets on soonest.
    idle = np.zeros(bytes_.vocab_size)
    idle[32:127] = 20.0
    for preferred, byte in enumerate(b'`"\n', 2):
        idle[byte] = 20.0 * preferred
    idle[end] = 200.0

    class ReplayEngine(Engine):
        """Prefers the next byte of what it was told to say."""

        def say(self, text: str, start: int) -> None:
            self._cursor, self._heard = Cursor(text.encode("utf-8", "replace")), 0
            self._bytes = np.frombuffer(self._cursor.wanted, np.uint8)
            self._start = start

        def get_logits(self, token_ids: list[int], include_all_uncached_tokens: bool = False) -> LogitsOutput:
            if len(token_ids) < self._start + self._heard:
                self._cursor, self._heard = Cursor(self._cursor.wanted), 0
            for token in token_ids[self._start + self._heard :]:
                self._cursor.said(token)
            self._heard = max(len(token_ids) - self._start, 0)
            at, logits = self._cursor.at, idle.copy()
            upcoming = self._bytes[at : at + UPCOMING][::-1]
            logits[upcoming] = fading[
                UPCOMING - len(upcoming) :
            ]  # of equal bytes the last counts, which is the nearest
            logits[upcoming[-1] if len(upcoming) else end] = 4000.0
            return {"logits": logits.reshape(1, -1), "n_tokens": len(token_ids), "n_cached": 0}

    tokenizer = Tokenizer(bytes_, chat_template=None)
    return Loaded(ReplayEngine(tokenizer, enable_monitoring=False), CHATML, None)
