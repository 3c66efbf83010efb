"""The phases of a run: the real LangGraph and the real scheduler, with ports that follow a script."""

from __future__ import annotations

import asyncio
from collections import deque
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from agent.spec import with_feedback
from graphs import dag, events, run_graph
from graphs.errors import LimitReached, PlanError
from graphs.run_graph import Past
from graphs.values import Component, Contract, Limits, Plan, Proof, Requirement, Spec, Verdict, from_json
from tests.scripted_ports import (
    DeepPurse,
    MemoryJournal,
    MemoryRepository,
    ScriptedChecker,
    ScriptedHuman,
    ScriptedStrategy,
)

SPEC = Spec("t", "text", "digest of the spec")


def component(component_id: str, *depends_on: str, behaviour: str = "It does.\n") -> Component:
    path = f"{component_id}.py"
    return Component(component_id, "Does it.", (path,), Contract({path: "x: int\n"}, behaviour), depends_on, ("R1",))


def plan_of(*components: Component) -> Plan:
    return Plan("t", components, (Requirement("R1", "It works."),), spec_digest=SPEC.digest)


CHAIN = plan_of(component("a"), component("b", "a"), component("c", "b"))


class Run:
    """One pass through the run graph and everything it touched."""

    def __init__(self, past: Past | None = None, plan: Plan | None = CHAIN, **given: Any) -> None:
        names = ("amendments", "respecified", "parts", "revisions")
        spoken = {name: given.pop(name) for name in names if name in given}
        self.strategy = ScriptedStrategy(given.pop("script", {}), plan, **spoken)
        self.checker = ScriptedChecker(whole=given.pop("whole", "passed"), wholes=deque(given.pop("wholes", [])))
        self.journal = MemoryJournal()
        self.human = ScriptedHuman(
            deque(given.pop("answers", [True])),
            replies=deque(given.pop("replies", [])),
            feedback=deque(given.pop("feedback", [])),
        )
        self.purse = DeepPurse()
        self.repository = MemoryRepository()
        self.state: Any = None
        self.context = run_graph.Context(
            spec=SPEC,
            given_plan=given.pop("given_plan", None),
            past=deepcopy(past) or Past(),  # it learns while the run goes on
            strategy=self.strategy,
            checker=self.checker,
            journal=self.journal,
            human=self.human,
            purse=self.purse,
            repository=self.repository,
            choose_exemplars=lambda _: run_graph.Exemplars(("e1",), ("text",), ("alike",)),
            with_feedback=with_feedback,
            check_component=given.pop("check_component", lambda _: []),
            limits=given.pop("limits", Limits(no_progress=1, rungs=())),
            parallel=given.pop("parallel", None),
        )

    def go(self) -> Run:
        self.state = asyncio.run(run_graph.run(self.context))
        return self

    def proofs(self) -> dict[str, Proof]:
        found = {i: from_json(Proof, p) for i, p in self.state["proofs"].items()}
        assert all(i == proof.component for i, proof in found.items())
        return found

    def past(self, **changes: Any) -> Past:
        """What a journal would hold after this run."""
        passed = {p.key: p for p in self.proofs().values() if p.status == "passed"}
        known = Past(
            plan=CHAIN,
            approved=True,
            proofs=passed,
            passed=set(passed),
            verdict=from_json(Verdict, self.state["verdict"]) if self.state["verdict"] else None,
            summed=next((b for b in reversed(self.journal.bodies(events.PROOF_SUMMED))), {}),
        )
        return replace(known, **changes)


PHASES = [
    events.REQUIREMENTS_READ,
    events.EXEMPLARS_CHOSEN,
    events.PLAN_REVISED,
    events.PLAN_APPROVED,
    events.COMPONENT_PASSED,
    events.INTEGRATION_STARTED,
    events.INTEGRATION_FINISHED,
]


