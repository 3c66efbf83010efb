"""One exemplar of a right-sized plan per Markdown file: reading, checking, showing.

A file holds front matter (``name``, ``kind``, ``tags``) and the sections ``## Task``, ``## Plan`` (one fenced ``yaml``
block, in the format of ``plan.yaml``), ``## Why this size`` and, where a counter-example teaches something,
``## A wrong size``.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from graphs import dag, document, examples, syntax
from graphs.errors import PlanError
from graphs.values import Component, Example, Plan, Spec

BUNDLED = Path(__file__).parent / "plans"
"""The exemplars that are shipped."""

MAX_BYTES = 256 * 1024
"""A file larger than this is no exemplar: several of them must fit into one prompt."""

_SECTIONS = {"Task": "task", "Plan": "plan", "Why this size": "why", "A wrong size": "wrong"}
_REQUIRED = ("Task", "Plan", "Why this size")
_KEYS = ("name", "kind", "tags")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FENCE = re.compile(r"^ {0,3}(?P<mark>`{3,}|~{3,})[ \t]*(?P<label>[\w+-]*)")


class ExemplarError(PlanError):
    """A file that is no exemplar. ``problems`` holds one sentence per broken rule, naming the file and the section."""


@dataclass(frozen=True)
class Exemplar:
    """A task, a right-sized plan for it, and why it is cut that way."""

    name: str
    """Lower case words joined by ``-``; the file is called ``<name>.md``."""
    kind: str
    """What sort of task: ``function``, ``cli``, ``parser``, ``service``…"""
    tags: tuple[str, ...]
    """Further words that a similar specification might use."""
    task: str
    """The specification the plan answers, Markdown."""
    plan: Plan
    """The plan as a value."""
    plan_text: str
    """The same as YAML, as it was written: what a model is shown."""
    why: str
    """Why this cut and no other."""
    wrong_size: str
    """A cut of the same task that is too fine or too coarse, and what goes wrong with it; empty when there is none."""
    path: Path
    """Where it was read from."""

    @property
    def size(self) -> int:
        """How many components."""
        return len(self.plan.components)


def load(path: Path) -> Exemplar:
    """Read one exemplar.

    Only the form is looked at; :func:`problems` says what is wrong with the content.

    Raises:
        ExemplarError: the file is missing, too large, not UTF-8, or not of the form; sentences name file and section.
    """
    path = path.absolute()
    try:
        state = path.stat()
    except OSError as error:
        raise ExemplarError([f"{path}: cannot be read: {error.strerror or error}"]) from None
    return _read(path, state.st_mtime_ns, state.st_size)


def load_all(directories: Iterable[Path]) -> list[Exemplar]:
    """The exemplars (``*.md``, except README.md) of several directories by name; missing directories count as empty.

    Raises:
        ExemplarError: with the problems of all files that cannot be read, or two files with one name.
    """
    found: dict[str, Exemplar] = {}
    wrong: list[str] = []
    for directory in directories:
        for path in exemplar_files(directory):
            try:
                one = load(path)
            except ExemplarError as error:
                wrong += error.problems
                continue
            first = found.setdefault(one.name, one)
            if first is not one:
                wrong.append(
                    f"{path}: front matter: the name {one.name!r} is that of {first.path} too; give it another"
                )
    if wrong:
        raise ExemplarError(wrong)
    return [found[name] for name in sorted(found)]


def exemplar_files(directory: Path) -> list[Path]:
    """The files of a directory that should be exemplars, sorted; none when the directory does not exist."""
    return sorted(path for path in directory.glob("*.md") if path.name.lower() != "readme.md")


def library(user_directory: Path | None = None) -> list[Exemplar]:
    """The shipped exemplars and the user's own, in order of name. Files are read again only when they changed."""
    return load_all([BUNDLED, *([user_directory] if user_directory else [])])


def problems(exemplar: Exemplar, check_component: Callable[[Component], Iterable[str]] = lambda _: ()) -> list[str]:
    """What is wrong with the content, one sentence each, naming file and section; empty when it is sound.

    The plan goes through :func:`graphs.dag.problems` with the task as its spec, as every plan does. Beyond that,
    an exemplar must be exemplary: complete contracts, quotes that stand in the task, declared dependencies.

    Args:
        check_component: the rules on components that the caller applies to plans of models.
    """
    plan = exemplar.plan
    found = [f"section 'Plan': {p}" for p in dag.problems(plan, task_spec(exemplar), check_component)]
    if exemplar.path.stem != exemplar.name:
        found.append(
            f"front matter: the name is {exemplar.name!r}, so the file must be called {exemplar.name + '.md'!r}"
        )
    if not plan.requirements:
        found.append("section 'Plan': it lists no requirements; every exemplar shows R1, R2, … with their quotes")
    task = _squeezed(exemplar.task)
    for requirement in plan.requirements:
        if not requirement.quote or _squeezed(requirement.quote) not in task:
            found.append(
                f"section 'Plan': the quote of {requirement.id} ({repr(requirement.quote)[:60]}) is not in the task; "
                "quote its words"
            )
    for component in plan.components:
        found += (f"section 'Plan': component {component.id!r}: {p}" for p in _incomplete(component))
    if not any("is owned by both" in p for p in found):
        found += (f"section 'Plan': {p}" for p in _undeclared(plan))
    return [f"{exemplar.path}: {p}" for p in found]


