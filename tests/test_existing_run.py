"""``agent run --repo``: a change to a program that is there, end to end with a scripted model, a real sandbox and real git."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent.config import Settings
from agent.existing import BRANCH, read_existing
from agent.hand_edits import base_of, hand_edits
from agent.run import RunConfig, start
from agent.sandbox import open_sandbox
from agent.spec import read_spec
from agent.store.journal import SqliteJournal
from agent.workspace import BEGUN_FILE, GitRepository, check_output
from benchmark.datasets import TASKS, Task
from benchmark.experiment import find_tasks
from benchmark.grading import delivered as delivered_files
from benchmark.grading import grade
from benchmark.worker import _said, program_of
from graphs import document, events
from graphs.errors import UserError
from graphs.values import Component, Contract, Plan, Proof
from tests.conftest import Place, ended
from tests.stub_server import StubServer

pytestmark = pytest.mark.usefixtures("bubblewrap")

PRICES = '''"""What things cost."""

CURRENCY = "EUR"


def total(prices: list[float]) -> float:
    """The sum, rounded to cents."""
    return round(sum(prices), 2)


def shown(amount: float) -> str:
    """An amount as customers see it."""
    return f"{amount:.2f} {CURRENCY}"
'''
PROGRAM = {
    "README.md": "# shop\n\nThe shop's own words.\n",
    ".gitignore": "out/\n",
    "shop/__init__.py": "",
    "shop/prices.py": PRICES,
    "shop/till.py": "from shop.prices import shown, total\n\n\ndef receipt(prices):\n    return shown(total(prices))\n",
    "tests/test_till.py": (
        "from shop.till import receipt\n\n\ndef test_receipt():\n    assert receipt([0.1, 0.2]) == '0.30 EUR'\n\n\n"
        "def test_that_failed_before():\n    assert receipt([]) == 'nothing'\n"
    ),
}
SPEC = """# Discounts

- `total` takes a discount in percent, by default none.
- A discount below 0 or above 100 is a ValueError.
"""
REQUIREMENTS = """R1: total takes a discount in percent.
> `total` takes a discount in percent, by default none.

R2: A discount below 0 or above 100 is a ValueError.
> A discount below 0 or above 100 is a ValueError.
"""
PLAN = """title: discounts
entry: ''
components:
  - id: discount
    purpose: Totals with a discount.
    files: [shop/prices.py, shop/percent.py]
    requirements: [R1, R2]
    contract:
      behaviour: |
        total takes a discount in percent, 0 by default, and takes so much off the sum before it rounds to cents. A discount below
        0 or above 100 raises ValueError. checked gives a percentage back and raises ValueError for one below 0 or above 100.
      interface:
        shop/prices.py: |
          def total(prices: list[float], discount: float = 0) -> float:
              ...
        shop/percent.py: |
          def checked(percent: float) -> float:
              ...
"""
TESTS = """import pytest

from shop.percent import checked
from shop.prices import total


def test_a_discount_is_taken_off():
    '''R1: ten percent of 20.'''
    assert total([10.0, 10.0], 10) == 18.0


def test_none_by_default():
    '''R1: no discount.'''
    assert total([1.5]) == 1.5


@pytest.mark.parametrize("percent", [-1, 101])
def test_out_of_range(percent):
    '''R2: outside 0 to 100.'''
    with pytest.raises(ValueError):
        total([1.0], percent)
    with pytest.raises(ValueError):
        checked(percent)
"""
PERCENT = """### shop/percent.py
```python
def checked(percent: float) -> float:
    if not 0 <= percent <= 100:
        raise ValueError(percent)
    return percent
```
"""
EDITS = """### shop/prices.py
```python
<<<<<<< SEARCH
def total(prices: list[float]) -> float:
    \"\"\"The sum, rounded to cents.\"\"\"
    return round(sum(prices), 2)
=======
def total(prices: list[float], discount: float = 0) -> float:
    \"\"\"The sum less a discount in percent, rounded to cents.\"\"\"
    return round(sum(prices) * (100 - checked(discount)) / 100, 2)
>>>>>>> REPLACE
<<<<<<< SEARCH
CURRENCY = "EUR"
=======
from shop.percent import checked

CURRENCY = "EUR"
>>>>>>> REPLACE
```
"""
BROKEN = EDITS.replace('CURRENCY = "EUR"\n>>>>>>>', 'CURRENCY = "Euro"\n>>>>>>>')
"""The same, which also changes what nobody asked for: the component's own tests do not see it."""
MENDED = """The currency was changed by mistake.

### shop/prices.py
```python
<<<<<<< SEARCH
CURRENCY = "Euro"
=======
CURRENCY = "EUR"
>>>>>>> REPLACE
```
"""


