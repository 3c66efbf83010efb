"""Grammars of the answers that are no plans: what is said is free, and where it is said is held.

Each is llguidance Lark text. A terminal is one whole line with its end: so where it ends is never in doubt, and no two that can
stand at the same place share a line. Lines that a reader (``shapes``, ``rulings``, ``patches``) would take for structure are kept
out of free text by the patterns below, which take in all that the reader's do. Where the answer may go on, its end is the
model's to say; everywhere else nothing can follow the last line.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from agent.models.base import Grammar
from agent.strategies import fences, patches
from agent.strategies.fences import Block
from agent.strategies.shapes import short_names
from graphs.errors import AnswerError
from graphs.values import Files, digest


@dataclass(frozen=True)
class Bounds:
    """How much free text may hold: far more than good answers need, so that only a model that has lost its way is stopped."""

    prose_chars: int = 2000
    """Characters of a line of prose, a reason or a requirement."""
    prose_lines: int = 100
    """Lines of prose before each heading or ruling."""
    line_chars: int = 500
    """Characters of a line of a file."""
    file_lines: int = 1500
    """Lines of a file; ``builder.md`` and ``planner.md`` ask for at most about 250."""
    part_lines: int = 300
    """Lines of a new test, of what an edit puts in, and of a fence within a file."""
    requirements: int = 40
    """Requirements of one specification; ``requirements.md`` speaks of up to 25."""


BOUNDS = Bounds()
"""Those of real answers; random texts keep to smaller ones."""

_ANY = "ANY: ~(/a/ & /b/)"
"""All bytes there are, in the only words that the engine sees at once to leave nothing when they are taken away."""
_CHAR = r"[^\x00-\x08\x0a-\x1f\x7f]"
"""No control character but the tab. Those above ASCII are let pass, for the engine knows this set: with them left out, too, a mask
over 100,000 tokens takes twenty times as long."""
_FENCE = r" {0,3}(```|~~~)"
"""What opens or closes a fence of ``fences``, and a little more: how a line begins is known before it has been written."""
_OF_FILES = "### "
"""How a heading begins that names a file. No prose begins so: who begins it for another path is led to one that may be given."""
_SEARCHES = r"[ \t]*<{5,9}[ \t]*(?i:search)[ \t:]*"
_DIVIDES = r"={5,9}"
_REPLACES = r">{5,9}[ \t]*(?i:replace)[ \t:]*"
"""The marks of edits, as ``patches`` has them."""
_DISPUTES = r"[^A-Za-z\n]*(?i:wrong[ _]test)"
"""A line that begins with these words, whatever signs are put before them."""
_WORDS = "(?i:keep|replace|unclear|test|equivalent|unspecified)"
_SAME = "(?i:same[ _]as)"
_LEAD = r"[\s*_>#-]*((?i:decision|result|verdict|answer)[*_]*\s*[:=][*_]*\s*)?[*_`]*"
_RULES = (rf"{_LEAD}{_WORDS}[*_`]*(\s*[:.–—-]|\s+[\"“]|\s*\n)", _LEAD + _SAME)
"""What ``rulings`` may take for a ruling."""
_TITLES = (r"\s*#", r"\s*\*\*[^ \t\n]+\*\*\s*\(")
"""What it may take for a heading when a name follows."""
_LETTER = r"A-Za-zÀ-ʯͰ-ᙿ\u3040-\ud7ff"
"""Few ranges of a class, since the engine goes through them byte by byte."""
_SAYING = rf"[^{_LETTER}0-9\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]{{0,40}}[{_LETTER}0-9]"
"""How a line begins that says something: signs, then a letter."""
_QUOTED = rf"([{_LETTER}]|\[?[(<$\/@.-]{{1,2}}[{_LETTER}]|[0-9]{{1,9}}([^0-9.)\n]|\.[0-9]))[^\n]{{3}}"
"""How the words of a quote begin: not with what is a marker or a sign to the reader of quotes, who would look for the rest."""
_LARGEST = 20_000
"""Characters of a specification that quotes are held to. In a longer one an engine with a vocabulary of 100,000 may have so
many places to look at that it gives up; from 30,000 on it did. There the reader sees whether they are found."""
_SHORT = 8
"""Characters of a line below which it is quoted whole or not at all."""
_MARKER = r"(((#{1,6}|[-*+]|[0-9]{1,3}[.)]|>)[ \t]+)*(\[[ xX]\][ \t]+)?[*_`\"'“]{0,4})"
_MARKERS = re.compile(r"\s*(?:(?:#{1,6}|[-*+]|\d+[.)]|>)\s+)*(?:\[[ xX]\]\s+)?")
"""What ``agent.spec`` passes over when it looks for a quote: what one may begin with, and what a line may."""
_WORD = r"\w+|\s|[^\w\s]"
"""What a quote holds whole or not at all."""
_BITS = 63
"""Bits of a parameter that stand for things; the engine has 64."""
_GAP = '"\\n"{0,3}'
"""Blank lines between what is said of one thing and of the next."""
_LABEL = "[A-Za-z0-9_+-]{0,20}"
_PROGRAM = "(python|py)?"
"""What may stand behind the ticks of a file, and of a new test, which must not look like a session."""
_SEARCH, _DIVIDER, _REPLACE = "<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n"


def requirements(spec_text: str, bounds: Bounds = BOUNDS) -> Grammar:
    """``R1: sentence``, ``R2: …`` in order, each with a quote of words that stand on one line of the specification."""
    long, short = _quotable(spec_text)
    words = list(map(_text, short))
    if long and len(spec_text) <= _LARGEST:
        words.append(f"{_chunks(re.findall(_WORD, long))} & (/{_QUOTED}/ ANY)")
    elif long or not short:
        words = [f"/{_SAYING}{_CHAR}{{0,{bounds.prose_chars}}}/"]
    rules = ["start: r1"]
    for n in range(1, bounds.requirements + 1):
        more = f" r{n + 1}?" if n < bounds.requirements else ""
        rules.append(f'r{n}: "R{n}: " SENTENCE quote "\\n"{{0,2}}{more}')
    rules += [
        f"SENTENCE: {_saying('', bounds)}",
        "quote[lazy]: QUOTE",  # it ends where its line does, though the words of the next line may follow
        f'QUOTE: "> " /{_MARKER}/ ({" | ".join(words)}) "\\n"',
    ]
    return _whole("requirements", [spec_text], rules)


def _quotable(spec_text: str) -> tuple[str, list[str]]:
    """The lines of a specification that words may be quoted from, as one text, and those so short that they are quoted whole."""
    lines = [unicodedata.normalize("NFC", _unmarked(line)).strip() for line in spec_text.split("\n")]
    lines = [line for line in dict.fromkeys(lines) if line.replace("\t", "").isprintable()]
    short = [line for line in lines if len(line) < _SHORT and re.search(r"[^\W_]", line)]
    return "\n".join(line for line in lines if len(line) >= _SHORT), short


def _unmarked(line: str) -> str:
    """A line without all that may be taken for a marker at its beginning."""
    while (marker := _MARKERS.match(line)) and marker.end():
        line = line[marker.end() :]
    return line


def files(owned: Sequence[str], bounds: Bounds = BOUNDS) -> Grammar:
    """Prose, and each of the files whole under its heading, in any order."""
    rules = ["start: all0::0x0"]
    groups = [owned[at : at + _BITS] for at in range(0, len(owned), _BITS)]
    for group, paths in enumerate(groups):
        further = f"all{group + 1}::0x0" if group + 1 < len(groups) else '""'
        rules += _choices(
            f"all{group}",
            [f"{further} %if is_ones([0:{len(paths)}])"]
            + [
                f"prose {_text(_head(path))} {_fenced(path)} all{group}::set_bit({n}) %if bit_clear({n})"
                for n, path in enumerate(paths)
            ],
        )
    rules += _prose(bounds, [_FENCE, _OF_FILES])
    rules += _fences(bounds, [])
    return _whole("files", list(owned), rules)


def tests(test_path: str, bounds: Bounds = BOUNDS) -> Grammar:  # noqa: PT028 - a shape and no test
    """Prose, and the test file whole under its heading, with one test at least."""
    rules = [f'start: prose {_text(_head(test_path))} "\\n"? (held3 | held4)']
    rules += _prose(bounds, [_FENCE, _OF_FILES])
    for ticks in (3, 4):
        rules += _frame(f"held{ticks}", ticks, r"[ \t]*", r"test\w*", bounds.file_lines, bounds)
    return _whole("tests", [test_path], rules)


def amend(ids: Sequence[str], bounds: Bounds = BOUNDS) -> Grammar:
    """For each test, in order: its heading, prose, and ``KEEP: reason``, ``UNCLEAR: reason`` or ``REPLACE: reason`` with a
    function of its name."""
    rules = [f"start: prose {f' {_GAP} '.join(f's{n}' for n in range(len(ids)))}"]
    for n, test_id in enumerate(ids):
        rules.append(f's{n}: {_text(_head(test_id))} prose (STAYS | REPLACED "\\n"? new{n})')
        rules += _test(f"new{n}", _function(test_id), bounds)
    return _whole("amend", list(ids), [*rules, *_prose(bounds, _structure(ids)), *_rulings(bounds, ids)])


def strengthen(
    changes: Sequence[str], idle: Sequence[str], differences: Sequence[str], bounds: Bounds = BOUNDS
) -> Grammar:
    """For each change and each idle test, and for as many of the differences as the model likes, in order: a heading, prose
    and a ruling that is possible there.

    ``SAME AS`` goes round in no circle: it names a change before it, or something after it that then has a ruling of its own.
    """
    everything = [*changes, *idle, *differences]
    bits = {name: bit for bit, name in enumerate([*changes, *differences][:_BITS])}
    rules = [f"start: {'prose' if changes or idle else 'some'} s0::0x0"]
    for n, name in enumerate(everything):
        head = f"{_GAP if n else ''} {_text(_head(name))} prose"
        then = f"s{n + 1}::_"
        unless_named = f"%if bit_clear({bits[name]})" if name in bits else ""
        if name in changes:
            same = [f"{head} SAME{m} {then} {unless_named}" for m in range(n)]
            same += [
                f"{head} SAME{everything.index(other)} s{n + 1}::set_bit({bit}) {unless_named}"
                for other, bit in bits.items()
                if everything.index(other) > n
            ]
            rules += _choices(f"s{n}", [f'{head} (EXCUSED | ADDED "\\n"? new) {then}', *same])
        elif name in idle:
            rules += _choices(f"s{n}", [f'{head} (KEPT | REPLACED "\\n"? new{n}) {then}'])
            rules += _test(f"new{n}", _function(name), bounds)
        else:
            rules += _choices(f"s{n}", [f'{head} ADDED "\\n"? new {then}', f"{then} {unless_named}"])
    end = _GAP if differences else '""'
    rules += _choices(f"s{len(everything)}", [f"{end} %if bit_clear({_BITS})"])  # always: a parameter must be asked for
    rules += [f"SAME{n}: {_text(f'SAME AS {name}')} REST" for n, name in enumerate(everything) if name in bits]
    rules += _test("new", r"test\w*", bounds)
    rules += [*_prose(bounds, _structure(everything)), *_rulings(bounds, everything)]
    return _whole("strengthen", [list(changes), list(idle), list(differences)], rules)


def repair(owned: Sequence[str], files: Files, failing: Sequence[str], bounds: Bounds = BOUNDS) -> Grammar:
    """Prose with at least one of: a file whole, a fence with edits of one, a line ``WRONG TEST id: reason``; each file and
    each test once. A piece ends where an edit begins, since what may be searched for hangs on the edits before it.

    Args:
        owned: the paths that may be given.
        files: path → text before the repair.
        failing: ids of the tests that may be held to be wrong.
        bounds: of free text.
    """
    following = partial(_next_of_repair, _Repair(tuple(owned), dict(files), tuple(failing), bounds))
    return _grammar("repair", [list(owned), dict(files), list(failing)], following)


@dataclass(frozen=True)
class _Repair:
    """What a repair may be made of."""

    owned: tuple[str, ...]
    """The paths that may be given."""
    files: dict[str, str]
    """Path → text before it."""
    failing: tuple[str, ...]
    """Ids of the tests that may be held to be wrong."""
    bounds: Bounds
    """Of free text."""


@dataclass(frozen=True)
class _Edited:
    """The file that an answer is about to edit."""

    text: str
    """As the edits before left it."""
    ticks: int
    """Of the fence around the edits."""


def _next_of_repair(repair: _Repair, said: str) -> str:
    if not said:
        return _lark(["start: prose one::0x0", *_changes(repair)])
    if not said.endswith(f"\n{_SEARCH}"):
        return ""
    used, edited = _said(repair, said)
    close = _text("`" * edited.ticks + "\n")
    put = f"PUT{{0,{repair.bounds.part_lines}}}"
    rules = [
        f"start: SEARCH {put} {_text(_REPLACE)} ({_text(_SEARCH)} | {close} rest::{used:#x})",
        f"SEARCH: {_unique(edited.text)} {_text(_DIVIDER)}",
        _line(
            "PUT",
            repair.bounds.line_chars,
            [_ticks(edited.ticks), rf"({_SEARCHES}|{_DIVIDES}|{_REPLACES})\s*\n"],
        ),
    ]
    return _lark([*rules, *_changes(repair)])


def _changes(repair: _Repair) -> list[str]:
    """``one``: what an answer changes next, of what its bits have not; ``rest``: that, prose or nothing."""
    options: list[str] = []
    disputes: list[str] = []
    for n, name in enumerate(_things(repair)):
        once, then = (f"%if bit_clear({n})", f"rest::set_bit({n})") if n < _BITS else ("", "rest::_")
        if n >= len(repair.owned):
            options.append(f"WRONG{n} {then} {once}")
            disputes.append(f"WRONG{n}: {_text(_disputed(name))} REASON")
            continue
        options.append(f"{_text(_head(name))} {_fenced(name)} {then} {once}")
        if openings := _openings(repair.files.get(name)):
            options.append(f'{_text(_head(name))} "\\n"? ({openings}) {_text(_SEARCH)} {once}')
    return [
        *_choices("one", options),
        *_choices("rest", ["prose", "prose one::_"]),
        *disputes,
        f"REASON: {_saying('', repair.bounds)}",
        *_prose(repair.bounds, [_FENCE, _OF_FILES, _SEARCHES, _DISPUTES]),
        *_fences(repair.bounds, [_SEARCHES]),
    ]


def _things(repair: _Repair) -> list[str]:
    """What each bit stands for: a path, or a test as it is shown, with its case or without."""
    shown = [name for test_id in repair.failing for name in (test_id.partition("[")[0], test_id)]
    return [*repair.owned, *dict.fromkeys(shown)]


def _openings(text: str | None) -> str:
    """The fences that edits of a text may stand in; none where lines of it would be taken for marks."""
    marks = "|".join((_SEARCHES, _DIVIDES, _REPLACES))
    if text is None or re.search(rf"^(?:{marks})\s*$", text, re.MULTILINE):
        return ""
    fenced = re.findall(r"^ {0,3}(`{3,})", text, re.MULTILINE)
    least = max((len(ticks) + 1 for ticks in fenced), default=3)
    return " | ".join(f"/`{{{ticks}}}{_LABEL}\\n/" for ticks in sorted({least, max(least, 4)}))


def _said(repair: _Repair, said: str) -> tuple[int, _Edited]:
    """What an answer has spoken of, as bits, and the file whose next edit it has begun."""
    things, named, edits = _things(repair), [""], ""
    for part in fences.parts(said):
        if isinstance(part, Block):
            named.append(part.above[0].removeprefix("### "))
            edits = part.text
        else:
            named += [name for name in things if part.startswith(_disputed(name))]
    path = named[-1]
    text = repair.files[path]
    for edit in re.split(rf"^{_SEARCH}", edits, flags=re.MULTILINE)[1:-1]:
        with suppress(AnswerError):  # it changes nothing, which is for the reader to say
            text = patches.patched(path, text, [Block("", _SEARCH + edit, (), closed=True)])
    opening = re.findall(rf"^(`+)\S*\n{_SEARCH}", said, re.MULTILINE)[-1]
    return sum(1 << n for n, name in enumerate(things[:_BITS]) if name in named), _Edited(text, len(opening))


def _unique(text: str) -> str:
    """A terminal of the runs of whole lines that occur once in a text; of a blank text, of nothing."""
    if not text.strip():
        return '""'
    lines = [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
    chunks = [f"{line}\n" for line in lines]
    once = f"{_chunks(chunks)} & /(?s:.+)/"
    repeated = _repeated(chunks)
    return f"({once} & ~{_chunks(repeated)})" if repeated else f"({once})"


def _repeated(lines: Sequence[str]) -> list[str]:
    """The longest runs of lines that occur more than once, one after another, with a line of no file between them."""
    order = sorted(range(len(lines)), key=lambda at: tuple(lines[at:]))
    longest = [0] * len(lines)
    for one, other in pairwise(order):
        same = 0
        while max(one, other) + same < len(lines) and lines[one + same] == lines[other + same]:
            same += 1
        longest[one], longest[other] = max(longest[one], same), max(longest[other], same)
    runs: dict[tuple[str, ...], None] = {}
    for at, length in enumerate(longest):
        if length and (not at or longest[at - 1] <= length):  # else it is the end of the run one line before
            runs[tuple(lines[at : at + length])] = None
    return [line for run in runs for line in (*run, "\0\n")]


def _chunks(texts: Sequence[str]) -> str:
    """A terminal of every run of some texts."""
    return f"%regex {json.dumps({'substring_chunks': list(texts)}, ensure_ascii=False)}"


def _disputed(test_id: str) -> str:
    return f"WRONG TEST {test_id}: "


def _head(name: str) -> str:
    return f"### {name}\n"


def _fenced(path: str) -> str:
    """The text of a file in a fence; a page holds fences as a matter of course, so that only four ticks say where it ends."""
    return '"\\n"? file4' if path.endswith(".md") else '"\\n"? (file3 | file4)'


def _prose(bounds: Bounds, without: Sequence[str]) -> list[str]:
    """``prose``: lines, perhaps none; ``some``: one at least."""
    most = bounds.prose_lines
    return [f"prose: PROSE{{0,{most}}}", f"some: PROSE{{1,{most}}}", _line("PROSE", bounds.prose_chars, without)]


def _structure(names: Sequence[str]) -> list[str]:
    """What ``rulings`` may take for structure where these are ruled on: among it a name, and nothing after it but a ruling."""
    start = r"([#*>`\s-]|\d+[.)])*((?i:test|change|difference)(\s*:)?\s+)?"
    alone = r"[*`\"':]*\s*\n"
    ruled = rf"[*`\"']*[\s:–—-]*(\*\*[\s:]*)?(\n|[*`]*({_WORDS}|{_SAME})[^A-Za-z0-9_])"
    return [_FENCE, *_RULES, *_TITLES, rf"{start}{_naming(names)}[^ \t\n]*(\(\))?({alone}|{ruled})"]


def _naming(names: Iterable[str]) -> str:
    """How something begins that may be a name."""
    known = _any(short for name in names for short in short_names(name))
    return rf"[*`\"']*({known}|[^ \t\n]+::test|test_)"


def _rulings(bounds: Bounds, names: Sequence[str]) -> list[str]:
    """Lines with a ruling and its reason. That of a new test begins with no name: the line could be a heading."""
    return [
        f"STAYS: {_saying('(KEEP|UNCLEAR): ', bounds)}",
        f"KEPT: {_saying('KEEP: ', bounds)}",
        f"REPLACED: {_saying('REPLACE: ', bounds)}",
        f"EXCUSED: {_saying('(EQUIVALENT|UNSPECIFIED): ', bounds)}",
        f"ADDED: {_saying('TEST: ', bounds)} & ~(/TEST:\\s*{_naming(names)}/ ANY)",
        rf"REST: /([ \t.,:;()]{_CHAR}{{0,{bounds.prose_chars}}})?\n/",
    ]


def _saying(word: str, bounds: Bounds) -> str:
    """A line that says something after a word."""
    return rf"/{word}{_SAYING}{_CHAR}{{0,{bounds.prose_chars}}}\n/"


def _function(test_id: str) -> str:
    """The pattern of the name of the function that a test is."""
    return re.escape(test_id.partition("[")[0].rpartition("::")[2])


def _test(rule: str, name: str, bounds: Bounds) -> list[str]:
    """``rule``: a new test in a fence."""
    parts = [f"{rule}_{ticks}" for ticks in (3, 4)]
    rules = [f"{rule}: {' | '.join(parts)}"]
    for part, ticks in zip(parts, (3, 4), strict=True):
        rules += _frame(part, ticks, " *", name, bounds.part_lines, bounds, _PROGRAM)
    return rules


def _frame(rule: str, ticks: int, indent: str, name: str, most: int, bounds: Bounds, label: str = _LABEL) -> list[str]:
    """``rule``: a fence with lines of which one begins a function whose name is of that pattern."""
    of = rule.upper()
    begins = rf"{indent}(async +)?def {name}\("
    nested = f"{rule}_in"
    return [
        f"{rule}: {of}_OPEN ({of}_BEFORE | {nested}){{0,{most}}} {of}_DEF ({of}_LINE | {nested}){{0,{most}}} "
        + _text("`" * ticks + "\n"),
        *_nested(rule, ticks, bounds),
        f"{of}_OPEN: /`{{{ticks}}}{label}\\n/",
        f"{of}_DEF: /{begins}{_CHAR}{{0,{bounds.line_chars}}}\\n/",
        _line(f"{of}_BEFORE", bounds.line_chars, [_ticks(ticks), begins]),
        _line(f"{of}_LINE", bounds.line_chars, [_ticks(ticks)]),
    ]


def _fences(bounds: Bounds, without: Sequence[str]) -> list[str]:
    """``file3`` and ``file4``: a file in a fence of that many ticks. A fence with a label within it is a part of it."""
    rules: list[str] = []
    for ticks in (3, 4):
        rule = f"file{ticks}"
        of = rule.upper()
        rules += [
            f"{rule}: {of}_OPEN ({of}_LINE | {rule}_in){{0,{bounds.file_lines}}} {_text('`' * ticks + chr(10))}",
            *_nested(rule, ticks, bounds),
            f"{of}_OPEN: /`{{{ticks}}}{_LABEL}\\n/",
            _line(f"{of}_LINE", bounds.line_chars, [_ticks(ticks), *without]),
        ]
    return rules


def _nested(rule: str, ticks: int, bounds: Bounds) -> list[str]:
    of = rule.upper()
    return [
        f"{rule}_in: {of}_IN {of}_LINE{{0,{bounds.part_lines}}} {of}_OUT",
        f"{of}_IN: / {{0,3}}`{{{ticks},}}[ \\t]*{_LABEL[:-6]}{{1,80}}\\n/",
        f"{of}_OUT: / {{0,3}}`{{{ticks},}}[ \\t]*\\n/",
    ]


def _ticks(least: int) -> str:
    """What opens or closes a fence of at least so many ticks."""
    return rf" {{0,3}}`{{{least}}}"


def _line(name: str, most: int, without: Sequence[str]) -> str:
    """A terminal: a line of at most so many characters that begins with none of these; a pattern may take in its end."""
    return rf"{name}: /{_CHAR}{{0,{most}}}\n/ & ~((/{'/ | /'.join(without)}/) ANY)"


def _any(names: Iterable[str]) -> str:
    return "|".join(re.escape(name).replace("/", r"\/") for name in dict.fromkeys(names))


def _choices(rule: str, options: Sequence[str]) -> list[str]:
    """A rule with a parameter."""
    return [f"{rule}::_: {options[0]}", *(f"  | {option}" for option in options[1:])]


def _text(text: str) -> str:
    """Exactly this, as the grammar has it."""
    return json.dumps(text, ensure_ascii=False)


def _whole(name: str, parameters: Collection[object], rules: Sequence[str]) -> Grammar:
    """The grammar of an answer in one piece."""
    lark = _lark(rules)
    return _grammar(name, parameters, lambda said: "" if said else lark)


def _lark(rules: Iterable[str]) -> str:
    return "\n".join(["%llguidance {}", *rules, _ANY])


def _grammar(name: str, parameters: Collection[object], following: Callable[[str], str]) -> Grammar:
    return Grammar(name, digest([name, *parameters, following("")]), following)
