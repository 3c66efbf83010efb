"""Questions about a plan: is it sound, who needs whom, what is longest, what changed. Pure; networkx underneath."""

from __future__ import annotations

import ast
import difflib
import re
import shlex
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import compress, pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

import networkx as nx

from graphs import syntax
from graphs.ports import Brief, Neighbour
from graphs.values import Component, Example, Files, Plan, Requirement, Spec, digest, to_json

if TYPE_CHECKING:
    from graphs.edits import Revision

T = TypeVar("T")
TEST_DIR = "tests"
MOST_NAMED = 40
"""Known words that one sentence lists: a plan can have thousands."""


def graph(plan: Plan) -> nx.DiGraph[str]:
    """Edges point from a component to those that depend on it; unknown ids are left out."""
    known = {c.id for c in plan.components}
    g: nx.DiGraph[str] = nx.DiGraph()
    g.add_nodes_from(c.id for c in plan.components)
    g.add_edges_from((d, c.id) for c in plan.components for d in c.depends_on if d in known)
    return g


def test_path(component_id: str) -> str:
    """Where the tests of a component go: reserved for it, never among its ``files``."""
    return f"{TEST_DIR}/test_{component_id}.py"


def nearest(word: str, known: Iterable[str], noun: str = "ids") -> str:
    """What helps whoever wrote an unknown word: the known one that is near it, else those that are known.

    >>> nearest("pasrer", ["parser", "cli"]), nearest("zzz", ["parser", "cli"])
    ("did you mean 'parser'?", 'known ids are parser, cli')
    """
    words = list(known)
    if not words:
        return f"there are no {noun}"
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return f"known {noun} are {', '.join(words[:MOST_NAMED])}{more}"


def problems(
    plan: Plan,
    spec: Spec | None = None,
    check_component: Callable[[Component], Iterable[str]] = lambda _: (),
    max_components: int | None = None,
) -> list[str]:
    """What is wrong with ``plan``, one sentence each, naming what it is about; empty when it is sound.

    Args:
        plan: the plan as read.
        spec: when given, its examples must find the modules they use, in the plan or in the program it changes.
        check_component: further rules from outside (file-name policy, interfaces that parse).
        max_components: how many components there may be; ``None``: any number.
    """
    found: list[str] = []
    found += _size_problems(plan, max_components)
    found += _id_problems(plan)
    found += _edge_problems(plan)
    found += _file_problems(plan)
    found += _requirement_problems(plan)
    for component in plan.components:
        found += _contract_problems(component)
        found += (f"component {component.id!r}: {p}" for p in check_component(component))
    found += _module_problems(plan, spec)
    return found


def _size_problems(plan: Plan, max_components: int | None) -> Iterable[str]:
    if max_components is not None and (there := len(plan.components)) > max_components:
        if max_components == 1:
            yield f"the plan has {there} components, but it may have only one; put all of them together"
        else:
            yield f"the plan has {there} components, but it may have only {max_components}; put some of them together"


def _id_problems(plan: Plan) -> Iterable[str]:
    if not plan.components:
        yield "the plan has no component; it needs at least one"
    seen: set[str] = set()
    for component in plan.components:
        if component.id in seen:
            yield f"component id {component.id!r} is used twice; ids must be unique"
        seen.add(component.id)


def _edge_problems(plan: Plan) -> Iterable[str]:
    known = dict.fromkeys(c.id for c in plan.components)
    for component in plan.components:
        for dependency in component.depends_on:
            if dependency == component.id:
                yield f"component {component.id!r} depends on itself"
            elif dependency not in known:
                yield f"component {component.id!r} depends on unknown id {dependency!r}; {nearest(dependency, known)}"
    g = graph(plan)
    g.remove_edges_from(list(nx.selfloop_edges(g)))
    position = {c.id: i for i, c in enumerate(plan.components)}
    knots = [sorted(k, key=position.__getitem__) for k in nx.strongly_connected_components(g) if len(k) > 1]
    for knot in sorted(knots, key=lambda k: position[k[0]]):  # in plan order: the sentences go into prompts
        inside: nx.DiGraph[str] = nx.DiGraph()
        inside.add_edges_from(edge for edge in g.edges(knot) if edge[1] in knot)
        cycle = nx.find_cycle(inside)
        path = [edge[0] for edge in cycle] + [cycle[0][0]]
        yield (
            f"the components depend on each other in a cycle: {' -> '.join(reversed(path))} "
            "(each depends on the next); move what they share into one component or merge them"
        )


