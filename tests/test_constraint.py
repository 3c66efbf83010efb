"""``benchmark/perf/constraint.py``: what it measures with is right. The figures themselves are for an idle machine."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from agent.models.base import Grammar
from agent.models.matching import flaw
from benchmark.perf import constraint
from benchmark.perf.constraint import Case, Vocabulary, masks, pieces, random_text, validity
from graphs.errors import AnswerError

WORD = Grammar("word", "d", lambda said: "" if said else 'start: "the answer is " /[a-z]{1,20}/ "\\n"')
TWO = Grammar("two", "d", lambda said: {"": 'start: /[a-z]{2}/ ";"', "ab;": 'start: "end\\n"'}.get(said, ""))


def word(text: str) -> str:
    if not text.startswith("the answer is "):
        raise AnswerError(["it is no answer"])
    return text


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(2_000, 20)


def test_a_vocabulary_holds_every_byte_and_says_every_text() -> None:
    assert len(vocabulary().tokens) == len(set(vocabulary().tokens)) == 2_000
    for text in (b"def function(self):\n    return None\n", bytes(range(256)), "日本 ü".encode()):
        tokens = vocabulary()(text)
        assert b"".join(vocabulary().tokens[token] for token in tokens) == text
    assert len(vocabulary()(b"    def __init__(self, name):")) < 12


def test_random_texts_are_in_the_grammar_and_random_bytes_are_not() -> None:
    texts = [random_text(WORD, seed) for seed in range(20)]
    assert texts == [random_text(WORD, seed) for seed in range(20)]
    assert len(set(texts)) > 15
    assert not any(flaw(WORD.following(""), text) for text in texts)
    found = validity(Case("word", WORD, word), 20)
    assert (found.guided, found.free, found.texts, found.problems) == (20, 0, 20, ())


def test_problems_that_are_left_to_the_reader_do_not_count() -> None:
    def reader(text: str) -> None:
        raise AnswerError(["requirement R1 ('x') is covered by no component", *text.split()])

    case = Case("word", WORD, reader)
    assert validity(case, 2).guided == 0
    left = validity(Case("word", WORD, lambda text: reader("")), 2)
    assert (left.guided, left.excused, left.free) == (2, 2, 0)


def test_a_text_without_an_end_is_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraint, "LONGEST", 50)
    endless = Grammar("endless", "d", lambda said: "" if said else "start: /[a-z]{100}/")
    found = validity(Case("endless", endless, word), 1)
    assert (found.guided, found.problems) == (0, ("no end after 50 bytes",))


def test_an_answer_in_pieces_is_taken_apart_as_it_was_said() -> None:
    assert [piece for _, piece in pieces(TWO, "ab;end\n")] == [b"ab;", b"end\n"]


def test_what_is_forced_is_counted_in_tokens_and_in_bytes() -> None:
    found = masks(Case("word", WORD, word), ["the answer is right\n"], vocabulary(), "recorded")
    assert 0 < found.forced < found.tokens
    assert found.forced_bytes == pytest.approx(len("the answer is ") / len("the answer is right\n"), abs=0.001)
    assert found.mean_us <= found.p99_us <= found.max_us
    assert (found.along, found.problem) == ("recorded", "")


def test_the_grammar_of_a_plan_is_weighed_after_so_many_components() -> None:
    grown = constraint.sizes(vocabulary())
    assert list(grown) == [str(count) for count in constraint.TAKEN]
    weights = [figure["bytes"] for figure in grown.values()]
    assert weights == sorted(weights)
    assert weights[-1] < 4 * weights[0]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_short_look_gives_one_object() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmark.perf.constraint", "--quick"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figure = json.loads(done.stdout)
    ten = {
        "requirements",
        "plan",
        "component",
        "parts",
        "revision",
        "code files",
        "tests",
        "repair with edits",
        "amend",
    }
    assert set(figure["validity"]) == set(figure["masks"]) == {*ten, "strengthen"}
    assert figure["holds"] is (figure["missed"] == [])
    assert set(figure["faults"]) == {"plain@server", "guided@server", "native@server", "guided@local"}
    assert {tally["valid"] for tally in figure["faults"].values()} == {2}
