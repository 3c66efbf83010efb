"""The few-shot library: every shipped exemplar is sound, broken ones are told apart by name, and the commands agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.checks.stub import stub_files
from agent.cli.examples import user_directory
from agent.run import check_component, choose_exemplars
from agent.spec import read_spec
from few_shot.exemplar import (
    BUNDLED,
    Exemplar,
    ExemplarError,
    as_prompt,
    library,
    load,
    load_all,
    problems,
    task_spec,
)
from graphs import dag, document
from graphs.values import Spec

SHIPPED = library()
ROOT = Path(__file__).parent.parent
ASKED_KINDS = """
function cli cli-with-storage parser library service pipeline game site-generator concurrency numerical plugins
refactoring bug-fix port
"""

GOOD = '''---
name: shout
kind: function
tags: [strings]
---
## Task

# Shout

Write `shout(text)`: capitals and one `!`.

```python
>>> from shout import shout
>>> shout("hi")
'HI!'
```

## Plan

```yaml
title: Shout
requirements:
  - {id: R1, text: "Capitals and an exclamation mark.", quote: "capitals and one `!`"}
components:
  - id: shout
    purpose: Shout.
    files: [shout.py]
    requirements: [R1]
    contract:
      interface:
        shout.py: |
          def shout(text: str) -> str:
              """text in capitals, then '!'."""
              ...
      behaviour: |
        str.upper() and one '!'. '' gives '!'.
      examples:
        - |
          >>> from shout import shout
          >>> shout("hi")
          'HI!'
```

## Why this size

Three lines.
'''


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_HOME", str(tmp_path / "home"))


def written(directory: Path, text: str = GOOD, name: str = "shout.md") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("exemplar", SHIPPED, ids=lambda e: e.name)
def test_shipped_exemplar_is_sound(exemplar: Exemplar) -> None:
    assert problems(exemplar, check_component) == []
    assert document.parse(document.dump(exemplar.plan)) == exemplar.plan
    assert exemplar.plan.requirements
    prompt = as_prompt(exemplar)
    assert all(part in prompt for part in (exemplar.plan_text, exemplar.why, exemplar.wrong_size))


def test_library_covers_kinds_and_sizes() -> None:
    assert {e.kind for e in SHIPPED} >= set(ASKED_KINDS.split())
    sizes = [e.size for e in SHIPPED]
    assert min(sizes) == 1
    assert max(sizes) >= 12
    assert sum(size <= 2 for size in sizes) >= 4
    assert sum(bool(e.wrong_size) for e in SHIPPED) >= 4
    assert max(dag.figures(e.plan).width for e in SHIPPED) >= 4
    assert sum(bool(task_spec(e).examples) for e in SHIPPED) >= 5


@pytest.mark.parametrize("exemplar", SHIPPED, ids=lambda e: e.name)
def test_interfaces_of_a_plan_fit_together(exemplar: Exemplar, tmp_path: Path) -> None:
    """All stubs of a plan can be imported in one tree: every name that a contract uses is given by another."""
    modules = []
    for component in exemplar.plan.components:
        for path, source in component.contract.interface.items():
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(stub_files(component)[path] if source.strip() else "")
            modules.append(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, *modules], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("exemplar", SHIPPED, ids=lambda e: e.name)
def test_task_is_read_like_a_specification(exemplar: Exemplar, tmp_path: Path) -> None:
    path = tmp_path / "spec.md"
    path.write_text(exemplar.task, encoding="utf-8")
    spec = read_spec(str(path))
    assert [e.steps for e in spec.examples] == [e.steps for e in task_spec(exemplar).examples]
    assert dag.problems(exemplar.plan, spec, check_component) == []


def test_task_examples_become_the_spec_of_the_plan(tmp_path: Path) -> None:
    exemplar = load(
        written(tmp_path, GOOD.replace("files: [shout.py]", "files: [loud.py]").replace("shout.py: |", "loud.py: |"))
    )
    found = problems(exemplar)
    assert any("example E1 of the spec uses 'shout'" in p for p in found)


BROKEN_FORM = {
    "no front matter": (GOOD.removeprefix("---\n"), "front matter: the file must start"),
    "unknown key": (GOOD.replace("kind:", "knd:"), "unknown key 'knd'; did you mean 'kind'?"),
    "bad name": (GOOD.replace("name: shout", "name: ../shout"), "'name' must be lower-case words"),
    "tags no list": (GOOD.replace("[strings]", "strings"), "'tags' must be a list"),
    "bad yaml head": (GOOD.replace("[strings]", "[strings"), "front matter: is not valid YAML"),
    "section missing": (GOOD.replace("## Why this size", "### Why"), "section 'Why this size' is missing"),
    "section empty": (GOOD.replace("Three lines.", ""), "section 'Why this size' is missing or empty"),
    "section unknown": (GOOD.replace("## Why this size", "## Why that size"), "did you mean 'Why this size'?"),
    "section twice": (GOOD + "## Task\n\nAgain.\n", "section 'Task' appears twice"),
    "text before": (GOOD.replace("## Task", "Hello\n\n## Task"), "text before the first section"),
    "fence open": (GOOD + "\n```\n", "is never closed"),
    "no plan block": (
        GOOD.replace("```yaml", "```json"),
        "section 'Plan': must hold one fenced block marked yaml; found 0",
    ),
    "plan misspelt": (GOOD.replace("purpose:", "purpse:"), "section 'Plan': component 'shout': unknown key 'purpse'"),
    "example unreadable": (
        GOOD.replace("          >>> from shout import shout\n          >>> ", "          "),
        "neither a doctest",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), BROKEN_FORM.values(), ids=BROKEN_FORM)
def test_broken_form_is_named(text: str, sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ExemplarError) as caught:
        load(path)
    assert any(sentence in p for p in caught.value.problems), caught.value.problems
    assert all(p.startswith(f"{path}: ") for p in caught.value.problems)


UNSOUND = {
    "cycle": (
        GOOD.replace("    requirements: [R1]", "    requirements: [R1]\n    depends_on: [shout]"),
        "depends on itself",
    ),
    "uncovered": (GOOD.replace("    requirements: [R1]\n", ""), "requirement R1"),
    "invented quote": (GOOD.replace('quote: "capitals', 'quote: "small letters'), "is not in the task"),
    "no requirements": (
        GOOD.replace("    requirements: [R1]\n", "").replace(
            '  - {id: R1, text: "Capitals and an exclamation mark.", quote: "capitals and one `!`"}\n', "  []\n"
        ),
        "lists no requirements",
    ),
    "untyped": (GOOD.replace("def shout(text: str)", "def shout(text)"), "shout has no full types"),
    "no python": (GOOD.replace("def shout(text: str)", "def shout(text: str"), "not valid Python"),
    "no example": (GOOD[: GOOD.index("      examples:")] + GOOD[GOOD.index("```\n\n## Why") :], "has no example"),
    "too long": (GOOD.replace("        str.upper()", "        More.\n" * 70 + "        str.upper()"), "a page has 66"),
    "undeclared": (
        GOOD.replace(
            "```\n\n## Why",
            """  - id: other
    purpose: Else.
    files: [other.py]
    contract:
      interface: {other.py: "from shout import shout"}
      behaviour: Nothing.
      examples: [">>> 1\\n1"]
