"""The contract's stub: the interface made importable, with nothing behind it. Tests that pass on it prove nothing.

Every call, and every construction of a class, raises ``NotImplementedError("path:name")``. What a test may need before
it calls anything stays: names, constants, enumeration members, exception classes, inheritance, fields. Interfaces are
written by a model and may be sloppy (missing bodies of ``...``, missing imports, values that cannot be computed yet); a
stub of one that parses can always be imported.

The stub of a file that exists is its source, in which what the interface states refuses. Functions and methods are put in
the place of the old ones where the module ends, so that what it does while it is imported goes on working; they refuse
from then on, except while some module is being imported: what the rest of the program computes at its import stays. What
cannot be held: a module whose import depends on how many members an enumeration or fields a record has, when they grow.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from pathlib import PurePosixPath
from types import MappingProxyType

from agent.checks.pytest_source import names_of_file, parsed
from graphs import syntax
from graphs.values import Component, Files

Function = ast.FunctionDef | ast.AsyncFunctionDef

_KNOWN = {
    "abc": ("ABC", "ABCMeta"),
    "dataclasses": ("dataclass", "field"),
    "enum": ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "auto", "unique"),
    "typing": ("Any", "Generic", "NamedTuple", "ParamSpec", "Protocol", "TypedDict", "TypeVar", "runtime_checkable"),
}
"""Names that sloppy interfaces use without importing them."""
_MODULE_OF = {name: module for module, names in _KNOWN.items() for name in names}
_ENUMS = frozenset({"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "ReprEnum"})
_RECORD_MAKERS = frozenset({"namedtuple", "NamedTuple", "TypedDict", "make_dataclass"})
_CLASS_HOOKS = frozenset(
    {
        "__init_subclass__",
        "__class_getitem__",
        "__set_name__",
        "__del__",
        "__prepare__",
        "__instancecheck__",
        "__subclasscheck__",
    }
)
"""Methods that run while a class is made or goes away; raising there would break the import."""
_ERROR_NAMES = ("Error", "Exception", "Warning")
_GENERATORS = frozenset({"AsyncIterator", "AsyncGenerator", "AsyncIterable"})

_PRELUDE = '''
class _Refusing(type):
    """Stands for a value that does not exist yet: whatever is done with it raises NotImplementedError."""

    def _refuse(cls, *args, **kwargs):
        raise NotImplementedError(type.__getattribute__(cls, "_place"))

    __call__ = __iter__ = __len__ = __contains__ = __getitem__ = __setitem__ = __enter__ = __exit__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __int__ = __float__ = __index__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __mod__ = _refuse
    __or__ = __ror__ = __and__ = __rand__ = __floordiv__ = __pow__ = __neg__ = __abs__ = _refuse
    __aenter__ = __aexit__ = __aiter__ = __await__ = _refuse
    __hash__ = type.__hash__

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"{cls._place}.{name}")


def _unfinished(place):
    name = place.rpartition(":")[2].rpartition(".")[2]
    if name.endswith(("Error", "Exception", "Warning")):
        return type(name, (Warning if name.endswith("Warning") else Exception,), {})
    return _Refusing(name, (), {"_place": place})
'''
_OPEN = """
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if "__path__" in globals():
        import importlib.util

        if importlib.util.find_spec(f"{__name__}.{name}"):
            raise AttributeError(name)
    return globals().setdefault(name, _unfinished(f"%s:{name}"))
