"""What test writers rule on tests, as models write it: good and sloppy answers are read, others are refused by name."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.strategies import rulings
from graphs.errors import AnswerError
from graphs.values import Amendment, Strengthening

DOUBTED = ["tests/test_x.py::test_a", "tests/test_x.py::TestC::test_b"]

NEW_B = "def test_b(self):\n    assert f() == 1\n"
DECIDED = """\
### tests/test_x.py::test_a
The contract says "it raises".
KEEP: "it raises".

### tests/test_x.py::TestC::test_b
REPLACE: the contract
counts from 1.

```python
def test_b(self):
    assert f() == 1
```
"""


@pytest.mark.parametrize(
    "answer",
    [
        DECIDED,
        f"Some thoughts first.\n\n{DECIDED}\nThat is all.\n",
        DECIDED.replace("\n", "\r\n"),
        f"````markdown\n{DECIDED}````\n",
        f"```markdown\n{DECIDED}```\n",
        DECIDED.replace("tests/test_x.py::", ""),
        DECIDED.replace("tests/test_x.py::TestC::", ""),
        DECIDED.replace("### tests/test_x.py::test_a", "**1. `tests/test_x.py::test_a`**"),
        DECIDED.replace("### tests/test_x.py::test_a", "2) Test: `test_a()`:"),
        DECIDED.replace("### tests/test_x.py::test_a", "## Test test_a"),
        DECIDED.replace("KEEP:", "**KEEP**:").replace("REPLACE:", "**REPLACE:**"),
        DECIDED.replace("KEEP:", "- KEEP -").replace("REPLACE:", "Decision: replace."),
        DECIDED.replace("KEEP:", "**Result:** `KEEP` —").replace("REPLACE: ", "REPLACE\n\n"),
        DECIDED.replace("KEEP:", "KEEP").replace('\nThe contract says "it raises".', " — KEEP:"),
        DECIDED.replace('test_a\nThe contract says "it raises".\nKEEP', "test_a: KEEP"),
        DECIDED.replace("KEEP:", "I keep it.\n\n```python\ntest_a()\n```\n\nKEEP:"),
        DECIDED.replace("```python", "````").replace("```\n", "````\n").replace("`````", "````"),
        DECIDED.replace("def test_b", "    def test_b").replace("    assert", "        assert"),
        DECIDED.replace("KEEP:", "keep:")
        + "### tests/test_x.py::test_c\nREPLACE: it too\n```\ndef test_c(): ...\n```\n",
        DECIDED + "```console\n$ pytest\n```\n",
        DECIDED + "```python\ndef test_b(self):\n    assert f() == 1\n```\n",
    ],
)
def test_an_amendment_is_read(answer: str) -> None:
    amendment = rulings.read_amendment(answer, DOUBTED)

    assert amendment.kept == {DOUBTED[0]: '"it raises".'}
    assert amendment.replaced == {DOUBTED[1]: NEW_B}
    assert amendment.reasons == {DOUBTED[1]: "the contract counts from 1."}


@pytest.mark.parametrize(
    "answer",
    [
        "### tests/test_x.py::test_a\nUNCLEAR: it says nothing.\n",
        "Nothing is said of it.\n\nunclear: it says\nnothing.\n\nMore words.\n",
        "test_a\n\nThe test_a is wrong, keep in mind.\nUNCLEAR\n\nit says nothing.\n",
    ],
)
def test_what_the_contract_leaves_open_is_kept_as_unclear(answer: str) -> None:
    amendment = rulings.read_amendment(answer, DOUBTED[:1])

    assert (amendment.kept, amendment.replaced) == ({DOUBTED[0]: "unclear: it says nothing."}, {})


def test_tests_of_one_name_in_two_classes_are_told_apart() -> None:
    ids = ["tests/test_x.py::TestC::test_a", "tests/test_x.py::TestD::test_a"]

    amendment = rulings.read_amendment("TestC::test_a\nKEEP: 1\n\nTestD::test_a\nKEEP: 2\n", ids)

    assert list(amendment.kept.values()) == ["1", "2"]
    with pytest.raises(AnswerError, match=r"TestC::test_a: nothing is decided.*TestD::test_a: nothing is decided"):
        rulings.read_amendment("test_a\nKEEP: 1\n\ntest_a\nKEEP: 2\n", ids)


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        ("", ["test_a: nothing is decided; put a line 'KEEP: reason'", "test_b: nothing is decided"]),
        (DECIDED.partition("### tests/test_x.py::T")[0], ["test_b: nothing is decided"]),
        (DECIDED.replace("KEEP:", "We keep the test:"), ["test_a: nothing is decided"]),
        (DECIDED.replace("test_a", "test_z"), ["test_a: nothing is decided"]),
        (DECIDED.replace("KEEP:", "KEEP: x\n\nREPLACE:"), ["test_a: both KEEP and REPLACE are given; decide on one"]),
        (DECIDED.replace(': "it raises".', ":"), ["test_a: no reason is given; write KEEP, a colon, and the words"]),
        (DECIDED.partition("```")[0], ["test_b: REPLACE needs the whole new test function in a fenced block"]),
        (DECIDED.rpartition("```")[0], ["test_b: the answer ends in the middle of the new test function"]),
        (DECIDED + "```python\nimport x\n```\n", ["test_b: several blocks of code are given; give one"]),
    ],
)
def test_an_amendment_is_refused_by_name(answer: str, sentences: list[str]) -> None:
    with pytest.raises(AnswerError) as caught:
        rulings.read_amendment(answer, DOUBTED)

    assert len(caught.value.problems) == len(sentences)
    for problem, sentence in zip(caught.value.problems, sentences, strict=True):
        assert sentence in problem


CHANGES, IDLE, DIFFERENCES = ["M1", "M2", "M4", "M7"], ["tests/test_x.py::test_a"], ["D1", "D2"]
NEW_ONE = "def test_one():\n    assert f(1) == 1\n"
NEW_A = "def test_a():\n    assert f(2) == 2\n"
RULED = """\
### M1
The contract says "one gives one".
TEST: "one gives one".
```python
def test_one():
    assert f(1) == 1
```

