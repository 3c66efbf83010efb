"""The one way to write a tariff."""

from decimal import Decimal

from tariff.parser import load
from tariff.tree import Among, Binary, Call, Expression, Has, Let, Literal, Name, Rule, Statement, Unary

OR, AND, NOT, COMPARISON, SUM, PRODUCT, SIGNED, PRIMARY = range(8)
"""How strongly an expression holds together, weakest first."""

STRENGTH = {"or": OR, "and": AND, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT}


def normal(text: str) -> str:
    """The normal form of a tariff; raises TariffError when it cannot be read."""
    out = ""
    before: Let | Rule | None = None
    for item in load(text).items:
        if before is not None and not (isinstance(before, Let) and isinstance(item, Let)):
            out += "\n"
        out += _item(item) + "\n"
        before = item
    return out


def statement_text(statement: Statement) -> str:
    """A statement in normal form without its semicolon."""
    return statement.verb if statement.operand is None else f"{statement.verb} {_text(statement.operand)}"


def _item(item: Let | Rule) -> str:
    if isinstance(item, Let):
        return f"let {item.name} = {_text(item.value)};"
    head = f"rule {_quoted(item.name)}" + (f" when {_text(item.when)}" if item.when is not None else "")
    if not item.statements:
        return head + " {}"
    body = "".join(f"    {statement_text(statement)};\n" for statement in item.statements)
    return f"{head} {{\n{body}}}"


def _strength(expression: Expression) -> int:
    match expression:
        case Binary(operator=operator):
            return STRENGTH.get(operator, COMPARISON)
        case Among():
            return COMPARISON
        case Unary(operator="not"):
            return NOT
        case Unary():
            return SIGNED
    return PRIMARY


def _text(expression: Expression, least: int = OR) -> str:
    """The expression, in parentheses when it holds together less than `least`."""
    text = _bare(expression)
    return f"({text})" if _strength(expression) < least else text


def _bare(expression: Expression) -> str:
    match expression:
        case Literal(value=bool() as value):
            return "true" if value else "false"
        case Literal(value=Decimal() as value):
            return format(value.normalize(), "f") if value else "0"
        case Literal(value=str() as value):
            return _quoted(value)
        case Name(name=name):
            return name
        case Has(field=field):
            return f"has({field})"
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(map(_text, arguments))})"
        case Unary(operator="not", operand=operand):
            return f"not {_text(operand, NOT)}"
        case Unary(operand=operand):
            return f"-{_text(operand, SIGNED)}"
        case Among(left=left, options=options):
            return f"{_text(left, SUM)} in ({', '.join(map(_text, options))})"
        case Binary(operator=operator, left=left, right=right):
            own = _strength(expression)
            # Comparisons do not chain, all others group to the left.
            return f"{_text(left, own + (own == COMPARISON))} {operator} {_text(right, own + 1)}"
    raise AssertionError(expression)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
