"""A program that is there already: its text files as one commit has them, and what of them is shown to whom.

A planner sees an :func:`overview`: every path, heads of the modules that the change is most likely about, and the few most
likely files whole. Whoever builds one component sees its :func:`surroundings`: heads alone, since those who write tests blind
see them too.

Likely is what the text names: a path, a module or a name that a file defines. All else goes by BM25 over the words of the files,
with names split at ``_`` and at capitals.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from agent.checks.names import modules_of
from agent.checks.pytest_source import is_test_file
from agent.git_objects import Objects, Unreadable, borrowed, read_git
from agent.interfaces import interface
from agent.printable import printable
from graphs import syntax
from graphs.errors import PrerequisiteError, UserError
from graphs.values import Files

BRANCH = "stepgraph"
"""Where a change is in the clone that is delivered."""
MOST_TEXT = 20_000_000
"""Bytes of text that an existing program may have."""
OVERVIEW_CHARS = 60_000
"""Characters of an overview: about 15,000 tokens."""
SURROUNDINGS_CHARS = 16_000
"""Characters of the surroundings of a component."""
LISTED, OUTLINED = 0.15, 0.45
"""Shares of an overview that paths and outlines may take; the rest, and what these leave, is for whole files."""
BRIEF, BRIEF_NEAR = 40, 4
"""An outline that is longer than this part of an overview, or of surroundings, keeps the docstring of its module alone."""
PATHS = "## Its files\n\nBy directory, each with its number of lines."
OUTLINES = "## Outlines\n\nHeads and docstrings of modules, without how things are done."
WHOLE = "## Whole files"
"""Headings of an overview."""
PROSE, PROSE_WEIGHT = (".md", ".rst", ".txt"), 0.3
"""Texts that are written in the words of specifications, and so are found by more of them than they are about."""
PATH_WEIGHT = 3
"""How often the words of a path count: they say what a file is about, most words in it do not."""
READ_CHARS = 60_000
"""Of a file, from its beginning, when it is asked what it is about; what is longer is seldom written by hand."""
SHARED_BY = 5
"""A name that more files than this define, or have, names none of them."""
MISSES = 8
"""So many files in a row that have no room any more end a part: it is full."""

_TESTS = frozenset({"test", "tests"})
"""Directories that hold tests and what they lean on."""
_WORD = re.compile(r"\w+")
_CAPITAL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])")
"""Where a name such as ``parseRows`` or ``HTTPServer`` has its joints."""
_DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+(\w+)|^(\w+)[ \t]*(?::[^=\n]+)?=(?!=)", re.MULTILINE)
_REFERENCE = re.compile(r"\w[\w./+-]*")
_QUOTED = re.compile(r"`([^`\n]+)`")
_CODE = re.compile(r"\w_\w|[^\W\d_A-Z][A-Z]")
"""Looks like a name in a program and not like a word of a text."""
_PARAGRAPH = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True)
class Existing:
    """A program that is there."""

    repo: Path
    """Absolute path of its git repository: the top directory, or the repository itself where it is bare."""
    commit: str
    """Full name of the commit that the change begins from."""
    files: Files
    """Path → text, every ordinary text file of that commit, in order of paths."""


def read_existing(directory: Path, commit: str = "HEAD") -> Existing:
    """The program in the git repository that a directory lies in. What is not committed does not count.

    Left out are links, submodules, what is no UTF-8 text or larger than 2 MB, and names that are no plain relative paths.

    Raises:
        UserError: there is no such directory, repository or commit, nothing was committed, or there is too much of it.
        PrerequisiteError: there is no git, or it cannot read the repository.
    """
    with borrowed(directory) as place:
        objects = Objects(directory, place)
        if commit == "HEAD" and objects.is_empty():
            raise UserError(
                f"nothing was committed yet in the git repository {str(directory)!r}; commit the program that is to be changed first"
            )
        name = objects.commit_of(commit)
        try:
            files = objects.files(name)
        except Unreadable as error:
            raise UserError(f"{error}; name a repository that is whole, and smaller") from error
    size = sum(len(text.encode()) for text in files.values())
    if size > MOST_TEXT:
        raise UserError(
            f"the program in {str(directory)!r} has {size / 1e6:.1f} MB of text; at most {MOST_TEXT // 1_000_000} MB are possible: "
            "take generated files and data out of the repository, or name a smaller one"
        )
    return Existing(_top(directory), name, files)


def uncommitted(directory: Path) -> int:
    """How many tracked files of a work tree differ from the commit that is checked out; 0 for a bare repository, and where
    nothing was committed. Neither hooks nor filters of the repository run.

    Raises: as :func:`read_existing`.
    """
    with borrowed(directory) as place:
        objects = Objects(directory, place)
        top = _top(directory)
        if objects.is_empty() or not (top / ".git").exists():
            return 0
        # The index knows which files were not touched since they were checked out: they are not read, so that what a filter
        # made of them does not count. A split index lies in two files.
        asked = read_git(directory, "rev-parse", "--path-format=absolute", "--git-path", "index")
        index = Path(asked.stdout.decode(errors="surrogateescape").rstrip("\n"))
        try:
            for file in (index, *index.parent.glob("sharedindex.*")):
                (place / ".git" / file.name).write_bytes(file.read_bytes())
        except OSError as error:
            raise PrerequisiteError(
                f"the index of the git repository {str(top)!r} cannot be read ({error.strerror}); mend it (git status says more)"
            ) from error
        words = ("--no-renames", "--name-only", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "-z")
        said = objects.asked(f"--git-dir={place / '.git'}", f"--work-tree={top}", "diff", *words, "HEAD", "--")
    return said.count("\0")


def _top(directory: Path) -> Path:
    """Where the repository of a directory is. Not what its configuration says, which could lead elsewhere."""
    place = directory.resolve()
    said = read_git(place, "rev-parse", "--absolute-git-dir").stdout
    own = Path(said.decode(errors="surrogateescape").rstrip("\n"))
    return next((p for p in (place, *place.parents) if p == own or (p / ".git").exists()), own)


# -- what is shown


def overview(files: Files, about: str, room: int = OVERVIEW_CHARS) -> str:
    """A program in Markdown, for whoever decides which of its files a change touches.

    All of it where there is room. Otherwise its paths, the least likely left out first; heads and docstrings of the Python
    modules that are most likely meant; the most likely files whole, tests after all others. The same for the same files,
    whatever their order.

    Args:
        files: of the program.
        about: what is asked for; what it names comes first.
        room: characters that there may be in all.
    """
    ranked = _ranked(files, about)
    if sum(map(len, files.values())) <= room and (listing := _listing(files, ranked, room)):
        in_order = sorted(files, key=lambda path: (_is_of_tests(path), path))
        everything = "\n\n".join((PATHS, listing, WHOLE, *(_block(path, files[path]) for path in in_order)))
        if len(everything) <= room:
            return everything

    sources = [path for path in ranked if not _is_of_tests(path)]

    def whole(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        return ((path, _block(path, files[path])) for path in paths if len(files[path]) < room)

    listing = _listing(files, ranked, int(room * LISTED) - len(PATHS) - 4)
    spared = int(room * LISTED) - len(PATHS) - len(listing) - 4
    outlined = int(room * OUTLINED)
    first = _fitting(whole(sources), room - int(room * LISTED) - outlined - len(WHOLE) - 2)
    shown = _shown(about, constants=False)
    heads = ((path, _outline(path, files[path], shown, room // BRIEF)) for path in sources if path not in first)
    told = _fitting(heads, outlined + spared - len(OUTLINES) - 2)
    used = sum(len(text) + 2 for text in (OUTLINES, *told.values(), WHOLE, *first.values()))
    more = [path for path in sources if path not in first and path not in told]
    if len(first) == len(sources):
        more = ranked[len(sources) :]  # tests, when all else is there
    first |= _fitting(whole(more), room - int(room * LISTED) + spared - used)
    parts = ((PATHS, [listing] if listing else []), (OUTLINES, told.values()), (WHOLE, first.values()))
    return "\n\n".join(text for heading, blocks in parts if blocks for text in (heading, *blocks))


def surroundings(files: Files, own: Sequence[str], about: str, room: int = SURROUNDINGS_CHARS) -> str:
    """Heads and docstrings of modules near a component, in Markdown, for whoever builds it: those that its files import or
    that import them, then those most likely meant. No bodies, no tests, none of its own files; empty when there is nothing.

    Args:
        files: of the program.
        own: paths of the component's files, also those that are not there yet.
        about: its purpose and contract; private names are left out unless they stand in it.
        room: characters that there may be in all.
    """
    near = _neighbours(files, own)
    ranked = _ranked(files, about)
    shown = _shown(about, constants=True)
    in_order = [
        path for path in sorted(ranked, key=lambda path: path not in near) if path not in own and not _is_of_tests(path)
    ]
    heads = ((path, _outline(path, files[path], shown, room // BRIEF_NEAR)) for path in in_order)
    return "\n\n".join(_fitting(heads, room).values())


def _fitting(blocks: Iterable[tuple[str, str]], room: int) -> dict[str, str]:
    """Path → text, one after another, of those that are not empty and for which there is room, two line ends after each."""
    taken: dict[str, str] = {}
    misses = 0
    for path, text in blocks:
        if text and len(text) + 2 <= room:
            taken[path] = text
            room -= len(text) + 2
            misses = 0
        elif text:
            misses += 1
            if misses == MISSES:
                break
    return taken


def _listing(files: Files, ranked: Sequence[str], room: int) -> str:
    """Paths and numbers of lines, by directory, tests last; of what there is no room for, the number. Empty where there is no
    room at all."""
    entries = {path: f"{_name(PurePosixPath(path).name)} {_lines(files[path])}" for path in ranked}
    most = len(ranked)
    while most and len(text := _listed(entries, ranked[:most])) > room:
        most = most * 9 // 10
    return text if most else ""


def _listed(entries: Mapping[str, str], chosen: Sequence[str]) -> str:
    there = Counter(map(_directory, entries))
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(chosen, key=lambda path: (_is_of_tests(path), path)):
        places[_directory(path)].append(entries[path])
    lines = [
        f"{_name(place)}: {', '.join(names)}"
        + (f" and {there[place] - len(names)} more" if len(names) < there[place] else "")
        for place, names in places.items()
    ]
    if missing := sum(there.values()) - sum(there[place] for place in places):
        lines.append(f"and {missing} files in {len(there) - len(places)} directories more")
    return _fenced("\n".join(lines), "text")


def _block(path: str, text: str) -> str:
    return f"### {_name(path)}\n\n{_fenced(text, 'python' if path.endswith('.py') else 'text')}"


def _fenced(text: str, language: str) -> str:
    from agent.prompts import fenced  # loads jinja2

    return fenced(printable(text), language)


def _outline(path: str, source: str, shown: Callable[[str], bool], most: int) -> str:
    """What a module offers; empty for what is no Python. Where that is more than so many
    characters, its own docstring is the only one."""
    if not path.endswith(".py"):
        return ""
    heads = interface(source, shown, docstrings=True)
    told = _shortened(heads, docstrings=True)
    told = told if len(told) <= most else _shortened(heads, docstrings=False)
    return _block(path, told) if told else ""


def _shortened(heads: str, *, docstrings: bool) -> str:
    """The same with little space, and the first paragraph of each docstring, or of the module's alone."""
    try:
        tree = syntax.parse(heads)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return heads
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text)) as about):
                about.value = _PARAGRAPH.split(text.strip(), maxsplit=1)[0]
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if not docstrings:
                node.body = [inner for inner in node.body if not _is_text(inner)] or [ast.Expr(ast.Constant(...))]
            case ast.FunctionDef(body=[about, _]) | ast.AsyncFunctionDef(body=[about, _]):
                node.body = [about]  # a docstring is body enough
    shown = [node for number, node in enumerate(tree.body) if docstrings or not number or not _is_text(node)]
    # A text alone is written as a docstring. No docstring holds an empty line any more.
    return "\n".join(_PARAGRAPH.sub("\n", ast.unparse(ast.Module([node], []))) for node in shown)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _shown(about: str, *, constants: bool) -> Callable[[str], bool]:
    """Whether a definition (``f``, ``C``, ``C.m``) is shown: all that is named, and what is public. ``constants``: those, too."""
    named = frozenset(_WORD.findall(about))

    def is_shown(name: str) -> bool:
        words = name.split(".")
        private = {word for word in words if word.startswith("_") and not word.endswith("__")}
        return named.issuperset(private) and (constants or not name.isupper() or name in named)

    return is_shown


