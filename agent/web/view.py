"""What a page is shown, as plain JSON data: of all runs, of one run, of a component, an edge, a model call.

Texts of models and programs are in it as they are: the page puts them into the document as text and never as markup.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any

from agent.cli.calls import call_data, one_call, readings
from agent.cli.proof import account
from agent.cli.story import concerns, once, run_data, tell
from agent.store.journal import JournalReader, StoredCall
from agent.store.runs import list_runs
from agent.web.follow import Follower
from graphs import dag, document, draw, events
from graphs.errors import AgentError, UserError
from graphs.events import Event
from graphs.layout import Layout, Sizes, layout
from graphs.run_state import RunState, revised
from graphs.status import describe
from graphs.values import Component, Plan, to_json

BOX = Sizes()
"""Of a component in the picture."""
PLACED_IN_HISTORY = 60
"""Most components of an earlier revision that the server places; the page places those of larger ones by a simpler rule."""


def runs(home: Path) -> dict[str, Any]:
    """All runs, newest first."""
    found = []
    for info in list_runs(home):
        data = to_json(info)
        data.pop("path")
        found.append(data)
    return {"runs": found, "now": time.time()}


def snapshot(follower: Follower) -> dict[str, Any]:
    """All of a run that the picture needs; ``version`` is what changes are counted from."""
    with follower.lock:
        state = follower.state
        return {
            "version": follower.version,
            "run": _run(follower),
            "plan": _picture(follower),
            "components": {name: component_state(state, name) for name in state.components},
            "history": revisions(follower.reader),
        }


def changes(follower: Follower, since: int) -> dict[str, Any]:
    """What has changed since a version: the run as a whole, the components that changed, and the plan where it was cut anew."""
    with follower.lock:
        state = follower.state
        found: dict[str, Any] = {
            "version": follower.version,
            "run": _run(follower),
            "components": {
                name: component_state(state, name) for name, version in follower.changed.items() if version > since
            },
        }
        if follower.plan_version > since:
            found["plan"] = _picture(follower)
            found["history"] = revisions(follower.reader)
        return found


def _run(follower: Follower) -> dict[str, Any]:
    state = copy(follower.state)
    state.plan = None  # it is told with its picture, where it has changed: this goes out several times a second
    data = run_data(follower.reader, state)
    for key in ("plan", "path", "revisions"):
        data.pop(key)
    return {**data, "live": follower.live, "counts": follower.state.counts(), "now": time.time()}


def _picture(follower: Follower) -> dict[str, Any] | None:
    plan = follower.state.plan
    if plan is None:
        return None
    if follower.drawn is None or follower.drawn[0] is not plan:
        follower.drawn = (plan, picture(plan))
    return follower.drawn[1]


def _placed(plan: Plan) -> Layout:
    return layout(plan, Sizes(width=BOX.height, height=BOX.width, beside=BOX.beside))


def picture(plan: Plan) -> dict[str, Any]:
    """A plan as it is drawn: components with their places, edges with their lines. Top-down, a box's place its upper left corner."""
    placed = _placed(plan)
    data = draw.as_json(plan)
    for component in data["components"]:
        del component["state"]
        component["at"] = _turned(placed.boxes[component["id"]])
    return {
        **data,
        "box": [BOX.width, BOX.height],
        "size": [placed.height, placed.width],
        "edges": _lines(placed),
        "requirements": to_json(list(plan.requirements)),
    }


def _lines(placed: Layout) -> list[dict[str, Any]]:
    return [
        {"from": source, "to": target, "via": [_turned(point) for point in line[1:-1]]}
        for (source, target), line in placed.lines.items()
    ]


def _turned(point: Sequence[float]) -> list[float]:
    """A place in the layout, which goes from left to right, as one that goes from top to bottom."""
    return [round(point[1], 1), round(point[0], 1)]


def component_state(state: RunState, name: str) -> dict[str, Any]:
    """What is known of a component, and that in words."""
    known = state.components[name]
    data = to_json(known)
    data.pop("tests")  # many, and shown only where one is looked at
    return {**data, "words": describe(known), "trusted": _trusted(state, name)}


def _trusted(state: RunState, name: str) -> dict[str, int]:
    """Provenance of its tests → how many."""
    found: dict[str, int] = {}
    for case in state.components[name].tests:
        found[case.provenance] = found.get(case.provenance, 0) + 1
    return found


def revisions(reader: JournalReader) -> list[dict[str, Any]]:
    """How the plan came to be what it is: each revision with its reason and its picture."""
    found = []
    for event in reader.events(kind=events.PLAN_REVISED):
        try:
            plan = document.from_data(event.body.get("plan"))
        except AgentError:  # a damaged body
            continue
        found.append(
            {
                **to_json(revised(plan.revision, event.body)),
                "seq": event.seq,
                "ts": event.ts,
                **_drawn(plan),
            }
        )
    return found


