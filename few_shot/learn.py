"""Exemplars from proven runs: which runs count, whose plan is proposed for each kind of task, and what is said of it. Pure.

A run counts when it passed, every component of its plan was proven in a sandbox in this very run, nobody edited its output by
hand or found its result wrong, and its specification is no task that judges. Of each kind the cheapest run's plan is proposed.
A proposal is shown to no planner: it is adopted when an experiment has found an arm that was shown it better, or cheaper and no
worse (:func:`supported`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import yaml

from few_shot.exemplar import Exemplar, as_prompt, load_all
from few_shot.held_out import HeldOut, refusal
from graphs import dag, document, events
from graphs.errors import UserError
from graphs.events import Event
from graphs.run_state import RunState
from graphs.text import names, plain
from graphs.values import Plan, Proof, Spec, Usage, from_json

MOST_TASK = 4_000
"""Characters of a task that are shown whole; the longest of the shipped exemplars has 1,579."""
MOST_TEXT = 40_000
"""Characters of a proposal; the longest of the shipped exemplars (static-site) has 23,000."""
LEFT_OUT = "[…]"
"""Stands where paragraphs of a task were left out."""
PREFIX = "learnt"
"""What names of proposals begin with, so that they are never those of shipped exemplars."""
ADOPTING = ("better", "adopt cheaper")
"""Verdicts of an experiment that a proposal is adopted for."""

Measure = Literal["usd", "tokens", "calls"]
"""What runs are compared by."""


@dataclass(frozen=True)
class Part:
    """What building one component took."""

    id: str
    """The component."""
    lines: int
    """Of its files."""
    answers: int
    """Programs that were judged, the first one included."""
    cases: int
    """Tests and examples that hold it."""


@dataclass(frozen=True)
class ProvenRun:
    """A run that may be learnt from."""

    id: str
    """As ``agent runs`` lists it."""
    slug: str
    """Its title as lower-case words joined by ``-``."""
    spec: Spec
    """What was asked."""
    plan: Plan
    """The last revision, which is the one that was proven."""
    usage: Usage
    """All calls of the run together."""
    parts: tuple[Part, ...]
    """Of each component, in plan order."""
    changes: tuple[str, ...]
    """How the plan was cut anew while it was built, oldest first, a sentence without its full stop each; hostile."""
    given: bool
    """Whether a person brought the plan, so that no call for it is among the costs."""


@dataclass(frozen=True)
class Refusal:
    """A run that is not learnt from."""

    run: str
    """Its id."""
    reason: str
    """Why, in a sentence without its full stop."""


@dataclass(frozen=True)
class Proposal:
    """An exemplar in the making."""

    name: str
    """``learnt-<slug>-<kind>``."""
    kind: str
    """Of the task."""
    run: str
    """Id of the run whose plan it is."""
    usage: Usage
    """What that run took."""
    measure: Measure
    """What it was the cheapest by."""
    among: tuple[str, ...]
    """Ids of all runs of the kind that it was chosen from, cheapest first."""
    text: str
    """The file."""


def examined(
    run: str, slug: str, state: RunState, stream: Iterable[Event], tasks: Iterable[HeldOut]
) -> ProvenRun | Refusal:
    """The run as one that may be learnt from, or why it may not.

    Args:
        run: its id.
        slug: its title as lower-case words joined by ``-``.
        state: the fold of its events, with the costs of all its calls.
        stream: its events.
        tasks: that judge.
    """
    spec: Spec | None = None
    proofs: dict[str, Proof] = {}
    unsandboxed = state.integration is not None and state.integration.sandbox == "UNSANDBOXED"
    try:
        for event in stream:
            if event.kind == events.RUN_STARTED:
                spec = from_json(Spec, event.body["spec"])
            elif event.kind in (events.COMPONENT_PASSED, events.COMPONENT_KEPT):
                proofs[event.component] = from_json(Proof, event.body["proof"])
    except (LookupError, TypeError, ValueError):
        return Refusal(run, "its journal is damaged, or of another version of this program")
    if spec is None or state.plan is None or state.status != "passed":
        return Refusal(run, f"it did not pass; it ended as {plain(state.status, 20) or 'unknown'}")
    if missing := [*state.missing(), *(c.id for c in state.plan.components if c.id not in proofs)]:
        return Refusal(run, f"not all of its plan is proven: {names(missing)}")
    proven = [proofs[c.id] for c in state.plan.components]
    if unsandboxed or any(p.verdict is not None and p.verdict.sandbox == "UNSANDBOXED" for p in proven):
        return Refusal(run, "its code ran without a sandbox, where a verdict can be forged")
    # As agent/run.py notes it at the start; what the user wrote was part of what was proven then.
    if any(note.startswith("you edited files by hand") for note in state.notes):
        return Refusal(run, "files of its output had been edited by hand")
    if state.plan.feedback or any(not said.worked for said in state.feedback):
        return Refusal(run, "you found its result wrong, so the first plan did not do")
    if kept := [c for c, known in state.components.items() if known.kept]:
        return Refusal(run, f"{names(kept)} came from an earlier run, so that its cost is not that of its plan")
    if why := refusal(spec.text, spec.digest, tasks):
        return Refusal(run, why)
    parts = [
        Part(
            p.component,
            sum(len(text.splitlines()) for text in p.files.values()),
            p.attempts,
            len(p.verdict.cases) if p.verdict else 0,
        )
        for p in proven
    ]
    changes = [
        f"{edit.what}{f': {plain(edit.reason, 200)}' if edit.reason else ''}"
        for revised in state.revisions
        for edit in revised.edits
    ]
    given = state.revisions[0].author == "user"
    return ProvenRun(run, slug, spec, state.plan, state.usage, tuple(parts), tuple(changes), given)


def kind_of(plan: Plan) -> str:
    """The kind of task that a plan answers, by the first rule that fits.

    ``service``: a component is one; ``cli``: a component is one, or there is an entry command; ``function``: a single component
    whose interface has one function and no class; ``library``: all else.
    """
    kinds = {component.kind for component in plan.components}
    if "service" in kinds:
        return "service"
    if "cli" in kinds or plan.entry:
        return "cli"
    interface = "\n".join(text for c in plan.components for text in c.contract.interface.values())
    single = len(plan.components) == 1 and len(re.findall(r"^(?:async )?def |^class ", interface, re.MULTILINE)) == 1
    return "function" if single and not re.search(r"^class ", interface, re.MULTILINE) else "library"


def measure_of(runs: Sequence[ProvenRun]) -> Measure:
    """What runs are compared by: US dollars where all are known, else tokens where all were counted, else calls.

    A price of nothing for no tokens is that of a recording, and so unknown.
    """
    if all(run.usage.usd is not None and (run.usage.usd or run.usage.tokens) for run in runs):
        return "usd"
    return "tokens" if all(run.usage.tokens for run in runs) else "calls"


def propose(
    runs: Iterable[ProvenRun],
    check: Callable[[str, str], Sequence[str]] = lambda name, text: (),
    kind: str = "",
    scrub: Callable[[str], str] = lambda text: text,
) -> tuple[tuple[Proposal, ...], tuple[Refusal, ...]]:
    """For each kind of task the plan of the run that was the cheapest; ties go by tokens, then by the run's title and id.

    Args:
        runs: that may be learnt from.
        check: what is wrong with an exemplar of that name and text, a sentence each. Runs whose plans make none are refused
            before any is chosen.
        kind: of all runs, in place of what :func:`kind_of` says.
        scrub: takes secrets out of a text.
    """
    refused: list[Refusal] = []
    made: dict[str, list[tuple[ProvenRun, str, str]]] = {}
    for run in runs:
        of_kind = kind or kind_of(run.plan)
        name = f"{PREFIX}-{run.slug}-{of_kind}"
        text = scrub(exemplar_text(run, name, of_kind))
        if len(text) > MOST_TEXT:
            why: Sequence[str] = [f"it has {len(text):,} characters, and an exemplar {MOST_TEXT:,} at most"]
        else:
            why = check(name, text)
        if why:
            more = f" (and {len(why) - 1} more)" if len(why) > 1 else ""
            refused.append(Refusal(run.id, f"its plan makes no exemplar: {plain(why[0], 300)}{more}"))
        else:
            made.setdefault(of_kind, []).append((run, name, text))
    return tuple(_cheapest(of_kind, made[of_kind]) for of_kind in sorted(made)), tuple(refused)


def _cheapest(kind: str, made: Sequence[tuple[ProvenRun, str, str]]) -> Proposal:
    measure = measure_of([run for run, _, _ in made])

    def key(one: tuple[ProvenRun, str, str]) -> tuple[float, int, str, str]:
        run, name, _ = one
        return getattr(run.usage, measure), run.usage.tokens, name, run.id

    ranked = sorted(made, key=key)
    run, name, text = ranked[0]
    return Proposal(name, kind, run.id, run.usage, measure, tuple(other.id for other, _, _ in ranked), text)


# -- the text


def exemplar_text(run: ProvenRun, name: str, kind: str) -> str:
    """A run as the text of an exemplar's file."""
    plan = _quoting_literally(run.plan, run.spec)
    tags = [component.id.replace("_", " ") for component in plan.components]
    front = yaml.safe_dump(
        {"name": name, "kind": kind, "tags": tags},
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=1000,
    )
    task, whole = task_of(run.spec, plan)
    written = _bare(plan)
    fence = "`" * (max(map(len, re.findall("`{3,}", written)), default=2) + 1)
    why = "\n".join(_why(run, whole))
    return (
        f"---\n{front}---\n## Task\n\n{task}\n\n## Plan\n\n{fence}yaml\n{written}{fence}\n\n## Why this size\n\n{why}\n"
    )


