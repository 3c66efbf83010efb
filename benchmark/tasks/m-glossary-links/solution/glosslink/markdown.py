"""The little of Markdown that matters here: headings, fences, and spans that hold no words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r" {0,3}(#{1,6})(?: (.*))?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_SPAN = re.compile(
    r"""(?<!`)(?P<run>`+)(?!`).*?(?<!`)(?P=run)(?!`)
    |   !?\[[^\[\]]*\](?:\((?P<target>[^()]*)\)|\[[^\[\]]*\])
    |   <[^<>\n]*>
    |   `+""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Line:
    text: str
    """With its line end."""
    kind: str
    """`heading`, `code` (fences included), `blank` or `text`."""
    level: int = 0
    """Of a heading."""
    words: str = ""
    """Of a heading, without blanks at their ends."""


@dataclass(frozen=True)
class Span:
    start: int
    end: int
    target: str | None
    """Of a link or picture with parentheses."""


def lines(text: str) -> Iterator[Line]:
    fence = ""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        bare = line.removesuffix("\n")
        mark = _FENCE.fullmatch(bare)
        heading = _HEADING.fullmatch(bare)
        if fence:
            yield Line(line, "code")
            if mark and mark[1].startswith(fence) and not mark[2].strip(" "):
                fence = ""
        elif mark:
            fence = mark[1]
            yield Line(line, "code")
        elif heading:
            yield Line(line, "heading", len(heading[1]), (heading[2] or "").strip(" "))
        else:
            yield Line(line, "text" if bare.strip() else "blank")


def spans(paragraph: str) -> list[Span]:
    """What holds no words, in the order of the text; a run of back-ticks without its counterpart is no such thing."""
    return [
        Span(*found.span(), found["target"])
        for found in _SPAN.finditer(paragraph)
        if found["run"] or not found[0].startswith("`")
    ]