@dataclass
class Author:
    """Plays the model; keeps what it was asked."""

    code: str = EDITS + PERCENT
    asked: Counter[str] = field(default_factory=Counter)
    prompts: dict[str, str] = field(default_factory=dict)

    def __call__(self, body: dict[str, Any]) -> str:
        prompt = "\n".join(message["content"] for message in body["messages"])
        (step,) = re.findall(r"^# Your task now: (.*)$", prompt, re.MULTILINE)[-1:]
        self.asked[step] += 1
        self.prompts[step] = prompt
        return {
            "list the requirements": REQUIREMENTS,
            "the plan": f"```yaml\n{PLAN}```\n",
            "the tests": f"### tests/test_discount.py\n```python\n{TESTS}```\n",
            "the code": self.code,
            "a repair": MENDED,
            "the revision": "Nothing needs to be built anew.\n\n```yaml\nedits: []\n```\n",
        }[step]


def git(where: Path, *words: str) -> str:
    said = subprocess.run(["git", *words], cwd=where, capture_output=True, text=True, check=True)
    return said.stdout.strip()


def program(where: Path, files: Mapping[str, str] = PROGRAM) -> Path:
    """A repository that holds it, with a commit more before it."""
    where.mkdir(parents=True)
    git(where, "init", "-q", "-b", "trunk")
    commit = ("-c", "user.name=u", "-c", "user.email=u@u", "commit", "-q", "--allow-empty", "-m")
    git(where, *commit, "Run: 20\n\nnot ours")
    for path, text in files.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_text(text)
    git(where, "add", "-A")
    git(where, *commit, "Run: 21\n\nnot ours")
    return where


