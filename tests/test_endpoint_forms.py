"""Answers held to grammars and schemas, at a real local HTTP server that holds them with the real llguidance."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.budget import Budget
from agent.models import Answer, Ask, Message, Prices, open_model
from agent.models.base import SMALLEST_ANSWER, Form, Gate, Grammar, Lease, Schema
from agent.models.dialects import DIALECTS, PROBE, PROBE_TOKENS, flaw_of_json
from agent.models.endpoint import CONTENT_TRIES, Endpoint
from agent.models.journaled import JournaledModel, costs
from agent.models.matching import flaw, flaw_of_answer
from agent.store.journal import SqliteJournal
from benchmark.stub_endpoint import StubEndpoint, steered
from graphs.errors import ConfigError, LimitReached, ModelError, ModelRefused
from graphs.scheduler import Slots
from graphs.values import Limits, Usage
from tests.stub_server import COMPLETION_TOKENS, PROMPT_TOKENS, StubServer

pytestmark = pytest.mark.usefixtures("short_waits")

MESSAGES = (Message("system", "You sort things.\n"), Message("user", "Naïve \u2028 「list」 of three, please. \n\n"))
PROSE = "Sure, here is what you asked for!"
LIST = "item pear;item fig;item plum;"
PARTS = ["item pear;", "item fig;", "item plum;"]
VERDICT = Grammar("verdict", "0" * 64, lambda said: "" if said else 'start: "verdict: " ("yes" | "no")')


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.models.endpoint.FIRST_WAIT", 0.01)


def _following(said: str) -> str:
    """Three items in three pieces; none may be there twice, which only a grammar that knows what was said can hold."""
    names = [part.removeprefix("item ") for part in said.split(";")[:-1]]
    if len(names) == 3:
        return ""
    taken = f" & ~/({'|'.join(names)})/" if names else ""
    return f'start: "item " NAME ";"\nNAME: /[a-z]{{3,9}}/{taken}'


ITEMS = Grammar("items", "1" * 64, _following)
SCHEMA = Schema(
    "pair",
    "2" * 64,
    {
        "type": "object",
        "properties": {"what": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["what", "count"],
        "additionalProperties": False,
    },
)
PAIR = '{"what": "figs", "count": 3}'
WANTED: Mapping[str, str] = {"verdict": "verdict: yes", "items": LIST, "pair": PAIR}


def wanted(body: Mapping[str, Any]) -> str:
    """What the scripted model wants to say: prose to a probe, else the list."""
    return PROSE if is_probe(body) else LIST


def is_probe(body: Mapping[str, Any]) -> bool:
    return bool(body["messages"][0]["content"] == PROBE)


def model(stub: StubEndpoint | StubServer, dialect: str = "vllm", seconds: float = 20.0) -> Any:
    return open_model("m", base_url=stub.url, seconds=seconds, prices=Prices.load(), dialect=dialect)


def question(form: Form | None, gate: Gate | None = None, **more: Any) -> Ask:
    if gate is not None:
        more["gate"] = gate
    return Ask(MESSAGES, "plan", form=form, **more)


def ask(target: Any, *asks: Ask) -> list[Answer]:
    """One after the other."""

    async def go() -> list[Answer]:
        try:
            return [await target.ask(asked) for asked in asks]
        finally:
            await target.close()

    return asyncio.run(go())


def together(target: Any, *asks: Ask) -> list[Any]:
    """All at once; what came of each."""

    async def go() -> list[Any]:
        try:
            return list(await asyncio.gather(*map(target.ask, asks), return_exceptions=True))
        finally:
            await target.close()

    return asyncio.run(go())


def asked(stub: StubEndpoint | StubServer) -> list[Any]:
    """The bodies of requests that are no probes."""
    return [body for body in stub.bodies if not is_probe(body)]


# what is sent


@pytest.mark.parametrize(
    ("dialect", "first", "later"),
    [
        (
            "vllm",
            lambda lark: {"structured_outputs": {"grammar": lark}},
            {"continue_final_message": True, "add_generation_prompt": False},
        ),
        ("sglang", lambda lark: {"ebnf": lark}, {"continue_final_message": True}),
        ("llama-server", lambda lark: {"grammar": lark}, {}),
    ],
)
def test_a_grammar_adds_its_fields_to_the_plain_question_and_nothing_else(
    dialect: str, first: Callable[[str], dict[str, Any]], later: dict[str, Any]
) -> None:
    with StubEndpoint(wanted) as stub:
        answers = ask(model(stub, dialect), question(None, temperature=0.3), question(ITEMS, temperature=0.3))
        plain, *pieces = asked(stub)

    assert [answer.text for answer in answers] == [LIST, LIST]
    assert plain["messages"] == [{"role": message.role, "content": message.content} for message in MESSAGES]
    for number, body in enumerate(pieces):
        said = "".join(PARTS[:number])
        lark = f"%llguidance {{}}\n{_following(said)}"
        more = [{"role": "assistant", "content": said}] if said else []
        messages = {"messages": plain["messages"] + more}
        assert body == plain | messages | first(lark) | (later if said else {})
    assert len(pieces) == 3


def test_a_schema_adds_a_response_format_and_nothing_else() -> None:
    with StubEndpoint(lambda body: PROSE if is_probe(body) else PAIR) as stub:
        answers = ask(model(stub), question(None), question(SCHEMA))
        plain, held = asked(stub)

    assert [answer.text for answer in answers] == [PAIR, PAIR]
    json_schema = {"name": "pair", "schema": SCHEMA.schema, "strict": True}
    assert held == plain | {"response_format": {"type": "json_schema", "json_schema": json_schema}}


def test_a_grammar_that_names_its_engine_is_not_told_to_twice() -> None:
    lark = '%llguidance {}\nstart: "verdict: no"'
    with StubEndpoint(lambda _: "verdict: no") as stub:
        ask(model(stub), question(Grammar("v", "3" * 64, lambda said: "" if said else lark)))
        assert asked(stub)[0]["structured_outputs"] == {"grammar": lark}


# what the server makes of it


@pytest.mark.parametrize("rejects", [False, True], ids=["others ignored", "others refused"])
@pytest.mark.parametrize("spoken", DIALECTS)
def test_the_dialect_of_a_server_is_found_once(spoken: str, rejects: bool) -> None:
    with StubEndpoint(wanted, dialects={spoken}, rejects=rejects) as stub:
        answers = ask(model(stub, "auto"), question(ITEMS), question(ITEMS, attempt=2))
        probes = list(DIALECTS).index(spoken) + 1

    assert [answer.text for answer in answers] == [LIST, LIST]
    assert [answer.tries for answer in answers] == [probes + 3, 3]
    assert [is_probe(body) for body in stub.bodies] == [True] * probes + [False] * 6
    assert {body["max_tokens"] for body in stub.bodies[:probes]} == {PROBE_TOKENS[0]}


@pytest.mark.parametrize(
    ("options", "dialect", "found"),
    [
        (
            {"honours": False},
            "auto",
            ["as for vllm it is ignored", "as for sglang it is ignored", "llama-server it is ig"],
        ),
        (
            {"dialects": {"schema"}, "rejects": True},
            "auto",
            ["as for vllm it is refused: status 400 cannot hold an answer"],
        ),
        ({"dialects": {"sglang"}}, "vllm", ["(as for vllm it is ignored: not allowed here: 'Sure, here"]),
    ],
)
def test_a_server_that_holds_no_answer_to_a_grammar_is_found_out_before_anything_is_asked(
    options: dict[str, Any], dialect: str, found: list[str]
) -> None:
    with StubEndpoint(wanted, **options) as stub:
        target = model(stub, dialect)
        ends = together(target, question(ITEMS), question(VERDICT))
        probes = 3 if dialect == "auto" else 1

    assert not asked(stub)
    assert len(stub.bodies) == probes
    for end in ends:
        assert isinstance(end, ModelRefused)
        assert end.fault == "form ignored"
        assert str(end).startswith(f"{stub.url[7:-3]} does not hold answers of the model 'm' to a grammar (")
        assert all(words in str(end) for words in (*found, "-DLLAMA_LLGUIDANCE=ON", "--strategy native or plain"))
    assert sorted(end.usage.calls for end in ends) == [0, probes]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"honours": False}, "it is ignored: no JSON: Expecting value"),
        ({"dialects": set(), "rejects": True}, "it is refused: status 400 cannot hold"),
    ],
)
def test_a_server_that_holds_no_answer_to_a_schema_is_found_out(options: dict[str, Any], found: str) -> None:
    with (
        StubEndpoint(wanted, **options) as stub,
        pytest.raises(ModelRefused, match=r"to a JSON schema .*--strategy plain") as end,
    ):
        ask(model(stub), question(SCHEMA))
    assert found in str(end.value)
    assert len(stub.bodies) == 1


def test_what_is_proven_of_schemas_says_nothing_of_grammars() -> None:
    with StubEndpoint(lambda body: PROSE if is_probe(body) else PAIR, dialects={"schema"}) as stub:
        ends = together(model(stub, "auto"), question(SCHEMA), question(VERDICT))

    assert ends[0].text == PAIR
    assert isinstance(ends[1], ModelRefused)


def test_questions_at_once_wait_for_one_probe() -> None:
    with StubEndpoint(wanted) as stub:
        answers = together(model(stub, "auto"), *(question(ITEMS, attempt=n) for n in range(6)))

    assert [answer.text for answer in answers] == [LIST] * 6
    assert sum(map(is_probe, stub.bodies)) == 1
    assert sorted(answer.tries for answer in answers) == [3, 3, 3, 3, 3, 4]


@pytest.mark.parametrize("fault", ["429 no Retry-After", "503", "reset", "cut", "empty", "error in stream"])
def test_a_fault_of_the_moment_is_no_refusal_of_a_probe(fault: str) -> None:
    with StubEndpoint(wanted) as held, StubServer(lambda body: told(held, body), fault, times=1) as stub:
        (answer,) = ask(model(stub), question(ITEMS))
    assert (answer.text, answer.tries) == (LIST, 5)


def test_a_server_that_stumbles_over_every_probe_refuses_it() -> None:
    """SGLang says in the stream that it cannot compile a grammar."""
    with StubServer(fault="error in stream") as stub, pytest.raises(ModelRefused, match="is refused: upstream over"):
        ask(model(stub), question(ITEMS))
    assert stub.requests == CONTENT_TRIES


@pytest.mark.parametrize("form", [VERDICT, SCHEMA], ids=["grammar", "schema"])
def test_a_server_that_ignores_a_probe_at_length_gets_no_more_room(form: Form) -> None:
    with (
        StubEndpoint(lambda _: PROSE * 20, honours=False) as stub,
        pytest.raises(ModelRefused, match="begins with 'Sure"),
    ):
        ask(model(stub), question(form))
    assert [body["max_tokens"] for body in stub.bodies] == [PROBE_TOKENS[0]]


def test_a_probe_may_need_room_to_reason_in() -> None:
    with StubEndpoint(wanted) as held, StubServer(lambda body: told(held, body), tokens=900) as stub:
        (answer,) = ask(model(stub), question(ITEMS))
        assert [body.get("max_tokens") for body in stub.bodies] == [*PROBE_TOKENS, None, None, None]
    assert answer.text == LIST


def told(held: StubEndpoint, body: Mapping[str, Any]) -> str:
    """What an honouring server says, for one that also has faults."""
    return held.answer(body).text.decode()


# what comes back


@pytest.mark.parametrize("form", [VERDICT, ITEMS, SCHEMA], ids=["verdict", "items", "schema"])
@pytest.mark.parametrize("meant", ["", "right", PROSE, "I'm sorry, but I can't help with that.", "item fig;item fig;"])
def test_every_answer_is_in_its_form(form: Form, meant: str) -> None:
    text = WANTED[form.name] if meant == "right" else meant
    with StubEndpoint(lambda _: text) as stub:
        (answer,) = ask(model(stub, "auto"), question(form))

    wrong = flaw_of_json(form.schema, answer.text) if isinstance(form, Schema) else flaw_of_answer(form, answer.text)
    assert wrong == ""
    assert meant != "right" or answer.text == text


def test_an_answer_that_sounds_like_a_refusal_is_judged_by_its_form() -> None:
    sorry = "I'm sorry, but I can't help with that."
    with StubEndpoint(lambda _: sorry) as stub:
        (answer,) = ask(model(stub), question(Grammar("s", "4" * 64, lambda said: "" if said else f'start: "{sorry}"')))
        assert answer.text == sorry
        with pytest.raises(ModelError, match="refused in prose"):
            ask(model(stub), question(None))


@pytest.mark.parametrize(
    ("form", "said", "wrong"),
    [
        (VERDICT, "I would say verdict: yes", "not allowed here: 'I would"),
        (VERDICT, "verdict: yes, I think", "it should have ended before ', I think'"),
        (VERDICT, "verdict:", "it ends too early"),
        (VERDICT, " \n ", r"not allowed here: ' \\n '"),
        (SCHEMA, PROSE, "no JSON"),
        (SCHEMA, '{"what": "figs"}', "not allowed here"),
    ],
)
def test_a_server_that_stops_holding_answers_is_found_out_at_once(form: Form, said: str, wrong: str) -> None:
    with StubEndpoint(lambda _: said) as stub:
        target = model(stub)
        ask(target, question(form))
        before, stub.honours = len(stub.bodies), False
        with pytest.raises(ModelRefused, match=f"did not hold an answer .* form it was asked for: {wrong}") as caught:
            ask(target, question(form, attempt=2))

    assert (caught.value.fault, caught.value.tries, len(stub.bodies) - before) == ("form ignored", 1, 1)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (PAIR, True),
        ('\n{"count":3,\n "what":"f\\u0069gs"}\n', True),
        ('{"what": "figs", "count": 3, "more": 1}', False),
        ('{"what": "figs", "count": "3"}', False),
        ('{"what": "figs", "count": NaN}', False),
        (f"```json\n{PAIR}\n```", False),
        ("[" * 100_000, False),
    ],
)
def test_any_spelling_of_the_same_json_fits_its_schema(text: str, fits: bool) -> None:
    assert (flaw_of_json(SCHEMA.schema, text) == "") == fits


@pytest.mark.parametrize("form", [ITEMS, SCHEMA], ids=["items", "schema"])
def test_an_answer_that_was_cut_gets_more_room(form: Form) -> None:
    class Stingy(Budget):
        @asynccontextmanager
        async def lease(self, ask: Ask, wanted: int = 0, least: int = 0) -> AsyncIterator[Lease]:
            yield Lease(least)

    length = 3 * SMALLEST_ANSWER
    names = Grammar("long", "5" * 64, lambda said: "" if said.count(";") == 2 else 'start: /[a-z]{9,}/ ";"')
    text = f"{'x' * length};{'y' * length};" if form is ITEMS else json.dumps({"what": "x" * length, "count": 1})
    with StubEndpoint(lambda body: PROSE if is_probe(body) else text) as stub:
        target = model(stub)
        (answer,) = ask(target, question(names if form is ITEMS else SCHEMA, Stingy(Limits(), target.price)))
        sizes = [body["max_tokens"] for body in asked(stub)]

    assert answer.text == text
    assert sizes == [SMALLEST_ANSWER * 2**n for n in range(3)] * (2 if form is ITEMS else 1)


def test_an_answer_that_is_always_cut_is_refused_in_one_sentence() -> None:
    with StubEndpoint(wanted) as stub:
        target = model(stub)
        ask(target, question(ITEMS))
        stub.truncates, before = 7, len(stub.bodies)
        with pytest.raises(
            ModelError, match=r"length cut \(cut after 7 characters\); the endpoint's own output limit"
        ) as end:
            ask(target, question(ITEMS, attempt=2))

    assert end.value.fault == "length cut"
    assert "\n" not in str(end.value)
    assert len(stub.bodies) - before == CONTENT_TRIES


FAULTS = ["500", "429 no Retry-After", "reset", "cut", "empty", "length", "content_filter", "bad JSON"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_later_piece_repeats_no_earlier_one(fault: str) -> None:
    struck: list[Any] = []

    def strikes(body: dict[str, Any]) -> str:
        if len(body["messages"]) == 3 and body["messages"][2]["content"] == "".join(PARTS[:2]) and len(struck) < 2:
            struck.append(body)
            return fault
        return ""

    with StubEndpoint(wanted) as held, StubServer(lambda body: told(held, body), strikes) as stub:
        target = model(stub)
        budget = Budget(Limits(), target.price)
        (answer,) = ask(target, question(ITEMS, budget))
        said = [body["messages"][2]["content"] if len(body["messages"]) > 2 else "" for body in asked(stub)]

    assert answer.text == LIST
    assert said == ["", PARTS[0], *["".join(PARTS[:2])] * 3]
    assert (answer.tries, answer.usage.calls, stub.requests) == (6, 6, 6)
    assert answer.usage == budget.spent
    reported = answer.usage.prompt_tokens // PROMPT_TOKENS
    assert reported in (4, 6)
    assert answer.usage.completion_tokens == reported * COMPLETION_TOKENS


def test_each_piece_has_its_own_tries() -> None:
    """Two answers of each are no use: more than one question may have, if it were one request."""
    kinds = ["empty", "empty", ""]
    with (
        StubEndpoint(wanted) as held,
        StubServer(
            lambda body: told(held, body),
            lambda body: "" if is_probe(body) else kinds[(stub.requests - 2) % len(kinds)],
        ) as stub,
    ):
        (answer,) = ask(model(stub), question(ITEMS))
    assert (answer.text, answer.tries) == (LIST, 10)


def test_the_journal_keeps_what_all_pieces_cost(tmp_path: Path) -> None:
    with StubEndpoint(wanted) as stub, SqliteJournal.create(tmp_path / "run") as journal:
        target = model(stub)
        budget = Budget(Limits(), target.price)
        journaled = JournaledModel(target, journal, Slots(1), budget)
        first, again = ask(journaled, question(ITEMS), question(ITEMS))
        kept = sum((cost.reported for cost in costs(journal)), Usage())

    assert (first, len(stub.bodies)) == (again, 4)
    assert kept == budget.spent == first.usage


def test_the_time_of_a_question_is_that_of_all_its_pieces() -> None:
    def strikes(body: dict[str, Any]) -> str:
        return "503" if len(body["messages"]) == 3 else ""

    with (
        StubEndpoint(wanted) as held,
        StubServer(lambda body: told(held, body), strikes) as stub,
        pytest.raises(ModelError, match=r"limit 1\.2 s") as caught,
    ):
        ask(model(stub, seconds=1.2), question(ITEMS))
    assert caught.value.tries == stub.requests
    assert caught.value.usage == Usage(stub.requests, 2 * PROMPT_TOKENS, 2 * 40, 2 * COMPLETION_TOKENS, 14, 0.0)


# ceilings


def test_each_piece_and_each_probe_passes_the_gate_with_what_was_said() -> None:
    leased: list[Ask] = []

    class Watching(Budget):
        def lease(self, ask: Ask, *sizes: Any) -> Any:
            leased.append(ask)
            return super().lease(ask, *sizes)

    with StubEndpoint(wanted) as stub:
        target = model(stub)
        budget = Watching(Limits(), target.price)
        (answer,) = ask(target, question(ITEMS, budget, component="parser"))

    assert leased[0].messages == (Message("user", PROBE),)
    for number, piece in enumerate(leased[1:]):
        said = "".join(PARTS[:number])
        assert piece.messages == (*MESSAGES, *([Message("assistant", said)] if said else []))
        assert piece.most_tokens == question(None).most_tokens + (len(said) + 32 if said else 0)
    assert len(leased) == len(stub.bodies) == answer.tries == 4
    assert budget.spent_by("parser") == budget.spent == answer.usage
    assert answer.usage.completion_tokens == len(LIST) + len("probe-01234567")


@pytest.mark.parametrize(("calls", "pieces"), [(1, 0), (2, 1), (3, 2)])
def test_a_ceiling_is_met_between_pieces(calls: int, pieces: int) -> None:
    with StubEndpoint(wanted) as stub:
        target = model(stub)
        with pytest.raises(LimitReached, match=f"the ceiling of {calls} model calls"):
            ask(target, question(ITEMS, Budget(Limits(max_calls=calls), target.price)))
    assert (len(asked(stub)), len(stub.bodies)) == (pieces, calls)


def test_the_ceiling_of_an_answer_is_that_of_all_its_pieces() -> None:
    with StubEndpoint(wanted) as stub:
        ask(model(stub), question(ITEMS, max_tokens=100))
        assert [body["max_tokens"] for body in asked(stub)] == [
            100,
            100 - len(PARTS[0]),
            100 - len(PARTS[0] + PARTS[1]),
        ]


@pytest.mark.parametrize("limits", [{"max_tokens": 6_000}, {"max_calls": 9}], ids=["tokens", "calls"])
def test_a_ceiling_holds_whatever_comes_back(limits: dict[str, int]) -> None:
    faults = ["cut", "", "length", "", "429 no Retry-After", "", "", "empty", "no usage", "500", "", "error in stream"]
    with (
        StubEndpoint(wanted) as held,
        StubServer(lambda body: told(held, body), lambda _: faults[stub.requests % len(faults)], tokens=60) as stub,
    ):
        target = model(stub)
        budget = Budget(Limits(**limits), target.price)
        ends = together(target, *(question(ITEMS, budget, attempt=n) for n in range(12)))

    assert {type(end) for end in ends} <= {Answer, LimitReached}
    assert any(isinstance(end, LimitReached) for end in ends)
    assert budget.spent.calls == stub.requests
    counted = budget.spent_by("")
    assert counted.tokens <= limits.get("max_tokens", 10**9)
    assert counted.calls <= limits.get("max_calls", 10**9)


@pytest.mark.parametrize("cut_at", ["probe", "piece"])
def test_cancelled_in_the_middle_nothing_is_left_behind(cut_at: str) -> None:
    there, go_on = threading.Event(), threading.Event()

    def slow(body: Mapping[str, Any]) -> str:
        if not there.is_set() and (is_probe(body) if cut_at == "probe" else len(body["messages"]) == 3):
            there.set()
            go_on.wait(20)
        return wanted(body)

    with StubEndpoint(slow) as stub:
        target = model(stub)
        budget = Budget(Limits(max_calls=9), target.price)

        async def go() -> Answer:
            first = asyncio.create_task(target.ask(question(ITEMS, budget)))
            waiting = asyncio.create_task(target.ask(question(ITEMS, budget, attempt=2)))
            await asyncio.to_thread(there.wait, 20)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            go_on.set()
            answer: Answer = await waiting
            await target.close()
            return answer

        answer = asyncio.run(go())

    assert answer.text == LIST
    assert not budget._in_flight
    assert budget.spent.calls == len(stub.bodies)
    assert sum(map(is_probe, stub.bodies)) == (2 if cut_at == "probe" else 1)


# what is not taken


def test_an_unknown_dialect_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="'tgi' is unknown; possible are auto, vllm, sglang, llama-server"):
        open_model("m", base_url="http://127.0.0.1:9/v1", prices=Prices.load(), dialect="tgi")


@pytest.mark.parametrize(
    ("target", "forms", "form", "says"),
    [
        (
            lambda: open_model("m", api_key="k", prices=Prices.load()),
            {"schema"},
            VERDICT,
            "api.openai.com:443 takes no grammar to hold an answer to; use --strategy native or plain",
        ),
        (
            lambda: Endpoint("xai:m", "m", prices=Prices({}), open_chat=lambda: None, place="xai"),
            set(),
            SCHEMA,
            "the LangChain package for xai takes no JSON schema to hold an answer to; use --strategy plain",
        ),
        (lambda: open_model("m", base_url="http://127.0.0.1:9/v1", prices=Prices({})), {"grammar", "schema"}, None, ""),
    ],
)
def test_forms_that_an_endpoint_does_not_take_are_refused_unsent(
    target: Callable[[], Any], forms: set[str], form: Form | None, says: str
) -> None:
    endpoint = target()
    assert endpoint.forms == forms
    if form is not None:
        with pytest.raises(ModelRefused) as caught:
            ask(endpoint, question(form))
        assert str(caught.value) == says


# the stub itself


def test_what_is_wanted_and_allowed_is_said_and_the_rest_is_made_to_fit() -> None:
    """Random damage to a wanted text: whatever is left of it, the answer is in the grammar, and the whole text unharmed."""
    from llguidance import LLMatcher

    lark = 'start: "{" pair (", " pair)* "}"\npair: KEY ": " VALUE\nKEY: /[a-z]{1,8}/\nVALUE: /"[^"\\n]{0,40}"/'
    form = LLMatcher.grammar_from_lark(lark)
    text = '{name: "「fig」", colour: "dark violet", taste: ""}'
    chance = random.Random(7)

    assert steered(form, text.encode()).text.decode() == text
    for _ in range(150):
        damaged = bytearray(text.encode())
        for _ in range(chance.randrange(1, 12)):
            at = chance.randrange(len(damaged))
            damaged[at : at + chance.randrange(4)] = chance.randbytes(chance.randrange(3))
        said = steered(form, bytes(damaged))
        assert not said.cut
        assert flaw(lark, said.text.decode()) == ""


def test_ten_thousand_characters_are_said_in_about_a_second() -> None:
    from llguidance import LLMatcher

    form = LLMatcher.grammar_from_json_schema(dict(SCHEMA.schema))
    text = json.dumps({"what": "fig " * 2_500, "count": 7})

    said = steered(form, f"{PROSE} {text}".encode())

    assert said.text.decode() == text
    assert 0 < said.forced < 40