def _file_problems(plan: Plan) -> Iterable[str]:
    owner: dict[str, tuple[str, str]] = {}  # case-folded path -> (component, path as written)
    for component in plan.components:
        if not component.files:
            yield f"component {component.id!r} owns no file"
        for path in component.files:
            who, _ = owner.setdefault(path.casefold(), (component.id, path))
            if who != component.id:
                yield (
                    f"file {path!r} is owned by both {who!r} and {component.id!r}; "
                    "each file belongs to exactly one component"
                )
            parts = PurePosixPath(path).parts
            if not parts or path.startswith("/") or ".." in parts or "\\" in path or path != str(PurePosixPath(path)):
                yield f"component {component.id!r}: file {path!r} must be a plain relative path such as 'pkg/module.py'"
            elif parts[0].casefold() in (TEST_DIR, ".agent"):
                yield f"component {component.id!r}: file {path!r} lies in {parts[0]!r}, kept for the tests and for us"
        folded = [path.casefold() for path in component.files]
        for path in sorted({p for p in folded if folded.count(p) > 1}):
            yield f"component {component.id!r} lists file {owner[path][1]!r} twice"
    for folded_path, (who, path) in owner.items():
        for parent in PurePosixPath(folded_path).parents[:-1]:
            if str(parent) in owner:
                other, file = owner[str(parent)]
                yield f"{file!r} of {other!r} is a file, but {who!r} puts {path!r} inside it"


def _requirement_problems(plan: Plan) -> Iterable[str]:
    known = [r.id for r in plan.requirements]
    for duplicate in sorted({i for i in known if known.count(i) > 1}):
        yield f"requirement id {duplicate!r} is used twice"
    covered = {r for c in plan.components for r in c.requirements}
    for component in plan.components:
        for requirement in component.requirements:
            if requirement not in known:
                there = f"known are {', '.join(known)}" if known else "the plan lists none"
                yield f"component {component.id!r} covers unknown requirement {requirement!r}; {there}"
    for requirement_value in plan.requirements:
        if requirement_value.id not in covered:
            yield f"requirement {requirement_value.id} ({requirement_value.text!r:.100}) is covered by no component"


def _contract_problems(component: Component) -> Iterable[str]:
    for path in component.contract.interface:
        if path not in component.files:
            yield f"component {component.id!r}: the interface names {path!r}, which it does not own"
    if component.kind in ("data", "docs"):
        return
    code = [f for f in component.files if f.endswith(".py") and PurePosixPath(f).name != "__init__.py"]
    if code and not any(text.strip() for text in component.contract.interface.values()):
        yield (
            f"component {component.id!r}: the contract gives no interface; "
            f"write the signatures others (and its tests) may use, for example for {code[0]!r}"
        )


def _module_problems(plan: Plan, spec: Spec | None) -> Iterable[str]:
    owners = file_owners(plan)
    there = {*owners, *(spec.existing if spec else ())}
    yield from (
        f"the entry command {plan.entry!r} starts {what!r}, but no component owns {' or '.join(paths)}"
        for what, paths in _programs(plan.entry)
        if there.isdisjoint(paths)
    )
    roots = {parts[0].removesuffix(".py") for parts in _python_parts(owners)}
    roots |= {parts[1].removesuffix(".py") for parts in _python_parts(owners) if parts[0] == "src" and len(parts) > 1}
    installed = any(c.packages for c in plan.components) or bool(spec and spec.settings.get("packages"))
    for example in spec.examples if spec else ():
        for what, paths in _used_by(example):
            root = what.partition(".")[0]
            foreign = installed or root in sys.stdlib_module_names or root == "pytest"
            if (root in roots or not foreign) and there.isdisjoint(paths):
                yield f"example {example.id} of the spec uses {what!r}, but no component owns {' or '.join(paths)}"


