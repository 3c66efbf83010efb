"""Fills the paragraphs of quoted mail anew."""

from __future__ import annotations


def reflow(text: str, width: int) -> str:
    """The text with each paragraph filled to ``width`` characters, quote marks included."""
    if width < 1:
        raise ValueError(f"a width of {width} leaves no room")
    written: list[str] = []
    words: list[str] = []
    depth_of_words = 0
    empty_depth: int | None = None  # of the line written last, when that was an empty one

    for line in text.split("\n"):
        depth, rest = _depth(line)
        found = rest.split()
        if words and (not found or depth != depth_of_words):
            written += _filled(words, depth_of_words, width)
            words = []
        if not found:
            if empty_depth != depth:
                written.append(">" * depth)
            empty_depth = depth
            continue
        empty_depth = None
        depth_of_words = depth
        words += found
        if line.endswith("  "):
            written += _filled(words, depth, width)
            words = []
    written += _filled(words, depth_of_words, width)
    while written and not written[0]:
        del written[0]
    while written and not written[-1]:
        del written[-1]
    return "".join(f"{line}\n" for line in written)


def _depth(line: str) -> tuple[int, str]:
    """The number of marks, and what follows them."""
    depth = 0
    rest = line.lstrip(" ")
    while rest.startswith(">"):
        depth += 1
        rest = rest[1:].lstrip(" ")
    return depth, rest


def _filled(words: list[str], depth: int, width: int) -> list[str]:
    marks = ">" * depth + " " if depth else ""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(marks + word)
    return lines
