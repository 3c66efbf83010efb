"""A measured value and its error in the short notation of physics."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?")


def concise(value: str, error: str) -> str:
    """``value(error)``, rounded to what the error allows. ``ValueError`` for what is no plain decimal number."""
    amount, amount_decimals = _read(value)
    spread, spread_decimals = _read(error)
    if error[0] in "+-" or spread == 0:
        raise ValueError(f"the error {error!r} is not a number above 0 without a sign")

    digits = str(spread)
    decimals = spread_decimals - (len(digits) - (2 if digits[0] == "1" else 1))
    spread = _shifted(spread, decimals - spread_decimals, up=True)
    amount = _shifted(amount, decimals - amount_decimals, up=False)
    if decimals <= 0:
        zeros = 10**-decimals
        return f"{amount * zeros}({spread * zeros})"
    whole, fraction = divmod(abs(amount), 10**decimals)
    return f"{'-' if amount < 0 else ''}{whole}.{fraction:0{decimals}}({spread})"


def _read(text: str) -> tuple[int, int]:
    """A number as an integer, and how many of its last digits stand after the point."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no plain decimal number")
    fraction = match["fraction"] or ""
    number = int(match["whole"] + fraction)
    return (-number if match["sign"] == "-" else number), len(fraction)


def _shifted(number: int, places: int, up: bool) -> int:
    """``number`` times 10 to the power of ``places``: rounded up, or to the nearest and from the middle to the even digit."""
    if places >= 0:
        return int(number * 10**places)
    divisor = 10**-places
    quotient, rest = divmod(number, divisor)
    if up:
        return quotient + (rest > 0)
    return quotient + (2 * rest > divisor or (2 * rest == divisor and quotient % 2))
