"""Paths and patterns."""

import galley
import pytest
from galley.paths import check_path, check_pattern, is_product, matches


@pytest.mark.parametrize("path", ["a", "a.txt", "a/b-c/D_1.x.y", "-", "1/2"])
def test_paths(path):
    assert check_path(path) == path
    assert check_pattern(path) == path


@pytest.mark.parametrize("text", ["", "/a", "a/", "a//b", ".a", "a/.b", "..", "a b", "ä", "a\\b", "a\n"])
def test_neither_paths_nor_patterns(text):
    for check in (check_path, check_pattern):
        with pytest.raises(galley.PathError):
            check(text)


@pytest.mark.parametrize("text", ["*", "?", "**", "a/**", "**/*.txt", "a*b?.c*"])
def test_patterns_are_not_paths(text):
    assert check_pattern(text) == text
    with pytest.raises(ValueError):  # noqa: PT011
        check_path(text)


@pytest.mark.parametrize("text", ["***", "a**", "**a", "a/**b/c", "a**b"])
def test_stars_next_to_each_other(text):
    with pytest.raises(galley.PathError):
        check_pattern(text)


@pytest.mark.parametrize(
    ("text", "product"),
    [("out/a", True), ("out/*", True), ("out", False), ("outer/a", False), ("a/out/b", False), ("*/a", False)],
)
def test_products(text, product):
    assert is_product(text) is product


@pytest.mark.parametrize(
    ("pattern", "meant", "not_meant"),
    [
        ("*.txt", ["a.txt", "a.b.txt"], ["a/b.txt", "a.TXT", "atxt", "a.txt.x"]),
        ("a*", ["a", "ab"], ["b", "A", "a/b"]),
        ("?.x", ["1.x"], ["12.x", "1x", "1.xx"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "b", "a/x/b/c"]),
        ("**", ["a", "a/b/c"], []),
        ("**/x", ["x", "a/x", "a/b/x"], ["ax", "x/a"]),
        ("a/**", ["a/b", "a/b/c", "a"], ["ab", "b/a"]),
        ("a/*/c", ["a/b/c"], ["a/c", "a/b/b/c"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_matches(pattern, meant, not_meant):
    assert [path for path in meant if not matches(pattern, path)] == []
    assert [path for path in not_meant if matches(pattern, path)] == []
