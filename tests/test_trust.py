"""What a proof rests on: provenance, and which requirements something proven is tied to."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.spec import locate_quotes, read_spec
from graphs.evidence import Line
from graphs.ports import Brief
from graphs.trust import covered, covers, provenance, tied_examples, unproven
from graphs.values import (
    CaseResult,
    Component,
    Contract,
    Example,
    Outcome,
    Plan,
    Proof,
    Requirement,
    Spec,
    Step,
    Verdict,
)


def spec_of(text: str) -> Spec:
    return read_spec("-", io.BytesIO(text.encode()))


def quoting(spec: Spec, quote: str) -> Requirement:
    """A requirement with that quote, on the line where it is found."""
    ((requirement,), problems) = locate_quotes(spec, [Requirement("R1", "It works.", quote)])
    assert problems == ()
    return requirement


SPEC = spec_of("""\
# Tally

Sums numbers. Words are refused.

```console
$ tally nonsense  # exit 2
$ tally garbage   # exit 3

$ tally 1 2


3
$ tally file
4
```
It is fast, and says what went wrong.

```console
$ tally - <<'STDIN'
5
6
STDIN
11
```
An empty file sums to zero.

Running `python -m tally --max` on:
```input
7
café
9
```
gives
```output exit 1
largest: 9
```
Without a file it reads *standard input*.

>>> tally([1])
1
>>> tally(["x"])
Traceback (most recent call last):
  File "tally.py", line 3, in tally
TypeError: no number: 'x'

