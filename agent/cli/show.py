"""``agent show``: a run, or one of its components, with everything that was decided and why."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from agent.cli.calls import Readings, call_data, call_lines, one_call, readings
from agent.cli.output import emit_json, indented, wrapped
from agent.cli.proof import account, cases_section, changes_section, strength_section
from agent.cli.running import typed
from graphs import events
from graphs.errors import UserError

if TYPE_CHECKING:
    from agent.store.journal import JournalReader
    from graphs.events import Event
    from graphs.run_state import RunState
    from graphs.values import Component

_WIDTH = 100


@click.command()
@click.argument("run", required=False)
@click.argument("component", required=False)
@click.option("--calls", is_flag=True, help="Show the prompts and answers of the model calls too.")
@click.option("--call", "key", metavar="KEY", help="Show the one model call whose key begins with KEY.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(run: str | None, component: str | None, calls: bool, key: str | None, as_json: bool) -> None:
    """Show a run (the newest when none is named), or one component of it.

    A component is shown with its contract, what it needs, its tests (why each counts, what became of it, which changes
    of the code it notices), each attempt with what failed, each decision with its reason, and its model calls.

    With --json: {"version": 1, "run": …} where run has id, path, live, status, phase, reason, title, seconds, usage,
    settings, notes, integration (a verdict or null), plan (as `agent graph --json`, or null), revisions, questions,
    feedback, covered, unproven (these five as in `agent run --json`), amended, added, dropped and quarantined
    ({component, id, reason} of each test that was replaced, added for what went unnoticed, taken out again, and set
    aside), asking (strategy → {questions, first_try, again, given_up}) and calls (with form: null or {kind, name, digest}
    of what the answer was held to, and reading: null or {strategy, number, problems}, how it read); with a component also
    "component" (as in plan.yaml), "state", "mutants" ({id, path, line, change, killed_by, extreme, excuse} of each change
    of its code that tests were tried on), "history" (its events) and only its calls;
    with --call only "call". Prompts and answers are included with --calls and --call.
    """
    from agent.store.journal import SqliteJournal
    from agent.store.runs import find_run, home

    with SqliteJournal.read(find_run(home(), run).path) as reader:
        if key is not None:
            data, lines = one_call(reader, key)
        else:
            data, lines = _view(reader, component, calls)
    if as_json:
        emit_json(data)
    else:
        click.echo("\n".join(lines))


def _view(reader: JournalReader, name: str | None, calls: bool) -> tuple[dict[str, Any], list[str]]:
    from agent.cli.story import concerns, load_from, once, run_data
    from graphs.values import to_json

    state = load_from(reader)
    component = _component(state, reader, name) if name is not None else None
    made, read = list(reader.calls(name)), readings(reader)
    run = {
        **run_data(reader, state),
        "asking": {way: to_json(sums) for way, sums in read.sums.items()},
        "calls": [call_data(c, read, whole=calls) for c in made],
    }
    if component is None:
        return {"run": run}, [*_run_lines(reader, state, read), *(call_lines(made, read, whole=True) if calls else ())]
    from graphs.document import to_data

    assert state.plan is not None
    story = [e for e in once(reader.events()) if concerns(e, component.id)]
    history = [e for e in reader.events() if e.component == component.id]
    entry = next(c for c in to_data(state.plan)["components"] if c["id"] == component.id)
    data = {
        "run": run,
        "component": entry,
        "state": to_json(state.components[component.id]),
        "mutants": account(story).mutants(),
        "history": [{"seq": e.seq, "ts": e.ts, "kind": e.kind, "body": e.body} for e in history],
    }
    return data, [*_component_lines(state, component, story), *call_lines(made, read, whole=calls)]


def _component(state: RunState, reader: JournalReader, name: str) -> Component:
    if state.plan is None:
        raise UserError(f"run {reader.run_dir.name} has no plan yet, so no component {name!r}")
    try:
        return state.plan.component(name)
    except KeyError:
        from graphs.text import names

        known = [c.id for c in state.plan.components]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {names(known, 20)}"
        raise UserError(f"run {reader.run_dir.name} has no component {name!r}; {hint}") from None


def _run_lines(reader: JournalReader, state: RunState, read: Readings) -> Iterator[str]:
    from agent.cli.story import ENDS, duration, spent, unproven
    from graphs.draw import tree
    from graphs.text import plain

    yield plain(state.title, _WIDTH) or "(no title)"
    yield f"  run      {plain(reader.run_dir.name)}"
    status = ENDS.get(state.status, plain(state.status, 40))
    yield f"  status   {status}" + (f", {state.phase}" if state.phase else "") + _after(state.reason)
    if output := plain(str(state.settings.get("output") or "")):
        yield f"  output   {output}"
    if model := plain(str(state.settings.get("model") or ""), 80):
        yield f"  model    {model}"
    for way, sums in read.sums.items():
        yield f"  asked    {plain(way, 40)}: {sums.told()}"
    yield f"  spent    {spent(state.usage)} · {duration(state.elapsed(time.time()))}"
    for note in state.notes:
        yield f"  note     {plain(note, 300)}"
    if state.plan is not None:
        yield ""
        yield tree(state.plan, state.components, _WIDTH).partition("\n")[2].rstrip("\n")
    if state.integration is not None:
        verdict = state.integration
        yield ""
        yield f"The whole: {len(verdict.passed)} of {len(verdict.cases)} passed{_after(verdict.reason)}"
        yield from _failing_lines([{"id": c.id, "outcome": c.outcome, "message": c.message} for c in verdict.failing])
    if left := unproven(state):
        yield from ("", "Not proven")
        yield from (f"  {what}: {why}" for what, why in left.items())
    yield from _revision_lines(state)
    yield from _human_lines(reader, state)
    for heading, tests in (
        ("Tests that were replaced", state.amended),
        ("Tests that were added, for changes of the code that went unnoticed", state.added),
        ("Tests that were taken out again", state.dropped),
        ("Tests that were set aside, because chance decides them", state.quarantined),
    ):
        if tests:
            yield from ("", heading)
            yield from (f"  {plain(t.component, 40)}: {plain(t.id, 120)}{_after(t.reason)}" for t in tests)
    yield ""
    run = plain(reader.run_dir.name)
    agent = typed("agent")
    if state.status in ("interrupted", "limit", "declined", "cancelled"):
        yield f"go on with: {agent} resume {run}"
    if state.status in ("passed", "failed"):
        yield f'what is wrong: {agent} feedback {run} "…"'
    yield f"the story: {agent} log {run}"
    if state.plan is not None:
        yield f"one component: {agent} show {run} {plain(state.plan.components[-1].id, 40)}"


def _revision_lines(state: RunState) -> Iterator[str]:
    """How the plan came to be what it is, when it was changed."""
    from agent.cli.story import AUTHORS, cause, change
    from graphs.text import listed

    if len(state.revisions) < 2:
        return
    yield from ("", "Revisions of the plan")
    for revised in state.revisions:
        told = revised.why not in [edit.reason for edit in revised.edits]
        why = _after(cause(revised)) if told else ""
        yield f"  {revised.revision}  {AUTHORS.get(revised.author, 'changed')}{why}"
        for edit in revised.edits:
            yield f"     {change(edit)}"
            yield from _evidence_lines(edit.evidence, indent=7)
        if revised.stale:
            yield f"     built again: {listed(revised.stale)}"


def _human_lines(reader: JournalReader, state: RunState) -> Iterator[str]:
    """What was asked, answered and said, and what was left for the run and not taken up yet."""
    from agent.cli.story import judgement
    from agent.store.inbox import Inbox
    from graphs.text import plain

    if state.questions:
        yield from ("", "Questions")
        for question in state.questions.values():
            about = f" ({plain(question.component, 40)})" if question.component else ""
            yield f"  {plain(question.id, 20)}{about}: {plain(question.text, 600)}"
            yield from (f"      {n}. {plain(option, 300)}" for n, option in enumerate(question.options, 1))
            if question.answer is not None:
                yield f"      answered: {plain(question.answer, 600)}"
            elif state.matters(question):
                number, run = plain(question.id, 20), plain(reader.run_dir.name)
                yield f'      open; answer it: {typed("agent")} answer {run} {number} "…"'
    if state.feedback:
        yield from ("", "Feedback")
        yield from (f"  {judgement(said)}{_after(said.text)}" for said in state.feedback)
    if left := Inbox(reader.run_dir).waiting():
        yield from ("", "Left for the run, not taken up yet")
        yield from (f"  {plain(m.question, 20) or m.kind}: {plain(m.text, 300)}" for m in left)


def _after(reason: str) -> str:
    from graphs.text import plain

    return f": {plain(reason, 300)}" if reason else ""


def _component_lines(state: RunState, component: Component, story: list[Event]) -> Iterator[str]:
    from agent.cli.story import duration, spent
    from graphs.status import SIGNS, describe
    from graphs.text import plain

    assert state.plan is not None
    known, tests = state.components[component.id], account(story)
    yield f"{plain(component.id)} — {plain(component.purpose)}"
    yield f"  status     {SIGNS[known.status]} {describe(known)}"
    needs = ", ".join(plain(d, 40) for d in component.depends_on) or "nothing"
    users = [c.id for c in state.plan.components if component.id in c.depends_on]
    yield f"  needs      {needs}"
    yield f"  needed by  {', '.join(plain(u, 40) for u in users) or 'nothing'}"
    yield f"  kind       {plain(component.kind, 40)}"
    yield f"  files      {', '.join(plain(f, 120) for f in component.files)}"
    if known.commit:
        yield f"  commit     {plain(known.commit, 40)}"
    took = f" · {duration(known.seconds)}" if known.seconds else ""
    yield f"  spent      {spent(known.usage)}{took}"
    covered = [r for r in state.plan.requirements if r.id in component.requirements]
    if covered:
        yield from ("", "Requirements")
        for requirement in covered:
            yield f"  {plain(requirement.id, 20)}  {plain(requirement.text)}{tests.proof_of(requirement.id)}"
    yield from _contract_lines(component)
    yield from cases_section(tests)
    yield from strength_section(tests)
    yield from changes_section(story)
    yield from _history_lines(story)


def _contract_lines(component: Component) -> Iterator[str]:
    from graphs.examples import render
    from graphs.text import plain

    yield from ("", "Contract")
    yield indented(component.contract.behaviour)
    for path, source in component.contract.interface.items():
        yield f"  --- {plain(path, 120)}"
        yield indented(source)
    for example in component.contract.examples:
        yield f"  --- example {plain(example.id, 80)}"
        yield indented(render(example))


def _history_lines(story: list[Event]) -> Iterator[str]:
    from agent.cli.story import clock, tell

    told = [e for e in story if e.kind != events.COMPONENT_READY]
    if not told:
        return
    yield from ("", "What happened")
    began = told[0].ts
    for event in told:
        if words := tell(event):
            yield from wrapped(f"{clock(event.ts - began):>7}  {words}", 2, further=13)
        if event.kind == events.COMPONENT_DECISION:
            yield from _evidence_lines(event.body.get("evidence"), indent=11)
        if event.kind == events.COMPONENT_ATTEMPT:
            verdict = event.body.get("verdict") or {}
            failing = [c for c in verdict.get("cases") or () if c.get("outcome") != "passed"]
            yield from _failing_lines(failing[1:], indent=11)


def _evidence_lines(evidence: Any, indent: int) -> Iterator[str]:
    from graphs.text import plain

    for seen in evidence if isinstance(evidence, (list, tuple)) else ():
        yield from wrapped(f"- {plain(str(seen), 300)}", indent)


def _failing_lines(cases: list[Any], indent: int = 2) -> Iterator[str]:
    from graphs.text import plain

    for case in cases:
        said = plain(str(case.get("message") or case.get("outcome")), 200)
        yield from wrapped(f"✗ {plain(str(case.get('id')), 100)}: {said}", indent)