def as_prompt(exemplar: Exemplar) -> str:
    """The exemplar as a model is shown it: task, plan, why this size, and the counter-example if there is one."""
    figures = dag.figures(exemplar.plan)
    count = "1 component" if figures.components == 1 else f"{figures.components} components"
    parts = [
        f"## Example {exemplar.name}: {exemplar.kind}, {count}, depth {figures.depth}, width {figures.width}",
        f"### Specification\n\n{_demoted(exemplar.task)}",
        f"### Plan\n\n```yaml\n{exemplar.plan_text.rstrip()}\n```",
        f"### Why this size\n\n{exemplar.why}",
    ]
    if exemplar.wrong_size:
        parts.append(f"### A wrong size for the same task\n\n{exemplar.wrong_size}")
    return "\n\n".join(parts) + "\n"


def task_spec(exemplar: Exemplar) -> Spec:
    """The task as a specification: its fenced doctests and shell sessions are its examples."""
    title = next((line.lstrip("# ") for line in exemplar.task.splitlines() if line.startswith("#")), exemplar.name)
    found: list[Example] = []
    for line, label, text in _fenced(exemplar.task):
        if label not in ("", "python", "pycon", "console", "sh", "shell", "bash"):
            continue
        try:
            example = examples.parse_block(text, f"E{len(found) + 1}", line)
        except ValueError:
            continue  # a listing that only looks like a session
        if example:
            found.append(example)
    digest = hashlib.sha256(exemplar.task.encode()).hexdigest()
    return Spec(title=title, text=exemplar.task, digest=digest, examples=tuple(found))


@lru_cache(maxsize=512)
def _read(path: Path, _mtime: int, size: int) -> Exemplar:
    """The size and time of change are part of the cache's key: an edited file is read again."""
    if size > MAX_BYTES:
        raise ExemplarError([f"{path}: has {size} bytes; an exemplar has at most {MAX_BYTES}"])
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ExemplarError([f"{path}: is not UTF-8 text"]) from None
    except OSError as error:
        raise ExemplarError([f"{path}: cannot be read: {error.strerror or error}"]) from None
    try:
        return _parse(path, text)
    except _FormError as error:
        raise ExemplarError([f"{path}: {problem}" for problem in error.problems]) from None


class _FormError(Exception):
    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def _parse(path: Path, text: str) -> Exemplar:
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in (line.strip() for line in lines[1:]):
        raise _FormError(["front matter: the file must start with name, kind and tags between two lines '---'"])
    end = next(i for i, line in enumerate(lines[1:], 1) if line.strip() == "---")
    wrong: list[str] = []
    name, kind, tags = _front_matter("\n".join(lines[1:end]), wrong)
    sections = _sections(lines[end + 1 :], wrong)
    plan_text, plan = _plan(sections["Plan"], wrong) if "Plan" in sections else ("", None)
    if wrong or plan is None:
        raise _FormError(wrong)
    return Exemplar(
        name=name,
        kind=kind,
        tags=tags,
        task=sections["Task"],
        plan=plan,
        plan_text=plan_text,
        why=sections["Why this size"],
        wrong_size=sections.get("A wrong size", ""),
        path=path,
    )


def _front_matter(text: str, wrong: list[str]) -> tuple[str, str, tuple[str, ...]]:
    """Name, kind and tags."""
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        data = None
        wrong.append(f"front matter: is not valid YAML: {str(error).splitlines()[0]}")
    if data is None or not isinstance(data, dict):
        if data is not None:
            wrong.append("front matter: must hold 'key: value' lines")
        return "", "", ()
    wrong += (f"front matter: unknown key {key!r}; {_nearest(str(key), _KEYS)}" for key in data if key not in _KEYS)
    for key in ("name", "kind"):
        if not isinstance(data.get(key), str) or not _NAME.fullmatch(data[key]):
            shown = repr(data.get(key))[:80]
            wrong.append(
                f"front matter: {key!r} must be lower-case words joined by '-', such as 'csv-report'; found {shown}"
            )
    tags = data.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        wrong.append(f"front matter: 'tags' must be a list of words; found {repr(tags)[:80]}")
        tags = []
    return str(data.get("name")), str(data.get("kind")), tuple(tags)


