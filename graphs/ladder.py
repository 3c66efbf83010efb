"""The rungs of the ladder that is climbed when repairs make no progress, by name. Imports nothing: settings name them too."""

from typing import Literal

Rung = Literal["candidate", "amend", "respecify", "split", "ask"]
"""A fresh program, a test in doubt, a clearer contract, smaller parts, a question to the user (see ``graphs/evidence.py``)."""
RUNGS: tuple[Rung, ...] = ("candidate", "amend", "respecify", "split", "ask")
"""All of them, in the order in which they are considered."""
