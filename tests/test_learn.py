"""Plans of proven runs become proposals: only of runs that count, the cheapest of each kind, in words that were measured; and
proposals become exemplars on evidence only. The run is a recorded one, replayed; others are its journal with one thing changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cli.examples import exemplar_problems, user_directory
from agent.cli.learn import learn
from agent.config import Settings
from agent.dataset import store
from agent.dataset.record import Hidden
from agent.demo import DEMOS
from agent.run import RunConfig, start
from agent.spec import read_spec
from agent.store.journal import SqliteJournal
from benchmark.datasets import TASKS, read_folder
from few_shot.exemplar import library
from few_shot.exemplar import load as load_exemplar
from few_shot.learn import MOST_TASK, ProvenRun, digest_of, digests, kind_of, measure_of, propose, supported, task_of
from graphs import document, events
from graphs.errors import UserError
from graphs.events import Event
from graphs.values import Component, Contract, Plan, Requirement, Spec, Usage
from tests.conftest import Place

TASK = read_folder(TASKS / "m-lending-desk")
Body = dict[str, Any]
Change = Callable[[str, Body], Sequence[tuple[str, Body]]]
"""(kind, body) of an event → what stands in its place."""


@dataclass(frozen=True)
class Played:
    """A place with one real run: ``workdays``, answered from its recording."""

    place: Place
    run: str

    @property
    def journal(self) -> Path:
        return self.place.state / "runs" / self.run


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, bubblewrap: None) -> Played:
    place = Place(tmp_path_factory.mktemp("played") / "place")
    return Played(place, _play(place.state, place.output))


def _play(home: Path, output: Path, **more: Any) -> str:
    demo = DEMOS["workdays"]
    settings = Settings(model=f"replay-loosely:{demo.recording}", mutants=0)
    result = start(RunConfig(read_spec(str(demo.spec)), output, settings, home, **more))
    assert result.status == "passed", result.reason
    return result.run_id


@pytest.fixture
def proposals(played: Played) -> Iterator[Path]:
    """Where proposals go; nothing that was learnt stays."""
    plans = played.place.state / "plans"
    shutil.rmtree(plans, ignore_errors=True)
    yield plans / "proposals"
    shutil.rmtree(plans, ignore_errors=True)


@pytest.fixture
def forged(played: Played) -> Iterator[Callable[..., str]]:
    """Makes runs of the played one's journal with something changed; they are gone after the test."""
    made: list[Path] = []

    def forge(change: Change, name: str = "20270101-000000-forged-0001") -> str:
        path = played.place.state / "runs" / name
        made.append(path)
        with SqliteJournal.read(played.journal) as reader:
            story = [
                Event(kind, event.component, event.revision, body)
                for event in reader.events()
                for kind, body in change(event.kind, json.loads(json.dumps(event.body)))
            ]

        async def write() -> None:
            journal = SqliteJournal.create(path)
            await journal.append(*story)
            journal.close()

        asyncio.run(write())
        return name

    yield forge
    for path in made:
        shutil.rmtree(path)


def learnt(place: Place, *words: str, **env: str) -> tuple[int, Any]:
    """Exit status of ``agent examples learn`` and what it prints with ``--json``; in this process, which spares seconds."""
    done = CliRunner().invoke(learn, [*words, "--json"], env={"AGENT_HOME": str(place.state), **env})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def changed(kind: str, change: Callable[[Body], Any]) -> Change:
    """Changes the bodies of one kind of event."""

    def of(event: str, body: Body) -> Sequence[tuple[str, Body]]:
        if event == kind:
            change(body)
        return [(event, body)]

    return of


def asks(text: str, digest: str = "") -> Change:
    """The run as one of another specification."""
    return changed(events.RUN_STARTED, lambda body: body["spec"].update(text=text, digest=digest, examples=[]))


def costs(**usage: Any) -> Change:
    return changed(events.RUN_FINISHED, lambda body: body["usage"].update(usage))


def planned(change: Callable[[Body], Any]) -> Change:
    return changed(events.PLAN_REVISED, lambda body: change(body["plan"]))


def before_the_end(kind: str, body: Body) -> Change:
    def of(event: str, known: Body) -> Sequence[tuple[str, Body]]:
        return [(kind, body), (event, known)] if event == events.RUN_FINISHED else [(event, known)]

    return of


