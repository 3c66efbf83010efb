"""What can go wrong."""


class BadOperation(ValueError):
    """What was asked for has a wrong form."""


class QueryError(ValueError):
    """A text that is no query."""


class NotFound(Exception):
    """There is no such thing, or none that the actor may know of."""

    def __init__(self, what: object) -> None:
        super().__init__(f"not found: {what}")


class Denied(Exception):
    """The actor's role does not allow it."""


class Refused(Exception):
    """The register would no longer be in order."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Stale(Exception):
    """What is to be undone has changed since."""


class Tampered(Exception):
    """A line of the journal is not as it was written; lines count from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} of the journal is damaged")
        self.line = line
