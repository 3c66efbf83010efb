"""Building, one rule at a time."""

import galley
import pytest


@pytest.fixture
def there(tmp_path):
    lay(tmp_path, **{"a.txt": "2\n1"})
    lay(tmp_path, Galleyfile="set s = x\nmake out/a\n  paste a.txt\nmake out/d/b\n  paste out/a\n  sort\n")
    return tmp_path


def lay(folder, **files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def short(results):
    return [f"{r.status} {r.name}" + f" ({r.reason})" * bool(r.reason) for r in results]


def product(folder, name):
    return (folder / "out" / name).read_bytes().decode()


def test_the_first_build_makes_all(there):
    results = galley.build(there)
    assert short(results) == ["made out/a (new)", "made out/d/b (new)"]
    assert (product(there, "a"), product(there, "d/b")) == ("2\n1\n", "1\n2\n")
    assert all(r.result and r.record for r in results)


def test_the_second_keeps_all(there):
    galley.build(str(there))
    assert short(galley.build(str(there))) == ["kept out/a", "kept out/d/b"]


def test_a_change_goes_on_as_far_as_it_is_seen(there):
    galley.build(there)
    lay(there, **{"a.txt": "1\n2"})
    assert short(galley.build(there)) == ["made out/a (file a.txt changed)", "made out/d/b (file out/a changed)"]
    lay(there, **{"a.txt": "1\n2\n"})
    assert short(galley.build(there)) == ["made out/a (file a.txt changed)", "kept out/d/b"]


def test_products_that_were_lost_or_touched_are_restored(there):
    galley.build(there)
    (there / "out/a").unlink()
    lay(there, **{"out/d/b": "?"})
    assert short(galley.build(there)) == ["restored out/a", "restored out/d/b"]
    assert (product(there, "a"), product(there, "d/b")) == ("2\n1\n", "1\n2\n")


def test_a_file_that_is_right_is_not_written_again(there):
    galley.build(there)
    before = (there / "out/a").stat().st_mtime_ns
    (there / "out/a").chmod(0o444)
    galley.build(there)
    assert (there / "out/a").stat().st_mtime_ns == before


def test_a_failure_and_what_needs_it(there):
    galley.build(there)
    (there / "a.txt").unlink()
    lay(there, Galleyfile=(there / "Galleyfile").read_text() + "make out/c\n  say ok\n")
    results = galley.build(there)
    assert short(results) == ["failed out/a (no file a.txt)", "made out/c (new)", "failed out/d/b (needs out/a)"]
    assert (results[0].result, results[0].record) == ("", "")
    assert [path.name for path in (there / "out").rglob("*") if path.is_file()] == ["c"]


def test_settings(there):
    lay(there, Galleyfile="set s = x\nmake out/a\n  say @s@@t|-@\n  fill\n")
    galley.build(there)
    assert product(there, "a") == "x-\n"
    assert short(galley.build(there, settings={"s": "y", "t": "+"})) == ["made out/a (setting s: x -> y)"]
    assert product(there, "a") == "y+\n"


def test_only_what_is_asked_for_and_needed(there):
    lay(there, Galleyfile="make out/a\n  say a\nmake out/b\n  paste out/c\nmake out/c\n  say c\n")
    assert short(galley.build(there, ["out/b"])) == ["made out/c (new)", "made out/b (new)"]
    assert galley.build(there, []) == []
    with pytest.raises(KeyError):
        galley.build(there, ["out/b", "out/z"])


def test_strangers_go_and_targets_that_were_not_asked_for_stay(there):
    galley.build(there)
    lay(there, **{"out/x/y/z": "", "out/old": ""})
    galley.build(there, ["out/a"])
    assert sorted(path.relative_to(there / "out").as_posix() for path in (there / "out").rglob("*")) == [
        "a",
        "d",
        "d/b",
    ]


def test_a_stranger_in_the_way(there):
    lay(there, **{"out/d": "file", "out/a/b": "folder"})
    assert short(galley.build(there)) == ["made out/a (new)", "made out/d/b (new)"]


@pytest.mark.parametrize(
    ("text", "error"),
    [("make out/a\n  paste out/a\n", galley.CycleError), ("bake\n", galley.BookError), (None, FileNotFoundError)],
)
def test_misuse_changes_nothing(there, text, error):
    galley.build(there)
    lay(there, **{"out/old": ""})
    if text is None:
        (there / "Galleyfile").unlink()
    else:
        lay(there, Galleyfile=text)
    for function in (galley.build, galley.plan):
        with pytest.raises(error):
            function(there)
    assert (there / "out/old").exists()


def test_a_plan_says_what_a_build_would_do(there):
    assert short(galley.plan(there)) == ["made out/a (new)", "made out/d/b (new)"]
    assert not (there / "out").exists()
    galley.build(there)
    assert short(galley.plan(there, ["out/a"], {"s": "y"})) == ["kept out/a"]


def test_the_same_steps_are_run_once_for_two_targets(there):
    lay(there, Galleyfile="make out/a\n  paste a.txt\nmake out/b\n  paste a.txt\n")
    assert short(galley.build(there)) == ["made out/a (new)", "restored out/b"]
    assert product(there, "b") == "2\n1\n"