def instead(kind: str, other: str) -> Change:
    return lambda event, body: [(other if event == kind else event, body)]


SAID = {"ran": True, "worked": False, "perfect": False, "text": ""}
REFUSED: dict[str, tuple[Change, str]] = {
    "not passed": (changed(events.RUN_FINISHED, lambda b: b.update(status="failed")), "it ended as failed"),
    "not proven": (
        instead(events.COMPONENT_PASSED, events.COMPONENT_FAILED),
        "not all of its plan is proven: workdays",
    ),
    "no proof": (changed(events.COMPONENT_PASSED, lambda b: b.pop("proof")), "its journal is damaged"),
    "unsandboxed": (
        changed(events.COMPONENT_PASSED, lambda b: b["proof"]["verdict"].update(sandbox="UNSANDBOXED")),
        "without a sandbox",
    ),
    "the whole unsandboxed": (
        changed(events.INTEGRATION_FINISHED, lambda b: b["verdict"].update(sandbox="UNSANDBOXED")),
        "without a sandbox",
    ),
    "kept": (instead(events.COMPONENT_PASSED, events.COMPONENT_KEPT), "workdays came from an earlier run"),
    "found wrong": (before_the_end(events.FEEDBACK_GIVEN, SAID), "you found its result wrong"),
    "task by digest": (
        asks("x", hashlib.sha256(TASK.instruction.encode()).hexdigest()),
        f"it is the benchmark task {TASK.id!r}",
    ),
    "task by canary": (asks(f"Do this.\n{TASK.canary}\n"), f"the canary of the benchmark task {TASK.id!r}"),
    "task nearly": (
        asks(re.sub(r"\bthe\b", "a", TASK.instruction)),
        f"nearly that of the benchmark task {TASK.id!r}",
    ),
    "incomplete contract": (
        planned(lambda p: p["components"][0]["contract"].update(examples=[])),
        "its plan makes no exemplar: section 'Plan': component 'workdays': its contract has no example",
    ),
    "quotes nothing": (
        planned(lambda p: p["requirements"][0].update(quote="nobody said this", line=0)),
        "the quote of R1 ('nobody said this') is not in the task",
    ),
}


def test_runs_that_do_not_count_are_refused_with_the_reason(
    played: Played, forged: Callable[..., str], proposals: Path
) -> None:
    runs = {forged(change, f"20270101-000000-x-{i:04}"): i for i, (change, _) in enumerate(REFUSED.values())}
    status, told = learnt(played.place, *runs)
    reasons = {list(REFUSED)[runs[r["run"]]]: r["reason"] for r in told["refused"]}
    assert (status, told["proposals"], reasons.keys()) == (1, [], REFUSED.keys())
    assert {name: reasons[name] for name, (_, why) in REFUSED.items() if why not in reasons[name]} == {}
    assert not proposals.exists()


def test_a_proposal_says_what_was_measured(played: Played, proposals: Path) -> None:
    """From the real run: a sound exemplar, of the specification's own words, that no planner is shown."""
    status, told = learnt(played.place)
    (row,) = told["proposals"]
    assert (row["name"], row["kind"], row["run"]) == ("learnt-workdays-library", "library", played.run)
    assert (status, row["measure"], row["among"], told["refused"]) == (0, "calls", [played.run], [])
    exemplar = load_exemplar(Path(row["path"]))
    assert exemplar_problems(exemplar) == []
    assert exemplar.task.split() == DEMOS["workdays"].spec.read_text(encoding="utf-8").split()
    assert f"run {played.run}: 1 component, depth 1, width 1" in exemplar.why
    assert re.search(
        r"- `workdays`: \d+ lines of code, held by 22 tests and examples, right at answer 4\.", exemplar.why
    )
    assert "Its first cut held" in exemplar.why
    assert exemplar.name not in {e.name for e in library(proposals.parent)}


