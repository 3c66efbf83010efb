"""What steps do, and what they ask for."""

import pytest
from galley.book import Guard, Step, read_book
from galley.errors import Failure
from galley.steps import run, shape

FILES = {"a": "one\ntwo", "b": "two\none\n", "empty": "", "crlf": "x\r\ny\u2028z\n"}
SETTINGS = {"season": "winter", "raw": "@season@", "none": ""}


class World:
    def __init__(self):
        self.asked = []

    def read(self, path):
        self.asked.append(f"read {path}")
        if path not in FILES:
            raise Failure(f"no file {path}")
        return FILES[path]

    def exists(self, path):
        self.asked.append(f"exists {path}")
        return path in FILES

    def list(self, pattern):
        self.asked.append(f"list {pattern}")
        return ["a", "b"] if pattern == "*" else []

    def setting(self, name):
        self.asked.append(f"setting {name}")
        return SETTINGS.get(name)

    def name(self):
        self.asked.append("name")
        return "out/t"


def steps(text):
    return read_book("make out/t\n" + "".join(f"  {line}\n" for line in text.split("\n"))).targets["out/t"].steps


def made(text):
    return run(steps(text), World())


def asked(text):
    world = World()
    run(steps(text), world)
    return world.asked


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("say a  b\nsay", "a  b\n\n"),
        ("paste a\npaste empty\npaste b", "one\ntwo\ntwo\none\n"),
        ("maybe gone\nmaybe a", "one\ntwo\n"),
        ("each *\neach x*", "one\ntwo\ntwo\none\n"),
        ("count *\ncount x*", "2\n0\n"),
        ("name", "out/t\n"),
        ("say straße\nupper", "STRASSE\n"),
        ("say b\nsay a\nsay B\nsort", "B\na\nb\n"),
        ("each *\nunique", "one\ntwo\n"),
        ("each *\nhead 3", "one\ntwo\ntwo\n"),
        ("each *\nhead 0\nsay x\nhead 9", "x\n"),
        ("each *\nkeep n", "one\none\n"),
        ("each *\ndrop n", "two\ntwo\n"),
        ("paste crlf\nhead 1", "x\r\n"),
        ("paste crlf\nkeep z", "y\u2028z\n"),
        ("sort", ""),
        ("upper\nsay a", "a\n"),
        ("when season = winter: say w\nwhen season != winter: say s", "w\n"),
        ("when gone = x: say a\nwhen gone != x: say b\nwhen season = Winter: say c", "b\n"),
    ],
)
def test_texts(text, result):
    assert made(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("@season@", "winter"),
        ("x@season|s@y", "xwintery"),
        ("@gone|a b@@gone|@", "a b"),
        ("@none|x@", ""),
        ("@raw@", "@season@"),
        ("a@@b@@", "a@b@"),
        ("@@season@@", "@season@"),
        ("@@@season@", "@winter"),
        ("me@here.org @Season@ @1@ @ season@", "me@here.org @Season@ @1@ @ season@"),
        ("@gone|@@season@", "winter"),
        ("@x y@season@", "@x ywinter"),
        ("@gone||@", "|"),
    ],
)
def test_fill(text, result):
    assert made(f"say {text}\nfill") == f"{result}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paste gone", "no file gone"),
        ("say @gone@\nfill", "no setting gone"),
        ("say a\npaste gone\nsay @gone@", "no file gone"),
    ],
)
def test_failures(text, message):
    with pytest.raises(Failure) as caught:
        made(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "log"),
    [
        ("say x\nsort\nupper\nhead 1", []),
        ("maybe gone\nmaybe a", ["exists gone", "exists a", "read a"]),
        ("count *", ["list *"]),
        ("each *", ["list *", "read a", "read b"]),
        ("when gone = x: each *\nwhen season = winter: name", ["setting gone", "setting season", "name"]),
        ("say @season@@gone|x@@raw@\nhead 1\nfill\nhead 0", ["setting season", "setting gone", "setting raw"]),
        ("say @season@ a\ndrop a\nfill", []),
        ("paste a\nhead 0", ["read a"]),
    ],
)
def test_nothing_is_asked_for_that_is_not_used(text, log):
    assert asked(text) == log


def test_shapes():
    lists = [
        (),
        (Step("say"),),
        (Step("say"), Step("say")),
        (Step("say", "say"),),
        (Step("say", "when a = b: sort"),),
        (Step("sort", "", Guard("a", "=", "b")),),
        (Step("sort", "", Guard("a", "!=", "b")),),
        (Step("sort"),),
        (Step("keep", "a"), Step("sort")),
        (Step("sort"), Step("keep", "a")),
        (Step("keep", "a b"),),
        (Step("keep", "a  b"),),
    ]
    assert len({shape(steps) for steps in lists}) == len(lists)
    assert shape(steps("say  x\nwhen a=b:sort")) == shape([Step("say", "x"), Step("sort", "", Guard("a", "=", "b"))])
