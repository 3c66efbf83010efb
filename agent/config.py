"""The one reader of configuration. Strongest first: flags, environment, project file, user file, defaults.

The project file is the nearest ``agent.toml`` (or ``pyproject.toml`` with ``[tool.agent]``) from the working directory
upwards; the user file is ``agent.toml`` in the platform's configuration directory for ``stepgraph``. ``OPTIONS`` is the
table of everything that can be set. Importing this module must stay quick: every command does it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.sandbox.base import SandboxLimits
from graphs.errors import ConfigError
from graphs.ladder import RUNGS, Rung

ROLES = ("plan", "test", "code", "candidate")
"""What a model of its own can be named for: decomposition, tests, code and its repair, and the fresh program that is
written when repairs do not help (the model for code, where none is named)."""

PER_ROLE = ("models", "strategies")
"""Tables with an entry for each role."""

EXEMPLAR_CHOICES = ("retrieved", "fixed")
"""How the planner's examples are chosen (``few_shot.retrieve``)."""

DIALECTS = ("auto", "vllm", "sglang", "llama-server")
"""Servers that take grammars, each in its own words."""

MODELS_OF_FILES = ("manual", "replay", "replay-loosely", "local:llamacpp", "local:replay")
"""Kinds of models whose name ends in a path, which starts from where it is named like any other path."""
MODELS_OF_FOLDERS = ("local:transformers",)
"""The same for those whose name ends in a path or, where that is not there, in something else."""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """Everything that can be configured. Ceilings of ``None`` do not exist."""

    model: str | None = None
    """The model: a name at an OpenAI-compatible endpoint, or ``manual:DIR``, ``replay:FILE``, ``ollama:NAME``…"""
    models: Mapping[str, str] = field(default_factory=dict)
    """Role (one of ``ROLES``) → another model for it."""
    base_url: str | None = None
    """The endpoint's address, such as ``http://127.0.0.1:8000/v1``; ``None`` is OpenAI's."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; keys themselves are never configuration."""
    strategy: str = "plain"
    """How the model is asked: ``plain``, ``guided`` or ``native``."""
    strategies: Mapping[str, str] = field(default_factory=dict)
    """Role (one of ``ROLES``) → another strategy for it."""
    dialect: str = "auto"
    """How a server wants its grammars, one of ``DIALECTS``; ``auto`` finds out."""
    parallel: int = 8
    """Model calls at once."""
    test_slots: int = field(default_factory=_cores)
    """Test runs at once; the cores this process may use by default."""
    temperature: float | None = None
    """Sampling temperature; ``None`` leaves it to the endpoint."""
    request_seconds: float = 300.0
    """Budget of one question to the model, tries and waits together."""
    exemplars: int = 3
    """How many examples of right-sized plans the planner is shown."""
    exemplar_choice: str = "retrieved"
    """Which, one of ``EXEMPLAR_CHOICES``: those that come closest to the specification, or the same for every one."""
    prices: Path | None = None
    """A price table (TOML) whose figures replace the shipped ones."""
    prompts: Path | None = None
    """A directory of prompt files that replace the shipped ones."""
    output: Path | None = None
    """Where the repository goes; ``None``: a directory named after the spec."""
    max_usd: float | None = 5.0
    """US dollars for one run."""
    max_tokens: int | None = None
    """Prompt and completion tokens for one run; ``None``: no ceiling where prices are known, 2 million where not."""
    max_seconds: float | None = None
    """Wall seconds for one run; a resume begins anew."""
    max_calls: int | None = None
    """Model calls for one run."""
    component_seconds: float | None = None
    """Wall seconds for one component."""
    max_components: int | None = None
    """Components that a plan may have, however often it is cut anew; 1: the whole program is built as one."""
    repairs: int = 6
    """How often a component's code may be repaired."""
    no_progress: int = 2
    """Repairs in a row without a larger set of passing tests that end repairing."""
    test_rewrites: int = 2
    """How often a component's tests may be sent back because they prove nothing."""
    rungs: tuple[Rung, ...] = RUNGS
    """What may be done when repairs make no progress; empty: the component fails at once."""
    respecifications: int = 1
    """How often the contract of one component may be written anew from evidence."""
    split_depth: int = 2
    """How deep a part of a split component may itself be split; 0: nothing is split."""
    integration_rounds: int = 2
    """How often components go back to work because the assembled repository does not pass."""
    candidates: int = 1
    """Independent programs written for each component from the start; more than one are put to a vote."""
    mutants: int = 30
    """Changes of a component's code that its tests are tried on, at most; 0: their strength is not measured."""
    mutant_seconds: float = 20.0
    """Wall seconds for one measurement of that."""
    sandbox: str = "bubblewrap"
    """Which sandbox runs generated code; ``none`` only by a flag."""
    sandbox_limits: SandboxLimits = field(default_factory=SandboxLimits)
    """Ceilings of one sandboxed job."""
    ask_plan: bool = False
    """Whether a plan waits, where nobody is at a terminal, until somebody elsewhere lets it pass."""
    collect: bool = True
    """Whether finished runs are kept in the dataset, which never leaves this machine by itself."""

    def model_for(self, role: str) -> str | None:
        """The model that answers for a role (one of ``ROLES``); ``None`` when none is named."""
        own = self.models.get(role) or (self.models.get("code") if role == "candidate" else None)
        return own or self.model

    def strategy_for(self, role: str) -> str:
        """The strategy in which a role (one of ``ROLES``) is asked."""
        own = self.strategies.get(role) or (self.strategies.get("code") if role == "candidate" else None)
        return own or self.strategy

    def as_data(self) -> dict[str, Any]:
        """Plain JSON data; ``graphs.values.from_json(Settings, data)`` is the inverse."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Kind:
    """A kind of value: how it is recognised and how it is told."""

    what: str
    """What a value must be, to follow 'must be'."""
    read: Callable[[Any], Any]
    """The value from TOML or a flag; ``ValueError`` when it is not of this kind."""
    from_text: Callable[[str], Any] = str
    """The TOML value that a text from the environment stands for; ``ValueError`` when there is none."""


def _checked(*types: type, accept: Callable[[Any], bool] = bool) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, types) or not accept(value):
            raise ValueError
        return float(value) if isinstance(value, (int, float)) and float in types else value

    return read


def _whole(least: int) -> Kind:
    return Kind(f"a whole number, {least} or more", _checked(int, accept=lambda n: n >= least), int)


def _amount(what: str, accept: Callable[[float], bool]) -> Kind:
    return Kind(what, _checked(int, float, accept=lambda n: math.isfinite(n) and accept(n)), float)


def _or_none(kind: Kind) -> Kind:
    def read(value: Any) -> Any:
        return None if value in ("none", None) else kind.read(value)

    return Kind(f'{kind.what}, or "none"', read, lambda text: text if text == "none" else kind.from_text(text))


TEXT = Kind("text that is not empty", _checked(str, accept=lambda text: bool(text.strip())))
MODEL = Kind(TEXT.what, TEXT.read)
DIALECT = Kind(f"one of {', '.join(DIALECTS)}", _checked(str, accept=DIALECTS.__contains__))
EXEMPLAR_CHOICE = Kind(f"one of {', '.join(EXEMPLAR_CHOICES)}", _checked(str, accept=EXEMPLAR_CHOICES.__contains__))
VARIABLE = Kind(
    "the name of an environment variable (not the key itself)",
    _checked(str, accept=lambda text: bool(re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII))),
)
PATH = Kind("a path", lambda value: Path(_checked(str, Path, accept=lambda p: bool(str(p)))(value)).expanduser())
SECONDS = _amount("a number above 0", lambda n: n > 0)
DOLLARS = _amount("a number, 0 or more", lambda n: n >= 0)
TEMPERATURE = _amount("a number from 0 to 2", lambda n: 0 <= n <= 2)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _truth_from_text(text: str) -> bool:
    if text.lower() not in ("1", "true", "0", "false"):
        raise ValueError
    return text.lower() in ("1", "true")


SWITCH = Kind("true or false (in the environment 1 or 0)", _truth, _truth_from_text)


def _rungs(value: Any) -> tuple[Rung, ...]:
    words = list(value) if isinstance(value, (list, tuple)) else None
    if words is None or any(word not in RUNGS for word in words):
        raise ValueError
    return tuple(rung for rung in RUNGS if rung in words)


RUNG_LIST = Kind(
    f"a list with any of {', '.join(RUNGS)}",
    _rungs,
    lambda text: [word.strip() for word in text.split(",") if word.strip() and text != "none"],
)


@dataclass(frozen=True)
class Option:
    """One thing that can be set."""

    key: str
    """Its name: flag ``--max-usd``, environment ``AGENT_MAX_USD``, origin ``max_usd``."""
    kind: Kind
    """What values it takes."""
    toml: str = ""
    """Where it stands in a file (``limits.max_usd``); empty: at top level under its own name."""
    also: str = ""
    """Another environment variable that is honoured, weaker than our own."""
    off: str = ""
    """Another environment variable that turns it off, unless it is empty or 0; weaker than our own."""
    secret: bool = False
    """A wrong value is not repeated in messages: people put keys here by mistake."""

    @property
    def place(self) -> str:
        """Its dotted name in a file."""
        return self.toml or self.key

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"AGENT_{self.key.upper()}"


OPTIONS: Mapping[str, Option] = {
    option.key: option
    for option in (
        Option("model", MODEL),
        *(Option(f"model_{role}", MODEL, f"models.{role}") for role in ROLES),
        Option("base_url", TEXT, also="OPENAI_BASE_URL"),
        Option("api_key_env", VARIABLE, secret=True),
        Option("strategy", TEXT),
        *(Option(f"strategy_{role}", TEXT, f"strategies.{role}") for role in ROLES),
        Option("dialect", DIALECT),
        Option("parallel", _whole(1)),
        Option("test_slots", _whole(1)),
        Option("temperature", _or_none(TEMPERATURE)),
        Option("request_seconds", SECONDS),
        Option("exemplars", _whole(0)),
        Option("exemplar_choice", EXEMPLAR_CHOICE),
        Option("prices", PATH),
        Option("prompts", PATH),
        Option("output", PATH),
        Option("max_usd", _or_none(DOLLARS), "limits.max_usd"),
        Option("max_tokens", _or_none(_whole(1)), "limits.max_tokens"),
        Option("max_seconds", _or_none(SECONDS), "limits.max_seconds"),
        Option("max_calls", _or_none(_whole(1)), "limits.max_calls"),
        Option("component_seconds", _or_none(SECONDS), "limits.component_seconds"),
        Option("max_components", _or_none(_whole(1)), "limits.max_components"),
        Option("repairs", _whole(0), "limits.repairs"),
        Option("no_progress", _whole(1), "limits.no_progress"),
        Option("test_rewrites", _whole(0), "limits.test_rewrites"),
        Option("rungs", RUNG_LIST, "limits.rungs"),
        Option("respecifications", _whole(0), "limits.respecifications"),
        Option("split_depth", _whole(0), "limits.split_depth"),
        Option("integration_rounds", _whole(0), "limits.integration_rounds"),
        Option("candidates", _whole(1), "limits.candidates"),
        Option("mutants", _whole(0), "limits.mutants"),
        Option("mutant_seconds", SECONDS, "limits.mutant_seconds"),
        Option("sandbox", TEXT, "sandbox.kind"),
        Option("sandbox_seconds", SECONDS, "sandbox.seconds"),
        Option("sandbox_memory_mb", _whole(64), "sandbox.memory_mb"),
        Option("sandbox_processes", _whole(1), "sandbox.processes"),
        Option("sandbox_disk_mb", _whole(1), "sandbox.disk_mb"),
        Option("sandbox_file_mb", _whole(1), "sandbox.file_mb"),
        Option("sandbox_output_kb", _whole(1), "sandbox.output_kb"),
        Option("ask_plan", SWITCH),
        Option("collect", SWITCH, off="DO_NOT_TRACK"),
    )
}
"""Key → option."""

NOT_SETTINGS = ("AGENT_HOME",)
"""Variables of ours that are no settings: where runs are kept is read by ``agent.store.runs``."""


@dataclass(frozen=True)
class Resolved:
    """The settings in force, and where each came from."""

    settings: Settings
    """The values."""
    origin: Mapping[str, str]
    """Key of ``OPTIONS`` → ``flag --parallel``, ``environment AGENT_PARALLEL``, a file's path, or ``default``."""

    def value(self, key: str) -> Any:
        """The value in force of a key of ``OPTIONS``."""
        table, _, name = OPTIONS[key].place.partition(".")
        if table in PER_ROLE:
            return getattr(self.settings, table).get(name)
        if table == "sandbox" and key != "sandbox":
            return getattr(self.settings.sandbox_limits, name)
        return getattr(self.settings, key)


