"""Which exemplars to show for a specification: lexical retrieval (BM25), then a rule that keeps the choice diverse.

The rule, for ``k`` exemplars:

1. The best match comes first; equal scores go by name.
2. No two have the same kind.
3. Each further one has the greatest marginal relevance: ``RELEVANCE`` parts of its score over the best score, less
   ``1 - RELEVANCE`` parts of its largest similarity to one already chosen (shared words over the words of the shorter
   task, so that a long exemplar does not pass for a different one).
4. From two on, at least one has no more than ``SMALL`` components, so that a small plan stays thinkable, and one has at
   least ``CONTRAST`` times as many components as the first, or as few. Where the library has no such set, the wish is
   dropped.

:func:`fixed` is the same rule without a specification: what it gives is the same for every one. :func:`within` leaves
exemplars out whose plans are larger than a plan may be.

The order of the library does not matter. Nothing is learnt, downloaded or kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from few_shot.exemplar import Exemplar

RELEVANCE = 0.7
"""Weight of the match against novelty (the lambda of maximal marginal relevance, Carbonell and Goldstein 1998)."""
SMALL = 2
"""Components of a plan that counts as small."""
CONTRAST = 2
"""Factor between the sizes of two plans that counts as a contrast."""
TAG_WEIGHT = 3
"""How often kind and tags count: they say what a task is, most words of it do not."""
SHOWN_WORDS = 4
"""Shared words named as the reason of a choice."""

_WORD = re.compile(r"[^\W\d_]{2,}")
_COMMON_WORDS = """
python standard library file files line lines use used using print prints write read run please want need should
must import def return true false none str int self example test error errors exit code output input one two three
name program package module command value values text give gives make also every its them from do does this whose
per same when how what which where has have had can may only any all each been would could us our we my me you your
"""
"""Words of nearly every specification: they say nothing about the kind of task."""
_COMMON = frozenset(_COMMON_WORDS.split())

Need = Callable[[Exemplar], bool]


@dataclass(frozen=True)
class Choice:
    """One exemplar that was chosen."""

    exemplar: Exemplar
    """Which."""
    score: float
    """Its BM25 score for the specification, 0 or more."""
    why: str
    """Why it is among the chosen, in a few words."""


def choose(spec_text: str, exemplars: Iterable[Exemplar], k: int = 3) -> list[Choice]:
    """At most ``k`` exemplars for a specification, best match first, by the rule above.

    Fewer when the library has fewer kinds; none when it is empty or ``k`` is 0.
    """
    library = sorted(exemplars, key=lambda e: (e.name, str(e.path)))
    if not library or k < 1:
        return []
    documents = [_document(e) for e in library]
    query = _stems(spec_text)
    scores = dict(zip((id(e) for e in library), bm25(documents, sorted(query)), strict=True))
    words = {id(e): frozenset(document) for e, document in zip(library, documents, strict=True)}
    first = min(library, key=lambda e: -scores[id(e)])
    needs = _needs(first)

    pool = _other_kinds(library, first)
    wanted = next(w for w in _wishes(needs, first) if _can_meet(w, pool, k - 1))
    chosen = [first]
    while pool and len(chosen) < k:
        left = k - len(chosen) - 1
        fit = [e for e in pool if _can_meet(_unmet(wanted, e), _other_kinds(pool, e), left)]
        best = min(fit, key=lambda e: -_marginal(e, chosen, scores, words))
        chosen.append(best)
        wanted = _unmet(wanted, best)
        pool = _other_kinds(pool, best)

    common = Counter(word for document in words.values() for word in document)
    reasons = {id(e): _why(e, first, [w for w in query if w in words[id(e)]], query, common) for e in chosen}
    return [Choice(e, scores[id(e)], reasons[id(e)]) for e in chosen]


def fixed(exemplars: Iterable[Exemplar], k: int = 3) -> list[Choice]:
    """At most ``k`` exemplars, the same whatever the specification: the rule above where nothing matches, so that it is
    novelty alone that counts.

    The first by name, then each time the one least like those before it, with a small plan and a contrast among them. Not
    a list of names, which would have to be kept in step with the library and say by whose judgement.
    """
    return [replace(c, why=f"the same for every specification, {_kind(c.exemplar)}") for c in choose("", exemplars, k)]


def within(exemplars: Iterable[Exemplar], max_components: int | None) -> list[Exemplar]:
    """Those whose plans have at most so many components; where there is none, those of the fewest. ``None``: all."""
    library = list(exemplars)
    if max_components is None or not library:
        return library
    most = max(max_components, min(e.size for e in library))
    return [e for e in library if e.size <= most]


def _document(exemplar: Exemplar) -> list[str]:
    """The stems of an exemplar, as often as they count."""
    label = " ".join((exemplar.name, exemplar.kind, *exemplar.tags))
    return [found for text in (*[label] * TAG_WEIGHT, exemplar.task) for found in map(stem, words(text))]


def _stems(text: str) -> dict[str, str]:
    """Stem → the word it first came from. A word counts once: a long specification is no stronger than a short one."""
    found: dict[str, str] = {}
    for word in words(text):
        found.setdefault(stem(word), word)
    return found


def words(text: str) -> list[str]:
    """The words of a text that say what it is about, in lower case and in order."""
    from bm25s.stopwords import STOPWORDS_EN

    return [w for w in _WORD.findall(text.casefold()) if w not in STOPWORDS_EN and w not in _COMMON]


def stem(word: str) -> str:
    """A word without its commonest English endings; crude, but the same on both sides."""
    for ending, instead in (("ies", "y"), ("ing", ""), ("ers", ""), ("er", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 4 - len(instead):
            word = word.removesuffix(ending) + instead
            break
    if len(word) > 4 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 4 else word


def bm25(documents: list[list[str]], query: list[str]) -> list[float]:
    """The score of each document; words of the query that no document has count nothing."""
    import bm25s

    known = {word for document in documents for word in document}
    query = [word for word in query if word in known]
    if not query:
        return [0.0] * len(documents)
    index = bm25s.BM25()
    index.index(documents, show_progress=False)
    # Rounded, so that the order in which a processor adds floats decides nothing.
    return [round(float(score), 4) for score in index.get_scores(query)]


def _needs(first: Exemplar) -> tuple[Need, Need]:
    """What the choice as a whole must hold: a small plan, and one of another size than the first."""

    def is_small(e: Exemplar) -> bool:
        return e.size <= SMALL

    def is_contrast(e: Exemplar) -> bool:
        return max(e.size, first.size) >= CONTRAST * min(e.size, first.size)

    return is_small, is_contrast


def _wishes(needs: tuple[Need, Need], first: Exemplar) -> list[tuple[Need, ...]]:
    """What to try for, most first."""
    small, contrast = needs
    return [_unmet(wish, first) for wish in ((small, contrast), (small,), (contrast,), ())]


def _unmet(needs: Sequence[Need], exemplar: Exemplar) -> tuple[Need, ...]:
    return tuple(need for need in needs if not need(exemplar))


def _other_kinds(library: Iterable[Exemplar], exemplar: Exemplar) -> list[Exemplar]:
    return [e for e in library if e.kind != exemplar.kind]


def _can_meet(needs: tuple[Need, ...], pool: list[Exemplar], slots: int) -> bool:
    """Whether so many more exemplars of different kinds can meet the needs."""
    if not needs:
        return True
    if not slots:
        return False
    if any(not _unmet(needs, e) for e in pool):
        return True
    helpful = (e for e in pool if len(_unmet(needs, e)) < len(needs))
    return any(_can_meet(_unmet(needs, e), _other_kinds(pool, e), slots - 1) for e in helpful)


def _marginal(
    exemplar: Exemplar, chosen: Sequence[Exemplar], scores: dict[int, float], words: dict[int, frozenset[str]]
) -> float:
    mine = words[id(exemplar)]
    similar = max(len(mine & theirs) / (min(len(mine), len(theirs)) or 1) for theirs in (words[id(c)] for c in chosen))
    match = scores[id(exemplar)] / (scores[id(chosen[0])] or 1.0)
    return round(RELEVANCE * match - (1 - RELEVANCE) * similar, 9)


def _why(exemplar: Exemplar, first: Exemplar, shared: list[str], query: dict[str, str], common: Counter[str]) -> str:
    rarest = sorted(shared, key=lambda stem: (common[stem], stem))[:SHOWN_WORDS]
    about = f"shares {', '.join(query[stem] for stem in rarest)}" if rarest else "shares no word with the specification"
    place = "best match" if exemplar is first else "another kind"
    return f"{place}, {_kind(exemplar)}; {about}"


def _kind(exemplar: Exemplar) -> str:
    """What it is, in a few words."""
    return f"{exemplar.kind} of {exemplar.size} component{'s' * (exemplar.size != 1)}"
