"""``agent sandbox exec`` and ``write`` as a person meets them."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.sandbox import open_sandbox
from graphs.errors import PrerequisiteError


def agent(*words: str, stdin: str | bytes = b"", path: str | None = None) -> subprocess.CompletedProcess[bytes]:
    data = stdin.encode("utf-8", "surrogatepass") if isinstance(stdin, str) else stdin
    env = {"PATH": path if path is not None else "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}
    command = [sys.executable, "-m", "agent.cli", "sandbox", *words]
    return subprocess.run(command, input=data, capture_output=True, check=False, env=env, cwd=Path(__file__).parents[1])


CEILINGS = ("--mem-mb", "--procs", "--disk-mb", "--fsize-mb", "--out-kb")


@pytest.fixture(params=["bubblewrap", "none"])
def kind(request: pytest.FixtureRequest) -> str:
    try:
        open_sandbox(request.param).probe()
    except PrerequisiteError as error:
        pytest.skip(f"{request.param} cannot be tried here: {error}")
    return str(request.param)


@pytest.mark.parametrize(
    ("flags", "command", "status", "stdout", "says"),
    [
        ((), "echo out; echo err >&2; cat given; exit 5", 5, b"out\nhere", b"err"),
        ((), "kill -TERM $$", 143, b"", b""),
        (("--timeout", "0.5"), "echo begun; sleep 30", 124, b"begun\n", b"ended (time): it ran longer than 0.5 s"),
        (("--out-kb", "4"), "cat /dev/zero", 125, None, b"ended (output)"),
        (("--out-kb", "1"), "head -c 3000 /dev/zero | tr '\\0' x", 0, None, b""),
    ],
)
def test_exec_passes_on_output_and_status(
    *,
    kind: str,
    tmp_path: Path,
    flags: tuple[str, ...],
    command: str,
    status: int,
    stdout: bytes | None,
    says: bytes,
) -> None:
    (tmp_path / "given").write_text("here")
    done = agent("exec", "--sandbox", kind, "--ws", str(tmp_path), *flags, "--", "sh", "-c", command)
    assert done.returncode == status, done
    assert stdout is None or done.stdout == stdout
    assert says in done.stderr
    assert (b"UNSANDBOXED" in done.stderr) == (kind == "none")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("exec", "--ws", "/no/such/place", "--", "true"), b"/no/such/place"),
        (("exec", "--ws", "."), b"COMMAND"),
        (("exec", "--ws", ".", "--mem-mb", "0", "--", "true"), b"--mem-mb"),
        (("exec", "--ws", ".", "--timeout", "nan", "--", "true"), b"--timeout"),
        *((("exec", "--ws", ".", flag, "9" * 20, "--", "true"), flag.encode()) for flag in CEILINGS),
        (("test", "--ws", ".", "--ids", "README.md", "--timeout", "nan"), b"--timeout"),
        (("test", "--ws", ".", "--ids", "README.md", "--timeout", "inf"), b"--timeout"),
        (("exec", "--ws", ".", "--sandbox", "docker", "--", "true"), b"the kinds are: bubblewrap, none"),
        (("write", "--ws", "/no/such/place"), b"/no/such/place"),
        (("nonsense",), b"nonsense"),
    ],
)
def test_misuse_is_told(words: tuple[str, ...], says: bytes) -> None:
    done = agent(*words)
    assert (done.returncode, done.stdout) == (2, b""), done
    assert says in done.stderr
    assert b"Traceback" not in done.stderr


def test_without_bubblewrap_nothing_runs_and_the_remedy_is_named(tmp_path: Path) -> None:
    done = agent("exec", "--ws", str(tmp_path), "--", "sh", "-c", "echo ran", path=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"apt-get install -y bubblewrap" in done.stderr


def answer(*files: tuple[object, object]) -> str:
    return json.dumps({"files": [{"path": path, "content": content} for path, content in files]})


def test_write_writes_all(tmp_path: Path) -> None:
    done = agent("write", "--ws", str(tmp_path), stdin=answer(("a.py", "x = 1\n"), ("pkg/b.py", "ü")))
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "a.py").read_text() == "x = 1\n"
    assert (tmp_path / "pkg" / "b.py").read_text() == "ü"


@pytest.mark.parametrize(
    ("stdin", "status", "says"),
    [
        (answer(("ok.py", ""), ("../x", ""), ("conftest.py", "")), 1, [b"refused: '../x'", b"refused: 'conftest.py'"]),
        (answer(("ok.py", "1"), ("ok.py", "2")), 1, [b"refused: 'ok.py' is given twice"]),
        (answer(("ok.py", "\ud800")), 1, [b"surrogate"]),
        (answer(("a\x1b[2J.py", "")), 1, [b"\\x1b"]),
        ("", 2, [b"not JSON"]),
        (b"\xff\xfe{", 2, [b"not JSON"]),
        ("[" * 100_000, 2, [b"not JSON"]),
        ("[]", 2, [b"no list 'files'"]),
        ('{"files": {}}', 2, [b"no list 'files'"]),
        ('{"files": ["a.py"]}', 2, [b"entry 1"]),
        (answer(("ok.py", 1)), 2, [b"entry 1"]),
    ],
    ids=range(11),
)
def test_write_refuses_and_writes_nothing(tmp_path: Path, stdin: str | bytes, status: int, says: list[bytes]) -> None:
    done = agent("write", "--ws", str(tmp_path), stdin=stdin)
    assert done.returncode == status, done
    assert [word for word in says if word not in done.stderr] == []
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_write_of_many_files_needs_few_descriptors(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))  # the command inherits it
    try:
        done = agent("write", "--ws", str(tmp_path), stdin=answer(*((f"a/b/{n}.py", "") for n in range(200))))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list((tmp_path / "a" / "b").iterdir())) == 200


@pytest.fixture
def proven(tmp_path: Path, bubblewrap: None) -> Path:
    """A directory with one test that passes, in a file as some editors write it, and one that fails."""
    (tmp_path / "test_a.py").write_bytes(
        b"\xef\xbb\xbfdef test_a():\r\n    assert 1 < 2\r\ndef test_b():\r\n    assert 0\r\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("ids", "status"),
    [
        (b"\xef\xbb\xbftest_a.py::test_a\r\n\r\n", 0),
        (b"test_a.py::test_a\ntest_a.py::test_b\n", 1),
        (b"test_a.py::test_a\n./test_a.py::test_a\n", 1),
        (b"test_a.py::test_a" + b"\n" * 10_000_000 + b"test_a.py::test_b\n", 2),
    ],
    ids=["byte order marks", "one fails", "another spelling", "too long to be read"],
)
def test_every_id_of_the_file_is_proven_or_the_status_says_so(proven: Path, ids: bytes, status: int) -> None:
    (proven / "ids").write_bytes(ids)
    done = agent("test", "--ws", str(proven), "--ids", str(proven / "ids"))
    assert done.returncode == status, done


def test_a_terminated_test_leaves_nothing_behind(proven: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (proven / "test_a.py").write_text("import time\ndef test_a():\n    time.sleep(60)\n")
    (proven / "ids").write_text("test_a.py::test_a")
    place = tmp_path_factory.mktemp("temporary")
    command = [sys.executable, "-m", "agent.cli", "sandbox", "test", "--ws", str(proven), "--ids", str(proven / "ids")]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": str(place)}
    with subprocess.Popen(command, env=env, cwd=Path(__file__).parents[1]) as process:
        end = time.monotonic() + 60
        while not list(place.glob("stepgraph-*/tests-*")):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert list(place.iterdir()) == []
