"""Texts drawn at random from a grammar, through the very masks that hold a model to it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

from llguidance import LLMatcher, LLTokenizer

from agent.models.base import Grammar

_TOKENS = LLTokenizer("byte")
_ENDING = b"\n`\"'-#>"
"""Bytes that bring many grammars nearer to the end of something."""
_TIRED = 600
"""Bytes after which a walk goes for the end wherever it is let."""
_MOST = 200_000
"""Bytes after which a walk is held to be endless."""


def walk(grammar: Grammar, seed: int, words: Sequence[str] = (), said: str = "") -> str:
    """A whole answer of the grammar, the same for the same seed.

    Args:
        grammar: what it is drawn from.
        seed: of the draws.
        words: said now and then where the grammar lets them stand; what a reader could take for something else belongs here.
        said: the pieces that the answer begins with.

    Raises:
        ValueError: a piece of the grammar is not one, leads into a dead end, or has no end.
    """
    draws = random.Random(seed)
    while lark := grammar.following(said):
        said += piece(lark, draws, words)
    return said


def piece(lark: str, draws: random.Random, words: Sequence[str] = ()) -> str:
    """As :func:`walk`, for one piece, given as llguidance Lark text."""
    matcher, said = _matcher(lark), bytearray()
    hints = [word.encode() for word in words]
    while not matcher.is_stopped():
        if len(said) > _MOST:
            raise ValueError(f"no end after {bytes(said[:200])!r}")
        tired = len(said) > _TIRED
        if hints and draws.random() < (0.5 if tired else 0.08):
            hint = draws.choice(hints)
            taken = matcher.try_consume_tokens(list(hint))
            said += hint[:taken]
            if taken:
                continue
        free, ending, may_end = _allowed(bytes(matcher.compute_bitmask()))
        if not free and not may_end:
            raise ValueError(f"nothing may follow {bytes(said[-200:])!r}")
        if may_end and (not free or tired or draws.random() < 0.3):
            break
        liked = ending if ending and draws.random() < (0.9 if tired else 0.2) else free
        if tired and 10 in liked:
            liked = (10,)
        byte = draws.choice(liked)
        if not matcher.consume_token(byte):
            raise ValueError(f"{matcher.get_error()} after {bytes(said[-200:])!r}")
        said.append(byte)
    if error := matcher.get_error():
        raise ValueError(f"{error} after {bytes(said[-200:])!r}")
    return said.decode("utf-8")


@lru_cache(4096)
def _allowed(mask: bytes) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """The bytes that may come next, those of them that lead to an end, and whether the end may come."""
    bits = int.from_bytes(mask, "little")
    free = tuple(byte for byte in range(256) if bits >> byte & 1)
    return free, tuple(byte for byte in free if byte in _ENDING), bool(bits >> _TOKENS.eos_token & 1)


def _matcher(lark: str) -> LLMatcher:
    matcher = _compiled(lark)
    matcher.reset()
    return matcher


@lru_cache(maxsize=20)
def _compiled(lark: str) -> LLMatcher:
    """Of the same text once: it keeps what it has learnt of its terminals."""
    matcher = LLMatcher(_TOKENS, LLMatcher.grammar_from_lark(lark))
    if error := matcher.get_error():
        raise ValueError(f"not a grammar: {error}")
    return matcher
