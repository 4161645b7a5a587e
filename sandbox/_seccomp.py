"""The system-call filter of the local sandbox, made in Python as a classic BPF program.

The idea: namespaces don't stop bugs in rarely used kernel interfaces (page-cache writes through AF_ALG and
AF_RXRPC went through read-only mounts in 2026), so those interfaces are refused: calls that analyses never
need fail with EPERM, sockets exist for AF_UNIX, AF_INET and AF_INET6 only, new namespaces can't be made, and
another call convention ends the process. Memory that no process maps (memfd, System V) would escape the
watchdog's count, so it can't be had.

It does not cover calls that analyses need; it is a list of what is refused, not of what is allowed.

Source: seccomp(2), Linux `include/uapi/linux/{filter,seccomp,audit}.h`; tables from `asm/unistd`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType

_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _ENOSYS, _EAFNOSUPPORT = 0x00050001, 0x00050026, 0x00050061
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_X32 = 0x40000000

SOCKET_FAMILIES = (1, 2, 10)

_X86_64 = {
    "ptrace": 101, "syslog": 103, "personality": 135, "pivot_root": 155, "acct": 163, "mount": 165,
    "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171,
    "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176, "quotactl": 179, "lookup_dcookie": 212,
    "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "migrate_pages": 256, "unshare": 272,
    "move_pages": 279, "vmsplice": 278, "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320, "bpf": 321,
    "userfaultfd": 323, "modify_ldt": 154, "adjtimex": 159, "settimeofday": 164, "clock_settime": 227,
    "chroot": 161, "uselib": 134, "ustat": 136, "sysfs": 139, "memfd_create": 319, "shmget": 29, "msgget": 68,
    "mq_open": 240,
}  # fmt: skip
_AARCH64 = {
    "ptrace": 117, "syslog": 116, "personality": 92, "pivot_root": 41, "acct": 89, "mount": 40, "umount2": 39,
    "swapon": 224, "swapoff": 225, "reboot": 142, "sethostname": 161, "setdomainname": 162, "init_module": 105,
    "delete_module": 106, "quotactl": 60, "lookup_dcookie": 18, "kexec_load": 104, "add_key": 217,
    "request_key": 218, "keyctl": 219, "migrate_pages": 238, "unshare": 97, "move_pages": 239, "vmsplice": 75,
    "perf_event_open": 241, "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "finit_module": 273, "kexec_file_load": 294, "bpf": 280, "userfaultfd": 282, "adjtimex": 171,
    "settimeofday": 170, "clock_settime": 112, "chroot": 51, "memfd_create": 279,
    "shmget": 194, "msgget": 186, "mq_open": 180,
}  # fmt: skip
_COMMON = {  # numbers from 424 on are equal on all architectures
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447, "process_mrelease": 448,
}  # fmt: skip

_ARCHITECTURES: Mapping[str, tuple[int, Mapping[str, int], Mapping[str, int]]] = MappingProxyType(
    {
        "x86_64": (0xC000003E, _X86_64, {"clone": 56, "clone3": 435, "socket": 41, "ioctl": 16, "socketpair": 53}),
        "aarch64": (0xC00000B7, _AARCH64, {"clone": 220, "clone3": 435, "socket": 198, "ioctl": 29, "socketpair": 199}),
    }
)  # fmt: skip


def refused_calls() -> tuple[str, ...]:
    """Return the names of the calls that fail, sorted; equal on every architecture."""
    return tuple(sorted({*_X86_64, *_AARCH64, *_COMMON}))


def seccomp_filter(machine: str) -> bytes | None:
    """Return the filter for `platform.machine()`, or None when there is no table for it."""
    if machine not in _ARCHITECTURES:
        return None
    audit, refused, special = _ARCHITECTURES[machine]
    program = [_step(_LOAD, _ARCH), _step(_EQUAL, audit, 1, 0), _step(_RETURN, _KILL), _step(_LOAD, _NR)]
    if machine == "x86_64":
        program += [_step(_AT_LEAST, _X32, 0, 1), _step(_RETURN, _KILL)]
    for number in sorted({*refused.values(), *_COMMON.values()}):
        program += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _EPERM)]
    program += [_step(_EQUAL, special["clone3"], 0, 1), _step(_RETURN, _ENOSYS)]
    program += _on(
        special["clone"], [_step(_LOAD, _ARG0), _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1), _step(_RETURN, _EPERM)]
    )
    program += _on(special["ioctl"], [_step(_LOAD, _ARG1), *_refuse(_TIOCSTI, _EPERM), *_refuse(_TIOCLINUX, _EPERM)])
    for name in ("socket", "socketpair"):
        families = [_step(_EQUAL, family, len(SOCKET_FAMILIES) - at, 0) for at, family in enumerate(SOCKET_FAMILIES)]
        program += _on(special[name], [_step(_LOAD, _ARG0), *families, _step(_RETURN, _EAFNOSUPPORT)])
    program.append(_step(_RETURN, _ALLOW))
    return b"".join(program)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _refuse(value: int, answer: int) -> list[bytes]:
    return [_step(_EQUAL, value, 0, 1), _step(_RETURN, answer)]


def _on(number: int, body: list[bytes]) -> list[bytes]:
    """Run `body` for that call and allow it at the end; `body` may spoil the loaded number."""
    return [_step(_EQUAL, number, 0, len(body) + 1), *body, _step(_RETURN, _ALLOW)]