@dataclass(frozen=True)
class _Found:
    """A raw value and where it stands."""

    value: Any
    origin: str
    """As in ``Resolved.origin``."""
    place: str
    """What to call it in messages."""
    base: Path
    """What a relative path starts from."""


def load(
    flags: Mapping[str, Any],
    env: Mapping[str, str],
    cwd: Path,
    *,
    shared: tuple[Path, Any] | None = None,
    own: tuple[Path, Any] | None = None,
) -> Resolved:
    """Resolve every option.

    ``flags`` holds keys of ``OPTIONS``; a value of ``None`` means that the flag was not given. ``env`` is the
    environment, ``cwd`` the absolute directory to look upwards from. ``shared`` and ``own`` are tables of another file
    (an experiment's): the first is stronger than the environment and weaker than flags, the second the strongest of all.
    Relative paths start from the file that names them, else from ``cwd``. Raises ``ConfigError`` (one sentence) for an
    unknown key or a value that is not possible.
    """
    found: dict[str, _Found] = {}
    for source in (_user_file(), _project_file(cwd)):
        if source is not None:
            found.update(_from_table(*source))
    found.update(_from_environment(env, cwd))
    found.update(_from_table(*shared) if shared else ())
    found.update(_from_flags(flags, cwd))
    found.update(_from_table(*own) if own else ())
    values = {key: _value(OPTIONS[key], raw) for key, raw in found.items()}
    origin = {key: found[key].origin if key in found else "default" for key in OPTIONS}
    return Resolved(_settings(values), origin)


