"""``benchmark/perf/routing.py``: the corpus is what it says, and the program measures what it says."""

from __future__ import annotations

import asyncio
import doctest
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

import pytest

from agent.checks.pytest_source import source_of
from agent.checks.python import PytestToolchain
from agent.sandbox import open_sandbox
from benchmark.perf import routing
from benchmark.perf.routing import Author, Bench, Built, Result, Situation
from graphs import events
from graphs.errors import LimitReached
from graphs.events import Event
from graphs.values import CaseResult, Doubt, Files, Limits, Verdict

FILES = sorted(path.stem for path in routing.SITUATIONS.glob("*.toml"))
ALWAYS = ("spans", "errands")
"""Checked in every run of the tests; the others are slow."""
TRIES = 40
"""What comes out by chance in 30 to 70 % of runs shows both sides within so many, but for one time in a million."""
SECONDS = 30.0


@pytest.fixture(scope="module")
def toolchain(bubblewrap: None) -> PytestToolchain:
    return PytestToolchain(open_sandbox("bubblewrap"))


def named(situation_id: str) -> Situation:
    (found,) = (s for s in routing.corpus() if s.id == situation_id)
    return found


# -- the corpus


def test_there_is_enough_of_everything() -> None:
    truths = Counter(s.truth for s in routing.corpus())

    assert len(FILES) >= 22
    assert truths.total() >= 90
    assert set(truths) == set(routing.EXPECTED)
    assert min(truths.values()) >= 4
    assert sum(s.covered for s in routing.corpus()) >= 20
    assert len({s.id for s in routing.corpus()}) == truths.total()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_whole(name: str) -> None:
    situations = routing.load(routing.SITUATIONS / f"{name}.toml")
    known = situations[0].known
    tests, held_out = routing.functions(known.tests), routing.functions(known.held_out)

    assert known.component.id == name
    assert 5 <= sum(name.startswith("test_") for name in tests) <= 8
    assert len(held_out) >= 2
    assert tests.keys().isdisjoint(held_out)
    assert 1 <= len(known.examples) <= 2
    assert any(s.truth == "code" for s in situations)  # programs that others write
    for situation in situations:
        wrong, kind = situation.wrong_tests, situation.kind
        assert situation.begins_right == (kind in ("test", "tests", "flaky_test")), situation.id
        counts = {"test": (1, 1), "tests": (2, 3), "both": (1, 1), "flaky_test": (1, 1)}
        low, high = counts.get(kind, (0, 0))
        assert low <= len(wrong) <= high, situation.id
        assert (situation.behaviour != known.component.contract.behaviour) == (kind == "ambiguous"), situation.id
        assert bool(situation.unclear_tests) == (kind == "ambiguous"), situation.id
        assert not situation.hidden or (kind == "code" and not situation.covered), situation.id


def failing(toolchain: PytestToolchain, situation: Situation, code: str, *tests: str) -> list[set[str]]:
    """For each of these test files the names of the tests that do not pass; all files are run at once, which saves most starts."""
    files = side_by_side(tests)
    ids = [f"{path}::{name}" for path, text in files.items() for name in routing.functions(text) if "test_" in name[:5]]
    trial = toolchain.try_tests({situation.known.file: code}, files, ids, SECONDS)
    assert not trial.by_machine
    assert not trial.timed_out or len(tests) == 1, "what one file does keeps the others from being run"
    return [{routing.name_of(i) for i in trial.failed if i.startswith(f"{path}::")} for path in files]


def side_by_side(tests: Collection[str]) -> Files:
    """Each in a file of its own."""
    return {f"tests/test_{number}.py": text for number, text in enumerate(tests)}


def comes_out_either_way(toolchain: PytestToolchain, situation: Situation, names: Collection[str]) -> bool:
    """Whether some of these tests, and nothing else, fail and pass on the same files."""
    seen: set[bool] = set()
    for _ in range(TRIES):
        (found,) = failing(toolchain, situation, situation.code, situation.tests)
        assert found <= set(names), situation.id
        seen.add(bool(found))
        if len(seen) == 2:
            return True
    return False


