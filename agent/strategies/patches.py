"""Edit blocks in an answer: which lines of a file they replace, and what becomes of it.

One block replaces lines that stand in the file exactly once, given whole::

    <<<<<<< SEARCH
    old lines
    =======
    new lines
    >>>>>>> REPLACE

A block is taken for what it must mean where only one reading is left: blanks at the ends of lines, blank lines around them,
the number of marks, and an indentation that all of its lines have too much or too little do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, get_close_matches

from agent.strategies import fences
from agent.strategies.fences import Block
from graphs.errors import AnswerError

LONG = 60
"""Lines from which on a file is one to be edited: below, edits save next to nothing and are one more thing to get wrong."""
MOST_PROBLEMS = 5
"""Of one file; more would have the same cause."""
PLACES = 5
"""Of lines that occur more often no more are looked for."""
SHOWN = 80
"""Characters of a line shown in a problem."""

_SEARCH = re.compile(r"<{5,9}[ \t]*SEARCH[ \t:]*", re.IGNORECASE)
_DIVIDER = re.compile(r"={5,9}")
_REMARK = re.compile(r"\s*(?:#|//|\.\.\.)")
"""Begins a line between edits that can only be a remark: what is outside them is not put anywhere."""
_REPLACE = re.compile(r">{5,9}[ \t]*REPLACE[ \t:]*", re.IGNORECASE)


@dataclass(frozen=True)
class Edit:
    """What one edit block says."""

    search: tuple[str, ...]
    """The lines to be replaced, as the answer has them, without line ends."""
    replace: tuple[str, ...]
    """The lines that take their place."""


def parts(text: str) -> Iterator[str | Block]:
    """As ``fences.parts``, and an edit block outside any fence is a block, too. Its fence is open when the answer ends in it."""
    above: list[str] = []
    edit: list[str] = []
    for part in fences.parts(text):
        if edit and (isinstance(part, Block) or _begins(part)):  # it has no end, which is for its reader to say
            yield Block("", _joined(edit), tuple(above), closed=True)
            above, edit = [], []
        if isinstance(part, Block):
            yield replace(part, above=tuple(above))
            above = []
        elif edit or _begins(part):
            edit.append(part)
            if _is(_REPLACE, part, edit[0]):
                yield Block("", _joined(edit), tuple(above), closed=True)
                above, edit = [], []
        else:
            if part.strip():
                above.insert(0, part.strip())
            yield part
    if edit:
        yield Block("", _joined(edit), tuple(above), closed=False)


def blocks(text: str) -> list[Block]:
    """The blocks among the parts of an answer."""
    return [part for part in parts(text) if isinstance(part, Block)]


def is_patch(block: Block) -> bool:
    """Whether a block holds edits. A whole file may hold such lines, too, but does not begin with one."""
    return _begins(next((line for line in block.text.split("\n") if line.strip()), ""))


def patched(path: str, text: str, patches: Sequence[Block]) -> str:
    """``text`` of the file ``path`` after the edits in ``patches``, each made on what the one before it left.

    Nothing outside the lines that an edit replaces changes; lines that are put in end as the file's first line does.

    Raises:
        AnswerError: a block is not whole, its lines do not stand in the file or stand there more than once, or it changes
            nothing. The problems name the path and the first line of SEARCH.
    """
    problems: list[str] = []
    for patch in patches:
        for edit in _edits(patch):
            if len(problems) == MOST_PROBLEMS:
                break
            try:
                text = _edited(text, edit)
            except AnswerError as error:
                problems += (f"{path}: {problem}" for problem in error.problems)
    if problems:
        raise AnswerError(problems)
    return text


def _edits(patch: Block) -> Iterator[Edit | str]:
    """The edits of a block in order, or what is wrong with each."""
    body: list[str] | None = None
    first = stray = ""
    for line in patch.text.removesuffix("\n").split("\n"):
        if _is(_SEARCH, line, line if body is None else first):
            if body is not None:
                yield f"no line '>>>>>>> REPLACE' ends {_name(body)}"
            first, body = line, []
        elif body is None:
            stray = stray or ("" if _REMARK.match(line) else line.strip())
        elif _is(_REPLACE, line, first):
            yield _edit(body, first)
            body = None
        else:
            body.append(line)
    if body is not None and patch.closed:
        yield (
            f"no line '>>>>>>> REPLACE' ends {_name(body)}; write it, and fence edits that hold lines of three back-ticks "
            "with four"
        )
    elif body is not None:
        yield f"the answer ends in the middle of {_name(body)}; give fewer edits, or only the lines that change"
    if stray:
        yield (
            f"{stray!r:.{SHOWN}} stands in a fence with edits, but between no '<<<<<<< SEARCH' and '>>>>>>> REPLACE'; put "
            "every line to be changed between them, and anything else outside the fence"
        )


def _edit(body: Sequence[str], first: str) -> Edit | str:
    dividers = [n for n, line in enumerate(body) if _is(_DIVIDER, line, first)]
    if len(dividers) > 1:
        dividers = [n for n in dividers if len(body[n].strip()) == len("=======")] or dividers
    if not dividers:
        return f"no line '=======' parts the old lines from the new ones in {_name(body)}"
    if len(dividers) > 1:
        return f"more than one line '=======' stands in {_name(body)}; where the file holds such lines, give it whole"
    return Edit(tuple(body[: dividers[0]]), tuple(body[dividers[0] + 1 :]))


def _edited(text: str, edit: Edit | str) -> str:
    """``text`` after one edit; ``AnswerError`` for one that cannot be made, or is a problem itself."""
    if isinstance(edit, str):
        raise AnswerError([edit])
    if not text.strip() and not any(map(str.strip, edit.search)):
        return _joined(edit.replace)
    if not edit.search:
        empty = "an edit has no line between '<<<<<<< SEARCH' and '======='"
        raise AnswerError(
            [f"{empty}; to add lines, put one beside them there, and that one and the new ones in REPLACE"]
        )
    kept = re.split(r"(?<=\n)", text)
    lines = [line.rstrip("\r\n") for line in (kept if kept[-1] else kept[:-1])]
    found = _found(lines, edit)
    if not found:
        raise AnswerError([f"{_name(edit.search)} does not find its lines: {_nearest(lines, edit.search)}"])
    if len(found) > 1:
        listed = ", ".join(str(place + 1) for place, _ in found[: PLACES - 1]) + ("…" if len(found) == PLACES else "")
        often = f"{_name(edit.search)} finds its lines more than once (lines {listed})"
        raise AnswerError([f"{often}; put more of the lines around the place into it"])
    place, edit = found[0]
    end = "\r\n" if kept[0].endswith("\r\n") else "\n"
    put = [f"{line}{end}" for line in edit.replace]
    old = kept[place : place + len(edit.search)]
    if put and not old[-1].endswith("\n"):
        put[-1] = edit.replace[-1]
    if put == old:
        raise AnswerError(
            [f"{_name(edit.search)} changes nothing; give the lines in REPLACE as they should be, or leave it out"]
        )
    return "".join([*kept[:place], *put, *kept[place + len(old) :]])


def _found(lines: Sequence[str], edit: Edit) -> list[tuple[int, Edit]]:
    """Where the lines of SEARCH stand (0-based), and the edit to be made there: the lines as they are, without blanks at their
    ends, all of them indented by as much more or less, or without blank lines around them."""
    for seen in (str, str.rstrip):
        if places := _places([seen(line) for line in lines], [seen(line) for line in edit.search]):
            return [(place, edit) for place in places]
    moved: list[tuple[int, Edit]] = []
    for place in _places([line.strip() for line in lines], [line.strip() for line in edit.search]):
        new = _moved(edit, lines[place : place + len(edit.search)])
        if new is not None:
            moved.append((place, Edit(edit.search, tuple(new))))
    bare = _bare(edit)
    return moved if moved or bare == edit or not bare.search else _found(lines, bare)


def _bare(edit: Edit) -> Edit:
    """The edit without blank lines around SEARCH, and without as many around REPLACE."""
    wanted, new = list(edit.search), list(edit.replace)
    for end in (0, -1):
        while wanted and not wanted[end].strip():
            wanted.pop(end)
            if new and not new[end].strip():
                new.pop(end)
    return Edit(tuple(wanted), tuple(new))


def _places(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The first PLACES places at which the lines ``wanted`` stand in a row."""
    text, part = _rows(lines), _rows(wanted)
    found: list[int] = []
    at = text.find(part)
    while at >= 0 and len(found) < PLACES:
        found.append(text.count("\n", 0, at))
        at = text.find(part, at + 1)
    return found


