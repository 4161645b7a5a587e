"""Runs inside the Landlock sandbox as a program and tries to get out; `_landlock_probe.py` judges what it reports.

The idea: as `_attack.py`, for a program that shares the host's namespaces and user: what Landlock can't mediate is
attacked too (files' attributes, sockets with a path, limits and priorities of other processes), and nothing is found
out through /proc, which is closed. An attack that succeeds is reported with the protection that gave way.

It does not cover limits that the supervisor enforces; `_landlock_probe.py` runs a second program for memory.

Runs alone: the helper functions of `_attack.py` stand before this text, and a call of `attack_all` after it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from counterproof.sandbox._attack import ABOUT, GAVE_WAY, LIBC, TRIED, attempt, calls, connects, writes

_GET_SECCOMP, _GET_NO_NEW_PRIVS, _CAPABILITY_VERSION = 21, 39, 0x20080522
_IS_SHARED = {"shmat": (0, 0, 0), "semget": (0, 1, 0o1600), "msgget": (0, 0o1600), "shmget": (0, 4096, 0o1600)}


def variables() -> dict[str, str]:
    """Return this process's environment as the C library has it."""
    first = ctypes.POINTER(ctypes.c_char_p).in_dll(LIBC, "environ")
    found: dict[str, str] = {}
    at = 0
    while (item := first[at]) is not None:
        name, _, value = item.decode().partition("=")
        found[name] = value
        at += 1
    return found


def reads(path: str) -> None:
    """Read a file."""
    Path(path).read_bytes()


def plants(folder: str) -> None:
    """Make a new file in the folder; it is removed, for nobody else will."""
    path = f"{folder}/counterproof-planted-{os.getpid()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(path)


def has_descriptors() -> bool:
    """Say whether a file is open that we have not opened."""
    for handle in range(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0]):
        with contextlib.suppress(OSError):
            os.fstat(handle)
            return True
    return False


def has_capabilities() -> bool:
    """Say whether a set of capabilities is not empty."""
    header, sets = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    return int(LIBC.capget(header, sets)) != 0 or any(sets)


def grows(path: str) -> None:
    """Make a file of a size that is not allowed."""
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def attack_network() -> None:
    """Try to reach anybody."""
    attempt("network", "TCP to the host", connects, socket.AF_INET, ("127.0.0.1", ABOUT["port"]))
    attempt("network", "abstract socket", connects, socket.AF_UNIX, "\0" + ABOUT["abstract"])
    attempt("network", "socket with a path", connects, socket.AF_UNIX, f"{ABOUT['folder']}/socket")
    for name in ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
            attempt("network", f"{name} socket", socket.socket, getattr(socket, name), kind)
    attempt("network", "pair of datagrams", socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM)


def attack_files() -> None:
    """Try to reach what belongs to the host, or is read-only."""
    data, folder = variables()["COUNTERPROOF_DATA"], ABOUT["folder"]
    canary, given = f"{folder}/canary", f"{data}/probe.txt"
    os.stat(canary), os.stat(given)  # an attack on something that is not there would prove nothing
    for path in (canary, "/etc/passwd", "/etc/shadow", "/proc/version", "/proc/self/environ"):
        attempt("fs_read", path.replace(folder, ""), reads, path)
    for path in ("/", "/etc", "/tmp", "/proc", "/home", "/root", folder):
        attempt("fs_read", f"names in {path.replace(folder, 'the canary folder')}", os.listdir, path)
    attempt("fs_read", "existence of other files", os.stat, "/etc/passwd")
    program, interpreter = sys.argv[0], os.path.realpath(sys.executable)
    for path in (given, canary, program, interpreter, os.__file__, "/etc/passwd", "/proc/self/oom_score_adj"):
        attempt("fs_write", path, writes, path)
    for name in ("sys/kernel/core_pattern", "sys/kernel/hostname", "sysrq-trigger"):
        attempt("fs_write", f"/proc/{name}", writes, f"/proc/{name}")
    own = ("/", "/usr", "/dev", "/etc", "/proc", "/tmp", "/var/tmp", folder, data, "..")
    for path in (*own, os.path.dirname(program), os.path.dirname(interpreter), os.path.dirname(sys.executable)):
        attempt("fs_write", f"a file in {path}", plants, path)
    for path in (given, canary):
        attempt("fs_write", "mode", os.chmod, path, 0o700)
        attempt("fs_write", "times", os.utime, path, (1, 1))
        attempt("fs_write", "attribute", os.setxattr, path, "user.planted", b"x")
        attempt("fs_write", "owner", os.chown, path, os.getuid(), os.getgid())
        attempt("fs_write", "size", os.truncate, path, 0)
        attempt("fs_write", "name", os.rename, path, f"{path}.moved")
        attempt("fs_write", "link", os.link, path, "linked")
        attempt("fs_write", "removal", os.unlink, path)
    attempt("fs_write", "inherited descriptors", has_descriptors)


