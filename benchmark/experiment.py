"""What an experiment is: a file that says, before anything runs, what is compared, on which tasks, and how it will be decided.

An *arm* is a full configuration: everything that ``agent run`` can be told. A *cell* is one run of one arm on one task. The file
is TOML::

    schema = 1
    title = "Does constraining the form of answers help?"

    [tasks]
    sizes = ["S", "M"]          # of the suite that comes with this program; or suite = "DIR", ids = ["s-due-dates"]

    [rule]
    baseline = "plain"
    repeats = 3

    [settings]                  # of all arms: keys of agent.toml
    mutants = 0

    [arms.plain]
    strategy = "plain"

    [arms.guided]               # what differs: keys of agent.toml, too
    strategy = "guided"

Everything else stands where it does for a run: flags, environment, ``agent.toml``. What is in force for each arm goes into the
ledger before the first cell, so that no result can be read against another configuration than its own.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from agent.config import ROLES, Settings, keys_of, load
from agent.models.pricing import Prices
from agent.prompts import Prompts
from benchmark.datasets import TASKS, Size, Task, read_files, read_folder
from benchmark.datasets import load as load_tasks
from benchmark.statistics import Rule
from few_shot.learn import digests
from graphs.errors import UserError
from graphs.values import digest, to_json

SCHEMA = 1
"""Of the file."""
BUNDLED = Path(__file__).parent / "experiments"
"""The experiments that come with this program."""
SUITES = Path(__file__).parent / "suites.toml"
"""Named choices of the tasks that come with this program."""
DECIDES_NOTHING = frozenset({"output", "prices", "prompts", "parallel", "test_slots", "api_key_env", "collect"})
"""Settings that say where things are and how fast they go, but not what comes out; prompts and prices count by their contents."""
MARK_LENGTH = 16
"""Hexadecimal digits of a digest by which a cell or a configuration is known."""


@dataclass(frozen=True)
class Arm:
    """One full configuration."""

    name: str
    """For tables: ``guided``."""
    settings: Settings
    """Everything that can be configured, as ``agent run`` takes it. Ceilings are those of a single run."""
    exemplars: Path | None = None
    """A directory of exemplars beside the shipped ones; a user's own are not looked for."""

    @cached_property
    def digest(self) -> str:
        """Hash of the configuration: of every setting that a result could depend on, and of prompts, prices and exemplars that are
        not the shipped ones. Those are part of the program, whose changes are what a gate judges."""
        data = {key: value for key, value in to_json(self.settings.as_data()).items() if key not in DECIDES_NOTHING}
        prompts = dict(Prompts(self.settings.prompts).digests) if self.settings.prompts else {}
        prices = to_json(Prices.load(self.settings.prices)) if self.settings.prices else {}
        exemplars = read_files(self.exemplars) if self.exemplars else {}
        return digest([data, prompts, prices, exemplars])[:MARK_LENGTH]


@dataclass(frozen=True)
class Cell:
    """One run of one arm on one task."""

    task: str
    """The task's id."""
    arm: str
    """The arm's name."""
    repeat: int
    """From 0."""
    key: str
    """Hash of the task's id and content, the arm's configuration and the repeat: by it results are found again."""

    @property
    def folder(self) -> str:
        """Name of its folder, readable and unlike any other's. Ids of tasks come from other people's files."""
        return f"{re.sub(r'[^a-zA-Z0-9_-]', '-', self.task)[:60]}--{self.arm[:60]}--{self.repeat + 1}-{self.key[:6]}"


