"""Grammars of answers that are no plans: real answers are in them, mended ones are not, and readers take all that is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from agent.models import replay
from agent.models.base import Grammar
from agent.models.matching import flaw_of_answer
from agent.spec import locate_quotes, read_spec
from agent.strategies import grammars, rulings, shapes
from agent.strategies.grammars import Bounds
from graphs.errors import AnswerError
from graphs.values import Spec
from tests.walks import walk

ROOT = Path(__file__).parents[1]
RECORDINGS = sorted([*ROOT.glob("agent/demo/*/recording.jsonl"), *ROOT.glob("tests/recordings/*/recording.jsonl")])
INTENDED: dict[str, str] = {}
"""Recorded answers that a reader accepts and the grammar does not: ``recording/step/component/attempt`` → why that is right."""


@dataclass(frozen=True)
class Case:
    """An answer, and what may be said where it was given."""

    name: str
    """``recording/step/component/attempt``."""
    grammar: Grammar
    """What it is held to."""
    answer: str
    """As it was recorded."""
    read: Callable[[str], object]
    """Its reader."""


def requirements_of(spec: Spec) -> Callable[[str], object]:
    def read(answer: str) -> object:
        located, problems = locate_quotes(spec, shapes.read_requirements(answer))
        if problems:
            raise AnswerError(problems)
        return located

    return read


def recorded() -> Iterator[Case]:
    """The answers of all recordings, with what they name for what was asked about."""
    for path in RECORDINGS:
        spec = read_spec(str(path.parent))
        for call in replay.read(path):
            heads = re.findall(r"^### (\S+)$", call.text, re.MULTILINE)
            wrong = re.findall(r"^WRONG TEST (\S+): ", call.text, re.MULTILINE)
            changes, idle = [h for h in heads if re.match(r"M\d", h)], [h for h in heads if "::" in h]
            owned = heads or ["a.py"]
            shape: dict[str, tuple[Callable[..., Grammar], tuple[Any, ...], Callable[[str], object]]] = {
                "requirements": (grammars.requirements, (spec.text,), requirements_of(spec)),
                "code": (grammars.files, (heads,), lambda a, h=heads: shapes.read_files(a, h, h)),
                "tests": (grammars.tests, tuple(heads), lambda a, h=heads: shapes.read_files(a, h, h)),
                "repair": (
                    grammars.repair,
                    (owned, {}, wrong),
                    lambda a, o=owned, w=wrong: shapes.read_repair(a, o, {}, w, ()),
                ),
                "amend": (grammars.amend, (heads,), lambda a, h=heads: rulings.read_amendment(a, h)),
                "strengthen": (
                    grammars.strengthen,
                    (changes, idle, []),
                    lambda a, c=changes, i=idle: rulings.read_strengthening(a, c, i, ()),
                ),
            }
            if call.step in shape:
                make, parameters, read = shape[call.step]
                name = f"{path.parent.name}/{call.step}/{call.component}/{call.attempt}"
                yield Case(name, make(*parameters), call.text, read)


def test_recorded_answers_are_in_their_grammars() -> None:
    seen: Counter[str] = Counter()
    missed: dict[str, str] = {}
    for case in recorded():
        try:
            case.read(case.answer)
        except AnswerError:
            continue  # as it was asked again
        seen[case.grammar.name] += 1
        if flaw := flaw_of_answer(case.grammar, case.answer):
            missed[case.name] = flaw
    assert missed.keys() == INTENDED.keys(), missed
    assert seen.keys() == {"requirements", "files", "tests", "repair", "amend", "strengthen"}
    assert seen.total() > 70


@cache
def words() -> tuple[LLTokenizer, dict[bytes, int]]:
    """A vocabulary of words and pieces of words, as large as that of small models: with bytes alone an engine has little to do."""
    pieces: dict[bytes, None] = dict.fromkeys(bytes([n]) for n in range(256))
    texts = [path.read_bytes() for path in (*RECORDINGS, *ROOT.glob("tests/*.py"), *ROOT.glob("*/*.py"))]
    for text in texts:
        for word in set(re.findall(rb"[ \n]*[A-Za-z_]+|[ \n]*[^\sA-Za-z_]+|\s+", text)):
            pieces |= dict.fromkeys(word[:n] for n in range(1, min(len(word), 12) + 1))
    tokens = [*pieces, b"\xff<end>"]

    class Words:
        """What ``TokenizerWrapper`` asks for."""

        eos_token_id = len(tokens) - 1
        bos_token_id = None
        special_token_ids = (len(tokens) - 1,)

        def __init__(self) -> None:
            self.tokens = tokens

        def __call__(self, text: str | bytes) -> list[int]:
            return list(text if isinstance(text, bytes) else text.encode())

    return LLTokenizer(TokenizerWrapper(Words())), {token: n for n, token in enumerate(tokens)}


def largest() -> tuple[Grammar, str]:
    """The grammar of quotes from the longest text that they are held to, and an answer that has them from all over it."""
    text = "".join((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))[
        : grammars._LARGEST
    ]
    lines = [line for line in text.split("\n")[5:-1:20] if re.match(r"[A-Za-z ]{20}", line)]
    return grammars.requirements(text), "\n".join(f"R{n}: It is so.\n> {line}\n" for n, line in enumerate(lines, 1))


@pytest.mark.parametrize("step", ["requirements", "code", "repair", "amend", "strengthen", ""])
def test_an_engine_can_afford_them_with_a_large_vocabulary(step: str) -> None:
    """Masks for each token of a real answer. An engine ends a grammar that takes it too many steps, which bytes alone never do."""
    tokenizer, ids = words()
    assert len(ids) > 30_000
    cases = [(case.grammar, case.answer) for case in recorded() if f"/{step}/" in case.name] or [largest()]
    grammar, answer = max(cases, key=lambda case: len(case[1]))
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(grammar.following("")))
    said = answer[:1500].encode()
    while said:
        matcher.compute_bitmask()
        token = next(said[:n] for n in range(12, 0, -1) if said[:n] in ids)
        assert matcher.consume_token(ids[token]), (matcher.get_error(), said[:40])
        said = said[len(token) :]


SPEC = Spec(
    title="tally",
    text="# Tally\n\n- [x] Read *whole* numbers, one a line.\n3) Print `sum: n` -- and end.\n| --- | --- |\n1. 2. ** __ 3.\nab\n- _\n"
    "Caf\u0065\u0301s are read, too.\nx = 1 + 2 * 3 / 4\n",
    digest="0",
)
TWO = ["a.py", "docs/README.md"]
TEXT = "import os\n\n\ndef f():\n    return 1\n\n\ndef g():\n    return 1\n"
PAGE = "# T\n```sh\nls\n```\n```sh\nls\n```\n"
BEFORE = {"a.py": TEXT, "docs/README.md": PAGE}
TEST_X, TEST_Y = IDS = ["tests/test_a.py::test_x", "tests/test_a.py::TestC::test_y"]
CASES = [f"{TEST_X}[a b-1]", f"{TEST_X}[2]", TEST_Y]
DEF_X = "```python\n@pytest.mark.slow\ndef test_x():\n    assert f() == 1\n```\n"

VALID: dict[str, tuple[Grammar, Callable[[str], object], str]] = {
    "requirements": (
        grammars.requirements(SPEC.text),
        requirements_of(SPEC),
        "R1: Numbers are read.\n> - [x] Read *whole* numbers\n\nR2: It ends.\n> Print `sum: n` -- and end.\n\nR3: A.\n> ab\n",
    ),
    "files": (
        grammars.files(TWO),
        lambda answer: shapes.read_files(answer, TWO, TWO),
        "Two files.\n\n# Why\n### docs/README.md\n````\n# T\n```\nls\n```\n````\nAnd:\n\n### a.py\n\n```python\n"
        'DOC = """\n```sh\nls\n```\n"""\n```\n',
    ),
    "tests": (
        grammars.tests("tests/test_a.py"),
        lambda answer: shapes.read_files(answer, ["tests/test_a.py"], ["tests/test_a.py"]),
        "One.\n### tests/test_a.py\n```python\nimport a\n\n\nclass TestA:\n    def test_a(self):\n        assert a\n```\n",
    ),
    "whole": (
        grammars.repair(TWO, BEFORE, CASES),
        lambda answer: shapes.read_repair(answer, TWO, BEFORE, CASES, ()),
        "The cause.\n\n### a.py\n```python\nx = 1\n```\n\n"
        f"WRONG TEST {TEST_X}[a b-1]: the contract says 2.\nWRONG TEST {TEST_Y}: it says 3.\nThat is all.\n",
    ),
    "edits": (
        grammars.repair(TWO, BEFORE, []),
        lambda answer: shapes.read_repair(answer, TWO, BEFORE, [], ()),
        "The cause.\n### a.py\n```python\n<<<<<<< SEARCH\ndef f():\n    return 1\n=======\ndef f():\n    return 2\n>>>>>>> REPLACE\n"
        "<<<<<<< SEARCH\n    return 1\n=======\n    return 3\n>>>>>>> REPLACE\n```\n"
        "And the page:\n### docs/README.md\n````\n<<<<<<< SEARCH\n# T\n=======\n>>>>>>> REPLACE\n````\n",
    ),
    "amend": (
        grammars.amend(IDS),
        lambda answer: rulings.read_amendment(answer, IDS),
        f"### {TEST_X}\nKeep in mind that 2.5 is even.\n`test_x` expects 3.\nREPLACE: half to even.\n{DEF_X}\n"
        f'### {TEST_Y}\nNothing says so.\nUNCLEAR: "order" is open.\n',
    ),
    "strengthen": (
        grammars.strengthen(["M1", "M2", "M3"], [TEST_X], ["D1", "D2"]),
        lambda answer: rulings.read_strengthening(answer, ["M1", "M2", "M3"], [TEST_X], ["D1", "D2"]),
        "### M1\nM1 can be seen.\nSAME AS M3\n\n### M2\nSo does this.\nSAME AS M1, which see.\n\n### M3\nIt is 0.\n"
        f"TEST: the total of none is 0.\n\n{DEF_X}\n### {TEST_X}\nKEEP: it fails.\n\n### D2\nTEST: said so.\n{DEF_X}\n",
    ),
}
"""Shape → grammar, reader, and an answer with all that may be in one."""

WRONG = {
    "a number is left out": ("requirements", "R2:", "R3:"),
    "a requirement says nothing": ("requirements", "R2: It ends.", "R2: ..."),
    "a quote is not in the specification": ("requirements", "whole* numbers", "whole* integers"),
    "a quote is cut in a word": ("requirements", "> ab", "> Read *who"),
    "a quote goes over a line": ("requirements", "> Print `sum: n` -- and end.", "> numbers, one a line.\nPrint"),
    "a quote is too short": ("requirements", "> Print `sum: n` -- and end.", "> and"),
    "a quote says nothing": ("requirements", "> ab", "> --- | ---"),
    "a file is missing": ("files", "### docs/README.md", "### docs/READ.md"),
    "a file comes twice": ("files", "### docs/README.md", "### a.py"),
    "a fence is not closed": ("files", '"""\n```\n', '"""\n'),
    "a page in three ticks": ("files", "````", "```"),
    "something follows the last file": ("files", '"""\n```\n', '"""\n```\nDone.\n'),
    "prose holds a fence": ("files", "# Why\n", "```\nWhy\n```\n"),
    "a control character": ("files", "ls", "l\x00s"),
    "no test": ("tests", "def test_a", "def a"),
    "another file": ("tests", "### tests/test_a.py", "### tests/test_b.py"),
    "another's file": ("whole", "### a.py", "### ../a.py"),
    "nothing is changed": ("whole", "### a.py", "It is no fault of mine.\n"),
    "an unknown test": ("whole", f"TEST {TEST_Y}", "TEST tests/test_a.py::test_z"),
    "no reason": ("whole", ": it says 3.", ": ..."),
    "a test twice": ("whole", f"TEST {TEST_Y}", f"TEST {TEST_X}[a b-1]"),
    "no test may be wrong": ("edits", "The cause.", f"WRONG TEST {TEST_X}: the contract says 2."),
    "SEARCH is not unique": ("edits", "SEARCH\ndef f():\n    return 1\n", "SEARCH\n    return 1\n"),
    "SEARCH was replaced before": ("edits", "SEARCH\n    return 1\n", "SEARCH\ndef f():\n    return 1\n"),
    "SEARCH is not unique any more": ("edits", "    return 2\n", "    return 1\n    return 1\n"),
    "SEARCH is half a line": ("edits", "SEARCH\ndef f():\n    return 1\n", "SEARCH\ndef f()\n"),
    "SEARCH is empty": ("edits", "SEARCH\n# T\n", "SEARCH\n"),
    "new lines hold a mark": ("edits", "    return 3\n", "=======\n"),
    "a page is edited in three ticks": ("edits", "````", "```"),
    "a file is edited and given": ("edits", "### docs/README.md\n````\n", "### a.py\n````\n"),
    "a ruling is missing": ("amend", "UNCLEAR:", "Unclear to me:"),
    "two rulings": ("amend", "Nothing says so.", "KEEP: it says so."),
    "another order": ("amend", f"### {TEST_X}", f"### {TEST_Y}"),
    "a test of another name": ("amend", "def test_x", "def test_z"),
    "no function": ("amend", DEF_X, ""),
    "a ruling of another question": ("amend", "UNCLEAR:", "EQUIVALENT:"),
    "an unknown id": ("strengthen", "SAME AS M3", "SAME AS M4"),
    "round in a circle": ("strengthen", "TEST: the total of none is 0.", "SAME AS M1"),
    "the same as a difference left out": ("strengthen", "SAME AS M3", "SAME AS D1"),
    "a change is left out": ("strengthen", "### M2", "### M3"),
}
"""What is wrong → the answer of ``VALID`` that it is in, and the words of it that are others."""


