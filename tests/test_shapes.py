"""Answers as models give them: good and sloppy ones are read, others are refused by name."""

from __future__ import annotations

import contextlib
import re
import textwrap
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.strategies import shapes
from graphs.edits import Add
from graphs.errors import AnswerError, PathRefused, PlanError
from graphs.values import Plan, Repair, Requirement

CODE = "def f():\n    return 1\n"
DOC = 'def f():\n    """Use it.\n\n    ```python\n    f()\n    ```\n    """\n'
FENCED = f"```python\n{CODE}```\n"
ONE = ["a.py"]
TWO = ["a.py", "pkg/b.py"]
TEST_A, TEST_B = FAILING = ["tests/test_x.py::test_a", "tests/test_x.py::TestC::test_b"]

READ: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "as asked": (f"### a.py\n{FENCED}", ONE, {"a.py": CODE}),
    "prose around": (f"Here you are.\n\n### a.py\n\n{FENCED}\nIt returns 1.\n", ONE, {"a.py": CODE}),
    "prose between heading and fence": (f"### a.py\nThe whole file:\n{FENCED}", TWO, {"a.py": CODE}),
    "two files": (f"### a.py\n{FENCED}### pkg/b.py\n```\nx = 1\n```\n", TWO, {"a.py": CODE, "pkg/b.py": "x = 1\n"}),
    "back-ticks in the heading": (f"## `a.py`\n{FENCED}", TWO, {"a.py": CODE}),
    "file in the heading": (f"# File: a.py\n{FENCED}", TWO, {"a.py": CODE}),
    "numbered heading": (f"### 1. a.py\n{FENCED}", TWO, {"a.py": CODE}),
    "bold": (f"**a.py**\n{FENCED}", TWO, {"a.py": CODE}),
    "bold, with colon": (f"**File: `a.py`**:\n{FENCED}", TWO, {"a.py": CODE}),
    "back-ticks": (f"`a.py`:\n{FENCED}", TWO, {"a.py": CODE}),
    "label": (f"File: a.py\n{FENCED}", TWO, {"a.py": CODE}),
    "bare": (f"pkg/b.py\n{FENCED}", TWO, {"pkg/b.py": CODE}),
    "spoken of": (f"I changed `a.py` as follows:\n{FENCED}", TWO, {"a.py": CODE}),
    "spoken of and shown": (f"### a.py\n{FENCED}Use a.py so:\n```python\nf()\n```\n", TWO, {"a.py": CODE}),
    "spoken of, and a session": (f"### a.py\n{FENCED}Run a.py:\n```console\n$ x\n```\n", TWO, {"a.py": CODE}),
    "info: path": (f"```a.py\n{CODE}```\n", TWO, {"a.py": CODE}),
    "info: language and path": (f"```python pkg/b.py\n{CODE}```\n", TWO, {"pkg/b.py": CODE}),
    "info: colon": (f"```python:pkg/b.py\n{CODE}```\n", TWO, {"pkg/b.py": CODE}),
    "info: title": (f'```python title="pkg/b.py"\n{CODE}```\n', TWO, {"pkg/b.py": CODE}),
    "info: braces": (f'```{{.python file="a.py"}}\n{CODE}```\n', TWO, {"a.py": CODE}),
    "first line": (f"```python\n# a.py\n{CODE}```\n", TWO, {"a.py": "# a.py\n" + CODE}),
    "tildes": (f"### a.py\n~~~python\n{CODE}~~~\n", ONE, {"a.py": CODE}),
    "four ticks": (f"### a.py\n````python\n```\n{CODE}````\n", ONE, {"a.py": "```\n" + CODE}),
    "longer closing fence": (f"### a.py\n```python\n{CODE}````\n", ONE, {"a.py": CODE}),
    "labelled fence inside": (f"### a.py\n```python\n{DOC}```\n", ONE, {"a.py": DOC}),
    "fence at the margin inside": (
        "### a.py\n```python\nX = '''\n```sh\nls\n```\n'''\n```\n",
        ONE,
        {"a.py": "X = '''\n```sh\nls\n```\n'''\n"},
    ),
    "whole answer in a fence": (
        f"```markdown\n### a.py\n{FENCED}### pkg/b.py\n{FENCED}```\n",
        TWO,
        dict.fromkeys(TWO, CODE),
    ),
    "whole answer in a longer fence": (f"````\n### a.py\n{FENCED}````\n", ONE, {"a.py": CODE}),
    "indented fence": ("1. ### a.py\n### a.py\n  ```python\n  x = 1\n    y\n  ```\n", ONE, {"a.py": "x = 1\n  y\n"}),
    "Windows line ends": (f"### a.py\n{FENCED}".replace("\n", "\r\n"), ONE, {"a.py": CODE}),
    "stray fence at the end": (f"### a.py\n{FENCED}```\n", ONE, {"a.py": CODE}),
    "the only block": (f"Sure:\n{FENCED}", ONE, {"a.py": CODE}),
    "the only block, another language": ("```html\n<p>\n```\n", ["i.html"], {"i.html": "<p>\n"}),
    "the only block that is code": (f"{FENCED}```console\n$ python a.py\n```\n", ONE, {"a.py": CODE}),
    "no fence": (CODE, ONE, {"a.py": CODE}),
    "no fence, Windows": (CODE.replace("\n", "\r\n"), ONE, {"a.py": CODE}),
    "the same twice": (f"### a.py\n{FENCED}### a.py\n{FENCED}", ONE, {"a.py": CODE}),
    "empty file": ("### a.py\n```python\n```\n", ONE, {"a.py": ""}),
    "page with four ticks": (
        "### README.md\n````\n# T\n```\nls\n```\n````\n",
        ["README.md"],
        {"README.md": "# T\n```\nls\n```\n"},
    ),
}


