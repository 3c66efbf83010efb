"""What must hold between blocks, inline markup, numbers and pages."""

import random
import re

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


def test_places_count_in_the_file_as_it_is(tmp_path):
    """Joined lines, stripped blanks, items, footnotes and code before the place do not shift it."""
    text = (
        "\n\n= Ä title {a}\n```\n* _ `\n```\n  first\n\t second @{x1}\n   é \\* @{x2} and @{a|long\n text} @{x3}\n"
        "-   item\n     on *and @{x4}*\n^n:   note `@{x}` @{x5}\nnext^{n}\n  end _\n"
    )
    lines = text.split("\n")
    expected = []
    for number, line in enumerate(lines, start=1):
        expected += [("a.txt", number, match.start() + 1, "unknown-ref") for match in re.finditer(r"@\{x\d\}", line)]
    expected.append(("a.txt", 15, 7, "unclosed"))
    assert len(expected) == 6
    assert problems(tmp_path, a=text) == expected


def test_problems_of_all_kinds_are_found_at_once_and_sorted(tmp_path):
    a = "== S\n\n@{q} ^{n} *\n\n=== T {x}\n\n^m: unused\n"
    b = "= B {x}\n=== D\n\n^m: @{r}^{m}\n\n^{m} @{zz}\n```\n"
    assert problems(tmp_path, b=b, a=a) == [
        ("b.txt", 2, 1, "level"),
        ("b.txt", 4, 5, "unknown-ref"),
        ("b.txt", 4, 9, "unknown-note"),
        ("b.txt", 6, 6, "unknown-ref"),
        ("b.txt", 7, 1, "unclosed"),
        ("a.txt", 1, 1, "title"),
        ("a.txt", 3, 1, "unknown-ref"),
        ("a.txt", 3, 6, "unknown-note"),
        ("a.txt", 3, 11, "unclosed"),
        ("a.txt", 5, 1, "duplicate-id"),
        ("a.txt", 7, 1, "unused-note"),
    ]


WORDS = ["log", "Use", "big & small", "_it_", "*now*", "`x<y`", "!{Term}", "!{other term}", "\\*"]


def random_chapter(dice, number, ids):
    lines = [f"= {dice.choice(['Use', 'Log it', '?'])}"]
    section = False
    for index in range(dice.randrange(2, 9)):
        kind = dice.randrange(6)
        if kind == 0:
            lines.append(f"== {dice.choice(['Use', 'Log', '!!', 'Big & small'])}")
            section = True
        elif kind == 1 and section:
            lines.append(f"=== Deep {{d-{number}-{index}}}")
            ids.append(f"d-{number}-{index}")
        elif kind == 2:
            lines.append(f"!figure f-{number}-{index}: A figure")
            ids.append(f"f-{number}-{index}")
        elif kind == 3:
            lines += [f"- {' '.join(dice.choices(WORDS, k=3))} @{{REF}}", f"  {dice.choice(WORDS)}"]
        elif kind == 4:
            lines += [
                f"{dice.choice(WORDS)}^{{n{index}}}",
                f"  and @{{REF}} {dice.choice(WORDS)}",
                f"^n{index}: {dice.choice(WORDS)} @{{REF}}",
            ]
        else:
            lines += ["", " ".join(dice.choices(WORDS, k=5)), " @{REF|own <text>}"]
    return "\n".join(lines) + "\n"


def test_every_link_of_a_random_book_leads_somewhere_and_says_the_number_found_there(tmp_path):
    dice = random.Random(11)
    for turn in range(25):
        ids = []
        chapters = {f"c{number}": random_chapter(dice, number, ids) for number in range(1, 4)}
        chapters["c1"] += "== Last {last}\n"
        ids.append("last")
        chapters = {
            name: re.sub("REF", lambda _, known=ids: dice.choice(known), text) for name, text in chapters.items()
        }
        folder = tmp_path / str(turn)
        assert fascicle.build(write(folder / "book", **chapters), folder / "site") == []
        pages = {path.name: path.read_text(encoding="utf-8") for path in (folder / "site").glob("*.html")}
        anchors = {}
        for name, text in pages.items():
            for label, rest in re.findall(r'<(?:h\d|figure|li) id="([^"]+)">(.*)', text):
                assert (name, label) not in anchors
                anchors[name, label] = rest
        links = [
            (name, *link) for name, text in pages.items() for link in re.findall(r'<a href="([^"]*)">([^<]*)</a>', text)
        ]
        assert len(links) > 8
        for name, href, text in links:
            page_name, _, label = href.partition("#")
            assert (page_name or name) in pages
            if label:
                there = anchors[page_name or name, label]
                number = text.split()[-1] if text.startswith(("Chapter ", "Section ", "Figure ")) else text.split()[0]
                assert (
                    text == "own &lt;text&gt;"
                    or label.startswith("note:")
                    or number in there.replace(":", " ").split()[:2]
                )


def test_the_contents_follow_the_pages(tmp_path):
    dice = random.Random(3)
    chapters = {f"c{number}": random_chapter(dice, number, []).replace("REF", "x") for number in range(1, 5)}
    chapters["c4"] += "!figure x: X\n"
    page(tmp_path, "c1", **chapters)
    site = tmp_path / "site"
    listed = re.findall(
        r'<li class="level-(\d)"><a href="([^#]+)#([^"]+)">(.*)</a></li>', (site / "contents.html").read_text()
    )
    found = [
        (level, f"{name}.html", label, title)
        for name in chapters
        for level, label, title in re.findall(r'<h(\d) id="([^"]+)">(.*)</h\d>', (site / f"{name}.html").read_text())
    ]
    assert listed == found


def test_moving_a_chapter_renumbers_every_mention(tmp_path):
    a, b = "= Alpha\n== One\n!figure pic: P\n\n!{t}\n", "= Beta\n\n@{one} @{pic} @{alpha}\n"
    page(tmp_path, "b", a=a, b=b)
    assert page(tmp_path, "b", b=b, a=a)[1] == (
        '<p><a href="a.html#one">Section 2.1</a> <a href="a.html#pic">Figure 2-1</a> <a href="a.html#alpha">Chapter 2</a></p>'
    )
    assert '<li>t: <a href="a.html#one">2.1</a></li>' in (tmp_path / "site" / "index.html").read_text()
    assert '<a href="a.html">2 Alpha</a>' in (tmp_path / "site" / "b.html").read_text()


def test_a_heading_that_lost_its_id_to_a_later_chapter_is_linked_by_its_new_one(tmp_path):
    a = "= Use\n\n@{use} @{use-2} !{t}\n"
    assert page(tmp_path, "a", a=a, b="= Other {use}\n")[:2] == [
        '<h1 id="use-2">1 Use</h1>',
        '<p><a href="b.html#use">Chapter 2</a> <a href="#use-2">Chapter 1</a> t</p>',
    ]
    assert '<li>t: <a href="a.html#use-2">1</a></li>' in (tmp_path / "site" / "index.html").read_text()
    assert '<a href="a.html#use-2">1 Use</a>' in (tmp_path / "site" / "contents.html").read_text()
