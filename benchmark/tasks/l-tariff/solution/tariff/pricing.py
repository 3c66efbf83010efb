"""What a record costs."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

from tariff.errors import TariffError
from tariff.normal import statement_text
from tariff.tokens import Place
from tariff.tree import Among, Binary, Call, Expression, Has, Literal, Name, Rule, Statement, Tariff, Unary

Value = Decimal | str | bool
Record = Mapping[str, Any]

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True)
class Step:
    rule: str
    statement: str
    """In normal form, without the semicolon."""
    total: Decimal
    """After the statement, not rounded."""


@dataclass(frozen=True)
class Quote:
    total: Decimal
    """Rounded to two places."""
    rejected: str | None
    steps: tuple[Step, ...]


def price(tariff: Tariff, record: Record) -> Quote:
    """Price a record; raises TariffError at the place of the tariff that cannot be worked out."""
    total = Decimal(0)
    steps: list[Step] = []
    with localcontext(Context(prec=28)):
        for rule in tariff.rules:
            if not _applies(rule, record):
                continue
            for statement in rule.statements:
                total = _carry_out(statement, total, record)
                steps.append(Step(rule.name, statement_text(statement), total))
                if statement.verb == "reject":
                    assert isinstance(statement.operand, Literal)
                    return Quote(rounded(total), str(statement.operand.value), tuple(steps))
                if statement.verb == "stop":
                    return Quote(rounded(total), None, tuple(steps))
        return Quote(rounded(total), None, tuple(steps))


def rounded(amount: Decimal) -> Decimal:
    """Two places, half away from zero; adding 0 turns -0.00 into 0.00."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP) + 0


def _applies(rule: Rule, record: Record) -> bool:
    if rule.when is None:
        return True
    answer = _value(rule.when, record)
    if not isinstance(answer, bool):
        raise TariffError(rule.when_place, "a condition must be true or false")
    return answer


def _carry_out(statement: Statement, total: Decimal, record: Record) -> Decimal:
    if statement.verb == "stop":
        return total
    if statement.verb == "reject":
        return Decimal(0)
    assert statement.operand is not None
    amount = _number(_value(statement.operand, record), statement.place)
    if statement.verb == "add":
        return total + amount
    if statement.verb == "scale":
        return total * amount
    return min(total, amount) if statement.verb == "cap" else max(total, amount)


def _value(expression: Expression, record: Record) -> Value:
    match expression:
        case Literal(value=value):
            return value
        case Name(let=let):
            return _field(expression, record) if let is None else _value(let.value, record)
        case Has(field=field):
            return record.get(field) is not None
        case Unary(operator="not"):
            return not _boolean(_value(expression.operand, record), expression.place)
        case Unary():
            return -_number(_value(expression.operand, record), expression.place)
        case Binary(operator="and" | "or"):
            first = _boolean(_value(expression.left, record), expression.place)
            if first == (expression.operator == "or"):
                return first
            return _boolean(_value(expression.right, record), expression.place)
        case Binary():
            return _two_sided(expression, _value(expression.left, record), _value(expression.right, record))
        case Among():
            left = _value(expression.left, record)
            return any(_same(left, _value(option, record), expression.place) for option in expression.options)
        case Call():
            return _call(expression, [_value(argument, record) for argument in expression.arguments])
    raise AssertionError(expression)


def _field(name: Name, record: Record) -> Value:
    found = record.get(name.name)
    if found is None:
        raise TariffError(name.place, f"the record has no field {name.name!r}")
    if isinstance(found, bool | str):
        return found
    if isinstance(found, int | float | Decimal):
        number = Decimal(str(found))
        if number.is_finite():
            return number
    raise TariffError(name.place, f"field {name.name!r} is neither a number nor text nor a boolean")


def _two_sided(expression: Binary, left: Value, right: Value) -> Value:
    sign, place = expression.operator, expression.place
    if sign in ("=", "!="):
        return _same(left, right, place) == (sign == "=")
    if sign in ORDER:
        if type(left) is not type(right) or isinstance(left, bool):
            raise TariffError(place, f"{sign} needs two numbers or two texts")
        return ORDER[sign](left, right)
    one, two = _number(left, place), _number(right, place)
    if sign == "/" and two == 0:
        raise TariffError(place, "division by zero")
    return ARITHMETIC[sign](one, two)


def _call(call: Call, values: list[Value]) -> Value:
    if call.function == "len":
        if not isinstance(values[0], str):
            raise TariffError(call.place, "len needs a text")
        return Decimal(len(values[0]))
    numbers = [_number(value, call.place) for value in values]
    if call.function == "min":
        return min(numbers)
    if call.function == "max":
        return max(numbers)
    digits = numbers[1] if len(numbers) > 1 else Decimal(0)
    if digits not in range(7):
        raise TariffError(call.place, "round takes 0 to 6 digits")
    return numbers[0].quantize(Decimal(1).scaleb(-int(digits)), ROUND_HALF_UP)


def _same(left: Value, right: Value, place: Place) -> bool:
    if type(left) is not type(right):
        raise TariffError(place, "values of different types cannot be compared")
    return left == right


def _number(value: Value, place: Place) -> Decimal:
    if not isinstance(value, Decimal):
        raise TariffError(place, f"a number is needed, found {value!r}")
    return value


def _boolean(value: Value, place: Place) -> bool:
    if not isinstance(value, bool):
        raise TariffError(place, f"true or false is needed, found {value!r}")
    return value
