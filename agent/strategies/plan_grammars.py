"""Grammars of plans and of what becomes of them: components, parts, revisions, as YAML after free reasoning.

A plan's ids and files are the model's own. What must not be named twice, or must have been named before, is known because
an answer comes in pieces: one ends after each file but the last of a component, and one within ``contract:``, whose
interface may then name the component's files. A next component begins within the piece of the contract before it. So
every text is a plan without a cycle, without unknown ids, and with one owner for each file.

A piece ends in a comma, in the word of a key or in the last line: where tokens end by themselves, and not in white space, which
some chat templates strip from an answer that is to be gone on with.

Left to the reader, which asks again by name: whether requirements are covered, whether a command starts a program that is
there, whether quotes stand in the specification, and all code, interfaces and examples: it is never held to a grammar.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePosixPath
from typing import TypeVar

from agent.checks import TOOLCHAINS
from agent.models.base import Grammar
from agent.paths import DEVICES, HOOKS, IMPORT_ROOTS, RUNNER, SUFFIXES
from graphs import dag
from graphs.document import KINDS
from graphs.edits import FEWEST_PARTS
from graphs.values import Component, Plan, digest, to_json

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Bounds:
    """How much there may be of what the model's own words are: far more than good answers need, so that only a model that has
    lost its way is stopped."""

    prose_lines: int = 40
    """Lines of reasoning before the block; prompts ask for at most fifteen."""
    block_lines: int = 400
    """Lines of a behaviour or an interface after the first; the longest recorded one has sixty."""
    example_lines: int = 100
    """Lines of an example after the first; the longest recorded one has sixteen."""
    examples: int = 10
    """Examples of one contract; recorded ones have at most three."""
    line_chars: int = 1000
    """Characters of a line of prose or code; recorded ones have at most 270."""
    text_chars: int = 600
    """Characters of a text that must stand on one line, such as a purpose or a quote; recorded ones have at most 250."""
    id_chars: int = 60
    """Characters of an id after its first, or after what it must begin with."""
    files: int = 30
    """Files of one component; recorded ones have at most six."""
    directories: int = 4
    """Directories that a file may lie in, one in another; recorded ones lie in one or two. With the defaults of these and of
    what follows, no name is too long for ``agent.paths``."""
    part_chars: int = 40
    """Characters of a directory's name, and of a file's before its endings."""
    endings: int = 2
    """Of a file name, as in ``data.tar.gz``."""
    ending_chars: int = 10
    """Characters of each, after its dot."""
    edits: int = 40
    """Edits of one revision."""
    wishes: int = 40
    """Requirements that one revision may bring or reword."""


BOUNDS = Bounds()
"""Those of real answers; random texts keep to smaller ones."""

VERSION = 1
"""Of what the texts below let through: part of each digest, raised when it changes."""
MOST_COMPONENTS = 40
"""Components of one plan; the largest exemplar has thirteen."""
MOST_PARTS = 4
"""Parts that one split may make, as its prompt says."""

_MARKS = 64
"""Things of which a grammar can remember whether they have been said."""
_WITHOUT_CODE = ("data", "docs")
"""Kinds of components whose contract need not name an interface."""
_NEVER = r"\x00-\x08\n-\x1F\x7F"
"""Control characters, as the inside of a set. What else YAML refuses the reader takes for a blank: a set that leaves out more than
these is one that the engine must go through token by token."""
_UNSEEN = r" \t\u{A0}\u{1680}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}"
"""Characters that a reader takes away at the ends of a text, so that it cannot be made of them alone."""
_ANY = f"[^{_NEVER}]"
_SEEN = rf"[^{_UNSEEN}{_NEVER}]"
_SPACED = rf"[^\t{_NEVER}]"
"""Without tabs, which YAML lets stand in quotes and blocks only."""
_NULL = "null|Null|NULL"
"""Words that YAML takes for no value at all."""
_END = "\n```\n"
"""What an answer ends with."""
_PLAIN_WORD = re.compile(r"[\w./-][\w./+@:<>=!~-]*")
_FIELD = re.compile(r"^(?:  - | {4}| {6})(?P<key>[a-z_]+): ?(?P<value>.*)$")
_ITEM = re.compile(r"[^\s,\[\]]+")


def plan(
    requirements: Sequence[str], packages: Sequence[str], max_components: int = MOST_COMPONENTS, bounds: Bounds = BOUNDS
) -> Grammar:
    """Of a plan, in the form of ``planner.md``.

    Args:
        requirements: ids of the requirements that components may cover.
        packages: requirement strings of the packages that may be used.
        max_components: how many there may be.
        bounds: of the model's own words.
    """
    known = _Known(bounds, (), tuple(requirements), tuple(packages))

    def following(so_far: str) -> str:
        if not so_far:
            languages = " | ".join(map(_literal, TOOLCHAINS))
            head = rf"""