"""
_CHANGES = '''
def _stub_importing():
    import sys

    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _stub_refusing(made, before):
    """What refuses, and for as long as a module is being imported does what was there before."""
    import functools
    import inspect

    if isinstance(made, (classmethod, staticmethod)) and type(before) is type(made):
        return type(made)(_stub_refusing(made.__func__, before.__func__))
    if not inspect.isfunction(made) or inspect.iscoroutinefunction(made) or not callable(before):
        return made

    @functools.wraps(made)
    def call(*args, **kwargs):
        return (before if _stub_importing() else made)(*args, **kwargs)

    return call


def _stub_change(owner, name, made):
    """Put a method into a class."""
    before = vars(owner).get(name)
    if isinstance(made, property) and isinstance(before, property):
        made = property(made.fget or before.fget, made.fset or before.fset, made.fdel or before.fdel)
    try:
        setattr(owner, name, _stub_refusing(made, before))
    except (AttributeError, TypeError):
        pass
'''
_OURS = frozenset(
    {"_Refusing", "_unfinished", "_stub_importing", "_stub_refusing", "_stub_change", "_stub_before", "_stub_made"}
)
"""Names that the stub of a file that exists adds to it."""
_MAIN = 'if __name__ == "__main__":\n    raise NotImplementedError("%s")\n'


def stub_files(component: Component, existing: Files = MappingProxyType({})) -> dict[str, str]:
    """Owned ``.py`` path → source of its stub.

    A file without an interface (or with one that cannot be parsed, see :func:`problems_of_interface`) gets an *open*
    stub: any name can be imported from it and raises ``NotImplementedError`` when used. Running a stub as a program
    raises it too.

    ``existing``: path → text of the program that is there. The stub of such a file is its text, in which what the interface
    states raises; where nothing can be made of the interface, the text as it is. What is no Python, nobody can import: such a file
    has the stub of a new one.
    """
    files: dict[str, str] = {}
    for path in component.files:
        if PurePosixPath(path).suffix == ".py":
            source = component.contract.interface.get(path, "")
            if path in existing and _can_be_read(existing[path]):
                files[path] = _changed(path, source, existing[path])
            else:
                files[path] = _stub(path, source) if source.strip() else _open_stub(path)
    return files


def problems_of_interface(component: Component) -> list[str]:
    """One sentence per interface of the contract that is no Python."""
    problems = []
    for path, source in component.contract.interface.items():
        if PurePosixPath(path).suffix == ".py":
            try:
                compile(source, path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                where = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
                what = error.msg if isinstance(error, SyntaxError) else str(error)
                problems.append(f"the interface of {path!r} is not valid Python{where}: {what}")
    return problems


def _open_stub(path: str) -> str:
    return _PRELUDE.lstrip() + "\n" + _OPEN % _escaped(path) + "\n\n" + _MAIN % _escaped(path)


def _escaped(path: str) -> str:
    """The path as it may stand inside a string literal between double quotes."""
    return path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("{", "{{").replace("}", "}}")


def _stub(path: str, source: str) -> str:
    try:
        compile(source, path, "exec", dont_inherit=True)
        tree = syntax.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _open_stub(path)
    maker = _Maker(path, _names_used(tree))
    body = maker.module(tree.body)
    doc = ast.get_docstring(tree, clean=False)
    head = [ast.Expr(ast.Constant(doc))] if doc is not None else []
    future = ast.ImportFrom("__future__", [ast.alias("annotations")], 0)
    module = ast.Module([*head, future, *maker.missing_imports(), *syntax.parse(_PRELUDE).body, *body], [])
    return ast.unparse(ast.fix_missing_locations(module)) + "\n\n\n" + _MAIN % _escaped(path)


def _can_be_read(source: str) -> bool:
    """Whether Python reads it, in whatever encoding it says it has."""
    try:
        compile(source.encode("utf-8", "surrogatepass"), "existing", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _changed(path: str, source: str, existing: str) -> str:
    """The stub of a file that exists."""
    try:
        compile(source, path, "exec", dont_inherit=True)
        stated, tree = parsed(source), parsed(existing)
        if not source.strip() or _OURS & names_of_file(tree):
            return existing
        text = ast.unparse(ast.fix_missing_locations(_Changer(path, stated, tree).module()))
        compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return existing
    return text + "\n"


def _names_used(tree: ast.AST) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _literal(node: ast.expr | None) -> bool:
    """Whether it is a value that is there without computing; ``...`` is not one."""
    try:
        return node is not None and syntax.literal(node) is not ...
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False


def _docstring(node: Function | ast.ClassDef) -> list[ast.stmt]:
    doc = ast.get_docstring(node, clean=False)
    return [] if doc is None else [ast.Expr(ast.Constant(doc))]


def _refusal(place: str) -> ast.stmt:
    return ast.Raise(ast.Call(ast.Name("NotImplementedError", ast.Load()), [ast.Constant(place)], []), None)


def _any_arguments(first: str) -> ast.arguments:
    return ast.arguments([], [ast.arg(first)], ast.arg("args"), [], [], ast.arg("kwargs"), [])


class _Maker:
    """Turns the statements of one interface into those of its stub, keeping track of the names that exist so far."""

    def __init__(self, path: str, used: frozenset[str]) -> None:
        self.path = path
        self.used = used
        self.known = set(dir(builtins))
        self.exceptions = {name for name, value in vars(builtins).items() if _is_exception(value)}
        self.enums = set(_ENUMS)
        self.imported: set[str] = set()
        self.text_enums: set[str] = {"StrEnum"}
        self.members = 1000
        self.added = {name for name in used if name in _MODULE_OF}
        self.known |= self.added

    def missing_imports(self) -> list[ast.stmt]:
        """Imports of well-known names that the interface uses without importing them."""
        names = sorted(self.added - self.imported)
        return [ast.ImportFrom(_MODULE_OF[name], [ast.alias(name)], 0) for name in names]

    def module(self, body: Iterable[ast.stmt]) -> list[ast.stmt]:
        """The statements of a module, or of a block at its top level."""
        made: list[ast.stmt] = []
        for node in body:
            made += self._statement(node)
        return made

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            return self._import(node)
        if isinstance(node, Function):
            self.known.add(node.name)
            return [self._function(node, node.name)]
        if isinstance(node, ast.ClassDef):
            made = self._class(node, node.name)
            self.known.add(node.name)
            only_methods = all(isinstance(inner, Function | ast.Expr) for inner in made.body)
            simple = only_methods and not (made.bases or made.keywords or made.decorator_list)
            return [made] if simple else [self._tried(made, [node.name])]
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            return self._assignment(node)
        if isinstance(node, ast.If):
            if _names_used(node.test) & {"__name__"}:
                return []
            return [*self.module(node.body), *self.module(node.orelse)]
        if isinstance(node, ast.Try):
            handlers = [inner for handler in node.handlers for inner in handler.body]
            tried = self.module(node.body)
            spare = self.module(handlers)
            if not tried:
                return spare
            fallback = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, spare or [ast.Pass()])
            return [ast.Try(tried, [fallback], [], [])]
        if sys.version_info >= (3, 12) and isinstance(node, ast.TypeAlias):
            return [node]
        return []

    def _import(self, node: ast.Import | ast.ImportFrom) -> list[ast.stmt]:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            return []
        names = [(alias.asname or alias.name.partition(".")[0]) for alias in node.names]
        self.known.update(names)
        self.imported.update(names)
        self.exceptions.update(name for name in names if name.endswith(_ERROR_NAMES))
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        relative = isinstance(node, ast.ImportFrom) and node.level
        if not relative and all(name.partition(".")[0] in sys.stdlib_module_names for name in modules):
            return [node]
        # The stub must be importable even where a neighbour or a package is not what the interface thinks it is.
        return [self._tried(node, names)]

    def _assigned(self, name: str, value: ast.expr) -> ast.stmt:
        return ast.Assign([ast.Name(name, ast.Store())], value)

    def _unfinished(self, name: str) -> ast.expr:
        return ast.Call(ast.Name("_unfinished", ast.Load()), [ast.Constant(f"{self.path}:{name}")], [])

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[ast.stmt]:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]
        self.known.update(names)
        value = node.value
        if isinstance(node, ast.AnnAssign) and (value is None or not node.simple):
            return [self._assigned(name, self._unfinished(name)) for name in names]
        plain = not isinstance(node, ast.AugAssign) and all(isinstance(target, ast.Name) for target in targets)
        if plain and _literal(value):
            return [node]
        if isinstance(value, ast.Call) and _last_name(value) in _RECORD_MAKERS and len(names) == 1:
            record = ast.ClassDef(names[0], [ast.Name("tuple", ast.Load())], [], [], [])
            record.body = [self._raising("__new__", f"{names[0]}", "cls")]
            return [record]
        if isinstance(value, ast.Lambda) or (isinstance(value, ast.Constant) and value.value is ...):
            return [self._assigned(name, self._unfinished(name)) for name in names]
        return [self._tried(node, names)]

    def _raising(self, name: str, place: str, first: str) -> ast.stmt:
        function = ast.FunctionDef(name, _any_arguments(first), [_refusal(f"{self.path}:{place}")], [])
        return function

    def _function(self, node: Function, place: str) -> ast.stmt:
        decorators = [kept for kept in map(self._decorator, node.decorator_list) if kept is not None]
        body = [*_docstring(node), _refusal(f"{self.path}:{place}")]
        arguments = self._arguments(node.args)
        # A generator or context manager of coroutines raises at the call, like everything else.
        yields = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))
        lazy = (
            yields
            or (node.returns is not None and _last_name(node.returns) in _GENERATORS)
            or any(_last_name(decorator) == "asynccontextmanager" for decorator in node.decorator_list)
        )
        kind = ast.AsyncFunctionDef if isinstance(node, ast.AsyncFunctionDef) and not lazy else ast.FunctionDef
        return kind(node.name, arguments, body, decorators, node.returns)

    def _arguments(self, arguments: ast.arguments) -> ast.arguments:
        """The same signature; defaults that would have to be computed become ``...``."""
        spare = ast.Constant(...)
        return ast.arguments(
            arguments.posonlyargs,
            arguments.args,
            arguments.vararg,
            arguments.kwonlyargs,
            [value if value is None or _literal(value) else spare for value in arguments.kw_defaults],
            arguments.kwarg,
            [value if _literal(value) else spare for value in arguments.defaults],
        )

    def _decorator(self, node: ast.expr) -> ast.expr | None:
        """What decides how a name is called; all other decorators are dropped, since what they need may be missing."""
        name = _last_name(node)
        if name in ("property", "cached_property", "abstractproperty"):
            return ast.Name("property", ast.Load())
        if name in ("staticmethod", "classmethod"):
            return ast.Name(name, ast.Load())
        if name in ("setter", "deleter", "getter") and isinstance(node, ast.Attribute):
            return node
        return None

    def _resolvable(self, node: ast.expr) -> bool:
        return _names_used(node) <= self.known and not any(isinstance(n, ast.Call) for n in ast.walk(node))

    def _tried(self, node: ast.stmt, names: Iterable[str]) -> ast.stmt:
        """The statement, and placeholders for the names it should have bound where it does not work out."""
        spare = [self._assigned(name, self._unfinished(name)) for name in names if name != "*"]
        handler = ast.ExceptHandler(ast.Name("BaseException", ast.Load()), None, spare or [ast.Pass()])
        return ast.Try([node], [handler], [], [])

    def _class(self, node: ast.ClassDef, place: str) -> ast.ClassDef:
        names = [_last_name(base) for base in node.bases]
        bases = [base for base in node.bases if self._resolvable(base)]
        keywords = [k for k in node.keywords if k.arg == "metaclass" and self._resolvable(k.value)]
        decorators: list[ast.expr] = []
        for decorator in node.decorator_list:
            if _last_name(decorator) == "dataclass" and self._resolvable(_callee(decorator)):
                decorators.append(_without_init(decorator))
            elif _last_name(decorator) == "runtime_checkable" and self._resolvable(decorator):
                decorators.append(decorator)
        kind = "plain"
        if any(name in self.exceptions or name.endswith(_ERROR_NAMES) for name in names):
            kind = "exception"
            self.exceptions.add(node.name)
        elif any(name in self.enums for name in names):
            kind = "enum"
            self.enums.add(node.name)
            if "str" in names or any(name in self.text_enums for name in names):
                self.text_enums.add(node.name)
        elif "Protocol" in names:
            kind = "protocol"
        elif "type" in names:
            kind = "metaclass"
        elif "NamedTuple" in names or "TypedDict" in names:
            bases = [ast.Name("tuple" if "NamedTuple" in names else "dict", ast.Load())]
            keywords = []
        if not bases and kind == "exception":
            bases = [ast.Name("Exception", ast.Load())]
        body = [*_docstring(node), *self._class_body(node, place, kind)]
        defined = {inner.name for inner in body if isinstance(inner, Function)}
        if kind == "plain":
            constructors = ("__new__", "__init__") if "NamedTuple" in names else ("__init__",)
            first = {"__new__": "cls", "__init__": "self"}
            body += [self._raising(name, place, first[name]) for name in constructors if name not in defined]
        return ast.ClassDef(node.name, bases, keywords, body or [ast.Pass()], decorators)

    def _class_body(self, node: ast.ClassDef, place: str, kind: str) -> list[ast.stmt]:
        body: list[ast.stmt] = []
        properties: set[str] = set()
        for inner in node.body:
            if isinstance(inner, Function):
                if self._keeps_method(inner.name, kind):
                    made = self._function(inner, f"{place}.{inner.name}")
                    if _accessor_without_property(made, properties):
                        continue
                    if (
                        isinstance(made, Function)
                        and made.decorator_list
                        and _last_name(made.decorator_list[0]) == "property"
                    ):
                        properties.add(inner.name)
                    body.append(made)
            elif isinstance(inner, ast.ClassDef):
                body.append(self._class(inner, f"{place}.{inner.name}"))
            elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                body += self._field(inner, node, place, kind)
            elif isinstance(inner, ast.Assign):
                body += self._attribute(inner, node, place, kind)
        return body

    def _keeps_method(self, name: str, kind: str) -> bool:
        if name in _CLASS_HOOKS:
            return False
        return not (
            name.startswith("__") and (kind == "metaclass" or (kind == "enum" and name in ("__init__", "__new__")))
        )

    def _field(self, node: ast.AnnAssign, owner: ast.ClassDef, place: str, kind: str) -> list[ast.stmt]:
        assert isinstance(node.target, ast.Name)
        if kind == "enum":
            return self._attribute(ast.Assign([node.target], node.value or ast.Constant(...)), owner, place, kind)
        if isinstance(node.value, ast.Constant) and node.value.value is not ...:
            return [node]
        if _last_name(node.annotation) == "ClassVar" and node.value is not None:
            return [
                ast.AnnAssign(node.target, node.annotation, self._class_value(node.value, node.target.id, place), 1)
            ]
        # No default: it would have to be computed, and nothing is ever constructed.
        return [ast.AnnAssign(node.target, node.annotation, None, 1)]

    def _attribute(self, node: ast.Assign, owner: ast.ClassDef, place: str, kind: str) -> list[ast.stmt]:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if len(names) != len(node.targets):
            return [node] if _literal(node.value) else []
        if kind != "enum" or _literal(node.value) or names[0].startswith("_"):
            return [ast.Assign(node.targets, self._class_value(node.value, names[0], place))]
        if isinstance(node.value, ast.Call) and _last_name(node.value) == "auto" and self._resolvable(node.value.func):
            return [node]
        self.members += 1  # each member needs a value of its own, or it would become another name of the first
        value = names[0] if owner.name in self.text_enums else self.members
        return [ast.Assign(node.targets, ast.Constant(value))]

    def _class_value(self, value: ast.expr, name: str, place: str) -> ast.expr:
        return value if _literal(value) else self._unfinished(f"{place}.{name}")


class _Changer:
    """Puts what an interface states into a module that exists, so that it can still be imported."""

    def __init__(self, path: str, stated: ast.Module, tree: ast.Module) -> None:
        self._stated, self._tree = stated, tree
        self._there = names_of_file(tree)
        self._maker = _Maker(path, _names_used(stated))
        self._maker.known |= self._there
        outside = [node for block in _blocks(tree.body) for node in block]
        self._classes = {node.name: node for node in outside if isinstance(node, ast.ClassDef)}
        self._functions = {node.name: node for node in outside if isinstance(node, Function)}
        for node in self._classes.values():
            self._maker._class(node, node.name)  # notes which of them are exceptions and enumerations

    def module(self) -> ast.Module:
        """The whole module; the tree is changed for it."""
        made = [node for stated in self._stated.body for node in self._statement(stated)]
        imports = [node for node in self._maker.missing_imports() if not _bound(node) <= self._there]
        body = self._tree.body
        # Before what the module does when it is run: that uses the new names, too.
        end = len(body)
        while end and _runs(body[end - 1]):
            end -= 1
        body[end:end] = [*imports, *made]
        start = next((n for n, node in enumerate(body) if not _is_head(node)), len(body))
        body[start:start] = [*syntax.parse(_PRELUDE).body, *syntax.parse(_CHANGES).body]
        return self._tree

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        """What is added at the end for one statement of the interface."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                made = self._function(node, self._functions.get(node.name), node.name)
                if node.name not in self._there:
                    return made
                name = ast.Name(node.name, ast.Load())
                kept = self._maker._assigned("_stub_before", name)
                return [
                    kept,
                    *made,
                    self._maker._assigned(node.name, _call("_stub_refusing", name, ast.Name("_stub_before"))),
                ]
            case ast.ClassDef() if node.name in self._classes:
                return self._class(node, self._classes[node.name], ast.Name(node.name), node.name)
            case ast.Import() | ast.ImportFrom():
                new = [one for one in node.names if (one.asname or one.name).partition(".")[0] not in self._there]
                made_import = deepcopy(node)
                made_import.names = new
                return self._maker.module([made_import] if new else [])
            case ast.Assign() | ast.AnnAssign() if (names := _bound(node)) & self._there:
                if "__all__" in names or not _literal(node.value):
                    return []  # it is there, and what it becomes is not said
            case ast.If() if "__name__" not in _names_used(node.test):
                return [made for inner in [*node.body, *node.orelse] for made in self._statement(inner)]
        return [_unannotated(made) for made in self._maker.module([node])]

    def _function(self, node: Function, before: Function | None, place: str) -> list[ast.stmt]:
        """What refuses, decorated as the interface says, or else as it was; where that fails, as new functions are."""
        bare = self._maker._function(node, place)
        assert isinstance(bare, Function)
        decorators = node.decorator_list or (before.decorator_list if before else [])
        decorators = [one for one in decorators if _last_name(one) not in ("overload", "abstractmethod")]
        known = [kept for kept in map(self._maker._decorator, decorators) if kept is not None]
        plain = _unannotated(type(bare)(bare.name, bare.args, bare.body, known, bare.returns))
        if len(known) == len(decorators):
            return [plain]
        full = type(bare)(bare.name, bare.args, bare.body, decorators, bare.returns)
        return [_or(full, plain)]

    def _class(self, node: ast.ClassDef, before: ast.ClassDef, owner: ast.expr, place: str) -> list[ast.stmt]:
        """Sets the fields of a class that exists; what is given puts its methods and new classes into it."""
        bases = [_last_name(base) for base in before.bases]
        kinds = {"metaclass": {"type"}, "enum": self._maker.enums, "dictionary": {"TypedDict"}}
        kind = next((name for name, marks in kinds.items() if marks & set(bases)), "plain")
        old = {(inner.name, _accessor(inner)): inner for inner in before.body if isinstance(inner, Function)}
        nested = {inner.name: inner for inner in before.body if isinstance(inner, ast.ClassDef)}
        there = names_of_file(ast.Module(before.body, []))
        fields: list[ast.stmt] = []
        classes: list[ast.stmt] = []
        methods: dict[str, list[ast.stmt]] = {}
        for inner in node.body:
            if isinstance(inner, Function) and self._maker._keeps_method(inner.name, kind):
                accessor = _accessor(inner)
                body = methods.setdefault(inner.name, [])
                if accessor and not body:
                    body.append(self._maker._assigned(inner.name, _call("property")))
                body += self._function(inner, old.get((inner.name, accessor)), f"{place}.{inner.name}")
            elif isinstance(inner, ast.ClassDef) and inner.name in nested:
                inside = ast.Attribute(owner, inner.name)
                classes += self._class(inner, nested[inner.name], inside, f"{place}.{inner.name}")
            elif isinstance(inner, ast.ClassDef):
                methods[inner.name] = [_unannotated(self._maker._class(inner, f"{place}.{inner.name}"))]
            elif isinstance(inner, ast.Assign | ast.AnnAssign) and (
                not _bound(inner) <= there or _literal(inner.value)
            ):
                fields += self._field(inner, node, kind, place)
        if fields:
            self._set_fields(before, fields)
        for name, body in methods.items():
            # In a class of the same name: that is part of names with two underscores.
            made = f"_{node.name.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
            holder = ast.ClassDef(node.name, [], [], body, [])
            maker = ast.FunctionDef("_stub_made", _nothing(), [holder, ast.Return(ast.Name(node.name))], [])
            value = ast.Subscript(_call("vars", _call("_stub_made")), ast.Constant(made))
            put = ast.Expr(_call("_stub_change", owner, ast.Constant(made), value))
            classes += [maker, _or(put, ast.Pass())]
        return classes

    def _field(self, node: ast.Assign | ast.AnnAssign, owner: ast.ClassDef, kind: str, place: str) -> list[ast.stmt]:
        if kind == "enum" or isinstance(node, ast.Assign):
            plain = node if isinstance(node, ast.Assign) else ast.Assign([node.target], node.value or ast.Constant(...))
            return self._maker._attribute(plain, owner, place, kind)
        value = node.value
        if kind != "dictionary" and not _literal(value):
            # With a value: what makes objects of the class as it was goes on working.
            value = self._maker._unfinished(f"{place}.{ast.unparse(node.target)}")
        return [_unannotated(ast.AnnAssign(node.target, node.annotation, value, 1))]

    def _set_fields(self, node: ast.ClassDef, fields: Sequence[ast.stmt]) -> None:
        """Set or add them in the class; where no class can be made of that, it stays as it was."""
        body = list(node.body)
        for field in fields:
            at = next((n for n, inner in enumerate(body) if _bound(inner) == _bound(field)), None)
            if at is not None:
                body[at] = field
                continue
            place = max((n for n, inner in enumerate(body) if _bound(inner) or _is_text(inner)), default=-1)
            body.insert(place + 1, field)
        made = ast.ClassDef(node.name, node.bases, node.keywords, body, node.decorator_list)
        inside = [inner.body for inner in ast.walk(self._tree) if isinstance(inner, ast.ClassDef)]
        for block in [*_blocks(self._tree.body), *inside]:
            for at, inner in enumerate(block):
                if inner is node:
                    block[at] = _or(made, node)
                    return


