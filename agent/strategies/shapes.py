"""What an answer must look like: the one reader of each kind of answer, tolerant of prose and fences around it.

Every reader returns a value or raises with ``problems`` that can be sent back to the model by name. Models wrap answers
in fences, add remarks before and after, number lists in their own way: none of that is an error as long as one reading
is left.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from agent.paths import check_paths
from graphs import document, syntax
from graphs.edits import Revision
from graphs.errors import AnswerError, PlanError
from graphs.values import Amendment, Component, Plan, Requirement

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<ticks>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
_REQUIREMENT = re.compile(
    r"^(?P<head>[\s*_#|+-]*(?:\d+[.)]\s*)?(?:\[[ xX]?\]\s*)?[\s*_(\[]*)"
    r"R\d+(?:[\s*_)\]]*[:.)|–—-]|\)|\])[\s*_]*(?P<text>\S.*)$"
)
_QUOTE = re.compile(r"^[\s*+-]*(?:>+|[*_]*(?:quote|source)[*_]*\s*:[*_]*)\s*(?P<text>.*)$", re.IGNORECASE)
_PATH = r"(?P<path>[^\s`*\"'<>|:(),;]+)"
_HEADING = re.compile(r"^#{1,6}\s")
_HEADINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^#{{1,6}}\s+(?:\d+[.)]\s+)?(?:file(?:name)?:?\s*|path:?\s*)?[`*\"']*{_PATH}[`*\"']*:?\s*#*$",
        rf"^(?:[-*]\s+)?(?:file(?:name)?|path)\s*:\s*[`*\"']*{_PATH}[`*\"']*:?\s*$",
        rf"^(?:[-*]\s+|\d+[.)]\s+)?\*\*[`\"']?(?:file(?:name)?:?\s*)?{_PATH}[`\"']?:?\*\*:?\s*$",
        rf"^(?:[-*]\s+|\d+[.)]\s+)?`{_PATH}`:?\s*$",
        rf"^{_PATH}:?\s*$",
    )
)
_FIRST_LINE = re.compile(rf"^(?:#|//|/\*|<!--|--|;)\s*(?:file(?:name)?:\s*)?{_PATH}\s*(?:\*/|-->)?\s*$", re.IGNORECASE)
_INFO_PATH = re.compile(rf"(?:^|[\s=:\"'{{]){_PATH}[\"'}}]*\s*$")
_WORDS = "KEEP|REPLACE|UNCLEAR"
_DECISION = re.compile(
    rf"^[\s*_>#-]*+(?:(?:decision|result|verdict|answer)[*_]*\s*[:=][*_]*\s*)?[*_`]*+(?P<word>{_WORDS})[*_`]*+"
    r"(?:\s*[:.–—-]+[*_`]*(?P<reason>.*)|\s+(?P<quoted>[\"“].*)|\s*)$",
    re.IGNORECASE,
)
_NAME_START = r"^(?:[#*>`\s-]|\d+[.)])*+(?:[Tt]est\s*:?\s+)?[*`\"']*+"
_OTHER_TEST = re.compile(rf"{_NAME_START}(?:\S+::test\w*|test_\w+)(?:\(\))?[*`\"':]*\s*$")
_SESSIONS = frozenset({"console", "sh", "bash", "shell", "shell-session", "pycon", "text", "txt", "output", "diff"})
"""Labels of blocks that show how something is used or what it prints, and are no file."""


@dataclass(frozen=True)
class Block:
    """One fenced block of an answer."""

    info: str
    """What stood behind the opening fence."""
    text: str
    """What it holds, with a final newline."""
    above: tuple[str, ...]
    """The non-blank lines above the fence back to the last block, nearest first."""
    closed: bool
    """Whether the fence was closed; an open one means that the answer was cut."""


def blocks(text: str) -> list[Block]:
    """The fenced blocks of an answer, outermost first.

    A fence of n marks is closed by a line of at least n marks alone. A fence with a label inside a block opens one
    within it, so that an answer wrapped in a fence as a whole, or a file that holds fences, is not cut at the inner.
    """
    return [part for part in _parts(text) if isinstance(part, Block)]


def _parts(text: str) -> Iterator[str | Block]:
    """The lines outside fences and the fenced blocks, in order."""
    above: list[str] = []
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        opening = _FENCE.match(line)
        if not opening:
            if line.strip():
                above.insert(0, line.strip())
            yield line
            continue
        mark, width, indent = opening["ticks"][0], len(opening["ticks"]), len(opening["indent"])
        body: list[str] = []
        depth = 1
        for inner in lines:
            fence = _FENCE.match(inner)
            if fence and fence["ticks"][0] == mark and len(fence["ticks"]) >= width:
                depth += 1 if fence["info"].strip() else -1
                if not depth:
                    break
            body.append(inner[indent:] if inner[:indent].isspace() else inner)
        if depth and body and not body[-1]:
            body.pop()  # what follows the last newline is no line
        yield Block(opening["info"].strip(), "".join(f"{b}\n" for b in body), tuple(above), not depth)
        above = []


def read_requirements(answer: str) -> tuple[Requirement, ...]:
    """``R1: sentence`` lines, each followed by ``> quote`` lines; renumbered R1… in order."""
    found: list[tuple[str, list[str]]] = []
    for line in answer.splitlines():
        quote = _QUOTE.match(line)
        match = None if quote else _REQUIREMENT.match(line)
        if match:
            found.append((_unmarked(match["text"], match["head"]), []))
        elif found and quote:
            found[-1][1].append(quote["text"].strip())
    if not found:
        raise AnswerError(["no line of the form 'R1: sentence' was found; list at least one requirement"])
    requirements = tuple(
        Requirement(f"R{i}", text, " ".join(quotes).strip().strip('"“”')) for i, (text, quotes) in enumerate(found, 1)
    )
    silent = [r.id for r in requirements if not r.quote]
    if silent:
        ask = "put the words of the specification under it, after '> '"
        raise AnswerError([f"{i} quotes nothing; {ask}" for i in silent])
    return requirements


def _unmarked(text: str, head: str) -> str:
    """``text`` without the end of an emphasis or table cell that began in ``head``, before it."""
    text = text.strip()
    if "|" in head:
        text = text.rstrip("| \t")
    for mark in ("**", "__", "*", "_"):
        if mark in head and text.endswith(mark) and text.count(mark) % 2:
            text = text.removesuffix(mark).rstrip()
    return text


def read_plan(answer: str, requirements: Sequence[Requirement], spec_digest: str) -> Plan:
    """The plan in the answer's ``yaml`` block, or in its text from the first top-level ``title:`` or ``components:``."""
    data = document.parse(_yaml(answer, ("title", "components"), "components", "plan"))
    return Plan(
        title=data.title,
        components=data.components,
        requirements=tuple(requirements),
        spec_digest=spec_digest,
        revision=1,
        language=data.language,
        entry=data.entry,
    )


