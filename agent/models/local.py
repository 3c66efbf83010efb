"""``local:KIND:…``: a model on this machine, through an engine of guidance, which holds answers to grammars itself.

Everything of guidance, and the engine under it, lives in one thread of its own: engines are not thread-safe, and a second
generation beside the first breaks what they remember of their context. Questions wait for that thread in the order they come.

guidance's ``Engine`` is used and not its ``Model`` above it: text comes token by token, so that an answer can be counted and
stopped anywhere; ``Model`` keeps some four kilobytes of trace for each token.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import struct
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import takewhile
from operator import eq, truth
from pathlib import Path
from typing import Any

from agent.models.base import ANSWER_TOKENS, Answer, Ask, Grammar, Message, Schema
from agent.models.room import LARGEST_ANSWER
from graphs.errors import ConfigError, ModelError, ModelRefused, PrerequisiteError
from graphs.values import Usage, digest

log = logging.getLogger(__name__)

LONGEST_CONTEXT = 32_768
"""Tokens of context given to llama.cpp at most: it sets memory aside for all of them, needed or not."""
BLOCK_TOKENS = 512
"""Tokens of a prompt read at once. guidance keeps the logits of all of them (vocabulary × 4 bytes each) until the last is read."""
FREE = "start: /(?s:.+)/"
"""Any text but none."""
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The chat template of models that come without one."""

NEWEST_TRANSFORMERS = (5, 20)
"""The first version that guidance 0.3.1 cannot work with: its caches are cut in another way."""


@dataclass(frozen=True)
class Loaded:
    """An engine that is ready."""

    engine: Any
    """A ``guidance.models._engine.Engine``."""
    template: str | None
    """Chat template that its tokenizer comes with, in Jinja; ``None`` when there is none."""
    context: int | None
    """Tokens that prompt and answer may have together; ``None`` when there is no end."""


class Local:
    """A model behind an engine of guidance, which is opened when the first question is asked.

    Its answers cost nothing. The same question with the same ``seed`` among its further parameters gets the same answer;
    without one it is left to chance, as with any endpoint, unless the temperature is 0.
    """

    longest = ANSWER_TOKENS
    """Completion tokens wanted for an answer."""

    def __init__(self, name: str, load: Callable[[], Loaded]) -> None:
        """``load`` is called in the engine's thread; ``PrerequisiteError`` when what it needs is not there."""
        self.name = name
        self.forms = frozenset({"grammar"})
        self._load = load
        self._loaded: Loaded | None = None
        self._reins: _Reins | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="local-engine")
        self._under_way: set[_Answering] = set()

    async def ask(self, ask: Ask) -> Answer:
        """The whole answer, held to the grammar of the question if it has one.

        ``ModelRefused`` for a prompt that the context has no room for, a conversation that the chat template does not take, and
        a question with a schema; ``ModelError`` for an answer that was cut at its limit or at the end of the context.
        When the task that asks is cancelled, the engine stops at the next token.
        """
        if isinstance(ask.form, Schema):
            raise ModelRefused(
                f"{self.name!r} holds answers to grammars and not to schemas; use --strategy guided", fault="rejected"
            )
        started = time.monotonic()
        async with ask.gate.lease(ask, self.longest) as lease:
            answering = _Answering(lease.max_tokens or LARGEST_ANSWER)
            self._under_way.add(answering)
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, ask, answering)
            except ModelError as error:
                lease.fault, error.tries, error.usage = error.fault, answering.usage.calls, answering.usage
                raise
            finally:
                answering.stopped = True  # of use when this task was cancelled, and only then
                self._under_way.discard(answering)
                lease.spent = answering.usage
        return Answer(answering.text, answering.usage, self.name, time.monotonic() - started)

    def price(self, usage: Usage) -> float | None:
        """Nothing: nobody bills."""
        return 0.0

    async def close(self) -> None:
        """Stop what is under way and let go of the engine and its memory."""
        for answering in self._under_way:
            answering.stopped = True
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._let_go()

    def _let_go(self) -> None:
        self._loaded = self._reins = None
        gc.collect()  # the two hold each other, and gigabytes of weights

    def _begin(self, ask: Ask, engine: Any, start: int) -> None:
        """Called in the engine's thread before an answer is written, which begins after ``start`` tokens."""

    def _answer(self, ask: Ask, answering: _Answering) -> None:
        """Write the answer of a question, in the engine's thread."""
        if self._loaded is None or self._reins is None:
            self._loaded = self._load()
            self._reins = _Reins(self._loaded)
            if self._loaded.template is None:
                log.warning("%s comes without a chat template: asked in ChatML", self.name)
        loaded, reins = self._loaded, self._reins
        prompt = rendered(self.name, loaded, ask.messages)
        tokens = loaded.engine.tokenizer.encode(prompt.encode())
        if loaded.context is not None and len(tokens) >= loaded.context:
            raise ModelRefused(
                f"the prompt is too long for {self.name!r}; use a model with a longer context or a smaller spec: "
                f"{len(tokens)} tokens, the context has {loaded.context}",
                fault="prompt too long",
            )
        reins.take(ask, answering)
        self._begin(ask, loaded.engine, len(tokens))
        answering.sent, answering.prompt = True, len(tokens)
        try:
            self._write(loaded, prompt, ask.form if isinstance(ask.form, Grammar) else None, answering)
        except _Stopped:
            raise ModelError(f"{self.name!r} was closed before it had answered", fault="closed") from None
        except _Cut as cut:
            raise ModelError(
                f"no usable answer from {self.name!r}: length cut (cut after {len(answering.text)} characters); {cut}",
                fault="length cut",
            ) from cut
        except Exception as error:
            if not reins.sound:
                self._let_go()  # what it remembers of its context may be broken: it is opened anew for the next question
            raise ModelError(
                f"the engine of {self.name!r} failed ({type(error).__name__}: {_line(error)})", fault="engine failed"
            ) from error
        if not answering.text.strip():
            raise ModelError(f"no usable answer from {self.name!r}: empty answer", fault="empty answer")

    def _write(self, loaded: Loaded, prompt: str, grammar: Grammar | None, answering: _Answering) -> None:
        """Piece after piece. What the engine remembers of its context makes that no piece reads the ones before it again."""
        from guidance.models._engine._state import EngineState

        state, piece = EngineState(), FREE if grammar is None else grammar.following("")
        while piece:
            start, state.prompt = len(answering.said), prompt + answering.text
            # A template says itself where the token goes that begins a text.
            chunks = loaded.engine(state, piece, ensure_bos_token=loaded.template is None)
            for number, chunk in enumerate(chunks):
                answering.said += chunk.new_bytes
                answering.count(chunk, first=number == 0)
                if answering.completion > answering.most:
                    raise _Cut(f"{answering.most} tokens were allowed")
            if len(answering.said) == start:
                raise ValueError(f"a piece of an answer may not be empty: {piece}")
            piece = "" if grammar is None else grammar.following(answering.text)


