"""Reports of experiments: figures against scipy, what may be decided when, and every form with hostile names in it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Ran
from hypothesis import given
from hypothesis import strategies as st

from benchmark import plots, report_html
from benchmark.cli_report import report as command
from benchmark.ledger import NAME, Ledger, Result, open_ledger, read_ledger
from benchmark.report import Report, kind_of, read_report, report
from benchmark.report_html import as_html
from benchmark.report_text import as_markdown, as_text, escaped, price, verdict_reason
from benchmark.statistics import Rule
from graphs.errors import UserError
from graphs.text import cells
from graphs.values import from_json, to_json

HOSTILE = "\x1b[2J<script>alert(1)</script>\"'`|*_[x](http://evil.example/)\n\n# @all \u202e&amp; www.evil.example"
Passes = Mapping[str, Sequence[Sequence[int | None]]]
"""Arm → for each task, for each repeat: 1 passed, 0 failed, ``None`` lost."""


def head(
    arms: Sequence[str], tasks: int, repeats: int, model: str = "qwen", sizes: str = "S", **rule: Any
) -> dict[str, Any]:
    return {
        "name": "guidance", "program": "0f3b2a9c41d7e855", "title": "Does it help?", "baseline": arms[0],
        "repeats": repeats, "rule": to_json(Rule(**rule)),
        "arms": {
            arm: {
                "digest": f"digest-{arm}", "exemplar_directory": None,
                "settings": {"strategy": arm, "model": model, "prices": "/somewhere/prices.toml"},
                "exemplars": {},
            }
            for arm in arms
        },
        "tasks": {
            f"t{at:02}": {"digest": f"d{at}", "size": sizes[at % len(sizes)], "source": "folder"} for at in range(tasks)
        },
    }  # fmt: skip


def fill(directory: Path, passes: Passes, *, usd: Mapping[str, float | None] | None = None, **more: Any) -> Ledger:
    """An experiment on the disk, written as the runner writes it."""
    repeats = more.pop("repeats", max(len(runs) for rows in passes.values() for runs in rows))
    changed: Callable[[dict[str, Any]], dict[str, Any]] = more.pop("changed", lambda fields: fields)
    lines = []
    with open_ledger(directory, head(list(passes), max(map(len, passes.values())), repeats, **more)) as ledger:
        names = list(ledger.head["tasks"])
    for arm, rows in passes.items():
        for task, runs in zip(names, rows, strict=False):
            for repeat, passed in enumerate(runs):
                key = f"{task}-{arm}-{repeat}"
                fields = {
                    "cell": key, "task": task, "arm": arm, "repeat": repeat, "passed": passed == 1,
                    "status": "passed" if passed else "failed", "infra": passed is None, "seconds": 10.0 + repeat,
                    "reason": "" if passed else f"the component 'c{repeat}' fails {repeat} tests",
                    "usd": (usd or {}).get(arm, 0.02), "model": "Qwen3", "run": f"cells/{key}/home/runs/01J",
                }  # fmt: skip
                lines.append({"kind": "began", "cell": key, "at": 1772359200.0 + len(lines)})
                result = to_json(from_json(Result, changed(fields)))
                lines.append({"kind": "ended", "at": 1772359200.0 + len(lines), "result": result})
    with (directory / NAME).open("a") as file:  # at once: the ledger itself waits for the disk after each line
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return read_ledger(directory)


def told(ledger: Ledger, **given: Any) -> Report:
    """The report, after each of its forms was made: none may fail, and none may hold what is no number."""
    found = report(ledger, **given)
    forms = (as_text(found), as_markdown(found), as_html(found), json.dumps(found.as_data(), allow_nan=False))
    for form in forms:
        assert not re.search(r"\b(?:nan|inf|None)\b", form)
    assert max(cells(line) for line in forms[0].splitlines()) <= 100
    return found


CLEAR: Passes = {"plain": [[0, 0, 1]] * 6 + [[1, 1, 0]] * 6, "guided": [[1, 1, 1]] * 11 + [[1, 0, 1]]}


# -- figures


def test_the_leaderboard_is_what_scipy_computes(tmp_path: Path) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = random.Random(3)
    passes = {
        arm: [[int(rng.random() < rate) for _ in range(3)] for _ in range(15)]
        for arm, rate in (("plain", 0.4), ("guided", 0.9), ("native", 0.5))
    }
    found = told(fill(tmp_path, passes, usd={"plain": 0.02, "guided": 0.03, "native": 0.02}))

    means = {arm: [sum(runs) / 3 for runs in rows] for arm, rows in passes.items()}
    p = {arm: stats.ttest_rel(means[arm], means["plain"]) for arm in ("guided", "native")}
    small, large = sorted(p, key=lambda arm: p[arm].pvalue)
    holm = {small: min(2 * p[small].pvalue, 1), large: max(min(2 * p[small].pvalue, 1), p[large].pvalue)}
    for arm, row in found.arms.items():
        mean = sum(means[arm]) / 15
        low, high = stats.t.interval(0.95, 14, mean, stats.sem(means[arm]))
        assert row.rate.mean == pytest.approx(mean)
        assert (row.rate.interval.low, row.rate.interval.high) == pytest.approx((max(low, 0), min(high, 1)))
        assert row.pass_any == pytest.approx(sum(any(runs) for runs in passes[arm]) / 15)
        assert row.pass_all == pytest.approx(sum(all(runs) for runs in passes[arm]) / 15)
        assert row.usd_per_solved == pytest.approx(45 * row.usd / sum(map(sum, passes[arm])))
        assert row.seconds_p90 == pytest.approx(12.0)
    for arm, test in p.items():
        decision = found.decisions[arm]
        assert decision.p == pytest.approx(test.pvalue)
        assert decision.p_holm == pytest.approx(holm[arm])
        assert (decision.interval.low, decision.interval.high) == pytest.approx(tuple(test.confidence_interval()))
        assert decision.probability_better == pytest.approx(stats.t.cdf(test.statistic, 14))
    assert found.decisions["guided"].verdict == "better"


def test_what_runs_say_of_themselves_is_held_against_the_hidden_tests(tmp_path: Path) -> None:
    def lies(fields: dict[str, Any]) -> dict[str, Any]:
        status = {"t00": "passed", "t01": "failed", "t02": ""}.get(fields["task"], fields["status"])
        return {**fields, "status": status, "questions": 4, "first_try": 3, "again": 1, "given_up": 0}

    found = told(fill(tmp_path, {"only": [[0, 0], [1, 1], [1, 0], [1, None]]}, changed=lies)).arms["only"]

    assert (found.claimed, found.claimed_wrongly, found.missed) == (
        3,
        2,
        3,
    )  # t00 twice and t03 once; t01 twice, t02 once
    assert (found.questions, found.first_try, found.again, found.given_up) == (28, 21, 7, 0)
    assert (found.ended, found.lost, found.k_tasks) == (8, 1, 3)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("the component 'a_b' fails 3 tests", "the component 'zz' fails 12 tests", "the component ‹…› fails # tests"),
        ("tests/test_a.py::test_x fails", "tests/test_b.py::test_y fails", "‹…› fails"),
        ("it took 12.5 s", "it took 3 s", "it took # s"),
        ("the part isn't there and won't be", "the part isn't there and won't be", "the part isn't there and won't be"),
        ("due_dates.py is not tally.py", "a.py is not b.py", "‹…› is not ‹…›"),
        ("", "  \n", "no reason was given"),
    ],
)  # fmt: skip
def test_reasons_that_differ_in_names_and_numbers_are_the_same(one: str, other: str, kind: str) -> None:
    assert (kind_of(one), kind_of(other)) == (kind, kind)


def test_failures_are_grouped_and_flips_listed_with_their_runs(tmp_path: Path) -> None:
    found = told(
        fill(tmp_path, {"plain": [[0, 0, 1], [1, 1, 1], [1, 0, None]], "guided": [[1, 1, 1], [0, 0, 0], [1, 1, 1]]})
    )

    assert [(flip.task, flip.passes, flip.fails) for flip in found.flips] == [
        ("t00", ("guided",), ("plain",)),
        ("t01", ("plain",), ("guided",)),
    ]
    assert [(f.reason, f.runs, f.lost) for f in found.arms["plain"].failures] == [
        ("the component ‹…› fails # tests", 3, False),
        ("the component ‹…› fails # tests", 1, True),
    ]
    page = as_html(found, "exp dir")
    assert page.count('href="./exp%20dir/cells/t00-plain-0/home/runs/01J"') == 2  # among all runs, and of the flip
    assert "AGENT_HOME=cells/t00-plain-0/home agent show 01J" in as_text(found)


# -- what may be decided when


@pytest.mark.parametrize(
    ("passes", "given", "verdicts", "words"),
    [
        (CLEAR, {}, {"guided": "better"}, "better, +47.2 points"),
        ({"only": [[1, 0]] * 4}, {}, {}, "There is one arm, so nothing is compared."),
        ({"plain": [[1]], "guided": [[0]]}, {}, {}, "1 task was judged both in 'guided'"),
        ({"plain": [[1]] * 3, "guided": [[None]] * 3}, {}, {}, "0 tasks were judged both in 'guided'"),
        ({"plain": [[1, 0]] * 9, "guided": [[1, None]] * 9}, {}, {"guided": "void"}, "Void: 25.0 % of the runs"),
        ({"plain": [[1]] * 9, "guided": [[1]] * 8}, {}, {}, "Unfinished: 17 of 18 runs have ended."),
        ({"plain": [[1]] * 9, "guided": [[1]] * 8}, {}, {}, "the rule decides when all runs have ended"),
        ({"plain": [[0, 1]] * 9, "guided": [[1, 0]] * 9}, {"usd": {"plain": None}}, {"guided": "inconclusive"}, "more runs needed, to"),
        ({"plain": [[0, 1]] * 9, "guided": [[1, 0]] * 9}, {}, {"guided": "inconclusive"}, "more runs needed ≈ $"),
        ({"plain": [[]], "guided": [[]]}, {"repeats": 1}, {}, "Unfinished: 0 of 2 runs have ended."),
        (CLEAR, {"model": "scripted:wrong=0.3"}, {"guided": "better"}, "no evidence about real models"),
    ],
    ids=["clear", "one arm", "one task", "never judged", "void", "partial", "partial rule", "unpriced", "priced", "empty", "scripted"],
)  # fmt: skip
def test_what_is_there_is_said_and_only_what_the_rule_allows_is_decided(
    tmp_path: Path, passes: Passes, given: dict[str, Any], verdicts: dict[str, str], words: str
) -> None:
    found = told(fill(tmp_path, passes, **given))

    assert {arm: decision.verdict for arm, decision in found.decisions.items()} == verdicts
    assert words in " ".join(as_text(found).split())


def test_an_unknown_price_is_never_invented(tmp_path: Path) -> None:
    passes = {"plain": [[0, 1]] * 9, "guided": [[1, 0]] * 9}
    without = told(fill(tmp_path / "a", passes, usd={"plain": None}))
    priced = told(fill(tmp_path / "b", passes, usd={"plain": 0.02, "guided": 0.04}))

    assert without.needed["guided"].usd is None
    assert (without.arms["plain"].usd, without.arms["plain"].usd_per_solved, without.progress.usd) == (None, None, None)
    assert "$0.02" in as_text(without)  # of the other arm
    assert "Without a known price: plain." in as_html(without)
    assert priced.needed["guided"].usd == pytest.approx(priced.needed["guided"].runs * 0.03)
    assert price(priced.needed["guided"].usd) in verdict_reason(priced, "guided")


def test_a_look_is_decided_on_its_own_runs_alone(tmp_path: Path) -> None:
    """The second look's runs have begun to come in and all fail; until they are all there, the first look's stand."""
    passes = {"plain": [[0, 0]] * 12, "guided": [[1, 0]] * 11 + [[1]]}
    going = fill(tmp_path / "a", passes, repeats=2, looks=2)
    found = told(going)

    assert (found.progress.look, found.progress.state) == (1, "unfinished")
    assert found.decisions["guided"].verdict == "better"
    assert found.decisions["guided"].runs == 24
    assert "look 2 of 2 have ended" in told(going, look=2).undecided["guided"]

    with open_ledger(going.directory, going.head) as ledger:
        ledger.ended(Result("last", "t11", "guided", 1, False, "failed"))
    assert told(read_ledger(going.directory)).decisions["guided"].runs == 48


def test_an_experiment_that_a_look_ended_says_so(tmp_path: Path) -> None:
    ledger = fill(tmp_path, {"plain": [[0]] * 12, "guided": [[1]] * 12}, repeats=2, looks=2)
    with open_ledger(tmp_path, ledger.head) as again:
        again.looked({"look": 1, "stop": True, "decisions": {}})
    found = told(read_ledger(tmp_path))

    assert found.progress.state == "stopped early"
    assert "Look 1 of 2 left nothing open" in as_text(found)


def test_arms_without_a_verdict_still_count_in_the_correction(tmp_path: Path) -> None:
    passes = {"plain": CLEAR["plain"], "guided": CLEAR["guided"], "lost": [[None] * 3] * 12}
    found = told(fill(tmp_path, passes, most_infra=0.5))

    assert found.decisions["guided"].p_holm == pytest.approx(2 * found.decisions["guided"].p)
    assert list(found.undecided) == ["lost"]


def test_sizes_are_decided_with_a_correction_for_all_of_them(tmp_path: Path) -> None:
    found = told(fill(tmp_path, CLEAR, sizes="SM"))
    small, medium = (group for group in found.groups if group.by == "size")

    assert (small.name, medium.name, small.tasks) == ("S", "M", 6)
    smallest = min(group.decisions["guided"].p for group in (small, medium))
    assert min(group.decisions["guided"].p_holm for group in (small, medium)) == pytest.approx(2 * smallest)


# -- forms


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    found = told(fill(tmp_path / "x", CLEAR))
    (tmp_path / "kept.json").write_text(json.dumps(found.as_data()))

    assert read_report(tmp_path / "kept.json") == found
    assert "/somewhere" not in json.dumps(found.as_data())  # where prices lie decides nothing


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "is no report"), ("[1]", "is no report"), ("no", "is no report"), ('{"version": 1}', "is no report"),
        ('{"version": 2}', "version 2 and this program reads 1"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match=said):
        read_report(tmp_path / "x.json")
    (tmp_path / NAME).write_text(text + "\n")
    with pytest.raises(UserError):
        report(read_ledger(tmp_path))


class Page(HTMLParser):
    """The elements of a page, what they refer to, and its text."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.references: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.references += [value or "" for name, value in attrs if name in ("href", "src", "action", "data", "srcset")]
        if tag not in self.VOID and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def hostile(tmp_path: Path) -> Report:
    def named(fields: dict[str, Any]) -> dict[str, Any]:
        return {
            **fields,
            "model": HOSTILE,
            "reason": HOSTILE,
            "run": f"javascript:alert(1)//{HOSTILE}",
            "task": fields["task"],
        }

    found = told(fill(tmp_path, {"plain": [[0, 0], [0, 1], [1, 1]], "guided": [[1, 1], [1, 1], [0, 0]]}, changed=named))
    data = json.loads(json.dumps(found.as_data()).replace("t00", json.dumps(HOSTILE)[1:-1]))
    del data["version"]
    data["title"] = HOSTILE
    return from_json(Report, data)


