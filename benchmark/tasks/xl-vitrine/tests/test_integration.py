"""What journal, permissions, undo, index and search have to agree about."""

import datetime
import random
import re

import pytest
import vitrine
from vitrine import views
from vitrine.index import Index
from vitrine.rules import problems
from vitrine.search import find

ROLES = ["visitor", "porter", "registrar", "curator"]
PEOPLE = ["ada", "cy", "re", "po", "vi"]
PLACES = ["house", "hall", "vault", "box"]
WORDS = ["jar", "jars", "ring", "gold", "fake"]
DAYS = [str(datetime.date(2030, 1, 1) + datetime.timedelta(days)) for days in range(6)]


# -- the rules once more, in the plainest way


def things(facts, kind):
    found = {key.split("/")[1] for key in facts if key.split("/")[0] == kind}
    return sorted(found, key=lambda id_: int(id_[1:])) if kind in ("item", "loan") else sorted(found)


def there(facts, thing):
    return any(key.startswith(f"{thing}/") for key in facts)


def chain(facts, place):
    found = []
    while place and place not in found:
        found.append(place)
        place = facts.get(f"place/{place}/inside")
    return found


def seen(role, facts, thing):
    kind, id_ = thing.split("/")
    if not there(facts, thing) or role == "curator":
        return there(facts, thing)
    if kind == "loan":
        return role != "visitor" and seen(role, facts, "item/" + facts[f"{thing}/item"])
    around = chain(facts, id_ if kind == "place" else facts.get(f"{thing}/place"))
    return (
        kind != "person"
        and not facts.get(f"{thing}/sealed")
        and not any(facts.get(f"place/{p}/sealed") for p in around)
    )


def allowed(role, change):
    kind, _, field = change.key.split("/")
    if kind == "person" or (field == "sealed" and (change.old or change.new)):
        return role == "curator"
    return ROLES.index(role) >= (1 if (kind, field) == ("item", "place") else 2)


def without_hidden(facts, role):
    return {key: value for key, value in facts.items() if seen(role, facts, key.rpartition("/")[0])}


def naive_words(text):
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def naive_find(query, role, facts, now):
    def is_seen(thing):
        return seen(role, facts, thing) and (role == "curator" or seen(role, now, thing))

    def holds(part, id_):
        kind, _, value = part.partition(":")
        if not value:
            text = facts[f"item/{id_}/title"] + ("" if role == "visitor" else " " + facts[f"item/{id_}/note"])
            return any(word == part or (part[-1] == "*" and word.startswith(part[:-1])) for word in naive_words(text))
        if kind == "tag":
            return value in facts[f"item/{id_}/tags"]
        if kind == "in":
            return is_seen(f"place/{value}") and value in chain(facts, facts[f"item/{id_}/place"])
        loans = [n for n in things(facts, "loan") if is_seen(f"loan/{n}") and facts[f"loan/{n}/item"] == id_]
        return any(facts[f"loan/{n}/first"] <= value <= facts[f"loan/{n}/last"] for n in loans)

    def found(id_):
        return all(
            any(holds(part, id_) for part in term.removeprefix("-").split("|")) != term.startswith("-")
            for term in query.split()
        )

    return [id_ for id_ in things(facts, "item") if is_seen(f"item/{id_}") and found(id_)]


def undo_outcome(role, facts, entry):
    """The error that an undo must raise, or the facts that it must lead to."""
    touched = {change.key.rpartition("/")[0] for change in entry.changes}
    if any(there(facts, thing) and not seen(role, facts, thing) for thing in touched):
        return vitrine.NotFound
    if not all(allowed(role, change) for change in entry.changes):
        return vitrine.Denied
    if any(facts.get(change.key) != change.new for change in entry.changes):
        return vitrine.Stale
    after = {**facts, **{change.key: change.old for change in entry.changes}}
    after = {key: value for key, value in after.items() if value is not None}
    if any(there(after, thing) and not seen(role, after, thing) for thing in touched):
        return vitrine.NotFound
    return vitrine.Refused if problems(after) else after


# -- long sequences


def museum(folder):
    register = vitrine.Register.create(folder, "ada")
    people = [
        ("add", f"person/{name}", {"role": role})
        for name, role in zip(PEOPLE[1:], ["curator", "registrar", "porter", "visitor"], strict=True)
    ]
    places = [
        ("add", "place/house", {"room": 3}),
        ("add", "place/hall", {"room": 2, "inside": "house"}),
        ("add", "place/vault", {"room": 3, "inside": "house"}),
    ]
    items = [("add", "item", {"title": f"{word} jar", "place": "hall"}) for word in ("gold", "fake")]
    register.do("ada", *people, *places, *items)
    return register


