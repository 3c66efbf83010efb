"""A store, its files and its compactions against a plain model."""

import copy
import random
import shutil

import pytest
import satchel

KEYS = [f"k{index}" for index in range(6)]


class Model:
    """What the specification promises, kept in dicts and never compacted."""

    def __init__(self):
        self.revision = 0
        self.live = {}
        self.latest = {}
        self.named = {}

    def write(self, changes):
        self.revision += 1
        for kind, key, *value in changes:
            self.latest[key] = (self.revision, key, kind)
            if kind == "put":
                self.live[key] = (self.revision, *value)
            else:
                del self.live[key]


def agree(store, model):
    assert store.revision == model.revision
    assert store.keys() == sorted(model.live)
    assert {key: (store.revision_of(key), store.get(key)) for key in store.keys("")} == model.live
    for since in range(-1, model.revision + 1):
        assert store.changes(since) == sorted(change for change in model.latest.values() if change[0] > since)
    assert store.snapshots() == {name: revision for name, (revision, _) in sorted(model.named.items())}
    for name, (revision, live) in model.named.items():
        view = store.at(name)
        assert view.revision == revision
        assert {key: (view.revision_of(key), view.get(key)) for key in view.keys("")} == live


def random_changes(dice, live):
    live = set(live)
    changes = []
    for _ in range(dice.randrange(1, 4)):
        key = dice.choice(KEYS)
        if key in live and dice.random() < 0.5:
            changes.append(("delete", key))
            live.discard(key)
        else:
            changes.append(
                ("put", key, dice.choice([None, dice.randrange(100), "ü" * dice.randrange(5), [{"a": dice.random()}]]))
            )
            live.add(key)
    return changes


@pytest.mark.parametrize("seed", range(6))
def test_a_long_life_with_compactions_and_reopenings(tmp_path, seed):
    dice = random.Random(seed)
    model = Model()
    size = dice.choice([1, 200, 65536])
    store = satchel.open(tmp_path, segment_bytes=size)
    for step in range(60):
        chance = dice.random()
        if chance < 0.6:
            changes = random_changes(dice, model.live)
            model.write(changes)
            assert store.write(changes) == model.revision
        elif chance < 0.72:
            model.named[f"s{step}"] = (model.revision, copy.deepcopy(model.live))
            assert store.snapshot(f"s{step}") == model.revision
        elif chance < 0.8 and model.named:
            name = dice.choice(sorted(model.named))
            del model.named[name]
            store.drop(name)
        elif chance < 0.9:
            store.compact()
        else:
            store.close()
            store = satchel.open(tmp_path, segment_bytes=size)
        if step % 5 == 4:
            agree(store, model)
    for _ in range(2):
        store.close()
        store = satchel.open(tmp_path, segment_bytes=size)
        agree(store, model)
        store.compact()
    store.close()


def test_the_revision_survives_when_all_is_deleted_and_compacted(tmp_path):
    with satchel.open(tmp_path) as store:
        store.put("a", 1)
        store.delete("a")
        store.compact()
    with satchel.open(tmp_path) as store:
        assert (store.revision, store.changes(0)) == (2, [(2, "a", "delete")])
        assert store.put("a", 1) == 3


def test_a_dropped_snapshot_stays_dropped_and_its_name_can_be_used_again_after_reopening(tmp_path):
    with satchel.open(tmp_path) as store:
        store.put("a", 1)
        store.snapshot("s")
        store.put("a", 2)
        store.compact()
        store.drop("s")
    with satchel.open(tmp_path) as store:
        assert store.snapshots() == {}
        store.snapshot("s")
        store.put("a", 3)
        store.compact()
    with satchel.open(tmp_path) as store:
        assert (store.at("s").get("a"), store.at("s").revision, store.get("a")) == (2, 2, 3)


def test_deletions_stay_hidden_in_snapshots_after_compaction(tmp_path):
    """An early snapshot keeps an old value alive in the file; a later one must not show it."""
    with satchel.open(tmp_path) as store:
        store.put("a", 1)
        store.snapshot("early")
        store.delete("a")
        store.put("b", 1)
        store.snapshot("late")
        store.put("a", 2)
        store.compact()
    with satchel.open(tmp_path) as store:
        assert (store.at("early").keys(), store.at("late").keys(), store.keys()) == (["a"], ["b"], ["a", "b"])


def test_every_prefix_of_the_log_is_a_state_that_was(tmp_path):
    """Wherever a crash cuts the file, the store opens as it was after some call."""
    dice = random.Random(5)
    states = [{}]
    with satchel.open(tmp_path / "whole") as store:
        live = {}
        for _ in range(8):
            changes = random_changes(dice, live)
            store.write(changes)
            live = {key: store.get(key) for key in store.keys("")}
            states.append(live)
    content = (tmp_path / "whole" / "000001.log").read_bytes()
    for cut in range(0, len(content) + 1, 7):
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "000001.log").write_bytes(content[:cut])
        with satchel.open(folder) as store:
            assert {key: store.get(key) for key in store.keys("")} == states[store.revision]
            assert store.revision == content[:cut].count(b"\n")
            store.put("after", cut)
        with satchel.open(folder) as store:
            assert store.get("after") == cut


def test_a_failed_batch_leaves_no_trace_in_the_files(tmp_path):
    with satchel.open(tmp_path) as store:
        store.put("a", 1)
        before = (tmp_path / "000001.log").read_bytes()
        with pytest.raises(KeyError):
            store.write([("put", "b", 1), ("delete", "c")])
        with pytest.raises(TypeError):
            store.write([("put", "b", 1), ("put", "c", ())])
        assert (tmp_path / "000001.log").read_bytes() == before
    with satchel.open(tmp_path) as store:
        assert store.keys() == ["a"]
