"""Files and overrides to the settings that won."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from layered.errors import SettingsError
from layered.settings import Raw, Settings

_NAME = "[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_SECTION = re.compile(rf"\[\s*({_NAME})\s*(?::\s*({_NAME})\s*)?\]")
_REMOVAL = re.compile(rf"({_NAME})\s*-=")
_SETTING = re.compile(rf"({_NAME})\s*(\+?=)\s*(.*)")
_INCLUDE = re.compile(r"include(\??)\s+(.+)")
_OVERRIDE = re.compile(rf"\s*({_NAME}\.{_NAME})\s*(?:(-=)\s*|(\+?=)\s*(.*?)\s*)", re.DOTALL)


def load(
    path: str | Path, profile: str = "", overrides: Iterable[str] = (), env: Mapping[str, str] | None = None
) -> Settings:
    """The settings of a file and all it includes, then the overrides. Raises `SettingsError` for the first mistake."""
    reader = _Reader(profile)
    text = _text(Path(path))
    if text is None:
        raise SettingsError(f"cannot read '{path}'")
    reader.read(Path(path), text, ())
    for number, override in enumerate(overrides, 1):
        reader.override(override, f"override {number}")
    return Settings(reader.raw, env or {})


class _Reader:
    """Collects settings in the order of reading."""

    def __init__(self, profile: str) -> None:
        self.profile = profile
        self.raw: dict[str, Raw] = {}

    def read(self, path: Path, text: str, above: tuple[Path, ...]) -> None:
        """One file; `above` are those that include it, outermost first."""
        section, counts = "main", True
        for number, line in _lines(text):
            origin = f"{path.name}:{number}"
            if found := _SECTION.fullmatch(line):
                section, counts = found[1], found[2] in (None, self.profile)
            elif (found := _INCLUDE.fullmatch(line)) and not _is_setting(line):
                if counts:
                    self._include(path, found[2], bool(found[1]), origin, above)
            elif found := _REMOVAL.fullmatch(line):
                if counts:
                    self.raw.pop(f"{section}.{found[1]}", None)
            elif found := _SETTING.fullmatch(line):
                if counts:
                    self._set(f"{section}.{found[1]}", found[2], found[3], origin)
            else:
                raise SettingsError(f"{origin}: expected '[section]', 'key = value' or 'include PATH'")

    def override(self, text: str, origin: str) -> None:
        found = _OVERRIDE.fullmatch(text)
        if not found:
            raise SettingsError(f"{origin}: expected 'section.key=value'")
        if found[2]:
            self.raw.pop(found[1], None)
        else:
            self._set(found[1], found[3], found[4], origin)

    def _set(self, name: str, operator: str, value: str, origin: str) -> None:
        before = self.raw[name].text if name in self.raw else ""
        joined = f"{before}, {value}" if operator == "+=" and before else value
        self.raw[name] = Raw(joined, origin)

    def _include(self, path: Path, words: str, optional: bool, origin: str, above: tuple[Path, ...]) -> None:
        target = path.parent / words
        if optional and not target.exists():
            return
        opened = [*above, path]
        text = _text(target)
        if text is None:
            raise SettingsError(f"{origin}: cannot read '{words}'")
        for place, other in enumerate(opened):
            if other.resolve() == target.resolve():
                ring = " -> ".join(file.name for file in [*opened[place:], target])
                raise SettingsError(f"{origin}: include cycle: {ring}")
        self.read(target, text, tuple(opened))


def _is_setting(line: str) -> bool:
    """`include = x` and `include += x` set a key, whatever follows."""
    return bool(_SETTING.fullmatch(line) or _REMOVAL.fullmatch(line))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, continuations joined, with the number of their first."""
    lines = iter(enumerate(text.split("\n"), 1))
    for number, line in lines:
        joined = line.strip()
        if not joined or joined.startswith("#"):
            continue
        while joined.endswith("\\"):
            _, following = next(lines, (0, ""))
            joined = f"{joined[:-1].rstrip()} {following.strip()}".strip()
        if joined:
            yield number, joined


def _text(path: Path) -> str | None:
    """What is in the file; nothing when it cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