def _python_parts(paths: Iterable[str]) -> list[tuple[str, ...]]:
    return [PurePosixPath(path).parts for path in paths if path.endswith(".py")]


def module_paths(module: str) -> list[str]:
    base = module.replace(".", "/")
    return [f"{base}.py", f"{base}/__init__.py", f"src/{base}.py", f"src/{base}/__init__.py"]


_PYTHON = re.compile(r"python(3(\.\d+)?)?")


def _programs(command: str) -> list[tuple[str, list[str]]]:
    """What a shell command line starts with Python: (name, files that could be it).

    >>> _programs("PYTHONPATH=src python3 -u -m logq --help | head")
    [('logq', ['logq/__main__.py', 'logq.py', 'src/logq/__main__.py', 'src/logq.py'])]
    >>> _programs("python ./tool.py < in.txt && python -m json.tool")
    [('./tool.py', ['tool.py'])]
    """
    try:
        words = shlex.split(re.sub(r"[|;&()<>]+", r" \g<0> ", command))
    except ValueError:
        words = command.split()
    found: list[tuple[str, list[str]]] = []
    for i, word in enumerate(words):
        if not _PYTHON.fullmatch(word):
            continue
        rest = [w for w in words[i + 1 :] if w not in ("-u", "-B")][:2]
        if rest[:1] == ["-m"] and len(rest) > 1:
            module = rest[1]
            root = module.partition(".")[0]
            if root not in sys.stdlib_module_names and root not in ("pytest", "pip"):
                base = module.replace(".", "/")
                mains = [f"{base}/__main__.py", f"{base}.py"]
                found.append((module, [*mains, *(f"src/{path}" for path in mains)]))
        elif rest and rest[0].endswith(".py"):
            found.append((rest[0], [rest[0].removeprefix("./")]))
    return found


def _imports(code: str) -> list[tuple[str, list[str]]]:
    """The modules a piece of Python imports: (name, files that could be it).

    >>> [(name, files[0], files[-2]) for name, files in _imports("from shop import cart")]
    [('shop', 'shop.py', 'shop/cart.py')]
    """
    tree = _parsed(code)
    found: list[tuple[str, list[str]]] = []
    for module, names in loaded_modules(tree) if tree else ():
        # What is imported may itself be a module: a package need not have an __init__.py.
        inside = [p for name in names for p in module_paths(f"{module}.{name}") if "__init__" not in p]
        found.append((module, module_paths(module) + inside))
    return found


def _parsed(code: str) -> ast.Module | None:
    """``None`` when it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes are their author's affair
            return syntax.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def loaded_modules(tree: ast.AST, path: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each module that is imported, with the names taken from it.

    Args:
        tree: what a piece of Python parses to.
        path: where it stands, to resolve relative imports; without it they are left out.
    """
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (module := _absolute(node.level, node.module or "", path)):
            yield module, tuple(alias.name for alias in node.names)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements, nested ones too. Expressions, most of any tree, are not walked."""
    ahead = [tree]
    while ahead:
        node = ahead.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            ahead += getattr(node, name, ())


def _absolute(level: int, module: str, path: str) -> str:
    """The full name of a module named with ``level`` leading dots in the file ``path``; empty when there is none such."""
    package = PurePosixPath(path).parts[:-level] if level else ()
    return "" if level and not package else ".".join(filter(None, (*package, module)))


@cache
def _used_by(example: Example) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The programs and modules an example uses, but for files that it writes itself."""
    used: list[tuple[str, tuple[str, ...]]] = []
    written: set[str] = set()
    for step in example.steps:
        if example.kind == "shell":
            written.update(re.findall(r">\s*[\"']?([\w./-]+)", step.run))
            used += [(what, tuple(paths)) for what, paths in _programs(step.run) if what not in written]
        else:
            used += [(what, tuple(paths)) for what, paths in _imports(step.run)]
    return tuple(dict.fromkeys(used))


def file_owners(plan: Plan) -> dict[str, str]:
    """Path → id of the component that owns it."""
    return {path: c.id for c in plan.components for path in c.files}