def _blocks(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """The statements of a module, and those in the branches of each."""
    yield body
    for node in body:
        if not isinstance(node, Function | ast.ClassDef):
            for name in ("body", "orelse", "finalbody"):
                yield from _blocks(getattr(node, name, []))
            for handler in getattr(node, "handlers", []):
                yield from _blocks(handler.body)


def _bound(node: ast.stmt) -> set[str]:
    """Names that an assignment or import binds."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.ImportFrom):
        return names_of_file(ast.Module([node], []))
    return set()


def _accessor(node: Function) -> str:
    """``setter`` for ``@x.setter``, of a property; empty for everything else."""
    names = [one.attr for one in node.decorator_list if isinstance(one, ast.Attribute)]
    return next((name for name in names if name in ("setter", "deleter")), "")


def _runs(node: ast.stmt) -> bool:
    """Whether it is what a module does when it is run: a call, or ``if __name__ == "__main__"``."""
    return (isinstance(node, ast.Expr) and not _is_text(node)) or (
        isinstance(node, ast.If) and "__name__" in _names_used(node.test)
    )


def _is_head(node: ast.stmt) -> bool:
    return _is_text(node) or (isinstance(node, ast.ImportFrom) and node.module == "__future__")


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _or(node: ast.stmt, spare: ast.stmt) -> ast.stmt:
    """The statement, and another where it does not work out."""
    return ast.Try([node], [ast.ExceptHandler(ast.Name("Exception"), None, [spare])], [], [])


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name), list(arguments), [])


def _nothing() -> ast.arguments:
    return ast.arguments([], [], None, [], [], None, [])


class _Quoting(ast.NodeTransformer):
    """Writes annotations as texts, so that nothing looks up their names."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = _quoted(node.returns)
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = _quoted(node.returns)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = _quoted(node.annotation)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = _quoted(node.annotation) or node.annotation
        return node


def _quoted(node: ast.expr | None) -> ast.expr | None:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node if node is None or is_text else ast.Constant(ast.unparse(node))


def _unannotated(node: ast.stmt) -> ast.stmt:
    """The statement with its annotations as texts."""
    made = _Quoting().visit(deepcopy(node))
    assert isinstance(made, ast.stmt)
    return made


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _callee(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _without_init(decorator: ast.expr) -> ast.expr:
    """``@dataclass(...)`` that does not write a constructor: ours raises, and the order of defaults does not matter."""
    given = decorator.keywords if isinstance(decorator, ast.Call) else []
    kept = [keyword for keyword in given if keyword.arg != "init" and _literal(keyword.value)]
    return ast.Call(_callee(decorator), [], [*kept, ast.keyword("init", ast.Constant(False))])


def _accessor_without_property(node: ast.stmt, properties: set[str]) -> bool:
    """Whether it is ``@x.setter`` where the class has no property ``x``."""
    if not isinstance(node, Function) or not node.decorator_list:
        return False
    decorator = node.decorator_list[0]
    return isinstance(decorator, ast.Attribute) and _last_name(decorator.value) not in properties
