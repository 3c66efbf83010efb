"""Headings, paragraphs, lists, figures, code."""

import fascicle
import pytest


def write(folder, **chapters):
    """A book of the given chapters, in this order."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "book.txt").write_text("".join(f"{name}.txt\n" for name in chapters), encoding="utf-8")
    for name, text in chapters.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def problems(folder, **chapters):
    return [(p.file, p.line, p.column, p.code) for p in fascicle.check(write(folder, **chapters))]


def page(folder, name="a", **chapters):
    """The lines of a page below its navigation."""
    assert fascicle.build(write(folder / "book", **chapters), folder / "site") == []
    return (folder / "site" / f"{name}.html").read_text(encoding="utf-8").splitlines()[4:]


def test_paragraphs_are_joined_by_blanks(tmp_path):
    text = "= A\n\n  one\ntwo  \n   three\n \t \nfour\n\n\n"
    assert page(tmp_path, a=text) == ['<h1 id="a">1 A</h1>', "<p>one two three</p>", "<p>four</p>"]


def test_blocks_that_begin_directly_below_a_paragraph(tmp_path):
    text = "= A\none\n== B\ntwo\n!figure f: Cap\nthree^{n}\n- item\nfour\n^n: note\nfive\n```\ncode\n```\nsix\n"
    assert page(tmp_path, a=text) == [
        '<h1 id="a">1 A</h1>',
        "<p>one</p>",
        '<h2 id="b">1.1 B</h2>',
        "<p>two</p>",
        '<figure id="f">Figure 1-1: Cap</figure>',
        '<p>three<sup><a href="#note:1">1</a></sup></p>',
        "<ul>",
        "<li>item</li>",
        "</ul>",
        "<p>four</p>",
        "<p>five</p>",
        "<pre>code</pre>",
        "<p>six</p>",
        "<ol>",
        '<li id="note:1">note</li>',
        "</ol>",
    ]


def test_lists(tmp_path):
    text = "= A\n- one\n  goes\n    on\n- two\n\n- three\n  on\nnot any more\n"
    assert page(tmp_path, a=text)[1:] == [
        "<ul>", "<li>one goes on</li>", "<li>two</li>", "</ul>", "<ul>", "<li>three on</li>", "</ul>", "<p>not any more</p>",
    ]  # fmt: skip


def test_code_is_verbatim(tmp_path):
    text = "= A\n```\n  x < *y* \\* @{no}\n\n= no heading\n```\n"
    assert page(tmp_path, a=text)[1:] == ["<pre>  x &lt; *y* \\* @{no}", "", "= no heading</pre>"]


def test_what_only_looks_like_a_block_is_a_paragraph(tmp_path):
    found = page(tmp_path, a="= A\n\n==== four\n\n=x\n\n-x\n\n!figure F: Cap\n\n - y\n")
    assert found[1:] == ["<p>==== four</p>", "<p>=x</p>", "<p>-x</p>", "<p>!figure F: Cap</p>", "<p>- y</p>"]


@pytest.mark.parametrize(
    ("heading", "line"),
    [
        ("== Two {two}", '<h2 id="two">1.1 Two</h2>'),
        ("== Two  {Two}  ", '<h2 id="two-two">1.1 Two  {Two}</h2>'),
        ("== Two {1a}", '<h2 id="two-1a">1.1 Two {1a}</h2>'),
        ("== Two{x}", '<h2 id="two-x">1.1 Two{x}</h2>'),
        ("== *Two* & `x` < \\_", '<h2 id="two-x">1.1 *Two* &amp; `x` &lt; \\_</h2>'),
    ],
)
def test_titles_are_plain_text(tmp_path, heading, line):
    assert page(tmp_path, a=f"= A\n{heading}\n")[1] == line


def test_captions_are_plain_text(tmp_path):
    assert (
        page(tmp_path, a='= A\n!figure f-1: *x* & "y": z\n')[1]
        == '<figure id="f-1">Figure 1-1: *x* &amp; "y": z</figure>'
    )


def test_title_problems(tmp_path):
    assert problems(tmp_path, a="") == [("a.txt", 1, 1, "title")]
    assert problems(tmp_path, a="\n\nText\n= A\n") == [("a.txt", 3, 1, "title"), ("a.txt", 4, 1, "title")]
    assert problems(tmp_path, a="\n== A\n") == [("a.txt", 2, 1, "title")]
    assert problems(tmp_path, a="= A\n\n== B\n= C\n") == [("a.txt", 4, 1, "title")]


def test_level_problems(tmp_path):
    text = "= A\n=== B\n=== C\n== D\n=== E\n"
    assert problems(tmp_path, a=text, b="= B\n=== C\n") == [
        ("a.txt", 2, 1, "level"),
        ("a.txt", 3, 1, "level"),
        ("b.txt", 2, 1, "level"),
    ]


def test_code_that_is_not_closed(tmp_path):
    assert problems(tmp_path, a="= A\n```\nx\n```\n\n```\n@{x}\n") == [("a.txt", 6, 1, "unclosed")]
