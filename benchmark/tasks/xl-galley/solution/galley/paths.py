"""Paths and patterns."""

import re

from galley.errors import PathError

_PATH_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_PATTERN_PART = re.compile(r"\*\*|(?!.*\*\*)[A-Za-z0-9_*?-][A-Za-z0-9_.*?-]*")


def check_path(path: str) -> str:
    if not all(_PATH_PART.fullmatch(part) for part in path.split("/")):
        raise PathError(f"{path!r} is not a path")
    return path


def check_pattern(pattern: str) -> str:
    if not all(_PATTERN_PART.fullmatch(part) for part in pattern.split("/")):
        raise PathError(f"{pattern!r} is not a pattern")
    return pattern


def is_product(path_or_pattern: str) -> bool:
    return path_or_pattern.startswith("out/")


def matches(pattern: str, path: str) -> bool:
    return _match(pattern.split("/"), path.split("/"))


def _match(pattern: list[str], path: list[str]) -> bool:
    if not pattern:
        return not path
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        return any(_match(rest, path[skipped:]) for skipped in range(len(path) + 1))
    return bool(path) and re.fullmatch(_regex(first), path[0]) is not None and _match(rest, path[1:])


def _regex(part: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in part)
