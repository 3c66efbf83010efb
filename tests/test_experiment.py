"""An experiment's file: what it may say, what each cell is known by, and in which order cells are begun."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import Settings
from agent.prompts import HERE
from agent.sandbox.base import SandboxLimits
from benchmark.datasets import Task
from benchmark.experiment import BUNDLED, DECIDES_NOTHING, SUITES, Arm, Experiment, find_tasks, read_experiment
from benchmark.runner import shard
from benchmark.statistics import Rule
from graphs.errors import UserError

MODEL = "scripted:wrong=0.3"
GOOD = """\
schema = 1
title = "Which?"
[tasks]
ids = ["s-due-dates"]
[rule]
baseline = "one"
[arms.one]
[arms.two]
strategy = "guided"
"""


def task(name: str = "t", **changes: Any) -> Task:
    """A task that is never run."""
    given = {"instruction": "# T\n", "tests": {"test_t.py": "def test_t():\n    assert True\n"}, **changes}
    return Task(id=name, title=name, parts={"test_t.py": "t"}, **given)


def experiment(
    tasks: int = 2, arms: int = 2, repeats: int = 2, rule: Rule | None = None, **settings: Any
) -> Experiment:
    """An experiment without a file, whose arms differ in the number of exemplars."""
    return Experiment(
        name="e",
        title="?",
        baseline="a0",
        repeats=repeats,
        rule=rule or Rule(),
        arms=tuple(Arm(f"a{n}", Settings(model=MODEL, exemplars=n, **settings)) for n in range(arms)),
        tasks=tuple(task(f"t{n:02}") for n in range(tasks)),
    )


@pytest.fixture(autouse=True)
def _no_configuration_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def read(place: Path, text: str = GOOD, env: Mapping[str, str] | None = None, **how: Any) -> Experiment:
    """The experiment in a file with that text."""
    file = place / "e.toml"
    file.write_text(text)
    flags = how.pop("flags", {"model": MODEL})
    return read_experiment(file, flags, env or {}, place, **how)


# -- what a file says


def test_what_stands_where_is_what_is_stronger(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("parallel = 1\nexemplars = 1\n[limits]\nrepairs = 1\nno_progress = 1\n")
    text = GOOD.replace("[arms.one]", "[settings.limits]\nrepairs = 3\nmax_calls = 3\n[arms.one]\nmodel = 'x'\n") + (
        "model = 'y'\nbase_url = 'http://127.0.0.1:1/v1'\n"
    )
    env = {"AGENT_EXEMPLARS": "2", "AGENT_REPAIRS": "2", "OPENAI_API_KEY": "k"}
    one, two = (arm.settings for arm in read(tmp_path, text, env, flags={"max_calls": 4, "max_tokens": None}).arms)

    assert (one.parallel, one.no_progress, one.exemplars, one.repairs, one.max_calls) == (1, 1, 2, 3, 4)
    assert (one.model, one.strategy, two.model, two.strategy) == ("x", "plain", "y", "guided")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("schema = 1", "schema = 2"), "has the schema 2 and this version reads 1"),
        (("schema = 1\n", ""), "has the schema None"),
        (("schema = 1", "schema = 1\nnames = 1"), "has an unknown key 'names'; known are arms, rule, schema, settings"),
        (("schema = 1", "schema = "), "is not TOML"),
        (("schema = 1", "schema = 1\nsettings = 3"), "'settings' in "),
        (("[arms.one]\n[arms.two]", "[settings]"), "has no arm"),
        (("[arms.one]", "[arms]\none = 3"), "the arm 'one' in "),
        (("[arms.one]", '[arms."../one"]'), "must have a name of letters, digits, - and _"),
        (("[arms.one]", "[arms.one]\nmodl = 'x'"), "unknown key 'modl'; did you mean 'model'?"),
        (("[arms.one]", "[settings.limits]\nrepair = 1\n[arms.one]"), "unknown key 'limits.repair'; did you mean"),
        (("[arms.one]", "[arms.one]\nexemplars = -1"), "'exemplars' in "),
        (("[arms.one]", "[arms.one]\nexemplar_directory = 'no'"), "is 'no', but must be a directory"),
        (("[arms.one]", "[settings.sandbox]\nkind = 'none'\n[arms.one]"), "only possible by the flag --sandbox none"),
        (('"guided"', '"plain"'), "the arms 'one' and 'two' of "),
        (('"guided"', '"guided"\noutput = "out"\nparallel = 3'), ""),
        (('"guided"', '"clever"'), "cannot be run: unknown strategy 'clever'"),
        (('baseline = "one"', 'baseline = "none"'), "the baseline 'none' of "),
        (("[rule]", "[rule]\nrepeats = 0"), "'repeats' in [rule] of "),
        (("[rule]", "[rule]\nrepeats = true"), "'repeats' in [rule] of "),
        (("[rule]", "[rule]\nrepeats = 3\nlooks = 2"), "3 repeats cannot be looked at 2 times in equal shares"),
        (("[rule]", "[rule]\nmargins = 0.1"), "has an unknown key 'margins'; known are baseline, repeats, margin"),
        (("[rule]", "[rule]\nmargin = 5"), "must be a share between 0 and 1"),
        (("[rule]", "[rule]\nlooks = 1.0"), "must be a whole number, 1 or more"),
        (("ids =", "id ="), "has an unknown key 'id'; known are suite, sizes, ids"),
        (('"s-due-dates"', "1"), "takes a text for suite and lists of texts for sizes and ids"),
        (('ids = ["s-due-dates"]', 'sizes = ["XS"]'), "has the size 'XS'; possible are S, M, L, XL"),
        (('ids = ["s-due-dates"]', 'ids = ["s-due-dates"]\nsizes = ["L"]'), "no task has the size L"),
        (('["s-due-dates"]', '["s-due"]'), "there is no task 's-due'"),
        (("[tasks]", "[tasks]\nsuite = 'nowhere'"), "cannot be read: No such file or directory"),
    ],
)
def test_each_mistake_in_a_file_is_one_sentence(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    if not says:
        read(tmp_path, text)
        return
    with pytest.raises(UserError, match=re.escape(says)) as raised:
        read(tmp_path, text)
    assert "\n" not in str(raised.value).strip()


@pytest.mark.parametrize(
    ("arm", "flags", "says"),
    [
        ("", {}, "no model is named for the arm 'one'; name one with --model"),
        ("", {"model": "gpt-4o"}, "wants a key: set OPENAI_API_KEY"),
        ("", {"model": "replay:gone.jsonl"}, "cannot be run: there is no recording "),
        ("", {"model": "manual:"}, "the model name 'manual:' is incomplete"),
        ("", {"model": "scripted:wrong=2"}, "the rate 'wrong' of the scripted author is 2"),
        ("", {"model": "m", "base_url": "nowhere"}, "the base URL 'nowhere' is not an address"),
        ("prices = 'gone.toml'", {"model": MODEL}, "cannot read the price file"),
        ("prompts = 'gone'", {"model": MODEL}, "gone"),
        ("model = 'm'", {"model": MODEL}, "sets 'model' itself; leave out --model"),
        ("[arms.one.limits]\nmax_calls = 3", {"model": MODEL, "max_calls": 4}, "leave out --max-calls"),
        ("", {"model": MODEL, "max_calls": 0}, "--max-calls is 0, but must be a whole number, 1 or more"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_fixed(
    tmp_path: Path, arm: str, flags: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        read(tmp_path, GOOD.replace("[arms.one]", f"[arms.one]\n{arm}"), flags=flags)


def test_generated_code_is_unconfined_by_the_flag_alone_whatever_a_file_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("flag --sandbox.toml")
    file.write_text(GOOD.replace("[arms.one]", "[settings.sandbox]\nkind = 'none'\n[arms.one]"))
    with pytest.raises(UserError, match="only possible by the flag"):
        read_experiment(file, {"model": MODEL}, {}, tmp_path)

    file.write_text(GOOD)
    found = read_experiment(file, {"model": MODEL, "sandbox": "none"}, {}, tmp_path)
    assert {arm.settings.sandbox for arm in found.arms} == {"none"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("guidence", "there is no experiment 'guidence'; name a file, or one of candidates, exemplars"),
        ("gone.toml", "the experiment "),
        (".", "cannot be read: Is a directory"),
    ],
)
def test_a_name_is_a_bundled_experiment_or_a_file(tmp_path: Path, name: str, says: str) -> None:
    place = tmp_path if name == "." else Path(name)
    with pytest.raises(UserError, match=re.escape(says)):
        read_experiment(place, {"model": MODEL}, {}, tmp_path)


@pytest.mark.parametrize("name", sorted(file.stem for file in BUNDLED.glob("*.toml")))
def test_bundled_experiments_can_be_run(tmp_path: Path, name: str) -> None:
    found = read_experiment(Path(name), {"model": MODEL}, {}, tmp_path)

    assert found.name == name
    assert len(found.arms) > 1
    assert len({arm.settings.max_usd for arm in found.arms}) == 1  # the same ceiling: else it would decide
    assert all(cell.task.partition("-")[0] in ("s", "m", "l", "xl") for cell in found.cells)


def test_flags_choose_among_tasks(tmp_path: Path) -> None:
    import tomllib

    ci = tomllib.loads(SUITES.read_text())["ci"]["ids"]
    assert [t.id for t in read(tmp_path, suite=Path("ci")).tasks] == sorted(ci)
    assert [t.id for t in read(tmp_path, ids=["s-share-out", "s-due-dates", "s-share-out"]).tasks] == [
        "s-due-dates",
        "s-share-out",
    ]
    with pytest.raises(UserError, match="there is no task 'l-docket' in the suite ci; there are m-fixed-width"):
        find_tasks(Path("ci"), ids=["l-docket"])


# -- what a cell is known by

OTHER: Mapping[str, Any] = {
    "model": "other",
    "models": {"plan": "other"},
    "base_url": "http://127.0.0.1:1/v1",
    "strategy": "guided",
    "strategies": {"plan": "guided"},
    "dialect": "vllm",
    "exemplar_choice": "fixed",
    "rungs": ("candidate",),
    "sandbox": "none",
    "sandbox_limits": SandboxLimits(seconds=1.0),
    "output": Path("elsewhere"),
    "api_key_env": "OTHER",
    "collect": False,
}
"""Setting → another value, where adding 1 to the default makes none."""


@pytest.mark.parametrize("name", [f.name for f in fields(Settings) if f.name not in ("prices", "prompts")])
def test_a_key_changes_with_every_setting_that_results_can_depend_on(name: str) -> None:
    before = experiment(tasks=2, arms=2, repeats=1)
    old = getattr(before.arms[1].settings, name)
    change: dict[str, Any] = {name: OTHER[name] if name in OTHER else (old or 0) + 1}
    changed = replace(before.arms[1].settings, **change)
    after = replace(before, arms=(before.arms[0], Arm("a1", changed)))

    moved = {cell.arm for cell, other in zip(before.cells, after.cells, strict=True) if cell.key != other.key}
    assert moved == (set() if name in DECIDES_NOTHING else {"a1"})


def test_prompts_prices_and_exemplars_count_by_what_they_hold(tmp_path: Path) -> None:
    def key(**settings: Any) -> str:
        return Arm("a", Settings(**settings)).digest

    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "planner.md").write_bytes((HERE / "planner.md").read_bytes())
        (tmp_path / f"{name}.toml").write_text("[m]\ninput = 1\noutput = 2\n")
    here, there = tmp_path / "here", tmp_path / "there"
    prices = [tmp_path / "here.toml", tmp_path / "there.toml"]

    assert key(prompts=here) == key(prompts=there)
    assert key(prices=prices[0]) == key(prices=prices[1]) != key()
    prices[1].write_text("[m]\ninput = 1\noutput = 3\n")
    assert key(prices=prices[0]) != key(prices=prices[1])
    (there / "planner.md").write_text((here / "planner.md").read_text() + "Please.\n")
    assert key(prompts=here) != key(prompts=there)
    shown, other = (Arm("a", Settings(), place).digest for place in (here, there))
    assert len({shown, other, key()}) == 3


def test_a_changed_task_moves_its_own_cells_alone_and_twins_are_told_apart() -> None:
    before = experiment(tasks=3, arms=2, repeats=2)
    after = replace(before, tasks=(before.tasks[0], task("t01", instruction="# Other\n"), before.tasks[2]))

    moved = {cell.task for cell, other in zip(before.cells, after.cells, strict=True) if cell.key != other.key}
    assert moved == {"t01"}
    assert len({cell.key for cell in before.cells}) == len(before.cells)  # although all tasks hold the same
    assert {c.key for c in replace(before, repeats=1).cells} < {c.key for c in before.cells}


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a\nb", "x" * 300, "é|b", ".."])
def test_a_cells_folder_is_one_name_whatever_a_task_is_called(name: str) -> None:
    (cell,) = replace(experiment(1, 1, 1), tasks=(task(name),)).cells
    assert re.fullmatch(r"[a-zA-Z0-9_-]+--a0--1-[0-9a-f]{6}", cell.folder)
    assert len(cell.folder) < 150


# -- order

SIZES = {"tasks": st.integers(1, 5), "arms": st.integers(1, 4), "repeats": st.integers(1, 4)}


@given(**SIZES)
def test_every_cell_is_there_once_with_all_arms_side_by_side_and_another_one_first_each_time(
    tasks: int, arms: int, repeats: int
) -> None:
    found = experiment(tasks, arms, repeats)
    cells = found.cells
    blocks = [cells[n : n + arms] for n in range(0, len(cells), arms)]

    assert Counter((c.task, c.arm, c.repeat) for c in cells) == Counter(
        (t.id, a.name, r) for t in found.tasks for a in found.arms for r in range(repeats)
    )
    assert all(len({(c.task, c.repeat) for c in block}) == 1 for block in blocks)
    assert [block[0].repeat for block in blocks] == sorted(block[0].repeat for block in blocks)
    for repeat in range(repeats):
        first = [int(block[0].arm[1:]) for block in blocks if block[0].repeat == repeat]
        assert all((later - earlier) % arms == 1 % arms for earlier, later in pairwise(first))


@given(**SIZES, count=st.integers(1, 6))
def test_shards_are_parts_that_keep_what_is_compared_together(tasks: int, arms: int, repeats: int, count: int) -> None:
    found = experiment(tasks, arms, repeats)
    shards = [shard(found, n, count) for n in range(1, count + 1)]

    assert sorted(c.key for part in shards for c in part) == sorted(c.key for c in found.cells)
    for part in shards:
        assert set(Counter((c.task, c.repeat) for c in part).values()) <= {arms}
    sizes = [len(part) for part in shards]
    assert max(sizes) - min(sizes) <= arms
