"""Configuration: who wins, where a value came from, and what is refused in which words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from agent.config import DIALECTS, OPTIONS, ROLES, Resolved, Settings, flag_values, load
from agent.models import dialects
from agent.run import limits_of
from agent.sandbox.base import SandboxLimits
from graphs.errors import ConfigError
from graphs.values import Limits, from_json


@pytest.fixture(autouse=True)
def _no_user_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    return path


def at(cwd: Path, flags: dict[str, Any] | None = None, env: dict[str, str] | None = None) -> Resolved:
    return load(flags or {}, env or {}, cwd)


def user_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config" / "stepgraph" / "agent.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_nothing_configured_is_the_defaults(project: Path) -> None:
    resolved = at(project)
    assert resolved.settings == Settings()
    assert set(resolved.origin.values()) == {"default"}
    assert set(resolved.origin) == set(OPTIONS)


def test_the_table_and_the_settings_are_the_same_things() -> None:
    roles = {f"{name}_{role}" for name in ("model", "strategy") for role in ROLES}
    sandbox = {key for key in OPTIONS if key.startswith("sandbox_")}
    assert {f.name for f in fields(Settings)} == {*OPTIONS, "models", "strategies", "sandbox_limits"} - roles - sandbox
    assert {f"sandbox_{f.name}" for f in fields(SandboxLimits)} == sandbox


def test_every_role_has_the_model_named_for_it_or_the_one_for_all() -> None:
    def names(**models: str) -> dict[str, str | None]:
        return {role: Settings(model="m", models=models).model_for(role) for role in ROLES}

    assert names() == {"plan": "m", "test": "m", "code": "m", "candidate": "m"}
    assert names(code="c", test="t") == {"plan": "m", "test": "t", "code": "c", "candidate": "c"}
    assert names(code="c", candidate="d") == {"plan": "m", "test": "m", "code": "c", "candidate": "d"}
    assert Settings(models={"code": "c"}).model_for("candidate") == "c"
    assert Settings(models={"candidate": "d"}).model_for("code") is None


def test_every_role_has_the_strategy_named_for_it_or_the_one_for_all() -> None:
    def names(**strategies: str) -> dict[str, str]:
        return {role: Settings(strategy="s", strategies=strategies).strategy_for(role) for role in ROLES}

    assert names() == {"plan": "s", "test": "s", "code": "s", "candidate": "s"}
    assert names(plan="p", code="c") == {"plan": "p", "test": "s", "code": "c", "candidate": "c"}


def test_the_dialects_are_those_of_the_models() -> None:
    assert (dialects.AUTO, *dialects.DIALECTS) == DIALECTS


LIMITS = [f.name for f in fields(Limits)]


@pytest.mark.parametrize("name", sorted({*LIMITS} - {"max_usd"}))
def test_limits_have_the_defaults_of_the_loop(name: str) -> None:
    assert OPTIONS[name].toml == f"limits.{name}"
    assert getattr(Settings(), name) == getattr(Limits(), name)


def test_every_limit_that_is_set_binds_the_run() -> None:
    set_ones: dict[str, Any] = {name: number for number, name in enumerate(LIMITS, 2)}
    set_ones["rungs"] = ("ask",)
    limits = limits_of(Settings(**set_ones), known_price=True)
    assert {name: getattr(limits, name) for name in LIMITS} == set_ones


def test_how_much_tests_are_to_be_trusted_can_be_set(project: Path) -> None:
    (project / "agent.toml").write_text("[limits]\ncandidates = 2\nmutants = 0\nmutant_seconds = 5\n")
    resolved = at(project, {"mutants": 7}, {"AGENT_CANDIDATES": "3"})
    settings = resolved.settings
    assert (settings.candidates, settings.mutants, settings.mutant_seconds) == (3, 7, 5.0)
    assert resolved.origin["mutants"] == "flag --mutants"
    assert flag_values({"candidates": 4, "mutants": None}) == {"candidates": 4}


def test_reading_the_module_loads_nothing_heavy() -> None:
    program = (
        "import sys, agent.config; print(sorted({'pydantic', 'click', 'yaml', 'tomllib', 'rich'} & set(sys.modules)))"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_strongest_wins_and_is_named(tmp_path: Path, project: Path) -> None:
    user = user_file(tmp_path, "parallel = 1\nmodel = 'u'\n[limits]\nrepairs = 1\nmax_usd = 1\n")
    ours = project / "agent.toml"
    ours.write_text("parallel = 2\n[limits]\nrepairs = 2\nmax_usd = 2\n")
    resolved = at(project, {"parallel": 4, "repairs": None}, {"AGENT_PARALLEL": "3", "AGENT_REPAIRS": "3"})
    chosen = {key: (resolved.value(key), resolved.origin[key]) for key in ("parallel", "repairs", "max_usd", "model")}
    assert chosen == {
        "parallel": (4, "flag --parallel"),
        "repairs": (3, "environment AGENT_REPAIRS"),
        "max_usd": (2.0, str(ours)),
        "model": ("u", str(user)),
    }


def test_tables(project: Path) -> None:
    (project / "agent.toml").write_text(
        'model = "m"\n[models]\ntest = "t"\n[limits]\nmax_seconds = 60\n'
        '[sandbox]\nkind = "bubblewrap"\nseconds = 5\nmemory_mb = 512\n'
    )
    settings = at(project, env={"AGENT_MODEL_CODE": "c", "AGENT_SANDBOX_DISK_MB": "7"}).settings
    assert settings.models == {"test": "t", "code": "c"}
    assert settings.max_seconds == 60.0
    assert settings.sandbox_limits == SandboxLimits(seconds=5.0, memory_mb=512, disk_mb=7)


@pytest.mark.parametrize("kind", ["manual", "replay", "replay-loosely", "local:llamacpp", "local:replay"])
def test_a_model_that_is_a_path_starts_from_where_it_is_named(project: Path, kind: str) -> None:
    inner = project / "inner"
    inner.mkdir()
    (project / "agent.toml").write_text(f'model = "{kind}:answers"\n')
    assert at(inner).settings.model == f"{kind}:{project / 'answers'}"
    assert at(inner, env={"AGENT_MODEL_CODE": f"{kind}:a b"}).settings.models == {"code": f"{kind}:{inner / 'a b'}"}
    assert at(inner, {"model": f"{kind}:/there"}).settings.model == f"{kind}:/there"
    assert at(inner, {"model": f"{kind}:~/there"}).settings.model == f"{kind}:{Path.home() / 'there'}"


def test_a_local_model_in_a_folder_is_found_from_anywhere(project: Path) -> None:
    (project / "weights").mkdir()
    (project / "agent.toml").write_text('model = "local:transformers:weights"\n')
    (project / "inner").mkdir()
    assert at(project / "inner").settings.model == f"local:transformers:{project / 'weights'}"


@pytest.mark.parametrize(
    "name",
    ["manual:", "gpt-5-mini", "ollama:qwen", "manual", "local:transformers:org/name", "local:llamacpp:", "local:"],
)
def test_other_models_are_named_as_they_are(project: Path, name: str) -> None:
    assert at(project, {"model": name}).settings.model == name


def test_the_nearest_project_file_counts(tmp_path: Path, project: Path) -> None:
    (tmp_path / "agent.toml").write_text("parallel = 2\n")
    (tmp_path / "pyproject.toml").write_text("[tool.agent]\nparallel = 3\n")
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert at(project).settings.parallel == 2
    (project / "pyproject.toml").write_text("[tool.agent]\nparallel = 4\n")
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    assert at(inner).settings.parallel == 4


def test_a_broken_project_file_of_someone_else_is_no_matter(project: Path) -> None:
    (project / "pyproject.toml").write_text("[[[ not TOML")
    assert at(project).settings == Settings()


def test_paths_start_from_where_they_are_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    (project / "agent.toml").write_text('prompts = "mine"\nprices = "/etc/prices.toml"\n')
    inner = project / "inner"
    inner.mkdir()
    settings = at(inner, {"output": Path("out")}).settings
    assert (settings.prompts, settings.output) == (project / "mine", inner / "out")
    assert settings.prices == Path("/etc/prices.toml")
    assert at(inner, env={"AGENT_OUTPUT": "~/out"}).settings.output == Path("/home/someone/out")


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({"OPENAI_BASE_URL": "http://o/v1"}, "http://o/v1"),
        ({"OPENAI_BASE_URL": "http://o/v1", "AGENT_BASE_URL": "http://a/v1"}, "http://a/v1"),
        ({"AGENT_BASE_URL": ""}, "http://file/v1"),
    ],
)
def test_the_openai_variable_is_honoured(project: Path, env: dict[str, str], url: str) -> None:
    (project / "agent.toml").write_text('base_url = "http://file/v1"\n')
    assert at(project, env=env).settings.base_url == url


@pytest.mark.parametrize(("raw", "value"), [("none", None), ("2.5", 2.5), ("0", 0.0)])
def test_a_ceiling_can_be_taken_away(project: Path, raw: str, value: float | None) -> None:
    assert at(project, env={"AGENT_MAX_USD": raw}).settings.max_usd == value


WRONG_VALUES = {
    "parallel = 0": "'parallel' in {file} is 0, but must be a whole number, 1 or more; change it or leave it out",
    "parallel = true": "is True, but must be a whole number",
    "parallel = 1.5": "is 1.5, but must be a whole number",
    'parallel = "4"': "is '4', but must be a whole number",
    "model = ''": "is '', but must be text that is not empty",
    "model = ['a']": "is ['a'], but must be text",
    "temperature = 3": 'must be a number from 0 to 2, or "none"',
    "[limits]\nmax_usd = -1": "'limits.max_usd' in {file} is -1, but must be a number, 0 or more, or \"none\"",
    "[limits]\nmax_usd = nan": "is nan, but must be a number",
    "[limits]\nmax_usd = inf": "is inf, but must be a number",
    "[limits]\nmax_tokens = 1e6": "must be a whole number",
    "[limits]\ncandidates = 0": "'limits.candidates' in {file} is 0, but must be a whole number, 1 or more",
    "[limits]\nmax_components = 0": "'limits.max_components' in {file} is 0, but must be a whole number, 1 or more, or \"none\"",
    "exemplar_choice = 'best'": "'exemplar_choice' in {file} is 'best', but must be one of retrieved, fixed; change it",
    "[limits]\nmutants = -1": "must be a whole number, 0 or more",
    "[limits]\nmutant_seconds = 0": "must be a number above 0",
    "[sandbox]\nmemory_mb = 1": "must be a whole number, 64 or more",
    "[sandbox]\nkind = 'none'": "only possible by the flag --sandbox none",
    "sandbox = 'bubblewrap'": "'sandbox' in {file} must be a table: write it as [sandbox]",
    "limits = 3": "must be a table",
    "paralel = 3": "{file} has an unknown key 'paralel'; did you mean 'parallel'?",
    "max_usd = 3": "unknown key 'max_usd'; did you mean 'limits.max_usd'?",
    "[limits]\nmax_dollars = 3": "unknown key 'limits.max_dollars'; did you mean 'limits.max_",
    "[models]\nwriter = 'x'": "unknown key 'models.writer'; did you mean 'models.",
    "[sandboxes]\nseconds = 3": "unknown key 'sandboxes'; did you mean 'sandbox.",
    "zzzz = 3": "known keys are model, models.plan",
    "parallel = ": "is not TOML",
    "prompts = '~nobody-at-all/x'": "must be a path",
}


@pytest.mark.parametrize("text", WRONG_VALUES)
def test_what_a_file_may_not_say(project: Path, text: str) -> None:
    path = project / "agent.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        at(project)
    assert WRONG_VALUES[text].format(file=repr(str(path))) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("flags", "env", "said"),
    [
        ({"parallel": 0}, {}, "--parallel is 0, but must be a whole number, 1 or more"),
        ({"max_usd": float("nan")}, {}, "--max-usd is nan"),
        ({"paralel": 1}, {}, "no setting 'paralel'; did you mean 'parallel'?"),
        (
            {},
            {"AGENT_PARALLEL": "many"},
            "the environment variable AGENT_PARALLEL is 'many', but must be a whole number",
        ),
        ({}, {"AGENT_PARALEL": "3"}, "AGENT_PARALEL is unknown; did you mean AGENT_PARALLEL?"),
        ({}, {"AGENT_SANDBOX": "none"}, "only possible by the flag --sandbox none"),
    ],
)
def test_what_flags_and_environment_may_not_say(
    project: Path, flags: dict[str, Any], env: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        at(project, flags, env)


def test_the_flag_may_turn_the_sandbox_off(project: Path) -> None:
    assert at(project, {"sandbox": "none"}).settings.sandbox == "none"


def test_variables_of_other_programs_are_left_alone(project: Path) -> None:
    env = {"AGENT_NAME": "x", "AGENT_OS": "Linux", "AGENT_HOME": "/x", "AGENT_TEMPDIRECTORY": "/t", "OTHER": "y"}
    assert at(project, env=env).settings == Settings()


@pytest.mark.parametrize("line", ['api_key_env = "sk-verysecret"', 'api_key = "sk-verysecret"'])
def test_a_key_put_into_the_configuration_is_not_repeated(project: Path, line: str) -> None:
    (project / "agent.toml").write_text(line)
    with pytest.raises(ConfigError, match="api_key_env") as refused:
        at(project)
    assert "verysecret" not in str(refused.value)


def test_pyproject_table_must_be_a_table(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool]\nagent = 3  # tool.agent\n")
    with pytest.raises(ConfigError, match="must be a table"):
        at(project)


def test_settings_survive_json(project: Path) -> None:
    (project / "agent.toml").write_text('prompts = "mine"\n[models]\nplan = "p"\n[sandbox]\nseconds = 3\n')
    settings = at(project).settings
    assert from_json(Settings, json.loads(json.dumps(settings.as_data()))) == settings
