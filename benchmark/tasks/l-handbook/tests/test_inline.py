"""Markup inside of paragraphs."""

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


@pytest.mark.parametrize(
    ("written", "html"),
    [
        ("a *b* _c_ `d`", "a <strong>b</strong> <em>c</em> <code>d</code>"),
        ("*a _b_ c*", "<strong>a <em>b</em> c</strong>"),
        ("_a *b* `*`_", "<em>a <strong>b</strong> <code>*</code></em>"),
        ("snake_case_name", "snake<em>case</em>name"),
        ("`a\\` b", "<code>a\\</code> b"),
        ("\\*a\\* \\_ \\` \\\\ \\@{a} \\!{b}", "*a* _ ` \\ @{a} !{b}"),
        ("\\a \\ b \\é", "\\a \\ b \\é"),
        ("`@{x} !{y} ^{z} *`", "<code>@{x} !{y} ^{z} *</code>"),
        ("<b> & \"x\" 'y'", "&lt;b&gt; &amp; \"x\" 'y'"),
        ("`a<b&`", "<code>a&lt;b&amp;</code>"),
        ("a @ b ! c ^ d {e} f} ", "a @ b ! c ^ d {e} f}"),
        ("the !{*big* <Term>} here", "the *big* &lt;Term&gt; here"),
        ("*one\n  two* `x\n y`", "<strong>one two</strong> <code>x y</code>"),
        (
            "see @{a}, @{a|*x* & y} and *@{a}*",
            'see <a href="#a">Chapter 1</a>, <a href="#a">*x* &amp; y</a> and <strong><a href="#a">Chapter 1</a></strong>',
        ),
        ("@{a|two\nlines}", '<a href="#a">two lines</a>'),
    ],
)
def test_inline(tmp_path, written, html):
    assert page(tmp_path, a=f"= A\n\n{written}\n")[1:] == [f"<p>{html}</p>"]


def test_items_and_footnotes_have_markup_too(tmp_path):
    found = page(tmp_path, a="= A\n- *x*^{n}\n^n: see `y` and @{a}\n")
    assert found[2] == '<li><strong>x</strong><sup><a href="#note:1">1</a></sup></li>'
    assert found[5] == '<li id="note:1">see <code>y</code> and <a href="#a">Chapter 1</a></li>'


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a *b", 3),
        ("a _b", 3),
        ("a `b", 3),
        ("a @{b", 3),
        ("a !{b", 3),
        ("a ^{b", 3),
        ("*a _b*", 4),
        ("é😀 *b", 4),
        ("\\** x", 3),
    ],
)
def test_what_is_not_closed_is_reported_where_it_opens(tmp_path, text, column):
    assert problems(tmp_path, a=f"= A\n\n{text}\n\nmore * text * ` `\n") == [("a.txt", 3, column, "unclosed")]


def test_the_rest_of_a_text_with_an_open_sign_is_read_all_the_same(tmp_path):
    assert problems(tmp_path, a="= A\n\n*a @{gone} `b ^{gone}\n") == [
        ("a.txt", 3, 1, "unclosed"), ("a.txt", 3, 4, "unknown-ref"), ("a.txt", 3, 12, "unclosed"), ("a.txt", 3, 15, "unknown-note"),
    ]  # fmt: skip


def test_items_and_paragraphs_do_not_close_each_other(tmp_path):
    assert problems(tmp_path, a="= A\n- *a\n- b*\n\n`c\n\nd`\n") == [
        ("a.txt", 2, 3, "unclosed"), ("a.txt", 3, 4, "unclosed"), ("a.txt", 5, 1, "unclosed"), ("a.txt", 7, 2, "unclosed"),
    ]  # fmt: skip


def test_footnotes(tmp_path):
    text = "= A\n\n^z: last\nOne^{b} two^{z} three^{b}.\n\n^b: first\n"
    assert page(tmp_path, a=text)[1:] == [
        '<p>One<sup><a href="#note:1">1</a></sup> two<sup><a href="#note:2">2</a></sup> three<sup><a href="#note:1">1</a></sup>.</p>',
        "<ol>",
        '<li id="note:1">first</li>',
        '<li id="note:2">last</li>',
        "</ol>",
    ]


def test_footnotes_belong_to_their_chapter(tmp_path):
    book = {"a": "= A\n\nx^{n}\n\n^n: of a\n", "b": "= B\n\nx^{m} y^{n}\n\n^n: of b\n^m: m\n"}
    assert page(tmp_path, "b", **book)[-3:-1] == ['<li id="note:1">m</li>', '<li id="note:2">of b</li>']
    assert problems(tmp_path / "2", a=book["a"], b="= B\n\nx^{n}\n") == [("b.txt", 3, 2, "unknown-note")]


def test_footnote_problems(tmp_path):
    text = "= A\n\nx^{a} y^{gone}\n\n^a: in *^{b}* x\n^b: no mark but in a note\n^a: again\n"
    assert problems(tmp_path, a=text) == [
        ("a.txt", 3, 8, "unknown-note"), ("a.txt", 5, 9, "unknown-note"), ("a.txt", 6, 1, "unused-note"), ("a.txt", 7, 1, "duplicate-note"),
    ]  # fmt: skip


def test_a_footnote_id_is_no_reference_and_may_equal_another_id(tmp_path):
    assert problems(tmp_path, a="= A {x}\n\ny^{x} @{n}\n\n^x: note\n") == [("a.txt", 3, 7, "unknown-ref")]
