"""Files: sections, profiles, operators, includes, overrides, and what is wrong with a line."""

import random

import pytest
from layered import Settings, SettingsError, load


@pytest.fixture
def write(tmp_path):
    def put(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return put


def values(settings):
    return {name: settings.text(name) for name in settings.names()}


def complaint(*arguments, **named):
    with pytest.raises(SettingsError) as caught:
        load(*arguments, **named)
    return str(caught.value)


def test_lines_of_all_kinds(write):
    here = write(a="# head\n\n  one = 1 # no comment\n[ s ]\ntwo=a = b\n  three =\nincl-ude_2 = x\n[main]\none= é\n")
    settings = load(here / "a")
    assert isinstance(settings, Settings)
    assert values(settings) == {"main.one": "é", "s.two": "a = b", "s.three": "", "s.incl-ude_2": "x"}
    assert settings.names() == ["main.one", "s.incl-ude_2", "s.three", "s.two"]
    assert settings.origin("main.one") == "a:9"
    assert values(load(str(here / "a"))) == values(settings)


def test_continued_lines(write):
    here = write(a="a = x   \\\n   y\\\nz\n# not me \\\nb = 1\nc = \\\n\nd = 2\ne =\\\n# still\nf = end\\")
    settings = load(here / "a")
    assert values(settings) == {
        "main.a": "x y z",
        "main.b": "1",
        "main.c": "",
        "main.d": "2",
        "main.e": "# still",
        "main.f": "end",
    }
    assert [settings.origin(f"main.{key}") for key in "abdef"] == ["a:1", "a:5", "a:8", "a:9", "a:11"]


def test_appending(write):
    here = write(a="a += 1\na += 2\nb =\nb += 3\nc = x\nc += \nd = 1\n[s]\na += 9\n")
    settings = load(here / "a")
    assert values(settings) == {"main.a": "1, 2", "main.b": "3", "main.c": "x, ", "main.d": "1", "s.a": "9"}
    assert settings.origin("main.a") == "a:2"


def test_removing(write):
    here = write(a="a = 1\nb = 2\na -=\nnever -=\nb-=\nb += 3\n[s]\nb -=\n")
    assert values(load(here / "a")) == {"main.b": "3"}


def test_profiles_count_where_they_stand(write):
    here = write(a="[s]\na = 1\nb = 1\n[s : test]\na = 2\nb = 2\nc -=\n[s:live]\na = 3\n[s]\nb = 4\nc = 5\n")
    assert values(load(here / "a")) == {"s.a": "1", "s.b": "4", "s.c": "5"}
    assert values(load(here / "a", profile="test")) == {"s.a": "2", "s.b": "4", "s.c": "5"}
    assert values(load(here / "a", "live")) == {"s.a": "3", "s.b": "4", "s.c": "5"}


def test_lines_of_other_profiles_are_checked_but_not_followed(write):
    here = write(a="x = 1\n[s : p]\ninclude nowhere\nx -=\nx += 2\n[main]\ny = 2\n", b="[s : p]\nnonsense\n")
    assert values(load(here / "a")) == {"main.x": "1", "main.y": "2"}
    assert complaint(here / "a", "p") == "a:3: cannot read 'nowhere'"
    assert complaint(here / "b") == "b:2: expected '[section]', 'key = value' or 'include PATH'"


def test_includes_take_effect_at_their_place(write):
    here = write(
        top="a = 1\nb = 1\n[s]\nx = 1\ninclude sub/in\ny = 2\n[main]\nb = 3\n",
        sub__in="a = 2\nb = 2\n[t]\nz = 1\n[s]\nx = 5\n",
    )
    settings = load(here / "top")
    assert values(settings) == {"main.a": "2", "main.b": "3", "s.x": "5", "s.y": "2", "t.z": "1"}
    assert (settings.origin("main.a"), settings.origin("s.y")) == ("in:1", "top:6")


def test_paths_start_from_the_file_that_includes(write, monkeypatch, tmp_path):
    here = write(top="include d/one\n", d__one="include two.conf\ninclude ../three\n", three="c = 3\n")
    (here / "d" / "two.conf").write_text("b = 2\n")
    monkeypatch.chdir(tmp_path / "d")
    assert values(load("../top")) == {"main.b": "2", "main.c": "3"}
    (here / "abs").write_text(f"include {here / 'three'}\n")
    assert values(load(here / "abs")) == {"main.c": "3"}


def test_optional_includes_and_a_key_named_include(write):
    here = write(a="include? gone\ninclude = 3\ninclude += 4\nx = 1\ninclude? b\n", b="x = 2\n")
    assert values(load(here / "a")) == {"main.include": "3, 4", "main.x": "2"}


def test_a_file_may_be_included_again(write):
    here = write(
        top="include one\ninclude two\ninclude one\n",
        one="a += 1\ninclude? zero\n",
        two="include one\n",
        zero="b += 2\n",
    )
    assert values(load(here / "top")) == {"main.a": "1, 1, 1", "main.b": "2, 2, 2"}


def test_include_cycles(write):
    here = write(top="include mid\n", mid="x = 1\n\ninclude d/low\n", d__low="include ../mid\n", me="include? me\n")
    assert complaint(here / "top") == "low:1: include cycle: mid -> low -> mid"
    assert complaint(here / "me") == "me:1: include cycle: me -> me"


@pytest.mark.parametrize(
    "line",
    [
        *("just words", "[a", "[a b]", "[]", "[a : ]", "[x-]", "a.b = 1", "= 1", ": = 2", "-a = 1", "ä = 1"),
        *("a -= 1", "a-= 1", "include", "include?", "include?x"),
    ],
)
def test_lines_of_no_kind(write, line):
    here = write(a=f"ok = 1\n\n{line}\nalso wrong\n")
    assert complaint(here / "a") == "a:3: expected '[section]', 'key = value' or 'include PATH'"


def test_files_that_cannot_be_read(write, tmp_path):
    here = write(a="x = 1\ninclude d/../gone.conf\nnonsense\n", b="include bad\n")
    (here / "bad").write_bytes(b"a = \xff\n")
    (here / "d").mkdir()
    assert complaint(here / "a") == "a:2: cannot read 'd/../gone.conf'"
    assert complaint(here / "b") == "b:1: cannot read 'bad'"
    assert complaint(str(tmp_path / "gone")) == f"cannot read '{tmp_path / 'gone'}'"


def test_overrides_come_last_and_in_order(write):
    here = write(a="a = 1\nb = 2\nc = 3\n")
    settings = load(here / "a", overrides=["main.a=5=6", "s.new = x", "main.b+=7", "main.c-=", "main.a+=8"])
    assert values(settings) == {"main.a": "5=6, 8", "main.b": "2, 7", "s.new": "x"}
    assert [settings.origin(name) for name in settings.names()] == ["override 5", "override 3", "override 2"]


@pytest.mark.parametrize("text", ["a=1", "main.a", "main.=1", ".a=1", "main.a-=1", "a.b.c=1", ""])
def test_overrides_of_no_kind(write, text):
    here = write(a="a = 1\n")
    assert complaint(here / "a", overrides=["main.b=1", text]) == "override 2: expected 'section.key=value'"


def test_the_last_word_wins_in_any_mixture(write):
    rng = random.Random(4)
    for _ in range(40):
        expected, lines, section = {}, [], "main"
        for number in range(rng.randrange(1, 30)):
            roll, key = rng.random(), rng.choice("abc")
            name = f"{section}.{key}"
            if roll < 0.2:
                section = rng.choice(["main", "s", "t"])
                lines.append(f"[{section}]")
            elif roll < 0.6:
                lines.append(f"{key} = {number}")
                expected[name] = str(number)
            elif roll < 0.85:
                lines.append(f"{key} += {number}")
                expected[name] = f"{expected[name]}, {number}" if name in expected else str(number)
            else:
                lines.append(f"{key} -=")
                expected.pop(name, None)
        here = write(a="\n".join(lines))
        assert values(load(here / "a")) == expected
