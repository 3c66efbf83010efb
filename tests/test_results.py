"""RESULTS.md: what is best, and only on evidence; what scripts and recordings show stands apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmark.cli_report import results as command
from benchmark.ledger import NAME, Result, open_ledger, read_ledger
from benchmark.report import Report, report
from benchmark.results import FIRST_LINE, KEPT, as_markdown, check, findings
from benchmark.statistics import Rule
from graphs.errors import UserError
from graphs.values import to_json

TASKS = 12


def experiment(
    directory: Path,
    rates: Mapping[str, str],
    *,
    served: str = "Qwen3",
    model: str = "qwen",
    last: float = 1.0,
    **more: Any,
) -> Report:
    """A report of one run of each task; ``rates``: arm → a digit for each task, 1 passed, 0 failed, x lost."""
    prices, sizes = more.pop("usd", {}), more.pop("sizes", "S")
    head = {
        "name": directory.name, "program": "p", "title": "Which?", "baseline": next(iter(rates)), "repeats": 1,
        "rule": to_json(Rule(**more)),
        "arms": {
            a: {"digest": f"d-{a}", "settings": {"strategy": a, "model": model}, "exemplar_directory": None, "exemplars": {}}
            for a in rates
        },
        "tasks": {f"t{at}": {"digest": "d", "size": sizes[at % len(sizes)], "source": "folder"} for at in range(TASKS)},
    }  # fmt: skip
    open_ledger(directory, head).close()
    with (directory / NAME).open("a") as file:
        for arm, marks in rates.items():
            for at, mark in enumerate(marks):
                usd = prices.get(arm, 0.1) * (1 + at / 100)
                result = Result(
                    f"{arm}{at}", f"t{at}", arm, 0, mark == "1", "passed", mark == "x", usd=usd, model=served
                )
                file.write(json.dumps({"kind": "ended", "at": last, "result": to_json(result)}) + "\n")
    return report(read_ledger(directory))


NONE, ALL, HALF, OTHER = "0" * 12, "1" * 12, "01" * 6, "10" * 6


@pytest.mark.parametrize(
    ("rates", "more", "best", "evidence"),
    [
        ({"plain": NONE, "guided": ALL}, {}, "guided", "better than plain, +100.0 points [+81.7, +100.0] (95 % CI), 12 tasks × 1"),
        ({"plain": ALL, "guided": NONE}, {}, "plain", "guided: worse, -100.0 points"),
        ({"plain": HALF, "guided": OTHER}, {}, "", "guided: inconclusive, +0.0 points"),
        ({"plain": HALF, "guided": HALF}, {"margin": 0.3}, "plain", "guided: equivalent"),
        ({"plain": HALF, "guided": HALF}, {"margin": 0.3, "usd": {"guided": 0.05}}, "guided", "adopt cheaper, +0.0 points"),
        ({"plain": NONE, "guided": ALL, "native": HALF}, {}, "guided", "better than plain"),
        ({"plain": ALL, "guided": NONE, "native": HALF[::-1]}, {}, "plain", "guided: worse"),
        ({"plain": "x" * 12, "guided": ALL}, {}, "", "void"),
        ({"plain": NONE, "guided": ALL[:-1]}, {}, "", "not decided"),
        ({"plain": ALL}, {}, "", "a single arm is no comparison"),
    ],
    ids=["better", "worse", "inconclusive", "equivalent", "cheaper", "ahead by most", "all worse", "void", "partial", "one arm"],
)  # fmt: skip
def test_an_arm_is_best_only_by_a_verdict(
    tmp_path: Path, rates: dict[str, str], more: dict[str, Any], best: str, evidence: str
) -> None:
    kept = {"one": experiment(tmp_path / "one", rates, **more)}
    (found,) = findings(kept)

    assert (found.arm, found.model, found.size) == (best, "Qwen3", "S")
    assert evidence in found.evidence
    assert f"| Qwen3 | S | {best or 'no evidence'} |" in as_markdown(kept)
    assert as_markdown(kept).count("| not tried |") == 3  # M, L and XL


@pytest.mark.parametrize(
    ("served", "model"), [("scripted", "scripted:wrong=0.3"), ("Qwen3", "replay:demo.jsonl"), ("x", "local:replay:f"), ("Replay-1", "m")]
)  # fmt: skip
def test_scripts_and_recordings_are_no_evidence_about_real_models(tmp_path: Path, served: str, model: str) -> None:
    kept = {"one": experiment(tmp_path / "one", {"plain": NONE, "guided": ALL}, served=served, model=model)}
    real, scripted = as_markdown(kept).split("## Scripts and recordings")

    assert "No evidence: no experiment with a real model has been kept." in real
    assert "no evidence about real models" in scripted
    assert "| guided | strategy = guided |" in scripted


def test_the_newest_evidence_counts_and_other_evidence_is_named(tmp_path: Path) -> None:
    kept = {
        "old": experiment(tmp_path / "old", {"plain": ALL, "guided": NONE}, last=1.0),
        "new": experiment(tmp_path / "new", {"plain": NONE, "guided": ALL}, last=100_000.0),
        "open": experiment(tmp_path / "open", {"plain": HALF, "guided": OTHER}, last=200_000.0),
    }
    text = as_markdown(kept)

    assert "| Qwen3 | S | guided |" in text
    assert "another configuration is best in old | new |" in text
    assert [finding.experiment for finding in findings(kept)] == ["open", "new", "old"]


def test_sizes_are_found_one_by_one(tmp_path: Path) -> None:
    better_in_small = {"plain": "01" * 6, "guided": "11" * 6}
    found = findings({"one": experiment(tmp_path / "one", better_in_small, sizes="SM")})

    assert {finding.size: finding.arm for finding in found} == {"S": "guided", "M": ""}


def run(*words: str) -> Any:
    return CliRunner().invoke(command, list(words))


def test_the_command_writes_what_it_checks(tmp_path: Path) -> None:
    place = tmp_path / "results"
    place.mkdir()
    (place / "one.json").write_text(json.dumps(experiment(tmp_path / "one", {"plain": NONE, "guided": ALL}).as_data()))

    assert run(str(place), "--check").exit_code == 1
    assert run(str(place)).exit_code == 0
    assert run(str(place), "--check").exit_code == 0
    text = tmp_path.joinpath("RESULTS.md").read_text("utf-8")
    assert text.startswith(FIRST_LINE)
    tmp_path.joinpath("RESULTS.md").write_text(text + "By hand.\n")
    assert run(str(place), "--check").exit_code == 1
    (place / "two.json").write_text("{}")
    assert isinstance(run(str(place)).exception, UserError)
    assert isinstance(run(str(tmp_path / "nowhere")).exception, UserError)


def test_the_results_that_come_with_the_program_are_up_to_date() -> None:
    assert check(KEPT) == ""
