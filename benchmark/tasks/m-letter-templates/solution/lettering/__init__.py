"""A small template language for letters."""

from lettering.errors import TemplateError
from lettering.rendering import render

__all__ = ["TemplateError", "render"]
