"""The dataset of runs: real runs are recorded whole or not at all, only where that is wanted, and handed on without secrets."""

from __future__ import annotations

import ast
import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agent import config
from agent.dataset import record as record_module
from agent.dataset.export import SCHEMA_FILE, TERMS, passing
from agent.dataset.record import Hidden, Record, without_path
from agent.dataset.redact import sha256_of
from agent.dataset.store import (
    NOTICE,
    RECORD,
    TEXTS,
    label,
    load,
    load_texts,
    migrate,
    names,
    record_run,
    stock,
    write,
)
from agent.demo import DEMOS
from graphs.errors import UserError
from tests.conftest import ROOT, Place, Terminal
from tests.scripted_author import SPEC, Author
from tests.stub_server import StubServer
from tests.test_feedback_cli import SAID, revising

DEMO = DEMOS["workdays"]
MODEL = f"replay-loosely:{DEMO.recording}"
SECRET = "s3cr3t/Value+of:ann 1"
CODED = base64.b64encode(f"ann:{SECRET}".encode()).decode()
pytestmark = pytest.mark.timeout(300)  # a whole run, of which the fixture is the most
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))
"""Validates every record that a test makes."""


def records(place: Place) -> Path:
    return place.state / "dataset"


def the_record(place: Place) -> dict[str, Any]:
    (name,) = names(place.state)
    found = load(place.state, name)
    VALIDATOR.validate(found)
    return found


@pytest.fixture
def place(place: Place) -> Place:
    """Where runs are recorded."""
    place.collects = True
    return place


@pytest.fixture(scope="module")
def recorded(shared_place: Place, bubblewrap: None) -> Place:
    """A whole run of a recording, the key of whose environment and an entry of whose .env stand in the specification."""
    shared_place.collects = True
    spec = DEMO.spec.read_text("utf-8") + f"\nThe key is {SECRET}, or {CODED}, and the region eu-west-17.\n"
    (shared_place.work / "spec.md").write_text(spec, "utf-8")
    (shared_place.work / ".env").write_text("REGION=eu-west-17\n")
    done = shared_place.agent("run", "spec.md", "-o", "out", "--model", MODEL, OPENAI_API_KEY=SECRET)
    assert done.returncode == 0, done
    assert done.stderr.splitlines()[0] == (
        f"Runs are recorded for you in {records(shared_place)}: prompts, answers, plans, verdicts, results. Nothing is sent anywhere."
    )
    assert "AGENT_COLLECT=0" in done.stderr
    return shared_place


def again(recorded: Place) -> tuple[Path, dict[str, str], Path]:
    """What records that run once more."""
    return recorded.runs()[0], {"OPENAI_API_KEY": SECRET}, recorded.work


@pytest.fixture
def copied(recorded: Place, tmp_path: Path) -> Place:
    """Its records, for a test to change."""
    place = Place(tmp_path / "copied", collects=True)
    shutil.copytree(records(recorded), records(place))
    return place


def test_a_run_leaves_a_valid_record(recorded: Place) -> None:
    found = the_record(recorded)
    assert found["outcome"]["status"] == found["labels"]["own_tests"] == "passed"
    assert [(c["step"], c["read"]) for c in found["calls"][:3]] == [
        ("requirements", "at once"),
        *[("plan", "at once")] * 2,
    ]
    assert found["models"] == {
        "asked": dict.fromkeys(("plan", "test", "code", "candidate"), "replay-loosely:recording.jsonl"),
        "served": ["manual"],
    }
    assert [(v["component"], v["step"], v["status"]) for v in found["verdicts"]] == [
        ("workdays", "code", "failed"),
        ("workdays", "repair", "failed"),
        ("workdays", "candidate", "failed"),
        ("workdays", "amend", "passed"),
        ("", "integration", "passed"),
    ]
    assert [r["author"] for r in found["plan"]["revisions"]] == ["model"]
    texts = load_texts(recorded.state, found["run"])
    for file in found["delivered"]:
        assert texts[file["sha256"]] == (recorded.output / file["path"]).read_text("utf-8")
    assert {file["test"] for file in found["delivered"]} == {False, True}


