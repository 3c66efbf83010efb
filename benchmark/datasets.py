"""Tasks: what an agent is told, what judges it, and where both are read from.

A *task* is a specification with hidden tests. It is read from

- a folder of ours, which Harbor loads unchanged (``task.toml``, ``instruction.md``, ``workspace/``, ``tests/``,
  ``given/``, ``solution/``, ``mutants/``); a Harbor folder without our fields is read with their defaults;
- a directory of such folders, a *suite*;
- the user's checkout of aider's polyglot benchmark, of which the Python exercises are taken;
- HumanEval, HumanEval+ and MBPP as ``.jsonl`` or ``.jsonl.gz``.

:func:`load` tells them apart. What cannot be read is a ``UserError`` of one sentence that names the file.
"""

from __future__ import annotations

import ast
import gzip
import json
import math
import os
import re
import tomllib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast, get_args

from agent.checks.pytest_source import declared_ids, is_test_file
from agent.git_objects import MADE_BY_RUNNING
from graphs import syntax
from graphs.errors import UserError
from graphs.values import Files, digest

Size = Literal["S", "M", "L", "XL"]
Kind = Literal["library", "cli", "service"]

TASKS = Path(__file__).parent / "tasks"
"""The suite that comes with this program."""
INTEGRATION = "integration"
"""The part that is judged by tests of the whole and not of one component."""
AGENT_SECONDS = 1800.0
"""What an agent may take where a task does not say."""
VERIFIER_SECONDS = 60.0
"""What one run of the hidden tests may take where a task does not say."""


@dataclass(frozen=True)
class Task:
    """A specification, and what judges the program that is made from it."""

    id: str
    """Name of the folder or of the record, for example ``humaneval-12``. Unique within a suite."""
    title: str
    """A few words."""
    instruction: str
    """The specification in Markdown: the only text that the agent sees."""
    tests: Files
    """Path below ``tests/`` → text. Hidden from the agent."""
    parts: Mapping[str, str]
    """Each test file → the component that it judges, or ``integration``."""
    workspace: Files = field(default_factory=dict)
    """What the agent starts from; empty for a program that is to be made from nothing."""
    given: Files = field(default_factory=dict)
    """What the tests lean on beside the program: laid over what was delivered, whatever that holds in its place."""
    solution: Files = field(default_factory=dict)
    """The whole tree that a perfect agent would deliver; empty where none is known."""
    mutants: Mapping[str, str] = field(default_factory=dict)
    """Name → a unified diff that makes the solution wrong, as a model might have it."""
    size: Size = "M"
    """S: one function or class; M: a module or command; L: three to five components; XL: eight to twelve."""
    kind: Kind = "library"
    """How the program is used."""
    tags: tuple[str, ...] = ()
    """What it is about."""
    licence: str = ""
    """SPDX name; empty when unknown."""
    canary: str = ""
    """A text found nowhere else, by which it can be told that a model was trained on the task; empty when there is none."""
    source: str = "folder"
    """Where it came from: ``folder``, ``polyglot``, ``humaneval``, ``humaneval+``, ``mbpp``, or ``self`` for one that was mined
    from a git history."""
    packages: tuple[str, ...] = ()
    """Distributions that program and tests may import beside the standard library. All that is installed where this program
    runs can be imported where there are any; a machine that lacks one cannot judge the task."""
    agent_seconds: float = AGENT_SECONDS
    """Wall time for the agent."""
    verifier_seconds: float = VERIFIER_SECONDS
    """Wall time for one run of the hidden tests."""

    def __post_init__(self) -> None:
        """``UserError`` for tests that could not be counted."""
        files = [path for path in self.tests if is_test_file(path)]
        if not files:
            raise UserError(f"the task {self.id!r} has no test file; add tests/test_….py")
        for path in files:
            if not declared_ids({path: self.tests[path]}):
                raise UserError(f"the test file {path!r} of the task {self.id!r} declares no test that can be read")
        for path in self.parts:
            if path not in files:
                raise UserError(
                    f"the task {self.id!r} says which part {path!r} judges, but has no such test file; "
                    f"there are {', '.join(files)}"
                )

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that results depend on. Two results are compared only where it is the same.

        The solution and the mutants are not in it: mending them changes no result.
        """
        of: list[Any] = [
            self.instruction,
            self.workspace,
            self.given,
            self.tests,
            self.parts,
            [self.agent_seconds, self.verifier_seconds],
        ]
        return digest([*of, self.packages] if self.packages else of)


def load(place: Path) -> tuple[Task, ...]:
    """The tasks in a file or directory, in order of their names; in a file, in the order they have there.

    ``UserError`` when there are none, or when one cannot be read.
    """
    if place.is_file():
        return read_records(place)
    if place.joinpath("task.toml").is_file():
        return (read_folder(place),)
    if place.joinpath("python", "exercises", "practice").is_dir():
        return read_polyglot(place)
    return tuple(read_folder(folder) for folder in folders(place))


def folders(place: Path) -> tuple[Path, ...]:
    """The folders of a suite, in order of their names. ``UserError`` when there are none."""
    try:
        found = tuple(sorted(folder for folder in place.iterdir() if folder.joinpath("task.toml").is_file()))
    except OSError as error:
        raise UserError(f"the tasks {str(place)!r} cannot be read: {error.strerror or error}") from error
    if not found:
        raise UserError(f"there is no task in {str(place)!r}: no folder in it has a task.toml")
    return found


# -- folders


def read_folder(folder: Path) -> Task:
    """The task in a folder of ours or of Harbor's. ``UserError`` when it cannot be read."""
    about = _Table(folder / "task.toml", _toml(folder / "task.toml"))
    own = about.table("metadata")
    tests = read_files(folder / "tests")
    instruction = _text(folder / "instruction.md")
    title = own.text("title") or _heading(instruction) or folder.resolve().name
    parts = {path: _part(path) for path in tests if is_test_file(path)}
    return Task(
        id=folder.resolve().name,
        title=title,
        instruction=instruction,
        tests=tests,
        parts=own.texts("parts") or parts,
        workspace=read_files(folder / "workspace"),
        given=read_files(folder / "given"),
        solution=read_files(folder / "solution"),
        mutants={
            name.removesuffix(".patch"): text
            for name, text in read_files(folder / "mutants").items()
            if name.endswith(".patch")
        },
        size=cast(Size, own.one_of("size", get_args(Size), "M")),
        kind=cast(Kind, own.one_of("kind", get_args(Kind), "library")),
        tags=own.list("tags"),
        licence=own.text("licence"),
        canary=own.text("canary"),
        source=own.text("source") or "folder",
        packages=own.list("packages"),
        agent_seconds=about.table("agent").seconds("timeout_sec", AGENT_SECONDS),
        verifier_seconds=about.table("verifier").seconds("timeout_sec", VERIFIER_SECONDS),
    )