def examples_for(plan: Plan, spec: Spec) -> dict[str, tuple[Example, ...]]:
    """Component id → the spec's examples that concern it.

    An example concerns the component that owns the program or module it uses. Where it uses several, it concerns the
    one that stands on all the others; where there is none such, only the assembled repository can show it.
    """
    owners = file_owners(plan)
    g = graph(plan)
    found: dict[str, list[Example]] = {}
    for example in spec.examples:
        users = {owners[p] for _, paths in _used_by(example) for p in paths if p in owners}
        tops = [u for u in users if users <= {u, *nx.ancestors(g, u)}]
        if len(tops) == 1:
            found.setdefault(tops[0], []).append(example)
    return {component: tuple(examples) for component, examples in found.items()}


def descendants(plan: Plan, component_id: str) -> list[str]:
    """Ids of all components that stand on it, in plan order."""
    below: set[str] = nx.descendants(graph(plan), component_id)
    return [c.id for c in plan.components if c.id in below]


def topological(plan: Plan) -> list[str]:
    """Ids in an order in which each comes after what it depends on; ties keep plan order."""
    position = {c.id: i for i, c in enumerate(plan.components)}
    return list(nx.lexicographical_topological_sort(graph(plan), key=position.__getitem__))


def levels(plan: Plan) -> list[list[str]]:
    """Generations: those of one list could be built at the same time."""
    return [list(generation) for generation in nx.topological_generations(graph(plan))]


def remaining_path(plan: Plan, seconds: Mapping[str, float] | None = None) -> dict[str, float]:
    """Id → length of the longest path from it to an end, itself included.

    Args:
        seconds: expected duration per id; 1 for each when not given, so that the result counts components.
    """
    weight = seconds or {}
    g = graph(plan)
    longest: dict[str, float] = {}
    for node in reversed(list(nx.topological_sort(g))):
        longest[node] = weight.get(node, 1.0) + max((longest[s] for s in g.successors(node)), default=0.0)
    return longest


def critical_path(plan: Plan, seconds: Mapping[str, float] | None = None) -> list[str]:
    """Ids along the longest path, first to last; the earliest in plan order where several are equally long."""
    longest = remaining_path(plan, seconds)
    g = graph(plan)
    order = {c.id: i for i, c in enumerate(plan.components)}

    def best(ids: Iterable[str]) -> str | None:
        return min(ids, key=lambda i: (-longest[i], order[i]), default=None)

    path: list[str] = []
    node = best(n for n in g if not g.in_degree(n))
    while node is not None:
        path.append(node)
        node = best(g.successors(node))
    return path


@dataclass(frozen=True)
class Figures:
    """What can be counted in a plan, so that its cut is seen and not felt."""

    components: int
    """How many."""
    edges: int
    """Declared dependencies."""
    depth: int
    """Components along the longest path."""
    width: int
    """The largest generation: how many could be built at once, at most."""
    cohesion: float
    """Mean over the requirements of 1 / components that cover it; 1 when each lives in one component, or there are none."""
    coupling: float
    """Pairs of components that are linked (one depends on the other, or a requirement is covered by both) over all
    pairs, 0 to 1; 0 for one component."""
    largest_contract: int
    """Lines of the longest contract (interface and behaviour)."""


def figures(plan: Plan) -> Figures:
    """The :class:`Figures` of a sound plan.

    Cohesion and coupling are the words of Stevens, Myers and Constantine, "Structured design" (1974); how they are counted
    here is our own: over the links from requirements to components and the declared dependencies, before there is code.
    """
    n = len(plan.components)
    generations = levels(plan)
    shared = Counter(r for c in plan.components for r in set(c.requirements))
    return Figures(
        components=n,
        edges=graph(plan).number_of_edges(),
        depth=len(generations),
        width=max(map(len, generations), default=0),
        cohesion=sum(1 / count for count in shared.values()) / len(shared) if shared else 1.0,
        coupling=_linked_pairs(plan) / (n * (n - 1) / 2) if n > 1 else 0.0,
        largest_contract=max((_contract_lines(c) for c in plan.components), default=0),
    )