def test_the_phases_follow_each_other_and_every_component_is_committed_in_order() -> None:
    run = Run().go()

    assert [k for k in dict.fromkeys(run.journal.kinds()) if k in PHASES] == PHASES
    assert run.strategy.asked[:2] == ["requirements", "plan"]
    assert run.repository.commits == ["a", "b", "c"]
    assert [b["commit"] for b in run.journal.bodies(events.COMMITTED)] == ["commit 1", "commit 2", "commit 3"]
    assert set(run.proofs()) == {"a", "b", "c"}
    assert run.state["verdict"]["status"] == "passed"
    assert run.state["commit"] == "commit of the end"
    assert run.repository.finished[0][0] == run.proofs()
    assert run.human.shown == [(CHAIN, run_graph.describe(CHAIN))]
    trees = {who: set(tree) for who, tree, _, _ in run.checker.proved}
    assert trees == {"a": {"a.py"}, "b": {"a.py", "b.py"}, "c": {"a.py", "b.py", "c.py"}}


def test_what_the_journal_holds_is_not_asked_built_tested_or_told_again() -> None:
    first = Run().go()

    again = Run(first.past(), plan=None, answers=[]).go()

    assert again.strategy.asked == []
    assert again.checker.proved == []
    assert again.checker.integrated == 0
    assert again.journal.events == []
    assert again.proofs() == first.proofs()
    assert again.repository.commits == ["a", "b", "c"], "the repository is asked again: it alone knows what it has"
    assert again.state["verdict"] == first.state["verdict"]


@pytest.mark.parametrize("proven", [0, 1, 2])
def test_a_run_goes_on_where_it_was_cut_off(proven: int) -> None:
    first = Run().go()
    there = "abc"[:proven]
    kept = {key: p for key, p in first.past().proofs.items() if p.component in there}

    again = Run(first.past(proofs=kept, passed=set(kept), verdict=None), plan=None, answers=[]).go()

    assert sorted({a.split(":")[0] for a in again.strategy.asked}) == sorted("abc"[proven:])
    assert again.proofs() == first.proofs()
    assert again.checker.integrated == 1


def test_requirements_read_by_an_earlier_process_are_taken() -> None:
    run = Run(Past(requirements=CHAIN.requirements)).go()

    assert run.strategy.asked[0] == "plan"
    assert run.state["requirements"][0]["id"] == "R1"


def test_a_plan_that_the_user_brings_is_built_and_belongs_to_this_spec() -> None:
    run = Run(given_plan=replace(CHAIN, spec_digest="of another")).go()

    assert not {"plan", "requirements"} & set(run.strategy.asked)
    (revised,) = run.journal.bodies(events.PLAN_REVISED)
    assert revised["author"] == "user"
    assert revised["plan"]["spec_digest"] == SPEC.digest  # type: ignore[index]
    assert run.state["verdict"]["status"] == "passed"


CYCLE = plan_of(component("a", "b"), component("b", "a"))


@pytest.mark.parametrize(
    "given",
    [
        {"given_plan": CYCLE},
        {"past": Past(plan=CYCLE, approved=True)},
        {"answers": [CYCLE]},
        {"given_plan": CHAIN, "check_component": lambda c: ["is not wanted"]},
    ],
    ids=["given", "left by an earlier run", "edited", "rule from outside"],
)
def test_nothing_is_built_from_an_unsound_plan(given: dict[str, Any]) -> None:
    run = Run(**given)

    with pytest.raises(PlanError) as caught:
        run.go()

    assert "cycle" in str(caught.value) or "is not wanted" in str(caught.value)
    assert events.PLAN_APPROVED not in run.journal.kinds()
    assert run.repository.commits == []


def test_a_plan_that_is_declined_builds_nothing() -> None:
    run = Run(answers=[None]).go()

    assert run.state["approved"] is False
    assert run.strategy.asked == ["requirements", "plan"]
    assert events.PLAN_APPROVED not in run.journal.kinds()
    assert run.repository.commits == []
    assert run.repository.finished == []


def test_a_plan_that_is_edited_is_the_one_that_is_built() -> None:
    edited = replace(plan_of(component("z")), revision=2)

    run = Run(answers=[edited]).go()

    assert [(e.revision, e.body["author"]) for e in run.journal.events if e.kind == events.PLAN_REVISED] == [
        (1, "model"),
        (2, "user"),
    ]
    assert set(run.proofs()) == {"z"}
    assert {e.revision for e in run.journal.events if e.component} == {2}


