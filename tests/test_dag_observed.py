"""What code shows of its dependencies, beside what is declared."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.demo import DEMOS
from agent.strategies import shapes
from graphs import dag, examples
from graphs.values import Component, Contract, Example, Plan


def part(name: str, *files: str, needs: str = "", uses: str = "") -> Component:
    """A component with these files, dependencies (in words) and an example of its contract."""
    example = examples.parse_block(uses, "C1", 0) if uses else None
    shown = (example,) if isinstance(example, Example) else ()
    return Component(name, "Does it.", files, Contract(examples=shown), tuple(needs.split()))


def plan_of(*parts: Component) -> Plan:
    return Plan("t", parts)


SHOP = plan_of(
    part("base", "shop/base.py", "shop/__init__.py"),
    part("stock", "shop/stock/items.py", "shop/stock/__init__.py"),
    part("cart", "shop/cart.py", needs="base"),
    part("cli", "shop/__main__.py", needs="cart"),
    part("tool", "tool.py"),
    part("page", "shop/page.html"),
    part("mine", "shop/sub/mine.py", needs="cart"),
)
"""``mine`` stands on ``cart`` and through it on ``base``, whose ``__init__`` runs on the way to each module of ``shop``."""

MINE = "shop/sub/mine.py"
# Code of `mine`, what it uses without declaring it, what it declares in vain.
CODE: dict[str, tuple[str, str, str]] = {
    "nothing": ("x = 1\n", "", "cart"),
    "its own": ("import shop.sub.mine\n", "base", "cart"),
    "the standard library": ("import json, os.path\nfrom collections import Counter\n", "", "cart"),
    "import": ("import shop.cart\n", "base", ""),
    "import as": ("import shop.cart as c, json\n", "base", ""),
    "from a module": ("from shop.cart import add\n", "base", ""),
    "from a package": ("from shop import cart\n", "base", ""),
    "a name of the package": ("from shop import version\n", "base", "cart"),
    "everything": ("from shop import *\n", "base", "cart"),
    "a module and a name": ("from shop import cart, version\n", "base", ""),
    "deep": ("import shop.stock.items\n", "base stock", "cart"),
    "a package in a package": ("from shop import stock\n", "base stock", "cart"),
    "in a function": ("def f():\n    from shop import cart\n", "base", ""),
    "in blocks": (
        "class A:\n    try:\n        pass\n    except OSError:\n        match x:\n            case 1:\n                import shop.cart\n",
        "base",
        "",
    ),
    "at the end of blocks": (
        "for x in y:\n    pass\nelse:\n    try:\n        pass\n    finally:\n        with x:\n            from ..cart import z\n",
        "base",
        "",
    ),
    "for types only": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import shop.cart\n", "base", ""),
    "relative": ("from ..cart import add\n", "base", ""),
    "relative module": ("from .. import cart\n", "base", ""),
    "relative name": ("from .. import version\n", "base", "cart"),
    "its own neighbour": ("from . import mine\nfrom .other import x\n", "base", "cart"),
    "above the top": ("from ....cart import x\n", "", "cart"),
    "import_module": ("import importlib\nimportlib.import_module('shop.cart')\n", "base", ""),
    "import_module, relative": (
        "from importlib import import_module\nimport_module('..cart', __package__)\n",
        "base",
        "",
    ),
    "import_module, of a package": ("import importlib\nimportlib.import_module('.cart', package='shop')\n", "base", ""),
    "import_module, by name": ("import importlib\nimportlib.import_module(name)\n", "", ""),
    "import_module, put together": ("import importlib\nimportlib.import_module(f'shop.{x}')\n", "", ""),
    "__import__": ("__import__('shop.cart')\n", "base", ""),
    "searching": ("import pkgutil\nlist(pkgutil.iter_modules(path))\n", "", ""),
    "run_module": ("import runpy\nrunpy.run_module('shop')\n", "base cli", "cart"),
    "run_path": ("import runpy\nrunpy.run_path('./tool.py')\n", "tool", "cart"),
    "run_path, by name": ("import runpy\nrunpy.run_path(path)\n", "", ""),
    "program": ("subprocess.run([sys.executable, '-m', 'shop', '-x', path])\n", "base cli", "cart"),
    "program with flags": ("subprocess.run([sys.executable, '-I', '-B', '-m', 'shop'])\n", "base cli", "cart"),
    "program of a module": ("Popen((PYTHON, '-m', 'shop.cart'))\n", "base", ""),
    "program, unpacked": ("subprocess.run([*PYTHON, '-m', 'shop', *words])\n", "base cli", "cart"),
    "program, as words": ("asyncio.create_subprocess_exec(sys.executable, '-m', 'shop')\n", "base cli", "cart"),
    "program, by name": ("run(['python3', 'tool.py'])\n", "tool", "cart"),
    "script": ("ARGV = [sys.executable, 'tool.py', '--help']\n", "tool", "cart"),
    "shell": ("os.system('cd x && python -m shop < in.txt')\n", "base cli", "cart"),
    "program text": ("run([sys.executable, '-c', 'from shop import cart'])\n", "base", ""),
    "other programs": ("run(['git', 'commit', '-m', 'tool'])\nrun(['sh', '-c', 'a | b'])\nrun([])\n", "", "cart"),
    "words about a program": ("'''python -m shop'''\nprint('python tool.py')\nx = ['tool.py', 'shop']\n", "", "cart"),
    "no Python": ("from shop import (\n", "", ""),
    "too deep": ("(" * 500 + ")" * 500, "", ""),
    "NUL": ("import shop.tool\0\n", "", ""),
}


@pytest.mark.parametrize(("code", "missing", "needless"), CODE.values(), ids=CODE)
def test_what_code_shows(code: str, missing: str, needless: str) -> None:
    mine = SHOP.component("mine")

    of_code = dag.observed(SHOP, mine, {MINE: code}, {})
    of_tests = dag.observed(SHOP, mine, {MINE: "x = 1\n"}, {MINE: code})

    assert of_code == of_tests == dag.Observed(tuple(missing.split()), tuple(needless.split()))


def test_a_package_that_is_entered_counts_when_its_owner_is_there() -> None:
    mine, tool = SHOP.component("mine"), SHOP.component("tool")
    code = "import shop.cart\n"

    assert dag.observed(SHOP, mine, {MINE: code}, {}).missing == ("base",)  # there through `cart`
    assert dag.observed(SHOP, tool, {"tool.py": code}, {}).missing == ("cart",)  # `tool` is built without `base`
    entered = part("tool", "tool.py", needs="base cart")
    assert dag.observed(SHOP, entered, {"tool.py": code}, {}) == dag.Observed((), ())
    face = plan_of(part("a", "kit/a.py"), part("face", "kit/__init__.py", needs="a"))
    assert dag.observed(face, face.components[0], {"kit/a.py": "x = 1\n"}, {"tests/test_a.py": "import kit.a\n"}) == (
        dag.Observed((), ())
    )


@pytest.mark.parametrize(
    ("uses", "missing"),
    [
        (">>> from shop.stock import items\n", "stock"),
        (">>> import shop.cart\n", "cart"),
        ("$ python -m shop list\n", "cli"),
        ("$ cat x | python tool.py\n", ""),
        ("$ echo 'print(1)' > shop/cart.py && python shop/cart.py\n1\n", ""),
    ],
)
def test_examples_of_the_contract_use_what_they_start(uses: str, missing: str) -> None:
    tool = part("tool", "tool.py", uses=uses)

    assert dag.observed(SHOP, tool, {"tool.py": ""}, {}).missing == tuple(missing.split())


def test_the_interface_is_part_of_what_is_used() -> None:
    plan = plan_of(part("types", "types_.py"), part("user", "user.py", needs="types"))
    user = plan.components[1]
    stated = replace(user, contract=Contract({"user.py": "from types_ import T\n\n\ndef f(t: T) -> None: ...\n"}))

    assert dag.observed(plan, user, {"user.py": ""}, {}).needless == ("types",)
    assert dag.observed(plan, stated, {"user.py": ""}, {}) == dag.Observed((), ())


@pytest.mark.parametrize("root", ["", "src/"])
def test_the_layout_of_the_repository_does_not_matter(root: str) -> None:
    plan = plan_of(
        part("a", f"{root}p/a.py"), part("b", f"{root}p/b.py", needs="a"), part("c", f"{root}p/__main__.py", needs="b")
    )
    files = {f"{root}p/b.py": "from .a import x\n"}

    assert dag.observed(plan, plan.components[1], files, {"tests/test_b.py": "from p.b import y\n"}).needless == ()
    seen = dag.observed(plan, plan.components[1], files, {"tests/test_b.py": "run([sys.executable, '-m', 'p'])\n"})
    assert seen == dag.Observed(("c",), ())


def test_nothing_is_called_needless_that_may_be_used_otherwise() -> None:
    def needless(user: Component, files: dict[str, str], tests: dict[str, str] | None = None) -> tuple[str, ...]:
        return dag.observed(SHOP, user, files, tests or {}).needless

    assert needless(part("u", "u.py", needs="tool cart"), {"u.py": ""}) == ("cart", "tool")
    assert needless(part("u", "u.py", needs="page"), {"u.py": ""}) == ()  # opened, not imported
    assert needless(part("u", "u.py", needs="cart"), {}) == ()  # not written yet
    assert needless(part("u", "u.py", "v.py", needs="cart"), {"u.py": ""}) == ()
    assert needless(part("u", "u.py", "u.css", needs="cart"), {"u.py": "", "u.css": ""}) == ()
    assert needless(part("u", "u.py", needs="cart"), {"u.py": ""}, {"tests/test_u.py": "def"}) == ()


def test_files_of_others_are_not_looked_at() -> None:
    cart = SHOP.component("cart")

    assert dag.observed(SHOP, cart, {"shop/cart.py": "import shop.base\n", "tool.py": "import shop.stock\n"}, {}) == (
        dag.Observed((), ())
    )


def test_odd_escapes_print_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dag.observed(SHOP, SHOP.component("tool"), {"tool.py": "x = '\\d'\n"}, {})


@pytest.mark.parametrize(
    "recording", [DEMOS["logq"].recording, *Path(__file__).parent.glob("recordings/*/recording.jsonl")]
)
def test_what_a_live_model_wrote_uses_what_it_declared(recording: Path) -> None:
    rows = [json.loads(line) for line in recording.read_text("utf-8").splitlines()]
    said = {row["step"]: row["text"] for row in rows}
    plan = shapes.read_plan(said["plan"], shapes.read_requirements(said["requirements"]), "d")
    for component in plan.components:
        files: dict[str, dict[str, str]] = {"code": {}, "tests": {}}
        for row in rows:
            if row["component"] == component.id:
                kind = "tests" if row["step"] == "tests" else "code"
                owned = [dag.test_path(component.id)] if kind == "tests" else component.files
                files[kind].update(shapes.read_files(row["text"], owned, []))
        assert set(files["code"]) == set(component.files)
        assert dag.observed(plan, component, files["code"], files["tests"]) == dag.Observed((), ())


# Ways in which code or tests can use a module of the package `pkg`.
WAYS = (
    "import pkg.{0}\n",
    "import json, pkg.{0} as other\n",
    "from pkg import {0}\n",
    "from pkg.{0} import f, g\n",
    "from pkg.{0} import *\n",
    "def f():\n    import pkg.{0}\n",
    "import importlib\nx = importlib.import_module('pkg.{0}')\n",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pkg.{0}', 'x'])\n",
    "import subprocess\nsubprocess.check_output('python3 -m pkg.{0}', shell=True)\n",
)


@settings(deadline=None, max_examples=200)
@given(st.data(), st.sampled_from(["", "src/"]))
def test_code_that_uses_exactly_what_it_declares_shows_that(data: st.DataObject, root: str) -> None:
    names = [f"c{i}" for i in range(data.draw(st.integers(2, 6)))]
    parts = [part(n, f"{root}pkg/{n}.py") for n in names]
    user = data.draw(st.sampled_from(names))
    others = st.sets(st.sampled_from([n for n in names if n != user]))
    declared, used = data.draw(others), data.draw(others)
    parts = [replace(p, depends_on=tuple(sorted(declared))) if p.id == user else p for p in parts]
    entered = data.draw(st.sampled_from(["", *sorted(declared)]))  # whose `__init__` runs whatever is used
    parts = [replace(p, files=(*p.files, f"{root}pkg/__init__.py")) if p.id == entered else p for p in parts]
    plan = plan_of(*data.draw(st.permutations(parts)))
    files = {f"{root}pkg/{user}.py": "", "tests/test_it.py": f"import pkg.{user}\n"}
    for name in sorted(used):
        relative = (f"from .{name} import f\n", f"from . import {name}\n")
        where = data.draw(st.sampled_from(sorted(files)))
        ways = WAYS if where.startswith("tests/") else (*WAYS, *relative)
        files[where] += data.draw(st.sampled_from([way.format(name) for way in ways]))

    seen = dag.observed(plan, plan.component(user), files, {"tests/test_it.py": files["tests/test_it.py"]})

    order = [c.id for c in plan.components]
    assert seen.missing == tuple(i for i in order if i in used - declared)
    assert seen.needless == tuple(i for i in order if i in declared - used - {entered})
