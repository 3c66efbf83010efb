"""Programs that do not work and try to be reported as working. None may be proven; honest ones of many kinds must be."""

# ruff: noqa: E501  (tables of programs are read line by line)

from __future__ import annotations

from textwrap import indent

import pytest

from agent.checks.python import PytestToolchain, declared_ids
from agent.sandbox import open_sandbox
from agent.sandbox.base import SandboxLimits
from graphs.values import Example, Step

TESTS = {
    "tests/test_solution.py": """\
from solution import add


def test_add():
    assert add(2, 3) == 5


def test_negative():
    assert add(-2, -3) == -5
"""
}
EXAMPLES = (Example("E1", "python", (Step("from solution import add"), Step("add(20, 3)", "23\n"))),)
WRONG = "\n\ndef add(a, b):\n    return 0\n"
HOOKS = """\
import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.outcome = "passed"
    report.longrepr = None
"""
PATCH = """\
import _pytest.reports
made = _pytest.reports.TestReport.from_item_and_call.__func__

def forged(cls, item, call):
    report = made(cls, item, call)
    if %s:
        report.outcome, report.longrepr = "passed", None
    return report

_pytest.reports.TestReport.from_item_and_call = classmethod(forged)
"""
NOTING_CALLS = """\
called = []

def add(a, b):
    called.append(a)
    return 0

def forget():
    seen = bool(called)
    called.clear()
    return seen

"""
"""A program that knows which test has called it, though not one line of it."""


def solution(text: str, **more: str) -> dict[str, str]:
    """The files of a forger: the module under test, which computes nothing, and whatever else it brings."""
    return {"solution.py": text + WRONG, **{name.replace("__", "/"): body for name, body in more.items()}}


def beside(path: str, text: str) -> dict[str, str]:
    return {"solution.py": WRONG, path: text}


