"""What an answer must look like: the one reader of each kind of answer, tolerant of prose and fences around it.

Every reader returns a value or raises with ``problems`` that can be sent back to the model by name. Models wrap answers
in fences, add remarks before and after, number lists in their own way: none of that is an error as long as one reading
is left.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.paths import check_paths
from agent.strategies import patches
from agent.strategies.fences import Block, blocks
from graphs import document, syntax
from graphs.edits import Revision
from graphs.errors import AnswerError, PlanError
from graphs.values import Component, Files, Plan, Repair, Requirement

_REQUIREMENT = re.compile(
    r"^(?P<head>[\s*_#|+-]*(?:\d+[.)]\s*)?(?:\[[ xX]?\]\s*)?[\s*_(\[]*)"
    r"R\d+(?:[\s*_)\]]*[:.)|–—-]|\)|\])[\s*_]*(?P<text>\S.*)$"
)
_QUOTE = re.compile(r"^[\s*+-]*(?:>+|[*_]*(?:quote|source)[*_]*\s*:[*_]*)\s*(?P<text>.*)$", re.IGNORECASE)
_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that YAML refuses, or takes for the end of a line, and that stand for nothing in a model's text but a blank."""
_PATH = r"(?P<path>[^\s`*\"'<>|:(),;]+)"
_FILE = r"(?:(?:file(?:name)?|path)(?::\s*|\s+|(?=[`*\"'])))?"
"""Words that may stand before a path; ``paths.py`` is one by itself."""
_HEADING = re.compile(r"^#{1,6}\s")
_HEADINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^#{{1,6}}\s+(?:\d+[.)]\s+)?{_FILE}[`*\"']*{_PATH}[`*\"']*:?\s*#*$",
        rf"^(?:[-*]\s+)?(?:file(?:name)?|path)\s*:\s*[`*\"']*{_PATH}[`*\"']*:?\s*$",
        rf"^(?:[-*]\s+|\d+[.)]\s+)?\*\*[`\"']?{_FILE}{_PATH}[`\"']?:?\*\*:?\s*$",
        rf"^(?:[-*]\s+|\d+[.)]\s+)?`{_PATH}`:?\s*$",
        rf"^{_PATH}:?\s*$",
    )
)
_FIRST_LINE = re.compile(rf"^(?:#|//|/\*|<!--|--|;)\s*(?:file(?:name)?:\s*)?{_PATH}\s*(?:\*/|-->)?\s*$", re.IGNORECASE)
_INFO_PATH = re.compile(rf"(?:^|[\s=:\"'{{]){_PATH}[\"'}}]*\s*$")
_DISPUTE = re.compile(
    r"^[\s>*_`#|+-]*+(?:\d+[.)])?[\s*_`]*+(?:WRONG[ _]TEST|(?i:wrong[ _]test)(?=\W*+(?:test|\S*?::)))\b[\s*_`:\"'(–—-]*+"
    r"(?P<id>[\w./-]+(?:::\w+)*)(?:\[.*?\](?=[\s*`\"':,.)–—-]|$))?(?:\(\))?[*_`\"')]*\s*[:.,–—-]*[\s*_]*(?P<reason>.*)$"
)
"""``WRONG TEST id: reason``. A parametrised test is one test, whichever of its cases is named."""


THINKING = "thinking"
"""Where an answer in JSON puts what another says in prose."""


@dataclass(frozen=True)
class _Structure:
    """How an answer that is one structure is found among what else is said."""

    keys: tuple[str, ...]
    """One of them begins it, where no fence does."""
    needed: str
    """Keys one of which it has: a regular expression."""
    noun: str
    """What it is called."""


_STRUCTURES = {
    "requirements": _Structure(("requirements",), "requirements", "list of requirements"),
    "plan": _Structure(("title", "components"), "components", "plan"),
    "respecify": _Structure(("id", "contract"), "contract", "component"),
    "split": _Structure(("parts",), "parts|id", "list of parts"),
    "revise": _Structure(("requirements", "edits"), "edits?|requirements|drop_requirements|entry", "revision"),
}
"""Shape → what its answers hold, in YAML or in JSON; requirements are listed line by line where they are not JSON."""