def some_operation(dice, facts):
    item = f"item/{dice.choice(things(facts, 'item') or ['i1'])}"
    place = f"place/{dice.choice(PLACES)}"
    loan = f"loan/{dice.choice(things(facts, 'loan') or ['l1'])}"
    text = " ".join(dice.sample(WORDS, 2))
    first, last = sorted(dice.sample(DAYS, 2))
    return dice.choice(
        [
            (
                "add",
                "item",
                {"title": text, "note": dice.choice(WORDS), "place": dice.choice(PLACES), "tags": [dice.choice(WORDS)]},
            ),
            ("change", item, {"title": text}),
            ("change", item, {"note": text, "tags": dice.sample(WORDS, 2)}),
            *[("change", item, {"place": dice.choice(PLACES)})] * 3,
            ("change", item, {"sealed": dice.random() < 0.4}),
            ("remove", item),
            ("add", place, {"room": 3, "inside": dice.choice(["", *PLACES])}),
            ("change", place, {"inside": dice.choice(["", *PLACES])}),
            ("change", place, {"sealed": dice.random() < 0.5}),
            ("change", place, {"room": dice.randrange(4)}),
            ("remove", place),
            *[("add", "loan", {"item": item[5:], "to": "Bo", "first": first, "last": last})] * 2,
            ("change", loan, {"last": last}),
            ("remove", loan),
            ("change", f"person/{dice.choice(PEOPLE)}", {"role": dice.choice(ROLES)}),
        ]
    )


def some_query(dice):
    def part():
        word, place, day = dice.choice(WORDS), dice.choice(PLACES), dice.choice(DAYS)
        return dice.choice([word, word[:2] + "*", f"tag:{word}", f"in:{place}", f"lent:{day}"])

    return " ".join(
        dice.choice(["", "", "-"]) + "|".join(part() for _ in range(dice.randrange(1, 3)))
        for _ in range(dice.randrange(3))
    )


def some_step(dice, register):
    """Do or undo something; the error, if any, must be the right one and leave no trace."""
    facts, entries = register.facts, register.entries
    actor = dice.choice([*PEOPLE, "ada", "cy", "re"])
    role = facts.get(f"person/{actor}/role")
    if dice.random() < 0.4 and len(entries) > 2:
        entry = entries[-1 - int((len(entries) - 2 * (dice.random() < 0.97)) * dice.random() ** 3)]
        outcome = undo_outcome(role, facts, entry) if role else vitrine.Denied
        if isinstance(outcome, dict):
            assert register.undo(actor, entry.number).undoes == entry.number
            assert register.facts == outcome
        else:
            with pytest.raises(outcome):
                register.undo(actor, entry.number)
            assert (register.facts, register.entries) == (facts, entries)
        return
    operations = [some_operation(dice, facts) for _ in range(dice.choice([1, 1, 1, 2, 3]))]
    try:
        register.do(actor, *operations)
    except (vitrine.Denied, vitrine.NotFound, vitrine.Refused, vitrine.BadOperation):
        assert (register.facts, register.entries) == (facts, entries)


def replayed(entries):
    facts = {}
    for entry in entries:
        for change in entry.changes:
            assert facts.get(change.key) == change.old
            facts[change.key] = change.new
        facts = {key: value for key, value in facts.items() if value is not None}
    return facts


@pytest.mark.parametrize("seed", range(6))
def test_journal_facts_index_and_rules_agree_after_every_step(tmp_path, seed):
    dice = random.Random(seed)
    register = museum(tmp_path)
    for step in range(120):
        some_step(dice, register)
        facts = register.facts
        assert problems(facts) == []
        assert register.index == Index(facts)
        if step % 10 == 0:
            assert replayed(register.entries) == facts
            again = vitrine.Register(tmp_path)
            assert (again.facts, again.index, again.entries) == (facts, register.index, register.entries)
            register = again
    assert len(register.entries) > 25
    for number in range(0, len(register.entries) + 1, 7):
        assert register.at(number) == replayed(register.entries[:number])


