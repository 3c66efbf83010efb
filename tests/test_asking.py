"""The plain strategy with the shipped prompts and a model that follows a script."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import prompts
from agent.models.base import Ask
from agent.models.scripted import Scripted
from agent.prompts import Prompts
from agent.strategies import open_strategy
from agent.strategies.asking import FAILING_SHOWN, TRIES
from graphs import dag, examples
from graphs.errors import AnswerError, ConfigError, ModelError
from graphs.ports import Brief, Strategy
from graphs.values import CaseResult, Component, Contract, Example, Plan, Repair, Requirement, Spec, Verdict

BASE = Component(
    "base", "Reads.", ("pkg/base.py",), Contract({"pkg/base.py": "def read(): ...\n"}, "BASE-BEHAVIOUR\n"), (), ("R1",)
)
TOP = Component(
    "top",
    "Shows {{ braces }}.",
    ("pkg/top.py", "pkg/more.py"),
    Contract({"pkg/top.py": "def show():\n    ...\n"}, "TOP-BEHAVIOUR with {% raw %} text\n"),
    ("base",),
    ("R1",),
)
PLAN = Plan("t", (BASE, TOP), (Requirement("R1", "It shows.", "shows what it reads", 3),))
SHELL = examples.parse_block("$ python -m pkg.top\nhi\n", "E1", 1)
assert isinstance(SHELL, Example)
SPEC = Spec("t", "# t\n\nIt shows what it reads. {{ not_rendered }}\n", "d")
BRIEF = replace(dag.Briefing(PLAN, SPEC).brief(TOP, 2.0), examples=(SHELL,))

TESTS = "### tests/test_top.py\n```python\nTESTS-TEXT = 1\n```\n"
CODE = "### pkg/top.py\n```python\nCODE_TEXT = 1\n```\n### pkg/more.py\n```python\nMORE = 1\n```\n"
YAML = """```yaml
title: t
components:
  - id: one
    purpose: All of it.
    files: [one.py]
    requirements: [R1]
    contract:
      behaviour: Does it.
      interface: {one.py: "def f(): ..."}
```
"""
CASES = tuple(CaseResult(f"tests/test_top.py::t{n}", "failed" if n else "passed", f"MESSAGE-{n}") for n in range(9))
VERDICT = Verdict("failed", CASES, "8 of 9 fail", "OUTPUT-TEXT")


def plain(model: Scripted, directory: Path | None = None, rules: Any = lambda _: []) -> Strategy:
    return open_strategy("plain", lambda _: model, Prompts(directory), rules, 0.5)


def ask(model: Scripted, call: Any, **options: Any) -> Any:
    coroutine: Coroutine[Any, Any, Any] = call(plain(model, **options))
    return asyncio.run(coroutine)


CALLS: dict[str, Any] = {
    "requirements": lambda s: s.requirements(SPEC),
    "plan": lambda s: s.plan(SPEC, PLAN.requirements, ["EXEMPLAR-TEXT"]),
    "tests": lambda s: s.tests(BRIEF, 1, {}, []),
    "code": lambda s: s.code(BRIEF, 1),
    "repair": lambda s: s.repair(
        BRIEF,
        2,
        {"pkg/top.py": "CODE_TEXT", "pkg/more.py": "OLD"},
        {"tests/test_top.py": "TESTS-TEXT"},
        VERDICT,
        ["NOTE-TEXT"],
    ),
}
ANSWERS = {
    "requirements": "R1: It shows.\n> shows what it reads\n",
    "plan": YAML,
    "tests": TESTS,
    "code": CODE,
    "repair": "The cause is X.\n\n### pkg/top.py\n```python\nNEW = 1\n```\n",
}
RESULTS = {
    "requirements": (Requirement("R1", "It shows.", "shows what it reads", 3),),
    "tests": {"tests/test_top.py": "TESTS-TEXT = 1\n"},
    "code": {"pkg/top.py": "CODE_TEXT = 1\n", "pkg/more.py": "MORE = 1\n"},
    "repair": Repair({"pkg/top.py": "NEW = 1\n", "pkg/more.py": "OLD"}),
}


def prompt(step: str) -> Ask:
    model = Scripted(ANSWERS)
    ask(model, CALLS[step])
    (only,) = model.asks
    return only


@pytest.mark.parametrize("step", CALLS)
def test_a_good_answer_is_read_at_once(step: str) -> None:
    model = Scripted(ANSWERS)

    result = ask(model, CALLS[step])

    assert len(model.asks) == 1
    if step == "plan":
        assert (result.spec_digest, result.requirements, result.components[0].id) == ("d", PLAN.requirements, "one")
    else:
        assert result == RESULTS[step]


@pytest.mark.parametrize("step", CALLS)
def test_the_ask_says_what_it_is_for(step: str) -> None:
    asked = prompt(step)

    building = step in ("tests", "code", "repair")
    assert asked.step == step
    assert asked.temperature == 0.5
    assert [m.role for m in asked.messages] == ["system", "user"]
    assert (asked.component, asked.component_key) == (("top", BRIEF.key) if building else ("", ""))
    assert asked.attempt == (2 if step == "repair" else 1)
    assert asked.priority == (2.0 if building else float("inf"))


@pytest.mark.parametrize("step", CALLS)
def test_prompts_are_the_same_bytes_each_time_and_hold_nothing_unrendered(step: str) -> None:
    asked = prompt(step)

    assert asked == prompt(step)
    assert asked.key("m") == prompt(step).key("m")
    text = "".join(m.content for m in asked.messages)
    for theirs in ("{{ braces }}", "{% raw %}", "{{ not_rendered }}"):
        text = text.replace(theirs, "")
    assert "{{" not in text
    assert "{%" not in text
    assert "{#" not in text


SEEN = {
    "requirements": ({"It shows what it reads."}, {"TOP-BEHAVIOUR", "EXEMPLAR-TEXT"}),
    "plan": ({"EXEMPLAR-TEXT", "It shows what it reads.", "R1: It shows."}, set()),
    "tests": (
        {
            "TOP-BEHAVIOUR",
            "BASE-BEHAVIOUR",
            "def show",
            "python -m pkg.top",
            "tests/test_top.py",
            '"""R1: ',
            "Name only R1,",
        },
        {"CODE_TEXT"},
    ),
    "code": ({"TOP-BEHAVIOUR", "BASE-BEHAVIOUR", "def show", "pkg/more.py"}, {"TESTS-TEXT", "tests/test_top.py"}),
    "repair": (
        {"TESTS-TEXT", "CODE_TEXT", "NOTE-TEXT", "MESSAGE-1", "8 of 9 fail", "3 more fail", "WRONG TEST"},
        {"MESSAGE-8"},
    ),
}