@pytest.mark.parametrize(("answer", "owned", "files"), READ.values(), ids=READ)
def test_files_are_read(answer: str, owned: list[str], files: dict[str, str]) -> None:
    assert shapes.read_files(answer, owned, list(files)) == files


REFUSED: dict[str, tuple[str, list[str], type[Exception], str]] = {
    "nothing": (
        "I cannot help with that.",
        ONE,
        AnswerError,
        "the answer gives no file a.py; write a heading '### a.py'",
    ),
    "empty": ("", ONE, AnswerError, "the answer gives no file a.py"),
    "one missing": (f"### a.py\n{FENCED}", TWO, AnswerError, "the answer gives no file pkg/b.py"),
    "two unnamed blocks": (FENCED + FENCED, ONE, AnswerError, "the answer gives no file a.py"),
    "only a session": ("```console\n$ ls\n```\n", ONE, AnswerError, "the answer gives no file a.py"),
    "another name that holds it": (f"Run data.py:\n{FENCED}", TWO, AnswerError, "gives no file a.py, pkg/b.py"),
    "cut": (
        f"### a.py\n```python\n{CODE}",
        ONE,
        AnswerError,
        "the answer ends in the middle of a.py; give the whole file",
    ),
    "cut, unnamed": (f"```python\n{CODE}", ONE, AnswerError, "the answer ends in the middle of a.py"),
    "twice, different": (
        f"### a.py\n{FENCED}### a.py\n```\nx\n```\n",
        ONE,
        AnswerError,
        "a.py is given twice with different",
    ),
    "page that may be cut": (
        "### README.md\n```\n# T\n```\nls\n```\nmore\n```\n",
        ["README.md"],
        AnswerError,
        "it is not clear where README.md ends; fence it with four back-ticks",
    ),
    "not owned": (f"### a.py\n{FENCED}### other.py\n{FENCED}", ONE, PathRefused, "other.py"),
    "upwards": (f"### ../a.py\n{FENCED}", ONE, PathRefused, "../a.py"),
    "absolute": (f"### /etc/passwd\n{FENCED}", ONE, PathRefused, "/etc/passwd"),
    "home": (f"### ~/a.py\n{FENCED}", ONE, PathRefused, "~/a.py"),
    "back-slash": (f"### x\\a.py\n{FENCED}", ONE, PathRefused, "a.py"),
    "upwards in the info": (f"```python ../a.py\n{CODE}```\n", ONE, PathRefused, "../a.py"),
    "half a character": ("### a.py\n```\n\ud800\n```\n", ONE, PathRefused, "cannot be written as UTF-8"),
}


