"""The build phase: every component is proven, and a plan that does not hold is cut anew around what is already proven.

A component whose own loop found no way on is diagnosed from its evidence (``graphs/evidence.py``). The answer is a change
of the plan, which is checked, becomes durable together with what it does, and is built on at once; whatever is in work or
proven elsewhere goes on undisturbed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphs import component_graph, dag, document, edits, events
from graphs.component_context import Dear, Start
from graphs.edits import PlanEdit, Respecify, Revision, Rewire, Split
from graphs.errors import AnswerError, LimitReached, PlanError
from graphs.events import Event
from graphs.evidence import Decision, Evidence, Tried, contract_reasons, next_rung
from graphs.ladder import Rung
from graphs.ports import Brief
from graphs.run_context import Author, Context
from graphs.scheduler import Blocked, Recut, Scheduler
from graphs.values import Component, Contract, Files, Plan, Proof, Question, Spec, to_json


class Building:
    """One plan while it is built. ``plan`` is the revision in force."""

    def __init__(self, context: Context, plan: Plan) -> None:
        """
        Args:
            context: what the run is given; what is proven in its ``past`` is not built again.
            plan: sound and approved.
        """
        self.plan = plan
        self._context = context
        self._spec = context.spec_of(plan)
        self._done: dict[str, Proof] = {}
        self._in_work: set[str] = set()
        self._starved: set[str] = set()
        """Components that stopped because their share of the budget was used up."""
        self._claims: frozenset[str] = frozenset()
        """Who shares what the others have left; empty while everybody has a claim."""
        self._broke = False
        """Whether a ceiling of the run was met after everybody had had a turn."""
        self._unanswered: set[str] = set()
        """Keys of components about which the user was asked and gave no answer."""
        self._tried = dict(context.past.tried)
        self._starts = dict(context.past.starts)
        self._lay_out()

    def _lay_out(self) -> None:
        """What is worked out once for each revision."""
        plan = self.plan
        self._briefing = dag.Briefing(plan, self._spec)
        self._components = {c.id: c for c in plan.components}
        self._above = dag.Ancestors(plan)
        self._observer = dag.Observer(plan, self._above)
        self._position = {c.id: i for i, c in enumerate(plan.components)}
        self._files: list[Files] = [self._done[c.id].files if c.id in self._done else {} for c in plan.components]

    async def run(self) -> tuple[dict[str, Proof], dict[str, str]]:
        """Build everything that can be built: id → proof, and id → the failed component that blocks it."""
        await self._keep()
        proofs, blocked = await self._pass()
        while self._starved and not self._broke:
            known = (self.plan.revision, len(self._done))
            self._claims = frozenset(self._starved)
            for component_id in sorted(self._claims):
                await self._decide(component_id, "once more", "the others are done, and what they left is shared anew")
            proofs, blocked = await self._pass()
            if (self.plan.revision, len(self._done)) == known:
                break
        return await self._tidy(proofs, blocked), blocked

    async def _pass(self) -> tuple[dict[str, Proof], dict[str, str]]:
        """Build all that is not proven. What was asked before is answered from the journal."""
        self._starved.clear()
        self._scheduler = Scheduler(
            self.plan,
            self._prove,
            self._context.append,
            key=self._key,
            parallel=self._context.parallel,
            timeout=self._context.limits.component_seconds,
            proven=dict(self._done),
        )
        results = await self._scheduler.run()
        proofs = {i: r for i, r in results.items() if isinstance(r, Proof)}
        return proofs, {i: r.by for i, r in results.items() if isinstance(r, Blocked)}

    def _key(self, component: Component) -> str:
        return self._briefing.brief(component).key

    def _fact(self, kind: str, component_id: str, **body: object) -> Event:
        return Event(kind, component=component_id, revision=self.plan.revision, body=body)

    async def _decide(self, component_id: str, decision: str, reason: str, **more: object) -> None:
        fact = self._fact(events.COMPONENT_DECISION, component_id, decision=decision, reason=reason, **more)
        await self._context.append(fact)

    def _past_proof(self, component: Component, key: str) -> Proof | None:
        proof = self._context.past.proofs.get(key)
        return proof if proof is not None and (proof.component, proof.status) == (component.id, "passed") else None

    async def _keep(self) -> None:
        """Take over what was proven under the same key, as long as all it stands on was."""
        past = self._context.past
        for component_id in dag.topological(self.plan):
            component = self._components[component_id]
            kept = self._past_proof(component, self._key(component))
            # What stands on something that is or was built anew was proven on other ground: `_prove` looks at it again.
            # So it does at what the user edited.
            on_the_same = all(d in self._done for d in component.depends_on) and past.stands(component)
            if kept is None or component_id in past.unproven or not on_the_same:
                continue
            self._enter(kept)
            commit_id = await self._context.repository.commit(self.plan, kept)
            if kept.key not in past.passed:
                await self._context.append(
                    self._fact(events.COMPONENT_KEPT, component_id, proof=to_json(kept)),
                    self._fact(events.COMMITTED, component_id, commit=commit_id),
                )

    def _enter(self, proof: Proof) -> None:
        self._done[proof.component] = proof
        self._files[self._position[proof.component]] = proof.files

    def _tree(self, component_id: str) -> dict[str, str]:
        """The proven files of everything a component stands on."""
        tree: dict[str, str] = {}
        for files in self._above.select(component_id, self._files):
            tree.update(files)
        return tree

    async def _prove(self, component: Component, priority: float) -> Proof | Recut:
        self._in_work.add(component.id)
        try:
            return await self._built(component, self._briefing.brief(component, priority))
        except LimitReached as error:
            if not self._claims:
                raise
            # The plan as a whole had its turn: what is proven is delivered.
            self._broke = True
            await self._decide(component.id, "give up", str(error))
            return self._failure(component, str(error))
        finally:
            self._in_work.discard(component.id)

    async def _built(self, component: Component, brief: Brief) -> Proof | Recut:
        context = self._context
        former = self._past_proof(component, brief.key)
        if former is None and component.id in context.past.edited:
            return self._failure(
                component,
                "its files were edited by hand, and other ones are asked for now; take the edits back, or let them be "
                "replaced (git keeps them) with --overwrite-edits",
            )
        tree = self._tree(component.id)
        proof = await self._proven_again(brief, tree, former)
        if proof is None:
            outcome = await component_graph.prove(
                component_graph.Context(
                    brief=brief,
                    ancestors=tree,
                    strategy=context.strategy,
                    checker=context.checker,
                    journal=context,
                    limits=context.limits,
                    revision=self.plan.revision,
                    start=self._starts.get(component.id),
                    missing=lambda files: self._missing(component, files),
                    affords=lambda rung: self._affords(brief, rung),
                )
            )
            if outcome.evidence is not None:
                return await self._escalate(component, brief, outcome.proof, outcome.evidence)
            proof = outcome.proof
        if proof.status == "passed":
            commit_id = await context.repository.commit(self.plan, proof)
            # With its proof: from now on the user may edit its files, and they must be known whatever comes before it has passed.
            fact = self._fact(events.COMMITTED, component.id, commit=commit_id, proof=to_json(proof))
            await context.append(fact)
            self._enter(proof)
        return proof

    def _failure(self, component: Component, reason: str) -> Proof:
        return Proof(component.id, self._key(component), "failed", reason=reason)

    async def _proven_again(self, brief: Brief, tree: Files, former: Proof | None) -> Proof | None:
        """The former proof of a component with the same key, if its tests pass on what is there now; no model is asked."""
        if former is None:
            return None
        component_id = brief.component.id
        verdict = await self._context.checker.prove(brief, {**tree, **former.files}, former.tests, former.test_ids)
        passes = verdict.status == "passed"
        edited = component_id in self._context.past.unproven
        why = "you edited its files" if edited else "what it stands on was built anew"
        result = "its tests still pass" if passes else "its tests no longer pass"
        decision = "keep" if passes else "leave as you made it" if edited else "build anew"
        await self._decide(component_id, decision, f"proven in an earlier run, and since then {why}: {result}")
        if passes:
            strength, limits = former.strength, self._context.limits
            if strength is None and limits.mutants:
                whole = {**tree, **former.files}
                strength = await self._context.checker.strength(brief, whole, former.tests, former.test_ids, limits)
            return replace(former, verdict=verdict, strength=strength)
        if edited:
            reason = f"its files were edited by hand, and with the edit {verdict.reason}"
            return replace(former, status="failed", verdict=verdict, reason=reason)
        return None

    def _missing(self, component: Component, files: Files) -> tuple[str, ...]:
        """Components whose modules ``files`` import although they are not there for them."""
        missing = self._observer.observed(component, files, {}).missing
        return tuple(
            i for i in missing if not self._above.stands_on(component.id, i) and i not in self._used_before(component)
        )

    def _used_before(self, component: Component) -> frozenset[str]:
        """Components whose files the component's own files used before anything was changed: those are there in any case."""
        there = {path: text for path in component.files if (text := self._context.existing.get(path)) is not None}
        alone = replace(component, contract=Contract(), depends_on=())
        return frozenset(self._observer.observed(alone, there, {}).missing) if there else frozenset()

    def _room(self) -> int | None:
        """How many components the plan may still gain; ``None``: any number."""
        most = self._context.limits.max_components
        return None if most is None else most - len(self.plan.components)

    def _affords(self, brief: Brief, rung: Dear) -> bool:
        """Whether the component's share of what is left allows more than the plain loop.

        At first all that are not proven have a claim. Once they have had their turn, only those that stopped for want of it.
        What was granted once is not refused when the same way is gone again: its answers are paid for.
        """
        component_id = brief.component.id
        if (brief.key, rung) in self._context.past.granted:
            return True
        claims = {component_id, *(self._claims or self._components)} - self._done.keys()
        weights = {i: self._tried.get(i, Tried()).weight for i in claims if i in self._components}
        enough = self._context.purse.share_left(component_id, weights[component_id] / sum(weights.values()))
        if not enough and rung != "strengthen":  # without it the component passes all the same
            self._starved.add(component_id)
        return enough

    async def _escalate(self, component: Component, brief: Brief, proof: Proof, evidence: Evidence) -> Proof | Recut:
        """Climb until the plan is changed, or nothing is left and the component has failed."""
        if evidence.missing and self._affords(brief, "rewire"):
            recut = await self._rewired(component, proof, evidence.missing)
            if recut is not None:
                return recut
            cycle = f"its code wants {', '.join(evidence.missing)}, which stands on it: it must do without"
            evidence = replace(evidence, clashes=(*evidence.clashes, cycle), missing=())
        in_vain: set[Rung] = {"ask"} if brief.key in self._unanswered else set()
        while True:
            room = self._room()
            if room is not None and room < edits.FEWEST_PARTS:
                in_vain.add("split")
            decision = next_rung(evidence, self._tried.get(component.id, Tried()), self._context.limits, in_vain)
            rung = decision.rung
            if rung is not None and rung != "ask" and not self._affords(brief, rung):
                decision, rung = Decision(None, "its share of the budget is used up", decision.evidence), None
            if rung is None:
                await self._decide(component.id, "give up", decision.reason, evidence=list(decision.evidence))
                return proof
            taken = {"evidence": list(decision.evidence), "key": brief.key, "rung": rung, "fault": decision.fault}
            await self._decide(component.id, rung, decision.reason, **taken)
            try:
                edit = await self._edit(decision, brief, proof, evidence)
                if edit is not None:
                    return self._recut(edit, component.id, proof)
            except (AnswerError, PlanError) as error:
                await self._decide(component.id, f"{rung} failed", str(error))
            in_vain.add(rung)

    async def _edit(self, decision: Decision, brief: Brief, proof: Proof, evidence: Evidence) -> PlanEdit | None:
        """The change of the plan that a rung stands for; ``None`` when the user gave no answer."""
        context, component = self._context, brief.component
        if decision.rung == "ask":
            return await self._asked(brief, proof, evidence)
        step = self._fact(events.COMPONENT_STEP, component.id, step=decision.rung, attempt=1, detail="")
        await context.append(step)
        if decision.rung == "split":
            parts = await context.strategy.split(brief, 1, proof.files, decision.evidence, self._room())
            return Split(component.id, parts, decision.reason, decision.evidence)
        attempt = self._tried.get(component.id, Tried()).respecified + 1
        clearer = await context.strategy.respecify(brief, attempt, proof.files, decision.evidence)
        return Respecify(clearer, decision.reason, decision.evidence)

    async def _asked(self, brief: Brief, proof: Proof, evidence: Evidence) -> PlanEdit | None:
        """Ask the user; the answer becomes part of the contract, in the user's words."""
        context, component = self._context, brief.component
        known = context.past.questions.get(brief.key)
        question = _question(known or f"Q{len(context.past.questions) + 1}", component, proof, evidence)
        answer = context.past.answers.get(question.id)
        if answer is None:
            present = context.human.present()
            if known is None or present:  # asked once more after a kill, so that whoever watches sees that it waits
                body = {"id": question.id, "text": question.text, "options": list(question.options)}
                fact = self._fact(events.QUESTION_ASKED, component.id, **body, key=brief.key, asked=present)
                await context.append(fact)
            async with self._scheduler.waiting(component.id):
                answer = await context.human.ask(question)
            if answer is None or not answer.strip():
                self._unanswered.add(brief.key)
                return None
            fact = self._fact(events.QUESTION_ANSWERED, component.id, id=question.id, answer=answer)
            await context.append(fact)
        settled = f"{component.contract.behaviour.rstrip()}\n\nSettled with the user. {question.text}\nAnswer: {answer.strip()}\n"
        contract = replace(component.contract, behaviour=settled)
        return Respecify(replace(component, contract=contract), f"the user answered {question.id}: {answer.strip()}")

    async def _rewired(self, component: Component, proof: Proof, missing: Sequence[str]) -> Recut | None:
        """Let a component stand on what its code uses; ``None`` when that would be a cycle."""
        names = ", ".join(missing)
        edit = Rewire(component.id, (*component.depends_on, *missing), f"its code uses {names}")
        try:
            return self._recut(edit, component.id, proof)
        except PlanError as error:
            await self._decide(component.id, "rewire failed", str(error))
            return None

    def _recut(self, edit: PlanEdit, component_id: str, proof: Proof) -> Recut:
        """Change the plan for a component in work. ``PlanError`` when what would come of it is not sound."""
        before, in_work = self.plan, self._in_work - {component_id}
        after = edits.apply(
            before,
            Revision((edit,)),
            spec=self._spec,
            running=in_work,
            check_component=self._context.check_component,
            max_components=self._context.limits.max_components,
        )
        tried = self._tried.get(component_id, Tried())
        kept: dict[str, Start] = {}
        if isinstance(edit, Respecify):
            self._tried[component_id] = replace(tried, respecified=tried.respecified + 1)
            self._starts.pop(component_id, None)
        elif proof.test_ids:  # its contract is what it was, and so are the tests of it
            kept[component_id] = Start(proof.tests, proof.test_ids)
        if isinstance(edit, Split):
            weight = tried.weight / (len(edit.parts) + 1)
            self._tried |= {part.id: Tried(depth=tried.depth + 1, weight=weight) for part in edit.parts}
            self._tried[component_id] = replace(tried, depth=tried.depth + 1, weight=weight)
        self._starts |= kept
        self.plan = after
        self._lay_out()
        fact = revised(before, after, self._spec, self._spec, "evidence", edit.reason, (edit,), kept, self._tried)
        return Recut(after, (fact,))

    async def _tidy(self, proofs: dict[str, Proof], blocked: Mapping[str, str]) -> dict[str, Proof]:
        """Make the declared edges those that were seen: proofs hold on, since each is proven on what it still stands on."""
        rewires = self._observed_rewires(proofs)
        context, before = self._context, self.plan
        while rewires:
            try:
                after = edits.apply(
                    before,
                    Revision(tuple(rewires.values())),
                    spec=self._spec,
                    check_component=context.check_component,
                )
            except PlanError as error:
                await self._decide(next(iter(rewires)), "leave the edges", str(error))
                return proofs
            held, spoilt = await self._hold_on(after, rewires, proofs)
            if not spoilt:
                break
            for component_id, why in spoilt.items():
                await self._decide(component_id, "leave the edges", why)
                del rewires[component_id]
        if not rewires:
            return proofs
        self.plan = after
        why = "dependencies are those that were seen in the code"
        fact = revised(
            before, after, self._spec, self._spec, "evidence", why, tuple(rewires.values()), {}, self._tried, held
        )
        # Whoever watches takes what was blocked for something to build, now that the plan is another.
        await context.append(fact, *(self._fact(events.COMPONENT_BLOCKED, i, by=by) for i, by in blocked.items()))
        return {**proofs, **held}

    def _observed_rewires(self, proofs: Mapping[str, Proof]) -> dict[str, PlanEdit]:
        """Component id → the edges its code has, where they are not the declared ones."""
        found: dict[str, PlanEdit] = {}
        if len(self.plan.components) < 2:
            return found
        for component in self.plan.components:
            proof = proofs.get(component.id)
            if proof is None or proof.status != "passed":
                continue
            seen = self._observer.observed(component, proof.files, proof.tests)
            before = self._used_before(component)
            added = [i for i in seen.missing if self._above.stands_on(component.id, i) and i not in before]
            if not seen.needless and not added:
                continue
            wanted = (*(d for d in component.depends_on if d not in seen.needless), *added)
            words = [f"uses {', '.join(added)}"] * bool(added) + [f"never uses {', '.join(seen.needless)}"] * bool(
                seen.needless
            )
            found[component.id] = Rewire(component.id, wanted, f"its code {' and '.join(words)}")
        return found

    async def _hold_on(
        self, after: Plan, rewires: Mapping[str, PlanEdit], proofs: Mapping[str, Proof]
    ) -> tuple[dict[str, Proof], dict[str, str]]:
        """The proofs of the components that the rewires concern, as they are in the next plan; and which rewires must not
        be, because something would no longer be proven: component id → why."""
        above, briefing = dag.Ancestors(after), dag.Briefing(after, self._spec)
        held: dict[str, Proof] = {}
        spoilt: dict[str, str] = {}
        for component in after.components:
            proof = proofs.get(component.id)
            same_ground = above.agrees(self._above, component.id)
            if proof is None or proof.status != "passed" or (same_ground and component.id not in rewires):
                continue
            brief, why = briefing.brief(component), ""
            if brief.examples != self._briefing.brief(self._components[component.id]).examples:
                why = f"without what it declares, {component.id} is no longer judged by an example of the spec"
            elif not same_ground:
                tree = {path: text for i in above.of(component.id) for path, text in proofs[i].files.items()}
                verdict = await self._context.checker.prove(brief, {**tree, **proof.files}, proof.tests, proof.test_ids)
                proof = replace(proof, verdict=verdict)
                if verdict.status != "passed":
                    why = f"without what it declares, {component.id} is no longer proven"
            if why:
                guilty = (i for i in rewires if i == component.id or self._above.stands_on(component.id, i))
                spoilt |= dict.fromkeys(guilty, why)
            else:
                held[component.id] = replace(proof, key=brief.key)
        return held, spoilt


