"""Shares out an amount to the penny."""

from __future__ import annotations

from collections.abc import Mapping


def share_out(pence: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Name → its share; the shares add up to ``pence``. ``ValueError`` where nobody can be given anything."""
    if any(weight < 0 for weight in weights.values()):
        raise ValueError("a weight may not be negative")
    whole = sum(weights.values())
    if whole == 0:
        if pence:
            raise ValueError(f"there is nobody to share {pence} pence")
        return dict.fromkeys(weights, 0)
    sign = -1 if pence < 0 else 1
    exact = {name: divmod(abs(pence) * weight, whole) for name, weight in weights.items()}
    shares = {name: share for name, (share, _) in exact.items()}
    later = {name: place for place, name in enumerate(weights)}
    by_loss = sorted(weights, key=lambda name: (exact[name][1], weights[name], later[name]), reverse=True)
    for name in by_loss[: abs(pence) - sum(shares.values())]:
        shares[name] += 1
    return {name: sign * share for name, share in shares.items()}
