"""What resource limits miss: looks at all processes of a job together, about every 50 ms, and ends them.

Resource limits are per process, are never enforced on the number of processes of uid 0, and count neither shared
mappings nor page tables. Two ways to find the processes: those in a PID namespace (nothing escapes it), and those that
descend from a process (best effort, for the sandbox ``none``).
"""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from agent.sandbox.base import Ending, SandboxLimits

PERIOD = 0.05
"""Seconds between two looks."""
BLIND_AFTER = 1.0
"""Seconds after the command has started within which the processes must have been seen."""
SHM_SHARE = 8
"""/dev/shm gets one part in this many of the disk limit, at most 8 MiB."""

RESERVE = 50
"""One part in this many of the machine's memory and swap is left to the machine."""

_FIELDS = re.compile(rb"^(RssAnon|RssShmem|VmSwap|VmPTE|HugetlbPages|Threads):\s+(\d+)", re.MULTILINE)
_SHARED = re.compile(rb"^(Pss_Anon|Pss_Shmem|SwapPss):\s+(\d+)", re.MULTILINE)


_MACHINE = re.compile(rb"^(MemTotal|MemAvailable|SwapTotal|SwapFree):\s+(\d+)", re.MULTILINE)


class Breach(NamedTuple):
    """A ceiling that was met."""

    ending: Ending
    """Which one."""
    reason: str
    """One sentence."""


class Tree(Protocol):
    """The processes of one job."""

    def started(self, pid: int) -> None:
        """``pid`` is the process we started."""
        ...

    def told(self, data: bytes) -> None:
        """Status bytes from the launcher, where it sends any."""
        ...

    def look(self, running_for: float | None) -> Breach | None:
        """Measure. ``running_for``: seconds since the command itself started, ``None`` before."""
        ...

    def kill(self) -> None:
        """End every process of the job."""
        ...

    def gone(self, seconds: float) -> bool:
        """Wait at most that long until none is left."""
        ...

    def close(self) -> None:
        """Let go of descriptors."""
        ...


def inodes_allowed(limits: SandboxLimits) -> int:
    """How many files and directories may exist: 20,000, more where the disk is larger than the default."""
    return max(20_000, limits.disk_mb * 80)


