"""The file: what is in it, when it is written, and what is no store."""

import json
import os
import subprocess
import sys

import pytest

ROOT = os.getcwd()
LOTS = [
    {"sku": "x", "lot": "a", "quantity": 5, "expires": None},
    {"sku": "x", "lot": "b", "quantity": 2, "expires": "2026-03-01"},
]
STORE = {"version": 1, "lots": LOTS, "orders": {"o": {"x": {"a": 2, "b": 2}}}}


@pytest.fixture
def stockroom(tmp_path):
    def run(*lines, options=()):
        path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "stockroom", "s.json", *options],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
        return done.stdout.splitlines(), done.stderr, done.returncode

    return run


@pytest.fixture
def file(tmp_path):
    return tmp_path / "s.json"


def test_what_is_written(stockroom, file, tmp_path):
    stockroom("receive x 5 a", "receive x 2 b 2026-03-01", "reserve o 2026-01-01 x 4")
    assert json.loads(file.read_text()) == STORE
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]


def test_what_is_read(stockroom, file):
    file.write_text(json.dumps(STORE))
    assert stockroom("stock", "orders", "ship o") == (
        ["x b 2 free 0 expires 2026-03-01", "x a 5 free 3", "o x 4", "pick x b 2", "pick x a 2", "ok"],
        "",
        0,
    )
    assert json.loads(file.read_text()) == {
        "version": 1,
        "lots": [{"sku": "x", "lot": "a", "quantity": 3, "expires": None}],
        "orders": {},
    }


def test_the_file_is_written_only_if_the_store_has_changed(stockroom, file, tmp_path):
    assert stockroom("stock", "orders", "ship o")[2] == 1
    assert list(tmp_path.iterdir()) == []
    text = json.dumps(STORE, indent=7)
    file.write_text(text)
    assert stockroom("stock", "count x a 1", "count x a 5", "scrap 2026-01-01", "receive x 0 a")[2] == 1
    assert file.read_text() == text


def test_all_or_nothing(stockroom, file):
    text = json.dumps(STORE)
    file.write_text(text)
    lines = ("receive y 1 a", "release o x 1", "ship p", "receive y 1 b")
    assert stockroom(*lines, options=["--all-or-nothing"]) == (
        ["ok", "ok", "line 3: no order p", "nothing done"],
        "",
        1,
    )
    assert file.read_text() == text
    assert stockroom(*lines[:2], options=["--all-or-nothing"]) == (["ok", "ok"], "", 0)
    assert json.loads(file.read_text())["orders"] == {"o": {"x": {"a": 1, "b": 2}}}


def test_without_it_the_others_are_done(stockroom, file):
    assert stockroom("receive y 1 a", "ship p", "receive y 1 a")[0] == ["ok", "line 2: no order p", "ok"]
    assert json.loads(file.read_text())["lots"][0]["quantity"] == 2


def lots(**changes):
    return {**STORE, "lots": [{**LOTS[0], **changes}, LOTS[1]]}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"version": 1, "lots": [], "orders": {}',
        {**STORE, "version": 2},
        {"version": 1, "lots": []},
        {**STORE, "lots": {}},
        {**STORE, "orders": []},
        lots(quantity="5"),
        lots(quantity=0),
        lots(quantity=5.0),
        lots(expires="2026-02-29"),
        lots(sku="x y"),
        lots(lot="b"),
        {**STORE, "orders": {"o": {}}},
        {**STORE, "orders": {"o": {"x": {}}}},
        {**STORE, "orders": {"o": {"x": {"a": 0}}}},
        {**STORE, "orders": {"o": {"x": {"c": 1}}}},
        {**STORE, "orders": {"o": {"x": {"a": 3}}, "p": {"x": {"a": 3}}}},
    ],
)
def test_what_is_no_store(stockroom, file, content):
    text = content if isinstance(content, str) else json.dumps(content)
    file.write_text(text)
    assert stockroom("receive x 1 a") == ([], "stockroom: s.json is not a store\n", 2)
    assert file.read_text() == text


def test_a_file_that_cannot_be_read(stockroom, file):
    file.mkdir()
    assert stockroom("stock") == ([], "stockroom: cannot read s.json\n", 2)


def test_wrong_usage(stockroom):
    assert stockroom("stock", options=["more"])[2] == 2
