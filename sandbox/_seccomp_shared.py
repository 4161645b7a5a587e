"""A second system-call filter, for programs that share the host's namespaces and user.

The idea: it is stacked on that of `_seccomp.py`; the stricter answer counts. Without namespaces of its own a program
could reach the host's sockets, shared memory and the attributes of files that it may only read, and it could change
limits and priorities of other processes of the same user. Landlock mediates none of that, so the calls are refused.
Of sockets only connected pairs are left, which reach nobody else.

It does not cover what Landlock mediates (files, TCP, signals), and it costs programs: `chmod`, `utime`, `nice`,
watching folders, and every socket but `socketpair` fail.

Source: as `_seccomp.py`; unix(7): a connected pair of streams can't be connected again, one of datagrams can.
"""

from __future__ import annotations

from counterproof.sandbox._seccomp import _ALLOW as _ALLOW_CALL
from counterproof.sandbox._seccomp import (
    _ANY_BIT,
    _ARCH,
    _ARCHITECTURES,
    _ARG0,
    _ARG1,
    _EAFNOSUPPORT,
    _EPERM,
    _EQUAL,
    _KILL,
    _LOAD,
    _NR,
    _RETURN,
    _on,
    _refuse,
    _step,
)

_AF_UNIX = 1
_DATAGRAM_BIT = 2  # in SOCK_DGRAM, SOCK_RAW and SOCK_PACKET; not in SOCK_STREAM and SOCK_SEQPACKET
_SET_ATTRIBUTES = (0x40086602, 0x40046602, 0x401C5820)  # FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS, FS_IOC_FSSETXATTR
_SET_OWNER = (8, 15)  # fcntl F_SETOWN, F_SETOWN_EX: signals by way of a file
_SET_LEASE = (1024,)

_X86_64 = {
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
    "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280, "setxattr": 188, "lsetxattr": 189,
    "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
    "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66, "semtimedop": 220, "msgsnd": 69, "msgrcv": 70,
    "msgctl": 71, "mq_unlink": 241, "connect": 42, "bind": 49, "listen": 50, "accept": 43, "accept4": 288,
    "setpriority": 141, "ioprio_set": 251, "inotify_init": 253, "inotify_init1": 294,
}  # fmt: skip
_AARCH64 = {
    "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54, "utimensat": 88, "setxattr": 5, "lsetxattr": 6,
    "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "shmat": 196, "shmctl": 195, "semget": 190, "semop": 193, "semctl": 191, "semtimedop": 192, "msgsnd": 189,
    "msgrcv": 188, "msgctl": 187, "mq_unlink": 181, "connect": 203, "bind": 200, "listen": 201, "accept": 202,
    "accept4": 242, "setpriority": 140, "ioprio_set": 30, "inotify_init1": 26,
}  # fmt: skip
_COMMON = {"fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "file_setattr": 469}
# Allowed for the caller itself, which is 0.
_OWN = {
    "x86_64": {"prlimit64": 302, "sched_setaffinity": 203, "sched_setscheduler": 144, "sched_setparam": 142,
               "sched_setattr": 314},
    "aarch64": {"prlimit64": 261, "sched_setaffinity": 122, "sched_setscheduler": 119, "sched_setparam": 118,
                "sched_setattr": 274},
}  # fmt: skip
_FCNTL = {"x86_64": 72, "aarch64": 25}
_REFUSED = {"x86_64": _X86_64, "aarch64": _AARCH64}


def refused_when_shared() -> tuple[str, ...]:
    """Return the names of the calls that fail beside those of `_seccomp.py`, sorted; equal on every architecture."""
    return tuple(sorted({*_X86_64, *_AARCH64, *_COMMON, *_OWN["x86_64"]}))


def shared_filter(machine: str) -> bytes | None:
    """Return the second filter for `platform.machine()`, or None when there is no table for it."""
    if machine not in _ARCHITECTURES:
        return None
    audit, _, special = _ARCHITECTURES[machine]
    program = [_step(_LOAD, _ARCH), _step(_EQUAL, audit, 1, 0), _step(_RETURN, _KILL), _step(_LOAD, _NR)]
    for number in sorted({*_REFUSED[machine].values(), *_COMMON.values()}):
        program += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _EPERM)]
    for number in sorted(_OWN[machine].values()):
        program += _on(number, [_step(_LOAD, _ARG0), _step(_EQUAL, 0, 1, 0), _step(_RETURN, _EPERM)])
    program += _on(special["ioctl"], _second_argument(*_SET_ATTRIBUTES))
    program += _on(_FCNTL[machine], _second_argument(*_SET_OWNER, *_SET_LEASE))
    program += [_step(_EQUAL, special["socket"], 0, 1), _step(_RETURN, _EAFNOSUPPORT)]
    family = [_step(_LOAD, _ARG0), _step(_EQUAL, _AF_UNIX, 1, 0), _step(_RETURN, _EAFNOSUPPORT)]
    kind = [_step(_LOAD, _ARG1), _step(_ANY_BIT, _DATAGRAM_BIT, 0, 1), _step(_RETURN, _EAFNOSUPPORT)]
    program += _on(special["socketpair"], [*family, *kind])
    return b"".join([*program, _step(_RETURN, _ALLOW_CALL)])


def _second_argument(*values: int) -> list[bytes]:
    return [_step(_LOAD, _ARG1), *(step for value in values for step in _refuse(value, _EPERM))]
