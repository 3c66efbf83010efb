"""The pages, the contents, the index, and what is left in the folder."""

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


def whole(folder, name):
    return (folder / "site" / name).read_text(encoding="utf-8")


def test_a_page(tmp_path):
    page(tmp_path, "two", one="= One & only\n", two="= Two\n\nText\n", three="= Three\n")
    lines = whole(tmp_path, "two.html").splitlines()
    assert lines[:3] == ["<!DOCTYPE html>", '<meta charset="utf-8">', "<title>2 Two</title>"]
    assert (
        lines[3]
        == '<nav><a href="one.html">1 One &amp; only</a> | <a href="contents.html">Contents</a> | <a href="three.html">3 Three</a></nav>'
    )
    assert whole(tmp_path, "one.html").splitlines()[2] == "<title>1 One &amp; only</title>"
    assert (
        whole(tmp_path, "one.html").splitlines()[3]
        == '<nav><a href="contents.html">Contents</a> | <a href="two.html">2 Two</a></nav>'
    )
    assert whole(tmp_path, "three.html").endswith(
        '<a href="contents.html">Contents</a></nav>\n<h1 id="three">3 Three</h1>\n'
    )


def test_contents(tmp_path):
    page(tmp_path, a="= A <1>\n== B\n=== C\n", d="= D\n")
    assert whole(tmp_path, "contents.html") == (
        '<!DOCTYPE html>\n<meta charset="utf-8">\n<title>Contents</title>\n<ul>\n'
        '<li class="level-1"><a href="a.html#a-1">1 A &lt;1&gt;</a></li>\n'
        '<li class="level-2"><a href="a.html#b">1.1 B</a></li>\n'
        '<li class="level-3"><a href="a.html#c">1.1.1 C</a></li>\n'
        '<li class="level-1"><a href="d.html#d">2 D</a></li>\n'
        "</ul>\n"
    )


def index(folder, **chapters):
    page(folder, next(iter(chapters)), **chapters)
    lines = whole(folder, "index.html").splitlines()
    assert lines[:4] == ["<!DOCTYPE html>", '<meta charset="utf-8">', "<title>Index</title>", "<ul>"]
    assert lines[-1] == "</ul>"
    return lines[4:-1]


def test_index_entries_are_sorted_and_name_each_section_once(tmp_path):
    a = "= A\n\n!{log} !{Apple}\n== B\n\n!{zoo} *!{log}* !{log}\n- !{éa}\n"
    assert index(tmp_path, a=a, c="= C\n\n!{apple pie} !{log}\n") == [
        '<li>Apple: <a href="a.html#a">1</a></li>',
        '<li>apple pie: <a href="c.html#c">2</a></li>',
        '<li>log: <a href="a.html#a">1</a>, <a href="a.html#b">1.1</a>, <a href="c.html#c">2</a></li>',
        '<li>zoo: <a href="a.html#b">1.1</a></li>',
        '<li>éa: <a href="a.html#b">1.1</a></li>',
    ]


def test_terms_that_differ_in_case_or_white_space_are_one(tmp_path):
    assert index(tmp_path, a="= A\n\n!{Straße  &\ndamm} !{STRASSE & damm}\n") == [
        '<li>Straße &amp; damm: <a href="a.html#a">1</a></li>'
    ]


def test_a_term_in_a_footnote_belongs_where_the_footnote_is_written(tmp_path):
    assert index(tmp_path, a="= A\n\nx^{n}\n== B\n\n^n: !{t}\n== C\n") == ['<li>t: <a href="a.html#b">1.1</a></li>']


def test_a_term_below_a_subsection_belongs_to_the_subsection(tmp_path):
    assert index(tmp_path, a="= A\n== B\n=== C\n- !{t}\n== D\n") == ['<li>t: <a href="a.html#c">1.1.1</a></li>']


def test_no_terms_no_entries(tmp_path):
    assert index(tmp_path, a="= A\n") == []


def names(folder):
    return sorted(path.name for path in (folder / "site").iterdir())


def test_the_list_of_pages(tmp_path):
    page(tmp_path, "b", b="= B\n", a="= A\n")
    assert whole(tmp_path, "fascicle.list") == "a.html\nb.html\ncontents.html\nindex.html\n"


def test_pages_of_an_earlier_build_are_removed_and_others_left_alone(tmp_path):
    page(tmp_path, a="= A\n", b="= B\n")
    for name in ("own.html", "c.html"):
        (tmp_path / "site" / name).write_text("mine")
    page(tmp_path, a="= A\n")
    assert names(tmp_path) == ["a.html", "c.html", "contents.html", "fascicle.list", "index.html", "own.html"]


def test_what_does_not_change_is_not_written_again(tmp_path):
    page(tmp_path, a="= A\n", b="= B\n")
    site = tmp_path / "site"
    for path in site.iterdir():
        path.chmod(0o444)
    before = {path.name: path.stat().st_mtime_ns for path in site.iterdir()}
    page(tmp_path, a="= A\n", b="= B\n")
    assert {path.name: path.stat().st_mtime_ns for path in site.iterdir()} == before


@pytest.mark.parametrize("bad", ["= A\n\n@{x}\n", "A\n"])
def test_with_problems_nothing_is_written_and_nothing_removed(tmp_path, bad):
    page(tmp_path, a="= A\n", b="= B\n")
    before = {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()}
    assert [p.file for p in fascicle.build(write(tmp_path / "book", a=bad), tmp_path / "site")] == ["a.txt"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()} == before
    fascicle.build(tmp_path / "book", tmp_path / "new")
    assert not (tmp_path / "new").exists()