def read_requirements(answer: str) -> tuple[Requirement, ...]:
    """``R1: sentence`` lines, each followed by ``> quote`` lines, or a list in JSON; renumbered R1… in order."""
    found: list[tuple[str, list[str]]] = []
    for line in re.split(
        r"\r\n?|\n", answer
    ):  # and not where Unicode sees the end of a line, in the middle of a sentence
        quote = _QUOTE.match(line)
        match = None if quote else _REQUIREMENT.match(line)
        if match:
            found.append((_unmarked(match["text"], match["head"]), []))
        elif found and quote:
            found[-1][1].append(quote["text"].strip())
    if not found:
        listed = _entries(_json(answer, _STRUCTURES["requirements"]).get("requirements"))
        found = [(_flat(entry.get("text")), [_flat(entry.get("quote"))]) for entry in listed]
    if not found:
        raise AnswerError(["no line of the form 'R1: sentence' was found; list at least one requirement"])
    requirements = tuple(
        Requirement(f"R{i}", text, " ".join(quotes).strip().strip('"“”')) for i, (text, quotes) in enumerate(found, 1)
    )
    if wordless := [r.id for r in requirements if not r.text]:
        raise AnswerError([f"{i} says nothing; give one sentence" for i in wordless])
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
    """The plan in the answer's ``yaml`` block, in its JSON, or in its text from the first top-level ``title:`` or ``components:``."""
    data = document.parse(_text(answer, "plan"))
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
    component = document.parse_component(_text(answer, "respecify"))
    if component.id != component_id:
        raise PlanError([f"the component's id is {component.id!r}; it must stay {component_id!r}"])
    return component


def read_parts(answer: str) -> tuple[Component, ...]:
    """The components under ``parts:``."""
    return document.parse_parts(_text(answer, "split"))


def read_revision(answer: str, plan: Plan) -> Revision:
    """The revision of ``plan``, its requirements whole."""
    return document.parse_revision(_text(answer, "revise"), plan)


def structure(shape: str, answer: str) -> tuple[str, dict[str, Any]]:
    """The prose before the structure that an answer of that shape holds, and the structure as plain data.

    Raises:
        AnswerError, PlanError: there is none, or it cannot be read.
    """
    if shape == "requirements":
        found = read_requirements(answer)
        return "", {"requirements": [{"id": r.id, "text": r.text, "quote": r.quote} for r in found]}
    of = _STRUCTURES[shape]
    data = document.load(_text(answer, shape), of.noun)
    if not isinstance(data, dict):
        raise PlanError([f"a {of.noun} is a mapping; found {type(data).__name__}"])
    opening = re.search(r"^ {0,3}(?:```|~~~)", answer, re.MULTILINE)
    return answer[: opening.start()].strip() if opening else "", data


def _text(answer: str, shape: str) -> str:
    """The text of the largest block that has a key of the shape's; without one its JSON; without that, the answer from a key on."""
    of, answer = _STRUCTURES[shape], _ODD.sub(" ", answer)
    candidates = _holding(answer, re.compile(rf"^\s*-?\s*(?:{of.needed}):", re.MULTILINE))
    if candidates:
        best = max(candidates, key=lambda b: len(b.text))
        if not best.closed:
            raise PlanError([_cut(of.noun)])
        return best.text
    start = re.search(rf"^({'|'.join(of.keys)}):", answer, re.MULTILINE)
    brace = _BRACE.search(answer)
    if data := _json(answer, of, fenced_only=bool(start and brace and start.start() < brace.start())):
        return json.dumps(data, ensure_ascii=False)
    if not start:
        named = " and ".join(repr(key) for key in of.keys)
        raise PlanError([f"no {of.noun} was found; give one fenced yaml block with {named}"])
    return answer[start.start() :]


