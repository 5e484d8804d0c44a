"""A cage for the process that opens a stranger's file: bounded memory, time and files, no network, no new processes.

To be called in a process of its own, which ends after the file. Linux only: resource limits (setrlimit(2)) and a
system-call filter (seccomp(2)) on every thread. Where the kernel cannot, nothing is opened.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import signal
import struct
from pathlib import Path
from typing import Any, NamedTuple

GRACE_SECONDS = 5
"""Between the signal that a Python program can answer and the kernel's kill."""


class LimitReached(Exception):
    """The processor time is spent."""


class Unconfinable(RuntimeError):
    """The kernel or the machine cannot confine a process; nothing may be opened."""


class _Machine(NamedTuple):
    """One kind of machine: its number in seccomp data (linux/audit.h), the numbers of two calls, its column below."""

    audit: int
    seccomp: int
    clone: int
    column: int


_MACHINES = {"x86_64": _Machine(0xC000003E, 317, 56, 0), "aarch64": _Machine(0xC00000B7, 277, 220, 1)}

# What is denied, by its numbers on x86_64 and aarch64; there, fork and vfork are clone.
_DENIED: dict[str, tuple[int, ...]] = {
    # The network; an io_uring can open sockets by itself.
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "io_uring_setup": (425, 425),
    # Programs and processes, new ones and others.
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57,),
    "vfork": (58,),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    # Namespaces and file systems.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    # Parts of the kernel that no reader of files needs.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Memory that the limits do not count, or that outlives the process.
    "memfd_create": (319, 279),
    "mq_open": (240, 180),
    "shmget": (29, 194),
}
_CLONE3 = 435
_X32 = 0x40000000

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_TSYNC = 1
_CLONE_THREAD = 0x00010000

_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_OFFSET, _AUDIT_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 4, 16


def confine(memory_bytes: int, cpu_seconds: int, file_bytes: int) -> None:
    """Confine this process for the rest of its life.

    `memory_bytes` of address space beyond what is mapped now, then MemoryError; `cpu_seconds` beyond what is used
    now, then `LimitReached` in the main thread, and a kill `GRACE_SECONDS` later; files of at most `file_bytes`,
    then OSError; where the process may have less already, that. Sockets, programs, new processes, other processes'
    memory, signals to any process, namespaces, shared memory: PermissionError. Threads are left.
    Raises `Unconfinable` where that cannot be had.
    """
    try:
        _limit(memory_bytes, cpu_seconds, file_bytes)
    except (OSError, ValueError) as problem:
        raise Unconfinable(f"the limits of this process cannot be set: {problem}") from problem
    _filter()


def _limit(memory_bytes: int, cpu_seconds: int, file_bytes: int) -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(usage.ru_utime + usage.ru_stime) + 1 + cpu_seconds
    signal.signal(signal.SIGXCPU, _limit_reached)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _lower(resource.RLIMIT_CORE, 0, 0)
    _lower(resource.RLIMIT_FSIZE, file_bytes, file_bytes)
    _lower(resource.RLIMIT_CPU, seconds, seconds + GRACE_SECONDS)
    _lower(resource.RLIMIT_AS, mapped + memory_bytes, mapped + memory_bytes)


def _lower(limit: int, soft: int, hard: int) -> None:
    """Set a limit, or keep to what this process may have at most where that is less."""
    _, ceiling = resource.getrlimit(limit)
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(limit, (soft, hard))


def _limit_reached(_signal: int, _frame: Any) -> None:
    raise LimitReached("the processor time for this file is spent")


def _filter() -> None:
    machine = _MACHINES.get(platform.machine())
    if machine is None or platform.system() != "Linux":
        raise Unconfinable(f"no system-call filter for {platform.system()} on {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    program = _program(machine)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise Unconfinable(f"no_new_privs: errno {ctypes.get_errno()}")
    call = libc.syscall
    call.restype = ctypes.c_long
    # Synchronised to all threads: those of a numerical library were started when it was imported.
    result = call(
        ctypes.c_long(machine.seccomp),
        ctypes.c_long(_SECCOMP_SET_MODE_FILTER),
        ctypes.c_long(_SECCOMP_FILTER_FLAG_TSYNC),
        ctypes.create_string_buffer(header, len(header)),
    )
    if result != 0:
        raise Unconfinable(f"seccomp: errno {ctypes.get_errno()}, result {result}")


def _program(machine: _Machine) -> bytes:
    """The filter in classic BPF: each check jumps over its own answer or falls through to it."""
    denied = _ERRNO | _EPERM
    steps = [
        _step(_LOAD, _AUDIT_OFFSET),
        _step(_EQUAL, machine.audit, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_OFFSET),
        # Numbers of the x32 interface name the same calls a second time.
        _step(_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, denied),
        # The flags of clone3 are out of a filter's sight; without it, libc turns to clone.
        _step(_EQUAL, _CLONE3, 0, 1),
        _step(_RETURN, _ERRNO | _ENOSYS),
    ]
    for number in (number for numbers in _DENIED.values() for number in numbers[machine.column :][:1]):
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, denied)]
    steps += [
        _step(_EQUAL, machine.clone, 1, 0),
        _step(_RETURN, _ALLOW),
        _step(_LOAD, _FIRST_ARGUMENT_OFFSET),
        _step(_ANY_BIT, _CLONE_THREAD, 1, 0),
        _step(_RETURN, denied),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(steps)


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)