def _linked_pairs(plan: Plan) -> int:
    """Bits, one for each component, because a plan of 10,000 components has 50 million pairs."""
    bit = {c.id: 1 << i for i, c in enumerate(plan.components)}
    covering: Counter[str] = Counter()
    for component in plan.components:
        for requirement in component.requirements:
            covering[requirement] |= bit[component.id]
    linked = dict.fromkeys(bit, 0)
    for component in plan.components:
        for requirement in component.requirements:
            linked[component.id] |= covering[requirement]
        for dependency in bit.keys() & set(component.depends_on):
            linked[component.id] |= bit[dependency]
            linked[dependency] |= bit[component.id]
    return sum((bits & ~bit[component_id]).bit_count() for component_id, bits in linked.items()) // 2


def _contract_lines(component: Component) -> int:
    return sum(len(text.splitlines()) for text in _contract_texts(component))


def _contract_texts(component: Component) -> list[str]:
    return [component.contract.behaviour, *component.contract.interface.values()]


PAGE_LINES = 66
"""Lines of a printed page (11 inches at 6 lines per inch): a longer contract is not under a page."""
ONE_PART = 1_800
"""Characters of contracts that one component holds with ease. The exemplars separate here: those that are one component have
up to 1,703 (interval-set), the smallest that are cut 2,024 (refactor-invoice, two), 2,864 (expense-tracker, three)."""
NEAR_COMPLETE = 0.85
"""Coupling from which the cuts of a plan separate little. Right-sized plans of four components have up to 0.83
(connect-four), of five and more up to 0.70; with three or fewer even 1 is common, so they are not judged by it."""
SCATTERED = 0.5
"""Cohesion below which a requirement is spread over more than two components on average. Right-sized plans of three
or more components have at least 0.66 (static-site); two that share everything have 0.5, and cannot have less."""
MOST_REQUIREMENTS = 20
"""Requirements one component may cover. The most seen in a right-sized one is 16 (the recording ``flags``)."""

HEADING_LINES = 3
"""Lines that each part adds to a contract put together from several: its name and purpose between blank lines."""


def misfits(plan: Plan, max_components: int | None = None) -> list[str]:
    """What speaks against the size of the components of a sound plan, a sentence each, with the figures.

    Hints and no verdict: the bounds above are drawn from exemplars and recorded plans, which all pass. A plan that has
    as many components as it may have (``max_components``) is never too coarse.
    """
    full = max_components is not None and len(plan.components) >= max_components
    return [*_too_fine(plan), *([] if full else _too_coarse(plan))]


def _too_fine(plan: Plan) -> Iterator[str]:
    f = figures(plan)
    n = f.components
    characters = sum(len(text) for c in plan.components for text in _contract_texts(c))
    if n > 1 and characters <= ONE_PART:
        yield (
            f"the plan is cut too finely: the contracts of its {n} components have {characters:,} characters together, "
            f"and one component holds {ONE_PART:,} with ease"
        )
    if n > 3 and f.coupling >= NEAR_COMPLETE:
        yield (
            f"the plan is cut too finely: coupling is {f.coupling:.2f}, as {_linked_pairs(plan)} of {n * (n - 1) // 2} pairs of "
            f"components depend on each other or share a requirement (right-sized plans stay below {NEAR_COMPLETE})"
        )
    if f.cohesion < SCATTERED:
        yield (
            f"the plan is cut across its requirements: cohesion is {f.cohesion:.2f}, so a requirement is spread over more "
            f"than two components on average (right-sized plans have {SCATTERED} or more)"
        )


def _too_coarse(plan: Plan) -> Iterator[str]:
    for component in plan.components:
        if (lines := _contract_lines(component)) > PAGE_LINES:
            yield f"component {component.id!r} is cut too coarsely: its contract has {lines} lines, a page {PAGE_LINES}"
        if (covered := len(set(component.requirements))) > MOST_REQUIREMENTS:
            yield (
                f"component {component.id!r} is cut too coarsely: it covers {covered} of {len(plan.requirements)} "
                f"requirements (right-sized ones at most {MOST_REQUIREMENTS})"
            )