start: reasoning "title: " text language? entry? "components:\n  - " component
language: "language: " LANGUAGE EOL
LANGUAGE: {languages}
{_ENTRY}"""
            return _grammar(bounds, head, _reasoning(bounds), *_component(4, known))
        return _next_component(so_far, "components", known, 1, max_components)

    return _named("plan", [requirements, packages, max_components], bounds, following)


def component(component: Component, bounds: Bounds = BOUNDS) -> Grammar:
    """Of one component whose purpose and contract are written anew; all else is as it is, in the form of ``respecify.md``."""
    kept = [
        ("kind", component.kind),
        *((name, _flow(getattr(component, name))) for name in ("files", "depends_on", "requirements", "packages")),
    ]
    rest = "".join(f"{name}: {value}\n" for name, value in kept) + "contract:\n"

    def following(so_far: str) -> str:
        if so_far:
            return ""
        start = rf"""
start: reasoning {_literal(f"id: {component.id}")} "\npurpose: " text {_literal(rest)} contract "```\n"
contract: "  behaviour" after_behaviour | "  interface" after_interface
"""
        public = _is_public(component.kind, component.files)
        return _grammar(bounds, start, _reasoning(bounds), *_contract(2, component.files, public, bounds))

    return _named("respecify", [component], bounds, following)


def parts(component: Component, bounds: Bounds = BOUNDS, max_parts: int = MOST_PARTS) -> Grammar:
    """Of the parts that are cut out of a component, at most ``max_parts``, in the form of ``split.md``."""
    shown = component.contract.interface
    known = _Known(
        bounds,
        components=tuple(_Begun(i) for i in (component.id, *component.depends_on)),
        requirements=component.requirements,
        packages=component.packages,
        prefix=f"{component.id}_",
        offered=component.depends_on,
        taken=component.files,
        free=tuple(path for path in component.files if path not in shown),
        keeps_one=not any(path in shown for path in component.files),
    )

    def following(so_far: str) -> str:
        if not so_far:
            start = 'start: reasoning "parts:\\n  - " component'
            return _grammar(bounds, start, _reasoning(bounds), *_component(4, known))
        return _next_component(so_far, "parts", known, FEWEST_PARTS, max_parts)

    fixed = [component] if max_parts == MOST_PARTS else [component, max_parts]
    return _named("split", fixed, bounds, following)


def revision(
    plan: Plan, packages: Sequence[str], bounds: Bounds = BOUNDS, max_components: int | None = None
) -> Grammar:
    """Of what changes ``plan``: requirements, then edits, in the form of ``revise.md``.

    A component is dropped only while no other depends on it: whatever does is rewired first.

    Args:
        plan: the plan in force.
        packages: requirement strings of the packages that may be used.
        bounds: of the model's own words.
        max_components: how many there may be after each edit; ``None``: any number.
    """
    before = _Known(
        bounds,
        components=tuple(_Begun(c.id, c.kind, c.files, c.depends_on) for c in plan.components),
        requirements=tuple(r.id for r in plan.requirements),
        packages=tuple(packages),
        max_components=max_components,
    )

    def following(so_far: str) -> str:
        if not so_far:
            start = 'start: reasoning (rest | "requirements: []" EOL rest | "requirements:\\n" wish)'
            return _grammar(bounds, start, _reasoning(bounds), *_wish(before, ()), *_rest(before, ()))
        body = _body(so_far)
        if body.endswith(_END):
            return ""
        head, begun, rest = f"\n{body}".partition("\nedits:\n")
        wishes = tuple(entry["id"] for entry in _entries(head))
        if not begun:
            more = "(wish | rest)" if len(wishes) < bounds.wishes else "rest"
            start = f'start: ": " text "    quote: " text {more}'
            return _grammar(bounds, start, *_wish(before, wishes), *_rest(before, wishes))
        dropped = next((_items(line) for line in head.split("\n") if line.startswith("drop_requirements:")), ())
        left = tuple(i for i in dict.fromkeys((*before.requirements, *wishes)) if i not in dropped)
        return _within_edits(rest, replace(before, requirements=left))

    fixed = [plan, packages] if max_components is None else [plan, packages, max_components]
    return _named("revise", fixed, bounds, following)


@dataclass(frozen=True)
class _Begun:
    """What is known of a component that a plan has, or that an answer has begun."""

    id: str
    """Its id."""
    kind: str = "library"
    """As in ``graphs.document.KINDS``."""
    files: tuple[str, ...] = ()
    """Those given so far."""
    depends_on: tuple[str, ...] = ()
    """As given."""


@dataclass(frozen=True)
class _Known:
    """What a component that is yet to be written may name, and what it may not."""

    bounds: Bounds
    """Of the model's own words."""
    components: tuple[_Begun, ...]
    """Those that are there: their ids and files are taken."""
    requirements: tuple[str, ...]
    """Ids that may be covered."""
    packages: tuple[str, ...]
    """Requirement strings that may be asked for."""
    prefix: str = ""
    """What an id, and a part of each new file, must begin with."""
    offered: tuple[str, ...] | None = None
    """Ids that may be depended on; ``None``: all that are there."""
    taken: tuple[str, ...] = ()
    """Files that may not be given, beyond those of ``components``."""
    free: tuple[str, ...] = ()
    """Files that may be given although they are among ``taken``."""
    keeps_one: bool = False
    """Whether one of ``free`` must be left."""
    max_components: int | None = None
    """How many components a revision may lead to; ``None``: any number."""

    def files(self) -> tuple[str, ...]:
        """All that have an owner now."""
        return (*self.taken, *(path for begun in self.components for path in begun.files))