def read_component(answer: str, component_id: str) -> Component:
    """The one component in the answer, which must be the one of that id."""
    component = document.parse_component(_yaml(answer, ("id", "contract"), "contract", "component"))
    if component.id != component_id:
        raise PlanError([f"the component's id is {component.id!r}; it must stay {component_id!r}"])
    return component


def read_parts(answer: str) -> tuple[Component, ...]:
    """The components under ``parts:``."""
    return document.parse_parts(_yaml(answer, ("parts",), "parts|id", "list of parts"))


def read_revision(answer: str, plan: Plan) -> Revision:
    """The revision of ``plan``, its requirements whole."""
    return document.parse_revision(
        _yaml(answer, ("requirements", "edits"), "edits?|requirements|drop_requirements|entry", "revision"), plan
    )


def _yaml(answer: str, keys: Sequence[str], needed: str, noun: str) -> str:
    """The text of the largest block that has a key ``needed``; without one, the answer from one of ``keys`` on."""
    candidates = _holding(answer, re.compile(rf"^\s*-?\s*(?:{needed}):", re.MULTILINE))
    if candidates:
        best = max(candidates, key=lambda b: len(b.text))
        if not best.closed:
            raise PlanError(
                [f"the answer ends in the middle of the {noun}; give it whole, with shorter contracts if need be"]
            )
        return best.text
    start = re.search(rf"^({'|'.join(keys)}):", answer, re.MULTILINE)
    if not start:
        named = " and ".join(repr(key) for key in keys)
        raise PlanError([f"no {noun} was found; give one fenced yaml block with {named}"])
    return answer[start.start() :]


def _holding(text: str, key: re.Pattern[str]) -> list[Block]:
    """Blocks with the key; where a block holds such blocks, those."""
    found = [b for b in blocks(text) if key.search(b.text)]
    return [inner for b in found for inner in (_holding(b.text, key) or [b])]


@dataclass
class _Section:
    """What an answer says of one test in doubt."""

    words: list[str] = field(default_factory=list)
    """KEEP, REPLACE or UNCLEAR, each time it is said."""
    reason: list[str] = field(default_factory=list)
    """Lines, up to the first blank one."""
    sources: list[Block] = field(default_factory=list)
    """Blocks of code after the word."""