def _rows(lines: Sequence[str]) -> str:
    return "".join(f"\n{line}" for line in lines) + "\n"


def _moved(edit: Edit, stand: Sequence[str]) -> list[str] | None:
    """The new lines indented by as much more or less as ``stand``, the lines of the file, are than those of SEARCH; ``None``
    where that is not the same for all of them."""
    pairs = [(a.rstrip(), b.rstrip()) for a, b in zip(stand, edit.search, strict=True) if b.strip()]
    if not pairs:
        return None
    gap = len(pairs[0][0]) - len(pairs[0][1])
    more, less = pairs[0][0][: max(gap, 0)], pairs[0][1][: max(-gap, 0)]
    fits = all(less + has == more + said for has, said in pairs)
    if not fits or not all(line.startswith(less) for line in edit.replace if line.strip()):
        return None
    return [more + line.removeprefix(less) if line.strip() else line for line in edit.replace]


def _nearest(lines: Sequence[str], search: Sequence[str]) -> str:
    """What the file has instead of lines that it does not have, and what to do."""
    again = "copy whole lines as they stand in the file, none left out, or give the file whole"
    have, wanted = ([line.strip()[:SHOWN] for line in some] for some in (lines, search))
    if not any(have):
        return "the file is empty; give it whole"
    match = SequenceMatcher(lambda line: not line, wanted, have).find_longest_match()
    if not match.size:
        close = get_close_matches(next(filter(None, wanted), ""), have, 1)
        near = (
            f"the line that comes nearest is {lines[have.index(close[0])]!r:.{SHOWN}}" if close else "none is like them"
        )
        return f"{near}; {again}"
    shift = match.b - match.a
    if match.size == len(wanted):
        at = next(n for n, line in enumerate(search) if lines[shift + n].rstrip() != line.rstrip())
    else:
        at = match.a + match.size if match.a + match.size < len(wanted) else match.a - 1
    place = shift + at
    has = f"{lines[place]!r:.{SHOWN}}" if 0 <= place < len(lines) else "no line"
    why = ", which differs in its indentation" if 0 <= place < len(lines) and have[place] == wanted[at] else ""
    return f"the file has {has} where SEARCH has {search[at]!r:.{SHOWN}}{why}; {again}"


def _begins(line: str | Block) -> bool:
    """Whether a part of an answer is the first line of an edit block."""
    return isinstance(line, str) and _is(_SEARCH, line, line)


def _is(mark: re.Pattern[str], line: str, first: str) -> bool:
    """Whether ``line`` is such a mark, indented as ``first``, the first line of its edit block."""
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    return line.startswith(indent) and bool(mark.fullmatch(line.rstrip(), len(indent)))


def _name(search: Sequence[str]) -> str:
    """How a problem calls an edit."""
    first = next((line.strip() for line in search if line.strip()), "")
    return f"the edit of {first!r:.{SHOWN}}" if first else "an edit of no text"


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
