"""Finds the command that an abbreviation means."""

from __future__ import annotations

from collections.abc import Collection


class NotResolved(ValueError):
    """No name fits, or several do: ``candidates``, in alphabetical order."""

    def __init__(self, typed: str, candidates: Collection[str] = ()) -> None:
        self.candidates = tuple(sorted(candidates))
        super().__init__(f"ambiguous: {', '.join(self.candidates)}" if candidates else f"unknown: {typed}")


def resolve(word: str, commands: Collection[str]) -> str:
    """The one name that ``word`` stands for; ``NotResolved`` when there is none, or more than one."""
    names = set(commands)
    plain = word.lower().replace("_", "-")
    if plain in names:
        return plain
    found = {name for name in names if name.startswith(plain)} if plain else set()
    if not found:
        parts = plain.split("-")
        found = {name for name in names if _abbreviates(parts, name.split("-"))}
        as_long = {name for name in found if name.count("-") == len(parts) - 1}
        found = as_long or found
    if len(found) != 1:
        raise NotResolved(word, found)
    return found.pop()


def _abbreviates(parts: list[str], whole: list[str]) -> bool:
    if len(parts) > len(whole) or not all(parts):
        return False
    return all(name.startswith(part) for part, name in zip(parts, whole, strict=False))
