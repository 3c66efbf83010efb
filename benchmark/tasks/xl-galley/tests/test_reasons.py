"""Reports in words."""

import pytest
from galley.journal import Result
from galley.observing import Difference
from galley.reasons import explain, render, totals
from galley.store import Observation


@pytest.mark.parametrize(
    ("kind", "subject", "then", "now", "words"),
    [
        ("file", "a/b", "x", "y", "file a/b changed"),
        ("file", "a/b", "x", None, "file a/b is gone"),
        ("exists", "a", False, True, "a appeared"),
        ("exists", "a", True, False, "a is gone"),
        ("list", "*.x", ("a", "b", "e"), ("b", "c", "d"), "list *.x: +c +d -a -e"),
        ("list", "*", (), ("a",), "list *: +a"),
        ("setting", "s", None, "", "setting s: (none) -> "),
        ("setting", "s", "a b", None, "setting s: a b -> (none)"),
        ("name", "", "out/a", "out/b", "name: out/a -> out/b"),
    ],
)
def test_explanations(kind, subject, then, now, words):
    assert explain(Difference(Observation(kind, subject, then), now)) == words


def test_reports():
    results = [
        Result("out/a", "made", "new", "d", "r"),
        Result("out/b", "kept", "", "d", "r"),
        Result("out/c", "failed", "no file x"),
        Result("out/d", "made", "setting s: a -> b", "d", "r"),
        Result("out/e", "restored", "", "d", "r"),
    ]
    assert totals(results) == "2 made, 1 restored, 1 kept, 1 failed"
    assert totals([]) == "0 made, 0 restored, 0 kept, 0 failed"
    assert render(results) == (
        "made out/a (new)\nkept out/b\nfailed out/c: no file x\nmade out/d (setting s: a -> b)\nrestored out/e\n"
        "2 made, 1 restored, 1 kept, 1 failed\n"
    )
    assert render([]) == "0 made, 0 restored, 0 kept, 0 failed\n"
