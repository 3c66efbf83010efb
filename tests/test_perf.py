"""The programs of ``benchmark/perf``: what they measure with is right. The figures themselves are for an idle machine."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.models.base import Ask
from agent.models.scripted import Scripted
from agent.prompts import Prompts
from agent.run import check_component
from agent.store.journal import SqliteJournal
from agent.strategies import open_strategy
from benchmark.perf import incremental, measure, recut, resume, scale, sums
from benchmark.perf.endpoint import serve
from graphs import dag, document, edits, events
from graphs.edits import Revision, Split
from graphs.ports import Strategy
from graphs.values import CaseResult, Component, Doubt, Plan, Spec, Verdict

ROOT = Path(__file__).parents[1]
SPEC = Spec("sums", "# sums\n\nPlease add numbers.\n", "0" * 64)


def programs() -> list[str]:
    return [p.stem for p in (ROOT / "benchmark/perf").glob("*.py") if "\ndef main()" in p.read_text("utf-8")]


def test_make_perf_runs_every_program_and_each_has_a_short_form() -> None:
    (line,) = re.findall(r"for program in ([\w ]+);", (ROOT / "Makefile").read_text("utf-8"))

    assert sorted(line.split()) == sorted(programs())
    for name in programs():
        source = (ROOT / "benchmark/perf" / f"{name}.py").read_text("utf-8")
        assert "arguments(__doc__)" in source or '"--quick"' in source, name


def test_a_figure_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    measure.report("n", 1.0, "s", target="<= 2", holds=True, baselines={"other": 3}, cases=[1])

    said = json.loads(capsys.readouterr().out)
    keys = ["name", "value", "unit", "target", "holds", "baselines", "machine", "cases"]
    assert list(said) == keys


# -- sums: a plan, and a model that builds it


def plain() -> Strategy:
    def said(ask: Ask) -> str:
        return sums.answer("\n".join(m.content for m in ask.messages), ask.temperature)

    return open_strategy("plain", lambda _role: Scripted(said), Prompts(), check_component)


def value_of(files: Sequence[dict[str, str]], component_id: str, given: int) -> int:
    """What the function of a component returns, with the files of those it imports."""
    space: dict[str, Any] = {}
    for tree in files:
        for text in tree.values():
            exec(re.sub(r"^from sums.*\n", "", text, flags=re.MULTILINE), space)
    return int(space[component_id](given))


def test_the_plan_is_sound_and_what_the_model_writes_for_it_is_right() -> None:
    plan = sums.sums_plan(9, 3)
    briefing, strategy = dag.Briefing(plan, SPEC), plain()
    written: list[dict[str, str]] = []

    assert dag.problems(plan, SPEC, check_component) == []
    for component_id in dag.topological(plan):
        component = plan.component(component_id)
        brief = briefing.brief(component)
        code, tests = asyncio.run(strategy.code(brief, 1)), asyncio.run(strategy.tests(brief, 1, {}, []))
        written.append(dict(code))
        (added,) = re.findall(r"value \+ (\d+)\.", component.contract.behaviour)
        assert value_of(written, component_id, 1) == 1 + int(added)
        assert f"assert {component_id}(10) == {10 + int(added)}\n" in tests[brief.test_path]
        assert dag.observed(plan, component, code, tests) == dag.Observed((), ())


def troubled(trouble: str) -> tuple[Plan, Component]:
    plan = sums.sums_plan(9, 3, (trouble,))
    return plan, plan.component("part_8")


def test_a_long_component_is_wrong_until_it_is_split() -> None:
    plan, component = troubled(sums.LONG)
    brief, strategy = dag.Briefing(plan, SPEC).brief(component), plain()
    first, second = (asyncio.run(strategy.code(brief, attempt)) for attempt in (1, 2))
    assert first != second
    assert len(first["sums/part_8.py"].splitlines()) > sums.LONG_LINES

    parts = asyncio.run(strategy.split(brief, 1, first, ["it is too much"]))
    after = edits.apply(plan, Revision((Split("part_8", parts),)), spec=SPEC, check_component=check_component)
    assembly = after.component("part_8")
    code = asyncio.run(strategy.code(dag.Briefing(after, SPEC).brief(assembly), 1))

    assert len(code["sums/part_8.py"].splitlines()) < sums.LONG_LINES
    assert dag.observed(after, assembly, code, {}) == dag.Observed((), ())


def test_an_unclear_component_is_read_in_two_ways_until_its_contract_is_written_anew() -> None:
    plan, component = troubled(sums.UNCLEAR)
    brief, strategy = dag.Briefing(plan, SPEC).brief(component), plain()
    first, second = (asyncio.run(strategy.code(brief, attempt))["sums/part_8.py"] for attempt in (1, 2))
    assert ("(value == 10)" in first, "(value == 1)" in second) == (True, True)

    clearer = asyncio.run(strategy.respecify(brief, 1, {}, ["it can be read in two ways"]))
    brief = dag.Briefing(edits.draft(plan, Revision((edits.Respecify(clearer),)))[0], SPEC).brief(clearer)

    assert "(value ==" not in asyncio.run(strategy.code(brief, 1))["sums/part_8.py"]


def test_a_misread_test_is_replaced_when_it_is_asked_about() -> None:
    plan, component = troubled(sums.MISREAD)
    brief, strategy = dag.Briefing(plan, SPEC).brief(component), plain()
    tests = asyncio.run(strategy.tests(brief, 1, {}, []))
    doubt = Doubt(f"{brief.test_path}::test_ten", "def test_ten(): ...", ("assert 1 == 2",))

    said = asyncio.run(strategy.amend(brief, 1, tests, [doubt]))

    right = asyncio.run(
        plain().tests(dag.Briefing(*calm(component)).brief(calm(component)[0].component("part_8")), 1, {}, [])
    )
    assert said.replaced[doubt.id] in right[brief.test_path]
    assert said.replaced[doubt.id] not in tests[brief.test_path]


def calm(component: Component) -> tuple[Plan, Spec]:
    """The same component without its trouble, alone."""
    contract = replace(component.contract, behaviour=component.contract.behaviour.replace(sums.MISREAD, ""))
    return Plan(
        "sums", (replace(component, contract=contract, depends_on=()),), sums.sums_plan(9, 3).requirements
    ), SPEC


def test_an_open_component_waits_for_the_users_answer() -> None:
    plan, component = troubled(sums.OPEN)
    strategy = plain()

    def code(behaviour: str) -> str:
        changed = replace(component, contract=replace(component.contract, behaviour=behaviour))
        brief = replace(dag.Briefing(plan, SPEC).brief(component), component=changed)
        return asyncio.run(strategy.code(brief, 1))["sums/part_8.py"]

    assert "+ 1000" in code(component.contract.behaviour)
    assert "+ 1000" not in code(f"{component.contract.behaviour}\nAnswer: Add the number.\n")


def test_the_endpoint_remembers_what_was_asked_and_tells_the_same_words_apart_by_temperature() -> None:
    def ask(url: str, temperature: float) -> str:
        body = {"messages": [{"role": "user", "content": "# Your task now: the code"}], "temperature": temperature}
        request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode())
        return urllib.request.urlopen(request).read().decode()

    with serve(lambda prompt, temperature: f"at {temperature}", lambda: 0.0) as (url, log):
        answers = [ask(url, t) for t in (0.0, 1.0, 1.0)]

    assert ["at 0.0" in answers[0], "at 1.0" in answers[1]] == [True, True]
    first, second, third = (served.question for served in log.served)
    assert (first != second, second == third) == (True, True)
    assert log.tasks(2) == ["the code"]


# -- resume and incremental


def test_what_a_kill_cut_off_and_what_was_paid_again() -> None:
    calls = [("a", "code", "started"), ("b", "tests", "started"), ("a", "code", "done"), ("c", "split", "started")]
    assert resume._in_flight(calls) == ["tests", "split"]
    assert resume._paid_again(calls) == 0
    assert resume._paid_again([*calls, ("b", "tests", "started"), ("a", "code", "started")]) == 1


@pytest.mark.parametrize("count", [incremental.QUICK_COMPONENTS, incremental.COMPONENTS])
def test_the_changes_are_such_that_dependents_must_be_built_and_others_only_proven_again(count: int) -> None:
    plan = sums.sums_plan(count, incremental.LAYERS)
    chosen = incremental.chosen(plan, 4)
    assert len(set(chosen)) == 4
    for component_id in chosen:
        assert incremental.direct(plan, component_id)
        assert set(dag.descendants(plan, component_id)) > set(incremental.direct(plan, component_id))

    after = sums.adding(plan, chosen[0], 7)
    stale = dag.difference(plan, SPEC, after, SPEC).changed
    assert set(stale) == {chosen[0], *incremental.direct(plan, chosen[0])}
    said = document.parse_revision(document.dump_revision(incremental.changed_spec(plan, chosen[1]), plan), plan)
    wider = edits.apply(plan, said, spec=replace(SPEC, text=f"{SPEC.text}\n{incremental.WISH}.\n"))
    assert set(dag.difference(plan, SPEC, wider, SPEC).changed) == {chosen[1], *incremental.direct(plan, chosen[1])}


# -- scale


def test_scale_builds_every_component_and_its_code_has_the_edges_it_declares(tmp_path: Path) -> None:
    plan = scale.plan_of(30)
    with SqliteJournal.create(tmp_path / "run") as journal:
        asyncio.run(scale.build(plan, journal))
        kinds = [head.kind for head in journal.heads()]

    assert kinds.count(events.COMPONENT_PASSED) == 30
    assert events.PLAN_REVISED not in kinds


# -- recut


def test_the_same_seed_gives_the_same_result_and_no_arm_spends_more_than_the_ceiling() -> None:
    case = recut.Case(budget=2.5)
    for seed in (1, 5):
        results = recut.run_all(case, seed)
        assert results == recut.run_all(case, seed)
        ceiling = case.budget * recut.least(recut.task(seed, case.size))
        for result in results.values():
            assert result.tokens <= ceiling
            assert result.solved <= result.proven <= 1
            assert (result.whole == 1) == (result.solved == 1)


def test_a_model_that_makes_no_mistake_solves_everything_at_the_least_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recut, "WRONG_TEST", 0.0)
    monkeypatch.setattr(recut, "UNCLEAR", 0.0)
    monkeypatch.setitem(recut.SKILLS, "middle", recut.Skill(0.0, 0.0))
    for result in recut.run_all(recut.Case(budget=1.0), 3).values():
        assert (result.solved, result.whole, result.decisions) == (1, 1, {})
        assert result.tokens == recut.least(recut.task(3, 3.5))


def test_what_is_too_much_at_once_is_solved_by_the_ladder_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recut, "WRONG_TEST", 0.0)
    monkeypatch.setattr(recut, "UNCLEAR", 0.0)
    monkeypatch.setitem(recut.SKILLS, "middle", recut.Skill(0.0, 0.0))
    monkeypatch.setattr(recut.World, "_right", lambda self, size: 1.0 if size <= 15 else 0.5)
    results = recut.run_all(recut.Case(budget=100.0), 3)  # components of 37, 14 and 18 behaviours

    assert results["ladder"].solved == 1
    assert results["ladder"].decisions["split"] == 2
    assert [results[arm].solved for arm in ("static", "retry", "restart")] == [0, 0, 0]


def test_a_wrong_test_is_bent_to_by_repairs_and_amended_by_the_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recut, "WRONG_TEST", 0.1)
    monkeypatch.setattr(recut, "UNCLEAR", 0.0)
    monkeypatch.setattr(recut, "JUDGES", 1.0)
    monkeypatch.setitem(recut.SKILLS, "middle", recut.Skill(0.0, 0.0))
    results = recut.run_all(recut.Case(budget=50.0, size=1.0), 3)

    assert results["ladder"].solved == 1
    assert results["static"].solved < 1
    assert results["ladder"].decisions["question the test"] > 0


def test_an_assembly_does_what_its_parts_do_when_they_are_wired_in() -> None:
    tree = {
        "a.py": "# a_p0@x,y right\n# a_p1@z wrong1\n",
        "a_p0.py": "# x right\n# y other\n",
        "a_p1.py": "# z right\n",
    }
    assert [recut.does(tree, "a", name) for name in ("x", "y", "z", "w")] == ["right", "other", "wrong1", "nothing"]
    tree["a.py"] += "# y right\n"
    assert recut.does(tree, "a", "y") == "right"


def test_an_interval_holds_its_mean_and_is_as_wide_as_the_values_differ() -> None:
    assert recut.interval([2.0] * 30) == {"mean": 2.0, "low": 2.0, "high": 2.0}
    found = recut.interval([0.0, 1.0] * 100)
    assert found["low"] < found["mean"] == 0.5 < found["high"]
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * 0.5 / 200**0.5, rel=0.15)


def test_a_test_in_the_simulation_fails_as_the_evidence_expects_it() -> None:
    world = recut.World(recut.SKILLS["middle"], 1, 1e9)
    plan = recut.task(0, 1.0)
    brief = dag.Briefing(plan, SPEC).brief(plan.components[0])
    (name, *_) = recut.said(brief.component.contract.behaviour)
    tree = {brief.component.files[0]: f"# {name} other\n"}

    verdict = asyncio.run(world.prove(brief, tree, {brief.test_path: f"# {name} right\n"}, [name]))

    assert verdict == Verdict("failed", (CaseResult(name, "failed", "E  other"),), "tests fail")
