"""Repairs by edits: every sloppy form that leaves one reading is read, others are refused by name, and nothing else changes."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.models.scripted import Scripted
from agent.prompts import Prompts
from agent.strategies import open_strategy, patches, shapes
from graphs import dag
from graphs.errors import AnswerError, PathRefused
from graphs.values import CaseResult, Component, Contract, Plan, Repair, Requirement, Spec, Verdict

FILE = """\
def total(prices):
    result = 0
    for price in prices:
        result += price
    return result


def mean(prices):
    result = total(prices)
    return result / len(prices)
"""
OLD = "    result = total(prices)\n    return result / len(prices)\n"
NEW = "    if not prices:\n        return 0\n    return total(prices) / len(prices)\n"
MENDED = FILE.replace(OLD, NEW)
EDIT = f"<<<<<<< SEARCH\n{OLD}=======\n{NEW}>>>>>>> REPLACE\n"
FENCED = f"### a.py\n```python\n{EDIT}```\n"
SECOND = "<<<<<<< SEARCH\n    result = 0\n=======\n    result = 0.0\n>>>>>>> REPLACE\n"
BOTH = MENDED.replace("    result = 0\n", "    result = 0.0\n")
ONE = {"a.py": FILE}
TWO = {"a.py": FILE, "pkg/b.py": "x = 1\ny = 2\n"}
MERGE = f'"""Merges.\n\n{EDIT}"""\nMARK = "=" * 7\n'
TEST = "tests/test_x.py::test_a"


def repair(answer: str, files: dict[str, str]) -> Repair:
    return shapes.read_repair(answer, list(files), files, [TEST], ["E1"])


def indented(text: str, by: str) -> str:
    return "".join(f"{by}{line}" if line.strip() else line for line in text.splitlines(keepends=True))


def dedented(text: str) -> str:
    return text.replace("    ", "", 1).replace("\n    ", "\n")


def edit(old: str, new: str) -> str:
    return f"<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"


def at(path: str, *edits: str) -> str:
    return f"### {path}\n```python\n{''.join(edits)}```\n"


READ: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "as asked": (f"The cause is X.\n\n{FENCED}", TWO, {"a.py": MENDED}),
    "prose after": (f"{FENCED}\nThat is all.\n", TWO, {"a.py": MENDED}),
    "two in a fence": (f"### a.py\n```\n{EDIT}\n{SECOND}```\n", TWO, {"a.py": BOTH}),
    "two fences, one heading": (f"{FENCED}And:\n```python\n{SECOND}```\n", TWO, {"a.py": BOTH}),
    "two fences, two headings": (f"{FENCED}### a.py\n```python\n{SECOND}```\n", TWO, {"a.py": BOTH}),
    "two files": (
        FENCED + at("pkg/b.py", edit("y = 2\n", "y = 3\n")),
        TWO,
        {"a.py": MENDED, "pkg/b.py": "x = 1\ny = 3\n"},
    ),
    "beside a whole file": (f"### pkg/b.py\n```\nz\n```\n{FENCED}", TWO, {"pkg/b.py": "z\n", "a.py": MENDED}),
    "beside code that is quoted": (f"The line\n```python\nx = y\n```\nis wrong.\n{FENCED}", ONE, {"a.py": MENDED}),
    "beside code of the file that is quoted": (f"In `a.py`:\n```\nx\n```\n{FENCED}", TWO, {"a.py": MENDED}),
    "beside a session": (f"{FENCED}```console\n$ pytest\n```\n", ONE, {"a.py": MENDED}),
    "of one file, unnamed": (f"```python\n{EDIT}```\n", ONE, {"a.py": MENDED}),
    "spoken of": (f"I changed `a.py`:\n```diff\n{EDIT}```\n", TWO, {"a.py": MENDED}),
    "no fence": (f"### a.py\n{EDIT}{SECOND}", TWO, {"a.py": BOTH}),
    "no fence, two files": (
        f"### a.py\n{EDIT}\n### pkg/b.py\n\n" + edit("y = 2\n", "") + "\nDone.",
        TWO,
        {"a.py": MENDED, "pkg/b.py": "x = 1\n"},
    ),
    "no fence, before a whole file": (f"### a.py\n{EDIT}### pkg/b.py\n```\nz\n```\n", TWO, {"a.py": MENDED, "pkg/b.py": "z\n"}),
    "fence never closed": (f"### a.py\n```python\n{EDIT}", TWO, {"a.py": MENDED}),
    "name in the fence": (f"```python\n# a.py\n{EDIT}```\n", TWO, {"a.py": MENDED}),
    "heading in the fence": (f"```\n### a.py\n{EDIT}```\n```\n### pkg/b.py\n" + edit("x = 1\n", "") + "```\n", TWO,
                             {"a.py": MENDED, "pkg/b.py": "y = 2\n"}),
    "whole answer in a fence": (f"````markdown\nThe cause is X.\n\n{FENCED}````\n", TWO, {"a.py": MENDED}),
    "whole answer in a fence like its own": (f"```markdown\n{FENCED}```\n", TWO, {"a.py": MENDED}),
    "Windows line ends": (FENCED.replace("\n", "\r\n"), TWO, {"a.py": MENDED}),
    "blank lines around": (FENCED.replace("<<<", "\n\n<<<", 1), TWO, {"a.py": MENDED}),
    "fewer marks": (FENCED.replace("<" * 7, "<" * 5).replace("=" * 7, "=" * 6).replace(">" * 7, ">" * 9), TWO,
                    {"a.py": MENDED}),
    "marks with blanks": (FENCED.replace("SEARCH", "search  ").replace("=\n", "= \n").replace("> R", ">R"), TWO,
                          {"a.py": MENDED}),
    "trailing blanks in SEARCH": (FENCED.replace("total(prices)\n", "total(prices)  \n"), TWO, {"a.py": MENDED}),
    "trailing blanks in the file": (FENCED, {"a.py": FILE.replace(":\n", ": \n").replace(")\n", ")\t\n")},
                                    {"a.py": MENDED.replace("):\n", "): \n").replace("prices:\n", "prices: \n", 1)}),
    "indentation dropped": (at("a.py", edit(dedented(OLD), dedented(NEW))), TWO, {"a.py": MENDED}),
    "indentation added": (at("a.py", edit(indented(OLD, "  "), indented(NEW, "  "))), TWO, {"a.py": MENDED}),
    "all of it indented": (f"1. a.py\n\n### a.py\n{indented(EDIT, '   ')}", TWO, {"a.py": MENDED}),
    "blank lines in SEARCH": (at("a.py", edit("    return result\n\n\ndef mean(prices):\n", "x\n")), ONE,
                              {"a.py": FILE.replace("    return result\n\n\ndef mean(prices):", "x")}),
    "blank lines around SEARCH and REPLACE": (at("a.py", edit(f"\n{OLD}\n", f"\n{NEW}\n")), TWO, {"a.py": MENDED}),
    "a blank line after SEARCH": (at("a.py", edit(f"{dedented(OLD)}\n", dedented(NEW))), TWO, {"a.py": MENDED}),
    "remarks between edits": (at("a.py", EDIT, "\n# and the start:\n...\n", SECOND), TWO, {"a.py": BOTH}),
    "lines deleted": (at("a.py", edit(OLD, "")), TWO, {"a.py": FILE.replace(OLD, "")}),
    "an edit of an edit": (FENCED + at("a.py", edit("        return 0\n", "        return 1\n")), TWO,
                           {"a.py": MENDED.replace("return 0", "return 1")}),
    "an empty file": (at("a.py", edit("", "x = 1\n")), {"a.py": "\n"}, {"a.py": "x = 1\n"}),
    "a file to come": (at("c.py", edit("", "x = 1\n")), {"a.py": FILE, "c.py": ""}, {"c.py": "x = 1\n"}),
    "a heading underlined in the file": (at("a.md", edit("T\n=====\nx\n", "T\n=====\ny\n")),
                                         {"a.md": "T\n=====\nx\n"}, {"a.md": "T\n=====\ny\n"}),
    "a whole file that holds edits": (f"### a.py\n```python\n{MERGE}```\n", TWO, {"a.py": MERGE}),
    "an unnamed whole file that holds edits": (f"```python\n{MERGE}```\n", ONE, {"a.py": MERGE}),
    "an edit of a file that holds edits": (at("a.py", edit('MARK = "=" * 7\n', 'MARK = 7 * "="\n')),
                                           {"a.py": MERGE}, {"a.py": MERGE.replace('"=" * 7', '7 * "="')}),
    "a test's line in an edit": (at("a.py", edit(OLD, f"WRONG TEST {TEST}: x\n")), ONE,
                                 {"a.py": FILE.replace(OLD, f"WRONG TEST {TEST}: x\n")}),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "files", "changed"), READ.values(), ids=READ)
def test_edits_are_read(answer: str, files: dict[str, str], changed: dict[str, str]) -> None:
    assert repair(answer, files) == Repair(changed)


@pytest.mark.parametrize(
    "answer",
    [
        f"WRONG TEST {TEST}: so\n\n{FENCED}",
        f"{FENCED}\nWRONG TEST {TEST}: so\n",
        f"```text\nWRONG TEST {TEST}: so\n```\n### a.py\n{EDIT}",
        f"```markdown\nWRONG TEST {TEST}: so\n\n{FENCED}```\n",
        f"WRONG TEST {TEST}: so\n\nThe test:\n```python\ndef test_a(): ...\n```\n\n{FENCED}",
    ],
)
def test_a_test_may_be_held_to_be_wrong_beside_edits(answer: str) -> None:
    assert repair(answer, TWO) == Repair({"a.py": MENDED}, {TEST: "so"})


REFUSED: dict[str, tuple[str, list[str]]] = {
    "one line differs": (
        at("a.py", edit("    result = 1\n    for price in prices:\n", "")),
        ["a.py: the edit of 'result = 1' does not find its lines: the file has '    result = 0' where SEARCH has "
         "'    result = 1'; copy whole lines as they stand in the file"],
    ),
    "a line is left out": (
        at("a.py", edit("    result = 0\n    return result\n", "")),
        ["the file has '    for price in prices:' where SEARCH has '    return result'"],
    ),
    "a line too many": (at("a.py", edit(f"{OLD}x\n", "")), ["the file has no line where SEARCH has 'x'"]),
    "a part of a line": (at("a.py", edit("result = total(\n", "0\n")), ["'    result = total(prices)'; copy whole lines"]),
    "something like it": (at("a.py", edit("    resutl = 0\n", "")), ["the line that comes nearest is '    result = 0';"]),
    "nothing like it": (at("a.py", edit("import zlib\n", "")), ["none is like them; copy whole lines"]),
    "indented unevenly": (
        at("a.py", edit(OLD.lstrip(), NEW)),
        ["the file has '    result = total(prices)' where SEARCH has 'result = total(prices)', which differs in its inden"],
    ),
    "REPLACE not indented as SEARCH": (at("a.py", edit(indented(OLD, "  "), "x\n")), ["which differs in its indentation; copy"]),
    "more than once": (
        at("a.py", edit("def total(prices):\n", "def mean(prices):\n"), edit("def mean(prices):\n", "x\n")),
        ["a.py: the edit of 'def mean(prices):' finds its lines more than once (lines 1, 8); put more of the lines around"],
    ),
    "more than once but for blank lines around it": (
        at("a.py", edit("    return result\n", "    return result\n    result += price\n\n    result += price\n"),
           edit("\n\n    result += price\n", "x\n")),
        ["the edit of 'result += price' finds its lines more than once"],
    ),
    "nothing to search for": (at("a.py", edit("", "x\n")), ["a.py: an edit has no line between '<<<<<<< SEARCH' and '======='"]),
    "nothing changes": (at("a.py", edit(OLD, OLD)), ["a.py: the edit of 'result = total(prices)' changes nothing; give"]),
    "nothing changes but what is moved": (at("a.py", edit(dedented(OLD), dedented(OLD))), ["changes nothing; give"]),
    "no divider": (at("a.py", EDIT.replace("=======\n", "")), ["a.py: no line '=======' parts the old lines from the new ones in"]),
    "two dividers": (at("a.py", edit(OLD, "=======\n")), ["a.py: more than one line '=======' stands in the edit of 'result ="]),
    "no end": (at("a.py", EDIT.replace(">>>>>>> REPLACE\n", "")), ["a.py: no line '>>>>>>> REPLACE' ends the edit of 'result ="]),
    "no end before the next": (
        at("a.py", EDIT.replace(">>>>>>> REPLACE\n", ""), SECOND), ["no line '>>>>>>> REPLACE' ends the edit of 'result = total"]
    ),
    "no end, without a fence": (
        f"### a.py\n{EDIT.replace('>>>>>>> REPLACE', '')}### pkg/b.py\n{SECOND}",
        ["a.py: no line '>>>>>>> REPLACE' ends the edit of 'result = total"],
    ),
    "cut by a fence of the file's own": (at("a.py", edit("```\nx\n```\n", "y\n")), ["with four"]),
    "the answer ends within": (f"### a.py\n```python\n{EDIT[:60]}", ["a.py: the answer ends in the middle of the edit of 'result"]),
    "the answer ends within, without a fence": (f"### a.py\n{EDIT[:90]}", ["a.py: the answer ends in the middle of the edit"]),
    "code beside": (at("a.py", EDIT, "\nx = 1\n"), ["a.py: 'x = 1' stands in a fence with edits, but between no"]),
    "whole, too": (f"{FENCED}### a.py\n```\n{MENDED}```\n", ["a.py is given whole and by edits; give it one way only"]),
    "no name": (f"```python\n{EDIT}```\n", ["it is not clear which file edits are for; write a heading above them, such as"]),
    "no file yet": (f"### pkg/c.py\n```\n{EDIT}```\n", ["pkg/c.py: the edit of 'result = total(prices)' does not find its "
                    "lines: the file is empty; give it whole"]),
    "two at once": (
        at("a.py", edit("import zlib\n", ""), edit(OLD, OLD), SECOND), ["the edit of 'import zlib'", "changes nothing"]
    ),
    "far too many": (at("a.py", *[edit(f"{n}\n", "") for n in range(99)]), ["a.py: the edit of '0'", "'1'", "'2'", "'3'", "'4'"]),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "sentences"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_edits_is_named(answer: str, sentences: list[str]) -> None:
    with pytest.raises(AnswerError) as caught:
        repair(answer, {**TWO, "pkg/c.py": ""})

    assert len(caught.value.problems) == len(sentences), caught.value.problems
    for problem, sentence in zip(caught.value.problems, sentences, strict=True):
        assert sentence in problem


def test_lines_that_differ_in_indentation_only_are_told_apart_by_it_alone() -> None:
    files = {"a.py": "if a:\n    f()\nelse:\n        f()\n"}

    assert (
        repair(at("a.py", edit("    f()\n", "    g()\n")), files).files["a.py"]
        == "if a:\n    g()\nelse:\n        f()\n"
    )
    with pytest.raises(AnswerError, match=r"more than once \(lines 2, 4\)"):
        repair(at("a.py", edit("  f()\n", "  g()\n")), files)


@pytest.mark.parametrize("path", ["tests/test_x.py", "../a.py", "/etc/passwd"])
def test_edits_do_not_make_a_foreign_file_acceptable(path: str) -> None:
    with pytest.raises(PathRefused, match=path):
        repair(FENCED + at(path, EDIT), TWO)


def test_edits_cannot_bring_in_text_that_cannot_be_written() -> None:
    with pytest.raises(PathRefused, match="UTF-8"):
        repair(at("a.py", edit(OLD, "\ud800\n")), TWO)


AWKWARD = [
    "",
    "```",
    "````python",
    "~~~",
    "### b.py",
    "\tx",
    "  x  ",
    "\x0c",
    "\u2028y",
    "R1: x",
    f"WRONG TEST {TEST}: x",
]
LINES = st.lists(
    st.sampled_from(AWKWARD)
    | st.integers(0, 99).map("    line {}".format)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n<=>"), max_size=9),
    max_size=25,
)


@settings(deadline=None)
@given(LINES, st.data(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_edits_change_the_lines_they_name_and_no_others(
    lines: list[str], data: st.DataObject, end: str, ended: bool
) -> None:
    """Lines that stand in a file once are replaced there; others are refused; all else keeps its bytes."""
    ended = ended or lines[-1:] == [""]
    before = "".join(f"{line}{end}" for line in lines) if ended else end.join(lines)
    end = end if end in before else "\n"
    said: list[str] = []
    sound, at, now = True, 0, lines
    while at < len(now) and data.draw(st.booleans()):
        first = data.draw(st.integers(at, len(now) - 1))
        last = data.draw(st.integers(first + 1, len(now)))
        old, new = now[first:last], data.draw(LINES)[:4]
        places = [n for n in range(len(now)) if now[n : n + len(old)] == old]
        said.append(edit("".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)))
        if len(places) > 1 or old == new:
            sound = False
            break
        now = [*now[:first], *new, *now[last:]]
        at = first + len(new)
    answer = f"### a.txt\n`````\n{''.join(said)}`````\n"
    if not said or not any(map(str.strip, lines)):
        return
    if not sound:
        with pytest.raises(AnswerError, match=r"finds its lines more than once|changes nothing"):
            repair(answer, {"a.txt": before})
    elif any(map(str.strip, now)):
        text = repair(answer, {"a.txt": before}).files["a.txt"]
        whole = "".join(f"{line}{end}" for line in now)
        assert text == whole or (not ended and text == whole.removesuffix(end))


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*AWKWARD, "<<<<<<< SEARCH", "  <<<<< SEARCH", "=======", "  =====", ">>>>>>> REPLACE", "x = 1", "y = 2", "### a.py"]
        )
        | st.text(max_size=5),
        max_size=20,
    ).map("\n".join)
)  # fmt: skip
def test_any_answer_is_read_or_refused(answer: str) -> None:
    with contextlib.suppress(AnswerError, PathRefused):
        repair(answer, {"a.py": "x = 1\ny = 2\n", "b.py": ""})


@pytest.mark.parametrize(
    ("answer", "file"),
    [
        (at("a.py", "<<<<<<< SEARCH\n" * 20_000), FILE),
        ("<<<<<<< SEARCH\n" * 20_000, FILE),
        ("```a\n<<<<<<< SEARCH\n=======\n>>>>>>> REPLACE\n" * 3_000, FILE),
        (at("a.py", edit("a\n" * 20_000 + "b\n", "")), "a\n" * 50_000),
        (at("a.py", edit("a\n" * 25_000, "")), "a\n" * 50_000),
        (at("a.py", edit("    a\na\n" * 10_000, "")), "a\n" * 40_000),
        (at("a.py", *[edit(f"{n}\n", "") for n in range(5_000)]), "".join(f"{n} {n}\n" for n in range(5_000))),
        (at("a.py", edit("x" * 100_000 + "\n", "")), ("x" * 9_999 + "y\n") * 20),
    ],
)  # fmt: skip
def test_odd_edits_do_not_take_long(answer: str, file: str) -> None:
    started = time.monotonic()
    with pytest.raises(AnswerError):
        repair(answer, {"a.py": file})
    assert time.monotonic() - started < 2


LONG = "".join(f"x{n} = {n}\n" for n in range(patches.LONG + 1))


@pytest.mark.parametrize(
    ("lines", "offered"),
    [(patches.LONG, False), (patches.LONG + 1, True)],
)
def test_edits_are_offered_for_long_files_only_and_reach_the_product_whole(lines: int, offered: bool) -> None:
    component = Component(
        "top", "Shows.", ("top.py", "short.py"), Contract({"top.py": "x1: int\n"}, "Shows.\n"), (), ("R1",)
    )
    plan, spec = Plan("t", (component,), (Requirement("R1", "It shows.", "shows", 1),)), Spec("t", "shows\n", "d")
    files = {"top.py": "".join(LONG.splitlines(keepends=True)[:lines]), "short.py": "y = 1\n"}
    model = Scripted({"repair": at("top.py", edit("x1 = 1\n", "x1 = 2\n"))})
    strategy = open_strategy("plain", lambda _: model, Prompts(None), lambda _: [])
    verdict = Verdict("failed", (CaseResult(TEST, "failed", "no"),), "1 of 1 fails", "")

    given = asyncio.run(strategy.repair(dag.Briefing(plan, spec).brief(component, 1.0), 1, files, {}, verdict, []))

    assert given == Repair({**files, "top.py": files["top.py"].replace("x1 = 1\n", "x1 = 2\n")})
    prompt = model.asks[0].messages[1].content
    assert ("`top.py` is long" in prompt, "<<<<<<< SEARCH" in prompt) == (offered, offered)
