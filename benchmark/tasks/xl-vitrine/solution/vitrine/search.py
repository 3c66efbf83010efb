"""Queries."""

import re
from dataclasses import dataclass

from vitrine.errors import QueryError
from vitrine.facts import Facts, ids, upwards
from vitrine.index import Index, words
from vitrine.operations import NAME, is_date
from vitrine.permits import sees, sees_past


@dataclass(frozen=True)
class Part:
    kind: str
    """word, prefix, tag, in or lent"""
    value: str


@dataclass(frozen=True)
class Term:
    negative: bool
    parts: tuple[Part, ...]


def read_query(text: str) -> tuple[Term, ...]:
    """Raises QueryError."""
    return tuple(_term(term) for term in text.split())


def find(query: str, role: str, facts: Facts, index: Index, now: Facts | None = None) -> list[str]:
    """The ids of the items that a role finds, by number; with ``now``, the facts are those of an earlier time."""
    terms = read_query(query)

    def seen(thing: str) -> bool:
        return sees(role, facts, thing) if now is None else sees_past(role, facts, now, thing)

    found = {id_ for id_ in ids(facts, "item") if seen(f"item/{id_}")}
    for term in terms:
        matching: set[str] = set()
        for part in term.parts:
            if part.kind == "in":
                matching |= _inside(facts, part.value) if seen(f"place/{part.value}") else set()
            elif part.kind == "lent":
                matching |= _lent(facts, part.value, [id_ for id_ in ids(facts, "loan") if seen(f"loan/{id_}")])
            else:
                matching |= _indexed(part, role, index)
        found = found - matching if term.negative else found & matching
    return [id_ for id_ in ids(facts, "item") if id_ in found]


def _indexed(part: Part, role: str, index: Index) -> set[str]:
    if part.kind == "tag":
        return index.find("tags", part.value)
    look = index.find_prefix if part.kind == "prefix" else index.find
    fields = ["title"] if role == "visitor" else ["title", "note"]
    return set().union(*(look(field, part.value) for field in fields))


def _inside(facts: Facts, place: str) -> set[str]:
    return {id_ for id_ in ids(facts, "item") if place in upwards(facts, facts[f"item/{id_}/place"])}


def _lent(facts: Facts, day: str, loans: list[str]) -> set[str]:
    return {
        facts[f"loan/{id_}/item"] for id_ in loans if facts[f"loan/{id_}/first"] <= day <= facts[f"loan/{id_}/last"]
    }


def _term(text: str) -> Term:
    negative = text.startswith("-")
    return Term(negative, tuple(_part(part) for part in text[negative:].split("|")))


def _part(text: str) -> Part:
    kind, colon, value = text.partition(":")
    if colon:
        fits = {"tag": re.compile(r"[a-z0-9-]+").fullmatch, "in": NAME.fullmatch, "lent": is_date}.get(kind)
        if fits is None or not fits(value):
            raise QueryError(f"{text!r} cannot be looked for")
        return Part(kind, value)
    prefix = text.endswith("*")
    found = words(text.removesuffix("*"))
    if len(found) != 1 or found[0] != text.removesuffix("*").casefold():
        raise QueryError(f"{text!r} is not one word")
    return Part("prefix" if prefix else "word", found[0])
