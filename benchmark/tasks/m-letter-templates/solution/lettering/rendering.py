"""A tree of blocks and data to text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lettering.errors import TemplateError
from lettering.filters import ACCEPTS, NoText, apply, as_text, kind
from lettering.parsing import Block, Choice, Condition, Line, Loop, Placeholder, Use, parse


def render(template: str, data: Mapping[str, Any], parts: Mapping[str, str] | None = None) -> str:
    """The text that the template becomes. Raises `TemplateError`."""
    return "".join(_Renderer(parts or {}).blocks(parse(template), [data]))


class _Renderer:
    def __init__(self, parts: Mapping[str, str]) -> None:
        self.parts = parts
        self.parsed: dict[str, Sequence[Block]] = {}
        self.inside: list[str] = []
        """Names of the parts that are being put in, outermost first."""

    def blocks(self, blocks: Sequence[Block], scopes: list[Mapping[str, Any]]) -> Iterator[str]:
        """The lines; `scopes` are searched from the last."""
        for block in blocks:
            if isinstance(block, Line):
                yield "".join(
                    piece if isinstance(piece, str) else self._value(block.number, piece, scopes)
                    for piece in block.pieces
                )
            elif isinstance(block, Use):
                yield from self._used(block, scopes)
            elif isinstance(block, Loop):
                yield from self._repeated(block, scopes)
            else:
                yield from self.blocks(self._chosen(block, scopes), scopes)

    def _chosen(self, block: Choice, scopes: list[Mapping[str, Any]]) -> Sequence[Block]:
        for condition, branch in block.branches:
            if self._holds(condition, scopes):
                return branch
        return block.otherwise or []

    def _holds(self, condition: Condition, scopes: list[Mapping[str, Any]]) -> bool:
        value = self._found(condition.number, condition.path, scopes)
        if condition.words is None:
            return bool(value) != condition.negated
        try:
            return (as_text(value) == condition.words) != condition.negated
        except NoText as problem:
            raise self._no_text(condition.number, condition.path, problem) from None

    def _repeated(self, block: Loop, scopes: list[Mapping[str, Any]]) -> Iterator[str]:
        items = self._found(block.number, block.path, scopes)
        if items is not None and kind(items) != "list":
            path = block.path.removesuffix("?")
            raise self._error(block.number, f"cannot repeat '{path}', it is a {kind(items)}")
        if not items:
            yield from self.blocks(block.otherwise or [], scopes)
            return
        count = len(items)
        for number, item in enumerate(items, 1):
            loop = {"number": number, "first": number == 1, "last": number == count, "count": count}
            yield from self.blocks(block.body, [*scopes, {"loop": loop, block.name: item}])

    def _used(self, block: Use, scopes: list[Mapping[str, Any]]) -> Iterator[str]:
        if block.name not in self.parts:
            raise self._error(block.number, f"no part '{block.name}'")
        if block.name in self.inside:
            raise self._error(block.number, f"part '{block.name}' uses itself")
        self.inside.append(block.name)
        if block.name not in self.parsed:
            try:
                self.parsed[block.name] = parse(self.parts[block.name])
            except TemplateError as error:
                raise TemplateError(error.line, error.problem, block.name) from None
        text = "".join(self.blocks(self.parsed[block.name], scopes))
        self.inside.pop()
        if text:
            for line in text.removesuffix("\n").split("\n"):
                yield f"{block.indent if line else ''}{line}\n"

    def _value(self, number: int, placeholder: Placeholder, scopes: list[Mapping[str, Any]]) -> str:
        value = self._found(number, placeholder.path, scopes)
        try:
            for name, argument in placeholder.filters:
                if kind(value) not in ACCEPTS[name]:
                    raise self._error(number, f"filter '{name}' cannot take a {kind(value)}")
                value = apply(name, argument or "", value)
            text = as_text(value)
        except NoText as problem:
            raise self._no_text(number, placeholder.path, problem) from None
        first, *others = text.split("\n")
        return "\n".join([first, *(placeholder.indent + line if line else line for line in others)])

    def _found(self, number: int, path: str, scopes: list[Mapping[str, Any]]) -> Any:
        steps = path.removesuffix("?").split(".")
        value: Any = next((scope for scope in reversed(scopes) if steps[0] in scope), {})
        for place, step in enumerate(steps, 1):
            if isinstance(value, Mapping) and step in value:
                value = value[step]
            elif kind(value) == "list" and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            elif path.endswith("?"):
                return None
            else:
                raise self._error(number, f"'{'.'.join(steps[:place])}' is not there")
        return value

    def _no_text(self, number: int, path: str, problem: NoText) -> TemplateError:
        return self._error(number, f"'{path.removesuffix('?')}' is a {problem} and has no text")

    def _error(self, number: int, problem: str) -> TemplateError:
        return TemplateError(number, problem, self.inside[-1] if self.inside else "")