Lists may be empty, too.
""")
QUOTES = {
    # what is quoted → the examples that are
    "Sums numbers.": [],
    "tally nonsense": ["E1"],
    "$ tally garbage": ["E1"],
    "$ tally 1 2\n3": ["E1"],
    "`tally 1 2`": ["E1"],
    "$ tally file\n4": ["E1"],  # lower in the spec than the example has lines when written anew
    "It is fast": [],  # higher than that of an example with lines that it gives a status of their own
    "says what went wrong": [],
    "tally - <<'STDIN'\n5\n6\nSTDIN\n11": ["E2"],
    "STDIN 11": ["E2"],
    "An empty file sums to zero.": [],
    "Running `python -m tally --max` on:": [],
    "CAFÉ": ["E3"],
    "cafe\u0301 9": ["E3"],
    "largest: 9": ["E3"],
    "gives": [],
    "Without a file it reads standard input": [],
    ">>> tally([1])": ["E4"],
    "TypeError: no number: 'x'": ["E4"],
    "Lists may be empty, too.": [],
}


@pytest.mark.parametrize("quote", QUOTES)
def test_examples_that_a_requirement_quotes(quote: str) -> None:
    requirement = quoting(SPEC, quote)
    assert list(tied_examples(requirement, SPEC.examples)) == QUOTES[quote]
    assert list(tied_examples(requirement, reversed(SPEC.examples))) == QUOTES[quote], "in whatever order they come"


def test_the_same_words_in_two_examples_are_quoted_from_the_first() -> None:
    spec = spec_of("```console\n$ a\n1\n```\n\n```console\n$ b\n$ a\n1\n```\n")
    assert tied_examples(quoting(spec, "$ a\n1"), spec.examples) == ("E1",)
    assert tied_examples(quoting(spec, "$ b\n$ a"), spec.examples) == ("E2",)


def test_a_requirement_without_a_place_or_words_is_tied_to_nothing() -> None:
    contract = Example("c.C1", "shell", (Step("tally nonsense"),))
    assert tied_examples(Requirement("R1", "x", "tally nonsense", 0), (*SPEC.examples, contract)) == ()
    assert tied_examples(Requirement("R1", "x", "tally nonsense", 99), (contract,)) == ()
    assert tied_examples(Requirement("R1", "x", "", 6), SPEC.examples) == ()
    assert tied_examples(Requirement("R1", "x", "$", 6), SPEC.examples) == ()


words = st.text(alphabet="abc ", min_size=1, max_size=9).filter(str.strip)
said = st.lists(st.text(alphabet="xyz", min_size=1, max_size=5), min_size=1, max_size=4)


@given(st.lists(st.tuples(words, st.booleans(), said), min_size=1, max_size=5), st.data())
def test_a_line_of_an_example_is_tied_to_it_and_no_other_line_is(
    parts: list[tuple[str, bool, list[str]]], data: st.DataObject
) -> None:
    lines = [("# T", "")]  # each with the example it is in
    for number, (prose, is_pair, inside) in enumerate(parts, 1):
        head = ["```input 0", *inside, "```", "```output"] if is_pair else ["```console", f"$ 0 {inside[0]}"]
        lines += [(prose, ""), *((text, f"E{number}") for text in (*head, *inside)), ("```", ""), ("", "")]
    spec = spec_of("\n".join(text for text, _ in lines))
    assert len(spec.examples) == len(parts)
    quote, quoted = data.draw(st.sampled_from([line for line in lines if line[0].strip("`") and "```" not in line[0]]))
    requirement = quoting(spec, quote)
    _, found_in = lines[requirement.line - 1]
    assert tied_examples(requirement, spec.examples) == ((found_in,) if quoted else ())


E_SPEC = Example("E1", "shell", (Step("tally"),), 3)
E_SAID = Example("F1", "shell", (Step("tally -x"),), 30)
E_OWN = Example("a.C1", "shell", (Step("tally -y"),))
R1 = Requirement("R1", "It tallies.", "tally", 3)
R2 = Requirement("R2", "It is nice.", "nice", 9)
A = Component("a", "Adds.", ("a.py",), Contract(examples=(E_OWN,)), requirements=("R1", "R2"))
BRIEF = Brief(A, "key", (R1, R2), (), "tests/test_a.py", examples=(E_SPEC, E_SAID))


def line(*passed: str) -> Line:
    return Line({}, Verdict("failed", tuple(CaseResult(i, "passed") for i in passed)))


def test_where_trust_comes_from() -> None:
    lines = [line("t1", "t2", "E1"), line("t1", "t3", "E1"), line("t3", "t1")]
    assert provenance(BRIEF, ["t1", "t2", "t3", "t4"], lines) == {
        "E1": "spec",
        "F1": "human",
        "a.C1": "contract",
        "t1": "agreed",
        "t2": "single",
        "t3": "agreed",
        "t4": "single",
    }


def test_one_program_agrees_with_nobody() -> None:
    assert set(provenance(BRIEF, ["t1"], [line("t1")]).values()) == {"spec", "human", "contract", "single"}


def test_what_covers_a_requirement_is_tied_to_it_and_passed() -> None:
    tied = {"t1": ("R1",), "t2": ("R1", "R2"), "t3": ("R2",), "t4": ("R9",), "gone": ("R1",)}
    passed = frozenset({"t1", "t2", "t4", "E1", "F1", "gone"})
    declared = ["t1", "t2", "t3", "t4"]
    assert covers(BRIEF, declared, tied, passed) == {"R1": ("t1", "t2", "E1"), "R2": ("t2",)}
    assert covers(BRIEF, declared, tied, passed - {"E1", "t2"}) == {"R1": ("t1",)}
    assert covers(BRIEF, declared, {}, frozenset(declared)) == {}


B = Component("b", "Bills.", ("b.py",), Contract(), requirements=("R1", "R3"))
R3 = Requirement("R3", "It bills.", "bills", 12)
PLAN = Plan("t", (A, B), (R1, R2, R3))
WHOLE = Spec("t", "", "d", (E_SPEC,))


def proof(component: str, **covering: tuple[str, ...]) -> Proof:
    return Proof(component, "key", "passed", covers=covering)


def test_what_is_not_proven_and_why() -> None:
    proofs = {"a": proof("a", R2=("t1",)), "b": replace(proof("b", R3=("t2",)), status="failed")}
    assert unproven(PLAN, WHOLE, proofs, None) == {"R1": "b is not proven", "R3": "b is not proven"}
    assert unproven(PLAN, WHOLE, {}, None) == {
        "R1": "a, b are not proven",
        "R2": "a is not proven",
        "R3": "b is not proven",
    }


def test_a_requirement_is_not_proven_where_no_test_is_for_it() -> None:
    proofs = {"a": proof("a", R2=("t1",)), "b": proof("b", R3=("t2",))}
    assert unproven(PLAN, WHOLE, proofs, None) == {"R1": "no test of a, b is for it"}


def test_all_is_proven_when_one_owner_of_each_requirement_has_a_test_for_it() -> None:
    assert unproven(PLAN, WHOLE, {"a": proof("a", R2=("t1",)), "b": proof("b", R1=("t2",), R3=("t3",))}, None) == {}


@pytest.mark.parametrize(("outcome", "left"), [("passed", []), ("failed", ["R1"]), ("flaky", ["R1"])])
def test_an_example_that_the_whole_passes_proves_what_it_is_quoted_for(outcome: Outcome, left: list[str]) -> None:
    proofs = {"a": proof("a", R2=("t1",)), "b": proof("b", R3=("t2",))}
    whole = Verdict("passed", (CaseResult("E1", outcome),))
    assert list(unproven(PLAN, WHOLE, proofs, whole)) == left


def test_a_test_that_was_set_aside_is_told_beside_the_requirements() -> None:
    proofs = {
        "a": replace(proof("a", R1=("t1",), R2=("t1",)), quarantined={"t9": "it passes and fails"}),
        "b": proof("b", R3=("t2",)),
    }
    assert unproven(PLAN, WHOLE, proofs, None) == {"t9": "it passes and fails"}


def test_what_is_covered_is_told_of_proven_components_only() -> None:
    proofs = {
        "a": proof("a", R1=("t1", "E1"), R2=("t1",)),
        "b": proof("b", R1=("t2",)),
        "c": replace(proof("c", R1=("t3",), R4=("t3",)), status="failed"),
    }
    assert covered(proofs) == {"R1": ["t1", "E1", "t2"], "R2": ["t1"]}