def fails_an_example(toolchain: PytestToolchain, situation: Situation, code: str) -> bool:
    tree = {situation.known.file: code}
    return any(toolchain.try_example(tree, example, SECONDS).failed for example in situation.known.examples)


def told_by(situation: Situation) -> Iterator[tuple[str, str]]:
    """Programs and tests that together say whether it is as it says; what comes out by chance is tried by itself."""
    known = situation.known
    (all_tests,) = known.all_tests.values()
    if situation.kind != "flaky_code":
        yield situation.code, all_tests
    if situation.kind != "flaky_test":
        yield known.code, situation.tests
    if situation.kind == "ambiguous":
        yield from ((code, situation.other_tests) for code in (situation.code, known.code))
    if situation.bent:
        yield from ((situation.bent, tests) for tests in (situation.tests, all_tests))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [n if n in ALWAYS else pytest.param(n, marks=pytest.mark.slow) for n in FILES])
def test_a_file_is_true(name: str, toolchain: PytestToolchain) -> None:
    situations = routing.load(routing.SITUATIONS / f"{name}.toml")
    known = situations[0].known
    stub = toolchain.stub(known.component)
    (all_tests,) = known.all_tests.values()
    assert not fails_an_example(toolchain, situations[0], known.code)
    files = side_by_side(dict.fromkeys([all_tests, *(s.tests for s in situations)]))
    assert toolchain.red_tree(stub, files, known.component).bad == ()
    ours = set(routing.functions(known.tests))
    asked: dict[str, dict[str, set[str]]] = {}
    for code, tests in [(known.code, all_tests), *(pair for situation in situations for pair in told_by(situation))]:
        asked.setdefault(code, {})[tests] = set()
    for code, by_tests in asked.items():
        by_tests.update(zip(by_tests, failing(toolchain, situations[0], code, *by_tests), strict=True))
    assert asked[known.code][all_tests] == set()

    for situation in situations:
        wrong_code = asked.get(situation.code, {}).get(all_tests, set())
        match situation.kind:
            case "code":
                assert bool(wrong_code & ours) != situation.hidden, situation.id
                assert wrong_code, situation.id
            case "both":
                assert wrong_code & (ours - situation.wrong_tests), situation.id
            case "ambiguous":
                assert wrong_code & ours == situation.unclear_tests, situation.id
                assert asked[situation.code][situation.other_tests] == set(), situation.id
                assert asked[known.code][situation.other_tests] == situation.unclear_tests, situation.id
                assert not fails_an_example(toolchain, situation, situation.code), situation.id
        if situation.kind == "flaky_test":
            assert comes_out_either_way(toolchain, situation, situation.wrong_tests), situation.id
        elif situation.kind == "flaky_code":
            assert comes_out_either_way(toolchain, situation, ours), situation.id
        else:
            assert asked[known.code][situation.tests] == situation.wrong_tests, situation.id
        if situation.bent:
            assert asked[situation.bent][situation.tests] == set(), situation.id
            assert asked[situation.bent][all_tests], situation.id
        wrong = situation.bent if situation.begins_right else situation.code
        assert wrong or not situation.covered, situation.id
        if wrong and situation.kind != "flaky_code":
            assert fails_an_example(toolchain, situation, wrong) == situation.covered, situation.id


# -- the model


def certain(monkeypatch: pytest.MonkeyPatch, **chances: float) -> None:
    """What the model does is no matter of luck here."""
    for name, chance in chances.items():
        monkeypatch.setattr(routing, name, chance)


def author(toolchain: PytestToolchain, situation: Situation, may_dispute: bool = True) -> Author:
    return Author(situation, Bench(toolchain, situation, {}, second_runs=True), may_dispute)


def given(situation: Situation, names: Collection[str]) -> tuple[Files, Files, Verdict]:
    """The first program, the tests, and a verdict in which those named fail."""
    known = situation.known
    cases = tuple(CaseResult(f"{known.test_path}::{name}", "failed") for name in names)
    return {known.file: situation.code}, {known.test_path: situation.tests}, Verdict("failed", cases)