@dataclass(frozen=True)
class Changed:
    place: Place
    author: Author
    stub: StubServer
    repo: Path
    done: subprocess.CompletedProcess[str]

    def again(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.place.agent("run", *words, "--yes", "--json", "--model", "m", "--base-url", self.stub.url)


@pytest.fixture(scope="module")
def changed(bubblewrap: None, shared_place: Place) -> Iterator[Changed]:
    repo = program(shared_place.root / "shop")
    (shared_place.work / "spec.md").write_text(SPEC)
    author = Author()
    with StubServer(author) as stub:
        made = Changed(shared_place, author, stub, repo, subprocess.CompletedProcess([], 0))
        done = made.again("spec.md", "-o", "out", "--repo", str(repo))
        yield Changed(shared_place, author, stub, repo, done)


def test_the_output_is_the_program_with_the_change_on_a_branch_of_its_own(changed: Changed) -> None:
    assert changed.done.returncode == 0, changed.done
    out, base = changed.place.output, git(changed.repo, "rev-parse", "HEAD")
    assert git(out, "branch", "--show-current") == BRANCH
    assert git(out, "merge-base", "HEAD", base) == base == base_of(out)
    assert git(out, "diff", "--name-only", base).split() == [
        ".agent/plan.yaml",
        "shop/percent.py",
        "shop/prices.py",
        "tests/test_discount.py",
    ]
    assert git(out, "log", "--format=%s", f"{base}..HEAD").split("\n") == [
        "discount: Totals with a discount.",
        "Plan of discounts",
    ]
    assert hand_edits(out) == ()
    assert (out / "shop/prices.py").read_text().count("discount") == 3
    assert git(changed.repo, "status", "--porcelain") == ""
    assert git(changed.repo, "branch").split() == ["*", "trunk"]


def test_whoever_plans_sees_the_program_and_whoever_writes_tests_only_heads(changed: Changed) -> None:
    asked = changed.author.prompts
    assert "return round(sum(prices), 2)" in asked["the plan"]
    assert "return round(sum(prices), 2)" in asked["the code"]
    assert "return round(sum(prices), 2)" not in asked["the tests"]
    assert "def receipt" in asked["the tests"]
    assert all("a change to a program that is there" in asked[step] for step in ("the plan", "the tests", "the code"))


def test_tests_that_passed_before_hold_the_whole(changed: Changed) -> None:
    with SqliteJournal.read(changed.place.runs()[0]) as journal:
        (whole,) = journal.events(kind=events.INTEGRATION_FINISHED)
    cases = {case["id"] for case in whole.body["verdict"]["cases"]}
    assert "tests/test_till.py::test_receipt" in cases
    assert "tests/test_till.py::test_that_failed_before" not in cases


def test_the_end_says_what_held_it_and_how_to_take_it(changed: Changed) -> None:
    run = json.loads(changed.done.stdout)["run"]
    said = changed.place.agent("resume", run).stdout
    assert " tests and examples passed, 1 of them tests that the program had" in said
    base = git(changed.repo, "rev-parse", "--short=12", "HEAD")
    assert f"git -C {changed.place.output} diff {base}" in said
    git(changed.repo, "fetch", "-q", str(changed.place.output), BRANCH)
    assert "shop/percent.py" in git(changed.repo, "diff", "--name-only", "HEAD", "FETCH_HEAD")


def test_the_same_again_asks_nothing_and_a_changed_spec_knows_what_it_began_from(changed: Changed) -> None:
    before = changed.author.asked.total()
    again = changed.again("spec.md", "-o", "out", "--repo", str(changed.repo))
    assert (again.returncode, changed.author.asked.total()) == (0, before), again
    (changed.place.work / "more.md").write_text(SPEC + "- Nothing else changes.\n")

    revised = changed.again("more.md", "-o", "out")

    assert revised.returncode == 0, revised
    assert "The program that is there" in changed.author.prompts["the revision"]


def test_what_breaks_the_rest_of_the_program_goes_back_to_work(place: Place) -> None:
    repo = program(place.root / "shop")
    (place.work / "spec.md").write_text(SPEC)
    author = Author(code=BROKEN + PERCENT)
    with StubServer(author) as stub:
        words = ("-o", "out", "--repo", str(repo), "--yes", "--json", "--model", "m", "--base-url", stub.url)
        done = place.agent("run", "spec.md", *words)
    assert done.returncode == 0, done
    assert author.asked["a repair"] == 1
    assert "passed before the change" in author.prompts["a repair"]
    assert 'CURRENCY = "EUR"' in (place.output / "shop/prices.py").read_text()


def test_what_a_live_model_answered_still_changes_a_program_as_its_hidden_tests_ask(tmp_path: Path) -> None:
    """tests/recordings/weave.jsonl: a task of ours, answered through ``manual:`` and unedited. A prompt that has changed since has
    no answer there."""
    (task,) = find_tasks(TASKS, ids=["m-weave-logs"])
    (tmp_path / "spec.md").write_text(task.instruction)
    repo = program(tmp_path / "weave", task.workspace)
    model = f"replay:{Path(__file__).parent / 'recordings' / 'weave.jsonl'}"
    settings = Settings(model=model, mutants=0, collect=False)
    spec = read_spec(str(tmp_path / "spec.md"))
    result = start(RunConfig(spec, tmp_path / "out", settings, tmp_path / "home", existing=read_existing(repo)))
    assert (result.status, result.usage.calls, result.reason) == ("passed", 4, "")
    found = grade(task, {**task.workspace, **delivered_files(tmp_path / "out")}, open_sandbox("bubblewrap"))
    assert (found.passed, found.reason) == (True, "")


def test_a_tasks_workspace_is_one_commit_the_same_each_time(tmp_path: Path) -> None:
    files = {
        "a/__init__.py": "",
        "a/b.py": "x = 1\r\n",
        'odd "name".txt': "no end",
        "ü.txt": "ü\n\n",
        "tests/test_b.py": "1\n",
    }
    task = Task(
        "t",
        "t",
        "Change it.",
        tests={"test_b.py": "def test_b():\n    pass\n"},
        parts={"test_b.py": "b"},
        workspace=files,
    )
    found = [program_of(task, tmp_path / place) for place in ("one", "two", "one")]
    assert [program and program.files for program in found] == [files] * 3
    assert len({program.commit for program in found if program}) == 1
    assert _said(task) == {"superseded": ("tests/test_b.py",)}
    assert (
        program_of(replace(task, instruction="Begin with: x = 1", workspace={"a.py": "x = 1\n", "b.py": ""}), tmp_path)
        is None
    )


def test_a_run_that_was_killed_goes_on_though_the_repository_has_moved_on(place: Place) -> None:
    repo = program(place.root / "shop")
    (place.work / "spec.md").write_text(SPEC)
    reached, base = threading.Event(), git(repo, "rev-parse", "HEAD")

    class Slow(Author):
        def __call__(self, body: dict[str, Any]) -> str:
            answer = super().__call__(body)
            if "# Your task now: the code" in self.prompts.get("the code", "") and not reached.is_set():
                reached.set()
                time.sleep(3)  # it is killed in the meantime
            return answer

    author = Slow()
    with StubServer(author) as stub:
        words = ("-o", "out", "--repo", str(repo), "--yes", "--json", "--model", "m", "--base-url", stub.url)
        process = place.start("run", "spec.md", *words)
        assert reached.wait(60)
        process.kill()
        ended(process)
        git(repo, "-c", "user.name=u", "-c", "user.email=u@u", "commit", "-q", "--allow-empty", "-m", "on")
        before = Counter(author.asked)
        done = place.agent("resume", "--json")
    assert done.returncode == 0, done
    assert (author.asked - before).keys() <= {"the code", "the tests"}
    assert base_of(place.output) == base


# -- what can be wrong


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ("nothing", "there is no directory"),
        ("directory", "is not in a git repository"),
        ("empty", "nothing was committed yet"),
    ],
)
def test_a_repository_that_is_none_is_said_in_a_sentence(place: Place, there: str, says: str) -> None:
    (place.work / "spec.md").write_text(SPEC)
    if there != "nothing":
        (place.work / "shop").mkdir()
    if there == "empty":
        git(place.work / "shop", "init", "-q")
    done = place.agent("run", "spec.md", "-o", "out", "--repo", "shop", "--model", "replay:none.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not place.output.exists()


def test_an_output_that_was_begun_from_something_else_is_refused(changed: Changed) -> None:
    git(changed.repo, "-c", "user.name=u", "-c", "user.email=u@u", "commit", "-q", "--allow-empty", "-m", "on")
    try:
        done = changed.again("spec.md", "-o", "out", "--repo", str(changed.repo))
    finally:
        git(changed.repo, "reset", "-q", "--hard", "HEAD~1")
    assert done.returncode == 2
    assert "was begun from commit" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_not_committed_is_said(place: Place) -> None:
    repo = program(place.root / "shop")
    (repo / "shop/prices.py").write_text("x = 1\n")
    (place.work / "spec.md").write_text(SPEC)
    done = place.agent("run", "spec.md", "--repo", str(repo), "--model", "replay:none.jsonl")
    assert "1 changed file is not committed" in done.stderr


# -- the repository that is delivered to


def delivered(
    root: Path, repo: Path, files: tuple[str, ...] = ("shop/prices.py",)
) -> tuple[GitRepository, Plan, Proof]:
    component = Component("discount", "P.", files, Contract(behaviour="B."))
    texts = {path: PRICES.replace("EUR", "USD") for path in files}
    proof = Proof("discount", "key", "passed", texts, {"tests/test_discount.py": "def test_a():\n    assert 1\n"})
    return GitRepository(root, "1", existing=read_existing(repo)), Plan("t", (component,)), proof


def test_taking_over_that_was_cut_off_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = program(tmp_path / "shop")
    repository, plan, proof = delivered(tmp_path / "out", repo)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(repository, "_record", killed)
        with pytest.raises(KeyboardInterrupt):
            repository._commit(plan, proof)
    assert (tmp_path / "out" / BEGUN_FILE).exists()
    check_output(tmp_path / "out")
    repository, plan, proof = delivered(tmp_path / "out", repo)
    asyncio.run(repository.commit(plan, proof))
    assert git(tmp_path / "out", "show", "HEAD:shop/prices.py") == proof.files["shop/prices.py"].strip()
    assert not (tmp_path / "out" / BEGUN_FILE).exists()
    check_output(tmp_path / "out")


def test_a_file_that_the_plan_lets_go_is_as_it_was_before(tmp_path: Path) -> None:
    repo = program(tmp_path / "shop")
    repository, plan, proof = delivered(tmp_path / "out", repo, ("shop/prices.py", "shop/till.py"))
    asyncio.run(repository.commit(plan, proof))
    smaller = Plan("t", (Component("discount", "P.", ("shop/prices.py",), Contract(behaviour="B.")),), revision=2)
    asyncio.run(repository.commit(smaller, Proof("discount", "k", "passed", {"shop/prices.py": PRICES}, proof.tests)))
    asyncio.run(repository.finish(smaller, None, {}, None))  # type: ignore[arg-type]
    out = tmp_path / "out"
    assert (out / "shop/till.py").read_text() == PROGRAM["shop/till.py"]
    assert (out / "README.md").read_text() == PROGRAM["README.md"]
    assert git(out, "status", "--porcelain") == ""
    assert document.parse((out / ".agent/plan.yaml").read_text()).revision == 2


def test_a_link_in_place_of_our_directory_is_not_followed(tmp_path: Path) -> None:
    repo = program(tmp_path / "shop")
    (repo / ".agent").symlink_to(tmp_path / "elsewhere")
    git(repo, "add", "-A")
    git(repo, "-c", "user.name=u", "-c", "user.email=u@u", "commit", "-q", "-m", "link")
    (tmp_path / "elsewhere").mkdir()
    repository, plan, proof = delivered(tmp_path / "out", repo)
    with pytest.raises(UserError, match="is a link"):
        repository._commit(plan, proof)
    assert list((tmp_path / "elsewhere").iterdir()) == []
