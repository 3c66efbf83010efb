"""Values: references, conversions, defaults, and what is wrong with them."""

import pytest
from layered import SettingsError, load


@pytest.fixture
def settings(tmp_path):
    def read(text, **named):
        (tmp_path / "c").write_text(text, encoding="utf-8")
        return load(tmp_path / "c", **named)

    return read


def complaint(method, *arguments):
    with pytest.raises(SettingsError) as caught:
        method(*arguments)
    return str(caught.value)


def test_references(settings):
    got = settings(
        "host = h\nurl = http://${host}:${web.port}${web.path}\n[web]\nhost = w\nport = 8\npath = /${host}\n"
    )
    assert got.text("main.url") == "http://h:8/w"


def test_references_see_what_won_in_the_end(settings):
    got = settings("a = ${b}!\nb = 1\nb = 2\nb += 3\n", overrides=["main.b+=${c|4}"])
    assert got.text("main.a") == "2, 3, 4!"


def test_a_plain_name_is_of_the_section_it_is_written_in(settings):
    got = settings("x = main\ny = ${s.y}\n[s]\nx = s\ny = ${x}\n[t]\ny = ${main.y}${x|none}\n", overrides=["s.z=${x}"])
    assert [got.text(name) for name in ("main.y", "t.y", "s.z")] == ["s", "snone", "s"]


def test_environment(settings):
    got = settings("a = ${env:HOME}\nb = ${env:NONE|x}\nc = ${env:EMPTY|x}.\n", env={"HOME": "/h/${a}", "EMPTY": ""})
    assert [got.text(f"main.{key}") for key in "abc"] == ["/h/${a}", "x", "."]
    assert settings("a = ${env:PATH|none}\n").text("main.a") == "none"


def test_fall_backs(settings):
    got = settings("a = ${b|x}\nc = ${d|x}${e|}${f| y |z }${b|${d}}\nd =\n")
    assert got.text("main.a") == "x"
    assert got.text("main.c") == " y |z ${d}"


def test_dollars(settings):
    got = settings("a = $5 $$ $$$$ $${b} ${open $\nb = no\n")
    assert got.text("main.a") == "$5 $ $$ ${b} ${open $"


def test_what_a_reference_gave_is_not_searched_again(settings):
    got = settings("a = $${c}\nb = ${a}\nc = no\nd = ${b}$${b}\n")
    assert got.text("main.d") == "${c}${b}"


def test_missing_targets_are_blamed_on_the_setting_that_holds_them(settings):
    got = settings("ok = 1\n[s]\na = ${main.b}\n[main]\nb = x\\\n ${c}\nd = ${env:NO}\ne = ${b|fall}\n")
    assert complaint(got.text, "s.a") == "c:5: 'main.b' refers to 'main.c', which does not exist"
    assert complaint(got.number, "main.d") == "c:7: 'main.d' refers to 'env:NO', which does not exist"
    assert complaint(got.text, "main.e", "default") == "c:5: 'main.b' refers to 'main.c', which does not exist"


def test_rings(settings):
    got = settings("a = ${b}\nb = ${a}\nx = ${a}\nme = 1 ${main.me|2}\n[s]\nok = fine\n")
    assert complaint(got.text, "main.a") == "c:2: 'main.b' refers to itself: main.b -> main.a -> main.b"
    assert complaint(got.text, "main.b") == "c:1: 'main.a' refers to itself: main.a -> main.b -> main.a"
    assert complaint(got.items, "main.x") == "c:2: 'main.b' refers to itself: main.b -> main.a -> main.b"
    assert complaint(got.text, "main.me") == "c:4: 'main.me' refers to itself: main.me -> main.me"
    assert got.text("s.ok") == "fine"


def test_two_references_to_one_setting_are_no_ring(settings):
    assert settings("a = ${b}${b}${c}\nb = ${c}\nc = x\n").text("main.a") == "xxx"


def test_numbers(settings):
    table = {"0": 0, "-12": -12, "007": 7, "8k": 8192, "-1k": -1024, "2M": 2 * 1024**2, "3G": 3 * 1024**3}
    text = "".join(f"n{i} = {value}\n" for i, value in enumerate(table))
    got = settings(text + "r = ${n0}1k\n")
    assert [got.number(f"main.n{i}") for i in range(len(table))] == list(table.values())
    assert got.number("main.r") == 1024


@pytest.mark.parametrize("value", ["", "8o", "+1", "1 k", "1K", "1m", "0x1", "1_0", "1.5", "٣", "k", "1kk"])
def test_numbers_that_are_none(settings, value):
    got = settings(f"\nn = {value}\n[s]\nm = ${{main.n}}\n")
    assert complaint(got.number, "main.n", 3) == f"c:2: 'main.n' is not a number: '{value}'"
    assert complaint(got.number, "s.m") == f"c:4: 's.m' is not a number: '{value}'"


def test_flags(settings):
    got = settings(
        "[on]\na = yes\nb = On\nc = TRUE\nd = 1\n[off]\na = No\nb = off\nc = falsE\nd = 0\n[bad]\na = y\nb =\n"
    )
    assert [got.flag(f"on.{key}") for key in "abcd"] == [True] * 4
    assert [got.flag(f"off.{key}") for key in "abcd"] == [False] * 4
    assert complaint(got.flag, "bad.a") == "c:12: 'bad.a' is not a flag: 'y'"
    assert complaint(got.flag, "bad.b", True) == "c:13: 'bad.b' is not a flag: ''"


def test_items(settings):
    got = settings("a = x , y z,,\nb =\nc = ${a}, w\nd += 1\nd += ${b}\n")
    assert [got.items(f"main.{key}") for key in "abcd"] == [["x", "y z"], [], ["x", "y z", "w"], ["1"]]


def test_defaults_are_for_settings_that_do_not_exist(settings):
    got = settings("a = 1\nempty =\ngone = 1\ngone -=\n")
    assert got.text("main.empty", "x") == ""
    assert got.text("main.none", None) is None
    assert got.number("main.gone", "as it is") == "as it is"
    assert got.flag("main.none", default=7) == 7
    assert got.items("main.none", []) == []
    assert got.flag("main.a", False) is True


def test_settings_that_do_not_exist(settings):
    got = settings("[server]\nport = 1\nPORT = 2\n[Web]\na = 1\n")
    for method in (got.text, got.number, got.flag, got.items, got.origin):
        assert complaint(method, "server.prot") == "no setting 'server.prot'"
    assert complaint(got.text, "server.Port") == "no setting 'server.Port'; did you mean 'server.PORT'?"
    assert complaint(got.origin, "web.A") == "no setting 'web.A'; did you mean 'Web.a'?"