def read_files(directory: Path) -> dict[str, str]:
    """Path → text of all files below a directory, in order of their paths; empty when there is no such directory.

    What running programs leave behind is not taken. ``UserError`` for a link and for what is not UTF-8 text.
    """
    found: dict[str, str] = {}
    for root, inside, names in os.walk(directory):
        inside[:] = sorted(name for name in inside if name not in MADE_BY_RUNNING)
        for name in (*inside, *names):
            if Path(root, name).is_symlink():
                raise UserError(f"{str(Path(root, name))!r} is a link; put the file itself there")
        for name in names:
            if name not in MADE_BY_RUNNING and not name.endswith(".pyc"):
                found[Path(root, name).relative_to(directory).as_posix()] = _text(Path(root, name))
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class _Table:
    """A table of a task.toml, whose values are asked for by type. ``UserError`` for one of another type."""

    path: Path
    """The file, for messages."""
    values: Mapping[str, Any]
    """Its keys."""
    name: str = ""
    """Of the table; empty for the file's top."""

    def _wrong(self, key: str, wanted: str) -> UserError:
        where = f"{self.name}.{key}" if self.name else key
        return UserError(f"{str(self.path)!r} has {self.values[key]!r} for {where}; it must be {wanted}")

    def table(self, key: str) -> _Table:
        """A table inside; an empty one when there is none."""
        inside = self.values.get(key, {})
        if not isinstance(inside, dict):
            raise self._wrong(key, "a table")
        return _Table(self.path, inside, key)

    def text(self, key: str) -> str:
        """A text; empty when there is none."""
        value = self.values.get(key, "")
        if not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def one_of(self, key: str, known: Sequence[str], default: str) -> str:
        """One of the known words."""
        value = self.values.get(key, default)
        if value not in known:
            raise self._wrong(key, f"one of {', '.join(known)}")
        return str(value)

    def list(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty when there is none."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of texts")
        return tuple(value)

    def texts(self, key: str) -> dict[str, str]:
        """A table of texts; empty when there is none."""
        inside = self.table(key).values
        if not all(isinstance(value, str) for value in inside.values()):
            raise self._wrong(key, "a table of texts")
        return dict(inside)

    def seconds(self, key: str, default: float) -> float:
        """A time."""
        value = self.values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
            raise self._wrong(key, "a number of seconds above 0")
        return float(value)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{str(path)!r} is no TOML: {error}") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except ValueError as error:
        raise UserError(f"{str(path)!r} is no JSON: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")  # line ends as they are
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{str(path)!r} is no UTF-8 text, and tasks are made of text") from error


def _heading(text: str) -> str:
    found = re.search(r"(?m)^# +(.+?)[ #]*$", text)
    return found[1] if found else ""


