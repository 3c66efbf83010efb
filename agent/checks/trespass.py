"""What a test does that is not its business: private names, replaced parts of the program, traces that other tests see.

Each rule looks for one plain form, so that a test which is all right is not sent back.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from agent.checks.names import Names, modules_of
from agent.checks.pytest_source import Function, called
from graphs import syntax
from graphs.values import Component

_WRITING = frozenset(
    {"write_text", "write_bytes", "touch", "mkdir", "unlink", "rmdir", "rename", "symlink_to", "hardlink_to"}
)
_FILE_MAKERS = frozenset(
    f"os.{name}" for name in ("mkdir", "makedirs", "remove", "unlink", "rmdir", "rename", "replace", "truncate")
) | {"shutil.rmtree"}
_FILE_COPIERS = frozenset(f"shutil.{name}" for name in ("copy", "copy2", "copyfile", "copytree", "move"))
_READING = frozenset({"read_text", "read_bytes"})
_CHANGING = frozenset(
    {
        "append", "insert", "extend", "remove", "pop", "clear", "update", "setdefault", "popitem", "reverse", "sort",
        "__setitem__", "__delitem__",
    }
)  # fmt: skip
_SHARED = {
    "os.environ": "os.environ; use monkeypatch.setenv or monkeypatch.delenv",
    "sys.path": "sys.path; the program can be imported without that, so leave it out",
    "sys.modules": "sys.modules; use monkeypatch.setitem or monkeypatch.delitem",
    "os.chdir": "the working directory; use monkeypatch.chdir",
}
"""What all tests of a process share → how to say so."""
_CALLS_THAT_CHANGE = {"os.chdir": "os.chdir", "os.putenv": "os.environ", "os.unsetenv": "os.environ"}
_SOURCES = frozenset({"inspect.getsource", "inspect.getsourcelines", "inspect.getsourcefile", "linecache.getlines"})
_RECORD = frozenset({"_replace", "_asdict", "_fields", "_make", "_field_defaults", "_name_", "_value_", "_missing_"})
"""Names that only look private: those of named tuples and enumerations."""
_LONGEST_PATH = 1000
_LOCAL_HOST = re.compile(r"(?i)|localhost|127(\.\d+){3}|\[?::1?\]?|0\.0\.0\.0")
_REMOTE = frozenset(
    {"urllib.request.urlopen", "http.client.HTTPConnection", "http.client.HTTPSConnection", "socket.create_connection"}
)
_WEB = ("requests.", "httpx.")


@dataclass(frozen=True)
class Program:
    """What is under test, as far as tests may know of it."""

    paths: frozenset[str] = frozenset()
    """Files of the component and of what it stands on."""
    modules: frozenset[str] = frozenset()
    """Their dotted names, and those of the packages they lie in."""
    promised: frozenset[str] = frozenset()
    """Words of the contract's interface: private or not, they may be used."""
    variables: frozenset[str] = frozenset()
    """Names that the contract's interface gives to module-level variables: they may be set."""

    @property
    def tops(self) -> frozenset[str]:
        """Top-level modules and packages."""
        return frozenset(name.partition(".")[0] for name in self.modules)

    def holds(self, dotted: str) -> bool:
        """Whether a thing belongs to the program."""
        return dotted.partition(".")[0] in self.tops


def program_of(component: Component | None, paths: Iterable[str] = ()) -> Program:
    """The program that a component and the other files of its tree make."""
    every = frozenset(paths) | frozenset(component.files if component else ())
    words: set[str] = set()
    variables: set[str] = set()
    for source in component.contract.interface.values() if component else ():
        words |= set(re.findall(r"\w+", source))
        variables |= _variables(source)
    return Program(every, frozenset(modules_of(every)), frozenset(words), frozenset(variables))


