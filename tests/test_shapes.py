"""Answers as models give them: good and sloppy ones are read, others are refused by name."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.strategies import shapes
from graphs.errors import AnswerError, PathRefused, PlanError
from graphs.values import Requirement

CODE = "def f():\n    return 1\n"
DOC = 'def f():\n    """Use it.\n\n    ```python\n    f()\n    ```\n    """\n'
FENCED = f"```python\n{CODE}```\n"
ONE = ["a.py"]
TWO = ["a.py", "pkg/b.py"]

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
    ["", "```", "````python", "~~~", "### a.py", "  ```", "# a.py", "\t", "\x0c", "\u2028x", "\r", "R1: x"]
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
