"""What can be done on the page of ``agent ui``, over real HTTP against real runs, and what is refused there."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.store.inbox import Inbox
from agent.store.journal import SqliteJournal, is_live
from agent.web.server import MOST_BYTES
from graphs import events
from tests.conftest import SECONDS, Place, Terminal, ended
from tests.scripted_author import SPEC, Author, where
from tests.stub_server import StubServer

pytestmark = pytest.mark.usefixtures("bubblewrap")

JSON = "application/json"
WAITS = "waiting for approval"


class Page:
    """``agent ui`` in a process of its own, and a client that sends what it is told to."""

    def __init__(self, place: Place) -> None:
        (place.work / "spec.md").write_text(SPEC, encoding="utf-8")
        self.place = place
        self.process = place.start("ui", "--no-open")
        assert self.process.stdout is not None
        address = self.process.stdout.readline().decode()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/([\w-]{32})/\n", address)
        assert found is not None, address
        self.port, self.token = int(found[1]), found[2]

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        """Status, what the JSON holds, and headers of the answer to a request as it stands."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            text = answer.read()
            assert answer.headers["content-type"] == JSON, text
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            return answer.status, json.loads(text), answer.headers

    def get(self, path: str) -> Any:
        status, data, _ = self.ask("GET", f"/{self.token}/{path}")
        return data | {"status_code": status}

    def post(self, run: str, what: str, **body: Any) -> tuple[int, str]:
        """Do something as the page does it; status and sentence."""
        headers = {"content-type": JSON, "origin": f"http://127.0.0.1:{self.port}", "sec-fetch-site": "same-origin"}
        data = json.dumps(body).encode()
        status, said, _ = self.ask("POST", f"/{self.token}/api/runs/{run}/{what}", data, headers)
        return status, said["said" if status == 200 else "error"]

    def until(self, true: Callable[[Mapping[str, Any]], bool]) -> str:
        """Wait until the newest run is so; its id."""
        deadline = time.monotonic() + SECONDS
        seen: Any = None
        while time.monotonic() < deadline:
            if runs := self.place.runs():
                seen = self.get(f"api/runs/{runs[-1].name}").get("run")
                if seen and true(seen):
                    return runs[-1].name
            time.sleep(0.1)
        raise AssertionError(f"it never happened: {seen}")

    def waits(self) -> str:
        """Wait until the plan of the newest run waits to be let pass; its id."""
        return self.until(lambda run: run["live"] and run["phase"] == WAITS)

    def ended(self, status: str) -> str:
        """Wait until no process works on the newest run any more, which then has that status; its id."""
        run = self.until(lambda run: not run["live"])
        assert self.get(f"api/runs/{run}")["run"]["status"] == status
        return run


@pytest.fixture
def page(place: Place) -> Iterator[Page]:
    page = Page(place)
    try:
        yield page
    finally:
        for run in place.runs():  # what the page has started is nobody's child
            if is_live(run):
                place.agent("stop", run.name)
        page.process.send_signal(signal.SIGINT)
        ended(page.process)


def words(stub: StubServer, *more: str) -> list[str]:
    return ["run", "spec.md", "-o", "out", "--model", "scripted", "--base-url", stub.url, *more]


def facts(run: Path, *kinds: str) -> list[tuple[str, Mapping[str, Any]]]:
    with SqliteJournal.read(run) as journal:
        return [(event.kind, event.body) for event in journal.events(kind=kinds)]


# -- the plan


@pytest.mark.slow
def test_a_plan_is_edited_and_let_pass_on_the_page(page: Page) -> None:
    with StubServer(Author()) as stub:
        process = page.place.start(*words(stub, "--ask-plan", "--json"))
        run = page.waits()
        waiting = page.get(f"api/runs/{run}/plan")
        assert waiting["revision"] == 1
        better = waiting["plan"].replace("purpose: Add up.", "purpose: Add it all up.")
        broken = waiting["plan"].replace("- numbers", "- nowhere").replace("[numbers]", "[nowhere]")
        status, said, _ = page.ask(
            "POST",
            f"/{page.token}/api/runs/{run}/approve",
            json.dumps({"revision": 1, "plan": broken}).encode(),
            {"content-type": JSON},
        )
        assert (status, said["error"]) == (400, "the edited plan cannot be built")
        assert "nowhere" in " ".join(said["problems"])
        assert page.post(run, "approve", revision=7) == (
            400,
            "that was revision 7 of the plan, and revision 1 is in force; look at it first",
        )
        assert not page.place.output.exists()
        assert page.post(run, "approve", revision=1, plan=better) == (
            200,
            "revision 1 of the plan is edited and approved",
        )
        done = ended(process)
    assert done.returncode == 0, done
    assert f"agent approve {run}" in done.stderr
    revised = facts(page.place.runs()[0], events.PLAN_REVISED)
    assert [(body["author"], body["plan"]["revision"]) for _, body in revised] == [("model", 1), ("user", 2)]
    assert "Add it all up." in (page.place.output / ".agent" / "plan.yaml").read_text()
    status, sentence = page.post(run, "approve", revision=2)
    assert (status, "was let pass already" in sentence) == (400, True)
    assert Inbox(page.place.runs()[0]).waiting() == []