@dataclass(eq=False)
class _Answering:
    """What has become of a question: written by the engine's thread, read by the task that asked."""

    most: int
    """Completion tokens it may take."""
    stopped: bool = False
    """Nobody waits for the answer any more."""
    sent: bool = False
    """Whether the engine was given the prompt."""
    prompt: int = 0
    """Tokens of the prompt."""
    cached: int = 0
    """Of those, the ones the engine remembered from the question before."""
    sampled: int = 0
    """Tokens that were chosen among several; those a grammar then put in another way, and the end of the text, are among them."""
    forced: int = 0
    """Tokens that the grammar left no choice for."""
    said: bytes = b""
    """The answer so far; may end in the middle of a character."""

    @property
    def text(self) -> str:
        """The answer so far."""
        return self.said.decode("utf-8", "replace")

    @property
    def completion(self) -> int:
        """Tokens of the answer so far."""
        return self.sampled + self.forced

    @property
    def usage(self) -> Usage:
        """What it cost so far."""
        return Usage(
            calls=int(self.sent),
            prompt_tokens=self.prompt,
            cached_tokens=self.cached,
            completion_tokens=self.completion,
            usd=0.0,
            forced_tokens=self.forced,
        )

    def count(self, chunk: Any, first: bool) -> None:
        """Add the tokens of what an engine yielded. ``first``: of a piece."""
        if first:  # where the piece begins, tokens of the prompt may be put together anew with it
            self.forced += max(len(chunk.tokens) - chunk.backtrack, 0)
        else:
            sampled = sum(token.is_generated for token in chunk.tokens)
            self.sampled += sampled
            self.forced += len(chunk.tokens) - sampled


class _Stopped(Exception):
    """Nobody waits for the answer any more."""


class _Cut(Exception):
    """The answer would go on; the text says what it met."""


