"""Builds printed matter, and never works out again what it has worked out before."""

from galley.builder import build, plan
from galley.errors import BookError, CycleError, Failure, Gone, PathError
from galley.journal import show
from galley.sweeping import sweep

__all__ = ["BookError", "CycleError", "Failure", "Gone", "PathError", "build", "plan", "show", "sweep"]