@pytest.mark.parametrize("path", ["paths.py", "pathlib_x.py", "filestore/a.py", "file.py", "filename.py"])
@pytest.mark.parametrize("heading", ["### {}", "**{}**", "### File: {}", "## path `{}`", "**File: {}**", "`{}`", "{}:"])
def test_a_path_that_begins_like_a_word_before_it_is_read_whole(heading: str, path: str) -> None:
    answer = f"{heading.format(path)}\n```python\nx = 1\n```\n"
    assert shapes.read_files(answer, [path, "other.py"], [path]) == {path: "x = 1\n"}


@pytest.mark.parametrize(("answer", "owned", "error", "sentence"), REFUSED.values(), ids=REFUSED)
def test_files_are_refused_by_name(answer: str, owned: list[str], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        shapes.read_files(answer, owned, owned)

    assert sentence in str(caught.value)


def rendered(files: dict[str, str]) -> str:
    """The form the prompts ask for."""
    parts = []
    for path, text in files.items():
        longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
        ticks = "`" * max(3, longest + 1)
        parts.append(f"### {path}\n{ticks}python\n{text}{ticks}\n")
    return "Some prose first.\n\n" + "\n".join(parts)


LINES = st.sampled_from(
    [
        "",
        "```",
        "````python",
        "~~~",
        "### a.py",
        "  ```",
        "# a.py",
        "\t",
        "\x0c",
        "\u2028x",
        "\r",
        "R1: x",
        "WRONG TEST test_a: x",
    ]
)
TEXTS = st.lists(LINES | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), max_size=6).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*TWO, "tests/test_c.py"]), TEXTS, min_size=1))
@example({"a.py": "```\n", "pkg/b.py": ""})
def test_what_is_written_in_the_form_asked_for_is_read_back_as_it_was(files: dict[str, str]) -> None:
    if any("\r\n" in text for text in files.values()):  # Windows line ends are the one thing that is not kept
        files = {path: text.replace("\r\n", "\n") for path, text in files.items()}

    assert shapes.read_files(rendered(files), list(files), list(files)) == files


@settings(deadline=None)
@given(st.lists(LINES | st.text(max_size=9), max_size=12).map("\n".join))
def test_any_answer_is_read_or_refused(answer: str) -> None:
    readers = (
        lambda: shapes.read_files(answer, TWO, []),
        lambda: shapes.read_requirements(answer),
        lambda: shapes.read_plan(answer, (), ""),
        lambda: shapes.read_repair(answer, TWO, {}, FAILING, ["E1"]),
        lambda: shapes.read_component(answer, "a"),
        lambda: shapes.read_parts(answer),
        lambda: shapes.read_revision(answer, Plan("t", ())),
    )
    for read in readers:
        with contextlib.suppress(AnswerError, PathRefused, PlanError):
            read()


@pytest.mark.parametrize(
    "line",
    [
        "R1: It sorts.",
        "- R1: It sorts.",
        "* **R1**: It sorts.",
        "**R1: It sorts.**",
        "**R1.** It sorts.",
        "1. R1: It sorts.",
        "### R1 – It sorts.",
        "R1 — It sorts.",
        "R1) It sorts.",
        "(R1) It sorts.",
        "[R1] It sorts.",
        "- [ ] R1: It sorts.",
        "| R1 | It sorts. |",
        "  R1 - It sorts.  ",
        "R7: It sorts.",
    ],
)
@pytest.mark.parametrize(
    "quote", ["> sort the lines", '  > "sort the lines"', "Quote: sort the lines", "> sort\n> the lines"]
)
def test_requirements_are_read_in_many_styles_of_lists(line: str, quote: str) -> None:
    answer = f"Here they are:\n\n```\n{line}\n{quote}\n\nR9: It ends with `**`.\n> x*\n```\n"

    assert shapes.read_requirements(answer) == (
        Requirement("R1", "It sorts.", "sort the lines"),
        Requirement("R2", "It ends with `**`.", "x*"),
    )


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("", "no line of the form 'R1: sentence' was found"),
        ("It should sort.", "no line of the form"),
        ("> R1: quoted only", "no line of the form"),
        ("R1: It sorts.\nR2: It ends.\n> ends", "R1 quotes nothing; put the words of the specification under it"),
    ],
)
def test_requirements_are_refused_by_name(answer: str, sentence: str) -> None:
    with pytest.raises(AnswerError) as caught:
        shapes.read_requirements(answer)

    assert sentence in str(caught.value)


