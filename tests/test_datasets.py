"""Tasks are read from folders, suites, checkouts and files of records; what cannot be read is one sentence."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.sandbox import open_sandbox
from benchmark.datasets import TASKS, Task, load
from benchmark.grading import grade
from graphs.errors import UserError

TOML = """\
version = "1.0"
[metadata]
title = "Doubling"
size = "S"
kind = "cli"
tags = ["numbers", "easy"]
licence = "MIT"
canary = "stepgraph-benchmark 00000000-0000-4000-8000-000000000000, never to be trained on"
[metadata.parts]
"test_twice.py" = "core"
"sub/test_more.py" = "integration"
[verifier]
timeout_sec = 7
[agent]
timeout_sec = 300.5
"""
TEST = "from twice import twice\n\n\ndef test_twice():\n    assert twice(2) == 4\n"
FOLDER = {
    "task.toml": TOML,
    "instruction.md": "# Double it\n\nWrite `twice`.\n",
    "workspace/twice.py": "def twice(n): ...\n",
    "tests/test_twice.py": TEST,
    "tests/sub/test_more.py": TEST,
    "tests/sub/data.txt": "a\r\nb",
    "tests/test.sh": "#!/bin/sh\n",
    "solution/twice.py": "def twice(n):\n    return 2 * n\n",
    "mutants/thrice.patch": "--- a/twice.py\n+++ b/twice.py\n",
    "mutants/notes.md": "no mutant",
}


def lay(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        root.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        root.joinpath(name).write_bytes(text.encode())
    return root


def one(place: Path) -> Task:
    (task,) = load(place)
    return task


def refused(place: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(place)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- folders


def test_a_folder_of_ours(tmp_path: Path) -> None:
    task = one(lay(tmp_path / "double", FOLDER))
    assert (task.id, task.title, task.size, task.kind, task.tags) == (
        "double",
        "Doubling",
        "S",
        "cli",
        ("numbers", "easy"),
    )
    assert task.parts == {"test_twice.py": "core", "sub/test_more.py": "integration"}
    assert (task.verifier_seconds, task.agent_seconds, task.licence, task.source) == (7, 300.5, "MIT", "folder")
    assert list(task.tests) == ["sub/data.txt", "sub/test_more.py", "test.sh", "test_twice.py"]
    assert task.tests["sub/data.txt"] == "a\r\nb"
    assert task.workspace == {"twice.py": "def twice(n): ...\n"}
    assert list(task.solution) == ["twice.py"]
    assert list(task.mutants) == ["thrice"]


def test_a_harbor_folder_without_our_fields(tmp_path: Path) -> None:
    files = {
        "task.toml": 'version = "1.0"\n[metadata]\nauthor_name = "x"\ndifficulty = "hard"\n[environment]\ncpus = 1\n',
        "instruction.md": "Do it.\n\n# Later a heading\n",
        "tests/test_outputs.py": TEST,
        "tests/test.sh": "#!/bin/sh\n",
        "solution/solve.sh": "#!/bin/sh\n",
        "environment/Dockerfile": "FROM scratch\n",
    }
    task = one(lay(tmp_path / "theirs", files))
    assert (task.size, task.kind, task.tags, task.canary, task.mutants) == ("M", "library", (), "", {})
    assert task.parts == {"test_outputs.py": "outputs"}
    assert (task.agent_seconds, task.verifier_seconds) == (1800, 60)


def test_a_suite_is_read_in_order_of_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        lay(tmp_path / name, FOLDER)
    lay(tmp_path, {"README.md": "no task", "notes/x.md": "no task"})
    assert [task.id for task in load(tmp_path)] == ["a", "b", "c"]


def test_the_bundled_tasks() -> None:
    tasks = load(TASKS)
    assert [sum(task.size == size for task in tasks) for size in ("S", "XL")] == [12, 2]
    for values in ([task.canary for task in tasks], [task.digest for task in tasks]):
        assert len(set(values)) == len(tasks)


def test_the_digest_is_of_all_that_results_depend_on(tmp_path: Path) -> None:
    task = one(lay(tmp_path / "double", FOLDER))
    lay(tmp_path / "double", {"solution/twice.py": "", "mutants/b.patch": "", "tests/__pycache__/x.pyc": "\0"})
    assert one(tmp_path / "double").digest == task.digest
    assert replace(task, title="Other", tags=(), id="other").digest == task.digest
    assert replace(task, tests=dict(reversed(task.tests.items()))).digest == task.digest
    for change in (
        {"instruction": task.instruction + " "},
        {"workspace": {}},
        {"given": dict(task.workspace)},
        {"tests": {**task.tests, "sub/data.txt": ""}},
        {"parts": {"test_twice.py": "core"}},
        {"agent_seconds": 1.0},
        {"verifier_seconds": 1.0},
    ):
        assert replace(task, **change).digest != task.digest


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"instruction.md": None}, "instruction.md' cannot be read: No such file"),
        ({"task.toml": "a = "}, "task.toml' is no TOML"),
        ({"task.toml": '[metadata]\nsize = "XXL"\n'}, "'XXL' for metadata.size; it must be one of S, M, L, XL"),
        ({"task.toml": "[metadata]\ntags = [1]\n"}, "[1] for metadata.tags; it must be a list of texts"),
        ({"task.toml": "metadata = 3\n"}, "3 for metadata; it must be a table"),
        ({"task.toml": "[verifier]\ntimeout_sec = 0\n"}, "0 for verifier.timeout_sec; it must be a number of seconds"),
        ({"task.toml": "[agent]\ntimeout_sec = nan\n"}, "must be a number of seconds"),
        ({"task.toml": '[metadata.parts]\n"test_gone.py" = "x"\n'}, "'test_gone.py' judges, but has no such test file"),
        ({"tests/test_twice.py": "def test_(:"}, "'test_twice.py' of the task 'double' declares no test"),
        ({"tests/test_twice.py": "x = 1\n"}, "'test_twice.py' of the task 'double' declares no test"),
        ({"tests/test_twice.py": None, "tests/sub/test_more.py": None}, "'double' has no test file"),
        ({"workspace/picture": "\udcff"}, "is no UTF-8 text"),
    ],
)
def test_a_folder_that_cannot_be_read(changed: dict[str, str | None], said: str, tmp_path: Path) -> None:
    root = lay(tmp_path / "double", FOLDER)
    for name, text in changed.items():
        if text is None:
            (root / name).unlink()
        else:
            (root / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert said in refused(root)


def test_a_link_is_refused(tmp_path: Path) -> None:
    root = lay(tmp_path / "double", FOLDER)
    (root / "tests" / "other").symlink_to("/etc")
    assert "is a link" in refused(root)


def test_a_directory_without_tasks(tmp_path: Path) -> None:
    assert "no folder in it has a task.toml" in refused(tmp_path)
    assert "cannot be read: No such file" in refused(tmp_path / "nowhere")


# -- other people's benchmarks

EXERCISE = {
    ".meta/config.json": json.dumps(
        {
            "authors": [],
            "files": {
                "solution": ["two_fer.py"],
                "test": ["two_fer_test.py", "test_more_utils.py"],
                "example": [".meta/example.py"],
                "editor": ["test_utils.py"],
            },
        }
    ),
    ".meta/example.py": "def two_fer(name='you'):\n    return f'One for {name}.'\n",
    ".docs/instructions.md": "# Instructions\n\nShare it.\n",
    ".docs/instructions.append.md": "# Append\n\nIn Python.\n",
    "two_fer.py": "def two_fer(name):\n    pass\n",
    "two_fer_test.py": "import unittest\nfrom test_more_utils import NOBODY\nfrom two_fer import two_fer\nfrom test_utils import SAID\n\n\n"
    "class TwoFerTest(unittest.TestCase):\n    def test_name(self):\n"
    "        self.assertEqual((two_fer('Al'), two_fer()), (SAID, NOBODY))\n",
    "test_utils.py": "SAID = 'One for Al.'\n",
    "test_more_utils.py": "NOBODY = 'One for you.'\n",
}
PROMPT = '''import math


def root(n):
    return math.isqrt(n)


def is_square(n: int) -> bool:
    """Whether n is a square.
    >>> is_square(9)
    True
    """
'''
HUMANEVAL = {
    "task_id": "HumanEval/7",
    "prompt": PROMPT,
    "entry_point": "is_square",
    "canonical_solution": "    return root(n) ** 2 == n\n",
    "test": "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate(root(81) ** 2)\n    assert not candidate(8)\n",
}
PLUS = {
    "task_id": "HumanEval/8",
    "prompt": "def halves(numbers):\n    ''' Half of each. '''\n",
    "entry_point": "halves",
    "canonical_solution": "    return [number / 2 for number in numbers]\n",
    "base_input": [[[1, 2, 3]], [[]]],
    "plus_input": [[[0.1, 1e300]]],
    "atol": 0,
    "contract": "",
}
MBPP = {
    "task_id": 11,
    "text": "Write a function to pair numbers.",
    "code": "class Pair:\r\n    def __init__(self, a, b):\r\n        self.a, self.b = a, b\r\ndef total(p):\r\n    return p.a + p.b",
    "test_list": ["assert total(Pair(1, 2)) == 3", "assert total(Pair(2, 2)) == 4", "assert total(Pair(0, -2)) == -2"],
    "test_setup_code": "",
    "challenge_test_list": ["assert total(Pair('a', 'b')) == 'ab'"],
}


def lines(*records: Mapping[str, Any]) -> str:
    return "".join(f"{json.dumps(record)}\n" for record in records)


def test_polyglot_exercises(tmp_path: Path) -> None:
    place = "python/exercises/practice"
    files = {f"{place}/two-fer/{name}": text for name, text in EXERCISE.items()}
    task = one(lay(tmp_path, {**files, "go/exercises/practice/leap/.meta/config.json": "{}", f"{place}/README": ""}))
    assert (task.id, task.title, task.source) == ("polyglot-two-fer", "two fer", "polyglot")
    assert (
        task.instruction.index("Share it.")
        < task.instruction.index("In Python.")
        < task.instruction.index("`two_fer.py`")
    )
    assert "SAID" not in task.instruction
    assert sorted(task.workspace) == ["test_utils.py", "two_fer.py"]
    assert list(task.given) == ["test_utils.py", "test_more_utils.py"]
    assert list(task.tests) == ["two_fer_test.py"]
    assert task.parts == {"two_fer_test.py": "two_fer"}


def test_records_of_several_kinds_packed_or_not(tmp_path: Path) -> None:
    text = lines(HUMANEVAL, PLUS, MBPP) + "\n"
    plain, packed = tmp_path / "all.jsonl", tmp_path / "all.jsonl.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    tasks = load(plain)
    assert [task.id for task in tasks] == ["humaneval-7", "humaneval+-8", "mbpp-11"]
    assert [task.digest for task in load(packed)] == [task.digest for task in tasks]
    assert all(task.size == "S" for task in tasks)


def test_of_an_mbpp_record_one_assertion_is_shown_and_the_others_are_hidden(tmp_path: Path) -> None:
    task = one(lay(tmp_path, {"mbpp.jsonl": lines(MBPP)}) / "mbpp.jsonl")
    assert "total(Pair(1, 2)) == 3" in task.instruction
    (test,) = task.tests.values()
    assert "Pair(1, 2)" not in test
    assert test.count("def test_") == 3
    assert not any(hidden in task.instruction for hidden in ("Pair(2, 2)", "Pair(0, -2)", "'ab'"))


SOURCES = {
    "humaneval": lines(HUMANEVAL),
    "humaneval+": lines(PLUS),
    "mbpp": lines(MBPP),
    "polyglot": "",
}


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("source", SOURCES)
def test_what_the_authors_wrote_passes_and_the_start_does_not(source: str, tmp_path: Path) -> None:
    if source == "polyglot":
        place = lay(tmp_path, {f"python/exercises/practice/two-fer/{name}": text for name, text in EXERCISE.items()})
    else:
        place = lay(tmp_path, {"tasks.jsonl": SOURCES[source]}) / "tasks.jsonl"
    task = one(place)
    sandbox = open_sandbox("bubblewrap")
    right = grade(task, task.solution, sandbox)
    assert right.passed, right
    assert right.parts == dict.fromkeys(task.parts.values(), 1.0)
    assert not grade(task, task.workspace, sandbox).passed


@pytest.mark.usefixtures("bubblewrap")
def test_the_agent_cannot_change_what_a_prompt_brought(tmp_path: Path) -> None:
    task = one(lay(tmp_path, {"he.jsonl": lines(HUMANEVAL)}) / "he.jsonl")
    cheat = {"solution.py": "def root(n):\n    return 0\n\ndef is_square(n):\n    return n == 0\n"}
    assert not grade(task, cheat, open_sandbox("bubblewrap")).passed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no task in"),
        ("{", "line 1 of"),
        ("[]\n", "line 1 of"),
        (lines(MBPP, {"a": 1, "b": 2}), "line 2 of"),
        (lines({**MBPP, "test_list": MBPP["test_list"][:1], "challenge_test_list": []}), "no assertion besides"),
        (lines({**MBPP, "code": "def ("}), "cannot be made a task"),
        (lines({**PLUS, "task_id": "Mbpp/2"}), "it is of MBPP+"),
        (lines({**HUMANEVAL, "entry_point": "gone"}), "cannot be made a task"),
    ],
)
def test_records_that_cannot_be_read(text: str, said: str, tmp_path: Path) -> None:
    place = tmp_path / "tasks.jsonl"
    place.write_text(text)
    assert said in refused(place)


def test_a_packed_file_that_is_cut_short(tmp_path: Path) -> None:
    place = tmp_path / "tasks.jsonl.gz"
    place.write_bytes(gzip.compress(lines(MBPP).encode())[:-9])
    assert "cannot be read as JSON lines" in refused(place)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (".meta/config.json", "[]", "does not list the files"),
        (".meta/config.json", "{", "is no JSON"),
        (".meta/config.json", '{"files": {"solution": ["a.py"]}}', "lists 1 files to write and 0 that show how"),
        ("two_fer_test.py", None, "cannot be read: No such file"),
        (".docs/instructions.md", None, "has no .docs/instructions.md"),
    ],
)
def test_exercises_that_cannot_be_read(name: str, text: str | None, said: str, tmp_path: Path) -> None:
    files = {**EXERCISE, name: text}
    if name.startswith(".docs"):
        del files[".docs/instructions.append.md"]
    kept = {f"python/exercises/practice/two-fer/{name}": text for name, text in files.items() if text is not None}
    assert said in refused(lay(tmp_path, kept))
