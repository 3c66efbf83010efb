"""Reading ``spec.md``: what is taken from it, what is refused and in which words, and where quotes stand."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import example as tried
from hypothesis import given
from hypothesis import strategies as st

from agent.spec import MAX_BYTES, locate_quotes, read_spec, unbound_examples, with_feedback
from graphs.errors import SpecError
from graphs.examples import parse_block, render
from graphs.values import Requirement, Spec, Step

SPEC = """\
---
title: Adder
packages: [rich, "attrs>=23"]
entry: python -m adder --help
---
# Something else

Adds numbers.

```console
$ python -m adder 1 2
3
$ python -m adder x
# exit 2
```

```pycon
>>> from adder import add
>>> add(1, 2)
3
```
"""


def read_or_refused(text: str) -> Spec | str:
    try:
        return spec_of(text.encode("utf-8", "surrogatepass"))
    except SpecError as refused:
        return str(refused)


def spec_of(text: str | bytes) -> Spec:
    return read_spec("-", io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def test_a_whole_spec(tmp_path: Path) -> None:
    (tmp_path / "spec.md").write_text(SPEC, encoding="utf-8")
    spec = read_spec(str(tmp_path))
    assert spec == read_spec(str(tmp_path / "spec.md")) == spec_of(SPEC)
    assert spec.title == "Adder"
    assert spec.settings == {
        "title": "Adder",
        "packages": ["rich", "attrs>=23"],
        "entry": "python -m adder --help",
    }
    assert "packages" not in spec.text
    assert [(e.id, e.kind, e.line) for e in spec.examples] == [("E1", "shell", 11), ("E2", "python", 18)]
    assert spec.examples[0].steps == (Step("python -m adder 1 2", "3\n"), Step("python -m adder x", exit=2))
    assert spec.text.split("\n")[10] == SPEC.split("\n")[10] == "$ python -m adder 1 2"


def test_byte_order_mark_and_line_ends_do_not_matter() -> None:
    windows = b"\xef\xbb\xbf" + SPEC.replace("\n", "\r\n").encode()
    assert spec_of(windows) == spec_of(SPEC)


def test_the_digest_covers_the_front_matter() -> None:
    assert spec_of(SPEC).digest != spec_of(SPEC.replace("Adder", "Other")).digest


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# One\n\n# Two\n", "One"),
        ("Words first.\n\n## Then *this* ##\n", "Then *this*"),
        ("Underlined\n==========\n", "Underlined"),
        ("```\n# no heading\n```\n# Heading\n", "Heading"),
        ("\n\nJust a line.\nAnd another.\n", "Just a line."),
        ("#hashtag\n", "#hashtag"),
        ("---\ntitle: 2048\n---\n# Game\n", "2048"),
        ("---\ntitle:\n---\n# Game\n", "Game"),
        ("---\n# nothing but a comment\n---\nBody.\n", "Body."),
    ],
)
def test_title(text: str, title: str) -> None:
    assert spec_of(text).title == title


BLOCKS = {
    "console": ("```console\n$ a\nb\n```", ["a"]),
    "sh": ("```sh\n$ a\n```", ["a"]),
    "bash": ("``` bash\n$ a\n```", ["a"]),
    "shell-session": ("```shell-session\n$ a\n```", ["a"]),
    "capitals": ("```Console\n$ a\n```", ["a"]),
    "attributes": ("```{.console}\n$ a\n```", ["a"]),
    "tildes": ("~~~shell\n$ a\n```\n~~~", ["a"]),
    "longer fence": ("````console\n$ a\n```\n````", ["a"]),
    "no label, shell": ("```\n$ a\nb\n```", ["a"]),
    "no label, doctest": ("```\n>>> a\n1\n```", ["a"]),
    "python": ("```python\n>>> a\n1\n```", ["a"]),
    "doctest": ("```doctest\n>>> a\n1\n```", ["a"]),
    "never closed": ("```console\n$ a\nb\n", ["a"]),
    "in a list": ("1. First\n\n   ```console\n   $ a\n   b\n   ```", ["a"]),
    "a script": ("```sh\nmake install\n```", []),
    "python source": ('```python\ndef f():\n    """F.\n\n    >>> f()\n    1\n    """\n```', []),
    "another language": ("```json\n$ a\n```", []),
    "a price": ("It costs $ 5.", []),
    "back-ticks in a line": ("```$ a``` is said in words", []),
    "merge conflict": ("```\n<<<<<<< a\n=======\n>>>>>>> b\n```", []),
    "indented doctest": ("Like so:\n\n    >>> a\n    1\n\n    >>> b\n    2\n\nDone.", ["a", "b"]),
    "doctest at the margin": (">>> a = 1\n>>> a\n1\n\nDone.", ["a = 1", "a"]),
    "quotation of a quotation": (">>> he said so\n>> really?\n> yes\n", []),
    "indented session": ("Like so:\n\n    $ a\n    b\n\nDone.", ["a"]),
    "indented with a tab": ("Like so:\n\n\t$ a\n\tb\n\nDone.", ["a"]),
    "ended by less indentation": ("    $ a\n    b\nDone.", ["a"]),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_which_blocks_are_examples(name: str) -> None:
    text, runs = BLOCKS[name]
    spec = spec_of(f"# T\n\n{text}\n")
    assert [step.run for example in spec.examples for step in example.steps] == runs
    assert "Done." not in "".join(step.expect for example in spec.examples for step in example.steps)
    lines = spec.text.split("\n")
    assert all(example.steps[0].run in lines[example.line - 1] for example in spec.examples)


PAIR = "```input\n3\n4\n```\n```output\n7\n```\n"
SUM = Step("python -m tally --sum", "7\n", stdin="3\n4\n")
TALLY = Step("python -m tally", "7\n", stdin="3\n4\n")
ENTRY = "---\nentry: python -m tally\n---\n"
EXCHANGES: dict[str, tuple[str, list[Step], list[int]]] = {
    # name: (specification, its examples' only steps, lines of pairs without a command)
    "after the label": (PAIR.replace("input", "input python -m tally --sum"), [SUM], []),
    "after the label, with a prompt": (PAIR.replace("input", "input $ python -m tally --sum"), [SUM], []),
    "other labels": (PAIR.replace("input", "STDIN python -m tally --sum").replace("output", "stdout"), [SUM], []),
    "tildes": ("~~~ input python -m tally --sum\n3\n4\n~~~\n~~~output\n7\n~~~\n", [SUM], []),
    "in a list": ("- One:\n\n" + re.sub("(?m)^", "  ", PAIR.replace("input", "input python -m tally --sum")), [SUM], []),
    "one short line between": (PAIR.replace("```\n```output", "```\n\n**Gives:**\n\n```output"), [], [1]),
    "a long line between": (f"{ENTRY}{PAIR.replace('```output', 'x' * 61 + chr(10) + '```output')}", [], []),
    "two lines between": (f"{ENTRY}{PAIR.replace('```output', 'and' + chr(10) + 'so' + chr(10) + '```output')}", [], []),
    "another block between": (f"{ENTRY}{PAIR.replace('```output', '```sh' + chr(10) + '```' + chr(10) + '```output')}", [], []),
    "no output": (f"{ENTRY}```input\n3\n```\n", [], []),
    "never closed": (f"{ENTRY}```input\n3\n4\n```\n```output\n7\n", [TALLY], []),
    "output first": (f"{ENTRY}```output\n7\n```\n```input\n3\n4\n```\n", [], []),
    "nobody names a command": (f"# T\n\n{PAIR}\n{PAIR}", [], [3, 11]),
    "entry": (f"{ENTRY}# T\n\n{PAIR}", [TALLY], []),
    "entry that asks for help": (f"---\nentry: python -m tally --help\n---\n{PAIR}", [], [4]),
    "entry that is no plain command": (f"---\nentry: cd a && python -m tally\n---\n{PAIR}", [], [4]),
    "attributes are no command": (f"{ENTRY}{PAIR.replace('input', 'input title=x')}", [TALLY], []),
    "braces are no command": (f"{ENTRY}{PAIR.replace('input', '{.input .numberLines}')}", [TALLY], []),
    "lines to mark are no command": (f"{ENTRY}{PAIR.replace('input', 'input {1,2}')}", [TALLY], []),
    "words of running": (f"Running `python -m tally --sum` on:\n\n{PAIR}", [SUM], []),
    "words over lines": (f"If one runs\n`python -m tally\n--sum` with these\nnumbers:\n{PAIR}", [SUM], []),
    "words in bold": (f"**The command `$ python -m tally --sum`:**\n{PAIR}", [SUM], []),
    "python needs no word": (f"For `python -m tally --sum` and this:\n{PAIR}", [SUM], []),
    "words between": (PAIR.replace("```output", "`python -m tally --sum` prints:\n```output"), [SUM], []),
    "words between come first": (
        f"{ENTRY}Running `nothing` on:\n{PAIR.replace('```output', 'running `python -m tally --sum`:' + chr(10) + '```output')}",
        [SUM],
        [],
    ),
    "words before entry": (f"{ENTRY}Running `python -m tally --sum` on:\n{PAIR}", [SUM], []),
    "the entry's program needs no word": (
        f"---\nentry: ./tally\n---\nWith `./tally -s` and\nthis:\n{PAIR}",
        [Step("./tally -s", "7\n", stdin="3\n4\n")],
        [],
    ),
    "label before words": (f"Running `a` on:\n{PAIR.replace('input', 'input python -m tally --sum')}", [SUM], []),
    "a file is no command": (f"Given the file `data.txt`:\n{PAIR}", [], [2]),
    "a file called run": (f"Given the file `run.txt`:\n{PAIR}", [], [2]),
    "running in another sentence": (f"It runs fast. Given the file `data.txt`:\n{PAIR}", [], [2]),
    "no colon": (f"Running `python -m tally --sum` is fun.\n{PAIR}", [], [2]),
    "odd back-ticks": (f"Running python -m tally` on:\n{PAIR}", [], [2]),
    "a pipe in words": (f"{ENTRY}Running `sort | uniq` on:\n{PAIR}", [], [5]),
    "words hold on": (f"Running `python -m tally --sum` on:\n{PAIR}and on:\n{PAIR}", [SUM, SUM], []),
    "the last words hold": (f"Running `a` on:\n{PAIR}Running `b` on:\n{PAIR}".replace("`b`", "`python -m tally --sum`"),
                            [Step("a", "7\n", stdin="3\n4\n"), SUM], []),
    "until a heading": (f"Running `python -m tally --sum` on:\n{PAIR}# Next\n{PAIR}", [SUM], [10]),
    "a heading right behind the words": (f"Running `python -m tally --sum` on:\n# Next\n{PAIR}", [], [3]),
    "until an underlined heading": (f"Running `python -m tally --sum` on:\n{PAIR}Next\n----\n{PAIR}", [SUM], [11]),
    "until a longer paragraph": (f"Running `python -m tally --sum` on:\n{PAIR}{'long ' * 13}\n{PAIR}", [SUM], [10]),
    "exit status": (
        "```input python -m tally\nx\n```\n```output exit 2\n```\n",
        [Step("python -m tally", exit=2, stdin="x\n")],
        [],
    ),
    "exit status as in sessions": (
        "```input python -m tally\nx\n```\n```output\nwhat?\n# exit 2\n```\n",
        [Step("python -m tally", "what?\n", exit=2, stdin="x\n")],
        [],
    ),
    "the label's exit status outranks": (
        "```input python -m tally\nx\n```\n```output exit 3\n# exit 2\n```\n",
        [Step("python -m tally", exit=3, stdin="x\n")],
        [],
    ),
    "empty lines of the input count": (
        "```input python -m tally\n\n a \n\n```\n```output\n\n a\n\n```\n",
        [Step("python -m tally", "\n a\n", stdin="\n a \n\n")],
        [],
    ),
    "empty input": ("```input python -m tally\n```\n```output\n0\n```\n", [Step("python -m tally", "0\n")], []),
    "prompts in the input": (
        "```input python -m tally\n$ a\n> b\n>>> c\nSTDIN\n```\n```output\n> b\n```\n",
        [Step("python -m tally", "> b\n", stdin="$ a\n> b\n>>> c\nSTDIN\n")],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXCHANGES)
def test_input_followed_by_output(name: str) -> None:
    text, steps, unbound = EXCHANGES[name]
    spec = spec_of(text)
    assert [example.steps for example in spec.examples] == [(step,) for step in steps]
    assert unbound_examples(spec) == tuple(unbound)
    lines = spec.text.split("\n")
    for line in (*unbound, *(example.line for example in spec.examples)):
        assert re.match(r" *(```|~~~) ?(\{\.)?(input|stdin)", lines[line - 1], re.IGNORECASE)
    for example in spec.examples:
        assert parse_block(render(example), example.id, example.line) == example, "models are shown it as a session"


def test_all_forms_are_numbered_in_the_order_of_the_text() -> None:
    session = "```console\n$ a\n```\n"
    spec = spec_of(f"{ENTRY}{session}{PAIR}{session}{PAIR}")
    assert [(e.id, e.line, e.steps[0].run) for e in spec.examples] == [
        ("E1", 5, "a"),
        ("E2", 7, "python -m tally"),
        ("E3", 15, "a"),
        ("E4", 17, "python -m tally"),
    ]


REFUSED = {
    "empty": (b"", "is empty;"),
    "white space": (b" \n\t\n", "is empty;"),
    "byte order mark only": (b"\xef\xbb\xbf", "is empty;"),
    "front matter only": (b"---\ntitle: x\n---\n\n", "empty but for its front matter"),
    "NUL": (b"# a\0b", "binary"),
    "not UTF-8": (b"# caf\xe9", "not UTF-8 text (byte 5)"),
    "UTF-16": ("# a".encode("utf-16"), "not UTF-8"),
    "large": (b"a" * (MAX_BYTES + 1), "larger than 1 MiB"),
    "unclosed front matter": (b"---\ntitle: x\n# A\n", "never closed"),
    "unknown key": (b"---\ntitel: x\n---\nA\n", "unknown key 'titel'; did you mean 'title'?"),
    "unknown key, far": (b"---\nzzz: x\n---\nA\n", "known keys are title, language, packages, entry, output"),
    "not YAML": (b"---\ntitle: [x\n---\nA\n", "not YAML in line"),
    "control character": (b"---\ntitle: \x1b\n---\nA\n", "not YAML"),
    "not a mapping": (b"---\n- x\n---\nA\n", "'key: value' lines"),
    "deep": (b"---\ntitle: " + b"[" * 20_000 + b"\n---\nA\n", "not YAML"),
    "packages": (b"---\npackages: rich\n---\nA\n", "'packages' in the front matter must be a list of package names"),
    "title": (b"---\ntitle: [a, b]\n---\nA\n", "'title' in the front matter must be text, not ['a', 'b']"),
    "example": (b"# A\n\n```console\n$ echo it's\n```\n", "line 4: the example cannot be read"),
    "pair, pipe": (b"```input a | b\n```\n```output\n```\n", "line 1: the example cannot be read: 'a | b' is not one"),
    "pair, quote": (b"```input it's\n```\n```output\n```\n", '"it\'s" is not one plain command'),
    "pair, comment": (b"```input a # exit 2\n```\n```output\n```\n", "is not one plain command"),
    "pair, prompt": (b"```input a\n```\n```output\n$ 5\n```\n", "'$ 5' reads like a shell prompt; write '...'"),
    "pair, status": (b"```input a\n```\n```output exit 256\n```\n", "'exit 256' is no exit status"),
    "pair, no status": (b"```input a\n```\n```output exit two\n```\n", "'exit two' is no exit status"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_in_one_sentence(name: str) -> None:
    data, said = REFUSED[name]
    with pytest.raises(SpecError) as refused:
        spec_of(data)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("the specification on standard input")


def test_paths_that_hold_no_spec(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "nested" / "spec.md").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, said in [
        ("missing.md", "there is no file"),
        ("folder", "is a directory without a spec.md"),
        ("nested", "is a directory; name the specification file"),
        ("link", "there is no file"),
        ("a\0b", "cannot be read"),
        ("x" * 5000, "cannot be read"),
    ]:
        with pytest.raises(SpecError, match=re.escape(said)):
            read_spec(str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "spec.md"
    path.write_text("# A\n")
    path.chmod(0)
    with pytest.raises(SpecError, match="Permission denied"):
        read_spec(str(path))


def test_an_endless_file_is_refused_after_one_mebibyte() -> None:
    with pytest.raises(SpecError, match="larger than 1 MiB"):
        read_spec("/dev/zero")


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    spec = read_or_refused(text)
    said = spec if isinstance(spec, str) else spec.title
    assert said
    assert "\n" not in said


_PIECES = (
    "# T\n",
    "```input\n",
    "```input python -m a\n",
    "~~~ stdin a 'b\n",
    "  ```input\n",
    "```output exit 3\n",
    "```output\n",
    "```console\n",
    "```\n",
    "~~~\n",
    "````\n",
    "$ a <<'STDIN'\n",
    "    $ b\n",
    ">>> 1\n",
    "STDIN\n",
    "\n",
    "words\n",
    "Running `python -m a in` on:\n",
    "`b`:\n",
    "Run `c | d` on:\n",
    "# exit 2\n",
    "> x\n",
    "$ 5\n",
)
_pieces = st.lists(st.sampled_from(_PIECES) | st.text(max_size=5), max_size=5).map("".join)
_pairs = st.tuples(
    st.sampled_from(["```input", "```input python -m a", "```stdin a 'b", "   ```input", "~~~input x=y"]),
    _pieces,
    st.sampled_from(
        ["```", "~~~", "```\n", "```\nGives:", "```\n`python b` gives:", "```\n\n# Then\n", "```\n```sh\n```"]
    ),
    st.sampled_from(["```output", "```output exit 3", "```stdout", "~~~output exit x"]),
    _pieces,
    st.sampled_from(["```", "~~~", ""]),
).map(lambda parts: "".join(f"{part}\n" for part in parts))
pieces = st.lists(_pieces | _pairs, min_size=1, max_size=5).map("".join)


@given(pieces, st.sampled_from(["", ENTRY, "---\nentry: ./a\n---\n"]))
def test_any_mixture_of_blocks_is_read_or_refused_and_lines_are_right(text: str, front: str) -> None:
    spec = read_or_refused(front + text)
    if isinstance(spec, str):
        assert "\n" not in spec
        return
    lines = spec.text.split("\n")
    fences = [example.line for example in spec.examples if re.match(r"\s*(```|~~~)", lines[example.line - 1])]
    unbound = unbound_examples(spec)
    assert [example.id for example in spec.examples] == [f"E{n + 1}" for n in range(len(spec.examples))]
    assert [e.line for e in spec.examples] == sorted({e.line for e in spec.examples})
    assert not set(fences) & set(unbound)
    assert all(re.match(r"\s*(```+|~~~+)[ \t]*(input|stdin)", lines[line - 1]) for line in (*fences, *unbound))
    for example in spec.examples:
        assert parse_block(render(example), example.id, example.line) == example
        assert example.line in fences or re.match(r"\s*(\$ |>>>)", lines[example.line - 1])


stream = st.lists(st.text(alphabet="ab $>#.'\"\\\t<E|é", max_size=8), max_size=5)


@given(stream, stream, st.integers(0, 255), st.integers(0, 5))
@tried(["STDIN", "STDIN_"], ["# exit 4"], 0, 0)
def test_what_a_pair_holds_is_the_example(given: list[str], printed: list[str], status: int, above: int) -> None:
    blocks = ["~~~input python -m a", *given, "~~~", f"~~~output exit {status}", *printed, "~~~", ""]
    spec = read_or_refused("\n".join([*(["words"] * above), *blocks]))
    if isinstance(spec, str):
        assert "reads like a shell prompt" in spec
        assert any(line.startswith("$") for line in printed)
        return
    (example,) = spec.examples
    (step,) = example.steps
    assert (example.line, step.run, step.exit) == (above + 1, "python -m a", status)
    assert step.stdin == "".join(f"{line}\n" for line in given)
    assert "".join(f"{line}\n" for line in printed).startswith(step.expect)


SESSION = "```console\n$ a\n1\n```\n"


def test_examples_of_feedback_are_numbered_on_their_own() -> None:
    spec = with_feedback(
        spec_of(f"{ENTRY}# T\n\n{SESSION}"), [f"{SESSION}\n{SESSION}\n{PAIR}", "No example.\n", f"Again:\n\n{SESSION}"]
    )
    assert [example.id for example in spec.examples] == ["E1", "F1", "F2", "F3", "F4"]
    lines = spec.text.split("\n")
    assert [lines[example.line - 1] for example in spec.examples] == ["$ a", "$ a", "$ a", "```input", "$ a"]
    assert len({example.line for example in spec.examples}) == 5
    assert spec.examples[3].steps == (TALLY,)
    assert unbound_examples(spec) == ()


def test_an_example_of_feedback_that_cannot_be_read_is_text() -> None:
    spec = with_feedback(spec_of("# T\n"), ["```console\n$ echo it's\n```\n", f"{PAIR}", SESSION])
    assert [(example.id, example.steps) for example in spec.examples] == [("F1", (Step("a", "1\n"),))]
    assert [spec.text.split("\n")[line - 1] for line in unbound_examples(spec)] == ["```input"]


@given(pieces, st.lists(pieces, min_size=1, max_size=3))
@tried("# T\n```console\n", ["````\n```\n", SESSION])
def test_feedback_keeps_lines_right_and_swallows_nothing(text: str, feedback: list[str]) -> None:
    own = read_or_refused(text)
    if isinstance(own, str):
        return
    spec = with_feedback(own, [*feedback, PAIR])
    lines = spec.text.split("\n")
    assert spec.examples[: len(own.examples)] == own.examples
    said = spec.examples[len(own.examples) :]
    assert [example.id for example in said] == [f"F{n + 1}" for n in range(len(said))]
    for example in said:
        assert re.match(r"\s*(\$ |>>>|(```+|~~~+)[ \t]*(input|stdin))", lines[example.line - 1])
    assert unbound_examples(spec)[-1] == len(lines) - PAIR.count("\n"), "nothing that came before swallows it"


QUOTED = spec_of("""\
---
title: T
---
# Adder

