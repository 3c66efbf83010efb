"""Texts drawn at random from a grammar, through the very masks that hold a model to it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from llguidance import LLMatcher, LLTokenizer

from agent.models.base import Grammar

_TOKENS = LLTokenizer("byte")
_ENDING = b"\n`\"'-#>"
"""Bytes that bring many grammars nearer to the end of something."""
_TIRED = 1500
"""Bytes after which a walk goes for the end wherever it is let."""
_MOST = 200_000
"""Bytes after which a walk is held to be endless."""


def walk(grammar: Grammar, seed: int, words: Sequence[str] = ()) -> str:
    """A whole answer of the grammar, the same for the same seed.

    Args:
        grammar: what it is drawn from.
        seed: of the draws.
        words: said now and then where the grammar lets them stand; what a reader could take for something else belongs here.

    Raises:
        ValueError: a piece of the grammar is not one, leads into a dead end, or has no end.
    """
    draws, said = random.Random(seed), ""
    while lark := grammar.following(said):
        said += piece(lark, draws, words)
    return said


def piece(lark: str, draws: random.Random, words: Sequence[str] = ()) -> str:
    """As :func:`walk`, for one piece, given as llguidance Lark text."""
    matcher, said = LLMatcher(_TOKENS, LLMatcher.grammar_from_lark(lark)), bytearray()
    hints = [word.encode() for word in words]
    if error := matcher.get_error():
        raise ValueError(f"not a grammar: {error}")
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
        allowed = list(_allowed(matcher))
        if not allowed:
            raise ValueError(f"nothing may follow {bytes(said[-200:])!r}")
        if _TOKENS.eos_token in allowed and (allowed == [_TOKENS.eos_token] or tired or draws.random() < 0.3):
            break
        free = [byte for byte in allowed if byte < 256]
        ending = [byte for byte in free if byte in _ENDING]
        liked = ending if ending and draws.random() < (0.9 if tired else 0.2) else free
        if tired and 10 in liked:
            liked = [10]
        byte = draws.choice(liked)
        if not matcher.consume_token(byte):
            raise ValueError(f"{matcher.get_error()} after {bytes(said[-200:])!r}")
        said.append(byte)
    return said.decode("utf-8")


def _allowed(matcher: LLMatcher) -> Iterator[int]:
    """The tokens that may come next: bytes, and the one that ends."""
    return (token for token, bias in enumerate(matcher.compute_logit_bias()) if bias)