@pytest.mark.parametrize("seed", range(10, 14))
def test_every_entry_was_allowed_and_no_id_came_twice(tmp_path, seed):
    dice = random.Random(seed)
    register = museum(tmp_path)
    for _ in range(100):
        some_step(dice, register)
        if dice.random() < 0.1:
            register = vitrine.Register(tmp_path)
    facts, born, highest = {}, set(), {"item": 0, "loan": 0}
    for entry in register.entries:
        role = facts.get(f"person/{entry.by}/role")
        assert entry.number == 1 or all(allowed(role, change) for change in entry.changes)
        assert [change.key for change in entry.changes] == sorted({change.key for change in entry.changes})
        if entry.undoes is None:
            for thing in entry.things:
                kind, id_ = thing.split("/")
                if kind in highest and not there(facts, thing):
                    assert thing not in born
                    assert int(id_[1:]) > highest[kind]
                    born.add(thing)
        for thing in entry.things:
            kind, id_ = thing.split("/")
            if kind in highest:
                highest[kind] = max(highest[kind], int(id_[1:]))
        facts = {
            key: value for key, value in {**facts, **{c.key: c.new for c in entry.changes}}.items() if value is not None
        }


@pytest.mark.parametrize("seed", range(20, 24))
def test_searches_find_what_looking_at_everything_finds_now_and_in_the_past(tmp_path, seed):
    dice = random.Random(seed)
    register = museum(tmp_path)
    for _ in range(60):
        some_step(dice, register)
        facts = register.facts
        for _ in range(4):
            query, actor = some_query(dice), dice.choice(things(facts, "person"))
            role = facts[f"person/{actor}/role"]
            assert register.search(actor, query) == naive_find(query, role, facts, facts)
            at = dice.randrange(len(register.entries) + 1)
            assert register.search(actor, query, at) == naive_find(query, role, register.at(at), facts)


@pytest.mark.parametrize("seed", range(30, 34))
def test_what_is_hidden_leaves_no_trace(tmp_path, seed):
    dice = random.Random(seed)
    register = museum(tmp_path)
    for _ in range(60):
        some_step(dice, register)
        facts, entries = register.facts, register.entries
        for actor in things(facts, "person"):
            role = facts[f"person/{actor}/role"]
            less = without_hidden(facts, role)
            query = some_query(dice)
            assert register.search(actor, query) == find(query, role, less, Index(less))
            assert register.inventory(actor) == views.inventory(role, less)
            for thing in {change.thing for entry in entries for change in entry.changes}:
                if seen(role, facts, thing):
                    assert register.show(actor, thing) == views.show(role, less, thing)
                    assert register.history(actor, thing) == views.history(role, less, entries, thing)
                    continue
                with pytest.raises(vitrine.NotFound, match=re.escape(f"not found: {thing}")):
                    register.show(actor, thing)
                if role != "curator":
                    with pytest.raises(vitrine.NotFound, match=re.escape(f"not found: {thing}")):
                        register.history(actor, thing)


def a_curator(register):
    facts = register.facts
    return next(name for name in things(facts, "person") if facts[f"person/{name}/role"] == "curator")


def test_undoing_everything_backwards_leads_to_the_beginning(tmp_path):
    dice = random.Random(99)
    register = museum(tmp_path)
    start, first = register.facts, len(register.entries)
    while len(register.entries) < first + 40:
        try:
            register.do("ada", some_operation(dice, register.facts))
        except (vitrine.NotFound, vitrine.Refused, vitrine.BadOperation, vitrine.Denied):
            continue
        if register.facts.get("person/ada/role") != "curator":
            register.undo(a_curator(register), len(register.entries))
    for number in range(len(register.entries), first, -1):
        register.undo(a_curator(register), number)
    assert register.facts == start
    assert register.index == Index(start)


# -- single ways in which parts can fail to fit together


def test_things_change_places_between_full_rooms_in_one_entry(tmp_path):
    register = museum(tmp_path)
    register.do(
        "re",
        ("change", "place/hall", {"room": 1}),
        ("change", "item/i2", {"place": "vault"}),
        ("change", "place/vault", {"room": 1}),
    )
    entry = register.do("po", ("change", "item/i1", {"place": "vault"}), ("change", "item/i2", {"place": "hall"}))
    with pytest.raises(vitrine.Refused):
        register.do("po", ("change", "item/i1", {"place": "hall"}))
    register.undo("po", entry.number)
    assert register.facts["item/i1/place"] == "hall"