PLAN = """\
title: greet
components:
  - id: a
    purpose: Says hello.
    files: [a.py]
    contract:
      behaviour: |
        Prints this:

        ```
        hello
        ```
"""


@pytest.mark.parametrize(
    "answer",
    [
        f"```yaml\n{PLAN}```\n",
        f"I would make one part.\n\n```yaml\n{PLAN}```\nThat is all.\n",
        f"```\ncomponents: none yet\n```\nBetter:\n```yml\n{PLAN}```\n",
        PLAN,
        f"Here it is:\n\n{PLAN}",
        f"```yaml\n{PLAN}```\n".replace("\n", "\r\n"),
        f"````markdown\nHere:\n\n```yaml\n{PLAN}```\n````\n",
    ],
    ids=["block", "prose", "draft first", "bare", "bare after prose", "Windows", "wrapped"],
)
def test_a_plan_is_read(answer: str) -> None:
    requirements = (Requirement("R1", "It greets."),)

    plan = shapes.read_plan(answer, requirements, "digest")

    assert (plan.title, plan.requirements, plan.spec_digest, plan.revision) == ("greet", requirements, "digest", 1)
    assert plan.components[0].contract.behaviour == "Prints this:\n\n```\nhello\n```\n"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("No plan.", "no plan was found; give one fenced yaml block"),
        (f"```yaml\n{PLAN}", "the answer ends in the middle of the plan"),
        (f"```yaml\n{PLAN.replace('purpose', 'purpos')}```\n", "did you mean 'purpose'?"),
    ],
)
def test_a_plan_is_refused_by_name(answer: str, sentence: str) -> None:
    with pytest.raises(PlanError) as caught:
        shapes.read_plan(answer, (), "")

    assert sentence in str(caught.value)


ENTRY = """\
id: a
purpose: Says hello.
files: [a.py]
contract:
  behaviour: |
    Prints this:

    ```
    hello
    ```
"""
PARTS = "parts:\n" + textwrap.indent(ENTRY, "    ").replace("    id", "  - id", 1)
REVISION = "edits:\n  - edit: add\n    reason: More.\n    component:\n" + textwrap.indent(ENTRY, "      ")


def in_many_ways(text: str) -> list[str]:
    """An answer that holds this YAML, as models write it."""
    return [
        f"```yaml\n{text}```\n",
        f"A word first.\n\n```yml\n{text}```\nThat is all.\n",
        f"```\nsomething: else\n```\nBetter:\n```\n{text}```\n",
        f"```yaml\n{text.partition('files')[0]}```\nThat was short. Whole:\n```yaml\n{text}```\n",
        text,
        f"Here it is:\n\n{text}",
        f"```yaml\n{text}```\n".replace("\n", "\r\n"),
        f"````markdown\nHere:\n\n```yaml\n{text}```\n````\n",
    ]


@pytest.mark.parametrize("answer", [*in_many_ways(ENTRY), *in_many_ways(PARTS.replace("parts", "components"))[:4]])
def test_a_component_is_read(answer: str) -> None:
    component = shapes.read_component(answer, "a")

    assert component.contract.behaviour == "Prints this:\n\n```\nhello\n```\n"


