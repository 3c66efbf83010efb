"""A model of stated error rates: it knows a task's solution and hidden tests, and makes mistakes as often as it is told to.

It takes the place of a model where there is none, over real HTTP and through the real strategies, so that a whole
experiment can be run without a key. What comes out says what the harness makes of *such* errors. It says nothing about any
model, and must be printed with the rates (:class:`Rates`) beside it.

- The plan is made from the modules of the solution and their imports. Modules that no test can judge without those that
  use them are one component with these, as the planner's prompt asks: where all tests go through the command, that is one.
- The model's own tests are hidden tests of the task, cut down to those that the component can run with what it stands on.
  No model could write them without seeing them. A share is left out, so that own tests may miss what hidden ones see.
- Wrong code is one of the task's mutants. A component that no mutant touches is always right.
- Every chance is drawn by a hash of the seed, the step, the component and how often that was asked before. So a run can be
  repeated, the order in which components are built does not matter, and all arms of an experiment have the same luck.
"""

from __future__ import annotations

import ast
import hashlib
import io
import re
import textwrap
import threading
import tokenize
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from benchmark.arms import FAULTS
from benchmark.datasets import Task
from graphs import syntax
from graphs.errors import ConfigError

if TYPE_CHECKING:
    from benchmark.stub_endpoint import StubEndpoint

MODEL = "scripted"
"""The name that it answers to, and the word before its rates."""
PRICES = Path(__file__).with_name("scripted-prices.toml")
"""What its bytes cost: made up, so that costs can be compared."""
NOTHING_TO_SAY = "I have no answer to that."
"""What it says where it was asked something that it does not know."""

MOST_REQUIREMENTS = {"S": 5}
"""Size of a task → requirements that are listed of it."""
OTHER_REQUIREMENTS = 12
"""The same for the sizes that are not named there."""
LONGEST_QUOTE = 160
"""Characters of a quote, to the end of a word."""
SHORTEST_QUOTE = 30
"""Characters of a line from which on it is taken for something that is asked."""


# -- rates


@dataclass(frozen=True)
class Rates:
    """How often it errs, each a share from 0 to 1. The defaults are those of a model without fault."""

    malformed: float = 0.0
    """First answers to a question that are not in the form asked for; when told so, it gives the answer that it meant."""
    wrong: float = 0.0
    """Programs written from a contract that have a mistake, where the task knows one for the component."""
    mends: float = 1.0
    """Repairs that take the mistake out; the others bring the same one or another of the component's."""
    tests_kept: float = 1.0
    """Of the tests that a component could have, those that are written: one at least."""

    def __post_init__(self) -> None:
        """``ConfigError`` for what is no share."""
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise ConfigError(f"the rate {name!r} of the scripted author is {value:g}; it is a share from 0 to 1")

    def __str__(self) -> str:
        """As :func:`read_rates` reads it."""
        return f"{MODEL}:" + ",".join(f"{name}={value:g}" for name, value in vars(self).items())


def read_rates(text: str) -> Rates:
    """The rates in the name of a model; those that are not named have their defaults. ``ConfigError`` when it is none.

    >>> read_rates("scripted:wrong=0.3,mends=0.6")
    Rates(malformed=0.0, wrong=0.3, mends=0.6, tests_kept=1.0)
    """
    known = [f.name for f in fields(Rates)]
    word, _, rest = text.partition(":")
    if word.strip() != MODEL:
        raise ConfigError(f"{text!r} does not begin with '{MODEL}:'; an example is {str(Rates())!r}")
    given: dict[str, float] = {}
    for item in filter(None, map(str.strip, rest.split(","))):
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in known or name in given:
            what = "is given twice" if name in given else f"is not known; known rates are {', '.join(known)}"
            raise ConfigError(f"the rate {name!r} in {text!r} {what}")
        try:
            given[name] = float(value)
        except ValueError:
            raise ConfigError(f"the rate {name!r} in {text!r} is {value!r}; it is a number from 0 to 1") from None
    return Rates(**given)