### M2
SAME AS M1

### M4
No caller sees it.
EQUIVALENT: the order of a sum
is free.

### M7
UNSPECIFIED: "none" is not mentioned.

### tests/test_x.py::test_a
REPLACE: it passes with every number.
```python
def test_a():
    assert f(2) == 2
```
"""
READ = Strengthening(
    {"M1": NEW_ONE, "M2": NEW_ONE},
    {"M4": "equivalent: the order of a sum is free.", "M7": 'unspecified: "none" is not mentioned.'},
    {"tests/test_x.py::test_a": NEW_A},
)


def read(answer: str) -> Strengthening:
    return rulings.read_strengthening(answer, CHANGES, IDLE, DIFFERENCES)


@pytest.mark.parametrize(
    "answer",
    [
        RULED,
        f"Some thoughts first.\n\n{RULED}\nThat is all.\n",
        RULED.replace("\n", "\r\n"),
        f"````markdown\n{RULED}````\n",
        f"```markdown\n{RULED}```\n",
        RULED.replace("### M", "**M").replace("\nThe contract", "**\nThe contract").replace("\nSAME", "**\nSAME")
        .replace("\nNo caller", "**\nNo caller").replace("\nUNSPEC", "**\nUNSPEC"),
        RULED.replace("### M", "## Change M"),
        RULED.replace("### M2\n", "### M2 (`pkg/top.py`, line 3)\n").replace("### M7\n", "#### M7: `a < b → a <= b`\n"),
        RULED.replace("### M2\n", "**M2** (`pkg/top.py`, line 3):\n"),
        RULED.replace("### M2\nSAME AS M1\n\n", "").replace("### M1\n", "### M1, M2\n"),
        RULED.replace("### M2\nSAME AS M1\n\n", "").replace("### M1\n", "### M1 and `M2` (both at the border)\n"),
        RULED.replace("SAME AS M1", "**SAME AS**: `M1`, which shows it, too."),
        RULED.replace("SAME AS M1", "Same as the test for M1."),
        RULED.replace("### M2\nSAME AS M1", "M2: SAME AS M1"),
        RULED.replace("SAME AS M1", "TEST: it is seen there\n```python\ndef test_one():\n    assert f(1) == 1\n```"),
        RULED.replace("TEST:", "**TEST:**").replace("EQUIVALENT:", "- EQUIVALENT -").replace("UNSPECIFIED:", "Result: `UNSPECIFIED` —"),
        RULED.replace('TEST: "one gives one".', "TEST: test_one"),
        RULED.replace('TEST: "one gives one".', "TEST: tests/test_x.py::test_one"),
        RULED.replace('TEST: "one gives one".', "TEST"),
        RULED.replace('TEST: "one gives one".', 'TEST: "one gives one".\n\n`test_one`:\n'),
        RULED.replace("### tests/test_x.py::", "### "),
        RULED.replace("```python", "````").replace("```\n", "````\n").replace("`````", "````"),
        RULED.replace("def test_one", "    def test_one").replace("    assert f(1)", "        assert f(1)"),
        RULED + "### D1\nThe contract is silent.\n\n### D2\nUNSPECIFIED: so is this.\n",
        RULED + "### M9\nSAME AS M1\n\n### tests/test_x.py::test_c\nKEEP: it is good.\n",
    ],
)  # fmt: skip
def test_a_strengthening_is_read(answer: str) -> None:
    assert read(answer) == READ


def test_what_is_said_of_idle_tests_and_differences_may_be_left_out() -> None:
    changes = RULED.partition("### tests")[0]
    kept = f"{changes}### tests/test_x.py::test_a\nKEEP: it fails if f is wrong.\n"
    settled = f"{changes}### D2\nTEST: the words say so.\n```python\n{NEW_A}```\n"

    assert read(changes) == read(kept) == Strengthening(READ.added, READ.excused)
    assert read(settled) == Strengthening({**READ.added, "D2": NEW_A}, READ.excused)
    assert rulings.read_strengthening("Nothing to add.", [], IDLE, DIFFERENCES) == Strengthening()


def test_one_ruling_may_hold_for_many_in_a_chain() -> None:
    answer = "### M1\nSAME AS M2\n\n### M2\nSAME AS M4\n\n### M4\nUNSPECIFIED: x\n\n### M7\nSAME AS M1\n"

    assert read(answer) == Strengthening(excused=dict.fromkeys(["M1", "M2", "M4", "M7"], "unspecified: x"))


def test_of_one_change_the_heading_may_be_left_out() -> None:
    answer = f"It is seen with 1.\n\nTEST: one gives one.\n```python\n{NEW_ONE}```\n"

    assert rulings.read_strengthening(answer, ["M3"], [], []) == Strengthening({"M3": NEW_ONE})


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        ("", [f"{i}: nothing is decided; put a line 'TEST: reason', 'SAME AS' and another id" for i in CHANGES]),
        (RULED.replace("SAME AS M1", "It is like M1."), ["M2: nothing is decided"]),
        (RULED.replace("SAME AS M1", "REPLACE: it"), ["M2: nothing is decided"]),
        (RULED.replace("SAME AS M1", "SAME AS M3"), ["M2: SAME AS leads to M3, which is not among the others (M1, M4, M7)"]),
        (RULED.replace("SAME AS M1", "SAME AS M2"), ["M2: SAME AS goes round in a circle"]),
        (RULED.replace("SAME AS M1", "SAME AS D2"), ["M2: SAME AS leads to D2, for which no test is given"]),
        (RULED.replace("SAME AS M1", "SAME AS M1\n\nEQUIVALENT: x"), ["M2: both SAME AS and EQUIVALENT are given"]),
        (RULED.replace("the order of a sum\nis free.", ""), ["M4: no reason is given; write EQUIVALENT, a colon"]),
        (RULED.replace('TEST: "one gives one".', ""), ["M1: nothing is decided"]),
        (RULED.replace(f"```python\n{NEW_ONE}```\n", ""), ["M1: TEST needs the whole new test function in a fenced block"]),
        (RULED.replace(f"```python\n{NEW_A}```\n", ""), ["test_a: REPLACE needs the whole new test function"]),
        (RULED.rpartition("```")[0], ["test_a: the answer ends in the middle of the new test function"]),
        (RULED.replace("### M2", "```python\nimport x\n```\n### M2"), ["M1: several blocks of code are given; give one"]),
        (f"{RULED}### D1\nTEST: so\n", ["D1: TEST needs the whole new test function"]),
    ],
)  # fmt: skip
def test_a_strengthening_is_refused_by_name(answer: str, sentences: list[str]) -> None:
    with pytest.raises(AnswerError) as caught:
        read(answer)

    assert len(caught.value.problems) == len(sentences)
    for problem, sentence in zip(caught.value.problems, sentences, strict=True):
        assert sentence in problem


# -- whatever stands around it

WORDS = st.lists(st.sampled_from(["it", "M1", "KEEP", "test_a", "`x`", "3", "TEST:", "a<b"]), max_size=4).map(" ".join)
REASONS = WORDS.map(lambda words: f"since {words} holds")
NOISE = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=9).map("I think {}".format)
    | st.sampled_from(["", "```console\n$ TEST: x\n```", "> quoted", "M1 and M2 are alike.", "Keep this in mind."]),
    max_size=3,
).map(lambda lines: "".join(f"\n{line}\n" for line in lines))
LITERALS = st.sampled_from(["'x'", "'### M2'", "'KEEP: y'", "'```'", "'\\\\'", "3"])


def function(name: str, value: str) -> str:
    return f'def {name}():\n    """R1: it holds."""\n\n    assert f() == {value}\n'


def block(source: str) -> str:
    ticks = "````" if "```" in source else "```"
    return f"{ticks}python\n{source}{ticks}\n"


@st.composite
def amendments(draw: st.DrawFn) -> tuple[str, Amendment]:
    """An answer in the form asked for, with noise in between, and what it says."""
    kept, replaced, reasons, said = {}, {}, {}, draw(NOISE)
    for test_id in DOUBTED:
        name, reason = test_id.rpartition("::")[2], draw(REASONS)
        word = draw(st.sampled_from(["KEEP", "REPLACE", "UNCLEAR"]))
        said += f"\n### {test_id}\n{draw(NOISE)}\n{word}: {reason}\n{draw(NOISE)}"
        if word == "REPLACE":
            replaced[test_id] = function(name, draw(LITERALS))
            reasons[test_id] = reason
            said += "\n" + block(replaced[test_id]) + draw(NOISE)
        else:
            kept[test_id] = f"unclear: {reason}" if word == "UNCLEAR" else reason
    return said, Amendment(replaced, kept, reasons)


@st.composite
def strengthenings(draw: st.DrawFn) -> tuple[str, Strengthening]:
    """The same of what went unnoticed."""
    added: dict[str, str] = {}
    excused: dict[str, str] = {}
    replaced: dict[str, str] = {}
    said = draw(NOISE)
    for name in [*CHANGES, *IDLE, *DIFFERENCES]:
        words = {"t": ["KEEP", "REPLACE", ""], "D": ["TEST", ""]}.get(
            name[0], ["TEST", "SAME AS", "EQUIVALENT", "UNSPECIFIED"]
        )
        word = draw(st.sampled_from(words))
        if word == "SAME AS" and not added:
            word = "TEST"
        other, reason = draw(st.sampled_from([*added] or [""])), draw(REASONS)
        line = {"": "", "SAME AS": f"SAME AS {other}"}.get(word, f"{word}: {reason}")
        said += f"\n### {name}\n{draw(NOISE)}\n{line}\n{draw(NOISE)}\n"
        if word in ("TEST", "REPLACE"):
            source = function(name.rpartition("::")[2] if name in IDLE else f"test_{name}", draw(LITERALS))
            (added if word == "TEST" else replaced)[name] = source
            said += block(source) + draw(NOISE)
        elif word == "SAME AS":
            added[name] = added[other]
        elif word in ("EQUIVALENT", "UNSPECIFIED"):
            excused[name] = f"{word.lower()}: {reason}"
    return said, Strengthening(added, excused, replaced)


@settings(deadline=None)
@given(amendments())
def test_every_amendment_in_the_form_asked_for_is_read_back_whatever_stands_around_it(
    given: tuple[str, Amendment],
) -> None:
    assert rulings.read_amendment(given[0], DOUBTED) == given[1]


@settings(deadline=None)
@given(strengthenings())
def test_every_strengthening_in_the_form_asked_for_is_read_back_whatever_stands_around_it(
    given: tuple[str, Strengthening],
) -> None:
    assert read(given[0]) == given[1]


LINES = st.sampled_from(
    ["", "```", "````python", "### M1", "M2, M4:", "SAME AS M2", "TEST: x", "EQUIVALENT", "KEEP: y", "REPLACE", "test_a", "# D1", "\u2028"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(LINES | st.text(max_size=9), max_size=14).map("\n".join))
def test_any_answer_is_read_or_refused(answer: str) -> None:
    for reader in (
        lambda: rulings.read_amendment(answer, DOUBTED),
        lambda: rulings.read_amendment(answer, DOUBTED[:1]),
        lambda: read(answer),
    ):
        with contextlib.suppress(AnswerError):
            reader()


@pytest.mark.parametrize(
    "line",
    [
        *("*" * 100_000, "1" * 100_000, "a::test" * 20_000, "> " * 50_000 + "x", "`" * 99_999 + "x"),
        *("test" + " " * 100_000 + "x", "decision:" + "*" * 100_000 + "x", "SAME AS" + " " * 100_000, "# M1" + ", M2" * 20_000),
        "**" * 50_000 + " (",
    ],
)  # fmt: skip
def test_odd_lines_do_not_take_long(line: str) -> None:
    started = time.monotonic()
    with pytest.raises(AnswerError):
        rulings.read_amendment(line, DOUBTED)
    with pytest.raises(AnswerError):
        read(line)
    assert time.monotonic() - started < 2