def _named(name: str, parameters: object, bounds: Bounds, following: Callable[[str], str]) -> Grammar:
    said = [name, VERSION, to_json(parameters), *([] if bounds == BOUNDS else [to_json(bounds)])]
    return Grammar(name, digest(said), following)


def _grammar(bounds: Bounds, *rules: str) -> str:
    """Lark text of the rules; those that are given twice are written once."""
    lines = dict.fromkeys(line for rule in rules for line in rule.strip("\n").split("\n"))
    return "\n".join(["%llguidance {}", *lines, _text(bounds), _eol(bounds), ""])


def _text(bounds: Bounds) -> str:
    """Rule ``text``: one line that YAML, or the reader where YAML stumbles, takes for text, all of it: what follows `` #`` would
    be lost."""
    most = bounds.text_chars
    return rf"""text: PLAIN "\n" | QUOTED "\n"
PLAIN: /[^-?:,~\[\]{{}}#&!|>'"{_UNSEEN}{_NEVER}]([^ \t{_NEVER}]| {{1,3}}[^ \t#{_NEVER}]){{0,{most}}}/ & ~/{_NULL}/
QUOTED: DOUBLE | SINGLE
DOUBLE: /"([^"\\{_UNSEEN}{_NEVER}]|\\["\\])([^"\\\t{_NEVER}]|\\["\\]){{0,{most}}}"/
SINGLE: /'([^'{_UNSEEN}{_NEVER}]|'')([^'\t{_NEVER}]|''){{0,{most}}}'/"""


