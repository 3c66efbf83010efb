"""Mistakes in files; lines count from 1."""


class _LineError(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


class StatementError(_LineError):
    """A statement cannot be used."""


class RulesError(_LineError):
    """A rule cannot be used."""
