"""Patches applied: to the list they were made for, to others, and back."""

import json
import random

import pytest
from recpatch import PatchError, apply, diff, invert


def rows(*keys):
    return [{"id": key} for key in keys]


def patch(*ops):
    return {"key": "id", "ops": list(ops)}


def problems(records, *ops):
    before = json.dumps(records)
    with pytest.raises(PatchError) as caught:
        apply(records, patch(*ops))
    assert json.dumps(records) == before
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


def changing(key, *fields):
    return {"op": "change", "at": key, "fields": list(fields)}


def test_a_patch_for_a_longer_list():
    made = diff(rows(1, 2, 3), [{"id": 1, "v": 1}, {"id": 4}, {"id": 3}], "id")
    elsewhere = [{"id": "x"}, {"id": 1, "w": 2}, {"id": "y"}, {"id": 2}, {"id": 3}]
    assert apply(elsewhere, made) == [{"id": "x"}, {"id": 1, "w": 2, "v": 1}, {"id": 4}, {"id": "y"}, {"id": 3}]


def test_what_is_put_behind_a_record():
    records = rows("a", "b", "c")
    done = apply(
        records,
        patch(
            {"op": "add", "record": {"id": "x"}, "after": "a"},
            {"op": "add", "record": {"id": "y"}, "after": "a"},
            {"op": "move", "at": "a", "from": "nothing of the kind", "after": "c"},
            {"op": "add", "record": {"id": 1}, "after": None},
        ),
    )
    assert [record["id"] for record in done] == [1, "y", "x", "b", "c", "a"]


def test_where_a_removed_record_stood_does_not_matter():
    assert apply(rows(1, 2, 3), patch({"op": "remove", "record": {"id": 3}, "after": 77})) == rows(1, 2)


def test_records_that_are_not_there_or_already_there():
    assert problems(
        rows(1, "2"),
        {"op": "remove", "record": {"id": 2}, "after": None},
        changing("é"),
        {"op": "move", "at": 3, "from": None, "after": 4},
        {"op": "add", "record": {"id": "2"}, "after": 5},
        {"op": "add", "record": {"id": 2}, "after": "1"},
    ) == [
        "op 1: no record 2",
        'op 2: no record "é"',
        "op 3: no record 3",
        'op 4: record "2" is already there',
        'op 5: no record "1" to follow',
    ]


def test_a_record_does_not_follow_itself():
    assert problems(rows(1, 2), {"op": "move", "at": 1, "from": None, "after": 1}) == ["op 1: no record 1 to follow"]


def test_removed_records_must_be_the_same():
    assert problems(
        [{"id": 1, "v": 1, "w": 2}, {"id": 2, "v": {"a": True}}],
        {"op": "remove", "record": {"id": 2, "v": {"a": 1}}, "after": None},
        {"op": "remove", "record": {"id": 1, "v": 1}, "after": None},
    ) == ["op 1: record 2 has changed", "op 2: record 1 has changed"]
    assert (
        apply([{"id": 1, "v": 1, "w": 2}], patch({"op": "remove", "record": {"w": 2, "v": 1, "id": 1}, "after": None}))
        == []
    )


def test_changed_fields_must_have_their_old_values():
    records = [{"id": 1, "v": 1, "in": {"a": 1}, "l": [1], "none": None}]
    for field, path in [
        ({"path": ["v"], "old": 2, "new": 3}, "v"),
        ({"path": ["v"], "old": True, "new": 3}, "v"),
        ({"path": ["v"], "new": 3}, "v"),
        ({"path": ["none"], "new": 3}, "none"),
        ({"path": ["gone"], "old": None, "new": 3}, "gone"),
        ({"path": ["gone"], "old": None}, "gone"),
        ({"path": ["in", "b"], "old": 1}, "in.b"),
        ({"path": ["in", "a"], "new": 1}, "in.a"),
        ({"path": ["v", "a"], "new": 1}, "v.a"),
        ({"path": ["gone", "a"], "new": 1}, "gone.a"),
        ({"path": ["l", "a", "b"], "new": 1}, "l.a.b"),
        ({"path": ["l"], "old": [1.0], "new": 1}, "l"),
    ]:
        assert problems(records, changing(1, field)) == [f"op 1: record 1 has another value at '{path}'"]