def _why(run: ProvenRun, whole: bool) -> Iterable[str]:
    """What the run shows of the size of its components; nothing that was not measured."""
    figures = dag.figures(run.plan)
    count = "1 component" if figures.components == 1 else f"{figures.components} components"
    yield (
        f"Built and proven as it stands by run {run.id}: {count}, depth {figures.depth}, width {figures.width}, longest contract "
        f"{figures.largest_contract} lines; {_spent(run)}."
    )
    yield ""
    for part in run.parts:
        answers = "right at the first answer" if part.answers <= 1 else f"right at answer {part.answers}"
        yield f"- `{part.id}`: {part.lines} lines of code, held by {part.cases} tests and examples, {answers}."
    yield ""
    if run.changes:
        yield "While it was built the plan was changed:"
        yield ""
        yield from (f"- {change}." for change in run.changes)
    else:
        yield "Its first cut held: nothing was split, merged or specified anew while it was built."
    if not whole:
        yield ""
        yield f"The task is shortened: {LEFT_OUT} stands for paragraphs that no requirement quotes."


def _spent(run: ProvenRun) -> str:
    calls = f"{run.usage.calls} model call{'s' * (run.usage.calls != 1)}"
    tokens = f", {run.usage.tokens:,} tokens" if run.usage.tokens else ""
    usd = f", ${run.usage.usd:.4f}" if run.usage.usd else ""
    return f"{calls}{tokens}{usd}" + (", none of them for the first cut, which a person gave" if run.given else "")


