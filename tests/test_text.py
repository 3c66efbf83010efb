"""Texts of strangers on one line."""

from __future__ import annotations

import pytest

from graphs.text import listed, shortened


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 5, "日本…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("a", 0, ""),
    ],
)
def test_texts_are_cut_by_cells(text: str, most: int, shown: str) -> None:
    assert shortened(text, most) == shown


def test_a_long_list_is_cut_in_a_sentence() -> None:
    assert listed([f"c{i}" for i in range(9)]) == "c0, c1, c2, c3, c4, c5 and 3 more"
