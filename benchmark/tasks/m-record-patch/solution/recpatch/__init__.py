"""Differences between lists of records."""

from recpatch.applying import PatchError, apply
from recpatch.differing import diff
from recpatch.inverting import invert, summary

__all__ = ["PatchError", "apply", "diff", "invert", "summary"]
