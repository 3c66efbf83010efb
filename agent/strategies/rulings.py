"""What a test writer rules on tests: on those in doubt, and on what the tests there are do not notice.

Each ruling stands under a heading that names what it is about, on a line of its own: a word, a colon and the reason. A new
test follows in a fenced block. As in ``shapes``, what else is written around it counts for nothing.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from agent.strategies.fences import Block, blocks, parts
from agent.strategies.shapes import short_names
from graphs.errors import AnswerError
from graphs.values import Amendment, Strengthening

_WORDS = "KEEP|REPLACE|UNCLEAR|TEST|EQUIVALENT|UNSPECIFIED"
_LEAD = r"^[\s*_>#-]*+(?:(?:decision|result|verdict|answer)[*_]*+\s*+[:=][*_]*+\s*+)?+[*_`]*+"
_RULING = re.compile(
    rf"{_LEAD}(?P<word>{_WORDS})[*_`]*+(?:\s*[:.–—-]+[*_`]*(?P<reason>.*)|\s+(?P<quoted>[\"“].*)|\s*)$", re.IGNORECASE
)
_SAME = re.compile(rf"{_LEAD}SAME[ _]AS[a-z\s:*_`]{{0,40}}?\b(?P<other>[MD]\d+)(?!\w)", re.IGNORECASE)
_NAME_START = r"^(?:[#*>`\s-]|\d+[.)])*+(?:(?i:test|change|difference)(?:\s*+:)?\s++)?+[*`\"']*+"
_OTHER_TEST = re.compile(rf"{_NAME_START}(?:\S+::test\w*|test_\w+)(?:\(\))?[*`\"':]*\s*$")
_NEXT_NAME = re.compile(r"[\s*`]*+(?:,|/|&|\+|and\b)[\s*`]*+(?P<name>[MD]\d+)(?!\w)[*`]*")


@dataclass(frozen=True)
class _Choice:
    """What may be ruled on one thing."""

    words: tuple[str, ...]
    """The first words of rulings."""
    asked: str
    """The lines to choose from, as a problem names them."""
    reasoned: tuple[str, ...]
    """Words that need a reason."""


_DOUBT = _Choice(
    ("KEEP", "REPLACE", "UNCLEAR"),
    "'KEEP: reason', 'REPLACE: reason' or 'UNCLEAR: reason'",
    ("KEEP", "REPLACE", "UNCLEAR"),
)
_CHANGE = _Choice(
    ("TEST", "SAME AS", "EQUIVALENT", "UNSPECIFIED"),
    "'TEST: reason', 'SAME AS' and another id, 'EQUIVALENT: reason' or 'UNSPECIFIED: reason'",
    ("EQUIVALENT", "UNSPECIFIED"),
)
_IDLE = _Choice(("REPLACE", "KEEP"), "'REPLACE: reason' or 'KEEP: reason'", ())
_DIFFERENCE = _Choice(("TEST",), "'TEST: reason'", ())


@dataclass
class _Section:
    """What an answer says of one thing."""

    choice: _Choice
    """What may be said of it."""
    words: list[str] = field(default_factory=list)
    """First words of rulings, each time one is given."""
    reason: list[str] = field(default_factory=list)
    """Lines, up to the first blank one."""
    same_as: str = ""
    """The id whose ruling holds for this one, too."""
    sources: list[Block] = field(default_factory=list)
    """Blocks of code after the word."""

    @property
    def word(self) -> str:
        """The ruling; empty when there is none."""
        return self.words[0] if self.words else ""

    @property
    def why(self) -> str:
        """Its reason."""
        return " ".join(self.reason).strip(" *_")

    @property
    def source(self) -> str:
        """The new test, at the margin."""
        return textwrap.dedent(self.sources[0].text)

    def problem(self) -> str:
        """What is missing; empty when nothing is."""
        words = list(dict.fromkeys(self.words))
        if not words:
            return f"nothing is decided; put a line {self.choice.asked} under its heading"
        if len(words) > 1:
            return f"both {words[0]} and {words[1]} are given; decide on one"
        if words[0] in self.choice.reasoned and not self.why:
            return f"no reason is given; write {words[0]}, a colon, and the words of the contract that decide it"
        if words[0] in ("REPLACE", "TEST"):
            if not self.sources:
                return f"{words[0]} needs the whole new test function in a fenced block after it"
            if len({block.text for block in self.sources}) > 1:
                return "several blocks of code are given; give one, with the whole test function"
            if not self.sources[0].closed:
                return "the answer ends in the middle of the new test function; give it whole"
        return ""


def read_amendment(answer: str, ids: Sequence[str]) -> Amendment:
    """What is said of each test in doubt, under a heading with its id.

    A line ``KEEP: reason`` or ``UNCLEAR: reason`` keeps it (the reason of the latter begins with ``unclear:``); a line
    ``REPLACE: reason`` and a block of code replace it. What is said of other tests counts for nothing.

    ``AnswerError`` names each test on which the answer gives no reason, no decision or two, and code that is cut.
    """
    problems: list[str] = []
    replaced: dict[str, str] = {}
    kept: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for test_id, section in _read(answer, dict.fromkeys(ids, _DOUBT)).items():
        if problem := section.problem():
            problems.append(f"{test_id}: {problem}")
        elif section.word == "REPLACE":
            replaced[test_id] = section.source
            reasons[test_id] = section.why
        else:
            kept[test_id] = f"unclear: {section.why}" if section.word == "UNCLEAR" else section.why
    if problems:
        raise AnswerError(problems)
    return Amendment(replaced, kept, reasons)


def read_strengthening(
    answer: str, changes: Collection[str], idle: Collection[str], differences: Collection[str]
) -> Strengthening:
    """What is said of each change that went unnoticed, of tests that notice nothing, and of what programs do differently.

    A change (``M1``) needs a ruling: ``TEST`` and a block of code, ``SAME AS M2``, ``EQUIVALENT: reason`` or
    ``UNSPECIFIED: reason``. A test may be given a ``REPLACE`` and a block of code, a difference (``D1``) a ``TEST``.

    ``AnswerError`` names each change on which nothing is ruled or two things are, and code that is missing or cut.
    """
    choices = {
        **dict.fromkeys(changes, _CHANGE),
        **dict.fromkeys(idle, _IDLE),
        **dict.fromkeys(differences, _DIFFERENCE),
    }
    sections = _read(answer, choices)
    problems: list[str] = []
    added: dict[str, str] = {}
    excused: dict[str, str] = {}
    replaced: dict[str, str] = {}
    for name, section in sections.items():
        if not section.words and name not in changes:
            continue
        if problem := section.problem() or _astray(name, sections, changes):
            problems.append(f"{name}: {problem}")
            continue
        ruled = sections[_settled(name, sections)]
        if ruled.word == "REPLACE":
            replaced[name] = ruled.source
        elif ruled.word == "TEST" and ruled.sources:
            added[name] = ruled.source
        elif ruled.word in ("EQUIVALENT", "UNSPECIFIED"):
            excused[name] = f"{ruled.word.lower()}: {ruled.why}"
    if problems:
        raise AnswerError(problems)
    return Strengthening(added, excused, replaced)


def _settled(name: str, sections: Mapping[str, _Section]) -> str:
    """Where the ruling stands that ``SAME AS`` leads to; an unknown id, or one of a circle, where it leads nowhere."""
    seen = {""}
    while name in sections and sections[name].same_as not in seen:
        name = sections[name].same_as
        seen.add(name)
    return name


def _astray(name: str, sections: Mapping[str, _Section], changes: Collection[str]) -> str:
    """What is wrong with ``SAME AS``; empty when nothing is, or when it is named elsewhere."""
    end = _settled(name, sections)
    if end not in sections:
        others = ", ".join(other for other in changes if other != name) or "none"
        return f"SAME AS leads to {end}, which is not among the others ({others}); decide on it by itself"
    if sections[end].same_as:
        return "SAME AS goes round in a circle; give the test for one of them"
    if not sections[end].words and end not in changes:
        return f"SAME AS leads to {end}, for which no test is given; decide on it by itself"
    return ""


def _read(answer: str, choices: Mapping[str, _Choice]) -> dict[str, _Section]:
    """Id → what stands under its heading; with one id, the whole answer does."""
    sections = _sections(answer, choices)
    all_blocks = blocks(answer)
    if len(all_blocks) == 1 and not any(section.words for section in sections.values()):
        return _sections(all_blocks[0].text, choices)  # the whole answer was wrapped in a fence
    return sections


def _sections(answer: str, choices: Mapping[str, _Choice]) -> dict[str, _Section]:
    sections = {name: _Section(choice) for name, choice in choices.items()}
    names = _names(choices)
    heading, lax = _headings(names)
    now = list(sections.values()) if len(sections) == 1 else []
    open_reason = False
    for part in parts(answer):
        if isinstance(part, Block):
            for section in now:
                if section.words and not part.shows_use:
                    section.sources.append(part)
            open_reason = False
            continue
        line = part
        if match := heading.match(line) or lax.match(line):
            found, line = _named(match, names)
            now, open_reason = [sections[name] for name in found], False
        same, ruling = _SAME.match(line), _RULING.match(line)
        word = "SAME AS" if same else ruling["word"].upper() if ruling else ""
        ruled = [section for section in now if word in section.choice.words]
        if not ruled and _is_other(line, now):
            now = []
        for section in ruled:
            section.words.append(word)
            section.same_as = same["other"].upper() if same else ""
            section.reason = [(ruling["reason"] or ruling["quoted"] or "").strip()] if ruling else []
        if ruled:
            open_reason = True
        elif open_reason:
            for section in now:
                section.reason += [line.strip()] if line.strip() else []
            open_reason = bool(line.strip()) or not any(any(section.reason) for section in now)
    return sections


def _is_other(line: str, now: Sequence[_Section]) -> bool:
    """Whether a line names another test, so that what follows is about that one. A new test may be named before it is given."""
    named = _OTHER_TEST.match(line)
    return bool(named) and ("::" in line or not any("TEST" in section.choice.words for section in now))


def _names(ids: Collection[str]) -> dict[str, str]:
    """What each thing may be called → its id; names that several share call none."""
    every = [(name, of) for of in ids for name in short_names(of)]
    return {name: of for name, of in every if sum(name == other for other, _ in every) == 1}


def _headings(names: Mapping[str, str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A line that names something, and perhaps what is ruled on it; where it is clearly a heading it may also say more."""
    anyone = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or r"(?!)"
    start = rf"{_NAME_START}(?P<name>{anyone})(?:\(\))?[*`\"']*"
    strict = rf"(?=[\s:–—-]*(?:\*\*[\s:]*)?(?:$|[*`]*(?i:{_WORDS}|SAME[ _]AS)\b))[\s:–—-]*(?P<rest>.*)$"
    return re.compile(start + strict), re.compile(
        rf"(?=\s*(?:#|\*\*\S+\*\*\s*\()){start}(?=[\s:(,/&+–—-])(?P<rest>.*)$"
    )


def _named(match: re.Match[str], names: Mapping[str, str]) -> tuple[list[str], str]:
    """The ids in a heading (``M1, M2 and M3``), and what follows them."""
    found, rest = [names[match["name"]]], match["rest"]
    while (more := _NEXT_NAME.match(rest)) and more["name"] in names:
        found.append(names[more["name"]])
        rest = rest[more.end() :]
    return found, rest.lstrip(" \t:–—-")
