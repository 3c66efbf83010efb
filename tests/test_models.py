"""The other models (manual, replay, scripted), the price table, and what names open."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.models import (
    Answer,
    Ask,
    Manual,
    Message,
    Model,
    Prices,
    Recorder,
    Replay,
    Scripted,
    find_model,
    ollama_url,
    open_model,
)
from agent.models.endpoint import Endpoint
from agent.models.manual import ANSWER_END, PROMPT_END, as_text
from agent.models.replay import read
from graphs.errors import ConfigError, ModelError, ModelRefused, PrerequisiteError
from graphs.values import Usage
from tests.stub_server import ANSWER, StubServer


def asked(text: str = "Write it.", step: str = "code", component: str = "parser", **more: Any) -> Ask:
    return Ask((Message("user", text), Message("system", "You write code.")), step, component, **more)


def prompts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"*{PROMPT_END}"))


def answer_file(folder: Path, prompt: str) -> Path:
    return folder / (prompt.removesuffix(PROMPT_END) + ANSWER_END)


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 (another process or task makes a file)
        await asyncio.sleep(0.01)


# manual


def test_manual_asks_and_waits(tmp_path: Path) -> None:
    folder = tmp_path / "desk"

    async def go() -> tuple[Answer, Answer]:
        model = Manual(folder)
        first = asyncio.create_task(model.ask(asked("one")))
        second = asyncio.create_task(model.ask(asked("two", "plan", "", attempt=2)))
        await until(lambda: len(prompts(folder)) == 2)
        # Answered in the other order; an empty file is not yet an answer, nor is white space.
        answer_file(folder, "0001-parser-code-1.prompt.md").write_text(" \n")
        answer_file(folder, "0002-run-plan-2.prompt.md").write_bytes("\ufeffthe plän\r\n".encode())
        plan = await second
        assert not first.done()
        answer_file(folder, "0001-parser-code-1.prompt.md").write_text("the code\n")
        return await first, plan

    code, plan = asyncio.run(go())
    assert prompts(folder) == ["0001-parser-code-1.prompt.md", "0002-run-plan-2.prompt.md"]
    assert (code.text, code.usage, plan.text) == ("the code\n", Usage(calls=1, usd=0.0), "the plän\n")
    text = (folder / "0001-parser-code-1.prompt.md").read_text()
    assert text.index("You write code.") < text.index("one"), "the system message comes first"
    assert "rename" in (folder / "README.txt").read_text()
    assert not list(folder.glob(".writing-*"))


def test_manual_finds_its_prompts_again(tmp_path: Path) -> None:
    async def killed() -> None:
        task = asyncio.create_task(Manual(tmp_path).ask(asked()))
        await until(lambda: prompts(tmp_path))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(killed())
    answer_file(tmp_path, *prompts(tmp_path)).write_text("done")
    answers = [asyncio.run(Manual(tmp_path).ask(asked())).text for _ in range(2)]
    assert (answers, prompts(tmp_path)) == (["done", "done"], ["0001-parser-code-1.prompt.md"])


@pytest.mark.parametrize("changed", [{"text": "Other."}, {"attempt": 2}, {"step": "repair"}, {"component": "cli"}])
def test_manual_asks_what_is_new(tmp_path: Path, changed: dict[str, Any]) -> None:
    async def go() -> None:
        tasks = [asyncio.create_task(Manual(tmp_path).ask(a)) for a in (asked(), asked(**changed))]
        await until(lambda: len(prompts(tmp_path)) == 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(go())


def test_manual_waits_until_an_answer_stops_growing(tmp_path: Path) -> None:
    async def go() -> str:
        task = asyncio.create_task(Manual(tmp_path).ask(asked()))
        await until(lambda: prompts(tmp_path))
        path = answer_file(tmp_path, *prompts(tmp_path))
        for part in range(8):
            with path.open("a") as file:
                file.write(f"{part} ")
            await asyncio.sleep(0.06)
        return (await task).text

    assert asyncio.run(go()) == "0 1 2 3 4 5 6 7 "


def test_manual_takes_no_path_from_a_component(tmp_path: Path) -> None:
    async def go() -> None:
        task = asyncio.create_task(Manual(tmp_path / "in").ask(asked(component="../../evil\n/x", step="co/de")))
        await until(lambda: (tmp_path / "in").exists() and prompts(tmp_path / "in"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_manual_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="writable directory"):
        asyncio.run(Manual(tmp_path / "file" / "desk").ask(asked()))

    async def go() -> None:
        task = asyncio.create_task(Manual(tmp_path).ask(asked()))
        await until(lambda: prompts(tmp_path))
        answer_file(tmp_path, *prompts(tmp_path)).write_bytes(b"\xff\xfe\x00")
        await task

    with pytest.raises(ModelError, match="UTF-8"):
        asyncio.run(go())


def test_manual_prompt_holds_the_wanted_form() -> None:
    text = as_text(asked(extra={"response_format": {"type": "json_object"}}))
    assert "response_format: {'type': 'json_object'}" in text


# record and replay


def talk(model: Model, *asks: Ask) -> list[Answer]:
    async def go() -> list[Answer]:
        answers = [await model.ask(a) for a in asks]
        await model.close()
        return answers

    return asyncio.run(go())


def numbered() -> Scripted:
    count = iter(range(1000))
    return Scripted(lambda ask: f"{ask.messages[0].content} {next(count)}")


def test_replay_gives_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "talk.jsonl"
    asks = [asked("a"), asked("b"), asked("a", attempt=2), asked("a", "plan", ""), asked("a", extra={"seed": 1})]
    made = talk(Recorder(numbered(), path), *asks)
    assert [a.text for a in made] == ["a 0", "b 1", "a 2", "a 3", "a 4"]
    # In another order, under another component key and temperature; equal questions keep their order.
    order = [4, 1, 0, 3, 2]
    played = talk(Replay(path), *(replace(asks[n], component_key="other", temperature=0.3) for n in order))
    assert [(a.text, a.usage, a.model) for a in played] == [(made[n].text, made[n].usage, "scripted") for n in order]
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [r["repeat"] for r in records] == [0, 0, 1, 0, 0]
    assert len({r["key"] for r in records}) == 5


def test_replay_after_a_resume_gives_the_answer_of_the_attempt(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    talk(Recorder(numbered(), path), asked("a"), asked("a", attempt=2))
    assert [a.text for a in talk(Replay(path), asked("a", attempt=2))] == ["a 1"]


def test_replay_of_concurrent_equal_questions(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"

    async def go(model: Model) -> list[str]:
        answers = await asyncio.gather(*(model.ask(asked("a")) for _ in range(20)))
        await model.close()
        return [a.text for a in answers]

    made = asyncio.run(go(Recorder(numbered(), path)))
    assert sorted(asyncio.run(go(Replay(path, delay=0.01)))) == sorted(made) == sorted(f"a {n}" for n in range(20))


def test_replay_without_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    talk(Recorder(numbered(), path), asked("a"))
    with pytest.raises(ModelRefused, match=r"step 'code' of component 'parser' \(attempt 1\).*record again"):
        talk(Replay(path), asked("b"))
    with pytest.raises(ModelRefused, match="no answer"):
        talk(Replay(path), asked("a"), asked("a"))


def test_recording_goes_on_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    talk(Recorder(numbered(), path), asked("a"), asked("b"))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "abc", "te')
    talk(Recorder(numbered(), path), asked("a"))
    assert [(c.text, c.repeat) for c in read(path)] == [("a 0", 0), ("b 1", 0), ("a 0", 1)]
    # A last line that is whole and only lacks its end, as some editors leave it, is kept.
    path.write_bytes(whole.rstrip(b"\n"))
    talk(Recorder(numbered(), path), asked("c"))
    assert [c.text for c in read(path)] == ["a 0", "b 1", "c 0"]


def test_failed_asks_are_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    recorder = Recorder(Scripted({"code": [ModelError("no"), "yes"]}), path)

    async def go() -> None:
        with pytest.raises(ModelError):
            await recorder.ask(asked("a"))
        await recorder.ask(asked("a"))
        await recorder.close()

    asyncio.run(go())
    assert [(c.text, c.repeat) for c in read(path)] == [("yes", 0)]


@pytest.mark.parametrize(
    ("line", "number"), [("{", 2), ("[]", 2), ('{"key": 1}', 2), ("\xff", 2)], ids=["torn", "list", "fields", "bytes"]
)
def test_recording_with_a_bad_line(tmp_path: Path, line: str, number: int) -> None:
    path = tmp_path / "talk.jsonl"
    talk(Recorder(numbered(), path), asked("a"))
    path.write_bytes(path.read_bytes() + line.encode("latin-1") + b"\n\n")
    with pytest.raises(ConfigError, match=f"line {number} of the recording"):
        Replay(path)


def test_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recording"):
        Replay(tmp_path / "none.jsonl")
    with pytest.raises(PrerequisiteError, match="cannot write"):
        Recorder(numbered(), tmp_path)


# scripted


def test_scripted() -> None:
    model = Scripted({("parser", "code", 2): "second", "code": ["x", "y"], "plan": ModelRefused("no")})
    assert [a.text for a in talk(model, asked(), asked(), asked(), asked(attempt=2))] == ["x", "y", "y", "second"]
    assert [a.attempt for a in model.asks] == [1, 1, 1, 2]
    for ask, message in ((asked(step="plan"), "^no$"), (asked(step="tests"), "no answer for step 'tests'")):
        with pytest.raises(ModelRefused, match=message):
            talk(model, ask)


# prices

FULL = Usage(1, 1_000_000, 400_000, 100_000, 5)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("gpt-4o", 0.6 * 2.5 + 0.4 * 1.25 + 0.1 * 10),
        ("GPT-4o-2024-08-06", 0.6 * 2.5 + 0.4 * 1.25 + 0.1 * 10),
        ("gpt-4o-mini-2024-07-18", 0.6 * 0.15 + 0.4 * 0.075 + 0.1 * 0.6),
        ("claude-opus-4-5-20251101", 0.6 * 5 + 0.4 * 0.5 + 0.1 * 25),
        ("claude-opus-4-20250514", 0.6 * 15 + 0.4 * 1.5 + 0.1 * 75),
        ("claude-sonnet-4-5-latest", 0.6 * 3 + 0.4 * 0.3 + 0.1 * 15),
        ("gpt-4o-audio-preview", None),
        ("gpt", None),
        ("", None),
        ("llama3.1:8b", None),
    ],
)
def test_prices(model: str, usd: float | None) -> None:
    assert Prices.load().usd(model, FULL) == (None if usd is None else pytest.approx(usd))


def test_prices_of_the_user_come_first(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('["gpt-4o"]\ninput = 1\noutput = 2\n["Mine"]\ninput = 3\ncached = 0\noutput = 4\n')
    prices = Prices.load(file)
    assert prices.usd("gpt-4o", FULL) == pytest.approx(1 + 0.2)
    assert prices.usd("mine-20260101", FULL) == pytest.approx(0.6 * 3 + 0.4)
    assert prices.usd("gpt-4o-mini", FULL) == Prices.load().usd("gpt-4o-mini", FULL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = [", "not TOML"),
        ("x = 1", "'x'"),
        ("[x]\ninput = 1", "input and output"),
        ("[x]\ninput = 1\noutput = 1\ncache = 1", "'cache': 1"),
        ("[x]\ninput = 1\noutput = -1", "output = -1"),
        ("[x]\ninput = true\noutput = 1", "input = True"),
        ("[x]\ninput = nan\noutput = 1", "input = nan"),
    ],
)
def test_prices_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Prices.load(file)
    with pytest.raises(ConfigError, match="cannot read"):
        Prices.load(tmp_path)


counts = st.integers(0, 10**7)


@given(st.sampled_from(sorted(Prices.load().table)), counts, counts, counts)
def test_more_tokens_never_cost_less(model: str, prompt: int, cached: int, completion: int) -> None:
    prices = Prices.load()
    usage = Usage(1, prompt, min(cached, prompt), completion)
    dearer = Usage(1, prompt + 1000, min(cached, prompt), completion + 1000)
    low, high, uncached = (prices.usd(model, u) for u in (usage, dearer, replace(usage, cached_tokens=0)))
    assert low is not None
    assert high is not None
    assert uncached is not None
    assert 0 <= low < high
    assert low <= uncached * (1 + 1e-12)


# names


def opened(name: str, **more: Any) -> Model:
    return open_model(name, prices=Prices.load(), **more)


def test_names_that_open(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.touch()
    url = "http://127.0.0.1:1/v1"
    for name, kind, more in (
        (f"manual:{tmp_path}", Manual, {}),
        (f"replay:{path}", Replay, {}),
        ("gpt-4o", Endpoint, {"api_key": "k"}),
        ("openai:gpt-4o", Endpoint, {"api_key": "k"}),
        ("qwen2.5-coder:7b", Endpoint, {"base_url": url}),
        ("ollama:qwen2.5-coder:7b", Endpoint, {}),
    ):
        model = opened(name, **more)
        assert (type(model), model.name) == (kind, name)


@pytest.mark.parametrize(
    ("name", "more", "error", "message"),
    [
        ("", {}, ConfigError, "incomplete"),
        ("manual:", {}, ConfigError, "manual:DIR"),
        ("openai:", {}, ConfigError, "incomplete"),
        ("gpt-4o", {}, PrerequisiteError, "OPENAI_API_KEY"),
        ("m", {"base_url": "localhost:8000"}, ConfigError, "http://127.0.0.1:8000/v1"),
        ("m", {"base_url": "http://"}, ConfigError, "base URL"),
        ("m", {"base_url": "http://h:99999999/v1"}, ConfigError, "base URL"),
        ("m", {"base_url": "ftp://user:secret@h"}, ConfigError, "ftp://…@h"),
        ("m", {"base_url": "http://h/v1", "seconds": 0}, ConfigError, "above 0"),
    ],
)
def test_names_that_do_not_open(name: str, more: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        opened(name, **more)


def test_provider_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.models.find_spec", lambda name: None)
    with pytest.raises(PrerequisiteError, match="pip install langchain langchain-anthropic"):
        opened("anthropic:claude-opus-5")
    with pytest.raises(PrerequisiteError, match="langchain-google-genai"):
        opened("google:gemini-3.1-pro")


def test_ollama_name_is_sent_without_its_prefix() -> None:
    with StubServer() as stub:
        (answer,) = talk(opened("ollama:qwen2.5-coder:7b", base_url=stub.url), asked())
        assert (answer.text, stub.bodies[0]["model"], answer.usage.usd) == (ANSWER, "qwen2.5-coder:7b", 0.0)


def listing(*models: tuple[str, str, str]) -> dict[str, Any]:
    return {"models": [{"name": n, "modified_at": t, "details": {"family": f}} for n, t, f in models]}


def test_find_model_takes_the_newest_that_can_write() -> None:
    with StubServer() as stub:
        stub.pages["/api/tags"] = listing(
            ("old:1b", "2026-01-01T00:00:00Z", "llama"),
            ("new:7b", "2026-03-01T00:00:00Z", "qwen2"),
            ("embed", "2026-04-01T00:00:00Z", "nomic-bert"),
        )
        found = find_model({"OLLAMA_HOST": f"127.0.0.1:{stub.port}"})
        assert (found.name, found.base_url) == ("ollama:new:7b", stub.url)
        assert talk(opened(found.name, base_url=found.base_url), asked())[0].text == ANSWER


@pytest.mark.parametrize("page", [None, {}, [], {"models": None}, {"models": [{}]}, {"models": []}, {"models": [1]}])
def test_find_model_without_any(page: Any) -> None:
    with StubServer() as stub:
        if page is not None:
            stub.pages["/api/tags"] = page
        host = {"OLLAMA_HOST": f"http://127.0.0.1:{stub.port}"}
        with pytest.raises(PrerequisiteError, match="agent demo") as caught:
            find_model(host)
        assert "--model" in str(caught.value)
        assert "OPENAI_API_KEY" in str(caught.value)
        with pytest.raises(PrerequisiteError, match="no model is named: OPENAI_API_KEY is set"):
            find_model(host | {"OPENAI_API_KEY": "k"})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("box", "http://box:11434"),
        ("box:80", "http://box:80"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("[::1]:5", "http://[::1]:5"),
        ("https://box", "https://box:443"),
        ("http://box/", "http://box:80"),
    ],
)
def test_ollama_host(host: str, url: str) -> None:
    assert ollama_url(host) == url


def test_ollama_host_that_is_no_address() -> None:
    with pytest.raises(ConfigError, match="OLLAMA_HOST"):
        ollama_url("box:port")


# import


def test_importing_the_models_loads_nothing_heavy() -> None:
    heavy = {"langchain", "langchain_core", "langchain_openai", "openai", "httpx"}
    program = f"import sys, agent.models; print(sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_replay_delay_is_felt(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    talk(Recorder(numbered(), path), asked("a"))
    started = time.monotonic()
    talk(Replay(path, delay=0.1), asked("a"))
    assert time.monotonic() - started >= 0.05