@dataclass(frozen=True)
class Experiment:
    """What is compared, on which tasks, and how it will be decided; fixed before the first cell."""

    name: str
    """Of the file, without its ending."""
    title: str
    """The question."""
    baseline: str
    """The arm that others are compared with; the only arm where nothing is compared."""
    repeats: int
    """Runs of each task and arm."""
    rule: Rule
    """What is decided by."""
    arms: tuple[Arm, ...]
    """In the order of the file."""
    tasks: tuple[Task, ...]
    """In order of their names."""

    def arm(self, name: str) -> Arm:
        """The arm of that name; ``KeyError`` when there is none."""
        return next(arm for arm in self.arms if arm.name == name)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells in the order they are begun: repeat by repeat, task by task, each time all arms, another one first each
        time, so that whatever drifts with time (a provider's load, its version of a model) meets all arms alike."""
        return tuple(self._cells())

    def _cells(self) -> Iterator[Cell]:
        arms = {arm.name: arm.digest for arm in self.arms}
        tasks = [(task.id, task.digest) for task in self.tasks]
        names = list(arms)
        for repeat in range(self.repeats):
            for number, task in enumerate(tasks):
                first = (repeat + number) % len(names)
                for name in names[first:] + names[:first]:
                    yield Cell(task[0], name, repeat, digest([*task, arms[name], repeat])[:MARK_LENGTH])

    @cached_property
    def program(self) -> str:
        """Hash of the program that will run: of the packages an agent is made of, their prompts and exemplars included."""
        return program_digest()

    def as_data(self) -> dict[str, Any]:
        """Plain JSON data that says all of it but the tasks' contents, of which it holds the digests; the head of a ledger."""
        return {
            "name": self.name,
            "program": self.program,
            "title": self.title,
            "baseline": self.baseline,
            "repeats": self.repeats,
            "rule": to_json(self.rule),
            "arms": {
                arm.name: {
                    "digest": arm.digest,
                    "settings": to_json(arm.settings.as_data()),
                    "exemplar_directory": str(arm.exemplars) if arm.exemplars else None,
                    "exemplars": digests(arm.exemplars) if arm.exemplars else {},
                }
                for arm in self.arms
            },
            "tasks": {
                task.id: {"digest": task.digest, "size": task.size, "source": task.source} for task in self.tasks
            },
        }


def program_digest() -> str:
    """Hash of the packages ``agent``, ``few_shot`` and ``graphs`` as they lie on the disk."""
    above = Path(__file__).parents[1]
    files = sorted(
        file
        for package in ("agent", "few_shot", "graphs")
        for file in above.joinpath(package).rglob("*")
        if file.suffix in (".py", ".md", ".toml") and file.is_file()
    )
    sums = {file.relative_to(above).as_posix(): sha256(file.read_bytes()).hexdigest() for file in files}
    return digest(sums)[:MARK_LENGTH]


# -- reading


def read_experiment(
    place: Path,
    flags: Mapping[str, Any],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    *,
    repeats: int | None = None,
    suite: Path | None = None,
    ids: Sequence[str] = (),
) -> Experiment:
    """The experiment in a file.

    Args:
        place: the file, or the name of a bundled one (``guidance``).
        flags: keys of ``agent.config.OPTIONS``; what was given on the command line, for all arms.
        env: the environment.
        cwd: where configuration is looked for.
        repeats: in place of the file's.
        suite: tasks in place of the file's, whatever sizes it names.
        ids: only these tasks.

    Raises:
        UserError: in one sentence, for what the file or the flags have wrong.
    """
    file = _file(place).absolute()
    data = _toml(file)
    known = {"schema", "title", "tasks", "rule", "settings", "arms"}
    if unknown := data.keys() - known:
        raise UserError(f"{str(file)!r} has an unknown key {min(unknown)!r}; known are {', '.join(sorted(known))}")
    if data.get("schema") != SCHEMA:
        raise UserError(
            f"{str(file)!r} has the schema {data.get('schema')!r} and this version reads {SCHEMA}; write schema = {SCHEMA}"
        )
    tables = {name: _table(file, data, name) for name in ("tasks", "rule", "settings", "arms")}
    variables = dict(os.environ if env is None else env)
    arms = tuple(
        _arm(file, name, table, tables["settings"], flags, variables, cwd or Path.cwd())
        for name, table in tables["arms"].items()
    )
    if not arms:
        raise UserError(f"{str(file)!r} has no arm; write what is compared as [arms.NAME]")
    baseline, own_repeats, rule = _rule(file, tables["rule"], [arm.name for arm in arms])
    count = own_repeats if repeats is None else repeats
    if count % rule.looks:
        raise UserError(
            f"{count} repeats cannot be looked at {rule.looks} times in equal shares; choose a multiple of {rule.looks}"
        )
    if nameless := [arm.name for arm in arms if arm.settings.model is None]:
        raise UserError(
            f"no model is named for the arm {nameless[0]!r}; name one with --model, or rehearse without one with --model "
            "scripted:malformed=0.2,wrong=0.3,mends=0.6,tests_kept=0.5"
        )
    alike: dict[str, str] = {}
    for arm in arms:
        if (other := alike.setdefault(arm.digest, arm.name)) != arm.name:
            raise UserError(
                f"the arms {other!r} and {arm.name!r} of {str(file)!r} are the same configuration; change one or leave it out"
            )
    for arm in arms:
        _check_usable(file, arm, variables)
    return Experiment(
        name=file.stem,
        title=str(data.get("title") or file.stem),
        baseline=baseline,
        repeats=count,
        rule=rule,
        arms=arms,
        tasks=_tasks(file, tables["tasks"], suite, ids),
    )


def _file(place: Path) -> Path:
    if place.suffix == "" and not place.exists():
        bundled = BUNDLED / f"{place}.toml"
        if not bundled.is_file():
            there = ", ".join(sorted(file.stem for file in BUNDLED.glob("*.toml")))
            raise UserError(f"there is no experiment {str(place)!r}; name a file, or one of {there}")
        return bundled
    return place


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise UserError(f"the experiment {str(file)!r} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"the experiment {str(file)!r} is not TOML: {error}") from error


def _table(file: Path, data: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise UserError(f"{name!r} in {str(file)!r} must be a table: write it as [{name}] with its keys below")
    return table


def _arm(
    file: Path,
    name: str,
    table: Any,
    shared: Mapping[str, Any],
    flags: Mapping[str, Any],
    env: Mapping[str, str],
    cwd: Path,
) -> Arm:
    if not isinstance(table, dict):
        raise UserError(
            f"the arm {name!r} in {str(file)!r} must be a table: write it as [arms.{name}] with its keys below"
        )
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UserError(f"the arm {name!r} in {str(file)!r} must have a name of letters, digits, - and _")
    own = {key: value for key, value in table.items() if key != "exemplar_directory"}
    directory = table.get("exemplar_directory")
    if directory is not None and not (isinstance(directory, str) and file.parent.joinpath(directory).is_dir()):
        raise UserError(
            f"'exemplar_directory' of the arm {name!r} in {str(file)!r} is {directory!r}, but must be a directory"
        )
    given = {key: value for key, value in flags.items() if value is not None}
    if clash := sorted(given.keys() & set(keys_of(file, own))):
        flag = f"--{clash[0].replace('_', '-')}"
        raise UserError(f"the arm {name!r} of {str(file)!r} sets {clash[0]!r} itself; leave out {flag}")
    settings = load(given, env, cwd, shared=(file, shared), own=(file, own)).settings
    return Arm(name, replace(settings, output=None), file.parent / directory if directory else None)


def _check_usable(file: Path, arm: Arm, env: Mapping[str, str]) -> None:
    """``UserError`` for models and strategies that could not be asked: said before a ledger fixes what is compared."""
    from agent.models import open_model
    from agent.models.base import Model
    from agent.strategies import open_strategy
    from benchmark.scripted_author import read_rates
    from benchmark.worker import SCRIPTED

    settings = arm.settings
    prices = Prices.load(settings.prices)

    def opened(role: str) -> Model:
        name, url = settings.model_for(role) or "", settings.base_url
        if name.startswith(SCRIPTED):
            read_rates(name)
            name, url = "scripted", "http://127.0.0.1/v1"  # a server that each cell gets for itself
        key = env.get(settings.api_key_env)
        return open_model(name, base_url=url, api_key=key, prices=prices, dialect=settings.dialect)

    try:
        for role in ROLES:
            opened(role)
        open_strategy(
            {role: settings.strategy_for(role) for role in ROLES}, opened, Prompts(settings.prompts), lambda _: ()
        )
    except UserError as error:
        raise UserError(f"the arm {arm.name!r} of {str(file)!r} cannot be run: {error}") from error


def _rule(file: Path, table: Mapping[str, Any], arms: Sequence[str]) -> tuple[str, int, Rule]:
    kinds = {entry.name: type(entry.default) for entry in fields(Rule)}
    values = dict(table)
    baseline = values.pop("baseline", arms[0])
    repeats = values.pop("repeats", 1)
    if baseline not in arms:
        raise UserError(f"the baseline {baseline!r} of {str(file)!r} is no arm; there are {', '.join(arms)}")
    if type(repeats) is not int or repeats < 1:
        raise UserError(f"'repeats' in [rule] of {str(file)!r} is {repeats!r}, but must be a whole number, 1 or more")
    for key, value in values.items():
        kind = kinds.get(key)
        if kind is None:
            raise UserError(
                f"[rule] of {str(file)!r} has an unknown key {key!r}; known are baseline, repeats, {', '.join(kinds)}"
            )
        good = type(value) is int and value >= 1 if kind is int else type(value) in (int, float) and 0 < value < 1
        if not good:
            wanted = "a whole number, 1 or more" if kind is int else "a share between 0 and 1 (0.05 is five points)"
            raise UserError(f"{key!r} in [rule] of {str(file)!r} is {value!r}, but must be {wanted}")
    return baseline, repeats, Rule(**values)


def _tasks(file: Path, table: Mapping[str, Any], suite: Path | None, ids: Sequence[str]) -> tuple[Task, ...]:
    """The tasks that a table names, or those of ``suite``."""
    if unknown := table.keys() - {"suite", "sizes", "ids"}:
        raise UserError(f"[tasks] of {str(file)!r} has an unknown key {min(unknown)!r}; known are suite, sizes, ids")
    sizes, named, place = table.get("sizes", []), table.get("ids", []), table.get("suite", "")
    if not isinstance(place, str) or not _texts(sizes) or not _texts(named):
        raise UserError(f"[tasks] of {str(file)!r} takes a text for suite and lists of texts for sizes and ids")
    if wrong := [size for size in sizes if size not in get_args(Size)]:
        raise UserError(f"[tasks] of {str(file)!r} has the size {wrong[0]!r}; possible are {', '.join(get_args(Size))}")
    if suite is not None:
        return find_tasks(suite, ids=ids)
    return find_tasks(file.parent / place if place else TASKS, sizes, [*ids] or named)


def find_tasks(place: Path, sizes: Sequence[str] = (), ids: Sequence[str] = ()) -> tuple[Task, ...]:
    """The tasks in a place, or of a named suite (``ci``), of those sizes and ids. ``UserError`` when there are none."""
    suites = tomllib.loads(SUITES.read_text("utf-8"))
    ids = list(dict.fromkeys(ids))
    if place.name in suites and not place.exists():
        suite = suites[place.name]["ids"]
        if others := [name for name in ids if name not in suite]:
            raise UserError(f"there is no task {others[0]!r} in the suite {place.name}; there are {', '.join(suite)}")
        place, ids = TASKS, ids or suite
    if ids and all(place.joinpath(name, "task.toml").is_file() for name in ids):
        return choose([read_folder(place / name) for name in ids], sizes)  # others may be in the making
    return choose(load_tasks(place), sizes, ids)


def choose(tasks: Sequence[Task], sizes: Sequence[str] = (), ids: Sequence[str] = ()) -> tuple[Task, ...]:
    """Those tasks of the sizes and ids, in the order of their ids; all where none are named. ``UserError`` for an id that is
    not there, and when nothing is left."""
    there = {task.id: task for task in tasks}
    for name in ids:
        if name not in there:
            known = ", ".join(there) if len(there) <= 60 else f"{len(there)} others"
            raise UserError(f"there is no task {name!r}; there are {known}")
    found = [task for task in tasks if (not sizes or task.size in sizes) and (not ids or task.id in ids)]
    if not found:
        raise UserError(f"no task has the size {' or '.join(sizes)}; leave out sizes, or name another suite")
    return tuple(sorted(found, key=lambda task: task.id))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