def test_a_page_with_hostile_names_holds_no_script_and_asks_for_nothing(tmp_path: Path) -> None:
    text = as_html(hostile(tmp_path))
    page = Page(text)

    assert page.open == []
    assert not page.tags & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "use",
        "image",
        "foreignobject",
    }
    assert not {name for name in page.attributes if name.startswith("on")} | (page.attributes & {"style", "xlink:href"})
    assert page.references
    assert all(reference.startswith("./") and ":" not in reference for reference in page.references)
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text
    assert "unsafe" not in text
    assert {"svg", "title", "desc"} <= page.tags
    assert text.count('role="img"') == text.count("<desc") == 3
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<script>alert(1)" in page.words  # as words


def test_the_policy_lets_exactly_the_pages_own_style_through(tmp_path: Path) -> None:
    text = as_html(told(fill(tmp_path, CLEAR)))
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    wanted = report_html.b64encode(report_html.sha256(style.encode()).digest()).decode()

    assert f"style-src 'sha256-{wanted}'" in text


def well_formed(markdown: str) -> int:
    """How many tables there are; each row must have as many cells as its heading."""
    tables, columns = 0, 0
    for line in markdown.splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        count = len(re.findall(r"(?<!\\)\|", line))
        tables += not columns
        assert columns in (0, count)
        assert line.endswith(" |")
        columns = count
    return tables


