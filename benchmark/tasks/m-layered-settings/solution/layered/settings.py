"""The settings that won, and their values as text, numbers, flags and lists."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from layered.errors import SettingsError

_REFERENCE = re.compile(r"\$\$|\$\{([^}|]*)(?:\|([^}]*))?\}")
_NUMBER = re.compile(r"(-?[0-9]+)([kMG]?)")
_FACTORS = {"": 1, "k": 1024, "M": 1024**2, "G": 1024**3}
_FLAGS = {"yes": True, "on": True, "true": True, "1": True, "no": False, "off": False, "false": False, "0": False}
_RAISE: Any = object()


@dataclass(frozen=True)
class Raw:
    text: str
    """With references as written."""
    origin: str
    """`FILE:LINE` or `override N`."""


class Settings:
    """All settings by full name; references are replaced when a value is asked for."""

    def __init__(self, raw: Mapping[str, Raw], env: Mapping[str, str]) -> None:
        self._raw = dict(raw)
        self._env = dict(env)

    def names(self) -> list[str]:
        return sorted(self._raw)

    def origin(self, name: str) -> str:
        return self._existing(name).origin

    def text(self, name: str, default: Any = _RAISE) -> Any:
        return self._read(name, default, lambda text: text)

    def number(self, name: str, default: Any = _RAISE) -> Any:
        def read(text: str) -> int:
            found = _NUMBER.fullmatch(text)
            if not found:
                raise SettingsError(f"{self.origin(name)}: '{name}' is not a number: '{text}'")
            return int(found[1]) * _FACTORS[found[2]]

        return self._read(name, default, read)

    def flag(self, name: str, default: Any = _RAISE) -> Any:
        def read(text: str) -> bool:
            if text.lower() not in _FLAGS:
                raise SettingsError(f"{self.origin(name)}: '{name}' is not a flag: '{text}'")
            return _FLAGS[text.lower()]

        return self._read(name, default, read)

    def items(self, name: str, default: Any = _RAISE) -> Any:
        return self._read(name, default, lambda text: [item.strip() for item in text.split(",") if item.strip()])

    def _read(self, name: str, default: Any, convert: Callable[[str], Any]) -> Any:
        if default is not _RAISE and name not in self._raw:
            return default
        return convert(self._resolved(name, ()))

    def _existing(self, name: str) -> Raw:
        if name in self._raw:
            return self._raw[name]
        alike = [other for other in self.names() if other.lower() == name.lower()]
        hint = f"; did you mean '{alike[0]}'?" if alike else ""
        raise SettingsError(f"no setting '{name}'{hint}")

    def _resolved(self, name: str, above: tuple[str, ...]) -> str:
        """The value with references replaced; `above` are the settings that are being replaced, outermost first."""
        raw = self._existing(name)
        path = (*above, name)

        def replaced(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            target, fall_back = match[1], match[2]
            if target.startswith("env:"):
                value = self._env.get(target.removeprefix("env:"))
            else:
                target = target if "." in target else f"{name.partition('.')[0]}.{target}"
                if target in path:
                    ring = " -> ".join((name, *path[path.index(target) :]))
                    raise SettingsError(f"{raw.origin}: '{name}' refers to itself: {ring}")
                value = self._resolved(target, path) if target in self._raw else None
            if value is None and fall_back is None:
                raise SettingsError(f"{raw.origin}: '{name}' refers to '{target}', which does not exist")
            return fall_back if value is None else value

        return _REFERENCE.sub(replaced, raw.text)
