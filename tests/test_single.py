"""A bound on the components of a plan: one for the whole program, and never more than that, however a plan is cut anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.models.scripted import Scripted
from agent.prompts import Prompts
from agent.run import config_of
from agent.store.journal import SqliteJournal
from agent.strategies import open_strategy
from agent.workspace import GitRepository
from few_shot.exemplar import library
from graphs import dag, document, events
from graphs.errors import PlanError
from graphs.run_graph import Past
from graphs.values import Component, Limits, Spec
from tests.conftest import Place
from tests.scripted_author import CODE, PLAN, SPEC, TESTS, WRONG, Author, fenced
from tests.stub_server import StubServer
from tests.test_asking_replan import BRIEF, EVIDENCE, LATER, REVISE, SPLIT, scripted
from tests.test_asking_replan import FILES as OF_TOP
from tests.test_asking_replan import PLAN as FOUR
from tests.test_building import AfterRevision, decisions, revisions
from tests.test_run_cli import ASKS, at_a_terminal, editor
from tests.test_run_graph import CHAIN, Run, component, plan_of

COMMAND = CODE["command"].replace("tally.total import total", "tally.numbers import total")
NUMBERS = CODE["numbers"] + "\n\ndef total(text: str) -> int:\n    return sum(read(text))\n"
PROGRAM = {"tally/numbers.py": NUMBERS, "tally/label.py": CODE["label"], "tally/__main__.py": COMMAND}
"""The whole program, as the files of one component."""
ONE = '''title: tally
entry: python -m tally < /dev/null
components:
  - id: tally
    purpose: Add up numbers.
    kind: cli
    files: [tally/numbers.py, tally/label.py, tally/__main__.py]
    requirements: [R1, R2]
    contract:
      behaviour: |
        read gives the whole numbers of a text, one a line, in order; blank lines do not count. total is their sum, 0 when
        there are none. label puts a name before a number, with a colon and a blank between them. python -m tally reads
        standard input and prints the label "sum" and the sum.
      interface:
        tally/numbers.py: |
          def read(text: str) -> list[int]:
              """The numbers of text."""
              ...
          def total(text: str) -> int:
              """The sum of the numbers of text."""
              ...
        tally/label.py: |
          def label(name: str, number: int) -> str:
              """The name and the number."""
              ...
        tally/__main__.py: |
          def main() -> None:
              """Read, add up, print."""
              ...
      examples:
        - |
          >>> from tally.numbers import read
          >>> read("4")
          [4]
'''
ALL_TESTS = TESTS["numbers"] + "\n\n" + TESTS["label"] + "\n\n" + TESTS["command"]


def whole(step: str, component: str, count: int) -> str | None:
    """Answers as one component: a plan of four before the plan of one, and the label wrong before its repair."""
    if step == "plan":
        return f"```yaml\n{PLAN if count == 0 else ONE}```\n"
    if step == "tests":
        return fenced("tests/test_tally.py", ALL_TESTS)
    if step == "code":
        return "\n".join(fenced(p, s) for p, s in {**PROGRAM, "tally/label.py": WRONG["label"]}.items())
    if step == "repair":
        return fenced("tally/label.py", CODE["label"])
    return None


def bodies(run: Path, kind: str) -> list[Any]:
    with SqliteJournal.read(run) as journal:
        return [event.body for event in journal.events(kind=kind)]


@pytest.mark.usefixtures("bubblewrap")
def test_a_program_of_three_files_is_built_as_one_component(place: Place) -> None:
    (place.work / "spec.md").write_text(SPEC)
    with StubServer(Author(instead=whole)) as stub:
        model = ["--model", "scripted", "--base-url", stub.url, "-o", "out", "--yes", "--max-components", "1"]
        done = place.agent("run", "spec.md", *model, "--json", AGENT_MUTANTS="4")
        asked = stub.bodies
    said = json.loads(done.stdout)

    assert (done.returncode, said["status"]) == (0, "passed"), done
    (built,) = said["components"]
    assert {t["id"].partition("::")[0] for t in built["tests"]} == {"tests/test_tally.py", "tally.C1", "E1"}
    assert built["strength"]["total"] == 4
    assert {path: (place.output / path).read_text() for path in PROGRAM} == PROGRAM
    assert said["integration"] == "passed"

    requirements, first, second, *_ = (body["messages"] for body in asked)
    assert "one single component" not in requirements[0]["content"], "runs with and without the bound read the same"
    assert "This time the plan must be one single component" in first[0]["content"]
    assert "the plan has 4 components, but it may have only one; put all of them together" in second[-1]["content"]
    (run,) = place.runs()
    (shown,) = bodies(run, events.EXEMPLARS_CHOSEN)
    assert len(shown["names"]) == 3
    assert {e.size for e in library() if e.name in shown["names"]} == {1}
    assert config_of(run, place.state / "runs").settings.max_components == 1, "what a resume goes on with"
    (started,) = bodies(run, events.RUN_STARTED)
    assert started["limits"]["max_components"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["run", "spec.md", "--plan", "plan.yaml", "-o", "new"],
            "the plan has 4 components, and max_components lets it have 3; give one with fewer, or raise --max-components",
        ),
        (
            ["run", "spec.md", "-o", "out"],
            "/out' was built to has 4 components, and max_components lets it have 3; name",
        ),
        (
            ["plan", "--check", "plan.yaml"],
            "the plan has 4 components, but it may have only 3; put some of them together",
        ),
    ],
    ids=["given", "left by an earlier run", "checked"],
)
def test_a_plan_that_is_there_and_too_large_is_refused_in_one_sentence(
    place: Place, words: list[str], said: str
) -> None:
    (place.work / "spec.md").write_text(SPEC)
    (place.work / "plan.yaml").write_text(PLAN + "requirements: [{id: R1, text: A.}, {id: R2, text: B.}]\n")
    plan = document.parse((place.work / "plan.yaml").read_text())
    asyncio.run(GitRepository(place.output, "earlier").finish(plan, Spec("t", SPEC, "d"), {}, None))

    done = place.agent(*words, "--max-components", "3", "--sandbox", "none")

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert place.runs() == [], "nothing is left behind"


MORE = r"s/^\( *\)- id: numbers/\1- {id: more, purpose: P., kind: docs, files: [m.md], contract: {behaviour: B.}}\n&/"


def test_an_edit_at_the_terminal_keeps_to_the_bound(place: Place) -> None:
    with StubServer(Author()) as stub:
        terminal = at_a_terminal(place, stub, **editor(place, MORE), AGENT_MAX_COMPONENTS="4")
        terminal.read_until(ASKS)
        terminal.type("e\n")
        terminal.read_until("Edit again?")
        terminal.type("n\n")
        terminal.read_until(ASKS, 2)
        terminal.type("n\n")
        assert terminal.end() == 1, terminal.seen
    assert b"- the plan has 5 components, but it may have only 4; put some of them together" in terminal.seen


LONG = "t1\n" + "\n".join(f"# line {i}" for i in range(200))
"""Code long enough to be cut; of three tests it passes one."""


class Cutting(AfterRevision):
    """A run whose component ``a`` is too much for one answer, and how much room its cuts were told of."""

    def __init__(self, parts: int, **given: Any) -> None:
        script = {"a:code": [LONG], "a:repair": [LONG], "a:tests": ["t1 t2"]}
        super().__init__(script=script, parts={"a": tuple(component(f"p{n}") for n in range(parts))}, **given)
        self.rooms: list[int | None] = []
        split = self.strategy.split

        async def noted(*said: Any) -> tuple[Component, ...]:
            self.rooms.append(said[-1])
            return await split(*said)

        self.strategy.split = noted  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("most", "parts", "rooms", "then", "size"),
    [
        (None, 2, [None], ["split"], 5),
        (5, 2, [2], ["split"], 5),
        (5, 3, [2], ["split", "split failed", "respecify", "ask", "give up"], 3),
        (4, 2, [], ["respecify", "ask", "give up"], 3),
        (3, 2, [], ["respecify", "ask", "give up"], 3),
    ],
    ids=["no bound", "just room enough", "more than room", "room for one", "full"],
)
def test_a_full_plan_is_not_split_and_the_ladder_goes_on(
    most: int | None, parts: int, rooms: list[int | None], then: list[str], size: int
) -> None:
    run = Cutting(parts, limits=Limits(no_progress=1, max_components=most)).go()

    assert run.rooms == rooms
    assert [d for d in decisions(run, "a") if d in {*then, "split", "split failed"}] == then
    assert max(len(r["plan"]["components"]) for r in revisions(run)) == size


ALONE = plan_of(component("a"))


def test_a_program_of_one_component_stays_one() -> None:
    run = Cutting(2, plan=ALONE, limits=Limits(no_progress=1, max_components=1)).go()

    assert run.rooms == []
    assert {len(r["plan"]["components"]) for r in revisions(run)} == {1}


@pytest.mark.parametrize(
    "given",
    [{"given_plan": CHAIN}, {"past": Past(plan=CHAIN, approved=True)}, {"answers": [CHAIN], "plan": ALONE}],
    ids=["given", "left by an earlier run", "edited"],
)
def test_no_plan_with_more_is_built(given: dict[str, Any]) -> None:
    run = Run(**given, limits=Limits(max_components=2))

    with pytest.raises(PlanError, match="the plan has 3 components, but it may have only 2"):
        run.go()

    assert run.repository.commits == []


ADDED = REVISE.replace("edits:", "edits:\n  - edit: add\n    reason: More.\n    component: {id: new, purpose: P., kind: docs,"
                       " files: [n.md], contract: {behaviour: B.}}")  # fmt: skip


def bounded(answers: dict[str, list[str]], most: int | None, call: Callable[[Any], Any]) -> Scripted:
    """The model after a call of a strategy that may have so many components."""
    model = Scripted(answers)
    strategy = open_strategy("plain", lambda _: model, Prompts(), lambda _: [], max_components=most)
    asyncio.run(call(strategy))
    return model


def test_a_revision_that_leads_to_more_is_asked_for_again() -> None:
    def revise(strategy: Any) -> Any:
        return strategy.revise(FOUR, LATER, ["More."], 1)

    free = bounded({"revise": [ADDED]}, None, revise)
    full = bounded({"revise": [ADDED, REVISE]}, 4, revise)

    assert (len(free.asks), len(full.asks)) == (1, 2)
    assert "may have at most 4 components" in full.asks[0].messages[0].content
    assert "the plan has 5 components, but it may have only 4" in full.asks[1].messages[-1].content


def test_a_cut_makes_no_more_parts_than_there_is_room_for() -> None:
    three = (
        SPLIT.removesuffix("```\n")
        + "  - {id: top_x, purpose: P., kind: docs, files: [pkg/top_x.md], contract: {behaviour: B.}}\n```\n"
    )
    parts, models = scripted("split", {"split": [three, SPLIT]}, lambda s: s.split(BRIEF, 1, OF_TOP, EVIDENCE, 2))

    assert [p.id for p in parts] == ["top_lines", "top_more"]
    assert "- 3 parts are given; give 2\n" in models["plan"].asks[1].messages[-1].content
    assert len(scripted("split", {"split": [three]}, lambda s: s.split(BRIEF, 1, OF_TOP, EVIDENCE, 3))[0]) == 3


WIDE = plan_of(*(component(i, behaviour="word " * 600) for i in "ab"))
THICK = plan_of(*(component(i, behaviour="A line.\n" * 200) for i in "ab"))


def test_a_full_plan_is_never_called_too_coarse() -> None:
    assert dag.misfits(WIDE) == []
    assert len(dag.misfits(THICK)) == len(dag.misfits(THICK, 3)) == 2
    assert dag.misfits(THICK, 2) == []
    assert dag.misfits(CHAIN, 3) == dag.misfits(CHAIN) != []