def _eol(bounds: Bounds) -> str:
    """``EOL``: the end of a line that holds no text; a remark may stand there, as in the form that the prompt shows."""
    return rf"EOL: /( {{1,40}}#{_SPACED}{{0,{bounds.text_chars}}})?\n/"


def _reasoning(bounds: Bounds) -> str:
    """Rule ``reasoning``: prose, and the opening of the block."""
    return rf"""
reasoning: PROSE{{0,{bounds.prose_lines}}} "```yaml\n"
PROSE: / {{0,3}}(`{{1,2}}|~{{1,2}})?([^`~{_NEVER}]{_ANY}{{0,{bounds.line_chars}}})?\n/
"""


_REST = r"""
ANY: ~(/a/ & /b/)
WITHIN: (/\// ANY)?
"""
"""What may follow the beginning of a path that is refused. Of ``ANY``, all bytes there are, the engine sees at once that it leaves
nothing when it is taken away; of ``.*`` it would have to try all paths, and gives up."""
_ENTRY = r"""
entry: "entry: " (text | NOTHING EOL)
NOTHING: "''" | "\"\""
"""


def _literal(text: str) -> str:
    return json.dumps(text)


def _flow(items: Iterable[str]) -> str:
    """A list as YAML writes it on one line."""
    return f"[{', '.join(map(_word, items))}]"


def _word(text: str) -> str:
    """A word as YAML reads it back, within a list or as a key."""
    return text if _PLAIN_WORD.fullmatch(text) and text not in _NULL.split("|") else json.dumps(text)


def _one_of(words: Iterable[str]) -> str:
    """Alternatives of a terminal, such as ``"a" | "b"``."""
    return " | ".join(dict.fromkeys(map(_literal, words)))


def _list(name: str, words: Sequence[str]) -> str:
    """Rule ``name``: what stands between the brackets of a list of some of the words, and the closing one."""
    if not words:
        return f'{name}: "]"'
    terminal = name.upper()
    rest = f'(", " {terminal}){{0,{len(words) - 1}}}' if len(words) > 1 else ""
    return f'{name}: "]" | {terminal} {rest} "]"\n{terminal}: {_one_of(words)}'


def _names_of(packages: Sequence[str]) -> list[str]:
    """How packages may be asked for: by name, or as they are allowed."""
    return [word for text in packages for word in (re.split(r"[^\w.-]", text)[0], _word(text))]


def _is_public(kind: str, files: Iterable[str]) -> bool:
    """Whether the contract must name an interface, as ``graphs.dag.problems`` asks."""
    code = (path for path in files if path.endswith(".py") and PurePosixPath(path).name != "__init__.py")
    return kind not in _WITHOUT_CODE and any(code)


def _component(at: int, known: _Known) -> tuple[str, ...]:
    """Rules of ``component``: from ``id:`` to within the contract, or to the comma after the first file."""
    key = " " * at
    begun = {each.id for each in known.components}
    free_ids = " | ".join(_literal(i) for i in sorted(begun))
    pattern = f"{known.prefix}[a-z0-9_]" + "{1," if known.prefix else "[a-z][a-z0-9_]{0,"
    taken = f" & ~({free_ids})" if free_ids else ""
    kinds = " | ".join(map(_literal, KINDS))
    return (
        rf"""
component: "id: " ID EOL "{key}purpose: " text kind? "{key}files: [" FILE files
kind: "{key}kind: " KIND EOL
ID: /{pattern}{known.bounds.id_chars}}}/{taken} & ~/({_NULL})/
KIND: {kinds}
""",
        *_files(at, known, known.bounds.files > 1),
    )


def _files(at: int, known: _Known, more: bool) -> tuple[str, ...]:
    """Rules of ``FILE`` and of ``files``: what follows a file, to within the contract or to the comma before another one."""
    key = " " * at
    another = '"," | ' if more else ""
    offered = known.offered if known.offered is not None else [each.id for each in known.components]
    return (
        rf"""
files: {another}"]" EOL depends? "{key}requirements: [" requirements EOL packages? "{key}contract:\n{key}  " FIRST
depends: "{key}depends_on: [" depends_on EOL
packages: "{key}packages: [" package EOL
FIRST: "behaviour" | "interface"
""",
        _list("depends_on", offered),
        _list("requirements", known.requirements),
        _list("package", _names_of(known.packages)),
        _file(known),
    )