def fewer(plan: Plan) -> Revision | None:
    """The merges to offer for a plan that is cut too finely; ``None`` when it is not, or nothing fits together.

    Neighbours in topological order are put together for as long as the contract stays under a page. Such a merge cannot
    make a cycle: each group depends on earlier ones only. A group is called after its last, for whose sake the others are there.
    """
    from graphs.edits import Merge, Revision  # edits are judged by the questions of this module

    evidence = tuple(_too_fine(plan))
    if not evidence:
        return None
    groups: list[list[Component]] = []
    components = {c.id: c for c in plan.components}
    for component in map(components.__getitem__, topological(plan)):
        if groups and _fits_one([*groups[-1], component]):
            groups[-1].append(component)
        else:
            groups.append([component])
    merges = tuple(
        Merge(tuple(c.id for c in group), group[-1].id, reason="they are cut too finely", evidence=evidence)
        for group in groups
        if len(group) > 1
    )
    return Revision(merges) if merges else None


def _fits_one(group: Sequence[Component]) -> bool:
    requirements = {r for c in group for r in c.requirements}
    lines = sum(_contract_lines(c) + HEADING_LINES for c in group)
    return lines <= PAGE_LINES and len(requirements) <= MOST_REQUIREMENTS


@dataclass(frozen=True)
class Observed:
    """The dependencies that a component's code shows, beside those that it declares."""

    missing: tuple[str, ...]
    """Ids of components it uses without declaring them, in plan order. Some may stand on it: a cycle that code closes."""
    needless: tuple[str, ...]
    """Declared ids from which nothing is seen to be used, in plan order. To be tried, not believed: what is found by name
    while the program runs, such as plug-ins that another part loads, is not seen."""


def observed(plan: Plan, component: Component, files: Files, tests: Files) -> Observed:
    """What one component uses of the others; see :meth:`Observer.observed`."""
    return Observer(plan, Ancestors(plan)).observed(component, files, tests)


class Observer:
    """Sees what the components of one sound plan use of each other; what all of them share is worked out once."""

    def __init__(self, plan: Plan, above: Ancestors) -> None:
        """``above``: of the same plan."""
        self._above = above
        self._owners = file_owners(plan)
        self._position = {c.id: i for i, c in enumerate(plan.components)}
        self._opened = {owner for path, owner in self._owners.items() if not path.endswith(".py")}

    def observed(self, component: Component, files: Files, tests: Files) -> Observed:
        """What a component uses of the others, as far as the modules it imports and the programs it starts are literal.

        Code, tests, the contract's interface and its examples are read. Importing ``a.b`` also runs ``a/__init__.py``,
        which counts when its owner is among those the component stands on: no other is there when it is built. Nothing is
        called needless unless all of the component's files are given, are Python and name what they load; nor is a
        dependency that owns files of other kinds, which are opened and not imported.

        Args:
            component: one of the plan's.
            files: its files; those of others are not looked at.
            tests: its test files.
        """
        owners = self._owners
        used: set[str] = set()
        entered: set[str] = set()  # owners of packages that are run on the way to a module

        def use(paths: Iterable[str]) -> bool:
            """Whether one of the paths is somebody's; it is used then."""
            path = next((p for p in paths if p in owners), None)
            if path is not None:
                used.add(owners[path])
                packages = (f"{parent}/__init__.py" for parent in PurePosixPath(path).parents[:-1])
                entered.update(owners[p] for p in packages if p in owners)
            return path is not None

        own = {path: files[path] for path in component.files if path in files}
        whole = len(own) == len(component.files)
        for path, text in (*component.contract.interface.items(), *own.items(), *tests.items()):
            loads = _loads(path, text)
            whole &= loads.whole
            for module, names in loads.modules:
                found = [use(module_paths(f"{module}.{name}")) for name in names]
                if not names or not all(found):
                    use(module_paths(module))
            for paths in loads.programs:
                use(paths)
        for example in component.contract.examples:
            for _, candidates in _used_by(example):
                use(candidates)
        declared = set(component.depends_on)
        used |= {e for e in entered if any(e == d or self._above.stands_on(d, e) for d in declared)}
        return Observed(
            self._in_order(used - declared - {component.id}),
            self._in_order(declared - used - self._opened) if whole else (),
        )

    def _in_order(self, ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(ids, key=self._position.__getitem__))


