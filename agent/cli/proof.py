"""What the proof of one component rests on, in words: its tests and examples, why each counts, what became of it, and which
changes of the code they notice. Part of ``agent show``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.cli.output import indented, wrapped
from agent.cli.story import change_of_code, entries, part
from graphs import events

if TYPE_CHECKING:
    from graphs.events import Event

_REASON = 400
"""Most terminal cells of a reason, which takes as many lines as it needs."""

TRUST: Mapping[str, str] = {
    "spec": "example of the spec",
    "human": "from your feedback",
    "agreed": "agreed by independent programs",
    "contract": "example of the contract",
    "single": "written once",
}
"""Where the trust in a test or example comes from (``graphs.values.Provenance``), in words."""

_DECIDED = {
    "disputed": "disputed",
    "question the test": "questioned",
    "keep the test": "kept",
}
"""Decisions about single tests, as a part of their history."""


@dataclass(frozen=True)
class Gone:
    """A test that was frozen or offered, and does not count any more."""

    id: str
    """Which."""
    how: str
    """``left out``, ``taken out again`` or ``set aside``."""
    reason: str
    """Why; hostile."""
    source: str
    """Its function; empty when it is not known. Hostile."""


@dataclass
class Account:
    """The tests and examples of a component as its story tells them; all texts are hostile."""

    writing: list[str] = field(default_factory=list)
    """How the tests came to be before they were frozen."""
    ids: list[str] = field(default_factory=list)
    """The frozen tests."""
    history: dict[str, list[str]] = field(default_factory=dict)
    """Test id → what became of it after that, oldest first."""
    added: dict[str, dict[str, str]] = field(default_factory=dict)
    """Test that was added later → the mutants that it and those added with it are for, and their changes."""
    gone: list[Gone] = field(default_factory=list)
    """What does not count any more."""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    """The last one, as plain JSON."""
    proof: Mapping[str, Any] = field(default_factory=dict)
    """The last one, as plain JSON; empty before there is one."""
    strength: Mapping[str, Any] = field(default_factory=dict)
    """The last measurement, as plain JSON; empty when there is none."""

    def mutants(self) -> list[Mapping[str, Any]]:
        """Those that were tried, unnoticed ones first."""
        tried = [m for m in entries(self.strength, "mutants") if isinstance(m, Mapping)]
        return sorted(tried, key=lambda m: bool(m.get("killed_by")))

    def noticed(self, test_id: str) -> int:
        """How many of them the test noticed, at least: of most only the first that noticed it is known."""
        return sum(test_id in entries(m, "killed_by") for m in self.mutants())

    def weak(self, test_id: str) -> bool:
        """Whether a test noticed nothing, not even functions that do nothing any more; not told while those are not all tried."""
        from graphs.trust import idle
        from graphs.values import Strength, from_json

        return "::" in test_id and bool(idle([test_id], from_json(Strength, dict(self.strength))))

    def requirements(self, test_id: str) -> list[str]:
        """Ids of those it proves."""
        covers = part(self.proof, "covers")
        return [str(requirement) for requirement in covers if test_id in entries(covers, requirement)]

    def proof_of(self, requirement: str) -> str:
        """The end of a sentence: what proves a requirement here; empty before there is a proof."""
        if self.proof.get("status") != "passed" or "covers" not in self.proof:
            return ""
        from graphs.text import names

        ids = [str(i).rsplit("::", 1)[-1] for i in entries(part(self.proof, "covers"), requirement)]
        return f" (proven by {names(ids)})" if ids else " (no test here is for it)"


def account(story: Iterable[Event]) -> Account:
    """The fold of a component's events. Never fails."""
    known = Account()
    for event in story:
        if event.kind == events.COMPONENT_STEP and (event.body.get("step"), event.body.get("attempt")) == ("tests", 1):
            known = Account()  # from the beginning: under another contract, for instance
        take_in = _FOLD.get(event.kind)
        if take_in is not None:
            take_in(known, event.body)
    return known


def _begin(known: Account, body: Mapping[str, Any]) -> None:
    if body.get("step") == "tests":
        known.writing.append("written again" if known.writing else "written")


