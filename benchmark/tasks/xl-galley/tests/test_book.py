"""The Galleyfile."""

import pytest
from galley.book import Guard, Step, read_book
from galley.errors import BookError


def steps(text):
    return list(read_book(f"make out/x\n{text}").targets["out/x"].steps)


def test_a_book():
    book = read_book(
        "# A\n\nset a = 1\nmake out/b.txt \t\n  say hello  world \n\n  # note\n\tfill\nset season-2=  At the = Anchor  \nset e =\n \t \n  upper\nmake   out/a/b\n"  # noqa: E501
    )
    assert book.settings == {"a": "1", "season-2": "At the = Anchor", "e": ""}
    assert list(book.targets) == ["out/b.txt", "out/a/b"]
    assert book.targets["out/b.txt"].steps == (Step("say", "hello  world"), Step("fill"), Step("upper"))
    assert (book.targets["out/b.txt"].name, book.targets["out/b.txt"].line) == ("out/b.txt", 4)
    assert (book.targets["out/a/b"].steps, book.targets["out/a/b"].line) == ((), 13)


def test_books_are_values():
    assert read_book("make out/a\n say x") == read_book("make out/a\r\n  say   x  \n\n")
    assert read_book("") == read_book("# nothing")


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (" paste a/b.txt", Step("paste", "a/b.txt")),
        ("  maybe\tout/y", Step("maybe", "out/y")),
        (" each **/*.txt", Step("each", "**/*.txt")),
        (" count  out/*", Step("count", "out/*")),
        (" head 007", Step("head", "007")),
        (" keep  a b ", Step("keep", "a b")),
        (" drop #", Step("drop", "#")),
        (" say", Step("say")),
        (" say when a = b: c", Step("say", "when a = b: c")),
        (" when a = b: say c", Step("say", "c", Guard("a", "=", "b"))),
        (" when a-1!=B/2:sort", Step("sort", "", Guard("a-1", "!=", "B/2"))),
        (" when a == : say", Step("say", "", Guard("a", "=", "="))),
        ("\twhen  a  =  b  :  say  c: d ", Step("say", "c: d", Guard("a", "=", "b"))),
    ],
)
def test_steps(line, step):
    assert steps(line) == [step]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (" say x", 1),
        ("# a\n\n\tsay x\nmake", 3),
        ("make out/a\n shout x", 2),
        ("make out/a\n say x\n paste", 3),
        ("make out/a\n paste a b", 2),
        ("make out/a\n paste *.txt", 2),
        ("make out/a\n each a**", 2),
        ("make out/a\n sort x", 2),
        ("make out/a\n name x", 2),
        ("make out/a\n head", 2),
        ("make out/a\n head -1", 2),
        ("make out/a\n head 1.5", 2),
        ("make out/a\n keep", 2),
        ("make out/a\n drop  ", 2),
        ("make out/a\n Say x", 2),
        ("make out/a\n when a = : say x", 2),
        ("make out/a\n when a = b c: say x", 2),
        ("make out/a\n when A = b: say x", 2),
        ("make out/a\n when a < b: say x", 2),
        ("make out/a\n when a = b:", 2),
        ("make out/a\n when a = b: when c = d: say x", 2),
        ("make out/a\n when a = b", 2),
        ("make", 1),
        ("make a", 1),
        ("make out", 1),
        ("make out/../a", 1),
        ("make out/a b", 1),
        ("make out/*", 1),
        ("make out/a\nmake out/b\n\nmake out/a", 4),
        ("make out/a\nmake out/a/b", 2),
        ("make out/a/b/c\nmake out/a", 2),
        ("set a = 1\nset a = 1", 2),
        ("set A = 1", 1),
        ("set a", 1),
        ("set 1 = 1", 1),
        ("settle a = 1", 1),
        ("makeout/a", 1),
        ("set a = 1\nmake out/a\n say\nbake out/b\n nothing", 4),
    ],
)
def test_books_that_cannot_be_used(text, line):
    with pytest.raises(BookError) as caught:
        read_book(text)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: ")


def test_names_that_only_begin_alike_do_not_collide():
    assert list(read_book("make out/a\nmake out/ab\nmake out/a.b/c").targets) == ["out/a", "out/ab", "out/a.b/c"]
