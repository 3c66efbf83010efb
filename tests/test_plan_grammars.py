"""Grammars of plans and of their changes: what models answered is in them, what is no plan is not, and whatever is in them reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from agent.demo import DEMOS
from agent.models.base import Grammar
from agent.models.matching import flaw_of_answer
from agent.run import check_component
from agent.strategies import plan_grammars, shapes
from agent.strategies.plan_grammars import BOUNDS, Bounds
from few_shot import exemplar
from graphs import dag, document, edits
from graphs.edits import Revision, Split
from graphs.errors import PlanError
from graphs.values import Component, Contract, Plan, Requirement
from tests.walks import walk

ROOT = Path(__file__).parents[1]
RECORDINGS = sorted(
    path
    for where in ("agent/demo", "tests/recordings", "benchmark/specs")
    for path in (ROOT / where).glob("*/recording.jsonl")
)
IDS = [f"R{number}" for number in range(1, 31)]
REQUIREMENTS = [Requirement(i, f"Wish {i}.") for i in IDS]


@dataclass(frozen=True)
class Recorded:
    """An answer of a model."""

    folder: Path
    """Where its run was recorded."""
    step: str
    """What was asked."""
    component: str
    """Whom it was about."""
    text: str
    """What it said."""


def recorded(path: Path, *steps: str) -> list[dict[str, Any]]:
    return [call for line in path.read_text().splitlines() if (call := json.loads(line))["step"] in steps]


def plan_of(folder: Path) -> Plan:
    """The plan that a recorded run began with."""
    if (folder / "plan.yaml").exists():
        return document.parse((folder / "plan.yaml").read_text())
    if folder.name in DEMOS and DEMOS[folder.name].builds_on:
        return plan_of(folder.parent / DEMOS[folder.name].builds_on)
    requirements = shapes.read_requirements(recorded(folder / "recording.jsonl", "requirements")[0]["text"])
    return shapes.read_plan(recorded(folder / "recording.jsonl", "plan")[-1]["text"], requirements, "")


MAKERS: dict[str, Callable[[Plan, str], Grammar]] = {
    "plan": lambda plan, _: plan_grammars.plan([r.id for r in plan.requirements], []),
    "respecify": lambda plan, component: plan_grammars.component(plan.component(component)),
    "split": lambda plan, component: plan_grammars.parts(plan.component(component)),
    "revise": lambda plan, _: plan_grammars.revision(plan, []),
}
ANSWERS = [
    Recorded(path.parent, call["step"], call["component"], call["text"])
    for path in RECORDINGS
    for call in recorded(path, *MAKERS)
]


@pytest.mark.parametrize("said", ANSWERS, ids=lambda said: f"{said.folder.name}-{said.step}-{said.component}")
def test_what_models_answered_is_in_the_grammar(said: Recorded) -> None:
    grammar = MAKERS[said.step](plan_of(said.folder), said.component)

    assert flaw_of_answer(grammar, said.text) == ""


def test_each_shape_has_a_recorded_answer() -> None:
    assert {said.step for said in ANSWERS} == set(MAKERS)


@pytest.mark.parametrize("example", exemplar.library(), ids=lambda example: example.name)
def test_exemplars_are_in_the_grammar(example: exemplar.Exemplar) -> None:
    text = re.sub(r"^requirements:\n(?:  - .*\n)+", "", example.plan_text, flags=re.MULTILINE).rstrip("\n")
    packages = [package for component in example.plan.components for package in component.packages]
    grammar = plan_grammars.plan([r.id for r in example.plan.requirements], packages)

    assert flaw_of_answer(grammar, f"Where it is thin.\n\n```yaml\n{text}\n```\n") == ""


PLAN = """\
Two parts: `a` reads and b writes.
`b` needs a.