```

## Why""",
        ),
        "component 'other' uses 'shout' in its contract, but does not depend on it",
    ),
    "other file name": (GOOD.replace("name: shout", "name: cry"), "must be called 'cry.md'"),
    "file name policy": (GOOD.replace("[shout.py]", "[shout.py, conftest.py]"), "conftest.py"),
}


@pytest.mark.parametrize(("text", "sentence"), UNSOUND.values(), ids=UNSOUND)
def test_unsound_content_is_named(text: str, sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    found = problems(load(path), check_component)
    assert any(sentence in p for p in found), found
    assert all(p.startswith(f"{path}: ") for p in found)


def test_good_one_has_no_problem_and_headings_in_fences_are_text(tmp_path: Path) -> None:
    text = GOOD.replace("No dependencies", "x").replace("## Plan", "```\n## Plan\n```\n\n## Plan", 1)
    exemplar = load(written(tmp_path, text))
    assert problems(exemplar, check_component) == []
    assert "## Plan" in exemplar.task
    assert "#### Shout" in as_prompt(exemplar)
    assert "\n## Plan\n```" in as_prompt(exemplar)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.write_bytes(b"---\n\xff\xfe\n---\n"), "is not UTF-8 text"),
        (lambda path: path.write_bytes(b"x" * 300_000), "300000 bytes"),
    ],
    ids=["missing", "directory", "binary", "huge"],
)
def test_unreadable_file_is_one_sentence(make: object, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "shout.md"
    make(path)  # type: ignore[operator]
    with pytest.raises(ExemplarError, match=sentence):
        load(path)


def test_edited_file_is_read_again_and_names_are_unique(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    assert load(path) is load(path)
    path.write_text(GOOD.replace("Three lines.", "Three short lines."))
    assert load(path).why == "Three short lines."
    written(tmp_path / "b")
    with pytest.raises(ExemplarError, match="the name 'shout' is that of"):
        load_all([tmp_path / "a", tmp_path / "b"])
    assert [e.name for e in load_all([tmp_path / "a", tmp_path / "none"])] == ["shout"]


def agent(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from agent.cli import main; main()", "examples", *args],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_commands_add_list_show_check(tmp_path: Path) -> None:
    path = written(tmp_path)
    added = agent("add", str(path))
    assert (added.returncode, added.stderr) == (0, "")
    assert (user_directory() / "shout.md").read_text() == GOOD
    again = agent("add", str(path))
    assert again.returncode == 2
    assert "there is an example 'shout' already" in again.stderr

    listed = json.loads(agent("list", "--json").stdout)
    rows = {row["name"]: row for row in listed["examples"]}
    assert len(rows) == len(SHIPPED) + 1
    assert (rows["shout"]["components"], rows["shout"]["requirements"], rows["shout"]["wrong_size"]) == (1, 1, False)
    assert rows["static-site"]["components"] == 13

    shown = agent("show", "shout")
    assert (shown.returncode, shown.stdout) == (0, as_prompt(load(path)))
    data = json.loads(agent("show", "shout", "--json").stdout)
    assert document.from_data(data["plan"]) == load(path).plan
    missing = agent("show", "shuot")
    assert (missing.returncode, "did you mean 'shout'?" in missing.stderr) == (2, True)

    checked = agent("check")
    assert (checked.returncode, checked.stdout) == (0, f"{len(SHIPPED) + 1} examples checked, no problems\n")


def test_check_prints_each_problem_and_add_refuses(tmp_path: Path) -> None:
    bad = written(tmp_path, UNSOUND["untyped"][0])
    worse = written(tmp_path, BROKEN_FORM["section missing"][0], "worse.md")
    checked = agent("check", str(bad), str(worse))
    assert checked.returncode == 1
    lines = checked.stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{bad}: section 'Plan'")
    assert lines[1].startswith(f"{worse}: section 'Why this size'")
    assert lines[2] == "2 examples checked, 2 problems"
    assert json.loads(agent("check", str(bad), str(worse), "--json").stdout)["problems"] == lines[:2]
    refused = agent("add", str(bad))
    assert (refused.returncode, "no full types" in refused.stderr) == (2, True)
    assert not user_directory().exists()


@pytest.mark.parametrize(
    ("choice", "most", "count", "alike"),
    [("retrieved", None, 3, False), ("fixed", None, 3, True), ("fixed", 1, 2, True), ("fixed", None, 0, True)],
)
def test_a_choice_follows_the_specification_or_does_not(
    tmp_path: Path, choice: str, most: int | None, count: int, alike: bool
) -> None:
    tasks = "Parse arithmetic expressions with precedence.", "A REST API for a to-do list, data kept in SQLite."
    first, second = (choose_exemplars(Spec("t", task, "d"), tmp_path, count, choice, most) for task in tasks)
    assert (first == second) == alike
    sizes = {e.name: e.size for e in SHIPPED}
    assert len(first.names) == len(first.texts) == count
    assert all(sizes[name] <= (most or 99) for name in first.names)


def test_bundled_directory_holds_only_exemplars() -> None:
    assert {path.stem for path in BUNDLED.iterdir()} == {e.name for e in SHIPPED}
