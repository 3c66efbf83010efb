"""Local engines: guidance's real grammar engine over recorded answers and over weights that are random."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.models import Answer, Ask, Message, Model, Prices, Recorder, Scripted, local, open_model, replay_engine
from agent.models.base import Grammar, Lease, Schema
from agent.models.local import CHATML, Loaded, Local, rendered
from agent.models.matching import flaw_of_answer
from agent.models.replay_engine import Cursor
from agent.strategies import plan_grammars, shapes
from graphs import dag
from graphs.errors import AnswerError, ConfigError, ModelError, ModelRefused, PlanError, PrerequisiteError
from graphs.values import Plan, Usage
from tests.tiny_models import CONTEXT, tiny_gguf, tiny_transformers


def asked(text: str = "Write it.", **more: Any) -> Ask:
    return Ask((Message("system", "You write."), Message("user", text)), "code", "parser", **more)


def one(lark: str) -> Grammar:
    """A grammar of one piece."""
    return Grammar("test", lark, lambda so_far: "" if so_far else lark)


def recording(path: Path, *answers: tuple[Ask, str]) -> Path:
    """Scripted answers in a recording, as a plain run makes it."""

    async def make() -> None:
        texts = iter([text for _, text in answers])
        recorder = Recorder(Scripted(lambda _: next(texts)), path)
        for ask, _ in answers:
            await recorder.ask(replace(ask, form=None))
        await recorder.close()

    asyncio.run(make())
    return path


def replayed(path: Path, *answers: tuple[Ask, str]) -> Model:
    return open_model(f"local:replay:{recording(path, *answers)}", prices=Prices({}))


def answers_of(model: Model, *asks: Ask) -> list[Answer]:
    """What a model answers to questions asked one after the other."""

    async def each() -> list[Answer]:
        try:
            return [await model.ask(ask) for ask in asks]
        finally:
            await model.close()

    return asyncio.run(each())


# A small plan in pieces: each knows the names that were taken before it.


def small_plan(most: int = 4) -> Grammar:
    """Lines such as ``- parser: [reader]``, closed by ``end``: names of their own, dependencies only on lines before."""

    def following(so_far: str) -> str:
        names = re.findall(r"^- ([a-z]+):", so_far, re.MULTILINE)
        if so_far.endswith("end\n"):
            return ""
        if len(names) == most:
            return 'start: "end\\n"'
        chosen = itertools.chain.from_iterable(itertools.combinations(names, n) for n in range(len(names) + 1))
        lists = " | ".join(json.dumps(f"[{', '.join(some)}]") for some in chosen)
        taken = f" & ~/{'|'.join(names)}/" if names else ""
        end = ' | "end\\n"' if names else ""
        return f'start: "- " NAME ": " deps "\\n"{end}\nNAME: /[a-z]{{1,8}}/{taken}\ndeps: {lists}\n'

    return Grammar("plan", f"small-{most}", following)


def read_plan(text: str) -> nx.DiGraph:
    """The plan, or ``ValueError``: what a reader of answers would say of it."""
    *lines, last = text.splitlines()
    found = [re.fullmatch(r"- ([a-z]{1,8}): \[((?:[a-z]+(?:, )?)*)\]", line) for line in lines]
    if last != "end" or not lines or not all(found):
        raise ValueError(f"no plan: {text!r}")
    rows = [(row[1], row[2].split(", ") if row[2] else []) for row in found if row]
    graph = nx.DiGraph([(before, name) for name, deps in rows for before in deps])
    names = [name for name, _ in rows]
    if len({*names}) < len(names) or not {*graph} <= {*names} or not nx.is_directed_acyclic_graph(graph):
        raise ValueError(f"not a plan: {text!r}")
    return graph


# The recorded answer and the grammar


def test_without_a_form_a_recorded_answer_comes_word_for_word(tmp_path: Path) -> None:
    texts = ["plain", "ünï→😀 \x00\x7f\t", "```\nfence\n```\n", " <|im_end|> <|assistant|> \n\n", "a" * 3000]
    rows = [(asked(f"question {number}"), text) for number, text in enumerate(texts)]
    answers = answers_of(replayed(tmp_path / "r", *rows), *[ask for ask, _ in rows])
    assert [answer.text for answer in answers] == texts
    for answer, (ask, text) in zip(answers, rows, strict=True):
        size = len(text.encode())  # and one for the end
        prompt = sum(len(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n".encode()) for m in ask.messages)
        assert answer.usage == replace(
            Usage(1, prompt + len("<|im_start|>assistant\n"), 0, size + 1), cached_tokens=answer.usage.cached_tokens
        )


KIND = 'start: "kind: " ("module" | "cli" | "data") "\\nfiles: [" /[a-z.]{1,20}/ "]\\n"'
ITEMS = (
    'start: item{2} "end\\n"\n'
    'item: "- id: " /[a-z]{1,9}/ "\\n  kind: " ("module" | "cli" | "data") "\\n  files: [" /[a-z_.]{1,20}/ "]\\n"'
)
LIBRARY = (
    "- id: reader\n  kind: library\n  files: [reader.py]\n- id: writer\n  kind: module\n  files: [writer.py]\nend\n"
)
FENCE = 'start: "```python\\n" line* "```\\n"\nline: /[^`\\n][^\\n]*\\n/ | "\\n"'


@pytest.mark.parametrize(
    ("wanted", "lark", "said"),
    [
        pytest.param("kind: cli\nfiles: [a.py]\n", KIND, "kind: cli\nfiles: [a.py]\n", id="as it was meant"),
        pytest.param(LIBRARY, ITEMS, LIBRARY.replace("library", "data"), id="a word that is none of the list"),
        pytest.param(
            "Sure!\n```python\nx = 1\n\ny = 2\n```\nDone.", FENCE, "```python\nx = 1\n\ny = 2\n```\n", id="prose around"
        ),
        pytest.param("files: [b.py]\nkind: cli\n", KIND, None, id="wrong order"),
        pytest.param("nothing of the kind", KIND, None, id="nothing fits"),
        pytest.param("no", 'start: "yes" | "not at all"', "not at all", id="too short"),
    ],
)
def test_a_grammar_corrects_what_is_wanted(tmp_path: Path, wanted: str, lark: str, said: str | None) -> None:
    ask = asked(form=one(lark))
    (answer,) = answers_of(replayed(tmp_path / "r", (ask, wanted)), ask)
    assert not flaw_of_answer(one(lark), answer.text)
    assert said is None or answer.text == said


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("- a: []\n- b: [a]\n- c: [a, b]\nend\n", "- a: []\n- b: [a]\n- c: [a, b]\nend\n"),
        ("- a: []\n- a: []\nend\n", None),
        ("- a: [b]\n- b: [a]\nend\n", None),
        ("- a: []\n- b: [a]\n- c: []\n- d: []\n- e: []\nend\n", None),
        ("I would rather not.", None),
    ],
    ids=["valid", "name taken", "cycle", "too many", "prose"],
)
def test_pieces_continue_and_know_what_was_said(tmp_path: Path, wanted: str, said: str | None) -> None:
    ask = asked(form=small_plan())
    (answer,) = answers_of(replayed(tmp_path / "r", (ask, wanted)), ask)
    assert read_plan(answer.text).order() >= 0
    assert not flaw_of_answer(small_plan(), answer.text)
    assert said is None or answer.text == said


@pytest.mark.parametrize(
    ("lark", "wanted", "sampled"),
    [
        ('start: "abc" ("x" | "y") "def"', "abcydef", 1),
        ('start: "abc"', "abc", 0),
        ('start: ("x" | "y") ("x" | "y")', "xy", 2),
    ],
)
def test_sampled_and_forced_tokens_are_those_of_the_answer(
    tmp_path: Path, lark: str, wanted: str, sampled: int
) -> None:
    ask = asked(form=one(lark))
    (answer,) = answers_of(replayed(tmp_path / "r", (ask, wanted)), ask)
    assert answer.text == wanted
    assert answer.usage.completion_tokens == len(wanted)
    assert answer.usage.completion_tokens - answer.usage.forced_tokens == sampled


def test_equal_questions_get_their_answers_in_order_and_no_other_is_answered(tmp_path: Path) -> None:
    ask = asked(form=one("start: /[a-z]+/"))
    model = replayed(tmp_path / "r", (ask, "first"), (ask, "second"))
    with pytest.raises(ModelRefused, match="holds no answer") as refused:
        answers_of(model, ask, ask, ask)
    assert (refused.value.fault, refused.value.tries) == ("not recorded", 0)
    answers = answers_of(replayed(tmp_path / "again", (ask, "first"), (ask, "second")), ask, ask)
    assert [answer.text for answer in answers] == ["first", "second"]


@given(st.binary(max_size=60), st.binary(max_size=30), st.text("abcdefgh \n", min_size=40, max_size=80))
def test_after_a_detour_the_cursor_finds_its_place_again(before: bytes, detour: bytes, after: str) -> None:
    rest = "".join(f"{number}{letter}" for number, letter in enumerate(after)).encode()  # nothing in it comes twice
    cursor = Cursor(before + rest)
    for byte in before:
        cursor.said(byte)
    assert cursor.at == len(before)
    for byte in detour + rest:
        cursor.said(byte)
        assert 0 <= cursor.at <= len(cursor.wanted)
    assert cursor.at == len(cursor.wanted)


# One engine, many questions


class Watched:
    """What loads the replay engine, slowed down, and sees whether it is used twice at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.loads = self.looks = self.inside = self.most_inside = 0
        self.fails = False
        self.threads: set[int] = set()
        self._seconds = seconds
        self._load = replay_engine.load

    def __call__(self) -> Loaded:
        loaded = self._load()
        look = loaded.engine.get_logits
        self.loads += 1

        def slow(*args: Any, **kwargs: Any) -> Any:
            self.looks, self.inside = self.looks + 1, self.inside + 1
            self.most_inside = max(self.most_inside, self.inside)
            self.threads.add(threading.get_ident())
            time.sleep(self._seconds)
            self.inside -= 1
            if self.fails:
                raise RuntimeError("out of memory\nand more")
            return look(*args, **kwargs)

        loaded.engine.get_logits = slow
        return loaded


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    seen = Watched(0.002)
    monkeypatch.setattr(replay_engine, "load", seen)
    return seen