def _file(known: _Known) -> str:
    """Terminal ``FILE``: a path that no component has, that ``agent.paths`` accepts, and that no test needs.

    A file name has a dot and the name of a directory none, so that no file can be where another needs a directory.
    """
    taken = known.files()
    left = [path for path in known.free if not any(path in each.files for each in known.components)]
    given = left if len(left) > 1 or not known.keeps_one else []
    letters, bounds = "[A-Za-z0-9_+-]", known.bounds
    name = f"[A-Za-z0-9_]{letters}{{0,{bounds.part_chars - 1}}}"
    endings = rf"(\.{letters}{{1,{bounds.ending_chars}}}){{1,{bounds.endings}}}"
    file = f"{name}{endings}"
    place = rf"({name}\/){{0,{bounds.directories}}}"
    if known.prefix:  # of the file, or of the directory that it lies in, beside those that are there
        file = rf"{known.prefix}{letters}{{1,{bounds.part_chars}}}({endings}|\/{file})"
        places = sorted({str(PurePosixPath(path).parent) for path in known.taken})
        place = f"({'|'.join('' if folder == '.' else _escaped(f'{folder}/') for folder in places)})"
    rules = [f"/{place}{file}/", f"~({_refused()})"]
    directories = sorted({str(folder) for path in taken for folder in PurePosixPath(path).parents if folder.name})
    if taken:
        files = "|".join(map(_escaped, sorted(set(taken))))
        rules.append(f"~(/(?i:{files})/ WITHIN)")
    for folder in directories:  # those that differ only in capitals cannot lie side by side on every disk
        rules.append(rf"~(/(?i:{_escaped(folder)})/ WITHIN & ~(/{_escaped(folder)}\// ANY))")
    own = f" | {_one_of(map(_word, given))}" if given else ""
    return f"FILE: NEW{own}\nNEW: {' & '.join(rules)}\n{_REST}"


@cache
def _refused() -> str:
    """Paths that ``agent.paths`` and ``graphs.dag`` refuse, among those made of harmless characters: a terminal's inside."""
    part = r"(.*\/)?"
    hooks = "|".join(map(_escaped, sorted(HOOKS)))
    endings = "|".join(map(_escaped, sorted(SUFFIXES)))
    devices = "|".join(map(_escaped, sorted(DEVICES)))
    modules = "|".join(sorted({*RUNNER, *(name.casefold() for name in sys.stdlib_module_names)}))
    roots = "|".join(rf"{_escaped(root)}\/" if root else "" for root in IMPORT_ROOTS)
    return " | ".join(
        [
            f"/{part}(?i:{hooks})/ WITHIN",
            rf"/.*(?i:{endings})/",
            rf"/{part}(?i:{devices})/ (/[.\/]/ ANY)?",
            f"/{part}HEAD/ WITHIN",
            rf"/(?i:({roots})({modules})(\/.*)?\.pyi?)/",
            rf"/(?i:{dag.TEST_DIR})\// ANY",
        ]
    )


def _escaped(text: str) -> str:
    """The text as a piece of a regular expression between slashes."""
    return re.sub(r"[^\w-]", lambda char: f"\\{char[0]}", text)


