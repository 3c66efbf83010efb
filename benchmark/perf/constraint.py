"""What grammars guarantee and what they cost, shape by shape; no weights, no network.

- validity: texts from random weights, held to the grammar (guided) and not (free), as the product's own reader judges them.
  The random weights are logits over bytes, drawn anew for each text, that lean towards the ends of lines and blocks once a text
  is long; free texts are as long as the guided ones. With ``--model local:…`` a model on this machine answers instead.
- masks: microseconds per token on a vocabulary of 100,000 tokens, along recorded answers where there are some, else along
  guided texts. The vocabulary is of the words and blanks of the standard library's sources, most frequent first.
- sizes: what the grammar of a plan weighs when so many of its components are written.
- forced: share of the tokens of an answer that the grammar leaves no choice for.
- faults: nine plans with one fault each (``benchmark.arms.PLAN_FAULTS``), asked for in all arms; a model that is told what
  was wrong gives the recorded plan. A caricature.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from agent.cli.plan import read_plan_file
from agent.config import Settings
from agent.demo import DEMOS
from agent.models import open_model
from agent.models.base import Answer, Ask, Grammar, Message, Model
from agent.models.matching import flaw_of_answer
from agent.models.pricing import Prices
from agent.models.replay import Call, question, read
from agent.models.replay_engine import LocalReplay
from agent.prompts import Prompts
from agent.run import check_component, choose_exemplars
from agent.spec import locate_quotes, read_spec
from agent.strategies import grammars, open_strategy, plan_grammars, rulings, shapes
from benchmark.arms import PLAN_FAULTS, RECORDING, SCRIPTED_ARMS, SPEC, Arm, Fault, Script, differences, meant_plan
from benchmark.perf.measure import report
from benchmark.perf.synthetic import layered_plan
from benchmark.stub_endpoint import StubEndpoint
from graphs import dag, edits
from graphs.edits import Revision, Split
from graphs.errors import AnswerError, ModelError, PathRefused, PlanError
from graphs.values import Plan, Spec, Usage, to_json

TEXTS = (50, 2)
"""Texts for each shape; the second with ``--quick``."""
RANDOM_TEXTS = 1
"""Of them, those along which masks are timed where no answer was recorded, or with ``--quick``."""
MOST_TOKENS = (100_000, 500)
"""Of the answers to one shape along which masks are timed."""
VOCABULARY = (100_000, 8_000)
"""Tokens."""
SOURCES = (2_000, 60)
"""Files of the standard library that they are taken from, at most."""
TAKEN = (1, 10, 20, 40)
"""Components that are written when the grammar of a plan is weighed."""
REPEATS = 5
"""Compilations of each grammar; the fastest counts, as what a busy machine adds is not the grammar's."""
TIRED = 1_500
"""Bytes after which random weights lean towards ends."""
LONGEST = 100_000
"""Bytes after which a text without an end counts as not valid."""
ENDS = b"\n`\"'#"
"""Bytes that bring most grammars nearer to an end."""
LEANING = (3.0, 10_000.0)
"""How many times likelier they are than their weights say, before and after that."""
ARMS = tuple(arm for arm in SCRIPTED_ARMS if arm.name != "plain@local")
"""In which plans with faults are asked for; plain answers do not hang on the place."""
MOST_MASK_US = 1_000.0
MOST_COMPILE_MS = 100.0

EXCUSED = re.compile(r"is not valid Python|example \d+ cannot be read|is covered by no component|^the entry command ")
"""Problems that are left to the reader on purpose: code in interfaces and examples, requirements that nobody covers, and a command
that starts nothing."""


# -- shapes


@dataclass(frozen=True)
class Case:
    """A shape with the parameters of a real question."""

    name: str
    """Of the shape."""
    grammar: Grammar
    """What an answer is held to."""
    reader: Callable[[str], object] = field(repr=False)
    """The product's own; raises with what is wrong."""
    recorded: tuple[str, ...] = ()
    """Answers of live models to this question that are in the grammar."""

    def problems(self, text: str) -> tuple[str, ...]:
        """Why a text cannot be used; empty when it can."""
        try:
            self.reader(text)
        except (AnswerError, PlanError, PathRefused) as error:
            return error.problems
        return ()


