"""Doctests and shell sessions as text: what is read, what is written back, and that nothing is lost between the two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.examples import parse_block, parse_doctest, parse_exchange, parse_shell, render, takes_input
from graphs.values import Example, Step

DOCTESTS = {
    "value": (">>> 1 + 1\n2\n", [Step("1 + 1", "2\n")]),
    "nothing printed": (">>> x = 1\n>>> x\n1\n", [Step("x = 1"), Step("x", "1\n")]),
    "several lines": (
        ">>> for n in (1, 2):\n...     print(n)\n...\n1\n2\n",
        [Step("for n in (1, 2):\n    print(n)", "1\n2\n")],
    ),
    "indented": ("    >>> 1\n    1\n", [Step("1", "1\n")]),
    "indented with tabs": ("\t>>> print('a\\tb')\n\ta\tb\n", [Step("print('a\\tb')", "a\tb\n")]),
    "a printed tab stays": (">>> print('\\t')\n\t\n", [Step("print('\\t')", "\t\n")]),
    "blank line": (">>> print()\n<BLANKLINE>\n", [Step("print()", "\n")]),
    "prose around": (
        "Some words.\n\n>>> 1\n1\n\nMore words.\n\n>>> 2\n2\n",
        [Step("1", "1\n"), Step("2", "2\n")],
    ),
    "windows line ends": (">>> 1\r\n1\r\n", [Step("1", "1\n")]),
    "exception": (
        ">>> int('x')\nTraceback (most recent call last):\n  File \"<stdin>\", line 1\nValueError: bad: x\n",
        [Step("int('x')", raises="ValueError", message="bad: x")],
    ),
    "exception of a module": (
        ">>> f()\nTraceback (most recent call last):\n    ...\njson.decoder.JSONDecodeError: no\n",
        [Step("f()", raises="JSONDecodeError", message="no")],
    ),
    "exception without text": (
        ">>> f()\nTraceback (most recent call last):\nKeyError\n",
        [Step("f()", raises="KeyError")],
    ),
    "exception with any text": (
        ">>> f()\nTraceback (most recent call last):\nKeyError: ...\n",
        [Step("f()", raises="KeyError")],
    ),
    "exception detail ignored": (
        ">>> f()  # doctest: +IGNORE_EXCEPTION_DETAIL\nTraceback (most recent call last):\nKeyError: 'x'\n",
        [Step("f()  # doctest: +IGNORE_EXCEPTION_DETAIL", raises="KeyError")],
    ),
    "text of several lines": (
        ">>> f()\nTraceback (most recent call last):\nE: one\ntwo\n",
        [Step("f()", raises="E", message="one\ntwo")],
    ),
    "printed before it raised": (
        ">>> f()\nstarting\nTraceback (most recent call last):\nE: x\n",
        [Step("f()", "starting\n", raises="E", message="x")],
    ),
    "ellipsis": (
        ">>> object()  # doctest: +ELLIPSIS\n<object ...>\n",
        [Step("object()  # doctest: +ELLIPSIS", "<object ...>\n")],
    ),
}

SHELLS = {
    "output": ("$ echo hi\nhi\n", [Step("echo hi", "hi\n")]),
    "two": ("$ echo a\na\n$ true\n", [Step("echo a", "a\n"), Step("true")]),
    "words before": ("With a file:\n$ cat f\nx\n", [Step("cat f", "x\n")]),
    "layout between": ("$ echo a\na\n\n$ echo b\nb\n\n", [Step("echo a", "a\n"), Step("echo b", "b\n")]),
    "empty lines inside": ("$ p\na\n\nb\n", [Step("p", "a\n\nb\n")]),
    "empty line at the end": ("$ p\na\n<BLANKLINE>\n", [Step("p", "a\n\n")]),
    "indented": ("    $ p\n      a\n", [Step("p", "  a\n")]),
    "comment": ("$ p x\n# exit 2\n", [Step("p x", exit=2)]),
    "comment, other words": ("$ p x\nout\n# exit status: 2\n", [Step("p x", "out\n", exit=2)]),
    "brackets": ("$ p x\n[exit 3]\n", [Step("p x", exit=3)]),
    "brackets, code": ("$ p x\n[exit code 3]\n", [Step("p x", exit=3)]),
    "after the command": ("$ p x  # exit 4\n", [Step("p x", exit=4)]),
    "quoted, no comment": ("$ echo '# exit 4'\n# exit 4\n# exit 0\n", [Step("echo '# exit 4'", "# exit 4\n")]),
    "asked": ("$ p x\nout\n$ echo $?\n2\n", [Step("p x", "out\n", exit=2)]),
    "asked in quotes": ('$ p x\n$ echo "$?"\n0\n$ q\n', [Step("p x"), Step("q")]),
    "asked first": ("$ echo $?\n0\n", [Step("echo $?", "0\n")]),
    "backslash": ("$ p a \\\n  b\nout\n", [Step("p a \\\n  b", "out\n")]),
    "backslash, prompt": ("$ p a \\\n> b\nout\n", [Step("p a \\\nb", "out\n")]),
    "pipe": ("$ p |\n> q\nout\n", [Step("p |\nq", "out\n")]),
    "loop": ("$ for i in 1 2; do\n> echo $i\n> done\n1\n2\n", [Step("for i in 1 2; do\necho $i\ndone", "1\n2\n")]),
    "output like a prompt": ("$ diff a b\n> new\n", [Step("diff a b", "> new\n")]),
    "quote over lines": ("$ printf 'a\nb'\na\nb\n", [Step("printf 'a\nb'", "a\nb\n")]),
    "quote with prompts": ("$ printf 'a\n> b'\na\nb\n", [Step("printf 'a\nb'", "a\nb\n")]),
    "here-document": (
        "$ cat <<EOF\n$ x\n>y\nEOF\n$ x\n>y\n".replace("$ x\n>y\nEOF\n$ x", "x\n>y\nEOF\nx"),
        [Step("cat <<EOF\nx\n>y\nEOF", "x\n>y\n")],
    ),
    "here-document holds prompts": ("$ cat <<'EOF'\n$ x\nEOF\n", [Step("cat <<'EOF'\n$ x\nEOF")]),
    "here-document, prompts": ("$ cat <<EOF\n> x\n>\n> EOF\nx\n", [Step("cat <<EOF\nx\n\nEOF", "x\n")]),
    "here-document, tabs": ("$ cat <<-EOF\n\tx\n\tEOF\nx\n", [Step("cat <<-EOF\n\tx\n\tEOF", "x\n")]),
    "two here-documents": ("$ p <<A <<B\na\nA\nb\nB\nz\n", [Step("p <<A <<B\na\nA\nb\nB", "z\n")]),
    "a shift is none": ("$ echo $((1<<N))\n2\n", [Step("echo $((1<<N))", "2\n")]),
    "standard input": ("$ p - <<'STDIN'\na\nb\nSTDIN\nz\n", [Step("p -", "z\n", stdin="a\nb\n")]),
    "standard input of one program": (
        "$ p 'a|b' 2>&1 <<'STDIN'\na\nSTDIN\n",
        [Step("p 'a|b' 2>&1", stdin="a\n")],
    ),
    "standard input that holds the word": (
        "$ p <<'STDIN_'\n> a\n> STDIN\n>\n> STDIN_\nz\n",
        [Step("p", "z\n", stdin="a\nSTDIN\n\n")],
    ),
    "no input is given": ("$ p <<'STDIN'\nSTDIN\nz\n", [Step("p", "z\n")]),
    "of a pipe, it is the last program's": (
        "$ echo b | cat <<'STDIN'\na\nSTDIN\na\n",
        [Step("echo b | cat <<'STDIN'\na\nSTDIN", "a\n")],
    ),
    "with a redirection, who knows": ("$ p < f <<'STDIN'\na\nSTDIN\n", [Step("p < f <<'STDIN'\na\nSTDIN")]),
    "hash inside a word": ("$ echo a#b $#\na#b 0\n", [Step("echo a#b $#", "a#b 0\n")]),
    "idle prompt": ("$ echo a\na\n$\n", [Step("echo a", "a\n")]),
}


@pytest.mark.parametrize("name", DOCTESTS)
def test_doctest_is_read_and_written_back(name: str) -> None:
    text, steps = DOCTESTS[name]
    example = parse_block(text, "E1", 7)
    assert example == Example("E1", "python", tuple(steps), 7)
    assert example == parse_doctest(render(example), "E1", 7)


@pytest.mark.parametrize("name", SHELLS)
def test_shell_session_is_read_and_written_back(name: str) -> None:
    text, steps = SHELLS[name]
    example = parse_block(text, "c.C1", 0)
    assert example == Example("c.C1", "shell", tuple(steps))
    assert example == parse_shell(render(example), "c.C1", 0)


@pytest.mark.parametrize(
    "text", ["", "plain words\n", "costs $5\n", ">>>>>>> branch\n", ">>> # only a comment\n", "$\n$ \n"]
)
def test_text_without_a_prompt_is_no_example(text: str) -> None:
    assert parse_block(text, "E1", 1) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [("$ python\n>>> 1\n1\n", "shell"), (">>> run('''\n... $ x''')\n$ x\n", "python")],
)
def test_first_prompt_decides(text: str, kind: str) -> None:
    example = parse_block(text, "E1", 1)
    assert example is not None
    assert example.kind == kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$ echo it's\nits\n", "never closed"),
        ("$ cat <<EOF\nx\n", "'EOF' is never closed"),
        ("$ p \\", "backslash"),
        ("$ p\n$ echo $?\nfine\n", "exit status from 0 to 255, not 'fine'"),
        ("$ p\n$ echo $?\n256\n", "exit status from 0 to 255"),
        (">>> f()\nTraceback (most recent call last):\n    ...\n", "does not end with"),
        (">>> 1\n1\n>>>2\n", "blank after >>>"),
        (">>> 1  # doctest: +NO_SUCH\n1\n", "NO_SUCH"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        parse_block(text, "E1", 1)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "step",
    [
        Step("a", "$ b\n"),
        Step("a", "no newline at the end"),
        Step("a", "<BLANKLINE>\n"),
        Step("a\nb"),
        Step("a", stdin="x"),
    ],
)
def test_what_has_no_text_is_refused_and_not_changed(step: Step) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        render(Example("E1", "shell", (step,)))


def test_expected_line_that_looks_like_a_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        render(Example("E1", "python", (Step("a", ">>> b\n"),)))


words = st.text(alphabet="abcXYZ0_-./=:,#[]$?*é ", min_size=1, max_size=12)
plain_lines = words.map(str.strip).filter(lambda s: s and not s.startswith(("$ ", "# exit", "[exit")) and s != "$")
outputs = st.lists(st.one_of(plain_lines, st.just("")), max_size=4).map(lambda ls: "".join(f"{x}\n" for x in ls))
commands = st.one_of(
    plain_lines.filter(lambda s: not s.startswith("#") and " #" not in s and not s.startswith("echo")),
    st.tuples(plain_lines, plain_lines).map(lambda p: f"run '{p[0]}\n{p[1]}'"),
    st.tuples(plain_lines, plain_lines).map(lambda p: f"cat <<'END'\n{p[0]}\n{p[1]}\nEND"),
)
shell_steps = st.builds(
    Step,
    run=commands,
    expect=outputs,
    exit=st.integers(0, 255),
)


@given(st.lists(shell_steps, min_size=1, max_size=4))
def test_any_shell_session_survives(steps: list[Step]) -> None:
    example = Example("E1", "shell", tuple(steps), 3)
    assert parse_block(render(example), "E1", 3) == example


any_lines = st.lists(st.text(alphabet="ab STDIN_$>#\\'\"\t|é", max_size=9) | st.just("STDIN"), max_size=4)
programs = plain_lines.filter(takes_input)


@given(st.lists(st.tuples(programs, any_lines, outputs, st.integers(0, 255)), min_size=1, max_size=3))
def test_any_standard_input_survives(parts: list[tuple[str, list[str], str, int]]) -> None:
    steps = [Step(run, out, exit=code, stdin="".join(f"{x}\n" for x in given)) for run, given, out, code in parts]
    example = Example("E1", "shell", tuple(steps), 3)
    assert parse_block(render(example), "E1", 3) == example


@given(any_lines, any_lines, st.none() | st.integers(0, 255))
def test_any_exchange_without_prompts_in_its_output_can_be_written(
    given: list[str], printed: list[str], status: int | None
) -> None:
    printed = [line for line in printed if not line.startswith("$")]
    example = parse_exchange("p 'a|b' 2>&1", given, printed, status, "E1", 3)
    assert parse_block(render(example), "E1", 3) == example
    assert example.steps[0].run == "p 'a|b' 2>&1"
    assert example.steps[0].stdin == "".join(f"{line}\n" for line in given)


@pytest.mark.parametrize(
    ("run", "printed", "said"),
    [
        ("a | b", [], "'a | b' is not one plain command"),
        ("a; b", [], "not one plain command"),
        ("a && b", [], "not one plain command"),
        ("a &", [], "not one plain command"),
        ("a < f", [], "not one plain command"),
        ("a <<< f", [], "not one plain command"),
        ("(a)", [], "not one plain command"),
        ("a `b`", [], "not one plain command"),
        ("a # b", [], "not one plain command"),
        ("it's", [], "not one plain command"),
        ("a\nb", [], "not one plain command"),
        ("", [], "not one plain command"),
        ("a", ["b", "$ c"], "the expected line '$ c' reads like a shell prompt; write '...'"),
        ("a in", ["> b"], "cannot be written as a shell session"),
    ],
)
def test_an_exchange_that_is_no_example_is_refused(run: str, printed: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        parse_exchange(run, ["1"], printed, None, "E1", 1)
    assert said in str(refused.value)


doc_lines = st.text(alphabet="abc '\"()\t#.é", min_size=1, max_size=10).map(lambda s: f"w{s}w")
doc_outputs = st.lists(st.one_of(doc_lines, st.just("")), max_size=3).map(lambda ls: "".join(f"{x}\n" for x in ls))
statements = st.lists(st.one_of(doc_lines, st.just("    x = 1")), min_size=1, max_size=3).map("\n".join)
python_steps = st.one_of(
    st.builds(Step, run=statements, expect=doc_outputs),
    st.builds(Step, run=statements, raises=st.just("OddError"), message=st.one_of(st.none(), doc_lines)),
)


@given(st.lists(python_steps, min_size=1, max_size=4))
def test_any_doctest_survives(steps: list[Step]) -> None:
    example = Example("E1", "python", tuple(steps), 3)
    assert parse_block(render(example), "E1", 3) == example


@given(st.text(alphabet="$> \n\\'\"<EOF#exit 2[]|&();do.\t", max_size=80))
def test_whatever_is_read_can_be_written(text: str) -> None:
    try:
        example = parse_block(f"$ a\n{text}", "E1", 1)
    except ValueError:
        return
    assert example is not None
    assert parse_block(render(example), "E1", 1) == example