def scripted_endpoint(task: Task, rates: Rates, seed: str) -> StubEndpoint:
    """A server on this machine, while it is entered, where the model :data:`MODEL` is an author for ``task``.

    The author is its ``wanted``. ``UserError`` when the task has no solution that could be known, or a mutant does not fit it.
    """
    from benchmark.stub_endpoint import StubEndpoint

    return StubEndpoint(ScriptedAuthor(task, rates, seed), model=MODEL)


# -- what it knows


@dataclass(frozen=True)
class _Test:
    """A hidden test, as a component may have it for its own."""

    name: str
    """Of the function, as it stands in the file that all are put into."""
    top: str
    """The module that it judges: it needs nothing but this and what this imports."""


@dataclass(frozen=True)
class _Statement:
    """A statement at the top of a test file."""

    source: str
    """With its decorators."""
    binds: tuple[str, ...]
    """Names."""
    uses: frozenset[str]
    """Names, parameters included: they may be fixtures."""
    words: frozenset[str]
    """Texts in it, which may name a program that is started."""
    import_of: tuple[str, str, str] | None = None
    """Module, name in it (empty: the module itself) and the name here; ``None`` for all but imports."""


@dataclass(frozen=True)
class _Part:
    """A component of the plan."""

    id: str
    """Called after the module that is tested."""
    files: tuple[str, ...]
    """Paths, those that others import first."""
    depends_on: tuple[str, ...]
    """Ids of the components that its modules import."""
    requirements: tuple[str, ...]
    """Ids of those whose words its modules share most."""