@pytest.mark.parametrize("answer", [*in_many_ways(PARTS), f"```yaml\n{PARTS.partition(chr(10))[2]}```\n"])
def test_parts_are_read(answer: str) -> None:
    (part,) = shapes.read_parts(answer)

    assert (part.id, part.contract.behaviour) == ("a", "Prints this:\n\n```\nhello\n```\n")


@pytest.mark.parametrize("answer", [*in_many_ways(REVISION), f"```yaml\n{REVISION.partition(chr(10))[2]}```\n"])
def test_a_revision_is_read(answer: str) -> None:
    (edit,) = shapes.read_revision(answer, Plan("t", ())).edits

    assert isinstance(edit, Add)
    assert (edit.component.id, edit.reason) == ("a", "More.")


@pytest.mark.parametrize("answer", in_many_ways("requirements:\n  - {id: R1, text: It counts., quote: count}\n"))
def test_a_revision_of_requirements_alone_is_read(answer: str) -> None:
    revision = shapes.read_revision(answer, Plan("t", ()))

    assert (revision.edits, revision.requirements) == ((), (Requirement("R1", "It counts.", "count"),))


READERS = {
    "component": (lambda answer: shapes.read_component(answer, "a"), ENTRY, "with 'id' and 'contract'"),
    "list of parts": (shapes.read_parts, PARTS, "with 'parts'"),
    "revision": (
        lambda answer: shapes.read_revision(answer, Plan("t", ())),
        REVISION,
        "with 'requirements' and 'edits'",
    ),
}


@pytest.mark.parametrize("noun", READERS)
def test_what_is_planned_anew_is_refused_by_name(noun: str) -> None:
    read, text, keys = READERS[noun]

    for answer, sentence in (
        ("I cannot.", f"no {noun} was found; give one fenced yaml block {keys}"),
        (f"```yaml\n{text}", f"the answer ends in the middle of the {noun}; give it whole"),
        (f"```yaml\n{text.replace('purpose', 'purpos')}```\n", "did you mean 'purpose'?"),
        (f"```yaml\n{text}  x: [\n```\n", "is not valid YAML"),
    ):
        with pytest.raises(PlanError) as caught:
            read(answer)
        assert sentence in str(caught.value)


def test_a_component_keeps_its_id() -> None:
    with pytest.raises(PlanError, match="the component's id is 'a'; it must stay 'b'"):
        shapes.read_component(f"```yaml\n{ENTRY}```\n", "b")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (CODE, []),
        ("x = '\\d'\n", []),
        ("def f(:\n", ["a.py, line 1 is not valid Python: "]),
        ("x = '\x00'\n", ["a.py"]),
        ("(" * 10_000, ["a.py"]),
        ("-" * 100_000 + "1", ["a.py"]),
    ],
)
def test_python_that_does_not_parse_is_named(text: str, problems: list[str]) -> None:
    found = shapes.python_problems({"a.py": text, "b.txt": "def"})

    assert len(found) == len(problems)
    assert all(sentence.startswith(problem) for sentence, problem in zip(found, problems, strict=True))


SO = 'the contract says "2.5 gives 2", not 3'
WRONG_A = f"WRONG TEST {TEST_A}: {SO}"
A_IS_WRONG = Repair({}, {TEST_A: SO})


def repair(answer: str, owned: list[str] = TWO) -> Repair:
    return shapes.read_repair(answer, owned, {}, FAILING, ["E1", "top.C1"])


