"""From text to tokens that know where they stand."""

import re
from dataclasses import dataclass
from decimal import Decimal

from tariff.errors import TariffError

Place = tuple[int, int]

RESERVED = frozenset(
    ["let", "rule", "when", "add", "scale", "cap", "floor", "reject", "stop", "and", "or", "not", "in", "true", "false"]
)
ESCAPES = {'"': '"', "\\": "\\", "n": "\n"}

SPACE = re.compile(r"(?:\s|#[^\n]*)+")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NUMBER_LIKE = re.compile(r"[0-9][0-9A-Za-z_]*(?:\.[0-9A-Za-z_]*)*")
NUMBER = re.compile(r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?")
SIGN = re.compile(r"!=|<=|>=|[=<>+\-*/(),;{}]")


@dataclass(frozen=True)
class Token:
    kind: str
    """One of name, word (reserved), number, text, sign, end."""
    value: str | Decimal
    place: Place


def tokenize(text: str) -> list[Token]:
    """All tokens of the text, an `end` token last."""
    tokens: list[Token] = []
    at = 0
    line, start = 1, 0
    while True:
        if space := SPACE.match(text, at):
            breaks = space.group().count("\n")
            if breaks:
                line += breaks
                start = text.rindex("\n", at, space.end()) + 1
            at = space.end()
        place = (line, at - start + 1)
        if at == len(text):
            tokens.append(Token("end", "", place))
            return tokens
        if word := WORD.match(text, at):
            kind = "word" if word.group() in RESERVED else "name"
            tokens.append(Token(kind, word.group(), place))
            at = word.end()
        elif number := NUMBER_LIKE.match(text, at):
            tokens.append(
                Token("number", _number(number.group(), place, percent=text[number.end() :][:1] == "%"), place)
            )
            at = number.end() + (text[number.end() :][:1] == "%")
            if WORD.match(text, at):
                raise TariffError(place, "a letter directly after a number")
        elif text[at] == '"':
            value, at = _text(text, at, place)
            tokens.append(Token("text", value, place))
        elif sign := SIGN.match(text, at):
            tokens.append(Token("sign", sign.group(), place))
            at = sign.end()
        else:
            raise TariffError(place, f"unexpected character {text[at]!r}")


def _number(written: str, place: Place, percent: bool) -> Decimal:
    if not NUMBER.fullmatch(written):
        raise TariffError(place, f"malformed number {written!r}")
    value = Decimal(written.replace("_", ""))
    return value / 100 if percent else value


def _text(text: str, at: int, place: Place) -> tuple[str, int]:
    """The value of the text that opens at `at`, and where it ends."""
    line, column = place
    out: list[str] = []
    here = at + 1
    while here < len(text) and text[here] not in "\r\n":
        if text[here] == '"':
            return "".join(out), here + 1
        if text[here] == "\\":
            following = text[here + 1 : here + 2]
            if following not in ESCAPES:
                raise TariffError((line, column + here - at), "unknown escape")
            out.append(ESCAPES[following])
            here += 2
        else:
            out.append(text[here])
            here += 1
    raise TariffError(place, "text is not closed on its line")
