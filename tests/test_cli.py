"""The root of the command line as a process: exit statuses, sentences, help that imports nothing, plug-ins, doctor."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from agent import __version__
from agent.cli import COMMANDS, main

HEAVY = (
    "langgraph",
    "langchain_core",
    "langchain_openai",
    "networkx",
    "pydantic",
    "rich",
    "openai",
    "guidance",
    "yaml",
)

PLUGIN = """
import os, sys
import click
from graphs import errors

@click.command()
@click.argument("how")
@click.option("--json", "as_json", is_flag=True)
def end(how, as_json):
    if how == "return 1":
        return 1
    if how == "exit 3":
        sys.exit(3)
    if how == "group":
        raise ExceptionGroup("g", [ValueError("x"), errors.LimitReached("usd", "5 USD are spent")])
    if how == "wait":
        print("ready", flush=True)
        import time
        time.sleep(60)
    if how == "print":
        for _ in range(10000):
            click.echo("x" * 100)
    if how != "pass":
        raise eval(how, {**vars(errors), "click": click})

not_a_command = 3
"""

ENDS = {
    "pass": (0, ""),
    "return 1": (1, ""),
    "exit 3": (3, ""),
    "UserError('it is so; do this')": (2, "error: it is so; do this\n"),
    "SpecError('two\\nlines \\x1b[31m')": (2, "error: two lines \\x1b[31m\n"),
    "PlanError(['a is wrong', 'b too'])": (2, "error: a is wrong; b too\n"),
    "ModelRefused('wrong key')": (2, "error: wrong key\n"),
    "JournalError('disk full')": (2, "error: disk full\n"),
    "LimitReached('usd', '5 USD are spent')": (3, "error: 5 USD are spent\n"),
    "ModelError('no answer')": (1, "error: no answer\n"),
    "AgentError('went wrong')": (1, "error: went wrong\n"),
    "group": (3, "error: 5 USD are spent\n"),
    "KeyboardInterrupt()": (130, "\ninterrupted\n"),
    "click.Abort()": (130, "interrupted\n"),
    "OSError(28, 'No space left on device', 'x.db')": (
        2,
        "error: No space left on device: 'x.db'; free space or permit it, then try again\n",
    ),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty working directory inside a directory with an installed plug-in package."""
    package = tmp_path / "site" / "plugged-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[agent.commands]\nend = plugged:end\nrun = plugged:end\n"
        "broken = no_such_module:x\nodd = plugged:not_a_command\n"
    )
    (tmp_path / "site" / "plugged.py").write_text(PLUGIN)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def environment(place: Path, **more: str) -> dict[str, str]:
    root = place.parent
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
    # No model server of this machine takes part: its port of Ollama is one where nothing listens.
    return {
        **kept,
        "HOME": str(root),
        "AGENT_HOME": str(root / "state"),
        "XDG_CONFIG_HOME": str(root / "config"),
        "PYTHONPATH": os.pathsep.join([str(root / "site"), str(Path(__file__).parent.parent)]),
        "OLLAMA_HOST": "127.0.0.1:9",
        **more,
    }


