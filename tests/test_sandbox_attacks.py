"""Hostile programs against the default sandbox. Each says what it got hold of; it must say that it was held.

An attack that succeeds meets the machine the tests run on, perhaps as root. So every one is made to do no harm
then: it asks or opens instead of writing, changes a thing to what it already is, and bombs and hogs are
bounded.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent.sandbox import open_sandbox
from agent.sandbox.base import Ended, Job, Sandbox, SandboxLimits
from agent.sandbox.bubblewrap import SPECIAL_FILES
from agent.sandbox.seccomp import ABSENT, MACHINES, REFUSED
from agent.sandbox.watchdog import exhausted
from graphs.errors import ConfigError, PrerequisiteError

LIMITS = SandboxLimits(seconds=15, memory_mb=256, processes=40, disk_mb=24, file_mb=64, output_kb=64)
ROOT = Path(__file__).parents[1]

PRELUDE = """
import ctypes, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, act):
    try: got = act()
    except OSError as error: print("held", name, error.errno); return
    print("ESCAPED", name, repr(got)[:200])
def call(number, *args):
    if libc.syscall(number, *args) < 0: raise OSError(ctypes.get_errno(), "")
"""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    kind = open_sandbox("bubblewrap")
    try:
        kind.probe()
    except PrerequisiteError as error:
        pytest.skip(f"bubblewrap cannot be tried here: {error}")
    return kind


def attack(sandbox: Sandbox, code: str, limits: SandboxLimits = LIMITS, source: Path | None = None) -> Ended:
    return sandbox.run(Job(("python", "-c", PRELUDE + textwrap.dedent(code)), source=source, limits=limits))


def held(ended: Ended, times: int) -> None:
    """The program ran to its end and every one of its attempts was refused."""
    lines = ended.stdout.decode().splitlines()
    assert (ended.ending, ended.exit) == ("exit", 0), ended
    assert [line for line in lines if line.split()[:1] != ["held"]] == []
    assert len(lines) == times


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/etc/machine-id",
        "/root/.bashrc",
        "/var/log",
        "/sys",
        "/run",
        "/proc/kcore",
        "/dev/kmsg",
        "/dev/sda",
        "/dev/vda",
        "/dev/mem",
    ],
)
def test_files_of_the_machine_are_not_there(sandbox: Sandbox, path: str) -> None:
    code = f"attempt('read', lambda p={path!r}: os.listdir(p) if os.path.isdir(p) else open(p, 'rb').read(9))"
    held(attack(sandbox, code), 1)


def test_the_home_shows_nothing_but_the_toolchain(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hostage")
    ended = attack(
        sandbox,
        f"""
        attempt("other temporary file", lambda: open({str(tmp_path / "key")!r}).read())
        home = {os.path.expanduser("~")!r}
        def walk(path):
            if path in (sys.prefix, sys.base_prefix) or not os.path.isdir(path): return []
            found = []
            for name in os.listdir(path):
                below = os.path.join(path, name)
                if sys.prefix.startswith(below) or sys.base_prefix.startswith(below): found += walk(below)
                elif not os.path.islink(below): found.append(below)
            return found
        found = walk(home) if os.path.isdir(home) else []
        print("held" if not found else "ESCAPED", found)
        """,
    )
    held(ended, 2)


def test_keys_are_in_no_environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hostage")
    ended = attack(
        sandbox,
        """
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for name in ("environ", "cmdline"):
                data = open(f"/proc/{pid}/{name}", "rb").read()
                print("ESCAPED" if b"hostage" in data.replace(b'b"host' + b'age"', b"") else "held", pid, name)
        """,
    )
    held(ended, 4)  # pid 1 of the namespace and the program itself: nothing else is there to be read


@pytest.mark.parametrize(
    "path", ["/", "/usr", "/usr/bin", "/etc", "/dev", "/proc", "/proc/sys/kernel", "/source", "/lib"]
)
def test_nothing_outside_the_scratch_can_be_written(sandbox: Sandbox, path: str, tmp_path: Path) -> None:
    code = f"""
    def plant():
        os.mkdir({path!r} + "/planted"); os.rmdir({path!r} + "/planted")
    attempt("mkdir", plant)
    attempt("chmod to what it is", lambda: os.chmod({path!r}, os.stat({path!r}).st_mode & 0o7777))
    print("ESCAPED" if os.access({path!r}, os.W_OK) else "held")
    """
    held(attack(sandbox, code, source=tmp_path), 3)


def test_kernel_settings_cannot_be_changed_even_when_root_runs_us(sandbox: Sandbox) -> None:
    """Outside, the program's user is then root, who owns these files and needs no capability to write them."""
    paths = ["kernel/core_pattern", "kernel/modprobe", "vm/overcommit_memory", "fs/file-max", "kernel/hostname"]
    code = f"for path in {paths}: attempt(path, lambda: os.open('/proc/sys/' + path, os.O_WRONLY))"
    held(attack(sandbox, code), len(paths))


