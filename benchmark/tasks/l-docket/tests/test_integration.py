"""What must hold between differences, history, merges and queries."""

import copy
import json
import random

import docket
import pytest

SCALARS = [None, True, False, 0, 1, 1.0, 2.5, "", "a", "1", "ü"]
KEYS = ["a", "b", "a/b", "~", "0", ""]


def random_value(dice, depth):
    kind = dice.randrange(5) if depth else 4
    if kind <= 1:
        return {key: random_value(dice, depth - 1) for key in dice.sample(KEYS, dice.randrange(4))}
    if kind <= 3:
        return [random_value(dice, depth - 1) for _ in range(dice.randrange(5))]
    return dice.choice(SCALARS)


def random_document(dice):
    return {key: random_value(dice, 3) for key in dice.sample(KEYS, dice.randrange(5))}


def changed(dice, value):
    """The value with a few things different."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        out = {key: changed(dice, item) if dice.random() < 0.4 else copy.deepcopy(item) for key, item in value.items()}
        if dice.random() < 0.3:
            del out[dice.choice(sorted(out))]
        if dice.random() < 0.3:
            out[dice.choice(KEYS)] = random_value(dice, 1)
        return out
    if isinstance(value, list) and dice.random() < 0.9:
        out = [changed(dice, item) if dice.random() < 0.3 else copy.deepcopy(item) for item in value]
        if out and dice.random() < 0.5:
            del out[dice.randrange(len(out))]
        if dice.random() < 0.5:
            out.insert(dice.randrange(len(out) + 1), random_value(dice, 1))
        return out
    return random_value(dice, 2)


def tagged(value):
    """A form in which values that are not the same are not equal."""
    if isinstance(value, dict):
        return {key: tagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    return ("boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "other", value)


def test_differences_lead_there_and_back():
    dice = random.Random(1)
    for _ in range(400):
        old = random_document(dice)
        new = changed(dice, old) if dice.random() < 0.7 else random_document(dice)
        new = new if isinstance(new, dict) else {}
        operations = json.loads(json.dumps(docket.diff(old, new)))
        assert tagged(docket.apply(old, operations)) == tagged(new)
        assert tagged(docket.apply(new, docket.invert(operations))) == tagged(old)
        assert docket.diff(new, new) == []
        assert (operations == []) == (tagged(old) == tagged(new))


@pytest.mark.parametrize("seed", range(4))
def test_every_state_can_be_seen_again_after_reopening(tmp_path, seed):
    dice = random.Random(seed)
    store = docket.Store(tmp_path)
    states = [{}]
    now, made = {}, 0
    for _ in range(40):
        chance = dice.random()
        gone = [f"d{n}" for n in range(1, made + 1) if f"d{n}" not in now]
        if chance < 0.25 or not now:
            made += 1
            document = random_document(dice)
            assert store.create(document) == f"d{made}"
            now[f"d{made}"] = document
        elif chance < 0.65:
            id_ = dice.choice(sorted(now))
            document = changed(dice, now[id_])
            document = document if isinstance(document, dict) else {}
            store.update(id_, document)
            now[id_] = document
        elif chance < 0.75:
            id_ = dice.choice(sorted(now))
            store.delete(id_)
            del now[id_]
        elif chance < 0.9:
            id_ = dice.choice(gone or sorted(now))
            past = dice.choice([r for r, state in enumerate(states) if id_ in state])
            store.revert(id_, past)
            now[id_] = states[past][id_]
        else:
            store = docket.Store(tmp_path)
        if store.revision == len(states):
            states.append(copy.deepcopy(now))
        assert store.revision == len(states) - 1
    for opened in (store, docket.Store(tmp_path)):
        for revision, state in enumerate(states):
            assert opened.ids(revision) == sorted(state, key=lambda id_: int(id_[1:]))
            assert {id_: tagged(opened.get(id_, revision)) for id_ in opened.ids(revision)} == {
                id_: tagged(d) for id_, d in state.items()
            }
    on_disk = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "docs").iterdir()}
    assert {id_: tagged(d) for id_, d in on_disk.items()} == {id_: tagged(d) for id_, d in now.items()}


def test_the_log_leads_from_nothing_to_every_state(tmp_path):
    dice = random.Random(12)
    store = docket.Store(tmp_path)
    store.create(random_document(dice))
    for _ in range(20):
        document = changed(dice, store.get("d1"))
        store.update("d1", document if isinstance(document, dict) else {})
    store.delete("d1")
    store.revert("d1", 3)
    state = {}
    for revision, kind, operations in docket.Store(tmp_path).log("d1"):
        state = docket.apply(state, operations)
        if kind == "delete":
            assert state == {}
        else:
            assert tagged(state) == tagged(store.get("d1", revision))
    for _, _, operations in reversed(store.log("d1")):
        state = docket.apply(state, docket.invert(operations))
    assert state == {}


def test_ids_of_deleted_documents_are_not_used_again_after_reopening(tmp_path):
    store = docket.Store(tmp_path)
    store.create({})
    store.create({})
    store.delete("d2")
    assert docket.Store(tmp_path).create({}) == "d3"


def test_a_change_of_type_alone_is_seen_everywhere(tmp_path):
    store = docket.Store(tmp_path)
    store.create({"a": [1, 0]})
    assert store.update("d1", {"a": [True, 0]}) == 2
    assert store.update("d1", {"a": [True, False]}, base=2) == 3
    assert (store.find("a has true"), store.find("a has 1"), store.find("a.1 = 0"), store.find("a.1 = 0", at=2)) == (
        ["d1"],
        [],
        [],
        ["d1"],
    )
    assert (tmp_path / "docs" / "d1.json").read_text() == '{\n  "a": [\n    true,\n    false\n  ]\n}\n'


def test_a_merge_with_a_base_before_a_deletion_and_return(tmp_path):
    store = docket.Store(tmp_path)
    store.create({"a": 1, "b": 1})
    store.delete("d1")
    store.revert("d1", 1)
    store.update("d1", {"a": 1, "b": 2})
    assert store.update("d1", {"a": 5, "b": 1}, base=1) == 5
    assert store.get("d1") == {"a": 5, "b": 2}
    with pytest.raises(KeyError):
        store.update("d1", {"a": 6}, base=2)


def test_queries_about_the_past_see_documents_that_came_back_in_their_old_place(tmp_path):
    store = docket.Store(tmp_path)
    for n in range(3):
        store.create({"n": n, "same": 1})
    store.delete("d1")
    store.update("d2", {"n": 7, "same": 1})
    store.revert("d1", 1)
    for opened in (store, docket.Store(tmp_path)):
        assert opened.find("order by same") == ["d1", "d2", "d3"]
        assert opened.find("order by same desc limit 2") == ["d1", "d2"]
        assert opened.find("order by n desc", at=5) == ["d2", "d3"]
        assert opened.find("n < 2", at=6) == ["d1"]
        assert opened.find("n < 2", at=3) == ["d1", "d2"]
