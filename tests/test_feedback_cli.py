"""The user in the loop, end to end: questions of components, feedback on results; only the model and the user are scripted."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from agent.store.inbox import Inbox
from agent.store.journal import SqliteJournal
from graphs import events
from tests.conftest import Place, Terminal, ended
from tests.scripted_author import CODE, SPEC, Author, fenced
from tests.stub_server import StubServer

pytestmark = [pytest.mark.usefixtures("bubblewrap"), pytest.mark.slow]

SAID = "An empty input must print a zero."
REVISION = f"""Only the sum is concerned.

```yaml
requirements:
  - id: R3
    text: An empty input prints a zero.
    quote: {SAID}
edits:
  - edit: respecify
    component: total
    reason: The user says that an empty input must print a zero.
    requirements: [R2, R3]
    contract:
      behaviour: |
        total is the sum of the numbers in a text; 0 when there are none, also for an empty text. Whatever raises
        ValueError in numbers raises it here, unchanged. The sum is exact, however large the numbers are.
      interface:
        tally/total.py: |
          def total(text: str) -> int:
              \"\"\"The sum of the numbers of text.\"\"\"
              ...
      examples:
        - |
          >>> from tally.total import total
          >>> total('')
          0
```
"""


def revising(step: str, component: str, count: int) -> str | None:
    return REVISION if step == "revise" and count == 0 else None


def prepare(place: Place, rungs: str = "") -> None:
    (place.work / "spec.md").write_text(SPEC, encoding="utf-8")
    if rungs:
        (place.work / "agent.toml").write_text(f"[limits]\nrungs = {rungs}\n", encoding="utf-8")


def words(stub: StubServer, *more: str) -> list[str]:
    return ["run", "spec.md", "-o", "out", "--model", "scripted", "--base-url", stub.url, *more]


def facts(run: Path, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    with SqliteJournal.read(run) as journal:
        return [(event.kind, dict(event.body)) for event in journal.events(kind=kinds)]


def rebuilt(author: Author) -> dict[str, int]:
    """How often the code of each component was asked for."""
    return {name: author.asked["code", name] for name in CODE}


def test_at_a_terminal_the_result_is_judged_until_it_is_perfect(place: Place) -> None:
    prepare(place)
    author = Author(instead=revising)
    with StubServer(author) as stub:
        terminal = Terminal(place, *words(stub))
        terminal.read_until("Build this plan?")
        terminal.type("y\n")
        terminal.read_until("Did it run? [y/n]")
        assert b"4 passed" in terminal.seen
        assert f"cd {place.output} && ".encode() in terminal.seen
        terminal.type("y\n")
        terminal.read_until("Did it work, as you had asked? [y/n]")
        terminal.type("n\n")
        terminal.read_until("What is wrong?")
        terminal.type(f"{SAID}\n```console\n$ printf '' | python -m tally\nsum: 0\n```\n\n")
        terminal.read_until("Build this plan?", 2)
        assert rebuilt(author) == dict.fromkeys(CODE, 1)
        terminal.type("y\n")
        for number, question in enumerate(("Did it run?", "Did it work", "Is it perfect?")):
            terminal.read_until(question, 1 + (number < 2))
            terminal.type("y\n")
        assert terminal.end() == 0, terminal.seen
    assert b"passed: 4 of 4 components proven" in terminal.seen
    assert rebuilt(author) == {"numbers": 1, "label": 1, "total": 2, "command": 2}
    (run,) = place.runs()
    said = [body for _, body in facts(run, events.FEEDBACK_GIVEN)]
    assert [(s["ran"], s["worked"], s["perfect"]) for s in said] == [(True, False, False), (True, True, True)]
    assert said[0]["text"].startswith(SAID)
    assert SAID in (place.output / ".agent" / "plan.yaml").read_text()
    (*_, whole) = [body["verdict"] for _, body in facts(run, events.INTEGRATION_FINISHED)]
    assert len([c for c in whole["cases"] if c["id"] in ("E1", "F1")]) == 2, (
        "the user's example is an example of the spec"
    )


def test_without_a_terminal_nothing_is_asked_and_feedback_comes_by_command(place: Place) -> None:
    prepare(place)
    author = Author(instead=revising)
    with StubServer(author) as stub:
        done = place.agent(*words(stub, "--json"))
        first = json.loads(done.stdout)
        mended = place.agent("feedback", first["run"], SAID, "--json")
        again = place.agent("resume", "--json")
    assert (done.returncode, mended.returncode, again.returncode) == (0, 0, 0), (done, mended, again)
    assert (first["missing"], first["feedback"], [r["revision"] for r in first["revisions"]]) == ([], [], [1])
    (end,) = first["questions"]
    assert (end["id"], end["asked"], end["answer"]) == ("end", False, None)
    assert "perfect" in end["text"]
    second = json.loads(mended.stdout)
    assert (second["run"], second["status"]) == (first["run"], "passed")
    assert [f["text"] for f in second["feedback"]] == [SAID]
    revision = second["revisions"][-1]
    assert (revision["revision"], sorted(revision["stale"])) == (2, ["command", "total"])
    assert [e["what"] for e in revision["edits"]] == ["the contract of total was written anew"]
    assert rebuilt(author) == {"numbers": 1, "label": 1, "total": 2, "command": 2}
    assert len(json.loads(again.stdout)["revisions"]) == 2, "what was said is not worked in twice"
    log = place.agent("log").stdout
    assert f"you said: it does not work as you asked: {SAID}" in log
    assert "the plan was cut anew, revision 2, because the user said what is wrong" in log


def test_what_a_newer_run_delivered_is_not_undone_by_going_on_with_an_older_one(place: Place) -> None:
    prepare(place)
    author = Author(instead=revising)
    with StubServer(author) as stub:
        older = place.json(*words(stub))["run"]
        (place.work / "spec.md").write_text(SPEC + f"\n{SAID}\n", encoding="utf-8")
        newer = place.json(*words(stub))["run"]
        head, paid = place.git("rev-parse", "HEAD"), stub.requests
        tries = [place.agent("feedback", older, "It is slow."), place.agent("resume", older)]
        assert (place.git("rev-parse", "HEAD"), stub.requests) == (head, paid)
        assert place.agent("resume", newer, "--json").returncode == 0
    for done in tries:
        assert done.returncode == 2, done
        assert f"run {newer} has delivered to {str(place.output)!r} since" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not any(Inbox(run).waiting() for run in place.runs())


def test_feedback_that_must_wait_is_kept_and_that_is_said(place: Place) -> None:
    """The output was edited by hand, and nobody says what becomes of that."""
    prepare(place)
    with StubServer(Author()) as stub:
        run = place.json(*words(stub))["run"]
        (place.output / "tally" / "total.py").write_text("edited = True\n", encoding="utf-8")
        done = place.agent("feedback", run, SAID)
    assert done.returncode == 2, done
    assert "--keep-edits" in done.stderr
    assert f"what you said is kept for it: agent resume {run}" in re.sub(
        r"\S*agent'? resume", "agent resume", done.stderr
    )
    assert [m.text for m in Inbox(place.runs()[0]).waiting()] == [SAID]


def test_feedback_on_a_run_that_is_going_on_counts_at_its_end(place: Place) -> None:
    prepare(place)
    author = Author(instead=revising, seconds=0.3)
    with StubServer(author) as stub:
        process = place.start(*words(stub, "--json"))
        assert stub.asked.wait(60)
        (run,) = place.runs()
        left = place.agent("feedback", run.name, SAID)
        done = ended(process)
    assert "it takes that up at its end" in left.stdout
    assert done.returncode == 0, done
    assert [f["text"] for f in json.loads(done.stdout)["feedback"]] == [SAID]
    assert rebuilt(author)["total"] == 2
    assert Inbox(run).waiting() == []


class Unsettled:
    """Code of ``total`` is wrong until the user has said what holds."""

    def __init__(self) -> None:
        self.settled = False

    def __call__(self, step: str, component: str, count: int) -> str | None:
        if component == "total" and step in ("code", "repair") and not self.settled:
            return fenced("tally/total.py", "def total(text: str) -> int:\n    return -1\n")
        return None


def test_a_question_nobody_is_there_for_is_listed_answered_and_taken_up(place: Place) -> None:
    prepare(place, '["ask"]')
    unsettled = Unsettled()
    author = Author(instead=unsettled)
    with StubServer(author) as stub:
        done = place.agent(*words(stub, "--json"))
        shown = place.agent("answer")
        told = place.agent("show").stdout
        left = place.agent("answer", "q1", "The sum starts at zero.")
        unsettled.settled = True
        before = rebuilt(author)
        resumed = place.agent("resume", "--json")
        late = place.agent("answer", place.runs()[0].name, "Q1", "No.")
    assert (done.returncode, left.returncode, resumed.returncode) == (1, 0, 0), (done, left, resumed)
    first = json.loads(done.stdout)
    asked, end = first["questions"]
    assert (asked["id"], asked["component"], asked["asked"], asked["answer"]) == ("Q1", "total", False, None)
    assert end["id"] == "end"
    assert {m["id"]: m["status"] for m in first["missing"]} == {"total": "failed", "command": "blocked"}
    assert "Q1 (total): " in shown.stdout
    assert re.search(r"open; answer it: \S*agent answer", told)
    second = json.loads(resumed.stdout)
    assert (second["status"], second["missing"]) == ("passed", [])
    assert second["questions"][0]["answer"] == "The sum starts at zero."
    now = rebuilt(author)
    assert {name: now[name] - before[name] for name in CODE} == {"numbers": 0, "label": 0, "total": 1, "command": 1}
    assert late.returncode == 2
    assert "Q1 of run" in late.stderr
    assert "was answered: The sum starts at zero." in late.stderr


def test_a_question_at_the_terminal_is_answered_from_another_one(place: Place) -> None:
    prepare(place, '["ask"]')
    unsettled = Unsettled()
    with StubServer(Author(instead=unsettled)) as stub:
        terminal = Terminal(place, *words(stub, "--yes", "--no-feedback"))
        terminal.read_until("Your answer (")
        (run,) = place.runs()
        deadline = time.monotonic() + 60
        while len(facts(run, events.COMMITTED)) < 2:  # independent work goes on: numbers and label
            assert time.monotonic() < deadline
            time.sleep(0.1)
        unsettled.settled = True
        left = place.agent("answer", "Q1", "It starts at zero.")
        assert terminal.end() == 0, terminal.seen
    assert "is going on and takes it up" in left.stdout
    assert b"Q1 was answered elsewhere: It starts at zero." in terminal.seen
    assert b"passed: 4 of 4 components proven" in terminal.seen
    kinds = [kind for kind, _ in facts(run, events.QUESTION_ASKED, events.QUESTION_ANSWERED, events.PLAN_REVISED)]
    assert kinds == [events.PLAN_REVISED, events.QUESTION_ASKED, events.QUESTION_ANSWERED, events.PLAN_REVISED]
    assert Inbox(run).waiting() == []