class Known:
    """What can be known of a task before anything is asked: its modules, their tests and mistakes, and a right plan."""

    def __init__(self, task: Task) -> None:
        """``ConfigError`` when the task has no solution in Python."""
        self.task = task
        self.sources = {path: text for path, text in task.solution.items() if path.endswith(".py")}
        if not self.sources:
            raise ConfigError(
                f"the task {task.id!r} has no solution in Python, and the scripted author has to know one"
            )
        self.modules = {_module(path): path for path in self.sources}
        self.imports = {module: frozenset(self._imports(module)) for module in self.modules}
        self.closures = {module: _reached(module, self.imports) for module in self.modules}
        self.statements = _merged([text for path, text in sorted(task.tests.items()) if path in task.parts])
        self.requirements = _quotes(task.instruction, MOST_REQUIREMENTS.get(task.size, OTHER_REQUIREMENTS))

    @cached_property
    def wrong(self) -> dict[str, dict[str, str]]:
        """Mutant → the solution with it. ``UserError`` for one that does not fit."""
        from benchmark.lint import patched

        return {name: patched(self.task.solution, patch) for name, patch in sorted(self.task.mutants.items())}

    @cached_property
    def tests(self) -> tuple[_Test, ...]:
        """All hidden tests that some module can be judged by, in their order."""
        found = []
        for statement in self.statements:
            name = next(iter(statement.binds), "")
            if statement.import_of or not name.startswith("test"):
                continue
            needed = self._needed(self._used([name]))
            able = [module for module, closure in self.closures.items() if needed and needed <= closure]
            if able:
                found.append(_Test(name, min(able, key=lambda m: (len(self.closures[m]), m not in needed, m))))
        return tuple(found)

    def parts(self, most: int | None = None) -> list[_Part]:
        """The components of a right plan, each after those that it depends on; ``most`` of them."""
        groups = self._groups()
        if most is not None and len(groups) > most:
            groups = [*groups[: most - 1], [module for group in groups[most - 1 :] for module in group]]
        owner = {module: number for number, group in enumerate(groups) for module in group}
        ids = list(_ids([self._named_after(group) for group in groups]))
        covered: list[list[str]] = [[] for _ in groups]
        texts = [_words(" ".join(self.sources[self.modules[m]] for m in group)) for group in groups]
        for number, quote in enumerate(self.requirements, 1):
            words = _words(quote)
            best = max(range(len(groups)), key=lambda n: (len(words & texts[n]), -n))
            covered[best].append(f"R{number}")
        return [
            _Part(
                ids[n],
                tuple(self.modules[module] for module in group),
                tuple(ids[d] for d in sorted({owner[i] for m in group for i in self.imports[m]} - {n})),
                tuple(covered[n]),
            )
            for n, group in enumerate(groups)
        ]

    def interface(self, path: str) -> str:
        """What others may use of a file: names, signatures and docstrings."""
        tree = syntax.parse(self.sources[path])
        kept = [node for node in map(_outline, tree.body) if node is not None]
        needed = {inner.id for node in kept for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        kept = [node for node in kept if not isinstance(node, ast.Assign) or set(_bound(node)) & needed]
        source = ast.unparse(ast.Module(kept, []))
        return source or '"""Offers nothing."""'

    def offers(self, files: Sequence[str]) -> list[str]:
        """Of a component's files those that others, or its tests, use."""
        own = {_module(path) for path in files}
        used = {i for module in self.modules if module not in own for i in self.imports[module]} & own
        used |= {test.top for test in self.tests} & own
        used |= {m for m in own if m.endswith("__main__")}
        return [path for path in files if _module(path) in used] or list(files[:1])

    def test_file(self, files: Collection[str], names: Collection[str], requirements: Sequence[str]) -> str:
        """The tests of these names, with what they use, for a component that owns ``files``."""
        used = self._used(names)
        own = {_module(path) for path in files}
        lines = ['"""Tests."""\n']
        imported: dict[str, None] = {}
        body: list[str] = []
        spread = _spread(requirements, [s.binds[0] for s in self.statements if s.binds and s.binds[0] in names])
        for statement in self.statements:
            if statement.import_of:
                if statement.import_of[2] in used:
                    imported[self._import(statement.import_of, own)] = None
            elif set(statement.binds) & used or not statement.binds:
                source = statement.source
                if statement.binds and statement.binds[0] in spread:
                    source = _documented(source, statement.binds[0], spread[statement.binds[0]])
                body.append(source)
        return "\n".join([*lines, *imported]) + "\n\n\n" + "\n\n\n".join(body) + "\n"

    def _imports(self, module: str) -> Iterator[str]:
        for node in ast.walk(syntax.parse(self.sources[self.modules[module]])):
            if isinstance(node, ast.Import):
                named = [(alias.name, "") for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                named = [(node.module, alias.name) for alias in node.names]
            else:
                continue
            for base, name in named:
                for found in (f"{base}.{name}", base):
                    if found in self.modules and found != module:
                        yield found
                        break

    def _used(self, names: Iterable[str]) -> set[str]:
        """Names of the test file that these need, themselves included."""
        by_name: dict[str, list[_Statement]] = {}
        for statement in self.statements:
            for name in statement.binds:
                by_name.setdefault(name, []).append(statement)
        found: set[str] = set()
        waiting = [*names, *(name for s in self.statements if "autouse" in s.source for name in s.binds)]
        while waiting:
            name = waiting.pop()
            if name not in found and name in by_name:
                found.add(name)
                waiting += (used for statement in by_name[name] for used in statement.uses)
        return found

    def _needed(self, used: Collection[str]) -> set[str]:
        """Modules without which these statements cannot run."""
        needed: set[str] = set()
        for statement in self.statements:
            if not set(statement.binds) & set(used):
                continue
            if statement.import_of:
                base, name, _ = statement.import_of
                needed |= {module for module in (self._defining(base, name),) if module}
            else:
                needed |= {
                    m for m in self.modules if m.endswith(".__main__") and m.rpartition(".")[0] in statement.words
                }
        return needed

    def _defining(self, base: str, name: str) -> str:
        """The module that a name imported from ``base`` comes from; empty when it is none of the program's."""
        if f"{base}.{name}" in self.modules:
            return f"{base}.{name}"
        if base not in self.modules:
            return ""
        for node in syntax.parse(self.sources[self.modules[base]]).body:
            if not isinstance(node, ast.ImportFrom) or node.module not in self.modules:
                continue
            if any((alias.asname or alias.name) == name for alias in node.names):
                return node.module
        return base

    def _import(self, what: tuple[str, str, str], own: Collection[str]) -> str:
        """An import as a component's test may have it: from where the name comes from, when its package is another's."""
        base, name, here = what
        if base in self.modules and base not in own and name:
            defining = self._defining(base, name)
            base = base if defining == f"{base}.{name}" else defining
        named = name or base
        alias = "" if here in (named, named.partition(".")[0]) else f" as {here}"
        return f"from {base} import {name}{alias}" if name else f"import {base}{alias}"

    def _groups(self) -> list[list[str]]:
        """Modules that make one component, in an order in which each group imports from those before it only."""
        import networkx as nx

        tested = {test.top for test in self.tests}
        order = sorted(self.modules, key=lambda m: (len(self.closures[m]), m))
        group = {module: module for module in order}
        for module in reversed(order):  # who uses it is settled before
            users = [group[m] for m in order if m != module and module in self.imports[m]]
            if module not in tested and users:
                group[module] = min(users, key=order.index)
        for module in order:  # what nobody uses goes with what it uses
            near = sorted((group[m] for m in self.imports[module]), key=order.index)
            if group[module] == module and module not in tested and near:
                group = {m: near[-1] if of == module else of for m, of in group.items()}
        lonely = [m for m in order if group[m] == m and m not in tested]
        if tested:
            last = [m for m in order if m in tested][-1]
            group = {module: last if of in lonely else of for module, of in group.items()}
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(dict.fromkeys(group[module] for module in order))
        graph.add_edges_from(
            (group[i], group[m]) for m in order for i in sorted(self.imports[m]) if group[i] != group[m]
        )
        knots = nx.condensation(graph)
        rank = {n: min(order.index(of) for of in knots.nodes[n]["members"]) for n in knots}
        return [
            [m for m in order if group[m] in knots.nodes[n]["members"]]
            for n in nx.lexicographical_topological_sort(knots, key=rank.__getitem__)
        ]

    def _named_after(self, group: Sequence[str]) -> str:
        """The module that a component is called after: the one that is tested, or the last."""
        tested = [module for module in group if any(test.top == module for test in self.tests)]
        return (tested or list(group))[-1]


# -- the author


TASKS = {
    "list the requirements": "requirements",
    "the plan": "plan",
    "the revision": "revise",
    "the tests": "tests",
    "the code": "code",
    "a repair": "repair",
    "tests in doubt": "amend",
    "stronger tests": "strengthen",
    "a contract made clear": "respecify",
    "a smaller cut": "split",
}
"""The words that a prompt asks with → the step."""
_TASK = re.compile(r"^# Your task now: (.+?)$", re.MULTILINE)
_COMPONENT = re.compile(r"^# Component `(\w+)`$", re.MULTILINE)
_OWNS = re.compile(r"^It owns: (.+)\.$", re.MULTILINE)
_FEW = re.compile(r"(?:must be (one) single component|at most (\d+) components)")
_FAULTS = {fault.step: fault for fault in FAULTS}
_FAULTS["repair"] = _FAULTS["code"]
"""What goes wrong with the form of answers. The others have no fault: what may be left undone is asked for twice at most."""


@dataclass(frozen=True)
class _Question:
    """What a request is about."""

    step: str
    """One of those in :data:`TASKS`."""
    component: str
    """Empty for those about the whole."""
    owned: tuple[str, ...]
    """The component's files."""
    prompt: str
    """The first message after the system's."""
    system: str
    """What is said before it."""
    told: bool
    """Whether it goes on from an answer in which something was wrong."""
    number: int
    """How often the same was asked before."""


class ScriptedAuthor:
    """Answers every question about one task. Called with the body of a request, from several threads at once."""

    def __init__(self, task: Task, rates: Rates, seed: str) -> None:
        """``ConfigError`` or ``UserError`` when the task does not tell enough to know what is right and what is wrong."""
        from agent.strategies import schemas

        self.rates = rates
        self.known = Known(task)
        self.unanswered: list[str] = []
        """What it was asked and has no answer for, in words."""
        self._seed = seed
        self._twin = schemas.twin
        self._asked: dict[tuple[str, str], list[str]] = {}
        self._left_out: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._wrong = self.known.wrong
        self._answers: Mapping[str, Callable[[_Question], str]] = {
            "requirements": lambda _: self._requirements(),
            "plan": self._plan,
            "revise": lambda _: "Nothing has to be built anew.\n\n```yaml\nedits: []\n```\n",
            "tests": self._tests,
            "code": self._code,
            "repair": self._repair,
            "amend": lambda question: _kept(question.prompt),
            "strengthen": lambda question: _excused(question.prompt),
            "respecify": self._respecify,
            "split": _split,
        }

    def __call__(self, body: Mapping[str, Any]) -> str:
        """What it wants to say to a request."""
        from agent.models.dialects import PROBE

        said = [(message["role"], str(message["content"])) for message in body["messages"]]
        schema = (body.get("response_format") or {}).get("json_schema")
        if said[-1] == ("user", PROBE):
            return "Hello."
        try:
            with self._lock:
                question = self._question(said, str(body.get("temperature")))
                return self._said(question, schema["name"] if schema else "")
        except Exception as error:  # whatever it is: a request without an answer is sent again for minutes
            self.unanswered.append(f"{said[-1][1][-200:]!r}: {error!r}")
            return NOTHING_TO_SAY

    def _question(self, said: list[tuple[str, str]], temperature: str) -> _Question:
        goes_on = said[-1][0] == "assistant"  # with a piece of this very answer
        while said[-1][0] == "assistant":
            said = said[:-1]
        system, prompt = said[0][1], said[1][1]
        step = TASKS[_TASK.findall(prompt)[-1].partition(":")[0].strip()]
        component = _COMPONENT.search(prompt)
        owns = _OWNS.search(prompt)
        about = component[1] if component else ""
        told = len(said) > 2  # the system's words and the prompt
        asked = self._asked.setdefault((step, about), [])
        same = hashlib.sha256("\0".join([prompt, temperature]).encode()).hexdigest()
        if same not in asked or not (told or goes_on):
            asked.append(same)
        number = len(asked) - 1 - asked[::-1].index(same)
        return _Question(
            step, about, tuple(re.findall(r"`([^`]+)`", owns[1])) if owns else (), prompt, system, told, number
        )

    def _said(self, question: _Question, schema: str) -> str:
        text = self._answers[question.step](question)
        fault = _FAULTS.get(question.step)
        malformed = not question.told and self._chance(question, "malformed") < self.rates.malformed
        if fault and malformed and not fault.around:
            text = fault.spoil(text)
        return self._twin(schema, text) if schema else text

    def _chance(self, question: _Question, what: str) -> float:
        """From 0 to below 1, the same for the same seed, question and matter."""
        words = [self._seed, question.step, question.component, str(question.number), what]
        return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:6], "big") / 2**48

    def _requirements(self) -> str:
        said = (f"R{n}: {quote}\n> {quote}\n" for n, quote in enumerate(self.known.requirements, 1))
        return "\n".join(said)

    def _plan(self, question: _Question) -> str:
        most = next((int(n) if n else 1 for _, n in _FEW.findall(question.system)), None)
        parts = self.known.parts(most)
        lines = [f"title: {self.known.task.id}", "language: python", "entry: ''", "components:"]
        for part in parts:
            lines += ["  - " + self._entry(part, 4).lstrip()]
        return "The parts follow the modules of the program.\n\n```yaml\n" + "\n".join(lines) + "\n```\n"

    def _entry(self, part: _Part, margin: int, more: str = "") -> str:
        known = self.known
        docs = [_doc(known.sources[path]) for path in part.files]
        purpose = next((doc.split("\n")[0] for doc in docs if doc), known.task.title)
        asked = [known.requirements[int(r.removeprefix("R")) - 1] for r in part.requirements]
        behaviour = [*filter(None, docs), *(f"- {quote}" for quote in asked), more]
        interface = "".join(
            f"    {path}: |\n{textwrap.indent(known.interface(path), ' ' * 6)}\n" for path in known.offers(part.files)
        )
        text = (
            f"id: {part.id}\npurpose: {_quoted(purpose)}\nkind: library\nfiles: [{', '.join(part.files)}]\n"
            f"depends_on: [{', '.join(part.depends_on)}]\nrequirements: [{', '.join(part.requirements)}]\npackages: []\n"
            "contract:\n  behaviour: |\n"
            + textwrap.indent("\n".join(filter(None, behaviour)) or purpose, " " * 4)
            + f"\n  interface:\n{interface.rstrip()}"
        )
        return textwrap.indent(text, " " * margin)

    def _respecify(self, question: _Question) -> str:
        asked = question.prompt.rpartition("# Your task now:")[2]
        depends_on, requirements = (
            tuple(re.findall(r"\w+", re.findall(rf"^{key}: \[(.*)\]$", asked, re.MULTILINE)[-1]))
            for key in ("depends_on", "requirements")
        )
        part = _Part(question.component, question.owned, depends_on, requirements)
        said = question.prompt.count(_CLEARER)
        return f"```yaml\n{self._entry(part, 0, chr(10).join([_CLEARER] * (said + 1)))}\n```\n"

    def _tests(self, question: _Question) -> str:
        part = question.component
        if _is_spare(question):
            return _file(f"tests/test_{part}.py", _SPARE_TEST.format(module=_module(question.owned[0]), name=part))
        refused = self._left_out.setdefault(part, set())
        back = question.prompt.rpartition("# Your task now: the tests")[2]
        refused |= set(re.findall(r"^- \S+?::(\w+)", back, re.MULTILINE))
        modules = {_module(path) for path in question.owned}
        able = [test.name for test in self.known.tests if test.top in modules]
        if not able:
            raise LookupError(f"no test is known of {part!r}, which owns {', '.join(question.owned)}")
        drawn = {name: self._test_chance(part, name) for name in able}
        good = [name for name in able if name not in refused] or able
        kept = [name for name in good if drawn[name] < self.rates.tests_kept] or [min(good, key=drawn.__getitem__)]
        covered = re.findall(r"^- (R\d+): ", question.prompt, re.MULTILINE)
        source = self.known.test_file(question.owned, kept, list(dict.fromkeys(covered)))
        return _file(f"tests/test_{part}.py", source)

    def _test_chance(self, part: str, name: str) -> float:
        return self._chance(_Question("tests", part, (), "", "", False, 0), name)

    def _code(self, question: _Question) -> str:
        return self._program(question, self._chance(question, "wrong") < self.rates.wrong)

    def _repair(self, question: _Question) -> str:
        return self._program(question, self._chance(question, "mends") >= self.rates.mends)

    def _program(self, question: _Question, wrong: bool) -> str:
        if _is_spare(question):
            return _file(question.owned[0], _SPARE_CODE.format(name=question.component))
        right = self.known.task.solution
        mistakes = [
            tree for tree in self._wrong.values() if any(tree.get(path) != right.get(path) for path in question.owned)
        ]
        tree = right
        if wrong and mistakes:
            tree = mistakes[int(self._chance(question, "which") * len(mistakes))]
        return "\n".join(_file(path, tree[path]) for path in question.owned)