def _contract(at: int, files: Sequence[str], public: bool, bounds: Bounds) -> tuple[str, ...]:
    """Rules of ``after_behaviour`` and ``after_interface``: the contract whose first key, at column ``at``, has been said.

    Args:
        at: the column of its keys.
        files: those that the interface may name, each once.
        public: whether there must be an interface.
        bounds: of what it says.
    """
    key = " " * at
    named = sorted(files, key=lambda path: not path.endswith(".py"))[:_MARKS]
    keys = [_literal(f"{key}  {_word(path)}: |\n") + f" block{at + 4}" for path in named]
    if len(keys) == 1:
        entries = f"entries: {keys[0]}"
    else:  # each at most once, in any order
        first = " | ".join(f"{each} entry::0x{1 << n:x}" for n, each in enumerate(keys))
        others = (f"{each} entry::set_bit({n}) %if bit_clear({n})" for n, each in enumerate(keys))
        entries = f'entries: {first}\nentry::_: "" | ' + " | ".join(others)
    none = "" if public else r' | ": {}" EOL'
    may = "" if public else "?"
    most = f"{{1,{bounds.examples}}}"
    return (
        rf"""
after_behaviour: ": |\n" block{at + 2} interface{may} examples?
after_interface: interfaces "{key}behaviour: |\n" block{at + 2} examples?
interface: "{key}interface" interfaces
interfaces: ":\n" entries{none}
{entries}
examples: "{key}examples: []" EOL | "{key}examples:\n" (example{at}{most} | example{at + 2}{most})
""",
        _block(at + 2, bounds),
        _block(at + 4, bounds),
        *(
            rf"""
example{column}: "{" " * column}- |\n" FIRST_OF_EXAMPLE{column + 2} line{column + 2}{{0,{bounds.example_lines}}}
FIRST_OF_EXAMPLE{column + 2}: /{" " * (column + 2)}(>>> [^#{_UNSEEN}{_NEVER}]|\$ {_SEEN}){_ANY}{{0,{bounds.line_chars}}}\n/
"""
            for column in (at, at + 2)
        ),
    )


def _block(column: int, bounds: Bounds) -> str:
    """Rules of a text of several lines at that column."""
    indent = " " * column
    return rf"""
block{column}: FIRST_LINE{column} line{column}{{0,{bounds.block_lines}}}
line{column}: LINE{column} | "\n"
FIRST_LINE{column}: /{indent}{_SEEN}{_ANY}{{0,{bounds.line_chars}}}\n/
LINE{column}: /{indent}{_ANY}{{0,{bounds.line_chars}}}\n/
"""


def _body(so_far: str) -> str:
    """What stands in the block that an answer has begun; nothing else in it has a fence."""
    return so_far.partition("```yaml\n")[2]


def _fields(lines: Iterable[str]) -> dict[str, str]:
    """Key → value, without remarks, of the lines that say what an entry is and names; what stands in blocks is further right."""
    matches = filter(None, map(_FIELD.match, lines))
    return {match["key"]: match["value"].partition(" #")[0].strip() for match in matches}


def _entries(body: str) -> list[dict[str, str]]:
    """The fields of each entry of a list."""
    found: list[list[str]] = []
    for line in body.split("\n"):
        if line.startswith("  - "):
            found.append([])
        if found:
            found[-1].append(line)
    return [_fields(lines) for lines in found]


def _items(value: str) -> tuple[str, ...]:
    return tuple(item.strip('"') for item in _ITEM.findall(value.partition("]")[0]))


def _last(entries: Sequence[Entry], body: str) -> Entry:
    """The entry that is being written; ``ValueError`` when no piece can have ended so."""
    if not entries:
        raise ValueError(f"no piece ends so: {body[-40:]!r}")
    return entries[-1]


def _first_key(body: str) -> str:
    """The key of the contract that was said last; ``ValueError`` as above."""
    if not body.endswith(("  behaviour", "  interface")):
        raise ValueError(f"no piece ends so: {body[-40:]!r}")
    return body.rpartition(" ")[2]


def _begun(entry: Mapping[str, str]) -> _Begun:
    return _Begun(
        entry["id"],
        entry.get("kind", "library"),
        _items(entry.get("files", "")),
        _items(entry.get("depends_on", "")),
    )


