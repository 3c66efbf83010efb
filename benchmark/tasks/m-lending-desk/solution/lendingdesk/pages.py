"""Paths, bodies and parameters to what the desk does."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from lendingdesk.desk import Desk, Refused

NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_WORD = "([^/]+)"
PAGES = {
    re.compile("/tools"): ("GET",),
    re.compile(f"/tools/{_WORD}"): ("GET", "PUT"),
    re.compile(f"/tools/{_WORD}/waiting/{_WORD}"): ("DELETE",),
    re.compile("/loans"): ("GET", "POST"),
    re.compile(f"/loans/{_WORD}/return"): ("POST",),
}
"""Path → its methods, in the order of the alphabet."""


class WrongMethod(Refused):
    """The page is there, but not with this method."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(405, f"{method} is not possible here")
        self.allowed = ", ".join(allowed)


def find_page(method: str, target: str) -> tuple[str, ...]:
    """The names in the path. Raises `Refused` when there is no such page or method."""
    path = urlsplit(target).path
    for pattern, methods in PAGES.items():
        found = pattern.fullmatch(path)
        if found:
            if method not in methods:
                raise WrongMethod(method, methods)
            return found.groups()
    raise Refused(404, "no such page")


def answer(desk: Desk, method: str, target: str, body: bytes) -> tuple[int, Any]:
    """Status and content of the answer to a request for a page that is there. Raises `Refused`."""
    names = tuple(map(unquote, find_page(method, target)))
    parts = urlsplit(target)
    kind = parts.path.split("/")[1]
    if method == "POST":
        if names:
            day = _fields(body, {"day": _is_day})["day"]
            _no_parameters(parts.query)
            return desk.give_back(names[0], day)
        fields = _fields(body, {"tool": _is_name, "member": _is_name, "day": _is_day})
        _no_parameters(parts.query)
        return desk.lend(fields["tool"], fields["member"], fields["day"])
    copies = _fields(body, {"copies": _is_count})["copies"] if method == "PUT" else 0
    for name in names:
        if not _is_name(name):
            raise Refused(400, f"bad name '{name}'")
    if kind == "loans":
        found = _parameters(parts.query, {"member": _is_name, "tool": _is_name, "open": ("yes", "no").__contains__})
        is_open = {"yes": True, "no": False}.get(found.get("open", ""))
        return 200, desk.some_loans(found.get("member"), found.get("tool"), is_open)
    if not names:
        return 200, desk.all_tools(_parameters(parts.query, {"prefix": _is_name}).get("prefix", ""))
    _no_parameters(parts.query)
    if method == "PUT":
        return desk.put(names[0], copies)
    if method == "DELETE":
        desk.withdraw(*names)
        return 204, None
    return 200, desk.tool(names[0]).shown()


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(NAME.fullmatch(value))


def _is_day(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_count(value: Any) -> bool:
    return _is_day(value) and value <= 1000


def _fields(body: bytes, forms: dict[str, Callable[[Any], bool]]) -> dict[str, Any]:
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(400, "the body is no JSON object")
    for name in sorted({*forms, *found}):
        if name not in forms or name not in found or not forms[name](found[name]):
            raise Refused(400, f"bad field '{name}'")
    return found


def _parameters(query: str, forms: dict[str, Callable[[Any], bool]]) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    for name, value in sorted(pairs):
        if name not in forms or names.count(name) > 1 or not forms[name](value):
            raise Refused(400, f"bad parameter '{name}'")
    return dict(pairs)


def _no_parameters(query: str) -> None:
    _parameters(query, {})