# -- answers

_CLEARER = "All of this holds for every input."
"""What a contract is made clear with."""
_SPARE = re.compile(r"\w+_(?:first|second)\d+")
"""Ids of parts that are cut out of a component. Mistakes are not a matter of size here, so that they are of no use; but forms leave
no way to say so, and all arms shall get the same answer."""
_SPARE_CODE = '''def name() -> str:
    """The name of this part."""
    return "{name}"
'''
_SPARE_TEST = """from {module} import name


def test_the_name():
    assert name() == "{name}"
"""


def _is_spare(question: _Question) -> bool:
    return bool(_SPARE.fullmatch(question.component))


def _split(question: _Question) -> str:
    lines = ["```yaml", "parts:"]
    for word in ("first", "second"):
        name = f"{question.component}_{word}{question.number + 1}"
        path = PurePosixPath(question.owned[0]).with_name(f"{name}.py")
        lines += [
            f"  - id: {name}",
            "    purpose: Give a name.",
            "    kind: library",
            f"    files: [{path}]",
            "    depends_on: []",
            "    requirements: []",
            "    packages: []",
            "    contract:",
            "      behaviour: |",
            f'        name() is the text "{name}".',
            "      interface:",
            f"        {path}: |",
            "          def name() -> str: ...",
        ]
    return "\n".join([*lines, "```", ""])


