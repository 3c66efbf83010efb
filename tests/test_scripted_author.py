"""The author of stated error rates: real runs, over real HTTP, of tasks that it knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.checks.problems import problems_of_tests
from agent.config import Settings
from agent.models.pricing import Prices
from agent.prompts import Prompts
from agent.run import RunConfig, start
from agent.sandbox import open_sandbox
from agent.spec import locate_quotes, read_spec
from agent.strategies import shapes
from benchmark.datasets import TASKS, Task, read_folder
from benchmark.grading import delivered, grade
from benchmark.scripted_author import MODEL, NOTHING_TO_SAY, PRICES, Known, Rates, ScriptedAuthor, read_rates
from benchmark.stub_endpoint import StubEndpoint
from graphs import dag
from graphs.errors import ConfigError, UserError
from graphs.values import Spec

SMALL = sorted(folder.name for size in "sm" for folder in TASKS.glob(f"{size}-*"))
QUICK: dict[str, Any] = {"mutants": 0, "rungs": (), "repairs": 2, "prices": PRICES, "model": MODEL}


def task(name: str) -> Task:
    return read_folder(TASKS / name)


@dataclass(frozen=True)
class Cell:
    """One run."""

    status: str
    passed: bool
    """By the hidden tests."""
    calls: int
    usd: float | None
    questions: Sequence[str]
    """As they were asked, without those that went on from an answer."""


def cell(place: Path, name: str, arm: str, rates: str, seed: str = "1") -> Cell:
    place.mkdir()
    (place / "spec.md").write_text(task(name).instruction, encoding="utf-8")
    author = ScriptedAuthor(task(name), read_rates(rates), seed)
    with StubEndpoint(author, model=MODEL) as stub:
        chosen = Settings(base_url=stub.url, strategy=arm, **QUICK)
        result = start(RunConfig(read_spec(str(place / "spec.md")), place / "out", chosen, place / "home"))
    assert author.unanswered == []
    judged = grade(task(name), delivered(place / "out"), open_sandbox("bubblewrap"))
    asked = [str(body["messages"][1]["content"]) for body in stub.bodies if len(body["messages"]) == 2]
    tasks = [re.findall(r"^# Your task now: (.+)$", prompt, re.MULTILINE)[-1] for prompt in asked]
    return Cell(result.status, judged.passed, result.usage.calls, result.usage.usd, sorted(tasks))


@pytest.mark.parametrize(
    ("name", "arm"), [("s-bit-layout", "plain"), ("s-due-dates", "guided"), ("m-record-patch", "native")]
)
def test_a_model_without_fault_solves_tasks_in_every_arm(tmp_path: Path, bubblewrap: None, name: str, arm: str) -> None:
    done = cell(tmp_path / "run", name, arm, "scripted:")
    assert (done.status, done.passed) == ("passed", True)
    assert done.usd


@pytest.mark.parametrize("name", SMALL)
def test_what_it_plans_and_tests_holds_before_anything_runs(tmp_path: Path, name: str) -> None:
    known = Known(task(name))
    author = ScriptedAuthor(task(name), Rates(), "1")
    (tmp_path / "spec.md").write_text(known.task.instruction, encoding="utf-8")
    spec = read_spec(str(tmp_path / "spec.md"))
    required, lost = locate_quotes(spec, shapes.read_requirements(author(asked(spec, "requirements"))))
    plan = shapes.read_plan(author(asked(spec, "plan")), required, spec.digest)
    assert (lost, dag.problems(plan, spec)) == ((), [])
    assert {path for c in plan.components for path in c.files} == set(known.sources)
    refused = []
    for component in plan.components:
        names = [test.name for test in known.tests if known.modules[test.top] in component.files]
        source = known.test_file(component.files, names, component.requirements)
        assert names
        assert all(re.search(rf'^    """.*\b{r}\b', source, re.MULTILINE) for r in component.requirements)
        refused += problems_of_tests({dag.test_path(component.id): source}, component, known.sources)
    assert len(refused) <= 1, refused


def asked(spec: Spec, step: str, system: str = "") -> dict[str, Any]:
    """A request about the whole, as it comes to an endpoint."""
    prompt = Prompts().render(step, spec=spec, requirements=(), exemplars=(), packages=(), existing="")
    return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}]}


def about(component: str, files: str, words: str) -> dict[str, Any]:
    """A request about a component."""
    prompt = f"# Component `{component}`\n\nIt owns: {files}.\n\n# Your task now: {words}\n"
    return {"messages": [{"role": "system", "content": ""}, {"role": "user", "content": prompt}]}


def test_parts_are_cut_where_tests_can_judge_them_and_no_finer_than_allowed() -> None:
    known = Known(task("m-glossary-links"))
    found = {part.id: (part.files, part.depends_on) for part in known.parts()}
    assert found == {
        "glossary": (("glosslink/markdown.py", "glosslink/glossary.py"), ()),
        "linking": (("glosslink/linking.py", "glosslink/__init__.py"), ("glossary",)),
        "command": (("glosslink/cli.py", "glosslink/__main__.py"), ("glossary", "linking")),
    }
    assert [len(known.parts(most)) for most in (1, 2, 3, 4)] == [1, 2, 3, 3]
    author = ScriptedAuthor(known.task, Rates(), "1")
    spec = Spec("", known.task.instruction, "")
    for words, count in (("must be one single component", 1), ("may have at most 2 components", 2), ("", 3)):
        plan = shapes.read_plan(author(asked(spec, "plan", words)), (), "")
        assert len(plan.components) == count