def _sections(lines: Sequence[str], wrong: list[str]) -> dict[str, str]:
    """Title → text of the sections; headings inside fences are text."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    before = current
    mark = ""
    for line in lines:
        mark = _mark_after(mark, line)
        if mark or not line.startswith("## "):
            current.append(line)
            continue
        title = line.removeprefix("## ").strip()
        if title not in _SECTIONS:
            wrong.append(f"section {title!r} is unknown; {_nearest(title, list(_SECTIONS))}")
        elif title in found:
            wrong.append(f"section {title!r} appears twice")
        current = found.setdefault(title, [])
    if any(line.strip() for line in before):
        wrong.append("there is text before the first section; it must start with '## Task'")
    if mark:
        wrong.append(f"a fence ({mark}) is never closed")
    texts = {title: "\n".join(body).strip("\n") for title, body in found.items()}
    wrong += (f"section {t!r} is missing or empty" for t in _REQUIRED if not texts.get(t, "").strip())
    return texts


def _mark_after(mark: str, line: str) -> str:
    """The fence that is open after a line, given the one open before it; empty for none."""
    fence = _FENCE.match(line)
    if not fence:
        return mark
    if not mark:
        return fence["mark"]
    closes = fence["mark"].startswith(mark) and line.strip() == fence["mark"]
    return "" if closes else mark


def _fenced(text: str) -> Iterator[tuple[int, str, str]]:
    """(line of its first line, label, text) of each fenced block."""
    mark, label, body, start = "", "", list[str](), 0
    for number, line in enumerate(text.splitlines(), 1):
        now = _mark_after(mark, line)
        if not mark and now:
            fence = _FENCE.match(line)
            label, body, start = (fence["label"] if fence else ""), [], number + 1
        elif mark and not now:
            yield start, label, "".join(f"{content}\n" for content in body)
        else:
            body.append(line)
        mark = now


def _plan(section: str, wrong: list[str]) -> tuple[str, Plan | None]:
    blocks = [text for _, label, text in _fenced(section) if label in ("yaml", "yml")]
    if len(blocks) != 1:
        wrong.append(f"section 'Plan': must hold one fenced block marked yaml; found {len(blocks)}")
        return "", None
    try:
        return blocks[0], document.parse(blocks[0])
    except PlanError as error:
        wrong += (f"section 'Plan': {problem}" for problem in error.problems)
        return blocks[0], None


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"possible are {', '.join(known)}"


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _demoted(markdown: str) -> str:
    """Headings of the task three levels lower, so that they stay inside their section of the prompt."""
    shown, mark = [], ""
    for line in markdown.splitlines():
        mark = _mark_after(mark, line)
        shown.append(f"###{line}" if not mark and re.match(r"#{1,3} ", line) else line)
    return "\n".join(shown)


def _incomplete(component: Component) -> Iterator[str]:
    """What is missing in its contract, or too much."""
    contract = component.contract
    lines = sum(len(text.splitlines()) for text in (contract.behaviour, *contract.interface.values()))
    if lines > dag.PAGE_LINES:
        yield f"its contract has {lines} lines; a page has {dag.PAGE_LINES}: shorten it or split the component"
    if component.kind in ("data", "docs"):
        return
    if not contract.examples:
        yield "its contract has no example; give one that certainly holds"
    for path, source in contract.interface.items():
        if not path.endswith(".py"):
            continue
        try:
            tree = syntax.parse(source)
        except SyntaxError as error:
            yield f"the interface of {path!r} is not valid Python (line {error.lineno}): {error.msg}"
            continue
        yield from (f"{path!r}: {name} has no full types in its signature" for name in _untyped(tree))


def _untyped(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        bare = [
            a for i, a in enumerate(given) if a and a.annotation is None and not (i == 0 and a.arg in ("self", "cls"))
        ]
        if bare or node.returns is None:
            yield node.name


def _undeclared(plan: Plan) -> Iterator[str]:
    """Modules of the plan that a contract uses without a declared, direct dependency on their owner."""
    modules = {_module(path): owner for path, owner in dag.file_owners(plan).items() if path.endswith(".py")}
    for component in plan.components:
        allowed = {component.id, *component.depends_on}
        sources = [text for path, text in component.contract.interface.items() if path.endswith(".py")]
        sources += (s.run for e in component.contract.examples if e.kind == "python" for s in e.steps)
        used = {modules[m] for source in sources for m in _imported(source) if m in modules}
        for owner in sorted(used - allowed):
            yield f"component {component.id!r} uses {owner!r} in its contract, but does not depend on it"


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imported(source: str) -> Iterator[str]:
    try:
        tree = syntax.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