def cases() -> list[Case]:
    """Each shape once, with parameters from the recordings that are shipped."""
    logq, cellkit, workdays, changed = (DEMOS[name] for name in ("logq", "cellkit", "workdays", "changed"))
    spec = read_spec(str(logq.spec))
    plan = meant_plan(spec, read(logq.recording))
    cut = read_plan_file(cellkit.plan) if cellkit.plan else plan
    clip, sheet = cut.component("clip"), cut.component("sheet")
    reading = plan.component("reading")
    figures = plan.component("figures")
    code = shapes.read_files(said(logq.recording, "code", "figures")[0], figures.files, figures.files)
    test_path = "tests/test_reading.py"
    (amended,) = said(workdays.recording, "amend")
    doubts = re.findall(r"^### (\S+)$", amended, re.MULTILINE)
    failing = ["tests/test_figures.py::test_count", "tests/test_figures.py::test_mean[1-2]"]
    strengthened = said(workdays.recording, "strengthen")[0]
    named = re.findall(r"^### (\S+)$", strengthened, re.MULTILINE)
    changes, idle = ([name for name in named if ("::" in name) is wanted] for wanted in (False, True))
    differing = ["D1"]

    def plan_of(text: str) -> Plan:
        made = shapes.read_plan(text, plan.requirements, spec.digest)
        return _sound(made)

    def quoted(text: str) -> object:
        located, problems = locate_quotes(spec, shapes.read_requirements(text))
        _none(problems)
        return located

    ids = [requirement.id for requirement in plan.requirements]
    found = [
        Case("requirements", grammars.requirements(spec.text), quoted),
        Case("plan", plan_grammars.plan(ids, []), plan_of),
        Case("component", plan_grammars.component(clip), lambda text: shapes.read_component(text, clip.id)),
        Case(
            "parts",
            plan_grammars.parts(sheet),
            lambda text: edits.apply(
                cut, Revision((Split(sheet.id, shapes.read_parts(text)),)), check_component=check_component
            ),
        ),
        Case(
            "revision",
            plan_grammars.revision(plan, []),
            lambda text: edits.apply(plan, shapes.read_revision(text, plan), check_component=check_component),
        ),
        Case(
            "code files",
            grammars.files(reading.files),
            lambda text: shapes.read_files(text, reading.files, reading.files),
        ),
        Case("tests", grammars.tests(test_path), lambda text: shapes.read_files(text, [test_path], [test_path])),
        Case(
            "repair with edits",
            grammars.repair(figures.files, code, failing),
            lambda text: shapes.read_repair(text, figures.files, code, failing, []),
        ),
        Case("amend", grammars.amend(doubts), lambda text: rulings.read_amendment(text, doubts)),
        Case(
            "strengthen",
            grammars.strengthen(changes, idle, differing),
            lambda text: rulings.read_strengthening(text, changes, idle, differing),
        ),
    ]
    answers = {
        "requirements": said(logq.recording, "requirements"),
        "plan": said(logq.recording, "plan"),
        "component": said(cellkit.recording, "respecify", "clip"),
        "parts": said(cellkit.recording, "split", "sheet"),
        "revision": said(changed.recording, "revise"),
        "code files": said(logq.recording, "code", "reading"),
        "tests": said(logq.recording, "tests", "reading"),
        "repair with edits": said(logq.recording, "repair", "figures"),
        "amend": [amended],
        "strengthen": [strengthened],
    }
    return [
        replace(case, recorded=tuple(text for text in answers[case.name] if not flaw_of_answer(case.grammar, text)))
        for case in found
    ]


def said(recording: Path, step: str, component: str = "") -> list[str]:
    """The recorded answers to a question, for one component or any."""
    return [c.text for c in read(recording) if c.step == step and component in ("", c.component)]