```yaml
title: "tool: reads"
language: python
entry: ''
components:
  - id: a
    purpose: Reads: lines.
    kind: library                   # library, cli, service, data or docs
    files: [tool/a.py, tool/words.txt]
    depends_on: []
    requirements: [R1, R2]
    packages: []
    contract:
      behaviour: |
        Reads.

          - as it is
      interface:
        tool/a.py: |
          def read(text: str) -> str: ...
      examples:
        - |
          >>> from tool.a import read
          >>> read("a")
          'a'

  - id: b
    purpose: Writes.
    files: [tool/b.py]
    depends_on: [a]
    requirements: [R3]
    packages: [rich, "attrs>=23,<25"]
    contract:
      interface:
        tool/b.py: |
          def write(text: str) -> None: ...
      behaviour: |
        Writes.
      examples:
      - |
        $ python -m tool b
        b
```
"""
HEAD_OF_B = "  - id: b\n    purpose: Writes.\n    files: [tool/b.py]\n"
OTHERWISE = [
    ("title: \"tool: reads\"\nlanguage: python\nentry: ''\n", "title: tool\n"),
    ("Writes.\n    files", "'It''s written'\n    files"),
    ("Reads: lines.", "`a` reads 2 lines  at once"),
    ("kind: library                   # library, cli, service, data or docs", "kind: cli"),
    ("[tool/b.py]", "[tool/b.py] # its own"),
    ("[tool/b.py]", "[b.py]"),
    ("[tool/b.py]", "[src/pkg/Tool.py, README.md, data/words.tar.gz]"),
    ("[tool/b.py]", "[Toolbox/b.py]"),
    ("tool/words.txt", "tool/__init__.py"),
    ("[R3]", "[]"),
    ("      examples:\n      - |\n        $ python -m tool b\n        b\n", ""),
    ("      examples:\n      - |\n        $ python -m tool b\n        b\n", "      examples: []\n"),
]


@pytest.mark.parametrize(("old", "new"), [("", ""), *OTHERWISE])
def test_ways_to_write_a_plan(old: str, new: str) -> None:
    said = PLAN.replace(old, new)
    if path := re.match(r"\[(.*?\.py)", new):
        said = said.replace("        tool/b.py: |", f"        {path[1]}: |")

    assert flaw_of_answer(grammar_of_plan(), said) == ""
    assert shapes.read_plan(said, REQUIREMENTS, "").components[1].id == "b"


def grammar_of_plan(most: int = 2, bounds: Bounds = BOUNDS) -> Grammar:
    return plan_grammars.plan(IDS[:3], ["rich>=13", "attrs>=23,<25"], most, bounds)


MUTATIONS = {
    "unknown dependency": ("[a]\n", "[c]\n"),
    "its own dependency": ("[a]\n", "[b]\n"),
    "a later dependency": ("depends_on: []", "depends_on: [b]"),
    "an id twice": ("- id: b", "- id: a"),
    "an id in capitals": ("- id: b", "- id: B"),
    "no id": ("- id: b", "- id: null"),
    "a file twice": ("[tool/b.py]", "[tool/a.py]"),
    "a file twice in one component": ("tool/words.txt", "tool/a.py"),
    "a file that differs in capitals": ("[tool/b.py]", "[tool/A.py]"),
    "a directory that differs in capitals": ("[tool/b.py]", "[Tool/b.py]"),
    "a file within a file": ("[tool/b.py]", "[tool/a.py/b.py]"),
    "a file without an ending": ("[tool/b.py]", "[tool]"),
    "a file upwards": ("[tool/b.py]", "[../b.py]"),
    "a file among the tests": ("[tool/b.py]", "[Tests/b.py]"),
    "a hidden file": ("[tool/b.py]", "[tool/.b.py]"),
    "a module of the standard library": ("[tool/b.py]", "[json.py]"),
    "a package of the standard library": ("[tool/b.py]", "[src/Json/b.py]"),
    "a file that configures the tests": ("[tool/b.py]", "[tool/conftest.py]"),
    "a device": ("[tool/b.py]", "[tool/con.py]"),
    "start-up file": ("[tool/b.py]", "[tool/b.pth]"),
    "no file": ("[tool/b.py]", "[]"),
    "unknown requirement": ("[R3]", "[R4]"),
    "unknown package": ("[rich", "[numpy"),
    "bad kind": ("kind: library ", "kind: module "),
    "unknown language": ("language: python", "language: cobol"),
    "unknown key": ("    requirements: [R3]\n", "    requirements: [R3]\n    tests: []\n"),
    "no purpose": ("    purpose: Writes.\n", ""),
    "no contract": (PLAN[PLAN.index("    contract:\n      interface") : -4], ""),
    "no behaviour": ("      behaviour: |\n        Writes.\n", ""),
    "no interface": ("      interface:\n        tool/a.py: |\n          def read(text: str) -> str: ...\n", ""),
    "interface of another's file": ("        tool/b.py: |", "        tool/a.py: |"),
    "text that YAML takes for a list": ("Writes.\n    files", "[a]\n    files"),
    "text that goes on for ever": ("Writes.\n    files", "'Writes.\n    files"),
    "text that is none": ("Writes.\n    files", "null\n    files"),
    "text that is cut by a remark": ("Writes.\n    files", "Writes #1.\n    files"),
    "a block that ends too soon": ("          - as it is", "      - as it is"),
    "an example without a prompt": ("$ python -m tool b", "python -m tool b"),
    "two blocks": ("`b` needs a.\n", "```yaml\ntitle: x\n```\n"),
    "a block of another kind first": ("`b` needs a.\n", "~~~\n"),
    "prose after it": ("        b\n```\n", "        b\n```\nThat is all.\n"),
    "truncated": ("        b\n```\n", "        b\n"),
    "no prose, no block": (PLAN, ""),
    "too many": ("        b\n```\n", "        b\n" + HEAD_OF_B.replace("b", "c") + "```\n"),
}


@pytest.mark.parametrize(("old", "new"), MUTATIONS.values(), ids=MUTATIONS)
def test_what_is_no_plan_is_not_in_the_grammar(old: str, new: str) -> None:
    assert old in PLAN
    assert flaw_of_answer(grammar_of_plan(), PLAN.replace(old, new))


def test_the_last_component_that_is_allowed_ends_the_plan() -> None:
    assert "not allowed here: '- id: b" in flaw_of_answer(grammar_of_plan(most=1), PLAN)


def component(component_id: str, depends_on: Iterable[str] = (), kind: str = "library") -> Component:
    """One that owns ``<id>.py`` and ``<id>.txt``."""
    path = f"tool/{component_id}.py"
    contract = Contract({path: "x: int\n"} if kind == "library" else {}, "Does it.\n")
    files = (path, f"tool/{component_id}.txt")
    return Component(component_id, "Does it.", files, contract, tuple(depends_on), ("R1", "R2", "R3"), kind)


BUILT = Plan("tool", (component("a"), component("b", ["a"]), component("c", ["b"])), tuple(REQUIREMENTS[:3]))
CONTRACT = "contract:\n{0}  behaviour: |\n{0}    Does.\n{0}  interface:\n{0}    {1}: |\n{0}      x: int\n"


def answer(block: str) -> str:
    return f"So.\n\n```yaml\n{block}```\n"


def part(part_id: str, path: str, depends_on: str = "") -> str:
    return (
        f"  - id: {part_id}\n    purpose: A part.\n    kind: library\n    files: [{path}]\n"
        f"    depends_on: [{depends_on}]\n    requirements: [R1]\n    packages: []\n    "
        + CONTRACT.format("    ", path.partition(",")[0])
    )


FIRST, SECOND = part("b_x", "tool/b_x.py"), part("b_y", "tool/b_y.py", "a, b_x")
KEPT = (
    "id: b\npurpose: Does it.\nkind: library\nfiles: [tool/b.py, tool/b.txt]\n"
    "depends_on: [a]\nrequirements: [R1, R2, R3]\npackages: []\n"
)
WISH = "  - id: R4\n    text: More.\n    quote: more\n"
RESPECIFY = "  - edit: respecify\n    component: b\n    reason: A gap.\n"
ADD = "  - edit: add\n    reason: New.\n    component:\n" + part("d", "tool/d.py", "a").replace(
    "  - id", "    id"
).replace("\n", "\n  ").removesuffix("  ").replace("    id", "      id", 1)


def rewire(component_id: str, depends_on: str) -> str:
    return f"  - edit: rewire\n    component: {component_id}\n    reason: So.\n    depends_on: [{depends_on}]\n"


def drop(component_id: str) -> str:
    return f"  - edit: drop\n    component: {component_id}\n    reason: Idle.\n"


def revised(*changes: str, requirements: str = "") -> str:
    return answer(f"{requirements}edits:\n{''.join(changes)}")


OF_B = BUILT.component("b")
CHANGES: dict[str, tuple[Grammar, str, bool]] = {
    "two parts": (plan_grammars.parts(OF_B), answer("parts:\n" + FIRST + SECOND), True),
    "a free file is taken over": (
        plan_grammars.parts(OF_B),
        answer("parts:\n" + FIRST + part("b_y", "tool/b_y.py, tool/b.txt")),
        True,
    ),
    "a package named after it": (
        plan_grammars.parts(OF_B),
        answer("parts:\n" + FIRST + part("b_y", "tool/b_y/core.py")),
        True,
    ),
    "one part": (plan_grammars.parts(OF_B), answer("parts:\n" + FIRST), False),
    "five parts": (
        plan_grammars.parts(OF_B),
        answer("parts:\n" + "".join(part(f"b_{n}", f"tool/b_{n}.py") for n in range(5))),
        False,
    ),
    "as many parts as there is room for": (
        plan_grammars.parts(OF_B, max_parts=2),
        answer("parts:\n" + FIRST + SECOND),
        True,
    ),
    "a part too many": (
        plan_grammars.parts(OF_B, max_parts=2),
        answer("parts:\n" + FIRST + SECOND + part("b_z", "tool/b_z.py")),
        False,
    ),
    "an id of its own": (plan_grammars.parts(OF_B), answer("parts:\n" + FIRST + part("y", "tool/b_y.py")), False),
    "a file of its own": (plan_grammars.parts(OF_B), answer("parts:\n" + FIRST + part("b_y", "tool/y.py")), False),
    "a public file": (plan_grammars.parts(OF_B), answer("parts:\n" + FIRST + part("b_y", "tool/b.py")), False),
    "on the whole": (plan_grammars.parts(OF_B), answer("parts:\n" + FIRST + part("b_y", "tool/b_y.py", "b")), False),
    "the last file": (
        plan_grammars.parts(component("b", kind="docs")),
        answer("parts:\n" + part("b_x", "tool/b.py") + part("b_y", "tool/b.txt")),
        False,
    ),
    "respecified": (plan_grammars.component(OF_B), answer(KEPT + CONTRACT.format("", "tool/b.py")), True),
    "another purpose": (
        plan_grammars.component(OF_B),
        answer(KEPT.replace("Does it", "Does: this") + CONTRACT.format("", "tool/b.py")),
        True,
    ),
    "other files": (
        plan_grammars.component(OF_B),
        answer(KEPT.replace(", tool/b.txt", "") + CONTRACT.format("", "tool/b.py")),
        False,
    ),
    "a foreign interface": (plan_grammars.component(OF_B), answer(KEPT + CONTRACT.format("", "tool/a.py")), False),
    "nothing to build": (plan_grammars.revision(BUILT, []), answer("requirements: []\nedits: []\n"), True),
    "a wish": (
        plan_grammars.revision(BUILT, []),
        revised(RESPECIFY, "    requirements: [R1, R4]\n", requirements=f"requirements:\n{WISH}"),
        True,
    ),
    "a wish with a number too high": (
        plan_grammars.revision(BUILT, []),
        answer(f"requirements:\n{WISH.replace('R4', 'R5')}edits: []\n"),
        False,
    ),
    "a wish twice": (plan_grammars.revision(BUILT, []), answer(f"requirements:\n{WISH}{WISH}edits: []\n"), False),
    "reworded and dropped": (
        plan_grammars.revision(BUILT, []),
        answer(f"requirements:\n{WISH.replace('R4', 'R2')}drop_requirements: [R2]\nedits: []\n"),
        False,
    ),
    "covered and dropped": (
        plan_grammars.revision(BUILT, []),
        revised(RESPECIFY, "    requirements: [R1, R2]\n", requirements="drop_requirements: [R2]\n"),
        False,
    ),
    "a contract": (
        plan_grammars.revision(BUILT, []),
        revised(RESPECIFY, "    " + CONTRACT.format("    ", "tool/b.txt")),
        True,
    ),
    "keys in any order": (
        plan_grammars.revision(BUILT, []),
        revised(RESPECIFY, "    requirements: [R1]\n    depends_on: []\n    purpose: Other.\n"),
        True,
    ),
    "a key twice": (plan_grammars.revision(BUILT, []), revised(RESPECIFY, "    purpose: X.\n    purpose: Y.\n"), False),
    "no change": (plan_grammars.revision(BUILT, []), revised(RESPECIFY), False),
    "unknown component": (
        plan_grammars.revision(BUILT, []),
        revised(RESPECIFY.replace(": b", ": x"), "    purpose: X.\n"),
        False,
    ),
    "files without their contract": (
        plan_grammars.revision(BUILT, []),
        revised(RESPECIFY, "    files: [tool/n.py]\n"),
        False,
    ),
    "files with their contract": (
        plan_grammars.revision(BUILT, []),
        revised(RESPECIFY, "    files: [tool/n.py, tool/b.txt]\n    " + CONTRACT.format("    ", "tool/n.py")),
        True,
    ),
    "files of another": (
        plan_grammars.revision(BUILT, []),
        revised(RESPECIFY, "    files: [tool/a.py]\n    " + CONTRACT.format("    ", "tool/a.py")),
        False,
    ),
    "the old interface of new files": (
        plan_grammars.revision(BUILT, []),
        revised(RESPECIFY, "    files: [tool/n.py]\n    " + CONTRACT.format("    ", "tool/b.py")),
        False,
    ),
    "added, then named": (plan_grammars.revision(BUILT, []), revised(ADD, rewire("b", "a, d")), True),
    "named, then added": (plan_grammars.revision(BUILT, []), revised(rewire("b", "a, d"), ADD), False),
    "as many as there may be": (plan_grammars.revision(BUILT, [], max_components=4), revised(ADD), True),
    "one too many": (plan_grammars.revision(BUILT, [], max_components=3), revised(ADD), False),
    "one instead of another": (plan_grammars.revision(BUILT, [], max_components=3), revised(drop("c"), ADD), True),
    "added to what was full after another edit": (
        plan_grammars.revision(BUILT, [], max_components=3),
        revised(rewire("c", "a"), ADD),
        False,
    ),
    "added twice": (plan_grammars.revision(BUILT, []), revised(ADD, ADD), False),
    "a cycle": (plan_grammars.revision(BUILT, []), revised(rewire("a", "c")), False),
    "a cycle undone before": (plan_grammars.revision(BUILT, []), revised(rewire("b", ""), rewire("a", "b")), True),
    "a cycle by respecifying": (plan_grammars.revision(BUILT, []), revised(RESPECIFY, "    depends_on: [c]\n"), False),
    "dropped": (plan_grammars.revision(BUILT, []), revised(drop("c")), True),
    "dropped, then needed": (plan_grammars.revision(BUILT, []), revised(drop("c"), rewire("b", "c")), False),
    "needed and dropped": (plan_grammars.revision(BUILT, []), revised(drop("b")), False),
    "rewired, then dropped": (plan_grammars.revision(BUILT, []), revised(rewire("c", "a"), drop("b")), True),
    "all dropped": (plan_grammars.revision(BUILT, []), revised(drop("c"), drop("b"), drop("a")), False),
    "split by hand": (
        plan_grammars.revision(BUILT, []),
        revised("  - edit: split\n    component: b\n    parts: []\n"),
        False,
    ),
}


@pytest.mark.parametrize(("grammar", "said", "allowed"), CHANGES.values(), ids=CHANGES)
def test_changes(grammar: Grammar, said: str, allowed: bool) -> None:
    assert (flaw_of_answer(grammar, said) == "") == allowed, flaw_of_answer(grammar, said)
    if allowed:
        assert [p for p in PROBLEMS[grammar.name](said) if not LEFT_TO_THE_READER.search(p)] == []


def problems_of_plan(said: str) -> list[str]:
    return dag.problems(shapes.read_plan(said, REQUIREMENTS, ""), None, check_component)


def problems_of_component(said: str) -> list[str]:
    given = shapes.read_component(said, "b")
    assert replace(given, purpose=OF_B.purpose, contract=OF_B.contract) == OF_B
    changed = tuple(given if c.id == "b" else c for c in BUILT.components)
    return dag.problems(replace(BUILT, components=changed), None, check_component)


def problems_of_parts(said: str) -> list[str]:
    parts = shapes.read_parts(said)
    edits.apply(BUILT, Revision((Split("b", parts),)), check_component=check_component)
    return [p.id for p in parts if not p.id.startswith("b_")] + ["too many or few"] * (not 2 <= len(parts) <= 4)


def problems_of_revision(said: str) -> list[str]:
    edits.apply(BUILT, shapes.read_revision(said, BUILT), check_component=check_component)
    return []


PROBLEMS: dict[str, Callable[[str], list[str]]] = {
    "plan": problems_of_plan,
    "respecify": problems_of_component,
    "split": problems_of_parts,
    "revise": problems_of_revision,
}
LEFT_TO_THE_READER = re.compile(
    "is covered by no component|is not valid Python|example [0-9]+ cannot be read|^the entry command"
)
"""Coverage needs all components; code is never held to a grammar; files are named after the command."""
WORDS = [
    *('"', "'", "#", " #", ": ", "- ", "- |", "[a]", "{", "&a ", "*a", "null", "~", "|", ">", "%", "@", "?", "!x "),
    *("```", "~~~", "`x`", "title: x", "components:", "---", "\t", "  ", "\n", "…", "\\", "\u2003", "é"),
    *("a", "b", "A", "b_", "R1", "tool/", "TOOL/", "a.py", "json", "conftest", "con.py", "tests/", "HEAD", ".pyc"),
    *(">>> x\n", "$ x '\n", "python -m tool", "data", "docs", "rewire", "drop", "add", "interface", "behaviour"),
]
SMALL = Bounds(
    prose_lines=1, block_lines=1, example_lines=1, examples=2, line_chars=8, text_chars=8, id_chars=3, files=2,
    directories=2, part_chars=3, endings=2, ending_chars=3, edits=3, wishes=2,
)  # fmt: skip
"""So little that a walk is soon at its end, and that names meet by chance."""
WALKED: dict[str, Callable[[Bounds], Grammar]] = {
    "plan": lambda bounds: grammar_of_plan(4, bounds),
    "respecify": lambda bounds: plan_grammars.component(OF_B, bounds),
    "split": lambda bounds: plan_grammars.parts(OF_B, bounds),
    "revise": lambda bounds: plan_grammars.revision(BUILT, ["rich>=13"], bounds),
}


@pytest.mark.parametrize(("bounds", "walks"), [(SMALL, 60), (BOUNDS, 3)], ids=["small", "real"])
@pytest.mark.parametrize("make", WALKED.values(), ids=WALKED)
def test_whatever_is_in_a_grammar_reads_and_is_sound(
    make: Callable[[Bounds], Grammar], bounds: Bounds, walks: int
) -> None:
    grammar = make(bounds)
    for seed in range(walks):  # every second one is strewn with words that could be taken for something else
        said = walk(grammar, seed, WORDS if seed % 2 else ())
        try:
            found = PROBLEMS[grammar.name](said)
        except PlanError as error:
            found = list(error.problems)
        assert [p for p in found if not LEFT_TO_THE_READER.search(p)] == [], f"seed {seed}:\n{said}"
        assert seed >= 3 or flaw_of_answer(grammar, said) == "", seed


TWO = "          'a'\n", "          'a'\n        - |\n          $ x\n"
HOLDING: list[tuple[str, int, Callable[[Bounds], Grammar], str]] = [
    ("prose_lines", 3, WALKED["plan"], PLAN),
    ("block_lines", 2, WALKED["plan"], PLAN),
    ("example_lines", 3, WALKED["plan"], PLAN),
    ("examples", 2, WALKED["plan"], PLAN.replace(*TWO)),
    ("line_chars", len("wo parts: `a` reads and b writes."), WALKED["plan"], PLAN),
    ("text_chars", len(" library, cli, service, data or docs"), WALKED["plan"], PLAN),
    ("id_chars", 2, WALKED["split"], answer("parts:\n" + FIRST + part("b_yz", "tool/b_yz.py"))),
    ("files", 2, WALKED["plan"], PLAN),
    ("files", 2, WALKED["revise"], revised(ADD.replace("tool/d.py]", "tool/d.py, d.txt]"))),
    ("directories", 2, WALKED["plan"], PLAN.replace("tool/words", "tool/lists/words")),
    ("part_chars", len("words"), WALKED["plan"], PLAN),
    ("endings", 2, WALKED["plan"], PLAN.replace("words.txt", "words.txt.gz")),
    ("ending_chars", len("txt"), WALKED["plan"], PLAN),
    ("edits", 2, WALKED["revise"], revised(drop("c"), drop("b"))),
    ("wishes", 2, WALKED["revise"], answer(f"requirements:\n{WISH}{WISH.replace('R4', 'R5')}edits: []\n")),
]


@pytest.mark.parametrize(("bound", "least", "make", "said"), HOLDING, ids=[f"{row[0]}-{row[1]}" for row in HOLDING])
def test_bounds_hold(bound: str, least: int, make: Callable[[Bounds], Grammar], said: str) -> None:
    enough, short = (make(replace(BOUNDS, **{bound: most})) for most in (least, least - 1))

    assert flaw_of_answer(enough, said) == ""
    assert flaw_of_answer(short, said) != ""


@pytest.mark.parametrize(
    ("taken", "said"),
    [("tool/a.py", "Tool"), ("src/pkg/a.py", "src/PKG"), ("src/pkg/a.py", "config"), ("src/pkg/a.py", "src/nul")],
)
def test_the_engine_sees_at_once_what_leads_nowhere(taken: str, said: str) -> None:
    """After ``Tool``, where there is ``tool/``, only longer names may follow: it tried all others and gave up over it."""
    so_far = f"```yaml\ntitle: x\ncomponents:\n{part('a', taken)}  - id: b\n    purpose: x\n    files: [b.py,"
    lark = grammar_of_plan().following(so_far)
    limits = LLParserLimits(step_lexer_fuel=50_000)  # a quarter of what engines and servers allow

    matcher = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_lark(lark), limits=limits)
    for byte in f" {said}".encode():
        mask = matcher.compute_bitmask()
        assert mask[byte >> 3] >> (byte & 7) & 1
        assert matcher.consume_token(byte), matcher.get_error()[:80]
    matcher.compute_bitmask()
    assert matcher.get_error() == ""


LONG = "xŵ日\U0001f600" * 250
FULL = (
    PLAN.replace("Two parts", f"{LONG}\n" * 15 + "Two parts")
    .replace("        Reads.\n", f"        {LONG}\n" * 60)
    .replace("          'a'\n", f"          {LONG}\n" * 40)
    .replace("Writes.\n    files", f"{LONG[:600]}\n    files")
)


@pytest.mark.parametrize(("said", "pieces"), [(PLAN, 4), (FULL, 4), (FULL.replace(", tool/words.txt", ""), 3)])
def test_pieces_end_where_nothing_may_follow_and_not_after_a_blank(said: str, pieces: int) -> None:
    grammar, start, ends = grammar_of_plan(), 0, []
    while lark := grammar.following(said[:start]):
        matcher = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_lark(lark))
        for char in said[start:]:
            assert not matcher.is_accepting(), "the beginning of a text is a text"
            assert matcher.consume_tokens(list(char.encode())), matcher.get_error()
            start += 1
            if matcher.is_stopped():
                break
        assert matcher.is_accepting()
        ends.append(said[:start][-1])

    assert (len(ends), start) == (pieces, len(said))
    assert {*ends[:-1]} <= {",", "r", "e"}
    assert ends[-1] == "\n"


@pytest.mark.parametrize("taken", [1, 6, 20, 40])
def test_a_piece_stays_small_however_many_components_there_are(taken: int) -> None:
    begun = "".join(part(f"component_number_{n}", f"package/module_{n}.py") for n in range(taken))
    grammar = plan_grammars.plan(IDS, ["rich"], 60)
    so_far = f"```yaml\ntitle: x\ncomponents:\n{begun}"
    end = so_far.rindex("behaviour") + len("behaviour")
    lark = grammar.following(so_far[:end])
    last = so_far[end:] + part("another", "package/another.py", f"component_number_{taken - 1}")
    again = so_far[end:] + part("another", f"package/Module_{taken // 2}.py")

    assert len(lark) < 15_000
    assert flaw_of_answer(grammar, so_far + part("another", "package/another.py") + "```\n") == ""
    assert flaw_of_answer(grammar, so_far[: end - len("behaviour")] + "behaviour" + last + "```\n") == ""
    assert flaw_of_answer(grammar, so_far[:end] + again + "```\n") != ""


def test_a_digest_stands_for_all_that_fixes_a_grammar() -> None:
    plans = [
        plan_grammars.plan(["R1"], []),
        plan_grammars.plan(["R1"], [], 3),
        plan_grammars.plan(["R1"], [], bounds=SMALL),
        plan_grammars.plan(["R2"], []),
        plan_grammars.plan([], ["R1"]),
        plan_grammars.component(OF_B),
        plan_grammars.parts(OF_B),
        plan_grammars.parts(BUILT.component("a")),
        plan_grammars.parts(OF_B, max_parts=2),
        plan_grammars.revision(BUILT, []),
        plan_grammars.revision(BUILT, [], max_components=3),
    ]

    assert len({grammar.digest for grammar in plans}) == len(plans)
    assert plan_grammars.plan(["R1"], []).digest == plans[0].digest


@pytest.mark.parametrize("so_far", ["No block.", "```yaml\ntitle: x\ncomponents:\n,", f"{PLAN[:-4]}"])
def test_a_text_that_is_no_whole_number_of_pieces_is_a_fault(so_far: str) -> None:
    with pytest.raises(ValueError, match="no piece ends so"):
        grammar_of_plan().following(so_far)
