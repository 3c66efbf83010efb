"""What is wrong with tests can be seen without running them, and tests that are all right are left alone."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.checks.names import Names, value_of
from agent.checks.poison import poisoned
from agent.checks.probes import probes
from agent.checks.problems import problems_of_tests
from agent.checks.unsteady import unsteady
from agent.demo import DEMOS
from agent.models.replay import read
from agent.strategies.shapes import blocks
from graphs.values import Component, Contract

P = "tests/test_x.py"
INTERFACE = "LIMIT: int\n_shown: int\ndef f(a: int) -> int: ...\nclass C: ...\n"
COMPONENT = Component("x", "", ("pkg/x.py",), Contract({"pkg/x.py": INTERFACE}))
PATHS = ("pkg/x.py", "pkg/y.py", "pkg/_core.py", "pkg/table.json", "other.py")
HEAD = "from pkg.x import f\n"


def problems(source: str) -> list[tuple[str, str]]:
    return problems_of_tests({P: HEAD + source}, COMPONENT, PATHS)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def test_a():\n    assert f(1) == 2\n", ""),
        ("import pytest\ndef test_a():\n    with pytest.raises(ValueError):\n        f(1)\n", ""),
        ("def check(x):\n    assert x\ndef both(x):\n    check(x)\ndef test_a():\n    both(f(1))\n", ""),
        ("def test_a():\n    f(1)\n", "asserts nothing"),
        ("def test_a():\n    f(1)\n    assert True\n", "asserts nothing"),
        ("def test_a(:\n", "cannot be parsed in line 2"),
        ("def helper(): pass\n", "no test function"),
        ("def test_a():\n    assert f(1)\ndef test_a():\n    assert f(2)\n", "more than once"),
        ("import pytest\n@pytest.mark.skip\ndef test_a():\n    assert f(1)\n", "skip"),
        ("import pytest\n@pytest.mark.xfail(strict=True)\ndef test_a():\n    assert f(1)\n", "xfail"),
        ("import pytest\ndef test_a():\n    pytest.importorskip('numpy')\n    assert f(1)\n", "importorskip"),
        ("import pytest\npytestmark = pytest.mark.skipif(True, reason='')\ndef test_a():\n    assert f(1)\n", "skipif"),
        ("async def test_a():\n    assert f(1)\n", "async function"),
        ("pytest_plugins = ['forge']\ndef test_a():\n    assert f(1)\n", "pytest_plugins"),
        (f"def test_a():\n    assert f({'-' * 300}1)\n", "nested too deeply; write it more plainly"),
        (f"def test_a():\n    assert f(0x{'f' * 5000})\n", "thousands of digits; write it as a power"),
    ],
)
def test_problems_of_tests(source: str, words: str) -> None:
    assert [words in why for _, why in problems(source)] == ([True] if words else [])


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("import pkg.x", True),
        ("from pkg import x", True),
        ("import pkg", True),
        ("from pkg.y import x", False),
        ("import json", False),
        ("RUN = ['python', '-m', 'pkg.x']", True),
        ("RUN = 'python pkg/x.py'", True),
        ("RUN = 'x'", False),
    ],
)
def test_tests_must_use_what_the_component_owns(source: str, used: bool) -> None:
    found = problems_of_tests({P: source + "\ndef test_a():\n    assert json\n"}, COMPONENT)
    assert any("uses nothing that the component owns" in why for _, why in found) is not used


@pytest.mark.parametrize("path", ["tally/__main__.py", "tally/__init__.py", "src/tally/__main__.py"])
def test_a_command_may_be_tested_by_importing_its_main(path: str) -> None:
    module = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
    source = f"from {module} import main\n\ndef test_a():\n    assert main([]) == 0\n"
    assert problems_of_tests({P: source}, Component("x", "", (path,), Contract({}))) == []


# -- assertions that cannot fail

VACUOUS = {
    "constant": "assert 1",
    "constant or": "assert True or f(1)",
    "or constant": "assert f(1) == 2 or True",
    "with itself": "x = f(1)\n    assert x == x",
    "with itself, attribute": "x = f(1)\n    assert x.a[0] is x.a[0]",
    "length with itself": "x = f(1)\n    assert len(x) == len(x)",
    "object": "assert isinstance(f(1), object)",
    "object among others": "assert isinstance(f(1), (int, object))",
    "own type": "x = f(1)\n    assert isinstance(x, type(x))",
    "length": "assert len(f(1)) >= 0",
    "length, other way": "assert 0 <= len(f(1))",
    "length above": "assert len(f(1)) > -1",
    "tuple": "assert (f(1) == 2, 'message')",
    "list": "assert [f(1)]",
    "generator": "assert (f(x) == x for x in (1, 2))",
    "formatted text": "assert f'got {f(1)}'",
    "literals": "f(1)\n    assert 1 + 1 == 2 and 'a' in 'ab'",
    "excluded middle": "x = f(1)\n    assert x or not x",
    "excluded middle of a comparison": "x = f(1)\n    assert x is None or x == 3 or x is not None",
    "not nothing": "f(1)\n    assert not []",
    "after return": "f(1)\n    return\n    assert f(1) == 2",
    "after break": "for x in f(1):\n        break\n        assert f(1) == 2",
    "if not": "if False:\n        assert f(1) == 2",
    "loop over nothing": "for x in []:\n        assert f(x) == 2",
    "loop of no turns": "for x in range(0):\n        assert f(x) == 2",
    "function never called": "def inner():\n        assert f(1) == 2\n    f(1)",
    "in an except": "try:\n        f(1)\n    except ValueError as error:\n        assert 'x' in str(error)",
    "swallowed": "try:\n        assert f(1) == 2\n    except Exception:\n        pass",
    "swallowed by a bare except": "try:\n        assert f(1) == 2\n    except:\n        print('no')",
    "swallowed as AssertionError": "try:\n        assert f(1) == 2\n    except (ValueError, AssertionError):\n        return",
    "suppressed": "import contextlib\n    with contextlib.suppress(AssertionError):\n        assert f(1) == 2",
    "any error": "import pytest\n    with pytest.raises(Exception):\n        f(1)",
    "any error at all": "from pytest import raises\n    with raises((ValueError, BaseException)) as caught:\n        f(1)",
    "called by its name only": "x = f(1)\n    x.check(1)",
    "a method that is called as an assertion is": "queue = f(1)\n    queue.fail(2)\n    queue.raises(3)",
    "a value that looks like one": "import pytest\n    f(1) == pytest.approx(2)",
}


@pytest.mark.parametrize("body", VACUOUS.values(), ids=VACUOUS)
def test_a_test_that_cannot_fail_asserts_nothing(body: str) -> None:
    ((what, why),) = problems(f"def test_a():\n    {body}\n")

    assert what == f"{P}::test_a"
    assert why.startswith("it asserts nothing")


@pytest.mark.parametrize("body", VACUOUS.values(), ids=VACUOUS)
def test_what_cannot_fail_is_no_problem_beside_what_can(body: str) -> None:
    assert problems(f"def test_a():\n    assert f(3) == 4\n    {body}\n") == []


REAL = [
    "assert f(1)",
    "assert f(1) is not None",
    "assert not f(1)",
    "x = f(1)\n    assert x != x  # it is no number",
    "assert f(1) == f(1)  # the same each time",
    "assert f(1) is f(1)",
    "x = f(1)\n    assert isinstance(x, int)",
    "assert len(f(1)) >= 1",
    "assert len(f(1)) != 0",
    "assert [] == f(1)",
    "assert f(1) in (True, False)",
    "try:\n        f(1)\n        assert False\n    except ValueError:\n        pass",
    "try:\n        f(1)\n    except ValueError as error:\n        assert 'x' in str(error)\n    else:\n        pytest.fail('no error')",
    "try:\n        f(1)\n        raise AssertionError('no error')\n    except ValueError as error:\n        assert error",
    "found = False\n    try:\n        f(1)\n    except ValueError:\n        found = True\n    assert found",
    "for _ in range(9):\n        try:\n            assert f(1) == 2\n            break\n        except AssertionError:\n            f(3)\n    else:\n        raise AssertionError",
    "if f(1) != 2:\n        raise AssertionError('not 2')",
    "if f(1) != 2:\n        pytest.fail('not 2')",
    "if f(1) != 2:\n        raise ValueError('not 2')",
    "with pytest.raises(Exception, match='negative'):\n        f(1)",
    "with pytest.raises(Exception) as caught:\n        f(1)\n    assert not isinstance(caught.value, KeyError)",
    "pytest.raises(ValueError, f, 1)",
    "with pytest.warns(UserWarning):\n        f(1)",
    "def inner():\n        assert f(1) == 2\n    inner()",
    "def inner():\n        assert f(1) == 2\n    threading.Thread(target=inner).start()",
    "class Seen:\n        def got(self):\n            assert f(1) == 2\n    Seen().got()",
    "subprocess.run(['x'], check=True)",
    "subprocess.check_call(['x'])",
    "seen = mock.Mock()\n    f(seen)\n    seen.assert_called_once_with(2)",
    "expect(f(1)).is_not(2)",
    "while True:\n        assert f(1) == 2",
    "match f(1):\n        case 2:\n            assert f(3)",
    "try:\n        assert f(1) == 2\n    finally:\n        f(3)",
    "try:\n        assert f(1) == 2\n    except ValueError:\n        pass",
]


@pytest.mark.parametrize("body", REAL)
def test_a_test_that_can_fail_is_left_alone(body: str) -> None:
    head = "import subprocess, threading\nfrom unittest import mock\nimport pytest\nfrom tests.checks import expect\n"
    assert problems(f"{head}def test_a():\n    {body}\n") == []


def test_the_writer_is_told_which_assertion_holds_anyway() -> None:
    ((_, why),) = problems("def test_a():\n    assert (f(1) == 2, 'no')\n")
    assert why == "it asserts nothing: `assert (f(1) == 2, 'no')` holds whatever the code does"


def test_a_function_of_the_file_asserts_what_its_body_asserts_and_not_what_its_name_says() -> None:
    vacuous = "def check(x):\n    assert x == x\ndef test_a():\n    check(f(1))\n"
    assert [why for _, why in problems(vacuous)] == ["it asserts nothing"]
    assert problems(vacuous.replace("x == x", "x == 2")) == []


def test_what_comes_from_the_program_asserts_nothing() -> None:
    assert [why for _, why in problems("from pkg.y import check_all\ndef test_a():\n    check_all(f(1))\n")] == [
        "it asserts nothing"
    ]
    assert problems("from tests.checks import check_all\ndef test_a():\n    check_all(f(1))\n") == []


# -- sleeping

SLEEPS = {
    "import time\ndef test_a():\n    time.sleep(5)\n    assert f(1)\n": "it sleeps 5 s",
    "from time import sleep\ndef test_a():\n    sleep(5)\n    assert f(1)\n": "it sleeps 5 s",
    "from time import sleep as nap\ndef test_a():\n    nap(2)\n    assert f(1)\n": "it sleeps 2 s",
    "import time as t\nnap = t.sleep\ndef test_a():\n    nap(2)\n    assert f(1)\n": "it sleeps 2 s",
    "def test_a():\n    __import__('time').sleep(2)\n    assert f(1)\n": "it sleeps 2 s",
    "import asyncio\ndef test_a():\n    async def go():\n        await asyncio.sleep(delay=3)\n    asyncio.run(go())\n    assert f(1)\n": "it sleeps 3 s",
    "import time\nTTL = 1.5\ndef test_a():\n    time.sleep(TTL + 0.1)\n    assert f(1)\n": "it sleeps 1.6 s",
    "import time\ndef test_a():\n    time.sleep(f(1))\n    assert f(1)\n": "not written in it as a number",
    "import time\ndef wait():\n    time.sleep(4)\ndef test_a():\n    wait()\n    assert f(1)\n": "it sleeps 4 s",
    "import pytest, time\n@pytest.fixture\ndef late():\n    time.sleep(4)\ndef test_a(late):\n    assert f(1)\n": "it sleeps 4 s",
    "import pytest, time\n@pytest.fixture(autouse=True)\ndef late():\n    time.sleep(4)\ndef test_a():\n    assert f(1)\n": "it sleeps 4 s",
    "import time\nclass TestA:\n    def setup_method(self):\n        time.sleep(4)\n    def test_a(self):\n        assert f(1)\n": "it sleeps 4 s",
    "import time\ntime.sleep(4)\ndef test_a():\n    assert f(1)\n": "it sleeps 4 s",
    "import time\ndef test_a():\n    time.sleep(0.05)\n    assert f(1)\n": "",
    "import time\nSTEP = 0.01\ndef wait(seconds=0.1):\n    time.sleep(seconds)\n    time.sleep(STEP)\ndef test_a():\n    wait()\n    assert f(1)\n": "",
    "def test_a():\n    clock = f(1)\n    clock.sleep(60)\n    assert f(1)\n": "",
    "import time\ndef unused():\n    time.sleep(60)\ndef test_a(monkeypatch):\n    monkeypatch.setattr(time, 'sleep', lambda s: None)\n    assert f(1)\n": "",
}  # fmt: skip


@pytest.mark.parametrize(("source", "words"), SLEEPS.items())
def test_sleeping(source: str, words: str) -> None:
    assert [words in why for _, why in problems(source)] == ([True] if words else [])


# -- what is not theirs

NOT_THEIRS = {
    "private function": ("from pkg.x import _g\ndef test_a():\n    assert _g(1) == 2\n", "'pkg.x._g', which is private"),
    "private of a neighbour": ("import pkg.y\ndef test_a():\n    assert f(1) == pkg.y._g(1)\n", "'pkg.y._g', which is private"),
    "private of a module by another name": ("from pkg import y as z\ndef test_a():\n    assert f(z._N)\n", "'pkg.y._N', which is private"),
    "private attribute": ("def test_a():\n    assert f(1)._items == []\n", "private attribute '_items'"),
    "patched by its path": ("def test_a(monkeypatch):\n    monkeypatch.setattr('pkg.x.open', 1)\n    assert f(1)\n", "replaces 'pkg.x.open'"),
    "patched": ("from pkg import y\ndef test_a(monkeypatch):\n    monkeypatch.setattr(y, 'g', lambda: 1)\n    assert f(1)\n", "replaces 'pkg.y.g'"),
    "patched method": ("from pkg.y import D\ndef test_a(monkeypatch):\n    monkeypatch.setattr(D, 'm', 1)\n    assert f(1)\n", "replaces 'pkg.y.D.m'"),
    "mock": ("from unittest import mock\ndef test_a():\n    with mock.patch('pkg.y.g'):\n        assert f(1)\n", "replaces 'pkg.y.g'"),
    "mock as a decorator": ("from unittest.mock import patch\n@patch('pkg.y.g')\ndef test_a(g):\n    assert f(1)\n", "replaces 'pkg.y.g'"),
    "mock as a decorator of a class": ("from unittest.mock import patch\n@patch('pkg.y.g')\nclass TestA:\n    def test_a(self, g):\n        assert f(1)\n", "replaces 'pkg.y.g'"),
    "mock object": ("import other\nfrom unittest.mock import patch\ndef test_a():\n    with patch.object(other, 'g'):\n        assert f(1)\n", "replaces 'other.g'"),
    "mock dict": ("import other\nfrom unittest.mock import patch\ndef test_a():\n    with patch.dict(other.TABLE, a=1):\n        assert f(1)\n", "replaces 'other.TABLE'"),
    "mocker": ("def test_a(mocker):\n    mocker.patch('other.g')\n    assert f(1)\n", "replaces 'other.g'"),
    "assigned": ("import other\ndef test_a():\n    other.g = 1\n    assert f(1)\n", "replaces 'other.g'"),
    "assigned item": ("import other\ndef test_a():\n    other.TABLE['a'] = 1\n    assert f(1)\n", "replaces 'other.TABLE'"),
    "deleted": ("import other\ndef test_a():\n    del other.g\n    assert f(1)\n", "replaces 'other.g'"),
    "setattr": ("import other\ndef test_a():\n    setattr(other, 'g', 1)\n    assert f(1)\n", "replaces 'other.g'"),
    "in a fixture": ("import other, pytest\n@pytest.fixture\ndef it():\n    other.g = 1\ndef test_a(it):\n    assert f(1)\n", "replaces 'other.g'"),
    "environment": ("import os\ndef test_a():\n    os.environ['A'] = '1'\n    assert f(1)\n", "changes os.environ; use monkeypatch.setenv"),
    "environment by a method": ("from os import environ\ndef test_a():\n    environ.pop('A')\n    assert f(1)\n", "changes os.environ"),
    "environment by putenv": ("import os\ndef test_a():\n    os.putenv('A', '1')\n    assert f(1)\n", "changes os.environ"),
    "directory": ("import os\ndef test_a(tmp_path):\n    os.chdir(tmp_path)\n    assert f(1)\n", "changes the working directory"),
    "path": ("import sys\nsys.path.insert(0, 'pkg')\ndef test_a():\n    assert f(1)\n", "changes sys.path"),
    "path assigned": ("import sys\ndef test_a():\n    sys.path = []\n    assert f(1)\n", "changes sys.path"),
    "path added": ("import sys\ndef test_a():\n    sys.path += ['x']\n    assert f(1)\n", "changes sys.path"),
    "modules": ("import sys\ndef test_a():\n    del sys.modules['json']\n    assert f(1)\n", "changes sys.modules"),
    "absolute place": ("def test_a():\n    with open('/tmp/x', 'w') as file:\n        file.write('a')\n    assert f(1)\n", "writes to '/tmp/x'"),
    "absolute place by mode": ("def test_a():\n    open('/tmp/x', mode='a').close()\n    assert f(1)\n", "writes to '/tmp/x'"),
    "absolute Path": ("from pathlib import Path\ndef test_a():\n    (Path('/tmp') / 'x').write_text('')\n    assert f(1)\n", "writes to '/tmp/x'"),
    "absolute directory": ("import os\ndef test_a():\n    os.makedirs(os.path.join('/var', 'x'))\n    assert f(1)\n", "writes to '/var/x'"),
    "file of the program": ("from pathlib import Path\ndef test_a():\n    Path('pkg/table.json').write_text('{}')\n    assert f(1)\n", "'pkg/table.json', a file of the program"),
    "file of the program from the root": ("from pathlib import Path\nROOT = Path(__file__).resolve().parents[1]\ndef test_a():\n    (ROOT / 'pkg' / 'table.json').unlink()\n    assert f(1)\n", "a file of the program"),
    "source of a function": ("import inspect\ndef test_a():\n    assert 'x' in inspect.getsource(f)\n", "reads the source of the program"),
    "source of a module": ("import pkg.x\nfrom pathlib import Path\ndef test_a():\n    assert Path(pkg.x.__file__).read_text()\n", "reads the source of the program (pkg.x.__file__)"),
    "source by its path": ("from pathlib import Path\nROOT = Path(__file__).parent.parent\ndef test_a():\n    assert 'x' in (ROOT / 'pkg/x.py').read_text()\n", "reads the source of the program (pkg/x.py)"),
    "reload": ("import importlib, pkg.x\ndef test_a():\n    importlib.reload(pkg.x)\n    assert f(1)\n", "loads a module anew"),
    "network": ("from urllib.request import urlopen\ndef test_a():\n    assert urlopen('https://example.org/x?y').read() == f(1)\n", "needs the network (example.org)"),
    "connection": ("import socket\ndef test_a():\n    socket.create_connection(('10.0.0.1', 80))\n    assert f(1)\n", "needs the network (10.0.0.1)"),
    "connect": ("import socket\ndef test_a():\n    s = socket.socket()\n    s.connect(('example.org', 80))\n    assert f(1)\n", "needs the network (example.org)"),
    "client": ("import requests\ndef test_a():\n    assert requests.get('http://user@example.org:8080').ok == f(1)\n", "needs the network (example.org)"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "words"), NOT_THEIRS.values(), ids=NOT_THEIRS)
def test_what_is_not_theirs(source: str, words: str) -> None:
    ((_, why),) = problems(source)
    assert words in why


THEIRS = {
    "private name of the contract": "from pkg.x import _shown\ndef test_a():\n    assert f(_shown) == 2\n",
    "private module of the program": "from pkg._core import g\ndef test_a():\n    assert f(g) == 2\n",
    "names that look private": "import pkg.x\ndef test_a():\n    assert f(1)._replace(a=2)._asdict() == {'a': pkg.x.__version__}\n",
    "private of its own": "class Fake:\n    def __init__(self):\n        self._calls = []\ndef test_a():\n    fake = Fake()\n    f(fake)\n    assert fake._calls == [1]\n",
    "private of another library": "import sys\ndef test_a():\n    assert f(1) == sys._getframe()\n",
    "variable of the contract": "import pkg.x\ndef test_a(monkeypatch):\n    monkeypatch.setattr(pkg.x, 'LIMIT', 3)\n    assert f(1) == 3\n",
    "library patched": "import time\nfrom unittest import mock\ndef test_a(monkeypatch):\n    monkeypatch.setattr(time, 'time', lambda: 1)\n    monkeypatch.setattr('builtins.input', lambda: 'a')\n    with mock.patch('time.monotonic'), mock.patch.dict('os.environ', A='1'):\n        assert f(1)\n",
    "environment by monkeypatch": "import os, sys\ndef test_a(monkeypatch, tmp_path):\n    monkeypatch.setenv('A', '1')\n    monkeypatch.setitem(os.environ, 'B', '1')\n    monkeypatch.setattr(sys, 'argv', ['x'])\n    monkeypatch.syspath_prepend('x')\n    monkeypatch.chdir(tmp_path)\n    monkeypatch.delitem(sys.modules, 'json')\n    assert f(1)\n",
    "environment read": "import os\ndef test_a():\n    assert f({**os.environ, 'A': os.environ.get('B')})\n",
    "environment of a child": "import os, subprocess\ndef test_a():\n    env = dict(os.environ)\n    env['A'] = '1'\n    assert subprocess.run(['x'], env=env) == f(1)\n",
    "put back in finally": "import os\ndef test_a(tmp_path):\n    here = os.getcwd()\n    os.chdir(tmp_path)\n    try:\n        assert f(1)\n    finally:\n        os.chdir(here)\n",
    "put back by a fixture": "import os, pytest\n@pytest.fixture\ndef env():\n    old = os.environ.pop('A', None)\n    yield\n    os.environ['A'] = old\ndef test_a(env):\n    assert f(1)\n",
    "put back by a tear-down": "import os\nclass TestA:\n    def setup_method(self):\n        os.environ['A'] = '1'\n    def teardown_method(self):\n        del os.environ['A']\n    def test_a(self):\n        assert f(1)\n",
    "put back by mock": "import os\nfrom unittest import mock\ndef test_a():\n    with mock.patch.dict(os.environ):\n        os.environ['A'] = '1'\n        assert f(1)\n",
    "files below tmp_path": "from pathlib import Path\ndef test_a(tmp_path):\n    (tmp_path / 'pkg/table.json').write_text('/etc/x')\n    with open(tmp_path / 'b', 'w') as file:\n        file.write('/etc/passwd')\n    assert f(Path('/tmp/nowhere'))\n",
    "files of its own": "from pathlib import Path\ndef test_a():\n    Path('made.txt').write_text('x')\n    open('/dev/null', 'w').close()\n    assert f(open('/etc/hostname').read())\n",
    "the program's names elsewhere": "import os\nfrom pathlib import Path\ndef test_a(monkeypatch, tmp_path):\n    monkeypatch.chdir(tmp_path)\n    os.mkdir('pkg')\n    Path('pkg/table.json').write_text('x')\n    assert f(1)\n",
    "data of the program": "from pathlib import Path\ndef test_a():\n    assert Path('pkg/table.json').read_text() == f(1)\n",
    "a method called as one of monkeypatch": "def test_a():\n    store = f(1)\n    store.setitem('pkg', 1)\n    assert store\n",
    "text replaced": "def test_a():\n    assert '/a/b'.replace('a', 'c') == f(1)\n",
    "place of the program": "import pkg, subprocess\nfrom pathlib import Path\ndef test_a():\n    root = Path(pkg.__file__).parent.parent\n    assert subprocess.run(['x'], cwd=root) == f(1)\n",
    "signature": "import inspect\ndef test_a():\n    assert list(inspect.signature(f).parameters) == ['a']\n",
    "own machine": "import socket\nfrom urllib.request import urlopen\ndef test_a():\n    port = f(1)\n    urlopen(f'http://127.0.0.1:{port}/')\n    urlopen('http://localhost:80/')\n    socket.create_connection(('127.0.0.1', port))\n    socket.create_connection(('::1', port))\n    assert f(1)\n",
    "address as data": "def test_a():\n    assert f('https://example.org/x') == 'example.org'\n",
    "database": "import sqlite3\ndef test_a():\n    assert sqlite3.connect(':memory:') == f(1)\n",
    "attribute of what it made": "def test_a():\n    thing = f(1)\n    thing.name = 'x'\n    thing.table['a'] = 1\n    assert thing.name\n",
    "variable named as a module": "import other\ndef test_a():\n    other = f(1)\n    other.name = 'x'\n    assert other._a if hasattr(other, '__a__') else other.name\n".replace("other._a if hasattr(other, '__a__') else ", ""),
    "parameter named as a module": "import os\ndef set_to(os):\n    os.environ['A'] = 1\ndef test_a():\n    set_to(f(1))\n    assert f(2)\n",
}  # fmt: skip


@pytest.mark.parametrize("source", THEIRS.values(), ids=THEIRS)
def test_what_is_theirs(source: str) -> None:
    assert problems(source) == []


def test_each_test_is_told_what_it_uses_and_no_other() -> None:
    source = "import os\ndef change():\n    os.environ['A'] = '1'\ndef outer():\n    change()\ndef test_a():\n    outer()\n    assert f(1)\ndef test_b():\n    assert f(2)\n"
    assert [what for what, _ in problems(source)] == [f"{P}::test_a"]


# -- tests that were written by a model, and are all right


def recorded() -> Iterator[tuple[str, str, str]]:
    """(run, component, test file) of every recorded answer of a test writer."""
    folders = {
        path.parent.name: path.parent for path in (Path(__file__).parent / "recordings").glob("*/recording.jsonl")
    }
    folders |= {name: demo.spec.parent for name, demo in DEMOS.items()}
    for name, folder in sorted(folders.items()):
        for call in read(folder / "recording.jsonl"):
            if call.step in ("tests", "amend"):
                yield from ((name, call.component, block.text) for block in blocks(call.text))


def test_recorded_tests_are_left_alone() -> None:
    found = []
    files = 0
    for name, component, text in recorded():
        imported = {n.module for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom) and n.module}
        paths = [
            f"{module.replace('.', '/')}.py"
            for module in imported
            if module.partition(".")[0] in (name, "logq", "durations", "flags", "cellkit")
        ]
        found += [(name, component, *problem) for problem in problems_of_tests({P: text}, None, paths)]
        files += 1
    assert found == []
    assert files >= 20


# -- names and values

NAMES = """\
import os.path
import time as t
from datetime import datetime as dt
from . import near
nap = t.sleep
def shadow(t, open):
    t.sleep
    open
    dt.now