- It **adds** two `int` numbers,
  and prints "the sum".
- [ ] An error goes to *stderr* — with exit status 2…

| flag | does |
|---|---|
| -v   | prints more |
""")


@pytest.mark.parametrize(
    ("quote", "line"),
    [
        ("It **adds** two `int` numbers,", 6),
        ("adds two int numbers", 6),
        ("- It adds two int\nnumbers, and prints the sum.", 6),
        ("numbers, and prints “the sum”", 6),
        ("prints 'the sum'", 7),
        ("IT ADDS", 6),
        ("an error goes to stderr - with exit status 2", 8),
        ("-v prints more", 12),
        ("Adder.", 4),
    ],
)
def test_quotes_are_found(quote: str, line: int) -> None:
    requirement = Requirement("R1", "It works.", quote)
    located, problems = locate_quotes(QUOTED, [requirement])
    assert problems == ()
    assert located == (Requirement("R1", "It works.", quote, line),)


def test_quotes_that_are_not_there_are_named() -> None:
    asked = [
        Requirement("R1", "a", "adds three numbers"),
        Requirement("R2", "b", " ** "),
        Requirement("R3", "c", "the sum", 99),
        Requirement("R4", "d", "title: T", 3),
    ]
    located, problems = locate_quotes(QUOTED, asked)
    assert [r.line for r in located] == [0, 0, 7, 0]
    assert [problem.split()[0] for problem in problems] == ["R1", "R2", "R4"]
    assert "'adds three numbers'" in problems[0]


lines = st.text(alphabet="abc de*_`-.'\"ßé12", min_size=1, max_size=30)


@given(st.lists(lines, min_size=1, max_size=6), st.data())
def test_any_line_of_a_spec_can_be_quoted(content: list[str], data: st.DataObject) -> None:
    text = "\n".join(content)
    spec = Spec("t", text, "d")
    quote = data.draw(st.sampled_from(content))
    (located,), problems = locate_quotes(spec, [Requirement("R1", "x", quote)])
    assert (located.line == 0) == bool(problems)
    if problems:
        assert "quotes nothing" in problems[0]
    else:
        assert located.line <= content.index(quote) + 1