@pytest.mark.parametrize("step", CALLS)
def test_each_step_sees_what_it_may_see_and_no_more(step: str) -> None:
    text = prompt(step).messages[1].content

    wanted, hidden = SEEN[step]
    assert {w for w in wanted if w not in text} == set()
    assert {h for h in hidden if h in text} == set()


def test_a_repair_shows_the_first_failing_tests_and_counts_the_rest() -> None:
    text = prompt("repair").messages[1].content

    assert [n for n in range(9) if f"MESSAGE-{n}" in text] == list(range(1, FAILING_SHOWN + 1))
    assert "These pass and must go on passing: tests/test_top.py::t0." in text
    assert "OUTPUT-TEXT" not in text


def test_a_run_that_broke_shows_what_it_printed() -> None:
    model = Scripted(ANSWERS)

    ask(model, lambda s: s.repair(BRIEF, 1, {}, {}, Verdict("error", (), "it crashed", "OUTPUT-TEXT"), []))

    assert "OUTPUT-TEXT" in model.asks[0].messages[1].content


def test_a_repair_may_leave_the_files_and_hold_a_test_to_be_wrong() -> None:
    model = Scripted({"repair": f'WRONG TEST {CASES[2].id}[1-2]: the contract says "TOP".\n'})

    repair = ask(model, CALLS["repair"])

    assert repair == Repair(
        {"pkg/top.py": "CODE_TEXT", "pkg/more.py": "OLD"}, {CASES[2].id: 'the contract says "TOP".'}
    )


@pytest.mark.parametrize("cases", [(), (CaseResult("E1", "failed", "no"),)], ids=["the run broke", "an example fails"])
def test_where_no_test_fails_none_can_be_wrong(cases: tuple[CaseResult, ...]) -> None:
    model = Scripted(ANSWERS)

    ask(model, lambda s: s.repair(BRIEF, 1, {}, {}, Verdict("failed", cases, "it fails"), []))

    assert "WRONG TEST" not in model.asks[0].messages[1].content