def test_the_cheapest_of_a_kind_is_proposed(played: Played, forged: Callable[..., str], proposals: Path) -> None:
    """By tokens, as the recording has no price; one that a person's kind sets apart competes with all."""
    dear = forged(costs(completion_tokens=900), "20270101-000000-dear-0001")
    cheap = forged(costs(completion_tokens=500, usd=None), "20270101-000000-cheap-0002")
    service = forged(
        lambda kind, body: planned(lambda p: p["components"][0].update(kind="service"))(
            kind, costs(completion_tokens=100)(kind, body)[0][1]
        ),
        "20270101-000000-service-0003",
    )
    _, told = learnt(played.place, dear, cheap, service)
    rows = {row["kind"]: (row["run"], row["measure"], row["among"]) for row in told["proposals"]}
    assert rows == {"library": (cheap, "tokens", [cheap, dear]), "service": (service, "usd", [service])}
    _, told = learnt(played.place, dear, cheap, service, "--kind", "calendar")
    assert [(row["name"], row["run"]) for row in told["proposals"]] == [("learnt-workdays-calendar", service)]


def test_an_edited_plan_tells_what_was_changed(played: Played, forged: Callable[..., str], proposals: Path) -> None:
    edit = {"edit": "split", "component": "all", "parts": ["workdays", "other"], "reason": "repairs did\nnot ## help"}
    run = forged(changed(events.PLAN_REVISED, lambda body: body.update(edits=[{**edit, "kind": "split"}])))
    (row,) = learnt(played.place, run)[1]["proposals"]
    why = load_exemplar(Path(row["path"])).why
    assert "- all was split into workdays and other: repairs did not ## help." in why
    assert "Its first cut held" not in why


def test_hand_edits_count_against_a_run(played: Played, proposals: Path, tmp_path: Path) -> None:
    """Those made since, and those that a later run kept."""
    place, copies = played.place, tmp_path / "copies"
    shutil.copytree(place.root, copies)
    try:
        file = place.output / "workdays" / "__init__.py"
        file.write_text(f"{file.read_text()}# mine\n")
        (refused,) = learnt(place)[1]["refused"]
        assert refused["reason"].startswith("files of its output were edited by hand since: 'workdays/__init__.py'")
        second = _play(place.state, place.output, edits="keep")
        (refused,) = learnt(place, second)[1]["refused"]
        assert refused == {"run": second, "reason": "files of its output had been edited by hand"}
    finally:
        shutil.rmtree(place.root)
        shutil.copytree(copies, place.root)


def test_hidden_tests_have_their_say(played: Played, proposals: Path) -> None:
    """``agent examples learn`` reads the label that a benchmark set in the dataset of runs."""
    for passed, reason in ((False, "did not pass them"), (True, "")):
        if not store.label(played.place.state, played.run, Hidden("mine", "workdays", passed, 0.5)):
            store.record_run(played.place.state, played.journal, {}, played.place.work)
            assert store.label(played.place.state, played.run, Hidden("mine", "workdays", passed, 0.5))
        _, told = learnt(played.place)
        assert [reason in r["reason"] for r in told["refused"]] == [True] * (not passed)
        assert len(told["proposals"]) == passed


def test_secrets_of_the_environment_are_not_learnt(played: Played, forged: Callable[..., str], proposals: Path) -> None:
    key = "correct-horse-battery-42"
    run = forged(changed(events.RUN_STARTED, lambda b: b["spec"].update(text=f"{b['spec']['text']}\nUse {key}.\n")))
    assert learnt(played.place, run, MY_API_KEY=key)[0] == 0
    text = next(proposals.glob("*.md")).read_text()
    assert "Use ‹secret:env:1›." in text
    assert key not in text


NOTHING = {
    "empty home": ([], 1, "no run under"),
    "no such run": (["nothing"], 2, "there is no run under"),
    "no kind": (["--kind", "A b"], 2, "'A b' is no kind"),
    "nothing known of what judges": (["--held-out", "gone.json"], 2, "agent bench held-out"),
}


@pytest.mark.parametrize(("words", "status", "said"), NOTHING.values(), ids=NOTHING)
def test_with_nothing_to_learn_from_one_sentence_is_said(
    words: list[str], status: int, said: str, place: Place
) -> None:
    done = place.agent("examples", "learn", *words)
    assert (done.returncode, (done.stdout + done.stderr).count("\n")) == (status, 1)
    assert said in done.stdout + done.stderr


SHOWN = {"exemplars": {"roman-numerals": "DIGEST"}}