_DEFAULT = re.compile(
    r" *(?:spec_digest: ''|revision: 1|language: python|entry: ''|line: 0|quote: ''|kind: library|interface: \{\}"
    r"|(?:depends_on|requirements|packages|examples): \[\])"
)
"""Lines of a ``plan.yaml`` that say what holds without them."""


def _bare(plan: Plan) -> str:
    """The plan as YAML without what holds anyhow: an exemplar shows what a planner has to write."""
    text = document.dump(plan)
    bare = "".join(f"{line}\n" for line in text.splitlines() if not _DEFAULT.fullmatch(line))
    # Such a line inside a contract's prose is part of the plan.
    return bare if document.parse(bare) == plan else text


def _quoting_literally(plan: Plan, spec: Spec) -> Plan:
    """The plan with quotes as they stand in the specification: where one differs in its mark-up, the line that it starts at.

    What belongs to the run and not to the plan (digest, revision, lines) is taken out.
    """
    text, lines = _squeezed(spec.text), spec.text.split("\n")

    def literal(quote: str, line: int) -> str:
        if _squeezed(quote) in text or not 0 < line <= len(lines):
            return quote
        return lines[line - 1].strip().lstrip("#").strip()

    requirements = tuple(replace(r, quote=literal(r.quote, r.line), line=0) for r in plan.requirements)
    return replace(plan, spec_digest="", revision=1, requirements=requirements)