def _variables(source: str) -> set[str]:
    try:
        body = syntax.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    targets = [t for s in body if isinstance(s, ast.Assign) for t in s.targets]
    targets += [s.target for s in body if isinstance(s, ast.AnnAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


@dataclass(frozen=True)
class Traces:
    """What one part of a test file does that may not be its business."""

    problems: tuple[str, ...] = ()
    """What is wrong whatever else the test does, one sentence each."""
    shared: frozenset[str] = frozenset()
    """What it changes of what all tests share."""
    restored: frozenset[str] = frozenset()
    """What of that it puts back."""
    written: tuple[str, ...] = ()
    """Files of the program that it writes to, should the working directory be the repository."""
    moves: bool = False
    """It works in another directory."""


def traces(part: ast.AST, names: Names, program: Program, own: Collection[str]) -> Traces:
    """What a part of a test file does.

    Args:
        part: a function, statement or expression.
        names: what names stand for in it.
        program: what is under test.
        own: attributes that the file itself gives to objects of its own.
    """
    problems: dict[str, None] = {}
    shared: set[str] = set()
    written: list[str] = []
    moves, known = False, _places(names)
    for node in ast.walk(part):
        problems.update(dict.fromkeys(_private(node, names, program, own)))
        problems.update(dict.fromkeys(_replaced(node, names, program)))
        shared |= set(_shared(node, names))
        if isinstance(node, ast.Call):
            moves = moves or called(node) == "chdir"
            for path in (_path(place, names, known) for place in _written(node, names)):
                if path and path.startswith("/") and not path.startswith("/dev/"):
                    problems[f"it writes to {path!r}; a test writes below tmp_path only"] = None
                elif path and str(PurePosixPath(path)) in program.paths:
                    written.append(path)
            problems.update(dict.fromkeys(_sources(node, names, program, known)))
            problems.update(dict.fromkeys(_network(node, names)))
    return Traces(tuple(problems), frozenset(shared), frozenset(_restored(part, names)), tuple(written), moves)


def trespasses(parts: Iterable[Traces]) -> Iterator[str]:
    """What is wrong with a test, one sentence each, given what it and all it uses of its file do."""
    parts = list(parts)
    yield from (problem for part in parts for problem in part.problems)
    restored = {kind for part in parts for kind in part.restored}
    yield from (f"it changes {_SHARED[kind]}" for part in parts for kind in sorted(part.shared - restored))
    if not any(part.moves for part in parts):
        for path in (path for part in parts for path in part.written):
            yield f"it writes to {path!r}, a file of the program; a test writes below tmp_path only"


# -- private names


def _private(node: ast.AST, names: Names, program: Program, own: Collection[str]) -> Iterator[str]:
    if not isinstance(node, ast.Name | ast.Attribute):
        return
    dotted = names.of(node)
    word = dotted.rpartition(".")[2] if dotted else getattr(node, "attr", "")
    if not word.startswith("_") or word.endswith("__") or word in program.promised or word in _RECORD:
        return
    if dotted:
        if program.holds(dotted) and dotted not in program.modules:
            yield f"it uses {dotted!r}, which is private; only what the contract names may be used"
    elif isinstance(node, ast.Attribute) and program.paths and word not in own and not _is_self(node.value):
        root: ast.AST = node.value
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if not names.of(root) and not _is_self(root):
            yield f"it uses the private attribute {word!r}; only what the contract names may be used"


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def own_attributes(tree: ast.Module) -> frozenset[str]:
    """Attributes and methods that a test file gives to objects of its own classes."""
    set_here = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value)
    }
    defined = {
        inner.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for inner in node.body if isinstance(inner, Function)
    }  # fmt: skip
    return frozenset(set_here | defined)


# -- parts of the program replaced


def _replaced(node: ast.AST, names: Names, program: Program) -> Iterator[str]:
    for dotted in _targets(node, names):
        if program.holds(dotted) and dotted.rpartition(".")[2] not in program.variables:
            yield f"it replaces {dotted!r}, a part of the program; give the program other inputs instead"


def _targets(node: ast.AST, names: Names) -> Iterator[str]:
    """Full names of what a statement or call sets, replaces or deletes on something imported."""
    for target in _set_by(node):
        owner = target.value if isinstance(target, ast.Subscript) else target
        if isinstance(owner, ast.Attribute):
            yield names.of(owner)
    if not isinstance(node, ast.Call) or not node.args:
        return
    first, name, meant = node.args[0], called(node), names.of(node.func)
    second = node.args[1] if len(node.args) > 1 else None
    patches = meant.startswith(("unittest.mock.patch", "mock.patch")) or _is_mocker(node.func)
    by_hand = meant in ("builtins.setattr", "builtins.delattr")
    by_fixture = isinstance(node.func, ast.Attribute) and name in ("setattr", "delattr", "setitem", "delitem")
    if patches or by_hand or by_fixture:
        owner_name = names.of(first)
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value if "." in first.value and not by_hand else ""
        elif owner_name and name in ("setitem", "delitem", "dict"):
            yield owner_name
        elif owner_name and isinstance(second, ast.Constant) and isinstance(second.value, str):
            yield f"{owner_name}.{second.value}"
        elif owner_name:
            yield f"{owner_name}.*"


