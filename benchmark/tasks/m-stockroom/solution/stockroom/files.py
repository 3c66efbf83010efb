"""The store as a file."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from stockroom.commands import is_day, is_name
from stockroom.store import Lot, Store


class NotAStore(Exception):
    """The file holds something else."""


def as_text(store: Store) -> str:
    lots = [{"sku": lot.sku, "lot": lot.name, "quantity": lot.quantity, "expires": lot.expires} for lot in store.lots]
    return json.dumps({"version": 1, "lots": lots, "orders": store.orders}, indent=1) + "\n"


def read(path: Path) -> Store:
    """An empty store when there is no file. Raises `OSError` and `NotAStore`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Store()
    try:
        found = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise NotAStore from None
    store = Store()
    _expect(isinstance(found, dict) and set(found) == {"version", "lots", "orders"})
    _expect(found["version"] == 1 and type(found["version"]) is int)
    _expect(isinstance(found["lots"], list))
    for lot in found["lots"]:
        _expect(isinstance(lot, dict) and set(lot) == {"sku", "lot", "quantity", "expires"})
        _expect(is_name(lot["sku"]) and is_name(lot["lot"]) and _is_quantity(lot["quantity"]))
        _expect(lot["expires"] is None or is_day(lot["expires"]))
        _expect(store.lot(lot["sku"], lot["lot"]) is None)
        store.lots.append(Lot(lot["sku"], lot["lot"], lot["quantity"], lot["expires"]))
    for order, skus in _entries(found["orders"]):
        store.orders[order] = {}
        _expect(bool(skus))
        for sku, lots in _entries(skus):
            _expect(bool(lots))
            store.orders[order][sku] = dict(_entries(lots))
            for name, quantity in lots.items():
                _expect(_is_quantity(quantity) and store.lot(sku, name) is not None)
    _expect(all(store.free(lot) >= 0 for lot in store.lots))
    return store


def write(path: Path, text: str) -> None:
    """The old or the new file is there whatever happens."""
    handle, name = tempfile.mkstemp(dir=path.absolute().parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink()
        raise


def _expect(fits: bool) -> None:
    if not fits:
        raise NotAStore


def _is_quantity(value: Any) -> bool:
    return type(value) is int and value >= 1


def _entries(value: Any) -> list[tuple[str, Any]]:
    """Of an object whose keys are names."""
    _expect(isinstance(value, dict) and all(map(is_name, value)))
    return list(value.items())