def shm_mb(limits: SandboxLimits) -> int:
    """Size of /dev/shm in MiB; what is left of the disk limit goes to the rest."""
    return max(1, min(8, limits.disk_mb // SHM_SHARE))


def _read(directory: int, name: str) -> bytes:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        try:
            return os.read(fd, 8192)
        finally:
            os.close(fd)
    except OSError:
        return b""


def exhausted(meminfo: bytes) -> bool:
    """Whether, by the text of /proc/meminfo, this machine is about to run out of memory."""
    kib = {name: int(value) for name, value in _MACHINE.findall(meminfo)}
    total = kib.get(b"MemTotal", 0) + kib.get(b"SwapTotal", 0)
    return b"MemAvailable" in kib and kib[b"MemAvailable"] + kib.get(b"SwapFree", 0) < total // RESERVE


def measure(proc: int, pids: Iterable[str], limits: SandboxLimits) -> Breach | None:
    """Processes (threads count) and memory of ``pids``, read below the open /proc directory ``proc``.

    Memory is what cannot be taken back: anonymous and shared pages, swap, page tables; not the page cache of programs.
    Resident sizes first, because they are cheap; only when those are too large, the proportional sizes, in which a page
    shared by n processes counts 1/n for each. No process is charged for the buffers of sockets, nor for shared pages
    that it has unmapped: such memory is bounded only by what the machine can spare, and when that is gone nobody can say
    whose fault it is.
    """
    return _measure_job(proc, pids, limits) or _measure_machine(proc)


def _measure_machine(proc: int) -> Breach | None:
    if exhausted(_read(proc, "meminfo")):
        return Breach("starved", "while it ran, this machine had almost no memory left")
    return None


def _measure_job(proc: int, pids: Iterable[str], limits: SandboxLimits) -> Breach | None:
    threads = 0
    sizes: dict[str, int] = {}
    tables: dict[str, int] = {}
    for pid in pids:
        fields = {name: int(value) for name, value in _FIELDS.findall(_read(proc, f"{pid}/status"))}
        threads += fields.pop(b"Threads", 1)
        tables[pid] = fields.get(b"VmPTE", 0) + fields.get(b"HugetlbPages", 0)
        sizes[pid] = sum(fields.values())
        if threads > limits.processes:
            return Breach("processes", f"it had more than {limits.processes} processes and threads at once")
    limit = limits.memory_mb * 1024
    if sum(sizes.values()) <= limit:
        return None
    for pid in sizes:
        shared = _SHARED.findall(_read(proc, f"{pid}/smaps_rollup"))
        if shared:
            sizes[pid] = tables[pid] + sum(int(value) for _, value in shared)
    if sum(sizes.values()) <= limit:
        return None
    return Breach("memory", f"its processes together took more than {limits.memory_mb} MiB of memory")


class NamespaceTree:
    """All processes of a PID namespace, seen through its own /proc; its writable file systems with them."""

    def __init__(self, limits: SandboxLimits, writable: tuple[str, ...]) -> None:
        self._limits = limits
        self._writable = writable
        self._status = b""
        self._init = 0
        self._pidfd = -1
        self._proc = -1
        self._disks: list[int] = []

    def started(self, pid: int) -> None:
        """The launcher stays outside; pid 1 of the namespace is what counts."""

    def told(self, data: bytes) -> None:
        """Read ``child-pid`` from what ``bwrap --json-status-fd`` writes."""
        self._status += data
        found = re.search(rb'"child-pid"\s*:\s*(\d+)', self._status)
        if found and not self._init:
            self._init = int(found[1])
            try:
                self._pidfd = os.pidfd_open(self._init)
            except ProcessLookupError:
                self._pidfd = -1

    def _attach(self) -> None:
        """Open /proc and the disks of the namespace. Until its root is in place, /proc there is missing or ours."""
        root = f"/proc/{self._init}/root"
        opened: list[int] = []
        try:
            for name in ("/proc", *self._writable):
                opened.append(os.open(root + name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError:
            opened_all = False
        else:
            opened_all = os.fstat(opened[0]).st_dev != os.stat("/proc").st_dev
        if opened_all:
            self._proc, *self._disks = opened
        else:
            for fd in opened:
                os.close(fd)

    def look(self, running_for: float | None) -> Breach | None:
        """See :class:`Tree`. A job that cannot be watched is ended, never left alone."""
        if self._proc < 0 and self._init:
            self._attach()
        if self._proc < 0 and self._init and self.gone(0):
            return None  # it ran and ended before we came to look
        if self._proc < 0:
            if running_for is None or running_for < BLIND_AFTER:
                return None
            return Breach("crash", "the watchdog cannot see into the sandbox, so its limits would not hold")
        try:
            pids = [name for name in os.listdir(self._proc) if name.isdigit() and name != "1"]
        except OSError:  # the namespace has just ended
            return None
        return measure(self._proc, pids, self._limits) or self._look_at_disks()

    def _look_at_disks(self) -> Breach | None:
        used = inodes = 0
        for disk in self._disks:
            now = os.fstatvfs(disk)
            used += (now.f_blocks - now.f_bfree) * now.f_frsize
            inodes += now.f_files - now.f_ffree
        if used > self._limits.disk_mb << 20:
            return Breach("disk", f"it wrote more than {self._limits.disk_mb} MiB")
        if inodes > inodes_allowed(self._limits):
            return Breach("disk", f"it made more than {inodes_allowed(self._limits)} files and directories")
        return None

    def kill(self) -> None:
        """The kernel kills a namespace with its pid 1."""
        if self._pidfd >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                return

    def gone(self, seconds: float) -> bool:
        """Pid 1 ends only after every other process of its namespace has."""
        if self._pidfd < 0:
            return True
        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        return bool(poller.poll(seconds * 1000))

    def close(self) -> None:
        """See :class:`Tree`."""
        for fd in (self._pidfd, self._proc, *self._disks):
            if fd >= 0:
                os.close(fd)
        self._pidfd, self._proc, self._disks = -1, -1, []


class DescendantTree:
    """What descends from a process, shares its session, or carries its mark in the environment. Can be escaped."""

    def __init__(self, limits: SandboxLimits, mark: bytes) -> None:
        self._limits = limits
        self._mark = mark
        self._pid = 0
        self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def started(self, pid: int) -> None:
        """See :class:`Tree`."""
        self._pid = pid

    def told(self, data: bytes) -> None:
        """There is no launcher that says anything."""

    def members(self) -> list[str]:
        """Ids of the processes found, zombies left out."""
        parents: dict[str, str] = {}
        found: set[str] = set()
        for pid in filter(str.isdigit, os.listdir(self._proc)):
            fields = _read(self._proc, f"{pid}/stat").rpartition(b")")[2].split()
            if len(fields) < 4 or fields[0] in (b"Z", b"X"):
                continue
            parents[pid] = fields[1].decode()
            mine = pid == str(self._pid) or fields[3] == str(self._pid).encode()
            if mine or self._mark in _read(self._proc, f"{pid}/environ"):
                found.add(pid)
        more = found
        while more:
            more = {pid for pid, parent in parents.items() if parent in found and pid not in found}
            found |= more
        return sorted(found)

    def look(self, running_for: float | None) -> Breach | None:
        """See :class:`Tree`."""
        return measure(self._proc, self.members(), self._limits)

    def kill(self) -> None:
        """Kill again and again what is found, for two seconds at most: a tree can grow while it is cut."""
        end = time.monotonic() + 2
        while (members := self.members()) and time.monotonic() < end:
            for pid in members:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.002)

    def gone(self, seconds: float) -> bool:
        """See :class:`Tree`."""
        end = time.monotonic() + seconds
        while self.members():
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def close(self) -> None:
        """See :class:`Tree`."""
        os.close(self._proc)