def _name(path: str) -> str:
    """A path as it is shown: on one line."""
    return printable(path).replace("\n", "\\n")


def _directory(path: str) -> str:
    return f"{PurePosixPath(path).parent}/"


def _lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n") and bool(text))


def _is_of_tests(path: str) -> bool:
    """Whether a file is a test or what tests lean on."""
    *above, name = PurePosixPath(path).parts or ("",)
    return is_test_file(path) or name == "conftest.py" or not _TESTS.isdisjoint(above)


# -- what is likely meant


def _ranked(files: Files, about: str) -> list[str]:
    """Paths, the most likely first; those of tests after all others."""
    named = _mentions(files, about)
    paths = sorted(files)
    scores = dict(zip(paths, _scores([(path, files[path]) for path in paths], about), strict=True))
    scores |= {path: scores[path] * PROSE_WEIGHT for path in paths if path.endswith(PROSE)}
    return sorted(paths, key=lambda path: (_is_of_tests(path), -named.get(path, 0.0), -scores[path], path))


def _scores(documents: Sequence[tuple[str, str]], about: str) -> list[float]:
    from few_shot.retrieve import bm25

    query = set(_terms(about))
    # A word that is not asked for counts only by being there: what it is does not matter.
    terms = [
        [term if term in query else "" for term in (*_terms(path) * PATH_WEIGHT, *_terms(text))]
        for path, text in documents
    ]
    return bm25(terms, sorted(query))


