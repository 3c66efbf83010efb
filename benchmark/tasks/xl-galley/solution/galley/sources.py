"""The files that people write."""

from pathlib import Path

from galley.errors import Failure, PathError
from galley.paths import check_path, is_product, matches


class Sources:
    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def exists(self, path: str) -> bool:
        return _is_source(path) and (self._folder / path).is_file()

    def read(self, path: str) -> str:
        """Raises Failure."""
        if not self.exists(path):
            raise Failure(f"no file {path}")
        try:
            return (self._folder / path).read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise Failure(f"{path} is not UTF-8 text") from error

    def list(self, pattern: str) -> "list[str]":
        found = (path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*") if path.is_file())
        return sorted(path for path in found if _is_source(path) and matches(pattern, path))


def _is_source(path: str) -> bool:
    try:
        check_path(path)
    except PathError:
        return False
    return not is_product(path) and path != "Galleyfile"