def experiment(verdicts: Mapping[str, str], arms: Mapping[str, Any]) -> Body:
    """Its result; DIGEST stands for that of the exemplar in question."""
    decisions = {arm: {"verdict": verdict} for arm, verdict in verdicts.items()}
    return {"version": 1, "name": "x", "decisions": decisions, "arms": arms}


EVIDENCE: dict[str, tuple[Any, str]] = {
    "better": (experiment({"a": "better"}, {"b": {}, "a": SHOWN}), ""),
    "cheaper": (experiment({"a": "adopt cheaper"}, {"b": {}, "a": SHOWN}), ""),
    "equivalent": (experiment({"a": "equivalent"}, {"b": {}, "a": SHOWN}), "(a equivalent)"),
    "an arm without it": (
        experiment({"a": "better"}, {"b": {}, "a": {"exemplars": {}}}),
        "no arm of the experiment was",
    ),
    "of another text": (
        experiment({"a": "better"}, {"b": {}, "a": {"exemplars": {"roman-numerals": "0" * 64}}}),
        "no arm of the experiment was shown 'roman-numerals' as it stands",
    ),
    "shown to both": (experiment({"a": "better"}, {"b": SHOWN, "a": SHOWN}), "was shown 'roman-numerals' as well"),
    "worse in another arm": (
        experiment({"a": "better", "c": "worse"}, {"b": {}, "a": SHOWN, "c": SHOWN}),
        "(a better, c worse)",
    ),
    "not compared": (experiment({}, {"b": {}, "a": SHOWN}), "is no result of an experiment"),
    "newer": ({**experiment({"a": "better"}, {"b": {}, "a": SHOWN}), "version": 2}, "is no result of an experiment"),
    "no JSON object": ([1], "is no result of an experiment"),
}


@pytest.mark.parametrize(("result", "why"), EVIDENCE.values(), ids=EVIDENCE)
def test_what_speaks_for_adopting(result: Any, why: str) -> None:
    exemplar = next(e for e in library() if e.name == "roman-numerals")
    result = json.loads(json.dumps(result).replace("DIGEST", digest_of(exemplar)))
    if why:
        with pytest.raises(UserError, match=re.escape(why)):
            supported(exemplar, result)
    else:
        assert supported(exemplar, result) == "a"


def test_a_proposal_is_adopted_on_evidence_only(played: Played, proposals: Path) -> None:
    place, name = played.place, "learnt-workdays-library"
    said = place.agent("examples", "learn").stdout
    assert f"{name}  library, from run {played.run}, the only one of its kind (8 model calls" in said
    done = place.agent("examples", "adopt", name)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"nothing says that '{name}' helps; compare an arm with exemplar_directory = '{proposals}'" in done.stderr
    report = place.work / "report.json"
    report.write_text(json.dumps(experiment({"a": "better"}, {"b": {}, "a": {"exemplars": digests(proposals)}})))
    told = place.json("examples", "adopt", name, "--evidence", str(report))
    assert (told["adopted"], told["arm"], list(proposals.iterdir())) == (name, "a", [])
    assert name in {e.name for e in library(proposals.parent)}


# -- pure


CONTRACT = Contract({"a.py": "def f(x: int) -> int: ...\n"}, "Doubles.\n")
PLAN = Plan(
    "t", (Component("a", "Double.", ("a.py",), CONTRACT, requirements=("R1",)),), (Requirement("R1", "Doubles."),)
)


def run_of(number: int, usage: Usage, kind: str) -> ProvenRun:
    plan = replace(PLAN, components=(replace(PLAN.components[0], kind=kind),))
    return ProvenRun(f"run-{number}", "t", Spec("t", "# t\n", "d"), plan, usage, (), (), given=False)


USAGES = st.builds(
    Usage,
    calls=st.integers(1, 3),
    prompt_tokens=st.sampled_from([0, 5, 7]),
    usd=st.sampled_from([None, 0.0, 0.1, 0.2]),
)
RUNS = st.lists(st.tuples(USAGES, st.sampled_from(["library", "service", "cli"])), max_size=6).map(
    lambda rows: [run_of(number, *row) for number, row in enumerate(rows)]
)