def revised(
    before: Plan | None,
    after: Plan,
    spec_before: Spec,
    spec_after: Spec,
    author: Author,
    why: str,
    made: Sequence[PlanEdit] = (),
    starts: Mapping[str, Start] | None = None,
    tried: Mapping[str, Tried] | None = None,
    proofs: Mapping[str, Proof] | None = None,
) -> Event:
    """The fact that a plan is in force from now on, with all that a resume must know of it.

    Args:
        before: the plan until now, if there was one: what changed is counted against it.
        after: the plan from now on.
        spec_before: the spec of ``before``.
        spec_after: the spec of ``after``.
        author: who made it.
        why: one sentence.
        made: the edits between the two.
        starts: id → frozen tests that go with it.
        tried: id → how far the ladder has been climbed.
        proofs: id → proofs that hold on under a new component key.
    """
    body: dict[str, object] = {"plan": document.to_data(after), "author": author, "why": why}
    if before is not None:
        change = dag.difference(before, spec_before, after, spec_after)
        stale = [i for i in change.changed if i not in (proofs or {})]
        body |= {
            "edits": [_told(edit) for edit in made],
            "stale": stale,
            "added": list(change.added),
            "dropped": list(change.dropped),
        }
    for name, held in (("starts", starts), ("tried", tried), ("proofs", proofs)):
        if held:
            body[name] = to_json(held)
    return Event(events.PLAN_REVISED, revision=after.revision, body=body)


def _told(edit: PlanEdit) -> dict[str, object]:
    """An edit as it stands in the journal; whole components are in the plan beside it."""
    data = to_json(edit)
    if isinstance(edit, Split):
        data["parts"] = [part.id for part in edit.parts]
    elif not isinstance(edit.component if hasattr(edit, "component") else "", str):
        data["component"] = data["component"]["id"]
    data.pop("contract", None)
    return dict(data)


def _question(number: str, component: Component, proof: Proof, evidence: Evidence) -> Question:
    doubts = contract_reasons(evidence)
    text = (
        f"{component.id!r} ({component.purpose}) could not be built. {_sentence(doubts[0] if doubts else proof.reason)}"
    )
    options = ("The test is right.", "The programs are right.") if evidence.clashes else ()
    return Question(number, component.id, f"{text} What should hold?", options)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
