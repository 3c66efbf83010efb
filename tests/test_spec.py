"""Reading ``spec.md``: what is taken from it, what is refused and in which words, and where quotes stand."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.spec import MAX_BYTES, locate_quotes, read_spec
from graphs.errors import SpecError
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
    said = ""
    try:
        said = spec_of(text.encode("utf-8", "surrogatepass")).title
    except SpecError as refused:
        said = str(refused)
    assert said
    assert "\n" not in said


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
