"""Questions about a plan: is it sound, who needs whom, what is longest, what changed. Pure; networkx underneath."""

from __future__ import annotations

import ast
import difflib
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import compress
from pathlib import PurePosixPath
from typing import TypeVar

import networkx as nx

from graphs.ports import Brief, Neighbour
from graphs.values import Component, Example, Plan, Requirement, Spec, digest, to_json

T = TypeVar("T")
TEST_DIR = "tests"


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


def problems(
    plan: Plan, spec: Spec | None = None, check_component: Callable[[Component], Iterable[str]] = lambda _: ()
) -> list[str]:
    """What is wrong with ``plan``, one sentence each, naming what it is about; empty when it is sound.

    Args:
        plan: the plan as read.
        spec: when given, its examples must find the modules they use.
        check_component: further rules from outside (file-name policy, interfaces that parse).
    """
    found: list[str] = []
    found += _id_problems(plan)
    found += _edge_problems(plan)
    found += _file_problems(plan)
    found += _requirement_problems(plan)
    for component in plan.components:
        found += _contract_problems(component)
        found += (f"component {component.id!r}: {p}" for p in check_component(component))
    found += _module_problems(plan, spec)
    return found


def _id_problems(plan: Plan) -> Iterable[str]:
    seen: set[str] = set()
    for component in plan.components:
        if component.id in seen:
            yield f"component id {component.id!r} is used twice; ids must be unique"
        seen.add(component.id)


def _edge_problems(plan: Plan) -> Iterable[str]:
    known = [c.id for c in plan.components]
    for component in plan.components:
        for dependency in component.depends_on:
            if dependency == component.id:
                yield f"component {component.id!r} depends on itself"
            elif dependency not in known:
                near = difflib.get_close_matches(dependency, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known ids are {', '.join(known)}"
                yield f"component {component.id!r} depends on unknown id {dependency!r}; {hint}"
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
    yield from (
        f"the entry command {plan.entry!r} starts {what!r}, but no component owns {' or '.join(paths)}"
        for what, paths in _programs(plan.entry)
        if not any(p in owners for p in paths)
    )
    roots = {parts[0].removesuffix(".py") for parts in _python_parts(owners)}
    roots |= {parts[1].removesuffix(".py") for parts in _python_parts(owners) if parts[0] == "src" and len(parts) > 1}
    installed = any(c.packages for c in plan.components) or bool(spec and spec.settings.get("packages"))
    for example in spec.examples if spec else ():
        for what, paths in _used_by(example):
            root = what.partition(".")[0]
            foreign = installed or root in sys.stdlib_module_names or root == "pytest"
            if (root in roots or not foreign) and not any(p in owners for p in paths):
                yield f"example {example.id} of the spec uses {what!r}, but no component owns {' or '.join(paths)}"


def _python_parts(paths: Iterable[str]) -> list[tuple[str, ...]]:
    return [PurePosixPath(path).parts for path in paths if path.endswith(".py")]


def _module_paths(module: str) -> list[str]:
    base = module.replace(".", "/")
    return [f"{base}.py", f"{base}/__init__.py", f"src/{base}.py", f"src/{base}/__init__.py"]


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
        if not re.fullmatch(r"python(3(\.\d+)?)?", word):
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
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return []
    found: list[tuple[str, list[str]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += ((alias.name, _module_paths(alias.name)) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # What is imported may itself be a module: a package need not have an __init__.py.
            inside = [p for a in node.names for p in _module_paths(f"{node.module}.{a.name}") if "__init__" not in p]
            found.append((node.module, _module_paths(node.module) + inside))
    return found


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
    coupling: float
    """Edges over the most an acyclic plan of this size can have, 0 to 1."""
    largest_contract: int
    """Lines of the longest contract (interface and behaviour)."""


def figures(plan: Plan) -> Figures:
    """The :class:`Figures` of a sound plan."""
    g = graph(plan)
    n = len(plan.components)
    generations = levels(plan)
    return Figures(
        components=n,
        edges=g.number_of_edges(),
        depth=len(generations),
        width=max(map(len, generations), default=0),
        coupling=g.number_of_edges() / (n * (n - 1) / 2) if n > 1 else 0.0,
        largest_contract=max((_contract_lines(c) for c in plan.components), default=0),
    )


def _contract_lines(component: Component) -> int:
    texts = [component.contract.behaviour, *component.contract.interface.values()]
    return sum(len(text.splitlines()) for text in texts)


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
        position = {c.id: i for i, c in enumerate(plan.components)}
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

    def select(self, component_id: str, values: Sequence[T]) -> Iterator[T]:
        """Of ``values``, one for each component in plan order, those of the components it stands on."""
        return compress(values, bin(self._below[component_id])[:1:-1].encode().translate(_AS_FLAGS))


_AS_FLAGS = bytes.maketrans(b"01", b"\0\1")
