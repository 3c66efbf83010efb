"""What the README says can be typed: each command parses, the cheap ones are run here, CI runs the two ``make`` commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from agent.cli import main
from agent.spec import read_spec

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
COMMANDS = [
    part.strip()
    for line in SHELL.splitlines()
    for part in line.partition("  #")[0].partition(" # ")[0].split(";")
    if part.strip()
]
AGENT = [c.removeprefix(".venv/bin/") for c in COMMANDS if "agent " in c]
MAKE = [c for c in COMMANDS if c.startswith("make ")]


def test_there_is_something_to_check() -> None:
    assert len(AGENT) >= 10
    assert {"make demo", "make test"} <= set(MAKE)
    assert not [c for c in COMMANDS if not re.match(r"(\.venv/bin/)?agent |make |export |\. ", c)]


@pytest.mark.parametrize("command", AGENT)
def test_each_agent_command_parses(command: str) -> None:
    words = shlex.split(command)[1:]
    context = click.Context(main)
    here: click.Command = main
    while isinstance(here, click.Group):
        found = here.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]!r}"
        here, words = found, words[1:]
    here.make_context(here.name, words)  # raises for an unknown option or a missing argument


@pytest.mark.parametrize("command", MAKE)
def test_each_make_command_is_run_by_ci(command: str) -> None:
    assert re.search(rf"\b{re.escape(command)}\b", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", ["agent examples list", "agent runs", "agent --help"])
def test_commands_that_cost_nothing_run(command: str, tmp_path: Path) -> None:
    assert command in README or command == "agent --help"
    ended = subprocess.run(
        [sys.executable, "-m", "agent.cli", *shlex.split(command)[1:]],
        env={**os.environ, "AGENT_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout


def test_the_spec_shown_is_a_spec_with_an_example(tmp_path: Path) -> None:
    shown = re.search(r"^````markdown\n(.*?)^````", README, re.MULTILINE | re.DOTALL)
    assert shown
    (tmp_path / "spec.md").write_text(shown[1], encoding="utf-8")
    spec = read_spec(str(tmp_path / "spec.md"))
    assert [step.run for example in spec.examples for step in example.steps] == ["python -m greet Ann"]


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
