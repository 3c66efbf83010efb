"""Rules that give transactions a category."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from tally.errors import RulesError
from tally.money import read_amount

CATEGORY = re.compile(r"[a-z0-9-]+(?:/[a-z0-9-]+)*")
TAKEN = {"transfer", "unsorted"}
CONDITION = re.compile(r"(<=|>=|<|>|=)\s*(\S+)")
COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}


@dataclass(frozen=True)
class Rule:
    category: str
    pattern: re.Pattern[str]
    sign: str
    """Empty without a condition."""
    cents: int

    def matches(self, description: str, cents: int) -> bool:
        fits = not self.sign or COMPARE[self.sign](cents, self.cents)
        return fits and self.pattern.fullmatch(description) is not None


def check_category(category: str) -> None:
    if not CATEGORY.fullmatch(category) or category in TAKEN:
        raise ValueError(f"{category!r} cannot be a category")


class Rules:
    """The rules of a text; raises RulesError for the first wrong line."""

    def __init__(self, text: str) -> None:
        self.rules = [
            _rule(number, line.strip())
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip() and not line.startswith("#")
        ]

    def category(self, description: str, cents: int) -> str:
        return next((rule.category for rule in self.rules if rule.matches(description, cents)), "unsorted")


def _rule(number: int, line: str) -> Rule:
    category, colon, rest = line.partition(":")
    pattern, has_condition, condition = rest.rpartition(" if ")
    if not has_condition:
        pattern = rest
    try:
        check_category(category.strip())
        if not colon or not pattern.strip():
            raise ValueError("a rule is CATEGORY: PATTERN")
        sign, cents = _condition(condition.strip()) if has_condition else ("", 0)
    except ValueError as error:
        raise RulesError(number, str(error)) from error
    parts = map(re.escape, " ".join(pattern.split()).split("*"))
    return Rule(category.strip(), re.compile(".*".join(parts), re.IGNORECASE | re.DOTALL), sign, cents)


def _condition(written: str) -> tuple[str, int]:
    match = CONDITION.fullmatch(written)
    if not match:
        raise ValueError(f"{written!r} is not a condition")
    return match[1], read_amount(match[2])