def local():
    from json import loads
    nap = 3
    loads
    nap
"""


@pytest.mark.parametrize(
    ("place", "text", "meant"),
    [
        ("", "t.sleep", "time.sleep"),
        ("", "os.path.join", "os.path.join"),
        ("", "dt.now", "datetime.datetime.now"),
        ("", "nap", "time.sleep"),
        ("", "open", "builtins.open"),
        ("", "near.x", ""),
        ("", "unknown", ""),
        ("", "f().x", ""),
        ("shadow", "t.sleep", ""),
        ("shadow", "open", ""),
        ("shadow", "dt.now", "datetime.datetime.now"),
        ("local", "loads", "json.loads"),
        ("local", "nap", ""),
    ],
)
def test_names_stand_for_what_was_imported(place: str, text: str, meant: str) -> None:
    tree = ast.parse(NAMES)
    names = Names(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == place:
            names = names.inside(node)
    assert names.of(ast.parse(text, mode="eval").body) == meant


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-1", -1),
        ("[1, ('a', {'b': {2}})]", [1, ("a", {"b": {2}})]),
        ("'k=' + x * 2", "k=xx"),
        ("2 * 3 - 1 / 2", 5.5),
        ("b'a' + b'b'", b"ab"),
    ],
)
def test_values_of_literals(text: str, value: object) -> None:
    assert value_of(ast.parse(text, mode="eval").body, {"x": "x"}) == value


@pytest.mark.parametrize(
    "text",
    [
        "f(1)",
        "y",
        "x.y",
        "1 / 0",
        "'a' + 1",
        "{[]: 1}",
        "'a' * 10 ** 9",
        "x * 100000",
        "[x] * 10001",
        "9e99 * 9e99",
        "{**x}",
        "[*x]",
        "...",
        "f'{x}'",
    ],
)
def test_other_expressions_have_no_known_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        value_of(ast.parse(text, mode="eval").body, {"x": "x"})


# -- hostile files

DEEP = {
    "elif": "if f(0):\n        pass\n" + "".join(f"    elif f({n}):\n        pass\n" for n in range(140)),
    "sum": "assert " + " + ".join(["f(1)"] * 140) + " == 2\n",
    "not": f"assert {'not ' * 140}f(1)\n",
    "or": "assert " + "(f(1) or " * 70 + "x" + ")" * 70 + "\n",
    "chain": f"assert f{'.a' * 140} == 1\n",
    "calls": f"assert f{'()' * 140} == 1\n",
    "list": f"assert {'[' * 140}1{']' * 140} == f(1)\n",
}


@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
def test_deep_code_is_read_or_refused_and_never_too_deep(body: str) -> None:
    source = f"from pkg.x import f\ndef test_a():\n    {body}"

    def deep(frames: int) -> None:
        if frames:
            deep(frames - 1)
            return
        assert problems_of_tests({P: source}, COMPONENT, PATHS) is not None
        assert unsteady({P: source}, f"{P}::test_a") == ""
        assert isinstance(poisoned(source, "mark"), str)
        assert probes(COMPONENT, {P: source}, ()) is not None

    deep(100)


VAST = [
    "A = [0] * 9000\nB = [A] * 9000\nC = [B] * 9000\ndef test_a():\n    assert f(C) == C\n",
    "A = 'a' * 9000\nB = A + A\nC = [B, B]\ndef test_a():\n    assert f(C) == C\n",
    "A = 10 ** 14\nB = A * A * A * A * A\ndef test_a():\n    assert f(B)\n",
    f"A = 0x{'f' * 3000}\ndef test_a():\n    assert f(A, -A)\n",
    "import os\nA = '/'\n" + "A = os.path.join(A, A)\n" * 60 + "def test_a():\n    assert f(open(A, 'w'))\n",
    "from pathlib import Path\n"
    + "".join(f"A{n} = Path('x') / A{n + 1} / A{n + 1}\n" for n in range(60))
    + "def test_a():\n    assert f(open(A0))\n",
    "A = B\nB = A\nA = A / 'x'\ndef test_a():\n    assert f(A.read_text())\n",
    "".join(f"def check{n}(x):\n    check{n + 1}(x)\n" for n in range(300))
    + "def test_a():\n    assert f(1)\n    check0(1)\n",
    "def test_a():\n" + "    assert f(1)\n" * 2000,
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("source", VAST)
def test_reading_a_file_takes_no_longer_than_it_is_long(source: str) -> None:
    source = f"from pkg.x import f\n{source}"
    problems_of_tests({P: source}, COMPONENT, PATHS)
    unsteady({P: source}, f"{P}::test_a")
    poisoned(source, "mark")
    probes(COMPONENT, {P: source}, ())