def _decide(known: Account, body: Mapping[str, Any]) -> None:
    decision = str(body.get("decision"))
    if decision == "send the tests back":
        known.writing.append(f"sent back: {_said(body.get('reason'))}")
    elif decision in _DECIDED:
        for test_id in entries(body, "tests"):
            _tell(known, str(test_id), _DECIDED[decision], body.get("reason"))


def _tell(known: Account, test_id: str, what: str, reason: Any) -> None:
    known.history.setdefault(test_id, []).append(f"{what}{_why(reason)}")


def _freeze(known: Account, body: Mapping[str, Any]) -> None:
    known.ids = [str(i) for i in entries(body, "ids")]
    known.writing.append("fixed before" if body.get("kept") else "fixed")
    for dropped in entries(body, "dropped"):
        if isinstance(dropped, Mapping):
            known.gone.append(Gone(str(dropped.get("id")), "left out", str(dropped.get("reason") or ""), ""))


def _add(known: Account, body: Mapping[str, Any]) -> None:
    from graphs.run_state import changes_of

    for test_id in map(str, entries(body, "ids")):
        known.ids.append(test_id)
        known.added[test_id] = changes_of(body)


def _take_out(known: Account, how: str, body: Mapping[str, Any]) -> None:
    test_id = str(body.get("id"))
    known.ids = [i for i in known.ids if i != test_id]
    known.gone.append(Gone(test_id, how, str(body.get("reason") or ""), str(body.get("source") or "")))


def _measure(known: Account, body: Mapping[str, Any]) -> None:
    known.strength = part(body, "strength")


def _judge(known: Account, body: Mapping[str, Any]) -> None:
    if known.proof.get("status") != "passed":  # else it is work for the whole, judged by the tests of all
        known.verdict = part(body, "verdict") or known.verdict


def _prove(known: Account, body: Mapping[str, Any]) -> None:
    known.proof = part(body, "proof")
    known.strength = part(known.proof, "strength")
    known.verdict = part(known.proof, "verdict") or known.verdict


def _start(known: Account, body: Mapping[str, Any]) -> None:
    known.proof = {}


_FOLD: Mapping[str, Callable[[Account, Mapping[str, Any]], None]] = {
    events.COMPONENT_STARTED: _start,
    events.COMPONENT_STEP: _begin,
    events.COMPONENT_DECISION: _decide,
    events.TESTS_FROZEN: _freeze,
    events.TEST_AMENDED: lambda known, body: _tell(known, str(body.get("id")), "replaced", body.get("reason")),
    events.TESTS_ADDED: _add,
    events.TEST_DROPPED: lambda known, body: _take_out(known, "taken out again", body),
    events.TEST_QUARANTINED: lambda known, body: _take_out(known, "set aside", body),
    events.STRENGTH_MEASURED: _measure,
    events.COMPONENT_ATTEMPT: _judge,
    events.COMPONENT_PASSED: _prove,
    events.COMPONENT_KEPT: _prove,
    events.COMPONENT_FAILED: _prove,
}


def cases_section(known: Account) -> Iterator[str]:
    """The section on tests: each with its verdict, why it counts, and its history; then those that are gone."""
    from graphs.text import plain

    cases = [c for c in entries(known.verdict, "cases") if isinstance(c, Mapping)]
    if not (cases or known.ids or known.gone):
        return
    yield from ("", "Tests" if cases else "Tests, not run yet")
    if known.writing:
        yield from wrapped("; ".join(known.writing), 2)
    for case in cases:
        passed = case.get("outcome") == "passed"
        said = "" if passed else f"  {plain(str(case.get('outcome')), 20)}: {plain(str(case.get('message')), 200)}"
        yield from wrapped(f"{'✓' if passed else '✗'} {plain(str(case.get('id')), 120)}{said}", 2, 6)
        yield from _case_lines(known, str(case.get("id")), passed)
    for test_id in known.ids if not cases else ():
        yield f"  {plain(test_id, 120)}"
        yield from _case_lines(known, test_id, passed=False)
    for gone in known.gone:
        yield f"  – {plain(gone.id, 120)}"
        yield from _history_lines(known, gone.id)
        yield from wrapped(f"{gone.how}{_why(gone.reason)}", 6)