def test_markdown_tables_hold_with_hostile_names(tmp_path: Path) -> None:
    text = as_markdown(hostile(tmp_path))

    assert well_formed(text) == 9
    assert "<script" not in text
    assert "://" not in text
    assert text.count("\n# ") == 0


@given(st.text(max_size=60))
def test_escaped_text_is_one_cell_of_one_line(text: str) -> None:
    safe = escaped(text)

    assert "\n" not in safe
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*\[\]<>]", safe)


def test_a_terminal_gets_at_most_a_hundred_columns_however_many_arms(tmp_path: Path) -> None:
    passes = {f"arm-with-a-rather-long-name-{at}": [[1, 0], [0, at % 2]] for at in range(12)}
    found = told(fill(tmp_path, passes))  # checks the width

    assert as_text(found).count("T01") + as_text(found).count("t01") >= 2  # the table of tasks goes on below


@pytest.mark.timeout(60)  # what grows with the square of tasks would take minutes
def test_a_thousand_tasks_make_a_report_that_can_be_read(tmp_path: Path) -> None:
    rng, arms = random.Random(1), ("plain", "guided", "native")
    top = head(arms, 1000, 3, sizes="SML")
    lines = [{"kind": "experiment", "schema": 1, **top}]
    for task in top["tasks"]:
        for arm in arms:
            for repeat in range(3):
                passed = rng.random() < 0.6
                result = Result(
                    f"{task}{arm}{repeat}", task, arm, repeat, passed, reason="" if passed else "no", usd=0.1
                )
                lines.append({"kind": "ended", "at": 1.0, "result": to_json(result)})
    (tmp_path / NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = told(read_ledger(tmp_path))

    assert len(found.matrix) == 1000
    assert "940 others" in as_text(found)
    assert len(as_html(found)) < 400_000


# -- plots


def test_costs_that_span_more_than_ten_times_are_shown_on_a_logarithmic_scale(tmp_path: Path) -> None:
    passes = {"plain": [[0, 1]] * 4, "guided": [[1, 1]] * 4}
    near = plots.cost_plot(told(fill(tmp_path / "a", passes, usd={"plain": 0.01, "guided": 0.09})))
    far = plots.cost_plot(told(fill(tmp_path / "b", passes, usd={"plain": 0.01, "guided": 0.2})))
    free = plots.cost_plot(told(fill(tmp_path / "c", passes, usd={"plain": 0.0, "guided": 0.0})))
    unknown = plots.cost_plot(told(fill(tmp_path / "d", passes, usd={"plain": None, "guided": None})))

    assert "logarithmic" not in near
    assert "US dollars per run, logarithmic" in far
    assert "logarithmic" not in free
    assert unknown == ""


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 1)), min_size=1, max_size=9))
def test_nothing_is_both_cheaper_and_better_than_the_line(points: list[tuple[float, float]]) -> None:
    front = plots._undominated(points)

    assert set(front) <= set(points)
    for usd, share in points:
        assert any(u <= usd and s >= share for u, s in front)
        for u, s in front:
            assert not (usd <= u and share >= s and (usd, share) != (u, s))


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    whole = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(whole[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_words_can_be_read_on_every_ground_they_stand_on(theme: int) -> None:
    named = [
        dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root\{(.*?)\}", report_html._STYLE, re.S)
    ]
    colours = named[theme]
    pairs = [("ink", ground) for ground in ("paper", "card", "warn", "h0", "h1", "h2", "h3", "h4")]
    for words, ground in [*pairs, ("soft", "paper"), ("soft", "card"), ("soft", "band"), ("a0", "card")]:
        low, high = sorted(luminance(colours[name]) for name in (words, ground))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (words, ground)


# -- the command


def run(*words: str) -> Ran:
    return CliRunner().invoke(command, list(words))


def test_the_command_takes_the_form_from_the_ending(tmp_path: Path) -> None:
    fill(tmp_path / "x", CLEAR)
    for name, begins in (
        ("r.html", "<!doctype"),
        ("r.md", "# Does it help?"),
        ("r.json", "{"),
        ("r.txt", "Does it help?"),
    ):
        done = run(str(tmp_path / "x"), "-o", str(tmp_path / name))
        assert done.exit_code == 0, done.exception
        assert done.stdout == ""
        assert (tmp_path / name).read_text("utf-8").startswith(begins)
    assert read_report(tmp_path / "r.json").decisions["guided"].verdict == "better"
    assert 'href="./x/cells/' in (tmp_path / "r.html").read_text("utf-8")
    assert run(str(tmp_path / "x")).stdout == (tmp_path / "r.txt").read_text("utf-8")
    assert json.loads(run(str(tmp_path / "x"), "--format", "json").stdout)["version"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [(("-o", "x.pdf"), "names no format; use one of .txt, .md, .html, .json"), ((), "there is no experiment in")],
)
def test_what_cannot_be_reported_is_one_sentence(tmp_path: Path, words: Sequence[str], said: str) -> None:
    done = run(str(tmp_path), *words)

    assert isinstance(done.exception, UserError)
    assert said in str(done.exception)