def read_amendment(answer: str, ids: Sequence[str]) -> Amendment:
    """What is said of each test in doubt, under a heading with its id.

    A line ``KEEP: reason`` or ``UNCLEAR: reason`` keeps it (the reason of the latter begins with ``unclear:``); a line
    ``REPLACE: reason`` and a block of code replace it. What is said of other tests counts for nothing.

    ``AnswerError`` names each test on which the answer gives no reason, no decision or two, and code that is cut.
    """
    sections = _sections(answer, ids)
    all_blocks = blocks(answer)
    if len(all_blocks) == 1 and not any(section.words for section in sections.values()):
        sections = _sections(all_blocks[0].text, ids)  # the whole answer was wrapped in a fence
    problems: list[str] = []
    replaced: dict[str, str] = {}
    kept: dict[str, str] = {}
    reasons: list[str] = []
    for test_id, section in sections.items():
        reason = " ".join(section.reason).strip(" *_")
        if problem := _undecided(section, reason):
            problems.append(f"{test_id}: {problem}")
        elif section.words[0] == "REPLACE":
            replaced[test_id] = textwrap.dedent(section.sources[0].text)
            reasons.append(f"{test_id.rpartition('::')[2]}: {reason}")
        else:
            kept[test_id] = f"unclear: {reason}" if section.words[0] == "UNCLEAR" else reason
    if problems:
        raise AnswerError(problems)
    return Amendment(replaced, kept, "; ".join(reasons))


def _undecided(section: _Section, reason: str) -> str:
    """What is missing in a section; empty when nothing is."""
    words = list(dict.fromkeys(section.words))
    if not words:
        return "nothing is decided; put a line 'KEEP: reason', 'REPLACE: reason' or 'UNCLEAR: reason' under its heading"
    if len(words) > 1:
        return f"both {words[0]} and {words[1]} are given; decide on one"
    if not reason:
        return f"no reason is given; write {words[0]}, a colon, and the words of the contract that decide it"
    if words[0] == "REPLACE":
        if not section.sources:
            return "REPLACE needs the whole new test function in a fenced block after it"
        if len({block.text for block in section.sources}) > 1:
            return "several blocks of code are given; give one, with the whole test function"
        if not section.sources[0].closed:
            return "the answer ends in the middle of the new test function; give it whole"
    return ""


def _sections(answer: str, ids: Sequence[str]) -> dict[str, _Section]:
    """Test id → what stands under its heading; with one id, the whole answer does."""
    sections = {test_id: _Section() for test_id in ids}
    heading = _heading_of(ids)
    section = sections[ids[0]] if len(ids) == 1 else None
    open_reason = False
    for part in _parts(answer):
        if isinstance(part, Block):
            if section and section.words and _label(part) not in _SESSIONS:
                section.sources.append(part)
            open_reason = False
            continue
        line = part
        if match := heading.match(line):
            found = next(i for i in ids if match["name"] in _short_names(i))
            section, open_reason, line = sections[found], False, match["rest"]
        elif _OTHER_TEST.match(line):
            section = None
        if section is None:
            continue
        if decision := _DECISION.match(line):
            section.words.append(decision["word"].upper())
            section.reason = [(decision["reason"] or decision["quoted"] or "").strip()]
            open_reason = True
        elif open_reason:
            if line.strip():
                section.reason.append(line.strip())
            open_reason = bool(line.strip()) or not any(section.reason)
    return sections


def _heading_of(ids: Sequence[str]) -> re.Pattern[str]:
    """A line that names one of the tests, and perhaps what is decided of it."""
    every = [name for test_id in ids for name in _short_names(test_id)]
    names = "|".join(re.escape(name) for name in sorted(set(every), key=len, reverse=True) if every.count(name) == 1)
    return re.compile(
        rf"{_NAME_START}(?P<name>{names})(?:\(\))?[*`\"']*"
        rf"(?=[\s:–—-]*(?:\*\*[\s:]*)?(?:$|[*`]*(?i:{_WORDS})\b))[\s:–—-]*(?P<rest>.*)$"
    )


def _short_names(test_id: str) -> tuple[str, ...]:
    """What a model may call a test: its id, or the end of it from a ``::`` on."""
    parts = test_id.split("::")
    return tuple("::".join(parts[i:]) for i in range(len(parts)))


