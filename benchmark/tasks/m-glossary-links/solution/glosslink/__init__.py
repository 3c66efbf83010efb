"""Links from Markdown texts to the terms of a glossary."""

from glosslink.glossary import Glossary, GlossaryError, read_glossary
from glosslink.linking import link

__all__ = ["Glossary", "GlossaryError", "link", "read_glossary"]
