"""What can go wrong."""


class PathError(ValueError):
    """A text that is no path or no pattern."""


class BookError(Exception):
    """A Galleyfile that cannot be used; lines count from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


class CycleError(Exception):
    """Targets that need each other, beginning with the first by name."""

    def __init__(self, cycle: list[str]) -> None:
        super().__init__(" -> ".join([*cycle, cycle[0]]))
        self.cycle = cycle


class Failure(Exception):
    """A target cannot be made; the text says why."""


class Gone(Exception):
    """A result that was swept away or damaged."""