@pytest.mark.slow
def test_a_plan_is_declined_on_the_page_and_another_time_let_pass_at_the_terminal(page: Page) -> None:
    with StubServer(Author()) as stub:
        process = page.place.start(*words(stub, "--ask-plan"))
        run = page.waits()
        assert page.post(run, "decline", revision=1)[0] == 200
        done = ended(process)
        assert (done.returncode, "not approved" in done.stdout) == (1, True)
        assert page.post(run, "resume") == (200, f"run {run} goes on")
        assert page.waits() == run, "what was declined is asked again"
        shown = page.place.agent("approve", run, "--show")
        edited = page.place.agent("approve", run, "--plan", "-", stdin=shown.stdout.replace("Add up.", "Sum.").encode())
        assert (edited.returncode, edited.stdout) == (0, "revision 1 of the plan is edited and approved\n")
        page.ended("passed")
    assert "total: Sum." in page.place.git("log", "--format=%s")


def test_the_terminal_sees_at_once_what_was_decided_on_the_page(page: Page) -> None:
    with StubServer(Author(seconds=1.0)) as stub:
        terminal = Terminal(page.place, *words(stub, "--no-feedback"))
        terminal.read_until("Build this plan?")
        run = page.waits()
        assert page.post(run, "approve", revision=1)[0] == 200
        terminal.read_until("The plan was approved elsewhere.")
        assert page.post(run, "pause") == (200, f"run {run} is stopping; it can be resumed")
        assert terminal.end() == 130, terminal.seen
        assert terminal.echoes
    page.ended("interrupted")


# -- the run


@pytest.mark.slow
def test_a_run_is_paused_resumed_and_cancelled(page: Page) -> None:
    place = page.place
    with StubServer(Author(seconds=1.0)) as stub:
        process = place.start(*words(stub, "--yes"))
        run = page.until(lambda run: run["live"] and run["phase"] == "building")
        assert page.post(run, "resume") == (400, f"a process works on run {run} already; pause it first")
        assert page.post(run, "pause")[0] == 200
        assert ended(process).returncode == 130
        page.ended("interrupted")
        status, sentence = page.post(run, "pause")
        assert (status, "nothing to stop" in sentence) == (400, True)
        assert page.post(run, "resume")[0] == 200
        page.until(lambda run: run["live"])
        stopped = place.json("stop", run, "--cancel")
        assert stopped["said"] == f"run {run} is cancelled"
        page.ended("cancelled")
        ends = [kind for kind, _ in facts(place.runs()[0], events.RUN_INTERRUPTED, events.RUN_FINISHED)]
        assert ends == [events.RUN_INTERRUPTED, events.RUN_INTERRUPTED, events.RUN_FINISHED]
        status, sentence = page.post(run, "cancel")
        assert (status, "ended already (cancelled)" in sentence) == (400, True)
        unnamed = place.agent("resume", "--quiet")
        assert (unnamed.returncode, "was cancelled" in unnamed.stderr) == (2, True)
        stub.answer = Author()
        assert place.agent("resume", run, "--quiet").returncode == 0


@pytest.mark.slow
def test_why_a_run_cannot_go_on_is_said_on_the_page(page: Page) -> None:
    with StubServer(Author()) as stub:
        process = page.place.start(*words(stub, "--ask-plan"))
        run = page.waits()
        page.post(run, "decline", revision=1)
        ended(process)
    page.place.output.write_text("in the way")
    status, sentence = page.post(run, "resume")
    assert status == 400
    assert sentence.startswith(f"run {run} cannot go on: ")
    assert str(page.place.output) in sentence


@pytest.mark.slow
def test_a_component_that_failed_is_tried_again(page: Page) -> None:
    place = page.place
    author = Author(wrong={"numbers": 99})
    place.env |= {"AGENT_RUNGS": "none", "AGENT_REPAIRS": "0"}
    with StubServer(author) as stub:
        assert place.agent(*words(stub, "--yes")).returncode == 1
        run = page.ended("failed")
        author.wrong = {}
        asked = stub.requests
        assert place.agent("resume", run, "--quiet").returncode == 1, "by itself it fails as it did"
        assert stub.requests == asked
        status, sentence = page.post(run, "retry", component="label")
        assert status == 400
        assert sentence == f"no component 'label' of run {run} has failed, to be tried again; failed: numbers"
        assert page.post(run, "retry", component="numbers") == (200, f"run {run} goes on")
        page.ended("passed")
        repeated = [where(body) for body in stub.bodies[asked:]]
        assert page.get(f"api/runs/{run}")["run"]["counts"]["passed"] == 4
    assert sorted(repeated) == sorted(
        [(step, name) for name in ("numbers", "total", "command") for step in ("tests", "code")]
    )
    assert "it is tried once more" in place.agent("log", run).stdout