def _cut(noun: str) -> str:
    return f"the answer ends in the middle of the {noun}; give it whole, with shorter contracts if need be"


_BRACE = re.compile(r"^[ \t]*\{", re.MULTILINE)


def _json(answer: str, of: _Structure, fenced_only: bool = False) -> dict[str, Any]:
    """The mapping in JSON that has one of the keys, its interfaces as in YAML and without reasoning; empty: there is none.

    Args:
        answer: what the model said.
        of: what it should hold.
        fenced_only: whether braces outside fences belong to something else.

    Raises:
        PlanError: there is one, but it cannot be read.
    """
    decoder = json.JSONDecoder(strict=False)  # line ends within quotes are a slip that leaves one reading
    fenced = [(block.text, block.closed) for block in blocks(answer)]
    for text, closed in (*fenced, *(() if fenced_only else [(answer, True)])):
        opening = _BRACE.search(text)
        if not opening or not re.search(rf'"(?:{of.needed})"\s*:', text):
            continue
        try:
            data, _ = decoder.raw_decode(text, opening.end() - 1)
            if isinstance(data, dict) and any(re.fullmatch(of.needed, key) for key in data):
                data.pop(THINKING, None)
                _map_interfaces(data)
                json.dumps(data)
                return data
        except RecursionError:
            raise PlanError([f"the {of.noun} is nested too deeply; give it in the form asked for"]) from None
        except json.JSONDecodeError as error:
            if not closed or error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated"):
                raise PlanError([_cut(of.noun)]) from None
            where = f"line {error.lineno}, column {error.colno}: {error.msg}"
            raise PlanError([f"the {of.noun} is not valid JSON: {where}; give it again, mended"]) from None
    return {}


def _map_interfaces(data: Any) -> None:
    """Turn interfaces that are lists of file and source, as a schema must have them, into mappings, in place."""
    waiting = [data]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            listed = _entries(node.get("interface"))
            files = [_flat(entry.get("file")) for entry in listed]
            if twice := sorted({path for path in files if files.count(path) > 1}):
                raise PlanError([f"an interface gives {path!r:.80} twice; give each file once" for path in twice])
            if listed:
                node["interface"] = dict(zip(files, (entry.get("source") for entry in listed), strict=True))
            elif node.get("interface") == []:
                del node["interface"]
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _entries(data: Any) -> list[dict[str, Any]]:
    """The list of mappings that it is; nothing when it is anything else."""
    return data if isinstance(data, list) and all(isinstance(entry, dict) for entry in data) else []