def keys_of(path: Path, table: Any) -> tuple[str, ...]:
    """The keys of ``OPTIONS`` that a table of a file sets; ``ConfigError`` for one that is unknown."""
    return tuple(key for key, _ in _from_table(path, table))


def flag_values(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The values of flags alone, checked as :func:`load` checks them: what changes the settings a run began with."""
    return {key: _value(OPTIONS[key], raw) for key, raw in _from_flags(flags, Path.cwd())}


def _settings(values: Mapping[str, Any]) -> Settings:
    per_role: dict[str, Any] = {table: {} for table in PER_ROLE}
    sandbox: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for key, value in values.items():
        table, _, name = OPTIONS[key].place.partition(".")
        if table in PER_ROLE:
            per_role[table][name] = value
        elif table == "sandbox" and key != "sandbox":
            sandbox[name] = value
        else:
            plain[key] = value
    return Settings(**plain, **per_role, sandbox_limits=SandboxLimits(**sandbox))


def _value(option: Option, raw: _Found) -> Any:
    if option.key == "sandbox" and raw.value == "none" and raw.origin != "flag --sandbox":
        raise ConfigError(
            f"{raw.place} is 'none', but running generated code unconfined is only possible by the flag --sandbox none"
        )
    try:
        value = option.kind.read(raw.value)
        if option.kind is MODEL:
            return _placed(value, raw.base)
    except (ValueError, RuntimeError):  # RuntimeError: "~someone" without a home
        shown = "given" if option.secret else repr(raw.value)[:80]
        raise ConfigError(
            f"{raw.place} is {shown}, but must be {option.kind.what}; change it or leave it out"
        ) from None
    return raw.base / value if isinstance(value, Path) else value


def _placed(name: str, base: Path) -> str:
    """The name of a model, with the path in it absolute: a resume may be started anywhere."""
    kind, colon, rest = name.partition(":")
    if kind == "local":
        engine, colon, rest = rest.partition(":")
        kind = f"local:{engine}"
    if not colon or not rest.strip():
        return name
    path = os.path.abspath(base / Path(rest).expanduser())
    located = kind in MODELS_OF_FILES or (kind in MODELS_OF_FOLDERS and os.path.isdir(path))
    return f"{kind}:{path}" if located else name


def _from_flags(flags: Mapping[str, Any], cwd: Path) -> Iterator[tuple[str, _Found]]:
    for key, value in flags.items():
        if key not in OPTIONS:
            raise ConfigError(f"there is no setting {key!r}; {_nearest(key, OPTIONS)}")
        if value is not None:
            flag = f"--{key.replace('_', '-')}"
            yield key, _Found(value, f"flag {flag}", flag, cwd)


def _from_environment(env: Mapping[str, str], cwd: Path) -> Iterator[tuple[str, _Found]]:
    known = {option.variable: option for option in OPTIONS.values()}
    for name in env:
        # Other programs use the prefix too (CI sets AGENT_NAME, AGENT_OS…): only what looks like ours is an error.
        if name.startswith("AGENT_") and name not in known and name not in NOT_SETTINGS:
            near = _close(name.removeprefix("AGENT_"), [key.upper() for key in OPTIONS], 0.8)
            if near:
                raise ConfigError(
                    f"the environment variable {name} is unknown; did you mean AGENT_{near}? rename it or unset it"
                )
    for option in OPTIONS.values():
        name = next((n for n in (option.variable, option.also) if n and env.get(n)), "")
        if name:
            place = f"the environment variable {name}"
            try:
                value = option.kind.from_text(env[name])
            except ValueError:
                value = env[name]  # not of this kind: reading it says so
            yield option.key, _Found(value, f"environment {name}", place, cwd)
        elif option.off and env.get(option.off, "0") not in ("", "0"):
            yield option.key, _Found(False, f"environment {option.off}", f"the environment variable {option.off}", cwd)


def _user_file() -> tuple[Path, dict[str, Any]] | None:
    from platformdirs import user_config_path

    path = user_config_path("stepgraph") / "agent.toml"
    return (path, _parse(path)) if os.path.isfile(path) else None


def _project_file(cwd: Path) -> tuple[Path, dict[str, Any]] | None:
    for directory in (cwd, *cwd.parents):
        path = directory / "agent.toml"
        if os.path.isfile(path):  # unlike Path.is_file, false where we may not look
            return path, _parse(path)
        path = directory / "pyproject.toml"
        # A project file that does not mention us is not ours to judge.
        if os.path.isfile(path) and b"tool.agent" in _bytes(path):
            table = _parse(path).get("tool", {}).get("agent")
            if table is not None:
                return path, table
    return None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the configuration file {str(path)!r} cannot be read ({error.strerror})") from error


def _parse(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(_bytes(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"the configuration file {str(path)!r} is not TOML: {error}") from error


def _from_table(path: Path, table: Any) -> Iterator[tuple[str, _Found]]:
    by_place = {option.place: option for option in OPTIONS.values()}
    tables = {place.partition(".")[0] for place in by_place if "." in place}
    for place, value in _entries(path, table, tables):
        option = by_place.get(place)
        if option is None:
            raise ConfigError(
                f"the configuration file {str(path)!r} has an unknown key {place!r}; {_nearest(place, by_place)}"
            )
        yield option.key, _Found(value, str(path), f"{place!r} in {str(path)!r}", path.parent)


def _entries(path: Path, table: Any, tables: set[str]) -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of everything in a file."""
    if not isinstance(table, dict):
        raise ConfigError(f"[tool.agent] in {str(path)!r} must be a table")
    for key, value in table.items():
        if key in tables and isinstance(value, dict):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        elif key in tables:
            raise ConfigError(f"{key!r} in {str(path)!r} must be a table: write it as [{key}] with its keys below")
        else:
            yield key, value


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = _close(name, known, 0.6)
    if near is None:  # a key in the wrong table, or without its table
        last = name.rpartition(".")[2]
        near = next((k for k in known if k.rpartition(".")[2] == last), None)
    return f"did you mean {near!r}?" if near else f"known keys are {', '.join(known)}"


def _close(name: str, known: Any, cutoff: float) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, 1, cutoff)), None)