def test_each_text_is_kept_once_under_its_digest(recorded: Place) -> None:
    found = the_record(recorded)
    lines = [json.loads(line) for line in (records(recorded) / found["run"] / TEXTS).read_text("utf-8").splitlines()]
    assert [line["sha256"] for line in lines] == [sha256_of(line["text"]) for line in lines]
    assert len({line["text"] for line in lines}) == len(lines)
    used = [m["sha256"] for call in found["calls"] for m in call["messages"]] + [c["answer"] for c in found["calls"]]
    assert set(used) <= {line["sha256"] for line in lines}
    assert len(set(used)) < len(used)


def test_secrets_and_paths_are_not_in_it(recorded: Place) -> None:
    found = the_record(recorded)
    assert found["redaction"]["layers"] == ["exact"]
    assert found["redaction"]["found"]["secret:env"] >= 6
    for file in (RECORD, TEXTS):
        data = (records(recorded) / found["run"] / file).read_bytes()
        for secret in (SECRET, CODED[8:-4], "eu-west-17", str(recorded.root), str(DEMO.recording.parent)):
            assert secret.encode() not in data, secret
    spec = load_texts(recorded.state, found["run"])[found["spec"]["sha256"]]
    assert sum(f"‹secret:env:{number}›" in spec for number in (1, 2)) == 2


def test_a_later_process_without_the_secret_does_not_write_it_either(recorded: Place) -> None:
    """Whoever goes on with the run may not have the key in the environment any more."""
    before = (records(recorded) / the_record(recorded)["run"] / TEXTS).read_bytes()
    (recorded.work / ".env").rename(recorded.work / "env.gone")
    done = recorded.agent("resume")
    (recorded.work / "env.gone").rename(recorded.work / ".env")
    assert (done.returncode, done.stderr) == (0, ""), "the notice comes once"
    found = the_record(recorded)
    after = (records(recorded) / found["run"] / TEXTS).read_bytes()
    assert SECRET.encode() not in after
    assert {*before.splitlines()} == {*after.splitlines()}
    assert len(found["verdicts"]) == 5, "what a resume only goes through again is not there twice"


SAYINGS: dict[str, tuple[dict[str, Any], dict[str, str], str, bool]] = {
    "nothing": ({}, {}, "", True),
    "flag": ({"collect": False}, {"AGENT_COLLECT": "1"}, "", False),
    "environment": ({}, {"AGENT_COLLECT": "0"}, "collect = true\n", False),
    "environment, in words": ({}, {"AGENT_COLLECT": "False"}, "", False),
    "do not track": ({}, {"DO_NOT_TRACK": "1"}, "collect = true\n", False),
    "do not track, in words": ({}, {"DO_NOT_TRACK": "yes"}, "", False),
    "do not track is 0": ({}, {"DO_NOT_TRACK": "0"}, "", True),
    "do not track is empty": ({}, {"DO_NOT_TRACK": ""}, "", True),
    "ours is stronger": ({}, {"DO_NOT_TRACK": "1", "AGENT_COLLECT": "1"}, "", True),
    "file": ({}, {}, "collect = false\n", False),
}


@pytest.mark.parametrize("name", SAYINGS)
def test_who_says_that_runs_are_not_to_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    flags, env, toml, wanted = SAYINGS[name]
    (tmp_path / "agent.toml").write_text(toml)
    assert config.load(flags, env, tmp_path).settings.collect is wanted