# -- what is said to a run


@contextlib.contextmanager
def unsettled(place: Place) -> Iterator[tuple[StubServer, list[bool]]]:
    """A model whose code for ``total`` is right only when the user has settled something (then the list is not empty)."""
    settled: list[bool] = []
    author = Author()

    def answer(body: dict[str, Any]) -> str:
        author.wrong = {} if settled else {"total": 99}
        return author(body)

    place.env |= {"AGENT_RUNGS": "ask", "AGENT_REPAIRS": "1", "AGENT_NO_PROGRESS": "1"}
    with StubServer(answer) as stub:
        yield stub, settled


@pytest.mark.slow
def test_a_live_run_takes_an_answer_and_feedback_from_the_page(page: Page) -> None:
    with unsettled(page.place) as (stub, settled):
        terminal = Terminal(page.place, *words(stub, "--yes"))
        terminal.read_until("Your answer (")
        run = page.place.runs()[0].name
        status, sentence = page.post(run, "answer", question="Q9", text="No.")
        assert (status, sentence) == (400, f"run {run} has asked no Q9; open: Q1")
        settled.append(True)
        assert page.post(run, "answer", question="Q1", text="It starts at zero.") == (200, "Q1 is answered")
        terminal.read_until("Q1 was answered elsewhere: It starts at zero.")
        terminal.read_until("Did it run?")
        assert page.post(run, "feedback", text="It is \x1b[2Jslow.") == (200, "said")
        terminal.read_until("Feedback came from elsewhere")
        terminal.read_until("Did it run?", 2)
        terminal.type("y\ny\ny\n")
        assert terminal.end() == 0, terminal.seen
    assert b"\x1b[2J" not in terminal.seen.partition(b"Feedback came")[2].partition(b"\n")[0]
    said = facts(page.place.runs()[0], events.FEEDBACK_GIVEN)
    assert said[0][1]["text"] == "It is \x1b[2Jslow."
    status, sentence = page.post(run, "answer", question="Q1", text="Yes.")
    assert (status, "was answered" in sentence) == (400, True)


# -- what is refused


@pytest.fixture(scope="module")
def ready(bubblewrap: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str]]:
    """A page, and a run whose plan was declined: nothing can be done to it but a resume."""
    place = Place(tmp_path_factory.mktemp("refusals") / "place")
    page = Page(place)
    try:
        with StubServer(Author()) as stub:
            process = place.start(*words(stub, "--ask-plan"))
            run = page.waits()
            assert page.post(run, "decline", revision=1)[0] == 200
            ended(process)
        (place.state / "runs" / "linked").symlink_to(place.state / "runs" / run)
        yield page, run
    finally:
        page.process.send_signal(signal.SIGINT)
        ended(page.process)


