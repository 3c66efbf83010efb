"""What the machine did is tried again and never held against the code, and no program can make use of that."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Collection

import pytest

from agent.checks.python import PytestToolchain
from agent.sandbox import open_sandbox
from agent.sandbox.base import Ended, Ending, Job, Sandbox, SandboxLimits
from agent.sandbox.patient import PAUSES, Patient
from graphs.ports import Brief
from graphs.values import Component, Contract, Example, Plan, Spec, Step, Verdict, from_json, to_json

JOB = Job(("true",))
TRIES = len(PAUSES) + 1


def ended(ending: Ending) -> Ended:
    return Ended(ending, 0 if ending == "exit" else None, b"", b"", 0, b"", 0.0, "script", f"because of {ending}")


class Troubled:
    """A sandbox on a machine that has bad moments: at the runs with these numbers, from 0."""

    def __init__(self, moments: Collection[int], trouble: Ending | OSError = "starved", sandbox: Sandbox | None = None):
        self.label = "troubled"
        self.runs = 0
        self._moments = moments
        self._trouble = trouble
        self._sandbox = sandbox

    def probe(self) -> None:
        pass

    def run(self, job: Job) -> Ended:
        self.runs += 1
        if self.runs - 1 in self._moments:
            if isinstance(self._trouble, OSError):
                raise self._trouble
            return ended(self._trouble)
        return self._sandbox.run(job) if self._sandbox else ended("exit")


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses made; no time passes in them."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


@pytest.mark.parametrize("trouble", ["starved", "crash", OSError(errno.EAGAIN, "no more processes")], ids=repr)
@pytest.mark.parametrize("bad", range(TRIES + 3))
def test_it_is_tried_again_with_growing_pauses_but_not_for_ever(
    trouble: Ending | OSError, bad: int, slept: list[float]
) -> None:
    box = Troubled(range(bad), trouble)
    last = Patient(box).run(JOB)
    assert box.runs == min(bad + 1, TRIES)
    assert slept == list(PAUSES[: box.runs - 1]) == sorted(slept)
    assert last.by_machine == (bad >= TRIES)
    assert last.reason.endswith(f"(the last of {TRIES} tries)") == last.by_machine


@pytest.mark.parametrize("ending", ["exit", "time", "memory", "processes", "disk", "output"])
def test_what_the_job_did_is_never_tried_again(ending: Ending) -> None:
    box = Troubled([0], ending)
    assert Patient(box).run(JOB) == ended(ending)
    assert box.runs == 1


def test_what_was_asked_wrongly_is_never_tried_again() -> None:
    box = Troubled([0], OSError(errno.E2BIG, "too long"))
    with pytest.raises(OSError, match="too long"):
        Patient(box).run(JOB)
    assert box.runs == 1


T = "tests/test_x.py"
TESTS = {T: "from x import f\n\ndef test_a():\n    assert f(1) == 2\n"}
IDS = (f"{T}::test_a",)
EXAMPLES = tuple(Example(f"E{n}", "shell", (Step("python -m x", "2\nnote\n"),)) for n in (1, 2))
PROGRAM = "if __name__ == '__main__':\n    print(f(1), flush=True)\n    print('note', file=sys.stderr)\n"
GOOD = {"x.py": f"import sys\n\ndef f(n):\n    return n + 1\n\n{PROGRAM}"}
BAD = {"x.py": GOOD["x.py"].replace("n + 1", "n")}
RUNS = 7
"""Of a proof that passes: real, twice for each example (both streams, then one), poisoned, entry."""


def proof(moments: Collection[int], tree: dict[str, str]) -> tuple[Verdict, int]:
    box = Troubled(moments, sandbox=open_sandbox("bubblewrap"))
    toolchain = PytestToolchain(box, SandboxLimits(seconds=30, memory_mb=512))
    verdict = toolchain.integrate_tree(tree, TESTS, IDS, EXAMPLES, "python -m x")
    return verdict, box.runs


@pytest.mark.usefixtures("bubblewrap")
def test_bad_moments_at_every_run_change_no_verdict() -> None:
    moments = [moment for run in range(RUNS) for moment in range(TRIES * run, TRIES * run + TRIES - 1)]
    verdict, runs = proof(moments, GOOD)
    assert (verdict.status, verdict.infrastructure, runs) == ("passed", False, RUNS * TRIES), verdict
    verdict, runs = proof(moments, BAD)
    assert (verdict.status, verdict.infrastructure) == ("failed", False), verdict
    assert IDS[0] not in verdict.passed


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("first", range(RUNS))
def test_a_machine_that_stays_bad_is_an_error_that_says_nothing_of_the_code(first: int) -> None:
    verdict, runs = proof(range(first, 1000), GOOD)
    assert (verdict.status, verdict.infrastructure) == ("error", True), verdict
    assert "because of starved (the last of 4 tries)" in verdict.reason
    assert [case.id for case in verdict.cases] == [*IDS, "E1", "E2", "entry"]
    assert runs <= first + 2 * TRIES  # the rest is not tried, but for the entry command
    assert from_json(Verdict, to_json(verdict)) == verdict


@pytest.mark.usefixtures("bubblewrap")
def test_tests_that_could_not_be_run_on_the_stub_are_said_to_be_so() -> None:
    component = Component("x", "", ("x.py",), Contract({"x.py": "def f(n: int) -> int: ...\n"}))
    toolchain = PytestToolchain(Troubled(range(1000)))
    report = asyncio.run(toolchain.red(Brief(component, "key", (), (), T), toolchain.stub(component), TESTS))
    assert report.verdict.infrastructure
    assert report.good == ()


def test_verdicts_of_before_can_be_read() -> None:
    old = {name: value for name, value in to_json(Verdict("passed")).items() if name != "infrastructure"}
    assert from_json(Verdict, old) == Verdict("passed")


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize(
    "forger",
    [
        "import os; os.kill(1, 9)",
        "import os; os.kill(os.getpid(), 9)",
        "import os; os.kill(os.getppid(), 9)",
        "import os\nfor fd in range(3, 300):\n    try: os.close(fd)\n    except OSError: pass\nos._exit(0)",
        "import os, sys; sys.stderr.write('bwrap: Creating new namespace failed'); sys.stderr.flush(); os._exit(1)",
    ],
)
def test_no_program_can_pass_its_end_off_as_the_machines(forger: str) -> None:
    box = Troubled([], sandbox=open_sandbox("bubblewrap"))
    toolchain = PytestToolchain(box, SandboxLimits(seconds=30, memory_mb=512))
    verdict = toolchain.prove_tree({"x.py": forger}, TESTS, IDS)
    assert (verdict.status, verdict.infrastructure, box.runs) == ("error", False, 1), verdict


def test_an_entry_command_alone_may_meet_a_bad_moment_too() -> None:
    toolchain = PytestToolchain(Troubled(range(1000), "crash"))
    spec = Spec("t", "", "")
    verdict = asyncio.run(toolchain.integrate(Plan("t", (), entry="python -m x"), spec, GOOD, {}, ()))
    assert (verdict.status, verdict.infrastructure) == ("error", True), verdict