def _part(path: str) -> str:
    """The component that a test file judges, by its name: ``test_parser.py`` judges ``parser``."""
    return PurePosixPath(path).stem.removeprefix("test_").removesuffix("_test")


# -- aider's polyglot exercises


def read_polyglot(checkout: Path) -> tuple[Task, ...]:
    """The Python exercises of a checkout. Its files are not ours to pass on: they are read where they lie."""
    practice = checkout / "python" / "exercises" / "practice"
    found = sorted(folder for folder in practice.iterdir() if folder.joinpath(".meta", "config.json").is_file())
    if not found:
        raise UserError(f"there is no exercise in {str(practice)!r}: no folder in it has a .meta/config.json")
    return tuple(_exercise(folder) for folder in found)


def _exercise(folder: Path) -> Task:
    config = folder / ".meta" / "config.json"
    listed = _json(config)
    files = listed.get("files") if isinstance(listed, dict) else None

    def named(kind: str) -> tuple[str, ...]:
        names = files.get(kind, []) if isinstance(files, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError(f"{str(config)!r} does not list the files of kind {kind!r}")
        return tuple(names)

    asked, examples = named("solution"), named("example")
    if len(asked) != len(examples):
        raise UserError(f"{str(config)!r} lists {len(asked)} files to write and {len(examples)} that show how")
    told = {name: _text(folder / name) for name in named("editor")}
    tests = {name: _text(folder / name) for name in named("test")}
    # What the tests import is listed as one of them in some exercises.
    leant_on = {name: text for name, text in tests.items() if not declared_ids({name: text})}
    given = {**told, **leant_on}
    tests = {name: text for name, text in tests.items() if name not in given}
    words = [_text(page) for page in map((folder / ".docs").joinpath, _PAGES) if page.is_file()]
    if not words:
        raise UserError(f"the exercise {str(folder)!r} has no .docs/instructions.md")
    return Task(
        id=f"polyglot-{folder.name}",
        title=folder.name.replace("-", " "),
        instruction="\n\n".join([*(text.strip() for text in words), _written(asked)]),
        tests=tests,
        parts={name: _part(name) for name in tests},
        workspace={**{name: _text(folder / name) for name in asked}, **told},
        given=given,
        solution={**{name: _text(folder / made) for name, made in zip(asked, examples, strict=True)}, **given},
        size="S",
        tags=("polyglot",),
        source="polyglot",
    )


_PAGES = ("introduction.md", "instructions.md", "instructions.append.md")
"""What an exercise tells, in this order; the middle one is always there."""


def _written(files: Sequence[str]) -> str:
    names = ", ".join(f"`{name}`" for name in files)
    return f"Write {names} in Python, with the names that are there already. Use the standard library only.\n"


# -- records


Record = Mapping[str, Any]


def read_records(file: Path) -> tuple[Task, ...]:
    """The tasks in a file of JSON lines, perhaps packed by gzip. ``UserError`` with the line that cannot be read."""
    tasks: list[Task] = []
    for number, record in _records(file):
        read = next((read for keys, read in _KINDS if keys <= record.keys()), None)
        if read is None:
            keys_there = ", ".join(sorted(record)) or "no keys"
            raise UserError(
                f"line {number} of {str(file)!r} is no record of HumanEval, HumanEval+ or MBPP: it has {keys_there}"
            )
        try:
            tasks.append(read(record))
        except (KeyError, TypeError, ValueError, SyntaxError, IndexError) as error:
            raise UserError(f"line {number} of {str(file)!r} cannot be made a task: {error}") from error
    if not tasks:
        raise UserError(f"there is no task in {str(file)!r}")
    return tuple(tasks)


def _records(file: Path) -> Iterator[tuple[int, Record]]:
    try:
        data = file.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{str(file)!r} cannot be read as JSON lines: {error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise UserError(f"line {number} of {str(file)!r} is no JSON: {error}") from error
        if not isinstance(record, dict):
            raise UserError(f"line {number} of {str(file)!r} is no JSON object")
        yield number, record


def _humaneval(record: Record) -> Task:
    name = record["entry_point"]
    test = f"{_before(record)}from solution import {name}\n\n{record['test']}\n\n\ndef test_all():\n    check({name})\n"
    return _completion(record, "humaneval", {"test_solution.py": test})


_COMPARED = '''\
import copy
import json
import math

{before}from solution import {name}


def reference():
    """What the benchmark's authors wrote, in a namespace of its own."""
    namespace = {{}}
    exec({program!r}, namespace)
    return namespace[{name!r}]


def alike(value, wanted, tolerance):
    if isinstance(wanted, float) and tolerance == 0:
        tolerance = 1e-6
    if tolerance and isinstance(wanted, float | int) and not isinstance(wanted, bool):
        return isinstance(value, float | int) and math.isclose(value, wanted, rel_tol=1e-7, abs_tol=tolerance)
    if isinstance(wanted, list | tuple):
        same_length = type(value) is type(wanted) and len(value) == len(wanted)
        return same_length and all(alike(*pair, tolerance) for pair in zip(value, wanted))
    return value == wanted


def compare(inputs):
    wanted = reference()
    for given in json.loads(inputs):
        value = {name}(*copy.deepcopy(given))
        assert {claim}, given


def test_base():
    compare({base!r})


def test_plus():
    compare({plus!r})
'''
"""Compared with what the authors wrote: equal, or near where there are fractions (the rule of HumanEval+, EvalPlus 0.2)."""
_CLAIMS = {"find_zero": "abs(poly(*given, value)) <= 1e-4"}
"""What is asked instead of the authors' own answer, where there are several right ones: by function."""


def _humaneval_plus(record: Record) -> Task:
    if str(record["task_id"]).casefold().startswith("mbpp"):
        raise ValueError("it is of MBPP+, whose inputs are no plain JSON; use MBPP")
    name = record["entry_point"]
    test = _COMPARED.format(
        before=_before(record),
        name=name,
        program=record["prompt"] + record["canonical_solution"],
        claim=_CLAIMS.get(name, f"alike(value, wanted(*copy.deepcopy(given)), {float(record['atol'])!r})"),
        base=json.dumps(record["base_input"]),
        plus=json.dumps(record["plus_input"]),
    )
    return _completion(record, "humaneval+", {"test_solution.py": test})


def _before(record: Record) -> str:
    """What a prompt brings before the function that is asked for: tests may use it, and must not use the agent's copy."""
    prompt, name = record["prompt"], record["entry_point"]
    before = prompt[: prompt.rindex(f"def {name}(")].strip()
    return f"{before}\n\n" if before else ""


def _completion(record: Record, source: str, tests: Files) -> Task:
    """A task to complete a function. What it says is quoted as mere text: its examples are not written to be run."""
    name = record["entry_point"]
    number = str(record["task_id"]).rpartition("/")[2]
    return Task(
        id=f"{source}-{number}",
        title=name,
        instruction=f"# {name}\n\nComplete the function `{name}` in `solution.py`, which now holds:\n\n"
        f"```text\n{record['prompt'].rstrip()}\n```\n\nUse the standard library only.\n",
        tests=tests,
        parts=dict.fromkeys(tests, "solution"),
        workspace={"solution.py": record["prompt"]},
        solution={"solution.py": record["prompt"] + record["canonical_solution"]},
        size="S",
        tags=(source,),
        licence="MIT" if source == "humaneval" else "Apache-2.0",
        source=source,
    )


def _mbpp(record: Record) -> Task:
    """One of the assertions is shown, since names and types are told nowhere else; the others are hidden."""
    asserted: list[str] = [*record["test_list"], *record.get("challenge_test_list", [])]
    shown, hidden = asserted[0], asserted[1:]
    if not hidden:
        raise ValueError("it has no assertion besides the one that is shown")
    code = record["code"].replace("\r\n", "\n")
    used = {node.id for node in ast.walk(syntax.parse("\n".join([shown, *hidden]))) if isinstance(node, ast.Name)}
    defined = ast.FunctionDef | ast.ClassDef
    names = [node.name for node in syntax.parse(code).body if isinstance(node, defined) and node.name in used]
    if not names:
        raise ValueError("its assertions use nothing that its code defines")
    before = "\n".join([record.get("test_setup_code", ""), *record.get("test_imports", [])]).strip()
    cases = "".join(f"\n\ndef test_{number}():\n    {line}\n" for number, line in enumerate(hidden, 2))
    test = f"{before}\nfrom solution import {', '.join(names)}\n{cases}".lstrip()
    asked = record["text"] if "text" in record else record["prompt"]
    return Task(
        id=f"mbpp-{record['task_id']}",
        title=names[-1],
        instruction=f"# {names[-1]}\n\n{asked.strip()}\n\nWrite it in `solution.py`; this must hold there:\n\n"
        f"```text\n{shown}\n```\n\nUse the standard library only.\n",
        tests={"test_solution.py": test},
        parts={"test_solution.py": "solution"},
        solution={"solution.py": code},
        size="S",
        tags=("mbpp",),
        licence="CC-BY-4.0",
        source="mbpp",
    )


_KINDS: tuple[tuple[frozenset[str], Callable[[Record], Task]], ...] = (
    (frozenset({"prompt", "entry_point", "canonical_solution", "base_input", "plus_input", "atol"}), _humaneval_plus),
    (frozenset({"prompt", "entry_point", "canonical_solution", "test"}), _humaneval),
    (frozenset({"task_id", "code", "test_list"}), _mbpp),
)
"""The keys by which a record is known → what makes a task of it."""
