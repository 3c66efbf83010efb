"""One model behind an OpenAI-compatible endpoint (or a LangChain chat model), and the only retry layer there is.

An endpoint fails in more ways than by an HTTP status: a stream ends early without an error, an answer is empty,
refused, filtered or cut at the token limit, a page of HTML comes with status 200. Each try ends in a whole answer or
in a :class:`Fault` that has a name; :meth:`Endpoint.ask` decides from it whether to ask again, within one time budget.

An answer that is held to a grammar may come in pieces, each asked for by itself and asked again by itself. What a server
makes of forms is found out before the first question that has one (``agent/models/dialects.py``).

Streams are used because only they tell a model that writes slowly from one that has stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, Literal
from urllib.parse import urlsplit

from agent.models.base import Answer, Ask, Form, Lease, Message, Schema, tokens_of
from agent.models.dialects import (
    AUTO,
    PROBE,
    PROBE_TOKENS,
    Dialect,
    Held,
    candidates,
    held_to_schema,
    schema_probe,
)
from agent.models.pricing import Prices
from agent.models.room import Room, Size, Sizes, room_of
from graphs.errors import EndpointUnreachable, ModelError, ModelRefused
from graphs.values import Usage

log = logging.getLogger(__name__)

Weight = Literal["retry", "content", "final"]
"""Ask again while there is time; ask again a few times, for each try costs a whole answer; never ask again."""

CONTENT_TRIES = 4
"""Answers that are empty, refused, filtered or cut at the token limit before asking stops."""
ROOM_TRIES = 8
"""How often one question is asked again because the endpoint wants fewer completion tokens to be asked for."""
UNREACHABLE_SECONDS = 10.0
"""How long an endpoint that nothing answers at is tried; a server that is just starting gets this long."""
SHORTEST_TRY = 1.0
"""Seconds that must be left for another try (a tenth of the budget if that is less)."""
REFUTATION_LENGTH = 120
"""Characters of what a server said to a probe that are shown."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 20.0
"""Seconds between tries: doubled from the first to the longest, each time shortened at random by up to a half."""

_NOT_SENT = {"unreachable", "bad certificate"}
# How servers refuse a form apart from a status that says so: SGLang only finds out when the stream has begun, and others
# stumble over it. In a probe these are tried as often as an answer that is no use, then they count as a refusal.
_STUMBLES = {"error in the stream", "unfinished", "status 500", "status 501"}
_UNFINISHED = {"error", "tool_calls", "tool_use", "function_call", "abort", "cancelled", "load", "pause_turn", "other"}
_CUT_AT_LIMIT = {"length", "max_tokens", "model_length", "max_output_tokens", "finish_reason_max_tokens"}
_FILTERED = {
    "content_filter",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "guardrail_intervened",
}

_TOO_LONG = re.compile(
    r"context_length_exceeded|maximum context length|context window|context size|context length|"
    r"prompt is too long|input is too long|too many (input )?tokens|input tokens exceed|"
    r"max_prompt_tokens|ContextOverflow",
    re.IGNORECASE,
)
_NO_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|billing_hard_limit|billing[_ ]not[_ ]active|"
    r"insufficient (balance|credits|funds)|"
    r"credit balance is too low|out of credits|payment required",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model[_ ]not[_ ]found|model\b.{0,120}\b(does not exist|not found|not exist)|no such model|unknown model", re.I
)
_NOT_TAKEN = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra (fields|inputs)",
    re.IGNORECASE,
)
_LIMITS = {"max_tokens", "max_completion_tokens"}
_SECRET = re.compile(r"\b(sk|key|pk|gsk|xai|hf)[-_][A-Za-z0-9_*-]{6,}|\bBearer\s+\S+|\bAIza[\w-]{10,}", re.IGNORECASE)

# Only a short answer that both opens as a refusal and says what it will not do counts: prose that merely apologises, or
# code that prints "sorry", must never be taken for one.
_WILL_NOT = (
    r"(?:can(?:no|')t|can not|(?:i'm|am) unable to|(?:i'm|am) not able to|won't|will not|(?:must|have to) decline)"
)
_REFUSAL = re.compile(
    r"(?:i(?:'m| am) (?:\w+ )?sorry|sorry|i apologi[sz]e|unfortunately|as an ai)\b.{0,200}?\b"
    + _WILL_NOT
    + r"\b.{0,60}?\b(?:help|assist|comply|fulfill?|provide|do|continue|support|create|write|generate|answer|discuss)\b"
    + r"|(?:i |i(?='))"
    + _WILL_NOT.replace("i'm|am", "'m|am")
    + r" (?:\w+ )?(?:help|assist|comply|fulfill?|provide|continue with)\b",
    re.IGNORECASE | re.DOTALL,
)
_HOW = {
    "grammar": "start vLLM with --structured-outputs-config.backend guidance, SGLang with --grammar-backend llguidance, or a "
    "llama-server that was built with -DLLAMA_LLGUIDANCE=ON; or use --strategy native or plain",
    "schema": "use a server that takes response_format of type json_schema, or --strategy plain",
}
"""What to do where answers are not held to a kind of form."""
_WORDS = {"grammar": "a grammar", "schema": "a JSON schema"}

