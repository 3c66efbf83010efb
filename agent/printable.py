"""Makes hostile text safe to print, log or send: what a terminal or a reader would obey or not see is spelled out."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1 (one-byte escape sequences among them)
    "\u00ad\u061c\u06dd\u070f\u08e2\u180e\u0600-\u0605\u0890\u0891"  # soft hyphen and prefixed format characters
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, bidi, line separators, interlinear
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags and variation selectors that nothing shows: they carry hidden text
    "\ud800-\udfff]"  # lone surrogates cannot be encoded
)


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def printable(text: str) -> str:
    """``text`` with every control, bidirectional and invisible character but newline and tab written as its escape.

    A line end of two characters becomes a newline. The result can be encoded as UTF-8; no terminal obeys any of it.

    >>> printable("\\x1b[31mred\\u202e")
    '\\\\x1b[31mred\\\\u202e'
    """
    return _UNSAFE.sub(_spelled, text.replace("\r\n", "\n"))


def printable_bytes(data: bytes, keep: int | None = None) -> str:
    """The same for bytes; what is not UTF-8 is spelled out too.

    ``keep``: at most that many bytes of ``data``, half from the head and half from the tail, with a line between them
    that says how many were dropped.
    """
    if keep is not None and len(data) > keep:
        half = keep // 2
        head, tail = data[:half], data[len(data) - half :]
        dropped = len(data) - 2 * half
        return f"{printable_bytes(head)}\n[... {dropped} bytes dropped ...]\n{printable_bytes(tail)}"
    return printable(data.decode("utf-8", "backslashreplace"))