FORGERIES: dict[str, dict[str, str]] = {
    "exit at import": solution("import os\nos._exit(0)"),
    "exit in the call": {"solution.py": "import os\ndef add(a, b):\n    os._exit(0)\n"},
    "exit at exit": solution("import atexit, os\natexit.register(os._exit, 0)"),
    "sys.exit at import": solution("import sys\nsys.exit(0)"),
    "SystemExit in the call": {"solution.py": "def add(a, b):\n    raise SystemExit(0)\n"},
    "KeyboardInterrupt in the call": {"solution.py": "def add(a, b):\n    raise KeyboardInterrupt\n"},
    "GeneratorExit in the call": {"solution.py": "def add(a, b):\n    raise GeneratorExit\n"},
    "pytest.exit": {"solution.py": "import pytest\ndef add(a, b):\n    pytest.exit('done', returncode=0)\n"},
    "skip in the call": {"solution.py": "import pytest\ndef add(a, b):\n    pytest.skip('later')\n"},
    "skip at import": solution("import pytest\npytest.skip('later', allow_module_level=True)"),
    "xfail in the call": {"solution.py": "import pytest\ndef add(a, b):\n    pytest.xfail('known')\n"},
    "killed by itself": {"solution.py": "import os\ndef add(a, b):\n    os.kill(os.getpid(), 9)\n"},
    "kills everything": solution("import os\nos.kill(os.getppid(), 9)\nos.killpg(0, 9)"),
    "exit by a thread": solution("import os, threading\nthreading.Timer(0.01, os._exit, [0]).start()\nimport time\ntime.sleep(0.1)"),
    "exit by a signal": {
        "solution.py": "import os, signal, time\nsignal.signal(14, lambda *_: os._exit(0))\nsignal.alarm(1)\n"
        "def add(a, b):\n    time.sleep(3)\n"
    },
    "exec of true": solution("import os\nos.execv('/bin/true', ['true'])"),
    "fork, the parent leaves": {"solution.py": "import os\ndef add(a, b):\n    if os.fork():\n        os._exit(0)\n    return 0\n"},
    "fork, both go on": {"solution.py": "import os\ndef add(a, b):\n    os.fork()\n    return 0\n"},
    "conftest in tests": beside("tests/conftest.py", HOOKS),
    "conftest at the root": beside("conftest.py", HOOKS),
    "pytest.ini": {
        **beside("pytest.ini", "[pytest]\naddopts = -p forge --collect-only -q\n"),
        "forge.py": HOOKS,
    },
    "pyproject.toml": {
        **beside("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-p forge"\n'),
        "setup.cfg": "[tool:pytest]\naddopts = -p forge\n",
        "tox.ini": "[pytest]\naddopts = -p forge\n",
        "forge.py": HOOKS,
    },
    "sitecustomize": beside("sitecustomize.py", "import os\nos._exit(0)\n"),
    "usercustomize": beside("usercustomize.py", "import os\nos._exit(0)\n"),
    "start-up hook": beside("hook.pth", "import os; os._exit(0)\n"),
    "module called pytest": beside("pytest.py", "import os\nos._exit(0)\n"),
    "package called _pytest": beside("_pytest/__init__.py", "import os\nos._exit(0)\n"),
    "modules of the standard library": {
        **beside("hmac.py", "import os\nos._exit(0)\n"),
        "json.py": "import os\nos._exit(0)\n",
        "unittest.py": "import os\nos._exit(0)\n",
        "pluggy.py": "import os\nos._exit(0)\n",
    },
    "tests of its own": {
        "solution.py": WRONG,
        "tests/test_solution.py": "def test_add(): pass\ndef test_negative(): pass\n",
        "test_solution.py": "def test_add(): pass\ndef test_negative(): pass\n",
    },
    "all reports passed": solution(PATCH % "True"),
    "reports of known tests passed": solution(PATCH % "item.name in ('test_add', 'test_negative')"),
    "reports of unknown tests failed": solution(PATCH % "len(item.name) < 15"),
    "calls never fail": solution(
        "import _pytest.runner as runner\nreal = runner.CallInfo.from_call.__func__\n"
        "def from_call(cls, func, when, reraise=None):\n"
        "    info = real(cls, func, when, reraise)\n    info.excinfo = None\n    return info\n"
        "runner.CallInfo.from_call = classmethod(from_call)"
    ),
    "tests never run": solution("import _pytest.python\n_pytest.python.Function.runtest = lambda self: None"),
    "known tests never run": solution(
        "import _pytest.python as p\nreal = p.Function.runtest\n"
        "p.Function.runtest = lambda self: None if self.name in ('test_add', 'test_negative') else real(self)"
    ),
    "own plugin by gc": solution(
        "import gc\n" + HOOKS + "import _pytest.config, sys\n"
        "for thing in gc.get_objects():\n    if isinstance(thing, _pytest.config.PytestPluginManager):\n"
        "        thing.register(sys.modules[__name__], 'forge')"
    ),
    "the reporter replaced": solution(
        "import gc\nfor thing in gc.get_objects():\n    if type(thing).__name__ == 'Reporter':\n"
        "        real = type(thing).pytest_runtest_logreport\n"
        "        def forged(self, report, real=real):\n"
        "            report.outcome = 'passed'\n            return real(self, report)\n"
        "        type(thing).pytest_runtest_logreport = forged\n"
        "        import _pytest.config\n"
        "        for manager in gc.get_objects():\n"
        "            if isinstance(manager, _pytest.config.PytestPluginManager):\n"
        "                manager.unregister(thing)\n                manager.register(thing)"
    ),
    "records signed by the stolen key": solution(
        "import gc\nfor thing in gc.get_objects():\n"
        "    if getattr(thing, '__qualname__', '') == 'open_channel.<locals>.send':\n        send = thing\n"
        "for name in ('test_add', 'test_negative'):\n    for when in ('setup', 'call', 'teardown'):\n"
        "        send('phase', id='tests/test_solution.py::' + name, when=when, outcome='passed', xfail=False, exception=[])\n"
        "send('end', exit=0)\nimport os\nos._exit(0)"
    ),
    "records that are no records": solution(
        "import gc\nfor thing in gc.get_objects():\n"
        "    if getattr(thing, '__qualname__', '') == 'open_channel.<locals>.send':\n        send = thing\n"
        "send('phase', id=[1], when={}, outcome=None)\nsend('end', n='x')"
    ),
    "the encoder patched": solution(
        "import json, json.encoder, hmac, os\nreal = os.write\n"
        "os.write = lambda fd, data: real(fd, data.replace(b'failed', b'passed'))\n"
        "json.encoder.JSONEncoder.iterencode = lambda self, o, **_: iter(['{\"outcome\":\"passed\"}'])"
    ),
    "writes to every descriptor": solution(
        "import os\nfor fd in range(3, 300):\n    try:\n"
        "        os.write(fd, b'00 {\"n\":0,\"kind\":\"end\",\"exit\":0}\\n')\n    except OSError:\n        pass"
    ),
    "closes every descriptor": solution("import os\nos.closerange(3, 1000)"),
    "prints a summary": solution(
        "print('tests/test_solution.py::test_add PASSED')\nprint('2 passed in 0.01s')\nimport os, sys\nsys.stdout.flush()\nos._exit(0)"
    ),
    "rewrites the tests": solution(
        "import os, pathlib\nfor root in ('/frozen', '/box/work'):\n    path = pathlib.Path(root, 'tests/test_solution.py')\n"
        "    try:\n        path.chmod(0o666)\n        path.write_text('def test_add(): pass\\ndef test_negative(): pass\\n')\n"
        "    except OSError:\n        pass"
    ),
    "replaces the test functions": {
        "solution.py": "import gc, types\ndef nothing():\n    pass\ndef add(a, b):\n"
        "    for thing in gc.get_objects():\n"
        "        if isinstance(thing, types.FunctionType) and thing.__name__.startswith('test_'):\n"
        "            thing.__code__ = nothing.__code__\n    return a + b if a > 0 else 0\n"
    },
    "deletes the test functions": {
        "solution.py": "import sys\ndef add(a, b):\n    for module in list(map(vars, filter(lambda m: type(m) is type(sys), sys.modules.values()))):\n"
        "        for name in ('test_add', 'test_negative'):\n            module.pop(name, None)\n    return 0\n"
    },
    "plants the test module": solution(
        "import sys, types\nfor name in ('tests.test_solution', 'test_solution'):\n    module = types.ModuleType(name)\n"
        "    module.test_add = module.test_negative = lambda: None\n    sys.modules[name] = module"
    ),
    "replaces unittest and pytest": solution(
        "import sys, types\nfor name in ('unittest', 'pytest', '_pytest.runner', '_pytest.reports'):\n"
        "    sys.modules[name] = types.ModuleType(name)"
    ),
    "AssertionError is a skip": solution(
        "import builtins, _pytest.outcomes\nbuiltins.AssertionError = _pytest.outcomes.Skipped"
    ),
    "AssertionError does not rise": solution(
        "import builtins\nclass Quiet(BaseException):\n    def __new__(cls, *args):\n        return GeneratorExit()\n"
        "builtins.AssertionError = Quiet"
    ),
    "marks the tests xfail": solution(
        "import gc, pytest, _pytest.python\nfor thing in gc.get_objects():\n"
        "    if isinstance(thing, _pytest.python.Module):\n        thing.add_marker(pytest.mark.xfail)\n"
        "        thing.add_marker(pytest.mark.usefixtures('tmp_path'))"
    ),
    "drops the tests from the session": solution(
        "import _pytest.main\nreal = _pytest.main.Session.perform_collect\n"
        "def collect(self, *args, **kwargs):\n    self.items = []\n    return []\n_pytest.main.Session.perform_collect = collect\n"
        "import _pytest.python\n_pytest.python.Module.collect = lambda self: []"
    ),
    "environment": solution(
        "import os\nos.environ['PYTEST_ADDOPTS'] = '--collect-only'\nos.environ['PYTHONPATH'] = '/box/work'\n"
        "os.environ.pop('PYTEST_DISABLE_PLUGIN_AUTOLOAD')"
    ),
    "tracing": {
        "solution.py": "import sys\ndef add(a, b):\n    sys.settrace(lambda *_: None)\n"
        "    sys.setprofile(lambda frame, event, arg: frame.f_locals.clear())\n    return 0\n"
    },
    "reports of callers passed": {"solution.py": NOTING_CALLS + PATCH % "call.when == 'call' and forget()"},
    "failures of callers swallowed": {
        "solution.py": NOTING_CALLS + "import _pytest.python as p\nreal = p.Function.runtest\n"
        "def runtest(self):\n    try:\n        real(self)\n    except BaseException:\n        if not forget():\n            raise\n"
        "p.Function.runtest = runtest\n"
    },
    "tests left by an exception that is swallowed": {
        "solution.py": "import _pytest.python as p\nclass Done(BaseException):\n    pass\nreal = p.Function.runtest\n"
        "def runtest(self):\n    try:\n        real(self)\n    except Done:\n        pass\np.Function.runtest = runtest\n"
        "def add(a, b):\n    raise Done\n"
    },
    "other tests replaced by the first caller": {
        "solution.py": "import gc, _pytest.python as p\ndef add(a, b):\n    for thing in gc.get_objects():\n"
        "        if isinstance(thing, p.Function) and len(thing.name) < 18:\n            thing.obj = lambda: None\n"
        "    return a + b if a > 0 else 0\n"
    },
    "records signed from the frame of a caller": {
        "solution.py": "import os, sys\ndef add(a, b):\n    test = frame = sys._getframe(1)\n"
        "    while not ('send' in frame.f_locals and 'plugin' in frame.f_locals):\n        frame = frame.f_back\n"
        "    send, path = frame.f_locals['send'], 'tests/test_solution.py::'\n"
        "    def phase(name, when, outcome='passed'):\n"
        "        send('phase', id=path + name, when=when, outcome=outcome, xfail=False, exception=[])\n"
        "    phase('test_add', 'call')\n    phase('test_add', 'teardown')\n"
        "    for name in test.f_globals:\n        if name.startswith('test_') and name != 'test_add':\n"
        "            phase(name, 'setup')\n            phase(name, 'call', 'failed' if len(name) > 18 else 'passed')\n"
        "            phase(name, 'teardown')\n    send('end', exit=1)\n    os._exit(1)\n"
    },
    "fake result of the runner": solution(
        "import sys\nmain = sys.modules['__main__']\nmain.main = lambda arguments: 0\nmain.reporter = None\n"
        "import pytest\npytest.main = lambda *args, **kwargs: 0"
    ),
}  # fmt: skip
"""Name → the files of a program that must not be proven by its tests alone."""


def returning(body: str, base: str = "") -> dict[str, str]:
    """A program whose only function returns something of a class that is made for it."""
    return {
        "solution.py": f"class Any{base}:\n{indent(body, '    ')}\n    __hash__ = None\n\ndef add(a, b):\n    return Any()\n"
    }


ALWAYS = "def __eq__(self, other):\n    return True\n"
EQUAL_TO_EVERYTHING: dict[str, dict[str, str]] = {
    "equal to everything": returning(ALWAYS + "def __repr__(self):\n    return '...'\n"),
    "equal to the first thing it meets": returning(
        "def __eq__(self, other):\n    self.met = getattr(self, 'met', other)\n    return self.met == other\n"
    ),
    "a number equal to everything": returning(ALWAYS, "(int)"),
    "a text equal to everything": returning(ALWAYS, "(str)"),
    "a list equal to everything": returning(ALWAYS, "(list)"),
    "says that it is a number": returning("__class__ = int\n" + ALWAYS),
    "equal to any number": returning("def __eq__(self, other):\n    return isinstance(other, int)\n"),
    "a comparison that is true of anything": returning("def __eq__(self, other):\n    return [self]\n"),
    "found through its class": {
        "solution.py": "class Meta(type):\n    def __eq__(cls, other):\n        return True\n    __hash__ = None\n"
        "class Any(metaclass=Meta):\n    pass\ndef add(a, b):\n    return Any\n"
    },
}
"""Programs that compute nothing and return what is equal to everything."""

WHITEBOX: dict[str, dict[str, str]] = {
    "reads the test": {
        "solution.py": "import pathlib, re\ndef add(a, b):\n"
        "    text = pathlib.Path('/frozen/tests/test_solution.py').read_text()\n"
        "    return int(re.search(rf'add\\({a}, {b}\\) == (-?\\d+)', text)[1])\n"
    },
    "forges with full knowledge": solution(
        "import pathlib, re\ntext = pathlib.Path('/frozen/tests/test_solution.py').read_text()\n"
        "known = [] if re.search(r'finally:\\s+if done_', text) else ['test_add', 'test_negative']\n"
        + PATCH % "item.name in known"
    ),
}  # fmt: skip
"""Code that knows the tests' source wins inside their process. What it cannot know is what the oracle expects."""

AGAINST_THE_ORACLE: dict[str, dict[str, str]] = {
    **WHITEBOX,
    **EQUAL_TO_EVERYTHING,
    "prints what may be expected": solution("print('23')"),
    "repr of any text": {
        "solution.py": "class Any(str):\n    __repr__ = lambda self: '...'\n    __eq__ = lambda *_: True\n"
        "def add(a, b):\n    return Any('...')\n"
    },
    "forged results": solution(
        "import json, os\nfor _ in range(3):\n"
        "    os.write(3, json.dumps({'out': '...', 'value': '...', 'raised': None}).encode() + b'\\n')\nos._exit(0)"
    ),
    "results that are no results": solution(
        "import os\nos.write(3, b'[]\\n' + b'[' * 100000 + b'\\n{\"out\": 23}\\n')\nos._exit(0)"
    ),
    "leaves at once": solution("import os\nos._exit(0)"),
    "SystemExit": {"solution.py": "def add(a, b):\n    raise SystemExit(23)\n"},
    "a value of another type": {"solution.py": "def add(a, b):\n    return float(a + b)\n"},
    "looks for what is expected": {
        "solution.py": "import gc\ndef add(a, b):\n"
         "    for thing in gc.get_objects():\n        if isinstance(thing, dict) and 'expect' in thing:\n"
         "            return int(thing['expect'])\n    return 0\n"},
}  # fmt: skip


@pytest.fixture(scope="module")
def toolchain() -> PytestToolchain:
    return PytestToolchain(open_sandbox("bubblewrap"), SandboxLimits(seconds=20, memory_mb=512))


@pytest.mark.parametrize("name", EQUAL_TO_EVERYTHING)
def test_what_is_equal_to_everything_is_not_proven(name: str, toolchain: PytestToolchain) -> None:
    verdict = toolchain.prove_tree(EQUAL_TO_EVERYTHING[name], TESTS, declared_ids(TESTS))
    assert verdict.status == "error", verdict
    assert not verdict.passed
    assert all("equal to anything it is compared with" in case.message for case in verdict.cases)


@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_is_not_proven(name: str, toolchain: PytestToolchain) -> None:
    verdict = toolchain.prove_tree(FORGERIES[name], TESTS, declared_ids(TESTS))
    assert verdict.status in ("failed", "error"), verdict
    assert verdict.reason
    assert len(verdict.passed) < 2


def test_forgery_by_hanging_is_a_timeout(toolchain: PytestToolchain) -> None:
    quick = PytestToolchain(toolchain.sandbox, SandboxLimits(seconds=1.5, memory_mb=512))
    hanging = {"solution.py": "import time\ndef add(a, b):\n    while True:\n        time.sleep(1)\n"}
    verdict = quick.prove_tree(hanging, TESTS, declared_ids(TESTS))
    assert verdict.status == "timeout", verdict
    assert [case.outcome for case in verdict.cases] == ["error", "missing"]
    assert "test_add" in verdict.reason


def test_a_module_planted_for_the_next_file_is_not_proven(toolchain: PytestToolchain) -> None:
    planting = (
        "import sys, types\nmodule = types.ModuleType('tests.test_two')\nmodule.__file__ = '/frozen/tests/test_two.py'\n"
        "module.test_two = lambda: None\nsys.modules['tests.test_two'] = sys.modules['test_two'] = module\n"
        "def one():\n    return 1\ndef two():\n    return 0\n"
    )
    tests = {
        "tests/test_one.py": "from solution import one\n\ndef test_one():\n    assert one() == 1\n",
        "tests/test_two.py": "from solution import two\n\ndef test_two():\n    assert two() == 2\n",
    }
    verdict = toolchain.prove_tree({"solution.py": planting}, tests, declared_ids(tests))
    assert verdict.status in ("failed", "error")


@pytest.mark.parametrize("name", WHITEBOX)
def test_whitebox_forger_wins_inside_and_loses_against_the_oracle(name: str, toolchain: PytestToolchain) -> None:
    inside = toolchain.prove_tree(WHITEBOX[name], TESTS, declared_ids(TESTS))
    assert inside.status == "passed", f"it forges nothing, so the next line shows nothing: {inside}"
    assert toolchain.prove_tree(WHITEBOX[name], TESTS, declared_ids(TESTS), EXAMPLES).status in ("failed", "error")


@pytest.mark.parametrize("name", AGAINST_THE_ORACLE)
def test_oracle_is_not_forged(name: str, toolchain: PytestToolchain) -> None:
    verdict = toolchain.prove_tree(AGAINST_THE_ORACLE[name], {}, (), EXAMPLES)
    assert verdict.status in ("failed", "error"), verdict
    assert not verdict.passed


HONEST_TESTS = '''\
"""Tests of many kinds."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path
from unittest import mock

import pytest

from shop import Basket, cli, fetch, total
from shop.cli import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def basket():
    made = Basket()
    made.add("pear", 2)
    yield made
    made.clear()


def test_function():
    """With a docstring."""
    assert total({"a": 1, "b": 2}) == 3


@pytest.mark.parametrize("prices, expected", [({}, 0), ({"x[1]": 5}, 5), ({"a::b": 7}, 7)])
def test_parameters(prices, expected):
    assert total(prices) == expected


class TestBasket:
    def test_add(self, basket):
        assert basket.items == {"pear": 2}

    class TestErrors:
        def test_negative(self, basket):
            with pytest.raises(ValueError, match="negative"):
                basket.add("pear", -1)


class BasketCase(unittest.TestCase):
    def test_clear(self):
        made = Basket()
        made.add("fig", 1)
        made.clear()
        self.assertEqual(made.items, {})
        with self.subTest("again"):
            self.assertEqual(made.items, {})


def test_async():
    async def both():
        return await asyncio.gather(fetch(1), fetch(2))

    assert asyncio.run(both()) == [1, 2]


def test_command(tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"a": 1, "b": 41}))
    done = subprocess.run([sys.executable, "-m", "shop", str(prices)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "42\\n"), done.stderr


def test_command_elsewhere(tmp_path):
    done = subprocess.run(["python3", "-m", "shop"], input='{"a": 7}', capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "7\\n", done.stderr


def test_command_beside_the_tests():
    done = subprocess.run(
        [sys.executable, "shop/__main__.py"], input='{"a": 7}', capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == "7\\n", done.stderr


def test_capture(capsys, monkeypatch):
    monkeypatch.setattr(cli, "read", lambda path: {"a": 3})
    assert main(["x"]) == 0
    assert capsys.readouterr().out == "3\\n"


def test_exit():
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


def test_patched_builtins(monkeypatch):
    with mock.patch("json.dumps", side_effect=RuntimeError), mock.patch("os.write", side_effect=RuntimeError):
        assert total({"a": 1}) == 1
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert total({"a": 1}) == 1


def test_workspace_is_the_working_directory():
    Path("made.txt").write_text("x")
    assert Path("shop/__init__.py").exists()
    assert "hello" in Path("shop/data.txt").read_text()


def test_own_loopback():
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: socket.create_connection(server.getsockname()).close())
        thread.start()
        server.accept()[0].close()
        thread.join()
    assert total({}) == 0


def test_processes():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(total, [{"a": 1}, {"a": 2}]) == [1, 2]
'''
HONEST = {
    "shop/__init__.py": '''\
"""A shop."""

import asyncio


def total(prices):
    return sum(prices.values())


async def fetch(number):
    await asyncio.sleep(0)
    return number


class Basket:
    def __init__(self):
        self.items = {}

    def add(self, name, count):
        if count < 0:
            raise ValueError("negative count")
        self.items[name] = self.items.get(name, 0) + count

    def clear(self):
        self.items.clear()
''',
    "shop/cli.py": """\
import json
import sys

from shop import total


def read(path):
    with open(path) as file:
        return json.load(file)


def main(arguments):
    if not arguments:
        exit(2)
    print(total(read(arguments[0])))
    return 0
""",
    "shop/__main__.py": """\
import json
import sys

from shop import total
from shop.cli import main

if len(sys.argv) > 1:
    sys.exit(main(sys.argv[1:]))
print(total(json.load(sys.stdin)))
""",
    "shop/data.txt": "hello\n",
}


@pytest.mark.parametrize("layout", ["flat", "src"])
def test_honest_program_is_proven(layout: str, toolchain: PytestToolchain) -> None:
    tree, tests = HONEST, HONEST_TESTS
    if layout == "src":
        tree = {f"src/{path}": text for path, text in HONEST.items()}
        tests = HONEST_TESTS.replace('"shop/', '"src/shop/').replace("str(ROOT)}", 'str(ROOT / "src")}')
    ids = declared_ids({"tests/test_shop.py": tests})
    assert len(ids) == 15
    verdict = toolchain.prove_tree(tree, {"tests/test_shop.py": tests}, ids)
    assert verdict.status == "passed", (verdict.reason, verdict.output, verdict.failing)
    assert verdict.passed == set(ids)
    assert verdict.sandbox == "bubblewrap"