@dataclass(frozen=True)
class _Loads:
    """What the text of one file loads and starts."""

    modules: Sequence[tuple[str, tuple[str, ...]]] = ()
    """Modules by their full names, with the names taken from each."""
    programs: Sequence[list[str]] = ()
    """Of each program started with Python, the files that could be it."""
    whole: bool = False
    """Whether it could be read and names all that it loads."""


_IMPORTERS = frozenset({"import_module", "__import__", "run_module", "run_path"})
"""Functions whose first argument names what is loaded."""
_FINDERS = frozenset({"iter_modules", "walk_packages", "spec_from_file_location"})
"""Functions that find modules which no text names."""
_STARTERS = frozenset({"run", "Popen", "call", "check_call", "check_output", "system", "create_subprocess_shell"})
"""Functions whose first argument may be a shell's command line."""

_HINTS = re.compile("|".join((*sorted(_IMPORTERS | _FINDERS), "python", "executable", "-m", "-c")))
"""Without any of these a text loads nothing but by import statements, and its expressions need not be walked."""


def _loads(path: str, text: str) -> _Loads:
    tree = _parsed(text) if path.endswith(".py") else None
    if tree is None:
        return _Loads()
    modules = list(loaded_modules(tree, path))
    programs: list[list[str]] = []
    whole = True
    for node in ast.walk(tree) if _HINTS.search(text) else ():
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = _literal(node.args[0]) if node.args else None
            if name in _FINDERS or (name in _IMPORTERS and first is None):
                whole = False
            elif first is not None and name == "run_path":
                programs.append([first.removeprefix("./")])
            elif first is not None and name in _IMPORTERS:
                modules.append((_named_by(node, first, path), ()))
                programs += _started(f"python -m {first}") if name == "run_module" else ()
            elif first is not None and name in _STARTERS:
                programs += _started(first)
        words = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.List | ast.Tuple) else ()
        programs += _started(_command(words))
        for flag, code in pairwise(map(_literal, words)):
            if flag == "-c" and code is not None and (program := _parsed(code)):
                modules += loaded_modules(program)
    return _Loads(modules, programs, whole)


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _named_by(call: ast.Call, name: str, path: str) -> str:
    """The full name of the module that a call such as ``import_module(".a", "pkg")`` loads."""
    level = len(name) - len(name.lstrip("."))
    packages = map(_literal, [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "package")])
    package = next(filter(None, packages), None)
    return _absolute(level, name[level:], f"{package.replace('.', '/')}/x" if package else path)


def _started(command: str) -> list[list[str]]:
    return [paths for _, paths in _programs(command)] if command else []


def _command(words: Sequence[ast.expr]) -> str:
    """The words of a program's start as one command line; empty when no Python can be seen to be started.

    >>> _command(ast.parse("[sys.executable, '-I', '-m', 'logq', str(path)]", mode="eval").body.elts)
    "python -m logq '?'"
    """
    said: list[str] = []
    for word in reversed(words):
        text = _literal(word)
        if text is None:
            python = getattr(word, "attr", "") == "executable" or said[:1] == ["-m"]
            said.insert(0, "python" if python else "?")
        elif not re.fullmatch(r"-[A-Zabd-ln-z]", text):  # flags of the interpreter, but for -c and -m
            said.insert(0, text)
    return shlex.join(said) if any(map(_PYTHON.fullmatch, said)) else ""


def component_key(
    component: Component,
    requirements: Sequence[Requirement],
    dependencies: Sequence[Neighbour],
    spec_examples: Sequence[Example] = (),
    language: str = "python",
) -> str:
    """What a proof of ``component`` stands for: its part of the spec, its contract, those it builds on, the toolchain.

    Equal keys, same work: a revision or a later run keeps every component that was proven under an unchanged key. Texts
    of requirements count, their numbers do not: a requirement more at the top renumbers all that follow.
    """
    return digest(
        {
            "component": {**to_json(component), "depends_on": sorted(component.depends_on), "requirements": None},
            "requirements": [r.text for r in requirements],
            "examples": [to_json(e.steps) for e in spec_examples],
            "dependencies": {d.id: to_json(d.contract) for d in sorted(dependencies, key=lambda d: d.id)},
            "language": language,
        }
    )


