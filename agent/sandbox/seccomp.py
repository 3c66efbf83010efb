"""A seccomp filter as the bytes that ``bwrap --seccomp`` takes, assembled here so that libseccomp is not needed.

A deny-list on top of the namespaces: what could reach the host past them (vsock, keyrings, TIOCSTI), memory that no
limit counts (memfd, System V), and kernel interfaces that tests never need but exploits like. Denied calls fail with
an errno, so that programs fall back; a call made through a foreign ABI (32-bit, x32) kills the process.

Numbers: ``asm/unistd_64.h`` and ``asm-generic/unistd.h`` of Linux 6.1. Layout: ``struct sock_filter`` of
``linux/filter.h``, ``struct seccomp_data`` of ``linux/seccomp.h``.
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from functools import cache

from graphs.errors import PrerequisiteError

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AT_NUMBER, AT_ARCH, AT_ARG0, AT_ARG1 = 0, 4, 16, 24
"""Offsets in ``struct seccomp_data``; of an argument, its low half (both machines are little-endian)."""

NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET."""
NEW_TIME = 0x80
"""CLONE_NEWTIME; ``unshare`` only, in ``clone`` the bit belongs to the exit signal."""
FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Not AF_VSOCK, which the network namespace does not fence."""
TTY_REQUESTS = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX put characters into a terminal as if typed."""


@dataclass(frozen=True)
class Machine:
    """What differs from one processor to the next."""

    arch: int
    """AUDIT_ARCH_*: the one ABI that may call."""
    numbers: dict[str, int]
    """Name of a system call → its number."""
    foreign_from: int | None = None
    """Numbers from here on belong to another ABI under the same arch (x32)."""


REFUSED = (
    # other processes, and the kernel itself
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp", "bpf",
    "perf_event_open", "userfaultfd", "kexec_load", "kexec_file_load", "init_module", "finit_module",
    "delete_module", "reboot", "syslog",
    # mounts, namespaces, handles that reach past a mount
    "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr", "setns", "name_to_handle_at", "open_by_handle_at", "swapon", "swapoff", "quotactl",
    "quotactl_fd", "acct", "fanotify_init",
    # keyrings are inherited from the session
    "add_key", "request_key", "keyctl",
    # memory that no limit counts
    "memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl", "semtimedop",
    "msgget", "msgsnd", "msgrcv", "msgctl",
    # clocks of the whole machine, and relics
    "settimeofday", "clock_settime", "lookup_dcookie", "nfsservctl", "iopl", "ioperm", "modify_ldt", "uselib",
    "ustat", "sysfs", "_sysctl", "create_module", "vhangup",
)  # fmt: skip
"""Fail with EPERM."""
ABSENT = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup")
"""Fail with ENOSYS, which sends libraries to the older call: a filter cannot look at the flags of ``clone3``. What
``io_setup`` takes is taken from a number of events (``fs.aio-max-nr``) that all programs of the machine share."""

_COMMON = {
    "pidfd_getfd": 438, "process_madvise": 440, "memfd_secret": 447, "move_mount": 429, "open_tree": 428,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442, "quotactl_fd": 443,
    "clone3": 435, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
}  # fmt: skip
MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        {
            **_COMMON, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "bpf": 321,
            "perf_event_open": 298, "userfaultfd": 323, "kexec_load": 246, "kexec_file_load": 320,
            "init_module": 175, "finit_module": 313, "delete_module": 176, "create_module": 174, "reboot": 169,
            "syslog": 103, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "setns": 308,
            "name_to_handle_at": 303, "open_by_handle_at": 304, "swapon": 167, "swapoff": 168, "quotactl": 179,
            "acct": 163, "fanotify_init": 300, "add_key": 248, "request_key": 249, "keyctl": 250,
            "memfd_create": 319, "shmget": 29, "shmat": 30, "shmctl": 31, "shmdt": 67, "semget": 64, "semop": 65,
            "semctl": 66, "semtimedop": 220, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71,
            "settimeofday": 164, "clock_settime": 227, "lookup_dcookie": 212, "nfsservctl": 180, "iopl": 172,
            "ioperm": 173, "modify_ldt": 154, "uselib": 134, "ustat": 136, "sysfs": 139, "_sysctl": 156,
            "vhangup": 153, "io_setup": 206, "unshare": 272, "clone": 56, "socket": 41, "socketpair": 53, "ioctl": 16,
        },
        foreign_from=0x40000000,
    ),
    "aarch64": Machine(
        0xC00000B7,
        {
            **_COMMON, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "bpf": 280,
            "perf_event_open": 241, "userfaultfd": 282, "kexec_load": 104, "kexec_file_load": 294,
            "init_module": 105, "finit_module": 273, "delete_module": 106, "reboot": 142, "syslog": 116,
            "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "setns": 268, "name_to_handle_at": 264,
            "open_by_handle_at": 265, "swapon": 224, "swapoff": 225, "quotactl": 60, "acct": 89,
            "fanotify_init": 262, "add_key": 217, "request_key": 218, "keyctl": 219, "memfd_create": 279,
            "shmget": 194, "shmctl": 195, "shmat": 196, "shmdt": 197, "semget": 190, "semctl": 191,
            "semtimedop": 192, "semop": 193, "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189,
            "settimeofday": 170, "clock_settime": 112, "lookup_dcookie": 18, "nfsservctl": 42, "vhangup": 58, "io_setup": 0,
            "unshare": 97, "clone": 220, "socket": 198, "socketpair": 199, "ioctl": 29,
        },
    ),
}  # fmt: skip


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


