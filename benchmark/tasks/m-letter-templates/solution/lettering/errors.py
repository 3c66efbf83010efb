"""What goes wrong."""


class TemplateError(Exception):
    """A template has a mistake, or does not fit the data."""

    def __init__(self, line: int, problem: str, part: str = "") -> None:
        place = f"part {part}, line {line}" if part else f"line {line}"
        super().__init__(f"{place}: {problem}")
        self.line = line
        self.problem = problem