_STRUCTURE = re.compile(r"```|~~~|^\s*(?:[{\[<|#>]|[-*+] |\d+[.)] )|^\S+\s*[:=]\s*$", re.MULTILINE)
_REFUSAL_LENGTH = 600


@dataclass(frozen=True)
class Fault:
    """How one try failed."""

    name: str
    """What it is called, such as ``cut stream``."""
    detail: str = ""
    """What was seen; holds no key, safe to print."""
    weight: Weight = "retry"
    """Whether asking again can help."""
    wait: float | None = None
    """Seconds the endpoint asks us to wait before the next try."""
    billed: bool = False
    """Whether an answer had begun, so that tokens may have been paid for."""
    change: str = ""
    """A request parameter the endpoint does not take: asked again without it."""
    room: Room | None = None
    """What the endpoint has room for, when more completion tokens were asked for: asked again for that many."""
    late: bool = False
    """The budget ended while this try was still under way."""


@dataclass
class _Seen:
    """What the transport showed of the try that is under way; LangChain keeps it to itself."""

    status: int = 0
    content_type: str = ""
    chunks: int = 0
    choices: int = 0
    refusal: str = ""
    reasoning: int = 0
    text: list[str] = field(default_factory=list)
    finish: str = ""
    model: str = ""
    usage: Usage | None = None
    sent: set[str] = field(default_factory=set)
    """Those of the parameters an endpoint may not know that went with the request, ``stream`` among them."""
    asked: int | None = None
    """Completion tokens that were asked for at most."""
    prompt: int = 0
    """Prompt tokens, estimated."""

    @property
    def said(self) -> str:
        """The answer so far."""
        return "".join(self.text)

    @property
    def came(self) -> int:
        """Characters of the answer, reasoning included."""
        return sum(map(len, self.text)) + self.reasoning

    @property
    def used_up(self) -> bool:
        """Whether the answer is as long as was asked for at most, as far as can be seen."""
        tokens = self.came if self.usage is None else self.usage.completion_tokens
        return self.asked is not None and tokens >= 0.9 * self.asked


class _Budget:
    """What one ask has spent of its time and tries, those of all pieces and probes together."""

    def __init__(self, seconds: float) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + seconds
        self.tries = 0
        self.content = 0
        """Answers to the present request that were no use."""
        self.last: Fault | None = None
        """What was wrong with the latest try."""
        self.usage = Usage()
        self._lost: float | None = None

    def waited(self, seconds: float) -> None:
        """Time that passed before a try was let go is nobody's fault: it does not count."""
        self.started += seconds
        self.deadline += seconds

    def count(self, fault: Fault | None, cost: Usage) -> None:
        """Add a try."""
        self.tries += 1
        self.last = fault
        self.usage += cost
        self.content += fault is not None and fault.weight == "content"
        if fault is None or fault.name != "unreachable":
            self._lost = None
        elif self._lost is None:
            self._lost = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the ask began."""
        return time.monotonic() - self.started

    @property
    def unreachable(self) -> float:
        """Seconds since nothing answers."""
        return 0.0 if self._lost is None else time.monotonic() - self._lost


_seen: ContextVar[_Seen | None] = ContextVar("_seen", default=None)


@dataclass(frozen=True)
class Address:
    """Where an endpoint is."""

    url: str
    """Base URL, as given; may hold a password and is therefore never printed."""

    @property
    def host(self) -> str:
        """Host name, without brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def place(self) -> str:
        """``host:port``, to be printed."""
        parts = urlsplit(self.url)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")


OPENAI = Address("https://api.openai.com/v1")