_ALLOWED = [_step(RETURN, ALLOW)]
_EPERM = [_step(RETURN, ERRNO | errno.EPERM)]
_ENOSYS = [_step(RETURN, ERRNO | errno.ENOSYS)]
_NO_FAMILY = [_step(RETURN, ERRNO | errno.EAFNOSUPPORT)]


def _if_any_bit(offset: int, bits: int, then: list[bytes], otherwise: list[bytes]) -> list[bytes]:
    return [_step(LOAD, offset), _step(JUMP_ANY_BIT, bits, 0, len(then)), *then, *otherwise]


def _if_one_of(offset: int, values: tuple[int, ...], then: list[bytes], otherwise: list[bytes]) -> list[bytes]:
    tests = [_step(JUMP_EQUAL, value, len(values) - 1 - i + len(otherwise), 0) for i, value in enumerate(values)]
    return [_step(LOAD, offset), *tests, *otherwise, *then]


def _search(ranges: list[tuple[int, list[bytes]]]) -> list[bytes]:
    """Binary search in (first number, what to do) pairs: 8 comparisons for a call instead of 90."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    left, right = _search(ranges[:middle]), _search(ranges[middle:])
    return [_step(JUMP_AT_LEAST, ranges[middle][0], len(left), 0), *left, *right]


def assemble(machine: Machine) -> bytes:
    """The filter for one processor, as an array of ``struct sock_filter``."""
    number = machine.numbers
    rules = {number[name]: _EPERM for name in REFUSED if name in number}
    rules |= {number[name]: _ENOSYS for name in ABSENT}
    rules[number["clone"]] = _if_any_bit(AT_ARG0, NEW_NAMESPACES, _EPERM, _ALLOWED)
    rules[number["unshare"]] = _if_any_bit(AT_ARG0, NEW_NAMESPACES | NEW_TIME, _EPERM, _ALLOWED)
    rules[number["socket"]] = rules[number["socketpair"]] = _if_one_of(AT_ARG0, FAMILIES, _ALLOWED, _NO_FAMILY)
    rules[number["ioctl"]] = _if_one_of(AT_ARG1, TTY_REQUESTS, _EPERM, _ALLOWED)
    ranges: list[tuple[int, list[bytes]]] = [(0, _ALLOWED)]
    for value in sorted(rules):
        if ranges[-1][0] == value:  # the one that was to be allowed after the last rule has a rule itself
            ranges.pop()
        ranges += [(value, rules[value]), (value + 1, _ALLOWED)]
    if machine.foreign_from is not None:
        ranges.append((machine.foreign_from, [_step(RETURN, KILL)]))
    own_arch = [_step(LOAD, AT_ARCH), _step(JUMP_EQUAL, machine.arch, 1, 0), _step(RETURN, KILL)]
    return b"".join([*own_arch, _step(LOAD, AT_NUMBER), *_search(ranges)])


@cache
def program() -> bytes:
    """The filter for this machine. ``PrerequisiteError`` where the numbers of its system calls are not known here."""
    name = os.uname().machine
    if name not in MACHINES:
        known = " and ".join(MACHINES)
        raise PrerequisiteError(
            f"the sandbox has no system call filter for {name!r} processors, only for {known}; run it on one of those"
        )
    return assemble(MACHINES[name])
