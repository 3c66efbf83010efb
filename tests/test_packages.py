"""Third-party packages: real wheels, installed by the real pip from a directory, used by code in the real sandbox."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from agent.checks import open_toolchain
from agent.checks.packages import Environment, installed, problem_of, problems_of_packages
from agent.checks.python import PytestToolchain
from agent.run import check_component
from agent.sandbox import open_sandbox
from agent.sandbox.base import SandboxLimits
from agent.spec import read_spec
from graphs.errors import PrerequisiteError, SpecError
from graphs.values import Component, Contract, Example, Spec, Step, Verdict
from tests.conftest import Place
from tests.scripted_author import PLAN, SPEC, Author, fenced
from tests.stub_server import StubServer

LIMITS = SandboxLimits(seconds=20, memory_mb=512)
T = "tests/test_x.py"


def make_wheel(directory: Path, name: str, files: Mapping[str, str], version: str = "1.0", needs: str = "") -> None:
    """A pure Python wheel, written by hand."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in contents.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place pip looks for wheels."""
    directory = tmp_path / "shelf"
    make_wheel(directory, "greetings", {"greetings/__init__.py": "def greet(name):\n    return f'hello {name}'\n"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


# -- which requirements are taken


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("rich", ""),
        ("Ruamel.Yaml >= 0.18, < 1", ""),
        ("a==1.*", ""),
        ("rich @ https://example.org/rich.whl", "names an address"),
        ("rich @ file:///tmp/rich.whl", "names an address"),
        ("https://example.org/rich.whl", "is no package name"),
        ("git+https://example.org/rich", "is no package name"),
        ("./rich", "is no package name"),
        ("../rich", "is no package name"),
        ("/tmp/rich", "is no package name"),
        ("--index-url=https://example.org", "is no package name"),
        ("-r requirements.txt", "is no package name"),
        ("rich --pre", "is no package name"),
        ("rich\n--pre", "is no package name"),
        ("rich[jupyter]", "asks for extras"),
        ("rich; python_version > '3'", "has a condition"),
        ("rich===../rich", "compared as mere text"),
        ("", "is no package name"),
        ("a" * 10_000, "is no package name"),
        ("rich\x1b[31m", "is no package name"),
    ],
)
def test_requirements_are_data(requirement: str, words: str) -> None:
    problem = problem_of(requirement)
    assert words in problem
    assert bool(problem) is bool(words)
    assert problem.isprintable()
    assert len(problem) < 400


@given(st.text(st.sampled_from("ab1.-_/@:[];=<>~!*, \n'#"), max_size=12))
def test_what_pip_is_given_is_a_name_and_versions(text: str) -> None:
    environment = Environment(Path("none"))
    if problem_of(text):
        with pytest.raises(ValueError, match="write a package name"):
            environment.place([text])
    else:
        again = Requirement(text)
        assert (again.url, again.extras, again.marker) == (None, set(), None)
        assert environment.place([text]) == environment.place([f" {text.upper().swapcase()} ", text])


ALLOWED = ("Rich>=13", "ruamel.yaml")


@pytest.mark.parametrize(
    ("packages", "allowed", "problems"),
    [
        (["rich", "Ruamel_YAML<1"], ALLOWED, []),
        (
            ["numpy"],
            ALLOWED,
            ["wants package 'numpy', which the specification does not allow; allowed are 'Rich>=13', 'ruamel.yaml'"],
        ),
        (
            ["numpy"],
            (),
            ["wants package 'numpy', which the specification does not allow; it allows none: use the standard library"],
        ),
        (["numpy"], None, []),
        (["rich[all]"], ALLOWED, [f"package {problem_of('rich[all]')}"]),
        (["rich[all]"], None, [f"package {problem_of('rich[all]')}"]),
    ],
)
def test_a_component_may_only_want_what_is_allowed(
    packages: list[str], allowed: tuple[str, ...] | None, problems: list[str]
) -> None:
    assert problems_of_packages(packages, allowed) == problems
    spec = None if allowed is None else Spec("x", "x", "", settings={"packages": list(allowed)} if allowed else {})
    component = Component("x", "", ("pkg/x.py",), Contract({"pkg/x.py": "X = 1\n"}), packages=tuple(packages))
    assert check_component(component, spec) == problems


