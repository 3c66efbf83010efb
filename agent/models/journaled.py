"""The model as a run uses it: answers in the journal come from there; others wait for budget and a slot, then are kept."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from agent.budget import Budget, Cost
from agent.models.base import ANSWER_TOKENS, SMALLEST_ANSWER, Answer, Ask, Lease, Model
from agent.store.journal import JournalReader, SqliteJournal
from graphs import events
from graphs.errors import LimitReached, ModelError, ModelRefused
from graphs.events import Event
from graphs.scheduler import Slots
from graphs.values import Usage, from_json, to_json

PART = "no fault: a piece of the answer, or a probe of the forms that the endpoint takes"
"""Stands in the journal for a try that was not to bring a whole answer."""


class JournaledModel:
    """A :class:`Model` over another one. Nothing answered is paid for twice, unless the user wants it asked anew."""

    def __init__(
        self,
        model: Model,
        journal: SqliteJournal,
        slots: Slots,
        budget: Budget,
        retried: Mapping[str, float] | None = None,
    ) -> None:
        """``retried``: component id → when the user had it tried anew, in seconds since the epoch; older answers are not used."""
        self.name = model.name
        self.forms = model.forms
        self._model = model
        self._journal = journal
        self._slots = slots
        self._budget = budget
        self._retried = retried or {}

    async def ask(self, ask: Ask) -> Answer:
        """The journalled answer, or a new one; ``LimitReached`` when the budget does not allow it."""
        key = ask.key(self.name)
        stored = self._journal.call(key)
        if stored is not None and stored.state == "done" and stored.ts > self._retried.get(ask.component, 0.0):
            return from_json(Answer, stored.response)
        async with self._slots.hold(ask.priority):
            return await self._send(key, ask)

    async def _send(self, key: str, ask: Ask) -> Answer:
        tries = _Tries(key, self.name, self._journal, self._budget)
        try:
            answer = await self._model.ask(replace(ask, gate=tries))
        except (ModelError, LimitReached) as error:
            await tries.fail(str(error))
            tries.tell_end(str(error))
            raise
        except BaseException:  # cancelled: the journal keeps that it was sent, whoever watches must not wait for it
            tries.tell_end("cut off")
            raise
        # Half a character (a lone surrogate) is no text for anyone who reads the answer, the journal's reader included.
        answer = replace(answer, text=answer.text.encode("utf-8", "backslashreplace").decode())
        await tries.keep(answer)
        tries.tell_end("")
        return answer

    def price(self, usage: Usage) -> float | None:
        """That of the model underneath."""
        return self._model.price(usage)

    async def close(self) -> None:
        """Close the model underneath."""
        await self._model.close()


class _Tries:
    """The gate of one question: the budget's, with every try in the journal from before it is sent."""

    def __init__(self, key: str, model: str, journal: SqliteJournal, budget: Budget) -> None:
        self._key = key
        self._model = model
        self._journal = journal
        self._budget = budget
        self._ask: Ask | None = None
        self._open: Lease | None = None
        """The latest try, while the journal does not hold its end."""
        self._seconds = 0.0
        self._began = time.monotonic()
        self._spent = Usage()

    @asynccontextmanager
    async def lease(self, ask: Ask, wanted: int = ANSWER_TOKENS, least: int = SMALLEST_ANSWER) -> AsyncIterator[Lease]:
        """See :meth:`agent.models.base.Gate.lease`."""
        if self._open is not None:
            await self.fail(self._open.fault or PART)
        async with self._budget.lease(ask, wanted, least) as lease:
            began, first, self._ask, self._open = time.monotonic(), self._ask is None, ask, lease
            request = {
                "messages": [to_json(m) for m in ask.messages],
                "temperature": ask.temperature,
                "max_tokens": lease.max_tokens,
                "extra": ask.extra,
            }
            if ask.form is not None:
                request["form"] = {"kind": ask.form.kind, "name": ask.form.name, "digest": ask.form.digest}
            await self._journal.start_call(
                self._key,
                component=ask.component,
                step=ask.step,
                attempt=ask.attempt,
                model=self._model,
                request=request,
                reserved=to_json(lease.reserved),
            )
            if first:
                self._began = began
                self._tell(events.CALL_STARTED, model=self._model)
            try:
                yield lease
            except ModelError as error:
                if lease.spent is None:
                    lease.spent = error.usage or (Usage() if isinstance(error, ModelRefused) else None)
                raise
            finally:
                self._seconds = time.monotonic() - began
                self._spent += self._budget.cost(ask, lease).reported

    async def fail(self, error: str) -> None:
        """The latest try brought no answer."""
        if self._open is not None and self._ask is not None:
            usage = _usage(self._budget.cost(self._ask, self._open))
            self._open = None
            await self._journal.fail_call(self._key, error=error, usage=usage, seconds=self._seconds)

    async def keep(self, answer: Answer) -> None:
        """The latest try brought the answer."""
        if self._open is None or self._ask is None:
            raise RuntimeError(f"the model {self._model!r} answered without a lease: it must pass the gate of each Ask")
        usage = _usage(self._budget.cost(self._ask, self._open))
        await self._journal.finish_call(self._key, response=to_json(answer), usage=usage, seconds=self._seconds)

    def tell_end(self, error: str) -> None:
        """Tell whoever heard that the call began that it is over."""
        if self._ask is not None:
            seconds = time.monotonic() - self._began
            self._tell(events.CALL_FINISHED, usage=to_json(self._spent), seconds=seconds, error=error)

    def _tell(self, kind: str, **body: object) -> None:
        assert self._ask is not None
        said = {"step": self._ask.step, "attempt": self._ask.attempt, "key": self._key, **body}
        self._journal.tell(Event(kind, component=self._ask.component, body=said))


def costs(journal: JournalReader) -> Iterator[Cost]:
    """What every call of a run cost, those included that were sent and never ended: they count as the most they may cost.

    Ask before this process sends a call: those in flight would be taken for lost ones.
    """
    for component, usage in journal.usages():
        estimate = usage.get("counted")
        yield Cost(component, from_json(Usage, dict(usage)), from_json(Usage, estimate) if estimate else None)
    for call in journal.open_calls():
        reserved = from_json(Usage, dict(call.usage)) if call.usage else None
        yield Cost(call.component, from_json(Usage, call.lost), reserved)


def _usage(cost: Cost) -> dict[str, Any]:
    """As the journal keeps it: what is known, and what counts where that is more."""
    known: dict[str, Any] = to_json(cost.reported)
    return known if cost.estimate is None else {**known, "counted": to_json(cost.estimate)}
