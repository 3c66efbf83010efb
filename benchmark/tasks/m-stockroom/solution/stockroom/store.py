"""What is in the store and what may become of it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

NEVER = "9999-99-99"
"""Comes after every day."""


class Refused(Exception):
    """A command cannot be carried out; the text says why. Nothing has changed."""


@dataclass
class Lot:
    sku: str
    name: str
    quantity: int
    expires: str | None


class Store:
    """Lots in the order in which they came, and by order, SKU and lot what is reserved."""

    def __init__(self) -> None:
        self.lots: list[Lot] = []
        self.orders: dict[str, dict[str, dict[str, int]]] = {}

    def lots_of(self, sku: str) -> list[Lot]:
        """In the order in which they are taken."""
        return sorted((lot for lot in self.lots if lot.sku == sku), key=lambda lot: lot.expires or NEVER)

    def lot(self, sku: str, name: str) -> Lot | None:
        return next((lot for lot in self.lots if (lot.sku, lot.name) == (sku, name)), None)

    def skus(self) -> list[str]:
        return sorted({lot.sku for lot in self.lots})

    def reserved(self, lot: Lot) -> int:
        return sum(skus.get(lot.sku, {}).get(lot.name, 0) for skus in self.orders.values())

    def free(self, lot: Lot) -> int:
        return lot.quantity - self.reserved(lot)

    def receive(self, sku: str, quantity: int, name: str, expires: str | None) -> None:
        lot = self.lot(sku, name)
        if lot is None:
            self.lots.append(Lot(sku, name, quantity, expires))
        elif lot.expires != expires:
            how = f"expires on {lot.expires}" if lot.expires else "never expires"
            raise Refused(f"lot {name} of {sku} {how}")
        else:
            lot.quantity += quantity

    def reserve(self, order: str, day: str, wanted: Mapping[str, int]) -> None:
        taken: dict[str, dict[str, int]] = defaultdict(dict)
        short = []
        for sku, quantity in wanted.items():
            missing = quantity
            for lot in self.lots_of(sku):
                part = min(missing, self.free(lot)) if (lot.expires or NEVER) > day else 0
                if part:
                    taken[sku][lot.name] = part
                    missing -= part
            if missing:
                short.append(f"short of {sku} by {missing}")
        if short:
            raise Refused(", ".join(short))
        skus = self.orders.setdefault(order, {})
        for sku, lots in taken.items():
            for name, part in lots.items():
                held = skus.setdefault(sku, {})
                held[name] = held.get(name, 0) + part

    def release(self, order: str, sku: str | None, quantity: int | None) -> None:
        skus = self._order(order)
        if sku is None:
            del self.orders[order]
            return
        held = skus.get(sku, {})
        total = sum(held.values())
        if total < (quantity or 1):
            raise Refused(f"the order has {total} of {sku}")
        left = quantity or total
        for lot in reversed(self.lots_of(sku)):
            part = min(left, held.get(lot.name, 0))
            left -= part
            if part:
                held[lot.name] -= part
        skus[sku] = {name: part for name, part in held.items() if part}
        if not skus[sku]:
            del skus[sku]
        if not skus:
            del self.orders[order]

    def ship(self, order: str) -> list[str]:
        skus = self._order(order)
        picks = [
            (lot, skus[sku][lot.name]) for sku in sorted(skus) for lot in self.lots_of(sku) if lot.name in skus[sku]
        ]
        del self.orders[order]
        return [self._take("pick", lot, part) for lot, part in picks]

    def count(self, sku: str, name: str, quantity: int) -> None:
        lot = self.lot(sku, name)
        if lot is None:
            raise Refused(f"no lot {name} of {sku}")
        if quantity < self.reserved(lot):
            raise Refused(f"{self.reserved(lot)} are reserved")
        self._take("count", lot, lot.quantity - quantity)

    def scrap(self, day: str) -> list[str]:
        expired = [lot for sku in self.skus() for lot in self.lots_of(sku) if (lot.expires or NEVER) <= day]
        return [self._take("scrap", lot, self.free(lot)) for lot in expired if self.free(lot)]

    def _order(self, name: str) -> dict[str, dict[str, int]]:
        if name not in self.orders:
            raise Refused(f"no order {name}")
        return self.orders[name]

    def _take(self, word: str, lot: Lot, quantity: int) -> str:
        lot.quantity -= quantity
        if not lot.quantity:
            self.lots = [other for other in self.lots if other is not lot]
        return f"{word} {lot.sku} {lot.name} {quantity}"
