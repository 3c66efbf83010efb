"""Whether a text is in a grammar, asked of llguidance, which is also what enforces grammars in engines and servers."""

from __future__ import annotations

from functools import cache
from typing import Any

from agent.models.base import Grammar


def flaw(lark: str, text: str) -> str:
    """What keeps ``text`` from being a whole text of the grammar, in words that can be shown; empty when nothing does.

    >>> flaw('start: "yes" | "no"', "no")
    ''
    >>> flaw('start: "yes" | "no"', "nope")
    "it should have ended before 'pe'"
    >>> flaw('start: "yes" | "no"', "ye")
    'it ends too early'

    Raises:
        ValueError: the grammar itself is not one; a fault of ours.
    """
    matcher, said = _matcher(lark), list(text.encode("utf-8", "surrogatepass"))
    taken = matcher.try_consume_tokens(said) if said else 0
    if taken < len(said):
        rest = bytes(said[taken:]).decode("utf-8", "replace")
        return f"{'it should have ended before' if matcher.is_accepting() else 'not allowed here:'} {rest[:40]!r}"
    return "" if matcher.is_accepting() else "it ends too early"


def flaw_of_answer(grammar: Grammar, text: str) -> str:
    """As :func:`flaw`, for an answer that came in pieces."""
    start = 0
    while lark := grammar.following(text[:start]):
        end = start + _end(lark, text[start:])
        if end == start:
            return flaw(lark, text[start:])
        start = end
    return f"it should have ended before {text[start : start + 40]!r}" if text[start:] else ""


def _end(lark: str, text: str) -> int:
    """How many characters of ``text`` the one piece of the grammar takes that it can begin with; 0 when there is none."""
    matcher, said = _matcher(lark), text.encode("utf-8", "surrogatepass")
    for position, byte in enumerate(said, 1):
        if not matcher.try_consume_tokens([byte]):
            return 0
        if matcher.is_accepting() and matcher.is_stopped():
            return len(said[:position].decode("utf-8", "surrogatepass"))
    return len(text) if matcher.is_accepting() else 0


def _matcher(lark: str) -> Any:
    from llguidance import LLMatcher

    matcher = LLMatcher(_bytes(), LLMatcher.grammar_from_lark(lark))
    if error := matcher.get_error():
        raise ValueError(f"not a grammar: {error}")
    return matcher


@cache
def _bytes() -> Any:
    from llguidance import LLTokenizer

    return LLTokenizer("byte")
