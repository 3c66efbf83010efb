"""The model as a run uses it: answers in the journal come from there; others wait for budget and a slot, then are kept."""

from __future__ import annotations

import time
from dataclasses import replace

from agent.budget import Budget, Lease
from agent.models.base import Answer, Ask, Model
from agent.store.journal import SqliteJournal
from graphs import events
from graphs.errors import LimitReached, ModelError, ModelRefused
from graphs.events import Event
from graphs.scheduler import Slots
from graphs.values import Usage, from_json, to_json


class JournaledModel:
    """A :class:`Model` over another one. Nothing answered is paid for twice."""

    def __init__(self, model: Model, journal: SqliteJournal, slots: Slots, budget: Budget) -> None:
        self.name = model.name
        self._model = model
        self._journal = journal
        self._slots = slots
        self._budget = budget

    async def ask(self, ask: Ask) -> Answer:
        """The journalled answer, or a new one; ``LimitReached`` when the budget does not allow it."""
        key = ask.key(self.name)
        stored = self._journal.call(key)
        if stored is not None and stored.state == "done":
            return from_json(Answer, stored.response)
        async with self._slots.hold(ask.priority), self._budget.lease(ask) as lease:
            return await self._send(key, lease)

    async def _send(self, key: str, lease: Lease) -> Answer:
        ask = lease.ask
        request = {"messages": [to_json(m) for m in ask.messages], "temperature": ask.temperature, "extra": ask.extra}
        await self._journal.start_call(
            key, component=ask.component, step=ask.step, attempt=ask.attempt, model=self.name, request=request
        )
        self._tell(events.CALL_STARTED, ask, key=key, model=self.name)
        began = time.monotonic()
        try:
            answer = await self._model.ask(ask)
        except ModelError as error:
            lease.spent = error.usage or (Usage() if isinstance(error, ModelRefused) else Usage(calls=1, usd=None))
            usage, seconds = to_json(lease.spent), time.monotonic() - began
            await self._journal.fail_call(key, error=str(error), usage=usage, seconds=seconds)
            self._tell(events.CALL_FINISHED, ask, key=key, usage=usage, seconds=seconds, error=str(error))
            if lease.cut and error.fault == "length cut":
                raise LimitReached(
                    "tokens",
                    f"what is left of the budget allowed an answer of {ask.max_tokens} tokens, which was too few; "
                    "raise --max-usd or --max-tokens and resume",
                ) from error
            raise
        except BaseException:  # cancelled: the journal keeps that it was sent, whoever watches must not wait for it
            self._tell(events.CALL_FINISHED, ask, key=key, usage={}, seconds=time.monotonic() - began, error="cut off")
            raise
        # Half a character (a lone surrogate) is no text for anyone who reads the answer, the journal's reader included.
        answer = replace(answer, text=answer.text.encode("utf-8", "backslashreplace").decode())
        lease.spent, lease.answer = answer.usage, answer.text
        usage = to_json(answer.usage)
        await self._journal.finish_call(key, response=to_json(answer), usage=usage, seconds=answer.seconds)
        self._tell(events.CALL_FINISHED, ask, key=key, usage=usage, seconds=answer.seconds, error="")
        return answer

    def _tell(self, kind: str, ask: Ask, **body: object) -> None:
        self._journal.tell(
            Event(kind, component=ask.component, body={"step": ask.step, "attempt": ask.attempt, **body})
        )

    def price(self, usage: Usage) -> float | None:
        """That of the model underneath."""
        return self._model.price(usage)

    async def close(self) -> None:
        """Close the model underneath."""
        await self._model.close()
