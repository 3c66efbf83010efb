"""The page of ``agent ui`` in a real browser: what is seen of a run, by mouse, keyboard and screen reader, whatever stands in it.

Needs the browser of the system (Debian: ``apt-get install chromium``), which CI has; nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.printable import printable
from agent.web import page as pages
from graphs import events
from tests.pages import Written, hosted, part, plan_of

sync_api = pytest.importorskip("playwright.sync_api")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(
        BROWSER is None and not os.environ.get("CI"), reason="there is no Chromium here; apt-get install chromium"
    ),
    pytest.mark.slow,
]

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)><svg onload=alert(3)><a href="javascript:alert(4)">\u202eevil\x1b[31m'
KIT = plan_of(part("low"), part("mid", "low"), part("top", "mid", "low"))
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


class Seen:
    """A page in the browser, and everything that must not happen on it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.wrong: list[str] = []
        """Errors and warnings of the console, exceptions, dialogs."""
        self.requests: list[str] = []
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))

    def node(self, name: str) -> dict[str, Any]:
        """What the picture shows of a component."""
        return dict(
            self.page.evaluate(
                "name => { const n = document.getElementById('graph')._cyreg.cy.getElementById(name);"
                " return { label: n.data('label'), classes: n.classes(), at: n.renderedPosition() }; }",
                name,
            )
        )

    def row(self, name: str) -> Any:
        return self.page.locator(f'#list [data-component="{name}"]')

    def tap(self, name: str) -> None:
        """Click a box of the picture."""
        at, box = self.node(name)["at"], self.page.locator("#graph").bounding_box()
        self.page.mouse.click(box["x"] + at["x"], box["y"] + at["y"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def look(browser: Any) -> Iterator[Callable[..., Seen]]:
    """Opens pages in contexts of their own; in the end nothing wrong may have happened on any."""
    opened: list[tuple[Any, Seen]] = []

    def at(address: str, **context: Any) -> Seen:
        made = browser.new_context(**{"viewport": WIDE, **context})
        seen = Seen(made.new_page())
        opened.append((made, seen))
        seen.page.goto(address)
        return seen

    yield at
    for made, seen in opened:
        made.close()
        assert seen.wrong == []
        assert [url for url in seen.requests if not url.startswith(("http://127.0.0.1:", "file:", "data:"))] == []


@pytest.fixture
def run(tmp_path: Path) -> Written:
    written = Written(tmp_path)
    written.begin(KIT)
    return written


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    with hosted(tmp_path) as address:
        yield address


def test_a_run_is_seen_live_from_start_to_end_over_a_reload(
    run: Written, served: str, look: Callable[..., Seen]
) -> None:
    seen = look(f"{served}#/{run.id}")
    expect = sync_api.expect
    expect(seen.row("low")).to_contain_text("not started")
    run.tell(events.COMPONENT_STARTED, "low", key="k")
    run.tell(events.COMPONENT_STEP, "low", step="code", attempt=1)
    expect(seen.row("low")).to_contain_text("writing code")
    seen.page.wait_for_function(
        "() => document.getElementById('graph')._cyreg.cy.getElementById('low').hasClass('running')"
    )
    seen.page.reload()
    expect(seen.row("low")).to_contain_text("writing code")
    run.prove("low")
    run.tell(events.COMPONENT_STARTED, "mid", key="k")
    run.tell(events.COMPONENT_FAILED, "mid", proof={}, reason="it never worked")
    run.tell(events.COMPONENT_BLOCKED, "top", by="mid")
    expect(seen.row("low")).to_contain_text("1/1 tests")
    expect(seen.row("top")).to_contain_text("blocked by mid")
    assert "trust: 1 agreed" in seen.node("low")["label"]
    assert "blocked by mid" in seen.node("top")["label"]
    assert (
        seen.page.locator("#list [data-component]").first.get_attribute("data-component") == "mid"
    )  # what failed first
    run.end("failed")
    expect(seen.page.locator("header .status")).to_have_text("failed")


def test_a_component_an_edge_and_a_call_are_opened_by_mouse_and_closed_again(
    run: Written, served: str, look: Callable[..., Seen]
) -> None:
    first, second = (f"```python\n# kit/low.py\ndef low(value: int) -> int:\n    return {n}\n```" for n in (1, 2))
    run.call("low", "code", first, prompt="Write low.")
    run.call("low", "candidate", second)
    run.prove("low")
    run.end()
    seen = look(f"{served}#/{run.id}")
    seen.row("low").wait_for()
    seen.tap("low")
    detail, expect = seen.page.locator("#detail"), sync_api.expect
    expect(detail).to_contain_text("It does what it should.")
    detail.get_by_role("tab", name="Tests").click()
    expect(detail.locator("tbody")).to_contain_text("agreed")
    detail.get_by_role("tab", name="Files").click()
    detail.get_by_role("button", name="candidate").click()
    assert detail.locator(".diff-del").text_content() == "-     return 1"
    assert detail.locator(".diff-add").text_content() == "+     return 2"
    detail.get_by_role("tab", name="Calls").click()
    detail.get_by_role("link", name="code 1").click()
    expect(detail).to_contain_text("Write low.")
    seen.page.go_back()
    expect(detail.locator("h2")).to_contain_text("low")
    seen.page.goto(f"{served}#/{run.id}/component/mid")
    detail.get_by_role("link", name="how").click()
    expect(detail.locator("h2")).to_have_text("low → mid")
    detail.get_by_role("button", name="Close").click()
    expect(detail).to_be_hidden()
    assert seen.page.url.endswith(run.id)


def test_the_keyboard_is_enough_and_is_not_thrown_about(run: Written, served: str, look: Callable[..., Seen]) -> None:
    seen = look(f"{served}#/{run.id}")
    seen.row("mid").focus()
    run.tell(events.COMPONENT_STARTED, "low", key="k")
    sync_api.expect(seen.row("low")).to_contain_text("starting")
    sync_api.expect(seen.row("mid")).to_be_focused()  # though the list was sorted anew
    seen.page.keyboard.press("Enter")
    sync_api.expect(seen.page.locator("#detail h2")).to_be_focused()
    seen.page.get_by_role("tab", name="Contract").focus()
    seen.page.keyboard.press("ArrowRight")
    sync_api.expect(seen.page.get_by_role("tab", name="Tests")).to_be_focused()
    run.tell(events.COMPONENT_STARTED, "mid", key="k")
    sync_api.expect(seen.page.locator("#detail")).to_contain_text("starting")
    sync_api.expect(seen.page.get_by_role("tab", name="Tests")).to_be_focused()
    seen.page.keyboard.press("Escape")
    sync_api.expect(seen.page.locator("#detail")).to_be_hidden()
    sync_api.expect(seen.row("mid")).to_be_focused()
    run.end()


def test_the_slider_shows_how_the_plan_was_cut_anew_and_why(
    run: Written, served: str, look: Callable[..., Seen]
) -> None:
    run.revise(
        plan_of(*KIT.components, part("more", "top"), revision=2), "top was too much", added=["more"], stale=["top"]
    )
    run.end()
    seen = look(f"{served}#/{run.id}")
    slider = seen.page.get_by_role("slider")
    slider.focus()
    assert slider.get_attribute("aria-valuetext") == "plan 2, by model"
    seen.page.keyboard.press("ArrowLeft")
    sync_api.expect(seen.page.locator("#detail")).to_contain_text("first cut")
    assert seen.row("more").count() == 0
    seen.page.keyboard.press("ArrowRight")
    sync_api.expect(seen.page.locator("#detail")).to_contain_text("top was too much")
    assert seen.row("more").count() == 1


@pytest.fixture
def hostile(tmp_path: Path) -> Written:
    """A run in which all texts are hostile that a model, a program or a person can choose."""
    written = Written(tmp_path)
    low = part("constructor", purpose=EVIL, behaviour=EVIL)
    written.begin(plan_of(low, part("top", "constructor"), title=EVIL), EVIL)
    written.tell(events.NOTE, text=EVIL)
    written.tell(events.QUESTION_ASKED, "top", id="Q1", text=EVIL, options=[EVIL], key="k", asked=False)
    written.call("constructor", "code", EVIL, prompt=EVIL)
    written.prove(
        "constructor",
        {"kit/constructor.py": EVIL, EVIL: f"x = 1  # {EVIL}\nfrom kit.constructor import x\n"},
        test=EVIL,
    )
    written.tell(events.COMPONENT_FAILED, "top", proof={}, reason=EVIL)
    written.end("failed")
    return written


def visit(seen: Seen, start: str, run: str) -> str:
    """Look at every place of a page; the text that was seen."""
    found = []
    for where in ("", "/component/constructor", "/component/top", "/edge/constructor/top", "/call/constructor-code-1"):
        seen.page.goto(f"{start}#/{run}{where}")
        if where:
            seen.page.locator("#detail h2").wait_for()
        seen.row("top").wait_for()
        for tab in seen.page.get_by_role("tab").all() if "/component" in where else []:
            tab.click()
            found.append(seen.page.locator("body").inner_text())
        for summary in seen.page.locator("summary").all():
            summary.click()
        found.append(seen.page.locator("body").inner_text())
    found.append(seen.page.title())
    return "\n".join([*found, seen.node("top")["label"]])


@pytest.mark.parametrize("form", ["served", "exported"])
def test_hostile_text_reads_as_text(
    hostile: Written, served: str, look: Callable[..., Seen], tmp_path: Path, form: str
) -> None:
    start = served
    if form == "exported":
        file = tmp_path / "plan.html"
        file.write_text(pages.exported(hostile.path), encoding="utf-8")
        start = file.as_uri()
    seen = look(f"{start}#/{hostile.id}")
    text = visit(seen, start, hostile.id)
    assert "<script>alert(1)</script>" in text
    assert "\\u202eevil\\x1b[31m" in text
    assert not set(text) & {"\u202e", "\x1b"}
    assert seen.page.locator("#app script, #app img, #app svg, #app a[href^=javascript]").count() == 0
    if form == "exported":
        assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []


def test_the_page_spells_out_the_same_characters_as_the_terminal(
    run: Written, served: str, look: Callable[..., Seen]
) -> None:
    codes = [*range(0x21), *range(0x7F, 0x3000), *range(0xFE00, 0x10000), *range(0x1D150, 0x1D180)]
    marks = ".".join(map(chr, [*codes, 0x110BD, 0x13430, 0x1BCA0, 0xE0001]))
    run.revise(plan_of(*KIT.components, revision=2), marks)
    run.revise(plan_of(*KIT.components, revision=3), "again")
    run.end()
    seen = look(f"{served}#/{run.id}")
    seen.page.get_by_role("slider").focus()
    seen.page.keyboard.press("ArrowLeft")
    why = seen.page.locator("#detail h2 + p")
    sync_api.expect(why).to_contain_text("\\x1b")
    assert why.text_content() == printable(marks)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    hostile: Written, served: str, look: Callable[..., Seen], scheme: str, tmp_path: Path
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    seen = look(served, color_scheme=scheme)
    seen.page.locator("table").wait_for()
    found = list(axe.run(seen.page).response["violations"])
    file = tmp_path / "plan.html"
    file.write_text(pages.exported(hostile.path), encoding="utf-8")
    places = [(served, where) for where in ("", "/component/constructor", "/call/constructor-code-1")]
    for start, where in [*places, (file.as_uri(), ""), (file.as_uri(), "/component/constructor")]:
        seen.page.goto(f"{start}#/{hostile.id}{where}")
        seen.row("top").wait_for()
        if where:
            seen.page.locator("#detail h2").wait_for()
        found += axe.run(seen.page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_a_narrow_screen_needs_no_scrolling_sideways_and_calm_means_no_motion(
    run: Written, served: str, look: Callable[..., Seen]
) -> None:
    run.tell(events.COMPONENT_STARTED, "low", key="k")
    seen = look(f"{served}#/{run.id}", viewport=NARROW, reduced_motion="reduce")
    seen.row("low").wait_for()
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for _ in range(10):
        assert "beat" not in seen.node("low")["classes"]
        seen.page.wait_for_timeout(100)
    seen.row("low").click()
    box = seen.page.locator("#detail").bounding_box()
    assert (box["x"], box["width"]) == (0, 390)
    run.end()


def test_five_hundred_components_are_folded_found_and_opened(
    tmp_path: Path, served: str, look: Callable[..., Seen]
) -> None:
    run = Written(tmp_path)
    parts = [part(f"part_{n}", *([f"part_{n - 5}"] if n >= 5 else []), folder=f"kit{n % 5}") for n in range(500)]
    run.begin(plan_of(*parts))
    seen = look(f"{served}#/{run.id}")
    seen.page.locator("#list li").first.wait_for()
    count = "document.getElementById('graph')._cyreg.cy.nodes().length"
    assert seen.page.evaluate(count) == 5  # a box for each folder
    run.tell(events.COMPONENT_STARTED, "part_77", key="k")
    sync_api.expect(seen.page.locator("#list [data-component]").first).to_contain_text(
        "part_77"
    )  # what runs comes first
    seen.tap("folder kit2")
    seen.page.wait_for_function(f"() => {count} === 104")
    seen.page.get_by_role("button", name="Folders").click()
    seen.page.wait_for_function(f"() => {count} === 500")
    seen.page.get_by_role("searchbox").fill("part_499")
    sync_api.expect(seen.page.locator("#list li")).to_have_count(1)
    seen.page.wait_for_timeout(400)
    seen.tap("part_499")
    sync_api.expect(seen.page.locator("#detail h2")).to_contain_text("part_499")
    run.end()