@lru_cache(8192)
def _terms(text: str) -> tuple[str, ...]:
    """The stems of what a text is made of, names in their parts."""
    return tuple(stem for word in _WORD.findall(text[:READ_CHARS]) for stem in _stems(word))


@lru_cache(100_000)
def _stems(word: str) -> tuple[str, ...]:
    from few_shot.retrieve import stem, words

    return tuple(map(stem, words(_CAPITAL.sub(" ", word))))


def _mentions(files: Files, about: str) -> dict[str, float]:
    """Path → how much a text names it: whole paths most, then names of files and modules, then what a file defines. What
    several files go by counts for each a part of it; what more than :data:`SHARED_BY` do, nothing. Tests name what they test."""
    known: dict[str, set[str]] = defaultdict(set)
    for path in files:
        parts = PurePosixPath(path).parts
        for number in range(len(parts)):
            known["/".join(parts[number:])].add(path)
            if path.endswith(".py"):
                known[f"test_{parts[-1]}"].add(path)
        for module in (max(modules_of([path]), key=len),) if path.endswith(".py") else ():
            words = module.removesuffix(".__init__").split(".")
            for number in range(len(words) - 1):
                known[".".join(words[number:])].add(path)
        if path.endswith(".py") and not _is_of_tests(path):
            for name in _definitions(files[path]):
                known[name].add(path)
    found: dict[str, float] = defaultdict(float)
    for reference in _references(about):
        paths = known.get(reference, ())
        weight = 8.0 if reference in files else 4.0 if re.search(r"[./]", reference) else 2.0
        for path in (reference,) if reference in files else paths if len(paths) <= SHARED_BY else ():
            found[path] += weight / len(paths)
    return found