class _Reins:
    """Stands between guidance and what an engine computes: reads long prompts in blocks, stops, and draws.

    guidance draws with numpy's global generator, which belongs to others, and forgets the temperature of a terminal that may be
    empty. So it is never told one: it takes the likeliest token, and at a temperature the logits are disturbed here such
    that the likeliest is a fair draw (Gumbel's; Maddison and others, "A* Sampling", 2014). What is forbidden by a grammar stays
    so, and the draw is fair among the rest.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.sound = True
        """Whether the engine has never failed in the middle of what it computes."""
        self._look = loaded.engine.get_logits
        self._context = loaded.context
        self._read: list[int] = []
        self._known = 0
        loaded.engine.get_logits = self._logits

    def take(self, ask: Ask, answering: _Answering) -> None:
        """From now on it is this question that the engine works on."""
        from numpy.random import default_rng

        self._answering = answering
        self._fresh = True
        self._temperature = ask.temperature or 0.0
        seed = ask.extra.get("seed")
        # The form is no part of it: each way of asking meets the same chance.
        asked = [seed, [(m.role, m.content) for m in ask.messages]]
        self._chance = default_rng(None if seed is None else int(digest(asked), 16))

    def _logits(self, token_ids: list[int], include_all_uncached_tokens: bool = False) -> dict[str, Any]:
        self._check()
        if self._context is not None and len(token_ids) >= self._context:
            raise _Cut(
                f"its context of {self._context} tokens is full: use a model with a longer one or a smaller spec"
            )
        if self._fresh or len(token_ids) - self._known > BLOCK_TOKENS:
            same = sum(takewhile(truth, map(eq, token_ids, self._read[: self._known])))
            if self._fresh:
                self._answering.cached = min(same, self._answering.prompt)
            for end in range(same + BLOCK_TOKENS, len(token_ids), BLOCK_TOKENS):
                self._computed(token_ids[:end])
                self._check()
        looked, self._fresh = self._computed(token_ids), False
        if not self._temperature:
            return looked
        logits = looked["logits"]
        return looked | {"logits": logits / self._temperature + self._chance.gumbel(size=logits.shape)}

    def _computed(self, token_ids: list[int]) -> dict[str, Any]:
        self.sound = False
        looked: dict[str, Any] = self._look(token_ids=token_ids)
        self.sound = True
        self._read, self._known = token_ids, len(token_ids)  # guidance adds to such a list, or makes a new one
        return looked

    def _check(self) -> None:
        if self._answering.stopped:
            raise _Stopped


def rendered(name: str, loaded: Loaded, messages: tuple[Message, ...]) -> str:
    """The conversation as the model was taught to read it, up to where its answer begins.

    A template that knows no system messages gets them as a part of the first question. ``ModelRefused`` when it takes the
    conversation in no way.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(why: str) -> None:
        raise TemplateError(why)

    # As transformers does it. The template comes with the model: it is data from someone.
    jinja = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], keep_trailing_newline=True
    )
    jinja.globals |= {"raise_exception": refuse, "strftime_now": time.strftime}
    tokenizer = loaded.engine.tokenizer
    words = {word: (getattr(tokenizer, word) or b"").decode("utf-8", "replace") for word in ("bos_token", "eos_token")}
    error: Exception | None = None
    for conversation in (list(messages), _without_system(messages)):
        said = [{"role": message.role, "content": message.content} for message in conversation]
        try:
            template = jinja.from_string(CHATML if loaded.template is None else loaded.template)
            text = template.render(messages=said, add_generation_prompt=True, **words)
        except Exception as found:
            error = found
        else:
            # A lone surrogate cannot be written as UTF-8; it can only come from broken text a model or program printed.
            return text.encode("utf-8", "replace").decode()
    raise ModelRefused(
        f"the chat template of {name!r} does not take this conversation ({_line(error)}); use another model",
        fault="rejected",
    )


def _without_system(messages: tuple[Message, ...]) -> list[Message]:
    """The same conversation with what the system says at the head of the first question."""
    rules = [message.content for message in messages if message.role == "system"]
    first, *rest = [message for message in messages if message.role != "system"]
    return [Message(first.role, "\n\n".join([*rules, first.content])), *rest]


def open_local(name: str, kind: str, which: str) -> Local:
    """The local model ``local:KIND:WHICH``, called ``name``. Nothing heavy is imported before the first question.

    ``ConfigError`` for a kind that does not exist or a file that is not there, ``PrerequisiteError`` for missing packages.
    """
    if kind not in KINDS:
        raise ConfigError(f"the model {name!r} is of no known kind; local models are {', '.join(KINDS.values())}")
    if not which.strip():
        raise ConfigError(f"the model name {name!r} is incomplete; it looks like {KINDS[kind]}")
    if kind == "replay":
        from agent.models.replay_engine import LocalReplay

        return LocalReplay(Path(which).expanduser())
    if kind == "llamacpp":
        return Local(name, _llamacpp(name, Path(which).expanduser()))
    return Local(name, _transformers(name, which))


KINDS: Mapping[str, str] = {
    "transformers": "local:transformers:FOLDER_OR_ID",
    "llamacpp": "local:llamacpp:FILE.gguf",
    "replay": "local:replay:FILE",
}
"""Kind of engine → what its names look like."""