def _flat(value: Any) -> str:
    """Text on one line; empty when it is no text."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def _holding(text: str, key: re.Pattern[str]) -> list[Block]:
    """Blocks with the key; where a block holds such blocks, those."""
    found = [b for b in blocks(text) if key.search(b.text)]
    return [inner for b in found for inner in (_holding(b.text, key) or [b])]


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
    return _files_in(blocks(answer), answer, owned, required)


def _files_in(
    all_blocks: Sequence[Block],
    answer: str,
    owned: Collection[str],
    required: Collection[str],
    edited: Collection[str] = (),
) -> dict[str, str]:
    """``all_blocks``: those of the answer that may be files; ``edited``: paths that it changes by edits."""
    if len(all_blocks) == 1 and _named(all_blocks[0], owned) is None and (inner := blocks(all_blocks[0].text)):
        all_blocks = inner  # the whole answer was wrapped in a fence
    found, problems = _files_of(all_blocks, owned, edited)
    if not found and not problems and not edited and len(owned) == 1:
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


def _files_of(
    all_blocks: Sequence[Block], owned: Collection[str], edited: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    named = [(_named(block, owned), block) for block in all_blocks]
    clear = {*edited, *(path for path, _ in named)}
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
    if not block.above or block.shows_use:
        return None
    paths = [p for p in owned if re.search(rf"(?<![\w./-]){re.escape(p)}(?![\w/-]|\.\w)", block.above[0])]
    return paths[0] if len(paths) == 1 else None


def _looks_like_path(path: str, owned: Collection[str]) -> bool:
    return path in owned or "/" in path or "\\" in path or bool(re.search(r"\w\.\w*[^\W\d]\w*$", path))


def _only_file(all_blocks: Sequence[Block], path: str) -> str:
    """The text of the only block that can be ``path``, where no block names a file."""
    code = [b for b in all_blocks if not b.shows_use or path.endswith(f".{b.label}")]
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


def read_repair(
    answer: str, owned: Collection[str], files: Files, failing: Collection[str], examples: Collection[str]
) -> Repair:
    """The files that a repair changes, and the failing tests that it holds to be wrong: lines ``WRONG TEST id: reason``.

    A file is given whole, or by edits of the text it has in ``files``. A line about anything else is passed over where another
    one says of a failing test that it is wrong.

    Args:
        answer: what the model said.
        owned: the paths that may be given.
        files: path → text before the repair.
        failing: ids of the failing tests that were shown.
        examples: ids of examples, which outrank everything.

    Raises:
        AnswerError: neither a file nor such a line, a file cut short, an edit that cannot be made (see
            ``patches.patched``), a line about an example or an unknown test.
        PathRefused: as for :func:`read_files`.
    """
    inside = list(_unwrapped(answer, owned))
    lines = _dispute_lines(inside)
    if not lines:
        changed = _changed(patches.blocks(answer), answer, owned, files)
    else:
        beside = [part for part in inside if isinstance(part, Block)]
        changed = _changed([b for b in beside if not _is_quote(b, owned)], "", owned, files)
    disputed: dict[str, str] = {}
    problems: list[str] = []
    for said, reason in lines:
        named = sorted({_whole(i) for i in failing if said in short_names(_whole(i))})
        if said in examples:
            problems.append(f"{said} is an example: it decides what is right; mend the code and leave the line out")
        elif not named:
            known = ", ".join(failing) or "there is none"
            problems.append(f"{said!r} is none of the failing tests that were shown ({known}); leave the line out")
        elif len(named) > 1:
            problems.append(f"{said!r} may be {' or '.join(named)}; give the whole id")
        elif not reason:
            problems.append(
                f"{said}: no reason is given; after the id put a colon and the words that the test contradicts"
            )
        else:
            disputed.setdefault(named[0], reason)
    if problems and not disputed:
        raise AnswerError(problems)
    if not changed and not disputed:
        first = next(iter(owned))
        raise AnswerError([f"no file was given; give each file you change whole under a heading '### {first}'"])
    return Repair(changed, disputed)


def read_changed(answer: str, owned: Collection[str], files: Files) -> dict[str, str]:
    """Path → text of all files of a component of which ``files`` are there already: those may be given whole or by edits, or
    stay as they are; the others must be given.

    Raises:
        AnswerError: nothing usable, a file cut short, a new one missing, an edit that cannot be made (see ``patches.patched``).
        PathRefused: as for :func:`read_files`.
    """
    changed = _changed(patches.blocks(answer), answer, owned, files)
    missing = [path for path in owned if path not in changed and path not in files]
    if missing:
        ask = f"write a heading '### {missing[0]}' and the whole file in a fenced block"
        raise AnswerError([f"the answer gives no file {', '.join(missing)}; {ask}"])
    if all(files.get(path) == text for path, text in changed.items()):
        raise AnswerError(["the answer changes no file; give each file that changes, under a heading with its path"])
    return {**files, **changed}


def _changed(all_blocks: Sequence[Block], answer: str, owned: Collection[str], files: Files) -> dict[str, str]:
    """Path → text of the files that blocks of an answer give whole or edit."""
    if len(all_blocks) == 1 and _named(all_blocks[0], owned) is None and not patches.is_patch(all_blocks[0]):
        inner = patches.blocks(all_blocks[0].text)
        if any(patches.is_patch(block) and _named(block, owned) for block in inner):
            all_blocks = inner  # the whole answer was wrapped in a fence
    edits, rest, problems = _sorted([_unnamed(block, owned) for block in all_blocks], owned)
    changed = _files_in(rest, "" if edits or problems else answer, owned, [], edits)
    check_paths(dict.fromkeys(edits, ""), owned)
    for path, given in edits.items():
        if path in changed:
            problems.append(f"{path} is given whole and by edits; give it one way only")
            continue
        try:
            changed[path] = patches.patched(path, files.get(path, ""), given)
        except AnswerError as error:
            problems += error.problems
    if problems:
        raise AnswerError(problems)
    check_paths(changed, owned)
    return changed


def _unnamed(block: Block, owned: Collection[str]) -> Block:
    """A block of edits whose first line says which file they are for, with that line above it."""
    first, _, rest = block.text.partition("\n")
    inner = replace(block, text=rest, above=(first.strip(),))
    return inner if patches.is_patch(inner) and _named(inner, owned) in owned else block


def _sorted(
    all_blocks: Sequence[Block], owned: Collection[str]
) -> tuple[dict[str, list[Block]], list[Block], list[str]]:
    """Path → its blocks of edits; the other blocks; what is wrong. Edits that name no file are for the one named last."""
    edits: dict[str, list[Block]] = {}
    rest: list[Block] = []
    problems: list[str] = []
    last = next(iter(owned)) if len(owned) == 1 else None
    for block in all_blocks:
        path = _named(block, owned)
        if not patches.is_patch(block):
            rest.append(block)
        elif path := path or _mentioned(replace(block, info=""), owned) or last:
            edits.setdefault(path, []).append(block)
        else:
            ask = f"write a heading above them, such as '### {next(iter(owned))}'"
            problems.append(f"it is not clear which file edits are for; {ask}")
        last = path or last
    return edits, rest, problems


def _unwrapped(text: str, owned: Collection[str], most: int = 2) -> Iterator[str | Block]:
    """Lines and blocks, where a fence around a line ``WRONG TEST`` counts for nothing; ``most`` of them, one in another."""
    for part in patches.parts(text):
        if isinstance(part, str) or not most or patches.is_patch(part) or _named(part, owned) is not None:
            yield part
        elif _disputes(part.text):
            yield from _unwrapped(part.text, owned, most - 1)
        else:
            yield part


def _disputes(text: str) -> bool:
    return any(map(_DISPUTE.match, text.split("\n")))


def _dispute_lines(inside: Sequence[str | Block]) -> list[tuple[str, str]]:
    """What each line ``WRONG TEST`` names, and its reason: the rest of the line and the lines after it, up to a blank one."""
    found: list[tuple[str, list[str]]] = []
    goes_on = False
    for part in inside:
        if isinstance(part, Block) or (_HEADING.match(part) and not _DISPUTE.match(part)):
            goes_on = False
        elif match := _DISPUTE.match(part):
            found.append((match["id"].strip("./-"), [match["reason"].strip()]))
            goes_on = True
        elif goes_on:
            found[-1][1].append(part.strip())
            goes_on = bool(part.strip()) or not any(found[-1][1])
    return [(said, " ".join(filter(None, reason)).strip(" *_")) for said, reason in found]


def _is_quote(block: Block, owned: Collection[str]) -> bool:
    """Whether a block of an answer that speaks of tests shows what it speaks of and is no file: words, or a test."""
    if not block.closed or patches.is_patch(block) or _named(block, owned) is not None:
        return False
    code = _bare(block.text)
    return not code or bool(re.search(r"^\s*(?:async )?def test", code, re.MULTILINE))


def _whole(test_id: str) -> str:
    """The id of a test, whichever of its cases is named: ``test_y`` for ``test_y[1-2]``."""
    return test_id.partition("[")[0]


def short_names(test_id: str) -> tuple[str, ...]:
    """What a model may call a test: its id, or the end of it from a ``::`` on."""
    names = test_id.split("::")
    return tuple("::".join(names[i:]) for i in range(len(names)))


def python_problems(files: Files) -> list[str]:
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
