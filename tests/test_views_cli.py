"""``agent graph``, ``runs``, ``show`` and ``log`` over journals written by the real store."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agent.cli.graph import graph
from agent.cli.log import log
from agent.cli.runs import runs
from agent.cli.show import show
from agent.models.journaled import PART
from agent.store.journal import SqliteJournal
from agent.store.runs import new_run
from graphs import document, events
from graphs.errors import PlanError, UserError
from graphs.events import Event
from graphs.values import CaseResult, Component, Contract, Plan, Proof, Requirement, Usage, Verdict, to_json

HOSTILE = "\x1b[2J\x07\u202e<b>&\"' [red]"
ROOT = Path(__file__).parent.parent


def component(name: str, *needs: str) -> Component:
    contract = Contract({f"q/{name}.py": f"def {name}(text: str) -> int: ..."}, f"Counts. {HOSTILE}")
    return Component(name, f"The {name}. {HOSTILE}", (f"q/{name}.py",), contract, needs, ("R1",))


PLAN = Plan(
    "Log query tool",
    (component("tokenizer"), component("parser", "tokenizer"), component("cli", "parser")),
    (Requirement("R1", "Logs can be queried."),),
)
FAILED = Verdict(
    "failed",
    (
        CaseResult("tests/test_parser.py::test_a", "passed"),
        CaseResult("tests/test_parser.py::test_b", "failed", f"assert 1 == 2 {HOSTILE}"),
        CaseResult("tests/test_parser.py::test_c", "error", "NameError: x"),
    ),
    "2 of 3 fail",
)
PASSED = Verdict("passed", (CaseResult("tests/test_tokenizer.py::test_a", "passed"),))


def on(kind: str, name: str = "", **body: object) -> Event:
    return Event(kind, name, 1, body)


STARTED = on(events.RUN_STARTED, run="r", title="Log query tool", settings={"output": "/out/logq", "model": "m-1"})
DECOMPOSED = [
    on(events.REQUIREMENTS_READ, requirements=[{"id": "R1"}]),
    on(events.EXEMPLARS_CHOSEN, names=["cli-tool"], why=["a command line"]),
    on(events.PLAN_REVISED, plan=document.to_data(PLAN), author="model", why="first cut"),
    on(events.PLAN_APPROVED),
]
WORK = [
    on(events.COMPONENT_STARTED, "tokenizer", key="k1"),
    on(events.COMPONENT_STEP, "tokenizer", step="code", attempt=1, detail=""),
    on(events.COMPONENT_ATTEMPT, "tokenizer", number=1, step="code", verdict=to_json(PASSED), passed=1, total=1),
    on(
        events.COMPONENT_PASSED,
        "tokenizer",
        proof=to_json(Proof("tokenizer", "k1", "passed", verdict=PASSED, attempts=1)),
    ),
    on(events.COMMITTED, "tokenizer", commit="0123456789abcdef"),
    on(events.COMPONENT_STARTED, "parser", key="k2"),
    on(events.TESTS_FROZEN, "parser", ids=[c.id for c in FAILED.cases], dropped=[{"id": "test_d", "reason": "passes"}]),
    on(events.COMPONENT_ATTEMPT, "parser", number=1, step="code", verdict=to_json(FAILED), passed=1, total=3),
    on(events.COMPONENT_DECISION, "parser", decision="repair", reason=f"2 of 3 fail {HOSTILE}"),
    on(
        events.COMPONENT_FAILED,
        "parser",
        proof=to_json(Proof("parser", "k2", "failed", verdict=FAILED, attempts=3, reason="no progress")),
        reason="no progress",
    ),
    on(events.COMPONENT_BLOCKED, "cli", by="parser"),
]
FINISHED = on(
    events.RUN_FINISHED, status="failed", usage=to_json(Usage(2, 300, 0, 70, 0, 0.5)), seconds=12.0, reason="1 failed"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


async def _write(journal: SqliteJournal, facts: list[Event]) -> None:
    for event in facts:
        await journal.append(event)
    for step, answer in (("tests", "the tests"), ("code", f"the code\n{HOSTILE}")):
        request = {
            "messages": [{"role": "system", "content": f"You write {step}."}, {"role": "user", "content": "Go."}]
        }
        await journal.start_call(f"{step}key", component="parser", step=step, attempt=1, model="m-1", request=request)
        usage = to_json(Usage(1, 150, 0, 35, 0, 0.25))
        await journal.finish_call(f"{step}key", response={"text": answer}, usage=usage, seconds=2.0)


def recorded(home: Path, *facts: Event, title: str = "Log query tool") -> str:
    """A run whose process has ended, holding these events and two calls; returns its id."""
    run_id, run_dir = new_run(home, title)
    journal = SqliteJournal.create(run_dir)
    try:
        asyncio.run(_write(journal, list(facts)))
    finally:
        journal.close()
    return run_id


@pytest.fixture
def run(home: Path) -> str:
    return recorded(home, STARTED, *DECOMPOSED, *WORK, FINISHED)


def call(command: click.Command, *arguments: str) -> Result:
    result = CliRunner().invoke(command, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", result.output), "hostile text reached the terminal"
    return result


def test_show_gives_the_run_at_a_glance(run: str) -> None:
    text = call(show, run).output
    assert text.splitlines()[:5] == [
        "Log query tool",
        f"  run      {run}",
        "  status   not passed: 1 failed",
        "  output   /out/logq",
        "  model    m-1",
    ]
    assert "  spent    2 model calls · 370 tokens · $0.50 · " in text
    assert "✓ tokenizer *  passed · 1/1 tests\n" in text
    assert "└─ ✗ parser *  failed: no progress · 1/3 tests\n" in text
    assert "   └─ ⊘ cli *  blocked by parser\n" in text


def test_show_names_commands_as_they_can_be_typed(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    beside = Path(sys.executable).parent / "agent"
    assert f"the story: {beside} log {run}\n" in call(show, run).output


def test_show_gives_a_component_with_its_attempts_decisions_and_calls(run: str) -> None:
    text = call(show, run, "parser").output
    for part in (
        "needs      tokenizer\n",
        "needed by  cli\n",
        "R1  Logs can be queried.",
        "def parser(text: str) -> int: ...",
        "✓ tests/test_parser.py::test_a\n",
        "✗ tests/test_parser.py::test_b  failed: assert 1 == 2",
        "✗ tests/test_parser.py::test_c  error: NameError: x\n",
        "attempt 1: 1 of 3 tests passed; first failure tests/test_parser.py::test_b: assert 1 == 2",
        "decision: repair: 2 of 3 fail",
        "1 test dropped, first test_d: passes",
        "testskey  parser tests 1  m-1  150 + 35 tokens  $0.25  2 s",
        "spent      2 model calls · 370 tokens · $0.50",
    ):
        assert " ".join(part.split()) in " ".join(text.split())
    assert "You write" not in text
    whole = call(show, run, "parser", "--calls").output
    assert "    You write tests.\n" in whole
    assert "    the code\n    \\x1b[2J\\x07\\u202e<b>" in whole


def test_show_gives_one_call(run: str) -> None:
    text = call(show, run, "--call", "code").output
    assert "You write code." in text
    assert "You write tests." not in text
    with pytest.raises(UserError, match="fits no call"):
        call(show, run, "--call", "nothing")


def test_show_json_is_one_object(run: str) -> None:
    data = json.loads(call(show, run, "parser", "--json", "--calls").output)
    assert data["version"] == 1
    assert (data["run"]["id"], data["run"]["status"], data["run"]["live"]) == (run, "failed", False)
    assert data["component"]["depends_on"] == ["tokenizer"]
    assert data["state"]["status"] == "failed"
    assert [h["kind"] for h in data["history"]] == [e.kind for e in WORK if e.component == "parser"]
    assert [c["response"]["text"].split("\n")[0] for c in data["run"]["calls"]] == ["the tests", "the code"]
    bare = json.loads(call(show, run, "--json").output)
    assert [c["id"] for c in bare["run"]["plan"]["components"]] == ["tokenizer", "parser", "cli"]
    assert "request" not in bare["run"]["calls"][0]


def read(key: str, number: int, *problems: str, step: str = "tests") -> Event:
    return on(
        events.ANSWER_READ,
        "parser",
        key=f"{key}key",
        step=step,
        attempt=1,
        number=number,
        strategy="guided",
        form="f" * 64,
        problems=problems,
    )


def test_show_tells_how_answers_were_asked_for_and_how_they_read(home: Path) -> None:
    async def calls(journal: SqliteJournal) -> None:
        request = {"messages": [], "form": {"kind": "grammar", "name": "tests", "digest": "f" * 64}}
        for key, usage in (("pieces", Usage(1, 90, 0, 7)), ("tests", Usage(1, 90, 0, 40, 0, 0.0, 25))):
            await journal.start_call(
                f"{key}key", component="parser", step="tests", attempt=1, model="m", request=request
            )
            if key == "pieces":
                await journal.fail_call(f"{key}key", error=PART, usage=to_json(usage), seconds=1.0)
            else:
                await journal.finish_call(f"{key}key", response={"text": "t"}, usage=to_json(usage), seconds=1.0)

    run_id, run_dir = new_run(home, "Log query tool")
    with closing(SqliteJournal.create(run_dir)) as journal:
        story = [
            STARTED,
            *DECOMPOSED,
            read("x", 1, f"no test {HOSTILE}"),
            read("tests", 2),
            read("c", 1, "b", step="code"),
        ]
        asyncio.run(journal.append(*story))  # type: ignore[arg-type]
        asyncio.run(calls(journal))
    told = "guided: 0 of 2 answers of use at the first try, 1 asked for again, 1 given up"
    assert f"  asked    {told}\n" in call(show, run_id).output
    text = " ".join(call(show, run_id, "parser").output.split())
    assert "testskey parser tests 1 m 90 + 40 tokens (25 forced) $0.00 1 s held to grammar ffffffff" in text
    assert "pieceskey parser tests 1 m 90 + 7 tokens $0.00 1 s held to grammar ffffffff part" in text
    data = json.loads(call(show, run_id, "parser", "--json").output)["run"]
    assert data["asking"] == {"guided": {"questions": 2, "first_try": 0, "again": 1, "given_up": 1}}
    assert [(c["state"], c["form"]["kind"], c["reading"]) for c in data["calls"]] == [
        ("part", "grammar", None),
        ("done", "grammar", {"strategy": "guided", "number": 2, "problems": []}),
    ]
    assert "the answer to 'tests' was of no use: no test" in call(log, run_id).output


def test_log_tells_the_story(run: str) -> None:
    lines = [line.split("  ", 1)[1] for line in map(str.strip, call(log, run).output.splitlines())]
    assert lines[:7] == [
        "the run began: Log query tool",
        "found 1 requirement in the spec",
        "chose 1 example plan to show the model: cli-tool",
        "plan, revision 1 by the model: 3 components: first cut",
        "the plan was approved",
        "tokenizer: work on it begins",
        "tokenizer: writing code",
    ]
    assert lines[-2:] == [
        "cli: cannot be built, because parser failed",
        "the run ended: not passed after 12 s: 1 failed",
    ]


def test_log_of_one_component_and_as_json_lines(run: str) -> None:
    assert {line.split()[1] for line in call(log, run, "--component", "cli").output.splitlines()} == {"cli:"}
    told = [json.loads(line) for line in call(log, run, "--json").output.splitlines()]
    assert [t["kind"] for t in told] == [e.kind for e in (STARTED, *DECOMPOSED, *WORK, FINISHED)]
    assert [t["seq"] for t in told] == list(range(1, len(told) + 1))
    with pytest.raises(UserError, match="nothing of a component 'nobody'; there are tokenizer, parser, cli"):
        call(log, run, "--component", "nobody")


def test_runs_lists_newest_first(home: Path, run: str) -> None:
    other = recorded(home, STARTED, title="Second")
    lines = call(runs).output.splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", other, run]
    assert lines[2].split()[1:3] == ["failed", "1/3"]
    assert lines[1].split()[1:3] == ["interrupted", "–"]
    data = json.loads(call(runs, "--json", "--limit", "1").output)
    assert (data["version"], data["total"], [r["id"] for r in data["runs"]]) == (1, 2, [other])


def test_without_runs_every_view_says_how_to_start_one(home: Path) -> None:
    assert "agent run SPEC.md" in call(runs).output
    assert json.loads(call(runs, "--json").output)["runs"] == []
    for command in (show, log, graph):
        with pytest.raises(UserError, match=r"agent run SPEC\.md"):
            call(command)


def test_the_newest_run_is_meant_when_none_is_named(home: Path, run: str) -> None:
    newest = recorded(home, STARTED, *DECOMPOSED, title="Second")
    assert newest in call(show).output
    assert "○ tokenizer *  not started" in call(graph).output
    with pytest.raises(UserError, match="no component 'parse'; did you mean 'parser'"):
        call(show, run, "parse")
    with pytest.raises(UserError, match="no run is called"):
        call(show, "nonesuch")


@pytest.mark.parametrize("form", ["tree", "mermaid", "dot", "svg", "json"])
def test_graph_draws_runs_and_plan_files(run: str, tmp_path: Path, form: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(document.dump(PLAN), encoding="utf-8")
    state, plan = call(graph, run, "--format", form).output, call(graph, str(path), "--format", form).output
    sign = '"status": "failed"' if form == "json" else "✗"
    assert sign in state
    assert sign not in plan
    if form == "svg":
        ET.fromstring(state)
    target = tmp_path / "picture"
    assert call(graph, run, "--format", form, "-o", str(target)).output == ""
    assert target.read_text(encoding="utf-8") == state
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "picture", "plan.yaml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: x\ncomponents: [", "not valid YAML"),
        ("[]", "a plan is a mapping"),
        (document.dump(PLAN).replace("depends_on: [tokenizer]", "depends_on: [cli]"), "in a cycle"),
        (document.dump(PLAN).replace("depends_on: [tokenizer]", "depends_on: [tokeniser]"), "did you mean 'tokenizer'"),
        (document.dump(PLAN).replace("q/parser.py", "q/cli.py"), "owned by both"),
    ],
)
def test_graph_refuses_a_bad_plan_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "plan.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=said):
        call(graph, str(path))


def test_graph_refuses_what_it_cannot_read_or_write(home: Path, run: str, tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for name, said in ((str(tmp_path / "missing.yaml"), "cannot be read"), (str(binary), "not UTF-8")):
        with pytest.raises(UserError, match=said):
            call(graph, name)
    with pytest.raises(UserError, match="cannot be written"):
        call(graph, run, "-o", str(tmp_path / "nowhere" / "x.svg"))
    unplanned = recorded(home, STARTED, title="No plan")
    with pytest.raises(UserError, match="has no plan yet"):
        call(graph, unplanned)


def test_a_live_run_is_shown_as_running_and_a_killed_one_as_interrupted(home: Path) -> None:
    run_id, run_dir = new_run(home, "Live")
    journal = SqliteJournal.create(run_dir)
    try:
        asyncio.run(journal.append(STARTED, *DECOMPOSED, *WORK[:2]))
        live = call(show, run_id).output
        assert "status   running, building" in live
        assert "▶ tokenizer *  writing code" in live
        assert json.loads(call(runs, "--json").output)["runs"][0]["status"] == "running"
    finally:
        journal.close()
    dead = call(show, run_id).output
    assert "status   interrupted" in dead
    assert "○ tokenizer" in dead
    assert re.search(rf"go on with: \S*agent resume {run_id}", dead)


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "AGENT_HOME": str(home), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


@contextmanager
def following(home: Path, run_id: str) -> Iterator[subprocess.Popen[str]]:
    """``agent log --follow`` as a process of its own, which does not outlive the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "log", run_id, "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(home),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def journal(home: Path) -> Iterator[SqliteJournal]:
    _, run_dir = new_run(home, "Followed")
    made = SqliteJournal.create(run_dir)
    yield made
    made.close()


