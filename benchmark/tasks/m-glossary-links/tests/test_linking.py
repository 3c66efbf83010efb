"""Which words become links."""

import random

import pytest
from glosslink import link, read_glossary

GLOSSARY = "## cache\nAlso: fast store\n## cache line\n## REST\n## hub\n## big hub\n## Öl\n## x-y\n## C++\n"


def linked(text):
    return link(text, read_glossary(GLOSSARY), "g")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cache", "a [cache](g#cache)"),
        ("Cache", "[Cache](g#cache)"),
        ("CACHE cAche", "CACHE cAche"),
        ("caches", "[caches](g#cache)"),
        ("cachess Caches.", "cachess [Caches](g#cache)."),
        ("cache's", "[cache](g#cache)'s"),
        ("rest rEST RESTs", "rest [rEST](g#rest) RESTs"),
        ("REST", "[REST](g#rest)"),
        ("a-hub hub- _hub hub2 éhub hub_ (hub)", "a-hub hub- _hub hub2 éhub hub_ ([hub](g#hub))"),
        ("öl Öl", "[öl](g#öl) Öl"),
        ("Ölé Öls", "Ölé [Öls](g#öl)"),
        ("x-y", "[x-y](g#x-y)"),
        ("x-x-y x-y-y X-ys", "x-x-y x-y-y [X-ys](g#x-y)"),
        ("C++ c++s", "[C++](g#c) c++s"),
        ("c+++", "[c++](g#c)+"),
        ("fast   store", "[fast   store](g#cache)"),
        ("fast \n  store", "[fast \n  store](g#cache)"),
        ("fast\nstores", "[fast\nstores](g#cache)"),
        ("fast\n\nstore fast\tstore faststore", "fast\n\nstore fast\tstore faststore"),
        ("fast \n \n store", "fast \n \n store"),
        ("fast store", "[fast store](g#cache)"),
        ("", ""),
        ("hub\n", "[hub](g#hub)\n"),
        ("hub\n\n\n", "[hub](g#hub)\n\n\n"),
    ],
)
def test_one_place(text, expected):
    assert linked(text) == expected


def test_only_the_first_place_of_a_term_in_a_section():
    text = "cache fast store hub\n\ncache hub\n## Two\nhub\n###### \nfast store cache\n#hub\nhub\n #  x\nhub"
    assert linked(text) == (
        "[cache](g#cache) fast store [hub](g#hub)\n\ncache hub\n## Two\n[hub](g#hub)\n###### \n"
        "[fast store](g#cache) cache\n#[hub](g#hub)\nhub\n #  x\n[hub](g#hub)"
    )


def test_the_longest_spelling_counts_and_hides_others():
    assert linked("cache line, cache line, cache") == "[cache line](g#cache-line), cache line, [cache](g#cache)"
    assert linked("big hub hub") == "[big hub](g#big-hub) [hub](g#hub)"
    assert linked("big big hubs") == "big [big hubs](g#big-hub)"
    assert linked("cache liner") == "[cache](g#cache) liner"


def test_headings_are_left_alone():
    text = "# hub\n   ## cache\n#\thub\n####### cache\n    # REST\n"
    assert linked(text) == ("# hub\n   ## cache\n#\t[hub](g#hub)\n####### [cache](g#cache)\n    # [REST](g#rest)\n")


def test_fenced_code_is_left_alone():
    text = "hub\n```x\n# hub\ncache\n~~~\n``\n   ````  \nhub cache\n~~~~\nREST\n~~~\n~~~~ x\n"
    assert linked(text) == text.replace("hub\n```x", "[hub](g#hub)\n```x").replace("hub cache", "hub [cache](g#cache)")
    assert linked("    ```\nhub") == "    ```\n[hub](g#hub)"
    assert linked("fast\n```\n```\nstore") == "fast\n```\n```\nstore"


def test_code_in_a_line_is_left_alone():
    assert linked("`hub` hub") == "`hub` [hub](g#hub)"
    assert linked("``a ` hub`` `` hub") == "``a ` hub`` `` [hub](g#hub)"
    assert linked("`hub\nhub` cache") == "`hub\nhub` [cache](g#cache)"
    assert linked("`hub\n\nhub` cache") == "`[hub](g#hub)\n\nhub` [cache](g#cache)"
    assert linked("`hub\n# x\nhub` hub") == "`[hub](g#hub)\n# x\n[hub](g#hub)` hub"
    assert linked("fast `x` store fast` `store") == "fast `x` store fast` `store"
    assert linked("a ```` hub ``` hub") == "a ```` [hub](g#hub) ``` hub"


def test_links_pictures_and_angles_are_left_alone():
    assert linked("[hub](x) ![a cache](cache.png) hub") == "[hub](x) ![a cache](cache.png) [hub](g#hub)"
    assert linked("[hub][cache] [REST][]") == "[hub][cache] [REST][]"
    assert linked("[hub] (cache)") == "[[hub](g#hub)] ([cache](g#cache))"
    assert linked("[hub\nhub](x\ny) [cache\n\nx](y)") == "[hub\nhub](x\ny) [[cache](g#cache)\n\nx](y)"
    assert linked("<https://hub> <hub\n> <a <hub>") == "<https://hub> <[hub](g#hub)\n> <a <hub>"
    assert linked("[`]` hub](x) hub") == "[`]` [hub](g#hub)](x) hub"
    assert linked("`[hub`](hub)") == "`[hub`]([hub](g#hub))"


def test_links_that_are_there_count_for_their_section():
    assert linked("cache [x](g#cache) cache") == "cache [x](g#cache) cache"
    assert linked("cache\n\n[x](g#cache)\n# 2\ncache") == "cache\n\n[x](g#cache)\n# 2\n[cache](g#cache)"
    assert linked("cache [x](h#cache) [y](g#cach)") == "[cache](g#cache) [x](h#cache) [y](g#cach)"
    assert linked("cache `[x](g#cache)`") == "[cache](g#cache) `[x](g#cache)`"
    assert linked("cache line [x](g#cache-line) cache") == "cache line [x](g#cache-line) [cache](g#cache)"


def test_linking_again_changes_nothing_and_only_links_are_added():
    rng = random.Random(23)
    pieces = ["cache", "Caches", "cache line", "fast\nstore", "hub", "big hub", "REST", "öl", "`hub`", "`", "[hub](x)"]
    pieces += ["\n\n", "\n# hub\n", "\n```\nhub\n```\n", "and", ",", "<hub>", "[hub", "x", "-", "\n", "C++"]
    glossary = read_glossary(GLOSSARY)
    for _ in range(200):
        text = " ".join(rng.choice(pieces) for _ in range(rng.randrange(1, 25)))
        once = link(text, glossary, "../the%20g.md")
        assert link(once, glossary, "../the%20g.md") == once
        stripped = once
        for anchor in ("cache-line", "cache", "rest", "big-hub", "hub", "öl", "x-y", "c"):
            stripped = stripped.replace(f"](../the%20g.md#{anchor})", "")
        assert stripped.replace("[", "") == text.replace("[", "")
