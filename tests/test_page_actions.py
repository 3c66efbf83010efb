"""What a person does on the page of ``agent ui`` in a real browser, to real runs: the buttons and forms, from both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.web.server import HOST
from graphs import events
from tests.conftest import Terminal, ended
from tests.scripted_author import Author
from tests.stub_server import StubServer
from tests.test_page import browser, pytestmark  # noqa: F401 - a fixture, and where there is no browser
from tests.test_web_actions import Page, facts, page, unsettled, words  # noqa: F401 - a fixture

Open = Callable[[str], Any]


@pytest.fixture
def tab(browser: Any, page: Page, bubblewrap: None) -> Iterator[Open]:  # noqa: F811
    """Opens a run's page; in the end nothing wrong may have been said on the console."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    wrong: list[str] = []

    def opened(run: str) -> Any:
        made = context.new_page()
        made.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        made.on("pageerror", lambda error: wrong.append(str(error)))
        made.on("dialog", lambda dialog: dialog.accept())
        made.goto(f"http://{HOST}:{page.port}/{page.token}/#/{run}")
        return made

    yield opened
    context.close()
    # What is refused with 400 the browser reports by itself.
    assert [said for said in wrong if "status of 400" not in said] == []


def test_a_plan_is_edited_until_it_is_sound_and_built(page: Page, tab: Open) -> None:  # noqa: F811
    with StubServer(Author()) as stub:
        process = page.place.start(*words(stub, "--ask-plan", "--json"))
        seen = tab(page.waits())
        asked = seen.get_by_role("region", name="The plan waits for you")
        asked.get_by_role("button", name="Edit").click()
        plan = asked.get_by_role("textbox", name="The plan as YAML")
        plan.wait_for()
        assert not asked.get_by_role("button", name="Build it", exact=True).is_visible()
        sound = plan.input_value()
        plan.fill(sound.replace("- numbers", "- nowhere").replace("[numbers]", "[nowhere]"))
        asked.get_by_role("button", name="Build the edited plan").click()
        asked.get_by_role("list", name="What is wrong with the edited plan").get_by_text("nowhere").first.wait_for()
        plan.fill(sound.replace("purpose: Add up.", "purpose: Add it all up."))
        asked.get_by_role("button", name="Build the edited plan").click()
        seen.get_by_text("4 of 4 proven").wait_for(timeout=90_000)
        assert not asked.is_visible()
        assert ended(process).returncode == 0
    assert "Add it all up." in (page.place.output / ".agent" / "plan.yaml").read_text()


def test_a_question_is_answered_and_what_is_wrong_is_said(page: Page, tab: Open) -> None:  # noqa: F811
    with unsettled(page.place) as (stub, settled):
        terminal = Terminal(page.place, *words(stub, "--yes"))
        terminal.read_until("Your answer (")
        seen = tab(page.place.runs()[0].name)
        asked = seen.get_by_role("region", name="Question Q1")
        asked.get_by_role("textbox").fill("It starts at zero.")
        settled.append(True)
        asked.get_by_role("button", name="Answer", exact=True).click()
        terminal.read_until("Q1 was answered elsewhere: It starts at zero.")
        terminal.read_until("Did it run?")
        terminal.type("y\ny\ny\n")
        assert terminal.end() == 0, terminal.seen
        seen.get_by_text("Is the result right? Say what is wrong").click()
        seen.get_by_role("textbox", name="What is wrong with the result").fill("It is slow.")
        seen.get_by_role("button", name="Say it").click()
        seen.get_by_text("said; ", exact=False).first.wait_for()
    from agent.store.inbox import Inbox

    assert [message.text for message in Inbox(page.place.runs()[0]).waiting()] == ["It is slow."]


def test_a_run_is_paused_resumed_and_cancelled_by_its_buttons(page: Page, tab: Open) -> None:  # noqa: F811
    with StubServer(Author(seconds=1.0)) as stub:
        process = page.place.start(*words(stub, "--yes"))
        seen = tab(page.until(lambda run: run["live"] and run["phase"] == "building"))
        seen.get_by_role("button", name="Pause").click()
        assert ended(process).returncode == 130
        seen.get_by_role("button", name="Resume").click()
        page.until(lambda run: run["live"])
        seen.get_by_role("button", name="Cancel").click()
        seen.locator("header .status", has_text="cancelled").wait_for(timeout=60_000)
    ends = [kind for kind, _ in facts(page.place.runs()[0], events.RUN_FINISHED)]
    assert ends == [events.RUN_FINISHED]