@pytest.mark.slow
def test_all_that_is_writable_is_scratch_or_a_device(sandbox: Sandbox) -> None:
    code = """
    print(*(path for top, folders, names in os.walk("/") for path in (os.path.join(top, n) for n in [*folders, *names])
            if not os.path.islink(path) and os.access(path, os.W_OK)), sep=chr(10))
    """
    ended = attack(sandbox, code, replace(LIMITS, seconds=60, output_kb=512))
    assert (ended.ending, ended.exit) == ("exit", 0), ended
    scratch = ("/box", "/dev/shm", "/dev/pts")
    devices = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx")}
    writable = ended.stdout.decode().split()
    assert [path for path in writable if not path.startswith(scratch) and path not in devices] == []
    assert "/box/work" in writable


def test_devices_of_the_machine_cannot_be_changed_even_when_root_runs_us(sandbox: Sandbox) -> None:
    """Outside, the program's user is then root, who owns them; a descriptor handed in would do as well as the path."""
    code = """
    nodes = ["/dev/" + name for name in ("null", "zero", "full", "random", "urandom", "tty")]
    for path in [*nodes, "/proc/self/fd/0"]:
        attempt("chmod to what it is " + path, lambda: os.chmod(path, os.stat(path).st_mode & 0o7777))
    there = {path: os.stat(path) for path in nodes}
    for path in ("/proc/1/fd/0", "/proc/1/fd/1", "/proc/1/fd/2"):
        print("ESCAPED" if any(os.path.samestat(os.stat(path), node) for node in there.values()) else "held", path)
    with open("/dev/null", "w") as sink: print("held", sink.write("still takes what is written"), os.read(0, 1))
    print("held", len(open("/dev/urandom", "rb").read(9)), len(open("/dev/zero", "rb").read(9)))
    """
    held(attack(sandbox, code), 12)