@pytest.mark.parametrize(
    "answer",
    [
        WRONG_A,
        f"It rounds half to even.\n\n{WRONG_A}\n\nNothing else has to be mended.\n",
        WRONG_A.replace(": the", ":\nthe"),
        WRONG_A.replace(": the", ":\n\nthe"),
        WRONG_A.replace("says ", "says\n"),
        WRONG_A.replace(": the", " — the"),
        WRONG_A.replace(": the", "\nthe"),
        WRONG_A.replace("TEST ", "TEST: "),
        WRONG_A.replace("WRONG TEST", "**WRONG TEST**"),
        WRONG_A.replace("WRONG TEST", "**WRONG TEST:**"),
        WRONG_A.replace("WRONG TEST", "- Wrong test:"),
        WRONG_A.replace("WRONG TEST", "1. WRONG TEST"),
        WRONG_A.replace("WRONG TEST", "### WRONG TEST"),
        WRONG_A.replace("WRONG TEST", "> WRONG_TEST"),
        WRONG_A.replace(TEST_A, f"`{TEST_A}`"),
        WRONG_A.replace(f"{TEST_A}:", f"**{TEST_A}:**"),
        WRONG_A.replace(TEST_A, f"{TEST_A}[2.5-3]"),
        WRONG_A.replace(TEST_A, f"`{TEST_A}[a: b c]`"),
        WRONG_A.replace(TEST_A, "test_a"),
        WRONG_A.replace(TEST_A, "`test_a()`"),
        f"**{WRONG_A}**",
        f"`{WRONG_A}`",
        f"```\n{WRONG_A}\n```\n",
        f"```text\n{WRONG_A}\n```\n",
        f"````markdown\nThe test errs.\n\n```\n{WRONG_A}\n```\n````\n",
        f"{WRONG_A}\n\nThe test:\n```python\ndef test_a():\n    assert f(2.5) == 3\n```\n",
        f"{WRONG_A}\n\nThe words:\n```\n2.5 gives 2\n```\n",
        f"{WRONG_A}\n{WRONG_A.replace('not 3', 'no')}\n",
        f"{WRONG_A}\nWRONG TEST test_z: it too\nWRONG TEST E1: it too\n",
        f"{WRONG_A}\r\n\r\nThat is all.\r\n",
    ],
)
@pytest.mark.parametrize("owned", [ONE, TWO])
def test_a_repair_may_hold_a_test_to_be_wrong_and_change_nothing(answer: str, owned: list[str]) -> None:
    found = repair(answer, owned)

    assert (found.files, list(found.disputed)) == ({}, [TEST_A])
    assert found.disputed[TEST_A].strip("`") == SO


@pytest.mark.parametrize(
    "answer",
    [
        f"{WRONG_A}\n\n### a.py\n{FENCED}",
        f"### a.py\n{FENCED}\n{WRONG_A}\n",
        f"### a.py\n{FENCED}\n```\n{WRONG_A}\n```\n",
        f"```markdown\n{WRONG_A}\n\n### a.py\n{FENCED}```\n",
        f"{WRONG_A}\n### a.py\n{FENCED}",
        f"{WRONG_A}\n\nI changed `a.py`:\n{FENCED}```console\n$ pytest\n```\n",
    ],
)
def test_a_repair_may_change_files_beside(answer: str) -> None:
    assert repair(answer) == Repair({"a.py": CODE}, {TEST_A: SO})


def test_of_one_file_the_heading_may_be_left_out_beside_a_wrong_test() -> None:
    assert repair(f"{WRONG_A}\n\nThe rest:\n{FENCED}", ONE) == Repair({"a.py": CODE}, {TEST_A: SO})


def test_of_one_file_that_is_cut_nothing_is_used_beside_a_wrong_test() -> None:
    with pytest.raises(AnswerError, match=r"the answer ends in the middle of a\.py"):
        repair(f"{WRONG_A}\n\nThe rest:\n```python\ndef f(", ONE)


