"""The text of a glossary to terms."""

import re
from collections import Counter
from dataclasses import dataclass, field

from glosslink.markdown import lines


class GlossaryError(Exception):
    """The glossary has a mistake; the text says where and which."""


@dataclass
class Term:
    name: str
    anchor: str
    spellings: list[str] = field(default_factory=list)
    """The name first."""


@dataclass(frozen=True)
class Glossary:
    terms: list[Term]


def read_glossary(text: str) -> Glossary:
    """Raises `GlossaryError` for the first mistake."""
    terms: list[Term] = []
    anchors: Counter[str] = Counter()
    known: dict[str, tuple[Term, int]] = {}
    fresh = False  # nothing but blank lines since the last term
    for number, line in enumerate(lines(text), 1):
        if line.kind == "heading":
            anchor = re.sub(r"[^\w-]", "", line.words.lower().replace(" ", "-"))
            count = anchors[anchor]
            anchors[anchor] += 1
            fresh = line.level == 2 and line.text.startswith("## ")
            if fresh:
                if not line.words:
                    raise GlossaryError(f"line {number}: a term without a name")
                terms.append(Term(line.words, f"{anchor}-{count}" if count else anchor))
                _add(terms[-1], line.words, number, known)
        elif line.kind != "blank":
            if fresh and line.text.startswith("Also:"):
                for spelling in line.text.removeprefix("Also:").split(","):
                    _add(terms[-1], " ".join(spelling.split()), number, known)
            fresh = False
    return Glossary(terms)


def _add(term: Term, spelling: str, number: int, known: dict[str, tuple[Term, int]]) -> None:
    if not spelling:
        return
    form = " ".join(spelling.split())
    form = form[:1].lower() + form[1:]
    other, line = known.setdefault(form, (term, number))
    if other is not term:
        raise GlossaryError(f"line {number}: '{spelling}' is already in line {line}")
    term.spellings.append(spelling)