def _sound(plan: Plan) -> Plan:
    _none(dag.problems(plan, None, check_component))
    return plan


def _none(problems: Sequence[str]) -> None:
    if problems:
        raise PlanError(problems)


# -- texts from random weights


class NoEnd(Exception):
    """A text from random weights, or from a model, came to no end; the words say why."""


def random_text(grammar: Grammar, seed: int) -> str:
    """A text of the grammar from random weights, the same for the same seed; ``NoEnd`` when there is none."""
    import numpy as np

    draws, text = np.random.default_rng(seed), ""
    weights = np.exp(draws.standard_normal(_bytes().vocab_size))
    while lark := grammar.following(text):
        text += _random_piece(lark, draws, weights, len(text.encode())).decode()
    return text


def _random_piece(lark: str, draws: Any, weights: Any, before: int) -> bytes:
    import numpy as np
    from llguidance import LLMatcher

    end: int = _bytes().eos_token
    matcher, piece = LLMatcher(_bytes(), LLMatcher.grammar_from_lark(lark), log_level=0), bytearray()
    leaning = [weights.copy() for _ in LEANING]
    for scale, leant in zip(LEANING, leaning, strict=True):
        leant[[end, *ENDS]] *= scale
    while not matcher.is_stopped():
        if before + len(piece) > LONGEST:
            raise NoEnd(f"no end after {LONGEST} bytes")
        allowed = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")[: len(weights)]
        heights = np.cumsum(leaning[before + len(piece) > TIRED] * allowed)
        if not heights[-1]:
            raise NoEnd(f"the engine gave up after {before + len(piece)} bytes: {matcher.get_error()[:80]}")
        token = int(np.searchsorted(heights, draws.random() * heights[-1], side="right"))
        if token == end:
            break
        if not matcher.consume_token(token):
            raise NoEnd(f"the engine gave up after {before + len(piece)} bytes: {matcher.get_error()[:80]}")
        piece.append(token)
    return bytes(piece)


def free_text(length: int, seed: int) -> str:
    """What random weights say that nothing holds, of so many bytes."""
    import numpy as np

    draws = np.random.default_rng(seed)
    weights = np.exp(draws.standard_normal(256))
    return draws.choice(256, length, p=weights / weights.sum()).astype(np.uint8).tobytes().decode("utf-8", "replace")


@dataclass(frozen=True)
class Validity:
    """Of the texts of one shape."""

    guided: int
    """Texts of use that were held to the grammar, excused ones among them."""
    excused: int
    """Those of them that have problems, but only such as are left to the reader."""
    free: int
    """Texts of use that nothing held."""
    texts: int
    """Of each kind."""
    bytes: int
    """Mean length of those held to the grammar."""
    problems: tuple[str, ...] = ()
    """What was wrong with guided texts, the first few."""


def validity(case: Case, count: int, model: Model | None = None) -> Validity:
    """How many texts can be used, from random weights or from a model on this machine."""
    lengths: list[int] = []
    wrong: list[str] = []
    excused = free = 0
    for seed in range(count):
        try:
            text = random_text(case.grammar, seed) if model is None else asyncio.run(_answer(model, case.grammar, seed))
        except NoEnd as error:
            wrong.append(str(error))
        else:
            lengths.append(len(text.encode()))
            problems = case.problems(text)
            grave = [problem for problem in problems if not EXCUSED.search(problem)]
            excused += bool(problems) and not grave
            wrong += grave[:1]
        with suppress(NoEnd):
            length = lengths[-1] if lengths else TIRED
            loose = free_text(length, seed) if model is None else asyncio.run(_answer(model, None, seed))
            free += not case.problems(loose)
    return Validity(
        guided=count - len(wrong),
        excused=excused,
        free=free,
        texts=count,
        bytes=round(statistics.mean(lengths or [0])),
        problems=tuple(dict.fromkeys(wrong))[:3],
    )