def test_a_change_is_carried_out_as_a_whole_or_not_at_all():
    good = {"path": ["v"], "old": 1, "new": 2}
    bad = [{"path": ["w"], "old": 0}, {"path": ["x"], "old": 0}]
    again = changing(1, {"path": ["v"], "old": 2, "new": 3})
    assert problems([{"id": 1, "v": 1, "w": 1}], changing(1, good, *bad), again, changing(1, good)) == [
        "op 1: record 1 has another value at 'w'",
        "op 2: record 1 has another value at 'v'",
    ]


def test_later_operations_see_what_earlier_ones_did():
    ops = [
        {"op": "remove", "record": {"id": 1}, "after": None},
        {"op": "add", "record": {"id": 1, "v": {}}, "after": 2},
        changing(1, {"path": ["v", "a"], "new": []}),
        {"op": "move", "at": 1, "from": 2, "after": None},
    ]
    assert apply(rows(1, 2), patch(*ops)) == [{"id": 1, "v": {"a": []}}, {"id": 2}]


def test_new_fields_come_last():
    old, new = [{"id": 1, "b": 1, "c": 2}], [{"a": 0, "c": 3, "id": 1, "d": 4}]
    assert list(apply(old, diff(old, new, "id"))[0]) == ["id", "c", "a", "d"]


def test_nothing_is_shared_or_changed():
    records = [{"id": 1, "v": [1]}, {"id": 2, "v": [2]}]
    change = patch(
        {"op": "add", "record": {"id": 3, "v": [3]}, "after": 2}, changing(1, {"path": ["w"], "new": {"x": [1]}})
    )
    before = json.dumps([records, change])
    done = apply(records, change)
    turned = invert(change)
    for record in done:
        record["v"].append(9)
    done[0]["w"]["x"].append(9)
    turned["ops"][0]["fields"][0]["old"]["x"].append(9)
    turned["ops"][1]["record"]["v"].append(9)
    assert json.dumps([records, change]) == before


def test_inverse_operations():
    ops = [
        {"op": "remove", "record": {"id": 2}, "after": 1},
        changing(1, {"path": ["a"], "new": 1}, {"path": ["b"], "old": 2}, {"path": ["c", "d"], "old": 3, "new": 4}),
        {"op": "add", "record": {"id": 3}, "after": None},
        {"op": "move", "at": 4, "from": None, "after": 3},
    ]
    assert invert(patch(*ops)) == patch(
        {"op": "move", "at": 4, "from": 3, "after": None},
        {"op": "remove", "record": {"id": 3}, "after": None},
        changing(1, {"path": ["a"], "old": 1}, {"path": ["b"], "new": 2}, {"path": ["c", "d"], "old": 4, "new": 3}),
        {"op": "add", "record": {"id": 2}, "after": 1},
    )
    assert invert(invert(patch(*ops))) == patch(*ops)


def longest_common(one, other):
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if a == b else max(lengths[i][j + 1], lengths[i + 1][j])
    return lengths[-1][-1]


def test_there_and_back_at_random():
    rng = random.Random(17)

    def value(depth):
        if depth and rng.random() < 0.5:
            return {name: value(depth - 1) for name in rng.sample("abcd", rng.randrange(4))}
        return rng.choice([None, True, 1, 1.0, 0, False, "x", [], [1], [True]])

    def records():
        names = rng.sample([*range(8), *"01234567"], rng.randrange(12))
        return [{"id": name, **{field: value(2) for field in rng.sample("vwxy", 2)}} for name in names]

    for _ in range(100):
        old, new = records(), records()
        made = json.loads(json.dumps(diff(old, new, "id")))
        there = apply(old, made)
        assert json.dumps(there, sort_keys=True) == json.dumps(new, sort_keys=True)
        assert json.dumps(apply(new, invert(made)), sort_keys=True) == json.dumps(old, sort_keys=True)
        kept = [
            [repr(r["id"]) for r in one if any(same_key(r, o) for o in other)]
            for one, other in ((old, new), (new, old))
        ]
        moved = sum(op["op"] == "move" for op in made["ops"])
        assert moved == len(kept[0]) - longest_common(*kept)


def same_key(one, other):
    return one["id"] == other["id"]
