"""Settings from files that include and override one another."""

from layered.errors import SettingsError
from layered.reading import load
from layered.settings import Settings

__all__ = ["Settings", "SettingsError", "load"]
