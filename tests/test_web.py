"""What the page of ``agent ui`` is told, over real HTTP, and the page as one file; no browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.web import page, view
from agent.web.follow import Follower
from graphs import events
from tests.pages import Written, changes, got, hosted, part, plan_of

KIT = plan_of(part("low"), part("mid", "low"), part("top", "mid", "low"))


@pytest.fixture
def run(tmp_path: Path) -> Written:
    written = Written(tmp_path)
    written.begin(KIT)
    return written


def test_a_run_is_listed_and_shown_with_places_states_and_costs(tmp_path: Path, run: Written) -> None:
    run.tell(events.COMPONENT_STARTED, "low", key="k")
    run.call("low", "code", "no code")
    run.prove("low")
    run.end()
    with hosted(tmp_path) as address:
        assert [one["id"] for one in got(f"{address}api/runs")["runs"]] == [run.id]
        shown = got(f"{address}api/runs/{run.id}")
    assert {name: state["status"] for name, state in shown["components"].items()} == {
        "low": "passed", "mid": "pending", "top": "pending",
    }  # fmt: skip
    assert shown["components"]["low"]["usage"]["usd"] == 0.01
    assert shown["components"]["low"]["trusted"] == {"agreed": 1}
    rows = {component["id"]: component["at"][1] for component in shown["plan"]["components"]}
    assert rows["low"] < rows["mid"] < rows["top"]  # top-down
    assert {(edge["from"], edge["to"]) for edge in shown["plan"]["edges"]} == {
        ("low", "mid"), ("mid", "top"), ("low", "top"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "again", [False, True], ids=["named in the address", "named as a browser that comes back does"]
)
def test_the_stream_goes_on_from_the_version_that_was_seen(tmp_path: Path, run: Written, again: bool) -> None:
    with hosted(tmp_path) as address:
        seen = got(f"{address}api/runs/{run.id}")["version"]
        run.tell(events.COMPONENT_STARTED, "low", key="k")
        first = next(changes(address, run.id, seen, again=again))
        assert list(first["components"]) == ["low"]
        assert "plan" not in first
        run.tell(events.COMPONENT_STARTED, "mid", key="k")
        run.revise(plan_of(*KIT.components, part("more", "top"), revision=2), "one more", added=["more"])
        second: dict[str, Any] = next(changes(address, run.id, first["version"], again=again))
        assert "mid" in second["components"]
        assert [component["id"] for component in second["plan"]["components"]][-1] == "more"
        assert [one["why"] for one in second["history"]] == ["first cut", "one more"]
        run.end()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["started", "passed", "failed", "recut", "look"]), st.sampled_from(["low", "mid", "top"])
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_changes_taken_in_one_by_one_are_what_a_fresh_page_sees(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    run = Written(tmp_path_factory.mktemp("home"))
    run.begin(KIT)
    follower, revision = Follower(run.path), 1
    known = view.snapshot(follower)
    for what, name in [*steps, ("look", "low")]:
        if what == "recut":
            revision += 1
            run.revise(plan_of(*KIT.components, part(f"more_{revision}", name), revision=revision), "more")
        elif what == "started":
            run.tell(events.COMPONENT_STARTED, name, key="k")
        elif what == "passed":
            run.prove(name)
        elif what == "failed":
            run.tell(events.COMPONENT_FAILED, name, proof={}, reason="it did not work")
        else:
            follower.poll()
            since = view.changes(follower, known["version"])
            if "plan" in since:  # as the page does it
                there = {component["id"] for component in since["plan"]["components"]}
                known["components"] = {n: s for n, s in known["components"].items() if n in there}
            known["components"].update(since["components"])
            known.update({key: value for key, value in since.items() if key != "components"})
    fresh = Follower(run.path)
    now = view.snapshot(fresh)
    assert known["components"] == now["components"]
    assert (known["plan"], known["history"]) == (now["plan"], now["history"])
    follower.close()
    fresh.close()
    run.journal.close()


def test_pages_that_open_at_once_follow_a_run_once(tmp_path: Path, run: Written) -> None:
    run.end()
    with hosted(tmp_path) as address, ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(lambda _: got(f"{address}api/runs/{run.id}")["version"], range(16)))
    assert len(set(shown)) == 1


def test_an_edge_stands_for_a_contract_and_the_imports_that_are_seen(tmp_path: Path, run: Written) -> None:
    run.prove("low")
    run.prove(
        "mid", {"kit/mid.py": "from kit.low import low\n\n\ndef mid(value: int) -> int:\n    return low(value)\n"}
    )
    run.end()
    with hosted(tmp_path) as address:
        edge = got(f"{address}api/runs/{run.id}/edges/low/mid")
        assert edge["used"] is True
        assert edge["imports"] == [{"path": "kit/mid.py", "line": 1, "text": "from kit.low import low"}]
        assert "kit/low.py" in edge["contract"]["interface"]
        assert got(f"{address}api/runs/{run.id}/edges/mid/top")["used"] is None
        for path in ("edges/top/low", "components/none", "calls/none"):
            with pytest.raises(urllib.error.HTTPError, match="400") as refused:
                got(f"{address}api/runs/{run.id}/{path}")
            assert re.search(r"has no|fits no call", json.load(refused.value)["error"])


def test_each_attempt_is_there_with_its_files(tmp_path: Path, run: Written) -> None:
    run.call("low", "code", "```python\n# kit/low.py\ndef low(value: int) -> int:\n    return 0\n```")
    run.call("low", "code", "this is no program", attempt=2)
    run.end()
    with hosted(tmp_path) as address:
        shown = got(f"{address}api/runs/{run.id}/components/low")
        call = got(f"{address}api/runs/{run.id}/calls/low-code-2")["call"]
    assert [call["attempt"] for call in shown["calls"]] == [1, 2]
    assert [list(one["files"]) for one in shown["attempts"]][:1] == [["kit/low.py"]]
    assert call["response"]["text"] == "this is no program"


def test_the_page_as_one_file_does_not_say_whose_machine_it_was_made_on(
    run: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cr3t-Value-of-ann")
    monkeypatch.setenv("HOME", "/home/annabel")
    run.call("low", "code", "the key is s3cr3t-Value-of-ann, in /home/annabel/keys", prompt="write to ann@corp.io")
    run.end()
    text = page.exported(run.path)
    assert all(said not in text for said in ("s3cr3t-Value-of-ann", "/home/annabel", "ann@corp.io", str(run.path)))
    assert "the key is \\u2039secret:env:1\\u203a" in text


def test_the_page_as_one_file_asks_for_nothing_and_runs_only_its_own_scripts(tmp_path: Path, run: Written) -> None:
    evil = "</script><script>alert(1)</script><!--<script>"
    key = run.call("low", "code", evil + "x" * page.LARGEST_TEXT, prompt=evil)
    run.tell(events.NOTE, text=evil)
    run.revise(plan_of(*KIT.components, title=evil, revision=2), evil)
    run.end()
    text = page.exported(run.path)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == len(page.SCRIPTS)
    policy = unescape(re.search(r'content-security-policy" content="([^"]*)"', text)[1])  # type: ignore[index]
    assert "default-src 'none'" in policy
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)=\"(?!data:)", text)
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert evil in data["snapshot"]["run"]["notes"]
    answer = data["calls"][key]["call"]["response"]["text"]
    assert answer.startswith(evil)
    assert answer.endswith("more characters")