def _set_by(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign | ast.Delete):
        return [inner for t in node.targets for inner in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]
    return [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []


def _is_mocker(func: ast.expr) -> bool:
    while isinstance(func, ast.Attribute):
        if func.attr == "patch" and isinstance(func.value, ast.Name) and func.value.id == "mocker":
            return True
        func = func.value
    return False


# -- what all tests share


def _shared(node: ast.AST, names: Names) -> Iterator[str]:
    for target in _set_by(node):
        dotted = names.of(target.value if isinstance(target, ast.Subscript) else target)
        if dotted in _SHARED and not isinstance(target, ast.Name):
            yield dotted
    if isinstance(node, ast.Call):
        meant = names.of(node.func)
        owner, _, method = meant.rpartition(".")
        if owner in _SHARED and method in _CHANGING:
            yield owner
        if meant in _CALLS_THAT_CHANGE:
            yield _CALLS_THAT_CHANGE[meant]


def _restored(part: ast.AST, names: Names) -> set[str]:
    """What of that a part puts back: in a ``finally``, after a ``yield``, in a tear-down, or by a patch around it."""
    found: set[str] = set()
    yields = [node.lineno for node in ast.walk(part) if isinstance(node, ast.Yield)]
    ends = isinstance(part, Function) and part.name.lower().startswith("teardown")
    for node in ast.walk(part):
        if isinstance(node, ast.Try):
            found |= {kind for last in node.finalbody for inner in ast.walk(last) for kind in _shared(inner, names)}
        if isinstance(node, ast.Call):
            name, meant = called(node), names.of(node.func)
            if name in ("addfinalizer", "addCleanup", "callback"):
                found |= set(_SHARED)
            if meant in ("unittest.mock.patch.dict", "mock.patch.dict") and node.args:
                found.add(names.of(node.args[0]) or str(getattr(node.args[0], "value", "")))
            if name == "chdir" and not meant:  # monkeypatch puts the directory back, whoever changed it last
                found.add("os.chdir")
        if ends or (yields and getattr(node, "lineno", 0) > min(yields)):
            found |= set(_shared(node, names))
    return found


# -- files


def _written(call: ast.Call, names: Names) -> Iterator[ast.expr]:
    """Expressions for the places that a call writes to."""
    meant = names.of(call.func)
    if isinstance(call.func, ast.Attribute) and not meant:
        if call.func.attr in _WRITING or (call.func.attr == "open" and _for_writing(call.args[:1], call)):
            yield call.func.value
    elif call.args and meant in ("builtins.open", "io.open"):
        if _for_writing(call.args[1:2], call):
            yield call.args[0]
    elif call.args and meant in _FILE_MAKERS:
        yield call.args[0]
    elif len(call.args) > 1 and meant in _FILE_COPIERS:
        yield call.args[1]


def _for_writing(given: Sequence[ast.expr], call: ast.Call) -> bool:
    modes = [*given, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(isinstance(m, ast.Constant) and isinstance(m.value, str) and set(m.value) & set("wax+") for m in modes)


def _places(names: Names) -> dict[str, str]:
    """Module-level variables of a file → the paths they stand for."""
    known: dict[str, str] = {}
    for name, value in names.assigned.items():
        path = _path(value, names, known)
        if path is not None and len(path) <= _LONGEST_PATH:  # each may be made of those before it
            known[name] = path
    return known


def _path(node: ast.AST, names: Names, known: Mapping[str, str]) -> str | None:
    """The path that an expression of literals stands for; ``None`` when it is made of anything else.

    The directories above the test file are the repository: paths below them come out relative, as the plan has them.
    """
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id="__file__"):
            return "."
        case ast.Name(id=name):
            return known.get(name)
        case ast.Attribute(value=value, attr="parent" | "parents") | ast.Subscript(value=value):
            return "." if _path(value, names, known) == "." else None
        case ast.Call(func=ast.Attribute(value=value, attr="resolve" | "absolute"), args=[]):
            return _path(value, names, known)
        case ast.Call(args=[first, *rest]) if names.of(node.func) in (
            "pathlib.Path",
            "pathlib.PurePath",
            "os.path.join",
        ):
            parts = [_path(part, names, known) for part in (first, *rest)]
            given = [part for part in parts if part is not None]
            return str(PurePosixPath(*given)) if len(given) == len(parts) else None
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            above, below = _path(left, names, known), _path(right, names, known)
            return str(PurePosixPath(above, below)) if above is not None and below is not None else None
    return None


# -- the source of the program, and the world outside


def _sources(call: ast.Call, names: Names, program: Program, known: Mapping[str, str]) -> Iterator[str]:
    meant = names.of(call.func)
    if meant == "importlib.reload":
        yield "it loads a module anew (importlib.reload), which other tests would see; test through the interface"
    if meant in _SOURCES and program.paths:
        yield f"it reads the source of the program ({meant}); test what it does and not how it is written"
    place: ast.expr | None = None
    if meant in ("builtins.open", "io.open") and call.args:
        place = call.args[0]
    elif isinstance(call.func, ast.Attribute) and call.func.attr in _READING:
        place = call.func.value
    if place is None:
        return
    if isinstance(place, ast.Call) and place.args and names.of(place.func) == "pathlib.Path":
        place = place.args[0]
    dotted = names.of(place)
    path = _path(place, names, known) or ""
    if (dotted.endswith(".__file__") and program.holds(dotted)) or (path.endswith(".py") and path in program.paths):
        yield f"it reads the source of the program ({dotted or path}); test what it does and not how it is written"


def _network(call: ast.Call, names: Names) -> Iterator[str]:
    meant = names.of(call.func)
    known = meant in _REMOTE or (
        meant.startswith(_WEB) and called(call) in ("get", "post", "put", "delete", "head", "patch")
    )
    connects = not meant and called(call) == "connect"
    if not call.args or not (known or connects):
        return
    place = call.args[0]
    if isinstance(place, ast.Tuple) and place.elts:
        place = place.elts[0]
    elif connects:
        return
    if isinstance(place, ast.Constant) and isinstance(place.value, str):
        host = _host(place.value)
        if not _LOCAL_HOST.fullmatch(host):
            yield f"it needs the network ({host}), and there is none where it runs"


def _host(text: str) -> str:
    rest = text.partition("://")[2] if "://" in text else text
    place = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return place if place.count(":") > 1 else place.partition(":")[0]