def _llamacpp(name: str, path: Path) -> Callable[[], Loaded]:
    """What opens a GGUF file with llama.cpp."""
    _need(name, ("llama_cpp",), "llamacpp")
    try:
        trained = _trained_context(path)
    except OSError as error:
        raise ConfigError(f"cannot read the model file {str(path)!r}: {error.strerror or error}") from error
    except (ValueError, struct.error, KeyError) as error:
        raise ConfigError(f"the model file {str(path)!r} is not a GGUF file; llama.cpp reads no other") from error
    context = min(trained or LONGEST_CONTEXT, LONGEST_CONTEXT)

    def load() -> Loaded:
        from guidance import models
        from guidance.chat import ChatMLTemplate

        llama = import_module("llama_cpp").Llama
        try:
            model = llama(str(path), n_ctx=context, n_gpu_layers=-1, verbose=False)
        except (ValueError, RuntimeError, OSError) as error:
            raise PrerequisiteError(f"llama.cpp cannot open the model file {str(path)!r}: {_line(error)}") from error
        # The conversation is rendered here, with any template: guidance knows a handful by heart and warns of the others.
        engine = models.LlamaCpp(model, echo=False, enable_monitoring=False, chat_template=ChatMLTemplate).engine
        return Loaded(engine, model.metadata.get("tokenizer.chat_template"), context)

    return load


def _trained_context(path: Path) -> int | None:
    """Tokens of context that the model in a GGUF file was trained with; ``None`` when the file does not say.

    llama.cpp tells only once it has set memory aside for some other number. ``ValueError`` and the like for another file.
    """
    sizes = {
        0: 1,
        1: 1,
        2: 2,
        3: 2,
        4: 4,
        5: 4,
        6: 4,
        7: 1,
        10: 8,
        11: 8,
        12: 8,
    }  # of the format's types of numbers, in bytes
    with path.open("rb") as file:

        def number(size: int) -> int:
            (found,) = struct.unpack("<I" if size == 4 else "<Q", file.read(size))
            return int(found)

        def skip(kind: int) -> None:
            if kind == 8:
                file.seek(number(8), os.SEEK_CUR)
            elif kind == 9:
                inner, count = number(4), number(8)
                if inner in sizes:
                    file.seek(sizes[inner] * count, os.SEEK_CUR)
                else:
                    for _ in range(count):
                        skip(inner)
            else:
                file.seek(sizes[kind], os.SEEK_CUR)

        if file.read(4) != b"GGUF":
            raise ValueError("another format")
        _version, _tensors, pairs = number(4), number(8), number(8)
        for _ in range(pairs):
            key = file.read(min(number(8), 1 << 16))
            kind = number(4)
            if key.endswith(b".context_length") and kind in (4, 10):
                return number(sizes[kind])
            skip(kind)
    return None


def _transformers(name: str, which: str) -> Callable[[], Loaded]:
    """What opens a model with Transformers, from a folder or by its id."""
    _need(name, ("torch", "transformers"), "local")
    try:
        found = version("transformers")
    except PackageNotFoundError:
        found = ""
    if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) >= NEWEST_TRANSFORMERS:
        raise PrerequisiteError(
            f"the model {name!r} needs transformers below {'.'.join(map(str, NEWEST_TRANSFORMERS))}, found {found}: "
            "pip install 'stepgraph[local]'"
        )
    folder = Path(which).expanduser()
    if folder.exists():
        if not (folder / "config.json").is_file():
            raise ConfigError(f"{str(folder)!r} is no model for Transformers: it is a folder with a config.json")
        which = str(folder)
    elif not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", which, re.ASCII):
        raise ConfigError(f"there is no folder {str(folder)!r}, and as the id of a model it would look like OWNER/NAME")

    def load() -> Loaded:
        from guidance import models
        from guidance.chat import ChatMLTemplate

        torch, transformers = import_module("torch"), import_module("transformers")
        transformers.utils.logging.disable_progress_bar()
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(which)
            metal = torch.backends.mps.is_available()
            device = "cuda" if torch.cuda.is_available() else "mps" if metal else "cpu"
            model = transformers.AutoModelForCausalLM.from_pretrained(which, dtype="auto").to(device)
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise PrerequisiteError(f"Transformers cannot open the model {which!r}: {_line(error)}") from error
        engine = models.Transformers(
            model.eval(), tokenizer, echo=False, enable_monitoring=False, chat_template=ChatMLTemplate
        ).engine
        template = tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        return Loaded(engine, template, getattr(model.config.get_text_config(), "max_position_embeddings", None))

    return load


def _need(name: str, packages: tuple[str, ...], extra: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise PrerequisiteError(f"the model {name!r} needs {' and '.join(missing)}: pip install 'stepgraph[{extra}]'")


def _line(error: Exception | None) -> str:
    """The first line of what an exception says, not long."""
    return (str(error).strip().splitlines() or [""])[0][:300]