class Endpoint:
    """A model at an endpoint. Answers are whole: what is cut, empty or refused was asked again or is an error. Those that
    are held to a form are in it: a server that ignores forms is an error, too.

    ``open_chat`` makes a LangChain chat model; without it, an OpenAI-compatible client for ``address`` is made. Either
    is made when the first question is asked, in the event loop that asks it.
    """

    def __init__(
        self,
        name: str,
        model: str,
        *,
        address: Address = OPENAI,
        api_key: str | None = None,
        key_variable: str = "OPENAI_API_KEY",
        prices: Prices,
        seconds: float = 300.0,
        stall_seconds: float = 120.0,
        open_chat: Callable[[], Any] | None = None,
        place: str = "",
        dialect: str = AUTO,
    ) -> None:
        """``seconds``: the budget of one ask, all tries and waits together; ``stall_seconds``: the longest silence.

        ``dialect``: how the server takes grammars, one of ``agent.models.dialects.DIALECTS`` or ``auto``, which finds out.
        ``ConfigError`` when it is none of these.
        """
        self.name = name
        self.forms = _forms(address, open_chat)
        self._dialects = candidates(dialect)
        self._model = model
        self._address = address
        self._api_key = api_key
        self._key_variable = key_variable
        self._prices = prices
        self._seconds = seconds
        self._stall = stall_seconds
        self._open_chat = open_chat
        self._place = place or address.place
        self._chat: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._streams = True
        self._limit = "max_completion_tokens" if address.host.endswith("openai.com") else "max_tokens"
        self._not_taken: set[str] = set()
        self._sizes = Sizes()
        self._dialect = self._dialects[0]
        """The one that the server speaks, once that is proven."""
        self._probed: dict[str, str] = {}
        """Kind of form → what is wrong with how the server takes it; empty when nothing is."""
        self._probing = asyncio.Lock()

    async def ask(self, ask: Ask) -> Answer:
        """The whole answer, with the usage of all tries.

        ``ModelRefused`` when asking again cannot help, ``EndpointUnreachable`` when nothing answers at the address,
        ``ModelError`` when no try within the budget gave a usable answer. Each error carries the usage of its tries.
        ``LimitReached`` when the gate of the question lets no further try pass.
        """
        if ask.form is not None and ask.form.kind not in self.forms:
            raise ModelRefused(self._takes_no(ask.form), fault="form not taken")
        chat = await self._chat_of_this_loop()
        budget = _Budget(self._seconds)
        pieces = await self._pieces(chat, ask, budget)
        model = next((seen.model for seen in reversed(pieces) if seen.model), self._model)
        return Answer("".join(seen.said for seen in pieces), budget.usage, model, budget.spent, budget.tries)

    async def _pieces(self, chat: Any, ask: Ask, budget: _Budget) -> list[_Seen]:
        """What was answered: one piece, or as many as the grammar has."""
        if ask.form is None:
            return [await self._piece(chat, ask, None, budget)]
        dialect = await self._proven(chat, ask, ask.form, budget)
        if isinstance(ask.form, Schema):
            return [await self._piece(chat, ask, held_to_schema(ask.form), budget)]
        pieces: list[_Seen] = []
        text, tokens = "", 0
        while lark := ask.form.following(text):
            piece = ask if not text else replace(ask, messages=(*ask.messages, Message("assistant", text)))
            if ask.max_tokens is not None:  # the ceiling of all pieces together
                piece = replace(piece, max_tokens=max(ask.max_tokens - tokens, 1))
            seen = await self._piece(chat, piece, dialect.held(lark, later=bool(text)), budget)
            text += seen.said
            tokens += tokens_of(seen.came) if seen.usage is None else seen.usage.completion_tokens
            pieces.append(seen)
        return pieces

    async def _piece(self, chat: Any, ask: Ask, held: Held | None, budget: _Budget) -> _Seen:
        """One request, made again until what came back is whole; the errors are those of :meth:`ask`."""
        size = self._sizes.of(ask, getattr(chat, "profile", None))
        budget.content = tries = 0
        previous: Fault | None = None
        while True:
            tries += 1
            began = time.monotonic()
            async with ask.gate.lease(ask, size.wanted, size.least) as lease:
                budget.waited(time.monotonic() - began)
                seen = _Seen(asked=lease.max_tokens, prompt=ask.likely_tokens)
                fault = await self._try(chat, ask, held, seen, budget.deadline)
                self._settle(lease, seen, fault)
            fault = _resize(size, fault, seen)
            if fault is not None and held is not None and held.probes and fault.name in _STUMBLES:
                fault = replace(fault, weight="content")
            budget.count(fault, lease.spent or Usage())
            if fault is None:
                return seen
            if fault.late and previous is not None:
                # Cut short by our own clock: what went wrong before says more.
                fault = previous
            previous = fault
            log.info("try %d of step %r for %r: %s", budget.tries, ask.step, ask.component, fault.name)
            wait = _pause(tries, fault)
            if error := self._end(fault, budget, wait, ask.max_tokens):
                raise error
            if fault.room is not None:
                self._sizes.learn(fault.room)
            if fault.change:
                self._adapt(fault.change)
            await asyncio.sleep(wait)

    async def _proven(self, chat: Any, ask: Ask, form: Form, budget: _Budget) -> Dialect:
        """The dialect the endpoint takes grammars in, once it is proven that it holds answers to forms of this kind.

        Found out before the first such question, by tries of it that pass its gate, and remembered. ``ModelRefused`` when it
        does not hold answers to them.
        """
        began = time.monotonic()
        async with self._probing:
            budget.waited(time.monotonic() - began)
            if form.kind not in self._probed:
                self._probed[form.kind] = await self._probe(chat, ask, form, budget)
        if wrong := self._probed[form.kind]:
            raise ModelRefused(wrong, fault="form ignored", tries=budget.tries, usage=budget.usage)
        return self._dialect

    async def _probe(self, chat: Any, ask: Ask, form: Form, budget: _Budget) -> str:
        """What is wrong with how the endpoint takes forms of this kind, in one sentence; empty when nothing is."""
        if isinstance(form, Schema):
            found = await self._refutation(chat, ask, schema_probe(), budget)
        else:
            refutations = []
            for dialect in self._dialects:
                if not (refutation := await self._refutation(chat, ask, dialect.probe(), budget)):
                    self._dialect = dialect
                    return ""
                refutations.append(f"as for {dialect.name} {refutation}")
            found = "; ".join(refutations)
        if not found:
            return ""
        place = f"{self._place} does not hold answers of the model {self._model!r} to {_WORDS[form.kind]}"
        return f"{place} ({found}): {_HOW[form.kind]}"

    async def _refutation(
        self, chat: Any, ask: Ask, probe: Held, budget: _Budget, tokens: Sequence[int] = PROBE_TOKENS
    ) -> str:
        """What the endpoint does with a form instead of holding the answer to it; empty when it holds it.

        ``tokens``: completion tokens that may be taken, and those after a try that was cut in its reasoning.
        """
        question = replace(ask, messages=(Message("user", PROBE),), max_tokens=tokens[0], form=None)
        try:
            await self._piece(chat, question, probe, budget)
        except ModelError as error:
            said = "" if budget.last is None else budget.last.detail[:REFUTATION_LENGTH]
            if error.fault == "form ignored":
                return f"it is ignored: {said}"
            if error.fault == "rejected" or error.fault in _STUMBLES:
                return f"it is refused: {said}"
            if error.fault == "length cut" and tokens[1:]:
                return await self._refutation(chat, ask, probe, budget, tokens[1:])
            raise
        return ""

    def price(self, usage: Usage) -> float | None:
        """By the price table; a server on this machine costs nothing unless the table knows its model."""
        return 0.0 if self._bills_nobody() else self._prices.usd(self._model, usage)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client, self._chat = self._client, None, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    def _end(self, fault: Fault, budget: _Budget, wait: float, max_tokens: int | None) -> ModelError | None:
        """The error to raise, or ``None`` when asking again after ``wait`` seconds makes sense."""
        kind: type[ModelError] = ModelError
        # A try that has hardly any time left would be paid for and thrown away.
        late = time.monotonic() + wait + min(SHORTEST_TRY, self._seconds / 10) >= budget.deadline
        asked = f"{_times(budget.tries)} in {budget.spent:.1f} s"
        cut = fault.name == "length cut" and fault.weight == "content"
        if fault.weight == "final":
            kind = EndpointUnreachable if fault.name == "bad certificate" else ModelRefused
            text = self._refusal(fault)
        elif fault.name == "unreachable" and (late or budget.unreachable >= UNREACHABLE_SECONDS):
            kind = EndpointUnreachable
            text = (
                f"nothing answers at {self._place} ({fault.detail}), tried {asked}: "
                "check that the server runs and that the base URL (--base-url, OPENAI_BASE_URL) is right"
            )
        elif late or budget.content >= CONTENT_TRIES or (cut and max_tokens is not None):
            text = f"no usable answer from the model {self._model!r} at {self._place}, asked {asked} "
            text += f"(limit {self._seconds:g} s): {_sentence(fault)}"
            if fault.wait and late:
                text += f"; the endpoint asks to wait {fault.wait:.0f} s"
            if cut:
                text += (
                    "; the endpoint's own output limit is too small for this answer: use a model that may write more"
                    if max_tokens is None
                    # The caller's ceiling is kept: the same question under it would be paid for and cut again.
                    else f"; {max_tokens} tokens were allowed"
                )
        else:
            return None
        return kind(text, fault=fault.name, tries=budget.tries, usage=budget.usage)

    def _refusal(self, fault: Fault) -> str:
        """The sentence for a fault that asking again cannot mend: what was found and what to do."""
        said = f": {fault.detail}" if fault.detail else ""
        model, place = repr(self._model), self._place
        if fault.name == "wrong key":
            if self._api_key is None and self._open_chat is None:
                return f"{place} wants a key and none was given; set {self._key_variable}{said}"
            return f"{place} does not accept the key; check {self._key_variable}{said}"
        if fault.name == "forbidden":
            return (
                f"{place} does not let this key use the model {model}; check {self._key_variable} and its rights{said}"
            )
        if fault.name == "no quota":
            return f"the quota behind {self._key_variable} at {place} is used up; top it up or use another key{said}"
        if fault.name == "unknown model":
            return f"{place} does not know the model {model}; name one it has with --model{said}"
        if fault.name == "wrong address":
            return f"{place} has no chat completions at this base URL; it usually ends in /v1 (--base-url){said}"
        if fault.name == "prompt too long":
            return f"the prompt is too long for {model}; use a model with a longer context or a smaller spec{said}"
        if fault.name == "form ignored":
            return (
                f"{place} did not hold an answer of the model {model} to the form it was asked for{said}; start the server so "
                "that every answer is held to its form, or use --strategy plain"
            )
        if fault.name == "bad certificate":
            return f"the certificate of {place} is not accepted; check the base URL and the time of this machine{said}"
        return f"{place} rejects the request{said}"

    def _takes_no(self, form: Form) -> str:
        """The sentence for a form that answers cannot be held to here."""
        place = self._place if self._open_chat is None else f"the LangChain package for {self._place}"
        others = "native or plain" if "schema" in self.forms else "plain"
        return f"{place} takes no {_WORDS[form.kind].removeprefix('a ')} to hold an answer to; use --strategy {others}"

    def _adapt(self, parameter: str) -> None:
        """From now on, ask without a parameter; the token limit has a second name to try."""
        if parameter in _LIMITS and parameter not in self._not_taken:
            (self._limit,) = _LIMITS - {parameter}
        self._not_taken.add(parameter)

    def _settle(self, lease: Lease, seen: _Seen, fault: Fault | None) -> None:
        """Say what a try cost. Tokens nobody reported are not made up: then the money is unknown, not 0."""
        lease.fault = "" if fault is None else fault.name
        if seen.usage is not None:
            priced = self._prices.usd(seen.model, seen.usage) if seen.model else None
            priced = self.price(seen.usage) if priced is None else priced
            lease.spent = replace(seen.usage, calls=1, usd=priced)
        elif fault is not None and not fault.billed:
            lease.spent = Usage(calls=0 if fault.name in _NOT_SENT else 1, usd=0.0)
        else:
            lease.spent = Usage(calls=1, usd=0.0 if self._bills_nobody() else None)
            # An endpoint that fell silent may still be writing, and what was cut at its limit may be all reasoning.
            lease.unreported = 0 if lease.fault in {"hung", "stalled", "length cut"} else seen.came

    def _bills_nobody(self) -> bool:
        """A server on this machine bills nobody, unless it stands before a model that the price table knows."""
        return self._open_chat is None and self._address.loopback and self._prices.of(self._model) is None

    async def _try(self, chat: Any, ask: Ask, held: Held | None, seen: _Seen, deadline: float) -> Fault | None:
        """One request. Fills ``seen``; returns what is wrong with the answer, or ``None`` when it is whole."""
        token = _seen.set(seen)
        streams = self._streams
        if streams:
            seen.sent.add("stream")
        remaining = deadline - time.monotonic()
        if not streams:
            # Without a stream a hang looks like a long answer: half of the time left, so that it can be asked again.
            remaining = max(remaining / 2, min(self._stall, remaining))
        try:
            async with asyncio.timeout(remaining):
                await self._request(chat, ask, held, seen, streams)
        except TimeoutError:
            late = deadline - time.monotonic() <= 0
            detail = f"still no end after {self._seconds:g} s" if late else f"no byte for {self._stall:g} s"
            return Fault("stalled" if seen.chunks else "hung", detail, billed=True, late=late)
        except Exception as error:
            fault = self._fault_of(error, seen)
            if fault is None:
                raise
            return fault
        finally:
            _seen.reset(token)
        return _flaw(seen, held)

    async def _request(self, chat: Any, ask: Ask, held: Held | None, seen: _Seen, streams: bool) -> None:
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
        messages = [kinds[message.role](content=message.content) for message in ask.messages]
        options = self._options(ask, held, streams, seen)
        with _untraced():
            if not streams:
                _take(seen, await chat.ainvoke(messages, stream=False, **options), self._open_chat is not None)
                return
            stream: AsyncIterator[Any] = aiter(chat.astream(messages, **options))
            try:
                while True:
                    async with asyncio.timeout(self._stall):
                        chunk = await anext(stream, None)
                    if chunk is None:
                        return
                    _take(seen, chunk, self._open_chat is not None)
            finally:
                with contextlib.suppress(Exception):
                    await stream.aclose()  # type: ignore[attr-defined]

    def _options(self, ask: Ask, held: Held | None, streams: bool, seen: _Seen) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if ask.temperature is not None and "temperature" not in self._not_taken:
            options["temperature"] = ask.temperature
            seen.sent.add("temperature")
        if self._open_chat is not None:
            if seen.asked is not None:
                options[_name_of_limit(self._chat)] = seen.asked
            return options | ask.extra
        # In the body as they are: LangChain would send a response_format another way, with other faults, and rename the
        # token limit for servers that only know the old name.
        body = {name: value for name, value in ask.extra.items() if name != "extra_body"}
        body |= ask.extra.get("extra_body", {})
        if held is not None:
            body |= held.fields
        if seen.asked is not None:
            body[self._limit] = seen.asked
            seen.sent.add(self._limit)
        if body:
            options["extra_body"] = body
        if streams and "stream_options" in self._not_taken:
            options["stream_usage"] = False
        elif streams:
            seen.sent.add("stream_options")
        return options

    async def _chat_of_this_loop(self) -> Any:
        """The chat model, made anew for each event loop: its connections belong to one."""
        loop = asyncio.get_running_loop()
        if self._chat is None:
            # A second or more, which neither the time of a question nor the other tasks of the loop should pay for.
            await asyncio.to_thread(import_module, "langchain_openai" if self._open_chat is None else "langchain_core")
        if self._chat is None or self._loop is not loop:
            self._loop = loop
            self._probing = asyncio.Lock()
            self._chat = self._open_chat() if self._open_chat is not None else self._openai()
        return self._chat

    def _openai(self) -> Any:
        from langchain_openai import ChatOpenAI
        from openai import DefaultAsyncHttpxClient
        from pydantic import SecretStr

        class Chat(ChatOpenAI):
            """Notes what LangChain drops from a chunk: refusals, reasoning, whether there was a choice at all."""

            def _convert_chunk_to_generation_chunk(self, chunk: Any, *args: Any, **kwargs: Any) -> Any:
                _note(chunk)
                return super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)

        self._client = DefaultAsyncHttpxClient(
            timeout=self._seconds,
            # A proxy has no way to this machine's loopback.
            trust_env=not self._address.loopback,
            event_hooks={"response": [_note_response]},
        )
        return Chat(
            model=self._model,
            base_url=self._address.url,
            # Servers without keys still want the header.
            api_key=SecretStr(self._api_key or "none"),
            timeout=self._seconds,
            max_retries=0,
            stream_usage=True,
            stream_chunk_timeout=None,
            use_responses_api=False,
            http_async_client=self._client,
        )

    def _fault_of(self, error: Exception, seen: _Seen) -> Fault | None:
        """What an exception of the client means; ``None`` when it is no fault of the endpoint."""
        text = self._clean(_message(error))
        chain = _chain(error)
        status = next((s for e in chain if isinstance(s := getattr(e, "status_code", None), int)), None)
        if status is not None:
            return self._status_fault(status, error, text, seen)
        names = {kind.__name__ for e in chain for kind in type(e).__mro__}
        if any("CERTIFICATE_VERIFY_FAILED" in str(e) for e in chain):
            return Fault("bad certificate", self._clean(str(chain[-1])), "final")
        if names & {"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionRefusedError", "gaierror"}:
            return Fault("unreachable", self._clean(_root(chain)))
        if names & {"APITimeoutError", "TimeoutException", "ModelTimeoutError"}:
            return Fault("hung", f"no byte for {self._stall:g} s", billed=True)
        if names & {"APIConnectionError", "TransportError", "ModelConnectionError", "ConnectionError"}:
            return Fault("connection lost", self._clean(_root(chain)), billed=seen.status == 200 or seen.chunks > 0)
        if names & {"APIError", "APIResponseValidationError"}:
            # An error in the middle of a stream: no status, the endpoint's own words.
            return (
                _too_many(error, text, seen)
                or self._words_fault(text)
                or Fault("error in the stream", text, billed=True)
            )
        if isinstance(error, ValueError | KeyError | TypeError | AttributeError | LookupError):
            if "unexpected keyword argument" in text:
                return None
            return self._body_fault(text, seen)
        if names & {"LengthFinishReasonError", "ContentFilterFinishReasonError"}:
            limit = "LengthFinishReasonError" in names
            return Fault("length cut" if limit else "content filter", "", "content", billed=True)
        return None

    def _body_fault(self, text: str, seen: _Seen) -> Fault:
        """The status was fine, the body was not."""
        if "text/html" in seen.content_type:
            return Fault("HTML page", "status 200 with a web page instead of an answer; does the base URL end in /v1?")
        if seen.chunks == 0 and "stream" in seen.sent and self._open_chat is None:
            if "json" in seen.content_type:
                # It does not stream: the next try asks for the whole answer at once.
                self._streams = False
                return Fault("no stream", "one JSON body came where a stream was asked for", billed=True)
            if "No generation chunks" in text:
                return Fault("empty stream", "the stream ended before anything came", billed=True)
        return self._words_fault(text) or Fault("bad JSON", text, billed=True)

    def _status_fault(self, status: int, error: Exception, text: str, seen: _Seen) -> Fault:
        known = self._words_fault(text)
        change = self._not_wanted(text, seen.sent) if status in (400, 422) else ""
        too_many = _too_many(error, text, seen) if status in (400, 402, 413, 416, 422, 429) else None
        # A limit of tokens per minute is met by waiting, unless this one question is too much for it.
        if too_many and too_many.room and change not in _LIMITS and (too_many.room.rate or status != 429):
            return too_many
        if change and known is None:
            return Fault("rejected", text, wait=0.0, change=change)
        if known is not None and (known.weight == "final" or status < 500):
            return Fault("forbidden", text, "final") if known.name == "unknown model" and status == 403 else known
        wait = _retry_after(error)
        match status:
            case 401:
                return Fault("wrong key", text, "final")
            case 402:
                return Fault("no quota", text, "final")
            case 403:
                return Fault("forbidden", text, "final")
            case 404:
                return Fault("wrong address", text, "final")
            case 429:
                return Fault("rate limit", text, wait=wait)
            case 408 | 409 | 423 | 424 | 425 | 499:
                return Fault(f"status {status}", text, wait=wait)
        if status >= 500:
            # A gateway that gave up waiting: the model behind it may have answered all the same.
            return Fault(f"status {status}", text, wait=wait, billed=status in (504, 524))
        return Fault("rejected", f"status {status} {text}".strip(), "final")

    def _words_fault(self, text: str) -> Fault | None:
        """What the endpoint's own words say, whatever status they came with."""
        if _NO_QUOTA.search(text):
            return Fault("no quota", text, "final")
        if _TOO_LONG.search(text):
            return Fault("prompt too long", text, "final")
        if _NO_MODEL.search(text):
            return Fault("unknown model", text, "final")
        if re.search(r"content[_ ](filter|management|policy)", text, re.IGNORECASE):
            return Fault("content filter", text, "content")
        return None

    def _not_wanted(self, text: str, sent: set[str]) -> str:
        """The parameter among those sent that the endpoint does not know, if it can be asked without it; else empty."""
        if not _NOT_TAKEN.search(text):
            return ""
        for name in sorted(sent):
            if not re.search(rf"\b{name}\b", text):
                continue
            # The token limit has two names; when one is not known the other is tried, but never no limit at all.
            if name in self._not_taken or name not in _LIMITS or not self._not_taken & _LIMITS:
                return name
        return ""

    def _clean(self, text: str) -> str:
        """Words of the endpoint, safe to print: one line, no control characters, no key, not long."""
        if self._api_key:
            text = text.replace(self._api_key, "…")
        text = _SECRET.sub("…", text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= 300 else text[:299] + "…"


def _too_many(error: Exception, text: str, seen: _Seen) -> Fault | None:
    """Whether the endpoint has room, only not for as many completion tokens as were asked for."""
    room = None if seen.asked is None or seen.chunks else room_of(_words(error), seen.asked, seen.prompt)
    return None if room is None else Fault("too many tokens asked for", text, wait=0.0, room=room)


def _resize(size: Size, fault: Fault | None, seen: _Seen) -> Fault | None:
    """Ask for less, or for more, when that is what a fault is about; the fault as it then weighs."""
    if fault is None or seen.asked is None:
        return fault
    if fault.room is not None:
        size.shrink(seen.asked, fault.room)
        return replace(fault, weight="final") if size.refusals > ROOM_TRIES else fault
    if fault.name == "length cut" and seen.used_up and seen.asked < size.top:
        # It is we who cut it. When the budget has no more, the gate says so.
        size.grow(seen.asked)
        return replace(fault, detail=f"{fault.detail}, {seen.asked} tokens were allowed", weight="retry", wait=0.0)
    return fault


def _forms(address: Address, open_chat: Callable[[], Any] | None) -> frozenset[str]:
    """The kinds of forms an endpoint can be asked for. Whether it does as it is asked, a probe finds out."""
    if open_chat is not None:  # each package has other names for it, and some have none
        return frozenset()
    if address.host.endswith("openai.com"):  # grammars only for custom tools there
        return frozenset({"schema"})
    return frozenset({"grammar", "schema"})


def _flaw(seen: _Seen, held: Held | None) -> Fault | None:
    """What is wrong with an answer that arrived without an error."""
    text = seen.said.strip()
    if seen.refusal:
        return Fault("refusal", "the model refused", "content", billed=True)
    if seen.finish in _FILTERED:
        return Fault("content filter", "the endpoint filtered the answer", "content", billed=True)
    if seen.finish in _CUT_AT_LIMIT:
        if held is not None and text and not held.begins(seen.said):
            return Fault("form ignored", f"it begins with {seen.said[:40]!r}", "final", billed=True)
        detail = (
            "all tokens went into reasoning" if not text and seen.reasoning else f"cut after {len(text)} characters"
        )
        return Fault("length cut", detail, "content", billed=True)
    if seen.finish == "refusal":
        return Fault("refusal", "the model refused", "content", billed=True)
    if not seen.finish:
        if not seen.choices and not text:
            return Fault("no choices", "the answer holds no choice", "content", billed=True)
        return Fault(
            "cut stream", f"the answer ended after {len(text)} characters without a finish_reason", billed=True
        )
    if not text and (held is None or not seen.said):
        return Fault("empty answer", f"finish_reason is {seen.finish!r}", "content", billed=True)
    if seen.finish in _UNFINISHED:
        return Fault("unfinished", f"finish_reason is {seen.finish!r}", "content", billed=True)
    if held is not None:  # whatever it sounds like, it is what the form makes of it
        wrong = held.flaw(seen.said)
        return Fault("form ignored", wrong, "final", billed=True) if wrong else None
    if is_refusal(text):
        return Fault("refusal", "the model refused in prose", "content", billed=True)
    return None


def is_refusal(text: str) -> bool:
    """Whether an answer is nothing but a short refusal in prose. Anything with structure (fence, list, JSON) is not."""
    text = text.strip().replace("\u2019", "'")
    return len(text) <= _REFUSAL_LENGTH and not _STRUCTURE.search(text) and _REFUSAL.match(text) is not None


def _note(chunk: Any) -> None:
    seen = _seen.get()
    if seen is None or not isinstance(chunk, Mapping):
        return
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        seen.refusal += delta.get("refusal") or ""
        seen.reasoning += len(delta.get("reasoning_content") or delta.get("reasoning") or "")
        seen.choices += 1


async def _note_response(response: Any) -> None:
    seen = _seen.get()
    if seen is not None:
        seen.status = response.status_code
        seen.content_type = response.headers.get("content-type", "").lower()


def _take(seen: _Seen, message: Any, adds_up: bool) -> None:
    """Take in a chunk or a whole message. ``adds_up``: usage in chunks adds up, else its largest figure counts."""
    seen.chunks += 1
    metadata = message.response_metadata or {}
    if text := message.text:
        seen.text.append(str(text))
        seen.choices += 1
    if finish := metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("done_reason"):
        seen.finish = str(finish).lower()
    seen.model = metadata.get("model_name") or metadata.get("model") or seen.model
    seen.refusal += (message.additional_kwargs or {}).get("refusal") or ""
    if reported := message.usage_metadata:
        inputs = reported.get("input_token_details") or {}
        outputs = reported.get("output_token_details") or {}
        new = Usage(
            prompt_tokens=_count(reported.get("input_tokens")),
            cached_tokens=_count(inputs.get("cache_read")),
            completion_tokens=_count(reported.get("output_tokens")),
            reasoning_tokens=_count(outputs.get("reasoning")),
        )
        if not new.tokens:  # no question is free of tokens: nothing was counted
            return
        old = seen.usage or Usage()
        seen.usage = old + new if adds_up else _larger(old, new)


def _count(tokens: Any) -> int:
    """A number of tokens as an endpoint reports it; what can be none is 0."""
    return int(tokens) if isinstance(tokens, int | float) and 0 < tokens < 1e12 else 0


def _name_of_limit(chat: Any) -> str:
    """What a LangChain chat model calls the ceiling of one answer."""
    fields = getattr(type(chat), "model_fields", {})
    return "max_output_tokens" if "max_output_tokens" in fields and "max_tokens" not in fields else "max_tokens"


def _larger(a: Usage, b: Usage) -> Usage:
    """Some servers report the running total in every chunk: field by field, the larger one."""
    return Usage(
        prompt_tokens=max(a.prompt_tokens, b.prompt_tokens),
        cached_tokens=max(a.cached_tokens, b.cached_tokens),
        completion_tokens=max(a.completion_tokens, b.completion_tokens),
        reasoning_tokens=max(a.reasoning_tokens, b.reasoning_tokens),
    )


@contextlib.contextmanager
def _untraced() -> Iterator[None]:
    """Nothing leaves the machine except to the endpoint: LangSmith's environment variables do not count here."""
    from langsmith import tracing_context

    with tracing_context(enabled=False):
        yield


def _chain(error: BaseException) -> list[BaseException]:
    """The exception and what caused it, outermost first."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def _root(chain: list[BaseException]) -> str:
    """The words nearest to the cause."""
    return next((str(error) for error in reversed(chain) if str(error)), type(chain[-1]).__name__)


def _message(error: BaseException) -> str:
    """The endpoint's own words in an exception, with its error code."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        inner = body.get("error") if isinstance(body.get("error"), Mapping) else body
        words = [
            str(inner[key]) for key in ("code", "type", "message") if isinstance(inner, Mapping) and inner.get(key)
        ]
        if words:
            return " ".join(words[-1:] + [f"({word})" for word in words[:-1]])
    text = str(error)
    return re.sub(r"(?s)<[^>]*>", " ", text) if "<html" in text.lower() else text


def _words(error: BaseException) -> str:
    """All that the endpoint said, the words of the provider behind a router included."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    metadata = inner.get("metadata") if isinstance(inner, Mapping) else None
    behind = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f"{_message(error)} {behind or ''}"


def _retry_after(error: Exception) -> float | None:
    """Seconds the endpoint asks to wait: ``Retry-After-Ms``, ``Retry-After`` in seconds or as an HTTP date."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return _sane(float(milliseconds) / 1000)
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return _sane(float(value))
    except (ValueError, OverflowError):
        pass
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return _sane((when - datetime.now(UTC)).total_seconds())


def _sane(seconds: float) -> float | None:
    return max(seconds, 0.0) if seconds < float("inf") else None


def _pause(tries: int, fault: Fault) -> float:
    """Seconds before the next try: as asked by the endpoint, else growing and jittered so that callers spread out."""
    backoff = min(FIRST_WAIT * 2.0 ** (tries - 1), LONGEST_WAIT) * random.uniform(0.5, 1.0)
    if fault.name == "unreachable":
        return min(backoff, 2.0)
    if fault.wait is not None:
        # Never sooner than asked, and not all callers at the same instant.
        return fault.wait + random.uniform(0.0, 0.1) * min(fault.wait, 10.0)
    return backoff


def _times(tries: int) -> str:
    return "once" if tries == 1 else f"{tries} times"


def _sentence(fault: Fault) -> str:
    return f"{fault.name} ({fault.detail})" if fault.detail else fault.name