def _file(path: str, source: str) -> str:
    ticks = "````" if re.search(r"^ *```", source, re.MULTILINE) else "```"
    return f"### {path}\n{ticks}python\n{source.rstrip()}\n{ticks}\n"


def _quoted(text: str) -> str:
    """As text on one line of YAML."""
    text = " ".join(text.split())
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _kept(prompt: str) -> str:
    """Every test in doubt stays: it comes from the hidden tests, which are right."""
    ids = re.findall(r"^\*\*(\S+::\S+)\*\*$", prompt, re.MULTILINE)
    return "\n".join(f"### {test_id}\nKEEP: the contract demands it.\n" for test_id in ids)


def _excused(prompt: str) -> str:
    """No test is added: more than the sample would not be what was stated."""
    changes = re.findall(r"^(M\d+): `", prompt, re.MULTILINE)
    idle = re.findall(r"^- (\S+::\S+)$", prompt.partition("## Tests that noticed nothing")[2], re.MULTILINE)
    said = [f"### {name}\nUNSPECIFIED: the contract is silent.\n" for name in changes]
    return "\n".join([*said, *(f"### {test_id}\nKEEP: it is about what matters.\n" for test_id in dict.fromkeys(idle))])


# -- sources


def _module(path: str) -> str:
    """``pkg/part.py`` is ``pkg.part``, ``pkg/__init__.py`` is ``pkg``."""
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _reached(module: str, imports: Mapping[str, Collection[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports[name]
    return frozenset(found)


def _ids(modules: Sequence[str]) -> Iterator[str]:
    taken: set[str] = set()
    for module in modules:
        name = module.rpartition(".")[2]
        name = "command" if name == "__main__" else re.sub(r"\W", "_", name.lower())
        while name in taken:
            name += "_too"
        taken.add(name)
        yield name


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def _doc(source: str) -> str:
    """The docstrings of a module and of what it offers, each on one line."""
    tree = syntax.parse(source)
    found = [ast.get_docstring(tree)]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            said = ast.get_docstring(node)
            found.append(said and f"{node.name}: {said}")
    return "\n".join(" ".join(doc.split()) for doc in found if doc)


def _quotes(instruction: str, most: int) -> tuple[str, ...]:
    """Words of an instruction that ask for something, each on one line of it, spread over all of it."""
    found: list[str] = []
    fenced = False
    for line in instruction.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
            continue
        at = re.search(r"[A-Za-z]", line)
        if fenced or not at or line.lstrip().startswith(("#", "|", ">", "    ")):
            continue
        words = line[at.start() :].strip()
        if len(words) > LONGEST_QUOTE:
            words = words[: LONGEST_QUOTE + 1].rpartition(" ")[0]
        if len(words) >= SHORTEST_QUOTE and words.isprintable() and words not in found:
            found.append(words)
    found = found or [re.sub(r"^#+\s*", "", instruction.strip().split("\n")[0])]
    most = min(most, len(found))
    return tuple(found[n * len(found) // most] for n in range(most))


def _outline(node: ast.stmt) -> ast.stmt | None:
    """A statement of a module as an interface shows it; ``None`` for what others cannot use."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if node.name.startswith("_") and not node.name.startswith("__"):
            return None
        node.body = [*_docstring(node), ast.Expr(ast.Constant(...))]
        return node
    if isinstance(node, ast.ClassDef):
        if node.name.startswith("_"):
            return None
        kept = [_outline(inner) for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AnnAssign)]
        node.body = [*_docstring(node), *filter(None, kept)] or [ast.Expr(ast.Constant(...))]
        return node
    return node if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign) else None


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.stmt]:
    return node.body[:1] if ast.get_docstring(node, clean=False) is not None else []


def _bound(node: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]
    return []


def _merged(sources: Sequence[str]) -> tuple[_Statement, ...]:
    """The statements of several test files as those of one: what has the name of something else gets one of its own."""
    found: list[_Statement] = []
    taken: dict[str, str] = {}
    for number, source in enumerate(sources, 1):
        tree = syntax.parse(source)
        renamed: dict[str, str] = {}
        for node in tree.body:
            text = _segment(source, node)
            for name in _bound(node):
                if taken.setdefault(name, text) != text:
                    renamed[name] = f"{name}_{number}"
        text = _with_names(source, renamed)
        for node in syntax.parse(text).body:
            statement = _statements(text, node)
            found += (one for one in statement if one not in found)
    return tuple(found)


def _segment(source: str, node: ast.stmt) -> str:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return "\n".join(source.split("\n")[first - 1 : node.end_lineno])


def _statements(source: str, node: ast.stmt) -> list[_Statement]:
    text = _segment(source, node)
    if isinstance(node, ast.Import):
        return [
            _Statement(text, (here,), frozenset(), frozenset(), (alias.name, "", here))
            for alias in node.names
            for here in (alias.asname or alias.name.partition(".")[0],)
        ]
    if isinstance(node, ast.ImportFrom):
        return [
            _Statement(text, (here,), frozenset(), frozenset(), (node.module or "", alias.name, here))
            for alias in node.names
            for here in (alias.asname or alias.name,)
        ]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return []
    inside = list(ast.walk(node))
    uses = {inner.id for inner in inside if isinstance(inner, ast.Name)}
    uses |= {inner.arg for inner in inside if isinstance(inner, ast.arg)}
    words = {inner.value for inner in inside if isinstance(inner, ast.Constant) and isinstance(inner.value, str)}
    return [_Statement(text, tuple(_bound(node)), frozenset(uses), frozenset(words))]


def _with_names(source: str, renamed: Mapping[str, str]) -> str:
    """A source with other names, wherever they stand for themselves: not as an attribute, a keyword or in a text."""
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type != tokenize.COMMENT]
    keywords = {
        (inner.lineno, inner.col_offset) for inner in ast.walk(syntax.parse(source)) if isinstance(inner, ast.keyword)
    }
    lines = source.split("\n")
    for before, token in reversed(list(zip([tokens[0], *tokens], tokens, strict=False))):
        if token.type != tokenize.NAME or token.string not in renamed or before.string == ".":
            continue
        row, column = token.start
        line = lines[row - 1]
        if (row, len(line[:column].encode())) not in keywords:
            lines[row - 1] = line[:column] + renamed[token.string] + line[column + len(token.string) :]
    return "\n".join(lines)


def _spread(requirements: Sequence[str], tests: Sequence[str]) -> dict[str, list[str]]:
    """Each test with the requirements that it is for: every test has one, every requirement a test, as far as there are any."""
    if not requirements or not tests:
        return {}
    found: dict[str, list[str]] = {name: [] for name in tests}
    for number in range(max(len(requirements), len(tests))):
        of = found[tests[number % len(tests)]]
        requirement = requirements[number % len(requirements)]
        of += [requirement] if requirement not in of else []
    return found


def _documented(source: str, name: str, requirements: Sequence[str]) -> str:
    """A test whose docstring says what it is for."""
    (node,) = syntax.parse(source).body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    lines = source.split("\n")
    body = node.body[0]
    old = ast.get_docstring(node) is not None
    margin = " " * body.col_offset
    said = f'{margin}"""{", ".join(requirements)}: {" ".join(name.split("_")[1:])}."""'
    lines[body.lineno - 1 : (body.end_lineno or body.lineno) if old else body.lineno - 1] = [said]
    return "\n".join(lines)
