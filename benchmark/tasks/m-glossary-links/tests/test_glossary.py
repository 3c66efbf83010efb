"""Glossaries: terms, spellings, anchors, and what is wrong with them."""

import pytest
from glosslink import GlossaryError, link, read_glossary


def complaint(text):
    with pytest.raises(GlossaryError) as caught:
        read_glossary(text)
    return str(caught.value)


def linked(text, glossary):
    return link(text, read_glossary(glossary), "g")


def test_terms_are_headings_of_level_two():
    glossary = "# one\n##   two  \ntext five\n### three\n\n##four\n ## six\n"
    assert linked("one two three four five six", glossary) == "one [two](g#two) three four five six"


def test_spellings():
    glossary = "## Hub\n\nAlso: node , joint,, big  hub\n## Leg\nMore.\n\nAlso: arm\n## Toe\n\nalso: nail\n"
    text = "a node\n# 2\na joint\n# 3\na hub\n# 4\narm leg\n# 5\nnail\n# 6\na big hub"
    assert linked(text, glossary) == (
        "a [node](g#hub)\n# 2\na [joint](g#hub)\n# 3\na [hub](g#hub)\n# 4\narm [leg](g#leg)\n# 5\nnail\n"
        "# 6\na [big hub](g#hub)"
    )


def test_anchors():
    glossary = "## C++ & more\n## Über_uns 2-x\n## a  b\n"
    assert linked("c++ & more", glossary) == "[c++ & more](g#c--more)"
    assert linked("über_uns 2-x", glossary) == "[über_uns 2-x](g#über_uns-2-x)"
    assert linked("a b", glossary) == "[a b](g#a--b)"


def test_the_same_anchor_twice():
    glossary = "# Cache\n###### cache\n```\n## cache\n```\n## cache?\n## ca:che\n"
    assert linked("cache? ca:che", glossary) == "[cache?](g#cache-2) [ca:che](g#cache-3)"


def test_code_in_a_glossary_is_no_term():
    glossary = "~~~\n## one\n```\n## two\n~~~~ \n## three\n````\n## four\n```\n## five\n"
    assert linked("one two three four five", glossary) == "one two [three](g#three) four five"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("# x\n\n## \n", "line 3: a term without a name"),
        ("##   \n## a\n## a\n", "line 1: a term without a name"),
        ("## a b\n\n## x\nAlso: y, A  b\n", "line 4: 'A b' is already in line 1"),
        ("## x\n\nAlso: z, REST\n\n## Z\n", "line 5: 'Z' is already in line 3"),
        ("## a\n## b\n## c\n## B\n", "line 4: 'B' is already in line 2"),
    ],
)
def test_mistakes(text, problem):
    assert complaint(text) == problem


def test_what_is_no_mistake():
    assert linked("rest a", "## REST\n## rest\n## a\nAlso: A, a, b\n") == "[rest](g#rest-1) [a](g#a)"
    assert linked("x", "") == "x"