def test_follow_tells_what_comes_until_the_run_ends(home: Path, journal: SqliteJournal) -> None:
    asyncio.run(journal.append(STARTED))
    with following(home, journal.run_dir.name) as process:
        assert process.stdout is not None
        assert "the run began" in process.stdout.readline()
        asyncio.run(journal.append(*DECOMPOSED, FINISHED))
        journal.close()
        rest, errors = process.communicate(timeout=60)
    assert rest.splitlines()[-1].endswith("the run ended: not passed after 12 s: 1 failed")
    assert (process.returncode, errors) == (0, "")


def test_follow_leaves_quietly_on_ctrl_c(home: Path, journal: SqliteJournal) -> None:
    asyncio.run(journal.append(STARTED))
    with following(home, journal.run_dir.name) as process:
        assert process.stdout is not None
        assert "the run began" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.strip()) == (130, "interrupted")


def test_views_load_no_model_and_no_graph_machinery(home: Path, run: str) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from agent.cli import main\n"
        "for line in sys.argv[1:]:\n"
        "    assert CliRunner().invoke(main, line.split()).exit_code == 0, line\n"
        "print([m for m in ('langgraph', 'langchain_core', 'langchain_openai', 'openai') if m in sys.modules])"
    )
    lines = ["runs", f"show {run}", f"show {run} parser --calls", f"log {run}", f"graph {run}", "runs --json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *lines],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(home),
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("line", ["show nonesuch", "graph missing.yaml", "log x --component y", "runs --limit 0"])
def test_misuse_is_one_sentence_and_exit_2(home: Path, run: str, line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", *line.split()],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(home),
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .+\n", done.stderr)