@given(RUNS, st.randoms(use_true_random=False))
def test_no_proven_run_of_the_kind_is_cheaper_than_the_one_proposed(runs: list[ProvenRun], chance: Any) -> None:
    proposals, refused = propose(runs)
    assert not refused
    for proposal in proposals:
        kin = [run for run in runs if kind_of(run.plan) == proposal.kind]
        assert sorted(proposal.among) == sorted(run.id for run in kin)
        spent = {run.id: getattr(run.usage, measure_of(kin)) for run in kin}
        assert all(spent[proposal.run] <= spent[run.id] for run in kin)
    assert {p.kind for p in proposals} == {kind_of(run.plan) for run in runs}
    again = list(runs)
    chance.shuffle(again)
    assert propose(again)[0] == proposals


MEASURES = {
    "prices": ([Usage(1, 9, usd=0.1), Usage(1, 5, usd=0.0)], "usd"),
    "one price unknown": ([Usage(1, 9, usd=0.1), Usage(1, 5, usd=None)], "tokens"),
    "a recording": ([Usage(1, 9, usd=0.1), Usage(2, 0, usd=0.0)], "calls"),
}


@pytest.mark.parametrize(("usages", "measure"), MEASURES.values(), ids=MEASURES)
def test_what_runs_are_compared_by(usages: list[Usage], measure: str) -> None:
    assert measure_of([run_of(0, usage, "library") for usage in usages]) == measure


def plan_of(*kinds: str, entry: str = "", interface: str = "def f() -> None: ...\n") -> Plan:
    contract = Contract({"a.py": interface}, "b\n")
    return Plan(
        "t", tuple(Component(f"c{i}", "p", ("a.py",), contract, kind=k) for i, k in enumerate(kinds)), entry=entry
    )


KINDS: Mapping[str, tuple[Plan, str]] = {
    "service": (plan_of("cli", "service"), "service"),
    "cli": (plan_of("library", "cli"), "cli"),
    "entry": (plan_of("library", entry="python -m a"), "cli"),
    "function": (plan_of("library"), "function"),
    "two functions": (plan_of("library", interface="def f() -> None: ...\ndef g() -> None: ...\n"), "library"),
    "class": (plan_of("library", interface="class A: ...\n"), "library"),
    "two components": (plan_of("library", "library"), "library"),
}


@pytest.mark.parametrize(("plan", "kind"), KINDS.values(), ids=KINDS)
def test_the_kind_of_a_task(plan: Plan, kind: str) -> None:
    assert kind_of(plan) == kind


def test_a_long_task_is_shortened_to_what_is_quoted() -> None:
    paragraphs = ["# Title", *(f"Rule {i}.\n" + "words " * 100 for i in range(20)), "## Last\nIt counts\nfrom 1 on."]
    quoted = replace(PLAN, requirements=(Requirement("R1", "x", "counts from 1"),))
    told, whole = task_of(Spec("t", "\n\n".join(paragraphs), "d"), quoted)
    assert not whole
    assert len(told) < MOST_TASK + 100
    assert told.startswith("# Title\n\nRule 0.\n")
    assert told.endswith("\n\n[…]\n\n### Last\nIt counts\nfrom 1 on.")
    assert told.count("[…]") == 1


LINES = st.sampled_from(
    [
        "# t",
        "## Plan",
        "#### x",
        "```",
        "```python",
        "~~~~",
        "---",
        "",
        " ",
        ">>> 1",
        "1",
        "word",
        "\x0c## Task",
        "    ## x",
        "é \u2028## Why",
    ]
)


@settings(max_examples=60)
@given(st.lists(LINES, min_size=1, max_size=12).map("\n".join).filter(str.strip))
def test_no_specification_breaks_out_of_its_section(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    (proposal,), _ = propose([replace(run_of(0, Usage(1), "library"), spec=Spec("t", text, "d"))])
    path = tmp_path_factory.getbasetemp() / f"{proposal.name}.md"
    path.write_text(proposal.text, encoding="utf-8")
    exemplar = load_exemplar(path)
    assert exemplar.plan == document.parse(document.dump(PLAN))
    # All of its words are there, and nothing but the marks of headings and a closed fence were added.
    assert [w for w in exemplar.task.replace("#", "").split() if w[:3] not in ("```", "~~~")] == [
        w for w in text.replace("#", "").split() if w[:3] not in ("```", "~~~")
    ]


def test_what_is_shipped_is_not_called_as_proposals_are() -> None:
    assert not any(e.name.startswith("learnt-") for e in library(user_directory() / "none"))