def test_a_component_with_several_requirements_names_each_in_its_tests() -> None:
    model = Scripted(ANSWERS)
    component = replace(TOP, requirements=("R1", "R7", "R9"))

    ask(model, lambda s: s.tests(replace(BRIEF, component=component), 1, {}, []))

    text = model.asks[0].messages[1].content
    assert '"""R1: blank lines do not count."""' in text
    assert "begins with all of them: `R1, R7: …`" in text
    assert "Name only R1, R7, R9, and each of them in at least one test" in text


def test_a_component_without_requirements_names_none_in_its_tests() -> None:
    model = Scripted(ANSWERS)

    ask(model, lambda s: s.tests(replace(BRIEF, component=replace(TOP, requirements=())), 1, {}, []))

    assert "docstring" not in model.asks[0].messages[1].content


def test_the_prompts_of_one_component_begin_alike() -> None:
    system = {prompt(step).messages[0].content for step in ("tests", "code", "repair")}
    users = [prompt(step).messages[1].content for step in ("tests", "code", "repair")]
    shared = users[0][: users[0].index("# Your task now")]

    assert len(system) == 1
    assert "TOP-BEHAVIOUR" in shared
    assert "BASE-BEHAVIOUR" in shared
    assert all(user.startswith(shared) for user in users)


def test_tests_that_were_sent_back_are_shown_with_what_is_wrong() -> None:
    model = Scripted(ANSWERS)

    ask(model, lambda s: s.tests(BRIEF, 2, {"tests/test_top.py": "OLD-TESTS"}, ["t1: it passes on the stub"]))

    text = model.asks[0].messages[1].content
    assert "OLD-TESTS" in text
    assert "- t1: it passes on the stub" in text


WRONG = {
    "requirements, no list": ("requirements", "I see none.", "no line of the form 'R1: sentence'"),
    "requirements, invented quote": ("requirements", "R1: It flies.\n> to the moon\n", "R1"),
    "plan, none": ("plan", "No.", "no plan was found"),
    "plan, form": ("plan", YAML.replace("purpose", "porpose"), "did you mean 'purpose'?"),
    "plan, content": ("plan", YAML.replace("[R1]", "[]"), "requirement R1 ('It shows.') is covered by no component"),
    "tests, other file": ("tests", "### pkg/top.py\n```\nx\n```\n", "pkg/top.py"),
    "code, one missing": ("code", "### pkg/top.py\n```\nx = 1\n```\n", "the answer gives no file pkg/more.py"),
    "code, not Python": ("code", CODE.replace("MORE =", "MORE = ="), "pkg/more.py, line 1 is not valid Python"),
    "repair, nothing": ("repair", "It is fine.", "no file was given; give each file you change whole"),
    "repair, the tests": ("repair", "### tests/test_top.py\n```\npass\n```\n", "tests/test_top.py"),
    "repair, a test that passes": (
        "repair",
        f"WRONG TEST {CASES[0].id}: so\n",
        "'tests/test_top.py::t0' is none of the failing",
    ),
    "repair, a test not shown": (
        "repair",
        f"WRONG TEST {CASES[6].id}: so\n",
        "'tests/test_top.py::t6' is none of the failing",
    ),
    "repair, an example": ("repair", "WRONG TEST E1: so\n", "E1 is an example: it decides what is right"),
    "repair, no reason": ("repair", f"WRONG TEST {CASES[1].id}\n", "tests/test_top.py::t1: no reason is given"),
    "repair, not Python": ("repair", "### pkg/top.py\n```\ndef\n```\n", "pkg/top.py, line 1 is not valid Python"),
}