def _next_component(so_far: str, key: str, known: _Known, fewest: int, most: int) -> str:
    """The piece after ``so_far`` in an answer that is a list of components under ``key``."""
    body, bounds = _body(so_far), known.bounds
    if body.endswith(_END):
        return ""
    begun = tuple(map(_begun, _entries(body.partition(f"{key}:\n")[2])))
    here = _last(begun, body)
    before = replace(
        known,
        components=(*known.components, *begun),
        offered=(*(known.offered or ()), *(each.id for each in begun)),
    )
    if body.endswith(","):
        earlier = replace(before, offered=tuple(i for i in before.offered or () if i != here.id))
        more = len(here.files) + 1 < bounds.files
        return _grammar(bounds, 'start: " " FILE files', *_files(4, earlier, more))
    ends = ['"```\\n"'] if len(begun) >= fewest else []
    ends += ['"  - " component'] if len(begun) < most else []
    return _grammar(
        bounds,
        f"start: after_{_first_key(body)} ({' | '.join(ends)})",
        *_contract(6, here.files, _is_public(here.kind, here.files), bounds),
        *(_component(4, before) if len(begun) < most else ()),
    )


def _wish(known: _Known, given: Sequence[str]) -> tuple[str, ...]:
    """Rule ``wish``: a requirement that is new or reads differently, to within its text."""
    numbers = [int(i.removeprefix("R")) for i in (*known.requirements, *given) if i.removeprefix("R").isdecimal()]
    ids = [*(i for i in known.requirements if i not in given), f"R{max(numbers, default=0) + 1}"]
    return (f'wish: "  - id: " WISH EOL "    text"\nWISH: {_one_of(ids)}',)


def _rest(known: _Known, given: Sequence[str]) -> tuple[str, ...]:
    """Rule ``rest``: what follows the requirements, to within the first edit."""
    return (
        """
rest: dropped? entry? (none | "edits:\\n  - edit" edit)
none: "edits: []" EOL "```\\n"
dropped: "drop_requirements: [" drop EOL""",
        _list("drop", [i for i in known.requirements if i not in given]),
        _ENTRY,
        *_edit(known),
    )


def _edit(known: _Known) -> tuple[str, ...]:
    """Rule ``edit``: the beginning of an edit, to before the reason."""
    needed = {i for each in known.components for i in each.depends_on}
    idle = [each.id for each in known.components if each.id not in needed] if len(known.components) > 1 else []
    drop = ' | ": drop" EOL "    component: " IDLE EOL' if idle else ""
    full = known.max_components is not None and len(known.components) >= known.max_components
    add = "" if full else ' | ": add" EOL'
    return (
        f"""
edit: (": respecify" EOL "    component: " COMPONENT EOL | ": rewire" EOL "    component: " COMPONENT EOL{add}{drop}) "    reason"
COMPONENT: {_one_of(each.id for each in known.components)}
""",
        f"IDLE: {_one_of(idle)}" if idle else "",
    )


def _within_edits(body: str, known: _Known) -> str:
    """The piece after ``body``, which holds edits so far; ``known``: what there was before them."""
    entries, bounds = _entries(body), known.bounds
    now = _last(entries, body)
    for entry in entries[:-1]:
        known = replace(known, components=_edited(known.components, entry))
    if body.endswith("  - edit"):
        return _grammar(bounds, "start: edit", *_edit(known))
    after = replace(known, components=_edited(known.components, now))
    ends = ['"```\\n"'] + (['"  - edit" edit'] if len(entries) < bounds.edits else [])
    then = f"then: {' | '.join(ends)}\n"
    if now["edit"] == "add":
        return _within_add(body, now, known, after, then)
    name = now["component"]
    if now["edit"] == "drop":
        return _grammar(bounds, 'start: ": " text then', then, *_edit(after))
    if not body.endswith("    reason") and not body.endswith(","):  # within the contract
        (old,) = (each for each in after.components if each.id == name)
        public = _is_public(old.kind, old.files)
        return _grammar(
            bounds,
            f"start: after_{_first_key(body)} then",
            then,
            *_contract(6, old.files, public, bounds),
            *_edit(after),
        )
    (old,) = (each for each in known.components if each.id == name)
    offered = _not_above(name, known.components)
    others = tuple(each for each in known.components if each.id != name)
    given = _Begun(name, files=_items(now.get("files", "")))
    mine = replace(known, components=(*others, given), offered=offered, taken=old.files, free=old.files)
    then = then.replace('"  - edit" edit', '"  - edit"')  # what depends on what is known only after this piece
    if body.endswith("    reason"):
        if now["edit"] == "rewire":
            start = 'start: ": " text "    depends_on: [" depends_on EOL then'
            return _grammar(bounds, start, then, _list("depends_on", offered))
        return _grammar(bounds, 'start: ": " text change::0x0', then, *_changes(mine, bounds.files > 1))
    said = sum(1 << n for n, key in enumerate(_CHANGES) if key in now)
    more = len(given.files) + 1 < bounds.files
    return _grammar(bounds, f'start: " " FILE file::0x{said:x}', then, *_changes(mine, more))


