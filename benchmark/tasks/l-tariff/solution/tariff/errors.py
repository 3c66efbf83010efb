"""The one error of the package."""


class TariffError(Exception):
    """Something is wrong at a place of the tariff's text; lines and columns count from 1."""

    def __init__(self, place: tuple[int, int], message: str) -> None:
        self.line, self.column = place
        self.message = message
        super().__init__(f"{self.line}:{self.column}: {message}")