def task_of(spec: Spec, plan: Plan) -> tuple[str, bool]:
    """The task as an exemplar tells it, and whether that is all of the specification.

    Its own words; headings below the first level go one level down, since those of the second are the exemplar's own. Beyond
    ``MOST_TASK`` characters it is shortened: the first paragraph and those that a requirement quotes stay, then others from the
    top for as long as there is room. A fenced block is one paragraph.
    """
    paragraphs = _paragraphs(spec.text)
    squeezed = [_squeezed(paragraph) for paragraph in paragraphs]
    text = " ".join(squeezed)
    keep = {0} if paragraphs else set()
    for requirement in plan.requirements:
        quote = _squeezed(requirement.quote)
        start = text.find(quote) if quote else -1
        end, at = start + len(quote), 0
        for number, words in enumerate(squeezed):
            if start >= 0 and at < end and start < at + len(words):
                keep.add(number)
            at += len(words) + 1
    room = MOST_TASK - sum(len(paragraphs[number]) for number in keep)
    for number, paragraph in enumerate(paragraphs):
        if number not in keep:
            room -= len(paragraph)
            if room < 0:
                break
            keep.add(number)
    told: list[str] = []
    for number, paragraph in enumerate(paragraphs):
        if number in keep:
            told.append(paragraph)
        elif told[-1:] != [LEFT_OUT]:
            told.append(LEFT_OUT)
    return "\n\n".join(told), len(keep) == len(paragraphs)


def _paragraphs(text: str) -> list[str]:
    """The paragraphs of Markdown, fenced blocks whole; headings lowered, a block that nothing closes closed."""
    found: list[list[str]] = [[]]
    mark = ""
    for line in text.splitlines():
        fence = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if fence and not mark:
            mark = fence[1]
        elif fence and fence[1].startswith(mark) and line.strip() == fence[1]:
            mark = ""
        elif not mark and not line.strip():
            found.append([])
            continue
        elif not mark and re.match(r"##+ ", line):
            line = f"#{line}"  # noqa: PLW2901 - the same line, lower
        found[-1].append(line.rstrip() if not mark else line)
    if mark:
        found[-1].append(mark)
    return ["\n".join(lines) for lines in found if lines]


def _squeezed(text: str) -> str:
    return " ".join(text.split())


# -- adopting


def digest_of(exemplar: Exemplar) -> str:
    """SHA-256 (hex) of what a planner is shown of it: by it an experiment says which text its arms were shown."""
    return sha256(as_prompt(exemplar).encode()).hexdigest()


def digests(directory: Path) -> dict[str, str]:
    """Name → :func:`digest_of` of the exemplars in a directory, as the arms of an experiment's result have them."""
    return {exemplar.name: digest_of(exemplar) for exemplar in load_all([directory])}


def supported(exemplar: Exemplar, result: Any) -> str:
    """The arm of an experiment that speaks for adopting an exemplar.

    The result is plain JSON: ``{"version": 1, "name", "decisions": {arm: {"verdict", …}}, "arms": {arm: {"exemplars": {name:
    digest}}}}``; ``arms`` has all of them, ``decisions`` those that were compared with one that has no decision.

    Raises:
        UserError: it is no such result; no arm was shown this very text; what it was compared with was shown it as well; or
            the verdict is another than better or cheaper. An arm that was shown it and is worse speaks against all others.
    """
    decisions, arms = _table(result, "decisions"), _table(result, "arms")
    if not isinstance(result, Mapping) or result.get("version") != 1 or not decisions or not arms:
        raise UserError("the evidence is no result of an experiment; give what agent bench prints with --json")
    name, digest = exemplar.name, digest_of(exemplar)
    used = [arm for arm in arms if _table(arms[arm], "exemplars").get(name) == digest]
    against = [arm for arm in arms if arm not in decisions]
    shown = [arm for arm in used if arm in decisions]
    if not shown:
        raise UserError(f"no arm of the experiment was shown {name!r} as it stands; run one with an arm that is")
    if not against or any(arm in used for arm in against):
        raise UserError(
            f"what the experiment compares with was shown {name!r} as well; run it against an arm that is not"
        )
    verdicts = {arm: str(_table(decisions, arm).get("verdict")) for arm in shown}
    speaking = [arm for arm, verdict in verdicts.items() if verdict in ADOPTING]
    if not speaking or "worse" in verdicts.values():
        said = ", ".join(f"{plain(arm, 40)} {plain(verdict, 40)}" for arm, verdict in verdicts.items())
        raise UserError(
            f"the experiment does not speak for {name!r} ({said}); an exemplar is adopted when its arm is {' or '.join(ADOPTING)}"
        )
    return speaking[0]


def _table(data: Any, key: str) -> Mapping[str, Any]:
    value = data.get(key) if isinstance(data, Mapping) else None
    return value if isinstance(value, Mapping) else {}