async def _answer(model: Model, form: Grammar | None, seed: int) -> str:
    ask = Ask(
        (Message("user", "Begin."),), "random", temperature=1.0, max_tokens=8_000, extra={"seed": seed}, form=form
    )
    try:
        return (await model.ask(ask)).text
    except ModelError as error:
        raise NoEnd(str(error)) from error


# -- a vocabulary, and masks along answers


class Vocabulary:
    """Tokens that look like those of a real tokenizer: all bytes, and the most frequent words and blanks of Python sources.

    A text is cut from its beginning, the longest token first; a real tokenizer merges pairs, which cuts some words otherwise.
    """

    def __init__(self, size: int, sources: int) -> None:
        from llguidance import LLTokenizer, TokenizerWrapper

        self.tokens = [bytes([byte]) for byte in range(256)] + [b"<|end|>"]
        self.tokens += islice(_pieces(sources), size - len(self.tokens))
        self.eos_token_id, self.bos_token_id, self.special_token_ids = 256, None, [256]
        self.ids = {token: i for i, token in enumerate(self.tokens) if i != 256}
        self.longest = max(map(len, self.ids))
        self.tokenizer = LLTokenizer(TokenizerWrapper(self))

    def __call__(self, text: bytes) -> list[int]:
        """The tokens of a text."""
        found, at = [], 0
        while at < len(text):
            token = next(self.candidates(text, at))
            found.append(token)
            at += len(self.tokens[token])
        return found

    def candidates(self, text: bytes, at: int) -> Iterator[int]:
        """The tokens that a text may go on with, the longest first."""
        for end in range(min(at + self.longest, len(text)), at, -1):
            token = self.ids.get(text[at:end])
            if token is not None:
                yield token