def test_an_undo_keeps_the_rules_of_today(tmp_path):
    register = museum(tmp_path)
    moved = register.do("po", ("change", "item/i1", {"place": "vault"}))
    register.do("re", ("change", "place/hall", {"room": 1}))
    for actor in ("po", "ada"):
        with pytest.raises(vitrine.Refused):
            register.undo(actor, moved.number)
    register.do("re", ("change", "place/hall", {"room": 2}))
    lent = register.do("re", ("add", "loan", {"item": "i1", "to": "Bo", "first": DAYS[0], "last": DAYS[2]}))
    back = register.undo("re", lent.number)
    register.do("re", ("add", "loan", {"item": "i1", "to": "Cy", "first": DAYS[2], "last": DAYS[3]}))
    with pytest.raises(vitrine.Refused):
        register.undo("re", back.number)
    assert register.search("po", f"lent:{DAYS[2]}") == ["i1"]
    assert register.search("po", f"lent:{DAYS[1]}") == []


def test_an_undo_is_for_those_who_may_do_what_it_does(tmp_path):
    register = museum(tmp_path)
    titled = register.do("re", ("change", "item/i1", {"title": "ring"}))
    for actor in ("po", "vi"):
        with pytest.raises(vitrine.Denied):
            register.undo(actor, titled.number)
    moved = register.do("re", ("change", "item/i1", {"place": "vault"}))
    assert register.undo("po", moved.number).by == "po"
    register.do("ada", ("change", "person/re", {"role": "porter"}))
    with pytest.raises(vitrine.Denied):
        register.undo("re", titled.number)


def test_an_undo_gives_away_nothing_hidden(tmp_path):
    register = museum(tmp_path)
    moved = register.do("po", ("change", "item/i1", {"place": "vault"}))
    back = register.undo("po", moved.number)
    register.do("ada", ("change", "place/vault", {"sealed": True}))
    with pytest.raises(vitrine.NotFound):
        register.undo("re", back.number)
    assert register.undo("ada", back.number)
    with pytest.raises(vitrine.NotFound):
        register.undo("re", back.number)
    assert register.search("re", "gold") == []


def test_sealing_is_refused_while_something_is_lent_and_undo_does_not_get_round_it(tmp_path):
    register = museum(tmp_path)
    sealed = register.do("ada", ("change", "place/house", {"sealed": True}))
    opened = register.undo("ada", sealed.number)
    register.do("re", ("add", "loan", {"item": "i2", "to": "Bo", "first": DAYS[0], "last": DAYS[0]}))
    with pytest.raises(vitrine.Refused) as caught:
        register.undo("ada", opened.number)
    assert caught.value.problems == ["loan/l1: item/i2 is hidden"]


def test_numbers_are_not_given_again(tmp_path):
    register = museum(tmp_path)
    added = register.do(
        "re", ("add", "item", {"title": "x", "place": "house"}), ("add", "item", {"title": "y", "place": "house"})
    )
    assert added.things == ["item/i3", "item/i4"]
    gone = register.undo("re", added.number)
    register = vitrine.Register(tmp_path)
    assert register.do("re", ("add", "item", {"title": "z", "place": "house"})).things == ["item/i5"]
    register.undo("ada", gone.number)
    assert register.search("vi", "x|y|z") == ["i3", "i4", "i5"]


def test_what_is_refused_is_not_found_by_words_either(tmp_path):
    register = museum(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(vitrine.Refused):
        register.do("re", ("change", "item/i1", {"title": "amphora"}), ("change", "place/hall", {"room": 0}))
    assert register.search("re", "amphora") == []
    assert register.search("re", "gold") == ["i1"]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_past_does_not_tell_what_the_present_hides(tmp_path):
    register = museum(tmp_path)
    at = len(register.entries)
    register.do("po", ("change", "item/i1", {"place": "vault"}))
    register.do("ada", ("change", "place/vault", {"sealed": True}))
    assert register.search("re", "gold", at) == []
    assert register.search("ada", "gold in:hall", at) == ["i1"]
    assert register.search("re", "-in:vault", at) == ["i2"]
    register.do("po", ("change", "item/i2", {"place": "house"}))
    register.do("ada", ("change", "item/i1", {"place": "hall"}))
    changes = [
        change for _, _, found in register.history("vi", "item/i1") for change in found if change.field == "place"
    ]
    assert [(change.old, change.new) for change in changes] == [(None, "hall"), ("hall", "?"), ("?", "hall")]
