"""The GitHub workflows: secrets never meet code of strangers, and what they call exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Group

WORKFLOWS = sorted((Path(__file__).parents[1] / ".github" / "workflows").glob("*.yml"))


def _read(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key ``on`` as a truth value.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text()).items()}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_secrets_are_kept_from_code_of_strangers(path: Path) -> None:
    workflow = _read(path)

    assert "pull_request_target" not in workflow["on"]
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        if "secrets." not in str(job):
            continue
        assert job["environment"] == "bench", "a job with secrets runs in the protected environment"
        asked_for = str(job["if"])
        if "pull_request" in workflow["on"] and "pull_request" in asked_for:
            assert "github.event.pull_request.head.repo.full_name == github.repository" in asked_for
            assert "run-bench" in asked_for


def test_every_pull_request_is_tested_without_secrets() -> None:
    (path,) = [path for path in WORKFLOWS if path.name == "ci.yml"]
    workflow = _read(path)

    assert "pull_request" in workflow["on"]
    assert "secrets." not in path.read_text()
    assert any("bash .ci/run" in str(step.get("run")) for step in workflow["jobs"]["test"]["steps"])


def _commands() -> list[str]:
    """Every call of the command in a workflow."""
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    return re.findall(r"\.venv/bin/agent ([^\n|>]+)", text)


@pytest.mark.parametrize("command", _commands())
def test_what_a_workflow_calls_exists(command: str) -> None:
    from benchmark.cli import bench
    from benchmark.cli_experiment import experiment

    words = command.split()
    group: Group = {"bench": bench, "experiment": experiment}[words[0]]
    called = group.commands[words[1]]
    known = {option for parameter in called.params for option in parameter.opts}
    assert {word for word in words if re.fullmatch(r"-{1,2}[a-z-]+", word)} <= known