def test_questions_at_once_are_answered_one_after_the_other(tmp_path: Path, watched: Watched) -> None:
    rows = [
        (asked(f"question {n}", form=None if n % 2 else one("start: /[a-z0-9]+/")), f"answer{n}" * 9) for n in range(4)
    ]
    model = replayed(tmp_path / "r", *rows)

    async def together() -> list[Answer]:
        return await asyncio.gather(*(model.ask(ask) for ask, _ in rows))

    assert [answer.text for answer in asyncio.run(together())] == [text for _, text in rows]
    assert (watched.loads, watched.most_inside, len(watched.threads)) == (1, 1, 1)


def test_a_cancelled_question_frees_the_engine(tmp_path: Path, watched: Watched) -> None:
    long, queued, short = asked("long", max_tokens=20_000), asked("queued"), asked("short", form=small_plan())
    plan = "- a: []\n- b: [a]\nend\n"
    model = replayed(tmp_path / "r", (long, "x" * 10_000), (queued, "never"), (short, plan))
    leases: list[Lease] = []

    class Gate:
        @asynccontextmanager
        async def lease(self, ask: Ask, wanted: int = 0, least: int = 0) -> AsyncIterator[Lease]:
            leases.append(Lease(ask.max_tokens))
            yield leases[-1]

    async def cancel() -> float:
        tasks = [asyncio.create_task(model.ask(replace(ask, gate=Gate()))) for ask in (long, queued)]
        while watched.looks < 20:  # noqa: ASYNC110 (it is another thread that counts)
            await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()
        assert [type(end) for end in await asyncio.gather(*tasks, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 2
        started = time.monotonic()
        assert (await model.ask(short)).text == plan
        await model.close()
        return time.monotonic() - started

    assert asyncio.run(cancel()) < 2  # the long one alone would take 20 s
    spent = [lease.spent for lease in leases]
    assert spent[0] is not None
    assert 15 < spent[0].completion_tokens < 5_000
    assert spent[1] == Usage()


def test_closing_stops_what_is_under_way(tmp_path: Path, watched: Watched) -> None:
    ask = asked()
    model = replayed(tmp_path / "r", (ask, "x" * 10_000))

    async def close() -> None:
        task = asyncio.create_task(model.ask(ask))
        while not watched.looks:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await model.close()
        with pytest.raises(ModelError, match="was closed"):
            await task

    asyncio.run(close())


def test_an_engine_that_fails_is_opened_anew(tmp_path: Path, watched: Watched) -> None:
    ask = asked()
    model = replayed(tmp_path / "r", (ask, "first"), (ask, "second"))
    watched.fails = True

    async def twice() -> str:
        with pytest.raises(ModelError, match=r"failed \(RuntimeError: out of memory\)$") as failed:
            await model.ask(ask)
        assert (failed.value.fault, failed.value.tries) == ("engine failed", 1)
        watched.fails = False
        return (await model.ask(ask)).text

    assert asyncio.run(twice()) == "second"
    assert watched.loads == 2


def test_a_grammar_that_the_engine_cannot_hold_to_fails_in_one_sentence_and_leaves_the_engine(
    tmp_path: Path, watched: Watched
) -> None:
    rows = [(asked("bad", form=one("start: /[/")), "x"), (asked("good"), "y")]
    model = replayed(tmp_path / "r", *rows)

    async def both() -> str:
        with pytest.raises(ModelError, match=r"the engine of .* failed \(ValueError: .*regex"):
            await model.ask(rows[0][0])
        return (await model.ask(rows[1][0])).text

    assert asyncio.run(both()) == "y"
    assert watched.loads == 1


# Chance


def leaning(logits: dict[str, float], context: int | None = None) -> Local:
    """A model that always wants the same bytes as much."""

    def load() -> Loaded:
        loaded = replay_engine.load()
        wish = np.full((1, 262), -1e9, np.float32)
        for character, value in logits.items():
            wish[0, ord(character)] = value

        def same(token_ids: list[int], include_all_uncached_tokens: bool = False) -> dict[str, Any]:
            wish.flags.writeable = False  # engines keep what they return
            return {"logits": wish, "n_tokens": len(token_ids), "n_cached": 0}

        loaded.engine.get_logits = same
        return replace(loaded, context=context)

    return Local("local:leaning", load)


DRAWS = 800


@pytest.mark.parametrize("lark", [f"start: /[abc]{{0,{DRAWS}}}/", f"start: /[abc]{{{DRAWS}}}/"])
@pytest.mark.parametrize(
    ("temperature", "share"), [(None, 1.0), (0.0, 1.0), (1.0, 0.75), (2.0, 3**0.5 / (1 + 3**0.5)), (0.5, 0.9)]
)
def test_a_temperature_reaches_every_terminal(lark: str, temperature: float | None, share: float) -> None:
    """Guidance forgets it for those that may be empty; the share of each byte is what the temperature makes of its weight."""
    model = leaning({"a": np.log(3), "b": 0.0, "z": 9.0} if "0," not in lark else {"a": np.log(3), "b": 0.0})
    (answer,) = answers_of(model, asked(form=one(lark), temperature=temperature, extra={"seed": 1}))
    assert len(answer.text) == DRAWS
    assert answer.text.count("a") / DRAWS == pytest.approx(share, abs=0.05)


def test_the_same_seed_gives_the_same_answer_and_numpy_keeps_its_own_chance() -> None:
    def drawn(question: str, seed: int | None, lark: str = "start: /[ab]{64}/") -> str:
        more = {} if seed is None else {"seed": seed}
        (answer,) = answers_of(
            leaning({"a": 0.0, "b": 0.0}), asked(question, form=one(lark), temperature=1.0, extra=more)
        )
        return answer.text

    np.random.seed(7)
    before = np.random.get_state()[1].tolist()
    first = drawn("one", 1)
    assert np.random.get_state()[1].tolist() == before
    np.random.seed(8)
    assert drawn("one", 1) == first
    assert drawn("one", 1, "start: /[abz]{64}/") == first  # each way of asking meets the same chance
    assert len({first, drawn("one", 2), drawn("two", 1), drawn("one", None), drawn("one", None)}) == 5


# Limits


@pytest.mark.parametrize(
    ("form", "wanted", "most", "cut"),
    [
        (one("start: /[a-z]+;/"), "abcdef;", 7, False),
        (one("start: /[a-z]+;/"), "abcdef;", 6, True),
        (None, "abcdef;", 8, False),  # where nothing else ends a text, its end is a token
        (None, "abcdef;", 7, True),
        (None, "ü" * 20, 5, True),  # in the middle of a character
        (one("start: /ü+;/"), "ü" * 20, 5, True),
        (small_plan(), "- a: []\n- b: [a]\nend\n", 12, True),
    ],
)
def test_an_answer_that_does_not_fit_is_no_answer(
    tmp_path: Path, form: Grammar | None, wanted: str, most: int, cut: bool
) -> None:
    ask = asked(form=form, max_tokens=most)
    model = replayed(tmp_path / "r", (ask, wanted))
    if not cut:
        assert answers_of(model, ask)[0].text == wanted
        return
    with pytest.raises(
        ModelError, match=rf"length cut \(cut after \d+ characters\); {most} tokens were allowed"
    ) as error:
        answers_of(model, ask)
    assert (error.value.fault, error.value.tries) == ("length cut", 1)
    assert error.value.usage is not None
    assert error.value.usage.completion_tokens >= most


def test_prompt_and_answer_fit_into_the_context() -> None:
    def answered(context: int) -> Answer:
        return answers_of(leaning({"a": 0.0}, context), asked(form=one("start: /a{50}/")))[0]

    enough = answered(1000)
    whole = enough.usage.tokens
    assert answered(whole + 1).text == enough.text
    with pytest.raises(ModelError, match=f"its context of {whole} tokens is full") as cut:
        answered(whole)
    assert cut.value.fault == "length cut"
    assert not isinstance(cut.value, ModelRefused)
    with pytest.raises(ModelRefused, match="the prompt is too long") as refused:
        answered(enough.usage.prompt_tokens)
    assert refused.value.fault == "prompt too long"


def test_long_prompts_are_read_in_blocks_and_what_is_known_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "BLOCK_TOKENS", 100)
    lengths: list[int] = []
    model = leaning({"a": 0.0})
    load = model._load

    def counting() -> Loaded:
        loaded = load()
        look = loaded.engine.get_logits
        loaded.engine.get_logits = lambda token_ids, **more: lengths.append(len(token_ids)) or look(token_ids, **more)
        return loaded

    model._load = counting
    first = asked("x" * 1000, form=one("start: /a{3}/"))
    second = replace(first, messages=(*first.messages, Message("assistant", "aaa"), Message("user", "y" * 200)))
    answers = answers_of(model, first, second)
    steps = np.diff([0, *lengths])
    assert steps.max() <= 100
    assert answers[1].usage.cached_tokens >= answers[0].usage.prompt_tokens
    assert lengths == sorted(lengths)  # the second question starts where the first ended


# Roles


def conversation(*roles: str) -> tuple[Message, ...]:
    return tuple(Message(role, f"{role} {number}") for number, role in enumerate(roles))  # type: ignore[arg-type]


NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}<{{ m.role }}>{{ m.content | trim }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "roles", "text"),
    [
        (
            None,
            ("system", "user", "assistant", "user"),
            "<|im_start|>system\nsystem 0<|im_end|>\n<|im_start|>user\nuser 1<|im_end|>\n"
            "<|im_start|>assistant\nassistant 2<|im_end|>\n<|im_start|>user\nuser 3<|im_end|>\n<|im_start|>assistant\n",
        ),
        (NO_SYSTEM, ("user", "assistant", "user"), "[<user>user 0]<assistant>assistant 1]<user>user 2]<assistant>"),
        (NO_SYSTEM, ("system", "user"), "[<user>system 0\n\nuser 1]<assistant>"),
    ],
)
def test_a_conversation_keeps_its_roles(template: str | None, roles: tuple[str, ...], text: str) -> None:
    engine = SimpleNamespace(tokenizer=SimpleNamespace(bos_token=b"[", eos_token=b"]"))
    assert rendered("m", Loaded(engine, template, None), conversation(*roles)) == text


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{% nonsense", "{{ ''.__class__.__mro__ }}"])
def test_a_template_that_does_not_take_a_conversation_is_named(template: str) -> None:
    engine = SimpleNamespace(tokenizer=SimpleNamespace(bos_token=None, eos_token=b"]"))
    with pytest.raises(ModelRefused, match="the chat template of 'm' does not take"):
        rendered("m", Loaded(engine, template, None), conversation("user"))


# Names, and what is not there


def test_opening_imports_nothing_heavy(tmp_path: Path) -> None:
    path = recording(tmp_path / "r", (asked(), "x"))
    code = (
        "import sys, agent.models; from agent.models import Prices, open_model\n"
        f"open_model('local:replay:{path}', prices=Prices({{}}))\n"
        "print([m for m in ('guidance', 'llguidance', 'numpy', 'torch', 'transformers', 'llama_cpp') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "missing", "error", "words"),
    [
        ("local:onnx:x", (), ConfigError, r"of no known kind; local models are .*local:replay:FILE"),
        ("local:", (), ConfigError, "of no known kind"),
        ("local:llamacpp:", (), ConfigError, r"incomplete; it looks like local:llamacpp:FILE\.gguf"),
        ("local:replay:{tmp}/none", (), ConfigError, "there is no recording"),
        ("local:llamacpp:{tmp}/m.gguf", ("llama_cpp",), PrerequisiteError, r"llama_cpp: pip install 'stepgraph\[llamacpp\]'"),
        ("local:llamacpp:{tmp}/none.gguf", (), ConfigError, "cannot read the model file .*No such file"),
        ("local:llamacpp:{tmp}/text.gguf", (), ConfigError, "is not a GGUF file"),
        ("local:llamacpp:{tmp}/cut.gguf", (), ConfigError, "is not a GGUF file"),
        ("local:transformers:{tmp}", ("torch", "transformers"), PrerequisiteError, r"torch and transformers: pip .*\[local\]'"),
        ("local:transformers:{tmp}/none", (), ConfigError, "there is no folder .* OWNER/NAME"),
        ("local:transformers:{tmp}", (), ConfigError, "is no model for Transformers"),
        ("local:transformers:a/b/c", (), ConfigError, "there is no folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_said_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    missing: tuple[str, ...],
    error: type[Exception],
    words: str,
) -> None:
    (tmp_path / "text.gguf").write_text("no weights")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(8) + b"\x01")
    monkeypatch.setattr(local, "find_spec", lambda package: None if package in missing else object())
    monkeypatch.setattr(local, "version", lambda _: "5.19.0")
    with pytest.raises(error, match=words) as said:
        open_model(name.format(tmp=tmp_path), prices=Prices({}))
    assert "\n" not in str(said.value)


def test_a_version_that_cannot_work_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_spec", lambda _: object())
    monkeypatch.setattr(local, "version", lambda _: "5.20.1")
    with pytest.raises(PrerequisiteError, match=r"needs transformers below 5\.20, found 5\.20\.1: pip install"):
        open_model("local:transformers:owner/name", prices=Prices({}))


def test_schemas_are_not_offered(tmp_path: Path) -> None:
    ask = asked()
    model = replayed(tmp_path / "r", (ask, "x"))
    assert model.forms == {"grammar"}
    with pytest.raises(ModelRefused, match="to grammars and not to schemas"):
        answers_of(model, replace(ask, form=Schema("plan", "d", {})))


# Real engines, random weights

ENGINES = {
    "transformers": (("torch", "transformers"), lambda folder: tiny_transformers(folder / "tiny", CHATML)),
    "llamacpp": (("llama_cpp", "gguf"), lambda folder: tiny_gguf(folder / "tiny.gguf", CHATML)),
}


@pytest.fixture(scope="module", params=ENGINES)
def random_weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Model]:
    """What opens a model of random weights."""
    packages, make = ENGINES[request.param]
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed; pip install '.[local,llamacpp]' gguf")
    path = make(tmp_path_factory.mktemp("weights"))
    return lambda: open_model(f"local:{request.param}:{path}", prices=Prices({}))


SHORT = plan_grammars.Bounds(
    prose_lines=1, block_lines=1, example_lines=1, examples=1, line_chars=8, text_chars=8, id_chars=3, files=2,
    directories=1, part_chars=3, endings=1, ending_chars=3,
)  # fmt: skip
"""So little that a plan of random words fits into the context of a tiny model."""


def plan_in(said: Answer | BaseException) -> Plan | None:
    """The sound plan in an answer, as the product reads it."""
    if not isinstance(said, Answer):
        assert isinstance(said, ModelError), said
        return None
    try:
        plan = shapes.read_plan(said.text, [], "")
    except (AnswerError, PlanError):
        return None
    return None if dag.problems(plan) else plan


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_random_weights_write_plans_when_held_to_it(random_weights: Callable[[], Model]) -> None:
    grammar = plan_grammars.plan([], [], 4, SHORT)

    async def said(form: Grammar | None) -> list[Answer | BaseException]:
        model = random_weights()
        asks = (asked(form=form, temperature=1.0, extra={"seed": seed}) for seed in range(50))
        try:
            return await asyncio.gather(*map(model.ask, asks), return_exceptions=True)
        finally:
            await model.close()

    assert sum(plan_in(each) is not None for each in asyncio.run(said(None))) < 5
    answers = [each for each in asyncio.run(said(grammar)) if isinstance(each, Answer)]
    plans = [plan for plan in map(plan_in, answers) if plan is not None]
    assert len(plans) == 50
    assert len({answer.text for answer in answers}) > 25
    assert any(component.depends_on for plan in plans for component in plan.components)
    assert not any(flaw_of_answer(grammar, answer.text) for answer in answers)
    used = sum((answer.usage for answer in answers), Usage())
    assert 0.3 < used.forced_tokens / used.completion_tokens < 0.8
    assert used.cached_tokens > 0.9 * (used.prompt_tokens - answers[0].usage.prompt_tokens)


@pytest.mark.slow
def test_real_engines_serialise_and_survive_a_cancelled_question(
    random_weights: Callable[[], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = [asked("Some words to read. " * n, form=one("start: /[a-z ]{40}/")) for n in (1, 9, 3, 20)]
    alone = [answers_of(random_weights(), ask)[0].text for ask in asks]
    monkeypatch.setattr(local, "BLOCK_TOKENS", 16)
    model = random_weights()

    async def together() -> list[Answer]:
        await model.ask(asks[0])
        long = asyncio.create_task(model.ask(asked("And on.", form=one("start: /[a-z]{1500}/"))))
        await asyncio.sleep(0.05)
        long.cancel()
        answers = await asyncio.gather(*(model.ask(ask) for ask in asks))
        assert long.cancelled()
        await model.close()
        return answers

    assert [answer.text for answer in asyncio.run(together())] == alone


@pytest.mark.slow
def test_random_weights_meet_every_limit(random_weights: Callable[[], Model]) -> None:
    model = random_weights()
    letters = one("start: /[à-ÿ]{400}/")  # two bytes and two tokens each: half of the limits cut one in two
    rows = [
        *((asked(form=letters, temperature=1.0, max_tokens=most), ModelError, "length cut") for most in range(5, 11)),
        (asked("€" * (CONTEXT // 3 - 50), form=letters), ModelError, "length cut"),
        (asked("€" * CONTEXT), ModelRefused, "prompt too long"),
    ]

    async def ends() -> None:
        for ask, error, fault in rows:
            with pytest.raises(error) as end:
                await model.ask(ask)
            assert (type(end.value), end.value.fault) == (error, fault)
        assert (await model.ask(asked(form=one('start: "whole"')))).text == "whole"
        await model.close()

    asyncio.run(ends())


@pytest.mark.slow
def test_a_model_without_a_chat_template_is_asked_in_chatml(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    if find_spec("llama_cpp") is None or find_spec("gguf") is None:
        pytest.skip("llama_cpp and gguf not installed")
    model = open_model(f"local:llamacpp:{tiny_gguf(tmp_path / 'bare.gguf', None)}", prices=Prices({}))
    capfd.readouterr()
    answers_of(model, *[asked(form=one("start: /[a-z]{9}/"))] * 2)
    assert capfd.readouterr() == ("", "")  # llama.cpp itself is silent
    assert [r.message for r in caplog.records if "template" in r.message] == [
        f"{model.name} comes without a chat template: asked in ChatML"
    ]
