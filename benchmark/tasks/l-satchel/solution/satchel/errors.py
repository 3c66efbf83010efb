"""What opening a store can find."""


class Corrupt(Exception):
    """A line of a segment is damaged; `file` is the segment's name, `line` counts from 1."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(f"{file}:{line}: damaged")
        self.file = file
        self.line = line