def short(place: Place, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A run that meets its ceiling after one call."""
    return place.agent("run", str(DEMO.spec), "-o", "out", "--model", MODEL, "--max-calls", "1", *words, **env)


@pytest.mark.parametrize(("words", "env"), [(["--no-collect"], {}), ([], {"DO_NOT_TRACK": "1"})])
def test_off_means_that_no_record_is_written_also_when_the_run_goes_on(
    place: Place, bubblewrap: None, words: list[str], env: dict[str, str]
) -> None:
    done = short(place, *words, **env)
    assert (done.returncode, done.stderr) == (3, "")
    assert place.agent("resume", "--quiet").returncode == 3
    assert not records(place).exists()
    assert len(place.runs()) == 1


def test_who_says_no_later_is_heard_and_the_notice_keeps_out_of_the_way(place: Place, bubblewrap: None) -> None:
    done = short(place, "--quiet")
    assert (done.returncode, done.stderr) == (3, "")
    assert not (records(place) / NOTICE).exists(), "it is due"
    found = the_record(place)
    assert (found["outcome"]["status"], [c["read"] for c in found["calls"]]) == ("limit", ["at once"])
    shutil.rmtree(records(place) / found["run"])
    assert place.agent("resume", "--quiet", DO_NOT_TRACK="1").returncode == 3
    assert place.agent("resume", "--quiet", "--no-collect").returncode == 3
    assert names(place.state) == []


def test_a_run_does_not_fail_because_it_cannot_be_recorded(place: Place, bubblewrap: None) -> None:
    place.state.mkdir()
    records(place).write_text("a file is in the way")
    done = short(place)
    assert done.returncode == 3, done
    assert "the run is not in the dataset: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_what_the_user_says_later_joins_the_record(place: Place, bubblewrap: None) -> None:
    """It judges what was delivered then: what is delivered since nobody has judged."""
    (place.work / "spec.md").write_text(SPEC, "utf-8")
    with StubServer(Author(instead=revising)) as stub:
        words = ["run", "spec.md", "-o", "out", "--model", "scripted", "--base-url", stub.url]
        terminal = Terminal(place, *words, "--yes")
        for question in ("Did it run? [y/n]", "Did it work", "Is it perfect?"):
            terminal.read_until(question)
            terminal.type("y\n")
        assert terminal.end() == 0, terminal.seen
        first = the_record(place)
        assert [first["labels"][name] for name in ("ran", "worked", "perfect")] == [True] * 3
        assert place.agent("feedback", first["run"], SAID, "--quiet").returncode == 0
    second = the_record(place)
    assert [said["text"] for said in second["feedback"]] == ["", SAID]
    assert [said["revision"] for said in second["feedback"]] == [1, 1]
    assert second["plan"]["final"]["revision"] == 2
    assert second["labels"] == {"own_tests": "passed", "ran": None, "worked": None, "perfect": None, "hidden": None}
    assert len(second["calls"]) > len(first["calls"])


def test_a_label_of_hidden_tests_stays_while_the_files_do(recorded: Place, copied: Place) -> None:
    before = the_record(copied)
    texts = (records(copied) / before["run"] / TEXTS).read_bytes()
    assert label(copied.state, before["run"], hidden=Hidden("ours", "workdays", False, 0.75))
    after = the_record(copied)
    said = {"suite": "ours", "task": "workdays", "passed": False, "score": 0.75}
    assert after == {**before, "labels": {**before["labels"], "hidden": said}}
    assert (records(copied) / before["run"] / TEXTS).read_bytes() == texts
    assert stock(copied.state).labels["hidden"] == {"no": 1}
    record_run(copied.state, *again(recorded))
    assert the_record(copied)["labels"]["hidden"] == said
    other = the_record(copied)
    other["delivered"][0]["sha256"] = "0" * 64
    write(copied.state, before["run"], other, {})
    record_run(copied.state, *again(recorded))
    assert the_record(copied)["labels"]["hidden"] is None, "it was said of other files"
    assert not label(copied.state, "no-such-run", Hidden("ours", "workdays", True, 1.0))


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({}, True),
        ({"ran": True, "worked": True, "perfect": False}, True),
        ({"ran": False}, False),
        ({"worked": False}, False),
        ({"hidden": {"passed": True}}, True),
        ({"hidden": {"passed": False}}, False),
    ],
)
def test_whoever_said_that_it_does_not_work_is_believed(labels: dict[str, Any], wanted: bool) -> None:
    assert passing({"outcome": {"status": "passed"}, "labels": labels}) is wanted
    assert not passing({"outcome": {"status": "failed"}, "labels": labels})


def test_status_tells_why_and_what(recorded: Place) -> None:
    told = recorded.json("dataset", "status")
    assert (told["collect"], told["origin"], told["records"], told["unreadable"]) == (True, "default", 1, 0)
    assert told["bytes"] == sum(
        (records(recorded) / the_record(recorded)["run"] / f).stat().st_size for f in (RECORD, TEXTS)
    )
    assert told["labels"]["own_tests"] == {"passed": 1}
    assert told["since"] == the_record(recorded)["started"]
    off = recorded.agent("dataset", "status", DO_NOT_TRACK="1").stdout
    assert off.splitlines()[0] == "recording  off (environment DO_NOT_TRACK)"


@pytest.mark.timeout(20)
def test_status_of_many_records_looks_at_no_text(copied: Place) -> None:
    found = the_record(copied)
    for number in range(200):
        folder = records(copied) / f"{found['run']}-{number}"
        folder.mkdir()
        os.link(records(copied) / found["run"] / RECORD, folder / RECORD)
        os.mkfifo(folder / TEXTS)  # whoever opens it waits for ever
    assert stock(copied.state).records == 201


def test_export_of_whole_records(recorded: Place, tmp_path: Path) -> None:
    before = (records(recorded) / the_record(recorded)["run"] / RECORD).read_bytes()
    done = recorded.agent(
        "dataset", "export", "-o", str(tmp_path / "x"), "--licence", "CC-BY-4.0", "--json", API_TOKEN="R13 is"
    )
    told = json.loads(done.stdout)
    assert [Path(file).name for file in told["files"]] == ["runs.jsonl", "README.md", "redaction.json"]
    (line,) = (tmp_path / "x" / "runs.jsonl").read_text("utf-8").splitlines()
    VALIDATOR.validate(json.loads(line))
    exported = json.loads(line)
    assert exported["texts"][exported["spec"]["sha256"]].startswith("# workdays")
    assert {"exact", "shapes", "identities"} == set(exported["redaction"]["layers"])
    assert json.loads((tmp_path / "x" / "redaction.json").read_text())["found"] == told["redacted"]
    card = (tmp_path / "x" / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    assert TERMS in card
    assert "- manual (1 runs)" in card
    assert (records(recorded) / exported["run"] / RECORD).read_bytes() == before, "the stored one stays"
    again = recorded.agent("dataset", "export", "-o", str(tmp_path / "x"))
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "is there already" in again.stderr


def test_export_of_conversations_holds_only_what_was_of_use(recorded: Place, tmp_path: Path) -> None:
    file = tmp_path / "out" / "chat.jsonl"
    told = recorded.json("dataset", "export", "-o", str(file), "--format", "chat")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert (len(lines), told["records"]) == (told["rows"], 1)
    assert all([m["role"] for m in line["messages"]][-2:] == ["user", "assistant"] for line in lines)
    found, texts = the_record(recorded), load_texts(recorded.state, the_record(recorded)["run"])
    kept = {line["messages"][-1]["content"] for line in lines}
    code = [texts[c["answer"]] in kept for c in found["calls"] if c["step"] in ("code", "repair")]
    assert code.count(True) == 1, "of three programs one was delivered"
    assert sorted(p.name for p in file.parent.iterdir()) == ["chat.README.md", "chat.jsonl", "chat.redaction.json"]


def test_export_as_tables(recorded: Place, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    told = recorded.json("dataset", "export", "-o", str(tmp_path / "x"), "--format", "parquet")
    calls, runs = (parquet.read_table(tmp_path / "x" / f"{name}.parquet").to_pylist() for name in ("calls", "runs"))
    assert (len(calls), len(runs)) == (told["rows"], 1)
    assert calls[0]["messages"][-1]["role"] == "user"
    assert runs[0]["own_tests"] == "passed"


def test_without_pyarrow_the_extra_is_named(copied: Place, tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError('not here')\n")
    path = f"{ROOT}{os.pathsep}{tmp_path}"
    done = copied.agent(
        "dataset", "export", "-o", "x", "--format", "parquet", PYTHONPATH=os.pathsep.join(path.split(os.pathsep)[::-1])
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: parquet needs pyarrow, which is not installed; get it with: pip install 'stepgraph[dataset]', or export jsonl\n"
    )
    assert not (copied.work / "x").exists()


WRONG = {
    "nothing since": (
        ["export", "-o", "x", "--since", "2999-01-01"],
        "none of the 1 records holds a run that began on 2999-01-01 or later",
    ),
    "no such run": (["export", "nowhere", "-o", "x"], "the run 'nowhere' has no record; there are 2"),
    "one file for two tables": (["export", "-o", "x.parquet", "--format", "parquet"], "name a directory with -o"),
    "another ending": (["export", "-o", "x.parquet"], "end its name in .jsonl"),
    "nobody to ask": (["delete", "--all"], "1 records would be deleted, and nobody is there to ask; say so with --yes"),
    "all or some": (["delete"], "name runs, or all of them with --all"),
}


@pytest.mark.parametrize("name", WRONG)
def test_misuse_is_one_sentence_and_changes_nothing(recorded: Place, name: str) -> None:
    words, part = WRONG[name]
    done = recorded.agent("dataset", *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done
    assert part in done.stderr
    assert not (recorded.work / "x").exists()
    assert len(names(recorded.state)) == 1


def test_redacting_what_is_stored_is_for_good_and_done_once(recorded: Place, copied: Place) -> None:
    run = the_record(copied)["run"]
    texts = load_texts(copied.state, run)
    said = 'write to jane.doe@corp.io, password = "hunter22"'
    found = the_record(copied)
    found["calls"][0]["answer"] = sha256_of(said)
    found["from_a_newer_program"] = {"kept": 1}
    write(copied.state, run, found, {**texts, sha256_of(said): said})
    dry = copied.json("dataset", "redact", "--dry-run")
    assert load(copied.state, run) == found
    done = copied.json("dataset", "redact")
    assert dry["redacted"] == done["redacted"]
    assert (done["redacted"]["email"], done["redacted"]["secret:value"]) == (1, 1)
    after = the_record(copied)
    answer = load_texts(copied.state, run)[after["calls"][0]["answer"]]
    assert answer == 'write to ‹email:1›, password = "‹secret:value:1›"'
    assert after["from_a_newer_program"] == {"kept": 1}
    assert b"hunter22" not in b"".join(f.read_bytes() for f in records(copied).rglob("*") if f.is_file())
    assert copied.json("dataset", "redact")["redacted"] == {}
    assert the_record(copied) == after
    record_run(copied.state, *again(recorded))
    assert the_record(copied)["redaction"]["layers"] == ["exact", "shapes", "identities"], "also when the run goes on"


def test_deleting_takes_records_and_leaves_runs(copied: Place) -> None:
    first = the_record(copied)["run"]
    run = copied.state / "runs" / first
    run.mkdir(parents=True)
    for number in "23":
        shutil.copytree(records(copied) / first, records(copied) / f"{first}-{number}")
    assert copied.json("dataset", "delete", f"{first}-2", "--yes")["deleted"] == 1
    assert names(copied.state) == [first, f"{first}-3"]
    terminal = Terminal(copied, "dataset", "delete", "--all")
    terminal.read_until("Delete 2 records?")
    terminal.type("n\n")
    assert terminal.end() == 130
    assert len(names(copied.state)) == 2
    assert copied.agent("dataset", "delete", "--all", "--yes").returncode == 0
    assert names(copied.state) == []
    assert not [p for p in records(copied).rglob("*") if p.name in (RECORD, TEXTS)]
    assert run.is_dir()


def write_and_be_killed(home: Path, left: int) -> bool:
    """Replace the record in a process that is killed before the operation on the disk after ``left``; whether it got to its end."""
    child = os.fork()
    if child == 0:
        count = 0

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*words: Any, **more: Any) -> Any:
                nonlocal count
                count += 1
                if count > left:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*words, **more)

            return call

        for name in ("mkdir", "fsync", "rename", "rmdir", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        write(home, "r", {"schema": "run/1", "run": "r", "n": 2}, {sha256_of("two"): "two"})
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("replaced", [False, True])
def test_killed_at_any_instant_there_is_a_whole_record_or_none(tmp_path: Path, replaced: bool) -> None:
    seen = []
    for left in range(30):
        home = tmp_path / str(left)
        if replaced:
            write(home, "r", {"schema": "run/1", "run": "r", "n": 1}, {sha256_of("one"): "one"})
        ended = write_and_be_killed(home, left)
        if names(home):
            found, texts = load(home, "r"), load_texts(home, "r")
            assert list(texts.values()) == [{1: "one", 2: "two"}[found["n"]]]
            seen.append(found["n"])
        else:
            seen.append(0)
        write(home, "r", {"schema": "run/1", "run": "r", "n": 3}, {sha256_of("three"): "three"})
        assert load(home, "r")["n"] == 3
        assert sorted(p.name for p in (home / "dataset").iterdir()) == [".lock", "r"], "nothing is left lying about"
        if ended:
            break
    else:
        pytest.fail("it was never let through")
    assert seen == sorted(seen)
    assert {*seen} == ({1, 2} if replaced else {0, 2})


def test_an_older_record_is_brought_up_to_date_and_a_newer_one_refused(copied: Place) -> None:
    steps = {
        "run/-1": lambda r: {**r, "schema": "run/0", "a": 1},
        "run/0": lambda r: {**r, "schema": "run/1", "b": r["a"] + 1},
    }
    assert migrate({"schema": "run/-1", "unknown": 7}, steps) == {"schema": "run/1", "unknown": 7, "a": 1, "b": 2}
    with pytest.raises(UserError, match=r"newer version.*'run/2'.*'run/1'.*upgrade"):
        migrate({"schema": "run/2", "run": "r"})
    with pytest.raises(UserError, match="none that this program wrote"):
        migrate({"run": "r"})
    run = the_record(copied)["run"]
    path = records(copied) / run / RECORD
    path.write_text(path.read_text().replace('"run/1"', '"run/2"'))
    done = copied.agent("dataset", "export", "-o", "x")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "newer version" in done.stderr
    assert (stock(copied.state).records, stock(copied.state).unreadable) == (1, 1)
    assert copied.agent("dataset", "delete", run, "--yes").returncode == 0


def test_the_schema_is_that_of_the_values() -> None:
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    VALIDATOR.check_schema(schema)
    assert [f.name for f in fields(Record)] == schema["required"]
    of = {
        "call": "Call",
        "verdict": "Judged",
        "component": "Part",
        "delivered": "Delivered",
        "hidden": "Hidden",
        "labels": "Labels",
    }
    for name, value in of.items():
        assert [f.name for f in fields(getattr(record_module, value))] == schema["$defs"][name]["required"], name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("replay:/home/ann/x.jsonl", "replay:x.jsonl"),
        ("local:transformers:/models/a", "local:transformers:a"),
        ("local:transformers:org/name", "local:transformers:org/name"),
        ("/models/llama", "llama"),
        ("openrouter/org/name:free", "openrouter/org/name:free"),
    ],
)
def test_models_are_named_without_paths(name: str, shown: str) -> None:
    assert without_path(name) == shown


NETWORK = {
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "httpx",
    "requests",
    "aiohttp",
    "asyncio",
    "subprocess",
    "ftplib",
    "smtplib",
}


def imported() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "agent" / "dataset").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield path.name, node.module or ""


def test_nothing_in_the_package_can_open_a_connection() -> None:
    found = {(file, name) for file, name in imported() if name in NETWORK or name.partition(".")[0] in NETWORK}
    assert found == set()
    assert len(list(imported())) > 30