def read_files(answer: str, owned: Collection[str], required: Collection[str]) -> dict[str, str]:
    """Path → text of the files in the answer.

    Args:
        answer: what the model said.
        owned: the paths that may be given.
        required: those that must be given.

    Raises:
        AnswerError: nothing usable, a file cut short, one missing.
        PathRefused: a path that is not owned or not acceptable; then nothing of the answer is used.
    """
    all_blocks = blocks(answer)
    if len(all_blocks) == 1 and _named(all_blocks[0], owned) is None and (inner := blocks(all_blocks[0].text)):
        all_blocks = inner  # the whole answer was wrapped in a fence
    found, problems = _files_of(all_blocks, owned)
    if not found and not problems and len(owned) == 1:
        (path,) = owned
        text = _only_file(all_blocks, path) if all_blocks else _bare(answer)
        if text:
            found = {path: text}
    if problems:
        raise AnswerError(problems)
    check_paths(found, owned)
    missing = [path for path in required if path not in found]
    if missing:
        ask = f"write a heading '### {missing[0]}' and the whole file in a fenced block"
        raise AnswerError([f"the answer gives no file {', '.join(missing)}; {ask}"])
    return found


def _files_of(all_blocks: Sequence[Block], owned: Collection[str]) -> tuple[dict[str, str], list[str]]:
    named = [(_named(block, owned), block) for block in all_blocks]
    clear = {path for path, _ in named}
    found: dict[str, str] = {}
    problems: list[str] = []
    page = ""
    for name, block in named:
        if page and name is None:  # Markdown holds fences as a matter of course: the outer one may have been cut there
            problems.append(f"it is not clear where {page} ends; fence it with four back-ticks")
        page = name if name and name.endswith(".md") else ""
        path = name or _mentioned(block, owned)
        if path is None or (name is None and path in clear):
            continue
        if not block.closed:
            problems.append(f"the answer ends in the middle of {path}; give the whole file, shorter if need be")
        elif found.setdefault(path, block.text) != block.text:
            problems.append(f"{path} is given twice with different content; give it once")
    return found, problems


def _named(block: Block, owned: Collection[str]) -> str | None:
    """Which file a block says it is: by a heading above it, its info string or its first line."""
    for line in block.above:
        for heading in _HEADINGS:
            match = heading.match(line)
            if match and _looks_like_path(match["path"], owned):
                return match["path"]
        if _HEADING.match(line):
            break
    match = _INFO_PATH.search(block.info)
    if match and _looks_like_path(match["path"], owned):
        return match["path"]
    first = _FIRST_LINE.match(block.text.partition("\n")[0])
    return first["path"] if first and first["path"] in owned else None


def _mentioned(block: Block, owned: Collection[str]) -> str | None:
    """The one file that the line above a block speaks of."""
    if not block.above or _label(block) in _SESSIONS:
        return None
    paths = [p for p in owned if re.search(rf"(?<![\w./-]){re.escape(p)}(?![\w/-]|\.\w)", block.above[0])]
    return paths[0] if len(paths) == 1 else None


def _label(block: Block) -> str:
    return block.info.partition(" ")[0].lower()


def _looks_like_path(path: str, owned: Collection[str]) -> bool:
    return path in owned or "/" in path or "\\" in path or bool(re.search(r"\w\.\w*[^\W\d]\w*$", path))


def _only_file(all_blocks: Sequence[Block], path: str) -> str:
    """The text of the only block that can be ``path``, where no block names a file."""
    code = [b for b in all_blocks if _label(b) not in _SESSIONS or path.endswith(f".{_label(b)}")]
    if len(code) == 1 and not code[0].closed:
        raise AnswerError([f"the answer ends in the middle of {path}; give the whole file, shorter if need be"])
    return code[0].text if len(code) == 1 else ""


def _bare(answer: str) -> str:
    """An answer that is nothing but code, without any fence."""
    text = answer.replace("\r\n", "\n").strip("\n") + "\n"
    tree = _tree(text)
    if isinstance(tree, str):
        return ""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return text if any(isinstance(node, definitions) for node in tree.body) else ""


def python_problems(files: dict[str, str]) -> list[str]:
    """Python files that do not parse, each with line and reason."""
    trees = {path: _tree(text) for path, text in files.items() if path.endswith(".py")}
    return [f"{path}{tree}" for path, tree in trees.items() if isinstance(tree, str)]


def _tree(source: str) -> ast.Module | str:
    """What the source parses to, or what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes are the model's affair
            return syntax.parse(source)
    except SyntaxError as error:
        return f", line {error.lineno} is not valid Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f" is not valid Python: {error or 'it is nested too deeply'}"