def test_a_specification_that_names_no_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.md"
    path.write_text("---\npackages: [rich, ../evil]\n---\n# A\n")
    with pytest.raises(SpecError, match=r"'packages' in the front matter: '\.\./evil' is no package name"):
        read_spec(str(path))


ONE_PART = """title: tally
components:
  - id: tally
    purpose: Adds up.
    files: [tally/__main__.py]
    requirements: []
    packages: [numpy]
    contract:
      behaviour: Adds up.
      interface:
        tally/__main__.py: |
          def main() -> None:
              ...
"""


def test_a_plan_that_wants_more_is_refused_at_the_command_line(place: Place) -> None:
    (place.work / "spec.md").write_text(f"---\npackages: [greetings]\n---\n{SPEC}")
    (place.work / "plan.yaml").write_text(ONE_PART)
    refused = place.agent("plan", "spec.md", "--check", "plan.yaml")
    assert refused.returncode == 2
    assert "component 'tally': wants package 'numpy', which the specification does not allow" in refused.stderr
    (place.work / "plan.yaml").write_text(ONE_PART.replace("numpy", "greetings>=1"))
    allowed = place.agent("plan", "spec.md", "--check", "plan.yaml")
    assert allowed.returncode == 0, allowed.stderr


# -- installing


def test_installs_once_with_what_is_needed(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(shelf, "politeness", {"politeness.py": "import greetings\n"}, "2.5", needs="greetings")
    environment = Environment(tmp_path / "envs")
    place = environment.ensure(["Politeness >= 2"])
    assert installed(place) == ("greetings 1.0", "politeness 2.5")
    assert "politeness>=2" in environment.log(["politeness>=2"]).read_text()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    assert environment.ensure(["politeness>=2"]) == place
    assert {path.name for path in environment.root.iterdir()} == {place.name, f"{place.name}.log"}


def test_what_cannot_be_installed_is_one_sentence_and_leaves_nothing(shelf: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "envs")
    with pytest.raises(PrerequisiteError) as caught:
        environment.ensure(["absent>=2", "greetings"])
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith("absent>=2, greetings cannot be installed: ERROR: No matching distribution found for absent")
    assert [path.name for path in environment.root.iterdir()] == [environment.log(["absent>=2", "greetings"]).name]


def test_source_is_not_built(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    ran = tmp_path / "ran"
    with zipfile.ZipFile(shelf / "homemade-1.0.zip", "w") as source:
        source.writestr("homemade-1.0/setup.py", f"open({str(ran)!r}, 'w')\nfrom setuptools import setup\nsetup()\n")
    with pytest.raises(PrerequisiteError, match="homemade cannot be installed"):
        Environment(tmp_path / "envs").ensure(["homemade"])
    assert not ran.exists()


@pytest.mark.parametrize("root", ["file", "file/below"])
def test_a_place_that_cannot_be_written_is_one_sentence(shelf: Path, tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="greetings cannot be installed in"):
        Environment(tmp_path / root).ensure(["greetings"])


def test_pip_is_stopped_when_its_time_is_over(shelf: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "envs", seconds=0.01)
    with pytest.raises(PrerequisiteError, match=r"pip was still busy after 0\.01 seconds"):
        environment.ensure(["greetings"])
    assert not environment.place(["greetings"]).exists()


def test_pip_sees_no_key_and_obeys_no_stray_setting(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    stand_in = tmp_path / "python"
    stand_in.write_text(f'#!/bin/sh\nenv >{seen}\nexec {sys.executable} "$@"\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    for name in ("OPENAI_API_KEY", "PYTHONPATH", "PIP_TARGET", "PIP_REQUIREMENT", "PIP_NO_BINARY"):
        monkeypatch.setenv(name, "secret")
    Environment(tmp_path / "envs").ensure(["greetings"])
    assert "secret" not in seen.read_text()
    assert "PIP_NO_INDEX=1" in seen.read_text()


# -- using, in the sandbox


def toolchain_with(tmp_path: Path, *packages: str, sandbox: str = "bubblewrap") -> PytestToolchain:
    place = Environment(tmp_path / "envs").ensure(packages)
    toolchain = open_toolchain("python", open_sandbox(sandbox), LIMITS, packages=place)
    assert isinstance(toolchain, PytestToolchain)
    return toolchain


USES = {
    "pkg/__init__.py": "",
    "pkg/x.py": "from greetings import greet\n\ndef f(name):\n    return greet(name).upper()\n",
}
TESTS = {
    T: (
        "import subprocess, sys\nfrom pkg.x import f\n\n"
        "def test_here():\n    assert f('ann') == 'HELLO ANN'\n\n"
        "def test_child():\n"
        "    code = 'from pkg.x import f; print(f(\"bob\"))'\n"
        "    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)\n"
        "    assert (done.stdout, done.stderr) == ('HELLO BOB\\n', '')\n"
    )
}
IDS = (f"{T}::test_here", f"{T}::test_child")
EXAMPLES = (
    Example("E1", "python", (Step("from pkg.x import f"), Step("f('eve')", "'HELLO EVE'"))),
    Example("E2", "shell", (Step("python -c 'import greetings; print(greetings.greet(1))'", "hello 1"),)),
)


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
def test_code_uses_a_package_everywhere(shelf: Path, tmp_path: Path, sandbox: str) -> None:
    toolchain = toolchain_with(tmp_path, "greetings", sandbox=sandbox)
    verdict = toolchain.prove_tree(USES, TESTS, IDS, EXAMPLES)  # the poisoned run is part of it
    assert verdict.status == "passed", verdict
    assert len(verdict.cases) == 4
    stub = {**USES, "pkg/x.py": "from greetings import greet\n\ndef f(name):\n    raise NotImplementedError\n"}
    assert toolchain.red_tree(stub, TESTS).good == IDS
    entry = toolchain.integrate_tree(USES, {}, (), (), "python -c 'import pkg.x'")
    assert entry.status == "passed", entry


@pytest.mark.usefixtures("bubblewrap")
def test_without_the_package_nothing_passes() -> None:
    verdict = PytestToolchain(open_sandbox("bubblewrap"), LIMITS).prove_tree(USES, TESTS, IDS, EXAMPLES)
    assert verdict.passed == frozenset()


@pytest.mark.usefixtures("bubblewrap")
def test_packages_cannot_be_written(shelf: Path, tmp_path: Path) -> None:
    source = (
        "import greetings, os, pytest\n\ndef test_a():\n    with pytest.raises(OSError):\n"
        "        open(os.path.dirname(greetings.__file__) + '/new.py', 'w')\n"
    )
    verdict = toolchain_with(tmp_path, "greetings").prove_tree({}, {T: source}, (f"{T}::test_a",))
    assert verdict.status == "passed", verdict


# -- hostile packages

MARK = "import sys; sys.hooked = True\n"
SHADOWS = {
    "pytest.py": MARK + "import os\ndef main(*a, **k): os._exit(0)\n",
    "_pytest/__init__.py": MARK,
    "pluggy.py": MARK,
    "json.py": MARK + "def dumps(value): return 'forged'\n",
    "subprocess/__init__.py": MARK,
    "site.py": MARK,
    "runner_plugin.py": MARK,
    "sitecustomize.py": MARK,
    "sitecustomize/__init__.py": MARK,
    "usercustomize.py": MARK,
    "hook.pth": MARK,
    "conftest.py": MARK + "import pytest\n@pytest.fixture(autouse=True)\ndef forge(): raise AssertionError\n",
    "pytest.ini": "[pytest]\naddopts = --collect-only\n",
    "forge.py": MARK + "def pytest_runtest_makereport(item, call): raise AssertionError\n",
    "harmless.py": "X = 1\n",
}
"""A wheel that tries to be everything that is trusted."""
CHILD = "import sys, json, subprocess; print(hasattr(sys, 'hooked'), json.dumps(1))"
CLEAN = f"""
import json, subprocess, sys
import harmless, pytest

def test_clean():
    assert not hasattr(sys, "hooked")
    assert json.dumps([1]) == "[1]"
    assert "_pytest" in pytest.fixture.__module__

def test_child():
    done = subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False 1\\n", "")

def test_wrong():
    assert harmless.X == 2
"""


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
def test_a_package_shadows_nothing_and_starts_nothing(shelf: Path, tmp_path: Path, sandbox: str) -> None:
    entry_points = {"mean-1.0.dist-info/entry_points.txt": "[pytest11]\nforge = forge\n"}
    make_wheel(shelf, "mean", {**SHADOWS, **entry_points})
    toolchain = toolchain_with(tmp_path, "mean", sandbox=sandbox)
    names = {path.name for path in toolchain.readonly["/toolchain/packages"].iterdir()}
    assert {"pytest.py", "harmless.py"} <= names
    assert names.isdisjoint({"sitecustomize", "sitecustomize.py", "usercustomize.py", "hook.pth"})
    examples = (
        Example("E1", "python", (Step("import sys, json, harmless"), Step("hasattr(sys, 'hooked')", "False"))),
        Example("E2", "shell", (Step(f'python -c "{CHILD}"', "False 1"),)),
    )
    ids = tuple(f"{T}::test_{name}" for name in ("clean", "child", "wrong"))
    verdict = toolchain.prove_tree({}, {T: CLEAN}, ids, examples)
    assert {case.id: case.outcome for case in verdict.cases} == {
        **dict.fromkeys([*ids[:2], "E1", "E2"], "passed"),
        ids[2]: "failed",
    }, verdict


FORGERIES = {
    "ends the process": "import os\nos._exit(0)\n",
    "patches the reports": (
        "import _pytest.reports as r\nold = r.TestReport.from_item_and_call.__func__\n"
        "def forge(cls, item, call):\n    report = old(cls, item, call)\n    report.outcome = 'passed'\n"
        "    return report\nr.TestReport.from_item_and_call = classmethod(forge)\n"
    ),
    "writes to the channel": "import os\nfor fd in range(3, 256):\n    try: os.write(fd, b'passed\\n')\n    except OSError: pass\n",
}


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_package_forges_no_verdict(shelf: Path, tmp_path: Path, forgery: str) -> None:
    make_wheel(shelf, "mean", {"mean.py": FORGERIES[forgery]})
    verdict = toolchain_with(tmp_path, "mean").prove_tree(
        {}, {T: "import mean\n\ndef test_wrong():\n    assert False\n"}, (f"{T}::test_wrong",)
    )
    assert isinstance(verdict, Verdict)
    assert verdict.status != "passed"
    assert verdict.passed == frozenset()


# -- a whole run


@pytest.mark.usefixtures("bubblewrap")
def test_a_run_that_cannot_fetch_says_so_before_anything_is_asked(place: Place, tmp_path: Path) -> None:
    (place.work / "spec.md").write_text(f"---\npackages: [absent]\n---\n{SPEC}")
    (tmp_path / "empty").mkdir()
    flags = ("--model", f"manual:{place.work / 'questions'}", "--yes")
    done = place.agent("run", "spec.md", *flags, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "empty"))
    assert done.returncode == 2
    assert "absent cannot be installed: ERROR: No matching distribution found for absent" in done.stderr
    assert "fetching the packages that the specification allows: absent" in done.stdout
    assert not [name for _, _, names in os.walk(place.work / "questions") for name in names]


@pytest.mark.usefixtures("bubblewrap")
def test_a_run_builds_with_what_the_specification_allows_and_no_more(shelf: Path, place: Place) -> None:
    (place.work / "spec.md").write_text(f"---\npackages: [greetings]\n---\n{SPEC}")
    purpose = "    purpose: Name the result.\n"

    def instead(step: str, component: str, count: int) -> str | None:
        if step == "plan":
            wanted = "numpy" if count == 0 else "Greetings>=1"
            plan = PLAN.replace(purpose, f"{purpose}    packages: [{wanted}]\n")
            return f"```yaml\n{plan}```\n"
        if (step, component) == ("code", "label"):
            code = (
                "from greetings import greet\n\n\ndef label(name, number):\n    return f'{greet(name)[6:]}: {number}'\n"
            )
            return fenced("tally/label.py", code)
        return None

    env = {name: os.environ[name] for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS")}
    with StubServer(Author(instead=instead)) as stub:
        flags = ("-o", "out", "--yes", "--model", "scripted", "--base-url", stub.url)
        done = place.agent("run", "spec.md", *flags, **env)
    assert done.returncode == 0, done
    assert "generated code may import: greetings 1.0" in done.stdout
    again = next(body for body in stub.bodies if len(body["messages"]) > 2)
    assert "component 'label': wants package 'numpy'" in again["messages"][-1]["content"]
    (run,) = place.runs()
    assert len([path for path in (run / "packages").iterdir() if path.is_dir()]) == 1