def _drawn(plan: Plan) -> dict[str, Any]:
    """A plan that is no longer in force: its components, and their places where placing them all takes no time to speak of."""
    components: list[dict[str, Any]] = [
        {"id": c.id, "purpose": c.purpose, "depends_on": list(c.depends_on)} for c in plan.components
    ]
    if len(components) > PLACED_IN_HISTORY:
        return {"components": components}
    placed = _placed(plan)
    for one in components:
        one["at"] = _turned(placed.boxes[one["id"]])
    return {"components": components, "edges": _lines(placed)}


def component(follower: Follower, name: str) -> dict[str, Any]:
    """All of a component: contract, state, tests with why each counts, files by attempt, calls, decisions, story. ``UserError`` for
    one that there is not."""
    state, reader = follower.state, follower.reader
    if state.plan is None or name not in state.components:
        raise UserError(f"run {reader.run_dir.name} has no component {name!r}")
    stream = list(reader.events())
    story = [event for event in once(stream) if concerns(event, name)]
    made, read = list(reader.calls(name)), readings(reader)
    known = account(story)
    return {
        "component": next(c for c in document.to_data(state.plan)["components"] if c["id"] == name),
        "state": {**component_state(state, name), "tests": to_json(state.components[name].tests)},
        "mutants": known.mutants(),
        "needs": list(state.plan.component(name).depends_on),
        "needed_by": [c.id for c in state.plan.components if name in c.depends_on],
        "story": told(story, stream[0].ts if stream else 0.0),
        "calls": [call_data(call, read, whole=False) for call in made],
        "attempts": attempts(state.plan.component(name), made),
        "files": _delivered(story),
    }


def told(story: Iterable[Event], began: float) -> list[dict[str, Any]]:
    """Events in words, those without words left out: ``at`` is seconds since the run began."""
    found = []
    for event in story:
        if words := tell(event):
            found.append({"seq": event.seq, "at": round(event.ts - began, 1), "kind": event.kind, "words": words})
    return found


def _delivered(story: Sequence[Event]) -> dict[str, str]:
    """The files of a component's last proof."""
    for event in reversed(story):
        if event.kind in (events.COMPONENT_PASSED, events.COMPONENT_KEPT, events.COMPONENT_FAILED):
            files = (event.body.get("proof") or {}).get("files")
            return dict(files) if isinstance(files, Mapping) else {}
    return {}


def attempts(part: Component, made: Sequence[StoredCall]) -> list[dict[str, Any]]:
    """The programs a model wrote for a component, oldest first: each answer with code that can be read, with all its files as they
    were then, so that neighbours can be compared."""
    from agent.strategies import shapes

    found: list[dict[str, Any]] = []
    files: dict[str, str] = {}
    for one in made:
        text = (one.response or {}).get("text")
        if one.state != "done" or one.step not in ("code", "repair", "candidate") or not isinstance(text, str):
            continue
        with suppress(AgentError):  # an answer that was of no use
            if one.step == "repair":
                files = {**files, **shapes.read_repair(text, part.files, files, (), ()).files}
            else:
                files = shapes.read_files(text, part.files, part.files)
            found.append({"step": one.step, "attempt": one.attempt, "key": one.key, "files": dict(files)})
    return found


def edge(follower: Follower, source: str, target: str) -> dict[str, Any]:
    """What stands for an edge: the contract of what is needed, and the imports that were observed. ``UserError`` for none."""
    state = follower.state
    if state.plan is None or not {source, target} <= state.components.keys():
        raise UserError(f"run {follower.reader.run_dir.name} has no edge from {source!r} to {target!r}")
    needed, user = state.plan.component(source), state.plan.component(target)
    if source not in user.depends_on:
        raise UserError(f"run {follower.reader.run_dir.name} has no edge from {source!r} to {target!r}")
    files = _delivered([event for event in follower.reader.events() if event.component == target])
    uses = None if not files else source not in dag.observed(state.plan, user, files, {}).needless
    return {
        "from": source,
        "to": target,
        "contract": next(c for c in document.to_data(state.plan)["components"] if c["id"] == source)["contract"],
        "purpose": needed.purpose,
        "used": uses,
        "imports": _imports(files, needed.files),
    }


def _imports(files: Mapping[str, str], owned: Iterable[str]) -> list[dict[str, Any]]:
    """The lines of files that import a module of those that are owned."""
    modules = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in owned if path.endswith(".py")
    }
    last = {module.rpartition(".")[2] for module in modules}
    found = []
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            words = set(line.replace(",", " ").replace("(", " ").split())
            if line.lstrip().startswith(("import ", "from ")) and (
                words & modules or {w.lstrip(".") for w in words} & last
            ):
                found.append({"path": path, "line": number, "text": line.strip()})
    return found


def call(follower: Follower, key: str) -> dict[str, Any]:
    """One model call with its prompt and answer. ``UserError`` when no call, or several, have that key."""
    data, _ = one_call(follower.reader, key)
    return data


def story(follower: Follower) -> list[dict[str, Any]]:
    """The whole run in words."""
    stream = list(follower.reader.events())
    began = stream[0].ts if stream else 0.0
    found = []
    for event in once(stream):
        if words := tell(event):
            found.append(
                {"seq": event.seq, "at": round(event.ts - began, 1), "component": event.component, "words": words}
            )
    return found