def _pieces(sources: int) -> Iterator[bytes]:
    """Words, numbers, marks and blanks of the standard library's sources, most frequent first; then beginnings of words."""
    words = re.compile(rb" ?[A-Za-z_]+| ?\d{1,3}|\n+[ \t]*| +| ?[^\sA-Za-z_\d]+")
    counts: Counter[bytes] = Counter()
    apart = {"site-packages", "test", "tests", "idlelib", "lib2to3"}
    paths = (path for path in Path(sysconfig.get_path("stdlib")).rglob("*.py") if not apart & set(path.parts))
    for path in sorted(paths)[:sources]:
        counts.update(word for word in words.findall(path.read_bytes()) if 1 < len(word) <= 32)
    for word, count in list(counts.items()):
        for end in range(2, len(word)):
            counts[word[:end]] += count // 8
    yield from (word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


@dataclass(frozen=True)
class Masks:
    """Of answers to one shape."""

    along: str
    """``recorded`` answers, or ``random`` texts."""
    tokens: int
    """Tokens of the answers."""
    forced: int
    """Those that the grammar left no choice for."""
    forced_bytes: float
    """Share of the bytes that it left no choice for, byte by byte."""
    mean_us: float
    """Microseconds for the mask of a token that was not forced."""
    p99_us: float
    max_us: float
    compile_ms: float
    """Milliseconds from the grammar's text to its first mask."""
    grammar_bytes: int
    """Of the text of the first piece."""
    problem: str = ""
    """Why the engine gave up; then the figures are those up to there. Empty when it did not."""


def masks(case: Case, texts: Sequence[str], vocabulary: Vocabulary, along: str, most: int = MOST_TOKENS[0]) -> Masks:
    """What it costs to hold answers to a grammar that are in it, of their first tokens at most so many."""
    walked = _Walked(most)
    lone = length = 0
    for text in texts:
        for lark, piece in pieces(case.grammar, text):
            said = walked.walk(lark, piece, vocabulary)
            lone, length = lone + _lone(lark, piece[:said]), length + said
    ordered = sorted(walked.times) or [0.0]
    first = case.grammar.following("")
    return Masks(
        along=along,
        tokens=walked.tokens,
        forced=walked.forced,
        forced_bytes=round(lone / max(length, 1), 3),
        mean_us=round(statistics.mean(ordered), 1),
        p99_us=round(ordered[int(len(ordered) * 0.99)], 1),
        max_us=round(ordered[-1], 1),
        compile_ms=round(compile_ms(first, vocabulary), 2),
        grammar_bytes=len(first.encode()),
        problem=walked.problem,
    )


def pieces(grammar: Grammar, text: str) -> Iterator[tuple[str, bytes]]:
    """(Lark text, what was said under it) of an answer that is in the grammar."""
    from llguidance import LLMatcher

    whole, start = text.encode(), 0
    while lark := grammar.following(whole[:start].decode()):
        matcher, end = LLMatcher(_bytes(), LLMatcher.grammar_from_lark(lark), log_level=0), start
        while end < len(whole) and not matcher.is_stopped() and matcher.consume_token(whole[end]):
            end += 1
        yield lark, whole[start:end]
        if end == start:
            return
        start = end


@dataclass
class _Walked:
    """What was met while answers were said token by token, as an engine does: what is forced is said without a mask."""

    most: int
    """Tokens to say."""
    times: list[float] = field(default_factory=list)
    """Microseconds for each mask."""
    tokens: int = 0
    """Said."""
    forced: int = 0
    """Those of them that were forced."""
    problem: str = ""
    """Why the engine gave up the first time."""

    def walk(self, lark: str, piece: bytes, vocabulary: Vocabulary) -> int:
        """Say one more piece, and return how many bytes of it were said."""
        from llguidance import LLMatcher

        matcher = LLMatcher(vocabulary.tokenizer, LLMatcher.grammar_from_lark(lark), log_level=0)
        matcher.compute_bitmask()  # the first counts with the compilation
        at = 0
        while at < len(piece) and self.tokens < self.most:
            sure = matcher.compute_ff_tokens()
            said = b"".join(vocabulary.tokens[token] for token in sure)
            if sure and piece.startswith(said, at):
                matcher.consume_tokens(sure)
                self.forced, self.tokens, at = self.forced + len(sure), self.tokens + len(sure), at + len(said)
                continue
            began = time.perf_counter()
            mask = matcher.compute_bitmask()
            self.times.append((time.perf_counter() - began) * 1e6)
            token = next((t for t in vocabulary.candidates(piece, at) if mask[t >> 3] >> (t & 7) & 1), None)
            if token is None or not matcher.consume_token(token):
                self.problem = self.problem or f"at byte {at} of {len(piece)}: {matcher.get_error()[:80]}"
                break
            self.tokens, at = self.tokens + 1, at + len(vocabulary.tokens[token])
        return at


def _lone(lark: str, piece: bytes) -> int:
    """How many bytes of a piece are the only ones that may stand there."""
    from llguidance import LLMatcher

    matcher, lone = LLMatcher(_bytes(), LLMatcher.grammar_from_lark(lark)), 0
    for byte in piece:
        lone += int.from_bytes(matcher.compute_bitmask(), "little").bit_count() == 1
        matcher.consume_token(byte)
    return lone


def compile_ms(lark: str, vocabulary: Vocabulary) -> float:
    """Milliseconds from a grammar's text to its first mask."""
    from llguidance import LLMatcher

    def once() -> float:
        began = time.perf_counter()
        LLMatcher(vocabulary.tokenizer, LLMatcher.grammar_from_lark(lark)).compute_bitmask()
        return (time.perf_counter() - began) * 1e3

    return min(once() for _ in range(REPEATS))


def sizes(vocabulary: Vocabulary) -> dict[str, dict[str, float]]:
    """Components written → bytes of the grammar of the next piece of a plan, and milliseconds to its first mask."""
    found: dict[str, dict[str, float]] = {}
    for count in TAKEN:
        plan = layered_plan(count)
        grammar = plan_grammars.plan([r.id for r in plan.requirements], [], max_components=count + 1)
        text = f"Parts.\n\n```yaml\n{written(plan)}```\n"
        *_, (lark, _) = pieces(grammar, text)
        found[str(count)] = {"bytes": len(lark.encode()), "compile_ms": round(compile_ms(lark, vocabulary), 2)}
    return found


def written(plan: Plan) -> str:
    """A plan as a model writes it."""
    lines = [f"title: {plan.title}", "language: python", "entry: ''", "components:"]
    for c in plan.components:
        lines += [f"  - id: {c.id}", f"    purpose: {c.purpose}", f"    kind: {c.kind}"]
        lines += [f"    {name}: [{', '.join(getattr(c, name))}]" for name in ("files", "depends_on", "requirements")]
        lines += ["    packages: []", "    contract:", "      behaviour: |", *_indented(c.contract.behaviour, 8)]
        lines += ["      interface:"]
        for path, source in c.contract.interface.items():
            lines += [f"        {path}: |", *_indented(source, 10)]
        lines += ["      examples: []"]
    return "\n".join(lines) + "\n"


def _indented(text: str, blanks: int) -> Iterable[str]:
    return (f"{' ' * blanks}{line}" if line else "" for line in text.rstrip("\n").split("\n"))


@cache
def _bytes() -> Any:
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


# -- nine faults


@dataclass
class Tally:
    """The plans of one arm."""

    plans: int = 0
    """Asked for."""
    valid: int = 0
    """Those that came to a valid plan."""
    as_meant: int = 0
    """Those that came to the plan that was meant."""
    calls: int = 0
    """Requests; at a server probes and later pieces of an answer are requests of their own."""
    answers: int = 0
    """Answers read."""
    sampled: int = 0
    """Bytes that were chosen."""
    forced: int = 0
    """Bytes that the form left no choice for."""
    not_meant: list[str] = field(default_factory=list)
    """Faults whose plan is another one than was meant."""


class Told:
    """A local engine that wants to say what a script says."""

    def __init__(self, script: Script, directory: Path) -> None:
        self.name = "scripted engine"
        self.forms = frozenset({"grammar"})
        self._script = script
        self._file = directory / "answer.jsonl"

    async def ask(self, ask: Ask) -> Answer:
        """As the engine says it, held to the form of the question."""
        text = self._script.answer([(m.role, m.content) for m in ask.messages])
        asked = question(replace(ask, form=None))
        call = Call("", 0, ask.step, ask.component, ask.attempt, asked, text, Usage(), "", 0.0)
        self._file.write_text(json.dumps(to_json(call)) + "\n", "utf-8")
        engine = LocalReplay(self._file)
        try:
            return await engine.ask(ask)
        finally:
            await engine.close()

    def price(self, usage: Usage) -> float | None:
        """Nothing."""
        return 0.0

    async def close(self) -> None:
        """Nothing to let go of."""


def faults(folder: Path, kinds: Sequence[Fault]) -> dict[str, Tally]:
    """Arm → what became of the plan of a recording when its first answer had each of the faults."""
    spec, calls = read_spec(str(folder)), read(folder / RECORDING)
    meant = meant_plan(spec, calls)
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as directory:
        for fault in kinds:
            script = Script([call for call in calls if call.step == "plan"], [fault])
            for arm in ARMS:
                tally = tallies.setdefault(arm.name, Tally())
                asyncio.run(_faulty(arm, script, spec, meant, fault.name, tally, Path(directory)))
    return tallies


async def _faulty(arm: Arm, script: Script, spec: Spec, meant: Plan, fault: str, tally: Tally, directory: Path) -> None:
    tally.plans += 1
    with StubEndpoint(script.wanted) as stub:
        model: Model = (
            Told(script, directory)
            if arm.place == "local"
            else open_model("stub", base_url=stub.url, prices=Prices.load(None))
        )
        counted = Counted(model)
        strategy = open_strategy(arm.strategy, lambda _role: counted, Prompts(), lambda c: check_component(c, spec))
        plan = None
        try:
            plan = await strategy.plan(spec, meant.requirements, choose_exemplars(spec, None, Settings.exemplars).texts)
        except (AnswerError, ModelError):
            pass
        finally:
            await model.close()
    tally.valid += plan is not None
    same = plan is not None and not differences(meant, plan)
    tally.as_meant += same
    tally.not_meant += [] if same else [fault]
    tally.calls += counted.usage.calls
    tally.answers += counted.answers
    tally.forced += counted.usage.forced_tokens + stub.tally.forced
    tally.sampled += counted.usage.completion_tokens - counted.usage.forced_tokens - stub.tally.forced


class Counted:
    """Counts what a model is asked."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.forms = model.forms
        self.answers = 0
        """Answers given."""
        self.usage = Usage()
        """Of all of them."""
        self._model = model

    async def ask(self, ask: Ask) -> Answer:
        """The model's answer."""
        try:
            answer = await self._model.ask(ask)
        except ModelError as error:
            self.usage += error.usage or Usage()
            raise
        self.answers += 1
        self.usage += answer.usage
        return answer

    def price(self, usage: Usage) -> float | None:
        """That of the model underneath."""
        return self._model.price(usage)

    async def close(self) -> None:
        """Close the model underneath."""
        await self._model.close()


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short look: fewer texts, a smaller vocabulary and plan")
    parser.add_argument("--model", metavar="local:…", help="a model on this machine in place of random weights")
    given = parser.parse_args()
    found = cases()
    vocabulary = Vocabulary(VOCABULARY[given.quick], SOURCES[given.quick])
    model = open_model(given.model, prices=Prices.load(None)) if given.model else None
    valid = {case.name: validity(case, TEXTS[given.quick], model) for case in found}
    costs = {}
    for case in found:
        known = () if given.quick else case.recorded
        texts = known or [random_text(case.grammar, seed) for seed in range(RANDOM_TEXTS)]
        costs[case.name] = masks(case, texts, vocabulary, "recorded" if known else "random", MOST_TOKENS[given.quick])
    grown = sizes(vocabulary)
    folder, kinds = (SPEC, PLAN_FAULTS[:2]) if given.quick else (DEMOS["logq"].spec.parent, PLAN_FAULTS)
    tallies = faults(folder, kinds)
    share = sum(v.guided for v in valid.values()) / sum(v.texts for v in valid.values())
    mean = max(cost.mean_us for cost in costs.values())
    compiled = grown[str(TAKEN[-1])]["compile_ms"]
    missed = [
        *([f"guided validity {share:.1%}"] if share < 1 else []),
        *([f"mean mask {mean:.0f} us"] if mean > MOST_MASK_US else []),
        *(f"the engine gives up on {name}" for name, cost in costs.items() if cost.problem),
        *([f"compile {compiled:.0f} ms"] if compiled > MOST_COMPILE_MS else []),
    ]
    report(
        name="constraint",
        value=round(share, 4),
        unit="share of guided texts from random weights that the product's readers accept",
        target=f"1; mean mask of every shape <= {MOST_MASK_US:.0f} us; compile <= {MOST_COMPILE_MS:.0f} ms at {TAKEN[-1]} components",
        holds=not missed,
        baselines={"free": round(sum(v.free for v in valid.values()) / sum(v.texts for v in valid.values()), 4)},
        missed=missed,
        excused=EXCUSED.pattern,
        model=given.model or "random logits over bytes",
        vocabulary=len(vocabulary.tokens),
        validity={name: asdict(value) for name, value in valid.items()},
        masks={name: asdict(cost) for name, cost in costs.items()},
        plan_grammar=grown,
        faults={
            name: {
                **asdict(tally),
                "sampled_per_clean_plan": round(tally.sampled / max(tally.as_meant, 1)),
                "forced_per_clean_plan": round(tally.forced / max(tally.as_meant, 1)),
            }
            for name, tally in tallies.items()
        },
    )


if __name__ == "__main__":
    main()