REFUSED: dict[str, tuple[int, str, str, str, Mapping[str, str], bytes]] = {
    "no token": (404, "POST", "/api/runs/RUN/cancel", "nothing at this address", {}, b"{}"),
    "a wrong token": (404, "POST", "/WRONG/api/runs/RUN/cancel", "nothing at this address", {}, b"{}"),
    "half a token": (404, "GET", "/HALF/api/runs", "nothing at this address", {}, b""),
    "a token that is no ASCII": (404, "GET", "/%C3%BC/api/runs", "nothing at this address", {}, b""),
    "nothing there": (404, "GET", "/TOKEN/api/secrets", "nothing at this address", {}, b""),
    "another host": (
        421,
        "POST",
        "/TOKEN/api/runs/RUN/cancel",
        "only under the address",
        {"host": "evil.example"},
        b"{}",
    ),
    "another host, read": (421, "GET", "/TOKEN/api/runs", "only under the address", {"host": "evil.example:80"}, b""),
    "another origin": (
        403,
        "POST",
        "/TOKEN/api/runs/RUN/cancel",
        "only the page",
        {"origin": "http://evil.example"},
        b"{}",
    ),
    "no origin at all": (403, "POST", "/TOKEN/api/runs/RUN/cancel", "only the page", {"origin": "null"}, b"{}"),
    "another port": (
        403,
        "POST",
        "/TOKEN/api/runs/RUN/cancel",
        "only the page",
        {"origin": "http://127.0.0.1:1"},
        b"{}",
    ),
    "cross-site": (403, "POST", "/TOKEN/api/runs/RUN/cancel", "only the page", {"sec-fetch-site": "cross-site"}, b"{}"),
    "same-site": (403, "POST", "/TOKEN/api/runs/RUN/cancel", "only the page", {"sec-fetch-site": "same-site"}, b"{}"),
    "a form": (403, "POST", "/TOKEN/api/runs/RUN/cancel", "only the page", {"content-type": "text/plain"}, b"{}"),
    "an action by GET": (405, "GET", "/TOKEN/api/runs/RUN/cancel", "GET is not for", {}, b""),
    "a page by POST": (405, "POST", "/TOKEN/api/runs", "POST is not for", {}, b"{}"),
    "too much": (413, "POST", "/TOKEN/api/runs/RUN/feedback", "more than 4 MiB", {}, b" " * (MOST_BYTES + 1)),
    "no JSON": (400, "POST", "/TOKEN/api/runs/RUN/cancel", "no JSON", {}, b"{"),
    "deep JSON": (400, "POST", "/TOKEN/api/runs/RUN/cancel", "no JSON", {}, b"[" * 200_000),
    "no object": (400, "POST", "/TOKEN/api/runs/RUN/cancel", "no JSON object", {}, b"[]"),
    "no such run": (400, "POST", "/TOKEN/api/runs/nothing/cancel", "no run is called 'nothing'", {}, b"{}"),
    "half a run": (400, "POST", "/TOKEN/api/runs/2/cancel", "no run is called '2'", {}, b"{}"),
    "a link": (400, "POST", "/TOKEN/api/runs/linked/cancel", "no run is called 'linked'", {}, b"{}"),
    "upwards": (404, "POST", "/TOKEN/api/runs/..%2Fruns%2FRUN/cancel", "nothing at this address", {}, b"{}"),
    "dots": (400, "POST", "/TOKEN/api/runs/../cancel", "no run is called '..'", {}, b"{}"),
    "files": (404, "GET", "/TOKEN/static/..%2Fserver.py", "nothing at this address", {}, b""),
    "no such action": (400, "POST", "/TOKEN/api/runs/RUN/explode", "no action 'explode'; there are approve", {}, b"{}"),
    "an ended run": (400, "POST", "/TOKEN/api/runs/RUN/cancel", "has ended already (declined)", {}, b"{}"),
    "an ended run, paused": (400, "POST", "/TOKEN/api/runs/RUN/pause", "nothing to stop", {}, b"{}"),
    "nothing said": (400, "POST", "/TOKEN/api/runs/RUN/feedback", "'text' is missing", {}, b'{"text": " "}'),
    "no revision": (400, "POST", "/TOKEN/api/runs/RUN/approve", "'revision' must be", {}, b'{"revision": true}'),
    "nothing failed": (400, "POST", "/TOKEN/api/runs/RUN/retry", "has failed", {}, b'{"component": "../x"}'),
}
"""What is asked → status, method, path, words of the sentence, headers beside those of the page, body."""


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_refused_changes_nothing_and_is_told_in_one_sentence(ready: tuple[Page, str], how: str) -> None:
    page, run = ready
    status, method, path, sentence, headers, body = REFUSED[how]
    names = {"TOKEN": page.token, "RUN": run, "WRONG": "x" * len(page.token), "HALF": page.token[:16]}
    for name, value in names.items():
        path = path.replace(name, value)
    before = (sorted(page.place.root.rglob("*")), len(facts(page.place.state / "runs" / run, *EVERYTHING)))
    got, said, answered = page.ask(method, path, body or None, {"content-type": JSON, **headers})
    assert (got, list(said)) == (status, ["error"])
    assert sentence in said["error"]
    assert "\n" not in said["error"]
    if status == 404:
        assert page.token not in str(said) + str(answered)
    assert before == (sorted(page.place.root.rglob("*")), len(facts(page.place.state / "runs" / run, *EVERYTHING)))


EVERYTHING = [value for name, value in vars(events).items() if name.isupper() and isinstance(value, str)]


def test_only_this_machine_is_listened_to(ready: tuple[Page, str]) -> None:
    page, _ = ready
    listening = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert [local for local, _, state in listening if local.endswith(f":{page.port:04X}") and state == "0A"] == [
        f"0100007F:{page.port:04X}"
    ]


def test_what_agent_approve_and_stop_do_not_take(ready: tuple[Page, str]) -> None:
    page, run = ready
    for typed, sentence in (
        (("approve", run, "--no", "--show"), "of --plan, --show and --no only one can be meant"),
        (("approve", run, "--plan", "nowhere.yaml"), "'nowhere.yaml' cannot be read: No such file"),
        (("approve", run, "--plan", "spec.md"), "is not valid YAML"),
        (("stop", run), "nothing to stop"),
        (("resume", run, "--retry", "numbers"), "no component 'numbers' of run"),
    ):
        done = page.place.agent(*typed)
        assert (done.returncode, sentence in done.stderr, done.stderr.count("\n")) == (2, True, 1), done