def _case_lines(known: Account, test_id: str, passed: bool) -> Iterator[str]:
    from graphs.text import names, plain

    provenance = str(part(known.proof, "provenance").get(test_id) or "")
    parts = [TRUST.get(provenance) or plain(provenance, 40)] if provenance else []
    if wanted := known.requirements(test_id):
        parts.append(f"for {names(wanted, 6)}")
    tried, noticed = len(known.mutants()), known.noticed(test_id)
    if passed and noticed and "::" in test_id:
        parts.append(f"noticed at least {noticed} of {tried} change{'s' * (tried != 1)} of the code")
    elif passed and noticed:  # an example is only tried on what tests do not notice
        parts.append(f"noticed {noticed} of the changes that no test noticed")
    elif passed and known.weak(test_id):
        parts.append(f"noticed none of the {tried} changes of the code")
    if parts:
        yield f"      {' · '.join(parts)}"
    yield from _history_lines(known, test_id)


def _history_lines(known: Account, test_id: str) -> Iterator[str]:
    if test_id in known.added:
        offered = known.added[test_id]
        seen = {str(m.get("id")): str(m.get("change")) for m in known.mutants() if test_id in entries(m, "killed_by")}
        meant = {mutant: change for mutant, change in offered.items() if seen.get(mutant) == change} or offered
        why = "; ".join(f"{mutant}: {change}" for mutant, change in meant.items()) or "what programs do differently"
        yield from wrapped(f"added, because this went unnoticed: {_said(why)}", 6)
    for line in known.history.get(test_id, ()):
        yield from wrapped(line, 6)


def strength_section(known: Account) -> Iterator[str]:
    """The section on the changes of the code that tests were tried on; why there were none, where that was said."""
    from graphs.run_state import level_of

    level = level_of(known.strength) if known.strength else None
    if level is None:
        return
    if not level.total:
        nothing = "there was no time for it" if level.left else "there was nothing to change in the code"
        yield from ("", *wrapped(f"Strength of the tests not measured: {_said(level.reason) or nothing}", 0))
        return
    lines = f", tests run {level.reached} of {level.lines} lines" if level.lines else ""
    left = f", {level.left} more not tried for want of time" if level.left else ""
    yield from ("", f"Changes of the code: {level.killed} of {level.total} noticed{left}{lines}")
    for mutant in known.mutants():
        yield from _mutant_lines(mutant)


def _mutant_lines(mutant: Mapping[str, Any]) -> Iterator[str]:
    from graphs.text import names

    killers = [str(i).rsplit("::", 1)[-1] for i in entries(mutant, "killed_by")]
    excuse = _said(mutant.get("excuse"))
    if killers:
        yield from wrapped(f"✓ {change_of_code(mutant)}, killed by {names(killers)}", 2)
    else:
        why = f"; the test writer says: {excuse}" if excuse else ""
        yield from wrapped(f"✗ {change_of_code(mutant)}, survived{why}", 2)


def changes_section(story: Iterable[Event]) -> Iterator[str]:
    """Tests that were replaced, with both versions, and those that were taken out, as they were."""
    from graphs.text import plain

    known = list(story)
    for event in known:
        if event.kind == events.TEST_AMENDED:
            body = event.body
            what = f"Replaced test {plain(str(body.get('id')), 120)}{_why(body.get('reason'))}"
            yield from ("", *wrapped(what, 0))
            for seen in entries(body, "evidence"):
                yield from wrapped(f"- {plain(str(seen), 300)}", 2)
            yield "  --- before"
            yield indented(str(body.get("before") or ""))
            yield "  --- after"
            yield indented(str(body.get("after") or ""))
    for gone in account(known).gone:
        if gone.source:
            how = gone.how[0].upper() + gone.how[1:]
            yield from ("", *wrapped(f"{how}: {plain(gone.id, 120)}{_why(gone.reason)}", 0))
            yield indented(gone.source)


def _why(reason: Any) -> str:
    return f": {_said(reason)}" if reason else ""


def _said(text: Any) -> str:
    from graphs.text import plain

    return plain(str(text or ""), _REASON)