@pytest.mark.parametrize(
    ("situation_id", "fails", "chances", "may_dispute", "becomes", "disputed"),
    [
        ("spans.touching_stay_apart", ["test_touching"], {"REPAIRS": 1}, True, "right", 0),
        ("spans.touching_stay_apart", ["test_touching"], {"REPAIRS": 0}, True, "same", 0),
        ("spans.touching_stay_apart", ["test_touching"], {"REPAIRS": 1, "DISPUTES_WRONGLY": 1}, True, "same", 1),
        ("spans.touching_test", ["test_touching"], {"REPAIRS": 1, "DISPUTES": 1}, True, "same", 1),
        ("spans.touching_test", ["test_touching"], {"REPAIRS": 1, "DISPUTES": 1}, False, "bent", 0),
        ("spans.touching_test", ["test_touching"], {"REPAIRS": 1, "DISPUTES": 0}, True, "bent", 0),
        ("spans.gaps_miscounted", ["test_gaps"], {"REPAIRS": 1, "DISPUTES": 0}, True, "same", 0),
        (
            "spans.inner_span_and_limits_test",
            ["test_inside", "test_gaps_of_wider_spans"],
            {"REPAIRS": 1, "DISPUTES": 1},
            True,
            "right",
            1,
        ),
        ("errands.place_unsaid", ["test_change"], {"REPAIRS": 1, "DISPUTES_UNCLEAR": 0}, True, "right", 0),
        ("errands.place_unsaid", ["test_change"], {"REPAIRS": 1, "DISPUTES_UNCLEAR": 1}, True, "same", 1),
    ],
)
def test_what_a_repairer_does(
    situation_id: str,
    fails: list[str],
    chances: dict[str, float],
    may_dispute: bool,
    becomes: str,
    disputed: int,
    toolchain: PytestToolchain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    situation = named(situation_id)
    certain(monkeypatch, **{"DISPUTES_WRONGLY": 0, **chances})
    files, tests, verdict = given(situation, fails)

    said = asyncio.run(author(toolchain, situation, may_dispute).repair(situation.brief, 1, files, tests, verdict, []))

    programs = {"right": situation.known.code, "same": situation.code, "bent": situation.bent}
    assert said.files == {situation.known.file: programs[becomes]}
    assert len(said.disputed) == disputed


@pytest.mark.parametrize(
    ("situation_id", "test", "chances", "kept", "asserts"),
    [
        ("spans.touching_test", "test_touching", {"AMENDS": 1}, "", "== [(10, 15)]"),
        ("spans.touching_test", "test_touching", {"AMENDS": 0}, "the contract says so", ""),
        ("spans.touching_test", "test_sorted", {"KEEPS": 1}, "the contract says so", ""),
        ("spans.touching_test", "test_sorted", {"KEEPS": 0}, "", "is not None"),
        ("errands.place_unsaid", "test_change", {"JUDGES": 1}, "unclear: it can be read in two ways", ""),
        ("errands.place_unsaid", "test_change", {"JUDGES": -1}, "", '== ["b", "c", "a"]'),
    ],
)
def test_what_the_test_writer_does_with_a_doubt(
    situation_id: str,
    test: str,
    chances: dict[str, float],
    kept: str,
    asserts: str,
    toolchain: PytestToolchain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    situation = named(situation_id)
    certain(monkeypatch, **chances)
    _, tests, _ = given(situation, [])
    test_id = f"{situation.known.test_path}::{test}"
    doubt = Doubt(test_id, source_of(tests, test_id), ("other",))

    said = asyncio.run(author(toolchain, situation).amend(situation.brief, 1, tests, [doubt]))

    assert said.kept.get(test_id, "") == kept
    assert asserts in said.replaced.get(test_id, "")
    assert bool(said.replaced) != bool(said.kept)
    if said.replaced:
        toolchain.amended(tests, said.replaced)  # one test of that name


def test_the_same_question_has_the_same_luck_and_calls_have_a_ceiling(toolchain: PytestToolchain) -> None:
    situation = named("account.undo_first")

    async def asked() -> list[str]:
        writer = author(toolchain, situation)
        written = [await writer.code(situation.brief, attempt) for attempt in range(1, routing.CALLS + 1)]
        with pytest.raises(LimitReached):
            await writer.repair(situation.brief, 1, *given(situation, []), [])
        return [next(iter(files.values())) for files in written]

    first = asyncio.run(asked())
    assert first == asyncio.run(asked())
    assert len(set(first)) > 1
    assert first[0] == situation.code
    programs = {s.code for s in routing.corpus() if s.known == situation.known}
    assert set(first) <= programs | {situation.known.code}


def test_one_opinion_is_as_right_as_stated(toolchain: PytestToolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    code, test = named("spans.touching_stay_apart"), named("spans.touching_test")
    for chance, right in ((1, True), (-1, False)):
        certain(monkeypatch, JUDGES=chance)
        for situation, tests_are in ((code, False), (test, True)):
            said = author(toolchain, situation).blames_tests(*given(situation, ["test_touching"]))
            assert said == (tests_are == right)


# -- where a failure went

AMENDED = Event(events.TEST_AMENDED, body={"id": "a", "evidence": ["two programs agree"]})
OTHER_AMENDED = Event(events.TEST_AMENDED, body={"id": "b", "evidence": ["two programs agree"]})
STRONGER = Event(events.TEST_AMENDED, body={"id": "c", "evidence": []})
ASIDE = Event(events.TEST_QUARANTINED, body={"id": "a"})


@pytest.mark.parametrize(
    ("facts", "program", "route"),
    [
        ([], "first", "nowhere"),
        ([STRONGER], "first", "nowhere"),
        ([], "other", "code"),
        ([STRONGER], "other", "code"),
        ([AMENDED], "first", "test"),
        ([AMENDED, AMENDED], "first", "test"),
        ([AMENDED, OTHER_AMENDED], "first", "tests"),
        ([AMENDED], "other", "both"),
        ([ASIDE], "first", "flaky"),
        ([ASIDE, OTHER_AMENDED], "first", "tests"),
        ([ASIDE], "other", "both"),
    ],
)
def test_where_a_failure_went_is_read_from_what_was_changed(facts: list[Event], program: str, route: str) -> None:
    assert routing.routed(facts, "first", Built(True, {"x.py": program}, {})) == route


@pytest.mark.parametrize(
    ("rung", "route"), [("respecify", "contract"), ("split", "size"), ("ask", "user"), ("", "nowhere")]
)
def test_what_did_not_pass_went_where_the_next_rung_leads(rung: str, route: str) -> None:
    assert routing.routed([AMENDED], "first", Built(False, {"x.py": "other"}, {}, rung)) == route
    assert routing.routed([AMENDED], "first", None) == "nowhere"


SURE = {
    "DISPUTES": 1,
    "DISPUTES_WRONGLY": 0,
    "REPAIRS": 1,
    "FRESH_RIGHT": 1,
    "AMENDS": 1,
    "KEEPS": 1,
    "JUDGES": 1,
    "ADDS": 1,
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("situation_id", "arm", "route", "right"),
    [
        ("spans.touching_test", "ours", "test", True),
        ("spans.touching_test", "always repair", "nowhere", False),  # an example fails on what the repairs bend
        ("spans.touching_test", "ask whose fault", "test", True),
        pytest.param("windows.empty_batch_wanted", "always repair", "nowhere", False, marks=pytest.mark.slow),
        pytest.param("spans.inner_span_shortens", "ours", "code", True, marks=pytest.mark.slow),
        pytest.param("spans.inner_span_and_limits_test", "ours", "both", True, marks=pytest.mark.slow),
        pytest.param("account.signs_forgotten", "always repair", "code", False, marks=pytest.mark.slow),
        pytest.param("ranking.sorted_in_place", "ours", "code", True, marks=pytest.mark.slow),
    ],
)
def test_a_sure_model_is_routed_rightly(
    situation_id: str,
    arm: str,
    route: str,
    right: bool,
    toolchain: PytestToolchain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certain(monkeypatch, **SURE)
    situation = named(situation_id)
    if not situation.hidden:
        monkeypatch.setitem(routing.ARMS, "ours", Limits(mutants=0))

    result = asyncio.run(routing.run(situation, arm, toolchain, {}))

    assert (result.route, result.right, result.weaker) == (route, right, 0)
    assert result.passed == (route != "nowhere")
    assert 0 < sum(result.calls.values()) <= routing.CALLS


# -- what came out


def result(truth: str = "test", route: routing.Route = "test", **more: object) -> Result:
    plain = Result("x", truth, "ours", route, True, True, True, False, {"code": 1, "tests": 1}, 0, 7)
    return replace(plain, **more)  # type: ignore[arg-type]


def test_figures_of_an_arm() -> None:
    found = routing.figures(
        [
            result(),
            result(route="nowhere", passed=False),
            result("code", "code", began_right=False, covered=True),
            result("code", "nowhere", began_right=False, right=False, covered=True),
            result("hidden", "nowhere", began_right=False, right=False),
            result("ambiguous", "contract", began_right=False, passed=False, weaker=1, calls={"code": 3}),
        ]
    )

    def counts(name: str) -> tuple[float, float]:
        return found[name]["count"], found[name]["of"]

    assert counts("routed_rightly") == (3, 5)
    assert counts("hidden_faults_found") == (0, 1)
    assert counts("solved") == (2, 5)
    assert counts("right_programs_thrown_away") == (1, 2)
    assert counts("right_tests_weakened") == (1, 42)
    assert counts("unclear_contracts_guessed") == (0, 1)
    wrong = {name: (row["count"], row["of"]) for name, row in found["wrong_programs_accepted"].items()}
    assert wrong == {"covered": (1, 2), "uncovered": (0, 2), "hidden": (1, 1)}
    assert found["calls_by_kind"] == {"code": 1.33, "tests": 0.83}
    assert found["routes"]["code"] == {"code": 1, "nowhere": 1}
    lines = routing.table({"ours": found}).splitlines()
    assert {len(line) for line in lines[2:]} == {len(lines[2])}


def test_arms_are_compared_in_the_same_situations() -> None:
    other = [("nowhere",) * 6, ("test",) * 3, ("nowhere", "test")]
    ours = [("test",) * 6, ("test",) * 3, ("nowhere", "nowhere")]
    results = [
        result(route=route, arm=arm, situation=f"{row}.{n}", truth="test")
        for arm, rows in (("ours", ours), ("always repair", other))
        for row, routes in enumerate(rows)
        for n, route in enumerate(routes)
    ]
    results.append(result("hidden", "code", situation="hidden"))

    assert routing.against(results, "always repair") == {"only_ours": 6, "only_the_other": 1, "p": 0.125}
    assert routing.against(results[:0], "always repair") == {"only_ours": 0, "only_the_other": 0, "p": 1.0}


def test_a_short_look_has_something_of_everything() -> None:
    chosen = routing.few(routing.corpus(), routing.QUICK)
    assert len({s.id for s in chosen}) == routing.QUICK
    assert {s.truth for s in chosen} == set(routing.EXPECTED)
    assert chosen == routing.few(routing.corpus(), routing.QUICK)


def test_what_its_docstrings_show_is_so() -> None:
    found = doctest.testmod(routing)
    assert (found.failed, found.attempted) == (0, 3)


@pytest.mark.timeout(300)
def test_the_parts_of_what_a_proof_costs(toolchain: PytestToolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(routing.ARMS, "ours", Limits(mutants=2))
    found = routing.cost(named("spans.inner_span_shortens"), toolchain)
    assert min(found.values()) > 0
    assert found["total"] == pytest.approx(found["red"] + found["proof"] + found["mutants"])
