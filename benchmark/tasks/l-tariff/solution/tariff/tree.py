"""What a tariff is made of."""

from dataclasses import dataclass, field
from decimal import Decimal

from tariff.tokens import Place


@dataclass(frozen=True)
class Literal:
    value: Decimal | str | bool
    place: Place


@dataclass(frozen=True)
class Name:
    name: str
    place: Place
    let: "Let | None"
    """The `let` it means, or None for a field."""


@dataclass(frozen=True)
class Unary:
    operator: str
    operand: "Expression"
    place: Place


@dataclass(frozen=True)
class Binary:
    operator: str
    left: "Expression"
    right: "Expression"
    place: Place
    """Where the operator stands."""


@dataclass(frozen=True)
class Among:
    left: "Expression"
    options: tuple["Expression", ...]
    place: Place


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple["Expression", ...]
    place: Place


@dataclass(frozen=True)
class Has:
    field: str
    place: Place


Expression = Literal | Name | Unary | Binary | Among | Call | Has


@dataclass(frozen=True)
class Let:
    name: str
    value: Expression


@dataclass(frozen=True)
class Statement:
    verb: str
    operand: Expression | None
    """The expression, the text of `reject` as a literal, None for `stop`."""
    place: Place


@dataclass(frozen=True)
class Rule:
    name: str
    when: Expression | None
    when_place: Place
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Tariff:
    items: tuple[Let | Rule, ...] = field(default=())

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(item for item in self.items if isinstance(item, Rule))