@pytest.mark.parametrize(
    "text",
    ["Is it the wrong test?\n", "Wrong test expectations are not the cause.\n", "The test is wrong: test_a.\n"],
)
def test_words_about_tests_are_no_claim(text: str) -> None:
    assert repair(f"{text}\n### a.py\n{FENCED}\n{text}") == Repair({"a.py": CODE})


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        ("", ["no file was given; give each file you change whole under a heading '### a.py'"]),
        ("The test_a is wrong.", ["no file was given"]),
        ("WRONG TEST test_z: so", [f"'test_z' is none of the failing tests that were shown ({TEST_A}, {TEST_B}); leave"]),
        ("WRONG TEST: the first one", ["'the' is none of the failing tests"]),
        (f"WRONG TEST test_z: so\n\n### a.py\n{FENCED}", ["'test_z' is none of the failing tests"]),
        ("WRONG TEST E1: so", ["E1 is an example: it decides what is right; mend the code and leave the line out"]),
        ("WRONG TEST `top.C1`: so\nWRONG TEST test_z: so", ["top.C1 is an example", "'test_z' is none"]),
        (f"WRONG TEST {TEST_A}", ["test_a: no reason is given; after the id put a colon and the words"]),
        (f"WRONG TEST {TEST_A}:\n\n### a.py\n{FENCED}", ["test_a: no reason is given"]),
        (f"{WRONG_A}\n\n### a.py\n```\nx = 1\n", ["the answer ends in the middle of a.py; give the whole file"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_repair_is_named(answer: str, sentences: list[str]) -> None:
    with pytest.raises(AnswerError) as caught:
        repair(answer)

    assert len(caught.value.problems) == len(sentences)
    for problem, sentence in zip(caught.value.problems, sentences, strict=True):
        assert sentence in problem


def test_a_name_that_two_failing_tests_share_is_not_enough() -> None:
    ids = ["t/test_x.py::TestC::test_a", "t/test_x.py::TestD::test_a"]

    with pytest.raises(
        AnswerError, match=r"'test_a' may be t/test_x.py::TestC::test_a or t/test_x.py::TestD::test_a; give"
    ):
        shapes.read_repair("WRONG TEST test_a: so", ONE, {}, ids, [])
    assert shapes.read_repair("WRONG TEST TestD::test_a: so", ONE, {}, ids, []).disputed == {ids[1]: "so"}


def test_a_wrong_test_does_not_make_a_foreign_file_acceptable() -> None:
    with pytest.raises(PathRefused, match=r"tests/test_x\.py"):
        repair(f"{WRONG_A}\n\n### tests/test_x.py\n{FENCED}")


@st.composite
def repairs(draw: st.DrawFn) -> tuple[str, Repair]:
    """An answer in the form asked for, and what it says."""
    files = draw(st.dictionaries(st.sampled_from(TWO), TEXTS))
    words = st.lists(st.sampled_from(["it", "`x`", "KEEP:", "3", "test_b"]), max_size=3)
    ids = draw(st.lists(st.sampled_from(FAILING), unique=True))
    disputed = {test_id: " ".join(["since", *draw(words), "holds"]) for test_id in ids}
    noise = st.sampled_from(
        ["\n", "\nThe cause is X.\n\n", "\n```console\n$ WRONG TEST x\n```\n", "\nIt is no wrong test.\n\n"]
    )
    lines = ""
    for test_id, reason in disputed.items():
        broken = reason.replace(" ", draw(st.sampled_from([" ", "\n"])))
        lines += f"{draw(noise)}WRONG TEST {test_id}: {broken}\n"
    before = draw(st.booleans())
    code = f"\n{rendered(files)}\n"
    return (lines + code if before else code + lines) + draw(noise), Repair(files, disputed)


@settings(deadline=None)
@given(repairs())
def test_every_repair_in_the_form_asked_for_is_read_back(given: tuple[str, Repair]) -> None:
    answer, meant = given
    if any("\r\n" in text for text in meant.files.values()):
        return
    if meant == Repair({}):
        with pytest.raises(AnswerError, match="no file was given"):
            repair(answer)
    else:
        assert repair(answer) == meant


@pytest.mark.parametrize(
    "line",
    [
        "WRONG TEST " + "a::" * 30_000 + "!",
        "WRONG TEST a[" + "]" * 100_000,
        "wrong test" + "-" * 100_000,
        "wrong test" + ":" * 100_000,
        "*" * 100_000,
        "> " * 50_000 + "WRONG",
        "WRONG TEST a" + " " * 100_000 + "\x0b",
        "```a\n" * 3_000 + "WRONG TEST test_z: x\n" + "```\n" * 3_000,
    ],
)
def test_odd_lines_of_a_repair_do_not_take_long(line: str) -> None:
    started = time.monotonic()
    with pytest.raises(AnswerError):
        repair(line)
    assert time.monotonic() - started < 2
