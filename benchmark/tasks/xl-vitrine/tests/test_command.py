"""The command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import vitrine

ROOT = Path(vitrine.__file__).resolve().parent.parent


@pytest.fixture
def call(tmp_path):
    def call(actor, *arguments, given=""):
        ended = subprocess.run(
            [sys.executable, "-m", "vitrine", "museum", actor, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"},
            input=given.encode(),
            capture_output=True,
            check=False,
        )
        return ended.returncode, ended.stdout.decode(), ended.stderr.decode()

    return call


def test_a_session(call):
    assert call("ada", "init") == (0, "", "")
    operations = [
        ["add", "place/hall", {"inside": "", "room": 1}],
        ["add", "item", {"title": "Krüge", "place": "hall"}],
        ["add", "person/bo", {"role": "visitor"}],
    ]
    assert call("ada", "do", given=json.dumps(operations)) == (0, "entry 2: item/i1 person/bo place/hall\n", "")
    assert call("ada", "do", given="[]") == (0, "nothing changed\n", "")
    assert call("bo", "show", "item/i1") == (0, 'place: "hall"\ntags: []\ntitle: "Krüge"\n', "")
    assert call("bo", "history", "place/hall") == (0, '2 ada inside: null -> ""\n2 ada room: null -> 1\n', "")
    assert call("bo", "search", "krüge") == (0, "i1\n", "")
    assert call("ada", "inventory") == (0, "hall: 1\n", "")
    assert call("ada", "undo", "2") == (0, "entry 3: item/i1 person/bo place/hall\n", "")
    assert call("ada", "search", "--at", "2", "krü*") == (0, "i1\n", "")


@pytest.mark.parametrize(
    ("actor", "arguments", "given", "status"),
    [
        ("eve", ["inventory"], "", 1),
        ("ada", ["show", "item/i1"], "", 1),
        ("ada", ["undo", "1"], "", 1),
        ("ada", ["undo", "7"], "", 1),
        ("ada", ["do"], "[[]]", 2),
        ("ada", ["do"], "{}", 2),
        ("ada", ["do"], "[", 2),
        ("ada", ["search", "a||b"], "", 2),
        ("ada", ["search", "a", "--at", "9"], "", 2),
        ("ada", ["init"], "", 2),
        ("ada", ["dust"], "", 2),
    ],
)
def test_errors(call, tmp_path, actor, arguments, given, status):
    vitrine.Register.create(tmp_path / "museum", "ada")
    code, out, err = call(actor, *arguments, given=given)
    assert (code, out) == (status, "")
    assert arguments == ["dust"] or (err.startswith("vitrine: ") and err.count("\n") == 1)


def test_no_register_and_a_damaged_one(call, tmp_path):
    assert call("ada", "inventory")[0] == 2
    vitrine.Register.create(tmp_path / "museum", "ada")
    path = tmp_path / "museum" / "journal.jsonl"
    path.write_text(path.read_text().replace("curator", "visitor"))
    code, out, err = call("ada", "inventory")
    assert (code, out, err[:9]) == (3, "", "vitrine: ")
