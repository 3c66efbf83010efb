"""From tokens to a tariff, by recursive descent."""

from tariff.errors import TariffError
from tariff.tokens import Token, tokenize
from tariff.tree import Among, Binary, Call, Expression, Has, Let, Literal, Name, Rule, Statement, Tariff, Unary

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
ARGUMENTS = {"min": (1, None), "max": (1, None), "round": (1, 2), "len": (1, 1), "has": (1, 1)}
"""How few and how many arguments a function takes; None is any number."""


def load(text: str) -> Tariff:
    """Read a tariff; raises TariffError at the first place that is wrong."""
    return _Parser(tokenize(text)).tariff()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.lets: dict[str, Let] = {}

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.next
        self.at += 1
        return token

    def is_next(self, *values: str) -> bool:
        return self.next.kind in ("sign", "word") and self.next.value in values

    def accept(self, *values: str) -> Token | None:
        return self.take() if self.is_next(*values) else None

    def expect(self, value: str) -> Token:
        return self.accept(value) or self.fail(f"expected {value!r}")

    def expect_kind(self, kind: str) -> Token:
        return self.take() if self.next.kind == kind else self.fail(f"expected a {kind}")

    def fail(self, message: str) -> Token:
        found = "the end" if self.next.kind == "end" else repr(str(self.next.value))
        raise TariffError(self.next.place, f"{message}, found {found}")

    def tariff(self) -> Tariff:
        items: list[Let | Rule] = []
        rules: set[str] = set()
        while self.next.kind != "end":
            if self.accept("let"):
                items.append(self.let())
            elif self.accept("rule"):
                items.append(self.rule(rules))
            else:
                self.fail("expected 'let' or 'rule'")
        return Tariff(tuple(items))

    def let(self) -> Let:
        name = self.expect_kind("name")
        if name.value in self.lets:
            raise TariffError(name.place, f"{name.value} is defined twice")
        self.expect("=")
        let = Let(str(name.value), self.expression())
        self.expect(";")
        self.lets[let.name] = let
        return let

    def rule(self, seen: set[str]) -> Rule:
        name = self.expect_kind("text")
        if name.value in seen:
            raise TariffError(name.place, f"there are two rules {name.value!r}")
        seen.add(str(name.value))
        when_place = self.next.place
        when = self.expression() if self.accept("when") else None
        self.expect("{")
        statements = []
        while not self.accept("}"):
            statements.append(self.statement())
        return Rule(str(name.value), when, when_place, tuple(statements))

    def statement(self) -> Statement:
        operand: Expression | None = None
        if verb := self.accept("add", "scale", "cap", "floor"):
            operand = self.expression()
        elif verb := self.accept("reject"):
            text = self.expect_kind("text")
            operand = Literal(text.value, text.place)
        else:
            verb = self.accept("stop") or self.fail("expected a statement or '}'")
        self.expect(";")
        return Statement(str(verb.value), operand, verb.place)

    def expression(self) -> Expression:
        left = self.conjunction()
        while operator := self.accept("or"):
            left = Binary("or", left, self.conjunction(), operator.place)
        return left

    def conjunction(self) -> Expression:
        left = self.negation()
        while operator := self.accept("and"):
            left = Binary("and", left, self.negation(), operator.place)
        return left

    def negation(self) -> Expression:
        if operator := self.accept("not"):
            return Unary("not", self.negation(), operator.place)
        return self.comparison()

    def comparison(self) -> Expression:
        left = self.sum()
        if operator := self.accept(*COMPARISONS):
            left = Binary(str(operator.value), left, self.sum(), operator.place)
        elif operator := self.accept("in"):
            self.expect("(")
            left = Among(left, self.expressions(), operator.place)
        else:
            return left
        if self.is_next(*COMPARISONS, "in"):
            self.fail("comparisons cannot be chained")
        return left

    def sum(self) -> Expression:
        left = self.product()
        while operator := self.accept("+", "-"):
            left = Binary(str(operator.value), left, self.product(), operator.place)
        return left

    def product(self) -> Expression:
        left = self.signed()
        while operator := self.accept("*", "/"):
            left = Binary(str(operator.value), left, self.signed(), operator.place)
        return left

    def signed(self) -> Expression:
        if operator := self.accept("-"):
            return Unary("-", self.signed(), operator.place)
        return self.primary()

    def primary(self) -> Expression:
        if self.accept("("):
            inside = self.expression()
            self.expect(")")
            return inside
        if self.next.kind in ("number", "text"):
            token = self.take()
            return Literal(token.value, token.place)
        if word := self.accept("true", "false"):
            return Literal(word.value == "true", word.place)
        name = self.expect_kind("name") if self.next.kind == "name" else self.fail("expected a value")
        if self.accept("("):
            return self.call(name)
        return Name(str(name.value), name.place, self.lets.get(str(name.value)))

    def call(self, name: Token) -> Expression:
        function = str(name.value)
        if function not in ARGUMENTS:
            raise TariffError(name.place, f"there is no function {function!r}")
        arguments: tuple[Expression, ...] = ()
        if function == "has" and not self.is_next(")"):
            field = self.expect_kind("name")
            if self.is_next(","):
                raise TariffError(name.place, "has takes one name")
            self.expect(")")
            return Has(str(field.value), name.place)
        if not self.accept(")"):
            arguments = self.expressions()
        least, most = ARGUMENTS[function]
        if len(arguments) < least or (most is not None and len(arguments) > most):
            raise TariffError(name.place, f"{function} does not take {len(arguments)} arguments")
        return Call(function, arguments, name.place)

    def expressions(self) -> tuple[Expression, ...]:
        """One or more expressions and the closing parenthesis."""
        found = [self.expression()]
        while self.accept(","):
            found.append(self.expression())
        self.expect(")")
        return tuple(found)
