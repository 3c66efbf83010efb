"""A plan that is cut anew while it is built: the real graphs and scheduler, with ports that follow a script."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import pytest

from graphs import dag, document, events
from graphs.edits import Add, Drop, Respecify, Revision
from graphs.errors import AnswerError, LimitReached, ModelError, UserError
from graphs.evidence import Tried
from graphs.run_graph import Past
from graphs.run_state import fold
from graphs.values import (
    CaseResult,
    Contract,
    Example,
    Feedback,
    Limits,
    Step,
    Verdict,
    from_json,
)
from tests.test_run_graph import CHAIN, SPEC, Run, component, plan_of

LONG = "\n".join(f"# line {i}" for i in range(200))
"""Code long enough to be cut."""
LADDER = Limits(no_progress=1)
CLEARER = replace(CHAIN.components[0], contract=Contract({"a.py": "x: int\n"}, "It does so.\n"))


def revisions(run: Run) -> list[dict[str, Any]]:
    return run.journal.bodies(events.PLAN_REVISED)


def decisions(run: Run, component_id: str) -> list[object]:
    return [
        e.body["decision"]
        for e in run.journal.events
        if e.kind == events.COMPONENT_DECISION and e.component == component_id
    ]


def failing_until(what: str, then: str = "t1 t2") -> dict[str, list[str]]:
    """``a`` fails with its first program, its repair and a fresh one; the next program says ``then``."""
    return {"a:code": [what, what, then], "a:repair": [what]}


class AfterRevision(Run):
    """A run whose component ``a`` is written well once the plan was cut anew."""

    def go(self) -> Run:
        code = self.strategy.code

        async def better(brief: Any, attempt: int) -> Any:
            if brief.component.id == "a" and (
                brief.component.contract != CHAIN.components[0].contract or brief.neighbours
            ):
                return {"a.py": "t1 t2"}
            return await code(brief, attempt)

        self.strategy.code = better  # type: ignore[method-assign]
        return super().go()


def test_a_contract_that_nobody_can_meet_is_respecified_and_dependents_are_built_on_the_new_one() -> None:
    run = AfterRevision(script={"a:code": ["t1"], "a:repair": ["t1"]}, respecified={"a": CLEARER}, limits=LADDER).go()

    assert {i: p.status for i, p in run.proofs().items()} == dict.fromkeys("abc", "passed")
    first, second = revisions(run)[:2]
    assert (first["author"], second["author"]) == ("model", "evidence")
    assert [e["kind"] for e in second["edits"]] == ["respecify"]
    assert second["stale"] == ["a", "b"], "c stands on the contract of b, which is unchanged"
    assert run.repository.commits == ["a", "b", "c"]
    assert run.proofs()["a"].key == dag.keys(plan_of(CLEARER, *CHAIN.components[1:]), SPEC)["a"]
    assert decisions(run, "a") == ["repair", "fresh candidate", "question the test", "stop", "respecify"]


def test_a_large_component_is_split_and_becomes_the_assembly_of_its_parts_with_its_tests_kept() -> None:
    parts = (component("p1"), component("p2"))
    big = f"t1\n{LONG}"
    script = {"a:code": [big], "a:repair": [big], "a:tests": ["t1 t2"], "p1:tests": ["t5"], "p1:code": ["t5"]}

    run = AfterRevision(script=script, parts={"a": parts}, limits=LADDER).go()

    assert {i: p.status for i, p in run.proofs().items()} == dict.fromkeys(["a", "b", "c", "p1", "p2"], "passed")
    assert run.strategy.asked.count("a:tests:1") == 1, "the tests of the assembly are those it had"
    assert run.proofs()["a"].test_ids == ("t1", "t2")
    (second,) = [r for r in revisions(run) if r["author"] == "evidence" and r["edits"]][:1]
    assert (second["added"], second["stale"], second["edits"][0]["parts"]) == (["p1", "p2"], ["a"], ["p1", "p2"])
    assert run.repository.commits.index("a") > max(run.repository.commits.index(p) for p in ("p1", "p2"))
    trees = {who: set(tree) for who, tree, _, _ in run.checker.proved}
    assert trees["a"] >= {"a.py", "p1.py", "p2.py"}
    assert second["tried"]["p1"]["weight"] == pytest.approx(1 / 3), "a split divides its parent's share"


def test_a_contract_made_clearer_in_vain_is_followed_by_a_split_and_then_by_the_question() -> None:
    big = f"t1\n{LONG}"
    run = Run(
        script={"a:code": [big], "a:repair": [big]},
        respecified={"a": CLEARER},
        parts={"a": AnswerError(["no cut is known"])},
        limits=LADDER,
    ).go()

    assert run.proofs()["a"].status == "failed"
    assert run.state["blocked"] == {"b": "a", "c": "a"}
    told = decisions(run, "a")
    assert [d for d in told if d in ("split", "split failed", "respecify", "ask", "give up")] == [
        "split",
        "split failed",
        "respecify",
        "split",
        "split failed",
        "ask",
        "give up",
    ]


def test_without_anybody_there_the_question_is_written_down_and_the_component_fails() -> None:
    run = Run(script={"a:code": ["t1"], "a:repair": ["t1"]}, limits=LADDER).go()

    (asked,) = run.journal.bodies(events.QUESTION_ASKED)
    assert (asked["id"], asked["asked"], asked["key"]) == ("Q1", False, dag.keys(CHAIN, SPEC)["a"])
    assert "'a'" in str(asked["text"])
    assert run.proofs()["a"].status == "failed"
    assert not run.journal.bodies(events.QUESTION_ANSWERED)


def test_an_answer_goes_into_the_contract_and_independent_work_goes_on_meanwhile() -> None:
    plan = plan_of(*CHAIN.components, component("x"))
    script = {"a:code": ["t1"], "a:repair": ["t1"]}

    run = AfterRevision(plan=plan, script=script, replies=["It should be 7."], limits=LADDER, parallel=1).go()

    assert {p.status for p in run.proofs().values()} == {"passed"}
    assert run.journal.bodies(events.QUESTION_ANSWERED) == [{"id": "Q1", "answer": "It should be 7."}]
    behaviour = next(c for c in revisions(run)[1]["plan"]["components"] if c["id"] == "a")["contract"]["behaviour"]
    assert "Answer: It should be 7." in behaviour


def test_an_answer_given_later_is_taken_when_the_run_goes_on() -> None:
    first = Run(script={"a:code": ["t1"], "a:repair": ["t1"]}, limits=LADDER).go()
    key = dag.keys(CHAIN, SPEC)["a"]
    past = Past(plan=CHAIN, approved=True, questions={key: "Q1"}, answers={"Q1": "It should be 7."})

    run = AfterRevision(past, script={"a:code": ["t1"], "a:repair": ["t1"]}, limits=LADDER).go()

    assert first.proofs()["a"].status == "failed"
    assert {p.status for p in run.proofs().values()} == {"passed"}
    assert not run.journal.bodies(events.QUESTION_ASKED)


def test_an_empty_purse_stops_the_ladder() -> None:
    run = Run(script={"a:code": ["t1"], "a:repair": ["t1"]}, respecified={"a": CLEARER}, limits=LADDER)
    run.purse.empty_for = frozenset("a")
    run.go()

    assert "a:respecify:1" not in run.strategy.asked
    assert run.purse.shares["a"] == 1.0, "asked once more when it alone was left"


def test_what_others_left_is_shared_anew_among_those_that_stopped_for_want_of_it() -> None:
    plan = plan_of(*CHAIN.components, component("x"))
    run = AfterRevision(
        plan=plan, script={"a:code": ["t1"], "a:repair": ["t1"]}, respecified={"a": CLEARER}, limits=LADDER
    )
    run.purse.least = 0.5  # of four claims each is 0.25, and with x proven 0.33; alone it is 1
    run.go()

    assert {p.status for p in run.proofs().values()} == {"passed"}
    assert "once more" in decisions(run, "a")
    assert run.state["blocked"] == {}


def test_a_ceiling_met_while_the_rest_is_shared_leaves_what_is_proven_and_delivers_it() -> None:
    plan = plan_of(*CHAIN.components, component("x"))
    refusal = LimitReached("usd", "no money")
    run = Run(plan=plan, script={"a:code": ["t1"], "a:repair": ["t1"]}, respecified={"a": refusal}, limits=LADDER)
    run.purse.least = 0.5
    run.go()

    assert {i: p.status for i, p in run.proofs().items()} == {"a": "failed", "x": "passed"}
    assert run.state["blocked"] == {"b": "a", "c": "a"}
    assert run.state["commit"] == "commit of the end"
    assert decisions(run, "a")[-1] == "give up"


def importing(*modules: str) -> str:
    return "".join(f"import {m}\n" for m in modules) + "t = 't1 t2'  # t1 t2\n"


def test_an_import_of_what_it_does_not_stand_on_becomes_an_edge() -> None:
    plan = plan_of(component("a"), component("b"))
    script = {"a:code": [importing("b"), importing("b")], "b:code": ["t1 t2"]}

    class Importing(Run):
        def go(self) -> Run:
            prove = self.checker.prove

            async def honest(brief: Any, tree: Any, tests: Any, ids: Any) -> Verdict:
                if brief.component.id == "a" and "b.py" not in tree:
                    return Verdict("error", tuple(CaseResult(i, "error", "No module named 'b'") for i in ids))
                return await prove(brief, tree, tests, ids)

            self.checker.prove = honest  # type: ignore[method-assign]
            return super().go()

    run = Importing(plan=plan, script=script, limits=LADDER).go()

    assert {p.status for p in run.proofs().values()} == {"passed"}
    assert from_json(dict, revisions(run)[-1])["edits"][0] == {
        "kind": "rewire",
        "component": "a",
        "depends_on": ["b"],
        "reason": "its code uses b",
        "evidence": [],
    }


def test_edges_that_the_code_does_not_have_are_dropped_and_proofs_hold_on() -> None:
    plan = plan_of(component("a"), component("b", "a"), component("c", "a", "b"))
    script = {"a:code": [importing()], "b:code": [importing()], "c:code": [importing("a")]}
    script |= {f"{i}:tests": ["t1"] for i in "abc"}

    run = Run(plan=plan, script=script, limits=LADDER).go()

    after = run.state["plan"]
    assert {c["id"]: c["depends_on"] for c in after["components"]} == {"a": [], "b": [], "c": ["a"]}
    last = revisions(run)[-1]
    assert (last["stale"], sorted(last["proofs"])) == ([], ["b", "c"])
    made = plan_of(component("a"), component("b"), component("c", "a"))
    assert {i: p.key for i, p in run.proofs().items()} == dag.keys(made, SPEC)
    assert [who for who, _, _, _ in run.checker.proved] == ["a", "b", "c", "b", "c"], "proven on what is left"


def test_an_edge_that_is_needed_after_all_stays() -> None:
    plan = plan_of(component("a"), component("b", "a"))

    class Needing(Run):
        def go(self) -> Run:
            prove = self.checker.prove

            async def needs_a(brief: Any, tree: Any, tests: Any, ids: Any) -> Verdict:
                if brief.component.id == "b" and "a.py" not in tree:
                    return Verdict("failed", tuple(CaseResult(i, "failed", "no a") for i in ids))
                return await prove(brief, tree, tests, ids)

            self.checker.prove = needs_a  # type: ignore[method-assign]
            return super().go()

    script = {"a:code": [importing()], "b:code": [importing()], "b:tests": ["t1"]}
    run = Needing(plan=plan, script=script, limits=LADDER).go()

    assert len(revisions(run)) == 1
    assert run.proofs()["b"].status == "passed"
    assert "leave the edges" in decisions(run, "b")


def whole(**outcomes: str) -> Verdict:
    """Of the assembled repository: test id (``file__name``) → message, empty when it passed."""
    cases = tuple(CaseResult(i, "failed" if m else "passed", m) for i, m in outcomes.items())
    return Verdict("failed" if any(outcomes.values()) else "passed", cases, "it fails")


def test_only_the_component_that_the_traceback_leads_to_goes_back_to_work() -> None:
    failed = whole(E1='File "/x/b.py", line 3\nE  assert 1 == 2', t1="")
    run = Run(wholes=[failed, failed, whole(E1="", t1="")], script={"b:repair": ["t1 t2 better"]}, limits=LADDER).go()

    assert run.state["verdict"]["status"] == "passed"
    assert run.proofs()["b"].files == {"b.py": "t1 t2 better"}
    assert [a for a in run.strategy.asked if "repair" in a] == ["b:repair:1"]
    assert run.repository.commits == ["a", "b", "c", "b"]
    assert "back to work" in decisions(run, "b")


def test_when_no_code_mends_the_whole_the_contract_is_respecified() -> None:
    failed = whole(E1='File "/x/a.py", line 3\nE  assert 1 == 2', t1="")
    run = Run(wholes=[failed] * 3, respecified={"a": CLEARER}, limits=LADDER).go()

    assert run.state["verdict"]["status"] == "passed"
    assert [r["author"] for r in revisions(run)] == ["model", "evidence"]
    assert "respecify" in decisions(run, "a")


def test_a_whole_that_cannot_be_mended_ends_and_is_delivered() -> None:
    run = Run(whole="failed", limits=LADDER).go()

    assert run.state["verdict"]["status"] == "failed"
    assert run.state["commit"] == "commit of the end"


BLAMED = 'File "/x/{}.py", line 3\nE  assert 1 == 2'
"""What an example says that fails in the code of a component."""


class Blaming(Run):
    """A run whose whole fails in the code of each component of ``guilty`` that was not made better."""

    guilty = "ab"

    def go(self) -> Run:
        async def integrate(plan: Any, spec: Any, tree: Any, tests: Any, ids: Any) -> Verdict:
            return whole(**{f"E_{i}": "" if "better" in tree[f"{i}.py"] else BLAMED.format(i) for i in self.guilty})

        self.checker.integrate = integrate  # type: ignore[method-assign]
        return super().go()


def test_a_repair_that_helps_the_whole_but_breaks_what_the_component_promises_is_not_taken() -> None:
    example = Example("b.C1", "shell", (Step("true"),))
    promising = replace(component("b", "a"), contract=Contract({"b.py": "x: int\n"}, "It does.\n", (example,)))
    plan = plan_of(component("a"), promising)
    script = {"b:code": ["t1 t2 b.C1"], "b:repair": ["t1 t2 better"]}

    run = Blaming(plan=plan, script=script).go()

    assert run.proofs()["b"].files == {"b.py": "t1 t2 b.C1"}
    assert run.repository.commits == ["a", "b"]
    assert run.state["verdict"]["status"] == "failed"
    assert decisions(run, "b")[-1] == "stop"


@pytest.mark.parametrize("error", [AnswerError(["no file"]), ModelError("a cut stream")])
def test_a_component_that_cannot_be_mended_ends_neither_the_run_nor_the_mending(error: Exception) -> None:
    run = Blaming(script={"a:repair": [error], "b:repair": ["t1 t2 better"]}).go()

    assert run.proofs()["b"].files == {"b.py": "t1 t2 better"}
    assert run.state["verdict"]["status"] == "failed"
    assert run.state["commit"] == "commit of the end"
    assert decisions(run, "a")[-1] == "stop"


def test_who_is_no_longer_at_fault_does_not_go_back_to_work() -> None:
    both = whole(E1=BLAMED.format("a"), E2=BLAMED.format("b"), E3="")
    after = replace(whole(E1="", E2="", E3=""), status="failed", reason="the entry command does not start")
    limits = Limits(no_progress=1, rungs=(), integration_rounds=1)

    run = Run(wholes=[both, both, after, after], script={"a:repair": ["t1 t2 better"]}, limits=limits).go()

    assert run.proofs()["a"].files == {"a.py": "t1 t2 better"}
    assert "back to work" not in decisions(run, "b")
    assert [e.component for e in run.journal.events if e.kind == events.COMMITTED] == ["a", "b", "c", "a"]


def test_a_contract_is_respecified_once_whoever_asks_for_it() -> None:
    wholes = [whole(E1=BLAMED.format("a"))] * 4
    script = {"a:code": ["t1"], "a:repair": ["t1"]}

    run = AfterRevision(wholes=wholes, whole="failed", script=script, respecified={"a": CLEARER}, limits=LADDER).go()

    assert [a for a in run.strategy.asked if "respecify" in a] == ["a:respecify:1"]
    assert run.state["verdict"]["status"] == "failed"


def test_an_edge_stays_when_what_stands_on_it_needs_what_is_behind() -> None:
    plan = plan_of(component("z"), component("x", "z"), component("y", "x"))
    script = {"x:code": [importing()], "x:tests": ["t1"], "y:code": [importing("x")], "y:tests": ["t1"]}

    class Needing(Run):
        def go(self) -> Run:
            prove = self.checker.prove

            async def needs_z(brief: Any, tree: Any, tests: Any, ids: Any) -> Verdict:
                if brief.component.id == "y" and "z.py" not in tree:
                    return Verdict("failed", tuple(CaseResult(i, "failed", "no z") for i in ids), "no z")
                return await prove(brief, tree, tests, ids)

            self.checker.prove = needs_z  # type: ignore[method-assign]
            return super().go()

    run = Needing(plan=plan, script=script, limits=LADDER).go()

    assert len(revisions(run)) == 1
    assert "leave the edges" in decisions(run, "x")


def test_an_edge_stays_when_an_example_of_the_spec_would_lose_its_judge() -> None:
    plan = plan_of(component("z"), component("x", "z"), component("y", "x"))
    script = {"x:code": [importing()], "y:code": [f"{importing('x')}# E1"], "y:tests": ["t1"], "x:tests": ["t1"]}
    example = Example("E1", "python", (Step("import y, z"),))
    run = Run(plan=plan, script=script, limits=LADDER)
    run.context = replace(run.context, spec=replace(SPEC, examples=(example,)))
    run.go()

    assert run.proofs()["y"].status == "passed"
    after = document.from_data(run.state["plan"])
    assert {i: p.key for i, p in run.proofs().items()} == dag.keys(after, run.context.spec)
    assert after.component("x").depends_on == ("z",)


def test_what_was_edited_by_hand_is_not_asked_for_anew_when_what_it_stands_on_is_respecified() -> None:
    first = Run().go()
    proofs = {k: p for k, p in first.past().proofs.items() if p.component == "b"}
    past = first.past(proofs=proofs, passed=set(), verdict=None, unproven={"b"}, edited=frozenset("b"))
    script = {"a:code": ["t1"], "a:repair": ["t1"]}

    run = AfterRevision(past, plan=None, script=script, respecified={"a": CLEARER}, answers=[], limits=LADDER).go()

    assert run.proofs()["a"].status == "passed"
    assert not [a for a in run.strategy.asked if a.startswith("b")]
    assert "edited by hand" in run.proofs()["b"].reason


def test_feedback_that_was_given_before_there_was_a_plan_is_worked_in() -> None:
    run = Run(Past(feedback=("Louder.",)), revisions=deque([Revision(())]), answers=[True]).go()

    assert run.strategy.asked[:3] == ["requirements", "plan", "revise:1"]
    assert run.state["plan"]["feedback"] == ["Louder."]


def test_a_ceiling_met_in_the_second_turn_is_the_reason_of_whom_it_stopped() -> None:
    """``a`` is proven in its second turn; then no money is left for ``b``, which it had blocked."""
    script = {"a:code": ["t1", "t1 t2"], "a:repair": ["t1"], "b:code": [LimitReached("usd", "no money")]}
    run = Run(plan=plan_of(*CHAIN.components, component("x")), script=script, limits=LADDER)
    run.purse.least = 0.5
    run.go()

    assert {i: p.status for i, p in run.proofs().items()} == {"a": "passed", "b": "failed", "x": "passed"}
    assert run.proofs()["b"].reason == "no money"
    assert run.state["blocked"] == {"c": "b"}
    shown = fold(run.journal.events).components
    assert {i: s.status for i, s in shown.items()} == {"a": "passed", "b": "failed", "c": "blocked", "x": "passed"}


def compared(run: Run, shown: int) -> list[str]:
    """What was said of the difference to the earlier plan when a plan was shown."""
    return [note for note in run.human.shown[shown][1] if note.startswith(("kept:", "changed:", "added:", "dropped:"))]


def test_feedback_becomes_a_revision_and_only_what_it_touches_is_built_again() -> None:
    wish = Feedback(True, True, False, "I want it louder.\n\n```console\n$ echo LOUD\nLOUD\n```")
    louder = replace(CHAIN.components[2], contract=Contract({"c.py": "x: int\n"}, "It is loud.\n"))
    revision = Revision((Respecify(louder, "the user wants it louder"),), (*CHAIN.requirements,))

    run = Run(revisions=deque([revision]), feedback=[wish, Feedback(True, True, True)], answers=[True, True]).go()

    assert run.state["plan"]["feedback"] == [wish.text]
    assert [a for a in run.strategy.asked if ":code:" in a] == ["a:code:1", "b:code:1", "c:code:1", "c:code:1"]
    (told,) = [given for step, given in run.strategy.told if step == "revise"]
    assert "I want it louder." in str(told[0])
    assert compared(run, 1) == ["kept: a, b", "changed: c"]
    assert [b["perfect"] for b in run.journal.bodies(events.FEEDBACK_GIVEN)] == [False, True]


def test_feedback_that_a_killed_run_had_not_worked_in_is_worked_in_when_it_goes_on() -> None:
    first = Run().go()
    past = first.past(feedback=("Louder.",))

    run = Run(past, plan=None, revisions=deque([Revision(())]), answers=[True]).go()

    assert run.strategy.asked == ["revise:1"]
    assert run.state["plan"]["feedback"] == ["Louder."]
    assert run.checker.integrated == 1


def test_a_changed_spec_is_planned_against_the_previous_plan_and_rebuilds_only_what_it_touches() -> None:
    former = Run().go()
    new = component("d", "a")
    revision = Revision((Add(new, "a new wish"), Drop("c", "no longer wanted")))
    changed = replace(SPEC, text="text\nand more", digest="another digest")
    past = former.past(plan=None, former=CHAIN, former_spec=SPEC, approved=False, passed=set(), verdict=None)
    run = Run(past, plan=None, revisions=deque([revision]), answers=[True])
    run.context = replace(run.context, spec=changed)
    run.go()

    assert {a.split(":")[0] for a in run.strategy.asked} == {"revise", "d"}
    assert compared(run, 0) == ["kept: a, b", "added: d", "dropped: c"]
    assert set(run.proofs()) == {"a", "b", "d"}
    assert run.state["plan"]["spec_digest"] == "another digest"
    (told,) = [given for step, given in run.strategy.told if step == "revise"]
    assert "+and more" in str(told[0])


def test_files_that_the_user_edited_are_proven_again_and_never_written_anew() -> None:
    first = Run().go()
    key = dag.keys(CHAIN, SPEC)["b"]
    mine = replace(first.past().proofs[key], files={"b.py": "t1 t2 mine"})
    past = first.past(proofs={**first.past().proofs, key: mine}, verdict=None, unproven={"b"}, edited=frozenset("b"))
    run = Run(past, plan=None, answers=[]).go()
    assert run.proofs()["b"].files == {"b.py": "t1 t2 mine"}
    assert next(who for who, _, _, _ in run.checker.proved) == "b"

    broken = replace(mine, files={"b.py": "t1"})
    run = Run(replace(past, proofs={**past.proofs, key: broken}), plan=None, answers=[]).go()
    assert run.proofs()["b"].status == "failed"
    assert "edited by hand" in run.proofs()["b"].reason
    assert not run.strategy.asked

    other = plan_of(CHAIN.components[0], component("b", "a", behaviour="Otherwise.\n"), CHAIN.components[2])
    with pytest.raises(UserError, match="--overwrite-edits"):
        Run(replace(past, plan=None, approved=False, former=None), plan=other).go()


def test_how_far_the_ladder_was_climbed_is_known_after_a_kill() -> None:
    past = Past(plan=CHAIN, approved=True, tried={"a": Tried(respecified=1, depth=2)})
    run = Run(past, plan=None, script={"a:code": ["t1"], "a:repair": ["t1"]}, answers=[], limits=LADDER).go()

    assert not [a for a in run.strategy.asked if "respecify" in a or "split" in a]
