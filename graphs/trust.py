"""What a proof rests on: where the trust in each test comes from, and which requirements nothing proven is tied to. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from graphs.evidence import Line
from graphs.examples import render
from graphs.ports import Brief
from graphs.values import Example, Plan, Proof, Provenance, Requirement, Spec, Strength, Verdict


def provenance(brief: Brief, test_ids: Iterable[str], lines: Sequence[Line]) -> dict[str, Provenance]:
    """Test and example id → where the trust in it comes from.

    ``lines``: the independent programs. A test counts as agreed when at least two of them pass it: they were written without
    seeing it, and it without seeing them.
    """
    found: dict[str, Provenance] = {}
    for example in brief.examples:
        found[example.id] = "human" if is_from_user(example) else "spec"
    for example in brief.component.contract.examples:
        found[example.id] = "contract"
    for test_id in test_ids:
        found[test_id] = "agreed" if sum(test_id in line.verdict.passed for line in lines) >= 2 else "single"
    return found


def is_from_user(example: Example) -> bool:
    """Whether an example came with feedback and not with the spec; the ids tell them apart (see ``Example.id``)."""
    return example.id.startswith("F")


def tied_examples(requirement: Requirement, examples: Iterable[Example]) -> tuple[str, ...]:
    """Ids of the spec's examples that the requirement quotes: at most one, the last that starts at or above the quote's line,
    when the words of the quote stand in it.

    How many lines an example takes in the spec plays no part: written anew, it may be longer or shorter. A quote's line is
    the first place in the spec that has its words, so from an example's first line on it cannot be further down than there.
    """
    above = [e for e in examples if 0 < e.line <= requirement.line]
    words = _letters(requirement.quote)
    if not above or not words:
        return ()
    nearest = max(above, key=lambda e: e.line)
    return (nearest.id,) if words in _letters(render(nearest)) else ()


def _letters(text: str) -> str:
    """What remains of a text when prompts, marks, accents and white space do not count."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFD", text).casefold()))


def covers(
    brief: Brief, test_ids: Iterable[str], tied: Mapping[str, Sequence[str]], passed: frozenset[str]
) -> dict[str, tuple[str, ...]]:
    """Requirement id → the passed tests and examples that are tied to it.

    ``tied``: test id → requirements its author wrote it for. Each frozen test failed on the contract's stub, so it fails
    without the component's behaviour.
    """
    found: dict[str, tuple[str, ...]] = {}
    for requirement in brief.requirements:
        ids = [i for i in test_ids if requirement.id in tied.get(i, ()) and i in passed]
        ids += [i for i in tied_examples(requirement, brief.examples) if i in passed]
        if ids:
            found[requirement.id] = tuple(ids)
    return found


def unproven(plan: Plan, spec: Spec, proofs: Mapping[str, Proof], whole: Verdict | None) -> dict[str, str]:
    """Requirement or test id → why it is not proven.

    ``whole``: of the assembled repository, judged by the spec's examples among others; ``None`` when it was not assembled.
    """
    passed = whole.passed if whole else frozenset()
    found: dict[str, str] = {}
    for requirement in plan.requirements:
        owners = [c.id for c in plan.components if requirement.id in c.requirements]
        missing = [i for i in owners if i not in proofs or proofs[i].status != "passed"]
        if missing or not owners:
            found[requirement.id] = f"{_listed(missing)} {'is' if len(missing) <= 1 else 'are'} not proven"
        elif not any(proofs[i].covers.get(requirement.id) for i in owners) and not any(
            i in passed for i in tied_examples(requirement, spec.examples)
        ):
            found[requirement.id] = f"no test of {_listed(owners)} is for it"
    for proof in proofs.values():
        found |= proof.quarantined
    return found


def idle(test_ids: Iterable[str], strength: Strength) -> list[str]:
    """Tests that noticed nothing, not even that a function does nothing any more; none while that was not tried for all."""
    extreme = [m for m in strength.mutants if m.extreme]
    if not extreme or (strength.left and len(extreme) == len(strength.mutants)):
        return []  # the extreme ones are tried first, so where others were tried, all of them were
    noticed = {i for m in strength.mutants for i in m.killed_by}
    return [i for i in test_ids if i not in noticed]


def covered(proofs: Mapping[str, Proof]) -> dict[str, list[str]]:
    """Requirement id → ids of all proven tests and examples tied to it."""
    found: dict[str, list[str]] = {}
    for proof in proofs.values():
        if proof.status == "passed":
            for requirement, ids in proof.covers.items():
                found.setdefault(requirement, []).extend(ids)
    return found


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids) or "no component"
