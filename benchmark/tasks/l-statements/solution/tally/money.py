"""Amounts in cents, and how they are written."""

import re

PLAIN = re.compile(r"(-?)([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.([0-9]{1,2}))?")
GIRO = re.compile(r"()([0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)(?:,([0-9]{1,2}))?")


def read_amount(written: str, form: re.Pattern[str] = PLAIN) -> int:
    """The amount in cents; raises ValueError when it is not written in that form."""
    match = form.fullmatch(written)
    if not match or not written.isascii():
        raise ValueError(f"{written!r} is not an amount")
    sign, whole, part = match.groups(default="")
    cents = int(re.sub(r"[.,]", "", whole)) * 100 + int(part.ljust(2, "0") or 0)
    return -cents if sign else cents


def write_amount(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"
