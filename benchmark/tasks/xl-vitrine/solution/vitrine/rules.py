"""What must be so in a register that is in order."""

from collections import Counter
from itertools import combinations

from vitrine.facts import Facts, exists, ids, upwards
from vitrine.permits import hidden


def problems(facts: Facts) -> list[str]:
    """All that is wrong, sorted."""
    return sorted([*_items(facts), *_places(facts), *_loans(facts), *_people(facts)])


def _items(facts: Facts) -> list[str]:
    places = [(id_, facts[f"item/{id_}/place"]) for id_ in ids(facts, "item")]
    return [f"item/{id_}: no place/{place}" for id_, place in places if not exists(facts, f"place/{place}")]


def _places(facts: Facts) -> list[str]:
    found = []
    held = Counter(facts[f"item/{id_}/place"] for id_ in ids(facts, "item"))
    for id_ in ids(facts, "place"):
        inside, room = facts[f"place/{id_}/inside"], facts[f"place/{id_}/room"]
        if inside and not exists(facts, f"place/{inside}"):
            found.append(f"place/{id_}: no place/{inside}")
        if id_ in upwards(facts, inside):
            found.append(f"place/{id_}: inside itself")
        if held[id_] > room:
            found.append(f"place/{id_}: {held[id_]} items, room for {room}")
    return found


def _loans(facts: Facts) -> list[str]:
    found = []
    loans = {id_: [facts[f"loan/{id_}/{field}"] for field in ("item", "first", "last")] for id_ in ids(facts, "loan")}
    for id_, (item, first, last) in loans.items():
        if not exists(facts, f"item/{item}"):
            found.append(f"loan/{id_}: no item/{item}")
        elif hidden(facts, f"item/{item}"):
            found.append(f"loan/{id_}: item/{item} is hidden")
        if last < first:
            found.append(f"loan/{id_}: ends before it begins")
    for (one, (item, first, last)), (other, (item_too, first_too, last_too)) in combinations(loans.items(), 2):
        if item == item_too and first <= last_too and first_too <= last:
            found.append(f"loan/{one}: overlaps loan/{other}")
    return found


def _people(facts: Facts) -> list[str]:
    roles = [facts[f"person/{id_}/role"] for id_ in ids(facts, "person")]
    return [] if "curator" in roles else ["no curator"]
