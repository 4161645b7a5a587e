"""Runs inside the warm template: takes namespaces of its own, mounts, and gives up every right.

The idea: what bubblewrap does for a cold start, done after a fork with a few system calls. Order matters: mounts
need the template's capabilities; the new user namespace comes after them, so that they are locked for the program,
the count of processes is its own, and nothing is left that could be regained. Inputs and the program arrive later,
so their folders stay writable through one descriptor that nobody has any more when the program begins.

It does not cover limits of processes (the program's own process sets them) nor what is collected (`_shim.py`).

Source: bubblewrap.c (0.8), user_namespaces(7), mount(2), setns(2); steps measured in the project's sandbox study,
section 3. Imported inside the sandbox; imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from typing import Any

_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
_NEWUSER, NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 0x1000, 0x4000, 1 << 18
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 4, 22, 24, 38, 47
_AMBIENT_CLEAR_ALL, _FILTER, _CAPABILITY_VERSION = 4, 2, 0x20080522
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _UP = 0x8913, 0x8914, 1
_LIBC = ctypes.CDLL(None, use_errno=True)

NAMESPACES = {"mnt": _NEWNS, "cgroup": _NEWCGROUP, "uts": _NEWUTS, "ipc": _NEWIPC, "net": _NEWNET}


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library; raise OSError when it fails."""
    if getattr(_LIBC, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def confine(about: dict[str, Any], code: bytes) -> dict[str, int]:
    """Isolate this process, the first of a new pid namespace, for good.

    Args:
        about: `namespaces` to leave, sizes of the `writable` folders, `fixed` folders with their sizes, and `inodes`.
        code: the system-call filter.

    Returns:
        A descriptor for each `fixed` folder through which it can be written; for all else it is read-only.

    Raises:
        OSError: a step was refused; the process must end.
    """
    call("unshare", _flags(about))
    call("mount", b"none", b"/", None, _REC | _PRIVATE, None)
    if "net" in about["namespaces"]:
        _loopback_up()
    for path, size in about["writable"].items():
        _tmpfs(path, size, about["inodes"])
    handles = {path: _fixed(path, size) for path, size in about["fixed"].items()}
    call("mount", b"proc", b"/proc", b"proc", _NOSUID | _NODEV | _NOEXEC, None)
    if about["user"]:
        call("unshare", _NEWUSER)
        uid, gid = about["ids"]
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _give_up(about, code)
    return handles


def join(first: int, about: dict[str, Any], code: bytes) -> None:
    """Isolate this process for good as the first process of its pid namespace is, which has confined itself.

    Args:
        first: a pidfd of that process.
        about: as in `confine`.
        code: the system-call filter.

    Raises:
        OSError: a step was refused; the process must end.
    """
    call("setns", first, _flags(about) | (_NEWUSER if about["user"] else 0))
    _give_up(about, code)


def set_dumpable(value: int) -> None:
    """Make this process readable for others of its user, or not."""
    call("prctl", _PR_SET_DUMPABLE, value, 0, 0, 0)


def _flags(about: dict[str, Any]) -> int:
    flags = 0
    for name in about["namespaces"]:
        flags |= NAMESPACES[name]
    return flags


def _give_up(about: dict[str, Any], code: bytes) -> None:
    if about["drop"]:
        _drop_capabilities()
    _install(code)


def _tmpfs(path: str, size: int, inodes: int) -> None:
    options = f"mode=0755,size={size},nr_inodes={inodes}".encode()
    call("mount", b"tmpfs", path.encode(), b"tmpfs", _NOSUID | _NODEV, options)


def _fixed(path: str, size: int) -> int:
    """Mount a folder that is writable through the returned descriptor and read-only by its name."""
    _tmpfs(path, size, 4096)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    name = path.encode()
    call("mount", name, name, None, _BIND, None)
    call("mount", None, name, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV, None)
    return handle


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as helper:
        about = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(helper, _SIOCGIFFLAGS, about)
        (flags,) = struct.unpack_from("H", about, 16)
        struct.pack_into("H", about, 16, flags | _UP)
        fcntl.ioctl(helper, _SIOCSIFFLAGS, about)


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _drop_capabilities() -> None:
    """Empty all five sets; the bounding set ends at the first number that the kernel doesn't know."""
    call("prctl", _PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    number = 0
    while _LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    header = struct.pack("<Ii", _CAPABILITY_VERSION, 0)
    call("capset", header, bytes(24))


def _install(code: bytes) -> None:
    kept = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(kept)))
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", _PR_SET_SECCOMP, _FILTER, program, 0, 0)