def _references(about: str) -> frozenset[str]:
    """What may name something of a program: paths, dotted names and their parts, and words that look like code or are quoted."""
    # The parts of a path are words like any other.
    quoted = {word for code in _QUOTED.findall(about) if "/" not in code for word in _WORD.findall(code)}
    found = set(quoted)
    for match in _REFERENCE.finditer(about):
        text = match[0].rstrip("./+-")
        called = about[match.start() + len(text) :].startswith("(")
        if called or re.search(r"[./]", text) or _CODE.search(text):
            words = text.split(".")
            found |= {text, *words, *(".".join(words[:end]) for end in range(2, len(words)))}
    return frozenset(found)


@lru_cache(4096)
def _definitions(source: str) -> frozenset[str]:
    """Names of functions, methods, classes and variables of a module. Not parsed, which would take seconds for a program."""
    return frozenset(name for names in _DEFINED.findall(source) for name in names if name)


def _neighbours(files: Files, own: Sequence[str]) -> frozenset[str]:
    """Files that the own ones import, or that import them."""
    found = {path for mine in own if mine in files for path in _imported(mine, files[mine]) if path in files}
    stems = {
        PurePosixPath(mine).parent.name if mine.endswith("__init__.py") else PurePosixPath(mine).stem for mine in own
    }
    if stems:
        named = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(stems)))})\b")
        wanted = frozenset(own)
        found |= {
            path
            for path, text in files.items()
            if path.endswith(".py") and named.search(text) and not wanted.isdisjoint(_imported(path, text))
        }
    return frozenset(found)


@lru_cache(4096)
def _imported(path: str, source: str) -> frozenset[str]:
    """The files that a module could mean by its imports, of those that there may be."""
    from graphs.dag import loaded_modules, module_paths

    try:
        tree = syntax.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    modules = [
        name for module, names in loaded_modules(tree, path) for name in (module, *(f"{module}.{n}" for n in names))
    ]
    return frozenset(place for module in modules for place in module_paths(module))