def test_what_listens_in_the_source_is_not_reached(sandbox: Sandbox, tmp_path: Path) -> None:
    """A read-only mount would not keep a program from connecting to a socket or from writing into a pipe."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(f"/proc/self/fd/{(folder := os.open(tmp_path, os.O_RDONLY))}/socket")
        listener.listen()
        os.close(folder)
        (tmp_path / "below").mkdir()
        os.mkfifo(tmp_path / "below" / "pipe")
        (tmp_path / "below" / "loop").symlink_to("..")
        pipe = os.open(tmp_path / "below" / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            code = f"""
            client = socket.socket(socket.AF_UNIX)
            for top in ("/source", "/box/work", "/box/work/below/loop", {str(tmp_path)!r}):
                attempt("connect", lambda: client.connect(top + "/socket"))
                def send():
                    pipe = os.open(top + "/below/pipe", os.O_WRONLY | os.O_NONBLOCK)
                    if os.path.isfile(top + "/below/pipe"): raise OSError("its own")
                    return os.write(pipe, b"x")
                attempt("pipe", send)
            """
            held(attack(sandbox, code, source=tmp_path), 8)
            assert os.read(pipe, 9) == b""
            client.connect(str(tmp_path / "socket")) if len(str(tmp_path)) < 90 else None  # it was there to be reached
        finally:
            os.close(pipe)


def test_a_source_full_of_pipes_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    for number in range(SPECIAL_FILES + 1):
        os.mkfifo(tmp_path / str(number))
    with pytest.raises(ConfigError, match=f"more than {SPECIAL_FILES} sockets, pipes and devices"):
        attack(sandbox, "print('ran')", source=tmp_path)
    (tmp_path / "0").unlink()
    assert attack(sandbox, "print(len(os.listdir()))", source=tmp_path).stdout == b"%d\n" % SPECIAL_FILES


@pytest.mark.parametrize("which", ["prefix", "base_prefix"])
def test_the_toolchain_cannot_be_poisoned(sandbox: Sandbox, which: str) -> None:
    code = f"""
    for path in (os.path.join(sys.{which}, "lib"), os.path.join(sys.{which}, "bin"), os.path.realpath(sys.executable)):
        attempt("chmod to what it is", lambda: os.chmod(path, os.stat(path).st_mode & 0o7777))
        print("ESCAPED" if os.access(path, os.W_OK) else "held", path)
    """
    held(attack(sandbox, code), 6)


def test_the_network_is_out_of_reach(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        name = f"\0stepgraph-test-{os.getpid()}"
        abstract.bind(name)
        abstract.listen()
        port = listener.getsockname()[1]
        ended = attack(
            sandbox,
            f"""
            def connect(family, kind, address):
                with socket.socket(family, kind) as s:
                    s.settimeout(2); s.connect(address); s.send(b"x"); return address
            attempt("loopback of the host", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {port})))
            attempt("tcp", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)))
            attempt("udp", lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53)))
            attempt("ipv6", lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 80)))
            attempt("abstract socket", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, {name!r}))
            attempt("name lookup", lambda: socket.getaddrinfo("test.invalid", 80))
            attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
            attempt("packet", lambda: socket.socket(17, socket.SOCK_RAW))
            attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
            """,
        )
    held(ended, 9)
    lines = ended.stdout.decode().splitlines()
    assert [line for line in lines if line.split()[1] in ("tcp", "udp", "ipv6") and not line.endswith(" 101")] == []


def test_its_own_loopback_works(sandbox: Sandbox) -> None:
    ended = attack(
        sandbox,
        """
        import asyncio, multiprocessing, tempfile
        with socket.create_server(("localhost", 0)) as server:
            socket.create_connection(server.getsockname()).close()
        asyncio.run(asyncio.sleep(0))
        multiprocessing.Lock().acquire()
        with tempfile.NamedTemporaryFile() as file: file.write(b"x")
        print("held", os.path.expanduser("~"), os.getcwd())
        """,
    )
    assert ended.stdout == b"held /box/home /box/work\n", ended


def test_refused_system_calls_fail(sandbox: Sandbox) -> None:
    numbers = MACHINES[os.uname().machine].numbers
    names = [name for name in (*REFUSED, *ABSENT) if name in numbers]
    pairs = [(name, numbers[name]) for name in names]
    ended = attack(sandbox, f"for name, number in {pairs}: attempt(name, lambda: call(number, 0, 0, 0, 0, 0))")
    held(ended, len(names))
    refused = {line.split()[1]: int(line.split()[2]) for line in ended.stdout.decode().splitlines()}
    assert refused == {name: errno.ENOSYS if name in ABSENT else errno.EPERM for name in names}


def test_no_way_to_more_privilege(sandbox: Sandbox) -> None:
    numbers = MACHINES[os.uname().machine].numbers
    ended = attack(
        sandbox,
        f"""
        for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x04000000, 0x08000000, 0x02000000):
            attempt("unshare %x" % flag, lambda: call({numbers["unshare"]}, flag))
            attempt("clone %x" % flag, lambda: call({numbers["clone"]}, flag | 17, 0, 0, 0, 0))
        attempt("setuid", lambda: os.setuid(0))
        attempt("chown", lambda: os.chown("/box/work", 0, 0))
        attempt("mknod", lambda: os.mknod("/box/work/disk", 0o60600, os.makedev(254, 0)))
        fields = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
        facts = {{name: fields[name].split()[0] for name in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}}
        right = {{"Uid": "1000", "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}}
        print("held" if facts == right else "ESCAPED", facts)
        """,
    )
    held(ended, 18)


def test_a_foreign_system_call_table_kills(sandbox: Sandbox) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("only x86_64 has a second table under the same architecture")
    ended = attack(sandbox, "libc.syscall(0x40000000 + 39); print('ESCAPED')")
    assert (ended.exit, ended.stdout) == (128 + signal.SIGSYS, b"")


def test_characters_cannot_be_typed_into_a_terminal(sandbox: Sandbox) -> None:
    ended = attack(
        sandbox,
        """
        import fcntl, pty
        _, terminal = pty.openpty()
        attempt("TIOCSTI", lambda: fcntl.ioctl(terminal, 0x5412, b"x"))
        attempt("TIOCLINUX", lambda: fcntl.ioctl(terminal, 0x541c, b"\\2"))
        attempt("controlling terminal", lambda: os.open("/dev/tty", os.O_RDWR))
        """,
    )
    held(ended, 3)


def test_processes_outside_cannot_be_seen_or_killed(sandbox: Sandbox) -> None:
    with subprocess.Popen(["sleep", "60"]) as victim:
        try:
            ended = attack(
                sandbox,
                f"""
                print("held" if len([p for p in os.listdir("/proc") if p.isdigit()]) == 2 else "ESCAPED")
                attempt("kill", lambda: os.kill({victim.pid}, 9))
                """,
            )
            held(ended, 2)
            assert victim.poll() is None
        finally:
            victim.kill()


def test_a_fork_bomb_ends_and_leaves_nothing(sandbox: Sandbox) -> None:
    mark = f"bomb-{os.getpid()}"
    code = f"""
    import time
    mark = {mark!r}
    for _ in range(11):
        try: os.fork()
        except OSError: pass
    time.sleep(9)
    """
    ended = attack(sandbox, code, replace(LIMITS, seconds=2))
    assert ended.ending in ("processes", "time"), ended
    assert processes_with(mark) == []


def test_more_than_the_processes_allowed_never_run(sandbox: Sandbox) -> None:
    code = """
    import threading, time
    for number in range(300):
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
    time.sleep(2)
    print("ESCAPED")
    """
    ended = attack(sandbox, code, replace(LIMITS, processes=128, memory_mb=4096))
    assert b"ESCAPED" not in ended.stdout, ended


@pytest.mark.parametrize(
    "code",
    [
        "x = bytearray(3 << 30)",
        "import mmap\nm = mmap.mmap(-1, 1 << 30)\nfor i in range(0, len(m), 4096): m[i] = 1",
        "import time\nfor _ in range(8):\n    if not os.fork(): x = b'x' * (150 << 20); time.sleep(9)\nos.wait()",
        # reading maps the zero page: nothing is resident, but the page tables grow by 4 KiB for every 2 MiB
        "import mmap\n"
        "m = mmap.mmap(-1, 1 << 40, mmap.MAP_PRIVATE | 0x4000, mmap.PROT_READ)\n"
        "for i in range(0, len(m), 2 << 20): m[i]",
    ],
    ids=["one", "shared", "many", "page tables"],
)
def test_memory_hogs_end(sandbox: Sandbox, code: str) -> None:
    ended = attack(sandbox, code, replace(LIMITS, memory_mb=200))
    assert ended.ending == "memory" or b"MemoryError" in ended.stderr, ended


@pytest.mark.parametrize(
    ("meminfo", "ends"),
    [
        (b"MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable: 30000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n", False),
        (b"MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable: 10000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n", True),
        (b"MemTotal: 1000000 kB\nMemAvailable: 10000 kB\nSwapTotal: 500000 kB\nSwapFree: 400000 kB\n", False),
        (b"", False),
    ],
)
def test_what_no_process_is_charged_for_ends_before_the_machine_does(meminfo: bytes, ends: bool) -> None:
    """Buffers of sockets, shared pages that were unmapped: the real thing would take all memory of this machine."""
    assert exhausted(meminfo) is ends


def test_hidden_memory_is_refused(sandbox: Sandbox) -> None:
    ended = attack(
        sandbox,
        """
        attempt("memfd", lambda: os.memfd_create("x"))
        attempt("stdin as store", lambda: os.write(os.open("/proc/self/fd/0", os.O_RDWR), b"x" * (1 << 20)))
        def fill(path):
            with open(path, "wb") as file:
                for _ in range(64): file.write(b"x" * (1 << 20)); file.flush()
        attempt("shared memory", lambda: fill("/dev/shm/x"))
        """,
    )
    lines = ended.stdout.decode().splitlines()
    assert lines[0].startswith("held memfd"), lines
    assert lines[2].startswith("held shared memory 28"), lines


def test_standard_input_is_no_store(sandbox: Sandbox) -> None:
    code = "try: print('ESCAPED', os.write(0, b'x' * 100), os.truncate(0, 1 << 20))\nexcept OSError: print('held')"
    ended = sandbox.run(Job(("python", "-c", PRELUDE + code), stdin=b"typed", limits=LIMITS))
    assert ended.stdout == b"held\n", ended


@pytest.mark.parametrize("place", ["/", "/dev", "/dev/shm", "/tmp", "/var/tmp", "/box", "/box/work", "/etc", "/run"])
def test_the_disk_is_bounded_everywhere(sandbox: Sandbox, place: str) -> None:
    code = f"""
    written = 0
    try:
        for number in range(200):
            with open({place!r} + f"/fill{{number}}", "wb") as file:
                written += file.write(b"x" * (1 << 20))
    except OSError: pass
    print(written >> 20)
    """
    ended = attack(sandbox, code)
    assert ended.ending == "disk" or int(ended.stdout) <= LIMITS.disk_mb, ended


def test_inodes_are_bounded(sandbox: Sandbox) -> None:
    ended = attack(sandbox, "for n in range(40_000): os.mkdir(f'd{n}')")
    assert ended.ending == "disk", ended


def test_a_source_larger_than_the_disk_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (30 << 20))
    ended = attack(sandbox, "print('ran')", source=tmp_path)
    assert (ended.ending, ended.stdout) == ("disk", b""), ended


def test_stubborn_daemons_die_with_the_time_limit(sandbox: Sandbox) -> None:
    mark = f"stubborn-{os.getpid()}"
    code = f"""
    import signal, time
    mark = {mark!r}
    for _ in range(3):
        if not os.fork():
            os.setsid()
            if os.fork(): os._exit(0)
            for number in set(range(1, 65)) - {{9, 19, 32, 33}}: signal.signal(number, signal.SIG_IGN)
            for fd in range(3): os.close(fd)
            time.sleep(60)
    for number in (1, 2, 3, 15): signal.signal(number, signal.SIG_IGN)
    time.sleep(60)
    """
    began = time.monotonic()
    ended = attack(sandbox, code, replace(LIMITS, seconds=1))
    assert ended.ending == "time", ended
    assert ended.seconds >= 1
    assert time.monotonic() - began < 30
    assert processes_with(mark) == []


def test_everything_dies_when_we_are_killed(sandbox: Sandbox, tmp_path: Path) -> None:
    mark = f"orphan-{os.getpid()}"
    inner = f"mark = {mark!r}; import os, time; os.fork(); os.setsid() if os.getpid() != 2 else 0; time.sleep(60)"
    ours = (
        "from agent.sandbox import open_sandbox; from agent.sandbox.base import Job; "
        f"open_sandbox('bubblewrap').run(Job(('python', '-c', {inner!r})))"
    )
    with subprocess.Popen([sys.executable, "-c", ours], cwd=ROOT) as runner:
        wait_until(lambda: len([line for line in processes_with(mark) if line.startswith("python")]) >= 2)
        runner.kill()
    wait_until(lambda: processes_with(mark) == [])


def test_traps_do_not_survive(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(): assert False\n")
    (tmp_path / "data").mkdir()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text("untouched")
    before = tree(tmp_path)
    ended = attack(
        sandbox,
        f"""
        os.makedirs(".git"); open(".git/config", "w").write("[core]\\n fsmonitor = touch /tmp/pwned\\n")
        open("conftest.py", "w").write("raise SystemExit(0)")
        open("test_a.py", "w").write("def test_a(): pass")
        os.rename("data", "gone"); os.symlink({str(outside)!r}, "data")
        os.makedirs("__pycache__"); open("__pycache__/test_a.cpython-311.pyc", "w").write("x")
        attempt("through the link", lambda: open("data", "w").write("touched"))
        attempt("the source itself", lambda: open("/source/test_a.py", "w"))
        """,
        source=tmp_path,
    )
    held(ended, 2)
    assert tree(tmp_path) == before
    assert outside.read_text() == "untouched"


def test_links_in_the_source_lead_nowhere(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path.parent / f"{tmp_path.name}-secret"
    secret.write_text("hostage")
    (tmp_path / "link").symlink_to(secret)
    (tmp_path / "shadow").symlink_to("/etc/shadow")
    code = "for name in ('link', 'shadow'): attempt(name, lambda: open(name).read())"
    held(attack(sandbox, code, source=tmp_path), 2)


def test_hostile_output_is_bounded_while_it_is_read(sandbox: Sandbox) -> None:
    ended = attack(sandbox, "while True: os.write(1, b'\\x1b]0;x\\a' * 10000); os.write(2, b'y' * 10000)")
    assert ended.ending == "output", ended
    assert len(ended.stdout) + len(ended.stderr) < 3 * 64 * 1024
    assert ended.dropped > 0


def test_it_works_for_an_ordinary_user_too() -> None:
    """The same probe as nobody, with whatever Python nobody may run."""
    if os.geteuid() != 0:
        pytest.skip("this whole file is already run by an ordinary user")
    script = (
        "import json, os; from agent.sandbox import open_sandbox; from agent.sandbox.base import Job, SandboxLimits\n"
        "box = open_sandbox('bubblewrap'); box.probe()\n"
        "hog = 'import mmap, time; m = mmap.mmap(-1, 400 << 20); [m.write(bytes(1 << 20)) for _ in range(400)]; "
        "time.sleep(9)'\n"
        "limits = SandboxLimits(seconds=5, memory_mb=128)\n"
        "print(json.dumps([os.getuid(), box.run(Job(('id', '-u'))).stdout.decode(),"
        " box.run(Job(('python3', '-c', hog), limits=limits)).ending]))"
    )
    for python in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")):
        command = [python or "/nonexistent", "-B", "-c", script]
        nobody = {"user": 65534, "group": 65534, "extra_groups": [], "env": {"PATH": "/usr/bin:/bin"}}
        try:
            subprocess.run([command[0], "-c", "import sys, agent.sandbox; assert sys.version_info >= (3, 11)"],
                           cwd=ROOT, check=True, capture_output=True, **nobody)  # fmt: skip
        except (OSError, subprocess.CalledProcessError):
            continue
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **nobody)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [65534, "1000\n", "memory"]
        return
    pytest.skip("nobody may read no Python 3.11 or this checkout, so it cannot be tried as an ordinary user")


def processes_with(mark: str) -> list[str]:
    """Command lines of the processes of this machine that hold ``mark``."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line and int(pid) != os.getpid():
            found.append(line)
    return found


def wait_until(true: object, seconds: float = 20) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else b"" for p in sorted(root.rglob("*"))}
