"""A small key-value store that keeps its past."""

from satchel.errors import Corrupt
from satchel.state import View
from satchel.store import Store
from satchel.store import open_store as open

__all__ = ["Corrupt", "Store", "View", "open"]
