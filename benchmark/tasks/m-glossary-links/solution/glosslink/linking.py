"""A text to the same text with links."""

import re
from collections.abc import Iterator

from glosslink.glossary import Glossary, Term
from glosslink.markdown import Line, lines, spans


class _Linker:
    def __init__(self, glossary: Glossary, target: str) -> None:
        self.target = target
        self.anchors = {f"{target}#{term.anchor}": term for term in glossary.terms}
        self.patterns = [
            (re.compile(rf"(?<![\w-]){_pattern(spelling)}s?(?![\w-])"), term)
            for term in glossary.terms
            for spelling in term.spellings
        ]
        self.added: list[Term] = []
        """A term for each link."""
        self.found: list[Term] = []
        """Terms that had a link before."""

    def section(self, section: list[Line]) -> str:
        """The lines of one section, linked."""
        parts = list(_paragraphs(section))
        linked: list[Term] = []
        for part, holds_words in parts:
            if holds_words:
                linked += [self.anchors[span.target] for span in spans(part) if span.target in self.anchors]
        self.found += linked
        return "".join(self._paragraph(part, linked) if holds_words else part for part, holds_words in parts)

    def _paragraph(self, text: str, linked: list[Term]) -> str:
        """`linked` are the terms that have their link in this section; it grows."""
        skipped = spans(text)
        result, place = "", 0
        while place < len(text):
            span = next((span for span in skipped if span.start >= place), None)
            limit = span.start if span else len(text)
            best = self._next_term(text, place, limit)
            if best:
                words, term = best
                result += text[place : words.start()]
                if any(other is term for other in linked):
                    result += words[0]
                else:
                    result += f"[{words[0]}]({self.target}#{term.anchor})"
                    linked.append(term)
                    self.added.append(term)
                place = words.end()
            else:
                end = span.end if span else len(text)
                result += text[place:end]
                place = end
        return result

    def _next_term(self, text: str, place: int, limit: int) -> tuple[re.Match[str], Term] | None:
        """Of the terms before `limit` the first, of these the longest."""
        found = [
            (words, term)
            for pattern, term in self.patterns
            for words in pattern.finditer(text, place)
            if words.end() <= limit
        ]
        return min(found, key=lambda one: (one[0].start(), -one[0].end()), default=None)


def _pattern(spelling: str) -> str:
    """Blanks in it stand for any number of blanks and at most one line end."""
    spelling = " ".join(spelling.split())
    first, rest = spelling[0], spelling[1:]
    letters = {first.lower(), first.upper()}
    head = f"(?:{'|'.join(re.escape(letter) for letter in sorted(letters))})"
    return head + r"(?: +\n? *|\n *)".join(re.escape(word) for word in rest.split(" "))


def _paragraphs(section: list[Line]) -> Iterator[tuple[str, bool]]:
    """Runs of lines, and whether they hold words: paragraphs do, headings, code and blank lines do not."""
    paragraph = ""
    for line in section:
        if line.kind == "text":
            paragraph += line.text
            continue
        if paragraph:
            yield paragraph, True
        paragraph = ""
        yield line.text, False
    if paragraph:
        yield paragraph, True


def linked_with(text: str, glossary: Glossary, target: str) -> tuple[str, list[Term], list[Term]]:
    """The linked text, a term for each link that was added, and the terms of links that were there."""
    linker = _Linker(glossary, target)
    result, section = "", []
    for line in lines(text):
        if line.kind == "heading":
            result += linker.section(section)
            section = []
        section.append(line)
    return result + linker.section(section), linker.added, linker.found


def link(text: str, glossary: Glossary, target: str) -> str:
    """The text in which the first place of each term in each section is a link to `target`."""
    return linked_with(text, glossary, target)[0]