@pytest.mark.parametrize(("step", "answer", "problem"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_asked_again_by_name_in_the_same_conversation(step: str, answer: str, problem: str) -> None:
    model = Scripted({step: [answer, answer, ANSWERS[step]]})

    ask(model, CALLS[step])

    first, second, third = model.asks
    assert second.messages[:2] == first.messages
    assert [m.role for m in second.messages[2:]] == ["assistant", "user"]
    assert second.messages[2].content == answer
    assert problem in second.messages[3].content
    assert third.messages[:4] == second.messages
    assert len({a.key("m") for a in model.asks}) == 3


@pytest.mark.parametrize(("step", "answer", "problem"), WRONG.values(), ids=WRONG)
def test_an_answer_that_stays_wrong_is_given_up(step: str, answer: str, problem: str) -> None:
    model = Scripted({step: answer})

    with pytest.raises(AnswerError) as caught:
        ask(model, CALLS[step])

    assert len(model.asks) == TRIES
    assert str(caught.value).startswith(f"the model gave no usable answer for step {step!r} in {TRIES} tries: ")
    assert problem in str(caught.value)


def test_rules_from_outside_are_part_of_the_plan() -> None:
    model = Scripted({"plan": YAML})

    with pytest.raises(AnswerError, match="component 'one': is not wanted"):
        ask(model, CALLS["plan"], rules=lambda _: ["is not wanted"])


def test_a_failing_endpoint_is_not_asked_again_here() -> None:
    model = Scripted({"code": ModelError("gone")})

    with pytest.raises(ModelError, match="gone"):
        ask(model, CALLS["code"])
    assert len(model.asks) == 1


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (
            "code",
            "{{ nothing_of_the_kind }}",
            "the prompt 'code' cannot be rendered: 'nothing_of_the_kind' is undefined",
        ),
        ("code", "{{ 1 + 'a' }}", "the prompt 'code' cannot be rendered: unsupported operand"),
        ("contract", "{{ contract.gone }}", "the prompt 'contract' cannot be rendered"),
        ("brief", "{{ component.gone }}", "the prompt 'brief' cannot be rendered"),
    ],
)
def test_a_prompt_that_cannot_be_rendered_is_named(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / f"{name}.md").write_text(text)

    with pytest.raises(ConfigError) as caught:
        ask(Scripted(ANSWERS), CALLS["code"], directory=tmp_path)

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("cod.md", b"x", "replaces no prompt; known prompts are again, amend,"),
        ("code.md", b"{% if %}", "cannot be read: Expected an expression"),
        ("code.md", b"\xff", "cannot be read: 'utf-8' codec"),
    ],
)
def test_prompts_that_cannot_be_used_are_refused_before_anything_is_asked(
    tmp_path: Path, name: str, data: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(ConfigError) as caught:
        Prompts(tmp_path)

    assert sentence in str(caught.value)
    with pytest.raises(ConfigError, match="does not exist"):
        Prompts(tmp_path / "missing")


def test_a_users_prompt_replaces_the_one_of_that_name_and_changes_its_digest(tmp_path: Path) -> None:
    (tmp_path / "code.md").write_text("MINE for {{ component.id }}\n")
    model = Scripted(ANSWERS)

    ask(model, CALLS["code"], directory=tmp_path)

    assert model.asks[0].messages[1].content == "MINE for top\n"
    shipped, mine = Prompts().digests, Prompts(tmp_path).digests
    assert set(shipped) == set(mine) == set(prompts.names())
    assert {name for name in shipped if shipped[name] != mine[name]} == {"code"}
    assert mine["code"] == hashlib.sha256(b"MINE for {{ component.id }}\n").hexdigest()


@pytest.mark.parametrize(("text", "most"), [("short", 5), ("ü" * 100, 10), ("", 0), ("üüü", 0)])
def test_clipping_keeps_head_and_tail_and_counts_what_it_drops(text: str, most: int) -> None:
    clipped = prompts.clip(text, most)

    if len(text) <= most:
        assert clipped == text
    else:
        kept = most // 2
        assert clipped.replace("\n", "").count(text[0]) == 2 * kept
        assert clipped.startswith(text[:kept])
        assert clipped.endswith(text[len(text) - kept :])
        assert f"{len(text) - 2 * kept} characters left out" in clipped
        assert len(clipped) < most + 60


def test_the_brief_of_a_component_does_not_grow_with_the_plan() -> None:
    def size(count: int) -> int:
        others = tuple(replace(BASE, id=f"x{i}", files=(f"x{i}.py",)) for i in range(count))
        brief: Brief = dag.Briefing(replace(PLAN, components=(*PLAN.components, *others)), SPEC).brief(TOP)
        model = Scripted(ANSWERS)
        ask(model, lambda s: s.code(brief, 1))
        return sum(len(m.content) for m in model.asks[0].messages)

    assert size(200) == size(10)
