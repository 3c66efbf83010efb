"""What every kind of sandbox promises, whatever it confines."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from agent.sandbox import KINDS, open_sandbox
from agent.sandbox.base import Ended, Job, Sandbox, SandboxLimits
from graphs.errors import ConfigError, PrerequisiteError

SMALL = SandboxLimits(seconds=20, memory_mb=200, processes=30, disk_mb=32, file_mb=4, output_kb=8)


@pytest.fixture(scope="module", params=sorted(KINDS))
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    kind = open_sandbox(request.param)
    try:
        kind.probe()
    except PrerequisiteError as error:
        pytest.skip(f"{request.param} cannot be tried here: {error}")
    return kind


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("VALUE = 7\n")
    (tmp_path / "run.sh").write_text("echo ran")
    (tmp_path / "run.sh").chmod(0o755)
    return tmp_path


def python(code: str) -> tuple[str, ...]:
    return ("python", "-c", code)


def test_unknown_kind_is_refused_and_the_kinds_are_named() -> None:
    with pytest.raises(ConfigError, match=r"'docker'.*bubblewrap, none"):
        open_sandbox("docker")


@pytest.mark.parametrize(
    ("argv", "status", "stdout"),
    [
        (("true",), 0, b""),
        (("sh", "-c", "exit 7"), 7, b""),
        (("sh", "-c", "kill -9 $$"), 137, b""),
        (("no-such-command",), 127, b""),
        (("printf", "%s|", "a b", "-c", "$HOME", "\n"), 0, b"a b|-c|$HOME|\n|"),
        (("sh", "-c", "./run.sh; cat pkg/__init__.py"), 0, b"ran\nVALUE = 7\n"),
        (python("import pkg; print(pkg.VALUE)"), 0, b"7\n"),
        (python("import pytest; print(pytest.__name__)"), 0, b"pytest\n"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, tuple) else "",
)
def test_command_runs_on_a_copy(
    sandbox: Sandbox, source: Path, argv: tuple[str, ...], status: int, stdout: bytes
) -> None:
    ended = sandbox.run(Job(argv, source=source, limits=SMALL))
    assert (ended.ending, ended.exit, ended.stdout, ended.reason) == ("exit", status, stdout, ""), ended
    assert ended.sandbox == sandbox.label


def test_nothing_written_comes_back(sandbox: Sandbox, source: Path) -> None:
    ended = sandbox.run(Job(("sh", "-c", "echo x > new; echo x > run.sh; rm -r pkg; ls"), source=source, limits=SMALL))
    assert ended.stdout == b"new\nrun.sh\n", ended
    assert sorted(path.name for path in source.iterdir()) == ["pkg", "run.sh"]
    assert (source / "run.sh").read_text() == "echo ran"


def test_environment_is_built_from_nothing(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hostage")
    job = Job(("sh", "-c", "env; cat /proc/self/environ"), env={"GIVEN": "a b=c"}, limits=SMALL)
    ended = sandbox.run(job)
    assert b"GIVEN=a b=c" in ended.stdout.splitlines()
    assert b"hostage" not in ended.stdout
    names = {line.split(b"=")[0].decode() for line in ended.stdout.partition(b"\0")[0].splitlines()}
    assert names & set(os.environ) <= {"PATH", "HOME", "TMPDIR", "LANG", "USER", "LOGNAME", "PWD", "SHLVL", "_"}


def test_standard_input_channel_and_key(sandbox: Sandbox) -> None:
    code = (
        "import os, sys\n"
        "key = os.read(4, 99)\n"
        "assert os.read(4, 99) == b'', 'the key can be read twice'\n"
        "os.write(3, key[::-1] + sys.stdin.buffer.read())\n"
        "def is_open(fd):\n"
        "    try: os.fstat(fd)\n"
        "    except OSError: return False\n"
        "    return True\n"
        "print([fd for fd in range(256) if is_open(fd)])\n"
    )
    ended = sandbox.run(Job(python(code), stdin=b"typed" * 40000, channel=True, key=b"secret", limits=SMALL))
    assert ended.exit == 0, ended
    assert ended.channel == b"terces" + b"typed" * 40000
    assert ended.stdout == b"[0, 1, 2, 3, 4]\n", ended


def test_without_channel_and_key_only_the_three_are_open(sandbox: Sandbox) -> None:
    ended = sandbox.run(Job(("sh", "-c", "for f in 3 4 5 6 7 8 9; do eval ': <&'$f && echo $f; done"), limits=SMALL))
    assert ended.stdout == b"", ended


def test_inherited_descriptors_are_not_passed_on(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hostage")
    fd = os.open(tmp_path / "secret", os.O_RDONLY)
    try:
        os.set_inheritable(fd, True)
        ended = sandbox.run(Job(("sh", "-c", f"cat /proc/self/fd/{fd}; ls /proc/self/fd"), limits=SMALL))
    finally:
        os.close(fd)
    assert b"hostage" not in ended.stdout
    assert str(fd).encode() not in ended.stdout.split()


def test_readonly_mounts_are_seen_at_their_place(sandbox: Sandbox, tmp_path: Path, source: Path) -> None:
    frozen = tmp_path.parent / f"{tmp_path.name}-frozen"
    frozen.mkdir()
    (frozen / "test_a.py").write_text("frozen")
    job = Job(
        ("sh", "-c", "cat /box/tests/test_a.py tests/unit/test_a.py $GIVEN; ls"),
        source=source,
        readonly={"/box/tests": frozen, "/box/work/tests/unit": frozen},
        env={"GIVEN": "/box/tests/test_a.py"},
        limits=SMALL,
    )
    ended = sandbox.run(job)
    assert ended.stdout == b"frozenfrozenfrozenpkg\nrun.sh\ntests\n", ended


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (Job(("true",), source=Path("/no/such/place")), "not a directory"),
        (Job(("true",), readonly={"relative": Path("/usr")}), "plain absolute path"),
        (Job(("true",), readonly={"/box/../etc": Path("/usr")}), "plain absolute path"),
        (Job(("true",), source=Path("/usr"), readonly={"/box/work/bin": Path("/etc")}), "also in the source"),
    ],
)
def test_jobs_that_cannot_be_meant_are_refused(sandbox: Sandbox, job: Job, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sandbox.run(job)


@pytest.mark.parametrize(
    ("argv", "limits", "ending"),
    [
        (("sleep", "30"), replace(SMALL, seconds=0.4), "time"),
        (("sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"), replace(SMALL, seconds=0.4), "time"),
        (("cat", "/dev/zero"), SMALL, "output"),
        (("sh", "-c", "cat /dev/zero >&2"), SMALL, "output"),
        (
            python(
                "import mmap, time\nm = mmap.mmap(-1, 400 << 20)\n"
                "for _ in range(400): m.write(bytes(1 << 20))\ntime.sleep(9)"
            ),
            replace(SMALL, memory_mb=128),
            "memory",
        ),
        (
            python(
                "import os, time\nfor _ in range(3):\n    if not os.fork():\n"
                "        x = b'x' * (90 << 20); time.sleep(20)\ntime.sleep(20)"
            ),
            SMALL,
            "memory",
        ),
    ],
    ids=["time", "stubborn", "stdout", "stderr", "shared memory", "many small ones"],
)
def test_ceilings_end_the_job(sandbox: Sandbox, argv: tuple[str, ...], limits: SandboxLimits, ending: str) -> None:
    ended = sandbox.run(Job(argv, limits=limits))
    assert (ended.ending, ended.exit) == (ending, None), ended
    assert ended.reason


def test_too_many_processes_are_stopped(sandbox: Sandbox) -> None:
    """Either the kernel refuses them to the program, or the watchdog ends it; never do they all run."""
    mark = f"time.sleep(20.{os.getpid()})"
    code = f"import os, time\nfor _ in range(150):\n    if not os.fork(): {mark}\nprint('all'); {mark}"
    ended = sandbox.run(Job(python(code), limits=replace(SMALL, processes=20)))
    assert ended.ending == "processes" or (ended.ending == "exit" and ended.exit != 0), ended
    assert not [command for command in commands() if mark in command]


def commands() -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def test_daemons_do_not_outlive_the_command(sandbox: Sandbox) -> None:
    mark = f"sleep 31.{os.getpid()}"
    started = f"(setsid {mark} &); (setsid sh -c '(setsid {mark} &)' &); {mark} & sleep 0.2; exit 3"
    ended = sandbox.run(Job(("sh", "-c", started), limits=SMALL))
    assert (ended.ending, ended.exit) == ("exit", 3), ended
    assert not [command for command in commands() if mark in command]


@pytest.mark.parametrize("size", [0, 100, 8 * 1024, 8 * 1024 + 1, 60_000])
def test_head_and_tail_of_output_are_kept(sandbox: Sandbox, size: int) -> None:
    code = f"import sys; n = {size}; sys.stdout.write(('a' * (n // 2) + 'b' * (n - n // 2)))"
    ended = sandbox.run(Job(python(code), limits=SMALL))
    keep = 8 * 1024
    assert ended.dropped == max(0, size - keep), ended
    if size <= keep:
        assert ended.stdout == b"a" * (size // 2) + b"b" * (size - size // 2)
    else:
        note = b"\n[... %d bytes dropped ...]\n" % ended.dropped
        assert ended.stdout == b"a" * (keep // 2) + note + b"b" * (keep // 2)


def test_large_files_are_refused_to_the_program(sandbox: Sandbox) -> None:
    ended = sandbox.run(Job(("sh", "-c", "head -c 6000000 /dev/zero > big; wc -c < big"), limits=SMALL))
    assert int(ended.stdout) <= 4 << 20, ended


def test_verdict_channel_is_bounded(sandbox: Sandbox) -> None:
    code = "import os\nwhile True: os.write(3, b'x' * 65536)"
    ended = sandbox.run(Job(python(code), channel=True, limits=SMALL))
    assert ended.ending == "output", ended
    assert len(ended.channel) == 4 << 20


def test_runs_side_by_side_do_not_mix(sandbox: Sandbox) -> None:
    results: dict[int, Ended] = {}

    def one(number: int) -> None:
        job = Job(python("import os; os.write(3, os.read(4, 9))"), channel=True, key=b"%d" % number, limits=SMALL)
        results[number] = sandbox.run(job)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: ended.channel for number, ended in results.items()} == {n: b"%d" % n for n in range(6)}


def test_no_descriptor_and_no_file_is_left_open_here(sandbox: Sandbox, source: Path) -> None:
    sandbox.run(Job(("true",), source=source, channel=True, key=b"k", stdin=b"x", limits=SMALL))
    before = sorted(os.listdir("/proc/self/fd"))
    for argv, limits in (
        (("true",), SMALL),
        (("sleep", "9"), replace(SMALL, seconds=0.2)),
        (("cat", "/dev/zero"), SMALL),
    ):
        sandbox.run(Job(argv, source=source, channel=True, key=b"k", stdin=b"x", limits=limits))
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("place", ["/tmp/below/tmp", "/var/tmp/below"])
def test_a_mount_below_tmp_leaves_temporary_files_possible(sandbox: Sandbox, source: Path, place: str) -> None:
    """A project cloned into /tmp has its interpreter there."""
    if sandbox.label != "bubblewrap":
        pytest.skip("there are no mounts without a sandbox")
    code = f"import tempfile; tempfile.TemporaryFile(); print(open({place!r} + '/run.sh').read())"
    ended = sandbox.run(Job(("python", "-c", code), readonly={place: source}))
    assert (ended.exit, ended.stdout) == (0, b"echo ran\n")