def test_faults_of_form_are_asked_again_where_no_form_keeps_them_out(tmp_path: Path, bubblewrap: None) -> None:
    done = {arm: cell(tmp_path / arm, "s-bit-layout", arm, "scripted:malformed=1") for arm in ("plain", "guided")}
    assert {arm: (one.status, one.passed) for arm, one in done.items()} == dict.fromkeys(done, ("passed", True))
    # Four questions, each asked again; or a probe of the form and a second piece of the plan.
    assert {arm: one.calls for arm, one in done.items()} == {"plain": 8, "guided": 6}


def test_what_is_never_mended_fails(tmp_path: Path, bubblewrap: None) -> None:
    done = cell(tmp_path / "run", "s-bit-layout", "plain", "scripted:wrong=1,mends=0")
    assert (done.status, done.passed) == ("failed", False)
    assert "a repair" in done.questions


def test_a_seed_is_a_run(tmp_path: Path, bubblewrap: None) -> None:
    rates = "scripted:malformed=0.5,wrong=1,mends=0.5,tests_kept=0.5"
    one, other = (cell(tmp_path / place, "s-bit-layout", "plain", rates, "2") for place in ("one", "other"))
    assert (one.status, one.passed, one.calls, one.questions) == (
        other.status,
        other.passed,
        other.calls,
        other.questions,
    )
    assert one.calls > 5  # it did not go straight through
    author, stranger = (ScriptedAuthor(task("s-bit-layout"), read_rates(rates), seed) for seed in "23")
    questions = [about(f"c{n}", "`bit_layout.py`", "the tests") for n in range(5)]
    assert all(author(body) != stranger(body) for body in questions)


@pytest.mark.parametrize(("rate", "low", "high"), [(0.0, 0, 0), (0.3, 40, 80), (1.0, 200, 200)])
def test_mistakes_are_as_frequent_as_stated_whatever_the_order(rate: float, low: int, high: int) -> None:
    known = task("s-bit-layout")
    questions = [about(f"c{n}", "`bit_layout.py`", "the code") for n in range(200)]
    ways = []
    for order in (questions, questions[::-1]):
        author = ScriptedAuthor(known, Rates(wrong=rate), "1")
        ways.append({body["messages"][1]["content"]: author(body) for body in order})
    assert ways[0] == ways[1]
    right = known.solution["bit_layout.py"].rstrip()
    assert low <= sum(right not in answer for answer in ways[0].values()) <= high


def test_the_same_question_is_drawn_anew_and_a_piece_of_an_answer_is_not() -> None:
    author = ScriptedAuthor(task("s-bit-layout"), Rates(wrong=0.5), "1")
    body = about("bit_layout", "`bit_layout.py`", "the code")
    goes_on = {"messages": [*body["messages"], {"role": "assistant", "content": "### bit"}]}
    answers = []
    for _ in range(20):
        answers.append(author(body))
        assert author(goes_on) == answers[-1]
    assert len(set(answers)) > 1


@given(st.lists(st.text(max_size=80), min_size=1, max_size=4), st.sampled_from(["", *shapes._STRUCTURES, "odd"]))
@settings(max_examples=50, deadline=None)
def test_what_it_does_not_know_is_counted_and_no_error(said: list[str], schema: str) -> None:
    before = len(AUTHOR.unanswered)
    roles = ["system", "user", "assistant", "user"]
    body: dict[str, Any] = {"messages": [{"role": r, "content": c} for r, c in zip(roles, said, strict=False)]}
    if schema:
        body["response_format"] = {"json_schema": {"name": schema}}
    assert AUTHOR(body) == NOTHING_TO_SAY
    assert len(AUTHOR.unanswered) == before + 1


AUTHOR = ScriptedAuthor(task("s-bit-layout"), Rates(), "1")


def test_its_bytes_have_a_price_that_is_nobody_elses() -> None:
    assert Prices.load(PRICES).of(MODEL)
    assert Prices.load().of(MODEL) is None


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("scripted", Rates()),
        ("scripted:", Rates()),
        ("scripted:wrong=0.3, mends=.5", Rates(wrong=0.3, mends=0.5)),
        (str(Rates(0.25, 1, 0, 0.5)), Rates(0.25, 1, 0, 0.5)),
    ],
)
def test_rates_are_read_from_a_name(text: str, rates: Rates) -> None:
    assert read_rates(text) == rates


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gpt-4o", "'gpt-4o' does not begin with 'scripted:'"),
        ("scripted:wong=1", "the rate 'wong' in 'scripted:wong=1' is not known; known rates are malformed, wrong"),
        ("scripted:wrong=1,wrong=0", "is given twice"),
        ("scripted:wrong", "is ''; it is a number from 0 to 1"),
        ("scripted:wrong=2", "the rate 'wrong' of the scripted author is 2; it is a share from 0 to 1"),
        ("scripted:wrong=nan", "is nan; it is a share"),
    ],
)
def test_rates_that_cannot_be_are_one_sentence(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_rates(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_task_without_a_solution_cannot_be_known() -> None:
    unknown = Task("t", "", "# T\n", {"test_a.py": "def test_a(): assert 1\n"}, {"test_a.py": "a"})
    with pytest.raises(UserError, match="has no solution in Python"):
        Known(unknown)