@pytest.mark.parametrize("shape", VALID)
def test_an_answer_with_everything_is_in_its_grammar(shape: str) -> None:
    grammar, read, answer = VALID[shape]

    assert flaw_of_answer(grammar, answer) == ""
    assert read(answer)
    assert flaw_of_answer(grammar, answer[:-2])
    assert flaw_of_answer(grammar, "I would rather not.\n")


@pytest.mark.parametrize(("shape", "old", "new"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_in_no_grammar(shape: str, old: str, new: str) -> None:
    grammar, _, answer = VALID[shape]

    assert old in answer
    assert flaw_of_answer(grammar, answer.replace(old, new, 1 if shape != "files" else -1))


def test_same_as_a_difference_asks_for_its_test() -> None:
    grammar, read, answer = VALID["strengthen"]
    later = answer.replace("SAME AS M3", "SAME AS D2")

    assert read(later)
    assert flaw_of_answer(grammar, later) == ""


SMALL = Bounds(prose_chars=30, prose_lines=3, line_chars=30, file_lines=6, part_lines=4, requirements=5)
SAID = {
    "requirements": [">", "R1: ", "> ", "- ", "* [x] ", "3) "],
    "files": ["```\n", "```sh\n", "### a.py\n", "~~~\n", "File: x.py\n", "<<<<<<< SEARCH\n"],
    "tests": ["```\n", "### tests/test_b.py\n", "def test_a(", "  ```sh\n"],
    "whole": [
        "```\n",
        "### a.py\n",
        "WRONG TEST ",
        f"WRONG TEST {TEST_X}",
        "Wrong test: x.py::test_a",
        "<<<<<<< SEARCH\n",
    ],
    "edits": [
        "```\n",
        "### a.py\n",
        "<<<<<<< SEARCH\n",
        "=======\n",
        ">>>>>>> REPLACE\n",
        "    return 1\n",
        "<<<<< search",
    ],
    "amend": [
        "```\n",
        "KEEP: ",
        "keep\n",
        "Verdict: keep ",
        "test_y\n",
        f"### {TEST_Y}",
        "**test_x** (",
        "TestC::test_y: REPLACE",
    ],
    "strengthen": [
        "```\n",
        "TEST: ",
        "M2",
        "SAME AS ",
        "Result: same as M1",
        "M1, M2: ",
        "### D1",
        "KEEP: ",
        "## M3: ",
        "test_x\n",
    ],
}
"""Shape → what a reader might take for something else, tried at random."""
HELD: dict[str, Grammar] = {
    "requirements": grammars.requirements(SPEC.text, SMALL),
    "files": grammars.files(TWO, SMALL),
    "tests": grammars.tests("tests/test_a.py", SMALL),
    "whole": grammars.repair(TWO, {}, CASES, SMALL),
    "edits": grammars.repair(TWO, BEFORE, [], SMALL),
    "amend": grammars.amend(IDS, SMALL),
    "strengthen": grammars.strengthen(["M1", "M2", "M3"], [TEST_X], ["D1", "D2"], SMALL),
}
BEGUN = {"edits": "### a.py\n```python\n<<<<<<< SEARCH\n"}
"""Shape → the pieces that walks set out from, where few would get to what is to be seen."""
WALKS = 200


@pytest.mark.parametrize("shape", HELD)
def test_readers_take_whatever_grammars_let_pass(shape: str) -> None:
    """A grammar is worth nothing where an answer it let pass is refused."""
    read = VALID[shape][1]
    answers = [walk(HELD[shape], seed, SAID[shape], BEGUN.get(shape, "")) for seed in range(WALKS)]

    for seed, answer in enumerate(answers):
        try:
            read(answer)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}\n{answer!r}") from error
    assert len(set(answers)) == WALKS
    assert not any(flaw_of_answer(HELD[shape], answer) for answer in answers[:10])
    if shape == "edits":
        assert sum(answer.count("\n<<<<<<< SEARCH\n") > 2 for answer in answers) > WALKS / 10


def test_strengthening_with_nothing_but_differences_may_leave_them_out() -> None:
    grammar = grammars.strengthen([], [], ["D1"])

    assert flaw_of_answer(grammar, "The contract settles none of them.\n") == ""
    assert flaw_of_answer(grammar, "")


def test_a_long_specification_leaves_quotes_to_the_reader() -> None:
    grammar = grammars.requirements("It adds up numbers.\n" * 2000)

    assert flaw_of_answer(grammar, "R1: It adds.\n> adds up numbers\n\nR2: It ends.\n> and ends.\n") == ""
    assert flaw_of_answer(grammar, "R1: It adds.\n> ***\n")


def test_many_files_come_in_groups() -> None:
    paths = [f"f{n}.py" for n in range(70)]
    answer = "".join(f"### {path}\n```\n```\n" for path in (*reversed(paths[:63]), *reversed(paths[63:])))

    assert flaw_of_answer(grammars.files(paths), answer) == ""


@pytest.mark.parametrize("text", ["<<<<<<< SEARCH\nx\n", "Title\n=======\n", "a\n>>>>>>> REPLACE\n"])
def test_a_file_that_holds_marks_is_given_whole(text: str) -> None:
    grammar = grammars.repair(["a.rst"], {"a.rst": text}, [])

    assert flaw_of_answer(grammar, "### a.rst\n```\n<<<<<<< SEARCH\n")
    assert flaw_of_answer(grammar, "### a.rst\n```\nx\n```\n") == ""


def test_what_an_edit_deletes_can_be_written_anew() -> None:
    edits = "<<<<<<< SEARCH\na\n=======\n>>>>>>> REPLACE\n<<<<<<< SEARCH\n=======\nb\n>>>>>>> REPLACE\n"

    assert flaw_of_answer(grammars.repair(["a.txt"], {"a.txt": "a\n"}, []), f"### a.txt\n```\n{edits}```\n") == ""


def test_the_digest_stands_for_all_that_fixes_a_grammar() -> None:
    made = [grammars.repair(TWO, {"a.py": text}, []).digest for text in ("x\n", "y\n", "x\n")]

    assert made[0] == made[2] != made[1]
    assert grammars.files(TWO).digest != grammars.files(TWO, SMALL).digest != grammars.files(TWO[::-1], SMALL).digest


def test_a_heading_of_another_path_is_led_to_one_that_may_be_given() -> None:
    """As prose it would have been let pass, and the fence below it would not."""
    for grammar in (
        grammars.files(["a.py"]),
        grammars.tests("tests/test_a.py"),
        grammars.repair(["a.py"], {"a.py": ""}, []),
    ):
        assert flaw_of_answer(grammar, "Some words.\n\n### src/a.py\n").startswith("not allowed here: 's"), grammar.name