def agent(place: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent.cli", *words],
        cwd=place,
        env=environment(place, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_row_is_a_command_with_help(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.get_short_help_str()


def test_help_lists_every_command_and_imports_nothing_heavy(place: Path) -> None:
    unwanted = (*HEAVY, *(target.partition(":")[0] for target, _ in COMMANDS.values()))
    program = (
        "import sys, agent.cli\n"
        "try: agent.cli.main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        f"print('loaded:', [m for m in {unwanted} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=place, env=environment(place), capture_output=True, text=True, check=True
    )
    *shown, loaded = done.stdout.splitlines()
    assert loaded == "loaded: []"
    words = [line.split()[0] for line in shown if line.startswith("  ") and line.split()]
    assert [word for word in words if word in COMMANDS] == list(COMMANDS)
    assert "From plugged." in done.stdout
    assert "broken" in words


def test_version(place: Path) -> None:
    done = agent(place, "--version")
    assert (done.returncode, done.stdout) == (0, f"agent (stepgraph) {__version__}\n")


@pytest.mark.parametrize("how", ENDS)
def test_each_end_has_its_status_and_sentence(place: Path, how: str) -> None:
    status, said = ENDS[how]
    done = agent(place, "end", how)
    assert (done.returncode, done.stderr, done.stdout) == (status, said, "")


@pytest.mark.parametrize(
    ("how", "body"),
    [
        ("UserError('a')", {"version": 1, "status": "misuse", "error": "a"}),
        ("LimitReached('usd', 'a')", {"version": 1, "status": "limit", "error": "a"}),
        ("ModelError('a')", {"version": 1, "status": "failed", "error": "a"}),
        ("KeyboardInterrupt()", {"version": 1, "status": "interrupted", "error": "interrupted"}),
    ],
)
def test_json_tells_the_same_end(place: Path, how: str, body: dict[str, object]) -> None:
    assert json.loads(agent(place, "end", how, "--json").stdout) == body


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["doctr"], "No such command 'doctr'. Did you mean 'doctor'? Try 'agent --help'."),
        (["xyzzy"], "No such command 'xyzzy'. Try 'agent --help'."),
        (["--versio"], "No such option '--versio'. Did you mean '--version'? Try 'agent --help'."),
        (["end", "--jsn", "pass"], "No such option '--jsn'. Did you mean '--json'? Try 'agent end --help'."),
        (["end"], "Missing argument 'HOW'. Try 'agent end --help'."),
        (["broken"], "the command 'broken' of plugged cannot be loaded (ModuleNotFoundError: No module named"),
        (["odd"], "the command 'odd' of plugged is not a click command; update that package"),
    ],
)
def test_misuse_is_one_sentence(place: Path, words: list[str], said: str) -> None:
    done = agent(place, *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_nothing_said_shows_the_help(place: Path) -> None:
    done = agent(place)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: agent [OPTIONS] COMMAND")


def test_a_plugin_cannot_replace_our_command(place: Path) -> None:
    assert "Missing argument 'SPEC'" in agent(place, "run").stderr


def test_an_internal_error_is_one_line_and_its_traceback_a_file(place: Path) -> None:
    done = agent(place, "end", "ValueError('odd')")
    assert done.returncode == 1
    assert done.stderr.startswith("error: internal error (ValueError: odd); please report it with '")
    assert done.stderr.count("\n") == 1
    (path,) = (place.parent / "state" / "errors").iterdir()
    assert str(path) in done.stderr
    assert "Traceback" in path.read_text()


def test_a_broken_pipe_of_our_own_is_not_hushed_up(place: Path) -> None:
    done = agent(place, "end", "BrokenPipeError(32, 'Broken pipe')")
    assert done.returncode == 1
    assert "internal error (BrokenPipeError" in done.stderr


def test_without_a_place_for_it_the_traceback_is_shown(place: Path) -> None:
    done = agent(place, "end", "ValueError('odd')", AGENT_HOME="/dev/null/nowhere")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["end", "print"], ["end", "UserError('a')", "--json"]])
def test_a_closed_pipe_is_quiet(place: Path, words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "agent.cli", *words],
            cwd=place,
            env=environment(place),
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == ((2, "error: a\n") if "--json" in words else (141, ""))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_sentence(place: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "agent.cli", "--help"],
            cwd=place,
            env=environment(place),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: No space left on device")


def test_ctrl_c_is_130(place: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "end", "wait"],
        cwd=place,
        env=environment(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "\ninterrupted\n")


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Lists one model to whoever has the key ``good``."""

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == "Bearer good"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        self.wfile.write(b'{"data": [{"id": "m"}]}' if self.path == "/v1/models" else b"<html>")

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def checks(place: Path, **more: str) -> dict[str, tuple[bool, str]]:
    """What ``agent doctor --json`` found: name → (as it should be, detail and remedy)."""
    done = agent(place, "doctor", "--json", **more)
    body = json.loads(done.stdout)
    assert done.returncode == (0 if body["ready"] else 2)
    assert body["ready"] == all(check["ok"] for check in body["checks"] if check["needed"])
    return {check["name"]: (check["ok"], f"{check['detail']} {check['remedy']}") for check in body["checks"]}


def test_doctor_says_what_is_missing(place: Path) -> None:
    found = checks(place)
    assert found["python"][0]
    assert found["state"][0]
    assert not found["model"][0]
    assert "agent demo" in found["model"][1]


def test_doctor_without_programs(place: Path, tmp_path: Path) -> None:
    found = checks(place, PATH=str(tmp_path))
    assert "install git" in found["git"][1]
    assert not found["sandbox"][0]
    assert "bubblewrap" in found["sandbox"][1]


@pytest.mark.parametrize(
    ("key", "model", "expected"),
    [
        ("good", "m", (True, "answers")),
        ("good", "other", (False, "does not list 'other' it lists m")),
        ("bad", "m", (False, "refuses the key put a valid key into MY_KEY")),
    ],
)
def test_doctor_asks_the_endpoint(place: Path, endpoint: str, key: str, model: str, expected: tuple[bool, str]) -> None:
    found = checks(place, AGENT_BASE_URL=endpoint, AGENT_MODEL=model, AGENT_API_KEY_ENV="MY_KEY", MY_KEY=key)
    ok, said = found["endpoint"]
    assert ok == expected[0]
    assert expected[1] in said


def test_doctor_knows_whether_the_model_can_be_asked_in_the_way_that_is_wanted(place: Path, endpoint: str) -> None:
    settings = {"AGENT_BASE_URL": endpoint, "AGENT_MODEL": "m", "OPENAI_API_KEY": "good"}
    assert checks(place, **settings)["strategy"] == (True, "plain ")
    assert checks(place, **settings, AGENT_STRATEGY="guided", AGENT_STRATEGY_CODE="plain")["strategy"][0]
    ok, said = checks(place, **settings | {"AGENT_MODEL": "manual:answers", "AGENT_STRATEGY_PLAN": "guided"})[
        "strategy"
    ]
    assert not ok
    assert "needs a local engine" in said


@pytest.mark.parametrize(
    ("path", "said"), [("/elsewhere", "not as an OpenAI-compatible server"), (":1", "does not answer")]
)
def test_doctor_knows_a_wrong_address(place: Path, endpoint: str, path: str, said: str) -> None:
    url = "http://127.0.0.1:1/v1" if path == ":1" else endpoint.removesuffix("/v1") + path
    found = checks(place, AGENT_BASE_URL=url, AGENT_MODEL="m", OPENAI_API_KEY="good")
    assert found["endpoint"] == (False, found["endpoint"][1])
    assert said in found["endpoint"][1]


def test_doctor_tells_every_setting_and_no_secret(place: Path) -> None:
    (place / "agent.toml").write_text("[limits]\nmax_usd = 2\n")
    done = agent(
        place, "doctor", AGENT_BASE_URL="http://user:hidden@127.0.0.1:1/v1", OPENAI_API_KEY="sk-hidden", AGENT_MODEL="m"
    )
    assert "hidden" not in done.stdout + done.stderr
    assert "http://…@127.0.0.1:1/v1" in done.stdout
    (row,) = (line for line in done.stdout.splitlines() if "limits.rungs" in line)
    assert row.split(maxsplit=1)[1].split() == ["candidate,", "amend,", "respecify,", "split,", "ask", "default"]
    (row,) = (line for line in done.stdout.splitlines() if "limits.max_usd" in line)
    assert row.split() == ["limits.max_usd", "2.0", str(place / "agent.toml")]


def test_doctor_refuses_a_wrong_setting(place: Path) -> None:
    (place / "agent.toml").write_text("paralel = 2\n")
    done = agent(place, "doctor")
    assert done.returncode == 2
    assert "did you mean 'parallel'?" in done.stderr
