"""Lines of words to what the store does."""

import re
from collections.abc import Callable
from datetime import date

from stockroom.store import Refused, Store

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_USAGE = {
    "receive": "receive SKU QTY LOT [DAY]",
    "reserve": "reserve ORDER DAY SKU QTY [SKU QTY ...]",
    "release": "release ORDER [SKU [QTY]]",
    "ship": "ship ORDER",
    "count": "count SKU LOT QTY",
    "scrap": "scrap DAY",
    "stock": "stock [SKU]",
    "orders": "orders",
}


class _Malformed(Exception):
    """A word has the wrong form, or there are too few or too many."""


def carry_out(store: Store, line: str) -> list[str]:
    """The answer to one command. Raises `Refused`."""
    verb, *words = line.split()
    if verb not in _USAGE:
        raise Refused(f"unknown command '{verb}'")
    try:
        return _COMMANDS[verb](store, words)
    except _Malformed:
        raise Refused(f"usage: {_USAGE[verb]}") from None


def is_name(text: object) -> bool:
    return isinstance(text, str) and bool(_NAME.fullmatch(text))


def is_day(text: object) -> bool:
    if not (isinstance(text, str) and _DAY.fullmatch(text)):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _words(words: list[str], least: int, most: int) -> list[str | None]:
    """As many as there may be at most, those that are not there as `None`."""
    if not least <= len(words) <= most:
        raise _Malformed
    return [*words, *([None] * (most - len(words)))]


def _name(word: str | None) -> str:
    if word is None or not is_name(word):
        raise _Malformed
    return word


def _day(word: str | None) -> str:
    if word is None or not is_day(word):
        raise _Malformed
    return word


def _quantity(word: str | None, least: int = 1) -> int:
    if word is None or not (word.isascii() and word.isdigit() and least <= int(word) <= 1_000_000):
        raise _Malformed
    return int(word)


def _receive(store: Store, words: list[str]) -> list[str]:
    sku, quantity, lot, day = _words(words, 3, 4)
    store.receive(_name(sku), _quantity(quantity), _name(lot), day and _day(day))
    return ["ok"]


def _reserve(store: Store, words: list[str]) -> list[str]:
    if len(words) < 4 or len(words) % 2:
        raise _Malformed
    wanted: dict[str, int] = {}
    for sku, quantity in zip(words[2::2], words[3::2], strict=True):
        wanted[_name(sku)] = wanted.get(sku, 0) + _quantity(quantity)
    store.reserve(_name(words[0]), _day(words[1]), wanted)
    return ["ok"]


def _release(store: Store, words: list[str]) -> list[str]:
    order, sku, quantity = _words(words, 1, 3)
    store.release(_name(order), sku and _name(sku), quantity and _quantity(quantity))
    return ["ok"]


def _ship(store: Store, words: list[str]) -> list[str]:
    return [*store.ship(_name(*_words(words, 1, 1))), "ok"]


def _count(store: Store, words: list[str]) -> list[str]:
    sku, lot, quantity = _words(words, 3, 3)
    store.count(_name(sku), _name(lot), _quantity(quantity, least=0))
    return ["ok"]


def _scrap(store: Store, words: list[str]) -> list[str]:
    return [*store.scrap(_day(*_words(words, 1, 1))), "ok"]


def _stock(store: Store, words: list[str]) -> list[str]:
    wanted = _words(words, 0, 1)[0]
    if wanted is not None and _name(wanted) not in store.skus():
        raise Refused(f"no {wanted}")
    return [
        f"{lot.sku} {lot.name} {lot.quantity} free {store.free(lot)}"
        + (f" expires {lot.expires}" if lot.expires else "")
        for sku in ([wanted] if wanted else store.skus())
        for lot in store.lots_of(sku)
    ]


def _orders(store: Store, words: list[str]) -> list[str]:
    _words(words, 0, 0)
    return [
        f"{order} {sku} {sum(lots.values())}"
        for order, skus in sorted(store.orders.items())
        for sku, lots in sorted(skus.items())
    ]


_COMMANDS: dict[str, Callable[[Store, list[str]], list[str]]] = {
    "receive": _receive,
    "reserve": _reserve,
    "release": _release,
    "ship": _ship,
    "count": _count,
    "scrap": _scrap,
    "stock": _stock,
    "orders": _orders,
}
