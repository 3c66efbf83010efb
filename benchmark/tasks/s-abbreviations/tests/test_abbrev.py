import random

from abbrev import NotResolved, resolve

NAMES = ("run", "run-tests", "remove-tag", "remove-tag-all", "reset", "reset-state", "show-log", "show-long-list")


def refused(word, names=NAMES):
    """The candidates and the text of the error; ``None`` when there is none."""
    try:
        resolve(word, names)
    except NotResolved as error:
        return error.candidates, str(error)
    return None


def test_a_name_itself():
    for name in NAMES:
        assert resolve(name, NAMES) == name


def test_a_name_that_begins_another():
    assert resolve("run", NAMES) == "run"
    assert resolve("reset", NAMES) == "reset"


def test_one_name_begins_with_the_word():
    assert resolve("run-", NAMES) == "run-tests"
    assert resolve("remove-tag-", NAMES) == "remove-tag-all"
    assert resolve("show-lon", NAMES) == "show-long-list"


def test_several_names_begin_with_the_word():
    assert refused("re") == (
        ("remove-tag", "remove-tag-all", "reset", "reset-state"),
        "ambiguous: remove-tag, remove-tag-all, reset, reset-state",
    )
    assert refused("show-lo") == (("show-log", "show-long-list"), "ambiguous: show-log, show-long-list")


def test_a_beginning_counts_before_an_abbreviation():
    assert resolve("a-b", ["a-bc", "ax-bx"]) == "a-bc"
    assert resolve("a-b", ["a-bc-d", "ax-bx"]) == "a-bc-d"
    assert refused("a-b", ["a-bc", "a-bd", "ax-bx"])[0] == ("a-bc", "a-bd")


def test_a_beginning_counts_before_fitting_length():
    assert refused("a", ["ab", "ac-d"])[0] == ("ab", "ac-d")


def test_parts_are_abbreviated():
    assert resolve("ru-t", NAMES) == "run-tests"
    assert resolve("r-s", NAMES) == "reset-state"
    assert resolve("s-l-l", NAMES) == "show-long-list"
    assert resolve("reset-s", NAMES) == "reset-state"


def test_as_many_parts_count_first():
    assert resolve("rem-t", NAMES) == "remove-tag"
    assert resolve("rem-t-a", NAMES) == "remove-tag-all"
    assert resolve("s-l", NAMES) == "show-log"


def test_fewer_parts_will_do_where_nothing_else_fits():
    assert resolve("s-lon", NAMES) == "show-long-list"
    assert resolve("x-y", ["xa-ya-za"]) == "xa-ya-za"


def test_ambiguous_abbreviations():
    assert refused("r-t") == (("remove-tag", "run-tests"), "ambiguous: remove-tag, run-tests")
    assert refused("x-y", ["xb-yb-z", "xa-ya-z"]) == (("xa-ya-z", "xb-yb-z"), "ambiguous: xa-ya-z, xb-yb-z")
    assert refused("x-y", ["xb-yb", "xa-ya", "xa-ya-z"])[0] == ("xa-ya", "xb-yb")


def test_a_word_with_too_many_parts():
    assert refused("r-t-a-x") == ((), "unknown: r-t-a-x")
    assert refused("ru-t-x")[0] == ()


def test_parts_are_compared_from_the_first():
    assert refused("tests")[0] == ()
    assert refused("t")[0] == ()
    assert refused("rem-all")[0] == ()


def test_capitals_and_underscores():
    assert resolve("RUN_tests", NAMES) == "run-tests"
    assert resolve("Ru_T", NAMES) == "run-tests"
    assert refused("R_T") == (("remove-tag", "run-tests"), "ambiguous: remove-tag, run-tests")


def test_unknown_words_are_shown_as_they_were_typed():
    assert refused("No_Such") == ((), "unknown: No_Such")
    assert refused("") == ((), "unknown: ")
    assert refused(" run") == ((), "unknown:  run")


def test_empty_words_and_parts():
    assert refused("", ["run"])[0] == ()
    assert refused("-", NAMES)[0] == ()
    assert refused("r--t")[0] == ()
    assert refused("-run")[0] == ()
    assert refused("ru-")[0] == ()


def test_no_commands():
    assert refused("run", []) == ((), "unknown: run")


def test_any_collection():
    assert resolve("ru-t", set(NAMES)) == "run-tests"
    assert resolve("ru-t", dict.fromkeys(NAMES)) == "run-tests"
    assert resolve("ru-t", ["run-tests", "run-tests"]) == "run-tests"


def test_it_is_a_value_error():
    assert issubclass(NotResolved, ValueError)


def test_the_order_of_commands_does_not_matter():
    dice = random.Random(2)
    for _ in range(200):
        names = [
            "-".join(
                "".join(dice.choice("ab") for _ in range(dice.randrange(1, 4))) for _ in range(dice.randrange(1, 4))
            )
            for _ in range(8)
        ]
        word = "-".join(
            "".join(dice.choice("ab") for _ in range(dice.randrange(1, 3))) for _ in range(dice.randrange(1, 4))
        )
        results = []
        for _ in range(3):
            dice.shuffle(names)
            results.append(refused(word, names) or resolve(word, names))
        assert results[0] == results[1] == results[2]
        for name in names:
            assert resolve(name, names) == name
