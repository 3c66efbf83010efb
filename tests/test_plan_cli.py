"""``agent plan``: the size of the cut is shown with its figures, and merging what is cut too finely is one more word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphs import dag, document, run_graph
from graphs.values import Component, Contract, Plan, Requirement
from tests.conftest import Place
from tests.scripted_author import PLAN, SPEC, Author
from tests.stub_server import StubServer

WANTED = (Requirement("R1", "Whole numbers are read."), Requirement("R2", "The sum is printed."))


def part(name: str, *depends_on: str, covers: str = "R1", behaviour: str = "It does.\n") -> Component:
    path = f"{name}.py"
    return Component(
        name,
        f"Does {name}.",
        (path,),
        Contract({path: "def f() -> None: ...\n"}, behaviour),
        depends_on,
        tuple(covers.split()),
    )


FINE = Plan("fine", (part("read"), part("sum", "read", covers="R2"), part("cli", "read", "sum", covers="R2")), WANTED)
"""Three parts that one could hold."""
ONE = Plan("one", (part("all", covers="R1 R2"),), WANTED)
COARSE = Plan("coarse", (part("all", covers="R1 R2", behaviour="It does.\n" * 66),), WANTED)
RIGHT = Plan(
    "right",
    tuple(part(n, covers=r, behaviour="It does what it says.\n" * 60) for n, r in (("a", "R1"), ("b", "R2"))),
    WANTED,
)
OFFER = "offered: 1 component instead of 3: agent plan --fewer"

DESCRIBED = {
    "one": (ONE, ["one component: built as one, contract 2 lines"]),
    "a line": (
        Plan("t", (Component("d", "Data.", ("d.txt",), Contract(behaviour="It is.\n"), kind="data"),)),
        ["one component: built as one, contract 1 line"],
    ),
    "too coarse": (
        COARSE,
        [
            "one component: built as one, contract 67 lines",
            "component 'all' is cut too coarsely: its contract has 67 lines, a page 66",
        ],
    ),
    "right": (
        RIGHT,
        [
            "2 components, 0 dependencies, 1 deep, up to 2 at once, cohesion 1.00, coupling 0.00, longest contract 61 lines"
        ],
    ),
    "too fine": (
        FINE,
        [
            "3 components, 3 dependencies, 3 deep, up to 1 at once, cohesion 0.75, coupling 1.00, longest contract 2 lines",
            "the plan is cut too finely: the contracts of its 3 components have 90 characters together, "
            "and one component holds 1,800 with ease",
            OFFER,
        ],
    ),
}


@pytest.mark.parametrize(("plan", "lines"), DESCRIBED.values(), ids=DESCRIBED)
def test_a_plan_is_described_by_its_figures_and_what_they_say(plan: Plan, lines: list[str]) -> None:
    assert run_graph.describe(plan) == lines


def write(place: Place, plan: Plan, name: str = "plan.yaml") -> Path:
    path = place.work / name
    path.write_text(document.dump(plan))
    return path


def test_misfits_are_shown_and_nothing_is_written_by_a_check(place: Place) -> None:
    path = write(place, FINE)
    before = path.read_bytes()

    done = place.agent("plan", "--check", "plan.yaml")
    said = place.json("plan", "--check", "plan.yaml")

    assert (done.returncode, done.stderr, path.read_bytes()) == (0, "", before)
    assert done.stdout.splitlines()[-3:] == DESCRIBED["too fine"][1]
    assert said["misfits"] == dag.misfits(FINE)
    assert said["fewer"] == [["read", "sum", "cli"]]
    assert (said["figures"]["cohesion"], said["figures"]["coupling"]) == (0.75, 1.0)


def test_what_was_offered_is_done_without_asking_a_model(place: Place) -> None:
    write(place, FINE)

    done = place.agent("plan", "--fewer")

    assert done.returncode == 0, done
    merged = document.parse((place.work / "plan.yaml").read_text())
    (only,) = merged.components
    assert (only.id, merged.revision) == ("cli", 2)
    assert set(only.files) == {"read.py", "sum.py", "cli.py"}
    assert "one component: built as one" in done.stdout
    assert "agent run SPEC.md --plan plan.yaml" in done.stdout
    again = place.agent("plan", "--fewer")
    assert (again.returncode, again.stderr.startswith("nothing to merge")) == (0, True)
    assert document.parse((place.work / "plan.yaml").read_text()) == merged


def test_another_plan_and_another_place_can_be_named(place: Place) -> None:
    path = write(place, FINE, "mine.yaml")
    before = path.read_bytes()

    elsewhere = place.json("plan", "--check", "mine.yaml", "--fewer", "-o", "merged.yaml")
    untouched = path.read_bytes()
    in_place = place.agent("plan", "--check", "mine.yaml", "--fewer")

    assert [c["id"] for c in elsewhere["plan"]["components"]] == ["cli"]
    assert (elsewhere["misfits"], elsewhere["fewer"], untouched) == ([], None, before)
    assert in_place.returncode == 0
    assert path.read_bytes() == (place.work / "merged.yaml").read_bytes() != before
    assert not (place.work / "plan.yaml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a spec to plan for, or a plan to --check"),
        (["--fewer"], "the plan 'plan.yaml' cannot be read: No such file or directory"),
        (["--fewer", "--check", "broken.yaml"], "component 'a' depends on itself"),
    ],
)
def test_misuse_is_one_sentence(place: Place, words: list[str], said: str) -> None:
    write(place, Plan("t", (part("a", "a"),), WANTED[:1]), "broken.yaml")

    done = place.agent("plan", *words)

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def too_fine(step: str, component: str, count: int) -> str | None:
    """Answers with FINE, however often it is asked for a plan."""
    if step != "plan":
        return None
    text = document.dump(Plan(FINE.title, FINE.components))
    return f"```yaml\n{text}```\n"


def test_a_model_that_keeps_its_cut_is_asked_twice_and_its_plan_can_be_merged(place: Place) -> None:
    (place.work / "spec.md").write_text(SPEC.partition("```")[0])
    with StubServer(Author(instead=too_fine)) as stub:
        model = ["--model", "scripted", "--base-url", stub.url]
        kept = place.agent("plan", "spec.md", *model)
        requests = stub.requests
        told = stub.bodies[-1]["messages"][-1]["content"]
        merged = place.agent("plan", "spec.md", "--fewer", *model, "-o", "one.yaml")
    assert (kept.returncode, requests) == (0, 3), kept
    assert "the contracts of its 3 components have 90 characters together" in told
    assert OFFER in kept.stdout
    assert "agent run spec.md --plan plan.yaml" in kept.stdout
    assert merged.returncode == 0, merged
    assert len(document.parse((place.work / "one.yaml").read_text()).components) == 1
    assert len(document.parse((place.work / "plan.yaml").read_text()).components) == 3


def test_a_right_size_is_asked_for_once(place: Place) -> None:
    (place.work / "spec.md").write_text(SPEC)
    with StubServer(Author()) as stub:
        done = place.agent("plan", "spec.md", "--model", "scripted", "--base-url", stub.url, "--json")
        requests = stub.requests
    said = json.loads(done.stdout)
    assert (done.returncode, requests) == (0, 2), done
    assert (said["misfits"], said["fewer"]) == ([], None)
    assert said["plan"]["title"] == document.parse(PLAN).title


def test_one_component_is_built_as_one(place: Place) -> None:
    write(place, ONE)

    assert "one component: built as one" in place.agent("plan", "--check", "plan.yaml").stdout