def _within_add(body: str, now: Mapping[str, str], before: _Known, after: _Known, then: str) -> str:
    bounds = before.bounds
    if body.endswith("    reason"):
        return _grammar(bounds, 'start: ": " text "    component:\\n      " component', *_component(6, before))
    here = after.components[-1]
    if body.endswith(","):
        more = len(here.files) + 1 < bounds.files
        offered = tuple(each.id for each in before.components)
        return _grammar(bounds, 'start: " " FILE files', *_files(6, replace(after, offered=offered), more))
    public = _is_public(here.kind, here.files)
    return _grammar(
        bounds,
        f"start: after_{_first_key(body)} then",
        then,
        *_contract(8, here.files, public, bounds),
        *_edit(after),
    )


_CHANGES = {
    "purpose": '"    purpose: " text',
    "kind": '"    kind: " KIND EOL',
    "files": '"    files: [" FILE',
    "depends_on": '"    depends_on: [" depends_on EOL',
    "requirements": '"    requirements: [" requirements EOL',
    "packages": '"    packages: [" package EOL',
}
"""What a respecification may change beside the contract, each once, in any order."""
_OF_CONTRACT = frozenset({"kind", "files"})
"""Changes after which the contract must be given, too: its interface has to fit them."""


def _changes(known: _Known, more_files: bool) -> tuple[str, ...]:
    """Rules of ``change``, what a respecification begins with, and of ``file``, what follows a file in it."""
    contract = '"    contract:\\n      " FIRST'

    def keys(free: str) -> str:
        """Each key and what follows it, ``free`` where the contract need not."""
        follows = {key: "must" if key in _OF_CONTRACT else free for key in _CHANGES} | {"files": "file"}
        return " | ".join(
            f"{rule} {follows[key]}::set_bit({n}) %if bit_clear({n})" for n, (key, rule) in enumerate(_CHANGES.items())
        )

    another = '"," | ' if more_files else ""
    return (
        f"""
change::_: {keys("may")} | {contract}
may::_: {keys("may")} | {contract} | then
must::_: {keys("must")} | {contract}
file::_: {another}"]" EOL must::_
KIND: {_one_of(KINDS)}
FIRST: "behaviour" | "interface"
""",
        _list("depends_on", known.offered or ()),
        _list("requirements", known.requirements),
        _list("package", _names_of(known.packages)),
        _file(known),
    )


def _edited(components: tuple[_Begun, ...], entry: Mapping[str, str]) -> tuple[_Begun, ...]:
    """The components after an edit, or after what is known of it."""
    if entry["edit"] == "add":
        return (*components, _begun(entry)) if "id" in entry else components
    name = entry["component"]
    if entry["edit"] == "drop":
        return tuple(each for each in components if each.id != name)
    return tuple(
        replace(
            each,
            kind=entry.get("kind", each.kind),
            files=_items(entry["files"]) if "files" in entry else each.files,
            depends_on=_items(entry["depends_on"]) if "depends_on" in entry else each.depends_on,
        )
        if each.id == name
        else each
        for each in components
    )


def _not_above(name: str, components: Collection[_Begun]) -> tuple[str, ...]:
    """Ids that the component of that name may depend on: not its own, and none that stands on it."""
    above = {name}
    for _ in components:
        above |= {each.id for each in components if not above.isdisjoint(each.depends_on)}
    return tuple(each.id for each in components if each.id not in above)
