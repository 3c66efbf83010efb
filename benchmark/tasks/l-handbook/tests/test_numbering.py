"""Numbers, ids and references."""

import fascicle


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


def test_sections_and_figures_are_numbered(tmp_path):
    text = "= A\n!figure f: F\n== B\n=== C\n=== D\n!figure g: G\n== E\n=== F2\n"
    assert page(tmp_path, "b", a="= First\n!figure x: X\n== S\n", b=text) == [
        '<h1 id="a">2 A</h1>',
        '<figure id="f">Figure 2-1: F</figure>',
        '<h2 id="b">2.1 B</h2>',
        '<h3 id="c">2.1.1 C</h3>',
        '<h3 id="d">2.1.2 D</h3>',
        '<figure id="g">Figure 2-2: G</figure>',
        '<h2 id="e">2.2 E</h2>',
        '<h3 id="f2">2.2.1 F2</h3>',
    ]


def ids(folder, name, **chapters):
    return [line.split('"')[1] for line in page(folder, name, **chapters) if ' id="' in line]


def test_automatic_ids(tmp_path):
    titles = ["  The Big -- Picture!  ", "2 Big", "Größe", "???", "über_all", "ÀÉ"]
    text = "= A\n" + "".join(f"== {title}\n" for title in titles)
    assert ids(tmp_path, "a", a=text) == ["a", "the-big-picture", "2-big", "gr-e", "section", "ber-all", "section-2"]


def test_automatic_ids_dodge_each_other_in_the_order_of_the_book(tmp_path):
    book = {"a": "= Use\n== Use\n== Use 2\n", "b": "= Use\n== Use\n"}
    assert ids(tmp_path, "a", **book) == ["use", "use-2", "use-2-2"]
    assert ids(tmp_path, "b", **book) == ["use-3", "use-4"]


def test_explicit_ids_come_first_even_when_they_come_later(tmp_path):
    book = {"a": "= Use\n== Use\n", "b": "= B {use}\n!figure use-2: X\n"}
    assert ids(tmp_path, "a", **book) == ["use-3", "use-4"]
    assert ids(tmp_path, "b", **book) == ["use", "use-2"]


def test_duplicate_ids(tmp_path):
    a = "= A {x}\n== B {y}\n!figure x: F\n"
    assert problems(tmp_path, a=a, b="= C {y}\n== A\n") == [
        ("a.txt", 3, 1, "duplicate-id"),
        ("b.txt", 1, 1, "duplicate-id"),
    ]


def test_references_reach_forward_and_into_other_chapters(tmp_path):
    a = "= A\n\n@{s} @{deep} @{fig} @{b} @{other} @{pic|that}\n== S\n=== Deep\n!figure fig: F\n"
    b = "= B\n== Other\n!figure pic: P\n\n@{a} @{fig} @{other}\n"
    assert page(tmp_path, "a", a=a, b=b)[1] == (
        '<p><a href="#s">Section 1.1</a> <a href="#deep">Section 1.1.1</a> <a href="#fig">Figure 1-1</a> <a href="b.html#b">Chapter 2</a>'
        ' <a href="b.html#other">Section 2.1</a> <a href="b.html#pic">that</a></p>'
    )
    assert (
        page(tmp_path, "b", a=a, b=b)[-1]
        == '<p><a href="a.html#a">Chapter 1</a> <a href="a.html#fig">Figure 1-1</a> <a href="#other">Section 2.1</a></p>'
    )


def test_unknown_references(tmp_path):
    text = "= A\n\n@{a} @{b} @{} @{A} @{a |x}\n"
    assert problems(tmp_path, a=text) == [("a.txt", 3, column, "unknown-ref") for column in (6, 11, 15, 20)]


def test_the_number_follows_the_order_of_the_book(tmp_path):
    source = write(tmp_path / "book", zebra="= Z\n", apple="= A\n\n@{z}\n")
    fascicle.build(source, tmp_path / "site")
    assert '<a href="zebra.html#z">Chapter 1</a>' in (tmp_path / "site" / "apple.html").read_text()
