"""What in a test's own source can come out differently when it runs again."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import pytest

from agent.checks.unsteady import unsteady

P = "tests/test_x.py"

UNSTEADY = {
    "random": ("import random\ndef test_a():\n    assert f(random.randint(1, 6))\n", "chance (random.randint)"),
    "random by another name": ("from random import choice as pick\ndef test_a():\n    assert f(pick([1]))\n", "chance (random.choice)"),
    "generator without a seed": ("import random\ndef test_a():\n    assert f(random.Random().random())\n", "chance (random.Random)"),
    "secrets": ("import secrets\ndef test_a():\n    assert f(secrets.token_hex(8))\n", "chance (secrets.token_hex)"),
    "uuid": ("import uuid\ndef test_a():\n    assert f(str(uuid.uuid4()))\n", "chance (uuid.uuid4)"),
    "urandom": ("import os\ndef test_a():\n    assert f(os.urandom(3))\n", "chance (os.urandom)"),
    "clock": ("import time\ndef test_a():\n    start = time.perf_counter()\n    f(1)\n    assert time.perf_counter() - start < 0.1\n", "the clock (time.perf_counter)"),
    "clock handed on": ("import time\ndef test_a():\n    assert f(clock=time.monotonic)\n", "the clock (time.monotonic)"),
    "now": ("from datetime import datetime\ndef test_a():\n    assert f() == datetime.now().year\n", "the clock (datetime.datetime.now)"),
    "today": ("import datetime as dt\ndef test_a():\n    assert f() == dt.date.today()\n", "the clock (datetime.date.today)"),
    "this moment written": ("import time\ndef test_a():\n    assert f() == time.strftime('%Y')\n", "the clock (time.strftime)"),
    "sleep": ("import time\ndef test_a():\n    f(1)\n    time.sleep(0.1)\n    assert f(2)\n", "the clock (time.sleep)"),
    "thread": ("import threading\ndef test_a():\n    threading.Thread(target=f).start()\n    assert f(2)\n", "threads (threading.Thread)"),
    "thread beside a text that is joined": ("import threading\ndef test_a():\n    threading.Thread(target=f).start()\n    assert ', '.join(f(2))\n", "threads (threading.Thread)"),
    "process": ("from multiprocessing import Process\ndef test_a():\n    Process(target=f).start()\n    assert f(2)\n", "threads (multiprocessing.Process)"),
    "hash": ("def test_a():\n    assert f('a') == hash('a')\n", "hash()"),
    "id": ("def test_a():\n    assert f(1) == id(f)\n", "id()"),
    "set as a list": ("def test_a():\n    assert list(set(f(1))) == ['a', 'b']\n", "the order of a set (list(set))"),
    "set as a text": ("def test_a():\n    assert ''.join({'a', 'b'}) == f(1)\n", "the order of a set (join(set))"),
    "set in a comprehension": ("def test_a():\n    assert [x for x in {c for c in f(1)}] == ['a', 'b']\n", "the order of a set (list of a set)"),
    "one of a set": ("def test_a():\n    assert frozenset(f(1)).pop() == 'a'\n", "the order of a set (pop)"),
    "files": ("import os\ndef test_a(tmp_path):\n    f(tmp_path)\n    assert os.listdir(tmp_path) == ['a', 'b']\n", "the order of files (os.listdir)"),
    "files below": ("def test_a(tmp_path):\n    f(tmp_path)\n    assert [p.name for p in tmp_path.rglob('*')] == ['a', 'b']\n", "the order of files (rglob)"),
    "environment": ("import os\ndef test_a():\n    assert f(1) == os.environ\n", "the environment (os.environ)"),
    "in a helper": ("import time\ndef now():\n    return time.time()\ndef later():\n    return now() + 1\ndef test_a():\n    assert f(later())\n", "the clock (time.time)"),
    "in a fixture": ("import pytest, uuid\n@pytest.fixture\ndef name():\n    return uuid.uuid4().hex\ndef test_a(name):\n    assert f(name)\n", "chance (uuid.uuid4)"),
    "in a constant": ("import time\nSTART = time.time()\ndef test_a():\n    assert f(START)\n", "the clock (time.time)"),
    "in a class": ("import random\nclass Dice:\n    def roll(self):\n        return random.random()\ndef test_a():\n    assert f(Dice())\n", "chance (random.random)"),
    "several": ("import random, time\ndef test_a():\n    assert f(time.time(), random.random())\n", "the clock (time.time), chance (random.random)"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "words"), UNSTEADY.values(), ids=UNSTEADY)
def test_what_can_differ_is_named(source: str, words: str) -> None:
    assert unsteady({P: source}, f"{P}::test_a") == words


STEADY = {
    "nothing": "def test_a():\n    assert f(1) == 2\n",
    "seeded": "import random\ndef test_a():\n    random.seed(3)\n    assert f(random.random())\n",
    "seeded for all": "import random\nrandom.seed(3)\ndef test_a():\n    assert f(random.random())\n",
    "seeded generator": "import random\ndef test_a():\n    rng = random.Random(3)\n    assert f(rng.random(), rng.choice([1, 2]))\n",
    "a time that is given": "import time\nfrom datetime import datetime\ndef test_a():\n    assert f(datetime(2026, 1, 1)) == time.strftime('%Y', time.gmtime(0))\n",
    "name of a clock": "import time\ndef test_a(monkeypatch):\n    monkeypatch.setattr(time, 'time', lambda: 1.0)\n    assert f(1)\n",
    "thread that is joined": "import threading\ndef test_a():\n    t = threading.Thread(target=f)\n    t.start()\n    t.join(5)\n    assert f(2)\n",
    "pool": "from concurrent.futures import ThreadPoolExecutor\ndef test_a():\n    with ThreadPoolExecutor() as pool:\n        assert list(pool.map(f, [1])) == [1]\n",
    "hashes compared": "def test_a():\n    assert hash(f(1)) == hash(f(1))\n    assert id(f) != id(g)\n",
    "hash of a number": "def test_a():\n    assert f(3) == hash(3)\n",
    "set sorted": "def test_a():\n    assert sorted(set(f(1))) == ['a']\n    assert len(list(set(f(1)))) == 1\n    assert sorted(x for x in {'b', 'a'}) == f(2)\n",
    "set compared": "def test_a():\n    assert set(f(1)) == {'a', 'b'}\n    for x in {'a', 'b'}:\n        assert f(x)\n",
    "set of numbers": "def test_a():\n    assert list({1, 2}) == f(1)\n",
    "files sorted": "import os\ndef test_a(tmp_path):\n    assert sorted(os.listdir(tmp_path)) == f(1)\n    assert {p.name for p in tmp_path.iterdir()} == {'a'}\n    assert any(tmp_path.iterdir())\n",
    "environment of a child": "import os, subprocess\ndef test_a():\n    subprocess.run(['x'], env={**os.environ, 'A': '1'}, check=True)\n",
    "of another test": "import time\ndef test_b():\n    assert f(time.time())\ndef now():\n    return time.time()\ndef test_a():\n    assert f(1)\n",
    "hidden by a parameter": "import time\ndef test_a(time):\n    assert f(time.time())\n",
}  # fmt: skip


@pytest.mark.parametrize("source", STEADY.values(), ids=STEADY)
def test_what_cannot_differ_is_not_named(source: str) -> None:
    assert unsteady({P: source}, f"{P}::test_a") == ""


@pytest.mark.parametrize("test_id", [f"{P}::test_z", "tests/test_y.py::test_a", P])
def test_a_test_that_is_not_there_is_steady(test_id: str) -> None:
    assert unsteady({P: "import time\ndef test_a():\n    assert time.time()\n"}, test_id) == ""


def test_a_file_that_cannot_be_read_is_steady() -> None:
    assert unsteady({P: "def test_a(:\n"}, f"{P}::test_a") == ""
