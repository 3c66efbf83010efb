"""Linux: the distribution's ``bwrap``, and what it leaves to its caller: filter, limits, watchdog, copy, variables."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
from functools import cached_property
from pathlib import Path

from agent.printable import printable_bytes
from agent.sandbox import seccomp
from agent.sandbox.base import WORK, Ended, Job, SandboxLimits
from agent.sandbox.supervise import bash, data_file, source_of, start_script, supervise, wire
from agent.sandbox.toolchain import SYSTEM, environment, python_mounts
from agent.sandbox.watchdog import NamespaceTree, shm_mb
from graphs.errors import ConfigError, PrerequisiteError

INSTALL = "sudo apt-get install -y bubblewrap"
OLDEST = (0, 5)
SIZED = (0, 7)
"""From here on ``--size``; before, only the watchdog holds the disk limit."""
NO_NESTING = (0, 8)
"""From here on ``--disable-userns``; before, only the system call filter refuses namespaces inside."""
COUNTS_PER_NAMESPACE = (5, 14)
"""Linux from here on counts processes per user namespace; before, a limit would count all processes of the user."""

SOURCE = "/source"
"""Inside: the source directory itself, read-only."""
HOME = "/box/home"
TMP = "/box/tmp"
LINKED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Links into /usr on a merged system, directories on others."""
ETC = ("alternatives", "ld.so.cache")
"""What programs need of /etc to start. Each mount costs 0.1 ms; the time zone is UTC everywhere."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""Nodes of the real /dev that ``bwrap --dev`` shows."""
MOUNT_FLAGS = {
    "nosuid": os.ST_NOSUID,
    "noexec": os.ST_NOEXEC,
    "noatime": os.ST_NOATIME,
    "nodiratime": os.ST_NODIRATIME,
    "relatime": os.ST_RELATIME,
}
"""What ``statvfs`` says of a mount, as options of ``mount``."""
SPECIAL_FILES = 200
"""Sockets, pipes and devices that a source may hold; each takes a descriptor."""
SYS_ADMIN = 1 << 21
"""The capability to mount, as a bit of ``CapEff``."""
MADE_UP = {
    "/etc/passwd": "box:x:1000:1000::/box/home:/bin/sh\n",
    "/etc/group": "box:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""Files of /etc that name no account and no machine outside."""


class Bubblewrap:
    """See the module; ``PrerequisiteError`` when ``bwrap`` is missing, too old, or refused by this machine."""

    label = "bubblewrap"

    @cached_property
    def _bwrap(self) -> tuple[str, tuple[int, ...]]:
        path = shutil.which("bwrap")
        if path is None:
            raise PrerequisiteError(
                f"bubblewrap (bwrap) is not installed, and generated code is only run confined; run: {INSTALL}"
            )
        said = subprocess.run([path, "--version"], capture_output=True, env={}, check=False).stdout
        version = tuple(int(part) for part in re.findall(rb"\d+", said)[:3])
        if version < OLDEST:
            raise PrerequisiteError(
                f"{path} says {printable_bytes(said).strip()!r}, 0.5 or later is needed; run: {INSTALL}"
            )
        return path, version

    @cached_property
    def _fixed(self) -> tuple[str, ...]:
        """The options that are the same for every job."""
        _, version = self._bwrap
        options = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        options += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        options += ["--uid", "1000", "--gid", "1000", "--hostname", "box"]
        if version >= NO_NESTING:
            options += ["--disable-userns"]
        options += ["--ro-bind", SYSTEM, SYSTEM]
        for name in LINKED:
            path = f"/{name}"
            if os.path.islink(path):
                options += ["--symlink", os.readlink(path), path]
            elif os.path.isdir(path):
                options += ["--ro-bind", path, path]
        for name in ETC:
            options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        for inside, outside in python_mounts():
            options += ["--ro-bind", outside, inside]
        return (*options, "--proc", "/proc", "--dev", "/dev")

    @cached_property
    def _before(self) -> tuple[str, ...]:
        """What bwrap is started through where we own the devices of the machine, as root does; 4 ms.

        ``bwrap --dev`` shows the real nodes, writable in every sense, and a program whose user outside owns them may
        change their mode: the next process that needs ``/dev/null`` would be left without one. bwrap cannot mount
        devices read-only, but it keeps what it is started in, so /dev is made read-only in a mount namespace around it.
        """
        nodes = [f"/dev/{name}" for name in DEVICES]
        if not any(os.path.exists(node) and os.stat(node).st_uid == os.geteuid() for node in nodes):
            return ()
        tools = {name: shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin") for name in ("unshare", "mount", "sh")}
        if missing := [name for name, path in tools.items() if path is None]:
            raise PrerequisiteError(
                f"{missing[0]} was not found, and root runs generated code only with a read-only /dev; "
                "run: apt-get install -y util-linux mount"
            )
        words = []
        for place in ["/dev", *(node for node in nodes if os.path.ismount(node))]:
            flags = os.statvfs(place).f_flag  # a mount of the machine may lose none of them inside a user namespace
            kept = "".join(f",{name}" for name, bit in MOUNT_FLAGS.items() if flags & bit)
            words.append(f"{tools['mount']} -n -o remount,bind,ro{kept} {place} && ")
        user = [] if _may_mount() else ["--user", "--map-root-user"]
        script = "".join(words) + 'exec "$@"'
        return (str(tools["unshare"]), *user, "--mount", "--", str(tools["sh"]), "-c", script, "dev")

    @cached_property
    def _counts_processes(self) -> bool:
        release = re.findall(r"\d+", os.uname().release)[:2]
        return tuple(map(int, release)) >= COUNTS_PER_NAMESPACE

    def _options(self, job: Job, source: Path | None) -> list[str]:
        """Everything but the descriptors."""
        _, version = self._bwrap
        limits = job.limits
        shm = shm_mb(limits)

        def scratch(path: str, mb: int) -> list[str]:
            return ["--size", str(mb << 20), "--tmpfs", path] if version >= SIZED else ["--tmpfs", path]

        options = [*self._fixed, *scratch("/dev/shm", shm), *scratch("/box", max(1, limits.disk_mb - shm))]
        options += ["--dir", WORK, "--dir", HOME, "--dir", TMP]
        shown = [*(inside for inside, _ in python_mounts()), *job.readonly]
        for place in ("/tmp", "/var/tmp"):
            # Where the interpreter itself lies below it (a project cloned into /tmp), it cannot be a link; TMPDIR leads on.
            if not any(inside.startswith(f"{place}/") for inside in shown):
                options += ["--symlink", TMP, place]
        if source:
            options += ["--ro-bind", str(source), SOURCE]
        for inside, outside in sorted(job.readonly.items()):
            options += ["--ro-bind", str(outside.resolve()), inside]
        for name, value in {**environment(HOME, TMP), **job.env}.items():
            options += ["--setenv", name, value]
        return options

    def run(self, job: Job) -> Ended:
        """See :class:`~agent.sandbox.base.Sandbox`. ``ValueError`` for a job that cannot be meant."""
        path, _ = self._bwrap
        source = source_of(job)
        wires = wire(job)
        try:
            options = self._options(job, source)
            for path_inside in _special_files(source):
                empty = wires.hand(path_inside, data_file(b""))
                options += ["--ro-bind-data", str(empty), path_inside]
            for name, text in MADE_UP.items():
                options += ["--file", str(wires.hand(name, data_file(text.encode()))), name]
            options += ["--seccomp", str(wires.hand("filter", data_file(seccomp.program())))]
            options += ["--json-status-fd", str(wires.reader("status"))]
            # /proc too: when root runs us, the program's user outside is root, who owns /proc/sys/kernel/core_pattern
            # and needs no capability to write it; bwrap covers only some of these files.
            options += ["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK]
            listed = wires.hand("options", data_file(b"\0".join(os.fsencode(option) for option in options) + b"\0"))
            script = start_script(wires, job, SOURCE if source else None, self._counts_processes)
            command = [*self._before, path, "--args", str(listed), "--", bash(), "-p", "-c", script, "box", *job.argv]
            tree = NamespaceTree(job.limits, writable=("/box", "/dev/shm"))
        except BaseException:
            wires.close()
            raise
        return supervise(command, job=job, wires=wires, tree=tree, label=self.label, launcher=True, env={}, cwd="/")

    def probe(self) -> None:
        """Try to look out of the sandbox, to outlive it: 0.1 to 0.4 s, up to 5 on a busy machine.

        ``PrerequisiteError`` says what gives way.
        """
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            looked = self.run(
                Job(
                    ("bash", "-c", _LOOK, "look", str(port), *_private_paths()),
                    limits=SandboxLimits(seconds=20, memory_mb=256, processes=20, disk_mb=16),
                )
            )
        if looked.ending != "exit":
            raise PrerequisiteError(_remedy(looked))
        holes = [line for line in printable_bytes(looked.stdout).splitlines() if line]
        outside = set(os.environ) - set(environment(HOME, TMP)) - {"PWD", "SHLVL", "_", "OLDPWD"}
        holes = [hole for hole in holes if not hole.startswith("variable ") or hole.split(" ", 1)[1] in outside]
        for seconds in (
            0.3,
            1.0,
            3.0,
        ):  # on a busy machine whoever counts may come late; where nobody counts, time helps nothing
            limits = SandboxLimits(seconds=seconds, memory_mb=256, processes=5, disk_mb=16)
            stayed = self.run(Job(("bash", "-c", _STAY), limits=limits))
            if stayed.ending != "time" or b"8" not in stayed.stdout:
                break
        if stayed.ending not in ("time", "processes"):
            holes.append("a program outlives its time limit")
        elif stayed.ending == "time" and b"8" in stayed.stdout:
            holes.append("a program can start more processes than it may")
        if holes or looked.exit != 0:
            raise PrerequisiteError(
                f"bubblewrap does not confine on this machine ({'; '.join(holes) or 'its canary did not finish'}); "
                "report it with the output of: bwrap --version && uname -a"
            )


_LOOK = r"""
[ "$(id -u)" != 0 ] || echo "the program is root"
while read -r name value; do case "$name $value" in
  CapEff:*) [ "$((16#$value))" = 0 ] || echo "the program has capabilities";;
  NoNewPrivs:*) [ "$value" = 1 ] || echo "the program may gain privileges";;
  Seccomp:*) [ "$value" = 2 ] || echo "there is no system call filter";;
esac; done </proc/self/status
tr '\0' '\n' </proc/1/environ | while IFS== read -r name _; do echo "variable $name"; done
for name in $(compgen -e); do echo "variable $name"; done
(exec 5<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && echo "it reaches the network of this machine"
shift
for path in "$@"; do [ ! -e "$path" ] || echo "it sees $path"; done
for place in / /usr /dev /etc /proc/sys/kernel/core_pattern /proc/sys/fs/file-max /proc/sysrq-trigger; do
  [ ! -w "$place" ] || echo "it can write to $place"  # asks, and writes nothing: outside is the real machine
done
for node in /dev/*; do
  [ ! -c "$node" ] || ! chmod --reference="$node" "$node" 2>/dev/null || [ "$node" -ef /dev/pts/ptmx ] ||
    echo "it can change $node"
done
exit 0
"""
_STAY = "trap '' TERM HUP INT; (setsid sleep 30 &) ; for i in 1 2 3 4 5 6 7 8; do sleep 30 & echo $i; done; sleep 30"


def _special_files(source: Path | None) -> list[str]:
    """Sockets, pipes and devices of the source, by their paths inside: an empty file is put in the place of each.

    A read-only mount does not keep a program from talking to whoever listens at the other end. ``ConfigError`` when
    there are more than ``SPECIAL_FILES``.
    """
    found: list[str] = []
    places = [source] if source else []
    while places:
        with contextlib.suppress(OSError), os.scandir(places.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    places.append(Path(entry))
                elif not entry.is_symlink() and not entry.is_file(follow_symlinks=False):
                    found.append(f"{SOURCE}/{os.path.relpath(entry.path, source)}")
    if len(found) > SPECIAL_FILES:
        raise ConfigError(f"{str(source)!r} holds more than {SPECIAL_FILES} sockets, pipes and devices; take them out")
    return found


def _private_paths() -> list[str]:
    """What must not be seen inside: accounts, and what lies in the home beside the toolchain."""
    paths = ["/etc/shadow", "/etc/machine-id", "/root/.bashrc", "/var/log"]
    home = os.path.expanduser("~")
    shown = [inside for inside, _ in python_mounts()] + [SYSTEM]
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(home))[:200]:
            path = os.path.join(home, name)
            if not any(inside == path or inside.startswith(path + "/") for inside in shown):
                paths.append(path)
    return [path for path in paths if not any(path.startswith(inside + "/") for inside in shown)]


def _may_mount() -> bool:
    """Whether this process may mount without a user namespace of its own."""
    found = re.search(r"^CapEff:\s*(\w+)", _setting("/proc/self/status"), re.MULTILINE)
    return bool(found and int(found[1], 16) & SYS_ADMIN)


def _setting(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _in_container() -> bool:
    return any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv"))) or "container" in os.environ


def _remedy(ended: Ended) -> str:
    """One sentence: what stops bwrap here and the step that mends it."""
    said = ended.reason
    if _in_container():
        return (
            f"bubblewrap cannot make namespaces inside this container ({said}); start the container with "
            "--security-opt seccomp=unconfined --security-opt systempaths=unconfined (podman: unmask=ALL), "
            "or where the container itself is thrown away afterwards use: --sandbox none"
        )
    if _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            f"AppArmor keeps bubblewrap from making user namespaces ({said}; Ubuntu does so since 24.04); load the "
            "profile that allows it, once: sudo apt-get install -y apparmor-profiles && sudo install -m 644 "
            "/usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && "
            "sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict"
        )
    if _setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return (
            f"this kernel keeps users from making namespaces ({said}); "
            "run: sudo sysctl -w kernel.unprivileged_userns_clone=1"
        )
    if _setting("/proc/sys/user/max_user_namespaces") == "0":
        return f"this kernel allows no user namespaces ({said}); run: sudo sysctl -w user.max_user_namespaces=15000"
    return f"bubblewrap does not work on this machine ({said}); try by hand: bwrap --unshare-all --ro-bind / / true"