def keys(plan: Plan, spec: Spec) -> dict[str, str]:
    """Component id → component key, for a sound plan."""
    briefing = Briefing(plan, spec)
    return {c.id: briefing.brief(c).key for c in plan.components}


@dataclass(frozen=True)
class Difference:
    """What one plan has made of another, as ids in plan order."""

    kept: tuple[str, ...]
    """Same id, same component key: what was proven stays proven."""
    changed: tuple[str, ...]
    """Same id, another key."""
    added: tuple[str, ...]
    """Only in the later plan."""
    dropped: tuple[str, ...]
    """Only in the earlier plan, in its order."""


def difference(before: Plan, spec_before: Spec, after: Plan, spec_after: Spec) -> Difference:
    """The :class:`Difference` between two sound plans, each with the spec in force for it."""
    old, new = keys(before, spec_before), keys(after, spec_after)
    return Difference(
        kept=tuple(i for i in new if old.get(i) == new[i]),
        changed=tuple(i for i in new if i in old and old[i] != new[i]),
        added=tuple(i for i in new if i not in old),
        dropped=tuple(i for i in old if i not in new),
    )


class Briefing:
    """Makes the brief of each component of one plan; what all briefs share is worked out once."""

    def __init__(self, plan: Plan, spec: Spec) -> None:
        self._briefs: dict[str, Brief] = {}
        self._language = plan.language
        self._examples = examples_for(plan, spec)
        self._components = {c.id: c for c in plan.components}
        self._position = {c.id: i for i, c in enumerate(plan.components)}
        self._requirements = {r.id: r for r in plan.requirements}

    def brief(self, component: Component, priority: float = 0.0) -> Brief:
        """Everything a strategy is told about ``component``; ``priority`` is its remaining critical path."""
        brief = self._briefs.get(component.id)
        if brief is None:
            brief = self._briefs[component.id] = self._make(component)
        return replace(brief, priority=priority) if priority else brief

    def _make(self, component: Component) -> Brief:
        requirements = tuple(self._requirements[r] for r in component.requirements)
        neighbours = tuple(map(self._neighbour, sorted(component.depends_on, key=self._position.__getitem__)))
        examples = self._examples.get(component.id, ())
        return Brief(
            component=component,
            key=component_key(component, requirements, neighbours, examples, self._language),
            requirements=requirements,
            neighbours=neighbours,
            test_path=test_path(component.id),
            language=self._language,
            examples=examples,
        )

    def _neighbour(self, component_id: str) -> Neighbour:
        component = self._components[component_id]
        return Neighbour(component.id, component.purpose, component.contract)


class Ancestors:
    """Who stands below whom, worked out once for a whole plan: one bit for each ancestor, in plan order.

    Bits, because a plan of 10,000 components has millions of pairs: as sets they would fill the memory.
    """

    def __init__(self, plan: Plan) -> None:
        self._position = position = {c.id: i for i, c in enumerate(plan.components)}
        self._ids = list(position)
        self._below: dict[str, int] = {}
        g = graph(plan)
        for component_id in nx.topological_sort(g):
            bits = 0
            for dependency in g.predecessors(component_id):
                bits |= self._below[dependency] | 1 << position[dependency]
            self._below[component_id] = bits

    def of(self, component_id: str) -> list[str]:
        """Ids of all components it stands on, in plan order."""
        return list(self.select(component_id, self._ids))

    def stands_on(self, component_id: str, other: str) -> bool:
        """Whether ``other`` is below it."""
        return bool(self._below[component_id] >> self._position[other] & 1)

    def agrees(self, other: Ancestors, component_id: str) -> bool:
        """Whether it stands on the same components in ``other``, whose plan has the same ones in the same order."""
        return self._below[component_id] == other._below[component_id]

    def select(self, component_id: str, values: Sequence[T]) -> Iterator[T]:
        """Of ``values``, one for each component in plan order, those of the components it stands on."""
        return compress(values, bin(self._below[component_id])[:1:-1].encode().translate(_AS_FLAGS))


_AS_FLAGS = bytes.maketrans(b"01", b"\0\1")
