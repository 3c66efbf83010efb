"""The register, one rule at a time."""

import pytest
import vitrine
from vitrine.facts import Change


@pytest.fixture
def register(tmp_path):
    register = vitrine.Register.create(tmp_path / "museum", "ada")
    register.do(
        "ada",
        ("add", "place/hall", {"room": 2, "inside": ""}),
        ("add", "item", {"title": "Jar", "place": "hall"}),
        ("add", "person/bo", {"role": "visitor"}),
        ("add", "person/po", {"role": "porter"}),
        ("add", "person/re", {"role": "registrar"}),
    )
    return register


def test_a_new_register(tmp_path):
    register = vitrine.Register.create(str(tmp_path), "ada")
    assert register.facts == {"person/ada/role": "curator"}
    assert [(e.number, e.by, e.changes, e.undoes) for e in register.entries] == [
        (1, "ada", (Change("person/ada/role", None, "curator"),), None)
    ]
    with pytest.raises(FileExistsError):
        vitrine.Register.create(tmp_path, "bo")
    with pytest.raises(vitrine.BadOperation):
        vitrine.Register.create(tmp_path / "other", "Ada")
    with pytest.raises(FileNotFoundError):
        vitrine.Register(tmp_path / "none")


def test_one_entry_for_all_operations(register):
    assert register.entries[1].things == ["item/i1", "person/bo", "person/po", "person/re", "place/hall"]
    entry = register.do(
        "re", ("change", "item/i1", {"title": "Urn"}), ("change", "item/i1", {"note": "x", "title": "Jug"})
    )
    assert (entry.number, entry.by, entry.undoes) == (3, "re", None)
    assert entry.changes == (Change("item/i1/note", "", "x"), Change("item/i1/title", "Jar", "Jug"))
    assert register.entries[-1] == entry
    assert register.facts["item/i1/title"] == "Jug"


def test_nothing_changes(register):
    assert register.do("bo") is None
    assert register.do("re", ("change", "item/i1", {"title": "Urn"}), ("change", "item/i1", {"title": "Jar"})) is None
    assert len(register.entries) == 2


def test_facts_are_a_copy(register):
    register.facts.clear()
    assert register.facts


@pytest.mark.parametrize(
    ("actor", "operation", "error"),
    [
        ("eve", ("add",), vitrine.Denied),
        ("bo", ("remove", "item/i1"), vitrine.Denied),
        ("re", ("remove", "item/i2"), vitrine.NotFound),
        ("re", ("paint",), vitrine.BadOperation),
        ("re", ("change", "place/hall", {"room": 0}), vitrine.Refused),
        ("ada", ("change", "person/ada", {"role": "visitor"}), vitrine.Refused),
        ("re", ("remove", "place/hall"), vitrine.Refused),
    ],
)
def test_errors_leave_all_as_it_was(register, actor, operation, error):
    before = (register.facts, register.entries)
    with pytest.raises(error):
        register.do(actor, operation)
    assert (register.facts, register.entries) == before


def test_refused_says_why(register):
    with pytest.raises(vitrine.Refused) as caught:
        register.do("ada", ("change", "place/hall", {"room": 0}), ("change", "person/ada", {"role": "porter"}))
    assert caught.value.problems == ["no curator", "place/hall: 1 items, room for 0"]
    assert str(caught.value) == "no curator; place/hall: 1 items, room for 0"


def test_undo_and_undo_of_undo(register):
    register.do("re", ("change", "item/i1", {"title": "Urn"}))
    back = register.undo("re", 3)
    assert (back.number, back.by, back.undoes, back.changes) == (4, "re", 3, (Change("item/i1/title", "Urn", "Jar"),))
    assert register.undo("ada", 4).changes == (Change("item/i1/title", "Jar", "Urn"),)
    assert register.facts["item/i1/title"] == "Urn"


@pytest.mark.parametrize(
    ("actor", "number", "error"),
    [("eve", 1, vitrine.Denied), ("ada", 0, vitrine.NotFound), ("ada", 9, vitrine.NotFound), ("ada", 3, vitrine.Stale)],
)
def test_undo_of_what_cannot_be_undone(register, actor, number, error):
    register.do("re", ("change", "item/i1", {"title": "Urn", "note": "x"}))
    register.do("re", ("change", "item/i1", {"note": "y"}))
    with pytest.raises(error):
        register.undo(actor, number)
    assert len(register.entries) == 4


def test_the_past(register):
    register.do("re", ("change", "item/i1", {"title": "Urn"}))
    assert register.at(0) == {}
    assert register.at(2)["item/i1/title"] == "Jar"
    assert register.at(3) == register.facts
    assert (register.search("bo", "jar"), register.search("bo", "jar", 2), register.search("bo", "urn", at=3)) == (
        [],
        ["i1"],
        ["i1"],
    )
    for number in (-1, 4):
        with pytest.raises(ValueError):  # noqa: PT011
            register.at(number)
        with pytest.raises(ValueError):  # noqa: PT011
            register.search("ada", "", number)


def test_views_are_for_people(register):
    assert register.show("bo", "item/i1") == {"place": "hall", "tags": [], "title": "Jar"}
    assert register.inventory("bo") == "hall: 1\n"
    assert [number for number, _, _ in register.history("bo", "item/i1")] == [2]
    for look in (
        lambda: register.show("eve", "item/i1"),
        lambda: register.inventory("eve"),
        lambda: register.search("eve", "-"),
        lambda: register.history("eve", "x"),
    ):
        with pytest.raises(vitrine.Denied):
            look()


def test_opening_again(register, tmp_path):
    register.do("re", ("change", "item/i1", {"title": "Urn"}))
    again = vitrine.Register(tmp_path / "museum")
    assert (again.facts, again.entries, again.index) == (register.facts, register.entries, register.index)