def test_one_failing_component_blocks_what_stands_on_it_and_nothing_else() -> None:
    plan = plan_of(component("a"), component("b", "a"), component("c", "b"), component("x"), component("y", "x"))

    run = Run(plan=plan, script={"a:code": ["t1"], "a:repair": ["t1"]}).go()

    assert run.state["blocked"] == {"b": "a", "c": "a"}
    assert {i: p.status for i, p in run.proofs().items()} == {"a": "failed", "x": "passed", "y": "passed"}
    assert sorted(run.repository.commits) == ["x", "y"]
    assert run.state["verdict"] is None
    assert run.checker.integrated == 0
    assert set(run.repository.finished[0][0]) == {"a", "x", "y"}


def test_a_ceiling_ends_the_run_and_leaves_what_is_proven_committed() -> None:
    run = Run(script={"b:code": [LimitReached("usd", "no money")]})

    with pytest.raises(LimitReached, match="no money"):
        run.go()

    assert run.repository.commits == ["a"]
    assert events.COMPONENT_PASSED in run.journal.kinds("a")


def test_an_assembled_repository_that_fails_is_told_and_delivered() -> None:
    run = Run(whole="failed").go()

    assert run.state["verdict"]["status"] == "failed"
    assert run.repository.finished[0][1] == from_json(Verdict, run.state["verdict"])


def test_proofs_of_an_earlier_run_are_kept_told_and_committed_once() -> None:
    first = Run().go()

    second = Run(first.past(plan=None, approved=False, passed=set(), verdict=None)).go()

    assert second.journal.kinds().count(events.COMPONENT_KEPT) == 3
    assert second.repository.commits == ["a", "b", "c"]
    assert second.checker.proved == []
    assert second.checker.integrated == 1
    assert second.proofs() == first.proofs()


def earlier(first: Run) -> Past:
    return first.past(plan=None, approved=False, passed=set(), verdict=None)


def test_what_stands_on_a_rebuilt_component_is_proven_again_without_asking() -> None:
    changed = plan_of(replace(CHAIN.components[0], purpose="Does it otherwise."), *CHAIN.components[1:])

    run = Run(earlier(Run().go()), plan=changed, script={"a:code": ["t1 t2 t3"]}).go()

    assert {a.split(":")[0] for a in run.strategy.asked} == {"requirements", "plan", "a"}
    assert [(who, tree["a.py"]) for who, tree, _, _ in run.checker.proved] == [(i, "t1 t2 t3") for i in "abc"]
    assert [b["decision"] for b in run.journal.bodies(events.COMPONENT_DECISION)] == ["keep", "keep"]
    assert run.repository.commits == ["a", "b", "c"]


def test_what_no_longer_passes_on_new_ground_is_built_anew() -> None:
    changed = plan_of(replace(CHAIN.components[0], purpose="Does it otherwise."), *CHAIN.components[1:])
    first = Run().go()
    proofs = {k: replace(p, files={"b.py": "t1"}) if p.component == "b" else p for k, p in first.past().proofs.items()}

    run = Run(replace(earlier(first), proofs=proofs), plan=changed).go()

    assert {a.split(":")[0] for a in run.strategy.asked} == {"requirements", "plan", "a", "b"}
    assert [b["decision"] for b in run.journal.bodies(events.COMPONENT_DECISION)] == ["build anew", "keep"]


def test_a_changed_contract_rebuilds_the_component_and_its_direct_dependents() -> None:
    changed = plan_of(component("a", behaviour="It does otherwise.\n"), *CHAIN.components[1:])

    run = Run(earlier(Run().go()), plan=changed).go()

    assert {a.split(":")[0] for a in run.strategy.asked} == {"requirements", "plan", "a", "b"}


def test_a_failed_proof_of_the_past_proves_nothing() -> None:
    key = dag.Briefing(CHAIN, SPEC).brief(CHAIN.components[0]).key

    run = Run(Past(proofs={key: Proof("a", key, "failed", reason="no")})).go()

    assert "a:code:1" in run.strategy.asked
    assert run.proofs()["a"].status == "passed"


def test_the_compiled_phases_are_one_and_keep_nothing() -> None:
    assert run_graph.run_graph() is run_graph.run_graph()
    assert run_graph.run_graph().checkpointer is None