def attack_processes() -> None:
    """Try to reach other processes and what they share."""
    attempt("processes", "numbers of other processes", os.stat, f"/proc/{ABOUT['supervisor']}")
    for name, pid in (("the supervisor", ABOUT["supervisor"]), ("the first process", os.getppid())):
        attempt("signals", name, os.kill, pid, 0)
        attempt("signals", f"open files of {name}", os.listdir, f"/proc/{pid}/fd")
        attempt("signals", f"memory of {name}", writes, f"/proc/{pid}/mem")
        attempt("signals", f"limits of {name}", resource.prlimit, pid, resource.RLIMIT_CORE)
        attempt("signals", f"priority of {name}", os.setpriority, os.PRIO_PROCESS, pid, 19)
        attempt("signals", f"processors of {name}", os.sched_setaffinity, pid, {0})
        attempt("signals", f"debugging of {name}", calls, "ptrace", 16, pid, 0, 0)
        attempt("env", f"variables of {name}", reads, f"/proc/{pid}/environ")
    attempt("env", "variables", lambda: not set(variables()) <= set(ABOUT["variables"]))
    for name, arguments in _IS_SHARED.items():
        attempt("ipc", name, calls, name, *arguments)
    attempt("ipc", "/dev/shm", plants, "/dev/shm")


def attack_kernel_and_limits() -> None:
    """Try calls that are refused, rights that we don't have, and limits that are set."""
    attempt("syscalls", "AF_ALG", socket.socket, 38, socket.SOCK_SEQPACKET)
    attempt("syscalls", "no filter", lambda: LIBC.prctl(_GET_SECCOMP, 0, 0, 0, 0) != 2)
    attempt("syscalls", "memory file", os.memfd_create, "planted")
    attempt("syscalls", "personality", calls, "personality", 0xFFFFFFFF)
    attempt("syscalls", "watching a folder", calls, "inotify_init1", 0)
    attempt("privileges", "capabilities", has_capabilities)
    attempt("privileges", "NoNewPrivs", lambda: LIBC.prctl(_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
    attempt("privileges", "root", lambda: 0 in (os.getuid(), os.geteuid(), os.getgid(), *os.getgroups()))
    attempt("privileges", "setuid", os.setuid, 0)
    attempt("privileges", "user namespace", calls, "unshare", 0x10000000)
    attempt("privileges", "mount", calls, "mount", b"none", b"/tmp", b"tmpfs", 0, None)
    attempt("disk_total", "a file larger than allowed", grows, "large")
    for name, value in ABOUT["rlimits"].items():
        attempt("proc_count", f"limit {name}", differs, name, value)


def differs(name: str, value: int) -> bool:
    """Say whether a limit of this process is not the one that was meant."""
    return resource.getrlimit(getattr(resource, name)) != (value, value)


def leave_orphan() -> int:
    """Leave a process behind that holds nothing of ours, and return its number."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, str(os.getpid()).encode())
            os.closerange(0, 64)
            time.sleep(600)
        os._exit(0)
    return int(os.read(reader, 20))


def attack_all(about: str) -> None:
    """Attack everything and write what was found to results.json."""
    ABOUT.update(json.loads(about))
    attack_network()
    attack_files()
    attack_processes()
    attack_kernel_and_limits()
    found = {"tried": TRIED, "gave_way": GAVE_WAY, "orphan": leave_orphan()}
    Path("results.json").write_text(json.dumps(found), "utf-8")
